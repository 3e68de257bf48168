"""What pretraining makes small, and which optimiser moves which weights."""

import pytest
import torch

from minibert.config import BertConfig, GptConfig, PretrainConfig
from minibert.model.bert import BertForPretraining
from minibert.model.gpt import Gpt
from minibert.recipes import learning
from minibert.recipes.byhand import NUMPY
from minibert.recipes.learning import TORCH, Learning, divide
from minibert.train.loss import IGNORE


def small() -> BertForPretraining:
    return BertForPretraining(BertConfig(40, layers=1, width=8, heads=2, feedforward=8, max_positions=8))


def test_muon_gets_the_matrices_between_hidden_states_and_adamw_the_rest() -> None:
    model = small()
    names = {id(p): name for name, p in model.named_parameters()}
    matrices, rest, lr = divide(model, PretrainConfig())
    moved = {names[id(p)] for p in matrices}
    parts = ("attention.query", "attention.key", "attention.value", "attention.output")
    parts += ("feedforward.expand", "feedforward.contract")
    assert moved == {f"bert.blocks.0.{part}.weight" for part in parts} | {
        "bert.pooler.weight",
        "words.dense.weight",
    }
    others = {names[id(p)] for p in rest}
    assert moved | others == set(names.values()) and not moved & others
    assert lr == 4e-3


def test_muon_moves_the_queries_keys_and_values_of_gpt_2_as_three_matrices() -> None:
    model = Gpt(GptConfig(40, layers=2, width=8, heads=2, feedforward=8, max_positions=8))
    _, muon = TORCH.optimizers(model, PretrainConfig())
    names = {id(p): name for name, p in model.named_parameters()}
    parts = {names[id(p)]: group["parts"] for group in muon.param_groups for p in group["params"]}
    assert {name for name, count in parts.items() if count == 3} == {
        f"blocks.{i}.attention.project.weight" for i in range(2)
    }
    assert {count for count in parts.values()} == {1, 3} and len(parts) == 2 * 4
    assert [group["parts"] for group in TORCH.optimizers(small(), PretrainConfig())[1].param_groups] == [1]


@pytest.mark.parametrize("learning", [TORCH, NUMPY], ids=["torch", "numpy"])
def test_the_optimisers_have_all_parameters_once_and_the_rates_asked_for(learning: Learning) -> None:
    model = small()
    parameters = {id(p) for p in model.parameters()}
    for config, lrs in (
        (PretrainConfig(), [4e-3, 0.015]),
        (PretrainConfig(optimizer="adamw"), [1e-3]),
        (PretrainConfig(optimizer="adamw", lr=0.5), [0.5]),
        (PretrainConfig(lr=0.5, matrix_lr=0.25), [0.5, 0.25]),
    ):
        made = learning.optimizers(model, config)
        moved = [id(p) for optimizer in made for group in optimizer.param_groups for p in group["params"]]
        assert sorted(moved) == sorted(parameters)
        assert [optimizer.param_groups[0]["lr"] for optimizer in made] == lrs
        decays = {p.ndim: group["weight_decay"] for group in made[0].param_groups for p in group["params"]}
        assert decays == {2: 0.01, 1: 0.0}


def test_in_torch_adamw_is_the_fused_one() -> None:
    adamw = TORCH.optimizers(small(), PretrainConfig())[0]
    assert isinstance(adamw, torch.optim.AdamW) and adamw.defaults["fused"]


@pytest.mark.parametrize("with_bias", [True, False])
def test_a_few_logits_made_at_once_and_many_joined_with_their_loss_give_one_loss_and_one_gradient(
    with_bias: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = torch.Generator().manual_seed(3)
    found = []
    values = [torch.randn(shape, dtype=torch.float64, generator=draw) for shape in ((9, 4), (7, 4), (7,))]
    targets = torch.tensor([0, 1, 2, 3, 4, 5, 6, IGNORE, 0])
    for few in (9 * 7, 9 * 7 - 1):
        monkeypatch.setattr(learning, "FEW", few)
        features, weight, bias = (value.clone().requires_grad_() for value in values)
        loss = learning.words_loss(features, weight, bias if with_bias else None, targets)
        loss.backward()
        found.append((loss, features.grad, weight.grad, bias.grad))
        assert ("LinearCrossEntropy" in type(loss.grad_fn).__name__) == (few < 9 * 7)
        nothing = learning.words_loss(features, weight, bias, torch.full_like(targets, IGNORE))
        assert nothing == 0, "the mean of nothing"
    for plain, joined in zip(*found, strict=True):
        if plain is None or joined is None:
            assert plain is joined
        else:
            torch.testing.assert_close(plain, joined, rtol=0, atol=1e-13)
