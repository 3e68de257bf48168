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
# # 17 · Freezing (冻结)
#
# *A model has read for days. Now it is to learn something small, from a few examples. How much of it may
# change?*
#
# **Files:** `minibert/model/freezing.py` · `minibert/byhand/lora.py` · `minibert/model/lora.py` ·
# `minibert/recipes/strategies.py` · `minibert/recipes/frozen_features.py` ·
# `minibert/recipes/forgetting.py` · `minibert/recipes/word_heads.py` · `minibert/batches/changes.py` ·
# `minibert/recipes/substitutes.py` · `minibert/plots/tradeoff.py` · `minibert/learn/checks/lora.py` ·
# `minibert/learn/checks/model_lora.py` · `minibert/learn/checks/model_freezing.py` ·
# `minibert/learn/checks/changes.py` · `tests/test_lora.py` · `tests/test_freezing.py` ·
# `tests/test_strategies.py` · `tests/test_frozen_features.py` · `tests/test_forgetting.py` ·
# `tests/test_changes.py` · `tests/test_substitutes.py`
#
# **Needs:** [09 Optimizer](09_optimizer.ipynb), [12 BERT](12_bert.ipynb),
# [13 Objectives](13_objectives.ipynb), [16 Fine-tuning](16_finetuning.ipynb)
#
# **Time:** 70 minutes

# %% [markdown]
# ## The question: what may change?
#
# In chapter 16 a pretrained **body** (主干), embeddings and a stack of blocks, got a new **head** (任务头), a
# small layer that had learned nothing yet. Then all of it learned from labelled examples. Of these there may
# be hundreds, where the body has read millions of sentences.
#
# There is a danger in it. The head begins as noise, so the first gradients that come down from it are noise
# as well, and they shake a body that was good. And what the body knew of words that no labelled example has
# may be overwritten on the way. This is called **catastrophic forgetting** (灾难性遗忘). If nothing but the
# head learns, nothing is forgotten; but then the task has to be solved with what the body says already.
#
# So the **strategies** (策略) of this chapter go from one end to the other:
#
# | strategy | what learns |
# |---|---|
# | whole | everything |
# | frozen (特征提取) | the head alone; the body is asked once, and its answers are kept |
# | last | the head and the last $k$ blocks |
# | gradual (逐层解冻) | the head at first, and one level more in each epoch, from the top down |
# | lora (低秩适配) | the head, and two small matrices beside each of some large ones, which are frozen |
#
# Three things can be added: a learning rate of its own for the new head, rates that fall from level to
# level, and top blocks that start again from noise. We shall try all of them on one toy, and ask of each
# how good the model gets, how many weights learn and in how many seconds, and how much is forgotten.

# %%
import copy
import tempfile
import time
from importlib import import_module
from pathlib import Path
from textwrap import fill

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

# %%
from minibert.batches.augmenting import Augmentation
from minibert.batches.changes import PAIRING, SWAP, swapped, tokens_to_keep
from minibert.batches.labels import Encoded, LabelledBatches, Ragged
from minibert.batches.mlm import choose_tokens, corrupt
from minibert.batches.sampling import integers, random_bits, uniform
from minibert.byhand.gradcheck import gradcheck
from minibert.byhand.lora import lora_backward, lora_forward, merge
from minibert.config import BertConfig, FinetuneConfig, HeadConfig
from minibert.learn.mutate import mutants
from minibert.learn.notebook import exercise, first_objection, show
from minibert.learn.proof import checks_of
from minibert.learn.sizes import Sizes
from minibert.model.bert import BertForPretraining
from minibert.model.classifier import BertClassifier
from minibert.model.freezing import layer_rates, let_learn, level_of, levels, unfrozen
from minibert.model.lora import LoraLinear, add_lora, lora, merge_lora
from minibert.plots import Cost, tradeoff_figure
from minibert.recipes.forgetting import under_its_head
from minibert.recipes.frozen_features import FeatureBatches, write_features
from minibert.recipes.strategies import at_step, levels_at_start, merged, optimizers, prepare, start_afresh
from minibert.train.optimizer import clip_gradients
from minibert.train.schedule import factor
from minibert.train.step import descend, remember_peaks

# %% [markdown]
# ## What the papers wrote
#
# Howard and Ruder fine-tuned language models before BERT was there, and found the order in which to do it:
#
# > Rather than fine-tuning all layers at once, which risks catastrophic forgetting, we propose to gradually
# > unfreeze the model starting from the last layer as this contains the least general knowledge […]: We
# > first unfreeze the last layer and fine-tune all unfrozen layers for one epoch. We then unfreeze the next
# > lower frozen layer and repeat, until we fine-tune all layers until convergence at the last iteration.
# >
# > Howard and Ruder 2018, section 3.3
#
# Three years later the models were so large that a copy of all weights for every task was too much. Hu and
# others left the weights as they are:
#
# > For a pre-trained weight matrix $W_0 \in \mathbb{R}^{d \times k}$, we constrain its update by
# > representing the latter with a low-rank decomposition $W_0 + \Delta W = W_0 + BA$, where
# > $B \in \mathbb{R}^{d \times r}$, $A \in \mathbb{R}^{r \times k}$, and the rank $r \ll \min(d, k)$.
# >
# > Hu et al. 2021, section 4.1
#
# ## A zoo to read about
#
# There are 48 animals, and four kinds of food. The text that the model reads says of each of them, again
# and again, what it eats: *the old otter likes fish.* Nothing else is to be learned from it.
#
# The task asks something that no sentence of that text says: **does this animal eat other animals?** Those
# that live on fish or meat do. And it asks in sentences in which nobody eats: *we met the otter.* The
# answer is told of four animals only, one of each kind: the cow, the seal, the finch and the wolf. The
# other 44 are for the test.
#
# So there is only one way to be right: to know from the reading that the otter eats what the seal eats. A
# model that forgets its reading can learn the four by heart, and no more.

