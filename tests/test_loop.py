"""The loop: stopped anywhere and resumed equals never stopped, bit for bit; its guards, looks and limits."""

import json
import logging
import math
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from safetensors import safe_open
from tiny_runs import Broken, Net, batches, bits, lines, loss, run
from torch import nn

from minibert.config import TrainConfig
from minibert.files import folder_lock
from minibert.signals import Stopped
from minibert.train.bad_gradient import BadGradient
from minibert.train.checkpoint import load_checkpoint
from minibert.train.loop import train
from minibert.train.loss import IGNORE
from minibert.train.optimizer import AdamW

STEPS = 7


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    model, at = run(folder)
    return bits(model), lines(folder), at


@pytest.mark.parametrize("stop_at", range(STEPS))
def test_stopped_at_any_step_and_resumed_equals_never_stopped(tmp_path, whole, stop_at):
    with pytest.raises(Broken):
        run(tmp_path, stop_at=stop_at)
    model, at = run(tmp_path, resume=True)
    assert bits(model) == whole[0]
    assert lines(tmp_path) == whole[1]
    assert at.step == STEPS


@pytest.fixture(scope="module")
def accumulated(tmp_path_factory) -> Callable[[str], list[bytes]]:
    """Return a function that gives the weights of 40 steps with accumulation, never stopped."""
    known: dict[str, list[bytes]] = {}

    def of(precision: str) -> list[bytes]:
        if precision not in known:
            folder = tmp_path_factory.mktemp(f"accumulated-{precision}")
            known[precision] = bits(run(folder, precision=precision, **ACCUMULATED)[0])
        return known[precision]

    return of


ACCUMULATED = {"steps": 40, "micro_batch": 3, "checkpoint_every": 7, "skip_spikes": True}
"""Three parts of 3, 3 and 2 rows, each with another number of predictions."""


@pytest.mark.slow
@pytest.mark.parametrize("stop_at", range(40))
def test_forty_steps_with_accumulation_stopped_at_each_equal_those_never_stopped(
    tmp_path, accumulated, stop_at
):
    with pytest.raises(Broken):
        run(tmp_path, stop_at=stop_at, **ACCUMULATED)
    assert bits(run(tmp_path, resume=True, **ACCUMULATED)[0]) == accumulated("float32")


@pytest.mark.parametrize("stop_at", [0, 5, 20, 39])
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_resumes_to_the_bit(tmp_path, accumulated, precision, stop_at):
    with pytest.raises(Broken):
        run(tmp_path, stop_at=stop_at, precision=precision, **ACCUMULATED)
    resumed, _ = run(tmp_path, resume=True, precision=precision, **ACCUMULATED)
    assert bits(resumed) == accumulated(precision) != accumulated("float32")
    assert all(p.dtype == torch.float32 for p in resumed.parameters())


def test_stopped_at_every_step_one_after_the_other_equals_never_stopped(tmp_path, whole):
    for stop_at in range(1, STEPS):
        with pytest.raises(Broken):
            run(tmp_path, stop_at=stop_at, resume=True, checkpoint_every=1)
    model, _ = run(tmp_path, resume=True, checkpoint_every=1)
    assert bits(model) == whole[0]


def test_a_damaged_newest_checkpoint_costs_steps_but_not_the_result(tmp_path, whole):
    run(tmp_path)
    newest = max((tmp_path / "checkpoints").iterdir())
    (newest / "model.safetensors").write_bytes(b"")
    model, _ = run(tmp_path, resume=True)
    assert bits(model) == whole[0] and lines(tmp_path) == whole[1]


def test_a_finished_run_takes_no_step_when_resumed(tmp_path, whole):
    run(tmp_path)
    model, at = run(tmp_path, resume=True, stop_at=0)
    assert bits(model) == whole[0] and at.step == STEPS


def test_two_runs_with_one_seed_are_equal_and_another_seed_differs(tmp_path, whole):
    again, _ = run(tmp_path / "again")
    deterministic, _ = run(tmp_path / "deterministic", deterministic=True)
    other, _ = run(tmp_path / "other", seed=1)
    assert bits(again) == bits(deterministic) == whole[0] != bits(other)


