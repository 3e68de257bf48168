"""Folders of Llama and Qwen3: both ways, what they leave unsaid, and what ours cannot be."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from model_folders import edit_json, edit_weights, refusal
from oracles import distance, randomise
from samples import DOCUMENTS

from minibert.config import LlamaConfig, QwenConfig
from minibert.hub import from_pretrained, save_pretrained
from minibert.hub.llama_folder import read_llama, read_qwen
from minibert.model.llama import Llama, Qwen
from minibert.text.byte_tokenizer import ByteTokenizer
from minibert.text.tokenizer import Tokenizer

transformers.utils.logging.disable_progress_bar()

SIZES: dict[str, Any] = {
    "vocab_size": 60,
    "layers": 2,
    "width": 16,
    "heads": 4,
    "key_heads": 2,
    "feedforward": 12,
    "max_positions": 16,
    "rotary_base": 500.0,
    "norm_eps": 1e-4,
}
KINDS = [
    (Llama, LlamaConfig(**SIZES), transformers.LlamaForCausalLM, transformers.LlamaConfig),
    (Qwen, QwenConfig(**SIZES), transformers.Qwen3ForCausalLM, transformers.Qwen3Config),
]
EACH = pytest.mark.parametrize(("kind", "config", "theirs", "their_config"), KINDS, ids=["llama", "qwen"])
IDS = torch.tensor([[2, 11, 30, 3], [2, 59, 12, 13]])


@EACH
def test_transformers_opens_what_we_save_and_gets_the_same_numbers(
    kind, config, theirs, their_config, tmp_path
) -> None:
    ours = randomise(kind(config)).float()
    save_pretrained(ours, None, tmp_path)
    opened, info = theirs.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(info.values()), info
    assert distance(ours(IDS), opened(IDS).logits) < 1e-5
    again, _ = from_pretrained(tmp_path)
    assert type(again) is kind and again.config == config and torch.equal(again(IDS), ours(IDS))


@EACH
def test_we_open_what_transformers_saves_and_get_the_same_numbers(
    kind, config, theirs, their_config, tmp_path
) -> None:
    sizes = {"vocab_size": 60, "hidden_size": 16, "num_hidden_layers": 2, "intermediate_size": 12}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 4}
    saved = randomise(theirs(their_config(**sizes, **heads, tie_word_embeddings=True))).float()
    saved.save_pretrained(tmp_path)
    ours, tokenizer = from_pretrained(tmp_path)
    assert type(ours) is kind and tokenizer is None
    assert distance(ours(IDS), saved(IDS).logits) < 1e-5


@EACH
@pytest.mark.parametrize("kind_of_tokenizer", [Tokenizer, ByteTokenizer])
def test_auto_tokenizer_gives_our_ids(
    kind, config, theirs, their_config, kind_of_tokenizer, tmp_path
) -> None:
    texts = [document.text for document in DOCUMENTS]
    tokenizer = kind_of_tokenizer.train(texts, 300)
    save_pretrained(kind(replace(config, vocab_size=len(tokenizer))), tokenizer, tmp_path)
    auto = transformers.AutoTokenizer.from_pretrained(tmp_path)
    for text in [*texts, " Leading  spaces,\ttabs and caf\u00e9"]:
        assert auto(text, add_special_tokens=False)["input_ids"] == tokenizer.encode(text)
    assert auto.model_max_length == 16


@pytest.fixture
def folder(tmp_path) -> Path:
    save_pretrained(Llama(LlamaConfig(**SIZES)), None, tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "change",
    [
        {"tie_word_embeddings": False},
        {"attention_bias": True},
        {"mlp_bias": True},
        {"attention_dropout": 0.1},
        {"hidden_act": "gelu"},
        {"head_dim": 8},
        {"rope_scaling": {"rope_type": "linear", "factor": 2.0}},
        {"use_sliding_window": True},
        {"num_key_value_heads": 3},
        {"hidden_size": "16"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_ours_cannot_be_is_refused_by_name(folder, change) -> None:
    edit_json(folder / "config.json", **change)
    message = refusal(folder)
    (name,) = change
    assert "config.json" in message and (name in message or "key_heads" in message)


@pytest.mark.parametrize("change", [{"rope_type": "yarn"}, {"partial_rotary_factor": 0.5}])
def test_other_turns_are_refused_by_name(folder, change) -> None:
    edit_json(folder / "config.json", rope_parameters={"rope_theta": 500.0, **change})
    (name,) = change
    assert f"{name} must be" in refusal(folder)


def test_an_output_projection_of_its_own_is_refused_though_nothing_is_said_of_it(folder) -> None:
    values = json.loads((folder / "config.json").read_text())
    del values["tie_word_embeddings"]
    (folder / "config.json").write_text(json.dumps(values))
    assert "tie_word_embeddings must be True, got False" in refusal(folder)


def test_an_output_projection_beside_the_embedding_it_is_tied_to_is_left_out(folder) -> None:
    edit_weights(folder, lambda state: state | {"lm_head.weight": state["model.embed_tokens.weight"]})
    assert from_pretrained(folder)[0].config == LlamaConfig(**SIZES)


def test_weights_of_other_sizes_than_config_json_says_are_told(folder) -> None:
    edit_json(folder / "config.json", intermediate_size=13, num_hidden_layers=3)
    message = refusal(folder)
    assert "intermediate_size is 13 in config.json and 12 in the weights" in message
    assert "num_hidden_layers is 3 in config.json and 2 in the weights" in message


@pytest.mark.parametrize(
    ("read", "their_config", "shape"),
    [
        (read_llama, transformers.LlamaConfig(), LlamaConfig),
        (read_qwen, transformers.Qwen3Config(head_dim=128), QwenConfig),
    ],
)
def test_what_is_left_unsaid_means_what_it_means_to_transformers(read, their_config, shape) -> None:
    config = read({"tie_word_embeddings": True}, Path("config.json"))
    expected = shape(
        vocab_size=their_config.vocab_size,
        layers=their_config.num_hidden_layers,
        width=their_config.hidden_size,
        heads=their_config.num_attention_heads,
        key_heads=their_config.num_key_value_heads,
        feedforward=their_config.intermediate_size,
        max_positions=their_config.max_position_embeddings,
        rotary_base=their_config.rope_parameters["rope_theta"],
        norm_eps=their_config.rms_norm_eps,
        init_std=their_config.initializer_range,
    )
    assert config == expected


def test_the_base_of_the_turns_is_read_where_older_files_have_it() -> None:
    assert read_llama({"tie_word_embeddings": True, "rope_theta": 5000}, Path()).rotary_base == 5000.0
