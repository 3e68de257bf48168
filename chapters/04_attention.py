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
# # 04 · Attention (注意力)
#
# *Which of the other words does a word need, and how does it get at them?*
#
# **Files:** `minibert/byhand/attention.py` · `minibert/model/attention.py` ·
# `minibert/learn/checks/attention.py` · `tests/test_attention.py`
#
# **Needs:** [02 Gradients](02_gradients.ipynb), [03 Embeddings](03_embeddings.ipynb)
#
# **Time:** 90 minutes

# %% [markdown]
# ## The question: words that need each other
#
# *Anna lent Tom a book and he thanked her.* Who is *he*? You know at once, and you know how you know: you
# looked back, passed over *book* and *and*, and stopped at *Tom*. For *her* you stopped at *Anna*.
#
# After chapter 03 each word is a vector of its own, and the vector of *he*, apart from its position, is the
# same in every sentence. It says "a man" and no more. To understand the sentence it has to fetch something
# from another word. From which one? That depends on the words: on what *he* is looking for, and on what the
# others have to offer. It cannot be wired in, such as "always take the third word". It must be found anew in
# each sentence.
#
# The recurrent networks of chapter 10 hand a note from word to word, from left to right. Whatever *Tom* has
# to say must then survive four steps to reach *he*, and forty in a longer sentence. **Attention** (注意力)
# lets every word look at every other word directly, in one step. It is the heart of BERT, of GPT, and of
# all their kin. What it does is three lines of NumPy. This chapter derives them, walks back through them by
# hand, and then spends its time on what goes wrong in practice: masks, large numbers, and memory.

# %%
import math
import time
import tracemalloc

import matplotlib.pyplot as plt
import numpy as np
import torch

# %%
from minibert.byhand.attention import (
    attention_backward,
    attention_forward,
    attention_weights,
    causal_mask,
    online_attention,
    padding_mask,
    softmax_backward,
    softmax_forward,
)
from minibert.byhand.embedding import lookup_backward, lookup_forward
from minibert.byhand.gradcheck import central_differences, gradcheck
from minibert.byhand.linear import linear_backward, linear_forward
from minibert.byhand.loss import IGNORE, cross_entropy_backward, cross_entropy_forward
from minibert.config import PRESETS
from minibert.learn.notebook import break_on_purpose, exercise, show
from minibert.model.attention import attention, scaled_dot_product
from minibert.prove import prove

# %% [markdown]
# ### Where it stands in the whole
#
# Attention is one part of a larger machine. BERT first makes a vector of each word (chapter 03). Then comes a
# block, 12 times over in the base model, and in it two steps: in **attention** the words hear from one
# another, and in a **feed-forward** layer each word thinks it over by itself (chapter 06). Last, the vectors
# become scores for what BERT is asked (chapter 12).

# %%
fig, ax = plt.subplots(figsize=(9, 3.1), dpi=100)
box = {"boxstyle": "round,pad=0.35", "fc": "0.93"}
for up, word in zip([2, 1, 0], ["Anna", "greets", "Tom"], strict=True):
    ax.text(0, up, word, ha="center", va="center")
    for across, text in [(1.6, "embedding"), (6.05, "feed-forward"), (8.6, "scores")]:
        ax.text(across, up, text, ha="center", va="center", size=9, bbox=box)
    for start, end in [(0.45, 0.98), (2.22, 3.3), (4.75, 5.35), (6.75, 8.18)]:
        ax.annotate("", (end, up), (start, up), arrowprops={"arrowstyle": "->"})
    for other in range(3):
        ax.plot([3.35, 4.7], [up, other], "k-", lw=1)
    ax.plot([3.35, 4.7], [up, up], "ko", ms=5)
ax.add_patch(plt.Rectangle((2.85, -0.5), 4.35, 3.6, fill=False, ls="--"))
ax.text(5.02, 3.2, "a block, 12 times over", ha="center", size=9)
ax.text(4.02, 2.55, "attention", ha="center", weight="bold")
for across, chapter in [(1.6, "03"), (4.02, "04, 05"), (6.05, "06"), (8.6, "12")]:
    ax.text(across, -0.95, f"chapter {chapter}" if across == 1.6 else chapter, ha="center", size=9)
ax.set(xlim=(-0.6, 9.2), ylim=(-1.1, 3.6))
ax.set_title("Attention is the only place where words meet")
ax.axis("off")
plt.show()
assert PRESETS["bert-base"]["layers"] == 12

# %% [markdown]
# (Behind each of the two steps stand an addition and a norm, which the picture leaves out. Chapter 07 puts
# them there.) Everything else looks at each word alone. So whatever a word is to know about its sentence has
# to come to it through the lines in the middle. They are this chapter.

# %% [markdown]
# ## What the papers wrote
#
# Bahdanau et al. taught a network to translate, and let it "(soft-)search for parts of a source sentence
# that are relevant to predicting a target word" (Bahdanau et al. 2015, abstract). Vaswani et al. kept the
# search and threw away the recurrent network around it:
#
# > An attention function can be described as mapping a query and a set of key-value pairs to an output, where
# > the query, keys, values, and output are all vectors. The output is computed as a weighted sum of the
# > values, where the weight assigned to each value is computed by a compatibility function of the query with
# > the corresponding key.
# >
# > Vaswani et al. 2017, section 3.2
#
# $$\mathrm{Attention}(Q, K, V) = \mathrm{softmax}\!\left(\frac{Q K^T}{\sqrt{d_k}}\right) V
# \qquad\text{(their equation 1)}$$
#
# They call it **scaled dot-product attention** (缩放点积注意力). In their equation $Q$, $K$ and $V$ are
# matrices, with a query, a key or a value in each row. We write these $q$, $k$ and $v$, and keep the capital
# letters for numbers: there are $T$ queries and $S$ keys, each of $K$ numbers ($K$ is their $d_k$). Single
# vectors are $q_t$, $k_s$ and $v_s$, and $i$ counts their numbers.

# %% [markdown]
# ## A dictionary that answers softly
#
# You know keys and values from Python. A dictionary (字典) compares your query with its keys, and hands out
# the value of the one that is equal:

# %%
phone_book = {"Anna": 12.0, "Tom": 30.0}
assert phone_book["Tom"] == 30
assert "Tim" not in phone_book  # near is not good enough

# %% [markdown]
# It is all or nothing, and that is bad for learning. If the answer was wrong, in which direction should the
# query move to make it a little better? A small move changes nothing at all, and a larger one throws a
# `KeyError`: there is no slope. Chapter 03 has already written a lookup as a product, a row with a single 1
# times a table (3.1). Now soften that row. In place of one 1 and many 0, take shares that sum to one:
#
# 1. **Compare.** Each query meets each key in a product, $q_t \cdot k_s = \sum_i q_{ti} k_{si}$ (点积). It is
#    large if both are long and point in the same direction, 0 if they stand at right angles, negative if they
#    point away from each other. Divided by $\sqrt{K}$, for a reason that needs a section of its own, that is
#    the **score** (分数) of key $s$ for query $t$:
#
# $$z_{ts} = \frac{1}{\sqrt K} \sum_i q_{ti}\, k_{si} \qquad\text{that is}\qquad z = \frac{q\, k^T}{\sqrt K}
# \tag{4.1}$$
#
# 2. **Share out.** The **softmax** (归一化指数函数) makes shares of the scores of one query: the exponential
#    makes each positive, and dividing by the sum makes them sum to one. These are the **weights**
#    (注意力权重):
#
# $$a_{ts} = \frac{e^{z_{ts}}}{\sum_u e^{z_{tu}}} \qquad\text{that is}\qquad
# a = \mathrm{softmax}(z), \text{ row by row} \tag{4.2}$$
#
# 3. **Mix.** The output is the mean of the values, weighted so:
#
# $$o_{ti} = \sum_s a_{ts}\, v_{si} \qquad\text{that is}\qquad o = a\, v \tag{4.3}$$
#
# That is all. A **query** (查询) says what a word is looking for, a **key** (键) what it can be found by, a
# **value** (值) what it hands over when it is found. And now every number has a slope.
#
# ### Three words, with a pencil
#
# *Anna greets Tom.* Let $K = 4$, so that $\sqrt K = 2$. Word 1 has a key along the first axis, word 2 along
# the second, word 3 along the third. *Anna* asks for what is along the second axis (what does she do?),
# *greets* for what is along the first (who does it?), and *Tom* asks for nothing.
#
# *Anna*'s query is $(0, \ln 2, 0, 0)$, and the key of *greets* is $(0, 2, 0, 0)$. Their product is
# $\ln 2 \cdot 2$, and divided by the root the score is $\ln 2 \cdot 2 / 2 = \ln 2$. The two other keys have
# nothing where she looks, so their score is 0. (That is why the keys have length 2: it cancels the root. And
# $\ln 2$ has the exponential 2.)

# %%
words = ["Anna", "greets", "Tom"]
ln2 = math.log(2)
query = np.array([[0.0, ln2, 0, 0], [ln2, 0, 0, 0], [0, 0, 0, 0]])  # (T, K)
key = np.array([[2.0, 0, 0, 0], [0, 2, 0, 0], [0, 0, 2, 0]])  # (S, K)
value = np.array([[12.0, 0], [0, 12], [12, 12]])  # (S, 2)

scores = query @ key.T / math.sqrt(4)
assert np.allclose(scores, [[0, ln2, 0], [ln2, 0, 0], [0, 0, 0]])

# %% [markdown]
# The exponentials of $0, \ln 2, 0$ are $1, 2, 1$, and their sum is 4. So *Anna* gives the weights
# $\frac14, \frac12, \frac14$, and *greets* gives $\frac12, \frac14, \frac14$. *Tom*, who asks for nothing,
# finds all keys equally good: a third each. The outputs are then
#
# - *Anna*: $\frac14 (12, 0) + \frac12 (0, 12) + \frac14 (12, 12) = (6, 9)$,
# - *greets*: $\frac12 (12, 0) + \frac14 (0, 12) + \frac14 (12, 12) = (9, 6)$,
# - *Tom*: $\frac13 (12 + 0 + 12,\ 0 + 12 + 12) = (8, 8)$, the plain mean.

