"""What the ways to say a position must fulfil in PyTorch."""

import math
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from minibert.learn.checks import position as by_hand
from minibert.learn.compare import expect, expect_close
from minibert.learn.sizes import Sizes
from minibert.learn.tensors import (
    exact,
    expect_by_hand,
    expect_refused,
    expect_same,
    expect_untouched,
    leaf,
    normal,
)
from minibert.model.position import rotary, rotate_plain, sinusoids, turns


def plain(x: Tensor, positions: Tensor, base: float = 10000.0) -> Tensor:
    """Turn x, written out."""
    return rotate_plain(x, *turns(positions, x.shape[-1], base, x.dtype))


BOTH: dict[str, Callable[..., Tensor]] = {"rotate_plain": plain, "rotary": rotary}


def draw(size: Sizes, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return x (B, H, T, K), positions (T,) that do not begin at 0, and positions (B, T), each by itself."""
    generator = torch.Generator().manual_seed(seed)
    together = torch.randint(1, 200, (1,), generator=generator) + torch.arange(size.T)
    return leaf(seed, *size.query), together, torch.randint(1, 200, (size.B, size.T), generator=generator)


def check_sine_and_cosine_take_turns() -> None:
    """At position 1, width 4, the angles are 1 and 1 / 10000^(2/4) = 1/100; at position 0 both are 0."""
    table = sinusoids(torch.arange(2), 4)
    expected = [[0.0, 1, 0, 1], [math.sin(1), math.cos(1), math.sin(0.01), math.cos(0.01)]]
    expect_same(table, torch.tensor(expected), "the waves at positions 0 and 1, width 4", 1e-6)


def check_the_papers_formula(size: Sizes, seed: int) -> None:
    """Entry by entry; also of an odd width, whose last wave is a sine alone."""
    places = torch.tensor([3, 0, 40])
    for D in (size.D, size.D + 1, 1):
        rows = [
            [(math.cos if d % 2 else math.sin)(p / 10000 ** ((d - d % 2) / D)) for d in range(D)]
            for p in places.tolist()
        ]
        expect_same(sinusoids(places, D), torch.tensor(rows), f"positions 3, 0 and 40, width {D}", 1e-4)


def check_a_row_depends_on_its_position_alone(size: Sizes, seed: int) -> None:
    """Not on where it stands in the table, nor on the others."""
    _, places, _ = draw(size, seed)
    expected = sinusoids(torch.arange(int(places[-1]) + 1), size.D)[places]
    expect_same(
        sinusoids(places, size.D), expected, "the waves at some positions, out of a longer table", 1e-4
    )


def check_by_hand_sinusoids_are_the_same(size: Sizes, seed: int) -> None:
    """In float32, as the paper's positions are whole numbers."""
    case = next(case for case in by_hand.CASES if case.name == "sinusoids")
    expect_by_hand(case, size, seed, 1e-4)
    got = sinusoids(torch.arange(3), size.D).dtype
    expect(got == torch.float32, f"the waves must be in torch.float32, got {got}")


def check_a_turn_by_hand() -> None:
    """K = 4 pairs feature 0 with 2 and 1 with 3; at position 1 they turn by 1 and by 1/100."""
    x = exact([[[[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]]]])
    fast, slow = [math.cos(1), 0, math.sin(1), 0], [0, math.cos(0.01), 0, math.sin(0.01)]
    expected = exact([[[fast, slow]]])
    for name, turn in BOTH.items():
        got = turn(x, torch.tensor([1, 1]))
        expect_same(got, expected, f"{name}: (1, 0, 0, 0) and (0, 1, 0, 0) at position 1")


def check_at_position_zero_nothing_turns(size: Sizes, seed: int) -> None:
    """The angle is the position times something."""
    x, places, _ = draw(size, seed)
    for name, turn in BOTH.items():
        expect_same(turn(x, 0 * places), x, f"{name}: x at position 0")


def check_by_hand_turns_are_the_same(size: Sizes, seed: int) -> None:
    """In value and gradient; with positions for all sequences, and for each by itself."""
    for case in by_hand.CASES:
        if case.torch is by_hand.torch_rotary:
            for turn in BOTH.values():
                expect_by_hand(replace(case, torch=turn), size, seed)


def check_the_base_says_how_slow_the_slowest_turns() -> None:
    """K = 4: with base 100 the second pair turns by 1/10 at position 1."""
    x = exact([[[[0.0, 1.0, 0.0, 0.0]]]])
    expected = exact([[[[0, math.cos(0.1), 0, math.sin(0.1)]]]])
    for name, turn in BOTH.items():
        got = turn(x, torch.tensor([1]), 100.0)
        expect_same(got, expected, f"{name}: (0, 1, 0, 0) at position 1, base 100")


def check_query_times_key_depends_on_their_distance_alone(size: Sizes, seed: int) -> None:
    """Move both along together, and the products stay; and a turn keeps the length."""
    query, _, places = draw(size, seed)
    key = normal(seed + 1, *size.query)
    for name, turn in BOTH.items():
        products = [turn(query, at) @ turn(key, at).mT for at in (places, places + 7)]
        expect_same(products[1], products[0], f"{name}: query times key, both moved by 7")
        expect_same(
            turn(query, places).norm(dim=-1), query.norm(dim=-1), f"{name}: the length of each vector"
        )


def check_sixteen_bits_keep_apart_positions_that_they_cannot_hold(size: Sizes, seed: int) -> None:
    """Bfloat16 knows 4096 and 4128, but nothing between them: the angles need more."""
    x = normal(seed, size.B, size.H, 4, size.K)
    places = torch.tensor([4096, 4097, 4103, 4111])
    expected = rotary(x, places)
    for dtype in (torch.bfloat16, torch.float32):
        close = 0.02 if dtype == torch.bfloat16 else 2e-3
        for name, turn in BOTH.items():
            got = turn(x.to(dtype), places)
            expect(got.dtype == dtype, f"{name}: x in {dtype} was turned into {got.dtype}")
            expect_close(got.double(), expected, f"{name}: x in {dtype} at positions about 4100", close)


def check_no_argument_is_changed(size: Sizes, seed: int) -> None:
    """Queries and keys are turned at the same positions."""
    x, places, _ = draw(size, seed)
    for turn in BOTH.values():
        expect_untouched(turn, x.detach(), places)
    expect_untouched(lambda places: sinusoids(places, size.D), places)


def check_an_odd_width_cannot_be_turned() -> None:
    """One feature would be without a partner."""
    for K in (1, 3):
        expect_refused(lambda K=K: rotary(torch.ones(1, 1, 2, K), torch.arange(2)), f"heads of width {K}")
