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
# # 12 · BERT (双向编码器)
#
# *All the parts are there and proven. What makes a BERT of them, and where are its hundred million numbers?*
#
# **Files:** `minibert/byhand/bert.py` · `minibert/model/bert.py` · `minibert/model/heads.py` ·
# `minibert/learn/checks/bert.py` · `minibert/learn/checks/model_bert.py` ·
# `minibert/learn/checks/model_heads.py` · `tests/test_byhand_bert.py` · `tests/test_bert.py` ·
# `tests/test_heads.py`
#
# **Needs:** [03 Embeddings](03_embeddings.ipynb), [07 Layer norm and the block](07_layernorm.ipynb),
# [08 Loss](08_loss.ipynb), [09 Optimizer](09_optimizer.ipynb)
#
# **Time:** 80 minutes

# %% [markdown]
# ## The question: what comes after a word may change it
#
# *The bank of the river was wet. The bank of the city was robbed.* When you read *bank*, you cannot know yet
# which of the two it is. You know it three words later. A model that writes, as GPT does (chapter 11), may
# look at a word only together with what stands *before* it: so its vector of *bank* is the same in both
# sentences, whatever comes after. For writing that is as it must be. For *understanding* a text that lies
# there complete, it is a pity.
#
# **BERT** looks in both directions. Its name says so: *bidirectional encoder representations from
# transformers*, where **bidirectional** (双向) means that each word hears those before it and those after
# it, and **encoder** (编码器) that it turns a text into vectors, and writes nothing. What makes the
# difference is a single thing: there is no causal mask. Let us see what it does, in two blocks (chapter
# 07) with random weights.

# %%
import math
import time

import matplotlib.pyplot as plt
import numpy as np
import torch

# %%
from minibert.byhand.attention import attention_weights, causal_mask
from minibert.byhand.bert import (
    TOKENS,
    Examples,
    Settings,
    bert_backward,
    bert_forward,
    pairs_backward,
    pairs_forward,
    pretraining_backward,
    pretraining_forward,
    words_backward,
    words_forward,
)
from minibert.byhand.block import block_forward
from minibert.byhand.embedding import embedding_forward, lookup_backward, lookup_forward
from minibert.byhand.gradcheck import central_differences
from minibert.byhand.linear import linear_backward, linear_forward
from minibert.byhand.loss import cross_entropy_backward, cross_entropy_forward
from minibert.byhand.multihead import split_heads
from minibert.byhand.optimizer import adamw, clip, decay_of, schedule
from minibert.byhand.parameters import part
from minibert.config import PRESETS, BertConfig, from_dict
from minibert.learn.mutate import mutants
from minibert.learn.notebook import break_on_purpose, exercise, show
from minibert.model.bert import Bert, BertForPretraining
from minibert.model.bert import padding_mask as torch_padding_mask
from minibert.model.block import Block
from minibert.model.heads import WordHead
from minibert.prove import prove

# %%
river = ["the", "bank", "of", "the", "river", "was", "wet"]
city = ["the", "bank", "of", "the", "city", "was", "robbed"]
known = sorted({*river, *city})


def fresh(config, seed=0):
    """Return a model of random weights, and these weights as arrays by name."""
    model = BertForPretraining(config, torch.Generator().manual_seed(seed)).eval()
    return model, {name: weight.detach().double().numpy() for name, weight in model.named_parameters()}


shape = BertConfig(len(known), 2, 16, 2, 32, 8, dropout=0.0, attention_dropout=0.0, init_std=0.2, pad_id=0)
_, weights = fresh(shape)


def run_blocks(words, mask=None):
    """Return the vectors of the words, (T, D), after the embedding and two blocks."""
    own = part(weights, "bert")
    x, _ = embedding_forward(np.array([[known.index(word) for word in words]]), None, part(own, "embedding"))
    for layer in range(2):
        x, _ = block_forward(x, part(own, f"blocks.{layer}"), 2, mask)
    return x[0]


# %%
bank = 1
for mask in (None, causal_mask(7)):
    by_the_river, in_the_city = (run_blocks(words, mask)[bank] for words in (river, city))
    apart = np.linalg.norm(by_the_river - in_the_city)
    print(f"{'both directions' if mask is None else 'causal'}: the two banks are {apart:.2f} apart")
    assert apart == 0 if mask is not None else apart > 0.5

# %%
fig, axes = plt.subplots(1, 2, figsize=(8.8, 3.4), dpi=100)
for ax, title, hears in (
    (axes[0], "causal (GPT): a word hears what came before", causal_mask(7)),
    (axes[1], "both directions (BERT): a word hears them all", np.ones((7, 7), bool)),
):
    reached = {1}  # what the vector of "bank" at the top depends on, from the top down
    for level in (2, 1):
        for t in range(7):
            for s in np.flatnonzero(hears[t]):
                dark = t in reached
                ax.plot(
                    [t, s], [level, level - 1], color="black" if dark else "0.85", lw=1.1, zorder=2 * dark
                )
        reached = {int(s) for t in reached for s in np.flatnonzero(hears[t])}
    for level in range(3):
        ax.plot(range(7), [level] * 7, "o", color="0.4", ms=6, zorder=4)
    ax.plot(1, 2, "ko", ms=11, zorder=5)
    ax.set_xticks(range(7), river)
    ax.set_yticks(range(3), ["embedding", "block 1", "block 2"])
    ax.set_title(title, size=11)
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    assert len(reached) == (2 if hears[0, 1] == 0 else 7)
fig.suptitle("Black: all that the upper vector of “bank” is made of")
fig.tight_layout()
plt.show()

# %% [markdown]
# On the left two words go into *bank*, itself and *the*, however many blocks there are. On the right all
# seven do, from the first block on; and in the second block they have already heard one another.
#
# ## What the paper wrote
#
# > BERT is designed to pretrain deep bidirectional representations from unlabeled text by jointly
# > conditioning on both left and right context in all layers.
# >
# > Devlin et al. 2019, abstract
#
# Before BERT there were models that read in both directions, but with two networks, one from the left and one
# from the right, whose results were put side by side at the top (ELMo, Peters et al. 2018). *In all layers*
# is what is new. Why had nobody done it? Because there is a price:
#
# > Unfortunately, standard conditional language models can *only* be trained left-to-right or right-to-left,
# > since bidirectional conditioning would allow each word to indirectly "see itself", and the model could
# > trivially predict the target word in a multi-layered context.
# >
# > Devlin et al. 2019, section 3.1
#
# Whoever shall foretell the next word must not see it. BERT sees everything, so it cannot learn by
# foretelling. The way out is to *hide* words and let it fill them in; that, and the game with pairs of
# sentences, is chapter 13. Here we build what plays these games:
#
# $$x^0 = \mathrm{embed}(\text{ids}, \text{segments}) \tag{12.1}$$
#
# $$x^l = \mathrm{block}^l(x^{l-1}) \quad (l = 1 \dots L) \qquad h = x^L \tag{12.2}$$
#
# $$f = \mathrm{norm}\big(\mathrm{gelu}(h\, W^T + b)\big) \qquad z^{\text{words}} = f E^T + c \tag{12.3}$$
#
# $$u = \tanh(h_{\text{first}} P^T + p) \qquad z^{\text{pairs}} = u\, Q^T + q \tag{12.4}$$
#
# $$\text{loss} = L_{\text{words}} + L_{\text{pairs}} \tag{12.5}$$
#
# The **embedding** is that of chapter 03, the $L$ blocks are those of chapter 07 (post-norm, no causal mask),
# and what comes out at the top are the **hidden states** (隐状态) $h$, one vector for each token. Upon them
# stand two **heads** (输出头): one guesses words (12.3), one judges pairs (12.4). Both losses are
# cross-entropies (chapter 08), and their sum is made small (Devlin et al. 2019, appendix A.2).
#
# So there is little new: two small heads, one sum, and the question who hands what to whom. Yet it is the
# first time that everything has to fit together, and this chapter proves that it does: every gradient of the
# whole model, down to the last bias.

