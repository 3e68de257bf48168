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
# # 09 · Optimizer (优化器)
#
# *The gradient says which way is down. How far do we go?*
#
# **Files:** `minibert/byhand/optimizer.py` · `minibert/train/optimizer.py` · `minibert/train/schedule.py` ·
# `minibert/learn/checks/optimizer.py` · `tests/test_optimizer.py` · `tests/test_schedule.py`
#
# **Needs:** [02 Gradients](02_gradients.ipynb), [06 Feed-forward](06_feedforward.ipynb), [08
# Loss](08_loss.ipynb)
#
# **Time:** 75 minutes

# %% [markdown]
# ## The question: a slope is not yet a step
#
# For every weight of the network we know now how the loss changes when that weight grows a little. So we
# know which way to turn each of the hundred million screws. But the gradient speaks of *little* changes
# only, and it says nothing about how far we may turn before it is no longer true. Too short a step, and
# training takes a year. Too long a step, and the loss explodes. Between the two there is less room than one
# would think, and it differs from weight to weight.
#
# An **optimizer** (优化器) is the rule that makes a step out of a gradient. This chapter goes from the
# plainest rule there is to the two that train our BERT, AdamW and Muon. Then come the three habits that go
# with them: weight decay, clipping, and a learning rate that first rises and then falls.
#
# There is nothing to differentiate here: no backward pass, no cache. An optimizer is a dozen lines of
# arithmetic. Yet a mistake in them is among the hardest to see, because a wrong step is still a step, and
# the loss still falls. So we hold every rule against the pencil and against PyTorch, step by step.

# %%
import math

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F

# %%
from minibert.byhand.embedding import lookup_backward, lookup_forward
from minibert.byhand.feedforward import feedforward_backward, feedforward_forward
from minibert.byhand.gradcheck import gradcheck
from minibert.byhand.linear import linear_backward, linear_forward
from minibert.byhand.loss import cross_entropy_backward, cross_entropy_forward, log_softmax
from minibert.byhand.optimizer import (
    NEWTON_SCHULZ,
    adamw,
    clip,
    decay_of,
    momentum,
    muon,
    orthogonalize,
    schedule,
    sgd,
)
from minibert.byhand.parameters import join, part
from minibert.learn.mutate import mutants
from minibert.learn.notebook import break_on_purpose, exercise, show
from minibert.prove import prove
from minibert.train.optimizer import decay_groups

# %% [markdown]
# ## What the papers say
#
# BERT's paper has one sentence about it, for the pretraining:
#
# > We use Adam with learning rate of 1e-4, β₁ = 0.9, β₂ = 0.999, L2 weight decay of 0.01, learning rate
# > warmup over the first 10,000 steps, and linear decay of the learning rate.
# >
# > Devlin et al. 2019, appendix A.2
#
# Every word of it is a section of this chapter. **Adam** is from Kingma and Ba 2015. Its algorithm 1, with
# a weight $w$ (their $\theta$), its gradient $g$ and the learning rate $\eta$ (their $\alpha$), is
#
# $$\begin{aligned}
# m &\leftarrow \beta_1 m + (1 - \beta_1)\, g & \hat m &= m / (1 - \beta_1^t) \\
# v &\leftarrow \beta_2 v + (1 - \beta_2)\, g^2 & \hat v &= v / (1 - \beta_2^t) \\
# w &\leftarrow w - \eta\, \hat m / (\sqrt{\hat v} + \varepsilon)
# \end{aligned}$$
#
# at step $t = 1, 2, 3, \dots$, where $m$ and $v$ begin at zero. ($\hat m$, "m hat", is an $m$ that has been
# corrected for this beginning.) It looks arbitrary, and need not be understood yet. Each of its parts
# answers something that goes wrong without it. So we begin without, and meet it again, part by part, from
# (9.5) to (9.10).

# %% [markdown]
# ## One step downhill
#
# Go against the slope, by a length in proportion to it:
#
# $$w \leftarrow w - \eta\, g \tag{9.1}$$
#
# $\eta$ is the **learning rate** (学习率). If $g$ is the gradient of one batch and not of all texts in the
# world, it is right only on average. It works all the same (Robbins and Monro 1951), and the rule is called
# **stochastic gradient descent**, SGD (随机梯度下降).
#
# How large may $\eta$ be? Take the simplest loss that has a lowest point, a bowl $L = \frac{h}{2} w^2$. Its
# slope is $g = h w$. So $h$ says how fast the slope grows as we go outwards: it is the **curvature** (曲率),
# large for a narrow bowl and small for a wide one. A step is
#
# $$w \leftarrow w - \eta h w = (1 - \eta h)\, w$$
#
# Each step multiplies $w$ by the same factor. With $\eta h = 0.5$ the way to the bottom is halved each
# time. With $\eta h = 1$ we are there at once. With $1.5$ we jump across and land half as far on the other
# side. With more than $2$ we land *further* away than we were, and the next gradient is larger still. So
# the limit is $\eta < 2 / h$: **the steeper the bowl, the smaller the rate must be.**


# %%
def roll(rate, steps):
    """Return where w stands, from 1 on, in the bowl w^2 / 2."""
    places = [1.0]
    for _ in range(steps):
        places.append(float(sgd(np.array(places[-1]), np.array(places[-1]), rate)))
    return np.array(places)


assert roll(0.5, 2).tolist() == [1, 0.5, 0.25]
assert roll(1.0, 1).tolist() == [1, 0]
assert roll(1.5, 2).tolist() == [1, -0.5, 0.25]
assert roll(2.0, 2).tolist() == [1, -1, 1]
assert abs(roll(2.2, 9)[-1]) > 5

# %%
bowl = np.linspace(-2.2, 2.2, 89)
titles = [r"$\eta h = 0.2$: safe and slow", r"$\eta h = 1.7$: zigzag", r"$\eta h = 2.2$: away"]
fig, axes = plt.subplots(1, 3, figsize=(8.5, 2.8), dpi=100, sharey=True)
for ax, rate, title in zip(axes, [0.2, 1.7, 2.2], titles, strict=True):
    w = roll(rate, 4)
    ax.plot(bowl, bowl**2 / 2, color="0.6")
    ax.plot(w, w**2 / 2, "ko--", lw=0.9, ms=5)
    ax.annotate("start", (1, 0.5), xytext=(1.15, 0.12), size=9)
    ax.set(xlabel="weight $w$", title=title)
axes[0].set_ylabel("loss")
fig.tight_layout()
plt.show()

# %% [markdown]
# ## A valley
#
# Now two weights, and two curvatures, 1 along the first and 25 across it:
#
# $$L = \tfrac12 (w_1^2 + 25\, w_2^2), \qquad g = (w_1,\; 25\, w_2)$$
#
# A step multiplies $w_1$ by $1 - \eta$ and $w_2$ by $1 - 25\eta$. The steep direction allows only
# $\eta < 2/25$, and at such a rate the flat one gets hardly anywhere. The best compromise makes both equally
# slow. There $w_2$ jumps across at each step: its factor is negative, of the size $25\eta - 1$. From
# $1 - \eta = 25 \eta - 1$ we get $\eta = 2/26 = 1/13$, and both factors have the size $12/13$. To come a
# thousand times nearer takes 87 steps. With any two curvatures $h_1 < h_2$ it is the same:
# $1 - \eta h_1 = \eta h_2 - 1$, so $\eta = 2/(h_1 + h_2)$, and the factor is
#
# $$1 - \eta h_1 = \frac{h_2 - h_1}{h_2 + h_1} = \frac{\kappa - 1}{\kappa + 1} \qquad\text{with }
# \kappa = \frac{h_2}{h_1}$$
#
# $\kappa$ is the **condition number** (条件数): the largest curvature divided by the smallest. In real
# networks it is far larger than 25. All the while the path runs zigzag: across the valley the gradient is
# large, points to the other side, and changes its sign at every step. Along the valley it is small, and
# always says the same. *What keeps saying the same should count for more.* That is the next idea.

# %%
assert math.isclose(1 - 1 / 13, 12 / 13) and math.isclose(25 / 13 - 1, 12 / 13)
assert math.isclose((25 - 1) / (25 + 1), 12 / 13)
assert math.ceil(math.log(1000) / math.log(13 / 12)) == 87

# %% [markdown]
# ## Momentum: what repeats adds up
#
# Keep a memory $m$ of all gradients so far. At each step it fades by a factor $\mu$, and the new gradient
# is added; then go along the memory, not along the gradient:
#
# $$m \leftarrow \mu\, m + g \tag{9.2}$$
#
# $$w \leftarrow w - \eta\, m \tag{9.3}$$
#
# That is **momentum** (动量, Polyak 1964), usually with $\mu = 0.9$. Nesterov's form lets the new memory
# fade once more, as it will at the next step, and adds the gradient that is at hand once more (Nesterov
# 1983; in this form Sutskever et al. 2013):
#
# $$w \leftarrow w - \eta\, (g + \mu\, m) \tag{9.4}$$
#
# What becomes of a gradient that is the same at every step? After $k$ steps
#
# $$m = g\,(1 + \mu + \mu^2 + \dots + \mu^{k-1})$$
#
# Multiply by $1 - \mu$, and all but the first and the last term cancel:
#
# $$(1 - \mu)\, m = g\,(1 - \mu^k) \qquad\text{so}\qquad m = g\, \frac{1 - \mu^k}{1 - \mu} \;\to\;
# \frac{g}{1 - \mu}$$
#
# With $\mu = 0.9$ that is ten times the gradient. And one that changes its sign each time? Then the terms
# are $1 - \mu + \mu^2 - \dots$, which tends to $1/(1 + \mu) = 0.53$. So the same rule speeds up by 10 along
# the valley and slows down by 2 across it.
#
# (So a rate that suits plain SGD is ten times too large with a momentum of 0.9.)

