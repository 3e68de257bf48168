"""Watching: every file that is saved is checked, however the editor saves, until q or Ctrl-C."""

import os
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from courses import small_course
from terminals import ROOT, Terminal

from minibert.learn.audit import with_mistake
from minibert.learn.examine import examine
from minibert.learn.exercises import Exercise, exercises, find_exercise
from minibert.learn.folder import Folder
from minibert.learn.stubs import solution
from minibert.learn.watch import Keyboard, Saves, Watch


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Folder]:
    monkeypatch.chdir(tmp_path)
    with small_course(tmp_path / "course", monkeypatch):
        made = Folder(Path("exercises"))
        made.start()
        yield made


# Which files were saved.


def polled(saves: Saves) -> list[str]:
    """Return the ids of what has come to rest after two looks."""
    return [exercise.id for exercise in (*saves.poll(), *saves.poll())]


def test_a_file_that_is_written_is_seen_once(folder: Folder) -> None:
    saves = Saves(folder)
    assert polled(saves) == []
    folder.file(find_exercise("soft_forward")).write_text("one")
    assert polled(saves) == ["soft_forward"]
    assert polled(saves) == []


def test_a_file_that_is_replaced_by_another_is_seen_once(folder: Folder) -> None:
    saves = Saves(folder)
    path = folder.file(find_exercise("soft_forward"))
    path.rename(path.with_suffix(".py~"))
    assert polled(saves) == []
    path.with_suffix(".new").write_text("two")
    path.with_suffix(".new").rename(path)
    assert polled(saves) == ["soft_forward"]
    assert polled(saves) == []


def test_a_replaced_file_with_the_old_time_and_size_is_seen(folder: Folder) -> None:
    path = folder.file(find_exercise("soft_forward"))
    saves = Saves(folder)
    state = path.stat()
    other = path.with_suffix(".new")
    other.write_bytes(bytes(reversed(path.read_bytes())))
    os.utime(other, ns=(state.st_atime_ns, state.st_mtime_ns))
    other.rename(path)
    assert polled(saves) == ["soft_forward"]


def test_a_file_is_seen_only_when_it_has_come_to_rest(folder: Folder) -> None:
    saves = Saves(folder)
    path = folder.file(find_exercise("soft_forward"))
    for number in range(3):
        path.write_text("x" * number)
        assert saves.poll() == []
    assert [exercise.id for exercise in saves.poll()] == ["soft_forward"]


def test_several_files_are_seen_in_the_order_of_their_saves(folder: Folder) -> None:
    saves = Saves(folder)
    for when, name in ((2000, "soft_forward"), (1000, "mean_square")):
        folder.file(find_exercise(name)).write_text("x")
        os.utime(folder.file(find_exercise(name)), (when, when))
    assert polled(saves) == ["mean_square", "soft_forward"]


def test_other_files_of_the_folder_are_nobody_s_business(folder: Folder) -> None:
    saves = Saves(folder)
    (folder.path / "04_attention" / "notes.py").write_text("x")
    folder.next_hint(find_exercise("soft_forward"))
    assert polled(saves) == []


# What is done.


@pytest.fixture
def watch(folder: Folder) -> Watch:
    made = Watch(folder)
    made.keys = True
    return made


