"""A learning rate range test: how the loss fares while the learning rate grows."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from minibert.plots.panels import LEVEL, RAW, SMOOTHED, new_figure, title

STYLES = ("--", ":")
"""Of the lines at the rates that are named."""


def rates_figure(
    rates: np.ndarray, gains: np.ndarray, smoothed: np.ndarray, named: Mapping[str, float], unit: str
) -> Figure:
    """Draw the change of the loss over the learning rate, and lines at the rates that are named.

    The panel shows the dip of the loss, and of its rise as much again.

    Args:
        rates: (n,) ascending, above 0, n > 0.
        gains: (n,) loss less that of the untouched model, in nats; may be not finite.
        smoothed: (n,) the same without its noise, likewise.
        named: name -> rate.
        unit: what the rates are.
    """
    figure, panels = new_figure([3.6])
    axes = panels[0, 0]
    title(axes, "Learning rate range test")
    axes.set_ylabel("loss, less that of the\nuntouched model (nats)")
    axes.set_xlabel(unit)
    axes.set_xscale("log")
    axes.plot(rates, gains, **RAW, label="each step, on its own batch")
    axes.plot(rates, smoothed, **SMOOTHED, label="smoothed")
    axes.axhline(0.0, **LEVEL)

    depth = max(float(-smoothed[np.isfinite(smoothed)].min(initial=0.0)), 0.01)
    axes.set_ylim(-1.6 * depth, 2.0 * depth)
    for (name, rate), style in zip(named.items(), STYLES, strict=False):
        axes.axvline(rate, color="black", linestyle=style, linewidth=1.2, label=f"{name}: {rate:.2g}")
    axes.legend(loc="lower left", framealpha=0.85, edgecolor="none")
    return figure
