"""A step in parts, the way down, and the seeds of dropout."""

import pytest
import torch
from by_hand import by_hand
from torch import nn

from minibert.learn.checks import train_step as checks
from minibert.train.optimizer import AdamW
from minibert.train.step import descend, forget, remember_peaks, seed_torch

test_in_torch = by_hand(checks, examples=5)


def optimizers() -> list[AdamW]:
    """Return two of them: one with two groups, and one with a parameter that has no gradient."""
    used = [nn.Parameter(torch.ones(2)) for _ in range(3)]
    for parameter in used:
        parameter.grad = torch.ones(2)
    groups = [{"params": used[:1], "lr": 0.5}, {"params": used[1:2]}]
    return [AdamW(groups, lr=0.25), AdamW([*used[2:], nn.Parameter(torch.ones(2))], lr=0.125)]


def rates(some: list[AdamW], name: str) -> list[float]:
    return [group[name] for optimizer in some for group in optimizer.param_groups]


def test_peaks_are_remembered_once_however_often_they_are_asked_for():
    some = optimizers()
    remember_peaks(some)
    descend(some, 0.1)
    remember_peaks(some)
    assert rates(some, "peak_lr") == [0.5, 0.25, 0.125]
    assert rates(some, "lr") == pytest.approx([0.05, 0.025, 0.0125])


def test_without_its_gradient_a_step_leaves_the_weights_where_they_are():
    some = optimizers()
    weights = [p for optimizer in some for group in optimizer.param_groups for p in group["params"]]
    forget(some)
    assert all(weight.grad is None for weight in weights)
    remember_peaks(some)
    descend(some, 1.0)
    assert all(torch.equal(weight, torch.ones(2)) for weight in weights)


def test_torch_is_seeded_as_by_manual_seed():
    drawn = []
    for seed_all in (torch.manual_seed, seed_torch):
        seed_all(123_456_789_012)
        drawn.append((torch.rand(3), torch.nn.functional.dropout(torch.ones(50), 0.5)))
    for one, two in zip(*drawn, strict=True):
        assert torch.equal(one, two)
