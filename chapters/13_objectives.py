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
# # 13 · Objectives (预训练目标)
#
# *Nobody tells the model what a sentence means. What do we ask it, so that it has to find out by itself?*
#
# **Files:** `minibert/batches/sampling.py` · `minibert/batches/mlm.py` · `minibert/batches/nsp.py` ·
# `minibert/batches/rows.py` · `minibert/batches/batch.py` · `minibert/batches/causal.py` ·
# `minibert/recipes/baselines.py` · `minibert/learn/checks/sampling.py` · `minibert/learn/checks/mlm.py` ·
# `minibert/learn/checks/nsp.py` · `minibert/learn/checks/rows.py` · `tests/test_sampling.py` ·
# `tests/test_mlm.py` · `tests/test_nsp.py` · `tests/test_rows.py` · `tests/test_batch.py` ·
# `tests/test_causal.py`
#
# **Needs:** [01 Tokens](01_tokens.ipynb), [08 Loss](08_loss.ipynb), [12 BERT](12_bert.ipynb)
#
# **Time:** 75 minutes

# %% [markdown]
# ## The question: a text is its own answer key
#
# There is a model now, and a loss that says how wrong an answer is. But answers to *what*? To have sentences
# explained by people costs money for each one, and a language model wants millions. The way out is older than
# BERT: take something away from a text, and ask for it. The text itself knows what was there. This is called
# **self-supervised learning** (自监督学习), and what is asked is the **objective** (预训练目标). Three of
# them matter here:
#
# - **The next word** (因果语言模型). Hide everything that comes after a word, and ask for the first of it.
#   GPT learns by nothing else.
# - **Masked words** (掩码语言模型). Hide a few words in the middle, and ask for them. BERT can see both
#   sides.
# - **The next sentence** (下一句预测). Take two pieces of text. Did the second one follow the first?
#
# Such a game sounds harmless. But whoever wants to win it for every text in the world has to know that *bark*
# goes with *dogs*, that a plural was said eight words ago, who *she* is, and what happens to glass that
# falls.
#
# No derivative is taken in this chapter. It is about how questions are made: with dice, and with care. For a
# mistake made here trains very well.

# %%
import math
import re
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import torch

# %%
from minibert.batches.batch import IGNORE, PretrainingBatches
from minibert.batches.causal import CausalBatches
from minibert.batches.mlm import choose_tokens, choose_words, corrupt, count_to_predict, first_in_order
from minibert.batches.nsp import Spans, boundaries, pair_spans
from minibert.batches.rows import lay_out
from minibert.batches.sampling import examples_at, integers, mix, permutation, random_bits, uniform
from minibert.byhand.optimizer import schedule
from minibert.config import BertConfig, GptConfig
from minibert.learn.mutate import mutants
from minibert.learn.notebook import exercise, first_objection, show
from minibert.learn.proof import checks_of
from minibert.learn.sizes import Sizes
from minibert.model.bert import BertForPretraining
from minibert.model.gpt import Gpt
from minibert.recipes.baselines import Bigram
from minibert.text.sentences import split_sentences
from minibert.text.store import Store
from minibert.text.tokenizer import Tokenizer
from minibert.train.loss import cross_entropy, linear_cross_entropy
from minibert.train.optimizer import AdamW, clip_gradients, decay_groups

# %%
words = ["the", "small", "cow", "near", "the", "dogs", "moos", "."]
games = [
    ("next word", ["the", "small", "cow", "near", "?", "", "", ""], "the"),
    ("masked words", ["the", "small", "?", "near", "the", "dogs", "moos", "."], "cow"),
    ("next sentence", ["the", "small", "cow", "moos", "|", "it", "is", "wet"], "yes or no"),
]
fig, ax = plt.subplots(figsize=(8.8, 2.7), dpi=100)
for row, (name, seen, answer) in enumerate(games):
    ax.text(-0.7, row, name, ha="right", va="center", weight="bold")
    for place, word in enumerate(seen):
        color = {"": "white", "?": "0.6", "|": "0.6"}.get(word, "0.92")
        ax.add_patch(plt.Rectangle((place - 0.46, row - 0.32), 0.92, 0.64, fc=color, ec="0.6"))
        ax.text(place, row, word, ha="center", va="center", size=9)
    ax.text(7.9, row, f"→ {answer}", va="center", size=10)
ax.set(xlim=(-2.6, 9.6), ylim=(2.6, -0.6))
ax.set_title("Three questions that a text answers by itself")
ax.axis("off")
plt.show()

# %% [markdown]
# ## What the papers wrote
#
# The next word is the oldest of the three. A probability of a whole text can be taken apart, word by word,
# without any loss: the chance of all is the chance of the first, times that of the second *given* the first,
# and so on. The logarithm makes a sum of the product, and its mean is the loss (Bengio et al. 2003; Radford
# et al. 2018, equation 1):
#
# $$p(x_1 \dots x_T) = \prod_t p(x_t \mid x_1 \dots x_{t-1}) \qquad
# L_{\text{causal}} = -\frac1T \sum_t \ln p(x_t \mid x_1 \dots x_{t-1}) \tag{13.1}$$
#
# BERT wants to look in both directions, and cannot be asked so (chapter 12). Its authors went back to a test
# for pupils, the *cloze* of Taylor 1953:
#
# > In order to train a deep bidirectional representation, we simply mask some percentage of the input tokens
# > at random, and then predict those masked tokens.
# >
# > Devlin et al. 2019, section 3.1
#
# With $M$ for the set of the chosen places and $\tilde x$ for the text with something else in them,
#
# $$L_{\text{masked}} = -\frac1{|M|} \sum_{t \in M} \ln p(x_t \mid \tilde x) \tag{13.2}$$
#
# And for the pairs:
#
# > Specifically, when choosing the sentences A and B for each pretraining example, 50% of the time B is the
# > actual next sentence that follows A (labeled as IsNext), and 50% of the time it is a random sentence from
# > the corpus (labeled as NotNext).
# >
# > Devlin et al. 2019, section 3.1

# %% [markdown]
# ## What is a good loss?
#
# Before any model, a yardstick. A real text that is always at hand is *this book*: the prose of its first
# nine chapters, without formulas. We cut it into sentences and tokens (chapter 01), with a small vocabulary,
# and keep the ninth chapter for testing.


# %%
def prose(path):
    """Return the sentences of a chapter that are prose: no formulas, no code, no lists."""
    cells = path.read_text(encoding="utf-8").split("\n# %%")
    _, *bodies = [cell.partition("\n")[2] for cell in cells if cell.startswith(" [markdown]")]  # no header
    text = re.sub(r"^# ?|[*]", "", "\n".join(bodies), flags=re.MULTILINE)
    paragraphs = re.split(r"\n\s*\n", text)
    sentences = [s for p in paragraphs if p[:1].isalpha() for s in split_sentences(" ".join(p.split()))]
    return [sentence for sentence in sentences if not re.search(r"[$`|<>\[\]{}]|http", sentence)]