def test_a_cut_line_in_the_metrics_is_dropped_on_resume(tmp_path, whole):
    with pytest.raises(Broken):
        run(tmp_path, stop_at=5)
    with open(tmp_path / "metrics.jsonl", "a") as file:
        file.write('{"kind": "train", "st')
    run(tmp_path, resume=True)
    assert lines(tmp_path) == whole[1]


def test_the_outer_random_state_is_left_alone(tmp_path):
    model = Net()
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    run(tmp_path, model=model, steps=2)
    assert torch.equal(torch.rand(1), expected)


# One batch in parts, and batches without anything to predict.


@pytest.mark.parametrize("micro_batch", [1, 2, 3, 7])
def test_a_batch_in_parts_learns_what_the_whole_batch_learns(tmp_path, micro_batch):
    whole, _ = run(tmp_path / "whole", model=Net(dropout=0.0), steps=20)
    parts, _ = run(tmp_path / "parts", model=Net(dropout=0.0), steps=20, micro_batch=micro_batch)
    for one, other in zip(whole.parameters(), parts.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-5)
    for one, other in zip(lines(tmp_path / "whole"), lines(tmp_path / "parts"), strict=True):
        assert one == pytest.approx(other, abs=1e-5)


def test_a_batch_that_predicts_nothing_has_no_loss_and_no_gradient(tmp_path):
    def nothing(step, first, count):
        x, targets = batches(step, first, count)
        return x, torch.full_like(targets, -100)

    model = Net()
    before, adamw = bits(model), AdamW(model.parameters(), weight_decay=0.0)
    changed = {"batches": nothing, "optimizers": lambda: [adamw]}
    run(tmp_path, model=model, steps=3, micro_batch=3, log_every=1, others=changed)
    assert all(line["loss"] == 0 and line["grad_norm"] == 0 for line in lines(tmp_path, "train"))
    assert bits(model) == before


# Looking, logging, ending.


def test_evaluation_sees_a_model_without_dropout_and_training_goes_on_with_it(tmp_path):
    modes = []
    model = Net()

    def evaluate(net):
        modes.append(net.training)
        return {"word_loss": 1.0}

    def watched(net, batch):
        modes.append(net.training)
        return loss(net, batch)

    run(tmp_path, model=model, steps=4, evaluate_every=2, others={"loss": watched, "evaluate": evaluate})
    assert modes == [True, True, False, True, True, False]
    assert not model.training
    assert lines(tmp_path, "held_out") == [{"kind": "held_out", "step": s, "word_loss": 1.0} for s in (2, 4)]


def test_log_lines_are_means_since_the_line_before(tmp_path):
    values = iter(range(1, 7))

    def counting(net, batch):
        return {"loss": net(batch[0]).sum() * 0 + next(values)}

    run(tmp_path, steps=5, log_every=2, checkpoint_every=100, others={"loss": counting, "counts": rows})
    assert [line["loss"] for line in lines(tmp_path)] == [1.5, 3.5, 5.0]
    assert [line["step"] for line in lines(tmp_path)] == [2, 4, 5]


def rows(batch) -> dict[str, int]:
    return {"loss": len(batch[0])}


def test_a_line_tells_where_the_time_went_and_what_memory_was_used(tmp_path):
    run(tmp_path, others={"count_tokens": lambda batch: 10, "peak_speed": 1e9})
    [first, *_] = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert {"data", "forward", "backward", "optimizer"} <= set(first["phases"])
    assert 0 < sum(first["phases"].values()) < first["seconds"]
    assert first["memory"] > 1e7
    assert first["mfu"] == pytest.approx(first["tokens_per_second"] / 1e9)


def over_time(folder, model, minutes, **more):
    adamw = {"optimizers": lambda: [AdamW(model.parameters(), lr=1.0)]}
    return run(folder, model=model, steps=None, max_minutes=minutes, others=adamw, **more)[1]


