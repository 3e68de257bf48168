"""What windows that slide over a text must fulfil."""

import numpy as np

from minibert.batches.windows import sliding_windows
from minibert.learn.compare import expect
from minibert.learn.sizes import Sizes


def expect_windows(n: int, context: int, stride: int, expected: list[tuple[int, int, int]]) -> None:
    """Raise CheckError unless the windows are these: (first, begin, end) of each."""
    got = [tuple(map(int, window)) for window in zip(*sliding_windows(n, context, stride), strict=True)]
    expect(
        got == expected,
        f"(first, begin, end) of the windows over {n} tokens, context {context}, stride {stride}:\n"
        f"expected {expected}\ngot      {got}",
    )


def check_windows_by_hand() -> None:
    """Of 10 tokens, 4 at a time: the first window scores all 4, each later one the 2 that are new."""
    expect_windows(10, 4, 2, [(0, 0, 4), (2, 4, 6), (4, 6, 8), (6, 8, 10)])


def check_a_last_window_that_is_not_full() -> None:
    """It scores what is left: here one token."""
    expect_windows(9, 4, 2, [(0, 0, 4), (2, 4, 6), (4, 6, 8), (6, 8, 9)])
    expect_windows(8, 5, 3, [(0, 0, 5), (3, 5, 8)])


def check_a_stride_as_long_as_the_context_makes_blocks() -> None:
    """One behind the other, and every token of a block is scored."""
    expect_windows(9, 4, 4, [(0, 0, 4), (4, 4, 8), (8, 8, 9)])


def check_a_text_that_fits_into_the_context_is_one_window() -> None:
    """There is nothing to slide over."""
    expect_windows(5, 8, 3, [(0, 0, 5)])
    expect_windows(8, 8, 3, [(0, 0, 8)])


def check_every_token_is_scored_once_with_enough_before_it(size: Sizes, seed: int) -> None:
    """Context - stride tokens before it, or all there are; and no window is wider than the context."""
    draw = np.random.default_rng(seed)
    n, context = int(draw.integers(1, 60)), int(draw.integers(1, 12))
    stride = int(draw.integers(1, context + 1))
    windows = sliding_windows(n, context, stride)
    told = f"{n} tokens, context {context}, stride {stride}"
    scored = [token for _, begin, end in zip(*windows, strict=True) for token in range(begin, end)]
    expect(scored == list(range(n)), f"{told}: expected each token to be scored once, in order, got {scored}")
    for first, begin, end in zip(*windows, strict=True):
        expect(end - first <= context, f"{told}: the window from {first} to {end} is too wide")
        expect(
            begin - first >= min(context - stride, begin),
            f"{told}: token {begin} is scored with {begin - first} tokens before it",
        )


def check_windows_are_whole_numbers_of_64_bits() -> None:
    """Places of a long text need them."""
    for name, part in sliding_windows(9, 4, 2)._asdict().items():
        expect(part.dtype == np.int64, f"{name}: expected int64, got {part.dtype}")
