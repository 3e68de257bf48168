"""Folders of `transformers.GPT2LMHeadModel`: names, settings, and matrices that stand the other way round."""

import re
from pathlib import Path
from typing import Any

from torch import Tensor

from minibert.config import GptConfig, require
from minibert.hub.folder_kind import (
    FolderKind,
    Weights,
    drop_copy,
    join,
    naming,
    read_fields,
    require_settings,
    split,
)
from minibert.model.gpt import Gpt

MODULES = {
    "tokens": "transformer.wte",
    "positions": "transformer.wpe",
    "blocks.#.attention_norm": "transformer.h.#.ln_1",
    "blocks.#.attention.project": "transformer.h.#.attn.c_attn",
    "blocks.#.attention.output": "transformer.h.#.attn.c_proj",
    "blocks.#.feedforward_norm": "transformer.h.#.ln_2",
    "blocks.#.feedforward.expand": "transformer.h.#.mlp.c_fc",
    "blocks.#.feedforward.contract": "transformer.h.#.mlp.c_proj",
    "norm": "transformer.ln_f",
}
"""Our modules and theirs; # stands for the number of a block."""

BY_HAND = {f"blocks.#.attention.{part}": "blocks.#.attention.project" for part in ("query", "key", "value")}
"""The modules that `minibert.byhand.gpt` has apart, and ours that stands for all of them, in this order."""

TURNED = (".c_attn.weight", ".c_proj.weight", ".c_fc.weight")
"""Weights by their names that stand in theirs as the transposes of ours."""

BUFFERS = (".attn.bias", ".attn.masked_bias")
"""What older files hold beside the weights: the causal mask, and a large negative number."""

FIELDS = {
    "vocab_size": "vocab_size",
    "layers": "n_layer",
    "width": "n_embd",
    "heads": "n_head",
    "feedforward": "n_inner",
    "max_positions": "n_positions",
    "dropout": "resid_pdrop",
    "attention_dropout": "attn_pdrop",
    "norm_eps": "layer_norm_epsilon",
    "init_std": "initializer_range",
    "pad_id": "pad_token_id",
}
"""Our settings and theirs, where the values mean the same."""

ACTIVATIONS = {"gelu_new": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh", "gelu": "gelu", "relu": "relu"}
"""Their activations and ours."""

WANTED = {
    "activation_function": tuple(ACTIVATIONS),
    "scale_attn_weights": (True,),
    "scale_attn_by_inverse_layer_idx": (False,),
    "add_cross_attention": (False,),
    "tie_word_embeddings": (True,),
}
"""Their settings that ours do not have, or not all of, and the values that can be read."""

UNSAID = {"vocab_size": 50257, "layers": 12, "width": 768, "heads": 12, "max_positions": 1024}
"""What a folder means that does not say it: the sizes of GPT-2."""


def turn(name: str, tensor: Tensor) -> Tensor:
    """Return a tensor by their name the way round that theirs have it, or back again."""
    return tensor.t() if name.endswith(TURNED) and tensor.ndim == 2 else tensor


def to_hugging_face(state: Weights) -> Weights:
    """Give tensors by our names (weights or gradients) the names and the form of `transformers`."""
    return {name: turn(name, tensor).contiguous() for name, tensor in join(state, MODULES).items()}


def from_hugging_face(state: Weights) -> Weights:
    """Give tensors by the names of `transformers` our names and form; those we do not know keep them.

    Also read: folders of the bare stack (no `transformer.` in front), the buffers of older files (left out),
    and the copy of the tied weight (left out when equal). Raises ValueError for an output projection that is
    not the token embedding.
    """
    found: Weights = {}
    for name, tensor in state.items():
        if not name.endswith(BUFFERS):
            found[re.sub(r"^(wte|wpe|h|ln_f)\.", r"transformer.\1.", name)] = turn(name, tensor)
    drop_copy(found, "lm_head.weight", "transformer.wte.weight")
    return split(found, MODULES)


def write_config(config: GptConfig) -> dict[str, Any]:
    """Return config.json as `transformers` reads it; what only we need stands under "minibert"."""
    return {
        "architectures": ["GPT2LMHeadModel"],
        **{theirs: getattr(config, ours) for ours, theirs in FIELDS.items()},
        "embd_pdrop": config.dropout,
        "activation_function": next(
            theirs for theirs, ours in ACTIVATIONS.items() if ours == config.activation
        ),
        "tie_word_embeddings": True,
        # Theirs are those of GPT-2's vocabulary where nothing is said.
        "bos_token_id": None,
        "eos_token_id": None,
        "minibert": {"position_init": config.position_init},
    }


def read_config(values: dict[str, Any], file: Path) -> GptConfig:
    """Translate a config.json of `transformers`; what it leaves out takes the value that theirs has then.

    Raises ValueError for scores that are scaled otherwise, for cross-attention, for an output projection of
    its own, and for one dropout behind the embedding and another behind the branches.
    """
    require_settings(values, file, WANTED)
    sizes = UNSAID | read_fields(values, file, FIELDS, GptConfig)
    sizes.setdefault("feedforward", 4 * sizes["width"])
    dropout, embedding = sizes.get("dropout", GptConfig.dropout), values.get("embd_pdrop", GptConfig.dropout)
    require(embedding == dropout, f"{file}: embd_pdrop must be resid_pdrop, {dropout}, got {embedding!r}")
    with naming(file):
        return GptConfig(
            **sizes,
            activation=ACTIVATIONS[values.get("activation_function", "gelu_new")],  # pyright: ignore[reportArgumentType]
            position_init=values.get("minibert", {}).get("position_init", "normal"),
        )


GPT = FolderKind(
    "GPT-2",
    "gpt2",
    GptConfig,
    Gpt,
    read_config,
    write_config,
    to_hugging_face,
    from_hugging_face,
    FIELDS,
    sizes={
        "vocab_size": ("tokens.weight", 0),
        "width": ("tokens.weight", 1),
        "max_positions": ("positions.weight", 0),
        "feedforward": ("blocks.0.feedforward.expand.weight", 0),
    },
    blocks="blocks.",
)
