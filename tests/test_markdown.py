"""Numbers read well, and no text turns into markup."""

import math

from minibert.report.markdown import amount, count, duration, escape, fenced, indented, nats, percent, table


def test_durations_and_numbers_read_well() -> None:
    assert [duration(s) for s in (2.41, 59.7, 270.4, 3661, None, math.nan)] == [
        "2.4 s",
        "1 min 0 s",
        "4 min 30 s",
        "1 h 1 min",
        "an unrecorded time",
        "an unrecorded time",
    ]
    assert [count(1234567), count(12.0), count(True)] == ["1,234,567", "12", "—"]
    assert [percent(0.28151), percent(None), percent(math.nan)] == ["28.2 %", "—", "not a number"]
    assert [nats(4.61234), nats(math.inf), nats("4")] == ["4.612", "infinite", "—"]


def test_markup_in_a_text_is_escaped_and_lines_are_joined() -> None:
    assert escape("a|b\nc `d` <e> [f]") == r"a\|b c \`d\` \<e\> \[f\]"
    assert escape("plain words, 1.5 - 2!") == "plain words, 1.5 - 2!"


def test_a_table_has_a_header_a_rule_and_its_rows() -> None:
    assert table(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"


def test_one_of_a_unit_is_said_in_the_singular() -> None:
    assert [amount(n, "documents") for n in (1, 2345, 0, None)] == [
        "1 document",
        "2,345 documents",
        "0 documents",
        "— documents",
    ]


def test_a_fenced_text_is_as_it_was_whatever_fences_are_in_it() -> None:
    assert fenced("a\n\n# b ``c``") == "```text\na\n\n# b ``c``\n```"
    assert fenced("```\n````") == "`````text\n```\n````\n`````" and fenced("") == "```text\n\n```"


def test_every_line_of_code_is_indented_the_empty_ones_too() -> None:
    assert indented("a\n\n b") == "    a\n    \n     b"
