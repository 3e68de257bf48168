"""Dropout by hand: what it draws, and what torch does with the same draw."""

import numpy as np
import torch
import torch.nn.functional as F
from by_hand import by_hand
from hypothesis import given
from strategies import check_sizes, normal, seeds

from minibert.byhand.dropout import dropout_backward, dropout_forward
from minibert.learn.checks import dropout as checks
from minibert.learn.sizes import Sizes

test_by_hand = by_hand(checks)


class Replay(np.random.Generator):
    """A generator that draws below the rate exactly where torch's dropout did."""

    def __init__(self, kept: torch.Tensor) -> None:
        super().__init__(np.random.PCG64(0))
        self.kept = kept.numpy()

    def random(self, size, *rest):  # pyright: ignore[reportIncompatibleMethodOverride]
        assert size == self.kept.shape
        return np.where(self.kept, 0.99, 0.0)


@given(size=check_sizes, seed=seeds)
def test_torch_makes_the_same_of_the_same_draw(size: Sizes, seed: int) -> None:
    shape = size.B, size.T, size.D
    x, dy = normal(seed, *shape).requires_grad_(), normal(seed + 1, *shape)
    torch.manual_seed(seed)
    expected = F.dropout(x, 0.3)
    expected.backward(dy)
    y, cache = dropout_forward(x.detach().numpy(), 0.3, Replay(expected != 0))
    assert x.grad is not None
    assert np.abs(y - expected.detach().numpy()).max() < 1e-15
    assert np.abs(dropout_backward(dy.numpy(), cache) - x.grad.numpy()).max() < 1e-15
