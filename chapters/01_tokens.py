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
# # 01 · Tokens (词元)
#
# *A network eats numbers. How does a sentence become a row of numbers?*
#
# **Files:** `minibert/text/bpe.py` · `minibert/text/merging.py` · `minibert/text/wordpiece.py` ·
# `minibert/text/tokenizer.py` · `minibert/text/byte_tokenizer.py` · `minibert/text/base_tokenizer.py` ·
# `tests/test_bpe.py` · `tests/test_merging.py` · `tests/test_wordpiece.py` · `tests/test_tokenizer.py` ·
# `tests/test_byte_tokenizer.py` · `tests/test_base_tokenizer.py`
#
# **Needs:** Python; for one section, which may be skipped, the derivative as it is taught at school
#
# **Time:** 50 minutes

# %% [markdown]
# ## The question: where to cut
#
# You type a sentence. On the other side waits a **neural network** (神经网络), and all that it can do is add
# and multiply numbers. So on the way the sentence must turn into numbers. The plan is simple. Cut the text
# into pieces. Write every piece that may occur into a long list. A piece is then known by its place in the
# list. Such a piece is called a **token** (词元), the list is the **vocabulary** (词表), the place is the
# token's **id** (编号), and what does the cutting is a **tokenizer** (分词器).
#
# The plan leaves one thing open: *which* pieces? Letters? Then nothing is ever missing from the list, but a
# sentence becomes a very long row, and no piece in it means anything alone. Whole words? Then the row is
# short. But the list of words has no end, and of a word that is not in it, nothing can be said at all.
#
# The networks of these chapters, BERT, which reads text, and GPT, which writes it, cut in between: common
# words stay whole, rare words fall into parts. Nobody draws up the list of parts by hand. It is *learned*
# from text, by a procedure so simple that you will carry it out with a pencil in a few minutes. It is called
# **byte-pair encoding** (字节对编码, BPE). GPT uses it; BERT uses a relative, **WordPiece**. You will see
# both. At the end our few lines of Python give the same ids as the fast libraries that everybody uses, down
# to the last one.
#
# A word on how to read these chapters. Between the paragraphs stand cells of Python. Run them one after the
# other, or only read them; what they print is below them. A line that begins with `assert` checks a claim of
# the text: if it were false, the cell would stop there. And `show` prints the library's own code, as it
# stands in its files. The cells that draw pictures you may skip. Change things, and see what breaks. And if
# you are in a hurry: read down to *How many pieces?*, then *WordPiece* as far as its vocabulary, and *The row
# that BERT reads*. The rest can wait.

# %%
import math
import random
import re
import textwrap
import unicodedata
from collections import Counter
from itertools import islice, pairwise
from pydoc_data.topics import topics

import matplotlib.pyplot as plt
import numpy as np

from minibert.learn.notebook import exercise, show
from minibert.text import bpe, wordpiece
from minibert.text.byte_tokenizer import ByteTokenizer
from minibert.text.merging import merge, merges
from minibert.text.tokenizer import Tokenizer

# %% [markdown]
# First we need a text to learn from. You have one already: every Python carries a part of its own manual, the
# pages behind `help("while")`. (Yours may be a little longer or shorter than ours, if your Python is another
# one.)

# %%
book = []
for name in sorted(topics):
    page = re.sub(r"[-*=~^+|_#.]{3,}", " ", topics[name])  # without the lines that are drawn with signs
    book.append(" ".join(page.split()))
print(textwrap.fill(book[0][:380], 100), "…")

assert 400_000 < sum(len(page) for page in book) < 480_000
assert 60_000 < sum(len(page.split()) for page in book) < 75_000

# %% [markdown]
# That is some 400,000 characters, more than 60,000 words. From these pages we let BPE learn a vocabulary of
# 4,000 pieces. The first 256 are there from the beginning and are no more than single characters (bytes, to
# be exact; more of that below). Each further one joins two that are there already, and `bpe.train` returns
# these pairs, in the order in which they were learned. How it finds them we shall see in a moment.

# %%
learned = bpe.train(book, 4000)
print(len(learned), "pairs; the first are", *("".join(pair) for pair in learned[:20]))

assert len(learned) == 4000 - 256 == 3744
assert "".join(learned[0]) == "Ġt" and "".join(learned[5]) == "Ġthe"

# %% [markdown]
# The `Ġ` stands for a space. So the first thing that BPE learned is that many words begin with *t*; sixth
# comes the whole word *the*. Now we cut one sentence, *The interpreter raises an unhelpful exception.*, first
# with the 256 characters alone and then with more and more pieces. In the picture ␣ is a space.


# %%
def cut_with(text, size):
    """Return the pieces of a text, cut with a vocabulary of so many pieces."""
    ranks = {pair: rank for rank, pair in enumerate(learned[: size - 256])}  # pair: its place in the order
    return list(bpe.tokenise(text, ranks))


sentence = "The interpreter raises an unhelpful exception."
sizes = [256, 300, 400, 600, 1000, 2000, 4000]
cuts = {size: [piece.replace("Ġ", "␣") for piece in cut_with(sentence, size)] for size in sizes}

assert len(sentence) == len(cuts[256]) == 46
assert cuts[4000] == ["The", "␣interpreter", "␣raises", "␣an", "␣un", "help", "ful", "␣exception", "."]
assert "unhelpful" not in " ".join(book)


# %%
def boxes(ax, x, y, pieces):
    """Draw pieces in a row, each in a box as wide as it is long; return where the row ends."""
    for number, piece in enumerate(pieces):
        wide = len(piece)
        fill = "0.82" if number % 2 else "0.96"
        ax.add_patch(plt.Rectangle((x, y - 0.36), wide, 0.72, fc=fill, ec="0.35", lw=0.8))
        ax.text(x + wide / 2, y, piece, ha="center", va="center", size=10, family="monospace")
        x += wide
    return x


fig, ax = plt.subplots(figsize=(8.5, 3.4), dpi=100)
for y, (size, cut) in enumerate(cuts.items()):
    end = boxes(ax, 0, -y, cut)
    ax.text(-0.6, -y, f"{size:,}", ha="right", va="center")
    ax.text(end + 0.6, -y, f"{len(cut)}", ha="left", va="center")
ax.text(-0.6, 0.75, "vocabulary", ha="right", va="center", size=9, style="italic")
ax.text(end + 0.2, 0.75, "tokens", ha="left", va="center", size=9, style="italic")
ax.set(xlim=(-6, 50), ylim=(-6.5, 1.1))
ax.axis("off")
ax.set_title("With a larger vocabulary the same sentence has fewer tokens")
plt.show()

# %% [markdown]
# From 46 tokens to 9. Look at the last row. *interpreter* and *exception* are everyday words in a manual of
# Python, so each is one token. *unhelpful* does not occur in the manual at all, and still it is no problem:
# it is written as *un*, *help*, *ful*. Nobody has told the program what a prefix is.
#
# What the network is given in the end are the ids:

# %%
vocabulary = bpe.vocabulary(learned)
print([vocabulary[piece] for piece in cut_with(sentence, 4000)])

