"""Texts by a causal model: prompts in, what the model makes of them out, as it is written."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from minibert.batches.sampling import integers, permutation, uniform
from minibert.config.decoding import WritingConfig
from minibert.hub import from_pretrained
from minibert.model.beam import beam_search
from minibert.model.generate import CausalModel, generate, most_positions, stream
from minibert.text.base_tokenizer import BaseTokenizer
from minibert.text.store import Store

ROWS = 16
"""Texts that are written side by side."""

SAMPLE = WritingConfig(length=60)
"""How the samples of a report are written."""

PROMPT = 12
"""Tokens that a sample goes on from."""

UNFINISHED = "\ufffd"
"""What stands for bytes that are no whole character, or not yet."""


@dataclass(frozen=True)
class Writer:
    """A causal model that writes texts."""

    model: CausalModel
    """In evaluation mode."""
    tokenizer: BaseTokenizer
    """With an end token."""
    context: int | None
    """Most tokens that the model looks back on; None for one that reads without end."""

    @classmethod
    def open(cls, run: Path) -> "Writer":
        """Open a run folder, or one that `transformers` wrote, on the CPU.

        Raises ValueError when it holds no causal model, no tokenizer, or one without an end token.
        """
        model, tokenizer = open_causal(run, f"to fill blanks: minibert fill {run} TEXT")
        return cls(model, tokenizer, usual_context(run, model))

    def ids(self, prompt: str | None) -> list[int]:
        """Return the ids of a prompt; without one, the end token, behind which a new text begins."""
        ids = [] if prompt is None else self.tokenizer.encode(prompt)
        return ids or [self.tokenizer.end_id]

    def stream(self, prompt: str | None, config: WritingConfig) -> Iterator[str]:
        """Yield the text that goes on from a prompt, piece by piece, as soon as the pieces are known."""
        numbers, end = random_numbers(config, [0]), self.tokenizer.end_id
        steps = stream(self.model, [self.ids(prompt)], config.length, config, numbers, end, self.context)
        tokens = takewhile(lambda token: token != end, map(int, steps))
        return whole_characters(self.tokenizer, tokens)

    def texts(self, prompts: Sequence[str | None], config: WritingConfig) -> Iterator[list[str]]:
        """Yield for each prompt the `config.count` texts that go on from it."""
        for texts in self.go_on([self.ids(prompt) for prompt in prompts], config):
            yield [self.tokenizer.decode(text) for text in texts]

    def go_on(self, prompts: Sequence[Sequence[int]], config: WritingConfig) -> Iterator[list[list[int]]]:
        """Yield for each prompt the ids of `config.count` texts that go on from it, without the end token.

        A text does not depend on the other prompts, but for rounding, as long as all fit into the context.
        """
        return self._search(prompts, config) if config.beams > 1 else self._draw(prompts, config)

    def _search(self, prompts: Sequence[Sequence[int]], config: WritingConfig) -> Iterator[list[list[int]]]:
        for prompt in prompts:
            found = beam_search(self.model, prompt, config.length, config.beams, self.tokenizer.end_id)
            yield [text.tokens for text in found[: config.count]]

    def _draw(self, prompts: Sequence[Sequence[int]], config: WritingConfig) -> Iterator[list[list[int]]]:
        rows = [(prompt, sample) for prompt in prompts for sample in range(config.count)]
        written: list[list[int]] = []
        for first in range(0, len(rows), ROWS):
            some, samples = zip(*rows[first : first + ROWS], strict=True)
            numbers, end = random_numbers(config, samples), self.tokenizer.end_id
            written += generate(self.model, some, config.length, config, numbers, end, self.context)
            while len(written) >= config.count:
                yield written[: config.count]
                del written[: config.count]


def open_causal(run: Path, instead: str) -> tuple[CausalModel, BaseTokenizer]:
    """Return the causal model in a folder and its tokenizer, on the CPU.

    Raises ValueError when there is no tokenizer, none with an end token, or a model of another kind; the last
    message says what to do `instead`.
    """
    model, tokenizer = from_pretrained(run)
    if not isinstance(model, CausalModel):
        raise ValueError(f"{run} holds a {type(model).__name__}, which is no causal model; {instead}")
    if tokenizer is None:
        raise ValueError(f"{run} holds no tokenizer (tokenizer.json), so text cannot be read")
    tokenizer.end_id  # noqa: B018  raises where there is none
    return model, tokenizer


def usual_context(run: Path, model: CausalModel) -> int | None:
    """Return how many tokens a model is used to look back on: the sequences that the run learned from.

    Of a model from elsewhere, whose folder has no run.json, all its positions; None for one that has none.
    """
    longest = most_positions(model)
    try:
        known = int(json.loads((run / "run.json").read_text(encoding="utf-8"))["config"]["seq_len"])
    except (OSError, ValueError, KeyError, TypeError):
        return longest
    return None if longest is None else min(known, longest)


def random_numbers(config: WritingConfig, samples: Sequence[int]) -> Tensor:
    """Return the numbers that texts are drawn with, (B, length): hashes of seed, sample and step."""
    drawn = uniform(config.seed, np.array(samples)[:, None], np.arange(config.length))  # (B, length)
    return torch.from_numpy(drawn)


def whole_characters(tokenizer: BaseTokenizer, tokens: Iterable[int]) -> Iterator[str]:
    """Yield the text of tokens as they come, in whole characters: some take the bytes of several tokens."""
    waiting: list[int] = []
    for token in tokens:
        waiting.append(token)
        text = tokenizer.decode(waiting)
        if not text.endswith(UNFINISHED):
            yield text
            waiting.clear()
    if waiting:
        yield tokenizer.decode(waiting)


# ---------------------------------------------------------------- samples for a report


def sample_texts(
    model: CausalModel,
    tokenizer: BaseTokenizer,
    store: Store,
    count: int = 4,
    seed: int = 0,
    context: int | None = None,
) -> list[dict[str, str]]:
    """Let a model go on from the first tokens of some texts of a store.

    Args:
        model: in evaluation mode.
        store: of running text (see `minibert.text.running`).
        context: most tokens that the model looks back on; all that it has positions for if not given.

    Returns:
        Dictionaries with `prompt` and `text`, which goes on from it.
    """
    longest = most_positions(model)
    writer = Writer(model, tokenizer, None if longest is None else min(context or longest, longest))
    prompts = beginnings(store, count, seed, PROMPT)
    return [
        {"prompt": tokenizer.decode(prompt), "text": tokenizer.decode(text)}
        for prompt, [text] in zip(prompts, writer.go_on(prompts, SAMPLE), strict=True)
    ]


def beginnings(store: Store, count: int, seed: int, size: int) -> list[list[int]]:
    """Return the first `size` tokens of documents drawn with a seed; with too few of them, of any places."""
    starts = store.sentences[store.documents]
    starts = starts[:-1][np.diff(starts) > size]
    if len(starts) >= count:
        places = starts[permutation(len(starts), seed, 0)[:count]]
    else:
        places = integers(max(1, len(store.ids) - size), seed, np.arange(count))
    return [[int(i) for i in store.ids[place : place + size]] for place in places]
