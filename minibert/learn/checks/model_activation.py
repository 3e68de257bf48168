"""What the curves in PyTorch must fulfil, written out and as torch's kernels."""

from collections.abc import Callable

import torch
from torch import Tensor

from minibert.byhand.activation import ACTIVATIONS as BY_HAND
from minibert.learn.compare import expect_close
from minibert.learn.sizes import Sizes
from minibert.learn.tensors import (
    exact,
    expect_same,
    expect_same_slopes,
    expect_untouched,
    normal,
    slopes,
)
from minibert.model.activation import ACTIVATIONS, gelu_plain, gelu_tanh_plain

PLAIN: dict[str, Callable[[Tensor], Tensor]] = {"gelu": gelu_plain, "gelu_tanh": gelu_tanh_plain}


def draw(size: Sizes, seed: int) -> Tensor:
    """Return x (B, T, F), wide enough to reach the flat ends, and nowhere on the corner of relu."""
    x = 2 * normal(seed, size.B, size.T, size.F)
    return (x + torch.copysign(torch.tensor(0.01), x)).requires_grad_()


def check_gelu_by_hand() -> None:
    """From a table of the normal distribution: Phi(1) = 0.841345, Phi(2) = 0.977250."""
    expected = exact([-2 * 0.0227501319, -0.1586552539, 0.0, 0.8413447461, 2 * 0.9772498681])
    x = exact([-2.0, -1.0, 0.0, 1.0, 2.0])
    expect_same(gelu_plain(x), expected, "gelu of -2, -1, 0, 1, 2", 1e-9)


def check_gelu_tanh_by_hand() -> None:
    """At 1: sqrt(2 / pi) 1.044715 = 0.833563, its tanh 0.682384, half of 1 + that 0.841192."""
    expected = exact([-0.0454023059, -0.1588080094, 0.0, 0.8411919906, 1.9545976941])
    x = exact([-2.0, -1.0, 0.0, 1.0, 2.0])
    expect_same(gelu_tanh_plain(x), expected, "gelu_tanh of -2, -1, 0, 1, 2", 1e-9)


def check_each_curve_by_its_name() -> None:
    """Torch's kernels, by the names of the configuration."""
    x = exact([-2.0, 0.0, 1.0])
    expected = {
        "gelu": [-2 * 0.0227501319, 0.0, 0.8413447461],
        "gelu_tanh": [-0.0454023059, 0.0, 0.8411919906],
        "relu": [0.0, 0.0, 1.0],
    }
    for name, values in expected.items():
        expect_same(ACTIVATIONS[name](x), exact(values), f"{name} of -2, 0, 1", 1e-9)


def check_by_hand_the_curves_are_the_same(size: Sizes, seed: int) -> None:
    """In value and in gradient."""
    x = draw(size, seed)
    dy = normal(seed + 1, *x.shape)
    for name, curve in [*PLAIN.items(), *ACTIVATIONS.items()]:
        forward, backward = BY_HAND[name]
        expected, cache = forward(x.detach().numpy())
        y = curve(x)
        expect_same(y, torch.from_numpy(expected), f"{name} (that by hand is expected)")
        gradient = slopes(y, {"x": x}, seed + 1)["x"]
        expect_close(gradient, backward(dy.numpy(), cache), f"{name}: its gradient, by hand", 1e-9)


def check_torch_s_kernels_are_the_same(size: Sizes, seed: int) -> None:
    """In float64 and in float32, in value and in gradient."""
    for dtype in (torch.float64, torch.float32):
        x = draw(size, seed).detach().to(dtype).requires_grad_()
        for name, curve in PLAIN.items():
            expect_same_slopes(curve(x), ACTIVATIONS[name](x), {"x": x}, seed, f"torch's {name}")


def check_far_out_all_comes_through_or_nothing() -> None:
    """Far to the right the curves are x, far to the left 0."""
    x = exact([-100.0, -20.0, 20.0, 100.0])
    for name, curve in PLAIN.items():
        expect_same(curve(x), exact([0.0, 0.0, 20.0, 100.0]), f"{name} far out")


def check_sixteen_bits_stay_and_no_argument_is_changed(size: Sizes, seed: int) -> None:
    """Whatever the shape; to the right of zero, for on the far left there is nothing but rounding."""
    x = draw(size, seed).detach().abs().bfloat16()
    for name, curve in PLAIN.items():
        expect_same(curve(x), ACTIVATIONS[name](x), f"{name} in bfloat16")
        expect_same(curve(x[0, 0, :1]), ACTIVATIONS[name](x[0, 0, :1]), f"{name} of one number")
        expect_untouched(curve, x)
