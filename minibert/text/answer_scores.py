"""How right the answers to questions are: exact match and F1, as SQuAD's own script has them.

Source: evaluate-v2.0.py of Rajpurkar et al. 2018; where questions have answers it gives what evaluate-v1.1.py
of Rajpurkar et al. 2016 does. Its words are what stands between spaces: a text in Chinese is a single one.
"""

import re
import string
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]

PUNCTUATION = frozenset(string.punctuation)
"""That of ASCII; other signs, like “ and –, stay."""


def normalise(answer: str) -> str:
    """Return what counts of an answer: lower case, without punctuation and articles, with single spaces."""
    bare = "".join(char for char in answer.lower() if char not in PUNCTUATION)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", bare).split())


def exact_match(given: str, right: str) -> float:
    """Return 1 where two answers are the same once they are normalised, else 0."""
    return float(normalise(given) == normalise(right))


def f1(given: str, right: str) -> float:
    """Return how much two answers overlap: the F1 of the words given against those that are right.

    F1 = 2 P R / (P + R), P = common / given, R = common / right; a word that both have twice counts twice.
    Where one of them has no words, F1 is 1 if the other has none either, else 0.
    """
    ours, theirs = normalise(given).split(), normalise(right).split()
    if not ours or not theirs:
        return float(ours == theirs)
    common = (Counter(ours) & Counter(theirs)).total()
    return 2 * common / (len(ours) + len(theirs))


def best_of(measure: Callable[[str, str], float], given: str, answers: Sequence[str]) -> float:
    """Return the best score of an answer against any of the right ones.

    Where none of these has a word, nothing is right but to give none: the right answer is "".
    """
    right = [answer for answer in answers if normalise(answer)] or [""]
    return max(measure(given, answer) for answer in right)


def answer_scores(given: Sequence[str], answers: Sequence[Sequence[str]]) -> dict[str, float]:
    """Return the mean scores of answers: "exact" and "f1", and, where some questions have no answer, apart.

    These are then "answerable exact" and "answerable f1", of the questions that have one, and "unanswerable",
    the share of the others that got none.

    Args:
        given: one for each question, "" for no answer.
        answers: the right ones of each question; none where it has no answer.
    """
    exact = np.array([best_of(exact_match, *pair) for pair in zip(given, answers, strict=True)])
    overlap = np.array([best_of(f1, *pair) for pair in zip(given, answers, strict=True)])
    has = np.array([bool(right) for right in answers])
    scores = {"exact": exact.mean(), "f1": overlap.mean()}
    if has.any() and not has.all():
        scores["answerable exact"] = exact[has].mean()
        scores["answerable f1"] = overlap[has].mean()
        scores["unanswerable"] = exact[~has].mean()
    return {name: float(score) for name, score in scores.items()}


def best_threshold(margins: Floats, answered: Floats, unanswered: Floats) -> float:
    """Return the threshold above which a question is best answered.

        score(t) = mean_i (answered_i if margin_i > t else unanswered_i)

    t is one of the margins, or a number below them all, and of equally good ones the lowest: it answers most.
    Takes O(N log N) time.

    Source: Devlin et al. 2019, section 4.3.

    Args:
        margins: (N,) by how much the best answer is ahead of none at all; N at least 1.
        answered: (N,) the score of each question if it is answered.
        unanswered: (N,) the same if it is not.
    """
    order = np.argsort(margins, kind="stable")
    margins, gains = margins[order], (unanswered - answered)[order]
    totals = np.concatenate([[0.0], np.cumsum(gains)])  # (N + 1,): the k lowest margins are not answered
    apart = np.append(margins[:-1] < margins[1:], True)  # a threshold parts no equals
    totals[1:][~apart] = -np.inf
    k = int(totals.argmax())
    return float(margins[k - 1] if k else margins[0] - 1)
