"""Divided texts: disjoint, of each label its share, groups whole, and the same whatever the order."""

import random
from collections import Counter

import pytest
from by_hand import by_hand
from hypothesis import given
from hypothesis import strategies as st

from minibert.learn.checks import dividing as checks
from minibert.text.dividing import Side, choose, divide, folds, quotas, strata
from minibert.text.duplicates import key

test_by_hand = by_hand(checks)

N = 1000
KEYS = [key(f"text {n}") for n in range(N)]
LABELS = ["rare" if n % 20 == 0 else "common" for n in range(N)]


def rows(sides: list[Side], side: Side) -> set[int]:
    return {row for row, its in enumerate(sides) if its == side}


def test_the_largest_remainders_get_what_is_left() -> None:
    assert quotas([41, 53, 6], 10) == [4, 5, 1]  # 4.1, 5.3 and 0.6
    assert quotas([1, 1, 1], 2) == [1, 1, 0]
    assert quotas([5, 5], 0) == [0, 0]
    assert quotas([], 0) == [] and quotas([0, 0], 0) == [0, 0]


@given(st.lists(st.integers(0, 50), max_size=8), st.floats(0, 1))
def test_quotas_add_up_and_lie_within_one_of_their_share(sizes: list[int], share: float) -> None:
    total = int(share * sum(sizes))
    found = quotas(sizes, total)
    assert sum(found) == total
    for size, quota in zip(sizes, found, strict=True):
        assert abs(quota - total * size / max(sum(sizes), 1)) < 1
        assert 0 <= quota <= size


def test_every_label_gets_its_share_of_every_side() -> None:
    sides = divide(KEYS, LABELS, range(N), (0.1, 0.2))
    assert Counter(sides) == {"train": 700, "validation": 100, "test": 200}
    rare = {row for row in range(N) if LABELS[row] == "rare"}
    assert [len(rare & rows(sides, side)) for side in ("train", "validation", "test")] == [35, 5, 10]


def test_the_sides_do_not_depend_on_the_order_and_do_on_the_seed() -> None:
    groups = [row - row % 3 for row in range(N)]
    sides = divide(KEYS, LABELS, groups, seed=1)
    order = random.Random(0).sample(range(N), N)
    keys, labels = [KEYS[row] for row in order], [LABELS[row] for row in order]
    shuffled = divide(keys, labels, [groups[row] for row in order], seed=1)
    assert shuffled == [sides[row] for row in order]
    assert divide(KEYS, LABELS, groups, seed=2) != sides


def test_a_group_stays_together_and_counts_with_all_its_texts() -> None:
    groups = [row - row % 7 for row in range(N)]
    sides = divide(KEYS, LABELS, groups)
    assert all(sides[row] == sides[groups[row]] for row in range(N))
    assert abs(len(rows(sides, "test")) - 100) <= 14 and abs(len(rows(sides, "validation")) - 100) <= 14


def test_what_is_drawn_is_spread_over_the_texts() -> None:
    """A random split is none of the first, the last or every tenth; of 100 blocks of 10 some get none."""
    sides = divide(KEYS, ["one"] * N, range(N), seed=3)
    blocks = Counter(row // 10 for row in rows(sides, "test"))
    assert 20 < 100 - len(blocks) < 55  # 0.9^10 = 35 in a hundred
    assert 30 < len({row for row in rows(sides, "test") if row < N // 2}) < 70


def test_the_first_of_each_label_is_learned_from() -> None:
    labels = [str(row // 2) for row in range(N)]  # 500 classes of two texts
    sides = divide(KEYS, labels, range(N))
    assert {labels[row] for row in rows(sides, "train")} == set(labels)
    assert Counter(sides) == {"train": 800, "validation": 100, "test": 100}
    assert divide(KEYS[:1], ["a"], [0]) == ["train"]
    assert divide([], [], []) == []


def test_folds_are_of_one_size_with_of_each_label_its_share() -> None:
    found = folds(KEYS, LABELS, range(N), 7)
    sizes = Counter(found)
    rare = Counter(fold for fold, label in zip(found, LABELS, strict=True) if label == "rare")
    assert set(sizes) == set(range(7))
    assert max(sizes.values()) - min(sizes.values()) <= 1
    assert max(rare.values()) - min(rare.values()) <= 1


def test_folds_keep_groups_together_and_depend_on_the_seed_and_not_on_the_order() -> None:
    groups = [row - row % 6 for row in range(N)]
    found = folds(KEYS, LABELS, groups, 5, seed=1)
    assert all(found[row] == found[groups[row]] for row in range(N))
    assert max(Counter(found).values()) - min(Counter(found).values()) <= 12
    order = random.Random(0).sample(range(N), N)
    keys, labels = [KEYS[row] for row in order], [LABELS[row] for row in order]
    assert folds(keys, labels, [groups[row] for row in order], 5, seed=1) == [found[row] for row in order]
    assert folds(KEYS, LABELS, groups, 5, seed=2) != found


def test_the_strata_of_numbers_are_tenths_and_of_several_labels_the_rarest() -> None:
    tenths = strata([float(n * n) for n in range(40)])
    assert Counter(tenths) == {str(n): 4 for n in range(10)}
    assert tenths[:4] == ["0"] * 4 and tenths[-4:] == ["9"] * 4
    assert strata(["b", "a", None]) == ["b", "a", ""]
    assert strata([("a", "b"), ("a",), ("a", "c"), ("b", "c"), ()]) == ["b", "a", "c", "b", ""]


def test_the_texts_to_learn_from_are_chosen_by_label_and_few_are_part_of_more() -> None:
    few, more = choose(KEYS, LABELS, 100, seed=5), choose(KEYS, LABELS, 400, seed=5)
    assert few == sorted(set(few)) and len(few) == 100 and len(more) == 400
    assert set(few) < set(more)
    assert abs(sum(LABELS[row] == "rare" for row in few) - 5) <= 1
    assert choose(KEYS, LABELS, 100, seed=6) != few


def test_of_few_texts_every_label_has_one() -> None:
    labels = ["rare"] + ["common"] * (N - 1)
    assert 0 in choose(KEYS, labels, 2)
    assert len(choose(KEYS, [str(row) for row in range(N)], 3)) == 3


def test_more_texts_than_there_are_cannot_be_chosen() -> None:
    assert choose(KEYS, LABELS, N) == list(range(N))
    with pytest.raises(ValueError, match="there are 1,000 texts to learn from, got --examples 1001"):
        choose(KEYS, LABELS, N + 1)
