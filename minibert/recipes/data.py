"""From the words behind --corpus to a tokenizer and two stores: what is trained on, and what is held out."""

import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from tqdm import tqdm

from minibert import sources
from minibert.config import Part, TokenizerKind, require
from minibert.files import new_folder
from minibert.text import duplicates
from minibert.text.base_tokenizer import END, BaseTokenizer
from minibert.text.byte_tokenizer import ByteTokenizer
from minibert.text.char_tokenizer import CharTokenizer
from minibert.text.corpus import Document, choose_held_out, is_held_out, read_documents
from minibert.text.reading import warn_once
from minibert.text.running import RunningBuilder
from minibert.text.store import FORMAT, Builder, Store, open_store
from minibert.text.tokenizer import SPECIALS, Tokenizer, load_tokenizer

logger = logging.getLogger("minibert")


@dataclass(frozen=True)
class Text:
    """A corpus, made ready for batches."""

    tokenizer: BaseTokenizer
    train: Store
    held_out: Store | None
    """Documents held out whole, or the last tenth of a single one; None when there is none to spare."""

    @property
    def fingerprint(self) -> str:
        """sha256 that changes with any document, held out or not, and with the tokenizer."""
        return self.train.fingerprint

    def describe(self) -> dict:
        """Return what run.json says about the data."""
        return {
            "fingerprint": self.fingerprint,
            "tokenizer": self.tokenizer.fingerprint,
            "train": sizes(self.train),
            "held_out": {**sizes(self.held_out), "names": self.held_out.names} if self.held_out else None,
        }


def sizes(store: Store) -> dict[str, int]:
    """Count a store's documents, sentences and tokens; in running text a document counts as one sentence."""
    return {
        "documents": len(store.documents) - 1,
        "sentences": len(store.sentences) - 1,
        "tokens": len(store.ids),
    }