# %% [markdown]
# ## A row, as BERT reads it
#
# > The first token of every sequence is always a special classification token ([CLS]). […] Sentence pairs are
# > packed together into a single sequence. We differentiate the sentences in two ways. First, we separate
# > them with a special token ([SEP]). Second, we add a learned embedding to every token indicating whether it
# > belongs to sentence A or sentence B.
# >
# > Devlin et al. 2019, section 3
#
# Our language is the one of chapter 04, with a second sentence. Sentence A: an animal, perhaps another one
# beside it, and what the *first* of them does. Sentence B says how an animal is, `the cows are hungry`. In
# half of the rows it is the animal of A, and then B *follows*; in the other half it is another kind.

# %%
says = {"dog": "bark", "cat": "meow", "bird": "sing", "cow": "moo"}
adjectives, prepositions = ["old", "small", "happy", "wild"], ["near", "behind", "with"]
moods = ["hungry", "tired", "wet", "lost"]
kinds = list(says)
animals = [form for animal in kinds for form in (animal, animal + "s")]
verbs = [form for verb in says.values() for form in (verb + "s", verb)]
specials = ["[PAD]", "[CLS]", "[SEP]", "[MASK]"]
vocabulary = [*specials, "the", "is", "are", *adjectives, *prepositions, *moods, *animals, *verbs]
V, T = len(vocabulary), 15
assert V == 34


def phrase(rng, animal):
    """Return an animal with its article, and perhaps an adjective."""
    return ["the", *([adjectives[rng.integers(4)]] if rng.random() < 0.5 else []), animal]


def draw_row(rng):
    """Return the words of a row, where sentence B begins, the four places to ask for, and the label.

    The places: the animal of A, its verb, the animal of B, "is" or "are". The label: 0 where B follows.
    """
    kind, plural, label = int(rng.integers(4)), int(rng.integers(2)), int(rng.integers(2))
    a = phrase(rng, kinds[kind] + "s" * plural)
    subject = len(a)  # [CLS] stands before it
    if rng.random() < 0.75:
        a += [prepositions[rng.integers(3)], *phrase(rng, animals[rng.integers(8)])]
    a.append(says[kinds[kind]] + "s" * (1 - plural))
    if label:
        kind, plural = (kind + int(rng.integers(1, 4))) % 4, int(rng.integers(2))
    b = ["the", kinds[kind] + "s" * plural, "are" if plural else "is", moods[rng.integers(4)]]
    begins = len(a) + 2
    row = ["[CLS]", *a, "[SEP]", *b, "[SEP]"]
    return row, begins, [subject, len(a), begins + 1, begins + 2], label


def encode(row):
    """Return the ids (T,) of a row's words, filled up with padding."""
    return np.array([vocabulary.index(word) for word in row + ["[PAD]"] * (T - len(row))])


def draw(rng, count, ask=None):
    """Return a batch of rows; in each, one of the four places is hidden: the one asked for, or any."""
    drawn = [draw_row(rng) for _ in range(count)]
    ids = np.stack([encode(row) for row, _, _, _ in drawn])  # (B, T)
    begins = np.array([[begin] for _, begin, _, _ in drawn])
    segments = ((np.arange(T) >= begins) & (ids > 0)).astype(int)  # (B, T)
    chosen = rng.integers(4, size=count) if ask is None else np.full(count, ask)
    places = np.array([places[k] for (_, _, places, _), k in zip(drawn, chosen, strict=True)])
    slots = T * np.arange(count) + places  # counted through the flattened B * T
    targets = ids.ravel()[slots]
    np.put_along_axis(ids, places[:, None], vocabulary.index("[MASK]"), axis=1)
    labels = np.array([label for _, _, _, label in drawn])
    return Examples(ids, segments, ids > 0, slots, targets, labels)


# %%
batch = draw(np.random.default_rng(2), 3)
fig, ax = plt.subplots(figsize=(9, 3.1), dpi=100)
for row in range(3):
    for t in range(T):
        color = "white" if not batch.attend[row, t] else "0.9" if batch.segments[row, t] else "0.75"
        ax.add_patch(plt.Rectangle((t - 0.48, row - 0.3), 0.96, 0.6, fc=color, ec="0.6"))
        word = vocabulary[batch.ids[row, t]]
        weight = "bold" if word == "[MASK]" else "normal"
        ax.text(t, row, word, ha="center", va="center", size=7, weight=weight)
    told = f"hidden: {vocabulary[batch.targets[row]]};  label {batch.follows[row]}"
    ax.text(T - 0.3, row, told, va="center", size=9)
ax.set(xlim=(-0.7, T + 3.6), ylim=(2.6, -0.8), xticks=range(T), yticks=[0, 1, 2], ylabel="row $b$")
ax.set_xlabel("position $t$", loc="left")
ax.set_title("Dark: segment 0. Light: segment 1. White: padding, which nobody may look at")
ax.spines[:].set_visible(False)
fig.tight_layout()
plt.show()

# %% [markdown]
# These arrays are all that goes into the model: `ids`, `segments` and `attend`, each (B, T); then which
# positions are asked for, the **slots** (槽位), as flat positions $bT + t$, and what is right there.

# %% [markdown]
# ## One forward pass, in shapes
#
# With a pencil one can follow a whole BERT, if one follows the shapes. Let it have $D = 32$ features in
# $H = 2$ heads of $K = 16$, $F = 64$ inside the feed-forward layers, and $L = 2$ blocks. Three rows of 15
# tokens come in, and one word of each is asked for, so $N = 3$:
#
# | step | shape | |
# |---|---|---|
# | ids | (3, 15) | |
# | embedding | (3, 15, 32) | three rows of tables added up, and normalised (12.1) |
# | queries, keys, values | (3, 2, 15, 16) | cut into heads |
# | weights | (3, 2, 15, 15) | who looks at whom |
# | after attention | (3, 15, 32) | added to what came in, and normalised |
# | inside the feed-forward layers | (3, 15, 64) | |
# | after a block | (3, 15, 32) | the same as before it: so blocks can be stacked (12.2) |
# | the hidden states of the slots | (3, 32) | of 45 tokens three are looked at |
# | the words' logits | (3, 34) | one for each word of the vocabulary (12.3) |
# | the hidden states of the first tokens | (3, 32) | of each row its [CLS] |
# | the pairs' logits | (3, 2) | "follows" and "does not" (12.4) |
#
# The shape after a block is the one before it. That is why $L$ can be any number.

# %%
config = BertConfig(V, 2, 32, 2, 64, T, dropout=0.0, attention_dropout=0.0, init_std=0.15)
settings = Settings(config.heads)
model, start = fresh(config, seed=1)
own = part(start, "bert")


def hidden_states(params, examples):
    """Return the hidden states (B, T, D)."""
    return bert_forward(*examples[:3], part(params, "bert"), settings)[0]


def word_logits(params, examples):
    """Return the logits of all words at the slots, (N, V)."""
    chosen = hidden_states(params, examples).reshape(-1, config.width)[examples.slots]
    return words_forward(chosen, params[TOKENS], part(params, "words"), settings)[0]


def head_weights(x, block):
    """Return the attention weights of a block's heads, (B, H, T, T)."""
    parts = []
    for name in ("query", "key"):
        weight, bias = block[f"attention.{name}.weight"], block[f"attention.{name}.bias"]
        parts.append(split_heads(linear_forward(x, weight, bias)[0], config.heads))  # (B, H, T, K)
    return attention_weights(*parts)


