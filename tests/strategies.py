"""What hypothesis draws, by the letters of the project: B T S D H K F V L N."""

from typing import NamedTuple, cast

import hypothesis.strategies as st
import torch
from torch import Tensor

from minibert.config import BertConfig
from minibert.learn.sizes import Sizes

seeds = st.integers(0, 2**31 - 1)
"""Seeds: numbers come from a seeded generator, so that a failing example is three integers, not a matrix."""


def normal(seed: int, *shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """Return standard normal numbers of this shape."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


sizes = st.builds(
    Sizes,
    B=st.integers(1, 3),
    H=st.integers(1, 3),
    T=st.integers(1, 5),
    S=st.integers(1, 6),
    K=st.integers(1, 5),
)

"""Sizes of an attention."""

check_sizes = st.builds(
    Sizes,
    B=st.integers(1, 3),
    T=st.integers(1, 4),
    S=st.integers(1, 4),
    H=st.integers(1, 2),
    K=st.just(4),
    F=st.integers(1, 5),
    V=st.integers(2, 7),
    N=st.integers(1, 5),
    L=st.integers(1, 2),
)
"""Sizes for the checks of `minibert.learn`: small, for finite differences go through every number."""


@st.composite
def masks(draw: st.DrawFn, size: Sizes) -> Tensor:
    """Draw a mask, True = may attend, broadcastable to (B, H, T, S); some rows may attend to nothing."""
    shape = [n if draw(st.booleans()) else 1 for n in (size.B, size.H, size.T)]
    return normal(draw(seeds), *shape, size.S) > draw(st.sampled_from([-0.7, 0.0, 0.7]))


class Batch(NamedTuple):
    """Input of a BERT: ids (B, T), segments (B, T) or None, attend (B, T) or None."""

    ids: Tensor
    segments: Tensor | None
    attend: Tensor | None


@st.composite
def configs(draw: st.DrawFn) -> BertConfig:
    """Draw the shape of a small BERT without dropout."""
    heads = draw(st.integers(1, 4))
    activation = draw(st.sampled_from(["gelu", "gelu_tanh", "relu"]))
    return BertConfig(
        vocab_size=draw(st.integers(5, 60)),
        layers=draw(st.integers(1, 3)),
        width=heads * draw(st.integers(4, 10)),
        heads=heads,
        feedforward=draw(st.integers(3, 40)),
        max_positions=draw(st.integers(9, 20)),
        segments=draw(st.integers(1, 3)),
        activation=cast("str", activation),  # pyright: ignore[reportArgumentType]
        dropout=0.0,
        attention_dropout=0.0,
        norm_eps=draw(st.sampled_from([1e-12, 1e-5])),
        pad_id=draw(st.integers(0, 4)),
    )


@st.composite
def batches(draw: st.DrawFn, config: BertConfig) -> Batch:
    """Draw a batch for the model: any ids, any segments, padding on the right, anywhere, or none."""
    B, T = draw(st.integers(1, 3)), draw(st.integers(2, config.max_positions))
    generator = torch.Generator().manual_seed(draw(seeds))
    ids = torch.randint(config.vocab_size, (B, T), generator=generator)
    segments = torch.randint(config.segments, (B, T), generator=generator)
    lengths = torch.randint(1, T + 1, (B, 1), generator=generator)
    anywhere = torch.rand(B, T, generator=generator) > 0.3
    anywhere[:, 0] = True
    attend = draw(st.sampled_from([None, torch.arange(T) < lengths, anywhere]))
    return Batch(ids, draw(st.sampled_from([None, segments])), attend)
