"""The transformer block: attention, then feed-forward, each added to what came in, with layer norms.

Three blocks: BERT's, normalised after each sum (post-norm); the one normalised before each branch (pre-norm);
and the decoder's, which also looks at a second sequence. Any of them is causal with a causal mask.
"""

from typing import Any

import numpy as np

from minibert.byhand.dropout import dropout_backward, dropout_forward
from minibert.byhand.feedforward import feedforward_backward, feedforward_forward
from minibert.byhand.layernorm import layernorm_backward, layernorm_forward
from minibert.byhand.multihead import (
    multihead_backward,
    multihead_forward,
    self_attention_backward,
    self_attention_forward,
)
from minibert.byhand.parameters import Array, Mask, Parameters, join, part


def add_norm_forward(
    x: Array,
    branch: Array,
    params: Parameters,
    eps: float = 1e-12,
    rate: float = 0.0,
    generator: np.random.Generator | None = None,
) -> tuple[Array, Any]:
    """Add to x what a branch made of it, and normalise the sum.

    y = norm(x + dropout(branch)). Vaswani et al. 2017, sections 3.1 and 5.4.

    Args:
        x, branch: (..., D).
        params: "weight" (D,) and "bias" (D,) of the norm.
        eps: what is added to the variance under the root of the norm.
        rate: share of the branch left out, in training.
        generator: draws which; may be left out when rate is 0.

    Returns:
        y (..., D), and what `add_norm_backward` needs.
    """
    kept, left = dropout_forward(branch, rate, generator)  # (..., D)
    y, norm = layernorm_forward(x + kept, params["weight"], params["bias"], eps)
    return y, (left, norm)


def add_norm_backward(dy: Array, cache: Any) -> tuple[Array, Array, Parameters]:
    """Return dx (..., D), dbranch (..., D) and the gradients of the parameters by name from dy (..., D)."""
    left, norm = cache

    dsum, dscale, dshift = layernorm_backward(dy, norm)  # (..., D)  7.14: back through the norm
    dbranch = dropout_backward(dsum, left)  # 7.15: each term of a sum gets its whole gradient
    return dsum, dbranch, {"weight": dscale, "bias": dshift}


def block_forward(
    x: Array,
    params: Parameters,
    heads: int,
    mask: Mask | None = None,
    activation: str = "gelu",
    eps: float = 1e-12,
    rate: float = 0.0,
    attention_rate: float = 0.0,
    generator: np.random.Generator | None = None,
) -> tuple[Array, Any]:
    """Let the tokens listen to each other, then think, and normalise after each (post-norm).

    middle = norm(x + dropout(attention(x))); out = norm(middle + dropout(feedforward(middle))).
    Vaswani et al. 2017, sections 3.1 and 5.4.

    Args:
        x: (B, T, D).
        params: "attention.…" as in `self_attention_forward`, "feedforward.…" as in `feedforward_forward`, and
            "attention_norm.…" and "feedforward_norm.…", each a "weight" (D,) and a "bias" (D,).
        heads: H, of which each is D / H wide.
        mask: True = may attend, broadcastable to (B, H, T, T); None lets all attend to all.
        activation: "gelu", "gelu_tanh" or "relu".
        eps: what is added to the variance under the root of the norms.
        rate: share of what each branch gives left out, in training.
        attention_rate: share of the attention weights left out, in training.
        generator: draws both; may be left out when the rates are 0.

    Returns:
        out (B, T, D), and what `block_backward` needs.
    """
    heard, attention = self_attention_forward(
        x, part(params, "attention"), heads, mask, attention_rate, generator
    )
    middle, attention_norm = add_norm_forward(x, heard, part(params, "attention_norm"), eps, rate, generator)
    thought, feedforward = feedforward_forward(middle, part(params, "feedforward"), activation)
    out, feedforward_norm = add_norm_forward(
        middle, thought, part(params, "feedforward_norm"), eps, rate, generator
    )
    return out, (attention, attention_norm, feedforward, feedforward_norm)


