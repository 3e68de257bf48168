"""Loss spikes are found, falling noisy curves are left in peace, and a level that lasts is the new normal."""

import json
import math
from dataclasses import asdict

import numpy as np
import pytest
from by_hand import by_hand

from minibert.learn.checks import train_spikes as checks
from minibert.train.spikes import DECAY, FLOOR, IN_A_ROW, SIGMAS, WARMUP, Spike, Spikes

test_by_hand = by_hand(checks, examples=1)


def falling(seed: int, steps: int = 1500, noise: float = 0.05) -> np.ndarray:
    """Return losses like those of a real run: down fast, then ever slower, around them 5 % of noise."""
    step = np.arange(steps)
    course = 2.0 + 2.0 / (1 + step / 200) + 3.4 * np.exp(-step / 40)
    return course * (1 + noise * np.random.default_rng(seed).standard_normal(steps))


def found(spikes: Spikes, losses: np.ndarray) -> list[int]:
    """Return at which places there are spikes."""
    return [place for place, loss in enumerate(losses) if spikes.look(float(loss)) is not None]


def settled() -> Spikes:
    """Return what has seen 100 losses, 3.9 and 4.1 in turns."""
    spikes = Spikes()
    assert found(spikes, np.tile([3.9, 4.1], 50)) == []
    return spikes


@pytest.mark.parametrize("count", [1, 2, 10, 500])
def test_mean_and_variance_are_those_of_exponential_weights_that_add_up_to_one(count: int) -> None:
    losses = falling(seed=count, steps=count, noise=0.01)
    spikes = Spikes()
    assert found(spikes, losses) == []
    weights = DECAY ** np.arange(count)[::-1]
    weights /= weights.sum()
    mean = weights @ losses
    assert spikes.mean == pytest.approx(mean, rel=1e-12)
    assert spikes.variance == pytest.approx(weights @ (losses - mean) ** 2, rel=1e-9, abs=1e-12)
    assert spikes.count == count


@pytest.mark.parametrize("noise", [0.0, 0.01, 0.05, 0.15])
def test_a_run_that_falls_and_is_noisy_has_no_spike(noise: float) -> None:
    assert [found(Spikes(), falling(seed, noise=noise)) for seed in range(20)] == [[]] * 20


@pytest.mark.parametrize("noise", [0.01, 0.05])
def test_the_scaled_batches_of_a_run_are_the_spikes_and_nothing_else(noise: float) -> None:
    for seed in range(20):
        losses = falling(seed, noise=noise)
        places = sorted(np.random.default_rng(seed).choice(np.arange(200, 1500), 5, replace=False))
        losses[places] *= 1.6
        assert found(Spikes(), losses) == places


def test_a_spike_tells_what_was_expected() -> None:
    spike = settled().look(9.0)
    assert isinstance(spike, Spike)
    assert spike.loss == 9.0
    assert spike.expected == pytest.approx(4.0, abs=3e-3)
    assert spike.deviation == pytest.approx(0.1, abs=1e-3)


def test_the_border_lies_at_so_many_deviations() -> None:
    spikes = settled()
    border = spikes.mean + SIGMAS * math.sqrt(spikes.variance)
    assert Spikes(**vars(spikes)).look(border) is None
    assert spikes.look(border + 1e-9) is not None


def test_a_loss_far_below_the_mean_is_no_spike() -> None:
    assert settled().look(0.1) is None


def test_nothing_is_a_spike_before_enough_was_seen() -> None:
    early, late = Spikes(), Spikes()
    assert found(early, np.full(WARMUP - 1, 4.0)) == found(late, np.full(WARMUP, 4.0)) == []
    assert early.look(400.0) is None
    assert late.look(400.0) is not None


def test_losses_that_hardly_differ_make_no_small_rise_a_spike() -> None:
    spikes = Spikes()
    found(spikes, np.full(100, 4.0))
    assert spikes.variance == 0
    assert spikes.look(4.0 * (1 + 0.9 * SIGMAS * FLOOR)) is None
    assert spikes.look(4.0 * (1 + 2 * SIGMAS * FLOOR)) is not None


def test_a_spike_hides_no_other() -> None:
    spikes = settled()
    before = (spikes.mean, spikes.variance, spikes.count)
    assert found(spikes, np.array([90.0, 4.0, 9.0, 9.0])) == [0, 2, 3]
    assert before[2] + 1 == spikes.count
    assert spikes.mean == pytest.approx(before[0], abs=0.01)


def test_a_level_that_lasts_becomes_the_new_normal() -> None:
    spikes = settled()
    assert found(spikes, np.full(200, 7.0)) == list(range(IN_A_ROW))
    assert spikes.mean == 7.0
    assert found(spikes, np.array([7.1, 12.0, 7.0])) == [1]


def test_ordinary_losses_between_spikes_keep_the_level() -> None:
    spikes = settled()
    assert found(spikes, np.tile([7.0] * IN_A_ROW + [4.0], 10)).count(0) == 1
    assert spikes.mean == pytest.approx(4.0, abs=0.01)


@pytest.mark.parametrize("loss", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_no_number_is_no_spike_and_leaves_no_trace(loss: float) -> None:
    spikes = settled()
    spikes.look(9.0)
    before = asdict(spikes)
    assert spikes.look(loss) is None
    assert asdict(spikes) == before


def test_resumed_at_any_step_it_decides_as_if_never_stopped() -> None:
    losses = falling(seed=3, steps=300)
    losses[[100, 101, 150]] *= 2
    losses[200:] *= 3
    whole = Spikes()
    wanted, states = [], []
    for loss in losses:
        states.append(json.dumps(vars(whole)))
        wanted.append(whole.look(float(loss)))
    assert sum(spike is not None for spike in wanted) == 3 + IN_A_ROW
    for place, state in enumerate(states):
        resumed = Spikes(**json.loads(state))
        assert [resumed.look(float(loss)) for loss in losses[place:]] == wanted[place:]
        assert resumed == whole
