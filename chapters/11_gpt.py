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
# # 11 · GPT (因果解码器)
#
# *It was never taught anything but to guess the next word. How does that make a model that writes?*
#
# **Files:** `minibert/byhand/gpt.py` · `minibert/model/gpt.py` · `minibert/model/keys_values.py` ·
# `minibert/model/generate.py` · `minibert/model/beam.py` · `minibert/model/fast_gpt.py` ·
# `minibert/batches/windows.py` · `minibert/learn/checks/gpt.py` · `minibert/learn/checks/model_gpt.py` ·
# `minibert/learn/checks/model_keys_values.py` · `minibert/learn/checks/model_generate.py` ·
# `minibert/learn/checks/model_beam.py` · `minibert/learn/checks/windows.py` · `tests/test_byhand_gpt.py` ·
# `tests/test_gpt.py` · `tests/test_keys_values.py` · `tests/test_generate.py` · `tests/test_beam.py` ·
# `tests/test_fast_gpt.py` · `tests/test_windows.py`
#
# **Needs:** [04 Attention](04_attention.ipynb), [07 Layer norm and the block](07_layernorm.ipynb),
# [08 Loss](08_loss.ipynb), [09 Optimizer](09_optimizer.ipynb)
#
# **Time:** 100 minutes

# %% [markdown]
# ## The question: say what comes next
#
# *The small cows near the duck …* What comes now? You cannot be sure. But you would not bet on *the*, nor on
# *quacks*: *moo* is a good guess. A **language model** (语言模型) makes such guesses in numbers. For every
# beginning of a text it says how likely each word is to be the next one.
#
# In chapter 04 we hid a word and let the network fill the blank. That is *one* question for a sentence.
# Now hide nothing, and ask at *every* word: what comes next? A sentence of seven words answers seven
# questions (the last of them: that it is over). Nobody has to write the answers down, they stand in the text.
#
# And whoever can guess the next word can write. Guess, put the guess behind the text, guess again. That is
# all that the models do which answer letters, write programs and play chess in words. Their ancestor is the
# **GPT** (Radford et al. 2018), the *generative pre-trained transformer*. Here we build the second of its
# kind, GPT-2, and prove every gradient of it. Then we train a small one and let it write; and since a model
# that writes is used more than it is trained, the second half of the chapter is about writing: how to choose
# the word, and how not to work everything out again for each.

# %%
import math
import time

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F

# %%
from minibert.batches.windows import sliding_windows
from minibert.byhand.attention import causal_mask
from minibert.byhand.block import prenorm_block_forward
from minibert.byhand.gpt import (
    TOKENS,
    Settings,
    gpt_backward,
    gpt_forward,
    next_word_backward,
    next_word_forward,
    words_backward,
    words_forward,
)
from minibert.byhand.gradcheck import central_differences
from minibert.byhand.loss import cross_entropy_backward, cross_entropy_forward
from minibert.byhand.parameters import part
from minibert.config import PRESETS, GptConfig, from_dict
from minibert.config.decoding import DecodingConfig
from minibert.hub.folder_kind import split
from minibert.hub.gpt_folder import BY_HAND
from minibert.learn.notebook import break_on_purpose, exercise, show
from minibert.model.beam import beam_search, extend_beams, may_improve
from minibert.model.block import CausalBlock
from minibert.model.generate import (
    adjust,
    draw,
    generate,
    keep_min_p,
    keep_top_k,
    keep_top_p,
    pad_left,
    penalize_repeats,
    stream,
    with_temperature,
)
from minibert.model.gpt import Gpt
from minibert.model.keys_values import KeysValues, LayerPast
from minibert.model.multihead import CausalAttention
from minibert.prove import prove

torch.set_num_threads(1)  # the models here are so small that a second core only gets in the way
assert len(["the", "small", "cows", "near", "the", "duck", "moo"]) == 7

# %% [markdown]
# ## What the papers wrote
#
# > Since language has a natural sequential ordering, it is common to factorize the joint probabilities over
# > symbols as the product of conditional probabilities.
# >
# > Radford et al. 2019, section 2
#
# In numbers: the text is $s_1, s_2, \dots, s_n$, and
#
# $$p(s_1, \dots, s_n) = \prod_{t=1}^{n} p(s_t \mid s_1, \dots, s_{t-1}) \tag{11.1}$$
#
# This is no assumption about language. It is true of any probabilities: how likely is *A and B*? As likely
# as *A*, times how likely *B* is once *A* is there. A model that uses its own words to go on is called
# **autoregressive** (自回归).
#
# Training makes the text in hand likely. A product of thousands of numbers below 1 is a tiny number, so take
# the logarithm, which turns the product into a sum; take the mean, and turn the sign, so that small is good:
#
# $$\mathrm{loss} = -\frac1N \sum_{t} \ln p(s_{t+1} \mid s_1, \dots, s_t) \tag{11.2}$$
#
# That is the cross-entropy of chapter 08, with the next word as the target, at $N$ places. The $p$ come out
# of a stack of blocks. How must the stack be built? The paper says it in three sentences:
#
# > The model largely follows the details of the OpenAI GPT model (Radford et al., 2018) with a few
# > modifications. Layer normalization (Ba et al., 2016) was moved to the input of each sub-block […] and an
# > additional layer normalization was added after the final self-attention block. […] We scale the weights
# > of residual layers at initialization by a factor of $1/\sqrt N$ where $N$ is the number of residual
# > layers.
# >
# > Radford et al. 2019, section 2.3
#
# And why may all places of a text be asked at once? That stands in the paper with which it all began, where
# the decoder is described:
#
# > This masking, combined with fact that the output embeddings are offset by one position, ensures that the
# > predictions for position $i$ can depend only on the known outputs at positions less than $i$.
# >
# > Vaswani et al. 2017, section 3.1
#
# Two things, then: a **mask**, and a **shift** by one. Each of them is one line of code. Each of them is the
# subject of more lost weekends than the rest of the model together. So we take them one at a time.

# %% [markdown]
# ## With a pencil: a GPT without blocks
#
# Take everything away but the two ends. A word $u$ is looked up in the table, $E_u$; the last norm brings it
# to size; and the result is compared with every row of the same table. Our vocabulary has three words, *on*,
# *and* and the full stop, and a row has two features:
#
# $$E_{\text{on}} = (\ln 2, 0) \qquad E_{\text{and}} = (0, \ln 2) \qquad E_{.} = (0, 0)$$
#
# With two features, a layer norm leaves nothing but the sign (chapter 07): it makes $(1, -1)$ of
# $(\ln 2, 0)$, and $(-1, 1)$ of $(0, \ln 2)$. Of the row of zeros it makes zeros. So after *on* the logits
# are
#
# $$(1, -1) \cdot E = (\ln 2,\ -\ln 2,\ 0) \quad\text{with the exponentials}\quad 2,\ \tfrac12,\ 1$$
#
# and the probabilities are $\frac47, \frac17, \frac27$: after *on* most likely comes *on*, least likely
# *and*. After *and* it is the other way round, $\frac17, \frac47, \frac27$. After the full stop all three are
# equally likely. Now take the text *on on and .* By (11.1) it has, after its first word, the probability
#
# $$p(\text{on} \mid \text{on}) \cdot p(\text{and} \mid \text{on}) \cdot p(. \mid \text{and})
# = \tfrac47 \cdot \tfrac17 \cdot \tfrac27 = \tfrac{8}{343}$$
#
# and by (11.2) the loss $\frac13 \ln \frac{343}{8} = 1.25$.

# %%
words = ["on", "and", "."]
ln2 = math.log(2)
tiny = {
    TOKENS: np.array([[ln2, 0], [0, ln2], [0, 0]]),
    "positions.weight": np.zeros((3, 2)),
    "norm.weight": np.ones(2),
    "norm.bias": np.zeros(2),
}
exact = Settings(heads=1, eps=1e-14)


def shares_after(ids, params, settings):
    """Return p(next word) at every place of a text: ids (T,) gives (T, V)."""
    features, _ = gpt_forward(ids[None], params, settings)  # (1, T, D)
    logits, _ = words_forward(features[0], params[TOKENS])  # (T, V)
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


text = np.array([words.index(word) for word in ["on", "on", "and", "."]])
table = shares_after(np.array([0, 1, 2]), tiny, exact)
assert np.allclose(table, [[4 / 7, 1 / 7, 2 / 7], [1 / 7, 4 / 7, 2 / 7], [1 / 3, 1 / 3, 1 / 3]])

shares = shares_after(text[:-1], tiny, exact)
assert np.isclose(shares[range(3), text[1:]].prod(), 8 / 343)
loss, _ = next_word_forward(text[None, :-1], text[None, 1:], tiny, exact)
assert np.isclose(loss, math.log(343 / 8) / 3) and round(float(loss), 2) == 1.25

# %% [markdown]
# Without blocks the guess depends on the last word alone: such a model is a **bigram** (二元语法) table.
# Everything that the blocks do is to bring *earlier* words into this one vector. Attention is the only place
# where words meet (chapter 04).
#
# ### Shifted by one, once
#
# Look at the last lines of the cell. Four words went in as `text[:-1]` and `text[1:]`: at each place, what
# stands there, and what follows.
#
# | place $t$ | 1 | 2 | 3 | |
# |---|---|---|---|---|
# | `ids` | on | on | and | what the model sees last |
# | `targets` | on | and | . | what it shall guess |
#
# So $T$ questions take $T + 1$ words. The shift must be done *once*, and somebody must be in charge of it. In
# our library it is the batches (`minibert/batches/causal.py`), and the model takes targets as they come. In
# `transformers` it is the model, which wants `labels` that are equal to the `input_ids`. Whoever mixes the
# two habits shifts twice, and the model learns the word *after* the next. Or never, and then each word is
# asked to guess itself: the loss goes to zero, and the model has learned to repeat. The shapes tell neither.
# The numbers do:

# %%
ids, targets = text[None, :-1], text[None, 1:]
never, _ = next_word_forward(ids, ids, tiny, exact)  # on after on, on after on, and after and
twice, _ = next_word_forward(ids[:, :-1], targets[:, 1:], tiny, exact)  # and after on, . after on
assert np.isclose(never, -math.log(4 / 7)) and np.isclose(twice, -math.log(1 / 7 * 2 / 7) / 2)
assert never < loss < twice

# %% [markdown]
# ## The causal mask: all beginnings at once
#
# To ask for the next word after *the*, after *the small*, after *the small cows* and so on, one could run the
# model on each beginning by itself. For a row of $T$ words that is $T$ runs, over
# $1 + 2 + \dots + T = T(T+1)/2$ words in all.
#
# The **causal mask** (因果掩码) of chapter 04 makes one run of them. A word may look at itself and at those
# before it, and so its vector is the same whether the text goes on behind it or not, in the first block and
# in all others. Column by column the one run *is* the $T$ runs. Let us see it, with random weights.


