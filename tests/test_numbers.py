"""Predicted numbers stand over the true ones, beside the diagonal."""

from pathlib import Path

import numpy as np
import pytest
from figures import dark, line

from minibert.plots.numbers import numbers_figure


@pytest.mark.parametrize("n", [1, 8, 3000])
def test_every_text_is_a_point(n: int, tmp_path: Path) -> None:
    true = np.random.default_rng(0).normal(3, 1, n)
    figure = numbers_figure(true, 0.5 * true)
    np.testing.assert_array_equal(line(figure.axes[0], "text"), np.stack([true, 0.5 * true], axis=1))
    assert dark(figure, tmp_path) > 0.003


def test_the_diagonal_is_where_both_are_equal() -> None:
    (axes,) = numbers_figure(np.array([10.0, 30.0]), np.array([12.0, 20.0])).axes
    (diagonal,) = [found for found in axes.get_lines() if found.get_label() == "predicted = true"]
    assert diagonal.get_slope() == 1 and diagonal.get_xy1() == (20.0, 20.0)  # pyright: ignore
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    axes.figure.canvas.draw()
    scale = axes.transData.transform([(0, 0), (1, 1)])
    np.testing.assert_allclose(*np.diff(scale, axis=0)[0])  # a unit is as long to the right as up
    assert left < 10 < 30 < right and low < 12 < 20 < high
