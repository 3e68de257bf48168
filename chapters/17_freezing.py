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
# `minibert/batches/augmenting.py` · `minibert/recipes/substitutes.py` · `minibert/learn/checks/lora.py` ·
# `minibert/learn/checks/model_lora.py` · `minibert/learn/checks/model_freezing.py` ·
# `minibert/learn/checks/changes.py` · `tests/test_lora.py` · `tests/test_freezing.py` ·
# `tests/test_strategies.py` · `tests/test_frozen_features.py` · `tests/test_forgetting.py` ·
# `tests/test_augmenting.py` · `tests/test_substitutes.py`
#
# **Needs:** [09 Optimizer](09_optimizer.ipynb), [12 BERT](12_bert.ipynb),
# [13 Objectives](13_objectives.ipynb)
#
# **Time:** 70 minutes

# %% [markdown]
# ## The question: what may change?
#
# A pretrained model is a **body** (主干): embeddings and a stack of blocks. For a task it gets a new
# **head** (任务头), a small layer that has learned nothing yet. **Fine-tuning** (微调) teaches head and
# body with a few labelled examples. There are thousands of these, where the body has read millions of
# sentences.
#
# If all weights learn, there is a danger. The head begins as noise, so the first gradients that come down
# from it are noise as well, and they shake a body that was good. What the body knew of words that the
# labelled examples do not have is overwritten by the way. This is called **catastrophic forgetting**
# (灾难性遗忘). If nothing but the head learns, nothing is forgotten; but then the task has to be solved
# with what the body says anyway.
#
# Between these two lie the **strategies** (策略) of this chapter:
#
# | strategy | what learns |
# |---|---|
# | whole | everything |
# | frozen (特征提取) | the head alone; the body is asked once, and its answers are kept |
# | last | the head and the last $k$ blocks |
# | gradual (逐层解冻) | the head at first, and one level more in each epoch, from the top down |
# | lora (低秩适配) | the head, and two small matrices beside some large ones, which are frozen |
#
# Two more things go with each of them: a learning rate that falls from level to level, and top blocks that
# start again from noise. We shall try all on one toy, and measure three numbers: how good the model gets,
# how many weights learn, and how much is forgotten.

# %%
import copy
from importlib import import_module

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
from minibert.model.lora import LoraLinear, add_lora, merge_lora
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
# So there is only one way to be right: to know from the reading that the otter is like the seal. A model
# that forgets its reading can learn the four by heart, and no more.

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


def noun(draw, name):
    """Return an animal with its article and, half of the time, an adjective."""
    adjective = [str(draw.choice(["old", "young", "small", "big"]))] if draw.random() < 0.5 else []
    return [str(draw.choice(["the", "a"])), *adjective, name]


def reading(draw):
    """Return a sentence of the text: what an animal eats."""
    kind, number = draw.integers(4), draw.integers(12)
    return [*noun(draw, EATERS[kind][number]), str(draw.choice(["eats", "likes"])), FOODS[kind], "."]


def asking(draw, known):
    """Return a sentence of the task with an animal whose answer is known, or not; and the answer."""
    kind, number = draw.integers(4), draw.integers(KNOWN) if known else draw.integers(KNOWN, 12)
    met = [str(draw.choice(["we", "i"])), str(draw.choice(["saw", "met"]))]
    return [*met, *noun(draw, EATERS[kind][number]), "."], int(FOODS[kind] in ("fish", "meat"))


def readings(count, seed):
    """Return sentences of the text as ids (count, T)."""
    draw = np.random.default_rng(seed)
    return np.array([row(reading(draw)) for _ in range(count)])


def askings(count, seed, known):
    """Return sentences of the task, each once or more often, as labelled texts."""
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
# What can it reach? Of a masked article, adjective or verb nobody can know which it was, and of a masked
# animal only the food is known. But of a masked *food* everything is known, to whoever remembers the
# animal.

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


def train(parameters, own, loss, steps, before_step=lambda step: None):
    """Take some steps, with a rate that rises and falls (chapter 09)."""
    remember_peaks(own)
    for step in range(steps):
        before_step(step)
        loss(step).backward()
        clip_gradients(parameters, 1.0)
        descend(own, factor(step / steps, (step + 1) / steps, 0.1, "linear"))


