"""What it takes to prove a block: cases to run it on, and the oracles to hold it against.

A module of `minibert.learn.checks` has functions `check_…` for the cases worked by hand and for what must
always hold and, where there is a backward pass or a twin, a list CASES. `checks_of` gives all that it
promises: those functions, and for every case shapes and types, finite differences and the twin. The tests run
them, and the exercises run the same ones.
"""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from minibert.byhand.arguments import by_name, copied, has_gradient, pair_up
from minibert.byhand.gradcheck import gradcheck, relative_errors
from minibert.learn.compare import CheckError, expect, expect_close
from minibert.learn.sizes import Sizes

TWIN = 1e-11
"""The largest distance from PyTorch in float64 that is rounding."""


@dataclass(frozen=True)
class Case:
    """A function by hand, arguments to run it on, and the same function by others."""

    name: str
    """What is special about it: "causal mask"."""
    forward: Callable[..., Any]
    """Arguments -> (out, cache); without a backward pass, arguments -> out, an array or a tuple of them."""
    backward: Callable[[Any, Any], Any] | None
    """(dout, cache) -> the gradients of the arguments that have one; None where there is no such thing."""
    draw: Callable[[Sizes, np.random.Generator], tuple[Any, ...]]
    """Draws the arguments, in float64."""
    torch: Callable[..., Any] | None = None
    """The twin in PyTorch: the same arguments, arrays as tensors -> out. Imports torch inside."""
    transformers: Callable[..., Any] | None = None
    """The same by `transformers`, which it imports inside; None where they have no such thing."""

    def arguments(self, size: Sizes, seed: int) -> tuple[Any, ...]:
        """Return the arguments that the seed draws."""
        return self.draw(size, np.random.default_rng(seed))


def finite_differences(case: Case, size: Sizes, seed: int, tolerance: float = 1e-7) -> float:
    """Return the largest relative error of the gradients; raise GradientError above the tolerance."""
    assert case.backward is not None
    arguments = case.arguments(size, seed)
    return gradcheck(case.forward, case.backward, *arguments, tolerance=tolerance, seed=seed + 1)


@dataclass(frozen=True)
class Numbers:
    """What a twin makes of a case."""

    outputs: tuple[Any, ...]
    gradients: tuple[Any, ...] = ()
    """Under a random upstream gradient, in the order of the arguments; none where there is no backward."""


def twin_numbers(case: Case, twin: Callable[..., Any], size: Sizes, seed: int) -> Numbers:
    """Return the outputs of a twin and, where the case has a backward pass, all gradients by autograd."""
    arguments = case.arguments(size, seed)
    tensors = tuple(to_torch(argument) for argument in arguments)
    theirs = twin(*tensors)
    if case.backward is None:
        return Numbers(tuple(map(to_numpy, as_tuple(theirs))))

    import torch

    dout = upstream(np.shape(to_numpy(theirs)), seed)
    # Of a sum: handed an upstream gradient, autograd loads SymPy, which takes a second.
    total = (theirs * to_torch(dout).detach()).sum()
    slopes = torch.autograd.grad(total, list(leaves(tensors)), materialize_grads=True)
    return Numbers((to_numpy(theirs),), tuple(map(to_numpy, slopes)))


def distance(case: Case, twin: Callable[..., Any], size: Sizes, seed: int) -> float:
    """Return how far a case is from a twin: max |ours - theirs| / max |theirs| of the worst array.

    Outputs and, where there is a backward pass, all gradients under a random upstream gradient. Gradients
    that are zero on paper are measured as `relative_errors` says.
    """
    return distance_from(case, twin_numbers(case, twin, size, seed), size, seed)


