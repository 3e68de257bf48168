"""WordPiece by hand: text -> words -> the longest pieces that the vocabulary has; and that vocabulary."""

import functools
import heapq
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from minibert.text.merging import merges

SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
"""Pieces that no text gives; their ids are 0 to 4."""

UNKNOWN = "[UNK]"

MAX_CHARS = 100
"""Words longer than this many characters become one unknown piece, as in `transformers` and `tokenizers`.

Differs from the paper: its code allows 200.
"""

LETTER_WORTH = 100
"""A letter is taken into the vocabulary before a pair of pieces that is up to this many times as frequent.

A word with a letter that is not there is unknown as a whole, a word whose pair is not there only longer.
"""

CHINESE_BLOCKS = (
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
    """Drop control characters and U+FFFD; turn every kind of white space into a plain space.

    Differs from the paper: its code keeps characters for private use (Co), which `tokenizers` drops.
    """
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
    if text.isascii():
        return text
    return "".join(f" {char} " if is_chinese(char) else char for char in text)


def strip_accents(text: str) -> str:
    """Take the accents off: "é" is decomposed into "e" and a mark, and the mark is dropped.

    Decomposed is what Unicode calls NFD, a mark what it calls Mn; nothing is put together again.
    """
    if text.isascii():
        return text
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
    return any(first <= ord(char) <= last for first, last in CHINESE_BLOCKS)


@functools.cache
def is_punctuation(char: str) -> bool:
    """Whether a character is cut off as a word of its own: Unicode's P*, and all ASCII signs like $ and +."""
    ascii_sign = char.isascii() and char.isprintable() and not char.isalnum() and char != " "
    return ascii_sign or unicodedata.category(char).startswith("P")


# ---------------------------------------------------------------- text -> words -> pieces -> ids


def basic_split(text: str, lowercase: bool = True) -> list[str]:
    """Return the normalised words of a text, each sign of punctuation as a word of its own: "it's!" has four.

    `lowercase` is what `normalise` means by it; what a sign is, `is_punctuation` says.
    """
    spaced = (f" {char} " if is_punctuation(char) else char for char in normalise(text, lowercase))
    return "".join(spaced).split()


def wordpiece(
    word: str, vocab: Mapping[str, int], unk: str = UNKNOWN, max_chars: int = MAX_CHARS
) -> list[str]:
    """Cut one word into pieces: always the longest that the vocabulary has, from left to right.

    Pieces that continue a word are written with "##" in front. A word that cannot be cut to its very end in
    this way, or has more than `max_chars` characters, is the one piece `unk`; the empty word has no pieces
    (Wu et al. 2016; Devlin et al. 2019).
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


# ---------------------------------------------------------------- training


def count_words(texts: Iterable[str], lowercase: bool = True) -> Counter[str]:
    """Return how often each normalised word occurs, without those of more than MAX_CHARS characters."""
    counts: Counter[str] = Counter()
    for part, times in count_parts(texts):
        for word in basic_split(part, lowercase):
            counts[word] += times
    return Counter({word: count for word, count in counts.items() if len(word) <= MAX_CHARS})


def count_parts(texts: Iterable[str], most: int = 1 << 16) -> Iterator[tuple[str, int]]:
    """Yield what stands between spaces and how often it occurs, so that it need not be cut each time.

    When there are more than `most` different ones, all are yielded, and counting begins anew.
    """
    parts: Counter[str] = Counter()
    for text in texts:
        parts.update(re.split("[ \t\n\r]+", text))
        if len(parts) > most:
            yield from parts.items()
            parts.clear()
    yield from parts.items()


def train(texts: Iterable[str], vocab_size: int, lowercase: bool = True) -> dict[str, int]:
    """Learn a vocabulary of at most `vocab_size` pieces (V) from texts: piece -> id, in the order of the ids.

    Words start as letters, "##" in front of all but the first, and the pair of pieces that stands together
    most often becomes a piece, again and again; of equally frequent pairs the first in the order of text.
    So the same texts always give the same vocabulary: the SPECIALS, the letters, what the merges made.
    Of a large alphabet the rarest letters stay out (see LETTER_WORTH).

    Differs from the paper: Schuster and Nakajima 2012 merge the pair that makes the text likeliest. Google's
    trainer was never published; `tokenizers` merges the most frequent pair too, and breaks ties at random.

    Raises ValueError when the texts hold no word, or `vocab_size` leaves no room for a letter.
    """
    room = vocab_size - len(SPECIALS)
    if room < 2:
        raise ValueError(f"vocab_size must be at least {len(SPECIALS) + 2}, got {vocab_size}")
    words = {
        (word[0], *(f"##{char}" for char in word[1:])): times
        for word, times in count_words(texts, lowercase).items()
    }
    if not words:
        raise ValueError("no vocabulary can be learned: the texts hold no word")

    # Both lists have what is worth most first; take from whichever has the better piece, until it is full.
    longer = ((count, [join(*pair)]) for pair, count in merges(words, join))
    pieces: list[str] = []
    for _, new in heapq.merge(rank_letters(words), longer, key=lambda each: -each[0]):
        pieces += new
        if len(pieces) >= room:
            break
    pieces = pieces[:room]
    letters = sorted(filter(is_letter, pieces), key=lambda piece: (len(piece), piece))
    longest = [piece for piece in pieces if not is_letter(piece)]
    return {piece: id for id, piece in enumerate([*SPECIALS, *letters, *longest])}


def join(left: str, right: str) -> str:
    """Return what two pieces that stand together become: "un" and "##til" make "until"."""
    return left + right.removeprefix("##")


def is_letter(piece: str) -> bool:
    """Whether a piece is a single character, at the start of a word or inside: "a" or "##a"."""
    return len(piece.removeprefix("##")) == 1


def rank_letters(words: Mapping[tuple[str, ...], int]) -> list[tuple[int, list[str]]]:
    """Return what each letter is worth and its pieces ("a", and "##a" if it is inside words), best first."""
    counts: Counter[str] = Counter()
    for word, times in words.items():
        for piece in word:
            counts[piece] += times
    chars = {piece.removeprefix("##") for piece in counts}
    ranked = sorted((-counts[char] - counts[f"##{char}"], char) for char in chars)
    forms = {char: [char, f"##{char}"] if f"##{char}" in counts else [char] for char in chars}
    return [(-count * LETTER_WORTH, forms[char]) for count, char in ranked]
