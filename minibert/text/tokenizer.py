"""The tokenizer that runs: WordPiece ids from `tokenizers`, saved as `transformers` reads them."""

import functools
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

from minibert.text.wordpiece import MAX_CHARS, SPECIALS


class Tokenizer:
    """WordPiece: ids from `tokenizers` (the fast path), the same as those of `text.wordpiece.encode`.

    Raises ValueError when `vocab` lacks a special token, or its ids are not 0, 1, …, V - 1.
    """

    def __init__(self, vocab: Mapping[str, int], lowercase: bool = True) -> None:
        missing = [piece for piece in SPECIALS if piece not in vocab]
        if missing:
            raise ValueError(f"the vocabulary of {len(vocab)} pieces lacks {', '.join(missing)}")
        if sorted(vocab.values()) != list(range(len(vocab))):
            raise ValueError(
                f"the ids of the {len(vocab)} pieces must be 0 to {len(vocab) - 1}, each once; "
                f"they go from {min(vocab.values())} to {max(vocab.values())}"
            )
        self.vocab = dict(sorted(vocab.items(), key=lambda item: item[1]))
        self.lowercase = lowercase
        self.pad_id, self.unk_id, self.cls_id, self.sep_id, self.mask_id = (self.vocab[s] for s in SPECIALS)
        self.special_ids = (self.pad_id, self.unk_id, self.cls_id, self.sep_id, self.mask_id)
        self._pieces = list(self.vocab)
        self._backend = _backend(self.vocab, lowercase)

    def __len__(self) -> int:
        """V, pieces in the vocabulary."""
        return len(self._pieces)

    # ------------------------------------------------------------ text <-> ids

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text, without special tokens; "[MASK]" in the text is text."""
        return self._backend.encode(text, add_special_tokens=False).ids

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the ids of many texts, on all cores."""
        encodings = self._backend.encode_batch_fast(list(texts), add_special_tokens=False)
        return [encoding.ids for encoding in encodings]

    def encode_blanks(self, text: str) -> list[int]:
        """Return the ids of a text in which "[MASK]" is the special token: a blank to be filled."""
        first, *rest = text.split("[MASK]")
        ids = self.encode(first)
        for part in rest:
            ids += [self.mask_id, *self.encode(part)]
        return ids

    def piece(self, id: int) -> str:
        """Return the piece with this id, "##" in front when it continues a word."""
        return self._pieces[id]

    def decode(self, ids: Sequence[int]) -> str:
        """Return ids as text to read: pieces joined into words, punctuation moved to where it belongs."""
        text = " ".join(self._pieces[id] for id in ids).replace(" ##", "")
        text = re.sub(r"(\d) ([.,]) (?=\d)", r"\1\2", text)  # 1 , 000 -> 1,000
        text = re.sub(r"(\w) ' (s|t|re|ve|ll|d|m)\b", r"\1'\2", text)  # nation ' s -> nation's
        text = re.sub(r"(\w) - (?=\w)", r"\1-", text)  # well - known -> well-known
        text = re.sub(r" ([.,:;!?%)\]])", r"\1", text)
        return re.sub(r"([(\[$]) ", r"\1", text)

    # ------------------------------------------------------------ what it is

    @functools.cached_property
    def continuation(self) -> np.ndarray:
        """Where a piece continues a word: bool (V,), True for "##…"."""
        return np.array([piece.startswith("##") for piece in self._pieces])

    @functools.cached_property
    def fingerprint(self) -> str:
        """Sha256 over the ordered vocabulary and `lowercase`: equal when all texts get equal ids."""
        return hashlib.sha256(json.dumps([self.lowercase, self._pieces]).encode()).hexdigest()

    # ------------------------------------------------------------ files

    def save(self, folder: str | Path, max_positions: int = 512) -> None:
        """Write tokenizer.json, tokenizer_config.json and vocab.txt, as `AutoTokenizer` reads them.

        `max_positions` is the longest sequence of the model that the tokenizer belongs to (tokens).
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
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
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8", newline="\n")

    @classmethod
    def load(cls, folder: str | Path) -> "Tokenizer":
        """Read the tokenizer of a folder, from tokenizer.json or else from vocab.txt.

        Raises ValueError, naming the file, when there is none, it is cut short or altered, or it is
        not a WordPiece tokenizer of BERT's kind.
        """
        folder = Path(folder)
        whole, words = folder / "tokenizer.json", folder / "vocab.txt"
        if whole.is_file():
            path, read = whole, _from_json
        elif words.is_file():
            path, read = words, _from_vocab
        else:
            raise ValueError(f"no tokenizer in {folder}: expected tokenizer.json or vocab.txt there")
        try:
            return cls(*read(path))
        except ValueError as error:
            raise ValueError(f"{path} cannot be used: {error}. Copy it again from its source") from error

    @classmethod
    def train(cls, texts: Iterable[str], vocab_size: int, lowercase: bool = True) -> "Tokenizer":
        """Learn a vocabulary of at most `vocab_size` pieces (V) from texts.

        Pairs of pieces that stand together most often are merged, again and again. The trainer of
        `tokenizers` breaks ties at random: two trainings on the same texts differ in their rarest
        pieces, so train once and keep the result.

        Raises ValueError when the texts hold no word, or `vocab_size` leaves no room for letters.
        """
        if vocab_size < len(SPECIALS) + 2:
            raise ValueError(f"vocab_size must be at least {len(SPECIALS) + 2}, got {vocab_size}")
        backend = _backend({piece: id for id, piece in enumerate(SPECIALS)}, lowercase)
        trainer = trainers.WordPieceTrainer(
            vocab_size=vocab_size,
            special_tokens=list(SPECIALS),
            limit_alphabet=(vocab_size - len(SPECIALS)) // 2,  # each letter may need a "##" twin
            show_progress=False,
        )
        backend.train_from_iterator(texts, trainer)
        vocab = backend.get_vocab(with_added_tokens=True)
        if len(vocab) == len(SPECIALS):
            raise ValueError("no vocabulary can be learned: the texts hold no word")
        return cls(vocab, lowercase)


def _backend(vocab: Mapping[str, int], lowercase: bool) -> tokenizers.Tokenizer:
    """Return the library's WordPiece without special tokens: to it, "[MASK]" is a word in brackets."""
    model = models.WordPiece(dict(vocab), unk_token="[UNK]", max_input_chars_per_word=MAX_CHARS)
    backend = tokenizers.Tokenizer(model)
    backend.normalizer = normalizers.BertNormalizer(lowercase=lowercase)  # accents go where case folds
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.decoder = decoders.WordPiece()
    return backend


