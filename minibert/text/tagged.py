"""Sentences of words with tags: WORD/TAG in lines, CoNLL columns, lists of both in JSON lines."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

from minibert.text.reading import Progress, read_lines
from minibert.text.schemes import Entity, tags_of
from minibert.text.tables import read_rows

START = "-DOCSTART-"
"""The word that begins a document in the files of CoNLL-2003 (Tjong Kim Sang and De Meulder 2003)."""

WORDS = ("tokens", "words")
"""Names that the column of the words has in a table."""


@dataclass(frozen=True)
class Sentence:
    """Words, and a tag for each."""

    words: tuple[str, ...]
    tags: tuple[str, ...] = ()
    """None where they are to be predicted."""
    begins: bool = True
    """Whether a document begins with it."""
    text: str = ""
    """The text that the words stand in; if not given, `join(words)`."""
    where: str = field(default="", compare=False)
    """Where it begins: "train.conll, line 12"."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", self.text or join(self.words))

    @property
    def places(self) -> list[tuple[int, int]]:
        """Where each word begins and ends in the text (characters)."""
        found, end = [], 0
        for word in self.words:
            start = self.text.index(word, end)
            end = start + len(word)
            found.append((start, end))
        return found


def read_sentences(
    path: Path,
    format: str,
    progress: Progress | None = None,
    words: str | None = None,
    tags: str | None = None,
) -> Iterator[Sentence]:
    """Yield the sentences of a file of format "tagged", "conll" or "table".

    Args:
        path: the file.
        format: WORD/TAG in lines, CoNLL columns, or JSON lines with a list of words and one of tags.
        progress: is called with the number of further bytes read.
        words: the column of a table that holds the words; one of WORDS if not given.
        tags: the column of the tags, a name in a table and a number in CoNLL, where 1 is the first. If not
            given: the last one in CoNLL, the only other list in a table.

    Raises ValueError, with the line, for a word without a tag, rows of different length, columns that are not
    there, and where there is more than one way to choose them.
    """
    match format:
        case "conll":
            return _columns(path, progress, tags)
        case "table":
            return _lists(path, progress, words, tags)
    if tags is not None:
        raise ValueError(f"{path} is of WORD/TAG and has no column {tags!r}; leave out --label")
    return _tagged(path, progress)


def read_texts(path: Path, format: str, progress: Progress | None = None) -> Iterator[tuple[str, str]]:
    """Yield (name, text) of the documents of a file; a sentence is a paragraph of the text."""
    number, sentences = 0, []
    for sentence in read_sentences(path, format, progress):
        if sentence.begins and sentences:
            number += 1
            yield f"{path.name}:{number}", "\n\n".join(sentences)
            sentences = []
        sentences.append(sentence.text)
    if sentences:
        yield f"{path.name}:{number + 1}", "\n\n".join(sentences)


def join(words: Sequence[str]) -> str:
    """Return the words with spaces between them; in Chinese and Japanese, only between Latin words."""
    if not any(map(_WIDE.search, words)):
        return " ".join(words)
    spaces = (
        " " if _LATIN.match(before[-1:]) and _LATIN.match(word) else "" for before, word in pairwise(words)
    )
    return "".join(space + word for space, word in zip(chain([""], spaces), words, strict=True))


_WIDE = re.compile("[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uff01-\uff5e\U00020000-\U0003ffff]")
_LATIN = re.compile("[A-Za-z0-9]")


# ---------------------------------------------------------------- the three forms


def _tagged(path: Path, progress: Progress | None) -> Iterator[Sentence]:
    """Yield a sentence for each line; the tag stands behind the last "/" of a word.

    A document begins after a blank line, and at a headline. In the People's Daily nothing else divides them:
    a headline is a line that ends in a word, behind one that ends in a mark.
    """
    before = ""
    for number, line in enumerate(read_lines(path, progress), 1):
        pairs = [item.rpartition("/") for item in line.split()]
        for word, slash, tag in pairs:
            if not word or not tag:
                raise ValueError(f"{path}, line {number}: expected WORD/TAG, got {word + slash + tag!r}")
        words = tuple(word for word, _, _ in pairs)
        if words:
            begins = not before or (words[-1][-1].isalnum() and not before[-1].isalnum())
            tags = tuple(tag for _, _, tag in pairs)
            yield Sentence(words, tags, begins, where=f"{path.name}, line {number}")
        before = words[-1] if words else ""


