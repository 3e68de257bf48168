"""Arguments and gradients: which arguments have one, under which names, and which answer is whose."""

from typing import Any

import numpy as np
import pytest

from minibert.byhand.arguments import GradientError, by_name, copied, has_gradient, pair_up


def pairs(arguments: dict[str, Any], gradients: Any) -> list[tuple[str, list, list]]:
    return [(name, array.tolist(), slope.tolist()) for name, array, slope in pair_up(arguments, gradients)]


def refused(arguments: dict[str, Any], gradients: Any) -> str:
    with pytest.raises(GradientError) as error:
        list(pair_up(arguments, gradients))
    return str(error.value)


@pytest.mark.parametrize("argument", [np.ones(2), np.ones(1, np.float32), np.array(1.0), {"a": np.ones(2)}])
def test_arrays_of_floating_point_numbers_have_a_gradient(argument: Any) -> None:
    assert has_gradient(argument)


@pytest.mark.parametrize(
    "argument",
    [
        np.arange(3),
        np.array([True]),
        2.0,
        np.float64(2),
        "gelu",
        None,
        {},
        {"a": np.ones(2), "ids": np.arange(2)},
    ],
)
def test_ids_masks_settings_and_whatever_holds_them_have_none(argument: Any) -> None:
    assert not has_gradient(argument)


def test_a_copy_shares_no_number_with_what_was_copied() -> None:
    array, params = np.ones(2), {"a": np.ones(2)}
    mine, mine_too = copied(array), copied(params)
    mine[0], mine_too["a"][0] = 5, 5
    assert array.tolist() == params["a"].tolist() == [1, 1]
    assert copied("gelu") == "gelu"


def test_arguments_are_named_as_forward_names_them() -> None:
    def forward(x, weight, bias=None, *rest): ...

    assert by_name(forward, (1, 2)) == {"x": 1, "weight": 2}
    assert by_name(forward, (1, 2, 3, 4, 5)) == {"x": 1, "weight": 2, "bias": 3, "rest[0]": 4, "rest[1]": 5}


def test_each_gradient_goes_to_the_next_argument_that_has_one() -> None:
    arguments = {"x": np.array([1.0]), "ids": np.array([7]), "name": "gelu", "bias": np.array([2.0])}
    found = pairs(arguments, (np.array([3.0]), np.array([4.0])))
    assert found == [("x", [1.0], [3.0]), ("bias", [2.0], [4.0])]


def test_one_gradient_needs_no_tuple_and_several_may_be_a_list() -> None:
    x = np.array([1.0])
    assert pairs({"x": x}, x) == pairs({"x": x}, [x]) == pairs({"x": x}, (x,)) == [("x", [1.0], [1.0])]


def test_gradients_by_name_are_paired_by_name_whatever_their_order() -> None:
    params = {"a": np.array([1.0]), "b": np.array([2.0])}
    found = pairs({"params": params}, {"b": np.array([4.0]), "a": np.array([3.0])})
    assert found == [("params['a']", [1.0], [3.0]), ("params['b']", [2.0], [4.0])]


def test_what_does_not_fit_is_told_with_what_was_wanted() -> None:
    x, params = np.ones((2, 3)), {"a": np.ones(2)}
    assert refused({"x": x, "y": x}, x) == (
        "backward must return the gradients of x, y, in this order: expected 2, got 1"
    )
    assert refused({"x": x}, "gelu") == "the gradient of x must be an array, got str"
    assert refused({"params": params}, {"b": x}) == (
        "the gradient of params must be a dictionary with the keys ['a'], got ['b']"
    )
    assert refused({"x": x}, np.ones((3, 2))) == (
        "the gradient of x must have its shape (2, 3), got (3, 2). Likely cause: it is transposed"
    )


def test_where_no_argument_has_a_gradient_there_is_nothing_to_check() -> None:
    with pytest.raises(ValueError, match="nothing to check: no argument is an array of floating-point"):
        list(pair_up({"ids": np.arange(3)}, ()))
