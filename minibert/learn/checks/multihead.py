"""What multi-head attention must fulfil."""

import math
from collections.abc import Callable

import numpy as np

from minibert.byhand.attention import attention_forward, causal_mask, padding_mask
from minibert.byhand.multihead import (
    merge_heads,
    multihead_backward,
    multihead_forward,
    self_attention_backward,
    self_attention_forward,
    split_heads,
)
from minibert.byhand.parameters import Array, Ints, Mask, Parameters
from minibert.learn.compare import CheckError, expect, expect_close
from minibert.learn.proof import Case
from minibert.learn.sizes import Sizes

MaskOf = Callable[[Sizes, np.random.Generator], Mask | None]
"""Draws a mask that fits."""


def draw_params(D: int, rng: np.random.Generator) -> Parameters:
    """Return the four products, all numbers drawn, also the biases."""
    params: Parameters = {}
    for name in ("query", "key", "value", "output"):
        params[f"{name}.weight"] = 0.5 * rng.normal(size=(D, D))
        params[f"{name}.bias"] = rng.normal(size=D)
    return params


def no_mask(size: Sizes, rng: np.random.Generator) -> None:
    """All may attend to all."""


def padded(length: int, size: Sizes, rng: np.random.Generator) -> Mask:
    """Return (B, 1, 1, length): the last token of the last sequence is padding, and others by chance."""
    attend = rng.random((size.B, length)) > 0.3
    attend[:, 0] = True
    attend[-1, -1] = length == 1
    return padding_mask(attend)


def pad_tokens(size: Sizes, rng: np.random.Generator) -> Mask:
    """Return (B, 1, 1, T)."""
    return padded(size.T, size, rng)


def pad_source(size: Sizes, rng: np.random.Generator) -> Mask:
    """Return (B, 1, 1, S)."""
    return padded(size.S, size, rng)


def causal(size: Sizes, rng: np.random.Generator) -> Mask:
    """Return (T, T)."""
    return causal_mask(size.T)


def each_its_own(size: Sizes, rng: np.random.Generator) -> Mask:
    """Return (B, H, T, T): another mask for each head; every token may attend at least to itself."""
    return (rng.random((size.B, size.H, size.T, size.T)) > 0.5) | np.eye(size.T, dtype=bool)


def some_see_nothing(size: Sizes, rng: np.random.Generator) -> Mask:
    """Return (B, H, T, T), in which the last head of the first token may attend to nothing."""
    mask = each_its_own(size, rng)
    mask[:, -1, 0] = False
    return mask


def draw_self(mask: MaskOf):
    def draw(size: Sizes, rng: np.random.Generator) -> tuple[Array, Parameters, int, Mask | None]:
        """Return x (B, T, D), the parameters, H, and the mask."""
        x = rng.normal(size=(size.B, size.T, size.D))
        return x, draw_params(size.D, rng), size.H, mask(size, rng)

    return draw


def draw_cross(mask: MaskOf):
    def draw(size: Sizes, rng: np.random.Generator) -> tuple[Array, Array, Parameters, int, Mask | None]:
        """Return x (B, T, D), source (B, S, D), the parameters, H, and the mask."""
        x, source = rng.normal(size=(size.B, size.T, size.D)), rng.normal(size=(size.B, size.S, size.D))
        return x, source, draw_params(size.D, rng), size.H, mask(size, rng)

    return draw


def torch_cross(x, source, params, heads, mask):
    import torch

    from minibert.model.multihead import MultiHeadAttention

    layer = MultiHeadAttention(x.shape[-1], heads)
    return torch.func.functional_call(layer, params, (x, mask, source))


def torch_self(x, params, heads, mask):
    return torch_cross(x, None, params, heads, mask)


def transformers_cross(x, source, params, heads, mask):
    """BERT's attention, and of its output layer the product alone, without the norm that it adds."""
    import torch
    import torch.nn.functional as F
    from transformers import BertConfig
    from transformers.models.bert import modeling_bert

    D = x.shape[-1]
    config = BertConfig(hidden_size=D, num_attention_heads=heads)
    config._attn_implementation = "eager"
    name = "BertSelfAttention" if source is None else "BertCrossAttention"
    layer = getattr(modeling_bert, name)(config).eval()
    inner = {key: value for key, value in params.items() if not key.startswith("output.")}
    added = None if mask is None else torch.zeros(mask.shape, dtype=x.dtype).masked_fill(~mask, -1e300)
    inputs = (x,) if source is None else (x, source)
    found, _ = torch.func.functional_call(layer, inner, inputs, {"attention_mask": added})
    return F.linear(found, params["output.weight"], params["output.bias"])