def store_of(documents, tokenizer):
    """Return documents, each a list of sentences, as a store in memory."""
    sentences = [tokenizer.encode(sentence) for document in documents for sentence in document]
    sizes = [len(sentence) for sentence in sentences], [len(document) for document in documents]
    starts = [np.concatenate([[0], np.cumsum(each)]) for each in sizes]
    return Store(np.concatenate(sentences).astype(np.uint16), *starts, names=[], fingerprint="")


book = [prose(path) for path in sorted(Path().glob("0[1-9]_*.py"))]
pieces = Tokenizer.train([sentence for chapter in book[:-1] for sentence in chapter], 1000)
book_train, book_held = store_of(book[:-1], pieces), store_of(book[-1:], pieces)
print(len(book), "chapters,", sum(map(len, book)), "sentences")
print(len(book_train.ids), "tokens to learn from and", len(book_held.ids), "to be tested on")
print(book[3][0])
assert len(book) == 9 and len(pieces) == 1000 and 10_000 < len(book_train.ids) < 50_000

# %% [markdown]
# How well can somebody guess who understands nothing, and only *counts*?
#
# - **Nothing counted.** Each of the $V$ tokens has the chance $1/V$: the loss is $\ln V$ (chapter 08).
# - **Unigram** (一元模型). Each token has the share that it had in the training text.
# - **Bigram** (二元模型). Each token is told from the one before it: how often did this one follow that one?
#
# With a pencil, for the text `a b a b a c` and the question what follows `a`: of three times it was `b` twice
# and `c` once. So $p(b \mid a) = \frac23$. But to give all that was never seen the chance 0 would be a
# disaster: the first time it comes, the loss is infinite. So from each count a little is taken off, $d =
# 0.75$ here, and what was taken off is handed out by the unigram model (Ney, Essen and Kneser 1994). After
# `a`, the counts become $1.25$ and $0.25$; $1.5$ of 3 is handed out. The unigram counts each token once more
# than it was there: $\frac49$ for `a`, $\frac39$ for `b` and $\frac29$ for `c`. So $p(b \mid a) =
# \frac{1.25}3 + \frac{1.5}3 \cdot \frac39 = 0.58$, and $p(a \mid a)$, which was never seen, is $\frac{1.5}3
# \cdot \frac49 = 0.22$.

# %%
pencil = Bigram.fit(np.array([0, 1, 0, 1, 0, 2]), np.array([0, 6]), 3)
assert np.allclose(pencil.unigram, [4 / 9, 3 / 9, 2 / 9])
after_a = pencil.probabilities(np.array([0]))[0]
assert np.isclose(after_a[1], 1.25 / 3 + 1.5 / 3 * 3 / 9) and round(after_a[1], 2) == 0.58
assert (
    np.isclose(after_a[0], 1.5 / 3 * 4 / 9) and round(after_a[0], 2) == 0.22 and np.isclose(after_a.sum(), 1)
)


# %%
def yardsticks(train, held, V):
    """Return the losses of the three on held-out text: nothing counted, unigram, bigram."""
    counted = Bigram.fit(train.ids, train.sentences[train.documents], V)
    ids = held.ids.astype(np.int64)
    return [math.log(V), counted.unigram_score(ids[1:])["loss"], counted.score(ids[:-1], ids[1:])["loss"]]


losses = yardsticks(book_train, book_held, len(pieces))
names = ["nothing counted", "unigram", "bigram"]
fig, ax = plt.subplots(figsize=(7.4, 2.4), dpi=100)
ax.barh(names, losses, color=["0.85", "0.65", "0.45"], edgecolor="black")
for row, loss in enumerate(losses):
    ax.text(loss + 0.08, row, f"{loss:.2f} nats: one of {math.exp(loss):.0f}", va="center")
ax.set(xlim=(0, 10.5), xlabel="loss on the held-out chapter (nats per token)")
ax.invert_yaxis()
ax.set_title("What counting reaches on this book; a model has to do better")
fig.tight_layout()
plt.show()

# %%
assert round(losses[0], 2) == 6.91 and losses[0] - 0.5 > losses[1] > losses[2] + 0.5 > 4.5

# %% [markdown]
# A loss means nothing without such a yardstick. A network that has trained for an hour and stands at the
# unigram's loss has learned how frequent words are, and nothing else, however pretty the curve. (That is why
# `minibert pretrain` works both out, and its report shows them beside the model.)

# %% [markdown]
# ## Masked words
#
# ### How many, and which
#
# Of a row's words (never of `[CLS]`, `[SEP]` and padding: they are no **candidates**), 15 % are asked for.
# Rounded, halves upwards, but at least one: a short row shall not come for nothing. Of 10 candidates that is
# 1.5, so 2; of 30 it is 4.5, so 5; of 3 it is 0.45, so 1; of none it is none.
#
# Which ones? Each candidate draws a number, as from a hat, and the smallest are chosen. So no place is taken
# twice, and each has the same chance.

# %%
assert count_to_predict(np.array([10, 30, 3, 1, 0]), 0.15).tolist() == [2, 5, 1, 1, 0]
candidates = np.array([[False, True, True, True, True, True, False]])
hat = np.array([[0.1, 0.8, 0.3, 0.9, 0.2, 0.6, 0.0]])
positions, chosen = first_in_order(np.where(candidates, hat, 2.0), np.array([2]), slots=3)
assert positions[chosen].tolist() == [4, 2]  # the smallest of the candidates

# %%
show(count_to_predict, choose_tokens)

# %% [markdown]
# Why 15 %? The more is hidden, the more questions a row answers, and the less is left to answer them from.
# Devlin et al. took 15 %. Wettig et al. 2023 found that 40 % can be better for larger models. `minibert
# pretrain` asks for 30 % in training: in a run of minutes, questions are what it lacks.

