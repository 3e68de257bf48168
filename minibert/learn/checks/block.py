"""What the transformer blocks must fulfil."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from minibert.byhand.attention import causal_mask, padding_mask
from minibert.byhand.block import (
    add_norm_forward,
    block_backward,
    block_forward,
    cross_block_backward,
    cross_block_forward,
    prenorm_block_backward,
    prenorm_block_forward,
)
from minibert.byhand.feedforward import feedforward_forward
from minibert.byhand.layernorm import layernorm_backward, layernorm_forward
from minibert.byhand.multihead import multihead_forward, self_attention_forward
from minibert.byhand.parameters import Array, Mask, Parameters, join, part
from minibert.learn.checks.block_twins import (
    Settings,
    bart_layer,
    bert_layer,
    torch_twin,
    transformers_block,
    transformers_prenorm,
)
from minibert.learn.checks.multihead import draw_params
from minibert.learn.compare import expect, expect_close
from minibert.learn.proof import Case
from minibert.learn.sizes import Sizes

ALL = 1 - 1e-9
"""A rate of dropout at which nothing stays."""


PLAIN, DROPPING = Settings(), Settings("gelu_tanh", 0.1, 0.4, 0.3)


def run_block(x: Array, params: Parameters, heads: int, mask: Mask | None, settings: Settings):
    return block_forward(x, params, heads, mask, *settings.arguments)


def run_prenorm(x: Array, params: Parameters, heads: int, mask: Mask | None, settings: Settings):
    return prenorm_block_forward(x, params, heads, mask, *settings.arguments)


def run_cross(
    x: Array,
    source: Array,
    params: Parameters,
    heads: int,
    mask: Mask | None,
    source_mask: Mask | None,
    settings: Settings,
):
    return cross_block_forward(x, source, params, heads, mask, source_mask, *settings.arguments)


def draw_block(size: Sizes, rng: np.random.Generator, cross: bool = False) -> Parameters:
    """Return the parameters of a block, all numbers drawn, also those of the norms."""
    D, F = size.D, size.F

    def norm() -> Parameters:
        return {"weight": 1 + 0.5 * rng.normal(size=D), "bias": rng.normal(size=D)}

    feedforward: Parameters = {
        "expand.weight": 0.5 * rng.normal(size=(F, D)),
        "expand.bias": rng.normal(size=F),
        "contract.weight": 0.5 * rng.normal(size=(D, F)),
        "contract.bias": rng.normal(size=D),
    }
    params = join(attention=draw_params(D, rng), attention_norm=norm())
    params |= join(feedforward=feedforward, feedforward_norm=norm())
    return params | join(cross=draw_params(D, rng), cross_norm=norm()) if cross else params


def pad(size: Sizes, length: int) -> Mask:
    """Return a mask (B, 1, 1, length): the last token of the last sequence is padding, unless it is alone."""
    attend = np.ones((size.B, length), dtype=bool)
    attend[-1, -1] = length == 1
    return padding_mask(attend)


def narrow(size: Sizes) -> Sizes:
    """Return narrow sizes: finite differences run a block twice for each of its parameters."""
    return size._replace(K=min(size.K, 2), F=min(size.F, 3))


def draw_with(masked: str = "", settings: Settings = PLAIN):
    def draw(size: Sizes, rng: np.random.Generator) -> tuple[Array, Parameters, int, Mask | None, Settings]:
        """Return x (B, T, D), the parameters, H, a mask, and the settings."""
        size = narrow(size)
        x = rng.normal(size=(size.B, size.T, size.D))
        mask = {"": None, "causal": causal_mask(size.T), "padding": pad(size, size.T)}[masked]
        return x, draw_block(size, rng), size.H, mask, settings

    return draw


def draw_cross(padded: bool = False, settings: Settings = PLAIN):
    def draw(size: Sizes, rng: np.random.Generator) -> tuple[Any, ...]:
        """Return x (B, T, D), source (B, S, D), the parameters, H, two masks, and the settings."""
        size = narrow(size)
        x, source = (rng.normal(size=(size.B, length, size.D)) for length in (size.T, size.S))
        source_mask = pad(size, size.S) if padded else None
        return x, source, draw_block(size, rng, True), size.H, causal_mask(size.T), source_mask, settings

    return draw


def block_case(name: str, draw: Callable[..., Any]) -> Case:
    return Case(name, run_block, block_backward, draw, torch_twin("Block"), transformers_block)


def prenorm_case(name: str, draw: Callable[..., Any]) -> Case:
    twin = torch_twin("PreNormBlock")
    return Case(name, run_prenorm, prenorm_block_backward, draw, twin, transformers_prenorm)


def cross_case(name: str, draw: Callable[..., Any], theirs: Callable[..., Any] = bert_layer) -> Case:
    return Case(name, run_cross, cross_block_backward, draw, torch_twin("CrossBlock"), theirs)


CASES = [
    block_case("post-norm", draw_with()),
    block_case("post-norm, padding", draw_with("padding", Settings("relu"))),
    block_case("post-norm, causal", draw_with("causal")),
    block_case("post-norm, dropout", draw_with("", DROPPING)),
    prenorm_case("pre-norm", draw_with()),
    prenorm_case("pre-norm, causal", draw_with("causal")),
    prenorm_case("pre-norm, dropout", draw_with("causal", DROPPING)),
    cross_case("cross-attention", draw_cross()),
    cross_case("cross-attention, padding, dropout", draw_cross(True, DROPPING)),
    cross_case("cross-attention, as in BART", draw_cross(True, Settings("gelu", 1e-5)), bart_layer),
]


# Cases by hand, and what must always hold.


def by_hand_params() -> Parameters:
    """Return the parameters of a block for one token of 4 features, which can only attend to itself.

    The norm of attention has the scale 5. The feed-forward (with relu) adds 6 times feature 2 to feature 2,
    and takes as much from feature 1. The attention's value is its input; its output, a case fills in.
    """
    no_weight, no_bias = np.zeros((4, 4)), np.zeros(4)
    contract = no_weight.copy()
    contract[[1, 2], 2] = -6, 6
    attention: Parameters = {f"{name}.weight": no_weight for name in ("query", "key", "output")}
    attention |= {f"{name}.bias": no_bias for name in ("query", "key", "value", "output")}
    attention["value.weight"] = np.eye(4)
    feedforward: Parameters = {"expand.weight": np.eye(4), "contract.weight": contract}
    feedforward |= {"expand.bias": no_bias, "contract.bias": no_bias}
    large: Parameters = {"weight": np.full(4, 5.0), "bias": no_bias}
    plain: Parameters = {"weight": np.ones(4), "bias": no_bias}
    return join(attention=attention, attention_norm=large, feedforward=feedforward, feedforward_norm=plain)


def check_a_post_norm_case_by_hand() -> None:
    """x = (4, 8, 11, 17), and the attention gives (-x0 / 4, x1 / 8, 0, 0) = (-1, 1, 0, 0).

    The sum (3, 9, 11, 17) has mean 10 and size 5, so middle = (-7, -1, 1, 7). The feed-forward gives
    (0, -6, 6, 0); the sum (-7, -7, 7, 7) has size 7, so out = (-1, -1, 1, 1).

    Back with dout = (14, 0, 0, 0): through the norm (1, -1, 0, 0). Of the feed-forward's units only 2 is
    above zero, and brings (0, 0, 6, 0) more: dmiddle = (1, -1, 6, 0). Times the scale, that has mean 7.5, and
    nothing along the size: through the norm (-0.5, -2.5, 4.5, -1.5). By the attention comes a quarter of the
    first of these, negative, and an eighth of the second.
    """
    params = by_hand_params() | {"attention.output.weight": np.diag([-1 / 4, 1 / 8, 0, 0])}
    out, cache = block_forward(np.array([[[4.0, 8, 11, 17]]]), params, 1, None, "relu")
    expect_close(out, np.array([[[-1.0, -1, 1, 1]]]), "out of x = (4, 8, 11, 17)")

    dx, dparams = block_backward(np.array([[[14.0, 0, 0, 0]]]), cache)
    expect_close(dx, np.array([[[-0.375, -2.8125, 4.5, -1.5]]]), "dx under dout = (14, 0, 0, 0)")
    expected = {
        "feedforward_norm.weight": [-14.0, 0, 0, 0],
        "feedforward.contract.bias": [1.0, -1, 0, 0],
        "feedforward.expand.bias": [0.0, 0, 6, 0],
        "attention_norm.bias": [1.0, -1, 6, 0],
        "attention.output.bias": [-0.5, -2.5, 4.5, -1.5],
        "attention.value.bias": [0.125, -0.3125, 0, 0],
    }
    for name, values in expected.items():
        expect_close(dparams[name], np.array(values), f"the gradient of {name}")


def check_a_pre_norm_case_by_hand() -> None:
    """x = (3, 9, 11, 17) has mean 10 and size 5: times the scale 5, its norm is (-7, -1, 1, 7).

    The attention adds 4 times feature 2 of that to all features, so middle = (7, 13, 15, 21), whose norm,
    with a scale of 5 here too, is the same; and the feed-forward adds (0, -6, 6, 0): out = (7, 7, 21, 21).

    Back with dout = (0, 0, 1, 0): the feed-forward brings (0, 0, 6, 0), times the scale (0, 0, 30, 0), and
    through the norm (-1.08, -1.44, 4.44, -1.92); so dmiddle has 5.44 in feature 2, and the sum 1. By the
    attention comes 4 times that sum in feature 2, through scale and norm (-0.72, -0.96, 2.96, -1.28).
    """
    output = np.zeros((4, 4))
    output[:, 2] = 4
    params = by_hand_params() | {"attention.output.weight": output}
    params["feedforward_norm.weight"] = params["attention_norm.weight"]
    out, cache = prenorm_block_forward(np.array([[[3.0, 9, 11, 17]]]), params, 1, None, "relu")
    expect_close(out, np.array([[[7.0, 7, 21, 21]]]), "out of x = (3, 9, 11, 17)")

    dx, dparams = prenorm_block_backward(np.array([[[0.0, 0, 1, 0]]]), cache)
    expect_close(dx, np.array([[[-1.8, -2.4, 8.4, -3.2]]]), "dx under dout = (0, 0, 1, 0)")
    expect_close(
        dparams["attention.output.bias"],
        np.array([-1.08, -1.44, 5.44, -1.92]),
        "the gradient of attention.output.bias, which is that of middle",
    )


def check_a_block_is_its_equations(size: Sizes, seed: int) -> None:
    """Written out with the parts, which have checks of their own."""
    x, source, params, heads, mask, _, _ = draw_cross()(size, np.random.default_rng(seed))

    def norm(x: Array, name: str) -> Array:
        return layernorm_forward(x, params[f"{name}.weight"], params[f"{name}.bias"])[0]

    def attend(x: Array) -> Array:
        return self_attention_forward(x, part(params, "attention"), heads, mask)[0]

    def think(x: Array) -> Array:
        return feedforward_forward(x, part(params, "feedforward"))[0]

    middle = norm(x + attend(x), "attention_norm")
    expected = norm(middle + think(middle), "feedforward_norm")
    expect_close(block_forward(x, params, heads, mask)[0], expected, "out of post-norm")

    middle = x + attend(norm(x, "attention_norm"))
    expected = middle + think(norm(middle, "feedforward_norm"))
    expect_close(prenorm_block_forward(x, params, heads, mask)[0], expected, "out of pre-norm")

    first = norm(x + attend(x), "attention_norm")
    read, _ = multihead_forward(first, source, part(params, "cross"), heads)
    second = norm(first + read, "cross_norm")
    expected = norm(second + think(second), "feedforward_norm")
    expect_close(cross_block_forward(x, source, params, heads, mask)[0], expected, "out of the decoder")


def check_without_more_said_epsilon_is_tiny_and_nothing_is_dropped(size: Sizes, seed: int) -> None:
    """Tokens of size 1e-6, whose variance is about as large as the epsilon of BERT, 1e-12."""
    x, source, params, heads, mask, _, _ = draw_cross()(size, np.random.default_rng(seed))
    x, params = 1e-6 * x, silent(params)
    norm = {"weight": params["attention_norm.weight"], "bias": params["attention_norm.bias"]}
    once, _ = layernorm_forward(x, norm["weight"], norm["bias"], 1e-12)
    expect_close(add_norm_forward(x / 2, x / 2, norm)[0], once, "the norm of a sum, 1e-6 large")

    settings = PLAIN._replace(eps=1e-12)
    expected, _ = run_block(x, params, heads, mask, settings)
    expect_close(block_forward(x, params, heads, mask)[0], expected, "out of post-norm, x 1e-6 large")
    expected, _ = run_prenorm(x, params, heads, mask, settings)
    expect_close(prenorm_block_forward(x, params, heads, mask)[0], expected, "out of pre-norm, x 1e-6 large")
    expected, _ = run_cross(x, source, params, heads, mask, None, settings)
    got, _ = cross_block_forward(x, source, params, heads, mask)
    expect_close(got, expected, "out of the decoder, x 1e-6 large")


def silent(params: Parameters) -> Parameters:
    """Return the parameters with all branches giving zero."""
    ends = ("attention.output.", "cross.output.", "feedforward.contract.")
    return {name: 0 * value if name.startswith(ends) else value for name, value in params.items()}


def norms(x: Array, dout: Array, params: Parameters, *names: str) -> tuple[Array, Array]:
    """Return x through norms alone, one after the other, and dout back through them."""
    caches = []
    for name in names:
        x, cache = layernorm_forward(x, params[f"{name}.weight"], params[f"{name}.bias"])
        caches.append(cache)
    for cache in reversed(caches):
        dout, _, _ = layernorm_backward(dout, cache)
    return x, dout


def each_block(
    source: Array, params: Parameters, heads: int, mask: Mask | None, settings: Settings = PLAIN
) -> Iterator[tuple[str, Callable[[Array], tuple[Array, Any]], Callable[[Array, Any], Any]]]:
    """Yield the name of each block, x -> (out, cache), and its backward pass, whose first result is dx."""
    yield "post-norm", lambda x: run_block(x, params, heads, mask, settings), block_backward
    yield "pre-norm", lambda x: run_prenorm(x, params, heads, mask, settings), prenorm_block_backward
    cross = lambda x: run_cross(x, source, params, heads, mask, None, settings)  # noqa: E731
    yield "the decoder", cross, cross_block_backward


def check_silent_branches_leave_the_straight_way(size: Sizes, seed: int) -> None:
    """Where all branches give zero, or all of them is dropped: the norms alone, and in pre-norm nothing."""
    rng = np.random.default_rng(seed)
    x, source, params, heads, mask, _, _ = draw_cross()(size, rng)
    dout = rng.normal(size=x.shape)
    straight = {
        "post-norm": ("attention_norm", "feedforward_norm"),
        "pre-norm": (),
        "the decoder": ("attention_norm", "cross_norm", "feedforward_norm"),
    }
    for what, weights, rate in (("give zero", silent(params), 0.0), ("are dropped", params, ALL)):
        settings = PLAIN._replace(rate=rate)
        for name, forward, backward in each_block(source, weights, heads, mask, settings):
            out, cache = forward(x)
            expected, dexpected = norms(x, dout, weights, *straight[name])
            expect_close(out, expected, f"out of {name} where the branches {what}")
            expect_close(
                backward(dout, cache)[0], dexpected, f"dx of {name} where the branches {what}", 1e-10
            )


def check_without_attention_weights_only_the_bias_is_heard(size: Sizes, seed: int) -> None:
    """All attention weights dropped, at another rate than the branches, is the same as values of zero."""
    x, source, params, heads, mask, _, _ = draw_cross()(size, np.random.default_rng(seed))
    blank = {name: 0 * value if ".value." in name else value for name, value in params.items()}
    dropping = each_block(source, params, heads, mask, PLAIN._replace(attention_rate=ALL))
    for (name, forward, _), (_, plain, _) in zip(
        dropping, each_block(source, blank, heads, mask), strict=True
    ):
        expect_close(forward(x)[0], plain(x)[0], f"out of {name} where all attention weights are dropped")


def check_epsilon_is_the_one_asked_for(size: Sizes, seed: int) -> None:
    """A huge epsilon leaves of a norm only its shift: what pre-norm adds is then the same for all x."""
    x, source, params, heads, mask, _, _ = draw_cross()(size, np.random.default_rng(seed))
    shift, moved = np.broadcast_to(params["feedforward_norm.bias"], x.shape), x + np.arange(x.shape[-1])
    for name, forward, _ in each_block(source, params, heads, mask, PLAIN._replace(eps=1e30)):
        out, _ = forward(x)
        if name == "pre-norm":
            expect_close(forward(moved)[0] - moved, out - x, "what pre-norm adds, epsilon 1e30", 1e-10)
        else:
            expect_close(out, shift, f"out of {name} with an epsilon of 1e30")


def check_post_norm_gives_mean_zero_and_variance_one(size: Sizes, seed: int) -> None:
    """Where the last norm has the scale 1 and the shift 0; and so does the decoder's block."""
    x, source, params, heads, mask, _, _ = draw_cross()(size, np.random.default_rng(seed))
    D = x.shape[-1]
    params |= {"feedforward_norm.weight": np.ones(D), "feedforward_norm.bias": np.zeros(D)}
    for name, forward, _ in each_block(source, params, heads, mask):
        out, _ = forward(x)
        if name != "pre-norm":
            largest = np.abs(out.mean(axis=-1)).max()
            expect(largest < 1e-12, f"the mean of each token of {name}: expected 0, got {largest:.3g}")
            expect_close(out.var(axis=-1), np.ones(out.shape[:-1]), f"the variances of {name}", 1e-9)


