"""LoRA: a frozen linear layer learns through the product of two small matrices beside it (Hu et al. 2021)."""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

ALPHA = 8.0
"""alpha: the product counts alpha / r. It is not tuned with the rank (Hu et al. 2021, section 4.1)."""

ADAPTED = ("query", "value")
"""The projections of attention that learn. Hu et al. 2021, table 5: of one number of weights, both of these
with a small rank do better than one of them with a larger rank, and as well as all four."""


def lora(x: Tensor, weight: Tensor, bias: Tensor | None, down: Tensor, up: Tensor, alpha: float) -> Tensor:
    """Return what a linear layer and the two matrices beside it make of x.

    out = x W^T + b + (alpha / r) (x A^T) B^T

    Source: Hu et al. 2021, eq. 3 and section 4.1.

    Args:
        x: (..., D).
        weight, bias: W (F, D) and b (F,), or None; those of the layer.
        down: A (r, D), to the few features in between.
        up: B (F, r), up from them again.
        alpha: of it and r comes the size of the product.

    Returns:
        (..., F).
    """
    beside = F.linear(F.linear(x, down), up)  # (..., r), then (..., F)
    return F.linear(x, weight, bias) + (alpha / len(down)) * beside


def merge(weight: Tensor, down: Tensor, up: Tensor, alpha: float) -> Tensor:
    """Return the weight (F, D) of the plain linear layer that does the same: W + (alpha / r) B A.

    Arguments as of `lora`; they stay as they are.
    """
    return weight + (alpha / len(down)) * (up @ down)


class LoraLinear(nn.Module):
    """`lora` with the weights of a linear layer, which are frozen from now on.

    A starts as noise, B as zeros: at first the layer does what it did before, and yet B has a gradient.

    Args:
        linear: the layer.
        rank: r, the features in between.
        generator: makes the noise; torch's own if not given.

    Raises ValueError where the matrices would not be smaller than the layer.

    Differs from the paper: that one does not say how strong the noise is; here x A^T is as strong as x.
    """

    def __init__(self, linear: nn.Linear, rank: int, generator: Generator | None = None) -> None:
        super().__init__()
        D, F = linear.in_features, linear.out_features
        if not 1 <= rank < min(D, F):
            raise ValueError(
                f"the rank must be from 1 to {min(D, F) - 1} beside a layer {D} x {F}, got {rank}"
            )
        self.linear = linear.requires_grad_(False)
        noise = torch.randn(rank, D, generator=generator) / D**0.5
        self.down = nn.Parameter(noise.to(linear.weight))
        self.up = nn.Parameter(linear.weight.new_zeros(F, rank))

    def forward(self, x: Tensor) -> Tensor:
        """Map x (..., D) to (..., F)."""
        return lora(x, self.linear.weight, self.linear.bias, self.down, self.up, ALPHA)

    @torch.no_grad()
    def merged(self) -> nn.Linear:
        """Return the plain layer that does the same; this one is of no use from then on."""
        self.linear.weight.copy_(merge(self.linear.weight, self.down, self.up, ALPHA))
        return self.linear.requires_grad_(True)


def add_lora(blocks: Iterable[nn.Module], rank: int, generator: Generator | None = None) -> None:
    """Put the two matrices beside the ADAPTED layers of each block's attention, in place.

    blocks: with an `attention` that has these layers. rank and generator as of `LoraLinear`.
    """
    for block in blocks:
        attention = block.get_submodule("attention")
        for name in ADAPTED:
            linear = attention.get_submodule(name)
            assert isinstance(linear, nn.Linear)
            setattr(attention, name, LoraLinear(linear, rank, generator))


def merge_lora(model: nn.Module) -> None:
    """Make all LoraLinear layers of a model plain ones again, in place: its outputs stay the same."""
    for parent in list(model.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, LoraLinear):
                setattr(parent, name, layer.merged())
