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
# # 14 · Training (训练循环)
#
# *The loop that trains has six lines. What are the other two thousand for?*
#
# **Files:** `minibert/train/loop.py` · `minibert/train/step.py` · `minibert/train/feed.py` ·
# `minibert/train/worker.py` · `minibert/train/precision.py` · `minibert/train/spikes.py` ·
# `minibert/train/bad_gradient.py` · `minibert/train/state.py` · `minibert/train/checkpoint.py` ·
# `minibert/train/keeper.py` · `minibert/files.py` · `minibert/train/distributed.py` ·
# `minibert/train/exchange.py` · `minibert/train/phases.py` · `minibert/recipes/flops.py` ·
# `minibert/learn/checks/train_step.py` · `tests/test_loop.py` · `tests/test_killed.py` ·
# `tests/test_distributed.py`
#
# **Needs:** [06 Feed-forward](06_feedforward.ipynb), [07 Layer norm and the block](07_layernorm.ipynb),
# [08 Loss](08_loss.ipynb), [09 Optimizer](09_optimizer.ipynb)
#
# **Time:** 80 minutes

# %% [markdown]
# ## The question: six lines, and a week
#
# We have a model, a loss, its gradient, and an optimizer. Training puts them in a circle, the **training
# loop** (训练循环):
#
# ```python
# for step in range(steps):
#     loss = loss_of(model, batches(step))
#     loss.backward()
#     clip(model.parameters())
#     optimizer.step()
#     optimizer.zero_grad()
# ```
#
# Nothing is missing. For a toy that trains in a minute, this is the right program. Now let the model be
# large and the run last a week. The batch does not fit into the memory. A GPU is several times as fast with
# numbers of two bytes, but they cannot hold a small gradient. One batch in a million is broken. There are
# eight GPUs. On the fifth day the power fails. And at no time does anybody watch.
#
# Each of these costs lines, and in each one can make mistakes that nobody sees: the loss goes down all the
# same. The answer of this chapter is always of the same kind: **a number that must be equal**. A batch in
# parts gives the gradient of the whole batch. Two processes give the gradient of one. A run that was killed
# ends with the weights of one that was not, to the last bit.

# %%
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import redirect_stderr, suppress
from importlib import import_module
from io import StringIO
from pathlib import Path
from textwrap import fill
from unittest.mock import patch

import matplotlib.pyplot as plt
import numpy as np
import torch
from safetensors.torch import load
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

# %%
from minibert.batches.sampling import examples_at
from minibert.config import GptConfig, TrainConfig
from minibert.files import replace_file, write_synced
from minibert.learn.gather import gather
from minibert.learn.mutate import mutants
from minibert.learn.notebook import exercise, show
from minibert.learn.proof import checks_of
from minibert.learn.sizes import Sizes
from minibert.model.gpt import Gpt
from minibert.recipes.flops import flops_per_token
from minibert.train.bad_gradient import BadGradient
from minibert.train.checkpoint import (
    Checkpoint,
    load_checkpoint,
    newest_checkpoint,
    remove_old,
    save_checkpoint,
)
from minibert.train.device import measure_peak
from minibert.train.distributed import World, share_of, summed
from minibert.train.exchange import News
from minibert.train.feed import Feed
from minibert.train.loop import Loop, train
from minibert.train.loss import IGNORE, cross_entropy
from minibert.train.optimizer import AdamW, clip_gradients
from minibert.train.phases import Phases
from minibert.train.precision import GROWTH_INTERVAL, LossScaler, computing
from minibert.train.schedule import factor
from minibert.train.spikes import SIGMAS, Spikes
from minibert.train.state import Limits, Progressed
from minibert.train.step import Part, accumulate, descend, dropout_seed, shares_of, total
from minibert.train.worker import Worker

# %%
files = [
    path
    for path in Path(train.__code__.co_filename).parent.glob("*.py")
    if path.stem not in ("loss", "optimizer")
]
assert 2000 < sum(len(path.read_text(encoding="utf-8").splitlines()) for path in files) < 3000

# %% [markdown]
# ## What the papers say
#
# On a batch that several share:
#
# > Remark 3: Normalize the per-worker loss by total minibatch size *kn*, not per-worker size *n*.
# >
# > Goyal et al. 2017, section 3
#
# On numbers of two bytes:
#
# > Scaling up the gradients will shift them to occupy more of the representable range and preserve values
# > that are otherwise lost to zeros.
# >
# > Micikevicius et al. 2018, section 3.2
#
# And from those who found, after years, that one of the most used training loops had not done the first:
#
# > […] the correct loss should be computed by the total loss across all batches in a gradient accumulation
# > step divided by the total number of all non padding tokens in those batches. This is not the same as the
# > average of the per-batch loss values.
# >
# > Hugging Face, *Fixing Gradient Accumulation*, 2024
#
# ## Something to train
#
# A language for this chapter: the hand of a clock. A text begins at any hour and goes on by one hour or back
# by one at each step. There are two kinds of texts. The **short** ones have 4 hours, and go on with the
# probability 0.9. The **long** ones have 16, and go *back* with the probability 0.9. A batch has 8 of each
# kind, first the short ones: many training programs sort texts by their length like this, to waste less
# padding. The model is a small GPT, a stack of blocks (chapter 07) with a causal mask (chapter 04) that
# guesses the next hour. How many guesses? A short text has 3 of them and a long one 15. Padding has none:
# its target is `IGNORE` (chapter 08).
#
# The data set has 1024 texts of each kind. Their order in each epoch is a pure function of the seed
# (`examples_at`, chapter 13), so `batch_of(step)` always gives the same batch for the same step.

# %%
HOURS, TEXTS, ROWS = 12, 1024, 16
LENGTHS, ON = (4, 16), (0.9, 0.1)


def text_of(kind, number, hours):
    """Return the hours of a text: kind 0 is short, kind 1 is long."""
    draw = np.random.default_rng([kind, number])
    moves = np.where(draw.random(LENGTHS[kind] - 1) < ON[kind], 1, -1)
    return (draw.integers(hours) + np.cumsum([0, *moves])) % hours