# %%
weights = attention_weights(query, key)
out, cache = attention_forward(query, key, value)
assert np.allclose(weights, [[1 / 4, 1 / 2, 1 / 4], [1 / 2, 1 / 4, 1 / 4], [1 / 3, 1 / 3, 1 / 3]])
assert np.allclose(out, [[6, 9], [9, 6], [8, 8]])


# %%
def draw(ax, numbers, title, rows=None, columns=None, form="{:.2f}", dark=None, size=10):
    """Draw a matrix with its numbers in the cells, darker where they are larger in size."""
    dark = dark or abs(numbers).max()
    ax.imshow(abs(numbers), cmap="Greys", vmin=0, vmax=1.5 * dark)
    for (row, column), number in np.ndenumerate(numbers):
        color = "white" if abs(number) > 0.85 * dark else "black"
        ax.text(column, row, form.format(number), ha="center", va="center", color=color, size=size)
    ax.set_title(title, size=size + 1)
    ax.set_yticks(range(len(numbers)), rows or [""] * len(numbers), size=size)
    ax.set_xticks(range(numbers.shape[1]), columns or [""] * numbers.shape[1], size=size, rotation=40)
    ax.tick_params(length=0)


# %%
fig, axes = plt.subplots(1, 4, figsize=(9, 2.7), dpi=100, gridspec_kw={"width_ratios": [3, 3, 2, 2]})
draw(axes[0], scores, "scores $z$", words, words)
draw(axes[1], weights, "weights $a$", words, words)
draw(axes[2], value, "values $v$", words, ["1", "2"], "{:g}", 20)
draw(axes[3], out, "out $o = a\\,v$", words, ["1", "2"], "{:g}", 20)
axes[0].set_ylabel("queries")
for ax in axes[:2]:
    ax.set_xlabel("keys")
for ax in axes:
    ax.set_aspect("auto")
fig.suptitle("Each word mixes the values of all words, by its row of weights")
fig.tight_layout(w_pad=2)
for left, right, sign in zip(axes, axes[1:], ["→", "×", "="], strict=False):
    middle = left.get_position().x1 + 0.15 * (right.get_position().x0 - left.get_position().x1)
    fig.text(middle, 0.52, sign, size=15, ha="center", va="center")
plt.show()

# %% [markdown]
# ### Between the plain mean and the dictionary
#
# The weights are positive and sum to one, so an output never leaves the ground between the values: with three
# values it lies inside their triangle. Where in the triangle? Take one query and make it longer and longer.
# At length 0 it asks for nothing, and gets the plain mean. As it grows, the best key takes over; in the end
# the answer is that of a dictionary.

# %%
direction = np.array([[1.0, 1.5, 0, 0]])
lengths = np.linspace(0, 8, 81)
shares = np.array([attention_weights(length * direction, key)[0] for length in lengths])
path = shares @ value
assert np.allclose(path[0], [8, 8]) and np.allclose(shares[0], 1 / 3)
assert shares[-1, 1] > 0.98 and np.abs(path[-1] - value[1]).max() < 0.3

# %%
fig, axes = plt.subplots(1, 2, figsize=(8.5, 3.7), dpi=100, gridspec_kw={"width_ratios": [1.3, 1]})
for s, style in [(1, "-"), (0, "--"), (2, ":")]:
    axes[0].plot(
        lengths, shares[:, s], style, color="black", label=f"word {s + 1}, score {direction[0, s]:g}"
    )
axes[0].set(xlabel="the query is so many times as long", ylabel="weight", ylim=(-0.03, 1.03))
axes[0].set_title("A longer query is a sharper question")
axes[0].legend(frameon=False, loc="center right", title="at length 1")
axes[1].fill(*value.T, color="0.93", edgecolor="0.6")
axes[1].plot(*path.T, "k-", lw=1.3)
axes[1].plot(*path[::10].T, "ko", ms=4)
for point, name in zip([*value, (8, 8)], ["$v_1$", "$v_2$", "$v_3$", "plain mean"], strict=True):
    axes[1].text(*np.add(point, (0, 0.55) if point[1] else (0, -1.1)), name, ha="center")
axes[1].set(xlim=(-2, 14.5), ylim=(-2, 14), xlabel="first number", ylabel="second number", aspect="equal")
axes[1].set_title("From the mean to one value")
fig.tight_layout()
plt.show()

# %% [markdown]
# The idea is older than neural networks that read. To guess a value at a new point, take the mean of the
# examples you have, and let the near ones count more: Nadaraya and Watson, each by himself, in 1964. The
# query is the new point, the keys are the old points. A bell curve is a common choice for "near", that is,
# weights in proportion to $e^{-|q - k|^2 / 2}$. Multiply the square out:
#
# $$-\tfrac12 |q - k|^2 = q \cdot k - \tfrac12 |q|^2 - \tfrac12 |k|^2$$
#
# $|q|^2$ is the same for all keys, so the softmax does not notice it. If all keys have the same length,
# neither does it notice $|k|^2$. Then **near and "large product" are the same thing**, and the old method is
# attention (without the root, which the cell below leaves out). The new thing is that a network *learns*
# where to put the points.

# %%
near = np.exp(-((query[:, None] - key[None]) ** 2).sum(axis=-1) / 2)  # (T, S); each key here has length 2
assert np.allclose(near / near.sum(axis=1, keepdims=True), softmax_forward(query @ key.T)[0])

# %% [markdown]
# ### A sentence, with vectors that mean something
#
# Back to *he*. Let us make keys and queries of $K = 4$ features by hand: man, woman, name, action. A key says
# what a word *is*: *Tom* is a man and a name. A query says what a word *wants*: *he* wants a man and a name.
# Each feature that fits shall make a weight ten times as large, so a query has $\sqrt K \ln 10$ at each
# feature that it wants.

# %%
sentence = ["Anna", "lent", "Tom", "a", "book", "and", "he", "thanked", "her"]
features = ["man", "woman", "name", "action"]
nature = {"Anna": ["woman", "name"], "Tom": ["man", "name"], "he": ["man"], "her": ["woman"]}
nature |= {"lent": ["action"], "thanked": ["action"]}
wishes = {"he": ["man", "name"], "her": ["woman", "name"], "lent": ["name"], "thanked": ["man", "woman"]}
wishes |= {"Anna": ["action"], "Tom": ["action"], "book": ["action"]}


def marked(table):
    """Return a row for each word of the sentence, 1.0 at the features that the table gives it."""
    return np.array([[float(name in table.get(word, [])) for name in features] for word in sentence])


keys, queries = marked(nature), math.sqrt(4) * math.log(10) * marked(wishes)
looks = attention_weights(queries, keys)

# %%
at = sentence.index
assert at("he") - at("Tom") == 4
assert math.isclose(looks[at("he"), at("Tom")], 100 / (100 + 10 + 10 + 6)) and round(100 / 126, 2) == 0.79
assert math.isclose(looks[at("he"), at("he")], 10 / 126)
assert math.isclose(looks[at("he"), at("Anna")], 10 / 126)
assert math.isclose(looks[at("Tom"), at("he")], 1 / 27) and round(1 / 27, 2) == 0.04
assert np.allclose(looks[at("a")], 1 / 9)

fig, ax = plt.subplots(figsize=(6.6, 5.6), dpi=100)
draw(ax, looks, "he finds Tom, her finds Anna", sentence, sentence, dark=0.8)
ax.set(xlabel="keys: who is looked at", ylabel="queries: who looks")
fig.tight_layout()
plt.show()

# %% [markdown]
# This is called a heat map (热力图). Read it row by row. *he* gives *Tom* 0.79: two features fit, so
# $10 \cdot 10 = 100$, against 10 for *Anna* (a name), 10 for *he* itself (a man), and 1 for each of the six
# others. *a* wants nothing and gets the plain mean. *thanked* wants people, finds four of them, and cannot
# tell who thanks whom: nothing here says where a word stands. (In BERT the positions of chapter 03 are a part
# of each vector, and can be asked for too.)
#
# Now compare a cell with its mirror image on the other side of the diagonal, and you see why there are
# queries *and* keys. *he* looks at *Tom*, but *Tom* hardly looks at *he* (0.04). If one vector per word had
# to serve for both, the table of products would be symmetric, $x_t \cdot x_s = x_s \cdot x_t$, and most
# words would fit nobody as well as themselves. A *value* of its own is needed because what one is found by
# is not what one has to tell.
#
# In BERT nobody makes these vectors by hand. A word's query, key and value come out of its vector $x$
# through three linear layers, and their weights are learned (chapter 05). If all three come from the same
# sentence, one speaks of **self-attention** (自注意力). If the queries come from one sentence and keys and
# values from another, as in translation, of **cross-attention** (交叉注意力). For this chapter it makes no
# difference, except that then $S \ne T$.

