"""Which columns of a table hold the text and its label: as told, or guessed where there is only one way."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from minibert.config import suggest

TEXTS = {
    *("text", "sentence", "review", "content", "comment", "document", "body", "tweet", "message", "phrase"),
    *("utterance", "passage", "post", "文本", "内容", "评论"),
}
"""Names that a column of texts often has, in lower case."""

LABELS = {
    *("label", "labels", "class", "category", "sentiment", "polarity", "target", "rating", "stars", "score"),
    *("topic", "intent", "emotion", "tags", "y", "标签", "类别", "情感"),
}
"""Names that a column of labels often has, in lower case."""

PAIRS = (
    ("sentence1", "sentence2"),
    ("text1", "text2"),
    ("text_a", "text_b"),
    ("premise", "hypothesis"),
    ("question1", "question2"),
    ("question", "sentence"),
)
"""Names that the two columns of pairs of texts often have, in lower case."""


@dataclass(frozen=True)
class Columns:
    """The columns of a table that are read."""

    text: str | None = None
    pair: str | None = None
    """The second text, for pairs."""
    label: str | None = None

    def __str__(self) -> str:
        """Return "text from 'review', label from 'stars'"."""
        named = {"text": self.text, "second text": self.pair, "label": self.label}
        return ", ".join(f"{what} from {column!r}" for what, column in named.items() if column is not None)


def choose_columns(path: Path, found: Sequence[str], told: Columns, labelled: bool = True) -> Columns:
    """Return the columns to read of a table that has the columns `found`.

    What is `told` is taken. The rest is guessed by common names, but only where one column alone has such a
    name; or where one column alone is left. No label is looked for unless `labelled`.

    Raises ValueError, with the columns found, for one that is told and not there (with the nearest name), and
    where there is no single way to guess.
    """
    listed = f"Its columns: {', '.join(map(repr, found))}."
    for flag, column in (("--text", told.text), ("--text-pair", told.pair), ("--label", told.label)):
        if column is not None and column not in found:
            raise ValueError(f"{path} has no column {column!r} for {flag}.{suggest(column, found)} {listed}")

    columns = _guess(found, told, labelled)
    missing = [("--text", "text")] if columns.text is None else []
    missing += [("--label", "label")] if labelled and columns.label is None else []
    for flag, what in missing:
        raise ValueError(
            f"{path}: which column holds the {what}? {listed} Name it: {flag} COLUMN "
            "(the first row of CSV and TSV names the columns)"
        )
    return columns


def _guess(found: Sequence[str], told: Columns, labelled: bool) -> Columns:
    """Return what is told, and of the rest what there is only one way to guess."""
    text, pair, label = told.text, told.pair, told.label if labelled else None
    free = [column for column in found if column not in (text, pair, told.label)]
    if labelled and label is None:
        label = _only(free, LABELS)
        free = [column for column in free if column != label]
    if text is None and pair is None:
        text, pair = _pair(free)
    if text is None:
        text = _only(free, TEXTS)

    rest = [column for column in free if column not in (text, pair)]
    if len(rest) == 1 and text is None and (label is not None or not labelled):
        text = rest[0]
    elif len(rest) == 1 and text is not None and label is None and labelled:
        label = rest[0]
    return Columns(text, pair, label)


def _only(columns: Sequence[str], names: Collection[str]) -> str | None:
    """Return the column that has one of the names, if there is one alone."""
    named = [column for column in columns if column.strip().lower() in names]
    return named[0] if len(named) == 1 else None


def _pair(columns: Sequence[str]) -> tuple[str | None, str | None]:
    """Return the two columns of a pair, if there is one pair alone; else none."""
    by_name = {column.strip().lower(): column for column in columns}
    pairs = [(by_name[a], by_name[b]) for a, b in PAIRS if a in by_name and b in by_name]
    return pairs[0] if len(pairs) == 1 else (None, None)
