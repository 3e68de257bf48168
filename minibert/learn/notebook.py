"""What chapters show: the library's own source, as it is."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import minibert


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
