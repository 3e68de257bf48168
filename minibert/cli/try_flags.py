"""The flags that only try a run, as `minibert pretrain` and `minibert finetune` have them."""

from collections.abc import Sequence
from typing import Any

from minibert.cli.terminal import UsageError

TRIALS = ("dry_run", "overfit_one_batch", "find_lr")
"""The ways to try a run, by the names of their fields."""


def trials_of(command: Any) -> list[str]:
    """Return the ways to try a run that a command asks for."""
    return [name for name in TRIALS if getattr(command, name)]


def flags_of(names: Sequence[str]) -> list[str]:
    """Return names of fields as they are typed: "--find-lr"."""
    return ["--" + name.replace("_", "-") for name in names]


def require_one_trial(flags: Sequence[str], resumes: bool) -> None:
    """Raise UsageError for several trials at once, and for one that goes on from a run and cannot."""
    if len(flags) > 1:
        raise UsageError(f"{' and '.join(flags)} are different things to try: one at a time")
    if resumes and list(flags) in (["--overfit-one-batch"], ["--find-lr"]):
        raise UsageError(f"{flags[0]} goes on from no run, and leaves none: leave out --resume")
