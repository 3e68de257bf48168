"""The losses: by hand, in torch, joined with the projection, and with nothing to predict."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from by_hand import by_hand
from hypothesis import given
from hypothesis import strategies as st
from strategies import check_sizes, normal, seeds

from minibert.byhand import loss as by_numpy
from minibert.learn.checks import loss as checks
from minibert.learn.sizes import Sizes
from minibert.train.loss import IGNORE, cross_entropy, linear_cross_entropy, mean_squared_error

test_by_hand = by_hand(checks)


def draw(N: int, D: int, V: int, seed: int, ignored: float = 0.3):
    """Return features (N, D), weight (V, D), bias (V,) and targets (N,), a share of which does not count."""
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


@given(size=check_sizes, seed=seeds)
def test_both_losses_equal_torch_in_value_and_gradient(size: Sizes, seed: int):
    features, weight, bias, targets = draw(size.N, size.D, size.V, seed)
    targets[0] = 0  # torch has no answer where nothing counts
    theirs = F.cross_entropy(F.linear(features, weight, bias), targets)
    expected = torch.autograd.grad(theirs, (features, weight, bias))
    plain = cross_entropy(F.linear(features, weight, bias), targets)
    joined = linear_cross_entropy(features, weight, bias, targets)
    for ours in (plain, joined):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
        for got, want in zip(torch.autograd.grad(ours, (features, weight, bias)), expected, strict=True):
            torch.testing.assert_close(got, want, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("ignored", [0.0, 0.5, 1.1])
@given(size=check_sizes, seed=seeds)
def test_the_joined_loss_passes_a_gradient_check_with_an_upstream_gradient(
    ignored: float, size: Sizes, seed: int
):
    features, weight, bias, targets = draw(size.N, size.D, size.V, seed, ignored)
    assert torch.autograd.gradcheck(
        lambda x, w, b: 3.7 * linear_cross_entropy(x, w, b, targets), (features, weight, bias)
    )


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("ignored", [0.0, 0.5, 1.1])
@given(size=check_sizes, seed=seeds)
def test_cross_entropy_passes_a_gradient_check(smoothing: float, ignored: float, size: Sizes, seed: int):
    *_, targets = draw(size.N, size.D, size.V, seed, ignored)
    logits = normal(seed, size.N, size.V).requires_grad_()
    assert torch.autograd.gradcheck(lambda z: 3.7 * cross_entropy(z, targets, smoothing), (logits,))


@given(size=check_sizes, seed=seeds)
def test_the_squared_error_passes_a_gradient_check_in_both_its_arguments(size: Sizes, seed: int):
    pair = [normal(seed + i, size.B, size.T, size.D).requires_grad_() for i in range(2)]
    assert torch.autograd.gradcheck(lambda x, y: 3.7 * mean_squared_error(x, y), pair)


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


@given(size=check_sizes, smoothing=st.sampled_from([0.0, 0.1, 0.5, 0.9]), seed=seeds)
def test_smoothing_is_that_of_torch_in_value_and_gradient(size: Sizes, smoothing: float, seed: int):
    features, weight, bias, targets = draw(size.N, size.D, size.V, seed)
    targets[0] = 0
    logits = F.linear(features, weight, bias)
    theirs = F.cross_entropy(logits, targets, label_smoothing=smoothing)
    ours = cross_entropy(logits, targets, smoothing)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    leaves = (features, weight, bias)
    expected = torch.autograd.grad(theirs, leaves, retain_graph=True)
    for got, want in zip(torch.autograd.grad(ours, leaves), expected, strict=True):
        torch.testing.assert_close(got, want, rtol=1e-10, atol=1e-12)


def test_smoothing_is_that_of_transformers_as_far_as_it_sums_in_float32():
    from transformers.trainer_pt_utils import LabelSmoother

    features, weight, bias, targets = draw(6, 3, 9, seed=4)
    logits = F.linear(features, weight, bias)
    theirs = LabelSmoother(epsilon=0.2)({"logits": logits}, targets)
    torch.testing.assert_close(cross_entropy(logits, targets, 0.2), theirs, rtol=1e-6, atol=1e-6)


def test_smoothed_with_no_target_gives_zero_loss_and_zero_gradient():
    features, weight, bias, targets = draw(4, 3, 6, seed=2, ignored=1.1)
    loss = cross_entropy(F.linear(features, weight, bias), targets, 0.1)
    assert loss.item() == 0
    for gradient in torch.autograd.grad(loss, (features, weight, bias)):
        assert (gradient == 0).all()


@given(size=check_sizes, seed=seeds)
def test_the_squared_error_is_that_of_torch_in_value_and_gradient(size: Sizes, seed: int):
    shape = size.B, size.T, size.D
    pair = prediction, target = [normal(seed + i, *shape).requires_grad_() for i in range(2)]
    ours, theirs = mean_squared_error(prediction, target), F.mse_loss(prediction, target)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    expected = torch.autograd.grad(theirs, pair)
    for got, want in zip(torch.autograd.grad(ours, pair), expected, strict=True):
        torch.testing.assert_close(got, want, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("smoothing", [-0.1, 1.0])
def test_a_smoothing_outside_its_range_is_refused(smoothing):
    with pytest.raises(ValueError, match=r"smoothing must be in \[0, 1\), got"):
        cross_entropy(torch.zeros(1, 2), torch.tensor([0]), smoothing)
    with pytest.raises(ValueError, match=r"smoothing must be in \[0, 1\), got"):
        by_numpy.cross_entropy_forward(np.zeros((1, 2)), np.array([0]), smoothing)


@pytest.mark.parametrize("wrong", [-1, 2])
def test_a_target_that_is_no_class_is_refused(wrong):
    with pytest.raises(ValueError, match=f"targets must be from 0 to 1, or -100 to be ignored, got {wrong}"):
        by_numpy.cross_entropy_forward(np.zeros((2, 2)), np.array([0, wrong]))
    with pytest.raises(RuntimeError, match="out of bounds"):
        cross_entropy(torch.zeros(2, 2), torch.tensor([0, wrong]))


def test_predictions_and_targets_of_two_shapes_are_refused():
    message = r"prediction \(3,\) and target \(3, 1\) must have one shape"
    with pytest.raises(ValueError, match=message):
        mean_squared_error(torch.ones(3), torch.ones(3, 1))
    with pytest.raises(ValueError, match=message):
        by_numpy.mean_squared_error_forward(np.ones(3), np.ones((3, 1)))


def test_both_libraries_ignore_the_same_target():
    assert by_numpy.IGNORE == IGNORE == torch.nn.CrossEntropyLoss().ignore_index


def test_a_class_ruled_out_does_not_spoil_the_loss_by_hand():
    loss, cache = by_numpy.cross_entropy_forward(np.array([[0.0, 0.0, -np.inf]]), np.array([0]))
    assert loss == pytest.approx(math.log(2))
    assert by_numpy.cross_entropy_backward(1.0, cache).tolist() == [[-0.5, 0.5, 0.0]]
