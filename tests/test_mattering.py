"""The words that a mistake hangs on are those without which the classifier would not have made it."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minibert.recipes.mattering import MOST_PIECES, without_each_word, words, worst_mistakes
from minibert.text.labelled import LabelledText

LABELS = ("bad", "good")
WEIGHTS = {"awful": -2.0, "dull": -1.0, "fine": 1.0, "superb": 3.0, "好": 2.0, "not": -0.5}


class Counting:
    """A classifier that adds the weights of words, and counts how often it is asked."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def __call__(self, texts: Sequence[LabelledText]) -> np.ndarray:
        self.asked.append([text.whole for text in texts])
        scores = np.array(
            [sum(weight for word, weight in WEIGHTS.items() if word in text.whole) for text in texts]
        )
        good = 1 / (1 + np.exp(-scores))
        return np.stack([1 - good, good], axis=1)


def found(*texts: LabelledText, most: int = 10) -> list[dict]:
    return worst_mistakes(texts, LABELS, Counting()(texts), Counting(), most)


def good(score: float) -> float:
    return float(1 / (1 + np.exp(-score)))


def test_the_effect_of_a_word_is_how_far_the_probability_falls_without_it() -> None:
    (mistake,) = found(LabelledText("A superb but dull film", label="bad"))
    assert (mistake["true"], mistake["predicted"]) == ("bad", "good")
    assert mistake["probability"] == pytest.approx(good(2))
    effects = dict(mistake["words"])
    assert list(effects) == ["A", "superb", "but", "dull", "film"]
    assert effects["superb"] == pytest.approx(good(2) - good(-1))
    assert effects["dull"] == pytest.approx(good(2) - good(3))  # it spoke against: below 0
    assert effects["film"] == 0.0


def test_of_a_wrong_no_the_words_that_spoke_for_no_count() -> None:
    (mistake,) = found(LabelledText("not awful", label="good"))
    assert mistake["predicted"] == "bad" and mistake["probability"] == pytest.approx(1 - good(-2.5))
    assert dict(mistake["words"])["awful"] == pytest.approx(good(-0.5) - good(-2.5))


def test_the_surest_mistakes_come_first_and_right_predictions_never() -> None:
    texts = [
        LabelledText("fine", label="bad"),
        LabelledText("superb", label="good"),
        LabelledText("superb superb", label="bad"),
        LabelledText("awful film", label="good"),
    ]
    assert [mistake["text"] for mistake in found(*texts)] == ["superb superb", "awful film", "fine"]
    assert [mistake["text"] for mistake in found(*texts, most=1)] == ["superb superb"]
    assert found(texts[1]) == []


def test_the_model_is_asked_once_about_all_shortened_texts() -> None:
    ask = Counting()
    texts = [LabelledText("superb a", label="bad"), LabelledText("awful b c", label="good")]
    worst_mistakes(texts, LABELS, Counting()(texts), ask)
    assert ask.asked == [["a", "superb", "b c", "awful c", "awful b"]]


def test_words_of_a_pair_follow_those_of_the_text() -> None:
    (mistake,) = found(LabelledText("superb film", "fine too", label="bad"))
    assert [word for word, _ in mistake["words"]] == ["superb", "film", "fine", "too"]
    shortened = [other for _, other in without_each_word(LabelledText("a b", "c d", label="x"))]
    assert [(other.text, other.pair) for other in shortened] == [
        ("b", "c d"),
        ("a", "c d"),
        ("a b", "d"),
        ("a b", "c"),
    ]
    assert all(other.label == "x" for other in shortened)


def test_chinese_is_cut_into_characters_with_the_signs_behind_them() -> None:
    (mistake,) = found(LabelledText("不好！BERT 差", label="bad"))
    assert [word for word, _ in mistake["words"]] == ["不", "好！", "BERT", "差"]
    assert dict(mistake["words"])["好！"] == pytest.approx(good(2) - good(0))


def test_a_text_of_one_word_is_not_left_empty() -> None:
    (mistake,) = found(LabelledText(" superb\n", label="bad"))
    assert mistake["words"] == []


@pytest.mark.parametrize("count", [MOST_PIECES, MOST_PIECES + 1, 500])
def test_a_long_text_is_cut_into_runs_of_words(count: int) -> None:
    text = " ".join(f"w{i}" for i in range(count))
    pieces = [word for word, _ in without_each_word(LabelledText(text))]
    assert " ".join(pieces) == text and len(pieces) <= MOST_PIECES
    assert {len(piece.split()) for piece in pieces[:-1]} == {-(-count // MOST_PIECES)}


@given(st.text(max_size=80), st.none() | st.text(max_size=20))
def test_nothing_of_a_text_is_lost_or_said_twice(text: str, pair: str | None) -> None:
    covered = [text[start:end] for start, end in words(text)]
    assert "".join(covered) == "".join(text.split())
    for word, other in without_each_word(LabelledText(text, pair)):
        whole = "".join(f"{text}{pair or ''}".split())
        left = "".join(f"{other.text}{other.pair or ''}".split())
        assert len(left) == len(whole) - len("".join(word.split())) and (other.text or other.pair)
