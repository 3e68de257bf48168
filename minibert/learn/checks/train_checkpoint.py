"""What it takes that a checkpoint is whole or not there, whatever happens while it is saved.

The disk is watched (`minibert.learn.disk`), and breaks off where a check wants it to.
"""

import hashlib
import itertools
import json
import math
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from minibert.learn.checks.files import some_folder
from minibert.learn.compare import CheckError, expect
from minibert.learn.disk import Event, synced, watched
from minibert.train.checkpoint import MANIFEST, Checkpoint, load_checkpoint, save_checkpoint

FILES = ("model.safetensors", "optimizer.safetensors", "numbers.json")
"""What `some_checkpoint` consists of, beside the manifest."""


def some_checkpoint(step: int = 1) -> Checkpoint:
    """Return a small one."""
    model = {"w": torch.tensor([1.5, math.nan, -0.0]), "steps": torch.arange(3)}
    optimizer = {"0/0/step": torch.tensor(float(step))}
    return Checkpoint({"model": model, "optimizer": optimizer}, {"step": step, "seconds": 0.1 + 0.2})


def flat(checkpoint: Checkpoint) -> dict[str, Any]:
    """Return all that a checkpoint holds; of tensors the bits, for NaN is equal to nothing."""

    def told(tensor: Tensor) -> tuple[Any, ...]:
        return tensor.dtype, tuple(tensor.shape), tensor.detach().contiguous().numpy().tobytes()

    named = {
        f"{stem}: {name}": told(t) for stem, all in checkpoint.tensors.items() for name, t in all.items()
    }
    return {**named, **checkpoint.numbers}


def expect_loads(folder: Path, expected: Checkpoint, what: str) -> None:
    """Raise CheckError unless a folder holds just this checkpoint."""
    expect(folder.is_dir(), f"{what} is not there")
    try:
        got = flat(load_checkpoint(folder))
    except ValueError as error:
        raise CheckError(f"{what} cannot be loaded: {error}") from error
    wanted = flat(expected)
    expect(got.keys() == wanted.keys(), f"{what}: expected {sorted(wanted)}, got {sorted(got)}")
    for name, value in wanted.items():
        expect(got[name] == value, f"{what}: {name} has changed: expected {value}, got {got[name]}")


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Save a checkpoint without waiting for the disk."""
    with watched():
        save_checkpoint(path, checkpoint)


@dataclass
class Saved:
    """A checkpoint that was saved, and what the disk was asked for."""

    path: Path
    events: list[Event] = field(default_factory=list)
    before_manifest: list[Event] = field(default_factory=list)
    """What was asked when there was no manifest yet."""
    before_name: list[Event] = field(default_factory=list)
    """What was asked when nothing had the checkpoint's name yet."""


@contextmanager
def saved() -> Iterator[Saved]:
    """Save a checkpoint in a folder that is gone afterwards."""
    with some_folder() as folder:
        it = Saved(folder / "step-1")

        def look(event: Event) -> None:
            if not any(folder.rglob(MANIFEST)):
                it.before_manifest.append(event)
            if not it.path.exists():
                it.before_name.append(event)

        with watched(look) as it.events:
            save_checkpoint(it.path, some_checkpoint())
        yield it


def check_what_is_saved_comes_back() -> None:
    """Every bit of every tensor, and all numbers."""
    with saved() as it:
        expect_loads(it.path, some_checkpoint(), "a checkpoint")


def check_parameters_and_parts_of_tensors_are_saved_too() -> None:
    """A parameter has a graph, and a column does not lie in one piece: safetensors refuses it."""
    matrix = torch.arange(6.0).view(2, 3)
    tensors = {"parameter": nn.Parameter(torch.ones(2)), "column": matrix[:, 1]}
    with some_folder() as folder:
        checkpoint = Checkpoint({"model": tensors}, {})
        save(folder / "step-1", checkpoint)
        expect_loads(folder / "step-1", checkpoint, "a checkpoint of a parameter and of a column")


