"""RMS normalisation: each token's features brought to a mean square of 1, then scaled."""

from typing import Any

import numpy as np

from minibert.byhand.parameters import Array


def rmsnorm_forward(x: Array, scale: Array, eps: float = 1e-6) -> tuple[Array, Any]:
    """Normalise each token by itself, over the last axis.

    y = x / sqrt(mean(x^2) + eps) * scale. Zhang and Sennrich 2019, eq. 4.

    Args:
        x: (..., D), any number of axes before the last.
        scale: (D,).
        eps: what is added to the mean square under the root, so that a token of zeros gives zeros.

    Returns:
        y (..., D), and what `rmsnorm_backward` needs.

    Raises:
        ValueError: the shapes do not fit.

    Differs from the paper: there is no eps in it.
    """
    if scale.ndim != 1 or x.shape[-1:] != scale.shape:
        raise ValueError(f"x (..., D) and scale (D,) do not fit: got {x.shape} and {scale.shape}")
    size = np.sqrt(np.square(x).mean(axis=-1, keepdims=True) + eps)  # (..., 1)
    normal = x / size  # (..., D)
    return normal * scale, (normal, size, scale)  # (..., D)


def rmsnorm_backward(dy: Array, cache: Any) -> tuple[Array, Array]:
    """Return dx (..., D) and dscale (D,) from dy (..., D)."""
    normal, size, scale = cache
    tokens = tuple(range(dy.ndim - 1))  # every axis but the last

    dscale = (dy * normal).sum(axis=tokens)  # (D,)  7.23: the scale multiplies every token
    dnormal = dy * scale  # (..., D)  7.24: each feature by its own scale
    through_size = (dnormal * normal).mean(axis=-1, keepdims=True)  # (..., 1)  7.25: each moves the size
    return (dnormal - normal * through_size) / size, dscale  # 7.25: two ways from x to y; there is no mean
