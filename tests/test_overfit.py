"""One batch is learned by heart where all works together, and is not where anything is broken."""

import dataclasses
import itertools
import math
from collections.abc import Callable
from pathlib import Path

import pytest
from small_runs import small_config

from minibert.batches.batch import Batch
from minibert.config import PretrainConfig
from minibert.recipes.learning import TORCH
from minibert.recipes.overfit import ENOUGH, Overfit, overfit_one_batch, some, verdict, what_the_curve_says
from minibert.recipes.ready import BACKENDS
from minibert.train.loss import linear_cross_entropy


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIBERT_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Put another loss, or other optimisers, in the place of torch's."""
    return lambda **parts: monkeypatch.setitem(BACKENDS, "torch", dataclasses.replace(TORCH, **parts))


def eager(folder: Path, **changes) -> PretrainConfig:
    """The settings of a run that learns its batch in about 35 steps."""
    rates = {"width": 32, "steps": 80, "lr": 0.02, "matrix_lr": 0.05}
    return small_config(folder, **(rates | changes))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"optimizer": "adamw"},
        {"objective": "mlm"},
        {"precision": "bf16"},
        {"precision": "fp16"},
        {"micro_batch": 3},
        {"dropout": 0.5},
        {"backend": "numpy"},
    ],
    ids=str,
)
def test_a_model_that_works_learns_its_batch_by_heart(tmp_path: Path, changes) -> None:
    result = overfit_one_batch("bert-tiny", eager(tmp_path, **changes))
    assert result.works and (result.unreached, result.unmoved) == ([], [])
    names = ["word_loss"] if "objective" in changes else ["word_loss", "pair_loss"]
    assert list(result.losses) == names and all(loss < ENOUGH for loss in result.losses.values())
    assert result.history[0]["word_loss"] > 3.5 and 20 < len(result.history) < 60
    told = f"nats after {len(result.history) - 1} steps: model, loss, gradient and optimiser work together"
    reached = f"reached word loss {result.losses['word_loss']:.4f}"
    assert verdict(result).startswith(reached) and verdict(result).endswith(told)


def test_it_leaves_nothing(tmp_path: Path) -> None:
    config = eager(tmp_path, steps=2)
    before = set(tmp_path.iterdir())
    overfit_one_batch("bert-tiny", config)
    assert set(tmp_path.iterdir()) == before


def test_it_is_the_batch_of_the_first_step_again_and_again(tmp_path: Path, broken) -> None:
    seen: list[Batch] = []

    def watching(model, batch):
        seen.append(batch)
        return TORCH.loss(model, batch)

    broken(loss=watching)
    result = overfit_one_batch("bert-tiny", eager(tmp_path, steps=3))
    assert len(seen) == len(result.history) == 4  # the last only looks at what three steps have come to
    assert all(batch.ids.equal(seen[0].ids) and batch.targets.equal(seen[0].targets) for batch in seen)


def test_a_part_of_the_loss_that_is_cut_off_is_found_with_the_parameters_it_would_move(
    tmp_path: Path, broken
) -> None:
    def detached(model, batch):
        losses = dict(TORCH.loss(model, batch))
        return losses | {"pair_loss": losses["pair_loss"].detach()}

    broken(loss=detached)
    result = overfit_one_batch("bert-tiny", eager(tmp_path))
    assert not result.learned and result.losses["word_loss"] < 0.05 < result.losses["pair_loss"]
    pairs = ["bert.pooler.weight", "bert.pooler.bias", "pairs.weight", "pairs.bias"]
    assert (result.unreached, result.unmoved) == (pairs, [])
    assert f"No gradient reached {', '.join(pairs)}: the loss does not depend on them" in verdict(result)


def test_a_batch_that_is_learned_but_not_by_all_of_the_model_is_no_success(tmp_path: Path, broken) -> None:
    def without_bias(model, batch):
        features, _ = model.features(batch.ids, batch.segments, batch.attend, batch.slots)
        words = linear_cross_entropy(features, model.words.weight, model.words.bias.detach(), batch.targets)
        return {"word_loss": words}

    broken(loss=without_bias)
    result = overfit_one_batch("bert-tiny", eager(tmp_path, objective="mlm"))
    assert result.learned and not result.works
    assert (result.unreached, result.unmoved) == (["words.bias"], [])
    assert "steps, but not by all of the model. No gradient reached words.bias:" in verdict(result)


