"""Multi-head attention: how features are cut, torch's twin, the heads' symmetry, finite differences."""

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from by_hand import by_hand
from hypothesis import given
from oracles import check_gradients, distance, randomise
from strategies import normal, seeds
from torch import nn

from minibert.byhand.multihead import multihead_forward, split_heads
from minibert.learn.checks import multihead as checks
from minibert.model import multihead as model
from minibert.model.multihead import MultiHeadAttention

test_by_hand = by_hand(checks)


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
    split = model.split_heads(x, H)
    assert split.shape == (B, H, T, K)
    for h in range(H):
        assert torch.equal(split[:, h], x[:, :, h * K : (h + 1) * K])
    assert torch.equal(model.merge_heads(split), x)


def test_splitting_moves_no_number() -> None:
    x = np.ones((2, 3, 8))
    assert np.shares_memory(split_heads(x, 4), x)


def test_a_case_worked_by_hand() -> None:
    # The numbers of minibert.learn.checks.multihead: head 1 looks at its own token, head 2 at the other.
    tokens, params = checks.case_by_hand()
    layer = MultiHeadAttention(4, 2).double()
    layer.load_state_dict({name: torch.tensor(value) for name, value in params.items()})
    expected = torch.tensor([[[3.0, 1, 2, 13], [1, 3, -2, 11]]]).double()
    assert distance(layer(torch.tensor(tokens)), expected) < 1e-12
    assert distance(layer.gather(torch.tensor(tokens))[0, 0], torch.tensor([3.0, 1, 1, 3]).double()) < 1e-12


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
@given(
    H=st.integers(1, 4),
    K=st.integers(1, 4),
    T=st.integers(1, 5),
    S=st.none() | st.integers(1, 6),
    masked=st.booleans(),
    seed=seeds,
)
def test_values_and_gradients_are_those_of_torch(dtype, tolerance, H, K, T, S, masked, seed) -> None:
    """Self-attention where S is None, else cross-attention."""
    ours = randomise(MultiHeadAttention(H * K, H), seed)
    theirs = twin(ours).to(dtype)
    ours.to(dtype)
    inputs = [normal(seed, 2, T, H * K, dtype=dtype)]
    if S is not None:
        inputs.append(normal(seed + 1, 2, S, H * K, dtype=dtype))
    x, source = (tensor.requires_grad_() for tensor in (inputs[0], inputs[-1]))
    upstream = normal(seed + 2, 2, T, H * K, dtype=dtype)
    attend = torch.rand(source.shape[:2], generator=torch.Generator().manual_seed(seed)) > 0.4
    attend[:, 0] = True

    got = ours(x, attend[:, None, None] if masked else None, None if S is None else source)
    expected, _ = theirs(x, source, source, key_padding_mask=~attend if masked else None, need_weights=False)
    assert distance(got, expected, least=1) < tolerance

    parts = (ours.query, ours.key, ours.value)
    weights, biases = [part.weight for part in parts], [part.bias for part in parts]
    gradients = torch.autograd.grad(got, [*inputs, *ours.output.parameters(), *weights, *biases], upstream)
    wanted = torch.autograd.grad(
        expected,
        [*inputs, *theirs.out_proj.parameters(), theirs.in_proj_weight, theirs.in_proj_bias],
        upstream,
    )
    found = [*gradients[:-6], torch.cat(gradients[-6:-3]), torch.cat(gradients[-3:])]
    largest = max(float(gradient.abs().max()) for gradient in wanted)
    for gradient, slope in zip(found, wanted, strict=True):
        assert distance(gradient, slope, least=max(1, 0.1 * largest)) < tolerance


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


@given(H=st.integers(2, 4), K=st.integers(1, 3), seed=seeds)
def test_a_head_whose_output_weights_are_zero_changes_nothing(H: int, K: int, seed: int) -> None:
    layer, x = randomise(MultiHeadAttention(H * K, H), seed), normal(seed, 2, 4, H * K)
    with torch.no_grad():
        layer.output.weight[:, :K] = 0
        out = layer(x)
        for part in (layer.query, layer.key, layer.value):
            part.weight[:K] = normal(seed + 1, K, H * K)
    assert torch.equal(layer(x), out)
    layer(x).backward(normal(seed + 2, *out.shape))
    for part in (layer.query, layer.key, layer.value):
        assert part.weight.grad is not None and not part.weight.grad[:K].any()


@given(seed=seeds)
def test_the_bias_of_the_keys_changes_nothing(seed: int) -> None:
    layer, x = randomise(MultiHeadAttention(6, 2), seed), normal(seed, 2, 4, 6)
    out = layer(x)
    with torch.no_grad():
        layer.key.bias.add_(normal(seed, 6))
    assert distance(layer(x), out) < 1e-10


@given(S=st.integers(1, 4), seed=seeds)
def test_padding_of_the_source_is_the_same_as_leaving_it_out(S: int, seed: int) -> None:
    layer, x = randomise(MultiHeadAttention(6, 2), seed), normal(seed, 2, 3, 6)
    source, attend = normal(seed + 1, 2, S + 2, 6), torch.arange(S + 2) < S
    assert distance(layer(x, attend[None], source), layer(x, None, source[:, :S])) < 1e-12


def test_self_attention_is_attention_to_itself_bit_for_bit() -> None:
    layer, x = randomise(MultiHeadAttention(6, 2)).float(), normal(0, 2, 4, 6).float()
    mask = torch.ones(4, 4, dtype=torch.bool).tril()
    assert torch.equal(layer(x, mask), layer(x, mask, x))


def test_gradients_agree_with_finite_differences() -> None:
    layer = randomise(MultiHeadAttention(4, 2))
    mask = torch.tensor([[True, True, False], [True, False, True]])[:, None, None]
    check_gradients(layer, lambda x: layer(x, mask), normal(0, 2, 3, 4))


def test_gradients_of_cross_attention_agree_with_finite_differences() -> None:
    layer = randomise(MultiHeadAttention(4, 2))
    mask = torch.tensor([[True, True, False], [False, False, False]])[:, None, None]
    check_gradients(layer, lambda x, source: layer(x, mask, source), normal(0, 2, 2, 4), normal(1, 2, 3, 4))


def test_weights_are_dropped_in_training_alone() -> None:
    layer, x = randomise(MultiHeadAttention(8, 2, dropout=0.5)), normal(0, 1, 6, 8)
    whole = randomise(MultiHeadAttention(8, 2, dropout=0.0))(x)
    assert not torch.equal(layer.train()(x), layer(x))
    assert torch.equal(layer.eval()(x), whole)


def test_heads_that_do_not_divide_the_width_are_refused() -> None:
    with pytest.raises(ValueError, match="8 features cannot be cut into 3 heads of equal width"):
        MultiHeadAttention(8, 3)
    with pytest.raises(ValueError, match="8 features cannot be cut into 3 heads of equal width"):
        split_heads(np.ones((1, 2, 8)), 3)


def test_a_source_of_another_width_or_batch_is_refused() -> None:
    params = checks.draw_params(4, np.random.default_rng(0))
    x = np.ones((2, 3, 4))
    for source in (np.ones((2, 3, 5)), np.ones((1, 3, 4))):
        with pytest.raises(ValueError, match="do not fit"):
            multihead_forward(x, source, params, 2)
