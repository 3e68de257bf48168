"""What the choice of tokens to predict must fulfil, and what stands in their place.

Who draws which random numbers for what is free, so nothing here asks for certain numbers, but for what holds
of them: always, or within six standard deviations, which a right function misses once in 500 million times.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from minibert.batches.mlm import choose_tokens, choose_words, corrupt, count_to_predict
from minibert.batches.sampling import Bits, random_bits
from minibert.learn.compare import expect, expect_close
from minibert.learn.sizes import Sizes

SIGMAS = 6

Choose = Callable[[np.ndarray, float, int, Bits], tuple[np.ndarray, np.ndarray]]
"""Candidates (B, T), rate, slots and keys -> positions and chosen (B, P)."""


def keys_of(seed: int, count: int) -> Bits:
    """Return random bits for so many examples."""
    return random_bits(seed, 0, np.arange(count))


def line(marks: np.ndarray) -> str:
    """Return yes and no as 1 and 0: 0110."""
    return "".join("01"[int(mark)] for mark in marks)


def expect_share(count: int, of: int, share: float, what: str, draws: int | None = None) -> None:
    """Raise CheckError unless a count is a share of a number, give or take six standard deviations.

    Args:
        draws: of how many independent draws the bound is, where that is not `of`.
    """
    bound = SIGMAS * np.sqrt(share * (1 - share) / (draws or of))
    got = count / of
    expect(
        abs(got - share) < bound,
        f"{what}: expected {100 * share:.1f} %, give or take {100 * bound:.1f}, got {100 * got:.1f} %",
    )


def taken(candidates: np.ndarray, positions: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Return the choice as (B, T), True where a token is chosen."""
    marks = np.zeros(candidates.shape, bool)
    rows = np.arange(len(candidates))[:, None] + 0 * positions
    marks[rows[chosen], positions[chosen]] = True
    return marks


# ---------------------------------------------------------------- how many


def check_counts_by_hand() -> None:
    """Of 10 candidates 1.5 would be 15 %: 2 are predicted. Of 1 it is 1, and of none there is none."""
    for candidates, rate, expected in (
        (100, 0.15, 15),
        (61, 0.15, 9),
        (10, 0.15, 2),
        (30, 0.15, 5),
        (9, 0.15, 1),
        (3, 0.15, 1),
        (1, 0.15, 1),
        (0, 0.15, 0),
        (4, 0.9, 4),
        (5, 1.0, 5),
    ):
        got = np.asarray(count_to_predict(candidates, rate))
        what = f"{candidates} candidates at a rate of {rate}, which is {rate * candidates:.4g}"
        expect(got.shape == () and got == expected, f"{what}: expected {expected}, got {got}")
        expect(np.issubdtype(got.dtype, np.integer), f"{what}: expected an integer, got {got.dtype}")


def check_counts_of_many_rows_at_once() -> None:
    """An array of candidates gives an array of counts, row by row."""
    candidates = np.array([[100, 0, 1], [10, 30, 50]])
    got = np.asarray(count_to_predict(candidates, 0.15))
    expect_close(got, np.array([[15, 0, 1], [2, 5, 8]]), "the counts at a rate of 0.15", 0)
    expect(np.issubdtype(got.dtype, np.integer), f"the counts: expected integers, got {got.dtype}")


# ---------------------------------------------------------------- tokens


def expect_slots(choose: Choose, T: int, slots: int, seed: int) -> None:
    """Raise CheckError unless slots have the promised shapes, and point at different places of the row."""
    rng = np.random.default_rng(seed)
    candidates = rng.random((4, T)) < 0.7
    positions, chosen = choose(candidates, 0.3, slots, keys_of(seed, 4))
    for name, array in (("positions", positions), ("chosen", chosen)):
        expect(array.shape == (4, slots), f"{name}: expected the shape {(4, slots)}, got {array.shape}")
    expect(np.asarray(chosen).dtype == bool, f"chosen: expected booleans, got {np.asarray(chosen).dtype}")
    expect(np.issubdtype(positions.dtype, np.integer), f"positions: expected integers, got {positions.dtype}")
    for row in positions.tolist():
        inside = min(row) >= 0 and max(row) < T
        expect(inside, f"the positions {row} of a row of {T} tokens: expected 0 to {T - 1}")
        expect(len(set(row)) == slots, f"the positions of a row must all be different, got {sorted(row)}")


