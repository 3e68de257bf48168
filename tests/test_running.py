"""Running text: to the character, in pieces that do not show, each document with its end."""

from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from samples import CHINESE, DOCUMENTS

from minibert.text import running, store
from minibert.text.base_tokenizer import BaseTokenizer
from minibert.text.byte_tokenizer import ByteTokenizer
from minibert.text.char_tokenizer import CharTokenizer
from minibert.text.corpus import Document
from minibert.text.running import RunningBuilder, cut_running
from minibert.text.store import Store, open_store
from minibert.text.tokenizer import Tokenizer

TEXTS = [
    *(document.text for document in DOCUMENTS),
    *CHINESE,
    "  a  b\n\n\n\tc\x1cd\r\n e's  we'll\u3000x\x85 1",
]
BYTES = ByteTokenizer.train([*TEXTS, *TEXTS], 600)
CHARS = CharTokenizer.train(TEXTS)

KINDS = pytest.mark.parametrize("tokenizer", [BYTES, CHARS], ids=["bytes", "characters"])
LIVELY = "abé's1.,。”中 \u00a0\u3000\x85\x0b\x1c\n\n\t  "


def write(folder: Path, tokenizer: BaseTokenizer, *documents: Document) -> Store:
    with RunningBuilder(folder, tokenizer, "key") as builder:
        for document in documents:
            builder.add(document)
    return open_store(folder)


# ---------------------------------------------------------------- pieces


@given(st.text(st.sampled_from(LIVELY), max_size=200), st.integers(1, 20))
@example("a  \n\n  b's  'll 1a.. \x1c c", 1)
def test_pieces_have_the_ids_of_the_whole(text: str, least: int) -> None:
    with mock.patch.object(running, "PIECE", least):
        pieces = cut_running(text)
    assert "".join(pieces) == text
    assert all(len(piece) > least for piece in pieces[:-1])
    for tokenizer in (BYTES, CHARS):
        assert [id for ids in tokenizer.encode_batch(pieces) for id in ids] == tokenizer.encode(text)


def test_a_text_is_cut_at_the_first_place_that_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "PIECE", 4)
    assert cut_running("ab cde fgh  ij\n\nk") == ["ab cde", " fgh  ij", "\n\nk"]
    assert cut_running("abcdefgh ") == ["abcdefgh", " "]
    assert cut_running("abcdefghi") == ["abcdefghi"]
    assert cut_running("") == [""]


def test_where_there_is_no_white_space_pieces_are_bounded_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(running, "PIECE", 4)
    monkeypatch.setattr(running, "LONGEST_WORD", 9)
    assert cut_running("x" * 25) == ["x" * 9, "x" * 9, "x" * 7]
    assert cut_running("x" * 8 + " " + "y" * 12 + " z") == ["x" * 8, " " + "y" * 8, "y" * 4 + " z"]


# ---------------------------------------------------------------- stores


@KINDS
def test_a_store_is_every_document_to_the_character_and_its_end(tmp_path: Path, tokenizer) -> None:
    documents = [Document(f"{number}", text) for number, text in enumerate(TEXTS)]
    built = write(tmp_path, tokenizer, *documents)
    expected = [[*tokenizer.encode(text), tokenizer.end_id] for text in TEXTS]
    assert built.ids.tolist() == [id for ids in expected for id in ids]
    assert np.diff(built.sentences).tolist() == [len(ids) for ids in expected]
    assert built.documents.tolist() == list(range(len(TEXTS) + 1))
    assert built.names == [document.name for document in documents]
    texts = tokenizer.decode(built.ids.tolist()).split("<|endoftext|>")
    assert texts == [*TEXTS, ""]


@KINDS
@pytest.mark.parametrize("chunk", [1, 50, 1 << 20])
def test_neither_pieces_nor_parts_nor_chunks_show(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tokenizer: BaseTokenizer, chunk: int
) -> None:
    text = "\n\n".join(TEXTS)
    whole = write(tmp_path / "whole", tokenizer, Document("one", text), Document("two", "b"))
    monkeypatch.setattr(running, "PIECE", 7)
    monkeypatch.setattr(store, "CHUNK", chunk)
    parts = [Document("one", text[i : i + 5], continues=i > 0) for i in range(0, len(text), 5)]
    parted = write(tmp_path / "parted", tokenizer, *parts, Document("two", "b"))
    assert parted.ids.tolist() == whole.ids.tolist()
    assert parted.sentences.tolist() == whole.sentences.tolist()
    assert parted.names == ["one", "two"]


def test_a_worked_case(tmp_path: Path) -> None:
    tokenizer = CharTokenizer.train(["ab \n"])  # 0 the end, 1 unknown, then "\n", " ", "a", "b"
    parts = [Document("one", " a"), Document("one", "\n\n", continues=True), Document("two", "bc")]
    built = write(tmp_path, tokenizer, *parts)
    assert built.ids.tolist() == [3, 4, 2, 2, 0, 5, 1, 0]
    assert built.sentences.tolist() == [0, 5, 8]
    assert built.documents.tolist() == [0, 1, 2]


def test_memory_is_bounded_by_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "CHUNK", 100)
    monkeypatch.setattr(running, "PIECE", 10)
    sizes = []

    class Counting(CharTokenizer):
        def encode_batch(self, texts):
            sizes.append(sum(map(len, texts)))
            return super().encode_batch(texts)

    write(tmp_path, Counting(CHARS.vocab), Document("long", "ten signs " * 100))
    assert sum(sizes) == 1000 and max(sizes) <= 100 + 2 * 10


def test_a_tokenizer_without_an_end_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"has no <\|endoftext\|>.* of bytes or of characters"):
        RunningBuilder(tmp_path, Tokenizer.train(TEXTS, 600), "key")


def test_a_corpus_without_a_document_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nothing to store"):
        write(tmp_path, CHARS)