def transformers_self(x, params, heads, mask):
    return transformers_cross(x, None, params, heads, mask)


def drop_the_same(x, source, params, heads, mask):
    """Leave out a third of the attention weights, the same ones at every call."""
    return multihead_forward(x, source, params, heads, mask, 1 / 3, np.random.default_rng(5))


CASES = [
    *(
        Case(
            name,
            self_attention_forward,
            self_attention_backward,
            draw_self(mask),
            torch_self,
            None if mask is some_see_nothing else transformers_self,
        )
        for name, mask in (
            ("self-attention", no_mask),
            ("padding", pad_tokens),
            ("causal mask", causal),
            ("a mask for each head", each_its_own),
            ("a head that may attend to nothing", some_see_nothing),
        )
    ),
    *(
        Case(name, multihead_forward, multihead_backward, draw_cross(mask), torch_cross, transformers_cross)
        for name, mask in (("cross-attention", no_mask), ("cross-attention, padding", pad_source))
    ),
    Case("dropout", drop_the_same, multihead_backward, draw_cross(pad_source)),
]
"""Where all scores of a row are -inf, transformers gives a mean of all values; we and torch give zeros."""


def check_splitting_by_hand() -> None:
    """Two tokens of four numbers, two heads: the first two numbers of each token, and the last two."""
    x = np.array([[[1.0, 2, 3, 4], [5, 6, 7, 8]]])
    heads = np.array([[[[1.0, 2], [5, 6]], [[3, 4], [7, 8]]]])
    expect_close(split_heads(x, 2), heads, "two tokens split into two heads")
    expect_close(merge_heads(heads), x, "two heads merged into two tokens")


def check_head_h_is_the_hth_stretch_of_the_features(size: Sizes, seed: int) -> None:
    x = np.random.default_rng(seed).normal(size=(size.B, size.T, size.D))
    split = split_heads(x, size.H)
    expect(split.shape == size.query, f"split_heads: expected the shape {size.query}, got {split.shape}")
    for h in range(size.H):
        expect_close(split[:, h], x[:, :, h * size.K : (h + 1) * size.K], f"head {h}")
    expect_close(merge_heads(split), x, "what is split and merged again")


def check_merging_is_the_transpose_of_splitting(size: Sizes, seed: int) -> None:
    """sum(split(x) y) = sum(x merge(y)), so each is the other's backward pass."""
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(size.B, size.T, size.D)), rng.normal(size=size.query)
    left = (split_heads(x, size.H) * y).sum()
    expect(abs(left - (x * merge_heads(y)).sum()) < 1e-10, "sum(split(x) y) differs from sum(x merge(y))")


def case_by_hand() -> tuple[Array, Parameters]:
    """Return two tokens and parameters with which all is worked out in `check_a_case_by_hand`."""
    root = math.sqrt(2) * math.log(3)
    eye, swap, none = np.eye(2), np.array([[0.0, 1], [1, 0]]), np.zeros((2, 2))
    params: Parameters = {
        "query.weight": root * np.block([[eye, none], [none, swap]]),
        "key.weight": np.eye(4),
        "value.weight": 4 * np.eye(4),
        "output.weight": np.array([[1.0, 0, 0, 0], [0, 1, 0, 0], [1, 0, -1, 0], [0, 0, 0, 1]]),
    }
    params |= {f"{name}.bias": np.zeros(4) for name in ("query", "key", "value")}
    return np.array([[[1.0, 0, 1, 0], [0, 1, 0, 1]]]), params | {"output.bias": np.array([0.0, 0, 0, 10])}


