"""The gradient check: what is right passes, and each kind of mistake is found, placed and named."""

import copy
import math
from typing import Any

import numpy as np
import pytest
from by_hand import by_hand

from minibert.byhand.gradcheck import (
    SMALL,
    STEP,
    GradientError,
    central_differences,
    gradcheck,
    relative_errors,
)
from minibert.byhand.linear import linear_backward, linear_forward
from minibert.learn.checks import gradcheck as checks

test_by_hand = by_hand(checks)


def numbers(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=shape)


def product_forward(x, y):
    return x * y, (x, y)


def product_backward(dout, cache):
    x, y = cache
    return dout * y, dout * x


def softmax_forward(x):
    exps = np.exp(x - x.max(-1, keepdims=True))
    out = exps / exps.sum(-1, keepdims=True)
    return out, out


def softmax_backward(dout, out):
    return out * (dout - (dout * out).sum(-1, keepdims=True))


def message(forward, backward, *arguments, **settings) -> str:
    """Return what gradcheck says of a mistake."""
    with pytest.raises(GradientError) as error:
        gradcheck(forward, backward, *arguments, **settings)
    return str(error.value)


def cause(forward, backward, *arguments) -> str:
    return message(forward, backward, *arguments).partition("Likely cause: ")[2]


# What is right.


def test_the_error_of_central_differences_falls_with_the_square_of_the_step() -> None:
    """Of x^3 it is exactly the step squared: ((x + e)^3 - (x - e)^3) / 2e = 3 x^2 + e^2."""
    x = np.array(2.0)
    assert central_differences(lambda: x**3, x) - 12 == pytest.approx(STEP**2, abs=1e-9)


def test_numbers_of_no_axis_and_arrays_of_no_numbers_pass() -> None:
    assert gradcheck(product_forward, product_backward, np.array(2.0), np.array(3.0)) < 1e-9
    assert gradcheck(product_forward, product_backward, numbers(0, 3), numbers(0, 3)) == 0


def test_arguments_without_a_gradient_are_passed_on_and_get_none() -> None:
    def forward(table, ids, mask, scale, name):
        assert ids.dtype == np.int64 and mask.dtype == np.bool_ and name == "plain"
        return table[ids] * mask[:, None] * scale, (table, ids, mask, scale)

    def backward(dout, cache):
        table, ids, mask, scale = cache
        dtable = np.zeros_like(table)
        np.add.at(dtable, ids, dout * mask[:, None] * scale)
        return dtable

    ids, mask = np.array([3, 0, 3]), np.array([True, False, True])
    assert gradcheck(forward, backward, numbers(4, 2), ids, mask, 2.0, "plain") < 1e-9


def test_arguments_that_forward_takes_together_are_named_by_their_number() -> None:
    def forward(*factors):
        return product_forward(*factors)

    x, y = numbers(3), numbers(3, seed=1)
    assert gradcheck(forward, product_backward, x, y) < 1e-9
    wrong = message(forward, lambda dout, cache: (dout * cache[1], -dout * cache[0]), x, y)
    assert wrong.startswith("the gradient of factors[1] is wrong, worst at factors[1][")


def test_parameters_in_a_dictionary_are_checked_one_by_one() -> None:
    def forward(x, params):
        return x * params["scale"] + params["shift"], (x, params)

    def backward(dout, cache):
        x, params = cache
        return dout * params["scale"], {"shift": dout.sum(0), "scale": (dout * x).sum(0)}  # any order

    def wrong(dout, cache):
        dx, dparams = backward(dout, cache)
        return dx, {**dparams, "shift": -dparams["shift"]}

    arguments = numbers(3, 4), {"scale": numbers(4, seed=1), "shift": numbers(4, seed=2)}
    assert gradcheck(forward, backward, *arguments) < 1e-9
    assert message(forward, wrong, *arguments).startswith(
        "the gradient of params['shift'] is wrong, worst at"
    )
    missing = message(forward, lambda dout, cache: (dout, {"scale": dout}), *arguments)
    assert "must be a dictionary with the keys ['scale', 'shift'], got ['scale']" in missing
    assert "got ndarray" in message(forward, lambda dout, cache: (dout, dout), *arguments)


