"""Files of tokenizers: what is read, and what is said of a file that cannot be used."""

import os
from pathlib import Path

import pytest

from minibert.text.tokenizer_files import expect, read_json, read_lines, write_files


def test_files_come_back_as_they_were_written(tmp_path: Path) -> None:
    write_files(tmp_path / "a" / "b", {"x.json": '{"é": [1]}', "y.txt": "a\u2028b\n\nc d\n"})
    assert read_json(tmp_path / "a" / "b" / "x.json") == {"é": [1]}
    assert read_lines(tmp_path / "a" / "b" / "y.txt") == ["a\u2028b", "", "c d"]


def test_a_write_that_breaks_off_leaves_the_file_that_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    write_files(tmp_path, {"x.json": "[1]"})
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_files(tmp_path, {"x.json": "[1, 2, 3]"})
    assert read_json(tmp_path / "x.json") == [1]
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]


def test_a_file_that_is_cut_short_or_not_text_is_named_with_the_place(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"a": 1,\n"b": ')
    with pytest.raises(ValueError, match=r"x\.json is not whole JSON \(line 2: .*\), perhaps cut short"):
        read_json(tmp_path / "x.json")
    (tmp_path / "y.json").write_bytes(b'"ab\xff"')
    for read in (read_json, read_lines):
        with pytest.raises(ValueError, match=r"y\.json is not UTF-8 text \(byte 3\)"):
            read(tmp_path / "y.json")


def test_the_first_setting_that_differs_is_named() -> None:
    expect({"a": 1, "b": 2}, {"a": 1})
    with pytest.raises(ValueError, match="b: expected 3, got 2"):
        expect({"a": 1, "b": 2, "c": 0}, {"a": 1, "b": 3, "c": 4})
