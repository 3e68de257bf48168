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
# # 02 · Gradients (梯度)
#
# *Millions of numbers make one mistake. How much of it is the fault of each?*
#
# **Files:** `minibert/byhand/linear.py` · `minibert/byhand/gradcheck.py` · `minibert/byhand/arguments.py` ·
# `minibert/byhand/cause.py` · `minibert/learn/checks/linear.py` · `minibert/learn/checks/gradcheck.py` ·
# `tests/test_linear.py` · `tests/test_gradcheck.py`
#
# **Needs:** Python, and the derivative as it is taught at school
#
# **Time:** 45 minutes

# %% [markdown]
# ## The question: which way to turn a hundred million screws
#
# A network is a long calculation. Numbers go in (a sentence), other numbers take part (the **weights**,
# 权重), and out comes one number that says how wrong the result is: the **loss** (损失), which we call $L$.
# Learning means changing the weights so that $L$ gets smaller. The base model of BERT has 110 million
# weights (Devlin et al. 2019, section 3). So we ask for every one of them: *if this weight grows a little,
# does $L$ grow or shrink, and how fast?* The answers, one number per weight, are the **gradient** (梯度).
#
# There is a slow way that can hardly go wrong: move one weight a little, run the whole network again, see
# how $L$ changes. And there is a fast way that very easily goes wrong: work out all the answers at once
# with a formula, from the end of the calculation back to its beginning, which is **backpropagation**
# (反向传播).
#
# This chapter does both and holds one against the other. Every later chapter stands on that: we derive a
# formula on paper, write it down in a few lines of NumPy, and then *prove* it with the slow way. At the end
# of this chapter you can do so yourself, for any layer you can think of.

# %%
import math
import textwrap

import matplotlib.pyplot as plt
import numpy as np

from minibert.byhand.gradcheck import STEP, GradientError, central_differences, gradcheck
from minibert.byhand.linear import linear_backward, linear_forward
from minibert.learn.mutate import mutants
from minibert.learn.notebook import exercise, show
from minibert.prove import prove

# %% [markdown]
# ## What Rumelhart, Hinton and Williams wrote in 1986
#
# > The procedure repeatedly adjusts the weights of the connections in the network so as to minimize a
# > measure of the difference between the actual output vector of the net and the desired output vector.
# >
# > Rumelhart, Hinton and Williams 1986, abstract
#
# Their network is made of units. Unit $j$ adds up what the units $i$ before it send, each times a weight,
# $x_j = \sum_i y_i w_{ji}$ (their equation 1). For the gradient of the error $E$ they give two rules (their
# equations 6 and 7):
#
# $$\frac{\partial E}{\partial w_{ji}} = \frac{\partial E}{\partial x_j}\, y_i \qquad\qquad
# \frac{\partial E}{\partial y_i} = \sum_j \frac{\partial E}{\partial x_j}\, w_{ji}$$
#
# (Read $\partial E / \partial w$ as "how fast $E$ grows with $w$"; more of that in a moment.) The first rule
# says how to change a weight. The second hands the blame on to the units before. That is all of
# backpropagation. By the end of this chapter you will have derived both, as (2.5) and (2.4), and two lines
# of NumPy will hold them.

# %% [markdown]
# ## A derivative is a slope
#
# Take the smallest network there is: one input $x$, one weight $w$, and one **bias** $b$ (偏置), a number
# that is added whatever the input is. It should give $t$, and the loss is the squared difference:
#
# $$y = w x + b \qquad\qquad L = (y - t)^2$$
#
# With $x = 3$, $w = 2$, $b = 1$, $t = 5$, we get $y = 7$, two too many, so $L = 4$. Does $L$ grow when $w$
# grows? Try it with a pencil: at $w = 2.001$, $y$ is $7.003$ and $L = 2.003^2 = 4.012009$. So $L$ grew by
# $0.012009$ while $w$ grew by $0.001$: about **12 times as much**. That ratio, for smaller and smaller
# steps, is the **derivative** (导数), $\frac{dL}{dw}$. In a picture it is the slope of the curve. In code
# we write it `dw`: the letter d, then the name. `dw` always means "how fast $L$ grows with `w`".


# %%
def loss(w, x=3.0, b=1.0, t=5.0):
    return (w * x + b - t) ** 2


assert loss(2.0) == 4.0
assert math.isclose(loss(2.001), 4.012009)
print(f"{(loss(2.001) - loss(2.0)) / 0.001:.3f}")
assert round((loss(2.001) - loss(2.0)) / 0.001, 3) == 12.009

