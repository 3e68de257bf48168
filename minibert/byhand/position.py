"""Where a token stands: waves to add to its embedding, or turns of its queries and keys.

The third way, learned positions, is a table to look up: `minibert.byhand.embedding`.
"""

from typing import Any

import numpy as np

from minibert.byhand.parameters import Array, Ints


def sinusoids(positions: Ints, width: int) -> Array:
    """Return waves of falling frequency at the given positions.

    out[p, 2i] = sin(p / 10000^(2i / D)),  out[p, 2i + 1] = cos(p / 10000^(2i / D)).
    Vaswani et al. 2017, section 3.5. positions (T,) integers; the width D may be odd. Returns (T, D) float32.
    """
    angles = positions[:, None] / 10000.0 ** (np.arange(0, width, 2) / width)  # (T, ceil(D / 2))

    out = np.empty((len(positions), width), np.float32)  # (T, D)
    out[:, 0::2] = np.sin(angles)
    out[:, 1::2] = np.cos(angles[:, : width // 2])
    return out


def turns(positions: Ints, width: int, base: float = 10000.0) -> tuple[Array, Array]:
    """Return the cosine and the sine of the angle by which each pair of features is turned.

    angle[p, i] = p / base^(2i / K). Su et al. 2021, section 3.2.2.
    positions (...); both results (..., K / 2), float64.
    """
    angles = positions[..., None] / base ** (np.arange(0, width, 2) / width)  # (..., K / 2)
    return np.cos(angles), np.sin(angles)


def rotate(x: Array, cosine: Array, sine: Array) -> Array:
    """Turn each pair (a, b) = (x[i], x[i + K / 2]) to (a cos - b sin, a sin + b cos).

    x (..., K), K even; cosine and sine broadcastable to (..., K / 2). Returns (..., K).
    """
    a, b = np.split(x, 2, axis=-1)  # (..., K / 2)
    return np.concatenate([a * cosine - b * sine, a * sine + b * cosine], axis=-1)


def rotary_forward(x: Array, positions: Ints, base: float = 10000.0) -> tuple[Array, Any]:
    """Turn each pair of features by an angle that grows with the position.

    (a, b) at position p becomes (a cos - b sin, a sin + b cos) of the angle p / base^(2i / K), for pair i.
    The product of a query and a key that were turned so depends on their distance, not on where they stand.
    Su et al. 2021, eq. 15.

    Args:
        x: queries or keys (B, H, T, K), K even.
        positions: (T,), or (B, T) where the sequences count differently (padding on the left).
        base: the slowest pair takes about 2 pi base positions for one turn.

    Returns:
        (B, H, T, K), and what `rotary_backward` needs.

    Raises:
        ValueError: K is odd.

    Differs from the paper: feature i is paired with i + K / 2, as in Llama, GPT-NeoX and ModernBERT; the
    paper pairs 2i with 2i + 1. Only the order of the features differs, which the weights before them learn.
    """
    K = x.shape[-1]
    if K % 2:
        raise ValueError(f"features are turned in pairs: the width of a head must be even, got {K}")
    by_head = positions[..., None, :]  # (1, T) or (B, 1, T): the same for every head
    cosine, sine = (part.astype(x.dtype) for part in turns(by_head, K, base))  # (..., T, K / 2)
    return rotate(x, cosine, sine), (cosine, sine)


def rotary_backward(dout: Array, cache: Any) -> Array:
    """Return dx from dout, both (B, H, T, K). Positions have no gradient."""
    cosine, sine = cache
    return rotate(dout, cosine, -sine)  # 3.9: the transpose of a rotation turns back
