"""What attention must fulfil."""

import math
from typing import Any

import numpy as np

from minibert.byhand.attention import (
    attention_backward,
    attention_forward,
    attention_weights,
    causal_mask,
    online_attention,
    padding_mask,
    softmax_backward,
    softmax_forward,
)
from minibert.byhand.parameters import Array, Mask
from minibert.learn.compare import CheckError, expect, expect_close
from minibert.learn.proof import Case
from minibert.learn.sizes import Sizes

RATE = 0.4


def draw(size: Sizes, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """Return query (B, H, T, K), key and value (B, H, S, K)."""
    return rng.normal(size=size.query), rng.normal(size=size.key), rng.normal(size=size.key)


def draw_padded(size: Sizes, rng: np.random.Generator) -> tuple[Array, Array, Array, Mask]:
    """Return query, key and value, and a mask that hides the padding of all sequences but the first."""
    lengths = rng.integers(1, size.S, size=(size.B, 1), endpoint=True)
    lengths[0] = size.S
    return *draw(size, rng), (np.arange(size.S) < lengths)[:, None, None, :]


def draw_causal(size: Sizes, rng: np.random.Generator) -> tuple[Array, Array, Array, Mask]:
    """Return query, key and value of T positions each, and the causal mask."""
    return *draw(size._replace(S=size.T), rng), np.tri(size.T, dtype=bool)


def draw_masked(size: Sizes, rng: np.random.Generator) -> tuple[Array, Array, Array, Mask]:
    """Return query, key and value, and any mask under which each query may attend to something."""
    mask = rng.random(size=(size.B, 1, size.T, size.S)) < 0.5
    mask[np.arange(size.S) == rng.integers(size.S, size=mask.shape[:-1])[..., None]] = True
    return *draw(size, rng), mask


def draw_empty(size: Sizes, rng: np.random.Generator) -> tuple[Array, Array, Array, Mask]:
    """Return query, key and value, and a mask under which the first query may attend to nothing."""
    query, key, value, mask = draw_masked(size, rng)
    mask[:, :, 0] = False
    return query, key, value, mask


def draw_scores(size: Sizes, rng: np.random.Generator) -> tuple[Array]:
    return (2 * rng.normal(size=(size.B, size.H, size.T, size.S)),)


def draw_masked_scores(size: Sizes, rng: np.random.Generator) -> tuple[Array, Mask]:
    """Return scores (B, H, T, S), and a mask under which the first query may attend to nothing."""
    return *draw_scores(size, rng), draw_empty(size, rng)[-1]


def draw_seeded(size: Sizes, rng: np.random.Generator) -> tuple:
    """Return query, key, value, a mask, and a seed."""
    return *draw_masked(size, rng), 5


def seeded_forward(query: Array, key: Array, value: Array, mask: Mask, seed: int):
    """Leave out the same weights each time, as finite differences need it."""
    return attention_forward(query, key, value, mask, RATE, np.random.default_rng(seed))


def in_blocks(query: Array, key: Array, value: Array, mask: Mask | None = None) -> Array:
    """Attend to two keys at a time, which leaves a block of one where S is odd."""
    return online_attention(query, key, value, mask, block=2)


def torch_softmax(scores, mask=None):
    import torch

    if mask is None:
        return torch.softmax(scores, -1)
    weights = torch.softmax(scores.masked_fill(~mask, -math.inf), -1)
    return torch.where(mask.any(-1, keepdim=True), weights, 0)


def torch_twin(query, key, value, mask=None):
    from minibert.model.attention import scaled_dot_product

    return scaled_dot_product(query, key, value, mask)[0]


def torch_dropout(query, key, value, mask, seed):
    """The weights of our twin, with what NumPy left out; torch cannot draw the same numbers."""
    import torch

    from minibert.model.attention import scaled_dot_product

    weights = scaled_dot_product(query, key, value, mask)[1]
    kept = np.random.default_rng(seed).random(tuple(weights.shape)) >= RATE
    return torch.where(torch.from_numpy(kept), weights / (1 - RATE), 0.0) @ value


def torch_fused(query, key, value, mask=None):
    from minibert.model.attention import attention

    return attention(query, key, value, mask)


def transformers_twin(query, key, value, mask=None):
    """BERT's; its mask is added to the scores, and its heads come after the positions."""
    import torch
    from transformers.models.bert.modeling_bert import eager_attention_forward

    added = None
    if mask is not None:
        added = torch.zeros(mask.shape, dtype=query.dtype).masked_fill(~mask, torch.finfo(query.dtype).min)
    return eager_attention_forward(torch.nn.Identity(), query, key, value, added)[0].transpose(1, 2)


CASES = [
    Case("softmax", softmax_forward, softmax_backward, draw_scores, torch_softmax),
    Case("masked softmax", softmax_forward, softmax_backward, draw_masked_scores, torch_softmax),
    *(
        Case(name, attention_forward, attention_backward, drawn, torch_twin, transformers_twin)
        for name, drawn in (
            ("attention", draw),
            ("padding mask", draw_padded),
            ("causal mask", draw_causal),
            ("any mask", draw_masked),
        )
    ),
    # Theirs attends to everything where it may attend to nothing: every score is the lowest number.
    Case("nothing to attend to", attention_forward, attention_backward, draw_empty, torch_twin),
    Case("dropout", seeded_forward, attention_backward, draw_seeded, torch_dropout),
    Case("in blocks", in_blocks, None, draw, torch_fused, transformers_twin),
    Case("in blocks, any mask", in_blocks, None, draw_masked, torch_fused, transformers_twin),
    Case("in blocks, nothing to attend to", in_blocks, None, draw_empty, torch_fused),
]


LN2 = math.log(2)


def pencil_case() -> tuple[Array, Array, Array]:
    """Return the queries, keys and values of chapter 04: three words, K = 4."""
    query = np.array([[0.0, LN2, 0.0, 0.0], [LN2, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
    key = np.array([[2.0, 0.0, 0.0, 0.0], [0.0, 2.0, 0.0, 0.0], [0.0, 0.0, 2.0, 0.0]])
    value = np.array([[12.0, 0.0], [0.0, 12.0], [12.0, 12.0]])
    return query[None, None], key[None, None], value[None, None]


def check_a_case_by_hand() -> None:
    """K = 4, so the root is 2; the scores are (0, ln 2, 0), (ln 2, 0, 0), (0, 0, 0).

    Weights 1/4, 1/2, 1/4; 1/2, 1/4, 1/4; and a third each.
    """
    query, key, value = pencil_case()
    weights = np.array([[[[1 / 4, 1 / 2, 1 / 4], [1 / 2, 1 / 4, 1 / 4], [1 / 3, 1 / 3, 1 / 3]]]])
    expect_close(attention_weights(query, key), weights, "the weights")
    out, _ = attention_forward(query, key, value)
    expect_close(out, np.array([[[[6.0, 9.0], [9.0, 6.0], [8.0, 8.0]]]]), "out")


def check_its_gradients_by_hand() -> None:
    """The loss grows with the first number of the first word's output and with the second of the second's.

    dweights of the first word: the values' first numbers, 12, 0, 12; their mean under the weights is 6; so
    dscores are (12 - 6) / 4, (0 - 6) / 2, (12 - 6) / 4. In the second word 1 and 2 change places.
    """
    query, key, value = pencil_case()
    _, cache = attention_forward(query, key, value)
    dout = np.array([[[[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]]])
    dquery, dkey, dvalue = attention_backward(dout, cache)
    expect_close(dvalue, np.array([[[[1, 2], [2, 1], [1, 1]]]]) / 4, "dvalue")
    expected = [[[[1.5, -3, 1.5, 0], [-3, 1.5, 1.5, 0], [0, 0, 0, 0]]]]
    expect_close(dquery, np.array(expected), "dquery: dscores times 2, the keys' length, by 2, the root")
    expected = [[[[-1.5, 0.75, 0, 0], [0.75, -1.5, 0, 0], [0.75, 0.75, 0, 0]]]]
    expect_close(dkey, np.array(expected) * LN2, "dkey: dscores times the queries, by 2, the root")


def check_masks_by_hand() -> None:
    """The scores of the first row are log 1, log 2, log 5; without the middle one, 1/6 and 5/6."""
    scores = np.log([[1.0, 2.0, 5.0], [1.0, 1.0, 1.0], [7.0, 8.0, 9.0]])
    mask = np.array([[True, False, True], [True, True, True], [False, False, False]])
    weights, cache = softmax_forward(scores, mask)
    expected = np.array([[1 / 6, 0, 5 / 6], [1 / 3, 1 / 3, 1 / 3], [0, 0, 0]])
    expect_close(weights, expected, "the weights of log 1, log 2 (hidden), log 5")
    # Under dweights = (6, 100, 0): the mean is 1, so dscores are (6 - 1) / 6, 0 and (0 - 1) 5 / 6.
    dscores = softmax_backward(np.array([[6.0, 100, 0], [3, 0, 0], [1, 2, 3]]), cache)
    expected = np.array([[5 / 6, 0, -5 / 6], [2 / 3, -1 / 3, -1 / 3], [0, 0, 0]])
    expect_close(dscores, expected, "dscores")


def check_the_causal_mask_and_the_padding_mask_by_hand() -> None:
    """Rows are queries, columns are keys."""
    expected = np.array([[True, False, False], [True, True, False], [True, True, True]])
    expect_close(causal_mask(3), expected, "the causal mask of three positions")
    attend = np.array([[True, True, True], [True, False, False]])
    mask = padding_mask(attend)
    expect_close(mask, attend.reshape(2, 1, 1, 3), "the padding mask")


def check_the_weights_of_each_query_sum_to_one_over_the_keys_it_may_see(size: Sizes, seed: int) -> None:
    query, key, _, mask = draw_empty(size, np.random.default_rng(seed))
    weights = attention_weights(query, key, mask)
    sees = np.broadcast_to(mask.any(axis=-1), weights.shape[:-1])
    expect_close(weights.sum(axis=-1), sees.astype(float), "the sum of each query's weights")
    expect((weights >= 0).all(), "some weights are negative")
    hidden = weights[~np.broadcast_to(mask, weights.shape)]
    expect(not hidden.any(), f"a key that may not be attended to has weight {hidden.max(initial=0):.3g}")


def check_a_hidden_key_is_as_good_as_left_out(size: Sizes, seed: int) -> None:
    """Even where it fits far better than all the others."""
    rng = np.random.default_rng(seed)
    query, key, value = draw(size, rng)
    kept = rng.random(size.S) < 0.5
    kept[rng.integers(size.S)] = True
    key[..., ~kept, :] *= 1e4
    value[..., ~kept, :] *= 1e4
    out, cache = attention_forward(query, key, value, kept[None])
    few, few_cache = attention_forward(query, key[..., kept, :], value[..., kept, :])
    expect_close(out, few, "out, with keys hidden and with them left out")
    dout = rng.normal(size=out.shape)
    dquery, dkey, dvalue = attention_backward(dout, cache)
    few_dquery, few_dkey, few_dvalue = attention_backward(dout, few_cache)
    expect_close(dquery, few_dquery, "dquery, with keys hidden and with them left out", 1e-8)
    expect_close(dkey[..., kept, :], few_dkey, "dkey of the keys that are seen", 1e-8)
    expect_close(dvalue[..., kept, :], few_dvalue, "dvalue of the keys that are seen", 1e-8)
    nothing = np.zeros_like(key[..., ~kept, :])
    expect_close(dkey[..., ~kept, :], nothing, "dkey of the hidden keys")
    expect_close(dvalue[..., ~kept, :], nothing, "dvalue of the hidden keys")


def check_padding_on_either_side_changes_nothing(size: Sizes, seed: int) -> None:
    rng = np.random.default_rng(seed)
    query, key, value = draw(size._replace(S=size.T), rng)
    out, _ = attention_forward(query, key, value)
    filling = rng.normal(size=(size.B, size.H, 2, size.K))
    for side in ("left", "right"):
        pad = lambda x, s=side: np.concatenate([filling, x] if s == "left" else [x, filling], axis=2)  # noqa: E731
        words = slice(2, None) if side == "left" else slice(0, size.T)
        attend = np.zeros((size.B, size.T + 2), dtype=bool)
        attend[:, words] = True
        padded, _ = attention_forward(pad(query), pad(key), pad(value), padding_mask(attend))
        expect_close(padded[:, :, words], out, f"out of the words, with padding on the {side}")


def check_the_future_changes_nothing_under_the_causal_mask(size: Sizes, seed: int) -> None:
    rng = np.random.default_rng(seed)
    query, key, value, mask = draw_causal(size._replace(T=size.T + 1), rng)
    before, _ = attention_forward(query, key, value, mask)
    expect_close(before[:, :, 0], value[:, :, 0], "out of the first position, which sees itself alone")
    key[:, :, -1] += 1
    value[:, :, -1] += 1
    after, _ = attention_forward(query, key, value, mask)
    expect_close(after[:, :, :-1], before[:, :, :-1], "out before the last position, which was changed")
    expect(not np.allclose(after[:, :, -1], before[:, :, -1]), "the last position does not see itself")


def check_a_query_that_may_attend_to_nothing_gets_zeros(size: Sizes, seed: int) -> None:
    """And gives no gradient that is not a number, in float32 either."""
    rng = np.random.default_rng(seed)
    *arrays, mask = draw_empty(size, rng)
    for dtype in (np.float32, np.float64):
        query, key, value = (array.astype(dtype) for array in arrays)
        out, cache = attention_forward(query, key, value, mask)
        expect_close(out[:, :, 0], np.zeros_like(out[:, :, 0]), "out of a query that may attend to nothing")
        gradients = attention_backward(rng.normal(size=out.shape).astype(dtype), cache)
        for name, gradient in zip(("dquery", "dkey", "dvalue"), gradients, strict=True):
            expect(np.isfinite(gradient).all(), f"{name} is not finite")
        expect_close(gradients[0][:, :, 0], np.zeros_like(out[:, :, 0]), "its dquery")


def check_the_order_of_keys_with_their_values_changes_nothing(size: Sizes, seed: int) -> None:
    rng = np.random.default_rng(seed)
    query, key, value = draw(size, rng)
    order = rng.permutation(size.S)
    out, _ = attention_forward(query, key, value)
    mixed, _ = attention_forward(query, key[:, :, order], value[:, :, order])
    expect_close(mixed, out, "out, with the keys and their values in another order")


def check_each_query_is_answered_by_itself(size: Sizes, seed: int) -> None:
    query, key, value = draw(size, np.random.default_rng(seed))
    out, _ = attention_forward(query, key, value)
    alone, _ = attention_forward(query[-1:, -1:, -1:], key[-1:, -1:], value[-1:, -1:])
    expect_close(out[-1:, -1:, -1:], alone, "the last query of the last head, with all others and alone")


def check_moving_all_keys_by_one_vector_changes_no_weight(size: Sizes, seed: int) -> None:
    """All scores of a query rise by the same. So the gradients of all the keys sum to the vector zero."""
    rng = np.random.default_rng(seed)
    query, key, value = draw(size, rng)
    moved = key + rng.normal(size=size.K)
    weights = attention_weights(query, key)
    expect_close(attention_weights(query, moved), weights, "the weights, with all keys moved by one vector")
    out, cache = attention_forward(query, key, value)
    _, dkey, _ = attention_backward(rng.normal(size=out.shape), cache)
    largest = np.abs(dkey.sum(axis=-2)).max()
    expect(largest < 1e-12, f"the sum of dkey over the keys: expected 0, got {largest:.3g}")


def check_huge_scores_do_not_overflow(size: Sizes, seed: int) -> None:
    """One row is moved by 1000, one by -1000; and then scores of plus and minus 10,000."""
    (scores,) = draw_scores(size._replace(T=size.T + 2), np.random.default_rng(seed))
    weights, _ = softmax_forward(scores)
    scores[..., 0, :] += 1000
    scores[..., 1, :] -= 1000
    expect_close(softmax_forward(scores)[0], weights, "the weights of rows moved by 1000 and -1000", 1e-9)
    far, cache = softmax_forward(np.array([1e4, -1e4, 1e4]))
    expect_close(far, np.array([0.5, 0.0, 0.5]), "the weights of the scores 10000, -10000, 10000")
    dscores = softmax_backward(np.array([4.0, 7.0, 0.0]), cache)
    expect_close(dscores, np.array([1.0, 0.0, -1.0]), "dscores there, under dweights = (4, 7, 0)")


def check_dscores_of_a_row_sum_to_zero(size: Sizes, seed: int) -> None:
    """Because a shift of a row changes nothing; and where all weights cost the same, they are zero."""
    rng = np.random.default_rng(seed)
    scores, mask = draw_masked_scores(size, rng)
    weights, cache = softmax_forward(scores, mask)
    rows = softmax_backward(rng.normal(size=weights.shape), cache).sum(axis=-1)
    expect(np.abs(rows).max() < 1e-12, "dscores must sum to 0 over the keys, row by row")
    flat = softmax_backward(np.full_like(weights, 3.0), cache)
    expect(np.abs(flat).max() < 1e-12, "dscores under equal dweights must be 0")


def check_dropout_leaves_weights_out_and_doubles_the_rest(size: Sizes, seed: int) -> None:
    """At rate 1/2, with values that are rows of the unit matrix, so that out shows the weights used."""
    rng = np.random.default_rng(seed)
    size = size._replace(T=12, S=10)
    query, key, _ = draw(size, rng)
    value = np.broadcast_to(np.eye(size.S), (size.B, size.H, size.S, size.S))
    whole = attention_weights(query, key)
    used, cache = attention_forward(query, key, value, rate=0.5, generator=rng)
    expect(used.any() and not used.all(), "at rate 1/2 no weight is left out, or all are")
    expect_close(used[used != 0], 2 * whole[used != 0], "the weights that stay, at rate 1/2")
    _, _, dvalue = attention_backward(np.ones_like(used), cache)
    sums = np.broadcast_to(used.sum(axis=-2)[..., None], dvalue.shape)
    expect_close(dvalue, sums, "dvalue under dout = 1: the weights used, added over the queries")


def check_blocks_of_any_size_give_the_same(size: Sizes, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for drawn in (draw, draw_padded, draw_empty, draw_causal):
        arrays: tuple[Any, ...] = drawn(size, rng)
        out, _ = attention_forward(*arrays)
        for block in range(1, size.S + 2):
            online = online_attention(*arrays, block=block)
            expect_close(online, out, f"out, {block} of {arrays[1].shape[-2]} keys at a time")


def check_blocks_with_huge_scores_or_nothing_to_see(size: Sizes, seed: int) -> None:
    """The highest score comes in the first block, in the last, or nowhere; no block may overflow."""
    rng = np.random.default_rng(seed)
    query, key, value = draw(size._replace(S=6), rng)
    ramp = np.linspace(1, 1000, 6)[:, None]
    mask = rng.random((size.B, 1, size.T, 6)) < 0.5
    mask[..., :2] = False
    mask[..., 0, :] = False
    for keys in (1000 * key, key * ramp, key * ramp[::-1]):
        for some in (None, mask):
            out, _ = attention_forward(query, keys, value, some)
            for block in (1, 2, 4):
                online = online_attention(query, keys, value, some, block)
                expect_close(online, out, f"out of scores in the thousands, {block} keys at a time", 1e-9)


def check_what_does_not_fit_is_refused(size: Sizes, seed: int) -> None:
    query, key, value = draw(size, np.random.default_rng(seed))
    wrong: dict[str, tuple[Any, ...]] = {
        "a mask of numbers": (query, key, value, np.ones((size.T, size.S))),
        "a mask of one key too many": (query, key, value, np.ones((size.T, size.S + 1), dtype=bool)),
        "a mask of five axes": (query, key, value, np.ones((1, 1, 1, size.T, size.S), dtype=bool)),
        "keys of another width": (query, key[..., 1:], value),
        "a value too few": (query, np.concatenate([key, key], axis=2), value),
        "keys of one head for queries of more": (np.concatenate([query, query], axis=1), key, value),
    }
    for attend in (attention_forward, online_attention):
        for what, arguments in wrong.items():
            try:
                attend(*arguments)
            except ValueError:
                continue
            raise CheckError(f"{what}: expected a ValueError of {attend.__name__}, got none")
    numbers: Any = np.ones((size.B, size.T))
    for attended in (numbers, np.ones(size.T, dtype=bool)):
        try:
            padding_mask(attended)
        except ValueError:
            continue
        raise CheckError("padding_mask of numbers, or of one axis: expected a ValueError, got none")
