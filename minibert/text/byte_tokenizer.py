"""The byte-pair encoding that runs: ids from `tokenizers`, saved as `transformers` reads them."""

import functools
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers
from tokenizers import decoders, models, pre_tokenizers, processors, trainers

from minibert.text import bpe
from minibert.text.base_tokenizer import END, BaseTokenizer
from minibert.text.bpe import ALPHABET, MAX_CHARS, Pair
from minibert.text.tokenizer_files import expect, load_first, read_json, read_lines, write_files


class ByteTokenizer(BaseTokenizer):
    """GPT-2's byte-pair encoding: ids from `tokenizers` (the fast path), the same as by `text.bpe.encode`.

    Any text has ids, and they give it back to the byte. `merges` are pairs of pieces in their order.
    Raises ValueError when `vocab` lacks a byte, a special token or a piece of a merge, or its ids have gaps.
    """

    def __init__(
        self, vocab: Mapping[str, int], merges: Sequence[Pair], specials: Sequence[str] = (END,)
    ) -> None:
        needed = {*ALPHABET, *(piece for left, right in merges for piece in (left, right, left + right))}
        missing = sorted(needed - set(vocab))
        if missing:
            raise ValueError(
                f"the vocabulary of {len(vocab)} pieces lacks {len(missing)} that bytes or merges need: "
                f"{', '.join(missing[:5])}"
            )
        super().__init__(vocab, specials, _backend(vocab, merges))
        self.merges = tuple(merges)

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ids, to the byte; special tokens stand in it as they are written."""
        text, run = "", ""
        for id in ids:
            if id in self.special_ids:
                text, run = text + bpe.from_characters(run) + self._pieces[id], ""
            else:
                run += self._pieces[id]
        return text + bpe.from_characters(run)

    @functools.cached_property
    def continuation(self) -> np.ndarray:
        """Where a piece continues a word: bool (V,), True for letters and digits without a space before them.

        A piece that begins a text looks the same, and is taken to continue what is not there.
        """
        inside = {bpe.CHARACTERS[byte] for byte in range(256) if byte >= 0x80 or chr(byte).isalnum()}
        return np.array([piece[:1] in inside and piece not in self.specials for piece in self._pieces])

    def _identity(self) -> list[object]:
        return ["bytes", self._pieces, self.merges, self.specials]

    # ------------------------------------------------------------ files

    def save(self, folder: str | Path, max_positions: int = 512) -> None:
        """Write tokenizer.json, tokenizer_config.json, vocab.json and merges.txt, for `AutoTokenizer`.

        With BERT's special tokens `AutoTokenizer` puts "[CLS]" and "[SEP]" around a text. `max_positions` is
        the longest sequence of the model that the tokenizer belongs to (tokens).
        """
        full = _backend(self.vocab, self.merges)
        full.add_special_tokens(list(self.specials))
        inputs = ["input_ids", "attention_mask"]
        roles: dict[str, str] = {}
        if {"[CLS]", "[SEP]"} <= set(self.specials):
            inputs.insert(1, "token_type_ids")
            full.post_processor = processors.TemplateProcessing(
                single="[CLS] $A [SEP]",
                pair="[CLS] $A [SEP] $B:1 [SEP]:1",
                special_tokens=[("[CLS]", self.cls_id), ("[SEP]", self.sep_id)],
            )
        for role in ("pad", "unk", "cls", "sep", "mask"):
            if f"[{role.upper()}]" in self.specials:
                roles[f"{role}_token"] = f"[{role.upper()}]"
        if END in self.specials:
            roles |= {"bos_token": END, "eos_token": END}
        config = {
            "tokenizer_class": "PreTrainedTokenizerFast",  # beside a BERT, others give wrong ids silently
            "model_max_length": max_positions,
            "model_input_names": inputs,
            "clean_up_tokenization_spaces": False,
            **roles,
        }
        texts = {
            "tokenizer.json": full.to_str(pretty=True),
            "tokenizer_config.json": json.dumps(config, indent=2) + "\n",
            "vocab.json": json.dumps(self.vocab, ensure_ascii=False) + "\n",
            "merges.txt": "#version: 0.2\n" + "".join(f"{left} {right}\n" for left, right in self.merges),
        }
        write_files(folder, texts)

    @classmethod
    def load(cls, folder: str | Path) -> "ByteTokenizer":
        """Read the tokenizer of a folder, from tokenizer.json or else from vocab.json and merges.txt.

        Raises ValueError, naming the file, when there is none, it is cut short or altered, or it is not a
        byte-pair encoding of GPT-2's kind.
        """
        return load_first(cls, folder, {"tokenizer.json": _from_json, "merges.txt": _from_merges})

    @classmethod
    def train(
        cls, texts: Iterable[str], vocab_size: int, specials: Sequence[str] = (END,)
    ) -> "ByteTokenizer":
        """Learn a vocabulary of at most `vocab_size` pieces (V) from texts: the merges of `text.bpe.train`.

        The first ids are those of `specials`: GPT-2's, or BERT's (`text.wordpiece.SPECIALS`).
        Raises ValueError when `vocab_size` leaves no room for the bytes.
        """
        least = len(specials) + len(ALPHABET)
        if vocab_size < least:
            raise ValueError(f"vocab_size must be at least {least}, got {vocab_size}")
        backend = _backend({}, [])
        trainer = trainers.BpeTrainer(
            vocab_size=vocab_size - len(specials),
            initial_alphabet=ALPHABET,
            show_progress=False,
        )
        backend.train_from_iterator(without_long_words(texts), trainer)
        merges = _pairs(json.loads(backend.to_str())["model"]["merges"])
        return cls(bpe.vocabulary(merges, specials), merges, specials)


def _backend(vocab: Mapping[str, int], merges: Sequence[Pair]) -> tokenizers.Tokenizer:
    """Return the library's byte-level BPE without special tokens."""
    backend = tokenizers.Tokenizer(models.BPE(dict(vocab), list(merges)))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    return backend


