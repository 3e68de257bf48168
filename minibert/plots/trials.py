"""What a search has tried: the score of each trial over its learning rate, and the best as it went on."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator, StrMethodFormatter

from minibert.plots.comparison import MARKERS, SHADES
from minibert.plots.panels import new_figure, title


@dataclass(frozen=True)
class Trial:
    """Settings that were tried, and what came of them."""

    lr: float
    """Learning rate."""
    batch_size: int
    """B, texts in a batch."""
    score: float | None
    """The goal on the validation texts; None where the trial failed."""


def trials_figure(trials: Sequence[Trial], goal: str) -> Figure:
    """Draw the goal over the learning rate, a marker for each batch size, and over the trials in their order.

    The best trial stands in a ring; trials that failed are crosses at the bottom.

    Args:
        trials: in their order; one at least has a score.
        goal: what the scores are.
    """
    figure, panels = new_figure([4.0], columns=2, width=11.0)
    left, right = panels[0]
    title(left, "What was tried")
    title(right, "In what order")
    left.set_ylabel(f"{goal} on the validation texts")
    left.set_xlabel("learning rate")
    left.set_xscale("log")
    left.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    left.xaxis.set_minor_locator(NullLocator())
    left.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    right.set_xlabel("trial")
    right.xaxis.set_major_locator(MaxNLocator(integer=True))

    rates = np.array([trial.lr for trial in trials])
    order = np.arange(1, len(trials) + 1)
    scores = np.array([np.nan if trial.score is None else trial.score for trial in trials])
    sizes = np.array([trial.batch_size for trial in trials])
    looks = zip(sorted(set(sizes.tolist())), cycle(MARKERS), cycle(SHADES), strict=False)
    for size, marker, shade in looks:
        own = (sizes == size) & np.isfinite(scores)
        for axes, x in ((left, rates), (right, order)):
            label = f"batches of {size}"
            axes.plot(x[own], scores[own], marker, color=shade, markersize=6, label=label)
    best = int(np.nanargmax(scores))
    failed = ~np.isfinite(scores)
    ring = {"markersize": 14, "fillstyle": "none", "color": "black", "label": "the best"}
    for axes, x in ((left, rates), (right, order)):
        axes.plot(x[best], scores[best], "o", **ring)
        if failed.any():
            low, across = np.full(int(failed.sum()), 0.03), axes.get_xaxis_transform()
            axes.plot(x[failed], low, "kx", markersize=6, transform=across, label="failed")
    highest = np.fmax.accumulate(scores)
    right.step(order, highest, where="post", color="0.6", linewidth=1.2, label="best so far")
    handles = {str(line.get_label()): line for line in right.get_lines()}
    figure.legend(handles=list(handles.values()), loc="outside lower center", ncols=6, frameon=False)
    return figure
