"""Scaled dot-product attention: each query takes a mean of the values, weighted by how it fits the keys."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def scaled_dot_product(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, dropout: float = 0.0
) -> tuple[Tensor, Tensor]:
    """Attend, written out, and return the weights too.

    weights = softmax(query key^T / sqrt K) over the keys; out = weights value.
    Vaswani et al. 2017, eq. 1. query (B, H, T, K); key and value (B, H, S, K);
    mask bool, True = may attend, broadcastable to (B, H, T, S); dropout: share of weights left out.
    Returns out (B, H, T, K) and weights (B, H, T, S). A query that may attend to nothing gets zeros.
    Raises ValueError when the mask is not boolean or does not fit.
    """
    check_mask(query, key, mask)
    K = query.shape[-1]
    scores = query @ key.transpose(-2, -1) / math.sqrt(K)  # (B, H, T, S)
    if mask is None:
        weights = torch.softmax(scores, dim=-1)
    else:
        # The lowest finite number, not -inf: a row with every score at -inf would be 0 / 0.
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
        weights = torch.softmax(scores, dim=-1).masked_fill(~mask, 0)

    weights = F.dropout(weights, dropout)
    return weights @ value, weights


def attention(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, dropout: float = 0.0
) -> Tensor:
    """Attend with torch's fused kernel: the same numbers as `scaled_dot_product`, without the weights.

    query (B, H, T, K); key and value (B, H, S, K), or of fewer heads: see `shared`. mask bool, True = may
    attend, broadcastable to (B, H, T, S). Returns (B, H, T, K); zeros for a query that may attend to nothing.
    Raises ValueError when the mask is not boolean or does not fit.
    """
    check_mask(query, key, mask)
    return F.scaled_dot_product_attention(
        query, key, value, attn_mask=mask, dropout_p=dropout, enable_gqa=shared(query, key)
    )


def causal_attention(query: Tensor, key: Tensor, value: Tensor, dropout: float = 0.0) -> Tensor:
    """Attend with torch's causal kernel: query t to the keys 0 to t, and no mask is made.

    The numbers of `attention` under a lower triangular mask, in about half the time: what lies above the
    diagonal is not worked out. query (B, H, T, K); key and value (B, H, T, K), or of fewer heads: see
    `shared`. Returns (B, H, T, K).
    """
    return F.scaled_dot_product_attention(
        query, key, value, dropout_p=dropout, is_causal=True, enable_gqa=shared(query, key)
    )


def shared(query: Tensor, key: Tensor) -> bool:
    """Return whether heads of queries share a head of keys: G heads of keys serve H / G neighbours each.

    Query head h looks at key head h // (H / G). Ainslie et al. 2023, section 2.2.
    query (B, H, T, K), key (B, G, S, K), H a multiple of G.
    """
    return query.shape[1] != key.shape[1]


def check_mask(query: Tensor, key: Tensor, mask: Tensor | None) -> None:
    """Raise ValueError unless mask is boolean, of 2 to 4 axes, and broadcastable to (B, H, T, S)."""
    if mask is None:
        return
    full = (*query.shape[:-1], key.shape[-2])  # (B, H, T, S)
    fits = 2 <= mask.ndim <= 4 and all(
        m in (1, n) for m, n in zip(mask.shape[::-1], full[::-1], strict=False)
    )
    if mask.dtype != torch.bool or not fits:
        raise ValueError(
            f"mask must be boolean (True = may attend), broadcastable to (B, H, T, S) = {full}, "
            f"of 2 to 4 axes, got {mask.dtype} of shape {tuple(mask.shape)}"
        )
