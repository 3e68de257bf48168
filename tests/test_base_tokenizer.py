"""What all tokenizers do alike: special tokens in text, places of tokens, ids checked."""

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from samples import CHINESE, DOCUMENTS
from unicode_differences import agreeing

from minibert.text import bpe, wordpiece
from minibert.text.base_tokenizer import END, BaseTokenizer, Token
from minibert.text.byte_tokenizer import ByteTokenizer
from minibert.text.char_tokenizer import CharTokenizer
from minibert.text.tokenizer import Tokenizer
from minibert.text.wordpiece import SPECIALS

TEXTS = [*(document.text for document in DOCUMENTS), *CHINESE, "한국어 ÀÉ éa \N{GRINNING FACE} [MASK] ab"]
WORDS = Tokenizer.train(TEXTS, 600)
CASED = Tokenizer.train(TEXTS, 600, lowercase=False)
BYTES = ByteTokenizer.train(TEXTS, 600, SPECIALS)
CHARS = CharTokenizer.train(TEXTS)

LIVELY = "aBc hé\u0301e\u0308İıßΣ中文，。한국ぴ\u200b\u00a0\n\t👩‍🚀\U00020000[]MASK'’-1½ﬁ"
ANY_TEXT = st.text(st.sampled_from(LIVELY) | st.sampled_from(agreeing("wordpiece", "wordpiece-lower")))


@pytest.mark.parametrize("tokenizer", [WORDS, BYTES])
def test_special_tokens_have_the_first_ids(tokenizer: BaseTokenizer) -> None:
    assert tokenizer.special_ids == (0, 1, 2, 3, 4)
    assert (tokenizer.pad_id, tokenizer.unk_id, tokenizer.cls_id) == (0, 1, 2)
    assert (tokenizer.sep_id, tokenizer.mask_id) == (3, 4)
    assert len(tokenizer) == len(tokenizer.vocab)
    assert [tokenizer.vocab[tokenizer.piece(id)] for id in range(len(tokenizer))] == [*range(len(tokenizer))]


def test_a_special_token_that_is_not_there_is_named() -> None:
    gpt = ByteTokenizer.train(TEXTS, 300)
    with pytest.raises(ValueError, match=r"has no \[MASK\], only <\|endoftext\|>"):
        gpt.encode_blanks("a [MASK]")


def test_the_end_of_a_text_is_known_to_those_that_have_a_token_for_it() -> None:
    end_last = ByteTokenizer(bpe.vocabulary([]) | {END: 256}, [])
    assert (CHARS.end_id, ByteTokenizer.train(TEXTS, 300).end_id, end_last.end_id) == (0, 0, 256)
    for tokenizer in (WORDS, BYTES):
        with pytest.raises(ValueError, match=r"no <\|endoftext\|>, only \[PAD\].* of bytes or of characters"):
            _ = tokenizer.end_id


# ---------------------------------------------------------------- special tokens in text


@pytest.mark.parametrize("tokenizer", [WORDS, CASED, BYTES])
def test_text_that_spells_a_special_token_is_text_unless_asked_for(tokenizer: BaseTokenizer) -> None:
    text = "[CLS]the [MASK]man [UNK][PAD]"
    assert not {0, 2, 3, 4} & set(tokenizer.encode(text))
    asked = [2, *tokenizer.encode("the "), 4, *tokenizer.encode("man "), 1, 0]
    assert tokenizer.encode(text, specials=True) == asked
    assert tokenizer.encode_blanks(text) == [
        *tokenizer.encode("[CLS]the "),
        4,
        *tokenizer.encode("man [UNK][PAD]"),
    ]
    assert [token.id for token in tokenizer.tokens(text)] == tokenizer.encode(text)
    assert tokenizer.tokens(text, specials=True)[0] == Token(2, "[CLS]", 0, 5)


def test_of_special_tokens_that_begin_alike_the_longest_is_meant() -> None:
    specials = ("<a>", "<a><b>")
    tokenizer = ByteTokenizer(bpe.vocabulary([], specials), [], specials)
    assert tokenizer.encode("<a><b><a>", specials=True) == [1, 0]


