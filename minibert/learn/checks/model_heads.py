"""What the head that guesses words must fulfil in PyTorch."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from minibert.learn.compare import expect
from minibert.learn.sizes import Sizes
from minibert.learn.tensors import (
    config,
    exact,
    expect_same,
    expect_same_slopes,
    expect_untouched,
    filled,
    leaf,
)
from minibert.model.heads import WordHead


def draw(size: Sizes, seed: int) -> tuple[WordHead, nn.Parameter, Tensor]:
    """Return a head, the token table (V, D) that it shares, and hidden states (B, T, D)."""
    table = nn.Parameter(torch.empty(size.V, size.D))
    head = filled(WordHead(config(size), table), seed)
    return head, table, leaf(seed + 20, size.B, size.T, size.D)


def check_a_case_by_hand() -> None:
    """Two features, three words: dense is (0, 30) + 1 times the swapped input, all far to the right of zero.

    So relu and gelu leave it as it is, its norm is (-1, 1), and the logits are the differences of the rows of
    the table, 3, 0 and -2, plus the bias 0, 10 and 20.
    """
    head = WordHead(config(Sizes(H=1, K=2, V=3)), nn.Parameter(exact([[1.0, 4], [5, 5], [2, 0]])))
    head.double()
    with torch.no_grad():
        head.dense.weight.copy_(exact([[0.0, 1], [1, 0]]))
        head.dense.bias.copy_(exact([0.0, 30]))
        head.bias.copy_(exact([0.0, 10, 20]))
    expect_same(head(exact([[50.0, 40]])), exact([[3.0, 10, 18]]), "the logits of three words")


def check_logits_are_products_with_the_token_embedding(size: Sizes, seed: int) -> None:
    """Of the transformed states; in value, and in every gradient."""
    head, table, hidden = draw(size, seed)
    bent = F.gelu(hidden @ head.dense.weight.T + head.dense.bias)
    features = F.layer_norm(bent, (size.D,), head.norm.weight, head.norm.bias, head.norm.eps)
    leaves = {"hidden": hidden, "the table": table, **dict(head.named_parameters())}
    expect_same_slopes(head.transform(hidden), features, leaves, seed + 21, "the equation of transform")
    expected = features @ table.T + head.bias
    expect_same_slopes(head(hidden), expected, leaves, seed + 21, "the equation")


def check_the_table_is_shared_not_copied(size: Sizes, seed: int) -> None:
    """What the embedding learns, the head knows at once."""
    head, table, hidden = draw(size, seed)
    expect(head.weight is table, "the output weights are not the token table itself")
    with torch.no_grad():
        table.mul_(0.0)
    expected = head.bias.expand(size.B, size.T, size.V)
    expect_same(head(hidden), expected, "the logits when the table has become zero")


def check_any_axes_and_types(size: Sizes, seed: int) -> None:
    """States of a batch, of some slots, or of one token; and nothing is changed."""
    head, _, hidden = draw(size, seed)
    out = head(hidden)
    expect_same(head(hidden.flatten(0, 1)), out.flatten(0, 1), "the logits of slots (N, D)")
    expect_same(head(hidden[0, 0]), out[0, 0], "the logits of one token")
    expect_untouched(head, hidden.detach())
    got = head.float()(hidden.detach().float())
    expect(got.dtype == torch.float32, f"the logits of states in torch.float32 are in {got.dtype}")
