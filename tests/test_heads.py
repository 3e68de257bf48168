"""The head for words: its equation, its tie to the embedding, finite differences."""

import torch
import torch.nn.functional as F
from hypothesis import given
from oracles import check_gradients, distance, randomise
from strategies import check_sizes, normal, seeds
from torch import nn

from minibert.config import BertConfig
from minibert.learn.sizes import Sizes
from minibert.model.heads import WordHead
from minibert.model.layernorm import layernorm_plain


def head(size: Sizes, seed: int = 0) -> WordHead:
    config = BertConfig(vocab_size=size.V, width=size.D, heads=size.H, feedforward=size.F)
    return randomise(WordHead(config, nn.Parameter(torch.empty(size.V, size.D))), seed)


@given(size=check_sizes, seed=seeds)
def test_logits_are_products_with_the_token_embedding(size: Sizes, seed: int) -> None:
    layer, hidden = head(size, seed), normal(seed, size.N, size.D)
    features = layernorm_plain(
        F.gelu(hidden @ layer.dense.weight.T + layer.dense.bias), layer.norm.weight, layer.norm.bias
    )
    assert distance(layer.transform(hidden), features) < 1e-12
    assert distance(layer(hidden), features @ layer.weight.T + layer.bias) < 1e-12


def test_the_output_weights_are_the_embedding_itself() -> None:
    table = nn.Parameter(torch.zeros(6, 4))
    layer = WordHead(BertConfig(vocab_size=6, width=4, heads=1), table)
    assert layer.weight is table
    assert layer.bias.tolist() == [0] * 6


def test_gradients_agree_with_finite_differences() -> None:
    size = Sizes()
    layer = head(size)
    check_gradients(layer, layer, normal(0, size.N, size.D))
