"""Masked words: the counts, the dice, and what is never masked."""

import numpy as np
from by_hand import by_hand
from hypothesis import given
from hypothesis import strategies as st

from minibert.batches.mlm import choose_tokens, choose_words, corrupt, count_to_predict
from minibert.batches.sampling import random_bits
from minibert.learn.checks import mlm as checks

test_by_hand = by_hand(checks, examples=10)

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


def test_random_replacements_are_ordinary_tokens_of_every_kind():
    B, T = 4000, 40
    positions, chosen = choose_tokens(np.ones((B, T), bool), 0.15, 6, keys(B))
    out = corrupt(np.full((B, T), 777), positions, chosen, keys(B), MASK, ORDINARY)
    random = out[(out != MASK) & (out != 777)]
    assert random.min() >= SPECIALS and random.max() < V
    assert len(np.unique(random)) > 800  # of 994, in about 2,400 draws


def test_whole_words_come_near_to_the_rate():
    B, T = 500, 64
    rng = np.random.default_rng(0)
    candidates = np.ones((B, T), bool)
    _, chosen = choose_words(candidates, rng.random((B, T)) < 0.25, 0.15, 10, keys(B))
    assert chosen.sum(1).mean() > 8.5
