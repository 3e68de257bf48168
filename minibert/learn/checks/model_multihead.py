"""What multi-head attention in PyTorch must fulfil."""

from typing import Any

import torch
from torch import Tensor, nn

from minibert.learn.checks import multihead as by_hand
from minibert.learn.compare import expect
from minibert.learn.sizes import Sizes
from minibert.learn.tensors import (
    exact,
    expect_by_hand,
    expect_refused,
    expect_same,
    expect_same_slopes,
    expect_untouched,
    filled,
    leaf,
    loaded,
    normal,
)
from minibert.model.keys_values import LayerPast
from minibert.model.multihead import CausalAttention, MultiHeadAttention, merge_heads, split_heads

LAYERS = ("query", "key", "value", "output")


def draw(size: Sizes, seed: int) -> tuple[MultiHeadAttention, Tensor, Tensor, Tensor]:
    """Return a layer, x (B, T, D), source (B, S, D), and a mask (B, 1, 1, S) that hides its last token."""
    layer = filled(MultiHeadAttention(size.D, size.H), seed)
    x, source = leaf(seed + 10, size.B, size.T, size.D), leaf(seed + 11, size.B, size.S, size.D)
    attend = torch.arange(size.S).expand(size.B, 1, 1, -1) < max(1, size.S - 1)
    return layer, x, source, attend


def check_splitting_by_hand() -> None:
    """Two tokens of four numbers, two heads: the first two numbers of each token, and the last two."""
    x = exact([[[1.0, 2, 3, 4], [5, 6, 7, 8]]])
    expect_same(split_heads(x, 2), exact([[[[1.0, 2], [5, 6]], [[3, 4], [7, 8]]]]), "split into two heads")


def check_merging_by_hand() -> None:
    """Side by side again: head 1 of a token, then head 2."""
    heads = exact([[[[1.0, 2], [5, 6]], [[3, 4], [7, 8]]]])
    expect_same(merge_heads(heads), exact([[[1.0, 2, 3, 4], [5, 6, 7, 8]]]), "two heads merged")


def check_head_h_is_the_hth_stretch_of_the_features(size: Sizes, seed: int) -> None:
    """Of every token, in every sequence of the batch."""
    x = normal(seed, size.B, size.T, size.D)
    split = split_heads(x, size.H)
    expect(
        tuple(split.shape) == size.query,
        f"split_heads: expected the shape (B, H, T, K) = {size.query}, got {tuple(split.shape)}",
    )
    for h in range(size.H):
        expect_same(split[:, h], x[:, :, h * size.K : (h + 1) * size.K], f"head {h}")


def check_tokens_that_lie_apart_in_memory_can_be_split_and_merged(size: Sizes, seed: int) -> None:
    """A transpose moves no number, so what follows it may lie in memory in any order."""
    x = normal(seed, size.T, size.B, size.D).transpose(0, 1)
    heads = torch.stack([x[:, :, h * size.K : (h + 1) * size.K] for h in range(size.H)], dim=1)
    expect_same(split_heads(x, size.H), heads, "split_heads of a transposed tensor")
    expect_same(merge_heads(heads), x.contiguous(), "merge_heads")
    apart = heads.transpose(1, 2).contiguous().transpose(1, 2)
    expect_same(merge_heads(apart), x.contiguous(), "merge_heads of a transposed tensor")
    back = heads.transpose(2, 3).contiguous().transpose(2, 3)
    expect_same(merge_heads(back), x.contiguous(), "merge_heads of another transposed tensor")


def check_gradients_are_split_and_merged_too(size: Sizes, seed: int) -> None:
    """The gradient of one is the other: sum(split(x) y) = sum(x merge(y))."""
    x, y = leaf(seed, size.B, size.T, size.D), leaf(seed + 1, *size.query)
    stretches = torch.stack(x.split(size.K, dim=-1), dim=1)
    expect_same_slopes(split_heads(x, size.H), stretches, {"x": x}, seed, "cutting it up")
    beside = torch.cat([y[:, h] for h in range(size.H)], dim=-1)
    expect_same_slopes(merge_heads(y), beside, {"x": y}, seed, "laying the heads side by side")


def check_heads_may_be_in_any_type(size: Sizes, seed: int) -> None:
    """Splitting and merging work out nothing, so 16 bits and whole numbers stay what they are."""
    x = normal(seed, size.B, size.T, size.D)
    for dtype in (torch.bfloat16, torch.int64):
        some = (10 * x).to(dtype)
        expect_same(merge_heads(split_heads(some, size.H)), some, f"split and merged again, {dtype}")


def check_the_layer_has_four_products_with_a_bias(size: Sizes) -> None:
    """Each D by D, under the names query, key, value and output, and none of them shared."""
    layer = MultiHeadAttention(size.D, size.H)
    got = {name: tuple(parameter.shape) for name, parameter in layer.named_parameters()}
    expected = {f"{name}.weight": (size.D, size.D) for name in LAYERS}
    expected |= {f"{name}.bias": (size.D,) for name in LAYERS}
    expect(got == expected, f"the parameters must be {expected}, got {got}")


