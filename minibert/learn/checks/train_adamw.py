"""What our optimiser AdamW must fulfil, held against the one by hand and against PyTorch's own.

Apart from `train_optimizer`, because PyTorch takes another second to load its optimisers.
"""

import copy

import numpy as np
import torch
from torch import Tensor, nn

from minibert.learn.checks.train_optimizer import RATES, gradient_of, step_by_hand, with_gradient
from minibert.learn.compare import expect, expect_close
from minibert.learn.sizes import Sizes
from minibert.learn.tensors import exact, normal
from minibert.train.optimizer import AdamW, decay_groups


def check_the_optimiser_takes_the_two_steps_too() -> None:
    """Gradients 18 and -3 again: the parameter goes 1, 0.7, 0.6."""
    w = with_gradient(exact([1]), exact([18]))
    optimizer = AdamW([w], lr=0.3, betas=(0.5, 0.75), eps=0.0, weight_decay=0.0)
    optimizer.step()
    expect_close(w, [0.7], "the parameter after the first step")
    w.grad = exact([-3])
    optimizer.step()
    expect_close(w, [0.6], "the parameter after the second step")
    expect_close(gradient_of(w), [-3], "the gradient after the second step")


def check_a_parameter_without_a_gradient_is_left_alone(size: Sizes) -> None:
    """Not even the decay touches it: it may be frozen, or not have been used in this batch."""
    used = with_gradient(torch.ones(size.D).double(), torch.ones(size.D).double())
    unused = with_gradient(torch.ones(size.D).double(), None)
    AdamW([unused, used], lr=0.1, eps=0.0, weight_decay=0.5).step()
    expect_close(unused, np.ones(size.D), "a parameter without a gradient, after a step")
    expect_close(used, np.full(size.D, 0.85), "1 with a gradient of 1: 0.95 are left, and the step is 0.1")


def check_every_group_has_its_own_settings(size: Sizes, seed: int) -> None:
    """Rate, decay, betas and epsilon are read from the group: the schedule changes `lr` there."""
    w, g = normal(seed, size.D), normal(seed + 1, size.D)
    settings = [
        {"lr": 0.1, "weight_decay": 0.5, "betas": (0.5, 0.75), "eps": 0.1},
        {"lr": 0.2, "weight_decay": 0.0, "betas": (0.6, 0.9), "eps": 0.01},
    ]
    parameters = [with_gradient(w, g) for _ in settings]
    groups = [{"params": [p], **own} for p, own in zip(parameters, settings, strict=True)]
    optimizer = AdamW(groups, lr=9.0, weight_decay=0.9, betas=(0.1, 0.2), eps=9.0)
    optimizer.step()
    for group in optimizer.param_groups:
        group["lr"] /= 2
    optimizer.step()
    for number, (parameter, own) in enumerate(zip(parameters, settings, strict=True)):
        expected = w.numpy(), np.zeros(size.D), np.zeros(size.D)
        for step, lr in enumerate((own["lr"], own["lr"] / 2), start=1):
            expected = step_by_hand(expected, g, step, lr, own["betas"], own["eps"], own["weight_decay"])
        expect_close(parameter, expected[0], f"the parameter of group {number} after two steps", 1e-10)


def check_every_parameter_remembers_its_own(size: Sizes, seed: int) -> None:
    """Two of one shape, and the second has no gradient at first: its own steps are counted, from 1."""
    one, other = with_gradient(normal(seed, size.D), None), with_gradient(normal(seed + 1, size.D), None)
    optimizer = AdamW([one, other], betas=(0.5, 0.75), eps=0.0, weight_decay=0.0)
    taken: dict[str, list[Tensor]] = {"first": [], "second": []}
    for step in range(3):
        for name, parameter in (("first", one), ("second", other)):
            if name == "first" or step:
                taken[name].append(normal(seed + 2 + step + 10 * len(name), size.D))
                parameter.grad = taken[name][-1].clone()
        optimizer.step()
    for name, parameter, start in (("first", one, seed), ("second", other, seed + 1)):
        expected = normal(start, size.D).numpy(), np.zeros(size.D), np.zeros(size.D)
        for step, g in enumerate(taken[name], start=1):
            expected = step_by_hand(expected, g, step, 1e-3, (0.5, 0.75), 0.0, 0.0)
        state = optimizer.state[parameter]
        names = {"step", "exp_avg", "exp_avg_sq"}
        expect(
            set(state) == names, f"the state of a parameter: expected {sorted(names)}, got {sorted(state)}"
        )
        expect(isinstance(state["step"], Tensor), "`step` must be a tensor, as in torch's AdamW")
        expect_close(float(state["step"]), len(taken[name]), f"`step` of the {name} parameter")
        expect_close(state["exp_avg"], expected[1], f"`exp_avg` of the {name} parameter", 1e-10)
        expect_close(state["exp_avg_sq"], expected[2], f"`exp_avg_sq` of the {name} parameter", 1e-10)
        expect_close(parameter, expected[0], f"the {name} parameter", 1e-10)


def check_torch_s_adamw_goes_the_same_way(size: Sizes, seed: int) -> None:
    """Five steps of two groups, under a schedule. Then torch's own state is loaded, and goes on."""
    shapes = [(size.F, size.D), (size.D,)]
    ours, theirs = ([normal(seed, *shape) for shape in shapes] for _ in range(2))
    a = AdamW(decay_groups(ours, 0.3), betas=(0.9, 0.98))
    b = torch.optim.AdamW(decay_groups(theirs, 0.3), betas=(0.9, 0.98))
    for step, lr in enumerate(RATES):
        if step == 3:
            state = copy.deepcopy(b.state_dict()["state"])
            a.load_state_dict({"state": state, "param_groups": a.state_dict()["param_groups"]})
        for number, (p, q) in enumerate(zip(ours, theirs, strict=True)):
            g = normal(seed + 1 + step + 10 * number, *p.shape)
            p.grad, q.grad = g, g.clone()
        for optimizer in (a, b):
            for group in optimizer.param_groups:
                group["lr"] = lr
            optimizer.step()
        for p, q in zip(ours, theirs, strict=True):
            expect_close(p, q, f"a parameter after step {step + 1} (torch's AdamW is expected)", 1e-10)


def check_a_step_leaves_no_trace_in_the_graph() -> None:
    """A parameter of a network asks for gradients, and is changed all the same, outside of autograd."""
    parameter = nn.Parameter(exact([2.0, -1.0]))
    (parameter * exact([0.5, -4.0])).sum().backward()
    AdamW([parameter], lr=0.1, eps=0.0, weight_decay=0.2).step()
    expect(parameter.is_leaf and parameter.requires_grad, "the parameter must stay a leaf that has gradients")
    expect_close(parameter.detach(), [1.86, -0.88], "(2, -1) after a step with (0.5, -4), lr 0.1, decay 0.2")
