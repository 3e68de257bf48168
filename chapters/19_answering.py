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
# # 19 · Answering (抽取式问答)
#
# *Somebody asks, and a text knows the answer. Where in it does the answer begin, and where does it end? And
# what if the text does not know?*
#
# **Files:** `minibert/model/answerer.py` · `minibert/batches/contexts.py` ·
# `minibert/batches/question_rows.py` · `minibert/text/squad.py` · `minibert/text/answer_scores.py` ·
# `minibert/recipes/answering.py` · `minibert/recipes/question_sets.py` · `minibert/recipes/overlap.py` ·
# `minibert/learn/checks/contexts.py` · `minibert/learn/checks/answer_scores.py` ·
# `minibert/learn/checks/model_answerer.py` · `tests/test_answerer.py` · `tests/test_contexts.py` ·
# `tests/test_question_rows.py` · `tests/test_squad.py` · `tests/test_answer_scores.py` ·
# `tests/test_answering.py`
#
# **Needs:** [08 Loss](08_loss.ipynb), [12 BERT](12_bert.ipynb)
#
# **Time:** 60 minutes

# %% [markdown]
# ## The question: two places in a text
#
# "When did the magazine begin?" There is an article on a university, and in it stands *September 1876*. To
# answer, nothing has to be written: it is enough to *point*. Here the answer begins, there it ends. This is
# **extractive question answering** (抽取式问答), and the piece of text between the two places is a **span**
# (文本片段).
#
# So the head of the model is as small as a head can be: two numbers for each token. How well would an answer
# *begin* here? How well would one *end* here? All the rest of this chapter is about what stands around these
# two numbers. People mark answers by characters, and models read tokens. Texts are longer than models. The
# best beginning and the best end need not belong together. Two people give two answers, and both are right.
# And now and then the honest answer is: *it does not say*.
#
# Each of these is a place for a mistake, and with most of them the loss goes down as if nothing were wrong.

# %%
import math
from importlib import import_module

import matplotlib.pyplot as plt
import numpy as np
import torch

# %%
from minibert.batches.contexts import Span, best_span, even_windows, tokens_of
from minibert.batches.labels import LabelledBatches
from minibert.batches.question_rows import Frame, encode_questions
from minibert.config import BertConfig, HeadConfig
from minibert.learn.mutate import mutants
from minibert.learn.notebook import exercise, first_objection, show
from minibert.learn.proof import checks_of
from minibert.learn.sizes import Sizes
from minibert.model.answerer import BertAnswerer
from minibert.recipes.answering import Answering, span_loss
from minibert.recipes.overlap import BestSentence
from minibert.recipes.predicting import logits_of
from minibert.text.answer_scores import answer_scores, best_of, best_threshold, exact_match, f1, normalise
from minibert.text.byte_tokenizer import ByteTokenizer
from minibert.text.squad import Answer, Question, shown
from minibert.text.tokenizer import Tokenizer
from minibert.train.optimizer import AdamW, clip_gradients, decay_groups

# %% [markdown]
# ## What the paper wrote
#
# > We only introduce a start vector $S \in \mathbb{R}^H$ and an end vector $E \in \mathbb{R}^H$ during
# > fine-tuning. The probability of word $i$ being the start of the answer span is computed as a dot product
# > between $T_i$ and $S$ followed by a softmax over all of the words in the paragraph.
# >
# > Devlin et al. 2019, section 4.2
#
# With $h_t$ for the hidden state of token $t$ (the paper calls it $T_i$), that is
#
# $$s_t = S^\top h_t + b_S \qquad p(\text{start} = t) = \frac{e^{s_t}}{\sum_u e^{s_u}} \tag{19.1}$$
#
# and the same for the end, with $e_t = E^\top h_t + b_E$ and a softmax of its own. Where the answer goes from
# token $a$ to token $b$, the loss is the mean of two cross-entropies (chapter 08):
#
# $$L = -\tfrac12 \big( \ln p(\text{start} = a) + \ln p(\text{end} = b) \big) \tag{19.2}$$
#
# So this is classification once more. Only the classes are not sad and glad, but the tokens of the text
# itself, and there are as many as the text is long.

