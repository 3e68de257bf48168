"""Next sentences: pairs of segments that fill the length (Devlin et al. 2019, section 3.1).

A pair meets at a sentence boundary. Segment A ends there; segment B starts there (the true next), or at a
sentence of another document (a random one). A is cut at its front and B at its end, so both keep the words
next to the boundary, and together they fill the length.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from minibert.batches.sampling import Bits, integers, uniform
from minibert.text.store import Store

SPLIT, COIN, OTHER = 11, 12, 13
"""One stream of random numbers for each question."""

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Spans:
    """Where the segments of B examples lie in the store's ids: [start, start + length); each (B,)."""

    a_start: Ints
    a_length: Ints
    b_start: Ints
    b_length: Ints


def boundaries(store: Store) -> Ints:
    """Return the sentences that have one before them in their document: where a pair may meet.

    Args:
        store: sentence s holds the tokens store.sentences[s] to store.sentences[s + 1] - 1, document d the
            sentences store.documents[d] to store.documents[d + 1] - 1.

    Returns:
        The numbers of the sentences (not their places among the tokens), rising, int64.
    """
    starts = np.ones(len(store.sentences) - 1, bool)
    starts[store.documents[:-1]] = False
    return np.flatnonzero(starts)


def require_pairs(store: Store) -> None:
    """Raise ValueError unless true and random next sentences can be drawn from `store`."""
    remedy = "Give a corpus with more text (blank lines divide documents), or train with --objective mlm."
    if len(store.documents) < 3:
        raise ValueError(
            "next-sentence pairs need at least 2 documents, for a random sentence comes from another "
            f"document; got {len(store.documents) - 1}. {remedy}"
        )
    if not len(boundaries(store)):
        raise ValueError(f"next-sentence pairs need a document with at least 2 sentences; got none. {remedy}")


def pair_spans(store: Store, meets: Ints, room: int, keys: Bits) -> tuple[Spans, Ints]:
    """Draw segment pairs: with equal chances the true next, or one from another document.

    A ends where the pair meets. The true B begins there; a random B at any sentence of the other documents,
    all with the same chance. Neither leaves its document, and neither is empty. A is meant to have a share of
    the room that is drawn evenly from [1/4, 3/4], and B the rest; what one cannot use, for its document ends,
    the other may.

    Args:
        store: the token ids, as of `boundaries`; at least two documents.
        meets: (B,), the sentence at whose start each pair meets, from `boundaries`.
        room: tokens that A and B may have together, at least 2.
        keys: (B,) uint64, random bits of each example: a pair is a pure function of its key and of `meets`.

    Returns:
        The spans, and labels (B,) int64: 0 = B is the true next, 1 = B is random, as in Hugging Face.
    """
    sentence_document = np.searchsorted(store.documents, meets, side="right") - 1  # (B,)
    label = (uniform(keys, COIN) < 0.5).astype(np.int64)

    first, last = store.documents[sentence_document], store.documents[sentence_document + 1]
    other = integers(len(store.sentences) - 1 - (last - first), keys, OTHER)
    other = np.where(other >= first, other + last - first, other)  # step over the pair's own document
    b_sentence = np.where(label == 0, meets, other)
    b_document = np.searchsorted(store.documents, b_sentence, side="right") - 1

    middle, b_start = store.sentences[meets], store.sentences[b_sentence]
    before = middle - store.sentences[first]  # tokens that A could have
    after = store.sentences[store.documents[b_document + 1]] - b_start  # tokens that B could have
    wish = np.maximum(1, (room * (0.25 + 0.5 * uniform(keys, SPLIT))).astype(np.int64))
    b_length = np.minimum(room - np.minimum(wish, before), after)
    a_length = np.minimum(room - b_length, before)
    return Spans(middle - a_length, a_length, b_start, b_length), label


def single_spans(store: Store, sentences: Ints, room: int) -> Spans:
    """Return one segment an example: `room` tokens from a sentence's start, or a document's last `room`."""
    document = np.searchsorted(store.documents, sentences, side="right") - 1
    first = store.sentences[store.documents[document]]
    last = store.sentences[store.documents[document + 1]]
    start = np.maximum(first, np.minimum(store.sentences[sentences], last - room))
    nothing = np.zeros_like(start)
    return Spans(start, np.minimum(room, last - start), nothing, nothing)
