"""Questions on a context as rows of tokens: windows over long contexts, and where an answer lies in them."""

from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.floating]


class Span(NamedTuple):
    """Some tokens in a row: from the first to the last, both of them too."""

    first: int
    last: int


def even_windows(n: int, room: int, overlap: int) -> tuple[Ints, Ints]:
    """Return where windows over n tokens begin and end: as few as will do, spread evenly.

        W = 1 + ceil((n - room) / (room - overlap)), or 1 where all tokens fit
        first_w = floor(w (n - room) / (W - 1)),  end_w = first_w + room

    Two neighbours have at least `overlap` tokens in common, so whatever is not longer than that stands whole
    in one of them. All windows are full, unless there are fewer tokens than that.

    Differs from the paper: in the code of Devlin et al. 2019 windows lie a fixed stride apart, and the last
    one may hold a single token and nothing around it.

    Args:
        n: tokens in the context, from 0 on.
        room: most tokens in a window.
        overlap: from 0 to room - 1.

    Returns:
        firsts (W,) and ends (W,), int64; an end is the token behind the last.
    """
    if n <= room:
        return np.array([0]), np.array([n])
    count = 1 - (room - n) // (room - overlap)
    firsts = np.arange(count) * (n - room) // (count - 1)
    return firsts, firsts + room


def tokens_of(starts: Ints, ends: Ints, start: int, end: int) -> Span | None:
    """Return the tokens that hold the characters from `start` to `end`, or None where no token does.

    The first token is the first that ends behind `start`, the last one the last that begins before `end`: a
    token counts that holds a part of the answer, and one that has the space before a word in it.

    Args:
        starts, ends: (tokens,), the characters where each token begins and ends; neither ever falls.
        start, end: of the answer; end is the character behind the last.
    """
    first = int(np.searchsorted(ends, start, side="right"))
    last = int(np.searchsorted(starts, end, side="left")) - 1
    return Span(first, last) if first <= last else None


def best_span(start: Floats, end: Floats, longest: int) -> tuple[Span, float]:
    """Return the best legal span and its score: the largest start_i + end_j with i <= j < i + longest.

    Among equals the one that begins first, and of these the shortest. Takes O(T longest) time.

    Source: Devlin et al. 2019, section 4.2.

    Args:
        start, end: (T,), how well an answer would begin, or end, at each token; T at least 1.
        longest: most tokens in a span, at least 1.
    """
    longest = min(longest, len(end))
    ahead = np.concatenate([end, np.full(longest - 1, -np.inf, end.dtype)])
    scores = start[:, None] + sliding_window_view(ahead, longest)  # (T, longest)
    first, further = divmod(int(scores.argmax()), longest)
    return Span(first, first + further), float(scores[first, further])
