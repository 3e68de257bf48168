"""How good predictions are: of classes, of several labels, and of numbers."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

BINS = 10
"""Of confidences, from 0 to 1, in the calibration."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


# ---------------------------------------------------------------- right or wrong


def confusion(true: Ints, predicted: Ints, classes: int) -> Ints:
    """Return how often each class was taken for each: (C, C), row: the true class, column: the predicted one.

    true, predicted: (N,) in [0, C).
    """
    return np.bincount(true * classes + predicted, minlength=classes * classes).reshape(classes, classes)


class Shares(NamedTuple):
    """Precision, recall and F1, of one class or of each."""

    precision: Floats
    """Of what was predicted, the share that is right: right / predicted."""
    recall: Floats
    """Of what is true, the share that was predicted: right / true."""
    f1: Floats
    """Their harmonic mean: 2 right / (predicted + true)."""


def shares(right: Ints, predicted: Ints, true: Ints) -> Shares:
    """Return precision, recall and F1 of counts of any shape; 0 where there is nothing to divide by."""
    return Shares(
        *(_divide(a, b) for a, b in ((right, predicted), (right, true), (2 * right, predicted + true)))
    )


def class_shares(counts: Ints) -> Shares:
    """Return precision, recall and F1 of each class (C,), of a confusion matrix (C, C)."""
    return shares(np.diag(counts), counts.sum(axis=0), counts.sum(axis=1))


def label_shares(true: NDArray[np.bool_], predicted: NDArray[np.bool_]) -> tuple[Shares, Shares]:
    """Return precision, recall and F1 of each label (C,), and those of all labels together.

    The first mean to make of them is "macro": every label counts the same. The second is "micro": every label
    given to a text counts the same. true, predicted: (N, C).
    """
    right, said, is_so = (each.sum(axis=0) for each in (true & predicted, predicted, true))
    return shares(right, said, is_so), shares(right.sum(), said.sum(), is_so.sum())


def _divide(a: Ints, b: Ints) -> Floats:
    return np.where(b > 0, a / np.maximum(b, 1), 0.0)


# ---------------------------------------------------------------- sure or not


class Calibration(NamedTuple):
    """Whether predictions are right as often as they are sure; of each bin that is not empty."""

    confidence: Floats
    """The mean probability of what was predicted."""
    accuracy: Floats
    """The share that is right."""
    count: Ints

    @property
    def error(self) -> float:
        """Expected calibration error: sum_b n_b / n |accuracy_b - confidence_b|. Guo et al. 2017, eq. 3."""
        return float(np.abs(self.accuracy - self.confidence) @ self.count / max(self.count.sum(), 1))


def calibration(confidence: Floats, right: NDArray[np.bool_], bins: int = BINS) -> Calibration:
    """Sort predictions into bins of equal width by how sure they are.

    confidence (N,): the probability of what was predicted; right (N,): whether it is so. Bin b has those in
    (b / bins, (b + 1) / bins], and the first one 0 as well.
    """
    place = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    count = np.bincount(place, minlength=bins)
    full = count > 0
    sums = (np.bincount(place, values, bins) for values in (confidence, right))
    means = [total[full] / count[full] for total in sums]
    return Calibration(means[0], means[1], count[full])


# ---------------------------------------------------------------- numbers


def number_scores(true: Floats, predicted: Floats) -> dict[str, float]:
    """Return how near numbers (N,) are: "mse", "mae", "r2", "pearson" and "spearman".

    r2 = 1 - sum (y - z)² / sum (y - mean y)²: 0 for always saying the mean, 1 for no error, and below 0 for
    worse than the mean. Where all true numbers are equal it is 0.
    """
    error = predicted - true
    spread = np.square(true - true.mean()).sum()
    return {
        "mse": float(np.square(error).mean()),
        "mae": float(np.abs(error).mean()),
        "r2": float(1 - np.square(error).sum() / spread) if spread > 0 else 0.0,
        "pearson": pearson(true, predicted),
        "spearman": pearson(ranks(true), ranks(predicted)),
    }


def pearson(a: Floats, b: Floats) -> float:
    """Return the correlation of two lists of numbers (N,): from -1 to 1, and 0 where one does not vary."""
    a, b = a - a.mean(), b - b.mean()
    size = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / size) if size > 0 else 0.0


def ranks(values: Floats) -> Floats:
    """Return the rank of each number (N,), from 1; equal ones share the mean of their ranks."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(count) - (count - 1) / 2)[place]
