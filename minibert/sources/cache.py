"""The cache folder: what was downloaded, and what was made from it."""

import fcntl
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from minibert import files
from minibert.sources.catalogue import Card

log = logging.getLogger("minibert")

KINDS = {
    "data": "data sets that were downloaded",
    "stores": "token ids of corpora; made again when needed",
    "tokenizers": "vocabularies of corpora; made again when needed",
    "features": "what frozen models say of labelled texts; made again when needed",
}
"""The folders in the cache."""

DERIVED = tuple(kind for kind in KINDS if kind != "data")
"""Those that hold what was made from data sets."""


def cache_folder() -> Path:
    """Return where data is kept that can be had again: $MINIBERT_CACHE, or ~/.cache/minibert."""
    return Path(os.environ.get("MINIBERT_CACHE") or "~/.cache/minibert").expanduser()


def data_folder(name: str) -> Path:
    """Return where the files of the card `name` lie once they are downloaded: all of them, or no folder."""
    return cache_folder() / "data" / name


def work_folder(name: str) -> Path:
    """Return where the card `name` is downloaded and unpacked until it is whole."""
    return data_folder(f".{name}")


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Let one process at a time write the files of the card `name`; a killed one holds no lock."""
    path = data_folder(f".{name}.lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.info("%s: another process is at it; waiting", name)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def show_licence(card: Card) -> None:
    """Log the card's licence before its first use; once for each cache, and when its words change."""
    shown = data_folder(f".{card.name}.licence")
    try:
        if shown.is_file() and shown.read_text(encoding="utf-8") == card.license:
            return
        shown.parent.mkdir(parents=True, exist_ok=True)
        shown.write_text(card.license, encoding="utf-8")
    except OSError:
        pass  # a cache that cannot be written: it is shown every time
    log.info("%s: licence: %s", card.name, card.license)


def require_room(folder: Path, needed: int) -> None:
    """Raise ValueError unless `needed` bytes are free where `folder` lies."""
    files.require_room(folder, needed, "$MINIBERT_CACHE")


def make_empty(folder: Path) -> None:
    """Make `folder` an empty folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def size(folder: Path) -> int:
    """Return the bytes of all files under `folder`; 0 when it is not there."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def remove(name: str) -> int:
    """Remove a card's downloaded files, whole or begun, or a whole folder of DERIVED; return the bytes."""
    if name in DERIVED:
        return _remove(cache_folder() / name)
    with locked(name):
        return _remove(data_folder(name)) + _remove(work_folder(name))


def _remove(folder: Path) -> int:
    freed = size(folder)
    if folder.exists():
        aside = folder.with_name(f"{folder.name}.removed-{os.getpid()}")
        folder.rename(aside)  # whoever looks now finds all of it or nothing
        shutil.rmtree(aside)
    return freed
