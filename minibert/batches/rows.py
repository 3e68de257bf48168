"""Segments become rows as BERT reads them: [CLS] A [SEP] B [SEP], and padding."""

import numpy as np
from numpy.typing import NDArray

from minibert.batches.nsp import Spans
from minibert.text.base_tokenizer import BaseTokenizer

Ints = NDArray[np.int64]


def lay_out(
    ids: NDArray[np.integer], spans: Spans, T: int, tokenizer: BaseTokenizer
) -> tuple[Ints, Ints, Ints]:
    """Write [CLS] A [SEP] B [SEP], or [CLS] A [SEP] where B is empty, and pad to T.

    Args:
        ids: the store's token ids.
        spans: where A and B lie, B examples; A is never empty, and every row has room for what belongs in it.
        T: length of a row.
        tokenizer: has `cls_id`, `sep_id` and `pad_id`.

    Returns:
        ids (B, T); segments (B, T): 1 for B and the [SEP] behind it, 0 for all else, padding too; and lengths
        (B,) without padding. All int64.
    """
    place = np.arange(T)
    a, b = spans.a_length[:, None], spans.b_length[:, None]
    length = 2 + a + np.where(b > 0, b + 1, 0)
    in_a = (place >= 1) & (place <= a)
    in_b = (place >= a + 2) & (place < a + 2 + b)

    source = np.where(in_a, spans.a_start[:, None] + place - 1, 0)
    source = np.where(in_b, spans.b_start[:, None] + place - a - 2, source)
    rows = np.where(in_a | in_b, ids[source].astype(np.int64), tokenizer.pad_id)  # (B, T)
    rows[:, 0] = tokenizer.cls_id
    rows = np.where((place == a + 1) | (place == length - 1), tokenizer.sep_id, rows)
    segments = ((place >= a + 2) & (place < length)).astype(np.int64)
    return rows, segments, length[:, 0]
