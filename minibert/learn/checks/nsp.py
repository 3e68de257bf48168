"""What next-sentence pairs must fulfil.

Who draws which random numbers for what is free, so nothing here asks for certain numbers, but for what holds
of them: always, or within six standard deviations, which a right function misses once in 500 million times.
"""

from collections.abc import Sequence
from dataclasses import astuple
from typing import NamedTuple

import numpy as np

from minibert.batches.nsp import Spans, boundaries, pair_spans, single_spans
from minibert.batches.sampling import random_bits
from minibert.learn.compare import expect
from minibert.learn.sizes import Sizes
from minibert.text.store import Store

SIGMAS = 6


def store_of(documents: Sequence[Sequence[int]]) -> Store:
    """Return a store of documents, each given by the lengths of its sentences; its ids count the tokens."""
    lengths = [length for document in documents for length in document]
    sentences = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    counts = np.cumsum([len(document) for document in documents])
    names = [f"document {number}" for number in range(len(documents))]
    starts = np.concatenate([[0], counts]).astype(np.int64)
    return Store(np.arange(sentences[-1]), sentences, starts, names, "made by hand")


def draw_documents(size: Sizes, seed: int) -> list[list[int]]:
    """Return the sentence lengths of some documents, each of two sentences at least."""
    rng = np.random.default_rng(seed)
    return [rng.integers(1, 9, size=rng.integers(2, 8)).tolist() for _ in range(size.B + 2)]


class Drawn(NamedTuple):
    """Pairs, and where they could have been taken from."""

    store: Store
    meets: np.ndarray
    spans: Spans
    labels: np.ndarray

    @property
    def meeting_place(self) -> np.ndarray:
        """The token at which each pair meets."""
        return self.store.sentences[self.meets]

    def tell(self, index: int) -> str:
        """Return a pair in words."""
        a, a_length, b, b_length = (int(array[index]) for array in astuple(self.spans))
        kind = "random" if self.labels[index] else "true"
        return (
            f"a {kind} pair that meets at token {self.meeting_place[index]}: A is [{a}, {a + a_length}), "
            f"B is [{b}, {b + b_length}); the documents begin at "
            f"{self.store.sentences[self.store.documents].tolist()}"
        )

    def expect(self, right: np.ndarray, what: str) -> None:
        """Raise CheckError, with the first pair of which something is not right."""
        wrong = np.flatnonzero(~np.asarray(right))
        if len(wrong):
            expect(False, f"{what}\n{self.tell(int(wrong[0]))}")


def draw(documents: Sequence[Sequence[int]], room: int, seed: int, meets: Sequence[int], count: int) -> Drawn:
    """Return so many pairs that meet at these sentences, in turn."""
    store = store_of(documents)
    where = np.resize(np.asarray(meets, np.int64), count)
    spans, labels = pair_spans(store, where, room, random_bits(seed, 0, np.arange(count)))
    return Drawn(store, where, spans, labels)


def draw_some(size: Sizes, seed: int, room: int = 12, rounds: int = 20) -> Drawn:
    """Return pairs that meet at every boundary of some documents, several times."""
    documents = draw_documents(size, seed)
    meets = by_pencil(documents)
    return draw(documents, room, seed, meets, rounds * len(meets))


def documents_of(store: Store, places: np.ndarray) -> np.ndarray:
    """Return in which documents tokens stand."""
    return np.searchsorted(store.sentences[store.documents], places, side="right") - 1


def expect_share(count: int, of: int, share: float, what: str) -> None:
    """Raise CheckError unless a count is a share of a number, give or take six standard deviations."""
    bound = SIGMAS * np.sqrt(share * (1 - share) / of)
    got = count / of
    expect(
        abs(got - share) < bound,
        f"{what}: expected {100 * share:.1f} %, give or take {100 * bound:.1f}, got {100 * got:.1f} %",
    )


# ---------------------------------------------------------------- boundaries


def by_pencil(documents: Sequence[Sequence[int]]) -> list[int]:
    """Return the sentences that have one before them, counted document by document."""
    found, sentence = [], 0
    for document in documents:
        found += range(sentence + 1, sentence + len(document))
        sentence += len(document)
    return found


def expect_boundaries(documents: Sequence[Sequence[int]]) -> None:
    """Raise CheckError unless the boundaries are those that are counted with a pencil."""
    got = np.asarray(boundaries(store_of(documents)))
    expected = by_pencil(documents)
    expect(
        got.tolist() == expected and got.dtype == np.int64,
        f"documents whose sentences are {documents} tokens long: expected {expected} in int64, "
        f"got {got.tolist()} in {got.dtype}",
    )


