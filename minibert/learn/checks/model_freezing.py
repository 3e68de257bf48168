"""What freezing must fulfil: which weights are of which level, which levels learn, and how fast."""

import torch
from torch import nn

from minibert.learn.compare import expect, expect_close
from minibert.learn.sizes import Sizes
from minibert.model.freezing import layer_rates, let_learn, level_of


def stack_of(size: Sizes) -> list[list[nn.Parameter]]:
    """Return L + 2 frozen levels of two parameters each."""
    return [
        [nn.Parameter(torch.zeros(size.D), requires_grad=False) for _ in range(2)] for _ in range(size.L + 2)
    ]


def learning(stack: list[list[nn.Parameter]]) -> list[bool]:
    """Return for each level, from the bottom up, whether it learns. Raises CheckError for one in parts."""
    found = [{parameter.requires_grad for parameter in level} for level in stack]
    expect(all(len(kinds) == 1 for kinds in found), "of one level some parameters learn and some are frozen")
    return [kinds.pop() for kinds in found]


def expect_learning(stack: list[list[nn.Parameter]], expected: list[bool], what: str) -> None:
    """Raise CheckError unless these levels learn, and no others."""
    got = learning(stack)
    expect(got == expected, f"{what}: expected, from the bottom up, {expected}, got {got}")


# ---------------------------------------------------------------- levels


def check_embeddings_are_at_the_bottom() -> None:
    """Whatever they are called in BERT, ModernBERT and GPT-2."""
    for name in ("embedding.tokens.weight", "embedding.norm.bias", "tokens.weight", "positions.weight"):
        got = level_of(name, 12)
        expect(got == 0, f"level_of({name!r}, 12): expected 0, got {got}")


def check_blocks_are_counted_from_one() -> None:
    """Block 0 lies right above the embeddings, at level 1; block 11 is the eleventh above it."""
    for block, part in (
        (0, "attention.query.weight"),
        (5, "feedforward.expand.bias"),
        (11, "attention_norm.weight"),
    ):
        name = f"blocks.{block}.{part}"
        got = level_of(name, 12)
        expect(got == block + 1, f"level_of({name!r}, 12): expected {block + 1}, got {got}")


def check_the_last_norm_is_of_the_top_block_and_the_pooler_of_the_head() -> None:
    """The norm finishes what the top block began; the pooler reads for the head."""
    for name, layers, expected in (("norm.weight", 12, 12), ("norm.bias", 2, 2), ("pooler.weight", 12, 13)):
        got = level_of(name, layers)
        expect(got == expected, f"level_of({name!r}, {layers}): expected {expected}, got {got}")


# ---------------------------------------------------------------- what learns


def check_at_first_the_head_alone_learns(size: Sizes) -> None:
    """A count of one."""
    stack = stack_of(size)
    let_learn(stack, 1)
    expect_learning(stack, [False] * (size.L + 1) + [True], f"let_learn of {size.L + 2} levels, 1")


def check_the_top_learns_and_the_rest_is_frozen(size: Sizes) -> None:
    """From none to all."""
    for count in range(size.L + 3):
        stack = stack_of(size)
        let_learn(stack, count)
        expected = [i >= size.L + 2 - count for i in range(size.L + 2)]
        expect_learning(stack, expected, f"let_learn of {size.L + 2} levels, {count}")


def check_what_learned_before_is_frozen_again(size: Sizes) -> None:
    """Whatever was asked for before: how many learn is a function of the count alone."""
    stack = stack_of(size)
    for count in (size.L + 2, 1, 2, 0):
        let_learn(stack, count)
        got = sum(learning(stack))
        expect(got == count, f"let_learn({count}) after others: expected {count} to learn, got {got}")


def check_more_than_all_is_all(size: Sizes) -> None:
    """Long after the last level has thawed."""
    stack = stack_of(size)
    let_learn(stack, size.L + 9)
    expect_learning(stack, [True] * (size.L + 2), f"let_learn of {size.L + 2} levels, {size.L + 9}")


# ---------------------------------------------------------------- how fast


def check_rates_by_hand() -> None:
    """Three blocks at 8, and half of it for each level below."""
    expect_close(layer_rates(8.0, 0.5, 3), [1.0, 2.0, 4.0, 8.0], "layer_rates(8, decay 0.5, 3 layers)")
    expect_close(layer_rates(1.0, 0.1, 1), [0.1, 1.0], "layer_rates(1, decay 0.1, 1 layer)")


def check_without_decay_all_learn_alike(size: Sizes) -> None:
    """A decay of 1."""
    expected = [3e-5] * (size.L + 1)
    expect_close(layer_rates(3e-5, 1.0, size.L), expected, f"layer_rates(3e-5, 1, {size.L} layers)")


def check_each_level_has_the_same_share_of_the_one_above(size: Sizes) -> None:
    """Howard and Ruder's 1 / 2.6."""
    rates = layer_rates(0.01, 1 / 2.6, size.L + 3)
    ratios = [above / below for below, above in zip(rates[:-1], rates[1:], strict=True)]
    expect_close(ratios, [2.6] * (size.L + 3), "how many times faster each level learns than the one below")