def test_a_gradient_that_is_zero_on_paper_is_measured_by_the_others() -> None:
    """Softmax does not see a number added to a whole row; all that is left of its gradient is rounding."""

    def forward(x, shift):
        return softmax_forward(x + shift)

    def backward(dout, out):
        dx = softmax_backward(dout, out)
        return dx, dx.sum(-1, keepdims=True)

    assert gradcheck(forward, backward, numbers(3, 4), numbers(3, 1)) < 1e-9
    errors = relative_errors(
        {"a": np.array([1.0]), "b": np.array([1e-9])}, {"a": np.ones(1), "b": np.zeros(1)}
    )
    assert errors == {"a": 0.0, "b": pytest.approx(1e-9 / SMALL)}
    assert relative_errors({"a": np.zeros(2)}, {"a": np.zeros(2)}) == {"a": 0.0}


@pytest.mark.parametrize("fails", [False, True])
def test_the_arguments_stay_as_they_are_to_the_bit(fails: bool) -> None:
    x, params = numbers(3, 4), {"y": numbers(3, 4, seed=1)}
    kept = copy.deepcopy((x, params))
    x.flags.writeable = False

    def forward(x, params):
        return product_forward(x, params["y"])

    def backward(dout, cache):
        dx, dy = product_backward(dout, cache)
        return dx, {"y": -dy if fails else dy}

    if fails:
        message(forward, backward, x, params)
    else:
        gradcheck(forward, backward, x, params)
    assert x.tobytes() == kept[0].tobytes() and params["y"].tobytes() == kept[1]["y"].tobytes()


def test_one_array_given_twice_counts_as_two_arguments() -> None:
    x = numbers(3)
    assert gradcheck(product_forward, product_backward, x, x) < 1e-9


# Why the upstream gradient is random.


def test_zeros_for_softmax_pass_a_plain_sum_and_do_not_pass_here() -> None:
    def zeros(dout, out):
        return np.zeros_like(out)

    x = numbers(3, 4)
    through_a_sum = central_differences(lambda: softmax_forward(x)[0].sum(), x)
    assert np.abs(through_a_sum - zeros(1, x)).max() < 1e-9
    assert cause(softmax_forward, zeros, x) == "nothing flows back to it: the gradient is zero everywhere"


# What is wrong: where, and how wrong.


def test_the_worst_entry_is_given_with_its_index_and_both_its_values() -> None:
    def backward(dout, cache):
        dx, dy = product_backward(dout, cache)
        dy[1, 2] += 5
        return dx, dy

    x, y = numbers(3, 4), numbers(3, 4, seed=1)
    right = float(np.random.default_rng(7).normal(size=(3, 4))[1, 2] * x[1, 2])
    said = message(product_forward, backward, x, y, seed=7)
    assert said.startswith(f"the gradient of y is wrong, worst at y[1, 2]: backward gives {right + 5:.9g}, ")
    assert f"finite differences {right:.5f}"[:-2] in said
    assert "11 of 12 entries are right" in said


def test_the_worst_of_all_arguments_is_the_one_that_is_told() -> None:
    def backward(dout, cache):
        dx, dy = product_backward(dout, cache)
        return 1.01 * dx, 2 * dy

    assert "the gradient of y is wrong" in message(product_forward, backward, numbers(4), numbers(4, seed=1))


def test_a_number_of_no_axis_is_named_without_an_index() -> None:
    wrong = message(lambda x: (x * x, x), lambda dout, x: dout * x, np.array(3.0))
    assert wrong.startswith("the gradient of x is wrong, worst at x: backward gives")
    assert wrong.endswith("Likely cause: a factor, or a missing term: it is 0.5 times what it should be")


# What is wrong: which kind. The words for each kind are tested in test_cause.py.


def test_a_sign_a_factor_and_a_lost_gradient_are_told_apart() -> None:
    x = numbers(3, 4)
    sign = cause(softmax_forward, lambda dout, out: -softmax_backward(dout, out), x)
    assert sign == "a sign: it is the negative of what it should be"
    factor = cause(softmax_forward, lambda dout, out: softmax_backward(dout, out) / 3, x)
    assert factor == "a factor: it is 0.333333 times what it should be"


def test_a_missing_sum_over_a_broadcast_axis_is_named() -> None:
    def backward(dy, cache):
        dx, dweight, _ = linear_backward(dy, cache)
        return dx, dweight, dy  # each position's own, where the bias wants the sum of all

    said = message(linear_forward, backward, numbers(2, 3, 5), numbers(4, 5, seed=1), numbers(4, seed=2))
    assert said == (
        "the gradient of bias must have its shape (4,), got (2, 3, 4). "
        "Likely cause: a missing sum over a broadcast axis"
    )


def test_a_repeated_use_that_is_assigned_and_not_added_is_named() -> None:
    def forward(table, ids):
        return table[ids], (table, ids)

    def backward(dout, cache):
        table, ids = cache
        dtable = np.zeros_like(table)
        dtable[ids] = dout  # the last of several uses wins
        return dtable

    said = cause(forward, backward, numbers(5, 2), np.array([1, 3, 1]))
    assert "used several times and gets its gradient from one of them" in said
    assert said.endswith("8 of 10 entries are right")


