"""The figures hold the numbers they are given, and odd numbers do not break them."""

from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from minibert.plots import LossCurve, loss_figure, optimizer_figure, save, smooth, speed_figure

STEPS = np.arange(20, 2001, 20)
NOTHING = np.array([])


def falling(noise: float = 0.1) -> np.ndarray:
    return 4.5 + 4.5 * np.exp(-STEPS / 350) + np.random.default_rng(0).normal(0, noise, len(STEPS))


def words(values: np.ndarray, **levels: float) -> LossCurve:
    looks = np.arange(500, 2001, 500)
    return LossCurve("Masked words", STEPS, values, looks, 4.6 + 4.5 * np.exp(-looks / 350), levels)


def line(axes: Axes, label: str) -> np.ndarray:
    """The points, (n, 2), of the line with this name."""
    (found,) = [line for line in axes.get_lines() if line.get_label() == label]
    return np.asarray(found.get_xydata())


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def pixels(figure: Figure, folder: Path) -> np.ndarray:
    save(figure, folder / "figure.png")
    assert [path.name for path in folder.iterdir()] == ["figure.png"]
    return matplotlib.image.imread(folder / "figure.png")[..., :3]


def test_smoothing_takes_the_median_of_the_neighbours() -> None:
    values = np.array([9.0, 5.0, 1.0, 4.0, 100.0, 2.0, np.nan])
    # symmetric at the start, cut off at the end, and what is not a number counts for nothing
    np.testing.assert_allclose(smooth(values, 1), [9, 5, 4, 4, 4, 51, 2])
    np.testing.assert_allclose(smooth(values, 0), values)
    assert np.isnan(smooth(np.array([np.nan, np.inf]), 1)).all()
    assert smooth(NOTHING, 3).shape == (0,)


def test_the_loss_figure_shows_raw_smoothed_held_out_and_levels() -> None:
    values = falling()
    figure = loss_figure([words(values, unigram=6.58, bigram=5.94)], tokens_per_step=2048)
    axes = figure.axes[0]
    np.testing.assert_array_equal(line(axes, "training, as logged"), np.stack([STEPS, values], axis=1))
    np.testing.assert_array_equal(line(axes, "training, smoothed")[:, 1], smooth(values, 4))
    np.testing.assert_array_equal(line(axes, "held out")[:, 0], [500, 1000, 1500, 2000])
    drawn = [np.asarray(line.get_ydata()) for line in axes.get_lines()]
    assert {ys[0] for ys in drawn if len(ys) == 2} == {6.58, 5.94}
    assert sorted(texts(figure)) == ["bigram 5.94", "held out 4.61", "unigram 6.58"]


def test_every_line_differs_in_style_not_only_in_colour() -> None:
    axes = loss_figure([words(falling(), unigram=6.58, bigram=5.94)]).axes[0]
    looks = [(line.get_linestyle(), line.get_linewidth(), line.get_marker()) for line in axes.get_lines()]
    assert len(set(looks)) == len(looks) == 5


def test_the_tokens_along_the_top_are_the_steps_times_the_tokens_of_one(tmp_path: Path) -> None:
    figure = loss_figure([words(falling())], tokens_per_step=2048)
    pixels(figure, tmp_path)
    (top,) = figure.axes[0].child_axes
    np.testing.assert_allclose(top.get_xlim(), np.multiply(figure.axes[0].get_xlim(), 2048))
    assert not loss_figure([words(falling())]).axes[0].child_axes


def test_labels_of_near_levels_do_not_overlap(tmp_path: Path) -> None:
    figure = loss_figure([words(falling(), unigram=6.52, bigram=6.50, other=6.51)])
    pixels(figure, tmp_path)
    boxes = sorted((text.get_window_extent() for text in figure.axes[0].texts), key=lambda box: box.y0)
    for below, above in zip(boxes, boxes[1:], strict=False):
        assert above.y0 >= below.y1 - 1


def test_one_spike_does_not_flatten_the_curve() -> None:
    values = falling()
    values[40] = 1000.0
    assert loss_figure([words(values)]).axes[0].get_ylim()[1] < 12


@pytest.mark.parametrize("count", [0, 1, 2, 6, 30])
def test_few_points_are_drawn(tmp_path: Path, count: int) -> None:
    steps, values = STEPS[:count].astype(float), falling()[:count]
    curve = LossCurve("Masked words", steps, values, NOTHING, NOTHING, {"unigram": 6.58})
    for figure in (
        loss_figure([curve, curve], 2048),
        optimizer_figure(steps, values, values, 1.0),
        speed_figure(steps, values),
    ):
        assert (pixels(figure, tmp_path) < 0.5).mean() > 0.005
    if 0 < count <= 5:  # a line of one point shows nothing
        assert loss_figure([curve]).axes[0].get_lines()[0].get_marker() == "o"


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_marked_where_it_happened(tmp_path: Path, bad: float) -> None:
    values = falling()
    values[60:] = bad
    figure = loss_figure([words(values)])
    np.testing.assert_array_equal(line(figure.axes[0], "training, not a number")[:, 0], STEPS[60:])
    assert np.isnan(line(figure.axes[0], "training, smoothed")[60:, 1]).all()
    assert (pixels(figure, tmp_path) < 0.5).mean() > 0.005
    for figure in (optimizer_figure(STEPS, values, values, 1.0), speed_figure(STEPS, values)):
        assert (pixels(figure, tmp_path) < 0.5).mean() > 0.005


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_a_gradient_of_zeros_or_nothing_is_drawn(tmp_path: Path, value: float) -> None:
    norms = np.full(len(STEPS), value)
    for clip in (None, 1.0):
        assert (pixels(optimizer_figure(STEPS, norms, norms, clip), tmp_path) < 0.5).mean() > 0.005
    assert (pixels(speed_figure(STEPS, norms), tmp_path) < 0.5).mean() > 0.005


def test_the_optimizer_figure_shows_rate_norm_and_where_it_is_clipped() -> None:
    rates, norms = np.linspace(3e-3, 0, len(STEPS)), falling()
    figure = optimizer_figure(STEPS, rates, norms, 1.0, "AdamW's learning rate")
    upper, lower = figure.axes
    np.testing.assert_array_equal(upper.get_lines()[0].get_ydata(), rates)
    np.testing.assert_array_equal(line(lower, "gradient norm, as logged")[:, 1], norms)
    assert upper.get_ylabel() == "AdamW's learning rate" and lower.get_yscale() == "log"
    assert texts(figure) == ["clipped to 1"]
    assert texts(optimizer_figure(STEPS, rates, norms)) == []


def test_the_speed_is_drawn_over_minutes_with_its_median() -> None:
    speeds = np.linspace(16000, 18000, len(STEPS))
    figure = speed_figure(STEPS * 0.122, speeds)
    np.testing.assert_allclose(line(figure.axes[0], "speed, as logged")[:, 0], STEPS * 0.122 / 60)
    assert texts(figure) == ["median 17,000"]
    assert figure.axes[0].get_xlabel() == "time trained (minutes)"
    assert speed_figure(STEPS[:3], speeds[:3]).axes[0].get_xlabel() == "time trained (seconds)"


def test_a_picture_replaces_the_old_one_only_when_it_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "figure.png").write_bytes(b"old")
    figure = speed_figure(STEPS, falling())

    def fail(path: Path, **_: object) -> None:
        Path(path).write_bytes(b"half")
        raise OSError("no space left")

    monkeypatch.setattr(figure, "savefig", fail)
    with pytest.raises(OSError, match="no space"):
        save(figure, tmp_path / "figure.png")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("figure.png", b"old")]
