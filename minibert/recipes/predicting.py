"""What a task model says of texts: the logits of every row."""

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from minibert.batches.labels import LabelledBatches
from minibert.model.task_model import TaskModel

TOKENS = {"cpu": 2048, "cuda": 1 << 15}
"""Tokens that go through the model together, padding included: few, so that a core's cache holds them, and
many, so that a GPU is busy. The logits do not depend on it."""


@torch.no_grad()
def logits_of(model: TaskModel, batches: LabelledBatches, title: str = "") -> list[NDArray[np.float32]]:
    """Return the logits of each row, in their order: (C,), or (T, C) for the T tokens of the row.

    Args:
        model: in evaluation mode.
        batches: of which all rows are taken.
        title: of a progress bar; none if not given.
    """
    device = next(model.parameters()).device
    lengths = batches.encoded.ids.lengths
    found: list[NDArray[np.float32]] = [np.empty(0, np.float32)] * len(batches)
    with tqdm(total=len(batches), desc=title, leave=False, disable=None if title else True) as bar:
        for batch in batches.in_order(TOKENS.get(device.type, TOKENS["cpu"])):
            on_device = batch.to(device)
            logits = on_device.logits(model).float().cpu().numpy()
            for row, own in zip(batch.rows.tolist(), logits, strict=True):
                found[row] = own[: lengths[row]] if own.ndim == 2 else own
            bar.update(len(batch.rows))
    return found
