"""All optimisers by hand; AdamW and Muon against torch's own, step by step; clipping by the global norm."""

import copy

import pytest
import torch
from by_hand import by_hand
from torch import nn

from minibert.learn.checks import optimizer as checks
from minibert.learn.checks import train_adamw as adamw_checks
from minibert.learn.checks import train_optimizer as train_checks
from minibert.train.optimizer import AdamW, Muon, decay_groups, known_to_fit

test_by_hand = by_hand(checks)
test_in_torch = by_hand(train_checks, examples=5)
test_the_class_in_torch = by_hand(adamw_checks, examples=5)


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 16), nn.LayerNorm(16), nn.GELU(), nn.Linear(16, 3)).double()


def run(model: nn.Module, optimizers: list, steps: int = 12) -> list[torch.Tensor]:
    history = []
    for step in range(steps):
        g = torch.Generator().manual_seed(step)
        x, y = torch.randn(8, 6, generator=g).double(), torch.randint(3, (8,), generator=g)
        nn.functional.cross_entropy(model(x), y).backward()
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        history.append(torch.cat([p.detach().flatten().clone() for p in model.parameters()]))
    return history


@pytest.mark.parametrize("fused", [False, True])
def test_adamw_equals_torch_at_every_step(fused):
    ours, theirs = network(), network()
    lr, betas = 0.03, (0.9, 0.98)
    a = run(ours, [AdamW(decay_groups(ours.parameters(), 0.1), lr, betas)])
    b = run(theirs, [torch.optim.AdamW(decay_groups(theirs.parameters(), 0.1), lr, betas, fused=fused)])
    for step, (got, want) in enumerate(zip(a, b, strict=True)):
        torch.testing.assert_close(got, want, rtol=1e-10, atol=1e-12, msg=lambda m, s=step: f"step {s}: {m}")


def test_a_run_may_change_from_our_adamw_to_the_fused_one():
    ours, theirs = network(), network()
    before = AdamW(ours.parameters(), lr=0.01)
    run(ours, [before], steps=3)
    theirs.load_state_dict(ours.state_dict())
    after = torch.optim.AdamW(theirs.parameters(), lr=0.01, betas=(0.9, 0.98), weight_decay=0.01, fused=True)
    after.load_state_dict(
        copy.deepcopy(
            {"state": before.state_dict()["state"], "param_groups": after.state_dict()["param_groups"]}
        )
    )
    torch.testing.assert_close(run(ours, [before], 3)[-1], run(theirs, [after], 3)[-1])


def matrices(*shapes) -> list[nn.Parameter]:
    g = torch.Generator().manual_seed(1)
    return [nn.Parameter(torch.randn(shape, generator=g)) for shape in shapes]


SHAPES = [(6, 6), (12, 4), (6, 6), (4, 12), (1, 5)]


def test_muon_equals_torch_at_every_step(monkeypatch):
    # torch iterates in bfloat16; here it is made to keep float32, and the rest must agree.
    monkeypatch.setattr(torch.Tensor, "bfloat16", lambda self: self.clone())
    ours, theirs = matrices(*SHAPES), matrices(*SHAPES)
    a = Muon(ours, lr=0.05, momentum=0.9, weight_decay=0.1)
    b = torch.optim.Muon(theirs, lr=0.05, momentum=0.9, weight_decay=0.1, nesterov=True)
    for step in range(8):
        g = torch.Generator().manual_seed(step)
        for p, q in zip(ours, theirs, strict=True):
            p.grad = torch.randn(p.shape, generator=g)
            q.grad = p.grad.clone()
        a.step()
        b.step()
        for p, q in zip(ours, theirs, strict=True):
            torch.testing.assert_close(p, q, rtol=2e-4, atol=2e-5)


def test_matrices_that_stand_in_one_move_as_if_they_stood_apart():
    together, as_one = matrices((12, 4)), matrices((12, 4))
    apart = [nn.Parameter(part.detach().clone()) for part in together[0].chunk(3)]
    groups = [{"params": together, "parts": 3}], apart, as_one
    optimizers = [Muon(group, lr=0.05, weight_decay=0.1) for group in groups]
    for step in range(3):
        gradient = torch.randn(12, 4, generator=torch.Generator().manual_seed(step))
        together[0].grad, as_one[0].grad = gradient.clone(), gradient.clone()
        for part, own in zip(apart, gradient.chunk(3), strict=True):
            part.grad = own.clone()
        for optimizer in optimizers:
            optimizer.step()
        torch.testing.assert_close(together[0], torch.cat([*apart]), rtol=0, atol=1e-6)
        assert (as_one[0] - together[0]).abs().max() > 0.01


def test_muon_refuses_what_is_not_a_matrix():
    with pytest.raises(ValueError, match=r"matrices \(two axes\), got a parameter of shape \(3,\)"):
        Muon([nn.Parameter(torch.zeros(3))])


def test_a_norm_that_must_be_waited_for_is_not_looked_at():
    assert known_to_fit(torch.tensor(1.0), 1.0) and not known_to_fit(torch.tensor(1.5), 1.0)
    assert not known_to_fit(torch.tensor(float("nan")), 1.0)
    assert not known_to_fit(torch.empty((), device="meta"), 1.0)  # looking would raise an error
