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
# # 06 · Feed-forward (前馈网络)
#
# *What does a word do, by itself, with what it has heard from the others?*
#
# **Files:** `minibert/byhand/feedforward.py` · `minibert/byhand/activation.py` ·
# `minibert/byhand/dropout.py` · `minibert/byhand/gated.py` · `minibert/model/feedforward.py` ·
# `minibert/model/activation.py` · `minibert/model/gated.py` · `minibert/learn/checks/feedforward.py` ·
# `minibert/learn/checks/activation.py` · `minibert/learn/checks/dropout.py` ·
# `minibert/learn/checks/gated.py` · `tests/test_feedforward.py` · `tests/test_activation.py` ·
# `tests/test_dropout.py` · `tests/test_gated.py`
#
# **Needs:** [02 Gradients](02_gradients.ipynb)
#
# **Time:** 45 minutes

# %% [markdown]
# ## The question: after listening, thinking
#
# In attention (chapter 04) the words listen to each other: each takes a weighted mean of what the others
# offer. But a mean is a mild thing. It can only mix what is already there. Somewhere a word must *conclude*
# something: "I am *bank*, and I have heard *river*, so I am not about money."
#
# That is the work of the feed-forward block (前馈网络). It stands behind every attention in BERT, it looks
# at each word alone, and it holds more than half of all of BERT's weights, as we shall count. It is also
# the simplest block there is: two linear layers with a bend between them. This chapter is about why the bend
# has to be there, which curve BERT takes for it, and about **dropout** (随机失活), a way to keep such a
# block from learning its examples by heart.

# %%
import math
import textwrap

import matplotlib.pyplot as plt
import numpy as np
import torch

from minibert.byhand.activation import (
    ACTIVATIONS,
    STEPS,
    TERMS,
    erf,
    gelu_backward,
    gelu_forward,
    gelu_tanh_backward,
    gelu_tanh_forward,
    relu_backward,
    relu_forward,
)
from minibert.byhand.dropout import dropout_backward, dropout_forward
from minibert.byhand.feedforward import feedforward_backward, feedforward_forward
from minibert.byhand.gated import (
    gated_backward,
    gated_forward,
    product_backward,
    product_forward,
    silu_backward,
    silu_forward,
)
from minibert.byhand.gradcheck import GradientError, gradcheck
from minibert.config import PRESETS, BertConfig
from minibert.learn.mutate import mutants
from minibert.learn.notebook import exercise, show
from minibert.model.bert import Bert
from minibert.prove import prove

# %% [markdown]
# ## What the papers say
#
# > … each of the layers in our encoder and decoder contains a fully connected feed-forward network, which
# > is applied to each position separately and identically. This consists of two linear transformations with
# > a ReLU activation in between.
# >
# > Vaswani et al. 2017, section 3.3
#
# $$\mathrm{FFN}(x) = \max(0,\, x W_1 + b_1)\, W_2 + b_2 \qquad\text{(their equation 2)}$$
#
# In their base model $x$ has $D = 512$ numbers per word, and in the middle there are $F = 2048$. BERT keeps
# the factor of four (Devlin et al. 2019, section 3) and takes another curve in place of $\max(0, x)$, the
# GELU (appendix A.2). As PyTorch does, we store each output's weights in a row, so our $W_1$ is $(F, D)$,
# and in matrices
#
# $$u = x W_1^T + b_1 \qquad h = f(u) \qquad y = h W_2^T + b_2$$
#
# where $f$, the **activation** (激活函数), works on each number alone.

# %% [markdown]
# ## Why there must be a bend
#
# Leave $f$ out. Then two layers are $y = (x W_1^T + b_1) W_2^T + b_2 = x (W_2 W_1)^T + (W_2 b_1 + b_2)$:
# *one* linear layer, with the weights $W_2 W_1$. However many linear layers you stack, they stay one. And
# one linear layer cannot do much. The classical example is "one or the other, but not both" (exclusive or,
# 异或): 0, 1, 1, 0 for the inputs 00, 01, 10, 11. No weighted sum of the two inputs gives that (Minsky and
# Papert 1969). Whatever the weights and the bias are, $y(00) + y(11) = y(01) + y(10)$, since each side
# holds both weights once and the bias twice. Here it would have to be $0 + 0 = 1 + 1$. The best that one
# linear layer can do is to shrug, and say 0.5 to every input.
#
# With the simplest bend, $\mathrm{relu}(u) = \max(0, u)$, it can be done. The $F$ numbers in the middle are
# called **units** (单元), and here two of them, $F = 2$, are enough. The first adds the inputs,
# $u_1 = a + b$. The second does so too, but stays silent until both are there: $u_2 = a + b - 1$. Then
#
# $$y = \mathrm{relu}(a + b) - 2\, \mathrm{relu}(a + b - 1)$$
#
# Check it with the pencil: $0$; $1$; $1$; $2 - 2 \cdot 1 = 0$. In the code $W_1$ and $b_1$ are called
# `expand.weight` and `expand.bias`, and $W_2$ and $b_2$ are `contract.weight` and `contract.bias`, because
# the first layer makes a word's vector wider and the second makes it narrow again.

