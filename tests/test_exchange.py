"""What the processes tell each other in a step; with more than one process: test_distributed.py."""

import signal

import pytest
import torch
from test_feed import feed

from minibert.train.distributed import ALONE, World
from minibert.train.exchange import exchange


@pytest.mark.parametrize("told", [None, signal.SIGINT, signal.SIGTERM])
def test_alone_a_process_hears_what_it_said(told):
    upcoming = feed(ALONE, 3).load(4)
    news = exchange(ALONE, {"word_loss": torch.tensor(2.5), "loss": torch.tensor(3.0)}, upcoming, 1.5, told)
    assert news.losses == {"word_loss": 2.5, "loss": 3.0}
    assert news.counts == upcoming.count and news.tokens == upcoming.tokens
    assert news.seconds == 1.5 and news.signal == told


class Doubled(World):
    """Two processes that say the same."""

    def sum(self, numbers):
        return [2.0 * number for number in numbers]


def test_sums_are_over_all_processes_and_the_clock_is_that_of_the_first():
    upcoming = feed(ALONE).load(0)
    news = exchange(Doubled(1, 2), {"loss": torch.tensor(1.0)}, upcoming, 9.0, signal.SIGTERM)
    assert news.losses == {"loss": 2.0} and news.tokens == 2 * upcoming.tokens
    assert news.counts["loss"] == 2 * upcoming.count["loss"]
    assert news.seconds == 0.0  # this one is not the first, so it told no time
    assert news.signal == signal.SIGTERM