# %% [markdown]
# ### With a pencil
#
# The context is `it rains in may`, and the question when it rains. The model says $s = (0, 0, \ln 2, \ln
# 5)$ and $e = (0, 0, 0, \ln 6)$. The first sum is $1 + 1 + 2 + 5 = 9$, and the second $1 + 1 + 1 + 6 = 9$,
# too. If the answer was marked as *in may*, from token 2 to token 3, then the two probabilities are
# $\frac29$ and $\frac69$, and the loss is
#
# $$L = -\tfrac12 \big( \ln \tfrac29 + \ln \tfrac69 \big) = 0.955$$
#
# And the gradient? For each softmax it is $p - y$ (chapter 08), and there are two of them, each with the half
# of the loss. For the starts: $\frac12 \big(\frac19, \frac19, \frac29 - 1, \frac59 \big)$. The word *may* was
# believed too much as a beginning, and is pushed down the most.

# %%
logits = torch.tensor([[0, 0, math.log(2), math.log(5)], [0, 0, 0, math.log(6)]], dtype=torch.float64).T
logits.requires_grad_()  # (T, 2)
loss = span_loss(logits[None], torch.tensor([[2, 3]]))
loss.backward()
assert round(loss.item(), 3) == 0.955
assert np.allclose(18 * logits.grad[:, 0], [1, 1, -7, 5])
assert np.allclose(18 * logits.grad[:, 1], [1, 1, 1, -3])

# %% [markdown]
# From there it goes back into the vector $S$ by the chain rule. Each $s_t$ has $S$ in it, times $h_t$, so
#
# $$\frac{\partial L}{\partial S} = \tfrac12 \sum_t \big( p(\text{start} = t) - [t = a] \big)\, h_t
# \tag{19.3}$$
#
# Read it as a sentence: from $S$ are taken off the hidden states that were believed to be beginnings, each as
# far as it was believed, and the one that is a beginning is added. So $S$ turns towards what beginnings look
# like. Finite differences agree:

# %%
rng = np.random.default_rng(0)
hidden, start_vector, answer = rng.normal(size=(6, 3)), rng.normal(size=3), 4  # T = 6, D = 3


def start_loss(vector):
    """Return the half of the loss that is the start's."""
    scores = hidden @ vector
    return 0.5 * (np.log(np.exp(scores).sum()) - scores[answer])


p = np.exp(hidden @ start_vector) / np.exp(hidden @ start_vector).sum()
by_hand = 0.5 * (p - np.eye(6)[answer]) @ hidden
steps = 1e-6 * np.eye(3)
by_differences = [(start_loss(start_vector + e) - start_loss(start_vector - e)) / 2e-6 for e in steps]
assert np.allclose(by_hand, by_differences, atol=1e-8)

# %%
show(span_loss, BertAnswerer.logits)

# %% [markdown]
# One line of it is not in the paper's code. Rows of different length are filled up with padding, and there
# the softmax runs over the padding, too. A model can learn that nothing ever begins there, but why should it
# have to? Ours takes padding out first: then the loss of a text does not depend on what it was put together
# with.

# %%
padded = torch.cat([logits.detach(), torch.full((3, 2), 9.0, dtype=torch.float64)])[None]
attend = torch.arange(7)[None] < 4
targets = torch.tensor([[2, 3]])
assert torch.isclose(span_loss(padded, targets, attend), loss)
assert span_loss(padded, targets) > 5  # with the padding in the softmax

# %% [markdown]
# ## From characters to tokens
#
# A data set such as SQuAD (Rajpurkar et al. 2016) marks an answer by its text and the character that it
# begins with. The model has tokens. Which of them hold the answer?
#
# A tokenizer that cuts a text can tell from which characters each token comes (chapter 01). A token belongs
# to the answer if it holds *any* part of it: it ends behind the answer's beginning, and begins before the
# answer's end. For an answer may begin in the middle of a token. Here the pieces of two tokenizers, one of
# words and one of bytes, whose tokens begin with the space in front of a word:

# %%
context = "Étés of the 1600s were wet."
words = ["of", "the", "were", "wet", "ete", "##s", "1600", ".", "##st"]
specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
pieces = Tokenizer({piece: id for id, piece in enumerate([*specials, *words])})
byte_pairs = ByteTokenizer.train([context.lower()] * 3, 300)
marked = Answer("1600", 12)
assert context[marked.start : marked.start + 4] == marked.text


