"""What the person sees while a run goes on, and what metrics.jsonl keeps."""

import io
import json
import logging
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from minibert.train.log import (
    MetricsFile,
    Progress,
    Record,
    TensorBoard,
    append_whole,
    require_tensorboard,
    scalars,
    to_all,
)

SPIKE = {"kind": "spike", "step": 8, "loss": 9.5, "expected": 2.25, "deviation": 0.125, "skipped": False}
OVERFLOW = {"kind": "overflow", "step": 9, "loss_scale": 32768.0}
HELD_OUT = {"kind": "held_out", "step": 7, "seconds": 1.0, "word_loss": 4.5, "word_accuracy": 0.25}


def line(step: int, progress: float, **more) -> dict:
    return {
        "kind": "train",
        "step": step,
        "progress": progress,
        "seconds": 60 * progress,
        "loss": 2.5,
        "tokens_per_second": 12345.6,
    } | more


def test_without_a_terminal_there_are_about_ten_plain_lines() -> None:
    out = io.StringIO()
    progress = Progress(out)
    for step in range(1, 1001):
        progress(line(step, step / 1000))
    shown = out.getvalue().splitlines()
    assert len(shown) == 11
    assert shown[5].split() == "50% step 500: loss 2.500, 12,346 tokens/s, 0:30 left".split()  # noqa: SIM905


def test_what_happens_now_and_then_is_always_shown() -> None:
    out = io.StringIO()
    progress = Progress(out)
    for record in (HELD_OUT, SPIKE, SPIKE | {"skipped": True}, OVERFLOW):
        progress(record)
    spike = "step 8: a spike: loss 9.500, where 2.250 ± 0.125 was expected; the step is "
    assert out.getvalue().splitlines() == [
        "step 7: held out: word loss 4.500, word accuracy 0.250",
        f"{spike}taken all the same",
        f"{spike}left out",
        "step 9: the gradient is too large for fp16; the step is left out, and the scale of the loss is now "
        "32,768",
    ]


def test_the_share_of_the_peak_is_shown_and_a_loss_that_is_not_there_is_not() -> None:
    out = io.StringIO()
    record = line(1, 1.0, mfu=0.415)
    del record["loss"]
    Progress(out)(record)
    assert out.getvalue().split() == "100% step 1: 12,346 tokens/s, MFU 42%, 0:00 left".split()  # noqa: SIM905


class Screen(io.StringIO):
    """A terminal, of which one can ask what stands on it."""

    def isatty(self) -> bool:
        return True

    def rows(self) -> list[str]:
        rows = []
        for written in self.getvalue().split("\n"):
            row = ""
            for piece in written.split("\r"):  # each goes over what the one before wrote
                row = piece + row[len(piece) :]
            rows.append(row.rstrip())
        return rows


def test_on_a_terminal_there_is_a_bar_and_events_stand_above_it() -> None:
    out = Screen()
    progress = Progress(out)
    for record in (line(5, 0.25), SPIKE, OVERFLOW, HELD_OUT, line(10, 0.5)):
        progress(record)
    rows = out.rows()
    progress.close()
    assert [row[:7] for row in rows[:-1]] == ["step 8:", "step 9:", "step 7:"]
    assert rows[-1].startswith(" 50 %|") and rows[-1].endswith(
        "| step 10: " + "loss 2.500, 12,346 tokens/s, 0:30 left"
    )


def test_on_a_terminal_what_is_logged_stands_above_the_bar_too(monkeypatch: pytest.MonkeyPatch) -> None:
    out = Screen()
    monkeypatch.setattr(sys, "stderr", out)
    shows = logging.StreamHandler()
    monkeypatch.setattr(logging.root, "handlers", [shows])
    progress = Progress()
    progress(line(5, 0.5))
    logging.getLogger("minibert").warning("the disk is full")
    rows = out.rows()
    progress.close()
    assert rows[0] == "the disk is full"
    assert rows[1].startswith(" 50 %|")
    assert logging.root.handlers == [shows]


def test_one_sink_passes_each_record_on_to_all() -> None:
    first: list[Record] = []
    second: list[Record] = []
    to_all(first.append, second.append)(SPIKE)
    assert first == second == [SPIKE]


# metrics.jsonl.


def test_lines_after_the_resumed_step_and_cut_lines_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text("".join(json.dumps(line(s, s / 4)) + "\n" for s in (1, 2, 3)) + '{"kind": "tr')
    metrics = MetricsFile(path, step=2)
    metrics(line(3, 0.75, loss=1.0))
    records = [json.loads(text) for text in path.read_text().splitlines()]
    assert [(r["step"], r["loss"]) for r in records] == [(1, 2.5), (2, 2.5), (3, 1.0)]


