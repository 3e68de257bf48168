"""A disk that is full, for a while or for good: files that the kernel itself refuses to let grow."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from forked import Forks

from minibert.train.checkpoint import checkpoint_folders, load_checkpoint

FOREVER = 1000
"""A batch that no run comes to."""


@pytest.fixture(scope="module")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    with Forks("command_runs", tmp_path_factory.mktemp("forks") / "said.txt") as started:
        yield started


@pytest.fixture(scope="module")
def whole(forks: Forks, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with room."""
    folder = tmp_path_factory.mktemp("whole")
    assert forks.run("pretrain", str(folder)).code == 0
    return folder


def good_steps(folder: Path) -> list[int]:
    """The steps of the checkpoints, which are all whole."""
    found = checkpoint_folders(folder / "run" / "checkpoints")
    return sorted(load_checkpoint(path).numbers["step"] for path in found)


def same(folder: Path, whole: Path, name: str = "model.safetensors") -> bool:
    return (folder / "run" / name).read_bytes() == (whole / "run" / name).read_bytes()


@pytest.mark.slow
def test_a_run_that_finds_no_room_for_a_while_saves_later_and_misses_nothing(tmp_path, forks, whole):
    end = forks.run("cramped", str(tmp_path), 20_000, 3, 6)
    assert end.code == 0, end.said
    told = f"no checkpoint written to {tmp_path}/run/checkpoints: File too large. It takes 0.2 MB; "
    assert end.said.count(told) >= 2 and "are free. The checkpoints from before are kept" in end.said
    assert good_steps(tmp_path)[-1] == 6 and same(tmp_path, whole)
    assert not list((tmp_path / "run" / "checkpoints").glob(".*"))


@pytest.mark.slow
def test_a_run_that_never_finds_room_again_fails_and_keeps_what_it_has(tmp_path, forks, whole):
    end = forks.run("cramped", str(tmp_path), 20_000, 6, FOREVER)  # from the fifth step on
    assert end.code == 1
    assert (
        end.said.splitlines()[-1] == "minibert: the run ended at step 6, which could not be saved (see above)"
    )
    assert good_steps(tmp_path) == [3, 4]
    resumed = forks.run("pretrain", str(tmp_path), "--resume", "auto")
    assert resumed.code == 0 and "going on from step 4" in resumed.said
    assert same(tmp_path, whole)
