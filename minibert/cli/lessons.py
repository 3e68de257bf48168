"""`minibert learn …`: the course."""

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from minibert.cli.terminal import UsageError
from minibert.learn import board
from minibert.learn.examine import environment
from minibert.learn.exercises import Exercise, exercises, find_exercise
from minibert.learn.folder import (
    CHANGED,
    MISSING,
    NEW,
    PASSED,
    Folder,
    Standing,
    find_folder,
    find_in,
    folder_to_start,
    shown,
)
from minibert.learn.ink import Ink, ink_for
from minibert.learn.trial import Verdict
from minibert.learn.watch import Watch

HELP = """\
usage: minibert learn COMMAND ...

Write BERT yourself, one function after another, and hear at once what is wrong.

commands:
  start [FOLDER]    write the files of the exercises, or add the new ones
  next              what comes next
  check [ID]        check an exercise; without ID the one that you saved last
  watch             check every file that you save
  hint [ID]         the next of three hints
  diff [ID]         your function beside the library's, once it has passed
  reset ID          write a file anew; yours is kept beside it
  board [CHAPTER]   how far you have come
  audit [ID...]     for authors: is every mistake caught, and named?

All but `start` find the folder when you are in it or beside it.
A word for ID: its name, the beginning of it, or the path of its file.
`minibert learn COMMAND --help` shows the flags.
"""

Where = Annotated[
    Path | None, arg(metavar="FOLDER", help="Your folder of exercises, if you are not in it or beside it.")
]
Id = Annotated[Positional[str], arg(metavar="[ID]", help="An exercise; the one saved last if not given.")]


@contextmanager
def usage() -> Iterator[None]:
    """Turn what is said of wrong words into UsageError."""
    try:
        yield
    except ValueError as error:
        raise UsageError(str(error)) from error


def flags_for(folder: Path | None) -> str:
    """Return what commands need that are named to the learner, so that they find the folder again."""
    return f" --folder {shlex.quote(str(folder))}" if folder is not None else ""


def find(word: str, folder: Path | None) -> tuple[Folder, Exercise]:
    """Return the folder, and the exercise that is meant: by a word, or else the one that was saved last.

    Where nothing is written yet it is the next one.
    """
    with usage():
        if word:
            return find_in(word, folder)
        found = find_folder(folder)
    standing = found.standing()
    return found, found.latest(standing) or standing.next() or exercises()[0]


@dataclass(frozen=True)
class LearnStart:
    """Write the files of the exercises into a folder.

    In a folder that has some already, those that are new are added, and nothing else is touched.

    examples:
      minibert learn start
      minibert learn start my-bert
    """

    folder: Annotated[
        Positional[Path | None], arg(metavar="[FOLDER]", help="The folder; `exercises` if not given.")
    ] = None

    def __call__(self) -> None:
        if self.folder is not None and self.folder.exists() and not self.folder.is_dir():
            raise UsageError(f"{self.folder} is a file; name a folder")
        folder = folder_to_start(self.folder)
        added = folder.start()
        standing, ink = folder.standing(), ink_for(sys.stdout)
        total, where = len(standing.states), shown(folder.path)
        if len(added) == total:
            chapters = len(standing.chapters())
            effort = board.time(standing.minutes_left())
            text = f"{total} exercises lie in {where}: {chapters} chapters, about {effort}."
        elif added:
            names = ", ".join(exercise.id for exercise in added)
            text = f"Added to {where}: {names}. The other {total - len(added)} files are as they were."
        else:
            text = f"All {total} files of {where} were there, and are as they were."
        print("\n".join(ink.wrap(text)))
        following = standing.next()
        if following is not None:
            print()
            print("\n".join(ink.named("watch", "minibert learn watch   checks every file that you save")))
            print("\n".join(ink.named("board", "minibert learn board   shows how far you have come")))
            print(f"\n{board.introduce(following, folder, standing, ink)}")