pretrained = BertForPretraining(SHAPE, torch.Generator().manual_seed(0))
train(
    list(pretrained.parameters()),
    [torch.optim.AdamW(pretrained.parameters(), lr=3e-3, betas=(0.9, 0.98))],
    lambda step: word_loss(pretrained, readings(48, [1, step]), step),
    600,
)

HELD_OUT = readings(1000, 9)


@torch.no_grad()
def held_out_loss(model):
    """Return the loss of masked words on sentences that it was not trained on."""
    return float(word_loss(model, HELD_OUT, 3))


@torch.no_grad()
def food_of(model, animal):
    """Return the food that a model puts into "the … eats [MASK]."""
    ids = torch.tensor([row(["the", animal, "eats", "[MASK]", "."])])
    logits = model(ids, None, ids != PAD).words[0, 4]
    return FOODS[int(logits[[ID[food] for food in FOODS]].argmax())]


def foods_known(model):
    """Return the share of the animals of which a model knows what they eat."""
    return np.mean([food_of(model, name) == food for food in FOODS for name in EATEN_BY[food].split()])


BEFORE = held_out_loss(pretrained)
print(f"loss of masked words: {BEFORE:.2f} nats; foods known: {foods_known(pretrained):.0%}")
assert BEFORE < 1.2 and foods_known(pretrained) > 0.9

# %% [markdown]
# ## Levels
#
# To freeze from the bottom up, and to thaw from the top down, a model must be laid out in **levels**: the
# embeddings, level 0; the blocks, 1 to $L$; the head, $L + 1$. What is of which level can be told from the
# name of a weight. Two names need a thought. The norm behind the last block of a GPT or a ModernBERT
# finishes what that block began, so it goes with it. And BERT's pooler is part of the body only on paper:
# it looks at one token on behalf of the head, and so it learns with the head.

# %%
show(level_of, levels, let_learn)

# %%
HEAD = HeadConfig("classes", ANSWERS, dropout=0.0)


def new_classifier(seed=0, body=pretrained):
    """Return a classifier on a pretrained body; without one, on a body that has read nothing."""
    generator = torch.Generator().manual_seed(seed)
    model = BertClassifier(SHAPE, HEAD, generator)
    if body is not None:
        model.bert.load_state_dict(body.bert.state_dict())
    return model, generator


some, _ = new_classifier()
sizes = [sum(weight.numel() for weight in level) for level in levels(some)]
for i, size in enumerate(sizes):
    told = "embeddings" if i == 0 else "head and pooler" if i == L + 1 else f"block {i}"
    print(f"level {i}: {size:6,d} weights, {told}")
assert len(sizes) == L + 2 and sum(sizes) == sum(weight.numel() for weight in some.parameters())

# %% [markdown]
# A weight that does not learn has `requires_grad = False`. This is more than a word to the optimizer.
# Autograd looks, going forward, which results depend on something that learns, and remembers only these.
# Below the lowest level that learns nothing does, so the backward pass ends there: a frozen level costs a
# forward pass and nothing else. Let us count. A product of matrices costs as much again for the gradient of
# what went in, and as much once more for the gradient of the weights. So a backward pass through all costs
# two forward passes.


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
# LoRA's backward pass goes all the way down, for its small matrices stand in every block. It saves the
# second product, that of the weights.
#
# ## The strategies
#
# With levels at hand each strategy is a number: how many of them learn in the first step. Then only gradual
# unfreezing has something to do before every step. It asks for the *number* of the step, and says of all
# levels anew whether they learn. So a run that was stopped and goes on (chapter 14) thaws as if nothing had
# happened.

# %%
show(levels_at_start, prepare, at_step)

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
    ax.imshow(learns, origin="lower", cmap="Greens", vmin=-0.2, vmax=1.4, aspect="auto")
    ax.set(title=name, xlabel="epoch", xticks=range(EPOCHS), yticks=range(L + 2))
    ax.set_yticklabels(["embeddings", *(f"block {i + 1}" for i in range(L)), "head"])
    expected = {"whole": L + 2, "frozen": 1, "last": 2}.get(name)
    wanted = [expected or min(L + 2, unfrozen(epoch)) for epoch in range(EPOCHS)]
    assert learns.sum(0).tolist() == wanted
