"""The likeliest sequence of tags that the scheme allows."""

import numpy as np
from numpy.typing import NDArray

from minibert.text.schemes import Allowed


def viterbi(scores: NDArray[np.floating], allowed: Allowed) -> NDArray[np.int64]:
    """Return the legal sequence of tags y with the largest sum of scores.

    best_0(y) = scores_0(y) where y may be first; best_t(y) = scores_t(y) + max_x best_{t-1}(x), over all x
    that y may follow. The largest best_W-1(y) of those y that may be last is where the way back begins
    (Viterbi 1967). Of equal ones the smallest labels are taken, from the back. The time grows with W C^2.

    Args:
        scores: (W, C), of each word the scores of the labels, such as logits.
        allowed: which labels may come first, follow each other, and come last.

    Returns:
        (W,) labels.

    Raises:
        ValueError: no sequence of W tags is legal.
    """
    if not len(scores):
        return np.zeros(0, np.int64)
    illegal = np.where(allowed.then, 0.0, -np.inf)  # (C, C)
    best = np.where(allowed.first, scores[0], -np.inf)  # (C,) of the sequences that end in each label
    came_from = []
    for now in scores[1:]:
        ways = best[:, None] + illegal  # (C, C)
        came_from.append(ways.argmax(axis=0))
        best = ways.max(axis=0) + now
    best = np.where(allowed.last, best, -np.inf)
    if best.max() == -np.inf:
        raise ValueError(f"the labels allow no sequence of {len(scores)} tags")

    path = [int(best.argmax())]
    for before in reversed(came_from):
        path.append(int(before[path[-1]]))
    return np.array(path[::-1], np.int64)
