"""The yardsticks for a fine-tuned classifier: what needs no network, and what a body is worth as it is."""

import logging
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge

from minibert.batches.labels import Encoded, LabelledBatches, Ragged
from minibert.config import HeadConfig
from minibert.recipes.frozen_features import evaluating, progress_bar
from minibert.recipes.label_kinds import Floats, LabelKind
from minibert.recipes.pooling import mean_pool
from minibert.recipes.predicting import TOKENS
from minibert.recipes.task import Splits
from minibert.text.dividing import choose, strata
from minibert.text.duplicates import key, words
from minibert.text.labelled import LabelledText

logger = logging.getLogger("minibert")

Scores = dict[str, float]

STRENGTHS = (1.0, 10.0, 100.0)
"""C of logistic regression, 1 / alpha of ridge regression: the one that is best on the validation texts."""

MANY = 1000
"""From so many texts on, a word must be in two of them to be counted."""

CONSTANT = {"classes": "most frequent class", "labels": "most frequent labels", "number": "mean"}
"""What is called what says the same of every text, by the task of the head."""

MOST = 10_000
"""Training texts that a body reads for its yardstick: with more, a linear model gets hardly better."""


class Measures(Protocol):
    """The task that the scores are those of: `recipes.classifying.Classifying`."""

    @property
    def head(self) -> HeadConfig: ...

    @property
    def goal(self) -> str: ...

    @property
    def class_weights(self) -> Floats | None: ...

    @property
    def kind(self) -> LabelKind: ...

    def measure(self, texts: Sequence[LabelledText], outputs: Floats) -> Scores: ...


def baselines(task: Measures, splits: Splits[LabelledText]) -> dict[str, Scores]:
    """Return by name the scores on the test texts of what needs no network.

    The most frequent class or labels (each with its share in the training texts as probability), or the mean;
    and a linear model of the words and pairs of words of a text, weighed by how few texts have them (TF-IDF):
    logistic regression, or ridge regression of numbers.
    """
    perfect = task.kind.perfect(task.kind.targets(splits.train))
    means = np.tile(perfect.mean(axis=0), (len(splits.test), 1))

    count = TfidfVectorizer(
        tokenizer=words,
        token_pattern=None,  # pyright: ignore[reportArgumentType]
        lowercase=False,  # `words` does it
        ngram_range=(1, 2),
        min_df=2 if len(splits.train) >= MANY else 1,
        sublinear_tf=True,
    )
    train = count.fit_transform([text.whole for text in splits.train])
    validation, test = (
        count.transform([text.whole for text in part]) for part in (splits.validation, splits.test)
    )
    return {
        CONSTANT[task.head.task]: task.measure(splits.test, means),
        f"TF-IDF with {linear(task)}": linear_scores(task, splits, train, validation, test),
    }


def linear(task: Measures) -> str:
    """Return what the linear model of a task is called."""
    return "ridge regression" if task.head.task == "number" else "logistic regression"


def frozen_features(
    task: Measures,
    splits: Splits[LabelledText],
    encoded: Mapping[str, Encoded],
    model: Any,
    pad_id: int,
    most: int | None = None,
    seed: int = 0,
) -> dict[str, Scores]:
    """Return by name the scores on the test texts of a linear model of what a body, as it is, says of a text.

    A text is the mean of the last hidden states of its tokens, made to length 1; of one in several rows, that
    of its first.

    Args:
        task: what is measured.
        splits: the texts.
        encoded: the same as rows, by "train", "validation" and "test".
        model: a task model with a head for tags, which reads every token; its body has not learned from these
            texts.
        pad_id: what fills up a batch.
        most: learn from so many of the training texts at most, of each label its share, drawn with `seed`;
            MOST if not given, or if it is more.
    """
    keys, labels = [key(text.whole) for text in splits.train], strata([text.label for text in splits.train])
    chosen = choose(keys, labels, min(most or MOST, MOST, len(keys)), seed)
    rows = [
        first_rows(encoded["train"], chosen),
        *(first_rows(encoded[side], range(len(getattr(splits, side)))) for side in ("validation", "test")),
    ]
    logger.info("the body reads %s texts as it is, for a baseline", f"{sum(map(len, rows)):,}")
    with evaluating(model), progress_bar(sum(map(len, rows))) as bar:
        vectors = [mean_features(model, part, pad_id, bar.update) for part in rows]
    unit = [part / np.linalg.norm(part, axis=1, keepdims=True).clip(1e-12) for part in vectors]
    learning = replace(splits, train=[splits.train[text] for text in chosen])
    return {f"frozen features with {linear(task)}": linear_scores(task, learning, *unit)}


