"""A model at work: in its precision, on its device, beside the other processes."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from minibert.config import TrainConfig
from minibert.train.distributed import Objective, World, gathered, spread, synchronised
from minibert.train.optimizer import clip_gradients
from minibert.train.phases import Phases
from minibert.train.precision import LossScaler, computing
from minibert.train.sharding import whole
from minibert.train.step import Part, accumulate

Loss = Callable[[nn.Module, Any], Mapping[str, Tensor]]
"""model, batch -> the means of its losses by name; their sum is minimised."""

Result = TypeVar("Result")


class Worker:
    """Works out gradients: the forward and the backward pass as the machine does them best.

    Args:
        model: on its device; with `config.shard` its parameters are split over the processes, in place.
        loss: see `Loss`.
        config: precision, compile and shard count here.
        world: the processes.
        phases: times the passes.
    """

    def __init__(
        self, model: nn.Module, loss: Loss, config: TrainConfig, world: World, phases: Phases
    ) -> None:
        self.model, self.phases = model, phases
        self.device = next(model.parameters()).device
        self.precision = config.precision
        self.scaler = LossScaler() if config.precision == "fp16" else None
        self.module = spread(Objective(model, loss), world, config.shard)
        self.parameters = list(model.parameters())
        if config.compile:
            self.module.compile()

    def gradient(self, parts: Sequence[Part]) -> dict[str, Tensor]:
        """Set the parameters' gradients to those of a whole batch; return this process's share of its losses.

        Over all processes the shares add up to the losses, and the gradients are already added up.
        """
        *before, last = parts
        losses: Mapping[str, Tensor] = {}
        if before:
            with synchronised(self.module, last=False):
                losses = accumulate(before, self.forward, self.backward)
        with synchronised(self.module, last=True):
            rest = accumulate([last], self.forward, self.backward)
        return {name: value + losses[name] if name in losses else value for name, value in rest.items()}

    def forward(self, batch: Any) -> Mapping[str, Tensor]:
        """Return the means of the losses of a micro-batch."""
        with self.phases.during("forward"), computing(self.precision, self.device):
            return self.module(batch)

    def backward(self, loss: Tensor) -> None:
        """Add the gradient of a loss, times the scale in fp16, to the parameters'."""
        with self.phases.during("backward"):
            (loss * self.scaler.scale if self.scaler else loss).backward()

    def clip(self, largest: float) -> Tensor:
        """Bring the gradients to their true size and clip them; return their norm before clipping."""
        if self.scaler:
            self.scaler.unscale([p.grad for p in self.parameters if p.grad is not None])
        return whole(clip_gradients(self.parameters, largest))

    def look(self, evaluate: Callable[[nn.Module], Result]) -> Result:
        """Return what `evaluate` says of the model, in evaluation mode and in the run's precision."""
        self.model.eval()
        try:
            with torch.no_grad(), gathered(self.module), computing(self.precision, self.device):
                return evaluate(self.model)
        finally:
            self.model.train()
