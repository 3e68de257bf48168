"""One process loads torch once, and forks for each of many runs that are to be killed or told to stop.

    with Forks("killed_runs", tmp_path / "said.txt") as forks:
        end = forks.run("live", folder, seconds=0.2)

calls `killed_runs.live(folder)` in a process of its own, and kills it after 0.2 seconds.
"""

import json
import multiprocessing
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any

TESTS = Path(__file__).parent

forking = multiprocessing.get_context("fork")
_place = forking.RawArray("c", 16)


def at(place: str) -> None:
    """Tell where the process is now: whoever kills it will see the last word."""
    _place.value = place.encode()


@dataclass(frozen=True)
class End:
    """How a process came to its end."""

    code: int
    """Its exit code; -9 when it was killed."""
    place: str
    """The last word of `at`."""
    seconds: float
    """How long it lived."""
    said: str
    """What it wrote to stdout and stderr."""


def run(function: str, arguments: list[Any], seconds: float | None, said: str) -> dict[str, Any]:
    """Call module.function in a fork of this process, which is killed after so many seconds."""
    module, name = function.split(".")
    target = getattr(import_module(module), name)

    def speak() -> None:
        with open(said, "w") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        target(*arguments)

    at("start")
    child, began = forking.Process(target=speak), time.perf_counter()
    child.start()
    child.join(seconds)
    child.kill()
    child.join()
    assert child.exitcode is not None
    return {
        "code": child.exitcode,
        "place": _place.value.decode(),
        "seconds": time.perf_counter() - began,
        "said": Path(said).read_text(errors="replace"),
    }


def main(module: str) -> None:
    """Load a module, then answer the questions on stdin, each a line, until there are no more."""
    import_module(module)
    for line in sys.stdin:
        print(json.dumps(run(**json.loads(line))), flush=True)


class Forks:
    """The process that forks, seen from a test.

    Args:
        module: of tests/; it is loaded once, and has the functions to call.
        said: a file for what the forks say.
    """

    def __init__(self, module: str, said: Path) -> None:
        self.module, self.said = module, said

    def __enter__(self) -> "Forks":
        self._process = subprocess.Popen(
            [sys.executable, "-c", f"import forked; forked.main({self.module!r})"],
            cwd=TESTS,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def run(self, function: str, *arguments: Any, seconds: float | None = None) -> End:
        """Call a function of the module in a fork, with arguments that JSON can hold; return how it ended."""
        assert self._process.stdin is not None and self._process.stdout is not None
        question = {
            "function": f"{self.module}.{function}",
            "arguments": arguments,
            "seconds": seconds,
            "said": str(self.said),
        }
        print(json.dumps(question), file=self._process.stdin, flush=True)
        return End(**json.loads(self._process.stdout.readline()))
