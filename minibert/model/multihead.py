"""Multi-head attention: H small attentions side by side, each on its own K = D / H features."""

from torch import Tensor, nn

from minibert.model.attention import attention


def split_heads(x: Tensor, heads: int) -> Tensor:
    """Cut the features of every token into heads: (B, T, D) to (B, H, T, K), with D = H K."""
    B, T, D = x.shape
    return x.view(B, T, heads, D // heads).transpose(1, 2)  # (B, H, T, K)


def merge_heads(x: Tensor) -> Tensor:
    """Lay the heads of every token side by side again: (B, H, T, K) to (B, T, D)."""
    B, H, T, K = x.shape
    return x.transpose(1, 2).reshape(B, T, H * K)  # (B, T, D)


class MultiHeadAttention(nn.Module):
    """Self-attention with H heads.

    head_h = attention(x Wq_h, x Wk_h, x Wv_h); out = [head_1 ... head_H] Wo, each product with a bias.
    Vaswani et al. 2017, section 3.2.2.
    """

    def __init__(self, width: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.output = nn.Linear(width, width)

    def gather(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return what the heads found, side by side, before the output projection: (B, T, D)."""
        query = split_heads(self.query(x), self.heads)  # (B, H, T, K)
        key = split_heads(self.key(x), self.heads)  # (B, H, T, K)
        value = split_heads(self.value(x), self.heads)  # (B, H, T, K)
        dropout = self.dropout if self.training else 0.0
        return merge_heads(attention(query, key, value, mask, dropout))  # (B, T, D)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Let each token of x (B, T, D) attend to those that mask, broadcastable to (B, H, T, T), allows."""
        return self.output(self.gather(x, mask))  # (B, T, D)
