"""What a model with attention remembers of a text: the keys and values of every layer."""

import torch
from torch import Tensor

from minibert.model.attention import attention, causal_attention

Places = slice | Tensor
"""Where tokens stand: a stretch of positions that all texts share, or (B, T) where they count differently."""


class LayerPast:
    """The keys and values of one layer, (B, H, length, K) each, of which the first columns are filled."""

    def __init__(self, shape: tuple[int, int, int, int], like: Tensor) -> None:
        """Take memory of shape (B, H, length, K) twice, of the type and on the device of a tensor."""
        self.keys = like.new_zeros(shape)
        self.values = like.new_zeros(shape)
        self.first = 0
        self.mask: Tensor | None = None

    def begin(self, first: int, mask: Tensor | None) -> None:
        """Say where the next keys and values are to be written, and whom their queries may attend to."""
        self.first = first
        self.mask = mask

    def add(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Write key and value (B, H, T, K) from column `first` on; return all to their end, (B, H, S, K)."""
        end = self.first + key.shape[2]
        self.keys[:, :, self.first : end] = key
        self.values[:, :, self.first : end] = value
        return self.keys[:, :, :end], self.values[:, :, :end]

    def attend(self, query: Tensor, key: Tensor, value: Tensor, dropout: float = 0.0) -> Tensor:
        """Add key and value, and let the query attend to them and to all before: each (B, H, T, K)."""
        keys, values = self.add(key, value)  # (B, H, S, K)
        T, S = query.shape[2], keys.shape[2]
        if self.mask is None and T == S > 1:
            return causal_attention(query, keys, values, dropout)
        return attention(query, keys, values, self.mask, dropout)


class KeysValues:
    """The state of a causal model: what was worked out once for a token is not worked out again.

    A token looks only at earlier ones, so their keys and values stay the same when the text grows. Memory for
    `length` columns is taken at once and filled in place: what is there is never copied to make room.

    Texts of different length stand in one batch with padding on the left, so that all end, and go on, in the
    same column. Row b's text begins in column starts[b], and its positions count from there.
    """

    def __init__(
        self, layers: int, shape: tuple[int, int, int, int], like: Tensor, starts: Tensor | None = None
    ) -> None:
        """Take memory for so many layers, shape = (B, H, length, K), of the type and on the device of `like`.

        starts (B,) int64, in [0, length); None puts no padding before any text. Raises ValueError for others.
        """
        B, _, self.length, _ = shape
        self.filled = 0
        self.layers = [LayerPast(shape, like) for _ in range(layers)]
        self.columns = torch.arange(self.length, device=like.device)
        self.starts = starts if starts is None else check_starts(starts, B, self.length).to(like.device)

    def grow(self, count: int) -> Places:
        """Make room for so many tokens, and return their positions; those of padding are 0.

        Raises ValueError when there are not so many columns left.
        """
        first, last = self.filled, self.filled + count
        if last > self.length:
            raise ValueError(
                f"the state has room for {self.length} tokens, {first} of them taken, and got {count} more; "
                f"make it with a length of at least {last}"
            )
        self.filled = last
        mask = self.mask(first)
        for layer in self.layers:
            layer.begin(first, mask)
        if self.starts is None:
            return slice(first, last)
        return (self.columns[first:last] - self.starts[:, None]).clamp(min=0)  # (B, T)

    def mask(self, first: int) -> Tensor | None:
        """Return who may attend to whom, True = may, for the queries from column `first` to the last filled.

        (T, S), or (B, 1, T, S) with padding. None where a query may attend to all, and where the causal
        kernel needs no mask: without padding, a single query, or all queries from the first on.
        """
        columns = self.columns[: self.filled]  # (S,)
        queries = columns[first:, None]  # (T, 1)
        if self.starts is not None:
            text = columns >= self.starts[:, None, None, None]  # (B, 1, 1, S)
            return text if len(queries) == 1 else text & (columns <= queries)
        return None if first == 0 or len(queries) == 1 else columns <= queries

    def reorder(self, rows: Tensor) -> None:
        """Let row i go on from what row rows[i] has seen: rows (B,) int64, as beam search picks them."""
        for layer in self.layers:
            layer.keys = layer.keys.index_select(0, rows)
            layer.values = layer.values.index_select(0, rows)
        if self.starts is not None:
            self.starts = self.starts.index_select(0, rows)


def check_starts(starts: Tensor, batch: int, length: int) -> Tensor:
    """Return starts. Raises ValueError unless they are (B,) whole numbers in [0, length)."""
    whole = not starts.is_floating_point() and starts.dtype != torch.bool
    if starts.shape != (batch,) or not whole or not ((starts >= 0) & (starts < length)).all():
        raise ValueError(
            f"starts must be {batch} columns from 0 to {length - 1}, one for each row, "
            f"got {starts.dtype} {starts.tolist()}"
        )
    return starts