# %%
EATEN_BY = {
    "hay": "cow horse sheep goat deer donkey hare camel elk bison llama zebra",
    "fish": "seal otter heron penguin pelican puffin gull stork walrus dolphin osprey tern",
    "seeds": "finch sparrow mouse hamster parrot dove squirrel canary quail vole chipmunk bunting",
    "meat": "wolf lion tiger lynx fox hyena leopard jaguar puma cobra weasel eagle",
}
FOODS, EATERS = list(EATEN_BY), [names.split() for names in EATEN_BY.values()]
ANSWERS, KNOWN = ("no", "yes"), 1
SPECIALS = ["[PAD]", "[CLS]", "[SEP]", "[MASK]"]
OTHERS = ["the", "a", "old", "young", "small", "big", "eats", "likes", "we", "i", "saw", "met", "."]
WORDS = [*SPECIALS, *sum(EATERS, []), *FOODS, *OTHERS]
PAD, CLS, SEP, MASK = range(4)
ID = {word: number for number, word in enumerate(WORDS)}
T = 9


def row(words):
    """Return a sentence as ids (T,), with [CLS] and [SEP] and filled up with padding."""
    ids = [CLS, *(ID[word] for word in words), SEP]
    return ids + [PAD] * (T - len(ids))


def one_of(draw, *words):
    """Return one of some words."""
    return words[draw.integers(len(words))]


def noun(draw, name):
    """Return an animal with its article and, half of the time, an adjective."""
    adjective = [one_of(draw, "old", "young", "small", "big")] if draw.random() < 0.5 else []
    return [one_of(draw, "the", "a"), *adjective, name]


def reading(draw):
    """Return a sentence of the text: what an animal eats."""
    kind, number = draw.integers(4), draw.integers(12)
    return [*noun(draw, EATERS[kind][number]), one_of(draw, "eats", "likes"), FOODS[kind], "."]


def asking(draw, known):
    """Return a sentence of the task with an animal whose answer is known, or not; and the answer."""
    kind, number = draw.integers(4), draw.integers(KNOWN) if known else draw.integers(KNOWN, 12)
    met = [one_of(draw, "we", "i"), one_of(draw, "saw", "met")]
    return [*met, *noun(draw, EATERS[kind][number]), "."], int(FOODS[kind] in ("fish", "meat"))


def readings(count, seed):
    """Return sentences of the text as ids (count, T)."""
    draw = np.random.default_rng(seed)
    return np.array([row(reading(draw)) for _ in range(count)])


def askings(count, seed, known):
    """Return sentences of the task as labelled texts."""
    draw = np.random.default_rng(seed)
    asked = [asking(draw, known) for _ in range(count)]
    ids = Ragged.of([[i for i in row(words) if i != PAD] for words, _ in asked])
    return Encoded(ids, ids.lengths, np.array([answer for _, answer in asked]), np.arange(count))


TO_LEARN, TO_TEST = askings(64, 5, known=True), askings(600, 7, known=False)

# %%
show_some = np.random.default_rng(0)
for _ in range(3):
    print("read: ", " ".join(reading(show_some)))
for known, told in ((True, "learn"), (False, "test ")):
    for _ in range(2):
        words, answer = asking(show_some, known)
        print(f"{told}:", " ".join(words), "->", ANSWERS[answer])
named = [
    {i for i in texts.ids.values.tolist() if WORDS[i] in sum(EATERS, [])} for texts in (TO_LEARN, TO_TEST)
]
assert len(named[0]) == 4 and len(named[1]) == 44 and not named[0] & named[1]

# %% [markdown]
# The model is a BERT of four blocks, 48 wide. It reads with masked words (chapter 13), for some seconds.
# What can it reach? Which article, adjective or verb was masked nobody can know, and a masked animal is one
# of the twelve that eat what the sentence says. But a masked *food* can be known for sure, by whoever
# remembers the animal.

# %%
SHAPE = BertConfig(len(WORDS), 4, 48, 4, 96, T, dropout=0.0, attention_dropout=0.0)
L = SHAPE.layers
SLOTS = 3


def word_loss(model, ids, seed):
    """Return the loss of masked words (nats)."""
    keys = random_bits(seed, np.arange(len(ids)))
    places, chosen = choose_tokens(ids > MASK, 0.25, SLOTS, keys)
    shown = corrupt(ids, places, chosen, keys, MASK, np.arange(MASK + 1, len(WORDS)))
    true = np.where(chosen, np.take_along_axis(ids, places, axis=1), -100)
    slots = places + T * np.arange(len(ids))[:, None]
    logits = model(
        torch.from_numpy(shown), None, torch.from_numpy(ids != PAD), torch.from_numpy(slots.ravel())
    ).words
    return F.cross_entropy(logits, torch.from_numpy(true.ravel()), ignore_index=-100)


def train(parameters, optimizers, loss, steps, before_step=lambda step: None):
    """Take some steps, with a rate that rises and falls (chapter 09)."""
    remember_peaks(optimizers)
    for step in range(steps):
        before_step(step)
        loss(step).backward()
        clip_gradients(parameters, 1.0)
        descend(optimizers, factor(step / steps, (step + 1) / steps, 0.1, "linear"))


pretrained = BertForPretraining(SHAPE, torch.Generator().manual_seed(0))
train(
    list(pretrained.parameters()),
    [torch.optim.AdamW(pretrained.parameters(), lr=3e-3, betas=(0.9, 0.98), fused=True)],
    lambda step: word_loss(pretrained, readings(48, [1, step]), step),
    600,
)

HELD_OUT = readings(400, 9)


@torch.no_grad()
def held_out_loss(model):
    """Return the loss of masked words on sentences that it was not trained on."""
    return float(word_loss(model, HELD_OUT, 3))


@torch.no_grad()
def foods_known(model):
    """Return the share of the animals with which a model puts the right food into "the … eats [MASK]."""
    ids = torch.tensor([row(["the", name, "eats", "[MASK]", "."]) for name in sum(EATERS, [])])
    logits = model(ids, None, ids != PAD).words[:, 4, [ID[food] for food in FOODS]]  # (48, 4)
    return float((logits.argmax(1) == torch.arange(4).repeat_interleave(12)).float().mean())


BEFORE = held_out_loss(pretrained)
print(f"loss of masked words: {BEFORE:.2f} nats; foods known: {foods_known(pretrained):.0%}")
assert BEFORE < 1.2 and foods_known(pretrained) > 0.9

# %% [markdown]
# ## Levels
#
# To freeze the lower part of a model, or to thaw it from the top down, one must know what lies below what. So
# its weights are laid out in **levels**: the embeddings are level 0, the blocks 1 to $L$, the head $L + 1$.
# The name of a weight tells its level. Two names need a thought. The norm behind the last block of a GPT or a
# ModernBERT finishes what that block began, so it goes with it. And BERT's pooler looks at one token, on
# behalf of the head: so it learns with the head, though it is saved with the body.

