"""How a fine-tuned model learned: losses, its goal and its learning rate over the steps, epoch by epoch."""

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, MultipleLocator

from minibert.plots.curves import HELD_OUT
from minibert.plots.panels import (
    SMOOTHED,
    draw_noisy,
    label_right,
    label_steps,
    largest,
    marker,
    new_figure,
    sparse,
    title,
)

MOST_EPOCHS = 12
"""Of so many epochs each has its line; of more every second, or fifth, …"""

BEST = {"marker": "*", "markerfacecolor": "white", "color": "black", "markersize": 13, "linestyle": "none"}


@dataclass(frozen=True)
class Learning:
    """What was logged: n lines on training, m looks at the validation texts."""

    steps: np.ndarray
    """(n,) optimiser steps."""
    losses: np.ndarray
    """(n,) training loss; NaN where it was not a number."""
    rates: np.ndarray
    """(n,) learning rate."""
    looks: np.ndarray
    """(m,) optimiser steps."""
    look_losses: np.ndarray
    """(m,) loss on the validation texts."""
    scores: np.ndarray
    """(m,) the goal on the validation texts."""


def learning_figure(
    learning: Learning, goal: str, loss: str, steps_per_epoch: float | None, best: float | None
) -> Figure:
    """Draw losses, goal and learning rate over the steps, with the ends of epochs and the best checkpoint.

    Args:
        learning: what was logged.
        goal: what the scores are.
        loss: what the losses are, with their unit.
        steps_per_epoch: where epochs end; without it none is marked.
        best: the step of the checkpoint that was kept; without it none is marked.
    """
    figure, panels = new_figure([2.8, 2.2, 1.3])
    above, middle, below = panels[:, 0]
    title(above, "Loss")
    above.set_ylabel(loss)
    smoothed = draw_noisy(above, learning.steps, learning.losses, "training")
    _limit(above, smoothed, learning.look_losses)
    _draw_looks(above, learning.looks, learning.look_losses, best)

    title(middle, f"Validation: {goal}")
    middle.set_ylabel(goal)
    _limit(middle, learning.scores)
    _draw_looks(middle, learning.looks, learning.scores, best)

    title(below, "Learning rate")
    below.plot(learning.steps, learning.rates, **SMOOTHED, marker=marker(learning.steps))
    below.set_ylim(bottom=0)
    below.yaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))

    last = largest(learning.steps, learning.looks)
    label_steps(below, last)
    figure.align_ylabels([above, middle, below])
    if steps_per_epoch:
        _mark_epochs([above, middle, below], last, steps_per_epoch)
    figure.legend(*above.get_legend_handles_labels(), loc="outside upper right", ncols=4, frameon=False)
    return figure


def _draw_looks(axes: Axes, steps: np.ndarray, values: np.ndarray, best: float | None) -> None:
    """Draw what was measured on the validation texts: its last value beside it, a star at the best."""
    known = np.isfinite(values)
    if not known.any():
        return
    axes.plot(steps, values, **HELD_OUT, markevery=sparse(steps), label="validation", zorder=3)
    at = known & (steps == best)
    axes.plot(steps[at], values[at], **BEST, label="best checkpoint" if at.any() else None, zorder=4)
    end = float(values[known][-1])
    label_right(axes, [(end, f"validation {end:.3g}")])


def _limit(axes: Axes, *curves: np.ndarray) -> None:
    """Let the limits follow these curves, not the raw values: a spike does not flatten the rest."""
    shown = np.concatenate(curves)
    shown = shown[np.isfinite(shown)]
    if shown.size:
        margin = 0.12 * (float(np.ptp(shown)) or 0.1)
        axes.set_ylim(shown.min() - margin, shown.max() + margin)


def _mark_epochs(panels: list[Axes], last: float, steps: float) -> None:
    """Count epochs of so many steps along the top, and draw a line where each ends."""
    top = panels[0].secondary_xaxis(
        "top", functions=(lambda x: np.divide(x, steps), lambda x: np.multiply(x, steps))
    )
    top.set_xlabel("epochs")
    whole = int(last / steps + 1e-6)
    every = next(n for n in (1, 2, 5, *(10**k for k in range(1, 9))) if whole / n <= MOST_EPOCHS)
    top.xaxis.set_major_locator(MultipleLocator(every) if whole else MaxNLocator(5))
    for axes in panels:
        for number in range(every, whole + 1, every):
            axes.axvline(number * steps, color="0.8", linewidth=0.9, zorder=0.5)
