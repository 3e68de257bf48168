"""The files of a fine-tuning's run folder -> what the report says of it."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from minibert import config
from minibert.report.finetuned.asked import ASKED, Asked, Score, head_of
from minibert.report.kinds import MODELS, Kind
from minibert.report.markdown import is_number
from minibert.report.run_folder import Record, RunFolder, read_folder

BODIES = {
    "bert": config.BertConfig,
    "modernbert": config.ModernBertConfig,
    "gpt": config.GptConfig,
}
"""The kinds of models that can be fine-tuned, by their names in run.json in lower case."""


@dataclass(frozen=True)
class TaskFiles(RunFolder):
    """What the run folder of a fine-tuning says about it."""

    predictions: list[Record] = field(default_factory=list)
    """The lines of predictions.jsonl: what the model says of each test text, and what is true."""

    @property
    def head(self) -> str:
        """What the head gives: "classes", "labels", "number", "tags" or "spans"."""
        return head_of(self.get("head", "task"), self.get("task"))

    @property
    def labels(self) -> list[str]:
        """The names of its outputs."""
        return [str(label) for label in self.get("head", "labels") or []]

    @property
    def asked(self) -> Asked:
        """What is asked of the texts."""
        return ASKED[self.head]

    @property
    def learns(self) -> str:
        """What the run learns; runs that learn the same can be compared."""
        return self.asked.learns

    @property
    def kind(self) -> Kind:
        """The kind of the model under the head."""
        return MODELS[BODIES.get(str(self.get("body_kind")).lower(), config.BertConfig)]

    @property
    def body(self) -> str:
        """The name of the pretrained model, without the folders that it lies in."""
        return Path(self.get("body") or "").name or "an unrecorded model"

    @property
    def data(self) -> str:
        """The names of the data, without the folders that they lie in."""
        return " + ".join(Path(word).name for word in self.get("data", "data") or []) or "unrecorded texts"

    @property
    def name(self) -> str:
        """Model and data: "minilm on movie-reviews"."""
        return f"{self.body} on {self.data}"

    @property
    def strategy(self) -> str:
        """Which weights learned, as --strategy names it."""
        return str(self.get("config", "strategy") or "whole")

    def part(self, name: str) -> Record:
        """Return an object of evaluation.json, such as "test" or "details"; empty where there is none."""
        value = self.evaluation.get(name)
        return value if isinstance(value, dict) else {}

    @property
    def baselines(self) -> dict[str, Record]:
        """What the baselines reach on the test texts, by their names."""
        return objects(self.part("baselines"))

    @property
    def goal(self) -> str:
        """The name of the score by which the checkpoint was chosen."""
        return str(self.evaluation.get("goal") or self.get("goal") or "accuracy")

    @property
    def goal_score(self) -> Score:
        """What the goal is called, and how it is told."""
        return self.asked.score(self.goal)

    @property
    def tests(self) -> int | None:
        """How many test texts there are; None where nobody says."""
        count = self.get("data", "texts", "test")
        return int(count) if is_number(count) else len(self.predictions) or None

    @property
    def best(self) -> float | None:
        """The step of the checkpoint that was kept; None where nobody says."""
        step = self.evaluation.get("step")
        return step if is_number(step) else None

    @property
    def steps_per_epoch(self) -> float | None:
        """Steps in which every training row is seen once; None where nobody says."""
        rows, batch = self.get("data", "rows"), self.get("config", "batch_size")
        return rows / batch if is_number(rows) and is_number(batch) and rows > 0 < batch else None

    @property
    def looks(self) -> list[Record]:
        """The looks at the validation texts by step; the evaluation stands for one where there is none."""
        here = {look["step"] for look in self.held_out}
        end = self.part("validation") | {"step": self.best}
        if self.best is None or self.best in here or not self.part("validation"):
            return self.held_out
        return sorted([*self.held_out, end], key=lambda look: look["step"])


def objects(named: Any) -> dict[str, Record]:
    """Return the objects of an object by their names; none where it is no object."""
    values = named.items() if isinstance(named, dict) else ()
    return {name: value for name, value in values if isinstance(value, dict)}


def records(listed: Any) -> list[Record]:
    """Return the objects of a list; none where it is no list."""
    return [value for value in listed if isinstance(value, dict)] if isinstance(listed, list) else []


def read_task(folder: str | Path) -> TaskFiles:
    """Read the folder of a fine-tuning. Raises ValueError as `minibert.report.run_folder.read_record`."""
    files = read_folder(folder, TaskFiles)
    lines = _read_lines(files.folder / "predictions.jsonl")
    broken = sum(line is None for line in lines)
    files.predictions.extend(line for line in lines if line is not None)
    if broken:
        files.notes.append(f"{broken} lines of predictions.jsonl cannot be read and are passed over.")
    if files.evaluation and not files.predictions:
        files.notes.append("predictions.jsonl is missing or holds no whole line: no test text can be shown.")
    return files


def _read_lines(path: Path) -> list[Record | None]:
    """Return the objects of a file of JSON lines; None for a line that is none."""
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    lines = text.split("\n")  # not `splitlines`, which parts a text at signs that JSON lets stand in it
    return [_parse(line) for line in lines if line.strip()]


def _parse(line: str) -> Record | None:
    try:
        value: Any = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