# %%
show(level_of, levels, let_learn)

# %%
HEAD = HeadConfig("classes", ANSWERS, dropout=0.0)


def new_classifier(seed=0):
    """Return a classifier with the pretrained body and a new head, and the generator that drew it."""
    generator = torch.Generator().manual_seed(seed)
    model = BertClassifier(SHAPE, HEAD, generator)
    model.bert.load_state_dict(pretrained.bert.state_dict())
    return model, generator


some, _ = new_classifier()
sizes = [sum(weight.numel() for weight in level) for level in levels(some)]
for i, size in enumerate(sizes):
    told = "embeddings" if i == 0 else "head and pooler" if i == L + 1 else f"block {i}"
    print(f"level {i}: {size:6,d} weights, {told}")
assert len(sizes) == L + 2 and sum(sizes) == sum(weight.numel() for weight in some.parameters())

# %% [markdown]
# A weight that does not learn has `requires_grad = False`. This does more than keep the optimizer away. Going
# forward, autograd notes which results depend on something that learns, and the way back visits only these.
# Below the lowest level that learns there are none: a frozen level at the bottom costs a forward pass and
# nothing else. Let us count. On the way back a product of matrices costs as much again for the gradient of
# what went in, and as much once more for the gradient of the weights. So a backward pass through everything
# costs two forward passes. (Beside the strategies stand the rates that we give them. A body so small bears
# larger ones than a real one, whose rate is near 5e-5.)


# %%
def flops(model):
    """Return the work of the matrix products of a forward and of a backward pass."""
    ids = torch.from_numpy(readings(32, 0))
    counts = []
    with FlopCounterMode(display=False) as counter:
        loss = model(ids, None, ids != PAD).square().sum()
        counts.append(counter.get_total_flops())
        loss.backward()
        counts.append(counter.get_total_flops())
    return counts[0], counts[1] - counts[0]


STRATEGIES = {
    "whole": dict(strategy="whole", lr=5e-4, head_lr=3e-3),
    "frozen": dict(strategy="frozen", lr=3e-3),
    "last": dict(strategy="last", last_layers=1, lr=1e-3, head_lr=3e-3),
    "gradual": dict(strategy="gradual", lr=1e-3, head_lr=3e-3),
    "lora": dict(strategy="lora", lora_rank=4, lr=1e-3, head_lr=3e-3),
}
backward_passes = {}
for name, chosen in STRATEGIES.items():
    model, generator = new_classifier()
    prepare(model, FinetuneConfig(**chosen), generator)
    forward, backward = flops(model)
    backward_passes[name] = backward / forward
    print(f"{name:8} backward pass: {backward / forward:5.2f} forward passes, in the first epoch")
assert 1.9 < backward_passes["whole"] <= 2.0
assert backward_passes["frozen"] == backward_passes["gradual"] < 0.05
assert backward_passes["last"] < 0.3 and 0.8 < backward_passes["lora"] < 1.1

# %% [markdown]
# The last block alone costs a sixth of a forward pass, not the half that a quarter of the blocks would
# suggest: this head reads only the first token, so most of the last block is worked out for that one alone
# (chapter 12). LoRA's backward pass goes all the way down, for its small matrices stand in every block. It
# saves the second product, that of the weights.
#
# ## The strategies
#
# With levels at hand a strategy is little more than a number: how many levels learn in the first step. Only
# gradual unfreezing has something to do before every step. It asks for the *number* of the step, and says
# anew of all levels whether they learn. So a run that was stopped and goes on (chapter 14) thaws as if
# nothing had happened.

# %%
show(levels_at_start, prepare, at_step)

# %% [markdown]
# Our 64 labelled sentences are four batches of 16. An epoch of four steps would be too short to learn in; so
# for the toy an "epoch" shall be 15 steps, and a run eight of these.

# %%
EPOCHS, EPOCH_STEPS = 8, 15
fig, axes = plt.subplots(1, 4, figsize=(9.6, 2.6), dpi=100, sharey=True)
for ax, name in zip(axes, ("whole", "frozen", "last", "gradual"), strict=True):
    model, generator = new_classifier()
    config = FinetuneConfig(**STRATEGIES[name])
    prepare(model, config, generator)
    thaw, learns = at_step(model, config, EPOCH_STEPS), np.zeros((L + 2, EPOCHS))
    for epoch in range(EPOCHS):
        thaw(epoch * EPOCH_STEPS)
        learns[:, epoch] = [level[0].requires_grad for level in levels(model)]
    ax.imshow(learns, origin="lower", cmap="Greys", vmin=-0.15, vmax=1.3, aspect="auto")
    ax.set(title=name, xlabel="epoch", xticks=range(EPOCHS), yticks=range(L + 2))
    ax.set_yticklabels(["embeddings", *(f"block {i + 1}" for i in range(L)), "head"])
    expected = {"whole": L + 2, "frozen": 1, "last": 2}.get(name)
    wanted = [expected or min(L + 2, unfrozen(epoch)) for epoch in range(EPOCHS)]
    assert learns.sum(0).tolist() == wanted
fig.suptitle("What learns (dark), level by level and epoch by epoch", y=1.04)
plt.show()

# %% [markdown]
# ### The lower, the slower
#
# There is a softer way than to freeze: to let the lower levels learn, but slowly. What lies near the words
# is of use for any task. What lies near the top was made for the question that pretraining asked, and has
# to change most. With the rate $\eta_L$ of the top block and a decay $d$,
#
# $$\eta_{i} = d \, \eta_{i+1}, \qquad \eta_i = d^{\,L - i} \, \eta_L \tag{17.1}$$
#
# down to the embeddings, level 0. Howard and Ruder 2018 (section 3.2) took $d = 1 / 2.6$. The **head** is not
# in the series, and has a rate of its own: it is new and has to come far, where the body should stay near
# where it is. If nothing else is said, it learns ten times as fast as the top block.
#
# **With the pencil:** four blocks, a top rate of 16 and a decay of $\frac12$: the embeddings learn at 1.

