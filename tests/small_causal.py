"""A small model of every causal kind, and one of `transformers`, for the tests of what is done with them."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Generator
from transformers import GPT2Config as TheirConfig
from transformers import GPT2LMHeadModel

from minibert.config import GptConfig, LlamaConfig, LstmConfig, QwenConfig, RnnConfig
from minibert.hub.gpt_folder import to_hugging_face
from minibert.model.gpt import Gpt
from minibert.model.llama import Llama, Qwen
from minibert.model.recurrent import Lstm, Rnn

V = 31
SIZES: dict[str, Any] = {"vocab_size": V, "width": 16}
STACK: dict[str, Any] = {**SIZES, "heads": 2, "feedforward": 32, "max_positions": 24}


def lively(model: Any) -> Any:
    """Return a model with large weights: its next tokens are far from equally likely, and depend on all."""
    generator = Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.6 * torch.randn(parameter.shape, generator=generator) + (parameter.ndim == 1))
    return model.eval()


MODELS: dict[str, Callable[[], Any]] = {
    "gpt": lambda: lively(Gpt(GptConfig(**STACK))),
    "llama": lambda: lively(Llama(LlamaConfig(**STACK, key_heads=1))),
    "qwen": lambda: lively(Qwen(QwenConfig(**STACK, key_heads=2))),
    "rnn": lambda: lively(Rnn(RnnConfig(**SIZES))),
    "lstm": lambda: lively(Lstm(LstmConfig(**SIZES))),
}

EACH = pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)


def twin(model: Gpt) -> Any:
    """Return the same model, of `transformers`."""
    config = TheirConfig(
        vocab_size=V,
        n_layer=2,
        n_embd=16,
        n_head=2,
        n_inner=32,
        n_positions=24,
        bos_token_id=None,
        eos_token_id=None,
        pad_token_id=0,
    )
    theirs = GPT2LMHeadModel(config)
    theirs.load_state_dict(to_hugging_face(model.state_dict()), strict=False)
    return theirs.eval()
