"""Folders of task models: `transformers.BertForSequenceClassification` and its kin, nine in all."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from minibert.config import HeadConfig, Task, require
from minibert.hub.bert_folder import BERT
from minibert.hub.folder_kind import FolderKind, Weights, naming
from minibert.hub.gpt_folder import GPT
from minibert.hub.modernbert_folder import MODERNBERT
from minibert.model.answerer import BertAnswerer, GptAnswerer, ModernBertAnswerer
from minibert.model.classifier import (
    BertClassifier,
    GptClassifier,
    ModernBertClassifier,
    ModernBertMeanClassifier,
)
from minibert.model.tagger import BertTagger, GptTagger, ModernBertTagger

TEXTS: dict[Task, str] = {
    "classes": "single_label_classification",
    "labels": "multi_label_classification",
    "number": "regression",
}
"""What can be told of a whole text, and the problem_type that config.json calls it."""

OUTPUTS = ("classifier.", "score.", "qa_outputs.")
"""What `transformers` calls the last layer of a head."""


@dataclass(frozen=True)
class TaskFolderKind:
    """A kind of task model, whatever its labels."""

    architecture: str
    """What `transformers` calls it."""
    model: type
    """Ours."""
    body: FolderKind
    """The kind of the model whose body it has."""
    tasks: tuple[Task, ...]
    """What it can be asked for."""
    names: Mapping[str, str]
    """How names begin that `body` gives, and how ours do, where they differ."""
    kept: Mapping[str, str] = field(default_factory=dict)
    """Parts of a head that pretrained models can have too, by the beginning of our names."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """What config.json says of it, and of no other model of this architecture."""
    dropout: tuple[str, float] = ("", 0.0)
    """The setting that is the head's dropout where classifier_dropout is not set, and its default."""

    def suits(self, values: dict[str, Any]) -> bool:
        """Return whether config.json says nothing else than the settings."""
        return all(values.get(name, said) == said for name, said in self.settings.items())

    def folder(self, head: HeadConfig) -> FolderKind:
        """Return the kind of the folders with this head."""
        body = self.body
        return dataclasses.replace(
            body,
            name=self.architecture,
            model=lambda config, generator: self.model(config, head, generator),
            write_config=lambda config: body.write_config(config) | self.write_head(head),
            to_hugging_face=lambda state: body.to_hugging_face(
                renamed(state, {ours: theirs for theirs, ours in self.names.items()})
            ),
            from_hugging_face=lambda state: self.fitting(state, head),
            sizes={size: (begun(name, self.names), axis) for size, (name, axis) in body.sizes.items()},
            blocks=begun(body.blocks, self.names),
            heads={},
        )

    def to_ours(self, state: Weights) -> Weights:
        """Give tensors by the names of `transformers` ours; what only pretraining needs is left out."""
        named = renamed(self.body.from_hugging_face(state), self.names)
        foreign = tuple(set(self.body.heads) - set(self.kept))
        return {name: tensor for name, tensor in named.items() if not name.startswith(foreign)}

    def fitting(self, state: Weights, head: HeadConfig) -> Weights:
        """Return `to_ours`; ValueError for an output layer of another size than the head's."""
        ours = self.to_ours(state)
        output = ours.get("output.weight")
        require(
            output is None or output.shape[:1] == (head.outputs,),
            f"the head has {head.outputs} outputs in config.json (id2label), and others in the weights; copy "
            "both from one model",
        )
        return ours

    def write_head(self, head: HeadConfig) -> dict[str, Any]:
        """Return what config.json says of a head."""
        values: dict[str, Any] = {
            "architectures": [self.architecture],
            "classifier_dropout": head.dropout,
            **self.settings,
        }
        if head.task in TEXTS:
            values["problem_type"] = TEXTS[head.task]
        if head.task != "spans":
            labels = head.labels or tuple(unnamed(head.outputs).values())
            values["id2label"] = {str(place): label for place, label in enumerate(labels)}
            values["label2id"] = numbered(labels)
        return values

    def read_head(self, values: dict[str, Any], file: Path) -> HeadConfig:
        """Translate what config.json says of a head.

        Raises ValueError for labels that are not numbered from 0, of which two are the same, or that label2id
        gives other numbers; for a task that it cannot be asked for, and for a dropout that is no share.
        """
        labels = read_labels(values, file)
        task = self.tasks[0] if len(self.tasks) == 1 else read_task(values, len(labels), file)
        setting, default = self.dropout
        dropout = values.get("classifier_dropout")
        dropout = values.get(setting, default) if dropout is None else dropout
        require(
            isinstance(dropout, int | float), f"{file}: classifier_dropout must be a number, got {dropout!r}"
        )
        with naming(file):
            return HeadConfig(task, () if task in ("number", "spans") else labels, dropout)


