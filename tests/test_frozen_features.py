"""Features of a frozen body: worked out once, kept, and as good as the body itself."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from classifiers import KINDS, classifier
from torch import Generator
from torch.nn.functional import cross_entropy

from minibert.batches.augmenting import Augmentation
from minibert.batches.labels import Encoded, LabelledBatch, LabelledBatches, Ragged
from minibert.config import FinetuneConfig, HeadConfig
from minibert.model.answerer import BertAnswerer
from minibert.model.tagger import GptTagger
from minibert.recipes import frozen_features
from minibert.recipes.frozen_features import FeatureBatch, fingerprint, frozen_batches
from minibert.recipes.strategies import optimizers, prepare
from minibert.train.loop import train


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MINIBERT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def rows(count: int = 20, seed: int = 0) -> list[list[int]]:
    """Return rows of 3 to 9 ids."""
    draw = np.random.default_rng(seed)
    return [draw.integers(5, 40, draw.integers(3, 10)).tolist() for _ in range(count)]


def texts(made: list[list[int]] | None = None) -> Encoded:
    """Return texts of which the second half begins in the middle, and that have one label of three."""
    ids = Ragged.of(rows() if made is None else made)
    return Encoded(ids, (ids.lengths + 1) // 2, np.arange(len(ids)) % 3, np.arange(len(ids)))


def frozen_model(kind: str = "bert", seed: int = 0) -> Any:
    model = classifier(kind, seed)
    prepare(model, FinetuneConfig(strategy="frozen"), Generator().manual_seed(0))
    return model


def features(batch: LabelledBatch) -> torch.Tensor:
    assert isinstance(batch, FeatureBatch)
    return batch.features


def head_trained(folder: Path, model: Any, batches: LabelledBatches) -> list[torch.Tensor]:
    """Return the weights of the head after twelve steps of the loop."""
    config = FinetuneConfig(
        strategy="frozen", steps=12, batch_size=4, lr=0.01, device="cpu", evaluate_every=12
    )
    train(
        model,
        lambda model, batch: {"loss": cross_entropy(batch.logits(model), batch.targets)},
        batches,
        lambda: optimizers(model, config),
        folder,
        config,
        counts=lambda batch: batch.counts(),
    )
    return [p.detach() for p in model.parameters() if p.requires_grad]


@pytest.mark.parametrize("kind", KINDS)
def test_a_head_learns_from_features_what_it_learns_from_the_body(kind: str, tmp_path: Path) -> None:
    plain = LabelledBatches(texts(), 0, 4, seed=3)
    slow, fast = frozen_model(kind), frozen_model(kind)
    before = [p.detach().clone() for p in fast.parameters() if p.requires_grad]
    learned = head_trained(tmp_path / "fast", fast, frozen_batches(fast, plain))
    for found, expected in zip(learned, head_trained(tmp_path / "slow", slow, plain), strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    assert all((old - new).abs().max() > 0.01 for old, new in zip(before, learned, strict=True))


def test_while_the_head_learns_the_body_is_not_asked(tmp_path: Path) -> None:
    model = frozen_model()
    batches = frozen_batches(model, LabelledBatches(texts(), 0, 4))
    model.body.forward = None
    head_trained(tmp_path, model, batches)


@pytest.mark.parametrize("kind", KINDS)
def test_batches_bring_the_features_of_their_rows(kind: str) -> None:
    model = frozen_model(kind)
    plain = LabelledBatches(texts(), 0, 4, seed=1)
    made = frozen_batches(model, plain)
    for step in range(7):
        mine, theirs = made(step), plain(step)
        assert torch.equal(mine.ids, theirs.ids) and torch.equal(mine.targets, theirs.targets)
        torch.testing.assert_close(mine.logits(model), theirs.logits(model), rtol=0, atol=1e-5)
    torch.testing.assert_close(features(made(2, 1, 2)), features(made(2))[1:3])
    for mine, theirs in zip(made.in_order(30), plain.in_order(30), strict=True):
        torch.testing.assert_close(mine.logits(model), theirs.logits(model), rtol=0, atol=1e-5)
    assert torch.equal(features(made(0).to(torch.device("cpu"))), features(made(0)))


@pytest.mark.parametrize(
    ("model", "kind", "task"), [(GptTagger, "gpt", "tags"), (BertAnswerer, "bert", "spans")]
)
def test_where_every_token_is_read_each_has_its_features(model: Any, kind: str, task: Any) -> None:
    made = model(KINDS[kind][1], HeadConfig(task, ("O", "B") if task == "tags" else ()))
    made.eval()
    plain = LabelledBatches(texts(), 0, 4)
    batches = frozen_batches(made, plain)
    for step in range(5):
        batch = plain(step)
        there = torch.ones_like(batch.ids, dtype=torch.bool) if batch.attend is None else batch.attend
        found, expected = batches(step).logits(made), batch.logits(made)
        torch.testing.assert_close(found[there], expected[there], rtol=0, atol=1e-5)
    assert isinstance(batches.features, Ragged) and batches.features.values.shape == (
        sum(map(len, rows())),
        16,
    )


def test_features_are_those_without_dropout_and_the_model_goes_on_as_it_was() -> None:
    dropping = classifier()
    for dropout in (m for m in dropping.modules() if isinstance(m, torch.nn.Dropout)):
        dropout.p = 0.5
    dropping.train()
    plain = LabelledBatches(texts(), 0, 4)
    found = frozen_batches(dropping, plain).features
    assert dropping.training
    batch = plain(0)
    expected = dropping.eval().features(batch.ids, batch.segments, batch.attend).detach().numpy()
    assert isinstance(found, np.ndarray)
    np.testing.assert_allclose(found[batch.rows], expected, rtol=0, atol=1e-5)


def test_features_are_worked_out_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = LabelledBatches(texts(), 0, 4)
    first = frozen_batches(frozen_model(), plain)
    monkeypatch.setattr(frozen_features, "write_features", None)
    again = frozen_batches(frozen_model(), plain)
    assert torch.equal(features(first(0)), features(again(0)))
    assert len(list((cache / "features").iterdir())) == 1


def test_whatever_features_depend_on_has_features_of_its_own() -> None:
    one = fingerprint(frozen_model(), texts())
    assert fingerprint(frozen_model(), texts()) == one
    changed = rows()
    changed[3][1] += 1
    cut = rows()
    cut[4], cut[5] = cut[4] + cut[5][:1], cut[5][1:]
    other_pair = texts()
    other_pair.seconds[0] -= 1
    for different in (texts(changed), texts(cut), other_pair):
        assert fingerprint(frozen_model(), different) != one
    assert fingerprint(frozen_model(seed=1), texts()) != one
    assert fingerprint(frozen_model("gpt"), texts()) != one


def test_the_head_has_no_part_in_it() -> None:
    one, model = fingerprint(frozen_model(), texts()), frozen_model()
    with torch.no_grad():
        model.output.weight.add_(1.0)
        model.body.pooler.weight.add_(1.0)
    assert fingerprint(model, texts()) == one
    with torch.no_grad():
        model.body.blocks[0].attention.query.weight[0, 0] += 1e-3
    assert fingerprint(model, texts()) != one


def test_augmented_batches_are_refused() -> None:
    encoded = texts()
    augmented = LabelledBatches(encoded, 0, 4, augment=Augmentation(encoded, np.array([0]), delete=0.1))
    with pytest.raises(ValueError, match="change in each epoch"):
        frozen_batches(frozen_model(), augmented)


def test_nothing_is_left_where_the_body_fails(cache: Path) -> None:
    with pytest.raises(ValueError, match="16 positions|longer|at most"):
        frozen_batches(frozen_model(), LabelledBatches(texts([[5] * 17]), 0, 4))
    assert list((cache / "features").iterdir()) == []
