"""Batches for causal models: pure functions of the seed, the epoch and the block's number."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from minibert.batches.blocks import block_starts, cut_blocks
from minibert.batches.sampling import permutation
from minibert.text.store import Store


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


@dataclass(frozen=True)
class CausalBatches:
    """The batches that a causal model is trained on: `batches(step)` is a pure function.

    The text is the store's, all documents one after the other: each must end with the end token, so that the
    model learns where a text ends; so they do in a store of `minibert.text.running`. A block goes across the
    ends of documents: it is always full, and nothing is padded.

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
        starts = np.array([self.start(example) for example in range(first, first + count)])
        ids, targets = cut_blocks(self.store.ids, starts, self.seq_len)
        return CausalBatch(
            torch.from_numpy(np.ascontiguousarray(ids)), torch.from_numpy(np.ascontiguousarray(targets))
        )

    def start(self, example: int) -> int:
        """Return where in the text the block begins that is the run's example of this number."""
        epoch, place = divmod(example, len(self))
        return epoch_starts(epoch, self.seq_len, len(self.store.ids), self.seed)[place]


@lru_cache(maxsize=2)
def epoch_starts(epoch: int, T: int, n: int, seed: int) -> NDArray[np.int64]:
    """Return where the blocks of an epoch begin, (n // T,), in the order in which a run comes to them.

    Arguments as of `minibert.batches.blocks.block_starts`.
    """
    order = permutation(n // T, seed, epoch)
    return block_starts(np.full_like(order, epoch), order, T, n, seed)