# %%
m_same = m_zigzag = w = np.zeros(1)
for step in range(200):
    _, m_same = momentum(w, np.ones(1), m_same, 0.1)
    _, m_zigzag = momentum(w, np.array([(-1.0) ** step]), m_zigzag, 0.1)
    if step == 1:
        assert np.allclose(m_same, 1.9)
assert np.allclose(m_same, 10) and np.allclose(abs(m_zigzag), 1 / 1.9)
assert round(1 / 1.9, 2) == 0.53

# %%
show(sgd, momentum)

# %% [markdown]
# Both know a `decay` as well: we come to it. Polyak showed (we quote him without the proof) how to choose
# best in a valley whose smallest curvature is 1. With $\eta = 4 / (\sqrt\kappa + 1)^2$, and the square of
# the following number as $\mu$, each step multiplies the distance in the long run by about
#
# $$\frac{\sqrt\kappa - 1}{\sqrt\kappa + 1}$$
#
# The root makes all the difference. For $\kappa = 25$ it is $4/6 = 0.67$ in place of $12/13 = 0.92$.

# %% [markdown]
# ## A rate for every weight: the idea of Adam
#
# In our valley we would not need any of this if we could divide the gradient of the second weight by 25. In
# a network nobody tells us the curvatures. But we see the gradients, and where it is steep they are large.
# So divide each weight's gradient by **how large this weight's gradients usually are**. Adam's two memories
# are two means: $m$ of the gradient, and $v$ of its square. (The root of the mean square is "the usual
# size", without the sign.)
#
# $$m \leftarrow \beta_1 m + (1 - \beta_1)\, g \tag{9.5}$$
#
# $$v \leftarrow \beta_2 v + (1 - \beta_2)\, g^2 \tag{9.6}$$
#
# These are *running means*: $\beta$ of the old one, and the rest of the new number. How far do they look
# back? The newest number has the weight $1 - \beta$, the one before it $(1 - \beta)\beta$, then
# $(1 - \beta)\beta^2$, and so on. Call the newest one step old, and take the mean of all ages under these
# weights:
#
# $$(1 - \beta)(1 + 2\beta + 3\beta^2 + \dots) = (1 - \beta)(1 + \beta + \beta^2 + \dots)^2 =
# \frac{1 - \beta}{(1 - \beta)^2} = \frac{1}{1 - \beta}$$
#
# (In the square $\beta^k$ comes about in $k + 1$ ways; the sum itself is that of momentum, without end.) So
# $m$ looks back over about $1/(1-\beta_1) = 10$ steps. $v$ is to be steadier, and looks back over 1000 steps
# with BERT's $\beta_2 = 0.999$, or 50 with ours, 0.98.
#
# ### The bias correction, line by line
#
# Both begin at zero, and a mean that begins at zero is too small at first. How much? Unroll (9.5). The
# gradient of step $k$ came in with the factor $1 - \beta_1$, and has faded at each step since:
#
# $$m_t = (1 - \beta_1) \left(g_t + \beta_1 g_{t-1} + \beta_1^2 g_{t-2} + \dots + \beta_1^{t-1} g_1\right)$$
#
# A mean is a sum with weights that add up to 1. Do these?
#
# $$(1 - \beta_1)(1 + \beta_1 + \dots + \beta_1^{t-1}) = 1 - \beta_1^t \tag{9.7}$$
#
# by the same cancelling as above. They do not: at the first step they add up to $1 - \beta_1 = 0.1$ only.
# What is missing is the share $\beta_1^t$ of the zero at the start. So divide by what they add up to:
#
# $$\hat m = \frac{m}{1 - \beta_1^t} \tag{9.8}$$
#
# $$\hat v = \frac{v}{1 - \beta_2^t} \tag{9.9}$$
#
# Now both are true weighted means of the gradients that were really there, and of their squares. If all
# gradients were the same $g$, then $\hat m = g$ and $\hat v = g^2$ from the first step on. The correction
# fades by itself, as $\beta^t$ tends to 0. Then the step:
#
# $$w \leftarrow w - \eta\, \frac{\hat m}{\sqrt{\hat v} + \varepsilon} \tag{9.10}$$
#
# $\varepsilon$ is there so that nothing is divided by zero.

# %% [markdown]
# ### With the pencil
#
# Let $\beta_1 = \frac12$, $\beta_2 = \frac34$, $\eta = 0.3$, $\varepsilon = 0$, and $w = 1$. The gradients
# are 18, and then $-3$.
#
# | | start | $t = 1$ | $t = 2$ |
# |---|---|---|---|
# | $g$ | | 18 | $-3$ |
# | $m$ | 0 | $\frac12 \cdot 18 = 9$ | $\frac12 \cdot 9 - \frac12 \cdot 3 = 3$ |
# | $v$ | 0 | $\frac14 \cdot 324 = 81$ | $\frac34 \cdot 81 + \frac14 \cdot 9 = 63$ |
# | $\hat m$ | | $9 / \frac12 = 18$ | $3 / \frac34 = 4$ |
# | $\hat v$ | | $81 / \frac14 = 324$ | $63 / \frac{7}{16} = 144$ |
# | $\hat m / \sqrt{\hat v}$ | | $18 / 18 = 1$ | $4 / 12 = \frac13$ |
# | $w$ | 1 | 0.7 | 0.6 |
#
# Two things to see. The first step is exactly $\eta$: after one gradient, its size is also its "usual
# size", and only the sign is left. And at the second step $w$ goes on downwards, though the gradient has
# turned round: $m$ remembers. (Our function is called `adamw`. With a decay of zero it is Adam; what the W
# adds comes later.)

# %%
w, m, v = np.array([1.0]), np.zeros(1), np.zeros(1)
table = []
for t, g in [(1, 18.0), (2, -3.0)]:
    w, m, v = adamw(w, np.array([g]), m, v, t, lr=0.3, betas=(0.5, 0.75), eps=0.0, decay=0.0)
    table.append([m[0], v[0], m[0] / (1 - 0.5**t), v[0] / (1 - 0.75**t), w[0]])
assert np.allclose(table, [[9, 81, 18, 324, 0.7], [3, 63, 4, 144, 0.6]])

ages = np.arange(1, 20_001)
for beta, back in [(0.9, 10), (0.999, 1000), (0.98, 50)]:
    assert np.isclose(((1 - beta) * beta ** (ages - 1) * ages).sum(), back)

# %% [markdown]
# ### What happens without the correction
#
# Let the gradient be 1 at every step. Then the right step is $\eta$, at every step. But by (9.7) the memories
# are $m = 1 - \beta_1^t$ and $v = 1 - \beta_2^t$. So without the corrections the step is $\eta$ times
#
# $$\frac{m}{\sqrt v} = \frac{1 - \beta_1^t}{\sqrt{1 - \beta_2^t}}$$
#
# One might hope that the two errors cancel. They do not, because of the root, and because the two $\beta$
# differ. With BERT's $\beta_2 = 0.999$ the first step is 3.2 times too long, the twelfth 6.6 times, and
# after a thousand it is still 26 % too much. If only $m$ is corrected, it is worse, as $v$ alone is too
# small: 32 times at the first step. If only $v$ is, the first step is a tenth of what it should be.

# %%
t = np.arange(1, 2001)
neither = (1 - 0.9**t) / np.sqrt(1 - 0.999**t)
ours = (1 - 0.9**t) / np.sqrt(1 - 0.98**t)
only_m, only_v = 1 / np.sqrt(1 - 0.999**t), 1 - 0.9**t
assert round(neither[0], 1) == 3.2 and round(neither.max(), 1) == 6.6 and t[neither.argmax()] == 12
assert round(neither[99], 1) == 3.2 and round(neither[299], 1) == 2.0 and round(neither[999], 2) == 1.26
assert round(only_m[0]) == 32 and np.isclose(only_v[0], 0.1)

wrong = next(one for one in mutants() if one.name.startswith("no bias correction"))
w = m = v = np.zeros(1)
with wrong.made():
    for step in range(1, 13):
        before = w
        w, m, v = adamw(w, np.ones(1), m, v, step, lr=1.0, betas=(0.9, 0.999), decay=0.0)
assert np.allclose(before - w, neither[11])

# %%
fig, ax = plt.subplots(figsize=(7.5, 3.8), dpi=100)
ax.loglog(t, only_m, "-.", color="0.45", label=r"only $m$ corrected, $\beta_2 = 0.999$")
ax.loglog(t, neither, "k-", label=r"nothing corrected, $\beta_2 = 0.999$")
ax.loglog(t, ours, "k--", label=r"nothing corrected, $\beta_2 = 0.98$")
ax.loglog(t, only_v, ":", color="0.45", lw=2, label=r"only $v$ corrected")
ax.axhline(1, color="0.7", lw=0.8)
ax.set(xlabel="step $t$", ylabel=r"step length / $\eta$", ylim=(0.08, 50))
ax.set_yticks([0.1, 1, 10], ["0.1", "1", "10"])
ax.set_title("Without the correction the first thousand steps have the wrong length")
ax.legend(frameon=False)
plt.show()

# %% [markdown]
# The original code of BERT leaves both corrections out (`optimization.py`). In pretraining, with a million
# steps and a warmup over the first 10,000, that hardly matters. But whoever fine-tunes on a small data set
# takes a few hundred steps in all, and by the formula above all of them are too long: the hundredth still by
# a factor of 3.2, the three hundredth by 2. Devlin et al. 2019 already report that fine-tuning their large
# model is sometimes unstable on small data sets (section 4.1). Zhang et al. 2021 and Mosbach et al. 2021
# found that the missing correction has a good part in it.

