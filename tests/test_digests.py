"""sha256 of files: a change of any name or byte shows, the order does not."""

import hashlib
from pathlib import Path

from minibert.sources.digests import digest, file_sha256, files_digest


def test_the_digest_is_that_of_the_lines_path_and_sha256_sorted_by_path() -> None:
    assert digest({"b": "2", "a": "1"}) == hashlib.sha256(b"a 1\nb 2\n").hexdigest()


def test_two_files_that_swap_their_texts_are_noticed() -> None:
    assert digest({"a": "1", "b": "2"}) != digest({"a": "2", "b": "1"})


def test_files_are_hashed_as_a_whole(tmp_path: Path) -> None:
    data = bytes(range(256)) * 10_000
    (tmp_path / "a").write_bytes(data)
    (tmp_path / "b").write_bytes(b"")
    assert file_sha256(tmp_path / "a") == hashlib.sha256(data).hexdigest()
    expected = digest({"x/a": hashlib.sha256(data).hexdigest(), "b": hashlib.sha256(b"").hexdigest()})
    assert files_digest({"x/a": tmp_path / "a", "b": tmp_path / "b"}) == expected
