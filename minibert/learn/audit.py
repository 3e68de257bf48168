"""Hold the exercises to what they promise: every stub fails, every solution passes, every mistake is named.

Two mistakes of a function that give the same numbers show here too: then neither has a name of its own.
"""

import sys
import textwrap
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from minibert.learn.examine import Request, examine_many
from minibert.learn.exercises import Exercise, exercises, find_exercise
from minibert.learn.mutate import Mutant
from minibert.learn.stubs import body_of, compose, solution, stub
from minibert.learn.trial import Verdict

LIMIT = 10.0
"""Seconds for the checks of one version."""


@dataclass(frozen=True)
class Version:
    """A version of an exercise's function, and what must come of it."""

    exercise: Exercise
    text: str
    status: str
    """"unwritten" or "passed"; "" for anything but these two."""
    mistake: str = ""

    @property
    def what(self) -> str:
        """What it is, in words."""
        return {"unwritten": "the stub", "passed": "the solution"}.get(self.status, self.mistake)

    def complaint(self, verdict: Verdict) -> str:
        """Return what is wrong with a verdict on it, or ""."""
        got = verdict.status
        if got != self.status if self.status else got in ("unwritten", "passed"):
            said = " ".join(filter(None, (verdict.message, verdict.place, verdict.line)))
            return f"{self.what}: expected to be {self.status or 'caught'}, was {got} {said}"
        if verdict.mistake != self.mistake:
            return f"{self.what}: caught, but named {verdict.mistake or 'nothing'}"
        return ""


@dataclass(frozen=True)
class Finding:
    """What the audit found about an exercise."""

    exercise: Exercise
    mistakes: int
    complaints: tuple[str, ...]
    seconds: float
    """Of work, in all its versions."""


def versions(exercise: Exercise) -> list[Version]:
    """Return the stub, the solution, and every mistake.

    Raises ValueError for a mistake that does not fit the function.
    """
    found = [
        Version(exercise, stub(exercise), "unwritten"),
        Version(exercise, solution(exercise), "passed"),
    ]
    for mutant in exercise.mistakes():
        found.append(Version(exercise, with_mistake(exercise, mutant), "", mutant.name))
    return found


def with_mistake(exercise: Exercise, mutant: Mutant) -> str:
    """Return the learner's file of somebody who makes this mistake."""
    body = body_of(exercise, keep=True)
    indent = body[: len(body) - len(body.lstrip())]
    return compose(exercise, textwrap.indent(mutant.written(textwrap.dedent(body)), indent))


def audit(some: Sequence[Exercise], workers: int = 2) -> Iterator[Finding]:
    """Try all versions of some exercises, so many at once; yield what is found about each, in order.

    Raises ValueError for a mistake that does not fit its function.
    """
    tried = [versions(exercise) for exercise in some]
    requests = [
        Request(version.exercise.id, version.text, f"{version.exercise.id}.py", limit=LIMIT)
        for group in tried
        for version in group
    ]
    verdicts = examine_many(requests, workers)
    for exercise, group in zip(some, tried, strict=True):
        pairs = [(version, next(verdicts)) for version in group]
        complaints = [version.complaint(verdict) for version, verdict in pairs]
        seconds = sum(verdict.seconds for _, verdict in pairs)
        yield Finding(exercise, len(group) - 2, tuple(filter(None, complaints)), seconds)


def main(words: Sequence[str]) -> None:
    """Audit the exercises that are named, or all; print what is found, and leave with 1 if anything is.

    Raises ValueError for a word that names no exercise.
    """
    begin = time.monotonic()
    some = [find_exercise(word) for word in words] or exercises()
    mistakes = complaints = 0
    for finding in audit(some):
        complaints += len(finding.complaints)
        mistakes += finding.mistakes
        sign = "✗" if finding.complaints else "✓"
        print(
            f"{sign} {finding.exercise.id:32} {finding.mistakes:3} mistakes {finding.seconds:6.1f} s",
            flush=True,
        )
        for complaint in finding.complaints:
            print(textwrap.indent(complaint, "    "), flush=True)
    print(f"\n{len(some)} exercises with {mistakes} mistakes in {time.monotonic() - begin:.0f} s: ", end="")
    if complaints:
        print(f"{complaints} complaints, see above.")
        raise SystemExit(1)
    print("every stub fails, every solution passes,\nevery mistake is caught and named.")


if __name__ == "__main__":
    main(sys.argv[1:])
