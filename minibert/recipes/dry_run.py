"""`--dry-run`: what a long run would find out too late, and what it would take, from its first steps.

They go through the loop that every run goes through, in a folder that is gone afterwards: a step, a look at
held-out text, a checkpoint. Then that checkpoint is read again, and a few more steps are timed.
"""

import dataclasses
import json
import math
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any, Protocol

from minibert.config import PretrainConfig
from minibert.files import human, require_room
from minibert.recipes.record import check_folder
from minibert.recipes.trying import made_ready_aside, run_folder
from minibert.report.speed import PHASES
from minibert.train.bad_gradient import BadGradient
from minibert.train.checkpoint import checkpoint_folders, newest_checkpoint
from minibert.train.distributed import World
from minibert.train.keeper import Keeper
from minibert.train.log import Record
from minibert.train.loop import train

TIMED = 4
"""Steps after the first, which is slow; their median tells how long a step takes."""


class Begun(Protocol):
    """A run before its first step, of a pretraining or a fine-tuning."""

    out: Path
    config: Any
    model: Any
    resumed: bool
    world: World

    def arguments(self) -> dict[str, Any]:
        """Return what `train` takes besides the folder and the configuration."""
        ...


@dataclass(frozen=True)
class DryRun:
    """What a run begins with, and what it would take."""

    out: Path
    """The run folder."""
    config: PretrainConfig
    """With an end: steps, minutes or both."""
    record: Mapping[str, Any]
    """What run.json would say."""
    examples: int
    """In an epoch."""
    first: Record
    """The line of the metrics about the first step."""
    step_seconds: float
    """Of a step after the first."""
    phases: Mapping[str, float]
    """The seconds of its phases."""
    look_seconds: float
    """Of a look at held-out text; 0 where there is none."""
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
    def tokens(self) -> int:
        """In the batch of a step."""
        return self.config.batch_size * self.config.seq_len

    @property
    def pace(self) -> float:
        """Seconds from step to step, with each step's share of the looks."""
        return self.step_seconds + self.look_seconds / self.config.look_every

    @property
    def steps(self) -> int:
        """Of the whole run, by the limit that comes first."""
        config = self.config
        by_number = math.inf if config.steps is None else config.steps
        by_time = math.inf if config.max_minutes is None else 60 * config.max_minutes / self.pace
        return max(1, math.floor(min(by_number, by_time)))

    @property
    def epochs(self) -> float:
        """How often the whole run goes through the text."""
        return self.steps * self.config.batch_size / self.examples

    @property
    def seconds(self) -> float:
        """From here to the end of the run."""
        return max(0, self.steps - self.begins) * self.pace


def dry_run(preset: str, config: PretrainConfig, command: str = "") -> DryRun:
    """Begin the run that `config` asks for, in a temporary folder, and return what it would be.

    The run folder is looked at, and stays as it is.

    Args:
        preset, config, command: see `minibert.recipes.pretrain.pretrain`.

    Raises:
        ValueError: what the run would raise; several processes.
    """
    out = run_folder(preset, config)
    check_folder(out, config.resume == "auto")
    with made_ready_aside(preset, config, command) as run:
        needed, free = check_room(out, run)
        try:
            first, look_seconds = first_step(run)
            lines = further_steps(run, first["step"])
        except BadGradient as error:
            raise ValueError(f"{error}. A dry run keeps no files; the run itself would") from error
        return DryRun(
            out=out,
            config=run.config,
            record=run.record,
            examples=len(run.batches),
            first=first,
            step_seconds=median(b["seconds"] - a["seconds"] for a, b in pairwise(lines)),
            phases=medians([line["phases"] for line in lines[1:]]),
            look_seconds=look_seconds,
            memory=lines[-1]["memory"],
            checkpoint=size(checkpoint_folders(run.out / "checkpoints")[0]),
            needed=needed,
            free=free,
        )


def check_room(out: Path, run: Begun) -> tuple[int, int]:
    """Return the bytes that a run may write, and those free on the disk of its folder.

    Raises ValueError where they are too few, there or for temporary files.
    """
    needed = Keeper(out / "checkpoints", run.model, [], run.config.keep, run.world).room_needed()
    there = next(folder for folder in [out, *out.absolute().parents] if folder.is_dir())
    require_room(there, needed, "--out")
    require_room(Path(tempfile.gettempdir()), needed, "the environment variable TMPDIR")
    return needed, shutil.disk_usage(there).free


