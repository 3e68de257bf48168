"""What ModernBERT must fulfil."""

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from minibert.config import ModernBertConfig
from minibert.learn.compare import expect
from minibert.learn.sizes import Sizes
from minibert.learn.tensors import expect_refused, expect_same, filled, leaf
from minibert.model.modernbert import ModernBert, ModernBertBlock, ModernBertForPretraining, within
from minibert.model.position import turns

LONG = 9
"""Tokens: more than fit in the window."""


def config(size: Sizes) -> ModernBertConfig:
    """Return the shape of a small ModernBERT of 4 blocks, of which every third sees the whole sequence."""
    return ModernBertConfig(
        vocab_size=size.V + 4,
        layers=4,
        width=size.D,
        heads=size.H,
        feedforward=size.F,
        max_positions=LONG,
        local_window=4,
        rotary_base=1000.0,
        local_rotary_base=50.0,
        norm_eps=0.1,
    )


def draw(size: Sizes, seed: int) -> tuple[ModernBert, Tensor, Tensor]:
    """Return a random model, ids (B, 9), and attend (B, 9) with padding on the right."""
    ids = torch.randint(size.V + 4, (size.B, LONG), generator=torch.Generator().manual_seed(seed))
    attend = torch.arange(LONG) < LONG - torch.arange(size.B)[:, None]
    return filled(ModernBert(config(size)), seed), ids, attend


def layer_norm(x: Tensor, scale: Tensor) -> Tensor:
    """Normalise without a shift, written out."""
    centred = x - x.mean(-1, keepdim=True)
    return centred / torch.sqrt(centred.square().mean(-1, keepdim=True) + 0.1) * scale


def near(reach: int) -> Tensor:
    """Return who may attend to whom within a window, (9, 9)."""
    return torch.tensor([[abs(i - j) <= reach for j in range(LONG)] for i in range(LONG)])


def check_a_window_reaches_as_far_to_both_sides(size: Sizes, seed: int) -> None:
    """Also the tokens exactly at its edge; and what the mask hides stays hidden."""
    _, _, attend = draw(size, seed)
    for reach in (1, 2, 7):
        expect_same(within(None, LONG, reach, attend.device), near(reach), f"a window that reaches {reach}")
        both = within(attend[:, None, None], LONG, reach, attend.device)
        expected = near(reach) & attend[:, None, None]
        expect_same(both, expected, f"a window that reaches {reach}, and padding")


def check_where_a_window_hides_nothing_there_is_none(size: Sizes, seed: int) -> None:
    """Nine tokens are at most eight apart: then the mask comes back as it was: the kernel is faster so."""
    _, _, attend = draw(size, seed)
    mask = attend[:, None, None]
    for reach in (LONG - 1, LONG, 64):
        expect(within(None, LONG, reach, attend.device) is None, f"a reach of {reach}: expected None")
        expect(
            within(mask, LONG, reach, attend.device) is mask, f"a reach of {reach}: expected the mask itself"
        )


def check_the_block_is_two_branches_each_normed_before(size: Sizes, seed: int) -> None:
    """But the first block takes the embedding as it is."""
    x, places = leaf(seed + 40, size.B, LONG, size.D), torch.arange(LONG)
    angles, mask = turns(places, size.K, dtype=x.dtype), near(2)
    for first in (False, True):
        block = filled(ModernBertBlock(config(size), first), seed)
        start = x if first else layer_norm(x, block.attention_norm.get_parameter("weight"))
        middle = x + block.attention(start, angles, mask)
        expected = middle + block.feedforward(layer_norm(middle, block.feedforward_norm.weight))
        expect_same(block(x, angles, mask), expected, f"the block{', the first of all' * first}")
        rows = torch.tensor([LONG - 1, 3, 3])
        some = block(x, angles, mask, rows)
        expect_same(some, expected.flatten(0, 1)[rows], "the block at some rows")


def check_every_third_block_sees_the_whole_sequence(size: Sizes, seed: int) -> None:
    """Blocks 0 and 3, turned with one base; blocks 1 and 2 see a window, turned with another."""
    model, ids, attend = draw(size, seed)
    places = torch.arange(LONG)
    far, close = (turns(places, size.K, base, torch.float64) for base in (1000.0, 50.0))
    for padding in (None, attend):
        whole = None if padding is None else padding[:, None, None]
        window = near(2) if whole is None else near(2) & whole
        x = layer_norm(model.embedding.tokens.weight[ids], model.embedding.norm.weight)
        for i, block in enumerate(model.blocks):
            x = block(x, far, whole) if i in (0, 3) else block(x, close, window)
        expected = layer_norm(x, model.norm.weight)
        expect_same(
            model(ids, padding),
            expected,
            f"the hidden states, {'with' if padding is not None else 'without'} padding",
        )
        rows = torch.tensor([5, 0, LONG - 1])
        expect_same(model(ids, padding, rows), expected.flatten(0, 1)[rows], "the hidden states at some rows")


def check_other_distances_between_whole_views_are_kept(size: Sizes, seed: int) -> None:
    """Every block sees everything where every first one does."""
    _, ids, _ = draw(size, seed)
    model = filled(ModernBert(replace(config(size), global_every=1)), seed)
    far = turns(torch.arange(LONG), size.K, 1000.0, torch.float64)
    x = layer_norm(model.embedding.tokens.weight[ids], model.embedding.norm.weight)
    for block in model.blocks:
        x = block(x, far, None)
    expect_same(
        model(ids), layer_norm(x, model.norm.weight), "the hidden states, all blocks without a window"
    )


def check_the_words_are_guessed_from_a_transformed_state(size: Sizes, seed: int) -> None:
    """norm(gelu(hidden W)), times the token embedding, plus a bias; segments change nothing."""
    model = filled(ModernBertForPretraining(config(size)), seed)
    _, ids, attend = draw(size, seed)
    hidden = model.bert(ids, attend)
    features = layer_norm(F.gelu(hidden @ model.words.dense.weight.T), model.words.norm.weight)
    logits = features @ model.bert.embedding.tokens.weight.T + model.words.bias
    got = model(ids, torch.ones_like(ids), attend)
    expect_same(got.hidden, hidden, "the hidden states")
    expect_same(got.words, logits, "the words' logits")

    slots = torch.tensor([4, LONG - 1, 0])
    some, pairs = model.features(ids, None, attend, slots)
    expect_same(some, features.flatten(0, 1)[slots], "the words' features at the slots")
    expect(pairs is None, "there are no logits of pairs: expected None")
    expect_same(model(ids, None, attend, slots).words, logits.flatten(0, 1)[slots], "the logits at the slots")


def check_what_does_not_fit_is_refused(size: Sizes) -> None:
    """A sequence longer than the positions, ids outside of the vocabulary, and an attend of numbers."""
    model = ModernBert(config(size))
    ids = torch.zeros(1, LONG, dtype=torch.int64)
    expect_refused(lambda: model(torch.zeros(1, LONG + 1, dtype=torch.int64)), f"{LONG + 1} tokens")
    expect_refused(lambda: model(ids + size.V + 4), "an id outside of the vocabulary")
    expect_refused(lambda: model(ids, torch.ones(1, LONG)), "an attend of numbers")