def _columns(path: Path, progress: Progress | None, column: str | None) -> Iterator[Sentence]:
    """Yield the sentences between blank lines: the word stands in the first column, its tag in the last.

    A document begins at -DOCSTART-; where the file does not begin so, every sentence is one. A file of one
    column has no tags.
    """
    rows: list[list[str]] = []
    width, marked, begins, place = 0, False, True, -1
    for number, line in enumerate(chain(read_lines(path, progress), [""]), 1):
        cells = line.split("\t") if "\t" in line else line.split()
        if line.strip():
            if not width:
                width, place = len(cells), _column_of(column, len(cells), path)
            if len(cells) != width or not cells[0]:
                raise ValueError(
                    f"{path}, line {number}: expected a word and {width - 1} more columns as in the first "
                    f"row, got {line[:60]!r}"
                )
            rows.append(cells)
        elif rows and rows[0][0] == START:
            marked, begins, rows = True, True, []
        elif rows:
            words, tags = tuple(row[0] for row in rows), tuple(row[place] for row in rows)
            where = f"{path.name}, line {number - len(rows)}"
            yield Sentence(words, tags if width > 1 else (), begins, where=where)
            begins, rows = not marked, []


def _column_of(column: str | None, width: int, path: Path) -> int:
    """Return the place of the column that holds the tags, of so many."""
    if column is None:
        return width - 1
    if column.isdecimal() and 2 <= int(column) <= width:
        return int(column) - 1
    raise ValueError(
        f"{path} has {width} columns without names, the first of words: "
        f"expected --label with a number from 2 to {width}, got {column!r}"
    )


def _lists(path: Path, progress: Progress | None, words: str | None, tags: str | None) -> Iterator[Sentence]:
    """Yield a sentence for each row of a table that has a list of words and one of tags."""
    chosen = None
    for number, row in enumerate(read_rows(path, progress), 1):
        chosen = chosen or _choose(row, words, tags, f"{path}, row {number}")
        lists = [_texts(row.get(column), f"{path}, row {number}, column {column!r}") for column in chosen]
        if len(lists[0]) != len(lists[1]):
            raise ValueError(
                f"{path}, row {number}: {len(lists[0])} words in {chosen[0]!r} but {len(lists[1])} tags in "
                f"{chosen[1]!r}"
            )
        if lists[0]:
            yield Sentence(lists[0], lists[1], where=f"{path.name}, row {number}")


def _choose(row: dict[str, Any], words: str | None, tags: str | None, place: str) -> tuple[str, str]:
    """Return the columns of the words and of the tags."""
    lists = [name for name, value in row.items() if isinstance(value, list)]
    found = [words] if words else [name for name in WORDS if name in lists]
    others = [tags] if tags else [name for name in lists if name not in found]
    if len(found) == len(others) == 1 and {*found, *others} <= set(lists):
        return found[0], others[0]
    raise ValueError(
        f"{place}: expected a list of words and one of tags. Lists: {', '.join(map(repr, lists)) or 'none'}. "
        "Name the columns: --text WORDS --label TAGS"
    )


def _texts(value: Any, place: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise ValueError(f"{place}: expected a list of texts, got {json.dumps(value)[:60]}")
    return tuple(value)


# ---------------------------------------------------------------- words of running text


def sentence_of(text: str) -> Sentence:
    """Return the words of a text without tags: runs of letters and digits, and every other sign alone."""
    return Sentence(tuple(re.findall(r"\w+|[^\w\s]", text)), text=text)


def characters(sentence: Sentence, typed: bool = False) -> Sentence:
    """Return the characters of a sentence, with tags that tell where its words begin and end: BIES.

    我/r 喜欢/v becomes 我/S 喜/B 欢/E; if `typed`, 我/S-r 喜/B-v 欢/E-v (Xue 2003; Ng and Low 2004).
    """
    ends, end = [], 0
    for word, tag in zip(sentence.words, sentence.tags or [""] * len(sentence.words), strict=True):
        ends.append(Entity(tag if typed else "", end, end + len(word)))
        end += len(word)
    tags = tuple(tags_of(ends, end, "BIOES"))
    return Sentence(tuple("".join(sentence.words)), tags, sentence.begins, sentence.text, sentence.where)
