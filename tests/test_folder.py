"""The learner's folder: nothing in it is ever lost, and what has passed is known by what it was."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from courses import small_course

from minibert.learn import progress
from minibert.learn.exercises import Exercise, find_exercise
from minibert.learn.folder import (
    BEGUN,
    CHANGED,
    MISSING,
    NEW,
    PASSED,
    Folder,
    FolderError,
    find_folder,
    find_in,
    folder_to_start,
    shown,
)


@pytest.fixture
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Exercise, ...]]:
    monkeypatch.chdir(tmp_path)
    with small_course(tmp_path / "course", monkeypatch) as found:
        yield found


@pytest.fixture
def folder(course: tuple[Exercise, ...]) -> Folder:
    made = Folder(Path("exercises"))
    made.start()
    return made


def write(folder: Folder, name: str, text: str, time: int = 0) -> Exercise:
    """Write an exercise's file, at a time."""
    exercise = find_exercise(name)
    folder.file(exercise).write_text(text)
    if time:
        os.utime(folder.file(exercise), (time, time))
    return exercise


def state(folder: Folder, name: str) -> str:
    return folder.standing().states[find_exercise(name)]


# Beginning.


def test_start_writes_a_stub_for_each_exercise(folder: Folder, course: tuple[Exercise, ...]) -> None:
    assert [folder.file(exercise).is_file() for exercise in course] == [True] * 4
    assert "raise NotImplementedError" in folder.file(course[0]).read_text()
    assert set(folder.standing().states.values()) == {NEW}


def test_start_again_adds_what_is_new_and_touches_nothing_else(
    folder: Folder, course: tuple[Exercise, ...]
) -> None:
    first, second, *_ = course
    folder.file(first).unlink()
    write(folder, second.id, "mine")
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.path.rglob("*.py")}
    folder.next_hint(second)
    assert folder.start() == [first]
    assert folder.start() == []
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in before} == before
    assert folder.standing().entry(second).hints == 1


def test_start_leaves_a_link_that_leads_nowhere_alone(folder: Folder, course: tuple[Exercise, ...]) -> None:
    path = folder.file(course[0])
    path.unlink()
    path.symlink_to("nowhere")
    assert folder.start() == []
    assert path.is_symlink()


# What has become of a file.


def test_a_file_goes_from_new_to_begun_to_passed_to_changed_and_back(folder: Folder) -> None:
    exercise = write(folder, "soft_forward", "a try")
    assert state(folder, "soft_forward") == BEGUN
    assert folder.check(exercise).status == "wrong"
    assert state(folder, "soft_forward") == BEGUN
    write(folder, "soft_forward", "right")
    assert folder.check(exercise).status == "passed"
    assert state(folder, "soft_forward") == PASSED
    write(folder, "soft_forward", "right, and more")
    assert state(folder, "soft_forward") == CHANGED
    write(folder, "soft_forward", "right")
    assert state(folder, "soft_forward") == PASSED
    folder.file(exercise).unlink()
    assert state(folder, "soft_forward") == MISSING


def test_a_changed_file_that_fails_has_still_passed_once(folder: Folder) -> None:
    exercise = write(folder, "soft_forward", "right")
    folder.check(exercise)
    write(folder, "soft_forward", "spoilt")
    folder.check(exercise)
    assert state(folder, "soft_forward") == CHANGED
    write(folder, "soft_forward", "right")
    assert state(folder, "soft_forward") == PASSED


