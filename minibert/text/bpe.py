"""Byte-pair encoding by hand, on bytes as GPT-2 does it: text -> words -> bytes -> pieces -> ids."""

import functools
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

from minibert.text.merging import merges

Pair = tuple[str, str]

MAX_CHARS = 1000
"""Words longer than this many characters teach nothing: they are left out of training."""

# ---------------------------------------------------------------- bytes <-> characters


def byte_characters() -> dict[int, str]:
    """Return a character to write each of the 256 bytes with: a piece is then a string that can be seen.

    Printable bytes of Latin-1, "!" to "~", "¡" to "¬" and "®" to "ÿ", stand for the characters with their
    own numbers. The other 68, in their order, stand for the characters from U+0100 on: 0 for "Ā", the space
    for "Ġ", 127 for "ġ" (Radford et al. 2019, `bytes_to_unicode` of their code).
    """
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return {byte: chr(byte) for byte in printable} | {byte: chr(256 + n) for n, byte in enumerate(others)}


CHARACTERS = byte_characters()
BYTES = {char: byte for byte, char in CHARACTERS.items()}
ALPHABET = sorted(BYTES)
"""The 256 smallest pieces, in the order of their ids."""


def to_characters(text: str) -> str:
    """Return the UTF-8 bytes of a text, each written as its character: "né" is "nÃ©".

    Raises ValueError for half of a surrogate pair, which has no bytes in UTF-8.
    """
    return "".join(CHARACTERS[byte] for byte in text.encode("utf-8"))


def from_characters(text: str) -> str:
    """Return the text that characters of bytes stand for; bytes that are not UTF-8 become U+FFFD."""
    return bytes(BYTES[char] for char in text).decode("utf-8", "replace")


# ---------------------------------------------------------------- text -> words

SPACE = r"\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
"""White space of Unicode, to stand in a pattern; Python's \\s has four control characters more."""


@functools.cache
def word_pattern() -> re.Pattern[str]:
    """Return GPT-2's pattern of a word: an ending after an apostrophe, or letters, or digits, or other signs,
    each with a space before it; the white space that is left is a word too (Radford et al. 2019).

    Theirs: 's|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+. Python's `re`
    knows no \\p{L} (letters) and \\p{N} (numbers), so both are spelled out here.
    """
    L, N = characters_of("L"), characters_of("N")
    endings = "'(?:s|t|re|ve|m|ll|d)"
    return re.compile(f"{endings}| ?[{L}]+| ?[{N}]+| ?[^{SPACE}{L}{N}]+|[{SPACE}]+(?![^{SPACE}])|[{SPACE}]+")


def characters_of(kind: str) -> str:
    """Return all characters of a kind of Unicode ("L", "N", "P", …) as ranges, to stand in a pattern."""
    runs = re.finditer(f"{kind}+", kinds())
    return "".join(f"\\U{run.start():08x}-\\U{run.end() - 1:08x}" for run in runs)


@functools.cache
def kinds() -> str:
    """Return the kinds of all characters, a letter each: "L" stands at place 65, that of "A".

    Only up to U+3FFFF: Unicode has no letters, no numbers and no signs beyond.
    """
    return "".join(unicodedata.category(chr(code))[0] for code in range(0x40000))


def split(text: str) -> list[str]:
    """Return the words of a text, each with the space before it; joined they are the text again."""
    return word_pattern().findall(text)


# ---------------------------------------------------------------- training


def count_words(texts: Iterable[str]) -> Counter[str]:
    """Return how often each word occurs, without those of more than MAX_CHARS characters."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(split(text))
    return Counter({word: count for word, count in counts.items() if len(word) <= MAX_CHARS})


def train(texts: Iterable[str], pieces: int) -> list[Pair]:
    """Return the merges, in their order, that take the 256 bytes to a vocabulary of so many `pieces`.

    The pair of pieces that stands together most often in the words is merged, again and again. Of
    equally frequent pairs goes first the one whose left piece, then whose right piece, is older: so does
    `tokenizers`. There are fewer merges when no pair is left (Sennrich et al. 2016, algorithm 1).

    Raises ValueError when `pieces` has no room for the bytes.
    """
    if pieces < len(ALPHABET):
        raise ValueError(f"a vocabulary of bytes needs at least {len(ALPHABET)} pieces, got {pieces}")
    known = list(ALPHABET)
    ids = {piece: id for id, piece in enumerate(known)}

    def join(left: int, right: int) -> int:
        known.append(known[left] + known[right])
        return len(known) - 1

    words = {tuple(ids[char] for char in to_characters(w)): n for w, n in count_words(texts).items()}
    learned: list[Pair] = []
    for (left, right), _ in merges(words, join):
        if len(known) == pieces:
            break
        learned.append((known[left], known[right]))
    return learned


def vocabulary(merges: Sequence[Pair], specials: Sequence[str] = ()) -> dict[str, int]:
    """Return the ids of all pieces: special tokens, bytes, then what the merges make, in their order."""
    pieces = [*specials, *ALPHABET, *(left + right for left, right in merges)]
    return {piece: id for id, piece in enumerate(pieces)}


# ---------------------------------------------------------------- text <-> ids


def cut(word: str, ranks: Mapping[Pair, int]) -> list[str]:
    """Cut one word, written in characters of bytes, into pieces: single ones first, then merged in order.

    `ranks` gives the place of each pair among the merges: of all the pairs that stand side by side, the one
    of the lowest rank is merged, again and again, until none is known. Where it stands more than once, the
    leftmost goes first: with the pair a-a, "aaa" becomes "aa", "a" (Sennrich et al. 2016, section 3.2).

    The time grows with the square of the length.
    """
    pieces = list(word)
    while True:
        known = [(ranks[pair], place) for place, pair in enumerate(pairwise(pieces)) if pair in ranks]
        if not known:
            return pieces
        _, place = min(known)  # the earliest merge; of its places the leftmost
        pieces[place : place + 2] = [pieces[place] + pieces[place + 1]]


def tokenise(text: str, ranks: Mapping[Pair, int]) -> Iterator[str]:
    """Yield the pieces of a text."""
    for word in split(text):
        yield from cut(to_characters(word), ranks)


def encode(text: str, vocab: Mapping[str, int], merges: Sequence[Pair]) -> list[int]:
    """Return the ids of a text; "<|endoftext|>" in the text is text. Raises ValueError for surrogates."""
    ranks = {pair: rank for rank, pair in enumerate(merges)}
    return [vocab[piece] for piece in tokenise(text, ranks)]


def decode(ids: Iterable[int], vocab: Mapping[str, int]) -> str:
    """Return the text of ids: what was encoded, to the byte.

    `vocab` maps each piece, written in characters of bytes, to its id, in any order. A piece may end in the
    middle of a character; bytes that are no UTF-8 when all are together become U+FFFD.
    """
    pieces = {id: piece for piece, id in vocab.items()}
    return from_characters("".join(pieces[id] for id in ids))
