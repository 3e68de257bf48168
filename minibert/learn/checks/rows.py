"""What rows as BERT reads them must fulfil."""

from types import SimpleNamespace
from typing import Any

import numpy as np

from minibert.batches.nsp import Spans
from minibert.batches.rows import lay_out
from minibert.learn.compare import expect
from minibert.learn.sizes import Sizes

PAD, CLS, SEP = 7, 1, 2
TOKENIZER: Any = SimpleNamespace(pad_id=PAD, cls_id=CLS, sep_id=SEP)
"""All that is asked of a tokenizer here. Its padding is not 0, as it is in some models."""

Pair = tuple[int, int, int, int]
"""Where A begins and how long it is; where B begins and how long it is."""


def spans_of(pairs: list[Pair]) -> Spans:
    """Return the spans of some pairs."""
    return Spans(*np.array(pairs, np.int64).reshape(-1, 4).T)


def by_pencil(ids: list[int], pair: Pair, T: int) -> tuple[list[int], list[int], int]:
    """Return a row, its segments and its length, written one after the other."""
    a_start, a_length, b_start, b_length = pair
    row = [CLS, *ids[a_start : a_start + a_length], SEP]
    segments = [0] * len(row)
    if b_length:
        row += [*ids[b_start : b_start + b_length], SEP]
        segments += [1] * (b_length + 1)
    padding = T - len(row)
    return row + [PAD] * padding, segments + [0] * padding, len(row)


def expect_rows(ids: np.ndarray, pairs: list[Pair], T: int) -> None:
    """Raise CheckError unless all pairs, laid out at once, are as with a pencil."""
    rows, segments, lengths = lay_out(ids, spans_of(pairs), T, TOKENIZER)
    for index, (a_start, a_length, b_start, b_length) in enumerate(pairs):
        row, segment, length = by_pencil(ids.tolist(), pairs[index], T)
        what = (
            f"A = ids[{a_start}:{a_start + a_length}], B = ids[{b_start}:{b_start + b_length}], T = {T}, "
            f"with [CLS] = {CLS}, [SEP] = {SEP}, [PAD] = {PAD}"
        )
        for name, expected, got in (
            ("the row", row, rows[index].tolist()),
            ("its segments", segment, segments[index].tolist()),
            ("its length", length, int(lengths[index])),
        ):
            expect(got == expected, f"{what}: {name}\nexpected {expected}\ngot      {got}")
    for name, array in (("ids", rows), ("segments", segments), ("lengths", lengths)):
        kind = np.asarray(array).dtype
        expect(kind == np.int64, f"{name}: expected int64, got {kind}, whatever the type of the store")


def check_one_row_by_hand() -> None:
    """[CLS] A A A [SEP] B B [SEP], just as long as the row."""
    expect_rows(np.arange(10, 20), [(0, 3, 3, 2)], 8)


def check_a_short_row_is_padded() -> None:
    """Behind the last [SEP] stands [PAD], and its segment is 0."""
    expect_rows(np.arange(10, 20), [(0, 3, 3, 2)], 12)


def check_without_b_there_is_one_sep() -> None:
    """[CLS] A [SEP], all in segment 0, whether something follows or not."""
    for T in (5, 8):
        expect_rows(np.arange(10, 20), [(4, 3, 0, 0)], T)


def check_b_may_lie_anywhere() -> None:
    """Also before A, or far behind it, as a random sentence does."""
    expect_rows(np.arange(10, 40), [(20, 3, 2, 4)], 11)
    expect_rows(np.arange(10, 40), [(2, 3, 20, 4)], 11)


def check_rows_of_different_lengths_at_once() -> None:
    """Each row has its own length; those without B may stand among those with one."""
    expect_rows(np.arange(10, 40), [(0, 2, 2, 3), (5, 6, 0, 0), (29, 1, 0, 1), (9, 4, 13, 2)], 9)


def check_the_ids_of_the_store_are_16_bits_wide_and_those_of_the_rows_64() -> None:
    """And the last tokens of the store can be reached."""
    ids = np.arange(65_500, 65_536, dtype=np.uint16)
    expect_rows(ids, [(0, 4, 33, 3), (30, 6, 0, 0)], 10)


def check_any_rows(size: Sizes, seed: int) -> None:
    """Random spans, against rows that are written one after the other."""
    rng = np.random.default_rng(seed)
    ids = rng.integers(10, 1000, size=60)
    pairs = []
    for _ in range(size.B + size.N):
        a, b = int(rng.integers(1, 9)), int(rng.integers(0, 9))
        pairs.append((int(rng.integers(0, 60 - a)), a, int(rng.integers(0, 60 - b)), b))
    longest = max(3 + a + b for _, a, _, b in pairs)
    expect_rows(ids, pairs, longest)
    expect_rows(ids, pairs, longest + size.T)
