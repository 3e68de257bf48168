"""Arrays -> figures: what a run's numbers look like, readable in grey print too.

Every line differs by its style and carries its name; colour is never the only difference.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, FuncFormatter, MaxNLocator, StrMethodFormatter

DPI = 120
"""Pixels per inch of the pictures."""

RAW = {"color": "0.72", "linewidth": 0.8}
SMOOTHED = {"color": "black", "linewidth": 1.8}
HELD_OUT = {
    "color": "tab:blue",
    "linestyle": "--",
    "linewidth": 1.0,
    "marker": "o",
    "markersize": 6,
    "markeredgecolor": "white",
}
LEVEL_STYLES = ("--", ":", "-.", (0, (6, 2, 1, 2, 1, 2)))


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


def loss_figure(curves: Sequence[LossCurve], tokens_per_step: float | None = None) -> Figure:
    """Draw each loss in a panel of its own over the steps; the tokens seen stand along the top."""
    heights = [3.4] + [2.2] * (len(curves) - 1)
    figure, panels = _figure(heights)
    for axes, curve in zip(panels, curves, strict=True):
        axes.set_title(curve.title, loc="left", fontweight="bold")
        axes.set_ylabel("loss (nats)")
        _draw_loss(axes, curve)
    _label_steps(figure, panels, max(_last(curve.steps, curve.held_out_steps) for curve in curves))
    _legend(panels[0], "upper right")

    if tokens_per_step:
        scale = tokens_per_step
        top = panels[0].secondary_xaxis(
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
    figure, (upper, lower) = _figure([2.2, 2.6])
    upper.set_title("Learning rate", loc="left", fontweight="bold")
    upper.set_ylabel(rate)
    upper.plot(steps, rates, **SMOOTHED, marker=_marker(steps))
    upper.set_ylim(bottom=0)
    upper.yaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))

    lower.set_title("Size of the gradient", loc="left", fontweight="bold")
    lower.set_ylabel("global norm, before clipping\n(logarithmic)")
    if (norms[np.isfinite(norms)] > 0).any():
        lower.set_yscale("log")
        lower.yaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
        lower.yaxis.set_minor_formatter(FuncFormatter(_few_minor_labels))
    _draw_noisy(lower, steps, norms, "gradient norm")
    if clip is not None:
        lower.axhline(clip, color="0.25", linestyle="--", linewidth=1.2)
        _label_right(lower, [(clip, f"clipped to {clip:g}")])
    _label_steps(figure, [upper, lower], _last(steps))
    _legend(lower, "lower right")
    return figure


def speed_figure(seconds: np.ndarray, speeds: np.ndarray) -> Figure:
    """Draw the tokens per second, (n,), over the time trained, (n,), with their median."""
    figure, (axes,) = _figure([3.0])
    unit, scale = ("minutes", 60) if _last(seconds) > 120 else ("seconds", 1)
    axes.set_title("Speed of training", loc="left", fontweight="bold")
    axes.set_xlabel(f"time trained ({unit})")
    axes.set_ylabel("tokens per second")
    _draw_noisy(axes, seconds / scale, speeds, "speed")

    finite = speeds[np.isfinite(speeds)]
    if finite.size:
        median = float(np.median(finite))
        axes.axhline(median, color="0.25", linestyle="--", linewidth=1.2)
        axes.set_ylim(0, 1.25 * float(finite.max()) or 1)
        _label_right(axes, [(median, f"median {median:,.0f}")])
    axes.set_xlim(0, 1.02 * _last(seconds) / scale or 1)
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    _legend(axes, "lower right")
    return figure


def save(figure: Figure, path: Path) -> None:
    """Write the figure as a PNG, whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        figure.savefig(temporary, dpi=DPI, format="png")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _figure(heights: Sequence[float]) -> tuple[Figure, list[Axes]]:
    """Return a figure with one panel above the other, `heights` in inches, sharing the x axis."""
    figure = Figure(figsize=(8.5, sum(heights) + 0.9), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(
        len(heights), 1, sharex=True, squeeze=False, gridspec_kw={"height_ratios": heights}
    )
    panels: list[Axes] = list(grid[:, 0])
    for axes in panels:
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="0.92")
        axes.set_axisbelow(True)
    return figure, panels


