"""How the course writes to a terminal: colours, signs, bars, and lines that fit."""

import os
import re
import shutil
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TextIO

COLOURS = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}

ASCII = str.maketrans(
    {
        "✓": "+",
        "✗": "x",
        "○": ".",
        "●": "*",
        "◐": "o",
        "·": "-",
        "█": "#",
        "▒": "~",
        "░": ".",
        "│": "|",
        "…": "~",
    }
)
"""What stands for our signs where the terminal knows only ASCII."""

CONTROL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""What moves the cursor or changes colours: it must not come out of the learner's code."""

INDEX = re.compile(r"[\[(][\d, -]{1,20}[\])]")
"""An index, or a shape: not to be torn apart at the end of a line."""

GLUE = "\x00"


@dataclass(frozen=True)
class Ink:
    """What a terminal can show."""

    colour: bool = False
    ascii: bool = False
    """It knows no other signs."""
    terminal: bool = False
    """It is one: lines can be taken back, and the screen cleared."""
    width: int = 80
    height: int = 0
    """Lines of the terminal; 0 for as many as there are."""

    def paint(self, colour: str, text: str) -> str:
        """Return the text in a colour, where there are colours; "" is none."""
        return f"\x1b[{COLOURS[colour]}m{text}\x1b[0m" if self.colour and colour and text else text

    def paint_all(self, colour: str, lines: Sequence[str]) -> list[str]:
        """Return each line in a colour."""
        return [self.paint(colour, line) for line in lines]

    def wrap(self, text: str, indent: str = "  ", hang: str | None = None) -> list[str]:
        """Return a text in lines that fit. Those that do already, as in an array, stay as they are.

        Args:
            indent: stands before every line.
            hang: stands before all lines but the first, if it is not the indent.
        """
        lines: list[str] = []
        for line in clean(text).split("\n"):
            begin = indent if hang is None or not lines else hang
            if len(begin + line) <= self.width:
                lines.append((begin + line).rstrip())
                continue
            lead = line[: len(line) - len(line.lstrip())]
            filled = textwrap.wrap(
                INDEX.sub(lambda found: found[0].replace(" ", GLUE), line.lstrip()),
                self.width,
                initial_indent=begin + lead,
                subsequent_indent=(indent if hang is None else hang) + lead,
                break_on_hyphens=False,
            )
            lines += [part.replace(GLUE, " ") for part in filled]
        return lines

    def prose(self, text: str) -> list[str]:
        """Return paragraphs, each filled to the width; one with indented lines or a list stays as it is."""
        lines: list[str] = []
        for paragraph in clean(text).strip("\n").split("\n\n"):
            loose = all(line[:1].strip() and line[:2] not in ("- ", "* ") for line in paragraph.split("\n"))
            lines += ["", *self.wrap(" ".join(paragraph.split()) if loose else paragraph)]
        return lines[1:]

    def named(self, name: str, text: str, room: int = 7) -> list[str]:
        """Return a text beside its name: "  read   …"."""
        first, *rest = self.wrap(text, f"  {name:<{room}}", " " * (room + 2)) or [f"  {name}"]
        return [f"  {self.paint('dim', name)}{first[2 + len(name) :]}", *rest]

    def bar(self, full: int, half: int, total: int, cells: int) -> str:
        """Return a bar of so many cells: full, half-full and empty in their shares of the total.

        It is full only when all is, and not empty when something is there.
        """
        dark = share(full, total, cells)
        light = share(full + half, total, cells) - dark
        rest = cells - dark - light
        painted = self.paint("green", "█" * dark) + self.paint("yellow", "▒" * light)
        return painted + self.paint("dim", "░" * rest)

    def letters(self, text: str) -> str:
        """Return a text that the terminal can show."""
        return text.translate(ASCII) if self.ascii else text


def share(part: int, total: int, cells: int) -> int:
    """Return how many of the cells a part of the total fills: all only for all, none only for none."""
    if part >= total:
        return cells if total else 0
    return min(max(round(part * cells / total), 1), cells - 1) if part else 0


def clean(text: str) -> str:
    """Return a text without what would move the cursor or change colours."""
    return CONTROL.sub("", text).expandtabs(4)


def ink_for(stream: TextIO) -> Ink:
    """Return what a stream can show: colours only in a terminal, and not with NO_COLOR."""
    terminal = stream.isatty() and os.environ.get("TERM") != "dumb"
    size = shutil.get_terminal_size()
    encoding = (getattr(stream, "encoding", None) or "ascii").lower().replace("-", "")
    return Ink(
        colour=terminal and not os.environ.get("NO_COLOR"),
        ascii=not encoding.startswith("utf"),
        terminal=terminal,
        width=min(80, size.columns),
        height=size.lines if terminal else 0,
    )
