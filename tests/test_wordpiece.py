"""WordPiece: by hand, and against the `tokenizers` library; ids, and training."""

import functools
import re
import unicodedata
from collections import Counter

import pytest
import tokenizers
from by_hand import by_hand
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import CHINESE, DOCUMENTS, chinese_texts
from tokenizers import models, trainers
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from unicode_differences import LISTED, OTHER_TABLES, agreeing, differing

from minibert import sources
from minibert.learn.checks import wordpiece as checks
from minibert.text import corpus, wordpiece
from minibert.text.merging import merges
from minibert.text.tokenizer import Tokenizer
from minibert.text.wordpiece import SPECIALS

test_by_hand = by_hand(checks)


def vocabulary(*pieces: str) -> dict[str, int]:
    return {piece: id for id, piece in enumerate([*SPECIALS, *pieces])}


# ---------------------------------------------------------------- worked cases


def test_one_unknown_letter_makes_the_whole_word_unknown() -> None:
    vocab = vocabulary("good", "##x", "!")
    assert wordpiece.encode("good goodx goody!", vocab) == [5, 5, 6, 1, 7]


def test_text_that_spells_a_special_token_is_text() -> None:
    vocab = vocabulary("[", "]", "mask", "cls", "##k")
    assert wordpiece.encode("[MASK] [CLS] [PAD]", vocab) == [5, 7, 6, 5, 8, 6, 5, 1, 6]


# ---------------------------------------------------------------- against the library


ALPHABET = agreeing("wordpiece", "wordpiece-lower")
LIVELY = (
    "abXZ09 \n\t.,'\"()[]-#$%éÑßſİıΣσςǅㄅ中文字한び\u0301\u0308\u200b\u00ad\ufffd\0\x1c\x85"
    "\U0002b820\U0002b920"
)
TEXTS = st.text(st.sampled_from(LIVELY) | st.sampled_from(ALPHABET), max_size=40)


def library_split(text: str, lowercase: bool) -> list[str]:
    normal = BertNormalizer(lowercase=lowercase).normalize_str(text)
    return [word for word, _ in BertPreTokenizer().pre_tokenize_str(normal)]


@settings(max_examples=200)
@given(TEXTS, st.booleans())
def test_any_text_is_cut_into_the_words_of_the_library(text: str, lowercase: bool) -> None:
    assert wordpiece.basic_split(text, lowercase) == library_split(text, lowercase)


def test_every_old_character_on_its_own_is_treated_as_by_the_library() -> None:
    """Those of the same kind since Unicode 3.2: all tables of today have them alike."""
    old = [char for char in ALPHABET if unicodedata.ucd_3_2_0.category(char) not in ("Cn", "Co")]
    text = "\n".join(f"a{char}b" for char in old)
    for lowercase in (True, False):
        assert wordpiece.basic_split(text, lowercase) == library_split(text, lowercase)


@pytest.mark.slow
@pytest.mark.skipif(not LISTED, reason=OTHER_TABLES)
def test_the_list_of_differing_characters_is_true() -> None:
    always, folding = differing("wordpiece"), differing("wordpiece-lower")
    assert (len(always), len(folding)) == (119, 440)
    for char in always | folding:
        text = f"a{char}b"
        assert wordpiece.basic_split(text) != library_split(text, True)
        assert (wordpiece.basic_split(text, False) != library_split(text, False)) == (char in always)
    for lowercase in (True, False):
        others = "\n".join(f"a{char}b" for char in [*ALPHABET, *(() if lowercase else folding)])
        assert wordpiece.basic_split(others, lowercase) == library_split(others, lowercase)


@settings(max_examples=100)
@given(TEXTS, st.sets(st.text("abcxyz019é中.", min_size=1, max_size=4), max_size=40), st.booleans())
def test_any_text_and_vocabulary_give_the_ids_of_the_library(
    text: str, pieces: set[str], lowercase: bool
) -> None:
    vocab = vocabulary(*sorted(pieces), *sorted(f"##{piece}" for piece in pieces))
    assert wordpiece.encode(text, vocab, lowercase) == Tokenizer(vocab, lowercase).encode(text)


