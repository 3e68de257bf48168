"""Masked words: the counts, the dice, and what is never masked."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minibert.batches.mlm import choose_tokens, choose_words, corrupt, count_to_predict
from minibert.batches.sampling import random_bits

MASK, SPECIALS, V = 4, 5, 1000
ORDINARY = np.arange(SPECIALS, V)


def keys(count: int, seed: int = 0) -> np.ndarray:
    return random_bits(seed, 0, np.arange(count))


@given(st.integers(1, 6), st.integers(1, 40), st.floats(0.01, 0.9), st.data())
def test_only_candidates_are_chosen_and_as_many_as_the_rate_says(B, T, rate, data):
    candidates = np.array(data.draw(st.lists(st.booleans(), min_size=B * T, max_size=B * T))).reshape(B, T)
    slots = int(count_to_predict(T, rate))
    positions, chosen = choose_tokens(candidates, rate, slots, keys(B))
    for row in range(B):
        picked = positions[row][chosen[row]]
        assert len(set(picked)) == len(picked)
        assert candidates[row, picked].all()
        total = candidates[row].sum()
        assert len(picked) == (0 if total == 0 else max(1, int(rate * total + 0.5)))


def test_every_candidate_is_chosen_equally_often():
    B, T = 20_000, 20
    positions, chosen = choose_tokens(np.ones((B, T), bool), 0.15, 3, keys(B))
    counts = np.bincount(positions[chosen], minlength=T)
    assert chosen.all()
    assert np.abs(counts - 3000).max() < 5 * np.sqrt(20_000 * 0.15 * 0.85)


def test_of_the_chosen_80_10_10_percent_are_masked_random_and_kept():
    B, T = 4000, 40
    ids = np.full((B, T), 777)
    positions, chosen = choose_tokens(np.ones((B, T), bool), 0.15, 6, keys(B))
    seen = np.take_along_axis(corrupt(ids, positions, chosen, keys(B), MASK, ORDINARY), positions, axis=1)
    n = seen.size
    masked, kept = (seen == MASK).sum(), (seen == 777).sum()
    for count, share in ((masked, 0.8), (kept, 0.1), (n - masked - kept, 0.1)):
        assert abs(count - share * n) < 5 * np.sqrt(n * share * (1 - share)), (count / n, share)


def test_random_replacements_are_ordinary_tokens_of_every_kind():
    B, T = 4000, 40
    positions, chosen = choose_tokens(np.ones((B, T), bool), 0.15, 6, keys(B))
    out = corrupt(np.full((B, T), 777), positions, chosen, keys(B), MASK, ORDINARY)
    random = out[(out != MASK) & (out != 777)]
    assert random.min() >= SPECIALS and random.max() < V
    assert len(np.unique(random)) > 800  # of 994, in about 2,400 draws


def test_nothing_but_the_chosen_tokens_changes():
    B, T = 50, 30
    ids = np.arange(B * T).reshape(B, T) % (V - SPECIALS) + SPECIALS
    candidates = np.zeros((B, T), bool)
    candidates[:, 3:9] = True
    positions, chosen = choose_tokens(candidates, 0.5, 15, keys(B))
    out = corrupt(ids, positions, chosen, keys(B), MASK, ORDINARY)
    untouched = np.ones((B, T), bool)
    for row in range(B):
        untouched[row, positions[row][chosen[row]]] = False
    assert (out[untouched] == ids[untouched]).all()
    assert (out[~untouched] == MASK).any()


def test_a_row_without_candidates_has_no_choice():
    candidates = np.zeros((3, 10), bool)
    for positions, chosen in (
        choose_tokens(candidates, 0.15, 2, keys(3)),
        choose_words(candidates, candidates, 0.15, 2, keys(3)),
    ):
        assert positions.shape == chosen.shape == (3, 2)
        assert not chosen.any()


@given(st.integers(0, 1000), st.integers(8, 60))
def test_whole_words_are_masked_with_all_their_pieces(seed, T):
    rng = np.random.default_rng(seed)
    B, rate = 4, 0.3
    continuation = rng.random((B, T)) < 0.4
    candidates = np.ones((B, T), bool)
    candidates[:, 0] = candidates[:, -1] = False
    slots = int(count_to_predict(T - 2, rate))
    positions, chosen = choose_words(candidates, continuation, rate, slots, keys(B, seed))
    for row in range(B):
        picked = set(positions[row][chosen[row]])
        assert len(picked) <= int(rate * (T - 2) + 0.5)
        for place in range(2, T - 1):
            if continuation[row, place]:
                assert (place in picked) == (place - 1 in picked), (place, picked)


def test_whole_words_come_near_to_the_rate():
    B, T = 500, 64
    rng = np.random.default_rng(0)
    candidates = np.ones((B, T), bool)
    _, chosen = choose_words(candidates, rng.random((B, T)) < 0.25, 0.15, 10, keys(B))
    assert chosen.sum(1).mean() > 8.5


@pytest.mark.parametrize(("candidates", "count"), [(0, 0), (1, 1), (3, 1), (10, 2), (61, 9), (100, 15)])
def test_count_rounds_and_is_at_least_one(candidates, count):
    assert count_to_predict(candidates, 0.15) == count
