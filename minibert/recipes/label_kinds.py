"""What differs between one class, several labels and a number: the target, the loss, and what is measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from minibert.batches.batch import IGNORE
from minibert.config import HeadConfig
from minibert.text.class_scores import (
    Shares,
    calibration,
    class_shares,
    confusion,
    label_shares,
    number_scores,
)
from minibert.text.labelled import LabelledText, require_known
from minibert.train.class_loss import balanced_weights, binary_cross_entropy, weighted_cross_entropy
from minibert.train.loss import cross_entropy, mean_squared_error

Floats = NDArray[np.float64]

TINY = np.finfo(np.float64).tiny
"""In place of a probability of 0, which has no logarithm."""


class LabelKind(Protocol):
    """What is asked of a text. Its head has C outputs, for C labels or for one number."""

    def goal(self, weighted: bool) -> str:
        """Return the score that chooses the best checkpoint; `weighted`: whether rare labels weigh more."""
        ...

    def targets(self, texts: Sequence[LabelledText]) -> NDArray:
        """Return what is true of N texts, as the loss asks for it.

        Raises ValueError for a label that there is no place for, with the row and the labels there are.
        """
        ...

    def weights(self, targets: NDArray) -> Floats:
        """Return the weights that balance the labels of a training set."""
        ...

    def loss(self, logits: Tensor, targets: Tensor, weights: Tensor | None, smoothing: float) -> Tensor:
        """Return the mean loss of logits (B, C)."""
        ...

    def outputs(self, logits: Floats) -> Floats:
        """Return probabilities, or numbers, of logits (N, C)."""
        ...

    def perfect(self, targets: NDArray) -> Floats:
        """Return the outputs (N, C) that have no error."""
        ...

    def measure(self, targets: NDArray, outputs: Floats) -> dict[str, float]:
        """Return the scores of outputs (N, C) on texts whose labels are all known."""
        ...

    def details(self, targets: NDArray, outputs: Floats) -> dict[str, Any]:
        """Return what the report shows besides, as plain values."""
        ...

    def said(self, outputs: Sequence[float]) -> dict[str, Any]:
        """Return what the outputs (C,) say of a text."""
        ...


@dataclass(frozen=True)
class OneClass:
    """One class of several, by softmax and cross-entropy."""

    names: tuple[str, ...]

    def goal(self, weighted: bool) -> str:
        """Accuracy; where rare classes weigh more, macro F1, in which they do as well."""
        return "macro_f1" if weighted else "accuracy"

    def targets(self, texts: Sequence[LabelledText]) -> NDArray:
        """Return the number of each class: (N,) int64, IGNORE where it is not known."""
        require_known(texts, self.names)
        place = {name: number for number, name in enumerate(self.names)}
        return np.array([place.get(str(text.label), IGNORE) for text in texts], np.int64)

    def weights(self, targets: NDArray) -> Floats:
        """Return the balanced weights of the classes (C,)."""
        return balanced_weights(np.bincount(targets, minlength=len(self.names)))

    def loss(self, logits: Tensor, targets: Tensor, weights: Tensor | None, smoothing: float) -> Tensor:
        """Return the cross-entropy (nats)."""
        if weights is None:
            return cross_entropy(logits, targets, smoothing)
        return weighted_cross_entropy(logits, targets, weights, smoothing)

    def outputs(self, logits: Floats) -> Floats:
        """Return exp(z_c) / sum_c exp(z_c)."""
        powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
        return powers / powers.sum(axis=-1, keepdims=True)

    def perfect(self, targets: NDArray) -> Floats:
        """Return 1 for the true class."""
        return np.eye(len(self.names))[targets]

    def measure(self, targets: NDArray, outputs: Floats) -> dict[str, float]:
        """Return "loss" (nats), "accuracy", "macro_f1" and "calibration_error".

        Macro F1 is the mean over the classes that occur, as true or as predicted.
        """
        predicted = outputs.argmax(axis=1)
        counts = confusion(targets, predicted, len(self.names))
        true = outputs[np.arange(len(targets)), targets]
        return {
            "loss": float(-np.log(true.clip(TINY)).mean()),
            "accuracy": float((predicted == targets).mean()),
            "macro_f1": mean_f1(class_shares(counts), counts.sum(axis=0) + counts.sum(axis=1)),
            "calibration_error": calibration(outputs.max(axis=1), predicted == targets).error,
        }

    def details(self, targets: NDArray, outputs: Floats) -> dict[str, Any]:
        """Return "classes", see `by_name`, "confusion" and "calibration"."""
        predicted = outputs.argmax(axis=1)
        counts = confusion(targets, predicted, len(self.names))
        sure = calibration(outputs.max(axis=1), predicted == targets)
        bins = zip(*(each.tolist() for each in sure), strict=True)
        return {
            "classes": by_name(self.names, class_shares(counts), counts.sum(axis=1)),
            "confusion": {"labels": list(self.names), "counts": counts.tolist()},
            "calibration": {
                "error": sure.error,
                "bins": [{"confidence": p, "accuracy": share, "count": n} for p, share, n in bins],
            },
        }

    def said(self, outputs: Sequence[float]) -> dict[str, Any]:
        """Return the likeliest class as "label", and the "probabilities" of all by name."""
        named = dict(zip(self.names, outputs, strict=True))
        return {"label": max(named, key=named.__getitem__), "probabilities": named}


@dataclass(frozen=True)
class SeveralLabels:
    """Any number of labels: for each a question of yes or no."""

    names: tuple[str, ...]

    def goal(self, weighted: bool) -> str:
        """Micro F1; where rare labels weigh more, macro F1, in which they do as well."""
        return "macro_f1" if weighted else "micro_f1"

    def targets(self, texts: Sequence[LabelledText]) -> NDArray:
        """Return (N, C) float32, 1 where a text has a label, NaN where its labels are not known."""
        require_known(texts, self.names)
        place = {name: number for number, name in enumerate(self.names)}
        table = np.zeros((len(texts), len(self.names)), np.float32)
        for row, text in enumerate(texts):
            if isinstance(text.label, tuple):
                table[row, [place[name] for name in text.label]] = 1
            else:
                table[row] = np.nan
        return table

    def weights(self, targets: NDArray) -> Floats:
        """Return the balanced weights of no and of yes, for each label: (2, C)."""
        yes = targets.sum(axis=0).astype(np.int64)
        return np.stack([balanced_weights(np.array([len(targets) - count, count])) for count in yes], axis=1)

    def loss(self, logits: Tensor, targets: Tensor, weights: Tensor | None, smoothing: float) -> Tensor:
        """Return the binary cross-entropy (nats)."""
        return binary_cross_entropy(logits, targets, weights, smoothing)

    def outputs(self, logits: Floats) -> Floats:
        """Return 1 / (1 + exp(-z))."""
        return 0.5 * (1 + np.tanh(logits / 2))  # the same, and no power overflows

    def perfect(self, targets: NDArray) -> Floats:
        """Return 1 for the true labels."""
        return targets.astype(np.float64)

    def measure(self, targets: NDArray, outputs: Floats) -> dict[str, float]:
        """Return "loss" (nats), "accuracy", and of the labels above a half "micro_f1" and more.

        Accuracy: the share of texts with just the true labels. "micro_f1", "precision" and "recall" are over
        all labels given; "macro_f1" is the mean over the labels that occur, as true or as predicted.
        """
        true, predicted = targets > 0.5, outputs > 0.5
        each, together = label_shares(true, predicted)
        return {
            "loss": float(-np.log(np.where(true, outputs, 1 - outputs).clip(TINY)).mean()),
            "accuracy": float((true == predicted).all(axis=1).mean()),
            "micro_f1": float(together.f1),
            "macro_f1": mean_f1(each, true.sum(axis=0) + predicted.sum(axis=0)),
            "precision": float(together.precision),
            "recall": float(together.recall),
        }

    def details(self, targets: NDArray, outputs: Floats) -> dict[str, Any]:
        """Return "classes", see `by_name`."""
        each, _ = label_shares(targets > 0.5, outputs > 0.5)
        return {"classes": by_name(self.names, each, (targets > 0.5).sum(axis=0))}

    def said(self, outputs: Sequence[float]) -> dict[str, Any]:
        """Return the "labels" with a probability above a half, and the "probabilities" of all by name."""
        named = dict(zip(self.names, outputs, strict=True))
        return {"labels": [name for name, p in named.items() if p > 0.5], "probabilities": named}


@dataclass(frozen=True)
class Number:
    """A number, by the squared error.

    The head gives it in its own unit, and the loss asks for it there: a mean and a spread would have no place
    in a folder that `transformers` is to open. So numbers that lie near 1 are learned best.
    """

    def goal(self, weighted: bool) -> str:
        """Return R², which is higher where the squared error is lower."""
        return "r2"

    def targets(self, texts: Sequence[LabelledText]) -> NDArray:
        """Return (N,) float32, NaN where the number is not known."""
        return np.array([np.nan if text.label is None else text.label for text in texts], np.float32)

    def weights(self, targets: NDArray) -> Floats:
        """Raise ValueError: there are no classes."""
        raise ValueError("--class-weights are for classes, not for numbers")

    def loss(self, logits: Tensor, targets: Tensor, weights: Tensor | None, smoothing: float) -> Tensor:
        """Return the mean squared error."""
        return mean_squared_error(logits[:, 0].float(), targets)

    def outputs(self, logits: Floats) -> Floats:
        """Return the numbers as they are."""
        return logits

    def perfect(self, targets: NDArray) -> Floats:
        """Return the true numbers."""
        return targets.astype(np.float64)[:, None]

    def measure(self, targets: NDArray, outputs: Floats) -> dict[str, float]:
        """Return "loss", the squared error, and those of `number_scores`."""
        scores = number_scores(targets.astype(np.float64), outputs[:, 0])
        return {"loss": scores["mse"], **scores}

    def details(self, targets: NDArray, outputs: Floats) -> dict[str, Any]:
        """Return nothing."""
        return {}

    def said(self, outputs: Sequence[float]) -> dict[str, Any]:
        """Return the "number"."""
        return {"number": outputs[0]}


def kind_for(head: HeadConfig) -> LabelKind:
    """Return what a head is asked for."""
    kinds = {"classes": OneClass, "labels": SeveralLabels}
    return Number() if head.task == "number" else kinds[head.task](head.labels)


def mean_f1(each: Shares, occurs: NDArray[np.integer]) -> float:
    """Return macro F1: the mean of the F1 (C,) of what occurs at all, 0 where nothing does."""
    return float(each.f1[occurs > 0].mean()) if occurs.any() else 0.0


def by_name(names: Sequence[str], each: Shares, counts: NDArray[np.integer]) -> dict[str, dict[str, float]]:
    """Return "precision", "recall", "f1" and "count", how many truly are, of each label by its name."""
    rows = zip(*(shares.tolist() for shares in each), counts.tolist(), strict=True)
    return {
        name: {"precision": precision, "recall": recall, "f1": f1, "count": count}
        for name, (precision, recall, f1, count) in zip(names, rows, strict=True)
    }
