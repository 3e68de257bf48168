"""What taggers must fulfil in PyTorch."""

import torch

from minibert.config import HeadConfig
from minibert.learn.checks.model_classifier import expect_dropout, labels
from minibert.learn.sizes import Sizes
from minibert.learn.tensors import config, exact, expect_same, expect_same_slopes, filled, leaf
from minibert.model.tagger import BertTagger


def draw(size: Sizes, seed: int) -> BertTagger:
    """Return a tagger with N tags."""
    return filled(BertTagger(config(size), HeadConfig("tags", labels(size), dropout=0.0)), seed)


def check_a_case_by_hand() -> None:
    """A text of three tokens, two features, two tags."""
    model = BertTagger(config(Sizes(H=1, K=2)), HeadConfig("tags", ("O", "B"), dropout=0.0)).double()
    with torch.no_grad():
        model.output.weight.copy_(exact([[1.0, 0], [2, 1]]))
        model.output.bias.copy_(exact([10.0, 20]))
    got = model.logits(exact([[[1.0, 2], [3, 4], [5, 6]]]))
    expect_same(got, exact([[[11.0, 24], [13, 30], [15, 36]]]), "the logits of three tokens")


def check_every_token_has_logits_of_its_own(size: Sizes, seed: int) -> None:
    """W h + b, in value and all gradients; no softmax: that is the loss's."""
    model, features = draw(size, seed), leaf(seed + 60, size.B, size.T, size.D)
    output = model.output
    expected = torch.einsum("btd,nd->btn", features, output.weight) + output.bias
    leaves = {"features": features, "W": output.weight, "b": output.bias}
    expect_same_slopes(model.logits(features), expected, leaves, seed, "W h + b of each token")


def check_dropout_falls_on_what_the_head_reads(size: Sizes, seed: int) -> None:
    """In training, and not on the logits."""
    expect_dropout(draw(size, seed), leaf(seed + 61, size.B, size.T, size.D))
