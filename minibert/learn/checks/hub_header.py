"""What must hold when the header of a safetensors file is read."""

import json
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from minibert.hub.header import Entry, read_header
from minibert.learn.checks.files import some_folder
from minibert.learn.compare import CheckError, expect


def entry(dtype: str, shape: list[int], start: int, end: int) -> dict[str, object]:
    """Return what a header says of a tensor; the offsets count from its own end."""
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


@contextmanager
def written(header: object, rest: int, claimed: int | None = None) -> Iterator[tuple[Path, int]]:
    """Yield a file with a header and so many bytes behind it, and where those begin.

    Args:
        claimed: what the file says of the header's length, where that is a lie.
    """
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    with some_folder() as folder:
        file = folder / "x.safetensors"
        file.write_bytes(struct.pack("<Q", len(text) if claimed is None else claimed) + text + bytes(rest))
        yield file, 8 + len(text)


def expect_entries(header: dict[str, dict[str, object]], rest: int, expected: dict[str, Entry]) -> None:
    """Raise CheckError unless just these tensors are found; their places count from the header's end."""
    with written(header, rest) as (file, begin):
        got = read_header(file)
        expect(list(got) == list(expected), f"expected the tensors {list(expected)}, got {list(got)}")
        for name, (dtype, shape, start, end) in expected.items():
            wanted, said = Entry(dtype, shape, begin + start, begin + end), Entry(*got[name])
            expect(
                said == wanted,
                f"{name} in a file of {file.stat().st_size} bytes, {begin - 8} of them JSON: expected "
                f"{wanted}, got {said}",
            )


def expect_refused(header: object, rest: int, what: str, claimed: int | None = None) -> None:
    """Raise CheckError unless a ValueError comes of reading such a file."""
    with written(header, rest, claimed) as (file, _):
        try:
            got = read_header(file)
        except ValueError:
            return
        except Exception as error:
            raise CheckError(f"{what}: expected a ValueError, got {type(error).__name__}: {error}") from error
    raise CheckError(f"{what}: expected a ValueError, got {got}")


def check_kinds_and_shapes_by_hand() -> None:
    """Wherever they are, of two tensors."""
    header = {"a": entry("F32", [2, 3], 0, 24), "b": entry("BF16", [5], 24, 34)}
    with written(header, 34) as (file, _):
        got = {name: (found[0], found[1]) for name, found in read_header(file).items()}
        expected = {"a": ("F32", (2, 3)), "b": ("BF16", (5,))}
        expect(got == expected, f"the kinds and shapes of two tensors: expected {expected}, got {got}")


def check_no_tensor_begins_inside_the_header() -> None:
    """What stands there is JSON: read as numbers, it is noise."""
    with written({"w": entry("F32", [2], 0, 8)}, 8) as (file, begin):
        start = read_header(file)["w"][2]
        expect(start >= begin - 8, f"a header of {begin - 8} bytes, and a tensor that begins at {start}")


def check_one_tensor_by_hand() -> None:
    """Two numbers of four bytes, which stand right behind the header."""
    expect_entries({"w": entry("F32", [2], 0, 8)}, 8, {"w": Entry("F32", (2,), 0, 8)})


def check_two_tensors_of_two_kinds() -> None:
    """The second begins where the first ends; the kind and the shape of each are its own."""
    header = {"a": entry("F32", [2, 3], 0, 24), "b": entry("BF16", [5], 24, 34)}
    expect_entries(header, 34, {"a": Entry("F32", (2, 3), 0, 24), "b": Entry("BF16", (5,), 24, 34)})


def check_a_long_header_has_a_length_of_two_bytes() -> None:
    """Twenty tensors: the lowest byte of the length comes first."""
    header = {f"layer.{i}.weight": entry("F16", [4], 8 * i, 8 * i + 8) for i in range(20)}
    expect_entries(
        header, 160, {f"layer.{i}.weight": Entry("F16", (4,), 8 * i, 8 * i + 8) for i in range(20)}
    )


def check_metadata_is_no_tensor() -> None:
    """It may say by whom the file was written, or anything else."""
    header = {"__metadata__": {"format": "pt"}, "w": entry("I64", [1], 0, 8)}
    expect_entries(header, 8, {"w": Entry("I64", (1,), 0, 8)})


def check_scalars_and_empty_tensors_are_tensors() -> None:
    """A shape may be empty, or have a zero in it."""
    header = {"scalar": entry("F32", [], 0, 4), "none": entry("F32", [0, 3], 4, 4)}
    expect_entries(header, 4, {"scalar": Entry("F32", (), 0, 4), "none": Entry("F32", (0, 3), 4, 4)})


def check_the_order_is_that_of_the_header() -> None:
    """Not that of the alphabet, and not that of the bytes."""
    header = {"b": entry("U8", [1], 1, 2), "a": entry("U8", [1], 0, 1)}
    expect_entries(header, 2, {"b": Entry("U8", (1,), 1, 2), "a": Entry("U8", (1,), 0, 1)})


def check_a_file_without_tensors_is_a_file() -> None:
    """Its header is {}."""
    expect_entries({}, 0, {})


def check_a_header_that_would_not_end_in_the_file_is_refused() -> None:
    """With the words of a header in it: only its length tells."""
    expect_refused({"w": entry("U8", [1], 0, 1)}, 0, "a length of 2000 in a file of 70 bytes", claimed=2000)


def check_so_many_bytes_are_not_even_asked_for() -> None:
    """2^62 of them: no machine has the memory, and asking for it ends the program."""
    expect_refused({"w": entry("U8", [1], 0, 1)}, 1, "a length of 2^62 bytes", claimed=2**62)


def check_a_header_that_is_none_is_refused() -> None:
    """What json or a dictionary says of it is no ValueError, and has no reason in it."""
    expect_refused(b"{", 8, "half a word of JSON")
    expect_refused(b"[1, 2]", 8, "a header that is a list")
    expect_refused({"w": {"dtype": "F32", "shape": [2]}}, 8, "a tensor without offsets")
    expect_refused({"w": entry("F32", [2], 0, 8) | {"data_offsets": [0]}}, 8, "a tensor with one offset")
    expect_refused({"w": 5}, 8, "a tensor that is a number")
