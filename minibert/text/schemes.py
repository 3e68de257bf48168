"""Tags of words <-> entities: IOB1, BIO and BIOES write an entity as a tag for each of its words.

The word before the hyphen says where in an entity a word stands, what is behind it the entity's type:
B-PER begins a person, I-PER is inside, E-PER ends it, S-PER is one alone, and O stands outside.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Scheme = Literal["IOB1", "BIO", "BIOES"]
"""IOB1 writes B- only where two entities of a type touch (Ramshaw and Marcus 1995), BIO at every first word
(IOB2: Sang and Veenstra 1999); BIOES marks last and single words, too."""

OTHER_NAMES = {"M": "I", "L": "E", "U": "S"}
"""BMES says M for inside, BILOU says L for last and U for alone."""


class Entity(NamedTuple):
    """Some words in a row that are one thing."""

    type: str
    """"PER"; "" where the tags name no type."""
    start: int
    """The place of its first word."""
    end: int
    """The place behind its last word."""


@cache
def parts(tag: str) -> tuple[str, str]:
    """Return the place and the type that a tag tells: "B-PER" is ("B", "PER"), "M" is ("I", "")."""
    place, _, type = tag.partition("-")
    return OTHER_NAMES.get(place, place), type


def entities(tags: Sequence[str]) -> list[Entity]:
    """Return the entities that tags (W,) write, of any scheme.

    A word goes on with the entity of the word before it when its tag is I or E, the one before is B or I, and
    both name the same type. Else it begins an entity, unless it is O: also with an I that no B precedes. So
    does CoNLL-2003's own script, and with it `seqeval` unless it is told to be strict.
    """
    found: list[Entity] = []
    before, kind = "O", ""
    for word, tag in enumerate(tags):
        place, type = parts(tag)
        if place in ("I", "E") and before in ("B", "I") and type == kind:
            found[-1] = found[-1]._replace(end=word + 1)
        elif place != "O":
            found.append(Entity(type, word, word + 1))
        before, kind = place, type
    return found


def spell(type: str, length: int, scheme: Scheme) -> list[str]:
    """Return the tags of an entity of so many words, in BIO or BIOES."""
    if scheme == "BIOES":
        places = ["S"] if length == 1 else ["B", *["I"] * (length - 2), "E"]
    else:
        places = ["B", *["I"] * (length - 1)]
    return [f"{place}-{type}" if type else place for place in places]


def tags_of(entities: Iterable[Entity], words: int, scheme: Scheme) -> list[str]:
    """Return the tags (W,) of so many words that write these entities, in BIO or BIOES."""
    tags = ["O"] * words
    for type, start, end in entities:
        tags[start:end] = spell(type, end - start, scheme)
    return tags


def misspelled(tags: Sequence[str], scheme: Scheme) -> list[Entity]:
    """Return those of `entities(tags)` that BIO or BIOES would write otherwise: an I- without its B-.

    The others are what `seqeval` counts when it is strict.
    """
    plain = ["-".join(filter(None, parts(tag))) for tag in tags]
    return [
        entity
        for entity in entities(tags)
        if plain[entity.start : entity.end] != spell(entity.type, entity.end - entity.start, scheme)
    ]


# ---------------------------------------------------------------- which scheme


def scheme_of(sentences: Iterable[Sequence[str]]) -> Scheme | None:
    """Tell in which scheme the tags of sentences are written; None where they are plain, as parts of speech.

    Raises ValueError where some tags are of a scheme and others are not.
    """
    sentences = list(sentences)
    known = {tag for tags in sentences for tag in tags}
    strange = sorted(tag for tag in known if parts(tag)[0] not in set("BIOES"))
    if strange:
        named = sorted(tag for tag in known if tag[:2] in ("B-", "I-", "E-", "S-"))
        if named:
            raise ValueError(
                f"{named[0]!r} is a tag of BIO, and {strange[0]!r} is none. Write all tags in one scheme: "
                "O, B-TYPE and I-TYPE"
            )
        return None
    if any(parts(tag)[0] in ("E", "S") for tag in known):
        return "BIOES"
    return "IOB1" if _writes_b_between_touching_entities_alone(sentences) else "BIO"


def _writes_b_between_touching_entities_alone(sentences: Sequence[Sequence[str]]) -> bool:
    """Whether entities begin with I-, and with B- only behind another of their type."""
    begin_inside = False
    for tags in sentences:
        found = entities(tags)
        for before, entity in zip([Entity("", -1, -1), *found], found, strict=False):
            if parts(tags[entity.start])[0] == "I":
                begin_inside = True
            elif (before.type, before.end) != (entity.type, entity.start):
                return False
    return begin_inside


# ---------------------------------------------------------------- what may follow what


class Allowed(NamedTuple):
    """Which sequences of C labels are legal."""

    first: NDArray[np.bool_]
    """(C,) whether a sentence may begin with it."""
    then: NDArray[np.bool_]
    """(C, C) whether the label of the column may follow that of the row."""
    last: NDArray[np.bool_]
    """(C,) whether a sentence may end with it."""


def may_follow(before: str, tag: str, scheme: Scheme) -> bool:
    """Whether a tag may follow another in BIO or BIOES; O stands for what is outside the sentence.

    I and E go on with an entity, so a B or I of their type must stand before them. In BIOES what a B or an I
    has begun must go on until its E.
    """
    (place, type), (place_before, type_before) = parts(tag), parts(before)
    if place in ("I", "E"):
        return place_before in ("B", "I") and type == type_before
    return scheme == "BIO" or place_before not in ("B", "I")


def allowed(labels: Sequence[str]) -> Allowed:
    """Return which sequences of labels are legal in their scheme.

    All are where the labels are plain tags, or where one of them names an I of which there is no B: such a
    model has learned from IOB1.
    """
    scheme, known, C = scheme_of([labels]), {parts(label) for label in labels}, len(labels)
    if scheme is None or any(place == "I" and ("B", type) not in known for place, type in known):
        return Allowed(np.ones(C, bool), np.ones((C, C), bool), np.ones(C, bool))
    scheme = "BIOES" if scheme == "BIOES" else "BIO"
    then = [[may_follow(before, label, scheme) for label in labels] for before in labels]
    first = [may_follow("O", label, scheme) for label in labels]
    last = [may_follow(label, "O", scheme) for label in labels]
    return Allowed(np.array(first), np.array(then), np.array(last))
