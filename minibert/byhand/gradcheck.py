"""Prove a backward pass: hold its gradients against finite differences of the forward pass."""

from collections.abc import Callable
from typing import Any

import numpy as np

from minibert.byhand.arguments import GradientError, by_name, copied, pair_up
from minibert.byhand.cause import likely_cause
from minibert.byhand.parameters import Array

STEP = 1e-5
"""How far each number is moved, both ways: smaller drowns in rounding, larger in curvature."""

SMALL = 0.1
"""An argument whose largest gradient is below this share of the largest of all is measured against it: on
paper some gradients are zero, as that of a key's bias, and all that is left of them is rounding."""


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
        seed: draws dout, from a normal distribution; not the seed that the arguments were drawn by, or dout
            and they are the same numbers.

    Returns:
        The largest of the errors that `tolerance` is held against.

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
    check_conditions(out, forward(*arguments)[0], [array for _, array, _ in pairs])

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

    dL / dentry = (L(entry + e) - L(entry - e)) / 2e + O(e^2), with the step e = STEP in one entry alone.

    Args:
        loss: takes nothing, reads the array as it stands, and returns a number.
        array: of any shape, also of none.

    Returns:
        The slopes, of the shape of the array.
    """
    slopes = np.empty_like(array)
    for index in np.ndindex(array.shape):
        kept = array[index]
        array[index] = kept + STEP
        above = loss()
        array[index] = kept - STEP
        below = loss()
        array[index] = kept
        slopes[index] = (above - below) / (2 * STEP)  # 2.8: the error falls with the square of the step
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


def check_conditions(out: Any, again: Any, arrays: list[Array]) -> None:
    """Raise ValueError where finite differences would say nothing about backward."""
    types = {str(array.dtype) for array in arrays}
    if types != {"float64"}:
        raise ValueError(f"finite differences need float64, got {', '.join(sorted(types))}")
    if not np.isfinite(out).all():
        raise ValueError("forward itself gives NaN or infinity")
    if not np.array_equal(again, out):
        raise ValueError(
            "forward gives other numbers when it is called again: does it draw at random, "
            "or does it or backward change an array in place?"
        )
