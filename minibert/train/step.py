"""One optimiser step: the gradient of a batch that comes in parts, and the way down along it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from minibert.batches.sampling import random_bits

DROPOUT = 21
"""The stream of random bits that seeds dropout."""


@dataclass(frozen=True)
class Part:
    """A micro-batch: what goes through the model at once."""

    batch: Any
    """What the loss takes."""
    shares: Mapping[str, float]
    """By the names of the losses, from `shares_of`."""
    seed: int
    """Of dropout, from `dropout_seed`."""


def dropout_seed(seed: int, step: int, micro_batch: int = 0, rank: int = 0) -> int:
    """Return the seed of dropout for one forward pass: a pure function, so a resumed run draws the same.

    `random_bits` makes 64 bits of the seed, the stream DROPOUT and the other counters, in this order; all but
    the last bit are the seed.

    Args:
        seed: of the run.
        step, micro_batch, rank: which forward pass it is: of which step, which part of its batch, and on
            which process.

    Returns:
        An int in [0, 2^63), another one for each forward pass.
    """
    return int(random_bits(seed, DROPOUT, step, micro_batch, rank)[0] >> 1)


def shares_of(counts: Sequence[Mapping[str, int]], totals: Mapping[str, float]) -> list[dict[str, float]]:
    """Return how much the mean of each part of a batch counts in the mean over the whole batch.

    share = count / total: the mean over the whole is the sum of share * mean. Where there is nothing to
    predict in the whole batch (a total of 0), the shares are 0, not NaN.

    Args:
        counts: for each part, of how many predictions each of its losses is the mean, by name.
        totals: the same of the whole batch, over all parts and all processes.

    Returns:
        For each part, the shares by name.
    """
    return [{name: count / max(totals[name], 1) for name, count in part.items()} for part in counts]


def seed_torch(seed: int) -> None:
    """Seed torch's random numbers on the devices that are in use.

    As torch.manual_seed does, which for each kind of device that is not in use also writes down the call
    stack: most of a millisecond in every step. seed: in [0, 2^63).
    """
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(seed)
    if torch.backends.mps.is_available():
        torch.mps.manual_seed(seed)


def total(losses: Mapping[str, Tensor]) -> Tensor:
    """Return the sum of the losses, of which there is at least one; all are scalars."""
    return reduce(add, losses.values())


def accumulate(
    parts: Sequence[Part],
    forward: Callable[[Any], Mapping[str, Tensor]],
    backward: Callable[[Tensor], None] = Tensor.backward,
) -> dict[str, Tensor]:
    """Add the gradient of a whole batch to the parameters' `grad`, one part of the batch after another.

    loss = sum over names, sum over parts of share * mean

    Memory is needed for one part at a time, and the gradient is that of the whole batch, also where the parts
    predict different numbers of words: it is no mean of means.

    Args:
        parts: of the batch. Torch's random numbers are seeded with the seed of each before its forward pass.
        forward: batch of a part -> the means of its losses by name; their sum is minimised.
        backward: goes back from a scalar and adds to the gradients.

    Returns:
        The losses of the whole batch by name, and their sum as "loss"; scalars, cut off from the graph.
    """
    losses: dict[str, Tensor] = {}
    for part in parts:
        seed_torch(part.seed)
        means = forward(part.batch)
        shared = {name: mean * part.shares[name] for name, mean in means.items()}
        backward(total(shared))
        for name, value in shared.items():
            losses[name] = value.detach() + losses.get(name, 0.0)
    return {**losses, "loss": total(losses)}


def descend(optimizers: Sequence[Optimizer], rate: float) -> None:
    """Take the step of every optimiser at `rate` of its peak learning rates, and leave no gradient behind.

    Args:
        optimizers: each of their groups has its peak in `peak_lr`, and gets the rate of this step in `lr`.
        rate: share of the peak, in [0, 1].
    """
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = rate * group["peak_lr"]
        optimizer.step()
    forget(optimizers)


def forget(optimizers: Sequence[Optimizer]) -> None:
    """Drop the gradients: after a step, or in place of one."""
    for parameter in (p for optimizer in optimizers for g in optimizer.param_groups for p in g["params"]):
        parameter.grad = None


def remember_peaks(optimizers: Sequence[Optimizer]) -> None:
    """Take each group's `lr` for its peak, unless it has one already."""
    for group in (group for optimizer in optimizers for group in optimizer.param_groups):
        group.setdefault("peak_lr", group["lr"])
