"""Words and their pieces, and the windows of long sentences."""

import numpy as np
import pytest
from by_hand import by_hand
from hypothesis import given
from hypothesis import strategies as st

from minibert.batches.word_tags import (
    Pieces,
    at_first_pieces,
    lay_out,
    owners,
    pieces_of,
    pieces_of_characters,
    word_windows,
)
from minibert.learn.checks import word_tags as checks
from minibert.text.base_tokenizer import BaseTokenizer
from minibert.text.byte_tokenizer import ByteTokenizer
from minibert.text.char_tokenizer import CharTokenizer
from minibert.text.tagged import Sentence, sentence_of
from minibert.text.tokenizer import Tokenizer
from minibert.text.wordpiece import SPECIALS

test_by_hand = by_hand(checks)

TEXT = "The un der stand ing of low er lower lowest 北京大学 is newer , they say. Wider words! " * 3

LENGTHS = st.lists(st.integers(0, 6), min_size=1, max_size=40)


def wordpieces(pieces: str) -> Tokenizer:
    return Tokenizer({piece: id for id, piece in enumerate([*SPECIALS, *pieces.split()])})


# ---------------------------------------------------------------- pieces of words


def test_the_pieces_of_each_word_by_hand() -> None:
    tokenizer = wordpieces("un ##der ##stand low ##er , is")
    ids, words = pieces_of(Sentence(("understand", ",", "lower", "?")), tokenizer)
    assert [tokenizer.piece(id) for id in ids] == ["un", "##der", "##stand", ",", "low", "##er", "[UNK]"]
    assert words.tolist() == [0, 0, 0, 1, 2, 2, 3]


@pytest.mark.parametrize(
    "tokenizer",
    [
        Tokenizer.train([TEXT], 60),
        ByteTokenizer.train([TEXT], 300),
        CharTokenizer.train([TEXT]),
    ],
    ids=["wordpiece", "bytes", "characters"],
)
@given(words=st.lists(st.text(st.sampled_from("lower nd北京,é\u0301😀'\u00a0")), max_size=6))
def test_the_pieces_of_words_are_those_of_the_running_text(tokenizer: BaseTokenizer, words: list) -> None:
    sentence = Sentence(tuple(words))
    ids, _ = pieces_of(sentence, tokenizer)
    assert ids.tolist() == tokenizer.encode(sentence.text)


def test_byte_pairs_see_the_space_before_a_word() -> None:
    tokenizer = ByteTokenizer.train([TEXT], 300)
    ids, words = pieces_of(Sentence(("lower", "lower")), tokenizer)
    assert [tokenizer.piece(id) for id in ids] == ["lo", "w", "er", "Ġlower"]
    assert words.tolist() == [0, 0, 0, 1]


def test_white_space_alone_is_a_piece_of_no_word() -> None:
    tokenizer = CharTokenizer.train(["ab cd"])
    assert pieces_of(sentence_of(" ab  c"), tokenizer).words.tolist() == [-1, 0, 0, -1, -1, 1]


def test_a_word_may_have_no_piece() -> None:
    """A control character vanishes; of a piece of two words, the second has nothing."""
    assert pieces_of(Sentence(("low", "\u200b", "low")), wordpieces("low")).words.tolist() == [0, 2]
    tokenizer = ByteTokenizer.train(["北京" * 9] * 9, 300)
    ids, words = pieces_of(Sentence(("北", "京")), tokenizer)
    assert (len(ids), words.tolist()) == (1, [0])


def test_characters_alone_have_a_piece_each() -> None:
    tokenizer = wordpieces("北 京 windows ##o w i n")
    ids, words = pieces_of_characters(Sentence(tuple("北京win")), tokenizer)
    assert [tokenizer.piece(id) for id in ids] == ["北", "京", "w", "i", "n"]
    assert words.tolist() == [0, 1, 2, 3, 4]


def test_the_value_of_a_word_stands_at_its_first_piece() -> None:
    words = np.array([-1, 0, 0, 2, -1, 2, 3, -1])
    assert at_first_pieces(words, np.array([7, 8, 9, 5]), -100).tolist() == [
        *(-100, 7, -100, 9, -100, -100, 5, -100),
    ]
    assert at_first_pieces(np.zeros(0, int), np.zeros(0, int), -100).tolist() == []


# ---------------------------------------------------------------- windows


def test_windows_by_hand() -> None:
    firsts, ends = word_windows(np.ones(10, int), 4)
    assert firsts.tolist() == [0, 2, 4, 6]
    assert ends.tolist() == [4, 6, 8, 10]
    assert owners(np.ones(10, int), firsts, ends).tolist() == [0, 0, 0, 1, 1, 2, 2, 3, 3, 3]