# ---------------------------------------------------------------- places


def test_places_of_a_worked_case() -> None:
    vocab = {piece: id for id, piece in enumerate([*SPECIALS, "ete", "##s", "中", ",", "un", "##til"])}
    tokenizer = Tokenizer(vocab)
    assert tokenizer.tokens("Étés, Until中\u200b中 x") == [
        Token(5, "ete", 0, 3),
        Token(6, "##s", 3, 4),
        Token(8, ",", 4, 5),
        Token(9, "un", 6, 8),
        Token(10, "##til", 8, 11),
        Token(7, "中", 11, 12),
        Token(7, "中", 13, 14),
        Token(1, "[UNK]", 15, 16),
    ]


@given(ANY_TEXT)
@example("한국어")
@example("e\u0301e\u0301")
def test_the_slice_of_each_token_normalises_to_its_piece(text: str) -> None:
    for tokenizer in (WORDS, CASED):
        start = 0
        for token in tokenizer.tokens(text):
            slice = text[token.start : token.end]
            normal = "".join(wordpiece.basic_split(slice, tokenizer.lowercase))
            piece = token.piece.removeprefix("##")
            partial = len(slice) == 1 and piece in normal  # one syllable of Korean is several letters
            assert token.piece == "[UNK]" or piece == normal or partial
            assert start <= token.start < token.end
            start = token.start
        assert [token.id for token in tokenizer.tokens(text)] == tokenizer.encode(text)


@given(ANY_TEXT)
def test_the_slices_of_bytes_tile_the_text_and_hold_their_bytes(text: str) -> None:
    end = 0
    for token in BYTES.tokens(text):
        slice = text[token.start : token.end]
        assert token.piece in bpe.to_characters(slice)
        if token.start < end:  # a piece of the character that the token before has begun
            assert token.end >= end == token.start + 1
        else:
            assert token.start == end
        end = token.end
    assert end == len(text)


@given(ANY_TEXT, ANY_TEXT)
def test_places_go_on_behind_special_tokens(first: str, second: str) -> None:
    for tokenizer in (WORDS, BYTES):
        tokens = tokenizer.tokens(f"{first}[MASK]{second}", specials=True)
        shift = len(first) + len("[MASK]")
        behind = [Token(i, p, start + shift, end + shift) for i, p, start, end in tokenizer.tokens(second)]
        mask = Token(4, "[MASK]", len(first), shift)
        assert tokens == [*tokenizer.tokens(first), mask, *behind]


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize("tokenizer", [WORDS, BYTES, CHARS])
def test_half_of_a_surrogate_pair_is_refused_with_its_place(tokenizer: BaseTokenizer) -> None:
    with pytest.raises(ValueError, match=r"character 2 of the text is U\+D83D, half of a surrogate pair"):
        tokenizer.encode("ab\ud83d")
    with pytest.raises(ValueError, match=r"character 0 of the text is U\+DC00"):
        tokenizer.encode_batch(["a", "\udc00"])


def test_ids_with_gaps_are_refused() -> None:
    with pytest.raises(ValueError, match="must be 0 to 5, each once; they go from 0 to 6"):
        Tokenizer({**{piece: id for id, piece in enumerate(SPECIALS)}, "a": 6})
    with pytest.raises(ValueError, match=r"lacks <\|endoftext\|>"):
        ByteTokenizer(bpe.vocabulary([]), [])


@pytest.mark.parametrize("tokenizer", [WORDS, BYTES, CHARS])
def test_a_batch_gives_the_ids_of_its_texts(tokenizer: BaseTokenizer) -> None:
    assert tokenizer.encode_batch(TEXTS) == [tokenizer.encode(text) for text in TEXTS]
    assert tokenizer.encode_batch([]) == []


def test_decomposed_and_composed_text_have_the_same_ids() -> None:
    for text in TEXTS:
        assert WORDS.encode(text) == WORDS.encode(unicodedata.normalize("NFD", text))
