"""The trace of a few steps: what is in it, that it is whole, and what happens when there can be none."""

import json
import logging
import resource
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from minibert.train.phases import Phases
from minibert.train.trace import RECORD, SKIP, WARM, tracing

NEEDED = SKIP + WARM + RECORD


def run(folder: Path, steps: int, device: str = "cpu", wanted: bool = True) -> None:
    """Take steps with a small model, its batches in two parts."""
    model = nn.Linear(8, 8, device=device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    phases = Phases(torch.device(device), named=True)
    with tracing(folder, torch.device(device), wanted) as trace:
        for _ in range(steps):
            for _ in range(2):
                with phases.during("forward"):
                    loss = torch.tanh(model(torch.ones(4, 8, device=device))).sum()
                with phases.during("backward"):
                    loss.backward()
            with phases.during("optimizer"):
                optimizer.step()
                optimizer.zero_grad()
            trace.step()


def events(folder: Path) -> list[dict[str, Any]]:
    """Return what takes time in the trace."""
    trace = json.loads((folder / "trace.json").read_text(encoding="utf-8"))
    return [event for event in trace["traceEvents"] if event["ph"] == "X"]


def test_a_trace_shows_three_steps_with_their_phases_and_operations(tmp_path: Path) -> None:
    run(tmp_path, steps=20)
    shown = events(tmp_path)
    assert list(tmp_path.iterdir()) == [tmp_path / "trace.json"]
    phases = Counter(event["name"] for event in shown if event["cat"] == "user_annotation")
    assert {name: phases[name] for name in ("forward", "backward", "optimizer")} == {
        "forward": 2 * RECORD,
        "backward": 2 * RECORD,
        "optimizer": RECORD,
    }
    assert {name for name in phases if name.startswith("ProfilerStep")} == {
        f"ProfilerStep#{step}" for step in range(SKIP + WARM, NEEDED)
    }
    operations = Counter(event["name"] for event in shown if event["cat"] == "cpu_op")
    assert operations["aten::linear"] == operations["aten::tanh"] == 2 * RECORD
    assert phases["Optimizer.step#SGD.step"] == RECORD


def test_an_operation_lies_within_its_phase(tmp_path: Path) -> None:
    run(tmp_path, steps=NEEDED)
    shown = events(tmp_path)
    spans = [(e["ts"], e["ts"] + e["dur"]) for e in shown if e["name"] == "forward"]
    products = [(e["ts"], e["ts"] + e["dur"]) for e in shown if e["name"] == "aten::linear"]
    assert len(products) == 2 * RECORD
    for begin, end in products:
        assert any(first <= begin and end <= last for first, last in spans)


@pytest.mark.parametrize("steps", range(NEEDED))
def test_a_run_that_is_too_short_says_so_and_leaves_nothing(
    steps: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run(tmp_path, steps)
    assert caplog.messages == [f"no trace: it takes {NEEDED} steps, and there were {steps}"]
    assert list(tmp_path.iterdir()) == []


def test_an_error_in_a_step_passes_and_the_next_run_can_be_traced(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), tracing(tmp_path, torch.device("cpu"), wanted=True) as trace:
        for _ in range(SKIP + WARM + 1):
            trace.step()
        _ = 1 // 0
    assert not torch.autograd.profiler._is_profiler_enabled
    assert list(tmp_path.iterdir()) == []
    run(tmp_path, NEEDED)
    assert events(tmp_path)


def test_a_trace_that_does_not_fit_on_the_disk_leaves_the_one_before(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "trace.json").write_text("the one before")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, before[1]))
    try:
        run(tmp_path, NEEDED)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caplog.messages == [f"{tmp_path / 'trace.json'} could not be written; is the disk full?"]
    assert [path.name for path in tmp_path.iterdir()] == ["trace.json"]
    assert (tmp_path / "trace.json").read_text() == "the one before"


def test_who_wants_no_trace_gets_none_and_a_written_one_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "minibert")
    run(tmp_path, NEEDED, wanted=False)
    assert list(tmp_path.iterdir()) == [] and caplog.messages == []
    run(tmp_path, NEEDED)
    path = tmp_path / "trace.json"
    assert caplog.messages == [f"a trace of {RECORD} steps: open {path} at https://ui.perfetto.dev"]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_gpu_the_kernels_are_shown_too(tmp_path: Path) -> None:
    run(tmp_path, NEEDED, "cuda")
    kernels = [event["name"] for event in events(tmp_path) if event["cat"] == "kernel"]
    assert any("tanh" in name for name in kernels)
