"""Numbers as runs log them, and what tests read in figures."""

from pathlib import Path

import matplotlib.image
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from minibert.plots import save

STEPS = np.arange(20, 2001, 20)
NOTHING = np.array([])


def falling(noise: float = 0.1) -> np.ndarray:
    """A loss at STEPS, (n,)."""
    return 4.5 + 4.5 * np.exp(-STEPS / 350) + np.random.default_rng(0).normal(0, noise, len(STEPS))


def line(axes: Axes, label: str) -> np.ndarray:
    """The points, (n, 2), of the line with this name."""
    (found,) = [line for line in axes.get_lines() if line.get_label() == label]
    return np.asarray(found.get_xydata())


def texts(figure: Figure) -> list[str]:
    """What is written into the panels."""
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def pixels(figure: Figure, folder: Path) -> np.ndarray:
    """The picture, saved into an empty folder and read again."""
    save(figure, folder / "figure.png")
    assert [path.name for path in folder.iterdir()] == ["figure.png"]
    return matplotlib.image.imread(folder / "figure.png")[..., :3]


def dark(figure: Figure, folder: Path) -> float:
    """The share of the picture's channels that are dark: 0 when nothing is drawn."""
    return float((pixels(figure, folder) < 0.5).mean())


def overlapping(figure: Figure) -> list[tuple[str, str]]:
    """The pairs of texts beside a panel that lie on each other, and those that the picture cuts off."""
    figure.draw_without_rendering()  # lays it out
    found = []
    for axes in figure.axes:
        boxes = [(text.get_text(), text.get_window_extent()) for text in axes.texts]
        found += [(a, "cut off") for a, box in boxes if box.x1 > figure.bbox.x1 or box.x0 < 0]
        found += [
            (a, b)
            for i, (a, one) in enumerate(boxes)
            for b, other in boxes[i + 1 :]
            if one.y0 < other.y1 - 1 and other.y0 < one.y1 - 1
        ]
    return found
