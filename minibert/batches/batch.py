"""Token ids become batches: pure functions of the seed, the epoch and the example's number."""

from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from minibert.batches.mlm import choose_tokens, choose_words, corrupt, count_to_predict
from minibert.batches.nsp import boundaries, pair_spans, require_pairs, single_spans
from minibert.batches.rows import lay_out
from minibert.batches.sampling import examples_at, random_bits
from minibert.text.base_tokenizer import BaseTokenizer
from minibert.text.store import Store

IGNORE = -100
"""Target of a slot that predicts nothing."""

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Batch:
    """One batch of pretraining; the shapes are the same for every batch of a run."""

    ids: Tensor
    """(B, T) int64, token ids with the masks in place."""
    segments: Tensor
    """(B, T) int64, 0 for [CLS] A [SEP], 1 for B [SEP]."""
    attend: Tensor | None
    """(B, T) bool, False on padding; None when there is no padding."""
    slots: Tensor
    """(N,) int64, the predicted positions, counted through the flattened B * T."""
    targets: Tensor
    """(N,) int64, the true tokens; IGNORE where a slot is empty."""
    pair_labels: Tensor | None
    """(B,) int64, 0 = B is the true next segment, 1 = it is random; None without pairs."""

    def counts(self) -> dict[str, int]:
        """Return of how many predictions each part of the loss is the mean."""
        counts = {"word_loss": int((self.targets != IGNORE).sum())}
        return counts if self.pair_labels is None else {**counts, "pair_loss": len(self.pair_labels)}

    def to(self, device: torch.device) -> "Batch":
        """Return the batch on `device`."""
        moved = {}
        for field in fields(self):
            value = getattr(self, field.name)
            moved[field.name] = None if value is None else value.to(device, non_blocking=True)
        return Batch(**moved)


@dataclass(frozen=True)
class PretrainingBatches:
    """The batches of a pretraining run: `batches(step)` is a pure function.

    Raises ValueError when the store holds no text, or no pairs though `pairs` asks for them.
    """

    store: Store
    tokenizer: BaseTokenizer
    batch_size: int
    """B."""
    seq_len: int
    """T."""
    mask_rate: float = 0.15
    whole_words: bool = False
    pairs: bool = True
    """Next-sentence pairs, or one segment an example."""
    seed: int = 0

    def __post_init__(self) -> None:
        if not len(self.store.ids):
            raise ValueError("the corpus holds no tokens; give one with text")
        if self.pairs:
            require_pairs(self.store)

    @cached_property
    def starts(self) -> Ints:
        """The sentences that examples start from, or meet at: one example each in an epoch."""
        return boundaries(self.store) if self.pairs else np.arange(len(self.store.sentences) - 1)

    @cached_property
    def ordinary(self) -> Ints:
        """Ids of all tokens but the specials."""
        return np.setdiff1d(np.arange(len(self.tokenizer)), self.tokenizer.special_ids)

    @property
    def room(self) -> int:
        """Tokens of text in a full row."""
        return self.seq_len - (3 if self.pairs else 2)

    @property
    def slots_per_row(self) -> int:
        """P, the same for every row, so that shapes never change."""
        return int(count_to_predict(self.room, self.mask_rate))

    def __len__(self) -> int:
        """Examples in an epoch."""
        return len(self.starts)

    def __call__(self, step: int, first: int = 0, count: int | None = None) -> Batch:
        """Return the batch of the step, counted from 0; or `count` of its rows, the first of them `first`."""
        count = self.batch_size - first if count is None else count
        return self.examples(step * self.batch_size + first, count)

    def require_known(self, ids: Ints) -> None:
        """Raise ValueError for an id outside the vocabulary, which would break a GPU's state."""
        low, high, size = int(ids.min()), int(ids.max()), len(self.tokenizer)
        if low < 0 or high >= size:
            raise ValueError(
                f"the text's token ids must be from 0 to {size - 1}, got {low if low < 0 else high}: it was "
                "made with another vocabulary than the tokenizer's; delete it from the cache and start again"
            )

    def examples(self, first: int, count: int) -> Batch:
        """Return the run's examples first, ..., first + count - 1 as one batch."""
        epochs, numbers = examples_at(first, count, len(self), self.seed)
        keys = random_bits(self.seed, epochs, numbers)
        if self.pairs:
            spans, labels = pair_spans(self.store, self.starts[numbers], self.room, keys)
        else:
            spans, labels = single_spans(self.store, self.starts[numbers], self.room), None
        true, segments, lengths = lay_out(self.store.ids, spans, self.seq_len, self.tokenizer)
        self.require_known(true)

        candidates = ~np.isin(true, self.tokenizer.special_ids)
        if self.whole_words:
            goes_on = self.tokenizer.continuation[true]
            places, chosen = choose_words(candidates, goes_on, self.mask_rate, self.slots_per_row, keys)
        else:
            places, chosen = choose_tokens(candidates, self.mask_rate, self.slots_per_row, keys)
        ids = corrupt(true, places, chosen, keys, self.tokenizer.mask_id, self.ordinary)

        targets = np.where(chosen, np.take_along_axis(true, places, axis=1), IGNORE)
        slots = places + self.seq_len * np.arange(count)[:, None]
        attend = np.arange(self.seq_len) < lengths[:, None]
        return Batch(
            ids=torch.from_numpy(ids),
            segments=torch.from_numpy(segments),
            attend=None if attend.all() else torch.from_numpy(attend),
            slots=torch.from_numpy(slots.ravel()),
            targets=torch.from_numpy(targets.ravel()),
            pair_labels=None if labels is None else torch.from_numpy(labels),
        )