# %% [markdown]
# ## Back through the softmax
#
# Now backwards. We begin with the one step that is not a product. Take one query and leave out its index $t$;
# the softmax works on each row by itself. Write $Z = \sum_u e^{z_u}$, so that $a_u = e^{z_u} / Z$. How fast
# does weight $a_u$ grow with score $z_s$? At school that is the quotient rule, $(f/g)' = (f'g - fg') / g^2$.
# The sum $Z$ contains every score, so its slope in $z_s$ is $e^{z_s}$, always. The numerator contains $z_s$
# only if $u = s$. Two cases:
#
# $$\frac{\partial a_s}{\partial z_s} = \frac{e^{z_s} Z - e^{z_s} e^{z_s}}{Z^2} = a_s - a_s a_s
# \qquad\qquad
# \frac{\partial a_u}{\partial z_s} = \frac{0 - e^{z_u} e^{z_s}}{Z^2} = -a_u a_s \quad (u \ne s)$$
#
# Together, with $[u = s]$ for 1 if $u = s$ and 0 otherwise,
#
# $$\frac{\partial a_u}{\partial z_s} = a_u\, \big([u = s] - a_s\big) \tag{4.4}$$
#
# A score that rises lifts its own weight, and *every other weight must pay for it*, for the sum stays 1. With
# the pencil, for the weights $(\frac12, \frac14, \frac14)$:
#
# $$\frac{1}{16} \begin{pmatrix} 4 & -2 & -2 \\ -2 & 3 & -1 \\ -2 & -1 & 3 \end{pmatrix}$$
#
# Each row sums to zero. In a network we never build this table. We want $dz$, given $da$. The score $z_s$
# reaches the loss through all weights, so multiply along each path and add over the paths (2.2):
#
# $$dz_s = \sum_u da_u\, a_u\, \big([u = s] - a_s\big) = da_s\, a_s - a_s \sum_u a_u\, da_u$$
#
# $$dz_s = a_s \Big( da_s - \sum_u a_u\, da_u \Big) \tag{4.5}$$
#
# This is worth reading slowly. $da_s$ says what one unit more of weight on key $s$ would *cost*: how much
# the loss would grow. The sum is the *mean* of these costs, under the weights as they are. So $dz_s$ is
# positive where key $s$ costs more than the mean, and negative where it costs less. Descent goes against the
# gradient (chapter 02): **it pushes a score down if its key costs more than the mean, and up if it costs
# less.** And the push is in proportion to the weight that the key has already: a key with hardly any weight
# hardly learns. We shall meet that again, twice.

# %%
table = np.array([[4, -2, -2], [-2, 3, -1], [-2, -1, 3]]) / 16
row = np.array([ln2, 0.0, 0.0])
a, notes = softmax_forward(row)
assert np.allclose(a, [1 / 2, 1 / 4, 1 / 4])
for u in range(3):
    assert np.allclose(central_differences(lambda u=u: softmax_forward(row)[0][u], row), table[u])  # 4.4
    assert np.allclose(softmax_backward(np.eye(3)[u], notes), table[u])  # 4.5

# %%
show(softmax_forward, softmax_backward)

# %% [markdown]
# Three things in the forward pass are there for safety. The highest score is taken off first, which changes
# nothing on paper: it divides numerator and sum by the same number. Without it, $e^{89}$ already overflows in
# float32, and in float64 $e^{710}$ does. Hidden keys get the score $-\infty$. And a row in which *all* keys
# are hidden gets neither a highest score of $-\infty$ nor a division by 0. More of that below.

# %%
with np.errstate(over="ignore"):
    assert np.isinf(np.exp(np.float32(89))) and np.isinf(np.exp(710.0))
assert np.allclose(softmax_forward(row + 1000)[0], a)

# %% [markdown]
# ## The backward pass, line by line
#
# Forward we went from $q$ and $k$ to $z$, to $a$, and with $v$ to $o$. Here is the map, with the equations
# that lead back.


# %%
def both_ways(ax, start, end, forward, back, where):
    """Draw a solid arrow, and a dashed one back; the words for both stand `where` seen from the middle."""
    along = np.subtract(end, start) / math.dist(start, end)
    across = np.array([-along[1], along[0]])
    for side, style, color in ((1, "-", "black"), (-1, "--", "0.35")):
        ends = np.array([start + 0.45 * along, end - 0.45 * along]) + 0.07 * side * across
        tail, head = ends if side == 1 else ends[::-1]
        ax.annotate("", head, tail, arrowprops={"arrowstyle": "->", "linestyle": style, "color": color})
        text = forward if side == 1 else back
        ax.text(*(np.add(start, end) / 2 + side * np.array(where)), text, ha="center", va="center", size=9)


# %%
places = {"q": (0, 2.2), "k": (0, -0.2), "z": (2.4, 1), "a": (4.8, 1), "v": (4.8, -0.7), "o": (7.2, 1)}
shapes = dict.fromkeys("qo", "(T, K)") | dict.fromkeys("kv", "(S, K)") | dict.fromkeys("za", "(T, S)")
ways = [("q", "z", "4.1", "4.8", (0.25, 0.25)), ("k", "z", "4.1", "4.9", (-0.25, 0.25))]
ways += [("z", "a", "4.2, softmax", "4.5", (0, 0.25)), ("a", "o", "4.3", "4.7", (0, 0.25))]
ways += [("v", "o", "4.3", "4.6", (-0.25, 0.25))]

fig, ax = plt.subplots(figsize=(8.8, 3.4), dpi=100)
for name, place in places.items():
    box = {"boxstyle": "round,pad=0.35", "fc": "0.93"}
    ax.text(*place, f"${name}$\n{shapes[name]}", ha="center", va="center", bbox=box)
for start, end, *texts in ways:
    both_ways(ax, np.array(places[start]), np.array(places[end]), *texts)
both_ways(ax, np.array(places["o"]), np.array((9.3, 1)), "to the loss", "$do$", (0, 0.25))
ax.set(xlim=(-0.6, 9.4), ylim=(-1.15, 2.65), aspect="equal")
ax.set_title("Forward solid, back dashed; each equation is one line of code")
ax.axis("off")
plt.show()

# %% [markdown]
# From the right comes $do$, the gradient of the outputs. For each number ask, as in chapter 02: *what does it
# reach, and with which factor does it stand there?*
#
# **The values.** $v_{si}$ reaches the output $o_{ti}$ of *every query* $t$, each time with the factor
# $a_{ts}$ (4.3). Add over the queries:
#
# $$dv_{si} = \sum_t a_{ts}\, do_{ti} \qquad\text{that is}\qquad dv = a^T\, do \tag{4.6}$$
#
# **The weights.** $a_{ts}$ reaches the output of query $t$ only, but all its numbers $i$, with the factor
# $v_{si}$:
#
# $$da_{ts} = \sum_i do_{ti}\, v_{si} \qquad\text{that is}\qquad da = do\; v^T \tag{4.7}$$
#
# **The scores** then follow from (4.5), row by row.
#
# **The queries.** $q_{ti}$ reaches the score $z_{ts}$ of every key $s$, with the factor $k_{si} / \sqrt K$
# (4.1):
#
# $$dq_{ti} = \frac{1}{\sqrt K} \sum_s dz_{ts}\, k_{si} \qquad\text{that is}\qquad
# dq = \frac{dz\; k}{\sqrt K} \tag{4.8}$$
#
# **The keys.** $k_{si}$ reaches the score $z_{ts}$ of every query $t$, with the factor $q_{ti} / \sqrt K$:
#
# $$dk_{si} = \frac{1}{\sqrt K} \sum_t dz_{ts}\, q_{ti} \qquad\text{that is}\qquad
# dk = \frac{dz^T q}{\sqrt K} \tag{4.9}$$
#
# Query and key play the same part in (4.1), so (4.8) and (4.9) are the same rule with the roles exchanged:
# summed over the keys there, over the queries here, hence the transpose.
#
# ### With the pencil
#
# Let the loss grow with the first number of *Anna*'s output, $do_1 = (1, 0)$, and with the second of that of
# *greets*, $do_2 = (0, 1)$. *Tom*'s output does not matter to it, $do_3 = (0, 0)$.
#
# - (4.6): $dv_1 = \frac14 (1, 0) + \frac12 (0, 1) = (\frac14, \frac12)$; likewise
#   $dv_2 = (\frac12, \frac14)$ and $dv_3 = (\frac14, \frac14)$.
# - (4.7): $da_1 = (12, 0, 12)$, the first numbers of the values. $da_2 = (0, 12, 12)$, the second ones.
# - (4.5): the mean of $da_1$ under $(\frac14, \frac12, \frac14)$ is $3 + 0 + 3 = 6$. So
#   $dz_1 = \big(\frac14 (12 - 6), \frac12 (0 - 6), \frac14 (12 - 6)\big) = (1.5, -3, 1.5)$. Words 1 and 3
#   cost more than the mean, word 2 less: a step downhill takes weight from the two and gives it to word 2.
#   Likewise $dz_2 = (-3, 1.5, 1.5)$, and $dz_3 = 0$.
# - (4.8): the keys are twice the axes, and the root is 2. So $dq_1 = (1.5, -3, 1.5, 0)$: the scores'
#   gradients, one for each axis. $dq_2 = (-3, 1.5, 1.5, 0)$.
# - (4.9): $dk_1 = \frac12 (1.5\, q_1 - 3\, q_2) = \ln 2 \cdot (-1.5, 0.75, 0, 0)$;
#   $dk_2 = \ln 2 \cdot (0.75, -1.5, 0, 0)$; $dk_3 = \ln 2 \cdot (0.75, 0.75, 0, 0)$.

# %%
dout = np.array([[1.0, 0], [0, 1], [0, 0]])
dquery, dkey, dvalue = attention_backward(dout, cache)
assert np.allclose(dvalue, [[1 / 4, 1 / 2], [1 / 2, 1 / 4], [1 / 4, 1 / 4]])  # 4.6
assert np.allclose(dout @ value.T, [[12, 0, 12], [0, 12, 12], [0, 0, 0]])  # 4.7
dscores = softmax_backward(dout @ value.T, weights)
assert np.allclose(dscores, [[1.5, -3, 1.5], [-3, 1.5, 1.5], [0, 0, 0]])  # 4.5
assert np.allclose(dquery, [[1.5, -3, 1.5, 0], [-3, 1.5, 1.5, 0], [0, 0, 0, 0]])  # 4.8
assert np.allclose(dkey / ln2, [[-1.5, 0.75, 0, 0], [0.75, -1.5, 0, 0], [0.75, 0.75, 0, 0]])  # 4.9

