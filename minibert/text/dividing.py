"""Labelled texts divided: to learn from, to choose by, to measure on; apart, and of each label its share."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Literal

import numpy as np

from minibert.text.labelled import Label

Side = Literal["train", "validation", "test"]

BINS = 10
"""Numbers are divided by their rank, into so many strata."""


def strata(labels: Sequence[Label]) -> list[str]:
    """Return for each text the stratum in which it is drawn, so that every label gets its share.

    A class is a stratum; a text with several labels belongs to the rarest of its own; numbers are ranked, and
    each tenth of the ranks is a stratum.
    """
    numbers = np.array([label for label in labels if isinstance(label, float)])
    ranks = iter(np.argsort(np.argsort(numbers, kind="stable"), kind="stable").tolist())
    counts = Counter(name for label in labels if isinstance(label, tuple) for name in label)
    found = []
    for label in labels:
        match label:
            case float():
                found.append(str(next(ranks) * BINS // len(numbers)))
            case tuple():
                found.append(min(label, key=lambda name: (counts[name], name), default=""))
            case _:
                found.append(label or "")
    return found


def quotas(sizes: Sequence[int], total: int) -> list[int]:
    """Divide `total` among strata in proportion to their sizes, in whole numbers that add up to it.

    Each gets the whole part of total * size / sum(sizes); what is left goes, one each, to the largest
    fractions (Hamilton's method of largest remainders), the first of equals first.
    """
    everything = max(sum(sizes), 1)
    whole = [total * size // everything for size in sizes]
    by_fraction = sorted(range(len(sizes)), key=lambda i: -(total * sizes[i] % everything))
    for i in by_fraction[: total - sum(whole)]:
        whole[i] += 1
    return whole


def divide(
    keys: Sequence[str],
    strata: Sequence[str],
    groups: Sequence[int],
    shares: tuple[float, float] = (0.1, 0.1),
    seed: int = 0,
) -> list[Side]:
    """Return the side of each text: a stratified random split that keeps groups together.

    Within a stratum the order is drawn by the hash of seed and text, so that it depends neither on the order
    of the texts nor on what else there is. A group counts as its text with the smallest key. The first of
    each stratum is learned from, however small the stratum is.

    Args:
        keys: the key of each text, see `duplicates.key`.
        strata: the stratum of each text.
        groups: the number of the group of each text: what is the same, or nearly.
        shares: of the texts for validation and for the test.
        seed: another one gives another split.
    """
    by_stratum = _drawn_groups(keys, strata, groups, seed)
    names = sorted(by_stratum, key=lambda name: _drawn(seed, name))  # of equals the first get more
    sizes = [sum(map(len, by_stratum[name])) for name in names]
    tests = quotas(sizes, round(shares[1] * len(keys)))
    left = [size - test for size, test in zip(sizes, tests, strict=True)]
    validations = quotas(left, round(shares[0] * len(keys)))
    held_out: dict[int, Side] = {}
    for name, test, validation in zip(names, tests, validations, strict=True):
        for rows in by_stratum[name][1:]:
            if len(rows) <= test:
                test -= len(rows)
                held_out.update((row, "test") for row in rows)
            elif len(rows) <= validation:
                validation -= len(rows)
                held_out.update((row, "validation") for row in rows)
    return [held_out.get(row, "train") for row in range(len(keys))]


def folds(
    keys: Sequence[str], strata: Sequence[str], groups: Sequence[int], count: int, seed: int = 0
) -> list[int]:
    """Return for each text in which of `count` folds it is: groups whole, and of each stratum equal shares.

    The groups of a stratum are dealt in their order, each to the fold that has the fewest texts of the
    stratum, and of those to the one that has the fewest in all. Arguments as of `divide`.
    """
    found = [0] * len(keys)
    sizes = [0] * count
    for _, dealt in sorted(_drawn_groups(keys, strata, groups, seed).items()):
        own = [0] * count
        for rows in dealt:
            fold = min(range(count), key=lambda fold: (own[fold], sizes[fold]))
            own[fold] += len(rows)
            sizes[fold] += len(rows)
            for row in rows:
                found[row] = fold
    return found


def _drawn_groups(
    keys: Sequence[str], strata: Sequence[str], groups: Sequence[int], seed: int
) -> dict[str, list[list[int]]]:
    """Return the groups of each stratum in a random order, each as its rows; see `divide`."""
    by_group: dict[int, list[int]] = defaultdict(list)
    for row, number in enumerate(groups):
        by_group[number].append(row)
    by_stratum: dict[str, list[list[int]]] = defaultdict(list)
    for rows in by_group.values():
        rows.sort(key=lambda row: keys[row])
        by_stratum[strata[rows[0]]].append(rows)
    for own in by_stratum.values():
        own.sort(key=lambda rows: _drawn(seed, keys[rows[0]]))
    return by_stratum


def choose(keys: Sequence[str], strata: Sequence[str], count: int, seed: int = 0) -> list[int]:
    """Return `count` of the texts, in their order: of each stratum its share, one at least if there is room.

    The order within a stratum is that of `divide`. Raises ValueError for more than there are.
    """
    if count > len(keys):
        raise ValueError(f"there are {len(keys):,} texts to learn from, got --examples {count}")
    by_stratum: dict[str, list[int]] = defaultdict(list)
    for row in sorted(range(len(keys)), key=lambda row: (_drawn(seed, keys[row]), row)):
        by_stratum[strata[row]].append(row)
    names = sorted(by_stratum, key=lambda name: _drawn(seed, name))
    least = int(count >= len(names))
    more = quotas([len(by_stratum[name]) - least for name in names], count - least * len(names))
    chosen = [by_stratum[name][: least + n] for name, n in zip(names, more, strict=True)]
    return sorted(row for rows in chosen for row in rows)


def _drawn(seed: int, key: str) -> str:
    """Return where a text stands in the random order of a seed."""
    return hashlib.sha256(f"{seed} {key}".encode()).hexdigest()
