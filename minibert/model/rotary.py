"""Attention whose queries and keys are turned by position; heads of queries may share a head of keys."""

from torch import Tensor, nn

from minibert.model.attention import attention
from minibert.model.multihead import merge_heads, split_heads
from minibert.model.position import rotate

Turns = tuple[Tensor, Tensor]
"""Cosines and sines at the positions of a batch, for all layers: `minibert.model.position.turns`."""


class RotaryAttention(nn.Module):
    """Self-attention with H heads of queries and G of keys and values, turned by position, without biases.

    query_h = rotary(x Wq_h); key_g = rotary(x Wk_g); value_g = x Wv_g;
    head_h = attention(query_h, key_g, value_g), g = h // (H / G); out = [head_1 ... head_H] Wo.
    Su et al. 2021, eq. 16; Ainslie et al. 2023, section 2.2.
    """

    def __init__(self, width: int, heads: int, key_heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        K = width // heads
        self.heads, self.key_heads = heads, key_heads
        self.dropout = dropout
        self.query = nn.Linear(width, heads * K, bias=False)
        self.key = nn.Linear(width, key_heads * K, bias=False)
        self.value = nn.Linear(width, key_heads * K, bias=False)
        self.output = nn.Linear(heads * K, width, bias=False)

    def project(self, x: Tensor, turns: Turns) -> tuple[Tensor, Tensor, Tensor]:
        """Return turned queries (B, H, T, K), turned keys (B, G, T, K) and values (B, G, T, K)."""
        query = split_heads(self.query(x), self.heads)  # (B, H, T, K)
        key = split_heads(self.key(x), self.key_heads)  # (B, G, T, K)
        value = split_heads(self.value(x), self.key_heads)  # (B, G, T, K)
        return rotate(query, *turns), rotate(key, *turns), value

    def gather(self, x: Tensor, turns: Turns, mask: Tensor | None = None) -> Tensor:
        """Return what the heads found, side by side, before the output projection: (B, T, D)."""
        query, key, value = self.project(x, turns)
        dropout = self.dropout if self.training else 0.0
        return merge_heads(attention(query, key, value, mask, dropout))  # (B, T, D)

    def forward(self, x: Tensor, turns: Turns, mask: Tensor | None = None) -> Tensor:
        """Let each token of x (B, T, D) attend to the others; (B, T, D) comes back.

        turns: of the T positions; mask bool, True = may attend, broadcastable to (B, H, T, T).
        """
        return self.output(self.gather(x, turns, mask))  # (B, T, D)
