"""What attention with turned queries and keys must fulfil."""

import torch
from torch import Tensor

from minibert.learn.compare import expect
from minibert.learn.sizes import Sizes
from minibert.learn.tensors import expect_same, expect_same_slopes, expect_untouched, filled, leaf, normal
from minibert.model.attention import scaled_dot_product
from minibert.model.position import rotary, turns
from minibert.model.rotary import RotaryAttention, Turns

HEADS, KEY_HEADS = 4, 2
"""Two heads of queries share a head of keys and values."""


def draw(size: Sizes, seed: int) -> tuple[RotaryAttention, Tensor, Tensor, Turns]:
    """Return an attention, x (B, T, 4 K), positions (T,) that do not begin at 0, and their turns."""
    layer = filled(RotaryAttention(HEADS * size.K, HEADS, KEY_HEADS), seed)
    x = leaf(seed + 10, size.B, size.T, HEADS * size.K)
    places = 3 + torch.arange(size.T)
    return layer, x, places, turns(places, size.K, dtype=x.dtype)


def head(x: Tensor, weight: Tensor, h: int, K: int) -> Tensor:
    """Return what the rows of one head make of x: (B, 1, T, K)."""
    return (x @ weight[h * K : (h + 1) * K].T)[:, None]


def check_queries_and_keys_are_turned_and_values_are_not(size: Sizes, seed: int) -> None:
    """Head by head; the values stay as they are, for where a word stands is none of its content."""
    layer, x, places, angles = draw(size, seed)
    query, key, value = layer.project(x, angles)
    for h in range(HEADS):
        expected = rotary(head(x, layer.query.weight, h, size.K), places)
        expect_same(query[:, [h]], expected, f"the queries of head {h}")
    for g in range(KEY_HEADS):
        expected = rotary(head(x, layer.key.weight, g, size.K), places)
        expect_same(key[:, [g]], expected, f"the keys of head {g}")
        expect_same(value[:, [g]], head(x, layer.value.weight, g, size.K), f"the values of head {g}")


def check_keys_and_values_have_their_own_number_of_heads(size: Sizes, seed: int) -> None:
    """Queries have 4 heads, keys and values 2."""
    layer, x, _, angles = draw(size, seed)
    got = [tuple(part.shape) for part in layer.project(x, angles)]
    of_keys = (size.B, KEY_HEADS, size.T, size.K)
    expected = [(size.B, HEADS, size.T, size.K), of_keys, of_keys]
    expect(got == expected, f"the shapes of queries, keys and values must be {expected}, got {got}")


def check_neighbouring_heads_of_queries_share_a_head_of_keys(size: Sizes, seed: int) -> None:
    """Heads 0 and 1 look at the first head of keys, 2 and 3 at the second; under a mask, too."""
    layer, x, places, angles = draw(size, seed)
    mask = normal(seed, size.B, 1, size.T, size.T) > -0.5
    heads = []
    for h in range(HEADS):
        query = rotary(head(x, layer.query.weight, h, size.K), places)
        key = rotary(head(x, layer.key.weight, h // 2, size.K), places)
        value = head(x, layer.value.weight, h // 2, size.K)
        heads.append(scaled_dot_product(query, key, value, mask)[0][:, 0])
    gathered = torch.cat(heads, -1)  # (B, T, D)
    leaves = {
        "x": x,
        **{f"{name}": weight for name, weight in layer.named_parameters() if "output" not in name},
    }
    expect_same_slopes(layer.gather(x, angles, mask), gathered, leaves, seed, "head by head")
    expect_same(layer(x, angles, mask), gathered @ layer.output.weight.T, "the attention's output")


def check_only_distances_count(size: Sizes, seed: int) -> None:
    """All positions moved alike change nothing; twice the distances do."""
    layer, x, places, angles = draw(size, seed)
    out = layer(x, angles)
    expect_same(layer(x, turns(places + 40, size.K, dtype=x.dtype)), out, "out, all positions moved by 40")
    if size.T > 1:
        apart = layer(x, turns(2 * places, size.K, dtype=x.dtype))
        expect(
            (apart - out).abs().max() > 1e-9, "out does not change when the words stand twice as far apart"
        )


def check_x_is_not_changed(size: Sizes, seed: int) -> None:
    """The residual needs it as it was."""
    layer, x, _, angles = draw(size, seed)
    expect_untouched(lambda x: layer(x, angles), x.detach())
