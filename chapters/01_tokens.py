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
# **Needs:** Python; for one section, the derivative as it is taught at school
#
# **Time:** 60 minutes

# %% [markdown]
# ## The question: where to cut
#
# You type a sentence. On the other side waits a network, and all that it can do is add and multiply. So on
# the way the sentence must turn into numbers. The plan is simple. Cut the text into pieces. Write every
# piece that may occur into a long list. A piece is then known by its place in the list. Such a piece is
# called a **token** (词元), the list is the **vocabulary** (词表), the place is the token's **id** (编号),
# and what does the cutting is a **tokenizer** (分词器).
#
# The plan leaves one thing open: *which* pieces? Letters? Then nothing is ever missing from the list, but a
# sentence becomes a very long row, and no piece in it means anything alone. Whole words? Then the row is
# short. But the list of words has no end, and of a word that is not in it, nothing can be said at all.
#
# BERT and GPT cut in between: common words stay whole, rare words fall into parts. Nobody draws up the list
# of parts by hand. It is *learned* from text, by a procedure so simple that you will carry it out with a
# pencil in a few minutes. This chapter does so, twice: **byte-pair encoding** (字节对编码, BPE), which GPT
# uses, and **WordPiece**, which BERT uses. At the end our few lines of Python give the same ids as the fast
# libraries that everybody uses, down to the last one.
#
# A word on how to read these chapters. Between the paragraphs stand cells of Python. Run them one after the
# other, or only read them; what they print is below them. A line that begins with `assert` checks a claim
# of the text: if it were false, the cell would stop there. And `show` prints the library's own code, the
# very lines that run in training. Change things, and see what breaks.

# %%
import math
import random
import re
import textwrap
import unicodedata
from collections import Counter
from importlib.util import find_spec
from itertools import islice, pairwise
from pydoc_data.topics import topics

import matplotlib.pyplot as plt
import numpy as np

# %%
from minibert.batches.batch import lay_out
from minibert.batches.nsp import Spans
from minibert.learn.mutate import Mutant
from minibert.learn.notebook import show
from minibert.text import bpe, wordpiece
from minibert.text.byte_tokenizer import ByteTokenizer
from minibert.text.merging import merge, merges
from minibert.text.tokenizer import Tokenizer

# %% [markdown]
# First we need a text to learn from. You have one already: every Python carries a part of its own manual,
# the pages behind `help("while")`. They are `pydoc_data.topics`. (Yours may be a little longer or shorter
# than ours, if your Python is another one.)

# %%
book = [" ".join(re.sub(r"[-*=~^+|_#.]{3,}", " ", topics[name]).split()) for name in sorted(topics)]
print(textwrap.fill(book[0][:380], 100), "…")

letters_in_book = sum(map(len, book))
assert 400_000 < letters_in_book < 480_000
assert 60_000 < sum(len(page.split()) for page in book) < 75_000

# %% [markdown]
# Some 400,000 characters, more than 60,000 words. From these pages we let BPE learn 4,000 pieces and look
# at one sentence, *The interpreter raises an unhelpful exception.* It is cut with the first 256 pieces of
# the vocabulary, which are no more than single characters, and then with more and more of them. The sign ␣
# is a space.


# %%
def boxes(ax, x, y, pieces, size=10, width=1.0):
    """Draw pieces in a row, each in a box as wide as it is long; return where the row ends."""
    for number, piece in enumerate(pieces):
        wide = width * len(piece)
        fill = "0.82" if number % 2 else "0.96"
        ax.add_patch(plt.Rectangle((x, y - 0.36), wide, 0.72, fc=fill, ec="0.35", lw=0.8))
        ax.text(x + wide / 2, y, piece, ha="center", va="center", size=size, family="monospace")
        x += wide
    return x


# %%
learned = bpe.train(book, 4000)


def cut_with(text, size):
    """Return the pieces of a text, cut with a vocabulary of so many pieces."""
    ranks = {pair: rank for rank, pair in enumerate(learned[: size - 256])}
    return list(bpe.tokenise(text, ranks))


sentence = "The interpreter raises an unhelpful exception."
sizes = [256, 300, 400, 600, 1000, 2000, 4000]
cuts = {size: [piece.replace("Ġ", "␣") for piece in cut_with(sentence, size)] for size in sizes}

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

assert len(sentence) == len(cuts[256]) == 46
assert cuts[4000] == ["The", "␣interpreter", "␣raises", "␣an", "␣un", "help", "ful", "␣exception", "."]
assert "unhelpful" not in " ".join(book)

