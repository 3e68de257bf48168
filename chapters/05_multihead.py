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
# # 05 · Multi-head attention (多头注意力)
#
# *A word looks once and takes one mean. What if it has two questions?*
#
# **Files:** `minibert/byhand/multihead.py` · `minibert/model/multihead.py` ·
# `minibert/learn/checks/multihead.py` · `tests/test_multihead.py`
#
# **Needs:** [02 Gradients](02_gradients.ipynb), [04 Attention](04_attention.ipynb)
#
# **Time:** 50 minutes

# %% [markdown]
# ## The question: two questions, one answer
#
# In attention (chapter 04) each word gives out weights that sum to one, and takes the mean of the
# values with these weights. Now put yourself in the place of the verb in "dog bites man". You have two
# questions: who bites? and who is bitten? So you want to look at the word before you *and* at the word after
# you. But you have one row of weights.

# %%
import math
import textwrap
from contextlib import ExitStack

import matplotlib.pyplot as plt
import numpy as np

# %%
from minibert.byhand.attention import attention_weights
from minibert.byhand.gradcheck import GradientError, gradcheck
from minibert.byhand.linear import linear_forward
from minibert.byhand.multihead import (
    merge_heads,
    multihead_backward,
    multihead_forward,
    self_attention_backward,
    self_attention_forward,
    split_heads,
)
from minibert.config import PRESETS
from minibert.learn.checks import multihead as checks
from minibert.learn.mutate import mutants
from minibert.learn.notebook import exercise, show
from minibert.learn.proof import checks_of
from minibert.learn.sizes import Sizes
from minibert.model.multihead import MultiHeadAttention
from minibert.prove import prove

# %% [markdown]
# So give half of it to each. Let *dog* have the value $(1, 0)$ and *man* the value $(0, 1)$:

# %%
value = {"dog": np.array([1.0, 0.0]), "man": np.array([0.0, 1.0]), "bites": np.array([0.0, 0.0])}


def look(sentence, weights):
    """Return the mean of the values of a sentence's words."""
    return sum(weight * value[word] for weight, word in zip(weights, sentence.split(), strict=True))


half = [0.5, 0, 0.5]
assert look("dog bites man", half).tolist() == [0.5, 0.5]
assert look("man bites dog", half).tolist() == [0.5, 0.5]

# %% [markdown]
# The same numbers for both. The verb has learned that a dog and a man are about, and not who bites whom. A
# mean forgets what it was made of.
#
# With *two* rows of weights, one for each question, and the two answers side by side, nothing is lost:

# %%
before, after = [1, 0, 0], [0, 0, 1]
for sentence, answers in [("dog bites man", [1, 0, 0, 1]), ("man bites dog", [0, 1, 1, 0])]:
    assert np.concatenate([look(sentence, before), look(sentence, after)]).tolist() == answers

# %% [markdown]
# Whatever makes such a row of weights is a **head** (注意力头). Several heads side by side: that is the whole
# idea of this chapter.
#
# ### The price of one mean
#
# Would other weights than half and half help? With 3/4 and 1/4 the two sentences do differ: $(3/4, 1/4)$
# and $(1/4, 3/4)$. So let us be exact about how much one mean can tell. Let $p$ be a number from the word
# before, and $f$ the same number from the word that follows. Let them be independent, with mean 0 and
# variance 1. The head gives $g = a p + b f$, and we guess $p$ as $c g$, with the best $c$ there is. The
# squared error, in the mean over many draws ($\mathbb{E}$, as in chapter 04), is
#
# $$\mathbb{E}\big[(p - c g)^2\big] = \mathbb{E}\big[\big((1 - ca)\, p - cb\, f\big)^2\big]
# = (1 - ca)^2 + (cb)^2$$
#
# For the last step multiply the square out. $\mathbb{E}[p^2]$ and $\mathbb{E}[f^2]$ are 1, because the mean
# is 0 and the variance 1, and $\mathbb{E}[pf] = \mathbb{E}[p]\, \mathbb{E}[f] = 0$, because the two are
# independent. The slope in $c$, $-2a(1 - ca) + 2cb^2$, is zero at $c = a / (a^2 + b^2)$, where the error is
# $b^2 / (a^2 + b^2)$. For $f$ it is, in the same way, $a^2 / (a^2 + b^2)$. And the sum of the two is
#
# $$\frac{b^2}{a^2 + b^2} + \frac{a^2}{a^2 + b^2} = 1$$
#
# **whatever the weights.** Who knows nothing has an error of 1 for each question, 2 in all. One mean takes
# off 1 of these 2, and how it looks only decides which question gets how much of it.

# %%
a = np.linspace(0, 1, 101)
b = 1 - a
of_before, of_after = b**2 / (a**2 + b**2), a**2 / (a**2 + b**2)
assert np.allclose(of_before + of_after, 1)

p, f = np.random.default_rng(0).normal(size=(2, 100_000))
g = 0.75 * p + 0.25 * f
for wanted, error in [(p, 0.1), (f, 0.9)]:  # by the formula: (1/16) / (10/16) and (9/16) / (10/16)
    c = (wanted @ g) / (g @ g)
    assert abs(((wanted - c * g) ** 2).mean() - error) < 0.01

# %%
fig, ax = plt.subplots(figsize=(6.5, 3.4), dpi=100)
ax.plot(a, of_before, "k-")
ax.plot(a, of_after, "k--")
ax.plot(a, of_before + of_after, "k:", lw=2)
ax.text(0.65, 0.27, "about the word before")
ax.text(0.35, 0.27, "about the word after", ha="right")
ax.text(0.5, 1.05, "both together: always 1", ha="center")
ax.set(xlabel="share of the attention that the word before gets", ylabel="squared error", ylim=(0, 1.2))
ax.set_title("One mean answers one question of two, however it looks")
plt.show()

