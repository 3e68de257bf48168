"""The split of a data card: which of its texts are for validation and for the test, known by hash alone."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from minibert.config import require

DIGITS = 8
"""First hex digits of a text's key by which a split knows it."""


@dataclass(frozen=True)
class Split:
    """The texts that are held out, each by the first digits of its key; all others are learned from.

    The key of a text is the sha256 of the text in lower case and with single spaces, in hex.
    """

    validation: frozenset[str]
    test: frozenset[str]

    @classmethod
    def of(cls, keys: Sequence[str], sides: Sequence[str]) -> "Split":
        """Write down on which side each key is.

        Raises ValueError where a text that is learned from, or one on the other side, has the same digits.
        """
        held_out = {
            side: frozenset(key[:DIGITS] for key, its in zip(keys, sides, strict=True) if its == side)
            for side in ("validation", "test")
        }
        split = cls(**held_out)
        unlike = [key for key, side in zip(keys, sides, strict=True) if split.side(key) != side]
        require(not unlike, f"{DIGITS} digits do not tell {len(unlike)} keys apart, as {''.join(unlike[:1])}")
        return split

    def side(self, key: str) -> Literal["train", "validation", "test"]:
        """Return the side of a text, by its key."""
        digits = key[:DIGITS]
        return "test" if digits in self.test else "validation" if digits in self.validation else "train"

    @property
    def fingerprint(self) -> str:
        """sha256 that changes with the side of any text."""
        return hashlib.sha256(self.written("").encode()).hexdigest()

    def written(self, head: str) -> str:
        """Return the split as `read` reads it, below a head of comments."""
        lines = [f"# {line}" for line in head.splitlines()]
        lines += ["validation", *sorted(self.validation), "test", *sorted(self.test)]
        return "\n".join(lines) + "\n"

    @classmethod
    def read(cls, path: Path) -> "Split":
        """Read what was written: `validation`, its texts line by line, `test`, and its texts.

        Raises ValueError, naming the file, for another form.
        """
        lines = path.read_text(encoding="utf-8").splitlines()
        words = [line for line in lines if not line.startswith("#")]
        require(
            words[:1] == ["validation"] and words.count("test") == 1,
            f"{path} is no split: expected `validation`, its texts, `test`, and its texts",
        )
        middle = words.index("test")
        return cls(frozenset(words[1:middle]), frozenset(words[middle + 1 :]))
