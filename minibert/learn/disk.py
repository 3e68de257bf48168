"""What a function asks of the disk: which files it syncs and which it renames, and when.

Nothing is really synced meanwhile: a check wants to know that it was asked for, and not to wait for it.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Event:
    """Something that was asked of the disk."""

    inode: int
    """The number of the file or the folder, which stays when its name changes."""
    size: int
    """Its bytes at that moment."""
    source: Path | None = None
    """The name that it has, where it gets another one; None where it is synced."""
    target: Path | None = None
    """The name that it gets."""

    @property
    def renames(self) -> bool:
        """Whether something gets another name."""
        return self.target is not None


@contextmanager
def watched(before: Callable[[Event], object] = lambda event: None) -> Iterator[list[Event]]:
    """Yield the list of all that is asked of the disk in the block: it grows.

    `os.fsync`, `os.rename` and `os.replace` are watched, and whatever calls them by these names.

    Args:
        before: called ahead of each event. It may look at the disk, or raise what a disk raises.
    """
    events: list[Event] = []

    def happens(event: Event) -> None:
        before(event)
        events.append(event)

    def sync(file: Any) -> None:
        found = os.fstat(file if isinstance(file, int) else file.fileno())
        happens(Event(found.st_ino, found.st_size))

    def renaming(rename: Callable[..., None]) -> Callable[..., None]:
        def watched_rename(source: Any, target: Any) -> None:
            found = os.stat(source)
            happens(Event(found.st_ino, found.st_size, Path(source), Path(target)))
            rename(source, target)

        return watched_rename

    kept = os.fsync, os.rename, os.replace
    os.fsync, os.rename, os.replace = sync, renaming(os.rename), renaming(os.replace)
    try:
        yield events
    finally:
        os.fsync, os.rename, os.replace = kept


def synced(events: list[Event], path: Path) -> bool:
    """Tell whether a file or folder that is at `path` now was synced, and had all its bytes by then."""
    found = path.stat()
    return any(
        event.inode == found.st_ino and (path.is_dir() or event.size == found.st_size)
        for event in events
        if not event.renames
    )
