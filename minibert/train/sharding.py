"""Tensors that lie in parts on several processes (DTensors): put together, and taken apart again."""

import gc
import sys

from torch import Tensor


def whole(tensor: Tensor) -> Tensor:
    """Return a tensor with all of its parts, on every process; one that is not in parts comes back itself.

    All processes must call this, in the same order: the parts are exchanged.
    """
    return tensor.full_tensor() if in_parts(tensor) else tensor  # pyright: ignore[reportAttributeAccessIssue]


def placed_like(full: Tensor, parameter: Tensor) -> Tensor:
    """Return this process's part of `full`, laid out as `parameter` is: the opposite of `whole`.

    Nothing is exchanged, for every process has `full`. The part is a copy, which does not keep the rest of
    `full` in memory. Where `parameter` is not in parts, `full` comes back itself.

    Args:
        full: of the shape of the whole parameter; the same numbers on every process.
        parameter: a parameter as it is after `minibert.train.distributed.spread`.
    """
    if not in_parts(parameter):
        return full
    from torch.distributed.tensor import DTensor, Shard

    assert isinstance(parameter, DTensor) and parameter.placements == (Shard(0),)
    mesh = parameter.device_mesh
    parts, rank = full.chunk(mesh.size()), mesh.get_local_rank()  # of few rows, fewer parts than processes
    mine = (parts[rank] if rank < len(parts) else full[:0]).to(parameter.device, copy=True)
    return DTensor.from_local(
        mine, mesh, parameter.placements, run_check=False, shape=full.shape, stride=full.stride()
    )


def in_parts(tensor: Tensor) -> bool:
    """Tell whether a tensor is a DTensor, without the second that its import takes."""
    return hasattr(tensor, "full_tensor")


def forget_group() -> None:
    """Let the tensors that lie in parts forget the group of their processes.

    torch keeps in memory how it computed with such tensors, after they are gone, and with it their mesh;
    since 2.13 a mesh holds its group.
    """
    if "torch.distributed.device_mesh" in sys.modules:
        from torch.distributed.device_mesh import DeviceMesh

        for mesh in (thing for thing in gc.get_objects() if type(thing) is DeviceMesh):
            vars(mesh).get("_pg_registry", {}).clear()