def check_boundaries_by_hand() -> None:
    """Of sentences 0 1 2 | 3 | 4 5, those with one before them in their document are 1, 2 and 5."""
    expect_boundaries([[3, 2, 4], [5], [2, 2]])


def check_where_every_document_has_one_sentence_nothing_can_meet() -> None:
    """There are no boundaries then; and in a single document all but its first sentence are."""
    expect_boundaries([[3], [5], [2]])
    expect_boundaries([[3, 5, 2]])


def check_boundaries_of_any_documents(size: Sizes, seed: int) -> None:
    """Against those that are counted document by document."""
    rng = np.random.default_rng(seed)
    expect_boundaries([rng.integers(1, 9, size=rng.integers(1, 6)).tolist() for _ in range(size.N + 1)])


# ---------------------------------------------------------------- pairs


def check_a_pair_by_hand() -> None:
    """Two documents, room for all: A is what stands before the meeting place, B what stands behind it."""
    drawn = draw([[2, 3, 4], [5]], 100, 0, meets=[2], count=40)
    for index in range(40):
        expected = (0, 5, 9, 5) if drawn.labels[index] else (0, 5, 5, 4)
        got = tuple(int(array[index]) for array in astuple(drawn.spans))
        expect(
            got == expected,
            f"expected A at {expected[0]}, {expected[1]} long, and B at {expected[2]}, {expected[3]} long; "
            f"got {drawn.tell(index)}",
        )


def check_a_ends_where_the_pair_meets(size: Sizes, seed: int) -> None:
    """A is cut at its front, so that it keeps the words next to the boundary, in true and random pairs."""
    drawn = draw_some(size, seed)
    drawn.expect(drawn.spans.a_start + drawn.spans.a_length == drawn.meeting_place, "A ends somewhere else")


def check_a_true_b_begins_where_the_pair_meets(size: Sizes, seed: int) -> None:
    """Label 0 says that B is what follows A."""
    drawn = draw_some(size, seed)
    right = (drawn.labels == 1) | (drawn.spans.b_start == drawn.meeting_place)
    drawn.expect(right, "a true B begins somewhere else")


def check_half_the_pairs_are_random(seed: int) -> None:
    """Label 1, in as many pairs as label 0."""
    drawn = draw([[1] * 1201, [1, 1]], 12, seed, meets=range(1, 1201), count=1200)
    labels = np.asarray(drawn.labels)
    expect(labels.dtype == np.int64, f"labels: expected int64, got {labels.dtype}")
    kinds = set(labels.tolist())
    expect(kinds <= {0, 1}, f"labels: expected 0 and 1, got {sorted(kinds)}")
    expect_share(int(labels.sum()), 1200, 0.5, "share of the random pairs")


def check_a_random_b_comes_from_another_document(size: Sizes, seed: int) -> None:
    """Else it could be the true next one, or at least be about the same."""
    drawn = draw_some(size, seed)
    own = documents_of(drawn.store, drawn.meeting_place)
    others = documents_of(drawn.store, drawn.spans.b_start)
    drawn.expect((drawn.labels == 0) | (own != others), "a random B comes from the document of A")


def check_b_begins_with_a_sentence(size: Sizes, seed: int) -> None:
    """If it began in the middle of one, it would be seen at once that it is random."""
    drawn = draw_some(size, seed)
    drawn.expect(np.isin(drawn.spans.b_start, drawn.store.sentences), "B begins in the middle of a sentence")


SEVERAL = [[3, 2], [2, 4, 3], [5], [1, 2, 3, 4, 5, 6], [2, 2]]
"""Documents of different lengths; the sentences 3 and 4 have one before them in the second."""


def random_sentences(seed: int) -> tuple[Store, np.ndarray]:
    """Return at which sentences the random B of many pairs begin, whose A is in the second document."""
    drawn = draw(SEVERAL, 12, seed, meets=[3], count=1500)
    starts = drawn.spans.b_start[drawn.labels == 1]
    return drawn.store, np.searchsorted(drawn.store.sentences, starts)


def check_every_other_document_comes(seed: int) -> None:
    """Those before the document of A, and those behind it, not only the next one."""
    store, sentences = random_sentences(seed)
    found = np.unique(np.searchsorted(store.documents, sentences, side="right") - 1).tolist()
    if len(sentences) >= 300:
        expect(
            set(found) >= {0, 2, 3, 4},
            f"A in document 1 of 0 to 4: expected random B from 0, 2, 3 and 4, got them from {found}",
        )


