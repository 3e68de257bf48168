"""`minibert tokenize`: the pieces of a text, their ids, and where they stand in it."""

import os
import sys
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, arg

from minibert.config import require

if TYPE_CHECKING:
    from minibert.recipes.tokenize import Token

COLOURS = (42, 43, 45, 46)
"""Backgrounds of an ANSI terminal, taken in turn: green, yellow, magenta, cyan."""


@dataclass(frozen=True)
class Tokenize:
    """Show how a text is cut into tokens: piece, id, place in the text, and what stands there.

    The place 4:9 is that of the characters text[4:9], as Python counts them.

    examples:
      minibert tokenize runs/bert-tiny "The unbelievable state of the union"
      minibert tokenize minilm --file speech.txt
      minibert tokenize runs/bert-tiny "The [MASK] of the union" --specials
    """

    model: Annotated[
        Positional[str],
        arg(metavar="MODEL", help="A run, the folder of a tokenizer, or a card with weights, like minilm."),
    ]
    text: Annotated[Positional[str | None], arg(metavar="[TEXT]", help="A text, in quotes.")] = None
    file: Path | None = None
    """A text file, in place of TEXT."""
    specials: bool = False
    """Take special tokens that the text spells, like [MASK], as such."""

    def __post_init__(self) -> None:
        require((self.text is None) != (self.file is None), "give a text, or a file with --file")

    def __call__(self) -> None:
        from minibert.recipes.tokenize import tokenize

        source = self.text if self.file is None else self.file
        assert source is not None
        text, tokens = tokenize(self.model, source, self.specials)
        coloured = has_colours()
        if coloured and tokens:
            print(painted(text, tokens) + "\n")
        for line in table(text, tokens, coloured):
            print(line)
        unknown = sum(token.piece == "[UNK]" for token in tokens)
        print(
            f"\n{len(tokens):,} tokens from {len(text):,} characters"
            + f", {unknown:,} unknown" * bool(unknown)
        )


def has_colours() -> bool:
    """Whether to print in colour: to a terminal that has them, unless $NO_COLOR is set (no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def paint(text: str, number: int) -> str:
    """Return a text in black on the colour of token `number`."""
    return f"\x1b[30;{COLOURS[number % len(COLOURS)]}m{text}\x1b[0m"


def painted(text: str, tokens: "list[Token]") -> str:
    """Return a text with each token in its colour; of tokens in one place the first one's."""
    parts, end = [], 0
    for number, token in enumerate(tokens):
        if token.start >= end:
            parts += [
                printable(text[end : token.start]),
                paint(printable(text[token.start : token.end]), number),
            ]
            end = token.end
    return "".join([*parts, printable(text[end:])])


def table(text: str, tokens: "list[Token]", coloured: bool) -> list[str]:
    """Return a line for each token: its id, its place, its piece, and the text in that place."""
    rows = [("id", "place", "piece", "text")]
    for token in tokens:
        slice = printable(text[token.start : token.end], line_ends=True).replace(" ", "␣")
        rows.append((str(token.id), f"{token.start}:{token.end}", printable(token.piece), slice))
    widths = [max(width(row[column]) for row in rows) for column in range(3)]
    lines = []
    for number, (id, place, piece, slice) in enumerate(rows):
        shown = paint(piece, number - 1) if coloured and number else piece
        space = " " * (widths[2] - width(piece))
        lines.append(f"{id:>{widths[0]}}  {place:<{widths[1]}}  {shown}{space}  {slice}")
    return lines


def printable(text: str, line_ends: bool = False) -> str:
    """Return a text without what a terminal obeys or hides: control and format characters are written out.

    Line ends and tabs stay unless `line_ends`. A mark that has nothing to stand on gets a dotted circle.
    """
    shown = "".join(
        ascii(char)[1:-1]
        if unicodedata.category(char).startswith("C") and (line_ends or char not in "\n\t")
        else char
        for char in text
    )
    return f"◌{shown}" if unicodedata.combining(shown[:1] or " ") else shown


def width(text: str) -> int:
    """Return how many columns of a terminal a text takes: East Asian characters two, marks none."""
    return sum(
        0 if _stands_on_another(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )


def _stands_on_another(char: str) -> bool:
    """Whether a character takes no column: a mark, or a vowel or final letter of a Korean syllable."""
    return unicodedata.category(char) in ("Mn", "Me", "Cf") or "\u1160" <= char <= "\u11ff"
