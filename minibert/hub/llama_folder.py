"""Folders of `transformers.LlamaForCausalLM` and `Qwen3ForCausalLM`: names and settings."""

from pathlib import Path
from typing import Any, TypeVar

from minibert.config import LlamaConfig, QwenConfig, require
from minibert.hub.folder_kind import FolderKind, Weights, naming, read_fields, rename, require_settings
from minibert.model.llama import Llama, Qwen

Config = TypeVar("Config", bound=LlamaConfig)

MODULES = {
    "tokens": "model.embed_tokens",
    "blocks.#.attention_norm": "model.layers.#.input_layernorm",
    "blocks.#.attention.query": "model.layers.#.self_attn.q_proj",
    "blocks.#.attention.key": "model.layers.#.self_attn.k_proj",
    "blocks.#.attention.value": "model.layers.#.self_attn.v_proj",
    "blocks.#.attention.output": "model.layers.#.self_attn.o_proj",
    "blocks.#.attention.query_norm": "model.layers.#.self_attn.q_norm",
    "blocks.#.attention.key_norm": "model.layers.#.self_attn.k_norm",
    "blocks.#.feedforward_norm": "model.layers.#.post_attention_layernorm",
    "blocks.#.feedforward.gate": "model.layers.#.mlp.gate_proj",
    "blocks.#.feedforward.expand": "model.layers.#.mlp.up_proj",
    "blocks.#.feedforward.contract": "model.layers.#.mlp.down_proj",
    "norm": "model.norm",
}
"""Our modules and theirs; # stands for the number of a block."""

FIELDS = {
    "vocab_size": "vocab_size",
    "layers": "num_hidden_layers",
    "width": "hidden_size",
    "heads": "num_attention_heads",
    "key_heads": "num_key_value_heads",
    "feedforward": "intermediate_size",
    "max_positions": "max_position_embeddings",
    "norm_eps": "rms_norm_eps",
    "init_std": "initializer_range",
}
"""Our settings and theirs, where the values mean the same."""

LLAMA_7B: dict[str, Any] = {
    "vocab_size": 32000,
    "layers": 32,
    "width": 4096,
    "heads": 32,
    "feedforward": 11008,
}
"""What a folder of Llama means that does not say it."""

QWEN3_8B = LLAMA_7B | {"vocab_size": 151936, "feedforward": 22016, "max_positions": 32768}
"""What a folder of Qwen3 means that does not say it."""

WANTED = {
    "tie_word_embeddings": (True,),
    "hidden_act": ("silu",),
    "attention_bias": (False,),
    "mlp_bias": (False,),
    "attention_dropout": (0.0,),
    "rope_scaling": (None,),
    "use_sliding_window": (False,),
}
"""Their settings that ours do not have, and the values that mean the same model."""


def to_hugging_face(state: Weights) -> Weights:
    """Give tensors by our names (weights or gradients) the names of `transformers`."""
    return {rename(name, MODULES): tensor for name, tensor in state.items()}


def from_hugging_face(state: Weights) -> Weights:
    """Give tensors by the names of `transformers` our names; those we do not know keep theirs.

    The output projection, which some files hold beside the token embedding, is left out: config.json says
    that it is the same.
    """
    theirs = {theirs: ours for ours, theirs in MODULES.items()}
    return {rename(name, theirs): tensor for name, tensor in state.items() if name != "lm_head.weight"}


def write_config(config: LlamaConfig) -> dict[str, Any]:
    """Return config.json as `transformers` reads it."""
    return {
        "architectures": ["Qwen3ForCausalLM" if isinstance(config, QwenConfig) else "LlamaForCausalLM"],
        **{theirs: getattr(config, ours) for ours, theirs in FIELDS.items()},
        "head_dim": config.width // config.heads,
        "hidden_act": "silu",
        "rope_parameters": {"rope_type": "default", "rope_theta": config.rotary_base},
        "tie_word_embeddings": True,
        # Theirs are those of the first Llama's vocabulary where nothing is said.
        "bos_token_id": None,
        "eos_token_id": None,
    }


def read_llama(values: dict[str, Any], file: Path) -> LlamaConfig:
    """Translate a config.json of Llama: see `read_config`."""
    return read_config(values, file, LlamaConfig, LLAMA_7B)


def read_qwen(values: dict[str, Any], file: Path) -> QwenConfig:
    """Translate a config.json of Qwen3, whose heads are 128 wide if nothing is said: see `read_config`."""
    return read_config({"head_dim": 128, **values}, file, QwenConfig, QWEN3_8B)


def read_config(values: dict[str, Any], file: Path, shape: type[Config], unsaid: dict[str, Any]) -> Config:
    """Translate a config.json of `transformers`; what it leaves out takes the value that theirs has then.

    Raises ValueError for an output projection of its own, for biases, for turns that are stretched to longer
    texts, for windows, and for heads that are not width / heads wide.
    """
    # Theirs have an output projection of their own, unless they say otherwise.
    require_settings({"tie_word_embeddings": False, **values}, file, WANTED)
    rope = values.get("rope_parameters") or {}
    require_settings(rope, file, {"rope_type": ("default",), "partial_rotary_factor": (1.0,)})

    sizes = unsaid | read_fields(values, file, FIELDS, shape)
    sizes.setdefault("key_heads", sizes["heads"])
    base = rope.get("rope_theta", values.get("rope_theta"))
    if base is not None:
        sizes["rotary_base"] = float(base)
    with naming(file):
        config = shape(**sizes)
    K = config.width // config.heads
    head_dim = values.get("head_dim")
    require(
        head_dim in (None, K),
        f"{file}: head_dim must be hidden_size / num_attention_heads, {K}, got {head_dim}",
    )
    return config


SIZES = {
    "vocab_size": ("tokens.weight", 0),
    "width": ("tokens.weight", 1),
    "feedforward": ("blocks.0.feedforward.gate.weight", 0),
}
"""Settings that the weights tell too."""

LLAMA, QWEN = (
    FolderKind(
        name,
        model_type,
        shape,
        model,
        read,
        write_config,
        to_hugging_face,
        from_hugging_face,
        FIELDS,
        sizes=SIZES,
        blocks="blocks.",
    )
    for name, model_type, shape, model, read in (
        ("Llama", "llama", LlamaConfig, Llama, read_llama),
        ("Qwen3", "qwen3", QwenConfig, Qwen, read_qwen),
    )
)