# %% [markdown]
# From 46 tokens to 9. Look at the last row. *interpreter* and *exception* are everyday words in a manual of
# Python, so each is one token. *unhelpful* does not occur in the manual at all, and still it is no problem:
# it is written as *un*, *help*, *ful*. Nobody has told the program what a prefix is.
#
# Whatever size we choose, the network sees the ids:

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
# Both learn from a table of words and how often each occurs. Let $f_w$ be the number of times that the word
# $w$ stands in the text, and let $n_w(a, b)$ say how often, in that word, piece $b$ follows piece $a$ as
# the word is cut at the moment. Then a pair of pieces occurs
#
# $$c(a, b) = \sum_w f_w\, n_w(a, b) \tag{1.1}$$
#
# times, and BPE makes one new piece $ab$ out of the pair that occurs most often:
#
# $$(a, b)^* = \arg\max_{(a, b)}\, c(a, b) \tag{1.2}$$
#
# Cut all words anew, count again, and so on, until there are as many pieces as you want.

# %% [markdown]
# ## The smallest pieces: characters and bytes
#
# What do we start from? From characters, one would think. But a computer does not know characters either.
# It knows **bytes** (字节), numbers from 0 to 255, each made of eight bits. Between the two stands Unicode.
# It gives every sign of every script a number, its **code point** (码点), written as U+ and a hexadecimal
# number (十六进制): `e` is U+0065, `é` is U+00E9, 语 is U+8BED. UTF-8 says how to write this number in
# bytes. A small number takes one byte, a larger one up to four, and the first bits of a byte tell which it
# is. (x is a bit of the number.)
#
# | code points | bits |
# |---|---|
# | up to U+007F | `0xxxxxxx` |
# | up to U+07FF | `110xxxxx 10xxxxxx` |
# | up to U+FFFF | `1110xxxx 10xxxxxx 10xxxxxx` |
# | up to U+10FFFF | `11110xxx 10xxxxxx 10xxxxxx 10xxxxxx` |
#
# Do it with the pencil. Each hexadecimal digit stands for four bits, so `é`, E9, is `1110 1001`. That is
# more than seven bits, so it takes the second row, which has room for eleven: `00011 101001`. With the
# marks in front: `11000011 10101001`. In hexadecimal: C3 A9. And 语? 8BED is `1000 1011 1110 1101`, sixteen
# bits, third row: `1000`, `101111`, `101101`. With the marks: E8 AF AD.

# %%
assert "é".encode() == bytes([0b11000011, 0b10101001]) == bytes([0xC3, 0xA9])
assert "语".encode() == bytes([0b11101000, 0b10101111, 0b10101101]) == bytes([0xE8, 0xAF, 0xAD])

assert len("😀".encode()) == 4
characters = Counter(map(unicodedata.category, map(chr, range(0x110000))))
assert characters.total() - sum(characters[kind] for kind in ("Cn", "Co", "Cs")) > 100_000

for text in ["word", "café", "语言"]:
    for char in text:
        print(f"U+{ord(char):04X}   {char.encode().hex(' ').upper():<10} {char}")
    print(f"{len(text)} characters, {len(text.encode())} bytes\n")

# %%
fig, ax = plt.subplots(figsize=(8.5, 2.6), dpi=100)
for y, (char, name) in enumerate({"w": "w  U+0077", "é": "é  U+00E9", "语": "U+8BED"}.items()):
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
# So English has one byte for each character, Chinese has three, and 😀 has four. The 256 bytes are an
# alphabet in which *every* text can be written, in any script, today's emoji and tomorrow's. That is why
# GPT starts from bytes (Radford et al. 2019). BERT starts from characters, of which Unicode has more than
# 100,000; those that are not in its list, it cannot read.
#
# Two traps, before we go on. A file holds bytes and does not say how they are meant. Whoever reads UTF-8 as
# if each byte were a character gets *cafÃ©*. (`minibert/text/reading.py` therefore takes nothing but UTF-8,
# and names the line and the byte that is none.) And what you see as one sign may be several code points:
# `é` can also be an `e` followed by an accent that is printed over it. The two look alike and are different
# texts.

# %%
assert "café".encode().decode("latin-1") == "cafÃ©"
one, two = "\u00e9", "e\u0301"
print(one, two, one == two, len(one), len(two), one.encode().hex(" "), two.encode().hex(" "))
assert one != two and unicodedata.normalize("NFC", two) == one
astronaut = "👩‍🚀"  # a woman, an invisible joiner, a rocket
assert (len(astronaut), len(astronaut.encode())) == (3, 11)

