"""Scaled dot-product attention: each query takes a mean of the values, weighted by how it fits the keys.

All arrays may have any axes before the last two, the same for query, key and value; here (B, H).
"""

import math
from typing import Any

import numpy as np

from minibert.byhand.dropout import dropout_backward, dropout_forward
from minibert.byhand.parameters import Array, Mask


def softmax_forward(scores: Array, mask: Mask | None = None) -> tuple[Array, Any]:
    """Turn each row of scores into weights: none negative, with sum one.

    weights_s = exp(scores_s) / sum_u exp(scores_u), where s and u are keys that the mask allows; the others
    have weight zero, and so has every key of a row that may attend to nothing.

    Args:
        scores: (..., S).
        mask: bool, True = may attend, broadcastable to the shape of scores; None allows all.

    Returns:
        weights (..., S), and what `softmax_backward` needs.

    Raises:
        ValueError: the mask is not boolean or does not fit.
    """
    if mask is not None:
        check_mask(mask, scores.shape)
        scores = np.where(mask, scores, -np.inf)
    # At least the lowest finite number: where a row may attend to nothing, -inf - -inf would be no number.
    highest = scores.max(axis=-1, keepdims=True, initial=np.finfo(scores.dtype).min)
    exponentials = np.exp(scores - highest)  # the highest becomes exp(0), so that nothing overflows
    total = exponentials.sum(axis=-1, keepdims=True)
    weights = exponentials / np.where(total == 0, 1, total)
    return weights, weights


def softmax_backward(dweights: Array, cache: Any) -> Array:
    """Return dscores (..., S) from dweights (..., S)."""
    weights = cache
    mean = (weights * dweights).sum(axis=-1, keepdims=True)  # what a unit of weight costs, on average
    return weights * (dweights - mean)  # 4.5: how far above the mean this key costs; the sum stays 1


def attention_forward(
    query: Array,
    key: Array,
    value: Array,
    mask: Mask | None = None,
    rate: float = 0.0,
    generator: np.random.Generator | None = None,
) -> tuple[Array, Any]:
    """Give each query a mean of the values, weighted by how well it fits their keys.

    weights = softmax(query key^T / sqrt K) over the keys; out = weights value. Vaswani et al. 2017, eq. 1.

    Args:
        query: (B, H, T, K).
        key: (B, H, S, K).
        value: (B, H, S, K); its width may be another than K.
        mask: bool, True = may attend, broadcastable to (B, H, T, S); None allows all.
        rate: share of the weights left out, in training.
        generator: draws which; may be left out when rate is 0.

    Returns:
        out (B, H, T, K), zeros for a query that may attend to nothing, and what `attention_backward` needs.

    Raises:
        ValueError: shapes that do not fit, or a mask that is not boolean or does not fit.

    Differs from the paper: dropout on the weights is in its code and in BERT's, and not in its text.
    """
    check_shapes(query, key, value)
    K = query.shape[-1]

    scores = query @ key.swapaxes(-2, -1) / math.sqrt(K)  # (B, H, T, S)  4.1
    weights, soft = softmax_forward(scores, mask)  # 4.2
    kept, left = dropout_forward(weights, rate, generator)
    return kept @ value, (query, key, value, soft, kept, left)  # (B, H, T, K)  4.3


def attention_backward(dout: Array, cache: Any) -> tuple[Array, Array, Array]:
    """Return dquery (B, H, T, K), dkey and dvalue (B, H, S, K) from dout (B, H, T, K)."""
    query, key, value, soft, kept, left = cache
    K = query.shape[-1]

    dvalue = kept.swapaxes(-2, -1) @ dout  # (B, H, S, K)  4.6: a value hears from every query that took of it
    dkept = dout @ value.swapaxes(-2, -1)  # (B, H, T, S)  4.7: what more weight on a value would cost
    dweights = dropout_backward(dkept, left)
    dscores = softmax_backward(dweights, soft) / math.sqrt(K)  # (B, H, T, S)  4.5, and the root of 4.1
    dquery = dscores @ key  # (B, H, T, K)  4.8: descent turns a query away from what costs more
    dkey = dscores.swapaxes(-2, -1) @ query  # (B, H, S, K)  4.9: a key hears from every query
    return dquery, dkey, dvalue


