"""Sentences of words with tags: WORD/TAG in lines, and CoNLL columns."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from minibert.text.reading import Progress, read_lines

START = "-DOCSTART-"
"""The word that begins a document in the files of CoNLL-2003 (Tjong Kim Sang and De Meulder 2003)."""


@dataclass(frozen=True)
class Sentence:
    """Words, and a tag for each."""

    words: tuple[str, ...]
    tags: tuple[str, ...]
    begins: bool
    """Whether a document begins with it."""


def read_sentences(path: Path, format: str, progress: Progress | None = None) -> Iterator[Sentence]:
    """Yield the sentences of a file of format "tagged" or "conll".

    Raises ValueError, with the line, for a word without a tag and for rows of different length.
    """
    return (_tagged if format == "tagged" else _columns)(path, progress)


def read_texts(path: Path, format: str, progress: Progress | None = None) -> Iterator[tuple[str, str]]:
    """Yield (name, text) of the documents of a file; a sentence is a paragraph of the text."""
    number, sentences = 0, []
    for sentence in read_sentences(path, format, progress):
        if sentence.begins and sentences:
            number += 1
            yield f"{path.name}:{number}", "\n\n".join(sentences)
            sentences = []
        sentences.append(join(sentence.words))
    if sentences:
        yield f"{path.name}:{number + 1}", "\n\n".join(sentences)


def join(words: tuple[str, ...]) -> str:
    """Return the words with spaces between them; in Chinese and Japanese, only between Latin words."""
    line = " ".join(words)
    return _NOT_LATIN.sub("", line) if _WIDE.search(line) else line


_WIDE = re.compile("[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uff01-\uff5e\U00020000-\U0003ffff]")
_NOT_LATIN = re.compile(r"(?<![A-Za-z0-9]) | (?![A-Za-z0-9])")


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
            yield Sentence(words, tuple(tag for _, _, tag in pairs), begins)
        before = words[-1] if words else ""


def _columns(path: Path, progress: Progress | None) -> Iterator[Sentence]:
    """Yield the sentences between blank lines: the word stands in the first column, its tag in the last.

    A document begins at -DOCSTART-; where the file does not begin so, every sentence is one.
    """
    rows: list[list[str]] = []
    width, marked, begins = 0, False, True
    for number, line in enumerate(chain(read_lines(path, progress), [""]), 1):
        cells = line.split("\t") if "\t" in line else line.split()
        if line.strip():
            width = width or len(cells)
            if len(cells) != width or not cells[0]:
                raise ValueError(
                    f"{path}, line {number}: expected a word and {width - 1} more columns as in the first "
                    f"row, got {line[:60]!r}"
                )
            rows.append(cells)
        elif rows and rows[0][0] == START:
            marked, begins, rows = True, True, []
        elif rows:
            yield Sentence(tuple(row[0] for row in rows), tuple(row[-1] for row in rows), begins)
            begins, rows = not marked, []