def check_every_other_sentence_comes_equally_often(seed: int) -> None:
    """A long document is drawn more often than a short one, for it has more sentences."""
    store, sentences = random_sentences(seed)
    counts = np.bincount(sentences, minlength=len(store.sentences))[: len(store.sentences) - 1]
    others = np.delete(counts, slice(*store.documents[1:3]))
    if len(sentences) >= 300:
        off = float(np.abs(others - others.mean()).max())
        expect(
            off < SIGMAS * np.sqrt(others.mean()),
            "how often a random B begins at each sentence of the other documents: expected about the same, "
            f"got {others.tolist()}",
        )


def check_a_stays_in_its_document(size: Sizes, seed: int) -> None:
    """It does not reach back into the one before."""
    for room in (5, 30, 1000):
        drawn = draw_some(size, seed, room, rounds=4)
        inside = documents_of(drawn.store, drawn.spans.a_start) == documents_of(
            drawn.store, drawn.meeting_place - 1
        )
        drawn.expect(inside, f"room {room}: A begins in another document")


def check_b_stays_in_its_document(size: Sizes, seed: int) -> None:
    """It does not run on into the next one."""
    for room in (5, 30, 1000):
        drawn = draw_some(size, seed, room, rounds=4)
        last = drawn.spans.b_start + drawn.spans.b_length - 1
        inside = documents_of(drawn.store, drawn.spans.b_start) == documents_of(drawn.store, last)
        drawn.expect(inside | (drawn.spans.b_length < 1), f"room {room}: B ends in another document")


def check_no_segment_is_empty(size: Sizes, seed: int) -> None:
    """Not even where there is room for two tokens alone."""
    for room in (2, 3, 4, 12):
        drawn = draw_some(size, seed, room, rounds=4)
        drawn.expect(np.minimum(drawn.spans.a_length, drawn.spans.b_length) > 0, f"room {room}: one is empty")


def check_together_they_have_no_more_than_the_room(size: Sizes, seed: int) -> None:
    """Whatever their documents would still have."""
    for room in (2, 5, 12, 30):
        drawn = draw_some(size, seed, room, rounds=4)
        drawn.expect(drawn.spans.a_length + drawn.spans.b_length <= room, f"more than a room of {room}")


def check_what_a_cannot_use_b_may() -> None:
    """Before the meeting place are 3 tokens: of a room of 40, 37 are left for B."""
    expect_lengths([[3, 100], [100, 100]], meets=1, a=3, b=37)


def check_what_b_cannot_use_a_may() -> None:
    """Behind the meeting place are 3 tokens, and so there are in every other document: 37 are left for A."""
    expect_lengths([[100, 3], [3], [3]], meets=1, a=37, b=3)


def expect_lengths(documents: Sequence[Sequence[int]], meets: int, a: int, b: int) -> None:
    """Raise CheckError unless the segments of 40 pairs, with a room of 40, all have these lengths."""
    drawn = draw(documents, 40, 0, [meets], 40)
    right = (drawn.spans.a_length == a) & (drawn.spans.b_length == b)
    drawn.expect(right, f"room 40: expected {a} tokens for A and {b} for B")


def check_the_room_is_filled_unless_the_documents_end(size: Sizes, seed: int) -> None:
    """Padding is only where both have nothing more to give."""
    drawn = draw_some(size, seed)
    starts = drawn.store.sentences[drawn.store.documents]
    full = drawn.spans.a_length + drawn.spans.b_length >= 12
    own, other = (documents_of(drawn.store, at) for at in (drawn.meeting_place - 1, drawn.spans.b_start))
    used_up = (drawn.spans.a_start <= starts[own]) & (
        drawn.spans.b_start + drawn.spans.b_length >= starts[other + 1]
    )
    drawn.expect(full | used_up, "room 12: it is not filled, though a document has more")


def draw_long(seed: int) -> Drawn:
    """Return 400 pairs with a room of 100, from documents that have more than that on either side."""
    return draw([[500, 500], [500, 500]], 100, seed, meets=[1], count=400)


def check_a_has_between_a_quarter_and_three_quarters_of_the_room(seed: int) -> None:
    """So that neither segment is all too short."""
    drawn = draw_long(seed)
    right = (drawn.spans.a_length >= 24) & (drawn.spans.a_length <= 76)
    drawn.expect(right, "room 100: expected 25 to 75 tokens for A")


def check_the_share_of_a_is_drawn_anew_for_every_pair(seed: int) -> None:
    """Evenly: a quarter, three quarters, and all between, so that the place of [SEP] tells nothing."""
    lengths = draw_long(seed).spans.a_length
    low, high, mean = int(lengths.min()), int(lengths.max()), float(lengths.mean())
    bound = SIGMAS * 50 / np.sqrt(12 * 400)
    expect(
        low < 35 and high > 65 and abs(mean - 50) < bound,
        f"room 100: expected A to be 25 to 75 tokens long, 50 on the average, give or take {bound:.1f}; "
        f"got {low} to {high}, {mean:.1f} on the average",
    )


