"""RMS normalisation: each token's features brought to a mean square of 1, then scaled."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def rmsnorm_plain(x: Tensor, scale: Tensor, eps: float = 1e-6) -> Tensor:
    """Normalise over the last axis, written out.

    y = x / sqrt(mean(x^2) + eps) * scale. Zhang and Sennrich 2019, eq. 4. x (..., D); scale (D,); y has x's
    shape.

    Differs from the paper: there is no eps in it.
    """
    return x / torch.sqrt(x.square().mean(-1, keepdim=True) + eps) * scale


def rmsnorm(x: Tensor, scale: Tensor, eps: float = 1e-6) -> Tensor:
    """Normalise over the last axis: torch's kernel, the same numbers as `rmsnorm_plain`.

    x (..., D); scale (D,). Zhang and Sennrich 2019, eq. 4.
    """
    return F.rms_norm(x, scale.shape, scale, eps)


class RmsNorm(nn.Module):
    """`rmsnorm` with a learned scale (`weight`, starts at 1)."""

    def __init__(self, width: int, eps: float = 1e-6) -> None:
        """Make the scale, one number for each of `width` features; eps stands under the root."""
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise x (..., D) over its last axis."""
        return rmsnorm(x, self.weight, self.eps)