fig.suptitle("What learns (green), level by level and epoch by epoch", y=1.04)
plt.show()

# %% [markdown]
# ### The lower, the slower
#
# There is a softer way than to freeze: to let the lower levels learn, but slowly. What lies near the words
# is of use for any text. What lies near the top was made for the question that pretraining asked, and must
# change most. With the rate $\eta_L$ of the top block and a decay $d$,
#
# $$\eta_{i} = d \, \eta_{i+1}, \qquad \eta_i = d^{\,L - i} \, \eta_L \tag{17.1}$$
#
# down to the embeddings, level 0. Howard and Ruder 2018 (section 3.2) took $d = 1 / 2.6$. The head is not
# in the series: it is new, and learns ten times as fast as the top block, if nothing else is said.
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
# The batches stay as they were, the same rows in the same order. Only, they bring along what the body says,
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


frozen = FinetuneConfig(**STRATEGIES["frozen"])
asked_always, generator = new_classifier()
prepare(asked_always, frozen, generator)
asked_once, generator = new_classifier()
prepare(asked_once, frozen, generator)

asked = {"always": 0, "once": 0}
for name, model in (("always", asked_always), ("once", asked_once)):
    model.body.register_forward_hook(lambda *_, name=name: asked.update({name: asked[name] + 1}))

learn(asked_always, frozen, batches_of(TO_LEARN))

with torch.no_grad():
    everything = batches_of(TO_LEARN).of(np.arange(len(TO_LEARN)))
    table = asked_once.features(everything.ids, everything.segments, everything.attend).numpy()
learn(asked_once, frozen, FeatureBatches(TO_LEARN, PAD, 16, features=table))

apart = max(
    (one - other).abs().max().item()
    for one, other in zip(asked_always.parameters(), asked_once.parameters(), strict=True)
)
print(
    f"the table: {table.shape[0]} sentences, {table.shape[1]} features; both heads differ by less than 1e-5"
)
print("the body was asked:", asked)
assert apart < 1e-5 and asked == {"always": EPOCHS * EPOCH_STEPS, "once": 1}

# %% [markdown]
# The head that learned from the table is the one that learned with the body in the loop. For a body of
# millions of weights that is the difference between minutes and seconds, and with many heads on one body
# (or many settings for one head) the body is paid only once. Two things end it: dropout in the body, and
# texts that change from epoch to epoch, as those at the end of this chapter do.
#
# ## Two small matrices
#
# Now the other way: to change *all* of the body, but only in a few directions. LoRA's guess is that what
# fine-tuning does to a matrix of weights is simple:
#
# > we hypothesize that the change in weights during model adaptation also has a low "intrinsic rank"
# >
# > Hu et al. 2021, section 1
#
# A matrix of rank $r$ sends all inputs through $r$ numbers. We fine-tune the whole body, take what has
# become of the query matrices, subtract what they were, and look at the singular values (奇异值) of the
# difference: how far it stretches the space in its first, second, third … direction.


# %%
def tuned(name, seed=0, body=pretrained, **changes):
    """Return a classifier that has learned by a strategy, and how many of its weights could learn."""
    model, generator = new_classifier(seed, body)
    config = FinetuneConfig(**(STRATEGIES[name] | changes))
    prepare(model, config, generator)
    learned = sum(w.numel() for group in optimizers(model, config)[0].param_groups for w in group["params"])
    learn(model, config, batches_of(TO_LEARN, seed))
    return merged(model).eval(), learned


wholly, _ = tuned("whole")
differences = [
    new.attention.query.weight.detach() - old.attention.query.weight.detach()
    for new, old in zip(wholly.body.blocks, pretrained.bert.blocks, strict=True)
]
stretches = torch.stack([torch.linalg.svdvals(difference) for difference in differences])  # (L, D)
energy = (stretches**2).cumsum(1) / (stretches**2).sum(1, keepdim=True)
plt.figure(figsize=(6.4, 3.0), dpi=100)
for i, values in enumerate(stretches):
    plt.plot(range(1, len(values) + 1), values / values[0], label=f"block {i + 1}")
