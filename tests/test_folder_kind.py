"""What config.json and the weights say of each other: every difference is named."""

import pytest
import torch
from by_hand import by_hand
from model_folders import edit_json, edit_weights, folder, model, refusal, tokenizer

from minibert.hub.folder_kind import drop_copy, join, split
from minibert.learn.checks import hub_folder_kind as checks

__all__ = ["folder", "model", "tokenizer"]

test_by_hand = by_hand(checks, examples=1)


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
    assert "does not hold the weights of this BERT; " in message
    assert f"missing: {name}" in message and f"unexpected: {other}" in message


def test_half_a_head_is_missing_not_fresh(folder) -> None:
    edit_weights(folder, lambda state: {k: v for k, v in state.items() if k != "bert.pooler.dense.bias"})
    assert "missing: bert.pooler.dense.bias" in refusal(folder)


@pytest.mark.parametrize("wrong", [torch.zeros(8, 9), torch.zeros(8, 8, dtype=torch.int8)])
def test_a_weight_of_another_shape_or_in_integers_is_named(folder, wrong) -> None:
    edit_weights(folder, lambda state: state | {"bert.pooler.dense.weight": wrong})
    assert "not numbers of the right shape: bert.pooler.dense.weight" in refusal(folder)


TABLE = {"a.#.left": "x.#.both", "a.#.right": "x.#.both", "b": "y"}


def test_modules_that_are_one_of_theirs_are_joined_in_the_table_s_order_and_cut_again() -> None:
    ours = {
        "a.12.right.weight": torch.full((2, 3), 2.0),
        "a.12.left.weight": torch.full((2, 3), 1.0),
        "b.bias": torch.zeros(4),
        "not.known.1": torch.ones(()),
    }
    theirs = join(ours, TABLE)
    assert set(theirs) == {"x.12.both.weight", "y.bias", "not.known.1"}
    assert theirs["x.12.both.weight"].tolist() == 2 * [3 * [1.0]] + 2 * [3 * [2.0]]
    back = split(theirs, TABLE)
    assert set(back) == set(ours) and all(torch.equal(back[name], ours[name]) for name in ours)


def test_a_copy_of_a_tied_weight_is_left_out_or_stands_in_or_is_refused() -> None:
    weight = torch.arange(3.0)
    for state in ({"out": weight.clone(), "table": weight}, {"out": weight}):
        drop_copy(state, "out", "table")
        assert list(state) == ["table"] and torch.equal(state["table"], weight)
    with pytest.raises(ValueError, match="out is not table: the model was trained with an output of its own"):
        drop_copy({"out": 2 * weight, "table": weight}, "out", "table")
