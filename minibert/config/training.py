"""How the loop trains."""

from dataclasses import dataclass
from typing import Literal

from minibert.config.values import require

EVALUATE_EVERY = 250
"""Steps between two looks at the held-out text, where nothing is said."""


@dataclass(frozen=True)
class TrainConfig:
    """How the loop trains, whatever the model (see `minibert.train.loop`)."""

    steps: int | None = None
    """Optimiser steps to take."""
    max_minutes: float | None = None
    """Stop after this many minutes of training; the schedule then runs over time."""
    batch_size: int = 48
    """B, sequences in a batch: those of one optimiser step, over all processes."""
    micro_batch: int | None = None
    """Sequences that go through the model at once; a step adds up the gradients of as many such parts as it
    needs, to save memory. All that a process has of a batch if not given."""

    schedule: Literal["linear", "cosine"] = "linear"
    """How the learning rate falls to zero after the warmup."""
    warmup: float = 0.05
    """Share of the run in which the learning rate rises."""
    clip: float = 1.0
    """Largest global norm of the gradient."""
    skip_spikes: bool = False
    """Leave out the steps whose loss stands far above that of the steps before."""
    patience: int | None = None
    """Stop after so many looks at the held-out text without a lower loss, and go back to the best."""

    seed: int = 0
    """Decides the first weights, the order of the examples, the masks and the dropout."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where to train; `auto` takes cuda, then mps, then the CPU."""
    precision: Literal["float32", "tf32", "bf16", "fp16"] = "float32"
    """Of the large products: `tf32` (CUDA alone), `bf16`, or `fp16` with a scaled loss. Weights and the
    optimisers' state are float32 in any case."""
    compile: bool = False
    """Let torch.compile make kernels for this model: a slow first step, then faster ones, on a GPU most."""
    shard: bool = False
    """Under torchrun: split weights, gradients and optimiser state over the processes (FSDP)."""
    deterministic: bool = False
    """Use only algorithms that repeat to the bit, and stop where torch has none; slower on a GPU."""

    checkpoint_every: int = 500
    """Steps between two checkpoints."""
    keep: int = 2
    """The newest checkpoints that stay; the best on held-out text stays besides."""
    log_every: int = 20
    """Steps between two lines in metrics.jsonl."""
    evaluate_every: int | None = None
    """Steps between two looks at the held-out text; 250 if not given, and in fine-tuning an epoch."""
    tensorboard: bool = False
    """Write the numbers for TensorBoard, too, into the folder `tensorboard` of the run."""
    profile: bool = False
    """Write what a few steps do to trace.json, for chrome://tracing or ui.perfetto.dev."""
    peak_tflops: float | None = None
    """TFLOP/s that the device could do at best, to compare with; measured at the start if not given."""

    def __post_init__(self) -> None:
        at_least_one = (
            ("steps", "batch_size", "micro_batch", "patience")
            + ("checkpoint_every", "keep", "log_every", "evaluate_every")
        )  # fmt: skip
        for name in at_least_one:
            value = getattr(self, name)
            require(value is None or value >= 1, f"{name} must be at least 1, got {value}")
        for name in ("max_minutes", "clip", "peak_tflops"):
            value = getattr(self, name)
            require(value is None or value > 0, f"{name} must be above 0, got {value}")
        require(self.seed >= 0, f"seed must be at least 0, got {self.seed}")
        require(0 <= self.warmup <= 1, f"warmup must be in [0, 1], got {self.warmup}")

    @property
    def look_every(self) -> int:
        """Steps between two looks at the held-out text."""
        return self.evaluate_every or EVALUATE_EVERY
