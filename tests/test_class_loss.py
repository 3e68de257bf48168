"""Weighted classes and several labels: by hand, against torch, and over parts of a batch."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from by_hand import by_hand
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator

from minibert.learn.checks import train_class_loss as checks
from minibert.train.class_loss import balanced_weights, binary_cross_entropy, weighted_cross_entropy
from minibert.train.loss import IGNORE, cross_entropy

test_by_hand = by_hand(checks)

N, C = 12, 4


def drawn(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = Generator().manual_seed(seed)
    logits = torch.randn(N, C, generator=generator, dtype=torch.float64)
    return logits, torch.randint(C, (N,), generator=generator)


def test_a_class_a_third_as_frequent_counts_three_times_as_much() -> None:
    assert balanced_weights(np.array([30, 10])).tolist() == [40 / 60, 2.0]
    assert balanced_weights(np.array([5, 5, 5])).tolist() == [1, 1, 1]
    assert balanced_weights(np.array([6, 0, 2])).tolist() == [8 / 12, 0, 2.0]


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=9).filter(any))
def test_over_the_training_set_the_weights_have_mean_one_and_each_class_the_same_say(
    counts: list[int],
) -> None:
    n = np.array(counts)
    weights = balanced_weights(n)
    assert (weights * n).sum() / n.sum() == pytest.approx(1)
    say = (weights * n)[n > 0]
    assert say == pytest.approx(np.full(len(say), say[0]))


def test_the_weights_of_scikit_learn_are_ours() -> None:
    from sklearn.utils.class_weight import compute_class_weight

    labels = np.array([0] * 7 + [1] * 2 + [2] * 5)
    expected = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    assert balanced_weights(np.bincount(labels)) == pytest.approx(expected)


def test_a_weighted_loss_by_hand() -> None:
    """Equal logits give log 2; the two weights 1.5 and 0.5 make it (1.5 + 0.5 + 0.5) / 3 log 2."""
    loss = weighted_cross_entropy(torch.zeros(3, 2), torch.tensor([0, 1, 1]), torch.tensor([1.5, 0.5]))
    assert loss.item() == pytest.approx(2.5 / 3 * math.log(2))


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_equal_weights_change_nothing(smoothing: float) -> None:
    logits, targets = drawn()
    targets[3] = IGNORE
    ours = weighted_cross_entropy(logits, targets, torch.ones(C), smoothing)
    assert torch.allclose(ours, cross_entropy(logits, targets, smoothing))


def test_weights_count_as_torch_counts_them_before_it_divides_by_their_sum() -> None:
    logits, targets = drawn()
    weights = torch.tensor([0.5, 3.0, 1.0, 0.0], dtype=torch.float64)
    expected = F.cross_entropy(logits, targets, weights, reduction="sum") / N
    assert torch.allclose(weighted_cross_entropy(logits, targets, weights), expected)


def test_the_mean_over_parts_of_a_batch_is_that_of_the_batch() -> None:
    logits, targets = drawn()
    weights = torch.tensor([0.2, 3.0, 1.0, 0.5])
    parts = [weighted_cross_entropy(logits[i : i + 4], targets[i : i + 4], weights) for i in (0, 4, 8)]
    assert torch.allclose(torch.stack(parts).mean(), weighted_cross_entropy(logits, targets, weights))


def test_a_batch_of_one_class_feels_its_weight() -> None:
    logits = drawn()[0]
    targets = torch.full((N,), 2)
    plain = cross_entropy(logits, targets)
    assert torch.allclose(weighted_cross_entropy(logits, targets, torch.tensor([1, 1, 4.0, 1])), 4 * plain)


def test_where_nothing_counts_the_loss_and_its_gradient_are_zero() -> None:
    logits = drawn()[0].requires_grad_()
    loss = weighted_cross_entropy(logits, torch.full((N,), IGNORE), torch.ones(C))
    loss.backward()
    assert loss.item() == 0 and logits.grad is not None and not logits.grad.any()


def test_several_labels_are_questions_of_their_own_by_hand() -> None:
    """p = 0.8 where the label is: -log 0.8; p = 0.8 where it is not: -log 0.2."""
    z = math.log(4)
    loss = binary_cross_entropy(torch.tensor([[z, z]]), torch.tensor([[1.0, 0.0]]))
    assert loss.item() == pytest.approx(-(math.log(0.8) + math.log(0.2)) / 2)


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_the_loss_of_several_labels_is_that_of_torch(smoothing: float) -> None:
    logits, _ = drawn()
    y = (drawn(1)[0] > 0).double()
    weights = torch.rand(2, C, generator=Generator().manual_seed(2), dtype=torch.float64)
    smooth = (1 - smoothing) * y + smoothing / 2
    expected = F.binary_cross_entropy_with_logits(logits, smooth)
    assert torch.allclose(binary_cross_entropy(logits, y, smoothing=smoothing), expected)
    own = weights[0] * (1 - y) + weights[1] * y
    expected = F.binary_cross_entropy_with_logits(logits, smooth, own)
    assert torch.allclose(binary_cross_entropy(logits, y, weights, smoothing), expected)


def test_sure_and_wrong_is_costly_but_finite() -> None:
    loss = binary_cross_entropy(torch.tensor([[1000.0, -1000.0]]), torch.tensor([[0.0, 1.0]]))
    assert loss.item() == 1000
    half = weighted_cross_entropy(torch.tensor([[60000.0, 0.0]]).half(), torch.tensor([1]), torch.ones(2))
    assert half.dtype == torch.float32 and half.item() == pytest.approx(60000, rel=1e-3)
