"""A trace of a few steps: every operation on a time line, which a browser shows."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile, schedule

SKIP, WARM, RECORD = 2, 1, 3
"""Steps that pass first, in which memory is taken and code is compiled; that the profiler needs to get going;
and that the trace shows."""

logger = logging.getLogger("minibert")


class Trace:
    """Profiles the steps after the first few, and writes what it saw.

    Args:
        path: the file, in the format of chrome://tracing; https://ui.perfetto.dev opens it too. Whole or not
            there.
        device: where the model is; on CUDA its kernels are shown beside the host's operations.
    """

    def __init__(self, path: Path, device: torch.device) -> None:
        self._path = path
        self._left = SKIP + WARM + RECORD
        self._profiler = profile(
            activities=[ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if device.type == "cuda" else []),
            schedule=schedule(wait=SKIP, warmup=WARM, active=RECORD, repeat=1),
            on_trace_ready=self._write,
        )
        self._profiler.start()

    def step(self) -> None:
        """Say that a step is over."""
        if self._left:
            self._left -= 1
            self._profiler.step()

    def close(self) -> None:
        """Stop; when the run was too short for a trace, say so."""
        if self._left:
            steps = SKIP + WARM + RECORD
            logger.warning("no trace: it takes %d steps, and there were %d", steps, steps - self._left)
        self._profiler.stop()

    def _write(self, profiler: profile) -> None:
        """Write the trace, unless the profiler was stopped in the middle of it."""
        if self._left:
            return
        aside = self._path.with_name(f".{self._path.name}.partial")
        # The profiler itself writes a file `.tmp` and renames it; when that fails it raises nothing.
        profiler.export_chrome_trace(str(aside))
        if aside.exists():
            os.replace(aside, self._path)
            logger.info("a trace of %d steps: open %s at https://ui.perfetto.dev", RECORD, self._path)
        else:
            aside.with_name(f"{aside.name}.tmp").unlink(missing_ok=True)
            logger.warning("%s could not be written; is the disk full?", self._path)


class NoTrace:
    """In the place of a trace that nobody asked for."""

    def step(self) -> None:
        """Do nothing."""


@contextmanager
def tracing(folder: Path, device: torch.device, wanted: bool) -> Iterator[Trace | NoTrace]:
    """Yield what must be told of the end of each step; if wanted it writes `trace.json` into the folder."""
    if not wanted:
        yield NoTrace()
        return
    trace = Trace(folder / "trace.json", device)
    try:
        yield trace
    finally:
        trace.close()
