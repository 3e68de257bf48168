"""What all figures share: panels, noisy lines with their running median, labels that stay apart, saving."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

DPI = 120
"""Pixels per inch of the pictures."""

LINE_HEIGHT = 13.0
"""Points between the middles of two labels, so that they do not touch."""

RAW = {"color": "0.72", "linewidth": 0.8}
SMOOTHED = {"color": "black", "linewidth": 1.8}
LEVEL = {"color": "0.25", "linewidth": 1.2}


def new_figure(heights: Sequence[float], columns: int = 1, width: float = 8.5) -> tuple[Figure, np.ndarray]:
    """Return a figure and its panels, an array (len(heights), columns) of Axes.

    Panels of a column share their x axis, panels of a row their y axis.

    Args:
        heights: of the rows, in inches.
        columns: panels beside each other.
        width: of the whole figure, in inches.
    """
    figure = Figure(figsize=(width, sum(heights) + 0.9), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(
        len(heights),
        columns,
        sharex="col",
        sharey="row",
        squeeze=False,
        gridspec_kw={"height_ratios": heights},
    )
    for axes in panels.flat:
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="0.92")
        axes.set_axisbelow(True)
    return figure, panels


def title(axes: Axes, text: str) -> None:
    """Write a panel's title over its left end."""
    axes.set_title(text, loc="left", fontweight="bold")


def smooth(values: np.ndarray, half: int) -> np.ndarray:
    """Return the running median over `half` neighbours to each side; one spike does not move it.

    median[i] = median of the finite values[j] with i - half <= j <= i + min(half, i)

    At the start, where a loss is steep, both sides are equally short; at the end the right side is cut off.
    `values` (n,) and the result (n,) are float64. A value that is not finite counts for nothing;
    the median of no finite value at all is NaN.
    """
    smoothed = np.full(len(values), np.nan)
    for i in range(len(values)):
        window = values[max(0, i - half) : i + min(half, i) + 1]
        window = window[np.isfinite(window)]
        if window.size:
            smoothed[i] = np.median(window)
    return smoothed


def smooth_where_finite(values: np.ndarray) -> np.ndarray:
    """Return the running median over a 25th of the values to each side; NaN where the value is not finite."""
    return np.where(np.isfinite(values), smooth(values, len(values) // 25), np.nan)


def draw_noisy(axes: Axes, x: np.ndarray, values: np.ndarray, name: str) -> np.ndarray:
    """Draw the values light, their running median dark over them, crosses where they are not finite.

    `x` and `values` are (n,); returns the running median, (n,).
    """
    bad = ~np.isfinite(values)
    smoothed = smooth_where_finite(values)
    raw = len(values) >= 25  # with fewer the running median is the values themselves
    if raw:
        axes.plot(x, values, **RAW, label=f"{name}, as logged")
    axes.plot(x, smoothed, **SMOOTHED, marker=marker(x), label=f"{name}, smoothed" if raw else name)
    if bad.any():
        low, across = np.full(int(bad.sum()), 0.03), axes.get_xaxis_transform()
        axes.plot(x[bad], low, "kx", markersize=5, transform=across, label=f"{name}, not a number")
    return smoothed


def marker(x: np.ndarray) -> str:
    """Return a dot for curves of few points, which a line alone would hide."""
    return "o" if len(x) <= 5 else ""


def sparse(x: np.ndarray) -> slice:
    """Return which points of a curve get a marker: all, or about 25 of many, the last among them."""
    every = 1 + len(x) // 25
    return slice((len(x) - 1) % every, None, every)


def legend(axes: Axes, place: Literal["upper right", "lower right"]) -> None:
    """Name the lines of a panel."""
    axes.legend(loc=place, framealpha=0.85, edgecolor="none")


def apart(places: Sequence[float], gap: float) -> list[float]:
    """Return places that rise by at least `gap`: those that came, each moved up only as far as it must.

    `places` are ascending.
    """
    moved: list[float] = []
    for place in places:
        moved.append(max(place, moved[-1] + gap) if moved else place)
    return moved


def label_right(axes: Axes, labels: Sequence[tuple[float, str]]) -> None:
    """Write each text beside the right end of its level, moved up where it would lie on another."""
    labels = sorted(labels)
    points = axes.bbox.height * 72 / axes.figure.dpi
    axes.get_ylim()  # settles the limits, on which the places depend
    to_axes = axes.transData + axes.transAxes.inverted()
    shares = [float(to_axes.transform((1.0, level))[1]) for level, _ in labels]
    places = apart(shares, LINE_HEIGHT / points)
    for (_, text), share, place in zip(labels, shares, places, strict=True):
        shift = (8, (place - share) * points)
        axes.annotate(text, (1.0, share), shift, "axes fraction", "offset points", va="center", fontsize=9)


def label_steps(axes: Axes, last: float) -> None:
    """Let the x axis count optimiser steps, from 0 to `last`."""
    axes.set_xlabel("optimiser steps")
    axes.set_xlim(0, 1.01 * last or 1)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))


def label_time(axes: Axes, last: float) -> float:
    """Let the x axis count the time trained, from 0 to `last` seconds; return the seconds of its unit."""
    unit, scale = ("minutes", 60) if last > 120 else ("seconds", 1)
    axes.set_xlabel(f"time trained ({unit})")
    axes.set_xlim(0, 1.02 * last / scale or 1)
    return scale


def largest(*arrays: np.ndarray) -> float:
    """Return the largest finite number in the arrays, 0 where there is none."""
    values = np.concatenate([np.asarray(array, dtype=np.float64) for array in arrays])
    return float(values[np.isfinite(values)].max(initial=0.0))


def spread(values: Sequence[float]) -> float:
    """Return the standard deviation of a sample, 0 where there is one value alone."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else 0.0


def save(figure: Figure, path: Path) -> None:
    """Write the figure as a PNG, whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        figure.savefig(temporary, dpi=DPI, format="png")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
