"""Panels, running medians, labels that stay apart, and pictures that are whole or not there."""

from pathlib import Path

import numpy as np
import pytest
from figures import NOTHING, STEPS, falling, overlapping, texts
from hypothesis import given
from hypothesis import strategies as st

from minibert.plots import save, speed_figure
from minibert.plots.panels import (
    apart,
    label_right,
    label_time,
    new_figure,
    smooth,
    smooth_where_finite,
    sparse,
    spread,
)


def test_smoothing_takes_the_median_of_the_neighbours() -> None:
    values = np.array([9.0, 5.0, 1.0, 4.0, 100.0, 2.0, np.nan])
    # symmetric at the start, cut off at the end, and what is not a number counts for nothing
    np.testing.assert_allclose(smooth(values, 1), [9, 5, 4, 4, 4, 51, 2])
    np.testing.assert_allclose(smooth(values, 0), values)
    assert np.isnan(smooth(np.array([np.nan, np.inf]), 1)).all()
    assert smooth(NOTHING, 3).shape == (0,)


def test_what_is_not_finite_stays_a_gap_in_the_smoothed_curve() -> None:
    values = np.array([9.0, np.inf, 1.0, np.nan, 5.0] * 10)
    smoothed = smooth_where_finite(values)
    np.testing.assert_array_equal(np.isfinite(smoothed), np.isfinite(values))
    np.testing.assert_array_equal(smoothed[[0, 2, 4]], [9, 5, 5])  # medians of 9; of 9, 1, 5; of 1, 5, 9


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12).map(sorted), st.floats(0.01, 0.2))
def test_places_moved_apart_keep_their_order_and_move_no_further_than_they_must(
    places: list[float], gap: float
) -> None:
    moved = apart(places, gap)
    assert moved[0] == places[0]
    for before, after, place in zip(moved, moved[1:], places[1:], strict=False):
        assert after - before >= gap - 1e-12
        assert after == max(place, before + gap)


def test_labels_of_one_level_stand_above_each_other() -> None:
    figure, panels = new_figure([2.0, 2.0])
    panels[0, 0].set_ylim(0, 10)
    label_right(panels[0, 0], [(5.0, "b"), (5.0, "a"), (0.0, "low"), (10.0, "high")])
    assert texts(figure) == ["low", "a", "b", "high"]
    assert overlapping(figure) == []


def test_of_many_points_a_few_have_a_marker_and_the_last_one_has() -> None:
    for count in (0, 1, 2, 24, 25, 120, 3001):
        marked = np.arange(count)[sparse(np.arange(count))]
        assert len(marked) == count or 12 < len(marked) <= 25
        assert count == 0 or marked[-1] == count - 1


def test_time_is_told_in_minutes_when_it_is_longer_than_two() -> None:
    axes = new_figure([2.0])[1][0, 0]
    assert label_time(axes, 120) == 1 and axes.get_xlabel() == "time trained (seconds)"
    assert label_time(axes, 600) == 60 and axes.get_xlabel() == "time trained (minutes)"
    np.testing.assert_allclose(axes.get_xlim(), (0, 10.2))


def test_the_spread_is_the_standard_deviation_of_a_sample() -> None:
    np.testing.assert_allclose(spread([1.0, 2.0, 3.0, 4.0]), (5 / 3) ** 0.5)
    assert spread([0.7]) == 0.0


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
