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
from minibert.hub import encoder_from_pretrained, find_folder, read_json
from minibert.model.bert import Bert
from minibert.text.reading import read_lines
from minibert.text.tokenizer import Tokenizer
from minibert.train.loop import choose_device

log = logging.getLogger("minibert")

BATCH_TOKENS = 4096
"""Tokens that go through the model together, padding included; the vectors do not depend on it."""

CHUNK_LINES = 4096
"""Lines that are sorted by length and held in memory together."""

CHUNK_CHARS = 1 << 22
"""A chunk ends early when its lines have this many characters."""

READ_CHARS = 1 << 17
"""Characters of a text that are looked at, far more than any model reads: bounds time and memory."""

Vectors = NDArray[np.float32]

Progress = Callable[[int], object]
"""Called with the number of further bytes of text that have their vectors."""


# ---------------------------------------------------------------- the recipe of a model


@dataclass(frozen=True)
class VectorRecipe:
    """How a model makes a vector of a text."""

    max_tokens: int
    """Longest text, in tokens with [CLS] and [SEP]; longer ones are cut."""
    pooling: Literal["mean", "first"] = "mean"
    """The mean over the text's tokens, or the hidden state of [CLS]."""
    normalise: bool = True
    """Whether vectors get length 1."""
    lowercase: bool = False
    """Whether texts are put into lower case before the tokenizer sees them."""


POOLINGS: dict[str, Literal["mean", "first"]] = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "first",
    "mean": "mean",
    "cls": "first",
}
"""Their names for a pooling, of older files and of newer ones, and ours."""


def read_recipe(folder: Path, max_positions: int) -> VectorRecipe:
    """Read the recipe that `sentence-transformers` left in a model's folder.

    modules.json lists the steps, 1_Pooling/config.json says how to pool, sentence_bert_config.json where to
    cut. A folder without modules.json gets the mean, normalised, of at most `max_positions` tokens.
    Raises ValueError, naming the file, for a step or a pooling that is not here.
    """
    file = folder / "modules.json"
    if not file.is_file():
        return VectorRecipe(max_positions)
    modules = read_json(file, list)
    steps = [str(module.get("type")).rpartition(".")[2] for module in modules]
    require(
        steps in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]),
        f"{file}: expected the steps Transformer, Pooling and perhaps Normalize, got {', '.join(steps)}",
    )
    refuse_prompt(folder / "config_sentence_transformers.json")

    settings = folder / "sentence_bert_config.json"
    values = read_json(settings) if settings.is_file() else {}
    longest = values.get("max_seq_length") or max_positions
    require(
        type(longest) is int and longest > 2, f"{settings}: max_seq_length must be above 2, got {longest!r}"
    )
    return VectorRecipe(
        min(longest, max_positions),
        read_pooling(folder / Path(modules[1]["path"]).name / "config.json"),
        normalise="Normalize" in steps,
        lowercase=bool(values.get("do_lower_case")),
    )


def read_pooling(file: Path) -> Literal["mean", "first"]:
    """Return the pooling that a 1_Pooling/config.json asks for; raises ValueError unless we have it."""
    values = read_json(file)
    asked = [name for name, on in values.items() if name.startswith("pooling_mode_") and on]
    if isinstance(values.get("pooling_mode"), str):
        asked = [values["pooling_mode"]]
    require(
        len(asked) == 1 and asked[0] in POOLINGS,
        f"{file}: the pooling must be one of {', '.join(POOLINGS)}, got {' + '.join(asked) or 'none'}",
    )
    return POOLINGS[asked[0]]


def refuse_prompt(file: Path) -> None:
    """Raise ValueError when the model wants words in front of each text."""
    prompt = read_json(file).get("default_prompt_name") if file.is_file() else None
    require(
        prompt is None,
        f"{file}: the model puts its prompt {prompt!r} before each text, which minibert does not; "
        "set default_prompt_name to null and write the prompt into the texts",
    )


# ---------------------------------------------------------------- texts -> vectors


def mean_pool(hidden: Tensor, attend: Tensor) -> Tensor:
    """Return the mean of hidden (B, T, D) over the positions where attend (B, T) is True: (B, D)."""
    weights = attend[:, :, None].to(hidden.dtype)  # (B, T, 1)
    return (hidden * weights).sum(1) / weights.sum(1)


def pad(rows: Sequence[list[int]], pad_id: int) -> tuple[Tensor, Tensor]:
    """Return the ids (B, T) of rows filled up with `pad_id`, and where they are not padding (B, T)."""
    lengths = torch.tensor([len(row) for row in rows])
    attend = torch.arange(int(lengths.max())) < lengths[:, None]  # (B, T)
    ids = torch.full(attend.shape, pad_id)
    ids[attend] = torch.tensor([id for row in rows for id in row])
    return ids, attend


def batches_by_length(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Yield the numbers of rows that go together: the longest first, at most BATCH_TOKENS with padding."""
    order = sorted(range(len(lengths)), key=lambda row: -lengths[row])
    while order:
        count = max(1, BATCH_TOKENS // lengths[order[0]])
        yield order[:count]
        del order[:count]


@dataclass(frozen=True)
class SentenceEncoder:
    """Texts -> vectors, by a model, its tokenizer and its recipe."""

    model: Bert
    tokenizer: Tokenizer
    recipe: VectorRecipe

    @classmethod
    def open(
        cls, model: str | Path, device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    ) -> "SentenceEncoder":
        """Open a folder, or the data card of a model.

        Raises ValueError when it is no BERT, has no tokenizer, or makes vectors in a way that is not here.
        """
        folder = find_folder(model)
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
        for batch in batches_by_length([len(row) for row in rows]):
            vectors[batch] = self.pooled([rows[row] for row in batch]).cpu().numpy()
            if progress:
                progress(sum(len(texts[row].encode()) + 1 for row in batch))
        return vectors, cut

    def pooled(self, rows: Sequence[list[int]]) -> Tensor:
        """Return the vectors (B, D) of rows of token ids, as one batch."""
        device = self.model.embedding.tokens.weight.device
        ids, attend = (x.to(device) for x in pad(rows, self.tokenizer.pad_id))
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
            best[query] = nlargest(
                top, best[query] + found, key=lambda match: (match.score, -match.line.number)
            )
    return best


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
