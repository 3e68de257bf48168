"""The JSON of SQuAD -> its articles and its questions, what is mended, and what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from minibert.text.squad import NEAR, Answer, Question, place_of, read_articles, read_questions

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
    with pytest.raises(ValueError, match=r"small\.json is not of the form of SQuAD .*\"context\""):
        list(read_articles(write(tmp_path, value)))


@pytest.mark.parametrize("context", [None, 3, ["a", "b"]])
def test_a_context_that_is_no_text_is_refused(tmp_path: Path, context: object) -> None:
    value = {"data": [{"title": "x", "paragraphs": [{"context": context}]}]}
    with pytest.raises(ValueError, match="not of the form of SQuAD"):
        list(read_articles(write(tmp_path, value)))


# ---------------------------------------------------------------- questions

CONTEXT = "Rain falls in spring. In spring the river rises."


def asked(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"data": [{"title": "Rain", "paragraphs": [{"context": CONTEXT, "qas": list(entries)}]}]}


def entry(*answers: tuple[Any, Any], id: str = "q1") -> dict[str, Any]:
    listed = [{"text": text, "answer_start": start} for text, start in answers]
    return {"id": id, "question": "When?", "answers": listed}


def test_the_questions_of_articles(tmp_path: Path) -> None:
    none = entry(id="q2") | {"is_impossible": True}
    open_question = {"id": 3, "question": "Why?"}
    path = write(tmp_path, asked(entry(("in spring", 11), ("spring", 14)), none, open_question))
    questions, notes = read_questions(path)
    assert notes == []
    assert questions[0] == Question(
        "q1",
        "When?",
        CONTEXT,
        (Answer("in spring", 11), Answer("spring", 14)),
        "Rain",
        "small.json, article 'Rain', question q1",
    )
    assert [(q.id, q.answers) for q in questions[1:]] == [("q2", ()), ("3", None)]
    assert questions[0].context is questions[2].context


def test_the_questions_of_rows_as_hugging_face_has_them(tmp_path: Path) -> None:
    rows = [
        {"id": "a", "title": "Rain", "context": CONTEXT, "question": "When?"}
        | {"answers": {"text": ["spring"], "answer_start": [14]}},
        {"context": CONTEXT, "question": "Where?", "answers": {"text": [], "answer_start": []}},
        {"context": "Another.", "question": "What?"},
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    first, second, third = read_questions(path)[0]
    assert (first.id, first.title, first.answers) == ("a", "Rain", (Answer("spring", 14),))
    assert (second.id, second.title, second.answers) == ("rows.jsonl:2", CONTEXT, ())
    assert (third.question, third.title, third.answers) == ("What?", "Another.", None)
    assert first.context is second.context, "a context is held once, however many questions there are on it"


def test_an_answer_beside_its_place_is_moved_and_counted(tmp_path: Path) -> None:
    path = write(tmp_path, asked(entry(("spring", 14), ("river", 38)), entry(("spring", 14), id="q2")))
    questions, notes = read_questions(path)
    assert questions[0].answers == (Answer("spring", 14), Answer("river", 36))
    assert notes == ["small.json: 1 questions have answers near where it says, not there; they were moved"]


@pytest.mark.parametrize(("start", "place"), [(9, 9), (10, 9), (13, 9), (17, 23), (30, 23), (-3, 9)])
def test_an_answer_is_moved_to_the_nearest_place_where_it_stands(start: int, place: int) -> None:
    text = "Rain, in spring, or in spring?"
    assert text[9:15] == text[23:29] == "spring"
    assert place_of(Answer("spring", start), text, "q") == place


def test_answers_may_lap_over_themselves() -> None:
    assert place_of(Answer("aa", 3), "baaab", "q") == 2


def test_an_answer_is_not_looked_for_everywhere() -> None:
    far = "." * (NEAR + 1) + "here"
    assert place_of(Answer("here", 1), far, "q") == NEAR + 1
    with pytest.raises(ValueError, match=r"q: the answer 'here' .* character 0 .* '\.\.\.\.' does"):
        place_of(Answer("here", 0), far, "q")


def test_a_start_in_bytes_is_refused_with_article_and_question(tmp_path: Path) -> None:
    context = "中" * 60 + "答案"
    article = {"title": "Chinese", "paragraphs": [{"context": context, "qas": [entry(("答案", 180))]}]}
    with pytest.raises(ValueError, match=r"article 'Chinese', question q1: .*characters, not bytes"):
        read_questions(write(tmp_path, {"data": [article]}))


def test_an_answer_without_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r'question q1: an answer has no text.*"answers": \[\]'):
        read_questions(write(tmp_path, asked(entry(("", 3)))))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("3", r"small\.json is not of the form"),
        (asked({"id": 1, "answers": []}), r"small\.json, article 'Rain', is not .*KeyError: 'question'"),
        (asked(entry(("spring", "14"))), r"answer_start must be a whole number, got '14'"),
        (asked(entry(("spring", True))), r"answer_start must be a whole number, got True"),
        (asked(entry((7, 14))), r"article 'Rain', .*expected text, got '7'"),
        (
            asked(entry() | {"question": "a\ud83d"}),
            r"'Rain', .*half of a surrogate pair in 'a\\ud83d'",
        ),
        (asked(entry() | {"answers": 5}), r"article 'Rain', is not of the form"),
    ],
)
def test_questions_of_another_form_are_refused(tmp_path: Path, value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_questions(write(tmp_path, value))


@pytest.mark.parametrize(
    "answers", [{"text": ["Rain"]}, {"text": ["Rain"], "answer_start": []}, "Rain", ["Rain"]]
)
def test_rows_of_another_form_are_refused_with_their_number(tmp_path: Path, answers: object) -> None:
    path = tmp_path / "rows.jsonl"
    row = {"context": CONTEXT, "question": "What?"}
    path.write_text(f"{json.dumps(row)}\n{json.dumps(row | {'answers': answers})}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"rows\.jsonl, row 2, is not of the form of SQuAD .*answer_start"):
        read_questions(path)
