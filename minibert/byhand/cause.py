"""What usually leads to a wrong gradient, read from how its numbers differ from the right ones.

Each answer names what is seen, which is certain, and what it points to, which is a guess.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from minibert.byhand.parameters import Array


def cause_of_shape(got: tuple[int, ...], wanted: tuple[int, ...]) -> str:
    """Return what usually leads to a gradient of one shape where another is wanted."""
    if got == wanted[::-1]:
        return "it is transposed"
    if stretches(wanted, got):
        return "a missing sum over a broadcast axis"
    if stretches(got, wanted):
        return "a sum too many"
    return "a sum over another axis, or gradients in another order than the arguments"


def stretches(small: tuple[int, ...], large: tuple[int, ...]) -> bool:
    """Return whether an array of one shape can be broadcast to the other."""
    ends = zip(small[::-1], large[::-1], strict=False)
    return len(small) <= len(large) and all(n in (1, m) for n, m in ends)


def likely_cause(gradient: Array, slope: Array, others: Mapping[str, Array]) -> str:
    """Return what usually leads to a gradient that is not the slope.

    Args:
        gradient: what backward gives.
        slope: what finite differences give, of the same shape.
        others: what finite differences give for the other arguments, by name.
    """
    if not np.isfinite(gradient).all():
        return "a division by zero, or the exponential of a large number: not every entry is finite"
    if not gradient.any():
        return "nothing flows back to it: the gradient is zero everywhere"
    if close(gradient, slope).all():
        return "rounding: the first digits are right. Is something float32, or a small constant left out?"
    if largest(slope) <= 1e-6 * max([0.0, *map(largest, others.values())]):
        return "a term too many: it should be zero everywhere"
    for name, theirs in others.items():
        if same(gradient, theirs):
            return f"the order: it is the gradient of {name}"
    if same(gradient.T, slope):
        return "it is transposed"
    return (
        a_factor(gradient, slope)
        or partly_right(gradient, slope)
        or along_an_axis(gradient, slope)
        or "a missing term, or a wrong one"
    )


def a_factor(gradient: Array, slope: Array) -> str:
    """Return a cause if one number leads from all slopes to the gradient, else nothing."""
    factor = float((gradient * slope).sum() / (slope * slope).sum())
    if factor == 0 or not same(gradient, factor * slope):
        return ""
    if np.isclose(factor, -1):
        return "a sign: it is the negative of what it should be"
    guess = "a factor" if np.count_nonzero(slope) > 1 else "a factor, or a missing term"
    return f"{guess}: it is {factor:.6g} times what it should be"


def partly_right(gradient: Array, slope: Array) -> str:
    """Return a cause if a good share of the entries that are not just zero is right, else nothing."""
    right, zero = close(gradient, slope), close(np.zeros_like(slope), slope)
    if (right & ~zero).sum() < (~zero).sum() / 4:
        return ""  # one or two may be right by chance
    seen = f"{int(right.sum())} of {right.size} entries are right"
    if zero[~right].all():
        return f"a mask that is left out: {seen}, the others should be zero"
    if not gradient[~right].any():
        return f"a term that is left out for some entries: {seen}, the others are zero"
    return (
        f"a missing term, or a number that is used several times and gets its gradient from one of them, "
        f"not the sum of all: {seen}"
    )


def along_an_axis(gradient: Array, slope: Array) -> str:
    """Return a cause if the entries along an axis share what is wrong with them, else nothing."""
    off = gradient - slope
    for axis in range(slope.ndim):
        if slope.shape[axis] == 1:
            continue
        if same(np.broadcast_to(off.mean(axis, keepdims=True), off.shape), off):
            return f"a missing term: all entries along axis {axis} are off by the same number"
        if sums_to_zero(slope, axis) and not sums_to_zero(gradient, axis):
            return f"a missing mean: along axis {axis} the gradient should sum to zero, and does not"
    return ""


def sums_to_zero(slope: Array, axis: int) -> bool:
    """Return whether all sums along an axis are zero, but for rounding."""
    return largest(slope.sum(axis)) <= 1e-6 * largest(slope)


def close(gradient: Array, slope: Array) -> NDArray[np.bool_]:
    """Return which entries agree in their first digits."""
    return np.isclose(gradient, slope, rtol=1e-5, atol=1e-6 * largest(slope))


def same(gradient: Array, slope: Array) -> bool:
    """Return whether two arrays have one shape and agree in their first digits everywhere."""
    return gradient.shape == slope.shape and bool(close(gradient, slope).all())


def largest(slope: Array) -> float:
    """Return the size of the largest entry, 0 where there is none."""
    return float(np.abs(slope).max(initial=0))
