"""Folders of ModernBERT: both ways, today's and older ones, and what ours cannot be."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import transformers
from model_folders import edit_json, edit_weights, refusal
from oracles import distance, randomise
from samples import DOCUMENTS

from minibert.config import ModernBertConfig
from minibert.hub import from_pretrained, open_folder, save_pretrained
from minibert.hub.modernbert_folder import from_hugging_face, read_config, to_hugging_face
from minibert.model.modernbert import ModernBertForPretraining
from minibert.text.byte_tokenizer import ByteTokenizer
from minibert.text.tokenizer import Tokenizer

transformers.utils.logging.disable_progress_bar()

SMALL = ModernBertConfig(
    vocab_size=60,
    layers=5,
    width=16,
    heads=4,
    feedforward=12,
    max_positions=16,
    global_every=2,
    local_window=4,
    rotary_base=500.0,
    local_rotary_base=50.0,
    norm_eps=1e-4,
    pad_id=3,
)
IDS = torch.tensor([[2, 11, 30, 3, 5, 6, 7, 8], [2, 59, 12, 13, 14, 15, 16, 17]])


@pytest.fixture
def ours() -> ModernBertForPretraining:
    return randomise(ModernBertForPretraining(SMALL)).float().eval()


@pytest.fixture
def folder(ours, tmp_path) -> Path:
    save_pretrained(ours, None, tmp_path)
    return tmp_path


def test_transformers_opens_what_we_save_and_gets_the_same_numbers(ours, folder) -> None:
    opened, info = transformers.ModernBertForMaskedLM.from_pretrained(  # pyright: ignore[reportGeneralTypeIssues]
        folder, output_loading_info=True
    )
    assert not any(info.values()), info
    assert distance(ours(IDS).words, opened.eval()(IDS).logits) < 1e-5
    again, _ = from_pretrained(folder)
    assert again.config == SMALL and torch.equal(again(IDS).words, ours(IDS).words)


def test_we_open_what_transformers_saves_and_get_the_same_numbers(tmp_path) -> None:
    config = transformers.ModernBertConfig(
        vocab_size=60,
        hidden_size=16,
        num_hidden_layers=4,
        num_attention_heads=2,
        intermediate_size=12,
        local_attention=4,
        pad_token_id=0,
        classifier_pooling="mean",
    )
    saved = randomise(transformers.ModernBertForMaskedLM(config)).float().eval()
    saved.save_pretrained(tmp_path)
    opened, tokenizer = from_pretrained(tmp_path)
    assert type(opened) is ModernBertForPretraining and tokenizer is None
    assert distance(opened(IDS).words, saved(IDS).logits) < 1e-5


@pytest.mark.parametrize("kind", [Tokenizer, ByteTokenizer])
def test_auto_tokenizer_gives_our_ids(kind, tmp_path) -> None:
    texts = [document.text for document in DOCUMENTS]
    tokenizer = kind.train(texts, 300)
    model = ModernBertForPretraining(replace(SMALL, vocab_size=len(tokenizer)))
    save_pretrained(model, tokenizer, tmp_path)
    auto = transformers.AutoTokenizer.from_pretrained(tmp_path)
    for text in [*texts, " Leading  spaces,\ttabs and caf\u00e9"]:
        assert auto(text, add_special_tokens=False)["input_ids"] == tokenizer.encode(text)
    assert auto.model_max_length == 16


def test_names_go_both_ways_whatever_their_order(ours) -> None:
    state = dict(ours.named_parameters())
    there = to_hugging_face(dict(reversed(state.items())))
    theirs = there["model.layers.1.attn.Wqkv.weight"]
    assert torch.equal(theirs[:16], state["bert.blocks.1.attention.query.weight"])
    assert torch.equal(theirs[32:], state["bert.blocks.1.attention.value.weight"])
    back = from_hugging_face(there)
    assert set(back) == set(state) and all(torch.equal(back[name], state[name]) for name in state)


def test_a_bare_encoder_opens_and_its_head_starts_fresh(folder) -> None:
    def bare(state):
        return {
            name.removeprefix("model."): tensor for name, tensor in state.items() if name.startswith("model.")
        }

    before = from_pretrained(folder)[0](IDS).hidden
    edit_weights(folder, bare)
    opened, _, fresh = open_folder(folder)
    assert fresh == ["the head for words"] and torch.equal(opened(IDS).hidden, before)


def test_a_copy_of_the_tied_weight_is_left_out_and_an_output_of_its_own_refused(folder) -> None:
    embedding = "model.embeddings.tok_embeddings.weight"
    edit_weights(folder, lambda state: state | {"decoder.weight": state[embedding]})
    from_pretrained(folder)
    edit_weights(folder, lambda state: state | {"decoder.weight": 2 * state[embedding]})
    assert f"decoder.weight is not {embedding}" in refusal(folder)


def test_weights_that_are_too_many_are_named(folder) -> None:
    edit_weights(folder, lambda state: state | {"extra.weight": torch.zeros(2)})
    message = refusal(folder)
    assert "does not hold the weights of this ModernBERT; unexpected: extra.weight" in message


# ------------------------------------------------------------ config.json


@pytest.mark.parametrize(
    "change",
    [
        {"norm_bias": True},
        {"attention_bias": True},
        {"mlp_bias": True},
        {"classifier_bias": True},
        {"decoder_bias": False},
        {"tie_word_embeddings": False},
        {"hidden_activation": "silu"},
        {"classifier_activation": "relu"},
        {"rope_scaling": {"rope_type": "linear", "factor": 2.0}},
        {"hidden_size": "16"},
        {"num_attention_heads": 5},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_ours_cannot_be_is_refused_by_name(folder, change) -> None:
    edit_json(folder / "config.json", **change)
    (name,) = change
    message = refusal(folder)
    assert "config.json" in message and (name in message or "heads 5" in message)


def test_stretched_turns_are_refused(folder) -> None:
    stretched = {"rope_type": "yarn", "rope_theta": 500.0}
    edit_json(folder / "config.json", rope_parameters={"full_attention": stretched})
    assert "rope_type must be default, got 'yarn'" in refusal(folder)


def test_windows_in_another_order_are_refused(folder) -> None:
    types = ["full_attention", "sliding_attention", "full_attention", "full_attention", "sliding_attention"]
    edit_json(folder / "config.json", layer_types=types)
    assert "layer_types must be full_attention in the first of every so many blocks" in refusal(folder)


@pytest.mark.parametrize(("layers", "every"), [(1, 3), (2, 3), (5, 1), (5, 4), (5, 9)])
def test_any_distance_between_blocks_that_see_everything_is_kept(layers, every, tmp_path) -> None:
    config = replace(SMALL, layers=layers, global_every=every)
    save_pretrained(ModernBertForPretraining(config), None, tmp_path)
    assert from_pretrained(tmp_path)[0].config == config


def test_the_types_of_the_blocks_count_where_nothing_else_is_said(folder) -> None:
    values = json.loads((folder / "config.json").read_text())
    del values["global_attn_every_n_layers"]
    assert read_config(values, Path()).global_every == 2


def test_settings_of_versions_before_5_are_read(folder) -> None:
    values = json.loads((folder / "config.json").read_text())
    for new in ("layer_types", "rope_parameters"):
        del values[new]
    assert read_config(values, Path()) == SMALL


def test_what_is_left_unsaid_means_modernbert_base() -> None:
    theirs = transformers.ModernBertConfig()
    assert read_config({}, Path()) == ModernBertConfig(
        vocab_size=theirs.vocab_size,
        layers=theirs.num_hidden_layers,
        width=theirs.hidden_size,
        heads=theirs.num_attention_heads,
        feedforward=theirs.intermediate_size,
        max_positions=theirs.max_position_embeddings,
        local_window=theirs.local_attention,
        norm_eps=theirs.norm_eps,
        pad_id=50283,
    )
