"""What windows over a context, the tokens of an answer, and the best legal span must fulfil."""

import numpy as np

from minibert.batches.contexts import Span, best_span, even_windows, tokens_of
from minibert.learn.compare import expect, expect_close
from minibert.learn.sizes import Sizes

# ---------------------------------------------------------------- windows


def expect_windows(n: int, room: int, overlap: int, expected: list[tuple[int, int]]) -> None:
    """Raise CheckError unless the windows are these: (first, end) of each."""
    firsts, ends = even_windows(n, room, overlap)
    got = [(int(first), int(end)) for first, end in zip(firsts, ends, strict=True)]
    expect(
        got == expected,
        f"(first, end) of the windows over {n} tokens, {room} at a time, overlap {overlap}:\n"
        f"expected {expected}\ngot      {got}",
    )


def check_windows_by_hand() -> None:
    """Of 10 tokens, 4 at a time, 2 in common: four windows, two tokens apart."""
    expect_windows(10, 4, 2, [(0, 4), (2, 6), (4, 8), (6, 10)])


def check_what_does_not_come_out_even_is_spread() -> None:
    """Of 11 tokens there are five windows, 7/4 tokens apart, each from the whole number below."""
    expect_windows(11, 4, 2, [(0, 4), (1, 5), (3, 7), (5, 9), (7, 11)])
    expect_windows(5, 4, 2, [(0, 4), (1, 5)])


def check_what_fits_is_one_window() -> None:
    """From the first token to the last, without a single one too many; nothing at all is one, too."""
    expect_windows(3, 4, 2, [(0, 3)])
    expect_windows(4, 4, 2, [(0, 4)])
    expect_windows(0, 4, 2, [(0, 0)])


def check_without_overlap_windows_are_blocks() -> None:
    """One right behind the other, where that comes out even."""
    expect_windows(8, 4, 0, [(0, 4), (4, 8)])


def check_windows_are_whole_numbers_of_64_bits() -> None:
    """Whether there is one window or several."""
    for n in (3, 9):
        for name, part in zip(("firsts", "ends"), even_windows(n, 4, 1), strict=True):
            expect(part.dtype == np.int64, f"{name} over {n} tokens: expected int64, got {part.dtype}")


def check_any_windows(size: Sizes, seed: int) -> None:
    """They reach from end to end, are full, have enough in common, and are as few as can be."""
    draw = np.random.default_rng(seed)
    n, room = int(draw.integers(0, 60)), int(draw.integers(1, 12))
    overlap = int(draw.integers(0, room))
    firsts, ends = even_windows(n, room, overlap)
    told = (
        f"{n} tokens, {room} at a time, overlap {overlap}: windows from {firsts.tolist()} to {ends.tolist()}"
    )
    expect(firsts[0] == 0 and ends[-1] == n, f"{told} do not reach from 0 to {n}")
    expect((ends - firsts == min(room, n)).all(), f"{told} do not all have {min(room, n)} tokens")
    expect((ends[:-1] - firsts[1:] >= overlap).all(), f"{told} have too little in common")
    fewest = 1
    while fewest * room - (fewest - 1) * overlap < n:  # what so many windows cover at most
        fewest += 1
    expect(len(firsts) == fewest, f"{told}: {fewest} would do")


# ---------------------------------------------------------------- characters -> tokens

TEXT = "It rained un|til May."
PLACES = [(0, 2), (3, 9), (10, 12), (13, 16), (17, 20), (20, 21)]
"""The tokens It, rained, un, til, May and the full stop; at the bar between un and til stands no token."""


def expect_tokens(
    start: int, end: int, expected: Span | None, places: list[tuple[int, int]] = PLACES
) -> None:
    """Raise CheckError unless these tokens hold the characters."""
    starts, ends = np.array(places).T
    got = tokens_of(starts, ends, start, end)
    if got is not None:
        got = Span(*map(int, got))
    expect(
        got == expected,
        f"the tokens at {places} that hold characters {start} to {end}: expected {expected}, got {got}",
    )


def check_an_answer_of_whole_tokens() -> None:
    """ "rained un|til" is three tokens, from 1 to 3; the last one counts, too."""
    expect_tokens(3, 16, Span(1, 3))
    expect_tokens(0, 21, Span(0, 5))


def check_an_answer_of_one_token() -> None:
    """First and last are the same; its neighbours, which only touch it, are not in it."""
    expect_tokens(17, 20, Span(4, 4))
    expect_tokens(20, 21, Span(5, 5))


def check_an_answer_within_a_token() -> None:
    """Of "rained" the answer "rain" is the front, and "in" the middle: the whole token holds it."""
    expect_tokens(3, 7, Span(1, 1))
    expect_tokens(5, 7, Span(1, 1))
    expect_tokens(6, 14, Span(1, 3))


