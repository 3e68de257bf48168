"""What is left out, and what changes places: the checks of the exercises, on the library."""

import numpy as np
from by_hand import by_hand

from minibert.batches.changes import replaced, swapped, tokens_to_keep
from minibert.batches.sampling import random_bits
from minibert.learn.checks import changes as checks

test_checks = by_hand(checks, examples=5)


def test_at_a_rate_of_zero_nothing_changes_and_at_one_all_that_may():
    keys = random_bits(0, np.arange(3))
    all_may = np.ones((3, 6), bool)
    assert tokens_to_keep(all_may, 0.0, keys).all()
    assert (tokens_to_keep(all_may, 1.0, keys).sum(1) == 1).all()
    assert (swapped(all_may, 0.0, keys) == np.arange(6)).all()
    assert (np.sort(swapped(all_may, 1.0, keys), axis=1) == np.arange(6)).all()
    ids, others = np.full((3, 6), 7), np.full((3, 6, 2), 9)
    assert (replaced(ids, others, 0.0, keys) == 7).all() and (replaced(ids, others, 1.0, keys) == 9).all()
