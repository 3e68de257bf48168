"""What must hold of the search for losses that stand far above what was to be expected."""

import math

from minibert.learn.compare import expect, expect_close
from minibert.train.spikes import FLOOR, IN_A_ROW, SIGMAS, WARMUP, Spike, Spikes


def settled(mean: float = 4.0, deviation: float = 0.1, count: int = 100, in_a_row: int = 0) -> Spikes:
    """Return what has seen so many losses of this mean and deviation."""
    return Spikes(mean, deviation**2, count, in_a_row)


def expect_ordinary(spikes: Spikes, loss: float, what: str) -> None:
    """Look at a loss that is no spike."""
    got = spikes.look(loss)
    expect(got is None, f"a loss of {loss:g} {what}: expected None, got {got}")


def expect_spike(spikes: Spikes, loss: float, what: str) -> Spike:
    """Look at a loss that is a spike, and return what is said of it."""
    got = spikes.look(loss)
    expect(isinstance(got, Spike), f"a loss of {loss:g} {what}: expected a Spike, got {got}")
    assert got is not None
    return got


def check_a_loss_far_above_the_mean_is_a_spike() -> None:
    """9 after losses around 4 with a deviation of 0.1: what was expected is said with it."""
    got = expect_spike(settled(), 9.0, "where the mean is 4 and the deviation 0.1")
    for name, value, expected in (
        ("loss", got.loss, 9.0),
        ("expected", got.expected, 4.0),
        ("deviation", got.deviation, 0.1),
    ):
        expect_close(value, expected, f"`{name}` of the spike")


def check_a_loss_a_little_above_is_none() -> None:
    """The border lies SIGMAS deviations above the mean."""
    what = "where the mean is 4 and the deviation 0.1"
    expect_ordinary(settled(), 4 + 0.1 * SIGMAS - 0.01, what)
    expect_spike(settled(), 4 + 0.1 * SIGMAS + 0.01, what)


def check_a_loss_far_below_is_none() -> None:
    """A run is glad of it."""
    expect_ordinary(settled(), 0.1, "where the mean is 4 and the deviation 0.1")


def check_losses_that_hardly_differ_leave_room() -> None:
    """The deviation counts as the FLOOR-th part of the mean at least: else every small rise is a spike."""
    what = "where the mean is 4 and the deviation 0"
    expect_ordinary(settled(deviation=0.0), 4 * (1 + 0.9 * SIGMAS * FLOOR), what)
    got = expect_spike(settled(deviation=0.0), 4 * (1 + 1.1 * SIGMAS * FLOOR), what)
    expect_close(got.deviation, 4 * FLOOR, "`deviation` of the spike, which is that floor")


def check_nothing_is_a_spike_before_enough_was_seen() -> None:
    """WARMUP losses, and the next one may be called a spike."""
    expect_ordinary(settled(count=WARMUP - 1), 9.0, f"after {WARMUP - 1} losses")
    expect_spike(settled(count=WARMUP), 9.0, f"after {WARMUP} losses")


def check_an_ordinary_loss_is_taken_into_the_mean() -> None:
    """And it ends a row of spikes."""
    spikes = settled(in_a_row=3)
    expect_ordinary(spikes, 4.2, "after losses around 4")
    expect(spikes.count == 101, f"`count` after 100 losses and an ordinary one: {spikes.count}")
    expect(4.0 < spikes.mean < 4.2, f"the mean was 4, 4.2 was taken into it, and it is {spikes.mean:g}")
    expect(spikes.in_a_row == 0, f"`in_a_row` after an ordinary loss: expected 0, got {spikes.in_a_row}")


def check_a_spike_is_not_taken_into_the_mean() -> None:
    """It would hide the next one."""
    spikes = settled()
    expect_spike(spikes, 90.0, "after losses around 4")
    expect(spikes == settled(in_a_row=1), f"a spike changes nothing but `in_a_row`, which is 1: {spikes}")
    expect_spike(spikes, 9.0, "after a spike of 90")


def check_a_level_that_lasts_is_no_spike() -> None:
    """After IN_A_ROW spikes one more is where the mean begins anew: the run has come to another level."""
    spikes = settled()
    for number in range(IN_A_ROW):
        expect_spike(spikes, 7.0, f"after losses around 4 and {number} spikes")
    expect_ordinary(spikes, 7.0, f"after {IN_A_ROW} spikes in a row")
    expect_close(spikes.mean, 7.0, "the mean, which begins anew with this loss")
    expect(spikes.count == 1, f"`count`, which begins anew with this loss: expected 1, got {spikes.count}")
    expect(spikes.in_a_row == 0, f"`in_a_row`, which begins anew, too: expected 0, got {spikes.in_a_row}")


def check_more_spikes_in_a_row_than_that_are_a_new_level_too() -> None:
    """A checkpoint may have them, of a version that waited longer."""
    expect_ordinary(settled(in_a_row=IN_A_ROW + 1), 7.0, f"after {IN_A_ROW + 1} spikes in a row")


def check_a_loss_that_is_no_number_changes_nothing() -> None:
    """NaN in a mean stays in it for ever; and every comparison with NaN is false."""
    for loss in (math.nan, math.inf, -math.inf):
        spikes = settled(in_a_row=2)
        expect_ordinary(spikes, loss, "which is not finite")
        expect(spikes == settled(in_a_row=2), f"after a loss of {loss}: {spikes}")