@dataclass(frozen=True)
class LearnNext:
    """Tell what comes next: the first exercise after the last one that passed."""

    folder: Where = None

    def __call__(self) -> None:
        with usage():
            folder = find_folder(self.folder)
        standing, ink = folder.standing(), ink_for(sys.stdout)
        following = standing.next()
        if following is None:
            whole = f"minibert learn check --mine-all{flags_for(self.folder)}   trains BERT on your code"
            print("\n".join([*ink.wrap("All exercises have passed."), "", *ink.named("whole", whole)]))
            return
        print(board.introduce(following, folder, standing, ink, flags_for(self.folder)))


@dataclass(frozen=True)
class LearnCheck:
    """Check an exercise, and say what is wrong.

    The exit code is 0 when it passes and 1 when it does not.

    examples:
      minibert learn check
      minibert learn check softmax_backward
      minibert learn check --all
    """

    id: Id = ""
    folder: Where = None
    all: bool = False
    """Check all that are begun."""
    twin: bool = False
    """Hold it against PyTorch itself, which takes seconds to load, not against its stored numbers."""
    pytest: bool = False
    """Run the checks as tests of pytest, with its tracebacks."""
    mine_all: bool = False
    """Put all of your functions into the library at once, and train a BERT on them."""

    def __call__(self) -> int:
        chosen = [name for name in ("all", "pytest", "mine_all") if getattr(self, name)]
        if len(chosen) > 1:
            raise UsageError(f"choose one of {', '.join('--' + name.replace('_', '-') for name in chosen)}")
        if self.id and (self.all or self.mine_all):
            raise UsageError(f"--{chosen[0].replace('_', '-')} takes no ID, got {self.id!r}")
        if self.all:
            return self.check_all()
        if self.mine_all:
            return self.check_mine_all()
        folder, exercise = find(self.id, self.folder)
        if not self.id:
            print(f"  {shown(folder.file(exercise))}\n")
        with usage():
            folder.content(exercise)
        if self.pytest:
            return run("as_tests", exercise.id, str(folder.file(exercise)))
        flags = flags_for(self.folder)
        verdict, text = board.checked(folder, exercise, ink_for(sys.stdout), flags, self.twin)
        print(text)
        return verdict.status != "passed"

    def check_all(self) -> int:
        """Check all that are begun, a line for each."""
        with usage():
            folder = find_folder(self.folder)
        ink, states = ink_for(sys.stdout), folder.standing().states
        begun = [exercise for exercise, state in states.items() if state not in (NEW, MISSING)]
        room = max((len(exercise.id) for exercise in begun), default=0)
        good = 0
        for exercise, verdict in examined(folder, begun, self.twin):
            print(board.in_a_line(exercise, verdict, room, ink), flush=True)
            good += verdict.status == "passed"
        rest = len(states) - len(begun)
        print("\n".join(["", *ink.wrap(f"{good} of {len(begun)} pass; {rest} not begun.")]))
        return not good or good < len(begun)

    def check_mine_all(self) -> int:
        """Run all functions that have passed, at once."""
        with usage():
            folder = find_folder(self.folder)
        standing = folder.standing()
        mine = [exercise for exercise, state in standing.states.items() if state == PASSED]
        if changed := [exercise.id for exercise, state in standing.states.items() if state == CHANGED]:
            print(
                "\n".join(
                    Ink().wrap(f"Left out, for they were changed since they passed: {', '.join(changed)}")
                )
            )
        if not mine:
            raise UsageError("none of your functions has passed yet. See: minibert learn next")
        sys.stdout.flush()
        return run("mine_all", str(folder.path), *(exercise.id for exercise in mine))


def examined(folder: Folder, some: Sequence[Exercise], twin: bool) -> Iterator[tuple[Exercise, Verdict]]:
    """Check some exercises, many at once, remember what comes of it, and yield it in order."""
    with ThreadPoolExecutor(min(os.cpu_count() or 1, 8)) as pool:
        found = [pool.submit(try_one, folder, exercise, twin) for exercise in some]
        try:
            for exercise, future in zip(some, found, strict=True):
                checked, verdict = future.result()
                if checked:
                    folder.remember(exercise, checked, verdict)
                yield exercise, verdict
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def try_one(folder: Folder, exercise: Exercise, twin: bool) -> tuple[str, Verdict]:
    """Check an exercise; return the digest of the file, "" for one that cannot be read, and the verdict."""
    try:
        return folder.examine(exercise, twin)
    except (ValueError, OSError) as error:
        return "", Verdict("broken", message=str(error))


