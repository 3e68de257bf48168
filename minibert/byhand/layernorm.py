"""Layer normalisation: each token's features brought to mean 0 and variance 1, then scaled and shifted."""

from typing import Any

import numpy as np

from minibert.byhand.parameters import Array


def layernorm_forward(x: Array, scale: Array, shift: Array, eps: float = 1e-12) -> tuple[Array, Any]:
    """Normalise each token by itself, over the last axis.

    y = (x - mean) / sqrt(variance + eps) * scale + shift, with the biased variance (divided by D).
    Ba et al. 2016, eq. 3-4.

    Args:
        x: (..., D), any number of axes before the last.
        scale: (D,).
        shift: (D,).
        eps: what is added to the variance under the root, so that a token of equal features gives `shift`.

    Returns:
        y (..., D), and what `layernorm_backward` needs.

    Raises:
        ValueError: the shapes do not fit.

    Differs from the paper: there is no eps in it.
    """
    if scale.ndim != 1 or x.shape[-1:] != scale.shape or shift.shape != scale.shape:
        raise ValueError(
            f"x (..., D), scale (D,) and shift (D,) do not fit: got {x.shape}, {scale.shape}, {shift.shape}"
        )
    mean = x.mean(axis=-1, keepdims=True)  # (..., 1)
    centred = x - mean  # (..., D)
    variance = np.square(centred).mean(axis=-1, keepdims=True)  # (..., 1)
    size = np.sqrt(variance + eps)  # (..., 1)
    normal = centred / size  # (..., D)
    return normal * scale + shift, (normal, size, scale)  # (..., D)


def layernorm_backward(dy: Array, cache: Any) -> tuple[Array, Array, Array]:
    """Return dx (..., D), dscale (D,) and dshift (D,) from dy (..., D)."""
    normal, size, scale = cache
    tokens = tuple(range(dy.ndim - 1))  # every axis but the last

    dshift = dy.sum(axis=tokens)  # (D,)  7.5: the shift is added to every token
    dscale = (dy * normal).sum(axis=tokens)  # (D,)  7.6: and the scale multiplies every token
    dnormal = dy * scale  # (..., D)  7.7: each feature by its own scale

    through_size = (dnormal * normal).mean(axis=-1, keepdims=True)  # (..., 1)  7.9: each moves the size
    through_mean = dnormal.mean(axis=-1, keepdims=True)  # (..., 1)  7.10: and the mean
    dx = (dnormal - normal * through_size - through_mean) / size  # (..., D)  7.11: three ways from x to y
    return dx, dscale, dshift