# %%
exclusive_or = {
    "expand.weight": np.array([[1.0, 1.0], [1.0, 1.0]]),
    "expand.bias": np.array([0.0, -1.0]),
    "contract.weight": np.array([[1.0, -2.0]]),
    "contract.bias": np.array([0.0]),
}
inputs = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
y, _ = feedforward_forward(inputs, exclusive_or, "relu")
assert y.ravel().tolist() == [0, 1, 1, 0]

with_ones = np.c_[inputs, np.ones(4)]  # a column of ones, whose weight is the bias
best, *_ = np.linalg.lstsq(with_ones, y.ravel(), rcond=None)  # the weights of the least squared error
assert np.allclose(with_ones @ best, 0.5)  # without a bend: a shrug

# %% [markdown]
# ## Three curves
#
# **ReLU** (线性整流函数, Nair and Hinton 2010) lets through what is above zero and cuts off the rest.
# **GELU** (高斯误差线性单元, Hendrycks and Gimpel 2016) does this gently. Its idea: draw a random number
# from the standard normal distribution (标准正态分布). If it is below $x$, keep $x$, else put 0. A large
# $x$ is nearly always kept, a very negative one nearly never. What you get *on average* is $x$ times the
# chance that it is kept:
#
# $$\mathrm{gelu}(x) = x\, \Phi(x) \qquad \Phi(x) = \int_{-\infty}^x \varphi(t)\, dt \qquad
# \varphi(t) = \frac{1}{\sqrt{2\pi}}\, e^{-t^2/2}$$
#
# $\varphi$ is the bell curve and $\Phi(x)$ the area under it to the left of $x$. Software offers a close
# relative of that area, the error function (误差函数), from which it follows:
# $\Phi(x) = \frac12 \left(1 + \mathrm{erf}(x / \sqrt2)\right)$. Because that was slow on some machines,
# the paper also gives an **approximation**, which the code of GPT-2 uses,
#
# $$\mathrm{gelu}(x) \approx
# \frac{x}{2} \left(1 + \tanh\left(\sqrt{2/\pi}\, (x + 0.044715\, x^3)\right)\right) \qquad
# \tanh v = \frac{e^v - e^{-v}}{e^v + e^{-v}}$$
#
# The tanh (双曲正切) is a curve in the shape of an S, from $-1$ on the far left to $1$ on the far right.
#
# A case for the pencil and a table of the normal distribution: $\Phi(1) = 0.8413$. So
# $\mathrm{gelu}(1) = 0.8413$, and $\mathrm{gelu}(-1) = -1 \cdot (1 - 0.8413) = -0.1587$.

# %%
assert np.allclose(gelu_forward(np.array([1.0, -1.0, 0.0]))[0], [0.8413, -0.1587, 0], atol=5e-5)

x = np.linspace(-4, 4, 801)
styles = {"relu": ("-", "0.6", 2.5), "gelu": ("-", "black", 1.5), "gelu_tanh": (":", "black", 3)}
fig, (left, right) = plt.subplots(1, 2, figsize=(8.5, 3.5), dpi=100)
for name, (style, color, width) in styles.items():
    forward, backward = ACTIVATIONS[name]
    y, cache = forward(x)
    left.plot(x, y, style, color=color, lw=width, label=name)
    right.plot(x, backward(np.ones_like(x), cache), style, color=color, lw=width, label=name)
left.set(xlabel="$x$", ylabel="activation", title="GELU is a ReLU with a soft knee")
right.set(xlabel="$x$", ylabel="slope", title="Its slope goes below 0 and above 1")
left.legend(frameon=False)
right.legend(frameon=False)
plt.tight_layout()
plt.show()

# %% [markdown]
# At this scale the approximation cannot be told from the exact curve. Take the difference, and magnify it:

# %%
off = gelu_tanh_forward(x)[0] - gelu_forward(x)[0]
assert 4.7e-4 < np.abs(off).max() < 4.8e-4
assert abs(abs(x[np.abs(off).argmax()]) - 2.7) < 0.02

fig, ax = plt.subplots(figsize=(6.5, 2.6), dpi=100)
ax.plot(x, 1e4 * off, color="black")
ax.axhline(0, color="0.6", lw=0.8)
ax.set(
    xlabel="$x$",
    ylabel="error, in units of 0.0001",
    title="The tanh is off by less than 0.0005, most at ±2.7",
)
plt.show()