lower = softmax_forward(scores - 0.01 * dscores)[0]  # a small step downhill
assert lower[0, 1] > weights[0, 1] and (lower[0, [0, 2]] < weights[0, [0, 2]]).all()
assert (dout * (lower @ value)).sum() < (dout * out).sum()  # and the loss is smaller

# %% [markdown]
# Two sums come out zero, and both must. Each row of $dz$ does, because to lift all scores of a query by the
# same number changes nothing. And so does $dk$, added up over the keys: if all keys move by one and the same
# vector, every score of a query changes by the same, and nothing happens.
#
# And the mean in (4.5) can be had more cheaply. Put (4.7) into it:
# $\sum_u a_u\, da_u = \sum_i do_i \sum_u a_u v_{ui} = do \cdot o$. It is simply the product of the output and
# its gradient, for *Anna* $(6, 9) \cdot (1, 0) = 6$. FlashAttention (below) uses that.

# %%
assert np.allclose(dscores.sum(axis=1), 0) and np.allclose(dkey.sum(axis=0), 0)
assert np.allclose((weights * (dout @ value.T)).sum(axis=1), (dout * out).sum(axis=1))
assert (out[0] * dout[0]).sum() == 6

# %%
show(attention_forward, attention_backward)

# %% [markdown]
# Two axes come before the last two, `B` for the sentences of a batch and `H` for the heads of chapter 05.
# `@` multiplies the last two and goes through the others, and `swapaxes(-2, -1)` transposes the last two. So
# there is no loop, and the three words above, which have neither `B` nor `H`, run through the same code.

# %%
rng = np.random.default_rng(0)
some = rng.normal(size=(2, 3, 4, 8)), rng.normal(size=(2, 3, 5, 8)), rng.normal(size=(2, 3, 5, 8))
error = gradcheck(attention_forward, attention_backward, *some)
print(f"largest relative error of any gradient: {error:.1e}")
assert error < 1e-9

# %% [markdown]
# ### Weights left out at random
#
# One thing in the code is in none of the equations: the dropout. In training BERT leaves out a tenth of the
# weights, other ones each time, so that no word comes to rely on one other word alone. Chapter 06 is about
# the method; here is what it does to attention. Let the rate be $p$. Each weight is multiplied by a number
# $r_{ts}$ of its own, which is 0 with probability $p$, and otherwise $1 / (1 - p)$. The output becomes
# $o_{ti} = \sum_s r_{ts}\, a_{ts}\, v_{si}$.
#
# With the pencil, at $p = \frac12$: *Anna* has the weights $\frac14, \frac12, \frac14$. If the first is left
# out, the others are doubled: $0, 1, \frac12$. Her output is now
# $1 \cdot (0, 12) + \frac12 (12, 12) = (6, 18)$ in place of $(6, 9)$. So in a single draw the weights need
# not sum to one. But over many draws each $r_{ts}$ is 1 in the mean, and so the mean of the outputs is what
# it was. After training nothing is left out.
#
# On the way back $r_{ts}$ is a factor like any other, and known, because the cache has kept it. In (4.6)
# stands $r_{ts} a_{ts}$ in place of $a_{ts}$, for that is what the values were multiplied with. What (4.7)
# gives is the gradient of the product $r_{ts} a_{ts}$; times $r_{ts}$ it is that of $a_{ts}$, and goes into
# (4.5). There the weights are those that the softmax made, *before* any was left out. Hence two names in the
# code: `soft` for these, `kept` for the others.

# %%
assert np.allclose([0, 1, 1 / 2] @ value, [6, 18])
draws = np.random.default_rng(0)
many = [attention_forward(query, key, value, rate=0.5, generator=draws)[0] for _ in range(5000)]
assert any(np.allclose(one[0], [6, 18]) for one in many)
assert np.abs(np.mean(many, axis=0) - out).max() < 0.3


def leave_out(query, key, value):
    """Attend with a tenth of the weights left out, the same ones at every call."""
    return attention_forward(query, key, value, rate=0.1, generator=np.random.default_rng(0))


assert gradcheck(leave_out, attention_backward, *some) < 1e-8

# %% [markdown]
# ## Masks: who may look at whom
#
# A **mask** (掩码) is a table of yes and no: `True` means *may attend*. There are three reasons to have one.
#
# - **Padding** (填充). Sentences of a batch are filled up to one length with `[PAD]`. Nobody shall look at
#   it. Hidden are *columns*, the keys, for all queries alike.
# - **Causality** (因果). A model that writes (GPT, chapter 11) learns to foretell the next word. It must not
#   see it. A word may look at itself and at what came before it, so the table is a triangle.
# - **Any other wish**: only the neighbours, only the same document, only words that are linked.
#
# How is a key hidden? Give it the score $-\infty$, *before* the softmax. Then its exponential is 0, it adds
# nothing to the sum, and the others share everything among themselves, as if it were not there. "We
# implement this inside of scaled dot-product attention by masking out (setting to −∞) all values in the
# input of the softmax which correspond to illegal connections" (Vaswani et al. 2017, section 3.2.3).
# The two shortcuts that look just as good are both wrong. Try them on the scores $\ln 1, \ln 2, \ln 5$, whose
# exponentials are $1, 2, 5$, and hide the middle one:
#
# | | exponentials | weights | |
# |---|---|---|---|
# | $-\infty$ before the softmax | $1, 0, 5$ | $\frac16,\ 0,\ \frac56$ | right |
# | zero before the softmax | $1, 1, 5$ | $\frac17,\ \frac17,\ \frac57$ | 0 is a score like any: $e^0 = 1$ |
# | zero after the softmax | $1, 2, 5$ | $\frac18,\ 0,\ \frac58$ | the weights sum to $\frac68$ only |

# %%
three = np.log([1.0, 2, 5])
may = np.array([True, False, True])
assert np.allclose(softmax_forward(three, may)[0], [1 / 6, 0, 5 / 6])
assert np.allclose(softmax_forward(three * may)[0], [1 / 7, 1 / 7, 5 / 7])
after = softmax_forward(three)[0] * may
assert np.allclose(after, [1 / 8, 0, 5 / 8]) and math.isclose(after.sum(), 6 / 8)

# %%
show(causal_mask, padding_mask)

# %%
text = ["dogs", "bark", "at", "cats"]
padded = ["dogs", "bark", "[PAD]", "[PAD]"]
late = ["[PAD]", "[PAD]", "dogs", "bark"]
right_padding = padding_mask(np.array([[word != "[PAD]" for word in padded]]))[0, 0]  # (1, T)
left_padding = padding_mask(np.array([[word != "[PAD]" for word in late]]))[0, 0]
near = abs(np.subtract.outer(range(4), range(4))) <= 1
pictures = [
    ("padding", padded, right_padding & np.ones((4, 4), dtype=bool)),
    ("causal", text, causal_mask(4)),
]
pictures += [
    ("only neighbours", text, near),
    ("causal, padded\non the left", late, causal_mask(4) & left_padding),
]

fig, axes = plt.subplots(1, 4, figsize=(9.2, 3.2), dpi=100)
for ax, (title, names, mask) in zip(axes, pictures, strict=True):
    draw(ax, mask.astype(float), title, names, names, "{:g}", 2, size=9)
axes[0].set_ylabel("queries")
fig.supxlabel("keys", size=10)
fig.suptitle("1 = may attend. In the last mask two rows may attend to nothing")
fig.tight_layout()
plt.show()

# %% [markdown]
# Masks are put together with `&`. And they need no line of their own in the backward pass: a hidden key has
# weight 0, and by (4.5) a weight of 0 makes $dz = 0$. So no gradient reaches the key; by (4.6) none reaches
# its value. Whatever stands in the padding, nothing is learned from it, and nothing changes when it changes.

# %%
query4, key4, value4 = rng.normal(size=(3, 1, 1, 4, 8))
seen, seen_cache = attention_forward(query4, key4, value4, right_padding)
other_key, other_value = key4.copy(), value4.copy()
other_key[..., 2:, :] *= 1000
other_value[..., 2:, :] *= 1000
assert np.array_equal(attention_forward(query4, other_key, other_value, right_padding)[0], seen)

_, dkey4, dvalue4 = attention_backward(rng.normal(size=seen.shape), seen_cache)
assert not dkey4[..., 2:, :].any() and not dvalue4[..., 2:, :].any()

# %% [markdown]
# ### The row that may attend to nothing
#
# Look at the last picture again. A writing model works on sentences of different lengths, padded on the
# left so that they end together. The first `[PAD]` may not look at what comes later, nor at padding: its row
# is empty. So is that of the second, which could only look at the first and itself: both are padding.
# All scores of such a row are $-\infty$, and its softmax is $0/0$: **not a number** (NaN). That would be no
# matter, since nobody reads the output of a `[PAD]`. But $0 \cdot \mathrm{NaN}$ is NaN too. On the way back
# the NaN of one row is added to the gradient of *every* key and value, and soon every weight of the network
# is NaN. (It happens in practice: issue 41508 of PyTorch, open since 2020, for one.)
#
# Many codes write $-10^9$ in place of $-\infty$. Then there is no NaN. But in an empty row all scores are
# $-10^9$, all equal, and the word that may attend to nothing *attends to everything*, padding and future
# included. Ours gives zeros: a mean of nothing is nothing. In code that takes two small things, a highest
# score that is never below the lowest finite number, and a division by 1 where the sum is 0.

# %%
mask = causal_mask(4) & left_padding
assert mask.any(axis=-1).tolist() == [False, False, True, True]
nothing, nothing_cache = attention_forward(query4, key4, value4, mask)
assert not nothing[..., :2, :].any()
slopes = attention_backward(rng.normal(size=nothing.shape), nothing_cache)
assert all(np.isfinite(slope).all() for slope in slopes)
gradcheck(attention_forward, attention_backward, query4, key4, value4, mask)

leaky = softmax_forward(np.where(mask, query4 @ key4.swapaxes(-2, -1), -1e9))[0]
assert np.allclose(leaky[..., 0, :], 1 / 4)
with np.errstate(invalid="ignore"):
    naive = np.exp(np.full(4, -np.inf)) / np.exp(np.full(4, -np.inf)).sum()
