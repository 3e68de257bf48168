"""`minibert pretrain` told to stop, wherever it is: it saves, says how to go on, and goes on to the bit."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from signal import SIGINT, SIGTERM

import pytest
from command_runs import command
from forked import TESTS, Forks

from minibert.train.checkpoint import checkpoint_folders, load_checkpoint

pytestmark = pytest.mark.slow

READING = "minibert.recipes.data:read_documents"
BATCH = "minibert.train.feed:Feed.load"
GRADIENT = "minibert.train.worker:Worker.gradient"
LOOK = "minibert.recipes.ready:evaluate"
RENAMING = "minibert.train.checkpoint:sync_folder"
"""Three times in a save: twice before the folder has its name, and once after."""
AT_THE_END = "minibert.recipes.pretrain:full_evaluation"
CARD = "minibert.recipes.pretrain:write_model_card"


@pytest.fixture(scope="module")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    with Forks("command_runs", tmp_path_factory.mktemp("forks") / "said.txt") as started:
        yield started


@pytest.fixture(scope="module")
def whole(forks: Forks, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nobody stopped."""
    folder = tmp_path_factory.mktemp("whole")
    assert forks.run("pretrain", str(folder)).code == 0
    return folder


def saved_step(folder: Path) -> int | None:
    """The step of the newest checkpoint, which is whole; None without any."""
    found = checkpoint_folders(folder / "run" / "checkpoints")
    return load_checkpoint(found[0]).numbers["step"] if found else None


def assert_goes_on_to_the_bit(forks: Forks, folder: Path, whole: Path) -> None:
    """Resumed, the run ends with the files of one that was never stopped."""
    resumed = forks.run("pretrain", str(folder), "--resume", "auto")
    assert resumed.code == 0, resumed.said
    for name in ("model.safetensors", "evaluation.json", "tokenizer.json"):
        assert (folder / "run" / name).read_bytes() == (whole / "run" / name).read_bytes(), name


@pytest.mark.parametrize("number", [SIGINT, SIGTERM])
@pytest.mark.parametrize(
    ("place", "call", "step"),
    [
        pytest.param(READING, 1, None, id="reading for the names"),
        pytest.param(READING, 2, None, id="reading for the vocabulary"),
        pytest.param(READING, 3, None, id="reading for the ids"),
        pytest.param(BATCH, 1, 0, id="before the first step"),
        pytest.param(GRADIENT, 1, 1, id="in the first step"),
        pytest.param(GRADIENT, 5, 5, id="in a later step"),
        pytest.param(LOOK, 1, 3, id="in a look"),
        pytest.param(RENAMING, 8, 4, id="in a save"),
        pytest.param(LOOK, 2, 6, id="in the last look"),
        pytest.param(AT_THE_END, 1, 6, id="in the evaluation at the end"),
        pytest.param(CARD, 1, 6, id="at the very end"),
    ],
)
def test_a_signal_anywhere_saves_and_says_how_to_go_on(tmp_path, forks, whole, place, call, step, number):
    end = forks.run("told", str(tmp_path), [[place, call, number]])
    assert end.code == 128 + number, end.said
    assert saved_step(tmp_path) == step
    assert "Traceback" not in end.said
    last = end.said.splitlines()[-1]
    assert last.startswith("minibert: stopped; to go on: minibert pretrain --corpus ")
    assert last.endswith(" --resume auto")
    assert_goes_on_to_the_bit(forks, tmp_path, whole)


@pytest.mark.parametrize(("first", "second"), [(SIGINT, SIGINT), (SIGTERM, SIGINT), (SIGINT, SIGTERM)])
def test_a_second_signal_leaves_at_once_and_the_checkpoint_before_is_good(
    tmp_path, forks, whole, first, second
):
    end = forks.run("told", str(tmp_path), [[GRADIENT, 4, first], [RENAMING, 8, second]])
    assert end.code == 128 + second
    assert saved_step(tmp_path) == 3
    assert list((tmp_path / "run" / "checkpoints").glob(".step-00000004.partial"))
    assert "stopped" not in end.said.splitlines()[-1]
    assert_goes_on_to_the_bit(forks, tmp_path, whole)
    assert not list((tmp_path / "run" / "checkpoints").glob(".*"))


def test_a_signal_from_outside_stops_the_program_as_it_is_typed(tmp_path):
    words = command(str(tmp_path))
    words[words.index("--steps") + 1] = "100000"
    environment = os.environ | {"MINIBERT_CACHE": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1"}
    line = [sys.executable, "-m", "minibert", *words]
    process = subprocess.Popen(line, cwd=TESTS.parent, env=environment, stderr=subprocess.PIPE, text=True)
    while process.poll() is None and not saved_step(tmp_path):
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 143 and "Traceback" not in said
    assert said.splitlines()[-1].endswith("--resume auto")
    metrics = (tmp_path / "run" / "metrics.jsonl").read_text()
    assert metrics.endswith("\n") and (saved_step(tmp_path) or 0) >= 2