# %% [markdown]
# ## What the second memory buys
#
# **Any unit will do.** Multiply the loss by 1000. Every gradient is 1000 times as large, so is $\hat m$,
# and so is $\sqrt{\hat v}$. The quotient stays, and so does the step. The same holds for each weight alone:
# a layer whose gradients are all tiny moves as fast as one whose gradients are large. The learning rate is
# thus no longer a factor between two unknown units. It is simply **how far a weight goes in one step**.
# That is why one number, about 0.001, works for so many networks, and no such number exists for SGD.
#
# In the valley: replace 25 by 2500 or by anything. Adam's path is the same. Below, each rule walks until
# both weights stay within a tenth of where they began. SGD and momentum get the best rate (and $\mu$) that
# there is for each valley, by the formulas above. Adam always gets 0.3.


# %%
def walk(rule, curvature, start, rate, steps, mu=0.0):
    """Return the path, (steps + 1, 2), where the gradient is H w, with the curvatures in H (2, 2)."""
    w = np.array(start)
    m = v = np.zeros(2)
    path = [w]
    for t in range(1, steps + 1):
        g = curvature @ w
        if rule == "AdamW":
            w, m, v = adamw(w, g, m, v, t, rate, eps=0.0, decay=0.0)
        else:
            w, m = momentum(w, g, m, rate, mu)  # which is SGD with mu = 0
        path.append(w)
    return np.array(path)


def steps_needed(path):
    """Return after how many steps both weights stay within a tenth of their first values."""
    return int(np.flatnonzero((abs(path) > 0.1 * abs(path[0])).any(axis=1))[-1]) + 1


# %%
needed, adam_paths = [], []
print("condition     SGD  momentum  AdamW")
for kappa in (25, 400, 2500):
    H, start, root = np.diag([1.0, kappa]), [-9.0, 1.8], math.sqrt(kappa)
    plain = walk("SGD", H, start, 2 / (1 + kappa), 4000)
    heavy = walk("momentum", H, start, (2 / (1 + root)) ** 2, 1000, ((root - 1) / (root + 1)) ** 2)
    adam_paths.append(walk("AdamW", H, start, 0.3, 60))
    needed.append([steps_needed(path) for path in (plain, heavy, adam_paths[-1])])
    print(f"{kappa:9}{needed[-1][0]:8}{needed[-1][1]:10}{needed[-1][2]:7}")
assert np.allclose(adam_paths[0], adam_paths[1]) and np.allclose(adam_paths[0], adam_paths[2])
assert 2 / 26 == 1 / 13 and round(4 / 6, 2) == 0.67 and round(12 / 13, 2) == 0.92
assert needed[0][0] > 2 * needed[0][1] and needed[2][0] > 10 * needed[2][1] and needed[2][1] > 200

# %% [markdown]
# SGD's steps grow with $\kappa$, those of momentum with its root, and Adam's do not grow at all.
#
# **But it sees weights, not directions.** Adam can stretch and shrink each axis; it cannot turn. Lay the
# same valley across the axes, so that both weights have the same curvature and only their *combination* is
# steep, and there is nothing left to divide by. (Momentum does not care: everything it does turns with the
# valley.)

# %%
turn = np.array([[1.0, -1.0], [1.0, 1.0]]) / math.sqrt(2)
valleys = {"along the axes": (np.diag([1.0, 25.0]), np.array([-9.0, 1.8]))}
valleys["turned by 45°"] = (turn @ np.diag([1.0, 25.0]) @ turn.T, turn @ np.array([-9.0, 1.8]))
assert np.allclose(np.diag(valleys["turned by 45°"][0]), 13)  # both weights: the same curvature

styles = {"SGD": ("o-", "0.55", 0.075, 0.0), "momentum": ("^--", "0.2", 0.03, 0.67)}
styles["AdamW"] = ("s-", "black", 0.3, 0.0)
titles = ["Along the axes, AdamW cuts straight across", "Turned by 45°, that advantage is gone"]
fig, axes = plt.subplots(1, 2, figsize=(8.5, 4.3), dpi=100)
for ax, (H, start), title in zip(axes, valleys.values(), titles, strict=True):
    x, y = np.meshgrid(np.linspace(-11, 5, 161), np.linspace(-10, 6, 161))
    heights = (H[0, 0] * x**2 + 2 * H[0, 1] * x * y + H[1, 1] * y**2) / 2
    ax.contour(x, y, heights, levels=[2, 10, 30, 80, 160], colors="0.8", linewidths=0.9)
    for rule, (marker, grey, rate, mu) in styles.items():
        path = walk(rule, H, start, rate, 30, mu)
        inside = "white" if rule == "momentum" else grey
        ax.plot(*path.T, marker, color=grey, mfc=inside, ms=4, lw=0.9, label=rule)
    ax.plot(0, 0, "k+", ms=12)
    ax.set(xlabel="$w_1$", ylabel="$w_2$")
    ax.set_title(title, size=11)
axes[0].set(xlim=(-10, 2), ylim=(-3.5, 3.5))
axes[1].set(xlim=(-9.5, 2), ylim=(-8, 3.5))
axes[0].legend(frameon=False, loc="lower right", title="30 steps each")
fig.tight_layout()
plt.show()

for H, start in valleys.values():
    ends = [walk(rule, H, start, rate, 30, mu)[-1] for rule, (_, _, rate, mu) in styles.items()]
    plain, heavy, adam = np.linalg.norm(ends, axis=1)  # how far from the bottom
    assert heavy < plain < adam

# %% [markdown]
# Adam's first step goes at 45° in both pictures: each weight by $\eta$, whatever the slope. And note that
# at a constant rate it is not even the fastest of the three here. In a smooth valley without noise,
# well-tuned momentum is hard to beat. What Adam brings is that hardly any tuning is needed, and that it
# works where a thousand valleys of unknown shapes lie side by side, as in a network.
#
# **Where gradients contradict each other, it slows down.** $|\hat m|$ is about $\sqrt{\hat v}$ only if the
# gradients of the last ten steps agree. If they are pure noise with the mean zero, then in $m$ they nearly
# cancel. How nearly? The mean square of a sum of independent terms is the sum of their mean squares. The
# gradient of $k$ steps ago has the weight $(1 - \beta_1)\beta_1^k$, so the mean square of $m$, as a share
# of that of $g$, is
#
# $$(1 - \beta_1)^2 (1 + \beta_1^2 + \beta_1^4 + \dots) = \frac{(1 - \beta_1)^2}{1 - \beta_1^2} =
# \frac{1 - \beta_1}{1 + \beta_1} = \frac{0.1}{1.9}$$
#
# and its root is 0.23. Sure of the direction: $\eta$. Nothing but noise: a quarter of $\eta$, this way and
# that.

# %%
rng = np.random.default_rng(0)
w = m = v = np.zeros(10_000)
for step in range(1, 301):
    before = w
    w, m, v = adamw(w, rng.normal(size=10_000), m, v, step, lr=1.0, decay=0.0)
moved = math.sqrt(np.mean((w - before) ** 2))
print(f"a typical step on pure noise: {moved:.2f} of the learning rate")
assert round(math.sqrt(0.1 / 1.9), 2) == 0.23 and abs(moved - 0.23) < 0.01

# %% [markdown]
# ## Weight decay, and why it is not L2
#
# Nothing so far keeps weights from growing. **Weight decay** (权重衰减) lets each lose a little at each
# step:
#
# $$w \leftarrow (1 - \eta \lambda)\, w - \eta\, \frac{\hat m}{\sqrt{\hat v} + \varepsilon} \tag{9.11}$$
#
# The older way to the same end is to add $\frac{\lambda}{2} w^2$ to the loss for each weight, known as **L2
# regularisation** (L2 正则化). Its slope is $\lambda w$. So one adds $\lambda w$ to the gradient, and
# leaves the rest to the optimizer. For SGD the two are the same:
#
# $$w - \eta\,(g + \lambda w) = (1 - \eta\lambda)\, w - \eta\, g$$
#
# For years everybody took them for the same thing, Adam or not. But in Adam the $\lambda w$ goes into $m$
# and $v$, and is divided by the usual size of the gradients like all else. So weights with large gradients
# hardly decay, and weights with small ones decay fast: nobody had asked for that. Loshchilov and Hutter
# 2019 noticed, took the decay out of the gradient, *decoupled* (解耦) it, and called the result **AdamW**.
# (BERT's paper says "L2 weight decay". Its code has the decoupled one, with a comment that L2 would be
# wrong.)
#
# Here are three weights that stand at 1, in the midst of a training. Their gradients change their sign at
# every step, so they go nowhere by themselves; they are large for the first weight, small for the second,
# and zero for the third.

# %%
sizes, rate, strength = np.array([10.0, 0.1, 0.0]), 0.01, 0.1
decoupled = through = np.ones(3)
m = m2 = sizes * 0.1 / 1.9  # what the memories become under such gradients
v = v2 = sizes**2
for step in range(1001, 1101):
    g = sizes * (-1) ** step
    decoupled, m, v = adamw(decoupled, g, m, v, step, rate, decay=strength)
    through, m2, v2 = adamw(through, g + strength * through, m2, v2, step, rate, decay=0.0)

