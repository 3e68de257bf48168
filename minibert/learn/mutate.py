"""Make a mistake on purpose, for a moment, to see it caught.

`mutants/STEM.toml` lists for each function what people write in place of the right thing.
"""

import importlib
import inspect
import textwrap
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

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
        """The stem whose checks must catch it."""
        return self.function.partition(":")[0].rpartition(".")[2]

    def find(self) -> Callable[..., object]:
        """Return the function as it is imported."""
        module, _, name = self.function.partition(":")
        return getattr(importlib.import_module(module), name)

    @contextmanager
    def made(self) -> Iterator[None]:
        """Put the mistake into the function, for everyone who has imported it, and take it out again.

        Raises ValueError when `old` does not stand exactly once in the function.
        """
        function = self.find()
        source = textwrap.dedent(inspect.getsource(function))
        times = source.count(self.old)
        if times != 1:
            raise ValueError(
                f"{self.function}: {self.old!r} must stand in it exactly once, stands {times} times"
            )
        namespace = dict(function.__globals__)
        exec(compile(source.replace(self.old, self.new), f"<{self.name}>", "exec"), namespace)
        wrong = namespace[function.__name__]
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


def mutants() -> list[Mutant]:
    """Return the mutants of all stems."""
    found = []
    for path in sorted(FOLDER.glob("*.toml")):
        for entry in tomllib.loads(path.read_text(encoding="utf-8"))["mutant"]:
            found.append(Mutant(**entry))
    return found
