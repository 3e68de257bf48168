"""The memory of attention: what is written where, who may attend to whom, and the positions of each text."""

import pytest
import torch
from by_hand import by_hand

from minibert.learn.checks import model_keys_values as model_checks
from minibert.model.keys_values import KeysValues, LayerPast

test_in_torch = by_hand(model_checks, examples=5)


def state(batch: int = 2, length: int = 5, starts: list[int] | None = None) -> KeysValues:
    given = None if starts is None else torch.tensor(starts)
    return KeysValues(3, (batch, 2, length, 4), torch.zeros(1), given)


def test_keys_and_values_are_written_in_place_behind_what_is_there() -> None:
    past = LayerPast((2, 3, 5, 4), torch.zeros(1, dtype=torch.float64))
    memory = past.keys.data_ptr(), past.values.data_ptr()
    key, value = torch.randn(2, 2, 3, 5, 4, dtype=torch.float64)
    past.add(key[:, :, :3], value[:, :, :3])
    past.begin(3, None)
    keys, values = past.add(key[:, :, 3:4], value[:, :, 3:4])
    assert torch.equal(keys, key[:, :, :4]) and torch.equal(values, value[:, :, :4])
    assert not past.keys[:, :, 4:].any() and not past.values[:, :, 4:].any()
    assert (past.keys.data_ptr(), past.values.data_ptr()) == memory


def test_memory_is_taken_at_once_for_every_layer() -> None:
    grown = state(length=7)
    assert [layer.keys.shape for layer in grown.layers] == 3 * [(2, 2, 7, 4)]
    assert [layer.values.shape for layer in grown.layers] == 3 * [(2, 2, 7, 4)]
    assert len({layer.keys.data_ptr() for layer in grown.layers}) == 3


def test_without_padding_positions_go_on_and_one_token_needs_no_mask() -> None:
    grown = state()
    assert grown.grow(2) == slice(0, 2) and grown.mask(0) is None
    assert grown.grow(1) == slice(2, 3) and grown.layers[0].mask is None
    assert grown.grow(2) == slice(3, 5)
    expected = torch.tensor([[1, 1, 1, 1, 0], [1, 1, 1, 1, 1]]).bool()
    assert all(torch.equal(layer.mask, expected) for layer in grown.layers if layer.mask is not None)
    assert grown.layers[2].mask is not None


def test_with_padding_on_the_left_positions_count_from_each_text_s_start() -> None:
    grown = state(starts=[0, 2])
    places = grown.grow(3)
    assert torch.equal(torch.as_tensor(places), torch.tensor([[0, 1, 2], [0, 0, 0]]))
    places = grown.grow(2)
    assert torch.equal(torch.as_tensor(places), torch.tensor([[3, 4], [1, 2]]))


def test_padding_on_the_left_is_never_attended_to() -> None:
    grown = state(starts=[0, 2])
    grown.grow(3)
    expected = torch.tensor([[[[1, 0, 0], [1, 1, 0], [1, 1, 1]]], [[[0, 0, 0], [0, 0, 0], [0, 0, 1]]]]).bool()
    assert torch.equal(torch.as_tensor(grown.layers[0].mask), expected)
    grown.grow(1)
    expected = torch.tensor([[[[1, 1, 1, 1]]], [[[0, 0, 1, 1]]]]).bool()
    assert torch.equal(torch.as_tensor(grown.layers[0].mask), expected)


def test_rows_may_be_picked_more_than_once() -> None:
    grown = state(batch=3, starts=[0, 1, 2])
    for layer in grown.layers:
        layer.keys.copy_(torch.arange(3.0)[:, None, None, None])
        layer.values.copy_(10 + torch.arange(3.0)[:, None, None, None])
    grown.reorder(torch.tensor([2, 0, 2, 1]))
    for layer in grown.layers:
        assert layer.keys[:, 1, 2, 3].tolist() == [2, 0, 2, 1]
        assert layer.values[:, 1, 2, 3].tolist() == [12, 10, 12, 11]
    assert grown.starts is not None and grown.starts.tolist() == [2, 0, 2, 1]


def test_a_full_state_says_so_and_takes_nothing() -> None:
    grown = state(length=5)
    grown.grow(4)
    with pytest.raises(ValueError, match="room for 5 tokens, 4 of them taken, and got 2 more; .* at least 6"):
        grown.grow(2)
    assert grown.filled == 4
    grown.grow(1)


@pytest.mark.parametrize("starts", [[0], [0, 5], [-1, 0], [0.0, 1.0], [[0, 1]], [True, False]])
def test_starts_that_do_not_fit_are_refused(starts: list) -> None:
    with pytest.raises(ValueError, match="starts must be 2 columns from 0 to 4, one for each row, got"):
        state(starts=starts)
