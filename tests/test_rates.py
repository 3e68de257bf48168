"""The picture of a learning rate range test holds the numbers it is given."""

from pathlib import Path

import numpy as np
import pytest
from figures import dark, line

from minibert.plots.rates import rates_figure

RATES = np.geomspace(1e-5, 1e-1, 50)


def dipping() -> np.ndarray:
    """A change of the loss that falls to -0.2 at 1e-3, and rises to 5 after it, (n,)."""
    places = np.log10(RATES) + 3
    return np.where(places < 0, -0.2 * np.exp(-(places**2)), -0.2 + 1.3 * places**2)


def test_the_change_of_the_loss_is_drawn_over_the_rates_with_the_rates_that_are_named(tmp_path: Path) -> None:
    noisy = dipping() + np.random.default_rng(0).normal(0, 0.02, len(RATES))
    figure = rates_figure(RATES, noisy, dipping(), {"now": 4e-3, "suggested": 1e-3}, "learning rate")
    [axes] = figure.axes
    np.testing.assert_array_equal(line(axes, "each step, on its own batch"), np.stack([RATES, noisy], 1))
    np.testing.assert_array_equal(line(axes, "smoothed"), np.stack([RATES, dipping()], 1))
    assert line(axes, "now: 0.004")[:, 0].tolist() == [4e-3, 4e-3]
    assert line(axes, "suggested: 0.001")[:, 0].tolist() == [1e-3, 1e-3]
    assert (axes.get_xlabel(), axes.get_xscale()) == ("learning rate", "log")
    styles = {found.get_linestyle() for found in axes.get_lines() if ": 0.00" in str(found.get_label())}
    assert len(styles) == 2
    assert dark(figure, tmp_path) > 0.005


def test_an_explosion_does_not_flatten_the_dip() -> None:
    exploding = dipping()
    exploding[-5:] = 1e4
    low, high = rates_figure(RATES, exploding, exploding, {}, "").axes[0].get_ylim()
    depth = -dipping().min()
    assert -2 * depth < low < -depth and depth < high < 3 * depth


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_change_that_is_no_number_is_left_out(tmp_path: Path, bad: float) -> None:
    values = dipping()
    values[-1] = bad
    assert dark(rates_figure(RATES, values, values, {}, ""), tmp_path) > 0.005


def test_a_single_step_and_one_without_any_change_are_drawn(tmp_path: Path) -> None:
    figure = rates_figure(RATES[:1], np.zeros(1), np.zeros(1), {"now": 1e-5}, "")
    assert dark(figure, tmp_path) > 0.002
