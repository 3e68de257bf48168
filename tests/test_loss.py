"""Cross-entropy: by hand, joined with its projection, and with nothing to predict."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from minibert.train.loss import IGNORE, cross_entropy, linear_cross_entropy


def draw(N: int, D: int, V: int, seed: int, ignored: float = 0.3):
    g = torch.Generator().manual_seed(seed)
    features, weight = torch.randn(N, D, generator=g).double(), torch.randn(V, D, generator=g).double()
    bias, targets = torch.randn(V, generator=g).double(), torch.randint(V, (N,), generator=g)
    targets[torch.rand(N, generator=g) < ignored] = IGNORE
    leaves = [t.requires_grad_() for t in (features, weight, bias)]
    return (*leaves, targets)


def test_two_equal_logits_cost_the_logarithm_of_two():
    assert cross_entropy(torch.zeros(1, 2), torch.tensor([0])).item() == pytest.approx(math.log(2))


def test_a_perfect_prediction_costs_nothing():
    logits = 50 * torch.eye(4)
    assert cross_entropy(logits, torch.arange(4)).item() < 1e-6


@given(st.integers(1, 9), st.integers(1, 6), st.integers(2, 20), st.integers(0, 10_000))
def test_both_losses_equal_torch_in_value_and_gradient(N, D, V, seed):
    features, weight, bias, targets = draw(N, D, V, seed)
    targets[0] = 0  # torch has no answer where nothing counts
    theirs = F.cross_entropy(F.linear(features, weight, bias), targets)
    expected = torch.autograd.grad(theirs, (features, weight, bias))
    plain = cross_entropy(F.linear(features, weight, bias), targets)
    joined = linear_cross_entropy(features, weight, bias, targets)
    for ours in (plain, joined):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
        for got, want in zip(torch.autograd.grad(ours, (features, weight, bias)), expected, strict=True):
            torch.testing.assert_close(got, want, rtol=1e-10, atol=1e-12)


def test_the_joined_loss_passes_a_gradient_check_with_an_upstream_gradient():
    features, weight, bias, targets = draw(5, 3, 7, seed=1)
    assert torch.autograd.gradcheck(
        lambda x, w, b: 3.7 * linear_cross_entropy(x, w, b, targets), (features, weight, bias)
    )


@pytest.mark.parametrize("joined", [False, True])
def test_no_target_gives_zero_loss_and_zero_gradient(joined):
    features, weight, bias, targets = draw(4, 3, 6, seed=2, ignored=1.1)
    if joined:
        loss = linear_cross_entropy(features, weight, bias, targets)
    else:
        loss = cross_entropy(F.linear(features, weight, bias), targets)
    assert loss.item() == 0
    for gradient in torch.autograd.grad(loss, (features, weight, bias)):
        assert (gradient == 0).all()


def test_ignored_positions_change_neither_loss_nor_gradient():
    features, weight, bias, targets = draw(6, 3, 7, seed=3, ignored=0.0)
    loss = linear_cross_entropy(features, weight, bias, targets)
    padded = torch.cat([features, torch.randn(4, 3).double()])
    padding = torch.full((4,), IGNORE)
    for value in (
        linear_cross_entropy(padded, weight, bias, torch.cat([targets, padding])),
        cross_entropy(F.linear(padded, weight, bias), torch.cat([targets, padding])),
    ):
        torch.testing.assert_close(value, loss)
        for got, want in zip(
            torch.autograd.grad(value, (weight, bias), retain_graph=True),
            torch.autograd.grad(loss, (weight, bias), retain_graph=True),
            strict=True,
        ):
            torch.testing.assert_close(got, want)


def test_both_classes_of_a_pair_count():
    logits = torch.tensor([[2.0, 0.0], [2.0, 0.0]])
    assert cross_entropy(logits[:1], torch.tensor([0])).item() == pytest.approx(math.log(1 + math.exp(-2)))
    assert cross_entropy(logits[1:], torch.tensor([1])).item() == pytest.approx(math.log(1 + math.exp(2)))
    both = cross_entropy(logits, torch.tensor([0, 1])).item()
    assert both == pytest.approx((math.log(1 + math.exp(-2)) + math.log(1 + math.exp(2))) / 2)


def test_huge_logits_do_not_overflow():
    features, weight = torch.tensor([[1e4]]), torch.tensor([[1.0], [-1.0]])
    targets, bias = torch.tensor([1]), torch.zeros(2)
    assert linear_cross_entropy(features, weight, bias, targets).item() == pytest.approx(2e4)
    assert cross_entropy(F.linear(features, weight), targets).item() == pytest.approx(2e4)
