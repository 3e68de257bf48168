"""Files and folders that are whole or not there, whatever happens while they are written."""

import fcntl
import logging
import os
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

MAKING = ".making-"
"""Stands in the name of a folder that is not whole yet, before the number of its process."""

ABANDONED = 600
"""After this many seconds without a write, a folder that is not whole was left by a killed process."""

LOCK = "run.lock"
"""The file in a run folder that tells which process has it."""

_ours: set[Path] = set()
"""The locks that this process has."""

logger = logging.getLogger("minibert")


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


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Let one process at a time have a run folder, which is made if it is not there.

    The kernel holds the lock, and frees it when the process ends in any way. So a killed run is in nobody's
    way, and the file that it leaves means nothing. Nor is the file ever removed: one process could then lock
    the old file and another a new one of its name.

    A process that has the folder may lock it once more, deeper in its work.

    Raises ValueError, naming the process that has the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = (folder / LOCK).absolute()
    if path in _ours:
        yield
        return
    with open(path, "a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise ValueError(
                f"{path}: {file.read() or 'another process'} trains in this folder; wait for it, stop it, or "
                "choose another folder with --out"
            ) from None
        except OSError as error:
            logger.warning(
                "the disk of %s has no locks (%s): see to it that only one process trains in this folder",
                path,
                error.strerror,
            )
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}")
        file.flush()
        _ours.add(path)
        try:
            yield
        finally:
            _ours.remove(path)


def require_room(folder: Path, needed: int, elsewhere: str) -> None:
    """Raise ValueError unless `needed` bytes are free on the disk of `folder`.

    Args:
        folder: exists.
        needed: bytes.
        elsewhere: for the message, what chooses another folder.
    """
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise ValueError(
            f"not enough room in {folder}: {human(needed)} needed, {human(free)} free. Make room, or choose "
            f"a folder on another disk with {elsewhere}"
        )


def human(count: int) -> str:
    """Return a number of bytes as "12.3 MB", or as "1.3 GB" where it is as large."""
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.1f} MB"
