"""Multi-head attention: H small attentions side by side, each on its own K = D / H features."""

from torch import Tensor, nn

from minibert.model.attention import attention, causal_attention
from minibert.model.keys_values import LayerPast


def split_heads(x: Tensor, heads: int) -> Tensor:
    """Cut the features of every token into heads: (B, T, D) to (B, H, T, K), with D = H K."""
    B, T, D = x.shape
    return x.view(B, T, heads, D // heads).transpose(1, 2)  # (B, H, T, K)


def merge_heads(x: Tensor) -> Tensor:
    """Lay the heads of every token side by side again: (B, H, T, K) to (B, T, D)."""
    B, H, T, K = x.shape
    return x.transpose(1, 2).reshape(B, T, H * K)  # (B, T, D)


def check_heads(width: int, heads: int) -> None:
    """Raise ValueError unless so many features can be cut into so many heads of equal width."""
    if heads < 1 or width % heads:
        raise ValueError(f"{width} features cannot be cut into {heads} heads of equal width")


class MultiHeadAttention(nn.Module):
    """Attention with H heads, within a sequence (self-attention) or from one to another (cross-attention).

    head_h = attention(x Wq_h, source Wk_h, source Wv_h); out = [head_1 ... head_H] Wo, each product with a
    bias; in self-attention source = x. Vaswani et al. 2017, sections 3.2.2 and 3.2.3.
    Raises ValueError when the width cannot be cut into so many heads.
    """

    def __init__(self, width: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        check_heads(width, heads)
        self.heads = heads
        self.dropout = dropout
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.output = nn.Linear(width, width)

    def gather(self, x: Tensor, mask: Tensor | None = None, source: Tensor | None = None) -> Tensor:
        """Return what the heads found, side by side, before the output projection: (B, T, D)."""
        source = x if source is None else source  # (B, S, D)
        query = split_heads(self.query(x), self.heads)  # (B, H, T, K)
        key = split_heads(self.key(source), self.heads)  # (B, H, S, K)
        value = split_heads(self.value(source), self.heads)  # (B, H, S, K)
        dropout = self.dropout if self.training else 0.0
        return merge_heads(attention(query, key, value, mask, dropout))  # (B, T, D)

    def forward(self, x: Tensor, mask: Tensor | None = None, source: Tensor | None = None) -> Tensor:
        """Let each token of x (B, T, D) attend to the tokens of source (B, S, D), or of x if not given.

        mask bool, True = may attend, broadcastable to (B, H, T, S). Returns (B, T, D).
        """
        return self.output(self.gather(x, mask, source))  # (B, T, D)


class CausalAttention(nn.Module):
    """Self-attention in which a token looks at itself and at those before it; `past` remembers these.

    [query key value] = x W + b: W is the three matrices of `MultiHeadAttention` side by side, for one product
    of three times the width takes less time than three. Radford et al. 2019 have it so in their code.
    Raises ValueError when the width cannot be cut into so many heads.
    """

    def __init__(self, width: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        check_heads(width, heads)
        self.heads = heads
        self.dropout = dropout
        self.project = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)

    def forward(self, x: Tensor, past: LayerPast | None = None) -> Tensor:
        """Let each token of x (B, T, D) attend to those up to itself, and to all of the past, if given.

        The keys and values of x are added to the past. Returns (B, T, D).
        """
        projected = self.project(x).chunk(3, dim=-1)  # (B, T, D) each
        query, key, value = (split_heads(part, self.heads) for part in projected)  # (B, H, T, K)
        dropout = self.dropout if self.training else 0.0
        if past is None:
            attended = causal_attention(query, key, value, dropout)
        else:
            attended = past.attend(query, key, value, dropout)
        return self.output(merge_heads(attended))  # (B, T, D)