# %% [markdown]
# ## Letters, words, or between?
#
# Why not stay with bytes, then? Because of what it costs. A network works on a row of $T$ tokens, and its
# heart, attention (chapter 04), compares every token with every other: $T^2$ comparisons. Our sentence has
# 46 tokens in letters and 9 in pieces. That is 2,116 comparisons against 81, 26 times as many.
#
# Why not words? The vocabulary costs something too. Each of its $V$ entries has a row of $D$ numbers in the
# network (chapter 03). BERT's base model has $V = 30{,}522$ and $D = 768$, which makes 23 million numbers,
# a fifth of the 110 million of the whole model. A row only learns from places where its token occurs, and
# most words are rare. And however long the list, the next text has words that are not in it.

# %%
assert (46**2, 9**2, round(46**2 / 9**2)) == (2116, 81, 26)
assert round(30_522 * 768 / 1e6) == 23 and 0.2 < 30_522 * 768 / 110e6 < 0.22

# %% [markdown]
# Let us measure both. Take every fifth page of the manual away and draw up the list of all words in the
# rest. How many words of the pages that we took away are missing from the list? (A word is here what the
# library's `bpe.split` gives: a run of letters, of digits, or of other signs, with the space before it.)

# %%
known = {word for number, page in enumerate(book) if number % 5 for word in bpe.split(page)}
new_pages = [word for page in book[::5] for word in bpe.split(page)]
missing = [word for word in new_pages if word not in known]
of_text, of_words = len(missing) / len(new_pages), len(set(missing)) / len(set(new_pages))
print(f"{of_text:.1%} of the text and {of_words:.0%} of its different words are not in the list, such as")
print(", ".join(sorted({word.strip() for word in missing if word.strip().islower()}, key=len)[-12:]))

assert 0.025 < of_text < 0.04 and 0.13 < of_words < 0.16

# %% [markdown]
# Three words in a hundred, one or two in every long sentence, and as a rule the ones that say most. And
# that in the same book, by the same authors! With pieces nothing is missing: the rest of a word can always
# be spelled.
#
# Now the length. We cut the whole book with vocabularies of growing size. At the left end are the bytes; at
# the right end so many pairs have been merged that every word is one piece.

# %%
words = Counter(word for page in book for word in bpe.split(page))
every = bpe.train(book, 1_000_000)  # merge until no pair is left
whole = 256 + len(every)


def length(size):
    """Return how many tokens the book has with a vocabulary of so many pieces."""
    ranks = {pair: rank for rank, pair in enumerate(every[: size - 256])}
    return sum(often * len(bpe.cut(bpe.to_characters(word), ranks)) for word, often in words.items())


sizes = [256, 270, 300, 350, 400, 500, 700, 1000, 1500, 2000, 3000, 4000, 6000, whole]
lengths = [length(size) for size in sizes]
assert every[: len(learned)] == learned  # a small vocabulary is the beginning of a large one
assert lengths[-1] == sum(words.values()) and lengths[0] == sum(len(page.encode()) for page in book)

# %%
halfway = length(500)
assert 2 < lengths[0] / halfway < 2.2  # the first 244 merges
assert 4.5 < lengths[0] / lengths[-1] < 4.7  # all of them
assert 2.1 < halfway / lengths[-1] < 2.3 and 7_800 < whole - 500 < 8_300

fig, ax = plt.subplots(figsize=(7.5, 4), dpi=100)
ax.semilogx(sizes, np.array(lengths) / 1000, "k-o", ms=4)
for size, text, place in [(256, "bytes", (290, 400)), (whole, "whole words", (5000, 150))]:
    at = (size, length(size) / 1000)
    ax.annotate(text, at, place, arrowprops={"arrowstyle": "->", "color": "0.4"}, va="center")
ax.text(1050, 148, "pieces", va="bottom")
ax.annotate("", (256, 60), (500, 60), arrowprops={"arrowstyle": "<->", "color": "0.4"})
ax.text(357, 68, "halved", ha="center")
ax.annotate("", (500, 60), (whole, 60), arrowprops={"arrowstyle": "<->", "color": "0.4"})
ax.text(2050, 68, "halved again", ha="center")
ax.set(xlabel="vocabulary, pieces (each step of the scale multiplies)", ylabel="the book, thousand tokens")
ax.set_xticks([256, 500, 1000, 2000, 4000, 8000], ["256", "500", "1,000", "2,000", "4,000", "8,000"])
ax.minorticks_off()
ax.set(ylim=(0, 1.05 * lengths[0] / 1000), title="The first merges shorten the text most")
plt.show()

