"""Multi-head attention: how features are cut, torch's twin, the heads' symmetry, finite differences."""

import math

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given
from oracles import check_gradients, distance, randomise
from strategies import normal, seeds
from torch import nn

from minibert.model.multihead import MultiHeadAttention, merge_heads, split_heads


def twin(ours: MultiHeadAttention) -> nn.MultiheadAttention:
    """Return torch's module with the same weights."""
    theirs = nn.MultiheadAttention(ours.query.in_features, ours.heads, batch_first=True).double()
    with torch.no_grad():
        parts = (ours.query, ours.key, ours.value)
        theirs.in_proj_weight.copy_(torch.cat([part.weight for part in parts]))
        theirs.in_proj_bias.copy_(torch.cat([part.bias for part in parts]))
    theirs.out_proj.load_state_dict(ours.output.state_dict())
    return theirs


@given(B=st.integers(1, 3), T=st.integers(1, 4), H=st.integers(1, 4), K=st.integers(1, 3), seed=seeds)
def test_head_h_of_a_token_is_the_hth_stretch_of_its_features(
    B: int, T: int, H: int, K: int, seed: int
) -> None:
    x = normal(seed, B, T, H * K)
    split = split_heads(x, H)
    assert split.shape == (B, H, T, K)
    for h in range(H):
        assert torch.equal(split[:, h], x[:, :, h * K : (h + 1) * K])
    assert torch.equal(merge_heads(split), x)


def test_a_case_worked_by_hand() -> None:
    # D = 4, H = 2, K = 2; queries, keys and values are the tokens themselves. In head 1 the products of token
    # 1 with tokens 1 and 2 are 2 (ln 3)^2 c^2 and 0; c makes the score, divided by sqrt K, equal ln 3.
    c = math.sqrt(math.sqrt(2) * math.log(3))
    x = torch.tensor([[[c, 0, 0, 7.0], [0, 0, 0, 7.0]]]).double()
    layer = MultiHeadAttention(4, 2).double()
    with torch.no_grad():
        for part in (layer.query, layer.key, layer.value, layer.output):
            part.weight.copy_(torch.eye(4))
            part.bias.zero_()
        layer.output.weight.mul_(2)
        layer.output.bias.fill_(1)
    # Head 1: weights 3/4, 1/4 for token 1 and 1/2, 1/2 for token 2. Head 2: both tokens are alike.
    expected = torch.tensor([[[2 * 0.75 * c + 1, 1, 1, 15], [2 * 0.5 * c + 1, 1, 1, 15]]]).double()
    assert distance(layer(x), expected) < 1e-7


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
@given(H=st.integers(1, 4), K=st.integers(1, 4), T=st.integers(1, 5), masked=st.booleans(), seed=seeds)
def test_values_and_gradients_are_those_of_torch(dtype, tolerance, H, K, T, masked, seed) -> None:
    ours = randomise(MultiHeadAttention(H * K, H), seed)
    theirs = twin(ours).to(dtype)
    ours.to(dtype)
    x = normal(seed, 2, T, H * K, dtype=dtype)
    upstream = normal(seed + 1, 2, T, H * K, dtype=dtype)
    attend = torch.rand(2, T, generator=torch.Generator().manual_seed(seed)) > 0.4
    attend[:, 0] = True

    got = ours(x, attend[:, None, None] if masked else None)
    expected, _ = theirs(x, x, x, key_padding_mask=~attend if masked else None, need_weights=False)
    assert distance(got, expected, least=1) < tolerance

    (got * upstream).sum().backward()
    (expected * upstream).sum().backward()
    parts = (ours.query.weight, ours.key.weight, ours.value.weight)
    gradient = torch.cat([part.grad for part in parts if part.grad is not None])
    assert theirs.in_proj_weight.grad is not None and theirs.out_proj.weight.grad is not None
    assert distance(gradient, theirs.in_proj_weight.grad, least=1) < tolerance
    assert ours.output.weight.grad is not None
    assert distance(ours.output.weight.grad, theirs.out_proj.weight.grad, least=1) < tolerance


@given(H=st.integers(1, 4), K=st.integers(1, 3), seed=seeds)
def test_permuting_the_weights_of_the_heads_permutes_the_heads(H: int, K: int, seed: int) -> None:
    layer, x = randomise(MultiHeadAttention(H * K, H), seed), normal(seed, 2, 4, H * K)
    found, out = layer.gather(x), layer(x)
    order = torch.randperm(H, generator=torch.Generator().manual_seed(seed))
    features = torch.arange(H * K).view(H, K)[order].flatten()
    with torch.no_grad():
        for part in (layer.query, layer.key, layer.value):
            part.weight.copy_(part.weight[features].clone())
            part.bias.copy_(part.bias[features].clone())
        layer.output.weight.copy_(layer.output.weight[:, features].clone())
    assert distance(layer.gather(x), found[..., features]) < 1e-12
    assert distance(layer(x), out) < 1e-10


def test_gradients_agree_with_finite_differences() -> None:
    layer = randomise(MultiHeadAttention(4, 2))
    mask = torch.tensor([[True, True, False], [True, False, True]])[:, None, None]
    check_gradients(layer, lambda x: layer(x, mask), normal(0, 2, 3, 4))


def test_weights_are_dropped_in_training_alone() -> None:
    layer, x = randomise(MultiHeadAttention(8, 2, dropout=0.5)), normal(0, 1, 6, 8)
    whole = randomise(MultiHeadAttention(8, 2, dropout=0.0))(x)
    assert not torch.equal(layer.train()(x), layer(x))
    assert torch.equal(layer.eval()(x), whole)
