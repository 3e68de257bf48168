"""Trying a run before it is begun: all is made ready elsewhere, and steps are taken that nobody keeps."""

import dataclasses
import math
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol, TypeVar

import torch
from torch import nn

from minibert.config import FinetuneConfig, PretrainConfig, require
from minibert.recipes.ready import Ready, made_ready
from minibert.train.checkpoint import newest_checkpoint, save_checkpoint
from minibert.train.device import repeatable
from minibert.train.distributed import ALONE
from minibert.train.feed import Batches, Feed
from minibert.train.log import Record
from minibert.train.out_of_memory import is_out_of_memory
from minibert.train.phases import Phases
from minibert.train.precision import computing, matrix_products
from minibert.train.step import accumulate, descend, forget, remember_peaks
from minibert.train.worker import Worker

Settings = TypeVar("Settings", PretrainConfig, FinetuneConfig)
"""What a run is told."""

Begun = TypeVar("Begun")
"""A run before its first step."""


@contextmanager
def aside(
    out: Path, config: Settings, begin: Callable[[Settings], AbstractContextManager[Begun]]
) -> Iterator[Begun]:
    """Yield a run before its first step, in a temporary folder that is gone when the block ends.

    With resume the folder holds what a run reads that goes on from the run folder. The run folder itself is
    only read; errors speak of it all the same.

    Args:
        out: the run folder.
        config: everything else.
        begin: makes a run ready in another folder; what it raises is raised.

    Raises:
        ValueError: this is one of several processes.
    """
    require(
        int(os.environ.get("WORLD_SIZE", "1")) == 1,
        "--dry-run, --overfit-one-batch and --find-lr need one process: start them without torchrun",
    )
    with TemporaryDirectory(prefix="minibert-") as temporary:
        stand_in = Path(temporary) / "run"
        if config.resume:
            copy_beginning(out, stand_in)
        try:
            with begin(dataclasses.replace(config, out=stand_in)) as run:
                yield run
        except ValueError as error:
            raise ValueError(str(error).replace(str(stand_in), str(out))) from error


def made_ready_aside(preset: str, config: PretrainConfig, command: str = "") -> AbstractContextManager[Ready]:
    """Yield a pretraining before its first step, see `aside`.

    Arguments and errors as of `minibert.recipes.ready.made_ready`.
    """
    return aside(
        run_folder(preset, config), config, lambda config: made_ready(preset, config, command, ALONE)
    )


def run_folder(preset: str, config: PretrainConfig) -> Path:
    """Return where the run would be written."""
    return config.out or Path("runs") / preset


def copy_beginning(run: Path, copy: Path) -> None:
    """Copy what a resumed run begins with: its settings, its tokenizer, its newest good checkpoint."""
    if not (run / "run.json").exists():
        return
    copy.mkdir()
    for file in [*run.glob("*.json"), *run.glob("*.txt")]:
        shutil.copy(file, copy)
    newest = newest_checkpoint(run / "checkpoints")
    if newest is not None:
        save_checkpoint(copy / "checkpoints" / f"step-{newest.numbers['step']:08d}", newest)


class Learner(Protocol):
    """A run before its first step, of a pretraining or a fine-tuning."""

    config: Any
    model: Any

    def arguments(self) -> dict[str, Any]:
        """Return what `minibert.train.loop.train` takes besides the folder and the configuration."""
        ...


class Trial:
    """Takes the steps of a run, at rates and on batches that are up to who tries it; see `trial`.

    Args:
        run: its model learns.
        batches: see `minibert.train.feed.Batches`.
    """

    def __init__(self, run: Learner, batches: Batches) -> None:
        config, own = run.config, run.arguments()
        device = next(run.model.parameters()).device
        self.loss = own["loss"]
        self.before_step: Callable[[int], object] = own.get("before_step", lambda step: None)
        self.clip, self.tokens = config.clip, 0
        self.worker = Worker(run.model, self.loss, config, ALONE, Phases(device))
        self.optimizers = own["optimizers"]()
        remember_peaks(self.optimizers)
        self.feed = Feed(
            batches,
            own["counts"],
            own["count_tokens"],
            config.batch_size,
            config.micro_batch,
            config.seed,
            device,
            ALONE,
        )

    def gradient(self, step: int) -> dict[str, float]:
        """Work out the gradient of a step's batch; return its losses by name, and their sum as "loss".

        Raises ValueError where memory runs out.
        """
        load = self.feed.load(step)
        self.tokens += load.tokens
        self.before_step(step)
        try:
            losses = self.worker.gradient(self.feed.parts(load, load.count))
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            size = self.feed.micro_batch or self.feed.batch_size
            raise ValueError(
                f"no memory for {size} sequences at once; try --micro-batch {max(1, size // 2)}, or a "
                f"smaller model. The error was: {error}"
            ) from error
        return {name: float(value) for name, value in losses.items()}

    @torch.no_grad()
    def losses(self, step: int, model: nn.Module) -> dict[str, float]:
        """Return the losses of another model on a step's batch, as `gradient` does; it learns nothing."""
        load = self.feed.load(step)
        with computing(self.worker.precision, self.worker.device):
            forward = partial(self.loss, model)
            losses = accumulate(self.feed.parts(load, load.count), forward, backward=lambda loss: None)
        return {name: float(value) for name, value in losses.items()}

    def descend(self, rate: float) -> bool:
        """Clip the gradient and take the step; return whether it was taken.

        It is left out where the gradient is not finite. In fp16 that may only mean that the scale of the loss
        was too large, and it is lowered.

        Args:
            rate: what the peaks of all learning rates are multiplied with.
        """
        finite = math.isfinite(self.worker.clip(self.clip))
        if self.worker.scaler:
            self.worker.scaler.update(finite)
        if finite:
            descend(self.optimizers, rate)
        else:
            forget(self.optimizers)
        return finite

    def told(self, step: int, progress: float, seconds: float, losses: Mapping[str, float]) -> Record:
        """Return what `minibert.train.log.Progress` shows.

        Args:
            step: how many were taken.
            progress: share of the trial that is done, in [0, 1].
            seconds: since its beginning.
            losses: from `gradient`.
        """
        speed = self.tokens / max(seconds, 1e-9)
        words = {"step": step, "progress": progress, "seconds": seconds, "tokens_per_second": speed}
        return {"kind": "train", **words, "loss": losses["loss"]}


@contextmanager
def trial(run: Learner, batches: Batches) -> Iterator[Trial]:
    """Yield a Trial, in the arithmetic of the run."""
    with repeatable(run.config.deterministic), matrix_products(run.config.precision):
        yield Trial(run, batches)