def _from_json(path: Path) -> tuple[dict[str, int], bool]:
    """Return (vocabulary, lowercase) of a tokenizer.json; refuse what would give other ids than ours."""
    try:
        parts = _read_json(path)
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
    for name, value in expected.items():
        if found[name] != value:
            raise ValueError(f"{name}: expected {value!r}, got {found[name]!r}")
    return vocab, lowercase


def _from_vocab(path: Path) -> tuple[dict[str, int], bool]:
    """Return (vocabulary, lowercase) of a vocab.txt, one piece a line, and the configuration beside it."""
    try:
        pieces = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"it is not UTF-8 text (byte {error.start})") from error
    vocab = {piece: id for id, piece in enumerate(pieces)}
    if len(vocab) != len(pieces):
        twice = next(piece for id, piece in enumerate(pieces) if vocab[piece] != id)
        raise ValueError(f"the piece {twice!r} stands in it twice")

    config = path.with_name("tokenizer_config.json")
    settings = _read_json(config) if config.is_file() else {}
    lowercase = settings.get("do_lower_case", True)
    if settings.get("strip_accents") not in (None, lowercase):
        raise ValueError(f"{config.name}: strip_accents must be {lowercase} like do_lower_case, or null")
    if settings.get("tokenize_chinese_chars", True) is not True:
        raise ValueError(f"{config.name}: tokenize_chinese_chars must be true")
    return vocab, lowercase


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}: {error.msg}"
        raise ValueError(f"{path.name} is not whole JSON ({place}), perhaps cut short") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path.name} is not UTF-8 text (byte {error.start})") from error
