"""Segment pairs: half true, half from another document, and they fill the length."""

import numpy as np
import pytest
from small_runs import small_store, small_tokenizer

from minibert.batches.nsp import boundaries, pair_spans, require_pairs, single_spans
from minibert.batches.sampling import random_bits


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return small_store(tmp_path_factory.mktemp("nsp"), small_tokenizer())


def document_of(store, places):
    starts = store.sentences[store.documents]
    return np.searchsorted(starts, places, side="right") - 1


def draw(store, room=29, rounds=40):
    meets = np.tile(boundaries(store), rounds)
    spans, labels = pair_spans(store, meets, room, random_bits(1, 0, np.arange(len(meets))))
    return meets, spans, labels


def test_boundaries_have_a_sentence_before_them_in_their_document(store):
    meets = boundaries(store)
    assert len(meets) == len(store.sentences) - 1 - (len(store.documents) - 1)
    before, after = store.sentences[meets] - 1, store.sentences[meets]
    assert (document_of(store, before) == document_of(store, after)).all()


def test_half_the_pairs_are_true(store):
    _, _, labels = draw(store)
    assert abs(labels.mean() - 0.5) < 5 * np.sqrt(0.25 / len(labels))


def test_a_true_pair_meets_at_the_boundary(store):
    meets, spans, labels = draw(store)
    assert (spans.a_start + spans.a_length == store.sentences[meets]).all()
    true = labels == 0
    assert (spans.b_start[true] == store.sentences[meets][true]).all()


def test_a_random_segment_comes_from_another_document_at_a_sentence_start(store):
    _, spans, labels = draw(store)
    random = labels == 1
    assert (document_of(store, spans.a_start) != document_of(store, spans.b_start))[random].all()
    assert np.isin(spans.b_start, store.sentences).all()


def test_random_segments_come_from_every_other_sentence_equally_often(store):
    meets, spans, labels = draw(store, rounds=200)
    first = document_of(store, store.sentences[meets]) == 0
    drawn = spans.b_start[first & (labels == 1)]
    counts = np.bincount(np.searchsorted(store.sentences, drawn), minlength=len(store.sentences) - 1)
    assert (counts[: store.documents[1]] == 0).all()
    rest = counts[store.documents[1] :]
    assert np.abs(rest - rest.mean()).max() < 5 * np.sqrt(rest.mean())


@pytest.mark.parametrize("room", [2, 5, 29, 61, 5000])
def test_no_segment_leaves_its_document_or_is_empty(store, room):
    _, spans, _ = draw(store, room, rounds=4)
    for start, length in ((spans.a_start, spans.a_length), (spans.b_start, spans.b_length)):
        assert length.min() >= 1
        assert (document_of(store, start) == document_of(store, start + length - 1)).all()
    assert (spans.a_length + spans.b_length).max() <= room


def test_segments_fill_the_room_unless_their_documents_end(store):
    meets, spans, _ = draw(store)
    starts = store.sentences[store.documents]
    a_document, b_document = document_of(store, spans.a_start), document_of(store, spans.b_start)
    full = spans.a_length + spans.b_length == 29
    a_used_up = spans.a_start == starts[a_document]
    b_used_up = spans.b_start + spans.b_length == starts[b_document + 1]
    assert (full | (a_used_up & b_used_up)).all()
    assert full.mean() > 0.9


def test_single_segments_fill_the_room_and_stay_in_their_document(store):
    sentences = np.arange(len(store.sentences) - 1)
    spans = single_spans(store, sentences, 30)
    assert (document_of(store, spans.a_start) == document_of(store, store.sentences[sentences])).all()
    assert (document_of(store, spans.a_start + spans.a_length - 1) == document_of(store, spans.a_start)).all()
    assert (spans.a_length == 30).all() and (spans.b_length == 0).all()


def test_one_document_is_explained_and_mlm_suggested(tmp_path):
    with pytest.raises(ValueError, match=r"at least 2 documents.*got 1\. .*--objective mlm"):
        require_pairs(small_store(tmp_path, small_tokenizer(), count=1))


def test_one_sentence_a_document_is_explained_and_mlm_suggested(tmp_path):
    with pytest.raises(ValueError, match=r"at least 2 sentences; got none\. .*--objective mlm"):
        require_pairs(small_store(tmp_path, small_tokenizer(), count=3, sentences=1))
