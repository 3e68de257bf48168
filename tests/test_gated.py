"""The gated feed-forward block: by hand, those of Llama and ModernBERT, finite differences."""

import pytest
import torch
from by_hand import by_hand
from oracles import check_gradients, distance, randomise
from strategies import normal
from torch import nn
from transformers import LlamaConfig, ModernBertConfig
from transformers.models.llama.modeling_llama import LlamaMLP
from transformers.models.modernbert.modeling_modernbert import ModernBertMLP

from minibert.learn.checks import gated as checks
from minibert.learn.checks import model_gated as model_checks
from minibert.model.gated import GATES, GatedFeedForward

test_by_hand = by_hand(checks)
test_in_torch = by_hand(model_checks, examples=5)


def test_with_silu_it_is_that_of_llama() -> None:
    layer = randomise(GatedFeedForward(3, 4, "silu"))
    theirs = LlamaMLP(LlamaConfig(hidden_size=3, intermediate_size=4, num_attention_heads=1)).double()
    theirs.gate_proj, theirs.up_proj, theirs.down_proj = layer.gate, layer.expand, layer.contract
    x = normal(0, 2, 5, 3)
    assert distance(layer(x), theirs(x)) < 1e-14


def test_with_gelu_it_is_that_of_modernbert() -> None:
    layer = randomise(GatedFeedForward(3, 4, "gelu"))
    config = ModernBertConfig(hidden_size=3, intermediate_size=4, num_attention_heads=1)
    theirs = ModernBertMLP(config).double()
    theirs.Wi.weight = nn.Parameter(torch.cat([layer.gate.weight, layer.expand.weight]))
    theirs.Wo = layer.contract
    x = normal(0, 2, 5, 3)
    assert distance(layer(x), theirs(x)) < 1e-14


@pytest.mark.parametrize("bend", sorted(GATES))
def test_gradients_agree_with_finite_differences(bend: str) -> None:
    layer = randomise(GatedFeedForward(3, 4, bend))
    check_gradients(layer, layer, normal(0, 2, 3))


def test_dropout_leaves_out_inner_numbers_in_training_alone() -> None:
    layer = randomise(GatedFeedForward(3, 1, "silu", dropout=0.5))
    x = normal(0, 200, 3)
    whole = layer.eval()(x)
    torch.manual_seed(0)
    out = layer.train()(x)
    # With one inner number a token loses all of it, or has it doubled.
    left = out.abs().amax(-1) == 0
    assert 0.3 < left.double().mean() < 0.7
    assert distance(out[~left], 2 * whole[~left]) < 1e-14