print("after 100 steps          gradient ±10  ±0.1   none")
print(f"decoupled, AdamW               {decoupled[0]:.3f} {decoupled[1]:.3f}  {decoupled[2]:.3f}")
print(f"through the gradient, L2       {through[0]:.3f} {through[1]:.3f} {through[2]:.3f}")
assert np.allclose(decoupled, (1 - rate * strength) ** 100, atol=0.001)
assert round((1 - rate * strength) ** 100, 3) == 0.905

# %% [markdown]
# All three should have kept $(1 - 0.001)^{100} = 0.905$ of what they were, and with AdamW they do. With L2
# the first lost hardly anything, the second more than half, and the third ran to zero at full speed: where
# there is no other gradient, $\lambda w$ divided by its own size is 1, *however small $\lambda$ is*.
#
# And what should decay at all? The scale of a layer norm starts at 1 and belongs near 1; a bias shifts, it
# does not amplify. To pull those towards zero helps nothing. So only matrices decay. BERT's code says it by
# name (all but "LayerNorm" and "bias"), ours by the number of axes.

# %%
assert through[0] > 0.98 and through[1] < 0.5 and abs(through[2]) < 0.1
show(adamw, decay_of)

# %% [markdown]
# ### What it costs
#
# Two memories for each weight, and they have to last for the whole training. BERT's base model has 110
# million weights of 4 bytes each, which is 0.44 GB. The gradients are as large, and so is each memory. That
# makes 0.88 GB for SGD, 1.32 for momentum and 1.76 for AdamW: four times the model, and no word of text has
# been read yet. That is why people store the memories in 8 bits (Dettmers et al. 2022), keep of $v$ only one
# number per row and per column (Shazeer and Stern 2018), or spread them over many machines (Rajbhandari et
# al. 2020).
#
# The PyTorch twin, `adamw_` in `minibert/train/optimizer.py`, writes into the memories that are there, rather
# than making new ones. It is otherwise the same five lines.

# %%
weights = 110_000_000 * 4 / 1e9
assert [round((2 + memories) * weights, 2) for memories in (-1, 0, 1, 2)] == [0.44, 0.88, 1.32, 1.76]

# %% [markdown]
# ## Clipping: one bad batch
#
# Now and then a batch has a gradient that is a hundred times too large: a strange text, a word never seen.
# SGD makes a step a hundred times too long of it, and weeks of training are gone. **Clipping** (梯度裁剪)
# sets an upper limit $c$. All gradients of the network together are one long vector. Its length is the
# *global norm* (全局范数)
#
# $$\|g\| = \sqrt{\sum_i g_i^2} \qquad \text{over all entries of all tensors} \tag{9.12}$$
#
# and if it is too long, it is made shorter (Pascanu et al. 2013):
#
# $$g \leftarrow g\, \min\!\left(1, \frac{c}{\|g\|}\right) \tag{9.13}$$
#
# One factor for everything, so the **direction stays**. A common mistake is to clip each tensor by its own
# norm. Then large ones are cut and small ones are not, and the step goes somewhere else. With one tensor
# $a$ and one tensor $b$ of a single number each, $g = (4, 1)$ and $c = 1$:

# %%
g = {"a": np.array([4.0]), "b": np.array([1.0])}
clipped, norm = clip(g, 1.0)
each = {name: clip({name: one}, 1.0)[0][name] for name, one in g.items()}
assert np.isclose(norm, math.sqrt(17))
assert np.isclose(clipped["b"][0] / clipped["a"][0], 1 / 4) and each["b"][0] / each["a"][0] == 1

small, _ = clip({"a": np.array([0.3]), "b": np.array([0.4])}, 1.0)
assert small["a"][0] == 0.3 and small["b"][0] == 0.4  # short enough: left alone

# %%
fig, ax = plt.subplots(figsize=(7.5, 3.1), dpi=100)
angle = np.linspace(0, math.pi / 2, 50)
ax.plot(np.cos(angle), np.sin(angle), color="0.6", label="global norm 1")
ax.plot([0, 1, 1], [1, 1, 0], ":", color="0.6", lw=2, label="each norm 1")
for (x, y), style, grey, name in [
    ((4, 1), "->", "0.6", "the gradient (4, 1)"),
    ((clipped["a"][0], clipped["b"][0]), "-|>", "black", "global: 14°, as before"),
    ((each["a"][0], each["b"][0]), "-|>", "0.35", "each tensor\nby itself: 45°"),
]:
    ax.annotate("", (x, y), (0, 0), arrowprops={"arrowstyle": style, "color": grey, "lw": 1.8})
    ax.text(x + 0.08, y - (0.14 if "global" in name else 0), name, va="center", size=10)
ax.set(xlim=(0, 5.6), ylim=(0, 1.3), xlabel="tensor $a$", ylabel="tensor $b$", aspect="equal")
ax.set_title("Clipping by the global norm keeps the direction")
ax.legend(frameon=False, loc="lower right")
plt.show()
assert round(math.degrees(math.atan2(1, 4))) == 14

# %%
show(clip)

# %% [markdown]
# NaN (not a number) and infinity are worth a thought. Clipping cannot mend them: a norm of NaN makes all
# gradients NaN, on purpose, so that one sees it. Whoever trains should look at the norm, and leave out such
# a step.
#
# But does Adam need clipping at all? It divides by the size. One huge gradient makes no huge step. It does
# something else: its square sits in $v$ and stays there for hundreds of steps, and all that time the weight
# **crawls**. Below, the gradient is 1 at every step, except for a single 100.


# %%
def pace(largest):
    """Return the lengths of 500 steps of AdamW, in learning rates; at step 50 the gradient is 100."""
    w = m = v = np.zeros(1)
    steps = []
    for t in range(1, 501):
        clipped, _ = clip({"w": np.array([100.0 if t == 50 else 1.0])}, largest)
        before = w
        w, m, v = adamw(w, clipped["w"], m, v, t, lr=1.0, decay=0.0)
        steps.append((before - w)[0])
    return np.array(steps)


free, held = pace(math.inf), pace(1.0)
slow = np.flatnonzero(free < 0.5)
print(f"at half its pace or less for {len(slow)} steps, at worst {free.min():.2f} of it")

fig, ax = plt.subplots(figsize=(7, 3), dpi=100)
ax.plot(range(1, 501), held, "k--", label="clipped to norm 1")
ax.plot(range(1, 501), free, "k-", label="not clipped")
ax.set(xlabel="step", ylabel=r"step length / $\eta$", ylim=(0, 1.1))
ax.set_title("One bad gradient, and AdamW crawls for two hundred steps")
ax.legend(frameon=False, loc="lower right")
plt.show()
assert np.allclose(held, 1) and free.max() < 1.001 and free.min() < 0.2 and 190 < len(slow) < 210

# %% [markdown]
# ## A rate that rises and falls
#
# At the end of training we want to settle, and (9.10) never does: its steps have a length that $\eta$
# decides, however near the bottom is. So the rate must fall, in a straight line or along half a cosine wave
# (Loshchilov and Hutter 2017). At the beginning the rate is to rise from nearly nothing, which is called
# **warmup** (预热). Say a step leads from the share $a$ of the run to the share $b$ (the third of ten steps
# from 0.2 to 0.3), and the warmup takes the share $u$. Then the peak rate is multiplied by
#
# $$\frac{b}{u} \quad\text{while } b \le u \tag{9.14}$$
#
# $$f = \min\!\left(1, \frac{1 - a}{1 - u}\right) \quad\text{afterwards, or}\quad
# \tfrac12 (1 - \cos \pi f) \quad\text{for the cosine} \tag{9.15}$$
#
# (The minimum is for a step in whose midst the warmup ends: it has the peak rate, no more.) Why $b$ on the
# way up and $a$ on the way down? With $a$ on the way up, the first step would have a rate of exactly zero,
# and the first batch would be read for nothing. With $b$ on the way down, the last step would have a rate of
# zero, too. Counting in shares, not in steps, the same function also serves a run that is limited by
# minutes.

# %%
STEPS, WARMUP = 10, 0.4
shares = [schedule(s / STEPS, (s + 1) / STEPS, WARMUP) for s in range(STEPS)]
waves = [schedule(s / STEPS, (s + 1) / STEPS, WARMUP, "cosine") for s in range(STEPS)]
print("step   " + "".join(f"{s + 1:7}" for s in range(STEPS)))
print("linear " + "".join(f"{share:7.3f}" for share in shares))
print("cosine " + "".join(f"{share:7.3f}" for share in waves))
assert np.allclose(shares, [1 / 4, 2 / 4, 3 / 4, 1, 6 / 6, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6])

# %%
theirs = [s / 4 if s < 4 else (10 - s) / (10 - 4) for s in range(10)]  # the linear schedule of transformers
assert np.allclose(theirs[:4], [0, *shares[:3]])  # one step behind: the first does nothing
assert np.allclose(theirs[4:], shares[4:])

fig, ax = plt.subplots(figsize=(7.5, 3.2), dpi=100)
ax.step(range(11), [*shares, shares[-1]], "k-", where="post", label="linear")
ax.step(range(11), [*waves, waves[-1]], "k--", where="post", label="cosine")
ax.plot(np.arange(10) + 0.5, theirs, "o", color="0.5", mfc="white", label="transformers, linear")
ax.axvline(4, color="0.7", lw=0.8, ls=":")
ax.text(3.9, 0.05, "end of the warmup", ha="right", color="0.35")
ax.set(xlabel="steps done", ylabel="share of the peak rate", ylim=(-0.05, 1.08), xlim=(0, 10))
ax.set_title("No step of ours has a rate of zero; the first of theirs has")
ax.legend(frameon=False, loc="upper right")
plt.show()

# %%
show(schedule)

