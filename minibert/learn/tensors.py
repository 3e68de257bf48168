"""Tensors to check the blocks in PyTorch with, and how two of them are compared."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from minibert.byhand.arguments import by_name, pair_up
from minibert.byhand.gradcheck import relative_errors
from minibert.byhand.parameters import Parameters
from minibert.config import BertConfig
from minibert.learn.compare import CheckError, expect, expect_close
from minibert.learn.proof import Case, leaves, to_numpy, to_torch
from minibert.learn.sizes import Sizes

Module = TypeVar("Module", bound=nn.Module)

ROUNDING = {torch.float64: 1e-10, torch.float32: 1e-5, torch.float16: 1e-2, torch.bfloat16: 5e-2}
"""The largest difference between two ways to work out the same, as a share of the largest number."""


def normal(seed: int, *shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """Return standard normal numbers."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)


def leaf(seed: int, *shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """Return standard normal numbers that are to have a gradient."""
    return normal(seed, *shape, dtype=dtype).requires_grad_()


def exact(values: Any) -> Tensor:
    """Return numbers written out, or an array, in float64."""
    return torch.tensor(values, dtype=torch.float64)


def filled(module: Module, seed: int) -> Module:
    """Return a module in float64 whose parameters are all drawn: no mistake hides behind a 0 or a 1."""
    module.double()
    with torch.no_grad():
        for number, parameter in enumerate(module.parameters()):
            parameter.copy_(0.5 * normal(seed + number, *parameter.shape) + (parameter.ndim == 1))
    return module


def loaded(module: Module, params: Parameters) -> Module:
    """Return a module in float64 with the parameters of a block by hand."""
    module.double().load_state_dict({name: torch.tensor(value) for name, value in params.items()})
    return module


def config(size: Sizes, activation: Any = "gelu", dropout: float = 0.0) -> BertConfig:
    """Return the shape of a small BERT."""
    return BertConfig(
        vocab_size=size.V,
        layers=size.L,
        width=size.D,
        heads=size.H,
        feedforward=size.F,
        max_positions=size.T + 2,
        activation=activation,
        dropout=dropout,
        attention_dropout=dropout,
    )


def expect_same(got: Any, expected: Tensor, what: str, tolerance: float | None = None) -> None:
    """Compare two tensors, also in their type; without a tolerance, up to the rounding of that type."""
    expect(isinstance(got, Tensor), f"{what}: expected a tensor, got {type(got).__name__}")
    expect(
        got.dtype == expected.dtype or got.shape != expected.shape,
        f"{what}: expected numbers of {expected.dtype}, got {got.dtype}",
    )
    if tolerance is None:
        tolerance = ROUNDING.get(expected.dtype, 0.0)
    expect_close(got.detach().double().numpy(), expected.detach().double().numpy(), what, tolerance)


def slopes(out: Any, inputs: Mapping[str, Tensor], seed: int) -> dict[str, Tensor]:
    """Return the gradients of some inputs under a random upstream gradient."""
    expect(isinstance(out, Tensor), f"expected a tensor, got {type(out).__name__}")
    expect(out.requires_grad, "no gradient can flow back: the result was cut off from its arguments")
    dout = normal(seed, *out.shape, dtype=out.dtype)
    return dict(zip(inputs, flow_back(out, dout, list(inputs.values())), strict=True))


def flow_back(out: Tensor, dout: Tensor, inputs: list[Tensor]) -> tuple[Tensor, ...]:
    """Return the gradients of inputs under an upstream gradient; zeros where none flows back.

    From one number, not from the whole of `out`: for that torch would load sympy, which takes half a second.
    """
    return torch.autograd.grad((out * dout).sum(), inputs, retain_graph=True, materialize_grads=True)


def expect_same_slopes(got: Any, expected: Tensor, inputs: Mapping[str, Tensor], seed: int, by: str) -> None:
    """Compare two results, and the gradients that flow back through them into the same leaves."""
    expect_same(got, expected, f"the result ({by} is expected)")
    mine, theirs = slopes(got, inputs, seed), slopes(expected, inputs, seed)
    least = max((float(slope.abs().max()) for slope in theirs.values() if slope.numel()), default=0.0)
    for name, slope in theirs.items():  # a gradient that is zero on paper is nothing but rounding
        small = float(slope.abs().max()) < 1e-6 * least and float(mine[name].abs().max()) < 1e-6 * least
        if not small:
            expect_same(mine[name], slope, f"the gradient of {name} ({by} is expected)")


def expect_by_hand(case: Case, size: Sizes, seed: int, tolerance: float = 1e-9) -> None:
    """Hold a block in PyTorch against the same by hand: results, and the gradients that autograd finds."""
    assert case.torch is not None
    arguments = case.arguments(size, seed)
    tensors = tuple(map(to_torch, arguments))
    found = case.torch(*tensors)
    out, cache = (case.forward(*arguments), None) if case.backward is None else case.forward(*arguments)
    expect_same(found, torch.as_tensor(out), f"{case.name}: the result (that by hand is expected)", tolerance)
    if case.backward is None:
        return
    dout = normal(seed, *out.shape)
    expect(found.requires_grad, f"{case.name}: no gradient can flow back: the result was cut off")
    pairs = pair_up(by_name(case.forward, arguments), case.backward(dout.numpy(), cache))
    expected = {name: gradient for name, _, gradient in pairs}
    found_slopes = map(to_numpy, flow_back(found, dout, list(leaves(tensors))))
    mine = dict(zip(expected, found_slopes, strict=True))
    for name, error in relative_errors(mine, expected).items():
        if not error <= tolerance:
            what = f"{case.name}: the gradient of {name} (that by hand is expected)"
            expect_close(mine[name], expected[name], what, tolerance)


def expect_refused(run: Callable[[], object], what: str) -> None:
    """Raise CheckError unless something raises a ValueError."""
    try:
        run()
    except ValueError:
        return
    raise CheckError(f"{what}: expected a ValueError, got none")


def expect_untouched(run: Callable[..., object], *tensors: Tensor) -> None:
    """Raise CheckError where a function changes a tensor that it is given."""
    before = [tensor.clone() for tensor in tensors]
    run(*tensors)
    for tensor, kept in zip(tensors, before, strict=True):
        expect(torch.equal(tensor, kept), "an argument was changed in place: work on a copy")
