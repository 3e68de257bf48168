"""The WordPiece that runs: ids from `tokenizers`, saved as `transformers` reads them."""

import functools
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors

from minibert.text import wordpiece
from minibert.text.base_tokenizer import BaseTokenizer
from minibert.text.byte_tokenizer import ByteTokenizer
from minibert.text.char_tokenizer import CharTokenizer
from minibert.text.tokenizer_files import expect, load_first, read_json, read_lines, write_files
from minibert.text.wordpiece import CHINESE_BLOCKS, MAX_CHARS, SPECIALS

_CHINESE = "".join(f"{chr(first)}-{chr(last)}" for first, last in CHINESE_BLOCKS)
_WIDE_SIGNS = "\u3001-\u3011\u3014-\u301b\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65"
_OTHER_SIGNS = "“”‘’…—·"
"""Parts of patterns: Chinese characters, punctuation that carries its own space, and that which does not."""


class Tokenizer(BaseTokenizer):
    """WordPiece: ids from `tokenizers` (the fast path), the same as those of `text.wordpiece.encode`.

    Raises ValueError when `vocab` lacks a special token, or its ids are not 0, 1, …, V - 1.
    """

    def __init__(self, vocab: Mapping[str, int], lowercase: bool = True) -> None:
        super().__init__(vocab, SPECIALS, _backend(vocab, lowercase))
        self.lowercase = lowercase

    def decode(self, ids: Sequence[int]) -> str:
        """Return ids as text to read: pieces joined into words, punctuation moved to where it belongs."""
        text = " ".join(self._pieces[id] for id in ids).replace(" ##", "")
        text = re.sub(r"(\d) ([.,]) (?=\d)", r"\1\2", text)  # 1 , 000 -> 1,000
        text = re.sub(r"(\w) ' (s|t|re|ve|ll|d|m)\b", r"\1'\2", text)  # nation ' s -> nation's
        text = re.sub(r"(\w) - (?=\w)", r"\1-", text)  # well - known -> well-known
        text = re.sub(r" ([.,:;!?%)\]])", r"\1", text)
        text = re.sub(r"([(\[$]) ", r"\1", text)
        text = re.sub(f" ?([{_WIDE_SIGNS}]) ?", r"\1", text)  # 好 ， 的 -> 好，的
        text = re.sub(f"(?<=[{_CHINESE}…]) (?=[{_CHINESE}{_OTHER_SIGNS}])", "", text)
        return re.sub(f"(?<=[{_OTHER_SIGNS}]) (?=[{_CHINESE}])", "", text)

    @functools.cached_property
    def continuation(self) -> np.ndarray:
        """Where a piece continues a word: bool (V,), True for "##…"."""
        return np.array([piece.startswith("##") for piece in self._pieces])

    def _identity(self) -> list[object]:
        return [self.lowercase, self._pieces]

    # ------------------------------------------------------------ files

    def save(self, folder: str | Path, max_positions: int = 512) -> None:
        """Write tokenizer.json, tokenizer_config.json and vocab.txt, as `AutoTokenizer` reads them.

        `max_positions` is the longest sequence of the model that the tokenizer belongs to (tokens).
        """
        full = _backend(self.vocab, self.lowercase)
        full.add_special_tokens(list(SPECIALS))
        full.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]",
            pair="[CLS] $A [SEP] $B:1 [SEP]:1",
            special_tokens=[("[CLS]", self.cls_id), ("[SEP]", self.sep_id)],
        )
        config = {
            "tokenizer_class": "BertTokenizer",
            "do_lower_case": self.lowercase,
            "strip_accents": None,
            "tokenize_chinese_chars": True,
            "model_max_length": max_positions,
            "pad_token": "[PAD]",
            "unk_token": "[UNK]",
            "cls_token": "[CLS]",
            "sep_token": "[SEP]",
            "mask_token": "[MASK]",
        }
        texts = {
            "tokenizer.json": full.to_str(pretty=True),
            "tokenizer_config.json": json.dumps(config, indent=2) + "\n",
            "vocab.txt": "".join(f"{piece}\n" for piece in self._pieces),
        }
        write_files(folder, texts)

    @classmethod
    def load(cls, folder: str | Path) -> "Tokenizer":
        """Read the tokenizer of a folder, from tokenizer.json or else from vocab.txt.

        Raises ValueError, naming the file, when there is none, it is cut short or altered, or it is
        not a WordPiece tokenizer of BERT's kind.
        """
        return load_first(cls, folder, {"tokenizer.json": _from_json, "vocab.txt": _from_vocab})

    @classmethod
    def train(cls, texts: Iterable[str], vocab_size: int, lowercase: bool = True) -> "Tokenizer":
        """Learn a vocabulary of at most `vocab_size` pieces (V) from texts.

        It is that of `text.wordpiece.train`: the same texts always give the same one.
        Raises ValueError when the texts hold no word, or `vocab_size` leaves no room for letters.
        """
        return cls(wordpiece.train(texts, vocab_size, lowercase), lowercase)


