"""What a step of AdamW, clipping, the groups and the levelling of singular values must fulfil in PyTorch.

The parameters are plain tensors, whose gradients are given to them: no network is needed for a step.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from minibert.byhand import optimizer as by_numpy
from minibert.learn.compare import expect, expect_close
from minibert.learn.sizes import Sizes
from minibert.learn.tensors import exact, normal
from minibert.train.optimizer import (
    NEWTON_SCHULZ,
    adamw_,
    clip_gradients,
    decay_groups,
    orthogonalize,
)

RATES = [0.02, 0.03, 0.05, 0.04, 0.01]
"""Another learning rate at each step, as under a schedule."""

CLIPPED = 1e-6
"""PyTorch's own clipping adds so much to the norm before it divides, and that is right, too."""


def with_gradient(value: Tensor, gradient: Tensor | None) -> Tensor:
    """Return a parameter with a gradient."""
    parameter = value.clone()
    parameter.grad = None if gradient is None else gradient.clone()
    return parameter


def gradient_of(parameter: Tensor) -> Tensor:
    """Return a parameter's gradient, which must not have gone."""
    expect(parameter.grad is not None, "a gradient is gone; whoever needs it after this will not find it")
    assert parameter.grad is not None
    return parameter.grad


def step_by_hand(state: Sequence[Any], gradient: Tensor, *settings: Any) -> tuple[Any, Any, Any]:
    """Return parameter, mean and square after a step of `minibert.byhand.optimizer.adamw`."""
    w, m, v = state
    return by_numpy.adamw(w, gradient.numpy(), m, v, *settings)


def check_two_adamw_steps_by_hand() -> None:
    """Betas 1/2 and 3/4, lr 0.3, gradients 18 and -3: w goes 1, 0.7, 0.6.

    m = 9, corrected (by 1 - 1/2) 18; v = 81, corrected (by 1 - 3/4) 324: the step is 0.3 * 18/18.
    Then m = 4.5 - 1.5 = 3, corrected (by 1 - 1/4) 4; v = 60.75 + 2.25 = 63, corrected (by 1 - 9/16) 144:
    the step is 0.3 * 4/12.
    """
    w, m, v = exact([1]), exact([0]), exact([0])
    for step, (g, at, mean, square) in enumerate([(18.0, 0.7, 9.0, 81.0), (-3.0, 0.6, 3.0, 63.0)], start=1):
        adamw_(w, exact([g]), m, v, step, 0.3, (0.5, 0.75), 0.0, 0.0)
        expect_close(m, [mean], f"the mean at step {step}, gradients 18 and -3, b1 = 1/2")
        expect_close(v, [square], f"the square at step {step}, gradients 18 and -3, b2 = 3/4")
        expect_close(w, [at], f"the parameter at step {step}, gradients 18 and -3, betas 1/2 and 3/4")


def check_epsilon_is_added_to_the_corrected_root() -> None:
    """g = 3 and eps = 1: the first step is lr 3 / (3 + 1), not lr 3 / sqrt(9 + 1)."""
    w = exact([1])
    adamw_(w, exact([3]), exact([0]), exact([0]), 1, 0.1, (0.9, 0.98), 1.0, 0.0)
    expect_close(w, [0.925], "the parameter 1 after one step with g = 3, eps = 1, lr = 0.1")


def check_decay_does_not_pass_through_the_gradient(size: Sizes, seed: int) -> None:
    """With a gradient of zero, w shrinks by lr decay exactly. Through the gradient (L2) it goes lr."""
    w, zero = normal(seed, size.F, size.D), torch.zeros(size.F, size.D, dtype=torch.float64)
    shrunk, m, v = w.clone(), zero.clone(), zero.clone()
    adamw_(shrunk, zero, m, v, 1, 0.1, (0.9, 0.98), 1e-8, 0.5)
    expect_close(shrunk, 0.95 * w, "the parameter after a gradient of zero, lr 0.1, decay 0.5")
    expect(not m.any() and not v.any(), "the decay must not reach the mean and the square")


