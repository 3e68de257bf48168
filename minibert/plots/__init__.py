"""Arrays -> figures: what a run's numbers look like, readable in grey print too.

Every line differs by its style and carries its name; colour is never the only difference.
"""

from minibert.plots.comparison import RunCurves, comparison_figure
from minibert.plots.curves import LossCurve, loss_figure, optimizer_figure, scale_figure
from minibert.plots.panels import save
from minibert.plots.timing import phases_figure, speed_figure

__all__ = [
    "LossCurve",
    "RunCurves",
    "comparison_figure",
    "loss_figure",
    "optimizer_figure",
    "phases_figure",
    "save",
    "scale_figure",
    "speed_figure",
]
