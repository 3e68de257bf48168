"""What the tokenizers that run share: a vocabulary, special tokens, and an encoder of `tokenizers`."""

import functools
import hashlib
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tokenizers

END = "<|endoftext|>"
"""GPT-2's one special token, which stands behind each text."""


class Token(NamedTuple):
    """One token of a text: text[start:end] is where it comes from."""

    id: int
    piece: str
    start: int
    end: int


class BaseTokenizer(ABC):
    """Text to ids and back.

    Raises ValueError when a special token is not in `vocab`, or its ids are not 0, 1, …, V - 1.
    """

    def __init__(
        self, vocab: Mapping[str, int], specials: Sequence[str], backend: tokenizers.Tokenizer
    ) -> None:
        missing = [piece for piece in specials if piece not in vocab]
        if missing:
            raise ValueError(f"the vocabulary of {len(vocab)} pieces lacks {', '.join(missing)}")
        if sorted(vocab.values()) != list(range(len(vocab))):
            raise ValueError(
                f"the ids of the {len(vocab)} pieces must be 0 to {len(vocab) - 1}, each once; "
                f"they go from {min(vocab.values())} to {max(vocab.values())}"
            )
        self.vocab = dict(sorted(vocab.items(), key=lambda item: item[1]))
        self.specials = tuple(specials)
        self.special_ids = tuple(self.vocab[piece] for piece in specials)
        self._pieces = list(self.vocab)
        self._backend = backend  # knows no special token: to it, "[MASK]" is a word in brackets

    def __len__(self) -> int:
        """V, pieces in the vocabulary."""
        return len(self._pieces)

    @property
    def pad_id(self) -> int:
        """Id of "[PAD]", which fills up a batch."""
        return self._special("[PAD]")

    @property
    def unk_id(self) -> int:
        """Id of "[UNK]", a word that cannot be cut into pieces."""
        return self._special("[UNK]")

    @property
    def cls_id(self) -> int:
        """Id of "[CLS]", which begins a sequence."""
        return self._special("[CLS]")

    @property
    def sep_id(self) -> int:
        """Id of "[SEP]", which ends a segment."""
        return self._special("[SEP]")

    @property
    def mask_id(self) -> int:
        """Id of "[MASK]", a blank to be filled."""
        return self._special("[MASK]")

    @property
    def end_id(self) -> int:
        """Id of "<|endoftext|>", which ends a text. Raises ValueError where there is none."""
        return self._special(END, "To learn where texts end, take a tokenizer of bytes or of characters")

    def _special(self, piece: str, remedy: str = "Train one with the special tokens of BERT") -> int:
        if piece not in self.specials:
            has = ", ".join(self.specials) or "none"
            raise ValueError(f"this tokenizer has no {piece}, only {has}. {remedy}")
        return self.vocab[piece]

    # ------------------------------------------------------------ text <-> ids

    def encode(self, text: str, specials: bool = False) -> list[int]:
        """Return the ids of a text, without special tokens around it.

        "[MASK]" in the text is text, unless `specials`: then the special tokens that it spells are meant.
        Raises ValueError for a text with surrogates.
        """
        if specials:
            return [token.id for token in self.tokens(text, specials=True)]
        return self._encoding(text).ids

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the ids of many texts, on all cores."""
        try:
            encodings = self._backend.encode_batch_fast(list(texts), add_special_tokens=False)
        except TypeError:
            return [self.encode(text) for text in texts]  # says which is wrong
        return [encoding.ids for encoding in encodings]

    def encode_blanks(self, text: str) -> list[int]:
        """Return the ids of a text in which "[MASK]", alone, is the special token: a blank to be filled."""
        first, *rest = text.split("[MASK]")
        ids = self.encode(first)
        for part in rest:
            ids += [self.mask_id, *self.encode(part)]
        return ids

    def tokens(self, text: str, specials: bool = False) -> list[Token]:
        """Return the tokens of a text with their places in it (characters), without special tokens around it.

        A token's slice of the text is what it comes from, so the places of two tokens can be the same: of
        pieces of one character. `specials`: see `encode`.
        """
        found = []
        for start, part in self._parts(text, self.specials if specials else ()):
            if specials and part in self.specials:
                found.append(Token(self.vocab[part], part, start, start + len(part)))
                continue
            encoding = self._encoding(part)
            for id, (first, last) in zip(encoding.ids, encoding.offsets, strict=True):
                found.append(Token(id, self._pieces[id], start + first, start + last))
        return found

    @staticmethod
    def _parts(text: str, specials: Sequence[str]) -> Iterator[tuple[int, str]]:
        """Yield (start, part): the special tokens that a text spells, and what stands between them."""
        longest_first = sorted(specials, key=len, reverse=True)
        parts = re.split(f"({'|'.join(map(re.escape, longest_first))})", text) if specials else [text]
        start = 0
        for part in parts:
            yield start, part
            start += len(part)

    def _encoding(self, text: str) -> tokenizers.Encoding:
        try:
            return self._backend.encode(text, add_special_tokens=False)
        except TypeError as error:
            place = next((i for i, char in enumerate(text) if "\ud800" <= char <= "\udfff"), None)
            if place is None:
                raise
            raise ValueError(
                f"character {place} of the text is U+{ord(text[place]):04X}, half of a surrogate pair: no "
                "UTF-8 text holds one. Read the text with its right encoding"
            ) from error

    def piece(self, id: int) -> str:
        """Return the piece with this id, as the vocabulary writes it."""
        return self._pieces[id]

    @abstractmethod
    def decode(self, ids: Sequence[int]) -> str:
        """Return ids as text to read."""

    # ------------------------------------------------------------ what it is

    @functools.cached_property
    @abstractmethod
    def continuation(self) -> np.ndarray:
        """Where a piece continues a word: bool (V,)."""

    @functools.cached_property
    def fingerprint(self) -> str:
        """Sha256 that is equal when all texts get equal ids."""
        return hashlib.sha256(json.dumps(self._identity()).encode()).hexdigest()

    @abstractmethod
    def _identity(self) -> list[object]:
        """Return all that the ids of texts depend on."""

    # ------------------------------------------------------------ files

    @abstractmethod
    def save(self, folder: str | Path, max_positions: int = 512) -> None:
        """Write the tokenizer's files into a folder, as `AutoTokenizer` reads them.

        `max_positions` is the longest sequence of the model that the tokenizer belongs to (tokens).
        """
