"""Got and expected: when they are the same, and what is said when they are not."""

import numpy as np
import pytest

from minibert.learn.compare import SMALL, CheckError, expect, expect_close


def said(*arguments, **settings) -> str:
    """Return what expect_close says."""
    with pytest.raises(CheckError) as error:
        expect_close(*arguments, **settings)
    return str(error.value)


def test_what_is_equal_but_for_rounding_passes() -> None:
    expect_close(np.array([1.0, 2.0]) * (1 + 1e-15), np.array([1.0, 2.0]), "y")
    expect_close(0.1 + 0.2, 0.3, "a number")
    expect_close(np.zeros((0, 3)), np.zeros((0, 3)), "nothing")
    expect_close(np.array([1, 2]), np.array([1, 2]), "ids")
    expect_close(np.array([True, False]), np.array([True, False]), "a mask")


def test_the_tolerance_is_a_share_of_the_largest_expected_number() -> None:
    expect_close(np.array([0.5, 1000.0]), np.array([0.0, 1000.0]), "y", 1e-3)
    assert "first at [0]" in said(np.array([2.0, 1000.0]), np.array([0.0, 1000.0]), "y", 1e-3)


def test_where_zero_is_expected_the_tolerance_is_absolute() -> None:
    expect_close(np.array([1e-13]), np.zeros(1), "y")
    assert said(1e-11, 0.0, "the sum") == "the sum: expected 0, got 1e-11"


def test_a_tolerance_of_zero_means_equal() -> None:
    expect_close(np.array([1.0]), np.array([1.0]), "y", 0)
    said(np.array([1.0 + 1e-15]), np.array([1.0]), "y", 0)


def test_another_shape_is_told_though_it_could_be_broadcast() -> None:
    assert said(np.ones(3), np.ones((2, 3)), "dx") == "dx: expected the shape (2, 3), got (3,)"
    assert said(1.0, np.ones(1), "dx") == "dx: expected the shape (1,), got ()"


def test_wrong_values_are_counted_and_the_first_is_shown() -> None:
    got = np.array([[1.0, 2.0], [9.0, 8.0]])
    assert said(got, np.array([[1.0, 2.0], [3.0, 4.0]]), "the weights").splitlines() == [
        "the weights: right shape, but wrong values in 2 of 4 entries, first at [1, 0]: expected 3, got 9",
        "expected [[1. 2.]",
        "          [3. 4.]]",
        "got      [[1. 2.]",
        "          [9. 8.]]",
    ]


def test_one_number_is_told_without_a_place() -> None:
    assert said(2.0, 1.0, "the loss") == "the loss: expected 1, got 2"
    assert (
        said(np.array([2.0]), np.array([1.0]), "y") == "y: right shape, but wrong values: expected 1, got 2"
    )


def test_many_numbers_are_not_listed() -> None:
    assert "\n" in said(np.zeros(SMALL), np.ones(SMALL), "y")
    assert "\n" not in said(np.zeros(SMALL + 1), np.ones(SMALL + 1), "y")


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_wrong(bad: float) -> None:
    assert said(np.array([1.0, bad]), np.array([1.0, 2.0]), "y").startswith(
        f"y: right shape, but wrong values in 1 of 2 entries, first at [1]: expected 2, got {bad}"
    )


def test_a_condition_speaks_when_it_does_not_hold() -> None:
    expect(True, "never said")
    with pytest.raises(CheckError, match="rows sum to one"):
        expect(np.bool_(False), "rows sum to one")
