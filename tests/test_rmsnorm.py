"""RMS norm: its twins in torch and transformers, finite differences."""

import pytest
import torch
from exact_transformers import exact_transformers
from oracles import check_gradients, distance, randomise
from strategies import normal
from transformers.models.llama.modeling_llama import LlamaRMSNorm

from minibert.model.rmsnorm import RmsNorm, rmsnorm, rmsnorm_plain

__all__ = ["exact_transformers"]

BOTH = pytest.mark.parametrize("norm", [rmsnorm_plain, rmsnorm])


@BOTH
def test_a_case_by_hand(norm) -> None:
    """x = (1, -7): the mean square is 25, so the size is 5."""
    y = norm(torch.tensor([[1.0, -7.0]]), torch.tensor([10.0, 1.0]), 0.0)
    assert distance(y, torch.tensor([[2.0, -1.4]])) < 1e-6


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