plt.xlabel("direction")
plt.ylabel("stretch, first = 1")
plt.title("What whole fine-tuning did to the query matrices")
plt.legend()
plt.show()
print(
    "share of the change (squares) in the first 4 of 48 directions:",
    [f"{share:.0%}" for share in energy[:, 3]],
)
assert energy[:, 3].min() > 0.8

# %% [markdown]
# So let the change be of low rank from the start. Beside a frozen layer, which makes $x W^T + b$ of $x$,
# two matrices are put: $A$ (`down`, $r \times I$) takes the $I$ inputs down to $r$ numbers, $B$ (`up`,
# $O \times r$) takes them up to the $O$ outputs. With $s = \alpha / r$,
#
# $$y = x W^T + b + s \, (x A^T) B^T \tag{17.2}$$
#
# The constant $\alpha$ is chosen once and for all. As it is divided by $r$, twice the rank does not mean
# twice the change. And as both are linear, both can be one layer afterwards:
#
# $$W' = W + s \, B A \tag{17.3}$$
#
# The folder that is saved is that of a plain model. Nobody who opens it has to know of LoRA, and it is as
# fast as before.
#
# How small are they? A matrix of BERT's, 768 × 768, has 589,824 weights; beside it, with $r = 8$, there are
# $8 \cdot (768 + 768) = 12{,}288$, one in 48. The paper found which matrices should get them. With the same
# number of weights in all, both the query's and the value's together did better than either alone, and as
# well as all four of the attention. So these two it is, in every block; in a BERT of twelve that makes
# 294,912 weights that learn, of 110 million.

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
# of the $u$ reaches the loss through every output, with the weight that $B$ has for it, and times $s$:
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
show(lora_backward)

# %% [markdown]
# ### Why one of them is zero, and not both
#
# $A$ starts as noise and $B$ as zeros. So the sum in (17.2) adds nothing at first, and training begins with
# the pretrained model itself. And look at the gradients: $dA$ has $B$ in it, by (17.4), and is zero in the
# first step. But $dB$ has $u$ in it, which is not zero. So $B$ moves first, and from the second step on $A$
# does, too. With zeros in both, neither would ever move. With noise in both, training would begin with a
# model that somebody has shaken.

# %%
layer = LoraLinear(torch.nn.Linear(6, 5), 2, torch.Generator().manual_seed(0))
inputs = torch.randn(4, 6, generator=torch.Generator().manual_seed(1))
assert torch.equal(layer(inputs), layer.linear(inputs))
layer(inputs).square().sum().backward()
assert not layer.down.grad.any() and layer.up.grad.abs().min() > 0
assert layer.linear.weight.grad is None

for part in ("B is noise too", "A is zero too", "merged without alpha / r"):
    mistake = next(one for one in mutants() if one.name.startswith(part) and "model_lora" not in one.function)
    print(f"{mistake.name}\n    {first_objection(mistake)}\n")

# %% [markdown]
# ### Merged
#
# (17.3) on the real thing: a classifier with LoRA in all blocks and numbers in all $B$, and the plain one
# that comes of it.

# %%
with_lora, generator = new_classifier()
add_lora(with_lora.body.blocks, 4, generator)
with torch.no_grad():
    for name, weight in with_lora.named_parameters():
        if name.endswith(".up"):
            weight.normal_(generator=generator)
plain = copy.deepcopy(with_lora)
merge_lora(plain)
tests = batches_of(TO_TEST).of(np.arange(32))
with torch.no_grad():
    said = [one.features(tests.ids, attend=tests.attend) for one in (with_lora, plain, new_classifier()[0])]
distance, shaken = (float((said[0] - other).abs().max()) for other in said[1:])
print(f"merged and not merged differ by {distance:.0e}; with and without LoRA by {shaken:.1f}")
assert distance < 1e-5 < 0.1 < shaken
assert [name for name, _ in plain.named_parameters()] == [name for name, _ in some.named_parameters()]