def check_by_hand_adamw_goes_the_same_way(size: Sizes, seed: int) -> None:
    """Five steps, with a decay; and the gradient is not changed."""
    shape = size.F, size.D
    w, m, v = normal(seed, *shape), torch.zeros(shape).double(), torch.zeros(shape).double()
    expected = tuple(tensor.numpy().copy() for tensor in (w, m, v))
    for step, lr in enumerate(RATES, start=1):
        g = normal(seed + step, *shape)
        kept = g.clone()
        adamw_(w, g, m, v, step, lr, (0.9, 0.98), 1e-3, 0.3)
        expect(torch.equal(g, kept), "the gradient was changed; only the other three may be")
        expected = step_by_hand(expected, kept, step, lr, (0.9, 0.98), 1e-3, 0.3)
        for name, got, theirs in zip(("parameter", "mean", "square"), (w, m, v), expected, strict=True):
            expect_close(got, theirs, f"the {name} at step {step}", 1e-10)


def quintic(s: float, steps: int = 5) -> float:
    """Return what becomes of a singular value."""
    a, b, c = NEWTON_SCHULZ
    for _ in range(steps):
        s = a * s + b * s**3 + c * s**5
    return s


def spectrum(rows: int, columns: int, values: Tensor, seed: int) -> Tensor:
    """Return U S V^T (rows, columns) with random directions, and the singular values given."""
    U, _ = torch.linalg.qr(normal(seed, rows, len(values)))
    V, _ = torch.linalg.qr(normal(seed + 1, columns, len(values)))
    return U * values @ V.mT


def check_one_step_of_newton_schulz_by_hand() -> None:
    """diag(3, 4) has the norm 5. From 0.6: 3.4445 * 0.6 - 4.775 * 0.216 + 2.0315 * 0.07776 = 1.19326944."""
    got = orthogonalize(torch.diag(exact([3, 4])), steps=1)
    expect_close(got, np.diag([1.19326944, 0.97648192]), "one step from diag(3, 4)", 1e-8)


def check_a_row_is_only_made_as_long_as_all_others() -> None:
    """(3, 4) has one singular value, 5, which the division makes 1; so the row is (0.6, 0.8) quintic(1)."""
    for steps in (1, 2, 5):
        row = orthogonalize(exact([[3, 4]]), steps)
        expect_close(row, quintic(1, steps) * exact([[0.6, 0.8]]), f"(3, 4) after {steps} steps", 1e-10)
        expect_close(orthogonalize(exact([[3], [4]]), steps), row.mT, "the same as a column", 1e-10)


def check_the_directions_stay_and_the_sizes_follow_the_quintic(size: Sizes, seed: int) -> None:
    """Of a wide matrix and of a tall one. From 0.01 of the norm on, all come to between 0.68 and 1.13."""
    values = torch.logspace(-1.7, 0, size.F + 1, dtype=torch.float64)
    values /= values.norm()
    for rows, columns in ((size.F + 1, size.F + 3), (size.F + 3, size.F + 1)):
        matrix = spectrum(rows, columns, values, seed)
        kept = matrix.clone()
        got = orthogonalize(matrix)
        expected = spectrum(rows, columns, exact([quintic(s) for s in values.tolist()]), seed)
        expect_close(got, expected, f"a matrix ({rows}, {columns}), orthogonalised", 1e-8)
        expect(torch.equal(matrix, kept), "the matrix was changed; return a new one")
        after = torch.linalg.svdvals(got)
        expect(
            after.min() > 0.675 and after.max() < 1.135,
            f"singular values: expected 0.68 to 1.13, got {after.min():.3f} to {after.max():.3f}",
        )


def check_the_size_of_a_matrix_does_not_matter(size: Sizes, seed: int) -> None:
    """And zeros, which have no direction, stay zeros."""
    matrix = normal(seed, size.F, size.D)
    expected = orthogonalize(matrix)
    for factor in (1e-3, 1e3):
        expect_close(orthogonalize(factor * matrix), expected, f"a matrix times {factor}", 1e-8)
    expect_close(orthogonalize(0 * matrix), 0 * matrix, "a matrix of zeros")


