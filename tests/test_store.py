"""The store: the right ids at the right offsets, keyed by what went in, whole or absent."""

import logging
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from samples import DOCUMENTS

from minibert.text import store
from minibert.text.corpus import Document
from minibert.text.sentences import split_sentences
from minibert.text.tokenizer import SPECIALS, Tokenizer


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.train([document.text for document in DOCUMENTS], 200)


def texts(built: store.Store) -> dict[str, list[list[int]]]:
    """The store as {document: [[id, …] of each sentence]}."""
    runs = zip(built.names, built.documents[:-1], built.documents[1:], strict=True)
    return {
        name: [built.ids[built.sentences[s] : built.sentences[s + 1]].tolist() for s in range(first, last)]
        for name, first, last in runs
    }


def test_every_sentence_lies_at_its_offsets(tmp_path: Path, tokenizer: Tokenizer) -> None:
    built = store.build(DOCUMENTS, tokenizer, tmp_path / "store", "key")
    assert texts(built) == {
        document.name: [tokenizer.encode(sentence) for sentence in split_sentences(document.text)]
        for document in DOCUMENTS
    }
    assert built.sentences.dtype == built.documents.dtype == np.int64
    assert len(built.documents) == len(DOCUMENTS) + 1


@pytest.mark.parametrize("size", [1, 60, 1000])
def test_chunks_do_not_show(
    tmp_path: Path, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    whole = store.build(DOCUMENTS, tokenizer, tmp_path / "whole", "key")
    monkeypatch.setattr(store, "CHUNK", size)
    assert texts(store.build(DOCUMENTS, tokenizer, tmp_path / "parts", "key")) == texts(whole)


def test_a_document_in_several_parts_is_one_document(tmp_path: Path, tokenizer: Tokenizer) -> None:
    parts = [
        Document("sea", "The sea is old."),
        Document("sea", "It forgets us.", continues=True),
        Document("sea", "Another sea."),
    ]
    built = store.build(parts, tokenizer, tmp_path / "store", "key")
    assert built.names == ["sea", "sea"]
    assert built.documents.tolist() == [0, 2, 3]


def test_memory_holds_two_chunks_at_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one chunk is encoded and the next is full, no more text is asked for."""
    monkeypatch.setattr(store, "CHUNK", 10)
    asked, encoded = 0, []

    class Slow(Tokenizer):
        def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
            time.sleep(0.01)
            encoded.extend(texts)
            return super().encode_batch(texts)

    def documents() -> Iterator[Document]:
        nonlocal asked
        for number in range(30):
            assert asked - len(encoded) <= 2
            asked += 1
            yield Document(f"{number}", "ten letters")

    built = store.build(
        documents(), Slow({piece: id for id, piece in enumerate(SPECIALS)}), tmp_path / "s", "key"
    )
    assert len(built.names) == 30


def test_a_chunk_is_encoded_when_it_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "CHUNK", 100)
    sizes = []

    class Counting(Tokenizer):
        def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
            sizes.append(sum(map(len, texts)))
            return super().encode_batch(texts)

    counting = Counting({piece: id for id, piece in enumerate(SPECIALS)})
    store.build(
        (Document(f"{number}", "ten signs!") for number in range(25)), counting, tmp_path / "s", "key"
    )
    assert sizes == [100, 100, 50]


def test_ids_are_two_bytes_until_they_do_not_fit(tmp_path: Path, tokenizer: Tokenizer) -> None:
    assert store.build(DOCUMENTS, tokenizer, tmp_path / "small", "key").ids.dtype == np.uint16
    pieces = [*SPECIALS, *(f"x{number}" for number in range((1 << 16) - len(SPECIALS)))]
    full = Tokenizer({piece: id for id, piece in enumerate(pieces)})
    assert store.build([Document("one", "x3")], full, tmp_path / "full", "key").ids.dtype == np.uint16
    pieces.append("last")
    large = Tokenizer({piece: id for id, piece in enumerate(pieces)})
    built = store.build([Document("one", "last x3")], large, tmp_path / "large", "key")
    assert built.ids.dtype == np.uint32
    assert built.ids.tolist() == [len(pieces) - 1, 8]


def test_the_ids_stay_on_the_disk(tmp_path: Path, tokenizer: Tokenizer) -> None:
    built = store.build(DOCUMENTS, tokenizer, tmp_path / "store", "key")
    assert isinstance(built.ids, np.memmap)
    assert not built.ids.flags.writeable


def test_empty_sentences_and_documents_are_left_out(
    tmp_path: Path, tokenizer: Tokenizer, caplog: pytest.LogCaptureFixture
) -> None:
    documents = [
        Document("zero", "\u200b"),
        Document("one", "The sea.\n\n\u200b\n\nA mill."),
        Document("two", "\0"),
    ]
    with caplog.at_level(logging.WARNING, "minibert"):
        built = store.build(documents, tokenizer, tmp_path / "store", "key")
    assert texts(built) == {"one": [tokenizer.encode("The sea."), tokenizer.encode("A mill.")]}
    assert "2 documents give no token" in caplog.text


def test_a_corpus_without_a_token_is_refused_and_leaves_nothing(tmp_path: Path, tokenizer: Tokenizer) -> None:
    with pytest.raises(ValueError, match="nothing to store: 1 documents give no token"):
        store.build([Document("zero", "\u200b")], tokenizer, tmp_path / "store", "key")
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------- whole or absent


class Crash(Exception):
    pass


@pytest.mark.parametrize("where", ["reading", "encoding", "writing"])
def test_a_broken_build_leaves_no_store(
    tmp_path: Path, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    def crash(*_: object) -> None:
        raise Crash

    def documents() -> Iterator[Document]:
        yield from DOCUMENTS
        if where == "reading":
            crash()

    if where == "encoding":
        monkeypatch.setattr(Tokenizer, "encode_batch", crash)
    if where == "writing":
        monkeypatch.setattr(np, "save", crash)
    with pytest.raises(Crash):
        store.build(documents(), tokenizer, tmp_path / "store", "key")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["ids.bin", "sentences.npy", "documents.npy", "store.json"])
@pytest.mark.parametrize("damage", ["cut", "empty", "absent"])
def test_a_damaged_store_is_named(tmp_path: Path, tokenizer: Tokenizer, name: str, damage: str) -> None:
    folder = tmp_path / "store"
    store.build(DOCUMENTS, tokenizer, folder, "key")
    path = folder / name
    data = path.read_bytes()
    path.unlink()
    if damage != "absent":
        path.write_bytes(data[: len(data) - 2 if damage == "cut" else 0])
    with pytest.raises(ValueError, match=r"store is not a whole store.*Remove the folder"):
        store.open_store(folder)


def test_a_store_of_another_format_is_refused(
    tmp_path: Path, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.build(DOCUMENTS, tokenizer, tmp_path / "store", "key")
    monkeypatch.setattr(store, "FORMAT", store.FORMAT + 1)
    with pytest.raises(ValueError, match="not a whole store of format 4: format 3"):
        store.open_store(tmp_path / "store")
