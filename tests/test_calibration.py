"""The reliability diagram holds how often a model is right over how sure it is, and the counts."""

from pathlib import Path

import numpy as np
from figures import dark, line

from minibert.plots.calibration import calibration_figure

SURE = np.array([0.55, 0.75, 0.98])


def test_shares_stand_over_probabilities_and_counts_below(tmp_path: Path) -> None:
    right = np.array([0.5, 0.8, 0.9])
    figure = calibration_figure(SURE, right, np.array([3, 40, 2600]))
    upper, lower = figure.axes
    np.testing.assert_array_equal(line(upper, "model"), np.stack([SURE, right], axis=1))
    assert [text.get_text() for text in lower.texts] == ["3", "40", "2,600"]
    np.testing.assert_allclose([bar.get_height() for bar in lower.patches], [3, 40, 2600])  # pyright: ignore
    assert dark(figure, tmp_path) > 0.01


def test_a_model_that_is_less_sure_than_a_coin_has_room_to_the_left(tmp_path: Path) -> None:
    figure = calibration_figure(np.array([0.12]), np.array([0.0]), np.array([1]))
    low, high = figure.axes[1].get_xlim()
    assert low < 0.12 and high > 1
    assert calibration_figure(SURE, SURE, np.ones(3)).axes[1].get_xlim()[0] > 0.4
    assert dark(figure, tmp_path) > 0.005
