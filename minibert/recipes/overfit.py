"""`--overfit-one-batch`: a model that works learns one batch by heart.

Where loss, gradient and optimisers work together, a batch that comes again and again is learned until nothing
is left to learn. Where anything is broken, the loss stays above zero.
"""

import math
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from statistics import fmean
from time import perf_counter

from torch import Tensor, nn

from minibert.config import PretrainConfig
from minibert.recipes.trying import Learner, Trial, made_ready_aside, trial
from minibert.train.log import Progress

ENOUGH = 0.01
"""Nats: a loss below this counts as zero."""

STEPS = 500
"""At most, unless it is said how many."""

WARMUP = 20
"""Steps in which the rate rises to its peak, where it stays."""


NAMED = 5
"""Parameters that a message names; it counts the others."""


@dataclass(frozen=True)
class Overfit:
    """How a model fared with one batch."""

    history: Sequence[Mapping[str, float]]
    """The losses by name before each step and after the last; their sum is "loss"."""
    finite: bool
    """Whether all gradients were finite, but for those that fp16 scales down."""
    unreached: Sequence[str]
    """Parameters whose gradient was zero, or none, all along."""
    unmoved: Sequence[str]
    """Parameters with a gradient that have the values they began with."""

    @property
    def losses(self) -> dict[str, float]:
        """The parts of the loss at the end."""
        return parts(self.history[-1])

    @property
    def learned(self) -> bool:
        """Whether the batch is known by heart."""
        return is_learned(self.history[-1])

    @property
    def works(self) -> bool:
        """Whether the batch is known by heart, and all of the model has taken part."""
        return self.learned and not self.unreached and not self.unmoved


def parts(losses: Mapping[str, float]) -> dict[str, float]:
    """Return the losses without their sum; a fine-tuning has a single one, which is the sum."""
    return {name: value for name, value in losses.items() if name != "loss"} or dict(losses)


def is_learned(losses: Mapping[str, float]) -> bool:
    """Tell whether every part of the loss has come to (nearly) zero."""
    return all(value < ENOUGH for value in parts(losses).values())


def overfit_one_batch(preset: str, config: PretrainConfig, command: str = "") -> Overfit:
    """Train on the batch of step 0 alone, without dropout, until every part of the loss is below `ENOUGH`.

    The model is that of the run, and so are its optimisers and their peak rates. Nothing is kept, and the run
    folder is not looked at.

    Args:
        preset, command: see `minibert.recipes.pretrain.pretrain`.
        config: likewise; `steps` are the most to take, STEPS if not given.

    Raises:
        ValueError: what the run would raise before its first step; no memory; several processes.
    """
    with made_ready_aside(preset, config, command) as run:
        return by_heart(run, config.steps or STEPS)


def by_heart(run: Learner, steps: int) -> Overfit:
    """Take `steps` at most on the batch of step 0, without dropout."""
    run.model.eval()  # no dropout
    batches = run.arguments()["batches"]
    with trial(run, lambda step, first, count: batches(0, first, count)) as tried:
        return learn_by_heart(tried, needed(run), steps)


def needed(run: Learner) -> dict[str, nn.Parameter]:
    """Return the parameters that the objective needs, by name: those that are not frozen."""
    return {name: p for name, p in run.model.named_parameters() if p.requires_grad}


def learn_by_heart(tried: Trial, parameters: Mapping[str, nn.Parameter], steps: int) -> Overfit:
    """Take steps on one batch until it is learned, `steps` are taken, or a gradient is not finite.

    Args:
        tried: takes the steps.
        parameters: by name; they are to move, all of them.
        steps: at most.
    """
    first = {name: p.detach().clone() for name, p in parameters.items()}
    unreached, history, finite, began = dict(parameters), [], True, perf_counter()
    with closing(Progress()) as progress:
        while finite:
            step = len(history)
            history.append(tried.gradient(step))
            unreached = {name: p for name, p in unreached.items() if is_zero(p.grad)}
            progress(tried.told(step, (step + 1) / (steps + 1), perf_counter() - began, history[-1]))
            if is_learned(history[-1]) or step == steps:
                break
            finite = tried.descend(min(1.0, (step + 1) / WARMUP)) or tried.worker.scaler is not None
    unmoved = [name for name, p in parameters.items() if p.equal(first[name]) and name not in unreached]
    return Overfit(history, finite, list(unreached), unmoved)


def is_zero(gradient: Tensor | None) -> bool:
    """Tell whether there is no gradient, or nothing but zeros in it."""
    return gradient is None or not gradient.any()


def verdict(result: Overfit) -> str:
    """Say how it went, and what that usually means."""
    steps = len(result.history) - 1
    came_to = ", ".join(f"{name.replace('_', ' ')} {loss:.4f}" for name, loss in result.losses.items())
    if result.works:
        return (
            f"reached {came_to} nats after {steps} steps: model, loss, gradient and optimiser work together"
        )
    if result.learned:
        return f"{came_to} nats after {steps} steps, but not by all of the model. {why(result)}"
    return f"only {came_to} nats after {steps} steps; each should come below {ENOUGH}. {why(result)}"


def why(result: Overfit) -> str:
    """Return what usually is the matter when a batch is not learned, or not by all of the model."""
    found = []
    if result.unreached:
        found.append(
            f"No gradient reached {some(result.unreached)}: the loss does not depend on them, or something "
            "between cuts them off, such as detach or no_grad."
        )
    if result.unmoved and result.finite:
        found.append(
            f"{some(result.unmoved)} had a gradient and did not move: no optimiser has them, or their "
            "learning rate is zero."
        )
    totals = [losses["loss"] for losses in result.history]
    return " ".join(found) or what_the_curve_says(totals, result.finite)


def what_the_curve_says(losses: Sequence[float], finite: bool) -> str:
    """Return what a loss that does not come to zero usually means, from how it went."""
    if not finite or not math.isfinite(losses[-1]):
        return (
            "It ended in numbers that are not finite: the learning rate is too high, or a gradient is wrong."
        )
    tenth = max(1, len(losses) // 10)
    before, last = fmean(losses[-2 * tenth : -tenth] or losses), fmean(losses[-tenth:])
    if last >= losses[0]:
        return (
            "It is no lower than it began: the learning rate is far too high, or the gradient is not that of "
            "the loss."
        )
    if last < 0.8 * before:
        return "It was still falling: give it more --steps."
    return (
        "It fell and then stayed: labels that contradict each other, or change from step to step; or a "
        "learning rate too high to come nearer (try a tenth of --lr and --matrix-lr)."
    )


def some(names: Sequence[str]) -> str:
    """Return the names, or the first few and how many more there are."""
    rest = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {rest} more" if rest > 0 else "")
