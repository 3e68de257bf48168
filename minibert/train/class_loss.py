"""Losses of classification beside the plain cross-entropy: weighted classes, and several labels at once."""

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from minibert.train.loss import IGNORE, at_least_float32


def balanced_weights(counts: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return weights by which every class has the same say, however rare it is.

    w_c = n / (C n_c), for n examples of C classes, n_c of each. The sum of n_c w_c is n: over the training
    set the weights have mean 1, so that the loss keeps its size. King and Zeng 2001; scikit-learn's
    "balanced".

    Args:
        counts: (C,) n_c. A class without examples gets weight 0 and is not counted in C.
    """
    seen = counts > 0
    weights = np.zeros(len(counts))
    weights[seen] = counts.sum() / (seen.sum() * counts[seen])
    return weights


def weighted_cross_entropy(
    logits: Tensor, targets: Tensor, weights: Tensor, smoothing: float = 0.0
) -> Tensor:
    """Return the cross-entropy in which an example counts by the weight of its class.

    L = 1/n sum_i w_target(i) l_i, with l_i as of `cross_entropy`, over the n targets that count. It is not
    divided by the sum of the weights, as torch does: then the mean over parts of a batch would not be that of
    the batch, and a batch of one class would not feel its weight.

    Args:
        logits: (N, C).
        targets: (N,) int64 in [0, C), or IGNORE.
        weights: (C,).
        smoothing: share of the target's probability that is spread over all classes.

    Returns:
        Scalar, in nats.
    """
    logits = logits.to(at_least_float32(logits.dtype))
    counts = targets != IGNORE
    index = targets.masked_fill(~counts, 0)
    true = (1 - smoothing) * logits.gather(1, index[:, None])[:, 0] + smoothing * logits.mean(dim=1)  # (N,)
    losses = weights.to(logits)[index] * (torch.logsumexp(logits, dim=1) - true)
    return losses.masked_fill(~counts, 0.0).sum() / counts.sum().clamp(min=1)


def binary_cross_entropy(
    logits: Tensor, targets: Tensor, weights: Tensor | None = None, smoothing: float = 0.0
) -> Tensor:
    """Return the mean loss of independent yes-or-no questions: does the text have the label?

    l = -y log p - (1 - y) log(1 - p) with p = 1 / (1 + exp(-z)), which is log(1 + exp z) - y z and needs no
    logarithm of a number that may have become 0. With smoothing s, y is (1 - s) y + s / 2.

    Args:
        logits: (N, C), z.
        targets: (N, C) of 0 and 1, y.
        weights: (2, C), by which no and yes count for each label; all 1 if not given.
        smoothing: s, from 0 to below 1.

    Returns:
        Scalar, in nats: the mean over all N C questions.
    """
    logits = logits.to(at_least_float32(logits.dtype))
    y = targets.to(logits)
    smooth = (1 - smoothing) * y + smoothing / 2
    losses = F.softplus(logits) - smooth * logits
    if weights is not None:
        no, yes = weights.to(logits)
        losses = (no + (yes - no) * y) * losses
    return losses.mean()
