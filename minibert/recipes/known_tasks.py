"""The tasks that a model can be fine-tuned for, by name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from minibert.config import FinetuneConfig, HeadConfig
from minibert.recipes import answering, classifying, labelled_data, question_sets, tagged_texts, tagging
from minibert.recipes.task import FinetuningTask, Splits
from minibert.text.base_tokenizer import BaseTokenizer


@dataclass(frozen=True)
class TaskKind:
    """What `minibert finetune` can be told to do, as functions of the module that knows about it."""

    read: Callable[[FinetuneConfig], Splits[Any]]
    """Reads the texts and divides them."""
    head: Callable[[Splits[Any], FinetuneConfig], HeadConfig]
    """The head that these texts need."""
    task: Callable[[HeadConfig, BaseTokenizer, int, FinetuneConfig, Splits[Any]], FinetuningTask]
    """The task at work, for rows of so many tokens at most."""
    baselines: Callable[[Any, Splits[Any]], Mapping[str, Mapping[str, float]]]
    """By name, the scores on the test texts of what needs no network."""
    to_measure: Callable[[FinetuneConfig, HeadConfig], tuple[list[Any], list[str]]]
    """Reads the texts on which a model that has learned is measured, with what is to be said of them."""
    of_body: Callable[..., Mapping[str, Mapping[str, float]]] | None = None
    """The same of what the body is worth as it is, see `frozen_features`; None where that is not asked."""
    settled: Callable[..., Any] = lambda task, texts, encoded, logits: task
    """Task, validation texts and what the model says of them -> the task as it measures other texts."""


TASKS: dict[str, TaskKind] = {
    "classify": TaskKind(
        classifying.read,
        classifying.head_for,
        classifying.task_for,
        classifying.baselines,
        labelled_data.read_to_measure,
        of_body=classifying.frozen_features,
    ),
    "tag": TaskKind(
        tagging.read,
        tagging.head_for,
        tagging.task_for,
        tagging.baselines,
        tagged_texts.read_to_measure,
    ),
    "answer": TaskKind(
        answering.read,
        answering.head_for,
        answering.task_for,
        answering.baselines,
        question_sets.read_to_measure,
        settled=answering.Answering.settled,
    ),
}
"""By the word behind `minibert finetune`."""
