"""Models that still guess words: which folders hold one, and what is said of the others."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Generator
from word_models import saved

from minibert.config import HeadConfig
from minibert.hub import save_pretrained, with_head
from minibert.model.bert import BertForPretraining
from minibert.model.gpt import Gpt
from minibert.model.modernbert import ModernBertForPretraining
from minibert.recipes.word_heads import open_word_model


@pytest.mark.parametrize(
    ("kind", "model"), [("bert", BertForPretraining), ("modernbert", ModernBertForPretraining), ("gpt", Gpt)]
)
def test_pretrained_models_guess_words(kind: str, model: type, tmp_path: Path) -> None:
    opened, tokenizer = open_word_model(saved(kind, tmp_path))
    assert isinstance(opened, model) and not opened.training
    assert opened.config.vocab_size == len(tokenizer)


@pytest.mark.parametrize("kind", ["bert", "modernbert"])
def test_a_body_alone_is_refused(kind: str, tmp_path: Path) -> None:
    file = saved(kind, tmp_path) / "model.safetensors"
    heads = ("cls.", "head.", "decoder.")
    save_file({name: t for name, t in load_file(file).items() if not name.startswith(heads)}, file)
    with pytest.raises(ValueError, match="no head that guesses words; take a pretrained BERT, ModernBERT or"):
        open_word_model(tmp_path)


@pytest.mark.parametrize("kind", ["bert", "modernbert", "gpt"])
def test_a_fine_tuned_model_is_refused(kind: str, tmp_path: Path) -> None:
    head = HeadConfig("classes", ("no", "yes"))
    model, tokenizer = with_head(saved(kind, tmp_path / "before"), head, Generator().manual_seed(0))
    save_pretrained(model, tokenizer, tmp_path / "after")
    with pytest.raises(ValueError, match="after has no head that guesses words"):
        open_word_model(tmp_path / "after")


def test_a_causal_model_is_refused_where_both_sides_are_to_be_read(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="take a pretrained BERT or ModernBERT with its own"):
        open_word_model(saved("gpt", tmp_path), causal=False)


def test_weights_are_those_of_the_folder(tmp_path: Path) -> None:
    opened, _ = open_word_model(saved("bert", tmp_path))
    stored = load_file(tmp_path / "model.safetensors")
    assert torch.equal(opened.words.bias, stored["cls.predictions.bias"])