# %%
def fresh(config, seed=0):
    """Return a model with random weights, and these weights as arrays by the names that they have by hand."""
    model = Gpt(config, torch.Generator().manual_seed(seed)).eval()
    weights = split(dict(model.named_parameters()), BY_HAND)
    return model, {name: weight.detach().numpy().copy() for name, weight in weights.items()}


small = GptConfig(20, 3, 32, 4, 64, 16, dropout=0.0, attention_dropout=0.0, init_std=0.2)
_, params = fresh(small)
params = {name: weight.astype(np.float64) for name, weight in params.items()}
settings = Settings(small.heads)
T = 10
row = np.random.default_rng(0).integers(20, size=(1, T))
whole, _ = gpt_forward(row, params, settings)  # (1, T, D)
for t in range(1, T + 1):
    beginning, _ = gpt_forward(row[:, :t], params, settings)
    assert np.allclose(beginning[:, -1], whole[:, t - 1], rtol=0, atol=1e-12)
assert sum(range(1, T + 1)) == T * (T + 1) // 2

# %% [markdown]
# And the test to write for every causal model, whoever made it: **change a word, and see which vectors
# change.** Nothing before it may, not by the last bit. The picture has a row for each vector that comes out,
# and a column for the word that was changed; on the right is the same stack without its mask.


# %%
def stack(ids, params, mask):
    """Return what the blocks make of ids, (T, D), with any mask."""
    x = params[TOKENS][ids] + params["positions.weight"][: ids.shape[1]]
    for layer in range(small.layers):
        x, _ = prenorm_block_forward(x, part(params, f"blocks.{layer}"), small.heads, mask, "gelu_tanh", 1e-5)
    return x[0]


def reach(mask):
    """Return how far each vector (rows) moves when each word (columns) is replaced by another."""
    before = stack(row, params, mask)
    moved = []
    for s in range(T):
        other = row.copy()
        other[0, s] = (other[0, s] + 7) % 20
        moved.append(np.linalg.norm(stack(other, params, mask) - before, axis=1))
    return np.array(moved).T


causal, both_ways = reach(causal_mask(T)), reach(None)
future = np.triu_indices(T, 1)
assert (causal[future] == 0).all() and (causal[np.tril_indices(T)] > 0).all()
assert (both_ways > 0).all()

# %%
fig, axes = plt.subplots(1, 2, figsize=(8, 3.7), dpi=100)
for ax, numbers, title in ((axes[0], causal, "causal"), (axes[1], both_ways, "no mask")):
    # Where nothing moved it stays white; the scale is logarithmic, for a word moves its own vector most.
    shade = np.where(numbers > 0, np.log10(np.maximum(numbers, 1e-12)), np.nan)
    ax.imshow(shade, cmap="Greys", vmin=np.nanmin(np.log10(both_ways)) - 1.2, vmax=np.log10(both_ways).max())
    ax.set(xlabel="this word is changed", title=title, xticks=range(T), yticks=range(T))
    ax.set_xticklabels(range(1, T + 1))
    ax.set_yticklabels(range(1, T + 1))
    ax.tick_params(length=0)
axes[0].set_ylabel("this vector moves")
fig.suptitle("Change the future, and nothing changes: above the diagonal there is zero, not little")
fig.tight_layout()
plt.show()

# %% [markdown]
# This is what makes training cheap, and it is what BERT (chapter 12) gives up: there each word sees all
# others, so hardly any of them can be asked for. A GPT gets $T$ answers from a row, a BERT those of its
# blanks, 15 in 100.
#
# The price: the vector of *cows* knows nothing of what stands behind it. For writing that is as it must be.

# %% [markdown]
# ## The stack
#
# $$x^0_t = E_{s_t} + P_t \tag{11.3}$$
#
# $$x^l = \mathrm{block}^l(x^{l-1}) \quad (l = 1 \dots L), \text{ pre-norm, with the causal mask} \tag{11.4}$$
#
# $$f = \mathrm{norm}(x^L) \tag{11.5}$$
#
# $$z = f E^T \qquad p(\cdot \mid s_1, \dots, s_t) = \mathrm{softmax}(z_t) \tag{11.6}$$
#
# $E$ (V, D) is the table of the words, $P$ that of the places, as in chapter 03. The block is (7.13), in
# which the norm stands in the branch. Nothing there brings the sum to size, so one norm follows the last
# block (11.5). And the output has no matrix of its own: the words are compared with the rows of $E$ again,
# without a bias. The two are **tied** (权重绑定):
#
# > We study the topmost weight matrix of neural network language models. We show that this matrix constitutes
# > a valid word embedding. When training language models, we recommend tying the input embedding and this
# > output embedding.
# >
# > Press and Wolf 2017, abstract
#
# Beside the BERT of chapter 12 there are few differences, and each is a line of code:
#
# | | GPT-2 | BERT |
# |---|---|---|
# | who looks at whom | each at itself and what came before | each at all |
# | the norms | in the branches, and one at the end | behind each sum |
# | on the way in | word + place | word + place + segment, and a norm |
# | GELU | by tanh (chapter 06) | by the error function |
# | under the root of the norm | $\varepsilon = 10^{-5}$ | $\varepsilon = 10^{-12}$ |
# | between the stack and the words | nothing | a layer, GELU, a norm; and a bias |
# | asked | at every place | at 15 % of the places |

# %%
show(gpt_forward)

# %%
show(words_forward, next_word_forward)

# %% [markdown]
# A number to know beforehand, as always: a model that has nothing but zeros finds all words equally likely,
# and its loss is $\ln V$. For the 50,257 tokens of GPT-2 that is 10.82. A fresh model should begin a little
# above; one that begins at 30 has too large weights, and one that begins at 2 has seen the answers.

# %%
zeros = {name: np.zeros_like(weight) for name, weight in params.items()}
loss, _ = next_word_forward(row[:, :-1], row[:, 1:], zeros, settings)
assert np.isclose(loss, math.log(20)) and round(math.log(50257), 2) == 10.82

# %% [markdown]
# ## A deep stack that starts quietly
#
# The vector that goes from block to block, and to which each branch adds, is often called the **residual
# stream** (残差流). Each of the $L$ blocks adds twice, so there are $2L$ terms. When the weights are random
# the terms know nothing of one another, and then their variances add up (chapter 06): the stream's variance
# grows with $2L$, and its size with $\sqrt{2L}$. That is what the third sentence of the quotation is about.
# GPT-2 divides the *last* matrix of each branch by $\sqrt{2L}$ at the start. Then each term has $1/(2L)$ of
# its variance, and all $2L$ together add as much as one did before, however deep the stack is.
#
# Why the last matrix? Because what it makes goes straight into the sum. The matrices before it have a norm in
# front, which takes any factor out again (queries and keys would in addition change what is looked at).
#
# We measure the size of the stream (the root of the mean square), with and without, in stacks of different
# depth.


# %%
@torch.no_grad()
def stream_sizes(layers, divided):
    """Return how large the stream is before the first block and after each, in a fresh model."""
    config = GptConfig(100, layers, 256, 4, 1024, 64, dropout=0.0, attention_dropout=0.0)
    model, _ = fresh(config)
    x = model.tokens(torch.arange(64)[None]) + model.positions.weight
    sizes = [x.square().mean().sqrt().item()]
    for block in model.blocks:
        if not divided:
            for last in (block.attention.output, block.feedforward.contract):
                last.weight.mul_(math.sqrt(2 * layers))
        x = block(x)
        sizes.append(x.square().mean().sqrt().item())
    return np.array(sizes)


depths = [3, 6, 12, 24, 48]
sizes = {divided: [stream_sizes(layers, divided) for layers in depths] for divided in (False, True)}
start = sizes[True][0][0]
added = {d: np.array([math.sqrt(run[-1] ** 2 - start**2) for run in runs]) for d, runs in sizes.items()}
assert np.allclose(added[False] / added[False][0], np.sqrt(np.array(depths) / 3), rtol=0.2)
assert round(added[False][-1] / added[False][0], 1) == 4.6 and math.sqrt(48 / 3) == 4
assert added[True].max() < 1.25 * added[True].min() and added[False][-1] > 8 * added[True][-1]

# %%
fig, axes = plt.subplots(1, 2, figsize=(8.8, 3.5), dpi=100)
for divided, style, name in ((False, "k--", "all alike"), (True, "k-", r"last ones divided by $\sqrt{2L}$")):
    axes[0].plot(sizes[divided][-1], style, label=name)
    axes[1].plot(depths, [run[-1] for run in sizes[divided]], style + "o", ms=5, mfc="white", label=name)
axes[0].set(xlabel="after so many blocks", ylabel="size of the stream", title="48 blocks")
axes[1].set(xlabel="blocks in the stack, $L$", title="at the top of stacks of different depth")
axes[1].set(xscale="log", yscale="log", xticks=depths, xticklabels=depths)
axes[1].set_yticks([0.05, 0.1, 0.2, 0.5], ["0.05", "0.1", "0.2", "0.5"])
axes[1].minorticks_off()
axes[0].legend(frameon=False, loc="upper left")
fig.suptitle("Divided by the root of the number of branches, a deep stack starts like a shallow one")
fig.tight_layout()
plt.show()

# %%
show(Gpt.start_weights)

# %% [markdown]
# On the right, the dashed line even grows a little faster than the root: the stack of 48 blocks adds 4.6
# times as much as that of 3, not $\sqrt{48 / 3} = 4$ times, for the terms are not quite independent. The
# solid line is level.
#
# The other weights start as noise with a standard deviation of 0.02, the biases as 0. Radford et al. do not
# say so in this paper; they did in the one before it (2018, section 4.1).

