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
# # 15 · Pretraining (预训练)
#
# *For five minutes numbers go by. Is it learning, what, and could the same minutes have taught it more?*
#
# **Files:** `minibert/batches/blocks.py` · `minibert/model/rotary.py` · `minibert/model/llama.py` ·
# `minibert/model/modernbert.py` · `minibert/recipes/baselines.py` · `minibert/recipes/flops.py` ·
# `minibert/learn/checks/blocks.py` · `minibert/learn/checks/model_rotary.py` ·
# `minibert/learn/checks/model_llama.py` · `minibert/learn/checks/model_modernbert.py` ·
# `tools/bench/ablations.py` · `tools/bench/recorded.py` · `chapters/15_pretraining.json` ·
# `tests/test_blocks.py` · `tests/test_rotary.py` · `tests/test_llama.py` · `tests/test_modernbert.py`
#
# **Needs:** [09 Optimizer](09_optimizer.ipynb), [11 GPT](11_gpt.ipynb), [12 BERT](12_bert.ipynb),
# [13 Objectives](13_objectives.ipynb), [14 Training](14_training.ipynb)
#
# **Time:** 100 minutes

# %% [markdown]
# ## The question: is it going well?
#
# All the parts are there: a model (chapter 12), questions to ask it (13), a loop that does not break (14).
# So one types
#
# ```
# minibert pretrain bert-tiny
# ```
#
# and for five minutes numbers go by. After forty seconds, a seventh of the time, there stands:
#
# ```
# step 250: held out: word loss 5.785, word accuracy 0.182, pair loss 0.691, pair accuracy 0.520
# ```
#
# Is that good? The loss is not zero, and never will be. One number of four looks like the toss of a coin.
# Has it found out anything about English yet? Should one wait, or stop it and look for a mistake? A run of
# a week in a hundred times as large a model prints the same lines, and there the answer is worth a great
# deal.
#
# In this chapter we read a run: each number of its first line, then the whole curve, then what went on
# inside while the curve was flat. We break runs on purpose, to see what they look like. And we take the
# newest models apart, and measure what each part buys *in the same minutes*.
#
# What takes minutes was recorded: on two cores of an Intel Xeon, with everything else on the machine
# stopped, by `minibert pretrain`, `tools/bench/ablations.py` and `tools/bench/recorded.py`. It lies beside
# this chapter in `15_pretraining.json`. Everything else runs here, as in every chapter.

# %%
import json
import math
import tempfile
from collections import Counter
from contextlib import nullcontext, redirect_stderr
from importlib import import_module
from io import StringIO
from pathlib import Path
from pydoc_data.topics import topics
from textwrap import fill

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode

# %%
from minibert.batches.blocks import block_starts, cut_blocks
from minibert.batches.causal import CausalBatch, CausalBatches
from minibert.config import (
    GptConfig,
    LlamaConfig,
    ModernBertConfig,
    PretrainConfig,
    QwenConfig,
    model_config,
)
from minibert.hub import llama_folder, modernbert_folder, new_model
from minibert.learn.mutate import mutants
from minibert.learn.notebook import exercise, show
from minibert.learn.proof import checks_of
from minibert.learn.sizes import Sizes
from minibert.model.llama import Llama, LlamaBlock, Qwen, QwenAttention
from minibert.model.modernbert import ModernBert, ModernBertBlock, ModernBertForPretraining, within
from minibert.model.position import turns
from minibert.model.rmsnorm import rmsnorm_plain
from minibert.model.rotary import RotaryAttention
from minibert.recipes.baselines import Bigram
from minibert.recipes.evaluate import evaluate
from minibert.recipes.flops import flops_per_token
from minibert.recipes.learning import TORCH
from minibert.text.store import Store
from minibert.train.device import measure_peak
from minibert.train.loop import train
from minibert.train.optimizer import AdamW

# %%
recorded = json.loads(Path("15_pretraining.json").read_text(encoding="utf-8"))
bert, gpt = recorded["bert"], recorded["gpt"]


def lines_of(run, kind="train"):
    """Return the lines of a run that are of one kind."""
    return [line for line in run["lines"] if line["kind"] == kind]


def column(run, name, kind="train"):
    """Return one number of every line of a kind."""
    return np.array([line[name] for line in lines_of(run, kind)])


assert len(lines_of(bert)) == 97 and len(lines_of(bert, "held_out")) == 8

# %% [markdown]
# ## What the papers wrote
#
# That a loss can be flat and then fall all at once, and that something has happened *inside* when it does:
#
# > We identify a brief window in pretraining when models abruptly acquire SAS, concurrent with a steep
# > drop in loss.
# >
# > Chen et al. 2024, abstract
#
# (SAS is *syntactic attention structure*: heads that look at the words that a word depends on.) On what
# most new ideas buy, by people who tried them all in one setting:
#
# > Surprisingly, we find that most modifications do not meaningfully improve performance.
# >
# > Narang et al. 2021, abstract
#
# And on why some do:
#
# > We offer no explanation as to why these architectures seem to work; we attribute their success, as all
# > else, to divine benevolence.
# >
# > Shazeer 2020, section 4
#
# So we shall have to measure.

# %% [markdown]
# ## The first line
#
# Every twenty steps the loop writes a line to `metrics.jsonl`. This is the first one, as it stands in the
# file:

# %%
print(fill(bert["first_line"], 100))
first = json.loads(bert["first_line"])
settings = bert["config"]

# %% [markdown]
# Number by number, and each one checked against what we know:
#
# - **`step` 20, `tokens` 76,800.** 20 batches of 48 rows of 80 tokens: $20 \cdot 48 \cdot 80 = 76{,}800$.
#   These count all that goes through the model, also what is not asked for.
# - **`seconds` 4.68, `progress` 0.016.** The run was given time, not steps: 4.8 minutes, 288 seconds.
# - **`word_loss` 6.594.** The mean over the masked words of these twenty batches, in nats (chapter 08).
#   What it is worth is the next section.
# - **`pair_loss` 0.691.** Next sentence or not? Two classes; who knows nothing pays $\ln 2 = 0.693$.
# - **`loss` 7.285.** The sum, which is what is made small.
# - **`grad_norm` 0.628.** The length of the whole gradient before clipping (9.13). The limit is 1.
# - **`lr` 0.0013.** The warmup takes 5 % of the time, 14.4 seconds, and leads to 0.004. The step that
#   ended at 4.68 s had its rate from $4.68 / 14.4$ of the way up.
# - **`tokens_per_second` 16,405.** $76{,}800 / 4.68$. The first line is the slowest of all: memory is
#   asked for the first time.
# - **`mfu` 0.176.** A token costs 3.824 million FLOPs in this model, the machine did $3.56 \cdot 10^{11}$
#   in a second when it was measured at the start, and (14.10) is their ratio: $16{,}405 \cdot 3.824 \cdot
#   10^6 / 3.56 \cdot 10^{11}$.
# - **`phases`.** Seconds per step: forward 0.131, backward 0.074, optimizer 0.024 and next to nothing for
#   the data. Together 0.234, a twentieth of the 4.68 seconds.
# - **`memory`.** The most that the process has held so far, in bytes: 577 million.

# %%
assert first["tokens"] == 20 * settings["batch_size"] * settings["seq_len"] == 76_800
assert settings["max_minutes"] * 60 == 288 and round(first["seconds"] / 288, 3) == 0.016
assert math.isclose(first["loss"], first["word_loss"] + first["pair_loss"], rel_tol=1e-6)
assert (round(first["word_loss"], 3), round(first["pair_loss"], 3)) == (6.594, 0.691)
assert round(math.log(2), 3) == 0.693 and round(first["grad_norm"], 3) == 0.628
assert math.isclose(first["lr"], 0.004 * first["seconds"] / (0.05 * 288), rel_tol=1e-3)
assert math.isclose(first["tokens_per_second"], first["tokens"] / first["seconds"])
assert column(bert, "tokens_per_second").argmin() == 0
assert math.isclose(
    first["mfu"],
    first["tokens_per_second"] * bert["flops_per_token"] / bert["peak_flops"],
    rel_tol=1e-4,
)
assert f"{bert['flops_per_token']:.3e}" == "3.824e+06" and f"{bert['peak_flops']:.2e}" == "3.56e+11"
assert math.isclose(sum(first["phases"].values()), first["seconds"] / 20, rel_tol=0.01)

# %% [markdown]
# ## Three lines to hold it against
#
# A loss of 6.594 is a number without a face. It needs company: what would somebody pay who knows *less*?
# There are three such people, and each is a line in the picture below.
#
# **One who knows nothing** holds all $V$ tokens for equally likely and pays the logarithm of their number.
# The uniform distribution (均匀分布):
#
# $$L_{\text{uniform}} = \ln V \tag{15.1}$$
#
# **One who has counted words** knows how common each is. This is the **unigram** (一元) model. With $c(w)$
# the times that $w$ stands in a text of $n$ tokens, and one more for each, so that nothing is impossible:
#
# $$P(w) = \frac{c(w) + 1}{n + V} \qquad L_{\text{unigram}} = -\frac1N \sum_i \ln P(w_i) \tag{15.2}$$
#
# **One who has counted pairs** also looks at the token before, $u$. This is the **bigram** (二元) model.
# Most pairs never occur, though they could. So a little, $d = 0.75$, is taken from each count, and given
# to the unigram model (Ney, Essen and Kneser 1994). With $t(u)$ the kinds of tokens that were seen after
# $u$:
#
# $$P(w \mid u) = \frac{\max(c(u, w) - d,\, 0)}{c(u)} + \frac{d\, t(u)}{c(u)}\, P(w) \tag{15.3}$$
#
# With the pencil, the text *a b a b a b a c*. There are 3 tokens: $\ln 3 = 1.10$. Counted, *a* has
# $\frac{4+1}{8+3} = \frac5{11}$, *b* $\frac4{11}$ and *c* $\frac2{11}$; in the text itself that costs
# $\frac48 \ln\frac{11}5 + \frac38 \ln\frac{11}4 + \frac18 \ln\frac{11}2 = 0.99$. After *a* came two kinds,
# *b* three times and *c* once. So *b* has $\frac{3 - 0.75}4 + \frac{0.75 \cdot 2}4 \cdot \frac4{11} =
# 0.70$, nearly twice as much as without looking.

# %%
pencil = np.array([0, 1, 0, 1, 0, 1, 0, 2])
counted = Bigram.fit(pencil, np.array([0, 8]), 3)
assert np.allclose(counted.unigram, [5 / 11, 4 / 11, 2 / 11]) and round(math.log(3), 2) == 1.10
assert round(counted.unigram_score(pencil)["loss"], 2) == 0.99
assert np.isclose(counted.probabilities(np.array([0]))[0, 1], (3 - 0.75) / 4 + 0.75 * 2 / 4 * 4 / 11)
assert round(float(counted.probabilities(np.array([0]))[0, 1]), 2) == 0.70
show(Bigram.probabilities)

# %% [markdown]
# Each of them is fitted to the text that the model is trained on, and asked for the same words of the same
# held-out text. (The bigram model is even shown the true token before a blank, which our model may find
# masked too.) For our run:

