"""What classifiers must fulfil in PyTorch."""

import torch
from torch import Generator, Tensor

from minibert.config import HeadConfig, ModernBertConfig
from minibert.learn.checks.model_bert import Batch, draw_batch
from minibert.learn.compare import expect
from minibert.learn.sizes import Sizes
from minibert.learn.tensors import config, exact, expect_same, expect_same_slopes, filled, leaf
from minibert.model.classifier import BertClassifier, ModernBertMeanClassifier, last_rows
from minibert.model.task_model import TaskModel


def labels(size: Sizes) -> tuple[str, ...]:
    """Return the names of N labels."""
    return tuple(f"label {number}" for number in range(size.N))


def draw(size: Sizes, seed: int) -> tuple[BertClassifier, Batch]:
    """Return a classifier of N classes, and a batch."""
    head = HeadConfig("classes", labels(size), dropout=0.0)
    return filled(BertClassifier(config(size), head), seed), draw_batch(size, seed)


def expect_dropout(model: TaskModel, features: Tensor) -> None:
    """At rate 1 nothing is left for the last layer but its bias, in training; in evaluation all of it."""
    whole = model.eval().logits(features)
    bias = model.get_parameter("output.bias").expand_as(whole)
    model.dropout.p = 1.0
    expect_same(
        model.train().logits(features), bias, "the logits where dropout leaves out all they are made of"
    )
    expect_same(model.eval().logits(features), whole, "the logits in evaluation")


# ------------------------------------------------------------ what BERT's head reads


def check_a_text_is_the_hidden_state_of_its_first_token(size: Sizes, seed: int) -> None:
    """Of the last block, before the pooler; in value and all gradients."""
    model, batch = draw(size, seed)
    leaves = {name: weight for name, weight in model.bert.named_parameters() if "pooler" not in name}
    for given in (batch, batch[:1]):
        expected = model.bert(*given)[:, 0]
        expect_same_slopes(model.features(*given), expected, leaves, seed, "the first hidden states")


def check_the_last_block_works_at_the_first_tokens_alone(size: Sizes, seed: int) -> None:
    """Its feed-forward layers see B tokens, not B T."""
    model, batch = draw(size, seed)
    seen: list[Tensor] = []
    hook = (
        model.bert.blocks[-1]
        .get_submodule("feedforward")
        .register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0]))
    )
    model.features(*batch)
    hook.remove()
    expected, got = size.B, sum(x[..., 0].numel() for x in seen)
    expect(
        got == expected,
        f"tokens in the feed-forward layers of the last block: expected {expected}, got {got}",
    )


# ------------------------------------------------------------ BERT's head


def check_a_case_by_hand() -> None:
    """Two features, two classes, a pooler that swaps the features, and large ones: their tanh is 1 and -1."""
    size = Sizes(H=1, K=2)
    model = BertClassifier(config(size), HeadConfig("classes", ("no", "yes"), dropout=0.0)).double()
    with torch.no_grad():
        model.bert.pooler.weight.copy_(exact([[0.0, 1], [1, 0]]))
        model.bert.pooler.bias.copy_(exact([40.0, 0]))
        model.output.weight.copy_(exact([[2.0, 3], [5, 7]]))
        model.output.bias.copy_(exact([100.0, 200]))
    got = model.logits(exact([[50.0, -10], [-60, 20]]))
    expect_same(got, exact([[105.0, 212], [99, 198]]), "the logits of two texts")


def check_logits_are_a_product_with_the_pooled_state(size: Sizes, seed: int) -> None:
    """W tanh(P h + p) + b, in value and all gradients; no softmax: that is the loss's."""
    model, _ = draw(size, seed)
    features = leaf(seed + 60, size.B, size.D)
    pooler, output = model.bert.pooler, model.output
    pooled = torch.tanh(features @ pooler.weight.T + pooler.bias)
    expected = pooled @ output.weight.T + output.bias
    leaves = {"features": features, **dict(pooler.named_parameters()), "W": output.weight, "b": output.bias}
    expect_same_slopes(model.logits(features), expected, leaves, seed, "W tanh(P h + p) + b")