# %% [markdown]
# ### Eighty, ten, ten
#
# > If the $i$-th token is chosen, we replace the $i$-th token with (1) the [MASK] token 80% of the time (2) a
# > random token 10% of the time (3) the unchanged $i$-th token 10% of the time.
# >
# > Devlin et al. 2019, section 3.1
#
# Why not always `[MASK]`? Because "the [MASK] token does not appear during fine-tuning", as the paper says:
# who uses the model later shows it whole sentences. If every question in training stands at a `[MASK]`, then
# *only* there does the model ever have to give an answer. What it makes of a word that it can see, nobody
# asks.
#
# So now and then it is asked about a word in plain sight, which may be right or wrong. What should an honest
# model answer, when it sees the word $w$ in an asked-for place? Let $P$ be the chance that $w$ stands there,
# as far as the *rest* of the text tells. It can be seen for two reasons: it is the true word and was left
# alone, with the chance $0.1 P$; or it was drawn at random, $0.1 / V$, whatever the true word was. So, by the
# rule of Bayes,
#
# $$p(\text{left alone} \mid w \text{ is seen}) = \frac{0.1\, P}{0.1\, P + 0.1 / V} = \frac{P}{P + 1/V}
# \tag{13.3}$$
#
# (A word that was drawn may still happen to be the right one. That adds less than $1/V$.)
#
# **A word in sight is to be believed as far as it fits.** If it is one of a hundred that fit, $P = 0.01$,
# then with $V = 30522$ it is believed to 99.7 %. If it hardly fits, $P = 10^{-6}$, only to 3 %. So the model
# must keep working out what *could* stand at every place, also where it sees what does, and compare. Without
# the random words it could simply copy, and without the unchanged ones it would learn that what it sees is
# always wrong.


# %%
def believed(P, V):
    """Return the chance that a word in sight was left alone, with P as in the text."""
    return P / (P + 1 / V)


assert round(believed(0.01, 30522), 3) == 0.997 and round(believed(1e-6, 30522), 2) == 0.03
rng = np.random.default_rng(0)  # and by throwing dice: 10 words, the true one is word 0 with P = 0.3
true = np.where(rng.random(400_000) < 0.3, 0, rng.integers(1, 10, size=400_000))
alone = rng.random(400_000) < 0.5
shown = np.where(alone, true, rng.integers(10, size=400_000))
assert abs(alone[shown == 0].mean() - believed(0.3, 10)) < 0.01 and np.isclose(believed(0.3, 10), 0.75)

fits = np.logspace(-8, 0, 100)
fig, ax = plt.subplots(figsize=(6.8, 3.2), dpi=100)
for V, style in ((30522, "k-"), (1000, "k--"), (34, "k:")):
    ax.semilogx(fits, believed(fits, V), style, label=f"$V$ = {V:,}")
    ax.plot(1 / V, 0.5, "ko", ms=4)
ax.set(xlabel="how well the word fits: $P$, from the rest of the text", ylabel="believed")
ax.set_title("A word in sight is believed as far as it fits; even odds at $P = 1/V$")
ax.legend(frameon=False)
fig.tight_layout()
plt.show()

# %%
show(corrupt)

# %% [markdown]
# One row of the book, before and after:

# %%
questions = PretrainingBatches(book_train, pieces, batch_size=32, seq_len=64, pairs=False)
example = questions.examples(40, 1)
after, asked = example.ids[0], example.targets != IGNORE
places, true = example.slots[asked], example.targets[asked]
before = after.clone()
before[places] = true
length = int((after != pieces.pad_id).sum()) - 1
print(f"before: {pieces.decode(before[1:length].tolist())}")
print(f"after:  {pieces.decode(after[1:length].tolist())}")
print(
    "asked: ",
    ", ".join(f"{pieces.piece(a)} → {pieces.piece(b)}" for a, b in zip(true, after[places], strict=True)),
)
assert len(true) == count_to_predict(length - 1, 0.15)

# %% [markdown]
# ### Count them
#
# These are dice, and dice can be wrong without anybody's noticing. So: count. If each of $n$ chosen tokens
# becomes `[MASK]` with the chance $p$, the number that do is $np$ on average, and its **standard deviation**
# is $\sqrt{np(1-p)}$ (the binomial distribution, 二项分布). The *share* then spreads by
# $\sigma = \sqrt{p(1-p)/n}$. A right function strays by more than six of these once in 500 million times, so
# six is a bound that never cries wolf. For $n = 3000$ and $p = 0.8$ it is 4.4 points; for $p = 0.1$, 3.3.

# %%
assert (
    round(600 * math.sqrt(0.8 * 0.2 / 3000), 1) == 4.4 and round(600 * math.sqrt(0.1 * 0.9 / 3000), 1) == 3.3
)
assert 4e8 < 1 / math.erfc(6 / math.sqrt(2)) < 6e8  # both sides of the bell curve


def fates():
    """Return how many tokens of an epoch of the book are asked for, and the shares of their three fates."""
    batch = questions.examples(0, len(questions))
    asked = batch.targets != IGNORE
    now, true = batch.ids.flatten()[batch.slots[asked]], batch.targets[asked]
    masked, same = now == pieces.mask_id, now == true
    return len(now), np.array([part.double().mean().item() for part in (masked, ~masked & ~same, same)])


n, shares = fates()
sigma = np.sqrt(np.array([0.8, 0.1, 0.1]) * np.array([0.2, 0.9, 0.9]) / n)
print(f"{n} asked for: {shares[0]:.1%} [MASK], {shares[1]:.1%} random, {shares[2]:.1%} unchanged")
assert (np.abs(shares - [0.8, 0.1, 0.1]) < 6 * sigma).all() and n > 3000

# %% [markdown]
# And now the mistakes. In the code of a well-known BERT (issue 29 of codertimo/BERT-pytorch) one number was
# thrown, and compared *with a share of itself*: `if prob < prob * 0.8`. That is never true. No `[MASK]` was
# ever written, every token stayed as it was, and the loss went down beautifully. Others are subtler: a second
# throw for the rest, say, or shares that are not added up.

# %%
mistakes = {
    "compared with a share of itself": "compared with itself",
    "compared with 80 % of itself": "compared with itself, the second way",
    "all chosen tokens become": "always [MASK]",
    "a second throw decides": "a second throw for the rest",
    "not added up": "shares not added up",
    "20 % random: no chosen": "never left alone",
    "the throw has the random numbers of the choice": "the dice of the choice once more",
}


def mutant(stem, name):
    """Return the mistake of a stem whose name has these words in it."""
    (found,) = [
        one
        for one in mutants()
        if one.stem == stem and one.function.endswith(":" + FUNCTION[stem]) and name in one.name
    ]
    return found


FUNCTION = {"mlm": "corrupt", "nsp": "pair_spans"}
counted = {"right": shares}
for name, label in mistakes.items():
    with mutant("mlm", name).made():
        counted[label] = fates()[1]

# %%
fig, axes = plt.subplots(1, 3, figsize=(9, 3.3), dpi=100, sharey=True)
for ax, fate, wanted, spread, column in zip(
    axes, ["[MASK]", "random", "unchanged"], [0.8, 0.1, 0.1], sigma, range(3), strict=True
):
    ax.axvspan(wanted - 6 * spread, wanted + 6 * spread, color="0.8")
    for row, values in enumerate(counted.values()):
        inside = abs(values[column] - wanted) < 6 * spread
        ax.plot(values[column], row, "ko", ms=6, mfc="black" if inside else "white")
    ax.set(xlim=(-0.06, 1.06), title=fate, xlabel="share of the chosen")
