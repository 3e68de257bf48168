"""ModernBERT: the encoder with turned queries and keys, windows, gated feed-forward blocks and no biases."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from minibert.config import ModernBertConfig
from minibert.model.bert import padding_mask
from minibert.model.block import take_rows
from minibert.model.embedding import check_ids
from minibert.model.gated import GatedFeedForward
from minibert.model.layernorm import BiasFreeLayerNorm
from minibert.model.position import check_length, turns
from minibert.model.rotary import RotaryAttention, Turns


class MaskedWordsOutput(NamedTuple):
    """What ModernBertForPretraining returns."""

    hidden: Tensor
    """(B, T, D), after the last norm."""
    words: Tensor
    """Logits over the vocabulary, (N, V) at the slots asked for, or (B, T, V)."""
    pairs: None = None
    """ModernBERT does not tell next sentences."""


class ModernBertEmbedding(nn.Module):
    """norm(tokens[id]), then dropout: attention learns from its turns where a token stands.

    The row of `pad_id` learns nothing from being looked up.
    """

    def __init__(self, config: ModernBertConfig) -> None:
        super().__init__()
        self.tokens = nn.Embedding(config.vocab_size, config.width, padding_idx=config.pad_id)
        self.norm = BiasFreeLayerNorm(config.width, config.norm_eps)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, ids: Tensor) -> Tensor:
        """Embed ids (B, T): (B, T, D). Raises ValueError, on the CPU, for ids outside the vocabulary."""
        check_ids(ids, self.tokens.num_embeddings, "token ids")
        return self.dropout(self.norm(self.tokens(ids)))


class ModernBertBlock(nn.Module):
    """x = x + dropout(attention(norm(x))); x = x + feedforward(norm(x)).

    Warner et al. 2024, section 2.1.1: norms before the branches, GeGLU, no biases. The first block does not
    norm again what the embedding has just normed.
    """

    def __init__(self, config: ModernBertConfig, first: bool) -> None:
        super().__init__()
        D, eps, dropout = config.width, config.norm_eps, config.attention_dropout
        self.attention_norm = nn.Identity() if first else BiasFreeLayerNorm(D, eps)
        self.attention = RotaryAttention(D, config.heads, config.heads, dropout)
        self.dropout = nn.Dropout(dropout)
        self.feedforward_norm = BiasFreeLayerNorm(D, eps)
        self.feedforward = GatedFeedForward(D, config.feedforward, "gelu", config.dropout)

    def forward(self, x: Tensor, turns: Turns, mask: Tensor | None, rows: Tensor | None = None) -> Tensor:
        """Map x (B, T, D) to (B, T, D), or to (N, D) where only the tokens at `rows` are wanted.

        turns: of the T positions; mask bool, True = may attend, broadcastable to (B, H, T, T). rows (N,):
        flat positions b T + t; all tokens are attended to, but what follows is worked out for these alone.
        """
        attended = self.attention.gather(self.attention_norm(x), turns, mask)  # (B, T, D)
        if rows is not None:
            x, attended = take_rows(x, rows), take_rows(attended, rows)  # (N, D)

        x = x + self.dropout(self.attention.output(attended))
        return x + self.feedforward(self.feedforward_norm(x))


class ModernBert(nn.Module):
    """The encoder: of `global_every` blocks the first looks at the whole sequence, the others at a window.

    Warner et al. 2024, section 2.1. The window reaches `local_window` / 2 tokens to each side.
    """

    def __init__(self, config: ModernBertConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = ModernBertEmbedding(config)
        self.blocks = nn.ModuleList(ModernBertBlock(config, first=i == 0) for i in range(config.layers))
        self.norm = BiasFreeLayerNorm(config.width, config.norm_eps)

    def forward(self, ids: Tensor, attend: Tensor | None = None, rows: Tensor | None = None) -> Tensor:
        """Return the hidden states, (B, T, D), or (N, D) where only the tokens at `rows` are wanted.

        ids (B, T) int64; attend (B, T) bool, True at the tokens that may be looked at, all if not given; rows
        (N,) int64, flat positions b T + t. A token that may look at nothing attends to zeros. Raises
        ValueError for ids outside the vocabulary (on the CPU), for too long a sequence, and for an attend
        that does not fit.
        """
        config, T = self.config, ids.shape[1]
        check_length(T, config.max_positions)
        x = self.embedding(ids)  # (B, T, D)

        whole = None if attend is None else padding_mask(ids, attend)  # (B, 1, 1, T)
        near = within(whole, T, config.local_window // 2, ids.device)
        places, K = torch.arange(T, device=ids.device), config.width // config.heads
        far_turns = turns(places, K, config.rotary_base, x.dtype)
        near_turns = turns(places, K, config.local_rotary_base, x.dtype)

        for i, block in enumerate(self.blocks):
            sees = (near_turns, near) if i % config.global_every else (far_turns, whole)
            x = block(x, *sees, rows if i == config.layers - 1 else None)
        return self.norm(x)


def within(mask: Tensor | None, length: int, reach: int, device: torch.device) -> Tensor | None:
    """Return who may attend to whom of those that a mask allows, at most `reach` tokens away.

    mask (B, 1, 1, T), or None where all are allowed. Returns (B, 1, T, T) or (T, T), True = may attend; the
    mask itself where no two tokens are farther apart.
    """
    if length - 1 <= reach:
        return mask
    places = torch.arange(length, device=device)
    near = (places[:, None] - places).abs() <= reach  # (T, T)
    return near if mask is None else near & mask


class ModernWordHead(nn.Module):
    """Guess the word at a position.

    logits = norm(gelu(hidden W)) E^T + bias, where E (V, D), the token embedding, is shared.
    """

    def __init__(self, config: ModernBertConfig, token_embedding: Tensor) -> None:
        super().__init__()
        self.dense = nn.Linear(config.width, config.width, bias=False)
        self.norm = BiasFreeLayerNorm(config.width, config.norm_eps)
        self.weight = token_embedding
        self.bias = nn.Parameter(torch.zeros(config.vocab_size))

    def transform(self, hidden: Tensor) -> Tensor:
        """Return all but the output projection: hidden (..., D) to (..., D)."""
        return self.norm(F.gelu(self.dense(hidden)))

    def forward(self, hidden: Tensor) -> Tensor:
        """Return the logits of every word: hidden (..., D) to (..., V)."""
        return F.linear(self.transform(hidden), self.weight, self.bias)


class ModernBertForPretraining(nn.Module):
    """ModernBERT with the head for masked words, called as `BertForPretraining` is.

    Weights start as normal noise of standard deviation `init_std`, biases as 0, norms as 1; `generator` makes
    the noise, torch's own if not given.

    Differs from the paper: the last matrix of each branch starts at zero, so that the stack begins as if it
    had no blocks, and learns faster; the paper cuts the noise off and makes these matrices smaller by
    sqrt(2 L).
    """

    def __init__(self, config: ModernBertConfig, generator: Generator | None = None) -> None:
        super().__init__()
        self.config = config
        self.bert = ModernBert(config)
        self.words = ModernWordHead(config, self.bert.embedding.tokens.weight)
        self.start_weights(generator)

    @torch.no_grad()
    def start_weights(self, generator: Generator | None) -> None:
        """Give every weight its first value."""
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                module.weight.normal_(0, self.config.init_std, generator=generator)
        for module in self.modules():
            if isinstance(module, ModernBertBlock):
                module.attention.output.weight.zero_()
                module.feedforward.contract.weight.zero_()

    def forward(
        self,
        ids: Tensor,
        segments: Tensor | None = None,
        attend: Tensor | None = None,
        slots: Tensor | None = None,
    ) -> MaskedWordsOutput:
        """Return hidden states and the words' logits; words only at slots (N,), flat positions b T + t.

        ids and attend as for `ModernBert`, which also says what is raised; segments are there for batches
        that serve BERT too, and are not looked at.
        """
        hidden = self.bert(ids, attend)  # (B, T, D)
        chosen = hidden if slots is None else take_rows(hidden, slots)  # (B, T, D) or (N, D)
        return MaskedWordsOutput(hidden, self.words(chosen))

    def features(
        self, ids: Tensor, segments: Tensor | None, attend: Tensor | None, slots: Tensor
    ) -> tuple[Tensor, None]:
        """Return what training needs and no more: the words' features (N, D), and no logits of pairs.

        The words' logits are features @ words.weight.T + words.bias; training joins that product with the
        loss. The last block is worked out only at the slots. Segments are not looked at.
        """
        return self.words.transform(self.bert(ids, attend, slots)), None
