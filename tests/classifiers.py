"""A small classifier of each kind, without dropout, and ids to classify, for tests of how they learn."""

from typing import Any

import torch
from torch import Generator, Tensor

from minibert.config import BertConfig, GptConfig, HeadConfig, ModernBertConfig
from minibert.model.classifier import BertClassifier, GptClassifier, ModernBertClassifier

SIZES: dict[str, Any] = dict(
    vocab_size=40, layers=3, width=16, heads=2, feedforward=24, max_positions=16, dropout=0.0, pad_id=0
)
KINDS: dict[str, Any] = {
    "bert": (BertClassifier, BertConfig(**SIZES, attention_dropout=0.0)),
    "modernbert": (ModernBertClassifier, ModernBertConfig(**SIZES)),
    "gpt": (GptClassifier, GptConfig(**SIZES, attention_dropout=0.0)),
}
HEAD = HeadConfig("classes", ("bad", "fair", "good"), dropout=0.0)


def classifier(kind: str = "bert", seed: int = 0) -> Any:
    """Return a classifier as after pretraining: no matrix is zero, and each block matters."""
    generator = Generator().manual_seed(seed)
    model, config = KINDS[kind]
    made = model(config, HEAD, generator)
    with torch.no_grad():
        for matrix in (p for p in made.parameters() if p.ndim == 2):
            matrix.normal_(0, 0.2, generator=generator)
    return made


def body_name(kind: str) -> str:
    """Return how the names of the body's parameters begin."""
    return "gpt." if kind == "gpt" else "bert."


def some_ids(seed: int = 1) -> Tensor:
    """(4, 7)"""
    return torch.randint(5, 40, (4, 7), generator=Generator().manual_seed(seed))
