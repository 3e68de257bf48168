"""The likeliest legal tags, held against trying them all."""

from itertools import pairwise, product

import numpy as np
import pytest
from by_hand import by_hand
from hypothesis import given
from hypothesis import strategies as st

from minibert.learn.checks import viterbi as checks
from minibert.text.schemes import Allowed, allowed, misspelled
from minibert.text.viterbi import viterbi

test_by_hand = by_hand(checks)

BIO = ["O", "B-X", "I-X", "B-Y", "I-Y"]
BIOES = ["O", "B", "I", "E", "S"]


def by_trying_all(scores: np.ndarray, legal: Allowed) -> tuple[int, ...]:
    words, labels = scores.shape
    ways = [
        way
        for way in product(range(labels), repeat=words)
        if legal.first[way[0]] and legal.last[way[-1]] and all(legal.then[pair] for pair in pairwise(way))
    ]
    return max(ways, key=lambda way: scores[range(words), way].sum())


@pytest.mark.parametrize("labels", [BIO, BIOES])
@given(seed=st.integers(0, 10_000), words=st.integers(1, 5))
def test_of_all_legal_sequences_the_likeliest_is_found(labels: list[str], seed: int, words: int) -> None:
    scores = np.random.default_rng(seed).normal(size=(words, len(labels)))
    assert tuple(viterbi(scores, allowed(labels))) == by_trying_all(scores, allowed(labels))


def test_a_long_sentence_of_noise_becomes_legal_tags() -> None:
    scores = np.random.default_rng(0).normal(size=(500, 5))
    assert misspelled([BIOES[label] for label in viterbi(scores, allowed(BIOES))], "BIOES") == []
    assert misspelled([BIO[label] for label in viterbi(scores, allowed(BIO))], "BIO") == []


def test_where_all_is_allowed_each_word_gets_its_best() -> None:
    scores = np.random.default_rng(0).normal(size=(20, 3))
    assert viterbi(scores, allowed(["NN", "VB", "DT"])).tolist() == scores.argmax(axis=1).tolist()


def test_an_entity_by_hand() -> None:
    """I-X is likeliest at the second word; before it B-X costs 2, while O instead of I-X costs only 1."""
    scores = np.array([[3.0, 1.0, 0.0], [1.0, 0.0, 2.0]])
    assert viterbi(scores, allowed(["O", "B-X", "I-X"])).tolist() == [0, 0]
    scores[1, 2] = 4.0
    assert viterbi(scores, allowed(["O", "B-X", "I-X"])).tolist() == [1, 2]


def test_of_no_words_there_are_no_tags() -> None:
    assert viterbi(np.zeros((0, 3)), allowed(["O", "B-X", "I-X"])).tolist() == []


def test_labels_that_allow_no_sequence_are_refused() -> None:
    with pytest.raises(ValueError, match="no sequence of 1 tags"):
        viterbi(np.zeros((1, 2)), allowed(["B", "E"]))
