"""A small task model on each kind of body, for tests of what happens to its weights."""

from typing import Any

import torch
from torch import Generator, Tensor, nn

from minibert.config import BertConfig, GptConfig, ModernBertConfig
from minibert.hub import new_model

SIZES: dict[str, Any] = dict(
    vocab_size=40, layers=3, width=16, heads=2, feedforward=24, max_positions=16, dropout=0.0
)
SHAPES = {
    "bert": BertConfig(**SIZES, attention_dropout=0.0),
    "modernbert": ModernBertConfig(**SIZES),
    "gpt": GptConfig(**SIZES, attention_dropout=0.0),
}


class TaskModel(nn.Module):
    """A pretrained body under a new linear head of three classes, which reads the first token."""

    def __init__(self, kind: str, generator: Generator) -> None:
        super().__init__()
        self.config = SHAPES[kind]
        whole = new_model(self.config, generator)
        self.encoder = whole if kind == "gpt" else whole.bert
        self.head = nn.Linear(self.config.width, 3)
        with torch.no_grad():  # as after pretraining: no matrix is zero, and each block matters
            for matrix in (p for p in self.parameters() if p.ndim == 2):
                matrix.normal_(0, 0.2, generator=generator)

    @property
    def body(self) -> Any:
        return self.encoder

    def features(self, ids: Tensor) -> Tensor:
        """(B, T) to (B, D)."""
        hidden = self.encoder.features(ids) if hasattr(self.encoder, "features") else self.encoder(ids)
        return hidden[:, 0] if hasattr(self.encoder, "embedding") else hidden[:, -1]

    def logits(self, features: Tensor) -> Tensor:
        """(B, D) to (B, 3)."""
        pool = hasattr(self.encoder, "pooler")
        return self.head(torch.tanh(self.encoder.pooler(features)) if pool else features)

    def forward(self, ids: Tensor) -> Tensor:
        """(B, T) to (B, 3)."""
        return self.logits(self.features(ids))


def task_model(kind: str = "bert", seed: int = 0) -> TaskModel:
    return TaskModel(kind, Generator().manual_seed(seed))


def some_ids(seed: int = 1) -> Tensor:
    """(4, 7)"""
    return torch.randint(5, 40, (4, 7), generator=Generator().manual_seed(seed))