# %% [markdown]
# What is the slope good for? It says which way is down. If `dw` is positive, make `w` smaller; if it is
# negative, make it larger; and the steeper the slope, the larger the step:
#
# $$w \leftarrow w - \eta \cdot \frac{dL}{dw}$$
#
# with a small number $\eta$, the **learning rate** (学习率). This is **gradient descent** (梯度下降). The
# optimizers of chapter 09 do it more cleverly, but they all begin with the gradient.

# %%
w, walk = 2.0, []
for _ in range(8):
    dw = 2 * (w * 3 + 1 - 5) * 3  # the slope, worked out in the next section
    walk.append((w, loss(w), dw))
    w -= 0.02 * dw

assert walk[0][2] == 12.0
assert walk[-1][1] < 0.01

fig, ax = plt.subplots(figsize=(6.5, 3.6), dpi=100)
line = np.linspace(0.6, 2.25, 100)
ax.plot(line, loss(line), color="0.45", label="$L(w)$")
ax.plot(line[line > 1.75], 4 + 12 * (line[line > 1.75] - 2), "k--", label="the slope at $w=2$: 12")
ax.plot([w for w, _, _ in walk], [L for _, L, _ in walk], "ko", ms=6, label="steps of gradient descent")
ax.set(xlabel="weight $w$", ylabel="loss $L$", title="Going against the slope leads down to the best weight")
ax.legend(frameon=False)
plt.show()

# %% [markdown]
# ## The chain rule, with a pencil
#
# Where does the 12 come from? Cut the calculation into steps so small that each has a slope that you know:
#
# $$a = w x \qquad y = a + b \qquad d = y - t \qquad L = d^2$$
#
# If $w$ grows by a little, $a$ grows $x = 3$ times as much. Then $y$ grows as much as $a$, and $d$ as much
# as $y$. And $L = d^2$ grows $2d = 4$ times as much as $d$. Growth upon growth multiplies:
# $3 \cdot 1 \cdot 1 \cdot 4 = 12$. That is the **chain rule** (链式法则): the slope along a path is the
# product of the slopes on it,
#
# $$\frac{dL}{dw} = \frac{dL}{dd} \cdot \frac{dd}{dy} \cdot \frac{dy}{da} \cdot \frac{da}{dw} \tag{2.1}$$
#
# We may multiply from either end. Backpropagation begins **at the end**, at $L$. The reason is thrift.
# Going back from $L$, the first three factors are worked out once, and serve for $w$, for $x$, and for
# everything that lies before. With one loss and a hundred million weights this is the difference between
# one walk through the network and a hundred million.
#
# The steps drawn as a picture are a **computation graph** (计算图). Solid arrows: the values, forward.
# Dashed arrows: the gradients, back. Check each with the pencil: what comes back along an arrow is what
# came to the node from the right, times the slope of this one step.
#
# (The next cell only draws. You may skip such cells, here and in all chapters.)


# %%
def both_ways(ax, start, end, forward, backward):
    """Draw a solid arrow with its value above, and a dashed one back with its gradient below."""
    along = np.subtract(end, start) / math.dist(start, end)
    across = np.array([-along[1], along[0]])
    for side, style, text in ((1, "-", forward), (-1, "--", backward)):
        ends = np.array([start + 0.33 * along, end - 0.33 * along]) + 0.06 * side * across
        tail, head = ends if side == 1 else ends[::-1]
        arrow = {"arrowstyle": "->", "linestyle": style, "color": "black" if side == 1 else "0.35"}
        ax.annotate("", head, tail, arrowprops=arrow)
        align = "center" if along[1] == 0 else "right" if across[0] * side < 0 else "left"
        where = ends.mean(0) + (0.14 if along[1] else 0.2) * side * across
        ax.text(where[0], where[1], text, ha=align, va="center", fontsize=10)


# %%
places = {"w": (0, 2.5), "x": (0, 0.5), "×": (1.7, 1.5), "b": (2.8, 0), "+": (3.3, 1.5)}
places |= {"t": (4.4, 0), "−": (4.9, 1.5), "( )²": (6.5, 1.5), "L": (7.9, 1.5)}
arrows = [("w", "×", "w = 2", "dw = 12"), ("x", "×", "x = 3", "dx = 8"), ("×", "+", "a = 6", "da = 4")]
arrows += [("b", "+", "b = 1", "db = 4"), ("+", "−", "y = 7", "dy = 4"), ("t", "−", "t = 5", "dt = −4")]
arrows += [("−", "( )²", "d = 2", "dd = 4"), ("( )²", "L", "L = 4", "dL = 1")]

