"""What must hold of texts that are divided: to learn from, to choose by, and to measure on."""

import random
from collections import Counter
from hashlib import sha256

from minibert.learn.compare import expect
from minibert.learn.sizes import Sizes
from minibert.text.dividing import divide, quotas

# ---------------------------------------------------------------- quotas


def expect_quotas(sizes: list[int], total: int, expected: list[int]) -> None:
    """Raise CheckError unless the quotas are these."""
    got = list(quotas(sizes, total))
    expect(got == expected, f"{total} among strata of {sizes}: expected {expected}, got {got}")


def check_quotas_by_hand() -> None:
    """10 of 41, 53 and 6 are 4.1, 5.3 and 0.6: the one that is left goes to the last."""
    expect_quotas([41, 53, 6], 10, [4, 5, 1])
    expect_quotas([30, 10], 4, [3, 1])


def check_of_equal_fractions_the_first_comes_first() -> None:
    """Two among three of one size."""
    expect_quotas([1, 1, 1], 2, [1, 1, 0])


def check_nothing_can_be_divided() -> None:
    """Nothing to give, nobody there, and empty strata."""
    expect_quotas([5, 5], 0, [0, 0])
    expect_quotas([], 0, [])
    expect_quotas([0, 3], 2, [0, 2])
    expect_quotas([0, 0], 0, [0, 0])


def check_quotas_add_up_and_are_near_their_share(size: Sizes, seed: int) -> None:
    """Each is off by less than one, and none is larger than its stratum."""
    draw = random.Random(seed)
    sizes = [draw.randrange(30) for _ in range(size.N)]
    total = draw.randrange(sum(sizes) + 1)
    got = list(quotas(sizes, total))
    expect(sum(got) == total, f"{total} among strata of {sizes}: the quotas {got} add up to {sum(got)}")
    for stratum, (own, quota) in enumerate(zip(sizes, got, strict=True)):
        share = total * own / max(sum(sizes), 1)
        near = abs(quota - share) < 1 and quota <= own
        expect(
            near, f"{total} among strata of {sizes}: stratum {stratum} gets {quota}, its share is {share:.3f}"
        )


# ---------------------------------------------------------------- sides

N = 100
KEYS = [sha256(str(number).encode()).hexdigest() for number in range(N)]
LABELS = ["rare" if number % 5 == 0 else "common" for number in range(N)]


def check_every_side_gets_its_share_of_every_label() -> None:
    """100 texts, 20 of them rare: 70, 10 and 20, and of the rare ones 14, 2 and 4."""
    sides = divide(KEYS, LABELS, range(N), (0.1, 0.2))
    expect(len(sides) == N, f"expected a side for each of {N} texts, got {len(sides)}")
    for label, expected in (("common", (56, 8, 16)), ("rare", (14, 2, 4))):
        counts = Counter(side for side, its in zip(sides, LABELS, strict=True) if its == label)
        got = tuple(counts[side] for side in ("train", "validation", "test"))
        expect(got == expected, f"of the {label} texts {expected} are for train, validation, test; got {got}")


def check_a_group_is_on_one_side(size: Sizes, seed: int) -> None:
    """However it lies among the texts; and the sides keep their sizes, as far as whole groups let them."""
    draw = random.Random(seed)
    groups = [row - row % 4 for row in range(N)]
    order = draw.sample(range(N), N)
    keys, labels, own = ([part[row] for row in order] for part in (KEYS, LABELS, groups))
    sides = divide(keys, labels, own, (0.2, 0.2), seed)  # pyright: ignore[reportArgumentType]
    for number in range(0, N, 4):
        its = {side for side, group in zip(sides, own, strict=True) if group == number}
        expect(len(its) == 1, f"four texts are one group, and lie on the sides {sorted(its)}")
    for side in ("validation", "test"):
        count = sides.count(side)
        expect(12 <= count <= 20, f"a fifth of {N} texts in groups of 4 are for {side}, got {count}")


def check_the_order_of_the_texts_does_not_matter(size: Sizes, seed: int) -> None:
    """But the seed does."""
    order = random.Random(seed).sample(range(N), N)
    sides = divide(KEYS, LABELS, range(N), seed=seed)
    again = divide([KEYS[row] for row in order], [LABELS[row] for row in order], order, seed=seed)
    expect(again == [sides[row] for row in order], "other sides for the same texts in another order")
    expect(divide(KEYS, LABELS, range(N), seed=seed + 1) != sides, "the same sides for another seed")


def check_the_first_of_each_label_is_learned_from() -> None:
    """10 labels with one text each are learned from; of 50 labels with two, none is without one."""
    alone = divide(KEYS[:10], list("abcdefghij"), range(10), (0.3, 0.3))
    expect(alone == ["train"] * 10, f"10 texts with a label of their own are learned from, got {alone}")
    labels = [str(row // 2) for row in range(N)]
    sides = divide(KEYS, labels, range(N))
    learned = {label for label, side in zip(labels, sides, strict=True) if side == "train"}
    expect(len(learned) == 50, f"of 50 labels with two texts each, {50 - len(learned)} are not learned from")
    got = [sides.count(side) for side in ("train", "validation", "test")]
    expect(got == [80, 10, 10], f"expected 80, 10 and 10 texts for train, validation and test, got {got}")
