"""An exercise made ready for learners' files: the slot in the library, the checks, and the known mistakes.

A process can have one bench, and must not have imported the exercise's module before.
"""

import importlib
from functools import cached_property
from typing import TYPE_CHECKING

from minibert.learn.exercises import Exercise
from minibert.learn.splice import splice

if TYPE_CHECKING:
    from minibert.learn.diagnose import Known
    from minibert.learn.grade import Graded
    from minibert.learn.proof import Check


def checks_for(exercise: Exercise, twin: bool = False) -> "list[Check]":
    """Return the checks of an exercise, none for a judge.

    Args:
        twin: hold a function by hand against PyTorch itself, not against its stored numbers.
    """
    from minibert.learn.proof import checks_of
    from minibert.learn.twins import stored_checks

    of = checks_of if twin else stored_checks
    modules = [importlib.import_module(f"minibert.learn.checks.{stem}") for stem in exercise.check_stems]
    return [check for module in modules for check in of(module)]


class Bench:
    """The library with a place for one function, and what it is tried by."""

    def __init__(self, exercise: Exercise, twin: bool = False) -> None:
        self.exercise = exercise
        self.slot = splice([exercise.function])[exercise.function]
        self.checks = self.without_idle_cases(checks_for(exercise, twin))

    def without_idle_cases(self, checks: "list[Check]") -> "list[Check]":
        """Return the checks without those of the cases in which the function is never called.

        The first check of a case, of its shapes and types, is quick, and calls all that the case calls.
        """
        from minibert.learn.sizes import Sizes

        called: dict[str, bool] = {}
        for check in checks:
            if check.case and check.case not in called:
                before = self.slot.calls
                check.run(Sizes(), 0)
                called[check.case] = self.slot.calls > before
        return [check for check in checks if called.get(check.case, True)]

    @cached_property
    def known(self) -> "Known":
        """The known mistakes of the function, and what they answer."""
        from minibert.learn.diagnose import Known

        return Known(self.exercise, self.slot, self.checks)

    @cached_property
    def graded(self) -> "Graded":
        """For a judge, the functions that it is tried on."""
        from minibert.learn.grade import Graded

        return Graded(self.exercise)

    def prepare(self) -> None:
        """Find out at once all that is known of the mistakes, for the many files that will be tried."""
        _ = self.graded.patterns if self.exercise.judge else self.known