fig, ax = plt.subplots(figsize=(8.5, 3.4), dpi=100)
for name, (across, up) in places.items():
    fill = "0.87" if name.isalpha() else "white"
    ax.text(
        across, up, name, size=11, ha="center", va="center", bbox={"boxstyle": "circle,pad=0.4", "fc": fill}
    )
for start, end, forward, backward in arrows:
    both_ways(ax, np.array(places[start]), np.array(places[end]), forward, backward)
ax.set(xlim=(-0.4, 8.3), ylim=(-0.4, 2.9), aspect="equal")
ax.set_title("Values go forward (solid), gradients come back (dashed)")
ax.axis("off")
plt.show()

# %% [markdown]
# ## One number, used twice
#
# One rule is still missing, and most wrong backward passes are wrong because of it. What if a number is
# used in several places? Take $L = w (w + 1)$ at $w = 3$, so $L = 12$. The $w$ outside the bracket makes
# $L$ grow $w + 1 = 4$ times as fast as itself; the $w$ inside makes it grow $w = 3$ times as fast. Both are
# the same $w$, and both happen: $L$ grows $4 + 3 = 7$ times as fast. (At school you would write
# $L = w^2 + w$ and $L' = 2w + 1 = 7$.) So: **multiply along a path, add over the paths.**
#
# $$\frac{dL}{dw} = \sum_{\text{uses } u \text{ of } w} \frac{dL}{du} \cdot \frac{du}{dw} \tag{2.2}$$
#
# In a network nearly everything is used several times: a weight at every word of a sentence, the numbers of
# a word by every output. Wherever the forward pass *uses a number again*, the backward pass *adds*.

# %%
w = 3.0
outside, inside = w + 1, w
assert w * (w + 1) == 12.0
assert outside + inside == 2 * w + 1 == 7.0

# %% [markdown]
# ## Forward leaves notes, backward reads them
#
# Now we turn this into code, and choose a shape that every block of this project has:
#
# ```python
# out, cache = forward(arguments)            # the result, and notes for the way back
# gradients = backward(dout, cache)          # in the order of the arguments
# ```
#
# `dout` is the gradient of the loss with respect to `out`: an array of the shape of `out`, one slope for
# each of its numbers. It comes from the right, from the blocks that follow, and is called the **upstream
# gradient** (上游梯度). The `cache` holds what the slopes of this block depend on. To give back the
# gradient of $wx$ you need to know $w$ and $x$; for $d^2$ you need $d$; for a sum, nothing.
#
# Why this shape? Because it cuts a hundred layers into a hundred small problems. A block need not know the
# loss, nor what follows, nor what came before: all that matters of the rest of the network is in `dout`,
#
# $$\texttt{dout} = \frac{\partial L}{\partial\, \texttt{out}} \quad\text{comes in,}\qquad
# \texttt{dx} = \frac{\partial L}{\partial x} = \texttt{dout} \cdot \frac{\partial\, \texttt{out}}{\partial x}
# \quad\text{goes out, for every argument } x \tag{2.3}$$
#
# (the round $\partial$ says that the other arguments stay as they are: the *partial* derivative, 偏导数).
# So each block can be written alone, tested alone, and put together with any other. Here are the steps of
# our little graph.


# %%
def multiply_forward(w, x):
    return w * x, (w, x)


def multiply_backward(dout, cache):
    w, x = cache
    return dout * x, dout * w


def square_forward(d):
    return d * d, d


def square_backward(dout, d):
    return 2 * d * dout


# %%
a, notes_of_a = multiply_forward(2.0, 3.0)
y = a + 1.0
d = y - 5.0
L, notes_of_L = square_forward(d)

dL = 1.0  # how fast L grows with itself
dd = square_backward(dL, notes_of_L)
dy = dd  # a sum and a difference pass the gradient on as it is ...
da, db, dt = dy, dy, -dd  # ... with the sign that the number has in it
dw, dx = multiply_backward(da, notes_of_a)

assert (L, dd, dw, dx, db, dt) == (4, 4, 12, 8, 4, -4)  # as in the picture
assert square_backward(1.0, 1 * 2 + 0 - 5) == 2 * -3 == -6  # for exercise 1

