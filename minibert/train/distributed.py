"""Many processes, one run: each computes its rows of the batch, and the gradients are summed.

`torchrun --nproc-per-node 4 -m minibert pretrain …` starts the same command four times and tells each process
its number. Either every process has the whole model (DDP), or each has a part of every weight and gathers the
rest while it computes (FSDP, Zhao et al. 2023).
"""

import gc
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist

# DDP imports this, and the defaults of its functions hold the process group of that moment: with the import
# here, where there is none yet, `joined` can end the group.
import torch.distributed.nn.functional
from torch import Tensor, nn
from torch.futures import Future
from torch.nn.parallel import DistributedDataParallel

from minibert.train.sharding import forget_group

BACKENDS = {"cpu": "gloo", "cuda": "cpu:gloo,cuda:nccl"}
"""What carries tensors between the processes: small ones of the CPU by gloo also beside GPUs."""

PATIENCE = timedelta(hours=4)
"""How long a process waits for the others, as while the first one reads a large corpus."""


@dataclass(frozen=True)
class World:
    """The processes of a run, seen from one of them."""

    rank: int = 0
    """This process's number, from 0."""
    size: int = 1
    """How many there are."""
    local_rank: int = 0
    """This process's number among those on its machine."""

    def device(self, kind: str) -> torch.device:
        """Return this process's device: of several GPUs the one that has its number."""
        return torch.device(kind, self.local_rank) if kind == "cuda" else torch.device(kind)

    def sum(self, numbers: Sequence[float]) -> list[float]:
        """Add up each of the numbers over all processes, in float64; all get the same sums."""
        if self.size == 1:
            return [float(number) for number in numbers]
        total = torch.tensor(numbers, dtype=torch.float64)
        dist.all_reduce(total)
        return total.tolist()

    def barrier(self) -> None:
        """Wait until all processes are here."""
        self.sum([0.0])

    @contextmanager
    def first(self) -> Iterator[None]:
        """Let process 0 go through the block first, and then the others, who find what it has made.

        Where it fails, the others try too, and fail in the same words.
        """
        if self.rank > 0:
            self.barrier()
        try:
            yield
        finally:
            if self.rank == 0:
                self.barrier()


ALONE = World()
"""The only process of its run."""


