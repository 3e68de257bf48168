"""Models of `transformers` that work in float64 throughout.

Theirs norm, turn and take softmaxes in float32, whatever type they are given: right for half precision, but
it hides how near ours are. Here their modules find float64 under the name of torch.float32.
"""

from types import ModuleType
from typing import Any

import pytest
import torch
from transformers.models.llama import modeling_llama
from transformers.models.modernbert import modeling_modernbert
from transformers.models.qwen3 import modeling_qwen3


class Exact:
    """torch, in which float32 is float64."""

    float32 = float = torch.float64

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)


@pytest.fixture(scope="module")
def exact_transformers():
    """Let Llama, Qwen3 and ModernBERT of `transformers` work in float64, while the tests of a file run."""
    with pytest.MonkeyPatch.context() as patch:
        modules: tuple[ModuleType, ...] = (modeling_llama, modeling_qwen3, modeling_modernbert)
        for module in modules:
            patch.setattr(module, "torch", Exact())
        # ModernBERT's turn is Llama's, but for a .float() on queries and keys.
        patch.setattr(modeling_modernbert, "apply_rotary_pos_emb", modeling_llama.apply_rotary_pos_emb)
        yield
