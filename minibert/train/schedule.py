"""How the learning rate rises and falls over a run."""

import math
from typing import Literal


def factor(begin: float, end: float, warmup: float, kind: Literal["linear", "cosine"]) -> float:
    """Return the share of the peak learning rate for the step from `begin` to `end`.

    It rises in a straight line over the first `warmup` of the run, and falls to zero over the rest. The rise
    looks at where the step ends and the fall at where it begins, so neither the first step nor the last one
    has a rate of zero.

    Args:
        begin: share of the run that is done before the step, in [0, 1].
        end: share of the run that is done after it.
        warmup: share of the run that the rise takes, in [0, 1].
        kind: `linear`, or `cosine` (Loshchilov and Hutter 2017).
    """
    if end <= warmup:
        return end / warmup
    rest = min(1.0, (1 - begin) / (1 - warmup)) if warmup < 1 else 1.0
    return rest if kind == "linear" else 0.5 * (1 - math.cos(math.pi * rest))