def check_matrices_are_orthogonalised_one_by_one(size: Sizes, seed: int) -> None:
    """A large one beside a small one makes no difference to it."""
    stack = normal(seed, 3, size.F, size.D) * exact([0.01, 1, 100])[:, None, None]
    expected = torch.stack([orthogonalize(matrix) for matrix in stack])
    expect_close(orthogonalize(stack), expected, "a stack of three matrices", 1e-8)
    deep = orthogonalize(stack[None, :, None])
    expect_close(deep, expected[None, :, None], "the same with more axes before", 1e-8)


def check_by_hand_orthogonalize_is_the_same(size: Sizes, seed: int) -> None:
    """For any shape, and any number of steps."""
    for steps, shape in enumerate([(size.F, size.D), (size.D, size.F), (size.B, size.D, size.D)], start=3):
        matrices = normal(seed, *shape)
        expected = by_numpy.orthogonalize(matrices.numpy(), steps)
        expect_close(orthogonalize(matrices, steps), expected, f"{shape}, {steps} steps", 1e-8)


def expect_members(group: dict, expected: list[Tensor], which: str) -> None:
    """Compare a group's parameters: the very same tensors, in their order."""
    expect("params" in group, f"{which} needs the key `params`, has {sorted(group)}")
    got = list(group["params"])
    shapes = [[tuple(parameter.shape) for parameter in some] for some in (expected, got)]
    right = len(got) == len(expected) and all(a is b for a, b in zip(got, expected, strict=True))
    expect(right, f"{which}: expected the parameters of shapes {shapes[0]}, in this order, got {shapes[1]}")


def expect_groups(groups: list[dict], matrices: list[Tensor], others: list[Tensor], decay: float) -> None:
    """Compare two groups with what they must hold."""
    expect(len(groups) == 2, f"expected two groups, got {len(groups)}")
    expect_members(groups[0], matrices, "the first group")
    expect_members(groups[1], others, "the second group")
    for number, (group, expected) in enumerate(zip(groups, (decay, 0.0), strict=True)):
        expect("weight_decay" in group, f"group {number} has no `weight_decay`: it takes the optimiser's")
        expect_close(group["weight_decay"], expected, f"the `weight_decay` of group {number}")


def check_matrices_decay_and_vectors_do_not(size: Sizes, seed: int) -> None:
    """A linear layer and a norm: only the weight of the layer is a matrix."""
    weight, bias = normal(seed, size.F, size.D), normal(seed + 1, size.F)
    scale, shift = normal(seed + 2, size.F), normal(seed + 3, size.F)
    groups = decay_groups([weight, bias, scale, shift], 0.1)
    expect_groups(groups, [weight], [bias, scale, shift], 0.1)


def check_every_parameter_is_in_one_of_the_groups(size: Sizes, seed: int) -> None:
    """Also one of three axes, as of a convolution, and a single number, such as a temperature."""
    kernel, number = normal(seed, 2, size.F, size.D), normal(seed + 1)
    matrix, vector = normal(seed + 2, size.F, size.D), normal(seed + 3, size.D)
    groups = decay_groups([kernel, number, matrix, vector], 0.2)
    expect_groups(groups, [kernel, matrix], [number, vector], 0.2)


def check_parameters_may_come_from_a_generator(size: Sizes, seed: int) -> None:
    """`model.parameters()` can be gone through once: whoever asks again gets nothing."""
    parameters = [normal(seed, size.F, size.D), normal(seed + 1, size.F)]
    expect_groups(decay_groups(iter(parameters), 0.1), parameters[:1], parameters[1:], 0.1)


def with_gradients(*gradients: Sequence[float]) -> list[Tensor]:
    """Return parameters with these gradients."""
    return [with_gradient(torch.zeros(len(g)).double(), exact(g)) for g in gradients]


