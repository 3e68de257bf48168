"""Several real processes that work together, as torchrun starts them."""

import multiprocessing
import os
import socket
import time
import warnings
from collections.abc import Callable
from multiprocessing.context import SpawnProcess
from pathlib import Path

import torch

from minibert.train.distributed import World, joined

Work = Callable[[World, Path], None]
"""What each process does: a function that other processes can import; the folder is for all of them."""


def together(
    size: int, work: Work, folder: Path, seconds: float = 300, device: str = "cpu"
) -> list[int | None]:
    """Return the exit codes of `size` processes that do `work`. None of them lives longer than `seconds`."""
    spawn = multiprocessing.get_context("spawn")
    port = free_port()
    processes = [
        spawn.Process(target=_join, args=(rank, size, port, work, folder, device)) for rank in range(size)
    ]
    for process in processes:
        process.start()
    try:
        return _exit_codes(processes, time.monotonic() + seconds)
    finally:
        for process in processes:
            process.kill()


def _exit_codes(processes: list[SpawnProcess], end: float) -> list[int | None]:
    for process in processes:
        process.join(max(0.0, end - time.monotonic()))
    return [process.exitcode for process in processes]


def _join(rank: int, size: int, port: int, work: Work, folder: Path, device: str) -> None:
    warnings.simplefilter("error")
    torch.set_num_threads(1)
    os.environ |= {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(size),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
    with joined(device) as world:
        work(world, folder)
    assert "pt_gloo_runloop" not in names_of_threads()


def names_of_threads() -> list[str]:
    """Return the names of this process's threads, also of those that are not Python's; Linux tells them."""
    return [thread.joinpath("comm").read_text().strip() for thread in Path("/proc/self/task").glob("*")]


def free_port() -> int:
    """Return a port of this machine on which nobody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
