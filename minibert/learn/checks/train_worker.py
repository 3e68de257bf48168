"""What must hold when the gradients of a step are clipped: they have their true size first."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from minibert.config import TrainConfig
from minibert.learn.compare import expect, expect_close
from minibert.learn.tensors import exact
from minibert.train.distributed import ALONE
from minibert.train.phases import Phases
from minibert.train.worker import Worker

CLIPPED = 1e-6
"""PyTorch's own clipping adds so much to the norm before it divides, and that is right, too."""


class Weights(nn.Module):
    """A model of some numbers that have gradients, and nothing else.

    They are plain tensors: a copy of an `nn.Parameter`, as it is made to name a mistake, has no gradient.
    """

    def __init__(self, gradients: Sequence[float | None]) -> None:
        super().__init__()
        self.weights = [exact(0.0) for _ in gradients]
        for weight, gradient in zip(self.weights, gradients, strict=True):
            weight.grad = None if gradient is None else exact(gradient)

    def parameters(self, recurse: bool = True) -> Iterator[Any]:
        """Yield the weights."""
        yield from self.weights


def worker_with(gradients: Sequence[float | None], scale: float | None = None) -> Worker:
    """Return a worker whose weights have these gradients; with a scale it works in half precision."""
    config = TrainConfig(steps=1, precision="float32" if scale is None else "fp16")
    phases = Phases(torch.device("cpu"))
    worker = Worker(Weights(gradients), lambda model, batch: {}, config, ALONE, phases)
    if worker.scaler is not None and scale is not None:
        worker.scaler.scale = scale
    return worker


def expect_clipped(worker: Worker, largest: float, norm: float, expected: Sequence[float | None]) -> None:
    """Clip, and compare the norm that is returned and the gradients."""
    what = f"clipped to {largest:g}"
    if worker.scaler:
        what += f", with the scale {worker.scaler.scale:g}"
    got = worker.clip(largest)
    expect(isinstance(got, Tensor), f"expected the norm as a tensor, got {type(got).__name__}")
    expect_close(got, norm, f"the norm before clipping, {what}", CLIPPED)
    for number, (weight, value) in enumerate(zip(worker.model.parameters(), expected, strict=True)):
        if value is not None:
            expect(weight.grad is not None, f"gradient {number} is gone")
            expect_close(weight.grad, value, f"gradient {number}, {what}", CLIPPED)


def check_without_a_scale_gradients_are_clipped_as_they_are() -> None:
    """3 and 4 have the norm 5; clipped to 1 they are 0.6 and 0.8."""
    expect_clipped(worker_with([3.0, 4.0]), 1.0, 5.0, [0.6, 0.8])


def check_what_is_small_enough_stays() -> None:
    """Nothing is scaled up to the largest norm."""
    expect_clipped(worker_with([3.0, 4.0]), 6.0, 5.0, [3.0, 4.0])


def check_with_a_scale_it_is_the_true_gradients_that_are_clipped() -> None:
    """Scaled by 8, 3 and 4 are 24 and 32, of the norm 40: yet their own is 5, and 6 is not reached."""
    expect_clipped(worker_with([24.0, 32.0], scale=8.0), 6.0, 5.0, [3.0, 4.0])
    expect_clipped(worker_with([24.0, 32.0], scale=8.0), 1.0, 5.0, [0.6, 0.8])


def check_a_parameter_that_was_not_used_has_no_gradient() -> None:
    """There is nothing to unscale, and nothing to clip."""
    expect_clipped(worker_with([None, 24.0, 32.0], scale=8.0), 6.0, 5.0, [None, 3.0, 4.0])
    expect_clipped(worker_with([None, 3.0, 4.0]), 6.0, 5.0, [None, 3.0, 4.0])


def check_an_overflow_shows_in_the_norm() -> None:
    """A single number that is not finite is enough, and by the norm the loop knows that it is there."""
    norm = worker_with([float("inf"), 32.0], scale=8.0).clip(1.0)
    expect(not norm.isfinite(), f"one gradient is infinite, and the norm that is returned is {norm}")