def entries(it: Saved) -> dict[str, Any]:
    """Return the manifest, which must be about the other files, each of them."""
    found = {path.name for path in it.path.iterdir()} - {MANIFEST}
    expect(found == set(FILES), f"expected the files {sorted(FILES)} and {MANIFEST}, got {sorted(found)}")
    manifest = json.loads((it.path / MANIFEST).read_bytes())
    expect(set(manifest) == found, f"the manifest is about {sorted(manifest)}, expected {sorted(found)}")
    return manifest


def check_the_manifest_has_the_size_of_every_other_file() -> None:
    """By it a file is known that was cut short."""
    with saved() as it:
        for name, entry in entries(it).items():
            size = (it.path / name).stat().st_size
            expect(
                entry.get("bytes") == size, f"the manifest says of {name}: {entry}, and it has {size} bytes"
            )


def check_the_manifest_has_a_digest_of_every_other_file() -> None:
    """By it a file is known in which something has changed. It has 64 hexadecimal digits."""
    with saved() as it:
        for name, entry in entries(it).items():
            digest = str(entry.get("sha256"))
            expect(
                re.fullmatch("[0-9a-f]{64}", digest), f"the sha256 of {name} is {digest!r} in the manifest"
            )


def check_the_digests_are_of_whole_files() -> None:
    """To the last byte: who knows which of them will change."""
    with saved() as it:
        for name, entry in entries(it).items():
            digest = hashlib.sha256((it.path / name).read_bytes()).hexdigest()
            expect(
                entry.get("sha256") == digest,
                f"the manifest says of {name}: {entry}, and its sha256 is {digest}",
            )


def check_every_file_is_synced() -> None:
    """What is only in memory is lost when the power fails."""
    with saved() as it:
        for name in FILES:
            expect(synced(it.events, it.path / name), f"{name} was never synced, or not all of it")


def check_every_file_is_synced_before_there_is_a_manifest() -> None:
    """A manifest says: all is there. So all must be there before it."""
    with saved() as it:
        for name in FILES:
            expect(
                synced(it.before_manifest, it.path / name), f"the manifest was there, and {name} not synced"
            )


def check_the_folder_is_synced_before_there_is_a_manifest() -> None:
    """A file whose name is not on the disk cannot be found, though its bytes are."""
    with saved() as it:
        expect(
            synced(it.before_manifest, it.path),
            "the manifest was there, and the names of the files not synced",
        )


def check_the_manifest_is_synced_before_the_checkpoint_has_its_name() -> None:
    """Else there may be a checkpoint of that name, and no manifest in it."""
    with saved() as it:
        expect(
            synced(it.before_name, it.path / MANIFEST),
            "the checkpoint got its name, and the manifest was not synced",
        )


def check_the_manifest_s_name_is_synced_too() -> None:
    """The folder once more, now that the manifest is in it."""
    with saved() as it:
        between = it.before_name[len(it.before_manifest) :]
        expect(synced(between, it.path), "the folder was not synced once the manifest was in it")


def check_the_checkpoint_gets_its_name_by_one_renaming() -> None:
    """That is the one thing that a file system does all at once."""
    with saved() as it:
        times = sum(event.target == it.path for event in it.events)
        expect(times == 1, f"expected that a folder is renamed to {it.path.name} once, it was {times} times")


def check_the_checkpoint_is_made_in_the_same_folder() -> None:
    """Another one may be on another disk, and no renaming leads from one disk to another."""
    with saved() as it:
        places = {event.source.parent for event in it.events if event.source and event.target == it.path}
        expect(places <= {it.path.parent}, "the checkpoint is made in another folder than that of the others")


def check_the_new_name_is_synced_in_the_end() -> None:
    """It stands in the folder around: until that is synced, the checkpoint may have its old name again."""
    with saved() as it:
        last = max((number for number, event in enumerate(it.events) if event.renames), default=0)
        expect(
            synced(it.events[last:], it.path.parent), "the folder around was not synced after the renaming"
        )


