"""A test is graded by what it lets pass and what it sees."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from minibert.learn.exercises import find_exercise
from minibert.learn.grade import Graded

Function = Callable[..., Any]


@pytest.fixture
def graded() -> Graded:
    return Graded(find_exercise("judge_softmax"))


def only_sums(softmax_forward: Function) -> None:
    weights, _ = softmax_forward(np.array([[1.0, 2.0], [3.0, 3.0]]))
    assert np.allclose(weights.sum(axis=-1), 1)


def test_a_test_that_says_nothing_lets_all_pass_and_sees_nothing(graded: Graded) -> None:
    assert graded.pattern(lambda softmax_forward: None) == (True, ())
    assert not any(graded.passes(name, only_fails) for name in graded.wrong)


def only_fails(softmax_forward: Function) -> None:
    raise AssertionError("never good enough")


def test_one_that_always_objects_objects_to_the_right_too(graded: Graded) -> None:
    assert graded.pattern(only_fails) == (False, ())
    with pytest.raises(AssertionError, match="never good enough"):
        graded.let_pass(only_fails)
    assert graded.at == "the library's own function"


def test_a_weak_one_sees_some_and_a_test_like_it_has_its_name(graded: Graded) -> None:
    lets_pass, seen = graded.pattern(only_sums)
    assert lets_pass and 0 < len(seen) < len(graded.wrong)
    name, pattern = next(iter(graded.patterns.items()))
    assert pattern[0] and len(pattern[1]) < len(graded.wrong)
    assert graded.name(only_fails) == ""
    graded.patterns = {"sees sums alone": (True, seen), "sees nothing": (True, ())}
    assert graded.name(only_sums) == "sees sums alone" and name


def test_what_breaks_in_a_wrong_function_has_been_seen_and_a_warning_is_no_answer(graded: Graded) -> None:
    def divides(softmax_forward: Function) -> None:
        assert np.isinf(np.float64(1) / np.float64(0))

    def breaks(softmax_forward: Function) -> None:
        raise KeyError("what a wrong function may raise")

    assert graded.pattern(divides) == (True, ())
    assert graded.seen(breaks) == tuple(graded.wrong)


def test_one_that_never_ends_is_too_slow(graded: Graded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minibert.learn.grade.LONGEST", 0.05)

    def never(softmax_forward: Function) -> None:
        while True:
            pass

    assert graded.pattern(never) == (False, ("too slow",))
