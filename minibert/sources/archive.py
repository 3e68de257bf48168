"""Unpacking without trust: only the files that a card names, each under a path that was checked."""

import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from minibert.sources.cache import make_empty, require_room
from minibert.sources.catalogue import Card, is_inside
from minibert.sources.digests import files_digest

BLOCK = 1 << 20
"""Bytes written at a time."""


@dataclass(frozen=True)
class Member:
    """One entry of an archive."""

    name: str
    is_file: bool
    """Whether it is a regular file: no folder, link or device."""
    open: Callable[[], IO[bytes]]


def unpack(archive: Path, card: Card, folder: Path) -> Path:
    """Write the files of `card` that are in `archive` into `folder`, made anew, and return `folder`.

    A wheel (.whl) is read as it is; in any other zip or tar the top folder is left out of the names.

    Raises ValueError for an entry outside the archive (`../x`, `/x`), for a link or device in the place of
    one of the files, for more bytes than the card says, and when the files are not those of the card.
    """
    make_empty(folder)
    require_room(folder, card.bytes)
    written: dict[str, Path] = {}
    left = card.bytes
    try:
        for member in members(archive):
            if not is_inside(member.name):
                raise ValueError(
                    f"{archive} has an entry {member.name!r}, outside of itself; nothing of it is used"
                )
            name = member.name if archive.suffix == ".whl" else member.name.partition("/")[2]
            if not card.has(name):
                continue
            if not member.is_file or name in written:
                what = "twice" if name in written else "as a link, folder or device, not as a file"
                raise ValueError(f"{archive} has {name} {what}; nothing of it is used")
            written[name] = folder / name
            left -= copy(member, written[name], left)
    except (
        tarfile.TarError,
        zipfile.BadZipFile,
        EOFError,
        zlib.error,
        lzma.LZMAError,
        RuntimeError,
    ) as error:
        raise ValueError(
            f"{archive} cannot be unpacked: {error}. Remove it and run the command again"
        ) from error

    got = files_digest(written)
    if got != card.sha256:
        raise ValueError(
            f"the {len(written)} files of {archive} are not those of the data card {card.name!r}: "
            f"their sha256 is {got}, expected {card.sha256}"
        )
    return folder


def members(archive: Path) -> Iterator[Member]:
    """Yield the entries of a zip or tar file; each is read before the next is asked for."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as file:
            for info in file.infolist():
                kind = stat.S_IFMT(info.external_attr >> 16)
                regular = not info.is_dir() and kind in (0, stat.S_IFREG)
                yield Member(info.filename, regular, lambda info=info: file.open(info))
    else:
        with tarfile.open(archive) as file:
            for info in file:
                yield Member(info.name, info.isreg(), lambda info=info: _content(file, info))


def _content(file: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    content = file.extractfile(info)
    assert content is not None  # a regular file has content
    return content


def copy(member: Member, target: Path, limit: int) -> int:
    """Write a member to `target`, return its bytes; raises ValueError beyond `limit`, whatever it claims."""
    target.parent.mkdir(parents=True, exist_ok=True)
    count = 0
    with member.open() as content, open(target, "xb") as file:
        while block := content.read(BLOCK):
            count += len(block)
            if count > limit:
                raise ValueError(
                    f"{member.name} is larger than the data card says; nothing of the archive is used"
                )
            file.write(block)
    return count
