"""What attention in PyTorch must fulfil, written out and by the fused kernel."""

from collections.abc import Callable

import torch
from torch import Tensor

from minibert.learn.checks import attention as by_hand
from minibert.learn.compare import expect
from minibert.learn.sizes import Sizes
from minibert.learn.tensors import (
    exact,
    expect_by_hand,
    expect_refused,
    expect_same,
    expect_same_slopes,
    expect_untouched,
    leaf,
    normal,
    slopes,
)
from minibert.model.attention import attention, scaled_dot_product


def plain(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Tensor:
    """Attend, written out, and leave the weights away."""
    return scaled_dot_product(query, key, value, mask)[0]


BOTH: dict[str, Callable[..., Tensor]] = {"scaled_dot_product": plain, "attention": attention}


def draw(size: Sizes, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return query (B, H, T, K), key and value (B, H, S, K)."""
    return leaf(seed, *size.query), leaf(seed + 1, *size.key), leaf(seed + 2, *size.key)


def draw_mask(size: Sizes, seed: int) -> Tensor:
    """Return a mask (B, 1, T, S): the first query may attend to nothing, the others to something."""
    mask = normal(seed, size.B, 1, size.T, size.S) > 0
    mask[..., -1] = True
    mask[:, :, 0] = False
    return mask


def check_a_case_by_hand() -> None:
    """K = 4, so the root is 2; the scores are (0, ln 2, 0), (ln 2, 0, 0), (0, 0, 0).

    Weights 1/4, 1/2, 1/4; 1/2, 1/4, 1/4; and a third each.
    """
    query, key, value = map(exact, by_hand.pencil_case())
    out, weights = scaled_dot_product(query, key, value)
    expected = [[[[1 / 4, 1 / 2, 1 / 4], [1 / 2, 1 / 4, 1 / 4], [1 / 3, 1 / 3, 1 / 3]]]]
    expect_same(weights, exact(expected), "the weights")
    expect_same(out, exact([[[[6.0, 9.0], [9.0, 6.0], [8.0, 8.0]]]]), "out")


def check_the_kernel_gives_the_case_by_hand() -> None:
    """The same three words: (6, 9), (9, 6), (8, 8)."""
    query, key, value = map(exact, by_hand.pencil_case())
    out = attention(query, key, value)
    expect_same(out, exact([[[[6.0, 9.0], [9.0, 6.0], [8.0, 8.0]]]]), "out")


def check_a_mask_by_hand() -> None:
    """The first word may not see the second, which had half of its weight: 1/2, 0, 1/2.

    The second may see the first and the third, with weights in the ratio 2 to 1; the third sees nothing.
    """
    query, key, value = map(exact, by_hand.pencil_case())
    mask = torch.tensor([[True, False, True], [True, False, True], [False, False, False]])
    _, weights = scaled_dot_product(query, key, value, mask)
    expected = [[[[1 / 2, 0, 1 / 2], [2 / 3, 0, 1 / 3], [0.0, 0, 0]]]]
    expect_same(weights, exact(expected), "the weights, with the second word hidden and a row that sees none")
    for name, attend in BOTH.items():
        out = attend(query, key, value, mask)
        expect_same(out, exact([[[[12.0, 6], [12, 4], [0, 0]]]]), f"out of {name}")


def check_the_weights_of_each_query_sum_to_one_over_the_keys_it_may_see(size: Sizes, seed: int) -> None:
    """Over the keys, the last axis; a key that is hidden has weight 0."""
    query, key, value = draw(size, seed)
    mask = draw_mask(size, seed + 3)
    _, weights = scaled_dot_product(query, key, value, mask)
    sees = mask.any(-1).expand(size.B, size.H, size.T).double()
    expect_same(weights.sum(-1), sees, "the sum of each query's weights")
    expect(not weights[~mask.expand_as(weights)].any(), "a key that may not be attended to has a weight")


def check_the_future_changes_nothing_under_the_causal_mask(size: Sizes, seed: int) -> None:
    """And the first position sees itself alone."""
    size = size._replace(T=size.T + 1, S=size.T + 1)
    query, key, value = (tensor.detach() for tensor in draw(size, seed))
    mask = torch.ones(size.T, size.T, dtype=torch.bool).tril()
    keys = torch.cat([key[:, :, :-1], key[:, :, -1:] + 1], dim=2)
    values = torch.cat([value[:, :, :-1], value[:, :, -1:] + 1], dim=2)
    for name, attend in BOTH.items():
        out = attend(query, key, value, mask)
        expect_same(out[:, :, 0], value[:, :, 0], f"out of {name} for the first position")
        after = attend(query, keys, values, mask)
        expect_same(after[:, :, :-1], out[:, :, :-1], f"out of {name} before the position that was changed")


def check_by_hand_attention_is_the_same(size: Sizes, seed: int) -> None:
    """In values and in all three gradients, with and without masks."""
    for case in by_hand.CASES:
        if case.torch is by_hand.torch_twin:
            expect_by_hand(case, size, seed)


def check_by_hand_the_kernel_is_the_same(size: Sizes, seed: int) -> None:
    """In values, also where a query may attend to nothing."""
    for case in by_hand.CASES:
        if case.torch is by_hand.torch_fused:
            expect_by_hand(case, size, seed)


def check_the_formula_and_the_kernel_have_the_same_gradients(size: Sizes, seed: int) -> None:
    """In float64 and in float32."""
    for dtype in (torch.float64, torch.float32):
        query, key, value = (tensor.detach().to(dtype).requires_grad_() for tensor in draw(size, seed))
        leaves = {"query": query, "key": key, "value": value}
        for mask in (None, draw_mask(size, seed + 3)):
            slow, fast = plain(query, key, value, mask), attention(query, key, value, mask)
            expect_same_slopes(slow, fast, leaves, seed + 4, "the kernel's")


def check_a_query_that_may_attend_to_nothing_gets_zeros(size: Sizes, seed: int) -> None:
    """And gradients that are finite, also in 16 bits."""
    mask = draw_mask(size, seed + 3)
    for dtype in (torch.float64, torch.float32, torch.bfloat16, torch.float16):
        query, key, value = (tensor.detach().to(dtype).requires_grad_() for tensor in draw(size, seed))
        for name, attend in BOTH.items():
            out = attend(query, key, value, mask)
            expect(out.dtype == dtype, f"out of {name}: expected numbers of {dtype}, got {out.dtype}")
            nothing = torch.zeros_like(out[:, :, 0])
            expect_same(
                out[:, :, 0], nothing, f"out of {name} for a query that may attend to nothing, {dtype}"
            )
            gradients = slopes(out, {"query": query, "key": key, "value": value}, seed)
            for leaf_name, gradient in gradients.items():
                expect(gradient.isfinite().all(), f"the gradient of {leaf_name} is not finite, {dtype}")
            expect_same(gradients["query"][:, :, 0], nothing, "the gradient of that query")


def check_a_hidden_key_is_as_good_as_left_out(size: Sizes, seed: int) -> None:
    """Even where it fits a hundred times better than the others."""
    query, key, value = (tensor.detach() for tensor in draw(size, seed))
    kept = torch.arange(size.S) < max(1, size.S - 1)
    key = torch.where(kept[:, None], key, 100 * key)
    for name, attend in BOTH.items():
        few = attend(query, key[:, :, kept], value[:, :, kept])
        expect_same(attend(query, key, value, kept[None]), few, f"out of {name}, with a key hidden")


def check_huge_scores_do_not_overflow(size: Sizes, seed: int) -> None:
    """Scores of many thousands: all the weight is with the best key."""
    query, key, value = (tensor.detach() for tensor in draw(size, seed))
    best = (query @ key.mT).argmax(-1)
    _, weights = scaled_dot_product(1e4 * query, 1e4 * key, value)
    one_hot = torch.nn.functional.one_hot(best, size.S).double()
    expect_same(weights, one_hot, "the weights of scores in the millions", 1e-6)


def check_dropout_leaves_weights_out_and_doubles_the_rest(size: Sizes, seed: int) -> None:
    """At rate 1/2; the weights that come back are those that were used."""
    size = size._replace(T=12, S=10)
    query, key, value = (tensor.detach() for tensor in draw(size, seed))
    whole = scaled_dot_product(query, key, value)[1]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        out, weights = scaled_dot_product(query, key, value, dropout=0.5)
    kept = weights != 0
    expect(kept.any() and not kept.all(), "at rate 1/2 no weight is left out, or all are")
    expect_same(weights[kept], 2 * whole[kept], "the weights that stay, at rate 1/2")
    expect_same(out, weights @ value, "out, beside the product of the weights that came back and the values")


def check_neighbouring_heads_of_queries_may_share_a_head_of_keys(size: Sizes, seed: int) -> None:
    """Query heads 0 and 1 look at the first head of keys, 2 and 3 at the second."""
    query, key, value = (
        normal(seed + i, size.B, heads, length, size.K)
        for i, (heads, length) in enumerate(((4, size.T), (2, size.S), (2, size.S)))
    )
    heads = [attention(query[:, [h]], key[:, [h // 2]], value[:, [h // 2]]) for h in range(4)]
    expect_same(attention(query, key, value), torch.cat(heads, 1), "4 heads that share 2 heads of keys")


def check_the_kernel_drops_too(size: Sizes, seed: int) -> None:
    """With values that are rows of the unit matrix, out shows the weights: some are 0, the rest doubled."""
    query, key, _ = (tensor.detach() for tensor in draw(size._replace(T=12, S=10), seed))
    value = torch.eye(10, dtype=torch.float64).expand(size.B, size.H, 10, 10)
    whole = attention(query, key, value)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        used = attention(query, key, value, dropout=0.5)
    kept = used != 0
    expect(kept.any() and not kept.all(), "at rate 1/2 no weight is left out, or all are")
    expect_same(used[kept], 2 * whole[kept], "the weights that stay, at rate 1/2")


def check_no_argument_is_changed(size: Sizes, seed: int) -> None:
    """Masks are used by every layer, and by every head."""
    query, key, value = (tensor.detach() for tensor in draw(size, seed))
    for attend in BOTH.values():
        expect_untouched(attend, query, key, value, draw_mask(size, seed + 3))


def check_a_mask_that_is_not_boolean_or_does_not_fit_is_refused(size: Sizes, seed: int) -> None:
    """A mask of numbers would be added to the scores by one, and read as yes and no by another."""
    query, key, value = (tensor.detach() for tensor in draw(size, seed))
    wrong = {
        "a mask of numbers": torch.ones(size.T, size.S),
        "a mask of one key too many": torch.ones(size.T, size.S + 1, dtype=torch.bool),
        "a mask of one axis": torch.ones(size.S, dtype=torch.bool),
    }
    for name, attend in BOTH.items():
        for what, mask in wrong.items():
            expect_refused(lambda a=attend, m=mask: a(query, key, value, m), f"{what}, in {name}")