def test_a_run_over_time_ends_in_time_and_its_rate_falls(tmp_path):
    at = over_time(tmp_path, Net(), 0.01, log_every=1)
    assert 0.6 <= at.seconds < 3
    rates = [line["lr"] for line in lines(tmp_path, "train")]
    assert 0 < rates[0] < 0.5 and max(rates) > 0.9 and rates[-1] < 0.1


def test_a_run_over_time_keeps_its_clock_when_resumed(tmp_path):
    first = over_time(tmp_path, Net(), 0.005, checkpoint_every=1000)
    second = over_time(tmp_path, Net(), 0.01, checkpoint_every=1000, resume=True)
    assert second.step > first.step
    assert 0.6 <= second.seconds < 3


@pytest.mark.parametrize("stop_at", [None, 3])
def test_the_rates_of_a_run_rise_and_fall_with_its_steps(tmp_path, stop_at):
    settings: dict[str, Any] = {"steps": 6, "log_every": 1, "checkpoint_every": 2, "warmup": 2 / 6}
    if stop_at is not None:
        with pytest.raises(Broken):
            run(tmp_path, stop_at=stop_at, **settings)
    run(tmp_path, resume=True, **settings)
    expected = [0.05 * share for share in (1 / 2, 1, 1, 3 / 4, 2 / 4, 1 / 4)]
    assert [line["lr"] for line in lines(tmp_path)] == pytest.approx(expected)


def test_warmup_counts_steps_and_not_their_parts(tmp_path):
    for name, micro_batch in (("whole", None), ("parts", 2)):
        run(tmp_path / name, steps=6, log_every=1, warmup=0.5, micro_batch=micro_batch)
    rates = [[line["lr"] for line in lines(tmp_path / name)] for name in ("whole", "parts")]
    assert rates[0] == rates[1]


# The best checkpoint, and stopping early.


def looks(*losses: float) -> dict:
    values = iter(losses)
    return {"evaluate": lambda model: {"word_loss": next(values), "word_accuracy": 0.5}}


def kept(folder) -> list[int]:
    return sorted(int(path.name[5:]) for path in (folder / "checkpoints").iterdir())


def test_the_newest_and_the_best_checkpoint_stay(tmp_path):
    run(tmp_path, steps=6, evaluate_every=1, checkpoint_every=1, keep=1, others=looks(5, 3, 1, 4, 2, 6))
    assert kept(tmp_path) == [3, 6]


def test_a_run_that_learns_nothing_more_stops_and_goes_back_to_its_best(tmp_path, caplog):
    settings: dict[str, Any] = {"steps": 50, "evaluate_every": 2, "checkpoint_every": 3, "keep": 1}
    with caplog.at_level(logging.INFO, "minibert"):
        model, at = run(tmp_path, patience=3, others=looks(5, 4, 6, 4, 5), **settings)
    assert (at.step, at.best_step, at.model_step) == (10, 4, 4)
    saved = load_checkpoint(tmp_path / "checkpoints" / "step-00000004").tensors["model"]
    assert all(torch.equal(p, saved[name]) for name, p in model.named_parameters())
    assert "at step 4: going back to it" in caplog.text


def test_who_runs_the_loop_says_what_is_best_and_the_run_ends_with_it(tmp_path):
    accuracies = iter((0.5, 0.9, 0.7))
    model, at = run(
        tmp_path,
        steps=6,
        evaluate_every=2,
        others={
            "evaluate": lambda model: {"loss": 0.0, "accuracy": next(accuracies)},
            "judge": lambda numbers: 1 - numbers["accuracy"],
            "keep_best": True,
        },
    )
    assert (at.step, at.best_step, at.model_step) == (6, 4, 4)
    saved = load_checkpoint(tmp_path / "checkpoints" / "step-00000004").tensors["model"]
    assert all(torch.equal(p, saved[name]) for name, p in model.named_parameters())


