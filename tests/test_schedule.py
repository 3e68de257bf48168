"""The learning rate over a run, as a table."""

import pytest
import torch
from by_hand import by_hand
from hypothesis import assume, given
from hypothesis import strategies as st
from transformers import get_cosine_schedule_with_warmup, get_linear_schedule_with_warmup

from minibert.byhand.optimizer import schedule
from minibert.learn.checks import train_schedule as checks
from minibert.learn.checks.train_schedule import table
from minibert.train.schedule import factor

test_by_hand = by_hand(checks)


@given(st.integers(1, 300), st.floats(0, 1), st.sampled_from(["linear", "cosine"]))
def test_no_step_has_a_rate_of_zero_and_none_passes_the_peak(steps, warmup, kind):
    rates = table(steps, warmup, kind)
    assert min(rates) > 0 and max(rates) <= 1
    peak = rates.index(max(rates))
    assert rates[: peak + 1] == sorted(rates[: peak + 1])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.sampled_from(["linear", "cosine"]))
def test_by_hand_it_is_the_same_anywhere_in_a_run(one, other, warmup, kind):
    begin, end = min(one, other), max(one, other)
    assume(begin < end)
    assert schedule(begin, end, warmup, kind) == factor(begin, end, warmup, kind)


@pytest.mark.parametrize(
    "kind, make",
    [("linear", get_linear_schedule_with_warmup), ("cosine", get_cosine_schedule_with_warmup)],
)
def test_transformers_rises_one_step_later_and_falls_alike(kind, make):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = [make(optimizer, 4, 10).lr_lambdas[0](step) for step in range(10)]
    ours = table(10, 0.4, kind)
    assert theirs[:4] == pytest.approx([0, *ours[:3]])  # their first step does nothing
    assert theirs[4:] == pytest.approx(ours[4:])
