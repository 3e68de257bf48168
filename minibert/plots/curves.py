"""How a run learned: its losses, learning rate, gradient and loss scale over the steps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, FuncFormatter
from matplotlib.transforms import offset_copy

from minibert.plots.panels import (
    LEVEL,
    SMOOTHED,
    draw_noisy,
    label_right,
    label_steps,
    largest,
    legend,
    marker,
    new_figure,
    smooth_where_finite,
    sparse,
    title,
)

HELD_OUT = {
    "color": "tab:blue",
    "linestyle": "--",
    "linewidth": 1.0,
    "marker": "o",
    "markersize": 6,
    "markeredgecolor": "white",
}
LEVEL_STYLES = ("--", ":", "-.", (0, (6, 2, 1, 2, 1, 2)))
MARKS: tuple[dict[str, Any], ...] = (
    {"marker": "v", "markerfacecolor": "black"},
    {"marker": "v", "markerfacecolor": "white"},
    {"marker": "*", "markerfacecolor": "white", "markersize": 10},
)
"""How events look that are marked over a curve."""


@dataclass(frozen=True)
class LossCurve:
    """One loss over a run: training (n values), held out (m values), and the levels to beat, in nats."""

    title: str
    """What is predicted, above the panel."""
    steps: np.ndarray
    """(n,) optimiser steps of the training values."""
    values: np.ndarray
    """(n,) training loss; NaN where it was not a number."""
    held_out_steps: np.ndarray
    """(m,) optimiser steps of the held-out values."""
    held_out: np.ndarray
    """(m,) loss on held-out text."""
    levels: dict[str, float] = field(default_factory=dict)
    """Horizontal lines: name -> loss."""


def loss_figure(
    curves: Sequence[LossCurve],
    tokens_per_step: float | None = None,
    marks: Mapping[str, np.ndarray] | None = None,
) -> Figure:
    """Draw each loss in a panel of its own over the steps; the tokens seen stand along the top.

    Args:
        curves: one for each panel, from the top.
        tokens_per_step: scale of the tokens; without it there are none.
        marks: what happened when, at most three things: name -> steps; over the curve of the first panel.
    """
    figure, panels = new_figure([3.4] + [2.2] * (len(curves) - 1))
    for axes, curve in zip(panels.flat, curves, strict=True):
        title(axes, curve.title)
        axes.set_ylabel("loss (nats)")
        _draw_loss(axes, curve)
    first, last = panels[0, 0], panels[-1, 0]
    _mark(figure, first, curves[0], marks or {})
    label_steps(last, max(largest(curve.steps, curve.held_out_steps) for curve in curves))
    figure.align_ylabels(list(panels.flat))
    legend(first, _free_corner(first, curves[0].values))

    if tokens_per_step:
        scale = tokens_per_step
        top = first.secondary_xaxis(
            "top", functions=(lambda x: np.multiply(x, scale), lambda x: np.divide(x, scale))
        )
        top.xaxis.set_major_formatter(EngFormatter(sep=" "))
        top.set_xlabel("tokens seen in training")
    return figure


def optimizer_figure(
    steps: np.ndarray,
    rates: np.ndarray,
    norms: np.ndarray,
    clip: float | None = None,
    rate: str = "learning rate",
) -> Figure:
    """Draw the learning rate and the gradient's global norm (before clipping) over the steps, each (n,)."""
    figure, panels = new_figure([2.2, 2.6])
    upper, lower = panels[:, 0]
    title(upper, "Learning rate")
    upper.set_ylabel(rate)
    upper.plot(steps, rates, **SMOOTHED, marker=marker(steps))
    upper.set_ylim(bottom=0)
    upper.yaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))

    title(lower, "Size of the gradient")
    lower.set_ylabel("global norm, before clipping\n(logarithmic)")
    if (norms[np.isfinite(norms)] > 0).any():
        lower.set_yscale("log")
        lower.yaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
        lower.yaxis.set_minor_formatter(FuncFormatter(_few_minor_labels))
    draw_noisy(lower, steps, norms, "gradient norm")
    if clip is not None:
        lower.axhline(clip, linestyle="--", **LEVEL)
        label_right(lower, [(clip, f"clipped to {clip:g}")])
    label_steps(lower, largest(steps))
    figure.align_ylabels([upper, lower])
    legend(lower, "lower right")
    return figure


def scale_figure(steps: np.ndarray, scales: np.ndarray, overflows: np.ndarray) -> Figure:
    """Draw the loss scale of fp16, (n,), over the steps, (n,), with the steps, (m,), that overflowed."""
    figure, panels = new_figure([2.2])
    axes = panels[0, 0]
    title(axes, "Loss scale")
    axes.set_ylabel("scale (powers of 2)")
    axes.set_yscale("log", base=2)
    axes.plot(steps, scales, drawstyle="steps-post", **SMOOTHED, marker=marker(steps), label="loss scale")
    powers = np.log2(scales[np.isfinite(scales)])
    low, high = powers.min() - 1, powers.max() + 1
    axes.set_ylim(2**low, 2 ** (high + 0.4 * (high - low)))  # above the curve there is room for the legend
    if overflows.size:
        bottom, across = np.full(len(overflows), 0.06), axes.get_xaxis_transform()
        axes.plot(overflows, bottom, "kx", markersize=5, transform=across, label="overflow, step left out")
    label_steps(axes, largest(steps, overflows))
    legend(axes, "upper right")
    return figure


def _draw_loss(axes: Axes, curve: LossCurve) -> None:
    smoothed = draw_noisy(axes, curve.steps, curve.values, "training")
    held_out = curve.held_out[np.isfinite(curve.held_out)]
    labels = []
    if held_out.size:
        x = curve.held_out_steps
        axes.plot(x, curve.held_out, **HELD_OUT, markevery=sparse(x), label="held out", zorder=3)
        labels.append((float(held_out[-1]), f"held out {held_out[-1]:.2f}"))
    for (name, level), style in zip(curve.levels.items(), LEVEL_STYLES, strict=False):
        axes.axhline(level, linestyle=style, **LEVEL)
        labels.append((level, f"{name} {level:.2f}"))

    # the limits follow the smoothed curve: a spike leaves the panel at the top and does not flatten the rest
    shown = np.concatenate([smoothed[np.isfinite(smoothed)], held_out, list(curve.levels.values())])
    if shown.size:
        margin = 0.08 * (float(np.ptp(shown)) or 1.0)
        axes.set_ylim(shown.min() - margin, shown.max() + margin)
    label_right(axes, labels)


def _free_corner(axes: Axes, values: np.ndarray) -> Literal["upper right", "lower right"]:
    """Return the corner that the end of the curve leaves free."""
    finite = values[np.isfinite(values)]
    middle = sum(axes.get_ylim()) / 2
    return "lower right" if finite.size and np.median(finite[-len(finite) // 4 :]) > middle else "upper right"


def _mark(figure: Figure, axes: Axes, curve: LossCurve, marks: Mapping[str, np.ndarray]) -> None:
    """Mark what happened 10 points over the smoothed training loss."""
    smoothed = smooth_where_finite(curve.values)
    known = np.isfinite(smoothed)
    if not known.any():
        return
    over = offset_copy(axes.transData, figure, 0, 10, "points")
    for (name, steps), look in zip(marks.items(), MARKS, strict=False):
        heights = np.interp(steps, curve.steps[known], smoothed[known])
        axes.plot(steps, heights, ls="none", color="black", transform=over, label=name, zorder=4, **look)


def _few_minor_labels(x: float, _: int) -> str:
    return f"{x:g}" if f"{x:e}"[0] in "25" else ""
