"""Files -> text, a block at a time: the encoding checked, every fault placed by line and byte."""

import codecs
import functools
import gzip
import logging
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

log = logging.getLogger("minibert")

BLOCK = 1 << 18
"""Bytes that are read at a time."""

LONGEST_LINE = 1 << 26
"""Characters that a line of a table may have; a longer one would not fit into bounded memory."""

Progress = Callable[[int], object]
"""Called with the number of further bytes that were read from a file, as it lies on the disk."""


@functools.cache
def warn_once(message: str) -> None:
    """Log a warning the first time: a file is read for its names, its vocabulary and its ids."""
    log.warning(message)


def read_lines(path: Path, progress: Progress | None = None) -> Iterator[str]:
    """Yield the lines of a file of UTF-8 text, without their ends; the last one may be empty.

    Raises ValueError as `read_blocks`, and for a line of more than LONGEST_LINE characters.
    """
    begun: list[str] = []  # the pieces of a line whose end is not read yet
    number = 1
    for block in read_blocks(path, progress):
        piece, *lines = block.split("\n")
        begun.append(piece)
        if lines:
            yield "".join(begun)
            yield from lines[:-1]
            begun = lines[-1:]
            number += len(lines)
        elif sum(map(len, begun)) > LONGEST_LINE:
            raise ValueError(
                f"line {number} of {path} has more than {LONGEST_LINE:,} characters: such a line cannot be "
                f"a row of a table. Check the file, or read it as plain text (a name that ends in .txt)"
            )
    yield "".join(begun)


def read_blocks(path: Path, progress: Progress | None = None) -> Iterator[str]:
    """Yield the text of one UTF-8 file in blocks, with line ends as "\\n" and without a byte-order mark.

    A name that ends in .gz is unpacked on the way. A byte-order mark and Windows line ends are reported.

    Raises ValueError, naming the file, when it cannot be read, is not UTF-8 (with line and byte), or holds
    NUL bytes (with the likely encoding).
    """
    line, start = 1, 0  # the line that `data` begins in, and how many bytes of it came before
    rest, windows = b"", False
    for data, last in _read_bytes(path, progress):
        data = rest + data
        text, used = _decode(path, data, last, line, start)
        if text.endswith("\r") and not last:  # its "\n" may follow
            text, used = text[:-1], used - 1
        rest = data[used:]
        newlines = data.count(b"\n", 0, used)
        line, start = line + newlines, used - data.rfind(b"\n", 0, used) - 1 if newlines else start + used

        if "\r" in text:
            windows = True
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        yield text

    if windows:
        warn_once(f"{path} has line ends of another system (CR LF or CR); they are read as LF")


def _read_bytes(path: Path, progress: Progress | None) -> Iterator[tuple[bytes, bool]]:
    """Yield the bytes of a file in blocks, each with whether it is the last; without a byte-order mark."""
    seen = 0
    with _opened(path) as (file, raw):
        data = file.read(BLOCK)
        _refuse_marks(path, data)
        if data.startswith(codecs.BOM_UTF8):
            warn_once(f"{path} starts with a byte-order mark; it is taken out")
            data = data[len(codecs.BOM_UTF8) :]
        last = False
        while not last:
            following = file.read(BLOCK)
            last = not following
            if progress:
                progress(raw.tell() - seen)
                seen = raw.tell()
            yield data, last
            data = following


@contextmanager
def _opened(path: Path) -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """Open a file, give it unpacked and as it lies on the disk, and name it when reading fails."""
    try:
        with open(path, "rb") as raw:
            yield cast(BinaryIO, gzip.GzipFile(fileobj=raw)) if path.suffix == ".gz" else raw, raw
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise ValueError(f"{path} is not a whole gzip file: {error}. Fetch it again") from error
    except OSError as error:
        raise ValueError(
            f"cannot read {path}: {error.strerror}. Check the path and its permissions"
        ) from error


def _decode(path: Path, data: bytes, last: bool, line: int, start: int) -> tuple[str, int]:
    """Return the text of `data` and the number of bytes used: all but the first half of a character."""
    nul = data.find(b"\0")
    if nul >= 0:
        _refuse_nul(path, data, _place(data, nul, line, start))
    try:
        return codecs.utf_8_decode(data, "strict", last)
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} is not UTF-8 text: {_place(data, error.start, line, start)} is "
            f"0x{data[error.start]:02x}. If it is Western text of the old kind: "
            f"iconv -f WINDOWS-1252 -t UTF-8 {path} > NEW_FILE"
        ) from None


def _place(data: bytes, offset: int, line: int, start: int) -> str:
    """Return "line 3, byte 17", both counted from 1, for an offset into a block that begins in `line`."""
    newline = data.rfind(b"\n", 0, offset)
    line += data.count(b"\n", 0, offset)
    return f"line {line}, byte {offset - newline if newline >= 0 else start + offset + 1}"


def _refuse_marks(path: Path, data: bytes) -> None:
    """Raise ValueError for a file that begins with the mark of UTF-16 or UTF-32."""
    marks = {
        codecs.BOM_UTF32_LE: "UTF-32",
        codecs.BOM_UTF32_BE: "UTF-32",
        codecs.BOM_UTF16_LE: "UTF-16",
        codecs.BOM_UTF16_BE: "UTF-16",
    }
    for mark, likely in marks.items():
        if data.startswith(mark):
            _refuse_encoding(path, likely, f"it starts with the mark of {likely}")


def _refuse_nul(path: Path, data: bytes, place: str) -> None:
    """Raise ValueError for a block with NUL bytes: Western text in UTF-16 is half of them."""
    even, odd = data[0::2].count(0), data[1::2].count(0)
    if max(even, odd) > len(data) // 8 and min(even, odd) < len(data) // 64 + 1:
        _refuse_encoding(path, "UTF-16LE" if odd > even else "UTF-16BE", f"{place} is NUL")
    raise ValueError(f"{path} is not a text file: {place} is NUL. Give a plain text file in UTF-8")


def _refuse_encoding(path: Path, likely: str, found: str) -> None:
    raise ValueError(
        f"{path} is not UTF-8 text but looks like {likely}: {found}. "
        f"To convert it: iconv -f {likely} -t UTF-8 {path} > NEW_FILE"
    )
