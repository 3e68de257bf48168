"""Augmentation: labelled texts, changed a little, and in each epoch in another way."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from minibert.batches.batch import IGNORE
from minibert.batches.changes import replaced, swapped, tokens_to_keep
from minibert.batches.labels import Encoded, Ints, Ragged
from minibert.batches.sampling import Bits
from minibert.config import FinetuneConfig, Task, require


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
