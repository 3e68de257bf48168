"""Folders of recurrent models: what is saved comes back, and what is damaged is named."""

import pytest
import torch
from model_folders import edit_json, edit_weights, refusal

from minibert.config import LstmConfig, RnnConfig
from minibert.hub import from_pretrained, new_model, save_pretrained

SHAPES = [RnnConfig(50, layers=3, width=8, dropout=0.2), LstmConfig(50, layers=2, width=8)]
IDS = torch.tensor([[2, 11, 30, 3], [2, 49, 12, 13]])


@pytest.fixture(params=SHAPES, ids=["rnn", "lstm"])
def model(request):
    return new_model(request.param, torch.Generator().manual_seed(0)).eval()


def test_what_is_saved_comes_back_whole(model, tmp_path) -> None:
    save_pretrained(model, None, tmp_path)
    again, tokenizer = from_pretrained(tmp_path)
    assert (type(again), again.config, tokenizer) == (type(model), model.config, None)
    assert torch.equal(again(IDS), model(IDS))


def test_sizes_that_disagree_and_settings_that_are_missing_are_named(model, tmp_path) -> None:
    save_pretrained(model, None, tmp_path)
    edit_json(tmp_path / "config.json", layers=7)
    assert f"layers is 7 in config.json and {model.config.layers} in the weights" in refusal(tmp_path)
    edit_json(tmp_path / "config.json", layers="2")
    assert "does not describe a minibert-" in refusal(tmp_path)


def test_a_missing_weight_is_named(model, tmp_path) -> None:
    save_pretrained(model, None, tmp_path)
    edit_weights(tmp_path, lambda state: {k: v for k, v in state.items() if k != "kernel.bias_hh_l0"})
    assert "missing: kernel.bias_hh_l0" in refusal(tmp_path)
