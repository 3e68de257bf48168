"""What the checks in PyTorch compare with: what they let pass, and what they say of the rest."""

import dataclasses

import pytest
import torch
from torch import nn

from minibert.learn.checks import linear as by_hand
from minibert.learn.compare import CheckError
from minibert.learn.sizes import Sizes
from minibert.learn.tensors import (
    exact,
    expect_by_hand,
    expect_refused,
    expect_same,
    expect_same_slopes,
    expect_untouched,
    filled,
    leaf,
    loaded,
    normal,
    slopes,
)


def test_two_tensors_are_the_same_but_for_the_rounding_of_their_type() -> None:
    one = exact([1.0, 2.0])
    expect_same(one + 1e-12, one, "ones")
    expect_same(one.bfloat16() + 0.01, one.bfloat16(), "ones")
    for got, message in (
        (one + 1e-6, "ones: right shape, but wrong values in 2 of 2 entries"),
        (one.float(), "ones: expected numbers of torch.float64, got torch.float32"),
        (one[None], r"ones: expected the shape \(2,\), got \(1, 2\)"),
        (one.numpy(), "ones: expected a tensor, got ndarray"),
        (one * torch.nan, "ones: right shape, but wrong values"),
    ):
        with pytest.raises(CheckError, match=message):
            expect_same(got, one, "ones")


def test_a_result_without_a_gradient_is_told() -> None:
    x = leaf(0, 3)
    expect_same_slopes(x * x, x**2, {"x": x}, 0, "a square")
    with pytest.raises(CheckError, match="no gradient can flow back"):
        expect_same_slopes((x * x).detach(), x**2, {"x": x}, 0, "a square")
    with pytest.raises(
        CheckError, match=r"the gradient of x \(a square is expected\): right shape, but wrong"
    ):
        expect_same_slopes(x * x.detach(), x**2, {"x": x}, 0, "a square")


def test_a_leaf_that_takes_no_part_has_a_gradient_of_zero() -> None:
    x, unused = leaf(0, 3), leaf(1, 2)
    assert not slopes(x * x, {"x": x, "unused": unused}, 0)["unused"].any()


def test_a_block_in_torch_is_held_against_the_same_by_hand() -> None:
    case = by_hand.CASES[0]
    expect_by_hand(case, Sizes(), 0)
    assert case.torch is not None
    right = case.torch
    wrong = dataclasses.replace(case, torch=lambda x, *params: right(x.detach(), *params))
    with pytest.raises(CheckError, match=f"{case.name}: the gradient of x .* right shape, but wrong values"):
        expect_by_hand(wrong, Sizes(), 0)
    with pytest.raises(CheckError, match=f"{case.name}: the result .* right shape, but wrong values"):
        expect_by_hand(dataclasses.replace(case, torch=lambda *some: 2 * right(*some)), Sizes(), 0)


def test_a_filled_module_has_no_number_twice_and_a_loaded_one_what_it_is_given() -> None:
    layer = filled(nn.Linear(3, 2), 0)
    numbers = torch.cat([parameter.flatten() for parameter in layer.parameters()])
    assert numbers.dtype == torch.float64 and len(numbers.unique()) == len(numbers) == 8
    other = loaded(nn.Linear(3, 2), {name: p.detach().numpy() for name, p in layer.named_parameters()})
    assert torch.equal(other(normal(1, 3)), layer(normal(1, 3)))


def test_a_refusal_and_a_changed_argument_are_noticed() -> None:
    expect_refused(lambda: int("word"), "a word")
    with pytest.raises(CheckError, match="a number: expected a ValueError, got none"):
        expect_refused(lambda: int("3"), "a number")
    expect_untouched(lambda x: x + 1, normal(0, 3))
    with pytest.raises(CheckError, match="an argument was changed in place: work on a copy"):
        expect_untouched(lambda x: x.add_(1), normal(0, 3))
