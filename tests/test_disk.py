"""What is asked of the disk is seen, and it breaks off where it is told to."""

import os
from pathlib import Path

import pytest

from minibert.learn.disk import Event, synced, watched


def test_what_is_synced_and_renamed_is_seen_in_order(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    with watched() as events, open(one, "wb") as file:
        file.write(b"123")
        os.fsync(file)
        file.flush()
        os.fsync(file.fileno())
        one.replace(other)
        other.rename(one)
    inode = one.stat().st_ino
    assert events == [
        Event(inode, 0),
        Event(inode, 3),
        Event(inode, 3, one, other),
        Event(inode, 3, other, one),
    ]
    assert [event.renames for event in events] == [False, False, True, True]
    assert one.read_bytes() == b"123" and not other.exists()


def test_a_file_counts_as_synced_when_all_its_bytes_were_there(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with watched() as events, open(path, "wb", buffering=0) as file:
        file.write(b"1")
        os.fsync(file)
        file.write(b"2")
        assert not synced(events, path)
        os.fsync(file)
        assert synced(events, path) and not synced(events, tmp_path)
        handle = os.open(tmp_path, os.O_RDONLY)
        os.fsync(handle)
        os.close(handle)
        assert synced(events, tmp_path)


def test_an_error_comes_ahead_of_what_it_keeps_from_happening(tmp_path: Path) -> None:
    (tmp_path / "one").touch()
    kept = os.fsync, os.rename, os.replace

    def full(event: Event) -> None:
        raise OSError("full")

    with watched(full) as events, pytest.raises(OSError, match="full"):
        os.replace(tmp_path / "one", tmp_path / "other")
    assert events == [] and [path.name for path in tmp_path.iterdir()] == ["one"]
    assert (os.fsync, os.rename, os.replace) == kept