# %% [markdown]
# ## What the papers wrote
#
# > Byte Pair Encoding (BPE) (Gage, 1994) is a simple data compression technique that iteratively replaces the
# > most frequent pair of bytes in a sequence with a single, unused byte. We adapt this algorithm for word
# > segmentation. Instead of merging frequent pairs of bytes, we merge characters or character sequences.
# >
# > Sennrich, Haddow and Birch 2016, section 3.2
#
# They translated between languages, and German has no end of long words. The idea came out of data
# compression: what occurs often deserves a short name. For BERT one sentence was enough:
#
# > We use WordPiece embeddings (Wu et al., 2016) with a 30,000 token vocabulary.
# >
# > Devlin et al. 2019, section 3
#
# (*Embeddings* are the numbers that the network has for each token: chapter 03.) Now in symbols. Both start
# from a table of words and how often each occurs. Let $f_w$ be the number of times that the word $w$ stands
# in the text, and let $n_w(a, b)$ say how often, in that word, piece $b$ follows piece $a$ as the word is cut
# at the moment. Then a pair of pieces occurs
#
# $$c(a, b) = \sum_w f_w\, n_w(a, b) \tag{1.1}$$
#
# times. BPE makes one new piece $ab$ out of the pair that occurs most often,
#
# $$(a, b)^* = \arg\max_{(a, b)}\, c(a, b) \tag{1.2}$$
#
# (arg max is the pair for which $c$ is largest, not the count itself). Join the two wherever they stand
# together, count again, and so on, until there are as many pieces as you want.

# %% [markdown]
# ## Byte-pair encoding, with a pencil
#
# Here is a text of 20 words, of five kinds. Copy the first two columns onto paper.
#
# | word | times | its pairs |
# |---|---|---|
# | in | 6 | i-n |
# | sing | 5 | s-i, i-n, n-g |
# | ring | 4 | r-i, i-n, n-g |
# | singer | 3 | s-i, i-n, n-g, g-e, e-r |
# | winter | 2 | w-i, i-n, n-t, t-e, e-r |
#
# Count the pairs (1.1). A pair counts as often as the word in which it stands. The pair i-n stands in all
# five: $6 + 5 + 4 + 3 + 2 = 20$. Next n-g, $5 + 4 + 3 = 12$; s-i, $5 + 3 = 8$; e-r, $3 + 2 = 5$; r-i 4; g-e
# 3; and w-i, n-t and t-e, 2 each.
#
# The winner is i-n (1.2). So *in* becomes a piece, and we write the words again: `in`, `s in g`, `r in g`,
# `s in g e r`, `w in t e r`. Now count again. The pair s-i is gone, for after the `s` comes `in`. The
# largest is in-g, again 12. Go on until you have six new pieces, and then look below: each line shows the
# three largest counts, and the words after the first of them has been merged.


# %%
def learn_slowly(words, times):
    """Return for each merge the pair, the counts of all pairs before it, and the words after it."""
    words = {tuple(word): often for word, often in words.items()}
    steps = []
    for _ in range(times):
        counts = Counter()
        for cut, often in words.items():
            for pair in pairwise(cut):
                counts[pair] += often  # 1.1
        best = min(counts, key=lambda pair: (-counts[pair], pair))  # 1.2; of equals, in order of letters
        words = {tuple(merge(cut, best, "".join(best))): often for cut, often in words.items()}
        steps.append((best, counts, words))
    return steps


toy = {"in": 6, "sing": 5, "ring": 4, "singer": 3, "winter": 2}
steps = learn_slowly(toy, 6)
for _, counts, cuts in steps:
    ahead = ", ".join(f"{'-'.join(pair)} {count}" for pair, count in counts.most_common(3))
    print(f"{ahead:<28} {'   '.join(' '.join(cut) for cut in cuts)}")

# %%
expected = [("in", 20), ("ing", 12), ("sing", 8), ("er", 5), ("ring", 4), ("singer", 3)]
assert [("".join(pair), counts[pair]) for pair, counts, _ in steps] == expected
assert sorted(steps[0][1].values(), reverse=True) == [20, 12, 8, 5, 4, 3, 2, 2, 2] and sum(toy.values()) == 20

fig, ax = plt.subplots(figsize=(8.5, 3.3), dpi=100)
rows = [("letters", list(toy)), *(("".join(pair), list(cuts)) for pair, _, cuts in steps)]
for y, (name, cuts) in enumerate(rows):
    x = 0
    for cut in cuts:
        x = boxes(ax, x, -y, cut) + 1.5
    tokens = sum(often * len(cut) for cut, often in zip(cuts, toy.values(), strict=True))
    ax.text(-0.8, -y, name if y == 0 else f"+ {name}", ha="right", va="center", family="monospace")
    ax.text(x, -y, f"{tokens} tokens", va="center")
x = 0
for word, often in toy.items():
    ax.text(x + len(word) / 2, 0.75, f"{often} times", ha="center", va="center", size=9, style="italic")
    x += len(word) + 1.5
ax.set(xlim=(-5, 34), ylim=(-6.5, 1.1))
ax.axis("off")
ax.set_title("Six merges, and the common words are whole")
plt.show()

# %% [markdown]
# Every time the pair stands in the text, two tokens become one. So a merge makes the text shorter by exactly
# its count. Let $N_k$ be the number of tokens after $k$ merges, and $c_k$ the count of the pair that the
# $k$-th merges; then
#
# $$N_k = N_{k-1} - c_k \tag{1.3}$$
#
# (with one exception, in exercise 2). With your pencil: $78 - 20 = 58$, $58 - 12 = 46$, then $38$, $33$,
# $29$, $26$, as in the picture. This says what (1.2) is after: of all pieces that could join the vocabulary
# now, it takes the one that saves most. It is a **greedy** (贪心) choice, best for the next step and not
# always in the long run.

# %%
lengths_of_toy = [78]
assert sum(often * len(word) for word, often in toy.items()) == 78
for pair, counts, cuts in steps:
    lengths_of_toy.append(lengths_of_toy[-1] - counts[pair])
    assert lengths_of_toy[-1] == sum(often * len(cut) for cut, often in cuts.items())
assert lengths_of_toy == [78, 58, 46, 38, 33, 29, 26]

# %% [markdown]
# `learn_slowly` counts everything again for every merge. The manual has more than 5,000 different words (a
# word is what `bpe.split` gives: a run of letters, of digits, or of other signs, with the space before it).
# For 3,744 merges it would look at a word some 20 million times. That is nearly always in vain. The merges
# save some 300,000 tokens in all, and a word that changes saves at least one: so in less than 2 looks of 100
# there is anything to change.

# %%
words = Counter(word for page in book for word in bpe.split(page))


def length(pairs):
    """Return how many tokens the book has after these merges."""
    ranks = {pair: rank for rank, pair in enumerate(pairs)}
    return sum(often * len(bpe.cut(bpe.to_characters(word), ranks)) for word, often in words.items())


looks, saved = len(words) * len(learned), length([]) - length(learned)
print(f"{len(words):,} words, {looks / 1e6:.0f} million looks, {saved:,} tokens saved")
assert 5_000 < len(words) < 6_000 and 18.5e6 < looks < 22.5e6
assert 290_000 < saved < 350_000 and saved / looks < 0.02

# %% [markdown]
# The library therefore keeps all counts, remembers in which words each pair stands, and corrects only what a
# merge changes. The pairs wait in a **heap** (堆), a list that gives out its smallest entry quickly; we want
# the largest, so the counts in it are negative. An entry whose count is no longer true is put back with the
# right one. (`join` says what piece a pair becomes.)

# %%
show(merges, merge)

# %%
as_letters = {tuple(word): often for word, often in toy.items()}
fast = list(islice(merges(as_letters, lambda left, right: left + right), 6))
assert fast == [(pair, counts[pair]) for pair, counts, _ in steps]

