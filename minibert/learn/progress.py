"""What is remembered of a learner: which files passed, and how many hints were read.

It lies in one small file in the learner's folder. What passed is kept as the digest of the file that did: so
a file that was changed later is known, and one that is put back has passed again.
"""

import fcntl
import hashlib
import json
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from minibert.files import replace_file

FILE = ".minibert-progress.json"

FORMAT = 1

logger = logging.getLogger("minibert")


@dataclass(frozen=True)
class Entry:
    """What is remembered of an exercise; digests are those of the learner's file."""

    stub: str = ""
    """As we wrote it, with nothing in it yet."""
    passed: str = ""
    """When it last passed."""
    failed: str = ""
    """When it no longer passed, though it had not changed: the checks have."""
    when: str = ""
    """The time at which it last passed, in UTC."""
    tries: int = 0
    """How often it was checked, up to the first time that it passed."""
    hints: int = 0
    """So many hints have been read."""


def digest(content: bytes) -> str:
    """Return what tells one file from another."""
    return hashlib.sha256(content).hexdigest()


def read(folder: Path) -> dict[str, Entry]:
    """Return what is remembered, by the id of the exercise.

    A file that cannot be read is kept under another name, and told of.

    Raises ValueError for a file of a later minibert.
    """
    path = folder / FILE
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return {}
    try:
        found = json.loads(content)
        newer = found["format"] > FORMAT
        entries = {} if newer else {id: Entry(**entry) for id, entry in found["exercises"].items()}
        for entry in entries.values():
            check_types(entry)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        kept = keep_aside(path)
        logger.warning(
            f"{path} cannot be read ({type(error).__name__}: {error}). It is kept as {kept.name}; your "
            "functions are as they were. To find out again what passes: minibert learn check --all"
        )
        return {}
    if newer:
        raise ValueError(f"{path} was written by a later minibert: use that one, or another folder")
    return entries


def check_types(entry: Entry) -> None:
    """Raise TypeError where an entry holds something else than it says."""
    for name, value in asdict(entry).items():
        kind = type(getattr(Entry(), name))
        if type(value) is not kind:
            raise TypeError(f"{name} must be {kind.__name__}, is {value!r}")


def keep_aside(path: Path) -> Path:
    """Rename a file, over no other, and return its new path."""
    kept = free_name(path.parent, path.stem + ".broken-{}.json")
    path.rename(kept)
    return kept


def free_name(folder: Path, pattern: str) -> Path:
    """Return the first path of the pattern, counted from 1, at which nothing lies."""
    number = 1
    while os.path.lexists(folder / pattern.format(number)):
        number += 1
    return folder / pattern.format(number)


def update(folder: Path, changes: Mapping[str, Mapping[str, str | int]]) -> dict[str, Entry]:
    """Change entries, each in the fields that are given; return all.

    Other commands may do the same at the same time: no change is lost.
    """
    with locked(folder):
        entries = read(folder)
        for id, fields in changes.items():
            entries[id] = replace(entries.get(id, Entry()), **fields)
        content = {"format": FORMAT, "exercises": {id: spare(entry) for id, entry in entries.items()}}
        replace_file(folder / FILE, json.dumps(content, indent=1) + "\n")
    return entries


def spare(entry: Entry) -> dict[str, str | int]:
    """Return the fields of an entry that say something."""
    return {name: value for name, value in asdict(entry).items() if value}


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder; whoever else wants to, waits."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