def begun(name: str, beginnings: Mapping[str, str]) -> str:
    """Return a name with its beginning replaced, if it is one of these."""
    for old, new in beginnings.items():
        if name.startswith(old):
            return new + name.removeprefix(old)
    return name


def renamed(state: Weights, beginnings: Mapping[str, str]) -> Weights:
    """Return tensors by names with other beginnings."""
    return {begun(name, beginnings): tensor for name, tensor in state.items()}


def read_labels(values: dict[str, Any], file: Path) -> tuple[str, ...]:
    """Return the labels of id2label in their order; LABEL_0, LABEL_1 … where it says none."""
    named = values.get("id2label") or unnamed(values.get("num_labels", 2))
    places = [str(place) for place in range(len(named))]
    require(
        isinstance(named, dict) and set(named) == set(places),
        f"{file}: id2label must name the labels 0, 1, 2 …, got {named}",
    )
    labels = tuple(str(named[place]) for place in places)
    numbers = values.get("label2id") or numbered(labels)
    require(
        numbers == numbered(labels),
        f"{file}: label2id must be id2label the other way round, got {numbers} and {named}",
    )
    return labels


def unnamed(count: int) -> dict[str, str]:
    """Return id2label as `transformers` has it for labels without names."""
    return {str(place): f"LABEL_{place}" for place in range(count)}


def numbered(labels: Sequence[str]) -> dict[str, int]:
    """Return label2id."""
    return {label: place for place, label in enumerate(labels)}


def read_task(values: dict[str, Any], outputs: int, file: Path) -> Task:
    """Return what a model with so many outputs tells of a text: what problem_type says, or else one class."""
    unsaid = TEXTS["number" if outputs == 1 else "classes"]
    problem = values.get("problem_type") or unsaid
    tasks: dict[str, Task] = {name: task for task, name in TEXTS.items()}
    require(problem in tasks, f"{file}: problem_type must be {' or '.join(tasks)}, got {problem!r}")
    require(
        tasks[problem] != "number" or outputs == 1,
        f"{file}: a model for regression must have one output, got {outputs} (id2label)",
    )
    return tasks[problem]


TEXT: tuple[Task, ...] = tuple(TEXTS)
TAGS: tuple[Task, ...] = ("tags",)
SPANS: tuple[Task, ...] = ("spans",)

POOLER = {"bert.pooler.": "the pooler"}
BERT_DROPOUT = ("hidden_dropout_prob", 0.1)

MODERN = {"words.dense.": "head.dense.", "words.norm.": "head.norm.", "classifier.": "output."}
"""The head of ModernBERT begins as that for masked words, also in its names."""
MODERN_HEAD = {"head.": "the dense layer of the head"}

STACK = {f"{part}.": f"gpt.{part}." for part in ("tokens", "positions", "blocks", "norm")}
"""A pretrained GPT is nothing but the body."""

TASK_KINDS = (
    TaskFolderKind(
        "BertForSequenceClassification",
        BertClassifier,
        BERT,
        TEXT,
        {"classifier.": "output."},
        kept=POOLER,
        dropout=BERT_DROPOUT,
    ),
    TaskFolderKind(
        "BertForTokenClassification",
        BertTagger,
        BERT,
        TAGS,
        {"classifier.": "output."},
        dropout=BERT_DROPOUT,
    ),
    TaskFolderKind("BertForQuestionAnswering", BertAnswerer, BERT, SPANS, {"qa_outputs.": "output."}),
    TaskFolderKind(
        "ModernBertForSequenceClassification",
        ModernBertClassifier,
        MODERNBERT,
        TEXT,
        MODERN,
        kept=MODERN_HEAD,
        settings={"classifier_pooling": "cls"},
    ),
    TaskFolderKind(
        "ModernBertForSequenceClassification",
        ModernBertMeanClassifier,
        MODERNBERT,
        TEXT,
        MODERN,
        kept=MODERN_HEAD,
        settings={"classifier_pooling": "mean"},
    ),
    TaskFolderKind(
        "ModernBertForTokenClassification", ModernBertTagger, MODERNBERT, TAGS, MODERN, kept=MODERN_HEAD
    ),
    TaskFolderKind(
        "ModernBertForQuestionAnswering", ModernBertAnswerer, MODERNBERT, SPANS, MODERN, kept=MODERN_HEAD
    ),
    TaskFolderKind("GPT2ForSequenceClassification", GptClassifier, GPT, TEXT, STACK | {"score.": "output."}),
    TaskFolderKind(
        "GPT2ForTokenClassification",
        GptTagger,
        GPT,
        TAGS,
        STACK | {"classifier.": "output."},
        dropout=("hidden_dropout", 0.1),
    ),
    TaskFolderKind("GPT2ForQuestionAnswering", GptAnswerer, GPT, SPANS, STACK | {"qa_outputs.": "output."}),
)
"""All kinds of task models."""
