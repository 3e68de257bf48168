"""What several runs say together: the mean of a score, and how far it spreads."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev


@dataclass(frozen=True)
class Spread:
    """A score of several runs."""

    values: tuple[float, ...]
    """That of each run."""
    mean: float
    deviation: float | None
    """s = √(Σ (x - mean)² / (n - 1)), the standard deviation of a sample; None for one run alone."""
    error: float | None
    """s / √n, the standard error of the mean: how far off the mean of n such runs is likely to be."""


def spread_of(values: Sequence[float]) -> Spread:
    """Return the mean of one value or more, and how far they spread."""
    deviation = stdev(values) if len(values) > 1 else None
    error = None if deviation is None else deviation / math.sqrt(len(values))
    return Spread(tuple(values), fmean(values), deviation, error)