# %% [markdown]
# Why warm up at all? The pencil has told us: the first step of Adam is $\eta$ in *every* weight that has a
# gradient, however small, for $\hat m / \sqrt{\hat v} = g / |g|$ is only a sign. Later, only the weights
# whose gradients agree from step to step go as far. And no later step is so ill-informed: it rests on a
# single batch, at weights that are random. To see it we need a network. (A good place for a pause.)

# %% [markdown]
# ## A small real network
#
# Everything it takes is there from earlier chapters: word vectors of two words (03) side by side, a
# feed-forward block (06) with the input added, a linear layer (02), cross-entropy (08). The logits say which
# word comes next.

# %%
WORDS, WIDTH, INNER = 32, 8, 48


def draw_network(seed, size, words=WORDS, width=WIDTH, inner=INNER):
    """Return random parameters."""
    rng = np.random.default_rng(seed)
    return {
        "words.weight": size * rng.normal(size=(words, width)),
        "block.expand.weight": size * rng.normal(size=(inner, 2 * width)) / math.sqrt(2 * width),
        "block.expand.bias": np.zeros(inner),
        "block.contract.weight": size * rng.normal(size=(2 * width, inner)) / math.sqrt(inner),
        "block.contract.bias": np.zeros(2 * width),
        "head.weight": size * rng.normal(size=(words, 2 * width)) / math.sqrt(2 * width),
        "head.bias": np.zeros(words),
    }


def network_forward(pairs, params):
    """Return the logits (N, V) of the word after each pair, from pairs (N, 2)."""
    rows, lookup = lookup_forward(params["words.weight"], pairs)  # (N, 2, D)
    x = rows.reshape(len(pairs), -1)  # (N, 2 D)
    bent, block = feedforward_forward(x, part(params, "block"))
    logits, head = linear_forward(x + bent, params["head.weight"], params["head.bias"])
    return logits, (rows.shape, lookup, block, head)


def network_backward(dlogits, cache):
    """Return the gradients of the parameters by name."""
    shape, lookup, block, head = cache
    dsum, dweight, dbias = linear_backward(dlogits, head)
    dx, dblock = feedforward_backward(dsum, block)
    dwords = lookup_backward((dsum + dx).reshape(shape), lookup)
    head_gradients = {"weight": dweight, "bias": dbias}
    return join(words={"weight": dwords}, block=dblock, head=head_gradients)


def loss_and_gradients(params, pairs, targets):
    logits, cache = network_forward(pairs, params)
    loss, notes = cross_entropy_forward(logits, targets)
    return loss, network_backward(cross_entropy_backward(1.0, notes), cache)


tiny = draw_network(0, 1.0, words=5, width=2, inner=3)
error = gradcheck(network_forward, network_backward, np.array([[0, 3], [3, 3], [4, 1]]), tiny)
print(f"largest relative error of any gradient: {error:.1e}")
assert error < 1e-8

# %% [markdown]
# What is it to learn? We invent a language of 32 words. A first network, the *teacher*, has random weights
# that stay as they are. Its probabilities *are* the language: we draw two words, ask the teacher for the
# next one, and draw it by the teacher's shares. As in real text, the word of rank $r$ turns up in
# proportion to $1/r$. A second network of the same shape, the *student*, begins with other random weights,
# and sees only the samples.
#
# No student can be better than the teacher. So we measure its **excess**: how much more its loss is than
# the teacher's, in nats per word. As we know the teacher's probabilities $p$, no luck in sampling comes in.
# Of all words that may follow a pair, each counts as often as the teacher would say it: $\sum p\,(\log p -
# \log q)$ with the student's $q$, the Kullback–Leibler divergence of chapter 08, exercise 4. We take its
# mean over 1000 pairs. Zero is perfect.

# %%
teacher = draw_network(1, 1.0)
teacher["head.weight"] *= 2
teacher["block.contract.weight"] *= 2
frequency = 1 / np.arange(1, WORDS + 1)
frequency /= frequency.sum()


def draw_batch(rng, size=64):
    """Return pairs of words (N, 2), and the word that the teacher put after each (N,)."""
    pairs = rng.choice(WORDS, size=(size, 2), p=frequency)
    shares = np.exp(log_softmax(network_forward(pairs, teacher)[0])).cumsum(axis=1)
    # Shares laid end to end make a line of length 1: a random point on it lies in a word's share.
    return pairs, (shares < rng.random((size, 1))).sum(axis=1).clip(max=WORDS - 1)


rng = np.random.default_rng(2)
batches = [draw_batch(rng) for _ in range(300)]
questions = rng.choice(WORDS, size=(1000, 2), p=frequency)
truth = log_softmax(network_forward(questions, teacher)[0])


def excess(params):
    """Return by how many nats per word a student is worse than the teacher."""
    guess = log_softmax(network_forward(questions, params)[0])
    return float((np.exp(truth) * (truth - guess)).sum(axis=1).mean())


# %% [markdown]
# Four rules will train students, all from the same weights and on the same 300 batches. Muon is already in
# the loop, though only the next section explains it. It is made for matrices inside a network, so it shares
# the work:
#
# | `rule` | the two matrices of the block | word vectors, output layer, biases |
# |---|---|---|
# | `"SGD"`, `"momentum"`, `"AdamW"` | this rule, peak rate `rate` | this rule, peak rate `rate` |
# | `"Muon"` | Muon, peak rate `rate` | AdamW, peak rate `beside` = 0.03 |

# %%
INSIDE = ("block.expand.weight", "block.contract.weight")


def train(rule, rate, warmup=0.1, beside=0.03):
    """Return the excess every 10 steps, and how far the block's matrices went in each (root mean square)."""
    params = draw_network(7, 0.5)
    m = {name: np.zeros_like(w) for name, w in params.items()}
    v, curve, moved = dict(m), [], []
    for s, (pairs, targets) in enumerate(batches):
        if s % 10 == 0:
            curve.append(excess(params))
        _, gradients = loss_and_gradients(params, pairs, targets)
        share = schedule(s / len(batches), (s + 1) / len(batches), warmup)
        before = params
        params = {}
        for name, g in gradients.items():
            if rule == "SGD":
                params[name] = sgd(before[name], g, rate * share)
            elif rule == "momentum":
                params[name], m[name] = momentum(before[name], g, m[name], rate * share)
            elif rule == "Muon" and name in INSIDE:
                params[name], m[name] = muon(before[name], g, m[name], rate * share)
            else:
                lr = (beside if rule == "Muon" else rate) * share
                params[name], m[name], v[name] = adamw(
                    before[name], g, m[name], v[name], s + 1, lr, decay=0.0
                )
        moved.append(math.sqrt(np.mean([((params[n] - before[n]) ** 2).mean() for n in INSIDE])))
    return np.array([*curve, excess(params)]), np.array(moved)


# %% [markdown]
# Now the measurement of the warmup. On the left, how far the two matrices go in each step, in units of the
# rate of that step. On the right, two runs with a daring peak rate of 0.5, without a warmup and with one.

# %%
calm, moved = train("AdamW", 0.03, warmup=0.0)
in_rates = moved / (0.03 * np.array([schedule(s / 300, (s + 1) / 300, 0.0) for s in range(300)]))
cold, _ = train("AdamW", 0.5, warmup=0.0)
warm, _ = train("AdamW", 0.5, warmup=0.1)
print(
    f"step 1 goes {in_rates[0]:.3f} of the rate, steps 100 to 200 {in_rates[100:200].mean():.2f} on average"
)
print(
    f"excess {cold[0]:.1f} at first; 10 steps at 0.5 later {cold[1]:.1f} without warmup, {warm[1]:.1f} with"
)

fig, axes = plt.subplots(1, 2, figsize=(8.5, 3.3), dpi=100)
axes[0].semilogx(range(1, 301), in_rates, "k-")
axes[0].set(xlabel="step", ylabel=r"step length / $\eta$", ylim=(0, 1.05))
axes[0].set_xticks([1, 10, 100], ["1", "10", "100"])
axes[0].set_title("The first step is the longest")
axes[1].plot(range(0, 301, 10), cold, "ko-", ms=3, label="no warmup")
axes[1].plot(range(0, 301, 10), warm, "k^--", ms=4, mfc="white", label="warmup of 30 steps")
axes[1].set(
    xlabel="step", ylabel="excess (nats)", yscale="log", yticks=[0.3, 1, 3, 10], yticklabels=[0.3, 1, 3, 10]
)
axes[1].minorticks_off()
axes[1].set_title("Without warmup, far off at first")
axes[1].legend(frameon=False)
fig.tight_layout()
plt.show()

# %%
assert abs(in_rates[0] - 1) < 0.005 and in_rates[0] == in_rates.max() and in_rates[100:200].mean() < 0.25
assert cold[1] > 10 > 2 > cold[0] > 1.5 > warm[1] and calm[1] < 1.5
assert cold[5] > cold[0] > cold[6]
assert abs(train("AdamW", 0.03, warmup=0.1)[0][-1] - calm[-1]) < 0.02

# %% [markdown]
# At a rate of 0.03 all of this does no harm, and a warmup brings nothing here. At 0.5, ten steps without
# one have made the student far worse than it was at the start. It takes sixty steps to come back to where
# it began. **Warmup makes high rates safe.** In deep networks there is more to it: post-norm blocks, as
# BERT has them (chapter 07), have large gradients near the output at the beginning, and train badly or not
# at all without one (Xiong et al. 2020).