def check_tokens_have_slots_that_point_at_different_places(size: Sizes, seed: int) -> None:
    """(B, P), all in the row and none twice, also those of slots that stay empty."""
    for slots in (6, 20):
        expect_slots(choose_tokens, 20, slots, seed)


def check_only_candidates_are_chosen(seed: int) -> None:
    """[CLS], [SEP] and [PAD] are never to be predicted."""
    candidates = np.random.default_rng(seed).random((60, 20)).argsort(axis=1) < 10
    positions, chosen = choose_tokens(candidates, 0.3, 6, keys_of(seed, 60))
    marks = taken(candidates, positions, chosen)
    for row in range(60):
        expect(
            not (marks[row] & ~candidates[row]).any(),
            f"something is chosen that may not be:\ncandidates {line(candidates[row])}"
            f"\nchosen     {line(marks[row])}",
        )


def check_as_many_tokens_are_chosen_as_the_rate_says(seed: int) -> None:
    """The rate is of the candidates of the row; not of all its tokens, and not of the slots."""
    for count in (7, 10, 12, 17, 24):
        candidates = np.arange(40) < count
        _, chosen = choose_tokens(candidates[None], 0.15, 6, keys_of(seed, 1))
        expected = max(1, int(0.15 * count + 0.5))
        got = int(chosen.sum())
        expect(
            got == expected, f"{count} candidates of 40 tokens at 0.15: expected {expected} chosen, got {got}"
        )


def check_slots_that_are_not_needed_stay_empty(seed: int) -> None:
    """How many slots there are says nothing of how many are used."""
    _, chosen = choose_tokens(np.ones((20, 40), bool), 0.15, 15, keys_of(seed, 20))
    counts = np.unique(chosen.sum(1)).tolist()
    expect(counts == [6], f"40 candidates at 0.15, 15 slots: expected 6 chosen in each row, got {counts}")


def check_rows_with_as_many_candidates_have_as_many_choices(seed: int) -> None:
    """Exactly as many, not on the average: it is no coin that each token throws."""
    candidates = np.ones((50, 40), bool)
    _, chosen = choose_tokens(candidates, 0.15, 40, keys_of(seed, 50))
    counts = np.unique(chosen.sum(1)).tolist()
    expect(
        len(counts) == 1, f"50 rows of 40 candidates: expected the same count in each, got counts of {counts}"
    )


def check_a_short_row_has_one_choice_at_least(seed: int) -> None:
    """Of 3 candidates 15 % would be none; one is predicted all the same."""
    for count in (1, 2, 3):
        candidates = np.repeat((np.arange(12) < count)[None], 20, axis=0)
        _, chosen = choose_tokens(candidates, 0.15, 2, keys_of(seed, 20))
        expect(
            (chosen.sum(1) == 1).all(), f"{count} candidates: expected 1 chosen, got {chosen.sum(1).tolist()}"
        )


def check_a_row_without_candidates_has_no_choice(seed: int) -> None:
    """All slots stay empty, whatever they point at."""
    _, chosen = choose_tokens(np.zeros((3, 10), bool), 0.15, 2, keys_of(seed, 3))
    expect(not chosen.any(), "no candidates: expected no choice, got chosen =\n" + str(chosen))


def expect_spread(choose: Choose, seed: int) -> None:
    """Raise CheckError unless the choices of 100 rows are, on the average, in the middle of the row."""
    positions, chosen = choose(np.ones((100, 200), bool), 0.15, 30, keys_of(seed, 100))
    mean, bound = float(positions[chosen].mean()), SIGMAS * 200 / np.sqrt(12 * 100)
    expect(
        abs(mean - 99.5) < bound,
        f"mean place of what is chosen out of 200: expected 99.5, give or take {bound:.0f}, got {mean:.0f}",
    )


def check_the_choice_is_spread_over_the_row(seed: int) -> None:
    """The mean place is in the middle, not at the front."""
    expect_spread(choose_tokens, seed)


def check_every_candidate_is_chosen_equally_often(seed: int) -> None:
    """Over 2000 rows, each of ten places has a tenth of the choices."""
    positions, chosen = choose_tokens(np.ones((2000, 10), bool), 0.2, 2, keys_of(seed, 2000))
    counts = np.bincount(positions[chosen], minlength=10)
    for place, count in enumerate(counts):
        expect_share(int(count), int(counts.sum()), 0.1, f"share of the choices that are place {place} of 10")