def test_lines_that_a_loss_of_power_left_broken_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    whole = json.dumps(line(1, 0.25)).encode()
    path.write_bytes(whole + b"\n\0\0\0\xff\n" + b'{"kind": "tr' + whole + b"\n" + whole)
    MetricsFile(path, step=2)
    assert path.read_bytes() == 2 * (whole + b"\n")


@contextmanager
def full_disk(size: int) -> Iterator[None]:
    """Let no file grow beyond so many bytes, as if there were no more room."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_what_does_not_fit_on_the_disk_is_not_begun(tmp_path: Path) -> None:
    path = tmp_path / "file"
    append_whole(path, b"12345678")
    with full_disk(10), pytest.raises(OSError, match="too large"):
        append_whole(path, b"abcd")
    assert path.read_bytes() == b"12345678"
    append_whole(path, b"abcd")
    assert path.read_bytes() == b"12345678abcd"


def test_a_full_disk_is_told_once_and_no_line_is_lost(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "metrics.jsonl"
    metrics = MetricsFile(path, step=0)
    metrics(line(1, 0.1))
    with full_disk(path.stat().st_size + 20):
        metrics(line(2, 0.2))
        metrics(line(3, 0.3))
        assert [json.loads(text)["step"] for text in path.read_text().splitlines()] == [1]
    said = [f"{path}: File too large; training goes on, and its numbers are written once that is possible"]
    assert caplog.messages == said
    metrics(line(4, 0.4))
    assert [json.loads(text)["step"] for text in path.read_text().splitlines()] == [1, 2, 3, 4]
    with full_disk(0):
        metrics(line(5, 0.5))
    assert caplog.messages == 2 * said


# TensorBoard.


def points(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Return the curves as TensorBoard reads them: tag -> step and value of each point."""
    events = EventAccumulator(str(folder)).Reload()
    return {
        tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]
    }


def test_every_kind_of_line_has_its_curves() -> None:
    phases = {"data": 0.01, "forward": 0.25}
    more = {"tokens": 7, "mfu": 0.5, "memory": 1000, "loss_scale": 2.0, "phases": phases}
    assert scalars(line(3, 0.75, **more)) == {
        "train/loss": 2.5,
        "train/loss_scale": 2.0,
        "speed/tokens_per_second": 12345.6,
        "speed/mfu": 0.5,
        "speed/memory": 1000,
        "time/data": 0.01,
        "time/forward": 0.25,
    }
    assert scalars(HELD_OUT) == {"held_out/word_loss": 4.5, "held_out/word_accuracy": 0.25}
    spike = {"spike/loss": 9.5, "spike/expected": 2.25, "spike/deviation": 0.125, "spike/skipped": False}
    assert scalars(SPIKE) == spike
    assert scalars(OVERFLOW) == {"overflow/loss_scale": 32768.0}


def test_tensorboard_reads_what_was_written(tmp_path: Path) -> None:
    board = TensorBoard(tmp_path / "run" / "tensorboard", step=0)
    for record in (line(1, 0.1), HELD_OUT, line(20, 0.2, loss=1.25)):
        board(record)
    read = points(tmp_path / "run" / "tensorboard")
    assert read["train/loss"] == [(1, 2.5), (20, 1.25)]
    assert read["held_out/word_accuracy"] == [(7, 0.25)]
    assert read["speed/tokens_per_second"][0] == (1, pytest.approx(12345.6))


def test_the_curves_of_a_resumed_run_do_not_double(tmp_path: Path) -> None:
    board = TensorBoard(tmp_path, step=0)
    for step in (1, 2, 3, 4):
        board(line(step, step / 4))
    resumed = TensorBoard(tmp_path, step=2)
    resumed(line(3, 0.75, loss=1.0))
    assert points(tmp_path)["train/loss"] == [(1, 2.5), (2, 2.5), (3, 1.0)]


def test_curves_that_a_full_disk_holds_back_come_later(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    board = TensorBoard(tmp_path, step=0)
    board(line(1, 0.1))
    (events,) = tmp_path.iterdir()
    with full_disk(events.stat().st_size + 20):
        board(line(2, 0.2))
        assert points(tmp_path)["train/loss"] == [(1, 2.5)]
    board(line(3, 0.3))
    assert points(tmp_path)["train/loss"] == [(1, 2.5), (2, 2.5), (3, 2.5)]
    assert len(caplog.messages) == 1


def test_without_the_package_it_is_said_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    said = r"--tensorboard needs the package tensorboard: pip install 'minibert\[tensorboard\]'"
    with pytest.raises(ValueError, match=said):
        require_tensorboard()
    with pytest.raises(ValueError, match=said):
        TensorBoard(tmp_path, step=0)
    assert list(tmp_path.iterdir()) == []


def test_the_package_is_loaded_only_where_it_is_asked_for() -> None:
    code = "import sys, minibert.train.log; sys.exit('tensorboard' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