# %% [markdown]
# The backward pass is the forward pass read from bottom to top, one line for each line. Two habits keep you
# safe. First: **a gradient has the shape of the thing it belongs to**, `dw` that of `w`. Second: never ask
# "what is the derivative of a matrix by a matrix?". Ask of *one number* which numbers it reaches, and add
# up. The next section does exactly that.

# %% [markdown]
# ## The linear layer, line by line
#
# The **linear layer** (线性层) is what most of BERT is made of. Each output is a weighted sum of all
# inputs, plus a bias. Let $n$ count the positions (the words of all sentences, say), $i$ the inputs of one
# position and $o$ its outputs. Each output $o$ has its own row of weights, $W_{oi}$:
#
# $$y_{no} = \sum_i x_{ni} W_{oi} + b_o$$
#
# The numbers $x_{ni}$ fill a table with a row for each position $n$ and a column for each input $i$: a
# **matrix** (矩阵). So do the weights, and sums like this one are what the product of two matrices is made
# for. In row $n$ and column $o$ of the product $AB$ stands
#
# $$(AB)_{no} = \sum_i A_{ni} B_{io}$$
#
# The two *inner* indices are the same, and are summed over. In $W_{oi}$ the $i$ stands last, where a product
# needs it first. So we turn the matrix: its rows become columns. That is the **transpose** (转置),
# $(W^T)_{io} = W_{oi}$. All positions at once are then
#
# $$y = x W^T + b$$
#
# and in NumPy `x @ weight.T + bias`: `@` is the product of matrices, and `.T` the transpose.
#
# We get $dy_{no}$ from the right, and look for $dx$, $dW$ and $db$.
#
# **The input.** Which outputs does $x_{ni}$ reach? All outputs $o$ of its own position $n$, and none of any
# other. In $y_{no}$ it stands with the factor $W_{oi}$. So, multiplying along each path (2.1) and adding
# over the paths (2.2):
#
# $$dx_{ni} = \sum_o dy_{no}\, W_{oi} \qquad\text{that is}\qquad dx = dy\, W \tag{2.4}$$
#
# **The weight.** Which outputs does $W_{oi}$ reach? Only output $o$, but at *every* position $n$, each time
# with the factor $x_{ni}$. So we add over the positions:
#
# $$dW_{oi} = \sum_n dy_{no}\, x_{ni} \qquad\text{that is}\qquad dW = dy^T x \tag{2.5}$$
#
# **The bias.** $b_o$ reaches output $o$ at every position, with the factor 1:
#
# $$db_o = \sum_n dy_{no} \tag{2.6}$$
#
# How does one see which matrix is to be turned? In (2.4) the summed index $o$ already is the inner one, last
# in $dy_{no}$ and first in $W_{oi}$: nothing to turn. In (2.5) the summed index $n$ comes first in both
# factors, so the left one is turned: $dy^T$. As a check, see that the shapes fit: with $N$ positions, $I$
# inputs and $O$ outputs, $(O \times N)(N \times I)$ gives $O \times I$, the shape of $W$.
#
# (2.4) and (2.5) are equations 7 and 6 of 1986, with $N$ positions in place of one.
#
# Now with numbers for the pencil: one position, two inputs, three outputs.

# %%
x = np.array([[1.0, 2.0]])
weight = np.array([[3.0, 4.0], [5.0, 6.0], [0.0, -1.0]])
bias = np.array([0.0, 1.0, 2.0])

y, cache = linear_forward(x, weight, bias)
assert y.tolist() == [[1 * 3 + 2 * 4 + 0, 1 * 5 + 2 * 6 + 1, 1 * 0 + 2 * -1 + 2]] == [[11, 18, 0]]

dx, dweight, dbias = linear_backward(np.array([[1.0, 0.0, 2.0]]), cache)
assert dx.tolist() == [[1 * 3 + 0 * 5 + 2 * 0, 1 * 4 + 0 * 6 + 2 * -1]] == [[3, 2]]  # 2.4
assert dweight.tolist() == [[1 * 1, 1 * 2], [0 * 1, 0 * 2], [2 * 1, 2 * 2]]  # 2.5
assert dbias.tolist() == [1, 0, 2]  # 2.6

