"""The transformer block: attention, then feed-forward, each added to what came in and normalised."""

from torch import Tensor, nn

from minibert.config import BertConfig
from minibert.model.feedforward import FeedForward
from minibert.model.layernorm import LayerNorm
from minibert.model.multihead import MultiHeadAttention


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
