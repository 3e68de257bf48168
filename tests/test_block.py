"""The blocks: by hand, torch's own twins, rows worked out alone, padding, finite differences."""

import hypothesis.strategies as st
import pytest
import torch
from by_hand import by_hand
from hypothesis import given
from oracles import check_gradients, distance, randomise
from strategies import normal, seeds
from torch import nn

from minibert.config import BertConfig
from minibert.learn.checks import block as checks
from minibert.learn.checks import model_block as model_checks
from minibert.model.block import Block, CrossBlock, PreNormBlock
from minibert.model.multihead import MultiHeadAttention

test_by_hand = by_hand(checks, examples=5)
test_in_torch = by_hand(model_checks, examples=5)


def config(heads: int = 2, K: int = 2, F: int = 5, dropout: float = 0.0, eps: float = 1e-12) -> BertConfig:
    return BertConfig(
        width=heads * K, heads=heads, feedforward=F, dropout=dropout, attention_dropout=dropout, norm_eps=eps
    )


def take_attention(theirs: nn.MultiheadAttention, ours: MultiHeadAttention) -> None:
    """Give torch's attention the weights of ours: it has the three projections in one matrix."""
    parts = (ours.query, ours.key, ours.value)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([part.weight for part in parts]))
        theirs.in_proj_bias.copy_(torch.cat([part.bias for part in parts]))
    theirs.out_proj.load_state_dict(ours.output.state_dict())


def twin(ours: Block | PreNormBlock, F: int, eps: float) -> nn.TransformerEncoderLayer:
    """Return torch's block with the same weights."""
    D, H = ours.attention.query.in_features, ours.attention.heads
    norm_first = isinstance(ours, PreNormBlock)
    theirs = nn.TransformerEncoderLayer(
        D, H, F, 0.0, "gelu", eps, batch_first=True, norm_first=norm_first
    ).double()
    take_attention(theirs.self_attn, ours.attention)
    theirs.linear1.load_state_dict(ours.feedforward.expand.state_dict())
    theirs.linear2.load_state_dict(ours.feedforward.contract.state_dict())
    theirs.norm1.load_state_dict(ours.attention_norm.state_dict())
    theirs.norm2.load_state_dict(ours.feedforward_norm.state_dict())
    return theirs


def decoder_twin(ours: CrossBlock, F: int, eps: float) -> nn.TransformerDecoderLayer:
    """Return torch's decoder block with the same weights."""
    D, H = ours.attention.query.in_features, ours.attention.heads
    theirs = nn.TransformerDecoderLayer(D, H, F, 0.0, "gelu", eps, batch_first=True).double()
    take_attention(theirs.self_attn, ours.attention)
    take_attention(theirs.multihead_attn, ours.cross)
    theirs.linear1.load_state_dict(ours.feedforward.expand.state_dict())
    theirs.linear2.load_state_dict(ours.feedforward.contract.state_dict())
    theirs.norm1.load_state_dict(ours.attention_norm.state_dict())
    theirs.norm2.load_state_dict(ours.cross_norm.state_dict())
    theirs.norm3.load_state_dict(ours.feedforward_norm.state_dict())
    return theirs


@pytest.mark.parametrize("kind", [Block, PreNormBlock])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
@given(
    H=st.integers(1, 3),
    K=st.integers(2, 4),
    F=st.integers(1, 9),
    eps=st.sampled_from([1e-12, 0.1]),
    seed=seeds,
)
def test_values_and_gradients_are_those_of_torch(kind, dtype, tolerance, H, K, F, eps, seed) -> None:
    ours = randomise(kind(config(H, 2 * K, F, eps=eps)), seed)
    theirs = twin(ours, F, eps).to(dtype)
    ours.to(dtype)
    shape = (2, 4, 2 * H * K)
    x, upstream = normal(seed, *shape, dtype=dtype).requires_grad_(), normal(seed + 1, *shape, dtype=dtype)
    attend = torch.tensor([[True, True, True, False], [True, False, True, True]])

    got, expected = ours(x, attend[:, None, None]), theirs(x, src_key_padding_mask=~attend)
    assert distance(got, expected) < tolerance
    (dx,) = torch.autograd.grad(got, x, upstream)
    (expected_dx,) = torch.autograd.grad(expected, x, upstream)
    assert distance(dx, expected_dx) < tolerance


@given(H=st.integers(1, 3), K=st.integers(2, 4), eps=st.sampled_from([1e-12, 0.1]), seed=seeds)
def test_the_decoder_block_is_that_of_torch(H: int, K: int, eps: float, seed: int) -> None:
    ours = randomise(CrossBlock(config(H, 2 * K, 7, eps=eps)), seed)
    theirs, D = decoder_twin(ours, 7, eps), 2 * H * K
    x, source = normal(seed, 2, 4, D).requires_grad_(), normal(seed + 1, 2, 3, D).requires_grad_()
    causal = torch.ones(4, 4, dtype=torch.bool).tril()
    attend = torch.tensor([[True, True, False], [True, True, True]])

    got = ours(x, source, causal, attend[:, None, None])
    expected = theirs(x, source, tgt_mask=~causal, memory_key_padding_mask=~attend)
    assert distance(got, expected) < 1e-10
    upstream = normal(seed + 2, 2, 4, D)
    slopes = torch.autograd.grad(got, (x, source), upstream)
    for slope, other in zip(slopes, torch.autograd.grad(expected, (x, source), upstream), strict=True):
        assert distance(slope, other) < 1e-9


def test_post_norm_and_pre_norm_have_the_same_parameters() -> None:
    block, pre = randomise(Block(config())), PreNormBlock(config()).double()
    pre.load_state_dict(block.state_dict())
    x = normal(0, 2, 3, 4)
    assert not torch.allclose(block(x), pre(x))


def test_gradients_agree_with_finite_differences() -> None:
    block = randomise(Block(config()))
    mask, rows = (
        torch.tensor([[True, True, False], [True, True, True]])[:, None, None],
        torch.tensor([0, 5, 3]),
    )
    check_gradients(block, lambda x: block(x, mask), normal(0, 2, 3, 4))
    check_gradients(block, lambda x: block(x, mask, rows), normal(0, 2, 3, 4))


def test_gradients_of_the_other_blocks_agree_with_finite_differences() -> None:
    causal = torch.ones(3, 3, dtype=torch.bool).tril()
    pre = randomise(PreNormBlock(config()))
    check_gradients(pre, lambda x: pre(x, causal), normal(0, 2, 3, 4))
    cross, attend = randomise(CrossBlock(config())), torch.tensor([[True, True, True], [True, True, False]])
    run = lambda x, source: cross(x, source, causal, attend[:, None, None])  # noqa: E731
    check_gradients(cross, run, normal(0, 2, 3, 4), normal(1, 2, 3, 4))
