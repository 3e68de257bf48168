"""The learner's folder: a file for each exercise, what has become of it, and which one comes next."""

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from minibert.files import replace_file
from minibert.learn import progress
from minibert.learn.examine import examine
from minibert.learn.exercises import Exercise, exercises, find_exercise
from minibert.learn.progress import Entry, digest, free_name, update
from minibert.learn.stubs import stub
from minibert.learn.trial import Verdict

NAME = "exercises"
"""What the folder is called, if nobody says otherwise."""

PASSED, CHANGED, BEGUN, NEW, MISSING = "passed", "changed", "begun", "new", "missing"
"""What can have become of a file: it passed and is still the same; it passed and was changed since; something
is written in it; nothing is; it is not there."""


logger = logging.getLogger("minibert")


class FolderError(ValueError):
    """There is no folder, or no file, where one was looked for."""


@dataclass(frozen=True)
class Standing:
    """What has become of all exercises, in the order of the course."""

    states: Mapping[Exercise, str]
    entries: Mapping[str, Entry]

    def count(self, *states: str) -> int:
        """Return how many exercises are in one of these states."""
        return sum(state in states for state in self.states.values())

    def of_chapter(self, chapter: str) -> "Standing":
        """Return the part of one chapter."""
        states = {exercise: state for exercise, state in self.states.items() if exercise.chapter == chapter}
        return Standing(states, self.entries)

    def chapters(self) -> list[str]:
        """Return the chapters that have exercises, in order."""
        return list(dict.fromkeys(exercise.chapter for exercise in self.states))

    def minutes_left(self) -> int:
        """Return the minutes of all that has not passed."""
        return sum(each.minutes for each, state in self.states.items() if state not in (PASSED, CHANGED))

    def next(self) -> Exercise | None:
        """Return the first exercise that has not passed, from the one on that passed last; None at the end.

        Those that passed and were changed since come when there are no others.
        """
        order = list(self.states)
        last = max(order, key=lambda exercise: self.entry(exercise).when, default=None)
        if last is not None and self.entry(last).when:
            begin = order.index(last) + 1
            order = order[begin:] + order[:begin]
        for done in ((PASSED, CHANGED), (PASSED,)):
            for exercise in order:
                if self.states[exercise] not in done:
                    return exercise
        return None

    def entry(self, exercise: Exercise) -> Entry:
        """Return what is remembered of an exercise."""
        return self.entries.get(exercise.id, Entry())