# %%
V = bert["model"]["vocab_size"]
unigram, bigram = (bert["evaluation"]["baselines"][name]["loss"] for name in ("unigram", "bigram"))
final = bert["evaluation"]["word_loss"]
for told, loss in (("uniform", math.log(V)), ("unigram", unigram), ("bigram", bigram), ("the model", final)):
    print(f"{told:10} {loss:.3f} nats, a perplexity of {math.exp(loss):7,.1f}")
assert [round(loss, 3) for loss in (math.log(V), unigram, bigram, final)] == [9.011, 6.511, 4.939, 3.673]

fig, axes = plt.subplots(1, 2, figsize=(8.8, 3.9), dpi=100, sharey=True)
for ax, scale in zip(axes, ("linear", "log"), strict=True):
    ax.plot(column(bert, "step"), column(bert, "word_loss"), "k-", lw=1.2, label="training, 30 % masked")
    ax.plot(
        column(bert, "step", "held_out"),
        column(bert, "word_loss", "held_out"),
        "ko",
        mfc="white",
        ms=5,
        label="held out, 15 % masked",
    )
    for loss, told in ((math.log(V), "uniform"), (unigram, "unigram"), (bigram, "bigram")):
        ax.axhline(loss, color="0.5", lw=0.9, ls="--")
        ax.text(0.985, loss + 0.06, told, size=9, color="0.3", ha="right", transform=ax.get_yaxis_transform())
    ax.set(xscale=scale, xlabel="step" + ", logarithmic" * (scale == "log"), ylim=(3.3, 9.4))
axes[0].set_ylabel("loss of masked words (nats)")
axes[0].legend(frameon=False, loc="upper left", bbox_to_anchor=(0.02, 0.93))
fig.suptitle("One run and what counting reaches")
fig.tight_layout()
plt.show()

# %% [markdown]
# Now the line of the beginning has a face. 5.785 at step 250: it knows more than the counts of words, and
# less than the counts of pairs. Three readings:
#
# **It starts at the unigram line, not at the uniform one.** A fresh model usually begins near $\ln V$, and
# spends its first steps on finding out that *the* is commoner than *Massachusetts*. Ours is told: the bias
# of its output starts at the log frequencies (`--word-bias zero` is the other way). If a run begins *far
# above* $\ln V$, its first weights are too large; much below it, something has been given away.
#
# **It comes down slowly at first, and steeply later.** In the right picture, where the first steps have
# room, one sees it best. That is the *plateau* (平台期), and the next section.
#
# **Held-out points lie below the curve.** Does it know what it has never seen better than what it was
# trained on? No: it is asked *other questions*. In training 30 % of the words are hidden, and in the
# evaluation 15 %, so there are more words left to guess from. Curves can be compared only if they answer
# the same question. So ask the training text as the held-out text is asked:

# %%
on_training = bert["on_training_text"]["word_loss"]
print(f"15 % masked, at the end: {final:.3f} held out, {on_training:.3f} on 2048 examples it has trained on")
read = lines_of(bert)[-1]["tokens"] / bert["tokens"]
print(f"it has read {lines_of(bert)[-1]['tokens']:,} tokens, that is its text {read:.1f} times")

# %% [markdown]
# It has read its text three times over, and knows it hardly better than what it has never seen. So there
# is nothing to be gained from dropout or from stopping early, and something from more minutes, or a larger
# model.
#
# ## The plateau
#
# Look at the first four hundred steps, and at a second curve below. At each checkpoint we asked all eight
# heads of the model: *how much of your attention goes to the token right before, on average?* And to the
# one right behind? The largest of the eight answers is drawn. If attention were even, each of 80 tokens
# would get $\frac1{80} = 0.0125$.

# %%
heads = np.array(bert["heads"])  # step, share of the token before, of the one behind
fig, axes = plt.subplots(3, 1, figsize=(8.8, 6.4), dpi=100, sharex=True, height_ratios=[1.5, 1, 1])
axes[0].plot(column(bert, "step"), column(bert, "word_loss"), "k-", lw=1.2)
for loss, told in ((unigram, "unigram"), (bigram, "bigram")):
    axes[0].axhline(loss, color="0.5", lw=0.9, ls="--")
    axes[0].text(995, loss + 0.04, told, size=9, color="0.3", ha="right")
axes[0].set(ylabel="word loss", ylim=(4.4, 6.8))
axes[0].set_title("First the row as a whole helps; then heads find the neighbours", size=11)
axes[1].plot(heads[:, 0], heads[:, 1], "ko-", ms=4, label="the token before")
axes[1].plot(heads[:, 0], heads[:, 2], "k^--", ms=4, mfc="white", label="the token behind")
axes[1].axhline(1 / 80, color="0.5", lw=0.9, ls=":")
axes[1].set(ylabel="share, best head", ylim=(0, 1))
axes[1].legend(frameon=False, loc="lower right")
axes[2].plot(column(bert, "step"), column(bert, "pair_loss"), "k-", lw=1.2)
axes[2].axhline(math.log(2), color="0.5", lw=0.9, ls="--")
axes[2].text(995, math.log(2) + 0.008, "guessing", size=9, color="0.3", ha="right")
axes[2].set(xlabel="step", ylabel="pair loss", xlim=(0, 1000), ylim=(0.48, 0.74))
for ax in axes:
    ax.axvspan(240, 420, color="0.93", lw=0, zorder=0)
fig.tight_layout()
plt.show()

# %%
share_at = {int(step): max(before, behind) for step, before, behind in heads}
steps, losses = column(bert, "step"), column(bert, "word_loss")
at = dict(zip(steps.tolist(), losses.tolist(), strict=True))
print({step: round(float(share), 2) for step, share in share_at.items() if step <= 600})
assert share_at[100] < 0.02 and share_at[200] < 0.1 and share_at[400] > 0.6 and share_at[600] > 0.79
assert (
    0.1 < share_at[250] < 0.2
    and at[100] - at[240] < 0.4
    and at[240] - at[420] > 0.7
    and at[420] - at[600] < 0.4
)
pairs = dict(zip(steps.tolist(), column(bert, "pair_loss").tolist(), strict=True))
assert min(loss for step, loss in pairs.items() if step <= 400) > 0.68 > pairs[440] > pairs[600]

# %% [markdown]
# Three acts. Up to step 240 the loss falls slowly, from 6.6 to 5.9. The heads are still blind: at step 100
# none gives a neighbour more than 2 % of its attention. What is learned is what can be learned *from the
# mean of all words in the row*: a row about the Treasury has other words in it than one about a war. From
# 240 to 420 (grey) it falls by three quarters of a nat, faster than ever before or after. In the same
# steps the neighbours' share goes from less than 0.2 to more than 0.6. Then it goes on falling, slowly,
# with heads that look to the left and to the right with nine tenths of their attention.
#
# And the pairs? They stand at $\ln 2$ for 400 steps, to two digits. Whoever had looked at this number
# alone would have looked for a bug. To tell whether two sentences belong together one needs to know
# something about sentences. It breaks when the words have broken.
#
# ### Why it is flat
#
# Attention has to find two things at once. Let $g$ be the gradient of the loss by the output
# $\sum_j w_j v_j$ of a head, with the weights $w = \text{softmax}(s)$. The way back through the softmax
# (chapter 04) is
#
# $$\frac{\partial L}{\partial s_j} = w_j \Big( g \cdot v_j - \sum_i w_i\; g \cdot v_i \Big) \tag{15.4}$$
#
# At the start all weights are about $1/T$, so the gradient of each score is small. And in the bracket
# stands by how much $v_j$ fits *better than the mean of all values*. That is next to nothing as long as
# the value matrices do not know yet what to make of a neighbour. But what should they learn it from? From
# a mean over 80 tokens, in which the neighbour has a share of $\frac1{80}$. The key would pay if the value
# were there, and the value would pay if the key were there.
#
# The smallest model of that has two numbers, $a$ for how much one looks and $b$ for what one makes of it.
# Only the product does anything:
#
# $$L = \tfrac12 (1 - ab)^2 \qquad \frac{\partial L}{\partial a} = -b\,(1 - ab) \qquad
# \frac{\partial L}{\partial b} = -a\,(1 - ab) \tag{15.5}$$
#
# At $a = b = 0$ both slopes are zero, though nothing is learned: a **saddle** (鞍点). Start beside it, at
# $a = b = \varepsilon$. Both stay equal, and for a small rate $\eta$ the number $a$ follows
# $\frac{da}{dt} = a(1 - a^2)$ with $t = \eta \cdot \text{steps}$. Put $u = a^2$: its solution is
# $u = 1 / \big(1 + (\varepsilon^{-2} - 1)\, e^{-2t}\big)$. So half the way, $ab = \frac12$, is reached at
#
# $$t = \tfrac12 \ln(\varepsilon^{-2} - 1) \approx \ln\frac1\varepsilon \tag{15.6}$$
#
# With the pencil: $\varepsilon = 0.01$ and $\eta = 0.1$ make $46$ steps, and each further zero in
# $\varepsilon$ another $\ln 10 / 0.1 = 23$. Half of the way took 46 steps, and nine tenths of them look as
# if nothing happened. **A plateau is a small number that grows by a constant factor.**
#
# Adam divides by the size of the gradient (chapter 09). Its steps are of one length, so it should not care
# how small the slopes are. It does not, *if they are exact*. But a gradient from a batch is noisy, and it
# is the noise that Adam divides by. Then the plateau is back.


# %%
def walk(start, rule, noise=0.0, steps=1000):
    """Return L of (15.5) at each step, from a = b = start; the slopes are off by random numbers."""
    draw = np.random.default_rng(0)
    both = torch.nn.Parameter(torch.full((2,), start, dtype=torch.float64))
    down = torch.optim.SGD([both], 0.1) if rule == "SGD" else AdamW([both], 0.01, weight_decay=0.0)
    curve = []
    for _ in range(steps):
        a, b = both.detach().tolist()
        curve.append((1 - a * b) ** 2 / 2)
        slope = np.array([-b * (1 - a * b), -a * (1 - a * b)]) + noise * draw.normal(size=2)
        both.grad = torch.from_numpy(slope)
        down.step()
    return np.array(curve)


def half_way(curve):
    """Return the first step at which ab is more than a half."""
    return int((curve < 1 / 8).argmax())


ways = {
    "SGD, rate 0.1": ("SGD", 0.0),
    "Adam, rate 0.01": ("Adam", 0.0),
    "Adam, with noise of 0.3": ("Adam", 0.3),
}
fig, axes = plt.subplots(1, 3, figsize=(8.8, 2.9), dpi=100, sharey=True)
found = {}
for ax, (told, (rule, noise)) in zip(axes, ways.items(), strict=True):
    for start, style in ((0.1, "k-"), (0.01, "k--"), (0.001, "k:")):
        curve = walk(start, rule, noise)
        found[rule, noise, start] = half_way(curve)
        ax.plot(curve[:320], style, lw=1.4, label=f"from {start}")
    ax.set(xlabel="step", title=told, xlim=(0, 320))
axes[0].set_ylabel("loss")
axes[0].legend(frameon=False)
fig.suptitle("Two numbers that only help together")
fig.tight_layout()
plt.show()