assert np.isnan(naive).all() and np.isnan(0 * naive).all()

# %% [markdown]
# ## Why the square root
#
# > We suspect that for large values of $d_k$, the dot products grow large in magnitude, pushing the softmax
# > function into regions where it has extremely small gradients.
# >
# > Vaswani et al. 2017, section 3.2.1
#
# A suspicion is something to be tested. First, how large do the products grow? Let the numbers of $q$ and
# $k$ be random and independent, with mean 0 and variance (方差) 1. Write $\mathbb{E}$ for the mean over many
# draws, the **expected value** (期望). The variance is the mean of the squared distance from the mean; where
# the mean is 0, that is the mean of the square, so $\mathbb{E}[q_i^2] = \mathbb{E}[k_i^2] = 1$. One term
# $q_i k_i$ has the mean $0 \cdot 0 = 0$ and the variance
# $\mathbb{E}[q_i^2 k_i^2] = \mathbb{E}[q_i^2]\, \mathbb{E}[k_i^2] = 1$. (Means of *independent* numbers may
# be multiplied like that.) And the variances of independent terms add up, so
#
# $$\mathrm{Var}[q \cdot k] = K \qquad\text{and}\qquad \mathrm{Var}\!\left[\frac{q \cdot k}{\sqrt K}\right] =
# \frac{K}{(\sqrt K)^2} = 1$$
#
# That is where the root comes from: a *variance* is divided by the square. With $K = 64$, as in BERT, raw
# products spread by $\sqrt{64} = 8$ to either side, and the difference of two of them by
# $\sqrt{64 + 64} \approx 11$. Nearly half of all pairs are 8 or more apart. And a difference of 8 between two
# scores means that one key gets $e^8 \approx 3000$ times as much as the other, *before anything is learned*.
# The softmax has become a dictionary again.
#
# What does that do to learning? By (4.5) the gradient of a score is in proportion to its weight, and to how
# far its $da$ is off the mean. If one weight is nearly 1, then all others are nearly 0, and the mean is
# nearly the $da$ of that one. So every $dz$ is nearly zero. Such a softmax is called **saturated** (饱和).
#
# Let us measure: random queries, each with 8 random keys and values, and the length of $dq$ under a random
# gradient from the right.

# %%
assert math.sqrt(64) == 8 and round(math.sqrt(64 + 64)) == 11 and 2900 < math.exp(8) < 3000
pairs = np.random.default_rng(0).normal(size=(2, 20_000, 2, 64)).prod(axis=0).sum(axis=-1)  # of raw products
assert 0.45 < (abs(pairs[:, 0] - pairs[:, 1]) > 8).mean() < 0.5
widths = 2 ** np.arange(11)  # 1, 2, 4, ..., 1024
spread, top, push = {}, {}, {}
for name in ("with the root", "without"):
    variances, largest, lengths = [], [], []
    for K in widths:
        rng = np.random.default_rng(K)
        q, k = rng.normal(size=(600, 1, K)), rng.normal(size=(600, 8, K))
        v, do = rng.normal(size=(600, 8, K)), rng.normal(size=(600, 1, K))
        # The library divides by the root. Where the queries are multiplied with it first, that is undone.
        undo = 1 if name == "with the root" else math.sqrt(K)
        o, notes = attention_forward(undo * q, k, v)
        # da is a product of K numbers, too (4.7), and would grow with K by itself: hence the root under do.
        dq = undo * attention_backward(do / math.sqrt(K), notes)[0]
        variances.append((undo * q @ k.swapaxes(1, 2) / math.sqrt(K)).var())
        largest.append(attention_weights(undo * q, k).max(axis=-1).mean())
        lengths.append(np.median(np.linalg.norm(dq, axis=-1)))
    spread[name], top[name], push[name] = variances, largest, lengths

# %%
assert np.allclose(spread["with the root"], 1, rtol=0.15)
assert np.allclose(np.array(spread["without"]) / widths, 1, rtol=0.15)
assert top["without"][-1] > 0.95 and top["with the root"][-1] < 0.4
assert push["without"][3] > push["with the root"][3]
assert 0.8 < push["without"][6] / push["with the root"][6] < 1.25
assert push["without"][-1] < push["with the root"][-1] / 5000

# %%
fig, axes = plt.subplots(1, 3, figsize=(9.3, 3.4), dpi=100)
for ax, measured, title in zip(
    axes,
    [spread, top, push],
    ["variance of the scores", "largest of 8 weights (mean)", "length of $dq$ (median)"],
    strict=True,
):
    ax.plot(widths, measured["with the root"], "ko-", ms=4, label="with the root")
    ax.plot(widths, measured["without"], "k^--", ms=4, mfc="white", label="without")
    ax.set(xscale="log", xlabel="width of the head, $K$", title=title)
axes[0].set_yscale("log")
axes[2].set_yscale("log")
axes[1].set_ylim(0, 1.05)
axes[0].legend(frameon=False)
fig.suptitle("Without the root, wide heads start out saturated, and their queries stop learning")
fig.tight_layout()
plt.show()

# %% [markdown]
# The suspicion is confirmed, and we see more than it said. With the root all three curves soon are flat:
# **the width of the head no longer matters.** Without it the variance is $K$, and in the middle picture one
# of eight keys takes nearly everything. On the right, the gradient is at first even larger, since the
# products are not divided; at $K = 64$ the two are about equal; and from there it falls off a cliff. At
# $K = 1024$ the typical query gets less than a five-thousandth of what it gets with the root. (Vaswani et al.
# say in the same section that for small $d_k$ one does well enough without it. That fits.)
#
# Two remarks, to be fair. The median hides that a few queries, which by luck are torn between two keys, still
# get large gradients. And BERT's weights start smaller than we assumed: with a deviation of 0.02 and
# $D = 768$, the numbers of $q$ and $k$ start with a variance of $768 \cdot 0.02^2 = 0.31$, not 1. The root is
# what keeps the scores in range whatever the width, also later, when the weights have grown.

# %%
assert round(768 * 0.02**2, 2) == 0.31

# %% [markdown]
# ## Let it learn where to look
#
# Vectors made by hand prove nothing about learning. So here is a small language. Animals have their own verbs
# (*a dog barks, cows moo*); a sentence has a subject, and often a second animal that stands by. The verb is
# hidden, as in BERT's training: **the small cows near the duck [MASK]**. To fill in *moo*, the network has to
# find the subject among two animals, at a place that depends on the adjectives. And we make it hard to learn
# by heart: cow and duck never meet in a sentence of the training. The test has only sentences in which they
# do.

# %%
says = {"dog": "bark", "cat": "meow", "bird": "sing", "horse": "neigh", "cow": "moo", "duck": "quack"}
adjectives, prepositions = ["old", "small", "happy"], ["near", "behind", "with"]
animals = [form for animal in says for form in (animal, animal + "s")]
verbs = [form for verb in says.values() for form in (verb + "s", verb)]
vocabulary = ["[PAD]", "[MASK]", "the", *adjectives, *prepositions, *animals, *verbs]
T, V = 8, len(vocabulary)
assert V == 33


def phrase(rng):
    """Return an animal with its article, and its verb: (["the", "small", "cows"], "moo")."""
    animal, plural = list(says)[rng.integers(6)], rng.integers(2)
    adjective = [adjectives[rng.integers(3)]] if rng.random() < 0.5 else []
    return ["the", *adjective, animal + "s" * plural], says[animal] + "s" * (1 - plural)


def draw_sentence(rng, meeting=None):
    """Return the words of a sentence, and its verb; cow and duck must meet in it, must not, or may (None)."""
    while True:
        subject, verb = phrase(rng)
        second = [prepositions[rng.integers(3)], *phrase(rng)[0]] if rng.random() < 0.75 else []
        words = subject + second
        if meeting in (None, {"cow", "duck"} <= {word.removesuffix("s") for word in words}):
            return words, verb


def encode(texts):
    """Return the ids (B, T) of lists of words, filled up with padding."""
    filled = [words + ["[PAD]"] * (T - len(words)) for words in texts]
    return np.array([[vocabulary.index(word) for word in words] for words in filled])


def draw_blanks(rng, count, meeting=False):
    """Return ids (B, T) of sentences whose verb is hidden, and targets (B, T): the verb, at the blank."""
    drawn = [draw_sentence(rng, meeting) for _ in range(count)]
    ids = encode([[*words, "[MASK]"] for words, _ in drawn])
    answers = np.array([[vocabulary.index(verb)] for _, verb in drawn])
    return ids, np.where(ids == vocabulary.index("[MASK]"), answers, IGNORE)


# %% [markdown]
# The network: embeddings of tokens and positions (chapter 03), three linear layers for $q$, $k$ and $v$
# (chapter 02), *one* attention, and a linear layer that scores the vocabulary. Its backward pass is theirs,
# one after the other. The only new line is a sum: $x$ is used three times, so three gradients come back to it
# (2.2).
#
# The loss is that of chapter 08. The last layer gives each word of the vocabulary a score at each position;
# such scores are called **logits** (未归一化分数). A softmax makes shares of them, and the loss at the blank
# is *minus the logarithm of the share that the right word gets*: 0 if it gets everything, and large if it
# gets next to nothing. Other positions are not counted; their target is `IGNORE`.


# %%
def model_forward(params, ids, mask):
    """Return the logits of every word at every position: ids (B, T) to (B, T, V)."""
    tokens, token = lookup_forward(params["tokens"], ids)  # (B, T, D)
    positions, position = lookup_forward(params["positions"], np.arange(ids.shape[1]))  # (T, D)
    x = tokens + positions
    qkv, notes = {}, {}
    for name in ("query", "key", "value"):
        qkv[name], notes[name] = linear_forward(x, params[name], np.zeros(len(params[name])))  # (B, T, K)
    out, attended = attention_forward(**qkv, mask=mask)  # (B, T, K)
    logits, last = linear_forward(out, params["output"], np.zeros(V))  # (B, T, V)
    return logits, (token, position, notes, attended, last)


