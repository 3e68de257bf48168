"""A verdict in words: it fits, and says what failed, with what, which mistake it is, and how far it came."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from minibert.learn.exercises import Exercise
from minibert.learn.ink import Ink
from minibert.learn.say import read_again, say
from minibert.learn.trial import Verdict

EXERCISE = Exercise(
    id="soft_backward",
    function="minibert.byhand.attention:softmax_backward",
    title="The gradient of a softmax",
    chapter="04_attention",
    section="Back through the softmax",
    minutes=15,
    difficulty=3,
    task="Write the gradient of\nthe softmax.",
    hints=("a", "b", "c"),
)

JUDGE = replace(EXERCISE, id="judge_softmax", of="minibert.byhand.attention:softmax_forward")

CALL = """\
softmax_backward(
    dweights = [[12.  0. 12.]
                [ 0. 12. 12.]
                [ 0.  0.  0.]]
    cache = [[0.25   0.5    0.25  ]
             [0.5    0.25   0.25  ]
             [0.3333 0.3333 0.3333]]
)
expected  [[ 1.5 -3.   1.5]
           [-3.   1.5  1.5]
           [ 0.   0.   0. ]]
got       [[2.25 0.   2.25]
           [0.   2.25 2.25]
           [0.   0.   0.  ]]
6 of 9 entries differ, first at [0, 0]: expected 1.5, got 2.25"""

WRONG = Verdict(
    "wrong",
    check="rows sum to zero",
    promise="Each row of the gradient sums to zero.",
    message="dscores: right shape, but wrong values in 6 of 9 entries, first at [0, 0]: expected 1.5, got 2",
    mistake="each weight by itself, as if it were a sigmoid",
    call=CALL,
    passed_checks=4,
    total_checks=9,
)

BROKEN = Verdict(
    "broken",
    message="NameError: name 'x' is not defined",
    place="soft_backward.py:37",
    line="weights = e / x.sum()",
    call="softmax_backward(dweights=float64 of shape (2, 3))\nexpected  1\ngot       NameError: name 'x'",
    total_checks=9,
)

VERDICTS = [
    (EXERCISE, WRONG),
    (EXERCISE, replace(WRONG, printed="x" * 200 + "\n" * 50, message=WRONG.message * 3)),
    (EXERCISE, replace(WRONG, mistake=", or: ".join([WRONG.mistake] * 9))),
    (EXERCISE, BROKEN),
    (
        EXERCISE,
        replace(
            BROKEN,
            message="a long message " * 20,
            line="a long line " * 10,
            call=CALL,
            mistake="a long name " * 12,
            printed="a line\n" * 9,
        ),
    ),
    (EXERCISE, Verdict("unwritten", place="soft_backward.py:30", line="raise NotImplementedError")),
    (
        EXERCISE,
        Verdict("slow", message="it had not finished after 10 seconds", place="a.py:3", line="while 1:"),
    ),
    (EXERCISE, Verdict("passed", passed_checks=9, total_checks=9, seconds=0.5)),
    (JUDGE, Verdict("passed", killed=6, total_mutants=6, passed_checks=1, total_checks=1)),
    (JUDGE, Verdict("wrong", message="it lets this pass: a mistake", killed=4, total_mutants=6, mistake="m")),
    (
        JUDGE,
        Verdict("wrong", message="it objects to the library's own function", place="a.py:3", line="assert 0"),
    ),
]


def flat(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize(("exercise", "verdict"), VERDICTS)
@pytest.mark.parametrize("width", [80, 50])
def test_no_line_is_wider_than_the_terminal(exercise: Exercise, verdict: Verdict, width: int) -> None:
    text = say(exercise, verdict, Ink(width=width))
    assert max(map(len, text.splitlines())) <= width
    assert not any(line != line.rstrip() for line in text.splitlines())


@pytest.mark.parametrize(("exercise", "verdict"), VERDICTS)
def test_it_says_the_same_in_colour_and_in_ascii(exercise: Exercise, verdict: Verdict) -> None:
    plain = say(exercise, verdict)
    colours = say(exercise, verdict, Ink(colour=True))
    assert "\x1b[" in colours
    assert re.sub(r"\x1b\[[\d;]*m", "", colours) == plain
    assert say(exercise, verdict, Ink(ascii=True)).isascii()


@pytest.mark.parametrize(("exercise", "verdict"), VERDICTS)
def test_a_verdict_fits_24_lines_with_room_for_what_comes_below(exercise: Exercise, verdict: Verdict) -> None:
    assert len(say(exercise, verdict, Ink(height=24), around=7).splitlines()) <= 17


def test_a_wrong_function_hears_everything() -> None:
    text = say(EXERCISE, WRONG)
    for words in (
        "✗ soft_backward: rows sum to zero",
        "Each row of the gradient sums to zero.",
        "dscores: right shape, but wrong values in 6 of 9 entries, first at [0, 0]",
        "dweights = [[12. 0. 12.]",
        "These are exactly the numbers of this mistake: │ each weight by itself, as if it were a sigmoid",
        "4 of 9 checks passed",
    ):
        assert words in flat(text)


def test_expected_and_got_stand_side_by_side() -> None:
    lines = say(EXERCISE, WRONG).splitlines()
    begin = next(number for number, line in enumerate(lines) if line.split() == ["expected", "got"])
    assert lines[begin + 1].split() == ["[[", "1.5", "-3.", "1.5]", "[[2.25", "0.", "2.25]"]
    assert lines[begin + 3].split() == ["[", "0.", "0.", "0.", "]]", "[0.", "0.", "0.", "]]"]


def test_expected_and_got_stand_below_each_other_where_there_is_no_room() -> None:
    text = say(EXERCISE, WRONG, Ink(width=40))
    assert "  expected  [[ 1.5 -3.   1.5]" in text and "  got       [[2.25" in text


def test_the_arrays_of_a_check_are_not_shown_twice() -> None:
    arrays = """
