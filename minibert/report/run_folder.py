"""The files of a run folder, of whatever kind the run is; whatever is missing becomes a sentence."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np

from minibert.report.markdown import as_float, count, is_number, percent

Record = dict[str, Any]
"""A JSON object."""

KINDS = ("train", "held_out", "spike", "overflow")
"""What a line of metrics.jsonl may tell of."""


@dataclass(frozen=True)
class RunFolder:
    """What a run folder says about a run that is done, going on, or was killed."""

    LOSS: ClassVar[str] = "loss"
    """The name in metrics.jsonl of the loss that the notes tell of."""

    folder: Path
    """The run folder."""
    run: Record
    """run.json."""
    train: list[Record]
    """The lines of metrics.jsonl about training, by step."""
    held_out: list[Record]
    """The lines of metrics.jsonl about held-out text, by step."""
    spikes: list[Record]
    """Those about steps whose loss stood far above that of the steps before."""
    overflows: list[Record]
    """Those about steps left out since the gradient was not finite in fp16."""
    evaluation: Record
    """evaluation.json; empty where there is none."""
    notes: list[str]
    """Sentences about what is missing or odd."""

    def get(self, *keys: str) -> Any:
        """Return the value under nested keys of run.json, or None."""
        value: Any = self.run
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        return value

    @property
    def last(self) -> Record:
        """The newest line about training; empty where there is none."""
        return self.train[-1] if self.train else {}

    @property
    def loss_of(self) -> str:
        """What the loss of the notes is on: " on masked words"; empty where there is one loss alone."""
        return ""

    @property
    def cards(self) -> list[Record]:
        """What the run recorded of its data cards; plain files have none."""
        return [card for card in self.get("data", "cards") or [] if isinstance(card, dict)]

    @property
    def device(self) -> str:
        """Kind, name and threads: "cpu (AMD EPYC), 2 threads"."""
        kind, name, threads = (self.get(key) for key in ("device", "device_name", "threads"))
        device = f"{kind} ({name})" if kind and name else kind or name or "an unrecorded device"
        return f"{device}, {count(threads)} thread{'s' * (threads > 1)}" if threads else device


Folder = TypeVar("Folder", bound=RunFolder)


def read_record(folder: str | Path) -> Record:
    """Read run.json of a run folder.

    Raises ValueError when `folder` is not a run folder, or its run.json cannot be read.
    """
    folder = Path(folder)
    settings = folder / "run.json"
    if not settings.is_file():
        raise ValueError(
            f"{folder} is not a run folder: expected a file run.json in it, got {_listing(folder)}. Give the "
            "folder that `minibert pretrain` or `minibert finetune` wrote, such as runs/bert-tiny."
        )
    try:
        return _read_object(settings)
    except ValueError as error:
        raise ValueError(
            f"{settings} cannot be read: expected the JSON object of a run, got: {error}"
        ) from None


def read_folder(folder: str | Path, kind: type[Folder]) -> Folder:
    """Read run.json, metrics.jsonl and evaluation.json of a run folder, as a run of a kind.

    Raises ValueError as `read_record`.
    """
    folder, run = Path(folder), read_record(folder)
    notes: list[str] = []
    rows = _read_metrics(folder / "metrics.jsonl", notes)
    evaluation = _read_evaluation(folder / "evaluation.json", notes)
    train, held_out, spikes, overflows = ([row for row in rows if row["kind"] == name] for name in KINDS)
    files = kind(folder, run, train, held_out, spikes, overflows, evaluation, notes)
    notes += [*_oddities(files), *_bad_gradients(folder)]
    return files


def column(rows: list[Record], key: str) -> np.ndarray:
    """Return the values under `key`, (n,) float64; NaN where there is no number."""
    return np.array([as_float(row.get(key)) for row in rows], dtype=np.float64)


def _read_object(path: Path) -> Record:
    value = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(value, dict):
        raise ValueError(f"a {type(value).__name__} in place of an object")
    return value


def _read_evaluation(path: Path, notes: list[str]) -> Record:
    try:
        return _read_object(path)
    except FileNotFoundError:
        notes.append("There is no evaluation.json: the run has not been evaluated at its end (yet).")
    except ValueError as error:
        notes.append(f"evaluation.json cannot be read ({error}), so its numbers are left out.")
    return {}


def _read_metrics(path: Path, notes: list[str]) -> list[Record]:
    """Return the readable lines by step; where a run was resumed, the later line of a step counts."""
    rows: list[Record] = []
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
    for number, line in enumerate(lines, start=1):
        row = _parse_metrics(line)
        if row is None:
            if number < len(lines) and line.strip():  # the last line may still be in writing
                notes.append(f"Line {number} of metrics.jsonl cannot be read and is passed over.")
            continue
        if rows and row["step"] <= rows[-1]["step"]:
            this = (row["step"], True)
            rows = [old for old in rows if (old["step"], old["kind"] == row["kind"]) < this]
        rows.append(row)
    if not rows:
        notes.append("metrics.jsonl is missing or holds no whole line: nothing has been logged (yet).")
    return rows


def _parse_metrics(line: str) -> Record | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    known = isinstance(row, dict) and row.get("kind") in KINDS
    return row if known and math.isfinite(as_float(row.get("step"))) else None


def _oddities(files: RunFolder) -> list[str]:
    notes, train = [], files.train
    if not files.get("finished") and train and is_number(train[-1].get("progress")):
        notes.append(f"The run has come {percent(train[-1]['progress'])} of its way.")
    if len(train) == 1:
        notes.append("Only one line of training has been logged: its curves are single points.")
    bad = [row["step"] for row in train if not math.isfinite(as_float(row.get(files.LOSS)))]
    if bad:
        notes.append(
            f"The training loss{files.loss_of} is missing or not a finite number on {len(bad)} of "
            f"{len(train)} logged lines, first at step {count(bad[0])}."
        )
    return notes


def _bad_gradients(folder: Path) -> list[str]:
    names = sorted(path.name for path in folder.glob("bad-step-*.json"))
    if not names:
        return []
    return [f"The run stopped at a gradient that was not finite. What is known of it: {', '.join(names)}."]


def _listing(folder: Path) -> str:
    if not folder.is_dir():
        return "a file" if folder.exists() else "no such folder"
    names = sorted(path.name for path in folder.iterdir())
    return (", ".join(names[:8]) + (" …" if len(names) > 8 else "")) or "an empty folder"
