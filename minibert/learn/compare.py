"""Got and expected side by side: what a check says when they differ."""

from typing import Any

import numpy as np

SMALL = 12
"""Arrays of up to so many numbers are shown whole."""

AHEAD = "expected "
"""What stands ahead of the first row, and as many spaces ahead of the others."""


class CheckError(AssertionError):
    """A check that failed, in words for the person who wrote the function."""


def expect_close(got: Any, expected: Any, what: str, tolerance: float = 1e-12) -> None:
    """Compare two arrays or numbers.

    Args:
        got, expected: arrays of one shape, or numbers.
        what: what they are, to begin the message with ("the weights of the first query").
        tolerance: largest max |got - expected| / max |expected| (or max |got - expected|, where all of
            expected is zero).

    Raises:
        CheckError: another shape, or too large a difference: how much is wrong, and the first wrong entry.
    """
    got, expected = np.asarray(got), np.asarray(expected)
    if got.shape != expected.shape:
        raise CheckError(f"{what}: expected the shape {expected.shape}, got {got.shape}")
    difference = np.abs(got.astype(np.float64) - expected.astype(np.float64))
    scale = float(np.abs(expected).max(initial=0)) or 1.0
    wrong = ~(difference <= tolerance * scale)  # NaN is wrong too
    if not wrong.any():
        return
    index = tuple(int(i) for i in np.argwhere(wrong)[0])
    place = f"[{', '.join(map(str, index))}]" if index else ""
    message = f"{what}: right shape, but wrong values" if got.ndim else what
    if got.size > 1:
        message += f" in {int(wrong.sum())} of {wrong.size} entries, first at {place}"
    message += f": expected {expected[index]:.9g}, got {got[index]:.9g}"
    if 1 < got.size <= SMALL:
        message += f"\nexpected {np.array2string(expected, precision=6, prefix=AHEAD)}"
        message += f"\ngot      {np.array2string(got, precision=6, prefix=AHEAD)}"
    raise CheckError(message)


def expect(condition: Any, message: str) -> None:
    """Raise CheckError with `message` unless `condition` holds."""
    if not condition:
        raise CheckError(message)
