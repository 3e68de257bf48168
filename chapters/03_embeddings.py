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
# # 03 · Embeddings (词嵌入)
#
# *The computer is given number 2. How does it come to mean "dog", and how does it know that it comes second?*
#
# **Files:** `minibert/byhand/embedding.py` · `minibert/byhand/position.py` ·
# `minibert/byhand/parameters.py` · `minibert/model/embedding.py` · `minibert/model/position.py` ·
# `minibert/learn/checks/embedding.py` · `minibert/learn/checks/position.py` · `tests/test_embedding.py` ·
# `tests/test_position.py`
#
# **Needs:** [01 Tokens](01_tokens.ipynb), [02 Gradients](02_gradients.ipynb)
#
# **Time:** 60 minutes

# %% [markdown]
# ## The question: a number that is only a name
#
# Chapter 01 turned a text into token ids. They are names, like the numbers on football shirts: 4 is not
# twice 2, and 3 does not lie between them in any way that matters. A network can only add and multiply, and
# with names that makes no sense. So each token gets a **vector** (向量) instead, a row of $D$ numbers that
# can be added and multiplied, and that the network may change until they are useful. This vector is the
# token's **embedding** (词嵌入). Bengio and others put it so in 2003: learn for each word "a distributed
# word feature vector", at the same time as the rest of the network (Bengio et al. 2003, section 1.1).
#
# The vectors lie in a table, row $v$ for token $v$. Three questions are then left, and they are this
# chapter. How does a row of the table learn? How does the network know where in the sentence a token
# stands? And in which of two sentences?

# %%
import math
import textwrap

import matplotlib.pyplot as plt
import numpy as np

# %%
from minibert.byhand.embedding import embedding_backward, embedding_forward, lookup_backward, lookup_forward
from minibert.byhand.gradcheck import GradientError, gradcheck
from minibert.byhand.position import rotary_backward, rotary_forward, rotate, sinusoids, turns
from minibert.config import BertConfig, PretrainConfig
from minibert.learn.notebook import break_on_purpose, exercise, show
from minibert.model.bert import SINUSOID_SCALE
from minibert.prove import prove

# %% [markdown]
# ## What the papers wrote
#
# BERT adds three vectors for every token:
#
# > For a given token, its input representation is constructed by summing the corresponding token, segment,
# > and position embeddings.
# >
# > Devlin et al. 2019, section 3
#
# As an equation, for the token with id $v_t$ at position $t$ in sentence $s_t$, with the tables $E$ (tokens),
# $P$ (positions) and $S$ (segments):
#
# $$x_t = E_{v_t} + P_t + S_{s_t}$$
#
# Why there must be something for the position, the paper that BERT builds on says:
#
# > Since our model contains no recurrence and no convolution, in order for the model to make use of the order
# > of the sequence, we must inject some information about the relative or absolute position of the tokens in
# > the sequence.
# >
# > Vaswani et al. 2017, section 3.5
#
# We take this apart: first $E$, then the sum, then three ways to say a position.

# %% [markdown]
# ## A lookup is a product in disguise
#
# A sentence of $T = 5$ words, a vocabulary of $V = 5$ tokens, and $D = 2$ numbers per token:

# %%
vocabulary = ["[PAD]", "the", "dog", "saw", "cat"]
table = np.array([[0.0, 0], [1, 0], [2, 3], [0, 1], [2, 2]])  # (V, D): one row per token

words = ["the", "dog", "saw", "the", "cat"]
ids = np.array([vocabulary.index(word) for word in words])
assert ids.tolist() == [1, 2, 3, 1, 4]

out, cache = lookup_forward(table, ids)
assert out.tolist() == [[1, 0], [2, 3], [0, 1], [1, 0], [2, 2]]

# %% [markdown]
# That is a lookup (查表): row 1, row 2, row 3, row 1 again, row 4. How should one take the derivative of
# *looking something up*? By seeing that it is a product. Write each id as a **one-hot** row (独热编码): a 1
# at the place of the id, 0 everywhere else. Put these rows below one another into a matrix $O$, one row per
# position $t$ of the sentence, one column per token $v$ of the vocabulary. Then
#
# $$\text{out}_{td} = \sum_v O_{tv} E_{vd} \qquad\text{that is}\qquad \text{out} = O E \tag{3.1}$$
#
# because in the sum over all rows $v$ of the table only one has the factor 1.

# %%
one_hot = np.eye(5)[ids]  # (T, V)
assert np.array_equal(one_hot @ table, out)

# %% [markdown]
# Nobody works it out that way. BERT's base model has $V = 30{,}522$ tokens and $D = 768$. For a sequence of
# 512 tokens the product (3.1) takes 12 billion multiplications, nearly all with 0. The lookup copies 393,216
# numbers. But on paper the product is what we want, for we know its derivative: it is a linear layer without
# a bias, and chapter 02 has derived it.

# %%
assert round(512 * 30_522 * 768 / 1e9) == 12
assert 512 * 768 == 393_216

