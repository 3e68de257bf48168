"""The training loop: batch, loss, gradient, clip, step; and going on where a run was stopped.

The loop knows neither files of text nor kinds of model. Batches come from a pure function of the step, the
loss from a function of model and batch. So a run that was stopped goes on to the bit: its state is the
weights, the optimisers' tensors and the number of the step.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from minibert.batches.sampling import random_bits
from minibert.train.checkpoint import (
    Checkpoint,
    load_model_tensors,
    load_optimizer_tensors,
    model_tensors,
    newest_checkpoint,
    optimizer_tensors,
    remove_old,
    save_checkpoint,
)
from minibert.train.log import MetricsFile, Progress, Record, to_all
from minibert.train.optimizer import clip_gradients
from minibert.train.schedule import factor

DROPOUT = 21
"""The stream of random bits that seeds dropout."""

KEEP = 2
"""Checkpoints kept: should the newest be damaged, there is one before it."""

logger = logging.getLogger("minibert")


@dataclass
class Progressed:
    """How far a run has come."""

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Limits:
    """How long a run trains: a number of steps, a time, or whichever ends first."""

    steps: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        if self.steps is None and self.seconds is None:
            raise ValueError("give steps, max_minutes or both: a run needs an end")

    def share(self, step: float, seconds: float) -> float:
        """Return how much of the run is done, in [0, 1], by whichever limit is nearer; None is no limit.

        Args:
            step: steps done.
            seconds: time gone.
        """
        by_steps = 0.0 if self.steps is None else step / self.steps
        by_time = 0.0 if self.seconds is None else seconds / self.seconds
        return min(1.0, max(by_steps, by_time))


def train(
    model: nn.Module,
    loss: Callable[[nn.Module, Any], Mapping[str, Tensor]],
    batches: Callable[[int], Any],
    optimizers: Sequence[Optimizer],
    folder: Path | str,
    *,
    steps: int | None = None,
    max_minutes: float | None = None,
    schedule: Literal["linear", "cosine"] = "linear",
    warmup: float = 0.05,
    clip: float = 1.0,
    seed: int = 0,
    resume: bool = False,
    checkpoint_every: int = 500,
    log_every: int = 20,
    evaluate: Callable[[nn.Module], Mapping[str, float]] | None = None,
    evaluate_every: int = 250,
    count_tokens: Callable[[Any], int] = lambda batch: 0,
) -> Progressed:
    """Train `model` in place and return how far it came.

    Args:
        model: on the device to train on.
        loss: (model, batch) -> scalars by name; the one named "loss" is minimised, all are logged.
        batches: step, counted from 0 -> batch; must be a pure function. A batch is a tuple of tensors, or
            has a method `to(device)`.
        optimizers: each group's `lr` is its peak; the schedule scales it.
        folder: gets metrics.jsonl and checkpoints/.
        steps, max_minutes: when to end; with both, whichever comes first.
        schedule, warmup: see `minibert.train.schedule.factor`.
        clip: largest global norm of the gradient.
        seed: seeds dropout, anew for each step.
        resume: go on from the newest good checkpoint, if there is one.
        checkpoint_every, log_every, evaluate_every: in steps.
        evaluate: model in eval mode -> numbers by name, for the held-out lines of the metrics.
        count_tokens: tokens in a batch, for the speed that is shown.

    Raises:
        ValueError: neither steps nor max_minutes; or a checkpoint of another model.
    """
    limits = Limits(steps, None if max_minutes is None else 60 * max_minutes)
    folder = Path(folder)
    saves = folder / "checkpoints"
    saves.mkdir(parents=True, exist_ok=True)
    at = restore(model, optimizers, saves) if resume else Progressed()
    remember_peaks(optimizers)

    metrics, progress = MetricsFile(folder / "metrics.jsonl", at.step), Progress()
    log, recent = to_all(metrics, progress), Averages(at.tokens, at.seconds)
    clock = time.perf_counter() - at.seconds
    with torch.random.fork_rng():
        model.train()
        while limits.share(at.step, at.seconds) < 1:
            began = at.seconds
            batch = to_device(batches(at.step), next(model.parameters()).device)
            rate = factor(
                limits.share(at.step, at.seconds),
                limits.share(at.step + 1, at.seconds + recent.step_seconds),
                warmup,
                schedule,
            )
            recent.add(take_step(model, loss, batch, optimizers, rate, clip, dropout_seed(seed, at.step)))
            at.step, at.tokens = at.step + 1, at.tokens + count_tokens(batch)
            at.seconds = time.perf_counter() - clock
            recent.step_seconds = at.seconds - began

            ends, saving = limits.share(at.step, at.seconds) >= 1, at.step % checkpoint_every == 0
            if at.step % log_every == 0 or saving or ends:
                log(train_record(at, limits, recent, optimizers))
            if evaluate is not None and (at.step % evaluate_every == 0 or ends):
                model.eval()
                numbers = evaluate(model)
                model.train()
                at.seconds = time.perf_counter() - clock
                log({"kind": "held_out", "step": at.step, "seconds": at.seconds, **numbers})
                recent.start = (at.tokens, at.seconds)
            if saving or ends:
                keep(model, optimizers, at, saves)
    progress.close()
    model.eval()
    return at


def remember_peaks(optimizers: Sequence[Optimizer]) -> None:
    """Take each group's `lr` for its peak, unless it has one already."""
    for group in (group for optimizer in optimizers for group in optimizer.param_groups):
        group.setdefault("peak_lr", group["lr"])


