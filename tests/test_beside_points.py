"""Names beside points lie on no other name and on no point, as long as there is room."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from minibert.plots.beside_points import RINGS, label_points
from minibert.plots.panels import new_figure

Places = list[tuple[float, float]]


def labelled(places: Places, names: list[str], spread: float = 0.0) -> tuple[Figure, Axes]:
    figure, panels = new_figure([4.0])
    axes = panels[0, 0]
    axes.set(xlim=(0, 10), ylim=(0, 10))
    x, y = np.array(places, dtype=np.float64).T
    label_points(figure, axes, x, y, names, np.full(len(x), spread))
    figure.draw_without_rendering()
    return figure, axes


def boxes(axes: Axes) -> list[Bbox]:
    """Where the names are, without their lines."""
    return [Text.get_window_extent(text) for text in axes.texts]


def lie_on_each_other(one: Bbox, other: Bbox) -> bool:
    both = Bbox.intersection(one, other)
    return both is not None and both.width > 1 and both.height > 1


def test_a_name_alone_stands_to_the_right_of_its_point() -> None:
    _, axes = labelled([(5, 5)], ["name"])
    (text,) = axes.texts
    assert text.get_position() == (RINGS[0], 0) and text.get_text() == "name"  # pyright: ignore


def test_at_the_right_edge_a_name_stands_to_the_left() -> None:
    _, axes = labelled([(9.9, 5)], ["a rather long name"])
    assert axes.texts[0].get_position() == (-RINGS[0], 0)  # pyright: ignore


@pytest.mark.parametrize("close", [0.0, 0.05, 0.3])
def test_names_of_points_on_each_other_are_all_readable(close: float) -> None:
    names = [f"strategy {i}" for i in range(6)]
    _, axes = labelled([(5 + close * i, 5) for i in range(6)], names)
    assert not [pair for pair in combinations(boxes(axes), 2) if lie_on_each_other(*pair)]
    assert [text.get_text() for text in axes.texts] == names


def test_a_name_far_from_its_point_has_a_line_to_it() -> None:
    _, axes = labelled([(5, 5)] * 12, [f"strategy {i}" for i in range(12)])
    lines = [text.arrow_patch for text in axes.texts if getattr(text, "arrow_patch", None)]  # pyright: ignore
    far = [np.hypot(*text.get_position()) > RINGS[0] + 1 for text in axes.texts]
    assert len(lines) == sum(far) > 0


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.floats(0.5, 9.5), st.floats(0.5, 9.5)), min_size=1, max_size=6))
def test_few_names_lie_on_nothing(places: Places) -> None:
    _, axes = labelled(places, [f"run {i}" for i in range(len(places))])
    found = boxes(axes)
    points = axes.transData.transform(places)
    assert not [pair for pair in combinations(found, 2) if lie_on_each_other(*pair)]
    assert not [point for point in points for box in found if box.contains(*point)]
    assert all(Bbox.intersection(box, axes.bbox) for box in found)


def test_names_keep_off_the_bars() -> None:
    _, axes = labelled([(5, 5), (4.2, 5)], ["first", "second with a long name"], spread=2.0)
    low, high = axes.transData.transform([(5, 3), (5, 7)])
    bar = Bbox([low - 1, high + 1])
    assert not any(lie_on_each_other(bar, box) for box in boxes(axes))
