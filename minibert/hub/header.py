"""The header of a safetensors file: which tensors it holds, of which kind, and where their bytes are."""

import json
from pathlib import Path
from typing import NamedTuple

from minibert.config import require

LENGTH = 8
"""The first bytes of a file, which say how many the header has."""

POINTER = b"version https://git-lfs."
"""How a file begins that Git keeps elsewhere: it holds the address of the weights, and none of them."""


class Entry(NamedTuple):
    """A tensor in a file."""

    dtype: str
    """The kind of its numbers: "F32", "BF16", "I64" …"""
    shape: tuple[int, ...]
    start: int
    """Where its bytes begin, counted from the beginning of the file."""
    end: int
    """Where they have ended: its last byte stands before this one."""


def read_header(file: Path) -> dict[str, Entry]:
    """Return by name what a safetensors file holds, in the order of its header; no tensor is read.

        file = N (8 bytes, the lowest first) | header (N bytes of JSON) | the bytes of the tensors

    The header says of each tensor {"dtype": …, "shape": […], "data_offsets": [start, end]}, where the offsets
    count from the end of the header; "__metadata__" is no tensor. (The README of safetensors, "Format".)

    Raises ValueError for a header that would not end inside the file, or is none.
    """
    size = file.stat().st_size
    with open(file, "rb") as opened:
        length = int.from_bytes(opened.read(LENGTH), "little")
        begin = LENGTH + length
        require(begin <= size, f"its header would have {length} bytes, and the file has {size}")
        text = opened.read(length)
    try:
        header = json.loads(text)
        header.pop("__metadata__", None)
        return {
            name: Entry(told["dtype"], tuple(told["shape"]), *(begin + at for at in told["data_offsets"]))
            for name, told in header.items()
        }
    except (ValueError, TypeError, KeyError, AttributeError):
        raise ValueError("its header is not what safetensors write") from None


def what_is_wrong(file: Path) -> str:
    """Return in words why a file is no whole safetensors file; "" where its header finds nothing wrong."""
    with open(file, "rb") as opened:
        if opened.read(len(POINTER)) == POINTER:
            return "it is a pointer of Git LFS and holds no weights: `git lfs pull` brings them"
    try:
        entries = read_header(file)
    except ValueError as error:
        return str(error)
    size, needed = file.stat().st_size, max((entry.end for entry in entries.values()), default=0)
    return f"it was cut short: of {needed} bytes it has {size}" if size < needed else ""
