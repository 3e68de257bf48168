"""Where the numbers of a run go: metrics.jsonl for the report, a progress bar for the person, TensorBoard."""

import io
import json
import logging
import math
import os
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TextIO

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from minibert.files import replace_file

Record = dict[str, Any]

logger = logging.getLogger("minibert")


def append_whole(path: Path, data: bytes) -> None:
    """Append to a file all of `data` or, when that raises OSError, nothing of it."""
    with open(path, "ab", buffering=0) as file:
        size = file.seek(0, os.SEEK_END)
        try:
            while data:
                data = data[file.write(data) :]
        except OSError:
            file.truncate(size)
            raise


class GrowingFile:
    """A file that a run appends to; what a full disk refuses waits in memory until there is room."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._waiting = b""

    def append(self, data: bytes) -> None:
        """Append, or keep for the next time; the first failure in a row is told."""
        waited, self._waiting = bool(self._waiting), self._waiting + data
        try:
            append_whole(self._path, self._waiting)
        except OSError as error:
            if not waited:
                logger.warning(
                    "%s: %s; training goes on, and its numbers are written once that is possible",
                    self._path,
                    error.strerror,
                )
        else:
            self._waiting = b""


class MetricsFile:
    """metrics.jsonl: one JSON object a line, appended.

    Args:
        path: the file.
        step: the step that the run goes on from; lines of later steps, which it will take again, are dropped.
    """

    def __init__(self, path: Path, step: int) -> None:
        lines = path.read_bytes().split(b"\n") if path.exists() else []
        replace_file(path, b"".join(line + b"\n" for line in lines if _is_kept(line, step)))
        self._file = GrowingFile(path)

    def __call__(self, record: Record) -> None:
        """Append a line."""
        self._file.append(f"{json.dumps(record)}\n".encode())


def _is_kept(line: bytes, step: int) -> bool:
    """Return whether a line is whole, which a loss of power may have prevented, and of no later step."""
    try:
        return json.loads(line)["step"] <= step
    except ValueError:
        return False


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes}:{seconds:02d}"


class Progress:
    """Loss, speed and time left: a bar on a terminal, else a plain line about every tenth of the run.

    Beside the bar what is logged stands in lines of its own, above it.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._open = ExitStack()
        self._bar = None
        if self._stream.isatty():
            self._bar = self._open.enter_context(
                tqdm(
                    total=1.0,
                    file=self._stream,
                    bar_format="{percentage:3.0f} %|{bar}| {desc}",
                    dynamic_ncols=True,
                )
            )
            self._open.enter_context(logging_redirect_tqdm())
        self._next_line = 0.0

    def __call__(self, record: Record) -> None:
        """Show a line of the metrics."""
        if record["kind"] == "train":
            self._show(record)
        else:
            self._say(f"step {record['step']}: {EVENTS[record['kind']](record)}")

    def _show(self, record: Record) -> None:
        progress, text = record["progress"], how_it_goes(record)
        if self._bar is not None:
            self._bar.n = progress
            self._bar.set_description_str(text)
        elif progress >= self._next_line:
            self._say(f"{progress:4.0%}  {text}")
            self._next_line = (math.floor(10 * progress) + 1) / 10

    def _say(self, text: str) -> None:
        if self._bar is not None:
            self._bar.write(text, file=self._stream)
        else:
            print(text, file=self._stream, flush=True)

    def close(self) -> None:
        """Leave the bar as it stands."""
        self._open.close()


def how_it_goes(record: Record) -> str:
    """Return a training line of the metrics in words."""
    progress = record["progress"]
    left = record["seconds"] * (1 - progress) / max(progress, 1e-9)
    words = [f"{record['tokens_per_second']:,.0f} tokens/s", f"{_clock(left)} left"]
    if "mfu" in record:
        words.insert(1, f"MFU {record['mfu']:.0%}")
    if "loss" in record:  # it is missing where no step since the line before had a finite one
        words.insert(0, f"loss {record['loss']:.3f}")
    return f"step {record['step']}: {', '.join(words)}"


def _held_out(record: Record) -> str:
    shown = {name: value for name, value in record.items() if "loss" in name or "accuracy" in name}
    return "held out: " + ", ".join(f"{name.replace('_', ' ')} {value:.3f}" for name, value in shown.items())


def _spike(record: Record) -> str:
    return (
        f"a spike: loss {record['loss']:.3f}, where {record['expected']:.3f} ± {record['deviation']:.3f} was "
        f"expected; the step is {'left out' if record['skipped'] else 'taken all the same'}"
    )


def _overflow(record: Record) -> str:
    return (
        "the gradient is too large for fp16; the step is left out, and the scale of the loss is now "
        f"{record['loss_scale']:,g}"
    )


EVENTS: dict[str, Callable[[Record], str]] = {"held_out": _held_out, "spike": _spike, "overflow": _overflow}
"""How the lines of the metrics that are not about training in general are told, by their kind."""


TAB = {"tokens_per_second": "speed", "mfu": "speed", "memory": "speed"}
"""The tab of TensorBoard that a number stands in, if it is not that of the kind of its line."""

PLACE = {"kind", "step", "tokens", "seconds", "progress"}
"""What says where in the run a line is, and is no curve."""


def require_tensorboard() -> None:
    """Raise ValueError unless the package that --tensorboard needs is there."""
    if find_spec("tensorboard") is None:
        raise ValueError("--tensorboard needs the package tensorboard: pip install 'minibert[tensorboard]'")


class TensorBoard:
    """An event file of TensorBoard: the numbers of each line of the metrics, as curves over the steps.

    It is written without torch's SummaryWriter, whose thread dies with a traceback when the disk is full.

    Args:
        folder: where the event files are; each start of the run adds one.
        step: the step that the run goes on from; TensorBoard drops the points of later steps, which the run
            will take again.

    Raises:
        ValueError: the package is not installed.
    """

    def __init__(self, folder: Path, step: int) -> None:
        require_tensorboard()
        self._event = import_module("tensorboard.compat.proto.event_pb2").Event
        folder.mkdir(parents=True, exist_ok=True)
        # TensorBoard reads the files in the order of their names.
        self._file = GrowingFile(folder / f"events.out.tfevents.{time.time():.6f}.{os.getpid()}")
        self._write(file_version="brain.Event:2")
        self._write(step=step + 1, session_log={"status": "START"})

    def __call__(self, record: Record) -> None:
        """Append the points of a line."""
        points = [{"tag": tag, "simple_value": value} for tag, value in scalars(record).items()]
        self._write(step=record["step"], summary={"value": points})

    def _write(self, **content: Any) -> None:
        from tensorboard.summary.writer.record_writer import RecordWriter

        framed = io.BytesIO()
        RecordWriter(framed).write(self._event(wall_time=time.time(), **content).SerializeToString())
        self._file.append(framed.getvalue())


def scalars(record: Record) -> dict[str, float]:
    """Return the numbers of a line of the metrics under their names in TensorBoard, such as "train/loss"."""
    numbers = {name: value for name, value in record.items() if name not in PLACE | {"phases"}}
    named = {f"{TAB.get(name, record['kind'])}/{name}": value for name, value in numbers.items()}
    return named | {f"time/{name}": seconds for name, seconds in record.get("phases", {}).items()}


def to_all(*sinks: Callable[[Record], None]) -> Callable[[Record], None]:
    """Return one sink that passes each record on to all of them."""

    def pass_on(record: Record) -> None:
        for sink in sinks:
            sink(record)

    return pass_on
