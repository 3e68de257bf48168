"""Calls kept and played again, and two versions of a function told apart by what they answer."""

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from minibert.learn.limits import TooSlow
from minibert.learn.tape import (
    CALLS,
    Call,
    Enough,
    Narrow,
    Outcome,
    Tape,
    duplicate,
    freeze,
    gradients,
    largest,
    names,
    play,
    same,
    same_value,
)


def single(*numbers: float) -> np.ndarray:
    return np.array(numbers, dtype=np.float32)


def taped(function: Callable[..., Any], *calls: tuple[Any, ...]) -> Tape:
    """Return a tape on which a check has called a function."""
    tape = Tape()
    recorded = tape.record("a check", function)
    for arguments in calls:
        recorded(*arguments)
    return tape


def outcome(function: Callable[..., Any], *arguments: Any) -> Outcome:
    return play(function, Call("a check", arguments, {}))


def test_a_tape_keeps_copies_of_the_first_calls_of_each_check() -> None:
    def spoil(numbers: np.ndarray) -> float:
        numbers[0] = 99.0
        return float(numbers.sum())

    tape = taped(spoil, *[(np.ones(3) * index,) for index in range(CALLS)])
    assert [call.arguments[0][0] for call in tape.calls] == list(range(CALLS))
    assert tape.callers == ["a check"]
    assert [one.result for one in tape.play(lambda numbers: float(numbers[0]))] == list(range(CALLS))
    assert [one.result for one in tape.play(lambda numbers: float(numbers[0]))] == list(range(CALLS))


def test_a_check_goes_no_further_when_it_has_made_calls_enough() -> None:
    with pytest.raises(Enough):
        taped(lambda x: x, *[(index,) for index in range(CALLS + 1)])


def test_calls_that_a_function_makes_of_itself_are_its_own_affair() -> None:
    tape = Tape()

    def factorial(n: int) -> int:
        return 1 if n < 2 else n * recorded(n - 1)

    recorded = tape.record("a check", factorial)
    assert recorded(5) == 120
    assert [call.arguments for call in tape.calls] == [(5,)]


def test_what_cannot_be_copied_is_not_kept_but_counts_as_a_call(tmp_path) -> None:
    with open(tmp_path / "file", "w") as file:
        tape = taped(lambda stream: stream.write("x"), (file,))
    assert tape.calls == [] and tape.callers == ["a check"]


def test_an_outcome_is_a_result_what_became_of_the_arguments_or_an_exception() -> None:
    def add_to(numbers: list[int], number: int) -> int:
        numbers.append(number)
        return len(numbers)

    one = outcome(add_to, [1], 2)
    assert one.result == 2 and one.after[0][0] == [[1, 2], 2]
    wrong = outcome(add_to, None, 2)
    assert (wrong.error, wrong.message) == ("AttributeError", "'NoneType' object has no attribute 'append'")
    assert outcome(lambda: (n for n in range(3))).result == [0, 1, 2]