def check_the_share_of_a_does_not_depend_on_the_label(seed: int) -> None:
    """Else the model need only look where [SEP] stands."""
    drawn = draw_long(seed)
    true, random = (drawn.spans.a_length[drawn.labels == label] for label in (0, 1))
    if min(len(true), len(random)) >= 50:
        bound = SIGMAS * 50 / np.sqrt(12) * np.sqrt(1 / len(true) + 1 / len(random))
        expect(
            abs(true.mean() - random.mean()) < bound,
            f"mean length of A: {true.mean():.1f} in true pairs, {random.mean():.1f} in random ones; "
            f"expected the same, give or take {bound:.1f}",
        )


def check_other_keys_give_other_pairs_at_the_same_place(seed: int) -> None:
    """In every epoch the keys are others: the label, the share and the random B are drawn anew."""
    drawn = draw([[500, 500], [500, 500, 500], [500] * 5], 100, seed, meets=[1], count=200)
    labels = np.unique(drawn.labels).tolist()
    shares = len(np.unique(drawn.spans.a_length))
    others = len(np.unique(drawn.spans.b_start[drawn.labels == 1]))
    expect(
        labels == [0, 1] and shares > 5 and others > 2,
        "200 pairs that meet at one place, with 200 keys: expected both labels, many lengths of A and many "
        f"random B; got the labels {labels}, {shares} lengths of A, {others} random B",
    )


def answers(size: Sizes, seed: int, some: slice) -> list[list[int]]:
    """Return all about some of the pairs, drawn in a batch of their own, one line for each."""
    documents = draw_documents(size, seed)
    meets = np.resize(by_pencil(documents), 40)
    keys = random_bits(seed, 0, np.arange(40))
    spans, labels = pair_spans(store_of(documents), meets[some], 12, keys[some])
    return np.stack([*astuple(spans), labels], axis=1).tolist()


def check_the_same_keys_give_the_same_pairs(size: Sizes, seed: int) -> None:
    """Asked again, each pair is as before: there is no generator that goes on."""
    same = answers(size, seed, slice(None)) == answers(size, seed, slice(None))
    expect(same, "the same keys gave other pairs the second time; nothing but key and place may decide")


def check_a_pair_does_not_depend_on_the_others(size: Sizes, seed: int) -> None:
    """Each key stands for its own pair, so it does not matter how the examples are batched."""
    whole = answers(size, seed, slice(None))
    for first in (1, 20, 39):
        expect(
            answers(size, seed, slice(first, None)) == whole[first:],
            f"the last {40 - first} of 40 pairs came out otherwise in a batch of their own",
        )


# ---------------------------------------------------------------- one segment


def expect_single(
    documents: Sequence[Sequence[int]], sentences: list[int], room: int, expected: list[tuple[int, int]]
) -> None:
    """Raise CheckError unless single segments begin where they should, and have the right lengths."""
    spans = single_spans(store_of(documents), np.array(sentences), room)
    got = list(zip(spans.a_start.tolist(), spans.a_length.tolist(), strict=True))
    what = f"sentences {sentences} of documents of {documents} tokens, with a room of {room}"
    expect(got == expected, f"{what}: expected (start, length) = {expected}, got {got}")
    expect((spans.b_length == 0).all(), f"{what}: expected no B, got lengths of {spans.b_length.tolist()}")


def check_single_segments_by_hand() -> None:
    """From the sentence on; or the last of the document, where too little follows; or the whole document."""
    documents = [[4, 3, 3], [2, 1], [9]]
    expect_single(documents, [0, 1], 5, [(0, 5), (4, 5)])
    expect_single(documents, [2], 5, [(5, 5)])
    expect_single(documents, [3, 4], 5, [(10, 3), (10, 3)])
    expect_single(documents, [5, 0], 9, [(13, 9), (0, 9)])


def check_single_segments_fill_the_room_and_stay_in_their_document(size: Sizes, seed: int) -> None:
    """Against those that are counted with a pencil."""
    documents = draw_documents(size, seed)
    for room in (3, 12, 100):
        sentence = token = 0
        expected = []
        for document in documents:
            end = token + sum(document)
            for index in range(len(document)):
                start = max(token, min(token + sum(document[:index]), end - room))
                expected.append((start, min(room, end - start)))
            token, sentence = end, sentence + len(document)
        expect_single(documents, list(range(sentence)), room, expected)
