"""A model of a few numbers, its batches, and runs of the loop that take a moment."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from minibert.config import TrainConfig
from minibert.train.loop import train
from minibert.train.loss import IGNORE, cross_entropy
from minibert.train.optimizer import AdamW, Muon
from minibert.train.state import Progressed

ROWS = 8
"""Of the batch of a step."""

TIMED = ("seconds", "tokens_per_second", "memory", "phases", "mfu")
"""What differs in the metrics of two equal runs."""


class Net(nn.Module):
    """Two layers with dropout."""

    def __init__(self, dropout: float = 0.3) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.body = nn.Sequential(nn.Linear(4, 8), nn.Dropout(dropout), nn.Linear(8, 3))

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


def batches(step: int, first: int = 0, count: int = ROWS) -> tuple[Tensor, Tensor]:
    """Rows of numbers, and for some of them what is to be told of them."""
    draw = torch.Generator().manual_seed(step)
    x = torch.randn(ROWS, 4, generator=draw)
    hidden = torch.rand(ROWS, generator=draw) < 0.4
    targets = (x.sum(1) > 0).long().masked_fill(hidden, IGNORE)
    return x[first : first + count], targets[first : first + count]


def loss(model: nn.Module, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
    return {"loss": cross_entropy(model(batch[0]), batch[1])}


def counts(batch: tuple[Tensor, Tensor]) -> dict[str, int]:
    return {"loss": int((batch[1] != IGNORE).sum())}


def two_optimizers(model: nn.Module) -> list[Any]:
    """AdamW for the biases and Muon for the matrices."""
    matrices = [p for p in model.parameters() if p.ndim == 2]
    return [AdamW([p for p in model.parameters() if p.ndim == 1], lr=0.05), Muon(matrices, lr=0.02)]


class Broken(Exception):
    """A run came to the step at which a test breaks it off."""


def run(
    folder: Path,
    stop_at: int | None = None,
    resume: bool = False,
    model: nn.Module | None = None,
    others: dict[str, Any] | None = None,
    **settings: Any,
) -> tuple[nn.Module, Progressed]:
    """Train a net; break off where the batch of step `stop_at` is asked for.

    Args:
        others: arguments of `train` in place of those here.
        settings: of TrainConfig, in place of those here.
    """
    model = model or Net()

    def broken_off(step: int, first: int, count: int):
        if step == stop_at:
            raise Broken
        return batches(step, first, count)

    usual = {"steps": 7, "checkpoint_every": 2, "log_every": 3, "clip": 0.5, "batch_size": ROWS}
    config = TrainConfig(**(usual | settings))
    arguments: dict[str, Any] = {
        "loss": loss,
        "batches": broken_off,
        "optimizers": lambda: two_optimizers(model),
        "counts": counts,
    }
    at = train(model, folder=folder, config=config, resume=resume, **(arguments | (others or {})))
    return model, at


def lines(folder: Path, kind: str | None = None) -> list[dict]:
    """The metrics of a run, without what no two runs have alike."""
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [
        {name: value for name, value in record.items() if name not in TIMED}
        for record in records
        if kind in (None, record["kind"])
    ]


def bits(model: nn.Module) -> list[bytes]:
    return [p.detach().numpy().tobytes() for p in model.parameters()]


def optimizers_of(make: Callable[[nn.Module], Any], model: nn.Module) -> dict[str, Any]:
    """The argument of `train` that makes the optimisers of a model."""
    return {"optimizers": lambda: make(model)}
