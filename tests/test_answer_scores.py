"""Exact match and F1 as SQuAD's script has them; the threshold for giving no answer."""

import numpy as np
import pytest
from by_hand import by_hand
from hypothesis import given
from hypothesis import strategies as st

from minibert.learn.checks import answer_scores as checks
from minibert.text.answer_scores import answer_scores, best_of, exact_match, f1, normalise

test_by_hand = by_hand(checks)


# ---------------------------------------------------------------- the definition, step by step


def words_left(answer: str) -> list[str]:
    """The four steps of the script, each letter by letter or word by word: lower, signs, articles, spaces."""
    kept = ""
    for char in answer.lower():
        if not (char.isascii() and char.isprintable() and not char.isalnum() and char != " "):
            kept += char
    # What is no part of a word stays, and parts words as a border of a pattern does.
    parts = [""]
    for char in kept:
        inside = char.isalnum() or char == "_"
        if parts[-1] and inside == (parts[-1][-1].isalnum() or parts[-1][-1] == "_"):
            parts[-1] += char
        else:
            parts.append(char)
    return "".join(" " if part in ("a", "an", "the") else part for part in parts).split()


def slow_f1(given: str, right: str) -> float:
    """Precision and recall by crossing out, in the right answer, each word that was given."""
    ours, left = words_left(given), words_left(right)
    if not ours or not left:
        return float(ours == left)
    count, common = len(left), 0
    for word in ours:
        if word in left:
            left.remove(word)
            common += 1
    precision, recall = common / len(ours), common / count
    return 2 * precision * recall / (precision + recall) if common else 0.0


WORDS = st.sampled_from(
    ["the", "An", "a", "Rain", "rain,", "1,000", "it's", "“so”", "中文", "", "\t", "–", "état"]
)
ANSWERS = st.lists(WORDS, max_size=6).map(" ".join)


@given(ANSWERS, ANSWERS)
def test_scores_are_those_of_their_definition(ours: str, right: str) -> None:
    assert normalise(ours) == " ".join(words_left(ours))
    assert f1(ours, right) == pytest.approx(slow_f1(ours, right), abs=1e-12)
    assert exact_match(ours, right) == float(words_left(ours) == words_left(right))


@given(ANSWERS, ANSWERS)
def test_overlap_is_symmetric_and_a_match_is_whole(ours: str, right: str) -> None:
    assert f1(ours, right) == f1(right, ours)
    assert exact_match(ours, right) <= f1(ours, right) <= 1


# ---------------------------------------------------------------- over questions


def test_the_best_of_several_right_answers_counts() -> None:
    right = ["Denver Broncos", "The Broncos", "the team of Denver"]
    assert best_of(exact_match, "Broncos", right) == 1
    assert best_of(f1, "team Broncos Denver", right) == pytest.approx(0.8)  # 2 of 3 given, 2 of 2 right


def test_a_right_answer_without_words_is_none() -> None:
    assert best_of(exact_match, "", ["the", "..."]) == 1
    assert best_of(exact_match, "", ["the", "rain"]) == 0


def test_questions_without_answers_are_scored_apart() -> None:
    scores = answer_scores(
        ["Rain", "the heavy rain", "", "snow", ""], [["rain"], ["rain", "hail"], ["sun"], [], []]
    )
    assert scores == pytest.approx(
        {
            "exact": 2 / 5,
            "f1": (1 + 2 / 3 + 0 + 0 + 1) / 5,
            "answerable exact": 1 / 3,
            "answerable f1": (1 + 2 / 3) / 3,
            "unanswerable": 1 / 2,
        }
    )
    assert set(answer_scores(["Rain"], [["rain"]])) == {"exact", "f1"}
    assert answer_scores(["Rain", ""], [[], []]) == {"exact": 0.5, "f1": 0.5}


def test_scores_are_plain_numbers_for_json() -> None:
    scores = answer_scores(["a b", ""], [["b"], []])
    assert {type(score) for score in scores.values()} == {float}
    assert np.isfinite(list(scores.values())).all()
