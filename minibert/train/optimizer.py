"""AdamW and Muon by hand, which parameter gets which, and clipping.

The optimisers are ordinary torch ones: `step`, `zero_grad`, `state_dict`. The loop sets `group["lr"]` to a
share of `group["peak_lr"]` before each step.
"""

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from minibert.train.sharding import in_parts, placed_like, whole

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
"""Coefficients of a x + b x^3 + c x^5, which drives singular values to about 1 (Jordan et al. 2024)."""


def adamw_(
    parameter: Tensor,
    gradient: Tensor,
    mean: Tensor,
    square: Tensor,
    step: int,
    lr: float,
    betas: tuple[float, float],
    eps: float,
    weight_decay: float,
) -> None:
    """Take one AdamW step in place.

    m <- b1 m + (1 - b1) g;  v <- b2 v + (1 - b2) g^2
    w <- (1 - lr decay) w - lr (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)

    Source: Loshchilov and Hutter 2019, algorithm 2. The decay acts on the weights, not through the gradient.

    Args:
        parameter, gradient, mean, square: w, g, m, v, all of one shape. Only g stays as it is.
        step: t, counted from 1.
        lr: learning rate of this step.
        betas: b1 and b2.
        eps: added to the root.
        weight_decay: share of the weight that is lost per unit of learning rate.
    """
    b1, b2 = betas
    mean.lerp_(gradient, 1 - b1)
    square.mul_(b2).addcmul_(gradient, gradient, value=1 - b2)
    parameter.mul_(1 - lr * weight_decay)
    root = square.sqrt().div_(math.sqrt(1 - b2**step)).add_(eps)
    parameter.addcdiv_(mean, root, value=-lr / (1 - b1**step))


