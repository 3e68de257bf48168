"""Where `minibert finetune tag` finds its sentences, what their tags are, and how they are divided."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np

from minibert import sources
from minibert.config import FinetuneConfig, HeadConfig, Part, require
from minibert.recipes.task import Splits
from minibert.text.dividing import Side, choose, divide
from minibert.text.duplicates import group, key
from minibert.text.reading import read_lines
from minibert.text.schemes import Scheme, entities, misspelled, parts, scheme_of, tags_of
from minibert.text.tagged import Sentence, characters, read_sentences

SEGMENT, SEGMENT_AND_TAG = "segment", "segment+tag"
"""What --label says to learn where the words of Chinese end, and with it the tag of each word."""

Sides = dict[Side, list[Sentence]]


def read(config: FinetuneConfig) -> Splits[Sentence]:
    """Return the sentences that `config` names, divided, and their tags in one scheme.

    What --validation and --test do not name, and the data card does not hold out, is a share of the data,
    drawn by the seed; documents are kept whole where the files mark them. A training sentence that stands in
    the validation or test sentences as well is left out. The tags come back in BIO or BIOES, or plain.

    --label names the column of the tags; or it is `segment`, to learn where the words end (each character is
    tagged), or `segment+tag`, to learn with it what kind of word each is.

    Raises ValueError for sentences without tags, too few of them, and as `read_sentences`.
    """
    sides = _sides(config.data, config)
    if config.validation:
        sides["validation"] = [*chain.from_iterable(_sides(config.validation, config).values())]
    if config.test:
        sides["test"] = [*chain.from_iterable(_sides(config.test, config).values())]
    for sentence in chain.from_iterable(sides.values()):
        require(bool(sentence.tags), f"{sentence.where}: the words have no tags to learn from")

    notes = divide_rest(sides, config)
    for side, sentences in sides.items():
        require(bool(sentences), f"no sentences for {side}: give more of them, or name them with --{side}")
    notes += leave_out_repeats(sides)
    if config.label not in (SEGMENT, SEGMENT_AND_TAG):  # the tags of characters are in BIOES as they are made
        notes += _unify(sides)
    train = sides["train"]
    if config.examples is not None:
        keys = [key(sentence.text) for sentence in train]
        train = [train[row] for row in choose(keys, [""] * len(train), config.examples, config.seed)]
    return Splits(train, sides["validation"], sides["test"], notes)


def read_to_measure(config: FinetuneConfig, head: HeadConfig) -> tuple[list[Sentence], list[str]]:
    """Return the sentences on which a tagger can be measured, and what is to be said of them.

    Of data of which a card holds sentences out for the test, those; else all. Their tags come back in the
    scheme of the head.

    Raises ValueError for sentences without tags, and for a tag that the head does not have.
    """
    sides = _sides(config.data, config)
    sentences = sides["test"] or [*chain.from_iterable(sides.values())]
    for sentence in sentences:
        require(bool(sentence.tags), f"{sentence.where}: the words have no tags to measure by")
    scheme = scheme_of([head.labels])
    if scheme and config.label not in (SEGMENT, SEGMENT_AND_TAG):
        sentences = [in_scheme(sentence, "BIOES" if scheme == "BIOES" else "BIO") for sentence in sentences]
    known = set(head.labels)
    for sentence in sentences:
        for tag in sentence.tags:
            if tag not in known:
                raise ValueError(
                    f"{sentence.where}: the tag {tag!r} is none of those that the model learned: "
                    f"{', '.join(map(repr, head.labels))}"
                )
    return sentences, [f"measured on {len(sentences):,} sentences"]


# ---------------------------------------------------------------- files -> sentences


def _sides(words: Sequence[str], config: FinetuneConfig) -> Sides:
    """Return the sentences of cards and files: what a card holds out, and all else for training."""
    require(bool(words), "name what to learn from: --data FILE, or a data card (minibert data list)")
    sides: Sides = {"train": [], "validation": [], "test": []}
    for corpus in sources.resolve(words):
        tagged = [part for part in corpus.parts if part.format in ("tagged", "conll")]
        for part in tagged or corpus.parts:
            for path in part.files:
                side = _side(path) if part.held_out else "train"
                sides[side] += _sentences(path, part, config)
    return sides


def _side(path: Path) -> Side:
    """Tell from its name what a file that a card holds out is for."""
    return "validation" if path.name.startswith(("val", "dev")) else "test"


def _sentences(path: Path, part: Part, config: FinetuneConfig) -> Iterator[Sentence]:
    """Yield the sentences of a file, of characters where these are to be tagged."""
    segments = config.label in (SEGMENT, SEGMENT_AND_TAG)
    words = config.text or (part.column if part.column != "text" else None)
    tags = None if segments else config.label or part.label or None
    for sentence in read_sentences(path, format_of(path, part.format), None, words, tags):
        yield characters(sentence, config.label == SEGMENT_AND_TAG) if segments else sentence


def format_of(path: Path, format: str) -> str:
    """Return how the sentences lie in a file: "tagged", "conll" or "table".

    A .tsv file holds CoNLL columns. Plain text is of WORD/TAG if all words of its first line have a slash.
    """
    if format in ("tagged", "conll"):
        return format
    if format == "table":
        return "conll" if ".tsv" in path.suffixes else "table"
    first = next((line for line in read_lines(path) if line.strip()), "")
    return "tagged" if all("/" in item for item in first.split()) else "conll"


# ---------------------------------------------------------------- division


def divide_rest(sides: Sides, config: FinetuneConfig) -> list[str]:
    """Move shares of the training sentences to the sides that have none, and tell what is kept together."""
    train = sides["train"]
    validation, test = config.shares
    shares = (0.0 if sides["validation"] else validation, 0.0 if sides["test"] else test)
    if not train or shares == (0.0, 0.0):
        return []
    groups, notes = kept_together(train)
    keys = [key(sentence.text) for sentence in train]
    drawn = divide(keys, [""] * len(train), groups, shares, config.seed)
    sides["train"] = []
    for sentence, side in zip(train, drawn, strict=True):
        sides[side].append(sentence)
    return notes


def kept_together(sentences: Sequence[Sentence]) -> tuple[list[int], list[str]]:
    """Return for each sentence the number of its group, and what is to be said of them.

    A group is a document, where the files mark them; else sentences that repeat each other, or nearly do.
    """
    documents = np.cumsum([sentence.begins for sentence in sentences])
    if documents[-1] < len(sentences):
        return documents.tolist(), []
    alike = group([sentence.text for sentence in sentences])
    said = f"{alike.repeats:,} sentences repeat another, {alike.near:,} nearly do: kept on one side"
    return alike.numbers.tolist(), [said] if alike.repeats or alike.near else []


def leave_out_repeats(sides: Sides) -> list[str]:
    """Leave out of training what is measured on, and of validation what is in the test."""
    notes, seen = [], {key(sentence.text) for sentence in sides["test"]}
    order: tuple[tuple[Side, str], ...] = (("validation", "for the test"), ("train", "to measure on"))
    for side, others in order:
        keys = [key(sentence.text) for sentence in sides[side]]
        kept = [sentence for sentence, its in zip(sides[side], keys, strict=True) if its not in seen]
        if len(kept) < len(keys):
            notes.append(
                f"{len(keys) - len(kept):,} {side} sentences are also among those {others}: left out"
            )
        require(bool(kept), f"all {side} sentences are also among those {others}; name other files")
        sides[side] = kept
        seen.update(keys)
    return notes


# ---------------------------------------------------------------- tags


def _unify(sides: Sides) -> list[str]:
    """Write all tags in one scheme, and tell what was wrong with them."""
    sentences = [sentence for side in sides.values() for sentence in side]
    scheme = scheme_of(sentence.tags for sentence in sentences)
    if scheme is None:
        return []
    notes = []
    if scheme == "IOB1":
        notes.append("the tags are in IOB1 (B- only where two entities of a type touch): written as BIO")
    else:
        notes += _tell_misspelled(sentences, scheme)
    target: Scheme = "BIOES" if scheme == "BIOES" else "BIO"
    for side, its in sides.items():
        sides[side] = [in_scheme(each, target) for each in its]
    return notes


def in_scheme(sentence: Sentence, scheme: Scheme) -> Sentence:
    """Return a sentence whose entities are written in a scheme."""
    return replace(sentence, tags=tuple(tags_of(entities(sentence.tags), len(sentence.tags), scheme)))


def _tell_misspelled(sentences: Sequence[Sentence], scheme: Scheme) -> list[str]:
    """Return a note on entities that are not spelled as their scheme has it, with the first one's place."""
    wrong = [(each, entity) for each in sentences for entity in misspelled(each.tags, scheme)]
    if not wrong:
        return []
    sentence, (_, start, end) = wrong[0]
    words, tags = sentence.words[start:end], sentence.tags[start:end]
    written = " ".join(f"{word}/{tag}" for word, tag in zip(words, tags, strict=True))
    return [
        f"{len(wrong):,} entities are not spelled as {scheme} has it, such as an I- without its B-; the "
        f"first in {sentence.where}, word {start + 1}: {written}. They are read as seqeval reads them"
    ]


def labels_of(sentences: Sequence[Sentence]) -> tuple[str, ...]:
    """Return the labels that a model needs for tags as `read` gives them.

    Of a scheme, all tags of each type, seen or not, so that every sentence has a legal sequence; O first.
    Plain tags by how often they occur, the commonest first.
    """
    counts = Counter(tag for sentence in sentences for tag in sentence.tags)
    scheme = scheme_of(sentence.tags for sentence in sentences)
    if scheme is None:
        return tuple(sorted(counts, key=lambda tag: (-counts[tag], tag)))
    types = sorted({type for place, type in map(parts, counts) if place != "O"})
    require(bool(types), "all tags are O: there is no entity to learn from")
    outside = ["O"] if "O" in counts or scheme != "BIOES" else []
    places = "BIES" if scheme == "BIOES" else "BI"
    return (*outside, *(f"{place}-{type}" if type else place for type in types for place in places))
