"""BERT: the embedding, L blocks, a pooler, and the two heads it is pretrained with (Devlin et al. 2019)."""

from typing import NamedTuple

import torch
from torch import Generator, Tensor, nn

from minibert.config import BertConfig
from minibert.model.block import Block, take_rows
from minibert.model.embedding import BertEmbedding
from minibert.model.heads import WordHead
from minibert.model.position import sinusoids

SINUSOID_SCALE = 0.1
"""Amplitude of learned positions that start as sinusoids: a few times the noise of the token embeddings."""


class PretrainingOutput(NamedTuple):
    """What BertForPretraining returns."""

    hidden: Tensor
    """(B, T, D), the last block's output."""
    words: Tensor
    """Logits over the vocabulary, (N, V) at the slots asked for, or (B, T, V)."""
    pairs: Tensor
    """(B, 2), logits of "the second segment follows the first" (0) and "it does not" (1)."""


class Bert(nn.Module):
    """The encoder: every token's hidden state, having looked at all the others in both directions."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.embedding = BertEmbedding(config)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.pooler = nn.Linear(config.width, config.width)

    def forward(
        self,
        ids: Tensor,
        segments: Tensor | None = None,
        attend: Tensor | None = None,
        rows: Tensor | None = None,
    ) -> Tensor:
        """Return the hidden states, (B, T, D), or (N, D) where only the tokens at `rows` are wanted.

        ids (B, T) int64; segments (B, T) int64, all 0 if not given; attend (B, T) bool, True at the tokens
        that may be looked at, all if not given; rows (N,) int64, flat positions b T + t.
        A sequence that may look at nothing attends to zeros. Raises ValueError for ids or segments outside
        their tables (on the CPU), for too long a sequence, and for shapes and types that do not fit.
        """
        mask = None if attend is None else padding_mask(ids, attend)  # (B, 1, 1, T)
        x = self.embedding(ids, segments)  # (B, T, D)
        *blocks, last = self.blocks
        for block in blocks:
            x = block(x, mask)  # (B, T, D)
        return last(x, mask, rows)

    def pool(self, hidden: Tensor) -> Tensor:
        """Summarise each sequence by its first token: tanh(W hidden[:, 0] + b), (B, T, D) to (B, D)."""
        return torch.tanh(self.pooler(hidden[:, 0]))


def padding_mask(ids: Tensor, attend: Tensor) -> Tensor:
    """Return attend (B, T) as a mask (B, 1, 1, T) for all heads and queries.

    Raises ValueError when attend is not boolean or not of the shape of ids (B, T).
    """
    if attend.dtype != torch.bool or attend.shape != ids.shape:
        raise ValueError(
            f"attend must be boolean (True = may be attended to) and of the shape of ids, (B, T) = "
            f"{tuple(ids.shape)}, got {attend.dtype} of shape {tuple(attend.shape)}"
        )
    return attend[:, None, None, :]


class BertForPretraining(nn.Module):
    """BERT with the heads for masked words and for next sentences (Devlin et al. 2019, section 3.1).

    Weights start as normal noise of standard deviation `init_std`, biases as 0, norms as 1 and 0; learned
    positions may start as sinusoids instead. `generator` makes the noise; torch's own if not given.
    """

    def __init__(self, config: BertConfig, generator: Generator | None = None) -> None:
        super().__init__()
        self.config = config
        self.bert = Bert(config)
        self.words = WordHead(config, self.bert.embedding.tokens.weight)
        self.pairs = nn.Linear(config.width, 2)
        self.start_weights(generator)

    @torch.no_grad()
    def start_weights(self, generator: Generator | None) -> None:
        """Give every weight its first value."""
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                module.weight.normal_(0, self.config.init_std, generator=generator)
            if isinstance(module, nn.Linear):
                module.bias.zero_()
        if self.config.position_init == "sinusoidal":
            places = torch.arange(self.config.max_positions)
            self.bert.embedding.positions.weight.copy_(SINUSOID_SCALE * sinusoids(places, self.config.width))

    def forward(
        self,
        ids: Tensor,
        segments: Tensor | None = None,
        attend: Tensor | None = None,
        slots: Tensor | None = None,
    ) -> PretrainingOutput:
        """Return hidden states and both heads' logits; words only at slots (N,), flat positions b T + t.

        ids, segments and attend as for `Bert`, which also says what is raised.
        """
        hidden = self.bert(ids, segments, attend)  # (B, T, D)
        chosen = hidden if slots is None else take_rows(hidden, slots)  # (B, T, D) or (N, D)
        return PretrainingOutput(hidden, self.words(chosen), self.pairs(self.bert.pool(hidden)))

    def features(
        self, ids: Tensor, segments: Tensor | None, attend: Tensor | None, slots: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return what training needs and no more: the words' features (N, D) and the pairs' logits (B, 2).

        The words' logits are features @ words.weight.T + words.bias; training joins that product with the
        loss. The last block is worked out only where it is looked at: the slots and each first token.
        """
        B, T = ids.shape
        firsts = torch.arange(0, B * T, T, device=ids.device)  # (B,)
        hidden = self.bert(ids, segments, attend, torch.cat([slots, firsts]))  # (N + B, D)
        N = len(slots)
        return self.words.transform(hidden[:N]), self.pairs(self.bert.pool(hidden[N:, None]))
