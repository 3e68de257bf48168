"""What the optimisers, clipping and the schedule must fulfil."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minibert.byhand.optimizer import (
    NEWTON_SCHULZ,
    adamw,
    clip,
    decay_of,
    momentum,
    muon,
    orthogonalize,
    schedule,
    sgd,
)
from minibert.byhand.parameters import Array, Parameters
from minibert.learn.compare import CheckError, expect, expect_close
from minibert.learn.proof import Case
from minibert.learn.sizes import Sizes

STEPS = 10
RATES = np.linspace(0.02, 0.05, STEPS).tolist()
"""Another learning rate at each step, as under a schedule."""
DECAY = 0.3


def draw(size: Sizes, rng: np.random.Generator) -> tuple[Array, Array]:
    """Return a weight (F, D) and the gradients of ten steps (10, F, D), some large and some small."""
    gradients = rng.normal(size=(STEPS, size.F, size.D)) * np.geomspace(10, 0.1, size.D)
    return rng.normal(size=(size.F, size.D)), gradients


def draw_tall(size: Sizes, rng: np.random.Generator) -> tuple[Array, Array]:
    """Return the same with more rows than columns: (F + D, F)."""
    shape = size.F + size.D, size.F
    return rng.normal(size=shape), rng.normal(size=(STEPS, *shape))


def draw_parameters(size: Sizes, rng: np.random.Generator) -> tuple[Parameters, Parameters]:
    """Return a linear layer and a norm, and the gradients of ten steps, (10, …) each."""
    shapes = {"linear.weight": (size.F, size.D), "linear.bias": (size.F,), "norm.weight": (size.F,)}
    return (
        {name: rng.normal(size=shape) for name, shape in shapes.items()},
        {name: rng.normal(size=(STEPS, *shape)) for name, shape in shapes.items()},
    )


def draw_gradients(size: Sizes, rng: np.random.Generator) -> tuple[Parameters, float]:
    """Return gradients by name, and a norm that is below theirs."""
    gradients: Parameters = {"weight": rng.normal(size=(size.F, size.D)), "bias": rng.normal(size=size.F)}
    return gradients, 0.5 * float(np.sqrt(sum((g**2).sum() for g in gradients.values())))


def draw_matrices(size: Sizes, rng: np.random.Generator) -> tuple[Array, Array]:
    """Return a stack of matrices that are wide, (B, F, F + D), and one of matrices that are tall."""
    return rng.normal(size=(size.B, size.F, size.F + size.D)), rng.normal(size=(size.B, size.F + 1, size.F))


def draw_peaks(size: Sizes, rng: np.random.Generator) -> tuple[Array, int, int]:
    """Return the peak rates of two groups, the steps of a run, and how many of them warm up."""
    return rng.uniform(size=2), 4 * size.N, size.N


def steps_of(function: Callable[..., Any], memories: int, counted: bool = False, **settings: Any):
    """Return a function (w, gradients) -> w after each step (10, …), and what is remembered at the end."""

    def run(w: Array, gradients: Array) -> tuple[Array, ...]:
        memory = [np.zeros_like(w)] * memories
        weights = []
        for step, (g, lr) in enumerate(zip(gradients, RATES, strict=True), start=1):
            out = function(w, g, *memory, *([step] if counted else []), lr=lr, **settings)
            w, *memory = out if memories else (out,)
            weights.append(w)
        return np.stack(weights), *memory

    return run


def torch_steps_of(make: Callable[..., Any], names: tuple[str, ...]):
    """Return the same for make([parameter]) -> an optimiser, whose state has the names given."""

    def run(w, gradients):
        import torch

        parameter = torch.nn.Parameter(w.detach().clone())
        optimizer, weights = make([parameter]), []
        for g, lr in zip(gradients, RATES, strict=True):
            parameter.grad = g.detach().clone()
            optimizer.param_groups[0]["lr"] = lr
            optimizer.step()
            weights.append(parameter.detach().clone())
        return torch.stack(weights), *(optimizer.state[parameter][name] for name in names)

    return run


def torch_sgd(**settings: Any):
    def make(parameters):
        import torch

        return torch.optim.SGD(parameters, lr=1.0, weight_decay=DECAY, **settings)

    return torch_steps_of(make, ("momentum_buffer",) if "momentum" in settings else ())


def our_adamw(parameters):
    from minibert.train.optimizer import AdamW

    return AdamW(parameters, betas=(0.8, 0.95), eps=1e-3, weight_decay=DECAY)


def their_adamw(parameters):
    import torch

    return torch.optim.AdamW(parameters, betas=(0.8, 0.95), eps=1e-3, weight_decay=DECAY)


def our_muon(parameters):
    from minibert.train.optimizer import Muon

    return Muon(parameters, momentum=0.9, weight_decay=DECAY)


def groups_by_hand(params: Parameters, gradients: Parameters) -> tuple[Array, ...]:
    """Return all parameters after ten steps of AdamW, where only matrices decay."""
    return tuple(
        steps_of(adamw, 2, counted=True, decay=decay_of(w, DECAY))(w, gradients[name])[0]
        for name, w in params.items()
    )


def torch_groups(params, gradients):
    import torch

    from minibert.train.optimizer import AdamW, decay_groups

    parameters = {name: torch.nn.Parameter(w.detach().clone()) for name, w in params.items()}
    optimizer = AdamW(decay_groups(parameters.values(), DECAY))
    weights = {name: [] for name in params}
    for step, lr in enumerate(RATES):
        for group in optimizer.param_groups:
            group["lr"] = lr
        for name, parameter in parameters.items():
            parameter.grad = gradients[name][step].detach().clone()
        optimizer.step()
        for name, parameter in parameters.items():
            weights[name].append(parameter.detach().clone())
    return tuple(torch.stack(weights[name]) for name in params)


def clip_by_hand(gradients: Parameters, largest: float) -> tuple[Array, ...]:
    """Return the clipped gradients, and the norm, as arrays."""
    clipped, norm = clip(gradients, largest)
    return *clipped.values(), np.asarray(norm, dtype=gradients["weight"].dtype)


def torch_clip(gradients, largest):
    import torch

    from minibert.train.optimizer import clip_gradients

    parameters = [torch.nn.Parameter(torch.zeros_like(g)) for g in gradients.values()]
    for parameter, gradient in zip(parameters, gradients.values(), strict=True):
        parameter.grad = gradient.detach().clone()
    norm = clip_gradients(parameters, largest)
    return *(parameter.grad for parameter in parameters), norm


def orthogonalize_both(wide: Array, tall: Array) -> tuple[Array, Array]:
    return orthogonalize(wide), orthogonalize(tall)


def torch_orthogonalize(wide, tall):
    from minibert.train.optimizer import orthogonalize as twin

    return twin(wide), twin(tall)


def schedule_by_hand(kind: str):
    def rates(peaks: Array, steps: int, warmup: int) -> Array:
        """Return the rates of all steps, (steps, groups)."""
        shares = [schedule(s / steps, (s + 1) / steps, warmup / steps, kind) for s in range(steps)]
        return np.stack([share * peaks for share in shares])

    return rates


def torch_schedule(kind: Any):
    def rates(peaks, steps, warmup):
        import torch

        from minibert.train.schedule import factor

        shares = [factor(s / steps, (s + 1) / steps, warmup / steps, kind) for s in range(steps)]
        return torch.stack([share * peaks for share in shares])

    return rates


def transformers_schedule(kind: str):
    """Theirs rises from zero: at each step of the rise they are where ours was one step before."""

    def rates(peaks, steps, warmup):
        import torch
        from transformers import get_cosine_schedule_with_warmup, get_linear_schedule_with_warmup

        make = {"linear": get_linear_schedule_with_warmup, "cosine": get_cosine_schedule_with_warmup}[kind]
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
        share = make(optimizer, warmup, steps).lr_lambdas[0]
        return torch.stack([share(s + 1 if s < warmup else s) * peaks for s in range(steps)])

    return rates


ADAMW = steps_of(adamw, 2, counted=True, betas=(0.8, 0.95), eps=1e-3, decay=DECAY)
MUON = steps_of(muon, 1, mu=0.9, decay=DECAY)
MOMENTS = "exp_avg", "exp_avg_sq"

CASES = [
    Case("SGD", steps_of(sgd, 0, decay=DECAY), None, draw, torch_sgd()),
    Case("momentum", steps_of(momentum, 1, decay=DECAY), None, draw, torch_sgd(momentum=0.9)),
    Case(
        "Nesterov's momentum",
        steps_of(momentum, 1, decay=DECAY, nesterov=True),
        None,
        draw,
        torch_sgd(momentum=0.9, nesterov=True),
    ),
    Case("AdamW", ADAMW, None, draw, torch_steps_of(our_adamw, MOMENTS)),
    Case("AdamW, torch.optim", ADAMW, None, draw, torch_steps_of(their_adamw, MOMENTS)),
    Case("only matrices decay", groups_by_hand, None, draw_parameters, torch_groups),
    Case("orthogonalize", orthogonalize_both, None, draw_matrices, torch_orthogonalize),
    Case("Muon", MUON, None, draw, torch_steps_of(our_muon, ("momentum_buffer",))),
    Case("Muon, tall", MUON, None, draw_tall, torch_steps_of(our_muon, ("momentum_buffer",))),
    Case("clip", clip_by_hand, None, draw_gradients, torch_clip),
    *(
        Case(
            f"schedule, {kind}",
            schedule_by_hand(kind),
            None,
            draw_peaks,
            torch_schedule(kind),
            transformers_schedule(kind),
        )
        for kind in ("linear", "cosine")
    ),
]


def check_nothing_is_changed_in_place(size: Sizes, seed: int) -> None:
    """Who keeps the old arrays, to go back to them, must find them as they were."""
    w, gradients = draw(size, np.random.default_rng(seed))
    arrays = w, *gradients[:2], np.abs(gradients[2])
    kept = [array.copy() for array in arrays]
    w, g, m, v = arrays
    for name, run in {
        "sgd": lambda: sgd(w, g, 0.1, 0.3),
        "momentum": lambda: momentum(w, g, m, 0.1, 0.9, 0.3),
        "adamw": lambda: adamw(w, g, m, v, 3, 0.1),
        "muon": lambda: muon(w, g, m, 0.1, 0.9, 0.3),
    }.items():
        run()
        for letter, array, before in zip("wgmv", arrays, kept, strict=True):
            expect(np.array_equal(array, before), f"{name} changed {letter} in place; return a new array")


def check_sgd_by_hand() -> None:
    """From w = (1, -2) with g = (2, 4) and lr 0.1: (0.8, -2.4). Decay 0.5 adds (0.5, -1) to g."""
    w, g = np.array([1.0, -2.0]), np.array([2.0, 4.0])
    expect_close(sgd(w, g, 0.1), np.array([0.8, -2.4]), "w after one step of SGD, without decay")
    expect_close(sgd(w, g, 0.1, 0.5), np.array([0.75, -2.3]), "w after one step of SGD, decay 0.5")


def check_momentum_by_hand() -> None:
    """Gradients 1 and 2, mu 1/2, lr 0.1: m is 1, then 2.5. Nesterov's goes g + m/2: 1.5, then 3.25."""
    for nesterov, first, second in ((False, 9.9, 9.65), (True, 9.85, 9.525)):
        name = "Nesterov's momentum" if nesterov else "momentum"
        w, m = np.array([10.0]), np.array([0.0])
        w, m = momentum(w, np.array([1.0]), m, 0.1, 0.5, nesterov=nesterov)
        expect_close(w, np.array([first]), f"w after the first step of {name}")
        w, m = momentum(w, np.array([2.0]), m, 0.1, 0.5, nesterov=nesterov)
        expect_close(m, np.array([2.5]), f"the memory after two steps of {name}")
        expect_close(w, np.array([second]), f"w after two steps of {name}")

    w, m = momentum(np.array([2.0]), np.array([0.0]), np.array([4.0]), 0.1, 0.5, decay=0.5)
    expect_close(m, np.array([3.0]), "the memory 4 after g = 0, mu 1/2, decay 1/2 and w = 2: 4/2 + 2/2")
    expect_close(w, np.array([1.7]), "and w")