def check_neighbours_are_not_chosen_together_more_often_than_others(seed: int) -> None:
    """Two of ten stand side by side in 9 pairs of 45."""
    positions, chosen = choose_tokens(np.ones((2000, 10), bool), 0.2, 2, keys_of(seed, 2000))
    pairs = np.sort(positions[chosen.sum(1) == 2], axis=1)
    beside = int((pairs[:, 1] - pairs[:, 0] == 1).sum())
    if len(pairs):
        expect_share(beside, len(pairs), 0.2, "share of the rows in which the two chosen stand side by side")


def expect_own_choices(choose: Choose, seed: int) -> None:
    """Raise CheckError unless 50 equal rows with 50 keys have 50 choices."""
    candidates = np.ones((50, 100), bool)
    marks = taken(candidates, *choose(candidates, 0.15, 15, keys_of(seed, 50)))
    different = len(np.unique(marks, axis=0))
    expect(different == 50, f"50 rows, each with a key of its own: expected 50 choices, got {different}")


def check_every_row_has_a_choice_of_its_own(seed: int) -> None:
    """Its key decides: rows that are alike in all else have different choices."""
    expect_own_choices(choose_tokens, seed)


def expect_same_again(draw: Callable[[], Any], what: str) -> None:
    """Raise CheckError unless two calls with the same arguments give the same."""
    one, other = draw(), draw()
    same = all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    expect(same, f"{what}: the same keys gave something else the second time; nothing but the key may decide")


def expect_same_alone(draw: Callable[[slice], Any], count: int, what: str) -> None:
    """Raise CheckError unless the last rows of a batch are the same without the first ones."""
    whole = draw(slice(0, count))
    for part in (slice(1, count), slice(count - 1, count)):
        alone = draw(part)
        same = all(np.array_equal(a[part], b) for a, b in zip(whole, alone, strict=True))
        expect(
            same,
            f"{what}: the last {part.stop - part.start} of {count} rows came out otherwise in a batch of "
            "their own; a row must not depend on which others are in the batch",
        )


def draw_choice(choose: Choose, seed: int, rows: slice = slice(0, 5)) -> list[np.ndarray]:
    """Return which tokens are chosen in some of five rows; the order of the slots is free."""
    candidates = np.random.default_rng(seed).random((5, 60)) < 0.8
    some = candidates[rows]
    return [taken(some, *choose(some, 0.3, 20, keys_of(seed, 5)[rows]))]


def check_the_same_keys_give_the_same_choice(seed: int) -> None:
    """Asked again, each row is answered as before: there is no generator that goes on."""
    expect_same_again(lambda: draw_choice(choose_tokens, seed), "choose_tokens")


def check_the_choice_of_a_row_does_not_depend_on_the_others(seed: int) -> None:
    """Each key stands for its own row, so it does not matter how the examples are batched."""
    expect_same_alone(lambda rows: draw_choice(choose_tokens, seed, rows), 5, "choose_tokens")


# ---------------------------------------------------------------- whole words


def words_as_tokens(
    candidates: np.ndarray, rate: float, slots: int, keys: Bits
) -> tuple[np.ndarray, np.ndarray]:
    """Choose words where each has a single piece."""
    return choose_words(candidates, np.zeros_like(candidates), rate, slots, keys)


def check_words_have_slots_that_point_at_different_places(size: Sizes, seed: int) -> None:
    """(B, P), all in the row and none twice, also those of slots that stay empty."""
    for slots in (6, 20):
        expect_slots(words_as_tokens, 20, slots, seed)


def expect_whole(candidates: np.ndarray, continuation: np.ndarray, rate: float, seed: int) -> None:
    """Raise CheckError where of two pieces of a word one is chosen, and the other is not."""
    marks = taken(
        candidates, *choose_words(candidates, continuation, rate, *slots_and_keys(candidates, seed))
    )
    joined = continuation[:, 1:] & candidates[:, 1:] & candidates[:, :-1]
    for row in np.flatnonzero((joined & (marks[:, 1:] != marks[:, :-1])).any(axis=1))[:1]:
        told = ["a part of a word is chosen, and the rest is not (1 = yes):"]
        told += [f"candidates {line(candidates[row])}", f"goes on    {line(continuation[row])}"]
        expect(False, "\n".join([*told, f"chosen     {line(marks[row])}"]))


