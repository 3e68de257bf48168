"""What tests compare with: finite differences, and how far two tensors are apart."""

from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.autograd import gradcheck

Module = TypeVar("Module", bound=nn.Module)


def distance(got: Tensor, expected: Tensor, least: float = 0.0) -> float:
    """Return the largest difference, as a share of the largest expected number (of `least`, if smaller)."""
    assert got.shape == expected.shape, f"shapes {tuple(got.shape)} and {tuple(expected.shape)}"
    assert got.dtype == expected.dtype, f"types {got.dtype} and {expected.dtype}"
    got, expected = got.detach(), expected.detach()
    scale = max(float(expected.abs().max()), least)
    difference = float((got - expected).abs().max())
    return difference / scale if scale > 0 else difference


def check_gradients(module: nn.Module, run: Callable[..., Any], *inputs: Tensor) -> None:
    """Hold run(*inputs) against finite differences: every output by every input and every parameter."""
    parameters = list(module.parameters())
    inputs = tuple(x.requires_grad_() for x in inputs)
    # The parameters change in place; gradcheck only needs to be told that they are inputs too.
    assert gradcheck(lambda *tensors: run(*tensors[: len(inputs)]), (*inputs, *parameters))


def randomise(module: Module, seed: int = 0, scale: float = 0.5) -> Module:
    """Make every parameter random, float64, norms and biases too, so that no mistake hides behind a zero."""
    generator = torch.Generator().manual_seed(seed)
    module.double()
    with torch.no_grad():
        for parameter in module.parameters():
            noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            parameter.copy_(scale * noise + (parameter.ndim == 1))
    return module
