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
# # 08 · Loss (损失函数)
#
# *The network gives every word of the vocabulary a score. How wrong is that, in one number?*
#
# **Files:** `minibert/byhand/loss.py` · `minibert/train/loss.py` · `minibert/learn/checks/loss.py` ·
# `tests/test_loss.py`
#
# **Needs:** [02 Gradients](02_gradients.ipynb)
#
# **Time:** 60 minutes

# %% [markdown]
# ## The question: one number for a guess over thousands of words
#
# "The cat sat on the [MASK]." BERT answers with a score for each word of its vocabulary. That makes 30,522
# scores for the base model of chapter 03, and 8,192 for the smaller ones of `minibert pretrain`. Such a score
# may be any number, positive or negative; it is called a **logit** (未归一化分数). The right word was *mat*.
# Training needs one number that says how wrong the scores are, small when *mat* is well ahead, and it needs
# the slope of that number in every single score (chapter 02).
#
# Which number? "Right or wrong" will not do: it has no slope. This chapter builds the **cross-entropy**
# (交叉熵) step by step, finds a gradient so simple that it fits into three characters, $p - y$, and then
# looks at where it goes wrong in practice: at positions that do not count, at means of means, and at a
# softmax too many.

# %%
import math

import matplotlib.pyplot as plt
import numpy as np
import torch

# %%
from minibert.byhand.linear import linear_backward, linear_forward
from minibert.byhand.loss import (
    IGNORE,
    cross_entropy_backward,
    cross_entropy_forward,
    log_softmax,
    mean_squared_error_backward,
    mean_squared_error_forward,
)
from minibert.config import BertConfig, PretrainConfig
from minibert.learn.notebook import break_on_purpose, exercise, show
from minibert.model.bert import BertForPretraining
from minibert.prove import prove
from minibert.train.loss import cross_entropy, linear_cross_entropy

# %% [markdown]
# ## What the papers wrote
#
# BERT's paper spends one sentence on it. ($T_i$ is the vector of the $i$-th token that comes out at the top
# of the network.)
#
# > Then, $T_i$ will be used to predict the original token with cross entropy loss.
# >
# > Devlin et al. 2019, section 3.1
#
# Szegedy et al. 2016 write it out (section 7). A **class** (类别) is one of the possible answers; here, a
# word. With scores $z_v$, the model's probability of class $v$ and the loss are
#
# $$p_v = \frac{e^{z_v}}{\sum_u e^{z_u}} \qquad\qquad L = -\sum_v y_v \log p_v$$
#
# where $y_v$ is the probability that the class *should* have: 1 for the right one, 0 for all others. Then
# only one term of the sum is left,
#
# $$L = -\log p_t \qquad\text{where } t \text{ is the target} \tag{8.1}$$
#
# Two things in there want a reason: the logarithm, and the exponentials.

# %% [markdown]
# ## Why minus the logarithm
#
# Suppose the model already gives probabilities. What should it cost to have given the right word the
# probability $p$? Ask three things of the cost $f(p)$. It is 0 for $p = 1$. It falls as $p$ grows. And two
# guesses together cost as much as one and then the other: $f(p) + f(q)$. But the chance that two independent
# guesses are both right is $p\,q$. So
#
# $$f(p\,q) = f(p) + f(q)$$
#
# and the smooth functions that turn products into sums are the logarithms. Falling, and 0 at 1: that
# leaves $-\log p$, up to the base. Shannon chose the logarithm in 1948 for the same reason, to measure how
# much one learns from a message. With base 2 the unit is the **bit** (比特): a word that had probability
# $1/8$ costs 3 bits, for three times halving. With base $e$ it is the **nat** (奈特); 1 bit is 0.693 nats.
# We use nats, because their slope has no extra factor.
#
# The whole of a text costs the sum over its words, that is, minus the logarithm of the probability that the
# model gives to the whole. To make the loss small is to make the text that was really written likely:
# **maximum likelihood** (最大似然).

# %%
assert -math.log2(1 / 8) == 3
assert round(math.log(2), 3) == 0.693
assert math.isclose(-math.log(0.5 * 0.2), -math.log(0.5) - math.log(0.2))

# %% [markdown]
# There is a second reason, and it is a matter of honesty. Say that *mat* is right in 7 of 10 such sentences.
# If the cost of a guess were just $1 - p$, what is missing from 1, the model would do best to claim $p = 1$:
# lying pays. With $-\log p$ the best it can do, on average, is to say exactly $0.7$. (Set the slope of
# $-0.7 \log p - 0.3 \log(1 - p)$ to zero: $0.7/p = 0.3/(1-p)$, so $p = 0.7$.) Costs with this property are
# called *proper* (Gneiting and Raftery 2007); that is why a trained model's probabilities mean something.

# %%
p = np.linspace(0.001, 0.999, 999)
straight, logarithm = 0.7 * (1 - p) + 0.3 * p, -0.7 * np.log(p) - 0.3 * np.log(1 - p)
assert np.isclose(p[straight.argmin()], 0.999) and np.isclose(p[logarithm.argmin()], 0.7)

