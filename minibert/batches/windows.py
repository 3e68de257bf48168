"""Windows that slide over a text longer than a model can look back on: each token is predicted once."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


class Windows(NamedTuple):
    """Where windows lie in a text of n + 1 tokens, whose token i + 1 is predicted from token i and before."""

    firsts: Ints
    """(W,), the first token that the model reads in each window."""
    begins: Ints
    """(W,), the first token whose successor is scored; those before it are only read."""
    ends: Ints
    """(W,), the token behind the last that is read, and whose successor is scored."""


def sliding_windows(n: int, context: int, stride: int) -> Windows:
    """Return the windows in which n tokens are predicted, each once.

    first_k = k stride; end_k = min(first_k + context, n); begin_0 = 0, begin_k = end_{k-1}, until all n are
    scored. So a token is predicted from itself and at least context - stride tokens before it, but for the
    first ones of the text, which have no more before them. With stride = context the windows are blocks that
    know nothing of each other; the smaller the stride, the truer and the slower.

    Source: "Perplexity of fixed-length models", in the documentation of `transformers`.

    Args:
        n: tokens to predict; at least 1.
        context: most tokens that the model reads at once.
        stride: tokens from the beginning of a window to that of the next; from 1 to context.
    """
    count = 1 + max(0, -(-(n - context) // stride))
    firsts = stride * np.arange(count)
    ends = np.minimum(firsts + context, n)
    return Windows(firsts, np.concatenate([[0], ends[:-1]]), ends)
