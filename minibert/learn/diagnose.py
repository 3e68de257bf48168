"""Name the mistake in a function that a check has found wrong."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from minibert.learn.exercises import Exercise
from minibert.learn.limits import time_limit
from minibert.learn.mutate import Mutant, bare, definition, plain, source_of
from minibert.learn.proof import Check
from minibert.learn.side_by_side import tell_call
from minibert.learn.sizes import Sizes
from minibert.learn.splice import Slot, join_class
from minibert.learn.tape import Enough, Outcome, Tape, names, quiet, same

LONGEST = 3.0
"""Seconds for all checks of a version that is told by the checks that it fails."""


@dataclass(frozen=True)
class Diagnosis:
    """What is known of a wrong function."""

    mistake: str
    """The known mistakes that it cannot be told from: one, or "" for none."""
    call: str
    """A call that it answers wrongly."""
    passed: int
    """How many of the checks that call it came before the one that failed."""
    total: int
    """How many checks call it."""


class Known:
    """What the checks ask of a function, what the library's version answers, and what known mistakes do."""

    def __init__(self, exercise: Exercise, slot: Slot, checks: Sequence[Check]) -> None:
        self.exercise = exercise
        self.slot = slot
        self.checks = checks
        self.tape = self.record()
        wrong = {mutant.name: self.make(mutant) for mutant in exercise.mistakes()}
        self.failing: dict[str, frozenset[str]] = {}
        self.answers: dict[str, list[Outcome]] = {}
        self.reference = [] if exercise.random else self.play(slot.reference)
        for name, function in wrong.items():
            if exercise.random:
                self.failing[name] = self.fails(function)
            else:
                self.answers[name] = self.play(function)

    def diagnose(self, failed: int, show: bool) -> Diagnosis:
        """Compare the learner's function with the library's and with the mistakes that are known.

        Args:
            failed: the number of the check that it was the first to fail.
            show: look for a call that is answered wrongly.
        """
        before = sum(check.name in self.tape.callers for check in self.checks[:failed])
        call = ""
        if self.exercise.random:
            mine = self.fails(self.slot.written)
            found = [name for name, failing in self.failing.items() if failing == mine]
        else:
            answers = self.play(self.slot.written)
            has_cache = self.exercise.name.endswith("forward") and ".byhand." in self.exercise.function
            found = names(answers, self.answers, self.reference, has_cache)
            call = self.wrong_call(answers, self.first_of_case(self.checks[failed])) if show else ""
        return Diagnosis(", or: ".join(found), call, before, len(self.tape.callers))

    def record(self) -> Tape:
        """Return the calls that the checks make of the library's own version.

        Of a case only the first check is run: the others ask the same.
        """
        tape = Tape()
        for check in self.checks:
            first = self.first_of_case(check)
            if first != check.name:
                tape.callers += [check.name] if first in tape.callers else []
                continue
            self.slot.current = tape.record(check.name, self.slot.reference)
            with quiet(), contextlib.suppress(Enough):
                check.run(Sizes(), 0)
        return tape

    def first_of_case(self, check: Check) -> str:
        """Return the name of the first check of the same case; of a check without a case, its own."""
        return next(other.name for other in self.checks if other is check or other.case == check.case != "")

    def play(self, function: Callable[..., Any]) -> list[Outcome]:
        """Return the outcomes of a version, which also stands in the library meanwhile."""
        self.slot.current = function
        return self.tape.play(function)

    def make(self, mutant: Mutant) -> Callable[..., Any]:
        """Return the library's function with a mistake in it."""
        source = source_of(plain(self.slot.reference))
        function = bare(definition(mutant.written(source), mutant.function, vars(self.slot.module)))
        if self.slot.owner is not None:
            join_class(function, self.slot.owner)
        return function

    def fails(self, function: Callable[..., Any]) -> frozenset[str]:
        """Return the names of all checks that a version fails."""
        self.slot.current = function
        found = set()
        for check in self.checks:
            try:
                with quiet(), time_limit(LONGEST):
                    check.run(Sizes(), 0)
            except BaseException:  # also SystemExit, and TooSlow
                found.add(check.name)
        return frozenset(found)

    def wrong_call(self, answers: Sequence[Outcome], check: str) -> str:
        """Return the first call of a check that is answered otherwise than by the library, in words."""
        for call, expected, got in zip(self.tape.calls, self.reference, answers, strict=True):
            if call.check == check and not same(got, expected, expected):
                return tell_call(self.exercise.name, self.slot.reference, call, expected, got)
        return ""