# %% [markdown]
# ## Cutting a new word: the merges, in their order
#
# The vocabulary is learned; a new word comes. How is it cut? As if it had been there all along: go through
# the merges in the order in which they were learned. Take *ringer*, which is not in our text:
#
# | step | cut | which known pairs stand in it |
# |---|---|---|
# | letters | r i n g e r | i-n (learned first), e-r (fourth) |
# | i-n | r in g e r | in-g (second), e-r (fourth) |
# | in-g | r ing e r | e-r (fourth), r-ing (fifth) |
# | e-r | r ing er | r-ing (fifth) |
# | r-ing | ring er | none |
#
# Two pieces, and sensible ones. Here are other words to try with the pencil: *inner*, *stinger*,
# *wintering*.

# %%
ranks = {pair: rank for rank, (pair, _, _) in enumerate(steps)}
assert bpe.cut("ringer", ranks) == ["ring", "er"]
for word in ["inner", "stinger", "wintering"]:
    print(f"{word:<10} {' '.join(bpe.cut(word, ranks))}")

# %%
show(bpe.cut)

# %% [markdown]
# Does the order matter? Cannot one simply go from left to right and merge whatever is a known pair? Try it on
# the commonest word of English, as the manual's merges have it. Three of them are ␣-t, h-e, and ␣t-he, among
# the first ten. Somewhere further down the list is ␣t-h, learned from words like *this*. In order: ␣t he,
# then ␣the. From left to right: ␣t, then ␣th, and now there is an *e* left over, and no pair to take it.


# %%
def cut_from_the_left(word, ranks):
    """Cut a word the wrong way: merge the leftmost pair that is known."""
    pieces = list(word)
    while places := [place for place, pair in enumerate(pairwise(pieces)) if pair in ranks]:
        pieces[places[0] : places[0] + 2] = ["".join(pieces[places[0] : places[0] + 2])]
    return pieces


ranks = {pair: rank for rank, pair in enumerate(learned)}
assert max(ranks["Ġ", "t"], ranks["h", "e"], ranks["Ġt", "he"]) < 10 < ranks["Ġt", "h"]
assert bpe.cut("Ġthe", ranks) == ["Ġthe"] and cut_from_the_left("Ġthe", ranks) == ["Ġth", "e"]

in_bytes = [bpe.to_characters(word) for word in words]
wrong = [word for word in in_bytes if cut_from_the_left(word, ranks) != bpe.cut(word, ranks)]
print(f"{len(wrong):,} of the {len(words):,} words of the book are cut in another way")
assert len(wrong) > len(words) / 2

# %% [markdown]
# More than half of all words, and no error anywhere: the ids are valid, and joined the pieces are the text.
# Only the network, which has learned from the right cuts, would meet ids in places where it has never seen
# them.

# %% [markdown]
# ## How many pieces?
#
# With no merge at all we have letters; if we merge to the end, whole words. Why stop in between?
#
# **Why not letters?** A network works on a row of $T$ tokens, and its heart, attention (chapter 04), compares
# every token with every other: $T^2$ comparisons. Our sentence has 46 tokens in letters and 9 in pieces. That
# is 2,116 comparisons against 81, 26 times as many.
#
# **Why not whole words?** The vocabulary costs something too. Each of its $V$ entries has a row of $D$
# numbers in the network (chapter 03). BERT's base model has $V = 30{,}522$ and $D = 768$, which makes 23
# million numbers, a fifth of the 110 million of the whole model. And a row learns only from the places where
# its token stands. How many are there? Count the words of the book, and line them up, the commonest first.

# %%
assert (46**2, 9**2, round(46**2 / 9**2)) == (2116, 81, 26)
assert round(30_522 * 768 / 1e6) == 23 and 0.2 < 30_522 * 768 / 110e6 < 0.22

# %%
ranks = {pair: rank for rank, pair in enumerate(learned[: 2000 - 256])}
pieces = Counter()
for word, often in words.items():
    for piece in bpe.cut(bpe.to_characters(word), ranks):
        pieces[piece] += often

often_word = np.array(sorted(words.values(), reverse=True))
often_piece = np.array(sorted(pieces.values(), reverse=True))

fig, ax = plt.subplots(figsize=(7, 4.2), dpi=100)
ax.loglog(1 + np.arange(len(often_word)), often_word, "-", color="0.55", lw=2.5, label="words")
ax.loglog(1 + np.arange(len(often_piece)), often_piece, "k--", lw=1.8, label="pieces, vocabulary of 2,000")
line = np.array([8, len(often_word)])
ax.loglog(line, 100 * often_word[99] / line, "k:", lw=1.2, label="ten times further, ten times rarer")
ax.set(xlabel="place in the list (each step of the scale multiplies)", ylabel="times in the book")
for axis in (ax.xaxis, ax.yaxis):
    axis.set_major_formatter("{x:,.0f}")
ax.set_title("Many words come only once; few pieces do")
ax.legend(frameon=False, loc="lower left")
plt.show()

# %%
once, rare = (often_word == 1).mean(), (often_word < 10).mean()
rare_pieces = (often_piece < 10).mean()
half = int(np.searchsorted(often_word.cumsum(), often_word.sum() / 2)) + 1
print(f"{once:.0%} of the words come once, {rare:.0%} fewer than ten times")
print(f"{rare_pieces:.0%} of the pieces come fewer than ten times")
print(f"the {half} commonest words make up half of the text")
assert (often_piece == 1).mean() < once / 5
assert 0.30 < once < 0.33 and 0.78 < rare < 0.81 and 0.12 < rare_pieces < 0.15 and half < 100
assert 6 < often_word[9] / often_word[99] < 14 and 6 < often_word[99] / often_word[999] < 14

# %% [markdown]
# The words fall on a nearly straight line: ten times further down the list, a word is about ten times rarer.
# This is **Zipf's law** (齐夫定律). Nearly a third of the words have *one* place to learn from, four in five
# fewer than ten. Of the pieces, all but a seventh have ten or more. Cutting rare words into common pieces
# gives them a share in what those have learned.
#
# And however long the list, the next text has words that are not in it. Take every fifth page of the manual
# away and draw up the list of all words in the rest. How many words of the pages that we took away are
# missing?

# %%
known = {word for number, page in enumerate(book) if number % 5 for word in bpe.split(page)}
new_pages = [word for page in book[::5] for word in bpe.split(page)]
missing = [word for word in new_pages if word not in known]
of_text, of_words = len(missing) / len(new_pages), len(set(missing)) / len(set(new_pages))
print(f"{of_text:.1%} of the text and {of_words:.0%} of its different words are not in the list, such as")
plain = {word.strip() for word in missing if word.strip().islower()}
print(", ".join(sorted(plain, key=lambda word: (len(word), word))[-12:]))

assert 0.025 < of_text < 0.04 and 0.13 < of_words < 0.16

# %% [markdown]
# Three words in a hundred, and as a rule the ones that say most. And that in the same book! With pieces
# nothing is missing: a word that is not there can always be spelled.
#
# **So how many?** We cut the whole book with vocabularies of growing size. At the left end are single bytes;
# at the right end so many pairs have been merged that every word is one piece.

# %%
every = bpe.train(book, 1_000_000)  # merge until no pair is left
assert every[: len(learned)] == learned  # a small vocabulary is the beginning of a large one

whole = 256 + len(every)
sizes = [256, 270, 300, 350, 400, 500, 700, 1000, 1500, 2000, 3000, 4000, 6000, whole]
lengths = {size: length(every[: size - 256]) for size in sizes}
assert lengths[whole] == sum(words.values()) and lengths[256] == sum(len(page.encode()) for page in book)
assert 2 < lengths[256] / lengths[500] < 2.2  # the first 244 merges
assert 2.1 < lengths[500] / lengths[whole] < 2.3 and 7_800 < whole - 500 < 8_300  # all the others

