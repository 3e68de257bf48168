"""What the processes of a run tell each other in every step, in one sum."""

from collections.abc import Mapping
from dataclasses import dataclass
from signal import SIGINT, SIGTERM

from torch import Tensor

from minibert.train.distributed import World
from minibert.train.feed import Load


@dataclass(frozen=True)
class News:
    """What all processes know alike."""

    losses: dict[str, float]
    """Of the whole batch of the step, by name."""
    counts: dict[str, float]
    """Of the whole batch of the next step, by name."""
    tokens: int
    """In the whole batch of the next step."""
    seconds: float
    """On the clock of process 0, which counts for all: the schedule may look at it."""
    signal: int | None
    """That one of them was told to stop, and by which signal."""


def exchange(
    world: World, losses: Mapping[str, Tensor], upcoming: Load, seconds: float, signal: int | None
) -> News:
    """Add up over all processes what each of them knows.

    Args:
        world: the processes.
        losses: this process's shares of the losses; they add up to those of the whole batch.
        upcoming: its part of the next batch.
        seconds: on its clock.
        signal: that it was told to stop by.
    """
    count = upcoming.count
    sums = iter(
        world.sum(
            [
                *(float(share) for share in losses.values()),
                *count.values(),
                upcoming.tokens,
                seconds if world.rank == 0 else 0.0,
                signal == SIGINT,
                signal == SIGTERM,
            ]
        )
    )
    return News(
        losses={name: next(sums) for name in losses},
        counts={name: next(sums) for name in count},
        tokens=int(next(sums)),
        seconds=next(sums),
        signal=next((number for number in (SIGINT, SIGTERM) if next(sums)), None),
    )
