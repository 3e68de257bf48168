"""Sentence vectors: one vector for a text, near the vectors of texts that mean the same.

Reimers and Gurevych 2019 (Sentence-BERT): vector = normalise(mean of the last hidden states of a text).
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from heapq import nlargest
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from minibert.config import require
from minibert.hub import encoder_from_pretrained
from minibert.model.bert import Bert
from minibert.recipes.pooling import VectorRecipe, mean_pool, read_recipe
from minibert.sources import model_folder
from minibert.text.base_tokenizer import BaseTokenizer
from minibert.text.reading import read_lines
from minibert.train.device import choose_device

log = logging.getLogger("minibert")

BATCH_TOKENS = 1024
"""Tokens that go through the model together, padding included; few, so that a core's cache holds them."""

GPU_BATCH_TOKENS = 16384
"""The same on a GPU, which needs more to be busy. The vectors do not depend on either."""

CHUNK_LINES = 4096
"""Lines that are sorted by length and held in memory together."""

CHUNK_CHARS = 1 << 22
"""A chunk ends early when its lines have this many characters."""

READ_CHARS = 1 << 17
"""Characters of a text that are looked at, far more than any model reads: bounds time and memory."""

Vectors = NDArray[np.float32]

Progress = Callable[[int], object]
"""Called with the number of further bytes of text that have their vectors."""


# ---------------------------------------------------------------- texts -> vectors


def pad(rows: Sequence[list[int]], pad_id: int) -> tuple[Tensor, Tensor]:
    """Return the ids (B, T) of rows filled up with `pad_id`, and where they are not padding (B, T)."""
    lengths = torch.tensor([len(row) for row in rows])
    attend = torch.arange(int(lengths.max())) < lengths[:, None]  # (B, T)
    ids = torch.full(attend.shape, pad_id)
    ids[attend] = torch.tensor([id for row in rows for id in row])
    return ids, attend


