"""How well a causal model foretells a text: perplexity, by a window that slides over it.

What the numbers are:

- The text: its documents one after the other, the end token in front and behind each, as in training. Every
  token but the first end token is predicted, once, from those before it: the end tokens too.
- The window: the model reads at most `context` tokens at once. A window begins `stride` tokens behind the one
  before, and in it those tokens are scored that no earlier one has scored: each has at least
  context - stride tokens before it, but for the first of the text. A recurrent model needs no window: it
  reads all in one go, and its memory runs on.
- Loss: mean of -log p(token) over all predicted tokens, in nats. Perplexity: exp(loss). Both depend on what
  a token is.
- Bits per byte: the loss in bits, over the bytes of the text (UTF-8), loss / ln 2 * tokens / bytes. It
  compares models with different tokenizers, as long as these lose nothing of the text: of a character that a
  tokenizer does not know, its model has only to foretell that it is unknown.
"""

import json
import logging
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from minibert import sources
from minibert.batches.windows import sliding_windows
from minibert.config import require
from minibert.model.generate import CausalModel, most_positions
from minibert.recipes.data import RunningReader
from minibert.recipes.writing import open_causal, usual_context
from minibert.text.base_tokenizer import BaseTokenizer
from minibert.text.corpus import Document, read_documents
from minibert.text.running import RunningBuilder
from minibert.text.store import open_store
from minibert.train.device import choose_device
from minibert.train.loss import cross_entropy

logger = logging.getLogger("minibert")

TOKENS = 1 << 13
"""Tokens that go through the model together; the numbers do not depend on it."""

ROWS = 1 << 9
"""Rows of logits that are held at once."""

Progress = Callable[[int], object]

Part = Literal["held-out", "all"]


@dataclass(frozen=True)
class Score:
    """How well a model foretells a text."""

    loss: float
    """Mean over the tokens (nats per token)."""
    tokens: int
    """Predicted."""
    bytes: int
    """Of the text, in UTF-8; the end tokens have none."""
    documents: int
    context: int | None
    """Tokens in a window; None for a model that reads in one go."""
    stride: int | None
    """Tokens from the beginning of a window to that of the next."""

    @property
    def perplexity(self) -> float:
        """Of how many equally likely tokens a choice would be as hard."""
        return math.exp(min(self.loss, 700.0))

    @property
    def bits_per_byte(self) -> float:
        """The loss, whatever the tokens are (bits per byte of text)."""
        return self.loss / math.log(2) * self.tokens / self.bytes


@dataclass(frozen=True)
class Text:
    """A text to score."""

    ids: np.ndarray
    """The end token, then all documents, each with the end token behind it."""
    bytes: int
    documents: int


# ---------------------------------------------------------------- the text


def documents(words: Sequence[str], held_out: bool) -> Iterator[Document]:
    """Yield the documents of corpora: all of them, or those that `minibert pretrain` holds out."""
    corpora = sources.resolve(words, plain="file")
    if held_out:
        reader = RunningReader(corpora)
        yield from (document for document, out in reader.documents("reading") if out)
        return
    for corpus in corpora:
        for part in corpus.parts:
            yield from read_documents(part)


def encode(texts: Iterator[Document], tokenizer: BaseTokenizer) -> Text:
    """Return documents as one text of ids. Raises ValueError for a tokenizer without an end token."""
    size = 0
    with TemporaryDirectory() as folder:
        with RunningBuilder(folder, tokenizer, "") as builder:
            for document in texts:
                size += len(document.text.encode())
                builder.add(document)
            require(size > 0, "there is no text to score; with --part all, what is not held out counts too")
        store = open_store(folder)
        ids = np.concatenate([[tokenizer.end_id], store.ids]).astype(np.int64)
        return Text(ids, size, len(store.names))


# ---------------------------------------------------------------- the loss


def total_loss(model: CausalModel, features: Tensor, targets: Tensor) -> float:
    """Return the sum of the losses of targets (N,), which the features (N, D) are to foretell (nats)."""
    weight, total = model.tokens.weight, 0.0
    for some, true in zip(features.split(ROWS), targets.split(ROWS), strict=True):
        total += len(true) * float(cross_entropy(F.linear(some, weight), true))
    return total