# %%
x, _ = embedding_forward(batch.ids, batch.segments, part(own, "embedding"))
assert x.shape == (3, 15, 32)
assert head_weights(x, part(own, "blocks.0")).shape == (3, 2, 15, 15)
assert block_forward(x, part(own, "blocks.0"), 2)[0].shape == (3, 15, 32)
assert start["bert.blocks.0.feedforward.expand.weight"].shape == (64, 32)

hidden, words = hidden_states(start, batch), word_logits(start, batch)
pairs, _ = pairs_forward(hidden[:, 0], start)
assert hidden.shape == (3, 15, 32) and hidden[:, 0].shape == (3, 32)
assert words.shape == (3, 34) and pairs.shape == (3, 2)

# %%
show(bert_forward)

# %% [markdown]
# It takes ids and a dictionary of parameters. `part` hands each block its own, by the beginning of their
# names. Each block has weights of its own: "use the same block twelve times" would run, and would be another
# model (ALBERT, Lan et al. 2020, does so on purpose, and saves most of its numbers). In training BERT leaves
# out a tenth of the numbers at each place where chapters 04, 06 and 07 have a dropout; `generator` draws
# which. Our model is too small for that, so in this chapter nothing is left out.
#
# ### Padding: what nobody looks at
#
# Rows of different lengths are filled up with `[PAD]`, and chapter 04 hides these *columns* from every query
# (the mask of shape (B, 1, 1, T): the same for all heads and all who look). What must follow? **A row does
# not change when it is padded more, nor when other rows stand beside it.** The padded positions themselves
# do get vectors, for they look at the words. But nobody asks for them and nobody hears them.

# %%
for b, length in enumerate(batch.attend.sum(axis=1)):  # each row alone, without its padding
    cut = slice(b, b + 1), slice(0, length)
    alone = hidden_states(
        start, batch._replace(ids=batch.ids[cut], segments=batch.segments[cut], attend=None)
    )
    assert np.abs(alone[0] - hidden[b, :length]).max() < 1e-5

anything = np.random.default_rng(5).integers(4, V, size=batch.ids.shape)
filled = batch._replace(ids=np.where(batch.attend, batch.ids, anything))  # other words in the padding
assert np.array_equal(hidden_states(start, filled)[batch.attend], hidden[batch.attend])

forgotten = hidden_states(start, filled._replace(attend=None))
assert np.abs(forgotten - hidden)[batch.attend].max() > 0.1

# %% [markdown]
# Forget the mask, and the vectors change with what happens to fill the row. Such a model trains, for the
# padding is always the same `[PAD]`; but then what it says of a sentence depends on how long the *longest*
# sentence of its batch is. This is among the commonest mistakes in use: somebody calls a model with ids and
# forgets the mask.

# %% [markdown]
# ## The head for words: the table once more
#
# Which word was it? The head transforms the hidden state once more, to $f$, and compares it with every word:
# $z_v = f \cdot E_v + c_v$. And for $E$ it takes *the same matrix* that made vectors of the words at the
# bottom. One says that the two are **tied** (权重绑定; Press and Wolf 2017; Inan et al. 2017). That is not
# only thrift, though it saves $V \cdot D$ numbers, 23 million in the base model. It also says something: a
# word's row is *where the word is*, for reading as for guessing. Words that fit the same blanks are pushed to
# similar rows, and what is learned about a rare word as an answer is known about it as a reader.
#
# If the output is the table, why the transform $f$? Because the stack has to answer two questions with one
# vector. The hidden state of a `[MASK]` must hold what the *other words* want to hear of this place; the head
# wants the word that is missing. A layer between them gives both room. (It is in the published code; the
# paper does not mention it.)

# %%
assert 30522 * 768 == 23_440_896
show(words_forward, WordHead)

# %% [markdown]
# ## The pooler: a pair in one vector
#
# Does B follow A? That is a question about the *row*, not about a word. So it is asked at a token that is no
# word, `[CLS]`, whose vector is free to gather whatever the question needs. The **pooler** (池化层) is one
# linear layer and a tanh, and two logits come of it (12.4). Not a mean over all tokens, not the last token:
# the first one, which is never padding.
#
# (In their footnote on it Devlin et al. warn that this vector is no meaningful representation of a sentence
# as it comes from the pretraining. It has learned to tell pairs, and nothing else.)

# %%
show(pairs_forward, pretraining_forward)

# %% [markdown]
# ### Two numbers to know beforehand
#
# A model with all weights at zero knows nothing: every word has the same logit, and so have both answers
# about the pair. So the losses must be $\ln V$ and $\ln 2$ (chapter 08). And the gradient of the words' bias
# must be $p - y$: $\frac1V$ for each word, less the share of the answers that it was. With two words to
# guess, the words 0 and 1, that is $\frac1V - \frac12$ for these two, and $\frac1V$ for all others.

# %%
zeros = {name: np.zeros_like(weight) for name, weight in start.items()}
two = Examples(np.zeros((1, 2), int), None, None, np.array([0, 1]), np.array([0, 1]), np.array([1]))
losses, cache = pretraining_forward(two, zeros, settings)
assert np.allclose(losses, [math.log(34), math.log(2)])
dbias = pretraining_backward(np.ones(2), cache)["words.bias"]
assert np.allclose(dbias[:2], 1 / 34 - 1 / 2) and np.allclose(dbias[2:], 1 / 34)

# %% [markdown]
# ## Back from two losses
#
# From the right come two numbers, $d\text{loss}_{\text{words}}$ and $d\text{loss}_{\text{pairs}}$, both 1 as
# the losses are simply added. By (8.6) they become the gradients of the logits, $dz^{\text{words}}$ (N, V)
# and $dz^{\text{pairs}}$ (B, 2). From there each head goes back by itself.
#
# **The head for words.** Its last step was a linear layer with the weight $E$. So (2.4) to (2.6) hold, with
# $E$ for $W$:
#
# $$df = dz\, E \qquad dE^{\text{out}} = dz^T f \qquad dc_v = \sum_n dz_{nv} \tag{12.6}$$
#
# Then norm, GELU and the linear layer, in this order, each by its own chapter:
#
# $$dh_{\text{slots}} = \mathrm{linear\ backward}\big(\mathrm{gelu\ backward}(\mathrm{norm\ backward}(df))
# \big) \tag{12.7}$$
#
# **The head for pairs.** Two linear layers, and between them a tanh, whose slope is $1 - \tanh^2$ (chapter
# 06 derived it). The forward pass has worked out $u = \tanh(\dots)$, so keep that:
#
# $$d(\text{under the tanh}) = du \odot (1 - u^2) \tag{12.8}$$
#
# **Where the two meet.** Which hidden states does the loss see? Those of the slots, through the words' head,
# and that of each row's first token, through the pooler. If a place is asked for twice it gets both, and the
# first token may be both, a slot and the place of the pooler. Everything else gets zero:
#
# $$dh_{bt} = \sum_{n:\ \text{slot}_n = bT + t} dh^{\text{words}}_n \;+\; [t = 0]\; dh^{\text{pairs}}_b
# \tag{12.9}$$
#
# The sum is the gradient of a lookup (3.2), for taking rows out of $h$ is just that.

# %%
show(words_backward, pairs_backward)

