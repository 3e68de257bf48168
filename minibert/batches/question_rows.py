"""Questions as rows of tokens: the question, and behind it the context, in windows where it is long."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from minibert.batches.batch import IGNORE
from minibert.batches.contexts import Span, even_windows, tokens_of
from minibert.batches.labels import Encoded, Ragged
from minibert.text.base_tokenizer import BaseTokenizer
from minibert.text.squad import Question

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Frame:
    """The special tokens of a row: `before` question `between` context `behind`."""

    before: tuple[int, ...]
    between: tuple[int, ...]
    behind: tuple[int, ...]
    none_first: bool
    """Whether it is the row's first token that stands for no answer; else it is the last one."""

    @classmethod
    def of(cls, tokenizer: BaseTokenizer) -> "Frame":
        """Return BERT's frame, [CLS] question [SEP] context [SEP], or that of a causal model.

        A causal model knows of a token only what stands before it. So the question comes first, or the
        context would be read without it; and no answer is at the end, for only there all has been read:
        question <|endoftext|> context <|endoftext|>.
        """
        if {"[CLS]", "[SEP]"} <= set(tokenizer.specials):
            return cls((tokenizer.cls_id,), (tokenizer.sep_id,), (tokenizer.sep_id,), none_first=True)
        return cls((), (tokenizer.end_id,), (tokenizer.end_id,), none_first=False)

    def __len__(self) -> int:
        """How many tokens it has."""
        return len(self.before) + len(self.between) + len(self.behind)

    def around(self, question: Sequence[int], context: Sequence[int]) -> list[int]:
        """Return the row of a question and a window."""
        return [*self.before, *question, *self.between, *context, *self.behind]


@dataclass(frozen=True)
class Context:
    """A context in tokens."""

    ids: list[int]
    starts: Ints
    """(tokens,) the character that each token begins with."""
    ends: Ints
    """(tokens,) the character behind each token."""

    @classmethod
    def of(cls, text: str, tokenizer: BaseTokenizer) -> "Context":
        """Cut a text into tokens."""
        tokens = tokenizer.tokens(text)
        places = np.array([(token.start, token.end) for token in tokens], np.int64).reshape(-1, 2)
        return cls([token.id for token in tokens], places[:, 0], places[:, 1])


@dataclass(frozen=True)
class EncodedQuestions(Encoded):
    """Questions as the model reads them: a row for each window over the context.

    A row's answer begins and ends with its two targets. They are both the token that stands for no answer
    where the window does not hold the answer whole, and IGNORE where nobody says what the answer is.
    """

    targets: Ints
    """(R, 2), places in the row."""
    nones: Ints
    """(R,) the place in the row of the token that stands for no answer."""
    firsts: Ints
    """(R,) the token of the context that the window begins with."""
    contexts: Sequence[Context]
    """Of each question; questions on one context share it."""

    def within(self, row: int) -> slice:
        """Return where the window stands in a row."""
        return slice(int(self.seconds[row]), int(self.ids.lengths[row]) - 1)  # one token stands behind it

    def characters(self, row: int, span: Span) -> tuple[int, int]:
        """Return the characters of the context, the last one excluded, that some tokens of a window hold."""
        context, first = self.contexts[self.texts[row]], self.firsts[row]
        return int(context.starts[first + span.first]), int(context.ends[first + span.last])


def longest_question(max_tokens: int) -> int:
    """Return how many tokens of a question are read in a row of `max_tokens`: a third of them."""
    return max_tokens // 3


def encode_questions(
    texts: Sequence[Question], tokenizer: BaseTokenizer, max_tokens: int
) -> tuple[EncodedQuestions, list[str]]:
    """Return questions as rows of at most `max_tokens`, and notes on what did not fit.

    A long context comes in windows, of which neighbours have half of their tokens in common. Of several
    answers the first is the target.
    """
    frame, limit = Frame.of(tokenizer), longest_question(max_tokens)
    asked = tokenizer.encode_batch([text.question for text in texts])
    read = {context: Context.of(context, tokenizer) for context in {text.context for text in texts}}
    rows, targets = [], []
    places: list[tuple[int, int, int, int]] = []  # text, second, none, first of each row

    for number, (text, whole) in enumerate(zip(texts, asked, strict=True)):
        context, question = read[text.context], whole[:limit]
        span = answer_of(text, context)
        room = max_tokens - len(frame) - len(question)
        for first, end in zip(*even_windows(len(context.ids), room, room // 2), strict=True):
            row = frame.around(question, context.ids[first:end])
            second = len(frame.before) + len(question) + len(frame.between)
            none = 0 if frame.none_first else len(row) - 1
            rows.append(row)
            targets.append(target_of(text, span, (first, end), second, none))
            places.append((number, second, none, first))

    owners, seconds, nones, firsts = np.array(places, np.int64).reshape(-1, 4).T
    contexts = [read[text.context] for text in texts]
    ends = np.array(targets, np.int64).reshape(-1, 2)
    encoded = EncodedQuestions(Ragged.of(rows), seconds, ends, owners, nones, firsts, contexts)
    return encoded, notes_on(texts, encoded, sum(len(whole) > limit for whole in asked), max_tokens)


def answer_of(text: Question, context: Context) -> Span | None:
    """Return the tokens of the context that hold the first answer, if there is one."""
    if not text.answers:
        return None
    answer = text.answers[0]
    return tokens_of(context.starts, context.ends, answer.start, answer.start + len(answer.text))


def target_of(
    text: Question, span: Span | None, window: tuple[int, int], second: int, none: int
) -> tuple[int, int]:
    """Return where in a row the answer begins and ends.

    Args:
        text: the question.
        span: the tokens of the context that hold its answer.
        window: the tokens of the context that the row has, the last one excluded.
        second: where they begin in the row.
        none: the place that stands for no answer.
    """
    if text.answers is None:
        return IGNORE, IGNORE
    if span is None or span.first < window[0] or span.last >= window[1]:
        return none, none
    return second + span.first - window[0], second + span.last - window[0]


def notes_on(texts: Sequence[Question], encoded: EncodedQuestions, cut: int, max_tokens: int) -> list[str]:
    """Return how many questions were cut, come in windows, or have an answer that no window holds whole."""
    windows = np.bincount(encoded.texts, minlength=len(texts))
    held = np.zeros(len(texts), bool)
    held[encoded.texts[encoded.targets[:, 0] != encoded.nones]] = True
    lost = sum(bool(text.answers) and not kept for text, kept in zip(texts, held, strict=True))
    counts = {
        f"are longer than {longest_question(max_tokens)} tokens and were cut": cut,
        f"are longer than {max_tokens} tokens with their context and come in windows": (windows > 1).sum(),
        "have an answer that no window holds whole: nothing is learned of it": lost,
    }
    return [f"{count:,} of {len(texts):,} questions {what}" for what, count in counts.items() if count]
