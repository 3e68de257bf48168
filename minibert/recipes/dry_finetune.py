"""`minibert finetune --dry-run`: what the texts are, what would learn, and what the run would take."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from minibert.batches.labels import LabelledBatches
from minibert.config import FinetuneConfig
from minibert.files import human
from minibert.recipes.dry_run import check_room, first_step, further_steps, lasts, medians, size
from minibert.recipes.finetune import run_folder
from minibert.recipes.labelled_data import SIDES
from minibert.recipes.record import check_folder
from minibert.recipes.try_finetune import finetuning_aside
from minibert.train.bad_gradient import BadGradient
from minibert.train.checkpoint import checkpoint_folders
from minibert.train.log import Record

MOST = 1000
"""Steps of which the padding is counted, at most."""


@dataclass(frozen=True)
class Rows:
    """How long the rows of the training texts are, and what stands beside them in their batches."""

    count: int
    tokens: int
    """Without padding."""
    median: float
    """Tokens of a row in the middle."""
    longest: int
    in_step: float
    """Tokens that a step reads, with padding, on the average."""
    padding: float
    """Share of them that is padding."""


@dataclass(frozen=True)
class DryFinetuning:
    """What a fine-tuning begins with, and what it would take."""

    out: Path
    """The run folder."""
    config: FinetuneConfig
    """With an end: steps, minutes or both."""
    record: Mapping[str, Any]
    """What run.json would say."""
    rows: Rows
    first: Record
    """The line of the metrics about the first step."""
    step_seconds: float
    """Of a step with as many tokens as steps have on the average."""
    phases: Mapping[str, float]
    """The seconds of the phases of those that were timed."""
    look_seconds: float
    """Of a look at the validation texts."""
    memory: int
    """The most bytes that the process has held."""
    checkpoint: int
    """Bytes of a checkpoint."""
    needed: int
    """Bytes that the run may write."""
    free: int
    """Bytes free on the disk of the run folder."""

    @property
    def begins(self) -> int:
        """Steps that are taken already, where the run goes on from a checkpoint."""
        return self.first["step"] - 1

    @property
    def pace(self) -> float:
        """Seconds from step to step, with each step's share of the looks."""
        return self.step_seconds + self.look_seconds / self.config.look_every

    @property
    def steps(self) -> int:
        """Of the whole run, by the limit that comes first."""
        by_number = math.inf if self.config.steps is None else self.config.steps
        by_time = math.inf if self.config.max_minutes is None else 60 * self.config.max_minutes / self.pace
        return max(1, math.floor(min(by_number, by_time)))

    @property
    def epochs(self) -> float:
        """How often the whole run goes through the training texts."""
        return self.steps * self.config.batch_size / self.rows.count

    @property
    def seconds(self) -> float:
        """From here to the end of the training."""
        return max(0, self.steps - self.begins) * self.pace


def dry_finetune(kind: str, body: str, config: FinetuneConfig, command: str = "") -> DryFinetuning:
    """Begin a fine-tuning in a temporary folder, and return what it would be.

    The run folder is looked at, and stays as it is. What was found in the texts is logged. The features of a
    frozen body are worked out, and stay in the cache, where the run finds them.

    Args:
        kind, body, config, command: see `minibert.recipes.finetune.finetune`.

    Raises:
        ValueError: what the run would raise; several processes.
    """
    out = run_folder(kind, body, config)
    check_folder(out, config.resume == "auto")
    with finetuning_aside(kind, body, config, command) as run:
        needed, free = check_room(out, run)
        try:
            first, look_seconds = first_step(run)
            lines = further_steps(run, first["step"])
        except BadGradient as error:
            raise ValueError(f"{error}. A dry run keeps no files; the run itself would") from error
        rows = rows_of(run.batches(run.encoded["train"]))
        per_token = median(
            (b["seconds"] - a["seconds"]) / (b["tokens"] - a["tokens"]) for a, b in pairwise(lines)
        )
        return DryFinetuning(
            out=out,
            config=run.config,
            record=run.record,
            rows=rows,
            first=first,
            step_seconds=per_token * rows.in_step,
            phases=medians([line["phases"] for line in lines[1:]]),
            look_seconds=look_seconds,
            memory=lines[-1]["memory"],
            checkpoint=size(checkpoint_folders(run.out / "checkpoints")[0]),
            needed=needed,
            free=free,
        )