def check_nothing_is_left_beside_the_checkpoint() -> None:
    """What was made aside has become the checkpoint."""
    with saved() as it:
        others = sorted(path.name for path in it.path.parent.iterdir() if path != it.path)
        expect(not others, f"beside the checkpoint there is {', '.join(others)}")


class BrokenOff(OSError):
    """The disk has failed, or the power."""


def interrupted(run: Callable[[], None], at: int, syncs_alone: bool = False) -> bool:
    """Save until the disk has done so much, and then fails; return whether it came to that.

    Args:
        at: what fails: what is asked first is 0.
        syncs_alone: only what is synced counts.
    """
    count = itertools.count()

    def break_off(event: Event) -> None:
        if not (syncs_alone and event.renames) and next(count) == at:
            raise BrokenOff("the disk is full")

    try:
        with watched(break_off):
            run()
    except BrokenOff:
        return True
    return False


def check_whenever_it_breaks_off_there_is_a_whole_checkpoint_or_none() -> None:
    """And the one before is not touched. It breaks off at everything that the disk is asked for in turn."""
    with some_folder() as folder:
        old, new = folder / "step-1", folder / "step-2"
        save(old, some_checkpoint(1))
        for at in itertools.count():
            broke = interrupted(lambda: save_checkpoint(new, some_checkpoint(2)), at)
            what = f"(it broke off at operation {at} of the disk)"
            expect_loads(old, some_checkpoint(1), f"the checkpoint before {what}")
            if new.exists():
                expect_loads(new, some_checkpoint(2), f"the new checkpoint {what}")
            if not broke:
                break


def check_a_checkpoint_of_the_same_step_stays_until_the_new_one_is_whole() -> None:
    """It may be the only one."""
    with some_folder() as folder:
        path = folder / "step-1"
        save(path, some_checkpoint(1))
        for at in itertools.count():
            broke = interrupted(lambda: save_checkpoint(path, some_checkpoint(2)), at, True)
            expect(path.is_dir(), "the old checkpoint of that step is gone, and the new one is not there yet")
            if not broke:
                break


def check_a_checkpoint_of_the_same_step_is_replaced() -> None:
    """The new one is what the run goes on from."""
    with some_folder() as folder:
        save(folder / "step-1", some_checkpoint(1))
        save(folder / "step-1", some_checkpoint(2))
        expect_loads(folder / "step-1", some_checkpoint(2), "the second checkpoint of one step")


def leave_something(path: Path) -> None:
    """Break off in the middle of a checkpoint that has a file more than others."""
    checkpoint = some_checkpoint()
    checkpoint.tensors["extra"] = {"x": torch.zeros(1)}
    for at in (1, 2, 3):
        interrupted(lambda: save_checkpoint(path, checkpoint), at)


def check_what_was_left_by_one_that_broke_off_is_no_hindrance() -> None:
    """The next process has no way to know what was there."""
    with some_folder() as folder:
        leave_something(folder / "step-1")
        try:
            save(folder / "step-1", some_checkpoint())
        except FileExistsError as error:
            raise CheckError(f"after a save that broke off no other is possible: {error}") from error


def check_what_was_left_by_one_that_broke_off_does_not_come_in() -> None:
    """A checkpoint has its own files, and no others."""
    with some_folder() as folder:
        leave_something(folder / "step-1")
        save(folder / "step-1", some_checkpoint())
        found = sorted(path.name for path in (folder / "step-1").iterdir())
        expect("extra.safetensors" not in found, f"there is a file of the save that broke off: {found}")


def check_others_may_read_it_as_they_may_read_any_file() -> None:
    """The umask says who may: with 027 that is the owner and the group."""
    before = os.umask(0o027)
    try:
        with saved() as it:
            modes = {path.name: path.stat().st_mode & 0o777 for path in it.path.iterdir()}
    finally:
        os.umask(before)
    for name, mode in sorted(modes.items()):
        expect(mode == 0o640, f"under the umask 027 the mode of {name} is {mode:03o}, expected 640")
