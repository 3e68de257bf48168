"""The pictures of a fine-tuned run: what is taken for what, how sure it is, and how it learned."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from minibert import plots
from minibert.report.finetuned.asked import percent
from minibert.report.finetuned.task_files import TaskFiles, records
from minibert.report.markdown import count, escape
from minibert.report.run_folder import Record, column

MOST_CLASSES = 30
"""Classes of which a confusion matrix can be read."""

MOST_CONFUSED = 5
"""Pairs of classes that are named."""


# ---------------------------------------------------------------- confusion


def confusion(files: TaskFiles) -> list[str]:
    """Draw which classes are taken for which, and return the section that shows and tells it."""
    labels, counts = _matrix(files.part("details").get("confusion"))
    if not labels:
        return []
    shown = np.sort(np.argsort(-counts.sum(axis=1), kind="stable")[:MOST_CLASSES])
    names = [labels[i] for i in shown]
    plots.save(plots.confusion_figure(names, counts[np.ix_(shown, shown)]), files.folder / "confusion.png")
    said = [
        "## Confusion",
        "![Confusion matrix: true classes from above, predicted ones from the left](confusion.png)",
        "A row holds the test texts of one class, by what they were taken for. The darker a cell, the larger "
        "its share of the row (as its square root, so that few mistakes are seen, too).",
    ]
    if len(shown) < len(labels):
        said.append(f"The picture has the {len(shown)} most frequent of {len(labels)} classes.")
    if plots.families(names) is None:
        legend = ", ".join(f"{number}: {escape(name)}" for number, name in enumerate(names, 1))
        said.append(f"No font of this machine has all letters of the classes; they are numbered: {legend}.")
    return [*said, _most_confused(labels, counts)]


def _matrix(told: Any) -> tuple[list[str], np.ndarray]:
    """Return labels and counts (C, C); no labels where there are none, or where they do not fit."""
    told = told if isinstance(told, dict) else {}
    labels = [str(label) for label in told.get("labels") or []]
    try:
        counts = np.array(told.get("counts"), dtype=np.float64)
    except (TypeError, ValueError):
        return [], np.zeros((0, 0))
    fits = counts.shape == (len(labels), len(labels)) and np.isfinite(counts).all() and counts.sum() > 0
    return (labels if fits else []), counts


def _most_confused(labels: Sequence[str], counts: np.ndarray) -> str:
    """Return the sentence on which classes are most often taken for which."""
    wrong = counts - np.diag(np.diag(counts))
    most = np.argsort(-wrong, axis=None, kind="stable")[:MOST_CONFUSED]
    pairs = [divmod(int(place), len(labels)) for place in most if wrong.flat[place] > 0]
    told = [
        f"{escape(labels[true])} for {escape(labels[taken])} ({count(float(wrong[true, taken]))} of "
        f"{count(float(counts[true].sum()))})"
        for true, taken in pairs
    ]
    return f"Most often mistaken: {', '.join(told)}." if told else "No test text was taken for another class."


# ---------------------------------------------------------------- calibration


def calibration(files: TaskFiles) -> list[str]:
    """Draw how often the model is right over how sure it is, and return the section that shows it."""
    told = files.part("details").get("calibration")
    bins = records(told.get("bins") if isinstance(told, dict) else None)
    columns = np.stack([column(bins, key) for key in ("confidence", "accuracy", "count")])  # (3, n)
    confidence, accuracy, counts = columns[:, np.isfinite(columns).all(axis=0) & (columns[2] > 0)]
    if not counts.size:
        return []
    plots.save(plots.calibration_figure(confidence, accuracy, counts), files.folder / "calibration.png")
    sure, right = (float(values @ counts / counts.sum()) for values in (confidence, accuracy))
    error = float(np.abs(confidence - accuracy) @ counts / counts.sum())
    return [
        "## Calibration",
        "![How often the model is right, over how sure it is](calibration.png)",
        f"On average the model gives {percent(sure)} to what it predicts, and {percent(right)} of that is "
        "right. Below the diagonal it is too sure, above it not sure enough. The expected calibration error "
        f"is {percent(error)}: the mean distance of the points from the diagonal, each counted as often as "
        "there are predictions in it (Guo et al. 2017).",
    ]


# ---------------------------------------------------------------- numbers


def numbers(files: TaskFiles) -> list[str]:
    """Draw predicted numbers over true ones, and return the section that shows them."""
    true, predicted = (column(files.predictions, key) for key in ("true", "number"))
    known = np.isfinite(true) & np.isfinite(predicted)
    if not known.any():
        return []
    plots.save(plots.numbers_figure(true[known], predicted[known]), files.folder / "numbers.png")
    return [
        "## Predicted over true numbers",
        "![Predicted over true numbers](numbers.png)",
        f"Each of the {known.sum():,} test texts is a point; on the diagonal the prediction is right.",
    ]


# ---------------------------------------------------------------- learning


def learning(files: TaskFiles) -> list[str]:
    """Draw losses, goal and learning rate over the steps, and return the section that shows them."""
    looks = files.looks
    curves = plots.Learning(
        steps=column(files.train, "step"),
        losses=column(files.train, "loss"),
        rates=column(files.train, "lr"),
        looks=column(looks, "step"),
        look_losses=column(looks, "loss"),
        scores=column(looks, files.goal),
    )
    if not np.isfinite([*curves.losses, *curves.look_losses, *curves.scores]).any():
        return ["## How it learned", "No picture of the loss: no finite loss has been logged."]
    score = files.goal_score
    figure = plots.learning_figure(
        curves, score.title, files.asked.score("loss").title, files.steps_per_epoch, files.best
    )
    plots.save(figure, files.folder / "learning.png")
    return [
        "## How it learned",
        "![Losses, goal and learning rate over the steps](learning.png)",
        f"Loss in training and on the validation texts, {escape(score.title)} there, and the learning rate. "
        f"Vertical lines are the ends of epochs.{_told_best(looks, files)}",
    ]


def _told_best(looks: Sequence[Record], files: TaskFiles) -> str:
    """Return the sentence on the checkpoint that was kept; empty where nobody says which."""
    kept = [look for look in looks if look["step"] == files.best]
    if not kept:
        return ""
    value = files.goal_score.form(kept[-1].get(files.goal))
    last = files.goal_score.form(looks[-1].get(files.goal))
    told = f" The star is the checkpoint that was kept, of step {count(files.best)}: {value}"
    return f"{told}." if kept[-1] is looks[-1] else f"{told}; at the end it was {last}."