def rows_of(batches: LabelledBatches) -> Rows:
    """Return how long rows are, and how much of their batches is padding, in an epoch or MOST steps."""
    lengths, B = batches.encoded.ids.lengths, batches.batch_size
    steps = range(min(MOST, math.ceil(len(batches) / B)))
    drawn = np.stack([lengths[batches.drawn(step)[1]] for step in steps])  # (steps, B)
    read = B * drawn.max(axis=1)  # (steps,)
    return Rows(
        count=len(batches),
        tokens=int(lengths.sum()),
        median=float(np.median(lengths)),
        longest=int(lengths.max()),
        in_step=float(read.mean()),
        padding=1 - float(drawn.sum() / read.sum()),
    )


def table(tried: DryFinetuning) -> list[tuple[str, str]]:
    """Return what a person wants to know before a long run: names, and what is to be said of them."""
    record, config, rows = tried.record, tried.config, tried.rows
    texts, head = record["data"]["texts"], record["head"]
    outputs = f": {', '.join(head['labels'])}" if head["labels"] else ""
    total = sum(tried.phases.values())
    phases = ", ".join(f"{name} {seconds / total:.0%}" for name, seconds in tried.phases.items())
    at_once = f", {config.micro_batch} at once" if config.micro_batch else ""
    begun = f" ({tried.begins:,} of them are done)" if tried.begins else ""
    learning, whole = record["learning_parameters"], record["parameters"]
    return [
        ("run folder", f"{tried.out}: {'goes on' if tried.begins else 'free, and can be written'}"),
        ("model", f"{Path(record['body']).name} ({record['body_kind']}), {whole:,} parameters"),
        ("learning", f"{learning:,} of them, with the head and --strategy {config.strategy}"),
        ("head", f"{head['task']}{outputs}"),
        ("device", f"{record['device']} ({record['device_name']}), {config.precision}, 1 process"),
        ("texts", ", ".join(f"{texts[side]:,} {what}" for side, what in SIDES.items())),
        (
            "tokens",
            f"{rows.tokens:,} in {rows.count:,} rows: {rows.median:.0f} in half of them or fewer, "
            f"{rows.longest:,} at most",
        ),
        (
            "batch",
            f"{config.batch_size} rows{at_once}, {rows.in_step:,.0f} tokens, {rows.padding:.0%} of "
            "them padding",
        ),
        ("first loss", f"{tried.first['loss']:.3f}{guessing(head)}"),
        ("step", f"{tried.step_seconds:.3g} s: {phases}"),
        ("look", f"{tried.look_seconds:.3g} s at the validation texts, every {config.look_every:,} steps"),
        ("memory", f"{human(tried.memory)} at most so far"),
        ("checkpoint", f"{human(tried.checkpoint)}, written and read again"),
        ("disk", f"{human(tried.needed)} needed, {human(tried.free)} free"),
        (
            "whole run",
            f"{tried.steps:,} steps{begun}, {tried.epochs:.3g} epochs, {lasts(tried.seconds)}, "
            "and what it takes to measure",
        ),
    ]


def guessing(head: Mapping[str, Any]) -> str:
    """Return the loss of a guess among the outputs of a head, where there is one."""
    choices = {"classes": len(head["labels"]), "tags": len(head["labels"]), "labels": 2}.get(head["task"])
    return f" (guessing among {choices}: {math.log(choices):.3f})" if choices else ""
