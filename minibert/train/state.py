"""What a run knows of itself: how far it has come, when it ends, what it has measured lately."""

import math
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass
class Progressed:
    """How far a run has come: beside the weights and the optimisers' state, what it needs to go on."""

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    looked: int = 0
    """Step of the last look at held-out text."""
    best_step: int | None = None
    """Step of the best look; its checkpoint is kept."""
    best_loss: float = math.inf
    """What is to be small, at that look."""
    looks_since_best: int = 0
    model_step: int = 0
    """Step of the weights that the model has at the end: the last, or that of the best look."""

    def waited(self, patience: int | None) -> bool:
        """Whether so many looks in a row have brought nothing better; never without a `patience`."""
        return patience is not None and self.looks_since_best >= patience


@dataclass(frozen=True)
class Limits:
    """How long a run trains: a number of steps, a time, or whichever ends first."""

    steps: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        if self.steps is None and self.seconds is None:
            raise ValueError("give steps, max_minutes or both: a run needs an end")

    def share(self, step: float, seconds: float) -> float:
        """Return how much of the run is done, in [0, 1], by whichever limit is nearer; None is no limit.

        Args:
            step: steps done.
            seconds: time gone.
        """
        by_steps = 0.0 if self.steps is None else step / self.steps
        by_time = 0.0 if self.seconds is None else seconds / self.seconds
        return min(1.0, max(by_steps, by_time))


class Averages:
    """Means of what was measured since the last line of the log; what is not finite is left out."""

    def __init__(self, at: Progressed) -> None:
        self.sums: defaultdict[str, float] = defaultdict(float)
        self.counts: Counter[str] = Counter()
        self.tokens, self.seconds = at.tokens, at.seconds
        self.step_seconds = 1e-3
        """How long the last step took."""

    def add(self, measured: Mapping[str, float], seconds: float) -> None:
        """Take the numbers of a step, and how long it took."""
        for name, value in measured.items():
            if math.isfinite(value):
                self.sums[name] += value
                self.counts[name] += 1
        self.step_seconds = seconds

    def pause(self, seconds: float) -> None:
        """Leave out so many seconds: they were not spent on steps."""
        self.seconds += seconds

    def take(self, at: Progressed) -> tuple[dict[str, float], int, float]:
        """Return the means, the tokens and the seconds since the last time, and start again."""
        means = {name: total / self.counts[name] for name, total in self.sums.items()}
        tokens, seconds = at.tokens - self.tokens, at.seconds - self.seconds
        self.sums, self.counts = defaultdict(float), Counter()
        self.tokens, self.seconds = at.tokens, at.seconds
        return means, tokens, seconds
