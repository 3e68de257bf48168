"""What a run knows of itself."""

import json
import math

import pytest
from by_hand import by_hand

from minibert.learn.checks import train_state as checks
from minibert.train.state import Averages, Limits, Progressed

test_in_torch = by_hand(checks, examples=5)


def test_a_run_needs_an_end():
    with pytest.raises(ValueError, match="give steps, max_minutes or both"):
        Limits()


def test_means_are_taken_anew_each_time_and_what_is_not_finite_is_left_out():
    recent = Averages(Progressed(step=3, tokens=100, seconds=2.0))
    recent.add({"loss": 1.0, "grad_norm": math.inf}, 0.5)
    recent.add({"loss": 3.0, "grad_norm": 4.0}, 0.25)
    assert recent.step_seconds == 0.25
    means, tokens, seconds = recent.take(Progressed(step=5, tokens=160, seconds=2.75))
    assert (means, tokens, seconds) == ({"loss": 2.0, "grad_norm": 4.0}, 60, 0.75)
    recent.add({"loss": math.nan}, 0.1)
    assert recent.take(Progressed(tokens=160, seconds=3.0)) == ({}, 0, 0.25)


def test_time_spent_on_other_things_is_no_time_of_steps():
    """A step of a second, four seconds of something else, and a step of two: ten tokens in three seconds."""
    recent = Averages(Progressed())
    recent.add({"loss": 1.0}, 1.0)
    recent.pause(4.0)
    recent.add({"loss": 1.0}, 2.0)
    assert recent.take(Progressed(tokens=10, seconds=7.0))[1:] == (10, 3.0)


def test_only_patience_makes_a_run_wait():
    at = Progressed(looks_since_best=3)
    assert at.waited(3) and not at.waited(4) and not at.waited(None)


def test_a_run_s_numbers_go_through_json():
    at = Progressed(step=3, seconds=0.1 + 0.2)
    assert Progressed(**json.loads(json.dumps(vars(at)))) == at
    assert at.best_loss == math.inf