expected [[ 1.5 -3.   1.5]
          [-3.   1.5  1.5]
          [ 0.   0.   0. ]]
got      [[2.25 0.   2.25]
          [0.   2.25 2.25]
          [0.   0.   0.  ]]"""
    assert say(EXERCISE, replace(WRONG, message=WRONG.message + arrays)) == say(EXERCISE, WRONG)
    other = replace(WRONG, message=WRONG.message + arrays.replace("2.25", "7.5"))
    assert "7.5" in say(EXERCISE, other)


def test_the_only_entry_of_an_array_is_not_shown_twice() -> None:
    call = "f(x=1)\nexpected  [9.85]\ngot       [9.8]\ndiffers at [0]: expected 9.85, got 9.8"
    assert say(EXERCISE, replace(WRONG, call=call)).count("9.85") == 1


def test_two_shapes_that_are_the_same_are_not_shown() -> None:
    answers = "expected  float64 of shape (9, 9)\ngot       float64 of shape (9, 9)\n"
    call = f"softmax_backward(x=1)\n{answers}9 of 81 entries differ, first at [1]: expected 1, got 2"
    text = say(EXERCISE, replace(WRONG, call=call))
    assert "float64" not in text and "9 of 81 entries" in text
    assert "got       float64 of shape (8, 9)" in say(
        EXERCISE,
        replace(WRONG, call=call.replace("t       float64 of shape (9", "t       float64 of shape (8")),
    )


def test_an_array_of_arrays_is_shown_without_gaps() -> None:
    call = CALL.replace(
        "                [ 0.  0.  0.]]\n", "                \n\n                [ 0.  0.  0.]]\n"
    )
    assert say(EXERCISE, replace(WRONG, call=call)) == say(EXERCISE, WRONG)


def test_long_arguments_give_way_and_answers_do_not() -> None:
    call = CALL.replace("                [ 0. 12. 12.]\n", "                [ 0. 12. 12.]\n" * 30)
    text = say(EXERCISE, replace(WRONG, call=call))
    assert "      …\n" in text and "[ 1.5 -3.   1.5]" in text and text.count("\n") < 30


def test_what_is_told_by_property_or_of_a_test_has_other_words() -> None:
    assert "just as a function with this mistake" in say(replace(EXERCISE, random=True), WRONG)
    judge = Verdict(
        "wrong", message="it lets this pass: m", killed=4, total_mutants=6, mistake="all are equal"
    )
    text = flat(say(JUDGE, judge))
    assert "your test killed 4 of 6" in text and "It lets this pass: m" in text
    assert "a test with this weakness: │ all are equal" in text


def test_a_mistake_without_a_name_is_not_named() -> None:
    assert "mistake" not in say(EXERCISE, replace(WRONG, mistake=""))


def test_an_exception_shows_the_line_and_no_traceback() -> None:
    text = say(EXERCISE, BROKEN)
    assert "NameError: name 'x' is not defined" in text
    assert "soft_backward.py:37  │ weights = e / x.sum()" in text
    assert "softmax_backward(dweights=float64 of shape (2, 3))" in text
    assert "Traceback" not in text and "expected" not in text


def test_what_was_printed_is_shown_shortened_and_without_its_colours() -> None:
    text = say(EXERCISE, replace(WRONG, printed="\x1b[2J\x1b[31mred\n" + "y\n" * 30))
    assert "It printed a lot. The beginning of it:\n  │ red\n  │ y\n" in text
    assert text.count("│ y") == 4
    assert "It printed:\n  │ one" in say(EXERCISE, replace(WRONG, printed="one\n"))


def test_passing_is_short() -> None:
    passed = Verdict("passed", passed_checks=9, total_checks=9, seconds=0.52)
    assert say(EXERCISE, passed) == "✓ soft_backward: all 9 checks pass  0.5 s"
    judge = Verdict("passed", killed=6, total_mutants=6, total_checks=1, seconds=1.0)
    assert flat(say(JUDGE, judge)).startswith("✓ judge_softmax: your test killed 6 of 6, and lets all pass")


def test_where_to_read_again() -> None:
    assert read_again(EXERCISE) == '"Back through the softmax" in chapter 04_attention'
    assert read_again(replace(EXERCISE, section="")) == "04_attention"


def test_every_status_of_a_verdict_has_words() -> None:
    source = Path(__file__).parent.parent / "minibert" / "learn" / "trial.py"
    for status in ("passed", "unwritten", "wrong", "broken", "slow"):
        assert f'"{status}"' in source.read_text(encoding="utf-8")
        assert say(EXERCISE, Verdict(status, message="m", total_checks=1))
