"""Tagging at work: a tag for every word, and what whole entities, or whole words, that makes."""

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from minibert.batches.batch import IGNORE
from minibert.batches.labels import Encoded, LabelledBatch, Ragged
from minibert.batches.word_tags import Row, lay_out, pieces_of, pieces_of_characters
from minibert.config import FinetuneConfig, HeadConfig, require
from minibert.recipes.gazetteer import CommonestTag, LongestMatch
from minibert.recipes.tagged_texts import labels_of, read
from minibert.recipes.task import Splits
from minibert.text.base_tokenizer import BaseTokenizer
from minibert.text.entities import macro_f1, micro, tally
from minibert.text.schemes import Allowed, Entity, Scheme, allowed, entities, scheme_of
from minibert.text.tagged import Sentence, sentence_of
from minibert.text.viterbi import viterbi
from minibert.train.loss import cross_entropy

__all__ = ["Tagging", "baselines", "head_for", "read", "task_for"]

Tags = Sequence[str]


@dataclass(frozen=True)
class Tagging:
    """A tag for every word: of an entity's scheme, a part of speech, or where the words of Chinese end."""

    head: HeadConfig
    tokenizer: BaseTokenizer
    max_tokens: int
    """Tokens of a row, with the special ones; a longer sentence is read in windows that overlap."""
    smoothing: float = 0.0

    def __post_init__(self) -> None:
        require(
            self.max_tokens > len(self.specials),
            f"--max-tokens must be above {len(self.specials)}, got {self.max_tokens}",
        )

    @functools.cached_property
    def allowed(self) -> Allowed:
        """Which sequences of labels are legal."""
        return allowed(self.head.labels)

    @functools.cached_property
    def scheme(self) -> Scheme | None:
        """The scheme of the labels; None where they are plain tags."""
        return scheme_of([self.head.labels])

    @property
    def segments(self) -> bool:
        """Whether every character is part of a word: then the words of the sentences are characters."""
        return self.scheme == "BIOES" and "O" not in self.head.labels

    @property
    def goal(self) -> str:
        """F1 over whole entities or whole words; the accuracy of plain tags."""
        return "f1" if self.scheme else "accuracy"

    @property
    def specials(self) -> tuple[int, ...]:
        """[CLS] and [SEP], where the tokenizer has them: what stands around a sentence."""
        bert = {"[CLS]", "[SEP]"} <= set(self.tokenizer.specials)
        return (self.tokenizer.cls_id, self.tokenizer.sep_id) if bert else ()

    # ------------------------------------------------------------ sentences -> rows

    def sentence(self, text: str) -> Sentence:
        """Return what is tagged of a text that has no tags: its words, or its characters."""
        if self.segments:
            return Sentence(tuple("".join(text.split())), text=text)
        return sentence_of(text)

    def rows(self, sentence: Sentence) -> Iterator[Row]:
        """Yield the rows of a sentence."""
        pieces = (pieces_of_characters if self.segments else pieces_of)(sentence, self.tokenizer)
        before, behind = self.specials[:1], self.specials[1:]
        room = self.max_tokens - len(self.specials)
        return lay_out(pieces, len(sentence.words), room, before, behind)

    def encode(self, texts: Sequence[Sentence]) -> Encoded:
        """Return sentences as rows; the target of a word stands at its first piece, all else is IGNORE."""
        numbers = {label: number for number, label in enumerate(self.head.labels)}
        ids, targets, owners = [], [], []
        for text, sentence in enumerate(texts):
            tags = sentence.tags or [""] * len(sentence.words)
            true = np.array([numbers.get(tag, IGNORE) for tag in tags], np.int64)
            for row in self.rows(sentence):
                ids.append(row.ids)
                targets.append(np.where(row.words >= 0, true[row.words], IGNORE).tolist())
                owners.append(text)
        rows = Ragged.of(ids)
        return Encoded(rows, rows.lengths, Ragged.of(targets), np.array(owners, np.int64))

    def loss(self, model: Any, batch: LabelledBatch) -> Mapping[str, Tensor]:
        """Return {"loss": the mean cross-entropy of the words' tags (nats)}."""
        logits = batch.logits(model)  # (B, T, C)
        return {"loss": cross_entropy(logits.flatten(0, 1), batch.targets.flatten(), self.smoothing)}

    # ------------------------------------------------------------ logits -> tags

    def log_probabilities(
        self, texts: Sequence[Sentence], logits: Sequence[NDArray[np.floating]]
    ) -> list[NDArray[np.float64]]:
        """Return for each sentence (W, C) of its words; 0 for a word without a piece, which tells nothing."""
        found, rows = [], iter(logits)
        for sentence in texts:
            table = np.zeros((len(sentence.words), self.head.outputs))
            for row in self.rows(sentence):
                asked = row.words >= 0
                table[row.words[asked]] = log_softmax(next(rows)[: len(row.words)][asked])
            found.append(table)
        return found

    def tags(self, log_probabilities: NDArray[np.floating]) -> list[str]:
        """Return the likeliest tags (W,) that the scheme allows."""
        return [self.head.labels[label] for label in viterbi(log_probabilities, self.allowed)]

    def scores(
        self, texts: Sequence[Sentence], encoded: Encoded, logits: Sequence[NDArray]
    ) -> Mapping[str, float]:
        """Return the loss (nats per word), the accuracy of the tags, and the scores of `tag_scores`."""
        predicted = [self.tags(table) for table in self.log_probabilities(texts, logits)]
        return {
            "loss": mean_loss(encoded, logits),
            **tag_scores([text.tags for text in texts], predicted, self.scheme),
        }

    def details(
        self, texts: Sequence[Sentence], encoded: Encoded, logits: Sequence[NDArray]
    ) -> Mapping[str, Any]:
        """Return {"types": precision, recall, F1 and number of each type of entity, or of each tag}."""
        predicted = [self.tags(table) for table in self.log_probabilities(texts, logits)]
        tallies = tally(*(map(self._things, those) for those in ([text.tags for text in texts], predicted)))
        return {
            "types": {
                type or "word": {
                    "precision": counts.precision,
                    "recall": counts.recall,
                    "f1": counts.f1,
                    "true": counts.true,
                    "predicted": counts.predicted,
                }
                for type, counts in tallies.items()
            }
        }

    def _things(self, tags: Tags) -> list[Entity]:
        """Return the entities that tags write; of plain tags, each word is one."""
        return entities(tags) if self.scheme else [Entity(tag, n, n + 1) for n, tag in enumerate(tags)]

    def predictions(
        self, texts: Sequence[Sentence], encoded: Encoded, logits: Sequence[NDArray]
    ) -> list[dict[str, Any]]:
        """Return for each sentence its text, its words and what was found; and what is true, if known.

        Entities have a type, a text, a start and an end in characters and in words (behind the last one), and
        a probability: the product of those of their tags. Chinese comes back as words, each with its tag
        where this was learned. Plain tags have a probability each.
        """
        lines = []
        for text, table in zip(texts, self.log_probabilities(texts, logits), strict=True):
            tags = self.tags(table)
            chosen = [self.head.labels.index(tag) for tag in tags]
            log_p = table[np.arange(len(tags)), chosen]
            lines.append({"text": text.text, **self._told(text, tags, log_p)})
        return lines

    def _told(self, text: Sentence, tags: Tags, log_p: NDArray[np.floating]) -> dict[str, Any]:
        """Return what a line says of a sentence, with the log-probabilities (W,) of its tags."""
        if self.segments:
            true = segmented(text.words, text.tags) if text.tags else {}
            return {**segmented(text.words, tags), **{f"true_{name}": its for name, its in true.items()}}
        told: dict[str, Any] = {"words": list(text.words), "tags": list(tags)}
        if self.scheme is None:
            told["probabilities"] = np.exp(log_p).tolist()
        else:
            places = text.places
            told["entities"] = [
                {
                    "type": type,
                    "text": text.text[places[start][0] : places[end - 1][1]],
                    "start": places[start][0],
                    "end": places[end - 1][1],
                    "start_word": start,
                    "end_word": end,
                    "probability": float(np.exp(log_p[start:end].sum())),
                }
                for type, start, end in entities(tags)
            ]
        return {**told, "true_tags": list(text.tags)} if text.tags else told


