"""Multi-head attention: how features are cut, torch's twin, the heads' symmetry, finite differences."""

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from by_hand import by_hand
from hypothesis import given
from oracles import check_gradients, distance, randomise
from strategies import normal, seeds

from minibert.byhand.multihead import multihead_forward, split_heads
from minibert.learn.checks import model_multihead as model_checks
from minibert.learn.checks import multihead as checks
from minibert.model.multihead import MultiHeadAttention

test_by_hand = by_hand(checks)
test_in_torch = by_hand(model_checks, examples=5)


def test_splitting_moves_no_number() -> None:
    x = np.ones((2, 3, 8))
    assert np.shares_memory(split_heads(x, 4), x)


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
