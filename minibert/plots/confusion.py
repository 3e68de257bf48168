"""Which class a model takes for which: the confusion matrix."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from minibert.plots.letters import write_as_it_is, written
from minibert.plots.panels import new_figure, title

LONGEST = 24
"""Characters of a class's name that the picture has room for."""

LEVEL_NAMES = 8
"""Characters of a name that stands under its column without being turned."""

FEW = 12
"""So many classes have room for zeros, too."""

LARGEST_CELL, SMALLEST_CELL = 0.8, 0.34
"""Inches of the side of a cell: with few classes, and with many."""

DARK = 0.55
"""From this share on a cell is so dark that its number is white."""


def confusion_figure(labels: Sequence[str], counts: np.ndarray) -> Figure:
    """Draw how often each class was taken for each: true classes from above, predicted ones from the left.

    The darker a cell, the larger its share of the texts of its true class: as the square root, so that few
    mistakes are seen, too. Where no font has the letters of the labels, their numbers from 1 stand for them.

    Args:
        labels: of C classes.
        counts: (C, C) whole numbers; row: the true class, column: the predicted one.
    """
    names, C = written(labels, LONGEST), len(labels)
    cell = float(np.clip(9.0 / C, SMALLEST_CELL, LARGEST_CELL))
    longest = max(map(len, names))
    figure, panels = new_figure([C * cell + 0.08 * longest + 0.5], width=C * cell + 0.1 * longest + 1.5)
    axes = panels[0, 0]
    axes.grid(False)
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.set_aspect("equal", anchor="W")
    title(axes, "Confusion matrix")
    shades = np.sqrt(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1))  # (C, C)
    axes.imshow(shades, cmap="Greys", vmin=0, vmax=1)

    size = 10 if C <= FEW else 7
    for (row, column), count in np.ndenumerate(counts):
        if count or C <= FEW:
            look = {
                "color": "white" if shades[row, column] > DARK else "black",
                "weight": "bold" if row == column else "normal",
            }
            axes.text(column, row, f"{count:.0f}", ha="center", va="center", size=size, **look)

    axes.set_yticks(range(C), names, size=size)
    axes.set_xticks(range(C), names, size=size)
    if longest > LEVEL_NAMES or C > FEW:
        for name in axes.get_xticklabels():
            name.set(rotation=45, ha="right", rotation_mode="anchor")
    axes.tick_params(length=0)
    axes.set_ylabel("true class")
    axes.set_xlabel("predicted class")
    write_as_it_is([*axes.get_xticklabels(), *axes.get_yticklabels()])
    return figure
