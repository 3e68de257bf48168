"""Tensors in parts: whole again to the bit. What is trained in parts is in test_distributed.py."""

import math
from pathlib import Path

import pytest
import torch
from processes import together
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from minibert.train.distributed import Objective, World, spread
from minibert.train.optimizer import clip_gradients
from minibert.train.sharding import placed_like, whole

SHAPES = [(7, 3), (8, 2), (2, 5), (1,), (4, 2, 3)]
"""Rows that three processes share evenly, unevenly, and so few that some process has none."""


class Odd(nn.Module):
    """Parameters of many shapes."""

    def __init__(self) -> None:
        super().__init__()
        g = torch.Generator().manual_seed(0)
        self.values = nn.ParameterList(nn.Parameter(torch.randn(shape, generator=g)) for shape in SHAPES)


def bytes_here(part: Tensor) -> int:
    """Return the memory that a part keeps in this process."""
    assert isinstance(part, DTensor)
    return part.to_local().untyped_storage().nbytes()


def squares(model: nn.Module, scale: float) -> dict[str, Tensor]:
    return {"loss": scale * torch.stack([p.square().sum() for p in model.parameters()]).sum()}


def take_apart(world: World, folder: Path) -> None:
    alone, model = Odd(), Odd()
    module = spread(Objective(model, squares), world, shard=True)
    module(world.rank + 1.0)["loss"].backward()
    squares(alone, sum(rank + 1.0 for rank in range(world.size)))["loss"].backward()

    g = torch.Generator().manual_seed(1)
    for own, parameter in zip(alone.parameters(), model.parameters(), strict=True):
        assert own.grad is not None and parameter.grad is not None
        assert torch.equal(whole(parameter), own)
        torch.testing.assert_close(whole(parameter.grad), own.grad)

        full = torch.randn(own.shape, generator=g)
        for laid_out in (full, full.mT.contiguous().mT if full.ndim > 1 else full):
            part = placed_like(laid_out, parameter)
            assert torch.equal(whole(part), full)
            assert bytes_here(part) <= math.ceil(len(full) / world.size) * full[0].nbytes
            parameter.data.copy_(part)
            assert torch.equal(whole(parameter), full)

    for largest in (1e9, 1.0):
        norm = whole(clip_gradients(model.parameters(), largest))
        torch.testing.assert_close(norm, clip_gradients(alone.parameters(), largest))
    torch.testing.assert_close(whole(clip_gradients(model.parameters(), 1e9)), torch.tensor(1.0))


@pytest.mark.slow
def test_parts_are_whole_again_to_the_bit(tmp_path):
    assert together(3, take_apart, tmp_path) == [0, 0, 0]


def test_a_tensor_that_is_not_in_parts_stays_itself():
    tensor, parameter = torch.ones(3, 2), torch.zeros(3, 2)
    assert whole(tensor) is tensor
    assert placed_like(tensor, parameter) is tensor