def draw(ax, tokenizer, name):
    """Draw the tokens of the context under its characters, and those that hold the answer in grey."""
    tokens = tokenizer.tokens(context)
    starts, ends = np.array([(token.start, token.end) for token in tokens]).T
    span = tokens_of(starts, ends, marked.start, marked.start + len(marked.text))
    for number, (start, end) in enumerate(zip(starts, ends, strict=True)):
        held = span.first <= number <= span.last
        ax.add_patch(plt.Rectangle((start, 0), end - start, 0.8, fc="0.75" if held else "white", ec="black"))
    for place, char in enumerate(context):
        inside = marked.start <= place < marked.start + len(marked.text)
        ax.text(place + 0.5, 0.25, char, ha="center", weight="bold" if inside else "normal")
    ax.text(-0.5, 0.4, name, ha="right", va="center")
    ax.set(xlim=(-6, len(context) + 0.5), ylim=(-0.1, 0.9))
    ax.axis("off")
    return context[slice(*shown(context, starts[span.first], ends[span.last]))]


fig, axes = plt.subplots(2, 1, figsize=(8.8, 1.8), dpi=100)
fig.suptitle("The answer in bold, the tokens that hold a part of it in grey")
given_back = [
    draw(ax, tokenizer, name)
    for ax, tokenizer, name in zip(axes, (pieces, byte_pairs), ("words", "bytes"), strict=True)
]
plt.show()
print(given_back)
assert given_back[0] == "1600" and "1600" in given_back[1]

# %%
show(tokens_of)

# %% [markdown]
# The equal signs matter. A token that *ends* where the answer begins is only its neighbour. With the wrong
# side of `searchsorted` each answer gets a token too many, the loss goes down all the same, and no exact
# answer is ever given.
#
# And what is a character? In the file it is a character of Unicode: *É* is one, though it has two bytes.
# Files that count bytes are met often. So `minibert` looks whether the answer stands where the file says,
# and refuses what does not.

# %%
assert len("Étés") == 4 and len("Étés".encode()) == 6

# %% [markdown]
# ## A row, and windows
#
# BERT reads the question and the context as two segments (chapter 12): `[CLS]` question `[SEP]` context
# `[SEP]`. A context that does not fit comes in **windows** (滑动窗口), each behind the question again. What
# if the border of a window cuts the answer in two? Then the window beside it must hold it whole. So windows
# overlap. If two neighbours have $o$ tokens in common, then whatever has at most $o$ tokens stands whole in
# one of them.
#
# A window without the answer, or with half of it, has a target, too: the token `[CLS]`, twice. It stands for
# *no answer here*, and in the next section but one we shall need that anyway.
#
# How many windows? The first one takes $r$ tokens of $n$, and each further one adds at most $r - o$:
#
# $$W = 1 + \left\lceil \frac{n - r}{r - o} \right\rceil \tag{19.4}$$
#
# For $n = 26$, $r = 11$ and $o = 5$ these are $1 + \lceil 15 / 6 \rceil = 4$. They could begin at 0, 6, 12
# and 18, as in the paper's code; then the last one has only 8 tokens. With one token more the last of five
# would have a single one, and nothing around it to be understood by. Ours are spread evenly: all are full.

# %%
firsts, ends = even_windows(26, 11, 5)
assert len(firsts) == 1 + math.ceil(15 / 6) == 4 and (ends - firsts == 11).all()
assert (ends[:-1] - firsts[1:] >= 5).all() and ends[-1] == 26
letters = Tokenizer({piece: i for i, piece in enumerate([*specials, *"abcdefghijklmnopqrstuvwxyz", "?"])})
alphabet = "a b c d e f g h i j k l m n o p q r s t u v w x y z"
question = Question("1", "q ?", alphabet, (Answer("i j k", alphabet.index("i")),), "", "")
encoded, notes = encode_questions([question], letters, max_tokens=16)
print(*notes)

# %%
rows = [encoded.ids.values[a:b] for a, b in zip(encoded.ids.starts[:-1], encoded.ids.starts[1:], strict=True)]
fig, ax = plt.subplots(figsize=(8.8, 2.4), dpi=100)
for row, (ids, (start, end)) in enumerate(zip(rows, encoded.targets.tolist(), strict=True)):
    for place, id in enumerate(ids.tolist()):
        target = start <= place <= end
        color = "0.7" if target else "0.93" if place < encoded.seconds[row] else "white"
        ax.add_patch(plt.Rectangle((place, row), 0.94, 0.8, fc=color, ec="0.4"))
        ax.text(place + 0.47, row + 0.4, letters.piece(id), ha="center", va="center", size=8)
    ax.text(-0.3, row + 0.4, f"window {row}", ha="right", va="center")
