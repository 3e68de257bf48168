"""A batch in parts: the same rows for any number of processes, each with its share and its seed."""

import pytest
import torch
from tiny_runs import ROWS, batches, counts

from minibert.train.distributed import World
from minibert.train.feed import Feed, rows_of
from minibert.train.step import dropout_seed


def feed(world: World, micro_batch: int | None = None) -> Feed:
    return Feed(
        batches, counts, lambda batch: batch[0].numel(), ROWS, micro_batch, 7, torch.device("cpu"), world
    )


@pytest.mark.parametrize("size", [1, 2, 3, 8])
@pytest.mark.parametrize("micro_batch", [None, 1, 3, 100])
def test_the_parts_of_all_processes_are_the_batch_row_for_row(size, micro_batch):
    loads = [feed(World(rank, size), micro_batch).load(5) for rank in range(size)]
    assert torch.equal(torch.cat([part[0] for load in loads for part in load.batches]), batches(5)[0])
    assert sum(load.tokens for load in loads) == batches(5)[0].numel()
    assert sum(load.count["loss"] for load in loads) == counts(batches(5))["loss"]
    if micro_batch is not None:
        assert all(len(part[0]) <= micro_batch for load in loads for part in load.batches)


def test_shares_are_counts_over_the_whole_batch_and_seeds_those_of_the_pass():
    world = World(1, 2)
    made = feed(world, 2)
    load = made.load(3)
    parts = made.parts(load, {"loss": 10.0})
    assert [part.shares["loss"] for part in parts] == [c["loss"] / 10 for c in load.counts]
    assert [part.seed for part in parts] == [dropout_seed(7, 3, i, 1) for i in range(len(parts))]


def test_rows_of_a_plain_tuple():
    assert rows_of((torch.zeros(5, 2), torch.zeros(5))) == {"loss": 5}