def slots_and_keys(candidates: np.ndarray, seed: int) -> tuple[int, Bits]:
    """Return as many slots as there are tokens, and a key for each row."""
    B, T = candidates.shape
    return T, keys_of(seed, B)


def check_words_of_two_pieces_are_chosen_whole(seed: int) -> None:
    """play ##ing, walk ##ed, … : both pieces or none. An even count has room for whole words alone."""
    candidates = np.ones((40, 20), bool)
    expect_whole(candidates, np.arange(20) % 2 + 0 * candidates > 0, 0.3, seed)


def check_words_of_any_length_are_chosen_whole(seed: int) -> None:
    """Also where the last word would have to be cut to come to the count."""
    rng = np.random.default_rng(seed)
    candidates = np.ones((60, 30), bool)
    candidates[:, [0, 29]] = False
    continuation = rng.random((60, 30)) < 0.5
    continuation[:, [0, 29]] = False
    expect_whole(candidates, continuation, 0.3, seed)


def check_words_never_go_over_the_count(seed: int) -> None:
    """A word that is longer than what is left of the count is not taken, even when it comes first."""
    rng = np.random.default_rng(seed)
    for share in (0.3, 0.7, 0.95):
        candidates = np.ones((40, 30), bool)
        continuation = rng.random((40, 30)) < share
        _, chosen = choose_words(candidates, continuation, 0.15, *slots_and_keys(candidates, seed))
        most = int(chosen.sum(1).max())
        expect(most <= 5, f"30 candidates at 0.15: expected at most 5 pieces chosen, got {most}")


def check_words_of_one_piece_are_chosen_as_many_as_tokens(seed: int) -> None:
    """Nothing can fail to fit then, so the count is reached."""
    candidates = np.ones((40, 30), bool)
    _, chosen = words_as_tokens(candidates, 0.15, *slots_and_keys(candidates, seed))
    got = np.unique(chosen.sum(1)).tolist()
    expect(got == [5], f"30 words of one piece at 0.15: expected 5 chosen in each row, got {got}")


def check_words_of_two_pieces_fill_an_even_count(seed: int) -> None:
    """The rate is of the tokens, not of the words: of 40 tokens in 20 words 6 are chosen, in 3 words."""
    candidates = np.ones((40, 40), bool)
    continuation = np.arange(40) % 2 + 0 * candidates > 0
    _, chosen = choose_words(candidates, continuation, 0.15, *slots_and_keys(candidates, seed))
    got = np.unique(chosen.sum(1)).tolist()
    expect(got == [6], f"20 words of two pieces at 0.15: expected 6 pieces chosen in each row, got {got}")


def check_only_pieces_of_candidates_are_chosen_as_words(seed: int) -> None:
    """[CLS], [SEP] and [PAD] are never to be predicted."""
    rng = np.random.default_rng(seed)
    candidates = rng.random((60, 20)) < 0.5
    continuation = (rng.random((60, 20)) < 0.3) & candidates
    marks = taken(candidates, *choose_words(candidates, continuation, 0.3, *slots_and_keys(candidates, seed)))
    expect(not (marks & ~candidates).any(), "a token is chosen that is no candidate")


def check_a_word_whose_beginning_is_cut_off_is_a_word_too(seed: int) -> None:
    """A segment may begin in the middle of a word: [CLS] ##ing. Then ##ing does not belong to [CLS]."""
    candidates = np.repeat((np.arange(12) > 0)[None], 400, axis=0)
    continuation = np.repeat((np.arange(12) == 1)[None], 400, axis=0)
    marks = taken(candidates, *choose_words(candidates, continuation, 0.3, *slots_and_keys(candidates, seed)))
    expect_share(
        int(marks[:, 1].sum()), 400, 3 / 11, "share of the rows in which ##ing behind [CLS] is chosen"
    )


def check_the_choice_of_words_is_spread_over_the_row(seed: int) -> None:
    """The mean place is in the middle, not at the front."""
    expect_spread(words_as_tokens, seed)


def check_every_row_has_a_choice_of_words_of_its_own(seed: int) -> None:
    """Its key decides: rows that are alike in all else have different choices."""
    expect_own_choices(words_as_tokens, seed)