ax.set(xlim=(-2.2, 16.2), ylim=(len(rows) + 0.1, -0.1))
ax.set_title("Where is i j k? The targets in dark grey: [CLS] where a window lacks a part of it")
ax.axis("off")
plt.show()
assert encoded.targets.tolist() == [[12, 14], [7, 9], [0, 0], [0, 0]]

# %%
show(even_windows)

# %% [markdown]
# A GPT knows of each token only what stands before it. If the context came first, the model would read it
# without knowing what it is asked, and point anywhere. So for both kinds of model the question comes first.
# But *no answer* must move: the first token has seen nothing yet, so a GPT says it at the last one.

# %%
assert Frame.of(letters).none_first and not Frame.of(byte_pairs).none_first
show(Frame)

# %% [markdown]
# ## The best legal span
#
# > The score of a candidate span from position $i$ to position $j$ is defined as $S \cdot T_i + E \cdot T_j$,
# > and the maximum scoring span where $j \geq i$ is used as a prediction.
# >
# > Devlin et al. 2019, section 4.2
#
# *Where $j \ge i$*: three signs that are easily passed over. The best beginning is an argmax, and so is the
# best end, and to take these two is the first thing that everybody writes. Nothing keeps the end from
# standing *before* the beginning then. How often? If both were thrown with a die over $T$ places, in
# $\frac{T - 1}{2T}$ of the cases, nearly half. A trained model does it more rarely, which makes it worse:
# it is noticed later.
#
# What is legal: $i$ and $j$ in the context, $i \le j$, and at most $m$ tokens, for answers are short. That is
# a band in the table of all pairs. So we need not look at $T^2$ of them: for each of $T$ beginnings there are
# $m$ ends.

# %%
starts = np.array([0.5, 3.0, 1.0, 4.0, 0.0, 1.5, 0.2, 1.0])
stops = np.array([4.5, 0.0, 2.5, 0.3, 1.0, 2.0, 1.8, 0.0])
table = starts[:, None] + stops
i, j = np.indices(table.shape)
legal = (i <= j) & (j < i + 4)
span, score = best_span(starts, stops, 4)
apart = int(starts.argmax()), int(stops.argmax())
print(f"apart: from {apart[0]} to {apart[1]}; the best legal pair: from {span.first} to {span.last}, {score}")

fig, ax = plt.subplots(figsize=(4.6, 4.1), dpi=100)
ax.imshow(np.where(legal, table, np.nan), cmap="Greys", vmin=-4, vmax=9)
for row, column in np.ndindex(table.shape):
    weight = "bold" if (row, column) == span else "normal"
    ink = "black" if legal[row, column] else "0.7"
    ax.text(
        column, row, f"{table[row, column]:.1f}", ha="center", va="center", color=ink, weight=weight, size=8
    )
ax.add_patch(plt.Rectangle((span.last - 0.5, span.first - 0.5), 1, 1, fill=False, lw=2))
ax.add_patch(plt.Rectangle((apart[1] - 0.5, apart[0] - 0.5), 1, 1, fill=False, lw=1.2, ls=":"))
ax.set(xlabel="end $j$", ylabel="start $i$")
ax.set_title(
    "$s_i + e_j$: legal are four ends for each start;\ndotted, the two best ones taken apart", size=10
)
fig.tight_layout()
plt.show()
assert apart == (3, 0) and span == Span(3, 5) and score == 6.0
assert table[legal].max() == score < table.max()

# %%
thrown = rng.integers(0, 20, size=(100_000, 2))
backwards = (thrown[:, 1] < thrown[:, 0]).mean()
assert abs(backwards - 19 / 40) < 0.01
show(best_span)

# %% [markdown]
# ## How right is an answer?
#
# Three people were asked, and said *Saint Bernadette*, *Saint Bernadette Soubirous* and *the saint*. What is
# right? SQuAD's script has two measures, and both take the best over all of the true answers:
#
# - **Exact match** (精确匹配): the same, once case, punctuation, articles and white space are taken away.
# - **F1**: how many words they have in common. With $c$ common words, $g$ given and $r$ right ones, precision
#   is $P = c / g$, recall $R = c / r$, and
#
# $$F_1 = \frac{2PR}{P + R} = \frac{2c}{g + r} \tag{19.5}$$
#
# To be able to compare with others, every step must be the script's, and in its order: first lower case,
# then the signs, then the articles. `t.h.e` becomes an article *because* its dots are gone by then.

