"""Where `minibert finetune answer` finds its questions, and how they are divided: article by article."""

import hashlib
from collections.abc import Sequence
from itertools import chain

from minibert import sources
from minibert.config import FORMATS, FinetuneConfig, HeadConfig, Part, require
from minibert.recipes.task import Splits
from minibert.text.dividing import choose
from minibert.text.duplicates import key
from minibert.text.squad import Question, read_questions

Sides = dict[str, list[Question]]

SHOWN = 5
"""Titles that a note tells; of more articles their number."""


def read(config: FinetuneConfig) -> Splits[Question]:
    """Return the questions that `config` names, divided, in the order of their files.

    What --validation and --test do not name, and the data card does not hold out, is a share of the articles,
    drawn by the seed; no article is on two sides. A training question is left out if its context stands among
    those of validation or test as well, and a validation question if it stands in the test.

    Raises ValueError for questions of which nobody tells the answer, too few articles, and as
    `read_questions`.
    """
    sides, notes = _sides(config.data)
    for side, words in (("validation", config.validation), ("test", config.test)):
        if words:
            named, more = _sides(words)
            sides[side] = list(chain(*named.values()))
            notes += more
    for question in chain(*sides.values()):
        require(question.answers is not None, f"{question.where} has no list of answers to learn from")

    notes += divide(sides, config.shares, config.seed)
    notes += leave_out_repeats(sides)
    train = sides["train"]
    require(any(question.answers for question in train), "no question to learn from has an answer")
    if config.examples is not None:
        ids = [question.id for question in train]
        train = [train[row] for row in choose(ids, [""] * len(ids), config.examples, config.seed)]
    everything = list(chain(train, sides["validation"], sides["test"]))
    without = sum(not question.answers for question in everything)
    if without:
        notes.append(f"{without:,} of {len(everything):,} questions have no answer in their context")
    return Splits(train, sides["validation"], sides["test"], notes)


def read_to_measure(config: FinetuneConfig, head: HeadConfig) -> tuple[list[Question], list[str]]:
    """Return the questions on which a model can be measured, and what is to be said of them.

    Of data of which a card holds questions out, those; else all. `head` answers any question.

    Raises ValueError for questions of which nobody tells the answer.
    """
    sides, notes = _sides(config.data)
    questions = sides["test"] or sides["train"]
    for question in questions:
        require(question.answers is not None, f"{question.where} has no list of answers to measure by")
    without = sum(not question.answers for question in questions)
    if without:
        notes.append(f"{without:,} of {len(questions):,} questions have no answer in their context")
    return questions, [*notes, f"measured on {len(questions):,} questions"]


# ---------------------------------------------------------------- files -> questions


def _sides(words: Sequence[str]) -> tuple[Sides, list[str]]:
    """Return the questions of cards and files, those that a card holds out for the test, and notes."""
    require(bool(words), "name what to learn from: --data FILE, or a data card (minibert data list)")
    sides: Sides = {"train": [], "validation": [], "test": []}
    notes = []
    for corpus in sources.resolve(words, plain="file"):
        for part in corpus.parts:
            questions, more = _questions(part)
            sides["test" if part.held_out else "train"] += questions
            notes += more
    return sides, notes


def _questions(part: Part) -> tuple[list[Question], list[str]]:
    """Return the questions of files, and what was mended in them."""
    require(
        part.format in ("squad", "table"),
        f"{part.files[0]} is {FORMATS[part.format]}: to learn to answer, give SQuAD's JSON, or rows of JSON "
        "lines with question, context and answers",
    )
    questions, notes = [], []
    for path in part.files:
        found, more = read_questions(path)
        require(bool(found), f"{path} holds no question")
        questions += found
        notes += more
    return questions, notes


# ---------------------------------------------------------------- division


def divide(sides: Sides, shares: tuple[float, float], seed: int) -> list[str]:
    """Move a share of the training articles to each side that has none, one at least; return notes.

    The order of the articles is drawn by the hash of seed and title. Raises ValueError where there are fewer
    articles than sides.
    """
    needy = [side for side in ("test", "validation") if not sides[side]]
    titles = sorted({question.title for question in sides["train"]}, key=lambda title: _drawn(seed, title))
    total, notes = len(titles), []
    require(
        total > len(needy),
        f"the questions are on {total} articles: too few for {len(needy) + 1} sides that share none. Give "
        f"files with {' and '.join(f'--{side}' for side in needy)}",
    )
    share_of = {"validation": shares[0], "test": shares[1]}
    for later, side in zip(range(len(needy) - 1, -1, -1), needy, strict=True):
        count = min(max(1, round(share_of[side] * total)), len(titles) - 1 - later)
        taken, titles = set(titles[:count]), titles[count:]
        sides[side] = [question for question in sides["train"] if question.title in taken]
        sides["train"] = [question for question in sides["train"] if question.title not in taken]
        named = ", ".join(sorted(taken)) if count <= SHOWN else f"{count:,} of {total:,}"
        notes.append(f"articles held out whole for {side}: {named} ({len(sides[side]):,} questions)")
    return notes


def _drawn(seed: int, title: str) -> str:
    """Return where an article stands in the random order of a seed."""
    return hashlib.sha256(f"{seed} {title}".encode()).hexdigest()


def leave_out_repeats(sides: Sides) -> list[str]:
    """Leave out of training, and then of validation, what is asked on a context that is measured on.

    Raises ValueError where nothing is left.
    """
    notes, measured = [], {key(context) for context in _contexts(sides["test"])}
    for side in ("validation", "train"):
        keys = {context: key(context) for context in _contexts(sides[side])}
        kept = [question for question in sides[side] if keys[question.context] not in measured]
        left_out = len(sides[side]) - len(kept)
        if left_out:
            notes.append(f"{left_out:,} {side} questions are left out: their contexts are measured on")
        require(bool(kept), f"all contexts of {side} are measured on, too: name other files")
        sides[side] = kept
        measured.update(keys.values())
    return notes


def _contexts(questions: Sequence[Question]) -> set[str]:
    return {question.context for question in questions}