def check_dropout_falls_on_the_pooled_state(size: Sizes, seed: int) -> None:
    """Between the tanh and the last product."""
    model, _ = draw(size, seed)
    expect_dropout(model, leaf(seed + 61, size.B, size.D))


# ------------------------------------------------------------ the mean of all tokens


def draw_modern(size: Sizes, seed: int) -> tuple[ModernBertMeanClassifier, Tensor, Tensor]:
    """Return a ModernBERT, ids (3, T + 1), and attend: the texts have T + 1 tokens, one, and none."""
    shape = ModernBertConfig(
        vocab_size=size.V,
        layers=2,
        width=size.D,
        heads=size.H,
        feedforward=size.F,
        max_positions=size.T + 1,
        local_window=2,
    )
    head = HeadConfig("classes", labels(size), dropout=0.0)
    ids = torch.randint(1, size.V, (3, size.T + 1), generator=Generator().manual_seed(seed))
    attend = torch.arange(size.T + 1) < torch.tensor([[size.T + 1], [1], [0]])
    return filled(ModernBertMeanClassifier(shape, head), seed), ids, attend


def check_padding_is_not_part_of_the_mean(size: Sizes, seed: int) -> None:
    """Each text's tokens, divided by their number; in value and all gradients."""
    model, ids, attend = draw_modern(size, seed)
    ids, attend = ids[:2], attend[:2]
    hidden = model.bert(ids, attend)
    expected = torch.stack([hidden[b, attend[b]].mean(0) for b in range(2)])
    leaves = dict(model.bert.named_parameters())
    expect_same_slopes(model.features(ids, None, attend), expected, leaves, seed, "the mean text by text")
    expect_same(model.features(ids), model.bert(ids).mean(1), "the mean without attend")


def check_a_text_of_nothing_but_padding_is_zero(size: Sizes, seed: int) -> None:
    """And not NaN, which would be the loss of the whole batch."""
    model, ids, attend = draw_modern(size, seed)
    got = model.features(ids, None, attend)[2]
    expect_same(got, torch.zeros_like(got), "the features of a text without tokens")


# ------------------------------------------------------------ the last token


def check_the_last_token_is_found_in_front_of_the_padding(size: Sizes, seed: int) -> None:
    """Flat positions b T + t, of texts of all lengths from 1 to T."""
    lengths = torch.randperm(size.T, generator=Generator().manual_seed(seed)) + 1
    T = size.T + 1  # no text is as long as the rows
    attend = torch.arange(T) < lengths[:, None]
    ids = torch.zeros(size.T, T, dtype=torch.int64)
    expected = torch.tensor([b * T + int(length) - 1 for b, length in enumerate(lengths)])
    expect_same(last_rows(ids, attend), expected, f"the last tokens of texts of {lengths.tolist()} tokens")


def check_without_padding_it_is_the_last_of_each_row(size: Sizes) -> None:
    """Whether attend says so, or is not given."""
    ids = torch.zeros(size.B, size.T, dtype=torch.int64)
    expected = torch.tensor([b * size.T + size.T - 1 for b in range(size.B)])
    expect_same(last_rows(ids, None), expected, "the last tokens without attend")
    everywhere = torch.ones_like(ids, dtype=torch.bool)
    expect_same(last_rows(ids, everywhere), expected, "the last tokens of whole rows")


def check_a_text_of_nothing_but_padding_has_its_first_token(size: Sizes) -> None:
    """And not one of the text before."""
    attend = torch.ones(size.B + 1, size.T, dtype=torch.bool)
    attend[1] = False
    ids = torch.zeros(size.B + 1, size.T, dtype=torch.int64)
    expected = torch.tensor([b * size.T + (0 if b == 1 else size.T - 1) for b in range(size.B + 1)])
    expect_same(last_rows(ids, attend), expected, "the last tokens where the second text has none")
