"""How a report speaks of a fine-tuning's task: what is asked of a text, and what the scores mean."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from minibert.report.markdown import nats, number, percent


@dataclass(frozen=True)
class Score:
    """Something that is measured on labelled texts."""

    title: str
    """What it is called."""
    form: Callable[[Any], str]
    """Its value as text."""
    means: str = ""
    """A sentence on what it is; empty where its name says it."""


def decimals(value: Any) -> str:
    """Return a number with three decimals; none is -0.000."""
    return number(value, "{:z.3f}")


def points(gap: float) -> str:
    """Return a difference of two shares in percentage points, without its sign."""
    return f"{abs(100 * gap):.1f} percentage points"


LOSS = Score("loss (nats)", nats, "the mean of −ln p of the true label; lower is better.")
PRECISION = Score("precision", percent, "of those that are predicted, the share that is right.")
RECALL = Score("recall", percent, "of those that are true, the share that is predicted.")

CLASSES = {
    "loss": LOSS,
    "accuracy": Score("accuracy", percent, "the share of the texts that get their true class."),
    "macro_f1": Score("macro F1", percent, "the mean of the F1 of all classes, however rare they are."),
    "calibration_error": Score("calibration error", percent, "how far off the probabilities are; see below."),
}
LABELS = {
    "loss": Score("loss (nats)", nats, "the mean of −ln p over all labels of all texts; lower is better."),
    "accuracy": Score("accuracy", percent, "the share of the texts that get exactly their true labels."),
    "micro_f1": Score("micro F1", percent, "of all labels given: 2 · right / (predicted + true)."),
    "macro_f1": Score("macro F1", percent, "the mean of the F1 of all labels, however rare they are."),
    "precision": PRECISION,
    "recall": RECALL,
}
NUMBER = {
    "loss": Score("squared error", decimals, "the mean of (predicted − true)²; lower is better."),
    "mse": Score("squared error", decimals, "the mean of (predicted − true)²; lower is better."),
    "mae": Score("absolute error", decimals, "the mean of |predicted − true|; lower is better."),
    "r2": Score("R²", decimals, "1 − squared error / variance of the true numbers."),
    "pearson": Score("correlation (Pearson)", decimals, "how well a line fits predicted over true numbers."),
    "spearman": Score("rank correlation (Spearman)", decimals, "how well their orders agree."),
}
TAGS = {
    "loss": Score("loss (nats)", nats, "the mean of −ln p of the words' true tags; lower is better."),
    "accuracy": Score("accuracy of tags", percent, "the share of the words that get their true tag."),
    "precision": PRECISION,
    "recall": RECALL,
    "f1": Score("F1", percent, "2 · right / (predicted + true); right is one of the same words and type."),
    "macro_f1": Score("macro F1", percent, "the mean of the F1 of all types, however rare they are."),
    "word_f1": Score("F1 of words", percent, "the same for the ends of words alone, whatever their tags."),
}
SPANS = {
    "loss": Score("loss (nats)", nats, "the mean of −ln p of the true start and end; lower is better."),
    "exact": Score("exact match", percent, "the share of the questions answered as people did."),
    "f1": Score("F1", percent, "the mean F1 of the words given against those of a true answer."),
    "answerable exact": Score("exact match, answerable", percent),
    "answerable f1": Score("F1, answerable", percent),
    "unanswerable": Score("without an answer", percent, "of the questions without one, the share left open."),
    "threshold": Score("threshold", decimals, "a question is answered if its margin is above it."),
}


@dataclass(frozen=True)
class Asked:
    """What is asked of a text."""

    learns: str
    """What the model learns."""
    texts: str
    """What its texts are called."""
    of: str
    """What the table of each has in its rows."""
    scores: Mapping[str, Score]
    """By their names in evaluation.json."""
    pipeline: str
    """The pipeline of `transformers` that uses such a model."""
    opens: str
    """The class of `transformers` that opens its folder."""
    metrics: tuple[str, ...]
    """What is measured, by the names of Hugging Face."""

    def score(self, name: str) -> Score:
        """Return a score by its name; an unknown one is told as a number."""
        return self.scores.get(name) or Score(name.replace("_", " "), decimals)


_TEXT = ("text-classification", "AutoModelForSequenceClassification")
_TOKEN = ("token-classification", "AutoModelForTokenClassification")
_SPAN = ("question-answering", "AutoModelForQuestionAnswering")

ASKED: dict[str, Asked] = {
    "classes": Asked("to tell classes apart", "texts", "class", CLASSES, *_TEXT, ("accuracy", "f1")),
    "labels": Asked("to give any number of labels", "texts", "label", LABELS, *_TEXT, ("f1",)),
    "number": Asked("to give a number", "texts", "", NUMBER, *_TEXT, ("mse", "pearsonr")),
    "tags": Asked("to tag words", "sentences", "type", TAGS, *_TOKEN, ("f1", "precision", "recall")),
    "spans": Asked("to find answers", "questions", "", SPANS, *_SPAN, ("exact_match", "f1")),
}
"""By the task of the head."""

OF_COMMAND = {"classify": "classes", "tag": "tags", "answer": "spans"}
"""The task of the head that is likeliest, by the word behind `minibert finetune`."""


def head_of(head: str | None, command: str | None) -> str:
    """Return the task of the head; where it is not recorded, the likeliest by the command."""
    return head if head in ASKED else OF_COMMAND.get(command or "", "classes")
