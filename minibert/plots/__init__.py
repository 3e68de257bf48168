"""Arrays -> figures: what a run's numbers look like, readable in grey print too.

Every line differs by its style and carries its name; colour is never the only difference.
"""

from minibert.plots.calibration import calibration_figure
from minibert.plots.comparison import RunCurves, comparison_figure
from minibert.plots.confusion import confusion_figure
from minibert.plots.curves import LossCurve, loss_figure, optimizer_figure, scale_figure
from minibert.plots.epochs import Learning, learning_figure
from minibert.plots.examples_curve import examples_figure
from minibert.plots.letters import families
from minibert.plots.numbers import numbers_figure
from minibert.plots.panels import save
from minibert.plots.strip import strip_figure
from minibert.plots.timing import phases_figure, speed_figure
from minibert.plots.tradeoff import Cost, tradeoff_figure
from minibert.plots.trials import Trial, trials_figure

__all__ = [
    "Cost",
    "Learning",
    "LossCurve",
    "RunCurves",
    "Trial",
    "calibration_figure",
    "comparison_figure",
    "confusion_figure",
    "examples_figure",
    "families",
    "learning_figure",
    "loss_figure",
    "numbers_figure",
    "optimizer_figure",
    "phases_figure",
    "save",
    "scale_figure",
    "speed_figure",
    "strip_figure",
    "tradeoff_figure",
    "trials_figure",
]
