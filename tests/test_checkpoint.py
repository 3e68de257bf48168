"""Checkpoints: whole or not at all, checked byte by byte, nothing unpickled."""

import json
import os
import pickle
import struct
from pathlib import Path

import pytest
import torch
from by_hand import by_hand
from torch import nn

from minibert.learn.checks import train_checkpoint as checks
from minibert.learn.checks import train_loading as loading_checks
from minibert.learn.checks import train_removing as removing_checks
from minibert.train import checkpoint as module
from minibert.train.checkpoint import (
    Checkpoint,
    load_checkpoint,
    load_model_tensors,
    load_optimizer_tensors,
    model_tensors,
    newest_checkpoint,
    optimizer_tensors,
    remove_old,
    save_checkpoint,
)

test_saving_by_hand = by_hand(checks, examples=1)
test_loading_by_hand = by_hand(loading_checks, examples=1)
test_removing_by_hand = by_hand(removing_checks, examples=1)


def saved(folder: Path, step: int) -> Path:
    path = folder / f"step-{step:08d}"
    tensors = {"model": {"w": torch.full((4,), float(step))}, "optimizer": {"0/0/step": torch.tensor(3.0)}}
    save_checkpoint(path, Checkpoint(tensors, {"step": step, "seconds": 0.1}))
    return path


def test_what_is_saved_is_loaded_to_the_bit(tmp_path):
    values = torch.randn(50, generator=torch.Generator().manual_seed(0))
    odd = {"a": values, "b": torch.tensor(float("nan")), "c": torch.tensor([-0.0]), "d": torch.arange(3)}
    save_checkpoint(tmp_path / "step-1", Checkpoint({"model": odd}, {"step": 1, "seconds": 0.1 + 0.2}))
    loaded = load_checkpoint(tmp_path / "step-1")
    assert loaded.numbers == {"step": 1, "seconds": 0.1 + 0.2}
    for name, tensor in odd.items():
        got = loaded.tensors["model"][name]
        assert got.dtype == tensor.dtype and got.numpy().tobytes() == tensor.numpy().tobytes()


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))


def huge_header(path: Path) -> None:
    path.write_bytes(struct.pack("<Q", 2**62) + path.read_bytes()[8:])


def pickled(path: Path) -> None:
    path.write_bytes(pickle.dumps(Touch(path.with_name("touched"))))


class Touch:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def remove(path: Path) -> None:
    path.unlink()


def misspell(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"bytes", b"byteS", 1))


DAMAGES = [
    (cut, "model.safetensors", "bytes, expected"),
    (empty, "model.safetensors", "0 bytes, expected"),
    (flip, "model.safetensors", "sha256 differs"),
    (flip, "numbers.json", "sha256 differs"),
    (huge_header, "optimizer.safetensors", "sha256 differs"),
    (pickled, "model.safetensors", "bytes, expected"),
    (remove, "model.safetensors", "is missing"),
    (remove, "manifest.json", "was never finished"),
    (cut, "manifest.json", "not readable"),
    (empty, "manifest.json", "not readable"),
    (misspell, "manifest.json", "not readable"),
]


@pytest.mark.parametrize(("damage", "name", "message"), DAMAGES, ids=lambda v: getattr(v, "__name__", str(v)))
def test_a_damaged_checkpoint_is_passed_over_for_the_one_before_and_said_so(
    tmp_path, caplog, damage, name, message
):
    saved(tmp_path, 1)
    damage(saved(tmp_path, 2) / name)
    with pytest.raises(ValueError, match=message):
        load_checkpoint(tmp_path / "step-00000002")
    loaded = newest_checkpoint(tmp_path)
    assert loaded is not None and loaded.numbers["step"] == 1
    assert "passing over" in caplog.text and "step-00000002" in caplog.text
    assert not list(tmp_path.rglob("touched"))


def test_a_header_that_lies_is_refused_even_with_a_matching_manifest(tmp_path):
    path = saved(tmp_path, 1)
    huge_header(path / "model.safetensors")
    manifest = json.loads((path / "manifest.json").read_text())
    manifest["model.safetensors"]["sha256"] = module.hashlib.sha256(
        (path / "model.safetensors").read_bytes()
    ).hexdigest()
    (path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ValueError, match=r"model\.safetensors is not a safetensors file"):
        load_checkpoint(path)


def test_whichever_bit_of_a_manifest_flips_the_checkpoint_is_bad(tmp_path):
    path = saved(tmp_path, 1)
    good = (path / "manifest.json").read_bytes()
    for place in range(good.index(b"}")):  # of the first file
        for bit in range(8):
            bad = bytearray(good)
            bad[place] ^= 1 << bit
            (path / "manifest.json").write_bytes(bytes(bad))
            with pytest.raises(ValueError):
                load_checkpoint(path)