def test_what_is_done_before_each_step_by_its_number_is_done_again_when_resumed(tmp_path):
    def thawing(name: str, stop_at: int | None, **more: Any) -> list[bytes]:
        model = Net()
        others = {
            "before_step": lambda step: model.body[0].requires_grad_(step >= 2),
            "optimizers": lambda: [AdamW(model.parameters(), lr=0.05, weight_decay=0.0)],
        }
        run(tmp_path / name, stop_at, model=model, others=others, **more)
        return bits(model)

    whole = thawing("whole", None, steps=6)
    with pytest.raises(Broken):
        thawing("stopped", 5, steps=6)
    assert thawing("stopped", None, steps=6, resume=True) == whole
    assert thawing("short", None, steps=2)[:2] == bits(Net())[:2] != whole[:2]


def test_layers_that_are_frozen_before_each_step_do_not_move(tmp_path):
    model = Net()
    before = bits(model)
    run(tmp_path, model=model, others={"before_step": lambda step: model.body[0].requires_grad_(False)})
    after = bits(model)
    assert after[:2] == before[:2] and after[2:] != before[2:]


def test_a_lost_best_checkpoint_is_said_and_the_last_weights_stand_in(tmp_path, caplog):
    def lose(model):
        if len(list((tmp_path / "checkpoints").glob("*"))) == 2:
            shutil.rmtree(tmp_path / "checkpoints" / "step-00000002")
        return {"word_loss": next(values)}

    values = iter((1.0, 2.0, 3.0, 4.0))
    _, at = run(
        tmp_path,
        steps=50,
        evaluate_every=2,
        checkpoint_every=2,
        keep=1,
        patience=3,
        others={"evaluate": lose},
    )
    assert (at.step, at.best_step, at.model_step) == (8, 2, 8)
    assert "the best checkpoint is lost" in caplog.text and "step-00000002" in caplog.text
    assert kept(tmp_path) == [8]


def test_waiting_goes_on_after_a_stop(tmp_path):
    settings: dict[str, Any] = {"steps": 50, "evaluate_every": 2, "checkpoint_every": 2, "patience": 3}
    with pytest.raises(Broken):
        run(tmp_path, stop_at=7, others=looks(5, 4, 6), **settings)
    _, at = run(tmp_path, resume=True, others=looks(4, 5), **settings)
    assert (at.step, at.best_step) == (10, 4)


# Guards.


class Spoiled(nn.Module):
    """A net whose gradient becomes something else in one step."""

    def __init__(self, step: int, value: float) -> None:
        super().__init__()
        self.net, self.calls = Net(), 0
        self.net.get_parameter("body.2.weight").register_hook(
            lambda gradient: torch.full_like(gradient, value) if self.calls > step else gradient
        )

    def forward(self, x):
        self.calls += 1
        return self.net(x)


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("micro_batch", [None, 3])
def test_a_gradient_that_is_not_finite_stops_the_run_before_the_step(tmp_path, value, micro_batch):
    parts = 1 if micro_batch is None else 3
    model = Spoiled(5 * parts, value)
    with pytest.raises(BadGradient, match=r"step 6 .*net\.body\.2\.weight.*--lr"):
        run(tmp_path, model=model, micro_batch=micro_batch, checkpoint_every=4, keep=1)
    assert all(p.isfinite().all() for p in model.parameters())
    assert kept(tmp_path) == [4]
    with safe_open(tmp_path / "bad-step-00000006.safetensors", "pt") as file:
        rows = [file.get_tensor(name) for name in sorted(file.keys()) if name.endswith("0")]
    assert torch.equal(torch.cat(rows) if parts > 1 else rows[0], batches(5)[0])


def spiky(step: int, first: int, count: int):
    x, targets = batches(step, first, count)
    wrong = torch.where(targets == IGNORE, targets, 2)  # right are 0 and 1
    return (300 * x, wrong) if step in (45, 52) else (x, targets)