# %%
fig, ax = plt.subplots(figsize=(7.5, 4), dpi=100)
ax.semilogx(sizes, [lengths[size] / 1000 for size in sizes], "k-o", ms=4)
for size, text, place in [(256, "bytes", (290, 400)), (whole, "whole words", (5000, 150))]:
    at = (size, lengths[size] / 1000)
    ax.annotate(text, at, place, arrowprops={"arrowstyle": "->", "color": "0.4"}, va="center")
ax.text(1050, 148, "pieces", va="bottom")
ax.annotate("", (256, 60), (500, 60), arrowprops={"arrowstyle": "<->", "color": "0.4"})
ax.text(357, 68, "halved", ha="center")
ax.annotate("", (500, 60), (whole, 60), arrowprops={"arrowstyle": "<->", "color": "0.4"})
ax.text(2050, 68, "halved again", ha="center")
ax.set(xlabel="vocabulary, pieces (each step of the scale multiplies)", ylabel="the book, thousand tokens")
ax.set_xticks([256, 500, 1000, 2000, 4000, 8000], ["256", "500", "1,000", "2,000", "4,000", "8,000"])
ax.minorticks_off()
ax.set(ylim=(0, 1.05 * lengths[256] / 1000), title="The first merges shorten the text most")
plt.show()

# %% [markdown]
# The first 244 merges make the book half as long. To halve it once more takes another 8,000, and that is as
# far as it goes: then every word is a single piece. In between you may choose. A vocabulary twice as large
# costs twice the rows and saves less and less. For books of billions of words people have settled between
# 30,000 (BERT) and a few hundred thousand pieces.

# %% [markdown]
# ## On bytes, as GPT does it
#
# One question is still open: what are the smallest pieces? Characters, one would think, as with our pencil.
# But Unicode, the list of the signs of all scripts, has more than 100,000 of them. Put them all into the
# vocabulary, and it is full before the first merge. Leave some out, and a text that has one of them cannot be
# written.
#
# GPT, from GPT-2 on, therefore starts one level deeper, from **bytes** (字节), the numbers from 0 to 255,
# each made of eight bits, of which every file consists. Unicode gives each character a number, its **code
# point** (码点), written as U+ and a hexadecimal number (十六进制): `w` is U+0077, `é` is U+00E9, 语 (yǔ,
# *language*) is U+8BED. The encoding UTF-8 says how to write this number in bytes. A small number takes one
# byte, a larger one up to four, and the first bits of a byte tell which it is. (x is a bit of the number.)
#
# | code points | bits |
# |---|---|
# | up to U+007F | `0xxxxxxx` |
# | up to U+07FF | `110xxxxx 10xxxxxx` |
# | up to U+FFFF | `1110xxxx 10xxxxxx 10xxxxxx` |
# | up to U+10FFFF | `11110xxx 10xxxxxx 10xxxxxx 10xxxxxx` |
#
# Do it with the pencil. Each hexadecimal digit stands for four bits, so `é`, E9, is `1110 1001`. That is more
# than seven bits, so it takes the second row, which has room for eleven: `00011 101001`. With the marks in
# front: `11000011 10101001`. In hexadecimal: C3 A9. Try 语 yourself; the picture has the answer.

# %%
assert "é".encode() == bytes([0b11000011, 0b10101001]) == bytes([0xC3, 0xA9])
assert "语".encode() == bytes([0b11101000, 0b10101111, 0b10101101]) == bytes([0xE8, 0xAF, 0xAD])
assert len("😀".encode()) == 4

kinds = Counter(unicodedata.category(chr(code)) for code in range(0x110000))
assert 0x110000 - kinds["Cn"] - kinds["Co"] - kinds["Cs"] > 100_000  # without those that are no characters

fig, ax = plt.subplots(figsize=(8.5, 2.6), dpi=100)
for y, (char, name) in enumerate({"w": "w  U+0077", "é": "é  U+00E9", "语": "yǔ  U+8BED"}.items()):
    for n, byte in enumerate(char.encode()):
        bits = f"{byte:08b}"
        marks = bits.index("0") + 1
        for i, bit in enumerate(bits):
            fill = "0.8" if i < marks else "white"
            ax.add_patch(plt.Rectangle((9 * n + i, -1.3 * y - 0.4), 1, 0.8, fc=fill, ec="0.4", lw=0.8))
            ax.text(9 * n + i + 0.5, -1.3 * y, bit, ha="center", va="center", family="monospace")
        ax.text(9 * n + 4, -1.3 * y - 0.63, f"{byte:02X}", ha="center", va="center", size=9)
    ax.text(-0.5, -1.3 * y, name, ha="right", va="center", family="monospace")
ax.set(xlim=(-5, 27), ylim=(-3.4, 0.5))
ax.axis("off")
ax.set_title("UTF-8: grey bits say how many bytes belong together, white bits are the number")
plt.show()

# %% [markdown]
# So `w` has one byte, 语 three, and 😀 four. The 256 bytes are an alphabet in which *every* text can be
# written, in any script, today's emoji and tomorrow's. Around it there are three details (Radford et al.
# 2019, and their code).
#
# **Nothing is unknown.** The 256 bytes are in the vocabulary before the first merge, and there they stay.
#
# **Bytes that can be seen.** A byte such as 0x20, the space, or 0xAD prints as nothing, or as half a sign. So
# that pieces can be written into files and looked at, each of the 256 bytes gets a character to stand for it.
# Printable ones stand for themselves, the others for characters from U+0100 on. The space becomes `Ġ`, the
# line break `Ċ`.
#
# **Words first.** Merges do not cross words, or the vocabulary would fill with pieces like *of the*. GPT-2
# cuts the text with a pattern: letters, or digits, or other signs, each with *one* space before it. The space
# belongs to the word that follows. So ␣the and the *the* that begins a text are two different pieces, and no
# space is ever lost.

# %%
show(bpe.to_characters, bpe.train, bpe.vocabulary)

# %%
print(bpe.split("It's 20 °C,  isn't it?"))

assert bpe.to_characters("a né\n") == "aĠnÃ©Ċ"
assert len(vocabulary) == 4000 and list(vocabulary)[256] == "".join(learned[0])
assert 256 + 50_000 + 1 == 50_257  # GPT-2: the bytes, the merges, and one special token

# %% [markdown]
# With Chinese one sees best what it means to learn from bytes. Four sentences of our own are enough. BPE
# does not know that three bytes make a character. It finds out, because they stand together so often; and
# then it finds words.

# %%
chinese = [
    "学习语言需要时间，也需要耐心。",
    "小红学习法语，小明学习英语。",
    "语言是桥，学习是路。",
    "会说两种语言的人，有两双眼睛。",
]
from_chinese = bpe.train(chinese, 256 + 15)
for left, right in from_chinese:
    whole_piece = bpe.from_characters(left + right)
    shown = whole_piece if "\ufffd" not in whole_piece else "(a part of a character)"
    print(f"{bytes(bpe.BYTES[c] for c in left + right).hex(' '):<18} {shown}")

# %%
found = [bpe.from_characters(left + right) for left, right in from_chinese]
assert {"语", "学习", "语言"} <= set(found)
assert {char.encode()[:2].hex() for char in "语说词"} == {"e8af"}
assert ("学".encode()[2:] + "习".encode()[:2]).hex() == "a6e4b9"
assert len(cut_with("学习语言", 4000)) == 12  # the manual has hardly any Chinese: three tokens a character
assert len(list(bpe.tokenise("学习语言", {pair: rank for rank, pair in enumerate(from_chinese)}))) == 2