def test_without_any_good_checkpoint_there_is_none(tmp_path):
    assert newest_checkpoint(tmp_path) is None
    cut(saved(tmp_path, 1) / "model.safetensors")
    assert newest_checkpoint(tmp_path) is None


def test_files_and_folder_are_synced_before_the_manifest_and_the_name(tmp_path, monkeypatch):
    events = []
    fsync, replace = os.fsync, os.replace

    def spy_sync(handle):
        events.append(Path(os.readlink(f"/proc/self/fd/{handle}")).name if os.path.exists("/proc") else "?")
        fsync(handle)

    def spy_replace(source, target):
        events.append("renamed")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", spy_sync)
    monkeypatch.setattr(os, "replace", spy_replace)
    saved(tmp_path, 1)
    assert events.index("manifest.json") > max(
        events.index(name) for name in ("model.safetensors", "optimizer.safetensors", "numbers.json")
    )
    assert events.index("renamed") > events.index("manifest.json")
    assert events[-1] == tmp_path.name


@pytest.mark.parametrize("after", range(6))
def test_a_save_that_breaks_off_leaves_the_checkpoint_before(tmp_path, monkeypatch, after):
    saved(tmp_path, 1)
    calls = iter(range(100))
    fsync = os.fsync

    def break_off(handle):
        if next(calls) == after:
            raise OSError("power lost")
        fsync(handle)

    monkeypatch.setattr(os, "fsync", break_off)
    with pytest.raises(OSError, match="power lost"):
        saved(tmp_path, 2)
    monkeypatch.undo()
    loaded = newest_checkpoint(tmp_path)
    assert loaded is not None and loaded.numbers["step"] == 1
    saved(tmp_path, 3)
    remove_old(tmp_path, keep=2)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["step-00000001", "step-00000003"]


def test_saved_files_honour_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        path = saved(tmp_path, 1)
    finally:
        os.umask(before)
    assert {oct(file.stat().st_mode & 0o777) for file in path.iterdir()} == {"0o640"}


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(5, 3)
        self.project = nn.Linear(3, 5)
        self.project.weight = self.embed.weight


def test_tied_weights_are_saved_once_and_tied_again(tmp_path):
    model, other = Tied(), Tied()
    assert set(model_tensors(model)) == {"embed.weight", "project.bias"}
    save_checkpoint(tmp_path / "step-1", Checkpoint({"model": model_tensors(model)}, {}))
    load_model_tensors(other, load_checkpoint(tmp_path / "step-1").tensors["model"])
    assert torch.equal(other.project.weight, model.embed.weight)
    assert other.project.weight is other.embed.weight


def test_weights_of_another_model_are_refused_by_name():
    tensors = {"embed.weight": torch.zeros(5, 4), "extra": torch.zeros(1)}
    with pytest.raises(
        ValueError, match=r"missing \['project.bias'\], unexpected \['extra'\], of another shape .*embed"
    ):
        load_model_tensors(Tied(), tensors)


def test_optimizer_state_goes_through_a_checkpoint(tmp_path):
    def twin():
        torch.manual_seed(0)
        model = nn.Linear(3, 2)
        adamw = torch.optim.AdamW([{"params": [model.weight]}, {"params": [model.bias]}], lr=0.1)
        return model, [adamw, torch.optim.SGD([nn.Parameter(torch.ones(2))], momentum=0.9, lr=0.1)]

    def step(model, optimizers):
        model(torch.ones(1, 3)).square().sum().backward()
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                for p in group["params"]:
                    p.grad = torch.ones_like(p) if p.grad is None else p.grad
            optimizer.step()

    model, optimizers = twin()
    step(model, optimizers)
    save_checkpoint(
        tmp_path / "step-1",
        Checkpoint({"model": model_tensors(model), "optimizer": optimizer_tensors(optimizers)}, {}),
    )
    again, theirs = twin()
    loaded = load_checkpoint(tmp_path / "step-1").tensors
    load_model_tensors(again, loaded["model"])
    load_optimizer_tensors(theirs, loaded["optimizer"])
    for pair in ((model, optimizers), (again, theirs)):
        pair[0].zero_grad()
        step(*pair)
    assert torch.equal(model.weight, again.weight) and torch.equal(model.bias, again.bias)
    states = optimizer_tensors(optimizers), optimizer_tensors(theirs)
    assert states[0].keys() == states[1].keys() and len(states[0]) == 7
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
