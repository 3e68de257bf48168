"""What every kind of fine-tuning knows of its texts: how they are read, learned from, and scored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from numpy.typing import NDArray
from torch import Tensor

from minibert.batches.labels import Encoded, LabelledBatch
from minibert.config import HeadConfig

Text = TypeVar("Text")
"""A labelled text: of a class for each kind of task."""


@dataclass(frozen=True)
class Splits(Generic[Text]):
    """Labelled texts, apart from each other."""

    train: Sequence[Text]
    validation: Sequence[Text]
    test: Sequence[Text]
    notes: Sequence[str] = ()
    """What was found and done when they were read: sentences for the terminal and the report."""


class FinetuningTask(Protocol):
    """A kind of task, at work: `recipes.classifying`, `recipes.tagging` and `recipes.answering` have one."""

    @property
    def head(self) -> HeadConfig:
        """The head that it needs."""
        ...

    @property
    def goal(self) -> str:
        """The name of the score (higher is better) by which the best checkpoint is chosen."""
        ...

    def encode(self, texts: Sequence[Any]) -> Encoded:
        """Return texts as the model reads them, with what the loss asks for."""
        ...

    def loss(self, model: Any, batch: LabelledBatch) -> Mapping[str, Tensor]:
        """Return {"loss": the mean over what `batch.counts()` counts}."""
        ...

    def scores(
        self, texts: Sequence[Any], encoded: Encoded, logits: Sequence[NDArray]
    ) -> Mapping[str, float]:
        """Return "loss", the goal, and whatever else is measured, of the logits of each row of `encoded`."""
        ...

    def details(self, texts: Sequence[Any], encoded: Encoded, logits: Sequence[NDArray]) -> Mapping[str, Any]:
        """Return what the report shows besides the scores: plain values for JSON, by name."""
        ...

    def predictions(
        self, texts: Sequence[Any], encoded: Encoded, logits: Sequence[NDArray]
    ) -> list[dict[str, Any]]:
        """Return for each text what `minibert predict` writes as a line of JSON."""
        ...
