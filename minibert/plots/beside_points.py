"""Names beside points, where they lie on no other name and on no point."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

FONT_SIZE = 9

RINGS = (9.0, 20.0, 32.0, 46.0, 62.0, 80.0)
"""Points (of 1/72 inch) between a point and its name, tried one after the other."""

DIRECTIONS = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1))
"""(right, up): to the right first; then to the left, above, below, and between them."""

SIDES = {1: "left", 0: "center", -1: "right"}
HEIGHTS = {1: "bottom", 0: "center", -1: "top"}
"""How a name is aligned that stands to the right or left, above or below."""

CLEAR = 4.0
"""Points around a point that are to be free of names."""


def label_points(
    figure: Figure,
    axes: Axes,
    x: np.ndarray,
    y: np.ndarray,
    names: Sequence[str],
    spread: np.ndarray,
) -> None:
    """Write each name beside its point: at the nearest free place, with a line to it where that is not close.

    Where there is no free place a name stands where it covers the least.

    Args:
        figure, axes: the panel; its limits and scales must be settled.
        x, y: (n,), in the units of the panel.
        names: n of them.
        spread: (n,) how far a bar through each point reaches up and down.
    """
    figure.draw_without_rendering()  # lays it out
    pixel = figure.dpi / 72
    points, lows, highs = (
        axes.transData.transform(np.column_stack([x, y + sign * spread])) for sign in (0, -1, 1)
    )
    clear = CLEAR * pixel
    taken = [Bbox([low - clear, high + clear]) for low, high in zip(lows, highs, strict=True)]
    room = axes.get_window_extent()
    for at, point, name in zip(zip(x, y, strict=True), points, names, strict=True):
        text = axes.annotate(name, at, (0, 0), textcoords="offset points", fontsize=FONT_SIZE)
        size = text.get_window_extent()
        text.remove()
        places = [(ring, direction) for ring in RINGS for direction in DIRECTIONS]
        boxes = [_box(point, size.width, size.height, ring * pixel, side) for ring, side in places]
        best = min(range(len(places)), key=lambda i: _covered(boxes[i], taken, room))
        taken.append(boxes[best])
        _write(axes, name, at, *places[best])


def _offset(ring: float, side: tuple[int, int]) -> np.ndarray:
    """Return how far right and up a name begins whose distance is `ring`."""
    return ring * np.array(side) / np.hypot(*side)


def _box(point: np.ndarray, width: float, height: float, ring: float, side: tuple[int, int]) -> Bbox:
    """Return what a name of this size covers beside a point."""
    left, bottom = point + _offset(ring, side) + np.array([width, height]) * (np.array(side) - 1) / 2
    return Bbox.from_bounds(left, bottom, width, height)


def _covered(box: Bbox, taken: Sequence[Bbox], room: Bbox) -> float:
    """Return how much of a box lies on what is taken, or outside the room."""
    common = [Bbox.intersection(box, other) for other in taken]
    inside = Bbox.intersection(box, room)
    outside = box.width * box.height - (inside.width * inside.height if inside else 0.0)
    return round(outside + sum(both.width * both.height for both in common if both), 3)


def _write(axes: Axes, name: str, at: tuple[float, float], ring: float, side: tuple[int, int]) -> None:
    """Write a name at its place, with a line to its point where that is not close."""
    line = {"arrowstyle": "-", "color": "0.6", "linewidth": 0.7, "shrinkA": 1, "shrinkB": 3}
    right, up = _offset(ring, side)
    axes.annotate(
        name,
        at,
        (right, up),
        textcoords="offset points",
        fontsize=FONT_SIZE,
        ha=SIDES[side[0]],
        va=HEIGHTS[side[1]],
        arrowprops=line if ring > RINGS[0] else None,
    )