# %%
pairs = [
    ("the Main Building.", "Main building"),
    ("Saint Bernadette", "Saint Bernadette Soubirous"),
    ("in 1858", "1858"),
    ("so so so", "so so good"),
    ("rain", "snow"),
    ("", "the"),
]
print(f"{'given':22}{'right':30}{'exact':>6}{'F1':>7}")
for given, right in pairs:
    print(f"{given!r:22}{right!r:30}{exact_match(given, right):6.0f}{f1(given, right):7.2f}")
assert [exact_match(*pair) for pair in pairs] == [1, 0, 0, 0, 0, 1]
assert np.allclose([f1(*pair) for pair in pairs], [1, 4 / 5, 2 / 3, 2 / 3, 0, 1])
assert normalise("t.h.e end") == "end"
three = ["Saint Bernadette", "Saint Bernadette Soubirous", "the saint"]
assert best_of(exact_match, "SAINT Bernadette Soubirous", three) == 1

# %%
show(normalise, f1, best_of)

# %% [markdown]
# ## A model that learns to answer
#
# Now all of it together. The world is small: somebody went somewhere, and each of four things is told or not.
# Before and after it stand sentences that have nothing to do with it, so that contexts are longer than a row
# of 28 tokens, and come in windows.

# %%
people, days = ["anna", "ben", "carl", "dora", "emil", "fay"], ["monday", "friday", "sunday"]
adjectives, targets_of_trips = ["old", "small", "new"], ["market", "mill", "harbour", "school"]
things, moods = ["cup", "boat", "book", "clock"], ["wet", "cold", "late", "quiet"]
asks = {
    "who": "who went ?",
    "when": "when was it ?",
    "where": "to what place ?",
    "with": "who came along ?",
    "what": "what was bought ?",
}
before = {"who": "", "when": "on ", "where": "to ", "with": "with ", "what": "to buy "}


def story(rng):
    """Return a sentence, and what it tells by the kinds of questions."""

    def phrase(nouns):
        adjective = [str(rng.choice(adjectives))] if rng.random() < 0.5 else []
        return " ".join(["the", *adjective, str(rng.choice(nouns))])

    who, other = map(str, rng.permutation(people)[:2])
    facts = {"when": str(rng.choice(days)), "where": phrase(targets_of_trips), "with": other}
    facts["what"] = phrase(things)
    facts = {"who": who} | {kind: fact for kind, fact in facts.items() if rng.random() < 0.65}
    told = {kind: before[kind] + fact for kind, fact in facts.items()}
    order = [told.get(kind, "") for kind in ("when", "who")] + ["went"]
    order += [told.get(kind, "") for kind in ("where", "with", "what")]
    return " ".join([*" ".join(order).split(), "."]), facts


def ask(rng, number):
    """Return a question on a story, with other sentences before and behind it."""
    sentence, facts = story(rng)
    around = [
        " ".join(
            f"the {rng.choice(targets_of_trips)} is {rng.choice(moods)} ." for _ in range(rng.integers(4))
        )
        for _ in range(2)
    ]
    context = " ".join(filter(None, [around[0], sentence, around[1]]))
    kind = str(rng.choice([*asks]))
    answers = ()
    if kind in facts:
        place = f" {context}".index(f" {before[kind]}{facts[kind]}", context.index(sentence)) + len(
            before[kind]
        )
        answers = (Answer(facts[kind], place),)
    return Question(str(number), asks[kind], context, answers, f"story {number}", "")


rng = np.random.default_rng(0)
everything = [ask(rng, number) for number in range(2000)]
train, validation, test = everything[:1200], everything[1200:1600], everything[1600:]
spelled = sorted({word for text in train for word in f"{text.question} {text.context}".split()})
tokenizer = Tokenizer({word: id for id, word in enumerate([*specials, *spelled])})
task = Answering(HeadConfig("spans", dropout=0.0), tokenizer, max_tokens=28, longest=6)
sets = {"train": train, "validation": validation, "test": test}
coded = {name: task.encode(texts) for name, texts in sets.items()}
some = train[3]
print(some.context, "|", some.question, "|", some.answers[0].text if some.answers else "(it does not say)")
print(f"{len(train)} questions, {len(coded['train'])} rows")
silent = np.mean([not text.answers for text in everything])
assert len(coded["train"]) > len(train) and 0.2 < silent < 0.35
assert all(a.text == t.context[a.start : a.start + len(a.text)] for t in everything for a in t.answers)

# %% [markdown]
# First the yardstick, without any network: **the sentence that has most in common with the question** (what
# `minibert finetune answer` puts beside every result). Here it is helpless, for questions and stories have no
# word in common that tells. On real articles it does better, for questions take up words of the text.

