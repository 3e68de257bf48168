"""What counting words reaches: the yardsticks for a language model's loss."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DISCOUNT = 0.75
"""Taken from every count and given to the unigram model (Ney, Essen and Kneser 1994)."""

ROWS = 256
"""Questions answered together: bounds the memory at ROWS * V numbers."""

BLOCK = 1 << 20
"""Tokens counted at a time: bounds the memory beside the counts."""

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Bigram:
    """Each token from the one before it, by absolute discounting.

    P(w) = (c(w) + 1) / (n + V)
    P(w | u) = max(c(u, w) - d, 0) / c(u) + d t(u) / c(u) P(w), with t(u) the kinds of tokens seen after u.
    After a token never seen, P(w | u) = P(w).

    As a baseline for masked words it is shown the true token to the left, which the model may find masked.
    """

    unigram: Floats
    """(V,), P(w)."""
    keys: Ints
    """(pairs,), u V + w of each pair seen, in order."""
    counts: Ints
    """(pairs,), c(u, w)."""

    @classmethod
    def fit(cls, ids: NDArray[np.integer], documents: Ints, vocab_size: int) -> "Bigram":
        """Count tokens and pairs of neighbours, not across documents.

        Args:
            ids: (n,), the text.
            documents: where each document starts and the last one ends, in tokens.
            vocab_size: V.
        """
        unigram = np.ones(vocab_size)
        begins = np.zeros(len(ids), bool)  # whether a token has none before it in its document
        begins[documents[:-1]] = True
        kinds, times = [], []
        for start in range(0, len(ids), BLOCK):
            block = np.asarray(ids[start : start + BLOCK + 1], np.int64)  # its last one begins the next block
            unigram += np.bincount(block[:BLOCK], minlength=vocab_size)
            pairs = block[:-1] * vocab_size + block[1:]
            keys, counts = np.unique(
                pairs[~begins[start + 1 : start + BLOCK + 1]],
                return_counts=True,
            )
            kinds.append(keys)
            times.append(counts)
        keys, place = np.unique(np.concatenate(kinds), return_inverse=True)
        counts = np.bincount(place, np.concatenate(times), len(keys)).astype(np.int64)
        return cls(unigram / (len(ids) + vocab_size), keys, counts)

    def probabilities(self, before: Ints) -> Floats:
        """Return P(w | u) for each u of `before` (N,) and every w: (N, V)."""
        V = len(self.unigram)
        first, last = (np.searchsorted(self.keys, edge) for edge in (before * V, (before + 1) * V))
        table = np.empty((len(before), V))
        for row, start, end in zip(table, first, last, strict=True):
            seen = self.counts[start:end]
            total = max(seen.sum(), 1)
            row[:] = self.unigram * (DISCOUNT * len(seen) / total if len(seen) else 1.0)
            row[self.keys[start:end] % V] += (seen - DISCOUNT) / total
        return table

    def score(self, before: Ints, true: Ints) -> dict[str, float]:
        """Return the loss (nats) and the accuracy at predicting `true` (N,) after `before` (N,)."""
        loss = hits = 0.0
        for start in range(0, len(true), ROWS):
            part = slice(start, start + ROWS)
            table = self.probabilities(before[part])
            loss -= np.log(table[np.arange(len(table)), true[part]]).sum()
            hits += (table.argmax(1) == true[part]).sum()
        return {"loss": float(loss / len(true)), "accuracy": float(hits / len(true))}

    def unigram_score(self, true: Ints) -> dict[str, float]:
        """Return the loss (nats) and the accuracy of always saying the commonest token."""
        return {
            "loss": float(-np.log(self.unigram[true]).mean()),
            "accuracy": float((true == self.unigram.argmax()).mean()),
        }
