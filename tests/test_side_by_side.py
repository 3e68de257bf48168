"""A wrong answer beside the right one, in few lines that fit."""

from typing import Any

import numpy as np
import pytest

from minibert.learn.side_by_side import tell_call
from minibert.learn.tape import Call, Outcome, play


def tell(wrong: Any, right: Any, *arguments: Any) -> str:
    call = Call("a check", arguments, {})
    return tell_call("f", right, call, play(right, call), play(wrong, call))


def test_small_arrays_are_shown_whole_with_the_first_index_that_differs() -> None:
    text = tell(lambda x: x + [0, 0, 1], lambda x: 2 * x / 2, np.array([1.0, 2.0, 3.0]))
    assert text.splitlines() == [
        "f(x=[1. 2. 3.])",
        "expected  [1. 2. 3.]",
        "got       [1. 2. 4.]",
        "1 of 3 entries differ, first at [2]: expected 3, got 4",
    ]


def test_large_arrays_are_named_by_type_and_shape_and_every_line_fits() -> None:
    def right(x: np.ndarray, names: list[str], settings: dict[str, float]) -> np.ndarray:
        return x

    words = [f"a word with the number {index}" for index in range(6)]
    text = tell(lambda x, names, settings: 2 * x, right, np.ones((4, 5, 6)), words, {"rate": 0.1})
    assert "x = float64 of shape (4, 5, 6)" in text and "settings = {'rate': 0.1}" in text
    assert "120 of 120 entries differ, first at [0, 0, 0]: expected 1, got 2" in text
    assert max(map(len, text.splitlines())) <= 78


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        (lambda x: x[:1], "expected  [1. 2.]\ngot       [1.]"),
        (lambda x: None, "expected  [1. 2.]\ngot       None"),
        (lambda x: x.nothing, "got       AttributeError: 'numpy.ndarray' object has no attribute 'nothing'"),
        (lambda x: x.astype(np.float32), "expected the type float64, got float32"),
        (lambda x: x.__imul__(1.0) * 1.0 if x.fill(7) else x / 7 * [1, 2], "the arguments"),
    ],
)
def test_other_shapes_types_and_exceptions(wrong: Any, expected: str) -> None:
    assert expected in tell(wrong, lambda x: x * 1.0, np.array([1.0, 2.0]))


def test_an_argument_that_was_changed_is_told() -> None:
    def wrong(x: list[int]) -> int:
        return len(x) + (x.append(0) or 0)

    assert "The result is right, but the arguments" in tell(wrong, lambda x: len(x), [1, 2])


def test_in_a_result_of_several_parts_the_part_is_named() -> None:
    text = tell(lambda x: (x, {"a": x + 1}), lambda x: (x, {"a": x}), 1.5)
    assert "The first difference is in [1]['a'] of the result." in text
    assert "expected  1.5" in text and "got       2.5" in text


def test_an_exception_that_was_expected_and_did_not_come() -> None:
    def right(x: int) -> int:
        raise ValueError("too small")

    text = tell(lambda x: x, right, 3)
    assert text.splitlines() == ["f(x=3)", "expected  ValueError", "got       3"]


def test_nothing_but_a_long_text_is_cut() -> None:
    text = tell_call("f", lambda x: x, Call("c", ("y" * 500,), {}), Outcome("a"), Outcome("b"))
    assert "(502 characters)" in text and max(map(len, text.splitlines())) <= 78


def test_a_small_object_is_shown_with_its_attributes_and_a_large_one_by_its_class() -> None:
    class Span:
        def __init__(self, begin: Any) -> None:
            self.begin = begin

    assert tell(lambda x: 1, lambda x: 2, Span(3)).startswith("f(x=Span(begin=3))")
    assert tell(lambda x: 1, lambda x: 2, Span(np.ones((9, 9)))).startswith("f(x=Span(begin=float64 of")
    assert tell(lambda x: 1, lambda x: 2, Span(np.ones((3, 3)))).startswith("f(x=a Span)")
