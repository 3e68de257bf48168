"""Answering at work: where in a text the answer to a question stands, or that it does not stand there."""

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from minibert.batches.batch import IGNORE
from minibert.batches.contexts import Span, best_span
from minibert.batches.labels import Encoded, LabelledBatch
from minibert.batches.question_rows import EncodedQuestions, encode_questions
from minibert.config import FinetuneConfig, HeadConfig, require
from minibert.recipes.overlap import BestSentence
from minibert.recipes.question_sets import read
from minibert.recipes.task import Splits
from minibert.text.answer_scores import answer_scores, best_of, best_threshold, exact_match, f1
from minibert.text.base_tokenizer import BaseTokenizer
from minibert.text.squad import Question, shown
from minibert.train.loss import cross_entropy

__all__ = ["Answering", "baselines", "head_for", "read", "task_for"]

logger = logging.getLogger("minibert")

LEAST = 16
"""Fewest tokens of a row: with less, nothing of question or context would be left."""

QUESTION_WORDS = ("who", "what", "when", "where", "which", "why", "how")


@dataclass(frozen=True)
class Found:
    """The best legal span of a question, over all its windows."""

    start: int
    end: int
    """The characters of the context that it shows: context[start:end]."""
    score: float
    """start_i + end_j of its tokens, -infinity where the context has no token."""
    none: float
    """The same of no answer, in the window that has least of it."""
    probability: float
    """p(start_i) p(end_j), in its window."""

    @property
    def margin(self) -> float:
        """By how much the answer is ahead of none."""
        return self.score - self.none


@dataclass(frozen=True)
class Answering:
    """Extractive answers: the span of the context that answers a question, or none."""

    head: HeadConfig
    tokenizer: BaseTokenizer
    max_tokens: int
    """Tokens of a row: special ones, question, and a window of the context."""
    longest: int = 30
    """Most tokens of an answer that is given; as in Devlin et al. 2019's code."""
    threshold: float | None = None
    """A question is answered if its margin is above it. None: always, in predictions; in scores the best
    threshold for just these questions, if some have no answer."""

    def __post_init__(self) -> None:
        require(self.max_tokens >= LEAST, f"--max-tokens must be at least {LEAST}, got {self.max_tokens}")
        require(self.longest >= 1, f"--longest-answer must be at least 1, got {self.longest}")

    @property
    def goal(self) -> str:
        """F1 over the words of the answers."""
        return "f1"

    # ------------------------------------------------------------ questions -> rows

    def encode(self, texts: Sequence[Question]) -> EncodedQuestions:
        """Return questions in windows over their contexts; what did not fit is logged."""
        encoded, notes = encode_questions(texts, self.tokenizer, self.max_tokens)
        for note in notes:
            logger.info("%s", note)
        return encoded

    def loss(self, model: Any, batch: LabelledBatch) -> Mapping[str, Tensor]:
        """Return {"loss": the mean cross-entropy of starts and ends (nats)}; see `span_loss`."""
        return {"loss": span_loss(batch.logits(model), batch.targets, batch.attend)}

    # ------------------------------------------------------------ logits -> answers

    def found(
        self, texts: Sequence[Question], encoded: Encoded, logits: Sequence[NDArray[np.floating]]
    ) -> list[Found]:
        """Return the best legal span of each question: of all its windows, the one with the highest score."""
        assert isinstance(encoded, EncodedQuestions)
        best = [Found(0, 0, -math.inf, math.inf, 0.0)] * len(texts)
        for row, own in enumerate(logits):
            number = int(encoded.texts[row])
            before = best[number]
            none = min(before.none, float(own[encoded.nones[row]].sum()))
            inside = encoded.within(row)
            span, score = Span(0, 0), -math.inf
            if inside.start < inside.stop:
                span, score = best_span(own[inside, 0], own[inside, 1], self.longest)
            if score <= before.score:
                best[number] = replace(before, none=none)
                continue
            start, end = shown(texts[number].context, *encoded.characters(row, span))
            best[number] = Found(start, end, score, none, math.exp(score - log_normalisers(own)))
        return best

    def answers(
        self, texts: Sequence[Question], found: Sequence[Found], threshold: float | None
    ) -> list[str]:
        """Return what is answered: "" for a question whose margin is not above the threshold."""
        return [
            text.context[each.start : each.end] if threshold is None or each.margin > threshold else ""
            for text, each in zip(texts, found, strict=True)
        ]

    def best_threshold(self, texts: Sequence[Question], found: Sequence[Found]) -> float | None:
        """Return the threshold with the best F1 on these questions; None where all have an answer."""
        right = [true_answers(text) for text in texts]
        if all(right):
            return None
        always = self.answers(texts, found, None)
        answered = np.array([best_of(f1, given, its) for given, its in zip(always, right, strict=True)])
        silent = np.array([not its for its in right], np.float64)
        return best_threshold(np.array([each.margin for each in found]), answered, silent)

    def settled(
        self, texts: Sequence[Question], encoded: Encoded, logits: Sequence[NDArray[np.floating]]
    ) -> "Answering":
        """Return the task with the threshold that is best on these questions, to be used on others."""
        return replace(self, threshold=self.best_threshold(texts, self.found(texts, encoded, logits)))

    def scores(
        self, texts: Sequence[Question], encoded: Encoded, logits: Sequence[NDArray[np.floating]]
    ) -> Mapping[str, float]:
        """Return the loss (nats), "exact" and "f1"; where some have no answer, the threshold and more.

        See `answer_scores`. Raises ValueError for a question of which nobody tells the answer.
        """
        found = self.found(texts, encoded, logits)
        threshold = self.best_threshold(texts, found) if self.threshold is None else self.threshold
        given = self.answers(texts, found, threshold)
        return {
            "loss": mean_loss(encoded, logits),
            **answer_scores(given, [true_answers(text) for text in texts]),
            **({} if threshold is None else {"threshold": threshold}),
        }

    def details(
        self, texts: Sequence[Question], encoded: Encoded, logits: Sequence[NDArray[np.floating]]
    ) -> Mapping[str, Any]:
        """Return {"kinds": the count, "exact" and "f1" of questions that begin alike: with who, when, …}."""
        given = self.answers(texts, self.found(texts, encoded, logits), self.threshold)
        kinds: dict[str, list[int]] = {}
        for number, text in enumerate(texts):
            kinds.setdefault(kind_of(text.question), []).append(number)
        ordered = sorted(kinds.items(), key=lambda item: -len(item[1]))
        return {
            "kinds": {
                kind: {
                    "count": len(numbers),
                    **answer_scores([given[n] for n in numbers], [true_answers(texts[n]) for n in numbers]),
                }
                for kind, numbers in ordered
            }
        }

    def predictions(
        self, texts: Sequence[Question], encoded: Encoded, logits: Sequence[NDArray[np.floating]]
    ) -> list[dict[str, Any]]:
        """Return for each question its answer, with what is true, if known.

        `start` and `end` are the characters of the context, null where no answer is given. `probability` is
        the model's of just this span, `no_answer` the share of no answer against it:
        1 / (1 + exp(margin)).
        """
        found = self.found(texts, encoded, logits)
        given = self.answers(texts, found, self.threshold)
        lines = []
        for text, answer, its in zip(texts, given, found, strict=True):
            line = {
                "id": text.id,
                "question": text.question,
                "answer": answer,
                "start": its.start if answer else None,
                "end": its.end if answer else None,
                "probability": its.probability,
                "no_answer": sigmoid(-its.margin),
            }
            if text.answers is not None:
                right = true_answers(text)
                line |= {"true": right, "exact": best_of(exact_match, answer, right)}
                line |= {"f1": best_of(f1, answer, right)}
            lines.append(line)
        return lines


