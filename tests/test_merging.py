"""The merge loop: a worked case, ties, runs of one letter, and against counting everything anew."""

from collections import Counter
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from minibert.text.merging import merge, merges

Words = dict[tuple[str, ...], int]


def by_counting_anew(words: Words) -> list[tuple[tuple[str, str], int]]:
    """Merge as slowly as can be: count all pairs of all words before each merge."""
    found = []
    cuts = dict(words)
    while True:
        counts: Counter[tuple[str, str]] = Counter()
        for cut, times in cuts.items():
            for pair in pairwise(cut):
                counts[pair] += times
        if not counts:
            return found
        pair, count = min(counts.items(), key=lambda item: (-item[1], item[0]))
        found.append((pair, count))
        cuts = {tuple(merge(cut, pair, "".join(pair))): times for cut, times in cuts.items()}


def learned(words: Words) -> list[tuple[tuple[str, str], int]]:
    return list(merges(words, lambda left, right: left + right))


def test_the_case_of_the_paper() -> None:
    """Sennrich et al. 2016, algorithm 1: low, lower, newest, widest."""
    words = {tuple("low·"): 5, tuple("lower·"): 2, tuple("newest·"): 6, tuple("widest·"): 3}
    first = [("e", "s"), ("es", "t"), ("est", "·"), ("l", "o"), ("lo", "w")]
    assert [pair for pair, _ in learned(words)][:5] == first
    assert [count for _, count in learned(words)][:6] == [9, 9, 9, 7, 7, 6]


def test_of_equally_frequent_pairs_the_smaller_goes_first() -> None:
    assert learned({("c", "d"): 2, ("a", "z"): 2, ("a", "b"): 2, ("e", "f"): 3}) == [
        (("e", "f"), 3),
        (("a", "b"), 2),
        (("a", "z"), 2),
        (("c", "d"), 2),
    ]


def test_a_run_of_one_letter_is_merged_from_the_left() -> None:
    assert merge(list("aaaaa"), ("a", "a"), "aa") == ["aa", "aa", "a"]
    assert merge(list("baab"), ("a", "b"), "ab") == ["b", "a", "ab"]
    assert learned({tuple("aaaaa"): 1}) == [(("a", "a"), 4), (("aa", "a"), 1), (("aa", "aaa"), 1)]


def test_words_of_one_piece_teach_nothing() -> None:
    assert learned({}) == []
    assert learned({("a",): 9}) == []


@given(st.dictionaries(st.text("abc", min_size=1, max_size=12).map(tuple), st.integers(1, 9), max_size=12))
def test_any_words_give_the_merges_of_counting_anew(words: Words) -> None:
    assert learned(words) == by_counting_anew(words)


@given(st.text("ab", min_size=2, max_size=300).map(tuple))
def test_no_piece_is_made_twice(word: tuple[str, ...]) -> None:
    pieces = ["".join(pair) for pair, _ in learned({word: 1})]
    assert len(pieces) == len(set(pieces))