class AdamW(Optimizer):
    """AdamW with decoupled weight decay (see `adamw_`).

    Its state has the names of torch.optim.AdamW, so a run may change between the two.

    Args:
        groups: parameters, or dictionaries with `params` and any of `lr`, `weight_decay`.
        lr: peak learning rate.
        betas, eps, weight_decay: as in `adamw_`.
    """

    def __init__(
        self,
        groups: Iterable,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.98),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
    ) -> None:
        super().__init__(groups, dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Update every parameter that has a gradient, with `adamw_` and the settings of its group.

        `self.param_groups` holds dictionaries with `params`, `lr`, `betas`, `eps` and `weight_decay`.
        `self.state[parameter]`, at first an empty dictionary, remembers under the names of torch's AdamW:
        `step`, a tensor of one float, the number of the parameter's steps so far, and `exp_avg` and
        `exp_avg_sq`, the mean and the square, which start as zeros. Gradients stay as they are.

        Args:
            closure: not used; it is there because torch's optimisers have one.
        """
        for group in self.param_groups:
            for parameter in (p for p in group["params"] if p.grad is not None):
                state = self.state[parameter]
                if not state:
                    state["step"] = torch.tensor(0.0)
                    state["exp_avg"] = torch.zeros_like(parameter)
                    state["exp_avg_sq"] = torch.zeros_like(parameter)
                state["step"] += 1
                adamw_(
                    parameter,
                    parameter.grad,
                    state["exp_avg"],
                    state["exp_avg_sq"],
                    int(state["step"]),
                    group["lr"],
                    group["betas"],
                    group["eps"],
                    group["weight_decay"],
                )


def orthogonalize(matrices: Tensor, steps: int = 5) -> Tensor:
    """Return about U V^T for each matrix U S V^T: the same directions, all singular values near 1.

    X <- a X + (b A + c A^2) X with A = X X^T, from X / ||X||; the singular values follow the quintic of
    NEWTON_SCHULZ. Five steps take all that were at least 0.01 ||X|| to 0.68 to 1.13 (rounded); smaller ones
    are still on their way up. A matrix of zeros stays zero.

    Source: Newton-Schulz iteration of Muon (Jordan et al. 2024).

    Args:
        matrices: (..., rows, columns).
        steps: iterations.
    """
    a, b, c = NEWTON_SCHULZ
    tall = matrices.shape[-2] > matrices.shape[-1]
    X = matrices.mT if tall else matrices
    X = X / X.norm(dim=(-2, -1), keepdim=True).clamp(min=1e-7)
    shape, X = X.shape, X.reshape(-1, *X.shape[-2:])  # (matrices, rows, columns)
    for _ in range(steps):
        A = X @ X.mT
        # As a X + (b A + c A @ A) @ X, with no array for each sum: half the time on a CPU.
        inner = torch.baddbmm(A, A, A, beta=b, alpha=c)
        X = torch.baddbmm(X, inner, X, beta=a)
    X = X.reshape(shape)
    return X.mT if tall else X


class Muon(Optimizer):
    """Momentum, then an orthogonal step: every direction of a weight matrix moves equally far.

    M <- mu M + g;  w <- (1 - lr decay) w - lr sqrt(max(1, rows / columns)) orthogonalize(g + mu M)

    Source: Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks". Only for the
    matrices inside a network; embeddings, heads, biases and norms go to AdamW.

    Args:
        matrices: parameters with two axes, or dictionaries with `params` and `parts`: such parameters are so
            many matrices one below the other, and each of these moves for itself. 1 if not given.
        lr: peak learning rate.
        momentum: mu.
        weight_decay: as in `adamw_`.
    """

    def __init__(
        self,
        matrices: Iterable,
        lr: float = 0.02,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(matrices, dict(lr=lr, momentum=momentum, weight_decay=weight_decay, parts=1))
        for parameter in (p for group in self.param_groups for p in group["params"]):
            if parameter.ndim != 2:
                raise ValueError(
                    f"Muon takes matrices (two axes), got a parameter of shape {tuple(parameter.shape)}"
                )

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Update every matrix; those of one shape are orthogonalised together.

        A direction depends on all of its matrix. So matrices that lie in parts on several processes are
        gathered, every process orthogonalises them, and each keeps its part.
        """
        for group in self.param_groups:
            shapes: dict[torch.Size, list[nn.Parameter]] = {}
            for parameter in (p for p in group["params"] if p.grad is not None):
                shapes.setdefault(parameter.shape, []).append(parameter)
            for (rows, columns), parameters in shapes.items():
                momenta = torch.stack([whole(self._momentum(p, group["momentum"])) for p in parameters])
                parts = momenta.unflatten(1, (group["parts"], -1))  # one more axis, before rows and columns
                directions = orthogonalize(parts).flatten(1, 2)
                scale = group["lr"] * math.sqrt(max(1, rows / group["parts"] / columns))
                for parameter, direction in zip(parameters, directions, strict=True):
                    parameter.mul_(1 - group["lr"] * group["weight_decay"])
                    parameter.sub_(placed_like(direction, parameter), alpha=scale)

    def _momentum(self, parameter: nn.Parameter, momentum: float) -> Tensor:
        state = self.state[parameter]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(parameter)
        assert parameter.grad is not None
        buffer = state["momentum_buffer"].mul_(momentum).add_(parameter.grad)
        return parameter.grad + momentum * buffer


def decay_groups(parameters: Iterable[Tensor], weight_decay: float) -> list[dict]:
    """Return two parameter groups: matrices with weight decay, biases and norms (one axis) without.

    Args:
        parameters: each is in one of the groups, in the order in which they come. May be a generator, such as
            `model.parameters()`, which can be gone through only once.
        weight_decay: of the first group.

    Returns:
        Two dictionaries with `params` and `weight_decay`, as torch's optimisers take them: first whatever has
        two axes or more, then the rest, with a decay of 0.
    """
    parameters = list(parameters)
    return [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]


def known_to_fit(norm: Tensor, largest: float) -> bool:
    """Return whether `norm` is at most `largest`; False where a GPU or other processes are still at it."""
    return norm.device.type == "cpu" and not in_parts(norm) and bool(norm <= largest)


def clip_gradients(parameters: Iterable[Tensor], largest: float) -> Tensor:
    """Scale all gradients by one number so that their global norm is at most `largest`.

    norm = sqrt(sum over all entries of all gradients g^2);  g <- g min(1, largest / norm)

    Source: Pascanu et al. 2013, algorithm 1.

    A NaN anywhere makes all gradients NaN. An infinity makes itself NaN and all else zero.

    Args:
        parameters: those without a gradient are left out. May be a generator.
        largest: the largest norm allowed.

    Returns:
        The norm before clipping, a scalar tensor.
    """
    gradients = [p.grad for p in parameters if p.grad is not None]
    norm = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(g) for g in gradients]))
    scale = (largest / norm.clamp(min=1e-12)).clamp(max=1.0)
    if not known_to_fit(norm, largest):
        for gradient in gradients:
            gradient.mul_(scale)
    return norm