def check_momentum_of_a_constant_gradient_grows_to_its_limit(size: Sizes, seed: int) -> None:
    """After k steps m = g (1 - mu^k) / (1 - mu), which tends to g / (1 - mu)."""
    w, gradients = draw(size, np.random.default_rng(seed))
    g, m = gradients[0], np.zeros_like(w)
    for step in range(1, 201):
        w, m = momentum(w, g, m, 0.01, 0.8)
        if step in (1, 2, 3, 200):
            expect_close(m, g * (1 - 0.8**step) / 0.2, f"m after {step} steps of one gradient, mu 0.8", 1e-10)


def check_momentum_without_memory_is_sgd(size: Sizes, seed: int) -> None:
    w, gradients = draw(size, np.random.default_rng(seed))
    for nesterov in (False, True):
        stepped, _ = momentum(w, gradients[0], gradients[1], 0.1, 0.0, 0.3, nesterov)
        expect_close(stepped, sgd(w, gradients[0], 0.1, 0.3), f"mu 0, nesterov={nesterov}: expected SGD's w")


def check_two_adamw_steps_by_hand() -> None:
    """Betas 1/2 and 3/4, lr 0.3, gradients 18 and -3: w goes 1, 0.7, 0.6.

    m = 9, corrected (by 1 - 1/2) 18; v = 81, corrected (by 1 - 3/4) 324: the step is 0.3 * 18/18.
    Then m = 4.5 - 1.5 = 3, corrected (by 1 - 1/4) 4; v = 60.75 + 2.25 = 63, corrected (by 1 - 9/16) 144:
    the step is 0.3 * 4/12.
    """
    w, m, v = np.array([1.0]), np.array([0.0]), np.array([0.0])
    for step, (g, at, mean, square) in enumerate([(18.0, 0.7, 9.0, 81.0), (-3.0, 0.6, 3.0, 63.0)], start=1):
        w, m, v = adamw(w, np.array([g]), m, v, step, 0.3, (0.5, 0.75), 0.0, 0.0)
        expect_close(m, np.array([mean]), f"m at step {step}, gradients 18 and -3, beta1 1/2")
        expect_close(v, np.array([square]), f"v at step {step}, gradients 18 and -3, beta2 3/4")
        expect_close(w, np.array([at]), f"w at step {step} of AdamW, gradients 18 and -3, betas 1/2 and 3/4")


