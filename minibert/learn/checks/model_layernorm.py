"""What layer normalisation in PyTorch must fulfil, written out and as a module."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from minibert.byhand.layernorm import layernorm_backward, layernorm_forward
from minibert.learn.compare import expect, expect_close
from minibert.learn.sizes import Sizes
from minibert.learn.tensors import (
    exact,
    expect_same,
    expect_same_slopes,
    expect_untouched,
    leaf,
    normal,
    slopes,
)
from minibert.model.layernorm import LayerNorm, layernorm, layernorm_plain

BOTH: dict[str, Callable[..., Tensor]] = {"layernorm_plain": layernorm_plain, "layernorm": layernorm}


def draw(size: Sizes, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return x (B, T, D), whose features have another mean and size than 0 and 1, scale and shift (D,)."""
    x = (3 * normal(seed, size.B, size.T, size.D) + 1).requires_grad_()
    return x, leaf(seed + 1, size.D), leaf(seed + 2, size.D)


def check_a_case_by_hand() -> None:
    """x = (3, 9, 11, 17): mean 10, variance (49 + 1 + 1 + 49) / 4 = 25, so normal = (-7, -1, 1, 7) / 5."""
    scale, shift = exact([2.0, 1, 1, 1]), exact([0.0, 10, 20, 30])
    for name, norm in BOTH.items():
        y = norm(exact([[3.0, 9, 11, 17]]), scale, shift)
        expect_same(y, exact([[-2.8, 9.8, 20.2, 31.4]]), f"{name} of x = (3, 9, 11, 17)")


def check_epsilon_stands_under_the_root() -> None:
    """x = (0, 2) has variance 1: with eps 3 the size is 2, and normal = (-1/2, 1/2)."""
    for name, norm in BOTH.items():
        y = norm(exact([[0.0, 2.0]]), torch.ones(2).double(), torch.zeros(2).double(), 3.0)
        expect_same(y, exact([[-0.5, 0.5]]), f"{name} of x = (0, 2) with eps 3")


def check_by_hand_layer_norm_is_the_same(size: Sizes, seed: int) -> None:
    """In value and in all three gradients."""
    x, scale, shift = draw(size, seed)
    leaves = {"x": x, "scale": scale, "shift": shift}
    for eps in (1e-12, 0.1):
        arrays = [tensor.detach().numpy() for tensor in leaves.values()]
        expected, cache = layernorm_forward(arrays[0], arrays[1], arrays[2], eps)
        for name, norm in BOTH.items():
            y = norm(x, scale, shift, eps)
            expect_same(y, torch.from_numpy(expected), f"{name} (that by hand is expected)")
            gradients = layernorm_backward(normal(seed + 3, *x.shape).numpy(), cache)
            for (of, got), slope in zip(slopes(y, leaves, seed + 3).items(), gradients, strict=True):
                expect_close(got, slope, f"{name}: the gradient of {of} (that by hand is expected)", 1e-9)


def check_torch_s_kernel_is_the_same(size: Sizes, seed: int) -> None:
    """For tokens on one, two or three axes."""
    x, scale, shift = draw(size, seed)
    leaves = {"x": x, "scale": scale, "shift": shift}
    for some in (x, x[0], x[0, 0]):
        ours = layernorm_plain(some, scale, shift)
        theirs = F.layer_norm(some, (size.D,), scale, shift, 1e-12)
        expect_same_slopes(ours, theirs, leaves, seed + 3, "torch's")


def check_each_token_has_mean_zero_and_variance_one_by_itself(size: Sizes, seed: int) -> None:
    """Whatever stands beside it in the batch."""
    x, one, zero = draw(size, seed)[0].detach(), torch.ones(size.D).double(), torch.zeros(size.D).double()
    for name, norm in BOTH.items():
        y = norm(x, one, zero)
        expect_same(y.mean(-1), torch.zeros_like(y[..., 0]), f"{name}: the mean of each token")
        expect_same(y.square().mean(-1), torch.ones_like(y[..., 0]), f"{name}: the variance of each token")
        expect_same(norm(x[-1:, -1:], one, zero), y[-1:, -1:], f"{name} of the last token, alone")


def check_stretching_and_moving_a_token_changes_nothing(size: Sizes, seed: int) -> None:
    """Layer norm forgets both."""
    x, scale, shift = (tensor.detach() for tensor in draw(size, seed))
    y = layernorm_plain(x, scale, shift)
    expect_same(layernorm_plain(10 * x + 100, scale, shift), y, "y of 10 x + 100 beside that of x")


