"""Devices: chosen, named, measured, repeated."""

import os
import resource

import pytest
import torch

from minibert.batches.batch import Batch
from minibert.train.device import (
    choose_device,
    device_name,
    measure_peak,
    peak_memory,
    repeatable,
    to_device,
)

CPU = torch.device("cpu")


def test_an_absent_device_is_refused():
    assert choose_device("cpu").type == "cpu"
    missing = "mps" if not torch.backends.mps.is_available() else "cuda"
    with pytest.raises(ValueError, match=f"no {missing} device here; use --device auto"):
        choose_device(missing)


def test_auto_finds_a_device_that_is_there():
    assert torch.ones(2, device=choose_device("auto")).sum() == 2


def test_a_device_has_a_name():
    assert device_name(CPU).strip()


def test_a_batch_is_moved_with_all_its_parts():
    ids = torch.zeros(2, 3, dtype=torch.int64)
    assert to_device((ids, ids), CPU)[1] is ids
    batch = to_device(Batch(ids, ids, None, ids[0], ids[0], None), CPU)
    assert batch.attend is None and torch.equal(batch.ids, ids)


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_the_peak_is_that_of_a_matrix_product(precision):
    assert 1e8 < measure_peak(CPU, precision) < 1e15  # from a slow core to beyond any machine of today


def test_memory_is_counted_in_bytes():
    unit = 1 if os.uname().sysname == "Darwin" else 1024
    before = peak_memory(CPU)
    assert before == pytest.approx(unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, rel=0.01)
    held = torch.ones(before // 4 + 50_000_000)  # float32: as large as all so far, and 200 MB more
    assert peak_memory(CPU) >= before + 150e6
    del held


def test_random_numbers_go_on_after_the_block_as_if_it_had_not_been():
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    with repeatable(deterministic=False):
        torch.manual_seed(0)
        torch.rand(5)
    assert torch.equal(torch.rand(2), expected)


def test_deterministic_algorithms_are_asked_for_only_inside():
    before = torch.are_deterministic_algorithms_enabled()
    with repeatable(deterministic=True):
        assert torch.are_deterministic_algorithms_enabled()
        with pytest.raises(RuntimeError, match="does not have a deterministic implementation"):
            torch.ones(3).put_(torch.tensor([0]), torch.tensor([1.0]), accumulate=False)
    assert torch.are_deterministic_algorithms_enabled() == before


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("precision", ["float32", "tf32", "bf16", "fp16"])
def test_a_gpu_is_faster_in_half_precision(precision):
    cuda = torch.device("cuda")
    assert measure_peak(cuda, precision) > 1e12
    assert (precision == "float32") or measure_peak(cuda, precision) > 1.5 * measure_peak(cuda, "float32")
    assert peak_memory(cuda) > 0
