"""The store: the token ids of a corpus in one memory-mapped array, built once."""

import json
import logging
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minibert.files import new_folder
from minibert.text.base_tokenizer import BaseTokenizer
from minibert.text.corpus import Document
from minibert.text.sentences import split_sentences

log = logging.getLogger("minibert")

FORMAT = 3
"""Goes up whenever the files of a store, the reading of texts or the cutting of sentences change."""

CHUNK = 1 << 20
"""Characters encoded at a time."""

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Store:
    """Token ids of a corpus.

    Sentence s holds ids[sentences[s]:sentences[s + 1]]; document d holds the sentences documents[d]
    to documents[d + 1] - 1. No sentence and no document is empty; there are no special tokens.

    In a store of running text (see `minibert.text.running`) a document is one sentence, which ends with the
    end token.
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
    """Of what it was built from; whoever builds a store says what that is."""


class Builder:
    """Takes documents one by one and writes a store into `folder`.

        with Builder(folder, tokenizer, fingerprint) as builder:
            for document in documents:
                builder.add(document)

    While a thread encodes one chunk of sentences, the next one is cut, so memory holds two chunks whatever
    the size of the corpus. Sentences without a token are dropped, and documents without a sentence.

    Raises ValueError, on leaving, when there is nothing to store.
    """

    def __init__(self, folder: str | Path, tokenizer: BaseTokenizer, fingerprint: str) -> None:
        self.folder = Path(folder)
        self.tokenizer = tokenizer
        self.fingerprint = fingerprint
        self.names: list[str] = []
        self._dtype = np.dtype(np.uint16 if len(tokenizer) <= 1 << 16 else np.uint32)
        self._chunk: list[str] = []
        self._chunk_size = 0  # characters
        self._owners: list[int] = []  # the number of the document of each sentence of the chunk
        self._lengths: list[Ints] = []  # tokens of every sentence, by chunk
        self._documents: list[Ints] = []  # and the number of its document

    def __enter__(self) -> "Builder":
        self.folder.mkdir(parents=True, exist_ok=True)
        self._file = open(self.folder / "ids.bin", "wb")
        self._encoder = ThreadPoolExecutor(max_workers=1)
        self._pending: Future[None] | None = None
        return self

    def add(self, document: Document) -> None:
        """Take a document, or the next part of the last one where it `continues`."""
        if not document.continues:
            self.names.append(document.name)
        for sentence in split_sentences(document.text):
            self._take(sentence)

    def _take(self, text: str) -> None:
        """Put a sentence of the last document into the chunk."""
        self._chunk.append(text)
        self._owners.append(len(self.names) - 1)
        self._chunk_size += len(text)
        if self._chunk_size >= CHUNK:
            self._flush()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._flush()
                self._wait()
        finally:
            self._encoder.shutdown()
            self._file.close()
        if kind is None:
            self._finish()

    def _flush(self) -> None:
        """Hand the chunk to the encoder, after it has done with the one before."""
        self._wait()
        self._pending = self._encoder.submit(self._encode, self._chunk, self._owners)
        self._chunk, self._owners, self._chunk_size = [], [], 0

    def _wait(self) -> None:
        if self._pending is not None:
            self._pending.result()

    def _encode(self, sentences: list[str], owners: list[int]) -> None:
        encoded = self._ids(sentences)
        self._lengths.append(np.array([len(ids) for ids in encoded], np.int64))
        self._documents.append(np.array(owners, np.int64))
        self._file.write(np.fromiter(chain.from_iterable(encoded), self._dtype).tobytes())

    def _ids(self, texts: list[str]) -> list[list[int]]:
        return self.tokenizer.encode_batch(texts)

    def _sentences(self) -> tuple[Ints, Ints]:
        """Return the tokens of every sentence, and the number of its document."""
        return np.concatenate(self._lengths), np.concatenate(self._documents)

    def _finish(self) -> None:
        lengths, owners = self._sentences()
        filled = lengths > 0
        counts = np.bincount(owners[filled], minlength=len(self.names))  # sentences of each document
        names = [name for name, count in zip(self.names, counts, strict=True) if count]
        if not names:
            raise ValueError(
                f"nothing to store: {len(self.names)} documents give no token. Give files with words"
            )
        if len(names) < len(self.names):
            log.warning("%d documents give no token and are left out", len(self.names) - len(names))

        np.save(self.folder / "sentences.npy", _offsets(lengths[filled]))
        np.save(self.folder / "documents.npy", _offsets(counts[counts > 0]))
        about = {
            "format": FORMAT,
            "fingerprint": self.fingerprint,
            "dtype": self._dtype.name,
            "names": names,
        }
        (self.folder / "store.json").write_text(json.dumps(about), encoding="utf-8")


def build(
    documents: Iterable[Document], tokenizer: BaseTokenizer, folder: str | Path, fingerprint: str
) -> Store:
    """Encode documents into a store in `folder`, whole or not at all, and open it; see `Builder`."""
    with new_folder(Path(folder)) as making, Builder(making, tokenizer, fingerprint) as builder:
        for document in documents:
            builder.add(document)
    return open_store(folder)


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