axes[0].set_yticks(range(len(counted)), counted)
axes[0].invert_yaxis()
fig.suptitle("Grey: where a right function is but once in 500 million times. Open: outside")
fig.tight_layout()
plt.show()

# %%
for label, values in counted.items():
    outside = np.abs(values - [0.8, 0.1, 0.1]) > 6 * sigma
    assert outside.any() == (label != "right"), label
assert counted["compared with itself"].tolist() == [0, 0, 1] and counted["always [MASK]"][0] == 1

# %% [markdown]
# The last one deserves a word. The choice and the throw each want random numbers. If both take *the same*,
# then whoever was chosen, for drawing a small number, throws low again: below 0.8, nearly always. So each
# question has a stream of its own, the constants `CHOICE`, `DICE` and `REPLACEMENT` in the code.

# %% [markdown]
# ### Whole words
#
# A word of several pieces is easy to guess from its other pieces: after `transform`, `##er` is no riddle. So
# later versions of BERT hide **whole words** (全词掩码): all pieces, or none. (It came after the paper; the
# authors' code has it as an option.) Words are taken in random order as long as they fit into the 15 %.

# %%
show(choose_words)

# %%
whole = PretrainingBatches(book_train, pieces, 32, 64, pairs=False, whole_words=True)


def torn(batches):
    """Return the share of words in pieces, among those with a hidden piece, that also have one in sight."""
    batch = batches.examples(0, len(batches))
    true, asked = batch.ids.flatten().clone(), torch.zeros(batch.ids.numel(), dtype=torch.bool)
    counts = batch.targets != IGNORE
    true[batch.slots[counts]] = batch.targets[counts]
    asked[batch.slots[counts]] = True
    starts = ~pieces.continuation[true.numpy()]
    starts[1:] |= np.isin(true[:-1], pieces.special_ids)  # a row may begin in the middle of a word
    word = np.cumsum(starts) - 1  # which word each token belongs to
    size, hidden = np.bincount(word), np.bincount(word, asked.numpy())
    several = (size > 1) & (hidden > 0)
    return (hidden[several] < size[several]).mean()


print(f"words in pieces that are torn apart: {torn(questions):.0%} by tokens, {torn(whole):.0%} by words")
assert torn(questions) > 0.8 and torn(whole) == 0

# %% [markdown]
# ## Next sentences
#
# A pair meets at the boundary of two sentences. **Segment A** (段) ends there. **Segment B** begins there,
# or, in half of the rows, at a sentence of *another* document. A row has room for 61 tokens of both (64,
# less `[CLS]` and twice `[SEP]`), and both are filled with as many sentences as fit. A is cut at its front
# and B at its end, so that both keep what stands next to the boundary. How the room is shared is drawn,
# too: A gets between a quarter and three quarters.

# %%
sizes = [6, 9, 5, 8, 7, 8, 6, 9, 5]  # tokens of nine sentences, in two documents
tiny = Store(np.arange(63), np.concatenate([[0], np.cumsum(sizes)]), np.array([0, 5, 9]), [], "")
where = np.array([1, 3, 7, 3, 8])
few, few_labels = pair_spans(tiny, where, 20, random_bits(3, 0, np.arange(5)))
assert boundaries(tiny).tolist() == [1, 2, 3, 4, 6, 7, 8]
assert set(few_labels.tolist()) == {0, 1} and (few.a_length + few.b_length <= 20).all()

fig, ax = plt.subplots(figsize=(9, 3), dpi=100)
for row in range(5):
    for start, size in zip(tiny.sentences[:-1], sizes, strict=True):
        ax.add_patch(plt.Rectangle((start, row - 0.3), size, 0.6, fc="white", ec="0.6"))
    for start, size, name, color, ink in (
        (few.a_start[row], few.a_length[row], "A", "0.75", "black"),
        (few.b_start[row], few.b_length[row], "B", "0.3", "white"),
    ):
        ax.add_patch(plt.Rectangle((start, row - 0.3), size, 0.6, fc=color, ec="black", alpha=0.9))
        ax.text(start + size / 2, row, name, ha="center", va="center", color=ink, weight="bold")
    ax.text(64, row, ["B follows", "B is random"][few_labels[row]], va="center")
ax.axvline(tiny.sentences[5], color="black", lw=3)
ax.set(
    xlim=(-1, 75),
    ylim=(4.6, -0.6),
    yticks=[],
    xlabel="token of the text; boxes are sentences",
    xticks=range(0, 64, 10),
)
ax.set_title("Five pairs from two documents (the thick line is between them)")
ax.spines[:].set_visible(False)
fig.tight_layout()
plt.show()

# %%
pairs = PretrainingBatches(book_train, pieces, 32, seq_len=64)
meets = boundaries(book_train)
assert len(meets) == (len(book_train.sentences) - 1) - (len(book_train.documents) - 1)  # no first sentence
keys = random_bits(0, 0, np.arange(len(meets)))
spans, labels = pair_spans(book_train, meets, 61, keys)
rows, segments, lengths = lay_out(book_train.ids, spans, 64, pieces)
assert (
    (spans.a_length + spans.b_length <= 61).all()
    and (spans.a_length > 0).all()
    and (spans.b_length > 0).all()
)
for row in (3, 4, 9):
    a = book_train.ids[spans.a_start[row] :][: spans.a_length[row]]
    b = book_train.ids[spans.b_start[row] :][: spans.b_length[row]]
    print(f"label {labels[row]}: … {pieces.decode(a[-12:])}  ‖  {pieces.decode(b[:12])} …")

# %% [markdown]
# What is chance? Half of the labels are 0 and half are 1, so a coin costs $\ln 2 = 0.69$ nats and is right
# half of the time. As with the words: count. And look at more than the labels, for there are ways to give the
# answer away.


# %%
def document_of(sentences):
    """Return the documents of sentences."""
    return np.searchsorted(book_train.documents, sentences, side="right")


def sentence_at(places):
    """Return the sentences that hold the tokens at places."""
    return np.searchsorted(book_train.sentences, places, side="right") - 1


owner, home = document_of(sentence_at(spans.b_start)), document_of(meets)
assert round(math.log(2), 2) == 0.69
assert abs(labels.mean() - 0.5) < 6 * math.sqrt(0.25 / len(labels))
assert (owner != home)[labels == 1].all() and (owner == home)[labels == 0].all()
assert (spans.a_start + spans.a_length == spans.b_start)[labels == 0].all()

