"""Randomness without state: every draw is a hash of what it is for.

Example `i` of epoch `e` is a pure function of `(seed, e, i)`, so the data side of resuming a run is one
number, the step, and workers or ranks need no seeds of their own.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

Bits = NDArray[np.uint64]


GOLDEN = 0x9E3779B97F4A7C15
"""2^64 divided by the golden ratio."""


def mix(x: Bits) -> Bits:
    """Scatter the bits of x: the finaliser of SplitMix64 (Steele, Lea and Flood 2014)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def random_bits(*counters: ArrayLike) -> Bits:
    """Return 64 random bits for each tuple of counters.

        state <- mix(state + counter + GOLDEN), modulo 2^64

    once for each counter, in their order; the state begins as 0, and its last value is what is returned.

    Source: SplitMix64 (Steele, Lea and Flood 2014), which has GOLDEN and `mix`.

    Args:
        counters: integers from 0 to 2^64 - 1, or arrays of them, of shapes that broadcast together.

    Returns:
        uint64, of the broadcast shape; (1,) where all counters are plain numbers.
    """
    state = np.zeros(1, np.uint64)
    for counter in counters:
        state = mix(state + np.asarray(counter, np.uint64) + np.uint64(GOLDEN))
    return state


def uniform(*counters: ArrayLike) -> NDArray[np.float64]:
    """Return a number in [0, 1) for each tuple of counters: the upper 53 `random_bits`, divided by 2^53."""
    return (random_bits(*counters) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def integers(below: ArrayLike, *counters: ArrayLike) -> NDArray[np.int64]:
    """Return a random integer in [0, below) for each tuple of counters.

        floor(uniform(counters) * below)

    Args:
        below: positive; a number, or an array whose shape broadcasts with those of the counters.
        counters: as of `random_bits`.

    Returns:
        int64, of the broadcast shape; (1,) where all are plain numbers.
    """
    return (uniform(*counters) * np.asarray(below)).astype(np.int64)


@lru_cache(maxsize=2)
def permutation(size: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """Return the order in which an epoch visits its examples: a shuffle without state.

    The example with the smallest random_bits(seed, epoch, example) comes first, that with the largest last.

    Args:
        size: how many examples there are; they are called 0 to size - 1.
        seed: the run's seed.
        epoch: counted from 0.

    Returns:
        order (size,) int64: order[0] is the example that comes first.
    """
    return np.argsort(random_bits(seed, epoch, np.arange(size)), kind="stable")


def examples_at(first: int, count: int, size: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return what the run's examples first, first + 1, … are: their epochs and their numbers.

    A run goes through epoch 0 in the order of permutation(size, seed, 0), then through epoch 1 in an order of
    its own, and so on. Nothing is left out between two epochs: a batch may end one and begin the next.

    Args:
        first: how many examples the run has used before.
        count: how many examples to return.
        size: examples in an epoch.
        seed: the run's seed.

    Returns:
        epochs (count,), counted from 0, and numbers (count,), each in [0, size); both int64.
    """
    epochs, places = np.divmod(np.arange(first, first + count), size)
    numbers = np.empty(count, np.int64)
    for epoch in range(first // size, (first + count - 1) // size + 1):
        here = epochs == epoch
        numbers[here] = permutation(size, seed, epoch)[places[here]]
    return epochs, numbers
