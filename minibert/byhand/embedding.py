"""The first layer: each token becomes the sum of what it is, where it stands, and which sentence it is in."""

from typing import Any

import numpy as np

from minibert.byhand.dropout import dropout_backward, dropout_forward
from minibert.byhand.layernorm import layernorm_backward, layernorm_forward
from minibert.byhand.parameters import Array, Ints, Parameters


def lookup_forward(table: Array, ids: Ints, pad_id: int | None = None) -> tuple[Array, Any]:
    """Take the row of each id out of a table.

    out[p] = table[ids[p]]: the product of the table with a row that has a 1 at the id and 0 elsewhere.

    Args:
        table: (V, D).
        ids: (...), integers from 0 to V - 1.
        pad_id: the row that learns nothing from being looked up, if there is one.

    Returns:
        The rows (..., D), and what `lookup_backward` needs.

    Raises:
        ValueError: an id outside the table. (NumPy would take -1 for the last row.)
    """
    wrong = (ids < 0) | (ids >= len(table))
    if wrong.any():
        place = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise ValueError(f"ids must be from 0 to {len(table) - 1}, got {ids[place]} at {list(place)}")
    return table[ids], (ids, table.shape, pad_id)  # (..., D)


def lookup_backward(dout: Array, cache: Any) -> Array:
    """Return dtable (V, D) from dout (..., D).

    A row of the table learns from every place that it was taken to: the gradients of all of them add up. A
    row that was never taken gets 0, and so does the row of the padding, if there is one.
    """
    ids, shape, pad_id = cache
    dtable = np.zeros(shape, dout.dtype)  # (V, D)
    np.add.at(dtable, ids, dout)  # 3.2: a row learns from every place that it was taken to
    if pad_id is not None:
        dtable[pad_id] = 0  # 3.3: but padding is no word, and learns nothing
    return dtable


def embedding_forward(
    ids: Ints,
    segments: Ints | None,
    params: Parameters,
    pad_id: int = 0,
    eps: float = 1e-12,
    rate: float = 0.0,
    generator: np.random.Generator | None = None,
) -> tuple[Array, Any]:
    """Add up what each token is, where it stands and which sentence it is in; normalise; leave some out.

    out = dropout(norm(tokens[id] + positions[t] + segments[segment])). Devlin et al. 2019, figure 2.

    Args:
        ids: (B, T), integers.
        segments: (B, T), the sentence of each token, from 0; None puts all tokens into the first.
        params: "tokens.weight" (V, D), "positions.weight" (longest T, D), "segments.weight" (segments, D),
            "norm.weight" (D,), "norm.bias" (D,).
        pad_id: the token whose row learns nothing from being looked up.
        eps: what is added to the variance under the root of the norm.
        rate: share of the numbers left out, in training.
        generator: draws which; may be left out when rate is 0.

    Returns:
        (B, T, D), and what `embedding_backward` needs.

    Raises:
        ValueError: more tokens than positions, segments of another shape, or an id outside its table.
    """
    length, longest = ids.shape[1], len(params["positions.weight"])
    if length > longest:
        raise ValueError(f"there are {longest} positions, got a sequence of {length} tokens")
    segments = np.zeros_like(ids) if segments is None else segments
    if segments.shape != ids.shape:
        raise ValueError(f"segments must have the shape of ids, {ids.shape}, got {segments.shape}")

    words, word = lookup_forward(params["tokens.weight"], ids, pad_id)  # (B, T, D)
    places, place = lookup_forward(params["positions.weight"], np.arange(length))  # (T, D)
    kinds, kind = lookup_forward(params["segments.weight"], segments)  # (B, T, D)
    total = words + places + kinds  # (B, T, D)
    x, norm = layernorm_forward(total, params["norm.weight"], params["norm.bias"], eps)
    out, left = dropout_forward(x, rate, generator)
    return out, (word, place, kind, norm, left)


def embedding_backward(dout: Array, cache: Any) -> Parameters:
    """Return the gradients of the parameters, in a dictionary with their names, from dout (B, T, D).

    Each has the shape of its parameter. Ids and segments have no gradient.
    """
    word, place, kind, norm, left = cache

    dx = dropout_backward(dout, left)
    dtotal, dscale, dshift = layernorm_backward(dx, norm)  # (B, T, D)  3.4: back through what came last
    dplaces = dtotal.sum(axis=0)  # (T, D)  3.6: a position's row is added in every sequence of the batch
    return {
        "tokens.weight": lookup_backward(dtotal, word),  # 3.5: each term of a sum gets its whole gradient
        "positions.weight": lookup_backward(dplaces, place),
        "segments.weight": lookup_backward(dtotal, kind),
        "norm.weight": dscale,
        "norm.bias": dshift,
    }
