"""From a gradient to a step: SGD, momentum, AdamW and Muon; clipping, and how the rate rises and falls.

Each optimiser takes a weight, its gradient and what it remembers from earlier steps, and returns new arrays;
nothing is changed in place. What is remembered starts as zeros of the weight's shape.
"""

import math

import numpy as np

from minibert.byhand.parameters import Array, Parameters

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
"""Coefficients of a x + b x^3 + c x^5, which drives singular values to about 1 (Jordan et al. 2024)."""


def sgd(w: Array, g: Array, lr: float, decay: float = 0.0) -> Array:
    """Take one step of (stochastic) gradient descent.

    w <- w - lr (g + decay w). Robbins and Monro 1951.

    Args:
        w, g: the weight and its gradient, of one shape.
        lr: the learning rate: how far to go along the slope.
        decay: share of the weight that is lost per unit of learning rate.
    """
    return w - lr * (g + decay * w)  # 9.1: downhill


def momentum(
    w: Array,
    g: Array,
    m: Array,
    lr: float,
    mu: float = 0.9,
    decay: float = 0.0,
    nesterov: bool = False,
) -> tuple[Array, Array]:
    """Take one step along a sum of all gradients so far, in which the old ones fade.

    m <- mu m + g + decay w;  w <- w - lr m, or with Nesterov's look ahead w <- w - lr (g + decay w + mu m).

    Source: Polyak 1964; Sutskever et al. 2013 for Nesterov's. As in torch.optim.SGD, the decay passes through
    the gradient.

    Args:
        w, g, m: the weight, its gradient and the memory, of one shape.
        lr: learning rate.
        mu: what is kept of the memory at each step, from 0 to below 1.
        decay: as in `sgd`.
        nesterov: step to where the memory will have faded once more.

    Returns:
        The new w and m.
    """
    g = g + decay * w
    m = mu * m + g  # 9.2: a gradient of k steps ago counts mu^k
    direction = g + mu * m if nesterov else m  # 9.3, or 9.4: one step further than the memory
    return w - lr * direction, m


def adamw(
    w: Array,
    g: Array,
    m: Array,
    v: Array,
    step: int,
    lr: float,
    betas: tuple[float, float] = (0.9, 0.98),
    eps: float = 1e-8,
    decay: float = 0.01,
) -> tuple[Array, Array, Array]:
    """Take one step of AdamW: each number moves by its mean gradient as a share of its usual size.

    m <- b1 m + (1 - b1) g;  v <- b2 v + (1 - b2) g^2
    w <- (1 - lr decay) w - lr (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)

    Source: Kingma and Ba 2015, algorithm 1; Loshchilov and Hutter 2019, algorithm 2, for the decay.

    Args:
        w, g, m, v: the weight, its gradient, and the means of g and of g^2, of one shape.
        step: t, counted from 1.
        lr: learning rate of this step.
        betas: b1 and b2, what is kept of m and of v at each step.
        eps: added to the root, so that nothing is divided by zero.
        decay: share of the weight that is lost per unit of learning rate.

    Returns:
        The new w, m and v.

    Raises:
        ValueError: a step below 1, for which the bias correction would divide by zero.

    Differs from the paper: the decay is multiplied by the learning rate, as in torch; in the paper it is
    multiplied only by the schedule's share of it.
    """
    if step < 1:
        raise ValueError(f"steps are counted from 1, got {step}")
    b1, b2 = betas

    m = b1 * m + (1 - b1) * g  # 9.5: the mean of the gradients, the last ones most
    v = b2 * v + (1 - b2) * g * g  # 9.6: and of their squares
    mean = m / (1 - b1**step)  # 9.8: both begin at zero, and are too small by as much
    size = np.sqrt(v / (1 - b2**step))  # 9.9
    w = w - lr * decay * w  # 9.11: the decay acts on the weight itself, not through the gradient
    return w - lr * mean / (size + eps), m, v  # 9.10: a step of about lr, whatever the gradient's size


def decay_of(w: Array, decay: float) -> float:
    """Return the decay of a weight: matrices have it; biases and the scales of norms (one axis) have none."""
    return decay if w.ndim >= 2 else 0.0


