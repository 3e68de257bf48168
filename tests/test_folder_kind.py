"""What config.json and the weights say of each other: every difference is named."""

import pytest
import torch
from model_folders import edit_json, edit_weights, folder, model, refusal, tokenizer

__all__ = ["folder", "model", "tokenizer"]


def test_settings_that_disagree_with_the_weights_are_listed(folder) -> None:
    edit_json(folder / "config.json", hidden_size=16, num_hidden_layers=5, vocab_size=61)
    message = refusal(folder)
    assert "hidden_size is 16 in config.json and 8 in the weights" in message
    assert "num_hidden_layers is 5 in config.json and 2 in the weights" in message
    assert "vocab_size is 61 in config.json and 60 in the weights" in message
    assert "intermediate_size" not in message


@pytest.mark.parametrize(
    "field", ["intermediate_size", "max_position_embeddings", "type_vocab_size", "num_hidden_layers"]
)
def test_each_size_is_compared(folder, field) -> None:
    edit_json(folder / "config.json", **{field: 1})
    assert f"{field} is 1 in config.json" in refusal(folder)


def test_missing_and_unexpected_weights_are_named(folder) -> None:
    name, other = "bert.encoder.layer.1.output.dense.bias", "bert.encoder.layer.1.output.dense.bais"
    edit_weights(folder, lambda state: {(other if key == name else key): state[key] for key in state})
    message = refusal(folder)
    assert f"missing: {name}" in message and f"unexpected: {other}" in message


def test_half_a_head_is_missing_not_fresh(folder) -> None:
    edit_weights(folder, lambda state: {k: v for k, v in state.items() if k != "bert.pooler.dense.bias"})
    assert "missing: bert.pooler.dense.bias" in refusal(folder)


@pytest.mark.parametrize("wrong", [torch.zeros(8, 9), torch.zeros(8, 8, dtype=torch.int8)])
def test_a_weight_of_another_shape_or_in_integers_is_named(folder, wrong) -> None:
    edit_weights(folder, lambda state: state | {"bert.pooler.dense.weight": wrong})
    assert "not numbers of the right shape: bert.pooler.dense.weight" in refusal(folder)