# %% [markdown]
# Look at `dweight`: the second row is zero, because nothing comes back from the second output. The others
# are the input $(1, 2)$, times 1 and times 2. For a single position, $dW$ is a table of products of every
# $dy_o$ with every $x_i$: an *outer product* (外积). With several positions there is one such table for
# each, and they are added. That sum is what the picture shows, for three words, three inputs, two outputs.

# %%
x = np.array([[1, 2, 0], [0, 1, 1], [2, 0, 1]])
dy = np.array([[1, 0], [2, 1], [0, 3]])
tables = [np.outer(dy[n], x[n]) for n in range(3)]
_, dweight, _ = linear_backward(dy, (x, np.zeros((2, 3))))
assert np.array_equal(sum(tables), dweight)

fig, axes = plt.subplots(1, 4, figsize=(8.5, 2.2), dpi=100, gridspec_kw={"wspace": 0.35})
titles = [f"word {n}\n$dy$ = {tuple(dy[n].tolist())}, $x$ = {tuple(x[n].tolist())}" for n in range(3)]
titles.append("$dW$\n$= dy^T x$")
for ax, table, title, sign in zip(axes, [*tables, dweight], titles, "++= ", strict=True):
    ax.imshow(table, cmap="Greys", vmin=0, vmax=9)
    for (o, i), number in np.ndenumerate(table):
        ax.text(i, o, int(number), ha="center", va="center", color="white" if number > 4 else "black")
    ax.text(1.12, 0.5, sign, transform=ax.transAxes, size=16, ha="center", va="center")
    ax.set(xticks=range(3), yticks=range(2), xlabel="input $i$")
    ax.set_title(title, size=9)
axes[0].set_ylabel("output $o$")
fig.suptitle("A weight is used at every word, so the gradients of its uses add up", y=1.02)
plt.show()

# %% [markdown]
# And this is the library's code. The comment at each line names the step of the derivation; it is like that
# in all of `minibert/byhand/`. `reshape(-1, …)` makes one long list of positions out of however many axes
# there are.

# %%
show(linear_forward, linear_backward)

# %% [markdown]
# ## The slow way that can hardly go wrong
#
# Is (2.5) right? Are the lines of NumPy right? We could read them again. It is better to *measure*: move
# one number by a small step $e$ and see how $L$ changes, as we did with the pencil. That is a **finite
# difference** (有限差分). How good it is depends on how it is done, so we work it out.
#
# For a smooth function, the value a step away is (Taylor's series, 泰勒级数)
#
# $$L(w + e) = L + e L' + \frac{e^2}{2} L'' + \frac{e^3}{6} L''' + \dots$$
#
# where $L'$ is the derivative, $L''$ the derivative of the derivative, and so on, all taken at $w$. The
# obvious quotient leaves an error that shrinks like $e$:
#
# $$\frac{L(w + e) - L(w)}{e} = L' + \frac{e}{2} L'' + \dots \tag{2.7}$$
#
# Now step to both sides. In $L(w - e)$ the odd powers of $e$ change their sign. In the difference of the
# two, $L$ and $L''$ cancel:
#
# $$\frac{L(w + e) - L(w - e)}{2e} = L' + \frac{e^2}{6} L''' + \dots \tag{2.8}$$
#
# The error now shrinks like $e^2$: with a step 10 times smaller it is 100 times smaller. For our square,
# whose $L'''$ is zero, the *central difference* (中心差分) is even exact, where the one-sided one was off
# by $9e$.

# %%
e = 0.001
assert math.isclose((loss(2 + e) - loss(2)) / e, 12 + 9 * e)
assert math.isclose((loss(2 + e) - loss(2 - e)) / (2 * e), 12)

# %% [markdown]
# So let $e$ be as small as can be? No: a computer keeps about 16 digits of a number (in **float64**, 双精度,
# which NumPy takes unless told otherwise). Each $L$ is off by up to $\varepsilon |L|$ with
# $\varepsilon \approx 10^{-16}$, and dividing by a tiny $e$ blows that up. The whole error of the central
# difference is about
#
# $$\underbrace{\frac{e^2}{6} |L'''|}_{\text{the series cut off}} +
# \underbrace{\frac{\varepsilon |L|}{e}}_{\text{rounding}}
# \qquad\text{smallest at}\qquad e = \sqrt[3]{3 \varepsilon\, |L| / |L'''|} \tag{2.9}$$
#
# One part falls with $e$ and the other grows, so between them lies a valley. (To find its floor, set the
# derivative of the sum to zero, $\frac{e}{3}|L'''| = \varepsilon |L| / e^2$.) For a function that is about
# as large as its derivatives, the floor is where $e = \sqrt[3]{3 \cdot 10^{-16}} \approx 10^{-5}$. Let us
# measure it on $L(w) = e^w$ at $w = 1$, whose derivatives are all the same. We take each error as a share of
# the slope itself: the **relative error** (相对误差).

