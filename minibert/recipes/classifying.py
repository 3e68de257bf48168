"""Classification at work: one class of several, several labels at once, or a number for each text."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from minibert.batches.labels import Encoded, LabelledBatch, Ragged
from minibert.batches.text_rows import LongTexts, RowMaker
from minibert.config import FinetuneConfig, HeadConfig, require
from minibert.recipes.label_kinds import Floats, LabelKind, kind_for
from minibert.recipes.labelled_baselines import baselines, frozen_features
from minibert.recipes.labelled_data import read
from minibert.recipes.task import Splits
from minibert.text.base_tokenizer import BaseTokenizer
from minibert.text.labelled import LabelledText, label_names

__all__ = ["Classifying", "baselines", "frozen_features", "head_for", "read", "task_for"]

logger = logging.getLogger("minibert")


@dataclass(frozen=True)
class Classifying:
    """What is said of a whole text, or of two; the head tells what it is, see `label_kinds`."""

    head: HeadConfig
    tokenizer: BaseTokenizer
    max_tokens: int
    """Tokens of a row, with the special ones."""
    long_texts: LongTexts = "cut"
    """What is longer is cut, or read in windows that overlap, whose predictions are averaged."""
    class_weights: Floats | None = None
    """(C,) by which the loss of a text counts; for several labels (2, C), for no and for yes."""
    smoothing: float = 0.0
    """Share of the probability that label smoothing spreads over all classes."""

    @property
    def kind(self) -> LabelKind:
        """What the head is asked for."""
        return kind_for(self.head)

    @property
    def goal(self) -> str:
        """The score that chooses the best checkpoint."""
        return self.kind.goal(self.class_weights is not None)

    def encode(self, texts: Sequence[LabelledText]) -> Encoded:
        """Return texts as rows, each with the target of its text; how many are too long is logged.

        Raises ValueError for a label that the head does not have, with the row and the labels there are.
        """
        maker = RowMaker(self.tokenizer, self.max_tokens, self.long_texts)
        firsts = self.tokenizer.encode_batch([text.text for text in texts])
        seconds = iter(self.tokenizer.encode_batch([text.pair for text in texts if text.pair is not None]))
        ids, begins, owners = [], [], []
        long = 0
        for number, (text, first) in enumerate(zip(texts, firsts, strict=True)):
            second = None if text.pair is None else next(seconds)
            long += maker.is_long(first, second)
            for row in maker.rows(first, second):
                ids.append(row.ids)
                begins.append(row.second)
                owners.append(number)
        if long:
            what = {"cut": "the rest is cut off", "windows": f"with the others they make {len(ids):,} rows"}
            said = "%d of %d texts have more than %d tokens: %s"
            logger.info(said, long, len(texts), self.max_tokens, what[self.long_texts])
        rows = np.array(owners, np.int64)
        return Encoded(Ragged.of(ids), np.array(begins, np.int64), self.kind.targets(texts)[rows], rows)

    def loss(self, model: Any, batch: LabelledBatch) -> Mapping[str, Tensor]:
        """Return {"loss": the mean over the rows}: cross-entropy (nats), or the squared error of numbers."""
        weights = None if self.class_weights is None else torch.from_numpy(self.class_weights)
        return {"loss": self.kind.loss(batch.logits(model), batch.targets, weights, self.smoothing)}

    def outputs(self, encoded: Encoded, logits: Sequence[NDArray[np.floating]]) -> Floats:
        """Return for each text the probabilities of the labels, or the number: (N, C).

        A text that was read in windows has the mean of what is said of them.
        """
        values = self.kind.outputs(np.array(logits, np.float64).reshape(len(encoded), self.head.outputs))
        rows = np.bincount(encoded.texts)
        sums = np.zeros((len(rows), self.head.outputs))
        np.add.at(sums, encoded.texts, values)
        return sums / rows[:, None]

    def scores(
        self, texts: Sequence[LabelledText], encoded: Encoded, logits: Sequence[NDArray]
    ) -> Mapping[str, float]:
        """Return the scores of `LabelKind.measure`; the loss is without weights and smoothing."""
        return self.measure(texts, self.outputs(encoded, logits))

    def measure(self, texts: Sequence[LabelledText], outputs: Floats) -> dict[str, float]:
        """Return the scores of probabilities, or numbers, (N, C) on texts.

        Raises ValueError for a text whose label is not known.
        """
        for text in texts:
            place = text.where or repr(text.text[:60])
            require(text.label is not None, f"{place} has no label to measure by")
        return self.kind.measure(self.kind.targets(texts), outputs)

    def details(
        self, texts: Sequence[LabelledText], encoded: Encoded, logits: Sequence[NDArray]
    ) -> Mapping[str, Any]:
        """Return what the report shows besides the scores."""
        return self.kind.details(self.kind.targets(texts), self.outputs(encoded, logits))

    def predictions(
        self, texts: Sequence[LabelledText], encoded: Encoded, logits: Sequence[NDArray]
    ) -> list[dict[str, Any]]:
        """Return for each text what is said of it (`LabelKind.said`), and under "true" what is, if known."""
        lines = []
        for text, outputs in zip(texts, self.outputs(encoded, logits).tolist(), strict=True):
            line: dict[str, Any] = {"text": text.text, **({} if text.pair is None else {"pair": text.pair})}
            line |= self.kind.said(outputs)
            if text.label is not None:
                line["true"] = list(text.label) if isinstance(text.label, tuple) else text.label
            lines.append(line)
        return lines


# ---------------------------------------------------------------- for `minibert finetune`


def head_for(splits: Splits[LabelledText], config: FinetuneConfig) -> HeadConfig:
    """Return the head that the labels of the training texts need."""
    label = splits.train[0].label
    if isinstance(label, float):
        return HeadConfig("number", dropout=config.dropout)
    return HeadConfig(
        "labels" if isinstance(label, tuple) else "classes", label_names(splits.train), config.dropout
    )


def task_for(
    head: HeadConfig,
    tokenizer: BaseTokenizer,
    max_tokens: int,
    config: FinetuneConfig,
    splits: Splits[LabelledText],
) -> Classifying:
    """Return the task at work, with the class weights that the training texts need if `config` asks for them.

    Raises ValueError for settings that numbers have no use for.
    """
    plain = Classifying(head, tokenizer, max_tokens, config.long_texts, None, config.smoothing)
    require(head.task != "number" or config.smoothing == 0, "--smoothing is for classes, not for numbers")
    if config.class_weights == "equal":
        return plain
    return replace(plain, class_weights=plain.kind.weights(plain.kind.targets(splits.train)))