def test_our_samples_give_the_ids_of_the_library() -> None:
    texts = [document.text for document in DOCUMENTS]
    tokenizer = Tokenizer.train(texts, 200)
    for text in texts:
        assert wordpiece.encode(text, tokenizer.vocab) == tokenizer.encode(text)


@pytest.mark.slow
def test_the_whole_of_sotu_gives_the_ids_of_the_library() -> None:
    documents = list(corpus.read_documents(sources.get("sotu").parts[0]))
    tokenizer = Tokenizer.train((document.text for document in documents[::4]), 8192)

    @functools.cache
    def by_hand(text: str) -> list[int]:  # what stands between two spaces, each different one encoded once
        return wordpiece.encode(text, tokenizer.vocab)

    fast = tokenizer.encode_batch([document.text for document in documents])
    assert sum(map(len, fast)) > 2_000_000
    for document, ids in zip(documents, fast, strict=True):
        assert [id for part in re.split("[ \n]", document.text) for id in by_hand(part)] == ids, document.name
    assert wordpiece.encode(documents[0].text, tokenizer.vocab) == fast[0]


@pytest.mark.slow
def test_real_chinese_gives_the_ids_of_the_library() -> None:
    texts = chinese_texts()[::3]
    tokenizer = Tokenizer.train(texts, 8192)
    fast = tokenizer.encode_batch(texts)
    assert sum(map(len, fast)) > 1_000_000
    for text, ids in zip(texts, fast, strict=True):
        assert wordpiece.encode(text, tokenizer.vocab) == ids


# ---------------------------------------------------------------- training


def test_training_merges_the_most_frequent_pair_and_ties_by_text() -> None:
    # hug 10, pug 5, pun 12, bun 4, hugs 5: "##u" + "##g" 20 times, "##u" + "##n" 16, then "h" + "##ug" 15.
    text = "hug " * 10 + "pug " * 5 + "pun " * 12 + "bun " * 4 + "hugs " * 5
    letters = [*"bghnpsu", "##g", "##n", "##s", "##u"]
    vocab = wordpiece.train([text], 5 + 11 + 5)
    assert list(vocab) == [*SPECIALS, *letters, "##ug", "##un", "hug", "pun", "hugs"]
    assert list(vocab.values()) == list(range(21))

    tied = "".join(f"{word} {word} " for word in ("zy", "cd", "ab"))
    assert list(wordpiece.train([tied], 100))[-3:] == ["ab", "cd", "zy"]


def test_training_again_gives_the_same_vocabulary() -> None:
    texts = [document.text for document in DOCUMENTS]
    assert list(wordpiece.train(texts, 400)) == list(wordpiece.train(reversed(texts), 400))


@pytest.mark.parametrize("size", [7, 8, 20, 61, 300])
def test_a_vocabulary_is_as_large_as_asked_also_when_it_has_no_room_for_all_letters(size: int) -> None:
    texts = [*(document.text for document in DOCUMENTS), "äöü中文 ½¾"]
    assert len(wordpiece.train(texts, size)) == size


def test_a_rare_letter_stays_out_of_a_vocabulary_that_pairs_fill_better() -> None:
    common = "".join(f"{a}{b} " * 101 for a in "abcdef" for b in "abcdef")
    assert "ж" not in wordpiece.train([common, "ж"], 5 + 12 + 36)
    assert "ж" in wordpiece.train([common, "ж ж"], 5 + 12 + 36)
    assert "ж" in wordpiece.train([common, "ж"], 5 + 12 + 38)


def test_training_without_words_or_room_is_refused() -> None:
    with pytest.raises(ValueError, match="the texts hold no word"):
        wordpiece.train([" \n", "\u200b"], 100)
    with pytest.raises(ValueError, match="vocab_size must be at least 7, got 6"):
        wordpiece.train(["a"], 6)


