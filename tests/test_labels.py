"""Labelled texts as batches: every row once an epoch, like beside like, padded on the right."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from minibert.batches.batch import IGNORE
from minibert.batches.labels import Encoded, LabelledBatches, Ragged, batch_of

PAD = 0


def encoded(lengths: list[int], targets: Ragged | np.ndarray | None = None) -> Encoded:
    """Rows that count from 1, all of one text."""
    rows = [list(range(1, length + 1)) for length in lengths]
    R = len(rows)
    return Encoded(
        Ragged.of(rows),
        np.array(lengths),
        np.arange(R) if targets is None else targets,
        np.arange(R),
    )


def test_rows_of_different_length_are_cut_out_and_padded_on_the_right():
    rows = Ragged.of([[5, 6, 7], [], [8]])
    assert len(rows) == 3 and rows.lengths.tolist() == [3, 0, 1]
    assert rows.padded(np.array([2, 0]), fill=-1).tolist() == [[8, -1, -1], [5, 6, 7]]
    assert rows.padded(np.array([1]), fill=-1).shape == (1, 0)


def test_a_batch_by_hand():
    both = Encoded(Ragged.of([[1, 9, 2, 8, 2], [1, 7, 2]]), np.array([3, 3]), np.array([1, 0]), np.arange(2))
    batch = batch_of(both, np.array([1, 0]), PAD)
    assert batch.ids.tolist() == [[1, 7, 2, 0, 0], [1, 9, 2, 8, 2]]
    assert batch.segments.tolist() == [[0, 0, 0, 0, 0], [0, 0, 0, 1, 1]]
    assert batch.attend is not None
    assert batch.attend.tolist() == [[True, True, True, False, False], [True] * 5]
    assert batch.targets.tolist() == [0, 1] and batch.rows.tolist() == [1, 0]
    assert batch_of(both, np.array([0]), PAD).attend is None


def test_tags_are_padded_with_what_does_not_count():
    tags = Ragged.of([[IGNORE, 3, IGNORE], [IGNORE, 4, 5, IGNORE]])
    batch = batch_of(encoded([3, 4], tags), np.array([0, 1]), PAD)
    assert batch.targets.tolist() == [[IGNORE, 3, IGNORE, IGNORE], [IGNORE, 4, 5, IGNORE]]
    assert batch.counts() == {"loss": 3}


@pytest.mark.parametrize(
    "targets, count",
    [
        (np.array([1, IGNORE, 0]), 2),
        (np.array([0.5, 1.0, 2.0], np.float32), 3),
        (np.array([[0, 1], [1, 1], [0, 0]], np.float32), 3),
        (np.array([[0, 0], [2, 3], [1, 1]]), 6),
    ],
    ids=["classes", "numbers", "several labels", "spans"],
)
def test_a_loss_is_the_mean_of_as_many_predictions_as_count(targets, count):
    assert batch_of(encoded([2, 2, 2], targets), np.arange(3), PAD).counts() == {"loss": count}


def test_a_column_of_another_length_is_refused():
    with pytest.raises(ValueError, match="targets must be those of 2 rows, got 3"):
        encoded([1, 2], np.arange(3))


def test_no_rows_are_refused():
    with pytest.raises(ValueError, match="no labelled texts to learn from"):
        LabelledBatches(encoded([]), PAD, 4)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=90), st.integers(1, 9), st.integers(0, 3), st.data())
def test_every_row_comes_once_in_an_epoch_but_for_those_of_the_pool_at_its_end(lengths, size, seed, data):
    batches = LabelledBatches(encoded(lengths), PAD, size, seed)
    R, pool = len(lengths), batches.pool * size
    pools = -(-4 * R // pool)
    drawn = np.concatenate([batches(step).rows.numpy() for step in range(pools * batches.pool)])
    epochs = np.arange(len(drawn)) // R
    for number in range(pools):
        here = slice(number * pool, (number + 1) * pool)
        expected = np.concatenate([batches.drawn(number * batches.pool + i)[1] for i in range(batches.pool)])
        assert sorted(drawn[here]) == sorted(expected)
    counts = np.bincount(drawn, minlength=R)
    whole, rest = divmod(len(drawn), R)
    assert counts.min() >= whole and counts.max() <= whole + (rest > 0) and epochs[-1] >= 3


def test_each_step_gives_the_same_batch_whenever_it_is_asked_and_any_of_its_rows():
    batches = LabelledBatches(encoded(list(range(1, 41))), PAD, 6, seed=3)
    steps = [batches(step) for step in range(9)]
    for step in (8, 2, 5):
        again = LabelledBatches(encoded(list(range(1, 41))), PAD, 6, seed=3)(step)
        assert torch.equal(again.ids, steps[step].ids) and torch.equal(again.rows, steps[step].rows)
    part = batches(4, 2, 3)
    assert part.rows.tolist() == steps[4].rows.tolist()[2:5]
    assert batches(4, 2).rows.tolist() == steps[4].rows.tolist()[2:]


def test_another_seed_and_another_epoch_are_another_order():
    batches = [LabelledBatches(encoded([5] * 64), PAD, 8, seed) for seed in (0, 1)]
    first, other = ([each(step).rows.tolist() for step in range(8)] for each in batches)
    second = [batches[0](step).rows.tolist() for step in range(8, 16)]
    assert first != other and first != second
    assert sorted(sum(first, [])) == sorted(sum(second, [])) == list(range(64))


def test_like_lengths_stand_together_and_short_and_long_batches_come_in_any_order():
    lengths = np.random.default_rng(0).integers(5, 120, 4000).tolist()
    batches = LabelledBatches(encoded(lengths), PAD, 16)
    assert batches.pool == 32
    made = [batches(step) for step in range(250)]
    padded, text = sum(batch.ids.numel() for batch in made), sum(lengths)
    drawn = np.random.default_rng(1).permutation(lengths).reshape(-1, 16)
    assert padded < 1.05 * text < 16 * drawn.max(axis=1).sum()
    widths = np.array([batch.ids.shape[1] for batch in made])
    assert abs(np.corrcoef(widths[:-1], widths[1:])[0, 1]) < 0.2


def test_in_order_all_rows_come_once_the_longest_first_within_the_room():
    lengths = [3, 9, 1, 4, 4, 7, 2]
    batches = list(LabelledBatches(encoded(lengths), PAD, 2).in_order(tokens=12))
    assert sorted(row for batch in batches for row in batch.rows.tolist()) == list(range(7))
    assert [batch.ids.shape for batch in batches] == [(1, 9), (1, 7), (3, 4), (2, 2)]


def test_a_batch_goes_to_a_device_whole():
    batch = batch_of(encoded([2, 3]), np.arange(2), PAD)
    moved = batch.to(torch.device("meta"))
    assert {moved.ids.device.type, moved.targets.device.type, moved.rows.device.type} == {"meta"}
    assert moved.attend is not None and moved.attend.shape == (2, 3)
    assert batch_of(encoded([2]), np.arange(1), PAD).to(torch.device("meta")).attend is None