# %% [markdown]
# ## Back from every place
#
# Nearly everything of the way back is done. From the loss come the gradients of the logits, by (8.6):
# probability minus one at the right word, divided by $N$. There are $T$ of them in each row now, not one.
#
# **From the words.** (11.6) is a linear layer with the weight $E$ and no bias, so (2.4) and (2.5) hold, over
# all places $n$ of the batch:
#
# $$df = dz\, E \qquad dE^{\text{out}} = dz^T f \tag{11.7}$$
#
# **Through the last norm**, by (7.11), to the top of the stack, and through the blocks from the last to the
# first. Each takes the gradient of what it gave and returns that of what it got, by (7.18) and (7.19); the
# gradients of its own parameters stay with it:
#
# $$dx^L = \mathrm{norm\ backward}(df) \qquad dx^{l-1} = \mathrm{block\ backward}^l(dx^l) \tag{11.8}$$
#
# **Into the two tables.** Both terms of (11.3) get the whole gradient. A word's row adds up over all places
# where the word stands (3.2). A place's row is used once in every row of the batch, so it adds up over the
# batch:
#
# $$dE^{\text{in}}_v = \sum_{b,t:\ s_{bt} = v} dx^0_{bt} \qquad dP_t = \sum_b dx^0_{bt} \tag{11.9}$$
#
# **One table, two gradients.** $E$ was used at the bottom and at the top. What is used twice adds up what
# comes back (2.2):
#
# $$dE = dE^{\text{in}} + dE^{\text{out}} \tag{11.10}$$
#
# That is the one new line, and the easiest to forget: the loss goes down without it.

# %%
show(words_backward, gpt_backward, next_word_backward)

# %% [markdown]
# With the pencil we can do the top. In the GPT without blocks, the text *on on and .* gives
# $3\,dz$ = probability minus answer:
#
# | after | *on* | *and* | . | right |
# |---|---|---|---|---|
# | *on* | $\frac47 - 1$ | $\frac17$ | $\frac27$ | *on* |
# | *on* | $\frac47$ | $\frac17 - 1$ | $\frac27$ | *and* |
# | *and* | $\frac17$ | $\frac47$ | $\frac27 - 1$ | . |
#
# The features are $(1, -1)$, $(1, -1)$ and $(-1, 1)$. So $3\,dE^{\text{out}}$ has, as the row of *on*,
# $(\frac87 - 1 - \frac17)\,(1, -1) = (0, 0)$; as that of *and*, $(\frac27 - 1 - \frac47)\,(1, -1) =
# \frac97 (-1, 1)$; as that of the full stop $(\frac47 - \frac27 + 1)\,(1, -1) = \frac97 (1, -1)$. A step
# downhill moves *and* towards $(1, -1)$, which is what *on* looks like on its way out. (From below comes
# nothing in this case: with two features the norm lets no gradient through, chapter 07.)

# %%
_, cache = next_word_forward(ids, targets, tiny, exact)
dE = next_word_backward(1.0, cache)[TOKENS]
assert np.allclose(3 * dE, [[0, 0], [-9 / 7, 9 / 7], [9 / 7, -9 / 7]], atol=1e-6)

# %% [markdown]
# And in a real one? Here is each of the two gradients of the table by itself, and their sum against finite
# differences.

# %%
features, below = gpt_forward(row[:, :-1], params, settings)
logits, top = words_forward(features[0], params[TOKENS])
_, cost = cross_entropy_forward(logits, row[0, 1:])
dfeatures, from_above = words_backward(cross_entropy_backward(1.0, cost), top)
from_below = gpt_backward(dfeatures[None], below)[TOKENS]
numbers = central_differences(
    lambda: next_word_forward(row[:, :-1], row[:, 1:], params, settings)[0], params[TOKENS]
)
assert np.allclose(from_below + from_above, numbers, atol=1e-8)
assert min(abs(from_below).max(), abs(from_above).max()) > 1e-2  # neither may be left out
absent = np.setdiff1d(np.arange(20), row[:, :-1])
assert len(absent) and not from_below[absent].any() and from_above[absent].all(axis=1).all()

# %% [markdown]
# ### Whom a question teaches
#
# Going back, the triangle is transposed. The question at place $t$ teaches what stood at $t$ and before, and
# nothing that came after. Ask at one place only, and look which rows of $P$ get a gradient:

# %%
taught = []
for t in range(T):
    _, cache = gpt_forward(row, params, settings)
    dfeatures = np.zeros((1, T, small.width))
    dfeatures[0, t] = np.random.default_rng(t).normal(size=small.width)
    taught.append(gpt_backward(dfeatures, cache)["positions.weight"][:T].any(axis=1))
assert np.array_equal(taught, np.tri(T, dtype=bool))

# %% [markdown]
# ## Where 124 million numbers are
#
# GPT-2 came in four sizes. The smallest has $L = 12$ blocks of width $D = 768$ with 12 heads, $F = 3072$,
# 1024 places and $V = 50257$ tokens.
#
# - **Words**: $50257 \cdot 768$ = 38,597,376. The output is the same table, and costs nothing more.
# - **Places**: $1024 \cdot 768$ = 786,432.
# - **A block**: four linear layers from $D$ to $D$, one from $D$ to $F$, one back, and two norms:
#   $12 D^2 + 13 D$ = 7,087,872. Twelve of them: 85,054,464.
# - **The last norm**: $2D$ = 1,536.
#
# Together **124,439,808**. The paper says 117 million (its table 2); its authors later wrote, in the README
# of their code, that they had miscounted.

# %%
D = 768
block = 4 * (D * D + D) + (D * 4 * D + 4 * D) + (4 * D * D + D) + 4 * D
assert block == 12 * D**2 + 13 * D == 7_087_872 and 12 * block == 85_054_464
assert 50257 * D == 38_597_376 and 1024 * D == 786_432
assert 50257 * D + 1024 * D + 12 * block + 2 * D == 124_439_808


def parameters_of(preset):
    """Return how many numbers each parameter of a preset has, by name; nothing is allocated."""
    with torch.device("meta"):
        model = Gpt(from_dict(GptConfig, PRESETS[preset] | {"vocab_size": 50257}))
    return {name: weight.numel() for name, weight in model.named_parameters()}


published = {"gpt2": 124, "gpt2-medium": 355, "gpt2-large": 774, "gpt2-xl": 1558}  # millions
counts = {preset: parameters_of(preset) for preset in published}
assert sum(counts["gpt2"].values()) == 124_439_808
assert {p: round(sum(c.values()) / 1e6) for p, c in counts.items()} == published

# %%
kinds = {
    "words": lambda name: name == TOKENS,
    "places": lambda name: name == "positions.weight",
    "attention": lambda name: ".attention" in name,
    "feed-forward": lambda name: ".feedforward" in name,
}
fig, ax = plt.subplots(figsize=(8.6, 2.9), dpi=100)
left = np.zeros(4)
for (kind, belongs), color in zip(kinds.items(), ["0.3", "white", "0.75", "0.55"], strict=True):
    share = np.array(
        [sum(n for name, n in c.items() if belongs(name)) / sum(c.values()) for c in counts.values()]
    )
    ax.barh(list(counts), share, left=left, color=color, edgecolor="black", lw=0.7, label=kind)
    left += share
for place, c in enumerate(counts.values()):
    ax.text(1.01, place, f"{sum(c.values()) / 1e6:.0f} million", va="center", size=9)
ax.set(xlim=(0, 1.19), xlabel="share of all parameters", xticks=[0, 0.25, 0.5, 0.75, 1])
ax.invert_yaxis()
ax.spines[["right", "top"]].set_visible(False)
ax.set_title("In the smallest, a third are words; in the largest, two thirds are feed-forward", pad=26)
ax.legend(frameon=False, ncols=4, loc="lower center", bbox_to_anchor=(0.42, 0.97))
fig.tight_layout()
plt.show()
assert round(38_597_376 / 124_439_808, 2) == 0.31 and np.allclose(left, 1, atol=1e-4)
assert 0.6 < share[-1] < 0.7

# %% [markdown]
# ## The twin in PyTorch
#
# The same model for real use. Its parameters have the names of the dictionary above, but that its attention
# makes query, key and value in one product: their three matrices stand in one, one below the other.
# `CausalBlock` calls PyTorch's causal kernel, which never makes the table of $T \times T$ weights (chapter
# 04), and the argument `state` is the memory to which we come below.

# %%
show(Gpt, CausalBlock, CausalAttention)

# %%
twin, same = fresh(small)
with torch.no_grad():
    theirs = twin(torch.from_numpy(row)).numpy()
ours = gpt_forward(row, same, settings)[0] @ same[TOKENS].T
assert np.abs(ours - theirs).max() < 1e-4

# %% [markdown]
# ## Let it learn to spell
#
# Now train one, and let it begin with nothing at all: no words, only **letters** as tokens. The language is
# that of chapter 04, written as a text: sentences with an animal, often a second one beside it, and at the
# end what the *first* of them does, `the small cows near the duck moo. `


# %%
says = {"dog": "bark", "cat": "meow", "bird": "sing", "horse": "neigh", "cow": "moo", "duck": "quack"}
adjectives, prepositions = ["old", "small", "happy"], ["near", "behind", "with"]


def phrase(rng):
    """Return an animal with its article, and its verb: (["the", "small", "cows"], "moo")."""
    animal, plural = list(says)[rng.integers(6)], rng.integers(2)
    adjective = [adjectives[rng.integers(3)]] if rng.random() < 0.5 else []
    return ["the", *adjective, animal + "s" * plural], says[animal] + "s" * (1 - plural)


def draw_sentence(rng):
    """Return a sentence, with the space behind it."""
    subject, verb = phrase(rng)
    second = [prepositions[rng.integers(3)], *phrase(rng)[0]] if rng.random() < 0.75 else []
    return " ".join([*subject, *second, verb]) + ". "


rng = np.random.default_rng(0)
story = "".join(draw_sentence(rng) for _ in range(5000))
letters = sorted(set(story))
V = len(letters)
print(story[:205])
assert V == 23


def encode(text):
    """Return the ids of a text's letters."""
    return np.array([letters.index(letter) for letter in text])


def decode(ids):
    """Return the text of ids."""
    return "".join(letters[i] for i in ids)


told, held_out = np.split(encode(story), [len(story) - 15_000])

# %% [markdown]
# ### Numbers to know beforehand
#
# As we have made the language, we know how well it can be foretold at all. A sentence has 7.91 nats of chance
# in it (chapter 04 added them up: adjective or not, which animal, and so on), whether it is told in words or
# in letters. On average it has 31.7 letters, with spaces and the full stop. So **no model can do better than
# 0.25 nats per letter**: nearly every letter can be told from those before it.
#
# And how far does one get without a network? Who knows only how common each letter is (a **unigram** model,
# 一元语法) pays 2.8. Who knows how common each *pair* is pays 1.35. To do better one must look back further;
# and for the verb, much further.

# %%
one_phrase = math.log(2) + math.log(3) / 2 + math.log(12)
nats = one_phrase - 0.25 * math.log(0.25) - 0.75 * math.log(0.75) + 0.75 * (math.log(3) + one_phrase)
floor = nats / (len(story) / 5000)
assert round(nats, 2) == 7.91 and round(len(story) / 5000, 1) == 31.7 and round(floor, 2) == 0.25

