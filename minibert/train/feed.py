"""A step's batch, cut into what each process takes and what goes through the model at once."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from minibert.train.device import to_device
from minibert.train.distributed import World, share_of
from minibert.train.step import Part, dropout_seed, shares_of

Batches = Callable[[int, int, int], Any]
"""step, first, count -> `count` rows, from row `first`, of the batch of that step: a pure function."""


def rows_of(batch: Any) -> dict[str, int]:
    """Return how many rows a batch has that is a tuple of tensors: of so many, "loss" is the mean."""
    return {"loss": len(batch[0])}


@dataclass(frozen=True)
class Load:
    """The micro-batches of a step that are this process's, on its device."""

    step: int
    batches: list[Any]
    counts: list[Mapping[str, int]]
    """For each of them, of how many predictions its losses are the means."""
    tokens: int
    """In all of them."""

    @property
    def count(self) -> dict[str, float]:
        """The counts of all of them together."""
        total: Counter[str] = Counter()
        for counts in self.counts:
            total.update(counts)
        return dict(total)


@dataclass(frozen=True)
class Feed:
    """Brings a process its part of every batch.

    The batch of a step is the same for 1, 2 or 4 processes: each takes its rows of it, in their order.
    """

    batches: Batches
    counts: Callable[[Any], Mapping[str, int]]
    """micro-batch -> by the names of the losses, of how many predictions each is the mean."""
    count_tokens: Callable[[Any], int]
    batch_size: int
    """Rows in the batch of a step, over all processes."""
    micro_batch: int | None
    """Rows that go through the model at once; None: all that the process has."""
    seed: int
    """Of the run, for dropout."""
    device: torch.device
    world: World

    def load(self, step: int) -> Load:
        """Make what this process takes of a step's batch."""
        first, count = share_of(self.batch_size, self.world)
        size = self.micro_batch or count
        starts = range(first, first + count, size)
        made = [self.batches(step, start, min(size, first + count - start)) for start in starts]
        return Load(
            step,
            [to_device(batch, self.device) for batch in made],
            [self.counts(batch) for batch in made],
            sum(self.count_tokens(batch) for batch in made),
        )

    def parts(self, load: Load, totals: Mapping[str, float]) -> list[Part]:
        """Return the load as `accumulate` takes it; `totals` are the counts over all processes."""
        shares = shares_of(load.counts, totals)
        seeds = (dropout_seed(self.seed, load.step, i, self.world.rank) for i in range(len(shares)))
        return [Part(*part) for part in zip(load.batches, shares, seeds, strict=True)]
