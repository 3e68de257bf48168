"""How fast a run was: tokens per second, and where the time of a step went."""

from collections.abc import Mapping
from itertools import cycle

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import StrMethodFormatter

from minibert.plots.panels import (
    LEVEL,
    draw_noisy,
    label_right,
    label_time,
    largest,
    legend,
    new_figure,
    title,
)

BARS = 50
"""At most so many bars beside each other."""

FILLS = (
    {"facecolor": "black"},
    {"facecolor": "0.8"},
    {"facecolor": "0.5"},
    {"facecolor": "white", "hatch": "////"},
    {"facecolor": "white"},
)
"""Grey and hatching of the parts of a bar, from below: neighbours differ in print too."""


def speed_figure(seconds: np.ndarray, speeds: np.ndarray, share: float | None = None) -> Figure:
    """Draw the tokens per second, (n,), over the time trained, (n,), with their median.

    Args:
        seconds, speeds: (n,), NaN where nothing was measured.
        share: which part of the device's peak the median is, in [0, 1], where that is known.
    """
    figure, panels = new_figure([3.0])
    axes = panels[0, 0]
    title(axes, "Speed of training")
    axes.set_ylabel("tokens per second")
    scale = label_time(axes, largest(seconds))
    draw_noisy(axes, seconds / scale, speeds, "speed")

    finite = speeds[np.isfinite(speeds)]
    if finite.size:
        median = float(np.median(finite))
        axes.axhline(median, linestyle="--", **LEVEL)
        axes.set_ylim(0, 1.25 * float(finite.max()) or 1)
        of_peak = "" if share is None else f"\n{100 * share:.1f} % of the peak"
        label_right(axes, [(median, f"median {median:,.0f}{of_peak}")])
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    legend(axes, "lower right")
    return figure


def phases_figure(seconds: np.ndarray, phases: Mapping[str, np.ndarray]) -> Figure:
    """Draw the milliseconds of a step over the time trained, as bars of its phases.

    A bar stands for one interval of the log, or for the medians of several where there are many; its width is
    the time that it tells of. Beside the last bar: the median of each phase over the run, and its share.

    Args:
        seconds: (n,) time trained at the end of each interval, ascending, n > 0.
        phases: name -> (n,) mean seconds per step, finite; in the order of a step.
    """
    ends = np.unique(np.linspace(0, len(seconds), min(len(seconds), BARS) + 1).astype(int))
    groups = [slice(*pair) for pair in zip(ends, ends[1:], strict=False)]
    heights = {
        name: np.array([1e3 * np.median(of[group]) for group in groups]) for name, of in phases.items()
    }
    medians = {name: 1e3 * float(np.median(of)) for name, of in phases.items()}

    figure, panels = new_figure([3.4])
    axes = panels[0, 0]
    title(axes, "Where the time of a step goes")
    axes.set_ylabel("milliseconds per step")
    scale = label_time(axes, largest(seconds))
    edges = np.concatenate([[0.0], seconds[ends[1:] - 1]]) / scale

    bottom, labels, total = np.zeros(len(groups)), [], sum(medians.values()) or 1.0
    for (name, height), fill in zip(heights.items(), cycle(FILLS), strict=False):
        axes.bar(
            edges[:-1], height, np.diff(edges), bottom, align="edge", edgecolor="0.2", linewidth=0.5, **fill
        )
        text = f"{name} {medians[name]:.3g} ms, {100 * medians[name] / total:.0f} %"
        labels.append((float(bottom[-1] + height[-1] / 2), text))
        bottom = bottom + height
    # one slow interval, such as the first with torch.compile, leaves the panel at the top
    axes.set_ylim(0, 1.25 * float(np.quantile(bottom, 0.9)) or 1)
    label_right(axes, labels)
    return figure
