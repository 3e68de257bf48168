"""The store: the right ids at the right offsets, keyed by what went in, whole or absent."""

import logging
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from samples import DOCUMENTS

from minibert.text import store
from minibert.text.corpus import Document, split_sentences
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
    built = store.build(DOCUMENTS, tokenizer, tmp_path / "store")
    assert texts(built) == {
        document.name: [tokenizer.encode(sentence) for sentence in split_sentences(document.text)]
        for document in DOCUMENTS
    }
    assert built.sentences.dtype == built.documents.dtype == np.int64
    assert len(built.documents) == len(DOCUMENTS) + 1


def test_chunks_do_not_show(tmp_path: Path, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = store.build(DOCUMENTS, tokenizer, tmp_path / "whole")
    monkeypatch.setattr(store, "CHUNK", 3)
    seen: list[tuple[int, int]] = []
    parts = store.build(DOCUMENTS, tokenizer, tmp_path / "parts", lambda *done: seen.append(done))
    assert texts(parts) == texts(whole)
    assert seen[-1] == (4, 4) and seen == sorted(seen) and len(seen) > 4


def test_ids_are_two_bytes_until_they_do_not_fit(tmp_path: Path, tokenizer: Tokenizer) -> None:
    assert store.build(DOCUMENTS, tokenizer, tmp_path / "small").ids.dtype == np.uint16
    pieces = [*SPECIALS, *(f"x{number}" for number in range(1 << 16)), "last"]
    large = Tokenizer({piece: id for id, piece in enumerate(pieces)})
    built = store.build([Document("one", "last x3")], large, tmp_path / "large")
    assert built.ids.dtype == np.uint32
    assert built.ids.tolist() == [len(pieces) - 1, 8]


def test_the_ids_stay_on_the_disk(tmp_path: Path, tokenizer: Tokenizer) -> None:
    built = store.build(DOCUMENTS, tokenizer, tmp_path / "store")
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
        built = store.build(documents, tokenizer, tmp_path / "store")
    assert texts(built) == {"one": [tokenizer.encode("The sea."), tokenizer.encode("A mill.")]}
    assert "2 documents give no token" in caplog.text


def test_a_corpus_without_a_token_is_refused_and_leaves_nothing(tmp_path: Path, tokenizer: Tokenizer) -> None:
    with pytest.raises(ValueError, match="nothing to store: 1 documents give no token"):
        store.build([Document("zero", "\u200b")], tokenizer, tmp_path / "store")
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------- fingerprint


def test_any_change_of_the_data_changes_the_fingerprint(tokenizer: Tokenizer) -> None:
    first, *rest = DOCUMENTS
    cased = Tokenizer(tokenizer.vocab, lowercase=False)
    changed = [
        (DOCUMENTS, tokenizer),
        ([replace(first, text=first.text + "\nOne line more."), *rest], tokenizer),
        ([replace(first, text=first.text.replace("sea", "Sea")), *rest], tokenizer),
        ([replace(first, name="port"), *rest], tokenizer),
        ([*rest, first], tokenizer),
        (rest, tokenizer),
        ([replace(first, name=first.name + "T", text=first.text[1:]), *rest], tokenizer),
        (DOCUMENTS, cased),
    ]
    assert len({store.fingerprint(*case) for case in changed}) == len(changed)
    assert store.fingerprint(list(DOCUMENTS), Tokenizer(dict(tokenizer.vocab))) == store.fingerprint(
        *changed[0]
    )


def test_a_name_that_is_no_unicode_has_a_fingerprint(tokenizer: Tokenizer) -> None:
    odd = os.fsdecode(b"caf\xe9.txt")
    assert len(store.fingerprint([Document(odd, "text")], tokenizer)) == 64


def test_a_store_is_built_once(tmp_path: Path, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    first = store.cached_store(DOCUMENTS, tokenizer, tmp_path)
    assert (tmp_path / "stores" / first.fingerprint / "store.json").is_file()
    monkeypatch.setattr(store, "build", None)
    assert texts(store.cached_store(DOCUMENTS, tokenizer, tmp_path)) == texts(first)


def test_changed_data_does_not_meet_the_old_store(tmp_path: Path, tokenizer: Tokenizer) -> None:
    store.cached_store(DOCUMENTS, tokenizer, tmp_path)
    changed = [*DOCUMENTS[:-1], replace(DOCUMENTS[-1], text=DOCUMENTS[-1].text + " The sea.")]
    built = store.cached_store(changed, tokenizer, tmp_path)
    assert texts(built)["river"][-1] == tokenizer.encode("The sea.")


# ---------------------------------------------------------------- whole or absent


class Crash(Exception):
    pass


@pytest.mark.parametrize("where", ["encode_batch", "rename"])
def test_a_broken_build_leaves_no_store(
    tmp_path: Path, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    def crash(*_: object) -> None:
        raise Crash

    with monkeypatch.context() as patch:
        patch.setattr(*((Tokenizer, where) if where == "encode_batch" else (os, where)), crash)
        with pytest.raises(Crash):
            store.cached_store(DOCUMENTS, tokenizer, tmp_path)
    assert list((tmp_path / "stores").iterdir()) == []
    assert len(store.cached_store(DOCUMENTS, tokenizer, tmp_path).names) == 4


def test_leftovers_of_a_killed_build_do_not_matter(tmp_path: Path, tokenizer: Tokenizer) -> None:
    folder = tmp_path / "stores" / store.fingerprint(DOCUMENTS, tokenizer)
    leftover = folder.with_name(f"{folder.name}.building-{os.getpid()}")
    leftover.mkdir(parents=True)
    (leftover / "ids.bin").write_bytes(b"half")
    assert len(store.cached_store(DOCUMENTS, tokenizer, tmp_path).names) == 4


def test_a_faster_process_wins(tmp_path: Path, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    rename = os.rename

    def late(source: Path, target: Path) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(os, "rename", rename)
            patch.setattr(os, "getpid", lambda: 0)
            store.build(DOCUMENTS, tokenizer, target)
        rename(source, target)

    monkeypatch.setattr(os, "rename", late)
    assert len(store.cached_store(DOCUMENTS, tokenizer, tmp_path).names) == 4
    assert len(list((tmp_path / "stores").iterdir())) == 1


def test_an_existing_folder_is_not_overwritten(tmp_path: Path, tokenizer: Tokenizer) -> None:
    with pytest.raises(ValueError, match="exists already"):
        store.build(DOCUMENTS, tokenizer, tmp_path)


@pytest.mark.parametrize("name", ["ids.bin", "sentences.npy", "documents.npy", "store.json"])
@pytest.mark.parametrize("damage", ["cut", "empty", "absent"])
def test_a_damaged_store_is_named(tmp_path: Path, tokenizer: Tokenizer, name: str, damage: str) -> None:
    folder = tmp_path / "store"
    store.build(DOCUMENTS, tokenizer, folder)
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
    store.build(DOCUMENTS, tokenizer, tmp_path / "store")
    before = store.fingerprint(DOCUMENTS, tokenizer)
    monkeypatch.setattr(store, "FORMAT", store.FORMAT + 1)
    with pytest.raises(ValueError, match="not a whole store of format 2: found format 1|format 2: format 1"):
        store.open_store(tmp_path / "store")
    assert store.fingerprint(DOCUMENTS, tokenizer) != before
