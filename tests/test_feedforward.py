"""The feed-forward block: by hand, token by token, finite differences."""

import pytest
import torch
from by_hand import by_hand
from hypothesis import given
from oracles import check_gradients, distance, randomise
from strategies import check_sizes, normal, seeds

from minibert.learn.checks import feedforward as checks
from minibert.learn.sizes import Sizes
from minibert.model.activation import ACTIVATIONS
from minibert.model.feedforward import FeedForward

test_by_hand = by_hand(checks)


def test_a_case_worked_by_hand() -> None:
    layer = FeedForward(2, 3, "relu").double()
    with torch.no_grad():
        layer.expand.weight.copy_(torch.tensor([[1.0, 0], [0, 1], [1, 1]]))
        layer.expand.bias.copy_(torch.tensor([0.0, 1, -10]))
        layer.contract.weight.copy_(torch.tensor([[1.0, 2, 100], [0, -1, 100]]))
        layer.contract.bias.copy_(torch.tensor([0.5, 0]))
    # x = (3, 4): expanded (3, 5, -3), cut off (3, 5, 0), contracted (3 + 10 + 0.5, -5).
    assert layer(torch.tensor([3.0, 4.0]).double()).tolist() == [13.5, -5.0]


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
@given(size=check_sizes, seed=seeds)
def test_the_equation_of_the_paper_for_each_token_by_itself(name: str, size: Sizes, seed: int) -> None:
    layer = randomise(FeedForward(size.D, size.F, name), seed)
    x = normal(seed, size.B, size.T, size.D)
    inner = ACTIVATIONS[name](x @ layer.expand.weight.T + layer.expand.bias)  # (B, T, F)
    assert distance(layer(x), inner @ layer.contract.weight.T + layer.contract.bias) < 1e-12
    assert distance(layer(x[-1, -1]), layer(x)[-1, -1]) < 1e-12


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_gradients_agree_with_finite_differences(name: str) -> None:
    layer = randomise(FeedForward(3, 4, name))
    check_gradients(layer, layer, normal(0, 2, 3))
