"""Texts laid out for a model: special tokens, pairs, what is cut, and windows that miss nothing."""

import pytest
from by_hand import by_hand
from hypothesis import given
from hypothesis import strategies as st

from minibert.batches.text_rows import Row, RowMaker, longest_first, windows
from minibert.learn.checks import text_rows as checks
from minibert.text.base_tokenizer import END
from minibert.text.byte_tokenizer import ByteTokenizer
from minibert.text.tokenizer import Tokenizer

test_by_hand = by_hand(checks)

BERT = Tokenizer.train(["a b c d e f"], 60)
CAUSAL = ByteTokenizer.train(["a b c d e f"], 300, (END,))
CLS, SEP, STOP = BERT.cls_id, BERT.sep_id, CAUSAL.end_id


def rows(maker: RowMaker, *texts: list[int]) -> list[Row]:
    return list(maker.rows(*texts))


def test_an_encoder_reads_a_text_between_its_special_tokens_and_two_with_one_more() -> None:
    maker = RowMaker(BERT, 20)
    assert rows(maker, [7, 8]) == [Row([CLS, 7, 8, SEP], 4)]
    assert rows(maker, [7, 8], [9]) == [Row([CLS, 7, 8, SEP, 9, SEP], 4)]
    assert rows(maker, []) == [Row([CLS, SEP], 2)]


def test_a_causal_model_reads_a_text_and_its_end_for_it_looks_back_from_there() -> None:
    maker = RowMaker(CAUSAL, 20)
    assert rows(maker, [7, 8]) == [Row([7, 8, STOP], 3)]
    assert rows(maker, [7, 8], [9]) == [Row([7, 8, STOP, 9, STOP], 3)]


@pytest.mark.parametrize(("tokenizer", "room"), [(BERT, 8), (CAUSAL, 9)])
def test_a_long_text_is_cut_to_the_longest_row_and_keeps_its_special_tokens(tokenizer, room: int) -> None:
    maker = RowMaker(tokenizer, 10)
    text = list(range(100, 120))
    (row,) = rows(maker, text)
    assert row.ids == [*maker.begin, *text[:room], maker.end] and len(row.ids) == 10
    assert maker.is_long(text[: room + 1]) and not maker.is_long(text[:room])
    (row,) = rows(maker, text, text)
    assert len(row.ids) == 10 and row.ids[-1] == row.ids[row.second - 1] == maker.end


def test_of_two_texts_the_longer_is_cut_first_by_hand() -> None:
    assert longest_first(3, 4, 7) == (3, 4)
    assert longest_first(3, 9, 7) == (3, 4)
    assert longest_first(9, 3, 7) == (4, 3)
    assert longest_first(9, 9, 7) == (3, 4)
    assert longest_first(10, 9, 7) == (4, 3)
    assert longest_first(0, 9, 7) == (0, 7)


def test_two_texts_are_cut_as_transformers_cuts_them() -> None:
    from tokenizers import Tokenizer as Fast
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    fast = Fast(WordLevel({str(n): n for n in range(40)}, "0"))
    fast.pre_tokenizer = Whitespace()  # pyright: ignore[reportAttributeAccessIssue]
    for room in (4, 7, 12):
        fast.enable_truncation(room, strategy="longest_first")
        for first in range(1, 14):
            for second in range(1, 14):
                pair = (" ".join(map(str, range(first))), " ".join(map(str, range(20, 20 + second))))
                types = fast.encode(*pair).type_ids
                assert longest_first(first, second, room) == (types.count(0), types.count(1))


@given(st.integers(0, 200), st.integers(1, 40))
def test_windows_cover_a_text_overlap_and_are_as_few_as_can_be(length: int, size: int) -> None:
    found = list(windows(length, size))
    assert found[0][0] == 0 and found[-1][1] == length
    assert all(stop - start == min(size, length) for start, stop in found)
    shared = [before[1] - after[0] for before, after in zip(found, found[1:], strict=False)]
    assert all(size // 4 <= each < size for each in shared)
    assert len(found) == 1 or (len(found) - 1) * (size - size // 4) + size // 4 < length


def test_a_long_text_is_read_in_windows_with_the_second_text_in_each() -> None:
    maker = RowMaker(BERT, 10, "windows")
    text = list(range(100, 118))
    found = rows(maker, text)
    assert [row.ids[1:-1] for row in found] == [text[0:8], text[5:13], text[10:18]]
    assert all(row.ids[0] == CLS and row.ids[-1] == SEP for row in found)
    found = rows(maker, text, [1, 2, 3, 4, 5])
    assert all(row.ids[row.second :] == [1, 2, 3, SEP] and len(row.ids) == 10 for row in found)
    assert {id for row in found for id in row.ids} >= set(text)
    assert rows(maker, text[:8]) == [Row([CLS, *text[:8], SEP], 10)]


def test_a_row_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match="--max-tokens must be at least 5, got 4"):
        RowMaker(BERT, 4)
