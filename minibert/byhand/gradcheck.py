"""Prove a backward pass: hold its gradients against finite differences of the forward pass."""

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from minibert.byhand.cause import cause_of_shape, likely_cause
from minibert.byhand.parameters import Array

STEP = 1e-5
"""How far each number is moved, both ways: smaller drowns in rounding, larger in curvature."""

SMALL = 0.1
"""An argument whose largest gradient is below this share of the largest of all is measured against it: on
paper some gradients are zero, as that of a key's bias, and all that is left of them is rounding."""


class GradientError(AssertionError):
    """A gradient that finite differences do not confirm."""


def gradcheck(
    forward: Callable[..., tuple[Any, Any]],
    backward: Callable[[Any, Any], Any],
    *arguments: Any,
    tolerance: float = 1e-7,
    seed: int = 0,
) -> float:
    """Return the largest relative error of backward's gradients, over every entry of every argument.

    With a random dout and L = sum(out dout), backward(dout) must be the slopes of L in all arguments.

    Why not L = sum(out): through a plain sum the true gradients of softmax and layer norm are zero, and a
    backward pass that returns zeros would pass.

    Args:
        forward: arguments -> (out, cache); the same arguments must give the same numbers.
        backward: (dout, cache) -> the gradients of the arguments that have one, in their order.
        arguments: float64 arrays and dictionaries of them, which have gradients, and whatever else forward
            takes (ids, masks, settings), which has none. They are copied, and stay as they are.
        tolerance: largest error allowed: max |backward - differences| / max |differences| in one array.
        seed: draws dout.

    Raises:
        GradientError: which entry is worst, both its values, and the likely cause; or the gradients do not
            fit the arguments.
        ValueError: an argument has a gradient and is not float64, none has one, or forward gives NaN,
            infinity, or other numbers when it is called again.
    """
    arguments = tuple(copied(argument) for argument in arguments)
    out, cache = forward(*arguments)
    dout = np.random.default_rng(seed).normal(size=np.shape(out))
    pairs = list(pair_up(by_name(forward, arguments), backward(dout.copy(), cache)))
    check_conditions(forward, arguments, out, [array for _, array, _ in pairs])

    gradients, slopes = {}, {}
    for name, array, gradient in pairs:
        gradients[name] = gradient
        slopes[name] = central_differences(lambda: np.sum(forward(*arguments)[0] * dout), array)

    errors = relative_errors(gradients, slopes)
    worst = max(errors, key=errors.__getitem__)
    if errors[worst] > tolerance:
        raise GradientError(explain(worst, gradients[worst], slopes))
    return errors[worst]


def central_differences(loss: Callable[[], Any], array: Array) -> Array:
    """Return the slope of loss() in every entry of an array, which is moved in place and put back.

    dL / dentry = (L(entry + e) - L(entry - e)) / 2e + O(e^2), with the step e in one entry alone.
    """
    slopes = np.empty_like(array)
    for index in np.ndindex(array.shape):
        kept = array[index]
        array[index] = kept + STEP
        above = loss()
        array[index] = kept - STEP
        below = loss()
        array[index] = kept
        slopes[index] = (above - below) / (2 * STEP)
    return slopes


def relative_errors(gradients: dict[str, Array], slopes: dict[str, Array]) -> dict[str, float]:
    """Return max |gradient - slope| / max |slope| of each array, at least as SMALL says; inf for NaN."""
    sizes = {name: float(np.abs(slope).max(initial=0)) for name, slope in slopes.items()}
    least = SMALL * max(sizes.values()) or 1.0
    errors = {
        name: float(np.abs(gradients[name] - slope).max(initial=0)) / max(sizes[name], least)
        for name, slope in slopes.items()
    }
    # NaN compares as neither more nor less, and would slip through max() and past the tolerance.
    return {name: np.inf if np.isnan(error) else error for name, error in errors.items()}


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


def check_conditions(
    forward: Callable[..., tuple[Any, Any]], arguments: tuple[Any, ...], out: Any, arrays: list[Array]
) -> None:
    """Raise ValueError where finite differences would say nothing about backward."""
    types = {str(array.dtype) for array in arrays}
    if types != {"float64"}:
        raise ValueError(f"finite differences need float64, got {', '.join(sorted(types))}")
    if not np.isfinite(out).all():
        raise ValueError("forward itself gives NaN or infinity")
    if not np.array_equal(forward(*arguments)[0], out):
        raise ValueError(
            "forward gives other numbers when it is called again: does it draw at random, "
            "or does it or backward change an array in place?"
        )


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


def explain(name: str, gradient: Array, slopes: dict[str, Array]) -> str:
    """Say which entry of an array is worst, both its values, and what usually leads to such numbers."""
    slope = slopes[name]
    index = tuple(int(i) for i in np.unravel_index(np.abs(gradient - slope).argmax(), slope.shape))
    place = f"{name}[{', '.join(map(str, index))}]" if index else name
    others = {other: theirs for other, theirs in slopes.items() if other != name}
    return (
        f"the gradient of {name} is wrong, worst at {place}: backward gives {gradient[index]:.9g}, "
        f"finite differences {slope[index]:.9g}. Likely cause: {likely_cause(gradient, slope, others)}"
    )