@pytest.mark.parametrize("skip", [False, True])
def test_a_loss_spike_is_logged_and_left_out_on_demand(tmp_path, skip):
    settings = {
        "steps": 60,
        "checkpoint_every": 100,
        "skip_spikes": skip,
        "warmup": 0.0,
        "schedule": "cosine",
    }
    spoiled, _ = run(tmp_path / "spiky", others={"batches": spiky}, **settings)
    spikes = lines(tmp_path / "spiky", "spike")
    assert [spike["step"] for spike in spikes] == [46, 53]
    assert all(spike["loss"] > spike["expected"] and spike["skipped"] is skip for spike in spikes)


def test_a_spike_that_is_left_out_leaves_no_trace_in_the_weights(tmp_path):
    settings: dict[str, Any] = {"steps": 46, "checkpoint_every": 45, "skip_spikes": True}
    run(tmp_path, others={"batches": spiky}, **settings)
    before, after = (load_checkpoint(tmp_path / "checkpoints" / f"step-000000{s}") for s in (45, 46))
    for kind in ("model", "optimizer"):
        for name, tensor in before.tensors[kind].items():
            assert torch.equal(tensor, after.tensors[kind][name]), name


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), MemoryError()]
)
def test_out_of_memory_names_the_part_to_try_and_saves(tmp_path, error):
    def too_much(model, batch):
        calls.append(1)
        if len(calls) == 4:
            raise error
        return loss(model, batch)

    calls: list[int] = []
    with pytest.raises(ValueError, match=r"saved.*--resume auto --micro-batch 4"):
        run(tmp_path, checkpoint_every=100, others={"loss": too_much})
    assert kept(tmp_path) == [3]
    run(tmp_path, resume=True, micro_batch=4)
    assert lines(tmp_path)[-1]["step"] == STEPS


