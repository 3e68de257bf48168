"""What is forgotten: the loss of the pretrained head on a body that has been fine-tuned."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from small_runs import running_store, small_config, small_store
from torch import Generator
from word_models import saved, tokenizer_for

from minibert.config import FinetuneConfig, HeadConfig
from minibert.hub import from_pretrained, with_head
from minibert.model.lora import LoraLinear
from minibert.recipes.evaluate import evaluate, held_out_batches
from minibert.recipes.forgetting import forgetting, held_out_text
from minibert.recipes.pretrain import pretrain
from minibert.recipes.strategies import prepare
from minibert.text.store import Store

T = 24
KINDS = pytest.mark.parametrize("kind", ["bert", "modernbert", "gpt"])


def store_for(kind: str, folder: Path) -> Store:
    tokenizer: Any = tokenizer_for(kind)
    return running_store(folder, tokenizer) if kind == "gpt" else small_store(folder, tokenizer)


def headed(folder: Path, task: Any = "classes") -> Any:
    return with_head(folder, HeadConfig(task, ("no", "yes")), Generator().manual_seed(1))[0]


def shift(parameters: Any, by: float = 0.1) -> None:
    with torch.no_grad():
        for i, parameter in enumerate(parameters):
            noise = torch.randn(parameter.shape, generator=Generator().manual_seed(i))
            parameter.add_(by * noise)


@KINDS
@pytest.mark.parametrize("task", ["classes", "tags"])
def test_a_body_that_has_not_changed_has_forgotten_nothing(kind: str, task: str, tmp_path: Path) -> None:
    folder = saved(kind, tmp_path / "model")
    found = forgetting(folder, headed(folder, task), store_for(kind, tmp_path / "store"), T)
    assert found["before"] == found["after"] > 0


@KINDS
def test_before_is_the_loss_of_the_evaluation_of_pretraining(kind: str, tmp_path: Path) -> None:
    folder, store = saved(kind, tmp_path / "model"), store_for(kind, tmp_path / "store")
    model, tokenizer = from_pretrained(folder)
    assert tokenizer is not None
    batches = held_out_batches(store, tokenizer, T, "clm" if kind == "gpt" else "mlm")
    expected = evaluate(model, batches, 30)["word_loss"]
    assert forgetting(folder, headed(folder), store, T, 30)["before"] == expected


@KINDS
def test_a_new_head_is_not_looked_at(kind: str, tmp_path: Path) -> None:
    folder = saved(kind, tmp_path / "model")
    model = headed(folder)
    shift([model.output.weight], by=10.0)
    found = forgetting(folder, model, store_for(kind, tmp_path / "store"), T)
    assert found["before"] == found["after"]


@KINDS
def test_a_body_that_has_changed_stands_under_the_head_as_it_was(kind: str, tmp_path: Path) -> None:
    folder, store = saved(kind, tmp_path / "model"), store_for(kind, tmp_path / "store")
    model = headed(folder)
    shift(model.body.parameters())
    before = [p.detach().clone() for p in model.parameters()]
    found = forgetting(folder, model, store, T)
    assert all(torch.equal(p, b) for p, b in zip(model.parameters(), before, strict=True))

    own, tokenizer = from_pretrained(folder)
    assert tokenizer is not None
    batches: Any = held_out_batches(store, tokenizer, T, "clm" if kind == "gpt" else "mlm")
    loss, count = 0.0, 0
    with torch.no_grad():
        for first in range(0, min(len(batches), 2048), 64):
            batch = batches.examples(first, min(64, len(batches) - first))
            if kind == "gpt":
                hidden = model.body.features(batch.ids).flatten(0, 1)
                logits = hidden @ own.tokens.weight.T
            else:
                inputs = (batch.ids, batch.segments) if kind == "bert" else (batch.ids,)
                hidden = model.body(*inputs, attend=batch.attend).flatten(0, 1)[batch.slots]
                logits = own.words(hidden)
            loss += float(F.cross_entropy(logits, batch.targets.flatten(), reduction="sum"))
            count += int((batch.targets != -100).sum())
    assert found["after"] == pytest.approx(loss / count, rel=1e-5)
    assert found["after"] != pytest.approx(found["before"], rel=1e-3)


def test_lora_counts_and_stays_as_it_is(tmp_path: Path) -> None:
    folder, store = saved("bert", tmp_path / "model"), store_for("bert", tmp_path / "store")
    model = headed(folder)
    prepare(model, FinetuneConfig(strategy="lora", lora_rank=2), Generator().manual_seed(0))
    same = forgetting(folder, model, store, T)
    assert same["before"] == same["after"]
    shift([layer.up for layer in model.modules() if isinstance(layer, LoraLinear)], by=1.0)
    assert forgetting(folder, model, store, T)["after"] != same["after"]
    assert any(isinstance(layer, LoraLinear) for layer in model.modules())


@pytest.mark.slow
def test_a_run_says_what_it_held_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIBERT_CACHE", str(tmp_path / "cache"))
    run = pretrain("bert-tiny", small_config(tmp_path))
    store, seq_len = held_out_text(run)
    assert seq_len == 32
    known = json.loads((run / "run.json").read_text())["data"]["held_out"]
    assert store.names == known["names"] and len(store.ids) == known["tokens"]
    evaluated = json.loads((run / "evaluation.json").read_text())["word_loss"]
    found = forgetting(run, headed(run), store, seq_len)
    assert found["before"] == found["after"] and abs(found["before"] - evaluated) < 0.5


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="does not say what text the model was pretrained on"):
        held_out_text(saved("bert", tmp_path))
