"""The loop that byte-pair encoding and WordPiece share: merge the most frequent pair, again and again."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from heapq import heapify, heappop, heappush
from itertools import pairwise
from typing import Any, TypeVar

Piece = TypeVar("Piece")


def merges(
    words: Mapping[tuple[Piece, ...], int], join: Callable[[Piece, Piece], Piece]
) -> Iterator[tuple[tuple[Piece, Piece], int]]:
    """Yield the pairs to merge and how often they stand together, most frequent first, until none is left.

    `words` maps each word, cut into its smallest pieces, to how often it occurs. A pair counts as often as
    it stands in a word, times how often that occurs; in ("a", "a", "a") the pair a-a stands twice. `join`
    gives the piece that a pair becomes, and is called once for each pair, after it was yielded. Of pairs
    that are equally frequent the smaller one, as Python compares tuples, goes first (Sennrich et al. 2016,
    algorithm 1).

    Only what stands around a merged pair is counted anew: a merge costs what it changes.
    """
    cuts = [list(word) for word in words]  # each word as it is cut now
    times = list(words.values())
    counts: Counter[tuple[Piece, Piece]] = Counter()
    where: defaultdict[tuple[Piece, Piece], set[int]] = defaultdict(set)  # the words that hold a pair
    for number, cut in enumerate(cuts):
        for pair in pairwise(cut):
            counts[pair] += times[number]
            where[pair].add(number)

    heap: list[Any] = [(-count, pair) for pair, count in counts.items()]
    heapify(heap)
    while heap:
        count, pair = heappop(heap)
        if counts[pair] != -count:  # other merges have taken some of them
            if counts[pair]:
                heappush(heap, (-counts[pair], pair))
            continue
        yield pair, counts[pair]
        piece = join(*pair)

        new: defaultdict[tuple[Piece, Piece], set[int]] = defaultdict(set)
        for number in where.pop(pair):
            cut = cuts[number]
            places = [place for place, each in enumerate(pairwise(cut)) if each == pair]
            if not places:  # `where` may be out of date: other merges have taken them
                continue
            changed = slice(max(0, places[0] - 1), places[-1] + 3)  # with a neighbour at each end
            before, after = cut[changed], merge(cut[changed], pair, piece)
            cut[changed] = after
            for each in pairwise(before):
                counts[each] -= times[number]
            for each in pairwise(after):
                counts[each] += times[number]
                if piece in each:
                    new[each].add(number)
        where |= new
        for each in new:
            heappush(heap, (-counts[each], each))


def merge(cut: Sequence[Piece], pair: tuple[Piece, Piece], piece: Piece) -> list[Piece]:
    """Return a cut word in which every `pair`, from left to right, is the one `piece`.

    With the pair a-a and the piece "aa", ["a", "a", "a"] becomes ["aa", "a"]. `cut` itself is not changed.
    """
    merged: list[Piece] = []
    for right in cut:
        if merged and (merged[-1], right) == pair:
            merged[-1] = piece
        else:
            merged.append(right)
    return merged
