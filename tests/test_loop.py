"""The loop: stopped anywhere and resumed equals never stopped, bit for bit."""

import json
import math

import pytest
import torch
from by_hand import by_hand
from torch import nn

from minibert.learn.checks import train_loop as train_checks
from minibert.train.loop import Limits, choose_device, train
from minibert.train.loss import cross_entropy
from minibert.train.optimizer import AdamW, Muon

test_in_torch = by_hand(train_checks, examples=5)

STEPS = 7


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.body = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.3), nn.Linear(8, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x)


def batches(step: int) -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.randn(6, 4, generator=torch.Generator().manual_seed(step))
    return x, (x.sum(1) > 0).long()


def loss(model, batch):
    return {"loss": cross_entropy(model(batch[0]), batch[1])}


class Stopped(Exception):
    pass


def run(folder, stop_at: int | None = None, resume: bool = False, **changes):
    model = Net()
    matrices = [p for p in model.parameters() if p.ndim == 2]
    optimizers = [AdamW([p for p in model.parameters() if p.ndim == 1], lr=0.05), Muon(matrices, lr=0.02)]

    def stopping(step: int):
        if step == stop_at:
            raise Stopped
        return batches(step)

    settings = {"steps": STEPS, "checkpoint_every": 2, "log_every": 3, "clip": 0.5} | changes
    at = train(model, loss, stopping, optimizers, folder, resume=resume, **settings)
    return model, at


def lines(folder, *, timed=("seconds", "tokens_per_second")) -> list[dict]:
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in record.items() if k not in timed} for record in records]


def bits(model: nn.Module) -> list[bytes]:
    return [p.detach().numpy().tobytes() for p in model.parameters()]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    model, at = run(folder)
    return bits(model), lines(folder), at


@pytest.mark.parametrize("stop_at", range(STEPS))
def test_stopped_at_any_step_and_resumed_equals_never_stopped(tmp_path, whole, stop_at):
    with pytest.raises(Stopped):
        run(tmp_path, stop_at=stop_at)
    model, at = run(tmp_path, resume=True)
    assert bits(model) == whole[0]
    assert lines(tmp_path) == whole[1]
    assert at.step == STEPS


def test_stopped_at_every_step_one_after_the_other_equals_never_stopped(tmp_path, whole):
    for stop_at in range(1, STEPS):
        with pytest.raises(Stopped):
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
    other, _ = run(tmp_path / "other", seed=1)
    assert bits(again) == whole[0] != bits(other)


def test_a_cut_line_in_the_metrics_is_dropped_on_resume(tmp_path, whole):
    with pytest.raises(Stopped):
        run(tmp_path, stop_at=5)
    with open(tmp_path / "metrics.jsonl", "a") as file:
        file.write('{"kind": "train", "st')
    run(tmp_path, resume=True)
    assert lines(tmp_path) == whole[1]


def test_the_outer_random_state_is_left_alone(tmp_path):
    torch.manual_seed(5)
    expected = torch.rand(1)
    model = Net()
    torch.manual_seed(5)
    train(model, loss, batches, [AdamW(model.parameters())], tmp_path, steps=2)
    assert torch.equal(torch.rand(1), expected)


def test_evaluation_sees_a_model_without_dropout_and_training_goes_on_with_it(tmp_path):
    modes = []
    model = Net()

    def evaluate(net):
        modes.append(net.training)
        return {"word_loss": 1.0}

    def watched(net, batch):
        modes.append(net.training)
        return loss(net, batch)

    train(
        model,
        watched,
        batches,
        [AdamW(model.parameters())],
        tmp_path,
        steps=4,
        evaluate=evaluate,
        evaluate_every=2,
    )
    assert modes == [True, True, False, True, True, False]
    assert not model.training
    held_out = [line for line in lines(tmp_path) if line["kind"] == "held_out"]
    assert held_out == [{"kind": "held_out", "step": s, "word_loss": 1.0} for s in (2, 4)]


def test_log_lines_are_means_since_the_line_before(tmp_path):
    model = nn.Linear(1, 1)
    values = iter(range(1, 7))

    def counting(net, batch):
        return {"loss": net(batch[0]).sum() * 0 + next(values)}

    train(
        model,
        counting,
        lambda step: (torch.ones(1, 1),),
        [AdamW(model.parameters())],
        tmp_path,
        steps=5,
        log_every=2,
    )
    assert [line["loss"] for line in lines(tmp_path)] == [1.5, 3.5, 5.0]
    assert [line["step"] for line in lines(tmp_path)] == [2, 4, 5]


def test_a_run_over_time_ends_in_time_and_its_rate_falls(tmp_path):
    model = Net()
    at = train(
        model, loss, batches, [AdamW(model.parameters(), lr=1.0)], tmp_path, max_minutes=0.01, log_every=1
    )
    assert 0.6 <= at.seconds < 3
    rates = [line["lr"] for line in lines(tmp_path)]
    assert 0 < rates[0] < 0.5 and max(rates) > 0.9 and rates[-1] < 0.1


def test_a_run_over_time_keeps_its_clock_when_resumed(tmp_path):
    model = Net()
    first = train(model, loss, batches, [AdamW(model.parameters())], tmp_path, max_minutes=0.005)
    model = Net()
    second = train(model, loss, batches, [AdamW(model.parameters())], tmp_path, max_minutes=0.01, resume=True)
    assert second.step > first.step
    assert 0.6 <= second.seconds < 3


def test_a_run_needs_an_end():
    with pytest.raises(ValueError, match="give steps, max_minutes or both"):
        Limits()


def test_an_absent_device_is_refused():
    assert choose_device("cpu").type == "cpu"
    missing = "mps" if not torch.backends.mps.is_available() else "cuda"
    with pytest.raises(ValueError, match=f"no {missing} device here; use --device auto"):
        choose_device(missing)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_the_loop_trains_on_cuda(tmp_path):
    model = Net().cuda()
    train(model, loss, batches, [AdamW(model.parameters(), lr=0.05)], tmp_path, steps=5, log_every=1)
    assert all(math.isfinite(line["loss"]) for line in lines(tmp_path))


@pytest.mark.parametrize("stop_at", [None, 3])
def test_the_rates_of_a_run_rise_and_fall_with_its_steps(tmp_path, stop_at):
    settings = {"steps": 6, "log_every": 1, "checkpoint_every": 2, "warmup": 2 / 6}
    if stop_at is not None:
        with pytest.raises(Stopped):
            run(tmp_path, stop_at=stop_at, **settings)
    run(tmp_path, resume=True, **settings)
    expected = [0.05 * share for share in (1 / 2, 1, 1, 3 / 4, 2 / 4, 1 / 4)]
    assert [line["lr"] for line in lines(tmp_path)] == pytest.approx(expected)