# %% [markdown]
# ### Back through the stack
#
# What went last through the last block comes first out of it. Each block's backward pass (chapter 07) takes
# the gradient of what it gave, and returns two things: the gradient of what it got, which belongs to the
# block *below*, and the gradients of its own parameters, which stay:
#
# $$dx^{l-1},\; d\text{params}^l = \mathrm{block\ backward}^l(dx^l) \qquad l = L, L-1, \dots, 1
# \tag{12.10}$$
#
# What is left at the bottom goes to the embedding (3.4 to 3.6):
#
# $$d\text{tables} = \mathrm{embedding\ backward}(dx^0) \tag{12.11}$$
#
# At the top of a row two places had a gradient, the slot and `[CLS]`. Under a single block *every* token has
# one: whatever those two have looked at.

# %%
at_the_top, drawn = np.zeros_like(hidden), np.random.default_rng(0).normal(size=hidden.shape)
at_the_top.reshape(-1, 32)[batch.slots] = drawn.reshape(-1, 32)[batch.slots]
at_the_top[:, 0] = drawn[:, 0]
reached = []
for layers in (0, 1, 2):
    above = tuple(f"blocks.{layer}." for layer in range(layers, 2))
    short = {name: weight for name, weight in own.items() if not name.startswith(above or "-")}
    _, notes = bert_forward(*batch[:3], short, settings)
    dpositions = bert_backward(at_the_top, notes)["embedding.positions.weight"]
    reached.append(int(dpositions.any(axis=1).sum()))
print("positions that learn something, under 0, 1 and 2 blocks:", reached)
assert reached[0] <= 4 and reached[1] == reached[2] == batch.attend.any(axis=0).sum()

# %%
show(bert_backward)

# %% [markdown]
# ### Two ways back to one table
#
# One line is left, and most people who write BERT by hand forget it. The table $E$ was used twice: at the
# bottom, where the rows of the words that stand there were looked up, and at the top, where the answer was
# compared with every row. Whatever is used twice adds up what comes back (2.2):
#
# $$dE = dE^{\text{in}} + dE^{\text{out}} \tag{12.12}$$
#
# Let us do it with a pencil, with nothing between bottom and top: the word $u$ is looked up, $x = E_u$, and
# at once compared with all words, $z_v = E_v \cdot x$. Three words with two features: $E_1 = (s, 0)$ with
# $s = \sqrt{\ln 2}$, $E_2 = (0, 1)$ and $E_3 = (0, -1)$. The word is word 1, the right answer is word 2.
#
# - The logits: $z = (s^2, 0, 0) = (\ln 2, 0, 0)$, the exponentials $2, 1, 1$, so $p = (\frac12, \frac14,
#   \frac14)$ and $p - y = (\frac12, -\frac34, \frac14)$.
# - As *output* each row gets $(p - y)_v\, x$ (12.6): $(\frac s2, 0)$, $(-\frac{3s}4, 0)$, $(\frac s4, 0)$.
# - As *input* only row 1 gets anything: $\sum_v (p - y)_v E_v = (\frac s2, 0) + (0, -\frac34) + (0,
#   -\frac14) = (\frac s2, -1)$.
# - Together, row 1: $(s, -1)$.
#
# The first number must be right: word 1 compared with itself is $z_1 = E_1 \cdot E_1$, with the slope
# $2 E_1$, as you know from school for a square; and $\frac12 \cdot 2s = s$. With one of the two uses
# forgotten it would be half.

# %%
s = math.sqrt(math.log(2))
E = np.array([[s, 0], [0, 1], [0, -1]])
answer = np.array([1])


def tied(E):
    """Look word 0 up, compare it with all words; return the loss and the caches."""
    x, looked_up = lookup_forward(E, np.array([0]))
    logits, compared = linear_forward(x, E, np.zeros(3))
    loss, cost = cross_entropy_forward(logits, answer)
    return loss, (looked_up, compared, cost)


_, (looked_up, compared, cost) = tied(E)
dlogits = cross_entropy_backward(1.0, cost)
dx, as_output, _ = linear_backward(dlogits, compared)
as_input = lookup_backward(dx, looked_up)
assert np.allclose(dlogits, [[1 / 2, -3 / 4, 1 / 4]])
assert np.allclose(as_output, [[s / 2, 0], [-3 * s / 4, 0], [s / 4, 0]])
assert np.allclose(as_input, [[s / 2, -1], [0, 0], [0, 0]])
assert np.allclose((as_input + as_output)[0], [s, -1])
assert np.allclose(as_input + as_output, central_differences(lambda: tied(E)[0], E), atol=1e-9)

# %% [markdown]
# And in our BERT? The next picture takes a batch of 32 rows, before anything is learned, and measures for
# each word how long its row's gradient is, from below and from above. *From above every word gets something*,
# for a word that was not the answer is pushed away from it, by as much probability as it took (8.4). From
# below only words that stand in the text get anything, and it is less: for most words a tenth of the other,
# or so, as it has come down through two blocks from a place that is not their own. The exceptions are those
# that stand in every row, `[CLS]`, `the`, and above all `[MASK]`, which stands just where the question is
# asked. The row of `[PAD]` is looked up in nearly every row, and learns nothing from that, by (3.3); but as a
# wrong answer it is pushed away like any other. So it does move, though nobody ever looks at it.

# %%
many = draw(np.random.default_rng(0), 32)
_, cache = pretraining_forward(many, start, settings)
total = pretraining_backward(np.ones(2), cache)[TOKENS]
hidden = hidden_states(start, many)
chosen = hidden.reshape(-1, 32)[many.slots]
words, word_cache = words_forward(chosen, start[TOKENS], part(start, "words"), settings)
_, cost = cross_entropy_forward(words, many.targets)
_, from_above, _ = words_backward(cross_entropy_backward(1.0, cost), word_cache)
from_below = total - from_above
lengths = [np.linalg.norm(slopes, axis=1) for slopes in (from_below, from_above)]
absent = np.setdiff1d(np.arange(V), many.ids)
pad = vocabulary.index("[PAD]")
assert np.abs(from_below[pad]).max() < 1e-6 < lengths[1][pad]
assert np.abs(from_below[absent]).max(initial=0) < 1e-6 and lengths[1].min() > 1e-3
mask = vocabulary.index("[MASK]")
assert 5 < np.median(lengths[1][4:] / np.maximum(lengths[0][4:], 1e-9)) < 20
assert lengths[0].argmax() == mask and lengths[0][mask] > 3 * lengths[1][mask]
assert all(
    lengths[0][vocabulary.index(word)] > lengths[1][vocabulary.index(word)] for word in ("[CLS]", "the")
)

# %%
fig, ax = plt.subplots(figsize=(9, 3.6), dpi=100)
places = np.arange(V)
ax.vlines(places, lengths[0].clip(1e-3), lengths[1], color="0.8", lw=1)
ax.semilogy(places, lengths[1], "o", color="black", mfc="white", ms=5, label="as output, from above")
ax.semilogy(places, np.where(lengths[0] > 1e-4, lengths[0], np.nan), "ko", ms=5, label="as input, from below")
ax.set_xticks(places, vocabulary, rotation=90, size=8)
ax.set(ylabel="length of the gradient", xlim=(-1, V), ylim=(5e-4, 1.5))
ax.set_title("One table, two gradients: as output every word learns, as input those that are there")
ax.legend(frameon=False, ncols=2, loc="lower right")
fig.tight_layout()
plt.show()

# %%
show(pretraining_backward)

# %% [markdown]
# ## The hundred million numbers
#
# How many parameters has BERT's base model? $L = 12$, $D = 768$, $F = 4D = 3072$, and 30,522 tokens. A linear
# layer from $I$ to $O$ has $O \cdot I$ weights and $O$ biases, a norm has $2D$.
#
# - **Tables.** $(30522 + 512 + 2) \cdot D$ for tokens, positions and segments, and a norm: 23,837,184.
# - **A block.** Attention has four layers from $D$ to $D$, feed-forward one from $D$ to $F$ and one back, and
#   there are two norms:
#   $$4(D^2 + D) + (DF + F) + (FD + D) + 4D = 12 D^2 + 13 D = 7{,}087{,}872$$
# - **Twelve blocks**: 85,054,464.
# - **The pooler**: $D^2 + D$ = 590,592.
#
# Together **109,482,240**, which is the count of `bert-base-uncased` without its heads, and what the paper
# rounds to 110 million. The words' head adds a layer, a norm and $V$ biases (its matrix is the table, and
# counts once), the head for pairs $2D + 2$: 110,106,428 with everything.