def load_tokenizer(folder: str | Path) -> BaseTokenizer:
    """Read the tokenizer of a folder: WordPiece, byte-pair encoding, or characters.

    Raises ValueError, naming the file, when there is none or it cannot be used.
    """
    return _kind(Path(folder)).load(folder)


def _kind(folder: Path) -> type[Tokenizer] | type[ByteTokenizer] | type[CharTokenizer]:
    """Tell which kind of tokenizer a folder holds; where that is unclear, `Tokenizer` says what is wrong."""
    whole = folder / "tokenizer.json"
    if not whole.is_file():
        return ByteTokenizer if (folder / "merges.txt").is_file() else Tokenizer
    try:
        parts = read_json(whole)
        if "merges" not in parts["model"]:
            return Tokenizer
        words = parts["pre_tokenizer"] or parts["model"]["merges"]  # of characters, neither is there
        return ByteTokenizer if words else CharTokenizer
    except (ValueError, KeyError, TypeError):
        return Tokenizer


def _backend(vocab: Mapping[str, int], lowercase: bool) -> tokenizers.Tokenizer:
    """Return the library's WordPiece without special tokens: to it, "[MASK]" is a word in brackets."""
    model = models.WordPiece(dict(vocab), unk_token="[UNK]", max_input_chars_per_word=MAX_CHARS)
    backend = tokenizers.Tokenizer(model)
    backend.normalizer = normalizers.BertNormalizer(lowercase=lowercase)  # accents go where case folds
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.decoder = decoders.WordPiece()
    return backend


# ---------------------------------------------------------------- reading files


def _from_json(path: Path) -> tuple[dict[str, int], bool]:
    """Return (vocabulary, lowercase) of a tokenizer.json; refuse what would give other ids than ours."""
    try:
        parts = read_json(path)
        model, normalizer, splitter = parts["model"], parts["normalizer"], parts["pre_tokenizer"]
        vocab, lowercase = dict(model["vocab"]), normalizer["lowercase"]
        found = {
            "model": model.get("type", "WordPiece"),  # files of 2020 do not say it
            "pieces": (model["unk_token"], model["continuing_subword_prefix"]),
            "characters in a word": model["max_input_chars_per_word"],
            "normalizer": normalizer["type"],
            "clean_text, handle_chinese_chars": (
                normalizer["clean_text"],
                normalizer["handle_chinese_chars"],
            ),
            "accents stripped": lowercase
            if normalizer["strip_accents"] is None
            else normalizer["strip_accents"],
            "pre_tokenizer": splitter["type"],
            "added tokens outside the vocabulary": [
                token["content"]
                for token in parts["added_tokens"]
                if vocab.get(token["content"]) != token["id"]
            ],
        }
    except (KeyError, TypeError) as error:
        raise ValueError(f"it is not a WordPiece tokenizer of BERT's kind ({error} not found)") from error

    expected = {
        "model": "WordPiece",
        "pieces": ("[UNK]", "##"),
        "characters in a word": MAX_CHARS,
        "normalizer": "BertNormalizer",
        "clean_text, handle_chinese_chars": (True, True),
        "accents stripped": lowercase,
        "pre_tokenizer": "BertPreTokenizer",
        "added tokens outside the vocabulary": [],
    }
    expect(found, expected)
    return vocab, lowercase


def _from_vocab(path: Path) -> tuple[dict[str, int], bool]:
    """Return (vocabulary, lowercase) of a vocab.txt, one piece a line, and the configuration beside it."""
    pieces = read_lines(path)
    vocab = {piece: id for id, piece in enumerate(pieces)}
    if len(vocab) != len(pieces):
        twice = next(piece for id, piece in enumerate(pieces) if vocab[piece] != id)
        raise ValueError(f"the piece {twice!r} stands in it twice")

    config = path.with_name("tokenizer_config.json")
    settings = read_json(config) if config.is_file() else {}
    lowercase = settings.get("do_lower_case", True)
    if settings.get("strip_accents") not in (None, lowercase):
        raise ValueError(f"{config.name}: strip_accents must be {lowercase} like do_lower_case, or null")
    if settings.get("tokenize_chinese_chars", True) is not True:
        raise ValueError(f"{config.name}: tokenize_chinese_chars must be true")
    return vocab, lowercase
