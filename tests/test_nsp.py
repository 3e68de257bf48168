"""Segment pairs: half true, half from another document, and they fill the length."""

import numpy as np
import pytest
from by_hand import by_hand
from small_runs import small_store, small_tokenizer

from minibert.batches.nsp import boundaries, pair_spans, require_pairs
from minibert.batches.sampling import random_bits
from minibert.learn.checks import nsp as checks

test_by_hand = by_hand(checks)


def test_in_the_pairs_of_a_text_padding_is_rare(tmp_path):
    store = small_store(tmp_path, small_tokenizer())
    meets = np.tile(boundaries(store), 40)
    spans, _ = pair_spans(store, meets, 29, random_bits(1, 0, np.arange(len(meets))))
    assert (spans.a_length + spans.b_length == 29).mean() > 0.9


def test_one_document_is_explained_and_mlm_suggested(tmp_path):
    with pytest.raises(ValueError, match=r"at least 2 documents.*got 1\. .*--objective mlm"):
        require_pairs(small_store(tmp_path, small_tokenizer(), count=1))


def test_one_sentence_a_document_is_explained_and_mlm_suggested(tmp_path):
    with pytest.raises(ValueError, match=r"at least 2 sentences; got none\. .*--objective mlm"):
        require_pairs(small_store(tmp_path, small_tokenizer(), count=3, sentences=1))
