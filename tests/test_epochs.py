"""Learning curves hold what was logged, where epochs end and which checkpoint was kept."""

from pathlib import Path

import numpy as np
import pytest
from figures import NOTHING, STEPS, dark, falling, line, overlapping, texts

from minibert.plots.epochs import Learning, learning_figure
from minibert.plots.panels import smooth

LOOKS = np.arange(500.0, 2001, 500)


def learning(**changes: np.ndarray) -> Learning:
    logged = {
        "steps": STEPS,
        "losses": falling(),
        "rates": 2e-5 * (1 - STEPS / 2000),
        "looks": LOOKS,
        "look_losses": np.array([0.6, 0.4, 0.5, 0.7]),
        "scores": np.array([0.7, 0.8, 0.79, 0.78]),
    }
    return Learning(**(logged | changes))


def test_each_panel_holds_its_curve_with_the_last_value_beside_it() -> None:
    figure = learning_figure(learning(), "accuracy", "loss (nats)", 500, 1000)
    above, middle, below = figure.axes
    np.testing.assert_array_equal(
        line(above, "training, smoothed"), np.stack([STEPS, smooth(falling(), 4)], 1)
    )
    np.testing.assert_array_equal(line(above, "validation")[:, 1], [0.6, 0.4, 0.5, 0.7])
    np.testing.assert_array_equal(line(middle, "validation"), np.stack([LOOKS, [0.7, 0.8, 0.79, 0.78]], 1))
    np.testing.assert_array_equal(below.get_lines()[0].get_ydata(), 2e-5 * (1 - STEPS / 2000))
    assert texts(figure) == ["validation 0.7", "validation 0.78"]
    assert overlapping(figure) == []


def test_the_best_checkpoint_has_a_star_in_both_panels() -> None:
    figure = learning_figure(learning(), "accuracy", "loss", 500, 1000)
    assert line(figure.axes[0], "best checkpoint").tolist() == [[1000, 0.4]]
    assert line(figure.axes[1], "best checkpoint").tolist() == [[1000, 0.8]]
    none = learning_figure(learning(), "accuracy", "loss", 500, None)
    assert "best checkpoint" not in [found.get_label() for found in none.axes[0].get_lines()]


@pytest.mark.parametrize(
    ("steps", "ends"),
    [
        (500, [500, 1000, 1500, 2000]),
        (900, [900, 1800]),
        (3000, []),
        (None, []),
        (100, range(200, 2001, 200)),
    ],
)
def test_a_line_stands_where_an_epoch_ends(steps: float | None, ends: list[float], tmp_path: Path) -> None:
    figure = learning_figure(learning(), "accuracy", "loss", steps, 1000)
    lines = [found for found in figure.axes[2].get_lines() if np.ptp(found.get_xdata()) == 0]  # pyright: ignore
    assert [found.get_xdata()[0] for found in lines] == list(ends)  # pyright: ignore
    tops = figure.axes[0].child_axes
    assert [top.get_xlabel() for top in tops] == ([] if steps is None else ["epochs"])
    assert dark(figure, tmp_path) > 0.01


def test_a_spike_does_not_flatten_the_rest() -> None:
    losses = falling()
    losses[50] = 1000.0
    assert learning_figure(learning(losses=losses), "f1", "loss", 500, None).axes[0].get_ylim()[1] < 12


def test_whatever_is_missing_the_rest_is_drawn(tmp_path: Path) -> None:
    nan = np.full(4, np.nan)
    for changes in (
        {"looks": NOTHING, "look_losses": NOTHING, "scores": NOTHING},
        {"scores": nan, "look_losses": nan},
        {"losses": np.full(len(STEPS), np.nan), "rates": np.full(len(STEPS), np.nan)},
        {"steps": STEPS[:1], "losses": falling()[:1], "rates": np.array([1e-5])},
    ):
        figure = learning_figure(learning(**changes), "accuracy", "loss", 500, 1000)
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        assert dark(figure, folder) > 0.003
