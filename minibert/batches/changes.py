"""Draws that change rows of tokens: which are left out, which change places, which give way to others."""

import numpy as np
from numpy.typing import NDArray

from minibert.batches.sampling import Bits, integers, uniform

Ints = NDArray[np.int64]
DELETE, PAIRING, SWAP, REPLACE, CHOICE = 51, 52, 53, 54, 55
"""One stream of random numbers for each question, so that no answer depends on another."""

Bools = NDArray[np.bool_]


def tokens_to_keep(candidates: Bools, rate: float, keys: Bits) -> Bools:
    """Return which tokens stay when each candidate is left out with a chance of `rate`.

    The token at place t is left out where uniform(key, DELETE, t) < rate. One candidate of a row, that with
    the largest of these numbers, stays in any case: no text vanishes.

    Source: Wei and Zou 2019 ("EDA"), section 2, random deletion.

    Args:
        candidates: (B, T), True where a token may be left out.
        rate: chance of each.
        keys: (B,) uint64, random bits of each row.

    Returns:
        (B, T), True where a token stays; True for all that are no candidates.
    """
    places = np.arange(candidates.shape[1])
    throws = np.where(candidates, uniform(keys[:, None], DELETE, places), 1.0)
    spared = candidates & (throws == np.where(candidates, throws, -1.0).max(1, keepdims=True, initial=-1.0))
    return (throws >= rate) | spared


def swapped(candidates: Bools, rate: float, keys: Bits) -> Ints:
    """Return the places that the tokens of each place come from when neighbours change places.

    Places are paired, (0, 1), (2, 3), … or (1, 2), (3, 4), …, as integers(2, key, PAIRING) says: 0 or 1 is
    the first of a pair. The two of a pair change places where both are candidates and
    uniform(key, SWAP, first place of the pair) < rate. So a token moves by one place at most, and each
    that has a neighbour does so with the same chance.

    Differs from Wei and Zou 2019, whose random swap takes any two words of a text.

    Args:
        candidates: (B, T), True where a token may move.
        rate: chance of each pair.
        keys: (B,) uint64, random bits of each row.

    Returns:
        (B, T) int64: the token at place t comes from place swapped[b, t].
    """
    B, T = candidates.shape
    places = np.arange(T)
    first = (places - integers(2, keys, PAIRING)[:, None]) % 2 == 0  # (B, T)
    both = candidates[:, :-1] & candidates[:, 1:]
    change = first[:, :-1] & both & (uniform(keys[:, None], SWAP, places)[:, :-1] < rate)  # (B, T - 1)

    order = np.tile(places, (B, 1))
    order[:, :-1] += change
    order[:, 1:] -= change
    return order


def replaced(ids: Ints, substitutes: Ints, rate: float, keys: Bits) -> Ints:
    """Return `ids` in which each token that has substitutes gives way to one of them with a chance of `rate`.

    Args:
        ids: (B, T).
        substitutes: (B, T, C), for each token C others, all with the same chance; negative where it has none.
        rate: chance of each.
        keys: (B,) uint64, random bits of each row.

    Returns:
        (B, T), a new array.
    """
    places = np.arange(ids.shape[1])
    choice = integers(substitutes.shape[2], keys[:, None], CHOICE, places)  # (B, T)
    other = np.take_along_axis(substitutes, choice[:, :, None], axis=2)[:, :, 0]  # (B, T)
    gives_way = uniform(keys[:, None], REPLACE, places) < rate
    return np.where(gives_way & (other >= 0), other, ids)