def model_backward(dlogits, cache):
    """Return the gradients of the parameters by name."""
    token, position, notes, attended, last = cache
    dout, doutput, _ = linear_backward(dlogits, last)
    dx, gradients = 0, {"output": doutput}
    for name, dpart in zip(("query", "key", "value"), attention_backward(dout, attended), strict=True):
        dthis, gradients[name], _ = linear_backward(dpart, notes[name])
        dx = dx + dthis
    gradients["tokens"] = lookup_backward(dx, token)
    gradients["positions"] = lookup_backward(dx.sum(axis=0), position)
    return {name: gradients[name] for name in ("tokens", "positions", "query", "key", "value", "output")}


def start(seed, D=16, K=8):
    """Return random parameters."""
    rng = np.random.default_rng(seed)
    params = {"tokens": rng.normal(size=(V, D)) / 2, "positions": rng.normal(size=(T, D)) / 2}
    params |= {name: rng.normal(size=(K, D)) / math.sqrt(D) for name in ("query", "key", "value")}
    return params | {"output": rng.normal(size=(V, K)) / math.sqrt(K)}


def not_padding(ids):
    """Return the padding mask (B, 1, T); there are no heads here, hence one axis less."""
    return padding_mask(ids != 0)[:, 0]


# %%
ids, targets = draw_blanks(np.random.default_rng(0), 3)
error = gradcheck(model_forward, model_backward, start(0), ids, not_padding(ids))
print(f"the whole network, every parameter: {error:.1e}")
assert error < 1e-8

logits, _ = model_forward(start(0), ids, not_padding(ids))
blank = targets != IGNORE
shares = softmax_forward(logits)[0][blank, targets[blank]]  # what the right words get
loss, _ = cross_entropy_forward(logits.reshape(-1, V), targets.ravel())
assert math.isclose(loss, -np.log(shares).mean())


# %%
def learn(examples, mask_of, frozen=(), steps=400, rate=0.5, params=None):
    """Go downhill, 64 fresh sentences at a time; return the parameters and the losses."""
    rng, losses = np.random.default_rng(1), []
    params = params or start(0)
    for _ in range(steps):
        ids, targets = examples(rng, 64)
        logits, cache = model_forward(params, ids, mask_of(ids))
        loss, notes = cross_entropy_forward(logits.reshape(-1, V), targets.ravel())
        gradients = model_backward(cross_entropy_backward(1.0, notes).reshape(logits.shape), cache)
        params = {n: p if n in frozen else p - rate * gradients[n] for n, p in params.items()}
        losses.append(float(loss))
    return params, losses


def right_answers(params):
    """Return the share of right verbs in sentences in which cow and duck meet."""
    ids, targets = draw_blanks(np.random.default_rng(2), 1000, meeting=True)
    logits, _ = model_forward(params, ids, not_padding(ids))
    counts = targets != IGNORE
    return (logits[counts].argmax(axis=-1) == targets[counts]).mean()


# %%
learned, losses = learn(draw_blanks, not_padding)
print(f"loss from {losses[0]:.2f} to {losses[-1]:.4f}")
print(f"right answers where cow and duck meet: {right_answers(learned):.1%}")
assert losses[-1] < 0.01 and right_answers(learned) > 0.99

# %%
tests = ["the small cows near the duck", "the duck behind the happy cows", "the old cow with the small ducks"]
ids = encode([[*test.split(), "[MASK]"] for test in tests])
logits, (_, _, notes, _, _) = model_forward(learned, ids, not_padding(ids))
x = notes["query"][0]
found = attention_weights(x @ learned["query"].T, x @ learned["key"].T, not_padding(ids))

fig, axes = plt.subplots(3, 1, figsize=(8.2, 3.9), dpi=100)
for b, (ax, test, subject) in enumerate(zip(axes, tests, [2, 1, 2], strict=True)):
    words = [*test.split(), "[MASK]"]
    row, answer = found[b, len(words) - 1, : len(words)], vocabulary[logits[b, len(words) - 1].argmax()]
    assert row.argmax() == subject and row.max() > 0.9
    assert answer == ["moo", "quacks", "moos"][b]
    draw(ax, row[None], "", None, [*words[:-1], f"[MASK]: {answer}"], dark=0.8)
    ax.tick_params(axis="x", rotation=0)
    ax.set(aspect="auto", xlim=(-0.5, 7.5))
    ax.spines[:].set_visible(False)
fig.suptitle("[MASK] has learned to look at the subject, be it the second word or the third")
fig.tight_layout()
plt.show()

# %% [markdown]
# In 400 steps, from random numbers, (4.5) to (4.9) have taught `[MASK]` what to look for: an animal, and
# early in the sentence. Nobody told it so. And because it *looks the subject up*, it can deal with pairs that
# it has never seen.
#
# Is it really the attention that does it? Take it away: hold the query weights at zero. Then every query asks
# for nothing, gets the plain mean of all words, and all else may learn as before. From a mean one can tell
# *which* animals are there, but not which of them comes first: sums have no order, even with positions in
# them. The best that can be done is to toss a coin between the two. A quarter of the sentences have one
# animal only. In the others the second has the same name and number as the first in one case of twelve. That
# makes $\frac14 + \frac34 \big(\frac1{12} + \frac{11}{12} \cdot \frac12\big) = 0.656$ right answers.

# %%
blind, blind_losses = learn(
    draw_blanks, not_padding, frozen=["query"], params=start(0) | {"query": np.zeros((8, 16))}
)
ids, targets = draw_blanks(np.random.default_rng(3), 2000, meeting=None)
counts = targets != IGNORE
shares = []
for params in (learned, blind):
    logits, _ = model_forward(params, ids, not_padding(ids))
    shares.append((logits[counts].argmax(axis=-1) == targets[counts]).mean())
print(f"right answers with attention: {shares[0]:.1%}, with the plain mean: {shares[1]:.1%}")
assert round(1 / 4 + 3 / 4 * (1 / 12 + 11 / 12 / 2), 3) == 0.656
assert shares[0] > 0.99 and abs(shares[1] - 0.656) < 0.04
assert losses[-1] < 0.01 < 0.3 < np.mean(blind_losses[-50:])

# %% [markdown]
# ### What a heat map does not say
#
# A word of warning. The last picture looks like an explanation: it says *moo* because it looked at the cows.
# Now make the task easier. Let the verb be *is* or *are*, so that only singular and plural count. (Our
# vocabulary has neither. In the code its first two verbs stand in for them, `verbs[0]` for *is* and
# `verbs[1]` for *are*.)


# %%
def draw_number(rng, count, meeting=False):
    """Return ids and targets with two answers only: verbs[0] for "is", verbs[1] for "are"."""
    ids, targets = draw_blanks(rng, count, meeting)
    first = vocabulary.index(verbs[0])
    return ids, np.where(targets == IGNORE, IGNORE, first + (targets - first) % 2)


lazy, _ = learn(draw_number, not_padding, params=start(4), steps=600)
ids, targets = draw_number(np.random.default_rng(5), 1000, meeting=None)
logits, (_, _, notes, _, _) = model_forward(lazy, ids, not_padding(ids))
counts = targets != IGNORE
x = notes["query"][0]
found = attention_weights(x @ lazy["query"].T, x @ lazy["key"].T, not_padding(ids))[counts]  # (B, S)
subject = np.where(np.isin(ids[:, 1], [vocabulary.index(word) for word in adjectives]), 2, 1)
weight = found[np.arange(1000), subject]
plural = targets[counts] == vocabulary.index(verbs[1])
right = (logits[counts].argmax(axis=-1) == targets[counts]).mean()
print(f"right answers: {right:.1%}, weight on the subject:", end=" ")
print(f"plural {weight[plural].mean():.2f}, singular {weight[~plural].mean():.2f}")
assert right > 0.99 and weight[plural].mean() > 0.9 and weight[~plural].mean() < 0.3

# %% [markdown]
# All answers are right, but to a subject in the singular `[MASK]` gives less than a third of its weight. With
# two answers it is enough to look for *one* of them, an early plural. If there is none, then it must be *is*,
# wherever one looks. (Other random starts are lazy in other ways; try them.) A weight says what was *read*,
# not what it was *used for*. Whether attention explains anything has been argued over at length (Jain and
# Wallace 2019; Wiegreffe and Pinter 2019). Chapter 27 looks into real models.

