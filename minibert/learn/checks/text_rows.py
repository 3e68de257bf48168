"""What must hold of long texts: of two that are cut, and of one that is read in windows."""

import random

from minibert.batches.text_rows import longest_first, windows
from minibert.learn.compare import expect
from minibert.learn.sizes import Sizes

# ---------------------------------------------------------------- two texts


def expect_kept(first: int, second: int, room: int, expected: tuple[int, int]) -> None:
    """Raise CheckError unless so many tokens of two texts are kept."""
    got = tuple(longest_first(first, second, room))
    said = f"{first} and {second} tokens, and room for {room}: keep {expected}"
    expect(got == expected, f"{said}, got {got}")


def check_the_longer_text_is_cut_first_by_hand() -> None:
    """It alone, down to the length of the other; then both, in turn."""
    expect_kept(3, 9, 7, (3, 4))
    expect_kept(9, 3, 7, (4, 3))
    expect_kept(8, 20, 12, (6, 6))
    expect_kept(0, 9, 7, (0, 7))


def check_what_fits_is_kept_whole() -> None:
    """Also where it just fits."""
    expect_kept(3, 4, 7, (3, 4))
    expect_kept(6, 0, 7, (6, 0))


def check_an_odd_token_goes_to_the_longer_text() -> None:
    """And to the second of two that are equally long."""
    expect_kept(10, 9, 7, (4, 3))
    expect_kept(9, 10, 7, (3, 4))
    expect_kept(9, 9, 7, (3, 4))


def check_it_is_as_if_one_token_were_taken_at_a_time(size: Sizes, seed: int) -> None:
    """From the longer one, and of equals from the one that was shorter at first."""
    draw = random.Random(seed)
    for _ in range(20):
        first, second, room = draw.randrange(30), draw.randrange(30), draw.randrange(2, 30)
        kept = [first, second]
        while sum(kept) > room:
            shorter = int(second < first)
            longer = kept.index(max(kept)) if kept[0] != kept[1] else shorter
            kept[longer] -= 1
        expect_kept(first, second, room, (kept[0], kept[1]))


# ---------------------------------------------------------------- windows


def check_windows_by_hand() -> None:
    """20 tokens in windows of 8, of which 2 overlap: three, 6 apart, and the last one ends with the text."""
    got = list(windows(20, 8))
    expect(got == [(0, 8), (6, 14), (12, 20)], f"expected (0, 8), (6, 14), (12, 20), got {got}")


def check_a_text_that_fits_has_one_window() -> None:
    """An empty one, too."""
    for length in (0, 3, 8):
        got = list(windows(length, 8))
        expect(
            got == [(0, length)], f"{length} tokens in windows of 8: expected one, (0, {length}), got {got}"
        )


def check_windows_miss_nothing_and_are_as_few_as_can_be(size: Sizes, seed: int) -> None:
    """They are all of one size, a quarter or more of which is in the one before."""
    draw = random.Random(seed)
    for _ in range(20):
        length, whole = draw.randrange(100), draw.randrange(4, 20)
        found = list(windows(length, whole))
        said = f"{length} tokens in windows of {whole}: {found}"
        expect(bool(found) and found[0][0] == 0 and found[-1][1] == length, f"{said} do not cover the text")
        sizes = {stop - start for start, stop in found}
        expect(sizes == {min(whole, length)}, f"{said} are not all of one size")
        for (_, stop), (start, _) in zip(found, found[1:], strict=False):
            expect(stop - start >= whole // 4, f"{said}: one shares less than a quarter with the one before")
        fewer = (len(found) - 1) * (whole - whole // 4) + whole // 4
        expect(len(found) == 1 or fewer < length, f"{said}: one window fewer would do")


def check_windows_stand_at_equal_distances() -> None:
    """21 tokens in windows of 8 need four, 4 or 5 apart: not three in a row, and one on top of them."""
    starts = [start for start, _ in windows(21, 8)]
    gaps = {after - before for before, after in zip(starts, starts[1:], strict=False)}
    expect(starts and max(gaps) - min(gaps) <= 1, f"21 tokens in windows of 8: they start at {starts}")
