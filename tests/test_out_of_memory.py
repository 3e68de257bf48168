"""Out of memory is known on every device, and the micro-batch to try is named."""

import numpy as np
import pytest
import torch

from minibert.train.out_of_memory import explain_out_of_memory, is_out_of_memory

TOO_MUCH = 2**50
"""More numbers than any machine has room for."""

ON_CPU = (
    "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to "
    "allocate 4503599627370496 bytes. Error code 12 (Cannot allocate memory)"
)
ON_MPS = "MPS backend out of memory (MPS allocated: 5.56 GB, max allowed: 6.80 GB). Tried to allocate 768 MB"


def raised_by(make) -> BaseException:
    with pytest.raises((RuntimeError, MemoryError)) as raised:
        make()
    return raised.value


def test_a_cpu_that_has_no_room_for_a_tensor_is_known() -> None:
    error = raised_by(lambda: torch.empty(TOO_MUCH))
    assert type(error) is RuntimeError
    assert is_out_of_memory(error)


def test_numpy_and_python_without_memory_are_known() -> None:
    assert is_out_of_memory(raised_by(lambda: np.empty(TOO_MUCH)))
    assert is_out_of_memory(raised_by(lambda: bytearray(TOO_MUCH)))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_that_has_no_room_for_a_tensor_is_known() -> None:
    assert is_out_of_memory(raised_by(lambda: torch.empty(2**42, device="cuda")))


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError(ON_CPU),
        RuntimeError(ON_MPS),
        RuntimeError("Invalid buffer size: 19.45 GB"),
        MemoryError(),
    ],
    ids=str,
)
def test_what_each_device_says_is_known(error: BaseException) -> None:
    assert is_out_of_memory(error)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("mat1 and mat2 shapes cannot be multiplied (2x3 and 4x5)"),
        RuntimeError("CUDA error: device-side assert triggered"),
        ValueError("the corpus is out of memory of its author"),
        KeyboardInterrupt(),
    ],
    ids=str,
)
def test_other_errors_are_not_taken_for_it(error: BaseException) -> None:
    assert not is_out_of_memory(error)


@pytest.mark.parametrize(("micro_batch", "half"), [(48, 24), (7, 3), (2, 1)])
def test_half_the_micro_batch_is_named_to_try(micro_batch: int, half: int) -> None:
    said = explain_out_of_memory(torch.OutOfMemoryError("CUDA out of memory."), micro_batch)
    assert said == (
        f"no memory for {micro_batch} sequences at once. To go on from what is saved, with less at once: "
        f"--resume auto --micro-batch {half}. The error was: CUDA out of memory."
    )


def test_below_one_sequence_there_are_other_ways() -> None:
    said = explain_out_of_memory(RuntimeError(ON_CPU), 1)
    assert "no memory for 1 sequence at once" in said
    assert all(way in said for way in ("--seq-len", "a smaller model", "--shard"))
    assert "--micro-batch" not in said
    assert ON_CPU in said


def test_an_error_without_words_or_with_many_lines_makes_one_line() -> None:
    assert explain_out_of_memory(MemoryError(), 4).endswith("The error was: MemoryError")
    assert explain_out_of_memory(RuntimeError(ON_MPS + "\nC++ stack:\n#0"), 4).endswith(
        f"The error was: {ON_MPS}"
    )