def check_two_heads_by_hand() -> None:
    """The first head looks at its own token with weight 3/4, the second at the other.

    Values are four times the tokens, (1, 0) and (0, 1) in both heads: head 1 finds (3, 1) and (1, 3), head 2
    (1, 3) and (3, 1). The output keeps the first two, takes the difference of the first of each head, and
    adds 10 to the last.
    """
    tokens, params = by_hand.case_by_hand()
    layer = loaded(MultiHeadAttention(4, 2), params)
    expect_same(layer.gather(exact(tokens)), exact([[[3.0, 1, 1, 3], [1, 3, 3, 1]]]), "what the heads found")
    expect_same(layer(exact(tokens)), exact([[[3.0, 1, 2, 13], [1, 3, -2, 11]]]), "out of two tokens")


def check_by_hand_multihead_is_the_same(size: Sizes, seed: int) -> None:
    """In values and all gradients: self-attention and cross-attention, with and without masks."""
    for case in by_hand.CASES[::-1]:
        if case.torch is not None:
            expect_by_hand(case, size, seed)


def twin(ours: MultiHeadAttention) -> nn.MultiheadAttention:
    """Return torch's module with the same weights: it has the three projections in one matrix."""
    theirs = nn.MultiheadAttention(ours.query.in_features, ours.heads, batch_first=True).double()
    parts = (ours.query, ours.key, ours.value)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([part.weight for part in parts]))
        theirs.in_proj_bias.copy_(torch.cat([part.bias for part in parts]))
    theirs.out_proj.load_state_dict(ours.output.state_dict())
    return theirs


def check_torch_s_module_is_the_same(size: Sizes, seed: int) -> None:
    """With the padding of the source hidden, in value and in the gradients of x and source."""
    layer, x, source, attend = draw(size, seed)
    theirs = twin(layer)
    hidden = ~attend[:, 0, 0]
    expected, _ = theirs(x, source, source, key_padding_mask=hidden, need_weights=False)
    leaves = {"x": x, "source": source}
    expect_same_slopes(layer(x, attend, source), expected, leaves, seed, "torch's")
    expected, _ = theirs(x, x, x, need_weights=False)
    expect_same_slopes(layer(x), expected, {"x": x}, seed, "torch's")


def check_what_the_heads_found_is_told_before_the_output(size: Sizes, seed: int) -> None:
    """`gather` is all but the last product, and `forward` adds nothing but that."""
    layer, x, source, attend = draw(size, seed)
    for mask, other in ((None, None), (None, source), (attend, source)):
        found = layer.gather(x, mask, other)
        expect(
            found.shape == x.shape,
            f"gather: expected the shape of x, {tuple(x.shape)}, got {tuple(found.shape)}",
        )
        out = found @ layer.output.weight.T + layer.output.bias
        expect_same(layer(x, mask, other), out, "out, beside what was gathered times the output weights")


def check_each_head_is_an_attention_by_itself(size: Sizes, seed: int) -> None:
    """Head after head, each with its own rows of the three products."""
    layer, x, source, attend = draw(size, seed)
    for mask, other in ((attend, source), (None, None)):
        found = []
        for h in range(size.H):
            rows = slice(h * size.K, (h + 1) * size.K)
            q, k, v = (
                tokens @ part.weight[rows].T + part.bias[rows]
                for part, tokens in (
                    (layer.query, x),
                    (layer.key, x if other is None else other),
                    (layer.value, x if other is None else other),
                )
            )
            seen = True if mask is None else mask[:, 0]
            scores = (q @ k.mT / size.K**0.5).masked_fill(~torch.as_tensor(seen), -torch.inf)
            found.append(torch.softmax(scores, -1) @ v)
        expect_same(layer.gather(x, mask, other), torch.cat(found, -1), "what the heads found, one by one")


def check_padding_of_the_source_is_as_good_as_left_out(size: Sizes, seed: int) -> None:
    """Whatever stands there."""
    layer, x, source, attend = draw(size, seed)
    few = layer(x, None, source[:, attend[0, 0, 0]])
    expect_same(layer(x, attend, source), few, "out, with the padding of the source hidden")


def check_reordering_the_heads_changes_nothing(size: Sizes, seed: int) -> None:
    """Their weights and the columns of the output change places together."""
    layer, x, _, _ = draw(size, seed)
    before = layer(x)
    order = torch.arange(size.D).view(size.H, size.K).flip(0).flatten()
    state: dict[str, Any] = layer.state_dict()
    moved = {name: value[order] for name, value in state.items() if not name.startswith("output")}
    moved |= {"output.weight": state["output.weight"][:, order], "output.bias": state["output.bias"]}
    layer.load_state_dict({name: value.clone() for name, value in moved.items()})
    expect_same(layer(x), before, "out, with the heads in another order")