def take_step(
    model: nn.Module,
    loss: Callable[[nn.Module, Any], Mapping[str, Tensor]],
    batch: Any,
    optimizers: Sequence[Optimizer],
    rate: float,
    clip: float,
    dropout: int,
) -> dict[str, Tensor]:
    """Take one step at `rate` of the peak learning rates; return the losses and the gradient's norm.

    Args:
        model: its weights change; after the step none has a gradient, as before it.
        loss: (model, batch) -> scalars by name; the one named "loss" is minimised.
        batch: is passed on to `loss`.
        optimizers: each of their groups has its peak in `peak_lr`, and gets the rate of this step in `lr`.
        rate: share of the peak, in [0, 1].
        clip: largest global norm of the gradient of all parameters of the model.
        dropout: seed of torch's random numbers, set before the loss is computed.

    Returns:
        All scalars of `loss` under their names, cut off from the graph, and `grad_norm`, before clipping.
    """
    torch.manual_seed(dropout)
    losses = loss(model, batch)
    losses["loss"].backward()
    norm = clip_gradients(model.parameters(), clip)
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = rate * group["peak_lr"]
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    return {**{name: value.detach() for name, value in losses.items()}, "grad_norm": norm}


class Averages:
    """Means of what was measured since the last line of the log; nothing leaves the device before that."""

    def __init__(self, tokens: int, seconds: float) -> None:
        self.sums: dict[str, Tensor] = {}
        self.count = 0
        self.start = (tokens, seconds)
        self.step_seconds = 1e-3
        """How long the last step took."""

    def add(self, measured: Mapping[str, Tensor]) -> None:
        """Take the numbers of a step."""
        self.sums = {name: value + self.sums.get(name, 0.0) for name, value in measured.items()}
        self.count += 1

    def take(self) -> dict[str, float]:
        """Return the means and start again."""
        means = {name: float(total) / self.count for name, total in self.sums.items()}
        self.sums, self.count = {}, 0
        return means


def train_record(at: Progressed, limits: Limits, recent: Averages, optimizers: Sequence[Optimizer]) -> Record:
    """Return a training line of metrics.jsonl."""
    tokens, seconds = recent.start
    recent.start = (at.tokens, at.seconds)
    return {
        "kind": "train",
        "step": at.step,
        "tokens": at.tokens,
        "seconds": at.seconds,
        "progress": limits.share(at.step, at.seconds),
        **recent.take(),
        "lr": optimizers[0].param_groups[0]["lr"],
        "tokens_per_second": (at.tokens - tokens) / max(at.seconds - seconds, 1e-9),
    }


def dropout_seed(seed: int, step: int, micro_batch: int = 0, rank: int = 0) -> int:
    """Return the seed of dropout for one forward pass: a pure function, so a resumed run draws the same.

    `random_bits` makes 64 bits of the seed, the stream DROPOUT and the other counters, in this order; all but
    the last bit are the seed.

    Args:
        seed: of the run.
        step, micro_batch, rank: which forward pass it is: of which step, which part of its batch, and on
            which process.

    Returns:
        An int in [0, 2^63), another one for each forward pass.
    """
    return int(random_bits(seed, DROPOUT, step, micro_batch, rank)[0] >> 1)


def to_device(batch: Any, device: torch.device) -> Any:
    """Move a batch: a tuple of tensors, or anything with a method `to`."""
    if isinstance(batch, tuple):
        return tuple(part.to(device) for part in batch)
    return batch.to(device)


def keep(model: nn.Module, optimizers: Sequence[Optimizer], at: Progressed, saves: Path) -> None:
    """Write a checkpoint and delete those that are no longer needed."""
    tensors = {"model": model_tensors(model), "optimizer": optimizer_tensors(optimizers)}
    save_checkpoint(saves / f"step-{at.step:08d}", Checkpoint(tensors, vars(at).copy()))
    remove_old(saves, KEEP)


def restore(model: nn.Module, optimizers: Sequence[Optimizer], saves: Path) -> Progressed:
    """Load the newest good checkpoint into the model and the optimisers, if there is one."""
    checkpoint = newest_checkpoint(saves)
    if checkpoint is None:
        return Progressed()
    load_model_tensors(model, checkpoint.tensors["model"])
    load_optimizer_tensors(optimizers, checkpoint.tensors["optimizer"])
    at = Progressed(**checkpoint.numbers)
    logger.info("going on from step %d", at.step)
    return at


def choose_device(name: Literal["auto", "cpu", "cuda", "mps"]) -> torch.device:
    """Return the device; `auto` takes cuda, then mps, then the CPU.

    Raises ValueError when a device is asked for that is not there.
    """
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(kind for kind in ("cuda", "mps", "cpu") if there[kind])
    if not there[name]:
        raise ValueError(
            f"no {name} device here; use --device auto, or one of: {', '.join(d for d in there if there[d])}"
        )
    return torch.device(name)