# %% [markdown]
# ## A word that comes twice
#
# From the right comes `dout`, one row for each position of the sentence. How fast does the loss grow with
# $E_{vd}$? This number reaches the output wherever $O_{tv}$ is 1: at every position where token $v$ stands,
# each time with the factor 1. Growth along several paths adds up (2.2):
#
# $$dE_{vd} = \sum_t O_{tv}\, d\text{out}_{td} = \sum_{t:\ v_t = v} d\text{out}_{td}
# \qquad\text{that is}\qquad dE = O^T d\text{out} \tag{3.2}$$
#
# In words: **a row learns from every place it was taken to, and what it learns there is added.** Do it with a
# pencil. "the" stands at positions 0 and 3. Its row gets $(1, 0) + (3, -1) = (4, -1)$. The other words stand
# once, so they get what comes from there. `[PAD]` does not occur, and gets nothing.

# %%
dout = np.array([[1.0, 0], [0, 2], [1, 1], [3, -1], [0, 1]])
dtable = lookup_backward(dout, cache)
assert dtable.tolist() == [[0, 0], [1 + 3, 0 - 1], [0, 2], [1, 1], [0, 1]]
assert np.array_equal(one_hot.T @ dout, dtable)


# %%
def draw(ax, numbers, title, rows=None, columns=None):
    """Draw a matrix with its numbers, darker where they are larger in size."""
    ax.imshow(abs(numbers), cmap="Greys", vmin=0, vmax=7)
    for (row, column), number in np.ndenumerate(numbers):
        text = f"{number:g}".replace("-", "−")
        ax.text(column, row, text, ha="center", va="center", color="0" if number else "0.65")
    ax.set_title(title, size=10)
    ax.set_yticks(range(len(numbers)), rows or [""] * len(numbers), size=9)
    ax.set_xticks(range(numbers.shape[1]), columns or [""] * numbers.shape[1], size=9, rotation=40)
    ax.tick_params(length=0)


# %%
fig, axes = plt.subplots(2, 3, figsize=(8, 6), dpi=100, gridspec_kw={"width_ratios": [3, 2, 2]})
draw(axes[0, 0], one_hot, "$O$: which word is where", words, vocabulary)
draw(axes[0, 1], table, "$E$: the table", vocabulary)
draw(axes[0, 2], out, "out $= O E$", words)
draw(axes[1, 0], one_hot.T, "$O^T$: where is each word", vocabulary, words)
draw(axes[1, 1], dout, "dout", words)
draw(axes[1, 2], dtable, "$dE = O^T$ dout", vocabulary)
for row in axes:
    for ax, sign in zip(row, ["×", "=", ""], strict=True):
        ax.text(1.12 if ax is row[0] else 1.35, 0.5, sign, transform=ax.transAxes, size=15, va="center")
fig.suptitle("Forward each word takes its row; backward the row adds up what all its places say")
fig.tight_layout()
plt.show()

# %% [markdown]
# Look at the second row of $O^T$. It has two ones, and that is all there is to it: "the" adds two rows of
# `dout`.
#
# NumPy has a trap here, into which nearly everyone falls once. `dtable[ids] += dout` looks right. But NumPy
# reads all the rows first, adds, and then writes them back. Of the two places of "the", the second
# *overwrites* the first. The shapes are right, the loss goes down, and the commonest words of the language
# learn from their last place only. `np.add.at` adds one after the other.

# %%
wrong = np.zeros_like(table)
wrong[ids] += dout
assert wrong[1].tolist() == [3, -1]  # the second place alone

right = np.zeros_like(table)
np.add.at(right, ids, dout)
assert right[1].tolist() == [4, -1]

# %% [markdown]
# One more rule, and this one is a decision, not a derivative. Several sentences go through the network
# together, one below the other in a table of ids: a **batch** (批次). All rows of a table are equally long,
# so the shorter sentences are filled up with the token `[PAD]`. It is no word, and nothing should be learned
# from where it stands. So its row gets no gradient from being looked up:
#
# $$dE_{\text{pad}} = 0 \tag{3.3}$$
#
# `gradcheck` tells the truth about that: the slope of the loss in this row is *not* zero, and we return zero
# all the same.

# %%
gradcheck(lookup_forward, lookup_backward, table, ids)
try:
    gradcheck(lookup_forward, lookup_backward, table, ids, 1)  # as if "the" were the padding
except GradientError as denied:
    print(textwrap.fill(str(denied), 100))
else:
    raise AssertionError("a row that is kept still has a slope of its own")

# %% [markdown]
# And this is the library's code. The sum (3.2) is one line.

# %%
show(lookup_forward, lookup_backward)

# %% [markdown]
# ## Three tables, one sum
#
# BERT reads two sentences at a time, and has to say, for example, whether the second follows the first
# (chapter 13). So each token also says which of the two it belongs to: its **segment** (句段), 0 or 1. There
# is a table $S$ with two rows for that, and a table $P$ with one row for each position, and the three rows
# are added. That sounds like throwing apples and pears together. Why not put them side by side, as one
# vector three times as long?
#
# Because what follows is a linear layer, and then it makes little difference. Cut the columns of its weights
# into three parts, $W = [W_E\ W_P\ W_S]$, one for each piece of the long vector. Then
#
# $$\begin{bmatrix} E_v & P_t & S_s \end{bmatrix} W^T = E_v W_E^T + P_t W_P^T + S_s W_S^T$$
#
# which is again a sum of three lookups, in the tables $E W_E^T$, $P W_P^T$ and $S W_S^T$. Side by side is
# thus a sum already, of longer vectors at a higher price.

