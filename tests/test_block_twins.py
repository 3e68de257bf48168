"""The blocks of others: transformers' agree with ours, and what is left out is what NumPy draws."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from strategies import check_sizes, normal, seeds

import minibert.model.multihead
from minibert.learn.checks.block import CASES
from minibert.learn.checks.block_twins import dropping
from minibert.learn.proof import Case, distance
from minibert.learn.sizes import Sizes


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@settings(max_examples=5)
@given(size=check_sizes, seed=seeds)
def test_the_blocks_of_transformers_are_ours(case: Case, size: Sizes, seed: int) -> None:
    assert case.transformers is not None
    assert distance(case, case.transformers, size, seed) < 1e-11


def test_what_is_left_out_is_what_numpy_draws() -> None:
    x = normal(0, 3, 4)
    with dropping(7):
        first, second = F.dropout(x, 0.5), torch.nn.Dropout(0.25)(x)
        assert F.dropout(x, 0.0) is x and F.dropout(x, 0.5, training=False) is x
    generator = np.random.default_rng(7)
    for dropped, rate in ((first, 0.5), (second, 0.25)):
        kept = torch.tensor(generator.random((3, 4)) >= rate)
        assert torch.equal(dropped, torch.where(kept, x / (1 - rate), 0.0))


def test_afterwards_torch_draws_by_itself_again() -> None:
    dropout, attention = F.dropout, minibert.model.multihead.attention
    with pytest.raises(KeyError), dropping(7):
        raise KeyError
    assert F.dropout is dropout and minibert.model.multihead.attention is attention