def test_words_of_more_than_a_hundred_characters_teach_nothing() -> None:
    long = "x" * 101
    assert wordpiece.count_words([f"a {long} b{'y' * 99}-{long}"]) == {"a": 1, "b" + "y" * 99: 1, "-": 1}


@given(st.lists(st.text(st.sampled_from(LIVELY), max_size=30), max_size=4), st.booleans())
def test_words_are_counted_as_they_are_cut(texts: list[str], lowercase: bool) -> None:
    words = Counter(word for text in texts for word in wordpiece.basic_split(text, lowercase))
    assert wordpiece.count_words(texts, lowercase) == words


def test_parts_are_counted_in_bounded_memory() -> None:
    texts = ["a b a", "b c", "a d\te"]
    assert list(wordpiece.count_parts(texts, most=2)) == [
        *(("a", 2), ("b", 2), ("c", 1)),
        *(("a", 1), ("d", 1), ("e", 1)),
    ]
    assert dict(wordpiece.count_parts(texts)) == {"a": 3, "b": 2, "c": 1, "d": 1, "e": 1}


# ---------------------------------------------------------------- training, against the library


def library_pieces(texts: list[str], size: int) -> list[str]:
    """Return the vocabulary that `tokenizers` learns, in the order of the ids."""
    backend = tokenizers.Tokenizer(models.WordPiece(unk_token="[UNK]"))
    backend.normalizer, backend.pre_tokenizer = BertNormalizer(), BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=size, special_tokens=list(SPECIALS), show_progress=False)
    backend.train_from_iterator(texts, trainer)
    return sorted(backend.get_vocab(), key=backend.get_vocab().__getitem__)


def pieces_with_ties_in_the_order_of(pieces: list[str], texts: list[str]) -> list[str]:
    """Return what our loop learns from the letters of `pieces` when the older piece goes first in a tie."""
    known = [*SPECIALS, *filter(wordpiece.is_letter, pieces)]
    ids = {piece: id for id, piece in enumerate(known)}

    def join(left: int, right: int) -> int:
        known.append(wordpiece.join(known[left], known[right]))
        return len(known) - 1

    counts = wordpiece.count_words(texts).items()
    words = {tuple(ids["##" * (i > 0) + char] for i, char in enumerate(word)): n for word, n in counts}
    for _ in merges(words, join):
        if len(known) == len(pieces):
            break
    return known


def assert_equal_up_to_ties(texts: list[str], size: int) -> None:
    theirs = library_pieces(texts, size)
    assert pieces_with_ties_in_the_order_of(theirs, texts) == theirs
    ours = list(wordpiece.train(texts, size))
    letters = 5 + sum(map(wordpiece.is_letter, ours))
    assert set(ours[:letters]) == set(theirs[:letters])


def test_texts_without_ties_give_the_vocabulary_of_the_library() -> None:
    words = ["hug", "pug", "pun", "bun", "hugs", "Éz", "中"]
    text = "".join(f"{word} " * 3**power for power, word in enumerate(words))
    for size in range(20, 30):
        assert set(wordpiece.train([text], size)) == set(library_pieces([text], size))


def test_training_is_that_of_the_library_up_to_ties() -> None:
    texts = [document.text for document in DOCUMENTS]
    for size in (150, 300, 600, 5000):
        assert_equal_up_to_ties(texts, size)
    assert_equal_up_to_ties([*CHINESE, "iPhone 手机 iPad 平板 2024 20,24"], 200)


@given(st.lists(st.text("abcdé中 -", max_size=60), min_size=1, max_size=4).filter(lambda t: "a" in t[0]))
def test_any_texts_give_the_vocabulary_of_the_library_up_to_ties(texts: list[str]) -> None:
    assert_equal_up_to_ties(texts, 60)


@pytest.mark.slow
def test_training_on_the_whole_of_sotu_is_that_of_the_library_up_to_ties() -> None:
    texts = [document.text for document in corpus.read_documents(sources.get("sotu").parts[0])]
    assert_equal_up_to_ties(texts, 8192)