def first_step(run: Begun) -> tuple[Record, float]:
    """Take a step, look at held-out text, save; return the step's line and the seconds of the look."""
    newest = newest_checkpoint(run.out / "checkpoints")
    begins = 0 if newest is None else newest.numbers["step"]
    lines = train_to(begins + 1, run, {}, resume=run.resumed)
    taken = lines["train"][0]
    looks = [line["seconds"] - taken["seconds"] for line in lines["held_out"]]
    return taken, sum(looks)


def further_steps(run: Begun, step: int) -> list[Record]:
    """Go on from the checkpoint of a step, without looks; return the lines of the steps after it."""
    lines = train_to(step + TIMED, run, {"evaluate": None}, resume=True)
    return [line for line in lines["train"] if line["step"] > step]


def train_to(step: int, run: Begun, others: Mapping[str, Any], resume: bool) -> Mapping[str, list[Record]]:
    """Train up to a step, in the loop and with the settings of the run; return its metrics, by kind.

    Args:
        step: counted from 1.
        run: its folder is that of the dry run.
        others: arguments of `train` in place of the run's.
        resume: go on from the newest checkpoint.
    """
    settings = {"steps": step, "max_minutes": None, "patience": None, "profile": False}
    config = dataclasses.replace(run.config, **settings, log_every=1, evaluate_every=1)
    train(folder=run.out, config=config, resume=resume, **{**run.arguments(), **others})
    lines: dict[str, list[Record]] = defaultdict(list)
    for text in (run.out / "metrics.jsonl").read_text(encoding="utf-8").splitlines():
        line = json.loads(text)
        lines[line["kind"]].append(line)
    return lines


def medians(phases: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the median seconds of each phase; a line may know none yet, where the device is behind."""
    names = sorted({name for line in phases for name in line}, key=PHASES.index)
    return {name: median(line[name] for line in phases if name in line) for name in names}


def size(folder: Path) -> int:
    """Return the bytes of the files in a folder."""
    return sum(path.stat().st_size for path in folder.iterdir())


def table(tried: DryRun) -> list[tuple[str, str]]:
    """Return what a person wants to know before a long run: names, and what is to be said of them."""
    record, config = tried.record, tried.config
    train_text, held_out = record["data"]["train"], record["data"]["held_out"]
    vocabulary = record["model"]["vocab_size"]
    guessing = {"word_loss": vocabulary, "pair_loss": 2}
    losses = [
        f"{name.replace('_', ' ')} {tried.first[name]:.3f} (guessing among {count:,}: {math.log(count):.3f})"
        for name, count in guessing.items()
        if name in tried.first
    ]
    total = sum(tried.phases.values())
    phases = ", ".join(f"{name} {seconds / total:.0%}" for name, seconds in tried.phases.items())
    speed = tried.tokens / tried.step_seconds
    use = speed * record["flops_per_token"] / record["peak_flops"]
    at_once = f", {config.micro_batch} at once" if config.micro_batch else ""
    begun = f" ({tried.begins:,} of them are done)" if tried.begins else ""
    return [
        ("run folder", f"{tried.out}: {'goes on' if tried.begins else 'free, and can be written'}"),
        ("model", f"{record['preset']}, {record['parameters']:,} parameters, {vocabulary:,} pieces"),
        ("device", f"{record['device']} ({record['device_name']}), {config.precision}, 1 process"),
        ("text", f"{train_text['tokens']:,} tokens in {train_text['documents']:,} documents"),
        ("held out", f"{held_out['documents']:,} documents" if held_out else "nothing"),
        ("epoch", f"{tried.examples:,} examples, {tried.examples / config.batch_size:,.0f} steps"),
        ("batch", f"{config.batch_size} sequences, {tried.tokens:,} tokens{at_once}"),
        ("first loss", ", ".join(losses)),
        ("step", f"{tried.step_seconds:.3g} s: {phases}"),
        ("speed", f"{speed:,.0f} tokens/s, MFU {use:.0%}"),
        ("memory", f"{human(tried.memory)} at most so far"),
        ("checkpoint", f"{human(tried.checkpoint)}, written and read again"),
        ("disk", f"{human(tried.needed)} needed, {human(tried.free)} free"),
        ("whole run", f"{tried.steps:,} steps{begun}, {tried.epochs:.3g} epochs, {lasts(tried.seconds)}"),
    ]


def lasts(seconds: float) -> str:
    """Return a time in words: "about 12 minutes"."""
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"about {seconds / length:.1f} {unit}"
    return f"about {seconds:.0f} seconds"