# %%
print({f"{rule}, noise {noise}, from {start}": half for (rule, noise, start), half in found.items()})
assert round(math.log(0.01**-2 - 1) / 2 / 0.1) == 46 and round(math.log(10) / 0.1) == 23
for start in (0.1, 0.01, 0.001):
    assert abs(found["SGD", 0.0, start] - math.log(start**-2 - 1) / 2 / 0.1) < 4
    assert 50 < found["Adam", 0.0, start] < 70
assert min(found["Adam", 0.3, start] for start in (0.01, 0.001)) > 2 * found["Adam", 0.0, 0.001]

# %% [markdown]
# ### What breaks it
#
# Two numbers are not a BERT. So the same `bert-tiny` was trained nine times for 600 steps, on batches of
# 32 rows with masked words alone, each time with one thing changed (`ablations.py plateau`). Every 20
# steps its heads were asked where they look.
#
# One of the nine is an experiment on the cause. If the plateau is the time it takes to *find* the heads
# that look aside, then a model that has them from the start should have none. To build them is easy, with
# chapter 03: a sinusoid that is turned is the sinusoid of another place (3.5). In the first block, the
# queries of one head are the positions turned back by one place, those of another turned on by one, and
# the keys are the positions as they are. Such a model gives its neighbours about two thirds of these
# heads' attention before it has learned anything, and all of it goes on to learn.

# %%
plateau = {race["variant"]: race for race in recorded["races"] if race["race"] == "plateau"}
table = []
for told, race in plateau.items():
    looked = np.array(race["heads"])  # step, before, behind
    found_at = looked[looked[:, 1:].max(1) > 0.1, 0]
    table.append((race["loss"], told, looked[-1, 1:].max(), int(found_at[0]) if len(found_at) else None))
print(f"{'':32} held out  largest share  first above 10 %")
for loss, told, largest, first_step in sorted(table):
    print(f"{told:32} {loss:8.3f}  {largest:13.2f}  {first_step or 'never'}")

# %%
fig, axes = plt.subplots(1, 2, figsize=(8.8, 3.7), dpi=100)
styles = {
    "Muon, sinusoids": "k-",
    "Muon, noise": "k:",
    "AdamW, sinusoids": "k--",
    "AdamW, heads that look aside": "k-.",
}
for told, style in styles.items():
    race = plateau[told]
    curve, looked = np.array(race["curve"]), np.array(race["heads"])
    axes[0].plot(curve[:, 0], curve[:, 1], style, lw=1.4, label=told)
    axes[1].plot(looked[:, 0], looked[:, 1:].max(1), style, lw=1.4)
axes[0].set(xlabel="step", ylabel="training loss (nats)", ylim=(5.1, 6.7))
axes[0].legend(frameon=False, loc="lower left")
axes[1].set(xlabel="step", ylabel="share of a neighbour, best head", ylim=(0, 0.75))
fig.suptitle("Give AdamW the two heads, and its plateau is gone")
fig.tight_layout()
plt.show()

# %%
lost = {told: race["loss"] for told, race in plateau.items()}
assert lost["AdamW, sinusoids"] - lost["AdamW, heads that look aside"] > 0.7
assert abs(lost["AdamW, heads that look aside"] - lost["Muon, sinusoids"]) < 0.05
assert lost["Muon, noise"] - lost["Muon, sinusoids"] > 0.4
assert abs(lost["AdamW, noise"] - lost["AdamW, sinusoids"]) < 0.05

# %% [markdown]
# With the two heads built in, AdamW reaches in 600 steps what Muon reaches without them, and three
# quarters of a nat more than without. So what this model does on its plateau is to search for its
# neighbours. (And how far does one get without them? Muon with noise has no head with more than 0.02 for
# either, and comes to 5.80.) What helps the search?
#
# - **Muon.** Of those without the heads it is the only one that finds them in 600 steps. It steps as far
#   in a direction of a matrix that has next to no gradient as in one with much (chapter 09). AdamW's
#   matrices hardly move where the mean of a gradient is small beside its noise, as in our model of two
#   numbers.
# - **Positions that start as sinusoids.** With noise in their place even Muon has found nothing after 600
#   steps: no turn leads from one random vector to the next. Both are needed here. (For AdamW it makes no
#   difference in these steps, as it has found nothing in either case.)
# - **Rotary positions** (in ModernBERT) need not find the turn, they *are* one. With AdamW, its heads look
#   at the token behind with a share of 0.13 at the end, and the loss is half a nat below BERT's. But it
#   differs from BERT in other things too.
# - **The rate.** Three times the rate comes down faster in the first act, and finds no neighbours sooner.
#   A third of it is slower in everything.
# - **A quarter of the batch** has noise of twice the size and a quarter of the text, in the same number of
#   steps. It stands above all others with that rate.
#
# What was *not* measured: how long AdamW's plateau is when it has more steps (it ends, the README tells of
# a run of 1,902 steps that came to 5.925), whether a larger model finds the heads sooner, and whether
# other seeds do. One run each: differences of a tenth mean little, and those of half a nat are what we
# speak of.

# %%
assert round(lost["Muon, noise"], 2) == 5.80 and plateau["Muon, noise"]["heads"][-1][1] < 0.025
assert max(lost, key=lost.get) == "AdamW, a third of the rate"
assert lost["AdamW, a quarter of the batch"] > lost["AdamW, sinusoids"] > lost["AdamW, three times the rate"]
assert {told for _, told, _, first_step in table if first_step} == {
    "Muon, sinusoids",
    "AdamW, heads that look aside",
    "AdamW, rotary (ModernBERT)",
}
assert round(plateau["AdamW, rotary (ModernBERT)"]["heads"][-1][2], 2) == 0.13
assert 0.45 < lost["AdamW, sinusoids"] - lost["AdamW, rotary (ModernBERT)"] < 0.6

# %% [markdown]
# ## The other columns
#
# The loss is what one looks at. The other numbers tell when something is wrong *before* the loss does.

# %%
fig, axes = plt.subplots(2, 2, figsize=(8.8, 5.2), dpi=100)
panels = (
    (axes[0, 0], "lr", 1000, "learning rate, $10^{-3}$"),
    (axes[0, 1], "grad_norm", 1, "norm of the gradient"),
    (axes[1, 0], "tokens_per_second", 1e-3, "thousand tokens / s"),
)
for ax, name, unit, told in panels:
    ax.plot(column(bert, "step"), unit * column(bert, name), "k-", lw=1.1)
    ax.set(ylabel=told, xlabel="step", ylim=(0, None))
axes[0, 1].axhline(1, color="0.5", lw=0.9, ls="--")
axes[0, 1].text(1930, 1.04, "clipped to 1", size=9, color="0.3", ha="right")
left = 0.0
for name, grey in zip(
    ("data", "forward", "backward", "optimizer"), ("0.3", "0.9", "0.65", "0.8"), strict=True
):
    width = 1000 * bert["phases"][name]
    axes[1, 1].barh(0, width, left=left, color=grey, edgecolor="0.3", height=0.5)
    if width > 10:
        axes[1, 1].text(left + width / 2, 0.32, f"{name}\n{width:.0f}", ha="center", va="bottom", size=9)
    left += width
axes[1, 1].set(xlabel="milliseconds of a step", yticks=[], ylim=(-0.8, 0.8))
axes[1, 1].spines[["left", "top", "right"]].set_visible(False)
fig.suptitle("What else stands in the lines")
fig.tight_layout()
plt.show()

# %% [markdown]
# **The learning rate** rises for the first 5 % of the time and falls to zero at the end, as chapter 09 has
# it. It is a function of the *clock*, since the run was given minutes. A machine that is slower takes
# fewer steps, but always comes down to zero; a run that is cut off at half of its time has never learned
# with a small rate. In the last tenth of the steps the loss still falls: small steps settle what large
# ones stir up.
#
# **The gradient norm** rises from 0.6 to nearly 3, while the loss falls. One expects the opposite: is the
# gradient not zero at the bottom? But this is the gradient of *one batch*. At first all batches say the
# same. Later each says something of its own, and that need not be small for their mean to be. From about
# step 250 on every gradient is clipped. Muon and Adam hardly mind: both divide by the size. What would be
# a bad sign is a norm that jumps tenfold from one line to the next, together with the loss.
#
# **Tokens per second** are steady at 26,000, but for four lines at nearly twice that: 53,276 at step 260.
# Was the machine so fast, for once? Look where these lines stand: behind the looks at held-out text at
# 250, 750, 1250 and 1750, which are no multiples of 20. Line 260 counts the tokens of the twenty steps
# since line 240, and the seconds of the ten since the look at 250. **The log was wrong, not the machine**,
# and nobody had noticed until this chapter read it line by line. (Where a line and a look fall together,
# at 500 or 1000, nothing can go wrong. The fault is mended; this run is from before.)

# %%
looks = column(bert, "step", "held_out")
settled = dict(zip(looks.tolist(), column(bert, "word_loss", "held_out").tolist(), strict=True))
assert settled[1750] - settled[1930] > 0.03
assert column(bert, "grad_norm")[:5].max() < 0.8 and 2.9 < column(bert, "grad_norm").max() < 3
assert (column(bert, "grad_norm")[12:] > 1).all() and (column(bert, "grad_norm")[:12] < 1).all()
fast = {int(line["step"]) for line in lines_of(bert) if line["tokens_per_second"] > 40_000}
usual = float(np.median(column(bert, "tokens_per_second")))
print(f"usual {usual:,.0f} tokens a second; faster lines: {sorted(fast)}; looks: {looks.tolist()}")
assert fast == {20 * math.ceil(look / 20) for look in looks[:-1] if look % 20} == {260, 760, 1260, 1760}

# %% [markdown]
# ## When something is wrong
#
# Each fault has a face. To know them, we make them: seven small runs that differ in one thing. The text is
# one that every Python carries with it, the topics of its own help, 464 thousand characters and more with
# some versions. Every tenth topic is held out. The model is a small GPT on characters, and it is trained
# by the library's own loop. First what counting reaches:

# %%
names = sorted(topics)
letters = sorted(set("".join(topics.values())))
code = {letter: number for number, letter in enumerate(letters)}


def stored(which):
    """Return some topics as a store: the ids of their characters, one topic behind the other."""
    documents = [np.array([code[letter] for letter in topics[name]], np.uint8) for name in which]
    ends = np.cumsum([0, *map(len, documents)])
    return Store(np.concatenate(documents), ends, np.arange(len(documents) + 1), list(which), "")


kept, unseen = stored([name for i, name in enumerate(names) if i % 10]), stored(names[::10])
asked = CausalBatches(unseen, 64, 64)
question = asked.examples(0, 256)
table = Bigram.fit(kept.ids, kept.sentences[kept.documents], len(letters))
lines = {
    "uniform": math.log(len(letters)),
    "unigram": table.unigram_score(question.targets.flatten().numpy())["loss"],
    "bigram": table.score(question.ids.flatten().numpy(), question.targets.flatten().numpy())["loss"],
}
print(
    f"{len(kept.ids):,} characters to train on, {len(unseen.ids):,} held out, {len(letters)} different ones"
)
print({told: round(loss, 2) for told, loss in lines.items()})
assert lines["bigram"] < lines["unigram"] < lines["uniform"]