# %% [markdown]
# Half a thousandth: little, but not nothing. Whoever loads weights that were trained with one and runs them
# with the other gets slightly other numbers in every layer. The first BERT code had the exact form, later
# versions the approximation; ours has the exact one unless told otherwise.

# %% [markdown]
# ## The backward pass, line by line
#
# **The activations.** An activation works on each number alone, so each number of $dy$ is simply multiplied
# by the slope where its $x$ stood. For ReLU that is
#
# $$dx = dy \cdot \begin{cases} 1 & x > 0 \\ 0 & x < 0 \end{cases} \tag{6.1}$$
#
# At exactly $0$ there is a corner and no slope. One has to choose, and we choose $0$, as PyTorch does.
#
# GELU is a product of two things that both move with $x$: so the product rule, $(fg)' = f'g + fg'$. The
# first factor, $x$, has the slope 1. The second, $\Phi$, is an area, and an area grows as fast as its right
# edge is high: $\Phi' = \varphi$.
#
# $$dx = dy\, \big(\Phi(x) + x\, \varphi(x)\big) \tag{6.2}$$
#
# For the approximation, call what is inside the tanh $v$. Its slope is
#
# $$v' = \sqrt{2/\pi}\, (1 + 3 \cdot 0.044715\, x^2) \tag{6.3}$$
#
# The slope of the tanh itself comes from the quotient rule. Its numerator and its denominator are each the
# derivative of the other, so
#
# $$\tanh' v = \frac{(e^v + e^{-v})^2 - (e^v - e^{-v})^2}{(e^v + e^{-v})^2} = 1 - \tanh^2 v$$
#
# With both, the product rule and the chain rule (2.1) give
#
# $$dx = dy \left(\frac{1 + \tanh v}{2} + \frac{x}{2}\, (1 - \tanh^2 v)\, v' \right) \tag{6.4}$$
#
# **The block.** Forward we went $x \to u \to h \to y$. Back we go through the same three doors in reverse,
# and behind each is something that we have already proven. The second layer is a linear layer, (2.4) to
# (2.6) with $h$ as its input:
#
# $$dh = dy\, W_2 \qquad dW_2 = dy^T h \qquad db_2 = \sum_n dy_n \tag{6.5}$$
#
# The activation, with its slope $f'$ at $u$ ($\odot$ multiplies number by number):
#
# $$du = dh \odot f'(u) \tag{6.6}$$
#
# And the first layer, with $x$ as its input:
#
# $$dx = du\, W_1 \qquad dW_1 = du^T x \qquad db_1 = \sum_n du_n \tag{6.7}$$
#
# There is nothing else to it. This is what (out, cache) is for: blocks that are right stay right when they
# are put together. With numbers for the pencil, ReLU, one word, $D = 2$, $F = 3$:

# %%
params = {
    "expand.weight": np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]),
    "expand.bias": np.array([0.0, 1.0, -10.0]),
    "contract.weight": np.array([[1.0, 2.0, 100.0], [0.0, -1.0, 100.0]]),
    "contract.bias": np.array([0.5, 0.0]),
}
y, cache = feedforward_forward(np.array([[3.0, 4.0]]), params, "relu")
# u = (3, 4 + 1, 3 + 4 - 10) = (3, 5, -3), h = (3, 5, 0)
assert y.tolist() == [[3 + 2 * 5 + 0.5, -5]] == [[13.5, -5]]

dx, dparams = feedforward_backward(np.array([[1.0, 10.0]]), cache)
# dh = (1, 2 - 10, 100 + 1000) = (1, -8, 1100); the third unit was cut off, so du = (1, -8, 0)
assert dx.tolist() == [[1, -8]]
assert dparams["expand.weight"].tolist() == [[3, 4], [-24, -32], [0, 0]]
assert dparams["contract.weight"].tolist() == [[3, 5, 0], [30, 50, 0]]

# %% [markdown]
# Look at the third unit. It was below zero, so it sent nothing forward, and nothing came back: its weights
# do not learn from this word. A ReLU unit that is below zero for *every* word gets no gradient at all, and
# may never come back; it is dead. GELU's slope is zero at a single point only (exercise 2), which is one
# reason to prefer it.
#
# Here is the library's code. There $u$ is called `wide` and $h$ is called `bent`.

# %%
show(relu_forward, relu_backward, gelu_forward, gelu_backward, gelu_tanh_forward, gelu_tanh_backward)

# %%
show(feedforward_forward, feedforward_backward)

# %% [markdown]
# ### Where erf comes from (to be skipped at a first reading)
#
# `gelu_forward` calls `erf`, which NumPy does not have. Python has `math.erf`, but only for one number at a
# time. So we take its values on a fine grid, every $1/256$, and go from the nearest grid point $c$ to $x$
# by Taylor's series (chapter 02). The coefficients follow from each other: $\mathrm{erf}'(x)$ is
# $\frac{2}{\sqrt\pi} e^{-x^2}$, and its slope is $-2x$ times itself. No $x$ is further than $1/512$ from a
# grid point, so six terms reach the last digit.