# %% [markdown]
# The first 244 merges make the book half as long. To halve it once more takes another 8,000, and that is as
# far as it goes: then every word is a single piece. In between you may choose. A vocabulary twice as large
# costs twice the rows and saves less and less. For books of billions of words people have settled between
# 30,000 (BERT) and a few hundred thousand pieces.

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
        best = min(counts, key=lambda pair: (-counts[pair], pair))  # 1.2; of equals the first by letters
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
# The numbers on the right are no accident. Every time the pair stands in the text, two tokens become one.
# So a merge makes the text shorter by exactly its count. Let $N_k$ be the number of tokens after $k$
# merges; then
#
# $$N_k = N_{k-1} - c_k \tag{1.3}$$
#
# (with one exception, in exercise 2). With your pencil: $78 - 20 = 58$, $58 - 12 = 46$, then $38$, $33$,
# $29$, $26$. This says what (1.2) is after: of all pieces that could join the vocabulary now, it takes the
# one that saves most. It is a greedy (贪心) choice, best for the next step and not always in the long run.

# %%
lengths_of_toy = [78]
assert sum(often * len(word) for word, often in toy.items()) == 78
for pair, counts, cuts in steps:
    lengths_of_toy.append(lengths_of_toy[-1] - counts[pair])
    assert lengths_of_toy[-1] == sum(often * len(cut) for cut, often in cuts.items())
assert lengths_of_toy == [78, 58, 46, 38, 33, 29, 26]

# %% [markdown]
# `learn_slowly` counts everything again for every merge. For a large text and thousands of merges that
# takes very long. But when `in` is merged, only the counts of pairs that touch an `in` change. The library
# keeps all counts, remembers in which words each pair stands, and corrects what changes. The pairs wait in
# a heap (堆), a list that gives out its smallest entry quickly; as a heap knows only the smallest, the
# counts in it are negative. An entry whose count is no longer true is put back with the right one.

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
# Does the order matter? Cannot one simply go from left to right and merge whatever is a known pair? Try it
# on the commonest word of English, as the manual's merges have it. Three of them are ␣-t, h-e, and ␣t-he,
# among the first ten. Somewhere further down the list is ␣t-h, learned from words like *this*. In order:
# `␣t he`, then `␣the`. From left to right: `␣t`, then `␣th`, and now there is an `e` left over, and no pair
# to take it.


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
print(f"{len(wrong):,} of the {len(words):,} words of the book are cut otherwise")
assert len(wrong) > len(words) / 2

# %% [markdown]
# More than half of all words, and no error anywhere: the ids are valid, the text comes back, and a network
# that was trained with the right cuts would understand next to nothing.

# %% [markdown]
# ## On bytes, as GPT does it
#
# What we have done with letters GPT does with bytes, and there are three details.
#
# **Bytes that can be seen.** A byte such as 0x20, the space, or 0xAD prints as nothing, or as half a sign.
# So that pieces can be written into files and looked at, each of the 256 bytes gets a character to stand
# for it. Printable ones stand for themselves, the others for characters from U+0100 on. The space becomes
# `Ġ`, the line break `Ċ`. If you have ever seen a `Ġ` in the vocabulary of a language model: it is a space.
#
# **Words first.** Merges do not cross words, or the vocabulary would fill with pieces like *of the*. GPT-2
# cuts the text with a pattern: letters, or digits, or other signs, each with *one* space before it. The
# space belongs to the word that follows. So ` the` and `the` are two different pieces, and no space is ever
# lost.
#
# **Nothing is unknown.** The 256 bytes are in the vocabulary before the first merge, and there they stay.

# %%
show(bpe.to_characters, bpe.train, bpe.vocabulary)

# %%
print(bpe.split("It's 20 °C,  isn't it?"))
print(["".join(pair) for pair in learned[:24]])

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
in_chinese, in_english = "学习语言", "learn languages"
assert len(cut_with(in_chinese, 4000)) == 12  # the manual has hardly any Chinese: three tokens a character
assert len(list(bpe.tokenise(in_chinese, {pair: rank for rank, pair in enumerate(from_chinese)}))) == 2
print(cut_with(in_english, 4000), cut_with(in_chinese, 4000), sep="\n")

