# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 07 · Layer norm and the block (层归一化)
#
# *Twenty-four blocks, one on top of the other. What keeps the numbers from fading or exploding on their
# way up, and the gradients on their way down?*
#
# **Files:** `minibert/byhand/layernorm.py` · `minibert/byhand/block.py` · `minibert/byhand/rmsnorm.py` ·
# `minibert/model/layernorm.py` · `minibert/model/block.py` · `minibert/model/rmsnorm.py` ·
# `minibert/learn/checks/layernorm.py` · `minibert/learn/checks/block.py` ·
# `minibert/learn/checks/block_twins.py` · `minibert/learn/checks/rmsnorm.py` · `tests/test_layernorm.py` ·
# `tests/test_block.py` · `tests/test_block_twins.py` · `tests/test_rmsnorm.py`
#
# **Needs:** [02 Gradients](02_gradients.ipynb), [05 Multi-head](05_multihead.ipynb),
# [06 Feed-forward](06_feedforward.ipynb)
#
# **Time:** 75 minutes

# %% [markdown]
# ## The question: the same factor, twenty-four times
#
# We have two parts: attention, in which the words listen to each other, and feed-forward, in which each
# word thinks. The large model of BERT has 24 such pairs on top of each other. Suppose that each pair
# makes the numbers a fifth larger. A fifth is nothing; but 24 times in a row it is a factor of 79. A
# fifth smaller, and less than half a per cent is left.
#
# Let us see it happen. The next cells draw random weights for 24 pairs, send random words through, and
# note after each pair how large the numbers are: the root of the mean of their squares. Each weight has a
# spread of $1/\sqrt{I}$, where $I$ is the number of inputs of its layer. At this spread a linear layer makes
# the numbers neither larger nor smaller on average. An output is a sum of $I$ terms $W_{oi} x_i$. Let the
# $x_i$ have the mean 0 and the variance 1. Then each term has the variance of its weight, $1/I$. The
# variances of independent terms add up (chapter 06), and $I$ times $1/I$ is 1. Then we do it again with
# weights half as large, and twice as large.
#
# `draw_block` draws all the weights of a block, under the names that they have in the library. So far we
# use only those of `attention` and of `feedforward`. Its norms come later in this chapter. So does the block
# with two attentions, for which there is `attentions`.

# %%
import math
import textwrap
from functools import partial

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Rectangle

# %%
from minibert.byhand.attention import causal_mask
from minibert.byhand.block import (
    add_norm_backward,
    add_norm_forward,
    block_backward,
    block_forward,
    cross_block_backward,
    cross_block_forward,
    prenorm_block_backward,
    prenorm_block_forward,
)
from minibert.byhand.feedforward import feedforward_forward
from minibert.byhand.gradcheck import GradientError, central_differences, gradcheck
from minibert.byhand.layernorm import layernorm_backward, layernorm_forward
from minibert.byhand.multihead import self_attention_forward
from minibert.byhand.parameters import part
from minibert.byhand.rmsnorm import rmsnorm_backward, rmsnorm_forward
from minibert.config import PRESETS
from minibert.learn.mutate import mutants
from minibert.learn.notebook import exercise, show
from minibert.prove import prove

# %%
L, B, T, H = 24, 2, 8, 4
assert PRESETS["bert-large"]["layers"] == L
assert round(1.2**L) == 79 and 0.8**L < 0.005

weight, inputs = np.random.default_rng(0).normal(size=(64, 256)) / math.sqrt(256), np.ones((1, 256))
inputs[:, ::2] = -1  # mean 0 and variance 1
assert 0.8 < np.square(inputs @ weight.T).mean() < 1.2


def draw_block(rng, strength=1.0, D=64, F=256, attentions=("attention",)):
    """Draw the weights of a block. Its biases are zero, and its norms only normalise."""
    shapes = {"feedforward.expand": (F, D), "feedforward.contract": (D, F)}
    for name in attentions:
        shapes |= {f"{name}.{product}": (D, D) for product in ("query", "key", "value", "output")}
    params = {}
    for name, (outputs, inputs) in shapes.items():
        params[f"{name}.weight"] = strength * rng.normal(size=(outputs, inputs)) / math.sqrt(inputs)
        params[f"{name}.bias"] = np.zeros(outputs)
    for name in (*attentions, "feedforward"):
        params[f"{name}_norm.weight"], params[f"{name}_norm.bias"] = np.ones(D), np.zeros(D)
    return params


# %%
def attend(x, params):
    return self_attention_forward(x, part(params, "attention"), H)[0]


def think(x, params):
    return feedforward_forward(x, part(params, "feedforward"))[0]