# %%
show(erf)

# %%
assert (STEPS, TERMS) == (256, 6)
grid = np.linspace(-7, 7, 20001)
exact = np.array([math.erf(t) for t in grid])
print(f"largest error: {np.abs(erf(grid) - exact).max():.1e}")
assert np.abs(erf(grid) - exact).max() < 2.3e-16

# %% [markdown]
# ## What it does to each word
#
# *Position-wise* means: the same weights for every word, and no word sees another. If you put the words
# into another order, the outputs come in that order too, and are otherwise the same.

# %%
rng = np.random.default_rng(0)
D, F = 8, 32
params = {
    "expand.weight": rng.normal(size=(F, D)) / math.sqrt(D),
    "expand.bias": rng.normal(size=F),
    "contract.weight": rng.normal(size=(D, F)) / math.sqrt(F),
    "contract.bias": rng.normal(size=D),
}
words = ["the", "river", "bank", "is", "wet"]
x = rng.normal(size=(1, len(words), D))
order = [4, 2, 0, 1, 3]
y, _ = feedforward_forward(x, params)
assert np.allclose(feedforward_forward(x[:, order], params)[0], y[:, order], rtol=0, atol=1e-12)

# %% [markdown]
# One can read the block as a memory. Row $f$ of $W_1$ is a pattern: $u_f$ is large where the word's vector
# resembles it. Column $f$ of $W_2$ is what is added to the word in that case. So the block holds $F$ notes
# of the kind "if this, then add that". Geva et al. 2021 looked into trained models and found units that
# answer to recognisable patterns of text.
#
# ### Why it is wider in the middle
#
# Each unit brings one bend. More units, more bends, finer shapes. We let the block learn a curve,
# $x \mapsto \sin 2x + x/2$, by gradient descent (chapter 02), with our own backward pass and nothing else.
# Here $D = 1$, and $F$ goes from 1 to 16. On the left is the best that any number of units can do *without*
# the activation, which is the best straight line.

# %%
points = np.linspace(-3, 3, 61)[:, None]
target = np.sin(2 * points) + points / 2


def learn(F, steps=4000, rate=0.02):
    """Return the outputs of a block after gradient descent, and the loss at each step."""
    rng = np.random.default_rng(6)
    params = {"expand.weight": rng.normal(size=(F, 1)), "expand.bias": 1.5 * rng.normal(size=F)}
    params |= {"contract.weight": rng.normal(size=(1, F)) / math.sqrt(F), "contract.bias": np.zeros(1)}
    losses = []
    for _ in range(steps):
        y, cache = feedforward_forward(points, params)
        losses.append(float(((y - target) ** 2).mean()))
        _, dparams = feedforward_backward(2 * (y - target) / len(points), cache)
        params = {name: value - rate * dparams[name] for name, value in params.items()}
    return y, losses


# %%
with_ones = np.c_[points, np.ones(len(points))]  # for a slope and a height
line = with_ones @ np.linalg.lstsq(with_ones, target, rcond=None)[0]
curves = {"no activation": (line, [float(((line - target) ** 2).mean())])}
curves |= {f"F = {F}": learn(F) for F in (1, 4, 16)}

fig, axes = plt.subplots(1, 4, figsize=(8.5, 2.6), dpi=100, sharey=True)
for ax, (title, (y, losses)) in zip(axes, curves.items(), strict=True):
    ax.plot(points, target, color="0.65", lw=3)
    ax.plot(points, y, "k--", lw=1.5)
    ax.set_title(f"{title}\nloss {losses[-1]:.2f}", size=10)
    ax.set_xlabel("$x$")
axes[0].set_ylabel("grey: wanted, dashed: learned")
fig.suptitle("Every unit in the middle adds a bend; without an activation there is none", y=1.13)
plt.show()

# %%
final = [losses[-1] for _, losses in curves.values()]
assert final[0] > final[1] > 2 * final[2] > 4 * final[3]

# %% [markdown]
# ### Half of BERT
#
# How many weights is that? The block has $D \cdot F + F$ in the first layer and $F \cdot D + D$ in the
# second. With $F = 4D$ that is $8 D^2 + 5D$. Attention (chapter 05) has four matrices of $D \times D$ with
# a bias each, $4D^2 + 4D$: half as much. For the base model of BERT, with $D = 768$, 12 blocks, and a
# vocabulary of 30,522 pieces, the next cell counts all that there is. (The norms are those of chapter 07. The
# pooler is one more linear layer, for chapter 12.)

