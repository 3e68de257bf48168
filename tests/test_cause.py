"""Likely causes: each is said where it is true, and not where it only looks so."""

import numpy as np
import pytest

from minibert.byhand.cause import cause_of_shape, likely_cause

SLOPE = np.random.default_rng(0).normal(size=(4, 4))


def changed(where: tuple, value: float) -> np.ndarray:
    slope = SLOPE.copy()
    slope[where] = value
    return slope


@pytest.mark.parametrize(
    ("got", "wanted", "cause"),
    [
        ((2, 3, 4), (4,), "a missing sum over a broadcast axis"),
        ((2, 3), (2, 1), "a missing sum over a broadcast axis"),
        ((3,), (), "a missing sum over a broadcast axis"),
        ((4, 3), (3, 4), "it is transposed"),
        ((4,), (3, 4), "a sum too many"),
        ((3, 1), (3, 4), "a sum too many"),
        ((), (3,), "a sum too many"),
        ((3,), (4,), "a sum over another axis, or gradients in another order than the arguments"),
        ((2, 3), (3, 4), "a sum over another axis, or gradients in another order than the arguments"),
    ],
)
def test_a_wrong_shape_tells_which_sum_is_wrong(got: tuple, wanted: tuple, cause: str) -> None:
    assert cause_of_shape(got, wanted) == cause


@pytest.mark.parametrize(
    ("gradient", "slope", "cause"),
    [
        (-SLOPE, SLOPE, "a sign: it is the negative of what it should be"),
        (2 * SLOPE, SLOPE, "a factor: it is 2 times what it should be"),
        (-SLOPE / 8, SLOPE, "a factor: it is -0.125 times what it should be"),
        (0 * SLOPE, SLOPE, "nothing flows back to it: the gradient is zero everywhere"),
        (SLOPE.T, SLOPE, "it is transposed"),
        (SLOPE * (1 + 3e-7), SLOPE, "rounding: the first digits are right."),
        (SLOPE + 1, SLOPE, "a missing term: all entries along axis 0 are off by the same number"),
        (
            SLOPE + np.arange(1, 5),
            SLOPE,
            "a missing term: all entries along axis 0 are off by the same number",
        ),
        (SLOPE + SLOPE**2, SLOPE, "a missing term, or a wrong one"),
        (SLOPE, np.tril(SLOPE), "a mask that is left out: 10 of 16 entries are right, the others should be"),
        (np.tril(SLOPE), SLOPE, "a term that is left out for some entries: 10 of 16 entries are right, the"),
        (changed((0, 0), 7.0), SLOPE, "a missing term, or a number that is used several times and gets its"),
        (
            SLOPE - SLOPE.mean(0) + SLOPE**2,
            SLOPE - SLOPE.mean(0),
            "a missing mean: along axis 0 the gradient",
        ),
        (SLOPE, 0 * SLOPE, "a term too many: it should be zero everywhere"),
        (changed((2, 1), np.nan), SLOPE, "a division by zero, or the exponential of a large number"),
    ],
)
def test_a_mistake_is_named(gradient: np.ndarray, slope: np.ndarray, cause: str) -> None:
    assert likely_cause(gradient, slope, {}).startswith(cause)


def test_zeros_that_are_right_by_chance_do_not_count_as_right_entries() -> None:
    """Rows of a table that no word looked up are zero whatever the mistake."""
    slope = np.vstack([SLOPE, np.zeros((6, 4))])
    assert likely_cause(slope + slope**2, slope, {}) == "a missing term, or a wrong one"


def test_a_few_entries_that_are_right_by_chance_say_nothing() -> None:
    chance = SLOPE + SLOPE**2
    chance[0, 0] = SLOPE[0, 0]
    assert likely_cause(chance, SLOPE, {}) == "a missing term, or a wrong one"


def test_one_entry_alone_is_no_proof_of_a_factor_or_of_a_common_term() -> None:
    one = np.array([[2.0]])
    said = likely_cause(3 * one, one, {})
    assert said == "a factor, or a missing term: it is 3 times what it should be"
    row = SLOPE[:1]  # along an axis of one, every difference is "the same"
    assert likely_cause(row + row**2, row, {}) == "a missing term, or a wrong one"


def test_the_gradient_of_another_argument_is_recognised() -> None:
    others = {"weight": SLOPE**2, "key": SLOPE**3}
    assert likely_cause(SLOPE**3, SLOPE, others) == "the order: it is the gradient of key"
    assert likely_cause(0 * SLOPE, SLOPE, {"key": 0 * SLOPE}).startswith("nothing flows back")


def test_a_slope_of_rounding_beside_the_others_counts_as_zero() -> None:
    rounding = 1e-11 * SLOPE**2
    assert likely_cause(SLOPE, rounding, {"x": SLOPE**3}) == "a term too many: it should be zero everywhere"