def check_the_same_keys_give_the_same_words(seed: int) -> None:
    """Asked again, each row is answered as before: there is no generator that goes on."""
    expect_same_again(lambda: draw_choice(words_as_tokens, seed), "choose_words")


def check_the_words_of_a_row_do_not_depend_on_the_others(seed: int) -> None:
    """Each key stands for its own row, so it does not matter how the examples are batched."""
    expect_same_alone(lambda rows: draw_choice(words_as_tokens, seed, rows), 5, "choose_words")


# ---------------------------------------------------------------- what stands in their place


MASK, TRUE = 30, 50
"""The id of [MASK], and the token that stands everywhere. No random token can be either of them."""

ORDINARY = np.array([10, 11, 13, 16, 20])
"""The tokens that may stand in as random ones, with gaps between them."""


def check_the_ids_themselves_are_not_changed(seed: int) -> None:
    """The result is a new array; the loss still needs the true tokens."""
    ids = np.full((3, 40), TRUE)
    positions = np.repeat(np.arange(30)[None], 3, axis=0)
    out = corrupt(ids, positions, np.ones((3, 30), bool), keys_of(seed, 3), MASK, ORDINARY)
    expect((ids == TRUE).all(), "the array of ids was changed; work on a copy")
    expect(out.shape == (3, 40), f"expected the shape (3, 40), got {out.shape}")


def check_nothing_but_the_chosen_tokens_changes(seed: int) -> None:
    """Neither what no slot points at, nor what an empty slot points at."""
    rng = np.random.default_rng(seed)
    ids = rng.integers(100, 1000, size=(20, 40))
    positions = np.argsort(rng.random((20, 40)), axis=1)[:, :20]
    chosen = rng.random((20, 20)) < 0.5
    out = corrupt(ids, positions, chosen, keys_of(seed, 20), MASK, ORDINARY)
    empty = np.take_along_axis(out != ids, positions, axis=1) & ~chosen
    expect(not empty.any(), f"{int(empty.sum())} tokens are changed to which only an empty slot points")
    elsewhere = (out != ids) & ~taken(ids, positions, chosen)
    expect(not elsewhere.any(), f"{int(elsewhere.sum())} tokens are changed to which no slot points")


def throw(seed: int) -> np.ndarray:
    """Return what becomes of 1500 tokens, five in each of 300 rows, at places here and there."""
    B, T = 300, 500
    positions = (np.random.default_rng(seed).integers(0, T, size=(B, 1)) + np.arange(0, T, 100)) % T
    out = corrupt(np.full((B, T), TRUE), positions, np.ones((B, 5), bool), keys_of(seed, B), MASK, ORDINARY)
    return np.take_along_axis(out, positions, axis=1).ravel()


def check_chosen_tokens_are_hidden_by_mask(seed: int) -> None:
    """Most of them are; at least one of 1500."""
    expect((throw(seed) == MASK).any(), "of 1500 chosen tokens none has become [MASK]")


def check_some_chosen_tokens_stay_as_they_are(seed: int) -> None:
    """At least one of 1500, so that the model cannot trust that what it sees is wrong."""
    expect((throw(seed) == TRUE).any(), "of 1500 chosen tokens none has stayed as it was")


def check_some_chosen_tokens_become_random_ones(seed: int) -> None:
    """At least one of 1500, so that the model cannot trust that what it sees is right."""
    out = throw(seed)
    other = ((out != MASK) & (out != TRUE)).any()
    expect(other, "of 1500 chosen tokens none has become a random token")


def check_eight_in_ten_become_mask(seed: int) -> None:
    """80 % of the chosen tokens, within what chance allows."""
    expect_share(int((throw(seed) == MASK).sum()), 1500, 0.8, "share of the chosen tokens that become [MASK]")


def check_one_in_ten_becomes_a_random_token(seed: int) -> None:
    """10 % of the chosen tokens; not 10 % of those that do not become [MASK]."""
    out = throw(seed)
    others = int(((out != MASK) & (out != TRUE)).sum())
    expect_share(others, 1500, 0.1, "share of the chosen tokens that become random ones")


def check_one_in_ten_stays(seed: int) -> None:
    """10 % of the chosen tokens; they are asked for all the same."""
    expect_share(int((throw(seed) == TRUE).sum()), 1500, 0.1, "share of the chosen tokens that stay")


