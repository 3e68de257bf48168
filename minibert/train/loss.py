"""Cross-entropy, alone and joined with the projection before it; the mean squared error for numbers."""

import torch
import torch.nn.functional as F
from torch import Tensor

IGNORE = -100
"""Target of a position that does not count."""

LOGITS = 1 << 22
"""Logits that `linear_cross_entropy` holds at a time, about: 16 MB in float32."""


def at_least_float32(dtype: torch.dtype) -> torch.dtype:
    """Return the type to work out a loss in: float32 for half precision, otherwise the type itself."""
    return torch.promote_types(dtype, torch.float32)


def cross_entropy(logits: Tensor, targets: Tensor, smoothing: float = 0.0) -> Tensor:
    """Return the mean of -log softmax(logits)[target] over the targets that count.

    L = 1/n sum_i (log sum_v exp z_iv - z_i,target(i)). Where no target counts, L = 0 with zero gradient.
    With smoothing s, z_i,target(i) becomes (1 - s) z_i,target(i) + s mean_v z_iv: the share s of the target's
    probability is spread over all classes, the target too (Szegedy et al. 2016, section 7).

    Args:
        logits: (N, V).
        targets: (N,) int64 in [0, V), or IGNORE.
        smoothing: s, from 0 to below 1.

    Returns:
        Scalar, in nats.

    Raises:
        ValueError: a smoothing outside [0, 1).
    """
    if not 0 <= smoothing < 1:
        raise ValueError(f"smoothing must be in [0, 1), got {smoothing}")
    logits = logits.to(at_least_float32(logits.dtype))  # half precision, if autocast made them in it
    counts = targets != IGNORE
    true = logits.gather(1, targets.masked_fill(~counts, 0)[:, None])[:, 0]  # (N,)
    if smoothing:
        true = (1 - smoothing) * true + smoothing * logits.mean(dim=1)
    losses = (torch.logsumexp(logits, dim=1) - true).masked_fill(~counts, 0.0)
    return losses.sum() / counts.sum().clamp(min=1)


def mean_squared_error(prediction: Tensor, target: Tensor) -> Tensor:
    """Return the mean of (prediction - target)^2 over all entries, a scalar.

    Any shape, the same for both. Raises ValueError for two shapes, which torch would broadcast: (N,) against
    (N, 1) compares all with all.
    """
    if prediction.shape != target.shape:
        raise ValueError(
            f"prediction {tuple(prediction.shape)} and target {tuple(target.shape)} must have one shape"
        )
    return (prediction - target).square().mean()


def linear_cross_entropy(features: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor) -> Tensor:
    """Return cross_entropy(features @ weight.T + bias, targets), the projection and the loss as one.

    The gradient of the logits is w (softmax - one-hot), with w = 1/n where a target counts and 0 elsewhere.
    It is made from the softmax in the forward pass, and multiplied at once with the features and the weights:
    the (N, V) matrix, the largest of a step, is neither kept for the backward pass nor made again in it, and
    there are never more than `rows_at_once` rows of it. In half precision, as under autocast, only the
    products are made in it; all else is float32.

    Source: the idea of the fused loss in Liger Kernel (Hsu et al. 2024), for the CPU as well.

    Args:
        features: (N, D).
        weight: (V, D).
        bias: (V,), or none.
        targets: (N,) int64 in [0, V), or IGNORE.

    Returns:
        Scalar, in nats.
    """
    return LinearCrossEntropy.apply(features, weight, bias, targets)  # pyright: ignore[reportReturnType]


def rows_at_once(V: int) -> int:
    """Return how many rows of V logits are worked out together: about LOGITS numbers, at least 256 rows."""
    return max(256, LOGITS // V)


class LinearCrossEntropy(torch.autograd.Function):
    """The two passes of `linear_cross_entropy`."""

    @staticmethod
    def forward(ctx, features: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor) -> Tensor:
        """Return the loss; leave its gradients in `ctx` for the backward pass.

        With z = features weight^T + bias (N, V), p = softmax(z), y the one-hot targets, and w = 1/n where a
        target counts and 0 elsewhere (n is how many count; where none does, all w are 0):

        loss = sum_i w_i (log sum_v exp z_iv - z_i,target(i));  G = w (p - y)  (N, V)
        dfeatures = G weight;  dweight = G^T features;  dbias = sum_i G_i

        These three, in this order, go to `ctx.save_for_backward`, and nothing else; without a bias the last
        is None. Autograd records nothing in here, so tensors that are made in here may be changed in place.
        """
        exact = at_least_float32(features.dtype)
        total = torch.zeros((), dtype=exact, device=features.device)
        dfeatures, dweight = (torch.zeros_like(t, dtype=exact) for t in (features, weight))
        dbias = None if bias is None else torch.zeros_like(bias, dtype=exact)
        counts = targets != IGNORE  # (N,)
        n = counts.sum().clamp(min=1)

        size = rows_at_once(len(weight))
        for first in range(0, len(features), size):
            rows = slice(first, first + size)
            index = targets[rows].clamp(min=0)[:, None]
            logits = F.linear(features[rows], weight, bias)  # (rows, V)
            seen = counts[rows].to(logits.dtype)  # (rows,), 1 or 0
            softmax = torch.softmax(logits, dim=1, dtype=at_least_float32(logits.dtype))
            # log sum exp z = max z - log max softmax, and the largest softmax is at least 1 / V.
            normaliser = logits.amax(1) - softmax.amax(1).log()
            losses = normaliser - logits.gather(1, index)[:, 0]
            total += (losses * seen).sum()

            # The weight of a row is applied to the small factors of each product, not to (rows, V); and its
            # 1/n only after the product: in half precision most of 1/n (p - y) would be zero.
            unweighted = softmax.scatter_add_(1, index, torch.full_like(index, -1, dtype=softmax.dtype))
            slopes = unweighted.to(logits.dtype)
            dfeatures[rows] = (slopes @ weight) * seen[:, None]
            dweight += slopes.T @ (features[rows] * seen[:, None])
            if dbias is not None:
                dbias += seen @ slopes
        dfeatures, dweight, dbias = (None if d is None else d.div_(n) for d in (dfeatures, dweight, dbias))
        ctx.save_for_backward(dfeatures, dweight, dbias)
        return total / n

    @staticmethod
    def backward(ctx, dloss: Tensor):  # pyright: ignore[reportIncompatibleMethodOverride]
        """Return the gradients of features, weight and bias; the targets have none."""
        return *(None if d is None else dloss * d for d in ctx.saved_tensors), None