# %% [markdown]
# ## Muon: a matrix is not a bag of numbers
#
# Adam treats the entries of a matrix as so many strangers. But a matrix does something as a whole: it maps
# vectors to vectors. Take
#
# $$G = \begin{pmatrix} 4 & 0 \\ 3 & 5 \end{pmatrix}$$
#
# and let it act on all arrows of length 1, whose ends form a circle. The results form an ellipse. What goes
# to its longest and its shortest arrow? With the pencil:
#
# $$v_1 = \frac{1}{\sqrt 2} \begin{pmatrix} 1 \\ 1 \end{pmatrix}, \quad
# G v_1 = \frac{1}{\sqrt 2} \begin{pmatrix} 4 \\ 8 \end{pmatrix} = \sqrt{40}\; u_1, \qquad
# v_2 = \frac{1}{\sqrt 2} \begin{pmatrix} 1 \\ -1 \end{pmatrix}, \quad
# G v_2 = \frac{1}{\sqrt 2} \begin{pmatrix} 4 \\ -2 \end{pmatrix} = \sqrt{10}\; u_2$$
#
# where $u_1 = (1, 2)/\sqrt5$ and $u_2 = (2, -1)/\sqrt5$ have the length 1. Two arrows at right angles have
# become two arrows at right angles, one 6.3 times as long and one 3.2 times. Every matrix can be taken apart
# like that, in any number of dimensions. It is called the **singular value decomposition** (奇异值分解), and
# we quote it without the proof:
#
# $$G = \sum_i s_i\, u_i v_i^T = U S V^T$$
#
# ($u v^T$ is the table of all products $u_j v_k$.) Read each term as: *what comes in along $v_i$ goes out
# along $u_i$, $s_i$ times as large.* The $v_i$ are at right angles to each other and of length 1, and so are
# the $u_i$. The $s_i \ge 0$ are the **singular values** (奇异值). In the second form the $u_i$ are the
# columns of $U$, the $v_i$ those of $V$, and $S$ has the $s_i$ on its diagonal and zeros elsewhere.
#
# The steps that momentum or Adam would make in real networks have a few large singular values and many small
# ones (Jordan et al. 2024): most of the step goes in the same few directions, and the rest is hardly heard.
# Muon keeps all the directions and makes them **equally loud**. It leaves out the $s_i$, and steps along
#
# $$U V^T = \sum_i u_i v_i^T, \qquad\text{here}\quad
# \frac{1}{\sqrt{10}} \begin{pmatrix} 1 & 1 \\ 2 & 2 \end{pmatrix} +
# \frac{1}{\sqrt{10}} \begin{pmatrix} 2 & -2 \\ -1 & 1 \end{pmatrix} =
# \frac{1}{\sqrt{10}} \begin{pmatrix} 3 & -1 \\ 1 & 3 \end{pmatrix}$$
#
# It takes $v_1$ to $u_1$ and $v_2$ to $u_2$, as $G$ does, but stretches neither: the circle stays a circle,
# and is only turned. A matrix that stretches nothing is called **orthogonal** (正交).

# %%
G = np.array([[4.0, 0.0], [3.0, 5.0]])
v1, v2 = np.array([1, 1]) / math.sqrt(2), np.array([1, -1]) / math.sqrt(2)
u1, u2 = np.array([1, 2]) / math.sqrt(5), np.array([2, -1]) / math.sqrt(5)
assert np.allclose(G @ v1, math.sqrt(40) * u1) and np.allclose(G @ v2, math.sqrt(10) * u2)
assert np.allclose([v1 @ v2, u1 @ u2], 0)
assert round(math.sqrt(40), 1) == 6.3 and round(math.sqrt(10), 1) == 3.2

polar = np.array([[3, -1], [1, 3]]) / math.sqrt(10)
U, S, Vt = np.linalg.svd(G)
assert np.allclose(S, [math.sqrt(40), math.sqrt(10)]) and np.allclose(U @ Vt, polar)
assert np.allclose(np.outer(u1, v1) + np.outer(u2, v2), polar)

angle = np.linspace(0, 2 * math.pi, 200)
circle = np.array([np.cos(angle), np.sin(angle)])
panels = [(np.eye(2), "Arrows of length 1", "$v_1$", "$v_2$", 1.5)]
panels += [(G, "$G$ turns and stretches them", r"$\sqrt{40}\ u_1$", r"$\sqrt{10}\ u_2$", 8)]
panels += [(polar, "$UV^T$ only turns them", "$u_1$", "$u_2$", 1.5)]
fig, axes = plt.subplots(1, 3, figsize=(8.5, 3.1), dpi=100)
for ax, (matrix, title, first, second, far) in zip(axes, panels, strict=True):
    ax.plot(*(matrix @ circle), color="0.6")
    for v, name, style in [(v1, first, "-"), (v2, second, "--")]:
        end = matrix @ v
        ax.annotate("", end, (0, 0), arrowprops={"arrowstyle": "->", "ls": style, "shrinkA": 0, "shrinkB": 0})
        ax.text(end[0] + 0.05 * far, end[1], name, va="bottom" if end[1] > 0 else "top")
    ax.set(xlim=(-far, far), ylim=(-far, far), aspect="equal", xlabel="first number")
    ax.set_title(title, size=11)
axes[0].set_ylabel("second number")
fig.tight_layout()
plt.show()

# %% [markdown]
# ### Three answers to one question
#
# Why just this matrix? Ask: *of all steps $\Delta$ that are not too long, which gains most,*
# $\sum G_{ij} \Delta_{ij}$? It depends on what "too long" means.
#
# | not too long means | the best step | which is |
# |---|---|---|
# | $\sqrt{\sum \Delta_{ij}^2} \le 1$, one long arrow | $G / \lVert G \rVert$ | SGD with a clipped gradient |
# | every $\lvert\Delta_{ij}\rvert \le 1$, entry by entry | $\mathrm{sign}(G)$ | Adam's first step |
# | no vector is stretched by more than 1 | $U V^T$ | Muon |
#
# The first: the gain is the product of two arrows. That is the length of $G$, times the length of $\Delta$,
# times the cosine of the angle between them. So it is at most the product of the lengths (Cauchy's
# inequality, 柯西不等式), and reaches it where $\Delta$ points along $G$. The second: each entry gains most
# at its limit, with the sign of $G_{ij}$. The third: put $G = \sum_i s_i u_i v_i^T$ into the gain, and it is
# $\sum_i s_i\, (u_i^T \Delta v_i)$. As $\Delta$ stretches no vector by more than 1, $\Delta v_i$ is at most
# as long as $v_i$, that is, 1. So is $u_i$. By Cauchy each bracket is at most 1, and the gain at most
# $\sum_i s_i$. And $\Delta = U V^T$ reaches it: it takes $v_i$ to $u_i$, and $u_i^T u_i = 1$. How far a
# matrix can stretch a vector is its **spectral norm** (谱范数), and for what comes *out* of a layer that is
# the length that counts. (Bernstein and Newhouse 2024 look at optimizers in this way.)

# %%
rng = np.random.default_rng(0)
tries = rng.normal(size=(10_000, 2, 2))
gain = np.einsum("ij,nij->n", G, tries)
assert (gain / np.linalg.norm(tries, axis=(1, 2)) <= np.linalg.norm(G)).all()
assert (gain / abs(tries).max(axis=(1, 2)) <= (G * np.sign(G)).sum()).all()
assert (gain / np.linalg.norm(tries, 2, axis=(1, 2)) <= (G * polar).sum()).all()
assert np.isclose((G * polar).sum(), S.sum())

# %% [markdown]
# ### Without a decomposition
#
# A singular value decomposition is slow, on a GPU above all. Matrix products are fast. So Muon finds
# $U V^T$ with products alone, by a **Newton–Schulz iteration** (牛顿-舒尔茨迭代). First make $G$ small, so
# that no singular value is above 1 (turning changes no length, so the sum of their squares is the sum of the
# squares of all entries; above, $40 + 10 = 16 + 9 + 25$):
#
# $$X = \frac{G}{\lVert G \rVert}, \qquad \lVert G \rVert = \sqrt{\sum G_{ij}^2} \tag{9.16}$$
#
# Then take $X = U S V^T$ and multiply out. In $V^T V$ stand the products of all pairs $v_i$ and $v_j$: 1 for
# a vector with itself, and 0 for two at right angles. So $V^T V$ is the identity matrix (单位矩阵), with ones
# on the diagonal and zeros elsewhere, which leaves everything as it is. The same holds for $U^T U$. Therefore
#
# $$A = X X^T = U S\, V^T V\, S U^T = U S^2 U^T \qquad A X = U S^3 V^T \qquad A^2 X = U S^5 V^T$$
#
# The directions stay, and only $S$ gets other powers. So a sum of these does to each singular value by
# itself
#
# $$a X + (b A + c A^2) X = U\, (a S + b S^3 + c S^5)\, V^T \tag{9.17}$$
#
# and all that is left is to find a polynomial that, applied again and again, brings every $s$ between 0 and
# 1 close to 1. The one that Jordan et al. chose, $a = 3.4445$, $b = -4.7750$, $c = 2.0315$, is steep at
# zero: small values are multiplied by 3.4 each time. In return it never settles, not even at 1. Applied
# five times, it takes everything from 0.01 on to somewhere between 0.68 and 1.13. For a step that is good
# enough.

# %%
a, b, c = NEWTON_SCHULZ
assert (a, b, c) == (3.4445, -4.775, 2.0315)
s = np.linspace(0, 1, 2001)
stages = [s]
for _ in range(5):
    stages.append(a * stages[-1] + b * stages[-1] ** 3 + c * stages[-1] ** 5)
far = stages[5][s >= 0.01]
print(f"from 0.01 on, five times leads to between {far.min():.2f} and {far.max():.2f}")
assert round(far.min(), 2) == 0.68 and round(far.max(), 2) == 1.13

