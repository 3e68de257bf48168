"""What a step of beam search must fulfil."""

import torch
from torch import Tensor

from minibert.learn.compare import expect
from minibert.learn.sizes import Sizes
from minibert.learn.tensors import exact, expect_same, normal
from minibert.model.beam import Finished, extend_beams, may_improve


def expect_extended(
    scores: Tensor, logits: Tensor, count: int, expected: list[tuple[float, int, int]]
) -> None:
    """Raise CheckError unless the best extensions are these (probability, row, token)."""
    values, rows, tokens = extend_beams(scores, logits, count)
    pairs = list(zip(rows.tolist(), tokens.tolist(), strict=True))
    wanted = [(row, token) for _, row, token in expected]
    expect(pairs == wanted, f"(row, token) of the {count} best: expected {wanted}, got {pairs}")
    expect_same(values, exact([p for p, _, _ in expected]).log(), "their scores, log-probabilities of texts")


def check_one_text_by_hand() -> None:
    """At the start there is one text: its tokens by their probability."""
    expect_extended(exact([0.0]), exact([[0.2, 0.5, 0.3]]).log(), 2, [(0.5, 0, 1), (0.3, 0, 2)])


def check_probabilities_of_texts_by_hand() -> None:
    """Texts of 0.6 and 0.4: 0.4 x 0.9 = 0.36 comes before 0.6 x 0.5 = 0.3, and before 0.6 x 0.4 = 0.24."""
    logits = exact([[0.5, 0.1, 0.4], [0.04, 0.9, 0.06]]).log()
    expect_extended(exact([0.6, 0.4]).log(), logits, 3, [(0.36, 1, 1), (0.3, 0, 0), (0.24, 0, 2)])


def check_logits_are_made_probabilities_of_each_row() -> None:
    """Logits that are all larger by 5 in one row mean the same there."""
    logits = exact([[0.5, 0.1, 0.4], [0.04, 0.9, 0.06]]).log() + exact([[5.0], [-5.0]])
    expect_extended(exact([0.6, 0.4]).log(), logits, 2, [(0.36, 1, 1), (0.3, 0, 0)])


def check_one_text_may_have_all_the_best() -> None:
    """What comes of a bad beginning is dropped: both places go to the first text."""
    logits = exact([[0.6, 0.4], [0.9, 0.1]]).log()
    expect_extended(exact([0.9, 0.1]).log(), logits, 2, [(0.54, 0, 0), (0.36, 0, 1)])


def check_there_are_no_more_than_there_are(size: Sizes, seed: int) -> None:
    """R texts and V tokens make R V extensions, all together as likely as the texts were."""
    scores, logits = normal(seed, size.B).log_softmax(0), normal(seed + 1, size.B, size.V)
    values, rows, tokens = extend_beams(scores, logits, size.B * size.V + 5)
    expect(len(values) == size.B * size.V, f"expected {size.B * size.V} extensions, got {len(values)}")
    expect_same(values.exp().sum(), exact(1.0), "the probabilities of all extensions, added up")
    expect(len({*zip(rows.tolist(), tokens.tolist(), strict=True)}) == len(values), "one stands there twice")
    expect(bool((values.diff() <= 0).all()), "the best extension must come first")


def check_the_best_are_kept(size: Sizes, seed: int) -> None:
    """Of all, by their scores."""
    scores, logits = normal(seed, size.B), normal(seed + 1, size.B, size.V)
    values, rows, tokens = extend_beams(scores, logits, size.N)
    totals = scores[:, None] + torch.log_softmax(logits, 1)
    expected = totals.flatten().sort(descending=True).values[: size.N]
    expect_same(values, expected, f"the scores of the {size.N} best extensions")
    expect_same(totals[rows, tokens], values, "the scores of the rows and tokens that were returned")


# ---------------------------------------------------------------- when to stop


def expect_going_on(going_on: bool, best: float, finished: list[float], beams: int, *rest: float) -> None:
    """Raise CheckError unless the search goes on, or stops."""
    texts = [Finished(score, []) for score in finished]
    got = may_improve(best, texts, beams, *rest)  # pyright: ignore[reportArgumentType]
    expect(
        got is going_on,
        f"a running score of {best}, finished texts of {finished}, {beams} beams, (length, alpha) = {rest}: "
        f"expected {going_on}, got {got}",
    )


def check_the_search_goes_on_until_as_many_texts_are_finished_as_there_are_beams() -> None:
    """However bad the others are."""
    expect_going_on(True, -100.0, [], 2, 10, 1.0)
    expect_going_on(True, -100.0, [-1.0], 2, 10, 1.0)
    expect_going_on(False, -100.0, [-1.0, -2.0], 2, 10, 1.0)


def check_what_may_overtake_the_worst_is_waited_for() -> None:
    """Without a length penalty -3 beats -4, not -2; it need not beat the best."""
    expect_going_on(True, -3.0, [-1.0, -4.0], 2, 10, 0.0)
    expect_going_on(False, -3.0, [-1.0, -2.0], 2, 10, 0.0)
    expect_going_on(False, -3.0, [-1.0, -3.0], 2, 10, 0.0)


def check_a_long_text_is_divided_by_the_greatest_length() -> None:
    """At best -8 becomes -8 / 10 = -0.8, or with alpha 1/2, -8 / 3.16 = -2.53."""
    expect_going_on(True, -8.0, [-0.9], 1, 10, 1.0)
    expect_going_on(False, -8.0, [-0.7], 1, 10, 1.0)
    expect_going_on(True, -8.0, [-2.6], 1, 10, 0.5)
    expect_going_on(False, -8.0, [-2.5], 1, 10, 0.5)


def check_an_alpha_below_zero_makes_no_text_better() -> None:
    """It multiplies: at best nothing is added, and nothing multiplied."""
    expect_going_on(False, -8.0, [-7.0], 1, 10, -1.0)
    expect_going_on(True, -8.0, [-9.0], 1, 10, -1.0)
