"""Where a token stands: the sinusoids of Vaswani et al. 2017, from which learned positions may start."""

import torch
from torch import Tensor


def sinusoids(positions: Tensor, width: int) -> Tensor:
    """Return waves of falling frequency at the given positions.

    out[p, 2i] = sin(p / 10000^(2i / D)),  out[p, 2i + 1] = cos(p / 10000^(2i / D)).
    Vaswani et al. 2017, section 3.5. positions (T,) integers; returns (T, D) float32.
    """
    even = torch.arange(0, width, 2, dtype=torch.float64)
    angles = positions.double()[:, None] / 10000 ** (even / width)  # (T, ceil(D / 2))

    out = torch.empty(len(positions), width, dtype=torch.float64)  # (T, D)
    out[:, 0::2] = torch.sin(angles)
    out[:, 1::2] = torch.cos(angles[:, : width // 2])
    return out.float()
