"""Predicted numbers over the true ones."""

import numpy as np
from matplotlib.figure import Figure

from minibert.plots.panels import LEVEL, new_figure, title


def numbers_figure(true: np.ndarray, predicted: np.ndarray) -> Figure:
    """Draw the predicted number of each text over its true one; both (n,), finite, n > 0."""
    figure, panels = new_figure([5.2], width=6.5)
    axes = panels[0, 0]
    title(axes, "Predicted over true numbers")
    axes.set_xlabel("true")
    axes.set_ylabel("predicted")
    axes.set_aspect("equal", adjustable="datalim")
    axes.axline((float(true.mean()),) * 2, slope=1, linestyle="--", **LEVEL, label="predicted = true")
    faint = float(np.clip(30 / np.sqrt(len(true)), 0.1, 0.8))  # where many points lie it becomes darker
    axes.plot(true, predicted, "o", color="black", markersize=4, markeredgewidth=0, alpha=faint, label="text")
    axes.legend(loc="upper left", framealpha=0.85, edgecolor="none")
    return figure
