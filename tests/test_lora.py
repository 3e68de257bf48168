"""LoRA: what it computes, how it starts, and that merging changes nothing."""

import copy

import pytest
import torch
from by_hand import by_hand
from classifiers import KINDS, classifier, some_ids
from torch import Generator, nn

from minibert.learn.checks import lora as checks
from minibert.learn.checks import model_lora as model_checks
from minibert.model.lora import ALPHA, LoraLinear, add_lora, merge, merge_lora

test_by_hand = by_hand(checks)
test_in_torch = by_hand(model_checks, examples=5)


def noisy(layer: LoraLinear) -> LoraLinear:
    """Return the layer with a B that is not zero."""
    with torch.no_grad():
        layer.up.normal_(0, 0.1, generator=Generator().manual_seed(3))
    return layer


def small_layer() -> LoraLinear:
    torch.manual_seed(0)
    return noisy(LoraLinear(nn.Linear(6, 5), 2, Generator().manual_seed(2)))


def test_merged_weights_do_the_same() -> None:
    layer, x = small_layer(), torch.randn(3, 4, 6)
    before = layer(x)
    assert not torch.allclose(before, layer.linear(x), atol=0.1)
    torch.testing.assert_close(layer.merged()(x), before, rtol=0, atol=1e-6)


def test_merging_gives_new_weights_and_leaves_its_arguments() -> None:
    layer = small_layer()
    weight, down, up = (t.detach().clone() for t in (layer.linear.weight, layer.down, layer.up))
    full = merge(weight, down, up, ALPHA)
    torch.testing.assert_close(full - weight, ALPHA / 2 * torch.einsum("fr,rd->fd", up, down))
    assert torch.equal(weight, layer.linear.weight)


def test_at_first_nothing_changes_and_only_b_has_a_gradient() -> None:
    linear, x = nn.Linear(6, 5), torch.randn(4, 6)
    layer = LoraLinear(linear, 2, Generator().manual_seed(0))
    assert torch.equal(layer(x), linear(x))
    layer(x).square().sum().backward()
    assert layer.up.grad is not None and layer.up.grad.abs().min() > 0
    assert layer.down.grad is not None and not layer.down.grad.any()
    assert linear.weight.grad is None and linear.bias.grad is None


def test_the_features_in_between_are_as_strong_as_the_input() -> None:
    layer, x = LoraLinear(nn.Linear(400, 400), 100, Generator().manual_seed(0)), torch.randn(200, 400)
    assert torch.nn.functional.linear(x, layer.down).std().item() == pytest.approx(1.0, abs=0.05)


def test_a_rank_that_saves_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="a matrix 5 x 6 the rank must be from 1 to 4, got 5"):
        LoraLinear(nn.Linear(6, 5), 5)


@pytest.mark.parametrize("kind", KINDS)
def test_queries_and_values_of_every_block_learn_and_what_is_one_with_them(kind: str) -> None:
    model = classifier(kind)
    add_lora(model.body.blocks, 2, Generator().manual_seed(0))
    adapted = [name for name, layer in model.body.named_modules() if isinstance(layer, LoraLinear)]
    parts = ("project",) if kind == "gpt" else ("query", "value")
    assert adapted == [f"blocks.{i}.attention.{part}" for i in range(3) for part in parts]


@pytest.mark.parametrize("kind", KINDS)
def test_a_merged_model_is_a_plain_one_with_the_same_outputs(kind: str) -> None:
    model = classifier(kind).eval()
    names = list(dict(model.named_parameters()))
    with_lora = copy.deepcopy(model)
    add_lora(with_lora.body.blocks, 2, Generator().manual_seed(0))
    assert torch.equal(with_lora(some_ids()), model(some_ids()))
    for layer in with_lora.modules():
        if isinstance(layer, LoraLinear):
            noisy(layer)
    before = with_lora(some_ids())
    assert (before - model(some_ids())).abs().max() > 1e-3

    merge_lora(with_lora)
    assert list(dict(with_lora.named_parameters())) == names
    torch.testing.assert_close(with_lora(some_ids()), before, rtol=1e-6, atol=1e-6)