def check_the_first_adamw_step_is_a_sign_step(size: Sizes, seed: int) -> None:
    """m = g and v = g^2 once corrected, so that w moves by lr against the sign of g, whatever the betas."""
    w, gradients = draw(size, np.random.default_rng(seed))
    zero = np.zeros_like(w)
    for betas in ((0.9, 0.98), (0.5, 0.999)):
        stepped, _, _ = adamw(w, gradients[0], zero, zero, 1, 0.1, betas, 0.0, 0.0)
        expected = w - 0.1 * np.sign(gradients[0])
        expect_close(stepped, expected, f"w after the first step of AdamW, betas {betas}: lr times the sign")


def check_epsilon_is_added_to_the_root() -> None:
    """g = 3 and eps = 1: the first step is lr 3 / (3 + 1), not lr 3 / sqrt(9 + 1)."""
    w, zero = np.array([1.0]), np.array([0.0])
    stepped, _, _ = adamw(w, np.array([3.0]), zero, zero, 1, 0.1, (0.9, 0.98), 1.0, 0.0)
    expect_close(stepped, np.array([0.925]), "w = 1 after one step of AdamW with g = 3, eps = 1, lr = 0.1")
    later, _, _ = adamw(w, zero, np.array([0.0]), np.array([4.0]), 1, 0.1, (0.9, 0.5), 1.0, 0.0)
    expect_close(later, w, "w under a gradient of zero, m = 0")