def test_labels_that_change_from_step_to_step_are_not_learned(tmp_path: Path, broken) -> None:
    turn = itertools.count()

    def shuffled(model, batch):
        targets = batch.targets.roll(7 * next(turn))
        return TORCH.loss(model, dataclasses.replace(batch, targets=targets))

    broken(loss=shuffled)
    result = overfit_one_batch("bert-tiny", eager(tmp_path))
    assert not result.works and result.losses["word_loss"] > 1
    assert (result.unreached, result.unmoved) == ([], [])


def test_labels_that_contradict_each_other_are_told_as_such(tmp_path: Path, broken) -> None:
    turn = itertools.count()

    def contradicting(model, batch):
        labels = batch.pair_labels ^ (next(turn) % 2)
        return TORCH.loss(model, dataclasses.replace(batch, pair_labels=labels))

    broken(loss=contradicting)
    result = overfit_one_batch("bert-tiny", eager(tmp_path, lr=0.005))
    assert result.losses["word_loss"] < 0.1 and result.losses["pair_loss"] > 0.5
    assert "labels that contradict each other, or change from step to step" in verdict(result)


def test_parameters_that_no_optimiser_has_are_named(tmp_path: Path, broken) -> None:
    def forgetful(model, config):
        adamw, muon = TORCH.optimizers(model, config)
        return [adamw]

    broken(optimizers=forgetful)
    result = overfit_one_batch("bert-tiny", eager(tmp_path, steps=3))
    assert not result.works and result.unreached == []
    assert len(result.unmoved) == 8 and all(name.endswith("weight") for name in result.unmoved)
    assert "and 3 more had a gradient and did not move: no optimiser has them" in verdict(result)


def test_going_up_in_place_of_down_is_told(tmp_path: Path, broken) -> None:
    def ascending(model, batch):
        return {name: -loss + 2 * loss.detach() for name, loss in TORCH.loss(model, batch).items()}

    broken(loss=ascending)
    result = overfit_one_batch("bert-tiny", eager(tmp_path, steps=20))
    assert result.losses["word_loss"] > 5
    assert "no lower than it began: the learning rate is far too high" in verdict(result)


def test_it_ends_at_a_gradient_that_is_not_finite(tmp_path: Path, broken) -> None:
    def infinite(model, batch):
        return {name: loss * math.inf for name, loss in TORCH.loss(model, batch).items()}

    broken(loss=infinite)
    result = overfit_one_batch("bert-tiny", eager(tmp_path))
    assert not result.works and not result.finite and len(result.history) == 1
    assert "It ended in numbers that are not finite" in verdict(result)


@pytest.mark.parametrize("loss", [ENOUGH, math.nan])
def test_every_part_of_the_loss_must_be_learned(loss: float) -> None:
    assert not Overfit([{"word_loss": loss, "pair_loss": 0.0, "loss": loss}], True, [], []).learned
    assert not Overfit([{"word_loss": 0.0, "pair_loss": loss, "loss": loss}], True, [], []).learned
    assert Overfit([{"word_loss": 0.0099, "pair_loss": 0.0099, "loss": 0.0198}], True, [], []).works


def test_too_few_steps_are_told_from_a_loss_that_stays() -> None:
    falling = [5.0 * 0.95**step for step in range(60)]
    assert what_the_curve_says(falling, finite=True) == "It was still falling: give it more --steps."
    assert "fell and then stayed" in what_the_curve_says([*falling, *[falling[-1]] * 60], finite=True)
    assert "no lower than it began" in what_the_curve_says([1.0], finite=True)


def test_long_lists_of_names_are_cut() -> None:
    assert some(list("abcde")) == "a, b, c, d, e"
    assert some(list("abcdefg")) == "a, b, c, d, e and 2 more"