# %%
steps = np.logspace(-13, 0, 260, endpoint=False)  # 20 in each of 13 powers of ten
central = np.abs((np.exp(1 + steps) - np.exp(1 - steps)) / (2 * steps) / np.e - 1)
forward = np.abs((np.exp(1 + steps) - np.exp(1)) / steps / np.e - 1)
epsilon = np.finfo(float).eps / 2  # a number is rounded to the nearest of 16 digits: half a last place

fig, ax = plt.subplots(figsize=(7.5, 4.4), dpi=100)
ax.loglog(steps, forward, "^", color="0.6", ms=4, label="one-sided (2.7)")
ax.loglog(steps, central, "o", color="black", ms=3, label="central (2.8)")
ax.loglog(steps[steps > 2e-6], steps[steps > 2e-6] ** 2 / 6, "k--", lw=1)
ax.loglog(steps[steps < 1e-4], epsilon / steps[steps < 1e-4], "k-.", lw=1)
ax.axvline(STEP, color="0.4", lw=1, ls=":")
ax.text(1.5e-3, 2e-9, "$e^2/6$:\nthe series cut off")
ax.text(2e-13, 1e-8, r"$\varepsilon/e$: rounding")
ax.text(STEP * 1.25, 3e-2, "the step of\ngradcheck, $10^{-5}$")
ax.set(xlabel="step $e$", ylabel="relative error of the slope", ylim=(1e-13, 3))
ax.set_title("Central differences are at their best with a step near $10^{-5}$")
ax.legend(loc="lower left", frameon=False)
plt.show()

# %%
assert 4e-6 < (3 * epsilon) ** (1 / 3) < 1e-5  # the floor by (2.9)
worst_central = central.reshape(13, 20).max(axis=1)  # the largest error in each power of ten
worst_one_sided = forward.reshape(13, 20).max(axis=1)
assert 1e-11 < worst_central.min() < 1e-10
assert 1e-8 < worst_one_sided.min() < 1e-7
four = 8 * (np.exp(1.01) - np.exp(0.99)) - (np.exp(1.02) - np.exp(0.98))  # for exercise 4, with e = 0.01
assert math.isclose(1 - four / (12 * 0.01) / np.e, 0.01**4 / 30, rel_tol=1e-3)
best = worst_central.argmin()
print(
    f"steps from {steps[20 * best]:.0e} to ten times that: relative error {worst_central[best]:.0e} at most"
)

# %% [markdown]
# In the valley, central differences know the slope to ten digits. One-sided ones (2.7) know seven at
# their best. Single precision, **float32** (单精度), in which most networks are trained, keeps only seven
# digits of any number, and there the valley is not worth the name. So: **central differences, a step of
# $10^{-5}$, and always float64.**

# %%
assert (np.finfo(float).precision, np.array(1.0).dtype) == (15, np.float64)  # 15 for sure, most often 16
assert np.finfo(np.float32).eps > 1e-7

# %% [markdown]
# ## Proving a backward pass
#
# `gradcheck` does this for any pair of forward and backward, and for every number in every argument.
# `central_differences` is the slow way, one loop over all numbers. `gradcheck` asks for the same gradients
# the fast way, and compares: each error is taken as a share of the largest slope of its argument. (`pair_up`
# finds out which gradient belongs to which argument; arguments that are no floating-point numbers, such as
# word ids, have none.)

# %%
show(gradcheck, central_differences)

# %%
rng = np.random.default_rng(0)
x, weight, bias = rng.normal(size=(2, 3, 8)), rng.normal(size=(7, 8)), rng.normal(size=7)

error = gradcheck(linear_forward, linear_backward, x, weight, bias)  # 2 sentences of 3 words
print(f"largest relative error of any gradient: {error:.1e}")
assert error < 1e-9

# %% [markdown]
# Every entry of `dx`, `dweight` and `dbias` agrees with its measured slope to nine digits or more. No wrong
# formula does that by luck. Note that we did not have to think of an example by hand, nor to trust any
# other library: the forward pass alone is the witness.
#
# It has a price, which is why nobody trains like this. The loss has to be worked out twice for every
# number:

# %%
calls = []


def counted_forward(*arguments):
    calls.append(1)
    return linear_forward(*arguments)


gradcheck(counted_forward, linear_backward, x, weight, bias)
numbers = x.size + weight.size + bias.size
assert numbers == 111
assert 2 * 110_000_000 == 220_000_000
assert len(calls) == 2 * numbers + 2  # once for the cache, and once to see that it gives the same again
print(f"{len(calls)} forward passes for {numbers} slopes; linear_backward gives them in one go")

# %% [markdown]
# For BERT's 110 million weights that would be 220 million forward passes for a single step of learning.
# Backpropagation takes about as much work as two: in (2.4) and (2.5) there are two matrix products where
# the forward pass has one.
#
# ### Why a random upstream gradient
#
# A block has many outputs, but a slope needs one number $L$. `gradcheck` takes
# $L = \sum \texttt{out} \cdot \texttt{dout}$ with *random* numbers in `dout`. Each output stands in this
# $L$ once, with its `dout` as the factor, so $\partial L / \partial\, \texttt{out}$ is `dout`, as (2.3)
# wants it. It is tempting to take the plain sum of the outputs, that is, a `dout` of ones. Many tests in
# the wild do. It is a trap. **Softmax** (归一化指数函数, chapter 04) turns any numbers into shares that
# sum to one. So the sum of its outputs is 1 whatever comes in, its true slopes are zero everywhere, and a
# backward pass that has *forgotten everything and returns zeros* passes the test:


# %%
def softmax_forward(x):
    powers = np.exp(x)
    shares = powers / powers.sum()
    return shares, shares


def lazy_backward(dout, cache):
    return np.zeros_like(dout)


scores = np.array([1.0, 2.0, 3.0])
by_sum = central_differences(lambda: softmax_forward(scores)[0].sum(), scores)
assert np.abs(by_sum - lazy_backward(np.ones(3), None)).max() < 1e-9  # passes: nothing is seen

try:
    gradcheck(softmax_forward, lazy_backward, scores)
except GradientError as mistake:
    print(textwrap.fill(str(mistake), 100))
else:
    raise AssertionError("the zeros were not seen")

# %% [markdown]
# Layer norm (chapter 07) has the same trap: before its scale and shift the outputs always sum to zero. A
# wrong backward pass may be right for some special `dout`, such as all ones; that random numbers are just
# that special has probability zero.
#
# ## Mistakes made on purpose
#
# A test that has never failed proves little. So let us break `linear_backward`, in ways in which people do
# break it, and see what `gradcheck` says. The mistakes are from `minibert/learn/mutants/linear.toml`; none of
# them makes `linear_backward` itself crash, and in most even the shapes are right. `made()` puts the mistake
# into the function, and takes it out again.

# %%
for mutant in mutants():
    if mutant.function.endswith(":linear_backward"):
        with mutant.made():
            try:
                gradcheck(linear_forward, linear_backward, x, weight, bias)
            except GradientError as mistake:
                print(f"{mutant.name}\n{textwrap.indent(textwrap.fill(str(mistake), 96), '    ')}\n")
            else:
                raise AssertionError(f"not seen: {mutant.name}")
assert x.shape[0] * x.shape[1] == 6

# %% [markdown]
# Where the shape is right, the message says which number is worst, both its values, and what usually leads to
# such numbers. What is *seen* (all are a sixth of what they should be, say) is a fact; the cause is a guess,
# made in `minibert/byhand/cause.py`. A mean in place of a sum shows as a factor of $1/6$ because there are
# $2 \cdot 3 = 6$ positions.
#
# One thing `gradcheck` cannot see: whether the *forward* pass is what you wanted. It proves that backward
# fits forward, no more. Whoever forgets the bias in both, passes. For that there are the case by hand,
# above, and a second opinion, below.

# %% [markdown]
# ## The proof
#
# Each block of this project is held against three witnesses who know nothing of each other. The first is
# finite differences. The second is the same block in **PyTorch**, the library that this project trains its
# networks with; it works out gradients by itself, which is called automatic differentiation (自动微分). The
# third is the same block in `transformers`, a library with which people load networks that others have
# trained. Each number is the largest relative error over the output and all gradients.

# %%
prove("linear")

