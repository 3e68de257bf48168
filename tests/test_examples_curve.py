"""What labelled examples are worth: means, spreads and seeds of each series, over how many there were."""

from pathlib import Path

import numpy as np
from figures import dark, overlapping, texts

from minibert.plots.examples_curve import examples_figure

PRETRAINED = [(100, [0.6, 0.62]), (1000, [0.7, 0.72]), (8530, [0.78, 0.78])]
SCRATCH = [(100, [0.51]), (1000, [0.58]), (8530, [0.74])]


def test_means_stand_over_the_number_of_examples_with_the_spread_of_the_seeds(tmp_path: Path) -> None:
    figure = examples_figure({"pretrained": PRETRAINED}, "accuracy", {})
    (axes,) = figure.axes
    (bars,) = axes.containers
    line, _, (stems,) = bars.lines  # pyright: ignore
    np.testing.assert_allclose(line.get_xydata(), [(100, 0.61), (1000, 0.71), (8530, 0.78)])
    spread = 0.01 * 2**0.5
    heights = [segment[:, 1] for segment in stems.get_segments()]
    np.testing.assert_allclose(
        heights, [(m - s, m + s) for m, s in ((0.61, spread), (0.71, spread), (0.78, 0))]
    )
    assert [label.get_text() for label in axes.get_xticklabels()] == ["100", "1,000", "8,530"]
    assert dark(figure, tmp_path) > 0.005


def test_series_stand_beside_each_other_in_their_order() -> None:
    (axes,) = examples_figure({"pretrained": PRETRAINED, "scratch": SCRATCH}, "accuracy", {}).axes
    one, two = (bars.lines[0].get_xdata() for bars in axes.containers)  # pyright: ignore
    assert (one < two).all() and (two < 1.2 * one).all()
    np.testing.assert_allclose(np.sqrt(one * two), [100, 1000, 8530])


def test_every_seed_is_a_point() -> None:
    (axes,) = examples_figure({"pretrained": PRETRAINED}, "accuracy", {}).axes
    dots = [found.get_ydata() for found in axes.get_lines() if found.get_marker() == "."]
    np.testing.assert_array_equal(np.concatenate(dots), [0.6, 0.62, 0.7, 0.72, 0.78, 0.78])


def test_series_and_levels_are_named_at_the_right() -> None:
    figure = examples_figure({"pretrained": PRETRAINED, "scratch": SCRATCH}, "f1", {"most frequent": 0.5})
    assert texts(figure) == ["most frequent 0.5", "scratch 0.74", "pretrained 0.78"]
    assert overlapping(figure) == []


def test_one_number_of_examples_is_a_point(tmp_path: Path) -> None:
    figure = examples_figure({"a": [(50, [0.5, 0.6])], "b": [(50, [0.7, 0.8])]}, "f1", {})
    assert dark(figure, tmp_path) > 0.003
