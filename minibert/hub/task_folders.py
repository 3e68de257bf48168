"""Folders of task models: `transformers.BertForSequenceClassification` and its kin, nine in all."""

import dataclasses
from collections.abc import Mapping
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
class TaskKind:
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
    """How a weight's name begins for `body`, and how for ours."""
    kept: Mapping[str, str] = field(default_factory=dict)
    """What a pretrained model may lack of it beside the output, by the beginning of our names."""
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

    def ours(self, state: Weights) -> Weights:
        """Give tensors by the names of `transformers` ours; what only pretraining needs is left out."""
        named = renamed(self.body.from_hugging_face(state), self.names)
        foreign = tuple(set(self.body.heads) - set(self.kept))
        return {name: tensor for name, tensor in named.items() if not name.startswith(foreign)}

    def fitting(self, state: Weights, head: HeadConfig) -> Weights:
        """Return `ours`; ValueError unless the output layer is that of the head."""
        ours = self.ours(state)
        output = ours.get("output.weight")
        if output is not None and len(output) != head.outputs:
            raise ValueError(
                f"the head has {len(output)} outputs, and config.json speaks of {head.outputs} (id2label); "
                "copy both from one model"
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
            labels = head.labels or ("LABEL_0",)
            values["id2label"] = {str(place): label for place, label in enumerate(labels)}
            values["label2id"] = {label: place for place, label in enumerate(labels)}
        return values

    def read_head(self, values: dict[str, Any], file: Path) -> HeadConfig:
        """Translate what config.json says of a head.

        Raises ValueError for labels that are not numbered from 0, of which two are the same, or that label2id
        gives other numbers.
        """
        labels = read_labels(values, file)
        task = self.tasks[0] if len(self.tasks) == 1 else read_task(values, len(labels), file)
        setting, default = self.dropout
        dropout = values.get("classifier_dropout")
        with naming(file):
            return HeadConfig(
                task,
                () if task in ("number", "spans") else labels,
                values.get(setting, default) if dropout is None else dropout,
            )


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
    """Return the labels of id2label in their order; those of `transformers` where it says none."""
    count = values.get("num_labels", 2)
    named = values.get("id2label") or {str(place): f"LABEL_{place}" for place in range(count)}
    places = [str(place) for place in range(len(named))]
    require(set(named) == set(places), f"{file}: id2label must number its labels from 0, got {named}")
    labels = tuple(named[place] for place in places)
    numbers = values.get("label2id") or {}
    require(
        not numbers or numbers == {label: place for place, label in enumerate(labels)},
        f"{file}: label2id must be id2label the other way round, got {numbers} and {named}",
    )
    return labels


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
MODERN_HEAD = {"head.": "the dense layer of the head"}

STACK = {f"{part}.": f"gpt.{part}." for part in ("tokens", "positions", "blocks", "norm")}

TASK_KINDS = (
    TaskKind(
        "BertForSequenceClassification",
        BertClassifier,
        BERT,
        TEXT,
        {"classifier.": "output."},
        kept=POOLER,
        dropout=BERT_DROPOUT,
    ),
    TaskKind(
        "BertForTokenClassification",
        BertTagger,
        BERT,
        TAGS,
        {"classifier.": "output."},
        dropout=BERT_DROPOUT,
    ),
    TaskKind("BertForQuestionAnswering", BertAnswerer, BERT, SPANS, {"qa_outputs.": "output."}),
    TaskKind(
        "ModernBertForSequenceClassification",
        ModernBertClassifier,
        MODERNBERT,
        TEXT,
        MODERN,
        kept=MODERN_HEAD,
        settings={"classifier_pooling": "cls"},
    ),
    TaskKind(
        "ModernBertForSequenceClassification",
        ModernBertMeanClassifier,
        MODERNBERT,
        TEXT,
        MODERN,
        kept=MODERN_HEAD,
        settings={"classifier_pooling": "mean"},
    ),
    TaskKind(
        "ModernBertForTokenClassification", ModernBertTagger, MODERNBERT, TAGS, MODERN, kept=MODERN_HEAD
    ),
    TaskKind(
        "ModernBertForQuestionAnswering", ModernBertAnswerer, MODERNBERT, SPANS, MODERN, kept=MODERN_HEAD
    ),
    TaskKind("GPT2ForSequenceClassification", GptClassifier, GPT, TEXT, STACK | {"score.": "output."}),
    TaskKind(
        "GPT2ForTokenClassification",
        GptTagger,
        GPT,
        TAGS,
        STACK | {"classifier.": "output."},
        dropout=("hidden_dropout", 0.1),
    ),
    TaskKind("GPT2ForQuestionAnswering", GptAnswerer, GPT, SPANS, STACK | {"qa_outputs.": "output."}),
)
"""All kinds of task models."""
