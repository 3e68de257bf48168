"""What it takes that a file is whole or not there, whatever happens while it is written.

The disk is watched (`minibert.learn.disk`), and breaks off where a check wants it to.
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from minibert.files import replace_file, write_synced
from minibert.learn.compare import CheckError, expect
from minibert.learn.disk import Event, synced, watched

OLD, NEW = b"the old one, which is the longer of the two", b"the new one"

BYTES = b"\x00\xff\r\n\n\xe9"
"""What is no text: whoever takes it for one changes it."""


@contextmanager
def some_folder() -> Iterator[Path]:
    """Yield a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@contextmanager
def some_file() -> Iterator[Path]:
    """Yield a file that holds OLD, alone in its folder."""
    with some_folder() as folder:
        path = folder / "page.md"
        path.write_bytes(OLD)
        yield path


def expect_content(path: Path, expected: bytes, when: str) -> None:
    """Raise CheckError unless a file is there and holds just this."""
    expect(path.exists(), f"{when}, there is no file of that name")
    got = path.read_bytes()
    expect(got == expected, f"{when}, the file holds {got!r}, expected {expected!r}")


def expect_alone(path: Path, when: str) -> None:
    """Raise CheckError where something else is in a file's folder."""
    others = sorted(other.name for other in path.parent.iterdir() if other != path)
    expect(not others, f"{when}, something is left beside the file: {', '.join(others)}")


def expect_through(run: Callable[[], object], error: BaseException) -> None:
    """Raise CheckError unless an error comes out of what is run."""
    try:
        run()
    except BaseException as came:
        if came is not error:
            raise
        return
    raise CheckError(f"{error!r} was kept: whoever asked for the file believes that it is written")


def breaking(error: BaseException, renames: bool) -> Callable[[Event], None]:
    """Return what makes a disk break off as soon as something is renamed, or else as it is synced."""

    def break_off(event: Event) -> None:
        if event.renames == renames:
            raise error

    return break_off


# ---------------------------------------------------------------- write_synced


def check_a_file_holds_the_bytes() -> None:
    """All of them, as they are, in a file that was not there."""
    with some_folder() as folder:
        write_synced(folder / "new", BYTES)
        expect_content(folder / "new", BYTES, "after a file was written")


def check_a_file_begins_with_the_bytes() -> None:
    """Also where others were in it before: they are not added to those."""
    with some_file() as path:
        write_synced(path, NEW)
        got = path.read_bytes()
        expect(got.startswith(NEW), f"after {NEW!r} was written over {OLD!r}, the file holds {got!r}")


def check_what_was_in_the_file_is_gone() -> None:
    """Also where it was longer."""
    with some_file() as path:
        write_synced(path, NEW)
        expect_content(path, NEW, f"after it was written over {OLD!r}")


def check_an_empty_file_is_filled() -> None:
    """Somebody may have made it, to have the name."""
    with some_folder() as folder:
        (folder / "empty").touch()
        write_synced(folder / "empty", NEW)
        expect_content(folder / "empty", NEW, "after it was written")


def check_something_is_synced() -> None:
    """The system keeps what is written in memory for up to a minute: `os.fsync` waits for the disk."""
    with some_folder() as folder, watched() as events:
        write_synced(folder / "new", NEW)
        expect(events, "nothing was synced: when the power fails now, the bytes are lost")


def check_the_file_itself_is_synced() -> None:
    """Not its folder, which holds its name alone."""
    with some_folder() as folder, watched() as events:
        write_synced(folder / "new", NEW)
        inode = (folder / "new").stat().st_ino
        expect(any(event.inode == inode for event in events), "the file itself was not synced")


def check_all_bytes_have_reached_the_system_by_then() -> None:
    """What Python still has in its buffer is not in the file, and no sync will bring it to the disk."""
    with some_folder() as folder, watched() as events:
        write_synced(folder / "new", NEW)
        size = max((event.size for event in events), default=0)
        expect(size == len(NEW), f"the file was synced when it had {size} of its {len(NEW)} bytes")


def check_a_disk_that_fails_is_told() -> None:
    """A sync that fails is often the first to hear of a full or a broken disk."""
    error = OSError("the disk is broken")
    with some_folder() as folder, watched(breaking(error, renames=False)):
        expect_through(lambda: write_synced(folder / "new", NEW), error)


def check_a_write_that_takes_a_part_is_followed_by_another() -> None:
    """`os.write` returns how many bytes it took, which may be less than all: here, one."""
    whole = os.write

    def take_one(handle: int, data: Any) -> int:
        return whole(handle, bytes(data)[:1])

    os.write = take_one
    try:
        with some_folder() as folder:
            write_synced(folder / "new", NEW)
            expect_content(folder / "new", NEW, "after a file was written, a byte at a time")
    finally:
        os.write = whole


def check_the_file_is_closed() -> None:
    """A process may have so many files open; a run writes thousands."""
    with some_folder() as folder:
        before = free_handle()
        write_synced(folder / "new", NEW)
        expect(free_handle() == before, "the file is still open afterwards")


def free_handle() -> int:
    """Return the number that the next file would get which is opened."""
    handle = os.open(os.devnull, os.O_RDONLY)
    os.close(handle)
    return handle


# ---------------------------------------------------------------- replace_file


def check_bytes_come_as_they_are() -> None:
    """No encoding, and no line end is changed."""
    with some_file() as path:
        replace_file(path, BYTES)
        expect_content(path, BYTES, "after bytes were written")


