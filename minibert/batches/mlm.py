"""Masked words: which tokens to predict, and what stands in their place (Devlin et al. 2019, section 3.1)."""

import numpy as np
from numpy.typing import NDArray

from minibert.batches.sampling import Bits, integers, uniform

CHOICE, DICE, REPLACEMENT = 1, 2, 3
"""One stream of random numbers for each question, so that no answer depends on another."""

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


def count_to_predict(candidates: int | Ints, rate: float) -> Ints:
    """Return how many tokens of a row are predicted: rate * candidates, rounded, and halves go up.

    But at least one where there is a candidate, and never more than there are.

    Args:
        candidates: how many tokens may be chosen; a number, or an array with one for each row.
        rate: share of them to choose.

    Returns:
        int64, of the shape of `candidates`.
    """
    candidates = np.asarray(candidates)
    return np.minimum(candidates, np.maximum(1, np.floor(rate * candidates + 0.5).astype(np.int64)))


def choose_tokens(candidates: Bools, rate: float, slots: int, keys: Bits) -> tuple[Ints, Bools]:
    """Choose the tokens to predict: `count_to_predict` of each row's candidates, all with the same chance.

    Every row has as many slots, so that shapes never change; those that it does not need stay empty.

    Args:
        candidates: (B, T), True where a token may be chosen.
        rate: share of the candidates to choose.
        slots: P, places for choices in a row; at least `count_to_predict` of any row, at most T.
        keys: (B,) uint64, random bits of each example: the choice of a row is a pure function of its key.

    Returns:
        positions (B, P), in [0, T) and all different in a row, and chosen (B, P), boolean: False where a slot
        stays empty, wherever it points.
    """
    T = candidates.shape[1]
    order = uniform(keys[:, None], CHOICE, np.arange(T))  # (B, T)
    return first_in_order(np.where(candidates, order, 2.0), count_to_predict(candidates.sum(1), rate), slots)


def choose_words(
    candidates: Bools, continuation: Bools, rate: float, slots: int, keys: Bits
) -> tuple[Ints, Bools]:
    """Choose whole words to predict: all pieces of a word, or none.

    A word is a token and those that go on with it, as far as they are candidates. Words are taken in random
    order, all with the same chance, for as long as the next one still fits into `count_to_predict` of the
    row's candidates. So a row may get fewer than that, and never more.

    Differs from the paper's code: that one passes over a word that does not fit and tries the next.

    Args:
        candidates: (B, T), True where a token may be chosen.
        continuation: (B, T), True where a token goes on with the word before it ("##ing").
        rate, slots, keys: as of `choose_tokens`.

    Returns:
        positions (B, P) and chosen (B, P), as of `choose_tokens`.
    """
    B, T = candidates.shape
    joined = continuation[:, 1:] & candidates[:, 1:] & candidates[:, :-1]
    starts = np.concatenate([np.ones((B, 1), bool), ~joined], axis=1)  # (B, T), True where a word starts
    word = np.maximum.accumulate(np.where(starts, np.arange(T), 0), axis=1)  # (B, T), where its word starts
    order = np.where(candidates, uniform(keys[:, None], CHOICE, word), 2.0)

    ranked = np.sort(order, axis=1)  # pieces of a word stand side by side
    ends_word = np.concatenate([ranked[:, 1:] != ranked[:, :-1], np.ones((B, 1), bool)], axis=1)
    room = count_to_predict(candidates.sum(1), rate)
    fits = ends_word & (np.arange(1, T + 1) <= room[:, None])
    count = np.max(np.where(fits, np.arange(1, T + 1), 0), axis=1)
    return first_in_order(order, count, slots)


def first_in_order(order: NDArray[np.float64], count: Ints, slots: int) -> tuple[Ints, Bools]:
    """Return where the `slots` smallest numbers of each row stand, and True for the first `count` of them."""
    positions = np.argsort(order, axis=1, kind="stable")[:, :slots]  # (B, P)
    return positions, np.arange(slots) < count[:, None]


def corrupt(ids: Ints, positions: Ints, chosen: Bools, keys: Bits, mask_id: int, ordinary: Ints) -> Ints:
    """Return `ids` with the chosen tokens replaced: 80 % by [MASK], 10 % by a random token, 10 % not at all.

    Each token by a throw of its own; the throws do not depend on the choice, although the keys are the same.

    Args:
        ids: (B, T), token ids.
        positions, chosen: (B, P), from `choose_tokens` or `choose_words`.
        keys: (B,) uint64, random bits of each example: what becomes of a row is a pure function of its key,
            of where its choices are, and of its ids.
        mask_id: id of [MASK].
        ordinary: ids of the tokens that may stand in as random ones, all with the same chance (no specials).

    Returns:
        (B, T), a new array; what is not chosen is as in `ids`.
    """
    true = np.take_along_axis(ids, positions, axis=1)  # (B, P)
    dice = uniform(keys[:, None], DICE, positions)
    random = ordinary[integers(len(ordinary), keys[:, None], REPLACEMENT, positions)]
    replaced = np.where(dice < 0.8, mask_id, np.where(dice < 0.9, random, true))

    corrupted = ids.copy()
    np.put_along_axis(corrupted, positions, np.where(chosen, replaced, true), axis=1)
    return corrupted
