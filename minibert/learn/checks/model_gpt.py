"""What GPT-2 in PyTorch must fulfil."""

import math
from typing import Any

import torch
from torch import Generator, Tensor

from minibert.config import GptConfig
from minibert.learn.checks import gpt as by_hand
from minibert.learn.checks.model_bert import expect_noise
from minibert.learn.compare import expect
from minibert.learn.sizes import Sizes
from minibert.learn.tensors import (
    expect_by_hand,
    expect_refused,
    expect_same,
    expect_same_slopes,
    filled,
    slopes,
)
from minibert.model.gpt import Gpt
from minibert.model.position import sinusoids


def config(size: Sizes, **others: Any) -> GptConfig:
    """Return the shape of a small GPT, with places for two tokens more than T."""
    sizes = {"vocab_size": size.V, "layers": 3, "width": size.D, "heads": size.H, "feedforward": size.F}
    settings = {"max_positions": size.T + 2, "dropout": 0.0, "attention_dropout": 0.0}
    return GptConfig(**{**sizes, **settings, **others})


def draw(size: Sizes, seed: int) -> tuple[Gpt, Tensor]:
    """Return a model of three layers, and ids (B, T + 2)."""
    ids = torch.randint(size.V, (size.B, size.T + 2), generator=Generator().manual_seed(seed))
    return filled(Gpt(config(size)), seed), ids


def check_the_model_is_its_blocks_one_after_another(size: Sizes, seed: int) -> None:
    """The sum of two rows, every block once, and the last norm; in value and all gradients."""
    model, ids = draw(size, seed)
    for given in (ids, ids[:, : size.T]):
        x = model.tokens(ids)[:, : given.shape[1]] + model.positions.weight[: given.shape[1]]
        for block in model.blocks:
            x = block(x)
        leaves = dict(model.named_parameters())
        expect_same_slopes(model.features(given), model.norm(x), leaves, seed, "block after block")


def check_the_rows_asked_for_are_those_of_the_whole(size: Sizes, seed: int) -> None:
    """Flat positions b T + t; in value and all gradients."""
    model, ids = draw(size, seed)
    rows = torch.randint(ids.numel(), (size.N,), generator=Generator().manual_seed(seed))
    rows[0] = ids.numel() - 1
    expected = model.features(ids).flatten(0, 1)[rows]
    leaves = dict(model.named_parameters())
    expect_same_slopes(model.features(ids, rows=rows), expected, leaves, seed, "the whole, at the rows")


def check_by_hand_the_stack_is_the_same(size: Sizes, seed: int) -> None:
    """In value and all gradients."""
    (case,) = (case for case in by_hand.CASES if case.name == "without the words")
    expect_by_hand(case, size, seed)


def check_logits_are_the_features_times_the_table_of_tokens(size: Sizes, seed: int) -> None:
    """The output has no matrix of its own, and no bias."""
    model, ids = draw(size, seed)
    expected = model.features(ids) @ model.tokens.weight.T
    expect_same_slopes(model(ids), expected, {"tokens": model.tokens.weight}, seed, "features E^T")


def check_no_token_sees_the_future(size: Sizes, seed: int) -> None:
    """What was worked out for a text is there again when it goes on."""
    model, ids = draw(size, seed)
    whole = model.features(ids)
    for end in range(1, size.T + 2):
        expect_same(model.features(ids[:, :end]), whole[:, :end], f"the features of the first {end} tokens")


def check_with_a_memory_the_numbers_are_the_same(size: Sizes, seed: int) -> None:
    """T tokens at once, then one and one more."""
    model, ids = draw(size, seed)
    whole, ends = model.features(ids), [0, size.T, size.T + 1, size.T + 2]
    state = model.new_state(size.B, size.T + 2)
    for first, end in zip(ends, ends[1:], strict=False):
        what = f"the features of the tokens {first} to {end - 1}, with a memory of those before"
        expect_same(model.features(ids[:, first:end], state), whole[:, first:end], what)


def check_each_text_of_a_padded_batch_is_as_if_it_were_alone(size: Sizes, seed: int) -> None:
    """Padding on the left, whatever words stand there: three texts that begin in columns 0, 1 and 2."""
    size = size._replace(B=3, T=size.T + 1)
    model, ids = draw(size, seed)
    state = model.new_state(3, size.T + 2, torch.arange(3))
    ends = [0, size.T, size.T + 1, size.T + 2]
    pieces = [model.features(ids[:, first:end], state) for first, end in zip(ends, ends[1:], strict=False)]
    together = torch.cat(pieces, dim=1)
    for row in range(3):
        alone = model.features(ids[row : row + 1, row:])
        expect_same(together[row : row + 1, row:], alone, f"the features of the text with {row} paddings")


def check_all_is_dropped_that_goes_into_the_stack(size: Sizes, seed: int) -> None:
    """At rate 1 the blocks get zeros, in training; in evaluation all of it."""
    model, ids = draw(size, seed)
    whole = model.features(ids)
    for block in model.blocks:
        block.eval()
    model.dropout.p = 1.0
    x = torch.zeros_like(whole)
    for block in model.blocks:
        x = block(x)
    expect_same(model.features(ids), model.norm(x), "the features where dropout leaves out all of the sum")
    expect_same(model.eval().features(ids), whole, "the features in evaluation")