def check_decay_is_decoupled(size: Sizes, seed: int) -> None:
    """Without a gradient w shrinks by lr decay exactly; with one, its step comes on top."""
    w, gradients = draw(size, np.random.default_rng(seed))
    zero = np.zeros_like(w)
    shrunk, m, v = adamw(w, zero, zero, zero, 1, 0.1, decay=0.5)
    expect_close(shrunk, 0.95 * w, "w after a step of AdamW with zero gradient, lr 0.1, decay 0.5")
    expect(not m.any() and not v.any(), "the decay must not reach m and v, which are not zero here")

    plain, *_ = adamw(w, gradients[0], zero, zero, 1, 0.1, decay=0.0)
    both, *_ = adamw(w, gradients[0], zero, zero, 1, 0.1, decay=0.5)
    expect_close(plain - both, 0.05 * w, "what decay 0.5 takes off at lr 0.1, beside a gradient", 1e-10)


def check_adamw_does_not_depend_on_the_size_of_the_gradients(size: Sizes, seed: int) -> None:
    """All gradients a thousand times larger: m grows by 1000, v by 1000^2, and w goes the same way."""
    w, gradients = draw(size, np.random.default_rng(seed))
    run = steps_of(adamw, 2, counted=True, eps=0.0)
    weights, m, v = run(w, gradients)
    same, m1000, v1000 = run(w, 1000 * gradients)
    expect_close(same, weights, "w under gradients a thousand times larger, eps = 0", 1e-10)
    expect_close(m1000, 1000 * m, "m", 1e-10)
    expect_close(v1000, 1e6 * v, "v", 1e-10)


