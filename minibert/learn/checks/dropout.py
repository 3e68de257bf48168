"""What dropout must fulfil."""

import numpy as np

from minibert.byhand.dropout import dropout_backward, dropout_forward
from minibert.byhand.parameters import Array
from minibert.learn.compare import CheckError, expect, expect_close
from minibert.learn.proof import Case
from minibert.learn.sizes import Sizes

RATE = 0.4


def seeded_forward(x: Array, seed: int):
    """Leave out the same numbers each time, as finite differences need it."""
    return dropout_forward(x, RATE, np.random.default_rng(seed))


def draw(size: Sizes, rng: np.random.Generator) -> tuple:
    """Return x (B, T, D), and a seed."""
    return rng.normal(size=(size.B, size.T, size.D)), 5


def torch_twin(x, seed):
    """Torch's own backward pass of the same formula; it cannot draw the same numbers as NumPy."""
    import torch

    kept = np.random.default_rng(seed).random(tuple(x.shape)) >= RATE
    return torch.where(torch.from_numpy(kept), x / (1 - RATE), 0.0)


CASES = [Case("dropout", seeded_forward, dropout_backward, draw, torch_twin)]


def check_what_stays_is_scaled_up_and_the_rest_is_zero(size: Sizes, seed: int) -> None:
    """Out of 1, 2, 3, … with rate 1/2, every number is doubled or left out."""
    x = np.arange(1.0, size.B * size.T * size.D + 1)
    y, _ = dropout_forward(x, 0.5, np.random.default_rng(seed))
    expect_close(y[y != 0], 2 * x[y != 0], "the numbers that stay, at rate 1/2")


def check_the_share_left_out_is_the_rate(seed: int) -> None:
    """Of 40,000 numbers 0.1 fall out, give or take five standard deviations, and the mean stays."""
    x = np.ones((40, 1000))
    y, _ = dropout_forward(x, 0.1, np.random.default_rng(seed))
    share, deviation = float((y == 0).mean()), float(np.sqrt(0.1 * 0.9 / x.size))
    expect(
        abs(share - 0.1) < 5 * deviation, f"share left out at rate 0.1: expected about 0.1, got {share:.4f}"
    )
    mean = float(y.mean())
    expect(
        abs(mean - 1) < 5 * deviation / 0.9, f"mean of ones after dropout: expected about 1, got {mean:.4f}"
    )


def check_each_number_is_drawn_by_itself(seed: int) -> None:
    """No two of 40 rows of 1000 lose the same numbers, and none loses all or nothing."""
    y, _ = dropout_forward(np.ones((40, 1000)), 0.5, np.random.default_rng(seed))
    kept = y != 0
    expect(len(np.unique(kept, axis=0)) == 40, "two rows lose the same numbers: each must be drawn by itself")
    expect(kept.any(axis=1).all() and not kept.all(axis=1).any(), "whole rows are left out or kept")


def check_backward_leaves_out_the_same_numbers(size: Sizes, seed: int) -> None:
    """Where nothing went forward nothing comes back; elsewhere the same scale."""
    x, _ = draw(size, np.random.default_rng(seed))
    y, cache = dropout_forward(x, 0.5, np.random.default_rng(seed))
    dx = dropout_backward(np.ones_like(x), cache)
    expect_close(dx, np.where(y == 0, 0.0, 2.0), "dx under dy = 1, at rate 1/2")


def check_rate_zero_changes_nothing_and_draws_nothing(size: Sizes, seed: int) -> None:
    """After training there is no dropout, and a generator that is there is not touched."""
    x, _ = draw(size, np.random.default_rng(seed))
    used, untouched = np.random.default_rng(seed), np.random.default_rng(seed)
    for generator in (None, used):
        y, cache = dropout_forward(x, 0.0, generator)
        expect_close(y, x, "y at rate 0", 0)
        expect_close(dropout_backward(x, cache), x, "dx at rate 0", 0)
    expect(used.random() == untouched.random(), "at rate 0 something was drawn from the generator")
    expect_close(dropout_forward(x)[0], x, "y without naming a rate", 0)


def check_a_rate_that_is_no_share_and_a_missing_generator_are_refused() -> None:
    """Who forgets the generator must not train without dropout, and never know."""
    for rate in (-0.1, 1.0, 1.5, float("nan")):
        try:
            dropout_forward(np.ones(3), rate, np.random.default_rng(0))
        except ValueError:
            continue
        raise CheckError(f"a rate of {rate}: expected a ValueError, got none")
    try:
        dropout_forward(np.ones(3), 0.1)
    except ValueError:
        return
    raise CheckError("a rate of 0.1 without a generator: expected a ValueError, got none")
