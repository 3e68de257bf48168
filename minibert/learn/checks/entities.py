"""What the scores of entities must fulfil."""

import numpy as np

from minibert.learn.compare import expect, expect_close
from minibert.learn.sizes import Sizes
from minibert.text.entities import Tally, macro_f1, tally
from minibert.text.schemes import Entity

Sentences = list[list[Entity]]


def expect_tally(true: Sentences, predicted: Sentences, expected: dict[str, tuple[int, int, int]]) -> None:
    """Raise CheckError unless the entities are counted so: (right, predicted, true) of each type."""
    got = {type: tuple(counts) for type, counts in tally(true, predicted).items()}
    those = [[[tuple(entity) for entity in each] for each in side] for side in (true, predicted)]
    expect(
        got == expected,
        f"expected (right, predicted, true) = {expected}, got {got}\n"
        f"for the true entities {those[0]} and the predicted ones {those[1]}",
    )


def check_entities_are_counted_by_hand() -> None:
    """Of two persons one is found; of two that are said to be places, one is."""
    true = [[Entity("PER", 0, 2), Entity("LOC", 3, 4)], [Entity("PER", 1, 2)]]
    predicted = [[Entity("PER", 0, 2), Entity("LOC", 3, 4)], [Entity("LOC", 1, 2)]]
    expect_tally(true, predicted, {"LOC": (1, 2, 1), "PER": (1, 1, 2)})


def check_half_an_entity_is_none() -> None:
    """Three words of four are right, and no entity is: it must begin and end in the right places."""
    for start, end in ((0, 3), (1, 4), (0, 5)):
        expect_tally([[Entity("PER", 0, 4)]], [[Entity("PER", start, end)]], {"PER": (0, 1, 1)})


def check_a_long_entity_counts_as_one() -> None:
    """However many words it has."""
    true = [[Entity("PER", 0, 9), Entity("PER", 10, 11)]]
    expect_tally(true, [[Entity("PER", 0, 9)]], {"PER": (1, 1, 2)})


def check_the_type_counts() -> None:
    """The right place with the wrong type is one that is missed and one that is made up."""
    expect_tally([[Entity("PER", 0, 2)]], [[Entity("LOC", 0, 2)]], {"LOC": (0, 1, 0), "PER": (0, 0, 1)})


def check_sentences_stay_apart() -> None:
    """What is true in one sentence is not in another, though it stands at the same place."""
    here, nothing = [Entity("PER", 0, 2)], []
    expect_tally([here, nothing], [nothing, here], {"PER": (0, 1, 1)})
    expect_tally([here, here], [here, here], {"PER": (2, 2, 2)})


def check_nothing_is_counted_of_nothing() -> None:
    """No sentence, and sentences without an entity."""
    expect_tally([], [], {})
    expect_tally([[], []], [[], []], {})


def check_types_come_in_the_order_of_the_alphabet() -> None:
    """So that two reports can be laid side by side."""
    kinds = [Entity(type, place, place + 1) for place, type in enumerate("CAB")]
    got = list(tally([kinds], [[]]))
    expect(got == ["A", "B", "C"], f"the types: expected A, B, C, got {', '.join(got)}")


def check_each_entity_for_itself(size: Sizes, seed: int) -> None:
    """Against going through all of them with a pencil."""
    rng = np.random.default_rng(seed)

    def draw() -> list[Entity]:
        starts = np.flatnonzero(rng.uniform(size=size.V) < 0.5)
        return [Entity("AB"[rng.integers(2)], int(start), int(start) + 1) for start in starts]

    true, predicted = [[draw() for _ in range(size.B + 1)] for _ in range(2)]
    expected = {}
    for type in "AB":
        there = [(n, entity) for n, each in enumerate(true) for entity in each if entity.type == type]
        found = [(n, entity) for n, each in enumerate(predicted) for entity in each if entity.type == type]
        if there or found:
            expected[type] = (sum(entity in there for entity in found), len(found), len(there))
    expect_tally(true, predicted, expected)


def check_every_type_weighs_the_same_in_the_macro_average() -> None:
    """One type with F1 = 1 and a hundred entities, and one with F1 = 0 and a single one: the mean is 1/2."""
    expect_close(macro_f1({"A": Tally(100, 100, 100), "B": Tally(0, 0, 1)}), 0.5, "macro F1")


def check_the_macro_average_is_that_of_f1() -> None:
    """Not the F1 of mean precision and mean recall: (2/3 + 2/3) / 2, and not 2 * 0.75 * 0.75 / 1.5."""
    expect_close(macro_f1({"A": Tally(1, 2, 1), "B": Tally(1, 1, 2)}), 2 / 3, "macro F1")


def check_the_macro_average_of_nothing_is_zero() -> None:
    """And no division by zero."""
    expect_close(macro_f1({}), 0.0, "macro F1 of no types")