# %% [markdown]
# ## In blocks (分块): attention without the big table
#
# The table of weights has $T \times S$ entries, and (4.5) and (4.6) need it on the way back. The base model
# of BERT has 12 layers of 12 heads, and reads up to 512 tokens. For 32 sequences, in float32, the weights
# alone take $12 \cdot 12 \cdot 32 \cdot 512^2 \cdot 4$ bytes, 4.8 gigabytes. Twice the length would take four
# times that. Yet the output has only $T \times K$ numbers. Must the table ever be there?
#
# A mean can be taken piece by piece: keep a sum, add to it, divide at the end. For the softmax that seems to
# fail, for the highest score $m$ has to be known *before* the first exponential, and the highest may come
# last. The way out (Milakov and Gimelshein 2018) is to use the highest *so far*, and to correct when a higher
# one comes. For one query, keep three things: the highest score $m$, the sum $\ell$ of the exponentials, and
# the sum $o$ of the values times their exponentials,
#
# $$\ell = \sum_s e^{z_s - m} \qquad o = \sum_s e^{z_s - m}\, v_s \qquad (s \text{ over the keys so far})$$
#
# Now a block of new keys comes. The highest score becomes
#
# $$m' = \max\big(m, \max_{s \text{ new}} z_s\big) \tag{4.10}$$
#
# What was summed up with $m$ should have been summed up with $m'$. Every term is too large by the same
# factor, since $e^{z_s - m'} = e^{z_s - m} \cdot e^{m - m'}$. So *one* factor corrects both sums,
#
# $$c = e^{m - m'} \tag{4.11}$$
#
# and the new keys are added:
#
# $$\ell' = c\, \ell + \sum_{s \text{ new}} e^{z_s - m'} \tag{4.12}$$
#
# $$o' = c\, o + \sum_{s \text{ new}} e^{z_s - m'}\, v_s \tag{4.13}$$
#
# The factor is never above 1, so nothing can overflow. After the last block
#
# $$\text{out} = o / \ell \tag{4.14}$$
#
# With the pencil: four keys with the scores $\ln 2, \ln 4, \ln 8, \ln 2$, and the values $8, 4, 2, 8$, in
# blocks of two. All at once the weights are $\frac2{16}, \frac4{16}, \frac8{16}, \frac2{16}$, and the output
# is $1 + 1 + 1 + 1 = 4$. In blocks:
#
# - Scores $\ln 2, \ln 4$. The highest is $m = \ln 4$, so the exponentials are $\frac24$ and $1$. Sums:
#   $\ell = \frac12 + 1 = \frac32$ and $o = \frac12 \cdot 8 + 1 \cdot 4 = 8$. So far $o / \ell = \frac{16}3$.
# - Scores $\ln 8, \ln 2$. The highest is now $\ln 8$, so $c = \frac48 = \frac12$, and the new exponentials
#   are $1$ and $\frac28$. Sums: $\ell = \frac12 \cdot \frac32 + 1 + \frac14 = 2$ and
#   $o = \frac12 \cdot 8 + 1 \cdot 2 + \frac14 \cdot 8 = 8$. So $o / \ell = 4$, as it must be.

# %%
z, v = np.log([2.0, 4, 8, 2]), np.array([8.0, 4, 2, 8])
highest, total, mixed = -np.inf, 0.0, 0.0
rows = []
for block in (slice(0, 2), slice(2, 4)):
    higher = max(highest, z[block].max())  # 4.10
    shrink = math.exp(highest - higher)  # 4.11
    total = shrink * total + np.exp(z[block] - higher).sum()  # 4.12
    mixed = shrink * mixed + np.exp(z[block] - higher) @ v[block]  # 4.13
    highest = higher
    rows.append([math.exp(highest), shrink, total, mixed, mixed / total])
assert np.allclose(rows, [[4, 0, 3 / 2, 8, 16 / 3], [8, 1 / 2, 2, 8, 4]])
assert math.isclose(softmax_forward(z)[0] @ v, 4)

column = np.array([[1.0]]), z[:, None], v[:, None]  # one query, K = 1
assert np.isclose(online_attention(*column, block=2), 4)

# %% [markdown]
# After *each* block, $o / \ell$ is the attention over the keys so far: the first two alone have the weights
# $\frac13$ and $\frac23$, and their output is $\frac83 + \frac83 = \frac{16}3$. So one may stop and go on at
# any time, and even keys that arrive one by one are no trouble.

# %%
assert math.isclose(softmax_forward(z[:2])[0] @ v[:2], 16 / 3)
show(online_attention)

# %%
q, k, v = rng.normal(size=(3, 2, 3, 40, 8))
mask = rng.random((2, 1, 40, 40)) < 0.3
mask[:, :, 5] = False  # a row that may attend to nothing, and by chance many blocks of others
whole, _ = attention_forward(q, 30 * k, v, mask)
for block in (1, 7, 16, 40, 1000):
    assert np.allclose(online_attention(q, 30 * k, v, mask, block), whole, rtol=0, atol=1e-12)


# %%
def peak(function, *arrays):
    """Return the most memory that a call takes, in bytes."""
    tracemalloc.start()
    function(*arrays)
    taken = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return taken


def fastest(function, *arrays):
    """Return the shortest of five runs, in seconds."""
    times = []
    for _ in range(5):
        began = time.perf_counter()
        function(*arrays)
        times.append(time.perf_counter() - began)
    return min(times)


T_long = 2 ** np.arange(7, 12)  # 128, ..., 2048
memory, seconds = {"all at once": [], "in blocks of 128": []}, {"all at once": [], "in blocks of 128": []}
for length in T_long:
    arrays = np.random.default_rng(0).normal(size=(3, length, 64)).astype(np.float32)
    for name, function in zip(memory, (attention_forward, online_attention), strict=True):
        memory[name].append(peak(function, *arrays) / 2**20)
        seconds[name].append(1000 * fastest(function, *arrays))

# %%
fig, axes = plt.subplots(1, 2, figsize=(8.8, 3.7), dpi=100)
for ax, measured, unit in zip(axes, (memory, seconds), ("MiB", "milliseconds"), strict=True):
    ax.plot(T_long, measured["all at once"], "ko-", ms=5, label="all at once")
    ax.plot(T_long, measured["in blocks of 128"], "k^--", ms=5, mfc="white", label="in blocks of 128")
    ax.set_xscale("log", base=2)
    ax.set_yscale("log")
    ax.set(xlabel="length $T = S$", ylabel=unit, xticks=T_long, xticklabels=T_long)
axes[0].set_title("Memory: square, or straight")
axes[1].set_title("Time: square, both ways")
axes[0].legend(frameon=False)
fig.suptitle("In blocks the table is never there, but all of it is still worked out")
fig.tight_layout()
plt.show()

# %%
growth = {name: sizes[-1] / sizes[-2] for name, sizes in memory.items()}  # from 1024 to 2048
print("twice as long takes", {name: f"{factor:.1f} times the memory" for name, factor in growth.items()})
assert growth["all at once"] > 3.5 and growth["in blocks of 128"] < 2.2
assert memory["in blocks of 128"][-1] < memory["all at once"][-1] / 8
assert round(12 * 12 * 32 * 512**2 * 4 / 1e9, 1) == 4.8

# %% [markdown]
# This is the idea of **FlashAttention** (Dao et al. 2022). There the blocks are cut so that they fit into the
# small fast memory of a GPU, and the gain in speed comes from not moving the table to and fro. For the way
# back it keeps $m$ and $\ell$ of each query, works the weights out again block by block, and takes the mean
# of (4.5) from $do \cdot o$, as above. Our plain function in NumPy shows the arithmetic and the memory. The
# speed is a matter for chapter 26.
#
# ### What attention costs
#
# The scores take $T \cdot S \cdot K$ multiplications and the outputs as many. With all heads, $H K = D$, and
# $S = T$, that is $2 T^2 D$ for each layer: **twice as long takes four times as long.** The rest of a layer
# goes through each token by itself: $4 T D^2$ for the four linear layers around the attention (chapter 05),
# and $8 T D^2$ for the feed-forward block (chapter 06). Attention's share is then
#
# $$\frac{2 T^2 D}{2 T^2 D + 12\, T D^2} = \frac{T}{T + 6 D}$$
#
# At BERT's longest, $T = 512$ with $D = 768$, that is one tenth. Only beyond $T = 6 D = 4608$ is it more
# than half. So for BERT the square is no great matter, and for whole books it is all that matters.


# %%
def share(T, D):
    """Return attention's share of the multiplications of a layer."""
    return 2 * T**2 * D / (2 * T**2 * D + 12 * T * D**2)


assert math.isclose(share(512, 768), 1 / 10) and math.isclose(share(4608, 768), 1 / 2) and 6 * 768 == 4608
assert math.isclose(share(300, 64), 300 / (300 + 6 * 64))

# %% [markdown]
# ## The twin in PyTorch
#
# What is trained with is `minibert/model/attention.py`. The first function is ours, line by line; autograd
# finds (4.5) to (4.9) by itself. The second calls PyTorch's fused kernel, which works in blocks where it can.
# They give the same numbers.

# %%
show(scaled_dot_product, attention)

# %%
tensors = [torch.tensor(array) for array in some]
ours, _ = attention_forward(*some)
for theirs in (scaled_dot_product(*tensors)[0], attention(*tensors)):
    assert np.allclose(ours, theirs.numpy(), rtol=0, atol=1e-14)

# %% [markdown]
# ## The proof
#
# The column of `transformers` is the attention of its BERT. It has no answer where a query may attend to
# nothing: there it attends to everything. Dropout it has, but nobody can make it leave out the same weights.

# %%
prove("attention")

# %% [markdown]
# ### A mistake with a better loss
#
# Now a mistake on purpose, and a famous one. We train the same network to *write*: at each word it shall
# foretell the next. The mask must be causal. Somebody gets it upside down, and each word sees itself and what
# comes *after* it; somebody else shifts it by one, and each word also sees the next. All shapes are right.


# %%
def draw_next(rng, count):
    """Return ids (B, T) of sentences with their verbs, and at each word the next as its target."""
    drawn = [draw_sentence(rng) for _ in range(count)]
    ids = encode([[*words, verb] for words, verb in drawn])
    following = np.concatenate([ids[:, 1:], np.zeros((count, 1), dtype=int)], axis=1)
    return ids, np.where(following == 0, IGNORE, following)


shapes = {
    "causal": causal_mask(T),
    "upside down": causal_mask(T).T,
    "shifted by one": np.tri(T, k=1, dtype=bool),
}
runs = {name: learn(draw_next, lambda ids, m=m: not_padding(ids) & m) for name, m in shapes.items()}

# %% [markdown]
# How good can a model be? We made the language, so we know. The least average loss for a draw whose odds are
# known is called its **entropy** (熵): it is the loss of a model that gives each outcome just the share that
# it has, $-\sum_j p_j \ln p_j$. For $n$ equal chances that is $\ln n$. (With the natural logarithm the unit
# is called a **nat**.)
#
# Entropies of one draw after another add up. After *the* comes an adjective or not ($\ln 2$), if so one of
# three ($\frac12 \ln 3$), then one of twelve animals ($\ln 12$). After the animal the sentence ends, with a
# verb that is certain, or goes on ($0.56$ for a coin of 1 to 3). If it goes on, one of three prepositions
# ($\ln 3$), then *the*, and the same again. That is 7.9 nats in a sentence of 5.1 words to be foretold, or
# **1.54 per word. No honest model can be better on average**, however large.