# %%
base = BertConfig(**PRESETS["bert-base"], vocab_size=30_522)
D, F, L = base.width, base.feedforward, base.layers
counts = {
    "embeddings": (base.vocab_size + base.max_positions + base.segments) * D + 2 * D,
    "attention": L * (4 * D * D + 4 * D),
    "feed-forward": L * (D * F + F + F * D + D),
    "norms": L * 2 * 2 * D,
    "pooler": D * D + D,
}
total = sum(counts.values())
with torch.device("meta"):  # build the model of shapes alone, to count them; its numbers need no memory
    assert total == sum(p.numel() for p in Bert(base).parameters()) == 109_482_240
assert F == 4 * D and counts["feed-forward"] == 12 * (8 * D**2 + 5 * D) == 56_669_184
assert round(counts["feed-forward"] / total, 2) == 0.52
assert round(counts["attention"] / total, 2) == 0.26

# %%
fig, ax = plt.subplots(figsize=(6.5, 2.6), dpi=100)
bars = ax.barh(list(counts), [n / 1e6 for n in counts.values()], color=["0.8", "0.6", "0.3", "0.8", "0.8"])
ax.bar_label(bars, [f"{n / 1e6:.2f}  ({n / total:.1%})" for n in counts.values()], padding=4)
ax.set(xlim=(0, 78), xlabel="weights, in millions", title="More than half of BERT-base is feed-forward")
ax.invert_yaxis()
plt.show()

# %% [markdown]
# 56.7 of 109.5 million, 52 per cent. The famous part, attention, has 26 per cent.

# %% [markdown]
# ## Dropout
#
# A block with so many weights can learn its examples by heart: one unit for this sentence, another for
# that. **Dropout** makes that hard. In training, each number is set to zero with a probability $p$, the
# *rate*, anew at every step (Srivastava et al. 2014). No unit can rely on one particular other unit being
# there, so what is learned gets spread over many. BERT drops a tenth, $p = 0.1$, of the numbers that each
# sub-layer gives (Devlin et al. 2019, appendix A.2; Vaswani et al. 2017, section 5.4). A block has two
# **sub-layers** (子层), attention and the one of this chapter.
#
# Let $m_i$ be 0 with probability $p$ and 1 otherwise. In training, only the share $1 - p$ of a sum would
# arrive on average. After training nothing is left out, and the next layer would suddenly get larger sums
# than it ever saw. So in training we scale up what stays:
#
# $$y_i = \frac{m_i}{1 - p}\, x_i$$
#
# Why by $1/(1-p)$? Because then the expected value (期望), the mean over all draws, is right:
#
# $$\mathbb{E}[y_i] = p \cdot 0 + (1 - p) \cdot \frac{x_i}{1 - p} = x_i$$
#
# A pencil's case: $x = 6$, $p = 1/3$. One time in three there is 0, two times in three $6 / (2/3) = 9$. The
# mean is $(0 + 9 + 9)/3 = 6$.
#
# The mean stays, but there is noise. The variance (方差) is the mean of the square, less the square of the
# mean. As $m$ is 0 or 1, $m^2 = m$, whose mean is $1 - p$. So the variance of the factor $m/(1-p)$ is
#
# $$\frac{\mathbb{E}[m^2]}{(1-p)^2} - 1^2 = \frac{1}{1-p} - 1 = \frac{p}{1-p}$$
#
# a ninth for $p = 0.1$, but 1 for $p = 0.5$. For a sum $s = \sum_i w_i x_i$ in the next layer the
# variances of the terms add up, since each is drawn by itself, to
#
# $$\mathrm{Var}[s] = \frac{p}{1-p} \sum_i (w_i x_i)^2$$
#
# Let us draw 5000 times and look.

# %%
rng = np.random.default_rng(1)
terms = rng.random(100)
terms /= terms.sum()  # w_i x_i, whose sum is 1
many = np.broadcast_to(terms, (5000, 100))
sums = {rate: dropout_forward(many, rate, rng)[0].sum(axis=1) for rate in (0.1, 0.5)}

for rate, drawn in sums.items():
    spread = math.sqrt(rate / (1 - rate) * (terms**2).sum())
    assert abs(drawn.mean() - 1) < 5 * spread / math.sqrt(len(drawn))
    assert abs(drawn.std() / spread - 1) < 0.05
assert math.isclose(6 / (2 / 3), 9) and (0 + 9 + 9) / 3 == 6
assert math.isclose(0.1 / (1 - 0.1), 1 / 9) and 0.5 / (1 - 0.5) == 1

