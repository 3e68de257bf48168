"""Ever higher learning rates: the loss falls, then it explodes, and a tenth of the edge is suggested."""

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from small_runs import small_config

from minibert.recipes.find_lr import FACTORS, HALF, RangeTest, conclusion, explodes, find_lr, table
from minibert.recipes.learning import TORCH
from minibert.recipes.ready import BACKENDS


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIBERT_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Put another loss in the place of torch's."""
    return lambda loss: monkeypatch.setitem(BACKENDS, "torch", dataclasses.replace(TORCH, loss=loss))


def made_up(gains: np.ndarray, **peaks: float) -> RangeTest:
    """A test with these gains, whose rates are by default those of Muon."""
    flags = {f"--{name.replace('_', '-')}": rate for name, rate in peaks.items()}
    return RangeTest(
        FACTORS[: len(gains)], gains, flags or {"--lr": 4e-3, "--matrix-lr": 0.015}, Path("x.png")
    )


def dipping(lowest_at: float, edge: float, depth: float = 0.3) -> np.ndarray:
    """A loss that falls up to one factor, stays, and from another on rises without end, (n,)."""
    falls = -depth * np.clip(np.log(FACTORS / FACTORS[0]) / math.log(lowest_at / FACTORS[0]), 0, 1)
    return falls + 5 * np.clip(np.log(FACTORS / edge), 0, None)


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [{}, {"optimizer": "adamw", "micro_batch": 3}, {"objective": "mlm", "precision": "bf16"}],
    ids=str,
)
def test_the_loss_falls_and_then_explodes_and_only_a_picture_is_left(tmp_path: Path, changes) -> None:
    config = small_config(tmp_path, width=32, batch_size=8, **changes)
    before = set(tmp_path.iterdir())
    test = find_lr("bert-tiny", config)
    assert set(tmp_path.iterdir()) - before == {tmp_path / "run.find-lr.png"}
    assert (tmp_path / "run.find-lr.png").stat().st_size > 10_000

    assert test.gains[0] == 0.0  # nothing is learned yet, and dropout leaves out the same
    assert np.abs(test.gains[:5]).max() < 0.02 < -test.smoothed.min()
    assert test.smoothed[-1] > 0.05 and test.learned
    assert 1 < test.edge < 50
    peak = 1e-3 if changes.get("optimizer") == "adamw" else 4e-3
    assert test.peaks["--lr"] == peak and ("--matrix-lr" in test.peaks) == (peak == 4e-3)


def test_batches_and_rates_are_those_of_the_run(tmp_path: Path, broken) -> None:
    seen = []

    def watching(model, batch):
        if len(seen) < 4:
            seen.append((model.training, batch.ids.clone()))
        return TORCH.loss(model, batch)

    broken(watching)
    config = small_config(tmp_path, lr=0.02, matrix_lr=0.03)
    assert find_lr("bert-tiny", config).peaks == {"--lr": 0.02, "--matrix-lr": 0.03}
    assert all(training for training, _ in seen)
    first, untouched, second, _ = (ids for _, ids in seen)
    assert first.equal(untouched) and not first.equal(second)


def test_the_edge_is_the_last_rate_before_the_loss_rises_for_good() -> None:
    test = made_up(dipping(lowest_at=1.0, edge=10.0))
    assert test.edge == pytest.approx(10, rel=0.1)
    assert test.suggestion["--lr"] == pytest.approx(4e-3, rel=0.1)
    assert test.suggestion["--matrix-lr"] / test.suggestion["--lr"] == pytest.approx(0.015 / 4e-3)


@pytest.mark.parametrize("seed", range(5))
def test_the_suggestion_stands_firm_in_noise_where_the_lowest_loss_does_not(seed: int) -> None:
    noisy = dipping(0.5, 10.0, depth=0.05) + np.random.default_rng(seed).normal(0, 0.03, len(FACTORS))
    assert 0.8 < made_up(noisy).suggestion["--lr"] / 4e-3 < 1.3


