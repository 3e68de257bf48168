"""Randomness without state: every draw is a hash of what it is for.

Example `i` of epoch `e` is a pure function of `(seed, e, i)`, so the data side of resuming a run is one
number, the step, and workers or ranks need no seeds of their own.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

Bits = NDArray[np.uint64]


def _mix(x: Bits) -> Bits:
    """Scatter the bits of x: the finaliser of SplitMix64 (Steele, Lea and Flood 2014)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def random_bits(*counters: ArrayLike) -> Bits:
    """Return 64 random bits for each tuple of counters.

    Source: SplitMix64, applied once a counter: state <- mix(state + counter + golden ratio).

    Args:
        counters: non-negative integers or arrays of them, of shapes that broadcast together.

    Returns:
        Array of the broadcast shape, uint64.
    """
    state = np.zeros(1, np.uint64)
    for counter in counters:
        state = _mix(state + np.asarray(counter, np.uint64) + np.uint64(0x9E3779B97F4A7C15))
    return state


def uniform(*counters: ArrayLike) -> NDArray[np.float64]:
    """Return a number in [0, 1) for each tuple of counters (see `random_bits`)."""
    return (random_bits(*counters) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def integers(below: ArrayLike, *counters: ArrayLike) -> NDArray[np.int64]:
    """Return an integer in [0, below) for each tuple of counters (see `random_bits`)."""
    return (uniform(*counters) * np.asarray(below)).astype(np.int64)


@lru_cache(maxsize=2)
def permutation(size: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """Return the order in which epoch `epoch` visits `size` examples."""
    return np.argsort(random_bits(seed, epoch, np.arange(size)), kind="stable")


def examples_at(first: int, count: int, size: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return what the run's examples first, first + 1, ... are: their epochs and their numbers.

    Args:
        first: number of examples that the run has used before.
        count: how many examples to return.
        size: examples in an epoch.
        seed: the run's seed.

    Returns:
        epochs (count,) and numbers (count,), each number in [0, size).
    """
    epochs, places = np.divmod(np.arange(first, first + count), size)
    numbers = np.empty(count, np.int64)
    for epoch in np.unique(epochs):
        here = epochs == epoch
        numbers[here] = permutation(size, seed, int(epoch))[places[here]]
    return epochs, numbers