_, gradients = loss_and_gradients(draw_network(7, 0.5), *batches[0])
G = gradients["block.expand.weight"]
before, after = (np.linalg.svd(one, compute_uv=False) for one in (G, orthogonalize(G)))
spread = before.max() / before.min(), after.max() / after.min()
print(f"the largest singular value by the smallest: {spread[0]:.0f} before, {spread[1]:.1f} after")

# %%
fig, axes = plt.subplots(1, 2, figsize=(8.5, 3.5), dpi=100)
for count, style in [(0, ":"), (1, "-."), (3, "--"), (5, "-")]:
    axes[0].plot(s, stages[count], style, color="black" if count == 5 else "0.4", label=f"{count} times")
axes[0].set(
    xlabel="singular value before", ylabel="after", ylim=(0, 1.3), title="Five times: nearly all near 1"
)
axes[0].legend(frameon=False, loc="lower right")
places = np.arange(1, len(before) + 1)
axes[1].bar(
    places - 0.2, before / before[0], 0.4, color="0.75", edgecolor="black", label="gradient (largest = 1)"
)
axes[1].bar(
    places + 0.2, np.sort(after)[::-1], 0.4, color="0.3", edgecolor="black", label="after five iterations"
)
axes[1].axhline(1, color="0.6", lw=0.8)
axes[1].set(xlabel="singular value, from the largest", ylim=(0, 1.6), xticks=places[::3])
axes[1].set_title("A gradient of our network, levelled")
axes[1].legend(frameon=False, loc="upper right")
fig.tight_layout()
plt.show()

# %% [markdown]
# The whole step: momentum (9.2), Nesterov's direction (9.4), its singular values levelled, and
#
# $$w \leftarrow (1 - \eta\lambda)\, w - \eta\, \sqrt{\max(1, \text{rows} / \text{columns})}\;
# \mathrm{orthogonalize}(g + \mu\, m) \tag{9.18}$$
#
# The root is for tall matrices. When $n$ numbers come in and $4n$ go out, an orthogonal matrix keeps the
# length, but spreads it over four times as many numbers. Their squares are a quarter as large on average, so
# they are half as large themselves. The root of 4 undoes that.
#
# Muon is for the **matrices inside** a network only. An embedding is no map that acts on vectors as a
# whole: each row is a word, most words are not in the batch, and to make all directions equally loud would
# mix up words that have nothing to do with each other. Embeddings, output layers, biases and norms stay
# with AdamW (Jordan et al. 2024). That is how `minibert pretrain` does it.

# %%
show(orthogonalize, muon)

# %% [markdown]
# ## Side by side
#
# Four rules, the network from above, the same 300 batches, five rates each. A rate of one rule cannot be
# compared with a rate of another; so each has its own five, a factor of about three apart. For Muon it is
# the rate of the block's two matrices; AdamW takes the rest at 0.03, as in the table above.

# %%
grids = {
    "SGD": [0.1, 0.3, 1, 3, 10],
    "momentum": [0.03, 0.1, 0.3, 1, 3],
    "AdamW": [0.003, 0.01, 0.03, 0.1, 0.3],
    "Muon": [0.003, 0.01, 0.03, 0.1, 0.3],
}
runs = {}
with np.errstate(all="ignore"):  # some explode
    for rule, rates in grids.items():
        runs[rule] = {rate: train(rule, rate)[0] for rate in rates}
ends = {rule: np.array([run[-1] for run in runs[rule].values()]) for rule in grids}
for rule, end in ends.items():
    print(f"{rule:<9}" + "".join(f"{rate:9g}:{e:5.2f}" for rate, e in zip(grids[rule], end, strict=True)))

# %%
markers = {"SGD": "o:", "momentum": "^-.", "AdamW": "s--", "Muon": "D-"}
fig, axes = plt.subplots(1, 2, figsize=(8.5, 3.7), dpi=100, sharey=True)
for rule, end in ends.items():
    best = int(np.nanargmin(end))
    style = {
        "color": "black",
        "ms": 5,
        "lw": 0.9,
        "mfc": "white" if rule in ("momentum", "Muon") else "black",
    }
    curve = list(runs[rule].values())[best]
    axes[0].plot(range(0, 301, 10), curve, markers[rule], markevery=3, label=rule, **style)
    ratios = np.array(grids[rule]) / grids[rule][best]
    axes[1].plot(ratios, end, markers[rule], **style)
    for ratio in ratios[np.isnan(end)]:
        axes[1].text(ratio, 2.1, f"{rule} explodes", rotation=90, ha="center", va="top", size=9)
axes[0].set(
    xlabel="step", ylabel="excess over the teacher (nats)", yscale="log", title="Each at its best rate"
)
axes[0].set_yticks([0.1, 0.2, 0.5, 1, 2], ["0.1", "0.2", "0.5", "1", "2"])
axes[1].set(
    xlabel="rate / best rate",
    xscale="log",
    xlim=(0.025, 16),
    ylim=(0.1, 2.3),
    title="Ten times the best rate: AdamW only slows",
)
axes[1].set_xticks([0.1, 1, 10], ["0.1", "1", "10"])
for ax in axes:
    ax.minorticks_off()
axes[0].legend(frameon=False)
fig.tight_layout()
plt.show()

# %%
best = {rule: np.nanmin(end) for rule, end in ends.items()}
assert 1.15 < max(best.values()) / min(best.values()) < 1.25
assert [int(np.nanargmin(end)) for end in ends.values()] == [3, 2, 2, 2]  # the best of the five rates
assert np.isnan(ends["SGD"][4]) and np.isnan(ends["momentum"][4])
assert ends["AdamW"][4] < 1.5 * best["AdamW"]

# %% [markdown]
# What does it show, and what not? At its best rate, each rule gets to about the same place: the worst is
# about a fifth behind the best. That is too little, in one run of each, to call any of them better. On a
# task of a few seconds, with three layers, plain SGD is not bad, *once one has found its rate*. The
# difference is in the picture on the right. SGD explodes at three times its best rate, and AdamW at ten
# times its best rate is only slower. Muon's flat curve flatters it, as half of the network has AdamW's good
# rate in all five runs.
#
# What a toy cannot show is what happens in a deep network with a vocabulary of thousands, where the rows of
# rare words get far less gradient than others. There SGD falls well behind (Kunstner et al. 2024). Do not
# choose an optimizer from a picture like this one; choose it from runs like your own.

# %% [markdown]
# ## The proof
#
# An optimizer has no gradient that finite differences could confirm; that column is empty. The twins take
# ten steps, each with another rate, and the weights after *every* step and the memories at the end must
# agree. SGD and momentum are held against `torch.optim.SGD`, AdamW against ours in PyTorch and against
# `torch.optim.AdamW`, Muon against ours in PyTorch. The schedules are held against those of `transformers`
# as well, with their rise shifted by its one step.

# %%
prove("optimizer")

# %% [markdown]
# That was with gradients drawn at random. In a training each step decides where the next gradient is taken,
# so small differences could grow. Here are ten steps of the real thing, side by side: our network with our
# gradients and our AdamW, and the same network in PyTorch, with automatic differentiation and
# `torch.optim.AdamW`.


# %%
def torch_loss(params, pairs, targets):
    x = F.embedding(torch.from_numpy(pairs), params["words.weight"]).flatten(1)
    inner = F.gelu(F.linear(x, params["block.expand.weight"], params["block.expand.bias"]))
    total = x + F.linear(inner, params["block.contract.weight"], params["block.contract.bias"])
    logits = F.linear(total, params["head.weight"], params["head.bias"])
    return F.cross_entropy(logits, torch.from_numpy(targets))


params = draw_network(7, 0.5)
m = {name: np.zeros_like(w) for name, w in params.items()}
v = dict(m)
theirs = {name: torch.nn.Parameter(torch.tensor(w)) for name, w in params.items()}
optimizer = torch.optim.AdamW(decay_groups(theirs.values(), 0.1), lr=0.03, betas=(0.9, 0.98))

for step in range(1, 11):
    loss, gradients = loss_and_gradients(params, *batches[step])
    for name, g in gradients.items():
        w, decay = params[name], decay_of(params[name], 0.1)
        params[name], m[name], v[name] = adamw(w, g, m[name], v[name], step, 0.03, decay=decay)

    their_loss = torch_loss(theirs, *batches[step])
    optimizer.zero_grad()
    their_loss.backward()
    optimizer.step()

    apart = max(float(np.abs(params[name] - theirs[name].detach().numpy()).max()) for name in params)
    print(f"step {step:2}: loss {loss:.12f} and {their_loss.item():.12f}, weights apart by {apart:.0e}")
    assert apart < 1e-9 and abs(loss - their_loss.item()) < 1e-9

# %% [markdown]
# ## Mistakes made on purpose
#
# A wrong optimizer is the most patient kind of mistake. It never raises an error, the loss falls, and all
# one would notice is that others get better numbers. Here are some that people really make, and what the
# checks of this project say to each. (All of them are in `minibert/learn/mutants/optimizer.toml`.)

# %%
break_on_purpose(
    "optimizer",
    "no bias correction",
    "the squares are not corrected",
    "(L2)",
    "epsilon stands inside",
    "forgotten at every step",
    "Nesterov's look ahead",
    "biases and norms decay",
    "clipped by its own norm",
    "small gradients are made large",
    "warmup starts at zero",
)

