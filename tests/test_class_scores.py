"""Scores of predictions: by hand, and as scikit-learn and scipy count them."""

from typing import Any

import numpy as np
import pytest
from by_hand import by_hand
from hypothesis import given
from hypothesis import strategies as st

from minibert.learn.checks import class_scores as checks
from minibert.text.class_scores import (
    calibration,
    class_shares,
    confusion,
    label_shares,
    number_scores,
    pearson,
    ranks,
    shares,
)

test_by_hand = by_hand(checks)

TRUE = np.array([0, 0, 0, 0, 1, 1, 2])
PREDICTED = np.array([0, 0, 1, 2, 1, 0, 2])


def drawn(seed: int, *shape: int, below: int = 4) -> np.ndarray:
    return np.random.default_rng(seed).integers(below, size=shape)


def test_the_confusion_matrix_has_what_is_true_in_its_rows_by_hand() -> None:
    assert confusion(TRUE, PREDICTED, 3).tolist() == [[2, 1, 1], [1, 1, 0], [0, 0, 1]]
    assert confusion(np.array([1]), np.array([0]), 2).tolist() == [[0, 0], [1, 0]]
    assert confusion(np.zeros(0, np.int64), np.zeros(0, np.int64), 2).tolist() == [[0, 0], [0, 0]]


def test_precision_recall_and_f1_by_hand() -> None:
    precision, recall, f1 = class_shares(confusion(TRUE, PREDICTED, 3))
    assert precision.tolist() == [2 / 3, 1 / 2, 1 / 2]
    assert recall.tolist() == [2 / 4, 1 / 2, 1]
    assert f1 == pytest.approx([4 / 7, 1 / 2, 2 / 3])


def test_a_class_that_is_never_predicted_or_never_true_scores_zero() -> None:
    precision, recall, f1 = class_shares(np.array([[3, 0, 1], [2, 0, 0], [0, 0, 0]]))
    assert (precision[1], recall[1], f1[1]) == (0, 0, 0)
    assert (precision[2], recall[2], f1[2]) == (0, 0, 0)


@given(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9))
def test_f1_is_the_harmonic_mean_and_lies_between(right: int, more: int, missed: int) -> None:
    precision, recall, f1 = (float(x) for x in shares(*map(np.array, (right, right + more, right + missed))))
    assert min(precision, recall) <= f1 + 1e-12 and f1 <= max(precision, recall) + 1e-12
    if right:
        assert f1 == pytest.approx(2 / (1 / precision + 1 / recall))


def test_the_scores_of_classes_are_those_of_scikit_learn() -> None:
    from sklearn import metrics

    true, predicted = drawn(0, 200), drawn(1, 200)
    counts = confusion(true, predicted, 4)
    assert (counts == metrics.confusion_matrix(true, predicted)).all()
    expected = metrics.precision_recall_fscore_support(true, predicted)[:3]
    assert np.array(class_shares(counts)) == pytest.approx(np.array(expected))
    assert class_shares(counts).f1.mean() == pytest.approx(metrics.f1_score(true, predicted, average="macro"))


def test_the_scores_of_several_labels_are_those_of_scikit_learn() -> None:
    from sklearn import metrics

    true, predicted = drawn(2, 100, 5, below=2) > 0, drawn(3, 100, 5, below=2) > 0
    true[:, 4] = predicted[:, 4] = False
    each, together = label_shares(true, predicted)
    for average, ours in ((None, each), ("micro", together)):
        options: Any = {"average": average, "zero_division": 0}
        expected = metrics.precision_recall_fscore_support(true, predicted, **options)
        assert np.array(ours) == pytest.approx(np.array(expected[:3], dtype=np.float64))


def test_the_calibration_by_hand() -> None:
    """Two bins: 0.9 and 0.8 with one of two right, 0.6 right: 2/3 |0.5 - 0.85| + 1/3 |1 - 0.6|."""
    found = calibration(np.array([0.9, 0.6, 0.8]), np.array([True, True, False]), bins=4)
    assert found.confidence == pytest.approx([0.6, 0.85])
    assert found.accuracy.tolist() == [1, 0.5]
    assert found.count.tolist() == [1, 2]
    assert found.error == pytest.approx(2 / 3 * 0.35 + 1 / 3 * 0.4)


def test_the_edges_of_a_bin_belong_to_the_bin_below() -> None:
    found = calibration(np.array([0.0, 0.5, 0.5 + 1e-9, 1.0]), np.ones(4, bool), bins=2)
    assert found.count.tolist() == [2, 2]


def test_predictions_that_are_right_as_often_as_they_are_sure_have_no_error() -> None:
    confidence = np.repeat([0.6, 0.8], [10, 10])
    right = np.array([True] * 6 + [False] * 4 + [True] * 8 + [False] * 2)
    assert calibration(confidence, right).error == pytest.approx(0)
    assert calibration(np.ones(10), np.zeros(10, bool)).error == 1
    assert calibration(np.zeros(0), np.zeros(0, bool)).error == 0


def test_the_scores_of_numbers_by_hand() -> None:
    scores = number_scores(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 6.0]))
    assert (scores["mse"], scores["mae"]) == (3, 1)
    assert scores["r2"] == 1 - 9 / 2
    assert scores["spearman"] == pytest.approx(1)
    assert scores["pearson"] == pytest.approx(5 / np.sqrt(2 * 14))


def test_saying_the_mean_explains_nothing() -> None:
    true = np.array([1.0, 2.0, 6.0])
    scores = number_scores(true, np.full(3, 3.0))
    assert (scores["r2"], scores["pearson"], scores["spearman"]) == (0, 0, 0)
    assert number_scores(np.ones(3), true)["r2"] == 0


def test_the_correlations_are_those_of_scipy_also_with_equal_numbers() -> None:
    from scipy import stats

    a, b = drawn(4, 60, below=9) / 2, drawn(5, 60, below=7) / 4
    scores = number_scores(a, b)
    assert scores["pearson"] == pytest.approx(stats.pearsonr(a, b)[0])
    assert scores["spearman"] == pytest.approx(stats.spearmanr(a, b)[0])
    assert ranks(a) == pytest.approx(stats.rankdata(a))
    assert ranks(np.array([3.0, 1.0, 3.0, 2.0])).tolist() == [3.5, 1, 3.5, 2]
    assert pearson(a, -2 * a + 1) == pytest.approx(-1)