def run(module: str, *words: str) -> int:
    """Run a module of `minibert.learn` in a process of its own; return 0 when all is well, else 1."""
    command = [sys.executable, "-P", "-m", f"minibert.learn.{module}", *words]
    return int(subprocess.run(command, env=environment()).returncode != 0)


@dataclass(frozen=True)
class LearnWatch:
    """Check every file that you save, until you press q or Ctrl-C."""

    folder: Where = None

    def __call__(self) -> None:
        with usage():
            folder = find_folder(self.folder)
        Watch(folder, flags_for(self.folder)).run()


@dataclass(frozen=True)
class LearnHint:
    """Give the next of three hints; each says more than the one before.

    Without ID it is for the exercise that you saved last or, where that has passed, for the next.

    example:
      minibert learn hint softmax_backward
    """

    id: Id = ""
    folder: Where = None

    def __call__(self) -> None:
        folder, exercise = find(self.id, self.folder)
        if not self.id:
            exercise = folder.to_write(folder.standing()) or exercise
        print(board.hint(folder, exercise, ink_for(sys.stdout), flags_for(self.folder)))


@dataclass(frozen=True)
class LearnDiff:
    """Show your function beside the library's own: - is yours, + the library's.

    example:
      minibert learn diff softmax_backward
    """

    id: Id = ""
    folder: Where = None
    spoil: bool = False
    """Show it also before yours has passed."""

    def __call__(self) -> int:
        folder, exercise = find(self.id, self.folder)
        ink = ink_for(sys.stdout)
        if not self.spoil and folder.standing().states[exercise] not in (PASSED, CHANGED):
            print("\n".join(ink.wrap(board.not_yet(exercise, flags_for(self.folder)))))
            return 1
        with usage():
            print(board.differences(folder, exercise, ink))
        return 0


@dataclass(frozen=True)
class LearnReset:
    """Write the file of an exercise anew, as it was in the beginning; yours is kept beside it.

    example:
      minibert learn reset softmax_backward
    """

    id: Annotated[Positional[str], arg(metavar="ID", help="An exercise.")]
    folder: Where = None

    def __call__(self) -> None:
        with usage():
            folder, exercise = find_in(self.id, self.folder)
        kept = folder.reset(exercise)
        path = shown(folder.file(exercise))
        text = f"{path} is new again; yours is kept in {shown(kept)}" if kept else f"{path} is as it was: new"
        print("\n".join(ink_for(sys.stdout).wrap(text)))


@dataclass(frozen=True)
class LearnBoard:
    """Show how far you have come, by chapter, or in one chapter.

    examples:
      minibert learn board
      minibert learn board attention
    """

    chapter: Annotated[
        Positional[str], arg(metavar="[CHAPTER]", help="Its name, number, or a part of it.")
    ] = ""
    folder: Where = None

    def __call__(self) -> None:
        with usage():
            standing: Standing = find_folder(self.folder).standing()
            chapter = board.find_chapter(self.chapter, standing) if self.chapter else ""
        ink = ink_for(sys.stdout)
        print(board.board_of(chapter, standing, ink) if chapter else board.board(standing, ink))


@dataclass(frozen=True)
class LearnAudit:
    """Hold the exercises to what they promise.

    Every stub fails, every solution passes, every mistake is caught and named.
    """

    ids: Annotated[
        Positional[tuple[str, ...]], arg(metavar="[ID...]", help="Some exercises; all if not given.")
    ] = ()

    def __call__(self) -> None:
        from minibert.learn.audit import main

        with usage():
            names = [find_exercise(word).id for word in self.ids]
        main(names)


COMMANDS = {
    "start": LearnStart,
    "next": LearnNext,
    "check": LearnCheck,
    "watch": LearnWatch,
    "hint": LearnHint,
    "diff": LearnDiff,
    "reset": LearnReset,
    "board": LearnBoard,
    "audit": LearnAudit,
}
