"""What labelled examples are worth: quality over how many there were, for several ways to begin."""

from collections.abc import Mapping, Sequence
from itertools import cycle

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator, StrMethodFormatter

from minibert.plots.comparison import LINES, MARKERS, SHADES
from minibert.plots.letters import write_as_it_is
from minibert.plots.panels import label_right, new_figure, spread, title

Scores = Sequence[tuple[int, Sequence[float]]]
"""(examples, the score of each seed), by the number of examples."""

APART = 0.02
"""How far apart the series stand, as a share of the axis, so that no bar hides another."""


def examples_figure(series: Mapping[str, Scores], goal: str, levels: Mapping[str, float]) -> Figure:
    """Draw the mean of the goal over the number of labelled examples, a line for each series.

    A bar reaches one standard deviation of the seeds up and down; the seeds themselves are small points.

    Args:
        series: name -> its scores.
        goal: what the scores are.
        levels: horizontal lines to compare with: name -> score.
    """
    figure, panels = new_figure([4.2])
    axes = panels[0, 0]
    title(axes, "What labelled examples are worth")
    axes.set_ylabel(goal)
    axes.set_xlabel("labelled examples to learn from (logarithmic)")
    axes.set_xscale("log")
    places = sorted({examples for scores in series.values() for examples, _ in scores})
    unit = APART * np.log(max(places[-1] / places[0], 10.0))
    labels = []
    looks = zip(cycle(LINES), cycle(SHADES), cycle(MARKERS), strict=False)
    for number, ((name, scores), (line, shade, dot)) in enumerate(zip(series.items(), looks, strict=False)):
        shift = np.exp(unit * (number - (len(series) - 1) / 2))
        x = shift * np.array([examples for examples, _ in scores])
        means = np.array([np.mean(of) for _, of in scores])
        spreads = [spread(of) for _, of in scores]
        for place, (_, of) in zip(x, scores, strict=True):
            axes.plot([place * np.exp(0.4 * unit)] * len(of), of, ".", color=shade, markersize=3)
        look = {"linestyle": line, "color": shade, "marker": dot, "markersize": 6}
        axes.errorbar(x, means, spreads, capsize=3, label=name, **look)
        labels.append((float(means[-1]), f"{name} {means[-1]:.3g}"))
    for name, level in levels.items():
        axes.axhline(level, linestyle=":", color="0.4", linewidth=1.2)
        labels.append((level, f"{name} {level:.3g}"))

    axes.xaxis.set_major_locator(FixedLocator(places))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    label_right(axes, labels)
    axes.legend(loc="lower right", framealpha=0.85, edgecolor="none", handlelength=4)
    write_as_it_is(axes.texts)
    return figure