def check_text_is_written_as_utf8() -> None:
    """Whatever the computer's own encoding is."""
    with some_file() as path:
        replace_file(path, "één 词\n")
        expect_content(path, "één 词\n".encode(), "after 'één 词' was written")


def check_a_file_that_was_not_there_is_made() -> None:
    """There need not be an old one."""
    with some_folder() as folder:
        replace_file(folder / "page.md", NEW)
        expect_content(folder / "page.md", NEW, "after it was written")


def check_nothing_stays_beside_the_file() -> None:
    """Whoever lists the folder afterwards finds the file and nothing else."""
    with some_file() as path:
        replace_file(path, NEW)
        expect_alone(path, "after a file was written")


def check_the_old_file_is_there_while_the_new_one_is_made() -> None:
    """A reader finds one or the other at any time, and so does whoever comes after a power failure."""
    with some_file() as path:

        def look(event: Event) -> None:
            if not event.renames:
                expect_content(path, OLD, "while the new file is synced")

        with watched(look):
            replace_file(path, NEW)


def check_the_old_file_is_there_until_the_new_one_gets_its_name() -> None:
    """`os.replace` takes the old one away itself, in the same moment; nobody needs to do it before."""
    with some_file() as path:

        def look(event: Event) -> None:
            if event.renames:
                expect_content(path, OLD, "just before the new file gets the name")

        with watched(look):
            replace_file(path, NEW)


def check_the_new_file_gets_its_name_by_renaming() -> None:
    """That is the one thing that a file system does all at once."""
    with some_file() as path:
        with watched() as events:
            replace_file(path, NEW)
        times = sum(event.target == path for event in events)
        expect(times == 1, f"expected that a file is renamed to the name once, it was {times} times")


def check_the_new_file_is_made_in_the_same_folder() -> None:
    """Another one may be on another disk, and no renaming leads from one disk to another."""
    with some_file() as path:
        with watched() as events:
            replace_file(path, NEW)
        places = {event.source.parent for event in events if event.source and event.target == path}
        expect(places <= {path.parent}, "the new file is made in another folder than that of the old one")


def check_the_new_file_is_synced() -> None:
    """All of its bytes, before or after it gets its name."""
    with some_file() as path:
        with watched() as events:
            replace_file(path, NEW)
        expect(synced(events, path), "the bytes of the file were never synced")


def check_the_new_file_is_synced_before_it_gets_its_name() -> None:
    """Else the name may be on the disk before the bytes: after a power failure, an empty file."""
    with some_file() as path:
        with watched() as events:
            replace_file(path, NEW)
        first = next((number for number, event in enumerate(events) if event.renames), len(events))
        expect(synced(events[:first], path), "the bytes were not synced when the file got its name")


def check_a_disk_that_fails_is_told_here_too() -> None:
    """Nobody must believe in a file that is not written."""
    for renames in (False, True):
        error = OSError("the disk is full")
        with some_file() as path, watched(breaking(error, renames)):
            expect_through(lambda path=path: replace_file(path, NEW), error)


def check_the_old_file_outlives_a_disk_that_fails() -> None:
    """Whether it fails in writing or in renaming."""
    for renames in (False, True):
        with some_file() as path:
            with watched(breaking(OSError("the disk is full"), renames)):
                try_to(lambda path=path: replace_file(path, NEW))
            expect_content(path, OLD, f"after the disk failed in {'renaming' if renames else 'syncing'}")


def check_a_disk_that_fails_leaves_nothing_beside_the_file() -> None:
    """What is half written is of no use to anybody, least of all on a full disk."""
    for renames in (False, True):
        with some_file() as path:
            with watched(breaking(OSError("the disk is full"), renames)):
                try_to(lambda path=path: replace_file(path, NEW))
            expect_alone(path, f"after the disk failed in {'renaming' if renames else 'syncing'}")


def check_who_is_interrupted_leaves_nothing_either() -> None:
    """Ctrl-C is a KeyboardInterrupt, which is no OSError, and no Exception at all."""
    with some_file() as path:
        with watched(breaking(KeyboardInterrupt(), renames=False)):
            try_to(lambda: replace_file(path, NEW))
        expect_alone(path, "after Ctrl-C")


def try_to(run: Callable[[], object]) -> None:
    """Run something that may fail as the disk does."""
    with suppress(OSError, KeyboardInterrupt):
        run()


def check_others_may_read_it_as_they_may_read_any_file() -> None:
    """The umask says who may: with 027 that is the owner and the group. `tempfile` asks only the owner."""
    before = os.umask(0o027)
    try:
        with some_file() as path:
            replace_file(path, NEW)
            mode = path.stat().st_mode & 0o777
    finally:
        os.umask(before)
    expect(mode == 0o640, f"under the umask 027 the file's mode is {mode:03o}, expected 640")


def check_two_files_that_differ_in_their_ending_do_not_meet() -> None:
    """page.md and page.html may be written at the same time, each aside, under a name of its own."""
    with some_folder() as folder, watched() as events:
        for name in ("page.md", "page.html"):
            replace_file(folder / name, NEW)
    names = [event.source for event in events if event.renames]
    expect(len(set(names)) == len(names), "page.md and page.html are made under the same name")


def check_what_a_killed_process_left_is_no_hindrance() -> None:
    """It had no time to remove what it had written aside, and the next one may find it there."""
    with some_file() as path:
        with watched() as events:
            replace_file(path, NEW)
        for event in events:
            if event.source is not None and event.source.parent == path.parent:
                event.source.write_bytes(OLD)
        replace_file(path, NEW)
        expect_content(path, NEW, "where a killed process had left its own beside it")
