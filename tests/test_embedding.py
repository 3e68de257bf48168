"""The embedding: the sum by hand, a word that comes twice, and what is refused."""

import numpy as np
import pytest
import torch
from by_hand import by_hand
from hypothesis import given
from oracles import check_gradients, distance, randomise
from strategies import normal, seeds

from minibert.byhand.embedding import embedding_forward, lookup_forward
from minibert.config import BertConfig
from minibert.learn.checks import embedding as checks
from minibert.learn.checks import model_embedding as model_checks
from minibert.learn.sizes import Sizes
from minibert.model.embedding import BertEmbedding

test_by_hand = by_hand(checks, examples=10)
test_in_torch = by_hand(model_checks, examples=5)

SMALL = BertConfig(
    vocab_size=7, width=4, heads=1, feedforward=4, max_positions=5, segments=2, dropout=0.0, pad_id=0
)


def embedding(seed: int = 0, config: BertConfig = SMALL) -> BertEmbedding:
    return randomise(BertEmbedding(config), seed)


@given(seed=seeds)
def test_a_word_that_comes_twice_learns_from_both_places(seed: int) -> None:
    layer, upstream = embedding(seed), normal(seed + 1, 1, 3, 4)
    with torch.no_grad():
        layer.tokens.weight[3] = layer.tokens.weight[2]  # two words that look alike

    def gradient(*ids: int) -> torch.Tensor:
        loss = (layer(torch.tensor([ids])) * upstream).sum()
        return torch.autograd.grad(loss, layer.tokens.weight)[0]

    apart, twice = gradient(2, 5, 3), gradient(2, 5, 2)
    assert distance(twice[2], apart[2] + apart[3]) < 1e-12
    assert distance(twice[5], apart[5]) < 1e-12


def test_gradients_agree_with_finite_differences_also_for_repeated_words() -> None:
    layer = embedding(config=BertConfig(**{**SMALL.__dict__, "pad_id": 6}))
    ids, segments = torch.tensor([[2, 5, 2], [5, 5, 0]]), torch.tensor([[0, 0, 1], [1, 1, 1]])
    check_gradients(layer, lambda: layer(ids, segments))


@pytest.mark.parametrize("wrong", [-1, 7, 2**40])
def test_an_id_outside_the_vocabulary_is_named_with_its_place(wrong: int) -> None:
    message = f"token ids must be from 0 to 6, got {wrong} in sequence 1 at position 2"
    with pytest.raises(ValueError, match=message):
        embedding()(torch.tensor([[1, 2, 3], [4, 5, wrong]]))


@pytest.mark.parametrize("wrong", [-1, 2])
def test_a_segment_outside_the_table_is_named_with_its_place(wrong: int) -> None:
    message = f"segments must be from 0 to 1, got {wrong} in sequence 0 at position 1"
    with pytest.raises(ValueError, match=message):
        embedding()(torch.tensor([[1, 2]]), torch.tensor([[0, wrong]]))


def test_segments_of_another_shape_are_refused() -> None:
    with pytest.raises(
        ValueError, match=r"segments must have the shape of ids, \(B, T\) = \(1, 2\), got \(2,\)"
    ):
        embedding()(torch.tensor([[1, 2]]), torch.tensor([0, 1]))


def test_a_sequence_longer_than_the_model_is_an_error() -> None:
    ids = torch.ones(1, 6, dtype=torch.int64)
    assert embedding()(ids[:, :5]).shape == (1, 5, 4)
    with pytest.raises(
        ValueError, match="the model has 5 positions, got a sequence of 6 tokens; cut it to 5"
    ):
        embedding()(ids)


@pytest.mark.parametrize("wrong", [-1, 3])
def test_by_hand_an_id_outside_the_table_is_named_with_its_place(wrong: int) -> None:
    with pytest.raises(ValueError, match=rf"ids must be from 0 to 2, got {wrong} at \[1, 0\]"):
        lookup_forward(np.ones((3, 2)), np.array([[0, 1], [wrong, 7]]))


def test_by_hand_what_does_not_fit_is_refused() -> None:
    ids, segments, params, pad_id = checks.draw_with(True)(Sizes(), np.random.default_rng(0))
    assert segments is not None
    with pytest.raises(ValueError, match=r"segments must have the shape of ids, \(2, 3\), got \(2, 2\)"):
        embedding_forward(ids, segments[:, :2], params, pad_id)
    with pytest.raises(ValueError, match="there are 5 positions, got a sequence of 6 tokens"):
        embedding_forward(np.tile(ids, 2), None, params, pad_id)
