"""LoRA: a frozen linear layer learns through the product of two small matrices beside it (Hu et al. 2021)."""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

ALPHA = 8.0
"""alpha: the product counts alpha / r. It is not tuned with the rank (Hu et al. 2021, section 4.1)."""

ADAPTED = ("query", "value", "project")
"""The projections of attention that learn. Hu et al. 2021, table 5: of one number of weights, both of these
with a small rank do better than one of them with a larger rank, and as well as all four. In GPT-2 they are
one matrix with the key, which learns as a whole."""


def lora(x: Tensor, down: Tensor, up: Tensor, alpha: float) -> Tensor:
    """Return what two small matrices add to the output of a linear layer: (alpha / r) (x A^T) B^T.

    Hu et al. 2021, eq. 3 and section 4.1. x (..., I); down, their A, (r, I); up, their B, (O, r). Returns
    (..., O).
    """
    return (alpha / len(down)) * F.linear(F.linear(x, down), up)


def merge(weight: Tensor, down: Tensor, up: Tensor, alpha: float) -> Tensor:
    """Return the weights of the one linear layer that does the same: W + (alpha / r) B A.

    weight W (O, I), down (r, I) and up (O, r) stay as they are. Returns (O, I).
    """
    return weight + (alpha / len(down)) * (up @ down)


class LoraLinear(nn.Module):
    """A linear layer, frozen from now on, and `lora` beside it: x W^T + b + (alpha / r) (x A^T) B^T.

    A starts as noise, B as zeros: at first the layer does what it did before, and yet B has a gradient.

    Differs from the paper: that one does not say how strong the noise is; here x A^T is as strong as x.
    """

    def __init__(self, linear: nn.Linear, rank: int, generator: Generator | None = None) -> None:
        """Put the two matrices, with `rank` features r in between, beside a layer.

        `generator` makes the noise; torch's own if not given. Raises ValueError where r is below 1, or not
        below the smaller side of the layer's weights.
        """
        super().__init__()
        O, I = linear.weight.shape  # noqa: E741
        if not 1 <= rank < min(O, I):
            raise ValueError(
                f"beside a matrix {O} x {I} the rank must be from 1 to {min(O, I) - 1}, got {rank}"
            )
        self.linear = linear.requires_grad_(False)
        noise = torch.randn(rank, I, generator=generator) / I**0.5
        self.down = nn.Parameter(noise.to(linear.weight))
        self.up = nn.Parameter(linear.weight.new_zeros(O, rank))

    def forward(self, x: Tensor) -> Tensor:
        """Map x (..., I) to (..., O)."""
        return self.linear(x) + lora(x, self.down, self.up, ALPHA)

    @torch.no_grad()
    def merged(self) -> nn.Linear:
        """Return the plain layer that does the same; this one is of no use from then on."""
        self.linear.weight.copy_(merge(self.linear.weight, self.down, self.up, ALPHA))
        return self.linear.requires_grad_(True)


def add_lora(blocks: Iterable[nn.Module], rank: int, generator: Generator | None = None) -> None:
    """Put the two matrices beside the ADAPTED layers of each block's attention, in place.

    blocks: with an `attention` that has some of these layers. rank and generator as of `LoraLinear`.
    """
    for block in blocks:
        attention = block.get_submodule("attention")
        for name, layer in list(attention.named_children()):
            if name in ADAPTED:
                assert isinstance(layer, nn.Linear)
                setattr(attention, name, LoraLinear(layer, rank, generator))


def merge_lora(model: nn.Module) -> None:
    """Make all LoraLinear layers of a model plain ones again, in place: its outputs stay the same."""
    for parent in list(model.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, LoraLinear):
                setattr(parent, name, layer.merged())
