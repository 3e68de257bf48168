"""The pictures of speed and of a step's phases hold the numbers they are given."""

from pathlib import Path

import numpy as np
import pytest
from figures import STEPS, dark, falling, line, overlapping, texts
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from minibert.plots import phases_figure, speed_figure
from minibert.plots.timing import BARS

PARTS = {"data": 0.001, "forward": 0.04, "backward": 0.08, "optimizer": 0.02, "rest": 0.002}


def phases(count: int) -> dict[str, np.ndarray]:
    return {name: np.full(count, seconds) for name, seconds in PARTS.items()}


def bars(figure: Figure) -> np.ndarray:
    """Each bar's left end, width, bottom and height, (n, 4)."""
    rectangles = [bar for bar in figure.axes[0].patches if isinstance(bar, Rectangle)]
    return np.array([(bar.get_x(), bar.get_width(), bar.get_y(), bar.get_height()) for bar in rectangles])


def test_the_speed_is_drawn_over_minutes_with_its_median() -> None:
    speeds = np.linspace(16000, 18000, len(STEPS))
    figure = speed_figure(STEPS * 0.122, speeds)
    np.testing.assert_allclose(line(figure.axes[0], "speed, as logged")[:, 0], STEPS * 0.122 / 60)
    assert texts(figure) == ["median 17,000"]
    assert figure.axes[0].get_xlabel() == "time trained (minutes)"
    assert speed_figure(STEPS[:3], speeds[:3]).axes[0].get_xlabel() == "time trained (seconds)"


def test_the_share_of_the_peak_stands_under_the_median() -> None:
    figure = speed_figure(STEPS * 0.122, np.full(len(STEPS), 17000.0), share=0.3071)
    assert texts(figure) == ["median 17,000\n30.7 % of the peak"]


@pytest.mark.parametrize("bad", [np.nan, np.inf, 0.0])
def test_speeds_that_are_no_numbers_or_zero_are_drawn(tmp_path: Path, bad: float) -> None:
    speeds = falling()
    speeds[60:] = bad
    assert dark(speed_figure(STEPS, speeds), tmp_path) > 0.005
    assert dark(speed_figure(STEPS, np.full(len(STEPS), bad)), tmp_path) > 0.005


@pytest.mark.parametrize("count", [0, 1, 30])
def test_few_speeds_are_drawn(tmp_path: Path, count: int) -> None:
    assert dark(speed_figure(STEPS[:count], falling()[:count]), tmp_path) > 0.005


def test_a_bar_stands_for_an_interval_and_its_phases_lie_on_each_other(tmp_path: Path) -> None:
    seconds, parts = np.array([10.0, 30.0]), phases(2)
    parts["forward"] = np.array([0.04, 0.06])
    figure = phases_figure(seconds, parts)
    assert dark(figure, tmp_path) > 0.005
    np.testing.assert_allclose(
        bars(figure),
        [
            *([0, 10, 0, 1], [10, 20, 0, 1]),  # data: left end, width (s), bottom, height (ms)
            *([0, 10, 1, 40], [10, 20, 1, 60]),
            *([0, 10, 41, 80], [10, 20, 61, 80]),
            *([0, 10, 121, 20], [10, 20, 141, 20]),
            *([0, 10, 141, 2], [10, 20, 161, 2]),
        ],
    )
    assert texts(figure) == [
        "data 1 ms, 1 %",
        "forward 50 ms, 33 %",
        "backward 80 ms, 52 %",
        "optimizer 20 ms, 13 %",
        "rest 2 ms, 1 %",
    ]


def test_neighbours_on_a_bar_differ_in_grey_or_hatching() -> None:
    fills = [
        (bar.get_facecolor(), bar.get_hatch()) for bar in phases_figure(STEPS[:1], phases(1)).axes[0].patches
    ]
    assert len(set(fills)) == 5


@pytest.mark.parametrize("count", [1, 2, 49, 51, 3000])
def test_any_number_of_intervals_fits_into_the_bars(count: int) -> None:
    seconds = np.arange(1.0, count + 1)
    figure = phases_figure(seconds, phases(count))
    left, width, _, height = bars(figure)[: min(count, BARS)].T
    np.testing.assert_allclose(width.sum() * (60 if count > 120 else 1), count)
    np.testing.assert_allclose(left[1:], (left + width)[:-1])
    np.testing.assert_allclose(height, 1.0)
    assert len(figure.axes[0].patches) == 5 * min(count, BARS)
    assert overlapping(figure) == []


def test_one_slow_interval_neither_moves_the_bars_nor_flattens_the_rest() -> None:
    parts = phases(400)
    parts["forward"][0] = 30.0  # the first step with torch.compile
    figure = phases_figure(np.arange(1.0, 401), parts)
    assert figure.axes[0].get_ylim()[1] == pytest.approx(1.25 * 143)
    np.testing.assert_allclose(bars(figure)[BARS : 2 * BARS, 3], 40)
    assert phases_figure(np.arange(1.0, 41), {"forward": parts["forward"][:40]}).axes[0].get_ylim()[1] == 50


def test_phases_of_no_time_at_all_are_drawn(tmp_path: Path) -> None:
    figure = phases_figure(np.array([0.0]), {"forward": np.zeros(1)})
    assert texts(figure) == ["forward 0 ms, 0 %"] and dark(figure, tmp_path) > 0.001
