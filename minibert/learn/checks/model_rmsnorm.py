"""What RMS normalisation in PyTorch must fulfil, written out and by torch's kernel."""

from collections.abc import Callable

import torch
from torch import Tensor

from minibert.learn.checks import rmsnorm as by_hand
from minibert.learn.compare import expect_close
from minibert.learn.sizes import Sizes
from minibert.learn.tensors import exact, expect_by_hand, expect_same, expect_untouched, leaf, normal, slopes
from minibert.model.rmsnorm import rmsnorm, rmsnorm_plain

BOTH: dict[str, Callable[..., Tensor]] = {"rmsnorm_plain": rmsnorm_plain, "rmsnorm": rmsnorm}


def draw(size: Sizes, seed: int) -> tuple[Tensor, Tensor]:
    """Return x (B, T, D), whose features have another mean and size than 0 and 1, and scale (D,)."""
    return (3 * normal(seed, size.B, size.T, size.D) + 1).requires_grad_(), leaf(seed + 1, size.D)


def check_a_case_by_hand() -> None:
    """x = (1, -7): the mean square is (1 + 49) / 2 = 25, so normal = (1, -7) / 5."""
    for name, norm in BOTH.items():
        y = norm(exact([[1.0, -7.0]]), exact([2.0, 1.0]), 0.0)
        expect_same(y, exact([[0.4, -1.4]]), f"{name} of x = (1, -7), with scale (2, 1)")


def check_epsilon_stands_under_the_root() -> None:
    """x = (1, 1) has the mean square 1: with eps 3 the size is 2."""
    for name, norm in BOTH.items():
        y = norm(exact([[1.0, 1.0]]), exact([1.0, 1.0]), 3.0)
        expect_same(y, exact([[0.5, 0.5]]), f"{name} of x = (1, 1) with eps 3")


def check_epsilon_is_llama_s_where_nothing_is_said() -> None:
    """1e-6: a token of features 1e-3 is divided by sqrt(2e-6)."""
    for name, norm in BOTH.items():
        y = norm(exact([[1e-3, 1e-3]]), exact([1.0, 1.0]))
        expect_same(y, exact([[0.5**0.5, 0.5**0.5]]), f"{name} of x = (0.001, 0.001)")


def check_by_hand_rms_norm_is_the_same(size: Sizes, seed: int) -> None:
    """In value and in both gradients."""
    for case in by_hand.CASES:
        expect_by_hand(case, size, seed)


def check_the_formula_and_the_kernel_are_the_same(size: Sizes, seed: int) -> None:
    """In value and gradient, for tokens on one, two or three axes."""
    x, scale = draw(size, seed)
    leaves = {"x": x, "scale": scale}
    for some in (x, x[0], x[0, 0]):
        ours, kernel = rmsnorm_plain(some, scale), rmsnorm(some, scale)
        expect_same(ours, kernel, "the formula (the kernel is expected)")
        expected = slopes(kernel, leaves, seed + 3)
        for name, slope in slopes(ours, leaves, seed + 3).items():
            expect_close(slope, expected[name], f"the gradient of {name} (the kernel's is expected)", 1e-9)


def check_each_token_has_a_mean_square_of_one_by_itself(size: Sizes, seed: int) -> None:
    """Whatever stands beside it in the batch."""
    x, one = draw(size, seed)[0].detach(), torch.ones(size.D).double()
    for name, norm in BOTH.items():
        y = norm(x, one, 0.0)
        expect_same(y.square().mean(-1), torch.ones_like(y[..., 0]), f"{name}: the mean square of each token")
        expect_same(norm(x[-1:, -1:], one, 0.0), y[-1:, -1:], f"{name} of the last token, alone")


def check_the_type_stays(size: Sizes, seed: int) -> None:
    """Float32 and bfloat16 come back as they came."""
    for dtype, tolerance in ((torch.float32, 1e-5), (torch.bfloat16, 0.05)):
        x, scale = (tensor.detach() for tensor in draw(size, seed))
        expected = rmsnorm(x, scale).to(dtype)
        for name, norm in BOTH.items():
            expect_same(norm(x.to(dtype), scale.to(dtype)), expected, f"{name} in {dtype}", tolerance)


def check_no_argument_is_changed(size: Sizes, seed: int) -> None:
    """The residual needs x as it was."""
    for norm in BOTH.values():
        expect_untouched(norm, *(tensor.detach() for tensor in draw(size, seed)))
