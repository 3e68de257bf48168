"""What notebooks show: the library's own source, what the checks say to mistakes in it, and exercises."""

import difflib
import importlib
import inspect
import tempfile
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import minibert
from minibert.learn.examine import examine
from minibert.learn.exercises import Exercise, exercises, find_exercise
from minibert.learn.gather import gather
from minibert.learn.mutate import Mutant, mutants
from minibert.learn.proof import checks_of
from minibert.learn.say import say
from minibert.learn.sizes import Sizes


class Source:
    """Source code that a notebook shows as Markdown, in colour, and everything else as it is written."""

    def __init__(self, markdown: str) -> None:
        self.markdown = markdown

    def _repr_markdown_(self) -> str:
        return self.markdown

    def __repr__(self) -> str:
        return self.markdown


def show(*things: Callable[..., Any]) -> Source:
    """Show the source of functions or classes in a notebook, under the file and the line where it stands."""
    return Source("\n\n".join(source_of(thing) for thing in things))


def exercise(name: str) -> Source:
    """Show an exercise in a chapter: what to write, the command that checks it, and hints that unfold."""
    found = find_exercise(name)
    stars = "●" * found.difficulty + "○" * (5 - found.difficulty)
    parts = [
        f"**{found.title}** · {stars} · about {found.minutes} minutes",
        found.task.strip(),
        f"Your file is `{found.path.as_posix()}`. Check it in a terminal:",
        f"```\nminibert learn check {found.id}\n```",
    ]
    for number, hint in enumerate(found.hints, start=1):
        unfolds = f"<details><summary>Hint {number} of {len(found.hints)}</summary>"
        parts.append(f"{unfolds}\n\n{hint.strip()}\n\n</details>")
    return Source("\n\n".join(parts))


def check(function: Callable[..., Any], name: str = "") -> None:
    """Check a function of a notebook as an exercise, and print the verdict.

    Args:
        function: a function, or a method of a class ("MyClass.method" is found by the name of the class). All
            that it uses of the notebook goes along: helpers, constants, imports.
        name: the exercise, where several have a function of this name.

    Raises:
        ValueError: no exercise has a function of this name, or it cannot be taken out of the notebook.
    """
    found = find_exercise(name) if name else exercise_of(function)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"{found.id}.py")
        path.write_text(gather(function), encoding="utf-8")
        print(say(found, examine(found, path)))


def exercise_of(function: Callable[..., Any]) -> Exercise:
    """Return the exercise whose function has this name.

    Raises ValueError where there is none, or several.
    """
    name = function.__qualname__.rpartition("<locals>.")[2]
    fitting = [exercise for exercise in exercises() if exercise.name == name]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        ids = " or ".join(f"check({name}, {exercise.id!r})" for exercise in fitting)
        raise ValueError(f"several exercises have a function {name}: write {ids}")
    near = difflib.get_close_matches(name, [exercise.name for exercise in exercises()], n=1)
    guess = f"; did you mean {near[0]}?" if near else ""
    raise ValueError(f"no exercise has a function {name}{guess}")


def source_of(thing: Callable[..., Any]) -> str:
    """Return the source of a function or a class as Markdown, with its decorators."""
    thing = inspect.unwrap(thing)  # else the file is that of the decorator
    lines, first = inspect.getsourcelines(thing)
    path = Path(inspect.getsourcefile(thing) or "").relative_to(Path(minibert.__file__).parent.parent)
    return f"`{path.as_posix()}`, line {first}:\n\n```python\n{''.join(lines).rstrip()}\n```"


def break_on_purpose(stem: str, *names: str) -> None:
    """Make mistakes of `learn/mutants/STEM.toml`, and print what the first check says that sees each.

    Args:
        stem: whose mistakes; those of its functions by hand.
        names: a part of the name of each.

    Raises ValueError for a name that no mistake has; AssertionError for a mistake that no check sees.
    """
    known = [mutant for mutant in mutants() if mutant.function.startswith(f"minibert.byhand.{stem}:")]
    for name in names:
        if not any(name in mutant.name for mutant in known):
            raise ValueError(f"no mistake of {stem} is called {name!r}")
    for mutant in known:
        if any(name in mutant.name for name in names):
            said = textwrap.indent(textwrap.fill(first_objection(mutant), 96), "    ")
            print(f"{mutant.function.partition(':')[2]}: {mutant.name}\n{said}\n")


def first_objection(mutant: Mutant) -> str:
    """Make a mistake and return the first line of what the first check that sees it says, torch left out.

    Raises AssertionError when no check sees it.
    """
    checks = checks_of(importlib.import_module(f"minibert.learn.checks.{mutant.stem}"))
    with mutant.made(), np.errstate(all="ignore"):
        for check in checks:
            try:
                if not check.needs_torch:
                    check.run(Sizes(), 0)
            except (AssertionError, ValueError) as seen:
                return str(seen).splitlines()[0]
    raise AssertionError(f"no check sees it: {mutant.name}")