# %%
D, F = 768, 3072
tables = (30522 + 512 + 2) * D + 2 * D
block = 4 * (D * D + D) + (D * F + F) + (F * D + D) + 4 * D
pooler = D * D + D
assert block == 12 * D**2 + 13 * D == 7_087_872 and tables == 23_837_184 and pooler == 590_592
assert 12 * block == 85_054_464 and tables + 12 * block + pooler == 109_482_240
heads = (D * D + D) + 2 * D + 30522 + 2 * D + 2


def parameters_of(preset):
    """Return how many numbers each parameter of a preset has, by name; nothing is allocated."""
    with torch.device("meta"):
        made = BertForPretraining(from_dict(BertConfig, PRESETS[preset] | {"vocab_size": 30522}))
    return {name: weight.numel() for name, weight in made.named_parameters()}


counted = parameters_of("bert-base")
assert sum(counted.values()) == 109_482_240 + heads == 110_106_428
assert sum(n for name, n in counted.items() if name.startswith("bert.")) == 109_482_240

# %%
parts = {
    "tables": lambda name: "embedding" in name,
    "attention": lambda name: ".attention" in name,
    "feed-forward": lambda name: ".feedforward" in name,
    "pooler and heads": lambda name: "blocks" not in name and "embedding" not in name,
}
presets = [name for name in PRESETS if name.startswith("bert-")]
sizes = {}
for preset in presets:
    counted = parameters_of(preset)
    sizes[preset] = [sum(n for name, n in counted.items() if belongs(name)) for belongs in parts.values()]
    assert sum(sizes[preset]) == sum(counted.values())
shares = {preset: np.array(numbers) / sum(numbers) for preset, numbers in sizes.items()}

# %%
fig, ax = plt.subplots(figsize=(8.6, 3.4), dpi=100)
left = np.zeros(len(presets))
for place, (name, color) in enumerate(zip(parts, ["0.3", "0.75", "0.55", "white"], strict=True)):
    width = np.array([shares[preset][place] for preset in presets])
    ax.barh(presets, width, left=left, color=color, edgecolor="black", lw=0.7, label=name)
    left += width
for row, preset in enumerate(presets):
    ax.text(1.01, row, f"{sum(sizes[preset]) / 1e6:.1f} million", va="center", size=9)
ax.set(xlim=(0, 1.19), xlabel="share of all parameters", xticks=[0, 0.25, 0.5, 0.75, 1])
ax.invert_yaxis()
ax.spines[["right", "top"]].set_visible(False)
ax.set_title("A small BERT is mostly its table, a large one mostly feed-forward", pad=28)
ax.legend(frameon=False, ncols=4, loc="lower center", bbox_to_anchor=(0.42, 0.98))
fig.tight_layout()
plt.show()

# %%
assert shares["bert-tiny"][0] > 0.85 and round(shares["bert-base"][0], 2) == 0.22
assert round(shares["bert-base"][2], 2) == 0.51 and round(shares["bert-base"][1], 2) == 0.26
assert 0.45 < 8 / 12 * 12 * block / 110_106_428 < 0.55

# %% [markdown]
# With 30,522 tokens the tiny model is nearly nothing but its table. In the base model the table is still more
# than a fifth, attention is a quarter, and half of all numbers are in the feed-forward layers, in which no
# word hears any other (chapter 06).

# %% [markdown]
# ## Only what is looked at
#
# In pretraining the top of the network is asked little: 15 % of the words, and each row's first token. Where
# nobody looks, nothing need be worked out. Two savings follow.
#
# **The output.** $E$ is compared with the hidden states of the slots alone. A comparison takes $V D$
# multiplications, as many as three blocks of the base model for one token; done for all tokens, it would add
# more than a quarter to the stack.
#
# **The last block.** All its keys and values are needed, because the slots look at every token. But behind
# the attention each token goes on by itself, through the output projection and the feed-forward layers: that
# is $D^2 + 8 D^2$ of the block's $12 D^2 + 2TD$ multiplications per token, and only the slots and the first
# tokens need them. In the code these are the `rows`. (The blocks below have to do everything: their outputs
# are what the last one looks at.)
#
# For rows of 128 tokens with 19 slots and the first token, a share of $20/128$ is left of nine parts in
# twelve. That saves 62 % of the last block: 5 % of 12 blocks, and 31 % of 2.

# %%
T_long, D, looked_at = 128, 768, 20 / 128
whole = 12 * D**2 + 2 * T_long * D
short = 3 * D**2 + 2 * T_long * D + looked_at * 9 * D**2
saved = 1 - short / whole
assert round(saved, 2) == 0.62 and round(saved / 12, 2) == 0.05 and round(saved / 2, 2) == 0.31
assert round(30522 * D / (12 * D**2), 1) == 3.3 and 30522 * D / (12 * whole) > 0.25

# %%
show(Block.forward, BertForPretraining.features)

# %% [markdown]
# The same numbers, and less time. (How much less depends on the machine; so the cell asks only that it be
# less.)

# %%
two_blocks, _ = fresh(BertConfig(8192, 2, 128, 4, 512, 128))
ids = torch.randint(5, 8192, (16, 128), generator=torch.Generator().manual_seed(0))
slots = torch.arange(0, 16 * 128, 7)  # about 15 %
firsts = torch.arange(0, 16 * 128, 128)
rows = torch.cat([slots, firsts])


@torch.no_grad()
def seconds(*functions, times=15):
    """Return the least time of the processor that each function takes, in turn so many times."""
    taken = [[] for _ in functions]
    for _ in range(times):
        for function, own in zip(functions, taken, strict=True):
            began = time.process_time()
            function()
            own.append(time.process_time() - began)
    return [min(own) for own in taken]


with torch.no_grad():
    everything, wanted = two_blocks.bert(ids), two_blocks.bert(ids, rows=rows)
assert (everything.flatten(0, 1)[rows] - wanted).abs().max() < 1e-5
short, whole = seconds(lambda: two_blocks.bert(ids, rows=rows), lambda: two_blocks.bert(ids))
ratio = short / whole
print(f"two blocks of 128 features, forward: {ratio:.2f} of the time")
assert ratio < 0.95

# %% [markdown]
# ## The twin in PyTorch
#
# Here is the model that is trained for real. `Bert` is (12.1) and (12.2), with the pooler; the heads stand in
# `BertForPretraining`. The names of its parameters are those of the dictionary above: a BERT by hand and its
# twin can hand each other their weights, and `minibert pretrain` can train with either.

# %%
show(Bert, torch_padding_mask)

# %%
tensors = [torch.from_numpy(array) for array in batch[:4]]
with torch.no_grad():
    out = model(*tensors)
    features, pair_logits = model.features(*tensors)
    logits = torch.nn.functional.linear(features, model.words.weight, model.words.bias)
    word_loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(batch.targets))
assert np.abs(out.hidden.numpy() - hidden_states(start, batch))[batch.attend].max() < 1e-5
assert np.abs(out.pairs.numpy() - pair_logits.numpy()).max() < 1e-6
losses, _ = pretraining_forward(batch, start, settings)
assert np.isclose(word_loss.item(), losses[0])