# %% [markdown]
# Whole characters appear, then 学习, *to learn*, and 语言, *language*. On the way there are pieces that no
# reader would think of. 语, 说 and 词, which all have to do with speech, begin with the same two bytes, E8
# AF. And `a6 e4 b9` is the end of 学 with the beginning of 习. BPE knows bytes and nothing else.
#
# Here is also a matter of fairness. Cut with what was learned from *English*, four Chinese characters take
# 12 tokens; cut with what was learned from Chinese, two. Whoever's language was rare in the training text
# pays more for every sentence, in time and in money (Petrov et al. 2023).
#
# **Back to text** is simple: put the bytes together and read them as UTF-8. But *first* together, then
# read. A token may end in the middle of a character, so whoever turns tokens into text one by one, to show
# them as they come, prints rubbish.

# %%
show(bpe.from_characters)

# %%
pieces = cut_with("é 语", 4000)
assert bpe.from_characters("".join(pieces)) == "é 语"
print("together:", bpe.from_characters("".join(pieces)), "  one by one:", *map(bpe.from_characters, pieces))

# %% [markdown]
# ## WordPiece: the longest match first
#
# BERT cuts in another way. It does not remember any merges, only the vocabulary. And it marks not the
# beginning of a word but what *continues* one, with `##`. A word is cut from left to right, and each time
# the **longest** piece that fits is taken (最长匹配优先).
#
# A vocabulary for the pencil: `in`, `sing`, `s`, `##ing`, `##in`, `##er`, `##g`, `##s`. To cut *singers*:
# does the vocabulary have `singers`? No. `singer`? No. `singe`? No. `sing`? Yes. What is left is *ers*:
# `##ers`? No. `##er`? Yes. Left is *s*: `##s`, yes. So `sing ##er ##s`.
#
# And *king*? `king`, `kin`, `ki`, `k`: none is there. A word that cannot be cut to its very end becomes, as
# a whole, the one token `[UNK]`, for unknown (未知词). All of it is lost, also the part that would have
# fitted.

# %%
pieces = ["[UNK]", "in", "sing", "s", "##ing", "##in", "##er", "##g", "##s"]
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
# and i-##n, in the word *in*, 6 times.

# %%
show(wordpiece.train)

# %%
text = " ".join(" ".join([word] * often) for word, often in toy.items())
vocab = wordpiece.train([text], 5 + 14 + 7)  # 5 special tokens, 14 letters, 7 merges
print(*vocab)
assert list(vocab)[-7:] == ["##in", "##ing", "sing", "in", "##er", "ring", "singer"]
assert wordpiece.wordpiece("ringer", vocab) == ["ring", "##er"]
assert wordpiece.wordpiece("stinger", vocab) == ["s", "##t", "##ing", "##er"]

# %% [markdown]
# Ours merges the pair that occurs most often, as BPE does. Schuster and Nakajima, who invented WordPiece in
# 2012 for Japanese and Korean, took another one: the pair whose merging makes the training text *most
# likely*. What does that mean? Take the simplest model there is, which draws every token by itself. Piece
# $v$ stands in the text $c_v$ times, of $N$ tokens in all, so it is drawn with probability $c_v / N$. The
# whole text then has the log-likelihood (对数似然)
#
# $$\ell = \sum_v c_v \log \frac{c_v}{N} = \sum_v g(c_v) - g(N) \qquad\text{with } g(x) = x \log x \tag{1.4}$$
#
# since $\sum_v c_v = N$. Now merge $a$ and $b$, which stand together $n = c(a, b)$ times. There are $n$
# fewer of $a$ and of $b$, there are $n$ of the new piece, and by (1.3) there are $n$ fewer tokens. So
# $\ell$ grows by
#
# $$\Delta \ell = g(c_a - n) + g(c_b - n) + g(n) - g(c_a) - g(c_b) + g(N) - g(N - n) \tag{1.5}$$
#
# To see what this favours, let $n$ be small beside $c_a$, $c_b$ and $N$. Then $g(c - n) \approx g(c) - n\,
# g'(c)$, where $g'(c) = \log c + 1$ is the slope. Put that in, and nearly everything cancels:
#
# $$\Delta \ell \approx n \left( \log \frac{n\, N}{c_a\, c_b} - 1 \right) \tag{1.6}$$
#
# The fraction says how many times as often as by chance the two stand together. So the likelihood wants
# pairs that are frequent ($n$ in front) *and* belong together (the logarithm). One often reads of a score
# that keeps only the second,
#
# $$\frac{c(a, b)}{c_a\, c_b} \tag{1.7}$$
#
# which loves rare pairs: letters that occur once, side by side, get the highest score there is. Here are
# the three on our 20 words, before the first merge:

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
assert gain(("r", "i")) < 0 and round(counts["r"] * counts["i"] / counts.total(), 1) == 2.3

