"""A GPT laid out for generation: the numbers of the model that it was made from."""

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given
from oracles import distance, randomise
from strategies import seeds
from torch import Generator

from minibert.config import GptConfig
from minibert.model.fast_gpt import FastGpt, turned
from minibert.model.gpt import Gpt

SHAPE = GptConfig(
    vocab_size=11, layers=2, width=8, heads=2, feedforward=12, max_positions=9, activation="gelu"
)


def small(seed: int) -> Gpt:
    return randomise(Gpt(SHAPE), seed).eval()


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
@given(seed=seeds, starts=st.lists(st.integers(0, 4), min_size=1, max_size=4), prompt=st.integers(1, 7))
def test_features_are_those_of_the_model(dtype, tolerance, seed: int, starts: list[int], prompt: int):
    """The prompt at once, then one by one; padded on the left, or not."""
    model = small(seed).to(dtype)
    ids = torch.randint(11, (len(starts), 8), generator=Generator().manual_seed(seed))
    fast, told = FastGpt(model), torch.tensor(starts) if any(starts) else None
    ours, theirs = fast.new_state(len(starts), 8, told), model.new_state(len(starts), 8, told)
    with torch.inference_mode():
        for piece in (ids[:, :prompt], *ids[:, prompt:].split(1, dim=1)):
            got, expected = fast.features(piece, ours), model.features(piece, theirs)
            assert distance(got, expected) < tolerance
    assert ours.filled == theirs.filled == 8


def test_the_weights_lie_turned():
    layer, x = torch.nn.Linear(3, 6), torch.randn(5, 3)
    bias, weight = turned(layer)
    assert weight.shape == (3, 6) and weight.is_contiguous()
    assert distance(torch.addmm(bias, x, weight), layer(x)) < 1e-6


def test_what_the_model_learns_later_is_not_in_it():
    """It is made anew for each text."""
    model = small(0)
    fast, ids = FastGpt(model), torch.tensor([[1, 2, 3]])
    with torch.inference_mode():
        before = fast.features(ids, fast.new_state(1, 3))
        model.get_parameter("blocks.0.feedforward.expand.weight").mul_(2)
        assert torch.equal(fast.features(ids, fast.new_state(1, 3)), before)
        assert distance(model.features(ids, model.new_state(1, 3)), before) > 0.01
