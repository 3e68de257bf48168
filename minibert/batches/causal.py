"""Batches for causal models: blocks of the running text, and for each token the one that follows it."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from minibert.batches.sampling import examples_at, integers, random_bits
from minibert.text.store import Store

PHASE = 21
"""The stream of random numbers that says where the first block of an epoch begins."""

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class CausalBatch:
    """One batch for a causal model; the shapes are the same for every batch of a run."""

    ids: Tensor
    """(B, T) int64, token ids."""
    targets: Tensor
    """(B, T) int64: targets[b, t] follows ids[b, t] in the text. Here they are shifted, and nowhere else."""

    def counts(self) -> dict[str, int]:
        """Return of how many predictions each part of the loss is the mean."""
        return {"word_loss": self.targets.numel()}

    def to(self, device: torch.device) -> "CausalBatch":
        """Return the batch on `device`."""
        return CausalBatch(self.ids.to(device, non_blocking=True), self.targets.to(device, non_blocking=True))


def block_starts(epochs: Ints, numbers: Ints, T: int, n: int, seed: int) -> Ints:
    """Return where in the text blocks begin.

        start = (phase of the epoch + number T) modulo n

    The text is a ring: its first token follows its last. An epoch is n // T blocks, one right behind the
    other; where the first of them begins is drawn anew for each epoch, from all n places. So every token is
    predicted once an epoch, but for the n % T that make no whole block, which are others each time. And no
    token stands in every epoch at the front of a block, where there is little to tell it from.

    Args:
        epochs: (B,), counted from 0.
        numbers: (B,), which block of its epoch each one is, in [0, n // T).
        T: tokens of a block.
        n: tokens of the text.
        seed: the run's seed. The phase of an epoch is integers(n, random_bits(seed, epoch), PHASE).

    Returns:
        (B,) int64, in [0, n).
    """
    phases = integers(n, random_bits(seed, epochs), PHASE)
    return (phases + numbers * T) % n


def cut_blocks(ids: NDArray[np.integer], starts: Ints, T: int) -> tuple[Ints, Ints]:
    """Return blocks of the text, and the tokens to predict: the same, one place further on.

        inputs[b, t]  = ids[(starts[b] + t) modulo n]
        targets[b, t] = ids[(starts[b] + t + 1) modulo n]

    So the target of the last token is the first one behind the block.

    Args:
        ids: (n,), the text, of any integer type.
        starts: (B,), where the blocks begin, in [0, n).
        T: tokens of a block.

    Returns:
        inputs (B, T) and targets (B, T), int64.
    """
    places = starts[:, None] + np.arange(T + 1)  # (B, T + 1)
    rows = ids[places % len(ids)].astype(np.int64)
    return rows[:, :-1], rows[:, 1:]


@dataclass(frozen=True)
class CausalBatches:
    """The batches that a causal model is trained on: `batches(step)` is a pure function.

    The text is the store's, all documents one after the other: each must end with the end token (as in a
    running store, see `minibert.text.store`), so that the model learns where a text ends. A block goes across
    the ends of documents: it is always full, and nothing is padded.

    Raises ValueError when the text is shorter than a block and the token behind it.
    """

    store: Store
    batch_size: int
    """B."""
    seq_len: int
    """T."""
    seed: int = 0

    def __post_init__(self) -> None:
        n, T = len(self.store.ids), self.seq_len
        if n < T + 1:
            raise ValueError(
                f"a block of {T} tokens and the one behind it need {T + 1}, and the text has {n}: give a "
                "longer text, or a smaller --seq-len"
            )

    def __len__(self) -> int:
        """Blocks in an epoch, the same in every one."""
        return len(self.store.ids) // self.seq_len

    def __call__(self, step: int, first: int = 0, count: int | None = None) -> CausalBatch:
        """Return the batch of the step, counted from 0; or `count` of its rows, the first of them `first`."""
        count = self.batch_size - first if count is None else count
        return self.examples(step * self.batch_size + first, count)

    def examples(self, first: int, count: int) -> CausalBatch:
        """Return the run's examples first, ..., first + count - 1 as one batch."""
        epochs, numbers = examples_at(first, count, len(self), self.seed)
        starts = block_starts(epochs, numbers, self.seq_len, len(self.store.ids), self.seed)
        ids, targets = cut_blocks(self.store.ids, starts, self.seq_len)
        return CausalBatch(
            torch.from_numpy(np.ascontiguousarray(ids)), torch.from_numpy(np.ascontiguousarray(targets))
        )
