"""Try learners' functions, each in a process of its own, which ends in time whatever they do.

`examine` starts a fresh process for one file. `examine_many` starts one process that has loaded the libraries
already and forks for each file, for the many trials of an audit.
"""

import contextlib
import io
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from minibert.learn.exercises import Exercise, find_exercise
from minibert.learn.trial import Trial, Verdict

LIMIT = 10.0
"""Seconds for the checks of an exercise by hand."""

TORCH_LIMIT = 30.0
"""Seconds for those of an exercise in PyTorch."""

GRACE = 20.0
"""So many seconds more a process has to find out what is wrong, before it is killed."""


MEMORY = 4 << 30
"""Bytes that a process may take, where the system can hold it to that."""


@dataclass(frozen=True)
class Request:
    """A file to try."""

    id: str
    text: str
    path: str
    twin: bool = False
    limit: float = LIMIT


def request(exercise: Exercise, path: Path, twin: bool, limit: float | None) -> Request:
    """Return the request to try a learner's file.

    Raises FileNotFoundError, and ValueError for a file that is no text.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not a text in UTF-8 ({error})") from error
    usual = TORCH_LIMIT if exercise.needs_torch or twin else LIMIT
    return Request(exercise.id, text, str(path), twin, limit or usual)


def examine(exercise: Exercise, path: Path, twin: bool = False, limit: float | None = None) -> Verdict:
    """Run the checks of an exercise on a learner's file.

    Args:
        twin: hold it against PyTorch itself, which takes seconds to load, not against its stored numbers.
        limit: seconds for the checks; None takes what is usual.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no text.
    """
    asked = request(exercise, path, twin, limit)
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command(), stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, env=environment()
    ) as process:
        try:
            line = json.dumps(asdict(asked)).encode() + b"\n"
            written, _ = process.communicate(line, asked.limit + GRACE)
        except subprocess.TimeoutExpired:
            written = b""
        finally:
            process.kill()
    return read_answer(written, process.returncode, asked.limit)


def examine_many(requests: Iterable[Request], workers: int = 2) -> Iterator[Verdict]:
    """Try many files, so many at once; yield the verdicts in the order of the requests."""
    process = subprocess.Popen(
        [*command(), str(workers)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment()
    )
    assert process.stdin is not None and process.stdout is not None
    asked = list(requests)
    feeder = threading.Thread(target=feed, args=(process.stdin, asked), daemon=True)
    feeder.start()
    waiting: dict[int, Verdict] = {}
    try:
        for number in range(len(asked)):
            while number not in waiting:
                line = process.stdout.readline()
                if not line:
                    raise RuntimeError(f"the examining process ended with {process.wait()}")
                answer = json.loads(line)
                waiting[answer["number"]] = Verdict(**answer["verdict"])
            yield waiting.pop(number)
    finally:
        process.kill()
        process.wait()
        feeder.join()
        process.stdout.close()


def feed(stream: IO[bytes], asked: Iterable[Request]) -> None:
    """Write requests, a line each, until the other side has gone."""
    try:
        with stream:
            for item in asked:
                stream.write(json.dumps(asdict(item)).encode() + b"\n")
                stream.flush()
    except BrokenPipeError:
        pass


def command() -> list[str]:
    """Return how this module is run; -P keeps the files of the learner's folder from being imported."""
    return [sys.executable, "-P", "-m", "minibert.learn.examine"]


def environment() -> dict[str, str]:
    """Return the environment of the process: it must find this very package, and use one thread."""
    root = str(Path(__file__).parents[2])
    before = os.environ.get("PYTHONPATH")
    paths = os.pathsep.join([root, before] if before else [root])
    return os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def read_answer(written: bytes, code: int | None, limit: float) -> Verdict:
    """Return the verdict that a process wrote, or what it means that it wrote none."""
    try:
        return Verdict(**json.loads(written))
    except ValueError:
        pass
    if code == -signal.SIGKILL:
        return Verdict("slow", message=f"it had not ended after {limit:.3g} seconds and had to be killed")
    how = f"was ended by {signal.Signals(-code).name}" if code and code < 0 else f"ended with {code}"
    return Verdict("broken", message=f"the process {how} before the checks were through")


def main(arguments: list[str]) -> None:
    """Read requests from standard input and write verdicts; with a number, fork for each, so many at once."""
    answers = os.fdopen(os.dup(1), "wb")
    asked = (Request(**json.loads(line)) for line in sys.stdin.buffer)
    if arguments:
        fork_for_each(asked, answers, int(arguments[0]))
    else:
        answer(next(asked), answers)
    answers.flush()
    os._exit(0)  # whatever threads the learner's code has left behind


def answer(asked: Request, stream: IO[bytes]) -> None:
    """Answer a request, in this process, which hears and says nothing else from now on."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    sys.stdin = io.StringIO()  # the old one may have read ahead
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, resource.getrlimit(resource.RLIMIT_DATA)[1]))

    def deliver(verdict: Verdict) -> None:
        stream.write(json.dumps(asdict(verdict)).encode())
        stream.flush()

    try:
        exercise, path = find_exercise(asked.id), Path(asked.path)
        deliver(Trial(exercise, asked.text, path, asked.twin, asked.limit, deliver=deliver).run())
    except Exception:
        deliver(Verdict("broken", message=f"this is minibert's own fault:\n{traceback.format_exc(-3)}"))


def fork_for_each(asked: Iterator[Request], answers: IO[bytes], workers: int) -> None:
    """Answer requests in children of this process, which has loaded the libraries; kill those that hang."""
    import torch  # noqa: F401  so that no child has to

    from minibert.learn.mutate import mutants

    mutants()
    running: dict[int, tuple[int, int, float, float]] = {}
    more = True
    number = 0
    while more or running:
        while more and len(running) < workers:
            item = next(asked, None)
            more = item is not None
            if item is not None:
                pid, pipe = fork(item)
                running[pid] = (number, pipe, time.monotonic() + item.limit + GRACE, item.limit)
                number += 1
        for pid, (which, pipe, end, limit) in list(running.items()):
            done, status = os.waitpid(pid, os.WNOHANG)
            if not done and time.monotonic() > end:
                os.kill(pid, signal.SIGKILL)
                done, status = os.waitpid(pid, 0)
            if done:
                del running[pid]
                with os.fdopen(pipe, "rb") as stream:
                    verdict = read_answer(stream.read(), os.waitstatus_to_exitcode(status), limit)
                answers.write(json.dumps({"number": which, "verdict": asdict(verdict)}).encode() + b"\n")
                answers.flush()
        time.sleep(0.002)


def fork(asked: Request) -> tuple[int, int]:
    """Start a child that answers a request; return its number and where its answer can be read."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writing)
        return pid, reading
    with os.fdopen(writing, "wb") as stream:
        answer(asked, stream)
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
