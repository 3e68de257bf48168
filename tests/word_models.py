"""A small pretrained model of each kind that guesses words, in a folder, and some texts of its words."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from small_runs import documents, small_tokenizer
from torch import Generator

from minibert.batches.labels import Encoded, Ragged
from minibert.config import BertConfig, GptConfig, ModernBertConfig
from minibert.hub import new_model, save_pretrained
from minibert.text.base_tokenizer import BaseTokenizer
from minibert.text.byte_tokenizer import ByteTokenizer

SIZES: dict[str, Any] = dict(layers=2, width=16, heads=2, feedforward=24, max_positions=48)
SHAPES: dict[str, Any] = {"bert": BertConfig, "modernbert": ModernBertConfig, "gpt": GptConfig}


def tokenizer_for(kind: str) -> BaseTokenizer:
    if kind != "gpt":
        return small_tokenizer()
    return ByteTokenizer.train([document.text for document in documents()], vocab_size=300)


def saved(kind: str, folder: Path) -> Path:
    """Write a model with lively weights into a folder, and return it."""
    tokenizer, generator = tokenizer_for(kind), Generator().manual_seed(0)
    model = new_model(SHAPES[kind](vocab_size=len(tokenizer), **SIZES), generator)
    with torch.no_grad():
        for weight in (p for p in model.parameters() if p.ndim == 2):
            weight.normal_(0, 0.2, generator=generator)
    save_pretrained(model, tokenizer, folder)
    return folder


def sentences(count: int = 30) -> Encoded:
    """Return sentences of small runs as BERT reads them, each with a label of two."""
    tokenizer = small_tokenizer()
    lines = [line for document in documents() for line in document.text.split("\n")][:count]
    ids = Ragged.of([[tokenizer.cls_id, *tokenizer.encode(line), tokenizer.sep_id] for line in lines])
    return Encoded(ids, ids.lengths, np.arange(count) % 2, np.arange(count))
