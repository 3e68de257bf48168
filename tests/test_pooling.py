"""The recipe of a model that makes sentence vectors: what is read, what is refused, and the mean."""

import json

import pytest
import torch
from sentence_models import write_recipe

from minibert.recipes.pooling import VectorRecipe, mean_pool, read_recipe


@pytest.mark.parametrize(
    ("settings", "pooling", "expected"),
    [
        ({"max_seq_length": 20}, {"pooling_mode_mean_tokens": True}, VectorRecipe(20)),
        ({"max_seq_length": 99}, {"pooling_mode": "mean"}, VectorRecipe(32)),
        ({"max_seq_length": None}, {"pooling_mode": "cls"}, VectorRecipe(32, "first")),
        ({"do_lower_case": True}, {}, VectorRecipe(32, lowercase=True)),
    ],
)
def test_recipes_are_read_from_older_and_newer_files(tmp_path, settings, pooling, expected) -> None:
    write_recipe(tmp_path, settings=settings, **pooling)
    assert read_recipe(tmp_path, 32) == expected


def test_a_folder_without_a_recipe_gets_the_mean_of_length_1(tmp_path) -> None:
    assert read_recipe(tmp_path, 12) == VectorRecipe(12, "mean", normalise=True, lowercase=False)


def test_the_pooling_is_looked_for_inside_the_model_s_folder_only(tmp_path) -> None:
    write_recipe(tmp_path / "model")
    file = tmp_path / "model" / "modules.json"
    file.write_text(file.read_text().replace("1_Pooling", "../elsewhere/1_Pooling"))
    assert read_recipe(tmp_path / "model", 32) == VectorRecipe(24)
    (tmp_path / "model" / "1_Pooling" / "config.json").unlink()
    with pytest.raises(ValueError, match="model/1_Pooling/config.json is missing"):
        read_recipe(tmp_path / "model", 32)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"pooling_mode_max_tokens": True}, "1_Pooling/config.json: the pooling must be one of"),
        ({"pooling_mode": "lasttoken"}, "got lasttoken"),
        ({"pooling_mode_mean_tokens": False}, "got none"),
        (
            {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True},
            "pooling_mode_mean_tokens \\+ pooling_mode_cls_token",
        ),
        ({"steps": ("Transformer", "Pooling", "Dense", "Normalize")}, "got Transformer, Pooling, Dense"),
        ({"steps": ("WordEmbeddings", "Pooling")}, "modules.json: expected the steps Transformer, Pooling"),
        ({"settings": {"max_seq_length": "256"}}, "max_seq_length must be above 2, got '256'"),
        ({"settings": {"max_seq_length": 2}}, "max_seq_length must be above 2, got 2"),
    ],
)
def test_a_recipe_that_is_not_here_is_refused(tmp_path, change, said) -> None:
    write_recipe(tmp_path, **change)
    with pytest.raises(ValueError, match=said):
        read_recipe(tmp_path, 32)


def test_a_model_that_puts_a_prompt_before_texts_is_refused(tmp_path) -> None:
    write_recipe(tmp_path)
    file = tmp_path / "config_sentence_transformers.json"
    file.write_text(json.dumps({"prompts": {"query": "query: "}, "default_prompt_name": None}))
    read_recipe(tmp_path, 32)
    file.write_text(json.dumps({"prompts": {"query": "query: "}, "default_prompt_name": "query"}))
    with pytest.raises(ValueError, match="puts its prompt 'query' before each text"):
        read_recipe(tmp_path, 32)


def test_a_recipe_cut_short_is_named(tmp_path) -> None:
    write_recipe(tmp_path)
    (tmp_path / "modules.json").write_text("[{")
    with pytest.raises(ValueError, match=r"modules\.json is not JSON"):
        read_recipe(tmp_path, 32)
    (tmp_path / "modules.json").write_text("{}")
    with pytest.raises(ValueError, match="must hold a JSON list, got dict"):
        read_recipe(tmp_path, 32)
    (tmp_path / "modules.json").write_text('["Transformer", {}]')
    with pytest.raises(
        ValueError, match="expected the steps Transformer, Pooling and perhaps Normalize, got None"
    ):
        read_recipe(tmp_path, 32)


def test_the_mean_leaves_out_what_may_not_be_attended_to() -> None:
    hidden = torch.tensor([[[1.0, 2.0], [3.0, 6.0], [100.0, 100.0]], [[5.0, 7.0], [9.0, 9.0], [9.0, 9.0]]])
    attend = torch.tensor([[True, True, False], [True, False, False]])
    assert mean_pool(hidden, attend).tolist() == [[2.0, 4.0], [5.0, 7.0]]
