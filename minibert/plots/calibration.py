"""Whether a model is right as often as it thinks: the reliability diagram."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter, StrMethodFormatter

from minibert.plots.panels import LEVEL, new_figure, title


def calibration_figure(confidence: np.ndarray, accuracy: np.ndarray, counts: np.ndarray) -> Figure:
    """Draw how often a model is right over how sure it is, and below, how many predictions are so sure.

    Guo et al. 2017, fig. 1. On the diagonal a model is right as often as it says.

    Args:
        confidence: (n,) mean probability of what was predicted, of the predictions of each bin.
        accuracy: (n,) share of them that is right.
        counts: (n,) how many there are, above 0.
    """
    figure, panels = new_figure([3.6, 1.5], width=6.5)
    upper, lower = panels[:, 0]
    title(upper, "Calibration")
    upper.set_ylabel("share that is right")
    upper.axline((0, 0), slope=1, linestyle="--", **LEVEL, label="right as often as sure")
    upper.plot(confidence, accuracy, "o-", color="black", linewidth=1.6, label="model")
    upper.set_ylim(-0.02, 1.02)
    upper.yaxis.set_major_formatter(PercentFormatter(1.0))
    upper.legend(loc="upper left", framealpha=0.85, edgecolor="none")

    lower.set_ylabel("predictions")
    lower.bar(confidence, counts, width=0.02, color="0.35")
    for place, count in zip(confidence, counts, strict=True):
        above = {"textcoords": "offset points", "ha": "center", "fontsize": 8}
        lower.annotate(f"{count:,.0f}", (place, count), (0, 2), **above)
    lower.set_ylim(0, 1.25 * float(np.max(counts, initial=1.0)))
    lower.set_xlabel("mean probability of what was predicted")
    lower.set_xlim(min(float(np.min(confidence, initial=0.5)), 0.5) - 0.03, 1.03)
    lower.xaxis.set_major_formatter(PercentFormatter(1.0))
    lower.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    figure.align_ylabels([upper, lower])
    return figure