def orthogonalize(matrix: Array, steps: int = 5) -> Array:
    """Return about U V^T for a matrix U S V^T: the same directions, all singular values near 1.

    X <- a X + (b A + c A^2) X with A = X X^T, from X / ||X||; the singular values follow the quintic of
    NEWTON_SCHULZ. Five steps take all that were at least 0.01 ||X|| to 0.68 to 1.13 (rounded); smaller ones
    are still on their way up.

    Source: the Newton-Schulz iteration of Muon (Jordan et al. 2024).

    Args:
        matrix: (..., rows, columns).
        steps: iterations.
    """
    a, b, c = NEWTON_SCHULZ
    tall = matrix.shape[-2] > matrix.shape[-1]
    X = matrix.swapaxes(-2, -1) if tall else matrix  # wide, so that A is the smaller of the two products
    size = np.linalg.norm(X, axis=(-2, -1), keepdims=True)
    X = X / np.maximum(size, 1e-7)  # 9.16: no singular value is above 1
    for _ in range(steps):
        A = X @ X.swapaxes(-2, -1)  # (rows, rows), the smaller side
        X = a * X + (b * A + c * A @ A) @ X  # 9.17: every singular value s becomes a s + b s^3 + c s^5
    return X.swapaxes(-2, -1) if tall else X


def muon(
    w: Array, g: Array, m: Array, lr: float, mu: float = 0.95, decay: float = 0.0
) -> tuple[Array, Array]:
    """Take one step of Muon: momentum, and then every direction of the matrix moves equally far.

    m <- mu m + g;  w <- (1 - lr decay) w - lr sqrt(max(1, rows / columns)) orthogonalize(g + mu m)

    Source: Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks". Only for the
    matrices inside a network; embeddings, heads, biases and norms go to AdamW.

    Args:
        w, g, m: the weight, its gradient and the memory, (rows, columns).
        lr: learning rate.
        mu: what is kept of the memory at each step.
        decay: as in `adamw`.

    Returns:
        The new w and m.

    Raises:
        ValueError: w is no matrix.
    """
    if w.ndim != 2:
        raise ValueError(f"Muon takes matrices (two axes), got a weight of shape {w.shape}")
    rows, columns = w.shape

    m = mu * m + g  # 9.2
    direction = orthogonalize(g + mu * m)  # 9.4, 9.17: Nesterov's direction, its singular values levelled
    w = w - lr * decay * w  # 9.11
    return w - lr * math.sqrt(max(1, rows / columns)) * direction, m  # 9.18: a tall matrix goes further


def clip(gradients: Parameters, largest: float) -> tuple[Parameters, float]:
    """Scale all gradients by one number so that their global norm is at most `largest`.

    norm = sqrt(sum over all entries of all gradients g^2);  g <- g min(1, largest / norm)

    Source: Pascanu et al. 2013, algorithm 1.

    A NaN anywhere makes all gradients NaN. An infinity makes itself NaN and all else zero. Clipping cannot
    mend either: look at the norm, and leave out the step.

    Args:
        gradients: by name; the squares are summed in float64, so that float32 does not overflow.
        largest: the largest norm allowed.

    Returns:
        The gradients under the same names, and the norm before clipping.
    """
    squares = [np.square(g, dtype=np.float64).sum() for g in gradients.values()]
    norm = math.sqrt(sum(squares))  # 9.12: all of them together are one long vector
    # NumPy's minimum and maximum, because Python's would drop a NaN.
    scale = float(np.minimum(1.0, largest / np.maximum(norm, 1e-12)))  # 9.13: shorter, the same direction
    with np.errstate(invalid="ignore"):  # infinity times zero
        return {name: g * scale for name, g in gradients.items()}, norm


def schedule(begin: float, end: float, warmup: float, kind: str = "linear") -> float:
    """Return the share of the peak learning rate for the step from `begin` to `end`.

    It rises in a straight line over the first `warmup` of the run, and falls to zero over the rest. The rise
    looks at where the step ends and the fall at where it begins, so neither the first step nor the last one
    has a rate of zero.

    Args:
        begin: share of the run that is done before the step, in [0, 1].
        end: share of the run that is done after it.
        warmup: share of the run that the rise takes, in [0, 1].
        kind: "linear", or "cosine" (Loshchilov and Hutter 2017).

    Raises:
        ValueError: there is no such kind.
    """
    if kind not in ("linear", "cosine"):
        raise ValueError(f"no schedule {kind!r}; there is: linear, cosine")
    if end <= warmup:
        return end / warmup  # 9.14: the rise
    rest = min(1.0, (1 - begin) / (1 - warmup))  # 9.15: the fall
    return rest if kind == "linear" else 0.5 * (1 - math.cos(math.pi * rest))
