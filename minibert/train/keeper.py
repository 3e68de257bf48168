"""The checkpoints of a run: which are written, which stay, and which one a run goes on from."""

import logging
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from minibert.files import human
from minibert.train.checkpoint import (
    Checkpoint,
    load_checkpoint,
    load_model_tensors,
    load_optimizer_tensors,
    model_tensors,
    newest_checkpoint,
    optimizer_tensors,
    remove_old,
    save_checkpoint,
)
from minibert.train.distributed import World
from minibert.train.sharding import whole

PER_WEIGHT = 3
"""Numbers that a checkpoint holds for each weight: itself, and the two means of AdamW."""

logger = logging.getLogger("minibert")


class Keeper:
    """Keeps the checkpoints of a run.

    Args:
        folder: where they are.
        model, optimizers: whose state they hold. Where it is spread over processes it is gathered; process 0
            writes it, and any number of processes can read it.
        keep: how many of the newest stay; the best stays besides.
        world: the processes.
    """

    def __init__(
        self, folder: Path, model: nn.Module, optimizers: Sequence[Optimizer], keep: int, world: World
    ) -> None:
        self.folder, self.model, self.optimizers = folder, model, optimizers
        self.keep, self.world = keep, world

    def save(self, step: int, numbers: Mapping[str, Any], best: int | None) -> bool:
        """Write the checkpoint of `step` and delete those that are no longer needed.

        Args:
            step: the number of steps taken.
            numbers: what JSON can hold of the run's state.
            best: the step whose checkpoint stays, whatever its age.

        Returns:
            Whether it is on the disk. If there is no room for it, that is said, and the older ones stay.
        """
        tensors = {"model": model_tensors(self.model), "optimizer": optimizer_tensors(self.optimizers)}
        gathered = {kind: self.gather(own) for kind, own in tensors.items()}
        written = 1.0
        if self.world.rank == 0:
            try:
                save_checkpoint(self.path(step), Checkpoint(gathered, dict(numbers)))
                remove_old(self.folder, self.keep, best=None if best is None else self.path(best))
            except OSError as error:
                written = 0.0
                logger.warning("%s", self.explain(error, gathered))
        return self.world.sum([written if self.world.rank == 0 else 0.0]) == [1.0]

    def gather(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return whole tensors on the CPU: to process 0, for the others only help to put them together.

        One after another, so that no device holds more than one of them; and sorted, for all must have the
        same order, and what was loaded comes in that of a hash table.
        """
        gathered = {}
        for name in sorted(tensors):
            full = whole(tensors[name])
            if self.world.rank == 0:
                gathered[name] = full.detach().cpu()
        return gathered

    def path(self, step: int) -> Path:
        """Return the folder of a step's checkpoint."""
        return self.folder / f"step-{step:08d}"

    def explain(self, error: OSError, tensors: Mapping[str, Mapping[str, Tensor]]) -> str:
        """Say that a checkpoint could not be written, how large it is, and how much room there is."""
        needed = sum(t.nbytes for own in tensors.values() for t in own.values())
        free = shutil.disk_usage(self.folder).free
        return (
            f"no checkpoint written to {self.folder}: {error.strerror or error}. It takes {human(needed)}; "
            f"{human(free)} are free. The checkpoints from before are kept; make room, and the next one will "
            "be written"
        )

    def restore(self) -> dict[str, Any] | None:
        """Load the newest good checkpoint into model and optimisers; return its numbers, None without one."""
        checkpoint = newest_checkpoint(self.folder)
        if checkpoint is None:
            return None
        load_model_tensors(self.model, checkpoint.tensors["model"])
        load_optimizer_tensors(self.optimizers, checkpoint.tensors["optimizer"])
        return checkpoint.numbers

    def restore_model(self, step: int) -> bool:
        """Load the weights of a step's checkpoint into the model; where it is not there, say so: False."""
        try:
            load_model_tensors(self.model, load_checkpoint(self.path(step)).tensors["model"])
        except ValueError as error:
            logger.warning("the best checkpoint is lost (%s): the last weights stand in for it", error)
            return False
        return True

    def room_needed(self) -> int:
        """Return how many bytes the run may still write: its checkpoints, one more in writing, the model."""
        weights = sum(4 * p.numel() for p in self.model.parameters())
        copies = max(1, self.keep + 2 - len(list(self.folder.glob("step-*"))))
        return weights * (PER_WEIGHT * copies + 1)
