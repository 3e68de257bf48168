"""From the words behind --data to labelled texts: those to learn from, to choose by, and to measure on."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from tqdm import tqdm

from minibert import sources
from minibert.config import FinetuneConfig, HeadConfig, Part, require
from minibert.recipes.task import Splits
from minibert.text.columns import Columns
from minibert.text.dividing import choose, divide, strata
from minibert.text.duplicates import Groups, group, key
from minibert.text.labelled import (
    Kind,
    LabelledText,
    as_kind,
    columns_of,
    kind_of,
    label_names,
    read_documents_of,
    read_table,
    require_known,
)
from minibert.text.reading import Progress

SIDES = {"train": "to learn from", "validation": "to choose by", "test": "to measure on"}
"""The sets that texts are divided into, in this order, and what each is for."""

LARGE = 100
"""Numbers beyond it are far from where a fresh head begins, for steps of the usual size."""


# ---------------------------------------------------------------- words -> texts


@dataclass
class Found:
    """Labelled texts as they were read."""

    texts: list[LabelledText]
    sides: list[str | None]
    """Where each belongs, if that is told: by the data card, or by the flag in front of its file."""
    notes: list[str]
    divided: bool = True
    """Whether a data card tells of every text where it belongs."""
    alike: str = ""
    """What is to be said of texts that are the same, or nearly."""


def find(words: Sequence[str], told: Columns, labelled: bool = True) -> Found:
    """Read the texts of data cards and files.

    Texts without a word, and without a label where `labelled`, are counted and left out.

    Raises ValueError for a word that is neither card nor file, for what has no labels, and as `read_table`.
    """
    found = Found([], [], [])
    corpora = sources.resolve(words, plain="lines")
    total = sum(file.stat().st_size for corpus in corpora for file in corpus.files)
    blank = without = 0
    with tqdm(total=total, unit="B", unit_scale=True, desc="reading", leave=False, disable=None) as bar:
        for corpus in corpora:
            count = 0
            for part in corpus.parts:
                for text in _read_part(corpus, part, told, labelled, bar.update, found.notes):
                    count += 1
                    if text.is_blank:
                        blank += 1
                    elif labelled and text.label is None:
                        without += 1
                    else:
                        found.texts.append(text)
                        found.sides.append(_side(corpus, part, text))
            missing = f"labelled texts{_remedy(corpus)}" if labelled else "texts"
            require(count > 0, f"{corpus.name} has no {missing}")
            found.divided &= corpus.split is not None
    if blank or without:
        found.notes.append(f"left out: {amount(blank)} without a word, {amount(without)} without a label")
    return found


def _read_part(
    corpus: sources.Corpus,
    part: Part,
    told: Columns,
    labelled: bool,
    progress: Progress,
    notes: list[str],
) -> Iterator[LabelledText]:
    if part.format != "table":
        if part.label or (not labelled and part.format == "lines"):
            yield from read_documents_of(part, progress)
        return
    for path in part.files:
        of_card = Columns(part.column, None, part.label) if part.label else Columns()
        asked = Columns(told.text or of_card.text, told.pair, told.label or of_card.label)
        columns = columns_of(path, asked, labelled)
        if columns is None:
            continue
        if columns != asked:
            notes.append(f"{path.name}: {columns}")
        named = dict(part.label_names)
        for text in read_table(path, columns, progress, part.only):
            yield replace(text, label=named[text.label]) if text.label in named else text


def _side(corpus: sources.Corpus, part: Part, text: LabelledText) -> str | None:
    """Return where a text belongs, if its card tells.

    The split of the card tells; or its held-out parts do: a part called validation is for validation where
    there is another one for the test.
    """
    if corpus.split:
        return corpus.split.side(key(text.whole))
    if not part.held_out:
        return None
    several = sum(each.held_out for each in corpus.parts) > 1
    named = any(file.name.startswith(("validation", "valid", "dev")) for file in part.files)
    return "validation" if named and several else "test"


def _remedy(corpus: sources.Corpus) -> str:
    """Return what to do about a corpus without labels."""
    formats = {part.format for part in corpus.parts}
    if formats & {"tagged", "conll"}:
        return ". To learn its tags: minibert finetune tag"
    if "squad" in formats:
        return ". To learn its answers: minibert finetune answer"
    return ": give CSV, TSV or JSON lines with a column of labels"


# ---------------------------------------------------------------- texts -> three sets


def read(config: FinetuneConfig) -> Splits[LabelledText]:
    """Read the labelled texts of a fine-tuning and divide them, as `config` says.

    Where a data card or a flag tells the side of a text, it has that side; the rest is divided by shares, see
    `divide`. A text that is the same as one on another side, or nearly, is left out: of what is learned from
    first, then of what is chosen by.

    Raises ValueError where the texts cannot be used: see `find`; labels of several kinds; a label to choose
    by or to measure on that is not among those to learn from; no text on one of the sides.
    """
    require(bool(config.data), "no labelled texts: give --data CARD or --data FILE (see: minibert data list)")
    told = Columns(config.text, config.text_pair, config.label)
    found = find(config.data, told)
    for side, words in (("validation", config.validation), ("test", config.test)):
        if words:
            more = find(words, told)
            found.texts += more.texts
            found.sides += [side for _ in more.texts]
            found.notes += more.notes
            found.divided = False

    kind = config.labels_are or kind_of(found.texts)
    texts = as_kind(found.texts, kind)
    sides = found.sides if found.divided else _settle(texts, found, config)
    parts = {side: [text for text, its in zip(texts, sides, strict=True) if its == side] for side in SIDES}
    for side, its in parts.items():
        few = f"of {amount(len(texts))} none is left {SIDES[side]}: give more, or other --shares"
        require(bool(its), "; ".join([few, found.alike] if found.alike else [few]))
    counts = ", ".join(f"{amount(len(parts[side]))} {SIDES[side]}" for side in SIDES)
    how = "as the data card divides them" if found.divided else f"drawn with seed {config.seed}"
    found.notes += [describe_labels(texts), f"{counts}, {how}"]

    if config.examples is not None:
        parts["train"] = some(parts["train"], config.examples, config.seed)
        found.notes.append(f"learned from: {config.examples:,} of them, of each label its share")
    if kind != "number":
        names = label_names(parts["train"])
        few = "all texts to learn from have the same label: there is nothing to tell apart"
        require(len(names) > (kind == "classes"), few)
        for side in ("validation", "test"):
            require_known(parts[side], names)
    return Splits(parts["train"], parts["validation"], parts["test"], tuple(found.notes))


def _settle(texts: Sequence[LabelledText], found: Found, config: FinetuneConfig) -> list[str | None]:
    """Return the side of each text, None for what is left out; say in `found.notes` what is alike."""
    groups = group([text.whole for text in texts])
    shares = tuple(
        0.0 if side in found.sides else share
        for side, share in zip(("validation", "test"), config.shares, strict=True)
    )
    free = [row for row, side in enumerate(found.sides) if side is None]
    drawn = divide(
        [key(texts[row].whole) for row in free],
        strata([texts[row].label for row in free]),
        [int(groups.numbers[row]) for row in free],
        (shares[0], shares[1]),
        config.seed,
    )
    sides = list(found.sides)
    for row, side in zip(free, drawn, strict=True):
        sides[row] = side

    order = list(SIDES)
    places = np.array([order.index(side) for side in sides if side], np.int64)
    last = np.zeros(len(texts), np.int64)
    np.maximum.at(last, groups.numbers, places)
    leaks = places < last[groups.numbers]  # what is like it is measured on, or chosen by
    if groups.repeats or groups.near:
        found.alike = describe_groups(texts, groups, int(leaks.sum()))
        found.notes.append(found.alike)
    return [None if leak else side for side, leak in zip(sides, leaks.tolist(), strict=True)]


def read_to_measure(config: FinetuneConfig, head: HeadConfig) -> tuple[list[LabelledText], list[str]]:
    """Read the texts on which a model that has learned can be measured, and what is to be said of them.

    Of data that is divided by its card, those for the test; else all.

    Raises ValueError as `read`, and for a label that the head does not have.
    """
    require(bool(config.data), "no labelled texts: give --data CARD or --data FILE (see: minibert data list)")
    found = find(config.data, Columns(config.text, config.text_pair, config.label))
    kinds: dict[str, Kind] = {"classes": "classes", "labels": "labels", "number": "number"}
    require(head.task in kinds, f"a head for {head.task} tells nothing of whole texts")
    texts = as_kind(found.texts, kinds[head.task])
    if "test" in found.sides:
        texts = [text for text, side in zip(texts, found.sides, strict=True) if side == "test"]
    if head.task != "number":
        require_known(texts, head.labels)
    return texts, [*found.notes, describe_labels(texts), f"measured on {amount(len(texts))}"]


def some(texts: Sequence[LabelledText], count: int, seed: int) -> list[LabelledText]:
    """Return `count` of the texts, of each label its share; see `choose`."""
    rows = choose([key(text.whole) for text in texts], strata([text.label for text in texts]), count, seed)
    return [texts[row] for row in rows]


# ---------------------------------------------------------------- in words


def amount(number: int) -> str:
    """Return "1 text", "2,000 texts"."""
    return f"{number:,} text{'s' * (number != 1)}"


def describe_labels(texts: Sequence[LabelledText]) -> str:
    """Tell what the labels are, and how many texts have which."""
    numbers = [text.label for text in texts if isinstance(text.label, float)]
    if numbers:
        return (
            f"labels: numbers from {min(numbers):g} to {max(numbers):g}, mean {np.mean(numbers):.3g}, "
            f"standard deviation {np.std(numbers):.3g}"
            + "; those that lie near 1 are learned best: divide them"
            * (max(map(abs, numbers)) > LARGE)
        )
    counts = Counter(
        name
        for text in texts
        for name in (text.label if isinstance(text.label, tuple) else (str(text.label),))
    )
    names = label_names(texts)
    shown = [f"{name} ({counts[name]:,})" for name in names[:10]] + ["…"] * (len(names) > 10)
    several = any(isinstance(text.label, tuple) for text in texts)
    what = "of which a text has any number" if several else "classes"
    return f"labels: {len(names)} {what}: {', '.join(shown)}"


def describe_groups(texts: Sequence[LabelledText], groups: Groups, leaks: int) -> str:
    """Tell how many texts are alike, and what was done about it."""
    labels: dict[int, set] = defaultdict(set)
    for number, text in zip(groups.numbers.tolist(), texts, strict=True):
        labels[number].add(text.label)
    unlike = sum(len(its) > 1 for its in labels.values())
    said = (
        f"alike: {amount(groups.repeats)} repeat another one but for white space and case, {groups.near:,} "
        "more share half of their runs of five words with one; what is alike is on one side"
    )
    if unlike:
        said += f"; {unlike:,} times the labels differ"
    if leaks:
        said += f"; {amount(leaks)} that came again on a later side are left out"
    return said
