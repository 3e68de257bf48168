"""What the activations must fulfil."""

import math

import numpy as np

from minibert.byhand.activation import (
    erf,
    gelu_backward,
    gelu_forward,
    gelu_tanh_backward,
    gelu_tanh_forward,
    relu_backward,
    relu_forward,
)
from minibert.learn.compare import expect, expect_close
from minibert.learn.proof import Case
from minibert.learn.sizes import Sizes


def draw(size: Sizes, rng: np.random.Generator) -> tuple:
    """Return x (B, T, F), wide enough to reach the flat ends.

    The first number of each token is positive: float32 is judged by the largest result, and far on the left
    side there is nothing but rounding.
    """
    x = 2 * rng.normal(size=(size.B, size.T, size.F))
    x[..., 0] = np.abs(x[..., 0])
    return (x,)


def draw_off_zero(size: Sizes, rng: np.random.Generator) -> tuple:
    """Return x (B, T, F) with no number near zero, where finite differences would see both slopes of relu."""
    (x,) = draw(size, rng)
    return (x + np.copysign(0.01, x),)


def torch_twin(name: str):
    def run(x):
        from minibert.model.activation import ACTIVATIONS

        return ACTIVATIONS[name](x)

    return run


def transformers_twin(name: str):
    def run(x):
        from transformers.activations import ACT2FN

        return ACT2FN[name](x)

    return run


CASES = [
    Case("gelu", gelu_forward, gelu_backward, draw, torch_twin("gelu"), transformers_twin("gelu")),
    Case(
        "gelu_tanh",
        gelu_tanh_forward,
        gelu_tanh_backward,
        draw,
        torch_twin("gelu_tanh"),
        transformers_twin("gelu_new"),
    ),
    Case("relu", relu_forward, relu_backward, draw_off_zero, torch_twin("relu"), transformers_twin("relu")),
]


def check_erf_against_the_standard_library(size: Sizes, seed: int) -> None:
    """Python's own erf takes one number at a time: the oracle, right to its last digits."""
    rng = np.random.default_rng(seed)
    ends = [0.0, 1e-300, 1e-9, 1 / 512, 1.0, 5.99, 6.0, 6.01, 40.0]
    x = np.concatenate([3 * rng.normal(size=size.T * 100), ends, np.negative(ends)])
    expect_close(erf(x), np.array([math.erf(v) for v in x]), "erf", 3e-16)


def check_erf_at_its_ends() -> None:
    """Infinity is an end like any other; what is not a number stays so."""
    x = np.array([-math.inf, -0.0, 0.0, math.inf])
    expect_close(erf(x), np.array([-1.0, 0.0, 0.0, 1.0]), "erf at -infinity, -0, 0 and infinity")
    expect(np.isnan(erf(np.array([math.nan])))[0], "erf of NaN: expected NaN")


def check_gelu_by_hand() -> None:
    """From a table of the normal distribution: Phi(1) = 0.841345, phi(1) = 0.241971.

    gelu(1) = 1 Phi(1), gelu(-1) = -1 (1 - Phi(1)); slopes Phi(x) + x phi(x): at 1 0.841345 + 0.241971, at -1
    0.158655 - 0.241971, at 0 one half.
    """
    y, cache = gelu_forward(np.array([-1.0, 0.0, 1.0]))
    expect_close(y, np.array([-0.158655, 0.0, 0.841345]), "gelu of -1, 0, 1", 1e-6)
    dx = gelu_backward(np.ones(3), cache)
    expect_close(dx, np.array([-0.083315, 0.5, 1.083315]), "the slope of gelu at -1, 0, 1", 1e-6)


def check_gelu_tanh_by_hand() -> None:
    """At 1: sqrt(2 / pi) 1.044715 = 0.833563, its tanh 0.682384, half of 1 + that 0.841192."""
    y, cache = gelu_tanh_forward(np.array([-1.0, 0.0, 1.0]))
    expect_close(y, np.array([-0.158808, 0.0, 0.841192]), "gelu_tanh of -1, 0, 1", 1e-6)
    # 0.797885 (1 + 3 0.044715) = 0.904916 times 1 / 2 (1 - 0.682384^2) = 0.267176: 0.241772 beside 0.841192.
    dx = gelu_tanh_backward(np.ones(3), cache)
    expect_close(dx, np.array([-0.082964, 0.5, 1.082964]), "the slope of gelu_tanh at -1, 0, 1", 2e-6)


def check_relu_by_hand() -> None:
    """Below zero nothing comes through, neither forward nor backward; at zero the slope is taken as 0."""
    y, cache = relu_forward(np.array([-2.0, 0.0, 3.0]))
    expect_close(y, np.array([0.0, 0.0, 3.0]), "relu of -2, 0, 3")
    expect_close(relu_backward(np.array([5.0, 5.0, 5.0]), cache), np.array([0.0, 0.0, 5.0]), "dx of relu")


def check_gelu_of_x_and_of_minus_x_differ_by_x(size: Sizes, seed: int) -> None:
    """Phi(x) + Phi(-x) = 1, so gelu(x) - gelu(-x) = x; the same holds with the tanh."""
    (x,) = draw(size, np.random.default_rng(seed))
    for name, forward in (("gelu", gelu_forward), ("gelu_tanh", gelu_tanh_forward)):
        expect_close(forward(x)[0] - forward(-x)[0], x, f"{name}(x) - {name}(-x)")


def check_gelu_far_out() -> None:
    """Far to the right all comes through, far to the left nothing; the slopes are 1 and 0."""
    x = np.array([-100.0, -10.0, 10.0, 100.0])
    for name, forward, backward in (
        ("gelu", gelu_forward, gelu_backward),
        ("gelu_tanh", gelu_tanh_forward, gelu_tanh_backward),
    ):
        y, cache = forward(x)
        expect_close(y, np.array([0.0, 0.0, 10.0, 100.0]), f"{name} far out")
        expect_close(
            backward(np.ones(4), cache), np.array([0.0, 0.0, 1.0, 1.0]), f"the slope of {name} far out"
        )
