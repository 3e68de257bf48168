"""Augmentation: what is left out, swapped and replaced, how often, and what is never touched."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minibert.batches.augmenting import Augmentation, require_fitting
from minibert.batches.changes import replaced, swapped, tokens_to_keep
from minibert.batches.labels import Encoded, LabelledBatches, Ragged
from minibert.batches.sampling import random_bits
from minibert.config import FinetuneConfig

CLS, SEP, PAD = 1, 2, 0
ROWS = [
    [CLS, 10, 11, 12, 13, 14, SEP],
    [CLS, 20, 21, SEP],
    [CLS, 30, 31, 32, SEP, 33, 34, 35, 36, SEP],
    [CLS, SEP],
]
SECONDS = [7, 4, 5, 2]


def keys(count: int, seed: int = 0) -> np.ndarray:
    return random_bits(seed, np.arange(count))


def encoded(targets: Ragged | np.ndarray | None = None) -> Encoded:
    asked = np.array([0, 1, 2, 0]) if targets is None else targets
    return Encoded(Ragged.of(ROWS), np.array(SECONDS), asked, np.arange(len(ROWS)))


def augmentation(**chosen) -> Augmentation:
    return Augmentation(encoded(), np.array([PAD, CLS, SEP]), **chosen)


def versions(change: Augmentation, row: int, count: int = 300) -> list[list[int]]:
    """Return a row as it comes out with different random bits."""
    changed = change(np.full(count, row), keys(count))
    return [part.tolist() for part in np.split(changed.ids.values, changed.ids.starts[1:-1])]


def test_so_many_tokens_are_left_out_as_the_rate_says() -> None:
    keep = tokens_to_keep(np.ones((500, 40), bool), 0.3, keys(500))
    assert keep.mean() == pytest.approx(0.7, abs=0.01)
    assert keep.mean(0).std() < 0.04 and len({tuple(row) for row in keep}) == 500


@given(st.integers(1, 12), st.floats(0, 1), st.integers(0, 1000))
def test_only_candidates_are_left_out_and_never_all(width: int, rate: float, seed: int) -> None:
    candidates = random_bits(seed, np.arange(8)[:, None], np.arange(width)) % np.uint64(3) > 0
    keep = tokens_to_keep(candidates, rate, keys(8, seed))
    assert keep[~candidates].all()
    assert np.array_equal(np.any(keep & candidates, axis=1), np.any(candidates, axis=1))


def test_a_lone_token_stays_and_more_than_one_is_spared_only_by_chance() -> None:
    keep = tokens_to_keep(np.array([[False, True, False]] * 50 + [[True] * 3] * 50), 1.0, keys(100))
    assert keep[:50].all()
    assert keep[50:].sum(1).tolist() == [1] * 50


def test_nothing_is_left_out_or_moved_at_a_rate_of_zero() -> None:
    candidates = np.ones((20, 9), bool)
    assert tokens_to_keep(candidates, 0.0, keys(20)).all()
    assert (swapped(candidates, 0.0, keys(20)) == np.arange(9)).all()


def test_at_a_rate_of_one_all_pairs_change_places() -> None:
    orders = swapped(np.ones((40, 5), bool), 1.0, keys(40)).tolist()
    assert {tuple(order) for order in orders} == {(1, 0, 3, 2, 4), (0, 2, 1, 4, 3)}


def test_so_many_tokens_move_as_the_rate_says() -> None:
    order = swapped(np.ones((400, 50), bool), 0.2, keys(400))
    assert (order != np.arange(50)).mean() == pytest.approx(0.2 * 49 / 50, abs=0.01)


@given(st.integers(2, 12), st.floats(0, 1), st.integers(0, 1000))
def test_candidates_change_places_with_a_neighbour_that_is_one(width: int, rate: float, seed: int) -> None:
    candidates = random_bits(seed, np.arange(8)[:, None], np.arange(width)) % np.uint64(3) > 0
    order = swapped(candidates, rate, keys(8, seed))
    places = np.arange(width)
    assert (np.take_along_axis(order, order, 1) == places).all(), "a swap undoes itself"
    assert np.abs(order - places).max() <= 1
    assert candidates[order != places].all()


def test_substitutes_come_in_as_often_as_the_rate_says_each_with_the_same_chance() -> None:
    ids, others = np.full((500, 10), 7), np.tile([100, 101, 102, 103], (500, 10, 1))
    others[:, 4] = -1
    new = replaced(ids, others, 0.25, keys(500))
    assert (new[:, 4] == 7).all() and (ids == 7).all()
    counts = Counter(np.delete(new, 4, 1).ravel().tolist())
    assert counts[7] / 4500 == pytest.approx(0.75, abs=0.02)
    assert all(counts[other] / 4500 == pytest.approx(0.0625, abs=0.012) for other in range(100, 104))


def test_special_tokens_stay_and_each_text_keeps_one_token_at_least() -> None:
    for version in versions(augmentation(delete=0.9, swap=0.9), row=2):
        assert version[0] == CLS and version[-1] == SEP
        middle = version[1:-1].index(SEP) + 1
        first, second = version[1:middle], version[middle + 1 : -1]
        assert first and set(first) <= {30, 31, 32}
        assert second and set(second) <= {33, 34, 35, 36}


def test_the_second_text_begins_where_it_comes_to_stand() -> None:
    change = augmentation(delete=0.5)
    changed = change(np.full(50, 2), keys(50))
    begins = set()
    for version, second in zip(versions(change, 2, 50), changed.seconds.tolist(), strict=True):
        assert version[second - 1] == SEP and version[second] >= 33
        begins.add(second)
    assert begins == {3, 4, 5}
    assert change(np.array([0]), keys(1)).seconds[0] == change(np.array([0]), keys(1)).ids.lengths[0]


def test_each_text_loses_its_share_of_tokens_and_keeps_their_order() -> None:
    found = versions(augmentation(delete=0.4), row=0)
    assert np.mean([len(version) for version in found]) == pytest.approx(2 + 5 * 0.6, abs=0.2)
    assert all(version == sorted(version[:-1]) + [SEP] for version in found)


def test_an_empty_text_comes_back_as_it_is() -> None:
    assert set(map(tuple, versions(augmentation(delete=0.9, swap=0.9), row=3))) == {(CLS, SEP)}


def test_substitutes_belong_to_their_row_and_place() -> None:
    values = np.concatenate(ROWS)
    others = np.where(np.isin(values, [CLS, SEP]), -1, values + 100)[:, None]
    change = augmentation(replace=0.999, substitutes=others)
    changed = change(np.array([2, 0]), keys(2))
    assert changed.ids.values.tolist() == [
        *[CLS, 130, 131, 132, SEP, 133, 134, 135, 136, SEP],
        *[CLS, 110, 111, 112, 113, 114, SEP],
    ]


def test_labels_and_texts_are_those_of_the_rows() -> None:
    changed = augmentation(delete=0.5)(np.array([2, 0, 1]), keys(3))
    assert isinstance(changed.targets, np.ndarray)
    assert changed.targets.tolist() == [2, 0, 1] and changed.texts.tolist() == [2, 0, 1]


def test_tags_stay_with_their_tokens_when_words_are_replaced() -> None:
    values = np.concatenate(ROWS)
    tags = Ragged.of([[id * 2 for id in row] for row in ROWS])
    change = Augmentation(
        encoded(tags), np.array([PAD, CLS, SEP]), replace=0.5, substitutes=values[:, None] + 1000
    )
    changed = change(np.array([2, 1]), keys(2))
    assert isinstance(changed.targets, Ragged)
    assert changed.targets.starts.tolist() == changed.ids.starts.tolist() == [0, 10, 14]
    assert changed.targets.values.tolist() == [id * 2 for row in (ROWS[2], ROWS[1]) for id in row]
    assert (changed.ids.values >= 1000).any()


def batches(seed: int = 0, **chosen) -> LabelledBatches:
    return LabelledBatches(encoded(), PAD, 2, seed, augmentation(**chosen))


def test_a_batch_is_a_function_of_seed_epoch_and_row() -> None:
    first, again, other = batches(delete=0.4), batches(delete=0.4), batches(seed=1, delete=0.4)
    assert first(3).ids.tolist() == again(3).ids.tolist()
    assert [first(step).ids.tolist() for step in range(8)] != [other(step).ids.tolist() for step in range(8)]
    seen = {
        tuple(first(step).ids[i].tolist()) for step in range(40) for i in range(2) if first(step).rows[i] == 0
    }
    assert len(seen) > 8, "in each epoch another version"


def test_parts_of_a_batch_have_the_rows_of_the_whole() -> None:
    made = batches(delete=0.3, swap=0.3)
    for step in range(6):
        whole = made(step)
        for i in range(2):
            part = made(step, i, 1)
            ids = part.ids[0].tolist()
            assert part.rows.tolist() == [whole.rows[i]] and part.targets.tolist() == [whole.targets[i]]
            assert whole.ids[i].tolist()[: len(ids)] == ids


def test_what_is_measured_on_is_never_changed() -> None:
    plain = LabelledBatches(encoded(), PAD, 2)
    for changed, unchanged in zip(batches(delete=0.5).in_order(100), plain.in_order(100), strict=True):
        assert changed.ids.tolist() == unchanged.ids.tolist()


def test_moving_words_is_refused_where_labels_say_where_words_stand() -> None:
    for task in ("tags", "spans"):
        with pytest.raises(ValueError, match="--delete and --swap move words"):
            require_fitting(FinetuneConfig(swap=0.1), task)
        with pytest.raises(ValueError, match="take --replace"):
            require_fitting(FinetuneConfig(delete=0.1), task)
        require_fitting(FinetuneConfig(replace=0.1), task)
    require_fitting(FinetuneConfig(delete=0.1, swap=0.1, replace=0.1), "classes")