# %%
assert layer_rates(16.0, 0.5, L) == [1.0, 2.0, 4.0, 8.0, 16.0]
assert round(layer_rates(1.0, 1 / 2.6, 12)[0], 6) == 1e-5  # the embeddings of a BERT of 12 blocks
model, generator = new_classifier()
(adamw,) = optimizers(model, FinetuneConfig(lr=16.0, layer_decay=0.5))
rates = [group["lr"] for group in adamw.param_groups if group["weight_decay"]]
print("matrices, from the top block down, and the head:", rates)
assert rates == [16.0, 8.0, 4.0, 2.0, 1.0, 160.0]
show(layer_rates, optimizers)

# %% [markdown]
# ## A body that is asked once
#
# A frozen body without dropout says the same of a sentence in every epoch. So it need not be asked again:
# its answers, the **features** (特征), are worked out once and kept, and the head learns from a table. One
# epoch or a hundred, the body reads each sentence one time.
#
# The batches stay what they were: the same rows in the same order. They only bring along what the body says,
# and a model that is asked for its logits starts from there.

# %%
show(write_features, FeatureBatches)


# %%
def learn(model, config, batches, steps=EPOCHS * EPOCH_STEPS):
    """Fine-tune a model, in place."""
    train(
        list(model.parameters()),
        optimizers(model, config),
        lambda step: F.cross_entropy((batch := batches(step)).logits(model), batch.targets),
        steps,
        at_step(model, config, EPOCH_STEPS),
    )


def batches_of(encoded, seed=0):
    """Return batches of 16."""
    return LabelledBatches(encoded, PAD, 16, seed)


def with_features(model, batches):
    """Return batches that bring along what the body of a model says of each row."""
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder, "features.npy")
        write_features(model, batches, table)
        return FeatureBatches(**vars(batches), features=np.load(table))


frozen = FinetuneConfig(**STRATEGIES["frozen"])
heads, asked = [], {"always": 0, "once": 0}
for how in asked:
    model, generator = new_classifier()
    prepare(model, frozen, generator)
    model.body.register_forward_hook(lambda *_, how=how: asked.update({how: asked[how] + 1}))
    batches = batches_of(TO_LEARN)
    learn(model, frozen, batches if how == "always" else with_features(model, batches))
    heads.append(torch.cat([weight.detach().flatten() for weight in model.parameters()]))

apart = float((heads[0] - heads[1]).abs().max())
print("the body was asked", asked, "- and no weight differs by more than 1e-5")
assert apart < 1e-5 and asked == {"always": EPOCHS * EPOCH_STEPS, "once": 1}

# %% [markdown]
# The head that learned from the table is the one that learned with the body in the loop. The command keeps
# the table in the cache, under a name made of all that it depends on: the frozen weights, the shape, the
# rows. So another run, with another rate for the head, finds it there. Two things make a table impossible:
# dropout in the body, and texts that change from epoch to epoch, as those at the end of this chapter do.
#
# ## Two small matrices
#
# Now the other way: to change the body from bottom to top, but in each place only a little. LoRA's guess is
# that what fine-tuning does to a matrix of weights is simple:
#
# > we hypothesize that the change in weights during model adaptation also has a low "intrinsic rank"
# >
# > Hu et al. 2021, section 1
#
# A matrix of rank (秩) $r$ sends all its inputs through $r$ numbers. Is the guess true in our zoo? We
# fine-tune the whole body, take what has become of the query matrices, subtract what they were, and look at
# the singular values (奇异值) of the difference: how far it stretches what comes in along its first, second,
# third … direction. A matrix of rank $r$ has only $r$ that are not zero.


# %%
def tuned(name, seed=0, **changes):
    """Return a classifier that has learned by a strategy, how many weights could learn, and the seconds."""
    model, generator = new_classifier(seed)
    config = FinetuneConfig(**(STRATEGIES[name] | changes))
    prepare(model, config, generator)
    learned = sum(w.numel() for group in optimizers(model, config)[0].param_groups for w in group["params"])
    batches, began = batches_of(TO_LEARN, seed), time.process_time()
    learn(model, config, with_features(model, batches) if name == "frozen" else batches)
    return merged(model).eval(), learned, time.process_time() - began


wholly, *_ = tuned("whole")
stretches = torch.stack(
    [
        torch.linalg.svdvals(new.attention.query.weight.detach() - old.attention.query.weight.detach())
        for new, old in zip(wholly.body.blocks, pretrained.bert.blocks, strict=True)
    ]
)  # (L, D)
fig, ax = plt.subplots(figsize=(6.4, 3.0), dpi=100)
for i, (values, shade) in enumerate(zip(stretches, ("0.75", "0.55", "0.3", "0"), strict=True), start=1):
    ax.plot(range(1, len(values) + 1), values / values[0], color=shade, label=f"block {i}")
ax.set(
    xlabel="direction", ylabel="stretch, first = 1", title="What whole fine-tuning did to the query matrices"
)
ax.legend()
plt.show()
shares = (stretches[:, :4] ** 2).sum(1) / (stretches**2).sum(1)
print(f"in the first 4 of {SHAPE.width} directions: {', '.join(f'{x:.0%}' for x in shares)} of the squares")
assert shares.min() > 0.8

# %% [markdown]
# It is nearly so: four directions hold almost all of it. So let the change be of low rank from the start.
# Beside a frozen layer, which makes $x W^T + b$ of $x$, two matrices are put: $A$ (`down`, $r \times I$)
# takes the $I$ inputs down to $r$ numbers, $B$ (`up`, $O \times r$) takes them up to the $O$ outputs. With
# $s = \alpha / r$,
#
# $$y = x W^T + b + s \, (x A^T) B^T \tag{17.2}$$
#
# The constant $\alpha$ is chosen once and for all. As it is divided by $r$, twice the rank does not mean
# twice the change. And since all of it is linear, the layer and the two matrices can be one layer
# afterwards:
#
# $$W' = W + s \, B A \tag{17.3}$$
#
# The folder that is saved is that of a plain model. Nobody who opens it has to know of LoRA, and it is as
# fast as before.
#
# How small are they? A matrix of BERT's, 768 × 768, has 589,824 weights; the two beside it, with $r = 8$,
# have $8 \cdot (768 + 768) = 12{,}288$, one in 48. Which matrices should get them? In the paper (table 5) all
# choices had the same number of weights: those of query *and* value did better than either alone, with twice
# the rank, and about as well as all four matrices of attention. So these two it is, in every block; in a BERT
# of twelve that makes 294,912 weights that learn, of 110 million. (In GPT-2 query, key and value are one
# matrix, and what stands beside it is for all three.)