def batches_by_length(lengths: Sequence[int], tokens: int) -> Iterator[list[int]]:
    """Yield the numbers of rows that go together: the longest first, at most `tokens` with the padding."""
    order = sorted(range(len(lengths)), key=lambda row: -lengths[row])
    start = 0
    while start < len(order):
        count = max(1, tokens // lengths[order[start]])
        yield order[start : start + count]
        start += count


@dataclass(frozen=True)
class SentenceEncoder:
    """Texts -> vectors, by a model, its tokenizer and its recipe."""

    model: Bert
    tokenizer: BaseTokenizer
    recipe: VectorRecipe

    @classmethod
    def open(
        cls, model: str | Path, device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    ) -> "SentenceEncoder":
        """Open a folder, or the data card of a model.

        Raises ValueError when it is no BERT, has no tokenizer, or makes vectors in a way that is not here.
        """
        folder = model_folder(model)
        bert, tokenizer = encoder_from_pretrained(folder)
        if tokenizer is None:
            raise ValueError(
                f"{folder} holds no tokenizer (tokenizer.json or vocab.txt), so text cannot be read"
            )
        recipe = read_recipe(folder, bert.embedding.positions.num_embeddings)
        return cls(bert.to(choose_device(device)), tokenizer, recipe)

    @property
    def width(self) -> int:
        """D, numbers in a vector."""
        return self.model.embedding.tokens.embedding_dim

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return self.model.embedding.tokens.weight.device

    def rows(self, texts: Sequence[str]) -> tuple[list[list[int]], int]:
        """Return the ids of each text, [CLS] first and [SEP] last, and how many texts had to be cut."""
        room = self.recipe.max_tokens - 2
        heads = [text[:READ_CHARS] for text in texts]
        words = self.tokenizer.encode_batch(
            [text.lower() for text in heads] if self.recipe.lowercase else heads
        )
        cut = sum(len(ids) > room or len(text) > READ_CHARS for ids, text in zip(words, texts, strict=True))
        return [[self.tokenizer.cls_id, *ids[:room], self.tokenizer.sep_id] for ids in words], cut

    @torch.inference_mode()
    def encode(self, texts: Sequence[str], progress: Progress | None = None) -> tuple[Vectors, int]:
        """Return one vector for each text, float32 (N, D) in their order, and how many texts were cut."""
        rows, cut = self.rows(texts)
        vectors = np.empty((len(rows), self.width), np.float32)
        tokens = BATCH_TOKENS if self.device.type == "cpu" else GPU_BATCH_TOKENS
        for batch in batches_by_length([len(row) for row in rows], tokens):
            vectors[batch] = self.pooled([rows[row] for row in batch]).cpu().numpy()
            if progress:
                progress(sum(len(texts[row].encode()) + 1 for row in batch))
        return vectors, cut

    def pooled(self, rows: Sequence[list[int]]) -> Tensor:
        """Return the vectors (B, D) of rows of token ids, as one batch."""
        ids, attend = (x.to(self.device) for x in pad(rows, self.tokenizer.pad_id))
        hidden = self.model(ids, attend=None if attend.all() else attend)  # (B, T, D)
        vectors = mean_pool(hidden, attend) if self.recipe.pooling == "mean" else hidden[:, 0]  # (B, D)
        return F.normalize(vectors, dim=1) if self.recipe.normalise else vectors


# ---------------------------------------------------------------- the lines of a file


class Line(NamedTuple):
    """A line of a file."""

    number: int
    """Counted from 1."""
    text: str


class Match(NamedTuple):
    """A line, and how near it is to what was asked for."""

    score: float
    """Cosine between the two vectors, -1 to 1."""
    line: Line


def lines_with_text(file: Path) -> Iterator[Line]:
    """Yield the lines of a file that are not blank. Raises ValueError when there are none."""
    empty = True
    for number, text in enumerate(read_lines(file), start=1):
        if text.strip():
            empty = False
            yield Line(number, text[: READ_CHARS + 1])  # one more, which tells that it was cut
    require(not empty, f"{file} holds no text: give a file with a text on each line")


def encode_lines(
    encoder: SentenceEncoder, lines: Iterable[Line], progress: Progress | None = None
) -> Iterator[tuple[list[Line], Vectors]]:
    """Yield lines with their vectors (N, D), a chunk at a time, in order; then say how many were cut."""
    cut = count = 0
    for chunk in chunks(lines):
        vectors, longer = encoder.encode([line.text for line in chunk], progress)
        cut, count = cut + longer, count + len(chunk)
        yield chunk, vectors
    report_cut(encoder, cut, count)


def chunks(lines: Iterable[Line]) -> Iterator[list[Line]]:
    """Yield lists of at most CHUNK_LINES lines and about CHUNK_CHARS characters."""
    chunk, chars = [], 0
    for line in lines:
        chunk.append(line)
        chars += len(line.text)
        if len(chunk) == CHUNK_LINES or chars >= CHUNK_CHARS:
            yield chunk
            chunk, chars = [], 0
    if chunk:
        yield chunk


def report_cut(encoder: SentenceEncoder, cut: int, count: int) -> None:
    """Say how many of `count` texts were longer than the model reads; silent when none was."""
    if cut:
        longest = encoder.recipe.max_tokens
        log.warning("%d of %d texts have more than %d tokens: the rest was cut off", cut, count, longest)


def rank(
    encoder: SentenceEncoder,
    queries: Sequence[str],
    lines: Iterable[Line],
    top: int,
    progress: Progress | None = None,
) -> list[list[Match]]:
    """Return for each query the `top` lines nearest to it by cosine, the nearest first.

    cosine(a, b) = a · b / (|a| |b|). Among equals the earlier line comes first. Memory is bounded: one chunk
    of lines and the best so far are held.
    """
    asked, cut = encoder.encode(queries)  # (Q, D)
    report_cut(encoder, cut, len(queries))
    asked = unit(asked)
    best: list[list[Match]] = [[] for _ in queries]
    for chunk, vectors in encode_lines(encoder, lines, progress):
        scores = asked @ unit(vectors).T  # (Q, N)
        for query, row in enumerate(scores.tolist()):
            found = [Match(score, line) for score, line in zip(row, chunk, strict=True)]
            best[query] = nlargest(top, best[query] + found, key=nearness)
    return best


def nearness(match: Match) -> tuple[float, int]:
    """Order matches: by score, as exactly as float32 tells, then the earlier line first."""
    return round(match.score, 6), -match.line.number


def unit(vectors: Vectors) -> Vectors:
    """Give vectors (N, D) the length 1."""
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True).clip(1e-12)


def save_vectors(file: Path, width: int, parts: Iterable[Vectors]) -> int:
    """Write vectors, a part (n, D) at a time, as one array (N, D) for `numpy.load`; return N.

    The file is whole or not there. Raises ValueError when it cannot be written.
    """
    aside = file.with_name(f".{file.name}.partial")
    count = 0
    try:
        with open(aside, "wb") as out:
            write_header(out, 0, width)
            for part in parts:
                out.write(part.tobytes())
                count += len(part)
            out.seek(0)
            write_header(out, count, width)  # as long as before: numpy leaves room for any N
        aside.replace(file)
    finally:
        aside.unlink(missing_ok=True)
    return count


def write_header(out: BinaryIO, count: int, width: int) -> None:
    """Write what stands before the numbers in a .npy file of float32 (N, D)."""
    shape = {"descr": "<f4", "fortran_order": False, "shape": (count, width)}
    np.lib.format.write_array_header_1_0(out, shape)