# %%
fig, ax = plt.subplots(figsize=(7.5, 3.4), dpi=100)
edges = np.linspace(0, 2, 90)
ax.hist(sums[0.1], edges, histtype="step", color="black", lw=1.5, label="rate 0.1")
ax.hist(sums[0.5], edges, histtype="stepfilled", color="0.8", ec="black", hatch="//", label="rate 0.5")
ax.hist(
    sums[0.5] * 0.5, edges, histtype="step", color="0.4", lw=1.5, ls="--", label="rate 0.5, not scaled up"
)
ax.axvline(1, color="black", lw=1, ls=":")
ax.text(1.02, 1350, "without dropout")
ax.set(xlabel="sum that the next layer sees", ylabel="draws, of 5000", ylim=(0, 1500))
ax.set_title("Scaled up, the mean stays whatever the rate; the spread grows")
ax.legend(frameon=False, loc="upper left")
plt.show()

# %% [markdown]
# **Backward.** Dropout multiplies each number by a factor that does not depend on it, so the gradient is
# multiplied by the same factor. What was left out did not reach the loss, and gets nothing back:
#
# $$dx_i = \frac{m_i}{1 - p}\, dy_i \tag{6.8}$$
#
# It must be the *same* draw as forward. That is what the cache keeps.

# %%
show(dropout_forward, dropout_backward)

# %% [markdown]
# The random numbers come from a generator that is handed in, so that a run can be repeated. After training
# the rate is 0. Then nothing is drawn, and the same sentence gives the same numbers, every time. Forgetting
# to switch dropout off is a famous mistake: the model still works, only a little worse, and never twice the
# same. In PyTorch the switch is `model.train()` and `model.eval()`; here it is the rate.

# %%
x = rng.normal(size=(2, 3))
once, _ = dropout_forward(x, 0.5, np.random.default_rng(7))
again, _ = dropout_forward(x, 0.5, np.random.default_rng(7))
other, _ = dropout_forward(x, 0.5, np.random.default_rng(8))
assert np.array_equal(once, again) and not np.array_equal(once, other)

evaluated, _ = dropout_forward(x, 0.0)
assert np.array_equal(evaluated, x)

# %% [markdown]
# ## A gate
#
# Newer models have another block in this place, with a **gate** (门控):
#
# > Gated Linear Units consist of the component-wise product of two linear projections, one of which is first
# > passed through a sigmoid function.
# >
# > Shazeer 2020, abstract
#
# Shazeer puts other curves where the sigmoid stood. Llama takes **SiLU** for $f$ (also called Swish), a
# number times its own sigmoid, and ModernBERT takes GELU; the blocks are called SwiGLU and GeGLU. None of
# them has biases. With $\sigma(u) = 1/(1 + e^{-u})$:
#
# $$\mathrm{silu}(u) = u\, \sigma(u) \qquad
# y = \big(f(x W_g^T) \odot x W_1^T\big)\, W_2^T \tag{6.9}$$
#
# So a word is made wide *twice*. One half, $u = x W_g^T$, goes through the curve and is the gate, $g = f(u)$:
# near 0 it is shut, whatever the other half wants. The other, $v = x W_1^T$, has no curve; it goes through as
# far as the gate is open. Since both depend on $x$, the block can multiply two features of a word, which
# two layers and a bend can only imitate.
#
# With the pencil: $x = (\ln 3, 2)$. At $\ln 3$ the sigmoid is $1/(1 + \frac13) = \frac34$. Let the gate
# read $(\ln 3, 0)$, and the other half $(5, 7)$. The gate is $(\frac34 \ln 3, 0)$: the 7 does not get
# through.

# %%
gate = {
    "gate.weight": np.array([[1.0, 0.0], [0.0, 0.0]]),
    "expand.weight": np.array([[0.0, 2.5], [0.0, 3.5]]),
    "contract.weight": np.array([[4.0, 1.0], [0.0, 2.0]]),
}
ln3 = math.log(3)
y, cache = gated_forward(np.array([[ln3, 2.0]]), gate)
assert np.allclose(y, [[4 * (3 / 4 * ln3 * 5) + 1 * (0 * 7), 2 * (0 * 7)]])
assert np.allclose(y, [[15 * ln3, 0]])

# %% [markdown]
# **Back.** SiLU is a product of two things that move with $u$, as GELU was. The slope of the sigmoid
# comes from the quotient rule, and is $e^{-u} / (1 + e^{-u})^2 = \sigma (1 - \sigma)$. So
#
# $$\mathrm{silu}'(u) = \sigma + u\, \sigma\, (1 - \sigma)
# = \sigma\, \big(1 + u\, (1 - \sigma)\big) \tag{6.10}$$
#
# In the block the last layer comes first, (2.4) and (2.5) with $h = g \odot v$ as its input:
#
# $$dh = dy\, W_2 \qquad dW_2 = dy^T h \tag{6.11}$$
#
# Then a product, number by number: each factor gets what came back times the other. The gate's part goes on
# through the curve:
#
# $$du = dh \odot v \odot f'(u) \qquad dv = dh \odot g \tag{6.12}$$
#
# And $x$ went two ways, so what comes back from both is added:
#
# $$dx = du\, W_g + dv\, W_1 \qquad dW_g = du^T x \qquad dW_1 = dv^T x \tag{6.13}$$
#
# In (6.12) a shut gate stops two things: what goes forward, and what the other half could learn. In the
# code $u$ is called `opening`, $g$ is `opened`, and $v$ is `wide`.

