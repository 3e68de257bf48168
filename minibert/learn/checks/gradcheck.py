"""What finite differences and the gradient check must fulfil."""

from functools import partial
from typing import Any

import numpy as np

from minibert.byhand.attention import softmax_backward, softmax_forward
from minibert.byhand.gradcheck import STEP, GradientError, central_differences, gradcheck
from minibert.byhand.linear import linear_backward, linear_forward
from minibert.byhand.parameters import Array
from minibert.learn.compare import CheckError, expect, expect_close
from minibert.learn.sizes import Sizes

ANY = 1e6
"""A tolerance so large that the error is returned, however wrong the gradients are."""


def sum_of_cubes(array: Array) -> Any:
    return (array**3).sum()


def sum_of_powers(array: Array) -> Any:
    return np.exp(array).sum()


def products_of_neighbours(array: Array) -> Any:
    """Each number times the next: the slope in one depends on the others."""
    return (array.ravel()[:-1] * array.ravel()[1:]).sum()


def product_forward(x: Array, y: Array) -> tuple[Array, Any]:
    return x * y, (x, y)


def product_backward(dout: Array, cache: Any) -> tuple[Array, Array]:
    x, y = cache
    return dout * y, dout * x


def second_doubled(dout: Array, cache: Any) -> tuple[Array, Array]:
    dx, dy = product_backward(dout, cache)
    return dx, 2 * dy


def both_a_little_off(dout: Array, cache: Any) -> tuple[Array, Array]:
    dx, dy = product_backward(dout, cache)
    return 1.01 * dx, 1.25 * dy


def first_entry_off(dout: Array, cache: Any) -> tuple[Array, Array]:
    dx, dy = product_backward(dout, cache)
    dx.flat[0] += 1.0
    return dx, dy


def zeros_backward(dout: Array, cache: Any) -> Array:
    return np.zeros_like(dout)


def error_of(*arguments: Any, seed: int) -> float:
    """Return the error that gradcheck gives, of right gradients as of wrong ones."""
    try:
        return gradcheck(*arguments, tolerance=ANY, seed=seed)
    except GradientError as error:
        raise CheckError(
            f"at a tolerance of {ANY:.0e} the error must come back, but it raises: {error}"
        ) from None


def refused(*arguments: Any, **settings: Any) -> bool:
    """Return whether gradcheck raises GradientError."""
    try:
        gradcheck(*arguments, **settings)
    except GradientError:
        return True
    return False


def check_the_slope_of_a_cube_is_three_squares() -> None:
    """At 1, -2 and 0.5 the slopes of x^3 are 3, 12 and 0.75, each off by the step squared, 1e-10."""
    x = np.array([1.0, -2.0, 0.5])
    slopes = central_differences(partial(sum_of_cubes, x), x)
    expect_close(slopes, np.array([3.0, 12.0, 0.75]), "the slopes of x^3 at 1, -2 and 0.5", 1e-9)


def check_every_entry_is_moved_alone(size: Sizes, seed: int) -> None:
    """In a sum of x1 x2 + x2 x3 + … the slope in one number is the sum of the two beside it."""
    x = np.random.default_rng(seed).normal(size=(size.T, size.D))
    row = np.concatenate([[0.0], x.ravel(), [0.0]])
    slopes = central_differences(partial(products_of_neighbours, x), x)
    expect_close(slopes, (row[:-2] + row[2:]).reshape(x.shape), "the slopes of a sum of products", 1e-8)


def check_the_array_is_as_it_was(size: Sizes, seed: int) -> None:
    x = np.random.default_rng(seed).normal(size=(size.B, size.T))
    before = x.copy()
    central_differences(partial(sum_of_powers, x), x)
    expect_close(x, before, "the array, afterwards")


def check_two_sides_are_better_than_one(size: Sizes, seed: int) -> None:
    """A step to one side would be off by half a step: with e^x, by 5e-6 of the slope."""
    x = np.random.default_rng(seed).uniform(-1, 1, size=(size.B, size.T))
    slopes = central_differences(partial(sum_of_powers, x), x)
    expect_close(slopes, np.exp(x), "the slopes of e^x", 1e-8)