def test_a_file_that_no_longer_passes_is_known_until_it_does(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    exercise = write(folder, "soft_forward", "right")
    verdict = folder.check(exercise)
    wrong = folder.check(write(folder, "soft_backward", "a try"))
    write(folder, "soft_forward", "right")
    monkeypatch.setattr("minibert.learn.folder.examine", lambda *arguments: wrong)
    folder.check(exercise)
    assert state(folder, "soft_forward") == CHANGED
    monkeypatch.setattr("minibert.learn.folder.examine", lambda *arguments: verdict)
    folder.check(exercise)
    assert state(folder, "soft_forward") == PASSED


def test_a_check_that_was_too_slow_takes_nothing_back(folder: Folder) -> None:
    exercise = write(folder, "soft_forward", "right")
    verdict = folder.check(exercise)
    slow = folder.check(write(folder, "soft_backward", "slow"))
    assert (verdict.status, slow.status) == ("passed", "slow")
    folder.remember(exercise, progress.digest(b"right"), slow)
    assert state(folder, "soft_forward") == PASSED


def test_a_file_that_is_saved_during_the_check_is_checked_again(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    exercise = write(folder, "soft_forward", "right")
    verdict = folder.check(exercise)
    texts = []

    def examine(exercise: Exercise, path: Path, twin: bool) -> object:
        texts.append(path.read_text())
        if len(texts) == 1:
            path.write_text("a later version")
        return verdict

    write(folder, "soft_forward", "an early version")
    monkeypatch.setattr("minibert.learn.folder.examine", examine)
    folder.check(exercise)
    assert texts == ["an early version", "a later version"]
    assert folder.standing().entry(exercise).passed == progress.digest(b"a later version")


def test_a_lost_progress_file_costs_only_a_check_of_all(folder: Folder, course: tuple[Exercise, ...]) -> None:
    exercise = write(folder, "soft_forward", "right")
    folder.check(exercise)
    (folder.path / progress.FILE).unlink()
    assert find_folder().path.resolve() == folder.path.resolve()
    assert [folder.standing().states[each] for each in course] == [BEGUN, NEW, NEW, NEW]
    folder.check(exercise)
    assert state(folder, "soft_forward") == PASSED


def test_a_verdict_is_told_also_where_it_cannot_be_remembered(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(path: Path, content: str) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(progress, "replace_file", full)
    assert folder.check(write(folder, "soft_forward", "right")).status == "passed"
    assert "could not be remembered" in caplog.text and "No space left" in caplog.text


def test_tries_are_counted_up_to_the_first_that_passes(folder: Folder) -> None:
    exercise = find_exercise("soft_forward")
    folder.check(exercise)
    assert folder.standing().entry(exercise).tries == 0  # it was not written
    for text in ("a try", "another", "right", "spoilt"):
        folder.check(write(folder, "soft_forward", text))
    assert folder.standing().entry(exercise).tries == 3


def test_a_file_that_is_not_there_is_said_to_be(folder: Folder) -> None:
    exercise = find_exercise("soft_forward")
    folder.file(exercise).unlink()
    with pytest.raises(FolderError, match="soft_forward.py is not there.*minibert learn start"):
        folder.check(exercise)


# What comes next.


def test_next_goes_on_after_the_one_that_passed_last_and_comes_back(
    folder: Folder, course: tuple[Exercise, ...]
) -> None:
    order = []
    for name in ("mean_square", "judge_square", "soft_forward", "soft_backward"):
        folder.check(write(folder, name, "right"))
        following = folder.standing().next()
        order.append(following.id if following else "")
    assert order == ["judge_square", "soft_forward", "soft_backward", ""]


def test_next_is_the_first_in_the_beginning_and_at_the_end_what_was_changed(folder: Folder) -> None:
    names = ["soft_forward", "soft_backward", "mean_square", "judge_square"]
    for name in names:
        following = folder.standing().next()
        assert following is not None and following.id == name
        folder.check(write(folder, name, "right"))
    assert folder.standing().next() is None
    changed = write(folder, "mean_square", "right, and more")
    assert folder.standing().next() == changed


def test_the_latest_is_the_file_that_was_written_to_last(folder: Folder) -> None:
    assert folder.latest(folder.standing()) is None
    write(folder, "mean_square", "later", time=2000)
    write(folder, "soft_forward", "earlier", time=1000)
    latest = folder.latest(folder.standing())
    assert latest is not None and latest.id == "mean_square"


def test_the_learner_is_at_the_latest_until_it_passes(folder: Folder) -> None:
    def at() -> str:
        found = folder.to_write(folder.standing())
        return found.id if found else ""

    assert at() == "soft_forward"
    exercise = write(folder, "mean_square", "a try")
    assert at() == "mean_square"
    write(folder, "mean_square", "right")
    folder.check(exercise)
    assert at() == "judge_square"


# Hints.


def test_hints_come_one_by_one_and_are_remembered(folder: Folder) -> None:
    exercise = find_exercise("soft_forward")
    assert [folder.next_hint(exercise) for _ in range(5)] == [1, 2, 3, 4, 4]
    assert folder.standing().entry(exercise).hints == 3


# Beginning anew.


def test_reset_keeps_what_was_written_under_a_name_of_its_own(folder: Folder) -> None:
    exercise = find_exercise("soft_forward")
    fresh = folder.file(exercise).read_text()
    assert folder.reset(exercise) is None
    for number, text in enumerate(["one", "two"], 1):
        write(folder, "soft_forward", text)
        kept = folder.reset(exercise)
        assert kept is not None and kept.name == f"soft_forward.{number}.py.bak"
        assert kept.read_text() == text
    assert folder.file(exercise).read_text() == fresh
    assert (folder.file(exercise).parent / "soft_forward.1.py.bak").read_text() == "one"


def test_reset_begins_anew_and_the_kept_file_still_counts_when_it_is_put_back(folder: Folder) -> None:
    exercise = write(folder, "soft_forward", "right")
    folder.check(exercise)
    folder.next_hint(exercise)
    kept = folder.reset(exercise)
    assert state(folder, "soft_forward") == NEW
    assert folder.standing().entry(exercise).hints == 0
    assert kept is not None
    kept.replace(folder.file(exercise))
    assert state(folder, "soft_forward") == PASSED


def test_reset_writes_a_file_that_was_deleted(folder: Folder) -> None:
    exercise = find_exercise("soft_forward")
    folder.file(exercise).unlink()
    assert folder.reset(exercise) is None
    assert state(folder, "soft_forward") == NEW


# Where the folder is.


def test_the_folder_is_found_from_inside_and_from_beside(folder: Folder) -> None:
    here = Path.cwd()
    for place in (here, here / "exercises", here / "exercises" / "04_attention"):
        assert find_folder(None, place).path.resolve() == here / "exercises"


def test_a_folder_of_another_name_is_found_beside_too(course: tuple[Exercise, ...]) -> None:
    Folder(Path("mine")).start()
    assert find_folder().path.name == "mine"
    Folder(Path("yours")).start()
    with pytest.raises(FolderError, match="mine, yours. Say which with --folder"):
        find_folder()
    assert find_folder(Path("yours")).path == Path("yours")
    Folder(Path("exercises")).start()
    assert find_folder().path.name == "exercises"


def test_without_a_folder_start_is_named(course: tuple[Exercise, ...]) -> None:
    with pytest.raises(FolderError, match="minibert learn start$"):
        find_folder()
    with pytest.raises(FolderError, match="minibert learn start elsewhere"):
        find_folder(Path("elsewhere"))


def test_start_takes_the_folder_that_is_there(folder: Folder) -> None:
    inside = (folder.path / "04_attention").resolve()
    assert folder_to_start(None, inside).path == folder.path.resolve()
    assert folder_to_start(Path("other"), inside).path == Path("other")


def test_a_file_names_its_exercise_and_its_folder(folder: Folder, tmp_path: Path) -> None:
    path = folder.path / "08_loss" / "mean_square.py"
    found, exercise = find_in(str(path), None)
    assert exercise.id == "mean_square" and found.file(exercise).resolve() == path.resolve()
    other = Path("mean_square.py")
    other.touch()
    with pytest.raises(FolderError, match="not the file of an exercise"):
        find_in(str(other), None)


def test_a_wrong_id_gets_a_suggestion(folder: Folder) -> None:
    with pytest.raises(ValueError, match="did you mean soft_forward?"):
        find_in("sotf_forward", None)


def test_a_path_is_shown_as_it_is_typed(folder: Folder) -> None:
    assert shown(Path.cwd() / "exercises" / "a.py") == "exercises/a.py"
    assert shown(Path("/elsewhere/a.py")) == "/elsewhere/a.py"