# %%
rng = np.random.default_rng(0)
E, P, S = rng.normal(size=(5, 4)), rng.normal(size=(6, 4)), rng.normal(size=(2, 4))
W = rng.normal(size=(4, 12))
segments = np.array([0, 0, 0, 1, 1])
side_by_side = np.concatenate([E[ids], P[:5], S[segments]], axis=1) @ W.T
added = (E @ W[:, :4].T)[ids] + (P @ W[:, 4:8].T)[:5] + (S @ W[:, 8:].T)[segments]
assert np.allclose(side_by_side, added)

# %% [markdown]
# After the sum come a **layer norm** (层归一化), which shifts and scales each vector so that its numbers have
# the mean 0 and their squares the mean 1 (variance 1, 方差), and in training a **dropout** (随机失活), which
# leaves a few numbers out. Chapters 07 and 06 derive them. Here we borrow their two functions and need only
# know that they have a backward pass like all others. So BERT's whole embedding is
#
# $$\text{out}_{bt} = \text{dropout}\big(\text{norm}(E_{v_{bt}} + P_t + S_{s_{bt}})\big)$$
#
# where $b$ counts the sentences of the batch. The way back begins with what came last:
#
# $$d\text{sum} = \text{norm backward}\big(\text{dropout backward}(d\text{out})\big) \tag{3.4}$$
#
# Now the sum. If $E_v$ grows a little, the sum grows as much, and the same is true of $P_t$ and $S_s$. The
# slope is 1 in all three:
#
# $$dE_{v_{bt}} \mathrel{+}= d\text{sum}_{bt}, \qquad dP_t \mathrel{+}= d\text{sum}_{bt}, \qquad
# dS_{s_{bt}} \mathrel{+}= d\text{sum}_{bt} \tag{3.5}$$
#
# Each term of a sum gets the *whole* gradient, not a third of it. And each row *adds* it, as `+=` does in a
# Python loop over all places $b, t$, because by (3.2) a row learns from every place that it was taken to. For
# positions there is a shorter way to write that. Row $P_t$ is taken at position $t$ of *every* sentence of
# the batch, so
#
# $$dP_t = \sum_b d\text{sum}_{bt} \tag{3.6}$$
#
# So the three tables hand the same gradients to different rows. In total each learns the same, padding
# apart: every place of the batch adds its $d\text{sum}$ once to each table.
#
# In the code, all that a block learns comes in one dictionary, `params`, under the names that the PyTorch
# model has for it. The gradients go back in a dictionary with the same names. What the equations call
# $\text{sum}$ is `total` there, as Python has a `sum` of its own.

# %%
show(embedding_forward, embedding_backward)

# %%
params = {"tokens.weight": E, "positions.weight": P, "segments.weight": S}
params |= {"norm.weight": np.ones(4), "norm.bias": np.zeros(4)}
batch = np.array([[1, 2, 3, 1, 4], [4, 3, 1, 2, 0]])  # "the dog saw the cat", "cat saw the dog [PAD]"

x, cache = embedding_forward(batch, None, params)  # None: all tokens are in segment 0
assert np.allclose(x.mean(axis=-1), 0) and np.allclose(x.var(axis=-1), 1)

gradients = embedding_backward(rng.normal(size=x.shape), cache)
assert (gradients["positions.weight"][5] == 0).all()  # no sentence has a sixth token
assert (gradients["segments.weight"][1] == 0).all()  # nor a second segment
assert (gradients["tokens.weight"][0] == 0).all()  # and padding does not learn (3.3)
assert np.allclose(gradients["positions.weight"].sum(axis=0), gradients["segments.weight"].sum(axis=0))

# %% [markdown]
# ## Why the position has to be said
#
# A reader sees that "dog bites man" and "man bites dog" differ. What would a transformer see without $P$? Its
# heart is attention (注意力), chapter 04: each word takes a weighted mean of all words, and the weights come
# from how well two vectors fit. The measure is their **dot product** (点积): multiply number by number, and
# add,
#
# $$x_t \cdot x_s = \sum_d x_{td}\, x_{sd}$$
#
# With the pencil: $(1, 2) \cdot (3, 1) = 3 + 2 = 5$. It is large where both vectors point the same way, 0
# where they are at right angles, and negative where they point against each other. All these products
# together are the table $x x^T$, because a product of matrices takes rows times columns (chapter 02). The
# next cell has all that matters of attention. No line of it says where a word stands.


# %%
def mix(x):
    """Replace each row by a mean of all rows, in which those that fit count more."""
    fit = np.exp(x @ x.T)  # (T, T)
    return fit / fit.sum(axis=1, keepdims=True) @ x


dog, bites, man = np.random.default_rng(1).normal(size=(3, 4))
one = mix(np.array([dog, bites, man]))
other = mix(np.array([man, bites, dog]))
assert np.dot([1, 2], [3, 1]) == 3 + 2 == 5
assert np.allclose(one[0], other[2]) and np.allclose(one[1], other[1]) and np.allclose(one[2], other[0])

