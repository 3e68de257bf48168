"""What RMS normalisation must fulfil."""

import numpy as np

from minibert.byhand.layernorm import layernorm_forward
from minibert.byhand.parameters import Array
from minibert.byhand.rmsnorm import rmsnorm_backward, rmsnorm_forward
from minibert.learn.compare import CheckError, expect, expect_close
from minibert.learn.proof import Case
from minibert.learn.sizes import Sizes


def draw(size: Sizes, rng: np.random.Generator) -> tuple[Array, Array]:
    """Return x (B, T, D), off centre and of another size for each token, and scale (D,)."""
    x = 4 * rng.normal(size=(size.B, size.T, size.D)) + rng.normal(size=(size.B, size.T, 1))
    return x * rng.uniform(1, 3, (size.B, size.T, 1)), rng.normal(size=size.D)


def draw_alone(size: Sizes, rng: np.random.Generator) -> tuple[Array, Array]:
    """Return a single token x (D,), without axes for sequences and positions, and scale."""
    x, scale = draw(size, rng)
    return x[0, 0], scale


def draw_with_eps(size: Sizes, rng: np.random.Generator) -> tuple[Array, Array, float]:
    """Return x, scale, and an eps that is about as large as the mean square."""
    return *draw(size, rng), 30.0


def torch_twin(x, scale, eps=1e-6):
    from minibert.model.rmsnorm import rmsnorm

    return rmsnorm(x, scale, eps)


def transformers_twin(x, scale, eps=1e-6):
    """That of their ImageGPT, which keeps the type of x; Llama's takes the mean square in float32."""
    import torch
    from transformers.models.imagegpt.modeling_imagegpt import ImageGPTLayerNorm

    norm = ImageGPTLayerNorm((len(scale),), eps)
    return torch.func.functional_call(norm, {"weight": scale}, (x,))


CASES = [
    Case(name, rmsnorm_forward, rmsnorm_backward, drawn, torch_twin, transformers_twin)
    for name, drawn in (
        ("rmsnorm", draw),
        ("one token alone", draw_alone),
        ("an epsilon that matters", draw_with_eps),
    )
]


def check_a_case_by_hand() -> None:
    """x = (1, -7): the mean square is (1 + 49) / 2 = 25, so normal = (1, -7) / 5.

    With dy = (5, 0) and the scale 2 of the first feature, dnormal = (10, 0), and the mean of dnormal normal
    is 1. So 5 dx = (10 - 1/5, 7/5) = (9.8, 1.4).
    """
    y, cache = rmsnorm_forward(np.array([[1.0, -7.0]]), np.array([2.0, 1.0]), 0.0)
    expect_close(y, np.array([[0.4, -1.4]]), "y of x = (1, -7), with scale (2, 1)")
    dx, dscale = rmsnorm_backward(np.array([[5.0, 0.0]]), cache)
    expect_close(dscale, np.array([1.0, 0.0]), "dscale under dy = (5, 0)")
    expect_close(dx, np.array([[1.96, 0.28]]), "dx under dy = (5, 0)")


def check_epsilon_stands_under_the_root() -> None:
    """x = (1, 1) has the mean square 1: with eps 3 the size is 2."""
    y, _ = rmsnorm_forward(np.array([[1.0, 1.0]]), np.ones(2), 3.0)
    expect_close(y, np.array([[0.5, 0.5]]), "y of x = (1, 1) with eps 3")


def check_epsilon_is_llama_s_where_nothing_is_said() -> None:
    """1e-6: a token of features 1e-3 is divided by sqrt(2e-6)."""
    y, _ = rmsnorm_forward(np.full((1, 2), 1e-3), np.ones(2))
    expect_close(y, np.full((1, 2), np.sqrt(0.5)), "y of x = (0.001, 0.001)")


def check_a_token_of_zeros_stays_zero(size: Sizes) -> None:
    """That is what eps is for: no division by zero, forward or back."""
    y, cache = rmsnorm_forward(np.zeros((size.T, size.D)), np.ones(size.D))
    expect_close(y, np.zeros((size.T, size.D)), "y of a token whose features are all 0")
    dx, _ = rmsnorm_backward(np.ones_like(y), cache)
    expect(np.isfinite(dx).all(), "dx of a token whose features are all 0 must be finite")


def check_each_token_has_a_mean_square_of_one_by_itself(size: Sizes, seed: int) -> None:
    x, _ = draw(size, np.random.default_rng(seed))
    y, _ = rmsnorm_forward(x, np.ones(size.D), 0.0)
    expect_close(np.square(y).mean(axis=-1), np.ones((size.B, size.T)), "the mean square of each token")
    alone, _ = rmsnorm_forward(x[-1:, -1:], np.ones(size.D), 0.0)
    expect_close(y[-1:, -1:], alone, "the last token, in its batch and alone")


def check_stretching_a_token_changes_nothing_but_moving_it_does(size: Sizes, seed: int) -> None:
    """And its gradient becomes as many times smaller as it was stretched."""
    rng = np.random.default_rng(seed)
    x, scale = draw(size, rng)
    dy = rng.normal(size=x.shape)
    y, cache = rmsnorm_forward(x, scale, 0.0)
    stretched, stretched_cache = rmsnorm_forward(10 * x, scale, 0.0)
    expect_close(stretched, y, "y of 10 x beside that of x", 1e-9)
    dx, stretched_dx = rmsnorm_backward(dy, cache)[0], rmsnorm_backward(dy, stretched_cache)[0]
    expect_close(10 * stretched_dx, dx, "10 times dx of 10 x beside that of x", 1e-9)
    moved, _ = rmsnorm_forward(x + 100, scale, 0.0)
    expect(np.abs(moved - y).max() > 1e-3, "y of x + 100 is that of x: is a mean taken off?")


def check_of_a_token_without_a_mean_it_is_the_layer_norm(size: Sizes, seed: int) -> None:
    """What a layer norm does besides is to take the mean off."""
    x, scale = draw(size, np.random.default_rng(seed))
    centred = x - x.mean(axis=-1, keepdims=True)
    expected, _ = layernorm_forward(x, scale, np.zeros(size.D), 1e-3)
    expect_close(
        rmsnorm_forward(centred, scale, 1e-3)[0], expected, "y of x - mean, beside a layer norm of x"
    )


def check_nothing_comes_back_along_the_token_itself(size: Sizes, seed: int) -> None:
    """To stretch a token changes nothing: so dx is at right angles to it."""
    rng = np.random.default_rng(seed)
    x, scale = draw(size, rng)
    _, cache = rmsnorm_forward(x, scale, 0.0)
    dx, _ = rmsnorm_backward(rng.normal(size=x.shape), cache)
    largest = np.abs((dx * x).sum(axis=-1)).max() / np.abs(dx * x).max()
    expect(largest < 1e-9, f"the sum of dx x over each token: expected 0, got {largest:.3g} of its terms")


def check_a_scale_of_another_width_is_refused() -> None:
    """NumPy itself would stretch a scale of one number over all features."""
    for width in (1, 3):
        try:
            rmsnorm_forward(np.ones((2, 4)), np.ones(width))
        except ValueError:
            continue
        raise CheckError(f"a scale of width {width} for 4 features: expected a ValueError, got none")
