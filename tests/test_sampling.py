"""Randomness without state: even, independent, and the same for any batch size."""

import numpy as np
from by_hand import by_hand

from minibert.batches.sampling import random_bits, uniform
from minibert.learn.checks import sampling as checks

test_by_hand = by_hand(checks)


def test_uniform_is_even_and_uncorrelated_between_neighbours():
    draws = uniform(7, 0, np.arange(100_000))
    assert abs(draws.mean() - 0.5) < 4 * np.sqrt(1 / 12 / len(draws))
    counts = np.bincount((draws * 100).astype(int), minlength=100)
    assert counts.min() > 850 and counts.max() < 1150  # 1,000 expected, standard deviation 31
    assert abs(np.corrcoef(draws[1:], draws[:-1])[0, 1]) < 4 / np.sqrt(len(draws))


def test_streams_of_one_example_are_independent():
    keys = random_bits(3, 0, np.arange(50_000))
    one, two = uniform(keys, 1), uniform(keys, 2)
    assert abs(np.corrcoef(one, two)[0, 1]) < 4 / np.sqrt(len(keys))
