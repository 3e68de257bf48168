"""Loss spikes: a step whose loss stands far above what the steps before it let expect.

The mean is short: one of 50 steps still remembers the fast fall at the start of a run a hundred steps later,
takes the fall for noise, and overlooks a loss that is 1.6 times what it should be.
"""

import math
from dataclasses import dataclass

DECAY = 0.95
"""Weight of a loss for each step that it lies back: the mean is that of about the last 20 steps."""

SIGMAS = 6.0
"""A spike is more than so many standard deviations above the mean. In 4,500 steps of bert-tiny, with batches
of 4 and of 16 sequences, no loss stood 4 above it; a batch of random words stood 16 and 40 above it."""

FLOOR = 0.01
"""The standard deviation counts as at least this share of the mean: where losses hardly differ, none of them
is worth a word for being a little higher."""

WARMUP = 30
"""Losses to see before one is called a spike."""

IN_A_ROW = 5
"""So many spikes in a row are spikes; one more is a new level."""


@dataclass(frozen=True)
class Spike:
    """A loss that stands out."""

    loss: float
    expected: float
    """Mean of the losses before it."""
    deviation: float
    """Their standard deviation."""


@dataclass
class Spikes:
    """Finds spikes in the losses of a run, one after another.

    With the newest loss x_t and weights DECAY^(t - i), which add up to less than 1 / (1 - DECAY):

    a = (1 - DECAY) / (1 - DECAY^t);  d = x_t - mean
    mean <- mean + a d;  variance <- (1 - a) (variance + a d^2)

    These are the weighted mean and variance of all losses so far, with no bias to correct: the first loss has
    a = 1. Source: West 1979, "Updating mean and variance estimates: an improved method".

    The fields are all that it remembers, so a checkpoint keeps `vars(spikes)` and `Spikes(**kept)` goes on
    with it.
    """

    mean: float = 0.0
    variance: float = 0.0
    count: int = 0
    """t, losses in the mean."""
    in_a_row: int = 0
    """Spikes since the last ordinary loss."""

    def look(self, loss: float) -> Spike | None:
        """Return what is known of a spike, or None for an ordinary loss, which is taken into the mean.

        A spike is not taken into the mean, so it hides no other. But a level that lasts is no spike: after
        IN_A_ROW of them, one more is where the mean begins anew.

        A loss that is not a finite number is nothing to be compared: it is no spike and changes nothing. Its
        gradient is not finite either, and that ends the run.
        """
        if not math.isfinite(loss):
            return None
        deviation = max(math.sqrt(self.variance), FLOOR * abs(self.mean))
        if self.count < WARMUP or loss <= self.mean + SIGMAS * deviation:
            self.in_a_row = 0
        elif self.in_a_row < IN_A_ROW:
            self.in_a_row += 1
            return Spike(loss, self.mean, deviation)
        else:
            self.count = self.in_a_row = 0  # the next a is 1, which forgets what was before
        self._take(loss)
        return None

    def _take(self, loss: float) -> None:
        self.count += 1
        share = (1 - DECAY) / (1 - DECAY**self.count)
        difference = loss - self.mean
        self.mean += share * difference
        self.variance = (1 - share) * (self.variance + share * difference**2)
