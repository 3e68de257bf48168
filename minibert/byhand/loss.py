"""What training makes small: cross-entropy for classes and words, the mean squared error for numbers."""

from typing import Any

import numpy as np

from minibert.byhand.parameters import Array, Ints

IGNORE = -100
"""Target of a position that does not count."""


def log_softmax(logits: Array) -> Array:
    """Return the logarithm of the softmax over the last axis, of the same shape.

    log softmax(z)_v = z_v - log sum_u exp z_u. The largest logit is taken off first, which changes nothing on
    paper; in floating point exp would overflow without it, from 89 on in float32.
    """
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def cross_entropy_forward(logits: Array, targets: Ints, smoothing: float = 0.0) -> tuple[Any, Any]:
    """Return the mean of -log softmax(logits)[target] over the targets that count.

    L = -1/n sum_i sum_v y_iv log softmax(z_i)_v, where y_i is 1 - smoothing at the target, and smoothing / V
    more at each of the V classes, the target too. Where no target counts, L = 0 with zero gradient.
    Smoothing: Szegedy et al. 2016, section 7.

    Args:
        logits: (N, V).
        targets: (N,) integers in [0, V), or IGNORE.
        smoothing: the share of the target's probability that is spread over all classes, from 0 to below 1.

    Returns:
        A number, in nats, and what `cross_entropy_backward` needs.

    Raises:
        ValueError: a target that is neither a class nor IGNORE, or a smoothing outside [0, 1).
    """
    N, V = logits.shape
    counts = targets != IGNORE  # (N,)
    check_targets(targets[counts], V)
    if not 0 <= smoothing < 1:
        raise ValueError(f"smoothing must be in [0, 1), got {smoothing}")
    index = np.arange(N), np.where(counts, targets, 0)
    weights = (counts / max(counts.sum(), 1)).astype(logits.dtype)  # (N,)

    logs = log_softmax(logits)  # (N, V)
    losses = -(1 - smoothing) * logs[index]  # (N,)
    if smoothing:
        losses = losses - smoothing * logs.mean(axis=1)
    return losses @ weights, (logs, index, weights, smoothing)


def cross_entropy_backward(dloss: Any, cache: Any) -> Array:
    """Return dlogits (N, V) from dloss, a number; 1.0 where the loss is what is made small."""
    logs, index, weights, smoothing = cache
    V = logs.shape[1]

    dlogits = np.exp(logs)  # (N, V)  8.3: the slope of the log of the sum is the softmax
    dlogits[index] -= 1 - smoothing  # 8.4: the target's own logit also stands in front, with a minus
    if smoothing:
        dlogits -= smoothing / V  # 8.5: what was spread is taken off everywhere
    dlogits *= dloss * weights[:, None]  # 8.6: a mean, and nothing from positions that do not count
    return dlogits


def check_targets(targets: Ints, classes: int) -> None:
    """Raise ValueError for the first of targets (N,) that is no class. (NumPy would take -1 for the last.)"""
    wrong = targets[(targets < 0) | (targets >= classes)]
    if wrong.size:
        raise ValueError(
            f"targets must be from 0 to {classes - 1}, or {IGNORE} to be ignored, got {wrong[0]}"
        )


def mean_squared_error_forward(prediction: Array, target: Array) -> tuple[Any, Any]:
    """Return the mean of (prediction - target)^2 over all entries.

    Any shape, the same for both. Returns a number, and what `mean_squared_error_backward` needs.
    Raises ValueError for two shapes, which NumPy would broadcast: (N,) against (N, 1) compares all with all.
    """
    if prediction.shape != target.shape:
        raise ValueError(f"prediction {prediction.shape} and target {target.shape} must have one shape")
    difference = prediction - target
    return np.square(difference).mean(), difference


def mean_squared_error_backward(dloss: Any, cache: Any) -> tuple[Array, Array]:
    """Return dprediction and dtarget from dloss, a number."""
    difference = cache
    dprediction = dloss * 2 * difference / difference.size  # 8.7: the slope of a square, by all entries
    return dprediction, -dprediction  # 8.8: only the difference counts, so the target's is the opposite
