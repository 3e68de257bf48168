"""How the course writes to a terminal: colours only where they belong, and lines that fit."""

import io
import os
from collections.abc import Callable

import pytest

from minibert.learn.ink import Ink, clean, ink_for

LONG = "a sentence of many words " * 9


class Tty(io.StringIO):
    """A stream that says it is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Set the environment of a terminal: screen(TERM="dumb")."""

    def put(**names: str) -> None:
        for name in ("NO_COLOR", "TERM", "COLUMNS", "LINES"):
            monkeypatch.delenv(name, raising=False)
        for name, value in names.items():
            monkeypatch.setenv(name, value)

    return put


def test_a_terminal_gets_colours_and_its_height(screen: Callable[..., None]) -> None:
    screen(TERM="xterm", COLUMNS="70", LINES="30")
    assert ink_for(Tty()) == Ink(colour=True, terminal=True, width=70, height=30)


def test_no_terminal_is_written_wider_than_80(screen: Callable[..., None]) -> None:
    screen(TERM="xterm", COLUMNS="200", LINES="30")
    assert ink_for(Tty()).width == 80


def test_no_color_a_dumb_terminal_and_a_file_get_none(screen: Callable[..., None]) -> None:
    screen(TERM="xterm", NO_COLOR="1")
    assert not ink_for(Tty()).colour and ink_for(Tty()).terminal
    screen(TERM="xterm", NO_COLOR="")
    assert ink_for(Tty()).colour
    screen(TERM="dumb")
    assert not ink_for(Tty()).colour and not ink_for(Tty()).terminal
    screen(TERM="xterm")
    with open(os.devnull, "w", encoding="utf-8") as file:
        assert ink_for(file) == Ink(width=80)


def test_a_terminal_that_knows_only_ascii_gets_ascii(screen: Callable[..., None]) -> None:
    screen(TERM="xterm")
    with open(os.devnull, "w", encoding="ascii") as file:
        ink = ink_for(file)
    assert ink.ascii
    assert ink.letters("✓ ●○ █▒░ │ … ·").isascii()


def test_paint_is_nothing_without_colours() -> None:
    assert Ink().paint("red", "no") == "no"
    assert Ink(colour=True).paint("red", "no") == "\x1b[31mno\x1b[0m"
    assert Ink(colour=True).paint("", "no") == "no"
    assert Ink(colour=True).paint("red", "") == ""


def test_wrap_keeps_what_fits_and_breaks_what_does_not() -> None:
    ink = Ink(width=40)
    array = "expected [[1. 2.]\n          [3. 4.]]"
    assert ink.wrap(array) == ["  expected [[1. 2.]", "            [3. 4.]]"]
    lines = ink.wrap(f"{LONG}\n    {'x' * 90}")
    assert max(map(len, lines)) <= 40
    assert " ".join(lines).split()[:9] == LONG.split()[:9]
    assert lines[-1].startswith("      x")


def test_an_index_is_not_torn_apart() -> None:
    lines = Ink(width=30).wrap("wrong values, first at [0, 0, 1, 2]: no")
    assert lines == ["  wrong values, first at", "  [0, 0, 1, 2]: no"]


def test_prose_fills_paragraphs_and_leaves_code_and_lists_alone() -> None:
    text = "One\nsentence.\n\n    x = 1\n    y = 2\n\n- one\n- two\n"
    assert Ink().prose(text) == [
        "  One sentence.",
        "",
        "      x = 1",
        "      y = 2",
        "",
        "  - one",
        "  - two",
    ]


def test_a_text_beside_its_name_is_wrapped_beside_it() -> None:
    lines = Ink(width=40).named("read", LONG)
    assert lines[0].startswith("  read   a sentence")
    assert all(line.startswith(" " * 9) for line in lines[1:])
    assert max(map(len, lines)) <= 40


@pytest.mark.parametrize(
    ("full", "half", "bar"),
    [(0, 0, "░░░░"), (1, 0, "█░░░"), (99, 0, "███░"), (100, 0, "████"), (50, 25, "██▒░"), (50, 50, "██▒▒")],
)
def test_a_bar_is_full_only_when_all_is(full: int, half: int, bar: str) -> None:
    assert Ink().bar(full, half, 100, 4) == bar


def test_a_bar_of_nothing_is_empty() -> None:
    assert Ink().bar(0, 0, 0, 3) == "░░░"


def test_clean_takes_out_what_moves_the_cursor() -> None:
    assert clean("a\x1b[2Jb\x1b[31mc\rd\x07\te\nf\x9b") == "abcd    e\nf"