def distance_from(case: Case, theirs: Numbers, size: Sizes, seed: int) -> float:
    """Return how far a case is from the numbers of a twin, for the same sizes and seed."""
    arguments = case.arguments(size, seed)
    if case.backward is None:
        pairs = zip(as_tuple(case.forward(*arguments)), theirs.outputs, strict=True)
        return max(far(our, their) for our, their in pairs)
    out, cache = case.forward(*arguments)
    error = far(out, theirs.outputs[0])
    named = by_name(case.forward, arguments)
    pairs = pair_up(named, case.backward(upstream(np.shape(out), seed), cache))
    gradients = {name: gradient for name, _, gradient in pairs}
    expected = dict(zip(gradients, theirs.gradients, strict=True))
    for name, slope in expected.items():
        expect(gradients[name].shape == slope.shape, f"the twin's gradient of {name} has shape {slope.shape}")
    return max(error, *relative_errors(gradients, expected).values())


def upstream(shape: tuple[int, ...], seed: int) -> Any:
    """Return the gradient of the loss by the output of a case, drawn by another seed than its arguments.

    By the same it would be the same numbers: and a layer norm's gradient under its own input is zero.
    """
    return np.random.default_rng(seed + 1).normal(size=shape)


def far(ours: Any, theirs: Any) -> float:
    """Return max |ours - theirs| / max |theirs|, or max |ours| where theirs are all zero."""
    expect(np.shape(ours) == np.shape(theirs), f"expected the shape {np.shape(theirs)}, got {np.shape(ours)}")
    return float(np.abs(ours - theirs).max(initial=0)) / (float(np.abs(theirs).max(initial=0)) or 1.0)


def as_tuple(value: Any) -> tuple[Any, ...]:
    """Return a tuple as it is, and anything else as a tuple of one."""
    return value if isinstance(value, tuple) else (value,)


def to_torch(argument: Any) -> Any:
    """Return arrays as tensors, those of floating-point numbers as leaves; and all else as it is."""
    import torch

    if isinstance(argument, dict):
        return {name: to_torch(value) for name, value in argument.items()}
    if isinstance(argument, np.ndarray):
        return torch.tensor(argument, requires_grad=has_gradient(argument))
    return torch.tensor(argument) if isinstance(argument, np.floating) else argument


def to_numpy(tensor: Any) -> Any:
    """Return a tensor as an array, and all else as it is."""
    return tensor.detach().numpy() if hasattr(tensor, "detach") else tensor


def leaves(tensors: tuple[Any, ...]) -> Iterator[Any]:
    """Yield the tensors that have a gradient, also those inside dictionaries, in order."""
    for tensor in tensors:
        if isinstance(tensor, dict):
            yield from leaves(tuple(tensor.values()))
        elif getattr(tensor, "requires_grad", False):
            yield tensor


@dataclass(frozen=True)
class Check:
    """Something that must hold, run with sizes and a seed: CheckError or GradientError when it does not."""

    name: str
    run: Callable[[Sizes, int], object]
    promise: str = ""
    """What holds when it passes, in a line."""
    needs_torch: bool = False
    case: str = ""
    """The case that it runs, if it runs one."""


def checks_of(module: ModuleType) -> list[Check]:
    """Return all checks of a module of `minibert.learn.checks`, the plainest first."""
    return [*plain_checks(module), *twin_checks(module)]


def plain_checks(module: ModuleType) -> list[Check]:
    """Return the checks that need no twin: shapes and types, cases by hand, and finite differences."""
    cases: list[Case] = getattr(module, "CASES", [])
    checks = [
        Check(
            f"{case.name}: shapes and types",
            lambda n, s, c=case: check_types(c, n, s),
            "In float32 the shapes stay, and the numbers nearly; no argument is changed.",
            case=case.name,
        )
        for case in cases
    ]
    for name, function in vars(module).items():
        if name.startswith("check_") and function.__module__ == module.__name__:
            title = name.removeprefix("check_").replace("_", " ")
            promise = (inspect.getdoc(function) or "").partition("\n\n")[0].replace("\n", " ")
            checks.append(Check(title, with_sizes(function), promise))
    for case in cases:
        if case.backward is not None:
            checks.append(
                Check(
                    f"{case.name}: finite differences",
                    lambda n, s, c=case: finite_differences(c, n, s),
                    "The gradients are the slopes of the forward pass, measured.",
                    case=case.name,
                )
            )
    return checks


