"""Running text: documents as they are, to the character, each with the end token behind it."""

import re
from pathlib import Path

import numpy as np

from minibert.text.base_tokenizer import BaseTokenizer
from minibert.text.bpe import SPACE
from minibert.text.corpus import Document
from minibert.text.store import Builder, Ints

PIECE = 1 << 14
"""Characters that are encoded together, at least; the cores share the pieces of a chunk."""

LONGEST_WORD = 1 << 20
"""A text is cut anyhow where so many characters have no white space."""


class RunningBuilder(Builder):
    """Writes a store of running text, as causal models learn it: no sentences, and nothing is lost.

    A text is encoded in pieces, whose ids are those of the whole (see `cut_running`).

    Raises ValueError when the tokenizer has no end token; and as `Builder`.
    """

    def __init__(self, folder: str | Path, tokenizer: BaseTokenizer, fingerprint: str) -> None:
        super().__init__(folder, tokenizer, fingerprint)
        self._end_id = tokenizer.end_id
        self._rest = ""  # of the last document, in no chunk yet

    def add(self, document: Document) -> None:
        """Take a document, or the next part of the last one where it `continues`."""
        if not document.continues:
            self._end_document()
            self.names.append(document.name)
        *pieces, self._rest = cut_running(self._rest + document.text)
        for piece in pieces:
            self._take(piece)

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is None:
            self._end_document()
        super().__exit__(kind, *rest)

    def _end_document(self) -> None:
        if self._rest:
            self._take(self._rest)
            self._take("")  # stands for the end token
            self._rest = ""

    def _ids(self, texts: list[str]) -> list[list[int]]:
        return [ids if text else [self._end_id] for text, ids in zip(texts, super()._ids(texts), strict=True)]

    def _sentences(self) -> tuple[Ints, Ints]:
        """Return the tokens of every document, and its number."""
        lengths, owners = super()._sentences()
        tokens = np.zeros(len(self.names), np.int64)
        np.add.at(tokens, owners, lengths)
        return tokens, np.arange(len(tokens))


_BREAK = re.compile(f"[^{SPACE}](?=[{SPACE}])")


def cut_running(text: str) -> list[str]:
    """Cut a text into pieces that are the text when joined, and have its ids when encoded one by one.

    Each ends before the first white space, behind something else, that comes after PIECE characters: there
    byte-pair encoding begins a new word (see `minibert.text.bpe.word_pattern`), and characters can be cut
    anywhere. The last piece is what is left, however short. Only where LONGEST_WORD characters have no white
    space a word is cut in two; a few ids of bytes may differ there.
    """
    pieces, start = [], 0
    while len(text) - start > PIECE:
        found = _BREAK.search(text, start + PIECE, start + LONGEST_WORD)
        end = found.end() if found else start + LONGEST_WORD
        if end >= len(text):
            break
        pieces.append(text[start:end])
        start = end
    return [*pieces, text[start:]]
