"""Randomness without state: even, independent, and the same for any batch size."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from minibert.batches.sampling import examples_at, integers, permutation, random_bits, uniform


def test_bits_are_those_of_splitmix64():
    # The first outputs of SplitMix64 from seed 0, as published with the reference implementation.
    assert [hex(int(random_bits(k * 0x9E3779B97F4A7C15 % 2**64)[0])) for k in (0, 1)] == [
        "0xe220a8397b1dcdaf",
        "0x6e789e6aa1b965f4",
    ]


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


@given(st.integers(1, 500), st.integers(0, 2**31), st.integers(0, 5))
def test_a_permutation_holds_every_example_once(size, seed, epoch):
    assert sorted(permutation(size, seed, epoch)) == list(range(size))


def test_epochs_and_seeds_have_orders_of_their_own():
    orders = [tuple(permutation(50, seed, epoch)) for seed in range(3) for epoch in range(3)]
    assert len(set(orders)) == 9


@given(st.integers(0, 200), st.integers(1, 60), st.integers(1, 60), st.integers(1, 40))
def test_examples_do_not_depend_on_how_they_are_batched(first, left, right, size):
    whole = examples_at(first, left + right, size, seed=1)
    parts = [examples_at(first, left, size, seed=1), examples_at(first + left, right, size, seed=1)]
    for name in (0, 1):
        np.testing.assert_array_equal(whole[name], np.concatenate([part[name] for part in parts]))


def test_an_epoch_visits_everything_before_the_next_begins():
    epochs, numbers = examples_at(0, 30, 10, seed=5)
    for epoch in range(3):
        assert sorted(numbers[epochs == epoch]) == list(range(10))
    assert len({tuple(numbers[epochs == epoch]) for epoch in range(3)}) == 3  # each in an order of its own


def test_integers_reach_every_value_below_the_bound():
    assert set(integers(5, 1, np.arange(200))) == {0, 1, 2, 3, 4}