# %% [markdown]
# The dog that bites gets the same vector as the dog that is bitten. This is no accident of the numbers. Let
# $\Pi$ be the matrix that reorders the rows, so that the sentence in another order is $\Pi x$. To transpose a
# product turns both factors and their order, $(AB)^T = B^T A^T$ (columns of $B$ times rows of $A$). So the
# table of fits becomes $\Pi x (\Pi x)^T = \Pi (x x^T) \Pi^T$: rows and columns are reordered, the numbers
# stay. Dividing each row by its sum does not care for the order. And sorting back undoes sorting: $\Pi^T \Pi$
# is the **identity matrix** (单位矩阵), 1 on its diagonal and 0 elsewhere, which changes nothing. So
#
# $$\text{mix}(\Pi x) = \Pi A \Pi^T\, \Pi x = \Pi A x = \Pi\, \text{mix}(x), \qquad
# A = \text{the weights of } x$$
#
# Reordered words in, the same words reordered out. That is called **permutation equivariance**
# (置换等变性). The other parts of a transformer treat each word by itself, so the whole stack has it. To such
# a network a sentence is a bag of words. Add a vector that depends on the position, and the bag is gone:

# %%
places = sinusoids(np.arange(3), 4)
one = mix(np.array([dog, bites, man]) + places)
other = mix(np.array([man, bites, dog]) + places)
assert abs(one[0] - other[2]).max() > 0.1

# %% [markdown]
# ## Sinusoids: a clock with many hands
#
# What should $P_t$ be? Not simply the number $t$ in one of its places: at position 500 it would drown the
# word. Not $t / T$: then the step from one word to the next would depend on the length of the sentence. A
# clock has a better way. Its hands all stay on their circles, however late it gets; the fast one tells
# moments apart that are close, the slow one tells morning from evening. Vaswani et al. take $D/2$ hands.
# Hand $i$ turns by $\omega_i$ with every position, and the two coordinates of its tip are two of the $D$
# numbers, or **features** (特征), of the position. (From here on a position is called $p$, and a second one
# $s$.) These are the **sinusoids** (正弦位置编码):
#
# $$P_{p, 2i} = \sin(\omega_i p), \qquad P_{p, 2i+1} = \cos(\omega_i p), \qquad
# \omega_i = \frac{1}{10000^{2i/D}}$$
#
# (section 3.5). With $D = 4$ there are two hands, $\omega_0 = 1$ and $\omega_1 = 1/10000^{2/4} = 1/100$.
# Position 0 is $(0, 1, 0, 1)$, and position 1 is $(\sin 1, \cos 1, \sin 0.01, \cos 0.01)$.

# %%
show(sinusoids)

# %%
first, second = sinusoids(np.arange(2), 4)
assert first.tolist() == [0, 1, 0, 1]
assert np.allclose(second, [0.8415, 0.5403, 0.0100, 1.0000], atol=5e-5)

# %% [markdown]
# With $D = 128$ the fastest hand goes round once in $2\pi \approx 6.3$ positions, the slowest once in about
# 54,000. (The paper rounds the end up to $10000 \cdot 2\pi$.) In between, each hand is slower than the last
# by the same factor, 1.15.

# %%
turn = 2 * math.pi * 10000 ** (np.arange(0, 128, 2) / 128)  # positions for one turn of each hand
assert round(turn[0], 1) == 6.3 and round(turn[-1], -3) == 54_000
assert np.allclose(turn[1:] / turn[:-1], 1.155, atol=1e-3)
assert 2 * math.pi * 10 ** (126 / 128) < 63  # the slowest hand with base 10, for exercise 3

# %%
waves = sinusoids(np.arange(60), 128)
fig, axes = plt.subplots(1, 2, figsize=(8.5, 3.7), dpi=100, gridspec_kw={"width_ratios": [1.25, 1]})
picture = axes[0].imshow(waves, cmap="Greys", aspect="auto", vmin=-1, vmax=1)
fig.colorbar(picture, ax=axes[0], label="value")
axes[0].set(xlabel="feature", ylabel="position", title="Fast hands on the left, slow on the right")
for feature, style in [(0, "-"), (24, "--"), (48, ":"), (96, "-.")]:
    axes[1].plot(waves[:, feature], style, color="black", lw=1.3)
    axes[1].text(61, waves[-1, feature], f"feature {feature}", va="center", size=9)
axes[1].set(xlabel="position", ylabel="value", xlim=(-2, 84), title="Four of the features, all sines")
fig.tight_layout()
plt.show()

# %% [markdown]
# The fine stripes in the left picture are no fault of the print. The hands on its right side are so slow
# that they have hardly moved in 60 positions: their sines are still near 0, their cosines near 1, and the
# two stand in turns.

# %%
assert waves[:, 100::2].max() < 0.05 and waves[:, 101::2].min() > 0.99

