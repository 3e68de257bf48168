"""Precision, recall and F1 of each class, label or type of entity; of answers, by question word."""

from typing import Any

import numpy as np

from minibert.report.finetuned.asked import percent
from minibert.report.finetuned.task_files import TaskFiles, objects
from minibert.report.markdown import as_float, count, escape, table
from minibert.report.run_folder import Record

SHARES = ("precision", "recall", "f1")


def per_class(files: TaskFiles) -> list[str]:
    """Return the section with a row for each class: what scikit-learn calls a classification report."""
    details = files.part("details")
    classes = objects(details.get("classes") or details.get("types"))
    if not classes:
        return _by_question_word(objects(details.get("kinds")))
    of = files.asked.of or "class"
    values = np.array([[as_float(numbers.get(key)) for key in SHARES] for numbers in classes.values()])
    counts = np.array([as_float(_count(numbers)) for numbers in classes.values()])
    total = float(counts.sum())
    rows = {escape(name): row for name, row in zip(classes, values.tolist(), strict=True)}
    cells = [
        [name, *map(percent, row), count(number)]
        for (name, row), number in zip(rows.items(), counts.tolist(), strict=True)
    ]
    if len(classes) > 1:
        cells.append(["mean", *map(percent, values.mean(axis=0).tolist()), count(total)])
    if len(classes) > 1 and total > 0:
        weighted = (counts @ values / total).tolist()
        cells.append(["mean, each by its count", *map(percent, weighted), count(total)])
    return [
        f"## By {of}",
        table([of, "precision", "recall", "F1", "count"], cells),
        f"Precision: of what was predicted to be such a {of}, the share that is one. Recall: of what is one, "
        "the share that was predicted to be. F1: their harmonic mean. Count: how many there are in the test "
        f"{files.asked.texts}.",
    ]


def _by_question_word(kinds: dict[str, Record]) -> list[str]:
    """Return the section with a row for each kind of question: who, when, where."""
    if not kinds:
        return []
    cells = [
        [escape(kind), *(percent(numbers.get(key)) for key in ("exact", "f1")), count(_count(numbers))]
        for kind, numbers in kinds.items()
    ]
    return ["## By question word", table(["question", "exact match", "F1", "count"], cells)]


def _count(numbers: Record) -> Any:
    """Return how many there truly are: of a class, or of a type of entity."""
    return numbers.get("count", numbers.get("true"))