# %% [markdown]
# Finite differences agree as far as they can: that is the floor of the valley. The other two agree to the
# last digits that a computer keeps.
#
# ## What the paper does differently
#
# - The units of 1986 put a sigmoid (S 形函数) behind each weighted sum; its slope is one more factor in the
#   chain. Here each step is a block of its own, and what follows the linear layer is a matter of chapter
#   06.
# - Their bias is a weight on an extra input that is always 1. Put $x_{ni} = 1$ into (2.5) and you get
#   (2.6).
# - They go through the examples one by one and add up the gradients. (2.5) adds them in one matrix product.
# - They were not the first. Linnainmaa described the same way back through a calculation in 1970, for
#   rounding errors; Werbos brought it to the fitting of models in his thesis of 1974, and later to
#   networks. The paper of 1986 showed what such networks learn.
# - PyTorch does not have backward functions written by hand for each network: it writes down the graph
#   while it computes forward, and walks it back. Each node of that graph is a pair like ours.

# %% [markdown]
# ## Exercises
#
# Some functions of this chapter are for you to write. `minibert learn start` makes a folder with a file for
# each, and `minibert learn check` says whether it is right and, if not, what is wrong with it. Each stands
# alone. What comes after them is done with a pencil, or leads further.
#
# ### To write: the linear layer

# %%
exercise("linear_forward")

# %%
exercise("linear_backward")

# %% [markdown]
# ### To write: the proof

# %%
exercise("central_differences")

# %%
exercise("gradcheck")

# %% [markdown]
# ### To write: a test

# %%
exercise("judge_linear_backward")

# %% [markdown]
# ### To think about
#
# **1. Pencil.** In the picture of the graph set $w = 1$, $x = 2$, $b = 0$, $t = 5$. Write all values, then
# all gradients. Which way should $w$ go?
#
# <details><summary>Hint</summary>
#
# $d = -3$, so $dd = -6$. A negative `dw` means: make $w$ larger.
#
# </details>
#
# **2. Scale and shift.** Write `affine_forward(x, scale, shift)` for $y_{ni} = x_{ni} s_i + h_i$, with `x`
# of shape (N, I) and one scale and shift per column, and `affine_backward(dy, cache)`. You will meet it
# again in layer norm.
#
# <details><summary>Hint</summary>
#
# Which outputs does $s_i$ reach? All $y_{ni}$ of its column. If you forget to add over them, `gradcheck`
# names "a missing sum over a broadcast axis".
#
# </details>
#
# **3. A corner.** Write `relu_forward(x)` for $\max(x, 0)$, and its backward pass. It passes `gradcheck`
# for random `x`. Now put a 0 into `x`. What do finite differences give there, and why is nobody wrong?
#
# <details><summary>Hint</summary>
#
# At 0 the curve has a corner: slope 0 on the left, 1 on the right. A step to both sides sees the mean of
# the two.
#
# </details>
#
# **4. Four points.** Combine $L(w \pm e)$ and $L(w \pm 2e)$ so that the term with $L'''$ also cancels:
# $\big(8 L(w+e) - 8 L(w-e) - L(w+2e) + L(w-2e)\big) / 12e$. Show with Taylor's series that the error
# shrinks like $e^4$. Add it to the picture of the valley. Where is its floor, and how deep?
#
# <details><summary>Hint</summary>
#
# The error is $\frac{e^4}{30} L^{(5)}$. Set it against the rounding as in (2.9).
#
# </details>
#
# ## Further reading
#
# - Rumelhart, Hinton and Williams 1986, *Learning representations by back-propagating errors*, Nature 323,
#   533–536. Four pages, and still the clearest account.
# - Nielsen 2015, *Neural Networks and Deep Learning*, chapter 2: backpropagation for the patient reader.
# - Baydin, Pearlmutter, Radul and Siskind 2018, *Automatic differentiation in machine learning: a survey*,
#   [arXiv:1502.05767](https://arxiv.org/abs/1502.05767). What PyTorch does, where it came from, and why it
#   is neither symbolic nor numerical differentiation.
# - Parr and Howard 2018, *The matrix calculus you need for deep learning*,
#   [arXiv:1802.01528](https://arxiv.org/abs/1802.01528).
# - Goldberg 1991, *What every computer scientist should know about floating-point arithmetic*, ACM
#   Computing Surveys 23, 5–48: why small differences of large numbers drown.
# - Griewank and Walther 2008, *Evaluating Derivatives*, SIAM. The book on the subject, with the proof that
#   the way back costs only a few times the way forward.