# %% [markdown]
# Whole characters appear, then 学习, *to learn*, and 语言, *language*. On the way there are pieces that no
# reader would think of. 语, 说 and 词, which all have to do with speech, begin with the same two bytes, E8
# AF. And `a6 e4 b9` is the end of 学 with the beginning of 习. BPE knows bytes and nothing else.
#
# Here is also a matter of fairness. Cut with what was learned from *English*, the four characters 学习语言
# take 12 tokens; cut with what was learned from Chinese, two. Whoever's language was rare in the training
# text pays more for every sentence, in time and in money (Petrov et al. 2023).
#
# **Back to text** is simple: put the bytes together and read them as UTF-8. But *first* together, then read.
# A token may end in the middle of a character, so whoever turns tokens into text one by one, to show them as
# they come, prints rubbish.

# %%
show(bpe.from_characters)

# %%
pieces = cut_with("é 语", 4000)
assert bpe.from_characters("".join(pieces)) == "é 语"
print("together:", bpe.from_characters("".join(pieces)), "  one by one:", *map(bpe.from_characters, pieces))

# %% [markdown]
# One trap is no tokenizer's fault: what you see as one sign may be several code points. `é` can also be an
# `e` followed by an accent that is printed over it. The two look alike, have different bytes, and so get
# different ids.

# %%
one, two = "\u00e9", "e\u0301"
print(one, two, one == two, cut_with(one, 4000), cut_with(two, 4000))
assert one != two and cut_with(one, 4000) != cut_with(two, 4000)

# %% [markdown]
# ## WordPiece: the longest match first
#
# BERT cuts in another way. It does not remember any merges, only the vocabulary. And it marks not the
# beginning of a word but what *continues* one, with `##`. A word is cut from left to right, and each time the
# **longest** piece that fits is taken (最长匹配优先).
#
# A vocabulary for the pencil: `in`, `sing`, `s`, `##ing`, `##er`, `##s`. To cut *singers*: does the
# vocabulary have `singers`? No. `singer`? No. `singe`? No. `sing`? Yes. What is left is *ers*: `##ers`? No.
# `##er`? Yes. Left is *s*: `##s`, yes. So `sing ##er ##s`.
#
# And *king*? `king`, `kin`, `ki`, `k`: none is there. A word that cannot be cut to its very end becomes, as a
# whole, the one token `[UNK]`, for unknown (未知词). All of it is lost, also the *ing* that would have
# fitted.

# %%
pieces = ["[UNK]", "in", "sing", "s", "##ing", "##er", "##s"]
small = {piece: id for id, piece in enumerate(pieces)}
assert wordpiece.wordpiece("singers", small) == ["sing", "##er", "##s"]
assert wordpiece.wordpiece("king", small) == ["[UNK]"]

show(wordpiece.wordpiece)

# %% [markdown]
# The longest match is a greedy choice as well, and it never goes back. With the pieces `ab`, `a` and
# `##bc`, the word *abc* can be cut, into `a ##bc`. But `ab` is longer than `a`, so it is taken, and then
# `##c` is missing: `[UNK]`. In practice each letter is in the vocabulary, and with `##` too if it was ever
# seen inside a word, so this is rare.

# %%
assert wordpiece.wordpiece("abc", {"ab": 0, "a": 1, "##bc": 2}) == ["[UNK]"]
assert wordpiece.wordpiece("abc", {"ab": 0, "a": 1, "##bc": 2, "##c": 3}) == ["ab", "##c"]

# %% [markdown]
# ### Where its vocabulary comes from
#
# The same loop learns it. Words start as letters, those inside with `##`, so that `i` and `##i` are two
# pieces. Our 20 words again: now ##i-##n counts only where it is inside a word, $5 + 4 + 3 + 2 = 14$ times,
# and i-##n, in the word *in*, 6 times. (The `heapq.merge` at the end decides between letters and longer
# pieces: a rare letter goes into the vocabulary before a pair that is more frequent, for without the letter a
# whole word would be lost.)

# %%
show(wordpiece.train)

# %%
text = " ".join(" ".join([word] * often) for word, often in toy.items())
vocab = wordpiece.train([text], 5 + 14 + 7)  # 5 special tokens, 14 letters, 7 merges
print(*vocab)
assert list(vocab)[-7:] == ["##in", "##ing", "sing", "in", "##er", "ring", "singer"]
assert wordpiece.wordpiece("ringer", vocab) == ["ring", "##er"]
assert wordpiece.wordpiece("stinger", vocab) == ["s", "##t", "##ing", "##er"]

marked = {(word[0], *("##" + letter for letter in word[1:])): often for word, often in toy.items()}
times = dict(merges(marked, lambda left, right: left + right.removeprefix("##")))
assert times["##i", "##n"] == 14 and times["i", "##n"] == 6

# %% [markdown]
# ### The pair that makes the text likeliest (to be skipped at a first reading)
#
# Ours merges the pair that occurs most often, as BPE does. Schuster and Nakajima, who invented WordPiece in
# 2012 for Japanese and Korean, took another one: the pair whose merging makes the training text *most
# likely*. What does that mean? Take the simplest model there is, which draws every token by itself, as from
# an urn. Piece $v$ stands in the text $c_v$ times, of $N$ tokens in all, so it is drawn with probability
# $c_v / N$. The probability of the whole text is the product of those of its tokens, in which each piece $v$
# stands $c_v$ times. Its logarithm, the **log-likelihood** (对数似然), turns the product into a sum:
#
# $$\ell = \sum_v c_v \log \frac{c_v}{N} = \sum_v g(c_v) - g(N) \qquad\text{with } g(x) = x \log x \tag{1.4}$$
#
# since $\sum_v c_v = N$. Now merge two different pieces $a$ and $b$, which stand together $n = c(a, b)$
# times. There are $n$ fewer of $a$ and of $b$, there are $n$ of the new piece, and by (1.3) there are $n$
# fewer tokens. So $\ell$ grows by
#
# $$\Delta \ell = g(c_a - n) + g(c_b - n) + g(n) - g(c_a) - g(c_b) + g(N) - g(N - n) \tag{1.5}$$
#
# To see what this favours, let $n$ be small beside $c_a$, $c_b$ and $N$. Then
# $g(c - n) \approx g(c) - n\, g'(c)$, where $g'(c) = \log c + 1$ is the slope. Put that in, and nearly
# everything cancels:
#
# $$\Delta \ell \approx n \big( -(\log c_a + 1) - (\log c_b + 1) + \log n + (\log N + 1) \big)
# = n \left( \log \frac{n\, N}{c_a\, c_b} - 1 \right) \tag{1.6}$$
#
# The fraction says how many times as often as by chance the two stand together. (By chance, $b$ follows an
# $a$ with probability $c_b / N$, which makes $c_a c_b / N$ pairs.) So the likelihood wants pairs that are
# frequent ($n$ in front) *and* belong together (the logarithm). One often reads of a score that keeps only
# the second,
#
# $$\frac{c(a, b)}{c_a\, c_b} \tag{1.7}$$
#
# which loves rare pairs: two letters that occur once, side by side, get 1, and there is no higher score. Here
# are the three on our 20 words, before the first merge:

# %%
counts = Counter()
for word, often in toy.items():
    for letter in word:
        counts[letter] += often
pairs = Counter()
for word, often in toy.items():
    for pair in pairwise(word):
        pairs[pair] += often


def g(x):
    return x * math.log(x) if x else 0.0


def gain(pair):
    """Return by how much the log-likelihood grows when a pair is merged (1.5)."""
    n, a, b, N = pairs[pair], counts[pair[0]], counts[pair[1]], counts.total()
    return g(a - n) + g(b - n) + g(n) - g(a) - g(b) + g(N) - g(N - n)


