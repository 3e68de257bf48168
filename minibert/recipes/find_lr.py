"""`--find-lr`: a learning rate range test (Smith 2017, section 3.3), and the learning rates that it suggests.

From step to step all rates grow by one factor, from far too low to far too high. The loss falls while they
are right, and rises for good once they are too high.

Differs from the paper: the rates grow exponentially, since they cover decades. And each loss counts less that
of the untouched model on the same batch: batches differ by more than a hundred steps change.

What is suggested is a tenth of the edge: the highest rate at which the loss is within `RISEN` of its lowest.
The usual rules did worse in nine tests of bert-tiny on sotu (Muon and AdamW, batches of 16 and 48, both ways
to start the bias, with pairs and without). The rate of the lowest loss lay anywhere from 0.7 to 9 times the
rate that was tuned by hand, for the loss is flat there, and the rate of the steepest fall from 0.5 to 100
times; a tenth of the edge lay from 0.5 to 2.1 times.
"""

import copy
import math
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from time import perf_counter

import numpy as np
from torch import nn
from torch.optim import Optimizer

from minibert.config import PretrainConfig, require
from minibert.plots.panels import save, smooth
from minibert.plots.rates import rates_figure
from minibert.recipes.trying import Learner, Trial, made_ready_aside, run_folder, trial
from minibert.train.log import Progress

FACTORS = np.geomspace(0.01, 100.0, 100)
"""What the learning rates of the run are multiplied with, one step at each."""

HALF = 4
"""Steps to each side whose median smooths a loss."""

FALLEN = 0.01
"""Nats: a loss that has fallen by less has not fallen."""

RISEN = 0.1
"""Nats: a loss so far above its lowest is on its way up."""

BELOW = 10
"""A rate that is so much lower than the edge is safe for a whole run."""

FLAGS = ("--lr", "--matrix-lr")
"""What sets the rate of each optimiser, in their order."""

ROWS = 9
"""Of the table."""


@dataclass(frozen=True)
class RangeTest:
    """What came of ever higher learning rates."""

    factors: np.ndarray
    """(n,) what the rates of the run were multiplied with, ascending."""
    gains: np.ndarray
    """(n,) loss before the step at each, less that of the untouched model, in nats; may be not finite."""
    peaks: Mapping[str, float]
    """The rates of the run, by the flags that set them."""
    picture: Path
    """The curve."""

    @cached_property
    def smoothed(self) -> np.ndarray:
        """The gains without their noise, (n,)."""
        return smooth(self.gains, HALF)

    @property
    def learned(self) -> bool:
        """Whether there is a rate at which the model learns."""
        return bool(np.nanmin(self.smoothed) < -FALLEN)

    @property
    def edge(self) -> float:
        """The highest factor at which the loss is within `RISEN` of its lowest."""
        near = self.smoothed <= np.nanmin(self.smoothed) + RISEN
        return float(self.factors[near][-1])

    @property
    def suggestion(self) -> dict[str, float]:
        """The rates to train with, by flag."""
        return {flag: peak * self.edge / BELOW for flag, peak in self.peaks.items()}


def find_lr(preset: str, config: PretrainConfig, command: str = "") -> RangeTest:
    """Train for at most as many steps as there are `FACTORS`, each at a higher rate, and draw the loss.

    The picture lies beside the run folder, `runs/bert-tiny.find-lr.png`. Of the model nothing is kept.

    Args:
        preset, config, command: see `minibert.recipes.pretrain.pretrain`.

    Raises:
        ValueError: what the run would raise before its first step; no memory; several processes; no place for
            the picture.
    """
    picture = picture_beside(run_folder(preset, config))
    with made_ready_aside(preset, config, command) as run:
        return range_test(run, picture, peaks_of_all)


def picture_beside(out: Path) -> Path:
    """Return where the picture for a run folder is to lie. Raises ValueError where it cannot be written."""
    picture = out.with_name(f"{out.name}.find-lr.png")
    picture.parent.mkdir(parents=True, exist_ok=True)
    require(os.access(picture.parent, os.W_OK), f"cannot write {picture}; choose another place with --out")
    return picture


