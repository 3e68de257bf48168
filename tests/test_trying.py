"""What is tried is the run itself, and leaves no trace."""

import dataclasses
import tempfile
from pathlib import Path

import pytest
import torch
from small_runs import small_config

from minibert.config import PretrainConfig
from minibert.hub import from_pretrained
from minibert.recipes import pretrain as module
from minibert.recipes.pretrain import pretrain
from minibert.recipes.trying import made_ready_aside, trial
from minibert.train.schedule import factor


@pytest.fixture(autouse=True)
def quick(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the cache here, and leave out the pictures of the report."""
    monkeypatch.setenv("MINIBERT_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    monkeypatch.setattr(module, "write_report", lambda run: (run / "report.md").touch())


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary folders are made."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.mark.parametrize("changes", [{}, {"micro_batch": 3, "optimizer": "adamw"}, {"precision": "fp16"}])
def test_a_trial_at_the_rates_of_the_run_ends_with_the_weights_of_the_run(tmp_path: Path, changes) -> None:
    config = small_config(tmp_path, **changes)
    steps = config.steps or 0
    with made_ready_aside("bert-tiny", config) as run, trial(run, run.batches) as tried:
        run.model.train()
        for step in range(steps):
            tried.gradient(step)
            tried.descend(factor(step / steps, (step + 1) / steps, config.warmup, config.schedule))
        own = {name: p.detach().clone() for name, p in run.model.named_parameters()}
    model, _ = from_pretrained(pretrain("bert-tiny", config))
    for name, weight in model.named_parameters():
        assert torch.equal(own[name], weight), name


def test_a_run_is_made_ready_elsewhere_and_nothing_is_left(tmp_path: Path, temporary: Path) -> None:
    config = small_config(tmp_path)
    before = set(tmp_path.iterdir())
    with made_ready_aside("bert-tiny", config) as run:
        assert run.out.is_dir() and run.out.is_relative_to(temporary)
        assert run.batches(0).ids.shape == (4, 32)
    assert set(tmp_path.iterdir()) == before and list(temporary.iterdir()) == []


def test_a_resumed_run_is_made_ready_from_a_copy_of_what_it_reads(tmp_path: Path) -> None:
    config = dataclasses.replace(small_config(tmp_path), resume="auto")
    out = pretrain("bert-tiny", config)
    with made_ready_aside("bert-tiny", config) as run:
        assert run.resumed and run.out != out
        assert [path.name for path in (run.out / "checkpoints").iterdir()] == ["step-00000006"]
    with (
        pytest.raises(ValueError, match=r"began with other settings: seed 0, now 1") as refused,
        made_ready_aside("bert-tiny", dataclasses.replace(config, seed=1)),
    ):
        pass
    assert f"the run in {out} began" in str(refused.value)


def test_one_of_several_processes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with (
        pytest.raises(ValueError, match="need one process: start them without torchrun"),
        made_ready_aside("bert-tiny", small_config(tmp_path)),
    ):
        pass


def steps_with(config: PretrainConfig, loss) -> tuple[bool, bool, float | None]:
    """Take a step with another loss; return whether it was taken, whether weights moved, the loss scale."""
    with made_ready_aside("bert-tiny", config) as run:
        run.learning = dataclasses.replace(run.learning, loss=loss)
        with trial(run, run.batches) as tried:
            before = [p.detach().clone() for p in run.model.parameters()]
            tried.gradient(0)
            taken = tried.descend(1.0)
            moved = any(not p.equal(b) for p, b in zip(run.model.parameters(), before, strict=True))
            return taken, moved, tried.worker.scaler and tried.worker.scaler.scale


@pytest.mark.parametrize("precision", ["float32", "fp16"])
def test_a_step_whose_gradient_is_not_finite_is_left_out(tmp_path: Path, precision: str) -> None:
    def broken(model, batch):
        return {"word_loss": model.words.bias.sum() * torch.inf, "pair_loss": model.words.bias.sum()}

    taken, moved, scale = steps_with(small_config(tmp_path, precision=precision), broken)
    assert (taken, moved) == (False, False)
    assert scale == (2.0**15 if precision == "fp16" else None)


def test_out_of_memory_names_the_micro_batch_to_try(tmp_path: Path) -> None:
    def hungry(model, batch):
        raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")

    with pytest.raises(ValueError, match="no memory for 3 sequences at once; try --micro-batch 1"):
        steps_with(small_config(tmp_path, micro_batch=3), hungry)
    with pytest.raises(ValueError, match="no memory for 4 sequences at once; try --micro-batch 2"):
        steps_with(small_config(tmp_path), hungry)


def test_other_errors_of_torch_pass(tmp_path: Path) -> None:
    def wrong(model, batch):
        raise RuntimeError("shapes do not fit")

    with pytest.raises(RuntimeError, match="^shapes do not fit$"):
        steps_with(small_config(tmp_path), wrong)
