"""The losses: by hand, in torch, joined with the projection, and with nothing to predict."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from by_hand import by_hand
from hypothesis import given
from strategies import check_sizes, normal, seeds

from minibert.byhand import loss as by_numpy
from minibert.learn.checks import loss as checks
from minibert.learn.checks import train_loss as train_checks
from minibert.learn.sizes import Sizes
from minibert.train import loss
from minibert.train.loss import IGNORE, cross_entropy, linear_cross_entropy, mean_squared_error

test_by_hand = by_hand(checks)
test_in_torch = by_hand(train_checks, examples=5)


def draw(N: int, D: int, V: int, seed: int, ignored: float = 0.3):
    """Return features (N, D), weight (V, D), bias (V,) and targets (N,), a share of which does not count."""
    g = torch.Generator().manual_seed(seed)
    features, weight = torch.randn(N, D, generator=g).double(), torch.randn(V, D, generator=g).double()
    bias, targets = torch.randn(V, generator=g).double(), torch.randint(V, (N,), generator=g)
    targets[torch.rand(N, generator=g) < ignored] = IGNORE
    leaves = [t.requires_grad_() for t in (features, weight, bias)]
    return (*leaves, targets)


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


def test_smoothing_is_that_of_transformers_as_far_as_it_sums_in_float32():
    from transformers.trainer_pt_utils import LabelSmoother

    features, weight, bias, targets = draw(6, 3, 9, seed=4)
    logits = F.linear(features, weight, bias)
    theirs = LabelSmoother(epsilon=0.2)({"logits": logits}, targets)
    torch.testing.assert_close(cross_entropy(logits, targets, 0.2), theirs, rtol=1e-6, atol=1e-6)


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


HALF = {torch.float16: 2e-3, torch.bfloat16: 2e-2}
"""The types of half precision, and how far apart two ways to round may lie, as a share of the whole."""


def share_apart(got: torch.Tensor, expected: torch.Tensor) -> float:
    """Return |got - expected| / |expected|, both as one long arrow."""
    return float((got.double() - expected.double()).norm() / expected.double().norm())


@pytest.mark.parametrize("dtype", HALF)
@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_logits_in_half_precision_cost_what_the_same_cost_in_float32(dtype: torch.dtype, smoothing: float):
    """A loss of 8.5 would come in steps of 1/128 in float16, and of 1/16 in bfloat16."""
    logits = (0.1 * normal(0, 8, 5000)).to(dtype).requires_grad_()
    targets = torch.tensor([3, 0, IGNORE, 4999, 17, 5, IGNORE, 1])
    wide = logits.detach().float().requires_grad_()
    loss, expected = cross_entropy(logits, targets, smoothing), cross_entropy(wide, targets, smoothing)
    assert loss.dtype == torch.float32
    assert torch.equal(loss, expected)
    (slope,), (true,) = (torch.autograd.grad(4096 * x, z) for x, z in ((loss, logits), (expected, wide)))
    assert slope.dtype == dtype
    assert share_apart(slope, true) < HALF[dtype]


@pytest.mark.parametrize("dtype", HALF)
@pytest.mark.parametrize("by", ["autocast", "half precision throughout"])
def test_the_joined_loss_in_half_precision_is_nearly_that_in_float32(dtype: torch.dtype, by: str):
    *leaves, targets = draw(64, 16, 500, seed=1)
    stored = torch.float32 if by == "autocast" else dtype
    rounded = [(0.3 * leaf).detach().to(dtype) for leaf in leaves]  # no error comes from rounding these
    half = [leaf.to(stored).requires_grad_() for leaf in rounded]
    with torch.autocast("cpu", dtype, enabled=by == "autocast"):
        loss = linear_cross_entropy(half[0], half[1], half[2], targets)
    assert loss.dtype == torch.float32

    true = [leaf.double().requires_grad_() for leaf in rounded]
    expected = linear_cross_entropy(true[0], true[1], true[2], targets)
    assert abs(loss.item() - expected.item()) < HALF[dtype] * expected.item()
    for got, slope in zip(
        torch.autograd.grad(4096 * loss, half), torch.autograd.grad(4096 * expected, true), strict=True
    ):
        assert got.dtype == stored
        assert share_apart(got, slope) < HALF[dtype]


def test_the_joined_loss_loses_no_small_gradient_in_float16():
    """Each row's share of the gradient, p / n, is far below the smallest number of float16, 6e-8."""
    N, V = 4096, 3
    bias = torch.tensor([0.0, -10.0, -11.0], requires_grad=True)
    features, weight = torch.ones(N, 2, requires_grad=True), torch.zeros(V, 2, requires_grad=True)
    p = torch.softmax(bias.detach(), 0)
    assert (p[1:] / N).half().tolist() == [0, 0]
    with torch.autocast("cpu", torch.float16):
        loss = linear_cross_entropy(features, weight, bias, torch.zeros(N, dtype=torch.int64))
    dweight, dbias = torch.autograd.grad(loss, (weight, bias))
    expected = p - torch.tensor([1.0, 0, 0])
    assert dbias.tolist() == pytest.approx(expected.tolist(), rel=5e-3)
    assert dweight.tolist() == [pytest.approx([slope, slope], rel=5e-3) for slope in expected.tolist()]


def test_more_rows_than_are_worked_out_at_once_give_the_same_loss_and_gradients(monkeypatch) -> None:
    monkeypatch.setattr(loss, "LOGITS", 1)
    assert loss.rows_at_once(V=7) == 256
    generator = torch.Generator().manual_seed(0)
    features, weight, bias = (
        torch.randn(*shape, generator=generator, dtype=torch.float64, requires_grad=True)
        for shape in ((600, 5), (7, 5), (7,))
    )
    targets = torch.randint(7, (600,), generator=generator).masked_fill(torch.arange(600) % 5 == 0, IGNORE)
    joined = linear_cross_entropy(features, weight, bias, targets)
    plain = cross_entropy(features @ weight.T + bias, targets)
    torch.testing.assert_close(joined, plain, rtol=1e-12, atol=0)
    got, expected = (torch.autograd.grad(2.5 * value, (features, weight, bias)) for value in (joined, plain))
    torch.testing.assert_close(got, expected, rtol=1e-10, atol=1e-14)


def test_no_bias_is_a_bias_of_zeros() -> None:
    generator = torch.Generator().manual_seed(0)
    features, weight = (
        torch.randn(*shape, generator=generator, requires_grad=True) for shape in ((9, 5), (7, 5))
    )
    targets = torch.randint(7, (9,), generator=generator)
    without = linear_cross_entropy(features, weight, None, targets)
    zeros = linear_cross_entropy(features, weight, torch.zeros(7), targets)
    torch.testing.assert_close(without, zeros)
    got, expected = (torch.autograd.grad(value, (features, weight)) for value in (without, zeros))
    torch.testing.assert_close(got, expected)
