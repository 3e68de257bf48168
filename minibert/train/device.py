"""The device that trains: which it is, what it can do at best, how much memory it took, and repeating it."""

import os
import platform
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import torch

from minibert.train.precision import computing, matrix_products

WIDTHS = {"cpu": 1024, "mps": 4096, "cuda": 8192}
"""Rows and columns of the matrices that are multiplied to measure a device."""

PATIENCE = 0.3
"""Seconds in which the best product counts."""


def choose_device(name: Literal["auto", "cpu", "cuda", "mps"]) -> torch.device:
    """Return the device; `auto` takes cuda, then mps, then the CPU.

    Raises ValueError when a device is asked for that is not there.
    """
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(kind for kind in ("cuda", "mps", "cpu") if there[kind])
    if not there[name]:
        raise ValueError(
            f"no {name} device here; use --device auto, or one of: {', '.join(d for d in there if there[d])}"
        )
    return torch.device(name)


def device_name(device: torch.device) -> str:
    """Return what the device is called."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def to_device(batch: Any, device: torch.device) -> Any:
    """Move a batch: a tuple of tensors, or anything with a method `to`."""
    if isinstance(batch, tuple):
        return tuple(part.to(device, non_blocking=True) for part in batch)
    return batch.to(device)


def measure_peak(device: torch.device, precision: str) -> float:
    """Return the FLOP/s of the fastest product of two large square matrices in `precision`.

    A product of n x n matrices is 2 n^3 floating-point operations. This is what a training step could reach
    at best: the reference of the model FLOPs utilisation (Chowdhery et al. 2022, appendix B).
    """
    n = WIDTHS[device.type]
    a = torch.ones(n, n, device=device)
    best, end = float("inf"), time.perf_counter() + PATIENCE
    with matrix_products(precision), computing(precision, device), torch.no_grad():
        while time.perf_counter() < end:
            start = time.perf_counter()
            torch.mm(a, a)
            wait_for(device)
            best = min(best, time.perf_counter() - start)
    return 2 * n**3 / best


def wait_for(device: torch.device) -> None:
    """Wait until the device has done all that it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def peak_memory(device: torch.device) -> int:
    """Return the most bytes that this process has held so far: of the GPU, or of the machine."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024  # getrusage counts bytes on macOS, KiB on Linux
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@contextmanager
def repeatable(deterministic: bool) -> Iterator[None]:
    """Leave torch's random numbers as they were; with `deterministic`, allow only what repeats to the bit.

    Torch raises RuntimeError in such a block for an operation without a deterministic algorithm. On CUDA its
    matrix products repeat only with CUBLAS_WORKSPACE_CONFIG set before the first of them, which is done here.
    Source: the note "Reproducibility" in torch's documentation.
    """
    before = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
        torch.backends.cudnn.benchmark = False
    try:
        with torch.random.fork_rng():
            yield
    finally:
        torch.use_deterministic_algorithms(before[0])
        torch.backends.cudnn.benchmark = before[1]
