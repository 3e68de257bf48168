"""Files and folders that are whole or not there, also when their process is killed."""

import errno
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from by_hand import by_hand

from minibert import files
from minibert.files import LOCK, MAKING, folder_lock, human, new_folder, replace_file, require_room
from minibert.learn.checks import files as checks

test_by_hand = by_hand(checks, examples=1)


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


HOLD = (
    "import sys; from pathlib import Path; from minibert.files import folder_lock\n"
    "with folder_lock(Path(sys.argv[1])):\n"
    "    print('held', flush=True); sys.stdin.read()"
)


def holder(folder: Path) -> subprocess.Popen[str]:
    """Return a process that holds the lock of a folder until it is killed or its input ends."""
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)],
        cwd=Path(__file__).parent.parent,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None and child.stdout.readline() == "held\n"
    return child


def test_two_processes_cannot_have_one_folder_but_a_killed_one_lets_go(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "tiny"
    with holder(folder) as first:
        for _ in range(2):  # being refused changes nothing
            with pytest.raises(ValueError) as refused, folder_lock(folder):
                raise AssertionError("the lock was given twice")
            assert str(refused.value) == (
                f"{folder / LOCK}: process {first.pid} on {socket.gethostname()} trains in this folder; wait "
                "for it, stop it, or choose another folder with --out"
            )
        first.kill()
        assert first.wait(timeout=30) == -signal.SIGKILL
        with folder_lock(folder):
            assert (folder / LOCK).read_text().startswith(f"process {os.getpid()} on ")


def test_a_process_that_is_done_lets_go_of_its_folder(tmp_path: Path) -> None:
    with holder(tmp_path) as first:
        first.communicate("", timeout=30)
        assert first.returncode == 0
    for error in (KeyError, KeyboardInterrupt):  # so does one that goes on after an error
        with pytest.raises(error), folder_lock(tmp_path):
            raise error
    with folder_lock(tmp_path), folder_lock(tmp_path / "another"):
        pass


def test_who_has_a_folder_may_lock_it_again_and_keeps_it_until_the_outer_block_ends(tmp_path: Path) -> None:
    with folder_lock(tmp_path):
        with folder_lock(tmp_path):
            pass
        with open(tmp_path / LOCK) as file, pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with open(tmp_path / LOCK) as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_folder_is_known_by_any_of_its_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with folder_lock(Path("run")), folder_lock(tmp_path / "run"):
        pass


def test_who_had_a_folder_has_no_right_to_it_any_more(tmp_path: Path) -> None:
    with folder_lock(tmp_path):
        pass
    with holder(tmp_path) as other:
        with pytest.raises(ValueError, match=f"process {other.pid} on"), folder_lock(tmp_path):
            raise AssertionError("the lock was given twice")
        other.communicate("", timeout=30)


def test_a_program_that_a_run_started_does_not_keep_its_lock(tmp_path: Path) -> None:
    with folder_lock(tmp_path):
        child = subprocess.Popen(["sleep", "60"])
    try:
        with folder_lock(tmp_path):
            pass
    finally:
        child.kill()
        child.wait()


def test_a_disk_without_locks_is_told_and_no_reason_to_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def flock(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)
    with folder_lock(tmp_path):
        pass
    [record] = caplog.records
    assert f"the disk of {tmp_path / LOCK} has no locks ({os.strerror(errno.ENOLCK)})" in record.message


def test_too_little_room_is_told_with_both_sizes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def disk_usage(folder: Path) -> object:
        asked.append(folder)
        return SimpleNamespace(total=10**12, used=10**12, free=1_300_000)

    monkeypatch.setattr(shutil, "disk_usage", disk_usage)
    require_room(tmp_path, 1_300_000, "--out")
    with pytest.raises(ValueError) as refused:
        require_room(tmp_path, 2_450_000_000, "--out")
    assert str(refused.value) == (
        f"not enough room in {tmp_path}: 2.5 GB needed, 1.3 MB free. Make room, or choose a folder on "
        "another disk with --out"
    )
    assert asked == [tmp_path, tmp_path]


def test_sizes_are_told_in_megabytes_then_gigabytes() -> None:
    sizes = [70_020, 1_500_020, 999_900_000, 1_000_000_000, 5_555_500_000_000]
    assert [human(size) for size in sizes] == ["0.1 MB", "1.5 MB", "999.9 MB", "1.0 GB", "5,555.5 GB"]
