"""What the feed-forward block in PyTorch must fulfil."""

from typing import Any

import torch

from minibert.learn.checks import feedforward as by_hand
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
    slopes,
)
from minibert.model.activation import ACTIVATIONS
from minibert.model.feedforward import FeedForward


def check_a_case_by_hand() -> None:
    """x = (3, 4): wide (3, 5, -3), bent (3, 5, 0), y (3 + 10 + 0.5, -5)."""
    params: dict[str, Any] = {
        "expand.weight": [[1.0, 0], [0, 1], [1, 1]],
        "expand.bias": [0.0, 1, -10],
        "contract.weight": [[1.0, 2, 100], [0, -1, 100]],
        "contract.bias": [0.5, 0],
    }
    layer = loaded(FeedForward(2, 3, "relu"), params)
    expect_same(layer(exact([[3.0, 4.0]])), exact([[13.5, -5.0]]), "y of x = (3, 4)")


def check_the_equation_with_each_curve(size: Sizes, seed: int) -> None:
    """Widen, bend, narrow; with the curve that the layer was made with."""
    x = leaf(seed + 10, size.B, size.T, size.D)
    for name, curve in ACTIVATIONS.items():
        layer = filled(FeedForward(size.D, size.F, name), seed)
        bent = curve(x @ layer.expand.weight.T + layer.expand.bias)  # (B, T, F)
        expected = bent @ layer.contract.weight.T + layer.contract.bias
        leaves = {"x": x, **dict(layer.named_parameters())}
        expect_same_slopes(layer(x), expected, leaves, seed, f"the equation with {name}")


def check_by_hand_feedforward_is_the_same(size: Sizes, seed: int) -> None:
    """In value and in all gradients."""
    for case in by_hand.CASES:
        expect_by_hand(case, size, seed)


def check_each_token_is_worked_out_by_itself(size: Sizes, seed: int) -> None:
    """Alone, in its sequence, or in its batch."""
    layer = filled(FeedForward(size.D, size.F), seed)
    x = leaf(seed + 10, size.B, size.T, size.D)
    y = layer(x)
    expect_same(layer(x[-1, -1]), y[-1, -1], "the last token, alone")
    expect_same(layer(x.flatten(0, 1)), y.flatten(0, 1), "all tokens in a row")
    expect_same(layer(x.transpose(0, 1)), y.transpose(0, 1), "tokens that lie in memory in another order")


def check_nothing_is_left_out_and_the_type_stays(size: Sizes, seed: int) -> None:
    """In training as in evaluation; dropout is the block's, behind this layer."""
    layer = filled(FeedForward(size.D, size.F), seed)
    x = leaf(seed + 10, size.B, size.T, size.D)
    expect_same(layer.train()(x), layer.eval()(x), "y in training, beside y in evaluation")
    gradient = slopes(layer(x), {"x": x}, seed)["x"]
    expect(gradient.dtype == torch.float64, f"the gradient of x is in {gradient.dtype}")
    expect_untouched(layer, x.detach())
    for dtype in (torch.float32, torch.bfloat16):
        got = layer.to(dtype)(x.detach().to(dtype))
        expect(got.dtype == dtype, f"y of x in {dtype} is in {got.dtype}")
