"""GPT-2: the causal stack, which at every token guesses the next (Radford et al. 2019)."""

import math

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from minibert.config import GptConfig
from minibert.model.bert import SINUSOID_SCALE
from minibert.model.block import CausalBlock
from minibert.model.embedding import check_ids
from minibert.model.keys_values import KeysValues
from minibert.model.layernorm import LayerNorm
from minibert.model.position import sinusoids


class Gpt(nn.Module):
    """GPT-2: what a token is plus where it stands, L pre-norm blocks, one last norm, and the words again.

    x = dropout(tokens[id] + positions[t]); x = block(x), L times; logits = norm(x) tokens^T.
    Radford et al. 2019, section 2.3. The output projection is the token embedding, without a bias.

    Weights start as normal noise of standard deviation `init_std`, biases as 0, norms as 1 and 0. The last
    matrix of each branch starts smaller by sqrt(2 L), so that the sum of all 2 L branches starts at the size
    of one. Learned positions may start as sinusoids instead. `generator` makes the noise; torch's own if not
    given.
    """

    def __init__(self, config: GptConfig, generator: Generator | None = None) -> None:
        super().__init__()
        self.config = config
        self.tokens = nn.Embedding(config.vocab_size, config.width)
        self.positions = nn.Embedding(config.max_positions, config.width)
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(CausalBlock(config) for _ in range(config.layers))
        self.norm = LayerNorm(config.width, config.norm_eps)
        self.start_weights(generator)

    @torch.no_grad()
    def start_weights(self, generator: Generator | None) -> None:
        """Give every weight its first value."""
        std = self.config.init_std
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                module.weight.normal_(0, std, generator=generator)
            if isinstance(module, nn.Linear):
                module.bias.zero_()
        for block in self.modules():
            if isinstance(block, CausalBlock):
                for last in (block.attention.output, block.feedforward.contract):
                    last.weight.div_(math.sqrt(2 * self.config.layers))
        if self.config.position_init == "sinusoidal":
            places = torch.arange(self.config.max_positions)
            self.positions.weight.copy_(SINUSOID_SCALE * sinusoids(places, self.config.width))

    def new_state(self, batch: int, length: int, starts: Tensor | None = None) -> KeysValues:
        """Return the memory for texts that grow: so many rows, of at most so many columns.

        starts (B,) int64: the column in which each row's text begins, behind the padding; all in the first if
        not given. Raises ValueError for more columns than the model has positions, and for starts that do not
        fit.
        """
        self.check_length(length)
        H, K = self.config.heads, self.config.width // self.config.heads
        return KeysValues(len(self.blocks), (batch, H, length, K), self.tokens.weight, starts)

    def check_length(self, length: int) -> None:
        """Raise ValueError unless the model has so many positions."""
        longest = self.positions.num_embeddings
        if length > longest:
            raise ValueError(
                f"the model has {longest} positions, got a sequence of {length} tokens; cut it to "
                f"{longest}, or make the model with max_positions of at least {length}"
            )

    def features(self, ids: Tensor, state: KeysValues | None = None, rows: Tensor | None = None) -> Tensor:
        """Return what the next token is guessed from, after the last norm: (B, T, D).

        ids (B, T) int64. With a state they go on from the tokens that it has seen, and are added to it. rows
        (N,) int64, flat positions b T + t: where only these are wanted, (N, D).
        Raises ValueError for a sequence longer than the positions, for a state without room, and, on the CPU,
        for ids outside the vocabulary.
        """
        T = ids.shape[1]
        check_ids(ids, self.tokens.num_embeddings, "token ids")
        if state is None:
            self.check_length(T)
            places, pasts = slice(T), [None] * len(self.blocks)
        else:
            places, pasts = state.grow(T), state.layers

        x = self.dropout(self.tokens(ids) + self.positions.weight[places])  # (B, T, D)
        *below, (last, memory) = zip(self.blocks, pasts, strict=True)
        for block, past in below:
            x = block(x, past)  # (B, T, D)
        return self.norm(last(x, memory, rows))

    def forward(self, ids: Tensor, state: KeysValues | None = None) -> Tensor:
        """Return the logits of every token's successor, (B, T, V); arguments and errors as for `features`."""
        return F.linear(self.features(ids, state), self.tokens.weight)
