"""What quality costs: the goal of several runs over their seconds and over the parameters that learn."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, FuncFormatter

from minibert.plots.beside_points import label_points
from minibert.plots.comparison import MARKERS
from minibert.plots.letters import short, write_as_it_is
from minibert.plots.panels import new_figure, spread, title

LONGEST = 26
"""Characters of a name that the picture has room for."""

NARROW = 30.0
"""Where the largest cost is less than so many times the smallest, 2 and 5 stand between the powers of ten."""


@dataclass(frozen=True)
class Cost:
    """What one way to learn reaches, and what it costs."""

    name: str
    """What it is called: a strategy, or a run."""
    scores: Sequence[float]
    """The goal on the test texts, of one seed or of several."""
    seconds: float
    """Time trained; the mean over the seeds. Above 0."""
    parameters: float
    """How many parameters learn. Above 0."""


def tradeoff_figure(costs: Sequence[Cost], goal: str) -> Figure:
    """Draw the goal over the seconds, and over the parameters that learn; both axes are logarithmic.

    A bar reaches one standard deviation of the seeds up and down, where there are several.

    Args:
        costs: a point for each.
        goal: what the scores are.
    """
    figure, panels = new_figure([4.0], columns=2, width=11.0)
    left, right = panels[0]
    title(left, "What quality costs")
    left.set_ylabel(f"{goal} on the test texts")
    means = np.array([np.mean(cost.scores) for cost in costs])
    spreads = np.array([spread(cost.scores) for cost in costs])
    _draw(left, np.array([cost.seconds for cost in costs]), means, spreads)
    _draw(right, np.array([cost.parameters for cost in costs]), means, spreads)
    left.set_xlabel("time trained (seconds)")
    right.set_xlabel("parameters that learn")

    low, high = (means - spreads).min(), (means + spreads).max()
    margin = 0.15 * ((high - low) or 0.1)
    left.set_ylim(low - margin, high + margin)
    names = [short(cost.name, LONGEST) for cost in costs]
    for axes, x in ((left, [cost.seconds for cost in costs]), (right, [cost.parameters for cost in costs])):
        label_points(figure, axes, np.array(x), means, names, spreads)
        write_as_it_is(axes.texts)
    return figure


def _draw(axes: Axes, x: np.ndarray, means: np.ndarray, spreads: np.ndarray) -> None:
    """Draw the points with their bars."""
    axes.set_xscale("log")
    for place, mean, bar, marker in zip(x, means, spreads, cycle(MARKERS), strict=False):
        axes.errorbar(
            place, mean, bar or None, fmt=marker, color="black", markersize=6, capsize=3, elinewidth=1.0
        )
    axes.set_xlim(x.min() / 2, x.max() * 3)
    many = EngFormatter(sep=" ")

    def whole(value: float, place: int | None = None) -> str:
        """Write 1500 as 1.5 k, and 0.5 as it is."""
        return many(value) if value >= 1 else f"{value:g}"

    narrow = x.max() / x.min() < NARROW
    axes.xaxis.set_major_formatter(FuncFormatter(whole))
    axes.xaxis.set_minor_formatter(
        FuncFormatter(lambda value, _: whole(value) if narrow and f"{value:e}"[0] in "25" else "")
    )