# %% [markdown]
# ### Wrong negatives, and an answer given away
#
# "A random sentence from the corpus" may be the very next one, by chance, or one from the same page. Then the
# label says "does not follow", and it does. In a corpus of three billion words nobody would notice. In a
# small one it counts: let a share $\varepsilon$ of the random B be true next ones. Of all pairs that *do*
# follow, which are $\frac12 + \frac\varepsilon2$, a share of $\frac\varepsilon{1+\varepsilon}$ has the wrong
# label, and not even the best model can tell. With $\varepsilon = 0.05$ that is one in 21, and the best
# possible loss is not 0 but 0.10. So ours takes B from another document, always.

# %%
wrong_share = 0.05 / 1.05
floor = (0.5 + 0.025) * -(wrong_share * math.log(wrong_share) + (1 - wrong_share) * math.log(1 - wrong_share))
assert math.isclose(wrong_share, 1 / 21) and round(floor, 2) == 0.10
with mutant("nsp", "the random sentence may come from the same document").made():
    careless, careless_labels = pair_spans(book_train, meets, 61, keys)
at_home = (document_of(sentence_at(careless.b_start)) == home)[careless_labels == 1].mean()
print(f"drawn from anywhere, {at_home:.0%} of the random sentences are from the same chapter")
assert at_home > 0.08

# %% [markdown]
# The opposite mistake is worse: to give the answer away. Here somebody draws the length of A with the random
# number that has already thrown the coin. Everything is as it should be, in each of the two: half of the
# labels are 1, and the lengths are spread evenly. But *together* they tell: A is short where B is random. A
# model finds that out in no time, gets 100 % of the pairs right, and learns nothing about sentences.

# %%
with mutant("nsp", "the share of A has the random number of the coin").made():
    leaky, leaky_labels = pair_spans(book_train, meets, 61, keys)
fig, axes = plt.subplots(1, 2, figsize=(8.6, 3.0), dpi=100, sharey=True)
edges = np.arange(0, 62, 3)
for ax, title, lengths_of_a, told in (
    (axes[0], "right: the length says nothing", spans.a_length, labels),
    (axes[1], "one random number for two questions", leaky.a_length, leaky_labels),
):
    ax.hist(lengths_of_a[told == 0], edges, color="0.75", edgecolor="black", label="B follows")
    ax.hist(
        lengths_of_a[told == 1], edges, histtype="step", color="black", lw=1.8, ls="--", label="B is random"
    )
    ax.set(title=title, xlabel="tokens of A")
axes[0].set(ylabel="pairs", ylim=(0, 170))
axes[0].legend(frameon=False, loc="upper left", ncols=2)
fig.suptitle("On the right, counting to where [SEP] stands is enough")
fig.tight_layout()
plt.show()


# %%
def told_by_length(lengths_of_a, told):
    """Return how often the best rule of the kind "random where A is shorter than n" is right."""
    return max(np.mean((lengths_of_a < limit) == told) for limit in range(62))


print(
    f"told by the length of A alone: {told_by_length(spans.a_length, labels):.0%} right, "
    f"{told_by_length(leaky.a_length, leaky_labels):.0%} with the mistake"
)
assert told_by_length(spans.a_length, labels) < 0.6 and told_by_length(leaky.a_length, leaky_labels) > 0.85

# %%
show(boundaries, pair_spans)

# %% [markdown]
# ### The rows
#
# What is left is to lay both out: `[CLS] A [SEP] B [SEP]`, and padding. Segment 1 begins with B and ends with
# the [SEP] behind it. With a pencil: A is the tokens 7 8, B is 9, and there is room for 8.

# %%
small = SimpleNamespace(cls_id=2, sep_id=3, pad_id=0)
one = Spans(*(np.array([number]) for number in (0, 2, 2, 1)))
row, segment, length = lay_out(np.array([7, 8, 9]), one, 8, small)
assert (
    row.tolist() == [[2, 7, 8, 3, 9, 3, 0, 0]]
    and segment.tolist() == [[0, 0, 0, 0, 1, 1, 0, 0]]
    and length == 6
)
show(lay_out)

# %% [markdown]
# ## Randomness without a state
#
# All these dice have to come from somewhere. The usual source is a *generator*: a state, and with each number
# that is drawn the state moves on. It has a price. To stop a run and go on tomorrow, the states must be
# saved, of every worker. Read with two processes in place of one, and each number comes to another example.
# Look at batch 5000 alone, because the loss jumped there? First draw everything that came before.
#
# ### A hash in place of a generator
#
# So we turn it round. **What is drawn depends on nothing but what it is for.** Example $i$ of epoch $e$
# in a run with seed $s$ gets the bits of $(s, e, i)$, scattered by a **hash** (哈希): a fixed function
# whose results look as if thrown by dice. Ours is the finisher of SplitMix64 (Steele, Lea and Flood
# 2014). For each number of the tuple, in its order,
#
# $$\text{state} \leftarrow \mathrm{mix}\big(\text{state} + \text{number} + G\big) \bmod 2^{64} \tag{13.4}$$
#
# with $G$ for $2^{64}$ divided by the golden ratio, whose bits have no pattern, so that even $(0, 0, 0)$
# becomes something. A good mix has the *avalanche* property: turn a single bit of what comes in, and each bit
# of what comes out turns with the chance one half.

# %%
show(mix, random_bits)


# %%
def bits(numbers):
    """Return 64-bit numbers as their bits, (N, 64)."""
    return (numbers[:, None] >> np.arange(63, -1, -1, dtype=np.uint64)) & np.uint64(1)


plain, hashed = bits(np.arange(64, dtype=np.uint64)), bits(random_bits(7, 0, np.arange(64)))
fig, axes = plt.subplots(1, 2, figsize=(8.4, 4.1), dpi=100)
for ax, picture, title in (
    (axes[0], plain, "the numbers 0 to 63"),
    (axes[1], hashed, "their hashes, seed 7, epoch 0"),
):
    ax.imshow(picture, cmap="Greys", vmin=0, vmax=1, interpolation="nearest")
    ax.set(title=title, xlabel="bit", xticks=[])
axes[0].set_ylabel("example")
fig.suptitle("A hash makes dice of counting")
fig.tight_layout()
plt.show()

# %%
numbers = np.arange(4000)
turned = bits(random_bits(7, 0, numbers) ^ random_bits(7, 0, numbers ^ 1)).mean(axis=0)  # one bit of i turned
assert np.abs(turned - 0.5).max() < 6 * math.sqrt(0.25 / 4000)
assert np.abs(bits(random_bits(7, 0, numbers)).mean(axis=0) - 0.5).max() < 6 * math.sqrt(0.25 / 4000)
assert len(np.unique(random_bits(7, 0, numbers))) == 4000
drawn = uniform(7, 0, numbers)
assert drawn.min() >= 0 and drawn.max() < 1 and abs(drawn.mean() - 0.5) < 6 * math.sqrt(1 / 12 / 4000)
assert np.bincount(integers(6, 7, 0, numbers)).min() > 4000 / 6 - 6 * math.sqrt(4000 * 5 / 36)