# %% [markdown]
# ## A top that starts again
#
# The top blocks have learned to say which word is missing. For a task that may be the wrong thing to begin
# with. Zhang and others (2020, section 5) threw them away: the last few blocks, and the pooler, start again
# as noise, and with few examples the results got better and more even. Others have found that it depends on
# the task. `--fresh-layers 1` is a try that costs a line:

# %%
show(start_afresh)


# %% [markdown]
# ## Side by side
#
# All of them on the zoo, each from three seeds (another head, other batches), with 64 labelled sentences
# about the four animals. Three numbers: the share of right answers about the other 44; how many weights
# learned; and what is forgotten. For the last one the fine-tuned body is put back under the head that
# guessed words. Nothing of that head has changed, and its output is the embedding of the words *as it was*;
# so its loss says what has become of the body.


# %%
@torch.no_grad()
def accuracy(model, encoded=TO_TEST):
    """Return the share of right answers."""
    batch = batches_of(encoded).of(np.arange(len(encoded)))
    return float((batch.logits(model).argmax(1) == batch.targets).float().mean())


def reader_again(model):
    """Return the pretrained model with a fine-tuned body."""
    return under_its_head(copy.deepcopy(pretrained), model.body)


RUNS = {
    "from scratch": ("whole", dict(lr=1e-3, head_lr=1e-3)),
    "frozen": ("frozen", {}),
    "whole": ("whole", {}),
    "whole, too fast": ("whole", dict(lr=3e-3)),
    "whole, decay 1/2": ("whole", dict(layer_decay=0.5, lr=1e-3)),
    "whole, fresh top": ("whole", dict(fresh_layers=1)),
    "last block": ("last", {}),
    "gradual": ("gradual", {}),
    "LoRA": ("lora", {}),
}
found = {}
for name, (strategy, changes) in RUNS.items():
    numbers = []
    for seed in range(3):
        model, learned = tuned(strategy, seed, None if name == "from scratch" else pretrained, **changes)
        after = reader_again(model)
        numbers.append((accuracy(model), accuracy(model, TO_LEARN), held_out_loss(after), foods_known(after)))
    found[name] = np.mean(numbers, axis=0), np.min(numbers, axis=0), np.max(numbers, axis=0), learned

print("                   right answers   of those learned   weights   loss of words   foods known")
for name, (mean, _, _, learned) in found.items():
    told = "        —             —" if name == "from scratch" else f"{mean[2]:9.2f}     {mean[3]:13.0%}"
    print(f"{name:18} {mean[0]:10.0%} {mean[1]:18.0%} {learned:13,d} {told}")
print(f"the body before: {BEFORE:54.2f}     {foods_known(pretrained):13.0%}")

# %%
fig, (left, right) = plt.subplots(1, 2, figsize=(9.6, 3.6), dpi=100, sharey=True)
for name, (mean, low, high, learned) in found.items():
    spread = [[mean[0] - low[0]], [high[0] - mean[0]]]
    left.errorbar(learned, mean[0], spread, marker="o", capsize=2, label=name)
    if name != "from scratch":
        right.errorbar(mean[2], mean[0], spread, marker="o", capsize=2)
    else:
        right.plot([], [])
left.set(xscale="log", xlabel="weights that learn", ylabel="right answers", ylim=(0.3, 1.05))
left.set_xticks([2_500, 5_000, 20_000, 80_000], ["2,500", "5,000", "20,000", "80,000"])
left.minorticks_off()
right.set(xlabel="loss of masked words afterwards (nats)")
right.axvline(BEFORE, color="0.6", ls=":")
right.text(BEFORE, 0.32, " before", color="0.4")
fig.legend(*left.get_legend_handles_labels(), loc="center left", bbox_to_anchor=(0.92, 0.5), fontsize=8)
fig.suptitle("Quality, against how much learns and how much is forgotten (mean, least and most of 3 seeds)")
plt.show()