def _draw_loss(axes: Axes, curve: LossCurve) -> None:
    smoothed = _draw_noisy(axes, curve.steps, curve.values, "training")
    held_out = curve.held_out[np.isfinite(curve.held_out)]
    labels = []
    if held_out.size:
        axes.plot(curve.held_out_steps, curve.held_out, **HELD_OUT, label="held out", zorder=3)
        labels.append((float(held_out[-1]), f"held out {held_out[-1]:.2f}"))
    for (name, level), style in zip(curve.levels.items(), LEVEL_STYLES, strict=False):
        axes.axhline(level, color="0.25", linestyle=style, linewidth=1.2)
        labels.append((level, f"{name} {level:.2f}"))

    # the limits follow the smoothed curve: a spike leaves the panel at the top and does not flatten the rest
    shown = np.concatenate([smoothed[np.isfinite(smoothed)], held_out, list(curve.levels.values())])
    if shown.size:
        margin = 0.08 * (float(np.ptp(shown)) or 1.0)
        axes.set_ylim(shown.min() - margin, shown.max() + margin)
    _label_right(axes, labels)


def _draw_noisy(axes: Axes, x: np.ndarray, values: np.ndarray, name: str) -> np.ndarray:
    """Draw the values light, their running median dark over them, crosses where they are not finite."""
    half = len(values) // 25
    bad = ~np.isfinite(values)
    smoothed = np.where(bad, np.nan, smooth(values, half))
    if half:
        axes.plot(x, values, **RAW, label=f"{name}, as logged")
    axes.plot(x, smoothed, **SMOOTHED, marker=_marker(x), label=f"{name}, smoothed" if half else name)
    if bad.any():
        low, across = np.full(int(bad.sum()), 0.03), axes.get_xaxis_transform()
        axes.plot(x[bad], low, "kx", markersize=5, transform=across, label=f"{name}, not a number")
    return smoothed


def _legend(axes: Axes, place: Literal["upper right", "lower right"]) -> None:
    axes.legend(loc=place, framealpha=0.85, edgecolor="none")


def _label_steps(figure: Figure, panels: Sequence[Axes], last: float) -> None:
    panels[-1].set_xlabel("optimiser steps")
    panels[-1].set_xlim(0, 1.01 * last or 1)
    panels[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
    panels[-1].xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    figure.align_ylabels(list(panels))


def _label_right(axes: Axes, labels: list[tuple[float, str]]) -> None:
    """Write each text beside the right end of its level, moved apart where they would overlap."""
    height = axes.bbox.height * 72 / axes.figure.dpi  # points
    axes.get_ylim()  # settles the limits, on which the places depend
    to_axes = axes.transData + axes.transAxes.inverted()
    lowest = -1.0
    for level, text in sorted(labels):
        y = float(to_axes.transform((1.0, level))[1])
        place = lowest = max(y, lowest + 13 / height)
        axes.annotate(
            text,
            (1.0, y),
            (8, (place - y) * height),
            "axes fraction",
            "offset points",
            va="center",
            fontsize=9,
        )


def _last(*arrays: np.ndarray) -> float:
    """Return the largest finite number in the arrays, 0 where there is none."""
    values = np.concatenate([np.asarray(array, dtype=np.float64) for array in arrays])
    return float(values[np.isfinite(values)].max(initial=0.0))


def _marker(x: np.ndarray) -> str:
    """Return a dot for curves of few points, which a line alone would hide."""
    return "o" if len(x) <= 5 else ""


def _few_minor_labels(x: float, _: int) -> str:
    return f"{x:g}" if f"{x:e}"[0] in "25" else ""