# %% [markdown]
# ### A shuffle, and a run that can be resumed
#
# An epoch visits all examples in random order. Again as from a hat: each example draws its bits, and they
# line up by what they drew. Then a whole run is one long row of examples, epoch after epoch, and the place in
# it is **one number**. That is all that the data side of a run has to remember.

# %%
show(permutation.__wrapped__, examples_at)

# %%
order = permutation(10, 3, 0)
assert sorted(order) == list(range(10)) and order.tolist() != permutation(10, 3, 1).tolist()
epochs, numbers = examples_at(8, 4, 10, 3)  # the last two of epoch 0, the first two of epoch 1
assert epochs.tolist() == [0, 0, 1, 1]
assert numbers.tolist() == [*permutation(10, 3, 0)[8:], *permutation(10, 3, 1)[:2]]

again = PretrainingBatches(book_train, pieces, 32, seq_len=64)  # tomorrow, on another machine
assert torch.equal(again(500).ids, pairs(500).ids)  # no step before it was worked out
halves = [pairs(500, first, 16) for first in (0, 16)]  # two processes, each its half
assert torch.equal(torch.cat([half.ids for half in halves]), pairs(500).ids)
assert torch.equal(torch.cat([half.targets for half in halves]), pairs(500).targets)

# %% [markdown]
# And the mistake that everybody makes once: the sampler begins from its first example again after each stop,
# so the start of the corpus is read over and over, and its end never. Nothing in the loss tells, or it even
# looks better, for what is read more often is known better. What tells is a check that *stopped and resumed
# equals never stopped*, to the last bit.

# %%
show(PretrainingBatches.examples)

# %% [markdown]
# ## Against it: the next word
#
# For a causal model (chapter 11) there is nothing to choose. Every token is asked for, once in an epoch. The
# text is one long row, cut into blocks of $T$; the answers are the same block, one token further on (13.1).
# (A real store for it has an end token behind each document, so that the model learns where a text ends; here
# we do without.)

# %%
blocks = CausalBatches(book_train, batch_size=32, seq_len=64)
batch = blocks(0)
assert torch.equal(batch.ids[:, 1:], batch.targets[:, :-1])
asked = {"next word": batch.counts()["word_loss"], "masked words": questions(0).counts()["word_loss"]}
print({name: f"{count} predictions, {count / 32:.0f} in a row" for name, count in asked.items()})
assert asked["next word"] == 32 * 64 and 6 < asked["next word"] / asked["masked words"] < 8
show(CausalBatches.examples, CausalBatches.start)

# %% [markdown]
# A row of $T$ tokens answers $T$ questions here, and about $0.15\,T$ there: from the same text, and for
# nearly the same work, the causal model gets six or seven times as many. So BERT should learn more slowly.
# The paper asks that very question (appendix C.1, figure 5), and finds that it does, slightly, and that it is
# soon ahead all the same. For each of its answers may use both sides.
#
# ### Trained, in seconds each
#
# Prose is too much for a model of seconds. So here are little stories in the language of chapter 12: each is
# about one animal, and says in four to eight sentences what it does and how it is.

# %%
says = {"dog": "bark", "cat": "meow", "bird": "sing", "cow": "moo"}
adjectives, prepositions = ["old", "small", "happy", "wild"], ["near", "behind", "with"]
moods, animals = ["hungry", "tired", "wet", "lost"], [form for kind in says for form in (kind, kind + "s")]


def tell(rng):
    """Return a story: a list of sentences about one animal."""
    kind, plural = list(says)[rng.integers(4)], int(rng.integers(2))
    name, verb = kind + "s" * plural, says[kind] + "s" * (1 - plural)

    def phrase(animal):
        return ["the", *([adjectives[rng.integers(4)]] if rng.random() < 0.5 else []), animal]

    story = []
    for _ in range(rng.integers(4, 9)):
        sentence = ["the", name, "are" if plural else "is", moods[rng.integers(4)]]
        if rng.random() < 0.6:
            beside = [prepositions[rng.integers(3)], *phrase(animals[rng.integers(8)])]
            sentence = [*phrase(name), *(beside if rng.random() < 0.6 else []), verb]
        story.append(" ".join([*sentence, "."]))
    return story


rng = np.random.default_rng(0)
stories = [tell(rng) for _ in range(2000)]
spelled = sorted({word for story in stories for sentence in story for word in sentence.split()})
tokenizer = Tokenizer(
    {word: i for i, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *spelled])}
)
train, held = store_of(stories[:1800], tokenizer), store_of(stories[1800:], tokenizer)
V, T, D = len(tokenizer), 32, 48
sticks = yardsticks(train, held, V)
print(" ".join(stories[0][:3]))
print({name: round(loss, 2) for name, loss in zip(names, sticks, strict=True)})
assert V == 36 and round(math.log(36), 2) == 3.58 and sticks[1] > 2.8 and 1.2 < sticks[2] < 1.45


# %%
def bert():
    """Return a fresh BERT."""
    config = BertConfig(V, 2, D, 4, 2 * D, T, dropout=0.0, attention_dropout=0.0, init_std=0.1)
    return BertForPretraining(config, torch.Generator().manual_seed(0)).double()


def gpt():
    """Return a fresh GPT of the same size."""
    config = GptConfig(V, 2, D, 4, 2 * D, T, dropout=0.0, attention_dropout=0.0, init_std=0.1)
    return Gpt(config, torch.Generator().manual_seed(0)).double()


def masked_loss(model, batch):
    """Return the losses of words (13.2) and, where there are pairs, of pairs."""
    features, told = model.features(batch.ids, batch.segments, batch.attend, batch.slots)
    words = linear_cross_entropy(features, model.words.weight, model.words.bias, batch.targets)
    return [words] if batch.pair_labels is None else [words, cross_entropy(told, batch.pair_labels)]


def causal_loss(model, batch):
    """Return the loss of the next word (13.1)."""
    logits = model(batch.ids).flatten(0, 1)
    return [cross_entropy(logits, batch.targets.flatten())]


def learn(model, batches, loss, steps=400, peak=0.005):
    """Train with AdamW; return the losses of each step, (steps, parts)."""
    optimizer, history = AdamW(decay_groups(model.parameters(), 0.01), lr=peak), []
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = peak * schedule(step / steps, (step + 1) / steps, 0.1)
        parts = loss(model, batches(step))
        optimizer.zero_grad()
        torch.stack(parts).sum().backward()
        clip_gradients(model.parameters(), 1.0)
        optimizer.step()
        history.append([part.item() for part in parts])
    return np.array(history)


