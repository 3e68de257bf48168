"""Where the time of a step goes: into data, forward pass, backward pass, optimizer, and the rest."""

import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any

import torch
from torch.profiler import record_function

LAST = "optimizer"
"""The phase that ends a step: there are as many steps as laps of it."""

REST = "rest"
"""What lies between phases."""


class HostEvent:
    """This moment on the clock of the host; it is asked as torch.cuda.Event is."""

    def __init__(self) -> None:
        self.time = time.perf_counter()

    def query(self) -> bool:
        """Return whether the moment has passed."""
        return True

    def elapsed_time(self, later: "HostEvent") -> float:
        """Return the milliseconds from this moment to a later one."""
        return 1000 * (later.time - self.time)


def cuda_event(device: torch.device) -> torch.cuda.Event:
    """Return the moment at which a device will have done all that it has been given so far."""
    event = torch.cuda.Event(enable_timing=True)
    event.record(torch.cuda.current_stream(device))
    return event


class Phases:
    """A stopwatch for the phases of a step, which the device never has to wait for.

    The time of a phase is that from the end of the phase before to its own. On CUDA the ends are events in
    the device's queue of work, and read when they have passed: what a phase lasts is what the device took for
    it, and waited for the host in it. On other devices the host's clock counts.

    Args:
        device: where the model is.
        named: whether a trace shows the phases by their names, which takes a little time also where nobody
            traces.
    """

    def __init__(self, device: torch.device, named: bool = False) -> None:
        self._range = record_function if named else nullcontext
        self._now: Any = partial(cuda_event, device) if device.type == "cuda" else HostEvent
        self._last = self._now()
        self._ends: deque[tuple[str, Any]] = deque()
        """The ends of phases that may still lie ahead of the device."""
        self._step: Counter[str] = Counter()
        """Milliseconds by phase, of the step that is not over yet."""
        self._sums: Counter[str] = Counter()
        """The same of all steps that are over."""
        self._steps = 0

    @contextmanager
    def during(self, name: str) -> Iterator[None]:
        """Time the block as a phase, and what came before it as the rest."""
        self.lap(REST)
        with self._range(name):
            yield
        self.lap(name)

    def lap(self, name: str) -> None:
        """End a phase."""
        self._ends.append((name, self._now()))
        if name == LAST:
            self._read()

    def skip(self) -> None:
        """Let the time since the last phase belong to no phase."""
        self.lap("")

    def take(self) -> dict[str, float]:
        """Return the mean seconds of each phase per step, over the steps since the last time.

        A step whose end the device has not reached yet is left for the next time. Without any step there is
        nothing.
        """
        self._read()
        means = {name: total / 1000 / self._steps for name, total in self._sums.items()}
        self._sums, self._steps = Counter(), 0
        return means

    def _read(self) -> None:
        """Take the time of the phases whose ends have passed."""
        while self._ends and self._ends[0][1].query():
            name, end = self._ends.popleft()
            if name:
                self._step[name] += self._last.elapsed_time(end)
            self._last = end
            if name == LAST:
                self._sums.update(self._step)
                self._step.clear()
                self._steps += 1