# %% [markdown]
# ## What the paper says
#
# > Multi-head attention allows the model to jointly attend to information from different representation
# > subspaces at different positions. With a single attention head, averaging inhibits this.
# >
# > Vaswani et al. 2017, section 3.2.2
#
# $$\mathrm{MultiHead}(Q, K, V) = \mathrm{Concat}(\mathrm{head}_1, \dots, \mathrm{head}_h)\, W^O
# \qquad \mathrm{head}_i = \mathrm{Attention}(Q W_i^Q,\, K W_i^K,\, V W_i^V)$$
#
# So each head makes its own queries, keys and values, attends by itself, and what the heads find is laid side
# by side and multiplied with one more matrix. Let there be $H$ heads. To keep the cost, each is made
# narrower: with tokens of $D$ numbers a head has $K = D / H$. The paper has $D = 512$ and $H = 8$, so
# $K = 64$.
#
# In a program one does not keep $3H$ small matrices. Put the $H$ matrices $W_h^Q$, which have $K$ rows each
# in our way of storing them (chapter 02), below one another. That is one matrix $W_q$ of $D \times D$, and
# one product makes the queries of all heads. In full, with $x$ for the tokens that ask, $\text{source}$ for
# those that are asked (in BERT both are the same), and $t$ for one token of them. (Like Python, the formulas
# count heads, tokens and numbers from 0. In words we count from 1: head 1 and token 1 are the first.)
#
# $$q = x W_q^T + b_q \qquad k = \text{source}\, W_k^T + b_k \qquad v = \text{source}\, W_v^T + b_v
# \tag{5.1}$$
#
# $$q^h_{tj} = q_{t,\, hK + j} \quad\text{and so for } k \text{ and } v \qquad h = 0 \dots H-1,\quad
# j = 0 \dots K-1 \tag{5.2}$$
#
# $$\text{found}^h = \mathrm{attention}(q^h, k^h, v^h) \tag{5.3}$$
#
# $$\text{merged}_{t,\, hK + j} = \text{found}^h_{tj} \tag{5.4}$$
#
# $$\text{out} = \text{merged}\; W_o^T + b_o \tag{5.5}$$
#
# (5.1) and (5.5) are the linear layer of chapter 02, and (5.3) is chapter 04. New are (5.2), the **split**,
# and (5.4), the **merge**. They calculate nothing. They only say which number belongs where, and that is
# exactly where people go wrong.

# %% [markdown]
# ## Split and merge, number by number
#
# Two tokens of four numbers, two heads, so $T = 2$, $D = 4$, $H = 2$, $K = 2$. To see where each number goes,
# let it say where it is from: 23 is the third number of token 2.

# %%
x = np.array([[[11, 12, 13, 14], [21, 22, 23, 24]]])  # (B, T, D) = (1, 2, 4)
split = split_heads(x, 2)  # (B, H, T, K)
assert split[0, 0].tolist() == [[11, 12], [21, 22]]  # head 1: the first two numbers of both tokens
assert split[0, 1].tolist() == [[13, 14], [23, 24]]  # head 2: the last two
assert np.array_equal(merge_heads(split), x)

# %% [markdown]
# How is it done? In memory the eight numbers stand in one line: 11 12 13 14 21 22 23 24. The *shape* of an
# array, and its **strides** (步长), say how they are counted: how far to go in that line for one step along
# each axis.
#
# | | shape | strides | |
# |---|---|---|---|
# | `x` | (2, 4) | (4, 1) | the next token is 4 numbers on |
# | `.reshape(T, H, K)` | (2, 2, 2) | (4, 2, 1) | the next head of the same token is 2 numbers on |
# | `.transpose(1, 0, 2)` | (2, 2, 2) | (2, 4, 1) | the same, heads counted first |
#
# (With a batch there is one more axis in front.) Not one number moves; the split is free. To merge, the axes
# are put back, and then the numbers must be copied, for a linear layer wants each token in one piece.