# %%
fig, axes = plt.subplots(1, 2, figsize=(8.5, 3.5), dpi=100)
axes[0].plot(p, -np.log(p), "k-", label=r"$-\log p$")
axes[0].plot(p, 1 - p, "k--", label="$1 - p$")
axes[0].set(xlabel="probability of the right word", ylabel="cost", ylim=(0, 5))
axes[0].set_title("Sure and wrong costs without limit")
axes[1].plot(p, logarithm, "k-", label=r"$-\log p$")
axes[1].plot(p, straight, "k--", label="$1 - p$")
axes[1].plot(0.7, logarithm.min(), "ko")
axes[1].set(xlabel="probability that the model claims", ylabel="mean cost", ylim=(0, 2))
axes[1].set_title("Right in 7 of 10: with the log, 0.7 is best")
for ax in axes:
    ax.legend(frameon=False, loc="upper center")
fig.tight_layout()
plt.show()

# %% [markdown]
# A loss in nats is hard to feel, so one often reads $e^L$, the **perplexity** (困惑度): among how many
# equally likely words the model would be as unsure as it is. A loss of 3 nats is a perplexity of 20: as
# good as a blind choice among 20 words. Two things follow that are worth knowing by heart. A model that
# knows nothing about $V$ words gives each $1/V$, and its loss is $\log V$. And every 0.693 nats less halves
# the choice.

# %%
assert round(math.exp(3)) == 20
assert math.isclose(-math.log(1 / 8192), math.log(8192))
assert math.isclose(math.exp(3 - math.log(2)), math.exp(3) / 2)

# %% [markdown]
# ## From scores to probabilities, without overflow
#
# A probability is positive, and all of them sum to 1. The exponential makes any score positive, and
# dividing by the sum does the rest: that is the **softmax** (归一化指数函数, Bridle 1990), the $p_v$ above.
# With the pencil: logits $0, \log 2, \log 5$ have the exponentials $1, 2, 5$, which sum to 8. So
# $p = (1/8, 2/8, 5/8)$, and if the third is right, $L = \log(8/5) = 0.47$.

# %%
z = np.array([[0.0, math.log(2), math.log(5)]])
p = np.exp(z) / np.exp(z).sum()
assert np.allclose(p, [[1 / 8, 2 / 8, 5 / 8]])

loss, cache = cross_entropy_forward(z, np.array([2]))
assert np.isclose(loss, math.log(8 / 5)) and round(float(loss), 2) == 0.47

# %% [markdown]
# Add the same number $c$ to all logits. Each exponential is multiplied by $e^c$, the sum as well, and the
# quotient stays: **a shift changes nothing.** Only differences between scores mean anything.
#
# That is a gift, for computers need it. In float32 the largest number is about $3.4 \cdot 10^{38}$, and
# $e^{89}$ is more. A logit of 89 gives infinity, and infinity divided by infinity is not a number. So shift
# first: take off the largest logit $m$. Then all exponents are at most 0 and none can overflow. Written as a
# logarithm,
#
# $$\log p_v = \log \frac{e^{z_v - m}}{\sum_u e^{z_u - m}} = (z_v - m) - \log \sum_u e^{z_u - m}, \qquad
# m = \max_u z_u \tag{8.2}$$
#
# The sum is at least 1, because the largest logit itself adds $e^0$; so the outer logarithm cannot fail
# either. This is the *log-sum-exp* trick. Note that (8.2) never works out $p_v$ itself. To take the softmax
# first and its logarithm after would be wrong at the other end: a probability below $10^{-45}$ is rounded to
# 0, and $\log 0$ is minus infinity, though $\log p = -200$ is a harmless number.

# %%
with np.errstate(over="ignore", divide="ignore"):
    assert np.isinf(np.exp(np.float32(89))) and np.isfinite(np.exp(np.float32(88)))
    assert np.isclose(np.finfo(np.float32).max, 3.4e38, rtol=0.01)
    assert 1e-45 < float(np.finfo(np.float32).smallest_subnormal) < 2e-45
    far = np.array([0.0, -200.0], dtype=np.float32)
    assert np.log(np.exp(far) / np.exp(far).sum())[1] == -np.inf  # the softmax first, its logarithm after
assert log_softmax(far)[1] == -200  # (8.2)
assert np.allclose(log_softmax(z + 1000), log_softmax(z))

# %%
show(log_softmax)

# %% [markdown]
# ## The gradient: p minus y
#
# Now the slope of the loss in each logit. Start from (8.1) and (8.2), without the shift, which changes
# nothing:
#
# $$L = \log \sum_u e^{z_u} - z_t$$
#
# There are two terms, so two slopes. **The first term.** By the chain rule, the derivative of a logarithm is
# one over its argument, times the slope of the argument. The argument is a sum in which $z_v$ occurs once, as
# $e^{z_v}$, and the exponential is its own derivative:
#
# $$\frac{\partial}{\partial z_v} \log \sum_u e^{z_u} = \frac{1}{\sum_u e^{z_u}} \cdot e^{z_v} = p_v
# \tag{8.3}$$
#
# That is the softmax. Nobody has put it there; it comes out. **The second term**, $-z_t$, has the slope $-1$
# in the target's logit and 0 in all others. With $y$, which is 1 at the target and 0 elsewhere, that is
# $-y_v$. Together:
#
# $$\frac{\partial L}{\partial z_v} = p_v - y_v \tag{8.4}$$
#
# Read it aloud: *every wrong word is pushed down by as much probability as it took, the right word is pushed
# up by what it lacks.* No logarithm, no exponential, no division is left. Each entry lies between $-1$ and
# $1$, however wrong the model is. And the entries of one position sum to zero, since both $p$ and $y$ sum to
# 1. It has to be so: a shift of all logits changes nothing, so the slope in that direction is zero.
#
# With the pencil: $p = (1/8, 2/8, 5/8)$, target the third, so the gradient is $(1/8, 2/8, -3/8)$.