def block_backward(dout: Array, cache: Any) -> tuple[Array, Parameters]:
    """Return dx (B, T, D) and the gradients of the parameters by name from dout (B, T, D)."""
    attention, attention_norm, feedforward, feedforward_norm = cache

    dmiddle, dthought, dfeedforward_norm = add_norm_backward(dout, feedforward_norm)
    through_feedforward, dfeedforward = feedforward_backward(dthought, feedforward)
    dmiddle = dmiddle + through_feedforward  # (B, T, D)  7.16: straight back, and by the branch

    dx, dheard, dattention_norm = add_norm_backward(dmiddle, attention_norm)
    through_attention, dattention = self_attention_backward(dheard, attention)
    dx = dx + through_attention  # (B, T, D)  7.17: and once more
    return dx, join(
        attention=dattention,
        attention_norm=dattention_norm,
        feedforward=dfeedforward,
        feedforward_norm=dfeedforward_norm,
    )


def prenorm_block_forward(
    x: Array,
    params: Parameters,
    heads: int,
    mask: Mask | None = None,
    activation: str = "gelu",
    eps: float = 1e-12,
    rate: float = 0.0,
    attention_rate: float = 0.0,
    generator: np.random.Generator | None = None,
) -> tuple[Array, Any]:
    """Let the tokens listen to each other, then think, each on a normalised copy (pre-norm).

    middle = x + dropout(attention(norm(x))); out = middle + dropout(feedforward(norm(middle))).
    Xiong et al. 2020, table 1; Radford et al. 2019, section 2.3.

    A stack of these needs one more norm after the last, for nothing here brings the sum itself to size.

    Args:
        x: (B, T, D).
        params: "attention.…" as in `self_attention_forward`, "feedforward.…" as in `feedforward_forward`, and
            "attention_norm.…" and "feedforward_norm.…", each a "weight" (D,) and a "bias" (D,).
        heads: H, of which each is D / H wide.
        mask: True = may attend, broadcastable to (B, H, T, T); None lets all attend to all.
        activation: "gelu", "gelu_tanh" or "relu".
        eps: what is added to the variance under the root of the norms.
        rate: share of what each branch gives left out, in training.
        attention_rate: share of the attention weights left out, in training.
        generator: draws both; may be left out when the rates are 0.

    Returns:
        out (B, T, D), and what `prenorm_block_backward` needs.
    """
    normal, attention_norm = layernorm_forward(
        x, params["attention_norm.weight"], params["attention_norm.bias"], eps
    )
    heard, attention = self_attention_forward(
        normal, part(params, "attention"), heads, mask, attention_rate, generator
    )
    heard, attention_left = dropout_forward(heard, rate, generator)
    middle = x + heard  # (B, T, D)

    normal, feedforward_norm = layernorm_forward(
        middle, params["feedforward_norm.weight"], params["feedforward_norm.bias"], eps
    )
    thought, feedforward = feedforward_forward(normal, part(params, "feedforward"), activation)
    thought, feedforward_left = dropout_forward(thought, rate, generator)
    out = middle + thought  # (B, T, D)
    return out, (attention_norm, attention, attention_left, feedforward_norm, feedforward, feedforward_left)


def prenorm_block_backward(dout: Array, cache: Any) -> tuple[Array, Parameters]:
    """Return dx (B, T, D) and the gradients of the parameters by name from dout (B, T, D)."""
    attention_norm, attention, attention_left, feedforward_norm, feedforward, feedforward_left = cache

    dthought = dropout_backward(dout, feedforward_left)
    dnormal, dfeedforward = feedforward_backward(dthought, feedforward)
    through_feedforward, dscale2, dshift2 = layernorm_backward(dnormal, feedforward_norm)
    dmiddle = dout + through_feedforward  # (B, T, D)  7.18: straight back comes dout itself

    dheard = dropout_backward(dmiddle, attention_left)
    dnormal, dattention = self_attention_backward(dheard, attention)
    through_attention, dscale1, dshift1 = layernorm_backward(dnormal, attention_norm)
    dx = dmiddle + through_attention  # (B, T, D)  7.19: and once more
    return dx, join(
        attention=dattention,
        attention_norm={"weight": dscale1, "bias": dshift1},
        feedforward=dfeedforward,
        feedforward_norm={"weight": dscale2, "bias": dshift2},
    )


