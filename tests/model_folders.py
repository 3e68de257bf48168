"""A small BERT's folder for the tests that damage one, and what `from_pretrained` then says."""

import json
from pathlib import Path

import pytest
import torch
from oracles import randomise
from safetensors.torch import load_file, save_file
from samples import DOCUMENTS

from minibert.config import BertConfig
from minibert.hub import from_pretrained, save_pretrained
from minibert.model.bert import BertForPretraining
from minibert.text.tokenizer import Tokenizer

SMALL = BertConfig(
    vocab_size=60,
    layers=2,
    width=8,
    heads=2,
    feedforward=12,
    max_positions=16,
    activation="gelu_tanh",
    position_init="sinusoidal",
    pad_id=3,
)
IDS = torch.tensor([[2, 11, 30, 3], [2, 59, 12, 13]])
SEGMENTS = torch.tensor([[0, 0, 1, 0], [0, 1, 1, 1]])
ATTEND = torch.tensor([[True, True, True, False], [True, True, True, True]])


@pytest.fixture
def model() -> BertForPretraining:
    return randomise(BertForPretraining(SMALL)).float().eval()


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.train([document.text for document in DOCUMENTS], vocab_size=60)


@pytest.fixture
def folder(model, tokenizer, tmp_path) -> Path:
    save_pretrained(model, tokenizer, tmp_path)
    return tmp_path


def refusal(folder: Path | str) -> str:
    """Return what from_pretrained says when it refuses."""
    with pytest.raises(ValueError) as error:
        from_pretrained(folder)
    return str(error.value)


def edit_json(file: Path, **changes: object) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def edit_weights(folder: Path, change) -> None:
    """Rewrite model.safetensors with change(dictionary of tensors)."""
    file = folder / "model.safetensors"
    save_file({name: tensor.clone() for name, tensor in change(load_file(file)).items()}, file)