# %%
fitted = BestSentence.fit(text.context for text in train)
sentences = [fitted.answer(text.question, text.context) for text in test]
answers_of = {name: [[a.text for a in text.answers] for text in texts] for name, texts in sets.items()}
yardstick = answer_scores(sentences, answers_of["test"])
print({name: round(score, 3) for name, score in yardstick.items()})

# %%
torch.set_num_threads(1)
shape = BertConfig(len(tokenizer), 2, 48, 4, 96, 28, dropout=0.0, attention_dropout=0.0, init_std=0.1)
model = BertAnswerer(shape, task.head, torch.Generator().manual_seed(0)).double()
batches = {name: LabelledBatches(rows, tokenizer.pad_id, 32) for name, rows in coded.items()}


def taken_apart(texts, rows, logits):
    """Return the answers of the mistake: the best start and the best end of each row, whichever they are.

    Of several windows the one with the best pair counts; and how often an end stood before its start.
    """
    best, turned = [("", -math.inf)] * len(texts), 0
    for row, own in enumerate(logits):
        inside = rows.within(row)
        first, last = (int(own[inside, column].argmax()) for column in (0, 1))
        score, number = float(own[inside].max(0).sum()), int(rows.texts[row])
        turned += last < first
        if score > best[number][1]:
            start, end = rows.characters(row, Span(first, last))
            best[number] = (texts[number].context[start:end] if first <= last else "", score)
    return [answer for answer, _ in best], turned / len(logits)


def look(name):
    """Return the scores of the questions that have an answer: the best legal span, and the mistake."""
    model.eval()
    logits = logits_of(model, batches[name])
    model.train()
    texts, rows = sets[name], coded[name]
    spans = task.answers(texts, task.found(texts, rows, logits), None)
    mistaken, turned = taken_apart(texts, rows, logits)
    has = [bool(right) for right in answers_of[name]]
    scores = [
        answer_scores([g for g, h in zip(given, has, strict=True) if h], [r for r in answers_of[name] if r])
        for given in (spans, mistaken)
    ]
    return scores[0]["exact"], scores[1]["exact"], turned, logits


optimizer, curve, looks, early = AdamW(decay_groups(model.parameters(), 0.01), lr=0.003), [], [], None
for step in range(301):
    if step % 20 == 0:
        *numbers, logits = look("validation")
        looks.append((step, *numbers))
        if step == 100:
            early = {"validation": logits, "test": look("test")[-1]}
    for group in optimizer.param_groups:
        group["lr"] = 0.003 * min(1, (step + 1) / 20)
    loss = task.loss(model, batches["train"](step))["loss"]
    optimizer.zero_grad()
    loss.backward()
    clip_gradients(model.parameters(), 1.0)
    optimizer.step()
    curve.append(loss.item())

# %%
step, right, mistaken, turned = np.array(looks).T
fig, axes = plt.subplots(1, 2, figsize=(9, 3.3), dpi=100)
axes[0].plot(curve, "k-", lw=1)
axes[0].set(
    xlabel="step, of 32 rows", ylabel="loss (nats)", title="The loss knows nothing of spans", ylim=(0, None)
)
axes[1].plot(step, right, "k-", label="best legal span")
axes[1].plot(step, mistaken, "k--", label="start and end taken apart")
axes[1].plot(step, turned, "k:", label="end before start")
axes[1].set(
    xlabel="step", ylabel="share of the questions", title="What is answered right", ylim=(-0.02, 1.02)
)
axes[1].legend(frameon=False, loc=(0.3, 0.27))
fig.tight_layout()
plt.show()
print(
    f"at the end {right[-1]:.1%} are right; after 60 steps {right[3]:.1%}, and taken apart {mistaken[3]:.1%}"
)
assert right[-1] > 0.9 and turned[0] > 0.15 and (right - mistaken)[3:].min() > 0 and turned.min() > 0.05

# %% [markdown]
# The two upper lines on the right are of the same logits. Somebody who takes start and end apart loses some
# points at nearly every look, sees a loss that falls and a score that rises, and never learns why others get
# more. The dotted line is the share of rows in which the best end stands before the best start. It does not
# go to zero, and why should it? Where a window has no answer the model points to `[CLS]`, and what is left
# over for the other tokens need not fit together.