def check_a_case_by_hand() -> None:
    """Two tokens, two heads of two numbers: the first looks at its own token, the second at the other.

    In both heads token 1 is (1, 0) and token 2 is (0, 1). Scores are ln 3 for what is looked for and 0 for
    the other, so weights 3/4 and 1/4; values are four times the tokens. Head 1 finds (3, 1) and (1, 3), head
    2 finds (1, 3) and (3, 1). The output keeps the first two, takes the difference of the first of each
    head, and adds 10 to the last.

    Backward, dout = (1, 0, 0, 0) at token 1 alone reaches head 1 alone. dvalue = (3/4, 0) and (1/4, 0), times
    4 into dx: (3, 0), (1, 0). dweights = (4, 0), their mean 3, so softmax gives (3/4, -3/4), divided by
    sqrt 2. The query gets that times the keys, the keys that times the query sqrt 2 ln 3 (1, 0).
    """
    x, params = case_by_hand()
    out, cache = self_attention_forward(x, params, 2)
    expect_close(out, np.array([[[3.0, 1, 2, 13], [1, 3, -2, 11]]]), "out of two tokens")

    dx, dparams = self_attention_backward(np.array([[[1.0, 0, 0, 0], [0, 0, 0, 0]]]), cache)
    q = 0.75 * math.log(3)  # what comes back through the query of token 1, and through the two keys
    expected = np.array([[[3 + q + q, -q, 0, 0], [1 - q, 0, 0, 0]]])
    expect_close(dx, expected, "dx under dout = (1, 0, 0, 0) at token 1")
    expect_close(dparams["output.weight"][0], np.array([3.0, 1, 1, 3]), "the first row of the gradient of Wo")
    expect_close(dparams["value.bias"], np.array([1.0, 0, 0, 0]), "the gradient of the values' bias")
    s = 0.75 / math.sqrt(2)
    expect_close(dparams["query.bias"], np.array([s, -s, 0, 0]), "the gradient of the queries' bias")
    largest = np.abs(dparams["key.bias"]).max()
    expect(largest < 1e-15, f"the gradient of the keys' bias: expected 0, got {largest:.3g}")


def check_each_head_is_an_attention_by_itself(size: Sizes, seed: int) -> None:
    """Head after head, each with its own rows of the three products, and its own columns of the output."""
    x, source, params, heads, mask = draw_cross(pad_source)(size, np.random.default_rng(seed))
    total = np.zeros_like(x) + params["output.bias"]
    for h in range(heads):
        rows = slice(h * size.K, (h + 1) * size.K)
        query, key, value = (
            (tokens @ params[f"{name}.weight"][rows].T + params[f"{name}.bias"][rows])[:, None]
            for name, tokens in (("query", x), ("key", source), ("value", source))
        )
        total += attention_forward(query, key, value, mask)[0][:, 0] @ params["output.weight"][:, rows].T
    expect_close(multihead_forward(x, source, params, heads, mask)[0], total, "out, head after head", 1e-10)


def show_heads(params: Parameters) -> Parameters:
    """Return the parameters with an output that lays the heads side by side, and does no more."""
    D = len(params["output.bias"])
    return params | {"output.weight": np.eye(D), "output.bias": np.zeros(D)}


def reorder_heads(params: Parameters, features: Ints) -> Parameters:
    """Return the parameters with the features of the heads in another order."""
    inner = {name: value[features] for name, value in params.items() if not name.startswith("output.")}
    return inner | {
        "output.weight": params["output.weight"][:, features],
        "output.bias": params["output.bias"],
    }


def check_the_order_of_the_heads_does_not_matter(size: Sizes, seed: int) -> None:
    """Reorder the weights of the heads, and the output stays; with an output that shows them, they move."""
    rng = np.random.default_rng(seed)
    x, params, heads, _ = draw_self(no_mask)(size, rng)
    features = np.arange(size.D).reshape(heads, size.K)[rng.permutation(heads)].ravel()
    out, _ = self_attention_forward(x, params, heads)
    moved, _ = self_attention_forward(x, reorder_heads(params, features), heads)
    expect_close(moved, out, "out with the weights of the heads in another order", 1e-10)

    shown = show_heads(params)
    found, _ = self_attention_forward(x, shown, heads)
    moved, _ = self_attention_forward(x, show_heads(reorder_heads(params, features)), heads)
    expect_close(moved, found[..., features], "what the heads find, in another order", 1e-10)


def check_a_head_that_the_output_ignores_changes_nothing_and_learns_nothing(size: Sizes, seed: int) -> None:
    """The columns of Wo that read the first head are zero: so are the gradients of its three products."""
    rng = np.random.default_rng(seed)
    x, params, heads, _ = draw_self(no_mask)(size, rng)
    params["output.weight"][:, : size.K] = 0
    out, cache = self_attention_forward(x, params, heads)
    other = {name: value.copy() for name, value in params.items()}
    for name in ("query", "key", "value"):
        other[f"{name}.weight"][: size.K] = rng.normal(size=(size.K, size.D))
    expect_close(self_attention_forward(x, other, heads)[0], out, "out with another first head, ignored")

    _, dparams = self_attention_backward(rng.normal(size=out.shape), cache)
    for name in ("query.weight", "key.weight", "value.weight", "value.bias"):
        expect(not dparams[name][: size.K].any(), f"the gradient of {name} in a head that nobody reads is 0")
    expect(dparams["output.weight"][:, : size.K].any(), "Wo itself still learns from that head")


