"""Folders of BERT: names, settings, and what ours cannot be."""

import pytest
import torch
import transformers
from by_hand import by_hand
from model_folders import edit_json, edit_weights, folder, model, refusal, tokenizer
from torch import Tensor

from minibert.hub.bert_folder import from_hugging_face, to_hugging_face
from minibert.learn.checks import hub_bert_folder as checks

__all__ = ["folder", "model", "tokenizer"]

test_by_hand = by_hand(checks, examples=1)


def transformers_parameters() -> list[tuple[str, Tensor]]:
    config = transformers.BertConfig(
        vocab_size=60, hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=12
    )
    return list(transformers.BertForPreTraining(config).named_parameters())


def test_names_go_both_ways_also_for_gradients(model) -> None:
    state = dict(model.named_parameters())
    there = to_hugging_face(model.state_dict())
    assert set(there) == {name for name, _ in transformers_parameters()}
    back = from_hugging_face(there)
    assert set(back) == set(state) and all(torch.equal(back[name], state[name]) for name in state)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("model_type", "roberta"),
        ("hidden_act", "silu"),
        ("position_embedding_type", "relative_key"),
        ("is_decoder", True),
        ("add_cross_attention", True),
        ("hidden_size", "8"),
        ("hidden_size", 8.0),
        ("num_attention_heads", 3),
    ],
)
def test_another_architecture_is_refused(folder, key, value) -> None:
    edit_json(folder / "config.json", **{key: value})
    message = refusal(folder)
    assert str(value) in message and "config.json" in message


@pytest.mark.parametrize("copy", ["weight", "bias"])
def test_an_output_of_its_own_is_refused(folder, copy) -> None:
    shape = (60, 8) if copy == "weight" else (60,)
    edit_weights(folder, lambda state: state | {f"cls.predictions.decoder.{copy}": torch.zeros(shape)})
    assert f"cls.predictions.decoder.{copy} is not" in refusal(folder)
