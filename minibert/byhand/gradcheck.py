"""Prove a backward pass: hold its gradients against finite differences of the forward pass."""

import inspect
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

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

    With a random dout and L = sum(out dout), and a small step e in one entry alone,
    dL / dentry = (L(entry + e) - L(entry - e)) / 2e + O(e^2).

    Why not L = sum(out): through a plain sum the true gradients of softmax and layer norm are zero, and a
    backward pass that returns zeros would pass.

    Args:
        forward: arguments -> (out, cache); the same arguments must give the same numbers.
        backward: (dout, cache) -> the gradients of the arguments that have one, in their order.
        arguments: float64 arrays and dictionaries of them, which have gradients, and whatever else forward
            takes (ids, masks, settings), which has none.
        tolerance: largest error allowed: max |backward - differences| / max |differences| in one array.
        seed: draws dout.

    Raises:
        GradientError: which entry is worst, both its values, and the likely cause.
    """
    out, cache = forward(*arguments)
    dout = np.random.default_rng(seed).normal(size=np.shape(out))
    named = inspect.signature(forward).bind(*arguments).arguments
    gradients, slopes = {}, {}
    for name, array, gradient in pair_up(named, backward(dout, cache)):
        gradients[name], slopes[name] = gradient, np.empty_like(array)
        for index in np.ndindex(array.shape):
            kept = array[index]
            array[index] = kept + STEP
            above = np.sum(forward(*arguments)[0] * dout)
            array[index] = kept - STEP
            below = np.sum(forward(*arguments)[0] * dout)
            array[index] = kept
            slopes[name][index] = (above - below) / (2 * STEP)

    errors = relative_errors(gradients, slopes)
    worst = max(errors, key=errors.__getitem__)
    if not errors[worst] <= tolerance:
        raise GradientError(explain(worst, gradients[worst], slopes[worst]))
    return errors[worst]


def has_gradient(argument: Any) -> bool:
    """Return whether an argument is an array of floating-point numbers, or a dictionary of such arrays."""
    if isinstance(argument, dict):
        return bool(argument) and all(has_gradient(value) for value in argument.values())
    return isinstance(argument, np.ndarray) and np.issubdtype(argument.dtype, np.floating)


def pair_up(arguments: dict[str, Any], gradients: Any) -> Iterator[tuple[str, Array, Array]]:
    """Yield the name, the array and the gradient of every array that has one.

    Raises GradientError when gradients are missing, are too many, or have another shape than their array.
    """
    wanted = {name: value for name, value in arguments.items() if has_gradient(value)}
    given = gradients if isinstance(gradients, tuple) else (gradients,)
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
            pairs = [(f"{name}[{key!r}]", value[key], gradient[key]) for key in value]
        else:
            pairs = [(name, value, gradient)]
        for label, array, slope in pairs:
            if np.shape(slope) != array.shape:
                missing = np.size(slope) > array.size
                raise GradientError(
                    f"the gradient of {label} must have its shape {array.shape}, got {np.shape(slope)}. "
                    f"Likely cause: {'a missing sum over a broadcast axis' if missing else 'a sum too many'}"
                )
            yield label, array, np.asarray(slope)


def relative_errors(gradients: dict[str, Array], slopes: dict[str, Array]) -> dict[str, float]:
    """Return max |gradient - slope| / max |slope| of each array, at least as SMALL says."""
    sizes = {name: float(np.abs(slope).max(initial=0)) for name, slope in slopes.items()}
    least = SMALL * max(sizes.values()) or 1.0
    return {
        name: float(np.abs(gradients[name] - slope).max(initial=0)) / max(sizes[name], least)
        for name, slope in slopes.items()
    }


def explain(name: str, gradient: Array, slope: Array) -> str:
    """Say which entry of an array is worst, both its values, and what usually leads to such numbers."""
    index = tuple(int(i) for i in np.unravel_index(np.abs(gradient - slope).argmax(), slope.shape))
    return (
        f"the gradient of {name} is wrong, worst at {name}[{', '.join(map(str, index))}]: "
        f"backward gives {gradient[index]:.9g}, finite differences {slope[index]:.9g}. "
        f"Likely cause: {likely_cause(gradient, slope)}"
    )


def likely_cause(gradient: Array, slope: Array) -> str:
    """Return what usually leads to such a gradient where finite differences give such a slope."""
    close = partial(np.isclose, rtol=1e-5, atol=1e-6 * float(np.abs(slope).max()))
    if not np.isfinite(gradient).all():
        return "a division by zero, or the exponential of a large number"
    if not gradient.any():
        return "the gradient is zero everywhere: its term was never added"
    factor = float((gradient * slope).sum() / (slope * slope).sum()) if slope.any() else 0.0
    if factor and close(gradient, factor * slope).all():
        return "a sign" if np.isclose(factor, -1) else f"a factor: it is {factor:.6g} times what it should be"
    right = close(gradient, slope)
    if right.any():
        return (
            f"a missing term, or a missing sum where one number is used several times: "
            f"{int(right.sum())} of {right.size} entries are right"
        )
    for axis in range(slope.ndim):
        difference = gradient - slope
        if close(difference, difference.mean(axis=axis, keepdims=True)).all():
            return f"a missing term: all entries along axis {axis} are off by the same number"
    return "a missing term"
