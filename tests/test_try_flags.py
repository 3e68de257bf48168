"""The flags that only try a run: one at a time, and none that goes on from a run and cannot."""

from types import SimpleNamespace

import pytest

from minibert.cli.terminal import UsageError
from minibert.cli.try_flags import flags_of, require_one_trial, trials_of


def test_flags_are_named_as_they_are_typed() -> None:
    command = SimpleNamespace(dry_run=False, overfit_one_batch=True, find_lr=True)
    assert flags_of(trials_of(command)) == ["--overfit-one-batch", "--find-lr"]


def test_one_trial_at_a_time() -> None:
    with pytest.raises(UsageError, match="--dry-run and --find-lr are different things to try"):
        require_one_trial(["--dry-run", "--find-lr"], resumes=False)
    with pytest.raises(UsageError, match="--find-lr goes on from no run.*: leave out --resume"):
        require_one_trial(["--find-lr"], resumes=True)
    require_one_trial(["--dry-run"], resumes=True)
    require_one_trial([], resumes=True)
