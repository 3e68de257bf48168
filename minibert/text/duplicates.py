"""Which texts are the same, or nearly: in time that grows with the text, not with the pairs of texts.

Two texts are nearly the same when the sets A, B of their runs of five words overlap by half or more:

    J(A, B) = |A ∩ B| / |A ∪ B| >= 1/2                          (Jaccard)

To compare all pairs would take a day for a million texts. MinHash (Broder 1997) finds the pairs worth a look:
under a random order of all runs, the first of A is the first of B with probability J(A, B), for the first of
A ∪ B is equally likely to be any of them. So each text is described by its first runs under 48 orders; and
two texts are compared where, of the 24 bands of two orders each, one agrees in both. A pair is missed with
probability (1 - J²)^24: one in a thousand at J = 1/2, none to speak of above.
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RUN = 5
"""Words in a run."""

LIKENESS = 0.5
"""From this Jaccard on, two texts count as nearly the same."""

BANDS = 24
"""Chances of a pair to be noticed."""

NEIGHBOURS = 8
"""A text is compared with so many of those that share a band with it: keeps the time linear where many do."""

Hashes = NDArray[np.uint64]
Ints = NDArray[np.int64]


def folded(text: str) -> str:
    """Return a text in lower case, with single spaces: texts that differ in no more are the same."""
    return " ".join(text.lower().split())


def key(text: str) -> str:
    """Return the sha256 of the folded text, in hex."""
    return hashlib.sha256(folded(text).encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True)
class Groups:
    """Texts that are the same or nearly, put together."""

    numbers: Ints
    """(N,) for each text the place of the first one of its group; its own where it is alone."""
    repeats: int
    """How many texts are the same as an earlier one."""
    near: int
    """How many more are in a group with an earlier one, and not the same."""


def group(texts: Sequence[str]) -> Groups:
    """Put together the texts that are the same or nearly the same, and what these are nearly the same as."""
    first: dict[str, int] = {}
    numbers = np.array([first.setdefault(key(text), place) for place, text in enumerate(texts)], np.int64)
    distinct = np.unique(numbers)
    leaders = list(range(len(distinct)))
    for a, b in near_pairs([texts[int(place)] for place in distinct]):
        a, b = sorted((_leader(leaders, a), _leader(leaders, b)))
        leaders[b] = a
    led = np.array([_leader(leaders, place) for place in leaders], np.int64)
    near = int((led != np.arange(len(led))).sum())
    return Groups(distinct[led[np.searchsorted(distinct, numbers)]], len(texts) - len(distinct), near)


def _leader(leaders: list[int], place: int) -> int:
    """Return the first of the group, in a forest where each points towards it; shorten the way."""
    while leaders[place] != place:
        leaders[place] = place = leaders[leaders[place]]
    return place


def near_pairs(texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield the places of the texts that are nearly the same, two by two."""
    if len(texts) < 2:
        return
    values, starts = runs(texts)
    for a, b in candidates(signatures(values, starts)):
        one, other = (np.unique(values[starts[place] : starts[place + 1]]) for place in (a, b))
        if jaccard(one, other) >= LIKENESS:
            yield a, b


def jaccard(one: Hashes, other: Hashes) -> float:
    """Return |A ∩ B| / |A ∪ B| of two sets, each an array without repeats."""
    shared = len(np.intersect1d(one, other, assume_unique=True))
    return shared / (len(one) + len(other) - shared)


# ---------------------------------------------------------------- runs of words


SIGNS = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
"""Characters of Chinese and Japanese, which are written without spaces between words."""

WORD = re.compile(f"[{SIGNS}]|[^\\W{SIGNS}]+")


def words(text: str) -> list[str]:
    """Return the words of a text in lower case; of Chinese and Japanese, the characters.

    A text without any is a word itself.
    """
    return WORD.findall(text.lower()) or [folded(text)]


def runs(texts: Sequence[str]) -> tuple[Hashes, Ints]:
    """Return the hashes of all runs of words, one text after the other, and where those of each text begin.

    A text of fewer words than a run is one run. The hash of a run of words with hashes w is the sum of
    w_j P^j modulo 2^64, of no use against an adversary and good enough for texts.

    Returns:
        (R,) hashes, and (N + 1,) places in it: those of text i are values[starts[i] : starts[i + 1]].
    """
    hashes: dict[str, int] = {}
    flat: list[int] = []
    lengths = np.empty(len(texts), np.int64)
    for place, text in enumerate(texts):
        of_text = words(text)
        for word in of_text:
            if word not in hashes:
                hashes[word] = _hash(word)
        flat += [hashes[word] for word in of_text]
        flat += [0] * (RUN - len(of_text))
        lengths[place] = max(len(of_text), RUN)
    w = np.array(flat, np.uint64)
    powers = _odd(RUN)
    values = np.zeros(len(w) - RUN + 1, np.uint64)
    for j in range(RUN):
        values += powers[j] * w[j : j + len(values)]

    ends = np.cumsum(lengths)
    inside = np.ones(len(values), bool)  # a run that would go on into the next text is none
    for j in range(1, RUN):
        inside[ends[:-1] - j] = False
    return values[inside], np.concatenate([[0], np.cumsum(lengths - RUN + 1)])


def _hash(word: str) -> int:
    """Return 64 bits."""
    return int.from_bytes(hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest())


# ---------------------------------------------------------------- MinHash


def signatures(values: Hashes, starts: Ints, orders: int = 2 * BANDS) -> Hashes:
    """Return the first run of each text under several random orders: (N, orders).

    An order is that of a x + b modulo 2^64, for an odd a.
    """
    a, b = _odd(2 * orders).reshape(2, orders)
    return np.stack([np.minimum.reduceat(values * a[k] + b[k], starts[:-1]) for k in range(orders)], axis=1)


def candidates(signature: Hashes) -> Iterator[tuple[int, int]]:
    """Yield the places of texts that agree in a whole band of the signatures (N, 2 BANDS), each pair once."""
    N, orders = signature.shape
    mix = _odd(2)
    found = []
    for band in range(0, orders, 2):
        both = signature[:, band] * mix[0] + signature[:, band + 1] * mix[1]
        order = np.argsort(both, kind="stable")
        for gap in range(1, min(NEIGHBOURS + 1, N)):
            equal = both[order[gap:]] == both[order[:-gap]]
            found.append(order[:-gap][equal] * N + order[gap:][equal])
    for pair in np.unique(np.concatenate(found)).tolist():
        yield divmod(pair, N)


def _odd(count: int) -> Hashes:
    """Return odd numbers, always the same ones."""
    return np.random.default_rng(0).integers(1 << 63, size=count, dtype=np.uint64) * np.uint64(2) + np.uint64(
        1
    )
