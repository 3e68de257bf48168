"""Texts in tables are escaped, their marks are bold, and long ones are cut around the marks."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minibert.report.finetuned.marked import LONGEST, REACH, Mark, bold, marked


def test_a_mark_is_bold_with_its_note() -> None:
    assert marked("A superb film", [Mark(2, 8, "41")]) == "A **superb** (41) film"
    assert marked("A superb film", []) == "A superb film"
    assert marked("one two", [Mark(0, 3), Mark(4, 7, "B|C")]) == r"**one** **two** (B\|C)"


def test_markup_is_escaped_and_lines_become_one() -> None:
    text = "| a*b\n`c` <b>\r\n# d"
    assert marked(text, []) == r"\| a\*b \`c\` \<b\> \# d"
    assert marked("a\n\nb", [Mark(3, 4)]) == "a **b**"


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("(bad)", "(**bad**)"),
        ("*bad*", r"\***bad**\*"),
        ("don't", "**don't**"),
        ("好！", "**好**！"),
        (":-(", "<b>:-(</b>"),
        ("*", r"<b>\*</b>"),
        ("two words.", "**two words**."),
    ],
)
def test_signs_at_the_ends_of_a_word_stay_outside(word: str, expected: str) -> None:
    assert bold(word) == expected


def test_of_a_long_text_what_stands_around_the_marks_is_shown() -> None:
    text = "word " * 200 + "bad" + " word" * 200
    said = marked(text, [Mark(1000, 1003, "9")])
    assert said.startswith("…") and said.endswith("…") and "**bad** (9)" in said
    assert 2 * REACH < len(said) < 2 * REACH + 30


def test_marks_that_are_near_each_other_share_their_surroundings() -> None:
    text = "x" * 1000
    said = marked(text, [Mark(300, 303), Mark(320, 323), Mark(900, 903)])
    assert said.count("…") == 4 and said.count("**") == 6 and len(said.split()) == 2


def test_of_a_long_text_without_marks_the_beginning_is_shown() -> None:
    assert marked("x" * 1000, []) == "x" * LONGEST + "…"


@given(st.text(alphabet="ab|*_`<\n 好！&$", max_size=60), st.data())
def test_without_its_markup_a_marked_text_is_the_text(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    said = marked(text, [Mark(start, end)] if text[start:end].strip() else [])
    assert "\n" not in said and not re.search(r"(?<!\\)\|", said)
    bare = re.sub(r"\\(.)", lambda found: chr(0xE000 + ord(found[1])), said)
    bare = bare.replace("**", "").replace("<b>", "").replace("</b>", "")
    bare = "".join(chr(ord(c) - 0xE000) if 0xE000 <= ord(c) < 0xF000 else c for c in bare)
    assert "".join(bare.split()) == "".join(text.split())
