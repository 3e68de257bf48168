"""How far runs spread: the score of each, with mean, standard deviation and standard error."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from minibert.plots.letters import short, write_as_it_is
from minibert.plots.panels import LEVEL, label_right, new_figure, spread, title

LONGEST = 14
"""Characters of a name that there is room for below a column."""

REACH = 0.25
"""How far the points of a column lie beside its middle at most; columns are 1 apart."""


def strip_figure(
    columns: Mapping[str, Mapping[int, float]], goal: str, levels: Mapping[str, float]
) -> Figure:
    """Draw a column of points for each way to learn, and beside them their mean and how far they spread.

    The thick bar reaches one standard error of the mean up and down, the thin one a standard deviation. A
    grey line joins the runs of one seed, or fold.

    Args:
        columns: name -> the score of each seed or fold, by its number.
        goal: what the scores are.
        levels: horizontal lines to compare with: name -> score.
    """
    figure, panels = new_figure([4.0], width=max(7.5, 4.7 + 1.5 * len(columns)))
    axes = panels[0, 0]
    title(axes, "How far the runs spread")
    axes.set_ylabel(goal)
    numbers = sorted({number for its in columns.values() for number in its})
    offsets = dict(zip(numbers, np.linspace(-REACH, REACH, len(numbers)), strict=True))
    for number in numbers:
        places = [place for place, its in enumerate(columns.values()) if number in its]
        scores = [its[number] for its in columns.values() if number in its]
        axes.plot(np.array(places) + offsets[number], scores, color="0.85", linewidth=1.0, zorder=1)
    for place, its in enumerate(columns.values()):
        x = [place + offsets[number] for number in its]
        axes.plot(x, list(its.values()), "o", color="0.45", markersize=4.5, zorder=2)
        _draw_mean(axes, place + REACH + 0.12, list(its.values()))

    for name, level in levels.items():
        axes.axhline(level, **{**LEVEL, "linestyle": ":"})
        label_right(axes, [(level, name)])
    axes.set_xlim(-0.5, len(columns) - 0.3)
    axes.set_xticks(range(len(columns)), [short(name, LONGEST) for name in columns])
    axes.tick_params(axis="x", length=0)
    handles = [
        Line2D([], [], color="0.45", marker="o", markersize=4.5, linestyle="", label="a run"),
        Line2D([], [], color="black", marker="D", markersize=5, linestyle="", label="mean"),
        Line2D([], [], color="black", linewidth=4.0, label="± one standard error"),
        Line2D([], [], color="black", linewidth=1.0, label="± one standard deviation"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2, frameon=False, fontsize=9)
    write_as_it_is(axes.texts)
    return figure


def _draw_mean(axes: Axes, place: float, scores: Sequence[float]) -> None:
    """Draw the mean of a column's scores, and of several their standard deviation and standard error."""
    mean, deviation = float(np.mean(scores)), spread(scores)
    if len(scores) > 1:
        for reach, width in ((deviation, 1.0), (deviation / np.sqrt(len(scores)), 4.0)):
            axes.vlines(place, mean - reach, mean + reach, color="black", linewidth=width, zorder=3)
    axes.plot([place], [mean], "D", color="black", markersize=5, zorder=4)
