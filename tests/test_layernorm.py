"""Layer norm: by hand, its invariances, its twin in torch, and finite differences."""

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from by_hand import by_hand
from hypothesis import given
from oracles import check_gradients, distance, randomise
from strategies import normal, seeds

from minibert.byhand.layernorm import layernorm_forward
from minibert.config import BertConfig
from minibert.learn.checks import layernorm as checks
from minibert.model.layernorm import LayerNorm, layernorm, layernorm_plain

test_by_hand = by_hand(checks)

BOTH = pytest.mark.parametrize("norm", [layernorm_plain, layernorm])


@BOTH
def test_a_case_worked_by_hand(norm) -> None:
    x = torch.tensor(
        [[1.0, 2.0, 3.0, 6.0]], dtype=torch.float64
    )  # mean 3, variance (4 + 1 + 0 + 9) / 4 = 3.5
    scale = torch.tensor([1.0, 1.0, 2.0, 2.0], dtype=torch.float64)
    shift = torch.tensor([0.0, 10.0, 5.0, 0.0], dtype=torch.float64)
    expected = torch.tensor([[-2 / 3.5**0.5, 10 - 1 / 3.5**0.5, 5.0, 6 / 3.5**0.5]], dtype=torch.float64)
    assert distance(norm(x, scale, shift), expected) < 1e-12


def test_shapes_that_do_not_fit_are_told() -> None:
    with pytest.raises(ValueError, match=r"do not fit: got \(2, 4\), \(3,\), \(3,\)"):
        layernorm_forward(np.ones((2, 4)), np.ones(3), np.zeros(3))


@BOTH
def test_epsilon_stands_under_the_root(norm) -> None:
    x = torch.tensor([0.0, 2.0], dtype=torch.float64)  # variance 1, so 1 / sqrt(1 + 3) = 1 / 2
    one, zero = torch.ones(2, dtype=torch.float64), torch.zeros(2, dtype=torch.float64)
    expected = torch.tensor([-0.5, 0.5], dtype=torch.float64)
    assert distance(norm(x, one, zero, eps=3.0), expected) < 1e-12


@given(seed=seeds, D=st.integers(2, 9), eps=st.sampled_from([1e-12, 1e-5, 0.1]))
def test_the_formula_gives_the_numbers_of_torch(seed: int, D: int, eps: float) -> None:
    x, scale, shift = 3 * normal(seed, 2, 4, D) + 1, normal(seed + 1, D), normal(seed + 2, D)
    expected = F.layer_norm(x, (D,), scale, shift, eps)
    assert distance(layernorm_plain(x, scale, shift, eps), expected) < 1e-12
    assert distance(layernorm(x, scale, shift, eps), expected) < 1e-12


@BOTH
@given(seed=seeds, factor=st.floats(0.1, 10), offset=st.floats(-10, 10))
def test_scaling_and_shifting_a_token_changes_nothing(norm, seed: int, factor: float, offset: float) -> None:
    x, scale, shift = normal(seed, 3, 6), normal(seed + 1, 6), normal(seed + 2, 6)
    assert distance(norm(factor * x + offset, scale, shift), norm(x, scale, shift)) < 1e-9


@BOTH
@given(seed=seeds)
def test_each_token_is_normalised_by_itself(norm, seed: int) -> None:
    x, one, zero = normal(seed, 5, 4, 6), normal(seed + 1, 6) ** 0, normal(seed + 2, 6) * 0
    y = norm(x, one, zero)
    assert float(y.mean(-1).abs().max()) < 1e-12
    assert float((y.square().mean(-1) - 1).abs().max()) < 1e-9
    assert distance(norm(x[2:3, 1:2], one, zero), y[2:3, 1:2]) < 1e-12


@BOTH
def test_gradients_agree_with_finite_differences(norm) -> None:
    x, scale, shift = normal(0, 2, 3, 4), normal(1, 4), normal(2, 4)
    assert torch.autograd.gradcheck(norm, tuple(t.requires_grad_() for t in (x, scale, shift)))


def test_the_module_starts_as_pure_normalisation_and_learns_scale_and_shift() -> None:
    norm = LayerNorm(4)
    assert norm.eps == BertConfig().norm_eps == 1e-12
    assert norm.weight.tolist() == [1, 1, 1, 1] and norm.bias.tolist() == [0, 0, 0, 0]

    norm = randomise(norm)
    x = normal(0, 2, 3, 4)
    assert distance(norm(x), layernorm_plain(x, norm.weight, norm.bias)) < 1e-12
    check_gradients(norm, norm, x)