# %%
dx, dparams = gated_backward(np.array([[1.0, 0.0]]), cache)
slope = 3 / 4 * (1 + ln3 / 4)  # of silu at ln 3; at 0 it is 1/2
# dh = (4, 1), so du = (4 * 5 slope, 1 * 7 / 2) and dv = (4 * 3/4 ln 3, 0)
assert np.allclose(dparams["gate.weight"], [[20 * slope * ln3, 40 * slope], [3.5 * ln3, 7]])
assert np.allclose(dparams["expand.weight"], [[3 * ln3 * ln3, 6 * ln3], [0, 0]])  # the shut gate: nothing
assert np.allclose(dx, [[20 * slope, 3 * ln3 * 2.5]])

# %%
show(silu_forward, silu_backward, product_forward, product_backward, gated_forward, gated_backward)

# %% [markdown]
# Three matrices in place of two. To have as many weights as a block with $F = 4D$, which are $8D^2$
# without its biases, the gated one must be narrower: $3 D F = 8 D^2$, so $F = \frac83 D$. That is about
# what Llama has (Touvron et al. 2023, section 2.2).

# %%
llama = PRESETS["llama-base"]
assert 3 * llama["width"] * llama["feedforward"] == 8 * llama["width"] ** 2

# %% [markdown]
# ## The proof

# %%
prove("activation", "dropout", "feedforward", "gated")

# %% [markdown]
# ### Mistakes that still train
#
# "The loss goes down" proves nothing. Here are three wrong versions of this chapter's code, each used to
# learn the curve from above with 16 units. In all of them the loss falls to less than half. (Without the
# bend it begins elsewhere, since the forward pass itself is another one. And it stops at 0.43, the best
# straight line of the picture above: whoever knows that number may suspect something.) The gradient check
# objects to all three.

# %%
named = "nothing bends", "the product rule is forgotten: the chance", "the slope of the activation is left"
ours = [mutant for mutant in mutants() if mutant.stem in ("feedforward", "activation")]
wrong = [mutant for mutant in ours if mutant.name.startswith(named)]
assert len(wrong) == 3
right = curves["F = 16"][1]
print(f"right: the loss falls from {right[0]:.2f} to {right[-1]:.3f}\n")
for mutant in wrong:
    with mutant.made():
        _, losses = learn(16)
        try:
            gradcheck(feedforward_forward, feedforward_backward, rng.normal(size=(2, 8)), params)
        except GradientError as mistake:
            print(f"{mutant.name}: the loss falls from {losses[0]:.2f} to {losses[-1]:.3f}")
            print(textwrap.indent(textwrap.fill(str(mistake), 96), "    ") + "\n")
        else:
            raise AssertionError(f"not seen: {mutant.name}")
    assert losses[-1] < losses[0] / 2
    if mutant.name.startswith("nothing bends"):
        assert losses[0] != right[0] and round(losses[-1], 2) == round(final[0], 2) == 0.43
    else:
        assert losses[0] == right[0]  # the forward pass is the right one

# %% [markdown]
# ## What the paper does differently
#
# - Vaswani et al. have ReLU between the layers, BERT has GELU.
# - They write $x W_1$; we, like PyTorch, keep $W_1$ turned, one row of weights for each output, and write
#   $x W_1^T$.
# - Hendrycks and Gimpel give the exact GELU and two approximations, the one with tanh and a coarser one,
#   $x\, \sigma(1.702\, x)$. We have the first two. Their section 2 allows a normal distribution of any mean
#   and spread; everybody takes the standard one.
# - Srivastava et al. leave the sums in training small, and multiply the *weights* by $1 - p$ afterwards.
#   Scaling up in training has the same effect on average (their section 10 says so), and leaves the trained
#   network alone.
# - Their rates are large, often a half. In BERT it is a tenth, on the output of each sub-layer, on the sum
#   of the embeddings, and on the attention weights; there is none between the two layers of this block.

# %%
# the numbers in the hints of exercises 1 and 2
x = np.linspace(-2, 2, 81)
sides = [relu_forward(side)[0] for side in (x, -x)]
corners = [change * relu_forward(x - at)[0] for at, change in [(-1, 1), (0, -2), (1, 1)]]
assert np.allclose(sum(sides), abs(x)) and np.allclose(sum(corners), np.maximum(1 - abs(x), 0))
left, right = gelu_backward(np.ones(2), gelu_forward(np.array([-1.0, -0.5]))[1])
assert left < 0 < right

