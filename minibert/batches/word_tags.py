"""Words meet their pieces: at which piece a word's tag stands, and windows for long sentences."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from minibert.text.base_tokenizer import BaseTokenizer
from minibert.text.tagged import Sentence

Ints = NDArray[np.int64]


class Pieces(NamedTuple):
    """The P pieces of a sentence."""

    ids: Ints
    """(P,)"""
    words: Ints
    """(P,) the word that each is a piece of, ascending; -1 for white space between them."""


def pieces_of(sentence: Sentence, tokenizer: BaseTokenizer) -> Pieces:
    """Return the pieces of the running text, so that a tokenizer sees its spaces, and whose they are.

    A piece belongs to the word that its first sign, behind white space, stands in. So one that reaches over
    two words is a piece of the first, and the second may have none.
    """
    starts = [start for start, _ in sentence.places]
    ids, words = [], []
    for token in tokenizer.tokens(sentence.text):
        signs = sentence.text[token.start : token.end].lstrip()
        ids.append(token.id)
        words.append(bisect_right(starts, token.end - len(signs)) - 1 if signs else -1)
    return Pieces(np.array(ids, np.int64), np.array(words, np.int64))


def pieces_of_characters(sentence: Sentence, tokenizer: BaseTokenizer) -> Pieces:
    """Return the pieces of words that are single characters, each encoded alone, so that it has its own.

    Where a Chinese character stands alone in running text too, as in BERT's WordPiece, these are its pieces.
    """
    rows = tokenizer.encode_batch(sentence.words)
    ids = [id for row in rows for id in row]
    words = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
    return Pieces(np.array(ids, np.int64), words)


def at_first_pieces(words: Ints, values: Ints, otherwise: int) -> Ints:
    """Return the value of each word at its first piece, and `otherwise` at all other pieces.

    So a word counts once, however many pieces it has (Devlin et al. 2019, section 5.3).

    Args:
        words: (P,) the word that each piece belongs to, ascending; -1, anywhere, for pieces of no word.
        values: (W,) of each word, such as its tag.
        otherwise: for the pieces that stand for no word.

    Returns:
        (P,) int64.
    """
    seen = np.maximum.accumulate(np.concatenate([[-1], words]))[:-1]  # (P,) the last word before each piece
    return np.where(words > seen, values[words], otherwise)


# ---------------------------------------------------------------- windows


def word_windows(lengths: Ints, room: int) -> tuple[Ints, Ints]:
    """Return windows of whole words that overlap by half: where each begins, and the word behind its end.

    A window takes as many words as fit. The next begins half the room further on; later, if else the next
    word would not fit. The last one begins as early as it can and still reach the end.

    Args:
        lengths: (W,) pieces of each word, at most `room`.
        room: pieces in a window.

    Returns:
        firsts (K,) and ends (K,), int64; one window where all words fit.
    """
    before = np.concatenate([[0], np.cumsum(lengths)])  # (W + 1,) pieces before each word
    W, first, firsts, ends = len(lengths), 0, [], []
    while not ends or ends[-1] < W:
        end = int(np.searchsorted(before, before[first] + room, side="right")) - 1
        if end == W:
            first = int(np.searchsorted(before, before[W] - room))
        firsts.append(first)
        ends.append(end)
        next_word = before[min(end + 1, W)]
        further = np.searchsorted(before, max(before[first] + room // 2, next_word - room))
        first = min(int(further), end)
    return np.array(firsts), np.array(ends)


def owners(lengths: Ints, firsts: Ints, ends: Ints) -> Ints:
    """Return in which window each word is predicted: where it has most context, of equal ones the first.

    The context of a word is the smaller of the numbers of pieces before it and behind it in the window.

    Args:
        lengths: (W,) pieces of each word.
        firsts, ends: (K,), as of `word_windows`.

    Returns:
        (W,) numbers of windows.
    """
    before = np.concatenate([[0], np.cumsum(lengths)])  # (W + 1,) pieces before each word
    words, first, end = np.arange(len(lengths)), firsts[:, None], ends[:, None]  # (W,), (K, 1), (K, 1)
    left = before[words] - before[first]  # (K, W)
    right = before[end] - before[words + 1]
    inside = (first <= words) & (words < end)
    return np.where(inside, np.minimum(left, right), -1).argmax(axis=0)


class Row(NamedTuple):
    """What the model reads at once: a sentence, or a window of one."""

    ids: list[int]
    """T token ids, with the special ones."""
    words: Ints
    """(T,) the word that is predicted at each token; -1 at all others."""


def lay_out(
    pieces: Pieces, words: int, room: int, before: Sequence[int] = (), behind: Sequence[int] = ()
) -> Iterator[Row]:
    """Yield the rows of a sentence: every word that has a piece is predicted once, in one of them.

    Of a word with more pieces than there is room, the first ones are kept.

    Args:
        pieces: those of the sentence.
        words: W, how many words it has.
        room: pieces in a row.
        before, behind: special tokens around them, where no word is predicted.
    """
    if not words:
        return  # though white space may have pieces
    word = np.maximum.accumulate(np.maximum(pieces.words, 0))  # (P,) white space goes with the word before it
    kept = np.arange(len(word)) - np.searchsorted(word, word) < room
    ids, word = pieces.ids[kept], word[kept]
    asked = at_first_pieces(pieces.words, np.arange(words), -1)[kept]
    lengths = np.bincount(word, minlength=words)
    firsts, ends = word_windows(lengths, room)
    owner = owners(lengths, firsts, ends)
    for window, (first, end) in enumerate(zip(firsts, ends, strict=True)):
        inside = slice(*np.searchsorted(word, [first, end]))
        own = np.where(owner[word[inside]] == window, asked[inside], -1)
        if (own >= 0).any():
            at = np.concatenate([np.full(len(before), -1), own, np.full(len(behind), -1)])
            yield Row([*before, *ids[inside].tolist(), *behind], at)
