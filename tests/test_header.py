"""The header of a safetensors file: read as the library reads it, and what is told of a broken file."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from by_hand import by_hand
from model_folders import folder, model, refusal, tokenizer
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from minibert.hub.header import Entry, read_header, what_is_wrong
from minibert.learn.checks import hub_header as checks

__all__ = ["folder", "model", "tokenizer"]

test_by_hand = by_hand(checks, examples=1)


def test_every_tensor_is_where_the_header_says(folder) -> None:
    file = folder / "model.safetensors"
    content, tensors = file.read_bytes(), load_file(file)
    header = read_header(file)
    assert header.keys() == tensors.keys() and len(header) > 30
    for name, entry in header.items():
        raw = np.frombuffer(content[entry.start : entry.end], "<f4").reshape(entry.shape)
        assert entry.dtype == "F32" and np.array_equal(raw, tensors[name].numpy())
    assert max(entry.end for entry in header.values()) == len(content)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.int64, torch.bool, torch.uint8])
def test_kinds_and_shapes_are_those_that_the_library_tells(tmp_path, dtype) -> None:
    file = tmp_path / "x.safetensors"
    save_file({"none": torch.zeros(0, 3).to(dtype), "one": torch.tensor(1).to(dtype)}, file, {"by": "us"})
    header = read_header(file)
    with safe_open(file, "pt") as theirs:
        for name in ("none", "one"):
            part = theirs.get_slice(name)
            assert (header[name].dtype, list(header[name].shape)) == (part.get_dtype(), part.get_shape())
    assert set(header) == {"none", "one"} and header["none"].start == header["none"].end


def write(file: Path, header: object, rest: bytes = b"") -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    file.write_bytes(len(text).to_bytes(8, "little") + text + rest)
    return file


def test_a_whole_file_has_nothing_wrong(tmp_path) -> None:
    file = write(tmp_path / "x", {"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}, bytes(8))
    begin = file.stat().st_size - 8
    assert read_header(file) == {"w": Entry("F32", (2,), begin, begin + 8)}
    assert what_is_wrong(file) == "" == what_is_wrong(write(tmp_path / "empty", {}))


@pytest.mark.parametrize(
    "header",
    [
        b"\xff\xfe",
        b"[1]",
        b"{",
        {"w": 3},
        {"w": {"dtype": "F32", "shape": [2]}},
        {"w": {"dtype": "F32", "shape": 2, "data_offsets": [0, 8]}},
        {"w": {"dtype": "F32", "shape": [2], "data_offsets": [0]}},
    ],
)
def test_a_header_that_is_none_is_told(tmp_path, header) -> None:
    assert "not what safetensors write" in what_is_wrong(write(tmp_path / "x", header, bytes(8)))


@pytest.mark.parametrize("content", [b"", b"\x01", (2**62).to_bytes(8, "little") + b"{}"])
def test_a_header_longer_than_the_file_is_told_and_not_read(tmp_path, content) -> None:
    (tmp_path / "x").write_bytes(content)
    assert f"and the file has {len(content)}" in what_is_wrong(tmp_path / "x")


def test_whoever_opens_a_file_that_was_cut_short_is_told_so(folder) -> None:
    file = folder / "model.safetensors"
    content = file.read_bytes()
    file.write_bytes(content[:-100])
    assert f"cut short: of {len(content)} bytes it has {len(content) - 100}" in refusal(folder)


def test_whoever_opens_a_pointer_of_git_is_told_how_to_get_the_weights(folder) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 90868376\n"
    (folder / "model.safetensors").write_text(pointer)
    assert "`git lfs pull`" in refusal(folder)
