"""Try a learner's file: run the checks on its function, and find out what is wrong with it.

This is what happens inside a process that `examine` starts.
"""

import contextlib
import io
import os
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType

from minibert.learn.bench import Bench
from minibert.learn.limits import TooSlow, time_limit
from minibert.learn.splice import LearnerError

PRINTED = 2000
"""So many characters of what the learner's code prints are kept."""

LONGEST = 4000
"""So many characters of a message, or of a call, are kept."""


OWN_ASSERT = "its own assert failed"


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
    """A learner's file on the bench of its exercise."""

    bench: Bench
    text: str
    path: Path
    limit: float = 10.0
    """Seconds for the checks."""
    deliver: Callable[[Verdict], object] = print
    """Takes the verdict on code that cannot be ended, before the process ends."""
    asked: int = 0
    """How many of the checks that passed have called the function."""

    def run(self) -> Verdict:
        """Return the verdict. A bench is good for one file."""
        begin = time.perf_counter()
        printed = Printed()
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            verdict = self.put() or (self.judge() if self.bench.exercise.judge else self.check())
        return replace(
            verdict,
            message=verdict.message[:LONGEST],
            call=verdict.call[:LONGEST],
            printed=printed.text,
            seconds=time.perf_counter() - begin,
        )

    def put(self) -> Verdict | None:
        """Put the function into the library; return why that cannot be done, or None."""
        objection = self.attempt(lambda: self.bench.slot.put(self.text, self.path), self.limit)
        return refused(objection) if objection else None

    def check(self) -> Verdict:
        """Run the checks on the function."""
        self.bench.slot.current = self.bench.slot.written
        failed = self.first_failing()
        if failed is None:
            return Verdict("passed", passed_checks=self.asked, total_checks=self.asked)
        number, objection = failed
        if objection.status == "unwritten":
            return refused(objection)
        found = self.bench.known.diagnose(number, show=objection.status != "slow")
        return replace(
            refused(objection),
            check=self.bench.checks[number].name,
            promise=self.bench.checks[number].promise,
            mistake=found.mistake,
            call=found.call,
            passed_checks=found.passed,
            total_checks=found.total,
        )

    def first_failing(self) -> tuple[int, Objection] | None:
        """Return the first check that fails and why, or None."""
        from minibert.learn.sizes import Sizes

        slot = self.bench.slot
        end = time.monotonic() + self.limit
        for number, check in enumerate(self.bench.checks):
            left, before = max(end - time.monotonic(), 0.01), slot.calls
            objection = self.attempt(lambda check=check: check.run(Sizes(), 0), left)
            if objection:
                return number, objection
            self.asked += slot.calls > before
        return None

    def judge(self) -> Verdict:
        """Run the learner's test: on right functions it must say nothing, on wrong ones something."""
        test, graded = self.bench.slot.written, self.bench.graded
        objection = self.attempt(lambda: graded.let_pass(test), self.limit)
        if objection:
            return refused(self.too_strict(objection))
        seen: list[str] = []
        if objection := self.attempt(lambda: seen.extend(graded.seen(test)), self.limit):
            return refused(objection)
        total = len(graded.wrong)
        if len(seen) == total:
            return Verdict("passed", killed=total, total_mutants=total, passed_checks=1, total_checks=1)
        alive = next(name for name in graded.wrong if name not in seen)
        return Verdict(
            "wrong",
            message=f"it lets this pass: {alive}",
            mistake=graded.name(test),
            killed=len(seen),
            total_mutants=total,
        )

    def too_strict(self, objection: Objection) -> Objection:
        """Return what it means that a test has objected to something right."""
        if objection.status == "wrong":
            return Objection("wrong", f"it objects to {self.bench.graded.at}: {objection.message}")
        if objection.status == "broken" and objection.message.startswith(OWN_ASSERT):
            return Objection(
                "wrong", f"it objects to {self.bench.graded.at}", objection.place, objection.line
            )
        return objection

    def attempt(self, action: Callable[[], object], limit: float) -> Objection | None:
        """Do something that runs the learner's code; return what kept it from working, or None."""
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
            return Objection("broken", f"{OWN_ASSERT}: {words}", place, line)
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


def refused(objection: Objection) -> Verdict:
    """Return the verdict of an objection."""
    return Verdict(objection.status, message=objection.message, place=objection.place, line=objection.line)