# %% [markdown]
# ### The first weights
#
# Every weight matrix starts as bell-shaped noise with the standard deviation 0.02 (in BERT's code; the paper
# does not say), every bias as 0, every norm as 1 and 0. Why so small? The features $f$ are normalised, so
# their squares sum to $D$, and a logit $z_v = f \cdot E_v$ spreads by $\sigma = 0.02 \sqrt D$. What does the
# loss cost then? The target is a word like any other, so $z_t$ is 0 on average, and
#
# $$\mathbb{E}[L] = \mathbb{E}\Big[\ln \sum_v e^{z_v}\Big] - \mathbb{E}[z_t] \approx \ln\big(V \,
# \mathbb{E}[e^z]\big) = \ln V + \frac{\sigma^2}{2}$$
#
# since the mean of $e^z$ over a bell curve is $e^{\sigma^2 / 2}$. In the base model $\sigma = 0.55$, so the
# start costs 0.15 nats more than knowing nothing: the model begins without an opinion. With a standard
# deviation of 1, as PyTorch gives it to an embedding, $\sigma$ is 28. Then each wrong guess is made with full
# conviction, and the loss starts above 100 nats. (Our model
# has $D = 32$ and starts with 0.15, so its $\sigma$ is 0.85: small models may start a little livelier.)

# %%
rng = np.random.default_rng(0)
f = rng.normal(size=(100, 768)).astype(np.float32)
f = (f - f.mean(axis=1, keepdims=True)) / f.std(axis=1, keepdims=True)
table = rng.standard_normal(size=(30522, 768), dtype=np.float32)
targets = rng.integers(30522, size=100)
beginning = {}
for std in (0.02, 1.0):
    beginning[std], _ = cross_entropy_forward(f @ (std * table).T, targets)
    print(f"standard deviation {std:g}: a loss of {beginning[std]:.2f} nats; ln V = {math.log(30522):.2f}")
assert abs(beginning[0.02] - math.log(30522) - (0.02**2 * 768) / 2) < 0.1
assert round((0.02**2 * 768) / 2, 2) == 0.15 and round(0.02 * math.sqrt(768), 2) == 0.55
assert beginning[1.0] > 100 and round(math.sqrt(768)) == 28
assert round(0.15 * math.sqrt(32), 2) == 0.85

# %%
show(BertForPretraining.start_weights)

# %% [markdown]
# One choice is ours. Positions may start as the sinusoids of chapter 03 instead of noise, a tenth of their
# size, so that they do not drown the tokens. In noise, positions 7 and 8 are as far apart as 7 and 80, and
# what a neighbour is has to be learned first. In runs of minutes that time counts.

# %% [markdown]
# ## Let it learn, in nothing but NumPy
#
# Now train it: `pretraining_forward`, `pretraining_backward`, and the AdamW of chapter 09. Each row asks for
# one of four words (the animal of A, its verb, the animal of B, *is* or *are*), and whether B follows.
#
# How good can a model be? We made the language, so we can work it out, as in chapter 04.
#
# - The animal of A, its verb, and *is* or *are* can always be told: each from a word in plain sight.
# - The **animal of B** cannot. *is* or *are* gives away its number. If the number is not that of A's animal
#   (a quarter of the rows), then B does not follow, and it is one of three kinds: $\ln 3$. Otherwise B
#   follows with the chance $\frac23$ (one half, against one quarter that do not follow and have the same
#   number by chance), and the other three kinds share the rest, $\frac19$ each. That costs 1.00 nats. On
#   average it is 1.03, and as one question in four is of this sort, the **words cannot cost less than 0.26**.
# - For the **pairs**, hiding the animal of B hides the answer. In three quarters of these rows one can only
#   say "$\frac23$", and this costs 0.64; so the **pairs cannot cost less than 0.12**. Whoever says "follows"
#   whenever the number fits is wrong in a quarter of these rows, a sixteenth of all: **no more than 94 % can
#   be right**, but for luck.

# %%
unsure = -(2 / 3 * math.log(2 / 3) + 3 * (1 / 9) * math.log(1 / 9))
word_floor = (1 / 4 * math.log(3) + 3 / 4 * unsure) / 4
two_thirds = -(2 / 3 * math.log(2 / 3) + 1 / 3 * math.log(1 / 3))
pair_floor = 3 / 4 * two_thirds / 4
assert round(unsure, 2) == 1.00 and round(1 / 4 * math.log(3) + 3 / 4 * unsure, 2) == 1.03
assert round(word_floor, 2) == 0.26 and round(two_thirds, 2) == 0.64 and round(pair_floor, 2) == 0.12
assert round(1 - 1 / 16, 2) == 0.94


# %%
def learn(steps=700, peak=0.01):
    """Train the model from its first weights, 32 fresh rows a step; return the parameters and both losses."""
    rng, params = np.random.default_rng(1), dict(start)
    memories = {name: (np.zeros_like(w), np.zeros_like(w)) for name, w in params.items()}
    history = []
    for step in range(steps):
        losses, cache = pretraining_forward(draw(rng, 32), params, settings)
        gradients, _ = clip(pretraining_backward(np.ones(2), cache), 1.0)
        rate = peak * schedule(step / steps, (step + 1) / steps, 0.1)
        for name, w in params.items():
            after = adamw(w, gradients[name], *memories[name], step + 1, rate, decay=decay_of(w, 0.01))
            params[name], memories[name] = after[0], after[1:]
        history.append(losses)
    return params, np.array(history)


def test(params, count=4000, ask=None):
    """Return both losses on fresh rows, and the share of pairs that are told right."""
    fresh_rows = draw(np.random.default_rng(99), count, ask)
    losses, _ = pretraining_forward(fresh_rows, params, settings)
    told = pairs_forward(hidden_states(params, fresh_rows)[:, 0], params)[0].argmax(axis=1)
    return losses, float((told == fresh_rows.follows).mean())


# %%
trained, history = learn()
losses, right = test(trained)
print(
    f"words {losses[0]:.3f} (floor {word_floor:.3f}), pairs {losses[1]:.3f} (floor {pair_floor:.3f}), "
    f"{right:.1%} of the pairs right"
)
assert losses[0] < word_floor + 0.06 and losses[1] < pair_floor + 0.15 and right > 0.88


# %%
def smooth(losses, width=20):
    """Return the running mean."""
    return np.convolve(losses, np.ones(width) / width, mode="valid")


fig, ax = plt.subplots(figsize=(7.4, 3.6), dpi=100)
for column, name, floor, style in ((0, "words", word_floor, "k-"), (1, "pairs", pair_floor, "k--")):
    ax.plot(smooth(history[:, column]), style, label=name)
    ax.plot([0, 695], [floor, floor], color="0.6", lw=0.8)
ax.plot([0, 695], [math.log(2)] * 2, ":", color="0.6", lw=0.8)
ax.text(5, math.log(2) - 0.05, r"$\ln 2$", va="top")
for floor in (word_floor, pair_floor):
    ax.text(706, floor, f"floor {floor:.2f}", va="center", size=9)
ax.set(xlabel="step", ylabel="loss (nats), mean of 20 steps", ylim=(0, 3.3), xlim=(-20, 815))
ax.set_title("Both games are learned to the floor, in NumPy alone")
ax.legend(frameon=False)
plt.show()

# %% [markdown]
# The words come first. The pairs stay at a coin's $\ln 2$ for a while: to compare two animals, the model must
# first *know* animals.

# %% [markdown]
# ### What each head looks at, and what it is needed for
#
# There are four attention heads: two in each block. Here are their weights for one row, in which the verb is
# hidden. (A row of a picture is one who looks, a column is one who is looked at.)