def peaks_of_all(optimizers: Sequence[Optimizer]) -> dict[str, float]:
    """Return the peak rate of each optimiser by the flag that sets it."""
    peaks = (optimizer.param_groups[0]["peak_lr"] for optimizer in optimizers)
    return dict(zip(FLAGS, peaks, strict=False))


def range_test(
    run: Learner, picture: Path, peaks_of: Callable[[Sequence[Optimizer]], Mapping[str, float]]
) -> RangeTest:
    """Train at ever higher rates and draw the loss.

    Args:
        run: its model learns.
        picture: where the curve is drawn.
        peaks_of: optimisers -> their peak rates, by the flags that set them.
    """
    with trial(run, run.arguments()["batches"]) as tried:
        gains = climb(tried, untouched=copy.deepcopy(run.model.train()))
        peaks = peaks_of(tried.optimizers)
    test = RangeTest(FACTORS[: len(gains)], gains, peaks, picture)
    draw(test)
    return test


def climb(tried: Trial, untouched: nn.Module) -> np.ndarray:
    """Take a step at each of the `FACTORS`, until the loss explodes; return the gains of `RangeTest`.

    On a batch dropout leaves out the same units of both models.

    Raises ValueError when the loss is not finite before the first step.
    """
    gains, began = [], perf_counter()
    with closing(Progress()) as progress:
        for step, factor in enumerate(FACTORS):
            losses = tried.gradient(step)
            gains.append(losses["loss"] - tried.losses(step, untouched)["loss"])
            progress(tried.told(step, (step + 1) / len(FACTORS), perf_counter() - began, losses))
            if explodes(np.array(gains)):
                break
            if not tried.descend(factor) and not tried.worker.scaler:
                break
    require(math.isfinite(gains[0]), f"the loss is {losses['loss']} before the first step")
    return np.array(gains)


def explodes(gains: np.ndarray) -> bool:
    """Tell whether the loss is not finite, or as far above that of the untouched model as it was below."""
    smoothed = smooth(gains, HALF)
    lowest = np.nanmin(smoothed, initial=0.0)
    return not math.isfinite(gains[-1]) or bool(smoothed[-1] > max(-lowest, RISEN))


def draw(test: RangeTest) -> None:
    """Draw the curve, with the rate of the run and the one that is suggested."""
    flag, peak = next(iter(test.peaks.items()))
    named = {"as set": peak} | ({"suggested": test.suggestion[flag]} if test.learned else {})
    others = "".join(
        f"; {name} is {rate / peak:.3g} times as high" for name, rate in [*test.peaks.items()][1:]
    )
    save(rates_figure(peak * test.factors, test.gains, test.smoothed, named, flag + others), test.picture)


def table(test: RangeTest) -> list[str]:
    """Return lines that tell how the loss went, and what to type."""
    lines = ["".join(f"{flag:<14}" for flag in test.peaks) + "loss, less that of the untouched model"]
    for place in np.unique(np.linspace(0, len(test.factors) - 1, ROWS).round().astype(int)):
        rates = "".join(f"{peak * test.factors[place]:<14.2g}" for peak in test.peaks.values())
        lines.append(f"{rates}{test.smoothed[place]:+.3f}")
    return [*lines, "", conclusion(test), f"picture: {test.picture}"]


def conclusion(test: RangeTest) -> str:
    """Say what to type."""
    if not test.learned:
        return "the loss fell at none of these rates; --overfit-one-batch tells whether all works together"
    open_end = "" if test.edge < test.factors[-1] else "; the loss did not rise even at the highest rate"
    return f"suggested: {as_flags(test.suggestion)} (as set: {as_flags(test.peaks)}{open_end})"


def as_flags(rates: Mapping[str, float]) -> str:
    """Return rates as they are typed: "--lr 0.004 --matrix-lr 0.015"."""
    return " ".join(f"{flag} {rate:.2g}" for flag, rate in rates.items())
