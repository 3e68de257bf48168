"""What commands share: how wrong usage is told, and what is printed with."""

import os
import shutil
import textwrap
from collections.abc import Sequence


class UsageError(Exception):
    """The command line is wrong: exit code 2."""


def rank() -> int | None:
    """Return which of several processes this one is, as torchrun says; None when it is alone."""
    return int(os.environ["RANK"]) if "RANK" in os.environ else None


def columns() -> int:
    """Return the width to print at: the terminal's, 80 without one, at most 100."""
    return min(100, shutil.get_terminal_size().columns)


def bars(guesses: Sequence[tuple[str, float]]) -> list[str]:
    """Return a line for each guess: piece, probability, bar."""
    widest = max(len(piece) for piece, _ in guesses)
    room = columns() - widest - 13
    return [f"  {piece:<{widest}}  {share:6.1%}  {'#' * round(share * room)}" for piece, share in guesses]


def entry(name: str, text: str) -> str:
    """Return "name  text" with the text wrapped beside its name; a long path or sha256 stays in one piece."""
    return textwrap.fill(
        text,
        columns(),
        initial_indent=f"{name:<12}  ",
        subsequent_indent=" " * 14,
        break_on_hyphens=False,
        break_long_words=False,
    )


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a line for each row, its cells in columns: the first one left, the others right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *others in rows:
        cells = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        lines.append("  ".join([first.ljust(widths[0]), *cells]).rstrip())
    return lines
