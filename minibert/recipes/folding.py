"""k-fold cross-validation: each text is measured on once, by a model that has learned from none like it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

from minibert.config import FinetuneConfig, require
from minibert.recipes import question_sets, tagged_texts
from minibert.recipes.known_tasks import TASKS
from minibert.recipes.task import Splits
from minibert.text.dividing import Side, choose, divide, folds, strata
from minibert.text.duplicates import group, key
from minibert.text.labelled import LabelledText, label_names, require_known
from minibert.text.squad import Question
from minibert.text.tagged import Sentence

Sides = dict[Side, list[Any]]


class Folding(Protocol):
    """How the texts of a kind of task come into folds."""

    def belonging(self, texts: Sequence[Any]) -> tuple[list[str], list[str], list[int]]:
        """Return the key, the stratum and the group of each text; see `minibert.text.dividing.divide`."""
        ...

    def hold_out(self, sides: Sides, config: FinetuneConfig) -> list[str]:
        """Move a share of the training texts to validation, see that the sides are apart, and return notes.

        Raises ValueError where a fold cannot be learned or measured.
        """
        ...


class OfTexts:
    """Texts with labels: of each label equal shares; what is alike is in one fold."""

    def belonging(self, texts: Sequence[LabelledText]) -> tuple[list[str], list[str], list[int]]:
        """Return the key, the stratum and the group of each text."""
        groups = group([text.whole for text in texts]).numbers.tolist()
        return [key(text.whole) for text in texts], strata([text.label for text in texts]), groups

    def hold_out(self, sides: Sides, config: FinetuneConfig) -> list[str]:
        """Move a share of the training texts to validation. Raises ValueError for labels not learned."""
        texts = sides["train"]
        drawn = divide(*self.belonging(texts), (config.shares[0], 0.0), config.seed)
        for side in ("train", "validation"):
            sides[side] = [text for text, its in zip(texts, drawn, strict=True) if its == side]
        if not isinstance(texts[0].label, float):
            for side in ("validation", "test"):
                require_known(sides[side], label_names(sides["train"]))
        return []


class OfSentences:
    """Sentences with tags: documents are in one fold, where the files mark them; else sentences alike."""

    def belonging(self, texts: Sequence[Sentence]) -> tuple[list[str], list[str], list[int]]:
        """Return the key, the stratum and the group of each sentence."""
        groups, _ = tagged_texts.kept_together(texts)
        return [key(sentence.text) for sentence in texts], [""] * len(texts), groups

    def hold_out(self, sides: Sides, config: FinetuneConfig) -> list[str]:
        """Move a share of the training sentences to validation, and leave out what comes again."""
        tagged_texts.divide_rest(sides, config)
        return tagged_texts.leave_out_repeats(sides)


class OfQuestions:
    """Questions on articles: an article is in one fold."""

    def belonging(self, texts: Sequence[Question]) -> tuple[list[str], list[str], list[int]]:
        """Return the key, the stratum and the group of each question."""
        titles = {title: number for number, title in enumerate(sorted({text.title for text in texts}))}
        return [text.id for text in texts], [""] * len(texts), [titles[text.title] for text in texts]

    def hold_out(self, sides: Sides, config: FinetuneConfig) -> list[str]:
        """Move a share of the articles to validation, and leave out contexts that come again."""
        named: question_sets.Sides = {**sides}
        notes = question_sets.divide(named, config.shares, config.seed)
        notes += question_sets.leave_out_repeats(named)
        sides.update({side: named[side] for side in sides})
        return notes


FOLDINGS: dict[str, Folding] = {"classify": OfTexts(), "tag": OfSentences(), "answer": OfQuestions()}
"""By the word behind `minibert finetune`."""


def read_folds(kind: str, config: FinetuneConfig, count: int) -> list[Splits[Any]]:
    """Read the texts of a fine-tuning, and return them divided `count` times: each fold is once the test.

    Of the other folds the share for validation is held out, and the rest is learned from. What is kept
    together when texts are divided once, is kept in one fold.

    Args:
        kind: "classify", "tag" or "answer".
        config: the texts, the share for validation, the seed.
        count: how many folds.

    Raises:
        ValueError: as the task's `read`; too few texts for so many folds; a label that is in one fold alone.
    """
    folding = FOLDINGS[kind]
    whole = TASKS[kind].read(replace(config, examples=None))
    texts = [*whole.train, *whole.validation, *whole.test]
    belonging = folding.belonging(texts)
    numbers = folds(*belonging, count, config.seed)
    require(
        len(set(numbers)) == count,
        f"{len(texts):,} texts, {len(set(belonging[2])):,} of which are kept apart from each other, are too "
        f"few for {count} folds: give more of them, or fewer --folds",
    )
    notes = [*whole.notes, f"these are put together again, and divided into {count} folds"]
    return [_fold(folding, texts, numbers, number, config, notes) for number in range(count)]


def _fold(
    folding: Folding,
    texts: Sequence[Any],
    numbers: Sequence[int],
    number: int,
    config: FinetuneConfig,
    notes: Sequence[str],
) -> Splits[Any]:
    """Return the texts with one fold as the test."""
    sides: Sides = {"train": [], "validation": [], "test": []}
    for text, its in zip(texts, numbers, strict=True):
        sides["test" if its == number else "train"].append(text)
    found = folding.hold_out(sides, config)
    require(
        bool(sides["validation"]),
        f"with fold {number + 1} as the test no text is left to choose by: give more, or other --shares",
    )
    if config.examples is not None:
        keys, names, _ = folding.belonging(sides["train"])
        chosen = choose(keys, names, config.examples, config.seed)
        sides["train"] = [sides["train"][row] for row in chosen]
    sizes = [f"{len(sides[side]):,}" for side in ("train", "validation", "test")]
    said = (
        f"fold {number + 1} of {max(numbers) + 1}: {sizes[0]} to learn from, {sizes[1]} to choose by, "
        f"{sizes[2]} to measure on, drawn with seed {config.seed}"
    )
    return Splits(sides["train"], sides["validation"], sides["test"], (*notes, *found, said))
