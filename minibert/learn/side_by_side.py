"""A call in words: what went in, what was expected, what came, and where they first differ."""

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from minibert.learn.tape import (
    Call,
    Narrow,
    Outcome,
    freeze,
    largest,
    same_value,
    tolerance_of,
    wrong_entries,
)

WIDTH = 78
SMALL = 24
"""Arrays of up to so many numbers are shown whole."""


def tell_call(name: str, function: Callable[..., Any], call: Call, expected: Outcome, got: Outcome) -> str:
    """Return a call that was answered wrongly, in lines of up to 78 characters.

    Args:
        name: what is called.
        function: the library's version, for the names of the arguments.
        expected, got: the outcomes of the library's version and of the learner's.
    """
    return "\n".join([*tell_arguments(name, function, call), *tell_difference(expected, got)])


def tell_arguments(name: str, function: Callable[..., Any], call: Call) -> list[str]:
    """Return the lines that show a call."""
    bound = inspect.signature(function).bind(*call.arguments, **call.keywords)
    shown = [(key, show(freeze(value))) for key, value in bound.arguments.items() if key != "self"]
    single = f"{name}({', '.join(f'{key}={value}' for key, value in shown)})"
    if len(single) <= WIDTH and "\n" not in single:
        return [single]
    lines = [f"{name}("]
    for key, value in shown:
        lines += beside(f"    {key} = ", value)
    return [*lines, ")"]


def tell_difference(expected: Outcome, got: Outcome) -> list[str]:
    """Return the lines that show two outcomes side by side."""
    if got.error:
        return [*side("expected", shown_outcome(expected)), *side("got", shown_outcome(got))]
    if expected.error:
        return [f"expected  {expected.error}", *side("got", shown_outcome(got))]
    around = max(largest(expected.result), largest(got.result))
    found = next(differences(expected.result, got.result, "", around), None)
    if found is None:
        return ["The result is right, but the arguments, or their gradients, are not."]
    path, one, other = found
    lines = [] if not path else [f"The first difference is in {path} of the result."]
    lines += [*side("expected", show(one)), *side("got", show(other))]
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        lines += first_index(one, other, around)
    return lines


def shown_outcome(outcome: Outcome) -> str:
    """Return an outcome in few words."""
    return f"{outcome.error}: {outcome.message}" if outcome.error else show(outcome.result)


def differences(one: Any, other: Any, path: str, around: float) -> Iterator[tuple[str, Any, Any]]:
    """Yield where two frozen values differ: the path to the place, and what stands there in each."""
    one = one.array if isinstance(one, Narrow) else one
    other = other.array if isinstance(other, Narrow) else other
    if same_value(one, other, around):
        return
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for index, (a, b) in enumerate(zip(one, other, strict=True)):
            yield from differences(a, b, f"{path}[{index}]", around)
    elif isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        for key in one:
            yield from differences(one[key], other[key], f"{path}[{key!r}]", around)
    else:
        yield path, one, other


def first_index(one: np.ndarray, other: np.ndarray, around: float) -> list[str]:
    """Return a line about the first entry in which two arrays differ, if they have one shape."""
    if one.dtype != other.dtype:
        return [f"expected the type {one.dtype}, got {other.dtype}"]
    if one.shape != other.shape or not one.ndim:
        return []
    wrong = wrong_entries(one, other, tolerance_of(one), around)
    if not wrong.any():
        return []
    index = tuple(map(int, np.argwhere(wrong)[0]))
    place = ", ".join(map(str, index))
    count = f"{wrong.sum()} of {wrong.size} entries differ, first" if wrong.size > 1 else "differs"
    return [f"{count} at [{place}]: expected {number(one[index])}, got {number(other[index])}"]


def number(value: Any) -> str:
    """Return a number with as many digits as tell two apart."""
    return f"{value:.6g}" if isinstance(value, (float, np.floating)) else str(value)


def show(value: Any) -> str:
    """Return a frozen value, whole where it is small, and otherwise what it is."""
    if isinstance(value, Narrow):
        value = value.array
    if isinstance(value, np.ndarray):
        if value.size <= SMALL:
            return np.array2string(value, precision=4, suppress_small=True, max_line_width=WIDTH - 14)
        return f"{value.dtype} of shape {value.shape}"
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, list):
        return show_items([show(item) for item in value], "[]", "a sequence")
    if isinstance(value, dict):
        return show_items([f"{key!r}: {show(item)}" for key, item in value.items()], "{}", "a dictionary")
    if isinstance(value, tuple):  # an object: its class and its attributes
        return show_object(*value)
    text = f"{value:.6g}" if isinstance(value, float) else repr(value)
    return text if len(text) <= 200 else f"{text[:190]} … ({len(text)} characters)"


def show_object(kind: str, attributes: Any, *others: Any) -> str:
    """Return the class of an object and, where they are few and small, its attributes."""
    if not isinstance(attributes, dict) or others:
        return f"a {kind}"
    shown = ", ".join(f"{key}={show(item)}" for key, item in attributes.items())
    return f"{kind}({shown})" if len(shown) <= 200 and "\n" not in shown else f"a {kind}"


def show_items(pieces: list[str], brackets: str, kind: str) -> str:
    """Return the pieces of something between brackets or, where they are long, its kind and their number."""
    if any("\n" in piece for piece in pieces) or sum(map(len, pieces)) > 300:
        return f"{kind} of {len(pieces)}"
    return f"{brackets[0]}{', '.join(pieces)}{brackets[1]}"


def side(label: str, text: str) -> list[str]:
    """Return a label with a text beside it."""
    return beside(f"{label:8}  ", text)


def beside(label: str, text: str) -> list[str]:
    """Return a text that begins after a label, cut into lines of up to 78 characters."""
    lines = []
    for line in text.split("\n"):
        while len(line) > WIDTH - len(label):
            cut = line.rfind(" ", 0, WIDTH - len(label)) + 1 or WIDTH - len(label)
            lines.append(line[:cut].rstrip())
            line = line[cut:]
        lines.append(line)
    return [f"{label}{lines[0]}", *(" " * len(label) + line for line in lines[1:])]