# %%
assert 768 * 768 == 589_824 == 48 * 8 * (768 + 768) and 12 * 2 * 8 * (768 + 768) == 294_912
show(lora_forward, LoraLinear, add_lora)

# %% [markdown]
# ### With the pencil
#
# One token of two features, $x = (1, 2)$; rank 1, $A = (3, 1)$, $B = (1, 0, -2)^T$, $\alpha = 4$, so $s =
# 4$. Down: $3 \cdot 1 + 1 \cdot 2 = 5$. Up, and times $s$: $(20, 0, -40)$. That is added to what the frozen
# layer makes of $x$.

# %%
x, A, B = np.array([[1.0, 2.0]]), np.array([[3.0, 1.0]]), np.array([[1.0], [0.0], [-2.0]])
y, cache = lora_forward(x, A, B, 4.0)
assert y.tolist() == [[20, 0, -40]]
frozen_weights = np.array([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]])
full = merge(frozen_weights, A, B, 4.0)
print(full)
assert np.array_equal(x @ full.T, x @ frozen_weights.T + y)

# %% [markdown]
# ### The backward pass, line by line
#
# Let $u = x A^T$ be the $r$ numbers in between, and let the gradient $dy$ come down from the outputs. Each
# of these numbers reaches the loss through every output, with the weight that $B$ has for it, and times $s$:
#
# $$du = s \, dy \, B \tag{17.4}$$
#
# From there on it is the linear layer of chapter 02. Each input reaches the loss through all $u$, and each
# weight of $A$ is used at every position, so that its gradients add up:
#
# $$dx = du \, A \tag{17.5}$$
#
# $$dA = du^T x \tag{17.6}$$
#
# And $B$ is a linear layer of its own, with $u$ for its input:
#
# $$dB = s \, dy^T u \tag{17.7}$$
#
# The frozen layer adds its own $dy\,W$ to $dx$, as ever. What is *not* there is $dW$: no third product, no
# gradient of the size of $W$, and no two averages of that size in AdamW.
#
# **With the pencil**, for $dy = (1, 5, 1)$: $dy\,B = 1 - 2 = -1$, so $du = -4$; $dx = (-12, -4)$;
# $dA = (-4, -8)$; and $dB = 4 \cdot 5 \cdot (1, 5, 1)^T = (20, 100, 20)^T$.

# %%
dx, dA, dB = lora_backward(np.array([[1.0, 5.0, 1.0]]), cache)
assert dx.tolist() == [[-12, -4]] and dA.tolist() == [[-4, -8]] and dB.tolist() == [[20], [100], [20]]

tensors = [torch.tensor(array, requires_grad=True) for array in (x, A, B)]  # and what does autograd say?
lora(*tensors, 4.0).backward(torch.tensor([[1.0, 5.0, 1.0]], dtype=torch.float64))
assert all((t.grad.numpy() == own).all() for t, own in zip(tensors, (dx, dA, dB), strict=True))
show(lora_backward)

# %% [markdown]
# ### Why one of them is zero, and not both
#
# $A$ starts as noise and $B$ as zeros. So in (17.2) nothing is added at first, and training begins with the
# pretrained model itself. Now look at the gradients. $dA$ has $B$ in it, by (17.4), and is zero in the first
# step. But $dB$ has $u$ in it, by (17.7), and that is not zero. So $B$ moves first, and from the second step
# on $A$ does, too. With zeros in both, neither would ever move. With noise in both, training would begin
# with a model that somebody has shaken. (What do the checks say to that?)

# %%
layer = LoraLinear(torch.nn.Linear(6, 5), 2, torch.Generator().manual_seed(0))
inputs = torch.randn(4, 6, generator=torch.Generator().manual_seed(1))
assert torch.equal(layer(inputs), layer.linear(inputs))
layer(inputs).square().sum().backward()
assert not layer.down.grad.any() and layer.up.grad.abs().min() > 0
assert layer.linear.weight.grad is None

torch.manual_seed(0)  # of the noise in the mistakes
for name in ("B is noise too", "A is zero too", "the layer is not frozen"):
    [mistake] = [one for one in mutants() if one.name.startswith(name) and one.stem == "model_lora"]
    said = fill(first_objection(mistake), 96, initial_indent="    ", subsequent_indent="    ")
    print(f"{mistake.name}\n{said}\n")

# %% [markdown]
# ### Merged
#
# (17.3) on the real thing: a classifier whose head, $A$ and $B$ are noise, as if they had learned, and the
# plain one that comes of it. Their logits are equal, up to rounding, and the names of the weights are those
# of any other classifier. When a run saves its model, `merged` does this to a copy.

# %%
untouched, generator = new_classifier()
with torch.no_grad():
    untouched.output.weight.normal_(generator=generator)
with_lora = copy.deepcopy(untouched)
add_lora(with_lora.body.blocks, 4, generator)
with torch.no_grad():
    for name, weight in with_lora.named_parameters():
        if name.endswith(".up"):
            weight.normal_(generator=generator)
plain = merged(with_lora)
batch = batches_of(TO_TEST).of(np.arange(32))
with torch.no_grad():
    logits, after, without = (batch.logits(one) for one in (with_lora, plain, untouched))
distance, shaken = (float((logits - other).abs().max()) for other in (after, without))
print(f"logits: merged and not merged differ by less than 1e-4, with and without LoRA by {shaken:.1f}")
assert distance < 1e-4 and shaken > 0.1
assert [name for name, _ in plain.named_parameters()] == [name for name, _ in some.named_parameters()]
show(merge_lora, merged)

# %% [markdown]
# ## A top that starts again
#
# The top blocks have learned to say which word is missing. For a task that may be the wrong place to begin.
# Zhang and others (2021, section 5) gave the last few blocks, and the pooler, the weights of a new model
# again; with few examples their results got better and less a matter of luck. How many blocks are best
# depends on the task. `--fresh-layers 1` tries one:

# %%
show(start_afresh)

# %% [markdown]
# ## What each costs
#
# The zoo's model is so small that Python itself takes most of its time. So let us first look at costs where
# they matter: on a body of the shape of `minilm`, six blocks, 384 wide, 22.7 million weights. (Its weights
# are random here: how long a step takes does not depend on them.) A weight that learns needs three numbers of
# four bytes beside itself: its gradient, and the two averages of AdamW (chapter 09). And we take the time, on
# one core, of steps with 4 sentences of 32 tokens each.

