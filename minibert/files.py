"""Files and folders that are whole or not there, whatever happens while they are written."""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

MAKING = ".making-"
"""Stands in the name of a folder that is not whole yet, before the number of its process."""

ABANDONED = 600
"""After this many seconds without a write, a folder that is not whole was left by a killed process."""


def write_synced(path: Path, data: bytes) -> None:
    """Write a file and wait until it is on the disk."""
    with open(path, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Wait until the names in `folder` are on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def replace_file(path: Path, content: str | bytes) -> None:
    """Write a file whole or not at all; text is written as UTF-8."""
    aside = path.with_name(f".{path.name}.partial")
    try:
        write_synced(aside, content.encode() if isinstance(content, str) else content)
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Yield a folder to fill; when the block ends it becomes `folder`, whole, or leaves nothing.

    Where another process was faster, its folder stays. What killed processes left beside `folder` goes.
    """
    sweep(folder.parent)
    making = folder.with_name(f"{folder.name}{MAKING}{os.getpid()}")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True)
    try:
        yield making
        try:
            os.rename(making, folder)
        except OSError:
            if not folder.is_dir():
                raise
    except OSError as error:
        error.filename = error.filename or str(folder)  # a write to a full disk does not say where
        raise
    finally:
        shutil.rmtree(making, ignore_errors=True)


def sweep(folder: Path) -> None:
    """Remove the unfinished folders in `folder` into which nobody has written for `ABANDONED` seconds."""
    for making in folder.glob(f"*{MAKING}*"):
        with suppress(FileNotFoundError):  # finished just now
            newest = max(path.stat().st_mtime for path in [making, *making.rglob("*")])
            if time.time() - newest > ABANDONED:
                shutil.rmtree(making)
