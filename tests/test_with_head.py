"""A new head on the body of any folder: what comes along, what starts fresh, and what is refused."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from model_folders import edit_json, edit_weights
from oracles import randomise
from samples import DOCUMENTS
from task_models import IDS, LABELS, SIZES, head_for, kind_named, task_model
from torch import Generator

from minibert.config import GptConfig, HeadConfig, LlamaConfig, LstmConfig, QwenConfig, RnnConfig
from minibert.hub import encoder_from_pretrained, from_pretrained, new_model, save_pretrained, with_head
from minibert.hub.known_kinds import KINDS
from minibert.hub.task_folders import TASK_KINDS
from minibert.model.answerer import BertAnswerer, GptAnswerer
from minibert.model.classifier import (
    BertClassifier,
    GptClassifier,
    ModernBertClassifier,
    ModernBertMeanClassifier,
)
from minibert.model.tagger import BertTagger, GptTagger, ModernBertTagger
from minibert.text.base_tokenizer import BaseTokenizer
from minibert.text.byte_tokenizer import ByteTokenizer
from minibert.text.char_tokenizer import CharTokenizer
from minibert.text.tokenizer import Tokenizer

TEXTS = [document.text for document in DOCUMENTS]
WORDS = Tokenizer.train(TEXTS, vocab_size=60)
LETTERS = CharTokenizer.train(TEXTS)


def tokenizer_of(model: Any) -> BaseTokenizer:
    return WORDS if hasattr(model, "bert") else LETTERS


def saved(model: Any, folder: Path) -> Any:
    model = randomise(model).float()
    save_pretrained(model, tokenizer_of(model), folder)
    return model


def pretrained(model: type, folder: Path) -> Any:
    """Save a random pretrained model with the body of a task model, and return it."""
    config = kind_named(model).body.shape(**{**SIZES, "vocab_size": max(60, len(LETTERS))})
    return saved(new_model(config), folder)


def headed(folder: Path, task: Any, seed: int = 0, **others: Any) -> tuple[Any, BaseTokenizer]:
    return with_head(folder, head_for(task), Generator().manual_seed(seed), **others)


ONE_EACH = [kind for kind in TASK_KINDS if kind.model is not ModernBertMeanClassifier]


@pytest.mark.parametrize("kind", ONE_EACH, ids=lambda kind: kind.model.__name__)
def test_the_body_comes_from_a_pretrained_folder_and_the_head_is_new(kind, tmp_path, caplog) -> None:
    before = pretrained(kind.model, tmp_path)
    model, tokenizer = headed(tmp_path, kind.tasks[0])
    assert type(model) is kind.model and model.head_config == head_for(kind.tasks[0]) and not model.training
    assert tokenizer.fingerprint == tokenizer_of(before).fingerprint and not caplog.records
    assert model.config == before.config

    weights = dict(getattr(before, "bert", before).named_parameters())
    for name, weight in model.body.named_parameters():
        assert torch.equal(weight, weights[name]), name
    assert 0.01 < float(model.output.weight.detach().std()) < 0.04
    assert model.output.bias is None or not model.output.bias.any()


def test_the_dense_layer_in_front_of_modernbert_s_words_comes_along(tmp_path) -> None:
    before = pretrained(ModernBertTagger, tmp_path)
    model, _ = headed(tmp_path, "tags")
    assert torch.equal(model.head.dense.weight, before.words.dense.weight)
    assert torch.equal(model.head.norm.weight, before.words.norm.weight)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (BertClassifier, BertClassifier),
        (BertClassifier, BertTagger),
        (BertClassifier, BertAnswerer),
        (ModernBertTagger, ModernBertClassifier),
        (GptAnswerer, GptClassifier),
        (GptClassifier, GptTagger),
    ],
    ids=lambda kind: kind.__name__,
)
def test_the_head_of_another_task_is_left_out_with_a_word(first, second, tmp_path, caplog) -> None:
    before = saved(task_model(first), tmp_path)
    model, _ = with_head(
        tmp_path,
        dataclasses.replace(
            head_for(kind_named(second).tasks[0]), labels=() if second is BertAnswerer else ("a", "b")
        ),
        Generator().manual_seed(0),
    )
    (record,) = caplog.records
    assert "has the head of another task: it is left out, and a new one starts fresh" in record.getMessage()
    kept = dict(before.named_parameters())
    for name, weight in model.named_parameters():
        assert name.startswith("output.") or torch.equal(weight, kept[name]), name
    assert len(model.output.weight) == 2


def test_a_pooler_that_is_not_there_starts_fresh_and_a_tagger_misses_none(tmp_path, caplog) -> None:
    saved(task_model(BertTagger), tmp_path)
    headed(tmp_path, "tags")
    assert len(caplog.records) == 1
    caplog.clear()
    (one, _), (again, _), (other, _) = (headed(tmp_path, "classes", seed) for seed in (0, 0, 1))
    assert caplog.messages[1].endswith("has no weights for the pooler: they start fresh")
    assert torch.equal(one.bert.pooler.weight, again.bert.pooler.weight)
    assert torch.equal(one.output.weight, again.output.weight)
    assert not torch.equal(one.bert.pooler.weight, other.bert.pooler.weight)
    assert not torch.equal(one.output.weight, other.output.weight)


def test_a_bare_encoder_lacks_nothing_that_a_classifier_needs(tmp_path, caplog) -> None:
    before = pretrained(BertClassifier, tmp_path)
    edit_weights(
        tmp_path,
        lambda state: {
            name.removeprefix("bert."): state[name] for name in state if not name.startswith("cls.")
        },
    )
    model, _ = headed(tmp_path, "classes")
    assert not caplog.records and torch.equal(model.bert.pooler.weight, before.bert.pooler.weight)


def test_another_dropout_is_that_of_the_body_and_its_attention_and_not_of_the_head(tmp_path) -> None:
    before = pretrained(BertClassifier, tmp_path)
    model, _ = headed(tmp_path, "classes", dropout=0.25)
    assert model.config == dataclasses.replace(before.config, dropout=0.25, attention_dropout=0.25)
    assert {block.dropout.p for block in model.body.blocks} == {0.25}
    assert {block.attention.dropout for block in model.body.blocks} == {0.25}
    assert model.dropout.p == 0.3


def test_modernbert_sums_up_a_text_as_its_folder_says(tmp_path) -> None:
    pretrained(ModernBertClassifier, tmp_path)
    assert type(headed(tmp_path, "classes")[0]) is ModernBertClassifier
    edit_json(tmp_path / "config.json", classifier_pooling="mean")
    assert type(headed(tmp_path, "classes")[0]) is ModernBertMeanClassifier


def test_a_gpt_without_padding_is_padded_with_what_ends_a_text(tmp_path) -> None:
    before = pretrained(GptClassifier, tmp_path)
    edit_json(tmp_path / "config.json", pad_token_id=None)
    model, tokenizer = headed(tmp_path, "classes")
    assert before.config.pad_id == 3 and model.config.pad_id == tokenizer.end_id == 0
    save_pretrained(model, tokenizer, tmp_path)
    assert from_pretrained(tmp_path)[0].config.pad_id == 0


def test_the_encoder_of_a_task_folder_can_be_had_alone(tmp_path) -> None:
    before = saved(task_model(BertClassifier), tmp_path)
    encoder, _ = encoder_from_pretrained(tmp_path)
    assert torch.equal(encoder(IDS), before.eval().bert(IDS))


# ------------------------------------------------------------ what is refused


@pytest.mark.parametrize("shape", [LlamaConfig, QwenConfig, RnnConfig, LstmConfig])
def test_no_head_stands_on_other_bodies(shape: Callable[..., Any], tmp_path) -> None:
    config = shape(vocab_size=len(LETTERS), layers=1, width=8)
    name = next(kind.name for kind in KINDS.values() if kind.shape is shape)
    saved(new_model(config), tmp_path)
    with pytest.raises(
        ValueError, match=f"a {name}, and heads can stand on BERT or ModernBERT or GPT-2 alone"
    ):
        headed(tmp_path, "classes")


def test_a_folder_without_a_tokenizer_is_refused(tmp_path) -> None:
    save_pretrained(new_model(kind_named(BertTagger).body.shape(**SIZES)), None, tmp_path)
    with pytest.raises(ValueError, match="holds no tokenizer"):
        headed(tmp_path, "tags")


def test_a_tokenizer_that_can_pad_nothing_is_refused(tmp_path) -> None:
    plain = ByteTokenizer.train(TEXTS, 300, specials=())
    save_pretrained(new_model(GptConfig(vocab_size=300, layers=1, width=8)), plain, tmp_path)
    with pytest.raises(ValueError, match=r"this tokenizer has no <\|endoftext\|>"):
        headed(tmp_path, "classes")


def test_a_body_that_lacks_weights_or_has_others_is_refused(tmp_path) -> None:
    pretrained(BertTagger, tmp_path)
    edit_weights(tmp_path, lambda state: state | {"bert.extra.weight": torch.zeros(2)})
    with pytest.raises(ValueError, match="unexpected: bert.extra.weight"):
        headed(tmp_path, "tags")
    lacking = ("bert.extra.weight", "bert.embeddings.LayerNorm.bias")
    edit_weights(tmp_path, lambda state: {name: state[name] for name in state if name not in lacking})
    with pytest.raises(ValueError, match="missing: bert.embeddings.LayerNorm.bias"):
        headed(tmp_path, "tags")


def test_a_head_needs_labels_that_differ() -> None:
    with pytest.raises(ValueError, match="labels must differ"):
        HeadConfig("classes", (*LABELS, LABELS[0]))