# %%
one_phrase = math.log(2) + math.log(3) / 2 + math.log(12)
end_or_go_on = -(0.25 * math.log(0.25) + 0.75 * math.log(0.75))
assert math.isclose(-sum(math.log(1 / 12) / 12 for _ in range(12)), math.log(12))  # twelve equal chances
nats = one_phrase + end_or_go_on + 0.75 * (math.log(3) + one_phrase)
foretold = 1.5 + 1 + 0.75 * (1 + 1 + 1.5)  # first phrase but for "the", the verb, and the rest
floor = nats / foretold
assert round(end_or_go_on, 2) == 0.56 and round(nats, 1) == 7.9 and round(foretold, 1) == 5.1
assert round(floor, 2) == 1.54

# %%
ids, targets = draw_next(np.random.default_rng(4), 500)
in_use = {}
for name, (params, _) in runs.items():
    alone = shapes[name] & causal_mask(T)  # what has not been written cannot be seen
    logits, _ = model_forward(params, ids, not_padding(ids) & alone)
    in_use[name] = float(cross_entropy_forward(logits.reshape(-1, V), targets.ravel())[0])

fig, ax = plt.subplots(figsize=(7.6, 3.7), dpi=100)
for (name, (_, losses)), style in zip(runs.items(), ["-", "--", ":"], strict=True):
    ax.plot(
        losses,
        style,
        color="black",
        lw=2 if style == ":" else 1.2,
        label=f"{name}; in use {in_use[name]:.1f}",
    )
ax.axhline(floor, color="0.5", lw=1)
ax.text(398, floor - 0.06, "no honest model gets below 1.54", ha="right", va="top")
ax.set(xlabel="step", ylabel="loss in training (nats per word)", ylim=(-0.1, 3.7))
ax.set_title("With a wrong mask the loss is far better, in training")
ax.legend(frameon=False, title="mask")
plt.show()

# %%
print(
    {
        name: f"{np.mean(losses[-50:]):.2f} in training, {in_use[name]:.2f} in use"
        for name, (_, losses) in runs.items()
    }
)
assert floor < np.mean(runs["causal"][1][-50:]) < 1.8 and abs(in_use["causal"] - 1.7) < 0.2
for name in ("upside down", "shifted by one"):
    assert np.mean(runs[name][1][-50:]) < 0.02 and in_use[name] > 3.5

# %% [markdown]
# Both wrong masks bring the loss to nearly zero in no time: the answer stands there to be copied. In use,
# when the next word has not been written yet, the same models are worse than a blind guess among 33 words,
# which costs $\ln 33 = 3.5$. Nothing in the shapes, in the code's running, or in the falling curve tells.
# What tells is a number that you know beforehand, such as this floor, and a check that says what must not
# matter: **change the future, and nothing may change.** Here is what the checks of this project say to those
# and to other mistakes. For each, the first check that sees it speaks.

# %%
assert round(math.log(33), 1) == 3.5
break_on_purpose(
    "attention",
    "upside down",
    "shifted by one: each sees",
    "softmax is taken over the queries",
    "the root of D",
    "the score 0 before",
    "zero after the softmax",
    "attends to everything",
    "sum is forgotten",
    "dvalue with the weights not",
    "sum of the weights does not shrink",
)

# %% [markdown]
# ## What the paper does differently
#
# - **Additive attention.** Bahdanau et al. compare query and key with a small network,
#   $w \cdot \tanh(W q + U k)$. Luong et al. 2015 tried plain products beside it. Vaswani et al. took the
#   product, because it is one large matrix product, and added the root.
# - **The mask.** The paper sets scores to $-\infty$. The code of BERT adds $-10000$ to them instead. In a row
#   where something may be attended to, it comes to the same. In an empty row it does not.
# - **Values** may have another width, $d_v$, in the paper and in our functions. In BERT it is $K$.
# - **Dropout** on the weights is in the code of both papers. BERT's drops a tenth of them.
# - **Blocks.** FlashAttention also cuts the queries into blocks, and divides and multiplies in an order that
#   suits the GPU. Rabe and Staats 2021 had saved the memory in a similar way before.

# %% [markdown]
# ## Exercises
#
# Some functions of this chapter are for you to write. `minibert learn start` makes a folder with a file for
# each, and `minibert learn check` says whether it is right and, if not, what is wrong with it. Each stands
# alone. What comes after them is done with a pencil, or leads further.
#
# ### To write: attention, forward and back

# %%
exercise("softmax_forward")

# %%
exercise("softmax_backward")

# %%
exercise("attention_forward")

# %%
exercise("attention_backward")

# %% [markdown]
# ### To write: masks, and blocks

# %%
exercise("causal_mask")

# %%
exercise("padding_mask")

# %%
exercise("online_attention")

# %% [markdown]
# ### To write: in PyTorch

# %%
exercise("torch_scaled_dot_product")

# %%
exercise("torch_attention")

# %% [markdown]
# ### To write: the test itself

# %%
exercise("judge_softmax")

# %% [markdown]
# ### To think about
#
# **1. Pencil.** In the case of the three words hide *Tom*'s key from everybody. Write down the weights and
# the outputs. Then let $do_1 = (1, 0)$ and the others zero, and go back to $dz_1$.
#
# <details><summary>Hint</summary>
#
# *Anna*'s exponentials are $1, 2$, so her weights are $\frac13, \frac23, 0$ and her output is $(4, 8)$. The
# mean of $da_1$ is her output times $do_1$.
#
# </details>
#
# **2. The whole table.** Write `softmax_backward` a second time, with the whole table (4.4), for scores of
# shape (T, S). How much slower is it for $S = 1000$?
#
# <details><summary>Hint</summary>
#
# The table of one row is `np.diag(a) - np.outer(a, a)`. For all rows it has $T S^2$ entries.
#
# </details>
#
# **3. Square tables.** In your `attention_backward` leave out one thing at a time (the sum, the root, a
# transpose) and read what `minibert learn check` says. Which of these mistakes could you not even make with
# $S \ne T$?
#
# <details><summary>Hint</summary>
#
# A wrong transpose is hidden as long as the table is square. That is why the checks of this project use
# sizes that are all different.
#
# </details>
#
# **4. Neighbours.** Write `window_mask(T, width)`, which lets each word see itself and `width` words on
# either side. How many of the $T^2$ scores are still needed? How far can a word hear after two layers of it?
# And what would `online_attention` have to do to save time as well?
#
# <details><summary>Hint</summary>
#
# `abs(np.subtract.outer(a, b)) <= width`. Whole blocks are hidden then, and a block that is hidden from all
# queries can be skipped. For that the queries must come in blocks, too.
#
# </details>
#
# **5. Additive attention.** Write `additive_forward(query, key, value, W, U, w)` and its backward pass, with
# the scores $z_{ts} = w \cdot \tanh(W q_t + U k_s)$. Use `softmax_forward` and `softmax_backward`, and prove
# it. Why does it take so much more memory?
#
# <details><summary>Hint</summary>
#
# `np.tanh((query @ W.T)[:, None] + (key @ U.T)[None])` has the shape (T, S, K). The slope of tanh is
# $1 - \tanh^2$. A query is used for all keys, so its gradient is a sum over the axis of the keys.
#
# </details>
#
# **6. Blocks, backward.** Let `online_attention` also return $m + \ln \ell$ of each query. Write a backward
# pass that never holds more than a block of the weights.
#
# <details><summary>Hint</summary>
#
# The weights of a block are $e^{z - (m + \ln \ell)}$. The mean in (4.5) is $do \cdot o$, and is known before
# the first block. `dkey` and `dvalue` of a block are finished at once, `dquery` adds up over the blocks.
#
# </details>
#
# ## Further reading
#
# - Bahdanau, Cho and Bengio 2015, *Neural machine translation by jointly learning to align and translate*,
#   [arXiv:1409.0473](https://arxiv.org/abs/1409.0473). Where it began; figure 3 shows who looks at whom.
# - Luong, Pham and Manning 2015, *Effective approaches to attention-based neural machine translation*,
#   [arXiv:1508.04025](https://arxiv.org/abs/1508.04025). Products in place of the small network.
# - Vaswani et al. 2017, *Attention is all you need*, [arXiv:1706.03762](https://arxiv.org/abs/1706.03762),
#   section 3.2.
# - Phuong and Hutter 2022, *Formal algorithms for transformers*,
#   [arXiv:2207.09238](https://arxiv.org/abs/2207.09238). All of it as exact pseudocode.
# - Milakov and Gimelshein 2018, *Online normalizer calculation for softmax*,
#   [arXiv:1805.02867](https://arxiv.org/abs/1805.02867).
# - Rabe and Staats 2021, *Self-attention does not need O(n²) memory*,
#   [arXiv:2112.05682](https://arxiv.org/abs/2112.05682).
# - Dao, Fu, Ermon, Rudra and Ré 2022, *FlashAttention: fast and memory-efficient exact attention with
#   IO-awareness*, [arXiv:2205.14135](https://arxiv.org/abs/2205.14135).
# - Jain and Wallace 2019, *Attention is not explanation*,
#   [arXiv:1902.10186](https://arxiv.org/abs/1902.10186), and Wiegreffe and Pinter 2019, *Attention is not not
#   explanation*, [arXiv:1908.04626](https://arxiv.org/abs/1908.04626).
# - Clark, Khandelwal, Levy and Manning 2019, *What does BERT look at?*,
#   [arXiv:1906.04341](https://arxiv.org/abs/1906.04341).
# - Nadaraya 1964, *On estimating regression*, Theory of Probability and its Applications 9, 141–142, and
#   Watson 1964, *Smooth regression analysis*, Sankhyā A 26, 359–372.