def check_a_number_of_no_axis_has_a_slope() -> None:
    x = np.array(2.0)
    slope = central_differences(partial(sum_of_cubes, x), x)
    expect_close(slope, np.array(12.0), f"the slope of x^3 at 2, with a step of {STEP}", 1e-9)


def check_right_gradients_pass(size: Sizes, seed: int) -> None:
    """What comes back is the largest error, near rounding: those of a product, a softmax, a linear layer."""
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(size.T, size.D)), rng.normal(size=(size.T, size.D))
    weights = rng.normal(size=(size.F, size.D)), rng.normal(size=size.F)
    for forward, backward, arguments in (
        (product_forward, product_backward, (x, y)),
        (softmax_forward, softmax_backward, (x,)),
        (linear_forward, linear_backward, (x, *weights)),
    ):
        error = error_of(forward, backward, *arguments, seed=seed)
        name = forward.__name__.removesuffix("_forward")
        expect(0 <= error < 1e-7, f"{name}: backward is right, but the error is {error:.2g}")
    expect(
        not refused(linear_forward, linear_backward, x, *weights), "linear: backward is right, but refused"
    )


def check_the_error_is_a_share_of_the_largest_slope(size: Sizes, seed: int) -> None:
    """Where dx is 1% too large and dy a quarter, the error is a quarter, whatever the size of the numbers."""
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=size.D), rng.normal(size=size.D)
    for scale in (1.0, 100.0):
        error = error_of(product_forward, both_a_little_off, scale * x, scale * y, seed=seed)
        expect_close(
            error, 0.25, f"the error of a gradient that is 25% too large, numbers of size {scale:g}", 1e-6
        )


def check_a_mistake_in_the_last_argument_is_seen(size: Sizes, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=size.D), rng.normal(size=size.D)
    expect(
        refused(product_forward, second_doubled, x, y, seed=seed),
        "the gradient of the second argument is twice what it should be: expected a GradientError",
    )


def check_zeros_for_a_softmax_are_seen(size: Sizes, seed: int) -> None:
    """The outputs of a softmax sum to one: under a dout of ones its true gradient is zero everywhere."""
    x = np.random.default_rng(seed).normal(size=(size.T, size.S + 1))
    expect(
        refused(softmax_forward, zeros_backward, x, seed=seed),
        "a backward of softmax that gives zeros passes: is dout random, and in the loss as well?",
    )


def check_another_seed_is_another_dout(size: Sizes, seed: int) -> None:
    """One entry of dx is off by 1: what share of the largest slope that is depends on dout."""
    x, y = np.random.default_rng(seed).normal(size=(2, size.T, size.D))
    one, two, again = (
        error_of(product_forward, first_entry_off, x, y, seed=number) for number in (seed, seed + 1, seed)
    )
    expect(
        one != two,
        f"seeds {seed} and {seed + 1} give the same error, {one:.6g}: is dout drawn with the seed?",
    )
    expect(one == again, f"seed {seed} gives the error {one:.6g}, and then {again:.6g}: is the seed used?")


def check_the_tolerance_is_the_one_asked_for(size: Sizes, seed: int) -> None:
    """An error of 25% passes at a tolerance of 0.26, and not at 0.24."""
    x, y = np.random.default_rng(seed).normal(size=(2, size.D))
    for tolerance in (0.26, 0.24):
        expect(
            refused(product_forward, both_a_little_off, x, y, tolerance=tolerance, seed=seed)
            == (tolerance < 0.25),
            f"an error of 0.25 at a tolerance of {tolerance}: expected "
            + ("a GradientError" if tolerance < 0.25 else "that it passes"),
        )


def check_single_precision_is_refused(size: Sizes, seed: int) -> None:
    """In float32 finite differences know three digits: that proves nothing."""
    x, y = np.random.default_rng(seed).normal(size=(2, size.D)).astype(np.float32)
    try:
        gradcheck(product_forward, product_backward, x, y, tolerance=ANY)
    except ValueError:
        return
    raise CheckError("float32 arguments: expected a ValueError, got none")
