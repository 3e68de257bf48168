"""Files and folders that are whole or not there, also when their process is killed."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from minibert import files
from minibert.files import MAKING, new_folder, replace_file


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    replace_file(path, "één")
    assert path.read_bytes() == "één".encode()
    replace_file(path, b"\x00\xff")
    assert path.read_bytes() == b"\x00\xff"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("where", ["fsync", "replace"])
def test_a_broken_write_keeps_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    path = tmp_path / "page.md"
    replace_file(path, "old")

    def fail(*_: object) -> None:
        raise OSError("no room")

    monkeypatch.setattr(os, where, fail)
    with pytest.raises(OSError, match="no room"):
        replace_file(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_appears_when_its_block_ends(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "store"
    with new_folder(folder) as making:
        (making / "ids.bin").write_bytes(b"12")
        assert not folder.exists()
    assert (folder / "ids.bin").read_bytes() == b"12"
    assert list(folder.parent.iterdir()) == [folder]


def test_a_block_that_raises_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyError), new_folder(tmp_path / "store") as making:
        (making / "half").touch()
        raise KeyError
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_told_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left") as full, new_folder(tmp_path / "store"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert full.value.filename == str(tmp_path / "store")
    with pytest.raises(OSError) as other, new_folder(tmp_path / "store"):
        raise OSError(errno.ENOENT, "No such file", "text.txt")
    assert other.value.filename == "text.txt"
    assert list(tmp_path.iterdir()) == []


def test_another_process_that_was_faster_keeps_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    with new_folder(folder) as making:
        (making / "ours").touch()
        folder.mkdir()
        (folder / "theirs").touch()
    assert [path.name for path in folder.iterdir()] == ["theirs"]
    assert list(tmp_path.iterdir()) == [folder]


def test_a_name_that_cannot_be_given_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError), new_folder(tmp_path / "store") as making:
        (making / "x").touch()
        (tmp_path / "store").write_text("a file in its place")
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


def test_a_killed_process_leaves_no_folder_and_its_leftovers_go_later(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    code = (
        "import os, signal, sys; from pathlib import Path; from minibert.files import new_folder\n"
        "with new_folder(Path(sys.argv[1])) as making:\n"
        "    (making / 'half').touch(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(folder)], cwd=Path(__file__).parent.parent)
    assert done.returncode == -signal.SIGKILL
    assert not folder.exists()
    [leftover] = tmp_path.iterdir()
    assert MAKING in leftover.name

    with new_folder(tmp_path / "other"):  # it may still be written: it stays
        assert leftover.exists()
    for path in (leftover, leftover / "half"):
        os.utime(path, (0, 0))
    with new_folder(tmp_path / "third"):
        assert not leftover.exists()


def test_a_folder_somebody_writes_to_is_not_swept(tmp_path: Path) -> None:
    with new_folder(tmp_path / "store") as making:
        (making / "ids.bin").touch()
        os.utime(making, (0, 0))
        files.sweep(tmp_path)
        assert making.exists()


def test_a_new_folder_honours_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with new_folder(tmp_path / "store"):
            pass
    finally:
        os.umask(before)
    assert (tmp_path / "store").stat().st_mode & 0o777 == 0o750