# %% [markdown]
# Count and likelihood agree on i-n and n-g. Then the likelihood prefers e-r to s-i, though it is rarer,
# because e and r are seldom seen without each other. For r-i the likelihood would even fall: four times is
# not much more than the 2.3 times that chance would bring r and i together. The score (1.7) begins with
# t-e, which stands there twice. Google never published the program that made BERT's vocabulary. The library
# `tokenizers` takes the most frequent pair, and so do we.

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
    "Straße ﬁn",
    "ΟΔΟΣ",
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
# Five tokens of the vocabulary are no text. They are called **special tokens** (特殊词元), and ours have
# the ids 0 to 4:
#
# | token | what it is for |
# |---|---|
# | `[PAD]` | fills up (填充) short rows, so that all rows of a batch are equally long |
# | `[UNK]` | a word that cannot be cut |
# | `[CLS]` | begins every row; its vector stands for the whole (classification, 分类) |
# | `[SEP]` | ends each of the two parts (separator, 分隔) |
# | `[MASK]` | a blank (掩码) to be filled in (chapter 13) |
#
# BERT reads one text or two. A pair is laid out in one row, and beside each id two more numbers go in:
# which of the two parts the token belongs to, its **segment** (句段), and its **position** (位置). A last
# row of zeros and ones says where there is something to attend to, so that nobody looks at padding (chapter
# 04).

# %%
first, second = tokenizer.encode("The singer stops."), tokenizer.encode("It was winter.")
T = 16
ids = [tokenizer.cls_id, *first, tokenizer.sep_id, *second, tokenizer.sep_id]
segments = [0] * (1 + len(first) + 1) + [1] * (len(second) + 1)
empty = T - len(ids)
attend = [1] * len(ids) + [0] * empty
ids, segments = ids + [tokenizer.pad_id] * empty, segments + [0] * empty

fig, ax = plt.subplots(figsize=(8.5, 2.4), dpi=100)
lines = [[tokenizer.piece(id) for id in ids], ids, segments, list(range(T)), attend]
names = ["token", "id", "segment", "position", "attend"]
for y, (name, line) in enumerate(zip(names, lines, strict=True)):
    ax.text(-0.2, -y, name, ha="right", va="center", size=10)
    for x, value in enumerate(line):
        shade = "0.65" if not attend[x] else ["0.98", "0.85"][segments[x]]
        ax.add_patch(plt.Rectangle((x, -y - 0.4), 1, 0.8, fc=shade, ec="0.4", lw=0.8))
        ax.text(x + 0.5, -y, value, ha="center", va="center", size=7, family="monospace")
ax.set(xlim=(-1.8, T + 0.1), ylim=(-4.5, 0.5))
ax.axis("off")
ax.set_title("Two sentences in one row: [CLS] first [SEP] second [SEP], then padding")
plt.show()

# %% [markdown]
# The positions need not be stored; they are 0, 1, 2, … anyway. The library writes such rows for a whole
# batch at once, in `lay_out` of `minibert/batches/batch.py`. It is the same row, and `transformers` has the
# same, too, as the proof shows.

# %%
begins, long = np.array([[0], [len(first)]]), np.array([[len(first)], [len(second)]])
spans = Spans(begins[0], long[0], begins[1], long[1])
rows, their_segments, lengths = lay_out(np.array(first + second), spans, T, tokenizer)
assert (rows.tolist(), their_segments.tolist(), lengths.tolist()) == ([ids], [segments], [sum(attend)])

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
# For a model that *understands* text, such as BERT, the loss is bearable, and an uncased vocabulary need
# not hold *The* beside *the*. A model that *writes* text must be able to write all of it. That is the
# deeper reason for bytes in GPT.

# %% [markdown]
# ## How often a token comes
#
# One last look at the vocabulary, for it explains much of what comes later. Count the words of the book,
# and line them up, the commonest first. In a picture where both axes multiply, they fall on a nearly
# straight line: ten times further down the list, a word is about ten times rarer. This is Zipf's law
# (齐普夫定律). Fewer than a hundred words make up half of the text, and a great many come once.

# %%
ranks = {pair: rank for rank, pair in enumerate(learned[: 2000 - 256])}
in_pieces = Counter()
for word, often in words.items():
    for piece in bpe.cut(bpe.to_characters(word), ranks):
        in_pieces[piece] += often

