"""The picture of several runs holds the losses of each, told apart in grey, whatever they have logged."""

from pathlib import Path

import numpy as np
import pytest
from figures import NOTHING, STEPS, dark, falling, line, overlapping, texts

from minibert.plots import RunCurves, comparison_figure
from minibert.plots.comparison import LONGEST, MARKERS
from minibert.plots.panels import smooth

LOOKS = np.arange(500, 2001, 500)


def run(name: str, higher: float = 0.0, faster: float = 1.0) -> RunCurves:
    held_out = 4.6 + higher + 4.5 * np.exp(-LOOKS / 350)
    times = (STEPS * 0.2 / faster, LOOKS * 0.2 / faster)
    return RunCurves(name, STEPS, times[0], falling() + higher, LOOKS, times[1], held_out)


def cut(curves: RunCurves, count: int, looks: int) -> RunCurves:
    own = (curves.steps[:count], curves.seconds[:count], curves.values[:count])
    held_out = (curves.held_out_steps[:looks], curves.held_out_seconds[:looks], curves.held_out[:looks])
    return RunCurves(curves.name, *own, *held_out)


def test_each_panel_holds_the_losses_over_its_own_axis() -> None:
    one, two = run("one"), run("two", 1.0, faster=2.0)
    upper_left, upper_right, lower_left, lower_right = comparison_figure([one, two]).axes
    np.testing.assert_array_equal(line(upper_left, "two"), np.stack([LOOKS, two.held_out], axis=1))
    np.testing.assert_allclose(line(upper_right, "two"), np.stack([LOOKS * 0.1 / 60, two.held_out], axis=1))
    smoothed = smooth(two.values, 4)
    np.testing.assert_array_equal(line(lower_left, "two"), np.stack([STEPS, smoothed], axis=1))
    np.testing.assert_allclose(line(lower_right, "two"), np.stack([STEPS * 0.1 / 60, smoothed], axis=1))
    assert lower_left.get_xlabel() == "optimiser steps"
    assert lower_right.get_xlabel() == "time trained (minutes)"


def test_a_line_is_labelled_with_its_name_and_last_loss() -> None:
    figure = comparison_figure([run("one"), run("two", 1.0)])
    last = smooth(falling(), 4)[-1]
    assert texts(figure) == ["one 4.61", "two 5.61", f"one {last:.2f}", f"two {last + 1:.2f}"]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["one", "two"]


def test_runs_differ_in_more_than_colour() -> None:
    figure = comparison_figure([run(f"run {i}", 0.1 * i) for i in range(7)])
    held_out, training = figure.axes[0].get_lines(), figure.axes[2].get_lines()
    assert len({str(line.get_marker()) for line in held_out}) == 7
    dashes = [line._dash_pattern for line in training]  # pyright: ignore[reportAttributeAccessIssue]
    assert len(set(map(str, dashes))) == 7


@pytest.mark.parametrize("count", [1, 2, 6, 20])
def test_labels_of_many_runs_neither_overlap_nor_are_cut_off(count: int) -> None:
    runs = [run(f"run-number-{i}-with-a-long-name-of-its-own-{i}", 0.01 * i) for i in range(count)]
    figure = comparison_figure(runs)
    assert len(texts(figure)) == 2 * count
    assert overlapping(figure) == []


def test_runs_that_logged_little_or_no_numbers_are_drawn_with_what_there_is(tmp_path: Path) -> None:
    nan = run("nan")
    nan.values[60:] = np.nan
    runs = [
        run("whole"),
        cut(run("no evaluation"), 100, 0),
        cut(run("one line"), 1, 0),
        cut(run("nothing"), 0, 0),
        cut(run("evaluation alone", 0.5), 0, 4),
        nan,
    ]
    figure = comparison_figure(runs)
    assert dark(figure, tmp_path) > 0.005
    held_out, _, training, _ = figure.axes
    assert [found.get_label() for found in held_out.get_lines()] == ["whole", "evaluation alone", "nan"]
    assert [f.get_label() for f in training.get_lines()] == ["whole", "no evaluation", "one line", "nan"]
    (dot,) = [found for found in training.get_lines() if found.get_label() == "one line"]
    assert dot.get_marker() == MARKERS[2]
    assert np.isnan(line(training, "nan")[60:, 1]).all()
    assert f"nan {smooth(nan.values, 4)[59]:.2f}" in texts(figure)
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert sorted(names) == ["evaluation alone", "nan", "no evaluation", "one line", "whole"]


def test_runs_without_any_number_are_an_empty_picture(tmp_path: Path) -> None:
    nothing = RunCurves("nothing", NOTHING, NOTHING, NOTHING, NOTHING, NOTHING, NOTHING)
    figure = comparison_figure([nothing, nothing])
    assert texts(figure) == [] and dark(figure, tmp_path) > 0.0005


def test_the_steep_start_does_not_flatten_the_rest() -> None:
    steep = run("steep")
    steep.values[:4] = 1000.0
    assert comparison_figure([steep]).axes[2].get_ylim()[1] < 12


def test_a_long_name_keeps_its_beginning_and_its_end() -> None:
    figure = comparison_figure([run("bert-tiny-on-sotu-with-a-rate-of-0.001")])
    (name,) = [text.get_text() for text in figure.legends[0].get_texts()]
    assert name == "bert-tiny-on-s…a-rate-of-0.001" and len(name) == LONGEST
