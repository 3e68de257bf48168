"""Out of memory: how torch says it on each device, and what to try next."""

import torch

SAID = (
    "out of memory",  # CUDA, MPS, NCCL
    "can't allocate memory",  # a CPU
    "Invalid buffer size",  # MPS, for one tensor that is too large
    "CUBLAS_STATUS_ALLOC_FAILED",
)
"""What stands in a RuntimeError of torch that means it."""


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error means that a device, or the machine, has no memory left."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in SAID)


def explain_out_of_memory(error: BaseException, micro_batch: int) -> str:
    """Return the message for a run that has no memory for its next step.

    Args:
        error: one of which `is_out_of_memory` is true.
        micro_batch: sequences that went through the model at once.
    """
    said = (str(error) or type(error).__name__).splitlines()[0]
    if micro_batch > 1:
        advice = (
            f"To go on from what is saved, with less at once: --resume auto --micro-batch {micro_batch // 2}"
        )
    else:
        advice = (
            "What is saved stays. Less than that is not possible: try a shorter --seq-len, a smaller model, "
            "or --shard over several devices"
        )
    sequences = "1 sequence" if micro_batch == 1 else f"{micro_batch} sequences"
    return f"no memory for {sequences} at once. {advice}. The error was: {said}"
