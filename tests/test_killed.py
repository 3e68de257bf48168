"""A run that is killed at any moment: never lost, and in the end equal to one that lived, to the bit."""

import os
import random
from collections import Counter
from pathlib import Path

import pytest
import torch
from forked import Forks
from tiny_runs import lines

from minibert.train.checkpoint import Checkpoint, checkpoint_folders, load_checkpoint, save_checkpoint

KILLS = 50

PRECISIONS = ("bf16", "fp16", "float32")
"""Of the runs, one after the other."""


def last_step(folder: Path) -> int:
    """The step of the newest checkpoint, which is whole; 0 before the first."""
    found = checkpoint_folders(folder / "checkpoints")
    return load_checkpoint(found[0]).numbers["step"] if found else 0


def assert_same(folder: Path, whole: Path) -> None:
    """Two runs have the same checkpoints, to the bit, and the same metrics; nothing half-written is left."""
    mine, other = (checkpoint_folders(run / "checkpoints") for run in (folder, whole))
    assert [path.name for path in mine] == [path.name for path in other]
    for path, twin in zip(mine, other, strict=True):
        one, two = load_checkpoint(path), load_checkpoint(twin)
        for kind in ("model", "optimizer"):
            assert one.tensors[kind].keys() == two.tensors[kind].keys()
            for name, tensor in one.tensors[kind].items():
                assert torch.equal(tensor, two.tensors[kind][name]), (path, name)
    assert lines(folder) == lines(whole)
    assert not list(folder.glob("checkpoints/.*"))


@pytest.mark.slow
def test_killed_at_fifty_random_moments_a_run_is_never_lost_and_ends_equal_to_the_bit(tmp_path):
    draw, places, ended, interrupted = random.Random(0), Counter(), 0, 0
    with Forks("killed_runs", tmp_path / "said.txt") as forks:
        lasts = [forks.run("live", str(tmp_path / each), each).seconds for each in PRECISIONS]
        folder, precision = tmp_path / "killed-0", PRECISIONS[0]
        while places.total() < KILLS or last_step(folder):
            kill = places.total() < KILLS  # else the last run may come to its end
            before = last_step(folder)
            seconds = draw.random() ** 2 * min(lasts) / 3 if kill else None  # most of them early
            end = forks.run("live", str(folder), precision, seconds=seconds)
            assert end.code in (0, -9), end.said
            assert last_step(folder) >= before
            if end.code:
                places[end.place] += 1
                interrupted += bool(list(folder.glob("checkpoints/.step-*.partial")))
            else:
                assert_same(folder, tmp_path / precision)
                ended += 1
                folder, precision = tmp_path / f"killed-{ended}", PRECISIONS[ended % len(PRECISIONS)]

    assert all(places[place] for place in ("start", "step", "look", "save")), places
    assert ended and interrupted, "no run came to its end, or none was killed in the middle of a save"


def stage(run: Path) -> str:
    """How far the files of a run folder have come."""
    saved = [path.name for path in checkpoint_folders(run / "checkpoints")]
    if saved:
        return "trained" if "step-00000006" in saved else "saved"
    return "begun" if run.exists() else "reading"


@pytest.mark.slow
def test_the_whole_command_may_be_killed_at_any_moment_from_its_first_word_to_its_last(tmp_path):
    draw, stages, folder = random.Random(1), Counter(), tmp_path / "killed"
    with Forks("command_runs", tmp_path / "said.txt") as forks:
        whole = tmp_path / "whole"
        whole.mkdir()
        lasts = forks.run("pretrain", str(whole)).seconds
        while stages.total() < 20:
            folder.mkdir(exist_ok=True)
            end = forks.run("pretrain", str(folder), "--resume", "auto", seconds=2 * draw.random() * lasts)
            assert end.code in (0, -9), end.said
            if end.code:
                stages[stage(folder / "run")] += 1
            else:
                assert_same_model(folder / "run", whole / "run")
                folder = tmp_path / f"killed-{stages.total()}"
        folder.mkdir(exist_ok=True)
        assert forks.run("pretrain", str(folder), "--resume", "auto").code == 0
        assert_same_model(folder / "run", whole / "run")
    assert len(stages) >= 3, stages


def assert_same_model(run: Path, other: Path) -> None:
    """Two finished runs have left the same files, but for the times in them."""
    for name in ("model.safetensors", "evaluation.json", "config.json", "tokenizer.json", "vocab.txt"):
        assert (run / name).read_bytes() == (other / name).read_bytes(), name
    assert not list(run.glob(".*"))


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="only Linux tells which file was synced")
def test_a_power_failure_finds_everything_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    events: list[str] = []
    replace = os.replace

    def renamed(source, target):
        events.append(f"{Path(source).name} -> {Path(target).name}")
        replace(source, target)

    monkeypatch.setattr(
        os, "fsync", lambda handle: events.append(Path(os.readlink(f"/proc/self/fd/{handle}")).name)
    )
    monkeypatch.setattr(os, "replace", renamed)
    save_checkpoint(tmp_path / "step-1", Checkpoint({"model": {"w": torch.zeros(3)}}, {"step": 1}))
    aside = ".step-1.partial"
    assert events == [
        *("model.safetensors", "numbers.json", aside),
        *("manifest.json", aside, f"{aside} -> step-1", tmp_path.name),
    ]