def test_a_saved_file_is_checked_and_keys_are_about_it(
    watch: Watch, folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    watch.current = find_exercise("mean_square")
    folder.file(watch.current).write_text("a try")
    watch.check()
    assert "✗ mean_square: a case by hand" in capsys.readouterr().out
    watch.hint()
    assert "mean_square: hint 1 of 3" in capsys.readouterr().out
    watch.diff()
    assert "is shown when yours has passed" in capsys.readouterr().out
    folder.file(watch.current).write_text("right")
    watch.check()
    watch.diff()
    assert "+++ the library's" in capsys.readouterr().out
    watch.next()
    out = capsys.readouterr().out
    assert "Test a mean square" in out and watch.current.id == "judge_square"
    watch.board()
    assert "1 of 4 passed" in capsys.readouterr().out


def test_a_file_that_is_gone_or_no_text_is_said_to_be(
    watch: Watch, folder: Folder, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.file(watch.current).unlink()
    watch.check()
    assert "is not there" in capsys.readouterr().out
    folder.file(watch.current).write_bytes(b"\xff")
    monkeypatch.setattr("minibert.learn.folder.examine", examine)
    watch.check()
    assert "not a text in UTF-8" in capsys.readouterr().out


def test_at_the_end_next_shows_the_board(
    watch: Watch, folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    for exercise in exercises():
        folder.file(exercise).write_text("right")
        folder.check(exercise)
    watch.next()
    assert "4 of 4 passed" in capsys.readouterr().out


def test_without_a_terminal_there_are_no_keys() -> None:
    with Keyboard() as keyboard:
        assert not keyboard.there
        begin = time.monotonic()
        assert keyboard.wait(0.05) == ""
        assert time.monotonic() - begin >= 0.05


# In a real terminal, with the real course.


@pytest.fixture(scope="module")
def simple() -> Exercise:
    """An exercise by hand that has a mistake with a name."""
    return next(each for each in exercises() if not each.needs_torch and not each.random and each.mistakes())


@pytest.fixture
def real(tmp_path: Path) -> Folder:
    made = Folder(tmp_path / "exercises")
    made.start()
    return made


def replace_by(path: Path, text: str) -> None:
    """Save as many editors do: write another file, and give it the name."""
    path.with_suffix(".tmp").write_text(text)
    path.with_suffix(".tmp").replace(path)


def test_a_learner_watches_errs_asks_for_hints_and_passes(real: Folder, simple: Exercise) -> None:
    with Terminal("learn", "watch", cwd=real.path) as terminal:
        terminal.wait_for("q quit")
        mistake = simple.mistakes()[0]
        replace_by(real.file(simple), with_mistake(simple, mistake))
        screen = terminal.wait_for("q quit\n") if f"✗ {simple.id}" in terminal.wait_for("✗ ") else ""
        assert " ".join(mistake.name.split()[:3]) in screen
        assert len(screen.splitlines()) <= 24
        terminal.press("h")
        terminal.wait_for("hint 1 of 3")
        real.file(simple).write_text(solution(simple))
        assert f"✓ {simple.id}" in terminal.wait_for("  open ")
        terminal.press("d")
        terminal.wait_for("line for line")
        terminal.press("b")
        terminal.wait_for("1 of ")
        terminal.press("n")
        terminal.wait_for("  check  minibert learn check")
        terminal.press("q")
        assert terminal.end() == 0


def test_ctrl_c_ends_it_at_once_also_in_an_endless_loop_and_the_terminal_is_as_before(
    real: Folder, simple: Exercise
) -> None:
    with Terminal("learn", "watch", cwd=real.path.parent) as terminal:
        before = termios.tcgetattr(terminal.handle)
        terminal.wait_for("q quit")
        assert termios.tcgetattr(terminal.handle)[3] != before[3]
        real.file(simple).write_text(solution(simple) + "\nwhile True:\n    pass\n")
        terminal.wait_for(f"checking {simple.id}", raw=True)
        time.sleep(0.5)
        begin = time.monotonic()
        terminal.press("\x03")
        assert terminal.end() == 130
        assert time.monotonic() - begin < 3
        assert "minibert: stopped" in terminal.screen() and "Traceback" not in terminal.raw
        assert termios.tcgetattr(terminal.handle)[3] == before[3]
    assert real.standing().entry(simple).tries == 0


def test_without_a_terminal_it_watches_too(real: Folder, simple: Exercise) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "minibert", "learn", "watch"],
        cwd=real.path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    lines = iter(process.stdout.readline, "")
    assert any("Ctrl-C ends" in line for line in lines)
    real.file(simple).write_text(solution(simple))
    assert any(f"✓ {simple.id}" in line for line in lines)
    process.send_signal(signal.SIGINT)
    rest, error = process.communicate(timeout=20)
    assert process.returncode == 130
    assert error == "minibert: stopped\n" and "\x1b" not in rest
