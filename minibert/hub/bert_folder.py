"""Folders of `transformers.BertForPreTraining`: names, settings, and what old ones leave out."""

import re
from pathlib import Path
from typing import Any

from minibert.config import BertConfig
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
from minibert.model.bert import BertForPretraining

MODULES = {
    "bert.embedding.tokens": "bert.embeddings.word_embeddings",
    "bert.embedding.positions": "bert.embeddings.position_embeddings",
    "bert.embedding.segments": "bert.embeddings.token_type_embeddings",
    "bert.embedding.norm": "bert.embeddings.LayerNorm",
    "bert.blocks.#.attention.query": "bert.encoder.layer.#.attention.self.query",
    "bert.blocks.#.attention.key": "bert.encoder.layer.#.attention.self.key",
    "bert.blocks.#.attention.value": "bert.encoder.layer.#.attention.self.value",
    "bert.blocks.#.attention.output": "bert.encoder.layer.#.attention.output.dense",
    "bert.blocks.#.attention_norm": "bert.encoder.layer.#.attention.output.LayerNorm",
    "bert.blocks.#.feedforward.expand": "bert.encoder.layer.#.intermediate.dense",
    "bert.blocks.#.feedforward.contract": "bert.encoder.layer.#.output.dense",
    "bert.blocks.#.feedforward_norm": "bert.encoder.layer.#.output.LayerNorm",
    "bert.pooler": "bert.pooler.dense",
    "words.dense": "cls.predictions.transform.dense",
    "words.norm": "cls.predictions.transform.LayerNorm",
    "words": "cls.predictions",
    "pairs": "cls.seq_relationship",
}
"""Our modules and theirs; # stands for the number of a block."""

FIELDS = {
    "vocab_size": "vocab_size",
    "layers": "num_hidden_layers",
    "width": "hidden_size",
    "heads": "num_attention_heads",
    "feedforward": "intermediate_size",
    "max_positions": "max_position_embeddings",
    "segments": "type_vocab_size",
    "dropout": "hidden_dropout_prob",
    "attention_dropout": "attention_probs_dropout_prob",
    "norm_eps": "layer_norm_eps",
    "init_std": "initializer_range",
    "pad_id": "pad_token_id",
}
"""Our settings and theirs, where the values mean the same."""

ACTIVATIONS = {"gelu": "gelu", "gelu_pytorch_tanh": "gelu_tanh", "gelu_new": "gelu_tanh", "relu": "relu"}
"""Their activations and ours."""

HEADS = {"bert.pooler.": "the pooler", "words.": "the head for words", "pairs.": "the head for pairs"}
"""What a folder may lack as a whole: it then starts fresh."""


def to_hugging_face(state: Weights) -> Weights:
    """Give tensors by our names (weights or gradients) the names of `transformers`; the tied weight once."""
    return join({name: tensor for name, tensor in state.items() if name != "words.weight"}, MODULES)


def from_hugging_face(state: Weights) -> Weights:
    """Give tensors by the names of `transformers` our names; those we do not know keep theirs.

    Also read: folders of the bare encoder (no `bert.` in front), `gamma` and `beta` for the norms,
    `position_ids` (left out: they hold 0, 1, 2 ...), and the copies of tied weights (left out when equal).
    Raises ValueError for an output projection that is not the token embedding.
    """
    old: Weights = {}
    for name, tensor in state.items():
        name = re.sub(r"^(embeddings|encoder|pooler)\.", r"bert.\1.", name)
        name = re.sub(r"\.gamma$", ".weight", re.sub(r"\.beta$", ".bias", name))
        if not name.endswith(".position_ids"):
            old[name] = tensor
    drop_copy(old, "cls.predictions.decoder.weight", "bert.embeddings.word_embeddings.weight")
    drop_copy(old, "cls.predictions.decoder.bias", "cls.predictions.bias")
    return split(old, MODULES)


def write_config(config: BertConfig) -> dict[str, Any]:
    """Return config.json as `transformers` reads it; what only we need stands under "minibert"."""
    return {
        "architectures": ["BertForPreTraining"],
        **{theirs: getattr(config, ours) for ours, theirs in FIELDS.items()},
        "hidden_act": next(theirs for theirs, ours in ACTIVATIONS.items() if ours == config.activation),
        "tie_word_embeddings": True,
        "minibert": {"position_init": config.position_init},
    }


def read_config(values: dict[str, Any], file: Path) -> BertConfig:
    """Translate a config.json of `transformers`; what it leaves out takes the default of BERT.

    Raises ValueError for anything but a bidirectional BERT with absolute positions.
    """
    wanted = {
        "hidden_act": tuple(ACTIVATIONS),
        "position_embedding_type": ("absolute",),
        "is_decoder": (False,),
        "add_cross_attention": (False,),
    }
    require_settings(values, file, wanted)

    # What the first files of BERT left unsaid: the sizes of bert-base-uncased.
    sizes = {"vocab_size": 30522, "layers": 12, "width": 768, "heads": 12, "feedforward": 3072}
    sizes |= read_fields(values, file, FIELDS, BertConfig)
    with naming(file):
        return BertConfig(
            **sizes,
            activation=ACTIVATIONS[values.get("hidden_act", "gelu")],  # pyright: ignore[reportArgumentType]
            position_init=values.get("minibert", {}).get("position_init", "normal"),
        )


BERT = FolderKind(
    "BERT",
    "bert",
    BertConfig,
    BertForPretraining,
    read_config,
    write_config,
    to_hugging_face,
    from_hugging_face,
    FIELDS,
    sizes={
        "vocab_size": ("bert.embedding.tokens.weight", 0),
        "width": ("bert.embedding.tokens.weight", 1),
        "max_positions": ("bert.embedding.positions.weight", 0),
        "segments": ("bert.embedding.segments.weight", 0),
        "feedforward": ("bert.blocks.0.feedforward.expand.weight", 0),
    },
    blocks="bert.blocks.",
    heads=HEADS,
)
