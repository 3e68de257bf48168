"""How far runs spread: every run is a point, and the bars reach the standard error and the deviation."""

from pathlib import Path
from typing import Any

import numpy as np
from figures import dark, overlapping, texts

from minibert.plots.strip import strip_figure

COLUMNS = {"whole": {0: 0.80, 1: 0.82, 2: 0.87}, "lora": {0: 0.81, 1: 0.84, 2: 0.87}}


def drawn(axes: Any, marker: str) -> list[np.ndarray]:
    return [line.get_xydata() for line in axes.get_lines() if line.get_marker() == marker]


def test_every_run_is_a_point_in_the_column_of_its_strategy(tmp_path: Path) -> None:
    figure = strip_figure(COLUMNS, "accuracy", {"TF-IDF": 0.75})
    (axes,) = figure.axes
    for place, (points, its) in enumerate(zip(drawn(axes, "o"), COLUMNS.values(), strict=True)):
        np.testing.assert_allclose(points[:, 1], list(its.values()))
        np.testing.assert_allclose(points[:, 0], place + np.array([-0.25, 0, 0.25]))
    assert [label.get_text() for label in axes.get_xticklabels()] == ["whole", "lora"]
    assert texts(figure) == ["TF-IDF"] and not overlapping(figure)
    assert dark(figure, tmp_path) > 0.003


def test_the_bars_reach_one_standard_error_and_one_standard_deviation() -> None:
    (axes,) = strip_figure(COLUMNS, "accuracy", {}).axes
    means = [float(points[0, 1]) for points in drawn(axes, "D")]
    np.testing.assert_allclose(means, [0.83, 0.84])
    bars: list[Any] = list(axes.collections)
    reaches = [
        (float(np.ptp(bar.get_segments()[0][:, 1])) / 2, float(bar.get_linewidth()[0])) for bar in bars
    ]
    s = (0.0013**0.5, 0.03)
    expected = [(s[0], 1), (s[0] / 3**0.5, 4), (s[1], 1), (s[1] / 3**0.5, 4)]
    np.testing.assert_allclose(reaches, expected)


def test_a_grey_line_joins_the_runs_of_a_seed() -> None:
    (axes,) = strip_figure(COLUMNS, "accuracy", {}).axes
    joined = np.array([line.get_ydata() for line in axes.get_lines() if line.get_color() == "0.85"])
    np.testing.assert_allclose(joined, [[0.80, 0.81], [0.82, 0.84], [0.87, 0.87]])


def test_a_column_of_one_run_has_no_bars() -> None:
    (axes,) = strip_figure({"whole": {0: 0.8}, "lora": {0: 0.7, 1: 0.8}}, "accuracy", {}).axes
    assert len(axes.collections) == 2