# %%
def looks(params, examples):
    """Return the weights of each block's heads for one row without padding: a list of (H, T, T)."""
    own, found = part(params, "bert"), []
    x, _ = embedding_forward(examples.ids, examples.segments, part(own, "embedding"))
    for layer in range(config.layers):
        block = part(own, f"blocks.{layer}")
        found.append(head_weights(x, block)[0])
        x, _ = block_forward(x, block, config.heads)
    return found


a, b = ["the", "small", "cows", "near", "the", "dog", "[MASK]"], ["the", "cows", "are", "wet"]
row = ["[CLS]", *a, "[SEP]", *b, "[SEP]"]
ids, segments = encode(row)[None, : len(row)], np.array([[0] * 9 + [1] * 5])
one = Examples(ids, segments, None, np.array([row.index("[MASK]")]), np.array([0]), None)
assert vocabulary[word_logits(trained, one).argmax()] == "moo"
weights_of_heads = looks(trained, one)

fig, axes = plt.subplots(1, 4, figsize=(10.5, 3.5), dpi=100, sharey=True)
for place, ax in enumerate(axes):
    layer, head = divmod(place, 2)
    ax.imshow(weights_of_heads[layer][head], cmap="Greys", vmin=0, vmax=1)
    ax.set_xticks(range(len(row)), row, rotation=90, size=7.5)
    ax.set_yticks(range(len(row)), row, size=7.5)
    ax.set_title(f"block {layer + 1}, head {head + 1}", size=10)
    ax.tick_params(length=0)
axes[0].set_ylabel("who looks")
fig.suptitle("Four heads, one row: black is a weight of 1")
fig.tight_layout()
plt.show()

# %% [markdown]
# The second head of block 1 has found something: nearly every word of A looks at the animal of A, and passes
# over the dog that only stands beside it; every word of B looks at the animal of B. So `[MASK]` knows who
# should moo. `[CLS]` looks at the animal of B as well. Nobody asked for any of this; it is what making (12.5)
# small has led to.
#
# A picture says what was read, not what it was used for (chapter 04). So take each head *away*, and see what
# breaks. Head $h$ has its own $K$ columns in the output projection of its attention (5.5); at zero, nothing
# it found gets through. Then ask for each of the four words, and for the pair.


# %%
def without(params, layer, head):
    """Return the parameters with one head's way out at zero."""
    K, name = config.width // config.heads, f"bert.blocks.{layer}.attention.output.weight"
    cut = params[name].copy()
    cut[:, K * head : K * (head + 1)] = 0
    return params | {name: cut}


questions = ["animal of A", "its verb", "animal of B", "is or are"]


def costs(params):
    """Return the loss of each of the four words, and of the pairs."""
    return np.array([*(test(params, 400, ask)[0][0] for ask in range(4)), test(params, 1000)[0][1]])


whole = costs(trained)
harm = np.array([costs(without(trained, layer, head)) - whole for layer in range(2) for head in range(2)])

# %%
fig, ax = plt.subplots(figsize=(7.2, 3.1), dpi=100)
ax.imshow(harm, cmap="Greys", vmin=0, vmax=1.4 * harm.max(), aspect="auto")
for (line, column), cost in np.ndenumerate(harm):
    ax.text(
        column,
        line,
        f"{cost:+.1f}",
        ha="center",
        va="center",
        color="white" if cost > 0.8 * harm.max() else "black",
    )
ax.set_xticks(range(5), [*questions, "does B follow?"])
ax.set_yticks(range(4), [f"block {layer}, head {head}" for layer in (1, 2) for head in (1, 2)])
ax.set_title("Nats that a question costs more without one head")
ax.tick_params(length=0)
fig.tight_layout()
plt.show()

# %%
assert harm.max() > 1 and harm.min() > -0.2
assert (harm.max(axis=0) > 0.1).all() and (harm[2:, 4] > 0.3).any()
at_mask = np.array([head[row.index("[MASK]")] for block in weights_of_heads for head in block])  # (heads, T)
finder = at_mask[:, row.index("cows")].argmax()
found = at_mask[finder, row.index("cows")]
print(f"head {finder % 2 + 1} of block {finder // 2 + 1}: [MASK] looks at the cows with {found:.2f}")
assert found > 0.6 and at_mask[finder, row.index("dog")] < 0.2
at_b = row.index("are") - 1
assert max(head[0, at_b] for head in weights_of_heads[0]) > 0.5  # [CLS] looks at the animal of B

# %% [markdown]
# Each question has a head that it cannot do without, and most have the same one: who the animal is, one has
# to know for everything. The pair needs the most of them: the animals must be found first, in block 1, and
# then compared, in block 2. Which head does what was settled by the random start; with another seed the parts
# are cast anew. In large models the same experiment shows that many heads can be taken away at little cost
# (Michel et al. 2019): there are far more heads than questions.

# %% [markdown]
# ### What each block adds
#
# One can also ask too early: take the upper blocks off, and let the heads judge what there is so far. They
# were not trained for that, but all that comes out of a block has the same size, and lies in the same space.

# %%
early = []
for blocks in (0, 1, 2):
    above = tuple(f"bert.blocks.{layer}." for layer in range(blocks, 2))
    early.append(costs({name: w for name, w in trained.items() if not name.startswith(above or "-")}))
early = np.array(early)

fig, ax = plt.subplots(figsize=(7, 3.4), dpi=100)
for column, (name, style) in enumerate(
    zip([*questions, "does B follow?"], ["ko-", "k^-", "ks--", "kD--", "kv:"], strict=True)
):
    ax.plot([0, 1, 2], early[:, column], style, ms=6, mfc="white" if column > 1 else "black", label=name)
ax.set(xlabel="blocks before the heads look", ylabel="loss (nats)", xticks=[0, 1, 2], xlim=(-0.1, 3.1))
ax.set_title("The first block finds, the second decides")
ax.legend(frameon=False, loc="upper right")
fig.tight_layout()
plt.show()

# %%
verb, number, pair = 1, 3, 4
assert (early[2] < early[0] - 0.5).all() and early[1, pair] > early[2, pair] + 0.2
assert early[1, [verb, number]].max() < 1.5 < early[0, [verb, number]].min()

# %% [markdown]
# The verb, and *is* or *are*, are nearly told after a single block: one look finds the animal. Whether B
# follows is not, for that takes a second look, at what the first has found.

# %% [markdown]
# ## The proof
#
# The whole model, from ids to two losses and back to every parameter: against finite differences, against the
# twin in PyTorch, and against `BertForPreTraining` of `transformers`. In the test of this chapter
# (`tests/test_byhand_bert.py`) the three are then trained side by side, ten steps of AdamW, and their weights
# stay together to nine digits.

# %%
prove("bert")

# %% [markdown]
# ### Mistakes that still train
#
# Two wrong backward passes, trained as above. In one *the token table learns as output alone*: (12.12) with
# `=` in place of `+=`. In the other *the pairs teach their own layers alone, and nothing below*: the second
# term of (12.9) is forgotten, and what the pooler sends back gets lost.

# %%
wrong = ["the token table learns as output alone", "the pairs teach their own layers alone"]
chosen = [one for name in wrong for one in mutants() if one.stem == "bert" and one.name.startswith(name)]
curves = {"right": history}
for mutant in chosen:
    with mutant.made():
        params, curves[mutant.name] = learn()
        losses, right = test(params)
    print(f"{mutant.name}:\n    words {losses[0]:.2f}, pairs {losses[1]:.2f}, {right:.0%} of the pairs right")