def twin_checks(module: ModuleType) -> list[Check]:
    """Return the checks that hold each case against PyTorch."""
    return [
        Check(
            f"{case.name}: twin",
            lambda n, s, c=case: check_twin(c, n, s),
            "PyTorch gives the same outputs and the same gradients.",
            needs_torch=True,
            case=case.name,
        )
        for case in getattr(module, "CASES", [])
        if case.torch is not None
    ]


def with_sizes(function: Callable[..., object]) -> Callable[[Sizes, int], object]:
    """Return a check that takes sizes and a seed, also where the function needs neither."""
    wanted = inspect.signature(function).parameters
    return lambda size, seed: function(**{name: {"size": size, "seed": seed}[name] for name in wanted})


def check_twin(case: Case, size: Sizes, seed: int, numbers: Numbers | None = None) -> None:
    """Hold a case against its twin in PyTorch, or against numbers that the twin has given before."""
    assert case.torch is not None
    theirs = twin_numbers(case, case.torch, size, seed) if numbers is None else numbers
    error = distance_from(case, theirs, size, seed)
    expect(error <= TWIN, f"{case.name}: off by {error:.2g} from PyTorch, expected at most {TWIN:.2g}")


def check_types(case: Case, size: Sizes, seed: int) -> None:
    """Run a case in float32: types and shapes must stay, numbers nearly, and the arguments altogether."""
    whole = case.arguments(size, seed)
    single = tuple(as_float32(argument) for argument in whole)
    before = tuple(copied(argument) for argument in single)
    if case.backward is None:
        for got, expected in zip(
            as_tuple(case.forward(*single)), as_tuple(case.forward(*whole)), strict=True
        ):
            expect_float32(got, expected, "the result")
    else:
        out, cache = case.forward(*single)
        exact, exact_cache = case.forward(*whole)
        expect_float32(out, exact, "out")
        dout = upstream(np.shape(out), seed)
        narrow = np.asarray(dout, dtype=np.float32)
        handed = np.array(narrow)
        named = by_name(case.forward, single)
        pairs = list(pair_up(named, case.backward(handed, cache)))
        expect(
            np.array_equal(handed, narrow), f"{case.name}: the upstream gradient was changed; work on a copy"
        )
        exact_pairs = pair_up(named, case.backward(dout, exact_cache))
        largest = max((float(np.abs(g).max(initial=0)) for _, _, g in pairs), default=0.0)
        for (name, _, gradient), (_, _, expected) in zip(pairs, exact_pairs, strict=True):
            expect_float32(gradient, expected, f"the gradient of {name}", largest)
    for argument, kept in zip(single, before, strict=True):
        expect(same(argument, kept), f"{case.name}: an argument was changed; work on a copy")


def expect_float32(got: Any, exact: Any, what: str, least: float = 0.0) -> None:
    """Raise CheckError unless `got` is float32 and within its rounding of the exact numbers."""
    if not has_gradient(np.asarray(exact)):
        expect_close(got, exact, what)
        return
    expect(
        np.asarray(got).dtype == np.float32, f"{what} of float32 is {np.asarray(got).dtype}, expected float32"
    )
    largest = float(np.abs(exact).max(initial=0))
    scale = max(largest, least) or 1.0  # a gradient that is zero on paper is measured by the largest of all
    expect_close(got, exact, f"{what} in float32", 1e-3 * scale / (largest or 1.0))


def as_float32(argument: Any) -> Any:
    """Return arrays of floating-point numbers in float32, and all else as it is."""
    if isinstance(argument, dict):
        return {name: as_float32(value) for name, value in argument.items()}
    return argument.astype(np.float32) if has_gradient(argument) else argument


def same(one: Any, other: Any) -> bool:
    """Return whether two arguments hold the same numbers, bit for bit."""
    if isinstance(one, dict):
        return all(same(one[name], other[name]) for name in one)
    return np.array_equal(one, other) if isinstance(one, np.ndarray) else True


__all__ = ["Case", "Check", "CheckError", "checks_of", "distance", "finite_differences"]
