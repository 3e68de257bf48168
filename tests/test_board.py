"""What the learner sees of the course: it fits, also with sixty exercises, and points to what comes next."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from courses import RIGHT, WRONG, small_course
from test_say import EXERCISE

from minibert.learn import board
from minibert.learn.exercises import Exercise, find_exercise
from minibert.learn.folder import BEGUN, CHANGED, MISSING, NEW, PASSED, Folder, Standing
from minibert.learn.ink import Ink
from minibert.learn.progress import Entry
from minibert.learn.stubs import solution
from minibert.learn.trial import Verdict

INK = Ink()

LONG = 60


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Folder]:
    monkeypatch.chdir(tmp_path)
    with small_course(tmp_path / "course", monkeypatch):
        made = Folder(Path("exercises"))
        made.start()
        yield made


def write(folder: Folder, name: str, text: str) -> Exercise:
    exercise = find_exercise(name)
    folder.file(exercise).write_text(text)
    return exercise


def large_course(state: str) -> Standing:
    """Return fifteen chapters with one to eight exercises, sixty-four in all."""
    chapters = [f"{number:02}_a_chapter_{number}" for number in range(1, 16)]
    some = [
        replace(EXERCISE, id=f"exercise_{number}_{each}_with_a_name", chapter=chapter, title="A title " * 9)
        for number, chapter in enumerate(chapters)
        for each in range(number % 8 + 1)
    ]
    return Standing(dict.fromkeys(some, state), {})


@pytest.mark.parametrize("state", [PASSED, CHANGED, BEGUN, NEW, MISSING])
def test_the_board_fits_the_terminal(state: str) -> None:
    standing = large_course(state)
    assert len(standing.states) >= LONG
    whole = board.board(standing, INK).splitlines()
    assert len(whole) == (17 if state == PASSED else 20)
    part = [line for each in standing.chapters() for line in board.board_of(each, standing, INK).splitlines()]
    assert max(map(len, whole + part)) <= 80


def test_the_board_counts_what_passed_what_changed_and_the_time_that_is_left() -> None:
    states = dict(large_course(NEW).states)
    first, second, third, *_ = states
    standing = Standing(states | {first: PASSED, second: PASSED, third: CHANGED}, {})
    lines = board.board(standing, INK).splitlines()
    left = 15 * (len(states) - 3)
    assert (
        lines[0]
        == f"  2 of {len(states)} passed, 1 changed since it passed · about {round(left / 60)} hours to go"
    )
    assert lines[2].split() == ["01_a_chapter_1", "███", "1", "of", "1", "✓"]
    assert lines[3].split() == ["02_a_chapter_2", "███▒▒▒", "1", "of", "2", "1", "changed"]


def test_a_full_board_is_full() -> None:
    text = board.board(large_course(PASSED), INK)
    assert "░" not in text and "to go" not in text and text.count("✓") == 15


def test_a_chapter_shows_a_sign_for_each_state_and_what_it_means(folder: Folder) -> None:
    folder.check(write(folder, "soft_forward", "right"))
    write(folder, "soft_backward", "a try")
    standing = folder.standing()
    lines = board.board_of("04_attention", standing, INK).splitlines()
    assert lines[0] == "  04_attention  1 of 2 passed"
    assert lines[2] == "  ✓ soft_forward   ●●○○○  10 min  A softmax"
    assert lines[3] == "  ◐ soft_backward  ●●●○○  15 min  The gradient of a softmax"
    assert lines[-1] == "  ✓ passed   ◐ begun"


@pytest.mark.parametrize("word", ["04_attention", "4", "04", "attention", "atten"])
def test_a_chapter_is_found_by_name_number_or_part(word: str, folder: Folder) -> None:
    assert board.find_chapter(word, folder.standing()) == "04_attention"


@pytest.mark.parametrize(("word", "said"), [("5", "no chapter"), ("moon", "no chapter"), ("0", "several")])
def test_an_unknown_chapter_gets_the_list(word: str, said: str, folder: Folder) -> None:
    if word == "0":
        word = "_"
    with pytest.raises(ValueError, match=f"{said}.*04_attention, 08_loss"):
        board.find_chapter(word, folder.standing())


def test_an_introduction_has_all_that_one_needs_to_begin(folder: Folder) -> None:
    text = board.introduce(find_exercise("soft_backward"), folder, folder.standing(), INK, " --folder x")
    assert text.splitlines() == [
        "  The gradient of a softmax  ●●●○○  about 15 minutes",
        "",
        "  Write the gradient.",
        "",
        "  open   exercises/04_attention/soft_backward.py",
        '  read   "Back" in chapter 04_attention',
        "  needs  soft_forward (better done before, but you may skip)",
        "  check  minibert learn check soft_backward --folder x",
    ]
    folder.check(write(folder, "soft_forward", "right"))
    text = board.introduce(find_exercise("soft_backward"), folder, folder.standing(), INK)
    assert "needs" not in text


def test_a_right_function_is_followed_by_the_next_exercise(folder: Folder) -> None:
    verdict, text = board.checked(folder, write(folder, "soft_forward", "right"), INK)
    assert verdict == RIGHT
    assert text.splitlines() == [
        "✓ soft_forward: all 9 checks pass  0.2 s",
        "  The first one is done: well begun.",
        "",
        "  diff   minibert learn diff soft_forward",
        "  next   The gradient of a softmax ●●●○○ 15 min",
        "  open   exercises/04_attention/soft_backward.py",
    ]
    _, again = board.checked(folder, find_exercise("soft_forward"), INK)
    assert "well begun" not in again


def test_a_wrong_function_is_followed_by_what_helps(folder: Folder) -> None:
    exercise = write(folder, "soft_forward", "a try")
    verdict, text = board.checked(folder, exercise, INK, " --folder x")
    assert verdict == WRONG
    assert text.splitlines()[-3:] == [
        '  read   "Masks" in chapter 04_attention',
        "  again  minibert learn check soft_forward --folder x",
        "  hint   minibert learn hint soft_forward --folder x   (3 left)",
    ]
    for _ in range(3):
        folder.next_hint(exercise)
    _, text = board.checked(folder, exercise, INK)
    assert text.splitlines()[-1] == "  spoil  minibert learn diff soft_forward --spoil"


def test_a_stub_is_followed_by_the_line_to_write_at(folder: Folder) -> None:
    _, text = board.checked(folder, find_exercise("soft_forward"), INK)
    assert "○ soft_forward is not written yet\n\n  Write the softmax." in text
    assert "  open   exercises/04_attention/soft_forward.py:30" in text


def test_where_there_are_keys_no_commands_are_named(folder: Folder) -> None:
    for text in ("right", "a try"):
        _, told = board.checked(folder, write(folder, "soft_forward", text), INK, keys=True)
        assert "minibert learn" not in told


def test_the_last_one_leads_to_all_at_once(folder: Folder) -> None:
    text = ""
    for name in ("soft_forward", "soft_backward", "mean_square", "judge_square"):
        _, text = board.checked(folder, write(folder, name, "right"), INK)
    assert "That was the last one: 4 of 4." in text and "minibert learn check --mine-all" in text


@pytest.mark.parametrize(
    ("passed", "tries", "said"),
    [
        (5, 1, "At the first try. 5 of 64."),
        (5, 3, "Well done. 5 of 64."),
        (5, 7, "You did not give up: 7 tries, and it is right. 5 of 64."),
        (32, 2, "Half of the course is behind you: 32 of 64."),
    ],
)
def test_a_word_of_praise_is_about_what_was_done(passed: int, tries: int, said: str) -> None:
    states = dict(large_course(NEW).states)
    order = [*states][::-1]  # so that no chapter is complete where the last one is not
    states |= dict.fromkeys(order[:passed], PASSED)
    exercise = next(
        each
        for each in order[:passed]
        if any(states[other] == NEW for other in states if other.chapter == each.chapter)
    )
    assert board.cheer(exercise, Standing(states, {exercise.id: Entry(tries=tries)})) == said


def test_a_complete_chapter_is_praised() -> None:
    states = dict(large_course(NEW).states)
    first, *_ = states
    assert (
        board.cheer(first, Standing(states | {first: PASSED}, {}))
        == "That completes 01_a_chapter_1. 1 of 64 in all."
    )


def test_hints_are_shown_one_by_one_and_at_the_end_together(folder: Folder) -> None:
    exercise = find_exercise("soft_forward")
    first = board.hint(folder, exercise, INK)
    assert first.splitlines() == [
        "  soft_forward: hint 1 of 3",
        "",
        "  Think of exp.",
        "",
        "  more   minibert learn hint soft_forward",
    ]
    assert "exp(x) / sum exp(x)" in board.hint(folder, exercise, INK)
    assert "--spoil" in board.hint(folder, exercise, INK)
    together = board.hint(folder, exercise, INK)
    assert all(f"hint {number} of 3" in together for number in (1, 2, 3))


def test_a_diff_shows_only_what_is_different_and_not_the_head(folder: Folder) -> None:
    exercise = find_exercise("mean_square")
    text = board.differences(folder, exercise, Ink(colour=True))
    assert "\x1b[31m-    raise NotImplementedError\x1b[0m" in text
    assert "\x1b[32m+" in text and "Write the loss" not in text
    write(folder, "mean_square", "# other words at the head\n" + solution(exercise))
    assert (
        board.differences(folder, exercise, INK)
        == "  mean_square: yours is the library's own, line for line."
    )


@pytest.mark.parametrize(
    ("verdict", "line"),
    [
        (RIGHT, "  ✓ soft_backward"),
        (WRONG, "  ✗ soft_backward   a case by hand"),
        (Verdict("broken", message="one\ntwo"), "  ✗ soft_backward   one"),
        (Verdict("wrong", check="c", mistake="no root"), "  ✗ soft_backward   no root"),
    ],
)
def test_a_verdict_in_a_line(verdict: Verdict, line: str) -> None:
    assert board.in_a_line(EXERCISE, verdict, 14, INK) == line
    long = Verdict("wrong", check="word " * 40)
    assert len(board.in_a_line(EXERCISE, long, 14, INK)) == 80


def test_what_is_being_done_is_shown_only_in_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with board.waiting("checking x", INK):
        pass
    assert capsys.readouterr().out == ""
    with board.waiting("checking x", Ink(terminal=True)):
        assert capsys.readouterr().out == "  checking x …\r"
    assert capsys.readouterr().out == "\x1b[2K\r"