@dataclass(frozen=True)
class Folder:
    """A learner's folder."""

    path: Path

    def file(self, exercise: Exercise) -> Path:
        """Return the learner's file of an exercise."""
        return self.path / exercise.path

    def start(self) -> list[Exercise]:
        """Write the files that are not there, and nothing else; return their exercises.

        Raises OSError where the folder cannot be written.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        added = {}
        for exercise in exercises():
            path = self.file(exercise)
            if not os.path.lexists(path):
                path.parent.mkdir(exist_ok=True)
                text = stub(exercise)
                replace_file(path, text)
                added[exercise] = {"stub": digest(text.encode())}
        update(self.path, {exercise.id: fields for exercise, fields in added.items()})
        return list(added)

    def standing(self) -> Standing:
        """Return what has become of all exercises."""
        entries = progress.read(self.path)
        states = {each: self.state(each, entries.get(each.id, Entry())) for each in exercises()}
        return Standing(states, entries)

    def state(self, exercise: Exercise, entry: Entry) -> str:
        """Return what has become of an exercise, of which this is remembered."""
        try:
            found = digest(self.file(exercise).read_bytes())
        except OSError:
            return MISSING
        if found == entry.passed:
            return CHANGED if found == entry.failed else PASSED
        if found == (entry.stub or digest(stub(exercise).encode())):
            return NEW
        return CHANGED if entry.passed else BEGUN

    def latest(self, standing: Standing) -> Exercise | None:
        """Return the exercise whose file was written to last; None where nothing is written yet."""
        written = [each for each, state in standing.states.items() if state not in (NEW, MISSING)]
        return max(written, key=lambda each: self.file(each).stat().st_mtime_ns, default=None)

    def to_write(self, standing: Standing) -> Exercise | None:
        """Return the exercise that the learner is at: the latest, or the next where that has passed."""
        latest = self.latest(standing)
        return latest if latest and standing.states[latest] != PASSED else standing.next() or latest

    def check(self, exercise: Exercise, twin: bool = False) -> Verdict:
        """Run the checks on the learner's file, and remember what came of it.

        Raises:
            FolderError: the file is not there.
            ValueError: it is no text.
        """
        checked, verdict = self.examine(exercise, twin)
        self.remember(exercise, checked, verdict)
        return verdict

    def examine(self, exercise: Exercise, twin: bool = False) -> tuple[str, Verdict]:
        """Run the checks on the learner's file; return the digest of what was checked, and the verdict.

        A file that is saved meanwhile is checked again. Raises what `check` does.
        """
        while True:
            before = self.content(exercise)
            verdict = examine(exercise, self.file(exercise), twin)
            if self.content(exercise) == before:
                return digest(before), verdict

    def content(self, exercise: Exercise) -> bytes:
        """Return what the learner's file holds; FolderError where it is not there."""
        path = self.file(exercise)
        try:
            return path.read_bytes()
        except FileNotFoundError as error:
            raise FolderError(f"{shown(path)} is not there; to get it anew: minibert learn start") from error

    def remember(self, exercise: Exercise, checked: str, verdict: Verdict) -> None:
        """Remember what came of a check of a file with this digest; say so where that cannot be written."""
        entry = progress.read(self.path).get(exercise.id, Entry())
        fields: dict[str, str | int] = {}
        if not entry.passed:
            fields["tries"] = entry.tries + (verdict.status != "unwritten")
        if verdict.status == "passed":
            now = datetime.now(UTC).isoformat(timespec="milliseconds")
            fields |= {"passed": checked, "failed": "", "when": now}
        elif verdict.status != "slow" and checked == entry.passed:
            fields["failed"] = checked
        try:
            update(self.path, {exercise.id: fields})
        except OSError as error:
            logger.warning(f"what came of {exercise.id} could not be remembered: {error}")

    def next_hint(self, exercise: Exercise) -> int:
        """Return how many hints may be read now, one more than before, and remember it."""
        level = progress.read(self.path).get(exercise.id, Entry()).hints + 1
        update(self.path, {exercise.id: {"hints": min(level, len(exercise.hints))}})
        return level

    def reset(self, exercise: Exercise) -> Path | None:
        """Write an exercise's file anew; return where the old one is kept, or None."""
        path, text = self.file(exercise), stub(exercise)
        kept = None
        if os.path.lexists(path) and path.read_bytes() != text.encode():
            kept = free_name(path.parent, f"{exercise.id}.{{}}.py.bak")
            path.rename(kept)
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, text)
        update(self.path, {exercise.id: {"stub": digest(text.encode()), "hints": 0}})
        return kept


def shown(path: Path) -> str:
    """Return a path as it is shortest to type from here."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def is_course(path: Path) -> bool:
    """Return whether a folder is a learner's: it has the progress file, or at least a file of an exercise."""
    return (path / progress.FILE).is_file() or any((path / each.path).is_file() for each in exercises())


def find_folder(given: Path | None = None, here: Path | None = None) -> Folder:
    """Return the learner's folder: the one that is given, else the one around `here`, else the one in it.

    Raises FolderError where there is none, or one cannot be told from others.
    """
    if given is not None:
        if not is_course(given):
            raise FolderError(
                f"{given} is no folder of exercises; to make it one: minibert learn start {given}"
            )
        return Folder(given)
    here = here or Path.cwd()
    for around in (here, *here.parents):
        if is_course(around):
            return Folder(around)
    if is_course(here / NAME):
        return Folder(here / NAME)
    inside = sorted(path.parent for path in here.glob(f"*/{progress.FILE}"))
    if len(inside) == 1:
        return Folder(inside[0])
    if inside:
        names = ", ".join(path.name for path in inside)
        raise FolderError(f"here are several folders of exercises: {names}. Say which with --folder")
    raise FolderError("here is no folder of exercises; to make one: minibert learn start")


def folder_to_start(given: Path | None, here: Path | None = None) -> Folder:
    """Return the folder to write exercises into: the one that is there already, or a new one."""
    if given is not None:
        return Folder(given)
    try:
        return find_folder(None, here)
    except FolderError:
        return Folder((here or Path.cwd()) / NAME)


def find_in(word: str, folder: Path | None) -> tuple[Folder, Exercise]:
    """Return the folder and the exercise that a word of the command line means: an id, or a file.

    Raises:
        FolderError: there is no such folder, or the file is none of its own.
        ValueError: there is no such exercise.
    """
    path = Path(word)
    if not (word.endswith(".py") and path.is_file()):
        return find_folder(folder), find_exercise(word)
    exercise = find_exercise(word)
    around = find_folder(folder, path.resolve().parent)
    if around.file(exercise).resolve() != path.resolve():
        raise FolderError(f"{word} is not the file of an exercise; that of {exercise.id} is {exercise.path}")
    return around, exercise
