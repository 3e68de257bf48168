"""Hugging Face folders and our models: read theirs, write ours so that `transformers` opens it."""

import json
import logging
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from minibert import sources
from minibert.config import Shape, require
from minibert.files import replace_file
from minibert.hub.bert_folder import BERT
from minibert.hub.folder_kind import FolderKind, compare_sizes, load_weights
from minibert.hub.gpt_folder import GPT
from minibert.hub.llama_folder import LLAMA, QWEN
from minibert.hub.modernbert_folder import MODERNBERT
from minibert.hub.recurrent_folder import LSTM, RNN
from minibert.hub.weights import read_json, read_weights
from minibert.model.bert import Bert, BertForPretraining
from minibert.text.base_tokenizer import BaseTokenizer
from minibert.text.tokenizer import load_tokenizer

log = logging.getLogger("minibert")

KINDS: dict[str, FolderKind] = {
    kind.model_type: kind for kind in (BERT, MODERNBERT, GPT, LLAMA, QWEN, RNN, LSTM)
}
"""The kinds of folders that can be opened, by the model_type of their config.json."""

UNBOUNDED = 1 << 30
"""Longest sequence, for a tokenizer, of a model that has no positions (tokens)."""


def from_pretrained(model: str | Path) -> tuple[Any, BaseTokenizer | None]:
    """Open a folder that `save_pretrained` or `transformers` wrote: a model on the CPU and its tokenizer.

    The model is of the class that config.json asks for: see KINDS.

    `model` is the folder, or the name of a data card with weights, like "minilm"; a folder with the name of
    a card is written "./NAME". The model is float32 and in evaluation mode; the tokenizer is None when the
    folder has none. A pooler or a head that the folder lacks as a whole starts fresh, with a warning. No
    program hidden in a file is run.

    Raises ValueError when the folder, its configuration, its weights or its tokenizer do not fit together.
    """
    folder = sources.model_folder(model)
    opened, tokenizer, fresh = open_folder(folder)
    for head in fresh:
        log.warning("%s has no weights for %s: they start fresh", folder, head)
    return opened, tokenizer


def encoder_from_pretrained(model: str | Path) -> tuple[Bert, BaseTokenizer | None]:
    """Open only what maps tokens to hidden states: like `from_pretrained`, but no head is missed.

    Raises ValueError also for a folder that holds no BERT.
    """
    folder = sources.model_folder(model)
    opened, tokenizer, _ = open_folder(folder)
    require(
        isinstance(opened, BertForPretraining),
        f"{folder} holds a {type(opened).__name__}, and a BERT is needed here",
    )
    return opened.bert, tokenizer


def kind_of_folder(values: dict[str, Any], file: Path) -> FolderKind:
    """Return the kind of folder that config.json speaks of. Raises ValueError for one that ours cannot be."""
    name = values.get("model_type", BERT.model_type)  # the first files of BERT did not say it
    if name not in KINDS:
        raise ValueError(f"{file}: model_type must be {' or '.join(KINDS)}, got {name!r}")
    return KINDS[name]


def open_folder(folder: Path) -> tuple[Any, BaseTokenizer | None, list[str]]:
    """Return a folder's model, its tokenizer, and what the folder lacks and therefore starts fresh."""
    file = folder / "config.json"
    values = read_json(file)
    kind = kind_of_folder(values, file)
    config = kind.read_config(values, file)
    tokenizer = read_tokenizer(folder, values, config)

    file, state = read_weights(folder)
    state = kind.from_hugging_face(state)
    compare_sizes(kind, config, state, file)
    model = kind.model(config, torch.Generator().manual_seed(0))
    return model.eval(), tokenizer, load_weights(kind, model, state, file)


def kind_of_model(config: Shape) -> FolderKind:
    """Return the kind of folder that a model of this configuration is saved in."""
    return next(kind for kind in KINDS.values() if kind.shape is type(config))


def new_model(config: Shape, generator: torch.Generator | None = None) -> Any:
    """Return a model of this configuration with fresh weights, which `generator` draws."""
    return kind_of_model(config).model(config, generator)


def save_pretrained(model: Any, tokenizer: BaseTokenizer | None, folder: str | Path) -> None:
    """Write a folder that `transformers` and its `AutoTokenizer` open.

    config.json, model.safetensors (a tied weight once) and, if given, the tokenizer's files. What stands in
    config.json for us alone stands under "minibert".

    Args:
        model: of a class of KINDS.
        tokenizer: that it was trained with.
        folder: is made if need be.

    Raises:
        ValueError: a tokenizer with more pieces than the model.
    """
    folder, config = Path(folder), model.config
    kind = kind_of_model(config)
    check_tokenizer(tokenizer, config)
    folder.mkdir(parents=True, exist_ok=True)

    weights = {name: weight.detach().cpu().contiguous() for name, weight in model.named_parameters()}
    # `save_file` would leave the file unreadable for the group; written by ourselves it honours the umask.
    replace_file(folder / "model.safetensors", save(kind.to_hugging_face(weights), {"format": "pt"}))
    if tokenizer is not None:
        tokenizer.save(folder, getattr(config, "max_positions", UNBOUNDED))
    values = {"model_type": kind.model_type, **kind.write_config(config)}
    values["minibert"] = {
        **values.get("minibert", {}),
        "vocabulary": None if tokenizer is None else tokenizer.fingerprint,
    }
    replace_file(folder / "config.json", json.dumps(values, indent=2) + "\n")


def check_tokenizer(tokenizer: BaseTokenizer | None, config: Shape) -> None:
    """Raise ValueError when the tokenizer has more pieces than the model has embeddings."""
    if tokenizer is not None and len(tokenizer) > config.vocab_size:
        raise ValueError(
            f"the tokenizer has {len(tokenizer)} pieces and the model only {config.vocab_size}; "
            "take the tokenizer that the model was trained with"
        )


def read_tokenizer(folder: Path, values: dict[str, Any], config: Shape) -> BaseTokenizer | None:
    """Load the folder's tokenizer, if it has one. Raises ValueError when it is not the model's."""
    if not any((folder / name).exists() for name in ("tokenizer.json", "vocab.txt", "merges.txt")):
        return None
    tokenizer = load_tokenizer(folder)
    check_tokenizer(tokenizer, config)
    trained_with = values.get("minibert", {}).get("vocabulary")
    if trained_with not in (None, tokenizer.fingerprint):
        raise ValueError(
            f"the tokenizer in {folder} is not the one that the model was trained with: its vocabulary's "
            f"hash is {tokenizer.fingerprint}, config.json says {trained_with}; put the model's own "
            "tokenizer files back"
        )
    return tokenizer