def check_wrong_ids_are_refused_before_they_are_remembered(size: Sizes, seed: int) -> None:
    """And so are texts longer than the table of places."""
    model, _ = draw(size, seed)
    for wrong in (-1, size.V):
        state = model.new_state(1, 2)
        ids = torch.tensor([[0, wrong]])
        for given in (None, state):
            expect_refused(lambda ids=ids, given=given: model.features(ids, given), f"the ids {ids.tolist()}")
        expect(state.filled == 0, f"after refused ids the state has {state.filled} columns, expected none")
    longer = torch.zeros(1, size.T + 3, dtype=torch.int64)
    expect_refused(lambda: model.features(longer), f"{size.T + 3} tokens, {size.T + 2} positions")
    short = model.new_state(1, 1)
    expect_refused(lambda: model.features(longer[:, :2], short), "2 tokens, a state with room for 1")


WIDE = GptConfig(vocab_size=300, layers=8, width=64, heads=2, feedforward=64, max_positions=64, init_std=0.05)
"""Large enough for the noise of each weight to be measured; the root of 2 L is 4."""

LAST = ("attention.output.weight", "feedforward.contract.weight")
"""The last matrix of each branch."""


def start(settings: GptConfig = WIDE, seed: int = 0) -> Gpt:
    """Return a model whose weights, all spoilt, have been started anew."""
    model = Gpt(settings)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "norm" not in name:
                weight.fill_(7)
    model.start_weights(Generator().manual_seed(seed))
    return model


def check_tables_start_as_noise(seed: int) -> None:
    """With the standard deviation of the configuration, 0.05 here."""
    model = start(seed=seed)
    expect_noise(model.tokens.weight, 0.05, "the table of tokens")
    expect_noise(model.positions.weight, 0.05, "the table of positions")


def check_products_start_as_noise(seed: int) -> None:
    """With the same, but for the last of each branch."""
    for name, weight in start(seed=seed).named_parameters():
        if weight.ndim == 2 and name.startswith("blocks") and not name.endswith(LAST):
            expect_noise(weight, 0.05, name)


def check_the_last_of_each_attention_starts_smaller_by_the_root_of_2_L(seed: int) -> None:
    """Eight blocks, 16 branches: a quarter of 0.05."""
    for name, weight in start(seed=seed).named_parameters():
        if name.endswith(LAST[0]):
            expect_noise(weight, 0.0125, name)


def check_the_last_of_each_feed_forward_starts_smaller_by_the_root_of_2_L(seed: int) -> None:
    """It ends a branch as well: a quarter of 0.05."""
    for name, weight in start(seed=seed).named_parameters():
        if name.endswith(LAST[1]):
            expect_noise(weight, 0.0125, name)


def largest_last(seed: int) -> float:
    """Return the largest standard deviation of the last matrices of the branches."""
    last = [w.detach() for name, w in start(seed=seed).named_parameters() if name.endswith(LAST)]
    return max(float(weight.std()) for weight in last)


def check_the_last_of_each_branch_starts_no_larger_than_the_others(seed: int) -> None:
    """Which start at 0.05."""
    std = largest_last(seed)
    expect(std < 0.06, f"the last matrix of a branch starts with a std of {std:.3g}, above 0.05")


def check_the_last_of_each_branch_starts_clearly_smaller_than_the_others(seed: int) -> None:
    """Which start at 0.05."""
    std = largest_last(seed)
    expect(std < 0.03, f"the last matrix of a branch starts with a std of {std:.3g}, not 0.0125")


def check_no_branch_starts_silent(seed: int) -> None:
    """A quarter of 0.05 is wanted, not a sixteenth."""
    std = largest_last(seed)
    expect(std > 0.008, f"the last matrices start with a std of {std:.3g}, not 0.0125")


def check_the_noise_is_normal(seed: int) -> None:
    """Two thirds lie within one standard deviation; of even noise it would be fewer."""
    weight = start(seed=seed).tokens.weight.detach()
    share = float((weight.abs() < weight.std()).double().mean())
    error = math.sqrt(0.6827 * 0.3173 / weight.numel())
    expect(abs(share - 0.6827) < 8 * error, f"{share:.4g} of the noise lies within one std, expected 0.6827")


def check_biases_start_at_zero_and_norms_as_they_were_made(seed: int) -> None:
    """Norms have the scale 1 and the shift 0."""
    for name, weight in start(seed=seed).named_parameters():
        if weight.ndim == 1:
            expected = torch.full_like(weight, "norm.weight" in name)
            expect_same(weight, expected, f"{name} at the start")


def check_the_generator_makes_the_noise(seed: int) -> None:
    """The same one the same, another one other."""
    first, again, other = start(seed=seed), start(seed=seed), start(seed=seed + 1)
    for (name, a), b, c in zip(first.named_parameters(), again.parameters(), other.parameters(), strict=True):
        expect(torch.equal(a, b), f"{name}: two generators with one seed give two weights")
        if a.ndim == 2:
            expect(not torch.equal(a, c), f"{name}: two seeds give the same weight")


def check_positions_may_start_as_small_sinusoids(seed: int) -> None:
    """A few times the noise of the tokens, which they would drown otherwise."""
    settings = GptConfig(**{**WIDE.__dict__, "position_init": "sinusoidal"})
    table = start(settings, seed).positions.weight.detach()
    expect_same(table, 0.1 * sinusoids(torch.arange(64), 64), "the table of positions at the start")


def check_all_weights_can_still_learn(size: Sizes, seed: int) -> None:
    """Starting is no step that a gradient would have to flow back through."""
    model, ids = draw(size, seed)
    model.start_weights(Generator().manual_seed(seed))
    leaves = dict(model.named_parameters())
    expect(
        all(weight.is_leaf and weight.requires_grad for weight in leaves.values()), "a weight does not learn"
    )
    expect(bool(slopes(model(ids), leaves, seed)["tokens.weight"].any()), "the token table has no gradient")
