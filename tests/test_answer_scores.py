"""Exact match and F1 as SQuAD's script has them; the threshold for giving no answer."""

import collections
import re
import string

import numpy as np
import pytest
from by_hand import by_hand
from hypothesis import given
from hypothesis import strategies as st

from minibert.learn.checks import answer_scores as checks
from minibert.text.answer_scores import answer_scores, best_of, exact_match, f1

test_by_hand = by_hand(checks)


# ---------------------------------------------------------------- SQuAD's script, as an oracle


def official_normalize(s: str) -> str:
    """The four steps of `normalize_answer` in evaluate-v2.0.py, one after the other."""

    def remove_articles(text: str) -> str:
        return re.sub(re.compile(r"\b(a|an|the)\b", re.UNICODE), " ", text)

    def white_space_fix(text: str) -> str:
        return " ".join(text.split())

    def remove_punc(text: str) -> str:
        exclude = set(string.punctuation)
        return "".join(ch for ch in text if ch not in exclude)

    return white_space_fix(remove_articles(remove_punc(s.lower())))


def official_f1(a_gold: str, a_pred: str) -> float:
    """`compute_f1` of evaluate-v2.0.py."""
    gold_toks = official_normalize(a_gold).split() if a_gold else []
    pred_toks = official_normalize(a_pred).split() if a_pred else []
    common = collections.Counter(gold_toks) & collections.Counter(pred_toks)
    num_same = sum(common.values())
    if len(gold_toks) == 0 or len(pred_toks) == 0:
        return int(gold_toks == pred_toks)
    if num_same == 0:
        return 0
    precision = 1.0 * num_same / len(pred_toks)
    recall = 1.0 * num_same / len(gold_toks)
    return (2 * precision * recall) / (precision + recall)


WORDS = st.sampled_from(
    ["the", "An", "a", "Rain", "rain,", "1,000", "it's", "“so”", "中文", "", "\t", "–", "état"]
)
ANSWERS = st.lists(WORDS, max_size=6).map(" ".join)


@given(ANSWERS, ANSWERS)
def test_scores_are_those_of_the_official_script(ours: str, right: str) -> None:
    assert f1(ours, right) == pytest.approx(official_f1(right, ours), abs=1e-12)
    assert exact_match(ours, right) == int(official_normalize(ours) == official_normalize(right))


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