def check_clipping_by_hand() -> None:
    """(3, 0), (0, 4) and (12) together have the norm 13. At most 6.5 halves every number."""
    parameters = with_gradients([3, 0], [0, 4], [12])
    expect_close(clip_gradients(parameters, 6.5), 13.0, "the norm before clipping")
    for number, half in enumerate([[1.5, 0.0], [0.0, 2.0], [6.0]]):
        expect_close(
            gradient_of(parameters[number]), half, f"gradient {number}, norm 13 clipped to 6.5", CLIPPED
        )


def check_small_gradients_are_left_as_they_are() -> None:
    """The norm of 0.3 and 0.4 is 0.5, below 1. And zeros are no division by zero."""
    parameters = with_gradients([0.3], [0.4])
    expect_close(clip_gradients(parameters, 1.0), 0.5, "the norm")
    for parameter, expected in zip(parameters, (0.3, 0.4), strict=True):
        expect_close(gradient_of(parameter), [expected], "a small gradient")
    parameters = with_gradients([0, 0], [0])
    expect_close(clip_gradients(parameters, 1.0), 0.0, "the norm of zeros")
    expect(not any(gradient_of(p).any() for p in parameters), "zeros, clipped, must stay zeros")


def check_what_has_no_gradient_does_not_count_when_clipping() -> None:
    """3 and 4, and between them a parameter that has none: the norm is 5."""
    parameters = with_gradients([3], [7], [4])
    parameters[1].grad = None
    expect_close(clip_gradients(parameters, 1.0), 5.0, "the norm")
    expect_close(gradient_of(parameters[0]), [0.6], "a gradient of 3, norm 5 clipped to 1", CLIPPED)
    expect(parameters[1].grad is None, "what has no gradient must not get one")


def check_clipped_parameters_may_come_from_a_generator(size: Sizes, seed: int) -> None:
    """`model.parameters()` can be gone through once. After clipping, the norm is what was asked for."""
    gradients = [normal(seed, size.F, size.D), normal(seed + 1, size.F)]
    parameters = [with_gradient(g, g) for g in gradients]
    clip_gradients(iter(parameters), 1e-3)
    norm = math.sqrt(sum(float((gradient_of(p) ** 2).sum()) for p in parameters))
    expect_close(norm, 1e-3, "the norm after clipping", CLIPPED)


def check_clipping_is_that_by_hand_and_that_of_torch(size: Sizes, seed: int) -> None:
    """To half of the norm."""
    gradients = {"weight": normal(seed, size.F, size.D), "bias": normal(seed + 1, size.F)}
    largest = 0.5 * math.sqrt(sum(float((g**2).sum()) for g in gradients.values()))
    expected, before = by_numpy.clip({name: g.numpy() for name, g in gradients.items()}, largest)
    ours, theirs = ([with_gradient(g, g) for g in gradients.values()] for _ in range(2))
    expect_close(clip_gradients(ours, largest), before, "the norm before clipping", 1e-10)
    nn.utils.clip_grad_norm_(theirs, largest)
    for (name, g), p, q in zip(expected.items(), ours, theirs, strict=True):
        expect_close(gradient_of(p), g, f"the gradient of the {name} (that by hand is expected)", CLIPPED)
        expect_close(
            gradient_of(p), gradient_of(q), f"the gradient of the {name} (torch's is expected)", CLIPPED
        )


def check_clipping_does_not_hide_what_is_not_finite() -> None:
    """NaN spreads to all. Infinity becomes NaN, and all else zero: both norms say so."""
    parameters = with_gradients([1, math.nan], [2])
    norm = clip_gradients(parameters, 1.0)
    expect(math.isnan(norm), f"the norm with a NaN: expected NaN, got {norm}")
    expect(all(bool(gradient_of(p).isnan().all()) for p in parameters), "a NaN must spread to all gradients")
    parameters = with_gradients([1, math.inf], [2])
    norm = clip_gradients(parameters, 1.0)
    expect(math.isinf(norm), f"the norm with an infinity: expected infinity, got {norm}")
    first, second = (gradient_of(p) for p in parameters)
    expect(
        first[1].isnan() and first[0] == 0 and second[0] == 0,
        f"an infinity must become NaN and all else 0, got {first.tolist()} and {second.tolist()}",
    )
