"""Settings as values: what is wrong with one, and which was meant."""

import difflib
from collections.abc import Sequence
from dataclasses import fields
from typing import Any, TypeVar

Config = TypeVar("Config")


def suggest(word: str, known: Sequence[str]) -> str:
    """Return " Did you mean 'X'?" for the known word nearest to `word`, or nothing."""
    close = difflib.get_close_matches(word, known, n=1)
    return f" Did you mean {close[0]!r}?" if close else ""


def from_dict(cls: type[Config], values: dict[str, Any]) -> Config:
    """Build the dataclass `cls` from a dictionary.

    Raises ValueError for a key that `cls` does not have, with the nearest one it has.
    """
    known = [field.name for field in fields(cls)]  # pyright: ignore[reportArgumentType]
    for key in values:
        if key not in known:
            raise ValueError(
                f"{cls.__name__} has no setting {key!r}.{suggest(key, known)} It has: {', '.join(known)}"
            )
    return cls(**values)


def require(condition: bool, message: str) -> None:
    """Raise ValueError with `message` unless `condition` holds."""
    if not condition:
        raise ValueError(message)