score = {pair: n / (counts[pair[0]] * counts[pair[1]]) for pair, n in pairs.items()}
print("pair   count (1.2)   likelihood (1.5)   score (1.7)")
for pair, n in pairs.most_common():
    print(f"{'-'.join(pair)}    {n:>8}   {gain(pair):>14.1f}   {score[pair]:>13.3f}")

assert sorted(pairs, key=gain, reverse=True)[:4] == [("i", "n"), ("n", "g"), ("e", "r"), ("s", "i")]
assert max(score, key=score.get) == ("t", "e") and pairs["t", "e"] == 2
assert counts["e"] == pairs["e", "r"] == 5 and counts["s"] == pairs["s", "i"] == 8
assert counts["r"] == 9 and counts["i"] == 20
assert gain(("r", "i")) < 0 and round(counts["r"] * counts["i"] / counts.total(), 1) == 2.3

# %% [markdown]
# Count and likelihood agree on i-n and n-g. Then the likelihood prefers e-r to s-i, though it is rarer. Each
# e has an r after it, and each s an i; but of the 9 r more than half follow an e, and of the 20 i only 8 an
# s. For r-i the likelihood would even fall: four times is not much more than the 2.3 times that chance would
# bring r and i together. The score (1.7) puts t-e first, which stands there twice. Which rule made BERT's
# vocabulary? Google never published the program. The library `tokenizers` takes the most frequent pair, and
# so do we.

# %% [markdown]
# ## Before the cutting: BERT tidies up
#
# BERT does not read the text as it stands. It first **normalises** it (规范化), then cuts it at spaces and
# around punctuation, and only then come the pieces. Normalising means: control characters go, every kind of
# white space becomes a space; around each Chinese character a space is put; and in an "uncased" model,
# accents are taken off and capitals become small.

# %%
show(wordpiece.normalise, wordpiece.strip_accents, wordpiece.separate_chinese, wordpiece.basic_split)

# %%
samples = [
    "Él Niño's CAFÉ",
    "e\u0301te\u0301",
    "it's $1.50!",
    "语言模型 is a model",
    "ひらがな",
]
for sample in samples:
    print(f"{' '.join(wordpiece.basic_split(sample)):<30} from   {sample}")

assert wordpiece.basic_split("Él Niño") == ["el", "nino"]
assert wordpiece.basic_split("it's $1.50!") == ["it", "'", "s", "$", "1", ".", "50", "!"]
assert wordpiece.basic_split("语言模型") == ["语", "言", "模", "型"]
assert wordpiece.basic_split("ひらがな") == ["ひらかな"]  # the two strokes on が count as an accent
assert wordpiece.basic_split("Él Niño", lowercase=False) == ["Él", "Niño"]

# %% [markdown]
# How are accents taken off? Unicode can take a sign apart: `é` becomes `e` and a mark, and marks are
# dropped. Look at the last line for the price. In Japanese the two small strokes on が are such a mark, and
# without them it is another syllable.
#
# Chinese writes no spaces between words. BERT does not try to find the words: each character becomes a
# token, and it is left to the network to learn that 语 and 言 together are *language*. A BERT for Chinese
# therefore needs all common characters in its vocabulary. One that has learned from our manual has hardly
# any, and gives `[UNK]`, which for bytes could not happen:

# %%
tokenizer = Tokenizer.train(book, 4000)
print([tokenizer.piece(id) for id in tokenizer.encode("语言 means language.")])
assert tokenizer.encode("语言") == [tokenizer.unk_id, tokenizer.unk_id]

own = Tokenizer.train(chinese, 100)
assert [own.piece(id) for id in own.encode(chinese[2])] == list(chinese[2])

# %% [markdown]
# `Tokenizer` is the class of ours that runs in training. It learns its vocabulary with `wordpiece.train`
# above, and leaves the cutting to the library `tokenizers`, which is written in Rust and much faster.
# `ByteTokenizer` is its twin for BPE. That they give the same ids as our own lines is proven at the end of
# this chapter.

# %% [markdown]
# ## The row that BERT reads
#
# Five tokens of the vocabulary are no text. They are called **special tokens** (特殊词元), and ours have the
# ids 0 to 4:
#
# | token | what it is for |
# |---|---|
# | `[PAD]` | fills up (填充) short rows, for the rows that go into a network together must be equally long |
# | `[UNK]` | a word that cannot be cut |
# | `[CLS]` | begins every row; what comes of it stands for the whole text (classification, 分类) |
# | `[SEP]` | ends each of the two parts (separator, 分隔) |
# | `[MASK]` | a blank (掩码) to be filled in (chapter 13) |
#
# BERT reads one text or two. A pair is laid out in one row, and beside each id two more numbers go in: which
# of the two parts the token belongs to, its **segment** (句段), and its **position** (位置). A last row of
# zeros and ones says where there is something to attend to, so that nobody looks at padding (chapter 04).

# %%
first, second = tokenizer.encode("The singer stops."), tokenizer.encode("It was winter.")
T = 16
ids = [tokenizer.cls_id, *first, tokenizer.sep_id, *second, tokenizer.sep_id]
segments = [0] * (1 + len(first) + 1) + [1] * (len(second) + 1)
empty = T - len(ids)
attend = [1] * len(ids) + [0] * empty
ids, segments = ids + [tokenizer.pad_id] * empty, segments + [0] * empty

fig, ax = plt.subplots(figsize=(9.5, 2.6), dpi=100)
lines = [[tokenizer.piece(id) for id in ids], ids, segments, list(range(T)), attend]
names = ["token", "id", "segment", "position", "attend"]
for y, (name, line) in enumerate(zip(names, lines, strict=True)):
    ax.text(-0.2, -y, name, ha="right", va="center", size=10)
    for x, value in enumerate(line):
        shade = "0.65" if not attend[x] else ["0.98", "0.85"][segments[x]]
        ax.add_patch(plt.Rectangle((x, -y - 0.4), 1, 0.8, fc=shade, ec="0.4", lw=0.8))
        ax.text(x + 0.5, -y, value, ha="center", va="center", size=8, family="monospace")
ax.set(xlim=(-1.8, T + 0.1), ylim=(-4.5, 0.5))
ax.axis("off")
ax.set_title("Two sentences in one row: [CLS] first [SEP] second [SEP], then padding")
plt.show()

# %% [markdown]
# The positions need not be stored; they are 0, 1, 2, … anyway. In training, `lay_out` of
# `minibert/batches/rows.py` writes such rows, many at once. That `transformers` has the same row, you will
# see in the proof.

# %% [markdown]
# What if a text *spells* a special token? Somebody writes about BERT and mentions `[MASK]`; somebody else
# types `[SEP]` into a web form, to end the first part where it suits him. To our tokenizers such text is
# text, a word in brackets, unless you ask for the other. `transformers` takes it for the token, unless told
# otherwise.

# %%
spelled = "The [MASK] is a blank."
print([tokenizer.piece(id) for id in tokenizer.encode(spelled)])
print([tokenizer.piece(id) for id in tokenizer.encode(spelled, specials=True)])
assert tokenizer.mask_id not in tokenizer.encode(spelled)
assert tokenizer.encode(spelled, specials=True).count(tokenizer.mask_id) == 1

# %% [markdown]
# ## From ids back to text
#
# With bytes nothing is lost, ever. WordPiece has thrown things away before the cutting even began, and they
# do not come back: capitals, accents, how many spaces there were and where, and whole words that were
# unknown. For people to read, the pieces are joined and the commonest marks moved to where they belong.

