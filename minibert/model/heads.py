"""What stands on the encoder: the head that guesses words."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from minibert.config import BertConfig
from minibert.model.activation import ACTIVATIONS
from minibert.model.layernorm import LayerNorm


class WordHead(nn.Module):
    """Guess the word at a position.

    logits = norm(activation(hidden W + b)) E^T + bias, where E (V, D), the token embedding, is shared.
    Devlin et al. 2019, section 3.1 (masked LM); the transform is in their published code.
    """

    def __init__(self, config: BertConfig, token_embedding: Tensor) -> None:
        super().__init__()
        self.dense = nn.Linear(config.width, config.width)
        self.activation = ACTIVATIONS[config.activation]
        self.norm = LayerNorm(config.width, config.norm_eps)
        self.weight = token_embedding
        self.bias = nn.Parameter(torch.zeros(config.vocab_size))

    def transform(self, hidden: Tensor) -> Tensor:
        """Return all but the output projection: hidden (..., D) to (..., D)."""
        return self.norm(self.activation(self.dense(hidden)))

    def forward(self, hidden: Tensor) -> Tensor:
        """Return the logits of every word: hidden (..., D) to (..., V)."""
        return F.linear(self.transform(hidden), self.weight, self.bias)