# %%
dz = cross_entropy_backward(1.0, cache)
assert np.allclose(dz, [[1 / 8, 2 / 8, -3 / 8]])
assert np.isclose(dz.sum(), 0)

# %%
words = ["mat", "floor", "sofa", "roof", "moon"]
guess = np.array([[1.6, 2.0, 1.0, 0.3, -1.0]])
_, notes = cross_entropy_forward(guess, np.array([0]))
slope = cross_entropy_backward(1.0, notes)[0]
p, y = np.exp(log_softmax(guess))[0], np.eye(5)[0]
assert np.allclose(p - y, slope)

# %%
fig, axes = plt.subplots(1, 3, figsize=(8.5, 2.9), dpi=100, sharey=True)
titles = ["the model says: $p$", "it should be: $y$", "the gradient: $p - y$"]
for ax, heights, title, grey in zip(axes, [p, y, slope], titles, ["0.55", "0.8", "0.3"], strict=True):
    ax.bar(words, heights, color=grey, edgecolor="black")
    ax.axhline(0, color="black", lw=0.8)
    ax.set_title(title, size=11)
    ax.tick_params(axis="x", rotation=35)
axes[0].set_ylabel("probability, or slope")
fig.suptitle('"The cat sat on the [MASK]": mat goes up, each other word goes down by what it took')
fig.tight_layout()
plt.show()

# %% [markdown]
# The next picture shows the loss of two words over the plane of their two logits, and how it falls along
# their difference. On the left, the lines of equal loss run along the diagonal: to move both logits together
# changes nothing. All arrows, downhill, cross them at a right angle. On the right, the loss is nearly
# straight where the model is wrong (slope $-1$) and dies out where it is right (slope $0$): *big mistakes
# pull with full strength, and what is right is left alone.*

# %%
grid = np.linspace(-4, 4, 81)
first, second = np.meshgrid(grid, grid)
losses = np.logaddexp(first, second) - first  # the first word is right
gap = np.linspace(-6, 6, 121)
points = first[5:80:14, 5:80:14], second[5:80:14, 5:80:14]
push = 1 - 1 / (1 + np.exp(points[1] - points[0]))  # 1 - p of the right word

# %%
fig, axes = plt.subplots(1, 2, figsize=(8.5, 3.8), dpi=100, gridspec_kw={"width_ratios": [1, 1.25]})
lines = axes[0].contour(first, second, losses, levels=[0.1, 0.7, 2, 4, 6], colors="black", linewidths=0.9)
axes[0].clabel(lines, fmt="%g", manual=[(1.1, -1.1), (0, 0), (-1.3, 0.5), (-1.3, 2.7), (-2.4, 3.6)])
axes[0].quiver(*points, push, -push, color="0.5", angles="xy", width=0.006)
axes[0].set(xlabel="logit of the right word", ylabel="logit of the other", aspect="equal")
axes[0].set_title("Downhill is across the diagonal")
axes[1].plot(gap, np.log1p(np.exp(-gap)), "k-", label="loss")
axes[1].plot(gap, 1 / (1 + np.exp(-gap)) - 1, "k--", label="slope, $p - 1$")
axes[1].axhline(0, color="0.7", lw=0.8)
axes[1].set(xlabel="right logit − other logit", ylabel="loss (nats), and its slope")
axes[1].set_title("Straight where wrong, flat where right")
axes[1].legend(frameon=False)
fig.tight_layout()
plt.show()

# %% [markdown]
# Two classes are all that next-sentence prediction (下一句预测) has: does the second sentence follow or
# not? No other function is needed for it. With $V = 2$, (8.1) is $L = \log(1 + e^{-(z_t - z_o)})$, with
# $z_o$ the other logit (divide $p_t = e^{z_t} / (e^{z_t} + e^{z_o})$ by $e^{z_t}$, above and below). It
# is the curve on the right, which is also known as the logistic loss. BERT's loss is this and that of the
# masked words, added (Devlin et al. 2019, appendix A.2).

# %%
both, _ = cross_entropy_forward(np.array([[2.0, 0.0], [2.0, 0.0]]), np.array([0, 1]))
assert np.isclose(both, (math.log(1 + math.exp(-2)) + math.log(1 + math.exp(2))) / 2)

