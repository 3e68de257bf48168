"""The strategies: what learns, how fast, and what is saved."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from classifiers import KINDS, body_name, classifier, some_ids
from torch import Generator

from minibert.config import FinetuneConfig
from minibert.model.freezing import levels
from minibert.recipes.strategies import at_step, merged, optimizers, prepare
from minibert.train.loop import train

LABELS = torch.tensor([0, 1, 2, 0])


def ready(kind: str = "bert", **chosen: Any) -> tuple[Any, FinetuneConfig]:
    model, config = classifier(kind), FinetuneConfig(**{"lora_rank": 2, **chosen})
    prepare(model, config, Generator().manual_seed(5))
    return model, config


def learning(model: Any) -> list[bool]:
    """Return for each level, from the embeddings up, whether all of it learns; none may do so in part."""
    found = [{p.requires_grad for p in level} for level in levels(model)]
    assert all(len(kinds) == 1 for kinds in found)
    return [kinds.pop() for kinds in found]


def take_steps(model: Any, config: FinetuneConfig, first: int = 0, count: int = 3) -> None:
    """Train as the loop does, 2 steps to an epoch."""
    own, hook = optimizers(model, config), at_step(model, config, 2)
    for step in range(first, first + count):
        hook(step)
        torch.nn.functional.cross_entropy(model(some_ids(step)), LABELS).backward()
        for optimizer in own:
            optimizer.step()
            optimizer.zero_grad()


def moved(kind: str = "bert", count: int = 3, **chosen: Any) -> set[str]:
    """Return the parameters, of a plain model, that differ after some steps."""
    model, config = ready(kind, **chosen)
    before = {name: p.detach().clone() for name, p in merged(model).named_parameters()}
    take_steps(model, config, count=count)
    return {name for name, p in merged(model).named_parameters() if not torch.equal(p, before[name])}


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ("whole", [True] * 5),
        ("frozen", [False] * 4 + [True]),
        ("last", [False] * 2 + [True] * 3),
        ("gradual", [False] * 4 + [True]),
    ],
)
def test_a_strategy_says_which_levels_learn_first(strategy: str, expected: list[bool]) -> None:
    assert learning(ready(strategy=strategy)[0]) == expected


@pytest.mark.parametrize("kind", KINDS)
def test_weights_that_learn_move_and_no_others(kind: str) -> None:
    everything, body = {name for name, _ in classifier(kind).named_parameters()}, body_name(kind)
    head = {name for name in everything if name.startswith(("output.", "head.", "bert.pooler."))}
    top = {name for name in everything if name.startswith((f"{body}blocks.2.", f"{body}norm."))}
    keys = {name for name in everything if name.endswith("key.bias")}  # the softmax takes them away again
    assert moved(kind, strategy="frozen") == head
    assert moved(kind, strategy="last", last_layers=1) | keys == head | top | keys
    assert moved(kind, strategy="whole", weight_decay=0.1) | keys == everything
    parts = ("project",) if kind == "gpt" else ("query", "value")
    pieces = {f"{body}blocks.{i}.attention.{part}.weight" for i in range(3) for part in parts}
    assert moved(kind, strategy="lora", count=4) == head | pieces


def test_gradual_unfreezing_goes_from_the_head_down_a_level_an_epoch() -> None:
    model, config = ready(strategy="gradual")
    hook = at_step(model, config, steps_per_epoch=2.5)
    counts = []
    for step in [0, 2, 3, 4, 5, 7, 8, 10, 12, 13, 40]:
        hook(step)
        found = learning(model)
        assert found == sorted(found), "the top learns first"
        counts.append(sum(found))
    assert counts == [1, 1, 2, 2, 3, 3, 4, 5, 5, 5, 5]


def test_what_learns_is_a_function_of_the_step_alone() -> None:
    model, config = ready(strategy="gradual")
    hook = at_step(model, config, steps_per_epoch=2)
    hook(8)
    hook(2)
    assert learning(model) == [False, False, False, True, True]


def test_levels_that_thaw_are_known_to_the_optimizer_from_the_start() -> None:
    assert {name.split(".")[1] for name in moved(count=2, strategy="gradual")} == {"pooler", "weight", "bias"}
    later = moved(count=4, strategy="gradual")
    assert any(name.startswith("bert.blocks.2.") for name in later)
    assert not any(name.startswith(("bert.blocks.1.", "bert.embedding.")) for name in later)


@pytest.mark.parametrize("strategy", ["frozen", "last", "lora"])
def test_the_optimizer_has_only_what_learns(strategy: str) -> None:
    model, config = ready(strategy=strategy)
    own = [p for group in optimizers(model, config)[0].param_groups for p in group["params"]]
    assert {id(p) for p in own} == {id(p) for p in model.parameters() if p.requires_grad}


def rate_of(model: Any, config: FinetuneConfig) -> dict[str, tuple[float, float]]:
    """Return the peak rate and the decay of each parameter."""
    names = {id(p): name for name, p in model.named_parameters()}
    (own,) = optimizers(model, config)
    return {
        names[id(p)]: (group["lr"], group["weight_decay"])
        for group in own.param_groups
        for p in group["params"]
    }


def test_rates_fall_level_by_level_and_the_head_has_its_own() -> None:
    model, config = ready(lr=1.0, layer_decay=0.5, head_lr=7.0, weight_decay=0.2)
    rates = rate_of(model, config)
    assert rates["output.weight"] == (7.0, 0.2)
    assert rates["bert.pooler.bias"] == (7.0, 0.0)
    assert rates["bert.blocks.2.attention.query.weight"] == (1.0, 0.2)
    assert rates["bert.blocks.1.attention_norm.weight"] == (0.5, 0.0)
    assert rates["bert.blocks.0.feedforward.expand.bias"] == (0.25, 0.0)
    assert rates["bert.embedding.tokens.weight"] == (0.125, 0.2)
    assert len(rates) == len(list(model.parameters()))


def test_the_rate_that_is_logged_is_that_of_the_flag() -> None:
    for strategy in ("whole", "last", "gradual", "frozen", "lora"):
        model, config = ready(strategy=strategy, lr=0.25, layer_decay=0.5)
        assert optimizers(model, config)[0].param_groups[0]["lr"] == 0.25


def test_a_new_head_learns_faster_than_a_body_that_learns_with_it() -> None:
    model, config = ready(lr=1e-4)
    assert rate_of(model, config)["output.weight"][0] == pytest.approx(1e-3)
    model, config = ready(lr=1e-4, strategy="frozen")
    assert rate_of(model, config)["output.weight"][0] == pytest.approx(1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_the_top_blocks_start_afresh_as_those_of_a_new_model(kind: str) -> None:
    model = classifier(kind)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(1.0)  # weights that no new model has
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    prepare(model, FinetuneConfig(fresh_layers=2), Generator().manual_seed(0))
    changed = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    above = tuple(body_name(kind) + part for part in ("blocks.1.", "blocks.2.", "norm.", "pooler."))
    assert changed == {name for name in before if name.startswith(above)}
    block = model.body.blocks[2]
    assert block.feedforward.expand.weight.std().item() == pytest.approx(0.02, rel=0.2)
    assert torch.equal(block.attention_norm.weight, torch.ones(16))


def test_a_body_without_a_pooler_has_none_that_starts_afresh() -> None:
    model = classifier()
    del model.body.pooler
    prepare(model, FinetuneConfig(fresh_layers=1), Generator().manual_seed(0))
    assert not any("pooler" in name for name, _ in model.named_parameters())


def test_what_starts_afresh_is_drawn_by_the_generator() -> None:
    first, again, other = (classifier() for _ in range(3))
    for model, seed in ((first, 1), (again, 1), (other, 2)):
        prepare(model, FinetuneConfig(fresh_layers=1), Generator().manual_seed(seed))
    weights = [model.body.blocks[2].attention.query.weight for model in (first, again, other)]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"strategy": "last", "last_layers": 4}, "--last-layers must be at most 3"),
        ({"strategy": "whole", "fresh_layers": 4}, "--fresh-layers must be at most 3"),
        ({"strategy": "last", "last_layers": 1, "fresh_layers": 2}, "--fresh-layers must be at most 1"),
        ({"strategy": "frozen", "fresh_layers": 1}, "--fresh-layers must be at most 0"),
    ],
)
def test_blocks_that_are_not_there_or_do_not_learn_are_refused(chosen: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ready(**chosen)


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_is_saved_as_a_plain_one_and_goes_on_learning(kind: str) -> None:
    model, config = ready(kind, strategy="lora")
    take_steps(model, config)
    plain = merged(model)
    assert list(dict(plain.named_parameters())) == list(dict(classifier(kind).named_parameters()))
    torch.testing.assert_close(plain(some_ids()), model(some_ids()), rtol=1e-6, atol=1e-6)
    assert any(name.endswith(".up") for name, _ in model.named_parameters())


def run(folder: Path, steps: int, strategy: str, resume: bool = False) -> dict[str, torch.Tensor]:
    """Return the weights after some steps of the loop, two to an epoch; it may go on from a checkpoint."""
    model, config = ready(strategy=strategy, steps=6, checkpoint_every=2, batch_size=4, device="cpu")

    def stop(step: int) -> None:
        at_step(model, config, 2)(step)
        if step == steps:
            raise KeyboardInterrupt

    with suppress(KeyboardInterrupt):
        train(
            model,
            lambda model, batch: {"loss": torch.nn.functional.cross_entropy(model(batch[0]), batch[1])},
            lambda step, first, count: (some_ids(step)[first : first + count], LABELS[first : first + count]),
            lambda: optimizers(model, config),
            folder,
            config,
            resume=resume,
            before_step=stop,
        )
    return {name: p.detach() for name, p in model.named_parameters()}


@pytest.mark.parametrize("strategy", ["whole", "frozen", "last", "gradual", "lora"])
def test_a_run_that_was_stopped_ends_as_one_that_was_not(strategy: str, tmp_path: Path) -> None:
    whole = run(tmp_path / "whole", 6, strategy)
    stopped = run(tmp_path / "parts", 5, strategy)  # the checkpoint of step 4 is there
    assert any(not torch.equal(stopped[name], weight) for name, weight in whole.items())
    resumed = run(tmp_path / "parts", 6, strategy, resume=True)
    assert all(torch.equal(resumed[name], weight) for name, weight in whole.items())
