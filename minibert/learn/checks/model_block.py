"""What the transformer blocks in PyTorch must fulfil."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from minibert.byhand.parameters import Parameters
from minibert.config import BertConfig
from minibert.learn.checks import block as by_hand
from minibert.learn.compare import expect
from minibert.learn.sizes import Sizes
from minibert.learn.tensors import (
    config,
    exact,
    expect_by_hand,
    expect_same,
    expect_same_slopes,
    expect_untouched,
    filled,
    leaf,
    loaded,
    slopes,
)
from minibert.model.block import Block, CrossBlock, PreNormBlock, take_rows


def draw(kind: type[Any], size: Sizes, seed: int, dropout: float = 0.0) -> tuple[Any, Tensor, Tensor]:
    """Return a block, x (B, T, D), and source (B, S, D)."""
    block = filled(kind(config(size, dropout=dropout)), seed)
    return block, leaf(seed + 90, size.B, size.T, size.D), leaf(seed + 91, size.B, size.S, size.D)


def each(
    size: Sizes, seed: int, dropout: float = 0.0
) -> list[tuple[Any, Callable[[Tensor], Tensor], Tensor]]:
    """Return the three blocks, how each is run on x alone, and x."""
    found = []
    for kind in (Block, PreNormBlock, CrossBlock):
        block, x, source = draw(kind, size, seed, dropout)
        run = (lambda x, b=block, s=source: b(x, s)) if kind is CrossBlock else block
        found.append((block, run, x))
    return found


def check_rows_are_counted_sequence_by_sequence() -> None:
    """Two sequences of three tokens: row 4 is the second token of the second, row 2 the last of the first."""
    x = torch.arange(12.0).view(2, 3, 2)
    rows = torch.tensor([4, 2, 4])
    expect_same(take_rows(x, rows), torch.tensor([[8.0, 9], [4, 5], [8, 9]]), "the rows 4, 2, 4")


def check_rows_are_those_of_b_times_T_plus_t(size: Sizes, seed: int) -> None:
    """Each row's gradient goes back to where it was taken; a row that is taken twice gets both."""
    x = leaf(seed, size.B, size.T, size.D)
    rows = torch.randint(size.B * size.T, (size.N,), generator=torch.Generator().manual_seed(seed))
    rows = torch.cat([rows, rows[:1]])
    expected = torch.stack([x[int(row) // size.T, int(row) % size.T] for row in rows])
    expect_same_slopes(take_rows(x, rows), expected, {"x": x}, seed, "x at (row // T, row % T)")
    apart = x.transpose(0, 1).contiguous().transpose(0, 1)
    expect_same(take_rows(apart, rows), expected, "rows of tokens that lie in memory in another order")


def for_one_token(kind: type[Any], params: Parameters) -> Any:
    """Return a block of width 4, with one head and relu."""
    settings = BertConfig(width=4, heads=1, feedforward=4, activation="relu", dropout=0.0)
    return loaded(kind(settings), params).eval()


def check_a_post_norm_case_by_hand() -> None:
    """x = (4, 8, 11, 17), and the attention gives (-x0 / 4, x1 / 8, 0, 0) = (-1, 1, 0, 0).

    The sum (3, 9, 11, 17) has mean 10 and size 5; times the scale 5, its norm is (-7, -1, 1, 7). The
    feed-forward gives (0, -6, 6, 0); the sum (-7, -7, 7, 7) has size 7, so out = (-1, -1, 1, 1).
    """
    output = exact([-1 / 4, 1 / 8, 0, 0]).diag().numpy()
    block = for_one_token(Block, by_hand.by_hand_params() | {"attention.output.weight": output})
    out = block(exact([[[4.0, 8, 11, 17]]]))
    expect_same(out, exact([[[-1.0, -1, 1, 1]]]), "out of x = (4, 8, 11, 17)")


def check_a_pre_norm_case_by_hand() -> None:
    """x = (3, 9, 11, 17) has mean 10 and size 5: times the scale 5, its norm is (-7, -1, 1, 7).

    The attention adds 4 times feature 2 of that to all features, so middle = (7, 13, 15, 21), whose norm,
    with a scale of 5 here too, is the same; and the feed-forward adds (0, -6, 6, 0): out = (7, 7, 21, 21).
    """
    output = torch.zeros(4, 4).double()
    output[:, 2] = 4
    params = by_hand.by_hand_params() | {"attention.output.weight": output.numpy()}
    params["feedforward_norm.weight"] = params["attention_norm.weight"]
    out = for_one_token(PreNormBlock, params)(exact([[[3.0, 9, 11, 17]]]))
    expect_same(out, exact([[[7.0, 7, 21, 21]]]), "out of x = (3, 9, 11, 17)")


def by_hand_is_the_same(name: str, size: Sizes, seed: int) -> None:
    """Hold a block against the one by hand, in all cases in which nothing is dropped."""
    for case in by_hand.CASES:
        if case.name.startswith(name) and "dropout" not in case.name:
            expect_by_hand(case, size, seed)


def check_by_hand_post_norm_is_the_same(size: Sizes, seed: int) -> None:
    """In value and all gradients: no mask, padding, the causal mask."""
    by_hand_is_the_same("post-norm", size, seed)


def check_by_hand_pre_norm_is_the_same(size: Sizes, seed: int) -> None:
    """In value and all gradients: no mask, the causal mask."""
    by_hand_is_the_same("pre-norm", size, seed)


def check_by_hand_the_decoder_s_block_is_the_same(size: Sizes, seed: int) -> None:
    """In value and all gradients, with and without padding in the source."""
    by_hand_is_the_same("cross", size, seed)


def check_rows_worked_out_alone_are_those_of_the_whole(size: Sizes, seed: int) -> None:
    """With the padding hidden: (N, D), in the order of the rows, and with the same gradients."""
    block, x, _ = draw(Block, size, seed)
    mask = torch.arange(size.T) < max(1, size.T - 1)
    rows = torch.randint(size.B * size.T, (size.N,), generator=torch.Generator().manual_seed(seed))
    leaves = {"x": x, **dict(block.named_parameters())}
    expected = block(x, mask[None]).flatten(0, 1)[rows]
    expect_same_slopes(block(x, mask[None], rows), expected, leaves, seed, "out of all tokens, at the rows")


def check_only_the_rows_go_through_the_feed_forward(size: Sizes, seed: int) -> None:
    """Two thirds of a block's work are saved in the last layer, where few tokens are looked at."""
    block, x, _ = draw(Block, size, seed)
    seen = []
    block.feedforward.register_forward_pre_hook(lambda module, given: seen.append(given[0].numel() // size.D))
    block(x, None, torch.tensor([0, 0]))
    expect(sum(seen) <= 2, f"2 rows wanted: {sum(seen)} tokens went through the feed-forward, expected 2")


def check_what_is_hidden_changes_nothing_for_the_others(size: Sizes, seed: int) -> None:
    """Padding, and under the causal mask the future."""
    size = size._replace(T=size.T + 1)
    padding = (torch.arange(size.T) < size.T - 1)[None]
    causal = torch.ones(size.T, size.T, dtype=torch.bool).tril()
    for kind in (Block, PreNormBlock, CrossBlock):
        block, x, source = draw(kind, size, seed)
        given = (source,) if kind is CrossBlock else ()
        for name, mask in (("the padding", padding), ("the future", causal)):
            short = block(x[:, :-1], *given, mask[:-1, :-1] if mask is causal else None)
            what = f"{kind.__name__}: out before the last word, with {name} hidden"
            expect_same(block(x, *given, mask)[:, :-1], short, what)


def check_where_all_is_dropped_the_straight_way_is_left(size: Sizes, seed: int) -> None:
    """In training at rate 1, each branch is silent: only norms and x itself are left."""
    for block, run, x in each(size, seed):
        name = type(block).__name__
        expected = x
        for norm in ("attention_norm", "cross_norm", "feedforward_norm"):
            if not isinstance(block, PreNormBlock) and hasattr(block, norm):
                expected = getattr(block, norm)(expected)
        block.dropout.p = 1.0
        what = f"{name}: out in training, where dropout leaves out everything"
        expect_same(run(x), expected, what)


def check_nothing_is_dropped_in_evaluation(size: Sizes, seed: int) -> None:
    """Two evaluations are equal, and equal to a block without dropout."""
    for (block, run, x), (_, plain, _) in zip(each(size, seed, 0.5), each(size, seed), strict=True):
        name = type(block).__name__
        block.eval()
        expect_same(run(x), plain(x), f"{name}: out in evaluation, beside a block without dropout")
        block.train()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            once, again = run(x), run(x)
        expect(not torch.equal(once, again), f"{name}: nothing is left out in training, at rate 1/2")


def check_the_source_is_looked_at_and_its_padding_is_not(size: Sizes, seed: int) -> None:
    """A decoder's block sees all of the source but what is hidden."""
    block, x, source = draw(CrossBlock, size._replace(S=size.S + 1), seed)
    attend = torch.arange(size.S + 1) < size.S
    out = block(x, source, None, attend[None])
    expect_same(out, block(x, source[:, :-1]), "out, with the padding of the source hidden and left out")
    gradient = slopes(out, {"source": source}, seed)["source"]
    expect(not gradient[:, -1].any(), "the padding of the source has a gradient")
    expect(bool(gradient[:, :-1].any()) or size.D < 2, "the source has no gradient: is it looked at at all?")


def check_32_and_16_bits_stay_and_no_argument_is_changed(size: Sizes, seed: int) -> None:
    """x += … would change the tensor of whoever called."""
    for block, run, x in each(size, seed):
        expect_untouched(run, x.detach())
        if isinstance(block, CrossBlock):
            continue
        expected = run(x).detach()
        for dtype in (torch.float32, torch.bfloat16):
            got = block.to(dtype)(x.detach().to(dtype))
            expect(got.dtype == dtype, f"{type(block).__name__}: out of x in {dtype} is in {got.dtype}")
            if dtype == torch.float32:
                expect_same(got.double(), expected, f"{type(block).__name__}: out in {dtype}", 1e-3)