_LONG_PART = re.compile(f"\\S{{{MAX_CHARS}}}|\\s{{{MAX_CHARS}}}")


def without_long_words(texts: Iterable[str]) -> Iterator[str]:
    """Yield texts without words of more than MAX_CHARS characters: merging a very long one takes hours."""
    for text in texts:
        if _LONG_PART.search(text):
            yield from (word for word in bpe.split(text) if len(word) <= MAX_CHARS)
        else:
            yield text


# ---------------------------------------------------------------- reading files


def _from_json(path: Path) -> tuple[dict[str, int], list[Pair], list[str]]:
    """Return (vocabulary, merges, special tokens) of a tokenizer.json; refuse what would give other ids."""
    try:
        parts = read_json(path)
        model, splitter, added = parts["model"], parts["pre_tokenizer"] or {}, parts["added_tokens"]
        vocab, merges = dict(model["vocab"]), _pairs(model["merges"])
        found = {
            "model": model.get("type", "BPE"),  # files of 2020 do not say it
            "normalizer": parts["normalizer"],
            "pre_tokenizer": splitter.get("type"),
            "add_prefix_space": splitter.get("add_prefix_space"),
            "use_regex": splitter.get("use_regex", True),
            "added tokens that are not special": [t["content"] for t in added if not t["special"]],
        }
        marks = {name: model.get(name) or None for name in UNUSED}
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"it is not a byte-pair encoding of GPT-2's kind ({error} not found)") from error

    expected = {
        "model": "BPE",
        "normalizer": None,
        "pre_tokenizer": "ByteLevel",
        "add_prefix_space": False,
        "use_regex": True,
        "added tokens that are not special": [],
    }
    expect(found, expected)
    expect(marks, dict.fromkeys(UNUSED))
    return vocab | {token["content"]: token["id"] for token in added}, merges, [t["content"] for t in added]


UNUSED = (
    "dropout",
    "continuing_subword_prefix",
    "end_of_word_suffix",
    "fuse_unk",
    "byte_fallback",
    "ignore_merges",
)
"""Settings of the library's BPE that we do not use."""


def _from_merges(path: Path) -> tuple[dict[str, int], list[Pair], list[str]]:
    """Return (vocabulary, merges, special tokens) of a merges.txt and the vocab.json beside it.

    Pieces that are no byte and that no merge makes are the special tokens.
    """
    lines = [line for line in read_lines(path) if line and not line.startswith("#version")]
    merges = _pairs(lines)
    words = path.with_name("vocab.json")
    if not words.is_file():
        raise ValueError("vocab.json is not beside it")
    vocab: dict[str, Any] = read_json(words)
    made = {left + right for left, right in merges}
    return vocab, merges, [piece for piece in vocab if piece not in made and piece not in bpe.BYTES]


def _pairs(merges: Sequence[str | Sequence[str]]) -> list[Pair]:
    """Return merges as pairs: files write "a b", or ["a", "b"]."""
    pairs = []
    for number, merge in enumerate(merges, 1):
        pair = tuple(merge.split(" ")) if isinstance(merge, str) else tuple(merge)
        if len(pair) != 2:
            raise ValueError(f"merge {number} must be two pieces, got {merge!r}")
        pairs.append(pair)
    return pairs
