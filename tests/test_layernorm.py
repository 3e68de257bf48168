"""Layer norm: by hand, its invariances, its twin in torch, and finite differences."""

import numpy as np
import pytest
import torch
from by_hand import by_hand
from oracles import check_gradients, distance, randomise
from strategies import normal

from minibert.byhand.layernorm import layernorm_forward
from minibert.config import BertConfig
from minibert.learn.checks import layernorm as checks
from minibert.learn.checks import model_layernorm as model_checks
from minibert.model.layernorm import LayerNorm, layernorm, layernorm_plain

test_by_hand = by_hand(checks)
test_in_torch = by_hand(model_checks, examples=5)

BOTH = pytest.mark.parametrize("norm", [layernorm_plain, layernorm])


def test_shapes_that_do_not_fit_are_told() -> None:
    with pytest.raises(ValueError, match=r"do not fit: got \(2, 4\), \(3,\), \(3,\)"):
        layernorm_forward(np.ones((2, 4)), np.ones(3), np.zeros(3))


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
