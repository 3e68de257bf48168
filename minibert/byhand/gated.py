"""The gated feed-forward block: one linear layer says how much of another's output goes on."""

from collections.abc import Callable
from typing import Any

import numpy as np

from minibert.byhand.activation import gelu_backward, gelu_forward
from minibert.byhand.linear import linear_backward, linear_forward
from minibert.byhand.parameters import Array, Parameters


def silu_forward(x: Array) -> tuple[Array, Any]:
    """Weigh x by its own sigmoid.

    silu(x) = x sigmoid(x), with sigmoid(x) = 1 / (1 + e^-x). Hendrycks and Gimpel 2016, section 2; Elfwing et
    al. 2018, eq. 10. Any shape; the same shape comes back, and what `silu_backward` needs.
    """
    share = (1 + np.tanh(x / 2)) / 2  # the sigmoid, without an e^-x that overflows
    return x * share, (x, share)


def silu_backward(dy: Array, cache: Any) -> Array:
    """Return dx from dy, both of the shape of x."""
    x, share = cache
    return dy * share * (1 + x * (1 - share))  # 6.10: the slope of the sigmoid is share (1 - share)


def product_forward(x: Array, weight: Array) -> tuple[Array, Any]:
    """Return y = x W^T: a linear layer without a bias. x (..., I), weight (O, I); y (..., O)."""
    return linear_forward(x, weight, np.zeros(len(weight), weight.dtype))


def product_backward(dy: Array, cache: Any) -> tuple[Array, Array]:
    """Return dx (..., I) and dweight (O, I) from dy (..., O)."""
    dx, dweight, _ = linear_backward(dy, cache)  # 2.4 and 2.5: no bias, nothing to learn for one
    return dx, dweight


GATES: dict[str, tuple[Callable[[Array], tuple[Array, Any]], Callable[[Array, Any], Array]]] = {
    "silu": (silu_forward, silu_backward),
    "gelu": (gelu_forward, gelu_backward),
}
"""What bends a gate, forward and backward: silu in SwiGLU (Llama), gelu in GeGLU (ModernBERT)."""


def gated_forward(x: Array, params: Parameters, bend: str = "silu") -> tuple[Array, Any]:
    """Widen each token's numbers twice, let one half say how much of the other goes on, and narrow.

    gated(x) = (bend(x Wg^T) * x W1^T) W2^T, without biases. Shazeer 2020, eq. 6.

    Args:
        x: (..., D).
        params: "gate.weight" (F, D), "expand.weight" (F, D), "contract.weight" (D, F).
        bend: "silu" or "gelu".

    Returns:
        y (..., D), and what `gated_backward` needs.

    Raises:
        ValueError: the shapes do not fit, or there is no such curve.
    """
    if bend not in GATES:
        raise ValueError(f"no curve {bend!r} for a gate; there is: {', '.join(GATES)}")
    bend_forward, bend_backward = GATES[bend]

    opening, gate = product_forward(x, params["gate.weight"])  # (..., F)
    opened, bent = bend_forward(opening)
    wide, expand = product_forward(x, params["expand.weight"])  # (..., F)
    y, contract = product_forward(opened * wide, params["contract.weight"])  # (..., D)
    return y, (gate, bent, bend_backward, opened, expand, wide, contract)


def gated_backward(dy: Array, cache: Any) -> tuple[Array, Parameters]:
    """Return dx (..., D) and the gradients of the parameters by name from dy (..., D)."""
    gate, bent, bend_backward, opened, expand, wide, contract = cache

    dgated, dcontract = product_backward(dy, contract)  # (..., F)  6.11: the last step comes first
    dopening = bend_backward(dgated * wide, bent)  # 6.12: a product, each factor by the other; the curve
    dwide = dgated * opened  # 6.12: and the other half, which has no curve
    through_gate, dgate = product_backward(dopening, gate)  # (..., D)
    through_expand, dexpand = product_backward(dwide, expand)  # (..., D)
    gradients = {"gate.weight": dgate, "expand.weight": dexpand, "contract.weight": dcontract}
    return through_gate + through_expand, gradients  # 6.13: x went both ways
