"""Several runs in one picture: their losses over the steps and over the time trained."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from minibert.plots.letters import short
from minibert.plots.panels import (
    label_right,
    label_steps,
    label_time,
    largest,
    marker,
    new_figure,
    smooth_where_finite,
    sparse,
    title,
)

LINES = ("-", "--", ":", "-.", (0, (6, 2, 1, 2, 1, 2)), (0, (10, 3)), (0, (1, 3)))
SHADES = ("black", "tab:blue", "0.5", "tab:red", "0.3", "tab:green")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")

STEEP = 0.05
"""The first part of a run, whose losses are left out where they would flatten the rest."""

LEAST = 0.05
"""Nats above and below the curves at least, so that noise does not look like a difference."""

LONGEST = 30
"""Characters of a name that a picture has room for."""


@dataclass(frozen=True)
class RunCurves:
    """The losses of one run: training (n values) and held out (m values), in nats."""

    name: str
    """What the run is called."""
    steps: np.ndarray
    """(n,) optimiser steps of the training values."""
    seconds: np.ndarray
    """(n,) time trained at these steps."""
    values: np.ndarray
    """(n,) training loss; NaN where it was not a number."""
    held_out_steps: np.ndarray
    """(m,) optimiser steps of the held-out values."""
    held_out_seconds: np.ndarray
    """(m,) time trained at these steps."""
    held_out: np.ndarray
    """(m,) loss on held-out text."""


def comparison_figure(runs: Sequence[RunCurves]) -> Figure:
    """Draw the runs' held-out losses above their training losses, over the steps and over the time trained.

    Each run has a style of line and a marker of its own, and its name and last loss stand beside its line.
    """
    room = max(2.7, 0.2 * len(runs))
    figure, panels = new_figure([room, room], columns=2, width=12.0)
    label_steps(panels[1, 0], max(largest(run.steps, run.held_out_steps) for run in runs))
    scale = label_time(panels[1, 1], max(largest(run.seconds, run.held_out_seconds) for run in runs))

    held_out = [(run.held_out_steps, run.held_out_seconds / scale, run.held_out) for run in runs]
    training = [(run.steps, run.seconds / scale, smooth_where_finite(run.values)) for run in runs]
    names = [short(run.name, LONGEST) for run in runs]
    _draw(panels[0], "Held out", names, held_out, dots=True)
    _draw(panels[1], "Training, smoothed", names, training, dots=False)

    handles = {str(line.get_label()): line for axes in panels[::-1, 0] for line in axes.get_lines()}
    figure.legend(
        handles.values(), handles, loc="outside upper center", ncols=4, handlelength=4, frameon=False
    )
    return figure


def _draw(
    row: Sequence[Axes],
    name: str,
    names: Sequence[str],
    curves: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]],
    dots: bool,
) -> None:
    """Draw the curves (steps, time, loss) in both panels of a row, and label them beside the right one."""
    left, right = row
    title(left, name)
    left.set_ylabel("loss (nats)")
    shown, ends = [], []
    looks = zip(cycle(LINES), cycle(SHADES), cycle(MARKERS), strict=False)
    for run, (steps, time, losses), (line, shade, dot) in zip(names, curves, looks, strict=False):
        finite = np.flatnonzero(np.isfinite(losses))
        if not finite.size:
            continue
        look: dict[str, Any] = {
            "linestyle": line,
            "color": shade,
            "marker": dot if dots or marker(steps) else "",
        }
        for axes, x in ((left, steps), (right, time)):
            axes.plot(x, losses, **look, markevery=sparse(x), linewidth=1.6, markersize=5, label=run)
        shown.append(losses[finite[int(STEEP * finite.size) :]])
        end = float(losses[finite[-1]])
        ends.append((end, f"{run} {end:.2f}"))
        right.hlines(end, time[finite[-1]], right.get_xlim()[1], color="0.6", linestyle=":", linewidth=0.8)

    if shown:
        values = np.concatenate(shown)
        margin = max(0.08 * float(np.ptp(values)), LEAST)
        right.set_ylim(values.min() - margin, values.max() + margin)
    label_right(right, ends)
