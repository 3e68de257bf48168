"""What the likeliest legal sequence of tags must fulfil."""

from itertools import pairwise, product

import numpy as np

from minibert.learn.compare import expect
from minibert.learn.sizes import Sizes
from minibert.text.schemes import Allowed
from minibert.text.viterbi import viterbi


def draw_allowed(labels: int, rng: np.random.Generator) -> Allowed:
    """Return rules by which a sequence of any length is legal, and about half of all steps are not."""
    first, then, last = (rng.uniform(size=shape) < 0.5 for shape in (labels, (labels, labels), labels))
    first[0] = then[0, 0] = last[0] = True  # label 0 may stand anywhere among its own
    return Allowed(first, then, last)


def by_trying_all(scores: np.ndarray, allowed: Allowed) -> list[int]:
    """Return the best of all legal sequences."""
    words, labels = scores.shape
    ways = (
        way
        for way in product(range(labels), repeat=words)
        if allowed.first[way[0]]
        and allowed.last[way[-1]]
        and all(allowed.then[step] for step in pairwise(way))
    )
    return [*max(ways, key=lambda way: scores[range(words), way].sum())]


def expect_path(scores: np.ndarray, allowed: Allowed, expected: list[int]) -> None:
    """Raise CheckError unless this sequence of labels is found."""
    got = np.asarray(viterbi(scores, allowed)).tolist()
    rules = f"first {allowed.first}, then\n{allowed.then}, last {allowed.last}"
    expect(got == expected, f"expected the labels {expected}, got {got}; scores\n{scores}\nlegal: {rules}")


ANY = Allowed(np.ones(3, bool), np.ones((3, 3), bool), np.ones(3, bool))

BIO = Allowed(
    np.array([True, True, False]),
    np.array([[True, True, False], [True, True, True], [True, True, True]]),
    np.array([True, True, True]),
)
"""Labels O, B, I: an I needs a B or an I before it."""


def check_where_all_is_legal_each_word_gets_its_best() -> None:
    """Then no word cares for its neighbours."""
    expect_path(np.array([[1.0, 2.0, 0.0], [0.5, 0.0, 0.7], [3.0, 1.0, 2.0]]), ANY, [1, 2, 0])


def check_an_entity_by_hand() -> None:
    """I is the best of the second word, but O I is illegal. B I scores 1 + 2 = 3, O O 3 + 1 = 4: so O O.

    When I scores 4, B I has 1 + 4 = 5, and is worth giving up the better first tag.
    """
    expect_path(np.array([[3.0, 1.0, 0.0], [1.0, 0.0, 2.0]]), BIO, [0, 0])
    expect_path(np.array([[3.0, 1.0, 0.0], [1.0, 0.0, 4.0]]), BIO, [1, 2])


def check_a_sentence_may_not_begin_with_an_inside() -> None:
    """However likely it is."""
    expect_path(np.array([[0.0, 1.0, 100.0]]), BIO, [1])
    expect_path(np.array([[0.0, 1.0, 100.0], [0.0, 0.0, 100.0]]), BIO, [1, 2])


def check_how_a_sentence_may_end() -> None:
    """Here label 1 must not be the last, as a B of BIOES must not."""
    rules = BIO._replace(last=np.array([True, False, True]))
    expect_path(np.array([[0.0, 5.0, 0.0]]), rules, [0])
    expect_path(np.array([[0.0, 5.0, 0.0], [1.0, 5.0, 2.0]]), rules, [1, 2])


def check_what_comes_late_can_change_what_was_early() -> None:
    """A chain of three, each of which needs the one before."""
    rules = ANY._replace(then=np.array([[True, False, False], [False, False, True], [True, False, True]]))
    scores = np.array([[2.0, 0.0, 0.5], [2.0, 0.0, 0.0], [0.0, 0.0, 9.0]])
    expect_path(scores, rules, [2, 2, 2])
    scores[0] = [2.0, 1.0, 0.5]
    expect_path(scores, rules, [1, 2, 2])


def check_scores_may_be_logits_of_any_size() -> None:
    """Their sums count, not their signs or their scale."""
    scores = np.array([[3.0, 1.0, 0.0], [1.0, 0.0, 4.0]])
    expect_path(scores - 1000.0, BIO, [1, 2])
    expect_path(scores * 1e-3, BIO, [1, 2])


def check_a_sentence_without_words() -> None:
    """Has no tags."""
    expect_path(np.zeros((0, 3)), BIO, [])


def check_of_all_legal_sequences_the_best_is_found(size: Sizes, seed: int) -> None:
    """Against trying them all."""
    rng = np.random.default_rng(seed)
    rules = draw_allowed(4, rng)
    scores = rng.normal(size=(min(size.T, 5), 4))
    expect_path(scores, rules, by_trying_all(scores, rules))
