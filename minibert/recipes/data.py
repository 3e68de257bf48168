"""From the words behind --corpus to a tokenizer and two stores: what is trained on, and what is held out."""

import hashlib
import logging
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from minibert import sources
from minibert.text.corpus import Document, read_documents, split_held_out
from minibert.text.store import Store, cached_store
from minibert.text.tokenizer import Tokenizer

logger = logging.getLogger("minibert")


@dataclass(frozen=True)
class Text:
    """A corpus, made ready for batches."""

    tokenizer: Tokenizer
    train: Store
    held_out: Store | None
    """Documents held out whole; None when the corpus is too small to spare one."""

    @property
    def fingerprint(self) -> str:
        """sha256 that changes with any document, held out or not, and with the tokenizer."""
        parts = [self.train.fingerprint, self.held_out.fingerprint if self.held_out else ""]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def describe(self) -> dict:
        """Return what run.json says about the data."""
        return {
            "fingerprint": self.fingerprint,
            "tokenizer": self.tokenizer.fingerprint,
            "train": sizes(self.train),
            "held_out": {**sizes(self.held_out), "names": self.held_out.names} if self.held_out else None,
        }


def sizes(store: Store) -> dict[str, int]:
    """Count a store's documents, sentences and tokens."""
    return {
        "documents": len(store.documents) - 1,
        "sentences": len(store.sentences) - 1,
        "tokens": len(store.ids),
    }


def read_corpus(words: Sequence[str]) -> tuple[list[Document], list[Document]]:
    """Return the documents to train on and those held out, of all the cards and files named."""
    train, held_out = [], []
    for corpus in sources.resolve(words):
        documents = [document for part in corpus.parts for document in read_documents(part)]
        if not documents:
            files = ", ".join(map(str, corpus.files))
            raise ValueError(f"the corpus is empty: no text in {files}. Give files with words in them")
        ours, theirs = split_held_out(documents, corpus.held_out)
        train += ours
        held_out += theirs
    return train, held_out


def learn_tokenizer(documents: Sequence[Document], vocab_size: int) -> Tokenizer:
    """Learn a vocabulary from the documents, or take the one that was learned from them before.

    The trainer of `tokenizers` breaks ties at random; with the cache, runs on one text share one vocabulary.
    """
    digest = hashlib.sha256(f"wordpiece {vocab_size} lower".encode())
    for document in documents:
        digest.update(hashlib.sha256(document.text.encode()).digest())
    folder = sources.cache_folder() / "tokenizers" / digest.hexdigest()
    if not folder.exists():
        tokenizer = Tokenizer.train((document.text for document in documents), vocab_size)
        folder.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(dir=folder.parent))
        tokenizer.save(aside)
        try:
            aside.rename(folder)
        except OSError:  # another process was faster
            shutil.rmtree(aside)
    return Tokenizer.load(folder)


def prepare(words: Sequence[str], vocab_size: int, tokenizer: Tokenizer | None = None) -> Text:
    """Read the corpus, learn a tokenizer from what is not held out unless one is given, and build stores."""
    train, held_out = read_corpus(words)
    logger.info("%s: %d documents to train on, %d held out", " + ".join(words), len(train), len(held_out))
    tokenizer = tokenizer or learn_tokenizer(train, vocab_size)
    cache = sources.cache_folder()
    text = Text(
        tokenizer,
        cached_store(train, tokenizer, cache),
        cached_store(held_out, tokenizer, cache) if held_out else None,
    )
    logger.info(
        "%d pieces in the vocabulary, %s tokens to train on", len(tokenizer), f"{len(text.train.ids):,}"
    )
    return text
