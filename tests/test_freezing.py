"""Levels of a model: which weights are of which, which learn, and how fast."""

import pytest
import torch
from by_hand import by_hand
from classifiers import KINDS, body_name, classifier, some_ids

from minibert.learn.checks import model_freezing as checks
from minibert.model.freezing import layer_rates, let_learn, level_of, levels, unfrozen

test_in_torch = by_hand(checks, examples=5)


@pytest.mark.parametrize("kind", KINDS)
def test_every_weight_is_of_one_level(kind: str) -> None:
    model = classifier(kind)
    stack = levels(model)
    assert len(stack) == 3 + 2
    assert sorted(id(p) for level in stack for p in level) == sorted(id(p) for p in model.parameters())


@pytest.mark.parametrize("kind", KINDS)
def test_embeddings_lie_lowest_and_what_is_new_highest(kind: str) -> None:
    model = classifier(kind)
    names = {id(p): name for name, p in model.named_parameters()}
    stack = [[names[id(p)].removeprefix(body_name(kind)) for p in level] for level in levels(model)]
    assert all(name.startswith(("embedding.", "tokens.", "positions.")) for name in stack[0])
    first = "project" if kind == "gpt" else "query"
    for i in range(3):
        assert f"blocks.{i}.attention.{first}.weight" in stack[i + 1]
    above = {"bert": {"output", "pooler"}, "modernbert": {"output", "head"}, "gpt": {"output"}}
    assert {name.split(".")[0] for name in stack[3]} == ({"blocks"} if kind == "bert" else {"blocks", "norm"})
    assert {name.split(".")[0] for name in stack[4]} == above[kind]


def test_a_level_is_read_off_the_name() -> None:
    names = [
        "embedding.tokens.weight",
        "blocks.0.attention.query.bias",
        "blocks.11.feedforward.expand.weight",
    ]
    assert [level_of(name, 12) for name in [*names, "norm.weight", "pooler.bias"]] == [0, 1, 12, 12, 13]


@pytest.mark.parametrize("count", range(7))
def test_the_top_levels_learn_and_those_below_are_frozen(count: int) -> None:
    model = classifier()
    let_learn(levels(model), 5)
    let_learn(levels(model), count)
    learning = [{p.requires_grad for p in level} for level in levels(model)]
    assert learning == [{i >= 5 - count} for i in range(5)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [1, 2, 3])
def test_no_backward_pass_goes_below_what_learns(kind: str, count: int) -> None:
    model = classifier(kind)
    let_learn(levels(model), count)
    seen = {}
    for i, block in enumerate(model.body.blocks):
        block.register_forward_hook(lambda module, args, out, i=i: seen.update({i: out.requires_grad}))
    logits = model(some_ids())
    assert logits.requires_grad
    assert seen == {i: i >= 3 - (count - 1) for i in range(3)}


def test_each_epoch_thaws_one_level_more_beginning_with_the_head() -> None:
    assert [unfrozen(epoch) for epoch in range(4)] == [1, 2, 3, 4]


def test_rates_fall_from_the_top_block_down_to_the_embeddings() -> None:
    assert layer_rates(1.0, 0.5, 3) == [0.125, 0.25, 0.5, 1.0]
    assert layer_rates(3e-5, 1.0, 2) == [3e-5] * 3
    torch.testing.assert_close(layer_rates(0.01, 1 / 2.6, 2)[0], 0.01 / 2.6**2)
