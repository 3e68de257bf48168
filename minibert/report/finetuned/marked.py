"""A text in a table: escaped, some of its words in bold, and of a long one what stands around them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from minibert.report.markdown import escape

LONGEST = 400
"""Characters of a text that is shown whole."""

REACH = 80
"""Characters shown on each side of a mark in a longer one."""


@dataclass(frozen=True)
class Mark:
    """A part of a text that is to stand in bold."""

    start: int
    end: int
    """Behind its last character."""
    note: str = ""
    """What is said of it, behind it in brackets."""


def marked(text: str, marks: Sequence[Mark]) -> str:
    """Return a text as Markdown on one line, its marks in bold; these come in their order and apart."""
    shown = []
    for low, high in _kept(len(text), marks):
        parts, at = ["…" * (low > 0)], low
        for mark in marks:
            if low <= mark.start and mark.end <= high:
                note = f" ({escape(mark.note)})" if mark.note else ""
                parts += [_spaced(text[at : mark.start]), bold(text[mark.start : mark.end]) + note]
                at = mark.end
        parts += [_spaced(text[at:high]), "…" * (high < len(text))]
        shown.append("".join(parts).strip())
    return " ".join(shown)


def bold(word: str) -> str:
    """Return a word in bold, escaped. Signs at its ends stay outside: beside them asterisks fail."""
    before, core, behind = re.fullmatch(r"(\W*)(.*?)(\W*)", word, re.DOTALL).groups()  # pyright: ignore
    if not core:
        return f"<b>{escape(word)}</b>"
    return f"{_spaced(before)}**{escape(core)}**{_spaced(behind)}"


def _spaced(text: str) -> str:
    """Return a text escaped, with a blank for white space at its ends, too."""
    return f"{' ' * text[:1].isspace()}{escape(text)}{' ' * (text[-1:].isspace() and not text.isspace())}"


def _kept(length: int, marks: Sequence[Mark]) -> list[tuple[int, int]]:
    """Return which parts of a text are shown: all of a short one, the beginning of one without marks."""
    if length <= LONGEST:
        return [(0, length)]
    kept: list[tuple[int, int]] = []
    for mark in marks:
        low, high = max(0, mark.start - REACH), min(length, mark.end + REACH)
        if kept and low <= kept[-1][1]:
            low = kept.pop()[0]
        kept.append((low, high))
    return kept or [(0, LONGEST)]