# %% [markdown]
# ### A shift is a rotation
#
# Why sines and cosines, and why both? The authors wanted that the network could "easily learn to attend by
# relative positions, since for any fixed offset $k$, $PE_{pos+k}$ can be represented as a linear function of
# $PE_{pos}$" (section 3.5). They give no proof, so here is one. School's addition theorems (和角公式) say
#
# $$\sin(\omega p + \omega k) = \sin(\omega p) \cos(\omega k) + \cos(\omega p) \sin(\omega k)$$
#
# $$\cos(\omega p + \omega k) = \cos(\omega p) \cos(\omega k) - \sin(\omega p) \sin(\omega k)$$
#
# Read them as a matrix that takes the pair at position $p$ to the pair at position $p + k$:
#
# $$\begin{pmatrix} \sin \omega(p+k) \\ \cos \omega(p+k) \end{pmatrix} =
# \begin{pmatrix} \cos \omega k & \sin \omega k \\ -\sin \omega k & \cos \omega k \end{pmatrix}
# \begin{pmatrix} \sin \omega p \\ \cos \omega p \end{pmatrix} \tag{3.7}$$
#
# The matrix is a rotation (旋转) by the angle $\omega k$. It depends on the distance $k$ and *not on* $p$.
# There is one such $2 \times 2$ matrix for each pair of features. Put them along the diagonal of a large
# matrix, with zeros elsewhere (`shift`, below, does that). This single matrix $M_k$ moves every position by
# $k$: $P_{p+k} = M_k P_p$. So "look $k$ words ahead" is one linear map, the same everywhere in the sentence,
# and linear maps are what a network learns. A sine alone would not do: from $\sin(\omega p)$ one cannot tell
# whether the wave is rising or falling.


