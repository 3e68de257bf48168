"""One text or two -> a row of tokens; a long one is cut, or laid out in windows that overlap."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from minibert.config import require
from minibert.text.base_tokenizer import BaseTokenizer

LongTexts = Literal["cut", "windows"]

OVERLAP = 4
"""One part in so many of a window is in the window before it, too."""


class Row(NamedTuple):
    """Tokens as a model reads them."""

    ids: list[int]
    second: int
    """Where the second text begins; the length of the row where there is none."""


@dataclass(frozen=True)
class RowMaker:
    """Lays texts out: [CLS] A [SEP], or [CLS] A [SEP] B [SEP], as Devlin et al. 2019; for a causal model A
    and the token that ends a text, and B and that token.

    Raises ValueError for rows with no room for a token of each text.
    """

    tokenizer: BaseTokenizer
    max_tokens: int
    """Longest row, with the special tokens."""
    long_texts: LongTexts = "cut"

    def __post_init__(self) -> None:
        require(self.max_tokens >= 5, f"--max-tokens must be at least 5, got {self.max_tokens}")

    @property
    def begin(self) -> list[int]:
        """What stands before a text."""
        return [self.tokenizer.cls_id] if "[CLS]" in self.tokenizer.specials else []

    @property
    def end(self) -> int:
        """What stands behind a text."""
        has = "[SEP]" in self.tokenizer.specials
        return self.tokenizer.sep_id if has else self.tokenizer.end_id

    def room(self, pair: bool) -> int:
        """Return how many tokens of texts a row has room for."""
        return self.max_tokens - len(self.begin) - (2 if pair else 1)

    def rows(self, text: Sequence[int], pair: Sequence[int] | None = None) -> Iterator[Row]:
        """Yield the row of a text, or its rows.

        What is too long is cut: of two texts the longer one first, until both are equally long. Or the first
        text is read in windows; the second one stands in each of them, cut to half of the room.
        """
        if self.long_texts == "windows":
            room = self.room(pair is not None)
            second = None if pair is None else pair[: room // 2]
            for start, stop in windows(len(text), room - len(second or ())):
                yield self._row(text[start:stop], second)
        elif pair is None:
            yield self._row(text[: self.room(False)], None)
        else:
            first, second = longest_first(len(text), len(pair), self.room(True))
            yield self._row(text[:first], pair[:second])

    def is_long(self, text: Sequence[int], pair: Sequence[int] | None = None) -> bool:
        """Whether texts have more tokens than a row has room for."""
        return len(text) + len(pair or ()) > self.room(pair is not None)

    def _row(self, text: Sequence[int], pair: Sequence[int] | None) -> Row:
        ids = [*self.begin, *text, self.end]
        return Row([*ids, *([] if pair is None else [*pair, self.end])], len(ids))


def longest_first(first: int, second: int, room: int) -> tuple[int, int]:
    """Return how many tokens to keep of two texts: from the longer one is taken first.

    Where both are cut they share the room; an odd token goes to the text that was longer, to the second of
    equals. As `transformers` has it under the same name.
    """
    if first > second:
        second, first = longest_first(second, first, room)
        return first, second
    if first + second <= room:
        return first, second
    first = min(first, room // 2)
    return first, room - first


def windows(length: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield (start, stop) of windows over a text: as few as can be, of one size, at equal distances.

    Each shares at least a quarter of its tokens with the one before, and the last one ends with the text.
    """
    stride = max(1, size - size // OVERLAP)
    gaps = max(0, -(-(length - size) // stride))  # windows behind the first
    for number in range(gaps + 1):
        start = number * (length - size) // max(gaps, 1) if gaps else 0
        yield start, min(start + size, length)
