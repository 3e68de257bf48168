"""What a search has tried: rates, sizes, the best and those that failed."""

from pathlib import Path

import numpy as np
from figures import dark, line

from minibert.plots.trials import Trial, trials_figure

TRIALS = [
    Trial(5e-5, 16, 0.78),
    Trial(1e-4, 8, 0.80),
    Trial(4e-4, 16, None),
    Trial(2e-4, 8, 0.79),
]


def test_scores_stand_over_rates_and_over_the_order_a_marker_for_each_batch_size(tmp_path: Path) -> None:
    figure = trials_figure(TRIALS, "accuracy")
    left, right = figure.axes
    np.testing.assert_allclose(line(left, "batches of 8"), [(1e-4, 0.80), (2e-4, 0.79)])
    np.testing.assert_allclose(line(left, "batches of 16"), [(5e-5, 0.78)])
    np.testing.assert_allclose(line(right, "batches of 8"), [(2, 0.80), (4, 0.79)])
    assert left.get_ylabel() == "accuracy on the validation texts" and left.get_xscale() == "log"
    assert dark(figure, tmp_path) > 0.003


def test_the_best_stands_in_a_ring_and_what_failed_is_a_cross() -> None:
    left, right = trials_figure(TRIALS, "accuracy").axes
    np.testing.assert_allclose(line(left, "the best"), [(1e-4, 0.80)])
    np.testing.assert_allclose(line(left, "failed")[:, 0], [4e-4])
    np.testing.assert_allclose(line(right, "failed")[:, 0], [3])
    np.testing.assert_allclose(line(right, "best so far")[:, 1], [0.78, 0.80, 0.80, 0.80])


def test_without_a_failure_there_is_no_cross() -> None:
    left, _ = trials_figure(TRIALS[:2], "accuracy").axes
    assert "failed" not in [found.get_label() for found in left.get_lines()]
