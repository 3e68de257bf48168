"""Batches for causal models: each token's target follows it, an epoch predicts everything once."""

import numpy as np
import pytest
import torch

from minibert.batches.blocks import block_starts
from minibert.batches.causal import CausalBatches
from minibert.batches.sampling import examples_at
from minibert.text.store import Store


def store_of(ids: list[int] | np.ndarray) -> Store:
    """A running store of one document."""
    n = len(ids)
    return Store(np.asarray(ids, np.uint16), np.array([0, n]), np.array([0, 1]), ["text"], "key")


def test_a_batch_by_hand():
    batches = CausalBatches(store_of(np.arange(100, 110)), batch_size=2, seq_len=5, seed=0)
    batch = batches(0)
    first, second = (row.tolist() for row in batch.ids)
    ring = [*range(100, 110), *range(100, 110)]
    for row, targets in zip((first, second), batch.targets.tolist(), strict=True):
        at = ring.index(row[0])
        assert row == ring[at : at + 5] and targets == ring[at + 1 : at + 6]
    assert sorted(first + second) == list(range(100, 110))
    assert batch.ids.dtype == batch.targets.dtype == torch.int64
    assert batch.ids.is_contiguous() and batch.targets.is_contiguous()
    assert batch.counts() == {"word_loss": 10}


@pytest.mark.parametrize(("n", "T"), [(64, 8), (67, 8), (71, 8), (9, 8), (23, 7)])
def test_an_epoch_predicts_every_token_once_but_for_less_than_a_block(n, T):
    batches = CausalBatches(store_of(np.arange(n)), 3, T, seed=5)
    assert len(batches) == n // T
    left_out = []
    for epoch in range(12):
        targets = batches.examples(epoch * len(batches), len(batches)).targets.flatten().tolist()
        assert len(targets) == len(set(targets)) == n // T * T
        left_out.append(frozenset(range(n)) - set(targets))
    assert all(len(tokens) == n % T for tokens in left_out)
    assert n % T == 0 or len(set(left_out)) > 3


def test_the_borders_of_blocks_move_and_their_order_is_random():
    batches = CausalBatches(store_of(np.arange(960)), 1, 10, seed=1)
    firsts = batches.examples(0, 40 * 96).ids[:, 0].view(40, 96)
    assert len({int(row[0] % 10) for row in firsts}) == 10
    steps = (firsts[:, 1:] - firsts[:, :-1]) % 960
    assert (steps == 10).float().mean() < 0.05


def test_an_example_does_not_depend_on_the_batch_it_comes_in():
    store = store_of(np.arange(300) % 50)
    whole = CausalBatches(store, 12, 16, seed=2)(3)
    parts = [CausalBatches(store, 4, 16, seed=2)(step) for step in (9, 10, 11)]
    ranks = [CausalBatches(store, 12, 16, seed=2)(3, first, 6) for first in (0, 6)]
    for name in ("ids", "targets"):
        for several in (parts, ranks):
            assert torch.equal(getattr(whole, name), torch.cat([getattr(part, name) for part in several]))


def test_a_block_begins_where_the_phase_and_the_order_of_its_epoch_put_it():
    batches = CausalBatches(store_of(np.arange(107)), 4, 10, seed=3)
    epochs, numbers = examples_at(0, 35, len(batches), 3)
    expected = block_starts(epochs, numbers, 10, 107, 3)
    assert [batches.start(example) for example in range(35)] == expected.tolist()
    assert batches.examples(8, 5).ids[:, 0].tolist() == expected[8:13].tolist()


def test_seeds_and_epochs_differ_and_the_same_step_gives_the_same_batch():
    store = store_of(np.arange(600))
    batches = CausalBatches(store, 6, 20, seed=2)
    seen = {
        tuple(batch.ids.flatten().tolist())
        for batch in (batches(0), batches(1), batches(5), batches(10), CausalBatches(store, 6, 20, seed=3)(0))
    }
    assert len(seen) == 5
    assert torch.equal(batches(7).ids, CausalBatches(store, 6, 20, seed=2)(7).ids)


def test_a_text_shorter_than_a_block_is_refused():
    with pytest.raises(ValueError, match=r"a block of 8 tokens .* need 9, and the text has 8: .*--seq-len"):
        CausalBatches(store_of(np.arange(8)), 2, 8)
    assert CausalBatches(store_of(np.arange(9)), 2, 8)(0).ids.shape == (2, 8)


def test_a_batch_moves_to_a_device_whole():
    batch = CausalBatches(store_of(np.arange(40)), 2, 8)(0).to(torch.device("meta"))
    assert batch.ids.device.type == batch.targets.device.type == "meta"
