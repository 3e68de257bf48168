"""report.md of a fine-tuning: the result, scores, pictures, mistakes, what ran, and how to go on."""

from collections.abc import Sequence

import numpy as np

from minibert.report.finetuned.per_class import per_class
from minibert.report.finetuned.task_beside import tasks_compared
from minibert.report.finetuned.task_files import TaskFiles
from minibert.report.finetuned.task_pictures import calibration, confusion, learning, numbers
from minibert.report.finetuned.task_scores import scores_table, summary
from minibert.report.finetuned.task_usage import how_to_go_on
from minibert.report.finetuned.verdict import verdict
from minibert.report.finetuned.worst import worst
from minibert.report.markdown import NONE, as_float, count, duration, escape, indented, nats, number, table
from minibert.report.run_folder import column
from minibert.report.speed import memory, speed


def task_page(files: TaskFiles, others: Sequence[TaskFiles]) -> list[str]:
    """Draw the pictures into the run folder, and return the paragraphs of the report.

    With other runs the report compares them, in a picture and in tables.

    Raises ValueError for a run that is given twice.
    """
    return [
        f"# {escape(files.name)}",
        *verdict(files),
        summary(files),
        *(f"**Note.** {escape(note)}" for note in files.notes),
        "## Scores",
        *scores_table(files),
        *(["## Beside other runs", *tasks_compared([files, *others])] if others else []),
        *per_class(files),
        *confusion(files),
        *numbers(files),
        *calibration(files),
        *worst(files),
        *learning(files),
        *_forgotten(files),
        "## What ran",
        *_what_ran(files),
        "## How to go on",
        *how_to_go_on(files),
    ]


def settings(files: TaskFiles) -> list[list[str]]:
    """Return the rows (name, value) of what was trained: model, strategy, rates, texts."""
    rates = column(files.train, "lr")
    texts = files.get("data", "texts") or {}
    highest = f"{np.nanmax(rates):.3g}" if np.isfinite(rates).any() else None
    config = files.get("config") or {}
    rows = [
        ["model", f"{files.body} ({files.kind.called})"],
        ["head", files.head],
        [f"labels ({len(files.labels)})", ", ".join(files.labels) or None],
        ["parameters", count(files.get("parameters"))],
        ["parameters that learned", count(files.get("learning_parameters"))],
        ["strategy", files.strategy],
        ["learning rate, the highest logged", highest],
        ["texts in a batch", count(config.get("batch_size"))],
        ["seed", count(config.get("seed"))],
        ["steps", count(files.last.get("step"))],
        ["epochs", _epochs(files)],
        ["time trained", duration(files.last.get("seconds"))],
        ["tokens per second", count(speed(files))],
        ["peak memory", memory(files)],
        ["data", files.data],
        [f"{files.asked.texts} to learn from, to choose by, to measure on", _sizes(texts)],
        ["tokens to learn from", count(files.get("data", "tokens"))],
    ]
    return [[name, value] for name, value in rows if value not in (None, NONE)]


def _sizes(texts: object) -> str:
    parts = texts if isinstance(texts, dict) else {}
    return ", ".join(count(parts.get(side)) for side in ("train", "validation", "test"))


def _epochs(files: TaskFiles) -> str:
    steps, whole = as_float(files.last.get("step")), files.steps_per_epoch
    return number(steps / whole if whole else None, "{:.1f}")


def _forgotten(files: TaskFiles) -> list[str]:
    """Return the section on what the body forgot of its pretraining; nothing where it was not measured."""
    told = files.part("forgetting")
    before, after = as_float(told.get("before")), as_float(told.get("after"))
    if not np.isfinite([before, after]).all():
        return []
    return [
        "## What it forgot",
        f"The body guessed the words of its pretraining text at a loss of {nats(before)} nats before it was "
        f"fine-tuned, and of {nats(after)} nats after: {nats(abs(after - before))} nats "
        f"{'more' if after > before else 'less'}.",
    ]


def _what_ran(files: TaskFiles) -> list[str]:
    command = files.get("command")
    rows = [
        *settings(files),
        ["started", files.get("started")],
        ["finished", files.get("finished") or "not finished"],
        ["device", files.device],
        *([f"version of {name}", version] for name, version in (files.get("versions") or {}).items()),
        ["fingerprint of the texts", files.get("data", "fingerprint")],
        ["fingerprint of the tokenizer", files.get("data", "tokenizer")],
    ]
    notes = [str(note) for note in files.get("data", "notes") or []]
    return [
        indented(command) if command else "No command was recorded.",
        table(["", ""], [[escape(name), escape(value) if value else NONE] for name, value in rows]),
        *(["Of the texts:", "\n".join(f"- {escape(note)}" for note in notes)] if notes else []),
    ]
