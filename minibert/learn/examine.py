"""Try learners' functions, each in a process of its own, which ends in time whatever they do.

`examine` starts a fresh process for one file. `examine_many` starts one process that has loaded the libraries
already and forks for each file, for the many trials of an audit.
"""

import contextlib
import io
import itertools
import json
import os
import queue
import resource
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from minibert.learn.bench import Bench
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


MANY = "many"
"""The word for a process that answers many requests."""


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
    """Try many files, so many at once; yield the verdicts in the order of the requests.

    Requests for one exercise that follow each other are quickest: they share what is found out about it.
    """
    groups = [list(group) for _, group in itertools.groupby(requests, lambda asked: (asked.id, asked.twin))]
    idle: queue.SimpleQueue[subprocess.Popen[bytes]] = queue.SimpleQueue()
    line, pipe = [*command(), MANY], subprocess.PIPE
    processes = [subprocess.Popen(line, stdin=pipe, stdout=pipe, env=environment()) for _ in range(workers)]
    for process in processes:
        idle.put(process)

    def ask(group: list[Request]) -> list[Verdict]:
        process = idle.get()
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(json.dumps([asdict(asked) for asked in group]).encode() + b"\n")
        process.stdin.flush()
        lines = [process.stdout.readline() for _ in group]
        idle.put(process)
        return [Verdict(**json.loads(line)) for line in lines]

    with ThreadPoolExecutor(workers) as pool:
        answers = [pool.submit(ask, group) for group in groups]
        try:
            for answer in answers:
                yield from answer.result()
        finally:
            for process in processes:
                process.kill()
            pool.shutdown(cancel_futures=True)
            for process in processes:
                with process:
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
    """Answer requests from standard input: one, or list after list of such as are for the same exercise."""
    answers = os.fdopen(os.dup(1), "wb")
    if arguments == [MANY]:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # who has asked will end this process, too
        import torch._dynamo  # noqa: F401  with all that optimisers load; so that no child has to

        for line in sys.stdin.buffer:
            answer_group([Request(**asked) for asked in json.loads(line)], answers)
    else:
        answer(Request(**json.loads(sys.stdin.buffer.readline())), answers)
    os._exit(0)  # whatever threads the learner's code has left behind


def answer_group(group: list[Request], answers: IO[bytes]) -> None:
    """Answer requests for one exercise, in a child that makes one bench and forks for each of them."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        with contextlib.suppress(BrokenPipeError), os.fdopen(writing, "wb") as stream:
            try:
                bench = Bench(find_exercise(group[0].id), group[0].twin)
                bench.prepare()
                for asked in group:
                    stream.write(json.dumps(asdict(answer_apart(asked, bench))).encode() + b"\n")
                    stream.flush()
            except Exception:
                stream.write((json.dumps(asdict(our_fault())).encode() + b"\n") * len(group))
                stream.flush()
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        for _ in group:
            answers.write(stream.readline())
            answers.flush()
    os.waitpid(child, 0)


def answer_apart(asked: Request, bench: Bench) -> Verdict:
    """Answer a request in a child of this process; kill it when it hangs."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    child = os.fork()
    if not child:
        with os.fdopen(writing, "wb") as stream:
            answer(asked, stream, bench)
        os._exit(0)
    os.close(writing)
    end = time.monotonic() + asked.limit + GRACE
    done = status = 0
    while not done:
        if time.monotonic() > end:
            os.kill(child, signal.SIGKILL)
        done, status = os.waitpid(child, os.WNOHANG)
        time.sleep(0.001)
    with os.fdopen(reading, "rb") as stream:
        written = stream.read() or b""  # what is there: a child of the child may hold the pipe open
    return read_answer(written, os.waitstatus_to_exitcode(status), asked.limit)


def answer(asked: Request, stream: IO[bytes], bench: Bench | None = None) -> None:
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
        ready = bench or Bench(find_exercise(asked.id), asked.twin)
        deliver(Trial(ready, asked.text, Path(asked.path), asked.limit, deliver).run())
    except Exception:
        deliver(our_fault())


def our_fault() -> Verdict:
    """Return what is said when it was none of the learner's code that raised the present exception."""
    return Verdict("broken", message=f"this is minibert's own fault:\n{traceback.format_exc(-3)}")


if __name__ == "__main__":
    main(sys.argv[1:])
