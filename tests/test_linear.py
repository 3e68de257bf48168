"""The linear layer by hand: worked cases, finite differences, torch, and shapes that do not fit."""

import numpy as np
import pytest
from by_hand import by_hand

from minibert.byhand.linear import linear_forward
from minibert.learn.checks import linear as checks

test_by_hand = by_hand(checks)


@pytest.mark.parametrize(
    ("x", "weight", "bias"), [((2, 3), (5, 4), (5,)), ((2, 4), (5, 4), (4,)), ((4,), (4,), (1,))]
)
def test_shapes_that_do_not_fit_are_named(x, weight, bias) -> None:
    with pytest.raises(ValueError, match=r"x \(\.\.\., I\), weight \(O, I\) and bias \(O,\) do not fit: got"):
        linear_forward(np.ones(x), np.ones(weight), np.ones(bias))
