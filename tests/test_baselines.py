"""The unigram and the bigram model: small counts worked out by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minibert.recipes import baselines
from minibert.recipes.baselines import Bigram

IDS = np.array([1, 2, 1, 2, 1, 3, 2, 2])  # two documents: 1 2 1 2 1 | 3 2 2
DOCUMENTS = np.array([0, 5, 8])


def test_unigram_by_hand():
    bigram = Bigram.fit(IDS, DOCUMENTS, 4)
    assert bigram.unigram == pytest.approx([1 / 12, 4 / 12, 5 / 12, 2 / 12])
    score = bigram.unigram_score(np.array([2, 1]))
    assert score["loss"] == pytest.approx(-(math.log(5 / 12) + math.log(4 / 12)) / 2)
    assert score["accuracy"] == 0.5


def test_bigram_by_hand():
    # After 2: 1 twice and 2 once. P(1 | 2) = 1.25/3 + 0.75 * 2/3 * 4/12, P(2 | 2) = 0.25/3 + 0.5 * 5/12.
    table = Bigram.fit(IDS, DOCUMENTS, 4).probabilities(np.array([2]))
    assert table[0, 1] == pytest.approx(1.25 / 3 + 0.5 * 4 / 12)
    assert table[0, 2] == pytest.approx(0.25 / 3 + 0.5 * 5 / 12)
    assert table[0, 3] == pytest.approx(0.5 * 2 / 12)


def test_pairs_do_not_reach_across_documents():
    seen = Bigram.fit(IDS, DOCUMENTS, 4)
    assert 1 * 4 + 3 not in seen.keys  # 1 ends the first document, 3 begins the second
    assert seen.counts.sum() == len(IDS) - 2


@pytest.mark.parametrize("block", [1, 2, 3, 5, 7, 8])
def test_blocks_do_not_show(monkeypatch, block):
    whole = Bigram.fit(IDS, DOCUMENTS, 4)
    monkeypatch.setattr(baselines, "BLOCK", block)
    parts = Bigram.fit(IDS, DOCUMENTS, 4)
    for one, other in zip(vars(whole).values(), vars(parts).values(), strict=True):
        assert np.array_equal(one, other) and one.dtype == other.dtype


def test_after_an_unseen_token_the_unigram_model_answers():
    bigram = Bigram.fit(IDS, DOCUMENTS, 5)
    assert bigram.probabilities(np.array([0, 4])) == pytest.approx(np.stack([bigram.unigram] * 2))


@given(st.lists(st.integers(0, 8), min_size=2, max_size=60))
def test_probabilities_sum_to_one(tokens):
    bigram = Bigram.fit(np.array(tokens), np.array([0, len(tokens)]), 9)
    table = bigram.probabilities(np.arange(9))
    assert table.sum(1) == pytest.approx(np.ones(9))
    assert table.min() > 0


def test_score_is_the_mean_over_all_questions_in_any_number_of_parts():
    rng = np.random.default_rng(0)
    tokens = rng.integers(0, 9, 3000)
    bigram = Bigram.fit(tokens, np.array([0, 3000]), 9)
    before, true = tokens[:-1], tokens[1:]
    table = bigram.probabilities(before)
    score = bigram.score(before, true)
    assert score["loss"] == pytest.approx(-np.log(table[np.arange(2999), true]).mean())
    assert score["accuracy"] == pytest.approx((table.argmax(1) == true).mean())
