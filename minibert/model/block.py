"""The transformer block: attention, then feed-forward, each added to what came in, with layer norms.

Four blocks: BERT's, normalised after each sum (post-norm); the one normalised before each branch (pre-norm);
the same for language models, causal by itself and with a memory; and the decoder's, which also looks at a
second sequence. Any of them is causal with a causal mask.
"""

from torch import Tensor, nn

from minibert.config import BertConfig, GptConfig
from minibert.model.feedforward import FeedForward
from minibert.model.keys_values import LayerPast
from minibert.model.layernorm import LayerNorm
from minibert.model.multihead import CausalAttention, MultiHeadAttention


def take_rows(x: Tensor, rows: Tensor) -> Tensor:
    """Pick tokens out of x (B, T, D) by their flat positions b T + t: rows (N,) gives (N, D)."""
    return x.flatten(0, 1).index_select(0, rows)


class Block(nn.Module):
    """The encoder's block, normalised after each sum (post-norm).

    x = norm(x + dropout(attention(x))); x = norm(x + dropout(feedforward(x))).
    Vaswani et al. 2017, sections 3.1 and 5.4.
    """

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.attention = MultiHeadAttention(config.width, config.heads, config.attention_dropout)
        self.attention_norm = LayerNorm(config.width, config.norm_eps)
        self.feedforward = FeedForward(config.width, config.feedforward, config.activation)
        self.feedforward_norm = LayerNorm(config.width, config.norm_eps)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, mask: Tensor | None = None, rows: Tensor | None = None) -> Tensor:
        """Map x (B, T, D) to (B, T, D), or to (N, D) where only the tokens at `rows` are wanted.

        mask bool, True = may attend, broadcastable to (B, H, T, T). rows (N,): flat positions b T + t;
        all tokens are attended to, but what follows the attention is worked out for these alone.
        """
        attended = self.attention.gather(x, mask)  # (B, T, D)
        if rows is not None:
            x, attended = take_rows(x, rows), take_rows(attended, rows)  # (N, D)

        x = self.attention_norm(x + self.dropout(self.attention.output(attended)))
        return self.feedforward_norm(x + self.dropout(self.feedforward(x)))


class PreNormBlock(nn.Module):
    """The block normalised before each branch (pre-norm); its parameters have the names of `Block`'s.

    x = x + dropout(attention(norm(x))); x = x + dropout(feedforward(norm(x))).
    Xiong et al. 2020, table 1; Radford et al. 2019, section 2.3. A stack of these needs one more norm after
    the last, for nothing here brings the sum itself to size.
    """

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.attention_norm = LayerNorm(config.width, config.norm_eps)
        self.attention = MultiHeadAttention(config.width, config.heads, config.attention_dropout)
        self.feedforward_norm = LayerNorm(config.width, config.norm_eps)
        self.feedforward = FeedForward(config.width, config.feedforward, config.activation)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Map x (B, T, D) to (B, T, D). mask bool, True = may attend, broadcastable to (B, H, T, T)."""
        x = x + self.dropout(self.attention(self.attention_norm(x), mask))
        return x + self.dropout(self.feedforward(self.feedforward_norm(x)))


class CausalBlock(nn.Module):
    """`PreNormBlock` for language models: no token looks at a later one, and `past` remembers the earlier."""

    def __init__(self, config: GptConfig) -> None:
        super().__init__()
        self.attention_norm = LayerNorm(config.width, config.norm_eps)
        self.attention = CausalAttention(config.width, config.heads, config.attention_dropout)
        self.feedforward_norm = LayerNorm(config.width, config.norm_eps)
        self.feedforward = FeedForward(config.width, config.feedforward, config.activation)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, past: LayerPast | None = None, rows: Tensor | None = None) -> Tensor:
        """Map x (B, T, D) to (B, T, D), or to (N, D) where only the tokens at `rows` are wanted.

        With a past, x goes on from it and is added to it. rows (N,): flat positions b T + t.
        """
        x = x + self.dropout(self.attention(self.attention_norm(x), past))
        if rows is not None:
            x = take_rows(x, rows)  # (N, D)
        return x + self.dropout(self.feedforward(self.feedforward_norm(x)))


class CrossBlock(nn.Module):
    """The decoder's block: it attends to its own sequence, then to a source; normalised after each sum.

    x = norm(x + dropout(attention(x))); x = norm(x + dropout(cross(x, source)));
    x = norm(x + dropout(feedforward(x))). Vaswani et al. 2017, section 3.1.
    """

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.attention = MultiHeadAttention(config.width, config.heads, config.attention_dropout)
        self.attention_norm = LayerNorm(config.width, config.norm_eps)
        self.cross = MultiHeadAttention(config.width, config.heads, config.attention_dropout)
        self.cross_norm = LayerNorm(config.width, config.norm_eps)
        self.feedforward = FeedForward(config.width, config.feedforward, config.activation)
        self.feedforward_norm = LayerNorm(config.width, config.norm_eps)
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self, x: Tensor, source: Tensor, mask: Tensor | None = None, source_mask: Tensor | None = None
    ) -> Tensor:
        """Map x (B, T, D) to (B, T, D), having looked at source (B, S, D).

        mask bool, True = may attend, broadcastable to (B, H, T, T), in a decoder the causal mask;
        source_mask likewise to (B, H, T, S), as the padding of source.
        """
        x = self.attention_norm(x + self.dropout(self.attention(x, mask)))
        x = self.cross_norm(x + self.dropout(self.cross(x, source_mask, source=source)))
        return self.feedforward_norm(x + self.dropout(self.feedforward(x)))
