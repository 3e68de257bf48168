"""Multi-head attention: H small attentions side by side, each on its own K = D / H features."""

from typing import Any

import numpy as np

from minibert.byhand.attention import attention_backward, attention_forward
from minibert.byhand.linear import linear_backward, linear_forward
from minibert.byhand.parameters import Array, Mask, Parameters


def split_heads(x: Array, heads: int) -> Array:
    """Cut the features of every token into heads: (B, T, D) to (B, H, T, K), with D = H K.

    Head h of a token is the h-th stretch of K of its features. The numbers stay where they are in memory:
    only the way in which they are counted changes.

    Raises:
        ValueError: the D features cannot be cut into so many equal parts.
    """
    B, T, D = x.shape
    if heads < 1 or D % heads:
        raise ValueError(f"{D} features cannot be cut into {heads} heads of equal width")
    return x.reshape(B, T, heads, D // heads).transpose(0, 2, 1, 3)  # (B, H, T, K)


def merge_heads(x: Array) -> Array:
    """Lay the heads of every token side by side again: (B, H, T, K) to (B, T, D); undoes `split_heads`."""
    B, H, T, K = x.shape
    return x.transpose(0, 2, 1, 3).reshape(B, T, H * K)  # (B, T, D)


def multihead_forward(
    x: Array,
    source: Array,
    params: Parameters,
    heads: int,
    mask: Mask | None = None,
    rate: float = 0.0,
    generator: np.random.Generator | None = None,
) -> tuple[Array, Any]:
    """Let each token of x attend to the tokens of source, in H ways at once.

    head_h = attention(x Wq_h^T, source Wk_h^T, source Wv_h^T); out = [head_1 ... head_H] Wo^T, each product
    with a bias; W_h are K rows of W. Vaswani et al. 2017, section 3.2.2.

    Args:
        x: (B, T, D), asks: its tokens become the queries.
        source: (B, S, D), answers: its tokens become the keys and the values; x itself in self-attention.
        params: "query.weight" (D, D), "query.bias" (D,), and the same for "key", "value" and "output".
        heads: H, which must divide D.
        mask: True = may attend, broadcastable to (B, H, T, S).
        rate: share of the attention weights left out in training.
        generator: draws those; may be left out when rate is 0.

    Returns:
        out (B, T, D), and what `multihead_backward` needs.

    Raises:
        ValueError: the shapes do not fit, or H does not divide D.

    Differs from the paper: there the four products have no bias; BERT gave them one.
    """
    query, asking = linear_forward(x, params["query.weight"], params["query.bias"])  # (B, T, D)  5.1
    key, offering = linear_forward(source, params["key.weight"], params["key.bias"])  # (B, S, D)  5.1
    value, telling = linear_forward(source, params["value.weight"], params["value.bias"])  # (B, S, D)  5.1

    query, key, value = (split_heads(part, heads) for part in (query, key, value))  # 5.2
    found, attending = attention_forward(query, key, value, mask, rate, generator)  # (B, H, T, K)  5.3
    merged = merge_heads(found)  # (B, T, D)  5.4
    out, closing = linear_forward(merged, params["output.weight"], params["output.bias"])  # (B, T, D)  5.5
    return out, (heads, asking, offering, telling, attending, closing)


def multihead_backward(dout: Array, cache: Any) -> tuple[Array, Array, Parameters]:
    """Return dx (B, T, D), dsource (B, S, D) and the parameters' gradients by name from dout (B, T, D)."""
    heads, asking, offering, telling, attending, closing = cache

    dmerged, dweight, dbias = linear_backward(dout, closing)  # (B, T, D)  5.6: the last step comes first
    gradients = {"output.weight": dweight, "output.bias": dbias}
    dfound = split_heads(dmerged, heads)  # (B, H, T, K)  5.7: a merge is undone by a split
    dquery, dkey, dvalue = attention_backward(dfound, attending)  # 5.8: each head by itself, as in chapter 04

    dquery, dkey, dvalue = map(merge_heads, (dquery, dkey, dvalue))  # 5.9: a split is undone by a merge
    dx, gradients["query.weight"], gradients["query.bias"] = linear_backward(dquery, asking)  # 5.10
    dkeys, gradients["key.weight"], gradients["key.bias"] = linear_backward(dkey, offering)  # 5.10
    dvalues, gradients["value.weight"], gradients["value.bias"] = linear_backward(dvalue, telling)  # 5.10
    return dx, dkeys + dvalues, gradients  # 5.11: the source is used twice, so its gradients add up


def self_attention_forward(
    x: Array,
    params: Parameters,
    heads: int,
    mask: Mask | None = None,
    rate: float = 0.0,
    generator: np.random.Generator | None = None,
) -> tuple[Array, Any]:
    """Let each token of x (B, T, D) attend to its own sequence: `multihead_forward` with x as the source.

    Returns out (B, T, D), and what `self_attention_backward` needs.
    """
    return multihead_forward(x, x, params, heads, mask, rate, generator)


def self_attention_backward(dout: Array, cache: Any) -> tuple[Array, Parameters]:
    """Return dx (B, T, D) and the gradients of the parameters by name from dout (B, T, D)."""
    dasking, dsource, gradients = multihead_backward(dout, cache)
    return dasking + dsource, gradients  # 5.12: x is asked with and attended to, so both gradients add up
