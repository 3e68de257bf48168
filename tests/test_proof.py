"""Proofs: each oracle sees what it is there to see, and nothing else."""

import types

import numpy as np
import pytest

from minibert.byhand.gradcheck import GradientError
from minibert.learn.compare import CheckError
from minibert.learn.proof import Case, check_types, checks_of, distance, finite_differences
from minibert.learn.sizes import Sizes


def scale_forward(x, params):
    return x * params["factor"], (x, params)


def scale_backward(dy, cache):
    x, params = cache
    return dy * params["factor"], {"factor": (dy * x).sum(0)}


def draw(size: Sizes, rng: np.random.Generator) -> tuple:
    return rng.normal(size=(size.T, size.D)), {"factor": rng.normal(size=size.D)}


def case(forward=scale_forward, backward=scale_backward, twin=lambda x, params: x * params["factor"]) -> Case:
    return Case("scale", forward, backward, draw, twin)


def run_all(wrong: Case) -> None:
    module = types.ModuleType("checks")
    module.CASES = [wrong]  # pyright: ignore[reportAttributeAccessIssue]
    for check in checks_of(module):
        check.run(Sizes(), 0)


def test_what_is_right_passes_all_checks_and_is_as_near_as_rounding() -> None:
    run_all(case())
    assert finite_differences(case(), Sizes(), 0) < 1e-9
    assert distance(case(), case().torch, Sizes(), 0) < 1e-15  # pyright: ignore[reportArgumentType]


def test_a_wrong_gradient_is_seen_by_finite_differences_and_by_the_twin() -> None:
    wrong = case(backward=lambda dy, cache: (dy, {"factor": (dy * cache[0]).sum(0)}))
    with pytest.raises(GradientError, match="the gradient of x is wrong"):
        finite_differences(wrong, Sizes(), 0)
    assert distance(wrong, wrong.torch, Sizes(), 0) > 0.1  # pyright: ignore[reportArgumentType]


def test_a_forward_that_differs_from_its_twin_is_seen_though_its_gradient_fits_itself() -> None:
    wrong = case(twin=lambda x, params: x * params["factor"] + 1)
    finite_differences(wrong, Sizes(), 0)
    with pytest.raises(CheckError, match="scale: off by .* from PyTorch"):
        run_all(wrong)


def test_a_forward_in_another_type_is_seen() -> None:
    wrong = case(forward=lambda x, params: (x * params["factor"] * np.float64(1), (x, params)))
    with pytest.raises(CheckError, match="out of float32 is float64"):
        check_types(wrong, Sizes(), 0)


def test_a_gradient_that_is_zero_on_paper_may_be_rounding_in_float32_and_no_more() -> None:
    def shift(times: float) -> Case:
        def backward(dy, cache):
            return dy, {"factor": np.full(Sizes().D, times * np.finfo(dy.dtype).eps, dy.dtype)}

        return case(
            forward=lambda x, params: (x + params["factor"] - params["factor"], None), backward=backward
        )

    check_types(shift(1), Sizes(), 0)
    with pytest.raises(CheckError, match=r"the gradient of params\['factor'\] in float32"):
        check_types(shift(1e6), Sizes(), 0)


def test_an_argument_that_is_changed_is_seen() -> None:
    def greedy(x, params):
        x *= params["factor"]
        return x, (x, params)

    with pytest.raises(CheckError, match="an argument was changed"):
        check_types(case(forward=greedy), Sizes(), 0)


def test_a_case_without_a_backward_pass_is_compared_by_its_results() -> None:
    both = Case("sums", lambda x, p: (x.sum(), x.max()), None, draw, lambda x, p: (x.sum(), x.max()))
    run_all(both)
    swapped = Case("sums", lambda x, p: (x.sum(), x.max()), None, draw, lambda x, p: (x.max(), x.sum()))
    with pytest.raises(CheckError, match="off by"):
        run_all(swapped)


def test_checks_stand_from_plain_to_demanding_and_only_the_last_need_torch() -> None:
    module = types.ModuleType("checks")
    module.CASES = [case()]  # pyright: ignore[reportAttributeAccessIssue]

    def check_a_thing() -> None: ...

    check_a_thing.__module__ = "checks"
    module.check_a_thing = check_a_thing  # pyright: ignore[reportAttributeAccessIssue]
    checks = checks_of(module)
    assert [check.name for check in checks] == [
        "scale: shapes and types",
        "a thing",
        "scale: finite differences",
        "scale: twin",
    ]
    assert [check.needs_torch for check in checks] == [False, False, False, True]


def test_gradients_of_unused_arguments_are_zero_for_the_twin_as_well() -> None:
    lonely = Case(
        "lonely",
        lambda x, params: (2 * x, None),
        lambda dy, cache: (2 * dy, {"factor": np.zeros(Sizes().D)}),
        draw,
        lambda x, params: 2 * x,
    )
    assert distance(lonely, lonely.torch, Sizes(), 0) == 0  # pyright: ignore[reportArgumentType]