def test_a_call_without_end_is_an_outcome_and_no_further_one_is_tried(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("minibert.learn.tape.LONGEST", 0.05)
    tried = []

    def never(number: int) -> None:
        tried.append(number)
        while True:
            pass

    outcomes = taped(lambda number: number, (1,), (2,), (3,)).play(never)
    assert [one.error for one in outcomes] == [TooSlow.__name__] * 3
    assert tried == [1]


def test_two_plays_draw_the_same_random_numbers() -> None:
    for draw in (lambda: torch.rand(3), lambda: np.random.rand(3)):
        assert np.array_equal(outcome(draw).result, outcome(draw).result)


def test_a_tensor_in_the_middle_of_a_graph_and_a_generator_are_copied_too() -> None:
    leaf = torch.ones(2, requires_grad=True)
    generator = torch.Generator().manual_seed(1)
    copy, (other, again) = duplicate((leaf * 2, [generator, leaf]))
    assert copy.is_leaf and copy.requires_grad and copy.tolist() == [2.0, 2.0]
    assert again is not leaf and again.requires_grad
    assert torch.equal(torch.rand(2, generator=other), torch.rand(2, generator=generator))


def test_gradients_are_part_of_the_outcome_for_tensors_and_for_the_weights_of_a_module() -> None:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    (slope,) = gradients(x * 3, ((x,), {}))
    np.testing.assert_allclose(slope, [3.0, 3 * np.cos(1)], rtol=1e-6)
    layer = torch.nn.Linear(2, 1)
    of_x, of_weight, of_bias = gradients(layer(x), ((x, layer), {}))
    assert of_x.shape == (2,) and of_weight.shape == (1, 2) and of_bias.tolist() == [1.0]
    assert gradients(torch.ones(2), ((x,), {})) == []
    detached = outcome(lambda x: (x * 3).detach(), x)
    assert not same(detached, outcome(lambda x: x * 3, x), detached)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (np.array([1.0, 2.0]), np.array([1.0, 2.0 + 1e-12]), True),
        (np.array([1.0, 2.0]), np.array([1.0, 2.0 + 1e-6]), False),
        (single(1.0, 2.0), single(1.0, 2.00001), True),
        (single(1.0, 2.0), np.array([1.0, 2.0]), False),
        (np.array([np.nan, np.inf]), np.array([np.nan, np.inf]), True),
        (np.array([np.nan, 1.0]), np.array([1.0, np.nan]), False),
        (np.array([np.inf]), np.array([-np.inf]), False),
        (np.array([1, 2]), np.array([1, 3]), False),
        (np.ones((1, 2)), np.ones((2, 1)), False),
        (1.0, 1.0 + 1e-13, True),
        (1, 1.0, False),
        (True, 1, False),
        ({"a": [1, "x"]}, {"a": [1, "x"]}, True),
        ({"a": 1}, {"b": 1}, False),
        ([1, 2], [1, 2, 3], False),
        (None, np.ones(1), False),
        ("x", np.ones(1), False),
        (Narrow(single(1.0)), Narrow(single(1.01)), True),
        (Narrow(single(1.0)), single(1.0), False),
    ],
)
def test_values_are_the_same_but_for_rounding_never_but_for_type_or_shape(
    one: Any, other: Any, expected: bool
) -> None:
    assert same_value(one, other) is expected and same_value(other, one) is expected


@pytest.mark.parametrize(
    ("dtype", "tiny"), [(torch.float64, 1e-16), (torch.float32, 1e-7), (torch.bfloat16, 4e-3)]
)
def test_what_is_tiny_beside_the_rest_is_rounding(dtype: torch.dtype, tiny: float) -> None:
    """As the gradient of a key's bias, which is zero on paper."""
    one = outcome(lambda: (torch.ones(1, dtype=dtype), torch.tensor([tiny], dtype=dtype)))
    other = outcome(lambda: (torch.ones(1, dtype=dtype), torch.tensor([-3 * tiny], dtype=dtype)))
    assert same(one, other, one)
    assert not same(
        one, outcome(lambda: (torch.ones(1, dtype=dtype), torch.full((1,), 0.1, dtype=dtype))), one
    )


def test_gradients_and_the_memory_of_an_optimiser_are_part_of_what_became_of_the_arguments() -> None:
    weight = torch.tensor([2.0, -1.0])
    weight.grad = torch.tensor([0.5, -4.0])
    tape = Tape()
    tape.record("a check", lambda optimizer, weight: None)(torch.optim.Adam([weight], lr=0.1), weight)

    def halve(optimizer: Any, weight: torch.Tensor) -> None:
        assert weight.grad is not None
        weight.grad /= 2  # the first step of Adam is of the same size all the same
        optimizer.step()

    def step(optimizer: Any, weight: torch.Tensor) -> None:
        optimizer.step()

    (one,), (again,), (other,) = (tape.play(function) for function in (step, step, halve))
    assert same(one, again, one) and not same(one, other, one)


