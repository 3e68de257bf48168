"""Files -> documents; and documents held out whole."""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from minibert.config import FORMATS, Part
from minibert.text import squad, tables, tagged, wiki
from minibert.text.reading import Progress, read_blocks, warn_once

LONGEST = 1 << 20
"""Characters of a document, about; a longer one comes in several."""


@dataclass(frozen=True)
class Document:
    """One text that stands on its own: a speech, an article, a chapter; with all its white space."""

    name: str
    text: str
    continues: bool = False
    """Whether it goes on from the document before it, which has the same name: a long text in pieces, which
    are the text again when they are joined."""


# ---------------------------------------------------------------- files -> documents


def read_documents(part: Part, progress: Progress | None = None) -> Iterator[Document]:
    """Yield the documents of files, one after the other, in bounded memory.

    `progress` is called with the number of further bytes read, as the files lie on the disk: in all, the
    sum of their sizes. A text of more than LONGEST characters comes in several documents in a row. Files
    without text are reported.

    Raises ValueError, naming the file, when it cannot be read, is not UTF-8 text (with line and byte), or
    is not of the part's format (with line or row, and what was found).
    """
    for path in part.files:
        empty = True
        for document in _documents(path, part, progress):
            empty = False
            yield document
        if empty:
            warn_once(f"{path} holds no text and is passed over")


def _documents(path: Path, part: Part, progress: Progress | None) -> Iterator[Document]:
    match part.format:
        case "file" | "paragraphs" | "lines":
            return _plain(path, part.format, progress)
        case "table":
            texts = tables.read_texts(path, part.column, progress, part.only)
        case "mediawiki":
            texts = wiki.read_articles(path, progress)
        case "tagged" | "conll":
            texts = tagged.read_texts(path, part.format, progress)
        case "squad":
            texts = squad.read_articles(path, progress)
        case _:
            raise ValueError(f"{path} is {FORMATS[part.format]}. Give a corpus: minibert data list")
    return (document for name, text in texts for document in _pieces(name, _cut(text)))


def _plain(path: Path, format: str, progress: Progress | None) -> Iterator[Document]:
    """Yield the documents of plain text, each up to what separates it from the next."""
    split = {"file": _whole, "paragraphs": _BLANK.split, "lines": _lines}[format]
    whole = path.with_suffix("") if path.suffix == ".gz" else path
    number, continues = 1, False
    for text, ends in _split(read_blocks(path, progress), split):
        name = whole.stem if format == "file" else f"{path.name}:{number}"
        for document in _pieces(name, [text], continues):
            yield document
            continues = True
        if ends:
            number += continues or format == "lines"  # lines are numbered as an editor does
            continues = False


def _pieces(name: str, texts: Iterable[str], continues: bool = False) -> Iterator[Document]:
    """Yield the pieces of one document, but no blank ones ahead of its first word: there may be no word."""
    for text in filter(None, texts):
        if continues or not text.isspace():
            yield Document(name, text, continues)
            continues = True


def _whole(text: str) -> list[str]:
    return [text]


def _lines(text: str) -> list[str]:
    return text.split("\n")


_BLANK = re.compile(r"\n\s*\n")


def _split(blocks: Iterable[str], split: Callable[[str], list[str]]) -> Iterator[tuple[str, bool]]:
    """Yield the texts that `split` finds, long ones in pieces, each with whether a text ends with it."""
    rest = ""
    for block in blocks:
        *whole, rest = split(rest + block)
        yield from ((text, True) for text in whole)
        *pieces, rest = _cut(rest)
        yield from ((piece, False) for piece in pieces)
    yield rest, True


def _cut(text: str) -> list[str]:
    """Cut a long text into pieces of at most LONGEST characters: where best, between paragraphs.

    White space stays with the piece that follows it: it may be the beginning of a blank line.
    """
    pieces = []
    while len(text) > LONGEST:
        ends = (text.rfind(mark, LONGEST // 2, LONGEST) for mark in ("\n\n", "\n", ". ", "。", " "))
        kept = (0, 0, 1, 1, 0)
        at = next((end + keep for end, keep in zip(ends, kept, strict=True) if end >= 0), LONGEST)
        pieces.append(text[:at])
        text = text[at:]
    return [*pieces, text]


# ---------------------------------------------------------------- documents -> training and held out


def choose_held_out(names: Iterable[str], share: float = 0.05) -> set[str]:
    """Return the names of the documents to hold out of a corpus that does not say which.

    They are the `share` of the names with the smallest sha256: at least two, so that a next sentence can
    come from another document, but never more than half, and always the same ones whatever the order. A
    single document cannot be divided: nothing is held out.
    """
    by_hash = sorted(set(names), key=_hash)
    return set(by_hash[: min(max(2, round(share * len(by_hash))), len(by_hash) // 2)])


def is_held_out(name: str, share: float) -> bool:
    """Whether a document is among the `share` (between 0 and 1) that is held out, by its name alone.

    For a corpus too large to know all its names first: the sha256 of the name, as a fraction of the largest,
    is below the share.
    """
    return int(_hash(name), 16) < share * (1 << 256)


def _hash(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
