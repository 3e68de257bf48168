"""Which checkpoints stay, what they hold, and what happens when one cannot be written."""

import errno
import os
import re
import shutil

import pytest
import torch
from tiny_runs import Net, bits, two_optimizers

from minibert.train.distributed import ALONE
from minibert.train.keeper import Keeper


def keeper(folder, keep: int = 2) -> Keeper:
    model = Net()
    optimizers = two_optimizers(model)
    for p in model.parameters():
        p.grad = torch.ones_like(p)
    for optimizer in optimizers:
        optimizer.step()
    folder.mkdir(exist_ok=True)
    return Keeper(folder, model, optimizers, keep, ALONE)


def steps(folder) -> list[int]:
    return sorted(int(path.name[5:]) for path in folder.glob("step-*"))


def test_the_newest_and_the_best_stay(tmp_path):
    kept = keeper(tmp_path)
    for step in range(1, 6):
        assert kept.save(step, {"step": step}, best=2)
    assert steps(tmp_path) == [2, 4, 5]


def test_state_and_numbers_come_back(tmp_path):
    saved, other = keeper(tmp_path), keeper(tmp_path)
    saved.save(3, {"step": 3, "seconds": 0.1 + 0.2}, None)
    with torch.no_grad():
        for p in other.model.parameters():
            p.zero_()
    assert other.restore() == {"step": 3, "seconds": 0.1 + 0.2}
    assert bits(other.model) == bits(saved.model)
    for one, two in zip(saved.optimizers, other.optimizers, strict=True):
        for p, q in zip(one.param_groups[0]["params"], two.param_groups[0]["params"], strict=True):
            assert one.state[p].keys() == two.state[q].keys() != set()
            assert all(torch.equal(one.state[p][name], two.state[q][name]) for name in one.state[p])


def test_without_a_checkpoint_there_is_nothing_to_restore(tmp_path):
    assert keeper(tmp_path).restore() is None


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EFBIG, errno.EDQUOT])
def test_a_full_disk_keeps_the_old_checkpoint_and_names_what_is_needed_and_free(
    tmp_path, monkeypatch, caplog, code
):
    kept = keeper(tmp_path, keep=1)
    kept.save(1, {"step": 1}, None)
    disk = shutil.disk_usage(tmp_path)._replace(free=5_000_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: disk)
    monkeypatch.setattr(os, "fsync", lambda handle: (_ for _ in ()).throw(OSError(code, os.strerror(code))))
    assert not kept.save(2, {"step": 2}, None)
    monkeypatch.undo()
    assert os.strerror(code) in caplog.text and "It takes 0.0 MB" in caplog.text
    said = re.search(r"It takes .*; ([\d,.]+) GB are free", caplog.text)
    assert said and float(said[1].replace(",", "")) == pytest.approx(disk.free / 1e9, rel=0.1)
    assert steps(tmp_path) == [1] and kept.restore() == {"step": 1}
    assert kept.save(3, {"step": 3}, None)
    assert steps(tmp_path) == [3] and not list(tmp_path.glob(".*"))


def test_the_room_needed_covers_what_is_then_written(tmp_path):
    kept = keeper(tmp_path, keep=2)
    numbers = sum(p.numel() for p in kept.model.parameters())
    assert kept.room_needed() == 4 * numbers * (3 * 4 + 1)
    for step in range(1, 4):
        kept.save(step, {"step": step}, None)
    assert kept.room_needed() == 4 * numbers * (3 * 2 + 1)  # two lie there already


def test_the_weights_of_a_step_come_back_and_a_lost_one_is_said(tmp_path, caplog):
    saved, other = keeper(tmp_path), keeper(tmp_path)
    saved.save(4, {"step": 4}, None)
    with torch.no_grad():
        other.model.get_parameter("body.0.weight").zero_()
    assert other.restore_model(4) and bits(other.model) == bits(saved.model)
    assert not other.restore_model(9)
    assert "the best checkpoint is lost" in caplog.text and "step-00000009" in caplog.text
