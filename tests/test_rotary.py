"""Rotary attention: what turns, which heads share keys, finite differences."""

import torch
from by_hand import by_hand
from oracles import check_gradients, distance, randomise
from strategies import normal

from minibert.learn.checks import model_rotary as model_checks
from minibert.model.attention import scaled_dot_product
from minibert.model.position import rotary, turns
from minibert.model.rotary import RotaryAttention

test_in_torch = by_hand(model_checks, examples=5)


def test_each_head_attends_with_turned_queries_and_keys_and_values_as_they_are() -> None:
    """Head by head, with the equations as they stand."""
    layer, x = randomise(RotaryAttention(16, heads=4, key_heads=2)), normal(0, 2, 5, 16)
    places = torch.tensor([3, 4, 5, 6, 7])
    mask = normal(1, 2, 1, 5, 5) > 0
    heads = []
    for h in range(4):
        own, group = slice(4 * h, 4 * h + 4), slice(4 * (h // 2), 4 * (h // 2) + 4)
        query = rotary((x @ layer.query.weight[own].T)[:, None], places)  # (B, 1, T, 4)
        key = rotary((x @ layer.key.weight[group].T)[:, None], places)
        value = (x @ layer.value.weight[group].T)[:, None]
        heads.append(scaled_dot_product(query, key, value, mask)[0][:, 0])
    expected = torch.cat(heads, -1) @ layer.output.weight.T
    assert distance(layer(x, turns(places, 4, dtype=x.dtype), mask), expected) < 1e-12


def test_moving_all_positions_alike_changes_nothing() -> None:
    layer, x = randomise(RotaryAttention(8, heads=2, key_heads=2)), normal(0, 2, 5, 8)
    here, there, apart = (
        layer(x, turns(places, 4, dtype=x.dtype))
        for places in (torch.arange(5), torch.arange(5) + 40, 2 * torch.arange(5))
    )
    assert distance(there, here) < 1e-12
    assert distance(apart, here) > 1e-3


def test_gradients_agree_with_finite_differences() -> None:
    layer = randomise(RotaryAttention(4, heads=2, key_heads=1))
    angles = turns(torch.arange(3), 2, dtype=torch.float64)
    mask = torch.tensor([[True, True, False], [True, False, True]])[:, None, None]
    check_gradients(layer, lambda x: layer(x, angles, mask), normal(0, 2, 3, 4))
