"""How well predicted entities agree with the true ones: precision, recall and F1 over whole entities."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from minibert.text.schemes import Entity


class Tally(NamedTuple):
    """How many entities were found, and how many of these are right: same type, same first and last word."""

    right: int
    predicted: int
    true: int

    @property
    def precision(self) -> float:
        """The share of the predicted entities that are right; 0 where none is predicted."""
        return self.right / self.predicted if self.predicted else 0.0

    @property
    def recall(self) -> float:
        """The share of the true entities that are found; 0 where there is none."""
        return self.right / self.true if self.true else 0.0

    @property
    def f1(self) -> float:
        """The harmonic mean of both, 2 P R / (P + R) = 2 right / (predicted + true); 0 where that is 0/0."""
        return 2 * self.right / max(1, self.predicted + self.true)


def tally(true: Iterable[Sequence[Entity]], predicted: Iterable[Sequence[Entity]]) -> dict[str, Tally]:
    """Count the entities of sentences, by type, in alphabetical order.

    Args:
        true: the entities of each sentence.
        predicted: those that were found in the same sentences.
    """
    right, found, there = Counter[str](), Counter[str](), Counter[str]()
    for here, guessed in zip(true, predicted, strict=True):
        right.update(entity.type for entity in set(here) & set(guessed))
        found.update(entity.type for entity in guessed)
        there.update(entity.type for entity in here)
    return {type: Tally(right[type], found[type], there[type]) for type in sorted(found | there)}


def micro(tallies: Mapping[str, Tally]) -> Tally:
    """Return the tally of all types together: every entity counts the same."""
    counts = tallies.values()
    return Tally(
        sum(each.right for each in counts),
        sum(each.predicted for each in counts),
        sum(each.true for each in counts),
    )


def macro_f1(tallies: Mapping[str, Tally]) -> float:
    """Return the mean of the F1 of the types: every type counts the same, however rare."""
    return sum(each.f1 for each in tallies.values()) / max(1, len(tallies))
