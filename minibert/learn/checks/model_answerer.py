"""What answerers must fulfil in PyTorch."""

import torch

from minibert.config import HeadConfig
from minibert.learn.checks.model_classifier import expect_dropout
from minibert.learn.sizes import Sizes
from minibert.learn.tensors import config, exact, expect_same, expect_same_slopes, filled, leaf
from minibert.model.answerer import BertAnswerer


def draw(size: Sizes, seed: int) -> BertAnswerer:
    """Return an answerer."""
    return filled(BertAnswerer(config(size), HeadConfig("spans", dropout=0.0)), seed)


def check_a_case_by_hand() -> None:
    """A text of three tokens and two features: the first speaks for a start, the second for an end."""
    model = BertAnswerer(config(Sizes(H=1, K=2)), HeadConfig("spans", dropout=0.0)).double()
    with torch.no_grad():
        model.output.weight.copy_(exact([[1.0, 0], [0, 1]]))
        model.output.bias.copy_(exact([10.0, 20]))
    got = model.logits(exact([[[1.0, 2], [3, 4], [5, 6]]]))
    expect_same(got, exact([[[11.0, 22], [13, 24], [15, 26]]]), "the logits of start and end at three tokens")


def check_every_token_has_a_logit_for_a_start_and_one_for_an_end(size: Sizes, seed: int) -> None:
    """(B, T, 2), the start first; in value and all gradients. No softmax: that is the loss's."""
    model, features = draw(size, seed), leaf(seed + 60, size.B, size.T, size.D)
    (start, end), bias = model.output.weight, model.output.bias
    expected = torch.stack([features @ start + bias[0], features @ end + bias[1]], dim=-1)
    leaves = {"features": features, "S and E": model.output.weight, "s and e": bias}
    expect_same_slopes(model.logits(features), expected, leaves, seed, "(S h + s, E h + e) of each token")


def check_dropout_falls_on_what_the_head_reads(size: Sizes, seed: int) -> None:
    """In training, and not on the logits."""
    expect_dropout(draw(size, seed), leaf(seed + 61, size.B, size.T, size.D))
