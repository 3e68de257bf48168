"""Labelled texts become batches: rows of like length together, padded to the longest of the batch."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from minibert.batches.batch import IGNORE
from minibert.batches.sampling import Bits, examples_at, random_bits

Ints = NDArray[np.int64]

POOL = 32
"""Batches whose rows are sorted by length together; fewer where these would be much of an epoch."""

ORDER, CHANGES = 41, 42
"""The streams of random bits that order the batches of a pool, and that augmentation draws from."""


@dataclass(frozen=True)
class Ragged:
    """Rows of different length, one behind the other."""

    values: NDArray
    """(sum of the lengths,), or with further axes."""
    starts: Ints
    """(R + 1,): row r is values[starts[r] : starts[r + 1]]."""

    @classmethod
    def of(cls, rows: Sequence[Sequence[int]]) -> "Ragged":
        """Join rows of whole numbers."""
        lengths = [len(row) for row in rows]
        values = np.fromiter((value for row in rows for value in row), np.int64, sum(lengths))
        return cls(values, np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]))

    def __len__(self) -> int:
        """R."""
        return len(self.starts) - 1

    @property
    def lengths(self) -> Ints:
        """(R,)"""
        return np.diff(self.starts)

    def padded(self, rows: Ints, fill: int) -> NDArray:
        """Return some rows (B,) as (B, T), T the longest of them, filled up with `fill` on the right.

        Further axes of the values stay behind these two.
        """
        starts, lengths = self.starts[rows], self.lengths[rows]
        place = np.arange(lengths.max(initial=0))
        inside = place < lengths[:, None]  # (B, T)
        values = self.values[np.where(inside, starts[:, None] + place, 0)]
        values[~inside] = fill
        return values


@dataclass(frozen=True)
class Encoded:
    """Labelled texts as the model reads them; one that is longer than the model may become several rows."""

    ids: Ragged
    """Token ids of each row, with the special tokens."""
    seconds: Ints
    """(R,) the place in each row where its second text begins; its length where there is none."""
    targets: Ragged | NDArray
    """What the loss is asked for: (R,) or (R, ...), or for tags Ragged like `ids`. IGNORE does not count."""
    texts: Ints
    """(R,) the number of the text that each row belongs to, ascending."""

    def __post_init__(self) -> None:
        R = len(self.ids)
        for name in ("seconds", "targets", "texts"):
            count = len(getattr(self, name))
            if count != R:
                raise ValueError(f"{name} must be those of {R} rows, got {count}")

    def __len__(self) -> int:
        """R, rows."""
        return len(self.ids)


@dataclass(frozen=True)
class LabelledBatch:
    """Some rows, padded on the right to the longest of them."""

    ids: Tensor
    """(B, T) int64."""
    segments: Tensor
    """(B, T) int64, 1 from the second text on, 0 before it and on padding."""
    attend: Tensor | None
    """(B, T) bool, False on padding; None when there is no padding."""
    targets: Tensor
    """(B,), (B, ...), or (B, T) for tags: then IGNORE on padding."""
    rows: Tensor
    """(B,) int64, which rows they are."""

    def counts(self) -> dict[str, int]:
        """Return of how many predictions the loss is the mean."""
        if self.targets.is_floating_point():
            return {"loss": len(self.rows)}
        return {"loss": int((self.targets != IGNORE).sum())}

    def to(self, device: torch.device) -> "LabelledBatch":
        """Return the batch on `device`."""
        moved = {}
        for field in fields(self):
            value = getattr(self, field.name)
            moved[field.name] = None if value is None else value.to(device, non_blocking=True)
        return replace(self, **moved)

    def logits(self, model: Any) -> Tensor:
        """Return the logits of a task model for these rows."""
        return model(self.ids, self.segments, self.attend)


def batch_of(encoded: Encoded, rows: Ints, pad_id: int) -> LabelledBatch:
    """Return some rows (B,) as a batch."""
    ids = encoded.ids.padded(rows, pad_id)  # (B, T)
    place = np.arange(ids.shape[1])
    inside = place < encoded.ids.lengths[rows][:, None]
    segments = (inside & (place >= encoded.seconds[rows][:, None])).astype(np.int64)
    targets = encoded.targets
    asked = targets.padded(rows, IGNORE) if isinstance(targets, Ragged) else targets[rows]
    return LabelledBatch(
        ids=torch.from_numpy(ids),
        segments=torch.from_numpy(segments),
        attend=None if inside.all() else torch.from_numpy(inside),
        targets=torch.from_numpy(asked),
        rows=torch.from_numpy(rows),
    )


@dataclass(frozen=True)
class LabelledBatches:
    """The batches of fine-tuning: `batches(step)` is a pure function.

    Every row comes once in an epoch. Batches hold rows of like length: those of up to POOL batches are drawn,
    sorted by length, and cut into batches, whose order is drawn again.

    Raises ValueError where there are no rows.
    """

    encoded: Encoded
    pad_id: int
    batch_size: int
    """B."""
    seed: int = 0
    augment: Callable[[Ints, Bits], Encoded] | None = None
    """Rows (B,) and random bits (B,) of each in this epoch -> the same rows, changed: see `augmenting`."""

    def __post_init__(self) -> None:
        if not len(self.encoded):
            raise ValueError("there are no labelled texts to learn from")

    def __len__(self) -> int:
        """Rows in an epoch."""
        return len(self.encoded)

    @property
    def pool(self) -> int:
        """Batches that are sorted together: at most a quarter of an epoch, else its rows would meet again."""
        return max(1, min(POOL, len(self) // (4 * self.batch_size)))

    def drawn(self, step: int) -> tuple[Ints, Ints]:
        """Return the epochs (B,) and the rows (B,) of the batch of a step, counted from 0."""
        B, (number, place) = self.batch_size, divmod(step, self.pool)
        epochs, rows = examples_at(number * self.pool * B, self.pool * B, len(self), self.seed)
        like = np.argsort(self.encoded.ids.lengths[rows], kind="stable").reshape(self.pool, B)
        order = np.argsort(random_bits(self.seed, ORDER, number, np.arange(self.pool)))
        chosen = like[order[place]]
        return epochs[chosen], rows[chosen]

    def __call__(self, step: int, first: int = 0, count: int | None = None) -> LabelledBatch:
        """Return the batch of a step; or `count` of its rows, the first of them `first`."""
        count = self.batch_size - first if count is None else count
        epochs, rows = (part[first : first + count] for part in self.drawn(step))
        if self.augment is None:
            return self.of(rows)
        changed = self.augment(rows, random_bits(self.seed, CHANGES, epochs, rows))
        return replace(batch_of(changed, np.arange(count), self.pad_id), rows=torch.from_numpy(rows))

    def of(self, rows: Ints) -> LabelledBatch:
        """Return some rows (B,), as they are, as a batch."""
        return batch_of(self.encoded, rows, self.pad_id)

    def in_order(self, tokens: int) -> Iterator[LabelledBatch]:
        """Yield all rows once, the longest first, in batches of at most `tokens` with the padding."""
        lengths = self.encoded.ids.lengths
        order, start = np.argsort(-lengths, kind="stable"), 0
        while start < len(order):
            count = max(1, tokens // int(lengths[order[start]]))
            yield self.of(order[start : start + count])
            start += count
