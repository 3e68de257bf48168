"""Augmentation: labelled texts, changed a little, and in each epoch in another way."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from minibert.batches.batch import IGNORE
from minibert.batches.labels import Encoded, Ints, Ragged
from minibert.batches.sampling import Bits, integers, uniform
from minibert.config import FinetuneConfig, Task, require

DELETE, PAIRING, SWAP, REPLACE, CHOICE = 51, 52, 53, 54, 55
"""One stream of random numbers for each question, so that no answer depends on another."""

Bools = NDArray[np.bool_]


def tokens_to_keep(candidates: Bools, rate: float, keys: Bits) -> Bools:
    """Return which tokens stay when each candidate is left out with a chance of `rate`.

    The token at place t is left out where uniform(key, DELETE, t) < rate. One candidate of a row, that with
    the largest of these numbers, stays in any case: no text vanishes.

    Source: Wei and Zou 2019 ("EDA"), section 2, random deletion.

    Args:
        candidates: (B, T), True where a token may be left out.
        rate: chance of each.
        keys: (B,) uint64, random bits of each row.

    Returns:
        (B, T), True where a token stays; True for all that are no candidates.
    """
    places = np.arange(candidates.shape[1])
    throws = np.where(candidates, uniform(keys[:, None], DELETE, places), 1.0)
    spared = candidates & (throws == np.where(candidates, throws, -1.0).max(1, keepdims=True, initial=-1.0))
    return (throws >= rate) | spared


def swapped(candidates: Bools, rate: float, keys: Bits) -> Ints:
    """Return the places that the tokens of each place come from when neighbours change places.

    Places are paired, (0, 1), (2, 3), … or (1, 2), (3, 4), …, as integers(2, key, PAIRING) says: 0 or 1 is
    the first of a pair. The two of a pair change places where both are candidates and
    uniform(key, SWAP, first place of the pair) < rate. So a token moves by one place at most, and each
    that has a neighbour does so with the same chance.

    Differs from Wei and Zou 2019, whose random swap takes any two words of a text.

    Args:
        candidates: (B, T), True where a token may move.
        rate: chance of each pair.
        keys: (B,) uint64, random bits of each row.

    Returns:
        (B, T) int64: the token at place t comes from place swapped[b, t].
    """
    B, T = candidates.shape
    places = np.arange(T)
    first = (places - integers(2, keys, PAIRING)[:, None]) % 2 == 0  # (B, T)
    both = candidates[:, :-1] & candidates[:, 1:]
    change = first[:, :-1] & both & (uniform(keys[:, None], SWAP, places)[:, :-1] < rate)  # (B, T - 1)

    order = np.tile(places, (B, 1))
    order[:, :-1] += change
    order[:, 1:] -= change
    return order


def replaced(ids: Ints, substitutes: Ints, rate: float, keys: Bits) -> Ints:
    """Return `ids` in which each token that has substitutes gives way to one of them with a chance of `rate`.

    Args:
        ids: (B, T).
        substitutes: (B, T, C), for each token C others, all with the same chance; negative where it has none.
        rate: chance of each.
        keys: (B,) uint64, random bits of each row.

    Returns:
        (B, T), a new array.
    """
    places = np.arange(ids.shape[1])
    choice = integers(substitutes.shape[2], keys[:, None], CHOICE, places)  # (B, T)
    other = np.take_along_axis(substitutes, choice[:, :, None], axis=2)[:, :, 0]  # (B, T)
    gives_way = uniform(keys[:, None], REPLACE, places) < rate
    return np.where(gives_way & (other >= 0), other, ids)


@dataclass(frozen=True)
class Augmentation:
    """Labelled texts in versions of their own for each epoch; what `LabelledBatches.augment` asks for.

    Words are replaced first, then neighbours swapped, then tokens left out. Special tokens stay where they
    are, each text of a pair keeps to itself, and the labels stay the same.
    """

    encoded: Encoded
    """The texts as they are."""
    special_ids: Ints
    """Of the tokens that are never touched."""
    delete: float = 0.0
    """Chance of a token to be left out."""
    swap: float = 0.0
    """Chance of two neighbours to change places."""
    replace: float = 0.0
    """Chance of a word that has substitutes to be replaced."""
    substitutes: Ints | None = None
    """(tokens of `encoded`, C): see `replaced`; without them no word is."""

    def __call__(self, rows: Ints, keys: Bits) -> Encoded:
        """Return some rows (B,), changed by random bits (B,) of each: a pure function of both."""
        ids = self.encoded.ids.padded(rows, fill=-1)  # (B, T)
        inside = ids >= 0
        if self.substitutes is not None:
            others = Ragged(self.substitutes, self.encoded.ids.starts).padded(rows, fill=-1)  # (B, T, C)
            ids = replaced(ids, others, self.replace, keys)

        ordinary = inside & ~np.isin(ids, self.special_ids)
        second = np.arange(ids.shape[1]) >= self.encoded.seconds[rows][:, None]
        keep = inside
        for text in (ordinary & ~second, ordinary & second):
            ids = np.take_along_axis(ids, swapped(text, self.swap, keys), axis=1)
            keep = keep & tokens_to_keep(text, self.delete, keys)
        return Encoded(
            ids=Ragged(ids[keep], np.concatenate([[0], np.cumsum(keep.sum(1))])),
            seconds=(keep & ~second).sum(1),
            targets=self.targets(rows),
            texts=self.encoded.texts[rows],
        )

    def targets(self, rows: Ints) -> Ragged | NDArray:
        """Return what the loss asks for: it stays the same."""
        targets = self.encoded.targets
        if not isinstance(targets, Ragged):
            return targets[rows]
        lengths = targets.lengths[rows]
        inside = np.arange(lengths.max(initial=0)) < lengths[:, None]
        return Ragged(targets.padded(rows, IGNORE)[inside], np.concatenate([[0], np.cumsum(lengths)]))


def require_fitting(config: FinetuneConfig, task: Task) -> None:
    """Raise ValueError where the augmentation that is asked for would make the labels wrong."""
    require(
        task not in ("tags", "spans") or not (config.delete or config.swap),
        "--delete and --swap move words, and the labels of this task say where words stand; leave them out, "
        "or take --replace",
    )