def check_weights_are_left_out_in_training_alone(size: Sizes, seed: int) -> None:
    """At rate 1/2 no two runs of training are equal; in evaluation it is as if the rate were 0."""
    size = size._replace(T=8)
    whole, x, _, _ = draw(size, seed)
    layer = MultiHeadAttention(size.D, size.H, dropout=0.5).double()
    layer.load_state_dict(whole.state_dict())
    expected = whole.eval().gather(x)
    expect_same(layer.eval().gather(x), expected, "what the heads found, in evaluation")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        once, again = layer.train().gather(x), layer.gather(x)
    expect(not torch.equal(once, again), "nothing is left out in training, at rate 1/2")
    expect_same(whole.train().gather(x), expected, "what the heads found, in training with rate 0")


def check_sixteen_and_thirty_two_bits_stay(size: Sizes, seed: int) -> None:
    """Half the memory is the point of them."""
    layer, x, _, _ = draw(size, seed)
    expected = layer(x)
    for dtype in (torch.float32, torch.bfloat16):
        got = layer.to(dtype)(x.to(dtype))
        expect(got.dtype == dtype, f"expected numbers of {dtype}, got {got.dtype}")
        expect_same(got.double(), expected, f"out in {dtype}", 1e-4 if dtype == torch.float32 else 0.2)


def check_no_argument_is_changed(size: Sizes, seed: int) -> None:
    """Other layers use them too."""
    layer, x, source, attend = draw(size, seed)
    expect_untouched(lambda *some: layer(some[0], some[2], some[1]), x.detach(), source.detach(), attend)


def check_heads_that_do_not_divide_the_width_are_refused() -> None:
    """8 features cannot be cut into 3 heads, nor into none."""
    for heads in (3, 0, -1):
        expect_refused(lambda heads=heads: MultiHeadAttention(8, heads), f"8 features, {heads} heads")


def draw_causal(size: Sizes, seed: int) -> tuple[CausalAttention, MultiHeadAttention, Tensor]:
    """Return a causal layer, a plain one with the same parameters, and x (B, T + 1, D)."""
    causal, plain = filled(CausalAttention(size.D, size.H), seed), MultiHeadAttention(size.D, size.H).double()
    with torch.no_grad():
        for kind in ("weight", "bias"):
            joined = causal.get_parameter(f"project.{kind}").chunk(3)
            for name, values in zip(("query", "key", "value"), joined, strict=True):
                plain.get_parameter(f"{name}.{kind}").copy_(values)
            plain.get_parameter(f"output.{kind}").copy_(causal.get_parameter(f"output.{kind}"))
    return causal, plain, leaf(seed + 10, size.B, size.T + 1, size.D)


def check_causal_attention_is_attention_under_a_causal_mask(size: Sizes, seed: int) -> None:
    """In value, and in the gradient of x."""
    causal, plain, x = draw_causal(size, seed)
    mask = torch.ones(size.T + 1, size.T + 1).tril().bool()
    by = "the same under a causal mask"
    expect_same_slopes(causal(x), plain(x, mask), {"x": x}, seed, by)


def check_causal_attention_goes_on_from_its_past(size: Sizes, seed: int) -> None:
    """T tokens, then one more: the memory holds keys and values of all, and the numbers are the same."""
    causal, plain, x = draw_causal(size, seed)
    whole, past = causal(x), LayerPast((size.B, size.H, size.T + 1, size.K), exact(0.0))
    with torch.no_grad():
        for first, end in ((0, size.T), (size.T, size.T + 1)):
            past.begin(first, None)
            out = causal(x[:, first:end], past)
            expect_same(out, whole[:, first:end], f"out of the tokens {first} to {end - 1}, with a past")
        keys = split_heads(plain.key(x), size.H)
        values = split_heads(plain.value(x), size.H)
    expect_same(past.keys, keys, "the keys in the memory")
    expect_same(past.values, values, "the values in the memory")


def check_causal_weights_are_left_out_in_training_alone(size: Sizes, seed: int) -> None:
    """At rate 1/2, with a past and without."""
    size = size._replace(T=7)
    whole, _, x = draw_causal(size, seed)
    layer = CausalAttention(size.D, size.H, dropout=0.5).double()
    layer.load_state_dict(whole.state_dict())
    for with_past in (False, True):
        outs = []
        for training in (False, True):
            past = LayerPast((size.B, size.H, 8, size.K), exact(0.0)) if with_past else None
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                outs.append(layer.train(training)(x, past))
        where = "with a past" if with_past else "without a past"
        expect_same(outs[0], whole(x), f"out in evaluation, {where}")
        expect(not torch.equal(*outs), f"nothing is left out in training, at rate 1/2, {where}")
