"""All optimisers by hand; AdamW and Muon against torch's own, step by step; clipping by the global norm."""

import copy
import math

import numpy as np
import pytest
import torch
from by_hand import by_hand
from torch import nn

from minibert.byhand.optimizer import clip
from minibert.learn.checks import optimizer as checks
from minibert.train.optimizer import AdamW, Muon, adamw_, clip_gradients, decay_groups, orthogonalize

test_by_hand = by_hand(checks)


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


def test_the_first_adamw_step_is_worked_out_by_hand():
    # Bias correction makes m = g and v = g^2 on the first step, so the step is lr * g / (|g| + eps).
    w, g = torch.tensor([2.0, -1.0], dtype=torch.float64), torch.tensor([0.5, -4.0], dtype=torch.float64)
    adamw_(w, g, torch.zeros(2).double(), torch.zeros(2).double(), 1, 0.1, (0.9, 0.999), 0.0, 0.2)
    assert w.tolist() == pytest.approx([2.0 * 0.98 - 0.1, -1.0 * 0.98 + 0.1])


def test_decay_does_not_pass_through_the_gradient():
    # Decoupled, a zero gradient shrinks the weight by lr * decay exactly; L2 would take a full step.
    w = nn.Parameter(torch.tensor([[3.0]]))
    w.grad = torch.zeros(1, 1)
    AdamW([w], lr=0.1, weight_decay=0.5).step()
    assert w.item() == pytest.approx(3.0 * 0.95)


def test_biases_and_norms_do_not_decay():
    model = network()
    decayed, free = decay_groups(model.parameters(), 0.1)
    names = {id(p): name for name, p in model.named_parameters()}
    assert {names[id(p)] for p in decayed["params"]} == {"0.weight", "3.weight"}
    assert {names[id(p)] for p in free["params"]} == {"0.bias", "1.weight", "1.bias", "3.bias"}
    assert (decayed["weight_decay"], free["weight_decay"]) == (0.1, 0.0)


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


@pytest.mark.parametrize("shape", SHAPES)
def test_orthogonalize_keeps_the_directions_and_levels_the_sizes(shape):
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(2)).double()
    out = orthogonalize(matrix)
    U, _, Vh = torch.linalg.svd(matrix, full_matrices=False)
    inner = U.T @ out @ Vh.T
    sizes = inner.diagonal()
    assert (inner - torch.diag(sizes)).abs().max() < 1e-9
    assert sizes.min() > 0.3 and sizes.max() < 1.3


def test_orthogonalize_does_not_depend_on_the_size_of_the_gradient():
    matrix = torch.randn(5, 7, generator=torch.Generator().manual_seed(3)).double()
    torch.testing.assert_close(orthogonalize(1e-3 * matrix), orthogonalize(1e3 * matrix))
    assert (orthogonalize(torch.zeros(3, 3)) == 0).all()


def test_matrices_are_orthogonalised_one_by_one():
    stack = torch.randn(3, 4, 6, generator=torch.Generator().manual_seed(4))
    torch.testing.assert_close(orthogonalize(stack), torch.stack([orthogonalize(m) for m in stack]))


def test_muon_refuses_what_is_not_a_matrix():
    with pytest.raises(ValueError, match=r"matrices \(two axes\), got a parameter of shape \(3,\)"):
        Muon([nn.Parameter(torch.zeros(3))])


def with_gradients(*values: list[float]) -> list[nn.Parameter]:
    parameters = [nn.Parameter(torch.zeros(len(value))) for value in values]
    for parameter, value in zip(parameters, values, strict=True):
        parameter.grad = torch.tensor(value)
    return parameters


def test_clipping_scales_all_gradients_by_one_number():
    parameters = with_gradients([3.0, 0.0], [0.0, 4.0], [12.0])
    assert clip_gradients(parameters, 6.5).item() == pytest.approx(13.0)
    clipped = [p.grad.tolist() for p in parameters if p.grad is not None]
    assert sum(clipped, []) == pytest.approx([1.5, 0.0, 0.0, 2.0, 6.0])
    assert math.sqrt(sum(x * x for x in sum(clipped, []))) == pytest.approx(6.5)


def test_a_small_gradient_is_left_as_it_is():
    parameters = with_gradients([0.3], [0.4])
    assert clip_gradients(parameters, 1.0).item() == pytest.approx(0.5)
    assert [p.grad.item() for p in parameters if p.grad is not None] == pytest.approx([0.3, 0.4])


def test_clipping_survives_gradients_of_zero():
    parameters = with_gradients([0.0], [0.0])
    assert clip_gradients(parameters, 1.0).item() == 0
    assert all(p.grad is not None and p.grad.item() == 0 for p in parameters)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_clipping_passes_on_what_is_not_finite_as_torch_does(bad):
    ours, theirs = with_gradients([1.0, bad], [2.0]), with_gradients([1.0, bad], [2.0])
    norm = clip_gradients(ours, 1.0)
    torch.testing.assert_close(norm, nn.utils.clip_grad_norm_(theirs, 1.0), equal_nan=True)
    clipped, same = clip({"a": np.array([1.0, bad]), "b": np.array([2.0])}, 1.0)
    assert norm.item() == pytest.approx(same, nan_ok=True)
    for p, q, g in zip(ours, theirs, clipped.values(), strict=True):
        torch.testing.assert_close(p.grad, q.grad, equal_nan=True)
        assert p.grad is not None and np.array_equal(p.grad.numpy(), g, equal_nan=True)