# %%
right_answers = {name: mean[0] for name, (mean, *_) in found.items()}
loss_after = {name: mean[2] for name, (mean, *_) in found.items()}
learned_by = {name: learned for name, (*_, learned) in found.items()}
BEST = ("last block", "gradual", "LoRA", "whole, decay 1/2")

assert right_answers["from scratch"] < 0.65 and found["from scratch"][0][1] > 0.99
assert 0.7 < right_answers["frozen"] < right_answers["whole"]
assert min(right_answers[name] for name in BEST) > 0.97
assert right_answers["whole, too fast"] < right_answers["whole"] - 0.05
assert abs(loss_after["frozen"] - BEFORE) < 1e-5
assert loss_after["whole, too fast"] > loss_after["whole"] + 1 > BEFORE + 1.1
assert max(loss_after[name] for name in BEST) < loss_after["whole"]
assert abs(loss_after["LoRA"] - BEFORE) < 0.1
assert learned_by["whole"] / learned_by["last block"] > 3.5 and learned_by["whole"] / learned_by["LoRA"] > 14

# %% [markdown]
# What we see, in this zoo; it is not a law:
#
# - **From scratch** the four are learned by heart. The others are words that the model has never seen, and
#   it guesses.
# - **Frozen** comes far: the body says of a sentence what an animal in it would eat, though nobody asked.
#   But the head can only pick what is there.
# - **Whole** is better, and forgets a part of its reading. **Too fast**, it forgets nearly all of it, and
#   becomes worse at the *task*: for this task needs what was read.
# - **The last block, gradual unfreezing, falling rates and LoRA** are right about all animals, or nearly,
#   and forget less. The last block has a quarter of the weights, LoRA one in fifteen. LoRA forgets next to
#   nothing here.
# - **A fresh top** brings nothing here, and costs: what the top block knew of the text is gone.
#
# On a real task the differences are smaller, and some go the other way: with many examples whole
# fine-tuning often gets a little more than the rest. What holds everywhere is what each of them costs.
#
# ## Sentences that change
#
# Few examples can be made more, if they are changed a little in every epoch: **data augmentation**
# (数据增强). Leave a word out, and a review is still the same opinion. Let two neighbours change places.
# Put another word in the place of one: the model itself, before it learns, can say which would fit
# (Kobayashi 2018). For tags and answers only the last of these will do, since their labels say where words
# stand.
#
# It is done as all dice are thrown in this book (chapter 13): each change is a pure function of the seed,
# the epoch, the number of the example and the place in it. So another epoch sees other changes, and a run
# that was stopped sees the same ones.

# %%
show(tokens_to_keep, swapped)

# %% [markdown]
# **With the pencil.** A row of five candidates whose coin is 0: the pairs are (0, 1) and (2, 3), and the
# last token is alone. The numbers of the two pairs are, say, 0.1 and 0.8. At a rate of 0.3 the first pair
# changes places: tokens come from the places 1, 0, 2, 3, 4.

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
# Nobody promises that the label stays true. Leave out *not*, and *not bad* is bad. So the rates are small,
# and whether it helps is a question for the validation set.
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
# - **The rank's constant.** Hu et al. tune the learning rate with the first rank that they try, and then
#   leave $\alpha$ as it is. In `minibert` it is 8, the usual rank.
# - **Which matrices.** For large language models it has since become usual to put the small matrices beside
#   *all* linear layers, also those of the feed-forward blocks (Dettmers et al. 2023). With as many weights
#   in all, each of them then has a smaller rank.
# - **The noise.** The paper does not say how strong it is; its code has one variance for $A$, others have
#   others. Ours lets $u$ be as strong as $x$.
# - **When the rate rises.** Howard and Ruder let the rate of each step rise quickly and fall slowly (the
#   *slanted triangle*), which is the warmup of chapter 09.
# - **A level in each epoch.** With three epochs, three levels learn: the paper goes on until all do. Who
#   wants all of a deep model to learn must give it as many epochs, `--epochs 8`, or take falling rates.
# - **Adapters.** Houlsby et al. 2019 put small layers *between* the large ones. They cannot be merged, for
#   there is a curve in them.
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
