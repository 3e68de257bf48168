"""The feed-forward block: two linear layers with a curve between them, for each token by itself."""

from typing import Any

from minibert.byhand.activation import ACTIVATIONS
from minibert.byhand.linear import linear_backward, linear_forward
from minibert.byhand.parameters import Array, Parameters


def feedforward_forward(x: Array, params: Parameters, activation: str = "gelu") -> tuple[Array, Any]:
    """Widen each token's numbers, bend them, and narrow them again.

    feedforward(x) = activation(x W1^T + b1) W2^T + b2. Vaswani et al. 2017, eq. 2.

    Args:
        x: (..., D).
        params: "expand.weight" (F, D), "expand.bias" (F,), "contract.weight" (D, F), "contract.bias" (D,).
        activation: "gelu", "gelu_tanh" or "relu".

    Returns:
        y (..., D), and what `feedforward_backward` needs.

    Raises:
        ValueError: the shapes do not fit, or there is no such activation.

    Differs from the paper: BERT has a GELU where the transformer had a ReLU.
    """
    if activation not in ACTIVATIONS:
        raise ValueError(f"no activation {activation!r}; there is: {', '.join(ACTIVATIONS)}")
    bend_forward, bend_backward = ACTIVATIONS[activation]

    wide, expand = linear_forward(x, params["expand.weight"], params["expand.bias"])  # (..., F)
    bent, bend = bend_forward(wide)
    y, contract = linear_forward(bent, params["contract.weight"], params["contract.bias"])  # (..., D)
    return y, (expand, bend, bend_backward, contract)


def feedforward_backward(dy: Array, cache: Any) -> tuple[Array, Parameters]:
    """Return dx (..., D) and the gradients of the parameters by name from dy (..., D)."""
    expand, bend, bend_backward, contract = cache

    dbent, dweight2, dbias2 = linear_backward(dy, contract)  # (..., F)  6.5: the last step comes first
    dwide = bend_backward(dbent, bend)  # 6.6: each number by the slope of the curve where it stood
    dx, dweight1, dbias1 = linear_backward(dwide, expand)  # (..., D)  6.7: and through the first layer
    return dx, {
        "expand.weight": dweight1,
        "expand.bias": dbias1,
        "contract.weight": dweight2,
        "contract.bias": dbias2,
    }
