"""Cross-entropy, alone and joined with the projection before it."""

import torch
import torch.nn.functional as F
from torch import Tensor

IGNORE = -100
"""Target of a position that does not count."""


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the mean of -log softmax(logits)[target] over the targets that count.

    L = 1/n sum_i (log sum_v exp z_iv - z_i,target(i)). Where no target counts, L = 0 with zero gradient.

    Args:
        logits: (N, V).
        targets: (N,) int64 in [0, V), or IGNORE.

    Returns:
        Scalar, in nats.
    """
    counts = targets != IGNORE
    true = logits.gather(1, targets.clamp(min=0)[:, None])[:, 0]  # (N,)
    losses = (torch.logsumexp(logits, dim=1) - true).masked_fill(~counts, 0.0)
    return losses.sum() / counts.sum().clamp(min=1)


def linear_cross_entropy(features: Tensor, weight: Tensor, bias: Tensor, targets: Tensor) -> Tensor:
    """Return cross_entropy(features @ weight.T + bias, targets), holding the logits only once.

    The gradient of the logits is (softmax - one-hot) / n. It is written over the logits in the forward pass,
    and multiplied at once with the features and the weights: the (N, V) matrix, the largest of a BERT step,
    is neither kept nor computed again.

    Source: the idea of the fused loss in Liger Kernel (Hsu et al. 2024), for the CPU as well.

    Args:
        features: (N, D).
        weight: (V, D).
        bias: (V,).
        targets: (N,) int64 in [0, V), or IGNORE.

    Returns:
        Scalar, in nats.
    """
    return _LinearCrossEntropy.apply(features, weight, bias, targets)  # pyright: ignore[reportReturnType]


class _LinearCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx, features: Tensor, weight: Tensor, bias: Tensor, targets: Tensor) -> Tensor:
        counts = targets != IGNORE
        n = counts.sum().clamp(min=1)
        index = targets.clamp(min=0)[:, None]

        logits = F.linear(features, weight, bias)  # (N, V)
        log_probability = torch.log_softmax(logits, dim=1)
        losses = log_probability.gather(1, index)[:, 0].masked_fill(~counts, 0.0)

        dlogits = torch.exp(log_probability, out=logits)
        dlogits.scatter_add_(1, index, torch.full_like(index, -1, dtype=logits.dtype))
        dlogits.mul_((counts.to(logits.dtype) / n)[:, None])
        ctx.save_for_backward(dlogits @ weight, dlogits.T @ features, dlogits.sum(0))
        return -losses.sum() / n

    @staticmethod
    def backward(ctx, dloss: Tensor):  # pyright: ignore[reportIncompatibleMethodOverride]
        dfeatures, dweight, dbias = ctx.saved_tensors
        return dloss * dfeatures, dloss * dweight, dloss * dbias, None
