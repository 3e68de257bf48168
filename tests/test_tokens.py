"""`minibert tokenize`: what it takes, and what it prints on a terminal and elsewhere."""

import os
import re
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import CHINESE, DOCUMENTS

from minibert.cli.command_line import main
from minibert.cli.tokens import has_colours, painted, printable, table, width
from minibert.text.base_tokenizer import Token
from minibert.text.byte_tokenizer import ByteTokenizer
from minibert.text.tokenizer import Tokenizer
from minibert.text.wordpiece import SPECIALS

TOKENIZER = Tokenizer({piece: id for id, piece in enumerate([*SPECIALS, "ete", "##s", "中", "the", ","])})
BYTES = ByteTokenizer.train([*(document.text for document in DOCUMENTS), *CHINESE], 500)


@pytest.fixture(autouse=True)
def no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")


@pytest.fixture
def model(tmp_path: Path) -> str:
    TOKENIZER.save(tmp_path)
    return str(tmp_path)


def test_a_text_gives_a_table_and_a_count(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tokenize", model, "Étés, 中 x"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "id  place  piece  text",
        " 5  0:3    ete    Été",
        " 6  3:4    ##s    s",
        " 9  4:5    ,      ,",
        " 7  6:7    中     中",
        " 1  8:9    [UNK]  x",
        "",
        "5 tokens from 9 characters, 1 unknown",
    ]


def test_special_tokens_are_text_unless_asked_for(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(["tokenize", model, "the [MASK]"])
    assert "4 tokens from 10 characters, 3 unknown" in capsys.readouterr().out
    main(["tokenize", model, "the [MASK]", "--specials"])
    out = capsys.readouterr().out
    assert " 4  4:10   [MASK]  [MASK]\n" in out
    assert out.endswith("\n2 tokens from 10 characters\n")


def test_a_file_is_shown_whole(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.txt").write_text("the\nthe\n")
    assert main(["tokenize", model, "--file", str(tmp_path / "a.txt")]) == 0
    assert " 8  4:7    the    the\n\n2 tokens from 8 characters\n" in capsys.readouterr().out


@pytest.mark.parametrize("words", [[], ["the", "--file", "a.txt"]])
def test_either_a_text_or_a_file_is_wanted(
    model: str, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(["tokenize", model, *words])
    assert end.value.code == 2
    assert "give a text, or a file with --file" in capsys.readouterr().err


# ---------------------------------------------------------------- colours


def test_colours_are_for_terminals_that_want_them(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not has_colours()
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert has_colours()
    monkeypatch.setenv("NO_COLOR", "1")
    assert not has_colours()
    monkeypatch.setenv("NO_COLOR", "")
    monkeypatch.setenv("TERM", "dumb")
    assert not has_colours()


def test_on_a_terminal_the_text_and_the_pieces_have_the_same_colours(
    model: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("minibert.cli.tokens.has_colours", lambda: True)
    assert main(["tokenize", model, "Étés, 中"]) == 0
    text, _, _, *rows, _, _ = capsys.readouterr().out.splitlines()
    green, yellow, magenta, cyan = (f"\x1b[30;{code}m" for code in (42, 43, 45, 46))
    assert text == f"{green}Été\x1b[0m{yellow}s\x1b[0m{magenta},\x1b[0m {cyan}中\x1b[0m"
    for row, colour, piece in zip(
        rows, (green, yellow, magenta, cyan), ("ete", "##s", ",", "中"), strict=True
    ):
        assert f"  {colour}{piece}\x1b[0m" in row


@given(st.text("aé中\n 👩‍🚀\u0301\x1b\u202e"))
def test_without_its_colours_the_painted_text_is_the_text(text: str) -> None:
    for tokenizer in (TOKENIZER, BYTES):
        plain = re.sub("\x1b\\[[0-9;]*m", "", painted(text, tokenizer.tokens(text)))
        assert plain.replace("◌", "") == printable(text).replace("◌", "")


# ---------------------------------------------------------------- what a terminal shows


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("abc", 3),
        ("中文", 4),
        ("ｆｕ", 4),
        ("e\u0301", 1),
        ("👩", 2),
        ("한국", 4),
        ("\u1112\u1161\u11ab", 2),
        ("", 0),
    ],
)
def test_width_counts_the_columns_of_a_terminal(text: str, columns: int) -> None:
    assert width(text) == columns


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[31mb", r"a\x1b[31mb"),
        ("\u202eabc\x00\x7f\x9b", r"\u202eabc\x00\x7f\x9b"),
        ("a\n\tb", "a\n\tb"),
        ("\u0301a", "◌\u0301a"),
        ("\ue000\ud800\U000e0001", r"\ue000\ud800\U000e0001"),
        ("中é", "中é"),
    ],
)
def test_what_a_terminal_would_obey_is_written_out(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert printable("a\n\tb", line_ends=True) == r"a\n\tb"


def test_a_table_is_aligned_in_columns_of_the_terminal_and_shows_spaces() -> None:
    text = "中e\u0301 \n"
    tokens = [Token(7, "中", 0, 1), Token(400, "e\u0301", 1, 3), Token(1, "Ġ", 3, 4), Token(0, "Ċ", 4, 5)]
    assert table(text, tokens, coloured=False) == [
        " id  place  piece  text",
        "  7  0:1    中     中",
        "400  1:3    e\u0301      e\u0301",
        "  1  3:4    Ġ      ␣",
        r"  0  4:5    Ċ      \n",
    ]


@given(st.text("the中é ,[]MASK\n\u0301", max_size=30))
def test_each_row_shows_the_slice_of_its_place(text: str) -> None:
    for row, token in zip(table(text, BYTES.tokens(text), False)[1:], BYTES.tokens(text), strict=True):
        start, end = map(int, row.split()[1].split(":"))
        assert (start, end) == (token.start, token.end)
        assert row.split()[0] == str(token.id)
        assert row.endswith(printable(text[start:end], line_ends=True).replace(" ", "␣"))


def test_the_command_loads_no_torch() -> None:
    code = "import sys, minibert.recipes.tokenize, minibert.cli.tokens; sys.exit('torch' in sys.modules)"
    assert os.spawnv(os.P_WAIT, sys.executable, [sys.executable, "-c", code]) == 0