@contextmanager
def joined(kind: str) -> Iterator[World]:
    """Join the processes that torchrun started, for as long as the block takes; ALONE where it started none.

    The threads that carry the tensors end with the last object that knows of the group. One that still lets
    go of a tensor while the interpreter shuts down aborts the process: leave nothing from `spread` behind in
    the block.

    Args:
        kind: of device, "cpu" or "cuda".

    Raises:
        ValueError: more processes on this machine than it has GPUs; another kind of device than these two.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield ALONE
        return
    world = World(int(os.environ["RANK"]), size, int(os.environ["LOCAL_RANK"]))
    require_device(kind, world)
    if kind == "cuda":
        torch.cuda.set_device(world.device(kind))
    dist.init_process_group(BACKENDS[kind], timeout=PATIENCE)
    yield world
    # Not after an error: a farewell waits for the others, who may be dead. The end of the process is enough.
    dist.destroy_process_group()
    forget_group()
    gc.collect()


def require_device(kind: str, world: World) -> None:
    """Raise ValueError when `world` cannot train on this kind of device."""
    if kind not in BACKENDS:
        raise ValueError(
            f"several processes train on cpu or cuda, not on {kind}: start one process, without torchrun, or "
            "give --device cpu"
        )
    if kind == "cuda" and world.local_rank >= torch.cuda.device_count():
        raise ValueError(
            f"process {world.local_rank} of this machine needs a GPU of its own, and there are "
            f"{torch.cuda.device_count()}: give torchrun --nproc-per-node {torch.cuda.device_count()}"
        )


def share_of(batch_size: int, world: World) -> tuple[int, int]:
    """Return where this process's rows of the global batch begin, and how many they are.

    The shares follow one another, and differ by one row at most.

    Raises:
        ValueError: there are fewer rows than processes.
    """
    if batch_size < world.size:
        raise ValueError(
            f"a batch of {batch_size} sequences is too small for {world.size} processes: each needs one at "
            f"least; give --batch-size {world.size} or more, or fewer processes"
        )
    first, end = (batch_size * rank // world.size for rank in (world.rank, world.rank + 1))
    return first, end - first


class Objective(nn.Module):
    """Model and loss as one module: objective(batch) = loss(model, batch).

    What spreads a module over processes works where that module is called; a loss reads weights of the model
    outside of the model's own forward pass.

    Args:
        model: has the weights.
        loss: (model, batch) -> scalars by name.
    """

    def __init__(self, model: nn.Module, loss: Callable[[nn.Module, Any], Mapping[str, Tensor]]) -> None:
        super().__init__()
        self.model = model
        self.loss = loss

    def forward(self, batch: Any) -> Mapping[str, Tensor]:
        """Return the parts of the loss."""
        return self.loss(self.model, batch)

    def gather(self) -> None:
        """Compute nothing: for what a sharded module does before its forward pass (see `gathered`)."""


def spread(objective: Objective, world: World, shard: bool) -> nn.Module:
    """Return a module that computes what `objective` does, and whose gradients are summed over all processes.

    A sum, not a mean: whoever computes the loss divides it by the counts of the whole batch.

    Args:
        objective: on its device, with the same weights on all processes. A parameter that the loss does not
            reach must not require a gradient: the others would wait for it.
        world: the processes; alone, `objective` comes back as it is.
        shard: leave each process a part of every parameter (`fully_shard`). The parameters are other ones
            afterwards, so make the optimisers after this.

    Raises:
        ValueError: a model cannot be sharded with this version of torch.
    """
    if world.size == 1:
        return objective
    return sharded(objective, world) if shard else replicated(objective)


def replicated(objective: Objective) -> nn.Module:
    """Leave each process the whole model (DDP, Li et al. 2020); sum in the same order at every step.

    DDP groups the gradients anew after its first step, and from then on adds them up in another order. A run
    that goes on after a stop would differ from one that never stopped, in the last bits. So the first step is
    one that changes nothing.
    """
    replicas = DistributedDataParallel(objective)
    replicas.register_comm_hook(None, summed)
    loss, objective.loss = objective.loss, sum_of_weights
    replicas(None)["sum"].backward()
    objective.loss = loss
    objective.zero_grad()
    return replicas


def sum_of_weights(model: nn.Module, _: None) -> Mapping[str, Tensor]:
    """Return a number on which every weight has an effect."""
    return {"sum": torch.stack([p.sum() for p in model.parameters() if p.requires_grad]).sum()}


def summed(
    _: None,
    bucket: dist.GradBucket,  # pyright: ignore[reportPrivateImportUsage]
) -> Future[Tensor]:
    """Sum a bucket of gradients over all processes, for DDP, which by itself takes the mean."""
    work = dist.all_reduce(bucket.buffer(), async_op=True)
    assert work is not None
    return work.get_future().then(lambda future: future.value()[0])


def sharded(objective: Objective, world: World) -> nn.Module:
    """Leave this process a part of every parameter; each block is gathered alone, the rest together.

    The blocks are the modules that stand in a ModuleList. A parameter that two modules share stays one.
    """
    # Imported here: it takes a second, for which runs that shard nothing need not wait.
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import FSDPModule, fully_shard, register_fsdp_forward_method

    if not hasattr(FSDPModule, "set_force_sum_reduction_for_comms"):
        raise ValueError(
            f"--shard takes torch 2.8 or newer, this is {torch.__version__}: install a newer one, or leave "
            "--shard out"
        )
    mesh = init_device_mesh(next(objective.parameters()).device.type, (world.size,))
    lists = [module for module in objective.modules() if isinstance(module, nn.ModuleList)]
    for module in [*(block for blocks in lists for block in blocks), objective]:
        part = fully_shard(module, mesh=mesh)
        part.set_gradient_divide_factor(1.0)  # a sum, not a mean
        part.set_force_sum_reduction_for_comms(True)  # gloo has no other way
    register_fsdp_forward_method(objective, "gather")
    return objective


def is_sharded(module: Any) -> bool:
    """Tell whether `fully_shard` was called on a module: it has these methods only then."""
    return hasattr(module, "unshard")


@contextmanager
def synchronised(module: Any, last: bool) -> Iterator[None]:
    """Exchange the gradients of the backward pass in this block, or not yet.

    Of the micro-batches of a step only the last one's backward pass exchanges gradients: the sum of all. The
    forward pass must be in the block, too.

    Args:
        module: from `spread`.
        last: this is the last micro-batch of the step.
    """
    if is_sharded(module):
        module.set_requires_gradient_sync(last)
        module.set_is_last_backward(last)
        yield
    elif isinstance(module, DistributedDataParallel) and not last:
        with module.no_sync():
            yield
    else:
        yield


@contextmanager
def gathered(module: Any) -> Iterator[None]:
    """Let the model inside of `module` be called by itself in the block, as an evaluation does.

    When it is sharded, all processes must call it alike: what belongs to no block is gathered here, and each
    block when it is called.

    Args:
        module: from `spread`.
    """
    if not is_sharded(module):
        yield
        return
    module.gather()
    try:
        yield
    finally:
        module.reshard()