often_word, often_piece = (np.sort(list(each.values()))[::-1] for each in (words, in_pieces))
fig, ax = plt.subplots(figsize=(7, 4.2), dpi=100)
ax.loglog(1 + np.arange(len(often_word)), often_word, "-", color="0.55", lw=2.5, label="words")
ax.loglog(1 + np.arange(len(often_piece)), often_piece, "k--", lw=1.8, label="pieces, vocabulary of 2,000")
line = np.array([8, len(often_word)])
ax.loglog(line, 100 * often_word[99] / line, "k:", lw=1.2, label="ten times further, ten times rarer")
ax.set(xlabel="rank $r$", ylabel="times in the book")
ax.set_title("Many words come once; there are few pieces that do")
ax.legend(frameon=False, loc="lower left")
plt.show()

# %%
once, rare = (often_word == 1).mean(), (often_word < 10).mean()
rare_pieces = (often_piece < 10).mean()
half = int(np.searchsorted(often_word.cumsum(), often_word.sum() / 2)) + 1
print(
    f"{once:.0%} of the words come once, {rare:.0%} fewer than ten times; the {half} commonest make up half"
)
print(f"{rare_pieces:.0%} of the pieces come fewer than ten times")
assert 0.30 < once < 0.33 and 0.78 < rare < 0.81 and 0.12 < rare_pieces < 0.15 and half < 100
assert 6 < often_word[9] / often_word[99] < 14 and 6 < often_word[99] / often_word[999] < 14

# %% [markdown]
# Each token has its row of numbers in the network, and the row learns from the places where the token
# stands. Nearly a third of the words would have *one* place to learn from. Of the pieces, all but a seventh
# have ten or more, and the commonest have thousands. Cutting rare words into common pieces gives them a
# share in what those have learned.

# %% [markdown]
# ## The proof
#
# In the chapters that follow, a proof means finite differences. Here there are no slopes; the proof is that
# others, who know nothing of us, get the same ids. There are three:
#
# - the library `tokenizers`, written in Rust, for both ways of cutting, and for learning byte pairs;
# - `BertTokenizer` of the library `transformers`, for whole rows with special tokens;
# - the older `BertTokenizer` in plain Python, kept in `transformers`, which goes back to the code that came
#   with BERT.
#
# Strings from the book prove little; they are too well-behaved. So we also draw nasty ones: of all kinds of
# characters that Unicode knows, line breaks, invisible joiners, accents on nothing, brackets, `##`. Unicode
# grows every year, and Python's tables are not of the same year as those of the libraries. We therefore
# draw from the characters whose kind has not changed since Unicode 3.2 of 2002, which Python still carries.


# %%
def kinds():
    """Return the characters of each kind of Unicode, such as "Lu", capitals, or "Mn", marks."""
    found = {}
    for char in map(chr, range(0x110000)):
        kind = unicodedata.category(char)
        if kind not in ("Cn", "Co", "Cs") and unicodedata.ucd_3_2_0.category(char) == kind:
            found.setdefault(kind, []).append(char)
    return list(found.values())


KINDS, LIVELY = kinds(), "abcXYZ019 \n\t.,'\"()[]#-_éÑß中文한ぴΣİ½\u0301\u200d\u00ad\u3000😀"


def nasty(rng):
    """Return a string: characters of any kind, lively ones, and bits of the book, mixed."""
    parts = []
    for _ in range(rng.randint(0, 12)):
        page, at = rng.choice(book), rng.random()
        start = int(at * len(page))
        parts.append(
            rng.choice(
                [rng.choice(rng.choice(KINDS)), rng.choice(LIVELY), page[start : start + rng.randint(1, 12)]]
            )
        )
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
if find_spec("transformers"):
    from transformers import BertTokenizer
    from transformers.models.bert.tokenization_bert_legacy import BasicTokenizer, WordpieceTokenizer

    theirs = BertTokenizer(vocab=dict(tokenizer.vocab), do_lower_case=True)
    basic, older = BasicTokenizer(), WordpieceTokenizer(tokenizer.vocab, unk_token="[UNK]")

    def in_a_row(text):
        return [tokenizer.cls_id, *wordpiece_by_hand(text), tokenizer.sep_id]

    def by_the_older(text):
        return [tokenizer.vocab[piece] for word in basic.tokenize(text) for piece in older.tokenize(word)]

    witnesses["WordPiece, whole row: transformers"] = (in_a_row, lambda text: theirs(text)["input_ids"])
    witnesses["WordPiece, words: the older one"] = (
        lambda text: [word.replace("ς", "σ") for word in wordpiece.basic_split(text)],
        lambda text: [word.replace("ς", "σ") for word in basic.tokenize(text)],
    )
    witnesses["WordPiece, ids: the older one"] = (wordpiece_by_hand, by_the_older)
    pair = theirs("The singer stops.", "It was winter.", padding="max_length", max_length=T)
    assert [pair["input_ids"], pair["token_type_ids"], pair["attention_mask"]] == [ids, segments, attend]
    assert theirs(spelled)["input_ids"][1:-1] == tokenizer.encode(spelled, specials=True)