# %%
def shift(k, D):
    """Return the matrix M_k (D, D) with P[p + k] = M_k P[p]."""
    M = np.zeros((D, D))
    for i in range(D // 2):
        angle = k / 10000 ** (2 * i / D)
        c, s = math.cos(angle), math.sin(angle)
        M[2 * i : 2 * i + 2, 2 * i : 2 * i + 2] = [[c, s], [-s, c]]
    return M


P128 = sinusoids(np.arange(200), 128).astype(float)
assert np.allclose(P128[:-10] @ shift(10, 128).T, P128[10:], atol=1e-5)  # one matrix for all 190 positions
assert np.allclose(shift(3, 8) @ shift(7, 8), shift(10, 8))

# %%
fig, axes = plt.subplots(1, 2, figsize=(7.5, 3.9), dpi=100)
for ax, omega, name in zip(axes, [1 / 2, 1 / 10], ["a fast hand", "a slow hand"], strict=True):
    round_ = np.linspace(0, 2 * math.pi, 200)
    ax.plot(np.cos(round_), np.sin(round_), color="0.8", lw=1)
    for p, style in [(1, "-"), (6, "--")]:
        for at, weight in [(p, 1), (p + 3, 2.5)]:
            tip = math.cos(omega * at), math.sin(omega * at)
            ax.plot([0, tip[0]], [0, tip[1]], style, color="black", lw=weight)
            ax.text(1.15 * tip[0], 1.15 * tip[1], str(at), ha="center", va="center")
    ax.set(aspect="equal", xlim=(-1.3, 1.3), ylim=(-1.3, 1.3), xlabel="cosine", ylabel="sine")
    ax.set_title(f"{name}: {omega:g} per position,\nthree positions are {3 * omega:g}", size=10)
fig.suptitle("Three positions on (thin to thick) is the same turn, from 1 as from 6")
fig.tight_layout()
plt.show()

# %% [markdown]
# How alike are two positions? Multiply the pairs and use the addition theorem backwards:
# $\sin \omega p \sin \omega s + \cos \omega p \cos \omega s = \cos \omega (p - s)$. Over all pairs,
#
# $$P_p \cdot P_s = \sum_i \cos\big(\omega_i (p - s)\big)$$
#
# Again only the distance counts. The product is largest, $D/2$, at distance 0, where all cosines are 1,
# and falls off because the hands get out of step. But a cosine is the same for $k$ and $-k$: this product
# does not know left from right. It need not. Before attention compares two vectors, it multiplies each with
# weights (those of query and key, chapter 04). So there is a matrix between the two, and with $M_{10}$ as
# that matrix, position $p$ fits position $p + 10$ best, and not $p - 10$.

# %%
alike = P128 @ P128.T
assert np.allclose(np.diag(alike), 64, atol=1e-4)
assert np.allclose(alike[100, 100:160], alike[100, 100:40:-1], atol=1e-4)  # left as right
distances = np.arange(-60, 61)
looking = P128 @ shift(10, 128).T @ P128.T  # (the vector at p, moved on by 10) times each vector
assert (looking[:190].argmax(axis=1) == np.arange(190) + 10).all()

# %%
fig, axes = plt.subplots(1, 2, figsize=(8.5, 3.6), dpi=100, gridspec_kw={"width_ratios": [1, 1.35]})
picture = axes[0].imshow(alike[:80, :80], cmap="Greys")
fig.colorbar(picture, ax=axes[0], label="$P_p \\cdot P_s$", shrink=0.85)
axes[0].set(xlabel="position $s$", ylabel="position $p$", title="Each diagonal has one value")
axes[1].plot(distances, alike[100, 40:161], "k-", label="$P_p \\cdot P_s$")
axes[1].plot(distances, looking[100, 40:161], "k:", lw=1.8, label="$M_{10}P_p \\cdot P_s$")
axes[1].set(xlabel="distance $s - p$", ylabel="how alike", title="Near is alike; a matrix can look ahead")
axes[1].legend(frameon=False, loc="upper left")
fig.tight_layout()
plt.show()

# %% [markdown]
# ## Learned positions: a table like any other
#
# The other way is to leave $P$ to the training: a table of numbers that start at random and learn by (3.6).
# Vaswani et al. tried both and found them nearly equal (section 3.5). BERT took the learned ones, with 512
# rows. What speaks for either?
#
# - Learned positions can become whatever helps, and no formula is needed.
# - They end where the table ends. A 513th token has no row. A sinusoid has a value at any position, though
#   nothing promises that the network will make sense of hands it has never seen so far round.
# - A row learns only when a sentence is long enough to reach it. In the batch above, row 5 had gradient 0.
# - At the start, random rows say nothing about what is near to what. Sinusoids say it from the first step.
#
# The last point is why `minibert pretrain` starts its learned table *as* sinusoids and lets them learn from
# there. It scales them to a tenth: the rows of words start as small random numbers of size 0.02, and waves of
# height 1 would drown them. How much noise is in a random start, the next picture shows: every pair of
# positions is as unlike as any other.

# %%
assert (PretrainConfig().position_init, SINUSOID_SCALE, BertConfig().init_std) == ("sinusoidal", 0.1, 0.02)
noise = math.sqrt(64 / 128) * np.random.default_rng(0).normal(size=(200, 128))  # as long as the sinusoids
assert abs((noise**2).sum(axis=1).mean() - 64) < 2
others = (noise @ noise.T)[100, 40:161][distances != 0]
assert abs(others).max() < 0.4 * 64 < alike[100, 101:106].min()

fig, ax = plt.subplots(figsize=(6.5, 3.3), dpi=100)
ax.plot(distances, alike[100, 40:161], "k-", label="sinusoids")
ax.plot(distances, (noise @ noise.T)[100, 40:161], "o", color="0.5", ms=3, label="a random table")
ax.set(xlabel="distance", ylabel="product of two positions")
ax.set_title("A random table does not know what is near")
ax.legend(frameon=False)
plt.show()

# %% [markdown]
# ## Rotary positions: turn, do not add
#
# Both ways so far *add* the position to the word, at the bottom of the network, and hope that it is still
# there when words are compared, many layers up. Su et al. 2021 turn it round. Where are positions needed?
# In the comparison, where a **query** (查询) $q$ of the word that looks meets a **key** (键) $k$ of a word
# that is looked at, as $q \cdot k$ (chapter 04). So ask for a way to work a position into $q$ and into $k$
# such that the product depends on the distance alone (their section 3.1):
#
# $$f(q, p) \cdot f(k, s) = g(q, k, s - p)$$
#
# The last sections have given us the means: rotate. Take two features and let
#
# $$R_\alpha = \begin{pmatrix} \cos\alpha & -\sin\alpha \\ \sin\alpha & \cos\alpha \end{pmatrix}, \qquad
# f(q, p) = R_{p\omega}\, q, \qquad f(k, s) = R_{s\omega}\, k$$
#
# Two facts about rotations: to transpose is to turn back, $R_\alpha^T = R_{-\alpha}$ (only the signs of the
# sines change). And two turns make one, $R_\alpha R_\beta = R_{\alpha + \beta}$ (the addition theorems once
# more). Write the dot product as a row times a column, $q \cdot k = q^T k$, and take the transpose of a
# product as above. Hence
#
# $$(R_{p\omega} q) \cdot (R_{s\omega} k) = q^T R_{p\omega}^T R_{s\omega} k
# = q^T R_{(s-p)\omega}\, k \tag{3.8}$$
#
# The positions have gone; the distance is left. No table, no parameters, no longest sentence. With $K$
# features there are $K/2$ pairs, each with its own $\omega_i = 10000^{-2i/K}$, the hands of the same clock.
# This is the **rotary position embedding** (旋转位置编码, RoPE). Llama, GPT-NeoX, Qwen and ModernBERT use it.
#
# With the pencil: $K = 2$, so $\omega = 1$. Query and key are both $(1, 0)$. At positions 2 and 5 they are
# turned by 2 and by 5, and $\cos 2 \cos 5 + \sin 2 \sin 5 = \cos 3 = -0.98999$. At positions 12 and 15, the
# same.


# %%
def product(query, key, p, s):
    """Return the product of a query at position p and a key at position s, both turned."""
    # (B, H, T, K) = (1, 1, 1, K): one sentence, one head (chapter 05), one position
    turned, _ = rotary_forward(query.reshape(1, 1, 1, -1), np.array([p]))
    against, _ = rotary_forward(key.reshape(1, 1, 1, -1), np.array([s]))
    return (turned * against).sum()


right_hand = np.array([1.0, 0.0])
assert np.isclose(math.cos(2) * math.cos(5) + math.sin(2) * math.sin(5), -0.98999, atol=1e-5)
assert np.isclose(product(right_hand, right_hand, 2, 5), math.cos(3))
assert np.isclose(product(right_hand, right_hand, 12, 15), math.cos(3))

# %% [markdown]
# The picture shows (3.8) twice. On the left is one pair of features of a query and a key, at two pairs of
# positions that are two apart: the arrows have moved on, the angle between them has not. On the right are
# all products of 24 positions with 24, for a query and a key that are the same vector of 64 numbers.

# %%
vector = np.random.default_rng(3).normal(size=64)  # a query and a key that fit: both are this vector
scores = np.array([[product(vector, vector, p, s) for s in range(24)] for p in range(24)])
assert all(np.allclose(np.diag(scores, k), scores[0, k]) for k in range(24))
assert np.allclose(np.diag(scores), vector @ vector) and scores.max() <= vector @ vector + 1e-9

# %%
fig, axes = plt.subplots(1, 2, figsize=(8.5, 3.9), dpi=100)
for p, s, style in [(1, 3, "-"), (4, 6, "--")]:
    for vector, at, name in [(np.array([1.0, 0.25]), p, "q"), (np.array([0.3, 0.7]), s, "k")]:
        tip = rotate(vector, *turns(np.array(0.5 * at), 2))  # K = 2: one pair
        arrow = {"arrowstyle": "->", "ls": style, "lw": 2 if name == "q" else 1}
        axes[0].annotate("", tip, (0, 0), arrowprops=arrow)
        axes[0].text(*(1.12 * tip + [0, 0.02]), f"${name}$ at {at}", ha="center", va="center")
axes[0].set(xlim=(-1.3, 1.3), ylim=(-1.3, 1.3), aspect="equal", xlabel="feature $i$")
axes[0].set(ylabel="feature $i + K/2$", title="Two steps apart: one angle")
picture = axes[1].imshow(scores, cmap="Greys")
fig.colorbar(picture, ax=axes[1], label="product, turned", shrink=0.85)
axes[1].set(xlabel="position of the key", ylabel="position of the query")
axes[1].set_title("Each diagonal has one value")
fig.tight_layout()
plt.show()

# %% [markdown]
# The way back is short. The output is $y = R x$, a linear layer whose weights are the
# rotation, so by (2.4) the gradient is multiplied with the transpose, and that turns back:
#
# $$dx = R_{p\omega}^T\, dy = R_{-p\omega}\, dy \tag{3.9}$$
#
# One function, `rotate`, therefore serves both ways; the sine changes its sign.

# %%
show(turns, rotate, rotary_forward, rotary_backward)

# %%
x = np.random.default_rng(4).normal(size=(2, 3, 5, 8))  # (B, H, T, K)
y, cache = rotary_forward(x, np.arange(5))
assert np.allclose(y[:, :, 0], x[:, :, 0])  # at position 0 nothing is turned
assert np.allclose(np.linalg.norm(y, axis=-1), np.linalg.norm(x, axis=-1))  # lengths stay
assert np.allclose(rotary_backward(y, cache), x)  # and back

# %% [markdown]
# The positions are an argument, and for a reason. Two things that are common in practice go wrong if a
# function counts them by itself. A model that writes text works on one new token at a time, and its position
# is not 0 (chapter 11). And a batch may be filled up on the *left*, so that all sentences end together. Then
# the first real token stands in column 2, say, and its position is still 0:

# %%
sentence = x[:1, :, :3]  # three tokens
alone, _ = rotary_forward(sentence, np.arange(3))
padded = np.concatenate([np.zeros((1, 3, 2, 8)), sentence], axis=2)  # two columns of padding before them
filled, _ = rotary_forward(padded, np.array([[0, 0, 0, 1, 2]]))
assert np.allclose(filled[:, :, 2:], alone)

# %% [markdown]
# ## The proof
#
# Every row is one case, run with the same random numbers through our functions, through our twins in PyTorch,
# and through the blocks of `transformers` (BERT's embeddings, DistilBERT's sinusoids, Llama's rotary
# positions). Sinusoids have no gradient; padding's is a decision that finite differences would deny.

# %%
prove("embedding", "position")

# %% [markdown]
# Now break it on purpose. Mistakes like these are made in earnest; the shapes are right in each. For every
# mistake, the first check that sees it speaks.

# %%
break_on_purpose("embedding", "assigned, not added", "first sequence alone")
break_on_purpose("position", "sines stand in the first", "padding on the left")

# %% [markdown]
# ## What the paper does differently
#
# - **Layer norm and dropout after the sum** are in the code that the authors of BERT released, not in the
#   paper: its figure 2 ends with the sum.
# - **The factor $\sqrt{D}$.** Vaswani et al. multiply the token embeddings by $\sqrt{D}$ before they add the
#   sinusoids (section 3.4). BERT does not. Its norm would take a common factor out again, though not the
#   balance between words and positions.
# - **Segments** are not in Vaswani et al. at all. RoBERTa (Liu et al. 2019) trained without the question they
#   are for, and many later encoders have dropped them.
# - **Sine and cosine in turns**, as the paper writes it and we do. The code released with it has all sines
#   first, then all cosines. That is another order of the features and nothing else, but weights that were
#   trained with one order cannot be used with the other.
# - **Rotary pairs.** Su et al. pair feature $2i$ with $2i + 1$. We pair $i$ with $i + K/2$, as Llama,
#   GPT-NeoX and ModernBERT do in `transformers`, so that their weights will fit. Exercise 5 shows that it is
#   a matter of order again.
# - **The same table at the end.** BERT uses $E$ a second time, to score all tokens at the output (chapter
#   12). Then its gradient has a second part, and `[PAD]` gets one there.
#
# ## Exercises
#
# Some functions of this chapter are for you to write. `minibert learn start` makes a folder with a file for
# each, and `minibert learn check` says whether it is right and, if not, what is wrong with it. Each stands
# alone. What comes after them is done with a pencil, or leads further.
#
# ### To write: looking up

# %%
exercise("lookup_forward")

# %%
exercise("lookup_backward")

# %% [markdown]
# ### To write: the first layer

# %%
exercise("embedding_forward")

# %%
exercise("embedding_backward")

# %% [markdown]
# ### To write: positions

# %%
exercise("sinusoids")

# %%
exercise("rotate")

# %%
exercise("rotary_forward")

# %%
exercise("rotary_backward")

# %% [markdown]
# ### To write: in PyTorch

# %%
exercise("torch_embedding")

# %%
exercise("torch_sinusoids")

# %%
exercise("torch_turns")

# %%
exercise("torch_rotary")

# %% [markdown]
# ### To think about
#
# **1. Pencil.** Vocabulary and table as in the toy case, the sentence is "the cat saw the the", and `dout` is
# $(1, 1)$ at every position. Write down `dtable`. Then fill the sentence up with two `[PAD]` and do it again,
# with and without (3.3).
#
# <details><summary>Hint</summary>
#
# Count how often each word occurs. With `dout` all ones, each row gets its count, in both features.
#
# </details>
#
# **2. Without `np.add.at`.** Write `lookup_backward` once more: sort the positions by their id, so that the
# places of one word lie side by side, and add up each run with `np.add.reduceat`. Run `gradcheck` on it.
# Which of the two is faster for 4,000 tokens with $D = 128$?
#
# <details><summary>Hint</summary>
#
# `order = ids.ravel().argsort(kind="stable")`, then `np.unique(sorted_ids, return_index=True)` gives the
# words and where their runs begin.
#
# </details>
#
# **3. A faster clock.** Copy `sinusoids`, replace 10000 by 10, and draw the picture of likeness by distance
# again, for $D = 128$. What has become of far positions?
#
# <details><summary>Hint</summary>
#
# With base 10 the slowest hand goes round in less than 63 positions. Which positions look alike then that are
# not?
#
# </details>
#
# **4. One word back.** Find a matrix $W$ such that $P_p \cdot W P_s$ is largest at $s = p - 1$, for all
# $p$. Do not search, use (3.7).
#
# <details><summary>Hint</summary>
#
# You want $W P_s$ to be $P_p$ when $s = p - 1$.
#
# </details>
#
# **5. The paper's pairs.** Write `rotary_forward` so that it pairs $2i$ with $2i + 1$. Show that it gives the
# same numbers as the library's, if the features are reordered before and put back after.
#
# <details><summary>Hint</summary>
#
# `x[..., 0::2]` and `x[..., 1::2]` are the two halves that the library wants. Put them one after the other
# with `np.concatenate`, turn, and sort back.
#
# </details>
#
# **6. Is it really blind?** In chapter 11 a word may look only at itself and at the words *before* it. Give
# `mix` such a mask. Does reordering the first two words of a sentence still change nothing for the third?
# And for the second? (Haviv et al. 2022 found that such models can do without positions.)
#
# <details><summary>Hint</summary>
#
# The second word sees two words, the third sees three. How many words it sees tells a word something
# about where it is.
#
# </details>
#
# ## Further reading
#
# - Bengio, Ducharme, Vincent and Jauvin 2003, *A neural probabilistic language model*, Journal of Machine
#   Learning Research 3, 1137–1155. The table of word vectors, trained with the model.
# - Mikolov, Chen, Corrado and Dean 2013, *Efficient estimation of word representations in vector space*,
#   [arXiv:1301.3781](https://arxiv.org/abs/1301.3781). word2vec: the table alone is worth training.
# - Vaswani et al. 2017, *Attention is all you need*, [arXiv:1706.03762](https://arxiv.org/abs/1706.03762),
#   sections 3.4 and 3.5.
# - Devlin, Chang, Lee and Toutanova 2019, *BERT*, [arXiv:1810.04805](https://arxiv.org/abs/1810.04805),
#   section 3 and figure 2.
# - Su et al. 2021, *RoFormer: enhanced transformer with rotary position embedding*,
#   [arXiv:2104.09864](https://arxiv.org/abs/2104.09864).
# - Shaw, Uszkoreit and Vaswani 2018, *Self-attention with relative position representations*,
#   [arXiv:1803.02155](https://arxiv.org/abs/1803.02155). Distances, learned.
# - Press, Smith and Lewis 2022, *Train short, test long*,
#   [arXiv:2108.12409](https://arxiv.org/abs/2108.12409). ALiBi: subtract a little for each step of
#   distance.
# - Haviv, Ram, Press, Izsak and Levy 2022, *Transformer language models without positional encodings still
#   learn positional information*, [arXiv:2203.16634](https://arxiv.org/abs/2203.16634).