# %% [markdown]
# ## Label smoothing
#
# Where is the loss least? By (8.4) where $p = y$, and as $y$ is 1 at the target, never: $p_t$ gets nearer
# to 1 as the logit grows and grows, and the gradient never stops pulling. A model with enough weights will
# learn its training data with absurd certainty. Szegedy et al. 2016 (section 7) change the goal instead: of
# the target's probability 1, a share $s$ is spread evenly over all $V$ classes, the target among them. This
# is **label smoothing** (标签平滑):
#
# $$y_v = (1 - s)\,[v = t] + \frac{s}{V}$$
#
# where $[v = t]$ is 1 for the target and 0 otherwise. Put it into $L = -\sum_v y_v \log p_v$ and sort:
#
# $$L = (1 - s)\,(-\log p_t) + s \cdot \frac{1}{V} \sum_v (-\log p_v)$$
#
# a mixture of the loss as before and the mean loss of *all* classes. For the gradient, let $y$ be any
# probabilities. From (8.2), $L = -\sum_v y_v z_v + \log\sum_u e^{z_u}$, as the $y_v$ sum to 1. The second
# term is that of (8.3), the first has the slope $-y_v$. So $p - y$ holds for every $y$, and here
#
# $$\frac{\partial L}{\partial z_v} = p_v - (1 - s)\,[v = t] - \frac{s}{V} \tag{8.5}$$
#
# With $V = 4$ and $s = 0.1$ the goal is $0.925$ for the target and $0.025$ for each other. Now there *is* a
# place where the gradient is zero: where the target's logit leads by $\log(0.925/0.025) = \log 37 = 3.6$.
# Whoever leads by more is pulled back.


# %%
def smoothed(gap, s):
    """Return the loss where the target's logit leads that of three others by gap."""
    logits = np.stack([gap, 0 * gap, 0 * gap, 0 * gap], axis=1)
    return [cross_entropy_forward(row[None], np.array([0]), s)[0] for row in logits]


best = math.log(0.925 / 0.025)
assert math.isclose(0.9 + 0.1 / 4, 0.925) and 0.1 / 4 == 0.025
assert math.isclose(0.925 / 0.025, 37) and round(best, 1) == 3.6
_, notes = cross_entropy_forward(np.array([[best, 0, 0, 0]]), np.array([0]), 0.1)
assert np.abs(cross_entropy_backward(1.0, notes)).max() < 1e-15

pencil = np.array([[0, math.log(3)]]), np.array([0])  # for exercise 1
assert np.isclose(cross_entropy_forward(*pencil)[0], math.log(4))
for s, (p, y) in [(0.0, (1 / 4, 1)), (0.2, (1 / 4, 0.9))]:
    dz = cross_entropy_backward(1.0, cross_entropy_forward(*pencil, s)[1])
    assert np.allclose(dz, [[p - y, y - p]])

# %%
gap = np.linspace(-2, 10, 121)
fig, ax = plt.subplots(figsize=(7, 3.7), dpi=100)
for s, style in [(0.0, "-"), (0.1, "--"), (0.3, ":")]:
    curve = np.array(smoothed(gap, s))
    ax.plot(gap, curve, style, color="black")
    ax.text(10.1, curve[-1], f"$s = {s:g}$", va="center")
    if s:
        lead = math.log((1 - s + s / 4) / (s / 4))
        ax.plot(lead, smoothed(np.array([lead]), s)[0], "ko", ms=6)
ax.set(xlabel="by how much the target's logit leads", ylabel="loss (nats)", xlim=(-2, 11.3), ylim=(-0.15, 3))
ax.set_title("Smoothed, the loss has a lowest point; else more is always better")
plt.show()

# %% [markdown]
# The lowest loss is no longer 0, so smoothed losses must not be compared with plain ones, and perplexities
# are only ever taken without smoothing. Vaswani et al. 2017 smoothed with $s = 0.1$ and said what it costs:
# it "hurts perplexity, as the model learns to be more unsure", and it helps the translations (section 5.4).
# BERT did not smooth.

# %% [markdown]
# ## Positions that do not count
#
# BERT asks for 15 % of the tokens only. The others are not to be predicted; nor is padding. Their target is a
# number that is no class, `IGNORE` = −100, the same as PyTorch's. The loss is the mean over the $n$ targets
# that count. Put as a weight for each position $i$,
#
# $$L = \sum_i w_i L_i, \qquad w_i = \begin{cases} 1/n & \text{if target } i \text{ counts} \\
# 0 & \text{if not} \end{cases}$$
#
# What a constant multiplies in the loss, it multiplies in the slope. So the gradient of position $i$ is
#
# $$\frac{\partial L}{\partial z_{iv}} = w_i\,(p_{iv} - y_{iv}) \tag{8.6}$$
#
# If nothing counts, we want $L = 0$ with zero gradient, and not the $0/0$ that a mean of nothing is: a short
# sentence may happen to have no masked word.

# %%
loss, notes = cross_entropy_forward(np.array([[1.0, 2.0], [0.5, 0.0]]), np.array([IGNORE, IGNORE]))
assert loss == 0 and (cross_entropy_backward(1.0, notes) == 0).all()

# %% [markdown]
# How does this go wrong? A well-known textbook (issue 2582 of d2l-en) had, in its PyTorch version,
# `loss(logits, targets) * weights`, summed and divided by the sum of the weights. That is right if `loss`
# gives one number per position. But PyTorch's `CrossEntropyLoss` gives the *mean* of all positions unless
# told otherwise. One number times the weights, divided by the weights, is that number again: the padding
# counts in full, and the weights do nothing. Say three words cost 1, 2 and 3 nats, and two positions of
# padding 9 each:

# %%
costs, weights = np.array([1.0, 2, 3, 9, 9]), np.array([1.0, 1, 1, 0, 0])
assert (costs * weights).sum() / weights.sum() == 2.0  # right
assert (costs.mean() * weights).sum() / weights.sum() == 4.8  # the mean first: the padding is in it
assert (costs * weights).mean() == 1.2  # another favourite: divided by all positions

# %% [markdown]
# Both wrong numbers fall during training. Nobody sees it from the curve. What sees it is a check that adds
# padding and expects the same number as before.
#
# ## A mean of means
#
# When a batch does not fit into memory, one takes it in parts and adds up the gradients: **accumulation**
# (梯度累积), chapter 14. Each part gives the mean over *its own* targets. Let one part have three targets
# that cost 2 each, and the other a single target that costs 6.

# %%
assert np.mean([np.mean([2, 2, 2]), np.mean([6])]) == 4.0  # the mean of the means
assert np.mean([2, 2, 2, 6]) == 3.0  # the mean

# %% [markdown]
# The lone target counted for a half in place of a quarter: targets in poor company count more. The parts are
# to be weighed with how many targets they hold, and for that one must count the targets of the *whole* batch
# before the first part is run. The trainer of `transformers` had this wrong until October 2024 (pull request
# 34191). Here is the right way, in parts and in one:

# %%
rng = np.random.default_rng(0)
logits, targets = rng.normal(size=(8, 5)), np.array([3, 1, 4, IGNORE, IGNORE, IGNORE, IGNORE, 1])
whole, notes = cross_entropy_forward(logits, targets)
n = (targets != IGNORE).sum()

total, gradients = 0.0, []
for part in (slice(0, 4), slice(4, 8)):
    loss, part_notes = cross_entropy_forward(logits[part], targets[part])
    share = (targets[part] != IGNORE).sum() / n  # 3/4, then 1/4
    total += share * loss
    gradients.append(cross_entropy_backward(share, part_notes))
assert np.isclose(total, whole)
assert np.allclose(np.concatenate(gradients), cross_entropy_backward(1.0, notes))

# %% [markdown]
# Now the whole function. Each line of `cross_entropy_backward` is a step of this chapter.

# %%
show(cross_entropy_forward, cross_entropy_backward)

# %% [markdown]
# ## The mean squared error, and why it is not for classes
#
# When the answer is a number and not a class (a temperature, a grey value, the autoencoder's input in
# chapter 21), the usual loss is the **mean squared error** (均方误差). For $N$ numbers,
#
# $$L = \frac{1}{N} \sum_i (x_i - t_i)^2, \qquad
# \frac{\partial L}{\partial x_i} = \frac{2}{N} (x_i - t_i) \tag{8.7}$$
#
# by the rule for squares. The target stands there with the opposite sign, so if it was computed, too, it gets
# the opposite gradient:
#
# $$\frac{\partial L}{\partial t_i} = -\frac{\partial L}{\partial x_i} \tag{8.8}$$
#
# With the pencil: predicted 1, 2, 3, 4, right 1, 0, 3, 5. The squares are 0, 4, 0, 1, so $L = 5/4$, and the
# gradient is $\frac{2}{4}(0, 2, 0, -1) = (0, 1, 0, -0.5)$.

# %%
loss, notes = mean_squared_error_forward(np.array([1.0, 2, 3, 4]), np.array([1.0, 0, 3, 5]))
dx, dt = mean_squared_error_backward(1.0, notes)
assert loss == 5 / 4 and dx.tolist() == [0, 1, 0, -0.5] and (dt == -dx).all()

# %% [markdown]
# It is the same idea as before, by the way. If the numbers scatter about the prediction $x$ in a bell curve
# of width 1, the probability density of $t$ is $e^{-(t-x)^2/2} / \sqrt{2\pi}$, and minus its logarithm is
# $(t - x)^2 / 2$ plus a constant. Squares are the minus-log of the bell curve.
#
# Why then not take squares for classes, too, between $p$ and $y$? For two classes that is $(1-p)^2$, if
# $p$ is what the right one got. With $z$ for how far its logit leads, $p = 1/(1 + e^{-z})$, and the chain
# rule gives
#
# $$\frac{dp}{dz} = \frac{e^{-z}}{(1 + e^{-z})^2} = p\,(1-p), \qquad
# \frac{d}{dz}(1-p)^2 = -2(1-p) \cdot p(1-p) = -2\,p\,(1-p)^2$$
#
# If the model is badly wrong, $p$ is nearly 0, and so is the slope: **the more wrong, the less it learns.**
# With the right logit 6 behind, $p = 0.0025$. Cross-entropy pulls with $p - 1 = -0.998$, the square with
# $-0.0049$, 200 times less. The logarithm cures just this: its slope $-1/p$ cancels the $p$.