def check_steps_are_counted_from_one(size: Sizes, seed: int) -> None:
    w, gradients = draw(size, np.random.default_rng(seed))
    try:
        adamw(w, gradients[0], np.zeros_like(w), np.zeros_like(w), 0, 0.1)
    except ValueError:
        return
    raise CheckError("step 0 of AdamW: expected a ValueError, for 1 - beta^0 is zero; got none")


def check_matrices_decay_and_vectors_do_not(size: Sizes) -> None:
    expect_close(decay_of(np.ones((size.F, size.D)), 0.1), 0.1, "the decay of a matrix")
    expect_close(decay_of(np.ones(size.F), 0.1), 0.0, "the decay of a bias or of the scale of a norm")


def quintic(s: Any, steps: int = 5) -> Any:
    """Return what becomes of singular values."""
    a, b, c = NEWTON_SCHULZ
    for _ in range(steps):
        s = a * s + b * s**3 + c * s**5
    return s


def draw_spectrum(size: Sizes, seed: int) -> tuple[Array, Array, Array]:
    """Return U (F, F), singular values (F,) from 0.1 to 1, and V^T (F, F + 1)."""
    rng = np.random.default_rng(seed)
    U, _ = np.linalg.qr(rng.normal(size=(size.F, size.F)))
    V, _ = np.linalg.qr(rng.normal(size=(size.F + 1, size.F)))
    return U, np.linspace(0.1, 1, size.F), V.T


def check_one_step_of_newton_schulz_by_hand() -> None:
    """diag(3, 4) has the norm 5. From 0.6: 3.4445 * 0.6 - 4.775 * 0.216 + 2.0315 * 0.07776 = 1.19326944."""
    got = orthogonalize(np.diag([3.0, 4.0]), steps=1)
    expect_close(got, np.diag([1.19326944, 0.97648192]), "one step from diag(3, 4)", 1e-8)


def check_singular_values_come_near_one(size: Sizes, seed: int) -> None:
    """They follow the quintic, from s / ||s||, and the directions stay."""
    U, s, Vt = draw_spectrum(size, seed)
    got = orthogonalize((U * s) @ Vt)
    levelled = quintic(s / np.linalg.norm(s))
    expect_close(got, (U * levelled) @ Vt, "U S V^T orthogonalised, where S runs from 0.1 to 1", 1e-9)
    values = np.linalg.svd(got, compute_uv=False)
    expect(
        values.min() > 0.6 and values.max() < 1.25,
        f"singular values between 0.1 and 1 must come near 1, got {values.min():.3f} to {values.max():.3f}",
    )


def check_a_tall_matrix_is_a_wide_one_turned(size: Sizes, seed: int) -> None:
    U, s, Vt = draw_spectrum(size, seed)
    wide = (U * s) @ Vt
    expect_close(orthogonalize(wide.T), orthogonalize(wide).T, "the transposed matrix", 1e-9)


def check_orthogonalize_does_not_depend_on_the_size(size: Sizes, seed: int) -> None:
    U, s, Vt = draw_spectrum(size, seed)
    matrix = (U * s) @ Vt
    expect_close(orthogonalize(1000 * matrix), orthogonalize(matrix), "a matrix times 1000", 1e-9)
    expect_close(orthogonalize(0.001 * matrix), orthogonalize(matrix), "a matrix times 0.001", 1e-9)
    expect_close(orthogonalize(0 * matrix), 0 * matrix, "a matrix of zeros")


def check_matrices_of_a_stack_are_levelled_one_by_one(size: Sizes, seed: int) -> None:
    wide, _ = draw_matrices(size._replace(B=3), np.random.default_rng(seed))
    wide *= np.array([1.0, 10.0, 100.0])[:, None, None]
    alone = np.stack([orthogonalize(matrix) for matrix in wide])
    expect_close(orthogonalize(wide), alone, "three matrices together", 1e-9)