def check_the_bias_of_the_keys_changes_nothing(size: Sizes, seed: int) -> None:
    """It adds the same to all scores of a row; softmax sees only differences; so its gradient is zero."""
    rng = np.random.default_rng(seed)
    x, source, params, heads, mask = draw_cross(pad_source)(size, rng)
    out, cache = multihead_forward(x, source, params, heads, mask)
    moved = params | {"key.bias": rng.normal(size=size.D)}
    expect_close(multihead_forward(x, source, moved, heads, mask)[0], out, "out with another key.bias", 1e-10)

    _, _, dparams = multihead_backward(rng.normal(size=out.shape), cache)
    share = np.abs(dparams["key.bias"]).max() / np.abs(dparams["value.bias"]).max()
    expect(share < 1e-10, f"the gradient of key.bias: expected 0, got {share:.2g} of that of value.bias")


def check_only_the_queries_come_from_x(size: Sizes, seed: int) -> None:
    """Change one token of x, and only its own output changes; change one of the source, and all may."""
    rng = np.random.default_rng(seed)
    x, source, params, heads, _ = draw_cross(no_mask)(size, rng)
    out, _ = multihead_forward(x, source, params, heads)
    other = x.copy()
    other[:, 0] += 1
    changed, _ = multihead_forward(other, source, params, heads)
    expect_close(
        changed[:, 1:], out[:, 1:], "out at the other tokens, when the first token of x changes", 1e-9
    )

    order = rng.permutation(size.S)
    moved, _ = multihead_forward(x, source[:, order], params, heads)
    expect_close(moved, out, "out with the source in another order", 1e-10)


def check_self_attention_is_attention_to_itself(size: Sizes, seed: int) -> None:
    """The same numbers, and as gradient of x the sum of what x gets as asker and as source."""
    rng = np.random.default_rng(seed)
    x, params, heads, mask = draw_self(each_its_own)(size, rng)
    out, cache = self_attention_forward(x, params, heads, mask)
    crossed, both = multihead_forward(x, x, params, heads, mask)
    expect_close(out, crossed, "self-attention beside attention from x to x")
    dout = rng.normal(size=out.shape)
    asker, source, _ = multihead_backward(dout, both)
    expect_close(self_attention_backward(dout, cache)[0], asker + source, "dx of self-attention", 1e-10)


def check_dropout_is_that_of_the_weights(size: Sizes, seed: int) -> None:
    """At rate 1/2 each weight is doubled or left out, in each head by itself.

    All values are 1 and there is one key, of weight 1: a head finds 0 or 2.
    """
    D = size.D
    params: Parameters = {}
    for name in ("query", "key", "value", "output"):
        params |= {f"{name}.weight": np.eye(D), f"{name}.bias": np.zeros(D)}
    x, source = np.zeros((size.B, 64, D)), np.ones((size.B, 1, D))
    rng = np.random.default_rng(seed)
    found, _ = multihead_forward(x, source, params, size.H, None, 0.5, rng)
    heads = split_heads(found, size.H)
    expect(np.isin(heads, (0, 2)).all(), "a weight of 1 at rate 1/2 must become 0 or 2")
    expect(0 < heads.mean() < 2, "at rate 1/2, of many weights: all are left out, or none")
    expect(np.ptp(heads, axis=-1).max() == 0, "a weight left out takes all numbers of the value with it")
    if size.H > 1:
        expect(np.any(heads[:, 0] != heads[:, 1]), "each head draws by itself which weights are left out")
    own, _ = self_attention_forward(np.ones((1, 1, D)), params, size.H, None, 0.5, np.random.default_rng(1))
    expect(np.isin(own, (0, 2)).all(), "self_attention_forward must hand on rate and generator")


def check_heads_that_do_not_divide_the_width_are_refused(size: Sizes) -> None:
    for heads in (0, size.D + 1):
        try:
            split_heads(np.zeros((size.B, size.T, size.D)), heads)
        except ValueError:
            continue
        raise CheckError(f"{size.D} features in {heads} heads: expected a ValueError, got none")