# %%
three = x[0], x[0].reshape(2, 2, 2), x[0].reshape(2, 2, 2).transpose(1, 0, 2)
strides = [(np.array(array.strides) // x.itemsize).tolist() for array in three]
assert strides == [[4, 1], [4, 2, 1], [2, 4, 1]] and np.array_equal(three[2], split[0])
assert np.shares_memory(split, x)

# %% [markdown]
# The famous mistake is to think: I have (B, T, D), I want (B, H, T, K), NumPy has `reshape`, done. The
# shape is right. But `reshape` never changes the order of the line. It fills head 1 with the first four
# numbers, and these are *token 1, whole*:

# %%
wrong = x.reshape(1, 2, 2, 2)  # (B, H, T, K), without a transpose
assert wrong.shape == split.shape
assert wrong[0, 0].tolist() == [[11, 12], [13, 14]]
assert wrong[0, 1].tolist() == [[21, 22], [23, 24]]


# %%
def cells(ax, corner, numbers, title, rows=()):
    """Draw a table of numbers like 23, grey where the number belongs to head 2."""
    left, top = corner
    for (i, j), number in np.ndenumerate(numbers):
        fill = "0.75" if number % 10 > 2 else "white"
        ax.add_patch(plt.Rectangle((left + j, top - i - 1), 1, 1, facecolor=fill, edgecolor="black", lw=0.8))
        ax.text(left + j + 0.5, top - i - 0.5, number, ha="center", va="center", size=10)
    ax.text(left + numbers.shape[1] / 2, top + 0.3, title, ha="center", size=9.5)
    for i, name in enumerate(rows):
        ax.text(left - 0.15, top - i - 0.5, name, ha="right", va="center", size=9)


# %%
fig, ax = plt.subplots(figsize=(8.5, 4.6), dpi=100)
tokens = ["token 1", "token 2"]
cells(ax, (1.5, 8.6), x[0], "x: white for head 1, grey for head 2", tokens)
cells(ax, (8, 8.1), x.reshape(1, 8), "the same numbers in memory, in one line")
cells(ax, (1, 3.3), split[0, 0], "head 1", tokens)
cells(ax, (4.5, 3.3), split[0, 1], "head 2")
cells(ax, (9.5, 3.3), wrong[0, 0], "head 1")
cells(ax, (12.5, 3.3), wrong[0, 1], "head 2")
titles = {3.75: "reshape, then transpose:\nboth heads see both tokens"}
titles |= {12: "reshape alone:\neach head sees one token, cut in two"}
for across, title in titles.items():
    ax.text(across, 4.6, title, ha="center", size=10, weight="bold")
ax.text(9.35, 2.8, "half a token", ha="right", va="center", size=9)
ax.text(9.35, 1.8, "its other half", ha="right", va="center", size=9)
ax.set(xlim=(-0.9, 16.3), ylim=(1, 9.4), aspect="equal")
ax.axis("off")
plt.show()

# %% [markdown]
# On the right, white and grey are mixed within a head, and head 1 has never heard of token 2. The attention
# in it compares the first half of token 1 with the second half of token 1. Nothing crashes. If one merges
# with `reshape` alone as well, every shape is right, the gradients are right (of the wrong function), and
# the loss goes down. We shall see at the end how much is lost, and who notices.

# %% [markdown]
# ## A case for the pencil
#
# Two tokens, two heads again. In both heads token 1 is $(1, 0)$ and token 2 is $(0, 1)$, so $x$ has the rows
# $(1, 0, 1, 0)$ and $(0, 1, 0, 1)$. Keys are the tokens themselves, values are four times the tokens:
# $W_k = I$, $W_v = 4I$. The queries are made such that in head 1 each token asks for its like, and in head 2
# for its unlike (first and second number are swapped). All biases are 0 but one:
#
# $$W_q = \sqrt2 \ln 3 \begin{pmatrix} 1&0&0&0 \\ 0&1&0&0 \\ 0&0&0&1 \\ 0&0&1&0 \end{pmatrix} \qquad
# W_o = \begin{pmatrix} 1&0&0&0 \\ 0&1&0&0 \\ 1&0&-1&0 \\ 0&0&0&1 \end{pmatrix} \qquad b_o = (0, 0, 0, 10)$$
#
# A query meets a key that fits with $\sqrt2 \ln 3$. Divided by $\sqrt K = \sqrt2$ this is a score of $\ln 3$.
# The other score is 0. So the weights are $3 : 1$, that is $3/4$ and $1/4$. Each head takes its means of
# the values $(4, 0)$ and $(0, 4)$:
#
# | | token 1 looks at | and finds | token 2 looks at | and finds |
# |---|---|---|---|---|
# | head 1 | itself, $3/4$ | $(3, 1)$ | itself, $3/4$ | $(1, 3)$ |
# | head 2 | token 2, $3/4$ | $(1, 3)$ | token 1, $3/4$ | $(3, 1)$ |
#
# Merged: $(3, 1, 1, 3)$ and $(1, 3, 3, 1)$. The output layer keeps the first two numbers, takes the first of
# head 1 minus the first of head 2, and adds 10 to the last: $(3, 1, 2, 13)$ and $(1, 3, -2, 11)$.

# %%
show(checks.case_by_hand)

# %%
x, params = checks.case_by_hand()
assert x.tolist() == [[[1, 0, 1, 0], [0, 1, 0, 1]]]

out, cache = self_attention_forward(x, params, heads=2)
assert np.allclose(out, [[[3, 1, 2, 13], [1, 3, -2, 11]]])

# %% [markdown]
# What if one took the *mean* of the heads instead of laying them side by side? Here, the mean
# of $(3, 1)$ and $(1, 3)$ is $(2, 2)$, for both tokens. One head has learned to look at the like and the
# other at the unlike, and together they say nothing at all. That is the dog and the man again.
#
# ### Side by side is a sum, after all
#
# Cut the columns of $W_o$ into $H$ parts of $K$ columns, $W_o = [W_o^1 \dots W_o^H]$. Row times column, (5.5)
# becomes
#
# $$\text{out} = \sum_h \text{found}^h\, (W_o^h)^T + b_o$$
#
# So each head *adds* something to the output, through its own small matrix, in a direction of its own.
# Three things follow, and the first two make good tests. The order of the heads does not matter, as long as
# all four matrices, and the biases of the first three, are reordered alike. A head whose part of $W_o$ is
# zero changes nothing, and its queries, keys and values get no gradient. And one can take heads away from a
# trained model and see what is lost. Michel et al. 2019 did so. Many heads could go once the training was
# over, and some layers got by with a single one.

# %%
rng = np.random.default_rng(0)
D, H, K = 12, 3, 4
tokens = rng.normal(size=(2, 5, D))
some = checks.draw_params(D, rng)
whole, _ = self_attention_forward(tokens, some, H)

parts = []
for h in range(H):
    alone = some | {"output.weight": some["output.weight"].copy(), "output.bias": np.zeros(D)}
    others = [i for i in range(D) if i // K != h]
    alone["output.weight"][:, others] = 0  # nobody reads the other heads
    parts.append(self_attention_forward(tokens, alone, H)[0])
assert np.allclose(sum(parts) + some["output.bias"], whole)

# %% [markdown]
# ## What it costs: the same
#
# Count multiplications for a sequence of $T$ tokens. The four linear layers take $T D^2$ each. In one head,
# the scores take $T \cdot T \cdot K$ and the means as many; in all heads together that is
# $2 \cdot H\, T^2 K = 2\, T^2 D$. There is no $H$ left. Nor is there in the number of weights, $4D^2 + 4D$.
# For the base model of BERT and its longest sequence:

# %%
D, T = PRESETS["bert-base"]["width"], 512
for H in (1, 12, 96):
    K = D // H
    linear, attending, kept = 4 * T * D**2, 2 * H * T**2 * K, H * T**2
    print(f"{H:2} heads of {K:3}: {linear:,} + {attending:,} multiplications, {kept:,} attention weights")
    assert (linear, attending) == (1_207_959_552, 402_653_184)
assert PRESETS["bert-base"]["heads"] == 12 and 12 * T**2 == 3_145_728

# %% [markdown]
# What does grow with $H$ are the attention weights, $H\, T^2$ of them, and with them the memory. And a
# narrow head sees little. A query has only $K$ numbers, and its row of scores is a mix of $K$ rows, the same
# $K$ for every query, however long the sentence:
# $z_t = \sum_j q_{tj} \cdot (\text{number } j \text{ of all the keys}) / \sqrt K$. There is a best number of
# heads somewhere in between. In the paper, which translates, one head is 0.9 BLEU worse than the best
# setting, and with too many heads the quality drops as well (their section 6.2). BLEU is a score from 0 to
# 100 for how much a translation has in common with those of people.

# %% [markdown]
# ## The backward pass, line by line
#
# From the right comes $d\text{out}$. We go through (5.5) to (5.1) from bottom to top. Of five doors, three
# are known.
#
# **The output layer.** A linear layer, so (2.4) to (2.6), with `merged` as its input:
#
# $$d\text{merged} = d\text{out}\, W_o \qquad dW_o = d\text{out}^T\, \text{merged} \qquad
# db_o = \textstyle\sum_t d\text{out}_t \tag{5.6}$$
#
# **The merge.** Each number of `found` goes to exactly one place, with the factor 1. So its gradient is the
# gradient of that place:
#
# $$d\text{found}^h_{tj} = d\text{merged}_{t,\, hK + j} \tag{5.7}$$
#
# Compare with (5.2): this is the split. In the language of matrices, a merge only reorders the numbers; it
# is a matrix with a single 1 in each row and each column. The way back through a matrix is its transpose
# (2.4). And the transpose of a reordering is the reordering that undoes it.
#
# **The attention.** Each head is an attention by itself, and chapter 04 has the way back:
#
# $$dq^h,\; dk^h,\; dv^h = \mathrm{attention\ backward}(d\text{found}^h) \tag{5.8}$$
#
# No head is in the way of another: the slope of one head's result in another's query is zero.
#
# **The split.** By the same argument, its way back is the merge:
#
# $$dq_{t,\, hK + j} = dq^h_{tj} \quad\text{and so for } dk \text{ and } dv \tag{5.9}$$
#
# **The three linear layers** of (5.1), each with its own input:
#
# $$dx = dq\, W_q \qquad dW_q = dq^T x \qquad db_q = \textstyle\sum_t dq_t \qquad
# \text{and so for } k \text{ and } v, \text{ with the source} \tag{5.10}$$
#
# The source is used twice, for keys and for values. Gradients of several uses add up (2.2):
#
# $$d\text{source} = dk\, W_k + dv\, W_v \tag{5.11}$$
#
# And in self-attention the source *is* $x$. Then one and the same array is used three times:
#
# $$dx = dq\, W_q + dk\, W_k + dv\, W_v \tag{5.12}$$
#
# Forget a term of this last line, and the weights of this layer still get their right gradients. Only the
# layers below hear a part of what they should. The loss goes down all the same, a little more slowly.
#
# ### With the pencil
#
# Let $d\text{out}$ be $(1, 0, 0, 0)$ at token 1 and zero at token 2. Then $d\text{merged}$ at token 1 is the
# first row of $W_o$, $(1, 0, 0, 0)$: only head 1 is concerned, and there token 1 gets $(1, 0)$.
#
# - *Values.* They get the weights times that: $\frac34 (1, 0)$ and $\frac14 (1, 0)$. Through $W_v = 4I$
#   this is $(3, 0)$ for token 1 and $(1, 0)$ for token 2.
# - *Weights.* Each gets the product of its value with $(1, 0)$, so 4 and 0. Their mean, with the weights, is
#   3. So the softmax gives back $\frac34 (4 - 3) = \frac34$ and $\frac14 (0 - 3) = -\frac34$. Call
#   $r = \frac34 \ln 3 \approx 0.82$.
# - *Query.* It gets $\frac34 \cdot \text{key}_1 - \frac34 \cdot \text{key}_2 = (\frac34, -\frac34)$, over
#   $\sqrt 2$. Through $W_q$, times $\sqrt2 \ln 3$: $(r, -r)$ for token 1.
# - *Keys.* They get $\frac34$ and $-\frac34$ times the query $\sqrt2 \ln 3\, (1, 0)$, over $\sqrt 2$:
#   $(r, 0)$ for token 1 and $(-r, 0)$ for token 2.

# %%
dout = np.array([[[1.0, 0, 0, 0], [0, 0, 0, 0]]])
dx, dparams = self_attention_backward(dout, cache)
r = 0.75 * math.log(3)
through = {
    "the query": np.array([[r, -r, 0, 0], [0, 0, 0, 0]]),
    "the keys": np.array([[r, 0, 0, 0], [-r, 0, 0, 0]]),
    "the values": np.array([[3, 0, 0, 0], [1, 0, 0, 0]]),
}
assert round(r, 2) == 0.82
assert np.allclose(dx, sum(through.values()))
assert np.allclose(dparams["output.weight"][0], [3, 1, 1, 3])  # 1 times what token 1 found

asked, answered, _ = multihead_backward(dout, cache)
assert np.allclose(asked, through["the query"])  # 5.10
assert np.allclose(answered, through["the keys"] + through["the values"])  # 5.11

# %%
fig, axes = plt.subplots(1, 4, figsize=(9.4, 1.6), dpi=100, gridspec_kw={"wspace": 0.22})
tables = {f"through {name}": table for name, table in through.items()} | {"$dx$": dx[0]}
for ax, (title, table), sign in zip(axes, tables.items(), "++= ", strict=True):
    ax.imshow(np.abs(table), cmap="Greys", vmin=0, vmax=9, aspect="auto")
    for (i, j), number in np.ndenumerate(table):
        text = f"{number:.2f}".rstrip("0").rstrip(".").replace("-", "−")
        ax.text(j, i, text, ha="center", va="center", size=8, color="white" if abs(number) > 4 else "black")
    ax.text(1.12, 0.5, sign, transform=ax.transAxes, size=15, ha="center", va="center")
    ax.set_title(title, size=10)
    ax.set(xticks=range(4), yticks=range(2), xlabel="feature")
    ax.set_xticklabels(range(1, 5))
    ax.set_yticklabels(["token 1", "token 2"] if ax is axes[0] else ["", ""])
fig.suptitle("x is used three times, so three gradients add up; only head 1 is concerned", y=1.2)
plt.show()

# %% [markdown]
# And the library's code. Where chapters 02 and 04 have done the work, it only has to put their functions
# together.

# %%
show(split_heads, merge_heads, multihead_forward, multihead_backward)

# %%
show(self_attention_forward, self_attention_backward)

# %% [markdown]
# ## A weight that never learns
#
# Four linear layers, four biases. One of them is for nothing. Which?
#
# Stay in one head, and add $b_k$ to every key. The score of query $t$ and key $s$ ($s$ counts the keys, as in
# chapter 04) becomes
#
# $$\frac{q_t \cdot (k_s + b_k)}{\sqrt K} = \frac{q_t \cdot k_s}{\sqrt K} + \frac{q_t \cdot b_k}{\sqrt K}$$
#
# The second term does not depend on $s$. It is added to *all* scores of the row, and a softmax does not care:
# only differences count. So the bias of the keys changes nothing, and its gradient is zero. One can see it
# in the backward pass, too. By (2.6) the gradient is the sum of all $dk_s$, and by (4.9)
#
# $$\sum_s dk_s = \sum_s \sum_t \frac{dz_{ts}}{\sqrt K}\, q_t
# = \sum_t \frac{q_t}{\sqrt K} \Big(\sum_s dz_{ts}\Big) = 0$$
#
# because the gradients $dz$ of a row of scores sum to zero: add up (4.5) over $s$, and the mean is taken from
# the mean. The bias of the *queries* is another matter: $b_q \cdot k_s$ does depend on $s$. "Look at these
# keys, whoever you are" is a thing that a head can want. We need it in a moment.

# %%
moved = some | {"key.bias": some["key.bias"] + 100}
assert np.allclose(self_attention_forward(tokens, moved, 3)[0], whole)

out, cache = self_attention_forward(tokens, some, 3)
_, gradients = self_attention_backward(rng.normal(size=out.shape), cache)
for name in ("query.bias", "key.bias", "value.bias"):
    print(f"largest gradient of {name:10}: {np.abs(gradients[name]).max():.1e}")
assert np.abs(gradients["key.bias"]).max() < 1e-13 < 0.1 < np.abs(gradients["query.bias"]).max()

layers = PRESETS["bert-base"]["layers"]
assert layers * PRESETS["bert-base"]["width"] == 9_216

# %% [markdown]
# What is left is rounding. BERT carries the bias all the same, 9,216 numbers in its base model, and so do we,
# since we want to load its weights. Namazifar et al. 2023 proved it redundant; Whisper's code simply leaves
# out this one bias and keeps the other three. It makes trouble for a test, though: a *relative* error of a
# gradient that is zero on paper compares rounding with rounding. `gradcheck` therefore measures such a
# gradient against the largest of the others.

# %% [markdown]
# ## What heads can look at
#
# Let us make three heads by hand. A token says in one-hot numbers which word it is and at which place it
# stands, so that we can write the matrices down without thinking twice. The first head looks for *the word
# before*: its query is the place before, its key the place. The second looks for *the same word*: query and
# key are the word. The third looks at *the first token*, whoever asks: its query is all bias.
#
# A key that fits gets the score $\ln 95$, all others get 0. So it counts as much as 95 others. There are six
# keys: one that fits has the weight $95 / (95 + 5) = 0.95$, and of two that fit each has
# $95 / (95 + 95 + 4) = 0.49$.


# %%
def maps(x, params, heads, source=None):
    """Return the weights of every head, (B, H, T, S)."""
    source = x if source is None else source
    query, _ = linear_forward(x, params["query.weight"], params["query.bias"])
    key, _ = linear_forward(source, params["key.weight"], params["key.bias"])
    return attention_weights(split_heads(query, heads), split_heads(key, heads))


def draw_map(ax, weights, rows, columns, title, least=0.0):
    """Draw a map of weights, with the percentages in its cells."""
    ax.imshow(weights, cmap="Greys", vmin=0, vmax=1.1)
    for (t, s), weight in np.ndenumerate(weights):
        if weight >= least:
            color = "white" if weight > 0.6 else "black"
            ax.text(s, t, f"{100 * weight:.0f}", ha="center", va="center", color=color, size=8)
    ax.set_xticks(range(len(columns)), columns, rotation=45, size=9)
    ax.set_yticks(range(len(rows)), rows, size=9)
    ax.tick_params(length=0)
    ax.set_title(title, size=10)


# %%
sentence = ["[CLS]", "the", "dog", "saw", "the", "cat"]
vocabulary = ["[CLS]", "the", "dog", "saw", "cat"]
T, V, K = 6, 5, 6
x = np.zeros((1, T, 3 * K))  # 5 numbers for the word, 6 for the place, and 7 to spare
x[0, range(T), [vocabulary.index(word) for word in sentence]] = 1
x[0, range(T), V + np.arange(T)] = 1

word, place = np.eye(3 * K)[:V], np.eye(3 * K)[V : V + T]  # rows that read a word, and a place
strength = math.sqrt(K) * math.log(95)  # over the root, a score of ln 95
byhand = {"query.weight": np.zeros((3 * K, 3 * K)), "query.bias": np.zeros(3 * K)}
byhand |= {"key.weight": np.zeros((3 * K, 3 * K)), "key.bias": np.zeros(3 * K)}
byhand["query.weight"][: T - 1] = strength * place[1:]  # head 1: from place t ask for place t - 1 ...
byhand["key.weight"][:T] = place  # ... and say where you are
byhand["query.weight"][K : K + V] = strength * word  # head 2: ask for the word that you are ...
byhand["key.weight"][K : K + V] = word  # ... and say which you are
byhand["query.bias"][2 * K] = strength  # head 3: all ask for place 0 ...
byhand["key.weight"][2 * K : 2 * K + T] = place  # ... and say where you are

weights = maps(x, byhand, 3)[0]
assert np.allclose(weights[0, range(1, T), range(T - 1)], 0.95) and np.allclose(weights[0, 0], 1 / 6)
assert 95 / (95 + 5) == 0.95 and round(95 / (95 + 95 + 4), 2) == 0.49
assert np.allclose(weights[1, [1, 1, 4, 4], [1, 4, 1, 4]], 95 / (95 + 95 + 4))
assert np.allclose(weights[2, :, 0], 0.95)

# %%
fig, axes = plt.subplots(1, 3, figsize=(9, 3.6), dpi=100)
titles = ["Head 1: the word before", "Head 2: the same word", "Head 3: the first token"]
for ax, head, title in zip(axes, weights, titles, strict=True):
    draw_map(ax, head, sentence if ax is axes[0] else [""] * T, sentence, title, least=0.05)
    ax.set_xlabel("is looked at")
axes[0].set_ylabel("looks")
fig.suptitle("Three heads, one sentence: where each word looks, in per cent")
fig.tight_layout()
plt.show()

# %% [markdown]
# [CLS] has no word before it. In head 1 its query is zero, all scores are equal, and it looks everywhere
# alike, 1/6 at each. In head 2 each "the" finds two keys that fit, itself and the other, and gives 49 per
# cent to each.
#
# Are such heads too neat to be true? Clark et al. 2019 looked into BERT and found heads that look at the
# next token or the one before, heads that look at separators whatever is asked, and some that follow
# grammar, and link objects with their verbs and articles with their nouns. Nobody told them to. Let us
# watch it happen.

# %% [markdown]
# ## One head fails, two succeed
#
# The task is the verb's, made exact. A sentence has eight words of eight random numbers each. Every word, the
# first and the last apart, must report the word before it and the word after it: 16 numbers. A token is its
# word and, in one-hot, its place, so $D = 8 + 8 = 16$. We train one layer of attention by plain gradient
# descent (chapter 02), with our own backward pass, on fresh sentences at every step. The number of weights
# is the same for any $H$. We know what to expect of one head: of two questions it can answer one, so the
# mean squared error per number should not fall below $1/2$.


# %%
T = N = 8  # places in a sentence, and numbers in a word


def draw_sentences(rng, B):
    """Return tokens (B, T, 16), and what the inner ones must report (B, T - 2, 16)."""
    words = rng.normal(size=(B, T, N))
    places = np.broadcast_to(np.eye(T), (B, T, T))
    return np.concatenate([words, places], axis=-1), np.concatenate([words[:, :-2], words[:, 2:]], axis=-1)


def learn(heads, steps=1000, rate=0.2, hide=False):
    """Return the parameters after gradient descent, and the loss of each step."""
    rng = np.random.default_rng(0)
    D = N + T
    params = {}
    for name in ("query", "key", "value", "output"):
        params[f"{name}.weight"] = rng.normal(size=(D, D)) / math.sqrt(D)
        params[f"{name}.bias"] = np.zeros(D)
    losses = []
    for _ in range(steps):
        if hide:
            params["value.weight"][:, N:] = 0  # the values do not get to see the places
        tokens, wanted = draw_sentences(rng, 32)
        out, cache = self_attention_forward(tokens, params, heads)
        error = out[:, 1:-1] - wanted
        losses.append(float((error**2).mean()))
        dout = np.zeros_like(out)
        dout[:, 1:-1] = error / (32 * (T - 2))  # of half the squared error of a place, in the mean
        _, dparams = self_attention_backward(dout, cache)
        params = {name: value - rate * dparams[name] for name, value in params.items()}
    return params, np.array(losses)


# %%
learned = {heads: learn(heads) for heads in (1, 2, 4)}
ends = {heads: losses[-100:].mean() for heads, (_, losses) in learned.items()}
print("\n".join(f"{heads} head(s): a loss of {end:.4f} in the end" for heads, end in ends.items()))
assert 0.46 < ends[1] < 0.5
assert ends[2] < 0.002 and ends[4] < 0.005

# %%
fig, ax = plt.subplots(figsize=(7.5, 3.6), dpi=100)
for (heads, (_, losses)), style in zip(learned.items(), ["-", "--", ":"], strict=True):
    smooth = np.convolve(losses, np.ones(10) / 10, mode="valid")
    ax.plot(smooth, style, color="black", lw=1.5, label=f"{heads} head{'s'[: heads > 1]} of {16 // heads}")
ax.axhline(0.5, color="0.6", lw=1)
ax.text(0, 0.36, "the price of\none mean: 1/2", size=9, color="0.35")
ax.set(xlabel="step of gradient descent", ylabel="mean squared error", ylim=(-0.02, 1.1), xlim=(-10, 1000))
ax.set_title("One head stops at half of the answer; two go to the end")
ax.legend(frameon=False, loc="upper right", bbox_to_anchor=(1, 0.97))
plt.show()

# %% [markdown]
# With four heads a head has four numbers, and a word has eight: no head can carry a whole word. Two of them
# share the work, and it takes them a little longer.
#
# What have the heads learned to look at? We take the mean of their maps over 500 new sentences.

# %%
new, wanted = draw_sentences(np.random.default_rng(1), 500)
one = maps(new, learned[1][0], 1).mean(axis=0)[0]
two = maps(new, learned[2][0], 2).mean(axis=0)
inner = np.arange(1, T - 1)
first = int(two[1, inner, inner - 1].mean() > two[0, inner, inner - 1].mean())  # the head that looks back
assert two[first, inner, inner - 1].mean() > 0.8 and two[1 - first, inner, inner + 1].mean() > 0.8
assert 0.3 < one[inner, inner - 1].mean() < 0.6 and 0.3 < one[inner, inner + 1].mean() < 0.6

# %%
fig, axes = plt.subplots(1, 3, figsize=(9, 3.1), dpi=100)
titles = ["One head:\na blend", f"Two heads, head {first + 1}:\nthe word before"]
titles.append(f"Two heads, head {2 - first}:\nthe word after")
for ax, weights, title in zip(axes, [one, two[first], two[1 - first]], titles, strict=True):
    draw_map(ax, weights[1:-1], range(2, T), range(1, T + 1), title, least=0.05)
    ax.tick_params(axis="x", rotation=0)
    ax.set_xlabel("place that is looked at")
axes[0].set_ylabel("place that looks")
fig.suptitle("Left alone, two heads share the two questions out between them (per cent)")
fig.tight_layout()
plt.show()

# %% [markdown]
# Nobody told one head to look one way and the other head the other way. They started from random numbers,
# and a small difference made one of them a little better at one question. From there on each improved at
# what it was already better at.
#
# They are not even pure. The head that looks back also looks ahead a little. It does no harm, for *two
# different means of the same two words are two equations for two unknowns*, and the output layer solves
# them. One head gives one equation. That is this chapter in a sentence.
#
# A careful reader will object that the one head ended a little *below* $1/2$, at 0.48. Is the proof wrong?
# It took the weights $a$ and $b$ as given. Here they may depend on the words, and the head has found a trick
# with that; a shaky one, as the ragged end of its curve shows. Hide the places from the values, and the trick
# is gone (exercise 5):

# %%
_, losses = learn(1, hide=True)
assert abs(losses[-100:].mean() - 0.5) < 0.01
assert abs(ends[1] - 0.48) < 0.01

# %% [markdown]
# ## Another sequence to look at
#
# So far the source was $x$. It need not be. When a decoder writes a translation, each word of it looks at the
# words of the *source* sentence. Queries come from one sequence, of $T$ tokens; keys and values from
# another, of $S$. That is cross-attention, "encoder-decoder attention" in the paper (section
# 3.2.3). No line of the code changes; only (5.12) does not apply, and `multihead_backward` gives back $dx$
# and $d\text{source}$ apart.
#
# By hand once more. French and English words are one-hot numbers for what they *mean*. The last French word,
# *vieille* (old), is still to be written, so $T = 4$ and $S = 5$.

# %%
meaning = {"the": 0, "la": 0, "red": 1, "rouge": 1, "house": 2, "maison": 2, "is": 3, "est": 3, "old": 4}
english, french = ["the", "red", "house", "is", "old"], ["la", "maison", "rouge", "est"]
source = np.eye(5)[[meaning[word] for word in english]][None]  # (B, S, D)
target = np.eye(5)[[meaning[word] for word in french]][None]  # (B, T, D)
strength = math.sqrt(5) * math.log(36)  # 36 to 1 to 1 to 1 to 1: nine tenths
matched = {"query.weight": strength * np.eye(5), "key.weight": np.eye(5), "value.weight": np.eye(5)}
matched |= {f"{name}.bias": np.zeros(5) for name in ("query", "key", "value", "output")}
matched["output.weight"] = np.eye(5)

out, cache = multihead_forward(target, source, matched, heads=1)
assert out.shape == (1, 4, 5)
weights = maps(target, matched, 1, source)[0, 0]
assert weights.argmax(axis=1).tolist() == [0, 2, 1, 3] and np.allclose(weights.max(axis=1), 0.9)

dtarget, dsource, _ = multihead_backward(rng.normal(size=out.shape), cache)
assert dtarget.shape == target.shape and dsource.shape == source.shape

# %%
fig, ax = plt.subplots(figsize=(4.6, 3.7), dpi=100)
draw_map(ax, weights, french, english, "Cross-attention: red and house\nchange places (per cent)")
ax.set(xlabel="English, is looked at: keys and values", ylabel="French, looks: queries")
fig.tight_layout()
plt.show()

# %% [markdown]
# In a trained model such tables are learned (chapter 20). Pictures like this are older than the transformer:
# Bahdanau et al. 2015 drew them, for English and French.

# %% [markdown]
# ## The proof
#
# The twin in PyTorch is the same thing once more, without a backward pass. `gather` stops before the output
# layer: where only some of the tokens are wanted, the block goes on with those alone (chapter 12).

# %%
show(MultiHeadAttention)

# %% [markdown]
# The dashes are those of chapter 04: nobody else draws our random numbers, and `transformers` lets a query
# that may attend to nothing attend to everything.

# %%
prove("multihead")

# %% [markdown]
# ### Mistakes that still train
#
# Now for the `reshape`. We put it into `split_heads` and into `merge_heads`, as those do who make this
# mistake. Beside it stand six more from `minibert/learn/mutants/multihead.toml`, by their names there. With
# each, two heads are trained for 700 steps on the task from above, and then three witnesses are asked: finite
# differences; the cases and properties worked out by hand (`check_…` in
# `minibert/learn/checks/multihead.py`); and the twin in PyTorch.

# %%
mistakes = {}
for mutant in mutants():
    if ".byhand.multihead:" in mutant.function:
        mistakes.setdefault(mutant.name, mutant)  # of two with one name the first, in multihead_forward

reshapes = [
    "reshape where a transpose is needed: head 1 gets the first tokens whole, not the first features of all",
    "reshape where a transpose is needed: tokens are mixed up on the way out",
]
others = [
    "the scores are divided by the root of D, not of K",
    "each head gets a share of the gradient, as if the heads had been averaged",
    "the gradient does not go back through the output projection",
    "x learns through the queries alone",
    "the mask is not handed on",
    "the weights are never left out in training",
]
wrong = {"right": [], "reshape alone, to split and to merge": [mistakes[name] for name in reshapes]}
wrong |= {name: [mistakes[name]] for name in others}

# %%
every = checks_of(checks)
witnesses = {
    "differences": [check for check in every if check.name == "padding: finite differences"],
    "by hand": [check for check in every if ": " not in check.name],
    "PyTorch": [check for check in every if check.needs_torch],
}


def objects(some):
    """Return whether one of these checks fails."""
    for check in some:
        try:
            check.run(Sizes(), 0)
        except AssertionError:
            return True
    return False


# %% [markdown]
# In the table each of the three columns behind the loss is a witness. Where it says *objects* (the verb), a
# check of this witness fails: it has seen the mistake. Where there is a dash, all its checks pass.

# %%
table = {}
for name, made in wrong.items():
    with ExitStack() as stack:
        for mistake in made:
            stack.enter_context(mistake.made())
        loss = learn(2, steps=700)[1][-100:].mean()
        table[name] = loss, [objects(some) for some in witnesses.values()]

print(f"  loss   {'   '.join(witnesses)}   mistake")
for name, (loss, seen) in table.items():
    marks = [f"{'objects' if one else '-':>{len(who)}}" for who, one in zip(witnesses, seen, strict=True)]
    print(f"{loss:6.3f}   {'   '.join(marks)}   {name}")

# %%
assert table["right"][1] == [False, False, False]
assert all(seen[1] for name, (_, seen) in table.items() if name != "right")
losses = [loss for loss, _ in table.values()]
assert losses[0] < 0.003 and 0.15 < losses[1] < 0.2 and max(losses[2:]) < 0.015
by_differences = [name for name, (_, seen) in table.items() if seen[0]]
assert by_differences == others[:4]  # not the reshape, the mask and the dropout
assert [name for name, (_, seen) in table.items() if not seen[2]] == ["right", others[-1]]  # the dropout

# %% [markdown]
# Look at the column of the losses first. With `reshape` it comes down from about 1 to 0.17 and stays there:
# who does not know that 0 is possible will be content. With the six others it goes to 0 as if nothing had
# happened. Three of these the task cannot even feel. It has no mask, no dropout, and nothing below the
# attention that would learn from $dx$. *The loss goes down* proves nothing, and a run tests only what it
# uses. It may even forgive what it uses: leave $W_o$ out of the way back, and the network arranges itself
# with that. This has a name, feedback alignment (Lillicrap et al. 2016).
#
# And no witness sees everything. Finite differences hold the backward pass against *your* forward pass. If
# both do the same wrong thing, they agree: about the `reshape`, the mask and the dropout they have nothing to
# say. The twin knows what the forward pass should be, but it cannot draw our random numbers, and so misses
# the dropout. The cases by hand see all seven here; but each was written by someone who had thought of the
# mistake before.
#
# What does `gradcheck` say where it does object?

# %%
x, params, heads, _ = checks.draw_self(checks.no_mask)(Sizes(), np.random.default_rng(0))
for name in by_differences:
    with wrong[name][0].made():
        try:
            gradcheck(self_attention_forward, self_attention_backward, x, params, heads)
        except GradientError as mistake:
            print(f"{name}\n{textwrap.indent(textwrap.fill(str(mistake), 96), '    ')}\n")
        else:
            raise AssertionError(f"not seen: {name}")

# %% [markdown]
# ## What the paper does differently
#
# - **Vaswani et al.** have $D = 512$, $H = 8$, $K = 64$. BERT keeps $K = 64$: its base model has $D = 768$
#   and 12 heads, its large one $D = 1024$ and 16 (Devlin et al. 2019, section 3).
# - Their four products have no bias. BERT's have one each, and so do ours.
# - They write $3H$ small matrices. We, like nearly all code, keep $H$ of them in one. A head's values may
#   have another width than its keys in the paper, $d_v$ and $d_k$; in practice both are $D/H$.
# - **Later models** often have fewer heads for keys and values than for queries: one for all (multi-query
#   attention, Shazeer 2019), or one for each group of heads (grouped-query attention, Ainslie et al. 2023).
#   When a text is written word by word, all earlier keys and values have to be kept (chapter 11), and this
#   saves most of that memory.
# - **PyTorch's** `nn.MultiheadAttention` keeps $W_q$, $W_k$, $W_v$ as one matrix of $3D \times D$, and in
#   its masks `True` means "may *not* attend". Our tests copy our weights into it and compare, gradients
#   included.

# %%
sizes = {name: (preset["width"], preset["heads"]) for name, preset in PRESETS.items() if "heads" in preset}
assert sizes["bert-base"] == (768, 12) and 768 // 12 == 512 // 8 == 1024 // 16 == 64

# %% [markdown]
# ## Exercises
#
# Some functions of this chapter are for you to write. `minibert learn start` makes a folder with a file for
# each, and `minibert learn check` says whether it is right and, if not, what is wrong with it. Each stands
# alone. What comes after them is done with a pencil, or leads further.
#
# ### To write: split and merge

# %%
exercise("split_heads")

# %%
exercise("merge_heads")

# %% [markdown]
# ### To write: the heads together

# %%
exercise("multihead_forward")

# %%
exercise("multihead_backward")

# %%
exercise("self_attention_backward")

# %% [markdown]
# ### To write: in PyTorch

# %%
exercise("torch_split_heads")

# %%
exercise("torch_merge_heads")

# %%
exercise("torch_gather")

# %%
exercise("torch_multihead")

# %% [markdown]
# ### To think about
#
# **1. Pencil.** Write the array from above for $D = 6$: 11 … 16 and 21 … 26. Split it into three heads, and
# into two. What comes out if you split into three heads and then merge what you have as if it were $K$
# heads of width $H$?
#
# <details><summary>Hint</summary>
#
# Head 1 of three is 11, 12 over 21, 22. For the last question take the axes in the order (B, T, K, H).
#
# </details>
#
# **2. There and back.** Show with random numbers that `split_heads` and `merge_heads` are each the transpose
# of the other: for any $x$ of shape (B, T, D) and any $y$ of shape (B, H, T, K), the sum of
# $\mathrm{split}(x) \odot y$ is the sum of $x \odot \mathrm{merge}(y)$. Why does this make (5.7) and (5.9)
# true?
#
# <details><summary>Hint</summary>
#
# Call the sum $L$. Its slope in $x$ is, by the left side, split backward of $y$, and by the right side
# $\mathrm{merge}(y)$.
#
# </details>
#
# **3. One use forgotten.** Leave out $dk\, W_k$ in your `multihead_backward`, and see what `minibert learn
# check` says. Would the loss of a run have told you?
#
# <details><summary>Hint</summary>
#
# The source then learns through the values alone, and the loss falls all the same: see "Mistakes that still
# train".
#
# </details>
#
# **4. Turned keys.** With rotary positions (chapter 03) each query and each key is turned by the angle of its
# place, after the bias was added. Is the gradient of $b_k$ still zero?
#
# <details><summary>Hint</summary>
#
# The second term of the score is now $q_t \cdot R_{(s - t)\omega}\, b_k$. Does it depend on $s$?
#
# </details>
#
# **5. The trick.** How can one head get below $1/2$? Why not when the values do not see the places, nor when
# queries and keys do not see the words? How low could it get with words of eight numbers?
#
# <details><summary>Hint</summary>
#
# If the values contain the place, the output contains $\sum_s a_s\, \text{place}_s$: the weights
# themselves. Let $a$ depend on the words as $a = \frac12 + \frac12 \tanh(u \cdot (p - f))$. What does it
# then tell about $p - f$, in how many of its eight directions?
#
# </details>
#
# **6. One key for all.** Write multi-query attention, forward and backward: $H$ queries per token, but one
# key and one value of width $K$ that all heads share. How many weights does it save?
#
# <details><summary>Hint</summary>
#
# Keys of shape (B, 1, S, K) become (B, H, S, K) with `np.broadcast_to`, before `attention_forward`. On the
# way back, a number that all heads use gets the sum over the heads (2.2).
#
# </details>
#
# ## Further reading
#
# - Vaswani et al. 2017, *Attention is all you need*, section 3.2,
#   [arXiv:1706.03762](https://arxiv.org/abs/1706.03762).
# - Bahdanau, Cho and Bengio 2015, *Neural machine translation by jointly learning to align and translate*,
#   [arXiv:1409.0473](https://arxiv.org/abs/1409.0473). Attention before the transformer, and its pictures.
# - Clark, Khandelwal, Levy and Manning 2019, *What does BERT look at? An analysis of BERT's attention*,
#   [arXiv:1906.04341](https://arxiv.org/abs/1906.04341).
# - Voita, Talbot, Moiseev, Sennrich and Titov 2019, *Analyzing multi-head self-attention: specialized heads
#   do the heavy lifting, the rest can be pruned*, [arXiv:1905.09418](https://arxiv.org/abs/1905.09418).
# - Michel, Levy and Neubig 2019, *Are sixteen heads really better than one?*,
#   [arXiv:1905.10650](https://arxiv.org/abs/1905.10650).
# - Bhojanapalli, Yun, Rawat, Reddi and Kumar 2020, *Low-rank bottleneck in multi-head attention models*,
#   [arXiv:2002.07028](https://arxiv.org/abs/2002.07028). What is lost when $K$ is small.
# - Elhage et al. 2021, *A mathematical framework for transformer circuits*,
#   [transformer-circuits.pub](https://transformer-circuits.pub/2021/framework/index.html). Heads as things
#   that add to a stream.
# - Lillicrap, Cownden, Tweed and Akerman 2016, *Random synaptic feedback weights support error
#   backpropagation for deep learning*, Nature Communications 7, 13276.
# - Namazifar, Hazarika and Hakkani-Tur 2023, *Role of bias terms in dot-product attention*,
#   [arXiv:2302.08626](https://arxiv.org/abs/2302.08626).
# - Shazeer 2019, *Fast transformer decoding: one write-head is all you need*,
#   [arXiv:1911.02150](https://arxiv.org/abs/1911.02150).
# - Ainslie et al. 2023, *GQA: training generalized multi-query transformer models from multi-head
#   checkpoints*, [arXiv:2305.13245](https://arxiv.org/abs/2305.13245).