def cross_block_forward(
    x: Array,
    source: Array,
    params: Parameters,
    heads: int,
    mask: Mask | None = None,
    source_mask: Mask | None = None,
    activation: str = "gelu",
    eps: float = 1e-12,
    rate: float = 0.0,
    attention_rate: float = 0.0,
    generator: np.random.Generator | None = None,
) -> tuple[Array, Any]:
    """Listen to the own sequence, then read another one, then think; normalise after each (post-norm).

    first = norm(x + dropout(attention(x))); second = norm(first + dropout(cross(first, source)));
    out = norm(second + dropout(feedforward(second))). Vaswani et al. 2017, section 3.1, the decoder.

    Args:
        x: (B, T, D), whence the queries.
        source: (B, S, D), whence the keys and the values of the second attention.
        params: as for `block_forward`, and "cross.…" and "cross_norm.…" for the second attention.
        mask: True = may attend, broadcastable to (B, H, T, T); in a decoder the causal mask.
        source_mask: True = may attend, broadcastable to (B, H, T, S), as the padding of source.
        heads, activation, eps, rate, attention_rate, generator: as for `block_forward`.

    Returns:
        out (B, T, D), and what `cross_block_backward` needs.
    """
    heard, attention = self_attention_forward(
        x, part(params, "attention"), heads, mask, attention_rate, generator
    )
    first, attention_norm = add_norm_forward(x, heard, part(params, "attention_norm"), eps, rate, generator)
    read, cross = multihead_forward(
        first, source, part(params, "cross"), heads, source_mask, attention_rate, generator
    )
    second, cross_norm = add_norm_forward(first, read, part(params, "cross_norm"), eps, rate, generator)
    thought, feedforward = feedforward_forward(second, part(params, "feedforward"), activation)
    out, feedforward_norm = add_norm_forward(
        second, thought, part(params, "feedforward_norm"), eps, rate, generator
    )
    return out, (attention, attention_norm, cross, cross_norm, feedforward, feedforward_norm)


def cross_block_backward(dout: Array, cache: Any) -> tuple[Array, Array, Parameters]:
    """Return dx (B, T, D), dsource (B, S, D) and the parameters' gradients by name from dout (B, T, D)."""
    attention, attention_norm, cross, cross_norm, feedforward, feedforward_norm = cache

    dsecond, dthought, dfeedforward_norm = add_norm_backward(dout, feedforward_norm)
    through_feedforward, dfeedforward = feedforward_backward(dthought, feedforward)
    dsecond = dsecond + through_feedforward  # (B, T, D)  7.16

    dfirst, dread, dcross_norm = add_norm_backward(dsecond, cross_norm)
    through_cross, dsource, dcross = multihead_backward(dread, cross)  # 7.20: here alone source is looked at
    dfirst = dfirst + through_cross  # (B, T, D)  7.21: what comes by this branch comes through the queries

    dx, dheard, dattention_norm = add_norm_backward(dfirst, attention_norm)
    through_attention, dattention = self_attention_backward(dheard, attention)
    dx = dx + through_attention  # (B, T, D)  7.17
    dparams = join(
        attention=dattention,
        attention_norm=dattention_norm,
        cross=dcross,
        cross_norm=dcross_norm,
        feedforward=dfeedforward,
        feedforward_norm=dfeedforward_norm,
    )
    return dx, dsource, dparams