# %% [markdown]
# One mistake is not in the list, because it is made where the schedule is *called*. If a batch is taken in
# four parts (chapter 14), there are four backward passes and one step. Whoever moves the schedule on at each
# backward pass has a rate of zero after a quarter of the steps. A schedule in shares of the run makes that
# hard to do by accident.
#
# ## What the papers do differently
#
# - **Kingma and Ba** recommend $\eta = 0.001$, $\beta_2 = 0.999$ and $\varepsilon = 10^{-8}$. They remark
#   that one can save a little work by correcting the rate in place of the memories,
#   $\eta \sqrt{1 - \beta_2^t} / (1 - \beta_1^t)$; then $\varepsilon$ is added to the *uncorrected* root,
#   and so means something else at the first steps. Some libraries do it so. The default here is
#   $\beta_2 = 0.98$, as in Vaswani et al. 2017: with runs of minutes, a memory of 1000 steps is too long.
# - **Loshchilov and Hutter** multiply the decay by the schedule's share alone, not by the peak rate, so
#   that rate and decay can be tuned apart. PyTorch multiplies it by the rate, share and peak. So do we, and
#   with a rate of 0.001 our decay of 0.01 is their 0.00001.
# - **BERT's code** has no bias correction, $\varepsilon = 10^{-6}$, and clips to the global norm 1. Its
#   warmup starts at zero: the first step does nothing. And its linear decay is counted from the first step
#   of the run, not from the end of the warmup, so that there is a small jump between the two: after a
#   warmup of 1 % from 1 down to 0.99.
# - **Vaswani et al.** let the rate fall with the root of the step, and multiply it by $D^{-1/2}$:
#   $\eta = D^{-1/2} \min(t^{-1/2},\; t \cdot 4000^{-3/2})$, with a warmup of 4000 steps.
# - **Jordan et al.** iterate in bfloat16, with three digits, for speed. Ours stays in the type of the
#   weights. `torch.optim.Muon` keeps a running mean in place of the sum (9.2); it is the same direction,
#   and only that is used.
# - **Pascanu et al.** clip as in (9.13). PyTorch adds $10^{-6}$ to the norm. If the loss is scaled up for
#   half precision, the gradients have to be scaled back *before* they are clipped (chapter 14).

# %%
assert np.isclose(0.001 * 0.01, 0.00001) and 1 - 10_000 / 1_000_000 == 0.99

# %% [markdown]
# ## Exercises
#
# Some functions of this chapter are for you to write. `minibert learn start` makes a folder with a file for
# each, and `minibert learn check` says whether it is right and, if not, what is wrong with it. Each stands
# alone. What comes after them is done with a pencil, or leads further.
#
# ### To write: by hand

# %%
exercise("momentum")

# %%
exercise("adamw")

# %%
exercise("clip")

# %%
exercise("schedule")

# %% [markdown]
# ### To write: Muon

# %%
exercise("orthogonalize")

# %%
exercise("muon")

# %% [markdown]
# ### To write: in PyTorch

# %%
exercise("torch_adamw")

# %%
exercise("torch_adamw_step")

# %%
exercise("torch_decay_groups")

# %%
exercise("torch_clip_gradients")

# %%
exercise("torch_orthogonalize")

# %%
exercise("torch_schedule")

# %% [markdown]
# ### To write: a test

# %%
exercise("judge_adamw")

# %% [markdown]
# ### To think about
#
# **1. Pencil.** Two steps of Adam as in the table, with the gradients 18 and $+3$. Where is $w$? And where
# would it be with neither correction?
#
# <details><summary>Hint</summary>
#
# $m = 9$, then $6$; $v = 81$, then $63$. Corrected, the second quotient is $8/12$, so $w = 1 - 0.3 - 0.2$.
# Uncorrected, the first quotient is $9/9$: with these betas the two errors happen to cancel once. The
# second is $6/\sqrt{63}$.
#
# </details>
#
# **2. AdamW and its mistakes.** Hold your `adamw` against `torch.optim.AdamW` for ten steps. Then make each
# of the mistakes above once. Which of them would you have noticed from a curve?
#
# <details><summary>Hint</summary>
#
# Which $w$ does the decay act on: the old one or the one after the step? Write the equation with $w_t$ and
# $w_{t+1}$.
#
# </details>
#
# **3. A rare word.** A row of the embedding gets a gradient once in ten thousand steps. How far does it go
# when the gradient comes, in units of $\eta$, with $\beta_2 = 0.999$ and with $0.98$? And in the hundred
# steps after it, all with a gradient of zero?
#
# <details><summary>Hint</summary>
#
# $m$ and $v$ have faded to zero, and the correction is over. So $m = (1 - \beta_1) g$ and
# $v = (1 - \beta_2) g^2$: the first step is $0.1/\sqrt{0.001} = 3.2$ or $0.1/\sqrt{0.02} = 0.7$. Then $m$
# fades by $\beta_1$ and $\sqrt v$ by $\sqrt{\beta_2}$ per step: a geometric sum.
#
# </details>
#
# **4. Signs.** Write an optimizer that keeps only the memory of (9.2) and steps by
# $\eta\, \mathrm{sign}(m)$. It costs half the memory of Adam. Put it into the comparison. What does it lack
# where gradients are mostly noise?
#
# <details><summary>Hint</summary>
#
# Adam goes a quarter of $\eta$ there. A sign goes all of it.
#
# </details>
#
# **5. The gentle polynomial.** Try $\frac32 s - \frac12 s^3$ in place of the quintic. Show that it does
# settle at 1, and that close to 1 the error is squared at each step. How many iterations does a singular
# value of 0.01 need to get above 0.68, and how many does the quintic?
#
# <details><summary>Hint</summary>
#
# Put $s = 1 - e$, and multiply out. For small $s$ the first term rules: $1.5^k$ against $3.4445^k$.
#
# </details>
#
# **6. How long a memory?** Repeat the experiment with the single bad gradient for $\beta_2 = 0.999$ and
# $0.9$. Derive after how many steps the trace of the bad one in $v$ is as large as everything else.
#
# <details><summary>Hint</summary>
#
# $(1 - \beta_2)\, 100^2\, \beta_2^k = 1$. Take logarithms.
#
# </details>

# %%
w = m = v = np.zeros(1)  # the numbers of the hints
for t, g in [(1, 18.0), (2, 3.0)]:
    w, m, v = adamw(w, np.array([g]), m, v, t, lr=0.3, betas=(0.5, 0.75), eps=0.0, decay=0.0)
assert np.allclose([w[0], m[0], v[0]], [-0.5, 6, 63])
for beta, leap in [(0.999, 3.2), (0.98, 0.7)]:
    w, _, _ = adamw(np.zeros(1), np.ones(1), np.zeros(1), np.zeros(1), 10**6, 1.0, (0.9, beta), decay=0.0)
    assert round(-w[0], 1) == leap

# %% [markdown]
# ## Further reading
#
# - Kingma and Ba 2015, *Adam: a method for stochastic optimization*,
#   [arXiv:1412.6980](https://arxiv.org/abs/1412.6980). Section 3 is the bias correction.
# - Loshchilov and Hutter 2019, *Decoupled weight decay regularization*,
#   [arXiv:1711.05101](https://arxiv.org/abs/1711.05101); and 2017, *SGDR: stochastic gradient descent with
#   warm restarts*, [arXiv:1608.03983](https://arxiv.org/abs/1608.03983), for the cosine.
# - Goh 2017, *Why momentum really works*, [Distill](https://distill.pub/2017/momentum/). With pictures that
#   move.
# - Polyak 1964, *Some methods of speeding up the convergence of iteration methods*, USSR Computational
#   Mathematics and Mathematical Physics 4, 1–17; Sutskever, Martens, Dahl and Hinton 2013, *On the
#   importance of initialization and momentum in deep learning*, ICML.
# - Pascanu, Mikolov and Bengio 2013, *On the difficulty of training recurrent neural networks*,
#   [arXiv:1211.5063](https://arxiv.org/abs/1211.5063).
# - Zhang, Wu, Katiyar, Weinberger and Artzi 2021, *Revisiting few-sample BERT fine-tuning*,
#   [arXiv:2006.05987](https://arxiv.org/abs/2006.05987); Mosbach, Andriushchenko and Klakow 2021, *On the
#   stability of fine-tuning BERT*, [arXiv:2006.04884](https://arxiv.org/abs/2006.04884).
# - Xiong et al. 2020, *On layer normalization in the Transformer architecture*,
#   [arXiv:2002.04745](https://arxiv.org/abs/2002.04745): why post-norm needs a warmup.
# - Kunstner, Yadav, Milligan, Schmidt and Bietti 2024, *Heavy-tailed class imbalance and why Adam
#   outperforms gradient descent on language models*, [arXiv:2402.19449](https://arxiv.org/abs/2402.19449):
#   it is the rare words.
# - Jordan et al. 2024, *Muon: an optimizer for hidden layers in neural networks*,
#   [kellerjordan.github.io/posts/muon](https://kellerjordan.github.io/posts/muon/); Bernstein and Newhouse
#   2024, *Old optimizer, new norm: an anthology*, [arXiv:2409.20325](https://arxiv.org/abs/2409.20325).
# - Robbins and Monro 1951, *A stochastic approximation method*, Annals of Mathematical Statistics 22,
#   400–407.
# - To save memory: Dettmers, Lewis, Shleifer and Zettlemoyer 2022, *8-bit optimizers via block-wise
#   quantization*, [arXiv:2110.02861](https://arxiv.org/abs/2110.02861); Shazeer and Stern 2018,
#   *Adafactor*, [arXiv:1804.04235](https://arxiv.org/abs/1804.04235); Rajbhandari et al. 2020, *ZeRO*,
#   [arXiv:1910.02054](https://arxiv.org/abs/1910.02054).
