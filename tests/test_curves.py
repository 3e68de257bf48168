"""The curves hold the numbers they are given, and odd numbers do not break them."""

from pathlib import Path

import numpy as np
import pytest
from figures import NOTHING, STEPS, dark, falling, line, overlapping, pixels, texts

from minibert.plots import LossCurve, loss_figure, optimizer_figure, scale_figure
from minibert.plots.panels import smooth


def words(values: np.ndarray, **levels: float) -> LossCurve:
    looks = np.arange(500, 2001, 500)
    return LossCurve("Masked words", STEPS, values, looks, 4.6 + 4.5 * np.exp(-looks / 350), levels)


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


def test_labels_of_near_levels_do_not_overlap() -> None:
    figure = loss_figure([words(falling(), unigram=6.52, bigram=6.50, other=6.51)])
    assert len(texts(figure)) == 4 and overlapping(figure) == []


def test_one_spike_does_not_flatten_the_curve() -> None:
    values = falling()
    values[40] = 1000.0
    assert loss_figure([words(values)]).axes[0].get_ylim()[1] < 12


@pytest.mark.parametrize("count", [0, 1, 2, 6, 30])
def test_few_points_are_drawn(tmp_path: Path, count: int) -> None:
    steps, values = STEPS[:count].astype(float), falling()[:count]
    curve = LossCurve("Masked words", steps, values, NOTHING, NOTHING, {"unigram": 6.58})
    for figure in (loss_figure([curve, curve], 2048), optimizer_figure(steps, values, values, 1.0)):
        assert dark(figure, tmp_path) > 0.005
    if 0 < count <= 5:  # a line of one point shows nothing
        assert loss_figure([curve]).axes[0].get_lines()[0].get_marker() == "o"


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_marked_where_it_happened(tmp_path: Path, bad: float) -> None:
    values = falling()
    values[60:] = bad
    figure = loss_figure([words(values)])
    np.testing.assert_array_equal(line(figure.axes[0], "training, not a number")[:, 0], STEPS[60:])
    assert np.isnan(line(figure.axes[0], "training, smoothed")[60:, 1]).all()
    assert dark(figure, tmp_path) > 0.005
    assert dark(optimizer_figure(STEPS, values, values, 1.0), tmp_path) > 0.005


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_a_gradient_of_zeros_or_nothing_is_drawn(tmp_path: Path, value: float) -> None:
    norms = np.full(len(STEPS), value)
    for clip in (None, 1.0):
        assert dark(optimizer_figure(STEPS, norms, norms, clip), tmp_path) > 0.005


def test_the_optimizer_figure_shows_rate_norm_and_where_it_is_clipped() -> None:
    rates, norms = np.linspace(3e-3, 0, len(STEPS)), falling()
    figure = optimizer_figure(STEPS, rates, norms, 1.0, "AdamW's learning rate")
    upper, lower = figure.axes
    np.testing.assert_array_equal(upper.get_lines()[0].get_ydata(), rates)
    np.testing.assert_array_equal(line(lower, "gradient norm, as logged")[:, 1], norms)
    assert upper.get_ylabel() == "AdamW's learning rate" and lower.get_yscale() == "log"
    assert texts(figure) == ["clipped to 1"]
    assert texts(optimizer_figure(STEPS, rates, norms)) == []


@pytest.mark.parametrize(("unigram", "place"), [(6.58, "upper right"), (0.5, "lower right")])
def test_the_legend_leaves_the_end_of_the_curve_free(unigram: float, place: str) -> None:
    figure = loss_figure([words(falling() / 2 + 2, unigram=unigram)])
    figure.draw_without_rendering()
    legend, axes = figure.axes[0].get_legend(), figure.axes[0]
    assert legend is not None
    box = legend.get_window_extent()
    assert (box.y0 + box.y1 > axes.bbox.y0 + axes.bbox.y1) == (place == "upper right")
    ends = axes.transData.transform([(1500, falling()[74] / 2 + 2), (2000, falling()[-1] / 2 + 2)])
    assert not any(box.contains(*end) for end in ends)


def test_what_happened_is_marked_ten_points_over_the_smoothed_curve(tmp_path: Path) -> None:
    values = falling()
    values[50] = 1000.0
    happened = {"loss spike": np.array([1020.0]), "loss spike, left out": np.array([30.0, 1200.0])}
    figure = loss_figure([words(values), words(values)], marks=happened)
    axes = figure.axes[0]
    np.testing.assert_array_equal(line(axes, "loss spike, left out")[:, 0], [30, 1200])
    np.testing.assert_allclose(line(axes, "loss spike")[:, 1], smooth(values, 4)[50])
    (mark,) = [found for found in axes.get_lines() if found.get_label() == "loss spike"]
    pixels(figure, tmp_path)
    shift = mark.get_transform().transform((0, 5)) - axes.transData.transform((0, 5))
    np.testing.assert_allclose(shift, [0, 10 * figure.dpi / 72])
    assert not [found for found in figure.axes[1].get_lines() if found.get_label() == "loss spike"]
    assert not [
        found for found in loss_figure([words(values)]).axes[0].get_lines() if found.get_marker() == "v"
    ]


def test_nothing_is_marked_on_a_curve_without_a_number() -> None:
    nowhere = LossCurve("Masked words", STEPS, np.full(len(STEPS), np.nan), STEPS, falling())
    axes = loss_figure([nowhere], marks={"loss spike": np.array([500.0])}).axes[0]
    assert "loss spike" not in [found.get_label() for found in axes.get_lines()]


def test_the_loss_scale_is_drawn_in_powers_of_two_with_its_overflows(tmp_path: Path) -> None:
    scales = np.where(STEPS < 600, 2.0**16, 2.0**15)
    figure = scale_figure(STEPS, scales, np.array([590.0]))
    axes = figure.axes[0]
    np.testing.assert_array_equal(line(axes, "loss scale")[:, 1], scales)
    np.testing.assert_array_equal(line(axes, "overflow, step left out")[:, 0], [590])
    np.testing.assert_allclose(np.log2(axes.get_ylim()), (14, 17 + 0.4 * 3))
    assert dark(figure, tmp_path) > 0.005
    assert len(scale_figure(STEPS[:1], scales[:1], NOTHING).axes[0].get_lines()) == 1
