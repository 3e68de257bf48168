"""Tests of a function, which the learner writes: right versions must pass, and wrong ones must not.

Each takes the function that it tests as its argument, and raises AssertionError where that is wrong.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minibert.byhand.gradcheck import central_differences
from minibert.byhand.layernorm import layernorm_forward
from minibert.byhand.linear import linear_forward
from minibert.byhand.loss import IGNORE
from minibert.learn.compare import expect, expect_close


def judge_linear_backward(linear_backward: Callable[..., Any]) -> None:
    """Test a backward pass of the linear layer with finite differences.

    L = sum(y dy) is a number, and its slope in an entry of x, weight or bias is
    (L(entry + e) - L(entry - e)) / 2e, but for O(e^2). The gradients must be these slopes.

    Args:
        linear_backward: (dy, cache) -> dx, dweight, dbias; the cache comes from `linear_forward`.

    Raises:
        AssertionError: a gradient differs from the slopes by more than rounding and e^2 explain.
    """
    rng = np.random.default_rng(0)
    arguments = rng.normal(size=(2, 3, 4)), rng.normal(size=(5, 4)), rng.normal(size=5)
    y, cache = linear_forward(*arguments)
    dy = rng.normal(size=y.shape)  # at random: a dy of ones hides a dy that is forgotten
    gradients = linear_backward(dy, cache)

    step = 1e-5
    for name, array, gradient in zip(("x", "weight", "bias"), arguments, gradients, strict=True):
        slopes = np.empty_like(array)
        for index in np.ndindex(array.shape):
            kept = array[index]
            array[index] = kept + step
            above = (linear_forward(*arguments)[0] * dy).sum()
            array[index] = kept - step
            below = (linear_forward(*arguments)[0] * dy).sum()
            array[index] = kept
            slopes[index] = (above - below) / (2 * step)
        expect_close(gradient, slopes, f"the gradient of {name}", 1e-7)


def judge_softmax(softmax_forward: Callable[..., Any]) -> None:
    """Test a softmax under a mask.

    Args:
        softmax_forward: (scores, mask=None) -> weights, cache; right as the docstring of
            `minibert.byhand.attention.softmax_forward` says. What the cache holds is its own affair.

    Raises:
        AssertionError: the weights are wrong: of plain rows, of rows with hidden keys, of a row that may
            attend to nothing, or of scores so large or so far apart that exp overflows or vanishes.
    """
    tolerance = 1e-9
    scores = np.log([[1.0, 2.0, 5.0], [1.0, 1.0, 2.0]])  # two rows that differ
    shares = np.array([[1 / 8, 2 / 8, 5 / 8], [1 / 4, 1 / 4, 2 / 4]])
    weights, _ = softmax_forward(scores)
    expect_close(weights, shares, "the weights", tolerance)

    mask = np.array([[True, False, True], [False, True, False]])
    weights, _ = softmax_forward(scores, mask)
    expect_close(weights, np.array([[1 / 6, 0, 5 / 6], [0, 1, 0]]), "the weights under a mask", tolerance)

    weights, _ = softmax_forward(scores, np.array([[True], [False]]))
    expect_close(weights[1], np.zeros(3), "the weights of a row that may attend to nothing", tolerance)

    weights, _ = softmax_forward(scores + [[1000.0], [-1000.0]])
    expect_close(weights, shares, "the weights of rows moved by 1000 and -1000", tolerance)


def judge_layernorm_backward(layernorm_backward: Callable[..., Any]) -> None:
    """Test a backward pass of layer normalisation.

    Args:
        layernorm_backward: (dy, cache) -> dx, dscale, dshift; the cache comes from `layernorm_forward`.

    Raises:
        AssertionError: a gradient is wrong, for whatever x, scale and dy.
    """
    rng = np.random.default_rng(0)
    x, scale, shift = 3 * rng.normal(size=(2, 3, 5)) + 1, rng.normal(size=5), rng.normal(size=5)
    y, cache = layernorm_forward(x, scale, shift)
    dy = rng.normal(size=y.shape)  # neither ones nor y, for which the true gradient may be zero

    gradients = layernorm_backward(dy, cache)
    for name, array, gradient in zip(("x", "scale", "shift"), (x, scale, shift), gradients, strict=True):
        slopes = central_differences(lambda: (layernorm_forward(x, scale, shift)[0] * dy).sum(), array)
        largest = np.abs(gradient - slopes).max()
        expect(largest < 1e-6, f"the gradient of {name} is wrong by {largest:.3g}")


def judge_cross_entropy(cross_entropy_forward: Callable[..., Any]) -> None:
    """Test a cross-entropy with ignored positions and smoothing.

    Args:
        cross_entropy_forward: (logits, targets, smoothing=0.0) -> loss, cache; right as the docstring of
            `minibert.byhand.loss.cross_entropy_forward` says. What the cache holds is its own affair.

    Raises:
        AssertionError: the loss is wrong: where all targets count, where some or all are ignored, or with
            smoothing.
    """
    shares = np.array([[1.0, 2.0, 5.0], [2.0, 1.0, 1.0], [1.0, 3.0, 4.0]])
    targets = np.array([2, 0, 1])
    costs = np.log(shares.sum(axis=1) / shares[[0, 1, 2], targets])  # log 8/5, log 4/2, log 8/3
    loss, _ = cross_entropy_forward(np.log(shares), targets)
    expect_close(loss, costs.mean(), "the loss", 1e-9)

    targets[2] = IGNORE
    loss, _ = cross_entropy_forward(np.log(shares), targets)
    expect_close(loss, costs[:2].mean(), "the loss where the third position is ignored", 1e-9)

    loss, _ = cross_entropy_forward(np.log(shares), np.full(3, IGNORE))
    expect_close(loss, 0.0, "the loss where no target counts")

    loss, _ = cross_entropy_forward(np.log([[1.0, 2.0, 5.0]]), np.array([2]), 0.3)
    cost = 0.1 * math.log(8 / 1) + 0.1 * math.log(8 / 2) + 0.8 * math.log(8 / 5)
    expect_close(loss, cost, "the loss with smoothing 0.3: a tenth for each class, and 0.7 more", 1e-9)


def judge_adamw(adamw: Callable[..., Any]) -> None:
    """Test a step of AdamW.

    Args:
        adamw: (w, g, m, v, step, lr, betas, eps, decay) -> w, m, v; right as the docstring of
            `minibert.byhand.optimizer.adamw` says. It must leave its arguments as they are.

    Raises:
        AssertionError: a weight is wrong after the first step or a later one, or an argument was changed.
    """
    gradients = np.array([[1.0, -2.0], [3.0, 0.5], [-1.0, 0.25], [0.5, 4.0]])
    b1, b2, eps, decay = 0.8, 0.95, 0.1, 0.3
    w, m, v = np.array([1.0, -2.0]), np.zeros(2), np.zeros(2)
    for step, lr in enumerate((0.1, 0.2, 0.05, 0.1), start=1):
        seen, age = gradients[:step], np.arange(step)[::-1]
        mean = np.average(seen, axis=0, weights=b1**age)  # what the correction makes of m: a weighted mean
        size = np.sqrt(np.average(seen**2, axis=0, weights=b2**age))
        expected = w - lr * decay * w - lr * mean / (size + eps)

        arguments = [w, gradients[step - 1], m, v]
        before = [argument.copy() for argument in arguments]
        w, m, v = adamw(*arguments, step, lr, (b1, b2), eps, decay)
        expect_close(w, expected, f"w after step {step}", 1e-9)
        for argument, kept in zip(arguments, before, strict=True):
            expect(np.array_equal(argument, kept), "an argument was changed")


def judge_wordpiece(wordpiece: Callable[..., Any]) -> None:
    """Test a function that cuts a word into the longest pieces that the vocabulary has.

    Args:
        wordpiece: (word, vocab, unk="[UNK]", max_chars=100) -> pieces; right as the docstring of
            `minibert.text.wordpiece.wordpiece` says.

    Raises:
        AssertionError: a word is cut wrongly: one of several pieces, one that cannot be cut to its end, or
            one that is too long.
    """
    vocab = {"a": 0, "able": 1, "un": 2, "una": 3, "##a": 4, "##able": 5, "##aff": 6, "##b": 7, "##ff": 8}
    expected = {
        "able": ["able"],
        "aable": ["a", "##able"],
        "unaffable": ["una", "##ff", "##able"],
        "unaffax": ["[UNK]"],  # the x
        "unable": ["[UNK]"],  # after una, which is the longest, nothing fits; un and ##able would have
    }
    for word, pieces in expected.items():
        got = wordpiece(word, vocab)
        expect(got == pieces, f"{word!r} is cut into {got}, expected {pieces}")

    expect(wordpiece("xxx", vocab, "?") == ["?"], "the unknown piece has the name that is asked for")
    for most, pieces in ((3, ["a", "##a", "##a"]), (2, ["[UNK]"])):
        got = wordpiece("aaa", vocab, max_chars=most)
        expect(got == pieces, f"'aaa' with max_chars {most} is cut into {got}, expected {pieces}")


def judge_corrupt(corrupt: Callable[..., Any]) -> None:
    """Test the function that masks words, which draws by random bits.

    Args:
        corrupt: (ids, positions, chosen, keys, mask_id, ordinary) -> ids; right as the docstring of
            `minibert.batches.mlm.corrupt` says.

    Raises:
        AssertionError: what was not chosen is changed, the argument is changed, a share is not that of
            80 : 10 : 10, or a random token is none of those that may stand in.
    """
    B, T, P, mask_id = 2000, 12, 3, 4
    ordinary = np.arange(500, 1500)
    rng = np.random.default_rng(0)
    ids = rng.choice(ordinary, size=(B, T))
    positions = np.argsort(rng.random((B, T)), axis=1)[:, :P]
    chosen = np.arange(P) < rng.integers(1, P + 1, size=(B, 1))
    keys = rng.integers(2**63, size=B).astype(np.uint64)

    true = ids.copy()
    out = corrupt(ids, positions, chosen, keys, mask_id, ordinary)
    expect(np.array_equal(ids, true), "the ids that came in were changed")
    places = np.zeros((B, T), dtype=bool)
    np.put_along_axis(places, positions, chosen, axis=1)
    expect(np.array_equal(out[~places], true[~places]), "a token was changed that is not chosen")

    masked, kept = out[places] == mask_id, out[places] == true[places]
    for what, found, share in (("[MASK]", masked, 0.8), ("as it was", kept, 0.1)):
        room = 6 * math.sqrt(share * (1 - share) / found.size)  # six sigma: chance alone never goes so far
        expect(abs(found.mean() - share) < room, f"{found.mean():.1%} are {what}, expected about {share:.0%}")
    random = out[places][~masked & ~kept]
    expect(np.isin(random, ordinary).all(), "a random token is none of those that may stand in")
    expect(np.unique(random).size > random.size / 2, "the random tokens are always the same few")
