"""Mean, standard deviation and standard error, worked out by hand."""

import math

import pytest

from minibert.recipes.spreads import spread_of


def test_mean_and_spread_of_three_scores_by_hand() -> None:
    found = spread_of([0.80, 0.82, 0.87])
    assert found.values == (0.80, 0.82, 0.87)
    assert found.mean == pytest.approx(0.83)
    # (0.03² + 0.01² + 0.04²) / 2 = 0.0013
    assert found.deviation == pytest.approx(math.sqrt(0.0013))
    assert found.error == pytest.approx(math.sqrt(0.0013 / 3))


def test_one_score_has_a_mean_and_no_spread() -> None:
    found = spread_of([0.8])
    assert (found.mean, found.deviation, found.error) == (0.8, None, None)


def test_the_error_of_the_mean_halves_with_four_times_the_runs() -> None:
    few, many = spread_of([0.7, 0.9] * 8), spread_of([0.7, 0.9] * 32)
    assert few.error and many.error
    assert few.error / many.error == pytest.approx(2 * math.sqrt(63 / 60))