# %% [markdown]
# ## Exercises
#
# Some functions of this chapter are for you to write. `minibert learn start` makes a folder with a file for
# each, and `minibert learn check` says whether it is right and, if not, what is wrong with it. Each stands
# alone. What comes after them is done with a pencil, or leads further.
#
# ### To write: the curves

# %%
exercise("relu_backward")

# %%
exercise("gelu_forward")

# %%
exercise("gelu_backward")

# %%
exercise("gelu_tanh_backward")

# %% [markdown]
# ### To write: the block, and dropout

# %%
exercise("feedforward_forward")

# %%
exercise("feedforward_backward")

# %%
exercise("dropout_forward")

# %% [markdown]
# ### To write: the gate

# %%
exercise("silu_forward")

# %%
exercise("silu_backward")

# %%
exercise("gated_forward")

# %%
exercise("gated_backward")

# %% [markdown]
# ### To write: in PyTorch

# %%
exercise("torch_gelu")

# %%
exercise("torch_gelu_tanh")

# %%
exercise("torch_feedforward")

# %%
exercise("torch_gated")

# %% [markdown]
# ### To think about
#
# **1. Pencil.** Give the weights of a block with ReLU and two units, for which $y = |x|$. And with three
# units, a hat: 0 outside of $[-1, 1]$, 1 at 0, straight in between.
#
# <details><summary>Hint</summary>
#
# $|x| = \mathrm{relu}(x) + \mathrm{relu}(-x)$. For the hat let a unit begin at each corner: at $-1$ the
# slope changes by $+1$, at 0 by $-2$, at 1 by $+1$.
#
# </details>
#
# **2. The bottom of GELU.** GELU has a lowest point on the left. Find it to six digits, with
# `gelu_backward` and bisection (二分法).
#
# <details><summary>Hint</summary>
#
# At the lowest point the slope is zero: it changes its sign between $-1$ and $-0.5$.
# `gelu_backward(np.ones_like(x), cache)` is the slope.
#
# </details>
#
# **3. A second draw.** Write a `dropout_backward` that draws a *new* mask. Does `gradcheck` see it? What if
# dropout had a rate of 0?
#
# <details><summary>Hint</summary>
#
# For `gradcheck` the forward pass has to draw the same numbers each time: wrap it in a function that makes
# a fresh `np.random.default_rng(5)` at each call.
#
# </details>
#
# **4. A gate that stays out of the way.** Let one feature of every word be 1. Choose the weights of a
# gated block so that it gives the same as a block without a gate, with the same curve and without biases.
# And then so that it gives the same as one *with* biases before the curve.
#
# <details><summary>Hint</summary>
#
# Let every row of $W_1$ pick out the feature that is 1: then $v = (1, \dots, 1)$, and the product is the gate
# itself. In the column of $W_g$ that meets this feature there is room for the biases.
#
# </details>
#
# ## Further reading
#
# - Vaswani et al. 2017, *Attention is all you need*, section 3.3,
#   [arXiv:1706.03762](https://arxiv.org/abs/1706.03762).
# - Devlin et al. 2019, *BERT*, [arXiv:1810.04805](https://arxiv.org/abs/1810.04805), appendix A.2.
# - Nair and Hinton 2010, *Rectified linear units improve restricted Boltzmann machines*, ICML.
# - Hendrycks and Gimpel 2016, *Gaussian error linear units*,
#   [arXiv:1606.08415](https://arxiv.org/abs/1606.08415).
# - Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov 2014, *Dropout: a simple way to prevent
#   neural networks from overfitting*, JMLR 15, 1929–1958.
# - Cybenko 1989, *Approximation by superpositions of a sigmoidal function*, Mathematics of Control, Signals
#   and Systems 2, 303–314: two layers with a bend come as near as you like to any continuous curve on an
#   interval, if they are wide enough.
# - Geva, Schuster, Berant and Levy 2021, *Transformer feed-forward layers are key-value memories*,
#   [arXiv:2012.14913](https://arxiv.org/abs/2012.14913).
# - Shazeer 2020, *GLU variants improve transformer*, [arXiv:2002.05202](https://arxiv.org/abs/2002.05202).
# - Touvron et al. 2023, *LLaMA: open and efficient foundation language models*,
#   [arXiv:2302.13971](https://arxiv.org/abs/2302.13971).
# - Warner et al. 2024, *Smarter, better, faster, longer* (ModernBERT),
#   [arXiv:2412.13663](https://arxiv.org/abs/2412.13663).
# - Minsky and Papert 1969, *Perceptrons*, MIT Press.
