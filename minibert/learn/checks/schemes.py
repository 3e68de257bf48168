"""What tags of entities must fulfil."""

import numpy as np

from minibert.learn.compare import expect
from minibert.learn.sizes import Sizes
from minibert.text.schemes import Entity, Scheme, entities, may_follow, spell

TYPES = ("PER", "LOC")


def draw_entities(size: Sizes, seed: int) -> tuple[list[Entity], int]:
    """Return entities that stand in a sentence, some of which touch, and how many words it has."""
    rng = np.random.default_rng(seed)
    found, end = [], 0
    for _ in range(size.N):
        start = end + int(rng.integers(0, 3))
        end = start + int(rng.integers(1, 5))
        found.append(Entity(TYPES[rng.integers(2)], start, end))
    return found, end + int(rng.integers(0, 2))


def written(found: list[Entity], words: int, scheme: Scheme) -> list[str]:
    """Return the tags of entities, as one would write them with a pencil."""
    tags = ["O"] * words
    for type, start, end in found:
        for word in range(start, end):
            place = "B" if word == start else "I"
            if scheme == "BIOES" and word == end - 1:
                place = "E" if word > start else "S"
            tags[word] = f"{place}-{type}"
    return tags


# ---------------------------------------------------------------- tags -> entities


def expect_entities(tags: str, *expected: tuple) -> None:
    """Raise CheckError unless tags, with spaces between them, are read as these entities."""
    got = [tuple(entity) for entity in entities(tags.split())]
    expect(got == [*expected], f"{tags}: expected (type, start, end) = {[*expected]}, got {got}")


def check_entities_by_hand() -> None:
    """Where an entity begins, and the place behind its last word."""
    expect_entities("O B-PER I-PER O B-LOC O", ("PER", 1, 3), ("LOC", 4, 5))
    expect_entities("O O O")
    expect_entities("")


def check_an_entity_at_the_end_of_a_sentence_counts() -> None:
    """No O follows to end it."""
    expect_entities("O B-PER I-PER", ("PER", 1, 3))
    expect_entities("B-LOC", ("LOC", 0, 1))


def check_entities_that_touch_are_two() -> None:
    """A B begins one, also of the same type, also right behind another."""
    expect_entities("B-PER B-PER I-PER", ("PER", 0, 1), ("PER", 1, 3))
    expect_entities("B-PER I-PER B-LOC", ("PER", 0, 2), ("LOC", 2, 3))


def check_an_inside_without_a_begin_begins_one() -> None:
    """At the beginning, behind an O, and behind an entity of another type."""
    expect_entities("I-PER I-PER O", ("PER", 0, 2))
    expect_entities("O I-PER O", ("PER", 1, 2))
    expect_entities("B-PER I-LOC I-LOC", ("PER", 0, 1), ("LOC", 1, 3))


def check_an_end_and_a_single_word_end_an_entity() -> None:
    """What comes behind them is another one."""
    expect_entities("B-PER I-PER E-PER S-PER B-PER E-PER", ("PER", 0, 3), ("PER", 3, 4), ("PER", 4, 6))
    expect_entities("B-PER E-PER I-PER", ("PER", 0, 2), ("PER", 2, 3))
    expect_entities("S-PER E-PER", ("PER", 0, 1), ("PER", 1, 2))


def check_other_names_of_the_places_mean_the_same() -> None:
    """M is I, L is E and U is S: `parts` has them; and tags may have no type."""
    expect_entities("B M E S", ("", 0, 3), ("", 3, 4))
    expect_entities("B-PER L-PER U-PER", ("PER", 0, 2), ("PER", 2, 3))


def check_what_is_written_is_read_again(size: Sizes, seed: int) -> None:
    """In BIO and in BIOES."""
    found, words = draw_entities(size, seed)
    expect_entities(" ".join(written(found, words, "BIO")), *(tuple(entity) for entity in found))
    expect_entities(" ".join(written(found, words, "BIOES")), *(tuple(entity) for entity in found))


# ---------------------------------------------------------------- entities -> tags


def expect_spelled(type: str, length: int, scheme: Scheme, expected: str) -> None:
    """Raise CheckError unless an entity has these tags, with spaces between them."""
    got = list(spell(type, length, scheme))
    expect(got == expected.split(), f"{length} words, {scheme}: expected {expected.split()}, got {got}")