def test_the_last_window_looks_back_as_far_as_it_can() -> None:
    firsts, ends = word_windows(np.ones(9, int), 6)
    assert (firsts.tolist(), ends.tolist()) == ([0, 3], [6, 9])
    firsts, ends = word_windows(np.ones(7, int), 6)
    assert (firsts.tolist(), ends.tolist()) == ([0, 1], [6, 7])


def test_what_fits_is_one_window() -> None:
    for lengths in ([], [0], [3], [1, 2, 1]):
        firsts, ends = word_windows(np.array(lengths, int), 4)
        assert (firsts.tolist(), ends.tolist()) == ([0], [len(lengths)])


def test_a_word_that_does_not_fit_begins_the_next_window() -> None:
    firsts, ends = word_windows(np.array([1, 1, 1, 9, 1, 1, 1, 1]), 10)
    assert (firsts.tolist(), ends.tolist()) == ([0, 3, 4], [3, 5, 8])


@given(LENGTHS, st.integers(1, 12))
def test_windows_cover_every_word_and_no_window_is_too_wide(lengths: list[int], room: int) -> None:
    each = np.minimum(lengths, room)
    firsts, ends = word_windows(each, room)
    assert firsts[0] == 0
    assert ends[-1] == len(lengths)
    assert (firsts[1:] <= ends[:-1]).all()
    assert (np.diff(firsts) > 0).all()
    assert (np.diff(ends) > 0).all()
    assert all(each[first:end].sum() <= room for first, end in zip(firsts, ends, strict=True))


@given(LENGTHS, st.integers(1, 12))
def test_no_window_has_more_context_for_a_word_than_the_one_it_is_predicted_in(
    lengths: list[int], room: int
) -> None:
    each = np.minimum(lengths, room)
    firsts, ends = word_windows(each, room)
    for word, owner in enumerate(owners(each, firsts, ends)):
        contexts = []
        for first, end in zip(firsts, ends, strict=True):
            sides = each[first:word].sum(), each[word + 1 : end].sum()
            contexts.append(min(sides) if first <= word < end else -1)
        assert owner == contexts.index(max(contexts))


# ---------------------------------------------------------------- rows


@given(LENGTHS, st.integers(1, 12))
def test_every_word_with_a_piece_is_predicted_once_at_its_first(lengths: list[int], room: int) -> None:
    words = np.repeat(np.arange(len(lengths)), lengths)
    pieces = Pieces(100 + np.arange(len(words)), words)  # the id tells the place
    found = {}
    for ids, asked in lay_out(pieces, len(lengths), room, [1, 2], [3]):
        assert (ids[:2], ids[-1]) == ([1, 2], 3)
        assert len(ids) == len(asked) <= room + 3
        for id, word in zip(ids, asked, strict=True):
            if word >= 0:
                assert word not in found
                found[word] = id - 100
    first = np.cumsum([0, *lengths])
    assert found == {word: first[word] for word, length in enumerate(lengths) if length}


def test_a_row_by_hand() -> None:
    pieces = Pieces(np.array([10, 11, 12, 13, 14]), np.array([0, 1, 1, 1, 2]))
    rows = [(ids, words.tolist()) for ids, words in lay_out(pieces, 3, 8, [1], [2])]
    assert rows == [([1, 10, 11, 12, 13, 14, 2], [-1, 0, 1, -1, -1, 2, -1])]


def test_a_word_longer_than_the_row_is_cut() -> None:
    pieces = Pieces(np.arange(10, 19), np.array([0, 1, 1, 1, 1, 1, 1, 1, 2]))
    rows = [(ids, words.tolist()) for ids, words in lay_out(pieces, 3, 4, [1], [2])]
    assert rows == [
        ([1, 10, 2], [-1, 0, -1]),
        ([1, 11, 12, 13, 14, 2], [-1, 1, -1, -1, -1, -1]),
        ([1, 18, 2], [-1, 2, -1]),
    ]


def test_white_space_stays_where_it_stood() -> None:
    pieces = Pieces(np.array([10, 11, 12, 13, 14]), np.array([-1, 0, -1, -1, 1]))
    rows = [(ids, words.tolist()) for ids, words in lay_out(pieces, 2, 8)]
    assert rows == [([10, 11, 12, 13, 14], [-1, 0, -1, -1, 1])]


def test_where_no_word_has_a_piece_there_is_no_row() -> None:
    nothing = Pieces(np.zeros(0, int), np.zeros(0, int))
    assert list(lay_out(nothing, 3, 8, [1], [2])) == []
    assert list(lay_out(nothing, 0, 8, [1], [2])) == []
    assert list(lay_out(Pieces(np.array([5]), np.array([-1])), 0, 8)) == []