def masks(text, pairs, count=32):
    """Return batches of masked words."""
    return PretrainingBatches(text, tokenizer, count, T, pairs=pairs)


# %%
torch.set_num_threads(1)
right = bert()
curves = {"masked words": learn(right, masks(train, False), masked_loss)[:, 0]}
both = learn(bert(), masks(train, True), masked_loss)
curves["masked words, with pairs"], curves["next sentences"] = both.T
curves["next word"] = learn(gpt(), CausalBatches(train, 32, T), causal_loss)[:, 0]


# %%
def smooth(losses, width=15):
    """Return the running mean."""
    return np.convolve(losses, np.ones(width) / width, mode="valid")


fig, ax = plt.subplots(figsize=(8, 4), dpi=100)
styles = {"masked words": "k-", "masked words, with pairs": "k--", "next sentences": "k:", "next word": "k-."}
for name, losses in curves.items():
    ax.plot(smooth(losses), styles[name], label=name, lw=1.8 if name == "next sentences" else 1.2)
for name, loss in zip(names, sticks, strict=True):
    ax.plot([0, 398], [loss, loss], color="0.7", lw=0.8)
    ax.text(404, loss, name, va="center", size=9, color="0.35")
ax.set(
    xlabel="step, of 32 rows of 32 tokens", ylabel="loss (nats per question)", ylim=(0, 4.3), xlim=(-10, 500)
)
ax.set_title("The same rows, three games: the next word learns first, pairs last")
ax.legend(frameon=False, loc="upper center", ncols=2)
fig.tight_layout()
plt.show()

# %%
ends = {name: losses[-30:].mean() for name, losses in curves.items()}
print({name: round(float(loss), 2) for name, loss in ends.items()})
first_below = {
    name: int(np.argmax(smooth(curves[name]) < sticks[2])) for name in ("next word", "masked words")
}
assert ends["next word"] < sticks[2] - 0.3 and 0 < first_below["next word"] < first_below["masked words"]
assert ends["masked words"] < sticks[2] and ends["next sentences"] < 0.55

# %% [markdown]
# The next word is below the bigram's line before fifty steps are over. Masked words first come down to the
# unigram's line, where the model says how frequent words are, and rest there. Then it finds out where to
# look, and slowly works its way through the bigram's. The pairs rest at $\ln 2$ until the words are known.
#
# Do not compare the *ends* of two games. They are other questions: a masked word may be told from both sides,
# but from a text with holes. And a loss over pairs is not a loss over words. Compare a game with its own
# yardstick.

# %%
assert first_below["next word"] < 60

# %% [markdown]
# ### Mistakes that still train
#
# Now the same model with two wrong dice: the throw that is compared with itself, so that nothing ever
# changes, and `[MASK]` always. We ask each of the three for words that are hidden, that are in sight and
# right, and that are in sight and wrong.

# %%
wrong = {
    "compared with itself": "compared with a share of itself",
    "always [MASK]": "all chosen tokens become",
}
models, runs = {"right": right}, {"right": curves["masked words"]}
for label, name in wrong.items():
    models[label] = bert()
    with mutant("mlm", name).made():
        steps = 400 if label == "always [MASK]" else 150
        runs[label] = learn(models[label], masks(train, False), masked_loss, steps)[:, 0]

questions_held = masks(held, False, 400)(0)
answers, asked = questions_held.targets, questions_held.targets != IGNORE
true_ids = questions_held.ids.flatten().clone()
true_ids[questions_held.slots[asked]] = answers[asked]
replaced = torch.from_numpy(5 + integers(V - 5, 9, np.arange(len(answers))))
told = {}
for label, model in models.items():
    told[label] = []
    for shown in (torch.full_like(answers, tokenizer.mask_id), answers, replaced):
        ids = true_ids.clone()
        ids[questions_held.slots[asked]] = shown[asked]
        with torch.no_grad():
            features, _ = model.features(ids.view(-1, T), None, questions_held.attend, questions_held.slots)
            loss = cross_entropy(features @ model.words.weight.T + model.words.bias, answers)
        told[label].append(loss.item())

# %%
fig, axes = plt.subplots(1, 2, figsize=(9, 3.5), dpi=100, width_ratios=[1, 1.15])
for (label, losses), style in zip(runs.items(), ["k-", "k:", "k--"], strict=True):
    axes[0].plot(smooth(losses), style, label=label)
axes[0].set(xlabel="step", ylabel="loss in training (nats)", title="In training", ylim=(-0.1, 4))
axes[0].legend(frameon=False)
places = np.arange(3)
for shift, (label, losses), color in zip(
    (-0.26, 0, 0.26), told.items(), ("black", "white", "0.65"), strict=True
):
    axes[1].bar(places + shift, losses, 0.26, color=color, edgecolor="black", label=label)
    for place, loss in zip(places, losses, strict=True):
        axes[1].text(place + shift, loss + 0.1, f"{loss:.1f}", ha="center", size=8)
axes[1].set_xticks(places, ["the word is\nhidden", "in sight,\nand right", "in sight,\nand wrong"])
axes[1].set(title="Asked afterwards", ylabel="loss (nats)", ylim=(0, 10.5))
axes[1].legend(frameon=False)
fig.suptitle("The best curve belongs to the model that has learned nothing")
fig.tight_layout()
plt.show()

# %%
print({label: [round(loss, 2) for loss in losses] for label, losses in told.items()})
assert runs["compared with itself"][-20:].mean() < 0.01 and told["compared with itself"][0] > 3
assert told["compared with itself"][2] > 5 and told["right"][0] < 1.6
assert 1.5 * told["right"][1] < told["always [MASK]"][1] and told["always [MASK]"][0] < told["right"][0] + 0.1

# %% [markdown]
# *Compared with itself*: the loss is nearly zero after a few dozen steps, for the answer stands in the text.
# Asked for a hidden word, the model is worse than one that knows nothing, and a wrong word it believes
# blindly. *Always [MASK]*: the curve is as good as the right one, and hidden words it tells even better, for
# all its practice was with these. But of a word in sight it makes far less. Nobody had ever asked.
#
# ## The proof
#
# There is no gradient here to hold against finite differences, and dice have no twin that throws the same.
# What can be proven is what must hold for *every* right way of drawing: what is never touched, what adds up,
# what depends on nothing but the key, and shares within six standard deviations. And a check is worth
# something only if it *fails* when it should. So here all checks of these files are run on the right
# functions, and then each mistake that is known of them is made, for a moment, to see whether a check
# objects.