def test_an_error_that_is_not_about_memory_stays_what_it_is(tmp_path):
    def wrong(model, batch):
        raise RuntimeError("shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        run(tmp_path, others={"loss": wrong})


def test_too_little_room_is_said_before_the_first_step(tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(ValueError, match=r"not enough room in .*needed.*free.*--out"):
        run(tmp_path, stop_at=1)
    assert not list((tmp_path / "checkpoints").iterdir())


def test_a_save_without_room_is_said_and_the_next_one_is_tried(tmp_path, monkeypatch, caplog):
    real = os.fsync
    full = iter([False] * 6 + [True] + [False] * 100)

    def fsync(handle):
        if next(full):
            raise OSError(28, "No space left on device")
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    model, _ = run(tmp_path, steps=6, checkpoint_every=2)
    assert "No space left" in caplog.text and "make room" in caplog.text
    assert len(kept(tmp_path)) == 2 and kept(tmp_path)[-1] == 6


def test_a_last_save_without_room_is_an_error(tmp_path, monkeypatch):
    def full(handle):
        raise OSError(28, "No space left on device")

    (tmp_path / "metrics.jsonl").touch()
    monkeypatch.setattr("minibert.train.checkpoint.write_synced", lambda path, data: full(0))
    with pytest.raises(ValueError, match="could not be saved"):
        run(tmp_path)


def test_a_folder_in_use_is_refused(tmp_path):
    script = "import sys, time; from pathlib import Path; from minibert.files import folder_lock\n"
    script += f"with folder_lock(Path({str(tmp_path)!r})): print('here', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdout.readline() == "here\n"
        with pytest.raises(ValueError, match=rf"process {other.pid} .*--out"):
            run(tmp_path)
        other.kill()
    run(tmp_path)


def test_whoever_has_locked_the_folder_may_train_in_it(tmp_path):
    with folder_lock(tmp_path):
        run(tmp_path, steps=1)
    assert kept(tmp_path) == [1]


# Signals.


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("at_step", [0, 3])
def test_a_signal_saves_the_step_and_leaves(tmp_path, whole, number, at_step):
    def told(model, batch):
        if len(calls) == at_step:
            os.kill(os.getpid(), number)
        calls.append(1)
        return loss(model, batch)

    calls: list[int] = []
    before = signal.getsignal(number)
    with pytest.raises(Stopped) as stopped:
        run(tmp_path, checkpoint_every=100, others={"loss": told})
    assert stopped.value.number == number and stopped.value.exit_code == 128 + number
    assert kept(tmp_path) == [at_step + 1]
    assert signal.getsignal(number) is before
    model, _ = run(tmp_path, resume=True, checkpoint_every=100)
    assert bits(model) == whole[0]


def test_a_signal_before_the_first_step_saves_the_start(tmp_path, whole):
    def told(step, first, count):
        os.kill(os.getpid(), signal.SIGTERM)
        return batches(step, first, count)

    with pytest.raises(Stopped):
        run(tmp_path, others={"batches": told})
    assert kept(tmp_path) == [0]
    assert bits(run(tmp_path, resume=True)[0]) == whole[0]


def test_a_signal_in_a_look_leaves_it_and_the_resumed_run_takes_it_again(tmp_path):
    def evaluate(model):
        looked.append(len(looked))
        if len(looked) == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return {"word_loss": float(bits(model)[0][0])}

    settings: dict[str, Any] = {
        "steps": 6,
        "evaluate_every": 2,
        "checkpoint_every": 100,
        "others": {"evaluate": evaluate},
    }
    looked = [0] * 10
    expected, _ = run(tmp_path / "whole", **settings)
    looked = []
    with pytest.raises(Stopped):
        run(tmp_path / "stopped", **settings)
    assert kept(tmp_path / "stopped")[-1] == 4
    looked = [0] * 10
    model, at = run(tmp_path / "stopped", resume=True, **settings)
    assert bits(model) == bits(expected)
    assert lines(tmp_path / "stopped", "held_out") == lines(tmp_path / "whole", "held_out")


def test_a_signal_in_a_save_lets_it_end(tmp_path, monkeypatch, whole):
    real = os.replace

    def told(source, target):
        if str(target).endswith("step-00000004"):
            os.kill(os.getpid(), signal.SIGTERM)
        real(source, target)

    monkeypatch.setattr(os, "replace", told)
    with pytest.raises(Stopped):
        run(tmp_path)
    assert kept(tmp_path) == [2, 4]
    assert bits(run(tmp_path, resume=True)[0]) == whole[0]


# What the loop needs.


def test_a_run_needs_an_end(tmp_path):
    with pytest.raises(ValueError, match="give steps, max_minutes or both"):
        run(tmp_path, steps=None)


def test_a_batch_in_a_plain_tuple_counts_its_rows(tmp_path):
    model = Net()

    def mean_square(net, batch):
        return {"loss": net(batch[0]).square().mean()}

    for micro_batch in (None, 3):
        model = Net(dropout=0.0)
        optimizers = lambda model=model: [AdamW(model.parameters())]  # noqa: E731
        config = TrainConfig(steps=1, batch_size=8, micro_batch=micro_batch)
        train(model, mean_square, batches, optimizers, tmp_path / str(micro_batch), config)
    first, second = (lines(tmp_path / name)[0]["loss"] for name in ("None", "3"))
    assert first == pytest.approx(second, rel=1e-5)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("precision", ["float32", "tf32", "bf16", "fp16"])
def test_the_loop_trains_on_cuda(tmp_path, precision):
    run(tmp_path, model=Net().cuda(), precision=precision, log_every=1)
    assert all(math.isfinite(line["loss"]) for line in lines(tmp_path))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_cuda_a_deterministic_run_resumes_to_the_bit(tmp_path):
    settings = {"deterministic": True, "precision": "bf16", "micro_batch": 3}
    whole, _ = run(tmp_path / "whole", model=Net().cuda(), **settings)
    with pytest.raises(Broken):
        run(tmp_path / "stopped", model=Net().cuda(), stop_at=5, **settings)
    resumed, _ = run(tmp_path / "stopped", model=Net().cuda(), resume=True, **settings)
    assert bits(whole.cpu()) == bits(resumed.cpu())
