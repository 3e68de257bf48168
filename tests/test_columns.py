"""Which columns hold the text and its label: told, guessed in one way only, or asked for."""

from itertools import permutations
from pathlib import Path

import pytest

from minibert.text.columns import Columns, choose_columns

PATH = Path("reviews.csv")


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ("text label", Columns("text", None, "label")),
        ("id Review stars when", Columns("Review", None, "stars")),
        ("sentiment what", Columns("what", None, "sentiment")),
        ("sentence good", Columns("sentence", None, "good")),
        ("idx sentence1 sentence2 label", Columns("sentence1", "sentence2", "label")),
        ("premise hypothesis label", Columns("premise", "hypothesis", "label")),
        ("question sentence label", Columns("question", "sentence", "label")),
        ("评论 标签", Columns("评论", None, "标签")),
    ],
)
def test_where_there_is_one_way_the_columns_are_guessed_whatever_their_order(
    found: str, expected: Columns
) -> None:
    for order in permutations(found.split()):
        assert choose_columns(PATH, order, Columns()) == expected


def test_what_is_told_is_taken_and_only_the_rest_is_guessed() -> None:
    found = ["text", "title", "label", "stars"]
    told = Columns(text="title", label="stars")
    assert choose_columns(PATH, found, told) == told
    assert choose_columns(PATH, found, Columns(label="stars")) == Columns("text", None, "stars")
    pair = Columns("text", "title")
    assert choose_columns(PATH, found[:3], pair) == Columns("text", "title", "label")


def test_a_column_that_is_not_there_is_refused_with_the_nearest_and_all_of_them() -> None:
    with pytest.raises(ValueError) as error:
        choose_columns(PATH, ["review", "sentiment"], Columns(label="sentimant"))
    assert str(error.value) == (
        "reviews.csv has no column 'sentimant' for --label. Did you mean 'sentiment'? "
        "Its columns: 'review', 'sentiment'."
    )
    with pytest.raises(ValueError, match="no column 'other' for --text-pair. Its columns: 'review'"):
        choose_columns(PATH, ["review", "sentiment"], Columns(pair="other"))


@pytest.mark.parametrize(
    ("found", "what", "flag"),
    [
        ("text sentence label", "text", "--text"),  # two of the common names
        ("a b label", "text", "--text"),  # none of them, and two left
        ("text label stars", "label", "--label"),
        ("text a b", "label", "--label"),
        ("a b", "text", "--text"),
    ],
)
def test_where_there_are_several_ways_nothing_is_guessed(found: str, what: str, flag: str) -> None:
    with pytest.raises(ValueError, match=f"which column holds the {what}\\? Its columns: .* {flag} COLUMN"):
        choose_columns(PATH, found.split(), Columns())


def test_texts_to_predict_need_no_label() -> None:
    assert choose_columns(PATH, ["text"], Columns(), labelled=False) == Columns("text")
    assert choose_columns(PATH, ["note"], Columns(), labelled=False) == Columns("note")
    assert choose_columns(PATH, ["label", "text"], Columns(label="label"), labelled=False) == Columns("text")


def test_the_columns_are_told_in_words() -> None:
    assert str(Columns("a", None, "b")) == "text from 'a', label from 'b'"
    assert str(Columns("a", "b")) == "text from 'a', second text from 'b'"
