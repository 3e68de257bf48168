"""Sinusoids and turns: the formulas at single entries, and what makes them good positions."""

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from by_hand import by_hand
from hypothesis import given
from oracles import distance
from strategies import check_sizes, normal, seeds

from minibert.byhand.position import rotary_forward
from minibert.learn.checks import model_position as model_checks
from minibert.learn.checks import position as checks
from minibert.learn.sizes import Sizes
from minibert.model.position import rotary, sinusoids

test_by_hand = by_hand(checks)
test_in_torch = by_hand(model_checks, examples=5)


@given(p=st.integers(0, 400), distance=st.integers(0, 100), half=st.integers(1, 16))
def test_the_product_of_two_positions_depends_on_their_distance_alone(
    p: int, distance: int, half: int
) -> None:
    a, b = sinusoids(torch.tensor([p, p + distance]), 2 * half).double()
    zero, c = sinusoids(torch.tensor([0, distance]), 2 * half).double()
    assert torch.dot(a, b).item() == pytest.approx(torch.dot(zero, c).item(), abs=1e-5)


@pytest.mark.parametrize("together", [True, False])
@given(size=check_sizes, seed=seeds)
def test_turned_is_turned_for_autograd_too(together: bool, size: Sizes, seed: int) -> None:
    x, generator = normal(seed, *size.query).requires_grad_(), torch.Generator().manual_seed(seed)
    places = torch.randint(200, (size.T,) if together else (size.B, size.T), generator=generator)
    assert torch.autograd.gradcheck(lambda x: rotary(x, places), (x,))
    by_hand = rotary(x, places)
    with torch.no_grad():
        assert distance(by_hand, rotary(x, places)) < 1e-14


def test_heads_are_turned_where_they_lie_in_memory() -> None:
    """A query cut into heads is not in one piece: its turn and its gradient lie as it does."""
    x = normal(0, 2, 3, 4, 6).transpose(1, 2).requires_grad_()  # (B, H, T, K), tokens first in memory
    turned = rotary(x, torch.arange(3))
    assert turned.stride() == x.stride()
    assert distance(turned, rotary(x.contiguous(), torch.arange(3))) < 1e-14
    assert torch.autograd.gradcheck(lambda x: rotary(x, torch.arange(3)), (x,))


def test_llama_turns_the_same_way_in_its_own_float32() -> None:
    from transformers import LlamaConfig
    from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding, apply_rotary_pos_emb

    config = LlamaConfig(hidden_size=48, num_attention_heads=3)
    x, places = normal(0, 2, 3, 5, 16, dtype=torch.float32), torch.tensor([[0, 1, 2, 3, 4], [90, 7, 0, 1, 2]])
    cosine, sine = LlamaRotaryEmbedding(config)(x, places)
    assert distance(rotary(x, places), apply_rotary_pos_emb(x, x, cosine, sine)[0]) < 1e-5


def test_an_odd_width_cannot_be_turned() -> None:
    message = "features are turned in pairs: the width of a head must be even, got 3"
    with pytest.raises(ValueError, match=message):
        rotary(torch.ones(1, 1, 2, 3), torch.arange(2))
    with pytest.raises(ValueError, match=message):
        rotary_forward(np.ones((1, 1, 2, 3)), np.arange(2))