def first_rows(encoded: Encoded, texts: Sequence[int]) -> Encoded:
    """Return the first row of each of some texts (N of them), in their order."""
    rows = np.unique(encoded.texts, return_index=True)[1][texts]  # (N,)
    ids, targets = encoded.ids, encoded.targets
    assert isinstance(targets, np.ndarray)
    own = [ids.values[ids.starts[row] : ids.starts[row + 1]].tolist() for row in rows]
    return Encoded(Ragged.of(own), encoded.seconds[rows], targets[rows], np.arange(len(rows)))


@torch.no_grad()
def mean_features(
    model: Any, encoded: Encoded, pad_id: int, progress: Callable[[int], object] | None = None
) -> NDArray[np.float32]:
    """Return the mean of the last hidden states of each row: (R, D).

    `model` has a head for tags; `progress` is called with the number of further rows that are done.
    """
    device = next(model.parameters()).device
    found = np.zeros((len(encoded), model.config.width), np.float32)
    for batch in LabelledBatches(encoded, pad_id, 1).in_order(TOKENS.get(device.type, TOKENS["cpu"])):
        here = batch.to(device)
        hidden = model.features(here.ids, here.segments, here.attend)  # (B, T, D)
        attend = torch.ones_like(here.ids, dtype=torch.bool) if here.attend is None else here.attend
        found[batch.rows.numpy()] = mean_pool(hidden, attend).float().cpu().numpy()
        if progress:
            progress(len(batch.rows))
    return found


# ---------------------------------------------------------------- linear models


def linear_scores(
    task: Measures, splits: Splits[LabelledText], train: Any, validation: Any, test: Any
) -> Scores:
    """Return the scores of a linear model of features (N, D) on the test texts.

    How strongly its weights are held near zero is chosen by the goal on the validation texts.
    """
    fit = _ridge if task.head.task == "number" else _logistic
    predicts = [fit(task, train, task.kind.targets(splits.train), strength) for strength in STRENGTHS]
    reached = [task.measure(splits.validation, predict(validation))[task.goal] for predict in predicts]
    return task.measure(splits.test, predicts[int(np.argmax(reached))](test))


Predict = Callable[[Any], Floats]
"""Features (N, D) to probabilities (N, C), or numbers (N, 1)."""


def _ridge(task: Measures, features: Any, targets: NDArray, strength: float) -> Predict:
    model = Ridge(alpha=1 / strength).fit(features, targets.astype(np.float64))
    return lambda features: np.asarray(model.predict(features), np.float64)[:, None]


def _logistic(task: Measures, features: Any, targets: NDArray, strength: float) -> Predict:
    """Fit one model of all classes; of several labels one for each, as a question of yes or no."""
    balanced = None if task.class_weights is None else "balanced"
    columns = [targets] if task.head.task == "classes" else list((targets > 0.5).T.astype(np.int64))
    C = task.head.outputs if task.head.task == "classes" else 2
    models = [_fitted(features, column, strength, balanced) for column in columns]

    def predict(features: Any) -> Floats:
        tables = [_table(model, features, C) for model in models]
        return tables[0] if task.head.task == "classes" else np.stack([t[:, 1] for t in tables], axis=1)

    return predict


def _fitted(features: Any, targets: NDArray, strength: float, weight: str | None) -> LogisticRegression | int:
    """Return a model, or the one class that there is."""
    if len(set(targets.tolist())) == 1:
        return int(targets[0])
    model = LogisticRegression(C=strength, class_weight=weight, max_iter=200)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # near enough, for a yardstick
        return model.fit(features, targets)


def _table(model: LogisticRegression | int, features: Any, C: int) -> Floats:
    """Return the probabilities (N, C) of all classes, also of those that were not in the training set."""
    table = np.zeros((features.shape[0], C))
    if isinstance(model, int):
        table[:, model] = 1
    else:
        table[:, model.classes_] = model.predict_proba(features)
    return table
