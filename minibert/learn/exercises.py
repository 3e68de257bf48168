"""The exercises: which function of the library the learner writes, and what helps on the way.

`exercises/*.toml` lists them, one file for each chapter and kind. An exercise blanks one function; the checks
that judge it are those of `minibert.learn.checks`, its named mistakes those of `mutants/`.
"""

import difflib
import tomllib
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path, PurePath

from minibert.learn.mutate import Mutant, checks_stem, mutants

FOLDER = Path(__file__).parent / "exercises"

JUDGES = "minibert.learn.judges"
"""The module of the functions that are tests themselves."""


@dataclass(frozen=True)
class Exercise:
    """One function to write."""

    id: str
    """Its name in the whole course: "softmax_backward"."""
    function: str
    """What is blanked: "minibert.byhand.loss:mse_backward", or "minibert.model.block:Block.forward"."""
    title: str
    chapter: str
    """Where it is taught: "04_attention"."""
    section: str
    """A heading of that chapter; "" where it is still to be written."""
    minutes: int
    """For somebody who has read the section."""
    difficulty: int
    """1, a line or two, to 5."""
    task: str
    """What to write, with all that the docstring does not say."""
    hints: tuple[str, ...]
    """Three, of growing clarity."""
    needs: tuple[str, ...] = ()
    """Exercises that are better done before; each stands alone all the same."""
    checks: tuple[str, ...] = ()
    """Modules of `minibert.learn.checks`, where it is not the one of the function's own module."""
    random: bool = False
    """The function draws random numbers in any order, or works on files: it is known by the checks that it
    fails, not by what it returns."""
    of: str = ""
    """For a judge, the function that it tests."""
    kills: tuple[str, ...] = ()
    """For a judge, the mistakes that it must see, each by a part of its name."""
    right: tuple[str, ...] = ()
    """For a judge, right versions of the function, written otherwise, that it must let pass."""

    @property
    def path(self) -> PurePath:
        """The learner's file, within the learner's folder."""
        return PurePath(self.chapter, f"{self.id}.py")

    @property
    def name(self) -> str:
        """The function's name, "softmax_backward" or "Block.forward"."""
        return self.function.partition(":")[2]

    @property
    def module(self) -> str:
        """The function's module."""
        return self.function.partition(":")[0]

    @property
    def judge(self) -> bool:
        """Whether the learner writes the test."""
        return bool(self.of)

    @property
    def needs_torch(self) -> bool:
        """Whether the function, or the one that it judges, works on tensors."""
        return (self.of or self.function).startswith(("minibert.model.", "minibert.train.", "minibert.hub."))

    @property
    def check_stems(self) -> tuple[str, ...]:
        """The modules of `minibert.learn.checks` that judge it; none for a judge."""
        return () if self.judge else self.checks or (checks_stem(self.function),)

    def mistakes(self) -> list[Mutant]:
        """Return the mistakes that are known by name."""
        return [mutant for mutant in mutants() if mutant.function == self.function]

    def to_kill(self) -> list[Mutant]:
        """Return the wrong functions that a judge must see.

        Raises ValueError unless each entry of `kills` is a part of the name of exactly one mistake.
        """
        known = [mutant for mutant in mutants() if mutant.function == self.of]
        found = []
        for words in self.kills:
            fitting = [mutant for mutant in known if words in mutant.name]
            if len(fitting) != 1:
                raise ValueError(f"{self.id}: {len(fitting)} mistakes of {self.of} are called {words!r}")
            found += fitting
        return found


@cache
def exercises() -> tuple[Exercise, ...]:
    """Return all exercises, in the order of the course.

    Raises ValueError for an entry that is not complete, and for an id that stands twice.
    """
    found: dict[str, Exercise] = {}
    for path in sorted(FOLDER.glob("*.toml")):
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        for entry in content["exercise"]:
            exercise = read_entry(entry | {"chapter": content["chapter"]}, path.name)
            if exercise.id in found:
                raise ValueError(f"{path.name}: {exercise.id} stands twice")
            found[exercise.id] = exercise
    return tuple(found.values())


def read_entry(entry: dict[str, object], where: str) -> Exercise:
    """Return the exercise of an entry; ValueError for one that lacks something or has too much."""
    frozen = {name: tuple(value) if isinstance(value, list) else value for name, value in entry.items()}
    known = {field.name for field in fields(Exercise)}
    try:
        exercise = Exercise(**frozen)  # pyright: ignore[reportArgumentType]
    except TypeError as error:
        odd = sorted(set(entry) - known)
        what = f"has {', '.join(odd)}, which no exercise has" if odd else str(error)
        raise ValueError(f"{where}: {entry.get('id', 'an exercise without id')} {what}") from error
    if len(exercise.hints) != 3:
        raise ValueError(f"{where}: {exercise.id} has {len(exercise.hints)} hints, expected 3")
    return exercise


def find_exercise(word: str) -> Exercise:
    """Return the exercise of an id, of the beginning of one, or of the path of a learner's file.

    Raises ValueError with what is nearest.
    """
    known = {exercise.id: exercise for exercise in exercises()}
    word = PurePath(word).stem if word.endswith(".py") else word
    beginning = [name for name in known if name.startswith(word)] if word else []
    if word in known:
        return known[word]
    if len(beginning) == 1:
        return known[beginning[0]]
    if beginning:
        raise ValueError(f"{word!r} begins several exercises: {', '.join(beginning)}")
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    guess = f"; did you mean {near[0]}?" if near else ""
    raise ValueError(f"there is no exercise {word!r}{guess}")
