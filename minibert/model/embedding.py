"""The first layer: each token becomes the sum of what it is, where it stands, and which sentence it is in."""

import torch
from torch import Tensor, nn

from minibert.config import BertConfig
from minibert.model.layernorm import LayerNorm


def check_ids(ids: Tensor, size: int, what: str) -> None:
    """Raise ValueError naming the first of ids (B, T) that is below 0 or at least `size`.

    Only on the CPU, where looking costs nothing; a GPU would have to be waited for.
    """
    if ids.device.type != "cpu" or torch.compiler.is_compiling() or ids.numel() == 0:
        return
    low, high = (int(bound) for bound in torch.aminmax(ids))
    if low < 0 or high >= size:
        row, column = ((ids < 0) | (ids >= size)).nonzero()[0].tolist()
        raise ValueError(
            f"{what} must be from 0 to {size - 1}, got {int(ids[row, column])} in sequence {row} at position "
            f"{column}; were the ids made with another vocabulary than the model's?"
        )


class BertEmbedding(nn.Module):
    """norm(tokens[id] + positions[t] + segments[segment]), then dropout (Devlin et al. 2019, figure 2).

    The row of `pad_id` learns nothing from being looked up.
    """

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.tokens = nn.Embedding(config.vocab_size, config.width, padding_idx=config.pad_id)
        self.positions = nn.Embedding(config.max_positions, config.width)
        self.segments = nn.Embedding(config.segments, config.width)
        self.norm = LayerNorm(config.width, config.norm_eps)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, ids: Tensor, segments: Tensor | None = None) -> Tensor:
        """Embed ids (B, T) in sentences segments (B, T), all in the first if not given: (B, T, D).

        Raises ValueError for a sequence longer than the positions, for segments of another shape, and,
        on the CPU, for ids and segments outside their tables.
        """
        length, longest = ids.shape[1], self.positions.num_embeddings
        if length > longest:
            raise ValueError(
                f"the model has {longest} positions, got a sequence of {length} tokens; cut it to "
                f"{longest}, or make the model with max_positions of at least {length}"
            )
        check_ids(ids, self.tokens.num_embeddings, "token ids")
        places = self.positions.weight[:length]  # (T, D)
        if segments is None:
            x = self.tokens(ids) + (places + self.segments.weight[0])  # (B, T, D)
        else:
            if segments.shape != ids.shape:
                raise ValueError(
                    f"segments must have the shape of ids, (B, T) = {tuple(ids.shape)}, "
                    f"got {tuple(segments.shape)}"
                )
            check_ids(segments, self.segments.num_embeddings, "segments")
            x = self.tokens(ids) + places + self.segments(segments)  # (B, T, D)
        return self.dropout(self.norm(x))