def check_random_tokens_are_ordinary_ones(seed: int) -> None:
    """Those in `ordinary`, whose ids need not follow each other; never [PAD] or [SEP]."""
    odd = np.setdiff1d(throw(seed), [MASK, TRUE, *ORDINARY]).tolist()
    expect(not odd, f"expected [MASK], the token itself or one of {ORDINARY.tolist()}, got {odd[:8]}")


def check_ordinary_tokens_come_equally_often(seed: int) -> None:
    """Each of five about as often as the others."""
    out = throw(seed)
    counts = np.array([int((out == token).sum()) for token in ORDINARY])
    if ((out != MASK) & (out != TRUE)).sum() < 60:
        return  # with so few random tokens another check fails
    expect(
        counts.min() > 0 and np.abs(counts - counts.mean()).max() < SIGMAS * np.sqrt(counts.mean()),
        f"how often each of the ordinary tokens stands in: expected about the same, got {counts.tolist()}",
    )


def throw_rows(seed: int, rows: slice = slice(0, 20)) -> list[np.ndarray]:
    """Return what becomes of some of 20 rows of 400 tokens, all of them chosen."""
    positions = np.repeat(np.arange(400)[None], 20, axis=0)[rows]
    chosen, ids = np.ones(positions.shape, bool), np.full(positions.shape, TRUE)
    return [corrupt(ids, positions, chosen, keys_of(seed, 20)[rows], MASK, ORDINARY)]


def fates(out: np.ndarray) -> np.ndarray:
    """Return 0 for [MASK], 1 for the token itself, 2 for another."""
    return np.where(out == MASK, 0, np.where(out == TRUE, 1, 2))


def check_every_token_has_a_throw_of_its_own(seed: int) -> None:
    """In a row of 400 chosen tokens not all have the same fate."""
    (out,) = throw_rows(seed)
    fate = fates(out)
    alike = int((fate == fate[:, :1]).all(axis=1).sum())
    expect(alike == 0, f"in {alike} of 20 rows all 400 chosen tokens have the same fate")


def check_every_random_token_is_drawn_by_itself(seed: int) -> None:
    """The random tokens of a row are not all the same one."""
    for row in throw_rows(seed)[0]:
        random = row[(row != MASK) & (row != TRUE)]
        if len(random) >= 20:
            expect(
                len(np.unique(random)) > 1, f"all {len(random)} random tokens of a row are {int(random[0])}"
            )


def check_every_row_has_throws_of_its_own(seed: int) -> None:
    """Its key decides: rows that are alike in all else are not hidden alike."""
    (out,) = throw_rows(seed)
    different = len(np.unique(fates(out), axis=0))
    expect(
        different == 20, "20 rows with 20 keys: [MASK], another or itself at the same places in some of them"
    )


def check_the_same_keys_give_the_same_throws(seed: int) -> None:
    """Asked again, each row is answered as before: there is no generator that goes on."""
    expect_same_again(lambda: throw_rows(seed), "corrupt")


def check_the_throws_of_a_row_do_not_depend_on_the_others(seed: int) -> None:
    """Each key stands for its own row, so it does not matter how the examples are batched."""
    expect_same_alone(lambda rows: throw_rows(seed, rows), 20, "corrupt")


def expect_free_throws(choose: Choose, name: str, seed: int) -> None:
    """Raise CheckError unless of what has been chosen with the same keys eight in ten become [MASK]."""
    B, T, P = 100, 200, 30
    keys = keys_of(seed, B)
    positions, chosen = choose(np.ones((B, T), bool), P / T, P, keys)
    out = corrupt(np.full((B, T), TRUE), positions, chosen, keys, MASK, ORDINARY)
    masked, of = int((out == MASK).sum()), int(chosen.sum())
    what = f"share of [MASK] among tokens that {name} has chosen with the same keys"
    expect_share(masked, max(of, 1), 0.8, what, draws=2 * B)


def check_the_throws_do_not_depend_on_the_choice(seed: int) -> None:
    """Both come from one key, but each from a stream of its own; else those chosen throw low numbers."""
    expect_free_throws(choose_tokens, "choose_tokens", seed)


def check_the_throws_do_not_depend_on_the_choice_of_words(seed: int) -> None:
    """Both come from one key, but each from a stream of its own; else those chosen throw low numbers."""
    expect_free_throws(words_as_tokens, "choose_words", seed)
