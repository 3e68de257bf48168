"""Attention: by hand, what masks do, rows that see nothing, the fused kernel, blocks, finite differences."""

import math
import tracemalloc
from functools import partial

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from by_hand import by_hand
from hypothesis import given
from oracles import distance
from strategies import Sizes, masks, normal, seeds, sizes
from torch import Tensor
from transformers.models.bert.modeling_bert import eager_attention_forward

from minibert.byhand.attention import attention_backward, attention_forward, online_attention
from minibert.learn.checks import attention as checks
from minibert.learn.checks import model_attention as model_checks
from minibert.model.attention import attention, scaled_dot_product

test_by_hand = by_hand(checks)
test_in_torch = by_hand(model_checks, examples=5)


def plain(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Tensor:
    return scaled_dot_product(query, key, value, mask)[0]


BOTH = pytest.mark.parametrize("attend", [plain, attention])


def draw(size: Sizes, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    return normal(seed, *size.query), normal(seed + 1, *size.key), normal(seed + 2, *size.key)


@BOTH
@given(size=sizes, seed=seeds)
def test_the_order_of_the_keys_does_not_matter(attend, size, seed) -> None:
    query, key, value = draw(size, seed)
    order = torch.randperm(size.S, generator=torch.Generator().manual_seed(seed))
    expected = attend(query, key, value)
    assert distance(attend(query, key[:, :, order], value[:, :, order]), expected) < 1e-12


@BOTH
@given(size=sizes, seed=seeds, data=st.data())
def test_moving_all_keys_by_one_vector_changes_nothing(attend, size, seed, data) -> None:
    query, key, value = draw(size, seed)
    mask = data.draw(st.none() | masks(size))
    expected = attend(query, key, value, mask)
    assert distance(attend(query, key + normal(seed + 3, size.K), value, mask), expected, least=1) < 1e-12


@BOTH
@given(size=sizes, seed=seeds, left=st.integers(0, 3), right=st.integers(0, 3))
def test_padding_on_either_side_changes_nothing(attend, size, seed, left, right) -> None:
    query, key, value = draw(size, seed)
    padded = [torch.nn.functional.pad(x, (0, 0, left, right), value=7.0) for x in (key, value)]
    seen = torch.nn.functional.pad(torch.ones(1, size.S, dtype=torch.bool), (left, right))
    assert distance(attend(query, *padded, seen), attend(query, key, value)) < 1e-12


@BOTH
@given(size=sizes, seed=seeds, data=st.data())
def test_bert_of_transformers_attends_to_the_same(attend, size, seed, data) -> None:
    query, key, value = draw(size, seed)
    mask = data.draw(masks(size))
    added = torch.zeros(mask.shape).double().masked_fill(~mask, -math.inf)
    theirs, _ = eager_attention_forward(torch.nn.Identity(), query, key, value, added)
    seen = mask.any(-1, keepdim=True).expand(size.B, size.H, size.T, 1)  # theirs is 0 / 0 elsewhere
    expected = torch.where(seen, theirs.transpose(1, 2), 0)
    assert distance(attend(query, key, value, mask), expected, least=1) < 1e-12


@given(size=sizes, seed=seeds, block=st.integers(1, 9), scale=st.sampled_from([1, 100, 1e4]), data=st.data())
def test_blocks_of_keys_give_the_numbers_of_the_kernel(size, seed, block, scale, data) -> None:
    query, key, value = draw(size, seed)
    mask = data.draw(st.none() | masks(size))
    expected = attention(scale * query, key, value, mask)
    hidden = None if mask is None else mask.numpy()
    got = online_attention((scale * query).numpy(), key.numpy(), value.numpy(), hidden, block)
    assert distance(torch.from_numpy(got), expected, least=1) < 1e-11 * scale


def test_blocks_of_keys_never_hold_all_the_scores() -> None:
    T = 1024
    query, key, value = (normal(seed, 1, 1, T, 8).numpy() for seed in range(3))
    needed = []
    for attend in (attention_forward, partial(online_attention, block=32)):
        tracemalloc.start()
        attend(query, key, value)
        needed.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    scores = T * T * 8
    assert needed[1] < scores / 4 < scores < needed[0]


@pytest.mark.parametrize("block", [0, -3])
def test_an_empty_block_is_refused(block) -> None:
    query, key, value = (normal(seed, 2, 3).numpy() for seed in range(3))
    with pytest.raises(ValueError, match=f"a block must hold at least one key, got {block}"):
        online_attention(query, key, value, block=block)


def test_values_may_be_wider_than_keys_and_axes_before_the_last_two_may_be_any() -> None:
    query, key, value = (normal(seed, *shape).numpy() for seed, shape in enumerate([(3, 4), (5, 4), (5, 7)]))
    out, cache = attention_forward(query, key, value)
    assert out.shape == (3, 7)
    assert [gradient.shape for gradient in attention_backward(out, cache)] == [(3, 4), (5, 4), (5, 7)]
    deeper = attention_forward(query[None, None, None], key[None, None, None], value[None, None, None])[0]
    assert np.allclose(deeper, out[None, None, None], rtol=0, atol=1e-14)  # (1, 1, 1, T, 7)


@BOTH
def test_scores_keep_variance_one_however_wide_the_head(attend) -> None:
    # With one key in two masked off, the log of the ratio of the two weights is the difference of the scores.
    query, key = normal(0, 1, 1, 4000, 64), normal(1, 1, 1, 2, 64)
    key = key / key.norm(dim=-1, keepdim=True) * 8  # of length sqrt K, as unit normal numbers have
    shares = attend(query, key, torch.eye(2, 64).double()[None, None])[0, 0, :, :2]
    difference = (shares[:, 0] / shares[:, 1]).log()
    expected = float((key[0, 0, 0] - key[0, 0, 1]).square().sum()) / 64
    assert float(difference.var()) == pytest.approx(expected, rel=0.1)


@BOTH
def test_gradients_agree_with_finite_differences(attend) -> None:
    leaves = tuple(t.requires_grad_() for t in draw(Sizes(B=1, H=2, T=3, S=4, K=2), seed=0))
    assert torch.autograd.gradcheck(attend, leaves)
    mask = torch.tensor([[1, 0, 1, 1], [0, 0, 0, 0], [0, 1, 0, 0]], dtype=torch.bool)
    assert torch.autograd.gradcheck(lambda *t: attend(*t, mask), leaves)


@BOTH
def test_a_mask_that_does_not_fit_is_told_with_the_shape_that_would(attend) -> None:
    query, key, value = draw(Sizes(B=1, H=2, T=3, S=4, K=2), seed=0)
    for mask in (torch.ones(3, 4), torch.ones(4, 3).bool(), torch.ones(1, 1, 1, 3, 4).bool()):
        message = r"mask must be boolean .* \(B, H, T, S\) = \(1, 2, 3, 4\), of 2 to 4 axes, got"
        with pytest.raises(ValueError, match=message):
            attend(query, key, value, mask)
