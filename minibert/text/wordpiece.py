"""WordPiece by hand: text -> words -> the longest pieces that the vocabulary has."""

import functools
import unicodedata
from collections.abc import Mapping

UNKNOWN = "[UNK]"

MAX_CHARS = 100
"""Words longer than this many characters become one unknown piece (as in the published BERT)."""

_CHINESE = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B920, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)
"""Unicode blocks of Chinese characters, first and last code point.

Differs from the paper: its code starts the sixth block at 0x2B820; `tokenizers`, which wrote most of
the checkpoints that people have, at 0x2B920.
"""

# ---------------------------------------------------------------- normalisation


def clean(text: str) -> str:
    """Drop control characters and U+FFFD; turn every kind of white space into a plain space."""
    kept = []
    for char in text:
        kind = unicodedata.category(char)
        if char in "\t\n\r" or kind.startswith("Z"):
            kept.append(" ")
        elif char != "\ufffd" and kind not in ("Cc", "Cf", "Co"):
            kept.append(char)
    return "".join(kept)


def separate_chinese(text: str) -> str:
    """Put spaces around every Chinese character, so that each is a word of its own."""
    return "".join(f" {char} " if is_chinese(char) else char for char in text)


def strip_accents(text: str) -> str:
    """Take the accents off: "é" is decomposed into "e" and a mark, and the mark is dropped."""
    return "".join(char for char in unicodedata.normalize("NFD", text) if unicodedata.category(char) != "Mn")


def normalise(text: str, lowercase: bool = True) -> str:
    """Return the text as BERT sees it; accents go and case folds only where `lowercase`."""
    text = separate_chinese(clean(text))
    if lowercase:
        text = "".join(char.lower() for char in strip_accents(text))  # one by one: "Σ" has no final form
    return text


@functools.cache
def is_chinese(char: str) -> bool:
    """Whether a character stands in one of the Chinese blocks (Japanese kana and hangul do not)."""
    return any(first <= ord(char) <= last for first, last in _CHINESE)


@functools.cache
def is_punctuation(char: str) -> bool:
    """Whether a character is cut off as a word of its own: Unicode's P*, and all ASCII signs like $ and +."""
    ascii_sign = char.isascii() and char.isprintable() and not char.isalnum() and char != " "
    return ascii_sign or unicodedata.category(char).startswith("P")


# ---------------------------------------------------------------- text -> words -> pieces -> ids


def basic_split(text: str, lowercase: bool = True) -> list[str]:
    """Return the normalised words of a text, each sign of punctuation as a word of its own."""
    spaced = (f" {char} " if is_punctuation(char) else char for char in normalise(text, lowercase))
    return "".join(spaced).split()


def wordpiece(
    word: str, vocab: Mapping[str, int], unk: str = UNKNOWN, max_chars: int = MAX_CHARS
) -> list[str]:
    """Cut one word into pieces: always the longest that the vocabulary has, from left to right.

    Pieces that continue a word are written with "##" in front. A word that cannot be cut to its very
    end, or is longer than `max_chars`, is the one piece `unk` (Wu et al. 2016; Devlin et al. 2019).
    """
    if len(word) > max_chars:
        return [unk]

    pieces = []
    start = 0
    while start < len(word):
        prefix = "##" if start else ""
        for end in range(len(word), start, -1):
            piece = prefix + word[start:end]
            if piece in vocab:
                break
        else:
            return [unk]
        pieces.append(piece)
        start = end
    return pieces


def encode(text: str, vocab: Mapping[str, int], lowercase: bool = True) -> list[int]:
    """Return the token ids of a text, without special tokens; "[MASK]" in the text is text."""
    return [vocab[piece] for word in basic_split(text, lowercase) for piece in wordpiece(word, vocab)]
