"""Run folders as fine-tuning leaves them, made up."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

HEADS = {
    "classes": {"task": "classes", "labels": ["neg", "pos"], "dropout": 0.1},
    "labels": {"task": "labels", "labels": ["art", "law", "war"], "dropout": 0.1},
    "number": {"task": "number", "labels": [], "dropout": 0.1},
    "tags": {"task": "tags", "labels": ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"], "dropout": 0.1},
    "spans": {"task": "spans", "labels": [], "dropout": 0.1},
}
COMMANDS = {
    "classes": "classify",
    "labels": "classify",
    "number": "classify",
    "tags": "tag",
    "spans": "answer",
}
GOALS = {"classes": "accuracy", "labels": "micro_f1", "number": "pearson", "tags": "f1", "spans": "f1"}


def task_record(head: str = "classes", **changes: Any) -> dict[str, Any]:
    """A run.json as fine-tuning writes it."""
    record = {
        "task": COMMANDS[head],
        "body": "minilm",
        "body_kind": "Bert",
        "head": HEADS[head],
        "goal": GOALS[head],
        "command": f"minibert finetune {COMMANDS[head]} minilm --data reviews.csv",
        "config": {
            "data": ["reviews.csv"],
            "strategy": "whole",
            "batch_size": 16,
            "epochs": 3.0,
            "seed": 0,
            "lr": None,
            "out": None,
        },
        "model": {"layers": 6, "width": 384, "heads": 12, "feedforward": 1536, "vocab_size": 30522},
        "parameters": 22713986,
        "learning_parameters": 22713986,
        "processes": 1,
        "versions": {"minibert": "0.1.0", "python": "3.11.9", "torch": "2.13.0"},
        "device": "cpu",
        "device_name": "AMD EPYC 7B13",
        "threads": 2,
        "started": "2026-01-02T03:04:05",
        "finished": "2026-01-02T03:14:00",
        "stopped_early": None,
        "data": {
            "data": ["reviews.csv"],
            "fingerprint": "f00d" * 16,
            "tokenizer": "beef" * 16,
            "texts": {"train": 8000, "validation": 1000, "test": 1000},
            "rows": 8000,
            "tokens": 200000,
            "notes": ["3 texts were in two of the sets, and are left out of the first."],
        },
    }
    return record | changes


def task_rows(steps: int = 1500, goal: str = "accuracy", epoch: int = 500) -> list[dict[str, Any]]:
    """The lines of a run like those that really happen: it learns, and then learns by heart."""
    noise = np.random.default_rng(0)
    rows: list[dict[str, Any]] = []
    for step in range(20, steps + 1, 20):
        rows.append(
            {
                "kind": "train",
                "step": step,
                "tokens": step * 400,
                "seconds": step * 0.4,
                "progress": step / steps,
                "loss": 0.1 + 0.6 * math.exp(-step / 400) + noise.normal(0, 0.05),
                "lr": 2e-5 * min(step / 150, (steps - step) / max(steps - 150, 1)),
                "grad_norm": math.exp(noise.normal(0, 0.3)),
                "tokens_per_second": noise.normal(1000, 50),
            }
        )
        if step % epoch == 0:
            look = {"kind": "held_out", "step": step, "seconds": step * 0.4}
            best = step == 2 * epoch
            rows.append(look | {"loss": 0.40 if best else 0.45, goal: 0.84 if best else 0.82})
    return rows


def per_class(counts: np.ndarray, labels: Sequence[str]) -> dict[str, dict[str, float]]:
    """Precision, recall, F1 and count of each class, of a confusion matrix."""
    right = np.diag(counts)
    precision, recall = right / np.maximum(counts.sum(0), 1), right / np.maximum(counts.sum(1), 1)
    f1 = 2 * right / np.maximum(counts.sum(0) + counts.sum(1), 1)
    return {
        label: {"precision": p, "recall": r, "f1": f, "count": int(n)}
        for label, p, r, f, n in zip(labels, precision, recall, f1, counts.sum(1), strict=True)
    }


CONFUSION = [[420, 80], [79, 421]]

MISTAKES = [
    {
        "text": "A *superb* | dull\nfilm <b>`not`</b> fine",
        "pair": None,
        "true": "neg",
        "predicted": "pos",
        "probability": 0.991,
        "words": [["A", 0], ["*superb*", 0.41], ["|", 0], ["dull", -0.2], ["film", 0.01]]
        + [["<b>`not`</b>", 0.05]],
    },
    {
        "text": "不好！",
        "pair": "Why [not] $5$",
        "true": "neg",
        "predicted": "pos",
        "probability": 0.9,
        "words": [["不", 0.3], ["好！", 0.2], ["Why", 0.0], ["[not]", 0.1], ["$5$", 0.05]],
    },
]  # fmt: skip


def class_evaluation(**changes: Any) -> dict[str, Any]:
    """An evaluation.json of two classes: the model beats both baselines."""
    record = {
        "step": 1000,
        "goal": "accuracy",
        "validation": {"loss": 0.4, "accuracy": 0.84, "macro_f1": 0.84},
        "test": {"loss": 0.41, "accuracy": 0.841, "macro_f1": 0.841},
        "baselines": {
            "most frequent class": {"accuracy": 0.5, "macro_f1": 1 / 3},
            "TF-IDF with logistic regression": {"accuracy": 0.765, "macro_f1": 0.764, "loss": 0.5},
        },
        "details": {
            "confusion": {"labels": ["neg", "pos"], "counts": CONFUSION},
            "classes": per_class(np.array(CONFUSION), ["neg", "pos"]),
            "calibration": {
                "bins": [
                    {"confidence": 0.6, "accuracy": 0.5, "count": 200},
                    {"confidence": 0.95, "accuracy": 0.926, "count": 800},
                ],
                "error": 0.0392,
            },
        },
        "mistakes": MISTAKES,
        "forgetting": {"before": 2.1, "after": 3.4},
    }
    return record | changes


def class_lines() -> list[dict[str, Any]]:
    """Some of the lines of predictions.jsonl of two classes."""
    return [
        {"text": f"Text number {i}.", "label": "pos", "probability": 0.9, "true": "pos"} for i in range(5)
    ]


def tag_evaluation(**changes: Any) -> dict[str, Any]:
    """An evaluation.json of entities."""
    types = {
        "LOC": {"precision": 0.5, "recall": 0.4, "f1": 4 / 9, "true": 200, "predicted": 160},
        "PER": {"precision": 0.6, "recall": 0.6, "f1": 0.6, "true": 300, "predicted": 300},
    }
    record = {
        "step": 1000,
        "goal": "f1",
        "validation": {"loss": 0.2, "accuracy": 0.95, "precision": 0.6, "recall": 0.5, "f1": 0.55},
        "test": {"loss": 0.2, "accuracy": 0.95, "precision": 0.565, "recall": 0.52, "f1": 0.5416},
        "baselines": {"gazetteer": {"accuracy": 0.9, "precision": 0.5, "recall": 0.1, "f1": 1 / 6}},
        "details": {"types": types},
    }
    return record | changes


def tag_lines() -> list[dict[str, Any]]:
    """Lines of predictions.jsonl of entities: one sentence right, one wrong in two entities."""
    words = ["Ada", "Lovelace", "saw", "New", "York", "*"]
    right = {
        "text": "Ada Lovelace saw New York *",
        "words": words,
        "tags": ["B-PER", "I-PER", "O", "B-LOC", "I-LOC", "O"],
        "entities": [],
        "true_tags": ["B-PER", "I-PER", "O", "B-LOC", "I-LOC", "O"],
    }
    return [right, right | {"tags": ["B-PER", "O", "O", "B-LOC", "I-LOC", "O"]}]


def write_task(
    folder: Path,
    run: dict[str, Any] | None = None,
    rows: list[dict[str, Any]] | None = None,
    evaluation: dict[str, Any] | None = None,
    lines: list[dict[str, Any]] | None = None,
) -> Path:
    """Write a run folder; what is None is left out."""
    folder.mkdir(exist_ok=True)
    for name, value in (("run.json", run), ("evaluation.json", evaluation)):
        if value is not None:
            (folder / name).write_text(json.dumps(value))
    for name, values in (("metrics.jsonl", rows), ("predictions.jsonl", lines)):
        if values is not None:
            (folder / name).write_text("".join(json.dumps(value) + "\n" for value in values))
    return folder


def class_run(folder: Path, run: dict[str, Any] | None = None, **found: Any) -> Path:
    """A classification that is done, with everything in it."""
    write_task(folder, run or task_record(), task_rows(), class_evaluation(**found), class_lines())
    (folder / "model.safetensors").touch()
    return folder