def differing(name, strings):
    """Return the strings of which a witness says something else."""
    ours, others = witnesses[name]
    return [text for text in strings if ours(text) != others(text)]


# %%
for name in witnesses:
    print(f"{name:<38} {len(strings):,} strings, {len(differing(name, strings))} differ")
    assert not differing(name, strings)

# %% [markdown]
# In one thing the older code differs from both libraries, and for this we had to read ς as σ: a Greek
# capital Σ at the end of a word becomes ς there, as Greeks write it, and σ here, where each letter folds
# for itself.
#
# So much for the cutting. And the learning? Of two equally frequent pairs one has to go first. `tokenizers`
# has a fixed rule for byte pairs, and we have the same, so all merges agree, in their order. For WordPiece
# it decides by chance; two runs may give two vocabularies. There we agree up to such ties (the tests say
# exactly how), and ours is the same every time.

# %%
assert list(byte_tokenizer.merges) == bpe.train(book, 4000 - 1)  # one id is for <|endoftext|>
print(f"{len(byte_tokenizer.merges):,} merges, all the same")

# %% [markdown]
# Now break it on purpose. Each of these is something that people do write. `made()` puts the mistake into
# the library's function for a moment; of the strings that a witness objects to, the shortest is shown.

# %%
one_by_one = '"".join(bytes([BYTES[char]]).decode("utf-8", "replace") for char in text)'
mistakes = [
    Mutant("minibert.text.wordpiece:wordpiece", "the shortest match first",
           "range(len(word), start, -1)", "range(start + 1, len(word) + 1)"),
    Mutant("minibert.text.wordpiece:wordpiece", "the ## forgotten", '"##" if start else ""', '""'),
    Mutant("minibert.text.wordpiece:normalise", "capitals fold, accents stay", "strip_accents(text)", "text"),
    Mutant("minibert.text.bpe:cut", "merges from the left, not in their order", "min(known)", "known[0]"),
    Mutant("minibert.text.bpe:from_characters", "each byte read for itself",
           'bytes(BYTES[char] for char in text).decode("utf-8", "replace")', one_by_one),
]  # fmt: skip


def spell(result, name):
    """Return ids as their pieces."""
    cutter = tokenizer if name.startswith("WordPiece") else byte_tokenizer
    return [cutter.piece(id) if isinstance(id, int) else id for id in result]


for mistake in mistakes:
    with mistake.made():
        name, texts = next((name, texts) for name in witnesses if (texts := differing(name, strings[:500])))
        shortest = min(texts, key=lambda text: (not text.isascii(), not text.isalpha(), len(text)))
        ours, theirs_now = (spell(of(shortest), name) for of in witnesses[name])
    print(f"{mistake.name}: {len(texts)} of 500 strings differ")
    print(f"    {shortest!r} became {' '.join(ours)} in place of {' '.join(theirs_now)}\n")

# %% [markdown]
# ## What the papers do differently
#
# - **Sennrich et al.** start from characters, not bytes, and mark the *end* of a word with a sign of its
#   own, so that `er` at the end and `er` inside are two pieces. They learn one list of merges from both
#   languages of a translation, so that names are cut alike in both.
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
#   to a hundred times as frequent, for without the letter a whole word is lost. `tokenizers` takes all
#   letters.
#
# ## Exercises
#
# **1. Pencil.** The text has *he* 5 times, *her* 4 times, *here* 3 times and *hero* twice. Find the first
# three merges and how many tokens are left after each. How is *heron* cut then?
#
# <details><summary>Hint</summary>
#
# h-e stands there 14 times, not 17: the second `e` of *here* follows an r. At the beginning there are $5
# \cdot 2 + 4 \cdot 3 + 3 \cdot 4 + 2 \cdot 4 = 42$ tokens.
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
# **3. The cut.** Write `cut` of `minibert/text/bpe.py` yourself. Then write a second one that goes through
# *all* merges in their order, and for each through the word. Show with `strings` that the two agree. Which
# is faster, and when would it be the other?
#
# <details><summary>Hint</summary>
#
# For the second you need nothing but `merge`. It always takes as many rounds as there are merges, the first
# one only as many as there are merges in this word.
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