def test_a_single_spike_moves_nothing() -> None:
    spiked = dipping(1.0, 10.0)
    spiked[40] = 50.0
    assert made_up(spiked).edge == made_up(dipping(1.0, 10.0)).edge
    assert not explodes(spiked[:41])


def test_it_explodes_where_the_loss_is_as_far_above_as_it_was_below() -> None:
    down = -np.linspace(0, 0.4, 40)
    assert not explodes(down)
    assert not explodes(np.append(down, [0.35] * HALF))
    assert explodes(np.append(down, [0.45] * HALF))
    assert not explodes(np.array([0.0, 0.09, 0.09, 0.09])) and explodes(np.array([0.0, 0.11, 0.11, 0.11]))
    assert explodes(np.array([0.0, math.inf])) and explodes(np.array([math.nan]))


def test_a_loss_that_is_not_finite_ends_the_climb(tmp_path: Path, broken) -> None:
    calls = []

    def until_then(model, batch):
        calls.append(None)
        factor = math.inf if len(calls) == 41 else 1.0  # model and untouched model, in turn
        return {name: factor * loss for name, loss in TORCH.loss(model, batch).items()}

    broken(until_then)
    test = find_lr("bert-tiny", small_config(tmp_path))
    assert len(test.gains) == len(test.factors) == 21 and test.gains[-1] == math.inf
    assert np.isfinite(test.smoothed[:-1]).all() and test.picture.exists()


def test_a_loss_that_is_not_finite_from_the_start_is_told(tmp_path: Path, broken) -> None:
    broken(lambda model, batch: {name: math.nan * loss for name, loss in TORCH.loss(model, batch).items()})
    with pytest.raises(ValueError, match="the loss is nan before the first step"):
        find_lr("bert-tiny", small_config(tmp_path))


def test_a_model_that_cannot_learn_gets_no_suggestion(tmp_path: Path, broken) -> None:
    def ascending(model, batch):
        return {name: 2 * loss.detach() - loss for name, loss in TORCH.loss(model, batch).items()}

    broken(ascending)
    test = find_lr("bert-tiny", small_config(tmp_path, dropout=0.0))
    assert not test.learned and len(test.gains) < len(FACTORS)
    assert "the loss fell at none of these rates; --overfit-one-batch tells whether all" in table(test)[-2]


def test_the_table_tells_rates_losses_and_what_to_type() -> None:
    test = made_up(dipping(1.0, 10.0))
    head, *rows, _, told, picture = table(test)
    assert head.split()[:2] == ["--lr", "--matrix-lr"]
    assert rows[0].split() == ["4e-05", "0.00015", "+0.000"]
    assert len(rows) == 9 and rows[4].split() == ["0.0042", "0.016", "-0.300"]
    lr, matrix_lr = (test.suggestion[flag] for flag in ("--lr", "--matrix-lr"))
    assert (
        told == f"suggested: --lr {lr:.2g} --matrix-lr {matrix_lr:.2g} (as set: --lr 0.004 --matrix-lr 0.015)"
    )
    assert picture == "picture: x.png"


def test_adamw_alone_has_one_rate() -> None:
    test = made_up(dipping(1.0, 10.0), lr=1e-3)
    assert list(test.suggestion) == ["--lr"]
    assert conclusion(test) == f"suggested: --lr {test.suggestion['--lr']:.2g} (as set: --lr 0.001)"


def test_a_loss_that_never_rises_is_told() -> None:
    assert "the loss did not rise even at the highest rate" in conclusion(made_up(dipping(100.0, 1e9)))
    assert "at none of these rates" in conclusion(made_up(np.zeros(100)))


def test_a_place_where_no_picture_can_be_written_is_told_before_training(tmp_path: Path, broken) -> None:
    broken(lambda model, batch: pytest.fail("a step was taken"))
    (tmp_path / "file").touch()
    with pytest.raises(OSError):
        find_lr("bert-tiny", small_config(tmp_path, out=tmp_path / "file" / "run"))
