"""What Llama and Qwen must fulfil."""

from typing import Any

import torch
from torch import Tensor

from minibert.config import LlamaConfig, QwenConfig
from minibert.learn.compare import expect
from minibert.learn.sizes import Sizes
from minibert.learn.tensors import expect_refused, expect_same, filled, leaf
from minibert.model.attention import scaled_dot_product
from minibert.model.llama import Llama, LlamaAttention, LlamaBlock, Qwen, QwenAttention
from minibert.model.multihead import merge_heads
from minibert.model.position import rotary, turns
from minibert.model.rmsnorm import rmsnorm_plain


def config(size: Sizes, kind: Any = LlamaConfig) -> LlamaConfig:
    """Return the shape of a small Llama: 4 heads of queries, 2 of keys, and an epsilon that is seen."""
    return kind(
        vocab_size=size.V,
        layers=size.L,
        width=4 * size.K,
        heads=4,
        key_heads=2,
        feedforward=size.F,
        max_positions=size.T + 4,
        rotary_base=100.0,
        norm_eps=0.1,
    )


def draw_x(size: Sizes, seed: int) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor]]:
    """Return x (B, T, D), positions that do not begin at 0, and their turns."""
    x, places = leaf(seed + 50, size.B, size.T, 4 * size.K), 2 + torch.arange(size.T)
    return x, places, turns(places, size.K, 100.0, x.dtype)


def draw_ids(size: Sizes, seed: int, length: int) -> Tensor:
    """Return ids (B, length)."""
    return torch.randint(size.V, (size.B, length), generator=torch.Generator().manual_seed(seed))


def causal(T: int) -> Tensor:
    """Return the mask (T, T) under which no token looks ahead."""
    return torch.ones(T, T, dtype=torch.bool).tril()


# ------------------------------------------------------------ Qwen's queries and keys