def check_two_muon_steps_by_hand() -> None:
    """A matrix of one row has one singular value, its length, so that only the direction is left.

    Gradients (36, 0) and (0, 8), mu 1/2: the memory is (36, 0), then (18, 8). Nesterov's directions are
    (36, 0) + (18, 0), and (0, 8) + (9, 4) = (9, 12): (1, 0) and (0.6, 0.8), times quintic(1).
    """
    w, m, q = np.array([[1.0, 1.0]]), np.zeros((1, 2)), quintic(1.0)
    w, m = muon(w, np.array([[36.0, 0.0]]), m, 0.1, 0.5)
    expect_close(w, np.array([[1 - 0.1 * q, 1.0]]), "w after the first step of Muon")
    w, m = muon(w, np.array([[0.0, 8.0]]), m, 0.1, 0.5)
    expect_close(m, np.array([[18.0, 8.0]]), "the memory after two steps of Muon")
    expect_close(w, np.array([[1 - 0.16 * q, 1 - 0.08 * q]]), "w after two steps of Muon")


def check_a_muon_step_of_a_tall_matrix_by_hand() -> None:
    """Four rows and two columns go sqrt(4/2) as far; decay 1/2 at lr 0.1 takes 0.05 of each weight.

    The columns of g are at right angles and both 6 long, so that U V^T = g / 6, and g has the norm sqrt(72):
    its singular values start at 6 / sqrt(72) = sqrt(1/2). Nesterov's direction, 3/2 g, starts there, too.
    """
    w = np.array([[20.0, -40.0], [0.0, 60.0], [-20.0, 80.0], [40.0, 20.0]])
    g = np.array([[3.0, 3.0], [3.0, -3.0], [3.0, 3.0], [3.0, -3.0]])
    stepped, m = muon(w, g, np.zeros((4, 2)), 0.1, 0.5, decay=0.5)
    kept = np.array([[19.0, -38.0], [0.0, 57.0], [-19.0, 76.0], [38.0, 19.0]])
    expected = kept - 0.1 * math.sqrt(2) * quintic(math.sqrt(0.5)) * g / 6
    expect_close(stepped, expected, "w (4, 2) after one step of Muon, lr 0.1, decay 0.5", 1e-10)
    expect_close(m, g, "the memory after one step of Muon")


def check_muon_takes_a_tall_matrix_further_and_decays_apart() -> None:
    """Four rows and one column: sqrt(4/1) as far. A gradient of zero leaves only the decay."""
    w, g, q = np.ones((4, 1)), np.array([[3.0], [0.0], [4.0], [0.0]]), quintic(1.0)
    stepped, _ = muon(w, g, np.zeros((4, 1)), 0.1)
    expect_close(stepped, w - 0.2 * q * g / 5, "w of four rows and one column after one step of Muon")
    flat, _ = muon(w.T, g.T, np.zeros((1, 4)), 0.1)
    expect_close(flat, (w - 0.1 * q * g / 5).T, "w of one row and four columns")
    shrunk, m = muon(w, 0 * g, 0 * g, 0.1, decay=0.5)
    expect_close(shrunk, 0.95 * w, "w after a step of Muon with zero gradient, lr 0.1, decay 0.5")
    expect(not m.any(), "the decay must not reach the memory of Muon")
    both, _ = muon(w, g, 0 * g, 0.1, decay=0.5)
    expect_close(both, stepped - 0.05 * w, "w after a gradient and decay 0.5: the decay takes from the old w")


def check_muon_refuses_what_is_not_a_matrix(size: Sizes) -> None:
    for shape in ((size.D,), (2, 2, size.D)):
        try:
            muon(np.ones(shape), np.ones(shape), np.ones(shape), 0.1)
        except ValueError:
            continue
        raise CheckError(f"Muon of a weight of shape {shape}: expected a ValueError, got none")


def check_clipping_by_hand() -> None:
    """(3, 0), (0, 4) and (12) together have the norm 13. At most 6.5 halves every number."""
    gradients = {"a": np.array([3.0, 0.0]), "b": np.array([0.0, 4.0]), "c": np.array([12.0])}
    clipped, norm = clip(gradients, 6.5)
    expect_close(norm, 13.0, "the norm before clipping")
    for name, g in gradients.items():
        expect_close(clipped[name], g / 2, f"the gradient of {name}, clipped from norm 13 to 6.5")


