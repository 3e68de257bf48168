"""Blocks of the running text: where they begin, and for each token the one that follows it."""

import numpy as np
from numpy.typing import NDArray

from minibert.batches.sampling import integers, random_bits

PHASE = 21
"""The stream of random numbers that says where the first block of an epoch begins."""

Ints = NDArray[np.int64]


def block_starts(epochs: Ints, numbers: Ints, T: int, n: int, seed: int) -> Ints:
    """Return where in the text blocks begin.

        start = (phase of the epoch + number T) modulo n

    The text is a ring: its first token follows its last. An epoch is n // T blocks, one right behind the
    other; where the first of them begins is drawn anew for each epoch, from all n places. So every token is
    predicted once an epoch, but for the n % T that make no whole block, which are others each time. And no
    token stands in every epoch at the front of a block, where there is little to tell it from.

    Args:
        epochs: (B,), counted from 0.
        numbers: (B,), which block of its epoch each one is, in [0, n // T).
        T: tokens of a block.
        n: tokens of the text.
        seed: the run's seed. The phase of an epoch is integers(n, random_bits(seed, epoch), PHASE).

    Returns:
        (B,) int64, in [0, n).
    """
    phases = integers(n, random_bits(seed, epochs), PHASE)
    return (phases + numbers * T) % n


def cut_blocks(ids: NDArray[np.integer], starts: Ints, T: int) -> tuple[Ints, Ints]:
    """Return blocks of the text, and the tokens to predict: the same, one place further on.

        inputs[b, t]  = ids[(starts[b] + t) modulo n]
        targets[b, t] = ids[(starts[b] + t + 1) modulo n]

    So the target of the last token is the first one behind the block.

    Args:
        ids: (n,), the text, of any integer type.
        starts: (B,), where the blocks begin, in [0, n).
        T: tokens of a block.

    Returns:
        inputs (B, T) and targets (B, T), int64.
    """
    places = starts[:, None] + np.arange(T + 1)  # (B, T + 1)
    rows = ids[places % len(ids)].astype(np.int64)
    return rows[:, :-1], rows[:, 1:]