def test_an_object_is_what_it_is_made_of() -> None:
    class Thing:
        def __init__(self, size: int) -> None:
            self.size = size
            self.me = self

    assert freeze(Thing(3)) == ("Thing", {"size": 3, "me": "itself"}) != freeze(Thing(4))
    assert freeze({2, 1}) == freeze({1, 2}) and freeze(len) == freeze(max)
    assert isinstance(freeze(torch.ones(2, dtype=torch.bfloat16)), Narrow)
    assert largest(freeze([np.array([1.0, -5.0, np.inf]), {"a": 3.0}, "text", True])) == 5.0


def right(x: float) -> float:
    if x < 0:
        raise ValueError("x must not be negative")
    return 2 * x


KNOWN: dict[str, Callable[[float], float]] = {
    "half": lambda x: x / 2 if x >= 0 else right(x),
    "no check of the sign": lambda x: 2 * x,
}


def named(wrong: Callable[..., Any]) -> list[str]:
    tape = Tape([Call("a check", (x,), {}) for x in (1.0, 3.0, -1.0)])
    known = {name: tape.play(function) for name, function in KNOWN.items()}
    return names(tape.play(wrong), known, tape.play(right), has_cache=False)


def test_a_module_is_its_weights_and_its_settings_also_where_it_was_never_started() -> None:
    layer, other = torch.nn.LayerNorm(3, eps=1e-5), torch.nn.LayerNorm(3, eps=1e-6)
    assert same_value(freeze(layer), freeze(torch.nn.LayerNorm(3, eps=1e-5)))
    assert not same_value(freeze(layer), freeze(other))
    assert not same_value(freeze(layer), freeze(torch.nn.LayerNorm(3, eps=1e-5).eval()))
    bare = object.__new__(torch.nn.LayerNorm)  # as `__init__` gets it
    assert freeze(bare) == ("LayerNorm", {})


def test_a_mistake_has_a_name_when_it_answers_as_a_known_one() -> None:
    assert named(lambda x: 0.5 * x) == ["half"], "which shows on numbers: what it does with -1 is not asked"
    assert named(lambda x: x + x) == ["no check of the sign"], "which shows only on -1"
    assert named(lambda x: x / 3) == []

    def refuse(x: float) -> float:
        if x < 0:
            raise ValueError("in words of my own")
        return x / 2

    assert named(refuse) == ["half"]


def test_a_version_that_breaks_now_and_then_has_the_name_that_fits_elsewhere() -> None:
    assert named(lambda x: x / 2 if x != 3 else x / 0) == ["half"]
    assert named(lambda x: x / 3 if x != 3 else x / 0) == []
    assert named(lambda x: 2 * x if x != 3 else x / 0) == [], "what fits must be wrong"
    assert named(lambda x: x / 0) == []


def test_a_cache_may_hold_what_it_likes() -> None:
    def reference(x: float) -> tuple[float, Any]:
        return 2 * x, x

    known = {"half": lambda x: (x / 2, x), "the cache is doubled": lambda x: (2 * x, 2 * x)}
    tape = Tape([Call("a check", (x,), {}) for x in (1.0, 3.0)])
    outcomes = {name: tape.play(function) for name, function in known.items()}

    def found(wrong: Callable[..., Any]) -> list[str]:
        return names(tape.play(wrong), outcomes, tape.play(reference), has_cache=True)

    assert found(lambda x: (x * 0.5, {"x": x})) == ["half"]
    assert found(lambda x: (x + x, x + x)) == ["the cache is doubled"]
    assert found(lambda x: (2 * x, "something else")) == []


def test_without_torch_there_are_no_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torch")
    assert gradients(np.ones(2), ((np.ones(2),), {})) == []


def test_stretches_of_positions_are_told_apart() -> None:
    one, other = freeze(slice(0, 2)), freeze(slice(1, 2))
    assert same_value(one, freeze(slice(0, 2))) and not same_value(one, other)