# %% [markdown]
# ## When to say nothing
#
# So far every question was answered, for SQuAD 1.1 has an answer to each. SQuAD 2.0 (Rajpurkar et al. 2018)
# added fifty thousand questions that the text does not answer, though it looks as if it did. The model has
# been taught what to say then: it points to `[CLS]`. The **margin** of a question is by how much its best
# span is ahead of that, over all windows $w$ of its context:
#
# $$\text{margin} = \max_w \max_{i \le j} \big( s^w_i + e^w_j \big) - \min_w \big( s^w_{\text{[CLS]}} +
# e^w_{\text{[CLS]}} \big) \tag{19.6}$$
#
# Why the *smallest* of the windows? A window without the answer says *not here* with good reason. Only if the
# windows agree, and even the least sure of them says so, is there no answer.
#
# > We predict a non-null answer when $\hat{s}_{i,j} > s_{\text{null}} + \tau$, where the threshold $\tau$ is
# > selected on the dev set to maximize F1.
# >
# > Devlin et al. 2019, section 4.3
#
# *On the dev set.* Chosen on the test questions themselves, the threshold would make any model look better
# than it is. Here is the model as it was after 100 steps, when it still made mistakes:

# %%
found = {name: task.found(sets[name], coded[name], early[name]) for name in ("validation", "test")}
margins = {name: np.array([each.margin for each in its]) for name, its in found.items()}
settled = task.settled(validation, coded["validation"], early["validation"])
has = np.array([bool(text.answers) for text in validation])

fig, axes = plt.subplots(1, 2, figsize=(9, 3.2), dpi=100)
bins = np.linspace(margins["validation"].min(), margins["validation"].max(), 40)
axes[0].hist(margins["validation"][has], bins, color="0.35", label="with an answer")
axes[0].hist(margins["validation"][~has], bins, fc="white", ec="black", label="without")
axes[0].axvline(settled.threshold, color="black", ls="--")
axes[0].set(xlabel="margin", ylabel="questions", title="Margins, and the best threshold")
axes[0].legend(frameon=False)
always = task.answers(validation, found["validation"], None)
answered = np.array([best_of(f1, g, r) for g, r in zip(always, answers_of["validation"], strict=True)])
tried = np.linspace(bins[0] - 1, bins[-1], 200)
means = [np.where(margins["validation"] > t, answered, ~has).mean() for t in tried]
axes[1].plot(tried, means, "k-")
axes[1].axvline(settled.threshold, color="black", ls="--")
axes[1].set(xlabel="threshold", ylabel="mean F1", title="Too low: never silent. Too high: never a word")
fig.tight_layout()
plt.show()

# %%
best = best_threshold(margins["validation"], answered, (~has).astype(float))
assert best == settled.threshold
assert max(means) <= np.where(margins["validation"] > best, answered, ~has).mean() + 1e-12
scores = {
    "never silent": answer_scores(task.answers(test, found["test"], None), answers_of["test"]),
    "with the threshold": dict(settled.scores(test, coded["test"], early["test"])),
}
for name, its in scores.items():
    print(f"{name:20} F1 {its['f1']:.1%}; of those without an answer {its['unanswerable']:.1%} are right")
assert scores["with the threshold"]["f1"] > scores["never silent"]["f1"] + 0.1
show(best_threshold)

# %% [markdown]
# ## The proof
#
# The head is two products and a softmax, and these were proven in chapters 02 and 08. What is new has no
# gradient: places, windows, spans and scores. It is held to what must be true of every right version. All
# pairs are tried, one after the other, and none may be better than the best span. All thresholds are tried.
# The answer is read back from the tokens of every row. And each known mistake is made, for a moment, to see
# whether a check objects:

# %%
for stem in ("contexts", "answer_scores", "model_answerer"):
    checks = checks_of(import_module(f"minibert.learn.checks.{stem}"))
    for check in checks:
        check.run(Sizes(), 0)  # raises where something does not hold
    known = [one for one in mutants() if one.stem == stem]
    seen = sum(bool(first_objection(one)) for one in known)
    print(f"{stem:15}{len(checks):3} checks, {seen:2} of {len(known):2} mistakes seen")
    assert seen == len(known) >= 3

# %%
for words in (
    "the best start and the best end are chosen apart",
    "a token that ends where the answer begins",
):
    (mistake,) = [one for one in mutants() if one.name.startswith(words)]
    print(f"{mistake.name}\n    {first_objection(mistake)}\n")

