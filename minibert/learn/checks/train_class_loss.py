"""What the losses of classification must fulfil: weighted classes, and several labels at once."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from minibert.learn.compare import expect, expect_close
from minibert.learn.sizes import Sizes
from minibert.learn.tensors import leaf, normal
from minibert.train.class_loss import balanced_weights, binary_cross_entropy, weighted_cross_entropy
from minibert.train.loss import IGNORE

# ---------------------------------------------------------------- weights


def check_weights_by_hand() -> None:
    """30 and 10 examples of two classes: 40 / (2 · 30) and 40 / (2 · 10)."""
    expect_close(balanced_weights(np.array([30, 10])), np.array([40 / 60, 40 / 20]), "weights of 30 and 10")


def check_equal_classes_have_weight_one() -> None:
    """However many there are."""
    expect_close(balanced_weights(np.array([7, 7, 7])), np.ones(3), "weights of 7, 7 and 7 examples")


def check_a_class_without_examples_weighs_nothing() -> None:
    """And the others are as if it were not there."""
    with np.errstate(divide="ignore", invalid="ignore"):
        got = balanced_weights(np.array([6, 0, 2]))
    expect_close(got, np.array([8 / 12, 0, 8 / 4]), "weights of 6, 0 and 2 examples")


def check_every_class_has_the_same_say(size: Sizes, seed: int) -> None:
    """n_c w_c is the same for all classes, and adds up to n."""
    counts = np.random.default_rng(seed).integers(1, 50, size.V)
    say = np.asarray(balanced_weights(counts)) * counts
    expect_close(say, np.full(size.V, counts.sum() / size.V), "n_c w_c", 1e-10)


# ---------------------------------------------------------------- weighted classes


def draw(size: Sizes, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return logits (N + 2, V) with a gradient to come, targets, of which the last is IGNORE, and weights."""
    N, generator = size.N + 2, torch.Generator().manual_seed(seed)
    targets = torch.randint(size.V, (N,), generator=generator)
    targets[-1] = IGNORE
    return leaf(seed, N, size.V), targets, normal(seed + 1, size.V).abs() + 0.1


def check_a_weighted_loss_by_hand() -> None:
    """Equal logits cost log 2; with the weights 1.5, 0.5 and 0.5 the mean is 2.5 / 3 log 2."""
    targets, weights = torch.tensor([0, 1, 1]), torch.tensor([1.5, 0.5], dtype=torch.float64)
    got = weighted_cross_entropy(torch.zeros(3, 2, dtype=torch.float64), targets, weights)
    expect_close(got, 2.5 / 3 * math.log(2), "the loss of equal logits")


def check_the_loss_is_torch_s_before_it_divides_by_the_weights(size: Sizes, seed: int) -> None:
    """Loss and gradient; where smoothing is asked for, the weight is that of the true class all the same."""
    logits, targets, weights = draw(size, seed)
    n = int((targets != IGNORE).sum())
    expected = F.cross_entropy(logits, targets, weights, reduction="sum") / n
    expect_same(weighted_cross_entropy(logits, targets, weights), expected, logits)
    each = F.cross_entropy(logits, targets, reduction="none", label_smoothing=0.2)
    expected = (each * weights[targets.clamp(min=0)])[targets != IGNORE].sum() / n
    expect_same(weighted_cross_entropy(logits, targets, weights, 0.2), expected, logits)


def check_where_no_target_counts_the_loss_is_zero(size: Sizes, seed: int) -> None:
    """And so is its gradient."""
    logits, targets, weights = draw(size, seed)
    loss = weighted_cross_entropy(logits, torch.full_like(targets, IGNORE), weights)
    expect_same(loss, 0 * logits.sum(), logits)


def expect_same(ours: Tensor, theirs: Tensor, logits: Tensor) -> None:
    """Compare two losses, and the gradients that they give."""
    expect(isinstance(ours, Tensor) and ours.requires_grad, "no gradient can flow back through the loss")
    expect_close(ours.detach(), theirs.detach(), "the loss", 1e-10)
    (got,), (expected,) = (torch.autograd.grad(3.7 * loss, logits) for loss in (ours, theirs))
    expect_close(got, expected, "the gradient of the logits", 1e-10)


# ---------------------------------------------------------------- several labels


def check_two_questions_by_hand() -> None:
    """p = 0.8 for a label that is there, and for one that is not: (-log 0.8 - log 0.2) / 2."""
    logits = torch.full((1, 2), math.log(4), dtype=torch.float64)
    got = binary_cross_entropy(logits, torch.tensor([[1.0, 0.0]]))
    expect_close(got, -(math.log(0.8) + math.log(0.2)) / 2, "the loss of two labels with p = 0.8")


def check_labels_are_torch_s_with_weights_and_smoothing(size: Sizes, seed: int) -> None:
    """Loss and gradient."""
    logits = leaf(seed, size.N, size.V)
    y = (normal(seed + 1, size.N, size.V) > 0).double()
    no, yes = weights = normal(seed + 2, 2, size.V).abs()
    for smoothing in (0.0, 0.3):
        smooth = (1 - smoothing) * y + smoothing / 2
        expected = F.binary_cross_entropy_with_logits(logits, smooth)
        expect_same(binary_cross_entropy(logits, y, smoothing=smoothing), expected, logits)
        expected = F.binary_cross_entropy_with_logits(logits, smooth, no * (1 - y) + yes * y)
        expect_same(binary_cross_entropy(logits, y, weights, smoothing), expected, logits)


def check_sure_and_wrong_costs_its_logit() -> None:
    """log(1 + exp 800) is 800, though the exponential of 800 and the logarithm of 0 are infinite."""
    got = binary_cross_entropy(
        torch.tensor([[800.0, -800.0]], dtype=torch.float64), torch.tensor([[0.0, 1.0]])
    )
    expect_close(got, 800.0, "the loss of two answers that are sure and wrong")
