"""Which words a classifier's worst mistakes hang on: each is left out, and the model is asked again."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minibert.text.labelled import LabelledText

Ask = Callable[[Sequence[LabelledText]], NDArray[np.floating]]
"""Texts -> the probabilities of their classes, (n, C)."""

MOST = 10
"""Mistakes that are looked into."""

MOST_PIECES = 60
"""Pieces that a text is cut into at most: words, or as many runs of words of a longer one."""

WIDE = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
"""Chinese and Japanese letters, each of which is taken as a word, with the signs behind it."""

WORD = re.compile(rf"[{WIDE}][^\w\s]*|[^\s{WIDE}]+")


def worst_mistakes(
    texts: Sequence[LabelledText],
    labels: Sequence[str],
    probabilities: NDArray[np.floating],
    ask: Ask,
    most: int = MOST,
) -> list[dict[str, Any]]:
    """Return the wrong predictions that a classifier is surest of, with the words that they hang on.

    The effect of a word is p(predicted class | text) − p(predicted class | text without the word): above 0
    for a word that speaks for the prediction (leave-one-out, or erasure: Li et al. 2016).

    Args:
        texts: n of them, with their true labels.
        labels: the names of the C classes.
        probabilities: (n, C) what the model gives to each class of each text.
        ask: how the model is asked about other texts; it is asked once, about all of them.
        most: as many mistakes at most.

    Returns:
        "text", "pair", "true", "predicted", "probability" and "words", a list of [word, effect] in their
        order, those of the pair behind those of the text; the surest mistake first.
    """
    predicted = probabilities.argmax(axis=1)  # (n,)
    true = [labels.index(str(text.label)) for text in texts]
    sure = probabilities[np.arange(len(texts)), predicted]
    wrong = np.flatnonzero(predicted != np.array(true))
    chosen = wrong[np.argsort(-sure[wrong], kind="stable")][:most].tolist()

    parts = {row: list(without_each_word(texts[row])) for row in chosen}
    others = [other for row in chosen for _, other in parts[row]]
    answers = iter(ask(others)) if others else iter(())
    return [
        {
            "text": texts[row].text,
            "pair": texts[row].pair,
            "true": labels[true[row]],
            "predicted": labels[predicted[row]],
            "probability": float(sure[row]),
            "words": [[word, float(sure[row] - next(answers)[predicted[row]])] for word, _ in parts[row]],
        }
        for row in chosen
    ]


def without_each_word(text: LabelledText) -> Iterator[tuple[str, LabelledText]]:
    """Yield each word of a text, and then of its pair, with the text that is left without it.

    A text of many words is cut into runs of words in their place. A text of one piece is not left empty.
    """
    pieces = [("text", *place) for place in words(text.text)]
    pieces += [("pair", *place) for place in words(text.pair or "")]
    for field, start, end in runs(pieces, MOST_PIECES):
        whole = getattr(text, field)
        left = f"{whole[:start].rstrip()}{whole[end:]}".strip()
        if left:
            yield whole[start:end], replace(text, **{field: left})


def words(text: str) -> list[tuple[int, int]]:
    """Return where the words of a text begin and end: between white space, or for Chinese its characters."""
    return [match.span() for match in WORD.finditer(text)]


def runs(pieces: Sequence[tuple[str, int, int]], most: int) -> list[tuple[str, int, int]]:
    """Join neighbours in the same field to at most so many runs; to one more where a pair begins."""
    length = -(-len(pieces) // most)
    joined: list[tuple[str, int, int]] = []
    count = 0
    for field, start, end in pieces:
        if joined and joined[-1][0] == field and count % length:
            joined[-1] = (field, joined[-1][1], end)
        else:
            joined.append((field, start, end))
            count = 0
        count += 1
    return joined
