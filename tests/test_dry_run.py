"""A dry run begins the run as the run begins, tells what it would take, and leaves nothing."""

import dataclasses
import json
import math
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from small_runs import corpus_file, small_config

from minibert.config import PretrainConfig
from minibert.recipes import pretrain as module
from minibert.recipes.dry_run import DryRun, dry_run, lasts, medians, table
from minibert.recipes.learning import TORCH
from minibert.recipes.pretrain import pretrain
from minibert.recipes.ready import BACKENDS


@pytest.fixture(autouse=True)
def quick(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the cache here, and leave out the pictures of the report."""
    monkeypatch.setenv("MINIBERT_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    monkeypatch.setattr(module, "write_report", lambda run: (run / "report.md").touch())


def everything(folder: Path) -> dict[str, tuple[int, bytes]]:
    """When each file in a folder was written, and what is in it."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def first_losses(run: Path) -> list[float]:
    lines = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    return [line["loss"] for line in lines if line["kind"] == "train"]


def test_the_first_step_is_that_of_the_run_which_is_not_begun(tmp_path: Path) -> None:
    config = small_config(tmp_path, log_every=1, micro_batch=3)
    before = set(tmp_path.iterdir())
    tried = dry_run("bert-tiny", config, "typed")
    assert set(tmp_path.iterdir()) == before
    assert tried.first["loss"] == first_losses(pretrain("bert-tiny", config))[0]
    assert tried.record["command"] == "typed" and tried.begins == 0


def test_a_run_to_go_on_with_is_read_and_stays_as_it_is(tmp_path: Path) -> None:
    config = small_config(tmp_path, log_every=1, evaluate_every=2, patience=9)
    out = pretrain("bert-tiny", config)
    half = shutil.copytree(out, tmp_path / "half")
    shutil.rmtree(half / "checkpoints" / "step-00000006")
    before = everything(half)
    tried = dry_run("bert-tiny", dataclasses.replace(config, out=half, resume="auto"))
    assert everything(half) == before
    assert tried.begins == 4
    assert tried.first["loss"] == first_losses(out)[4]


def test_what_it_tells_are_the_numbers_of_the_run(tmp_path: Path) -> None:
    tried = dry_run("bert-tiny", small_config(tmp_path))
    assert tried.tokens == 4 * 32 and tried.steps == 6
    assert tried.epochs == pytest.approx(24 / tried.examples)
    assert tried.step_seconds > 0 and tried.look_seconds > 0
    assert sum(tried.phases.values()) == pytest.approx(tried.step_seconds, rel=0.9)
    assert list(tried.phases) == ["data", "forward", "backward", "optimizer", "rest"]
    weights = 4 * tried.record["parameters"]
    assert 2 * weights < tried.checkpoint < 4 * weights < tried.needed < tried.free
    assert tried.memory > 10e6

    told = dict(table(tried))
    assert told["run folder"] == f"{tmp_path / 'run'}: free, and can be written"
    assert told["batch"] == "4 sequences, 128 tokens"
    assert "float32, 1 process" in told["device"]
    word, pair = (tried.first[f"{name}_loss"] for name in ("word", "pair"))
    assert told["first loss"] == (
        f"word loss {word:.3f} (guessing among 120: {math.log(120):.3f}), "
        f"pair loss {pair:.3f} (guessing among 2: 0.693)"
    )
    assert told["whole run"].startswith("6 steps, 0.1")


def test_it_works_without_pairs_and_without_held_out_text(tmp_path: Path) -> None:
    path = tmp_path / "one.txt"
    path.write_text(corpus_file(tmp_path).read_text().split("\n\n")[0])
    config = small_config(tmp_path, corpus=(str(path),), objective="mlm", precision="bf16", micro_batch=1)
    tried = dry_run("bert-tiny", config)
    told = dict(table(tried))
    assert tried.look_seconds == 0 and told["held out"] == "nothing"
    assert "pair" not in told["first loss"] and "bf16" in told["device"]
    assert told["batch"] == "4 sequences, 128 tokens, 1 at once"


def test_a_folder_that_is_taken_is_refused_as_in_the_run(tmp_path: Path) -> None:
    config = small_config(tmp_path)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.txt").touch()
    with pytest.raises(ValueError, match="run is not empty and holds no run; choose another folder with"):
        dry_run("bert-tiny", config)


def test_too_little_room_is_said_before_the_first_step(tmp_path: Path, monkeypatch) -> None:
    def never(model, batch):
        raise AssertionError("a step was taken")

    monkeypatch.setitem(BACKENDS, "torch", dataclasses.replace(TORCH, loss=never))
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=100_000))
    with pytest.raises(ValueError, match=rf"no.* room in {tmp_path}: .* needed, 0.1 MB free.* with --out"):
        dry_run("bert-tiny", small_config(tmp_path))


def test_a_gradient_that_is_not_finite_is_told_as_in_the_run_but_for_its_files(tmp_path: Path, monkeypatch):
    def broken(model, batch):
        return {name: value * torch.inf for name, value in TORCH.loss(model, batch).items()}

    monkeypatch.setitem(BACKENDS, "torch", dataclasses.replace(TORCH, loss=broken))
    with pytest.raises(ValueError, match="gradient of step 1 is not finite.* A dry run keeps no files"):
        dry_run("bert-tiny", small_config(tmp_path))


def made_up(**changes) -> DryRun:
    """A run of 1000 steps of 2 seconds, and every 10 steps a look of 5; half of them are done."""
    numbers = {
        "out": Path("runs/x"),
        "config": PretrainConfig(steps=1000, evaluate_every=10, batch_size=8),
        "record": {},
        "examples": 400,
        "first": {"step": 501},
        "step_seconds": 2.0,
        "phases": {},
        "look_seconds": 5.0,
        "memory": 0,
        "checkpoint": 0,
        "needed": 0,
        "free": 0,
    }
    return DryRun(**(numbers | changes))


def test_the_whole_run_is_reckoned_with_its_looks() -> None:
    tried = made_up()
    assert (tried.begins, tried.pace, tried.steps, tried.epochs) == (500, 2.5, 1000, 20.0)
    assert tried.seconds == 500 * 2.5


@pytest.mark.parametrize(
    ("steps", "minutes", "expected"), [(None, 10, 240), (1000, 10, 240), (100, 10, 100), (None, 0.001, 1)]
)
def test_the_limit_that_comes_first_ends_the_run(steps, minutes, expected) -> None:
    config = PretrainConfig(steps=steps, max_minutes=minutes, evaluate_every=10)
    assert made_up(config=config).steps == expected


def test_a_run_that_is_done_takes_no_more_time() -> None:
    assert made_up(first={"step": 1001}).seconds == 0


def test_phases_are_medians_of_what_is_known() -> None:
    assert medians([{"rest": 9.0, "data": 1.0}, {}, {"data": 3.0}, {"data": 9.0}]) == {
        "data": 3.0,
        "rest": 9.0,
    }


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "about 0 seconds"),
        (119, "about 119 seconds"),
        (150, "about 2.5 minutes"),
        (7200, "about 2.0 hours"),
    ]
    + [(10 * 86400, "about 10.0 days")],
)
def test_a_time_is_told_in_the_unit_that_fits(seconds: float, words: str) -> None:
    assert lasts(seconds) == words
