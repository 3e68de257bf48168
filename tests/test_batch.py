"""Batches: laid out as BERT reads them, the same shapes always, pure functions of the step."""

import numpy as np
import pytest
import torch
from small_runs import small_store, small_tokenizer

from minibert.batches.batch import IGNORE, PretrainingBatches


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    tokenizer = small_tokenizer()
    return small_store(tmp_path_factory.mktemp("batch"), tokenizer), tokenizer


def make(parts, **changes) -> PretrainingBatches:
    settings = {"batch_size": 8, "seq_len": 32, "mask_rate": 0.15, "seed": 3}
    return PretrainingBatches(*parts, **(settings | changes))


def truth(batch) -> torch.Tensor:
    """Return the ids as they were before masking."""
    asked = batch.targets != IGNORE
    return batch.ids.flatten().scatter(0, batch.slots[asked], batch.targets[asked]).view(batch.ids.shape)


def test_a_row_is_cls_a_sep_b_sep(parts):
    store, tokenizer = parts
    text = np.asarray(store.ids).tolist()
    batch = make(parts)(0)
    for row, segments in zip(truth(batch).tolist(), batch.segments.tolist(), strict=True):
        row = [i for i in row if i != tokenizer.pad_id]
        seps = [place for place, i in enumerate(row) if i == tokenizer.sep_id]
        assert row[0] == tokenizer.cls_id and len(seps) == 2 and seps[1] == len(row) - 1
        for part in (row[1 : seps[0]], row[seps[0] + 1 : seps[1]]):
            assert any(text[i : i + len(part)] == part for i in range(len(text))), tokenizer.decode(part)
        assert segments[: seps[0] + 1] == [0] * (seps[0] + 1)
        assert segments[seps[0] + 1 : seps[1] + 1] == [1] * (seps[1] - seps[0])


def test_specials_and_padding_are_never_predicted(parts):
    tokenizer = parts[1]
    for whole_words in (False, True):
        batches = make(parts, seq_len=400, whole_words=whole_words)  # longer than the documents: padding
        for step in range(20):
            batch = batches(step)
            assert batch.attend is not None and not batch.attend.all()
            asked = batch.targets != IGNORE
            assert not np.isin(batch.targets[asked].numpy(), tokenizer.special_ids).any()
            assert batch.attend.flatten()[batch.slots[asked]].all()
            hidden = torch.isin(batch.ids, torch.tensor([tokenizer.mask_id])).flatten().nonzero()[:, 0]
            assert set(hidden.tolist()) <= set(batch.slots[asked].tolist())


def test_attend_is_none_only_without_padding(parts):
    assert make(parts)(0).attend is None
    batch = make(parts, seq_len=400)(0)
    assert batch.attend is not None
    assert torch.equal(batch.attend, truth(batch) != parts[1].pad_id)


@pytest.mark.parametrize("changes", [{}, {"whole_words": True}, {"pairs": False}, {"mask_rate": 0.4}])
def test_every_batch_has_the_same_shapes(parts, changes):
    batches = make(parts, **changes)
    shapes = {
        tuple(t.shape for t in (b.ids, b.segments, b.slots, b.targets)) for b in map(batches, range(60))
    }
    assert len(shapes) == 1


def test_fifteen_percent_of_each_row_are_asked_for(parts):
    batch = make(parts, batch_size=200)(0)
    text = (~torch.isin(truth(batch), torch.tensor(parts[1].special_ids))).sum(1)
    asked = (batch.targets != IGNORE).view(200, -1).sum(1)
    assert text.max() == 29 and asked.max() == 4
    assert torch.equal(asked, (0.15 * text + 0.5).floor().long())


def test_an_example_does_not_depend_on_the_batch_it_comes_in(parts):
    whole = make(parts, batch_size=12)(1)
    parted = [make(parts, batch_size=4)(step) for step in (3, 4, 5)]
    assert torch.equal(whole.ids, torch.cat([b.ids for b in parted]))
    assert torch.equal(whole.targets, torch.cat([b.targets for b in parted]))
    labels = [label for batch in parted if batch.pair_labels is not None for label in batch.pair_labels]
    assert whole.pair_labels is not None and whole.pair_labels.tolist() == labels


def test_steps_epochs_and_seeds_differ(parts):
    batches = make(parts)
    steps_an_epoch = len(batches) // 8
    seen = {
        tuple(b.ids.flatten().tolist())
        for b in (batches(0), batches(1), batches(steps_an_epoch + 1), make(parts, seed=4)(0))
    }
    assert len(seen) == 4
    assert torch.equal(batches(5).ids, make(parts)(5).ids)


def test_without_pairs_a_row_is_one_segment(parts):
    batch = make(parts, pairs=False)(0)
    assert batch.pair_labels is None
    assert (batch.segments == 0).all()
    assert ((truth(batch) == parts[1].sep_id).sum(1) == 1).all()


def test_slots_point_at_what_was_there(parts):
    store, tokenizer = parts
    batch = make(parts, mask_rate=0.5)(2)
    shown = batch.ids.flatten()[batch.slots]
    asked = batch.targets != IGNORE
    same = (shown == batch.targets)[asked]
    masked = (shown == tokenizer.mask_id)[asked]
    assert 0 < same.sum() < masked.sum()


def test_one_document_is_enough_without_pairs(tmp_path):
    tokenizer = small_tokenizer()
    store = small_store(tmp_path, tokenizer, count=1)
    assert PretrainingBatches(store, tokenizer, 2, 16, pairs=False)(0).ids.shape == (2, 16)
    with pytest.raises(ValueError, match="--objective mlm"):
        PretrainingBatches(store, tokenizer, 2, 16)
