"""The time of each phase: measured against sleeps, a device that is told how far it is, and a real one."""

import time

import pytest
import torch

from minibert.train.phases import Phases

CPU = torch.device("cpu")


def test_each_phase_has_its_mean_time_per_step() -> None:
    phases = Phases(CPU)
    for _ in range(3):
        for _ in range(2):  # two micro-batches
            with phases.during("forward"):
                time.sleep(0.01)
            with phases.during("backward"):
                time.sleep(0.02)
        time.sleep(0.005)
        with phases.during("optimizer"):
            time.sleep(0.015)
    means = phases.take()
    assert set(means) == {"forward", "backward", "optimizer", "rest"}
    for name, seconds in {"forward": 0.02, "backward": 0.04, "optimizer": 0.015, "rest": 0.005}.items():
        assert seconds <= means[name] < seconds + 0.02, name


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time in seconds, as the phases see it; the test moves it on."""
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    return now


def test_a_lap_takes_all_the_time_since_the_one_before(clock: list[float]) -> None:
    phases = Phases(CPU)
    for name, seconds in (("data", 1.0), ("forward", 2.0), ("optimizer", 4.0)):
        clock[0] += seconds
        phases.lap(name)
    assert phases.take() == pytest.approx({"data": 1.0, "forward": 2.0, "optimizer": 4.0})


def test_what_is_skipped_belongs_to_no_phase(clock: list[float]) -> None:
    phases = Phases(CPU)
    clock[0] += 100.0
    phases.skip()
    with phases.during("optimizer"):
        clock[0] += 1.0
    clock[0] += 100.0
    phases.skip()
    with phases.during("optimizer"):
        clock[0] += 2.0
    assert phases.take() == pytest.approx({"rest": 0.0, "optimizer": 1.5})


def test_each_step_is_taken_once_and_an_unfinished_one_when_it_is_over(clock: list[float]) -> None:
    phases = Phases(CPU)
    assert phases.take() == {}
    for name in ("forward", "optimizer", "forward"):
        clock[0] += 1.0
        phases.lap(name)
    assert phases.take() == pytest.approx({"forward": 1.0, "optimizer": 1.0})
    assert phases.take() == {}
    clock[0] += 3.0
    phases.lap("optimizer")
    assert phases.take() == pytest.approx({"forward": 1.0, "optimizer": 3.0})


class Device:
    """A device that works through what it is given only when it is told to, as a GPU behind its queue."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.queue: list[float | Event] = []

    def work(self, count: int) -> None:
        """Do the next `count` things in the queue."""
        for entry in self.queue[:count]:
            if isinstance(entry, Event):
                entry.time = self.seconds
            else:
                self.seconds += entry
        del self.queue[:count]


class Event:
    """torch.cuda.Event on such a device, which is its own stream."""

    def __init__(self, enable_timing: bool) -> None:
        assert enable_timing
        self.time: float | None = None

    def record(self, device: Device) -> None:
        device.queue.append(self)

    def query(self) -> bool:
        return self.time is not None

    def elapsed_time(self, later: "Event") -> float:
        assert self.time is not None and later.time is not None, "torch raises when an event has not passed"
        return 1000 * (later.time - self.time)


def test_on_cuda_the_time_of_the_device_counts_and_nobody_waits_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    device = Device()
    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda _: device)
    phases = Phases(torch.device("cuda", 1))
    for forward, optimizer in ((1.0, 2.0), (3.0, 4.0)):
        device.queue.append(forward)
        phases.lap("forward")
        device.queue.append(optimizer)
        phases.lap("optimizer")
    assert phases.take() == {}

    device.work(7)  # the first event, the first step, and the forward pass of the second
    assert phases.take() == pytest.approx({"forward": 1.0, "optimizer": 2.0})
    device.work(2)
    assert phases.take() == pytest.approx({"forward": 3.0, "optimizer": 4.0})


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_gpu_the_times_of_the_phases_add_up_to_those_of_the_steps() -> None:
    device = torch.device("cuda")
    x = torch.randn(4096, 4096, device=device)
    torch.cuda.synchronize()
    phases, began = Phases(device), time.perf_counter()
    for _ in range(5):
        with phases.during("forward"):
            for _ in range(10):
                x = torch.tanh(x @ x)
        with phases.during("optimizer"):
            x = torch.tanh(x @ x)
        float(x[0, 0])
    seconds = (time.perf_counter() - began) / 5
    torch.cuda.synchronize()
    means = phases.take()
    assert sum(means.values()) == pytest.approx(seconds, rel=0.1)
    assert means["forward"] > 4 * means["optimizer"] > 0