def kind_of(question: str) -> str:
    """Return the first question word of a question, "other" where it has none of QUESTION_WORDS."""
    words = question.lower().replace("'", " ").split()
    return next((word for word in words if word in QUESTION_WORDS), "other")


# ---------------------------------------------------------------- what is true


def true_answers(text: Question) -> list[str]:
    """Return the right answers; raises ValueError where nobody tells them."""
    if text.answers is None:
        raise ValueError(f"{text.where} has no list of answers to measure by")
    return [answer.text for answer in text.answers]


# ---------------------------------------------------------------- numbers


def span_loss(logits: Tensor, targets: Tensor, attend: Tensor | None = None) -> Tensor:
    """Return the mean of -log p(start) and -log p(end) over the rows (nats).

    p is the softmax over the tokens of the row, of the logits of starts and of those of ends (Devlin et al.
    2019, section 4.2).

    Differs from the paper: its code has the padding in the softmax, too.

    Args:
        logits: (B, T, 2), of starts and of ends.
        targets: (B, 2) int64, the tokens where the answer begins and ends; IGNORE does not count.
        attend: (B, T) bool, False on padding.
    """
    if attend is not None:
        logits = logits.masked_fill(~attend[:, :, None], -torch.inf)
    return cross_entropy(logits.transpose(1, 2).flatten(0, 1), targets.flatten())  # (2 B, T), (2 B,)


def log_normalisers(logits: NDArray[np.floating]) -> float:
    """Return log sum_t exp start_t + log sum_t exp end_t of a row's logits (T, 2)."""
    logits = logits.astype(np.float64)
    top = logits.max(axis=0)
    return float((top + np.log(np.exp(logits - top).sum(axis=0))).sum())


def mean_loss(encoded: Encoded, logits: Sequence[NDArray[np.floating]]) -> float:
    """Return the mean of -log p over all starts and ends that are known (nats); 0 without any."""
    assert isinstance(encoded, EncodedQuestions)
    asked = [row for row in range(len(encoded)) if encoded.targets[row, 0] != IGNORE]
    total = 0.0
    for row in asked:
        start, end = encoded.targets[row]
        total += log_normalisers(logits[row]) - float(logits[row][start, 0] + logits[row][end, 1])
    return total / (2 * max(1, len(asked)))


def sigmoid(x: float) -> float:
    """Return 1 / (1 + exp(-x)), for any x."""
    return 0.5 * (1 + math.tanh(x / 2))


# ---------------------------------------------------------------- for `minibert finetune`


def head_for(splits: Splits[Question], config: FinetuneConfig) -> HeadConfig:
    """Return the head: two numbers for each token, whatever the questions are."""
    return HeadConfig("spans", dropout=config.dropout)


def task_for(
    head: HeadConfig,
    tokenizer: BaseTokenizer,
    max_tokens: int,
    config: FinetuneConfig,
    splits: Splits[Question],
) -> Answering:
    """Return the task at work. Raises ValueError for settings that answers have no use for."""
    require(config.class_weights == "equal", "--class-weights are for classes, not for answers")
    require(config.smoothing == 0, "--smoothing is for classes and tags, not for answers")
    augmented = config.delete or config.swap or config.replace
    require(not augmented, "--delete, --swap and --replace would change the answers; leave them out")
    return Answering(head, tokenizer, max_tokens, config.longest_answer)


def baselines(task: Answering, splits: Splits[Question]) -> dict[str, dict[str, float]]:
    """Return the scores on the test questions of the sentence that has most in common with the question."""
    fitted = BestSentence.fit(question.context for question in splits.train)
    given = [fitted.answer(question.question, question.context) for question in splits.test]
    return {"best sentence": answer_scores(given, [true_answers(question) for question in splits.test])}