def attention_weights(query: Array, key: Array, mask: Mask | None = None) -> Array:
    """Return the weights of `attention_forward`: query (B, H, T, K) and key (B, H, S, K) to (B, H, T, S)."""
    K = query.shape[-1]
    return softmax_forward(query @ key.swapaxes(-2, -1) / math.sqrt(K), mask)[0]


def causal_mask(T: int) -> Mask:
    """Return (T, T), True where a position may attend: to itself and to all before it."""
    return np.tri(T, dtype=bool)


def padding_mask(attend: Mask) -> Mask:
    """Return attend (B, T), True at tokens that may be attended to, as a mask (B, 1, 1, T) for all queries.

    Raises ValueError when attend is not boolean or has not two axes.
    """
    if attend.dtype != np.bool_ or attend.ndim != 2:
        raise ValueError(
            f"attend must be boolean (True = may be attended to) and (B, T), "
            f"got {attend.dtype} of shape {attend.shape}"
        )
    return attend[:, None, None, :]


def online_attention(
    query: Array, key: Array, value: Array, mask: Mask | None = None, block: int = 128
) -> Array:
    """Attend to a block of keys at a time: the numbers of `attention_forward`, without ever all the scores.

    Kept for each query, over the keys so far: the highest score m, total = sum_s exp(score_s - m) and
    out = sum_s exp(score_s - m) value_s. When m rises to m', both sums shrink by exp(m - m').
    Milakov and Gimelshein 2018, algorithm 3; Dao et al. 2022, algorithm 1.

    Args:
        query: (B, H, T, K).
        key, value: (B, H, S, K).
        mask: bool, True = may attend, broadcastable to (B, H, T, S); None allows all.
        block: how many keys at a time.

    Returns:
        (B, H, T, K), zeros for a query that may attend to nothing.

    Raises:
        ValueError: shapes that do not fit, a mask that is not boolean or does not fit, or an empty block.
    """
    if block < 1:
        raise ValueError(f"a block must hold at least one key, got {block}")
    check_shapes(query, key, value)
    *axes, T, K = query.shape
    S = key.shape[-2]
    if mask is not None:
        check_mask(mask, (*axes, T, S))
        mask = np.broadcast_to(mask, (*axes, T, S))  # a view, which takes no memory

    highest = np.full((*axes, T, 1), np.finfo(query.dtype).min, query.dtype)
    total = np.zeros((*axes, T, 1), query.dtype)
    out = np.zeros((*axes, T, value.shape[-1]), query.dtype)
    for start in range(0, S, block):
        some = slice(start, start + block)
        scores = query @ key[..., some, :].swapaxes(-2, -1) / math.sqrt(K)  # (B, H, T, block)
        if mask is not None:
            scores = np.where(mask[..., some], scores, -np.inf)

        higher = np.maximum(highest, scores.max(axis=-1, keepdims=True))  # (B, H, T, 1)  4.10
        shrink = np.exp(highest - higher)  # 4.11: what was summed so far, measured by the new highest
        exponentials = np.exp(scores - higher)  # (B, H, T, block)
        total = shrink * total + exponentials.sum(axis=-1, keepdims=True)  # 4.12
        out = shrink * out + exponentials @ value[..., some, :]  # (B, H, T, K)  4.13
        highest = higher
    return out / np.where(total == 0, 1, total)  # 4.14: only now the division, once


def check_shapes(query: Array, key: Array, value: Array) -> None:
    """Raise ValueError unless query (..., T, K), key (..., S, K) and value (..., S, any) fit."""
    fits = (
        query.shape[:-2] == key.shape[:-2] == value.shape[:-2]
        and query.shape[-1] == key.shape[-1]
        and key.shape[-2] == value.shape[-2]
    )
    if not fits:
        raise ValueError(
            f"query (B, H, T, K), key (B, H, S, K) and value (B, H, S, K) do not fit: "
            f"got {query.shape}, {key.shape}, {value.shape}"
        )


def check_mask(mask: Mask, scores: tuple[int, ...]) -> None:
    """Raise ValueError unless mask is boolean and broadcastable to the shape of the scores."""
    fits = mask.ndim <= len(scores) and all(
        m in (1, n) for m, n in zip(mask.shape[::-1], scores[::-1], strict=False)
    )
    if mask.dtype != np.bool_ or not fits:
        raise ValueError(
            f"mask must be boolean (True = may attend), broadcastable to (B, H, T, S) = {scores}, "
            f"got {mask.dtype} of shape {mask.shape}"
        )
