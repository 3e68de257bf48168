"""What the scores of classes must fulfil."""

import numpy as np

from minibert.learn.compare import expect, expect_close
from minibert.learn.sizes import Sizes
from minibert.text.class_scores import calibration, confusion, shares


def draw(size: Sizes, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return true and predicted classes (5 N,) of V; the last class never occurs."""
    rng = np.random.default_rng(seed)
    true, predicted = rng.integers(size.V - 1, size=(2, 5 * size.N))
    return true, np.where(rng.random(5 * size.N) < 0.5, true, predicted)


# ---------------------------------------------------------------- confusion


def check_the_confusion_by_hand() -> None:
    """Of three texts of class 0 two are taken for it, one for class 1; that of class 1 is taken for 0."""
    got = confusion(np.array([0, 0, 0, 1]), np.array([0, 1, 0, 0]), 3)
    expect_close(got, np.array([[2, 1, 0], [1, 0, 0], [0, 0, 0]]), "the matrix, true classes in its rows")


def check_every_text_is_counted_once(size: Sizes, seed: int) -> None:
    """Rows add up to what is true, columns to what is predicted, the diagonal to what is right."""
    true, predicted = draw(size, seed)
    got = np.asarray(confusion(true, predicted, size.V))
    expect(got.shape == (size.V, size.V), f"expected the shape {(size.V, size.V)}, got {got.shape}")
    for classes, sums, what in ((true, got.sum(1), "rows"), (predicted, got.sum(0), "columns")):
        expect_close(sums, np.bincount(classes, minlength=size.V), f"the sums of the {what}")
    expect_close(np.trace(got), (true == predicted).sum(), "the sum of the diagonal")


def check_no_text_is_a_matrix_of_zeros() -> None:
    """Of the right size."""
    none = np.zeros(0, np.int64)
    expect_close(confusion(none, none, 2), np.zeros((2, 2)), "the matrix of no texts")


# ---------------------------------------------------------------- precision, recall, F1


def check_shares_by_hand() -> None:
    """Of 8 that are predicted 6 are right, of 12 that are true: 3/4, 1/2 and 2 · 6 / 20."""
    got = shares(np.array(6), np.array(8), np.array(12))
    expect_close(np.array(got), np.array([0.75, 0.5, 0.6]), "precision, recall and F1")


def check_each_class_has_its_own(size: Sizes, seed: int) -> None:
    """F1 is the harmonic mean of the other two, class by class."""
    rng = np.random.default_rng(seed)
    right = rng.integers(1, 9, size.N)
    predicted, true = right + rng.integers(9, size=size.N), right + rng.integers(9, size=size.N)
    precision, recall, f1 = shares(right, predicted, true)
    expect_close(precision, right / predicted, "precision")
    expect_close(recall, right / true, "recall")
    expect_close(f1, 2 / (predicted / right + true / right), "F1")


def check_where_there_is_nothing_the_shares_are_zero() -> None:
    """Nothing predicted, nothing true, or neither; and all that is predicted is wrong."""
    zeros, right = np.zeros(4, np.int64), np.array([0, 0, 0, 0])
    with np.errstate(divide="ignore", invalid="ignore"):
        got = shares(right, np.array([0, 3, 0, 2]), np.array([3, 0, 0, 2]))
    for name, values in zip(("precision", "recall", "F1"), got, strict=True):
        expect_close(values, zeros, f"{name} without a right prediction")


# ---------------------------------------------------------------- calibration


def check_the_calibration_by_hand() -> None:
    """0.9 and 0.8, one of which is right, and 0.6, which is: ECE = 2/3 · 0.35 + 1/3 · 0.4."""
    got = calibration(np.array([0.9, 0.6, 0.8]), np.array([True, True, False]), bins=4)
    expect_close(got.confidence, np.array([0.6, 0.85]), "the mean confidence of the bins that are not empty")
    expect_close(got.accuracy, np.array([1.0, 0.5]), "the share that is right in them")
    expect_close(got.count, np.array([1, 2]), "how many predictions they have")
    expect_close(got.error, 2 / 3 * 0.35 + 1 / 3 * 0.4, "the expected calibration error")


def check_a_number_on_an_edge_belongs_to_the_bin_below() -> None:
    """Bins are open below and closed above; 0 is in the first, 1 in the last."""
    got = calibration(np.array([0.0, 0.25, 0.5, 0.75, 1.0]), np.ones(5, bool), bins=4)
    expect_close(got.count, np.array([2, 1, 1, 1]), "counts of 0, 0.25, 0.5, 0.75 and 1 in four bins")


def check_all_predictions_are_in_a_bin(size: Sizes, seed: int) -> None:
    """Weighted by their counts, the bins give the mean confidence and the accuracy of all."""
    rng = np.random.default_rng(seed)
    confidence, right = rng.random(5 * size.N), rng.random(5 * size.N) < 0.7
    got = calibration(confidence, right, bins=size.V)
    expect(np.all(np.asarray(got.count) > 0), f"empty bins are left out, got the counts {got.count}")
    expect_close(np.sum(got.count), len(right), "the sum of the counts")
    expect_close(got.confidence @ got.count / len(right), confidence.mean(), "the mean confidence of all")
    expect_close(got.accuracy @ got.count / len(right), right.mean(), "the accuracy of all")
    edges = np.ceil(np.asarray(got.confidence) * size.V)
    expect(len(set(edges.tolist())) == len(edges), "two bins have their means in one bin of equal width")
