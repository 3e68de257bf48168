"""Make a mistake on purpose, for a moment, to see it caught.

`mutants/STEM.toml` lists for each function what people write in place of the right thing.
"""

import importlib
import inspect
import textwrap
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from types import FunctionType
from typing import Any

FOLDER = Path(__file__).parent / "mutants"


@dataclass(frozen=True)
class Mutant:
    """A wrong version of a function."""

    function: str
    """What is changed: "minibert.byhand.attention:attention_forward"."""
    name: str
    """The mistake in words, as it is told to the one who made it."""
    old: str
    """What stands in the function, exactly once."""
    new: str
    """What is written in its place."""

    @property
    def stem(self) -> str:
        """The module of `minibert.learn.checks` that must catch it."""
        return checks_stem(self.function)

    def find(self) -> FunctionType:
        """Return the function as it is defined, without its decorators."""
        return find_function(self.function)

    def written(self, source: str) -> str:
        """Return the source of the function with the mistake in it.

        Raises ValueError when `old` does not stand exactly once in it.
        """
        times = source.count(self.old)
        if times != 1:
            raise ValueError(
                f"{self.function}: {self.old!r} must stand in it exactly once, stands {times} times"
            )
        return source.replace(self.old, self.new)

    @contextmanager
    def made(self) -> Iterator[None]:
        """Put the mistake into the function, for everyone who has imported it, and take it out again."""
        function = self.find()
        wrong = define(self.written(source_of(function)), self.function, function.__globals__)
        kept = function.__code__, function.__defaults__, function.__kwdefaults__
        function.__code__, function.__defaults__, function.__kwdefaults__ = (
            wrong.__code__,
            wrong.__defaults__,
            wrong.__kwdefaults__,
        )
        try:
            yield
        finally:
            function.__code__, function.__defaults__, function.__kwdefaults__ = kept


def checks_stem(function: str) -> str:
    """Return the stem of the checks of a function: "minibert.model.block:Block.forward" -> "model_block"."""
    package, stem = function.partition(":")[0].split(".")[-2:]
    return f"{package}_{stem}" if package in ("model", "train", "hub") else stem


def find_function(function: str) -> FunctionType:
    """Return a function or a method by its name, "minibert.model.block:Block.forward", without decorators."""
    module, _, names = function.partition(":")
    found: Any = importlib.import_module(module)
    for name in names.split("."):
        found = vars(found)[name]
    return plain(found)


def source_of(function: FunctionType) -> str:
    """Return the source of a function, as if it stood alone."""
    return textwrap.dedent(inspect.getsource(function))


def define(source: str, function: str, namespace: Mapping[str, object]) -> FunctionType:
    """Return the function or the method that its source defines, without its decorators."""
    return plain(definition(source, function, namespace))


def definition(source: str, function: str, namespace: Mapping[str, object]) -> Any:
    """Return what the source of a function or a method defines, with its decorators.

    A method is defined inside a class of its own name, so that its `super()` finds a class to begin with.
    """
    found: dict[str, Any] = dict(namespace)
    *classes, name = function.partition(":")[2].split(".")
    for around in reversed(classes):
        source = f"class {around}:\n" + textwrap.indent(source, "    ")
    exec(compile(source, f"<{name}>", "exec"), found)
    for around in classes:
        found = vars(found[around])
    return found[name]


def plain(function: Any) -> FunctionType:
    """Return the function under its decorators."""
    function = function.fget if isinstance(function, property) else function
    return inspect.unwrap(getattr(function, "__func__", function))


def bare(function: Any) -> Callable[..., Any]:
    """Return what is called in the end, with its decorators but without `property` and its like."""
    if isinstance(function, property):
        return function.fget or function.__get__
    if isinstance(function, cached_property):
        return function.func
    return function.__func__ if isinstance(function, (staticmethod, classmethod)) else function


@cache
def mutants() -> tuple[Mutant, ...]:
    """Return the mutants of all stems."""
    found = []
    for path in sorted(FOLDER.glob("*.toml")):
        for entry in tomllib.loads(path.read_text(encoding="utf-8"))["mutant"]:
            found.append(Mutant(**entry))
    return tuple(found)
