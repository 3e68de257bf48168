"""Runs of a few moments, told apart by where they are, to be killed there (see forked.py)."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch._dynamo  # noqa: F401  what a first step would load, in every life again
from forked import at
from tiny_runs import batches, loss, run
from torch import nn

from minibert.train.loop import Loop

torch.set_num_threads(1)
os.fsync = lambda handle: time.sleep(0.002)  # the kernel keeps what a killed process wrote, synced or not


def telling(place: str, method: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method of the loop that tells when it begins, and when it is over."""

    def tell(*arguments: Any) -> Any:
        at(place)
        result = method(*arguments)
        at("between")
        return result

    return tell


for place in ("step", "look", "save"):
    setattr(Loop, place, telling(place, getattr(Loop, place)))


def evaluate(model: nn.Module) -> dict[str, float]:
    """The mean loss on batches that no run sees: some looks are the best so far, and some are not."""
    losses = [float(loss(model, batches(step))["loss"]) for step in range(1000, 1100)]
    return {"word_loss": sum(losses) / len(losses)}


def live(folder: str, precision: str) -> None:
    """Begin a run, or go on with it: batches in parts, dropout, two optimisers, looks, and one best."""
    run(
        Path(folder),
        resume=True,
        steps=40,
        precision=precision,
        micro_batch=3,
        checkpoint_every=2,
        log_every=3,
        evaluate_every=3,
        keep=1,
        skip_spikes=True,
        others={"evaluate": evaluate},
    )