# %%
gap = np.linspace(-8, 8, 161)
p = 1 / (1 + np.exp(-gap))
at = np.argmin(abs(gap + 6))
assert round(p[at], 4) == 0.0025 and round(p[at] - 1, 3) == -0.998
assert round(-2 * p[at] * (1 - p[at]) ** 2, 4) == -0.0049
assert round((p[at] - 1) / (-2 * p[at] * (1 - p[at]) ** 2), -1) == 200
error, _ = mean_squared_error_forward(np.array([p[at], 1 - p[at]]), np.array([1.0, 0.0]))
assert np.isclose(error, (1 - p[at]) ** 2)

# %%
fig, axes = plt.subplots(1, 2, figsize=(8.5, 3.5), dpi=100)
axes[0].plot(gap, -np.log(p), "k-", label="cross-entropy")
axes[0].plot(gap, (1 - p) ** 2, "k--", label="squared error")
axes[0].set(xlabel="right logit − other logit", ylabel="loss", title="The squared error is flat at both ends")
axes[1].plot(gap, p - 1, "k-", label="cross-entropy: $p - 1$")
axes[1].plot(gap, -2 * p * (1 - p) ** 2, "k--", label="squared error: $-2p(1-p)^2$")
axes[1].set(xlabel="right logit − other logit", ylabel="slope", ylim=(-1.1, 0.45))
axes[1].set_title("Badly wrong: hardly any slope")
for ax in axes:
    ax.legend(frameon=False, loc="upper right")
fig.tight_layout()
plt.show()

# %% [markdown]
# One trap more. If the predictions have the shape (3,) and the targets (3, 1), NumPy and PyTorch subtract
# *each from each*, nine differences in all. The loss is a number, it falls, and what is learned is the mean
# of all targets. Ours refuses two shapes.

# %%
same = np.array([1.0, 2, 3])
assert np.isclose(((same - same[:, None]) ** 2).mean(), 12 / 9)  # of two equal lists
show(mean_squared_error_forward, mean_squared_error_backward)

# %% [markdown]
# ## The first number to look at in any run
#
# What is the loss of a model that has learned nothing? Its weights are small random numbers, so its logits
# are nearly equal, so every word gets about $1/V$: the loss must be near $\log V$. With $V = 8192$ that is
# 9.01, and $\log 2 = 0.69$ for the pairs of sentences. Let us ask a fresh BERT. It is built in PyTorch, the
# library that our networks are trained with (chapter 02); its arrays are called tensors (张量).

# %%
generator = torch.Generator().manual_seed(0)
config = BertConfig(vocab_size=8192)
model = BertForPretraining(config, generator).eval()
ids = torch.randint(8192, (16, 64), generator=generator)
with torch.no_grad():  # nothing is to be learned here
    out = model(ids)
    word_loss = cross_entropy(out.words.flatten(0, 1), torch.randint(8192, (16 * 64,), generator=generator))
    pair_loss = cross_entropy(out.pairs, torch.arange(16) % 2)

print(f"words: {word_loss:.3f}, log 8192 = {math.log(8192):.3f}")
print(f"pairs: {pair_loss:.3f}, log 2 = {math.log(2):.3f}")
assert round(math.log(8192), 2) == 9.01 and round(math.log(2), 2) == 0.69
assert abs(word_loss - math.log(8192)) < 0.1 and abs(pair_loss - math.log(2)) < 0.1

# %% [markdown]
# Look at this number before anything else. Much *above* $\log V$: the weights start too large, and the
# model is sure of nonsense. Much *below*: it sees the answers (targets left in the input, say). Exactly
# $\log V$ and staying there: nothing learns.
#
# One thing may lower it honestly. `minibert pretrain` starts the output bias at the logarithms of the words'
# frequencies in the training text. Then the untrained model already gives common words more, and starts at
# the *entropy* (熵) of those frequencies, $-\sum_v q_v \log q_v$. If the word of rank $r$ has a share in
# proportion to $1/r$ (Zipf's law, 齐夫定律), that is 6.5 nats for 8,192 words in place of 9.0.

# %%
frequencies = 1 / np.arange(1, 8193)
frequencies /= frequencies.sum()
entropy = -(frequencies * np.log(frequencies)).sum()
assert round(entropy, 1) == 6.5

# %% [markdown]
# ## The largest matrix of the network, never kept (to be skipped at a first reading)
#
# In one step of `minibert pretrain` 48 sequences of 80 tokens pass through the model. It predicts 30 % (BERT
# itself 15 %) of all but the three special tokens of each, about 1,100 words, and each takes 8,192 logits.
# That makes 9 million numbers, by far the largest matrix of a small BERT. The plain way makes the logits,
# keeps the probabilities for the way back, and makes a gradient of the same size: three times 34 MiB in
# float32.
#
# But $p - y$ is known as soon as the forward pass is done: nothing that comes from the right can change it,
# except one factor, because the loss is *one number*. So we may go on at once. The logits come from a linear
# layer, $z = f W^T + b$, whose gradients are (2.4) to (2.6). Multiply while the matrix is at hand,
#
# $$df = w\,(p - y)\, W, \qquad dW = \big(w\,(p - y)\big)^T f, \qquad db = \sum_i w_i\,(p - y)_i$$
#
# keep these three, which are small, and forget the large one. On the way back they are only multiplied with
# the factor `dloss`. The idea is that of the fused loss in the Liger Kernel (Hsu et al. 2024); chapter 26 has
# one for the GPU.

