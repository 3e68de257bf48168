"""The arguments of a block: which of them have a gradient, and which of backward's answers is whose."""

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from minibert.byhand.cause import cause_of_shape
from minibert.byhand.parameters import Array


class GradientError(AssertionError):
    """A gradient that is not that of its argument."""


def has_gradient(argument: Any) -> bool:
    """Return whether an argument is an array of floating-point numbers, or a dictionary of such arrays."""
    if isinstance(argument, dict):
        return bool(argument) and all(has_gradient(value) for value in argument.values())
    return isinstance(argument, np.ndarray) and np.issubdtype(argument.dtype, np.floating)


def copied(argument: Any) -> Any:
    """Return a copy of an array or of a dictionary's arrays, and all else as it is."""
    if isinstance(argument, dict):
        return {name: copied(value) for name, value in argument.items()}
    return argument.copy() if isinstance(argument, np.ndarray) else argument


def by_name(forward: Callable[..., Any], arguments: tuple[Any, ...]) -> dict[str, Any]:
    """Return the arguments under the names that forward has for them; *rest as rest[0], rest[1], …"""
    named: dict[str, Any] = {}
    bound = inspect.signature(forward).bind(*arguments)
    for name, value in bound.arguments.items():
        if bound.signature.parameters[name].kind is inspect.Parameter.VAR_POSITIONAL:
            named |= {f"{name}[{i}]": one for i, one in enumerate(value)}
        else:
            named[name] = value
    return named


def pair_up(arguments: dict[str, Any], gradients: Any) -> Iterator[tuple[str, Array, Array]]:
    """Yield the name, the array and the gradient of every array that has one.

    Raises GradientError when gradients are missing, are too many, or have another shape than their array;
    ValueError when no argument has a gradient.
    """
    wanted = {name: value for name, value in arguments.items() if has_gradient(value)}
    if not wanted:
        raise ValueError("nothing to check: no argument is an array of floating-point numbers")
    given = gradients if isinstance(gradients, tuple | list) else (gradients,)
    if len(given) != len(wanted):
        raise GradientError(
            f"backward must return the gradients of {', '.join(wanted)}, in this order: "
            f"expected {len(wanted)}, got {len(given)}"
        )
    for (name, value), gradient in zip(wanted.items(), given, strict=True):
        if isinstance(value, dict):
            if not isinstance(gradient, dict) or gradient.keys() != value.keys():
                got = sorted(gradient) if isinstance(gradient, dict) else type(gradient).__name__
                raise GradientError(
                    f"the gradient of {name} must be a dictionary with the keys {sorted(value)}, got {got}"
                )
            found = [(f"{name}[{key!r}]", value[key], gradient[key]) for key in value]
        else:
            found = [(name, value, gradient)]
        for label, array, slopes in found:
            check_shape(label, array, slopes)
            yield label, array, np.asarray(slopes)


def check_shape(name: str, array: Array, gradient: Any) -> None:
    """Raise GradientError unless a gradient has the shape of what it is the gradient of."""
    if not np.issubdtype(np.asarray(gradient).dtype, np.number):
        raise GradientError(f"the gradient of {name} must be an array, got {type(gradient).__name__}")
    if np.shape(gradient) != array.shape:
        raise GradientError(
            f"the gradient of {name} must have its shape {array.shape}, got {np.shape(gradient)}. "
            f"Likely cause: {cause_of_shape(np.shape(gradient), array.shape)}"
        )