def test_the_forgotten_mean_of_softmax_and_of_a_centred_row_is_named() -> None:
    x = numbers(3, 4)
    softmax = cause(softmax_forward, lambda dout, out: out * dout, x)
    assert softmax == "a missing mean: along axis 1 the gradient should sum to zero, and does not"
    centre = cause(lambda x: (x - x.mean(-1, keepdims=True), None), lambda dout, cache: dout, x)
    assert centre == "a missing term: all entries along axis 1 are off by the same number"


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("place", [0, 1])
def test_what_is_not_finite_is_wrong_in_whichever_argument(bad: float, place: int) -> None:
    def backward(dout, cache):
        gradients = product_backward(dout, cache)
        gradients[place][2] = bad
        return gradients

    said = message(product_forward, backward, numbers(4), numbers(4, seed=1))
    assert said.startswith(
        f"the gradient of {'xy'[place]} is wrong, worst at {'xy'[place]}[2]: backward gives {bad}"
    )
    assert said.endswith(
        "a division by zero, or the exponential of a large number: not every entry is finite"
    )


def test_gradients_in_another_order_are_named_by_what_they_are() -> None:
    def swapped(dout, cache):
        return product_backward(dout, cache)[::-1]

    assert cause(product_forward, swapped, numbers(4), numbers(4, seed=1)).startswith(
        "the order: it is the gradie"
    )


def test_gradients_in_another_order_are_named_by_their_shapes() -> None:
    def swapped(dy, cache):
        dx, dweight, dbias = linear_backward(dy, cache)
        return dweight, dx, dbias

    said = message(linear_forward, swapped, numbers(3, 5), numbers(4, 5, seed=1), numbers(4, seed=2))
    assert said.startswith("the gradient of x must have its shape (3, 5), got (4, 5). Likely cause: ")
    assert said.endswith("gradients in another order than the arguments")


@pytest.mark.parametrize("returned", [1, 3])
def test_too_few_and_too_many_gradients_are_told_with_the_order_that_is_wanted(returned: int) -> None:
    said = message(product_forward, lambda dout, cache: (dout,) * returned, numbers(4), numbers(4))
    assert said == f"backward must return the gradients of x, y, in this order: expected 2, got {returned}"


def test_a_gradient_that_is_none_is_told() -> None:
    said = message(product_forward, lambda dout, cache: (dout, None), numbers(4), numbers(4))
    assert said == "the gradient of y must be an array, got NoneType"


def test_a_list_of_gradients_counts_as_well() -> None:
    assert (
        gradcheck(product_forward, lambda d, c: list(product_backward(d, c)), numbers(3), numbers(3)) < 1e-9
    )


# Where finite differences say nothing.


def test_single_precision_is_refused() -> None:
    with pytest.raises(ValueError, match="finite differences need float64, got float32"):
        gradcheck(product_forward, product_backward, np.ones(3, np.float32), np.ones(3, np.float32))


def test_nothing_to_check_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing to check"):
        gradcheck(lambda ids: (ids * 1.0, None), lambda dout, cache: (), np.arange(3))


def test_a_forward_that_is_not_finite_is_refused() -> None:
    with pytest.raises(ValueError, match="forward itself gives NaN or infinity"):
        gradcheck(lambda x: (x * math.inf, x), lambda dout, x: dout, np.ones(3))


def test_a_forward_that_draws_anew_is_refused() -> None:
    generator = np.random.default_rng(0)
    with pytest.raises(ValueError, match="forward gives other numbers when it is called again: does it draw"):
        gradcheck(lambda x: (x * generator.random(x.shape), x), lambda dout, x: dout, np.ones(3))


def test_an_array_that_is_changed_in_place_is_refused() -> None:
    def doubling(x):
        x *= 2
        return x.copy(), None

    def spoiling(dout, x):
        x += 1
        return 2 * x * dout

    for forward, backward in ((doubling, lambda dout, cache: dout), (lambda x: (x * x, x), spoiling)):
        with pytest.raises(ValueError, match="or does it or backward change an array in place"):
            gradcheck(forward, backward, np.ones(3))


def test_a_backward_that_writes_into_dout_is_only_hurting_itself() -> None:
    def backward(dout, cache):
        x, y = cache
        dx = dout * y
        dout *= x
        return dx, dout

    assert gradcheck(product_forward, backward, numbers(3), numbers(3, seed=1)) < 1e-9
