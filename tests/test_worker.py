"""The forward and the backward pass of a worker: whole or in parts, in every precision."""

from typing import Any

import pytest
import torch
from by_hand import by_hand
from tiny_runs import Net, batches, counts, loss
from torch import Tensor

from minibert.config import TrainConfig
from minibert.learn.checks import train_worker as checks
from minibert.train.distributed import ALONE
from minibert.train.feed import Feed
from minibert.train.phases import Phases
from minibert.train.worker import Worker

CPU = torch.device("cpu")

test_by_hand = by_hand(checks, examples=1)


def gradient(micro_batch: int | None = None, **settings: Any) -> tuple[Worker, dict[str, Tensor]]:
    """Return a worker after the passes of a step without dropout, and its losses."""
    worker = Worker(Net(dropout=0.0), loss, TrainConfig(steps=1, **settings), ALONE, Phases(CPU))
    feed = Feed(batches, counts, lambda batch: 0, 8, micro_batch, 0, CPU, ALONE)
    load = feed.load(0)
    return worker, worker.gradient(feed.parts(load, load.count))


def gradients(worker: Worker) -> list[Tensor]:
    return [p.grad for p in worker.model.parameters() if p.grad is not None]


@pytest.mark.parametrize("micro_batch", [1, 3, 5])
def test_parts_give_the_loss_and_the_gradient_of_the_whole(micro_batch):
    whole, expected = gradient()
    parts, got = gradient(micro_batch)
    torch.testing.assert_close(got, expected)
    torch.testing.assert_close(gradients(parts), gradients(whole))


@pytest.mark.parametrize(("precision", "tolerance"), [("tf32", 1e-6), ("bf16", 2e-2), ("fp16", 3e-3)])
def test_every_precision_has_nearly_the_gradient_of_float32(precision, tolerance):
    plain, expected = gradient()
    other, got = gradient(3, precision=precision)
    plain.clip(1e9)
    other.clip(1e9)
    assert got["loss"].dtype == torch.float32
    torch.testing.assert_close(got, expected, rtol=tolerance, atol=tolerance)
    torch.testing.assert_close(gradients(other), gradients(plain), rtol=tolerance, atol=tolerance)


def test_in_fp16_gradients_are_clipped_after_they_have_their_true_size():
    plain, scaled = gradient()[0], gradient(precision="fp16")[0]
    before = [g.clone() for g in gradients(scaled)]
    assert float(scaled.clip(1e9)) == pytest.approx(float(plain.clip(1e9)), rel=1e-2)
    assert scaled.scaler is not None
    for large, small in zip(before, gradients(scaled), strict=True):
        torch.testing.assert_close(large, small * scaled.scaler.scale)
    assert float(scaled.clip(1e-3)) < 1  # unscaled once more; what counts is only that it is small


def test_a_look_is_without_dropout_and_without_a_graph():
    worker = Worker(Net().train(), loss, TrainConfig(steps=1), ALONE, Phases(CPU))
    seen = worker.look(lambda model: (model.training, torch.is_grad_enabled()))
    assert seen == (False, False) and worker.model.training


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*script_method.* is deprecated:DeprecationWarning")  # torch's own
def test_a_compiled_worker_gives_the_same_gradient():
    whole, expected = gradient()
    compiled, got = gradient(3, compile=True)
    torch.testing.assert_close(got, expected)
    torch.testing.assert_close(gradients(compiled), gradients(whole))
