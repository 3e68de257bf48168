"""Pretraining in NumPy: the numbers of torch, dropout, resuming to the bit, and the ratio of the speeds."""

import copy
import dataclasses
import json
import logging
import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from small_runs import small_config, small_store, small_tokenizer
from torch import Tensor
from torch.optim import Optimizer

from minibert.batches.batch import Batch, PretrainingBatches
from minibert.config import BertConfig, PretrainConfig
from minibert.hub import from_pretrained
from minibert.model.bert import BertForPretraining
from minibert.recipes import pretrain as module
from minibert.recipes.byhand import NUMPY, arrays, compare_speed
from minibert.recipes.learning import TORCH
from minibert.recipes.pretrain import pretrain
from minibert.recipes.ready import BACKENDS
from minibert.train.optimizer import clip_gradients
from minibert.train.step import Part, accumulate, descend, remember_peaks, shares_of
from minibert.train.worker import Loss


@pytest.fixture(autouse=True)
def quick(tmp_path_factory, monkeypatch) -> None:
    """Keep the cache here, and leave out the pictures of the report."""
    monkeypatch.setenv("MINIBERT_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    monkeypatch.setattr(module, "write_report", lambda run: (run / "report.md").touch())


def some_batches(folder: Path, pairs: bool = True) -> PretrainingBatches:
    tokenizer = small_tokenizer()
    return PretrainingBatches(small_store(folder, tokenizer), tokenizer, 4, 24, pairs=pairs)


def small(batches: PretrainingBatches, dropout: float = 0.0) -> BertForPretraining:
    V, pad_id = len(batches.tokenizer), batches.tokenizer.pad_id
    config = BertConfig(V, 2, 16, 2, 32, 32, dropout=dropout, attention_dropout=dropout, pad_id=pad_id)
    return BertForPretraining(config, torch.Generator().manual_seed(0)).double().train()


def weights(run: Path) -> dict[str, bytes]:
    return {name: p.detach().numpy().tobytes() for name, p in from_pretrained(run)[0].named_parameters()}


def take_step(
    model: BertForPretraining, loss: Loss, batch: Batch, own: Sequence[Optimizer]
) -> dict[str, Tensor]:
    """Take a step at half the peak rate; return the losses and the norm of the gradient."""
    [shares] = shares_of([batch.counts()], batch.counts())
    losses = accumulate([Part(batch, shares, seed=0)], partial(loss, model))
    norm = clip_gradients(model.parameters(), 1.0)
    descend(own, 0.5)
    return {**losses, "grad_norm": norm}


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
@pytest.mark.parametrize("pairs", [True, False])
def test_ten_steps_are_those_of_torch(tmp_path: Path, optimizer, pairs: bool) -> None:
    """The default recipe's optimisers, clipping and all; without pairs the pooler stays as it is."""
    batches, config = some_batches(tmp_path, pairs), PretrainConfig(optimizer=optimizer)
    one = small(batches)
    other = copy.deepcopy(one)
    before = copy.deepcopy(arrays(one))
    ours, theirs = NUMPY.optimizers(one, config), TORCH.optimizers(other, config)
    remember_peaks([*ours, *theirs])
    for step in range(10):
        got = take_step(one, NUMPY.loss, batches(step), ours)
        expected = take_step(other, TORCH.loss, batches(step), theirs)
        assert got.keys() == expected.keys()
        for name, value in expected.items():
            assert got[name].item() == pytest.approx(value.item(), rel=1e-9), (step, name)
    for name, weight in arrays(other).items():
        np.testing.assert_allclose(arrays(one)[name], weight, rtol=0, atol=1e-9, err_msg=name)
        moved = pairs or not name.startswith(("bert.pooler", "pairs"))
        assert np.array_equal(arrays(one)[name], before[name]) != moved, name


def total(losses: Mapping[str, Tensor]) -> float:
    return sum(loss.item() for loss in losses.values())


def test_dropout_is_drawn_anew_from_the_seed_of_the_step_and_not_in_evaluation(tmp_path: Path) -> None:
    batches = some_batches(tmp_path)
    model, batch = small(batches, dropout=0.3), batches(0)

    def loss(seed: int) -> float:
        torch.manual_seed(seed)
        return total(NUMPY.loss(model, batch))

    assert loss(1) == loss(1) != loss(2)
    assert model.eval() and loss(1) == loss(2) == pytest.approx(total(TORCH.loss(model, batch)))


@pytest.mark.parametrize("stop_at", [1, 3, 5])
def test_a_run_stopped_and_resumed_ends_with_the_same_bits(tmp_path: Path, monkeypatch, stop_at: int) -> None:
    class Stopped(Exception):
        pass

    def stopping(model, batch):
        if not calls:
            raise Stopped
        calls.pop()
        return NUMPY.loss(model, batch)

    monkeypatch.setattr(module, "compare_speed", lambda *_: "as fast as it is")
    whole = pretrain("bert-tiny", small_config(tmp_path, out=tmp_path / "whole", backend="numpy"))
    config = small_config(tmp_path, out=tmp_path / "stopped", backend="numpy")
    calls = [True] * stop_at
    with monkeypatch.context() as patch:
        patch.setitem(BACKENDS, "numpy", dataclasses.replace(NUMPY, loss=stopping))
        with pytest.raises(Stopped):
            pretrain("bert-tiny", config)
    assert weights(pretrain("bert-tiny", dataclasses.replace(config, resume="auto"))) == weights(whole)


def test_a_run_begun_by_hand_goes_on_in_torch_as_if_it_had_always_been_there(tmp_path: Path) -> None:
    by_hand = small_config(tmp_path, out=tmp_path / "both", backend="numpy", steps=3, dropout=0.0)
    pretrain("bert-tiny", by_hand)
    pretrain("bert-tiny", dataclasses.replace(by_hand, backend="torch", steps=6, resume="auto"))
    pretrain("bert-tiny", dataclasses.replace(by_hand, backend="torch", steps=3, out=tmp_path / "torch"))
    in_torch = dataclasses.replace(by_hand, backend="torch", steps=6, out=tmp_path / "torch", resume="auto")
    pretrain("bert-tiny", in_torch)
    both, torch_ = (from_pretrained(tmp_path / name)[0] for name in ("both", "torch"))
    for name, weight in arrays(torch_).items():
        np.testing.assert_allclose(arrays(both)[name], weight, rtol=0, atol=2e-4, err_msg=name)


def test_the_ratio_of_the_speeds_is_told_and_leaves_the_model_alone(tmp_path: Path, caplog) -> None:
    batches = some_batches(tmp_path)
    model = small(batches)
    before = copy.deepcopy(arrays(model))
    told = compare_speed(model, batches, PretrainConfig())
    found = re.fullmatch(r"a step takes (\S+) s by hand and (\S+) s in PyTorch: (\S+) times as long", told)
    assert found and all(float(number) > 0 for number in found.groups())
    assert all(np.array_equal(weight, before[name]) for name, weight in arrays(model).items())

    with caplog.at_level(logging.INFO, "minibert"):
        run = pretrain("bert-tiny", small_config(tmp_path, backend="numpy", steps=1))
    assert "in NumPy a step takes" in caplog.text and "times as long" in caplog.text
    assert "times as long" in json.loads((run / "run.json").read_text())["by_hand"]


def test_numpy_trains_on_the_cpu_alone() -> None:
    with pytest.raises(ValueError, match="the numpy backend trains on the CPU, got --device cuda"):
        PretrainConfig(backend="numpy", device="cuda")
