"""Layer normalisation: each token's features brought to mean 0 and variance 1, then scaled and shifted."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def layernorm_plain(x: Tensor, scale: Tensor, shift: Tensor, eps: float = 1e-12) -> Tensor:
    """Normalise over the last axis, written out.

    y = (x - mean) / sqrt(variance + eps) * scale + shift, with the biased variance (divided by D).
    Ba et al. 2016, eq. 3-4. x (..., D); scale and shift (D,); y has x's shape.
    """
    mean = x.mean(-1, keepdim=True)
    variance = (x - mean).square().mean(-1, keepdim=True)
    return (x - mean) / torch.sqrt(variance + eps) * scale + shift


def layernorm(x: Tensor, scale: Tensor, shift: Tensor, eps: float = 1e-12) -> Tensor:
    """Normalise over the last axis: torch's kernel, the same numbers as `layernorm_plain`.

    x (..., D); scale and shift (D,). Ba et al. 2016, eq. 3-4.
    """
    return F.layer_norm(x, scale.shape, scale, shift, eps)


class LayerNorm(nn.Module):
    """`layernorm` with a learned scale (`weight`, starts at 1) and shift (`bias`, starts at 0)."""

    def __init__(self, width: int, eps: float = 1e-12) -> None:
        """Make scale and shift, one number for each of `width` features; eps stands under the root."""
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise x (..., D) over its last axis."""
        return layernorm(x, self.weight, self.bias, self.eps)


class BiasFreeLayerNorm(nn.Module):
    """Layer norm with a learned scale (`weight`, starts at 1) and no shift.

    Warner et al. 2024, section 2.1.1.
    """

    def __init__(self, width: int, eps: float = 1e-5) -> None:
        """Make the scale, one number for each of `width` features; eps stands under the root."""
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise x (..., D) over its last axis."""
        return F.layer_norm(x, self.weight.shape, self.weight, None, self.eps)
