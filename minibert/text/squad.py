"""Questions on articles: the JSON of SQuAD (Rajpurkar et al. 2016, 2018), and its rows in JSON lines."""

import json
import re
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

from minibert.text.reading import Progress, read_blocks
from minibert.text.tables import read_rows

NEAR = 32
"""Characters from where the file says: so far away an answer is still found."""

ARTICLES = (
    '{"data": [{"title": …, "paragraphs": [{"context": …, "qas": [{"question": …, "answers": […]}]}]}]}'
)
ROW = '{"question": …, "context": …, "answers": {"text": […], "answer_start": […]}}'
"""What the two forms look like."""


class Answer(NamedTuple):
    """An answer as it stands in a context: context[start : start + len(text)] == text."""

    text: str
    start: int
    """Characters before it."""


@dataclass(frozen=True)
class Question:
    """A question on a text, and what people answered."""

    id: str
    question: str
    context: str
    """The text that holds the answer, if any does."""
    answers: tuple[Answer, ...] | None
    """Each of them is right; none where the context has no answer; None where nobody says."""
    title: str
    """Of the article that the context is from."""
    where: str
    """File, article and question, for messages."""


def read_articles(path: Path, progress: Progress | None = None) -> Iterator[tuple[str, str]]:
    """Yield (title, text) of the articles of a file; a paragraph of the text is the context of questions.

    The file is read whole: SQuAD has 30 MB.

    Raises ValueError when the file is not JSON (with line and column) or not of SQuAD's form.
    """
    with _of_the_form(path, ARTICLES):
        texts = [
            (title, "\n\n".join(paragraph["context"] for paragraph in paragraphs))
            for title, paragraphs in _articles(path, progress)
        ]
    yield from texts


def read_questions(path: Path, progress: Progress | None = None) -> tuple[list[Question], list[str]]:
    """Return the questions of a file, and sentences on what was mended in it.

    A name that ends in .json holds SQuAD's articles, any other the rows of a table, as Hugging Face has them;
    there a context without a title is an article of its own. An answer that does not stand where the file
    says is looked for up to NEAR characters around.

    Raises ValueError when the file is not JSON or of another form, and for an answer that is not there.
    """
    whole = path.with_suffix("") if path.suffix == ".gz" else path
    questions = list((_of_articles if whole.suffix.lower() == ".json" else _of_rows)(path, progress))
    placed = [_placed(question) for question in questions]
    moved = sum(after != before for after, before in zip(placed, questions, strict=True))
    note = f"{path.name}: {moved:,} questions have answers near where it says, not there; they were moved"
    return placed, [note] * bool(moved)


# ---------------------------------------------------------------- the two forms


@contextmanager
def _of_the_form(where: object, form: str) -> Iterator[None]:
    """Raise ValueError, which begins with the place, for what is not JSON, or of another form."""
    try:
        yield
    except json.JSONDecodeError as error:
        raise ValueError(
            f"{where} is not JSON: line {error.lineno}, column {error.colno}: {error.msg}. "
            f"JSON with one value per line is read under a name that ends in .jsonl"
        ) from None
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(
            f"{where} is not of the form of SQuAD ({type(error).__name__}: {error}). Expected {form}"
        ) from None


def _articles(path: Path, progress: Progress | None) -> Iterator[tuple[str, list[Any]]]:
    """Yield the title and the paragraphs of each article."""
    articles = json.loads("".join(read_blocks(path, progress)))["data"]
    for number, article in enumerate(articles, 1):
        yield str(article.get("title") or f"{path.name}:{number}"), article["paragraphs"]


def _of_articles(path: Path, progress: Progress | None) -> Iterator[Question]:
    """Yield the questions of articles."""
    with _of_the_form(path, ARTICLES):
        articles = list(_articles(path, progress))
    for title, paragraphs in articles:
        with _of_the_form(f"{path}, article {title!r},", ARTICLES):
            questions = [
                _question(path, entry, paragraph["context"], _pairs(entry.get("answers")), title)
                for paragraph in paragraphs
                for entry in paragraph["qas"]
            ]
        yield from questions


def _pairs(answers: Any) -> list[tuple[Any, Any]] | None:
    return answers and [(answer["text"], answer["answer_start"]) for answer in answers]


def _of_rows(path: Path, progress: Progress | None) -> Iterator[Question]:
    """Yield the questions of rows, those on one context with the same string."""
    contexts: dict[str, str] = {}
    for number, row in enumerate(read_rows(path, progress), 1):
        with _of_the_form(f"{path}, row {number},", ROW):
            context = contexts.setdefault(row["context"], row["context"])
            answers = row.get("answers")
            pairs = answers and list(zip_longest(answers["text"], answers["answer_start"]))
            entry = {"id": f"{path.name}:{number}"} | row
            question = _question(path, entry, context, pairs, str(row.get("title") or context))
        yield question


def _question(
    path: Path, entry: dict[str, Any], context: Any, answers: list[tuple[Any, Any]] | None, title: str
) -> Question:
    """Return the question of an entry. Raises TypeError for what is not of the right type."""
    id = str(entry["id"])
    return Question(
        id,
        _text(entry["question"]),
        _text(context),
        None if answers is None else tuple(Answer(_text(text), _place(start)) for text, start in answers),
        title,
        f"{path.name}, article {title[:60]!r}, question {id}",
    )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected text, got {str(value)[:60]!r}")
    if not value.isascii() and _SURROGATE.search(value):
        raise TypeError(f"half of a surrogate pair in {value[:60]!a}")
    return value


_SURROGATE = re.compile("[\ud800-\udfff]")


def _place(value: Any) -> int:
    if type(value) is not int:
        raise TypeError(f"answer_start must be a whole number, got {value!r}")
    return value


# ---------------------------------------------------------------- answers in their place


def _placed(question: Question) -> Question:
    """Return a question whose answers stand where they say."""
    if not question.answers:
        return question
    answers = [
        Answer(answer.text, place_of(answer, question.context, question.where)) for answer in question.answers
    ]
    return replace(question, answers=tuple(answers))


def place_of(answer: Answer, context: str, where: str) -> int:
    """Return where an answer stands in a context: at its start, or the nearest place within NEAR characters.

    Raises ValueError, which begins with `where`, when it stands at none of these, or has no text.
    """
    text, start = answer
    if not text:
        raise ValueError(f'{where}: an answer has no text. Where there is no answer, write "answers": []')
    if start >= 0 and context.startswith(text, start):
        return start
    first = max(0, start - NEAR)
    around = context[first : max(0, start + NEAR + len(text))]
    places = [first + found.start() for found in re.finditer(f"(?={re.escape(text)})", around)]
    if not places:
        there = context[max(0, start) : max(0, start) + len(text)]
        raise ValueError(
            f"{where}: the answer {text[:60]!r} does not stand at character {start} of the context, where "
            f"{there[:60]!r} does, nor near it. answer_start counts characters, not bytes, from 0"
        )
    return min(places, key=lambda place: abs(place - start))


def shown(context: str, start: int, end: int) -> tuple[int, int]:
    """Return where an answer begins and ends that is to be shown: no white space around it, accents whole.

    The tokens of bytes hold the space before a word, and those of BERT leave out the mark behind a letter.
    """
    while end < len(context) and unicodedata.category(context[end]).startswith("M"):
        end += 1
    text = context[start:end]
    start += len(text) - len(text.lstrip())
    return start, start + len(text.strip())
