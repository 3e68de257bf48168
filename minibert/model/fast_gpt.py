"""GPT-2 for generation: its weights laid out anew, so that a token at a time is read in less time."""

import torch
from torch import Tensor, nn

from minibert.model.block import CausalBlock
from minibert.model.gpt import Gpt
from minibert.model.keys_values import KeysValues, LayerPast


def turned(layer: nn.Linear) -> tuple[Tensor, Tensor]:
    """Return copies of a linear layer's bias (F,), and of its weight turned, (D, F) in memory.

    A product of few rows with a matrix is bound by reading the matrix, and is faster along its rows.
    """
    return layer.bias.clone(), layer.weight.t().clone(memory_format=torch.contiguous_format)


class FastBlock:
    """`CausalBlock` without dropout, on matrices that lie turned."""

    def __init__(self, block: CausalBlock) -> None:
        attention, feedforward = block.attention, block.feedforward
        self.heads = attention.heads
        self.attention_norm, self.feedforward_norm = block.attention_norm, block.feedforward_norm
        self.project = turned(attention.project)
        self.output = turned(attention.output)
        self.expand = turned(feedforward.expand)
        self.activation = feedforward.activation
        self.contract = turned(feedforward.contract)

    def __call__(self, x: Tensor, B: int, past: LayerPast) -> Tensor:
        """Map the tokens x (B T, D) of B texts to (B T, D); they go on from the past, and are added to it."""
        N, D = x.shape
        joined = torch.addmm(self.project[0], self.attention_norm(x), self.project[1])  # (B T, 3 D)
        query, key, value = joined.view(B, N // B, 3, self.heads, -1).permute(2, 0, 3, 1, 4)  # (B, H, T, K)
        attended = past.attend(query, key, value).transpose(1, 2).reshape(N, D)
        x = x + torch.addmm(self.output[0], attended, self.output[1])

        hidden = torch.addmm(self.expand[0], self.feedforward_norm(x), self.expand[1])  # (B T, F)
        return x + torch.addmm(self.contract[0], self.activation(hidden), self.contract[1])


class FastGpt:
    """A `Gpt` for generation: the same numbers up to rounding, in less time for a few tokens at once.

    It holds copies of the weights, as they are now, and is of no use for training.
    """

    def __init__(self, model: Gpt) -> None:
        self.model = model
        self.new_state = model.new_state
        self.blocks = [FastBlock(block) for block in model.blocks if isinstance(block, CausalBlock)]

    def features(self, ids: Tensor, state: KeysValues) -> Tensor:
        """As `Gpt.features`, with a state; ids (B, T), unchecked. Returns (B, T, D)."""
        B, T = ids.shape
        x = self.model.tokens(ids) + self.model.positions.weight[state.grow(T)]  # (B, T, D)
        x = x.flatten(0, 1)  # (B T, D)
        for block, past in zip(self.blocks, state.layers, strict=True):
            x = block(x, B, past)
        return self.model.norm(x).view(B, T, -1)