pairs = np.full((V, V), 0.01)  # a little for pairs that never came
np.add.at(pairs, (told[:-1], told[1:]), 1)
bigram = pairs / pairs.sum(axis=1, keepdims=True)
unigram = pairs.sum(axis=0) / pairs.sum()
unigram_loss = -np.log(unigram[held_out[1:]]).mean()
bigram_loss = -np.log(bigram[held_out[:-1], held_out[1:]]).mean()
print(f"unigram {unigram_loss:.2f}, bigram {bigram_loss:.2f}, floor {floor:.2f} nats per letter")
assert round(unigram_loss, 1) == 2.8 and round(bigram_loss, 2) == 1.35

# %% [markdown]
# The GPT has two blocks of 64 features, and looks back over 64 letters. A batch has 16 stretches of 65
# letters, cut out of the text wherever chance wants it: 64 to read, and 64 targets, shifted by one. It is
# trained as in chapter 09: AdamW, clipped gradients, a warmup and a straight way down. Its weights start with
# a standard deviation of 0.08; small models may start a little livelier than large ones.


# %%
def cut(rng, rows, length):
    """Return ids and targets (B, T) from random places of the text."""
    starts = rng.integers(len(told) - length, size=rows)
    stretches = torch.from_numpy(told[starts[:, None] + np.arange(length + 1)])  # (B, T + 1)
    return stretches[:, :-1], stretches[:, 1:]


shape = GptConfig(V, 2, 64, 4, 256, 64, dropout=0.0, attention_dropout=0.0, init_std=0.08)


def train(model, steps=700, peak=0.01):
    """Train a model in place; return the loss of each step, and what `look` sees every 25 steps."""
    rng, losses, seen = np.random.default_rng(1), [], []
    optimizer = torch.optim.AdamW(model.parameters(), lr=peak, betas=(0.9, 0.95), weight_decay=0.1)
    for step in range(steps):
        if step % 25 == 0:
            seen.append(look(model))
        ids, targets = cut(rng, 16, shape.max_positions)
        loss = F.cross_entropy(model(ids).flatten(0, 1), targets.flatten())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.param_groups[0]["lr"] = peak * min((step + 1) / 20, 1 - step / steps)
        optimizer.step()
        losses.append(loss.item())
    return losses, np.array(seen)


@torch.no_grad()
def surprise(model, ids, context=64, stride=16):
    """Return -ln p of every token of a text but the first, (n - 1,), looking back over at most `context`."""
    found = []
    for first, begin, end in zip(*sliding_windows(len(ids) - 1, context, stride), strict=True):
        logits = model(torch.from_numpy(ids[first:end])[None])[0, begin - first :]  # (T, V)
        right = torch.from_numpy(ids[begin + 1 : end + 1])
        found.append(F.cross_entropy(logits, right, reduction="none"))
    return torch.cat(found).numpy()


# A text to look at in training, and which of its letters belong to a verb behind two animals.
sentences = decode(held_out).split(". ")[1:31]
exam = "".join(sentence + ". " for sentence in sentences)
is_verb = np.concatenate(
    [
        np.arange(len(sentence) + 2) > (sentence.rindex(" ") if sentence.count("the ") == 2 else len(exam))
        for sentence in sentences
    ]
)
is_verb &= np.array([letter not in ". " for letter in exam])
assert is_verb.sum() > 60


def look(model):
    """Return the cost of a letter of a verb behind two animals, and of any other letter."""
    costs, verb = surprise(model, encode(exam), stride=32), is_verb[1:]
    return costs[verb].mean(), costs[~verb].mean()


