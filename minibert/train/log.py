"""Where the numbers of a run go: metrics.jsonl for the report, a progress bar for the person."""

import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from tqdm import tqdm

from minibert.files import replace_file

Record = dict[str, Any]


class MetricsFile:
    """metrics.jsonl: one JSON object a line, appended.

    Args:
        path: the file.
        step: the step that the run goes on from; lines of later steps, which it will take again, are dropped.
    """

    def __init__(self, path: Path, step: int) -> None:
        kept = [line for line in _whole_lines(path) if json.loads(line)["step"] <= step]
        replace_file(path, "".join(kept))
        self._path = path

    def __call__(self, record: Record) -> None:
        """Append a line."""
        with open(self._path, "a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")


def _whole_lines(path: Path) -> list[str]:
    """Return the lines that are whole; the last one may have been cut short by a kill."""
    if not path.exists():
        return []
    return [
        line for line in path.read_text(encoding="utf-8").splitlines(keepends=True) if line.endswith("}\n")
    ]


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes}:{seconds:02d}"


class Progress:
    """Loss, speed and time left: a bar on a terminal, else a plain line about every tenth of the run."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._bar = None
        if self._stream.isatty():
            self._bar = tqdm(total=1.0, file=self._stream, bar_format="{percentage:3.0f} %|{bar:24}| {desc}")
        self._next_line = 0.0
        self._held_out = ""

    def __call__(self, record: Record) -> None:
        """Show a line of the metrics."""
        if record["kind"] == "held_out":
            shown = {name: value for name, value in record.items() if "loss" in name or "accuracy" in name}
            self._held_out = ", ".join(
                f"{name.replace('_', ' ')} {value:.3f}" for name, value in shown.items()
            )
            self._say(f"step {record['step']}: held out: {self._held_out}")
            return
        progress = record["progress"]
        left = record["seconds"] * (1 - progress) / max(progress, 1e-9)
        text = (
            f"step {record['step']}: loss {record['loss']:.3f}, "
            f"{record['tokens_per_second']:,.0f} tokens/s, {_clock(left)} left"
        )
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
        if self._bar is not None:
            self._bar.close()


def to_all(*sinks: Callable[[Record], None]) -> Callable[[Record], None]:
    """Return one sink that passes each record on to all of them."""

    def pass_on(record: Record) -> None:
        for sink in sinks:
            sink(record)

    return pass_on
