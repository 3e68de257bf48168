"""Entity scores, held against seqeval, and by hand."""

import warnings
from typing import Any

import pytest
from by_hand import by_hand
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics import classification_report

from minibert.learn.checks import entities as checks
from minibert.text.entities import Tally, macro_f1, micro, tally
from minibert.text.schemes import Entity, entities

test_by_hand = by_hand(checks)

TAGS = st.sampled_from(["O", "B-X", "I-X", "B-Y", "I-Y", "B-Z", "E-X", "S-Y"])

SENTENCES = st.lists(st.lists(st.tuples(TAGS, TAGS), min_size=1, max_size=8), min_size=1)
"""Of each word the true tag and the predicted one."""


@given(SENTENCES)
def test_all_scores_are_those_of_seqeval_also_for_illegal_tags(sentences: list) -> None:
    true = [[tag for tag, _ in words] for words in sentences]
    predicted = [[tag for _, tag in words] for words in sentences]
    ours = tally(map(entities, true), map(entities, predicted))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of types without an entity
        theirs: Any = classification_report(true, predicted, output_dict=True)
    for type, counts in ours.items():
        assert expected(counts) == pytest.approx(theirs[type])
    assert set(theirs) - set(ours) == {"micro avg", "macro avg", "weighted avg"}
    assert expected(micro(ours)) == pytest.approx(theirs["micro avg"])
    assert not ours or macro_f1(ours) == pytest.approx(theirs["macro avg"]["f1-score"])  # theirs is NaN


def expected(counts: Tally) -> dict[str, float]:
    return {
        "precision": counts.precision,
        "recall": counts.recall,
        "f1-score": counts.f1,
        "support": counts.true,
    }


def test_half_an_entity_is_worth_nothing() -> None:
    """Three of four tags are right, and no entity is."""
    true, found = [Entity("PER", 0, 4)], [Entity("PER", 0, 3)]
    assert tally([true], [found]) == {"PER": Tally(right=0, predicted=1, true=1)}


def test_scores_by_hand() -> None:
    counts = Tally(right=3, predicted=4, true=6)
    assert (counts.precision, counts.recall, counts.f1) == (0.75, 0.5, pytest.approx(0.6))
    assert Tally(0, 0, 0).precision == Tally(0, 0, 0).recall == Tally(0, 0, 0).f1 == 0.0
    rare = Tally(right=0, predicted=0, true=1)
    assert micro({"A": counts, "B": rare}) == Tally(3, 4, 7)
    assert macro_f1({"A": counts, "B": rare}) == pytest.approx(0.3)
    assert micro({}) == Tally(0, 0, 0)
    assert macro_f1({}) == 0.0


def test_the_type_counts_as_well_as_the_place() -> None:
    assert tally([[Entity("PER", 0, 1)]], [[Entity("LOC", 0, 1)]]) == {
        "LOC": Tally(0, 1, 0),
        "PER": Tally(0, 0, 1),
    }


def test_as_many_sentences_are_predicted_as_there_are() -> None:
    with pytest.raises(ValueError, match="shorter"):
        tally([[], []], [[]])
