"""The tokens of any model's tokenizer, for a text or a file."""

from pathlib import Path

import pytest
from samples import DOCUMENTS

from minibert.recipes.tokenize import tokenize
from minibert.sources import corpora
from minibert.text.byte_tokenizer import ByteTokenizer
from minibert.text.tokenizer import Tokenizer

TEXTS = [document.text for document in DOCUMENTS]


def test_a_folder_of_either_tokenizer_gives_its_tokens(tmp_path: Path) -> None:
    for tokenizer in (Tokenizer.train(TEXTS, 300), ByteTokenizer.train(TEXTS, 300)):
        tokenizer.save(tmp_path / type(tokenizer).__name__)
        for specials in (False, True):
            text, tokens = tokenize(str(tmp_path / type(tokenizer).__name__), "The [MASK] bees", specials)
            assert text == "The [MASK] bees"
            assert tokens == tokenizer.tokens(text, specials)


def test_a_file_is_read_as_text(tmp_path: Path) -> None:
    tokenizer = Tokenizer.train(TEXTS, 300)
    tokenizer.save(tmp_path)
    (tmp_path / "a.txt").write_bytes("\ufeffThe bees.\r\nÉ\n".encode())
    text, tokens = tokenize(str(tmp_path), tmp_path / "a.txt")
    assert text == "The bees.\nÉ\n"
    assert [text[token.start : token.end] for token in tokens][-2:] == [".", "É"]
    (tmp_path / "b.txt").write_bytes(b"a\nb\xff")
    with pytest.raises(ValueError, match=r"b\.txt is not UTF-8 text: line 2, byte 2"):
        tokenize(str(tmp_path), tmp_path / "b.txt")


def test_a_card_with_weights_gives_the_tokens_of_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer = Tokenizer.train(TEXTS, 300)
    tokenizer.save(tmp_path)
    asked: list[str] = []
    monkeypatch.setattr(corpora, "folder", lambda name: asked.append(name) or tmp_path)
    assert tokenize("minilm", "The bees") == ("The bees", tokenizer.tokens("The bees"))
    assert asked == ["minilm"]


def test_what_is_neither_a_folder_nor_a_card_with_weights_is_refused() -> None:
    with pytest.raises(
        ValueError, match="'miniml' is neither a folder nor a data card. Did you mean 'minilm'"
    ):
        tokenize("miniml", "a")
    with pytest.raises(ValueError, match="'sotu' is text, not a model"):
        tokenize("sotu", "a")