# %%
MINILM = BertConfig(30_522, 6, 384, 12, 1536, 512, dropout=0.0, attention_dropout=0.0)
DRAW = torch.Generator().manual_seed(0)
B = 4
some_ids, some_labels = torch.randint(5, 30_522, (B, 32), generator=DRAW), torch.tensor([0, 1, 0, 1])


def seconds(function, *arguments, times=2):
    """Return the least time of the processor that a function takes, when it is warm."""
    function(*arguments)
    taken = []
    for _ in range(times):
        began = time.process_time()
        function(*arguments)
        taken.append(time.process_time() - began)
    return min(taken)


def step(model, own, features=None):
    """Take a step: from the sentences, or from what the body says of them."""
    logits = model(some_ids) if features is None else model.logits(features)
    F.cross_entropy(logits, some_labels).backward()
    descend(own, 1.0)


costs = {}
for name in ("whole", "last", "lora", "frozen"):
    model = BertClassifier(MINILM, HEAD, DRAW)
    config = FinetuneConfig(**(STRATEGIES[name] | dict(last_layers=2, lora_rank=8)))
    prepare(model, config, DRAW)
    own = optimizers(model, config)
    remember_peaks(own)
    learning = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    costs[name] = learning, seconds(step, model, own)
    averages = sum(tensor.nbytes for state in own[0].state.values() for tensor in state.values())
    assert abs(averages / (8 * learning) - 1) < 0.001

with torch.no_grad():  # the last of them is the frozen one
    asking, features = seconds(model.features, some_ids), model.features(some_ids)
costs["frozen, from a table"] = learning, seconds(step, model, own, features)

TEXTS, PASSES = 1000, 3
print("                      weights that learn   beside them   ms a step   3 epochs of 1,000 texts")
total = {}
for name, (learning, taken) in costs.items():
    total[name] = TEXTS // B * (PASSES * taken + (asking if name == "frozen, from a table" else 0))
    print(
        f"{name:21} {learning:18,d} {12 * learning / 1e6:10.1f} MB {1000 * taken:11.1f} {total[name]:21.0f} s"
    )

# %%
assert round(costs["whole"][0] / 1e6, 1) == 22.7 and round(12 * costs["whole"][0] / 1e6) == 273
assert 12 * costs["lora"][0] < 0.01 * 12 * costs["whole"][0]
assert total["frozen, from a table"] < 0.7 * total["frozen"] < 0.7 * total["whole"]
assert total["last"] < total["whole"] > total["lora"]
assert costs["frozen, from a table"][1] < 0.1 * costs["frozen"][1]

# %% [markdown]
# What learns decides over the memory: 273 MB beside the weights of the whole model, less than a hundredth of
# it with LoRA. That is why people with one GPU like LoRA: a model whose weights just fit can be fine-tuned.
#
# The time has a floor, the forward pass, which is nearly all of a frozen step. LoRA's way back costs one
# more, as counted above, and that of the last two of six blocks two thirds of one. Whole fine-tuning pays
# two, and AdamW for half a model of word embeddings. Only the table goes below the floor: each text costs one
# forward pass in all, and a step of the head next to nothing. Of the seconds in the last line nearly all are
# this one pass; ten more epochs, or another head, cost a few seconds more. That is how a run of minutes
# becomes one of seconds.
#
# ## Side by side
#
# Now the zoo: 64 labelled sentences about four animals, and questions about the other 44. No labelled
# sentence has the names of these. So whoever answers right more often than a coin, half of the time, owes it
# to the reading. Each way to learn runs from three seeds (another head, other batches).


# %%
@torch.no_grad()
def accuracy(model, encoded):
    """Return the share of right answers."""
    batch = batches_of(encoded).of(np.arange(len(encoded)))
    return float((batch.logits(model).argmax(1) == batch.targets).float().mean())


RUNS = {
    "frozen": ("frozen", {}),
    "whole": ("whole", {}),
    "whole, too fast": ("whole", dict(lr=3e-3)),
    "whole, decay 1/2": ("whole", dict(layer_decay=0.5, lr=1e-3)),
    "whole, fresh top": ("whole", dict(fresh_layers=1)),
    "last block": ("last", {}),
    "gradual": ("gradual", {}),
    "LoRA": ("lora", {}),
}
bodies, learned_by_heart, found = {}, {}, {}
for name, (strategy, changes) in RUNS.items():
    runs = [tuned(strategy, seed, **changes) for seed in range(3)]
    bodies[name] = [model.body for model, _, _ in runs]
    learned_by_heart[name] = np.mean([accuracy(model, TO_LEARN) for model, _, _ in runs])
    found[name] = Cost(
        name,
        scores=[accuracy(model, TO_TEST) for model, _, _ in runs],
        seconds=float(np.mean([taken for _, _, taken in runs])),
        parameters=runs[0][1],
    )

print("                   right about the 44   about the four   weights that learn")
for name, cost in found.items():
    share = np.mean(cost.scores)
    print(f"{name:18} {share:18.0%} {learned_by_heart[name]:16.0%} {cost.parameters:20,d}")

# %%
tradeoff_figure([found[name] for name in RUNS if not name.startswith("whole, ")], "right answers")

# %% [markdown]
# Upper left, in both panels, is the best place. In the right one LoRA has it. In the left one the frozen body
# with its table is by far the quickest, but not the best. In a model so small most of a step is Python's own
# time; so the others gain little or none, and LoRA, which has more layers to call, none at all. The same
# picture of real texts is drawn by `minibert finetune classify minilm --data movie-reviews --compare
# whole,frozen,lora`.
#
# ## What is forgotten
#
# To ask a fine-tuned body what it still knows, it is put back under the head that guessed words. Nothing of
# that head has changed, and its output is the embedding of the words *as it was*. So the loss says what has
# become of the body. (`minibert finetune` measures this by itself where the body is a run of your own, since
# then it knows what that one has read.)

# %%
show(under_its_head)

# %%
forgot = {}
print("                   loss of masked words (nats)   foods known")
print(f"{'before':18} {BEFORE:27.2f} {foods_known(pretrained):13.0%}")
for name, three in bodies.items():
    again = [under_its_head(copy.deepcopy(pretrained), body) for body in three]
    forgot[name] = np.mean([held_out_loss(model) for model in again])
    print(f"{name:18} {forgot[name]:27.2f} {np.mean([foods_known(model) for model in again]):13.0%}")

