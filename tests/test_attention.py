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
from minibert.model.attention import attention, scaled_dot_product

test_by_hand = by_hand(checks)


def plain(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Tensor:
    return scaled_dot_product(query, key, value, mask)[0]


BOTH = pytest.mark.parametrize("attend", [plain, attention])


def draw(size: Sizes, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    return normal(seed, *size.query), normal(seed + 1, *size.key), normal(seed + 2, *size.key)


@BOTH
def test_a_case_worked_by_hand(attend) -> None:
    # K = 4. Scores of the first query: (2 ln 3, 0) / sqrt 4 = (ln 3, 0), so weights 3/4 and 1/4;
    # of the second: (-2 ln 3, 0) / 2, so weights 1/4 and 3/4; the third query is zero, so 1/2 and 1/2.
    query = 2 * math.log(3) * torch.tensor([[1.0, 0, 0, 0], [-1, 0, 0, 0], [0, 0, 0, 0]])[None, None].double()
    key = torch.tensor([[1.0, 0, 0, 0], [0, 1, 0, 0]])[None, None].double()
    value = torch.tensor([[4.0, 0, 8, 1], [0, 4, 0, 1]])[None, None].double()
    expected = torch.tensor([[3.0, 1, 6, 1], [1, 3, 2, 1], [2, 2, 4, 1]])[None, None].double()
    assert distance(attend(query, key, value), expected) < 1e-12


@given(size=sizes, seed=seeds, data=st.data())
def test_the_weights_of_each_query_sum_to_one_over_the_keys_it_may_see(size, seed, data) -> None:
    mask = data.draw(masks(size))
    _, weights = scaled_dot_product(*draw(size, seed), mask)
    assert weights.shape == (size.B, size.H, size.T, size.S)
    sees = mask.any(-1).expand(size.B, size.H, size.T).double()
    assert distance(weights.sum(-1), sees, least=1) < 1e-12
    assert not weights.masked_select(~mask.expand_as(weights)).any()


@BOTH
@given(size=sizes, seed=seeds, data=st.data())
def test_a_mask_is_the_same_as_leaving_the_keys_out(attend, size, seed, data) -> None:
    query, key, value = draw(size, seed)
    kept = torch.tensor(data.draw(st.lists(st.booleans(), min_size=size.S, max_size=size.S).filter(any)))
    expected = attend(query, key[:, :, kept], value[:, :, kept])
    assert distance(attend(query, key, value, kept[None]), expected) < 1e-12


@BOTH
@given(size=sizes, seed=seeds)
def test_a_causal_mask_hides_the_future(attend, size, seed) -> None:
    size = size._replace(S=size.T)
    query, key, value = draw(size, seed)
    causal = torch.ones(size.T, size.T, dtype=torch.bool).tril()
    out = attend(query, key, value, causal)
    assert distance(out[:, :, 0], value[:, :, 0]) < 1e-12  # the first sees itself alone

    key, value = key.clone(), value.clone()
    key[:, :, -1] += 1
    value[:, :, -1] += 1
    changed = attend(query, key, value, causal)
    assert torch.equal(changed[:, :, :-1], out[:, :, :-1])
    assert not torch.equal(changed[:, :, -1], out[:, :, -1])  # each sees itself


@BOTH
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@given(size=sizes, seed=seeds)
def test_a_row_that_may_see_nothing_gives_zeros_and_a_finite_gradient(attend, dtype, size, seed) -> None:
    leaves = [t.to(dtype).requires_grad_() for t in draw(size, seed)]
    mask = normal(seed + 3, size.B, 1, size.T, size.S) > 0
    mask[0, :, 0] = False
    out = attend(*leaves, mask=mask)
    assert not out[0, :, 0].any()

    gradients = torch.autograd.grad(out, leaves, normal(seed + 4, *out.shape).to(dtype))
    assert all(bool(gradient.isfinite().all()) for gradient in gradients)
    assert not gradients[0][0, :, 0].any()


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
@given(size=sizes, seed=seeds, data=st.data())
def test_the_kernel_gives_the_numbers_and_gradients_of_the_formula(
    dtype, tolerance, size, seed, data
) -> None:
    leaves = [t.to(dtype).requires_grad_() for t in draw(size, seed)]
    mask = data.draw(st.none() | masks(size))
    upstream = normal(seed + 3, *size.query).to(dtype)
    fast, slow = attention(*leaves, mask=mask), plain(*leaves, mask=mask)
    assert distance(fast, slow, least=1) < tolerance
    for got, expected in zip(
        torch.autograd.grad(fast, leaves, upstream), torch.autograd.grad(slow, leaves, upstream), strict=True
    ):
        assert distance(got, expected, least=1) < tolerance


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


def test_dropout_leaves_weights_out_and_scales_up_the_rest() -> None:
    query, key, value = draw(Sizes(B=1, H=1, T=50, S=40, K=4), seed=0)
    torch.manual_seed(0)
    out, weights = scaled_dot_product(query, key, value, dropout=0.25)
    whole = scaled_dot_product(query, key, value)[1]
    kept = weights != 0
    assert 0.72 < float(kept.double().mean()) < 0.78
    assert distance(weights[kept], whole[kept] / 0.75) < 1e-12
    assert distance(out, weights @ value) < 1e-12

    many = torch.stack([attention(query, key, value, dropout=0.25) for _ in range(400)]).mean(0)
    assert float((many - whole @ value).abs().mean()) < 0.02


@BOTH
@pytest.mark.parametrize(
    "mask",
    [
        torch.ones(3, 4),
        torch.ones(4, dtype=torch.bool),
        torch.ones(4, 3, dtype=torch.bool),
        torch.ones(1, 1, 1, 3, 4, dtype=torch.bool),
    ],
)
def test_a_mask_that_is_not_boolean_or_does_not_fit_is_refused(attend, mask) -> None:
    query, key, value = draw(Sizes(B=1, H=2, T=3, S=4, K=2), seed=0)
    message = r"mask must be boolean .* broadcastable to \(B, H, T, S\) = \(1, 2, 3, 4\), of 2 to 4 axes, got"
    with pytest.raises(ValueError, match=message):
        attend(query, key, value, mask)
