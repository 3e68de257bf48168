"""Try a learner's function: run the checks on it, and find out what is wrong with it.

This is what happens inside the process that `examine` starts; nothing of the library but its exercises may
have been imported before.
"""

import contextlib
import importlib
import io
import os
import time
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType
from typing import Any

from minibert.learn.exercises import Exercise
from minibert.learn.limits import TooSlow, time_limit
from minibert.learn.mutate import Mutant, define, find_function, plain, source_of
from minibert.learn.splice import LearnerError, Slot, splice

PRINTED = 2000
"""So many characters of what the learner's code prints are kept."""


@dataclass(frozen=True)
class Verdict:
    """What came of a check."""

    status: str
    """"passed", "unwritten" (it still raises NotImplementedError), "wrong" (a check failed), "broken" (the
    code raised something, or cannot be run at all) or "slow" (it had not finished in time)."""
    check: str = ""
    """The name of the check that failed."""
    promise: str = ""
    """What that check promises, in a line."""
    message: str = ""
    """What was expected and what came."""
    mistake: str = ""
    """The name of the mistake, where it is known."""
    call: str = ""
    """The first call that was answered wrongly: its arguments, expected and got."""
    place: str = ""
    """Where in the learner's file: "softmax_backward.py:12"."""
    line: str = ""
    """The line that stands there."""
    printed: str = ""
    """What the code printed."""
    passed_checks: int = 0
    total_checks: int = 0
    """How many of the checks that call the function it passes, up to the first that it fails."""
    killed: int = 0
    total_mutants: int = 0
    """For a judge, how many of the wrong functions it sees."""
    seconds: float = 0.0


class Printed(io.TextIOBase):
    """Keep the beginning of what is printed."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> int:
        self.text += text[: PRINTED - len(self.text)]
        return len(text)

    def writable(self) -> bool:
        return True


@dataclass
class Objection:
    """Why a check did not pass."""

    status: str
    message: str
    place: str = ""
    line: str = ""


@dataclass
class Trial:
    """An exercise, a learner's file, and where the file stands."""

    exercise: Exercise
    text: str
    path: Path
    twin: bool = False
    """Run PyTorch itself, not its stored numbers."""
    limit: float = 10.0
    """Seconds for the checks."""
    slots: Mapping[str, Slot] = field(default_factory=dict)
    asked: int = 0
    """How many of the checks that passed have called the function."""
    deliver: Callable[[Verdict], object] = print
    """Takes the verdict on code that cannot be ended, before the process ends."""

    def run(self) -> Verdict:
        """Return the verdict. Must be called once in a process."""
        begin = time.perf_counter()
        printed = Printed()
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            verdict = self.judge() if self.exercise.judge else self.check()
        return replace(verdict, printed=printed.text, seconds=time.perf_counter() - begin)

    def load(self) -> Slot | Objection:
        """Put the function into the library, and return its slot, or why that cannot be done."""
        self.slots = splice({self.exercise.function: (self.text, self.path)})
        objection = self.attempt(lambda: importlib.import_module(self.exercise.module))
        return objection or self.slots[self.exercise.function]

    def check(self) -> Verdict:
        """Run the checks on the function."""
        slot = self.load()
        if isinstance(slot, Objection):
            return refused(slot)
        checks = self.checks()
        slot.current = slot.written
        failed = self.first_failing(checks)
        if failed is None:
            return Verdict("passed", passed_checks=self.asked, total_checks=self.asked)
        number, objection = failed
        if objection.status == "unwritten":
            return refused(objection)
        from minibert.learn.diagnose import diagnose

        found = diagnose(self.exercise, slot, checks, number, show=objection.status != "slow")
        return replace(
            refused(objection),
            check=checks[number].name,
            promise=checks[number].promise,
            mistake=found.mistake,
            call=found.call,
            passed_checks=found.passed,
            total_checks=found.total,
        )

    def checks(self) -> Sequence[Any]:
        """Return the checks of the exercise; those of the twin compare with its stored numbers."""
        from minibert.learn.proof import checks_of
        from minibert.learn.twins import stored_checks

        of = checks_of if self.twin else stored_checks
        modules = [importlib.import_module(f"minibert.learn.checks.{s}") for s in self.exercise.check_stems]
        return [check for module in modules for check in of(module)]

    def first_failing(self, checks: Sequence[Any]) -> tuple[int, Objection] | None:
        """Return the first check that fails and why, or None."""
        from minibert.learn.sizes import Sizes

        slot = self.slots[self.exercise.function]
        end = time.monotonic() + self.limit
        for number, check in enumerate(checks):
            left, before = max(end - time.monotonic(), 0.01), slot.calls
            objection = self.attempt(lambda check=check: check.run(Sizes(), 0), left)
            if objection:
                return number, objection
            self.asked += slot.calls > before
        return None

    def attempt(self, action: Callable[[], object], limit: float | None = None) -> Objection | None:
        """Do something that runs the learner's code; return what kept it from working, or None."""
        limit = self.limit if limit is None else limit
        try:
            with warnings.catch_warnings(), time_limit(limit, self.give_up):
                warnings.simplefilter("ignore")
                warnings.simplefilter("error", RuntimeWarning)
                action()
        except TooSlow as error:
            place, line, _ = self.place(error)
            return Objection("slow", f"it had not finished after {self.limit:.3g} seconds", place, line)
        except BaseException as error:
            return self.objection(error)
        return None

    def give_up(self, frame: FrameType | None) -> None:
        """End the process, with a verdict on code that keeps every exception."""
        while frame is not None and frame.f_code.co_filename != str(self.path):
            frame = frame.f_back
        place, line = self.at(frame.f_lineno if frame else None)
        message = f"it had not finished after {self.limit:.3g} seconds, and kept the exception that ends it"
        self.deliver(Verdict("slow", message=message, place=place, line=line))
        os._exit(0)

    def objection(self, error: BaseException) -> Objection:
        """Return what an exception means."""
        place, line, innermost = self.place(error)
        words = str(error) or type(error).__name__
        if isinstance(error, LearnerError):
            return Objection("broken", words, *self.at(error.line))
        if isinstance(error, SyntaxError):
            mine = error.filename == str(self.path)
            return Objection(
                "broken", f"{type(error).__name__}: {error.msg}", *self.at(error.lineno if mine else None)
            )
        if isinstance(error, NotImplementedError) and innermost:
            return Objection("unwritten", "it is not written yet", place, line)
        if place and not isinstance(error, AssertionError):
            return Objection("broken", f"{type(error).__name__}: {words}", place, line)
        if innermost:
            return Objection("broken", f"its own assert failed: {words}", place, line)
        if isinstance(error, (AssertionError, ValueError)):
            return Objection("wrong", words)
        return Objection("wrong", f"{type(error).__name__}: {words}")

    def place(self, error: BaseException) -> tuple[str, str, bool]:
        """Return the last place in the learner's file that an exception passed; whether it began there."""
        frames = traceback.extract_tb(error.__traceback__)
        mine = [number for number, frame in enumerate(frames) if frame.filename == str(self.path)]
        if not mine:
            return "", "", False
        place, line = self.at(frames[mine[-1]].lineno)
        return place, line, mine[-1] == len(frames) - 1

    def at(self, line: int | None) -> tuple[str, str]:
        """Return a place in the learner's file, and what stands there."""
        if line is None:
            return "", ""
        lines = self.text.splitlines()
        return f"{self.path.name}:{line}", lines[line - 1].strip() if 0 < line <= len(lines) else ""

    def judge(self) -> Verdict:
        """Run the learner's test: on right functions it must say nothing, on wrong ones something."""
        slot = self.load()
        if isinstance(slot, Objection):
            return refused(slot)
        graded = Graded(self.exercise)
        objection = self.attempt(lambda: graded.let_pass(slot.written))
        if objection and objection.status == "wrong":
            objection = Objection("wrong", f"it objects to {graded.at}: {objection.message}")
        if objection and objection.status == "broken" and "its own assert" in objection.message:
            objection = Objection("wrong", f"it objects to {graded.at}", objection.place, objection.line)
        if objection:
            return refused(objection)
        objection = self.attempt(lambda: graded.see(slot.written))
        if objection:
            return refused(objection)
        total = len(graded.made)
        if len(graded.seen) == total:
            return Verdict("passed", killed=total, total_mutants=total, passed_checks=1, total_checks=1)
        seen = tuple(graded.seen)  # to name the weakness, other tests are tried
        mistake = graded.name_of(slot, self.exercise.mistakes())
        alive = next(name for name in graded.made if name not in seen)
        return Verdict(
            "wrong",
            message=f"it lets this pass: {alive}",
            mistake=mistake,
            killed=len(seen),
            total_mutants=total,
        )