def check_the_order_of_the_tokens_does_not_matter_without_a_mask(size: Sizes, seed: int) -> None:
    """Nor does that of the source's tokens."""
    rng = np.random.default_rng(seed)
    x, source, params, heads, _, _, _ = draw_cross()(size, rng)
    order, source_order = rng.permutation(size.T), rng.permutation(size.S)
    reordered = each_block(source[:, source_order], params, heads, None)
    for (name, forward, _), (_, other, _) in zip(
        each_block(source, params, heads, None), reordered, strict=True
    ):
        straight, moved = forward(x)[0], other(x[:, order])[0]
        expect_close(moved, straight[:, order], f"out of {name} for reordered tokens", 1e-10)


def check_a_causal_block_does_not_see_the_future(size: Sizes, seed: int) -> None:
    """Other tokens after the first change nothing at the first; and it learns nothing from them."""
    rng = np.random.default_rng(seed)
    x, source, params, heads, mask, _, _ = draw_cross()(size._replace(T=size.T + 1), rng)
    future = np.concatenate([x[:, :1], rng.normal(size=x[:, 1:].shape)], axis=1)
    dout = np.zeros_like(x)
    dout[:, 0] = rng.normal(size=x[:, 0].shape)
    for name, forward, backward in each_block(source, params, heads, mask):
        out, cache = forward(x)
        other, _ = forward(future)
        expect_close(other[:, 0], out[:, 0], f"the first token of {name} with another future")
        largest = np.abs(backward(dout, cache)[0][:, 1:]).max()
        expect(largest == 0, f"dx of {name} after the first token: expected 0, got {largest:.3g}")


def check_a_hidden_source_token_changes_nothing(size: Sizes, seed: int) -> None:
    """It is as if it were not there, and it gets no gradient; the others do."""
    rng = np.random.default_rng(seed)
    size = size._replace(S=size.S + 1)
    x, source, params, heads, mask, _, _ = draw_cross()(size, rng)
    attend = np.ones((size.B, size.S), dtype=bool)
    attend[:, -1] = False
    out, cache = run_cross(x, source, params, heads, mask, padding_mask(attend), PLAIN)
    without, _ = run_cross(x, source[:, :-1], params, heads, mask, None, PLAIN)
    expect_close(without, out, "out without the source token at which none may look")

    _, dsource, _ = cross_block_backward(rng.normal(size=out.shape), cache)
    expect(not dsource[:, -1].any(), "a source token at which none may look gets a gradient")
    expect(dsource[:, :-1].any(), "the source gets no gradient at all")
