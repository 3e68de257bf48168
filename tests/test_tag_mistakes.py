"""Sentences with wrong tags are shown twice: as they should be, and as they were tagged."""

import pytest
from tuned_runs import tag_lines

from minibert.report.finetuned.tag_mistakes import Run, runs, tag_mistakes


def rows(lines: list[dict], most: int = 10) -> list[str]:
    said = tag_mistakes(lines, most)
    return said[1].splitlines()[2:] if said else []


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("B-X I-X O", [(0, 2, "X")]),
        ("B-X B-X", [(0, 1, "X"), (1, 2, "X")]),
        ("B-X I-Y", [(0, 1, "X"), (1, 2, "Y")]),
        ("O I-X I-X", [(1, 3, "X")]),
        ("S-X S-X B-X I-X E-X", [(0, 1, "X"), (1, 2, "X"), (2, 5, "X")]),
        ("B-X E-X I-X", [(0, 2, "X"), (2, 3, "X")]),
        ("B-X O I-X", [(0, 1, "X"), (2, 3, "X")]),
        ("O O", []),
        ("B-a-b I-a-b", [(0, 2, "a-b")]),
        ("B I S", [(0, 2, ""), (2, 3, "")]),
    ],
)
def test_tags_write_runs(tags: str, expected: list[tuple[int, int, str]]) -> None:
    assert runs(tags.split()) == [Run(*each) for each in expected]


def test_true_and_predicted_entities_are_marked_with_their_types() -> None:
    rest = r"saw **New York** (LOC) \*"
    assert rows(tag_lines()) == [f"| **Ada Lovelace** (PER) {rest} | **Ada** (PER) Lovelace {rest} |"]


def test_the_sentences_with_the_most_mistakes_come_first() -> None:
    right, wrong = tag_lines()
    worse = right | {"tags": ["O", "O", "B-LOC", "O", "O", "O"]}
    found = rows([right, wrong, worse])
    assert len(found) == 2 and "**saw** (LOC)" in found[0]
    assert len(rows([wrong] * 20, most=10)) == 10
    assert tag_mistakes([right], 10) == []


def test_of_plain_tags_the_wrong_words_are_marked() -> None:
    line = {"words": ["he", "runs", "far"], "tags": ["PR", "NN", "AD"], "true_tags": ["PR", "VB", "AD"]}
    assert rows([line]) == ["| he **runs** (VB) far | he **runs** (NN) far |"]


def test_divided_chinese_is_shown_by_its_words() -> None:
    line = {"words": ["我", "爱北", "京"], "true_words": ["我", "爱", "北京"]}
    assert rows([line]) == ["| 我 / 爱 / 北京 | 我 / 爱北 / 京 |"]
    tagged = line | {"tags": ["r", "v", "n"], "true_tags": ["r", "v", "ns"]}
    assert rows([tagged]) == ["| 我 (r) / 爱 (v) / 北京 (ns) | 我 (r) / 爱北 (v) / 京 (n) |"]
    assert rows([{"words": ["北京"], "true_words": ["北京"]}]) == []


@pytest.mark.parametrize(
    "line", [{}, {"words": ["a"]}, {"tags": ["O"], "true_tags": None}, {"true_tags": ["X"]}]
)
def test_what_is_not_there_is_no_mistake(line: dict) -> None:
    assert tag_mistakes([line], 10) == []
