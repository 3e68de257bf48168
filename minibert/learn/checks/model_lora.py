"""What LoRA in PyTorch must fulfil: the product, the layer around it, and the way back to a plain layer."""

import copy

import torch
from torch import Tensor, nn

from minibert.learn.checks import lora as by_hand
from minibert.learn.compare import expect, expect_close
from minibert.learn.sizes import Sizes
from minibert.learn.tensors import (
    exact,
    expect_by_hand,
    expect_refused,
    expect_same,
    expect_untouched,
    normal,
)
from minibert.model.lora import ALPHA, LoraLinear, lora

R = 2
"""The rank."""


def width(size: Sizes) -> int:
    """Return the width of what goes in, which is more than R."""
    return size.D + R


def inputs(size: Sizes, seed: int) -> Tensor:
    """Return x (B, T, I)."""
    return normal(seed + 5, size.B, size.T, width(size))


def frozen_layer(size: Sizes, seed: int) -> nn.Linear:
    """Return a linear layer in float64, whose weights and bias are drawn."""
    layer = nn.Linear(width(size), size.F + R).double()
    with torch.no_grad():
        layer.weight.copy_(normal(seed, *layer.weight.shape))
        layer.bias.copy_(normal(seed + 1, *layer.bias.shape))
    return layer


def learned_layer(size: Sizes, seed: int) -> LoraLinear:
    """Return a layer with two small matrices of which no number is zero, as after some steps."""
    layer = LoraLinear(frozen_layer(size, seed), R)
    with torch.no_grad():
        layer.down.copy_(normal(seed + 2, *layer.down.shape))
        layer.up.copy_(normal(seed + 3, *layer.up.shape))
    return layer


# ---------------------------------------------------------------- the product


def check_a_case_by_hand() -> None:
    """x = (1, 2), A = (3, 1), B = (1, 0, -2)^T: 5 in between; with alpha 4 and rank 1 it counts 4 times."""
    y = lora(exact([[1.0, 2.0]]), exact([[3.0, 1.0]]), exact([[1.0], [0.0], [-2.0]]), 4.0)
    expect_same(y, exact([[20.0, 0.0, -40.0]]), "y of x = (1, 2) with alpha 4")


def check_by_hand_the_product_is_the_same(size: Sizes, seed: int) -> None:
    """In value and in all gradients."""
    for case in by_hand.CASES:
        expect_by_hand(case, size, seed)


def check_no_argument_is_changed(size: Sizes, seed: int) -> None:
    """x goes into the frozen layer too."""
    down, up = normal(seed + 1, R, width(size)), normal(seed + 2, size.F, R)
    expect_untouched(lambda x, down, up: lora(x, down, up, 3.0), inputs(size, seed), down, up)


# ---------------------------------------------------------------- the layer


def check_a_new_layer_does_what_it_did_before(size: Sizes, seed: int) -> None:
    """So that training begins with the pretrained model, and not with noise in it."""
    before, x = frozen_layer(size, seed), inputs(size, seed)
    expect_same(LoraLinear(copy.deepcopy(before), R)(x), before(x), "the output of a new layer")


def check_the_layer_around_it_is_frozen_and_the_two_matrices_learn(size: Sizes, seed: int) -> None:
    """`down` (r, I) and `up` (O, r) are parameters; weight and bias of the layer require no gradient."""
    layer = LoraLinear(frozen_layer(size, seed), R)
    got = {name: tuple(p.shape) for name, p in layer.named_parameters() if p.requires_grad}
    expected = {"down": (R, width(size)), "up": (size.F + R, R)}
    expect(got == expected, f"what learns must be {expected}, got {got}")
    names, wanted = sorted(layer.state_dict()), ["down", "linear.bias", "linear.weight", "up"]
    expect(names == wanted, f"the saved state must be {wanted}, got {names}")


def check_in_the_first_step_b_has_a_gradient(size: Sizes, seed: int) -> None:
    """Were both matrices zero, neither would ever learn: each one's gradient has the other in it."""
    layer = LoraLinear(frozen_layer(size, seed), R)
    out = layer(inputs(size, seed))
    (out * normal(seed + 6, *out.shape)).sum().backward()
    grad = layer.up.grad
    moves = grad is not None and bool((grad != 0).all())
    expect(moves, "up has no gradient in the first step, or zeros in it: neither matrix will learn")


def check_what_is_in_between_is_as_strong_as_x(seed: int) -> None:
    """Over 400 inputs of variance 1, the features in between have variance 1 too, give or take a tenth."""
    layer = LoraLinear(nn.Linear(400, 300), 100, torch.Generator().manual_seed(seed))
    inside = normal(seed + 1, 200, 400).float() @ layer.down.T
    got = inside.var().item()
    expect(0.9 < got < 1.1, f"the variance of x A^T, where that of x is 1: expected about 1, got {got:.3g}")


def check_the_generator_makes_the_noise(size: Sizes, seed: int) -> None:
    """The same seed gives the same A, whatever torch has drawn before; another seed another."""
    first, again, other = (
        LoraLinear(frozen_layer(size, seed), R, torch.Generator().manual_seed(each)).down
        for each in (seed, seed, seed + 1)
    )
    expect(torch.equal(first, again), "two layers with generators of one seed have different A")
    expect(not torch.equal(first, other), "two layers with generators of different seeds have the same A")
    expect(first.dtype == torch.float64, f"beside a layer in float64 A must be too, got {first.dtype}")


def check_a_rank_that_saves_nothing_is_refused(size: Sizes, seed: int) -> None:
    """At most one less than the smaller side of the matrix, and one at least."""
    layer = frozen_layer(size, seed)
    smaller = min(layer.weight.shape)
    LoraLinear(layer, smaller - 1)
    for rank in (0, smaller, smaller + 1):
        what = f"rank {rank} beside a matrix of the shape {tuple(layer.weight.shape)}"
        expect_refused(lambda rank=rank: LoraLinear(layer, rank), what)


# ---------------------------------------------------------------- merged


def check_the_merged_layer_does_the_same(size: Sizes, seed: int) -> None:
    """With its bias, and alpha / r in it."""
    layer, x = learned_layer(size, seed), inputs(size, seed)
    expected = layer(x).detach()
    plain = layer.merged()
    expect(type(plain) is nn.Linear, f"expected a plain nn.Linear, got {type(plain).__name__}")
    expect_same(plain(x), expected, "the output of the merged layer")


def check_the_merged_weights_by_hand() -> None:
    """W = 0, A = (3, 1), B = (1, 0, -2)^T, rank 1: W' = alpha B A."""
    layer = LoraLinear(nn.Linear(2, 3), 1).double()
    with torch.no_grad():
        layer.linear.weight.zero_()
        layer.down.copy_(exact([[3.0, 1.0]]))
        layer.up.copy_(exact([[1.0], [0.0], [-2.0]]))
    expected = ALPHA * exact([[3.0, 1.0], [0.0, 0.0], [-6.0, -2.0]])
    expect_close(layer.merged().weight.detach().numpy(), expected.numpy(), "W' of W = 0")


def check_the_merged_layer_learns_again(size: Sizes, seed: int) -> None:
    """It is a layer like any other: weight and bias are parameters that require a gradient, and no more."""
    plain = learned_layer(size, seed).merged()
    got = {name: p.requires_grad and p.is_leaf for name, p in plain.named_parameters()}
    expected = {"weight": True, "bias": True}
    expect(got == expected, f"leaves that require a gradient: expected {expected}, got {got}")
