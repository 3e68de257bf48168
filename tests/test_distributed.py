"""Many processes compute what one computes."""

import pytest
from by_hand import by_hand

from minibert.learn.checks import train_distributed as checks
from minibert.train.distributed import ALONE, World, joined, share_of

test_by_hand = by_hand(checks, examples=1)


@pytest.mark.parametrize(
    ("rows", "size", "expected"),
    [
        (12, 1, [(0, 12)]),
        (12, 4, [(0, 3), (3, 3), (6, 3), (9, 3)]),
        (11, 3, [(0, 3), (3, 4), (7, 4)]),
        (3, 3, [(0, 1), (1, 1), (2, 1)]),
    ],
)
def test_the_rows_of_a_batch_are_shared_out_in_order(rows, size, expected):
    assert [share_of(rows, World(rank, size)) for rank in range(size)] == expected


def test_a_batch_smaller_than_the_processes_is_refused():
    with pytest.raises(ValueError, match="a batch of 3 sequences is too small for 4 processes"):
        share_of(3, World(0, 4))


def test_without_torchrun_a_process_is_alone(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with joined("cpu") as world:
        assert world is ALONE
        assert world.sum([1.5, 2.0]) == [1.5, 2.0]
        with world.first():
            world.barrier()
