"""Characters as tokens: nothing to learn but which ones there are."""

import functools
import json
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import tokenizers
from tokenizers import decoders, models

from minibert.text.base_tokenizer import END, BaseTokenizer
from minibert.text.byte_tokenizer import UNUSED
from minibert.text.tokenizer_files import expect, load_first, read_json, write_files

UNKNOWN = "\ufffd"
"""The piece of all characters that were not seen in training: Unicode's own sign for it, "�"."""


class CharTokenizer(BaseTokenizer):
    """One token for each character: ids from `tokenizers`, whose byte-pair encoding gets nothing to merge.

    A text of characters that were seen in training comes back as it was; of any other, "�" does. The special
    tokens are END and UNKNOWN. Raises ValueError when `vocab` lacks one of them, holds another piece of more
    than one character, or its ids have gaps.
    """

    def __init__(self, vocab: Mapping[str, int]) -> None:
        longer = [piece for piece in vocab if len(piece) != 1 and piece != END]
        if longer:
            raise ValueError(f"pieces must be single characters, got {', '.join(map(repr, longer[:5]))}")
        super().__init__(vocab, (END, UNKNOWN), _backend(vocab))

    @property
    def unk_id(self) -> int:
        """Id of "�", a character that was not seen in training."""
        return self.vocab[UNKNOWN]

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ids, to the character; special tokens stand in it as they are written."""
        return "".join(self._pieces[id] for id in ids)

    @functools.cached_property
    def continuation(self) -> np.ndarray:
        """Where a piece continues a word: bool (V,), True for letters, digits and accents.

        The first letter of a word looks like the others, and is taken to continue the sign before it.
        """
        kinds = [unicodedata.category(piece)[0] if len(piece) == 1 else "" for piece in self._pieces]
        return np.array([kind in ("L", "N", "M") for kind in kinds])

    def _identity(self) -> list[object]:
        return ["characters", self._pieces]

    # ------------------------------------------------------------ files

    def save(self, folder: str | Path, max_positions: int = 512) -> None:
        """Write tokenizer.json and tokenizer_config.json, for `AutoTokenizer`.

        `max_positions` is the longest sequence of the model that the tokenizer belongs to (tokens).
        """
        full = _backend(self.vocab)
        full.add_special_tokens(list(self.specials))
        config = {
            "tokenizer_class": "PreTrainedTokenizerFast",  # beside a GPT, others give wrong ids silently
            "model_max_length": max_positions,
            "model_input_names": ["input_ids", "attention_mask"],
            "clean_up_tokenization_spaces": False,
            "bos_token": END,
            "eos_token": END,
            "unk_token": UNKNOWN,
        }
        texts = {
            "tokenizer.json": full.to_str(pretty=True),
            "tokenizer_config.json": json.dumps(config, indent=2) + "\n",
        }
        write_files(folder, texts)

    @classmethod
    def load(cls, folder: str | Path) -> "CharTokenizer":
        """Read the tokenizer of a folder from its tokenizer.json.

        Raises ValueError, naming the file, when it is not there, cut short or altered, or no tokenizer of
        characters.
        """
        return load_first(cls, folder, {"tokenizer.json": _from_json})

    @classmethod
    def train(cls, texts: Iterable[str]) -> "CharTokenizer":
        """Take the characters of texts, in the order of Unicode; before them stand the special tokens.

        Raises ValueError when the texts hold none.
        """
        seen: set[str] = set()
        for text in texts:
            seen.update(text)
        seen.discard(UNKNOWN)
        if not seen:
            raise ValueError("no vocabulary can be learned: the texts hold no character")
        return cls({piece: id for id, piece in enumerate([END, UNKNOWN, *sorted(seen)])})


def _backend(vocab: Mapping[str, int]) -> tokenizers.Tokenizer:
    """Return the library's BPE without a merge and without a special token."""
    backend = tokenizers.Tokenizer(models.BPE(dict(vocab), [], unk_token=UNKNOWN))
    backend.decoder = decoders.Fuse()
    return backend


def _from_json(path: Path) -> tuple[dict[str, int]]:
    """Return (vocabulary,) of a tokenizer.json; refuse what would give other ids than ours."""
    try:
        parts = read_json(path)
        model, vocab = parts["model"], dict(parts["model"]["vocab"])
        found = {
            "model": model["type"],
            "merges": len(model["merges"]),
            "unk_token": model["unk_token"],
            "normalizer": parts["normalizer"],
            "pre_tokenizer": parts["pre_tokenizer"],
            "added tokens": {token["content"]: token["id"] for token in parts["added_tokens"]},
        }
        marks = {name: model.get(name) or None for name in UNUSED}
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"it is not a tokenizer of characters ({error} not found)") from error

    expected = {
        "model": "BPE",
        "merges": 0,
        "unk_token": UNKNOWN,
        "normalizer": None,
        "pre_tokenizer": None,
        "added tokens": {piece: vocab.get(piece) for piece in (END, UNKNOWN)},
    }
    expect(found, expected)
    expect(marks, dict.fromkeys(UNUSED))
    return (vocab,)