def sample(model, beginning, length, seed=0, **how):
    """Return a beginning and what the model adds to it."""
    uniforms = torch.rand(1, length, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    added = generate(model, [encode(beginning).tolist()], length, DecodingConfig(**how), uniforms, context=64)
    return beginning + decode(added[0])


gpt, _ = fresh(shape)
untrained = sample(gpt, "the ", 60)
history, parts_seen = train(gpt)
gpt.eval()
final = surprise(gpt, held_out).mean()
print(f"loss on held-out text: {final:.3f} nats per letter; nothing can be below {floor:.3f}")
print(f"\nbefore: {untrained}\n\nafter:  {sample(gpt, 'the ', 220)}")
assert floor - 0.01 < final < floor + 0.08

# %%
fig, axes = plt.subplots(1, 2, figsize=(10, 3.6), dpi=100, width_ratios=[1.25, 1])
smooth = np.convolve(history, np.ones(10) / 10, mode="valid")
axes[0].plot(range(5, len(smooth) + 5), smooth, "k-", lw=1.5)
for level, name in ((unigram_loss, "unigram"), (bigram_loss, "bigram"), (floor, "floor")):
    axes[0].plot([0, len(history)], [level, level], color="0.6", lw=0.8)
    axes[0].text(len(history) + 8, level, f"{name} {level:.2f}", va="center", size=9)
axes[0].set(xlabel="step", ylabel="loss (nats per letter)", ylim=(0, 3.3), xlim=(-8, 905))
axes[0].set_title("all letters, mean of 10 steps", size=11)
for column, (name, style) in enumerate((("verb behind two animals", "k-"), ("all other letters", "k--"))):
    axes[1].plot(range(0, len(history), 25), parts_seen[:, column], style, label=name)
axes[1].set(xlabel="step", ylim=(0, 3.3))
axes[1].set_title("of a held-out text", size=11)
axes[1].legend(frameon=False)
fig.suptitle("In a few hundred steps from dice to the floor; who does what is learned last")
fig.tight_layout()
plt.show()

# %%
verb, other = parts_seen.T
at_150 = 150 // 25
print(f"nats per letter at step 150: verbs {verb[at_150]:.2f}, all others {other[at_150]:.2f}; ", end="")
print(f"at the end: verbs {verb[-1]:.2f}, all others {other[-1]:.2f}")
assert other[at_150] < other[-1] + 0.12 and verb[at_150] > 0.25 and verb[-1] < 0.1

# %% [markdown]
# At first it learns which letters are common, then which follow which, then words. After 150 steps most
# letters cost nearly as little as they ever will. The verbs take longer. They look easy, for each follows
# from the first animal without any doubt; but that animal stands some twenty letters back, with another one
# in between.
#
# (The curve ends a little above the loss on held-out text. In training the first letters of a stretch have
# nothing before them, and where a word was cut in half nobody could know how it began.)
#
# ### Which letters are hard
#
# Let us look at a single text, letter by letter: how much does each cost, $-\ln p$?

# %%
line = "the cats bark. the small cows near the duck moo. "
told_before = "the old birds sing. "
costs = surprise(gpt, encode(told_before + line))[len(told_before) - 1 :]  # (T,), a cost for each letter
pair_costs = -np.log(bigram[encode(" " + line)[:-1], encode(line)])
fig, axes = plt.subplots(2, 1, figsize=(9, 4.4), dpi=100, sharex=True)
for ax, numbers, title in ((axes[0], pair_costs, "bigram"), (axes[1], costs, "GPT")):
    ax.bar(range(len(line)), numbers, color="0.35", width=0.75)
    ax.set(ylabel="nats", xlim=(-0.8, len(line) - 0.2), ylim=(0, 11.5))
    ax.set_title(title, size=11)
axes[1].set_xticks(range(len(line)), line.replace(" ", "␣"), family="monospace")
axes[1].tick_params(axis="x", length=0)
fig.suptitle("It hesitates where there is a choice, and sees at once what is wrong")
fig.tight_layout()
plt.show()

# %% [markdown]
# There is a cost where a choice is made: an adjective or an animal, and which; whether the sentence ends, and
# with which animal. Inside a word there is hardly any. In the second sentence *moo* costs next to nothing,
# though a *duck* stands right before it. The first is a lie: cats do not bark. With the *b* all is well yet,
# it might be *behind*; the *a* is the peak of the picture. (For the bigram nothing is odd there.)

# %%
at = line.index
assert costs.argmax() == at("bark") + 1 and costs.max() > 4 and pair_costs[at("bark") + 1] < 2
assert costs[at("moo") : at("moo") + 3].max() < 0.5
inside = [at("cows") + 2, at("small") + 2, at("duck") + 3]
assert costs[inside].max() < 0.2

# %% [markdown]
# ## Choosing the next word
#
# The model says how likely each word is. *Which* of them is written it does not say. To choose is called
# **decoding** (解码), and to choose by chance **sampling** (采样). It is a matter of a few lines, and makes
# as much of a difference as another model would.
#
# Take six words with the probabilities $\frac12, \frac14, \frac18, \frac1{16}, \frac1{32}, \frac1{32}$. Their
# logits may be the logarithms of $16, 8, 4, 2, 1, 1$.
#
# **Greedy** (贪心): always the likeliest. Nothing is left to chance, and the text soon goes in circles.
#
# **As the model says**: draw. It is the only way that is fair to (11.1). But a model of 50,000 words gives a
# little to each of thousands that do not fit at all, and in a long text one of them comes up sooner or later.
#
# **Temperature** (温度): divide the logits by $\tau$ before the softmax, so that each probability is raised
# to the power $1/\tau$:
#
# $$p_i \propto e^{z_i / \tau} = (e^{z_i})^{1/\tau} \tag{11.11}$$
#
# The word comes from physics (Ackley et al. 1985): in the cold, everything sits in the deepest place; in the
# heat it is all over. With $\tau = \frac12$ the weights $16, 8, 4, 2, 1, 1$ become their squares
# $256, 64, 16, 4, 1, 1$, so the first word has $\frac{256}{342} = 0.75$. With $\tau = 2$ they become their
# roots, and it has 0.33.
#
# **Top-k**: keep the $k$ likeliest, and share out anew (Fan et al. 2018). With $k = 2$: $\frac23, \frac13$.
#
# **Top-p**, or the **nucleus** (核采样): keep the fewest words that have the probability $p$ together
# (Holtzman et al. 2020). A word stays if those *before* it, the likelier ones, have not reached $p$ yet:
#
# $$\text{keep } i \quad\text{if}\quad \sum_{j:\ p_j > p_i} p_j < p \tag{11.12}$$
#
# With $p = 0.8$: before the third word stands $\frac34$, which is less, so it stays; before the fourth stand
# $\frac78$. So three stay: $\frac47, \frac27, \frac17$. Where the model is sure these are one or two words,
# where it is not they are hundreds. No fixed $k$ can do that.
#
# **Min-p**: keep what is at least a share $p$ as likely as the likeliest (Nguyen et al. 2024). A ratio of
# probabilities is a difference of logits, so no softmax is needed:
#
# $$\text{keep } i \quad\text{if}\quad z_i \ge \max_j z_j + \ln p \tag{11.13}$$
#
# With $p = 0.1$: what has at least $\frac1{20}$, so four words: $\frac8{15}, \frac4{15}, \frac2{15},
# \frac1{15}$.
#
# **Repetition penalty** (重复惩罚): words that stand in the text already are held back by a factor
# $\theta$ (Keskar et al. 2019):
#
# $$z_i \leftarrow z_i / \theta \ \text{ if } z_i > 0, \quad z_i\, \theta \ \text{ else} \qquad
# (i \text{ in the text}) \tag{11.14}$$
#
# If the first word stands in the text and $\theta = 2$, its logit $\ln 16$ becomes $\ln 4$, and the weights
# are $4, 8, 4, 2, 1, 1$: it has a fifth left. (The paper divides whatever the sign, and a negative logit then
# becomes *larger*. The two cases are those of `transformers`.)

# %%
weights = torch.tensor([16.0, 8, 4, 2, 1, 1])
z = weights.log()[None]  # (1, V), the logits
seen = torch.tensor([[True, False, False, False, False, False]])
ways = {
    "as the model says": z,
    "greedy": keep_top_k(z, 1),
    "temperature 1/2": with_temperature(z, 0.5),
    "temperature 2": with_temperature(z, 2.0),
    "top-k, k = 2": keep_top_k(z, 2),
    "top-p, p = 0.8": keep_top_p(z, 0.8),
    "min-p, p = 0.1": keep_min_p(z, 0.1),
    "penalty 2 for the first": penalize_repeats(z, seen, 2.0),
}
shares = {name: logits.softmax(1)[0].numpy() for name, logits in ways.items()}
expected = {
    "as the model says": np.array([1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 32, 1 / 32]),
    "greedy": np.array([1, 0, 0, 0, 0, 0]),
    "temperature 1/2": np.array([256, 64, 16, 4, 1, 1]) / 342,
    "temperature 2": np.sqrt([16, 8, 4, 2, 1, 1]) / np.sqrt([16, 8, 4, 2, 1, 1]).sum(),
    "top-k, k = 2": np.array([2, 1, 0, 0, 0, 0]) / 3,
    "top-p, p = 0.8": np.array([4, 2, 1, 0, 0, 0]) / 7,
    "min-p, p = 0.1": np.array([8, 4, 2, 1, 0, 0]) / 15,
    "penalty 2 for the first": np.array([4, 8, 4, 2, 1, 1]) / 20,
}
assert all(np.allclose(shares[name], expected[name], atol=1e-6) for name in ways)
assert round(256 / 342, 2) == 0.75 and round(float(shares["temperature 2"][0]), 2) == 0.33

# %%
fig, axes = plt.subplots(2, 4, figsize=(9.4, 4.2), dpi=100, sharex=True, sharey=True)
for ax, (name, numbers) in zip(axes.flat, shares.items(), strict=True):
    ax.bar(range(6), shares["as the model says"], color="white", edgecolor="0.6", lw=0.8)
    ax.bar(range(6), numbers, color="0.35", width=0.5)
    ax.set_title(name, size=10)
    ax.set(xticks=range(6), xticklabels=range(1, 7), ylim=(0, 1.05))
for ax in axes[:, 0]:
    ax.set_ylabel("probability")
for ax in axes[1]:
    ax.set_xlabel("word")
fig.suptitle("Eight ways to choose among six words (white: as the model says)")
fig.tight_layout()
plt.show()

# %%
show(with_temperature, penalize_repeats, keep_top_k, keep_top_p, keep_min_p)

# %% [markdown]
# One of them is less innocent than it looks. The penalty (11.14) depends on something that the softmax does
# not even see: add the same number to all logits, and the probabilities stay, but which logits are positive
# changes. Take $\ln p_i$ for the logits, which are all negative. Then $-\ln 2$ becomes $-2 \ln 2$, and the
# first word keeps a third, not a fifth. And the commonest letters of a language, such as the space, stand in
# the text at once, and are held back for ever after.

# %%
again = penalize_repeats(z.softmax(1).log(), seen, 2.0).softmax(1)[0]
assert np.isclose(again[0], 1 / 3) and np.isclose(shares["penalty 2 for the first"][0], 1 / 5)

# %% [markdown]
# ### In which order
#
# They can be put together, and then the order matters, for each sees what the one before it left. With
# temperature 2 *and* top-p of 0.8: first heat, then count, and four words stay; first count, then heat, and
# there are three. The library has the order of `transformers`: penalty, temperature, top-k, top-p, min-p.
#
# The classic mistake is another one: **the temperature behind the softmax.** A probability divided by $\tau$
# is no longer one, somebody's softmax makes it one again, and the code runs. But at $\tau = 1$, where nothing
# should happen, the exponentials of numbers between 0 and 1 are all nearly alike: the first word has 0.23 in
# place of 0.5, and the last one 0.14 in place of 0.03. The model is as good as before, and writes like a
# child on a keyboard.

# %%
heated = keep_top_p(with_temperature(z, 2.0), 0.8).isfinite().sum()
counted = with_temperature(keep_top_p(z, 0.8), 2.0).isfinite().sum()
assert (heated, counted) == (4, 3)
assert torch.equal(adjust(z, DecodingConfig(temperature=2.0, top_p=0.8)).isfinite().sum(), heated)

behind = (z.softmax(1) / 1.0).softmax(1)[0].numpy()
assert round(float(behind[0]), 2) == 0.23 and round(float(behind[-1]), 2) == 0.14

# %%
taus = np.linspace(0.1, 2, 60)
fig, axes = plt.subplots(1, 2, figsize=(8.6, 3.3), dpi=100, sharey=True)
for ax, wrong in zip(axes, (False, True), strict=True):
    p = torch.cat([((z.softmax(1) / t) if wrong else (z / t)).softmax(1) for t in taus]).numpy()
    below = np.zeros(len(taus))
    for word in range(6):
        ax.fill_between(taus, below, below + p[:, word], color=str(0.3 + 0.12 * word), edgecolor="white")
        below = below + p[:, word]
    ax.axvline(1, color="black", ls=":", lw=1)
    ax.set(xlabel=r"temperature $\tau$", xlim=(0.1, 2), ylim=(0, 1))
    ax.set_title("behind the softmax: wrong" if wrong else "before the softmax: right", size=11)
axes[0].set_ylabel("the six words' shares")
fig.suptitle("Behind the softmax it is never what the model said, not even at 1")
fig.tight_layout()
plt.show()

# %%
show(adjust)

# %% [markdown]
# ### Drawing with one random number
#
# To draw a word, lay the shares side by side on a line from 0 to 1 and throw one number $u$ onto it. The
# first sum that is *more* than $u$ belongs to the word. With our six, 0.4 falls on the first word, 0.6 on the
# second (from 0.5 to 0.75), and 0.8 on the third. So the same number gives the same word, whatever else is in
# the batch. And a word that was dropped has no width, and is never hit.

# %%
thrown = draw(z.double().expand(4, -1), torch.tensor([0.4, 0.6, 0.8, 0.999], dtype=torch.float64))
assert thrown.tolist() == [0, 1, 2, 5]
counted = draw(z.double().expand(6400, -1), (torch.arange(6400) + 0.5).double() / 6400).bincount()
assert counted.tolist() == [3200, 1600, 800, 400, 200, 200]
show(draw)

# %% [markdown]
# ### How bold?
#
# What does the temperature do to a *text*? We know our language's grammar, so we can mark sentences: is
# this one that the language has? Right sentences alone are no merit, though; whoever says *the dog barks.*
# for ever makes no mistake. So count as well how many *different* sentences there are, among those that are
# right.

# %%
singular = {(animal, verb + "s") for animal, verb in says.items()}
agree = singular | {(animal + "s", verb) for animal, verb in says.items()}
animals = {animal for animal, _ in agree}


def is_phrase(words):
    """Return whether these words are an article, perhaps an adjective, and an animal."""
    return words[:1] == ["the"] and words[-1] in animals and words[1:-1] in ([], *[[a] for a in adjectives])


def is_right(sentence):
    """Return whether the language has this sentence."""
    *words, verb = sentence.split(" ")
    if len(words) < 2:
        return False
    place = next((i for i, word in enumerate(words) if word in prepositions), len(words))
    second = words[place + 1 :]
    good = (
        place >= 2
        and is_phrase(words[:place])
        and (place == len(words) or len(second) >= 2 and is_phrase(second))
    )
    return bool(good) and (words[place - 1], verb) in agree


assert is_right("the small cows near the duck moo") and is_right("the dog barks")
assert not any(
    map(is_right, ["the cats bark", "the small cows near the duck quacks", "the near the dog barks"])
)
assert all(map(is_right, story[:-2].split(". ")))


def write(length=96, rows=96, **how):
    """Return the texts that the model writes in so many rows, after one sentence of ours."""
    uniforms = torch.rand(rows, length, dtype=torch.float64, generator=torch.Generator().manual_seed(7))
    added = generate(
        gpt, [encode(opening).tolist()] * rows, length, DecodingConfig(**how), uniforms, context=64
    )
    return [decode(text) for text in added]


def marks(texts):
    """Return what share of the sentences is right, and what share is right and was not written before."""
    sentences = [sentence for text in texts for sentence in text.split(". ")[:-1]]
    right = [sentence for sentence in sentences if is_right(sentence)]
    return len(right) / len(sentences), len(set(right)) / len(sentences)


opening = "the dog barks. "
heat = [0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0]
written = [write(temperature=t) for t in heat]
right, different = np.array([marks(texts) for texts in written]).T
for place in (0, 3, -1):
    print(f"temperature {heat[place]:4g}: {written[place][0][:70]}")
nucleus, _ = marks(write(temperature=1.5, top_p=0.9))
print(f"right at 1.5: {right[5]:.0%}; with the nucleus of 0.9: {nucleus:.0%}")

# %%
fig, ax = plt.subplots(figsize=(7, 3.6), dpi=100)
ax.plot(heat, right, "ko-", ms=6, label="right")
ax.plot(heat, different, "k^--", ms=6, mfc="white", label="right, and not a repetition")
ax.set(xlabel=r"temperature $\tau$", ylabel="share of the sentences", ylim=(0, 1.05))
ax.set_title("Cold it repeats itself, hot it raves; between the two it writes")
ax.legend(frameon=False, loc="lower left")
fig.tight_layout()
plt.show()

# %%
best = int(np.argmax(different))
assert right[0] > 0.95 and right[-1] < 0.4 and 0 < best < len(heat) - 1
assert different[best] > different[0] + 0.03 and different[best] > 2 * different[-1]
assert nucleus > right[5] + 0.2

# %% [markdown]
# Cold, nearly all sentences are right, and many come again and again; hot, hardly any is right. (Our language
# is kind to the cold: its choices are nearly even, so there is little to sharpen. In English a few words are
# far commoner than the rest, and the repetitions are worse.)
#
# The nucleus takes the worst off the heat: what does not fit at all cannot be drawn. And greedy? It writes
# the likeliest letter for ever:

# %%
circle = sample(gpt, "the ", 400, temperature=0.0)
sentences = circle.split(". ")[:-1]
print(circle[:150], "…")
print(f"{len(sentences)} sentences, {len(set(sentences))} different")
assert len(set(sentences)) < 0.7 * len(sentences)

# %% [markdown]
# > … maximization-based decoding methods such as beam search lead to degeneration — output text that is
# > bland, incoherent, or gets stuck in repetitive loops.
# >
# > Holtzman et al. 2020, abstract

# %% [markdown]
# ## Beam search: when the likeliest text is wanted
#
# There are tasks with one right answer, such as a translation (chapter 20). Then one wants the *likeliest
# text*, not a bold one. Greedy does not find it, for the likeliest word now may lead to nothing good later.
# The smallest tree in which that happens: after *the*, which has 0.6, come three animals with 0.4, 0.3 and
# 0.3. After *Anna*, which has 0.4, comes *sings* with 0.9.
#
# - Greedy takes *the*, and then *dog*: $0.6 \cdot 0.4 = 0.24$.
# - But *Anna sings* has $0.4 \cdot 0.9 = 0.36$.
#
# To look at all texts is out of the question: there are $V^n$. **Beam search** (束搜索) keeps the best few
# beginnings, the *beams*, side by side. In each step each of them is made longer by every word, and the best
# of all of these stay. The score of a text is the logarithm of its probability, so it adds up:
#
# $$\mathrm{score}(\text{text} + \text{word}) =
# \mathrm{score}(\text{text}) + \ln p(\text{word} \mid \text{text}) \tag{11.15}$$
#
# With two beams *Anna* is kept although she is second, and wins in the next step.

# %%
tree_words = ["<start>", "the", "Anna", "dog", "cat", "cow", "sings", "waits", "."]
tree = {
    "<start>": {"the": 0.6, "Anna": 0.4},
    "the": {"dog": 0.4, "cat": 0.3, "cow": 0.3},
    "Anna": {"sings": 0.9, "waits": 0.1},
} | {word: {".": 1.0} for word in tree_words[3:]}


class Following(torch.nn.Module):
    """A model that knows which word follows which: all that generation needs of a model, and no more."""

    config = None

    def __init__(self, table):
        super().__init__()
        V = len(tree_words)
        logs = torch.full((V, V), -1e4)
        for word, nexts in table.items():
            for following, p in nexts.items():
                logs[tree_words.index(following), tree_words.index(word)] = math.log(p)
        self.tokens = torch.nn.Embedding.from_pretrained(logs)

    def features(self, ids, state=None):
        return F.one_hot(ids, len(tree_words)).float()

    def new_state(self, batch, length, starts=None):
        return Nothing()


class Nothing:
    """The memory of a model that looks at one word only."""

    filled = 0

    def reorder(self, rows):
        pass


forest = Following(tree).eval()
for beams in (1, 2):
    best = beam_search(forest, [0], 2, beams, alpha=0.0)[0]
    found = " ".join(tree_words[token] for token in best.tokens)
    print(f"{beams} beam{'s' * (beams > 1)}: {found}, probability {math.exp(best.score):.2f}")
    assert found == ("the dog" if beams == 1 else "Anna sings")
    assert np.isclose(math.exp(best.score), [0.24, 0.36][beams - 1])

# %%
fig, ax = plt.subplots(figsize=(8.2, 3.4), dpi=100)
heights = {"dog": 4, "cat": 3, "cow": 2, "sings": 1, "waits": 0, "the": 3, "Anna": 0.5, "<start>": 1.9}
across = {"<start>": 0, "the": 1, "Anna": 1}
greedy_way, best_way = {("<start>", "the"), ("the", "dog")}, {("<start>", "Anna"), ("Anna", "sings")}
for parent in ("<start>", "the", "Anna"):
    for child, p in tree[parent].items():
        x, y = [across[parent], across.get(child, 2)], [heights[parent], heights[child]]
        style = "-" if (parent, child) in best_way else "--" if (parent, child) in greedy_way else ":"
        ax.plot(x, y, "k" + style, lw=2 if style != ":" else 1)
        ax.text(np.mean(x), np.mean(y) + 0.13, f"{p:g}", ha="center", size=9)
for word, height in heights.items():
    box = {"boxstyle": "round,pad=0.3", "fc": "white", "ec": "0.5"}
    ax.text(across.get(word, 2), height, word, ha="center", va="center", bbox=box)
for word, p in (("dog", 0.24), ("cat", 0.18), ("cow", 0.18), ("sings", 0.36), ("waits", 0.04)):
    ax.text(2.25, heights[word], f"{p:.2f}", va="center")
    assert np.isclose(
        p,
        tree["<start>"]["the" if word in tree["the"] else "Anna"]
        * tree["the" if word in tree["the"] else "Anna"][word],
    )
ax.set(xlim=(-0.3, 2.6), ylim=(-0.6, 4.6))
ax.set_title("Greedy (dashed) takes the better word, and misses the better text (solid)")
ax.axis("off")
plt.show()

# %% [markdown]
# ### Short texts win, unless something is done
#
# Each further word makes a text less likely, never more. So among texts that end at different lengths the
# short ones have an advantage that they have not earned. The usual cure is to divide the score by a power of
# the number of words (a simpler form of Wu et al. 2016, section 7):
#
# $$\frac{\ln p(\text{text})}{n^\alpha} \tag{11.16}$$
#
# $\alpha = 0$ leaves the probability, and $\alpha = 1$ takes the mean over the words. A text of 2 words with
# $p = \frac14$ and one of 4 words with $p = \frac18$: by probability the short one wins; by the mean it is
# $-\ln 2 = -0.69$ against $-\frac34 \ln 2 = -0.52$, and the long one does.
#
# A search may stop when no text that still goes on can overtake the finished ones, whatever comes: at best it
# loses nothing more.

# %%
short, long = math.log(1 / 4), math.log(1 / 8)
assert short > long and short / 2 < long / 4
assert round(short / 2, 2) == -0.69 and round(long / 4, 2) == -0.52
show(extend_beams, may_improve)

# %% [markdown]
# ### A search can miss
#
# And our speller? Let a text end with the full stop. We know the likeliest sentences: the shortest, such as
# *the duck quacks.*, with $\frac12 \cdot \frac1{12} \cdot \frac14 = \frac1{96}$ (no adjective, one of twelve
# animals, the end). Does the search find one?

# %%
prompt, stop = encode("the old birds sing. ").tolist(), letters.index(".")
found = {}
for beams, alpha in ((1, 0.0), (4, 0.0), (40, 0.0), (40, 1.0)):
    best = beam_search(gpt, prompt, 45, beams, end_id=stop, alpha=alpha)[0]
    p = math.exp(best.score * (len(best.tokens) + 1) ** alpha)
    found[beams, alpha] = decode(best.tokens), p
    print(f"beams {beams:2}, alpha {alpha:g}: {decode(best.tokens)}.  p = {p:.5f}")

chances = [found[beams, 0.0][1] for beams in (1, 4, 40)]
assert (
    chances[0] <= chances[1] <= chances[2] and chances[0] < 0.7 * chances[2] and 1 / 192 < chances[2] < 1 / 48
)
assert len(found[40, 0.0][0].split()) == 3 and len(found[40, 1.0][0]) > 1.5 * len(found[40, 0.0][0])
assert np.isclose(1 / 2 * 1 / 12 * 1 / 4, 1 / 96)

# %% [markdown]
# Greedy takes the letter *h*, because most begins with it, *happy*, *horse* and *horses*: a quarter of all.
# Then it is lost, for *happy* and an animal are less likely than an animal alone. Four beams do no better
# in kind, and it takes forty to find the best. Why so many? The beams compare beginnings of the same
# *length*. After eight letters *the duck* has paid for its animal, and has $\frac12 \cdot \frac16 =
# \frac1{12}$ left. *the happ* has paid for an adjective only, and has $\frac12 \cdot \frac13 = \frac16$: it
# looks better, and its animal is still to be paid. Those that put their choices off fill the beams. With
# $\alpha = 1$ a text is the better the more letters it has that cost nothing, and long sentences win.

# %%
for beginning, share in (("the duck", 1 / 12), ("the happ", 1 / 6), ("the h", 1 / 4)):
    letters_cost = surprise(gpt, encode("the old birds sing. " + beginning))[len(prompt) - 1 :]
    assert len(letters_cost) == len(beginning) and abs(math.exp(-letters_cost.sum()) - share) < 0.04

# %% [markdown]
# ## The key-value cache
#
# Now to the clock. The text has 100 words, the model reads them, and out comes the 101st. Next it reads 101
# words, for the 102nd. But it has read 100 of these before; and their vectors are the same as last time, in
# every block, because none of them may look at the new one. All that work was done twice, and will be done
# again for every word to come. For a text of $T$ words the stack works on
#
# $$1 + 2 + \dots + T = \frac{T (T + 1)}2 \quad\text{words in place of}\quad T \tag{11.17}$$
#
# For 256 words that is 32,896, or 128 times as many. What of the old words is still *needed*? The new word's
# query meets their keys, and takes a mean of their values; nothing else of them is looked at. So keep these,
# of each block: that is the **key-value cache** (键值缓存). A step then puts *one* word through the stack.
# (Its attention still looks at all that is there. But that is the cheap part, chapter 04.)

# %%
assert 256 * 257 // 2 == 32_896 and round(32_896 / 256) == 128
fig, axes = plt.subplots(1, 2, figsize=(8.6, 3.4), dpi=100, sharey=True)
steps, columns = 5, 8  # a prompt of three words, then five steps
for ax, cached in zip(axes, (False, True), strict=True):
    for step in range(steps + 1):
        for column in range(columns):
            there, new = column < 3 + step, (column >= 2 + step if step else True)
            worked = there and (not cached or new)
            color = "0.25" if worked else "0.8" if there else "white"
            ax.add_patch(plt.Rectangle((column - 0.46, step - 0.4), 0.92, 0.8, fc=color, ec="0.6", lw=0.7))
    ax.set(xlim=(-0.7, columns - 0.3), ylim=(steps + 0.6, -0.6), xlabel="column", xticks=range(columns))
    ax.set_title("with the cache" if cached else "without", size=11)
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
axes[0].set_yticks(range(steps + 1), ["prompt", *[f"step {i}" for i in range(1, steps + 1)]])
fig.suptitle("Dark: goes through the stack now. Light: only its keys and values are looked at. White: empty")
fig.tight_layout()
plt.show()

# %% [markdown]
# The library takes the memory for the whole text at once, `(B, H, length, K)` twice for each block, and fills
# it in place. (To join the old keys and the new one into a larger array in each step would copy the whole
# past each time, and the square would be back.)

# %%
show(LayerPast, KeysValues.grow, KeysValues.mask)

# %% [markdown]
# The mask is worth a look. A single new query may see everything that is there: it needs no mask, and a
# *causal* one would be wrong. Queries would then be counted from zero again, and query number 0 sees key
# number 0 alone. Several new queries, behind a text that is there already, see all of it, and a triangle of
# their own.
#
# The proof that all is well is equality: word by word, or in any pieces, the logits are those of the single
# long run. In float64 they agree to eleven digits:

# %%
precise = Gpt(shape, torch.Generator().manual_seed(0)).double().eval()
precise.load_state_dict(gpt.state_dict())
some = torch.from_numpy(held_out[:64])[None]
with torch.no_grad():
    at_once = precise(some)
    for pieces in ([1] * 64, [10, 1, 1, 30, 22], [64]):
        state = precise.new_state(1, 64)
        parts = [precise(ids, state) for ids in some.split(pieces, dim=1)]
        assert (torch.cat(parts, dim=1) - at_once).abs().max() < 1e-11
        assert state.filled == 64

# %% [markdown]
# ### Measured
#
# A larger model, two blocks of 256 features, writes 240 letters, with the cache and without. (How much faster
# it is depends on the machine; the cell asks for a factor of two only.)

# %%
wide, _ = fresh(GptConfig(V, 2, 256, 4, 1024, 256))
wide_prompt = torch.zeros(1, 16, dtype=torch.int64)


@torch.no_grad()
def seconds_of_steps(cached, length=240):
    """Return the processor's seconds that each new letter takes."""
    taken, text = [], wide_prompt
    state = wide.new_state(1, 256) if cached else None
    ids = text
    for _ in range(length):
        began = time.process_time()
        logits = wide(ids, state)[:, -1]
        taken.append(time.process_time() - began)
        new = logits.argmax(1, keepdim=True)
        text = torch.cat([text, new], dim=1)
        ids = new if cached else text
    return np.array(taken[1:]), text


with_cache, text_with = seconds_of_steps(cached=True)
without, text_without = seconds_of_steps(cached=False)
assert torch.equal(text_with, text_without)
ratio = without.sum() / with_cache.sum()
print(
    f"240 letters: {ratio:.1f} times as long without the cache; the last 40 alone: "
    f"{np.median(without[-40:]) / np.median(with_cache[-40:]):.1f} times"
)
assert ratio > 2 and np.median(without[-40:]) > 2 * np.median(without[:40])

# %%
fig, ax = plt.subplots(figsize=(7, 3.3), dpi=100)
for taken, style, name in ((without, "k--", "without the cache"), (with_cache, "k-", "with it")):
    medians = [1000 * np.median(taken[i : i + 20]) for i in range(0, 239, 20)]
    ax.plot(16 + 10 + 20 * np.arange(len(medians)), medians, style, label=name)
ax.set(xlabel="letters so far", ylabel="milliseconds per letter", ylim=(0, None), xlim=(16, 256))
ax.set_title("Without the cache each letter takes longer than the one before")
ax.legend(frameon=False)
fig.tight_layout()
plt.show()

# %% [markdown]
# ### What it costs
#
# Memory. For each text, block and column a key and a value of $D$ numbers are kept, of $b$ bytes each:
#
# $$2 \cdot L \cdot T \cdot D \cdot b \tag{11.18}$$
#
# GPT-2's smallest, over its 1024 places and in float32: $2 \cdot 12 \cdot 1024 \cdot 768 \cdot 4$ bytes, or
# **75.5 MB** for one text: 73,728 bytes for each word. The largest, in 16 bits: 315 MB. With 32 texts side by
# side the cache is larger than the model. That is why later models let several heads share their keys and
# values.

# %%
with torch.device("meta"):
    largest = Gpt(from_dict(GptConfig, PRESETS["gpt2"] | {"vocab_size": 50257}))
kept = sum(p.keys.nbytes + p.values.nbytes for p in largest.new_state(1, 1024).layers)
assert kept == 2 * 12 * 1024 * 768 * 4 == 75_497_472 and kept // 1024 == 73_728
assert round(2 * 48 * 1024 * 1600 * 2 / 1e6) == 315
assert 32 * 2 * 48 * 1024 * 1600 * 2 > 1_557_611_200 * 2

# %% [markdown]
# ### Prompts of different length
#
# Texts that are written side by side grow together, a column at a time. So all prompts must *end* in the same
# column, and what is missing is put in front: padding on the **left**. (BERT's padding stands on the right.
# Here it would come between the prompt and what is to be written.) Three things follow, and each is forgotten
# by somebody:
#
# - nobody may look at the padding, so the mask hides these columns, row by row;
# - positions count from where the text *begins*: its first word has the first row of $P$, wherever it stands;
# - they go on from there: the next word has the next position, not number zero again.

# %%
prompts = ["the small ", "the ", "the cows near the old "]
ids, starts = pad_left([encode(prompt).tolist() for prompt in prompts])
assert starts.tolist() == [12, 18, 0]

state = gpt.new_state(3, 40, starts)
places = state.grow(ids.shape[1])
fig, ax = plt.subplots(figsize=(9, 2.3), dpi=100)
for b in range(3):
    for column in range(ids.shape[1]):
        padding = column < starts[b]
        ax.add_patch(
            plt.Rectangle((column - 0.47, b - 0.4), 0.94, 0.8, fc="0.85" if padding else "white", ec="0.6")
        )
        if not padding:
            ax.text(column, b - 0.12, letters[ids[b, column]].replace(" ", "␣"), ha="center", va="center")
            ax.text(column, b + 0.24, f"{places[b, column]}", ha="center", va="center", size=7, color="0.3")
ax.set(xlim=(-0.7, 21.7), ylim=(2.6, -0.6), xticks=[], yticks=[0, 1, 2], ylabel="row")
ax.set_title("All end in the same column; small: the position of each letter. Grey is padding")
ax.spines[:].set_visible(False)
ax.tick_params(length=0)
fig.tight_layout()
plt.show()

# %% [markdown]
# The test: each of them alone writes what it writes in company.

# %%
uniforms = torch.rand(3, 30, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
lists = [encode(prompt).tolist() for prompt in prompts]
how = DecodingConfig(temperature=0.7)
together = generate(gpt, lists, 30, how, uniforms)
for b, one in enumerate(lists):
    assert generate(gpt, [one], 30, how, uniforms[b : b + 1])[0] == together[b]
    print(prompts[b] + decode(together[b]))

# %% [markdown]
# ### The mistake: positions that start again at zero
#
# With a cache the model sees a single word. Ask it where that word stands and it says: first. A hand-written
# loop does just that, unless it is told. Nothing fails, and a text comes out. We make the mistake on purpose,
# and let the model foretell a held-out text word by word:


# %%
class StartsAgain(KeysValues):
    """The mistake."""

    def grow(self, count):
        super().grow(count)
        return slice(0, count)


@torch.no_grad()
def word_by_word(kind):
    """Return the loss on stretches of held-out text that are read a letter at a time."""
    rows = torch.from_numpy(held_out[: 64 * 65].reshape(64, 65))
    state = kind(2, (64, 4, 64, 16), gpt.tokens.weight)
    logits = torch.cat([gpt(rows[:, t : t + 1], state) for t in range(64)], dim=1)
    return F.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten()).item()


whole, again = word_by_word(KeysValues), word_by_word(StartsAgain)
print(f"right: {whole:.2f} nats per letter; every letter is the first: {again:.2f}")
assert abs(whole - final) < 0.12 and again > whole + 0.5

# %% [markdown]
# It is far worse, and nobody would know from looking at the code's shapes. What finds it is the equality of
# above.
#
# ### Longer than the model can look back
#
# Our model has 64 places, and we had it write 400 letters. What happens at the 65th? In the library, the last
# half of the text is read anew, into an empty memory, with positions from zero on; so the model always looks
# back over half of its places at least. `Reading.read` does that, and `stream` is the loop that yields word
# after word, as soon as it is known: read, choose, go on.

# %%
show(stream)

# %% [markdown]
# ## How good is it?
#
# ### Perplexity
#
# The loss (11.2) is a mean in nats. Its exponential is called **perplexity** (困惑度):
#
# $$\mathrm{perplexity} = e^{\mathrm{loss}} \tag{11.19}$$
#
# Among $n$ words that are all equally likely the loss is $\ln n$ and the perplexity $n$. So it says among how
# many words the model hesitates, as it were: our speller among 1.3 letters, the bigram among 4, and who knows
# nothing among all 23.

# %%
assert np.isclose(math.exp(math.log(23)), 23) and round(math.exp(bigram_loss)) == 4
print(f"perplexity per letter: {math.exp(final):.2f}; of the language itself: {math.exp(floor):.2f}")
assert round(math.exp(final), 1) == 1.3 == round(math.exp(floor), 1)

# %% [markdown]
# ### Bits per byte
#
# Perplexity depends on *what a token is*. The same language, told in words, has 7.9 nats in a sentence of 7.1
# tokens (with the full stop): that is 1.11 nats per token, and a perplexity of 3.0. In letters it is 1.3.
# Neither is better; they are the same. Two models with different tokenizers must not be compared by their
# perplexity.
#
# What is the same for all is the text. So divide by its length in **bytes** (字节), and count in bits, where
# one bit is $\ln 2$ nats:
#
# $$\text{bits per byte} = \frac{\text{nats for the whole text}}{\ln 2 \cdot \text{its bytes}} \tag{11.20}$$
#
# (每字节比特数). Ours: $7.91 / (\ln 2 \cdot 31.7) = 0.36$, in words as in letters. A byte is not a letter: in
# UTF-8 an *é* takes two, and a Chinese character three. And it is no coincidence that it sounds like a
# compressed file. A language model and a good code for lossless compression are the same thing: what has the
# probability $p$ can be written with $-\log_2 p$ bits (Shannon 1948).

# %%
tokens_per_sentence = np.mean([len(s.split()) + 1 for s in story[:-2].split(". ")])
assert round(tokens_per_sentence, 1) == 7.1
per_word, per_letter = nats / tokens_per_sentence, floor
assert round(per_word, 2) == 1.11 and round(math.exp(per_word), 1) == 3.0
bits = [
    loss / math.log(2) / (len(story) / 5000 / count)
    for loss, count in ((per_word, tokens_per_sentence), (per_letter, len(story) / 5000))
]
assert np.allclose(bits, bits[0]) and round(bits[0], 2) == 0.36
assert len("é".encode()) == 2 and len("猫".encode()) == 3

# %% [markdown]
# ### Windows that slide
#
# A text is longer than the model can look back. Cut into blocks of 64, the first letter of each block has to
# be guessed from nothing, the second from one letter, and the mean gets worse than the model is. So let the
# window **slide** (滑动窗口): each begins `stride` letters after the one before, and only those letters count
# that no earlier window has counted. The smaller the stride, the more each letter has before it, and the
# longer it takes.

# %%
show(sliding_windows)

# %%
by_stride = {stride: surprise(gpt, held_out[:6000], stride=stride).mean() for stride in (64, 32, 16, 8)}
print({stride: f"{loss:.3f}" for stride, loss in by_stride.items()})
assert by_stride[64] > max(by_stride[32], by_stride[8]) + 0.03
assert len(surprise(gpt, held_out[:500], stride=24)) == 499

# %% [markdown]
# Same model, same text, and a better number: whoever reports a perplexity must say how far the model could
# look back. (Here 32 letters more do no more good: they are a sentence, and a sentence knows nothing of the
# one before it.)

# %% [markdown]
# ## The proof
#
# The whole model, from ids to the loss and back to every parameter: against finite differences, against the
# twin in PyTorch, and against `GPT2LMHeadModel` of `transformers`.

# %%
prove("gpt")

# %% [markdown]
# ### Mistakes that still train
#
# Here is what the checks say to mistakes that people make. Most of them run without a murmur, and the loss
# goes down in nearly all.

# %%
break_on_purpose(
    "gpt",
    "no mask",
    "the causal mask is upside down",
    "which it is to guess",
    "the norm behind the last block",
    "places are counted from 1",
    "targets are shifted once more",
    "each word is to guess itself",
    "learn from the first sequence alone",
    "as an input alone",
)

# %% [markdown]
# ## What the papers do differently
#
# - **Text begins with a token.** GPT-2 has a token `<|endoftext|>` between its documents. A text that begins
#   with it makes even the first word a question, and who wants a text from nothing gives it as the prompt.
# - **The first GPT** (Radford et al. 2018) is post-norm, looks back over 512 tokens, and was made to be
#   fine-tuned, with a new layer for each task. **GPT-2** was to do the tasks just by going on with a text.
# - **GPT-3** (Brown et al. 2020) is GPT-2 with 96 blocks of 12,288 features, but for attention that in every
#   other block looks at a band only.
# - **nanoGPT** (Karpathy) makes the vocabulary 50,304, a multiple of 64, because graphics cards like it, and
#   can leave out all biases. Ours keeps both as they are, so that published weights fit.
# - **Llama** and most models since turn the queries and keys in place of adding positions (chapter 03), have
#   the norm without a mean (chapter 07), and a gate in the feed-forward layer (chapter 06).
# - **One matrix for three.** GPT-2's code makes query, key and value with one product of width $3D$, which
#   takes less time than three. So has ours in PyTorch; by hand they stay apart.
#
# ## Exercises
#
# Some functions of this chapter are for you to write. `minibert learn start` makes a folder with a file for
# each, and `minibert learn check` says whether it is right and, if not, what is wrong with it. Each stands
# alone. What comes after them is done with a pencil, or leads further.
#
# ### To write: by hand

# %%
exercise("gpt_forward")

# %%
exercise("gpt_backward")

# %%
exercise("words_backward")

# %%
exercise("next_word_forward")

# %%
exercise("next_word_backward")

# %% [markdown]
# ### To write: the stack in PyTorch

# %%
exercise("torch_gpt_features")

# %%
exercise("torch_gpt_start")

# %%
exercise("torch_causal_self_attention")

# %% [markdown]
# ### To write: choosing

# %%
exercise("torch_temperature")

# %%
exercise("torch_penalize_repeats")

# %%
exercise("torch_top_k")

# %%
exercise("torch_top_p")

# %%
exercise("torch_min_p")

# %%
exercise("torch_adjust")

# %%
exercise("torch_draw")

# %%
exercise("torch_extend_beams")

# %%
exercise("torch_may_improve")

# %% [markdown]
# ### To write: remembering

# %%
exercise("torch_past_add")

# %%
exercise("torch_past_attend")

# %%
exercise("torch_cache_mask")

# %%
exercise("torch_grow")

# %%
exercise("torch_reorder")

# %%
exercise("torch_pad_left")

# %%
exercise("torch_read_on")

# %%
exercise("sliding_windows")

# %% [markdown]
# ### To think about
#
# **1. Pencil.** In the GPT without blocks, which text of three words that begins with *on* is the likeliest?
# Does greedy find it? What does beam search with two beams keep after the first step?
#
# <details><summary>Hint</summary>
#
# *on on on* has $\frac{16}{49}$. After a full stop all words have a third, so *on .* followed by anything has
# $\frac27 \cdot \frac13 = \frac2{21}$. The beams are *on on* ($\frac47$) and *on .* ($\frac27$).
#
# </details>
#
# **2. Count.** How many numbers would GPT-2 have if the output had a matrix of its own? How large is the
# key-value cache of `gpt2-medium` for 8 texts of 1024 words, in 16 bits?
#
# <details><summary>Hint</summary>
#
# 38,597,376 more: 163,037,184. And $8 \cdot 2 \cdot 24 \cdot 1024 \cdot 1024 \cdot 2$ bytes, 805 MB.
#
# </details>
#
# **3. No positions.** Train the speller with $P = 0$ for ever. Without a causal mask it could not tell orders
# apart at all. And with it?
#
# <details><summary>Hint</summary>
#
# The first word sees itself alone, the second two words: how many one sees depends on where one stands, and a
# mean over more words is smaller. Compare with what Haviv et al. 2022 found,
# [arXiv:2203.16634](https://arxiv.org/abs/2203.16634).
#
# </details>
#
# **4. Before the dot.** The speller of above has to know at the verb what stood first. Draw the attention of
# its heads for the *m* of *moo*. Which head looks at the first animal, and what do its other letters see?
#
# <details><summary>Hint</summary>
#
# Chapter 12 draws the heads of a BERT. In letters, one head often looks at the letter before, and another
# finds where the same letters stood earlier.
#
# </details>
#
# **5. Contrast.** Write `keep_typical(logits, p)`: keep the words whose surprise $-\ln p_i$ is nearest to the
# mean surprise, until they have $p$ together (Meister et al. 2023). What does it do to the six words?
#
# <details><summary>Hint</summary>
#
# Sort by $|{-\ln p_i} - H|$ with $H = -\sum_j p_j \ln p_j$. The entropy of the six is
# $\frac{31}{16} \ln 2$, so the second word, with the surprise $2 \ln 2$, comes first.
#
# </details>
#
# **6. One answer, n times.** To write 8 continuations of one long prompt, it need be read only once. Which
# method of the state does it? Measure what it saves.
#
# <details><summary>Hint</summary>
#
# Read it in one row, then `state.reorder(torch.zeros(8, dtype=torch.int64))`.
#
# </details>

# %%
assert np.isclose(4 / 7 * 4 / 7, 16 / 49) and np.isclose(2 / 7 / 3, 2 / 21)  # the numbers of the hints
assert 124_439_808 + 38_597_376 == 163_037_184 and round(8 * 2 * 24 * 1024 * 1024 * 2 / 1e6) == 805
six = weights.numpy() / 32
assert np.isclose(-(six * np.log(six)).sum(), 31 / 16 * math.log(2))
assert abs(-np.log(six) + (six * np.log(six)).sum()).argmin() == 1

# %% [markdown]
# ## Further reading
#
# - Radford, Narasimhan, Salimans and Sutskever 2018, *Improving language understanding by generative
#   pre-training*; and Radford, Wu, Child, Luan, Amodei and Sutskever 2019, *Language models are unsupervised
#   multitask learners*. Both are on the pages of OpenAI; the code is
#   [github.com/openai/gpt-2](https://github.com/openai/gpt-2).
# - Karpathy, [github.com/karpathy/nanoGPT](https://github.com/karpathy/nanoGPT), and the lecture *Let's build
#   GPT: from scratch, in code, spelled out*.
# - Vaswani et al. 2017, *Attention is all you need*, [arXiv:1706.03762](https://arxiv.org/abs/1706.03762),
#   section 3.1.
# - Bengio, Ducharme, Vincent and Jauvin 2003, *A neural probabilistic language model*, Journal of Machine
#   Learning Research 3, 1137–1155. The first one with word vectors.
# - Press and Wolf 2017, *Using the output embedding to improve language models*,
#   [arXiv:1608.05859](https://arxiv.org/abs/1608.05859).
# - Holtzman, Buys, Du, Forbes and Choi 2020, *The curious case of neural text degeneration*,
#   [arXiv:1904.09751](https://arxiv.org/abs/1904.09751).
# - Fan, Lewis and Dauphin 2018, *Hierarchical neural story generation*,
#   [arXiv:1805.04833](https://arxiv.org/abs/1805.04833). Top-k.
# - Keskar et al. 2019, *CTRL*, [arXiv:1909.05858](https://arxiv.org/abs/1909.05858). The repetition penalty.
# - Nguyen et al. 2024, *Turning up the heat: min-p sampling*,
#   [arXiv:2407.01082](https://arxiv.org/abs/2407.01082).
# - Ackley, Hinton and Sejnowski 1985, *A learning algorithm for Boltzmann machines*, Cognitive Science 9,
#   147–169. The temperature.
# - Wu et al. 2016, *Google's neural machine translation system*,
#   [arXiv:1609.08144](https://arxiv.org/abs/1609.08144), section 7. Beam search.
# - Pope et al. 2022, *Efficiently scaling transformer inference*,
#   [arXiv:2211.05102](https://arxiv.org/abs/2211.05102). What the cache costs in the large.
# - Shannon 1948, *A mathematical theory of communication*, and 1951, *Prediction and entropy of printed
#   English*, both in the Bell System Technical Journal. He let people guess the next letter.
# - Brown et al. 2020, *Language models are few-shot learners*,
#   [arXiv:2005.14165](https://arxiv.org/abs/2005.14165). GPT-3.
