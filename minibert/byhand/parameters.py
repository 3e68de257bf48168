"""Arrays by name: the parameters of a block, and their gradients under the same names.

A block's parameters are one dictionary with the names of its PyTorch twin's `state_dict`, such as
"attention.query.weight". A part of the block gets its share with `part`; the gradients that the parts give
back become one dictionary again with `join`.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]
"""Numbers that a gradient can flow through: float32 or float64."""

Ints = NDArray[np.integer[Any]]
"""Token ids, positions, targets."""

Mask = NDArray[np.bool_]
"""True = may attend."""

Parameters = dict[str, Array]
"""Parameters by name, or their gradients."""


def part(parameters: Parameters, name: str) -> Parameters:
    """Return the parameters whose names begin with `name.`, without that beginning.

    part({"query.weight": W, "query.bias": b, "key.weight": U}, "query") is {"weight": W, "bias": b}.
    """
    return {key[len(name) + 1 :]: value for key, value in parameters.items() if key.startswith(f"{name}.")}


def join(**parts: Parameters) -> Parameters:
    """Return one dictionary of the parts, each name with its part's before it: the inverse of `part`."""
    return {f"{name}.{key}": value for name, values in parts.items() for key, value in values.items()}