# %%
fig, ax = plt.subplots(figsize=(7.4, 3.6), dpi=100)
for name, look in zip(RUNS, "ovXsDP^*", strict=True):
    ax.plot(forgot[name], np.mean(found[name].scores), look, color="0", mfc="0.7", ms=9, label=name)
ax.axvline(BEFORE, color="0.6", ls=":")
ax.text(BEFORE + 0.05, 0.72, "the body before", color="0.4")
ax.set(xlabel="loss of masked words afterwards (nats)", ylabel="right answers", ylim=(0.7, 1.02))
ax.set_title("The more is forgotten, the worse the answers (but for “frozen”)", size=11)
ax.legend(loc="lower left", bbox_to_anchor=(1, 0), fontsize=9)
fig.tight_layout()
plt.show()

# %%
right = {name: np.mean(cost.scores) for name, cost in found.items()}
weights = {name: cost.parameters for name, cost in found.items()}
took = {name: cost.seconds for name, cost in found.items()}
CAREFUL = ("last block", "gradual", "LoRA", "whole, decay 1/2")

assert min(learned_by_heart.values()) > 0.9
assert 0.7 < right["frozen"] < right["whole"] < min(right[name] for name in CAREFUL)
assert min(right[name] for name in CAREFUL) > 0.97
assert right["whole, too fast"] < right["whole"] - 0.05 and right["whole, fresh top"] < right["whole"]
assert abs(forgot["frozen"] - BEFORE) < 1e-5 and abs(forgot["LoRA"] - BEFORE) < 0.1
assert max(forgot[name] for name in CAREFUL) < forgot["whole"] < forgot["whole, fresh top"]
assert forgot["whole, too fast"] > forgot["whole"] + 1 > BEFORE + 1.1
assert 3.5 < weights["whole"] / weights["last block"] < 4.5 and 14 < weights["whole"] / weights["LoRA"] < 16
assert took["frozen"] < 0.5 * min(seconds for name, seconds in took.items() if name != "frozen")
assert took["LoRA"] > 0.6 * took["whole"]

# %% [markdown]
# What we see, in this zoo; it is not a law:
#
# - **Frozen** comes far: something of what an animal eats is in what the body says of any sentence about it,
#   though nobody asked. But the head can only pick what is there.
# - **Whole** is better, and forgets a part of its reading. **Too fast**, it forgets nearly all of it, and
#   gets worse at the *task*: for this task needs what was read.
# - **The last block, gradual unfreezing, falling rates and LoRA** are right about all animals, or nearly,
#   and forget less. The last block has a quarter of the weights, LoRA one in fifteen. LoRA forgets next to
#   nothing here.
# - **A fresh top** brings nothing here, and costs: what the top block knew of the text is gone.
#
# On a real task the differences are smaller, and some go the other way: with many examples whole fine-tuning
# often gets a little further than the rest (Biderman et al. 2024 compare it with LoRA). What holds everywhere
# is what each of them costs.
#
# ## Sentences that change
#
# So far we asked how much of the model may change, since there are few examples. Chapter 16 had another
# answer to that: make more of them, by changing them a little in every epoch (**augmentation**, 数据增强).
# Leave a word out, and a review is still the same opinion. Let two neighbours change places. Put another word
# in the place of one: the model itself, before it learns, can say which would fit (Kobayashi 2018). Where the
# labels say where words stand, as for names in a text or for answers, only the last of these will do.
#
# It fits into this chapter for two reasons. Whoever changes texts cannot have a table of features. And a run
# that was stopped must see the same changes when it goes on. So the dice are thrown as in chapter 13: each
# change is a pure function of the seed, the epoch, the number of the example and the place in it.

# %%
show(tokens_to_keep, swapped)

# %% [markdown]
# **With the pencil.** A row of five tokens, all of which may move. A coin of the row says where the pairs
# begin; it is 0: the pairs are the places (0, 1) and (2, 3), and the last token is alone. The numbers of the
# two pairs are, say, 0.1 and 0.8. At a rate of 0.3 the first pair changes places: tokens come from the places
# 1, 0, 2, 3, 4.

# %%
keys = random_bits(0, np.arange(50))
coins, numbers = integers(2, keys, PAIRING), uniform(keys[:, None], SWAP, np.arange(5))
like_this = int(np.flatnonzero((coins == 0) & (numbers[:, 0] < 0.3) & (numbers[:, 2] >= 0.3))[0])
order = swapped(np.ones((1, 5), bool), 0.3, keys[like_this : like_this + 1])
assert order.tolist() == [[1, 0, 2, 3, 4]]

change = Augmentation(TO_LEARN, np.arange(4), delete=0.2, swap=0.2)
augmented = LabelledBatches(TO_LEARN, PAD, 16, augment=change)
versions = {}
for step in range(12):
    batch = augmented(step)
    for number, ids in zip(batch.rows.tolist(), batch.ids.tolist(), strict=True):
        versions.setdefault(number, []).append(" ".join(WORDS[i] for i in ids if i > MASK))
original = " ".join(WORDS[i] for i in TO_LEARN.ids.padded(np.array([0]), PAD)[0] if i > MASK)
print(f"{original}\n   " + "\n   ".join(versions[0][:4]))
assert len(set(versions[0])) > 1

# %% [markdown]
# Nobody promises that the label stays true: leave out *not*, and *not bad* is bad. So the rates should be
# smaller than here, and whether it helps is a question for the validation set.
#
# ## The proof
#
# The backward pass of LoRA against finite differences and against its twin in PyTorch, and all that the
# checks ask of the functions of this chapter:

# %%
draw = np.random.default_rng(0)
error = gradcheck(
    lora_forward,
    lora_backward,
    draw.normal(size=(2, 3, 6)),
    draw.normal(size=(2, 6)),
    draw.normal(size=(5, 2)),
    3.0,
)
print(f"largest relative error of a gradient: {error:.0e}")
assert error < 1e-7

for stem in ("lora", "model_lora", "model_freezing", "changes"):
    promised = checks_of(import_module(f"minibert.learn.checks.{stem}"))
    for each in promised:
        each.run(Sizes(), 0)
    print(f"{stem}: {len(promised)} checks passed")

