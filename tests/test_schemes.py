"""Tags and entities, held against seqeval, and which tag may follow which."""

import numpy as np
import pytest
from by_hand import by_hand
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities
from seqeval.scheme import IOB2, IOBES, Entities

from minibert.learn.checks import schemes as checks
from minibert.text.schemes import (
    Entity,
    Scheme,
    allowed,
    entities,
    may_follow,
    misspelled,
    scheme_of,
    spell,
    tags_of,
)

test_by_hand = by_hand(checks)

BIO = ["O", "B-X", "I-X", "B-Y", "I-Y"]
BIOES = [*BIO, "E-X", "S-X", "E-Y", "S-Y"]


def by_seqeval(tags: list[str]) -> list[Entity]:
    return [Entity(type, start, last + 1) for type, start, last in get_entities(tags)]


@given(st.lists(st.sampled_from(BIOES), max_size=12))
def test_any_tags_even_illegal_ones_are_read_as_seqeval_reads_them(tags: list[str]) -> None:
    assert entities(tags) == by_seqeval(tags)


@given(st.lists(st.sampled_from(BIO), max_size=12))
def test_what_is_spelled_right_is_what_a_strict_seqeval_finds_in_bio(tags: list[str]) -> None:
    assert strict(tags, "BIO") == by_strict_seqeval(tags, IOB2)


@given(st.lists(st.sampled_from(BIOES), max_size=12))
def test_what_is_spelled_right_is_what_a_strict_seqeval_finds_in_bioes(tags: list[str]) -> None:
    assert strict(tags, "BIOES") == by_strict_seqeval(tags, IOBES)


def strict(tags: list[str], scheme: Scheme) -> list[Entity]:
    wrong = misspelled(tags, scheme)
    return [entity for entity in entities(tags) if entity not in wrong]


def by_strict_seqeval(tags: list[str], scheme: type) -> list[Entity]:
    if not tags:
        return []
    return [Entity(found.tag, found.start, found.end) for found in Entities([tags], scheme).entities[0]]


def test_entities_of_each_scheme_by_hand() -> None:
    expected = [Entity("PER", 0, 2), Entity("PER", 2, 3), Entity("LOC", 4, 5)]
    assert entities(["I-PER", "I-PER", "B-PER", "O", "I-LOC"]) == expected  # IOB1
    assert entities(["B-PER", "I-PER", "B-PER", "O", "B-LOC"]) == expected
    assert entities(["B-PER", "E-PER", "S-PER", "O", "S-LOC"]) == expected
    assert entities(["B-PER", "L-PER", "U-PER", "O", "U-LOC"]) == expected  # BILOU
    assert entities(["B", "M", "E", "S"]) == [Entity("", 0, 3), Entity("", 3, 4)]
    assert entities(["B-creative-work", "I-creative-work"]) == [Entity("creative-work", 0, 2)]


@given(st.lists(st.tuples(st.sampled_from(["X", "Y", ""]), st.integers(0, 2), st.integers(1, 4)), max_size=5))
@pytest.mark.parametrize("scheme", ["BIO", "BIOES"])
def test_entities_become_tags_and_these_the_entities_again(scheme: Scheme, drawn: list) -> None:
    found, end = [], 0
    for type, gap, length in drawn:
        found.append(Entity(type, end + gap, end + gap + length))
        end = found[-1].end
    tags = tags_of(found, end + 1, scheme)
    assert len(tags) == end + 1
    assert entities(tags) == found
    assert misspelled(tags, scheme) == []


def test_an_entity_is_spelled_by_hand() -> None:
    assert spell("X", 1, "BIO") == ["B-X"]
    assert spell("X", 3, "BIO") == ["B-X", "I-X", "I-X"]
    assert spell("X", 1, "BIOES") == ["S-X"]
    assert spell("", 4, "BIOES") == ["B", "I", "I", "E"]


@pytest.mark.parametrize(
    ("sentences", "scheme"),
    [
        ([["O", "I-X", "I-X"], ["I-X", "B-X", "O"]], "IOB1"),
        ([["O", "I-X", "I-X"]], "IOB1"),
        ([["B-X", "I-X", "B-X"]], "BIO"),
        ([["B-X", "O"], ["O", "I-X"]], "BIO"),  # and the second is a mistake
        ([["B-X", "B-Y", "I-X"]], "BIO"),
        ([["O", "O"]], "BIO"),
        ([["B-X", "E-X"]], "BIOES"),
        ([["S", "B", "M", "E"]], "BIOES"),
        ([["U-X"]], "BIOES"),
        ([["NN", "VB", "-LRB-"]], None),
        ([["n", "b", "s"]], None),  # Chinese parts of speech
        ([], "BIO"),
    ],
)
def test_the_scheme_is_told_from_the_tags(sentences: list[list[str]], scheme: Scheme | None) -> None:
    assert scheme_of(sentences) == scheme


def test_a_tag_that_fits_into_no_scheme_is_named() -> None:
    with pytest.raises(ValueError, match="'B-X' is a tag of BIO, and 'PER' is none"):
        scheme_of([["O", "B-X"], ["PER"]])


@pytest.mark.parametrize(
    ("before", "tag", "in_bio", "in_bioes"),
    [
        ("O", "B-X", True, True),
        ("O", "I-X", False, False),
        ("B-X", "I-X", True, True),
        ("B-X", "I-Y", False, False),
        ("I-X", "I-X", True, True),
        ("B-X", "B-X", True, False),
        ("I-X", "O", True, False),
        ("B-X", "E-X", True, True),
        ("E-X", "I-X", False, False),
        ("S-X", "B-Y", True, True),
        ("E-X", "E-X", False, False),
        ("I-X", "S-X", True, False),
    ],
)
def test_what_may_follow_what(before: str, tag: str, in_bio: bool, in_bioes: bool) -> None:
    assert may_follow(before, tag, "BIO") is in_bio
    assert may_follow(before, tag, "BIOES") is in_bioes


@given(st.lists(st.sampled_from(BIO), min_size=1, max_size=6))
def test_in_bio_the_legal_sequences_are_those_without_a_misspelled_entity(tags: list[str]) -> None:
    assert is_legal(tags, BIO) == (misspelled(tags, "BIO") == [])


@given(st.lists(st.sampled_from(BIOES), min_size=1, max_size=6))
def test_in_bioes_the_legal_sequences_are_those_without_a_misspelled_entity(tags: list[str]) -> None:
    assert is_legal(tags, BIOES) == (misspelled(tags, "BIOES") == [])


def is_legal(tags: list[str], labels: list[str]) -> bool:
    first, then, last = allowed(labels)
    places = [labels.index(tag) for tag in tags]
    steps = [then[pair] for pair in zip(places, places[1:], strict=False)]
    return bool(first[places[0]] and all(steps) and last[places[-1]])


@pytest.mark.parametrize("labels", [["NN", "VB"], ["O", "I-X", "I-Y", "B-X"]])
def test_plain_tags_and_those_of_iob1_may_stand_anywhere(labels: list[str]) -> None:
    assert all(np.all(part) for part in allowed(labels))
