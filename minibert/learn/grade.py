"""Grade a learner's test: what is right must pass it, and the more of what is wrong it sees, the better."""

import contextlib
import importlib
from collections.abc import Callable
from functools import cached_property
from typing import Any

from minibert.learn.exercises import Exercise
from minibert.learn.limits import TooSlow, time_limit
from minibert.learn.mutate import define, find_function, source_of
from minibert.learn.tape import quiet

Test = Callable[[Callable[..., Any]], object]
"""A function -> nothing; AssertionError where it is wrong."""

Pattern = tuple[bool, tuple[str, ...]]
"""Whether a test lets all pass that is right, and the names of what it sees of what is wrong."""

LONGEST = 2.0
"""Seconds for a test on all functions, where it is compared with the known ones."""


class Graded:
    """The functions, right and wrong, that a learner's test is tried on."""

    def __init__(self, exercise: Exercise) -> None:
        namespace = vars(importlib.import_module(exercise.of.partition(":")[0]))
        self.exercise = exercise
        self.function = find_function(exercise.of)
        self.right = [define(source, exercise.of, namespace) for source in exercise.right]
        source = source_of(self.function)
        self.wrong = {
            mutant.name: define(mutant.written(source), exercise.of, namespace)
            for mutant in exercise.to_kill()
        }
        self.at = ""
        """What the test was last tried on."""

    def let_pass(self, test: Test) -> None:
        """Run the test on all that is right; what it raises goes through."""
        self.at = "the library's own function"
        ask(test, self.function)
        self.at = "a right version that is written differently"
        for function in self.right:
            ask(test, function)

    def seen(self, test: Test) -> tuple[str, ...]:
        """Return the names of the wrong functions that the test sees."""
        return tuple(name for name in self.wrong if not self.passes(name, test))

    def passes(self, name: str, test: Test) -> bool:
        """Return whether the test lets a wrong function pass; one that breaks has been seen too."""
        try:
            ask(test, self.wrong[name])
        except Exception:
            return False
        return True

    def pattern(self, test: Test) -> Pattern:
        """Return what a test lets pass and what it sees, in a time limit."""
        try:
            with time_limit(LONGEST), contextlib.suppress(Exception):
                self.let_pass(test)
                return True, self.seen(test)
        except TooSlow:
            return False, ("too slow",)
        return False, ()

    @cached_property
    def patterns(self) -> dict[str, Pattern]:
        """The patterns of the tests that are known as weak, by the names of their weaknesses."""
        judge = find_function(self.exercise.function)
        source = source_of(judge)
        return {
            mutant.name: self.pattern(define(mutant.written(source), mutant.function, judge.__globals__))
            for mutant in self.exercise.mistakes()
        }

    def name(self, test: Test) -> str:
        """Return the names of the weak tests that see exactly as much: one, or "" for none."""
        mine = self.pattern(test)
        return ", or: ".join(name for name, pattern in self.patterns.items() if pattern == mine)


def ask(test: Test, function: Callable[..., Any]) -> None:
    """Run a learner's test on a function. A warning is no answer: what comes out is for the test to judge."""
    with quiet():
        test(function)
