"""Dropout: leave out a random share of the numbers in training, so that none can be relied on alone."""

from typing import Any

import numpy as np

from minibert.byhand.parameters import Array


def dropout_forward(
    x: Array, rate: float = 0.0, generator: np.random.Generator | None = None
) -> tuple[Array, Any]:
    """Set each number to zero with probability `rate`, and scale up those that stay.

    y = x m / (1 - rate), each m by itself 0 with probability rate, else 1; the expected value of y is x.
    Srivastava et al. 2014, section 4.

    Args:
        x: any shape.
        rate: share left out, from 0 to below 1; with 0, as after training, nothing is drawn.
        generator: draws m, by one call of its `random(x.shape)`: 0 where that is below rate. May be left out
            when rate is 0.

    Returns:
        y, of the shape of x, and what `dropout_backward` needs.

    Raises:
        ValueError: a rate outside [0, 1), or a rate above 0 without a generator.

    Differs from the paper: there the weights are scaled down after training. Scaling up in training has the
    same effect (the paper's section 10) and leaves the trained network as it is.
    """
    if not 0 <= rate < 1:
        raise ValueError(f"rate must be in [0, 1), got {rate}")
    if rate == 0:
        return x, None
    if generator is None:
        raise ValueError(f"a rate of {rate} needs a generator: np.random.default_rng(seed)")
    kept = generator.random(x.shape) >= rate
    scale = kept.astype(x.dtype) / (1 - rate)
    return x * scale, scale


def dropout_backward(dy: Array, cache: Any) -> Array:
    """Return dx from dy, both of the shape of x."""
    scale = cache
    return dy if scale is None else dy * scale  # 6.8: the same numbers left out, the same scale