# %%
STEPS, RATES = 150, {"lr": 4e-3, "matrix_lr": 0.015}


def small_run(batches=None, store=kept, times=1.0):
    """Train a small GPT on characters, at so many times the rates, and return the lines of its log."""
    config = PretrainConfig(
        **{name: rate * times for name, rate in RATES.items()},
        **{"steps": STEPS, "batch_size": 16, "seq_len": 64, "log_every": 1, "evaluate_every": 15},
    )
    shape = GptConfig(
        len(letters), 2, 64, 4, 256, 64, dropout=0.0, attention_dropout=0.0, position_init="sinusoidal"
    )
    model = new_model(shape, torch.Generator().manual_seed(0))
    with tempfile.TemporaryDirectory() as folder, redirect_stderr(StringIO()):
        train(
            model,
            TORCH.loss,
            batches or CausalBatches(store, config.batch_size, config.seq_len),
            lambda: TORCH.optimizers(model, config),
            folder,
            config,
            counts=lambda batch: batch.counts(),
            count_tokens=lambda batch: batch.ids.numel(),
            evaluate=lambda network: evaluate(network, asked, 64),
        )
        written = Path(folder, "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return {"lines": [json.loads(line) for line in written]}


def unshuffled(step, first, count):
    """Return the blocks of the text from its beginning on, one behind the other."""
    starts = (step * 16 + first + np.arange(count)) * 64 % len(kept.ids)
    inputs, targets = cut_blocks(kept.ids, starts, 64)
    return CausalBatch(*(torch.from_numpy(np.ascontiguousarray(half)) for half in (inputs, targets)))


def shifted(how):
    """Return the mistake in `cut_blocks` whose name begins so."""
    return next(one for one in mutants() if one.name.startswith(f"the targets are {how}"))


page = Store(kept.ids[:3000], np.array([0, 3000]), np.array([0, 1]), ["one page"], "")
torch.set_num_threads(1)  # for so small a model a second core only gets in the way
small = {"right": small_run()}
small["rates a hundred times as high"] = small_run(times=100)
small["rates a thirtieth as high"] = small_run(times=1 / 30)
with shifted("not shifted").made():
    small["targets not shifted"] = small_run()
with shifted("shifted twice").made():
    small["targets shifted twice"] = small_run()
small["never shuffled"] = small_run(unshuffled)
small["one page to learn from"] = small_run(store=page)
torch.set_num_threads(2)

# %%
fig, axes = plt.subplots(2, 3, figsize=(8.8, 5.6), dpi=100, sharex=True, sharey=True)
for ax, (told, run) in zip(axes.flat, list(small.items())[1:], strict=True):
    for name, grey, width in (("right", "0.7", 1.0), (told, "black", 1.2)):
        ax.plot(column(small[name], "step"), column(small[name], "word_loss"), color=grey, lw=width)
    ax.plot(
        column(run, "step", "held_out"), column(run, "word_loss", "held_out"), "ko", mfc="white", ms=4, lw=1
    )
    for loss in lines.values():
        ax.axhline(loss, color="0.6", lw=0.8, ls="--")
    ax.set_title(told, size=10)
    ax.set(ylim=(0, 5.1))
for name, loss in lines.items():
    axes[0, 2].text(150, loss + 0.04, name, size=8, color="0.3", ha="right")
for ax in axes[1]:
    ax.set_xlabel("step")
for ax in axes[:, 0]:
    ax.set_ylabel("loss (nats)")
fig.suptitle("Six faults (black; circles: held out) beside a run without one (grey)")
fig.tight_layout()
plt.show()

# %%
last = {told: float(column(run, "word_loss")[-10:].mean()) for told, run in small.items()}
held = {told: column(run, "word_loss", "held_out") for told, run in small.items()}
for told in small:
    norms = column(small[told], "grad_norm")
    print(
        f"{told:30} training {last[told]:5.2f}, held out {held[told][-1]:5.2f}, "
        f"largest norm after 10 steps {norms[10:].max():5.2f}"
    )
assert last["right"] < lines["bigram"] - 0.1
assert abs(last["rates a hundred times as high"] - lines["unigram"]) < 0.2
assert lines["unigram"] < last["rates a thirtieth as high"] < lines["uniform"]
assert last["targets not shifted"] < 0.1
assert (
    last["targets shifted twice"] > lines["bigram"] and last["targets shifted twice"] > last["right"] + 0.25
)
assert held["never shuffled"][-1] > held["right"][-1] + 0.05
assert (
    last["one page to learn from"] < 2
    and held["one page to learn from"][-1] > held["one page to learn from"].min() + 0.1
)

# %% [markdown]
# What each of them looks like, and which number tells:
#
# - **The rate is far too high.** The loss first goes *up*, then comes down to the unigram line and stays.
#   The blocks have been destroyed in the first steps, and all that still learns is how common each
#   character is. A flat curve at *unigram* says: no information comes from the other tokens. It is a
#   plateau too, but look at the gradient norm: after the first ten steps it is still several times as
#   large as in the healthy run.
# - **The rate is far too low.** A smooth, convincing curve, and far above everything. Nothing is broken;
#   it takes for ever. Only the comparison with counting shows that nothing has been learned yet.
#   (`--find-lr` finds both ends.)
# - **Targets not shifted.** The loss goes to zero in sixty steps. Every model can copy what it sees. **A
#   loss below what is possible is a bug and not a success**: nobody guesses English characters at 0.01
#   nats.
# - **Targets shifted twice.** The most dangerous face, for there is none: a fine curve, held-out text
#   agrees. It guesses the character after next. Only the bigram line gives it away, which is not reached,
#   though the healthy run passes it. (A sample would too.)
# - **Never shuffled.** The topics come in the order of the alphabet, and 150 steps get no further than a
#   third of the text. Neighbouring batches are about the same things, so the curve has bumps as wide as a
#   topic. And held-out text, which comes from everywhere, is worse than with a shuffle.
# - **Too little text.** The curve of the training looks best of all. Held-out text turns round and goes
#   up. It is learning one page by heart (**overfitting**, 过拟合). `--patience` stops there.
#
# A healthy run begins at or below $\ln V$, passes unigram at once, and bigram soon; held-out text follows.
# If all of it fits into memory, `--overfit-one-batch` is the first thing to try: a model, a loss or an
# optimizer that cannot learn a single batch by heart has a fault, and it takes a minute to find that out.

# %% [markdown]
# ## The same for a causal model
#
# Three minutes of `minibert pretrain gpt-tiny`: two blocks, $D = 128$ as before, byte pairs (chapter 01),
# the same messages.

# %%
fig, axes = plt.subplots(1, 2, figsize=(8.8, 3.6), dpi=100, width_ratios=[1.4, 1])
counts = {"uniform": math.log(gpt["model"]["vocab_size"])}
counts |= {name: gpt["evaluation"]["baselines"][name]["loss"] for name in ("unigram", "bigram")}
axes[0].plot(column(gpt, "step"), column(gpt, "word_loss"), "k-", lw=1.2, label="training")
axes[0].plot(
    column(gpt, "step", "held_out"),
    column(gpt, "word_loss", "held_out"),
    "ko",
    mfc="white",
    ms=5,
    label="held out",
)
for told, loss in counts.items():
    axes[0].axhline(loss, color="0.5", lw=0.9, ls="--")
    axes[0].text(645, loss + 0.06, told, size=9, color="0.3", ha="right")
axes[0].set(xlabel="step", ylabel="loss of the next token (nats)", ylim=(4, 9.4))
axes[0].legend(frameon=False, loc="upper right", bbox_to_anchor=(1, 0.88))
axes[1].plot(range(1, 81), gpt["by_place"], "k-", lw=1.2)
axes[1].set(xlabel="place in the block", ylabel="held-out loss (nats)", ylim=(4.1, 5.1))
axes[1].set_title("Little to go on, at the front", size=11)
axes[0].set_title("It begins at the uniform line, and has no plateau", size=11)
fig.tight_layout()
plt.show()

# %%
by_place = np.array(gpt["by_place"])
print(f"at the first place {by_place[0]:.2f}, at the second {by_place[1]:.2f}, ", end="")
print(f"from 20 to 39 {by_place[20:40].mean():.2f}, from 60 on {by_place[60:].mean():.2f}")
steps = column(gpt, "step")
assert column(gpt, "word_loss")[0] > 8 and gpt["config"]["objective"] == "clm"
assert column(gpt, "word_loss")[5] < counts["unigram"] - 0.5  # step 120
assert by_place[0] > by_place[1] + 0.3 > by_place[20:].mean() + 0.5
assert abs(by_place[20:40].mean() - by_place[60:].mean()) < 0.05
assert abs(np.mean(by_place) - gpt["evaluation"]["word_loss"]) < 0.01

# %% [markdown]
# What is different?
#
# **It begins at the uniform line.** Its output has no bias that could be told the frequencies (chapter
# 11), so it spends its first fifty steps on them.
#
# **No plateau.** Every place is asked, 3840 questions in a batch against BERT's 1100, and the last word
# itself is at hand: the bigram needs no attention at all, only the table (chapter 11, *a GPT without
# blocks*). So there is a way down from the first step, and the heads grow on it. It crosses the bigram
# line near step 250, and BERT near 430.
#
# **Training and held-out agree.** Here both answer the same question, and in three minutes it has read its
# text once: everything was new.
#
# **At the front of a block** there is little to go on. The first token of a block is guessed from one
# token, and costs 0.6 nats more than what stands further on. From the tenth on the curve is flat: this
# model, after these minutes, lives on the last few tokens. So the mean over blocks of 80 is honest here,
# and it would not be for a better model (chapter 11 slides a window for that).
#
# **Bits per byte.** The loss is per *token*, and a token is what a tokenizer says it is. By (11.20) it
# makes 1.30 bits for each byte of the text, and that can be compared with any model of any vocabulary.
#
# And the text? The same prompt, the same random numbers, at five of its checkpoints:

# %%
assert round(gpt["evaluation"]["bits_per_byte"], 2) == 1.30
for step, written in gpt["samples"]:
    if step in (100, 200, 300, 500, 650):
        print(fill(f"{step:3}: {gpt['prompt']}{' '.join(written.split(chr(10)))}", 100), "\n")

# %% [markdown]
# At 100 it has the words and their neighbours. Later it has what presidents say, with months, secretaries
# and reports. It never has a thought: three minutes on two cores buy the sound of a language, not what it
# is for. The loss has told that, by the way. Between bigram and this model lie 0.44 nats, and the rest of
# what people know about the next word costs orders of magnitude more.

# %%
assert round(lines_of(gpt)[-1]["tokens"] / gpt["tokens"], 1) == 1.0
gained = gpt["evaluation"]["baselines"]["bigram"]["loss"] - gpt["evaluation"]["word_loss"]
assert round(gained, 2) == 0.44
bert_steps, bert_held = column(bert, "step", "held_out"), column(bert, "word_loss", "held_out")
print(f"held-out words reach the bigram line at step {np.interp(-bigram, -bert_held, bert_steps):.0f} (BERT)")

# %% [markdown]
# ### What a causal run reads
#
# BERT's rows are made of sentences, with blanks in them (chapter 13). A causal model reads **blocks**
# (文本块) of $T$ tokens, cut out of the running text, and at every place of a block it is asked for the
# token that follows:
#
# $$\text{inputs}_{bt} = s_{(a_b + t) \bmod n} \qquad
# \text{targets}_{bt} = s_{(a_b + t + 1) \bmod n} \qquad (t = 0 \dots T - 1) \tag{15.7}$$
#
# Here $s_0 \dots s_{n-1}$ is the text and $a_b$ the place where block $b$ begins. The targets are shifted
# by one, here and nowhere else (chapter 11). And the text is a ring: behind its last token comes its
# first.
#
# Where do blocks begin? One right behind the other, so that nothing is read twice in an epoch. That leaves
# two small injustices. If $T$ does not divide $n$, the last $n \bmod T$ tokens are never read. And the
# first token of each block has to be guessed from nothing at all; if the borders never moved, it would
# always be the same tokens. So each epoch $e$ begins at another place, its phase $\varphi_e$, which is
# drawn from all $n$:
#
# $$a = (\varphi_e + j\, T) \bmod n, \qquad j = 0 \dots \lfloor n/T \rfloor - 1 \tag{15.8}$$
#
# With the pencil: ten tokens, blocks of three, the phase 4. Block 0 begins at 4, block 1 at 7, and block 2
# at $(4 + 6) \bmod 10 = 0$. The targets of the second block, 7 8 9, are 8 9 0. Token 3 is not read this
# time.

# %%
ten = np.arange(10)
inputs, targets = cut_blocks(ten, (4 + 3 * np.arange(3)) % 10, 3)
assert inputs.tolist() == [[4, 5, 6], [7, 8, 9], [0, 1, 2]]
assert targets.tolist() == [[5, 6, 7], [8, 9, 0], [1, 2, 3]]
show(block_starts, cut_blocks)

# %% [markdown]
# The picture is a text of 85 tokens in blocks of 8. Each row is an epoch. A block begins at each black
# stroke, and what is grey is not read. Down the columns one sees that both have moved.

# %%
fig, ax = plt.subplots(figsize=(8.8, 2.4), dpi=100)
for epoch in range(6):
    starts = block_starts(np.full(10, epoch), np.arange(10), 8, 85, 0)
    read = (starts[:, None] + np.arange(8)) % 85
    assert len(set(read.ravel().tolist())) == 80
    left = np.setdiff1d(np.arange(85), read)
    ax.barh(epoch, 85, height=0.8, color="white", edgecolor="0.7", lw=0.6, align="center")
    ax.barh(np.full(len(left), epoch), 1, left=left, height=0.8, color="0.75")
    ax.vlines(starts, epoch - 0.4, epoch + 0.4, color="black", lw=1.6)
ax.set(xlim=(0, 85), ylim=(5.6, -0.6), xlabel="place in the text", ylabel="epoch", yticks=range(6))
ax.set_title("Ten blocks of 8 out of 85 tokens: the borders move, and so does what is left out")
ax.spines[:].set_visible(False)
fig.tight_layout()
plt.show()

# %% [markdown]
# ## The newer models, part by part
#
# GPT-2 is of 2019 and BERT of 2018. What has changed since? Less than one would think. **Llama** and
# **Qwen** are GPT-2 with other parts, and **ModernBERT** is BERT with nearly the same ones:
#
# | | GPT-2 | Llama, Qwen | BERT | ModernBERT |
# |---|---|---|---|---|
# | positions | learned, added | queries and keys turned | learned, added | queries and keys turned |
# | norm | layer norm | RMS norm | layer norm | layer norm, without a shift |
# | where it stands | before the branch | before the branch | behind the sum | before the branch |
# | feed-forward | GELU, $F = 4D$ | gate of SiLU, $F \approx \frac83 D$ | GELU | gate of GELU |
# | biases | yes | no | yes | no |
# | heads of keys | as many as of queries | as many, or fewer | as many | as many |
# | queries and keys | as they are | as they are; Qwen norms them | as they are | as they are |
# | each token sees | all before it | all before it | all | in two blocks of three, a window |
#
# The turn was derived in chapter 03 (3.8), the gate in 06 (6.9), the RMS norm and the order of the block in
# 07 (7.22, 7.13). What is new here is how they are put together, and three ideas: heads that share their
# keys, queries and keys of a fixed length, and windows.
#
# ### Turned queries and keys
#
# A token $x_t$ (D) has a query in each of $H$ heads. It has a key and a value in each of $G$ heads, and $G$
# may be smaller. $R_t$ is the turn that belongs to the place $t$:
#
# $$q^h_t = R_t\, W_q^h x_t \qquad k^g_t = R_t\, W_k^g x_t \qquad v^g_t = W_v^g x_t \tag{15.9}$$
#
# Head $h$ of the queries looks at head
#
# $$g = \Big\lfloor \frac{h}{H / G} \Big\rfloor \tag{15.10}$$
#
# of the keys: with $H = 4$ and $G = 2$, heads 0 and 1 share one, heads 2 and 3 the other. (**Grouped-query
# attention**, 分组查询注意力, Ainslie et al. 2023.) Why share? For writing. The cache of chapter 11 holds
# keys and values of all tokens, and has $G/H$ of its size now.
#
# Only two of the three are turned. A turn says *where* a token stands, and a query and a key are compared
# by that. A value is what is handed over once they have found each other, and must not depend on the
# place. If it did, whoever moved the whole text by ten places would get other numbers. Let us try: the
# correct code, and the mistake.

# %%
torch.manual_seed(0)
turned = RotaryAttention(16, heads=4, key_heads=2).double()
text = torch.randn(1, 6, 16, dtype=torch.float64)
here, there = (turns(torch.arange(6) + first, 4, dtype=torch.float64) for first in (0, 10))
assert [tuple(part.shape) for part in turned.project(text, here)] == [
    (1, 4, 6, 4),
    (1, 2, 6, 4),
    (1, 2, 6, 4),
]
assert [4 // 2 * g for g in range(2)] == [0, 2] and [h // (4 // 2) for h in range(4)] == [0, 0, 1, 1]

also_values = next(
    one for one in mutants() if one.function.endswith("RotaryAttention.project") and "values" in one.name
)
for told, making in (("right", nullcontext()), (also_values.name, also_values.made())):
    with making, torch.no_grad():
        moved = float((turned(text, there) - turned(text, here)).abs().max())
    print(f"{told}: the text ten places further on changes the output by {moved:.0e}")
    assert (moved < 1e-12) == (told == "right")

# %%
show(RotaryAttention.project, RotaryAttention.gather)

# %% [markdown]
# ### Queries and keys of one length
#
# The score of a query and a key is $q \cdot k / \sqrt K$. As weights grow in training, so may this number,
# without limit. A softmax of large scores looks at one token alone, and its gradient is next to nothing
# (chapter 04): the head can hardly learn any more.
#
# > … we propose QKNorm, a normalization technique that modifies the attention mechanism to make the softmax
# > function less prone to arbitrary saturation without sacrificing expressivity.
# >
# > Henry et al. 2020, abstract
#
# **QK-norm** in today's form puts each head's query and each head's key through an RMS norm, with a scale
# $\gamma$ of $K$ numbers each. Let $n$ be the normed query and $m$ the normed key, before the scales. Both
# have the length $\sqrt K$, since their mean square is 1; a turn changes no length; and a product is at
# most the product of the lengths (Cauchy). So, with the largest entries of the scales,
#
# $$\Big| \frac{(R_t (\gamma_q \odot n)) \cdot (R_s (\gamma_k \odot m))}{\sqrt K} \Big|
# \le \max|\gamma_q|\, \max|\gamma_k|\, \frac{\sqrt K \sqrt K}{\sqrt K}
# = \max|\gamma_q|\, \max|\gamma_k|\, \sqrt K \tag{15.11}$$
#
# However large $W_q$ and $W_k$ become, the scores stay within this bound. A head that wants to look sharply
# has to say so with its scales, which are few and move slowly.
#
# With the pencil: $q = (3, 4)$ has the mean square $12.5$, and becomes $(0.85,\ 1.13)$ of the length
# $\sqrt 2$. So does $(3000, 4000)$.
#
# **Norm first, then turn.** Without the scales it would be all the same. With them it is not, since a
# scale belongs to a feature and a turn mixes two. Take $\gamma = (2, 1)$, $n = (1, 1)$ and a turn by a
# right angle, which makes $(-b, a)$ of $(a, b)$. Scaled, then turned: $(2, 1)$, then $(-1, 2)$. Turned,
# then scaled: $(-1, 1)$, then $(-2, 1)$. In the second order the score of two tokens no longer depends on
# their distance alone, for (3.8) needs the turns to stand next to each other.

# %%
assert np.allclose(
    rmsnorm_plain(torch.tensor([[3.0, 4], [3000, 4000]]), torch.ones(2)), [[0.85, 1.13]], atol=5e-3
)
qwen_shape = QwenConfig(vocab_size=50, layers=2, width=32, heads=4, key_heads=2, feedforward=24)
head = QwenAttention(qwen_shape).double()
x = torch.randn(1, 12, 32, dtype=torch.float64)
angles = turns(torch.arange(12), 8, dtype=torch.float64)
with torch.no_grad():
    head.query_norm.weight.uniform_(0.5, 2)
    head.key_norm.weight.uniform_(0.5, 2)
    bound = float(head.query_norm.weight.max() * head.key_norm.weight.max()) * math.sqrt(8)
    for size in (1, 1000):
        head.query.weight.mul_(size)
        query, key, _ = head.project(x, angles)
        scores = query @ key.repeat_interleave(2, 1).mT / math.sqrt(8)
        print(
            f"weights {size:4} times as large: largest score {float(scores.abs().max()):.2f} of {bound:.2f}"
        )
        assert float(scores.abs().max()) <= bound
show(QwenAttention)

# %% [markdown]
# ### The block of Llama
#
# It is the pre-norm block (7.13), with other parts in it:
#
# $$y = x + \text{attention}(\text{norm}_1(x)) \qquad z = y + \text{feedforward}(\text{norm}_2(y))
# \tag{15.12}$$
#
# > To improve the training stability, we normalize the input of each transformer sub-layer, instead of
# > normalizing the output.
# >
# > Touvron et al. 2023, section 2.2
#
# In our library both branches of a new block end in a matrix of zeros. So at first $z = y = x$, the stack
# does nothing, and the model is the one without blocks of chapter 11. How can it learn? The gradient of a
# last matrix $W_o$ is $dy^T a$ with what goes into it, $a$ (2.5), and that is not zero. But what goes back
# *through* it is $dy\, W_o = 0$ (2.4). So in the first step the last matrices learn alone; from the second
# on, all do.

# %%
show(LlamaBlock.forward, Llama.start_weights.__wrapped__)

# %%
fresh = Qwen(qwen_shape, torch.Generator().manual_seed(0))
ids = torch.randint(50, (4, 12), generator=torch.Generator().manual_seed(1))
assert torch.equal(fresh.features(ids), fresh.norm(fresh.tokens(ids)))  # as if there were no blocks
downhill = torch.optim.SGD(fresh.parameters(), lr=0.1)
for step in (1, 2):
    downhill.zero_grad()
    F.cross_entropy(fresh(ids)[:, :-1].flatten(0, 1), ids[:, 1:].flatten()).backward()
    learning = {
        name.removeprefix("blocks.0."): float(weight.grad.abs().max())
        for name, weight in fresh.named_parameters()
        if name.startswith("blocks.0")
    }
    moving = [name for name, slope in learning.items() if slope > 0]
    print(f"step {step}: {len(moving)} of {len(learning)} learn" + f", {', '.join(moving)}" * (step == 1))
    assert len(moving) == (2 if step == 1 else len(learning))
    downhill.step()

# %% [markdown]
# ### The stack of Llama
#
# $$x^0_t = E_{s_t} \qquad x^l = \text{block}^l(x^{l-1}) \qquad f = \text{norm}(x^L) \qquad
# z = f E^T \tag{15.13}$$
#
# The turns depend on the place alone. They are worked out once and serve all blocks. For a text that is
# still being written there is the state of chapter 11, the memory of keys and values; it knows at which
# places the new tokens stand, and so the turns of a token do not start again at zero.

# %%
show(Llama.features)

# %% [markdown]
# Count the numbers. A block of Llama has $4 D^2$ in its attention (with $G = H$), $3 D F$ in the
# feed-forward layer and $2 D$ in its norms. Qwen's has $2K$ more. For `qwen-tiny`, $D = 128$, $F = 352$,
# $K = 32$: $65{,}536 + 135{,}168 + 256 + 64 = 201{,}024$. GPT-2's block of the same width has 198,272,
# with $8 D^2$ in its feed-forward layer, and biases. So the two are of one size, and can be compared.

# %%
tiny = {
    name: new_model(model_config(name, PretrainConfig(vocab_size=1024)))
    for name in ("qwen-tiny", "llama-tiny", "gpt-tiny")
}
per_block = {name: sum(p.numel() for p in model.blocks[0].parameters()) for name, model in tiny.items()}
print(per_block)
assert 4 * 128**2 == 65_536 and 3 * 128 * 352 == 135_168 and 65_536 + 135_168 + 256 + 64 == 201_024
assert per_block == {"qwen-tiny": 201_024, "llama-tiny": 201_024 - 64, "gpt-tiny": 198_272}

# %% [markdown]
# ### A window
#
# In an encoder every token looks at every other, $T^2$ pairs. Most of what a word needs stands near it. So
# let most blocks look no farther than a **window** (滑动窗口注意力): token $i$ may attend to $j$ if
#
# $$|i - j| \le r \tag{15.14}$$
#
# Both sides alike, the edge included, so $2r + 1$ tokens. With the pencil, $T = 5$ and $r = 1$: the first
# and the last token see two, the others three; 13 pairs in place of 25. Is what stands farther away out of
# reach? No: a neighbour has heard of *its* neighbour. After $l$ such blocks a token has heard of all that
# stand at most $l r$ away. And now and then comes a block that sees everything. In ModernBERT it is each
# third one, beginning with the first.

# %%
window = within(None, 5, 1, torch.device("cpu"))
print(window.int().numpy())
assert int(window.sum()) == 13 and within(None, 5, 4, torch.device("cpu")) is None
show(within)

# %% [markdown]
# Where the window would hide nothing there is no mask at all: the kernel is faster without.
#
# ### The block of ModernBERT
#
# $$y = x + \text{dropout}\big(W_o\, \text{heads}(\text{norm}_1(x))\big) \qquad
# z = y + \text{feedforward}(\text{norm}_2(y)) \tag{15.15}$$
#
# The first block has no $\text{norm}_1$: the embedding ends with a norm, and to norm twice is no use. (Two
# norms of that kind are nearly one, as chapter 07 has shown.) `rows` is a trick of chapter 12: in the
# *last* block only the blanks are asked for. All tokens are attended to, but what follows is worked out
# for these alone.

# %%
show(ModernBertBlock.forward)

# %% [markdown]
# ### The encoder
#
# Two kinds of blocks, each with its own mask and its own turns. Block $i$ sees everything if $i \bmod 3 =
# 0$; its turns have the base 160,000, so that the slowest hands of the clock (chapter 03) still tell
# places apart that are thousands of tokens away. The others see a window, and have the base 10,000. Both
# pairs are worked out once.

# %%
show(ModernBert.forward)

# %% [markdown]
# Who can hear of whom? Change one word, and see which vectors move (chapter 11). On the left after one
# block with a window that reaches 2 to each side, in the middle after three of them, on the right after
# the first four blocks of a ModernBERT: all, window, window, all.

# %%
small = ModernBertConfig(
    vocab_size=50, layers=4, width=32, heads=4, feedforward=24, local_window=4, init_std=0.3
)


def reach(blocks):
    """Return how far each vector (rows) moves when each word (columns) is replaced, after some blocks."""
    torch.manual_seed(0)
    model = ModernBertForPretraining(small).bert.double()
    for block in model.blocks:
        torch.nn.init.normal_(block.attention.output.weight, std=0.3)
    near, far = within(None, 24, 2, torch.device("cpu")), None
    angles = turns(torch.arange(24), 8, dtype=torch.float64)

    def run(ids):
        x = model.embedding(ids)
        for block, sees_all in zip(model.blocks, blocks, strict=False):
            x = block(x, angles, far if sees_all else near)
        return x[0]

    row = torch.randint(50, (1, 24), generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        whole, moved = run(row), []
        for s in range(24):
            other = row.clone()
            other[0, s] = (other[0, s] + 7) % 50
            moved.append((run(other) - whole).norm(dim=1))
    return torch.stack(moved, 1).numpy()


panels = {
    "one block, a window": [False],
    "three of them": [False] * 3,
    "all, window, window, all": [True, False, False, True],
}
fig, axes = plt.subplots(1, 3, figsize=(8.8, 3.3), dpi=100, sharey=True)
for ax, (told, blocks) in zip(axes, panels.items(), strict=True):
    moved = reach(blocks)
    distance = abs(np.arange(24)[:, None] - np.arange(24))
    assert ((moved > 0) == (distance <= (24 if blocks[0] else 2 * len(blocks)))).all()
    shade = np.where(moved > 0, np.log10(np.maximum(moved, 1e-12)), np.nan)
    ax.imshow(shade, cmap="Greys", vmin=np.nanmin(shade) - 1, vmax=np.nanmax(shade))
    ax.set(xlabel="this word is changed", title=told, xticks=[], yticks=[])
axes[0].set_ylabel("this vector moves")
fig.suptitle("Windows hear of what is far away only from one another (white: no change at all)")
fig.tight_layout()
plt.show()

# %% [markdown]
# ## What each part buys, in the same minutes
#
# Papers add a part and report what it gained, in as many steps, at their size, often beside other changes.
# We ask the question of somebody with one small machine: **in the same time**, what does each part buy?
# A part that makes a step slower has to pay for the steps it costs.
#
# `tools/bench/ablations.py` starts from `qwen-tiny` (two blocks, $D = 128$, byte pairs, `sotu`), trained
# as `minibert pretrain` trains it, and takes one thing away at a time. First all variants took 60 steps
# in turn, on a machine left alone; the medians say how many steps fit into 45 seconds. Each then took
# that many steps, with two seeds (the rates of AdamW that were not the best, with one). (Two runs by the
# clock would be unequal on a machine with neighbours. This way they can be repeated anywhere, and
# repeated to the digit they were.)

# %%
decoders = [race for race in recorded["races"] if race["race"] == "decoders"]
step_times = decoders[0]["times"]
reached = {}
for race in decoders[1:]:
    reached.setdefault(race["variant"], []).append(race["loss"])
mean = {told: float(np.mean(values)) for told, values in reached.items()}
whole = mean["all of it"]
steps_of = {race["variant"]: race["steps"] for race in decoders[1:]}

print(f"{'':22}{'ms a step':>10}{'steps':>7}{'held out':>10}{'beside all of it':>18}  seeds apart")
for told in sorted(mean, key=mean.get):
    values = reached[told]
    apart = f"{max(values) - min(values):.3f}" if len(values) > 1 else "one seed"
    print(
        f"{told:22}{1e3 * step_times[told]:10.1f}{steps_of[told]:7}{mean[told]:10.3f}"
        f"{mean[told] - whole:+18.3f}  {apart}"
    )
print(f"bigram: {recorded['decoders']['bigram']['loss']:.3f}")

# %%
parts = ["no QK-norm", "learned positions", "no gate", "noise at the ends", "layer norms", "half the batch"]
parts += ["AdamW, 2e-3", "GPT-2", "GPT-2, noise", "GPT-2, AdamW, noise"]
parts.sort(key=mean.get)
fig, ax = plt.subplots(figsize=(8.2, 3.9), dpi=100)
for row, told in enumerate(parts):
    ax.barh(row, mean[told] - whole, color="0.8", height=0.62)
    ax.plot([value - whole for value in reached[told]], [row] * len(reached[told]), "k|", ms=11)
ax.axvline(0, color="black", lw=1)
ax.set_yticks(range(len(parts)), parts)
ax.set(xlabel="held-out loss beside all of it (nats): to the right it is worse", xlim=(-0.1, 0.78))
ax.set_title("One thing changed, the same 45 seconds (bars: mean; ticks: the two seeds)", size=11)
fig.tight_layout()
plt.show()

# %%
within_seeds = max(max(v) - min(v) for told, v in reached.items() if len(v) > 1)
assert within_seeds < 0.04 and max(reached["all of it"]) - min(reached["all of it"]) < 0.006
gains = {told: round(mean[told] - whole, 2) for told in mean}
assert {told: gains[told] for told in parts if "GPT-2" not in told} == {
    "half the batch": -0.03,
    "layer norms": -0.01,
    "noise at the ends": 0.00,
    "no gate": 0.04,
    "no QK-norm": 0.08,
    "learned positions": 0.11,
    "AdamW, 2e-3": 0.27,
}
assert (gains["GPT-2"], gains["GPT-2, noise"], gains["GPT-2, AdamW, noise"]) == (0.13, 0.27, 0.73)
assert min(mean[told] for told in mean if told.startswith("AdamW")) == mean["AdamW, 2e-3"]
assert 1.05 < step_times["all of it"] / step_times["no QK-norm"] < 1.06
assert mean["GPT-2, AdamW"] - mean["GPT-2, AdamW, noise"] > 0.9
assert abs(step_times["no gate"] / step_times["all of it"] - 1) < 0.03

# %% [markdown]
# Read it from the largest to the smallest.
#
# - **Muon** buys more than all parts of the model together: 0.27 nats beside AdamW at the best of four rates.
#   In the older model it is 0.46 (0.73 against 0.27).
# - **How positions are told** comes next: 0.11 for rotary positions beside learned ones that start as
#   sinusoids. GPT-2 with noise in their place, as in its paper, loses another 0.13.
# - **QK-norm** buys 0.08, although it makes a step 5 per cent slower. It is meant against scores that grow
#   until the softmax is stuck; here, with rates as high as Muon's, it pays in the first minute.
# - **The gate** buys 0.04 with as many weights, at the price of no time.
# - **RMS norms** buy nothing in loss. Layer norm is even a little ahead here, and takes no longer, since
#   torch has one kernel for it. On a GPU without fused norms this can be otherwise.
# - **Zero-initialised output projections** (against the noise of GPT-2) buy nothing that two seeds could
#   show.
# - **Half the batch** is *better* by 0.03: twice as many steps are worth more than quieter gradients, as long
#   as a step of half the size takes little more than half of the time.
#
# And a trap. GPT-2 with AdamW looks a whole nat better with noise than with our sinusoids, which helped
# Muon. Whoever had tried the sinusoids with AdamW alone would have thrown them away, and whoever had tried
# Muon alone would recommend them to all. **Parts do not add up; they are bought together.**
#
# The encoders tell the same, on masked words, in 60 seconds:

# %%
encoders = [race for race in recorded["races"] if race["race"] == "encoders"][1:]
of_encoder = {}
for race in encoders:
    of_encoder.setdefault(race["variant"], []).append(race["loss"])
for told, values in of_encoder.items():
    print(f"{told:18} {np.mean(values):.3f}   seeds: {', '.join(f'{value:.3f}' for value in values)}")
means = {told: float(np.mean(values)) for told, values in of_encoder.items()}
assert list(sorted(means, key=means.get)) == list(means) and means["BERT, AdamW"] - means["BERT, Muon"] > 0.9
assert 0.4 < means["BERT, Muon"] - means["ModernBERT, Muon"] < 0.5
assert abs(means["ModernBERT, AdamW"] - means["BERT, Muon"]) < 0.08

# %% [markdown]
# BERT with AdamW is still on its plateau when the minute ends. Either a better optimizer or a better model
# gets it down, by about the same; both together bring the next half nat.
#
# What this does *not* say: anything about large models and long runs. Here 0.03 is three hundredths of a
# nat in the first 45 seconds, with two seeds. Some parts are made for what we cannot see here: QK-norm
# against runs that explode after days, shared keys for the memory of the cache, windows for long texts. To
# know what holds for *your* text and *your* minutes, run the table: it takes half an hour.

# %% [markdown]
# ## What a GPU changes
#
# No GPU was at hand for this chapter: nothing in this section was measured on one. But a good deal can be
# worked out beforehand, from the operations that a token costs (14.9), and a data sheet. Take NVIDIA's for
# the H100 SXM. It promises $989 \cdot 10^{12}$ operations a second with bfloat16, on dense matrices, and
# 3.35 TB/s from its memory. (The sheet prints 1,979: "with sparsity", half of the numbers being zeros.
# Ours are not.)
#
# **How much is our run?** 1930 steps of 3840 tokens at 3.82 million operations: $2.8 \cdot 10^{13}$. Two
# cores took 288 seconds for it, and the data sheet says that it is 0.03 seconds of work. **GPT-2** of 124
# million weights, at $T = 1024$, costs $8.5 \cdot 10^8$ for a token. Ten billion tokens, as one gives it
# to reproduce the paper's, are $8.5 \cdot 10^{18}$. At the $10^{11}$ that our run really got out of these
# cores, 2.7 years. At 40 % of an H100's promise, six hours.

# %%
TENSOR_CORES, MEMORY = 1979e12 / 2, 3.35e12  # H100 SXM: FLOP/s in bfloat16 without sparsity; bytes per second
whole_run = 1930 * 3840 * bert["flops_per_token"]
used = usual * bert["flops_per_token"]
gpt2 = model_config("gpt2", PretrainConfig(vocab_size=50_257, seq_len=1024))
per_token = flops_per_token(gpt2, 1024, 1024, pairs=False)
print(f"our run: {whole_run:.1e} FLOPs, at {used:.1e} per second; GPT-2: {per_token:.2e} per token")
assert lines_of(bert)[-1]["tokens"] == 1930 * 3840 and f"{whole_run:.1e}" == "2.8e+13"
assert round(whole_run / TENSOR_CORES, 2) == 0.03 and round(used / 1e11, 1) == 1.0
assert f"{per_token:.1e}" == "8.5e+08"
assert round(1e10 * per_token / 1e11 / (365 * 86_400), 1) == 2.7
assert round(1e10 * per_token / (0.4 * TENSOR_CORES) / 3600) == 6

# %% [markdown]
# So our five minutes would be over in the blink of an eye? No. There are two reasons, and both can be
# worked out.
#
# **The memory cannot bring the numbers fast enough.** A product of an $(N, D)$ and a $(D, F)$ matrix is
# $2NDF$ operations. It reads and writes $ND + DF + NF$ numbers of two bytes. The quotient is its
# **arithmetic intensity** (计算强度), the operations for each byte:
#
# $$I = \frac{2 N D F}{2\,(ND + DF + NF)} = \frac{1}{\dfrac1N + \dfrac1D + \dfrac1F} \tag{15.16}$$
#
# and the time is at least
#
# $$\text{seconds} \ge \max\Big( \frac{\text{operations}}{\text{peak}},\
# \frac{\text{bytes}}{\text{bandwidth}} \Big) \tag{15.17}$$
#
# The two are equal at $I = 989 / 3.35 = 295$ operations for a byte. Below that the arithmetic waits for
# the memory. The smallest of the three numbers rules. `bert-tiny` has $N = 3840$ tokens, $D = 128$, $F =
# 512$: $I = 100$, so at best a third of the promise. A larger batch is no help: with $N = \infty$ it is
# 102. GPT-2 with $N = 16{,}384$, $D = 768$, $F = 3072$ has $592$, and the arithmetic can be kept busy.
#      **On a GPU, wide models are cheap.** (Williams, Waterman and Patterson 2009 draw it as a
#      *roofline*.)
#
# **Somebody has to give the orders.** Each operation of PyTorch is a program, a *kernel*, that the CPU
# sends to the GPU. That takes some microseconds, however little there is to do. We can count them:


# %%
class Orders(TorchDispatchMode):
    """Counts the operations that really compute something, and do not only look at numbers in another way."""

    LOOKS = (
        "view",
        "::t",
        "transpose",
        "detach",
        "expand",
        "slice",
        "unsqueeze",
        "permute",
        "alias",
        "select",
    )

    def __init__(self):
        super().__init__()
        self.counted = Counter()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function._schema.name
        if not any(look in name for look in self.LOOKS) and "split" not in name:
            self.counted[name] += 1
        return function(*args, **(kwargs or {}))


tiny_config = PretrainConfig(objective="clm")
model = new_model(model_config("gpt-tiny", tiny_config))
ids = torch.randint(8192, (48, 81), generator=torch.Generator().manual_seed(0))
optimizers = TORCH.optimizers(model, tiny_config)
for _ in range(2):  # the optimizers make their memories in the first step
    orders = Orders()
    with orders:
        TORCH.loss(model, CausalBatch(ids[:, :-1], ids[:, 1:]))["word_loss"].backward()
        for optimizer in optimizers:
            optimizer.step()
kernels = sum(orders.counted.values())
step_flops = 48 * 80 * gpt["flops_per_token"]
print(f"{kernels} operations in a step of {step_flops:.1e} FLOPs: {1e6 * step_flops / TENSOR_CORES:.0f} µs")
assert 300 < kernels < 700 and round(1e6 * step_flops / TENSOR_CORES) == 35

# %% [markdown]
# Some 450 orders of, say, 5 microseconds are 2 milliseconds. The arithmetic takes 35 microseconds. An H100
# would wait for its orders 98 % of the time, and its MFU would be at most 2 %. What helps is to give it
# more to do with each order: a wider model, longer sequences, larger batches. Or fewer orders: `--compile`
# makes one kernel out of several. And `--precision bf16`, without which none of this is true.

# %%
orders_take = 450 * 5e-6
assert round(step_flops / TENSOR_CORES / orders_take, 2) == 0.02
for N, D, width, intensity in ((3840, 128, 512, 100), (math.inf, 128, 512, 102), (16_384, 768, 3072, 592)):
    assert round(1 / (1 / N + 1 / D + 1 / width)) == intensity
assert round(TENSOR_CORES / MEMORY) == 295

sizes = np.geomspace(16, 8192, 60)
fig, ax = plt.subplots(figsize=(8.8, 3.6), dpi=100)
intensity = 1 / (1 / 16_384 + 1 / sizes + 1 / (4 * sizes))
ax.loglog(
    sizes, np.minimum(1, intensity * MEMORY / TENSOR_CORES), "k-", label="memory and arithmetic, (15.17)"
)
for name, D in (("bert-tiny", 128), ("gpt2", 768), ("Llama 7B", 4096)):
    reached = min(1, 1 / (1 / 16_384 + 1.25 / D) * MEMORY / TENSOR_CORES)
    ax.plot(D, reached, "ko", ms=5)
    ax.annotate(name, (D, reached), (0, -16), textcoords="offset points", ha="center", size=9)
ax.set(xlabel="width $D$ of the model, with $F = 4D$ and 16,384 tokens", ylabel="share of the peak, at best")
ax.set(
    ylim=(0.03, 1.4), yticks=[0.05, 0.1, 0.2, 0.5, 1], yticklabels=["5 %", "10 %", "20 %", "50 %", "100 %"]
)
ax.set_xticks([16, 64, 128, 256, 768, 4096], [16, 64, 128, 256, 768, 4096])
ax.minorticks_off()
ax.set_title("A feed-forward product on an H100, by its data sheet")
ax.grid(color="0.9")
fig.tight_layout()
plt.show()

# %% [markdown]
# And here, on the machine that has built this page? Its peak is measured as the loop measures it. Beside
# it, how fast it copies numbers: a CPU has its own balance.

# %%
with torch.no_grad():
    peak = measure_peak(torch.device("cpu"), "float32")
print(
    f"here {peak:.1e} FLOP/s; the recorded run {bert['peak_flops']:.1e}; an H100 {TENSOR_CORES:.1e}, ", end=""
)
print(f"{TENSOR_CORES / bert['peak_flops']:,.0f} times the latter")
assert 1e9 < peak < 1e13 and 2700 < TENSOR_CORES / bert["peak_flops"] < 2900
assert 0.25 < float(np.median(column(bert, "mfu"))) < 0.31

# %% [markdown]
# ## The proof
#
# Three models at random small sizes, with the weights of a model of `transformers`: every logit and every
# gradient, in double precision. (Their norms and softmaxes work in single precision, whatever they are
# given, so seven digits are what can be had here. `tests/test_llama.py` and `tests/test_modernbert.py`
# teach them double precision, and find twelve.)

# %%
import transformers

THEIRS = {
    "llama": (transformers.LlamaConfig, transformers.LlamaForCausalLM),
    "qwen3": (transformers.Qwen3Config, transformers.Qwen3ForCausalLM),
    "modernbert": (transformers.ModernBertConfig, transformers.ModernBertForMaskedLM),
}


def distance(ours, theirs):
    """Return the largest difference, as a share of the largest number."""
    return float(((ours - theirs).abs().max() / theirs.abs().max()).detach())


def compare(name, config, ours, settings, names):
    """Give our model random weights, theirs the same, and compare logits and gradients."""
    torch.manual_seed(1)
    ours = ours.double()
    with torch.no_grad():
        for weight in ours.parameters():
            weight.copy_(torch.randn_like(weight) * (0.3 if weight.ndim == 2 else 1.0))
    shape, kind = THEIRS[name]
    theirs = kind(shape(**settings)).double().eval()
    theirs.load_state_dict(names(dict(ours.named_parameters())), strict=False)
    ids = torch.randint(3, config.vocab_size, (2, 9))
    output = ours(ids)
    logits = output if isinstance(output, torch.Tensor) else output.words
    expected = theirs(input_ids=ids).logits
    upstream = torch.randn_like(logits)
    (logits * upstream).sum().backward()
    (expected * upstream).sum().backward()
    gradients = names({n: weight.grad for n, weight in ours.named_parameters()})
    their_gradients = {n: weight.grad for n, weight in theirs.named_parameters()}
    shared = gradients.keys() & their_gradients.keys()
    apart = max(distance(gradients[n], their_gradients[n]) for n in shared)
    print(f"{name:10} logits {distance(logits, expected):.0e}, {len(shared)} gradients {apart:.0e}")
    assert distance(logits, expected) < 1e-5 and apart < 1e-4 and len(shared) == len(their_gradients)


for config, ours, folder in (
    (LlamaConfig(40, 3, 24, 6, 2, 20, 16), Llama, llama_folder.LLAMA),
    (QwenConfig(40, 3, 24, 6, 3, 20, 16), Qwen, llama_folder.QWEN),
):
    compare(
        folder.model_type, config, ours(config), folder.write_config(config), llama_folder.to_hugging_face
    )
config = ModernBertConfig(40, 4, 24, 6, 20, 16, local_window=4)
compare(
    "modernbert",
    config,
    ModernBertForPretraining(config),
    modernbert_folder.write_config(config) | {"reference_compile": False},
    modernbert_folder.to_hugging_face,
)

# %% [markdown]
# ### Mistakes that still train
#
# The checks of the exercises run on random models too. Here they are, and what they say to mistakes that
# people write. All of these train: the loss falls in each.

# %%
stems = ("blocks", "model_rotary", "model_llama", "model_modernbert")
for stem in stems:
    module = import_module(f"minibert.learn.checks.{stem}")
    for check in checks_of(module):
        check.run(Sizes(), 0)
    print(f"{stem}: {len(checks_of(module))} checks pass")


# %%
def objection_to(mistake):
    """Make a mistake and return what the first check says that sees it."""
    with mistake.made():
        for check in checks_of(import_module(f"minibert.learn.checks.{mistake.stem}")):
            try:
                check.run(Sizes(), 0)
            except (AssertionError, ArithmeticError, ValueError, RuntimeError) as objection:
                return str(objection).splitlines()[0]
    raise AssertionError(f"no check sees it: {mistake.name}")


mistakes = [
    "the targets are shifted around the block",
    "there is no phase",
    "the heads of keys and values are repeated",
    "the norm comes after the turn",
    "the norms stand behind the sums",
    "positions start again at 0",
    "the window reaches as far to both sides together",
    "all blocks turn with the base of those that see everything",
]
for name in mistakes:
    [mistake] = [one for one in mutants() if one.name.startswith(name) and one.stem in stems]
    print(f"{mistake.function.partition(':')[2]}: {mistake.name}")
    print(fill(objection_to(mistake), 96, initial_indent="    ", subsequent_indent="    "), "\n")

# %% [markdown]
# ## What the papers do differently
#
# - **Llama** (Touvron et al. 2023) starts no matrix at zero, and its larger ones have an output matrix of
#   their own. It has as many heads of keys as of queries; that they are shared came with Llama 2.
# - **QK-norm** by Henry et al. brings queries and keys to the length 1 and learns one factor for all. The
#   RMS norm with a scale for each feature is what Qwen3 has (Yang et al. 2025).
# - **ModernBERT** (Warner et al. 2024) packs texts of different lengths behind one another without
#   padding; ours pads. It makes the last matrices smaller by $\sqrt{2L}$ where ours start at zero.
# - **Rotary positions** in the paper pair the features $2i$ and $2i + 1$; Llama, ModernBERT and we pair
#   $i$ with $i + K/2$ (chapter 03).
# - **Random blocks.** Many loops, nanoGPT's among them, draw the beginning of each block at random, with
#   replacement: in an epoch's worth of steps some tokens are read twice and more than a third never.
# - **Packing with a mask.** Blocks run across the ends of documents, and a token may look back at the
#   document before. Llama 3 (Grattafiori et al. 2024) masks that out. Ours learn from the end token that
#   something new begins.
# - **Baselines** are missing in most papers. A unigram and a bigram cost a minute, and would have saved
#   many a week.
#
# ## Exercises
#
# Some functions of this chapter are for you to write. `minibert learn start` makes a folder with a file
# for each, and `minibert learn check` says whether it is right and, if not, what is wrong with it. Each
# stands alone. What comes after them is done with a pencil, or leads further.
#
# ### To write: what is read

# %%
exercise("cut_blocks")

# %%
exercise("block_starts")

# %% [markdown]
# ### To write: a Llama

# %%
exercise("torch_rotary_project")

# %%
exercise("torch_qk_norm")

# %%
exercise("torch_llama_block")

# %%
exercise("torch_llama_features")

# %% [markdown]
# ### To write: a ModernBERT

# %%
exercise("torch_window")

# %%
exercise("torch_modernbert_block")

# %%
exercise("torch_modernbert")

# %% [markdown]
# ### To think about
#
# **1. Read it.** A run of `gpt2` begins with the loss 10.82, and after a day it writes
# `loss 0.02, grad_norm 0.3`. What was right at the beginning, and what would you look at first?
#
# <details><summary>Hint</summary>
#
# $\ln 50{,}257 = 10.82$: it began as it should. Then see whether targets are shifted, and whether the
# causal mask is there: both let a model copy.
#
# </details>
#
# **2. Held out, and lower.** Three reasons why the held-out loss of a healthy run may stand *below* that
# of the training.
#
# <details><summary>Hint</summary>
#
# Other questions (15 % against 30 %); dropout, which is off in evaluation; and a training line is a mean
# over steps that lie in the past, when the model knew less. And a fourth: the held-out text is easier.
#
# </details>
#
# **3. Pencil.** In (15.5) let $a = \varepsilon$ and $b = 1$. Is there a plateau?
#
# <details><summary>Hint</summary>
#
# The slope by $a$ is $-b(1 - ab) \approx -1$ at once. One factor that is there is enough: that is what the
# built-in heads did.
#
# </details>
#
# **4. A random draw.** Draw $n/T$ blocks at random places, with replacement, as nanoGPT does. What share
# of the tokens is never read in the first epoch?
#
# <details><summary>Hint</summary>
#
# A token is missed by a block with the probability $1 - T/n$, by all of them with $(1 - T/n)^{n/T} \approx
# e^{-1} = 0.37$.
#
# </details>
#
# **5. How long, how large?** Hoffmann et al. 2022 found that for a given number of operations it is best
# to read about twenty tokens for each weight. With $6P$ for each token, how many weights and tokens do an
# H100's 24 hours at 40 % suggest?
#
# <details><summary>Hint</summary>
#
# $C = 3.4 \cdot 10^{19} = 6 P \cdot 20 P$, so $P = 5.3 \cdot 10^8$, and $1.1 \cdot 10^{10}$ tokens.
#
# </details>
#
# **6. The other way round.** Run `ablations.py decoders` for ten times the seconds. Which differences
# grow, which vanish?
#
# <details><summary>Hint</summary>
#
# What only makes the beginning faster (a start at zero, say) should matter less; a bound on what the model
# can say should matter more. Ask for three seeds before you believe it.
#
# </details>

# %%
assert round(math.log(50_257), 2) == 10.82 and round((1 - 80 / 1e6) ** (1e6 / 80), 2) == 0.37  # the hints
budget = 0.4 * TENSOR_CORES * 86_400
assert f"{budget:.1e}" == "3.4e+19" and f"{math.sqrt(budget / 120):.1e}" == "5.3e+08"
assert f"{20 * math.sqrt(budget / 120):.1e}" == "1.1e+10"

# %% [markdown]
# ## Further reading
#
# - Karpathy 2019, *A recipe for training neural networks*,
#   [karpathy.github.io/2019/04/25/recipe](https://karpathy.github.io/2019/04/25/recipe/). Look at the loss
#   at the start, learn one batch by heart, and more of this kind.
# - Chen, Shwartz-Ziv, Cho, Leavitt and Saphra 2024, *Sudden drops in the loss: syntax acquisition, phase
#   transitions, and simplicity bias in MLMs*, [arXiv:2309.07311](https://arxiv.org/abs/2309.07311).
# - Olsson et al. 2022, *In-context learning and induction heads*,
#   [arXiv:2209.11895](https://arxiv.org/abs/2209.11895). Another fall of the loss, and the heads behind it.
# - Saxe, McClelland and Ganguli 2014, *Exact solutions to the nonlinear dynamics of learning in deep
#   linear neural networks*, [arXiv:1312.6120](https://arxiv.org/abs/1312.6120). Plateaus of products,
#   (15.6) in the large.
# - Narang et al. 2021, *Do transformer modifications transfer across implementations and applications?*,
#   [arXiv:2102.11972](https://arxiv.org/abs/2102.11972).
# - Touvron et al. 2023, *LLaMA: open and efficient foundation language models*,
#   [arXiv:2302.13971](https://arxiv.org/abs/2302.13971); Grattafiori et al. 2024, *The Llama 3 herd of
#   models*, [arXiv:2407.21783](https://arxiv.org/abs/2407.21783); Yang et al. 2025, *Qwen3 technical
#   report*, [arXiv:2505.09388](https://arxiv.org/abs/2505.09388).
# - Warner et al. 2024, *Smarter, better, faster, longer: a modern bidirectional encoder*,
#   [arXiv:2412.13663](https://arxiv.org/abs/2412.13663).
# - Su et al. 2021, *RoFormer*, [arXiv:2104.09864](https://arxiv.org/abs/2104.09864); Zhang and Sennrich
#   2019, *Root mean square layer normalization*, [arXiv:1910.07467](https://arxiv.org/abs/1910.07467);
#   Shazeer 2020, *GLU variants improve transformer*, [arXiv:2002.05202](https://arxiv.org/abs/2002.05202);
#   Henry et al. 2020, *Query-key normalization for transformers*,
#   [arXiv:2010.04245](https://arxiv.org/abs/2010.04245); Ainslie et al. 2023, *GQA*,
#   [arXiv:2305.13245](https://arxiv.org/abs/2305.13245). The parts.
# - Jordan et al. 2024, *Muon: an optimizer for hidden layers in neural networks*,
#   [kellerjordan.github.io/posts/muon](https://kellerjordan.github.io/posts/muon/).
# - Hoffmann et al. 2022, *Training compute-optimal large language models*,
#   [arXiv:2203.15556](https://arxiv.org/abs/2203.15556).
# - Williams, Waterman and Patterson 2009, *Roofline: an insightful visual performance model for multicore
#   architectures*, Communications of the ACM 52, 65–76.
# - NVIDIA, *H100 Tensor Core GPU*, data sheet,
#   [nvidia.com/en-us/data-center/h100](https://www.nvidia.com/en-us/data-center/h100/).