class Reader:
    """The documents of several corpora, as often as they are asked for, never all of them in memory.

    A document that repeats an earlier one of its corpus is left out: else what is held out could stand in the
    training text too.

    Raises ValueError when a corpus has no text or nothing to train on, or lacks a document that its card
    holds out.
    """

    builder: type[Builder] = Builder
    """What writes a store of these documents."""
    specials: tuple[str, ...] = SPECIALS
    """The special tokens of a byte-pair encoding that is learned for them."""

    def __init__(self, corpora: Sequence[sources.Corpus]) -> None:
        self.corpora = corpora
        self._chosen: dict[str, set[str]] = {}  # held out by choice, where a corpus does not say what is

    @property
    def fingerprint(self) -> str:
        """sha256 that changes with any name or byte of the files, and with how they are read and divided."""
        told = [
            [
                corpus.fingerprint,
                [[part.format, part.column, part.held_out, len(part.files)] for part in corpus.parts],
                corpus.held_out,
                corpus.held_out_share,
            ]
            for corpus in self.corpora
        ]
        return hashlib.sha256(json.dumps([FORMAT, told]).encode()).hexdigest()

    def documents(self, title: str) -> Iterator[tuple[Document, bool]]:
        """Yield each document and whether it is held out, under a progress bar with a title."""
        total = sum(file.stat().st_size for corpus in self.corpora for file in corpus.files)
        with tqdm(total=total, unit="B", unit_scale=True, desc=title, leave=False, disable=None) as bar:
            for corpus in self.corpora:
                yield from self._of_one(corpus, bar)

    def training_texts(self, title: str) -> Iterator[str]:
        """Yield the texts that are trained on."""
        return (document.text for document, held_out in self.documents(title) if not held_out)

    def _of_one(self, corpus: sources.Corpus, bar: tqdm) -> Iterator[tuple[Document, bool]]:
        rule = self._rule(corpus)
        names_to_meet = set(corpus.held_out)
        count = kept = 0
        held_out = False
        for part, document in self._without_repeats(corpus, bar):
            held_out = held_out if document.continues else rule(part, document)
            names_to_meet.discard(document.name)
            count, kept = count + 1, kept + (not held_out)
            yield document, held_out

        files = ", ".join(map(str, corpus.files))
        require(count > 0, f"the corpus is empty: no text in {files}. Give files with words in them")
        require(
            not names_to_meet,
            f"documents to hold out are not in {corpus.name}: {', '.join(sorted(names_to_meet))}",
        )
        require(kept > 0, f"all {count} documents of {corpus.name} are held out: nothing is left to train on")

    def _without_repeats(self, corpus: sources.Corpus, bar: tqdm) -> Iterator[tuple[Part, Document]]:
        """Yield each document that repeats no earlier one, and its part."""
        seen: set[bytes] = set()
        repeats, repeated = 0, False
        for part in corpus.parts:
            for document in read_documents(part, bar.update):
                if not document.continues:
                    mark = _mark(document.text)
                    repeated = mark in seen
                    repeats += repeated
                    seen.add(mark)
                if not repeated:
                    yield part, document
        if repeats:
            one = "1 document repeats an earlier one and is left out"
            many = f"{repeats:,} documents repeat an earlier one and are left out"
            warn_once(f"{corpus.name}: {one if repeats == 1 else many}")

    def _rule(self, corpus: sources.Corpus) -> Callable[[Part, Document], bool]:
        """Return the function that tells of a document of a part whether it is held out.

        Where there is a split, that is what it has for validation and for the test.
        """
        if any(part.held_out for part in corpus.parts):
            return lambda part, document: part.held_out
        share, split = corpus.held_out_share, corpus.split
        if split:
            return lambda part, document: (
                split.side(duplicates.key(document.text)) != "train"
                if part.label
                else is_held_out(document.name, share)
            )
        if share:
            return lambda part, document: is_held_out(document.name, share)
        named = set(corpus.held_out) or self._choice(corpus)
        return lambda part, document: document.name in named

    def _choice(self, corpus: sources.Corpus) -> set[str]:
        """Return the documents held out of a corpus that does not say which: chosen by their names, once."""
        if corpus.fingerprint not in self._chosen:
            names = [document.name for part in corpus.parts for document in read_documents(part)]
            self._chosen[corpus.fingerprint] = choose_held_out(names)
        return self._chosen[corpus.fingerprint]


def _mark(text: str) -> bytes:
    """Return 16 bytes that two texts share when they differ in white space alone."""
    return hashlib.blake2b("".join(text.split()).encode("utf-8", "surrogatepass"), digest_size=16).digest()


