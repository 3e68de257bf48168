"""The gated feed-forward block: one linear layer says how much of another's output goes on."""

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn

GATES: dict[str, Callable[[Tensor], Tensor]] = {"silu": F.silu, "gelu": F.gelu}
"""What bends a gate: silu(x) = x / (1 + e^-x) in SwiGLU, gelu in GeGLU."""


class GatedFeedForward(nn.Module):
    """feedforward(x) = (bend(x Wg) * x W1) W2, without biases.

    Shazeer 2020, eq. 6: SwiGLU where "silu" bends the gate (Llama), GeGLU where "gelu" does (ModernBERT).
    """

    def __init__(self, width: int, inner: int, bend: str, dropout: float = 0.0) -> None:
        """Make the three matrices; `dropout` is the share of the F inner numbers left out in training."""
        super().__init__()
        self.gate = nn.Linear(width, inner, bias=False)
        self.expand = nn.Linear(width, inner, bias=False)
        self.bend = GATES[bend]
        self.dropout = nn.Dropout(dropout)
        self.contract = nn.Linear(inner, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map x (..., D) to (..., F) and back to (..., D)."""
        gated = self.bend(self.gate(x)) * self.expand(x)  # (..., F)
        return self.contract(self.dropout(gated))