# %%
made_in_all = 0
print(f"{'file':10}{'checks':>8}{'mistakes':>10}{'seen':>6}")
for stem in ("sampling", "mlm", "nsp", "rows", "blocks"):
    checks = checks_of(import_module(f"minibert.learn.checks.{stem}"))
    for check in checks:
        check.run(Sizes(), 0)  # raises where something does not hold
    known = [one for one in mutants() if one.stem == stem]
    seen = sum(bool(first_objection(one)) for one in known)
    print(f"{stem:10}{len(checks):8}{len(known):10}{seen:6}")
    assert seen == len(known)
    made_in_all += seen
assert made_in_all > 100

# %% [markdown]
# And this is what they say to some of them:

# %%
for stem, name in [
    ("mlm", "compared with a share of itself"),
    ("mlm", "all chosen tokens become"),
    ("mlm", "2 % random, 18 % unchanged"),
    ("mlm", "only a tenth of the tokens can ever come"),
    ("mlm", "one throw for the whole row"),
    ("nsp", "the random sentence may come from the same document"),
    ("nsp", "the share of A has the random number of the coin"),
    ("nsp", "a true pair says 1 and a random one 0 as often as not"),
]:
    wrong_one = mutant(stem, name)
    print(f"{wrong_one.name}\n    {first_objection(wrong_one)}\n")

# %% [markdown]
# ## What the papers do differently
#
# - **Once, and for all.** BERT's code makes its questions before the training, ten times for each text, and
#   writes them to a file. RoBERTa (Liu et al. 2019) draws new ones each time ("dynamic masking"), as ours
#   does.
# - **Short rows.** BERT's code makes one row in ten shorter than the others, so that the model gets to see
#   short texts. In ours a row is short where its document is.
# - **Another document.** There, too, a random B comes from another document, at least if ten draws find one.
# - **No pairs.** RoBERTa leaves the pairs out and loses nothing; ALBERT (Lan et al. 2020) asks instead which
#   of two neighbours came first, since a random B can be told by its *topic*. `minibert pretrain --objective
#   mlm` does without, too.
# - **Whole words that do not fit.** BERT's code passes over a word that is too long for what is left, and
#   tries the next. Ours stops.
# - **All tokens.** ELECTRA (Clark et al. 2020) lets a small model replace words, and asks the large one about
#   *every* token: is it the original? That takes away the weakness of 15 %.
#
# ## Exercises
#
# Some functions of this chapter are for you to write. `minibert learn start` makes a folder with a file for
# each, and `minibert learn check` says whether it is right and, if not, what is wrong with it. Each stands
# alone. What comes after them is done with a pencil, or leads further.
#
# ### To write: dice without a state

# %%
exercise("random_bits")

# %%
exercise("random_integers")

# %%
exercise("permutation")

# %%
exercise("examples_at")

# %% [markdown]
# ### To write: masked words

# %%
exercise("count_to_predict")

# %%
exercise("choose_tokens")

# %%
exercise("corrupt")

# %%
exercise("choose_words")

# %% [markdown]
# ### To write: next sentences

# %%
exercise("boundaries")

# %%
exercise("pair_spans")

# %%
exercise("lay_out")

# %% [markdown]
# ### To write: a test

# %%
exercise("judge_corrupt")

# %% [markdown]
# ### To think about
#
# **1. Pencil.** A vocabulary of 100, and no word is ever left alone: 80 % `[MASK]`, 20 % random. What becomes
# of (13.3)? And if no word is ever replaced at random?
#
# <details><summary>Hint</summary>
#
# A word in sight at an asked-for place is the true one only by chance. Without random words the denominator
# loses its second term, and whatever is seen is right.
#
# </details>
#
# **2. How many throws?** Somebody's dice give 78 % `[MASK]` in place of 80 %. How many tokens must you count
# to be sure by six standard deviations?
#
# <details><summary>Hint</summary>
#
# $0.02 = 6 \sqrt{0.8 \cdot 0.2 / n}$ gives $n = 14400$.
#
# </details>
#
# **3. The yardstick of pairs.** Build a rule that tells pairs of the book without any network: count how many
# words A and B have in common. How far does it get above one half?
#
# <details><summary>Hint</summary>
#
# Weigh each common word by $-\ln$ of its frequency, and look for the best limit on one half of the pairs.
#
# </details>
#
# **4. More holes.** Train with 15, 40 and 80 % of the words masked, and ask all three for 15 %. Which is best
# after 400 steps?
#
# <details><summary>Hint</summary>
#
# `mask_rate=0.4` in `PretrainingBatches`. Count in questions and in steps.
#
# </details>
#
# **5. The entropy of the stories.** How low can the loss of the next word get? Work it out for the first
# sentence of a story and for later ones, as chapter 04 did.
#
# <details><summary>Hint</summary>
#
# Within a story the animal is known from the first sentence on, and so is its verb. What is left are the
# adjectives, the animal beside it, the moods, and where a sentence ends.
#
# </details>

# %%
assert round(0.8 * 0.2 / (0.02 / 6) ** 2) == 14400  # the number of the second hint

# %% [markdown]
# ## Further reading
#
# - Taylor 1953, *"Cloze procedure": a new tool for measuring readability*, Journalism Quarterly 30, 415–433.
# - Bengio, Ducharme, Vincent and Jauvin 2003, *A neural probabilistic language model*, JMLR 3, 1137–1155.
# - Radford, Narasimhan, Salimans and Sutskever 2018, *Improving language understanding by generative
#   pre-training*. GPT.
# - Devlin, Chang, Lee and Toutanova 2019, *BERT*, [arXiv:1810.04805](https://arxiv.org/abs/1810.04805),
#   sections 3.1, 5.1 and appendix C. Their code: `create_pretraining_data.py` in
#   [google-research/bert](https://github.com/google-research/bert).
# - Liu et al. 2019, *RoBERTa: a robustly optimized BERT pretraining approach*,
#   [arXiv:1907.11692](https://arxiv.org/abs/1907.11692), section 4.
# - Lan et al. 2020, *ALBERT*, [arXiv:1909.11942](https://arxiv.org/abs/1909.11942): which of two came first.
# - Clark, Luong, Le and Manning 2020, *ELECTRA: pre-training text encoders as discriminators rather than
#   generators*, [arXiv:2003.10555](https://arxiv.org/abs/2003.10555).
# - Wettig, Gao, Zhong and Chen 2023, *Should you mask 15% in masked language modeling?*,
#   [arXiv:2202.08005](https://arxiv.org/abs/2202.08005).
# - Ney, Essen and Kneser 1994, *On structuring probabilistic dependences in stochastic language modelling*,
#   Computer Speech and Language 8, 1–38.
# - Steele, Lea and Flood 2014, *Fast splittable pseudorandom number generators*, OOPSLA. SplitMix.
# - Salmon, Moraes, Dror and Shaw 2011, *Parallel random numbers: as easy as 1, 2, 3*, SC11. Why counters and
#   a hash are as good as a generator.