# %% [markdown]
# ## What others do differently
#
# - **The best start, whatever the window.** The paper's code lets a token begin an answer only in the window
#   where it has most around it. Ours lets all windows speak.
# - **Only the twenty best.** There, and in `transformers`, the twenty best starts are paired with the
#   twenty best ends, and what is illegal is thrown away. Now and then nothing is left. A band of all legal
#   pairs costs no more.
# - **Start first, then end.** XLNet (Yang et al. 2019) tells the end *given* the start, and needs a second
#   layer for it.
# - **Spans as a whole.** SpanBERT (Joshi et al. 2020) masks spans in pretraining, and is better at finding
#   them.
# - **Answers that are written.** A decoder can answer in its own words, and be wrong in its own words. What
#   is pointed to stands in the text, whatever else may be wrong with it.
#
# For real: `minibert finetune answer minilm --data train-v2.0.json --validation dev-v2.0.json` does all of
# this on files of SQuAD, and `minibert predict` answers the questions of another file.
#
# ## Exercises
#
# `minibert learn start` makes a folder with a file for each function to write, and `minibert learn check`
# says whether it is right. Each stands alone.
#
# ### To write: where it stands

# %%
exercise("torch_span_logits")

# %%
exercise("tokens_of")

# %%
exercise("even_windows")

# %%
exercise("best_span")

# %% [markdown]
# ### To write: how right it is

# %%
exercise("normalise_answer")

# %%
exercise("answer_f1")

# %%
exercise("best_threshold")

# %% [markdown]
# ### To think about
#
# **1. Pencil.** $s = (1, 4, 0, 2)$ and $e = (3, 0, 2, 1)$. Which is the best legal span, with at most two
# tokens, and with at most three?
#
# <details><summary>Hint</summary>
#
# From token 1 to token 2 it is $4 + 2$, and no legal pair has more, in either case.
#
# </details>
#
# **2. A blind model.** A model says the same $s_t$ and $e_t$ at each of 100 tokens. What is its loss? And the
# chance that a pair of tokens drawn from these two is the true one?
#
# <details><summary>Hint</summary>
#
# $\ln 100 = 4.61$, for the mean of two equal numbers is the number. The chance is $10^{-4}$.
#
# </details>
#
# **3. Articles.** A model answers every question with *the*. What is its exact match where nothing has an
# answer, and why?
#
# <details><summary>Hint</summary>
#
# Normalise it.
#
# </details>
#
# **4. Together.** (19.2) takes start and end for independent. Give an example of a text in which two answers
# are equally good, and start and end, each for itself, make a third of them that is wrong.
#
# <details><summary>Hint</summary>
#
# "In 1858 and in 1862." If half of the starts are given to each year, and half of the ends, then "1858 and in
# 1862" is as likely as either answer.
#
# </details>
#
# **5. Two people.** Let the stories have two sentences, about two people, and ask of one of them by name. How
# long does the model answer with the right kind of thing of the wrong person?
#
# <details><summary>Hint</summary>
#
# Longer than it takes to learn the kinds. For the kind it is enough to look at a word and at the question.
# For the person, a word must first find out whose sentence it stands in.
#
# </details>

# %%
pencil = best_span(np.array([1.0, 4, 0, 2]), np.array([3.0, 0, 2, 1]), 2)
assert pencil == best_span(np.array([1.0, 4, 0, 2]), np.array([3.0, 0, 2, 1]), 3) == (Span(1, 2), 6.0)
assert round(math.log(100), 2) == 4.61 and best_of(exact_match, "the", []) == 1

# %% [markdown]
# ## Further reading
#
# - Rajpurkar, Zhang, Lopyrev and Liang 2016, *SQuAD: 100,000+ questions for machine comprehension of text*,
#   [arXiv:1606.05250](https://arxiv.org/abs/1606.05250).
# - Rajpurkar, Jia and Liang 2018, *Know what you don't know: unanswerable questions for SQuAD*,
#   [arXiv:1806.03822](https://arxiv.org/abs/1806.03822).
# - Devlin, Chang, Lee and Toutanova 2019, *BERT*, [arXiv:1810.04805](https://arxiv.org/abs/1810.04805),
#   sections 4.2 and 4.3. Their code: `run_squad.py` in
#   [google-research/bert](https://github.com/google-research/bert).
# - Yang et al. 2019, *XLNet*, [arXiv:1906.08237](https://arxiv.org/abs/1906.08237).
# - Joshi et al. 2020, *SpanBERT*, [arXiv:1907.10529](https://arxiv.org/abs/1907.10529).
# - Spärck Jones 1972, *A statistical interpretation of term specificity and its application in retrieval*,
#   Journal of Documentation 28, 11–21. The weight of a word, for the yardstick.