def check_queries_and_keys_are_normed_then_turned(size: Sizes, seed: int) -> None:
    """Each head by itself, with the scales of queries and of keys; values are neither normed nor turned."""
    layer = filled(QwenAttention(config(size, QwenConfig)), seed)
    x, places, angles = draw_x(size, seed)
    query, key, value = layer.project(x, angles)
    K = size.K
    for name, got, weight, scale in (
        ("queries", query, layer.query.weight, layer.query_norm.weight),
        ("keys", key, layer.key.weight, layer.key_norm.weight),
        ("values", value, layer.value.weight, None),
    ):
        for h in range(len(weight) // K):
            expected = (x @ weight[h * K : (h + 1) * K].T)[:, None]  # (B, 1, T, K)
            if scale is not None:
                expected = rotary(rmsnorm_plain(expected, scale, 0.1), places, 100.0)
            expect_same(got[:, [h]], expected, f"the {name} of head {h}")


# ------------------------------------------------------------ the attention and the block


def check_no_token_looks_ahead(size: Sizes, seed: int) -> None:
    """The numbers are those of attention under the causal mask."""
    layer = filled(LlamaAttention(config(size)), seed)
    x, _, angles = draw_x(size, seed)
    query, key, value = layer.project(x, angles)
    key, value = key.repeat_interleave(2, 1), value.repeat_interleave(2, 1)
    attended, _ = scaled_dot_product(query, key, value, causal(size.T))
    expected = merge_heads(attended) @ layer.output.weight.T
    expect_same(layer(x, angles), expected, "out, beside attention under the causal mask")


def check_with_a_past_a_token_looks_at_it_too(size: Sizes, seed: int) -> None:
    """The last token, behind the others in the memory, gets what it gets with them."""
    shape = config(size)
    layer, model = filled(LlamaAttention(shape), seed), Llama(shape)
    x, _, (cosine, sine) = draw_x(size, seed)
    x = torch.cat([x, x[:, :1] + 1], 1).detach()  # (B, T + 1, D)
    angles = turns(2 + torch.arange(size.T + 1), size.K, 100.0, x.dtype)
    whole = layer(x, angles)
    state = model.double().new_state(size.B, size.T + 1)
    state.grow(size.T)
    expect_same(
        layer(x[:, :-1], (cosine, sine), state.layers[0]), whole[:, :-1], "the first tokens, with a memory"
    )
    state.grow(1)
    last = layer(x[:, -1:], tuple(part[:, -1:] for part in angles), state.layers[0])
    expect_same(last, whole[:, -1:], "the last token, behind the others in the memory")


def check_the_block_is_two_branches_each_normed_before(size: Sizes, seed: int) -> None:
    """x + attention(norm(x)), then x + feedforward(norm(x)), each norm with its own scale."""
    shape = config(size)
    block = filled(LlamaBlock(shape, LlamaAttention(shape)), seed)
    x, _, angles = draw_x(size, seed)
    middle = x + block.attention(rmsnorm_plain(x, block.attention_norm.weight, 0.1), angles)
    expected = middle + block.feedforward(rmsnorm_plain(middle, block.feedforward_norm.weight, 0.1))
    expect_same(block(x, angles), expected, "the block")


# ------------------------------------------------------------ the stack


def check_the_features_are_those_of_every_block_and_a_last_norm(size: Sizes, seed: int) -> None:
    """The embedding, one block after the other, all with the turns of the positions 0 to T - 1."""
    for kind, shape in ((Llama, config(size)), (Qwen, config(size, QwenConfig))):
        model, ids = filled(kind(shape), seed), draw_ids(size, seed, size.T)
        angles = turns(torch.arange(size.T), size.K, 100.0, torch.float64)
        x = model.tokens.weight[ids]
        for block in model.blocks:
            x = block(x, angles)
        expected = rmsnorm_plain(x, model.norm.weight, 0.1)
        expect_same(model.features(ids), expected, f"the features of a {kind.__name__}")
        expect_same(model(ids), expected @ model.tokens.weight.T, f"the logits of a {kind.__name__}")


def check_with_a_memory_the_text_goes_on(size: Sizes, seed: int) -> None:
    """Token by token the features are those of the whole text."""
    model, ids = filled(Llama(config(size)), seed), draw_ids(size, seed, size.T + 2)
    whole, state = model.features(ids), model.new_state(size.B, size.T + 2)
    pieces = [model.features(ids[:, : size.T], state)]
    pieces += [model.features(ids[:, [t]], state) for t in (size.T, size.T + 1)]
    expect_same(torch.cat(pieces, 1), whole, "the features of a text in three pieces")


def check_positions_count_from_where_each_text_begins(size: Sizes, seed: int) -> None:
    """Padding on the left changes nothing for the text behind it."""
    model, ids = filled(Llama(config(size)), seed), draw_ids(size, seed, size.T + 2)
    starts = torch.arange(size.B) % 3
    together = model.features(ids, model.new_state(size.B, size.T + 2, starts))
    for b, start in enumerate(starts.tolist()):
        alone = model.features(ids[b : b + 1, start:])
        expect_same(together[b : b + 1, start:], alone, f"a text behind {start} columns of padding")


def check_what_does_not_fit_is_refused(size: Sizes) -> None:
    """A text longer than the positions, and ids outside of the vocabulary."""
    model, most = Llama(config(size)), size.T + 4
    expect_refused(lambda: model.features(torch.zeros(1, most + 1, dtype=torch.int64)), f"{most + 1} tokens")
    expect_refused(
        lambda: model.features(torch.tensor([[size.V]])), f"the id {size.V}, of a vocabulary of it"
    )
    state = model.new_state(1, 2)
    expect_refused(lambda: model.features(torch.tensor([[size.V]]), state), "such an id with a memory")
    expect(state.filled == 0, "an id that was refused has taken a place in the memory")


def check_a_new_model_draws_what_it_should(size: Sizes, seed: int) -> None:
    """Noise of init_std by the generator; the last matrix of each branch is zero, and norms are one."""
    models = [Llama(config(size), torch.Generator().manual_seed(seed)) for _ in range(2)]
    for (name, weight), same in zip(models[0].named_parameters(), models[1].parameters(), strict=True):
        expect(torch.equal(weight, same), f"{name}: the same generator gives other numbers")
        if weight.ndim == 1:
            expect(bool((weight == 1).all()), f"{name} must start at 1")
        elif name.endswith(("output.weight", "contract.weight")):
            expect(not weight.any(), f"{name}, the last of a branch, must start at 0")
        else:
            spread = float(weight.detach().square().mean().sqrt())
            few = 0.02 * 5 / weight.numel() ** 0.5
            expect(abs(spread - 0.02) < few, f"{name} must start as noise of 0.02, got {spread:.3g}")
