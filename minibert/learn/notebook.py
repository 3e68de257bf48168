"""What chapters show: the library's own source, as it is; and what the checks say to mistakes in it."""

import importlib
import inspect
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import minibert
from minibert.learn.mutate import Mutant, mutants
from minibert.learn.proof import checks_of
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


def source_of(thing: Callable[..., Any]) -> str:
    """Return the source of a function or a class as Markdown."""
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