# %% [markdown]
# ## What the papers do differently
#
# - **The rank's constant.** Hu et al. set $\alpha$ to the first rank that they try, and do not tune it. In
#   `minibert` it is 8, the usual rank.
# - **Which matrices.** For large language models it has since become usual to put the small matrices beside
#   *all* linear layers, also those of the feed-forward blocks (Dettmers et al. 2023). With as many weights
#   in all, each of them then has a smaller rank.
# - **The noise.** The paper does not say how strong the noise in $A$ is. Ours lets $u$ be as strong as $x$.
# - **When the rate rises.** Howard and Ruder let the rate of each step rise quickly and fall slowly (the
#   *slanted triangle*), which is the warmup of chapter 09.
# - **A level in each epoch.** With three epochs only the head and two blocks ever learn; the paper goes on
#   until all do. For all of `minilm` it takes `--epochs 8`, and better some more.
# - **Adapters.** Houlsby et al. 2019 put small layers *between* the large ones. They cannot be merged, for
#   there is an activation in them.
#
# ## Exercises
#
# Some functions of this chapter are for you to write. `minibert learn start` makes a folder with a file for
# each, and `minibert learn check` says whether it is right and, if not, what is wrong with it. Each stands
# alone. What comes after them is done with a pencil, or leads further.
#
# ### To write: LoRA by hand

# %%
exercise("lora_forward")

# %%
exercise("lora_backward")

# %%
exercise("lora_merge")

# %% [markdown]
# ### To write: LoRA in PyTorch

# %%
exercise("torch_lora")

# %%
exercise("torch_lora_init")

# %%
exercise("torch_lora_merged")

# %% [markdown]
# ### To write: levels

# %%
exercise("torch_level_of")

# %%
exercise("torch_let_learn")

# %%
exercise("torch_layer_rates")

# %% [markdown]
# ### To write: sentences that change

# %%
exercise("tokens_to_keep")

# %%
exercise("swapped")

# %% [markdown]
# ### To think about
#
# **1. Pencil.** A layer has 1024 inputs and 4096 outputs. From which rank on do the two small matrices have
# as many weights as the layer?
#
# <details><summary>Hint</summary>
#
# $r \, (1024 + 4096) = 1024 \cdot 4096$, so $r = 819.2$: long before the 1024 that the rank can be at most.
#
# </details>
#
# **2. The optimizer's memory.** AdamW keeps two averages for each weight that learns. How many numbers does
# training hold for a BERT of 110 million weights in which 294,912 of LoRA's and 592,130 of the pooler and
# the head learn? And if all learn? Count weights, gradients and averages.
#
# <details><summary>Hint</summary>
#
# One number for each weight, and three more for each that learns: $110 + 3 \cdot 0.89 = 112.7$ million, and
# $4 \cdot 110 = 440$ million.
#
# </details>
#
# **3. A pure function.** Somebody writes gradual unfreezing as a program that thaws the next level at the
# end of each epoch. A run is stopped in the third epoch, and goes on. What learns?
#
# <details><summary>Hint</summary>
#
# A process that starts anew begins with the head alone, and thaws one level at the next end of an epoch. No
# error is raised, and the loss goes down.
#
# </details>
#
# **4. Two heads, one body.** In the zoo, train a second head on the frozen body: does the animal eat
# plants? How much of the work can the two share? And with LoRA?
#
# <details><summary>Hint</summary>
#
# With a frozen body all of it: one table of features serves both. With LoRA the bodies differ, but only by
# two small matrices in each block: the large ones need to be in memory only once.
#
# </details>
#
# **5. Unmerged again.** From $W'$ and the two matrices $W$ can be had back, by taking off $s B A$. Is it
# the same $W$, to the bit?
#
# <details><summary>Hint</summary>
#
# Not in general: the sum was rounded. Who wants $W$ again keeps it.
#
# </details>
#
# **6. Was it fair?** In the table "whole" had one rate, and "too fast" another. Let it run at 1e-4, 2.5e-4
# and 1e-3. Where does its point go in both pictures? What would you have to do before you say that LoRA is
# better?
#
# <details><summary>Hint</summary>
#
# Choose the rate of each of them in the same way: on validation texts, with the same number of tries.
#
# </details>

# %%
assert 1024 * 4096 / (1024 + 4096) == 819.2
assert 768 * 768 + 768 + 2 * 768 + 2 == 592_130 and round(110 + 3 * (294_912 + 592_130) / 1e6, 1) == 112.7

# %% [markdown]
# ## Further reading
#
# - Howard and Ruder 2018, *Universal language model fine-tuning for text classification*,
#   [arXiv:1801.06146](https://arxiv.org/abs/1801.06146), sections 3.2 and 3.3. ULMFiT.
# - Devlin, Chang, Lee and Toutanova 2019, *BERT*, [arXiv:1810.04805](https://arxiv.org/abs/1810.04805),
#   section 5.3: features of a frozen body.
# - Houlsby et al. 2019, *Parameter-efficient transfer learning for NLP*,
#   [arXiv:1902.00751](https://arxiv.org/abs/1902.00751). Adapters.
# - Zhang, Wu, Katiyar, Weinberger and Artzi 2021, *Revisiting few-sample BERT fine-tuning*,
#   [arXiv:2006.05987](https://arxiv.org/abs/2006.05987), section 5.
# - Hu et al. 2021, *LoRA: low-rank adaptation of large language models*,
#   [arXiv:2106.09685](https://arxiv.org/abs/2106.09685), sections 4.1 and 7.1.
# - Dettmers, Pagnoni, Holtzman and Zettlemoyer 2023, *QLoRA*,
#   [arXiv:2305.14314](https://arxiv.org/abs/2305.14314).
# - Biderman et al. 2024, *LoRA learns less and forgets less*,
#   [arXiv:2405.09673](https://arxiv.org/abs/2405.09673).
# - Wei and Zou 2019, *EDA: easy data augmentation techniques for boosting performance on text
#   classification tasks*, [arXiv:1901.11196](https://arxiv.org/abs/1901.11196).
# - Kobayashi 2018, *Contextual augmentation*, [arXiv:1805.06201](https://arxiv.org/abs/1805.06201).
# - McCloskey and Cohen 1989, *Catastrophic interference in connectionist networks*, Psychology of Learning
#   and Motivation 24, 109–165.
