"""What must hold of words, their pieces, and the windows of long sentences."""

import numpy as np

from minibert.batches.word_tags import at_first_pieces, owners
from minibert.learn.compare import expect
from minibert.learn.sizes import Sizes

NO = -100


def expect_values(words: list[int], values: list[int], expected: list[int]) -> None:
    """Raise CheckError unless the values of words stand so at their pieces."""
    got = np.asarray(at_first_pieces(np.array(words, int), np.array(values, int), NO)).tolist()
    expect(
        got == expected,
        f"expected {expected}, got {got}\nat pieces of the words {words}, values {values}",
    )


def check_tags_by_hand() -> None:
    """Three words, of one piece, of three and of two; and the special tokens around them."""
    expect_values([-1, 0, 1, 1, 1, 2, 2, -1], [7, 8, 9], [NO, 7, 8, NO, NO, 9, NO, NO])


def check_a_word_without_a_piece_does_not_shift_the_others() -> None:
    """Word 1 has none: its value stands nowhere, and that of word 2 at word 2."""
    expect_values([0, 0, 2, 3], [7, 8, 9, 5], [7, NO, 9, 5])


def check_a_piece_of_no_word_inside_a_word_changes_nothing() -> None:
    """The word has begun, and does not begin again behind it."""
    expect_values([0, -1, 0, -1, 1, -1, -1, 1], [7, 8], [7, NO, NO, NO, 8, NO, NO, NO])


def check_zero_is_a_word_and_a_value() -> None:
    """Neither is nothing."""
    expect_values([0, 1], [0, 0], [0, 0])
    expect_values([-1, 0, 0], [3], [NO, 3, NO])


def check_no_pieces_have_no_values() -> None:
    """Where all words vanish."""
    expect_values([], [3], [])
    expect_values([-1, -1], [3], [NO, NO])


def check_every_word_with_a_piece_counts_once(size: Sizes, seed: int) -> None:
    """At its first piece, whatever stands between the pieces."""
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 50, size=size.N + 2)
    words, expected = [], []
    for word, value in enumerate(values.tolist()):
        for piece in range(rng.integers(0, 4)):
            words += [-1] * int(rng.integers(0, 2)) + [word]
            expected += [NO] * (len(words) - len(expected) - 1) + [NO if piece else value]
    expect_values(words, values.tolist(), expected)


# ---------------------------------------------------------------- windows


def expect_owners(lengths: list[int], windows: list[tuple[int, int]], expected: list[int]) -> None:
    """Raise CheckError unless each word is predicted in this window."""
    firsts, ends = np.array(windows).T
    got = np.asarray(owners(np.array(lengths), firsts, ends)).tolist()
    expect(
        got == expected,
        f"expected {expected}, got {got}\nfor words of {lengths} pieces, windows (first, end) {windows}",
    )


def check_owners_by_hand() -> None:
    """Ten words of one piece, windows of four that overlap by two.

    Word 3 is the last of the first window, with no context behind it; in the second it has one word before it
    and two behind it.
    """
    expect_owners([1] * 10, [(0, 4), (2, 6), (4, 8), (6, 10)], [0, 0, 0, 1, 1, 2, 2, 3, 3, 3])


def check_one_window_predicts_all() -> None:
    """There is nothing to choose."""
    expect_owners([2, 1, 3], [(0, 3)], [0, 0, 0])


def check_context_is_counted_in_pieces() -> None:
    """Word 3 has one word behind it in the first window and one before it in the second: the longer wins."""
    expect_owners([1, 1, 9, 1, 5, 1], [(0, 5), (2, 6)], [0, 0, 0, 1, 1, 1])
    expect_owners([1, 1, 1, 1, 5, 1], [(0, 5), (2, 6)], [0, 0, 0, 0, 1, 1])


def check_each_word_is_predicted_where_it_has_most_context(size: Sizes, seed: int) -> None:
    """Against looking at every window with a pencil; of equal ones the first."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 5, size=4 * size.N)
    W, width, step = len(lengths), size.V, size.T + 1
    windows = [(first, min(first + width, W)) for first in range(0, max(W - width + step, 1), step)]
    expected = []
    for word in range(W):
        contexts = []
        for first, end in windows:
            sides = lengths[first:word].sum(), lengths[word + 1 : end].sum()
            contexts.append(min(sides) if first <= word < end else -1)
        expected.append(contexts.index(max(contexts)))
    expect_owners(lengths.tolist(), windows, expected)
