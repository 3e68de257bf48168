"""What the memory of keys and values must fulfil."""

from typing import Any

import torch
from torch import Generator, Tensor

from minibert.learn.compare import expect
from minibert.learn.sizes import Sizes
from minibert.learn.tensors import exact, expect_refused, expect_same, normal
from minibert.model.attention import scaled_dot_product
from minibert.model.keys_values import KeysValues, LayerPast


def draw_text(size: Sizes, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return queries, keys and values of a text of T + 2 tokens, (B, H, T + 2, K) each."""
    shape = size.B, size.H, size.T + 2, size.K
    query, key, value = (normal(seed + part, *shape) for part in range(3))
    return query, key, value


def new_past(size: Sizes) -> LayerPast:
    """Return the memory of one layer, with room for one token more than the text has."""
    return LayerPast((size.B, size.H, size.T + 3, size.K), exact(0.0))


def new_state(batch: int = 2, length: int = 6, starts: list[int] | None = None) -> KeysValues:
    """Return the memory of two layers, with heads of width 1."""
    given = None if starts is None else torch.tensor(starts)
    return KeysValues(2, (batch, 1, length, 1), exact(0.0), given)


def truth(rows: Any) -> Tensor:
    """Return ones and zeros as a mask."""
    return torch.tensor(rows).bool()


def expect_mask(got: Any, expected: Tensor, what: str) -> None:
    """Raise CheckError unless a mask lets the same be seen; axes of length 1 may stand for longer ones."""
    expect(isinstance(got, Tensor) and got.dtype == torch.bool, f"{what}: expected a boolean mask, got {got}")
    sizes = zip(got.shape[::-1], expected.shape[::-1], strict=False)
    expect(
        got.ndim <= expected.ndim and all(m in (1, n) for m, n in sizes),
        f"{what}: expected a mask that fits {tuple(expected.shape)}, got {tuple(got.shape)}",
    )
    expect_same(got.expand_as(expected), expected, what)


def check_what_comes_is_written_behind_what_is_there(size: Sizes, seed: int) -> None:
    """All so far comes back, and nothing that is not filled yet."""
    _, key, value = draw_text(size, seed)
    past, T = new_past(size), size.T
    past.begin(0, None)
    keys, values = past.add(key[:, :, :T], value[:, :, :T])
    expect_same(keys, key[:, :, :T], f"the keys after {T} tokens")
    expect_same(values, value[:, :, :T], f"the values after {T} tokens")
    for end in (T + 1, T + 2):
        past.begin(end - 1, None)
        keys, values = past.add(key[:, :, end - 1 : end], value[:, :, end - 1 : end])
        expect_same(keys, key[:, :, :end], f"the keys after {end} tokens")
        expect_same(values, value[:, :, :end], f"the values after {end} tokens")


def check_the_memory_stays_the_same_memory(size: Sizes, seed: int) -> None:
    """It is filled in place: what was taken at the start is used to the end, and the rest of it stays."""
    _, key, value = draw_text(size, seed)
    past = new_past(size)
    keys, values = past.keys, past.values
    for t in range(size.T + 2):
        past.begin(t, None)
        past.add(key[:, :, t : t + 1], value[:, :, t : t + 1])
    expect(past.keys is keys and past.values is values, "the memory was replaced: write into it in place")
    expect_same(keys[:, :, :-1], key, "the memory of the keys")
    expect_same(values[:, :, :-1], value, "the memory of the values")
    expect(not keys[:, :, -1].any() and not values[:, :, -1].any(), "a column was written that nothing is in")


def check_attention_with_a_memory_is_attention_to_the_whole_text(size: Sizes, seed: int) -> None:
    """First T tokens at once, then one at a time: the rows of causal attention to all T + 2."""
    query, key, value = draw_text(size, seed)
    causal = torch.ones(size.T + 2, size.T + 2).tril().bool()
    expected, _ = scaled_dot_product(query, key, value, causal)
    past, ends = new_past(size), [0, size.T, size.T + 1, size.T + 2]
    for first, end in zip(ends, ends[1:], strict=False):
        past.begin(first, None)
        stretch = slice(first, end)
        got = past.attend(query[:, :, stretch], key[:, :, stretch], value[:, :, stretch])
        expect_same(got, expected[:, :, stretch], f"out of the tokens {first} to {end - 1}")


def check_what_is_hidden_is_not_attended_to(size: Sizes, seed: int) -> None:
    """The mask is that of the stretch: here the first column is padding, and two tokens come at once."""
    query, key, value = draw_text(size, seed)
    mask = torch.ones(size.T + 2, size.T + 2).tril().bool()
    mask[:, 0] = False
    expected, _ = scaled_dot_product(query, key, value, mask)
    past = new_past(size)
    for first, end in ((0, size.T), (size.T, size.T + 2)):
        past.begin(first, mask[first:end, :end])
        stretch = slice(first, end)
        got = past.attend(query[:, :, stretch], key[:, :, stretch], value[:, :, stretch])
        expect_same(got, expected[:, :, stretch], f"out of {first} to {end - 1}, the first token hidden")


def check_weights_are_left_out_where_it_is_asked_for(size: Sizes, seed: int) -> None:
    """Both in the first stretch and in those after it."""
    size = size._replace(B=3, H=2, T=6)
    query, key, value = draw_text(size, seed)
    for first, end in ((0, 6), (6, 7)):
        outs, stretch = [], slice(first, end)
        for rate in (0.0, 0.5):
            past = new_past(size)
            past.add(key[:, :, :first], value[:, :, :first])
            past.begin(first, None)
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                out = past.attend(query[:, :, stretch], key[:, :, stretch], value[:, :, stretch], rate)
            outs.append(out)
        expect(not torch.equal(*outs), f"nothing is left out at rate 1/2, from token {first} on")


def check_positions_go_on_where_the_text_was(size: Sizes) -> None:
    """Three tokens, then one, then two: 0 1 2, 3, 4 5. A table of rows shows it."""
    state, table = new_state(), torch.arange(6)
    for tokens in ([0, 1, 2], [3], [4, 5]):
        places = state.grow(len(tokens))
        expect_same(table[places], torch.tensor(tokens), f"the positions of {len(tokens)} tokens")
        expect(state.filled == tokens[-1] + 1, f"expected filled {tokens[-1] + 1}, got {state.filled}")


def check_positions_count_from_each_text_s_start() -> None:
    """Texts that begin in columns 0, 2 and 3; padding gets the position 0."""
    state = new_state(3, starts=[0, 2, 3])
    for expected in ([[0, 1, 2], [0, 0, 0], [0, 0, 0]], [[3], [1], [0]], [[4, 5], [2, 3], [1, 2]]):
        places = state.grow(len(expected[0]))
        expect(isinstance(places, Tensor), f"expected a table of positions, got {places}")
        expect_same(places, torch.tensor(expected), "the positions of texts that begin in columns 0, 2, 3")


def check_every_layer_is_told_where_to_write_and_what_to_hide() -> None:
    """Before its keys and values come."""
    for starts in (None, [0, 1]):
        state = new_state(starts=starts)
        for count, first in ((2, 0), (1, 2), (3, 3)):
            state.grow(count)
            expected = state.mask(first)
            for number, layer in enumerate(state.layers):
                what = f"layer {number}, {count} tokens from column {first} on"
                expect(layer.first == first, f"{what}: told to write from column {layer.first} on")
                expect((layer.mask is None) == (expected is None), f"{what}: got the mask {layer.mask}")
                if expected is not None:
                    expect_same(layer.mask, expected, f"{what}: the mask")


def check_a_full_state_refuses_and_an_exactly_full_one_does_not() -> None:
    """Six columns: four tokens and two fit, three more do not, and the state stays as it was."""
    state = new_state()
    state.grow(4)
    expect_refused(lambda: state.grow(3), "4 of 6 columns filled, 3 tokens more")
    expect(state.filled == 4, f"after a refusal: expected filled 4, got {state.filled}")
    state.grow(2)


def check_who_sees_whom_without_padding() -> None:
    """The second stretch of two tokens, behind two: the first of them sees three columns, the other four."""
    state = new_state()
    state.grow(2)
    state.grow(2)
    expect_mask(state.mask(2), truth([[1, 1, 1, 0], [1, 1, 1, 1]]), "columns 2 and 3")


def check_who_sees_whom_with_padding_on_the_left() -> None:
    """Texts that begin in columns 0 and 2: padding is seen by nobody, the future neither."""
    state = new_state(starts=[0, 2])
    state.grow(3)
    expected = truth([[[[1, 0, 0], [1, 1, 0], [1, 1, 1]]], [[[0, 0, 0], [0, 0, 0], [0, 0, 1]]]])
    expect_mask(state.mask(0), expected, "columns 0 to 2, with padding")
    state.grow(1)
    expected = truth([[[[1, 1, 1, 1]]], [[[0, 0, 1, 1]]]])
    expect_mask(state.mask(3), expected, "column 3, with padding")
    state.grow(2)
    expected = truth([[[[1, 1, 1, 1, 1, 0], [1] * 6]], [[[0, 0, 1, 1, 1, 0], [0, 0, 1, 1, 1, 1]]]])
    expect_mask(state.mask(4), expected, "columns 4 and 5, with padding")


def check_no_mask_is_made_where_none_is_needed() -> None:
    """Without padding: for the first stretch, which the causal kernel hides, and for a single token."""
    state = new_state()
    for count, first in ((3, 0), (1, 3), (1, 4)):
        state.grow(count)
        mask = state.mask(first)
        expect(mask is None, f"{count} tokens from column {first} on, no padding: expected None, got {mask}")


def check_each_row_goes_on_from_the_one_it_was_given(seed: int) -> None:
    """Keys, values and starts of every layer; a row may be given twice, or to none."""
    state = new_state(3, starts=[0, 1, 2])
    generator, before = Generator().manual_seed(seed), []
    for layer in state.layers:
        layer.keys.normal_(generator=generator)
        layer.values.normal_(generator=generator)
        before.append((layer.keys.clone(), layer.values.clone()))
    rows = [2, 0, 2, 2]
    state.reorder(torch.tensor(rows))
    for number, (layer, (keys, values)) in enumerate(zip(state.layers, before, strict=True)):
        for name, got, old in (("keys", layer.keys, keys), ("values", layer.values, values)):
            expected = torch.stack([old[row] for row in rows])
            expect_same(got, expected, f"layer {number}, the {name} of the rows {rows} of three")
    expect_same(state.starts, torch.tensor([2, 0, 2, 2]), "where the texts of the rows begin")
    plain = new_state()
    plain.reorder(torch.tensor([1, 1]))
    expect(plain.starts is None, "without padding there are no starts, also after reordering")