# %%
byte_tokenizer = ByteTokenizer.train(book, 4000)
for sample in ["Él Niño's  CAFÉ,\nopen!", "x = f(1) ** 2", "well-known: 1,000 ways", "语言 😀"]:
    print(f"{tokenizer.decode(tokenizer.encode(sample))!r:<26} from   {sample!r}")
    assert byte_tokenizer.decode(byte_tokenizer.encode(sample)) == sample

assert tokenizer.decode(tokenizer.encode("The Well-Known café.")) == "the well-known cafe."

# %% [markdown]
# For a model that *understands* text, such as BERT, the loss is bearable, and an uncased vocabulary need not
# hold *The* beside *the*. A model that *writes* text must be able to write all of it. That is one more reason
# for bytes in GPT.

# %% [markdown]
# ## The proof
#
# In the chapters that follow, a proof compares slopes. Here there are none; the proof is that others, who
# know nothing of us, get the same ids. There are three:
#
# - the library `tokenizers`, written in the fast language Rust, for both ways of cutting, and for learning
#   byte pairs;
# - `BertTokenizer` of the library `transformers`, for whole rows with special tokens;
# - the older `BertTokenizer` in plain Python, kept in `transformers`, which goes back to the code that came
#   with BERT.
#
# Strings from the book prove little; they are too well-behaved. So we also draw nasty ones: of all kinds of
# characters that Unicode knows, line breaks, invisible joiners, accents on nothing, brackets, `##`. Unicode
# grows every year, and Python's tables are not of the same year as those of the libraries. We therefore draw
# from the characters whose kind has not changed since Unicode 3.2 of 2002, which Python still carries.

# %%
characters = {}  # kind of Unicode, such as "Lu", capitals, or "Mn", accents and other marks: its characters
for char in map(chr, range(0x110000)):
    kind = unicodedata.category(char)
    if kind not in ("Cn", "Co", "Cs") and unicodedata.ucd_3_2_0.category(char) == kind:
        characters.setdefault(kind, []).append(char)
KINDS = list(characters.values())
TROUBLE = "abcXYZ019 \n\t.,'\"()[]#-_éÑß中文한ぴΣİ½\u0301\u200d\u00ad\u3000😀"


def nasty(rng):
    """Return a string of up to 12 parts: characters of any kind, those of TROUBLE, bits of the book."""
    parts = []
    for _ in range(rng.randint(0, 12)):
        page = rng.choice(book)
        start = rng.randrange(len(page))
        bit = page[start : start + rng.randint(1, 12)]
        parts.append(rng.choice([rng.choice(rng.choice(KINDS)), rng.choice(TROUBLE), bit]))
    return "".join(parts)


rng = random.Random(1)
strings = [nasty(rng) for _ in range(2000)]
print(*(ascii(text)[:110] for text in strings[:5]), sep="\n")

# %%
ranks = {pair: rank for rank, pair in enumerate(byte_tokenizer.merges)}


def wordpiece_by_hand(text):
    return wordpiece.encode(text, tokenizer.vocab)


def bytes_by_hand(text):
    return [byte_tokenizer.vocab[piece] for piece in bpe.tokenise(text, ranks)]


def and_back(text):
    return bpe.from_characters("".join(bpe.tokenise(text, ranks)))


witnesses = {  # name: (ours, theirs)
    "byte pairs, ids: tokenizers": (bytes_by_hand, byte_tokenizer.encode),
    "byte pairs and back: the text itself": (and_back, str),
    "WordPiece, ids: tokenizers": (wordpiece_by_hand, tokenizer.encode),
}

# %%
from importlib.util import find_spec

if find_spec("transformers"):  # without it, there are two witnesses fewer
    from transformers import BertTokenizer
    from transformers.models.bert.tokenization_bert_legacy import BasicTokenizer, WordpieceTokenizer

    theirs = BertTokenizer(vocab=dict(tokenizer.vocab), do_lower_case=True)
    split_older, cut_older = BasicTokenizer(), WordpieceTokenizer(tokenizer.vocab, unk_token="[UNK]")

    def row_by_hand(text):
        return [tokenizer.cls_id, *wordpiece_by_hand(text), tokenizer.sep_id]

    def ids_by_the_older(text):
        pieces = [piece for word in split_older.tokenize(text) for piece in cut_older.tokenize(word)]
        return [tokenizer.vocab[piece] for piece in pieces]

    witnesses["WordPiece, whole row: transformers"] = (row_by_hand, lambda text: theirs(text)["input_ids"])
    witnesses["WordPiece, ids: the older one"] = (wordpiece_by_hand, ids_by_the_older)

    pair = theirs("The singer stops.", "It was winter.", padding="max_length", max_length=T)
    assert [pair["input_ids"], pair["token_type_ids"], pair["attention_mask"]] == [ids, segments, attend]
    assert split_older.tokenize("ΟΔΟΣ") == ["οδος"] and wordpiece.basic_split("ΟΔΟΣ") == ["οδοσ"]
    assert theirs(spelled)["input_ids"][1:-1] == tokenizer.encode(spelled, specials=True)


# %%
def differing(name, strings):
    """Return the strings of which a witness says something else."""
    ours, others = witnesses[name]
    return [text for text in strings if ours(text) != others(text)]


for name in witnesses:
    print(f"{name:<38} {len(strings):,} strings, {len(differing(name, strings))} differ")
    assert not differing(name, strings)

# %% [markdown]
# So much for the cutting. And the learning? Of two equally frequent pairs one has to go first. `tokenizers`
# has a fixed rule for byte pairs, and we have the same, so all merges agree, in their order. For WordPiece it
# decides by chance; two runs may give two vocabularies. There we agree up to such ties (the tests say exactly
# how), and ours is the same every time.

# %%
assert list(byte_tokenizer.merges) == bpe.train(book, 4000 - 1)  # one id is for <|endoftext|>
print(f"{len(byte_tokenizer.merges):,} merges, all the same")

# %% [markdown]
# Now break it on purpose. Each of these is something that people do write. `made()` puts the mistake into the
# library's function for a moment. Which witness objects first, and to how many strings? The plainest of them
# is shown, of plain letters if there is such a one, and short.

# %%
from minibert.learn.mutate import Mutant

each_alone = '"".join(bytes([BYTES[char]]).decode("utf-8", "replace") for char in text)'
mistakes = [  # function, name, what stands there, what is put in its place
    Mutant("minibert.text.wordpiece:wordpiece", "the shortest match first",
           "range(len(word), start, -1)", "range(start + 1, len(word) + 1)"),
    Mutant("minibert.text.wordpiece:wordpiece", "the ## forgotten", '"##" if start else ""', '""'),
    Mutant("minibert.text.wordpiece:normalise", "capitals fold, accents stay", "strip_accents(text)", "text"),
    Mutant("minibert.text.bpe:cut", "merges from the left, not in their order", "min(known)", "known[0]"),
    Mutant("minibert.text.bpe:from_characters", "each byte read for itself",
           'bytes(BYTES[char] for char in text).decode("utf-8", "replace")', each_alone),
]  # fmt: skip


def first_objection(strings):
    """Return the first witness that finds a difference, and the strings that differ."""
    for name in witnesses:
        if texts := differing(name, strings):
            return name, texts
    raise AssertionError("nobody saw it")


def plainness(text):
    """Sort by this, and short strings of plain letters come first."""
    return not text.isascii(), not text.isalpha(), len(text)


def in_pieces(ids):
    """Write ids, or a text, one by one."""
    return " ".join(cutter.piece(id) if isinstance(id, int) else id for id in ids)


