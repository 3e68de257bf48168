"""Name the mistake in a function that a check has found wrong."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FunctionType
from typing import Any

from minibert.learn.exercises import Exercise
from minibert.learn.limits import time_limit
from minibert.learn.mutate import Mutant, define, plain, source_of
from minibert.learn.proof import Check
from minibert.learn.side_by_side import tell_call
from minibert.learn.sizes import Sizes
from minibert.learn.splice import Slot, join_class
from minibert.learn.tape import Tape, names, quiet, same

LONGEST = 3.0
"""Seconds for all checks of a known mistake that is told by the checks that it fails."""


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


def diagnose(exercise: Exercise, slot: Slot, checks: Sequence[Check], failed: int, show: bool) -> Diagnosis:
    """Compare a wrong function with the library's and with the mistakes that are known.

    Args:
        slot: where it stands; left with the learner's function.
        checks: all checks, of which that with the number `failed` was the first to fail.
        show: look for a call that is answered wrongly.
    """
    tape = record(slot, checks)
    before = sum(check.name in tape.callers for check in checks[:failed])
    found = find_names(exercise, slot, checks, tape)
    call = wrong_call(exercise, slot, tape, checks[failed].name) if show and not exercise.random else ""
    slot.current = slot.written
    return Diagnosis(", or: ".join(found), call, before, len(tape.callers))


def record(slot: Slot, checks: Sequence[Check]) -> Tape:
    """Return the calls that the checks make of the library's own version."""
    tape = Tape()
    for check in checks:
        slot.current = tape.record(check.name, slot.reference)
        with quiet():
            check.run(Sizes(), 0)
    slot.current = slot.reference
    return tape


def find_names(exercise: Exercise, slot: Slot, checks: Sequence[Check], tape: Tape) -> list[str]:
    """Return the names of all known mistakes that the function cannot be told from."""
    wrong = {mutant.name: make(mutant, slot) for mutant in exercise.mistakes()}
    if exercise.random:
        mine = failing(slot, checks, slot.written)
        return [name for name, function in wrong.items() if failing(slot, checks, function) == mine]
    reference = play(slot, tape, slot.reference)
    known = {name: play(slot, tape, function) for name, function in wrong.items()}
    has_cache = exercise.name.endswith("forward") and ".byhand." in exercise.function
    return names(play(slot, tape, slot.written), known, reference, has_cache)


def play(slot: Slot, tape: Tape, function: Callable[..., Any]) -> list[Any]:
    """Return the outcomes of a version, which also stands in the library meanwhile."""
    slot.current = function
    return tape.play(function)


def make(mutant: Mutant, slot: Slot) -> FunctionType:
    """Return the library's function with a mistake in it."""
    function = define(mutant.written(source_of(plain(slot.reference))), mutant.function, vars(slot.module))
    if slot.owner is not None:
        join_class(function, slot.owner)
    return function


def failing(slot: Slot, checks: Sequence[Check], function: Callable[..., Any]) -> frozenset[str]:
    """Return the names of all checks that a version fails."""
    slot.current = function
    found = set()
    for check in checks:
        try:
            with quiet(), time_limit(LONGEST):
                check.run(Sizes(), 0)
        except BaseException:  # also SystemExit, and TooSlow
            found.add(check.name)
    return frozenset(found)


def wrong_call(exercise: Exercise, slot: Slot, tape: Tape, check: str) -> str:
    """Return the first call of a check that the function answers otherwise than the library, in words."""
    mine = Tape([call for call in tape.calls if call.check == check])
    expected = play(slot, mine, slot.reference)
    got = play(slot, mine, slot.written)
    for call, one, other in zip(mine.calls, expected, got, strict=True):
        if not same(other, one, one):
            return tell_call(exercise.name, slot.reference, call, one, other)
    return ""
