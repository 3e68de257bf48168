"""LoRA: what two small matrices beside a frozen linear layer add to its output (Hu et al. 2021)."""

from typing import Any

from minibert.byhand.parameters import Array


def lora_forward(x: Array, down: Array, up: Array, alpha: float) -> tuple[Array, Any]:
    """Go down to a few features and up again.

    y = (alpha / r) (x A^T) B^T, which is added to what the frozen layer makes of x: x W^T + b.

    Source: Hu et al. 2021, eq. 3 and section 4.1.

    Args:
        x: (..., I).
        down: A (r, I).
        up: B (O, r).
        alpha: of it and r comes the size of what is added.

    Returns:
        y (..., O), and what `lora_backward` needs.
    """
    scale = alpha / len(down)
    inside = x @ down.T  # (..., r)
    return scale * (inside @ up.T), (x, inside, down, up, scale)  # (..., O)


def lora_backward(dy: Array, cache: Any) -> tuple[Array, Array, Array]:
    """Return the gradients of x, down and up.

    With s = alpha / r: dx = s dy B A, dA = s (dy B)^T x, dB = s dy^T (x A^T), the last two over all
    positions. The frozen layer has its own share in dx; its weights have no gradient.

    Args:
        dy: (..., O), the gradient of the loss by y.
        cache: what `lora_forward` left.

    Returns:
        dx (..., I), ddown (r, I), dup (O, r).
    """
    x, inside, down, up, scale = cache
    (r, I), O = down.shape, len(up)  # noqa: E741

    dinside = scale * dy @ up  # (..., r)  17.4: through B
    dx = dinside @ down  # (..., I)  17.5: and through A
    ddown = dinside.reshape(-1, r).T @ x.reshape(-1, I)  # (r, I)  17.6: as in any linear layer
    dup = scale * dy.reshape(-1, O).T @ inside.reshape(-1, r)  # (O, r)  17.7: not zero where B is
    return dx, ddown, dup


def merge(weight: Array, down: Array, up: Array, alpha: float) -> Array:
    """Return the weights of the one linear layer that does what the frozen one and the two matrices do.

    W + (alpha / r) B A

    Args:
        weight: W (O, I).
        down: A (r, I).
        up: B (O, r).
        alpha: as of `lora_forward`.

    Returns:
        (O, I), a new array.
    """
    return weight + alpha / len(down) * (up @ down)
