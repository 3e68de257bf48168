"""The store: the token ids of a corpus in one memory-mapped array, built once."""

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from minibert.text.corpus import Document, split_sentences
from minibert.text.tokenizer import Tokenizer

log = logging.getLogger("minibert")

FORMAT = 1
"""Goes up whenever the files of a store, or the cutting of sentences, change: old stores are passed by."""

CHUNK = 4096
"""Sentences encoded at a time."""

Progress = Callable[[int, int], None]
"""Called now and then with (documents done, documents in all)."""


@dataclass(frozen=True)
class Store:
    """Token ids of a corpus.

    Sentence s holds ids[sentences[s]:sentences[s + 1]]; document d holds the sentences documents[d]
    to documents[d + 1] - 1. No sentence and no document is empty; there are no special tokens.
    """

    ids: np.ndarray
    """Memory-mapped, uint16 (V up to 65,536) or uint32, (tokens,)."""
    sentences: np.ndarray
    """Offsets into ids, int64 (sentences + 1,)."""
    documents: np.ndarray
    """Offsets into sentences, int64 (documents + 1,)."""
    names: list[str]
    """Of the documents."""
    fingerprint: str
    """Of the documents and the tokenizer that it was built from."""


def fingerprint(documents: Iterable[Document], tokenizer: Tokenizer) -> str:
    """Return one sha256 that differs when a name, a text, their order or the tokenizer differs."""
    total = hashlib.sha256(f"{FORMAT} {tokenizer.fingerprint}".encode())
    for document in documents:
        for part in (document.name, document.text):
            total.update(hashlib.sha256(part.encode("utf-8", "surrogatepass")).digest())
    return total.hexdigest()


def build(
    documents: Sequence[Document], tokenizer: Tokenizer, folder: str | Path, progress: Progress | None = None
) -> Store:
    """Encode documents into a store in `folder`, which must not exist yet.

    It is built in a folder beside it and renamed last: `folder` holds a whole store or is not there.
    Sentences without a token are dropped, and documents without a sentence.

    Raises ValueError when nothing is left, or `folder` is there already.
    """
    folder = Path(folder)
    if folder.exists():
        raise ValueError(f"{folder} exists already. Remove it, or build the store elsewhere")
    building = folder.with_name(f"{folder.name}.building-{os.getpid()}")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    try:
        _write(documents, tokenizer, building, progress)
        os.rename(building, folder)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return open_store(folder)


def _write(
    documents: Sequence[Document], tokenizer: Tokenizer, folder: Path, progress: Progress | None
) -> None:
    dtype = np.dtype(np.uint16 if len(tokenizer) <= 1 << 16 else np.uint32)
    lengths: list[int] = []  # tokens of every sentence
    owners: list[int] = []  # and the number of its document
    sentences = (
        (d, sentence) for d, document in enumerate(documents) for sentence in split_sentences(document.text)
    )
    with open(folder / "ids.bin", "wb") as file:
        while chunk := list(islice(sentences, CHUNK)):
            encoded = tokenizer.encode_batch([sentence for _, sentence in chunk])
            lengths += map(len, encoded)
            owners += [d for d, _ in chunk]
            file.write(np.array([id for ids in encoded for id in ids], dtype).tobytes())
            if progress:
                progress(owners[-1] + 1, len(documents))

    per_sentence = np.array(lengths, np.int64)  # (sentences,)
    filled = per_sentence > 0
    per_document = np.bincount(np.array(owners, np.int64)[filled], minlength=len(documents))  # (documents,)
    names = [document.name for document, count in zip(documents, per_document, strict=True) if count]
    if not names:
        raise ValueError(f"nothing to store: {len(documents)} documents give no token. Give files with words")
    if len(names) < len(documents):
        log.warning("%d documents give no token and are left out", len(documents) - len(names))

    np.save(folder / "sentences.npy", _offsets(per_sentence[filled]))
    np.save(folder / "documents.npy", _offsets(per_document[per_document > 0]))
    about = {
        "format": FORMAT,
        "fingerprint": fingerprint(documents, tokenizer),
        "dtype": dtype.name,
        "names": names,
    }
    (folder / "store.json").write_text(json.dumps(about), encoding="utf-8")


def _offsets(counts: np.ndarray) -> np.ndarray:
    """Return where each of several runs begins, and where the last one ends: int64 (runs + 1,)."""
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def open_store(folder: str | Path) -> Store:
    """Open the store in `folder`; the ids stay on the disk until they are read.

    Raises ValueError, naming the folder, when it is no store, of another format, or damaged.
    """
    folder = Path(folder)
    again = f"Remove the folder {folder} and run the command again"
    try:
        about: dict[str, Any] = json.loads((folder / "store.json").read_text(encoding="utf-8"))
        sentences = np.load(folder / "sentences.npy")
        documents = np.load(folder / "documents.npy")
        ids = np.memmap(folder / "ids.bin", about["dtype"], mode="r")
        store = Store(ids, sentences, documents, about["names"], about["fingerprint"])
        whole = len(ids) == sentences[-1] and len(sentences) - 1 == documents[-1]
        whole = whole and len(documents) - 1 == len(store.names)
    except (OSError, ValueError, TypeError, KeyError, EOFError) as error:
        raise ValueError(f"{folder} is not a whole store of token ids ({error}). {again}") from error
    if about.get("format") != FORMAT or not whole:
        found = f"format {about.get('format')}, {len(ids)} ids of {sentences[-1]}"
        raise ValueError(f"{folder} is not a whole store of format {FORMAT}: {found}. {again}")
    return store


def cached_store(
    documents: Sequence[Document], tokenizer: Tokenizer, cache: Path, progress: Progress | None = None
) -> Store:
    """Return the store of these documents and this tokenizer, built on first use.

    It lies in cache/stores/FINGERPRINT: changed texts or another tokenizer never meet an old store.
    """
    folder = cache / "stores" / fingerprint(documents, tokenizer)
    if not folder.exists():
        try:
            return build(documents, tokenizer, folder, progress)
        except OSError:
            if not folder.exists():  # it does when another process was faster
                raise
    return open_store(folder)