class RunningReader(Reader):
    """Documents for causal models, which learn a text as it runs. Of a lone one the last tenth is held out.

    A corpus of a single document (a book, a play) that does not say what to hold out is cut at a character:
    what stands before is trained on, as in nanoGPT.
    """

    builder = RunningBuilder
    specials = (END,)

    @property
    def fingerprint(self) -> str:
        """sha256 that changes as that of `Reader`, and is another."""
        return hashlib.sha256(f"running {super().fingerprint}".encode()).hexdigest()

    def _of_one(self, corpus: sources.Corpus, bar: tqdm) -> Iterator[tuple[Document, bool]]:
        documents = super()._of_one(corpus, bar)
        says = corpus.held_out or corpus.held_out_share or corpus.split
        says = says or any(part.held_out for part in corpus.parts)
        length = None if says else length_of_lone(corpus)
        return documents if length is None else divide(documents, max(1, 9 * length // 10))


def length_of_lone(corpus: sources.Corpus) -> int | None:
    """Return how many characters a corpus has that is a single document; None for any other."""
    begun = length = 0
    for part in corpus.parts:
        for document in read_documents(part):
            begun += not document.continues
            length += len(document.text)
            if begun > 1:
                return None
    return length


def divide(documents: Iterator[tuple[Document, bool]], cut: int) -> Iterator[tuple[Document, bool]]:
    """Yield the pieces of one document, and that those from its character `cut` on are held out."""
    start = 0
    for document, _ in documents:
        before, after = document.text[: max(0, cut - start)], document.text[max(0, cut - start) :]
        if before:
            yield replace(document, text=before), False
        if after:
            yield replace(document, text=after, continues=start > cut), True
        start += len(document.text)


def learn_tokenizer(reader: Reader, vocab_size: int, kind: TokenizerKind = "wordpiece") -> BaseTokenizer:
    """Learn a vocabulary from what is trained on, or take the one that was learned from it before.

    There are as many pieces of characters as the text has; `vocab_size` is for the other kinds.
    """
    key = hashlib.sha256(f"learned {kind} {vocab_size} {reader.fingerprint}".encode()).hexdigest()
    folder = sources.cache_folder() / "tokenizers" / key
    if not folder.exists():
        logger.info("learning a vocabulary (%s)", kind)
        tokenizer = _learn(reader, vocab_size, kind)
        with new_folder(folder) as making:
            tokenizer.save(making)
    return load_tokenizer(folder)


def _learn(reader: Reader, vocab_size: int, kind: TokenizerKind) -> BaseTokenizer:
    texts = reader.training_texts("learning the vocabulary")
    match kind:
        case "wordpiece":
            return Tokenizer.train(texts, vocab_size)
        case "bpe":
            return ByteTokenizer.train(texts, vocab_size, reader.specials)
        case "char":
            return CharTokenizer.train(texts)


def build_stores(reader: Reader, tokenizer: BaseTokenizer) -> Path:
    """Return the folder with the stores "train" and, if there is any, "held-out", built on first use."""
    key = hashlib.sha256(f"{reader.fingerprint} {tokenizer.fingerprint}".encode()).hexdigest()
    folder = sources.cache_folder() / "stores" / key
    if not folder.exists():
        logger.info("encoding the texts, once")
        with new_folder(folder) as making, ExitStack() as open_builders:
            builders: dict[str, Builder] = {}
            for document, held_out in reader.documents("encoding"):
                side = "held-out" if held_out else "train"
                if side not in builders:
                    builder = reader.builder(making / side, tokenizer, key)
                    builders[side] = open_builders.enter_context(builder)
                builders[side].add(document)
    return folder


def prepare(
    words: Sequence[str],
    vocab_size: int,
    tokenizer: BaseTokenizer | None = None,
    kind: TokenizerKind = "wordpiece",
    running: bool = False,
) -> Text:
    """Read the corpus, learn a tokenizer from what is not held out unless one is given, and build stores.

    Args:
        words: names of data cards and paths, as behind --corpus.
        vocab_size: pieces of the tokenizer that is learned; at most, and not for characters.
        tokenizer: one that is there already.
        kind: of the tokenizer that is learned: "wordpiece", "bpe" (of bytes) or "char".
        running: whether the stores are for causal models. Then texts are kept to the character, the end token
            stands behind each, and a plain text file is one document, blank lines and all; see
            `RunningReader` and `RunningBuilder`.

    Raises:
        ValueError: the corpus cannot be used (see `Reader`); `running`, and the tokenizer has no end token.
    """
    if running:
        reader = RunningReader(sources.resolve(words, plain="file"))
    else:
        reader = Reader(sources.resolve(words))
    tokenizer = tokenizer or learn_tokenizer(reader, vocab_size, kind)
    folder = build_stores(reader, tokenizer)
    held_out = folder / "held-out"
    text = Text(tokenizer, open_store(folder / "train"), open_store(held_out) if held_out.exists() else None)
    count = len(text.train.names)
    logger.info(
        "%s: %s to train on, %d held out; %d pieces in the vocabulary, %s tokens to train on",
        " + ".join(words),
        "1 document" if count == 1 else f"{count} documents",
        len(text.held_out.names) if text.held_out else 0,
        len(tokenizer),
        f"{len(text.train.ids):,}",
    )
    return text
