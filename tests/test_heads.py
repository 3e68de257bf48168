"""The head for words: its equation, its tie to the embedding, finite differences."""

import torch
from by_hand import by_hand
from oracles import check_gradients, randomise
from strategies import normal
from torch import nn

from minibert.config import BertConfig
from minibert.learn.checks import model_heads as model_checks
from minibert.learn.sizes import Sizes
from minibert.model.heads import WordHead

test_in_torch = by_hand(model_checks, examples=5)


def head(size: Sizes, seed: int = 0) -> WordHead:
    config = BertConfig(vocab_size=size.V, width=size.D, heads=size.H, feedforward=size.F)
    return randomise(WordHead(config, nn.Parameter(torch.empty(size.V, size.D))), seed)


def test_the_output_weights_are_the_embedding_itself() -> None:
    table = nn.Parameter(torch.zeros(6, 4))
    layer = WordHead(BertConfig(vocab_size=6, width=4, heads=1), table)
    assert layer.weight is table
    assert layer.bias.tolist() == [0] * 6


def test_gradients_agree_with_finite_differences() -> None:
    size = Sizes()
    layer = head(size)
    check_gradients(layer, layer, normal(0, size.N, size.D))
