"""Train BERT in NumPy: the model and the optimisers by hand, in the loop that every run has.

The weights are those of the torch model, which shares its memory with the arrays: so batches, schedule,
checkpoints, evaluation and the run folder are the same, and a run begun here may go on in torch.
"""

import copy
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from minibert.batches.batch import Batch
from minibert.byhand.bert import Examples, Settings, pretraining_backward, pretraining_forward
from minibert.byhand.optimizer import adamw, muon
from minibert.byhand.parameters import Array, Parameters
from minibert.config import PretrainConfig
from minibert.model.bert import BertForPretraining
from minibert.recipes.learning import TORCH, Learning, divide
from minibert.train.optimizer import clip_gradients, decay_groups
from minibert.train.step import Part, accumulate, descend, remember_peaks, shares_of

PAIRS = 5
"""Steps of each kind that are timed, in turn."""

PATIENCE = 20.0
"""Seconds after which no further pair is timed."""


def arrays(model: nn.Module) -> Parameters:
    """Return the weights by name, each once, as arrays that share their memory."""
    return {name: weight.detach().numpy() for name, weight in model.named_parameters()}


def examples_of(batch: Batch) -> Examples:
    """Return a batch as arrays that share its memory."""

    def array(tensor: Tensor | None):
        return None if tensor is None else tensor.numpy()

    return Examples(
        batch.ids.numpy(),
        array(batch.segments),
        array(batch.attend),
        batch.slots.numpy(),
        batch.targets.numpy(),
        array(batch.pair_labels),
    )


def settings_of(model: BertForPretraining) -> Settings:
    """Return the model's settings; outside training nothing is left out."""
    c = model.config
    rates = (c.dropout, c.attention_dropout) if model.training else (0.0, 0.0)
    return Settings(c.heads, c.activation, c.norm_eps, c.pad_id, *rates)


def pretraining_loss(model: nn.Module, batch: Batch) -> Mapping[str, Tensor]:
    """Return the losses of `minibert.recipes.learning.pretraining_loss`, both passes worked out in NumPy.

    What is left out is drawn from a seed that torch's generator gives, which the loop has seeded.
    """
    assert isinstance(model, BertForPretraining)
    params = arrays(model)
    generator = np.random.default_rng(int(torch.randint(2**62, ())))
    parts, cache = pretraining_forward(examples_of(batch), params, settings_of(model), generator)
    losses = _ByHand.apply(parts, cache, list(params), *model.parameters())
    assert isinstance(losses, Tensor)
    return dict(zip(("word_loss", "pair_loss"), losses, strict=False))


class _ByHand(torch.autograd.Function):
    """Losses worked out in NumPy, and their way back."""

    @staticmethod
    def forward(ctx, parts: Array, cache: Any, names: list[str], *weights: Tensor) -> Tensor:
        ctx.cache, ctx.names = cache, names
        return torch.tensor(parts)

    @staticmethod
    def backward(ctx, dlosses: Tensor):  # pyright: ignore[reportIncompatibleMethodOverride]
        gradients = pretraining_backward(dlosses.numpy(), ctx.cache)
        found = (gradients.get(name) for name in ctx.names)
        return None, None, None, *(None if g is None else torch.from_numpy(g) for g in found)


class AdamWByHand(Optimizer):
    """`minibert.byhand.optimizer.adamw`, its state under the names of torch.optim.AdamW."""

    def __init__(self, groups: Iterable[dict], lr: float) -> None:
        super().__init__(groups, dict(lr=lr))

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Update every parameter that has a gradient."""
        for group, parameter, gradient, state in with_gradients(self):
            if not state:
                state["step"] = torch.tensor(0.0)
                state["exp_avg"] = torch.zeros_like(parameter)
                state["exp_avg_sq"] = torch.zeros_like(parameter)
            state["step"] += 1
            w, m, v = (tensor.numpy() for tensor in (parameter, state["exp_avg"], state["exp_avg_sq"]))
            step, decay = int(state["step"]), group["weight_decay"]
            w[...], m[...], v[...] = adamw(w, gradient, m, v, step, group["lr"], decay=decay)


class MuonByHand(Optimizer):
    """`minibert.byhand.optimizer.muon`, its state under the name that `minibert.train.optimizer.Muon` has."""

    def __init__(self, matrices: Iterable[Tensor], lr: float) -> None:
        super().__init__(matrices, dict(lr=lr))

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Update every matrix that has a gradient."""
        for group, parameter, gradient, state in with_gradients(self):
            if not state:
                state["momentum_buffer"] = torch.zeros_like(parameter)
            w, m = parameter.numpy(), state["momentum_buffer"].numpy()
            w[...], m[...] = muon(w, gradient, m, group["lr"])


def with_gradients(optimizer: Optimizer):
    """Yield the group, the parameter, its gradient as an array, and the state of each that has a gradient."""
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            if parameter.grad is not None:
                yield group, parameter, parameter.grad.numpy(), optimizer.state[parameter]


def optimizers(model: nn.Module, config: PretrainConfig) -> Sequence[Optimizer]:
    """Return the optimisers of `minibert.recipes.learning.optimizers`, by hand."""
    matrices, rest, lr = divide(model, config)
    adamw_ = AdamWByHand(decay_groups(rest, config.weight_decay), lr)
    return [adamw_, MuonByHand(matrices, config.matrix_lr)] if matrices else [adamw_]


NUMPY = Learning(pretraining_loss, optimizers)
"""The gradients are worked out by hand."""


def compare_speed(model: BertForPretraining, batches: Callable[[int], Any], config: PretrainConfig) -> str:
    """Time steps by hand and in torch in turn, on copies of the model, and say how they compare.

    The same batches for both, and all threads; the median of the ratios, after a pair of steps to warm up.
    """
    twins = [copy.deepcopy(model).train() for _ in range(2)]
    ways = [
        (twin, way.loss, way.optimizers(twin, config))
        for twin, way in zip(twins, (NUMPY, TORCH), strict=True)
    ]
    for _, _, own in ways:
        remember_peaks(own)
    began, times = time.perf_counter(), []
    with torch.random.fork_rng():
        while len(times) <= PAIRS and time.perf_counter() - began < PATIENCE:
            batch = batches(len(times))
            [shares] = shares_of([batch.counts()], batch.counts())
            times.append([])
            for twin, loss, own in ways:
                start = time.perf_counter()
                accumulate([Part(batch, shares, seed=0)], partial(loss, twin))
                clip_gradients(twin.parameters(), config.clip)
                descend(own, rate=1.0)
                times[-1].append(time.perf_counter() - start)
    counted = times[1:] or times
    hand, torch_ = (statistics.median(column) for column in zip(*counted, strict=True))
    ratio = statistics.median(one / other for one, other in counted)
    return f"a step takes {hand:.3g} s by hand and {torch_:.3g} s in PyTorch: {ratio:.1f} times as long"
