"""The linear layer: every output is a weighted sum of the inputs, plus a bias."""

from typing import Any

from minibert.byhand.parameters import Array


def linear_forward(x: Array, weight: Array, bias: Array) -> tuple[Array, Any]:
    """Multiply the last axis with a matrix.

    y = x W^T + b. Each row of W holds the weights of one output, as in PyTorch.

    Args:
        x: (..., I), any number of axes before the last.
        weight: (O, I).
        bias: (O,).

    Returns:
        y (..., O), and what `linear_backward` needs.

    Raises:
        ValueError: the shapes do not fit.
    """
    if weight.ndim != 2 or x.shape[-1:] != weight.shape[1:] or bias.shape != weight.shape[:1]:
        raise ValueError(
            f"x (..., I), weight (O, I) and bias (O,) do not fit: got {x.shape}, {weight.shape}, {bias.shape}"
        )
    return x @ weight.T + bias, (x, weight)  # (..., O)


def linear_backward(dy: Array, cache: Any) -> tuple[Array, Array, Array]:
    """Return the gradients of x, weight and bias.

    dx = dy W, dW = dy^T x and db = sum of dy, the last two over all positions.

    Args:
        dy: (..., O), the gradient of the loss by y.
        cache: what `linear_forward` left.

    Returns:
        dx (..., I), dweight (O, I), dbias (O,).
    """
    x, weight = cache
    O, I = weight.shape  # noqa: E741

    dx = dy @ weight  # (..., I)  2.4: each input reaches the loss through every output
    rows, drows = x.reshape(-1, I), dy.reshape(-1, O)
    dweight = drows.T @ rows  # (O, I)  2.5: one weight is used at every position, so its gradients add up
    dbias = drows.sum(axis=0)  # (O,)  2.6: the bias is added at every position
    return dx, dweight, dbias