def check_clipping_keeps_the_direction_and_gives_the_norm(size: Sizes, seed: int) -> None:
    gradients, largest = draw_gradients(size, np.random.default_rng(seed))
    clipped, norm = clip(gradients, largest)
    _, after = clip(clipped, largest)
    expect_close(after, largest, "the global norm after clipping")
    for name, g in gradients.items():
        expect_close(clipped[name] * norm, g * largest, f"the direction of {name}", 1e-10)


def check_small_gradients_are_left_as_they_are(size: Sizes, seed: int) -> None:
    """Also where each of them alone is at the limit; and zeros are no division by zero."""
    gradients, largest = draw_gradients(size, np.random.default_rng(seed))
    clipped, _ = clip(gradients, 2.5 * largest)  # the norm is 2 largest
    for name, g in gradients.items():
        expect_close(clipped[name], g, f"the gradient of {name}, smaller than the limit", 0)
    zeros, norm = clip({"a": np.zeros(3)}, 1.0)
    expect_close(norm, 0.0, "the norm of zeros")
    expect_close(zeros["a"], np.zeros(3), "zeros, clipped")


def check_clipping_does_not_hide_what_is_not_finite() -> None:
    """NaN spreads to all. Infinity becomes NaN, and all else zero: both norms say so."""
    clipped, norm = clip({"a": np.array([1.0, np.nan]), "b": np.array([1.0])}, 1.0)
    expect(math.isnan(norm), f"the norm with a NaN: expected NaN, got {norm}")
    expect(
        np.isnan(clipped["a"]).all() and np.isnan(clipped["b"]).all(),
        f"a NaN must spread to all gradients, got {clipped}",
    )
    clipped, norm = clip({"a": np.array([1.0, np.inf]), "b": np.array([1.0])}, 1.0)
    expect(math.isinf(norm), f"the norm with an infinity: expected infinity, got {norm}")
    expect(
        np.isnan(clipped["a"][1]) and clipped["a"][0] == 0 and clipped["b"][0] == 0,
        f"an infinity must become NaN and all else 0, got {clipped}",
    )


def check_squares_of_float32_do_not_overflow() -> None:
    """1e30 squared is no float32, but its norm is."""
    clipped, norm = clip({"a": np.array([3e30, 4e30], dtype=np.float32)}, 5.0)
    expect_close(norm, 5e30, "the norm of (3e30, 4e30) in float32", 1e-6)
    expect_close(clipped["a"], np.array([3.0, 4.0]), "clipped to 5", 1e-6)


def table(steps: int, warmup: float, kind: str) -> list[float]:
    """Return the shares of a run of so many steps."""
    return [schedule(s / steps, (s + 1) / steps, warmup, kind) for s in range(steps)]


def check_the_linear_schedule_is_this_table() -> None:
    """Ten steps, four of them warming up: the first has 1/4 of the peak, the last 1/6."""
    expected = [0.25, 0.5, 0.75, 1.0, 6 / 6, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6]
    expect_close(table(10, 0.4, "linear"), expected, "ten steps with a warmup of 0.4, linear")


def check_the_cosine_schedule_is_this_table() -> None:
    """Six steps, two of them warming up; the rest is half a wave."""
    wave = 0.5 * math.sqrt(0.5)
    expected = [0.5, 1.0, 1.0, 0.5 + wave, 0.5, 0.5 - wave]
    expect_close(table(6, 2 / 6, "cosine"), expected, "six steps with a warmup of 1/3, cosine")


def check_no_warmup_and_nothing_but_warmup() -> None:
    for kind in ("linear", "cosine"):
        expect_close(table(4, 0.0, kind)[0], 1.0, f"the first step without warmup, {kind}")
        expect_close(table(4, 1.0, kind), [0.25, 0.5, 0.75, 1.0], f"four steps, all of them warmup, {kind}")


def check_no_step_does_nothing(size: Sizes) -> None:
    """Neither the first step nor the last one has a rate of zero, and none is above the peak."""
    for kind in ("linear", "cosine"):
        for warmup in (0.0, 0.1, 0.5, 1.0):
            shares = table(size.N, warmup, kind)
            what = f"{size.N} steps, warmup {warmup}, {kind}"
            expect(
                min(shares) > 0 and max(shares) <= 1,
                f"{what}: expected shares above 0 and at most 1, got {shares}",
            )


def check_an_unknown_schedule_is_refused() -> None:
    try:
        schedule(0.5, 0.6, 0.1, "lineal")
    except ValueError:
        return
    raise CheckError("a schedule 'lineal': expected a ValueError, got none")