def check_equal_features_give_the_shift(size: Sizes, seed: int) -> None:
    """Variance zero is what eps is for: nothing is divided by zero."""
    x, shift = torch.full((size.T, size.D), 7.0, dtype=torch.float64), normal(seed, size.D)
    y = layernorm_plain(x, torch.ones_like(shift), shift)
    expect_same(y, shift.expand(size.T, -1), "y of a token whose features are all 7")


def check_in_32_bits_a_far_mean_does_no_harm(size: Sizes, seed: int) -> None:
    """Features about 3000: their squares have no room left for the differences."""
    x, scale, shift = (tensor.detach().float() for tensor in draw(size, seed))
    far = x + 3000
    expected = layernorm_plain(far.double(), scale.double(), shift.double()).float()
    expect_same(layernorm_plain(far, scale, shift), expected, "y of features about 3000, in float32", 2e-3)


def check_the_type_stays(size: Sizes, seed: int) -> None:
    """Float32 and bfloat16 come back as they came."""
    for dtype in (torch.float32, torch.bfloat16):
        x, scale, shift = (tensor.detach().to(dtype) for tensor in draw(size, seed))
        expected = F.layer_norm(x, (size.D,), scale, shift, 1e-12)
        expect_same(layernorm_plain(x, scale, shift), expected, f"y in {dtype}")


def check_no_argument_is_changed(size: Sizes, seed: int) -> None:
    """The residual needs x as it was."""
    for norm in BOTH.values():
        expect_untouched(norm, *(tensor.detach() for tensor in draw(size, seed)))


def check_the_module_has_a_scale_and_a_shift_to_learn(size: Sizes) -> None:
    """`weight` and `bias`, one number for each feature: an optimizer finds them, a checkpoint holds them."""
    layer = LayerNorm(size.D)
    got = {name: tuple(parameter.shape) for name, parameter in layer.named_parameters()}
    expected = {"weight": (size.D,), "bias": (size.D,)}
    expect(got == expected, f"the parameters must be {expected}, got {got}")
    expect(all(parameter.requires_grad for parameter in layer.parameters()), "a parameter does not learn")
    expect(set(layer.state_dict()) == set(expected), f"the saved state must be weight and bias, got {got}")


def check_the_scale_starts_at_one_and_the_shift_at_zero(size: Sizes) -> None:
    """So that a new layer normalises, and does no more."""
    layer = LayerNorm(size.D)
    expect_same(layer.weight, torch.ones(size.D), "the scale at the start")
    expect_same(layer.bias, torch.zeros(size.D), "the shift at the start")


def check_a_new_module_normalises_and_does_no_more() -> None:
    """Run in a module around it, which finds its parameters: (3, 9, 11, 17) becomes (-7, -1, 1, 7) / 5."""
    around = nn.Sequential(LayerNorm(4)).double()
    y = around(exact([[3.0, 9, 11, 17]]))
    expect_same(y, exact([[-1.4, -0.2, 0.2, 1.4]]), "a new LayerNorm of x = (3, 9, 11, 17)")


def check_the_module_has_the_epsilon_asked_for() -> None:
    """1e-12 where nothing is said, as in BERT; with eps 3, (0, 2) becomes (-1/2, 1/2)."""
    expect(LayerNorm(4).eps == 1e-12, f"eps, where nothing is said: expected 1e-12, got {LayerNorm(4).eps}")
    layer = LayerNorm(2, 3.0).double()
    expect_same(layer(exact([[0.0, 2.0]])), exact([[-0.5, 0.5]]), "a LayerNorm with eps 3 of x = (0, 2)")


def check_the_module_scales_and_shifts(size: Sizes, seed: int) -> None:
    """With its own scale and shift, and both learn."""
    x, scale, shift = draw(size, seed)
    layer = LayerNorm(size.D).double()
    with torch.no_grad():
        layer.weight.copy_(scale)
        layer.bias.copy_(shift)
    leaves = {"x": x, "weight": layer.weight, "bias": layer.bias}
    expected = F.layer_norm(x, (size.D,), layer.weight, layer.bias, 1e-12)
    expect_same_slopes(layer(x), expected, leaves, seed + 3, "torch's")