# %%
fig, axes = plt.subplots(1, 2, figsize=(8.8, 3.5), dpi=100)
labels = ["right", "the table as output alone", "the pairs teach nothing below"]
for ax, column, title in ((axes[0], 0, "words"), (axes[1], 1, "pairs")):
    for (_, losses), style, label in zip(curves.items(), ["k-", "k--", "k:"], labels, strict=True):
        ax.plot(smooth(losses[:, column]), style, label=label)
    ax.axhline([word_floor, pair_floor][column], color="0.6", lw=0.8)
    ax.set(title=title, xlabel="step")
axes[0].set(ylabel="loss (nats), mean of 20 steps", ylim=(0, 3.5))
axes[1].set_ylim(0, 0.85)
axes[0].legend(frameon=False)
fig.suptitle("Both mistakes train; from the curve of the words nobody would see them")
fig.tight_layout()
plt.show()

# %% [markdown]
# Both learn the words to the floor. The first learns the pairs as well. The second never
# does: its pooler can only look at what the words have left there. "Pairs are hard" would be an easy excuse,
# and 50 % of right answers is what users of a well-known code reported (chapter 08). A check sees either in
# a second. Here is what the checks say to these and to others that people write.

# %%
break_on_purpose(
    "bert",
    "every block gets the gradient of the last",
    "as output alone",
    "as input alone",
    "the blocks are counted from the last",
    "padding is attended to",
    "all tokens are put into the first",
    "told from the last token",
    "the slope of the tanh",
    "the first token forgets",
)

# %% [markdown]
# ## What the paper does differently
#
# - **In the code, not in the paper**: the transform of the words' head, the bias for each word, the tanh of
#   the pooler, and the start with 0.02. There the noise is cut off at two standard deviations; ours is not.
# - **Everything everywhere.** BERT's code works out the last block for all tokens, and takes the slots out
#   behind it; so do most others. `rows` is ours. The numbers are the same.
# - **RoBERTa** (Liu et al. 2019) keeps the model and drops the pairs: no head for them, no segments of any
#   use. **ALBERT** (Lan et al. 2020) uses one block for all layers. **ModernBERT** (Warner et al. 2024) keeps
#   the idea of reading in both directions and replaces nearly every part, with rotary positions, pre-norm and
#   gates.
# - **Tied.** Vaswani et al. tie even three tables, those of both languages and the output, and multiply a row
#   by $\sqrt D$ where it is read (section 3.4). BERT does not multiply; its norm comes right behind (12.1).
# - **Segments**: a model has two kinds, and a text with one sentence uses kind 0 alone. They are learned rows
#   like any other.
#
# ## Exercises
#
# Some functions of this chapter are for you to write. `minibert learn start` makes a folder with a file for
# each, and `minibert learn check` says whether it is right and, if not, what is wrong with it. Each stands
# alone. What comes after them is done with a pencil, or leads further.
#
# ### To write: by hand

# %%
exercise("bert_backward")

# %%
exercise("pretraining_backward")

# %% [markdown]
# ### To write: in PyTorch

# %%
exercise("torch_bert")

# %%
exercise("torch_pool")

# %%
exercise("torch_word_head")

# %%
exercise("torch_features")

# %%
exercise("torch_start_weights")

# %% [markdown]
# ### To think about
#
# **1. Pencil.** Count the parameters of BERT's large model ($L = 24$, $D = 1024$, $F = 4096$) without its
# heads. How many are in the table, and how many would *untying* add?
#
# <details><summary>Hint</summary>
#
# A block has $12 D^2 + 13 D$ = 12,596,224. The tables are $31036 \cdot 1024 + 2048$. Together, with the
# pooler, 335,141,888. Untying adds $30522 \cdot 1024$ = 31,254,528.
#
# </details>
#
# **2. One word.** In the pencil case let the right answer be word 1 itself. What is the gradient of each row
# now, from above, from below, together? Which way does $E_1$ go, and why does that make sense?
#
# <details><summary>Hint</summary>
#
# $p - y = (-\frac12, \frac14, \frac14)$. From below: $-\frac12 E_1 + \frac14 E_2 + \frac14 E_3$, and the last
# two cancel. Together $-E_1$: a step downhill makes the row longer, and the word surer of itself.
#
# </details>
#
# **3. Untied.** Give the words' head a table of its own, in `start` and in `pretraining_forward`, and train.
# Does it learn faster or slower, to the same floor?
#
# <details><summary>Hint</summary>
#
# `words_forward` takes the table as an argument. The last line of `pretraining_backward` becomes
# `gradients["words.table"] = dtokens`.
#
# </details>
#
# **4. Without segments.** Train with all segments at 0. Can the model still tell the pairs? What tells it
# where B begins?
#
# <details><summary>Hint</summary>
#
# `[SEP]`, and the positions. Is the loss of the pairs later to fall?
#
# </details>
#
# **5. A mean in place of [CLS].** Let the pairs be told from the mean of all tokens that are not padding.
# Derive its backward pass and prove it.
#
# <details><summary>Hint</summary>
#
# The mean over $n_b$ tokens gives each of them $dh^{\text{pairs}}_b / n_b$, and padding nothing.
#
# </details>
#
# **6. A deeper look.** How many blocks does this language need? Train with $L = 1$ and see which question
# suffers. Why can one block not tell the pairs when the animal of A is hidden?
#
# <details><summary>Hint</summary>
#
# `[MASK]` has to find its verb first, and only then can `[CLS]` compare what was found. That is two steps of
# looking.
#
# </details>

# %%
D = 1024  # the numbers of the hints
assert 12 * D**2 + 13 * D == 12_596_224 and 30522 * D == 31_254_528
assert 31036 * D + 2048 + 24 * 12_596_224 + D * D + D == 335_141_888
answer = np.array([0])
_, (looked_up, compared, cost) = tied(E)
dx, as_output, _ = linear_backward(cross_entropy_backward(1.0, cost), compared)
assert np.allclose((as_output + lookup_backward(dx, looked_up))[0], -E[0])

# %% [markdown]
# ## Further reading
#
# - Devlin, Chang, Lee and Toutanova 2019, *BERT: pre-training of deep bidirectional transformers for language
#   understanding*, [arXiv:1810.04805](https://arxiv.org/abs/1810.04805). Section 3 and appendix A are this
#   chapter and the next; figure 3 there is our first picture.
# - Their code: [github.com/google-research/bert](https://github.com/google-research/bert), `modeling.py` and
#   `run_pretraining.py`.
# - Peters et al. 2018, *Deep contextualized word representations*,
#   [arXiv:1802.05365](https://arxiv.org/abs/1802.05365). ELMo: two directions, side by side.
# - Press and Wolf 2017, *Using the output embedding to improve language models*,
#   [arXiv:1608.05859](https://arxiv.org/abs/1608.05859), and Inan, Khosravi and Socher 2017, *Tying word
#   vectors and word classifiers*, [arXiv:1611.01462](https://arxiv.org/abs/1611.01462).
# - Turc, Chang, Lee and Toutanova 2019, *Well-read students learn better*,
#   [arXiv:1908.08962](https://arxiv.org/abs/1908.08962). The small BERTs.
# - Liu et al. 2019, *RoBERTa*, [arXiv:1907.11692](https://arxiv.org/abs/1907.11692); Lan et al. 2020,
#   *ALBERT*, [arXiv:1909.11942](https://arxiv.org/abs/1909.11942); Warner et al. 2024, *Smarter, better,
#   faster, longer* (ModernBERT), [arXiv:2412.13663](https://arxiv.org/abs/2412.13663).
# - Michel, Levy and Neubig 2019, *Are sixteen heads really better than one?*,
#   [arXiv:1905.10650](https://arxiv.org/abs/1905.10650).
# - Rogers, Kovaleva and Rumshisky 2020, *A primer in BERTology*,
#   [arXiv:2002.12327](https://arxiv.org/abs/2002.12327). What was found inside.