def check_tokens_that_begin_with_the_space_before_a_word() -> None:
    """As those of bytes do: the answer "rained" begins one character behind the start of its token."""
    expect_tokens(3, 9, Span(1, 1), [(0, 2), (2, 9), (9, 12)])


def check_tokens_that_share_a_character() -> None:
    """Three pieces of one character, as of a Korean syllable: all of them hold it."""
    expect_tokens(1, 2, Span(1, 3), [(0, 1), (1, 2), (1, 2), (1, 2), (2, 3)])


def check_an_answer_with_space_around_it() -> None:
    """No token holds the spaces, so they change nothing."""
    expect_tokens(2, 10, Span(1, 1))


def check_characters_that_no_token_holds() -> None:
    """The bar between two tokens, what is behind the last, and a context without a token: None."""
    expect_tokens(12, 13, None)
    expect_tokens(21, 24, None)
    starts = np.zeros(0, np.int64)
    got = tokens_of(starts, starts, 0, 1)
    expect(got is None, f"among no tokens: expected None, got {got}")


# ---------------------------------------------------------------- the best legal span


def expect_best(start: list[float], end: list[float], longest: int, expected: Span, score: float) -> None:
    """Raise CheckError unless this is the best span."""
    span, got = best_span(np.array(start), np.array(end), longest)
    what = f"start {start}, end {end}, at most {longest} tokens"
    span = Span(*map(int, span))
    expect(span == expected, f"{what}: expected {expected}, got {span}")
    expect_close(got, score, f"{what}: the score of {expected}")


def check_the_best_start_and_the_best_end_where_they_are_legal() -> None:
    """Both are included: from token 1 to token 2."""
    expect_best([0.0, 5.0, 1.0, 0.0], [0.0, 1.0, 4.0, 0.0], 4, Span(1, 2), 9.0)


def check_an_answer_never_ends_before_it_begins() -> None:
    """The best start is token 3, the best end token 0; of the legal pairs (1, 2) has the most, 3 + 2."""
    expect_best([0.0, 3.0, 0.0, 4.0], [6.0, 0.0, 2.0, 0.0], 4, Span(0, 0), 6.0)
    expect_best([-9.0, 3.0, 0.0, 4.0], [6.0, 0.0, 2.0, 0.5], 4, Span(1, 2), 5.0)


def check_a_span_of_one_token_is_legal() -> None:
    """It begins and ends at the same one."""
    expect_best([0.0, 5.0, 0.0], [0.0, 5.0, 0.0], 3, Span(1, 1), 10.0)


def check_the_longest_span_counts_both_of_its_ends() -> None:
    """Tokens 0 to 2 are three tokens: legal where three are allowed, too long where two are."""
    start, end = [5.0, 0.0, 1.0, 0.0], [0.0, 2.0, 5.0, 0.0]
    expect_best(start, end, 3, Span(0, 2), 10.0)
    expect_best(start, end, 2, Span(0, 1), 7.0)
    expect_best(start, end, 1, Span(2, 2), 6.0)


def check_fewer_tokens_than_the_longest_span() -> None:
    """Then any pair in order is legal, and none beyond the last token."""
    expect_best([2.0, -1.0], [-3.0, -2.0], 30, Span(0, 1), 0.0)
    expect_best([2.0], [-3.0], 5, Span(0, 0), -1.0)


def check_nothing_ends_behind_the_last_token() -> None:
    """The best start is the last token, and every end is below zero: no better one comes after it."""
    expect_best([0.0, 0.0, 5.0], [-1.0, -1.0, -3.0], 2, Span(2, 2), 2.0)


def check_among_equals_the_first_and_the_shortest() -> None:
    """So that an answer is the same whenever it is asked for."""
    expect_best([1.0, 1.0, 1.0], [1.0, 1.0, 1.0], 3, Span(0, 0), 2.0)
    expect_best([0.0, 1.0, 0.0], [0.0, 1.0, 1.0], 3, Span(1, 1), 2.0)


def check_the_best_span_is_that_of_trying_all(size: Sizes, seed: int) -> None:
    """Every pair, one after the other."""
    rng = np.random.default_rng(seed)
    T, longest = int(rng.integers(1, 14)), int(rng.integers(1, 16))
    start, end = rng.normal(size=(2, T)) * 3
    pairs = [(i, j) for i in range(T) for j in range(i, min(i + longest, T))]
    best = max(pairs, key=lambda pair: start[pair[0]] + end[pair[1]])
    expect_best(start.tolist(), end.tolist(), longest, Span(*best), start[best[0]] + end[best[1]])
