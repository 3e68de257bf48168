"""The feed-forward block: two linear layers with a curve between them, for each token by itself."""

from torch import Tensor, nn

from minibert.model.activation import ACTIVATIONS


class FeedForward(nn.Module):
    """feedforward(x) = activation(x W1 + b1) W2 + b2 (Vaswani et al. 2017, eq. 2).

    Differs from the paper: BERT has a GELU where the transformer had a ReLU.
    """

    def __init__(self, width: int, inner: int, activation: str = "gelu") -> None:
        super().__init__()
        self.expand = nn.Linear(width, inner)
        self.activation = ACTIVATIONS[activation]
        self.contract = nn.Linear(inner, width)

    def forward(self, x: Tensor) -> Tensor:
        """Map x (..., D) to (..., F) and back to (..., D)."""
        return self.contract(self.activation(self.expand(x)))
