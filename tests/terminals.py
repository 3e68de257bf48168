"""A terminal of 80 columns and 24 lines, in which a command runs as it does for a person."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).parent.parent

CLEAR = "\x1b[H\x1b[2J"

TAKE_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""
"""Run by Python before the command: from here on Ctrl-C in the terminal reaches it."""


def plain(text: str) -> str:
    """Return what is left to be seen: no colours, no lines that were taken back."""
    text = re.sub(r"\x1b\[[\d;]*m", "", text.replace("\r\n", "\n"))
    return re.sub(r"[^\n]*\x1b\[2K\r", "", text)


class Terminal:
    """`minibert WORDS` in a terminal, started in a folder."""

    def __init__(self, *words: str, cwd: Path, **extra: str) -> None:
        self.handle, inner = pty.openpty()
        fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        environment = {
            name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS")
        }
        environment |= {"PYTHONPATH": str(ROOT), "TERM": "xterm-256color", "PYTHONUTF8": "1"} | extra
        self.process = subprocess.Popen(
            [sys.executable, "-ISc", TAKE_TERMINAL, sys.executable, "-m", "minibert", *words],
            cwd=cwd,
            env=environment,
            stdin=inner,
            stdout=inner,
            stderr=inner,
            start_new_session=True,
        )
        os.close(inner)
        self.raw = ""

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.handle)

    def read(self, seconds: float) -> bool:
        """Read what comes in so many seconds; return False when the command has gone."""
        if not select.select([self.handle], [], [], seconds)[0]:
            return True
        try:
            got = os.read(self.handle, 65536)
        except OSError:
            return False
        self.raw += got.decode(errors="replace")
        return bool(got)

    def wait_for(self, words: str, seconds: float = 30.0, raw: bool = False) -> str:
        """Return the screen, once it shows these words; raw, once they have come at all."""
        end = time.monotonic() + seconds
        while words not in (self.raw if raw else self.screen()):
            assert self.read(0.1) and time.monotonic() < end, (
                f"{words!r} did not come; there is\n{self.screen()}"
            )
        return self.screen()

    def screen(self) -> str:
        """Return what there is to be seen, since the screen was last cleared."""
        return plain(self.raw.rpartition(CLEAR)[2])

    def press(self, keys: str) -> None:
        """Press keys; "\\x03" is Ctrl-C."""
        os.write(self.handle, keys.encode())

    def end(self, seconds: float = 60.0) -> int:
        """Read to the end, and return the exit code."""
        stop = time.monotonic() + seconds
        while self.read(0.1):
            assert time.monotonic() < stop, f"it did not end; there is\n{self.screen()}"
        return self.process.wait()


def typed(*words: str, cwd: Path, **extra: str) -> tuple[int, str]:
    """Run a command in a terminal to its end; return its exit code and what it showed."""
    with Terminal(*words, cwd=cwd, **extra) as terminal:
        return terminal.end(), terminal.screen()