for mistake in mistakes:
    with mistake.made():
        name, texts = first_objection(strings[:500])
        text = min(texts, key=plainness)
        ours, others = (cut(text) for cut in witnesses[name])
    cutter = tokenizer if name.startswith("WordPiece") else byte_tokenizer
    print(f"{mistake.name}: {len(texts)} of 500 strings differ ({name})")
    print(f"    {text!r} became {in_pieces(ours)} in place of {in_pieces(others)}\n")

# %% [markdown]
# ## What the papers do differently
#
# - **Sennrich et al.** start from characters, not bytes, and mark the *end* of a word with a sign of its
#   own, so that `er` at the end and `er` inside are two pieces. In one of their two ways, joint BPE, they
#   learn one list of merges from both languages of a translation, so that names are cut alike in both.
# - **Schuster and Nakajima 2012** merge what makes the text likeliest, see (1.5), for the search by voice
#   in Japanese and Korean. **Wu et al. 2016** brought it to translation; they mark the *beginning* of a
#   word.
# - **Devlin et al.** speak of 30,000 pieces; the uncased English model that they released has 30,522, about
#   a thousand of them empty places for one's own use. Their code gives up on words of more than 200
#   characters; ours, like `transformers`, of more than 100.
# - **Radford et al. 2019** do byte pairs as we do; the pattern that cuts words is theirs. It knows `'s` and
#   `'t` but not `'S`, and it divides numbers as the commonest digits have it: 1990 may be one token and
#   1991 two.
# - **Letters first.** Our WordPiece takes a rare letter into the vocabulary rather than a pair that is up
#   to a hundred times as frequent. `tokenizers` takes all letters, unless it is given a limit.
# - **ς.** At the end of a word a Greek capital Σ becomes ς in the older code, as Greeks write it, and σ in
#   both libraries and here, where each letter folds for itself.
#
# ## Exercises
#
# Ten functions of this chapter are for you to write, and a test of one of them. `minibert learn start` makes
# a folder with a file for each: what it is to do, and an empty body. Fill it, and `minibert learn check` says
# whether it is right and, if not, what is wrong with it. Each stands alone, and you may begin with any. (Or
# write the function in a cell of a notebook, and call `check` on it: `from minibert.learn import check`.) The
# six questions after them are done with a pencil, or lead further.
#
# ### To write: byte pairs

# %%
exercise("merge")

# %%
exercise("merges")

# %%
exercise("bpe_cut")

# %% [markdown]
# ### To write: from bytes and back

# %%
exercise("byte_characters")

# %%
exercise("to_characters")

# %%
exercise("bpe_train")

# %%
exercise("bpe_decode")

# %% [markdown]
# ### To write: WordPiece

# %%
exercise("wordpiece")

# %%
exercise("strip_accents")

# %%
exercise("basic_split")

# %% [markdown]
# ### To write: a test

# %%
exercise("judge_wordpiece")

# %% [markdown]
# ### To think about
#
# **1. Pencil.** The text has *he* 5 times, *her* 4 times, *here* 3 times and *hero* twice. Find the first
# three merges and how many tokens are left after each. How is *heron* cut then, and what becomes of
# its *n*?
#
# <details><summary>Hint</summary>
#
# h-e stands there 14 times, not 17: the second `e` of *here* follows an r. At the beginning there are
# $5 \cdot 2 + 4 \cdot 3 + 3 \cdot 4 + 2 \cdot 4 = 42$ tokens. No word has an *n*: is it in the vocabulary of
# a tokenizer that starts from letters? From bytes?
#
# </details>
#
# **2. The exception.** In *aaaa* the pair a-a is counted three times (1.1). By how much does merging it
# shorten the word? Correct (1.3). Does a text exist in which BPE therefore takes a pair that saves less
# than another would?
#
# <details><summary>Hint</summary>
#
# `merge("aaaa", ("a", "a"), "aa")`. Then try *aaa* twice against *bcd* three times.
#
# </details>
#
# **3. The cut, the other way.** Write a second `cut`, one that goes through *all* merges in their order, and
# for each through the word. Show with `strings` that it agrees with the library's. Which of the two is
# faster, and when would it be the other?
#
# <details><summary>Hint</summary>
#
# You need nothing but `merge`. This one always takes as many rounds as there are merges, the library's only
# as many as there are merges in this word.
#
# </details>
#
# **4. Going back.** Write a WordPiece that finds a cut whenever there is one: of all possible cuts, one
# with the fewest pieces. On how many words of the book does it differ from the longest match, with the
# vocabulary of 4,000?
#
# <details><summary>Hint</summary>
#
# For every end, remember the best cut of the word up to there. The best cut up to `end` is the best cut up
# to some `start`, and the piece from `start` to `end`.
#
# </details>
#
# **5. By likelihood.** Change `learn_slowly` so that it merges by (1.5) in place of (1.2), and let both
# learn 300 pieces from five pages of the book. How many do they share? Which cuts the book into fewer
# tokens? And what happens with (1.7)?
#
# <details><summary>Hint</summary>
#
# You also need $c_v$ for each piece, and $N$, before each merge. Stop when no merge makes the text more
# likely.
#
# </details>
#
# **6. Your language.** Take a page of text in a language that you know, and the same in English. How many
# tokens do both take with `byte_tokenizer`? Then let a tokenizer learn from both, with 4,000 pieces, and
# count again.
#
# <details><summary>Hint</summary>
#
# `ByteTokenizer.train([one, other], 4000)`. A page is too little to learn much; how many pages does it take
# until the counts hardly change?
#
# </details>
#
# ## Further reading
#
# - Gage 1994, *A new algorithm for data compression*, The C Users Journal 12(2), 23–38. Where byte pairs
#   come from.
# - Sennrich, Haddow and Birch 2016, *Neural machine translation of rare words with subword units*,
#   [arXiv:1508.07909](https://arxiv.org/abs/1508.07909).
# - Schuster and Nakajima 2012, *Japanese and Korean voice search*, ICASSP, 5149–5152. WordPiece.
# - Wu et al. 2016, *Google's neural machine translation system*,
#   [arXiv:1609.08144](https://arxiv.org/abs/1609.08144), section 4.
# - Devlin, Chang, Lee and Toutanova 2019, *BERT*, [arXiv:1810.04805](https://arxiv.org/abs/1810.04805),
#   section 3.
# - Radford, Wu, Child, Luan, Amodei and Sutskever 2019, *Language models are unsupervised multitask
#   learners*, section 2.2. Bytes.
# - Kudo 2018, *Subword regularization*, [arXiv:1804.10959](https://arxiv.org/abs/1804.10959), and
#   Provilkov, Emelianenko and Voita 2020, *BPE-dropout*,
#   [arXiv:1910.13267](https://arxiv.org/abs/1910.13267). Cut the same word in several ways in training, so
#   that the network gets used to it.
# - Kudo and Richardson 2018, *SentencePiece*, [arXiv:1808.06226](https://arxiv.org/abs/1808.06226). Without
#   cutting into words first.
# - Bostrom and Durrett 2020, *Byte pair encoding is suboptimal for language model pretraining*,
#   [arXiv:2004.03720](https://arxiv.org/abs/2004.03720).
# - Song, Salcianu, Song, Dopson and Zhou 2021, *Fast WordPiece tokenization*,
#   [arXiv:2012.15524](https://arxiv.org/abs/2012.15524). The longest match in linear time.
# - Xue et al. 2022, *ByT5*, [arXiv:2105.13626](https://arxiv.org/abs/2105.13626). What if one does stay
#   with bytes?
# - Petrov, La Malfa, Torr and Bibi 2023, *Language model tokenizers introduce unfairness between
#   languages*, [arXiv:2305.15425](https://arxiv.org/abs/2305.15425).
