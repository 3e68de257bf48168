"""What augmentation must fulfil: what is left out, and what changes places."""

import numpy as np

from minibert.batches.changes import DELETE, PAIRING, SWAP, swapped, tokens_to_keep
from minibert.batches.sampling import integers, random_bits, uniform
from minibert.learn.compare import expect, expect_close
from minibert.learn.sizes import Sizes

SIGMAS = 6
"""A right function misses so many standard deviations once in 500 million times."""


def keys_of(seed: int, count: int) -> np.ndarray:
    """Return random bits for so many rows."""
    return random_bits(seed, 0, np.arange(count))


def candidates_of(seed: int, B: int, T: int) -> np.ndarray:
    """Return (B, T), of which about three in four are True."""
    return np.random.default_rng(seed).random((B, T)) < 0.75


def expect_share(got: float, of: int, share: float, what: str) -> None:
    """Raise CheckError unless a share of so many draws is as expected, give or take six deviations."""
    bound = SIGMAS * np.sqrt(share * (1 - share) / of)
    expect(abs(got - share) < bound, f"{what}: expected {share:.3f}, give or take {bound:.3f}, got {got:.3f}")


# ---------------------------------------------------------------- left out


def check_tokens_are_left_out_by_their_own_number(seed: int) -> None:
    """That of the stream DELETE at their place: below the rate, out."""
    candidates, keys = np.ones((4, 12), bool), keys_of(seed, 4)
    numbers = uniform(keys[:, None], DELETE, np.arange(12))
    for rate in (0.1, 0.5):
        keep = tokens_to_keep(candidates, rate, keys)
        for row in range(4):
            expected = [t for t in range(12) if numbers[row, t] >= rate] or [int(numbers[row].argmax())]
            got = np.flatnonzero(keep[row]).tolist()
            expect(
                got == expected, f"row {row} at a rate of {rate}: expected the places {expected}, got {got}"
            )


def check_so_many_are_left_out_as_the_rate_says(seed: int) -> None:
    """Over 40,000 tokens."""
    for rate in (0.1, 0.3):
        keep = tokens_to_keep(np.ones((400, 100), bool), rate, keys_of(seed, 400))
        expect_share(float(1 - keep.mean()), 40_000, rate, f"share that is left out at a rate of {rate}")


def check_what_is_no_candidate_stays(size: Sizes, seed: int) -> None:
    """[CLS], [SEP] and padding, at any rate."""
    candidates = candidates_of(seed, 20, size.T + 5)
    for rate in (0.2, 0.99, 1.0):
        keep = tokens_to_keep(candidates, rate, keys_of(seed, 20))
        expect(keep.shape == candidates.shape, f"expected the shape {candidates.shape}, got {keep.shape}")
        expect(keep[~candidates].all(), f"at a rate of {rate} something is left out that is no candidate")


def check_no_text_vanishes(seed: int) -> None:
    """Of all candidates of a row one stays; at a rate of 1 just that, the one with the largest number."""
    candidates, keys = candidates_of(seed, 50, 6), keys_of(seed, 50)
    keep = tokens_to_keep(candidates, 1.0, keys) & candidates
    expected = candidates.any(axis=1).astype(int).tolist()
    expect(
        keep.sum(1).tolist() == expected,
        f"left at a rate of 1: expected {expected}, got {keep.sum(1).tolist()}",
    )
    numbers = np.where(candidates, uniform(keys[:, None], DELETE, np.arange(6)), -1)
    some = candidates.any(axis=1)
    got, wanted = keep.argmax(1)[some].tolist(), numbers.argmax(1)[some].tolist()
    expect(got == wanted, f"the places of those: expected {wanted}, got {got}")


def check_a_row_does_not_depend_on_the_others(seed: int) -> None:
    """What is left out of a row is a function of its own random bits."""
    candidates, keys = candidates_of(seed, 9, 14), keys_of(seed, 9)
    together = tokens_to_keep(candidates, 0.4, keys)
    for row in (0, 4, 8):
        alone = tokens_to_keep(candidates[row : row + 1], 0.4, keys[row : row + 1])
        expect_close(alone[0], together[row], f"row {row}, alone and among others", 0)


# ---------------------------------------------------------------- swapped


def check_pairs_change_places_by_their_own_number(seed: int) -> None:
    """Rows of five: the coin of the row says which are paired, the number of a pair's first whether."""
    candidates, keys = np.ones((30, 5), bool), keys_of(seed, 30)
    coins = integers(2, keys, PAIRING)
    numbers = uniform(keys[:, None], SWAP, np.arange(5))
    order = swapped(candidates, 0.5, keys)
    for row in range(30):
        expected = list(range(5))
        for first in range(int(coins[row]), 4, 2):
            if numbers[row, first] < 0.5:
                expected[first], expected[first + 1] = first + 1, first
        got = order[row].tolist()
        expect(
            got == expected,
            f"row {row}, whose coin is {coins[row]}: expected the order {expected}, got {got}",
        )


def check_at_a_rate_of_zero_nothing_moves(size: Sizes, seed: int) -> None:
    """Every token comes from its own place."""
    order = swapped(np.ones((size.B, size.T), bool), 0.0, keys_of(seed, size.B))
    expected = np.tile(np.arange(size.T), (size.B, 1))
    expect_close(order, expected, "the order at a rate of 0", 0)
    expect(np.issubdtype(order.dtype, np.integer), f"the order must be integers, got {order.dtype}")


def check_each_token_is_there_once(seed: int) -> None:
    """Nothing is doubled and nothing lost, and no token moves by more than one place."""
    order = swapped(np.ones((40, 11), bool), 0.7, keys_of(seed, 40))
    for row in order.tolist():
        expect(sorted(row) == list(range(11)), f"an order must hold each place once, got {row}")
        far = max(abs(source - place) for place, source in enumerate(row))
        expect(far <= 1, f"a token moves by {far} places in the order {row}")


def check_only_two_candidates_change_places(seed: int) -> None:
    """[CLS] and [SEP] stay, and no word moves into their place."""
    candidates = candidates_of(seed, 60, 12)
    order = swapped(candidates, 1.0, keys_of(seed, 60))
    moved = order != np.arange(12)
    expect(candidates[moved].all(), "something moves that is no candidate")
    expect(moved.any(), "at a rate of 1 nothing moves")


def check_so_many_move_as_the_rate_says(seed: int) -> None:
    """Over 20,000 pairs, the first and the last place as often as they have a neighbour: half the time."""
    order = swapped(np.ones((800, 51), bool), 0.2, keys_of(seed, 800))
    moved = order != np.arange(51)
    expect_share(float(moved[:, 1:-1].mean()), 20_000, 0.2, "share that moves at a rate of 0.2")
    for name, place in (("first", 0), ("last", 50)):
        expect_share(float(moved[:, place].mean()), 800, 0.1, f"share of the {name} tokens that move")


def check_a_row_is_swapped_by_itself(seed: int) -> None:
    """The order of a row is a function of its own random bits."""
    candidates, keys = candidates_of(seed, 9, 14), keys_of(seed, 9)
    together = swapped(candidates, 0.5, keys)
    for row in (0, 4, 8):
        alone = swapped(candidates[row : row + 1], 0.5, keys[row : row + 1])
        expect_close(alone[0], together[row], f"row {row}, alone and among others", 0)