@torch.inference_mode()
def windowed_loss(
    model: CausalModel, ids: np.ndarray, context: int, stride: int, progress: Progress | None = None
) -> float:
    """Return the sum of the losses of ids[1:], in windows that slide (nats); see `sliding_windows`."""
    n, device = len(ids) - 1, model.tokens.weight.device
    windows, width, total = sliding_windows(n, context, stride), min(context, n), 0.0
    rows = max(1, TOKENS // width)
    for start in range(0, len(windows.firsts), rows):
        firsts, begins, ends = (part[start : start + rows, None] for part in windows)  # (B, 1)
        places = firsts + np.arange(width)  # (B, T)
        # A last window that is not full reads the last token again; nothing looks that far ahead.
        read = torch.from_numpy(ids[np.minimum(places, n - 1)]).to(device)
        scored = (places >= begins) & (places < ends)
        targets = torch.from_numpy(ids[places[scored] + 1]).to(device)  # (N,)
        features = model.features(read)[torch.from_numpy(scored).to(device)]  # (N, D)
        total += total_loss(model, features, targets)
        if progress:
            progress(len(targets))
    return total


@torch.inference_mode()
def running_loss(model: CausalModel, ids: np.ndarray, progress: Progress | None = None) -> float:
    """Return the sum of the losses of ids[1:], read in one go with a memory that runs on (nats)."""
    n, device, total = len(ids) - 1, model.tokens.weight.device, 0.0
    state = model.new_state(1, n)
    for first in range(0, n, TOKENS):
        end = min(first + TOKENS, n)
        read = torch.from_numpy(ids[first:end]).to(device)
        targets = torch.from_numpy(ids[first + 1 : end + 1]).to(device)
        total += total_loss(model, model.features(read[None], state)[0], targets)
        if progress:
            progress(end - first)
    return total


def score(
    model: CausalModel,
    text: Text,
    context: int | None = None,
    stride: int | None = None,
    progress: Progress | None = None,
) -> Score:
    """Return how well a model foretells a text.

    Args:
        model: in evaluation mode.
        text: of at least one token behind the first.
        context: most tokens that it reads at once; all its positions if not given.
        stride: tokens between the beginnings of two windows; half the context if not given.
        progress: is called with the number of further tokens scored.

    Raises:
        ValueError: a context beyond the model's positions, a stride beyond the context, or one of them for a
            model that reads without end.
    """
    longest, n = most_positions(model), len(text.ids) - 1
    if longest is None:
        require(
            context is None and stride is None,
            f"a model of the kind {type(model).__name__} reads a text in one go, without windows: leave out "
            "--context and --stride",
        )
        total = running_loss(model, text.ids, progress)
    else:
        context = longest if context is None else context
        stride = max(1, context // 2) if stride is None else stride
        require(1 <= context <= longest, f"the context must be from 1 to {longest} tokens, got {context}")
        require(1 <= stride <= context, f"the stride must be from 1 to the context, {context}, got {stride}")
        total = windowed_loss(model, text.ids, context, stride, progress)
    return Score(total / n, n, text.bytes, text.documents, context, stride)


def evaluate_run(
    run: Path,
    corpus: str,
    part: Part | None = None,
    context: int | None = None,
    stride: int | None = None,
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto",
) -> tuple[Score, Part]:
    """Return how well the model in a folder foretells a corpus, and which part of it was scored.

    Args:
        run: a run folder, or one that `transformers` wrote.
        corpus: the name of a data card, or the path of a file.
        part: "held-out": what `minibert pretrain` holds out of it; "all" of it. If not given, what is held
            out of a data card, and all of a file.
        context: most tokens that the model reads at once; if not given, as many as the run learned from, or
            all positions of a model from elsewhere.
        stride: see `score`.

    Raises:
        ValueError: no causal model, no such corpus, nothing to score, and as `score`.
    """
    instead = f"minibert report {run}; of one with a head: minibert evaluate {run} --data FILE"
    model, tokenizer = open_causal(run, f"the numbers of a masked model: {instead}")
    part = part or ("held-out" if corpus in sources.cards() else "all")
    if part == "all" and learned_from(run, corpus):
        logger.warning(
            "%s has learned from %s: for text that it has not seen, add --part held-out", run, corpus
        )
    text = encode(documents([corpus], part == "held-out"), tokenizer)
    chosen = cast(Any, model).to(choose_device(device))
    context = usual_context(run, model) if context is None else context
    with tqdm(
        total=len(text.ids) - 1, unit="token", unit_scale=True, delay=1, leave=False, disable=None
    ) as bar:
        return score(chosen, text, context, stride, bar.update), part


def learned_from(run: Path, corpus: str) -> bool:
    """Tell whether a run was trained on a corpus, as far as its run.json says so."""
    try:
        return corpus in json.loads((run / "run.json").read_text(encoding="utf-8"))["config"]["corpus"]
    except (OSError, ValueError, KeyError, TypeError):
        return False