def check_an_entity_is_spelled_by_hand() -> None:
    """Of one word, of two and of four, in both schemes."""
    expect_spelled("PER", 1, "BIO", "B-PER")
    expect_spelled("PER", 2, "BIO", "B-PER I-PER")
    expect_spelled("PER", 4, "BIO", "B-PER I-PER I-PER I-PER")
    expect_spelled("PER", 1, "BIOES", "S-PER")
    expect_spelled("PER", 2, "BIOES", "B-PER E-PER")
    expect_spelled("PER", 4, "BIOES", "B-PER I-PER I-PER E-PER")


def check_without_a_type_there_is_no_hyphen() -> None:
    """Chinese words are all of one kind."""
    expect_spelled("", 3, "BIOES", "B I E")
    expect_spelled("", 1, "BIO", "B")


# ---------------------------------------------------------------- what may follow what


def expect_follows(scheme: Scheme, before: str, **rights: bool) -> None:
    """Raise CheckError unless the tags, written B_PER for B-PER, may stand behind `before`, or may not."""
    for name, right in rights.items():
        tag = name.replace("_", "-")
        got = may_follow(before, tag, scheme)
        expect(bool(got) is right, f"{scheme}: may {tag} follow {before}? expected {right}, got {got}")


def check_an_inside_goes_on_with_an_entity_of_its_type() -> None:
    """And so does an end."""
    expect_follows("BIO", "B-PER", I_PER=True, I_LOC=False)
    expect_follows("BIO", "I-PER", I_PER=True, I_LOC=False)
    expect_follows("BIOES", "I-PER", E_PER=True, E_LOC=False)


def check_nothing_goes_on_behind_what_is_ended() -> None:
    """Nor behind what is outside, as before the first word."""
    expect_follows("BIO", "O", I_PER=False)
    expect_follows("BIOES", "O", E_PER=False)
    expect_follows("BIOES", "E-PER", I_PER=False, E_PER=False)
    expect_follows("BIOES", "S-PER", I_PER=False)


def check_in_bio_an_entity_may_end_anywhere() -> None:
    """Whatever begins, or stands outside, ends it."""
    expect_follows("BIO", "B-PER", O=True, B_PER=True, B_LOC=True)
    expect_follows("BIO", "I-PER", O=True, B_LOC=True)


def check_in_bioes_what_has_begun_goes_on_to_its_end() -> None:
    """And what is ended leaves all free."""
    expect_follows("BIOES", "B-PER", O=False, S_PER=False)
    expect_follows("BIOES", "I-PER", B_LOC=False)
    expect_follows("BIOES", "E-PER", B_LOC=True, O=True)


def check_what_may_follow_what_in_a_table() -> None:
    """All pairs of tags of two types: 1 where the tag of the column may stand behind that of the row."""
    tags = ["O", "B-PER", "I-PER", "E-PER", "S-PER", "B-LOC", "I-LOC"]
    tables: dict[Scheme, str] = {
        # outside begin inside end single: of PER; begin inside: of LOC
        "BIO": """
            1 1 0 0 1 1 0
            1 1 1 1 1 1 0
            1 1 1 1 1 1 0
            1 1 0 0 1 1 0
            1 1 0 0 1 1 0
            1 1 0 0 1 1 1
            1 1 0 0 1 1 1""",
        "BIOES": """
            1 1 0 0 1 1 0
            0 0 1 1 0 0 0
            0 0 1 1 0 0 0
            1 1 0 0 1 1 0
            1 1 0 0 1 1 0
            0 0 0 0 0 0 1
            0 0 0 0 0 0 1""",
    }
    got = {
        scheme: [[may_follow(before, tag, scheme) for tag in tags] for before in tags] for scheme in tables
    }
    for scheme, table in tables.items():
        for before, rights, answers in zip(tags, table.strip().splitlines(), got[scheme], strict=True):
            for tag, right, answer in zip(tags, rights.split(), answers, strict=True):
                told = f"{scheme}: may {tag} follow {before}?"
                expect(bool(answer) is (right == "1"), f"{told} expected {right == '1'}, got {answer}")


def check_what_is_written_is_legal(size: Sizes, seed: int) -> None:
    """From the first word, behind what is outside, to the last."""
    found, words = draw_entities(size, seed)
    schemes: tuple[Scheme, ...] = ("BIO", "BIOES")
    for scheme in schemes:
        tags = ["O", *written(found, words, scheme), "O"]
        for before, tag in zip(tags, tags[1:], strict=False):
            expect(may_follow(before, tag, scheme), f"{scheme}: {tag} may follow {before}, in {tags[1:-1]}")
