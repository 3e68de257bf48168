"""What the scores of answers must fulfil."""

import numpy as np

from minibert.learn.compare import expect, expect_close
from minibert.learn.sizes import Sizes
from minibert.text.answer_scores import best_threshold, f1, normalise


def expect_normal(answer: str, expected: str) -> None:
    """Raise CheckError unless this is what is left of an answer."""
    got = normalise(answer)
    expect(got == expected, f"normalise({answer!r}): expected {expected!r}, got {got!r}")


def check_case_and_punctuation_do_not_count() -> None:
    """Signs go without leaving a space: "it's" is one word, and so is "1,000"."""
    expect_normal("It's 1,000 (or more)!", "its 1000 or more")


def check_articles_go_where_they_are_words() -> None:
    """Also in the middle and at the end, in capitals, and where punctuation stood at them."""
    expect_normal("The man, an owl and a theatre", "man owl and theatre")
    expect_normal("vitamin A", "vitamin")
    expect_normal("the-", "")


def check_what_becomes_an_article_without_its_signs_goes_too() -> None:
    """Punctuation goes first: "a." is an "a" by then, and "t.h.e" a "the"."""
    expect_normal("grade A.", "grade")
    expect_normal("t.h.e end", "end")


def check_white_space_is_single_spaces_and_none_around() -> None:
    """Of whatever kind it is, and where an article has gone."""
    expect_normal("  in\tthe \n spring\u00a0", "in spring")


def check_signs_that_are_not_ascii_stay() -> None:
    """The script knows those of ASCII alone."""
    expect_normal("“Spring” – l’été", "“spring” – l’été")


def expect_f1(given: str, right: str, expected: float) -> None:
    """Raise CheckError unless two answers overlap so much, either way."""
    expect_close(f1(given, right), expected, f"f1({given!r}, {right!r})")
    expect_close(f1(right, given), expected, f"f1({right!r}, {given!r})")


def check_overlap_by_hand() -> None:
    """Two words of three given are right, and two of five right ones given: P = 2/3, R = 2/5, F1 = 1/2."""
    expect_f1("gold dome roof", "the gold dome of Main Building", 2 * (2 / 3) * (2 / 5) / (2 / 3 + 2 / 5))


def check_a_word_counts_as_often_as_both_have_it() -> None:
    """Three times "so" against two: two in common, of three given and four right."""
    expect_f1("so so so", "so so good now", 4 / 7)


def check_answers_are_normalised_before_words_are_counted() -> None:
    """Case, signs and articles neither help nor hurt."""
    expect_f1("The Rain.", "rain", 1.0)
    expect_f1("the the the snow", "the the the rain", 0.0)


def check_the_order_of_words_does_not_count() -> None:
    """F1 is over bags of words."""
    expect_f1("rain in spring", "spring in rain", 1.0)


def check_nothing_in_common_is_zero() -> None:
    """And no division by zero."""
    expect_f1("rain", "snow", 0.0)


def check_no_words_match_only_no_words() -> None:
    """As an unanswerable question wants it; "the" has no word left either."""
    expect_f1("", "", 1.0)
    expect_f1("", "the", 1.0)
    expect_f1("", "rain", 0.0)


def mean_score(margins: np.ndarray, answered: np.ndarray, unanswered: np.ndarray, threshold: float) -> float:
    """Return the score at a threshold, question by question."""
    pairs = zip(margins, answered, unanswered, strict=True)
    return sum(yes if margin > threshold else no for margin, yes, no in pairs) / len(margins)


def check_a_threshold_by_hand() -> None:
    """Two questions without an answer have the lowest margins, and one of those with an answer is below one.

    Margins 1, 2, 3, 4 and 5. The questions at 1 and 3 have no answer. Above 1: right are 1, 2, 4, 5, and no
    other threshold has four.
    """
    margins = np.array([4.0, 1.0, 3.0, 5.0, 2.0])
    unanswered = np.array([0.0, 1.0, 1.0, 0.0, 0.0])
    expect_close(best_threshold(margins, 1 - unanswered, unanswered), 1.0, "the threshold")


def check_where_all_are_best_answered_the_threshold_is_below_all() -> None:
    """A question is answered above the threshold, not at it."""
    margins, ones = np.array([2.0, -3.0, 1.0]), np.ones(3)
    got = best_threshold(margins, ones, 0 * ones)
    expect(got < -3, f"all three are right if answered, the lowest margin is -3: got the threshold {got}")


def check_where_none_is_best_answered_the_threshold_is_the_highest() -> None:
    """Then no margin is above it."""
    margins, ones = np.array([2.0, -3.0, 1.0]), np.ones(3)
    expect_close(best_threshold(margins, 0 * ones, ones), 2.0, "the threshold")


def check_equal_margins_go_together() -> None:
    """No threshold answers one of two with the same margin: here two of three are right at best."""
    margins = np.array([1.0, 1.0, 1.0])
    unanswered = np.array([1.0, 0.0, 0.0])
    got = best_threshold(margins, 1 - unanswered, unanswered)
    expect(got < 1, f"three questions have the margin 1, two of them an answer: got the threshold {got}")


def check_parts_of_answers_count_too() -> None:
    """Scores are F1, and not only 0 or 1: two halves are less than a whole and a half."""
    margins = np.array([1.0, 2.0, 3.0])
    answered, unanswered = np.array([0.5, 0.0, 0.5]), np.array([0.0, 1.0, 0.0])
    expect_close(best_threshold(margins, answered, unanswered), 2.0, "the threshold")


def check_no_threshold_is_better(size: Sizes, seed: int) -> None:
    """Against every margin, and one below all."""
    rng = np.random.default_rng(seed)
    N = size.N + size.V
    margins = rng.integers(-4, 5, size=N) / 2
    answered, unanswered = rng.uniform(size=N), (rng.uniform(size=N) < 0.5).astype(float)
    threshold = best_threshold(margins, answered, unanswered)
    got = mean_score(margins, answered, unanswered, threshold)
    tried = [margins.min() - 1, *margins]
    best = max(mean_score(margins, answered, unanswered, each) for each in tried)
    expect_close(got, best, f"the score at the threshold {threshold:.4g}, against the best of all", 1e-9)
