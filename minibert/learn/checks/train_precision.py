"""What must hold of the scale of the loss that half precision needs."""

import math
from collections.abc import Sequence

import torch

from minibert.learn.compare import CheckError, expect, expect_close
from minibert.learn.tensors import exact
from minibert.train.precision import GROWTH_INTERVAL, SMALLEST_SCALE, LossScaler


def check_gradients_come_back_to_their_true_size() -> None:
    """Scaled by 8, the gradients 1, -2 and 0.5 are 8, -16 and 4."""
    gradients = [exact([8, -16]), exact([[4.0]])]
    LossScaler(scale=8.0).unscale(gradients)
    expect_close(gradients[0], [1, -2], "the first gradient, scaled by 8")
    expect_close(gradients[1], [[0.5]], "the second gradient, scaled by 8")


def check_the_scale_stays_when_gradients_are_unscaled() -> None:
    """The next loss is scaled by it again."""
    scaler = LossScaler(scale=4.0, good_steps=3)
    for _ in range(2):
        gradient = exact([8.0])
        scaler.unscale([gradient])
        expect_close(gradient, [2.0], "the gradient 8 with the scale 4")
    expect_state(scaler, 4.0, 3, "after two gradients were unscaled")


def check_small_gradients_do_not_vanish_in_the_end() -> None:
    """They are float32 by now: 2^-40 is no number of float16, and it is why there is a scale at all."""
    gradient = torch.tensor([2.0**-24, 2.0**10], dtype=torch.float32)
    LossScaler(scale=2.0**16).unscale([gradient])
    expect_close(gradient, [2.0**-40, 2.0**-6], "the gradients 2^-24 and 2^10 with the scale 2^16")


def check_what_is_not_finite_stays_so() -> None:
    """It is by this that an overflow is known, and its step left out."""
    gradient = exact([math.inf, -math.inf, math.nan, 4.0])
    LossScaler(scale=2.0).unscale([gradient])
    expect(not gradient[:3].isfinite().any(), f"of inf, -inf and NaN is left: {gradient[:3].tolist()}")
    expect_close(gradient[3], 2.0, "the finite number beside them")


def check_an_overflow_halves_the_scale() -> None:
    """The loss was multiplied by too much: a half of it is tried in the next step."""
    expect_update(LossScaler(1024.0), [False], 512.0, 0, "after a gradient that was not finite")
    expect_update(LossScaler(1024.0), [False, False], 256.0, 0, "after two that were not finite")


def check_good_steps_are_counted() -> None:
    """The scale stays meanwhile."""
    expect_update(LossScaler(1024.0), [True, True, True], 1024.0, 3, "after three good steps")


def check_after_many_good_steps_the_scale_is_doubled() -> None:
    """After GROWTH_INTERVAL of them, and not a step earlier; then they are counted anew."""
    for missing, scale, good in ((2, 8.0, GROWTH_INTERVAL - 1), (1, 16.0, 0)):
        scaler = LossScaler(8.0, good_steps=GROWTH_INTERVAL - missing)
        expect_update(scaler, [True], scale, good, f"after {GROWTH_INTERVAL + 1 - missing} good steps")
    scaler = LossScaler(8.0, good_steps=GROWTH_INTERVAL - 1)
    expect_update(scaler, [True, True], 16.0, 1, f"after {GROWTH_INTERVAL + 1} good steps")


def check_only_good_steps_in_a_row_count() -> None:
    """An overflow begins a new count: a scale that was too large a moment ago does not grow at once."""
    scaler = LossScaler(8.0, good_steps=GROWTH_INTERVAL - 1)
    expect_update(scaler, [False, True], 4.0, 1, "after many good steps, an overflow and a good one")


def check_a_scale_of_one_is_still_a_scale() -> None:
    """With it float16 is on its own; it may do."""
    expect_update(LossScaler(2 * SMALLEST_SCALE), [False], SMALLEST_SCALE, 0, "after 2 was halved")
    expect_update(LossScaler(SMALLEST_SCALE), [True], SMALLEST_SCALE, 1, "after a good step with the scale 1")


def check_an_overflow_that_no_scale_explains_ends_the_run() -> None:
    """Without any scale the gradient is not finite: to leave out one step after the other helps nobody."""
    try:
        LossScaler(SMALLEST_SCALE).update(False)
    except FloatingPointError:
        return
    raise CheckError("the gradient is not finite at the scale 1: expected a FloatingPointError, got none")


def expect_update(
    scaler: LossScaler, finite: Sequence[bool], scale: float, good_steps: int, when: str
) -> None:
    """Update a scaler after steps, and compare what it remembers then."""
    for each in finite:
        scaler.update(each)
    expect_state(scaler, scale, good_steps, when)


def expect_state(scaler: LossScaler, scale: float, good_steps: int, when: str) -> None:
    """Raise CheckError unless a scaler remembers this."""
    expect_close(scaler.scale, scale, f"`scale` {when}")
    expect(
        scaler.good_steps == good_steps,
        f"`good_steps` {when}: expected {good_steps}, got {scaler.good_steps}",
    )
