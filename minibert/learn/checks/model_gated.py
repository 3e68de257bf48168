"""What the gated feed-forward block in PyTorch must fulfil."""

import math

import torch

from minibert.learn.checks import gated as by_hand
from minibert.learn.compare import expect
from minibert.learn.sizes import Sizes
from minibert.learn.tensors import (
    exact,
    expect_by_hand,
    expect_same,
    expect_same_slopes,
    expect_untouched,
    filled,
    leaf,
    loaded,
    normal,
)
from minibert.model.gated import GATES, GatedFeedForward


def check_a_case_by_hand() -> None:
    """x = (ln 3, 2): gate (ln 3, 0), bent (3/4 ln 3, 0), wide (5, 7), y (15 ln 3, 0)."""
    x, params = by_hand.pencil_case()
    layer = loaded(GatedFeedForward(2, 2, "silu"), params)
    expect_same(layer(exact(x)), exact([[15 * math.log(3), 0.0]]), "y of x = (ln 3, 2)")


def check_the_equation_with_each_curve(size: Sizes, seed: int) -> None:
    """Two ways to widen, one bent; their product, and narrow."""
    x = leaf(seed + 10, size.B, size.T, size.D)
    for name, curve in GATES.items():
        layer = filled(GatedFeedForward(size.D, size.F, name), seed)
        gated = curve(x @ layer.gate.weight.T) * (x @ layer.expand.weight.T)  # (B, T, F)
        leaves = {"x": x, **dict(layer.named_parameters())}
        expected = gated @ layer.contract.weight.T
        expect_same_slopes(layer(x), expected, leaves, seed, f"the equation with {name}")


def check_by_hand_the_block_is_the_same(size: Sizes, seed: int) -> None:
    """In value and in all gradients."""
    for case in by_hand.CASES:
        expect_by_hand(case, size, seed)


def check_dropout_leaves_out_inner_numbers_in_training_alone(size: Sizes, seed: int) -> None:
    """With one inner number a token loses all that it has, or keeps twice as much."""
    layer = filled(GatedFeedForward(size.D, 1, "silu", 0.5), seed)
    x = normal(seed + 10, 100, size.D)
    whole = layer.eval()(x)
    torch.manual_seed(seed)
    out = layer.train()(x)
    left = out.abs().amax(-1) == 0
    expect(left.any() and not left.all(), "at rate 1/2 no inner number is left out in training, or all are")
    expect_same(out[~left], 2 * whole[~left], "what stays, at rate 1/2")


def check_x_is_not_changed(size: Sizes, seed: int) -> None:
    """The residual needs it as it was."""
    layer = filled(GatedFeedForward(size.D, size.F, "silu"), seed)
    expect_untouched(layer, normal(seed + 10, size.B, size.T, size.D))