def sizes_through(pair, strength=1.0):
    """Return how large the numbers are before the first of the 24 pairs, and after each."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(B, T, 64))
    sizes = [math.sqrt(np.square(x).mean())]
    for _ in range(L):
        x = pair(x, draw_block(rng, strength))
        sizes.append(math.sqrt(np.square(x).mean()))
    return sizes


bare = {
    strength: sizes_through(lambda x, params: think(attend(x, params), params), strength)
    for strength in (0.5, 1.0, 2.0)
}

# %%
fig, ax = plt.subplots(figsize=(6.5, 3.6), dpi=100)
for (strength, sizes), style in zip(bare.items(), ("--", "-", "-."), strict=True):
    ax.semilogy(sizes, style, color="black")
    ax.text(24.4, sizes[-1], f"weights × {strength:g}", va="center")
ax.set(xlabel="after so many pairs", ylabel="size of the numbers", xlim=(0, 31), xticks=range(0, 25, 4))
ax.set_yticks([1e-36, 1e-24, 1e-12, 1, 1e12, 1e24])
ax.set_title("One after the other, they fade or explode")
plt.show()

# %%
assert bare[0.5][-1] < 1e-36 and 5e24 < bare[2.0][-1] < 1e25
assert 1e-8 < bare[1.0][-1] < 1e-7
factors = np.array(bare[1.0][1:]) / bare[1.0][:-1]
assert factors[0] == factors.min() and abs(np.median(factors[1:]) - 0.5) < 0.02 and 2.0**-24 < 1e-7

# %% [markdown]
# At half the weights hardly $10^{-36}$ is left; at double, it is nearly $10^{25}$. And even the middle
# one fades, to less than a ten-millionth. No wonder: near zero GELU gives about half of what it gets, as
# $\Phi(0) = \frac12$ (chapter 06). So each pair about halves the numbers, and $2^{-24}$ is less than a
# ten-millionth. The first pair takes even more: attention takes means, and a mean of words that have little
# to do with each other is smaller than the words are.
#
# One could look for the strength at which it just works out. But the weights change in training, and with
# them every factor. Something has to *hold* the size, whatever the weights do. Two ideas together do it:
# the **layer norm** and the **residual connection** (残差连接). This chapter derives both. Then
# attention, feed-forward, two norms and two residuals make up the **block** (Transformer 块), the brick
# that all the rest of this project is built of.

# %% [markdown]
# ## What the papers wrote
#
# > We employ a residual connection around each of the two sub-layers, followed by layer normalization.
# > That is, the output of each sub-layer is $\mathrm{LayerNorm}(x + \mathrm{Sublayer}(x))$, where
# > $\mathrm{Sublayer}(x)$ is the function implemented by the sub-layer itself.
# >
# > Vaswani et al. 2017, section 3.1
#
# The layer norm was a year old then. Its authors had found a way round the *batch norm* (批归一化) of
# Ioffe and Szegedy 2015, which depends on what else is in the batch:
#
# > In this paper, we transpose batch normalization into layer normalization by computing the mean and
# > variance used for normalization from all of the summed inputs to the neurons in a layer on a single
# > training case.
# >
# > Ba, Kiros and Hinton 2016, abstract
#
# For one word, with features $x_1 \dots x_D$, that is (their equation 3, and the gain and bias of their
# equation 4):
#
# $$\mu = \frac1D \sum_i x_i \qquad c_i = x_i - \mu \tag{7.1}$$
#
# $$\sigma = \sqrt{\frac1D \sum_i c_i^2 + \varepsilon} \tag{7.2}$$
#
# $$n_i = \frac{c_i}{\sigma} \tag{7.3}$$
#
# $$y_i = \gamma_i\, n_i + \beta_i \tag{7.4}$$
#
# Take off the **mean** (均值). Divide by the **standard deviation** (标准差): the square root of the
# **variance**. Now the features have mean 0 and variance 1. At last each feature gets a scale $\gamma_i$ and
# a shift $\beta_i$, which are learned, and with which the network may take back what it does not want.
#
# The small $\varepsilon$ is not in the paper. It is there so that nobody divides by zero when all features
# are equal. With it, $\sigma$ is the standard deviation but for a hair. From here on we call $\sigma$, with
# $\varepsilon$ in it, the *size* of the word, as `size` in the code. (In the picture above the mean was left
# in; where it is near 0 that is the same.)

# %% [markdown]
# ## With a pencil
#
# One word with four features, $x = (3, 9, 11, 17)$. The mean is $40/4 = 10$. Centred: $(-7, -1, 1, 7)$.
# The variance is $(49 + 1 + 1 + 49)/4 = 25$, so the size is 5, and
#
# $$n = (-1.4,\ -0.2,\ 0.2,\ 1.4)$$
#
# Now let $\gamma = (2, 1, 1, 1)$ and $\beta = (0, 10, 20, 30)$, to see them act:
# $y = (-2.8, 9.8, 20.2, 31.4)$.

# %%
x = np.array([3.0, 9, 11, 17])
scale, shift = np.array([2.0, 1, 1, 1]), np.array([0.0, 10, 20, 30])
y, cache = layernorm_forward(x, scale, shift)
normal, size, _ = cache
assert np.allclose(normal, [-1.4, -0.2, 0.2, 1.4]) and np.allclose(size, 5)
assert np.allclose(y, [-2.8, 9.8, 20.2, 31.4])

# %% [markdown]
# What if the word had been ten times as large, or if a thousand were added to each feature? Mean and size
# would have gone along, and $n$ would be the same. **A layer norm does not see where a word lies, nor how
# long it is; only its direction from the mean.** That is what stops the explosion: whatever factor a
# layer brings in, the next norm takes it out.

# %%
for other in (10 * x, x + 1000, 10 * x + 1000):
    assert np.allclose(layernorm_forward(other, scale, shift)[0], y)

# %% [markdown]
# ## The picture: onto a plane, then onto a sphere
#
# A word with $D$ features is a point in a space of $D$ dimensions. What do (7.1) to (7.3) do to points?
# With $D = 3$ we can look.
#
# *Taking off the mean* takes the same number off each coordinate. That moves the point along the direction
# $(1, 1, 1)$, until its coordinates sum to zero. The points whose coordinates sum to zero make up a plane,
# and $(1, 1, 1)$ stands at a right angle to it: its product with a point $c$ of the plane,
# $1 c_1 + 1 c_2 + 1 c_3$, is zero. So the word is projected (投影) straight onto that plane, to its *foot*.
# *Dividing by the size* moves the foot in the plane, towards the middle or away from it, until the mean of
# the squares of its coordinates is 1, so that they sum to $D$. Those points lie at the distance $\sqrt D$
# from the middle. In the plane they make a circle, and in more dimensions a sphere (球面). So a layer norm
# throws away two numbers of each word: how high it lay above the plane, and how far from the middle.
# Everything else stays.


# %%
def layer_norm(x):
    """Normalise, without scale and shift."""
    return layernorm_forward(x, np.ones(x.shape[-1]), np.zeros(x.shape[-1]))[0]


across, up, ahead = np.array([[1, -1, 0], [-1, -1, 2], [1, 1, 1]]) / np.sqrt([[2], [6], [3]])
turns = np.radians([10, 75, 130, 200, 255, 320])
distance, height = np.array([[2.7, 0.7, 2.4, 0.9, 2.6, 1.2], [1.5, -1.6, 1.2, 1.7, -1.4, 0.9]])[..., None]
points = distance * (np.cos(turns)[:, None] * across + np.sin(turns)[:, None] * up) + height * ahead

centred = points - points.mean(axis=1, keepdims=True)
on_circle = layer_norm(points)
assert np.allclose(centred.sum(axis=1), 0)
assert np.allclose((on_circle**2).sum(axis=1), 3)
assert np.allclose(np.linalg.norm(on_circle, axis=1), math.sqrt(3))

# %%
fig = plt.figure(figsize=(8.5, 4.6), dpi=100)
ax = fig.add_axes((0.0, 0.1, 0.5, 0.8), projection="3d", computed_zorder=False)
corners = 2.4 * np.array([[across - up, across + up], [-across - up, -across + up]])  # (2, 2, 3)
ax.plot_surface(*np.moveaxis(corners, -1, 0), color="0.8", alpha=0.5, shade=False, zorder=0)
for point, foot in zip(points, centred, strict=True):
    ax.plot(*np.array([point, foot]).T, ":", color="0.3", lw=1.2)
(word,) = ax.plot(*points.T, "ko", ms=5)
(square,) = ax.plot(*centred.T, "ks", ms=5, mfc="white")
ticks = [-2, 0, 2]
ax.set(xlabel="$x_1$", ylabel="$x_2$", zlabel="$x_3$", xticks=ticks, yticks=ticks, zticks=ticks)
ax.zaxis.set_rotate_label(False)
ax.view_init(14, 18)
fig.text(0.25, 0.92, "Centred: straight onto the plane", ha="center", size=11)

ax = fig.add_axes((0.57, 0.19, 0.4, 0.7))
angle = np.linspace(0, 2 * np.pi, 200)
circle = math.sqrt(3) * np.array([np.cos(angle), np.sin(angle)])
flat = np.array([across, up]).T  # from three coordinates to the two in the plane
ax.plot(*circle, "-", color="0.7")
for foot, end in zip(centred @ flat, on_circle @ flat, strict=True):
    ax.plot(*np.array([foot, end]).T, ":", color="0.3", lw=1.2)
ax.plot(*(centred @ flat).T, "ks", ms=5, mfc="white")
(diamond,) = ax.plot(*(on_circle @ flat).T, "kD", ms=6)
ax.plot(0, 0, "k+")
fig.legend([word, square], ["word", "its foot on the plane"], loc=(0.1, 0.0), ncols=2, frameon=False)
fig.legend([square, diamond], ["foot", "after the norm"], loc=(0.63, 0.0), ncols=2, frameon=False)
ax.set(aspect="equal", xlabel="in the plane", xlim=(-3, 3), ylim=(-3, 3), xticks=ticks, yticks=ticks)
fig.text(0.77, 0.92, "Divided by the size: onto the circle", ha="center", size=11)
plt.show()

# %% [markdown]
# ## What it does to a batch
#
# Five words with eight features each. One is large, one is tiny, one lies far from zero. After the norm
# (with $\gamma = 1$ and $\beta = 0$) they can be compared.

# %%
rng = np.random.default_rng(4)
words = ["the", "river", "bank", "is", "wet"]
batch = rng.normal(size=(5, 8)) * np.array([[1], [6], [0.2], [2], [1]]) + np.array([[0], [0], [0], [7], [-3]])
after = layer_norm(batch)
assert np.allclose(after.mean(axis=1), 0) and np.allclose(after.var(axis=1), 1)


def heat(ax, numbers, title, most):
    """Draw a table with its numbers, the darker the larger they are in size."""
    ax.imshow(abs(numbers), cmap="Greys", vmin=0, vmax=1.6 * most, aspect="auto")
    for (row, column), number in np.ndenumerate(numbers):
        ax.text(column, row, f"{number.round(1) + 0:.1f}", ha="center", va="center", size=9)
    ax.set(yticks=range(5), yticklabels=words, xticks=[], xlabel="features")
    ax.set_title(title, size=11)
    ax.tick_params(length=0)


# %%
fig, axes = plt.subplots(2, 2, figsize=(8.5, 5.2), dpi=100, height_ratios=[1.25, 1])
heat(axes[0, 0], batch, "before", abs(batch).max())
heat(axes[0, 1], after, "after: mean 0 and variance 1 in each row", abs(after).max())
for ax, numbers in zip(axes[1], (batch, after), strict=True):
    for row, features in enumerate(numbers):
        ax.plot(features, np.full(8, row), "k|", ms=11, mew=1.3)
    ax.plot(numbers.mean(axis=1), range(5), "o", ms=6, mfc="white", mec="black")
    ax.set(xlabel="value of the features (circle: their mean)", yticks=range(5), yticklabels=words)
    ax.set_ylim(4.6, -0.6)
    ax.tick_params(axis="y", length=0)
fig.suptitle("Each word by itself is brought to the same place and the same size")
fig.tight_layout()
plt.show()

# %% [markdown]
# ### Which numbers share a mean
#
# The mean could also be taken the other way: of one feature, over all words of the batch. That is batch
# norm. The two differ in nothing but which numbers go together.

# %%
fig, axes = plt.subplots(1, 2, figsize=(8.5, 2.9), dpi=100)
for ax, title, groups in (
    (axes[0], "layer norm: one mean for each word", np.repeat(np.arange(8)[:, None], 6, axis=1)),
    (axes[1], "batch norm: one mean for each feature", np.repeat(np.arange(6)[None], 8, axis=0)),
):
    ax.imshow(groups % 2, cmap="Greys", vmin=0, vmax=4, aspect="auto")
    for row, column in np.argwhere(groups == 2):
        ax.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, hatch="////", lw=0.8))
    ax.axhline(3.5, color="black", lw=2)
    ax.set(xticks=range(6), xlabel="feature", yticks=[1.5, 5.5], yticklabels=["sentence 1", "sentence 2"])
    ax.tick_params(length=0)
    ax.set_title(title, size=11)
fig.suptitle("They differ in which numbers go together (hatched: one group)", y=1.0)
fig.tight_layout()
plt.show()

# %% [markdown]
# For images batch norm works well. For sentences it has three drawbacks. What a word becomes depends on
# which other sentences happen to be in the batch. Sentences of different lengths are filled up with
# padding, which would have to be kept out of the means. And when a single sentence comes after training,
# there is no batch; so one has to keep running means from training, and the network computes something
# else than it did when it learned. Layer norm has none of these: it does the same in training and after
# it, for a batch and for a single word.


# %%
def batch_norm(x):
    """Normalise each feature over all words."""
    return (x - x.mean(axis=0)) / x.std(axis=0)


sentence, neighbour, other = batch, rng.normal(size=(5, 8)), 3 + rng.normal(size=(5, 8))
beside, beside_other = np.concatenate([sentence, neighbour]), np.concatenate([sentence, other])
assert np.array_equal(layer_norm(beside)[:5], layer_norm(beside_other)[:5])
assert abs(batch_norm(beside)[:5] - batch_norm(beside_other)[:5]).max() > 0.5

# %% [markdown]
# ## The backward pass, line by line
#
# From the right comes $dy$, one number for each feature of each word. We go from (7.4) back to (7.1).
# Where several words matter, $t$ counts them; else we look at a single word.
#
# **Shift and scale.** $\beta_i$ is added to feature $i$ of every word, with the factor 1. $\gamma_i$ is
# multiplied with $n_{ti}$ in every word. A number that is used at many places adds up what comes back
# (2.2):
#
# $$d\beta_i = \sum_t dy_{ti} \tag{7.5}$$
#
# $$d\gamma_i = \sum_t dy_{ti}\, n_{ti} \tag{7.6}$$
#
# **The normal features.** $n_i$ reaches $y_i$ alone, with the factor $\gamma_i$:
#
# $$dn_i = dy_i\, \gamma_i \tag{7.7}$$
#
# **The size.** Now the heart of it, and the place where most mistakes are made. All features of a word are
# divided by the same $\sigma$. We need a second letter: $i$ stays the feature whose gradient we look for, and
# $j$ runs over all those that share the $\sigma$ with it (it is one of them itself). So $\sigma$ stands in
# *every* $n_j = c_j / \sigma$. The slope of $c_j / \sigma$ in $\sigma$ is $-c_j / \sigma^2$, which is
# $-n_j / \sigma$. Added up over all features (2.2):
#
# $$d\sigma = -\frac1\sigma \sum_j dn_j\, n_j \tag{7.8}$$
#
# How does $\sigma$ move with $c_i$? Square (7.2): $\sigma^2 = \frac1D \sum_j c_j^2 + \varepsilon$. Now let
# $c_i$ alone grow. On the left the slope is $2\sigma \frac{d\sigma}{dc_i}$, on the right $\frac{2 c_i}{D}$,
# from the one term of the sum in which $j$ is $i$. So
# $\frac{d\sigma}{dc_i} = \frac{c_i}{D \sigma} = \frac{n_i}{D}$. The feature $c_i$ reaches the loss in two
# ways: straight to its own $n_i$, with the factor $1/\sigma$; and through the size to all of them. Both are
# added:
#
# $$dc_i = \frac{dn_i}{\sigma} + d\sigma\, \frac{n_i}{D}
# = \frac1\sigma \Big( dn_i - n_i\, \frac1D \sum_j dn_j\, n_j \Big) \tag{7.9}$$
#
# The sum over $j$, divided by $D$, is a mean: the mean of $dn \cdot n$.
#
# **The mean.** $c_j = x_j - \mu$, and $x_i$ stands in it in two ways. Into its own $c_i$ it goes with the
# factor 1. And it is one of the $D$ terms of $\mu$, with the factor $1/D$; as $\mu$ is taken off, it reaches
# *every* $c_j$ with the factor $-1/D$, its own included:
#
# $$dx_i = dc_i - \frac1D \sum_j dc_j \tag{7.10}$$
#
# The second term of (7.10) is the mean of (7.9) over the features. That is simple. In (7.9) each $n_i$ is
# multiplied with the same number, and the $n_i$ have mean zero: so this part drops out, and
# $\frac1\sigma\, \text{mean}(dn)$ is left. All in one:
#
# $$dx_i = \frac1\sigma \Big( dn_i - n_i\; \text{mean}(dn \cdot n) - \text{mean}(dn) \Big) \tag{7.11}$$
#
# Three terms, for three ways from $x_i$ to the loss: straight, through the size, and through the mean.
#
# With the pencil: our word, and $dy = (5, 0, 0, 0)$. Then $dn = (10, 0, 0, 0)$, whose mean is $2.5$. The
# product $dn \cdot n$ is $(-14, 0, 0, 0)$, with the mean $-3.5$. So
#
# $$5\, dx = (10, 0, 0, 0) + 3.5\, n - 2.5 = (10 - 4.9 - 2.5,\ -0.7 - 2.5,\ 0.7 - 2.5,\ 4.9 - 2.5)
# = (2.6, -3.2, -1.8, 2.4)$$
#
# Only the first feature was asked to change. But it cannot change alone: the others have to make room.

# %%
dx, dscale, dshift = layernorm_backward(np.array([5.0, 0, 0, 0]), cache)
assert np.allclose(dshift, [5, 0, 0, 0]) and np.allclose(dscale, [5 * -1.4, 0, 0, 0])
assert np.allclose(dx, np.array([2.6, -3.2, -1.8, 2.4]) / 5)

# %% [markdown]
# And this is the library's code. In the backward pass the last axis holds the features, and `tokens` are
# all the others.

# %%
show(layernorm_forward, layernorm_backward)

# %% [markdown]
# ### What is left of a gradient
#
# (7.11) has a picture, too. Take vectors $a$ and $b$. The part of $a$ that points along $b$, its projection
# onto $b$, is $b$ times $\sum_j a_j b_j \,/ \sum_j b_j^2$. (Take it off $a$, multiply what is left with $b$,
# and add up: the sum is zero, so what is left is at a right angle to $b$.) For $dn$ along $n$, whose squares
# sum to $D$:
#
# $$n_i\, \frac{\sum_j dn_j\, n_j}{\sum_j n_j^2} = n_i\, \frac1D \sum_j dn_j\, n_j
# = n_i\; \text{mean}(dn \cdot n)$$
#
# Along $b = (1, 1, \dots, 1)$ the squares sum to $D$ as well, and the part is
# $\frac1D \sum_j dn_j = \text{mean}(dn)$, the same in each feature. As $n$ sums to zero, it is at a right
# angle to $(1, 1, \dots, 1)$, and neither part holds any of the other. A layer norm takes both out of the
# gradient, and divides by the size.
#
# It could not be otherwise. Forward, moving all features alike changes nothing, nor does stretching them
# (but for $\varepsilon$). So the loss has no slope in these two directions, and the gradient has nothing
# there. What is left lies *along the sphere*. In the plane of the picture above:

# %%
x3, dn3 = np.array([[2.0, 0.3, -0.9]]), np.array([[3.0, 1.2, 1.8]])
n3, notes = layernorm_forward(x3, np.ones(3), np.zeros(3))
tangent = layernorm_backward(dn3, notes)[0] * notes[1]  # dx, times the size
along = n3 * (dn3 * n3).mean()
assert np.isclose((n3 * n3).sum(), 3) and np.allclose(along, n3 * (dn3 * n3).sum() / (n3 * n3).sum())
assert np.allclose(tangent + along + dn3.mean(), dn3)
assert abs((tangent * n3).sum()) < 1e-9 and abs(tangent.sum()) < 1e-9

fig, ax = plt.subplots(figsize=(6, 4), dpi=100)
ax.plot(*circle, "-", color="0.7")
start = (n3 @ flat)[0]
for arrow, style, label, offset in (
    (dn3 - dn3.mean(), "-", "$dn$, its mean taken off", (6, -4)),
    (along, ":", "the part along $n$: taken out", (8, -10)),
    (tangent, "--", r"the part along the circle: $\sigma\, dx$", (6, 4)),
):
    end = start + (arrow @ flat)[0]
    looks = {"arrowstyle": "-|>", "linestyle": style, "lw": 1.6, "fc": "black", "shrinkA": 0, "shrinkB": 0}
    ax.annotate("", end, start, arrowprops=looks)
    ax.annotate(label, end, textcoords="offset points", xytext=offset)
ax.plot(*np.array([[0, 0], start]).T, ":", color="0.6", lw=1)
ax.plot(*start, "kD", ms=7)
ax.annotate("$n$", start, textcoords="offset points", xytext=(-15, 0))
ax.plot(0, 0, "k+")
ax.set(aspect="equal", xlim=(-2, 5.8), ylim=(-3, 2), xticks=[], yticks=[])
ax.set_title("Of a gradient only what is along the sphere is left")
plt.show()

# %% [markdown]
# Two consequences are worth knowing.
#
# *A larger word gets a smaller gradient.* The size stands below in (7.11). If the layer before makes its
# outputs ten times as large, the norm gives the same $n$, and sends back a tenth of the gradient. So
# large weights before a norm learn slowly, which calms them down.
#
# *Two features are too few.* With $D = 2$ the centred features are $(-a, a)$, and divided by their size
# they are $(-1, 1)$, however large $a$ was. The "sphere" is two points. There is no way to go along it,
# and the gradient is zero.

# %%
dy = np.random.default_rng(5).normal(size=4)
dx = layernorm_backward(dy, layernorm_forward(x, scale, shift)[1])[0]
dx_of_large = layernorm_backward(dy, layernorm_forward(10 * x, scale, shift)[1])[0]
assert np.allclose(10 * dx_of_large, dx)

two, notes = layernorm_forward(np.array([3.0, 8.0]), np.ones(2), np.zeros(2))
assert np.allclose(two, [-1, 1]) and np.allclose(layernorm_backward(np.array([5.0, -2]), notes)[0], 0)

# %% [markdown]
# ### A trap: two losses that see nothing
#
# How would you test your own `layernorm_backward`? Many people take $\sum \text{out}$ for the loss, and
# compare with finite differences. Before scale and shift, the features of $n$ sum to zero *whatever comes
# in*. The true gradient is zero. A backward pass that returns zeros passes this test, and so does one that
# has forgotten the size: $dn = (1, \dots, 1)$, its mean is 1, and $1 - 1 = 0$.
#
# So people take $\frac12 \sum \text{out}^2$, whose slope is $\text{out}$ itself. But the squares of $n$
# sum to $D$, whatever comes in. The true gradient is zero again. Now whoever has forgotten the *mean*
# passes: $dn = n$, the mean of $n \cdot n$ is 1, and $n - n = 0$. Only a random gradient from the right sees
# everything (chapter 02).

# %%
terms = {
    "right": lambda n, dn: dn - n * (dn * n).mean() - dn.mean(),
    "zeros": lambda n, dn: 0 * dn,
    "the size is forgotten": lambda n, dn: dn - dn.mean(),
    "the mean is forgotten": lambda n, dn: dn - n * (dn * n).mean(),
    "both are forgotten": lambda n, dn: dn,
}
random = np.random.default_rng(6).normal(size=4)
losses = {
    "sum of out": (np.sum, np.ones_like),
    "squares of out": (lambda out: (out**2).sum() / 2, lambda out: out),
    "random": (lambda out: (random * out).sum(), lambda out: random),
}


def normalise(x):
    return layernorm_forward(x, np.ones(4), np.zeros(4))


def passes(formula, loss, slope):
    """Return whether a formula for dn -> sigma dx agrees with finite differences of a loss."""
    moved = x.copy()
    differences = central_differences(lambda: loss(normalise(moved)[0]), moved)
    out, (n, size, _) = normalise(x)
    return np.allclose(formula(n, slope(out)) / size, differences, atol=1e-8)


# %%
passed = {}
print(f"{'passes with the loss':24}" + "".join(f"{name:>16}" for name in losses))
for wrong, formula in terms.items():
    for name, loss in losses.items():
        passed[wrong, name] = passes(formula, *loss)
    print(f"{wrong:24}" + "".join(f"{'yes' if passed[wrong, name] else 'no':>16}" for name in losses))

# %%
seen_by_random = {wrong: not passed[wrong, "random"] for wrong in terms}
assert seen_by_random == {wrong: wrong != "right" for wrong in terms}
assert passed["zeros", "sum of out"] and passed["zeros", "squares of out"]
assert passed["the size is forgotten", "sum of out"] and passed["the mean is forgotten", "squares of out"]

# %% [markdown]
# ## The residual: a straight way
#
# The second idea comes from images. He et al. (2016a) trained networks of more than a hundred layers, by
# letting each layer compute not the new value, but what is to be *added* to the old one:
#
# $$y = x + f(x)$$
#
# Forward this means that no layer has to carry along what a word knows already: it stays, unless a layer
# changes it. A layer whose weights are zero does no harm. Backward it means even more. Each term of a sum
# gets its whole gradient, so
#
# $$dx = dy + (\text{what } f \text{ sends back of } dy)$$
#
# The first term is $dy$ itself. **Whatever $f$ does, the gradient gets past it, whole.** With two layers,
# $f_1$ and then $f_2$, the gradient comes back by four ways: past both, through $f_1$ only, through $f_2$
# only, and through both. With 24 blocks of two branches each there are $2^{48}$ ways, from the one that
# goes past everything to the one that goes through everything (Veit et al. 2016). Without residuals only
# the last one is there, the product of 48 factors that we saw fade or explode.
#
# Why not then residuals alone, and no norms? Because sums grow. Let $x$ and $f(x)$ have the length 1, and
# stand at a right angle: with many features, two random directions nearly do. By Pythagoras the square of
# the length of their sum is $1 + 1 = 2$, so the sum is longer by the factor $\sqrt 2$. After 48 sums that
# would be $2^{24}$, or 17 million. So we need both.


# %%
def with_residual(x, params):
    x = x + attend(x, params)
    return x + think(x, params)


stacks = {
    "residual": sizes_through(with_residual),
    "pre-norm": sizes_through(lambda x, params: prenorm_block_forward(x, params, H)[0]),
    "post-norm": sizes_through(lambda x, params: block_forward(x, params, H)[0]),
}
assert stacks["residual"][-1] > 1e5 and stacks["pre-norm"][-1] < 5
assert np.allclose(stacks["post-norm"][1:], 1)
for strength in (0.5, 2.0):  # and whatever the weights
    assert np.allclose(sizes_through(lambda x, params: block_forward(x, params, H)[0], strength)[1:], 1)

fig, ax = plt.subplots(figsize=(6.5, 3.6), dpi=100)
labels = "residual, no norm", "residual, norm in the branch", "residual, norm of the sum"
for sizes, style, label in zip(stacks.values(), ("-.", "--", "-"), labels, strict=True):
    ax.semilogy(sizes, style, color="black", label=label)
ax.set(xlabel="after so many blocks", ylabel="size of the numbers", xticks=range(0, 25, 4), ylim=(0.4, 1e6))
ax.set_title("A residual keeps the numbers alive, a norm keeps them small", size=11)
ax.legend(frameon=False)
plt.show()

# %% [markdown]
# The residual alone ends at 270,000 (less than 17 million, for feed-forward gives less than it gets). With
# the norm in the branch the numbers still grow, but only to 5. With the norm of the sum they stay at 1. So
# the norm can stand in two places, and that is the next question.

# %%
assert round(stacks["residual"][-1], -4) == 270_000 and round(stacks["pre-norm"][-1]) == 5
assert round(math.sqrt(2) ** 48) == 2**24 == 16_777_216
one, another = np.random.default_rng(3).normal(size=(2, 4096))
assert abs(one @ another) < 0.05 * np.linalg.norm(one) * np.linalg.norm(another)  # nearly a right angle
words_in = np.random.default_rng(3).normal(size=(B, T, 64))
assert think(words_in, draw_block(np.random.default_rng(4))).std() < 0.8 * words_in.std()

# %% [markdown]
# ## The block
#
# Vaswani et al. and BERT put the norm *on the straight way*, behind each sum. That is **post-norm**
# (后置归一化). With attention and feed-forward as the two branches,
#
# $$z = \mathrm{norm}\big(x + \mathrm{attention}(x)\big) \qquad
# \mathrm{out} = \mathrm{norm}\big(z + \mathrm{feedforward}(z)\big) \tag{7.12}$$
#
# GPT-2 and most models after it put it *into the branch*, so that nothing stands on the straight way.
# That is **pre-norm** (前置归一化):
#
# $$z = x + \mathrm{attention}\big(\mathrm{norm}(x)\big) \qquad
# \mathrm{out} = z + \mathrm{feedforward}\big(\mathrm{norm}(z)\big) \tag{7.13}$$
#
# In training, a dropout follows each branch, just before the sum (Vaswani et al. 2017, section 5.4). Two
# equations each: that is all of the transformer's famous block. On the right is a third one, from the
# decoder, to which we shall come.


# %%
def draw_way(ax, title, branches, before=False):
    """Draw the straight way of a block from below, and its branches, with the norms before them or after."""
    text = {"ha": "center", "va": "center", "size": 9.5}
    ax.plot([0, 0], [-0.5, 3.4 * len(branches)], "k-", lw=3.5, zorder=1)
    ax.plot(0, 3.4 * len(branches) + 0.1, "k^", ms=9)
    for i, branch in enumerate(branches):
        low = 3.4 * i
        ax.plot([0, 1.7, 1.7, 0], [low, low, low + 2, low + 2], "k-", lw=1.2, zorder=1)
        norm_at = (1.7, low + 0.45) if before else (0, low + 2.75)
        ax.text(*norm_at, "norm", bbox={"boxstyle": "round,pad=0.3", "fc": "0.8"}, **text)
        box = {"boxstyle": "round,pad=0.35", "fc": "white"}
        ax.text(1.7, low + (1.4 if before else 1), branch, bbox=box, **text)
        ax.text(0, low + 2, "+", bbox={"boxstyle": "circle,pad=0.15", "fc": "white"}, **text)
    ax.text(0, -0.8, "$x$", ha="center", va="center")
    ax.set(xlim=(-0.9, 3), ylim=(-1.1, 10.6))
    ax.set_title(title, size=11)
    ax.axis("off")


# %%
fig, axes = plt.subplots(1, 3, figsize=(8.5, 5.4), dpi=100)
draw_way(axes[0], "post-norm (BERT)", ["attention", "feed-forward"])
draw_way(axes[1], "pre-norm (GPT-2)", ["attention", "feed-forward"], before=True)
draw_way(axes[2], "the decoder's", ["attention", "attention\nto source", "feed-forward"])
axes[2].annotate("source", (2.25, 4.3), (2.7, 3.3), ha="center", arrowprops={"arrowstyle": "->"}, size=9.5)
fig.suptitle("The thick line is the straight way: in pre-norm no norm stands on it", y=0.99)
fig.tight_layout()
plt.show()

# %% [markdown]
# ### Back through the block
#
# All the parts are proven. What is left is to take them in the right order, from the end, and to add
# where the ways meet. In post-norm the last thing was a norm, so the gradient goes through it first:
#
# $$d\mathrm{sum} = \mathrm{norm\ backward}(d\mathrm{out}) \tag{7.14}$$
#
# (that is (7.11); on its way the norm's scale and shift get theirs, by (7.5) and (7.6)).
#
# The sum has two terms, and each gets the whole: $z$ gets $d\mathrm{sum}$ on the straight way, and the
# branch gets it through its dropout,
#
# $$d\mathrm{branch} = \mathrm{dropout\ backward}(d\mathrm{sum}) \tag{7.15}$$
#
# The branch began at $z$, too. So $z$ was used twice, and gets the sum (2.2) of what comes straight back
# and what comes through the branch:
#
# $$dz = d\mathrm{sum} + \mathrm{feedforward\ backward}(d\mathrm{branch}) \tag{7.16}$$
#
# For the first half the same again. With $d\mathrm{sum}$ and $d\mathrm{branch}$ worked out from $dz$ as
# in (7.14) and (7.15),
#
# $$dx = d\mathrm{sum} + \mathrm{attention\ backward}(d\mathrm{branch}) \tag{7.17}$$
#
# In pre-norm, the straight way has nothing on it, and the branch two things:
#
# $$dz = d\mathrm{out} + \mathrm{norm\ backward}\big(\mathrm{feedforward\ backward}(
# \mathrm{dropout\ backward}(d\mathrm{out}))\big) \tag{7.18}$$
#
# $$dx = dz + \mathrm{norm\ backward}\big(\mathrm{attention\ backward}(
# \mathrm{dropout\ backward}(dz))\big) \tag{7.19}$$
#
# Here is the code: first a sum with its norm, then BERT's block, then the other. It has longer names:
#
# | in the equations | in the code of a block |
# |---|---|
# | $z$, $dz$ | `middle`, `dmiddle` |
# | $\mathrm{attention}(\dots)$, what the first branch gives | `heard` |
# | $\mathrm{feedforward}(\dots)$, what the second branch gives | `thought` |
# | $d\mathrm{sum}$, on the straight way | what `dmiddle` and `dx` are at first |
# | $d\mathrm{branch}$, which the branch's backward pass gets | `dthought`, `dheard` |
# | what the branch's backward pass returns | `through_feedforward`, `through_attention`, added at once |
#
# (`add_norm_backward` serves both sums, and there $d\mathrm{branch}$ is just `dbranch`.)

# %%
show(add_norm_forward, add_norm_backward, block_forward, block_backward)

# %%
show(prenorm_block_forward, prenorm_block_backward)

# %% [markdown]
# A case that can be checked by eye: let all weights be zero, so that the branches give nothing. Then a
# pre-norm block hands on $x$, to the last bit, and back comes $d\mathrm{out}$, to the last bit. A
# post-norm block still normalises twice.

# %%
rng = np.random.default_rng(7)
x, dout = rng.normal(size=(2, 1, 5, 64))
nothing = draw_block(rng, strength=0.0)
out, cache = prenorm_block_forward(x, nothing, H)
assert np.array_equal(out, x) and np.array_equal(prenorm_block_backward(dout, cache)[0], dout)

out, cache = block_forward(x, nothing, H)
assert np.allclose(out, layer_norm(layer_norm(x))) and not np.allclose(block_backward(dout, cache)[0], dout)

# %% [markdown]
# ## Post-norm or pre-norm?
#
# Where does it matter that a norm stands on the straight way? At the beginning of training. In post-norm
# a gradient on the straight way goes back through 48 norms, in a stack of 24 blocks. Each divides it by
# the size of a sum. What came in has size 1, the branch adds to it, so the sum is larger than 1. (And each
# takes its two parts out.) What do the 48 divisions alone leave of a gradient that never takes a branch?

# %%
rng = np.random.default_rng(0)
x, left = rng.normal(size=(B, 2 * T, 64)), 1.0
for _ in range(24):
    params = draw_block(rng)
    for branch in (attend, think):
        total = x + branch(x, params)
        left /= total.std(axis=-1).mean()
        x = layer_norm(total)
print(f"left of a gradient of length 1, on the straight way: {left:.1e}")
assert round(left * 1e5, 1) == 1.3

# %% [markdown]
# That is 1.3 hundred-thousandths. What the branches send back has to make up for it, and does so
# more or less. In pre-norm the straight way is free. There is only one norm on it, at the very top: a
# pre-norm stack needs a last one, because nothing else brings its growing sum to size. It divides by the
# final size, for all blocks alike.
#
# So let us measure. At the top comes in a random gradient of length 1. How long is it further down, and
# how long are the gradients of the weights? We draw the weights five times; the line is the median
# (中位数), the band goes from the smallest to the largest, light grey for post-norm and dark grey for
# pre-norm.

# %%
kinds = {
    "post-norm": (block_forward, block_backward),
    "pre-norm": (prenorm_block_forward, prenorm_block_backward),
}


def gradients_down(kind, layers, seed):
    """Return the lengths of the gradient from the first block's input to the top, and of the last weights'.

    Of the weights of the last block, the second matrix of its feed-forward stands for all.
    """
    forward, backward = kinds[kind]
    rng, caches = np.random.default_rng(seed), []
    x = rng.normal(size=(B, 2 * T, 64))
    for _ in range(layers):
        x, cache = forward(x, draw_block(rng), H)
        caches.append(cache)
    dx = rng.normal(size=x.shape)
    dx /= np.linalg.norm(dx)
    if kind == "pre-norm":  # the last norm
        dx, _, _ = layernorm_backward(dx, layernorm_forward(x, np.ones(64), np.zeros(64))[1])
    lengths, weights = [np.linalg.norm(dx)], []
    for cache in reversed(caches):
        dx, dparams = backward(dx, cache)
        lengths.append(np.linalg.norm(dx))
        weights.append(np.linalg.norm(dparams["feedforward.contract.weight"]))
    return lengths[::-1], weights[0]


# %%
depths, seeds = [3, 6, 12, 24], range(5)
runs = {(kind, n): [gradients_down(kind, n, seed) for seed in seeds] for kind in kinds for n in depths}
down = {kind: np.array([lengths for lengths, _ in runs[kind, 24]]) for kind in kinds}
last = {kind: [np.median([weights for _, weights in runs[kind, n]]) for n in depths] for kind in kinds}

# %%
fig, axes = plt.subplots(1, 2, figsize=(8.5, 3.8), dpi=100)
for (kind, lengths), style, shade in zip(down.items(), ("k-", "k--"), ("0.8", "0.65"), strict=True):
    axes[0].fill_between(range(25), lengths.min(axis=0), lengths.max(axis=0), color=shade, lw=0)
    axes[0].semilogy(np.median(lengths, axis=0), style, label=kind)
axes[0].set(xlabel="after so many blocks (24: the top)", ylabel="length of the gradient")
axes[0].set(xticks=range(0, 25, 4), ylim=(0.08, 3.5))
axes[0].set_title("Of the words, from the top down", size=11)
axes[0].set_yticks([0.1, 0.2, 0.5, 1, 2], ["0.1", "0.2", "0.5", "1", "2"])
for kind, style in (("post-norm", "ko-"), ("pre-norm", "k^--")):
    axes[1].loglog(depths, last[kind], style, ms=6, label=kind)
axes[1].set(
    xlabel="blocks in the stack",
    ylabel="length of the gradient",
    xticks=depths,
    xticklabels=depths,
    ylim=(1.5, 16),
)
axes[1].set_yticks([2, 4, 8, 16], ["2", "4", "8", "16"])
axes[1].set_title("Of the weights of the last block", size=11)
for ax in axes:
    ax.minorticks_off()
    ax.legend(frameon=False, loc="upper left" if ax is axes[1] else "upper center")
fig.suptitle("At the top, post-norm's gradients are the larger, however deep the stack")
fig.tight_layout()
plt.show()

# %%
middle = {kind: np.median(lengths, axis=0) for kind, lengths in down.items()}
spread = {kind: (lengths.max(axis=0) / lengths.min(axis=0)).max() for kind, lengths in down.items()}
assert middle["post-norm"][24] > 3 * middle["post-norm"][18]
assert middle["pre-norm"][6:].max() < 2 * middle["pre-norm"][24]
assert all(np.array(last["post-norm"]) > last["pre-norm"])
assert round(middle["pre-norm"][24] / middle["post-norm"][24], 1) == 0.2
assert spread["post-norm"] > 5 and spread["pre-norm"] < 2
assert max(last["post-norm"]) < 1.2 * min(last["post-norm"])
root = np.array(last["pre-norm"]) * np.sqrt(depths)
assert root.max() < 1.25 * root.min()

# %% [markdown]
# On the left, post-norm: from the top, the gradient falls to less than a third within six blocks. Further
# down it depends on the luck of the draw, by more than a factor of five. With pre-norm it starts lower,
# at a fifth, and stays within a factor of two down to the sixth block. (Below that it grows, because
# there the sums are still small, and (7.11) divides by the size.) Every draw looks nearly the same.
#
# On the right is what Theorem 1 of Xiong et al. (2020, section 3.3) is about: the second matrix of the last
# feed-forward, at the beginning of training. They prove upper bounds for the length of its gradient: in
# post-norm a bound that does *not depend on the number $L$ of blocks*, in pre-norm one that shrinks like
# $1/\sqrt{L}$. Our dashed line does so, to within a quarter, and the solid one stays level, to within a
# fifth. But our setting is not theirs. In the proof, queries and keys are zero, so that attention takes
# plain means, there is one head, and the feed-forward is as narrow as the model and has a ReLU; and the
# gradient comes from a loss. Ours has four heads with random queries, GELU and $F = 4D$, and starts from a
# random gradient. (In their section 3.4 they measure it on translation models as well, where it comes out as
# the theorem says.)
#
# They conclude that at the start a large learning rate is too large for the weights near the output. That
# would be why post-norm models are started with a **warmup** (预热, chapter 09): BERT's rate rises over the
# first 10,000 steps (Devlin et al. 2019, appendix A.2). Pre-norm can do without, as their section 4 shows,
# and that is a reason why most deep models today have it. Whether it is the whole reason is not settled. Liu
# et al. (2020) find that uneven gradients are not the root of it, since an optimizer such as Adam evens them
# out; in post-norm, they say, more of the output hangs on the branches, so each change of the weights shakes
# it more.
#
# Post-norm has its merits. Takase et al. (2022) find that shallow stacks, of six layers or so, end up
# better with it. And what comes out of each post-norm block has size 1, without a last norm. BERT is
# post-norm, so ours is too.

# %% [markdown]
# ## Three blocks for three kinds of model
#
# The equations say nothing about who may look at whom; that is the mask's affair (chapter 04). With no
# mask, every word hears every other, from both sides: the block of BERT. With a **causal mask**
# (因果掩码) each word hears only itself and those before it: the block of GPT, which must not see the
# word that it has to guess. Nothing else changes.
#
# The third is the block of a **decoder** (解码器), which writes a translation while it reads the original
# (chapter 20). It has one branch more. After the words have heard each other, causally, each looks at the
# words of the *source*: a **cross-attention**, whose queries come from the own words, and whose keys and
# values come from the source (chapter 05):
#
# $$a = \mathrm{norm}\big(x + \mathrm{attention}(x)\big) \qquad
# z = \mathrm{norm}\big(a + \mathrm{cross}(a, \mathrm{source})\big) \qquad
# \mathrm{out} = \mathrm{norm}\big(z + \mathrm{feedforward}(z)\big)$$
#
# Its backward pass is the one we know, with a step in the middle. From (7.16) we have $dz$; (7.14) and
# (7.15) turn it into $d\mathrm{sum}$ and $d\mathrm{branch}$. The cross-attention's backward pass has two
# results, one for those who asked and one for those who were asked. The source stands nowhere else in the
# block, so what it gets is all it gets here:
#
# $$d\mathrm{source} = \mathrm{cross\ backward}(d\mathrm{branch})
# \quad\text{(the part of the keys and values)} \tag{7.20}$$
#
# $$da = d\mathrm{sum} + \mathrm{cross\ backward}(d\mathrm{branch})
# \quad\text{(the part of the queries)} \tag{7.21}$$
#
# From $da$ on it is (7.17). In a stack of such blocks the source is read by each of them, so their
# $d\mathrm{source}$ are added. In the code $a$ is `first` and $z$ is `second`, and what the cross-attention
# gives is `read`.

# %%
show(cross_block_forward, cross_block_backward)

# %% [markdown]
# Who hears whom? The backward pass can answer. Send a gradient back from a single word of the output, and
# see which words of the input get some of it. If a word gets nothing, to the last bit, it had no
# influence. Each row of a picture is one word of the output; the numbers are the lengths of what comes
# back, as shares of the row.


# %%
def influence(forward, backward, x, *rest):
    """Return for each word of the output what share of its gradient each word of x, or of source, gets."""
    out, cache = forward(x, *rest)
    rows = []
    for t in range(out.shape[1]):
        dout = np.zeros_like(out)
        dout[0, t] = np.random.default_rng(t).normal(size=out.shape[-1])
        gradients = backward(dout, cache)
        rows.append([np.linalg.norm(dx[0], axis=-1) for dx in gradients[:-1]])
    tables = [np.array(table) for table in zip(*rows, strict=True)]
    return [table / table.sum(axis=1, keepdims=True) for table in tables]


rng = np.random.default_rng(8)
english, german = ["the", "bank", "is", "wet"], ["das", "Ufer", "ist", "nass"]
x, source = rng.normal(size=(2, 1, 4, 64))
params = draw_block(rng, attentions=("attention", "cross"))
own = {name: value for name, value in params.items() if not name.startswith("cross")}
mask = causal_mask(4)
(both_ways,) = influence(block_forward, block_backward, x, own, H)
(causal,) = influence(block_forward, block_backward, x, own, H, mask)
in_decoder, of_source = influence(cross_block_forward, cross_block_backward, x, source, params, H, mask)

future = np.triu_indices(4, 1)
assert both_ways.min() > 0 and of_source.min() > 0
assert not causal[future].any() and not in_decoder[future].any()  # not small: zero

# %%
fig, axes = plt.subplots(1, 4, figsize=(8.5, 2.6), dpi=100)
panels = (
    (both_ways, "no mask", english, english),
    (causal, "causal", english, english),
    (in_decoder, "decoder: own words", german, german),
    (of_source, "decoder: source", german, english),
)
for ax, (table, title, rows, columns) in zip(axes, panels, strict=True):
    ax.imshow(table, cmap="Greys", vmin=0, vmax=1.6)
    for (row, column), share in np.ndenumerate(table):
        ax.text(column, row, f"{share:.2f}" if share else "0", ha="center", va="center", size=8)
    ax.set_xticks(range(4), columns, size=9, rotation=45)
    ax.set_yticks(range(4), rows, size=9)
    ax.set_title(title, size=10)
    ax.tick_params(length=0)
fig.suptitle("A word of the output (row) sends nothing back to those it may not hear (column)", y=0.97)
fig.tight_layout()
plt.show()

# %% [markdown]
# The dark diagonal is the residual at work: each word of the output sends more to its own place than to any
# other.

# %%
assert all((table.argmax(axis=1) == range(4)).all() for table in (both_ways, causal, in_decoder))

# %% [markdown]
# ## The norm without a mean
#
# Is it the mean that helps, or the size? Zhang and Sennrich think that it is the size:
#
# > … we hypothesize that re-centering invariance in LayerNorm is dispensable and propose root mean square
# > layer normalization, or RMSNorm.
# >
# > Zhang and Sennrich 2019, abstract
#
# So the mean stays in, the shift goes too, and two lines are left of four. (The $\varepsilon$ is not in
# the paper, but in everybody's code.) Most large models of today have this norm, Llama and Qwen among
# them.
#
# $$\rho = \sqrt{\frac1D \sum_i x_i^2 + \varepsilon} \qquad n_i = \frac{x_i}{\rho} \qquad
# y_i = \gamma_i\, n_i \tag{7.22}$$
#
# With the pencil, $x = (1, -7)$ and $\gamma = (2, 1)$: the mean square is $(1 + 49)/2 = 25$, so $\rho = 5$,
# $n = (0.2, -1.4)$ and $y = (0.4, -1.4)$.
#
# What becomes of the picture? The plane is gone, the sphere stays: a word is stretched or shortened until
# it has the length $\sqrt D$. To stretch it changes nothing. To move it does. And of a word whose mean is
# 0 already, both norms make the same.

# %%
x, scale = np.array([1.0, -7.0]), np.array([2.0, 1.0])
y, cache = rmsnorm_forward(x, scale, 0.0)
assert np.allclose(y, [0.4, -1.4]) and np.allclose(rmsnorm_forward(10 * x, scale, 0.0)[0], y)
assert not np.allclose(rmsnorm_forward(x + 1000, scale, 0.0)[0], y)

centred = np.array([-7.0, -1, 1, 7])
assert np.allclose(rmsnorm_forward(centred, np.ones(4), 0.0)[0], layer_norm(centred + 10))

# %% [markdown]
# **Back.** The scale as in (7.6) and (7.7):
#
# $$d\gamma_i = \sum_t dy_{ti}\, n_{ti} \tag{7.23}$$
#
# $$dn_i = dy_i\, \gamma_i \tag{7.24}$$
#
# And the derivation of (7.9) holds word for word, with $x$ in the place of $c$ and $\rho$ in the place of
# $\sigma$. It is the end of the way, for there is no mean to go through:
#
# $$dx_i = \frac1\rho \Big( dn_i - n_i\; \text{mean}(dn \cdot n) \Big) \tag{7.25}$$
#
# With the pencil, $dy = (5, 0)$: $dn = (10, 0)$, and the mean of $dn \cdot n$ is $2/2 = 1$. So
# $5\,dx = (10 - 0.2,\ 1.4)$.

# %%
dx, dscale = rmsnorm_backward(np.array([5.0, 0.0]), cache)
assert np.allclose(dscale, [1, 0]) and np.allclose(5 * dx, [9.8, 1.4])

# %%
show(rmsnorm_forward, rmsnorm_backward)

# %% [markdown]
# ## The proof
#
# Both norms and all three blocks, against finite differences, our own modules in PyTorch, and
# `transformers`: the layer norm and the post-norm block are those of its BERT, also as a decoder, the RMS
# norm is that of its ImageGPT, the pre-norm block that of its GPT-2, and the last row is the decoder of
# its BART. In the rows with dropout the other libraries run as in training, and are made to leave out the
# very numbers that NumPy draws. So even the *places* of the dropouts are proven.

# %%
prove("layernorm", "rmsnorm", "block")

# %% [markdown]
# ### Mistakes that still train
#
# Two post-norm blocks shall learn to give the outputs of a third, whose weights they do not know. Here is
# how far they get in 300 steps of gradient descent, with the right backward pass and with some wrong
# ones.


# %%
def learn(steps=300, rate=1.0):
    """Return the losses of two blocks that learn what another block does."""
    rng = np.random.default_rng(0)
    start = rng.normal(size=(8, 6, 16))
    small = partial(draw_block, rng, D=16, F=32)
    wanted, _ = block_forward(start, small(strength=2.0), 2)
    blocks, losses = [small(), small()], []
    for _ in range(steps):
        x, caches = start, []
        for params in blocks:
            x, cache = block_forward(x, params, 2)
            caches.append(cache)
        losses.append(float(((x - wanted) ** 2).mean()))
        dx = 2 * (x - wanted) / x.size
        for i in (1, 0):
            dx, dparams = block_backward(dx, caches[i])
            blocks[i] = {name: value - rate * dparams[name] for name, value in blocks[i].items()}
    return losses


# %%
right = learn()
print(f"right: the loss falls from {right[0]:.2f} to {right[-1]:.4f}\n")
names = (
    "mean and variance are taken for constants",
    "the residual is forgotten on the way back",
    "what comes straight back goes round the norm",
    "nothing comes back: the gradient is zero",
)
chosen = [mutant for mutant in mutants() if mutant.stem in ("layernorm", "block")]
chosen = [m for name in names for m in chosen if m.name.startswith(name)]
final = {}
x = np.random.default_rng(9).normal(size=(1, 3, 16))
params = draw_block(np.random.default_rng(9), D=16, F=32)
for mutant in chosen:
    with mutant.made():
        final[mutant.name] = learn()
        try:
            gradcheck(block_forward, block_backward, x, params, 2)
        except GradientError as mistake:
            print(f"{mutant.name}: the loss falls to {final[mutant.name][-1]:.4f}")
            print(textwrap.indent(textwrap.fill(str(mistake), 96), "    ") + "\n")
        else:
            raise AssertionError(f"not seen: {mutant.name}")

# %%
constants, forgotten, round_it, zeros = (losses[-1] for losses in final.values())
assert round(constants / right[-1]) == 5 and round(forgotten / right[-1]) == 5
assert 1.2 < round_it / right[-1] < 1.3
assert max(constants, forgotten, round_it, zeros) < right[0] / 2

# %% [markdown]
# In all of them the loss falls to less than half. Even where *nothing* comes back through a norm: the scale
# and the shift of the last one still learn. Whoever takes mean and variance for constants ends with five
# times the loss, and so does whoever forgets the residual on the way back. Whoever lets the straight
# gradient go round the norm pays only a quarter more, here. A falling loss is no proof.
#
# The first of these mistakes has even been made on purpose. Xu et al. (2019) cut the gradient through
# mean and variance, to find out what a layer norm is good for. They conclude that those two terms of
# (7.11), which centre and rescale the *gradients*, matter more than what the norm does to the numbers on
# their way up.

# %% [markdown]
# ## What the papers do differently
#
# - **Ba et al.** normalise the weighted sums inside a layer, before its activation, and think of
#   recurrent networks (chapter 10). In a transformer what is normalised is the sum of a residual. Their
#   equations have no $\varepsilon$.
# - **Vaswani et al.** write post-norm, as quoted above. The library that they published, tensor2tensor,
#   later came to normalise before each branch.
# - **BERT** takes $\varepsilon = 10^{-12}$, as ours does; PyTorch's own is $10^{-5}$. Between them the
#   outputs differ where the variance is small: by half a per cent where it is $10^{-3}$. Whoever loads
#   weights has to take their $\varepsilon$ as well.
# - **The Annotated Transformer**, from which thousands have learned, puts the norm before the branch. And
#   it divides by $\mathrm{std} + \varepsilon$, where the standard deviation is the *unbiased* one (with
#   $D - 1$ in place of $D$) and $\varepsilon = 10^{-6}$ stands outside the root. The first makes $n$ smaller
#   by the factor $\sqrt{(D-1)/D}$: by 13 per cent at $D = 4$, so that our word with a pencil becomes
#   $(-1.21, -0.17, 0.17, 1.21)$; by 0.065 per cent at $D = 768$. The second hardly matters where a word has
#   size 1 (a millionth), and takes a thousandth off where it has size 0.001. A model that is trained like
#   that does not mind. A model whose weights come from elsewhere is off by so much in every norm.
# - **GPT-2** has pre-norm, one more norm at the end, and lets the last matrix of each branch start
#   smaller, by the root of the number of branches (exercise 5).
# - **Zhang and Sennrich** (2019) have no $\varepsilon$. We have Llama's, $10^{-6}$.

# %%


def annotated(x, eps=1e-6):
    """Normalise as The Annotated Transformer does."""
    return (x - x.mean()) / (x.std(ddof=1) + eps)


word = np.array([3.0, 9, 11, 17])
assert annotated(word).round(2).tolist() == [-1.21, -0.17, 0.17, 1.21]
for D, percent in ((4, 13.4), (768, 0.065)):
    wide = np.random.default_rng(0).normal(size=D)
    off = 1 - annotated(wide, eps=0) / layer_norm(wide)
    assert np.allclose(off, 1 - math.sqrt((D - 1) / D)) and np.allclose(100 * off, percent, rtol=0.01)
for size in (1, 0.001):  # a millionth and a thousandth
    assert math.isclose(1 - size / (size + 1e-6), 1e-6 / size, rel_tol=0.002)
assert round(1 - math.sqrt((1e-3 + 1e-12) / (1e-3 + 1e-5)), 3) == 0.005

dn = np.array([4.0, 0, 0, 0])  # the numbers of the first hint
assert dn.mean() == 1 and np.isclose((dn * layer_norm(np.array([1.0, 1, 5, 5]))).mean(), -1)

# %% [markdown]
# ## Exercises
#
# Some functions of this chapter are for you to write. `minibert learn start` makes a folder with a file for
# each, and `minibert learn check` says whether it is right and, if not, what is wrong with it. Each stands
# alone. What comes after them is done with a pencil, or leads further.
#
# ### To write: the norm

# %%
exercise("layernorm_forward")

# %%
exercise("layernorm_backward")

# %%
exercise("rmsnorm_forward")

# %%
exercise("rmsnorm_backward")

# %% [markdown]
# ### To write: the block

# %%
exercise("add_norm_forward")

# %%
exercise("add_norm_backward")

# %%
exercise("block_forward")

# %%
exercise("block_backward")

# %% [markdown]
# ### To write: the other block

# %%
exercise("prenorm_block_forward")

# %%
exercise("prenorm_block_backward")

# %% [markdown]
# ### To write: in PyTorch

# %%
exercise("torch_layernorm")

# %%
exercise("torch_layernorm_init")

# %%
exercise("torch_rmsnorm")

# %%
exercise("torch_take_rows")

# %%
exercise("torch_block")

# %%
exercise("torch_prenorm_block")

# %%
exercise("torch_cross_block")

# %% [markdown]
# ### To write: a test

# %%
exercise("judge_layernorm_backward")

# %% [markdown]
# ### To think about
#
# **1. Pencil.** $x = (1, 1, 5, 5)$, $\gamma = 1$, $\beta = 0$. What is $n$? Now let $dy = (4, 0, 0, 0)$.
# What is $dx$? Why do the last two features get nothing?
#
# <details><summary>Hint</summary>
#
# The mean of $dn$ is 1, that of $dn \cdot n$ is $-1$. In features 3 and 4 the two terms cancel: to make
# the first feature larger one may move mass from the second to it, and that leaves the mean as it is.
#
# </details>
#
# **2. One in the other.** A layer norm is an RMS norm behind a matrix, and an RMS norm is a layer norm of
# twice as many features. Which matrix? Which features? Write both with the library's functions.
#
# <details><summary>Hint</summary>
#
# To take the mean off is a linear layer: $1 - \frac1D$ on the diagonal, $-\frac1D$ elsewhere. And
# $(x, -x)$ has the mean 0, whatever $x$ is.
#
# </details>
#
# **3. Batch norm.** Normalise each feature over all words of a batch, with a scale and a shift for each
# feature. You need hardly any new code: which axes have to be swapped? Why can you not hand the scale
# over?
#
# <details><summary>Hint</summary>
#
# Call `layernorm_forward` with `x.T`, of shape $(D, N)$, with ones for the scale and zeros for the shift,
# both of width $N$; then scale and shift yourself.
#
# </details>
#
# **4. A stack.** Stack three pre-norm blocks, with a last norm behind them, forward and backward. Prove the
# whole stack with `gradcheck`.
#
# <details><summary>Hint</summary>
#
# Keep the caches in a list and go through it backwards. `gradcheck` may get $x$ and one dictionary for
# each block. With $D = 8$, $F = 8$ and two words it takes seconds.
#
# </details>
#
# **5. A gentler start.** Let the last matrices of all branches (`attention.output`,
# `feedforward.contract`) start smaller, divided by $\sqrt{2L}$. How large are the numbers of a pre-norm
# stack then, after each of 24 blocks? And the gradients? Do the same for post-norm.
#
# <details><summary>Hint</summary>
#
# The branches' variances add up: $2L$ of them, each divided by $2L$, add about as much as *one* did
# before.
#
# </details>
#
# ## Further reading
#
# - Ba, Kiros and Hinton 2016, *Layer normalization*,
#   [arXiv:1607.06450](https://arxiv.org/abs/1607.06450).
# - Ioffe and Szegedy 2015, *Batch normalization: accelerating deep network training by reducing internal
#   covariate shift*, [arXiv:1502.03167](https://arxiv.org/abs/1502.03167).
# - He, Zhang, Ren and Sun 2016a, *Deep residual learning for image recognition*,
#   [arXiv:1512.03385](https://arxiv.org/abs/1512.03385); and 2016b, *Identity mappings in deep residual
#   networks*, [arXiv:1603.05027](https://arxiv.org/abs/1603.05027): why nothing should stand on the
#   straight way.
# - Veit, Wilber and Belongie 2016, *Residual networks behave like ensembles of relatively shallow
#   networks*, [arXiv:1605.06431](https://arxiv.org/abs/1605.06431).
# - Vaswani et al. 2017, *Attention is all you need*, sections 3.1 and 5.4,
#   [arXiv:1706.03762](https://arxiv.org/abs/1706.03762).
# - Devlin et al. 2019, *BERT*, appendix A.2, [arXiv:1810.04805](https://arxiv.org/abs/1810.04805).
# - Radford et al. 2019, *Language models are unsupervised multitask learners*, section 2.3. GPT-2.
# - Xu, Sun, Zhang, Zhao and Lin 2019, *Understanding and improving layer normalization*,
#   [arXiv:1911.07013](https://arxiv.org/abs/1911.07013).
# - Zhang and Sennrich 2019, *Root mean square layer normalization*,
#   [arXiv:1910.07467](https://arxiv.org/abs/1910.07467).
# - Xiong et al. 2020, *On layer normalization in the transformer architecture*,
#   [arXiv:2002.04745](https://arxiv.org/abs/2002.04745).
# - Liu, Liu, Gao, Chen and Han 2020, *Understanding the difficulty of training transformers*,
#   [arXiv:2004.08249](https://arxiv.org/abs/2004.08249).
# - Takase, Kiyono, Kobayashi and Suzuki 2022, *On layer normalizations and residual connections in
#   transformers*, [arXiv:2206.00330](https://arxiv.org/abs/2206.00330).
# - Brody, Alon and Yahav 2023, *On the expressivity role of LayerNorm in transformers' attention*,
#   [arXiv:2305.02582](https://arxiv.org/abs/2305.02582). The plane and the sphere, seen from the
#   attention.
