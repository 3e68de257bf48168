"""Quality over its cost: where the points are, how far they spread, and names that can be read."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from figures import dark
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from minibert.plots.tradeoff import Cost, tradeoff_figure

COSTS = [
    Cost("whole", [0.84, 0.86], 600, 22e6),
    Cost("frozen", [0.78], 9, 1500),
    Cost("lora", [0.83, 0.84, 0.85], 480, 3e5),
]


def test_points_stand_over_seconds_and_over_parameters_that_learn(tmp_path: Path) -> None:
    figure = tradeoff_figure(COSTS, "accuracy")
    left, right = figure.axes
    for axes, x in ((left, [600, 9, 480]), (right, [22e6, 1500, 3e5])):
        points = [bar.lines[0].get_xydata()[0] for bar in axes.containers]  # pyright: ignore
        np.testing.assert_allclose(points, np.stack([x, [0.85, 0.78, 0.84]], axis=1))
        assert axes.get_xscale() == "log"
        assert [text.get_text() for text in axes.texts] == ["whole", "frozen", "lora"]
    assert left.get_ylabel() == "accuracy on the test texts"
    assert dark(figure, tmp_path) > 0.005


def test_a_bar_reaches_one_standard_deviation_of_the_seeds() -> None:
    whole, frozen, lora = tradeoff_figure(COSTS, "accuracy").axes[0].containers
    for found, low, high in ((whole, 0.85 - 0.02**0.5 / 10, 0.85 + 0.02**0.5 / 10), (lora, 0.83, 0.85)):
        ((segment,),) = [bars.get_segments() for bars in found.lines[2]]  # pyright: ignore
        np.testing.assert_allclose(segment[:, 1], [low, high])
    assert not frozen.has_yerr  # pyright: ignore


@pytest.mark.parametrize("count", [1, 5, 12])
def test_names_do_not_lie_on_each_other(count: int) -> None:
    place = np.random.default_rng(0).uniform(0.8, 1.2, (2, count))
    costs = [
        Cost(f"a run of a long name, number {i}", [0.8 + 0.01 * place[0, i]], 100 * place[1, i], 1e6)
        for i in range(count)
    ]
    figure = tradeoff_figure(costs, "accuracy")
    figure.draw_without_rendering()
    for axes in figure.axes:
        boxes = [Text.get_window_extent(text) for text in axes.texts]  # without the lines to their points
        both = [Bbox.intersection(*pair) for pair in combinations(boxes, 2)]
        assert len(boxes) == count and not [box for box in both if box and min(box.size) > 1]
        assert all(box.x0 >= 0 and box.x1 <= figure.bbox.x1 for box in boxes)