class Graded:
    """A learner's test, and the functions, right and wrong, that it is tried on."""

    def __init__(self, exercise: Exercise) -> None:
        module = importlib.import_module(exercise.of.partition(":")[0])
        self.function = find_function(exercise.of)
        self.right = [define(source, exercise.of, vars(module)) for source in exercise.right]
        source = source_of(self.function)
        self.made = {
            mutant.name: define(mutant.written(source), exercise.of, vars(module))
            for mutant in exercise.to_kill()
        }
        self.seen: list[str] = []
        self.at = ""

    def let_pass(self, test: Callable[[Any], object]) -> None:
        """Run the test on all that is right; what it raises goes through."""
        self.at = "the library's own function"
        ask(test, self.function)
        self.at = "a right version that is written differently"
        for function in self.right:
            ask(test, function)

    def see(self, test: Callable[[Any], object]) -> None:
        """Run the test on all that is wrong; a wrong function that breaks has been seen too."""
        self.seen = []
        for name in self.made:
            with contextlib.suppress(AssertionError):
                self.expect_seen(name, test)
                self.seen.append(name)

    def expect_seen(self, name: str, test: Callable[[Any], object]) -> None:
        """Raise AssertionError where the test lets a wrong function pass."""
        try:
            ask(test, self.made[name])
        except Exception:
            return
        raise AssertionError(f"it lets this pass: {name}")

    def pattern(self, test: Callable[[Any], object]) -> tuple[bool, tuple[str, ...]]:
        """Return whether the test lets all pass that is right, and what it sees of what is wrong."""
        try:
            with time_limit(2.0):
                try:
                    self.let_pass(test)
                except Exception:
                    return False, ()
                self.see(test)
        except TooSlow:
            return False, ("too slow",)
        return True, tuple(self.seen)

    def name_of(self, slot: Slot, mistakes: Sequence[Mutant]) -> str:
        """Return the names of the known bad tests that see exactly as much: one, or "" for none."""
        mine = self.pattern(slot.written)
        reference = source_of(plain(slot.reference))
        names = [
            mutant.name
            for mutant in mistakes
            if self.pattern(define(mutant.written(reference), mutant.function, vars(slot.module))) == mine
        ]
        return ", or: ".join(names)


def ask(test: Callable[[Any], object], function: Callable[..., Any]) -> None:
    """Run a learner's test on a function. A warning is no answer: what comes out is for the test to judge."""
    from minibert.learn.tape import quiet

    with quiet():
        test(function)


def refused(objection: Objection) -> Verdict:
    """Return the verdict of an objection."""
    return Verdict(objection.status, message=objection.message, place=objection.place, line=objection.line)
