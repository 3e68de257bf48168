"""Small task models of every kind, and a batch with padding, for the tests of models and folders."""

from typing import Any

import torch
from oracles import randomise
from torch import Tensor

from minibert.config import HeadConfig, Task
from minibert.hub.task_folders import TASK_KINDS, TaskFolderKind

SIZES: dict[str, Any] = {
    "vocab_size": 60,
    "layers": 2,
    "width": 8,
    "heads": 2,
    "feedforward": 12,
    "max_positions": 16,
    "pad_id": 3,
}
LENGTHS = torch.tensor([[7], [4], [2]])
ATTEND = torch.arange(7) < LENGTHS
IDS = torch.randint(4, 60, (3, 7), generator=torch.Generator().manual_seed(0)).where(ATTEND, 3)
SEGMENTS = ((torch.arange(7) > 2) & ATTEND).long()

LABELS = ("sad", "so so", "glad")


def head_for(task: Task) -> HeadConfig:
    return HeadConfig(task, () if task in ("number", "spans") else LABELS, dropout=0.3)


def kind_named(model: type) -> TaskFolderKind:
    """Return the kind of a class of ours."""
    return next(kind for kind in TASK_KINDS if kind.model is model)


def task_model(model: type, task: Task | None = None, seed: int = 0, **sizes: Any) -> Any:
    """Return a task model in evaluation with random weights, float64; its first task if none is given."""
    kind = kind_named(model)
    config = kind.body.shape(**{**SIZES, **sizes})
    return randomise(model(config, head_for(task or kind.tasks[0])), seed).eval()


def read(logits: Tensor) -> Tensor:
    """Return the logits that somebody reads: those at padding are nobody's."""
    return logits if logits.ndim == 2 else logits[ATTEND]
