"""The files of a run folder -> what the report says; whatever is missing becomes a sentence."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minibert.report.kinds import Kind, Pieces, Task, kind_of, pieces_of, task_of
from minibert.report.markdown import as_float, count, is_number, percent

Record = dict[str, Any]
"""A JSON object."""

KINDS = ("train", "held_out", "spike", "overflow")
"""What a line of metrics.jsonl may tell of."""


@dataclass(frozen=True)
class RunFiles:
    """What a run folder says about a run that is done, going on, or was killed."""

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
    def newest(self) -> Record:
        """The evaluation, else the last look at held-out text while it trained; empty where there is none."""
        return self.evaluation or (self.held_out[-1] if self.held_out else {})

    @property
    def looks(self) -> list[Record]:
        """The looks at held-out text by step; the evaluation at the end stands for one at its step."""
        end = self.evaluation.get("step")
        if not is_number(end):
            return self.held_out
        others = [look for look in self.held_out if look["step"] != end]
        return sorted([*others, self.evaluation], key=lambda look: look["step"])

    @property
    def kind(self) -> Kind:
        """The kind of model."""
        return kind_of(self.get("preset"))

    @property
    def task(self) -> Task:
        """What the model learned by."""
        return task_of(self.get("config", "objective"))

    @property
    def pieces(self) -> Pieces:
        """What the text is cut into."""
        return pieces_of(self.get("config", "tokenizer"), self.origin)

    @property
    def pairs(self) -> bool:
        """Whether next sentences were an objective."""
        return self.task.pairs

    @property
    def causal(self) -> bool:
        """Whether the objective was the next token."""
        return self.task.causal

    @property
    def baselines(self) -> dict[str, Record]:
        """What the baselines reach: name -> {"loss": nats, "accuracy": share}."""
        return {name: values or {} for name, values in (self.evaluation.get("baselines") or {}).items()}

    @property
    def text_to_fill(self) -> str:
        """A text with a blank: from the run's own held-out text, where it was evaluated on any."""
        blanks = self.evaluation.get("blanks") or []
        return blanks[0]["text"] if blanks else "The [MASK] of the union"

    @property
    def prompt(self) -> str:
        """A text to go on from: from the run's own held-out text, where it was evaluated on any."""
        samples = self.evaluation.get("samples") or []
        return " ".join(samples[0]["prompt"].split()) if samples else "The state of the union"

    @property
    def cards(self) -> list[Record]:
        """What the run recorded of its data cards; plain files have none."""
        return [card for card in self.get("data", "cards") or [] if isinstance(card, dict)]

    @property
    def corpus(self) -> str:
        """The names of the texts, without the folders that they lie in."""
        return (
            " + ".join(Path(word).name for word in self.get("data", "corpus") or []) or "an unrecorded text"
        )

    @property
    def origin(self) -> str:
        """The name of the folder whose weights the run went on from; empty when it started from scratch."""
        return Path(self.get("config", "from_folder") or "").name

    @property
    def name(self) -> str:
        """Preset and corpus: "bert-tiny on sotu"."""
        return f"{self.get('preset') or self.kind.called} on {self.corpus}"

    @property
    def device(self) -> str:
        """Kind, name and threads: "cpu (AMD EPYC), 2 threads"."""
        kind, name, threads = (self.get(key) for key in ("device", "device_name", "threads"))
        device = f"{kind} ({name})" if kind and name else kind or name or "an unrecorded device"
        return f"{device}, {count(threads)} thread{'s' * (threads > 1)}" if threads else device


def read_run(folder: str | Path) -> RunFiles:
    """Read run.json, metrics.jsonl and evaluation.json of a run folder.

    Raises ValueError when `folder` is not a run folder, or its run.json cannot be read.
    """
    folder = Path(folder)
    settings = folder / "run.json"
    if not settings.is_file():
        raise ValueError(
            f"{folder} is not a run folder: expected a file run.json in it, got {_listing(folder)}. "
            "Give the folder that `minibert pretrain` wrote, such as runs/bert-tiny."
        )
    try:
        run = _read_object(settings)
    except ValueError as error:
        raise ValueError(
            f"{settings} cannot be read: expected the JSON object of a run, got: {error}"
        ) from None

    notes: list[str] = []
    rows = _read_metrics(folder / "metrics.jsonl", notes)
    evaluation = _read_evaluation(folder / "evaluation.json", notes)
    train, held_out, spikes, overflows = ([row for row in rows if row["kind"] == kind] for kind in KINDS)
    notes += _oddities(run, train) + _bad_gradients(folder)
    return RunFiles(folder, run, train, held_out, spikes, overflows, evaluation, notes)


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


def _oddities(run: Record, train: list[Record]) -> list[str]:
    notes = []
    if not run.get("finished") and train and is_number(train[-1].get("progress")):
        notes.append(f"The run has come {percent(train[-1]['progress'])} of its way.")
    if len(train) == 1:
        notes.append("Only one line of training has been logged: its curves are single points.")
    what = task_of((run.get("config") or {}).get("objective")).what
    bad = [row["step"] for row in train if not math.isfinite(as_float(row.get("word_loss")))]
    if bad:
        notes.append(
            f"The training loss on {what} is missing or not a finite number on {len(bad)} of "
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
