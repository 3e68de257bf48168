"""What layer normalisation must fulfil."""

import numpy as np

from minibert.byhand.layernorm import layernorm_backward, layernorm_forward
from minibert.byhand.parameters import Array
from minibert.learn.compare import CheckError, expect, expect_close
from minibert.learn.proof import Case
from minibert.learn.sizes import Sizes


def draw(size: Sizes, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """Return x (B, T, D), off centre and of another size for each token, scale (D,) and shift (D,)."""
    x = 4 * rng.normal(size=(size.B, size.T, size.D)) + rng.normal(size=(size.B, size.T, 1))
    return x * rng.uniform(1, 3, (size.B, size.T, 1)), rng.normal(size=size.D), rng.normal(size=size.D)


def draw_alone(size: Sizes, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """Return a single token x (D,), without axes for sequences and positions, scale and shift."""
    x, scale, shift = draw(size, rng)
    return x[0, 0], scale, shift


def draw_with_eps(size: Sizes, rng: np.random.Generator) -> tuple[Array, Array, Array, float]:
    """Return x, scale, shift, and an eps that is about as large as the variance."""
    return *draw(size, rng), 30.0


def torch_twin(x, scale, shift, eps=1e-12):
    from minibert.model.layernorm import layernorm

    return layernorm(x, scale, shift, eps)


def transformers_twin(x, scale, shift, eps=1e-12):
    """The norm of their BERT."""
    import torch
    from transformers import BertConfig
    from transformers.models.bert.modeling_bert import BertOutput

    D = len(scale)
    config = BertConfig(hidden_size=D, intermediate_size=D, num_attention_heads=1, layer_norm_eps=eps)
    return torch.func.functional_call(BertOutput(config).LayerNorm, {"weight": scale, "bias": shift}, (x,))


CASES = [
    Case(name, layernorm_forward, layernorm_backward, drawn, torch_twin, transformers_twin)
    for name, drawn in (
        ("layernorm", draw),
        ("one token alone", draw_alone),
        ("an epsilon that matters", draw_with_eps),
    )
]


def check_a_case_by_hand() -> None:
    """x = (3, 9, 11, 17): mean 10, variance (49 + 1 + 1 + 49) / 4 = 25, so normal = (-7, -1, 1, 7) / 5.

    With dy = (5, 0, 0, 0) and the scale 2 of the first feature, dnormal = (10, 0, 0, 0): its mean is 2.5, and
    that of dnormal normal is -3.5. So 5 dx = (10 - 4.9, -0.7, 0.7, 4.9) - 2.5 = (2.6, -3.2, -1.8, 2.4).
    """
    x, scale, shift = np.array([[3.0, 9, 11, 17]]), np.array([2.0, 1, 1, 1]), np.array([0.0, 10, 20, 30])
    y, cache = layernorm_forward(x, scale, shift)
    expect_close(y, np.array([[-2.8, 9.8, 20.2, 31.4]]), "y of x = (3, 9, 11, 17)")

    dx, dscale, dshift = layernorm_backward(np.array([[5.0, 0, 0, 0]]), cache)
    expect_close(dshift, np.array([5.0, 0, 0, 0]), "dshift under dy = (5, 0, 0, 0)")
    expect_close(dscale, np.array([-7.0, 0, 0, 0]), "dscale under dy = (5, 0, 0, 0)")
    expect_close(dx, np.array([[0.52, -0.64, -0.36, 0.48]]), "dx under dy = (5, 0, 0, 0)")


def check_two_features_are_always_minus_one_and_one(size: Sizes, seed: int) -> None:
    """Whatever they were: so nothing that comes back from them reaches x."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(size.B, size.T, 1)) + np.array([0.0, 2.0])
    y, cache = layernorm_forward(x, np.ones(2), np.zeros(2))
    expect_close(y, np.broadcast_to([-1.0, 1.0], x.shape), "y of two features, the second larger", 1e-9)
    dx, _, _ = layernorm_backward(rng.normal(size=x.shape), cache)
    expect(np.abs(dx).max() < 1e-9, f"dx of two features: expected 0, got {np.abs(dx).max():.3g}")


def check_epsilon_stands_under_the_root() -> None:
    """x = (0, 2) has variance 1: with eps 3 the size is 2, and normal = (-1/2, 1/2).

    With dy = (16, 0): its mean is 8, that of dy normal -4; so 2 dx = (16 - 2, 2) - 8 = (6, -6).
    """
    y, cache = layernorm_forward(np.array([[0.0, 2.0]]), np.ones(2), np.zeros(2), 3.0)
    expect_close(y, np.array([[-0.5, 0.5]]), "y of x = (0, 2) with eps 3")
    dx, _, _ = layernorm_backward(np.array([[16.0, 0.0]]), cache)
    expect_close(dx, np.array([[3.0, -3.0]]), "dx of x = (0, 2) with eps 3, under dy = (16, 0)")


def check_equal_features_give_the_shift(size: Sizes, seed: int) -> None:
    """Variance zero is what eps is for: no division by zero, forward or back."""
    shift = np.random.default_rng(seed).normal(size=size.D)
    y, cache = layernorm_forward(np.full((size.T, size.D), 7.0), np.ones(size.D), shift)
    expect_close(y, np.broadcast_to(shift, y.shape), "y of a token whose features are all 7")
    dx, _, _ = layernorm_backward(np.ones_like(y), cache)
    expect(np.isfinite(dx).all(), "dx of a token whose features are all 7 must be finite")


def check_each_token_has_mean_zero_and_variance_one_by_itself(size: Sizes, seed: int) -> None:
    x, _, _ = draw(size, np.random.default_rng(seed))
    y, _ = layernorm_forward(x, np.ones(size.D), np.zeros(size.D))
    expect_close(y.mean(axis=-1), np.zeros((size.B, size.T)), "the mean of each token")
    expect_close(np.square(y).mean(axis=-1), np.ones((size.B, size.T)), "the variance of each token", 1e-9)
    alone, _ = layernorm_forward(x[-1:, -1:], np.ones(size.D), np.zeros(size.D))
    expect_close(y[-1:, -1:], alone, "the last token, in its batch and alone")


def check_stretching_and_moving_a_token_changes_nothing(size: Sizes, seed: int) -> None:
    """And its gradient becomes as many times smaller as it was stretched."""
    rng = np.random.default_rng(seed)
    x, scale, shift = draw(size, rng)
    dy = rng.normal(size=x.shape)
    y, cache = layernorm_forward(x, scale, shift)
    moved, moved_cache = layernorm_forward(10 * x + 100, scale, shift)
    expect_close(moved, y, "y of 10 x + 100 beside that of x", 1e-9)
    dx, moved_dx = layernorm_backward(dy, cache)[0], layernorm_backward(dy, moved_cache)[0]
    expect_close(10 * moved_dx, dx, "10 times dx of 10 x + 100 beside that of x", 1e-9)


def check_nothing_comes_back_along_the_mean_and_the_length(size: Sizes, seed: int) -> None:
    """To move all features alike, or to stretch them, changes nothing: so dx is at right angles to both."""
    rng = np.random.default_rng(seed)
    x, scale, shift = draw(size, rng)
    _, cache = layernorm_forward(x, scale, shift)
    dx, _, _ = layernorm_backward(rng.normal(size=x.shape), cache)
    normal, _ = layernorm_forward(x, np.ones(size.D), np.zeros(size.D))
    for name, product in (("dx", dx), ("dx normal", dx * normal)):
        largest = np.abs(product.sum(axis=-1)).max() / np.abs(dx).max()
        expect(largest < 1e-9, f"the sum of {name} over each token: expected 0, got {largest:.3g} of dx")


def check_a_scale_of_another_width_is_refused() -> None:
    """NumPy itself would stretch a scale of one number over all features."""
    for width in (1, 3):
        try:
            layernorm_forward(np.ones((2, 4)), np.ones(width), np.zeros(width))
        except ValueError:
            continue
        raise CheckError(f"a scale of width {width} for 4 features: expected a ValueError, got none")
