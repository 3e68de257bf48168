"""What the schedule of the training loop must fulfil."""

import math
from typing import Literal

from minibert.byhand.optimizer import schedule
from minibert.learn.compare import expect, expect_close
from minibert.learn.sizes import Sizes
from minibert.train.schedule import factor

Kind = Literal["linear", "cosine"]
KINDS: tuple[Kind, ...] = ("linear", "cosine")


def table(steps: int, warmup: float, kind: Kind) -> list[float]:
    """Return the shares of a run of so many steps."""
    return [factor(s / steps, (s + 1) / steps, warmup, kind) for s in range(steps)]


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
    """Without warmup the first step has the peak. In neither case is anything divided by zero."""
    for kind in KINDS:
        expect_close(table(4, 0.0, kind)[0], 1.0, f"the first step without warmup, {kind}")
        expect_close(table(4, 1.0, kind), [0.25, 0.5, 0.75, 1.0], f"four steps, all of them warmup, {kind}")


def check_a_step_that_crosses_the_end_of_the_warmup_has_at_most_the_peak() -> None:
    """From 0.3 to 0.5 of the run, with a warmup of 0.4."""
    for kind in KINDS:
        expect_close(factor(0.3, 0.5, 0.4, kind), 1.0, f"the step from 0.3 to 0.5, warmup 0.4, {kind}")


def check_no_step_does_nothing(size: Sizes) -> None:
    """Neither the first step nor the last one has a rate of zero, and none is above the peak."""
    for kind in KINDS:
        for warmup in (0.0, 0.1, 0.5, 1.0):
            shares = table(size.N, warmup, kind)
            what = f"{size.N} steps, warmup {warmup}, {kind}"
            expect(
                min(shares) > 0 and max(shares) <= 1,
                f"{what}: expected shares above 0 and at most 1, got {shares}",
            )


def check_by_hand_the_schedule_is_the_same() -> None:
    """Steps may be of any length: a run over time has no equal ones."""
    for kind in KINDS:
        for begin, end, warmup in ((0.0, 0.03, 0.1), (0.05, 0.2, 0.1), (0.61, 0.7, 0.3), (0.97, 1.0, 0.0)):
            expected = schedule(begin, end, warmup, kind)
            what = f"the step from {begin} to {end}, warmup {warmup}, {kind}"
            expect_close(factor(begin, end, warmup, kind), expected, what)
