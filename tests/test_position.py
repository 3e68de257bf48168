"""Sinusoids and turns: the formulas at single entries, and what makes them good positions."""

import math

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from by_hand import by_hand
from hypothesis import given
from oracles import distance
from strategies import check_sizes, normal, seeds

from minibert.byhand.position import rotary_forward
from minibert.learn.checks import position as checks
from minibert.learn.sizes import Sizes
from minibert.model.position import rotary, sinusoids

test_by_hand = by_hand(checks)


@pytest.mark.parametrize(
    ("p", "i", "D"), [(0, 0, 4), (1, 0, 4), (3, 1, 4), (50, 2, 6), (511, 63, 128), (7, 1, 3)]
)
def test_sine_and_cosine_take_turns_as_in_the_paper(p: int, i: int, D: int) -> None:
    row = sinusoids(torch.tensor([p]), D)[0]
    angle = p / 10000 ** (2 * i / D)
    assert row[2 * i].item() == pytest.approx(math.sin(angle), abs=1e-6)
    if 2 * i + 1 < D:
        assert row[2 * i + 1].item() == pytest.approx(math.cos(angle), abs=1e-6)


def test_a_case_worked_by_hand() -> None:
    table = sinusoids(torch.arange(2), 4)
    expected = [[0, 1, 0, 1], [0.8414710, 0.5403023, 0.0099998, 0.9999500]]
    assert torch.allclose(table, torch.tensor(expected), atol=1e-7)


@given(D=st.integers(1, 12), start=st.integers(0, 1000), T=st.integers(1, 6))
def test_a_row_depends_on_its_position_alone(D: int, start: int, T: int) -> None:
    rows = sinusoids(torch.arange(start, start + T), D)
    assert rows.shape == (T, D) and rows.dtype == torch.float32
    assert torch.equal(rows, sinusoids(torch.arange(start + T), D)[start:])


@given(p=st.integers(0, 400), distance=st.integers(0, 100), half=st.integers(1, 16))
def test_the_product_of_two_positions_depends_on_their_distance_alone(
    p: int, distance: int, half: int
) -> None:
    a, b = sinusoids(torch.tensor([p, p + distance]), 2 * half).double()
    zero, c = sinusoids(torch.tensor([0, distance]), 2 * half).double()
    assert torch.dot(a, b).item() == pytest.approx(torch.dot(zero, c).item(), abs=1e-5)


@given(seed=seeds, shift=st.integers(-50, 50))
def test_turned_queries_and_keys_know_their_distance_alone(seed: int, shift: int) -> None:
    query, key = normal(seed, 2, 3, 5, 8), normal(seed + 1, 2, 3, 5, 8)
    places = torch.tensor([[0, 1, 2, 3, 4], [0, 0, 0, 1, 2]])  # the second is padded on the left

    def scores(at: torch.Tensor) -> torch.Tensor:
        return rotary(query, at) @ rotary(key, at).mT

    assert distance(scores(places + shift), scores(places)) < 1e-12
    assert distance(rotary(query, places).norm(dim=-1), query.norm(dim=-1)) < 1e-12


@pytest.mark.parametrize("together", [True, False])
@given(size=check_sizes, seed=seeds)
def test_turned_is_turned_for_autograd_too(together: bool, size: Sizes, seed: int) -> None:
    x, generator = normal(seed, *size.query).requires_grad_(), torch.Generator().manual_seed(seed)
    places = torch.randint(200, (size.T,) if together else (size.B, size.T), generator=generator)
    assert torch.autograd.gradcheck(lambda x: rotary(x, places), (x,))


def test_llama_turns_the_same_way_in_its_own_float32() -> None:
    from transformers import LlamaConfig
    from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding, apply_rotary_pos_emb

    config = LlamaConfig(hidden_size=48, num_attention_heads=3)
    x, places = normal(0, 2, 3, 5, 16, dtype=torch.float32), torch.tensor([[0, 1, 2, 3, 4], [90, 7, 0, 1, 2]])
    cosine, sine = LlamaRotaryEmbedding(config)(x, places)
    assert distance(rotary(x, places), apply_rotary_pos_emb(x, x, cosine, sine)[0]) < 1e-5


def test_half_precision_keeps_apart_positions_that_it_cannot_hold() -> None:
    x = normal(0, 1, 1, 2, 8)
    places = torch.tensor([4096, 4097])
    assert distance(rotary(x.bfloat16(), places).double(), rotary(x, places)) < 0.02
    assert rotary(x.bfloat16(), places).dtype == torch.bfloat16


def test_an_odd_width_cannot_be_turned() -> None:
    message = "features are turned in pairs: the width of a head must be even, got 3"
    with pytest.raises(ValueError, match=message):
        rotary(torch.ones(1, 1, 2, 3), torch.arange(2))
    with pytest.raises(ValueError, match=message):
        rotary_forward(np.ones((1, 1, 2, 3)), np.arange(2))