def segmented(characters: Sequence[str], tags: Tags) -> dict[str, list[str]]:
    """Return the words that tags make of characters, and the tag of each word where these are tagged."""
    found = entities(tags)
    words = ["".join(characters[start:end]) for _, start, end in found]
    types = [type for type, *_ in found]
    return {"words": words, "tags": types} if any(types) else {"words": words}


def log_softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return log softmax over the last axis."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def mean_loss(encoded: Encoded, logits: Sequence[NDArray]) -> float:
    """Return the mean of -log p(true tag) over the words with a known tag (nats); 0 without any."""
    assert isinstance(encoded.targets, Ragged)
    losses = []
    for row, own in enumerate(logits):
        true = encoded.targets.padded(np.array([row]), IGNORE)[0]
        asked = true != IGNORE
        losses.append(-log_softmax(own[: len(true)][asked])[np.arange(asked.sum()), true[asked]])
    return float(np.concatenate([*losses, np.zeros(0)]).mean()) if any(map(len, losses)) else 0.0


# ---------------------------------------------------------------- scores


def tag_scores(true: Sequence[Tags], predicted: Sequence[Tags], scheme: Scheme | None) -> dict[str, float]:
    """Return how well predicted tags agree with the true ones.

    "accuracy", the share of the words with the right tag; and of a scheme "precision", "recall" and "f1" over
    whole entities of all types, and "macro_f1", the mean of the F1 of the types. In the segmentation of
    Chinese the entities are words; where these have types, "word_f1" is the F1 of the words without them.
    """
    pairs = [pair for tags in zip(true, predicted, strict=True) for pair in zip(*tags, strict=True)]
    scores = {"accuracy": sum(a == b for a, b in pairs) / max(1, len(pairs))}
    if scheme is None:
        return scores
    found = [[entities(tags) for tags in those] for those in (true, predicted)]
    tallies = tally(*found)
    whole = micro(tallies)
    scores |= {"precision": whole.precision, "recall": whole.recall, "f1": whole.f1}
    scores["macro_f1"] = macro_f1(tallies)
    if not any(tag == "O" for tags in true for tag in tags) and len(tallies) > 1:
        untyped = [[[each._replace(type="") for each in those] for those in side] for side in found]
        scores["word_f1"] = micro(tally(*untyped)).f1
    return scores


def baselines(task: Tagging, splits: Splits[Sentence]) -> dict[str, dict[str, float]]:
    """Return by name the scores on the test sentences of what a list of the training set's knows."""
    if task.scheme is None:
        name, lookup = "commonest tag", CommonestTag.fit(splits.train)
    else:
        name = "longest match" if task.segments else "gazetteer"
        lookup = LongestMatch.fit(splits.train, task.scheme)
    predicted = [lookup.tags(text.words) for text in splits.test]
    return {name: tag_scores([text.tags for text in splits.test], predicted, task.scheme)}


# ---------------------------------------------------------------- for `minibert finetune`


def head_for(splits: Splits[Sentence], config: FinetuneConfig) -> HeadConfig:
    """Return the head that the tags of the training sentences need."""
    return HeadConfig("tags", labels_of(splits.train), config.dropout)


def task_for(
    head: HeadConfig,
    tokenizer: BaseTokenizer,
    max_tokens: int,
    config: FinetuneConfig,
    splits: Splits[Sentence],
) -> Tagging:
    """Return the task at work. Raises ValueError for class weights, which tags have none of."""
    require(config.class_weights == "equal", "--class-weights are for classes, not for tags")
    return Tagging(head, tokenizer, max_tokens, config.smoothing)
