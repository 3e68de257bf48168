"""Folders of `transformers.ModernBertForMaskedLM`: names and settings, of today and of older versions."""

import re
from pathlib import Path
from typing import Any

from minibert.config import ModernBertConfig
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
from minibert.model.modernbert import ModernBertForPretraining

MODULES = {
    "bert.embedding.tokens": "model.embeddings.tok_embeddings",
    "bert.embedding.norm": "model.embeddings.norm",
    "bert.blocks.#.attention_norm": "model.layers.#.attn_norm",
    "bert.blocks.#.attention.query": "model.layers.#.attn.Wqkv",
    "bert.blocks.#.attention.key": "model.layers.#.attn.Wqkv",
    "bert.blocks.#.attention.value": "model.layers.#.attn.Wqkv",
    "bert.blocks.#.attention.output": "model.layers.#.attn.Wo",
    "bert.blocks.#.feedforward_norm": "model.layers.#.mlp_norm",
    "bert.blocks.#.feedforward.gate": "model.layers.#.mlp.Wi",
    "bert.blocks.#.feedforward.expand": "model.layers.#.mlp.Wi",
    "bert.blocks.#.feedforward.contract": "model.layers.#.mlp.Wo",
    "bert.norm": "model.final_norm",
    "words.dense": "head.dense",
    "words.norm": "head.norm",
    "words": "decoder",
}
"""Our modules and theirs; # stands for the number of a block. Where several of ours are one of theirs, they
stand in it one below the other, in this order."""

FIELDS = {
    "vocab_size": "vocab_size",
    "layers": "num_hidden_layers",
    "width": "hidden_size",
    "heads": "num_attention_heads",
    "feedforward": "intermediate_size",
    "max_positions": "max_position_embeddings",
    "local_window": "local_attention",
    "dropout": "mlp_dropout",
    "attention_dropout": "attention_dropout",
    "norm_eps": "norm_eps",
    "init_std": "initializer_range",
    "pad_id": "pad_token_id",
}
"""Our settings and theirs, where the values mean the same."""

BASE: dict[str, Any] = {
    "vocab_size": 50368,
    "layers": 22,
    "width": 768,
    "heads": 12,
    "feedforward": 1152,
    "pad_id": 50283,
}
"""What a folder means that does not say it: the sizes of ModernBERT-base."""

WANTED = {
    "hidden_activation": ("gelu",),
    "classifier_activation": ("gelu",),
    "classifier_pooling": ("cls", "mean"),
    "norm_bias": (False,),
    "attention_bias": (False,),
    "mlp_bias": (False,),
    "classifier_bias": (False,),
    "decoder_bias": (True,),
    "tie_word_embeddings": (True,),
    "rope_scaling": (None,),
}
"""Their settings that ours do not have, and the values that mean the same model."""

HEADS = {"words.": "the head for words"}
"""What a folder may lack as a whole: it then starts fresh."""

FULL, SLIDING = "full_attention", "sliding_attention"
"""What they call a block that sees the whole sequence, and one that sees a window."""


def to_hugging_face(state: Weights) -> Weights:
    """Give tensors by our names (weights or gradients) the names of `transformers`; the tied weight once."""
    return join({name: tensor for name, tensor in state.items() if name != "words.weight"}, MODULES)


def from_hugging_face(state: Weights) -> Weights:
    """Give tensors by the names of `transformers` our names; those we do not know keep theirs.

    Also read: folders of the bare encoder (no `model.` in front), and the copy of the tied weight (left out
    when equal). Raises ValueError for an output projection that is not the token embedding.
    """
    state = {re.sub(r"^(embeddings|layers|final_norm)\.", r"model.\1.", name): state[name] for name in state}
    drop_copy(state, "decoder.weight", "model.embeddings.tok_embeddings.weight")
    return split(state, MODULES)


def layer_types(layers: int, global_every: int) -> list[str]:
    """Return for each block whether it sees the whole sequence or a window."""
    return [SLIDING if i % global_every else FULL for i in range(layers)]


def write_config(config: ModernBertConfig) -> dict[str, Any]:
    """Return config.json as `transformers` reads it: today's versions and those before 5."""
    bases = {FULL: config.rotary_base, SLIDING: config.local_rotary_base}
    return {
        "architectures": ["ModernBertForMaskedLM"],
        **{theirs: getattr(config, ours) for ours, theirs in FIELDS.items()},
        "embedding_dropout": config.dropout,
        "layer_types": layer_types(config.layers, config.global_every),
        "global_attn_every_n_layers": config.global_every,
        "rope_parameters": {
            kind: {"rope_type": "default", "rope_theta": base} for kind, base in bases.items()
        },
        "global_rope_theta": config.rotary_base,
        "local_rope_theta": config.local_rotary_base,
        "tie_word_embeddings": True,
        # Theirs are those of ModernBERT's own vocabulary where nothing is said.
        **dict.fromkeys(("bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id")),
    }


def read_config(values: dict[str, Any], file: Path) -> ModernBertConfig:
    """Translate a config.json of `transformers`; what it leaves out takes the value of ModernBERT-base.

    Raises ValueError for biases other than that of the words, for an output projection of its own, for turns
    that are stretched to longer texts, and for windows in an order that ours do not have.
    """
    require_settings(values, file, WANTED)
    sizes = BASE | read_fields(values, file, FIELDS, ModernBertConfig)
    sizes["global_every"] = read_global_every(values, sizes["layers"], file)
    for ours, theirs, kind in (
        ("rotary_base", "global_rope_theta", FULL),
        ("local_rotary_base", "local_rope_theta", SLIDING),
    ):
        rope = (values.get("rope_parameters") or {}).get(kind) or {}
        require_settings(rope, file, {"rope_type": ("default",)})
        base = rope.get("rope_theta", values.get(theirs))
        if base is not None:
            sizes[ours] = float(base)
    with naming(file):
        return ModernBertConfig(**sizes)


def read_global_every(values: dict[str, Any], layers: int, file: Path) -> int:
    """Return of how many blocks one sees the whole sequence. Raises ValueError for any other order."""
    every = values.get("global_attn_every_n_layers", 3)
    types = values.get("layer_types") or layer_types(layers, every)
    for number in (every, *range(1, layers + 1)):
        if types == layer_types(layers, number):
            return number
    raise ValueError(
        f"{file}: layer_types must be {FULL} in the first of every so many blocks and {SLIDING} in the "
        f"others, got {types}"
    )


MODERNBERT = FolderKind(
    "ModernBERT",
    "modernbert",
    ModernBertConfig,
    ModernBertForPretraining,
    read_config,
    write_config,
    to_hugging_face,
    from_hugging_face,
    FIELDS,
    sizes={
        "vocab_size": ("bert.embedding.tokens.weight", 0),
        "width": ("bert.embedding.tokens.weight", 1),
        "feedforward": ("bert.blocks.0.feedforward.gate.weight", 0),
    },
    blocks="bert.blocks.",
    heads=HEADS,
)
