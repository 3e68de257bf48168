"""RMS norm: by hand, its twins in torch and transformers, finite differences."""

import numpy as np
import pytest
import torch
from by_hand import by_hand
from exact_transformers import exact_transformers
from oracles import check_gradients, distance, randomise
from strategies import normal
from transformers.models.llama.modeling_llama import LlamaRMSNorm

from minibert.byhand.rmsnorm import rmsnorm_forward
from minibert.learn.checks import model_rmsnorm as model_checks
from minibert.learn.checks import rmsnorm as checks
from minibert.model.rmsnorm import RmsNorm, rmsnorm, rmsnorm_plain

__all__ = ["exact_transformers"]

test_by_hand = by_hand(checks)
test_in_torch = by_hand(model_checks, examples=5)

BOTH = pytest.mark.parametrize("norm", [rmsnorm_plain, rmsnorm])


def test_shapes_that_do_not_fit_are_told() -> None:
    with pytest.raises(ValueError, match=r"do not fit: got \(2, 4\) and \(3,\)"):
        rmsnorm_forward(np.ones((2, 4)), np.ones(3))


def test_with_and_without_gradients_the_numbers_are_the_same() -> None:
    x, scale = normal(0, 2, 3, 4), normal(1, 4)
    with torch.no_grad():
        kernel = rmsnorm(x, scale)
    assert distance(rmsnorm(x, scale), kernel) < 1e-14


@pytest.mark.parametrize("axes", [1, 2, 4])
def test_tokens_may_lie_in_memory_in_any_order(axes: int) -> None:
    """As the heads of queries and keys do."""
    x = normal(0, 2, 3, 4, 5).transpose(1, 2)[(0,) * (4 - axes)].requires_grad_()
    assert torch.autograd.gradcheck(rmsnorm, (x, normal(1, 5).requires_grad_()))


@BOTH
def test_gradients_agree_with_finite_differences(norm) -> None:
    x, scale = normal(0, 2, 3, 4), normal(1, 4)
    assert torch.autograd.gradcheck(norm, tuple(t.requires_grad_() for t in (x, scale)))


@pytest.mark.usefixtures("exact_transformers")
def test_the_module_starts_as_pure_normalisation_and_is_llama_s() -> None:
    norm, theirs = RmsNorm(4), LlamaRMSNorm(4)
    assert norm.eps == theirs.variance_epsilon == 1e-6 and norm.weight.tolist() == [1, 1, 1, 1]

    norm, theirs = randomise(norm), randomise(theirs)
    x = normal(0, 2, 3, 4)
    assert distance(norm(x), theirs(x)) < 1e-12
    check_gradients(norm, norm, x)