# %%
run = PretrainConfig()
assert (run.batch_size, run.seq_len, run.mask_rate, run.vocab_size) == (48, 80, 0.3, 8192)
assert round(48 * (80 - 3) * 0.3, -2) == 1100 and round(1100 * 8192, -6) == 9_000_000
assert round(1100 * 8192 * 4 / 2**20) == 34
show(linear_cross_entropy)

# %% [markdown]
# Is it the same? We hold the two blocks by hand, one after the other, against the joined one. PyTorch works
# out gradients by itself: `requires_grad=True` says which tensors want one, `backward()` goes back from the
# loss, and `.grad` holds what arrived.

# %%
features, weight, bias = rng.normal(size=(6, 4)), rng.normal(size=(9, 4)), rng.normal(size=9)
targets = np.array([3, IGNORE, 0, 8, 3, IGNORE])

logits, linear_notes = linear_forward(features, weight, bias)
loss, loss_notes = cross_entropy_forward(logits, targets)
by_hand = linear_backward(cross_entropy_backward(2.5, loss_notes), linear_notes)

leaves = [torch.tensor(array, requires_grad=True) for array in (features, weight, bias)]
joined = linear_cross_entropy(leaves[0], leaves[1], leaves[2], torch.tensor(targets))
(2.5 * joined).backward()
assert np.isclose(joined.item(), loss, rtol=1e-14)
for leaf, expected in zip(leaves, by_hand, strict=True):
    assert leaf.grad is not None and np.allclose(leaf.grad.numpy(), expected, rtol=1e-12, atol=1e-15)

# %% [markdown]
# ## The proof
#
# The rows of `transformers` are the functions that its models call. It has none for the smoothed loss that
# keeps float64, and for "all ignored" it gives $0/0$.

# %%
prove("loss")

# %% [markdown]
# And a mistake on purpose, one of the commonest there is: **the softmax taken twice.** Somebody lets the
# model end in a softmax, and passes its probabilities to a loss that expects logits. Probabilities lie
# between 0 and 1, so their exponentials lie between 1 and $e$. The best that can happen is one probability
# of 1 and all others 0. Then the loss is $\log(e + V - 1) - 1$: with 8,192 words it goes from 9.01 down to
# 8.01 and no further. Now the same three-class problem is learned with and without the mistake.
# (`torch.autograd.grad` gives the slope of the loss in the weights. `detach()` cuts the new weights off from
# what they were worked out from, so that each step begins afresh.)

# %%
assert round(math.log(math.e + 8191) - 1, 2) == 8.01
floor = math.log(math.e + 2) - 1  # three classes


# %%
def learn(twice, steps=300):
    """Train a linear layer on three clouds of points; return its losses, and its share of right answers."""
    rng = np.random.default_rng(0)
    classes = torch.arange(150) % 3
    centres = 2 * np.array([[0, 1], [-1, -1], [1, -1]])[classes]
    points = torch.tensor(rng.normal(size=(150, 2)) + centres)
    weight, losses = torch.zeros(3, 2, dtype=torch.float64, requires_grad=True), []
    for _ in range(steps):
        logits = points @ weight.T
        loss = cross_entropy(torch.softmax(logits, 1) if twice else logits, classes)
        (slope,) = torch.autograd.grad(loss, weight)
        weight = (weight - 0.5 * slope).detach().requires_grad_()
        losses.append(loss.item())
    return losses, (logits.argmax(1) == classes).double().mean().item()


# %%
right, right_share = learn(twice=False)
wrong, wrong_share = learn(twice=True)
print(f"right answers: {right_share:.1%} without the mistake, {wrong_share:.1%} with it")
assert np.allclose([right[0], wrong[0]], math.log(3)) and min(wrong) > floor > min(right)
assert abs(right_share - wrong_share) < 0.02

fig, ax = plt.subplots(figsize=(6.5, 3.4), dpi=100)
ax.plot(right, "k-", label="right")
ax.plot(wrong, "k--", label="softmax twice")
ax.axhline(floor, color="0.5", ls=":", label=r"$\log(e + 2) - 1$")
ax.set(xlabel="step", ylabel="loss (nats)", ylim=(0, 1.2), title="With the mistake the loss falls, too")
ax.legend(frameon=False)
plt.show()

# %% [markdown]
# It even answers about as well. That is why such a mistake can live for years: the curve falls, the answers
# are good, and only the numbers are not what they claim to be. One check sees it at once, that *a perfect
# prediction costs nothing*. Here is what the checks of this project say to that mistake and to some others.
# For each, the first check that sees it speaks. Often that is a case by hand: one row costs $\log(8/5)$, as
# above, a second one $\log 3$ (three equal logits), and a third is ignored.

# %%
break_on_purpose(
    "loss",
    "softmax is taken twice",
    "mean is over all positions",
    "class 0 is ignored",
    "logit is not taken off",
)

# %% [markdown]
# "Class 0 is ignored" is from a well-known BERT (issues 32 and 49 of codertimo/BERT-pytorch). Its loss
# skipped target 0, which is the padding's id, but for pairs of sentences 0 is one of the two answers. Users
# reported a loss that was very low, and an accuracy that stayed near 50 %. No wonder: a model that always
# says "1" is never contradicted.