def batch_of(step, first=0, count=ROWS, rows=ROWS, hours=HOURS):
    """Return `count` of the `rows` rows of a step's batch: ids and targets, (count, 15)."""
    chosen = examples_at(step * rows // 2, rows // 2, TEXTS, seed=0)[1]
    texts = [text_of(kind, int(number), hours) for kind in (0, 1) for number in chosen]
    filled = np.full((2, rows, LENGTHS[1] - 1), IGNORE)
    filled[0] = 0
    for row, text in enumerate(texts):
        filled[0, row, : len(text) - 1], filled[1, row, : len(text) - 1] = text[:-1], text[1:]
    return tuple(torch.from_numpy(half[first : first + count]) for half in filled)


def guesses(batch):
    """Return how many positions count."""
    return int((batch[1] != IGNORE).sum())


def loss_of(model, batch):
    """Return the mean loss of a batch, under its name."""
    return {"loss": cross_entropy(model(batch[0]).flatten(0, 1), batch[1].flatten())}


def new_model(dropout=0.0, hours=HOURS):
    """Return a small GPT with random weights, always the same."""
    shape = GptConfig(hours, 1, 32, 2, 64, 15, dropout=dropout, attention_dropout=dropout)
    return Gpt(shape, torch.Generator().manual_seed(0))


# %%
two = batch_of(0)
assert [guesses(batch_of(0, first, 8)) for first in (0, 8)] == [8 * 3, 8 * 15] == [24, 120]
assert all(torch.equal(again, once) for again, once in zip(batch_of(0), two, strict=True))
for told, ids, wanted in (("short", two[0][0], two[1][0]), ("long ", two[0][8], two[1][8])):
    print(f"{told} text: {ids[wanted != IGNORE].tolist()} -> {wanted[wanted != IGNORE].tolist()}")

# %% [markdown]
# ## One step, in parts
#
# A batch of 16 rows fits anywhere. A batch of 4096 texts of 512 words does not: what the forward pass has to
# keep for the backward pass is many times the model. But a gradient is a sum over all guesses, and sums can
# be taken in parts: send some rows forward and back, keep the gradient, throw all else away, and add the
# gradient of the next rows. That is **gradient accumulation** (梯度累积), and a part is called a
# **micro-batch** (微批次). The optimizer takes one step, after the last part.
#
# There is one thing to get right. The loss is a *mean* over guesses (chapter 08). Part $k$ makes $n_k$
# guesses with the losses $\ell_i$, and gives the mean $L_k$. Together they are $n = \sum_k n_k$. Then
#
# $$L = \frac1n \sum_i \ell_i = \frac1n \sum_k n_k L_k = \sum_k \frac{n_k}{n}\, L_k \tag{14.1}$$
#
# and, as differentiating is linear, the same holds for the gradients:
#
# $$g = \sum_k \frac{n_k}{n}\, g_k \tag{14.2}$$
#
# So each part counts by its **share** $n_k / n$ of the guesses.
#
# ### With the pencil
#
# Part one makes 2 guesses, with the losses 4 and 2. Part two makes 6, each with the loss 1. The means are 3
# and 1.
#
# | | part 1 | part 2 | together |
# |---|---|---|---|
# | guesses | 2 | 6 | 8 |
# | sum of losses | 6 | 6 | 12 |
# | mean | 3 | 1 | $12 / 8 = 1.5$ |
# | share | $2/8$ | $6/8$ | $3 \cdot \frac28 + 1 \cdot \frac68 = 1.5$ |
# | mean of means | $\frac12$ | $\frac12$ | $\frac{3 + 1}{2} = 2$ |
#
# The mean of means is not the mean. In it each guess of the short part counts three times as much as one of
# the long part: $\frac12 \cdot \frac12$ against $\frac12 \cdot \frac16$.

# %%
by_share = shares_of([{"loss": 2}, {"loss": 6}], {"loss": 8})
assert by_share == [{"loss": 2 / 8}, {"loss": 6 / 8}]
assert (4 + 2 + 6 * 1) / 8 == 3 * by_share[0]["loss"] + 1 * by_share[1]["loss"] == 1.5
assert (3 + 1) / 2 == 2 and (1 / 2 * 1 / 2) / (1 / 2 * 1 / 6) == 3
show(shares_of, total, accumulate)

# %% [markdown]
# A name for each loss, because they may be several, each with a count of its own: BERT's words and pairs
# (chapter 12). Our clock has only one. The proof with the real model: the gradient of the batch at once, in
# two parts of 8 rows, in six parts of 3 rows (the last of them has one), and in sixteen of one. And what
# comes out if each part counts alike.


# %%
def in_parts(batch, size):
    """Return a batch as parts of `size` rows."""
    pieces = list(zip(*(both.split(size) for both in batch), strict=True))
    by_share = shares_of([{"loss": guesses(piece)} for piece in pieces], {"loss": guesses(batch)})
    return [Part(piece, share, seed=0) for piece, share in zip(pieces, by_share, strict=True)]


def gradient(network, parts):
    """Return the gradient of all weights as one vector, and the loss."""
    network.zero_grad()
    found = accumulate(parts, lambda batch: loss_of(network, batch))["loss"]
    return torch.cat([weight.grad.flatten() for weight in network.parameters()]), float(found)


clock = new_model()
at_once, true_loss = gradient(clock, in_parts(two, 16))
for size in (8, 3, 1):
    summed_up, found_loss = gradient(clock, in_parts(two, size))
    apart = float((summed_up - at_once).norm() / at_once.norm())
    print(f"parts of {size} rows: loss {found_loss:.6f}, gradient off by {apart:.0e}")
    assert apart < 1e-5 and abs(found_loss - true_loss) < 1e-5

mean_of_means = next(one for one in mutants() if one.name.startswith("every part counts alike"))
print(f"\n{mean_of_means.function}, the mistake: {mean_of_means.new}")
with mean_of_means.made():
    wrong_gradient, wrong_loss = gradient(clock, in_parts(two, 8))
wrongness = float((wrong_gradient - at_once).norm() / at_once.norm())
print(f"mean of means:   loss {wrong_loss:.6f}, gradient off by {wrongness:.0%}")
assert wrongness > 0.3

# %% [markdown]
# Not equal to the bit: a sum in another order is rounded in another way. Equal to six digits.
#
# ### A mistake that trained for years
#
# The loop of the `transformers` library took the mean of means until October 2024 (pull request 34191, and
# the text quoted above). Nobody noticed, for the loss falls just as nicely. What does it do? Let us ask our
# clock, whose truth we know. At the *first* hour of a text nothing tells whether it is a short one or a long
# one. As there are as many of each, the hand goes on in half of the texts:
# $\frac12 \cdot 0.9 + \frac12 \cdot 0.1 = 0.5$. That is what a model should say. But if both halves of the
# batch count alike, a guess in a short text weighs $\frac13$ where one in a long text weighs $\frac1{15}$,
# and the answer becomes
#
# $$\frac{\frac13 \cdot 0.9 + \frac1{15} \cdot 0.1}{\frac13 + \frac1{15}} = 0.767$$
#
# We train twice with the library's own loop, once as it is and once with the mistake in it.

# %%
assert 0.9 / 2 + 0.1 / 2 == 0.5
assert round((0.9 / 3 + 0.1 / 15) / (1 / 3 + 1 / 15), 3) == 0.767


def run(folder, model, batches=batch_of, objective=loss_of, resume=False, **settings):
    """Train a model in a folder, without a word, and return how far it came."""
    usual = {"steps": 120, "batch_size": ROWS, "micro_batch": 8, "log_every": 1, "checkpoint_every": 1000}
    config = TrainConfig(**(usual | settings))

    def make():
        return [AdamW(model.parameters(), lr=0.02)]

    with redirect_stderr(StringIO()):  # where its progress goes
        return train(
            model,
            objective,
            batches,
            make,
            folder,
            config,
            resume=resume,
            counts=lambda batch: {"loss": guesses(batch)},
            count_tokens=guesses,
        )


def lines_of(folder, kind="train"):
    """Return the lines of a run's metrics that are of one kind."""
    written = (Path(folder) / "metrics.jsonl").read_text().splitlines()
    return [record for record in map(json.loads, written) if record["kind"] == kind]


def goes_on(network):
    """Return the probability that the hand goes on after the first hour, the mean over all hours."""
    every = torch.arange(HOURS)
    with torch.no_grad():
        said = network(every[:, None])[:, 0].softmax(-1)  # (12, 12)
    return float(said[every, (every + 1) % HOURS].mean())


# %%
scratch = tempfile.TemporaryDirectory()
runs = Path(scratch.name)
with mean_of_means.made():
    misled = new_model()
    run(runs / "misled", misled)
learned = new_model()
run(runs / "right", learned)
for told, network in (("by shares", learned), ("mean of means", misled)):
    print(f"{told:>13}: the hand goes on after the first hour with {goes_on(network):.2f}")
assert abs(goes_on(learned) - 0.5) < 0.08 and abs(goes_on(misled) - 0.767) < 0.08

# %%
fig, axes = plt.subplots(1, 2, figsize=(8.8, 3.3), dpi=100, width_ratios=[1.5, 1])
for name, style, told in (("right", "k-", "by shares"), ("misled", "k:", "mean of means")):
    axes[0].plot([record["loss"] for record in lines_of(runs / name)], style, label=told, lw=1.2)
axes[0].set(xlabel="step", ylabel="loss (nats), as each measures it", ylim=(0, 2.7))
axes[0].set_title("Both losses fall …", size=11)
axes[0].legend(frameon=False)
axes[1].bar([0, 1], [goes_on(learned), goes_on(misled)], color=["0.2", "0.7"], width=0.6)
axes[1].axhline(0.5, color="black", lw=0.8, ls="--")
axes[1].text(0.5, 0.52, "truth", ha="center", size=9)
axes[1].set(
    xticks=[0, 1], xticklabels=["by shares", "mean of means"], ylabel="P(the hand goes on)", ylim=(0, 1)
)
axes[1].set_title("… and one of them believes what is not so", size=11)
fig.tight_layout()
plt.show()

# %% [markdown]
# ## The way down
#
# After the last part the optimizers take their step (chapter 09). Three lines, in which the order is all:


# %%
show(descend)

# %% [markdown]
# The rate of *this* step is set before the step. It is a share of the peak, and the peak itself stays where
# it is: whoever multiplies the *last* rate by the share instead has, after half of a hundred steps, the
# product of fifty shares, three ten-millionths of the peak. And after the step no gradient may be left, for
# `backward` *adds*. With gradients that are never cleared, step $t$ goes along the sum of all gradients so
# far: a momentum (9.2) that never fades.

# %%
falling = [1 - done / 100 for done in range(50)]  # the shares of the first fifty of a hundred steps
assert math.isclose(math.prod(falling), 3e-7, rel_tol=0.03)

# %% [markdown]
# ## Half the bits
#
# A GPU multiplies matrices of two-byte numbers several times as fast as those of four, and moves them in
# half the time. So the large products are made in **half precision** (半精度) and the rest in float32; both
# together are **mixed precision** (混合精度). What can such a number hold? A floating-point number is
#
# $$\pm\; 1.\underbrace{b_1 b_2 \dots b_m}_{\text{fraction}} \times 2^{e}$$
#
# The bits for $e$ decide how large and how small it can be, and those of the fraction how fine it is: between
# $2^e$ and $2^{e+1}$ there are $2^m$ numbers, evenly spaced.
#
# | | bytes | exponent bits | fraction bits | largest | smallest above 0 | numbers from 1 to 2 |
# |---|---|---|---|---|---|---|
# | float32 | 4 | 8 | 23 | $3.4 \cdot 10^{38}$ | $1.4 \cdot 10^{-45}$ | 8,388,608 |
# | bfloat16 | 2 | 8 | 7 | $3.4 \cdot 10^{38}$ | $9.2 \cdot 10^{-41}$ | 128 |
# | float16 | 2 | 5 | 10 | 65,504 | $6.0 \cdot 10^{-8}$ | 1024 |
#
# (Below the smallest exponent the leading 1 becomes a 0, and the fraction alone goes on down to zero: these
# are the *subnormal* numbers. The smallest one of float16 is $2^{-24}$.) So bfloat16 is a float32 whose last
# two bytes are cut off, with its whole range and two or three digits. Float16 has a digit more, and a range
# that a gradient easily leaves.

# %%
for dtype, largest, smallest, fine in (
    (torch.float32, "3.4e+38", "1.4e-45", 8_388_608),
    (torch.bfloat16, "3.4e+38", "9.2e-41", 128),
    (torch.float16, "6.6e+04", "6.0e-08", 1024),
):
    info = torch.finfo(dtype)
    tiniest = info.smallest_normal * info.eps  # the smallest subnormal
    assert f"{info.max:.1e}" == largest and f"{tiniest:.1e}" == smallest and 1 / info.eps == fine
    assert torch.tensor(1 + info.eps / 2, dtype=dtype) == 1 != torch.tensor(1 + info.eps, dtype=dtype)
small = torch.tensor([2.0**-24, 2.0**-25, 65536]).half()
assert small[0] == 2**-24 and small[1] == 0 and small[2].isinf() and torch.finfo(torch.float16).max == 65504

# %%
fig, axes = plt.subplots(2, 1, figsize=(8.8, 4.6), dpi=100, height_ratios=[1, 1.25])
for level, dtype in enumerate((torch.bfloat16, torch.float16)):
    ticks = torch.arange(0.9, 1.1, torch.finfo(dtype).eps / 4).to(dtype).unique().float()
    axes[0].vlines(ticks, level - 0.3, level + 0.3, color="black", lw=0.6)
axes[0].set(yticks=[0, 1], yticklabels=["bfloat16", "float16"], xlim=(0.9, 1.1), ylim=(-0.6, 1.6))
axes[0].set_title("All numbers between 0.9 and 1.1: each power of two begins a coarser grid", size=11)
exponents = torch.arange(-45, 23)
true = 1.37 * 2.0 ** exponents.double()
for dtype, style in ((torch.float32, "k-"), (torch.bfloat16, "k--"), (torch.float16, "k:")):
    error = (true.to(dtype).double() / true - 1).abs().clamp(max=1)
    axes[1].semilogy(exponents, error, style, label=str(dtype).removeprefix("torch."), lw=1.4)
axes[1].axvspan(-45, -25, color="0.92", lw=0)
axes[1].text(-44.5, 3e-7, "too small for float16:\nit becomes zero", size=9, va="top")
axes[1].text(16.3, 3e-7, "too large:\ninfinite", size=9, va="top")
axes[1].axvspan(16, 22, color="0.92", lw=0)
axes[1].set(
    xlabel="exponent $e$ of the number $1.37 \\cdot 2^e$",
    ylabel="relative error",
    xlim=(-45, 22),
    ylim=(3e-10, 5),
)
axes[1].set_title("How wrong a number gets by being stored", size=11)
axes[1].legend(frameon=False, loc="center", bbox_to_anchor=(0.55, 0.38), ncols=3)
fig.tight_layout()
plt.show()

# %% [markdown]
# ### Weights stay float32
#
# A weight of 1 is to learn, at a rate of 0.001. In bfloat16 the number after 1 is $1 + \frac1{128}$, and
# the one before it $1 - \frac1{256}$. A step of 0.001 is less than half of that way: it rounds to nothing,
# every time. After a thousand steps the weight still is 1. So weights, their gradients and the memories of
# the optimizer stay float32. What goes into a product is rounded for that product alone.

# %%
for dtype, end in ((torch.bfloat16, 1.0), (torch.float32, 0.0)):
    weight = torch.ones((), dtype=dtype)
    for _ in range(1000):
        weight -= 0.001
    print(f"{str(dtype):14} 1 - 1000 * 0.001 = {float(weight):.4f}")
    assert abs(float(weight) - end) < 1e-4

# %%
show(computing)

# %% [markdown]
# (`torch.autocast` keeps a list of which functions are products, to be rounded, and which are not.)
#
# ### Gradients that vanish
#
# The gradient of the loss by the logits is $(p - y)/n$ (chapter 08). There are many words, nearly all of
# them wrong, and a model that has learned a little gives each of those a probability of, say, $10^{-5}$.
# With $n = 576$ guesses that makes $1.7 \cdot 10^{-8}$, and all up to $2^{-25} = 3.0 \cdot 10^{-8}$ is
# nearer to zero than to the smallest float16. So the gradient of a wrong word *is* zero: nothing says any
# more that it is wrong. For a look at that we take a clock of 512 hours, a batch of 64 rows, and 40 steps.

# %%
assert f"{1e-5 / 576:.1e}" == "1.7e-08" and f"{2**-25:.1e}" == "3.0e-08"
wide, sixty_four = new_model(hours=512), {"count": 64, "rows": 64, "hours": 512}
downhill = AdamW(wide.parameters(), lr=0.02)
for i in range(40):
    loss_of(wide, batch_of(i, **sixty_four))["loss"].backward()
    downhill.step()
    downhill.zero_grad()
unseen = batch_of(100, **sixty_four)
counted = unseen[1].flatten() != IGNORE
assert guesses(unseen) == 576


def gradients_with(scale, precision):
    """Return the gradient of scale * loss by the logits that count, (576, 512), and by all weights."""
    wide.zero_grad()
    with computing(precision, torch.device("cpu")):
        logits = wide(unseen[0]).flatten(0, 1)
        logits.retain_grad()
        lost = cross_entropy(logits, unseen[1].flatten())
    (scale * lost).backward()
    return logits.grad[counted], torch.cat([weight.grad.flatten() for weight in wide.parameters()]) / scale


ways = [(1, "float32"), (1, "fp16"), (2**16, "fp16")]
(exact, true), (plain, plain_off), (lifted, lifted_off) = (gradients_with(*way) for way in ways)
assert plain.dtype == lifted.dtype == torch.float16 and not bool((exact == 0).any())
lost_plain, lost_lifted = (float((stored == 0).float().mean()) for stored in (plain, lifted))
print(f"zero in float16: {lost_plain:.0%} of the entries, and {lost_lifted:.1%} with a scale of 2^16")
assert lost_plain > 0.5 and lost_lifted < 0.05
off_plain, off_lifted = (float((found - true).norm() / true.norm()) for found in (plain_off, lifted_off))
print(f"the gradient of the weights is off by {off_plain:.2%}, and by {off_lifted:.2%} with the scale")
assert off_lifted < off_plain < 0.01

# %% [markdown]
# What comes out at the weights is still not far off: what has vanished is small beside what has not. What
# is lost is the pull on the wrong words: next to nothing for each, but nearly all words are wrong, and at
# every step. How much that harms depends on the network. One of those in the paper does not train at all
# without a remedy (Micikevicius et al. 2018, section 3.2).
#
# ### The loss scale
#
# The remedy costs one multiplication. Multiply the *loss* by a number $s$ before going back. By the chain
# rule every gradient on the way is multiplied by it, from the logits down to the first table:
#
# $$\frac{\partial (s L)}{\partial w} = s\, \frac{\partial L}{\partial w} \tag{14.3}$$
#
# They move as one block up into the range of float16. When they have arrived at the weights, they are
# float32, and can be divided by $s$ again. This $s$ is the **loss scale** (损失缩放).

# %%
fig, ax = plt.subplots(figsize=(8.8, 3.5), dpi=100)
sizes = exact.double().abs().log2().flatten().numpy()
bins = np.arange(-60, 18)
for shift, grey, told in ((0, "0.75", "as they are"), (16, "0.3", "times $2^{16}$")):
    ax.hist(
        sizes + shift, bins, color=grey, alpha=0.8, label=told, weights=np.full(len(sizes), 1 / len(sizes))
    )
for where, told in ((-25, "below: zero"), (-14, "fewer digits"), (16, "above: infinite")):
    ax.axvline(where, color="black", lw=0.9, ls="--")
    ax.text(where - 0.5, 0.118, told, ha="right", va="center", size=9)
ax.set(xlabel="size of an entry, $\\log_2$", ylabel="share of all entries", xlim=(-50, 20), ylim=(0, 0.125))
ax.set_title("The gradient of the logits: the scale lifts it into what float16 can hold")
ax.legend(frameon=False, loc="center left")
fig.tight_layout()
plt.show()

# %% [markdown]
# How large should $s$ be? As large as it goes. What is too small cannot be seen, for zeros look like zeros.
# What is too large can: infinity. So the scale is *tried*: after an overflow the step is left out, and the
# scale halved; after 2000 good steps in a row it is doubled. It may go wrong once in two thousand steps, and
# no more.

# %%
show(LossScaler)
assert GROWTH_INTERVAL == 2000

# %%
scaler, history = LossScaler(scale=2.0**12), []
for i in range(9000):
    scaler.update(finite=scaler.scale <= (2**15 if i > 6000 else 2**13))
    history.append(math.log2(scaler.scale))
assert [history[at] for at in (1998, 1999, 3999, 4000, 6000, 8000)] == [12, 13, 14, 13, 14, 15]

fig, ax = plt.subplots(figsize=(8.8, 2.6), dpi=100)
ax.step(range(1, 9001), history, "k-", lw=1.2)
ax.set(xlabel="step", ylabel="scale, $\\log_2$", ylim=(11.5, 15.6))
ax.set_title("Doubled after 2000 good steps, halved by the first that overflows")
fig.tight_layout()
plt.show()

# %% [markdown]
# ### First unscaled, then clipped
#
# Clipping (9.13) compares the norm with a limit, say 1. So it must see gradients in their true size. Take
# $g = (3, 4)$, of the norm 5, with $s = 1024$. First unscaled, then clipped: $(0.6,\ 0.8)$. First clipped:
# $(3072,\ 4096)$ has the norm 5120 and becomes $(0.6,\ 0.8)$; then divided by 1024, $(0.0006,\ 0.0008)$. All
# steps are a thousand times too short, and the norm in the log is a thousand times too large. With plain SGD
# nothing moves any more. With Adam one sees *nothing*: it divides by the size (chapter 09). Until the scale
# changes, and with it the size of all that $m$ and $v$ remember.

# %%
pair = torch.nn.Parameter(torch.zeros(2))
for first_unscaled in (True, False):
    pair.grad = 1024 * torch.tensor([3.0, 4.0])
    if first_unscaled:
        LossScaler(1024.0).unscale([pair.grad])
        assert math.isclose(float(clip_gradients([pair], 1.0)), 5, rel_tol=1e-6)
        assert torch.allclose(pair.grad, torch.tensor([0.6, 0.8]))
    else:
        assert math.isclose(float(clip_gradients([pair], 1.0)), 5120, rel_tol=1e-6)
        LossScaler(1024.0).unscale([pair.grad])
        assert torch.allclose(pair.grad, torch.tensor([0.6, 0.8]) / 1024)
assert [round(part / 1024, 4) for part in (0.6, 0.8)] == [0.0006, 0.0008]
show(Worker.clip)

# %% [markdown]
# ## When a step is not to be taken
#
# ### A gradient that is not a number
#
# Here is a batch in which nothing is to be guessed: all targets are `IGNORE`. A mean as one writes it, sum
# by count, is $0/0$ there: NaN, *not a number* (非数), and so is every gradient. With AdamW there is no way
# back: NaN goes into both memories and stays there, for anything plus NaN is NaN. And how far does a
# single one come? Clipping multiplies all gradients by a factor made of the norm, and the norm is NaN.


# %%
def spoilt(step, first, count):
    """Return the batches of the clock, but that of step 40 has nothing to guess."""
    ids, wanted = batch_of(step, first, count)
    return ids, torch.full_like(wanted, IGNORE) if step == 40 else wanted


def plain_mean(model, batch):
    """Return the mean loss as one writes it: the sum over what counts, divided by how many count."""
    logits, wanted = model(batch[0]).flatten(0, 1), batch[1].flatten()
    said = logits.log_softmax(-1).gather(1, wanted.clamp(min=0)[:, None])[:, 0]
    return {"loss": -(said * (wanted != IGNORE)).sum() / (wanted != IGNORE).sum()}


victim = new_model()
loss_of(victim, two)["loss"].backward()
victim.norm.weight.grad[0] = math.nan  # one number of several thousand
clip_gradients(victim.parameters(), 1.0)
AdamW(victim.parameters(), lr=0.01).step()
everything = torch.cat([weight.detach().flatten() for weight in victim.parameters()])
print(f"of {len(everything):,} weights {int(everything.isnan().sum()):,} are NaN")
assert bool(everything.isnan().all())

# %% [markdown]
# So the loop looks at the norm *before* the step. It costs nothing, as the norm is there from clipping, and
# one NaN anywhere makes it NaN. If it is not finite, no weight is touched. In fp16 the scale may be to blame:
# then it is halved, and the next batch comes. Otherwise the run stops, and leaves in its folder the batch,
# the losses and the norm of every gradient, so that one can look. (Going on with the next batch instead
# would hide a fault in the program for weeks.)

# %%
stopped = new_model()
try:
    run(runs / "spoilt", stopped, batches=spoilt, objective=plain_mean, checkpoint_every=20)
except BadGradient as bad:
    print(str(bad).replace(str(runs), "runs"))
    assert "step 41" in str(bad)
assert all(bool(weight.isfinite().all()) for weight in stopped.parameters())
assert newest_checkpoint(runs / "spoilt" / "checkpoints").numbers["step"] == 40
run(runs / "unspoilt", new_model(), batches=spoilt)  # our own loss: no guesses, no loss, no gradient
assert lines_of(runs / "unspoilt")[40]["loss"] == lines_of(runs / "unspoilt")[40]["grad_norm"] == 0

# %%
show(Loop.passes)

# %% [markdown]
# ### Spikes
#
# A gradient can be finite and still do damage: a page of broken text, a wrong encoding. Its loss stands out,
# a **loss spike** (损失尖峰). Stands out of what? Keep a running mean and a running variance of the losses,
# in which the last twenty or so count. With the newest loss $x$, the difference $d = x - \text{mean}$, and a
# weight $a$ of about 0.05,
#
# $$\text{mean} \leftarrow \text{mean} + a\, d, \qquad
# \text{variance} \leftarrow (1 - a)(\text{variance} + a\, d^2) \tag{14.4}$$
#
# A loss is a spike if it is more than six standard deviations above the mean:
#
# $$x > \text{mean} + 6 \max\big(\sqrt{\text{variance}},\ 0.01 \cdot \text{mean}\big) \tag{14.5}$$
#
# With the pencil: let the mean be 2 and the deviation 0.1. Then 2.5 is no spike, and 2.7 is. A spike is not
# taken into the mean, or it would hide the next one. But a level that *lasts* is none: after five in a row
# the mean begins anew.

# %%
judge = Spikes(mean=2.0, variance=0.01, count=100)
assert SIGMAS == 6 and judge.look(2.5) is None
judge = Spikes(mean=2.0, variance=0.01, count=100)
assert judge.look(2.7).expected == 2.0 and judge.mean == 2.0
show(Spikes.look)


# %%
def broken_text(step, first, count):
    """Return the batches of the clock, two of which are rubbish."""
    ids, wanted = batch_of(step, first, count)
    if step in (60, 90):
        draw = torch.Generator().manual_seed(step)
        wanted = torch.where(wanted == IGNORE, IGNORE, torch.randint(HOURS, wanted.shape, generator=draw))
    return ids, wanted


run(runs / "hit", new_model(), batches=broken_text)
spikes = lines_of(runs / "hit", "spike")
print([(found["step"], round(found["loss"], 2), round(found["expected"], 2)) for found in spikes])
assert {found["step"] for found in spikes} == {61, 91}
assert max(record["loss"] for record in lines_of(runs / "hit")[61:70]) < 1

# %%
judge, bounds = Spikes(), []
for record in lines_of(runs / "hit"):
    deviation = max(math.sqrt(judge.variance), 0.01 * judge.mean)
    bounds.append(
        (judge.mean, judge.mean + SIGMAS * deviation) if judge.count >= 30 else (math.nan, math.nan)
    )
    judge.look(record["loss"])

fig, ax = plt.subplots(figsize=(8.8, 3.2), dpi=100)
losses = np.array([record["loss"] for record in lines_of(runs / "hit")])
ax.plot(range(1, 121), losses, "k-", lw=1, label="loss")
ax.plot(range(1, 121), np.array(bounds)[:, 0], color="0.55", lw=1.2, label="mean")
ax.plot(range(1, 121), np.array(bounds)[:, 1], "--", color="0.55", lw=1.2, label="six deviations above it")
ax.plot([61, 91], losses[[60, 90]], "ko", ms=9, mfc="none")
ax.set(xlabel="step", ylabel="loss (nats)")
ax.set_title("Two broken batches stand out; the limit first has to forget the fall at the start")
ax.legend(frameon=False, loc="upper left")
fig.tight_layout()
plt.show()

# %% [markdown]
# The steps are only logged, unless one says `--skip-spikes`. For clipping has taken most of their sting: a
# broken batch gets a step like any other, no longer, and the loss is back at once. Where even that is too
# much, the step is left out, as one whose gradient is not finite.

# %% [markdown]
# ## Dice that are counted
#
# Dropout (chapter 06) throws dice in every forward pass. If a run is stopped and goes on, the dice must fall
# as if nothing had been. One could save the state of the random generator, on the CPU, on every GPU and in
# every process, and put it back in the right moment. It is simpler to have no state at all: the seed of a
# forward pass is a *function* of the four numbers that say which pass it is,
#
# $$\text{seed} = h(\text{seed of the run},\ \text{step},\ \text{micro-batch},\ \text{rank}) \tag{14.6}$$
#
# with a hash $h$ that mixes them well (chapter 13). Whoever knows the step knows the dice. Why not the sum of
# the four? Because step 1, part 0 and step 0, part 1 have the same sum.

# %%
passes = [(step, part, rank) for step in range(50) for part in range(4) for rank in range(8)]
hashed = {dropout_seed(0, *each) for each in passes}
print(
    f"{len(passes)} forward passes: {len(hashed)} seeds by hash, {len({sum(each) for each in passes})} by sum"
)
assert len(passes) == len(hashed) == 1600 and len({sum(each) for each in passes}) == 60
assert dropout_seed(0, 7, 1) == dropout_seed(0, 7, 1) != dropout_seed(0, 1, 7)
show(dropout_seed)

# %% [markdown]
# One more thing follows. *Without* dropout, two parts of a batch are the batch. *With* it they are not, as
# each part throws dice of its own: the gradient is another one, just as right. Both can be repeated.


# %%
def with_dropout(size):
    """Return the gradient of a batch in parts of `size` rows, with dropout, at step 7."""
    parts = in_parts(two, size)
    thrown = [Part(part.batch, part.shares, dropout_seed(0, 7, i)) for i, part in enumerate(parts)]
    return gradient(new_model(dropout=0.1).train(), thrown)[0]


assert torch.equal(with_dropout(8), with_dropout(8))
assert float((with_dropout(8) - with_dropout(16)).norm() / with_dropout(16).norm()) > 0.1

# %% [markdown]
# ## What a run is
#
# What has to be saved, so that a run can go on? All that the next step depends on:
#
# - the **weights**;
# - the **memories of the optimizer**, $m$, $v$ and the count of its steps (chapter 09): twice as much as the
#   weights;
# - a few **numbers**: the step, the tokens and seconds so far, which look at held-out text was the best, the
#   loss scale, and the mean and the variance of (14.4).
#
# And what has *not*: the batches, the masks, dropout, and the learning rate. They are pure functions of the
# step. Put together, that is a **checkpoint** (检查点).

# %%
show(Progressed)

# %% [markdown]
# ### Killed, and equal to the bit
#
# Now for the promise of the beginning. A run of 60 steps, with dropout, in two parts a step, saves every 10
# steps. One such run comes to its end here in the notebook. Another one *kills itself* at a random step,
# with the signal SIGKILL, to which no program can listen: no farewell, no last save. It goes on from what
# lies on the disk, and is killed once more. The third time it comes to its end. (The two that die are
# processes of their own: `gather` writes the functions of this notebook into one program.)


# %%
def live(folder, die_at=None):
    """Train a clock with dropout in a folder, from where it stands, and die where step `die_at` begins."""

    def deadly(at, first, count):
        if at == die_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return batch_of(at, first, count)

    mortal = new_model(dropout=0.1)
    run(folder, mortal, batches=deadly, resume=True, steps=60, checkpoint_every=10)
    return mortal


def saved_steps(folder):
    """Return the steps of a run's checkpoints."""
    return [int(path.name[-8:]) for path in sorted((folder / "checkpoints").glob("step-*"))]


def bits(network):
    """Return the weights as the bytes that they are."""
    return b"".join(weight.detach().numpy().tobytes() for weight in network.parameters())


# %%
program = gather(live)
for death in (int(at) for at in np.sort(np.random.default_rng(8).integers(1, 60, 2))):
    command = [sys.executable, "-c", f"{program}\n\nlive({str(runs / 'killed')!r}, die_at={death})"]
    ended = subprocess.run(command, stderr=subprocess.DEVNULL).returncode
    print(f"killed at step {death}, exit code {ended}; checkpoints: {saved_steps(runs / 'killed')}")
    assert ended == -signal.SIGKILL
resumed, never_stopped = live(runs / "killed"), live(runs / "whole")
assert bits(resumed) == bits(never_stopped)


def measured(folder):
    """Return what a run has logged, without its times."""
    return [
        (record["step"], record["loss"], record["grad_norm"], record["lr"]) for record in lines_of(folder)
    ]


assert measured(runs / "killed") == measured(runs / "whole") and len(measured(runs / "whole")) == 60
print(f"killed twice, resumed twice: all {len(bits(resumed)):,} bytes of the weights are equal")

# %% [markdown]
# The bytes are equal, and so is every loss in the log. `tests/test_killed.py` kills runs at fifty random
# moments, also in the midst of a save, in three precisions. (To the bit, on the same machine with as many
# threads. Sums in another order round in another way.)
#
# Most runs are not killed but *told* to end, by Ctrl-C or by a batch system that needs the machine. Then
# the loop finishes its step, saves it, and leaves (`minibert/signals.py`). And if the memory is full, it
# saves the state before the step and names the micro-batch to try.
#
# ### Whole or not at all
#
# The worst moment for the power to fail is in the midst of saving: the old file is overwritten, and the new
# one half written. So nothing is ever overwritten. There are four rules, each against something that
# happens:
#
# 1. **Write aside**, under another name in the same folder. Who breaks off leaves rubbish, but the old one
#    is as it was.
# 2. **Sync** (同步). A file that is written is not on the disk. It is in the memory of the system, which
#    brings it there within a minute or so. `os.fsync` waits for it. The *names* in a folder have to be synced
#    as well.
# 3. **Rename**, at the very end. To give a finished file its name is the one thing that a file system does
#    all at once.
# 4. **Believe nothing.** Disks flip bits. So a `manifest.json` holds the size and the SHA-256 of every
#    file, and reading compares them.

# %%
show(write_synced, replace_file)

# %%
show(save_checkpoint)

# %% [markdown]
# Try it: we save step 2 where step 1 is, and break off at every call that has to do with the disk, one after
# the other. What does a run find that goes on?


# %%
def broken_off(at):
    """Save over an older checkpoint, break off at the disk's call number `at`, and return what is found."""
    with tempfile.TemporaryDirectory() as place:
        folder, calls = Path(place), []

        def fails(real):
            def call(*arguments):
                calls.append(real.__name__)
                if len(calls) == at:
                    raise KeyboardInterrupt
                return real(*arguments)

            return call

        older, newer = folder / "step-00000001", folder / "step-00000002"
        save_checkpoint(older, Checkpoint({"model": {"w": torch.ones(3)}}, {"step": 1}))
        breaking = patch.multiple(os, fsync=fails(os.fsync), replace=fails(os.replace))
        with suppress(KeyboardInterrupt), breaking:
            save_checkpoint(newer, Checkpoint({"model": {"w": torch.zeros(3)}}, {"step": 2}))
        found = newest_checkpoint(folder).numbers["step"]
        remove_old(folder, keep=2)
        assert not list(folder.glob(".*"))  # what was left lying is swept away
        return calls[-1], found


ends = [broken_off(at) for at in range(1, 8)]
for number, (call, found) in enumerate(ends, 1):
    print(f"broken off at call {number}, {call:8} step {found} is found")
assert [found for _, found in ends] == [1] * 6 + [2] and ends[5][0] == "replace"
assert broken_off(8) == ("fsync", 2)  # there is no eighth call

# %% [markdown]
# Seven calls: two files, their folder, the manifest, the folder once more, the renaming, and the folder
# around. Up to the renaming there is step 1, and after it
# step 2. There is no moment at which there is none.
#
# And a bit that flips? A weight is changed, by a little or, as here, by a factor of $2^{128}$, and the file
# looks as healthy as before: safetensors reads it without a word. The manifest tells.

# %%
flipped = runs / "whole" / "checkpoints" / "step-00000060" / "model.safetensors"
healthy = flipped.read_bytes()
flipped.write_bytes(healthy[:-1] + bytes([healthy[-1] ^ 0x40]))  # one bit of the last weight
tensors = [dict(sorted(load(file).items())) for file in (healthy, flipped.read_bytes())]
was, became = (torch.cat([tensor.flatten() for tensor in each.values()]) for each in tensors)
before, after = float(was[was != became]), float(became[was != became])
print(f"a weight of {before:.3f} has become {after:.1e}, and safetensors reads it")
try:
    load_checkpoint(flipped.parent)
    raise AssertionError("the flipped bit was believed")
except ValueError as refused:
    print(str(refused).replace(str(runs), "runs"))
flipped.write_bytes(healthy)
assert math.isclose(after, before * 2.0**128) and load_checkpoint(flipped.parent).numbers["step"] == 60

# %%
show(load_checkpoint)

# %% [markdown]
# ### Which ones go
#
# A checkpoint of BERT's base model is 1.3 GB: 110 million weights, 4 bytes each, three times. Whoever saves
# every ten minutes for a week has a thousand of them. So the newest few stay, and the best one on held-out
# text besides, however old.

# %%
assert round(110e6 * 4 * 3 / 1e9, 1) == 1.3 and 7 * 24 * 6 == 1008
show(remove_old)

# %% [markdown]
# ### What happens if something is left out
#
# Many training programs save the weights and nothing else. Let us do the same, at step 60 of 120, and go on.
# The batches are the same as in a run that was never stopped, so the difference of the two losses is the
# damage alone, without any noise.


# %%
def half_way(name):
    """Train a clock for the first half of its run, as a power failure would leave it."""

    class PowerFailure(BaseException):
        pass

    def fails(at, first, count):
        if at == 61:
            raise PowerFailure
        return batch_of(at, first, count)

    try:
        run(runs / name, new_model(), batches=fails, checkpoint_every=60)
    except PowerFailure:
        return runs / name / "checkpoints" / "step-00000060"


right = np.array([record["loss"] for record in lines_of(runs / "right")])
forgetful = half_way("forgetful")
state = load_checkpoint(forgetful)
print("saved for the first weight:", sorted(name for name in state.tensors["optimizer"] if "/0/" in name))
save_checkpoint(forgetful, Checkpoint(state.tensors | {"optimizer": {}}, state.numbers))
run(runs / "forgetful", new_model(), resume=True)
half_way("careful")
run(runs / "careful", new_model(), resume=True)

bump, none = (
    np.array([record["loss"] for record in lines_of(runs / name)]) - right
    for name in ("forgetful", "careful")
)
print(f"without the memories the loss is higher by up to {bump.max():.2f} nats")
assert not none.any() and not bump[:61].any() and bump.max() > 0.1

# %%
fig, ax = plt.subplots(figsize=(8.8, 3.2), dpi=100)
ax.plot(range(41, 121), bump[40:], "k-", label="without the optimizer's memories")
ax.plot(range(41, 121), none[40:], "k--", label="with them")
ax.axvline(60.5, color="0.6", lw=0.8, ls=":")
ax.text(60, ax.get_ylim()[1] * 0.9, "resumed", ha="right", color="0.35")
ax.set(xlabel="step", ylabel="loss, minus that of\na run never stopped (nats)")
ax.set_title("A run that has lost its memories stumbles")
ax.legend(frameon=False, loc="upper right")
fig.tight_layout()
plt.show()

# %% [markdown]
# Chapter 09 tells why. $v$ begins anew, so the first step is $\eta$ in *every* weight, however small its
# gradient: at the full rate, in the midst of a run, without a warmup.
#
# The other mistake leaves no trace in the loss of the batches. If the *sampler* starts again from the first
# text when the run goes on then half of the texts are read twice and the other half never. Such mistakes
# are easily made: in `accelerate` a run that was resumed in its second epoch went on in the order of the
# first (pull request 4071). An epoch here is 128 steps. We stop after half of one and count who was seen.

# %%
steps_an_epoch = TEXTS // (ROWS // 2)
assert steps_an_epoch == 128


def seen(asked):
    """Return how often each short text was read, when these steps' batches were asked for."""
    chosen = [examples_at(at * ROWS // 2, ROWS // 2, TEXTS, seed=0)[1] for at in asked]
    return np.bincount(np.concatenate(chosen).astype(int), minlength=TEXTS)


whole_epoch, again = seen(range(128)), seen([*range(64), *range(64)])
assert (whole_epoch == 1).all() and np.bincount(again).tolist() == [512, 0, 512]
print("going on:       each of the 1024 short texts is read once")
print("starting again: 512 are read twice, 512 never")

# %% [markdown]
# ## How far is the run?
#
# The rate rises and falls over the *share* of the run that is done (9.14, 9.15). The end may be given in
# steps, in minutes, or in both; the nearer one counts:
#
# $$\text{share} = \min\Big(1,\ \max\Big(\frac{\text{step}}{\text{steps}},\
# \frac{\text{seconds}}{\text{seconds allowed}}\Big)\Big) \tag{14.7}$$
#
# With the pencil: 30 of 100 steps, and 50 of 80 seconds. The larger share is $50/80$: time will end this run.
#
# Minutes are what one has, and steps are what can be repeated. Under a limit of minutes the schedule follows
# the clock. On a machine that has other work to do for a while, the rate goes on falling, and the run ends
# when it should, with the rate at zero. But no two such runs are alike, and the promise "to the bit" holds
# for steps alone.

# %%
assert Limits(steps=100, seconds=80).share(30, 50) == 50 / 80
assert Limits(steps=100).share(30, 50) == 0.3 and Limits(seconds=80).share(30, 90) == 1
show(Limits.share)

# %%
fig, ax = plt.subplots(figsize=(8.8, 3.2), dpi=100)
took = np.where((np.arange(150) >= 40) & (np.arange(150) < 60), 3.0, 1.0)  # twenty slow steps
clock_at = np.concatenate([[0], np.cumsum(took)])
for limits, style, told in (
    (Limits(steps=100), "k-", "100 steps"),
    (Limits(seconds=100), "k--", "100 seconds"),
):
    rates = []
    for number in range(150):
        begin, end = (limits.share(number + more, clock_at[number + more]) for more in (0, 1))
        if begin < 1:
            rates.append(factor(begin, end, 0.1, "linear"))
    ax.plot(np.arange(len(rates)) + 1, rates, style, label=f"{told}: it ends after {len(rates)} steps")
assert len(rates) == 60
ax.axvspan(40, 60, color="0.92", lw=0)
ax.text(50, 1.0, "each step takes\nthree seconds", ha="center", va="top", size=9)
ax.set(xlabel="step", ylabel="share of the peak rate")
ax.set_title("A slow stretch: under a limit of minutes the rate falls with the clock")
ax.legend(frameon=False)
fig.tight_layout()
plt.show()

# %% [markdown]
# ## Many processes
#
# Two GPUs: give each a copy of the model and half of the rows, let both work out a gradient, add the two up,
# and let both take the same step. Their weights then stay equal without being sent. That is **data
# parallelism** (数据并行). Each process is known by its number, the **rank** (进程编号) $r$ of $R$.
#
# Who takes which rows? Each must come to it alone, and together they must take every row once. With $B$ rows,
# process $r$ begins at
#
# $$\text{first}_r = \lfloor B\, r / R \rfloor \tag{14.8}$$
#
# and ends where the next one begins. So nothing is lost and nothing is taken twice, whatever the rounding.
# Ten rows and four processes: they begin at 0, 2, 5, 7, and the next one would at 10. That makes 2, 3, 2 and
# 3 rows.

# %%
assert [share_of(10, World(rank, 4)) for rank in range(4)] == [(0, 2), (2, 3), (5, 2), (7, 3)]
show(share_of)

# %% [markdown]
# The gradients are added up as in (14.2), once more with shares of *all* guesses: those of the other
# processes, too. That is the first quotation of this chapter. So before the first forward pass the processes
# tell each other how many guesses they have. Let us play two of them, one after the other.


# %%
def feed_of(rank, size):
    """Return what brings a process its part of every batch."""
    own = World(rank, size)
    return Feed(
        batch_of, lambda batch: {"loss": guesses(batch)}, guesses, ROWS, 4, 0, torch.device("cpu"), own
    )


feeds = [feed_of(rank, 2) for rank in (0, 1)]
loads = [feed.load(0) for feed in feeds]
alone = [load.count["loss"] for load in loads]
totals = {"loss": sum(alone)}
assert alone == [24, 120] and len(loads[0].batches) == 2  # 8 rows each, in two micro-batches of 4

each = [gradient(clock, feed.parts(load, totals))[0] for feed, load in zip(feeds, loads, strict=True)]
apart = float((each[0] + each[1] - at_once).norm() / at_once.norm())
own_means = [
    gradient(clock, feed.parts(load, load.count))[0] for feed, load in zip(feeds, loads, strict=True)
]
wrongness = float((sum(own_means) / 2 - at_once).norm() / at_once.norm())
print(
    f"the sum of two processes' gradients is off by {apart:.0e}, the mean of their means by {wrongness:.0%}"
)
assert apart < 1e-5 and wrongness > 0.3

# %% [markdown]
# The mean of the processes' means is what PyTorch's `DistributedDataParallel` takes by itself. Where all
# have the same number of guesses it is right. Ours gives it a rule of its own, a sum:

# %%
show(summed)

# %% [markdown]
# In each step the processes exchange two things: the gradients, which is most of it, and one short list with
# the losses, the counts of the *next* batch, and whether somebody has been told to stop. All must leave after
# the same step; who waits for the gradient of a process that has gone waits in vain.

# %%
show(News)

# %% [markdown]
# ### Who holds what
#
# With copies everywhere (in PyTorch **DDP**, Li et al. 2020) each process holds everything: weights,
# gradients and the two memories of AdamW, 16 bytes for each weight. BERT's large model has 340 million
# weights: 5.4 GB in each process, before the first word. **FSDP**, *fully sharded data parallel*
# (全分片数据并行, Zhao et al. 2023, after Rajbhandari et al. 2020), leaves each process only its part of
# everything: with four, 1.4 GB. When a block is to be computed its weights are gathered from all, used,
# and dropped again, on the way up and once more on the way down. The gradients are added up, and each
# process keeps its part of the sum.
#
# | | DDP | FSDP |
# |---|---|---|
# | a process holds | everything | its part, and one whole block at a time |
# | sent forward | nothing | the weights |
# | sent backward | the gradients | the weights, and the gradients |
# | for | models that fit | models that do not |
#
# In both each process has its own rows, and the numbers are the same.

# %%
assert 4 + 4 + 2 * 4 == 16 and round(340e6 * 16 / 1e9, 1) == 5.4 and round(340e6 * 16 / 4 / 1e9, 1) == 1.4

fig, axes = plt.subplots(1, 2, figsize=(8.8, 3.3), dpi=100)
kinds = {"weights": "0.85", "gradients": "0.65", "memory $m$": "0.45", "memory $v$": "0.3"}
for ax, sharded in zip(axes, (False, True), strict=True):
    for rank in range(4):
        for quarter in range(4):
            left, here = 1.25 * rank + 0.25 * quarter, not sharded or quarter == rank
            for level, grey in enumerate(kinds.values()):
                colors = {"fc": grey if here else "white", "ec": "0.5", "lw": 0.7}
                ax.add_patch(plt.Rectangle((left, level), 0.25, 0.8, **colors))
            if not here:
                ax.add_patch(
                    plt.Rectangle((left, 0.3), 0.25, 0.2, fc="white", ec="0.3", hatch="////", lw=0.7)
                )
    ax.set(xlim=(-0.1, 4.9), ylim=(-1, 4))
    ax.set_xticks([1.25 * rank + 0.5 for rank in range(4)], [f"process {rank}" for rank in range(4)])
    ax.xaxis.tick_top()
    ax.set_yticks([level + 0.4 for level in range(4)], [""] * 4 if sharded else list(kinds))
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set_title("FSDP: each has a part" if sharded else "DDP: each has all", size=11)
axes[1].text(2.45, -0.45, "hatched: one block's weights, for a moment", ha="center", va="top", size=9)
fig.tight_layout()
plt.show()

# %% [markdown]
# ## Where the time goes
#
# A week is worth a look at what it is spent on. The loop times the **phases** (阶段) of a step: making the
# data, forward, backward, optimizer, and the rest. On a GPU that is not as easy as it sounds. The program
# only *orders* the work, and is long past `backward` when the GPU begins with it. A stopwatch of the program
# would measure nothing, and waiting for the GPU would slow it down. So the ends of the phases are put into
# the GPU's own queue, as events, and read later.

# %%
records = lines_of(runs / "right")[20:]
names = ["data", "forward", "backward", "optimizer", "rest"]
spent = {name: float(np.median([record["phases"].get(name, 0) for record in records])) for name in names}
speed = float(np.median([record["tokens_per_second"] for record in records]))
print(f"{speed:,.0f} tokens per second, on this machine")
assert set(names) <= set().union(*(record["phases"] for record in records)) and speed > 0

fig, ax = plt.subplots(figsize=(8.8, 1.5), dpi=100)
left = 0.0
for name, grey in zip(names, ("0.95", "0.75", "0.5", "0.85", "1"), strict=True):
    ax.barh(0, 1000 * spent[name], left=left, color=grey, edgecolor="0.3", height=0.6)
    ax.text(left + 500 * spent[name], 0, name, ha="center", va="center", size=9)
    left += 1000 * spent[name]
ax.set(xlabel="milliseconds of a step of the clock, in two parts", yticks=[], xlim=(0, left))
ax.spines[["left", "top", "right"]].set_visible(False)
fig.tight_layout()
plt.show()

# %%
show(Phases.lap, Phases.take)

# %% [markdown]
# **Tokens per second** compare two programs on one machine. To compare them with what the machine *could*
# do, count the operations. A product of an $(m, k)$ and a $(k, n)$ matrix is $mkn$ multiplications and as
# many additions, $2mkn$ **floating-point operations**, FLOPs (浮点运算). So in the forward pass a weight of a
# matrix costs 2 for each token. The backward pass makes two products for each of the forward pass, one for
# the gradient of the input and one for that of the weight (2.4 and 2.5): another 4. Together 6 for each
# weight in a matrix. Attention has two products without weights, scores and mixing, each $2 T D$ for a
# token:
#
# $$\text{FLOPs per token} = 6\, P + 12\, L\, T\, D \tag{14.9}$$
#
# with $P$ the weights in matrices: for each block $4 D^2$ in attention and $2 D F$ in the feed-forward block,
# and $D V$ at the output. With the pencil, for $L = 2$, $D = 64$, $F = 256$, $V = 1000$ and $T = 32$:
# $P = 2\,(16{,}384 + 32{,}768) + 64{,}000 = 162{,}304$, and
#
# $$6 \cdot 162{,}304 + 12 \cdot 2 \cdot 32 \cdot 64 = 973{,}824 + 49{,}152 = 1{,}022{,}976$$
#
# PyTorch can count while it computes. Does it agree?

# %%
assert 4 * 64**2 == 16_384 and 2 * 64 * 256 == 32_768 and 2 * (16_384 + 32_768) + 64_000 == 162_304
assert 6 * 162_304 == 973_824 and 12 * 2 * 32 * 64 == 49_152 and 973_824 + 49_152 == 1_022_976

counted_shape = GptConfig(1000, layers=2, width=64, heads=4, feedforward=256, dropout=0, attention_dropout=0)
counted_model = Gpt(counted_shape, torch.Generator().manual_seed(0))
tokens = torch.randint(1000, (4, 32), generator=torch.Generator().manual_seed(0))
plain_kernel = sdpa_kernel(SDPBackend.MATH)  # the only one that the counter knows on a CPU
with plain_kernel, FlopCounterMode(display=False) as counter:
    counted_model(tokens).logsumexp(-1).sum().backward()
by_torch, by_formula = counter.get_total_flops() / (4 * 32), flops_per_token(counted_shape, 32, 32, False)
print(f"by formula {by_formula:,.0f}, by torch {by_torch:,.0f}")
assert by_formula == by_torch == 1_022_976

# %% [markdown]
# The **model FLOPs utilisation**, MFU (模型算力利用率, Chowdhery et al. 2022, appendix B), is the share of
# the peak that goes into these operations:
#
# $$\text{MFU} = \frac{\text{tokens per second} \cdot \text{FLOPs per token}}{\text{peak FLOPs per second}}
# \tag{14.10}$$
#
# The peak is measured, as the best of some large products, or given. Our clock's MFU is next to nothing, as
# matrices of 32 columns keep no machine busy. PaLM's authors report 46 % for their model, and 21 % for
# GPT-3 (table 3).
#
# The formula also tells what a run will cost, before it begins. GPT-2 with 124 million weights takes about
# $6 \cdot 124 \cdot 10^6 = 7.4 \cdot 10^8$ FLOPs for a token. Ten billion tokens are $7.4 \cdot 10^{18}$. A
# GPU that really does $2 \cdot 10^{14}$ in a second needs 10 hours.

# %%
assert f"{6 * 124e6:.1e}" == "7.4e+08" and f"{6 * 124e6 * 1e10:.1e}" == "7.4e+18"
assert round(6 * 124e6 * 1e10 / 2e14 / 3600) == 10
with torch.no_grad():
    peak = measure_peak(torch.device("cpu"), "float32")
used = speed * flops_per_token(new_model().config, 15, 15, False) / peak
print(f"this machine can do {peak / 1e9:,.0f} GFLOP/s; our clock's MFU is {used:.1%}")
assert 0 < used < 0.5

# %% [markdown]
# ## The whole step
#
# Here is the loop's step, with all of it. The six lines of the beginning are still there: the batch
# (`feed.parts`), forward and backward (`worker.gradient`), `worker.clip`, `descend`. The next batch is made
# while a GPU is still at work on this one.

# %%
show(Loop.step, Worker.gradient)

# %% [markdown]
# Where nothing happens, all of this must change nothing. Here are the six lines once more, as they are typed,
# and the schedule. Their weights are those of the library's loop, to the bit.

# %%
six_lines = new_model()
optimizer = AdamW(six_lines.parameters(), lr=0.02)
for at in range(40):
    loss_of(six_lines, batch_of(at))["loss"].backward()
    clip_gradients(six_lines.parameters(), 1.0)
    optimizer.param_groups[0]["lr"] = 0.02 * factor(at / 40, (at + 1) / 40, 0.05, "linear")
    optimizer.step()
    optimizer.zero_grad()

thousands = new_model()
run(runs / "thousands", thousands, steps=40, micro_batch=None)
assert bits(six_lines) == bits(thousands)
print("six lines and two thousand: equal to the bit")

# %% [markdown]
# And what does it cost? The README has the measurement: on two cores of a CPU, a step with all guards took
# 0.8 % longer than a loop as short as this one.
#
# ## The proof
#
# There is no gradient to prove here. What must be equal was equal: parts and whole, two processes and one,
# stopped and never stopped. `tests/test_loop.py` stops a run at each of 40 steps, `tests/test_distributed.py`
# does with real processes what we have played, and `tests/FAULTS.md` lists what a run survives, each with the
# test that makes it happen. Here are the checks that the exercises use as well, and what they say to mistakes
# that people write.


# %%
def checks_for(stem):
    """Return the checks of a file of the loop."""
    return checks_of(import_module(f"minibert.learn.checks.{stem}"))


def first_objection(mistake):
    """Make a mistake, and return what the first check says that sees it."""
    with mistake.made():
        for check in checks_for(mistake.stem):
            try:
                check.run(Sizes(), 0)
            except (AssertionError, ArithmeticError, ValueError) as objection:
                return str(objection).splitlines()[0]
    raise AssertionError(f"no check sees it: {mistake.name}")


stems = [f"train_{name}" for name in ("step", "precision", "worker", "state", "distributed", "spikes")]
for stem in stems:
    for check in checks_for(stem):
        check.run(Sizes(), 0)
    print(f"{stem}: {len(checks_for(stem))} checks pass")

# %%
names = [
    "divided by what these parts predict",
    "only the last part goes back",
    "the shares are for the log alone",
    "the scale never grows again",
    "clipped before they are unscaled",
    "the two shares are added up",
    "every process takes the whole batch",
    "a spike is taken into the mean",
]
for name in names:
    [mistake] = [one for one in mutants() if one.name.startswith(name) and one.stem in stems]
    print(f"{mistake.function.partition(':')[2]}: {mistake.name}")
    print(fill(first_objection(mistake), 96, initial_indent="    ", subsequent_indent="    "), "\n")

# %% [markdown]
# ## What others do differently
#
# - **Saved dice.** Most programs save the random generators' states and the sampler's position with
#   the checkpoint. It works as long as nothing is forgotten. To have no state leaves nothing to forget.
# - **Goyal et al.** scale the learning rate with the number of processes, as the batch grows with it. Here
#   `--batch-size` is that of all processes together: more of them make a step faster and change nothing else.
# - **Micikevicius et al.** keep a copy of the weights in half precision beside the float32 ones. With
#   `autocast` the copy is made for each product. They choose a fixed scale for each network (section 3.2).
#   A scale that finds itself is what PyTorch's `GradScaler` has, with the same numbers as ours.
# - **bfloat16** has no need of a scale. Where the machine has it, it is the better choice.
# - **Spikes**: PaLM's authors went back to a checkpoint from before the spike, and left out some hundreds
#   of batches (Chowdhery et al. 2022, section 5.1). We leave out the step alone, and only if asked.
# - **Asynchronous saving** copies the state to the CPU and writes it while training goes on. For large models
#   that is worth its trouble.
#
# ## Exercises
#
# Some functions of this chapter are for you to write. `minibert learn start` makes a folder with a file for
# each, and `minibert learn check` says whether it is right and, if not, what is wrong with it. Each stands
# alone. What comes after them is done with a pencil, or leads further.
#
# ### To write: a step

# %%
exercise("torch_part_shares")

# %%
exercise("torch_accumulate")

# %%
exercise("torch_descend")

# %%
exercise("torch_dropout_seed")

# %%
exercise("torch_share")

# %% [markdown]
# ### To write: half precision, and guards

# %%
exercise("torch_unscale")

# %%
exercise("torch_loss_scale")

# %%
exercise("torch_clip_worker")

# %%
exercise("torch_spikes")

# %% [markdown]
# ### To write: files that survive

# %%
exercise("write_synced")

# %%
exercise("replace_file")

# %%
exercise("torch_save_checkpoint")

# %%
exercise("torch_load_checkpoint")

# %%
exercise("torch_remove_old")

# %% [markdown]
# ### To write: many processes

# %%
exercise("torch_process_rows")

# %% [markdown]
# ### To think about
#
# **1. Pencil.** Three parts with 1, 4 and 5 guesses have the mean losses 5, 2 and 1. What is the mean, and
# what the mean of means? By what factor does the guess of the first part count too much?
#
# <details><summary>Hint</summary>
#
# $(5 + 8 + 5)/10 = 1.8$, and $8/3 = 2.67$. It counts $\frac13$ in place of $\frac1{10}$.
#
# </details>
#
# **2. Which short texts?** Let the short texts be 2 hours long. What does the model with the mistake say
# after the first hour? And if all texts are of one length?
#
# <details><summary>Hint</summary>
#
# A short text has one guess: $(1 \cdot 0.9 + \frac1{15} \cdot 0.1) / (1 + \frac1{15}) = 0.85$. With one
# length the mean of means is the mean: that is why nobody noticed.
#
# </details>
#
# **3. bfloat16 and Adam's memory.** $v \leftarrow 0.98\, v + 0.02\, g^2$ in bfloat16: from which ratio
# $g^2 / v$ on does $v$ grow at all?
#
# <details><summary>Hint</summary>
#
# The change is $0.02\,(g^2 - v)$. It must be half of the distance to the next number, which lies between $v
# / 512$ and $v / 256$. So $g^2 / v$ must be above 1.1 or 1.2. With $\beta_2 = 0.999$ it is 3 or 5.
#
# </details>
#
# **4. Without fsync.** Take `os.fsync` out of `write_synced`. Which lines of our table change?
# Why can no test of this kind see the mistake, and what could?
#
# <details><summary>Hint</summary>
#
# None: the system remembers what it was given, as long as it lives. `tests/test_killed.py` writes down the
# order of the calls, and compares that.
#
# </details>
#
# **5. Another number of processes.** A run is saved on two processes and goes on with one. Which of its
# numbers stay equal, to the bit or nearly, and which do not? (Without dropout, and with it.)
#
# <details><summary>Hint</summary>
#
# The batches are the same. Sums in another order differ in the last bits. Dropout's seed has the rank in it.
#
# </details>
#
# **6. How often to save?** Saving takes $c$ seconds, and the machine fails once in $M$ seconds. If one saves
# every $\tau$ seconds, which $\tau$ loses the least time? Young found it in 1974.
#
# <details><summary>Hint</summary>
#
# The loss per second is $c/\tau$ for saving, and $\tau / (2M)$ for what a failure throws away. The slope is
# zero at $\tau = \sqrt{2 c M}$: with 10 seconds and a failure a day, 22 minutes.
#
# </details>

# %%
assert (5 * 1 + 2 * 4 + 1 * 5) / 10 == 1.8 and round((5 + 2 + 1) / 3, 2) == 2.67  # the numbers of the hints
assert round((0.9 + 0.1 / 15) / (1 + 1 / 15), 2) == 0.85
assert [round(1 + step / 0.02, 1) for step in (1 / 512, 1 / 256)] == [1.1, 1.2]
assert [round(1 + step / 0.001) for step in (1 / 512, 1 / 256)] == [3, 5]
assert round(math.sqrt(2 * 10 * 86400) / 60) == 22
scratch.cleanup()

# %% [markdown]
# ## Further reading
#
# - Goyal et al. 2017, *Accurate, large minibatch SGD: training ImageNet in 1 hour*,
#   [arXiv:1706.02677](https://arxiv.org/abs/1706.02677). Section 3 lists what goes wrong when a batch is
#   shared.
# - Micikevicius et al. 2018, *Mixed precision training*,
#   [arXiv:1710.03740](https://arxiv.org/abs/1710.03740).
# - Hugging Face 2024, *Fixing gradient accumulation*,
#   [huggingface.co/blog/gradient_accumulation](https://huggingface.co/blog/gradient_accumulation), and pull
#   request [34191](https://github.com/huggingface/transformers/pull/34191).
# - Li et al. 2020, *PyTorch distributed: experiences on accelerating data parallel training*,
#   [arXiv:2006.15704](https://arxiv.org/abs/2006.15704). What DDP does behind the scenes.
# - Rajbhandari, Rasley, Ruwase and He 2020, *ZeRO: memory optimizations toward training trillion parameter
#   models*, [arXiv:1910.02054](https://arxiv.org/abs/1910.02054); Zhao et al. 2023, *PyTorch FSDP:
#   experiences on scaling fully sharded data parallel*,
#   [arXiv:2304.11277](https://arxiv.org/abs/2304.11277).
# - Chowdhery et al. 2022, *PaLM: scaling language modeling with pathways*,
#   [arXiv:2204.02311](https://arxiv.org/abs/2204.02311). Appendix B is the MFU, section 5.1 the spikes.
# - Pillai et al. 2014, *All file systems are not created equal: on the complexity of crafting
#   crash-consistent applications*, OSDI. How many programs save wrongly.
# - West 1979, *Updating mean and variance estimates: an improved method*, Communications of the ACM 22,
#   532–535: (14.4).
# - Young 1974, *A first order approximation to the optimum checkpoint interval*, Communications of the ACM
#   17, 530–531.
