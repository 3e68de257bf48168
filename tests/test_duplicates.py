"""Texts that are the same or nearly: found as if all pairs were compared, without comparing them."""

import random
import time
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minibert.text import duplicates
from minibert.text.duplicates import group, jaccard, key, near_pairs, runs, signatures, words

STORY = words("the cat sat on the mat and the dog lay on the rug while rain fell on the roof all day")


def sets(texts: list[str]) -> list[set[tuple[str, ...]]]:
    """The runs of each text, as sets of tuples: what the hashes stand for."""
    split = [words(text) for text in texts]
    return [{tuple(w[i : i + 5]) for i in range(max(1, len(w) - 4))} for w in split]


def test_texts_that_differ_in_case_and_white_space_are_the_same() -> None:
    assert key("A  Film\n\nindeed ") == key("a film indeed") != key("a film, indeed")
    found = group(["A film", "b", "a  FILM", "c", " a film\n", "b"])
    assert found.numbers.tolist() == [0, 1, 0, 3, 0, 1]
    assert (found.repeats, found.near) == (3, 0)


def test_a_text_with_one_word_changed_at_its_end_is_nearly_the_same() -> None:
    texts = [" ".join(STORY), " ".join([*STORY[:-1], "night"]), " ".join(reversed(STORY)), "something else"]
    found = group(texts)  # 15 runs of 17 are in both
    assert found.numbers.tolist() == [0, 0, 2, 3]
    assert (found.repeats, found.near) == (0, 1)


def test_half_of_the_runs_decide() -> None:
    """Of n + 4 words n runs; those with a changed first or last word are one fewer in common."""
    one = [str(i) for i in range(10)]  # 6 runs
    four_shared = [*one[:8], "x", "y"]  # J = 4 / 8
    three_shared = [*one[:7], "x", "y", "z"]  # J = 3 / 9
    assert list(near_pairs([" ".join(one), " ".join(four_shared)])) == [(0, 1)]
    assert list(near_pairs([" ".join(one), " ".join(three_shared)])) == []


def test_marks_do_not_count_and_signs_are_words() -> None:
    assert words("It's RAINING, 今天 下雨 ok") == ["it", "s", "raining", "今", "天", "下", "雨", "ok"]
    assert words(" ?! ") == ["?!"]
    assert group(["今天天气很好我们去公园", "今天天气很好，我们去公园！", "??", "!!"]).numbers.tolist() == [
        0,
        0,
        2,
        3,
    ]


def test_what_is_like_two_texts_joins_them() -> None:
    texts = [" ".join(map(str, range(first, first + 30))) for first in (0, 6, 12, 100)]
    a, b, c, _ = sets(texts)
    assert len(a & b) / len(a | b) > 0.5 > len(a & c) / len(a | c)
    assert group(texts).numbers.tolist() == [0, 0, 0, 3]
    assert group(texts).near == 2


@given(st.lists(st.lists(st.sampled_from("abc"), max_size=9).map(" ".join), max_size=7))
def test_the_hashes_of_runs_stand_for_the_runs(texts: list[str]) -> None:
    if not texts:
        return
    values, starts = runs(texts)
    assert len(starts) == len(texts) + 1
    hashed = [np.unique(values[a:b]) for a, b in zip(starts[:-1], starts[1:], strict=True)]
    plain = sets(texts)
    assert [len(h) for h in hashed] == [len(s) for s in plain]
    for i, j in combinations(range(len(texts)), 2):
        expected = len(plain[i] & plain[j]) / len(plain[i] | plain[j])
        assert jaccard(hashed[i], hashed[j]) == pytest.approx(expected)


def test_orders_agree_as_often_as_the_sets_overlap() -> None:
    """The theorem of MinHash, P(the first of A is the first of B) = J(A, B): of 4,000 orders, to 0.03."""
    one, other = list(map(str, range(104))), list(map(str, range(40, 144)))
    (a, b) = sets([" ".join(one), " ".join(other)])
    expected = len(a & b) / len(a | b)
    assert expected == pytest.approx(60 / 140)
    first, second = signatures(*runs([" ".join(one), " ".join(other)]), orders=4000)
    assert (first == second).mean() == pytest.approx(expected, abs=0.03)


def test_what_is_found_is_what_comparing_all_pairs_finds() -> None:
    draw = random.Random(0)
    texts = []
    for _ in range(60):
        text = [draw.choice("abcdefgh") for _ in range(draw.randrange(6, 40))]
        texts.append(" ".join(text))
        for place in draw.sample(range(len(text)), draw.randrange(3)):
            text[place] = "x"
        texts.append(" ".join(text))
    plain = sets(texts)
    expected = [
        (i, j)
        for i, j in combinations(range(len(texts)), 2)
        if len(plain[i] & plain[j]) >= 0.5 * len(plain[i] | plain[j])
    ]
    assert 20 < len(expected) < 100
    assert sorted(tuple(sorted(pair)) for pair in near_pairs(texts)) == expected


def test_a_thousand_copies_are_one_group_without_half_a_million_comparisons(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compared = 0

    def count(one: np.ndarray, other: np.ndarray) -> float:
        nonlocal compared
        compared += 1
        return jaccard(one, other)

    monkeypatch.setattr(duplicates, "jaccard", count)
    texts = [" ".join([*STORY, *STORY[::-1], str(n)]) for n in range(1000)]
    assert set(group(texts).numbers.tolist()) == {0}
    assert compared < 1000 * duplicates.NEIGHBOURS * 4


def test_the_groups_do_not_depend_on_the_order_of_the_texts() -> None:
    draw = random.Random(1)
    texts = [" ".join(draw.choices("abcd", k=draw.randrange(1, 9))) for _ in range(200)]
    order = draw.sample(range(200), 200)
    plain, shuffled = group(texts).numbers, group([texts[place] for place in order]).numbers

    def together(numbers: np.ndarray) -> set[frozenset[int]]:
        return {frozenset(np.flatnonzero(numbers == number).tolist()) for number in set(numbers.tolist())}

    moved = {frozenset(order[place] for place in rows) for rows in together(shuffled)}
    assert moved == together(plain)
    assert 1 < len(moved) < 190


def test_no_text_and_one_text_are_no_trouble() -> None:
    assert group([]).numbers.tolist() == []
    assert group(["one"]).numbers.tolist() == [0]


@pytest.mark.slow
def test_the_time_grows_with_the_text_and_not_with_the_pairs() -> None:
    draw = random.Random(2)
    vocabulary = [str(n) for n in range(3000)]
    texts = [" ".join(draw.choices(vocabulary, k=60)) for _ in range(16000)]
    seconds = []
    for size in (2000, 16000):
        start = time.process_time()
        group(texts[:size])
        seconds.append(time.process_time() - start)
    assert seconds[1] < 24 * seconds[0]  # eight times the texts; 64 times the pairs
