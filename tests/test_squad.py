"""The JSON of SQuAD -> its articles, and what is refused."""

import json
from pathlib import Path

import pytest

from minibert.text.squad import read_articles

RAIN = {
    "title": "Rain",
    "paragraphs": [
        {"context": "It falls.\nOften.", "qas": [{"question": "What falls?", "answers": [{"text": "It"}]}]},
        {"context": "Then it stops."},
    ],
}


def write(folder: Path, value: object) -> Path:
    path = folder / "small.json"
    path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
    return path


def test_an_article_is_the_contexts_of_its_questions(tmp_path: Path) -> None:
    path = write(tmp_path, {"version": "1.1", "data": [RAIN, {"paragraphs": [{"context": "Untitled."}]}]})
    assert list(read_articles(path)) == [
        ("Rain", "It falls.\nOften.\n\nThen it stops."),
        ("small.json:2", "Untitled."),
    ]


def test_bad_json_is_placed(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"small\.json is not JSON: line 2, column 1: .*\.jsonl"):
        list(read_articles(write(tmp_path, '{"text": "one"\n"two"}')))


@pytest.mark.parametrize(
    "value",
    [
        [1],
        {"text": "x"},
        {"data": 1},
        {"data": [1]},
        {"data": [{"title": "x"}]},
        {"data": [{"paragraphs": [{}]}]},
    ],
)
def test_json_of_another_form_is_refused(tmp_path: Path, value: object) -> None:
    with pytest.raises(ValueError, match=r"small\.json is JSON but not of the form of SQuAD .*\"context\""):
        list(read_articles(write(tmp_path, value)))


@pytest.mark.parametrize("context", [None, 3, ["a", "b"]])
def test_a_context_that_is_no_text_is_refused(tmp_path: Path, context: object) -> None:
    value = {"data": [{"title": "x", "paragraphs": [{"context": context}]}]}
    with pytest.raises(ValueError, match="not of the form of SQuAD"):
        list(read_articles(write(tmp_path, value)))
