"""Texts with labels: classes, several labels at once, or numbers; read from tables and from plain text."""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, Literal

from minibert.config import Part
from minibert.text.columns import Columns, choose_columns
from minibert.text.corpus import read_documents
from minibert.text.reading import Progress
from minibert.text.tables import as_text, numbered_rows, read_rows

Label = str | tuple[str, ...] | float | None
"""One class, several labels (in the order of their names), a number, or nothing: it is to be predicted."""

Kind = Literal["classes", "labels", "number"]
"""What the labels of a set are."""

MANY = 50
"""So many classes may be more than half as many as there are texts; more are taken for a wrong column."""


@dataclass(frozen=True)
class LabelledText:
    """A text, or two that belong together, and what is to be said of it."""

    text: str
    pair: str | None = None
    """The second text, of a pair."""
    label: Label = None
    where: str = ""
    """Where it comes from: "reviews.csv, row 3"."""

    @property
    def whole(self) -> str:
        """Both texts as one."""
        return self.text if self.pair is None else f"{self.text}\n{self.pair}"

    @property
    def is_blank(self) -> bool:
        """Whether the text, or one of the two, has no word."""
        return not self.text.strip() or (self.pair is not None and not self.pair.strip())


# ---------------------------------------------------------------- files -> texts


def columns_of(path: Path, told: Columns, labelled: bool = True) -> Columns | None:
    """Return the columns to read of a table, see `choose_columns`; None for a table without a row."""
    first = next(read_rows(path), None)
    return None if first is None else choose_columns(path, list(first), told, labelled)


def read_table(
    path: Path, columns: Columns, progress: Progress | None = None, only: Sequence[str] = ()
) -> Iterator[LabelledText]:
    """Yield the rows of a table (see `numbered_rows`) with their labels as they are written.

    A label is text: numbers and truth values of JSON as JSON writes them, cells of CSV without the white
    space around them. A list is several labels. An empty cell, or null, is no label.

    Raises ValueError as `read_rows`; and, with file and row, for a row that lacks a column, for a text that
    is none, for a label that is neither text, number, truth value nor list, and for words with a list of as
    many tags.
    """
    for number, row in numbered_rows(path, progress, only):
        where = f"row {number}"
        for column in (columns.text, columns.pair, columns.label):
            if column is not None and column not in row:
                raise ValueError(
                    f"{path}, {where}, has no column {column!r}. Its columns: {', '.join(map(repr, row))}"
                )
        text, pair, label = (
            None if column is None else row[column] for column in (columns.text, columns.pair, columns.label)
        )
        if isinstance(text, list) and isinstance(label, list) and len(text) == len(label) > 1:
            raise ValueError(
                f"{path}, {where}: {len(text)} words with {len(label)} labels are tags. "
                "To learn them: minibert finetune tag"
            )
        yield LabelledText(
            as_text(text, f"{path}, {where}, column {columns.text!r}"),
            None if columns.pair is None else as_text(pair, f"{path}, {where}, column {columns.pair!r}"),
            _label(label, f"{path}, {where}, column {columns.label!r}"),
            f"{path.name}, {where}",
        )


def _label(value: Any, place: str) -> Label:
    """Return a cell or a value of JSON as a label."""
    match value:
        case list():
            names = {_label(each, place) for each in value}
            if any(not isinstance(name, str) for name in names):
                raise ValueError(f"{place}: expected a list of labels, got {json.dumps(value)[:60]}")
            return tuple(sorted(name for name in names if isinstance(name, str)))
        case bool() | int() | float():
            return json.dumps(value)
        case str() | None:
            return (value or "").strip() or None
    raise ValueError(f"{place}: expected a label, got {json.dumps(value)[:60]}")


def read_documents_of(part: Part, progress: Progress | None = None) -> Iterator[LabelledText]:
    """Yield the documents of plain text, all of which have the label of their part."""
    begun: LabelledText | None = None
    for document in read_documents(part, progress):
        if begun and document.continues:
            begun = replace(begun, text=begun.text + document.text)
            continue
        if begun:
            yield begun
        begun = LabelledText(document.text, None, part.label, document.name)
    if begun:
        yield begun


# ---------------------------------------------------------------- what the labels are


def kind_of(texts: Sequence[LabelledText]) -> Kind:
    """Tell what labels are: numbers if all are, and not all of them whole; lists are several; else classes.

    Raises ValueError, with the row, where some are lists and others not, and for as good as a class of its
    own for each text.
    """
    labelled = [text for text in texts if text.label is not None]
    if any(isinstance(text.label, tuple) for text in labelled):
        for text in labelled:
            if not isinstance(text.label, tuple):
                raise ValueError(f"{text.where}: the label {text.label!r} is no list, as others are")
        return "labels"

    numbers = [_number(text.label) for text in labelled]
    if any(number is not None and number % 1 for number in numbers) and None not in numbers:
        return "number"
    classes = {text.label for text in labelled}
    if len(classes) > MANY and len(classes) > len(labelled) / 2:
        raise ValueError(
            f"{len(labelled):,} texts have {len(classes):,} different labels, as {labelled[0].label!r} in "
            f"{labelled[0].where}: too many to be classes. Name the column of the labels: --label COLUMN; "
            "numbers are learned as such with --labels-are number"
        )
    return "classes"


def as_kind(texts: Sequence[LabelledText], kind: Kind) -> list[LabelledText]:
    """Return the texts with labels of a kind: for "number" a finite float for what was read as text.

    Raises ValueError, with the row, for a label that is not of the kind.
    """
    return [text if text.label is None else replace(text, label=_of_kind(text, kind)) for text in texts]


def _of_kind(text: LabelledText, kind: Kind) -> Label:
    label = text.label
    if kind == "number":
        label = _number(text.label)
    fits = {"classes": str, "labels": tuple, "number": float}
    if not isinstance(label, fits[kind]):
        words = {"classes": "one label", "labels": "a list of labels", "number": "a number"}
        raise ValueError(f"{text.where}: expected {words[kind]}, got {text.label!r}")
    return label


def _number(label: Label) -> float | None:
    """Return the finite number that a label is, or is the writing of; None for any other."""
    if isinstance(label, tuple) or label is None:
        return None
    try:
        number = float(label)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def label_names(texts: Sequence[LabelledText]) -> tuple[str, ...]:
    """Return the names of all labels, in their order: whole numbers by value, names by the alphabet.

    The order depends on nothing else: not on that of the rows, nor on that of the columns.
    """
    lists = (text.label if isinstance(text.label, tuple) else (text.label,) for text in texts)
    names = {label for label in chain.from_iterable(lists) if isinstance(label, str)}
    if all(name.isascii() and name.removeprefix("-").isdigit() for name in names):
        return tuple(sorted(names, key=lambda name: (int(name), name)))
    return tuple(sorted(names))


def require_known(texts: Sequence[LabelledText], names: Sequence[str]) -> None:
    """Raise ValueError, with the row and the labels there are, for a text with a label that has no place."""
    known = set(names)
    for text in texts:
        labels = text.label if isinstance(text.label, tuple) else (text.label,)
        for label in labels:
            if label is not None and label not in known:
                raise ValueError(
                    f"{text.where}: the label {label!r} is none of those learned from: "
                    f"{', '.join(map(repr, names))}"
                )