# %%
pairs = np.arange(10) % 2  # half of them 0, half 1
always_one = np.tile([-20.0, 0.0], (10, 1))
loss, _ = cross_entropy_forward(always_one, np.where(pairs == 0, IGNORE, pairs))
assert loss < 1e-8 and (always_one.argmax(axis=1) == pairs).mean() == 0.5

# %% [markdown]
# ## What the paper does differently
#
# - **Devlin et al.** give the sentence quoted above, and in appendix A.2 that the two means are added. Their
#   code multiplies each position's loss with a weight, and divides by the sum of the weights plus $10^{-5}$,
#   so that nothing to predict gives 0. Ours divides by $n$, or by 1 where $n = 0$.
# - **PyTorch** gives "not a number" where nothing counts. Its `label_smoothing` is the one above; the share
#   is also spread over the target. Some others spread it over the *other* classes only, with $s/(V-1)$; the
#   same $s$ then means a little more.
# - **Szegedy et al.** allow any distribution to be mixed in, not only the even one.
# - **Bridle** wrote of "normalised exponential" outputs and offered softmax as a name for a smooth version of
#   picking the largest.
#
# ## Exercises
#
# Some functions of this chapter are for you to write. `minibert learn start` makes a folder with a file for
# each, and `minibert learn check` says whether it is right and, if not, what is wrong with it. Each stands
# alone. What comes after them is done with a pencil, or leads further.
#
# ### To write: by hand

# %%
exercise("log_softmax")

# %%
exercise("cross_entropy_forward")

# %%
exercise("cross_entropy_backward")

# %%
exercise("mean_squared_error_backward")

# %% [markdown]
# ### To write: in PyTorch

# %%
exercise("torch_cross_entropy")

# %%
exercise("torch_mean_squared_error")

# %%
exercise("torch_linear_cross_entropy")

# %% [markdown]
# ### To write: a test

# %%
exercise("judge_cross_entropy")

# %% [markdown]
# ### To think about
#
# **1. Pencil.** Logits $(0, \log 3)$, and the target is the first class. Loss? Gradient? And with smoothing
# $s = 0.2$?
#
# <details><summary>Hint</summary>
#
# $p = (1/4, 3/4)$, so the loss is $\log 4$. With smoothing $y = (0.9, 0.1)$.
#
# </details>
#
# **2. Temperature.** Divide all logits by $T$ before the softmax. Derive the gradient. What becomes of $p$
# for $T \to 0$ and for $T \to \infty$, and of the size of the gradient for large $T$? (Chapter 24 needs
# it.)
#
# <details><summary>Hint</summary>
#
# One more link in the chain: the slope of $z_v / T$ is $1/T$.
#
# </details>
#
# **3. In pieces.** Write a `linear_cross_entropy` in NumPy that never holds more than 256 rows of logits at a
# time, and returns the loss, `dfeatures`, `dweight` and `dbias`. Hold it against the two blocks by hand.
#
# <details><summary>Hint</summary>
#
# Count the targets that count first, over all rows. Each piece then gives a share of the loss, rows of
# `dfeatures`, and a term of `dweight` and `dbias`.
#
# </details>
#
# **4. A lower bound.** Show that for given frequencies $q$ no probabilities $p$ make $-\sum_v q_v \log p_v$
# smaller than $p = q$ does.
#
# <details><summary>Hint</summary>
#
# Use $\log x \le x - 1$ for $x = p_v / q_v$. The difference of the two is known as the Kullback–Leibler
# divergence.
#
# </details>
#
# ## Further reading
#
# - Shannon 1948, *A mathematical theory of communication*, Bell System Technical Journal 27, 379–423 and
#   623–656. Why the logarithm, and what an entropy is.
# - Bridle 1990, *Probabilistic interpretation of feedforward classification network outputs, with
#   relationships to statistical pattern recognition*, in Neurocomputing, Springer. Softmax, and its gradient.
# - Gneiting and Raftery 2007, *Strictly proper scoring rules, prediction, and estimation*, Journal of the
#   American Statistical Association 102, 359–378.
# - Szegedy, Vanhoucke, Ioffe, Shlens and Wojna 2016, *Rethinking the Inception architecture for computer
#   vision*, [arXiv:1512.00567](https://arxiv.org/abs/1512.00567), section 7.
# - Müller, Kornblith and Hinton 2019, *When does label smoothing help?*,
#   [arXiv:1906.02629](https://arxiv.org/abs/1906.02629).
# - Guo, Pleiss, Sun and Weinberger 2017, *On calibration of modern neural networks*,
#   [arXiv:1706.04599](https://arxiv.org/abs/1706.04599). Are the probabilities to be believed?
# - Golik, Doetsch and Ney 2013, *Cross-entropy vs. squared error training: a theoretical and experimental
#   comparison*, Interspeech.
# - Blanchard, Higham and Higham 2021, *Accurately computing the log-sum-exp and softmax functions*, IMA
#   Journal of Numerical Analysis 41, 2311–2330.
# - Hsu et al. 2024, *Liger Kernel: efficient Triton kernels for LLM training*,
#   [arXiv:2410.10989](https://arxiv.org/abs/2410.10989).
