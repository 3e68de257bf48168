"""A body that does not learn says the same of a text in every epoch: so it is asked once, before training.

Its features are kept in the cache, and the head alone learns from them, through the same loop.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from minibert import sources
from minibert.batches.labels import Encoded, Ints, LabelledBatch, LabelledBatches, Ragged
from minibert.config import require
from minibert.files import new_folder, require_room
from minibert.recipes.predicting import TOKENS

FORMAT = 1
"""Goes up whenever a cached file means something else."""

FILE = "features.npy"
"""In a folder of the cache."""


@dataclass(frozen=True)
class FeatureBatch(LabelledBatch):
    """Some rows, with what the body says of them."""

    features: Tensor
    """(B, D), or (B, T, D) where the head reads every token."""

    def logits(self, model: Any) -> Tensor:
        """Return the logits of a task model, whose head alone is at work."""
        return model.logits(self.features)


@dataclass(frozen=True, kw_only=True)
class FeatureBatches(LabelledBatches):
    """`LabelledBatches` that bring the features along: the same rows in the same order."""

    features: Ragged | NDArray[np.float32]
    """Of each row: (R, D), or Ragged with a (D,) for each token."""

    def of(self, rows: Ints) -> FeatureBatch:
        """Return some rows (B,) as a batch."""
        features = self.features
        own = features.padded(rows, fill=0) if isinstance(features, Ragged) else features[rows]
        return FeatureBatch(**vars(super().of(rows)), features=torch.from_numpy(own))


def frozen_batches(model: Any, batches: LabelledBatches) -> FeatureBatches:
    """Return batches that bring along what a model's frozen body says of each row.

    Learning from them is learning from `batches` with a body that drops nothing out. The features come out of
    the cache, or are worked out and put there.

    Args:
        model: a task model; what does not require a gradient is the frozen body.
        batches: not augmented, for then a row is another text in each epoch.

    Raises:
        ValueError: augmented batches; too little room in the cache.
    """
    require(batches.augment is None, "augmented texts change in each epoch, and so do their features")
    folder = sources.cache_folder() / "features" / fingerprint(model, batches.encoded)
    if not folder.exists():
        with new_folder(folder) as making:
            write_features(model, batches, making / FILE)
    features = np.load(folder / FILE, mmap_mode="r")
    starts = batches.encoded.ids.starts
    return FeatureBatches(
        **vars(batches), features=Ragged(features, starts) if tells_of_tokens(model) else features
    )


def tells_of_tokens(model: Any) -> bool:
    """Return whether a task model's head reads every token, and not a text as a whole."""
    return model.head_config.task in ("tags", "spans")


def fingerprint(model: Any, encoded: Encoded) -> str:
    """Return a sha256 that changes with whatever the features depend on: frozen weights, shape, and rows."""
    shape = replace(model.config, dropout=0.0, attention_dropout=0.0)
    told = hashlib.sha256(f"{FORMAT} {type(model).__name__} {shape}".encode())
    for name, weight in model.named_parameters():
        if not weight.requires_grad:
            told.update(name.encode())
            told.update(weight.detach().cpu().numpy().tobytes())
    for numbers in (encoded.ids.values, encoded.ids.starts, encoded.seconds):
        told.update(numbers.tobytes())
    return told.hexdigest()


@torch.inference_mode()
def write_features(model: Any, batches: LabelledBatches, file: Path) -> None:
    """Write what a model's body says of all rows, without dropout: (R, D), or (tokens, D).

    Rows of like length go through the body together, the longest first. Raises ValueError where the disk has
    too little room.
    """
    ids, per_token = batches.encoded.ids, tells_of_tokens(model)
    shape = (len(ids.values) if per_token else len(ids), model.config.width)
    require_room(file.parent, 4 * shape[0] * shape[1], "$MINIBERT_CACHE")
    features = np.lib.format.open_memmap(file, "w+", np.float32, shape)
    device = next(model.parameters()).device
    with evaluating(model), progress_bar(len(ids)) as bar:
        for batch in batches.in_order(TOKENS.get(device.type, TOKENS["cpu"])):
            rows, on_device = batch.rows.numpy(), batch.to(device)
            found = model.features(on_device.ids, on_device.segments, on_device.attend).cpu().numpy()
            if per_token:
                places = Ragged(np.arange(shape[0]), ids.starts).padded(rows, fill=-1)  # (B, T)
                features[places[places >= 0]] = found[places >= 0]
            else:
                features[rows] = found
            bar.update(len(rows))
    features.flush()


def progress_bar(rows: int) -> tqdm:
    """Return the bar that is shown while the body is asked."""
    return tqdm(total=rows, desc="features of the frozen body", unit="row", leave=False, disable=None)


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put a model in evaluation mode for the block."""
    before = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(before)
