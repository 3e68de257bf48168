"""The feed-forward block: by hand, token by token, finite differences."""

import pytest
from by_hand import by_hand
from oracles import check_gradients, randomise
from strategies import normal

from minibert.learn.checks import feedforward as checks
from minibert.learn.checks import model_feedforward as model_checks
from minibert.model.activation import ACTIVATIONS
from minibert.model.feedforward import FeedForward

test_by_hand = by_hand(checks)
test_in_torch = by_hand(model_checks, examples=5)


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_gradients_agree_with_finite_differences(name: str) -> None:
    layer = randomise(FeedForward(3, 4, name))
    check_gradients(layer, layer, normal(0, 2, 3))
