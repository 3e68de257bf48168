"""Hugging Face folders and our models: read theirs, write ours so that `transformers` opens it."""

import dataclasses
import json
import logging
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from minibert import sources
from minibert.config import HeadConfig, Shape
from minibert.files import replace_file
from minibert.hub.folder_kind import compare_sizes, load_weights, naming
from minibert.hub.known_kinds import kind_of_body, kind_of_folder, kind_of_model, kind_of_shape, task_for
from minibert.hub.task_folders import OUTPUTS
from minibert.hub.weights import read_json, read_weights
from minibert.model.bert import Bert
from minibert.text.base_tokenizer import BaseTokenizer
from minibert.text.tokenizer import load_tokenizer

log = logging.getLogger("minibert")

UNBOUNDED = 1 << 30
"""Longest sequence, for a tokenizer, of a model that has no positions (tokens)."""


def from_pretrained(model: str | Path) -> tuple[Any, BaseTokenizer | None]:
    """Open a folder that `save_pretrained` or `transformers` wrote: a model on the CPU and its tokenizer.

    The model is of the class that config.json asks for: see KINDS and TASK_KINDS.

    `model` is the folder, or the name of a data card with weights, like "minilm"; a folder with the name of
    a card is written "./NAME". The model is float32 and in evaluation mode; the tokenizer is None when the
    folder has none. A pooler or a head that the folder lacks as a whole starts fresh, with a warning. No
    program hidden in a file is run.

    Raises ValueError when the folder, its configuration, its weights or its tokenizer do not fit together.
    """
    folder = sources.model_folder(model)
    opened, tokenizer, fresh = open_folder(folder)
    tell(folder, fresh)
    return opened, tokenizer


def tell(folder: Path, fresh: list[str]) -> None:
    """Warn of what a folder lacks."""
    for part in fresh:
        log.warning("%s has no weights for %s: they start fresh", folder, part)


def encoder_from_pretrained(model: str | Path) -> tuple[Bert, BaseTokenizer | None]:
    """Open only what maps tokens to hidden states: like `from_pretrained`, but no head is missed.

    Raises ValueError also for a folder that holds no BERT.
    """
    folder = sources.model_folder(model)
    opened, tokenizer, _ = open_folder(folder)
    bert = getattr(opened, "bert", None)
    if not isinstance(bert, Bert):
        raise ValueError(f"{folder} holds a {type(opened).__name__}, and a BERT is needed here")
    return bert, tokenizer


def with_head(
    model: str | Path, head: HeadConfig, generator: torch.Generator, dropout: float | None = None
) -> tuple[Any, BaseTokenizer]:
    """Put a new head on the body of a folder: a task model on the CPU, and the body's tokenizer.

    What the folder has for pretraining or for another task is left out. BERT's pooler, and the dense layer in
    ModernBERT's heads, come along where the folder has them; where not they start fresh, with a warning.

    Args:
        model: the folder or the data card, as for `from_pretrained`.
        head: the head.
        generator: draws the weights that start fresh.
        dropout: replaces the dropout of the body, and that of its attention.

    Raises:
        ValueError: the folder has no tokenizer, or a model that no head can stand on; and as of
            `from_pretrained`.
    """
    folder = sources.model_folder(model)
    file = folder / "config.json"
    values = read_json(file)
    body = kind_of_body(values, file)
    config = body.read_config(values, file)
    task = task_for(head, body, values, file)
    tokenizer = read_tokenizer(folder, values, config)
    if tokenizer is None:
        raise ValueError(f"{folder} holds no tokenizer (tokenizer.json or vocab.txt), so text cannot be read")
    kind = task.folder(head)
    headed = kind.model(for_tuning(config, tokenizer, dropout), generator).eval()

    file, state = read_weights(folder)
    useful = {name: tensor for name, tensor in state.items() if not name.startswith(OUTPUTS)}
    if len(useful) < len(state):
        log.warning("%s has the head of another task: it is left out, and a new one starts fresh", folder)
    with naming(file):
        own = task.to_ours(useful)
    own |= {name: weight for name, weight in headed.named_parameters() if name.startswith("output.")}
    compare_sizes(kind, config, own, file)
    tell(folder, load_weights(dataclasses.replace(kind, heads=task.kept), headed, own, file))
    return headed, tokenizer


def for_tuning(config: Any, tokenizer: BaseTokenizer, dropout: float | None) -> Any:
    """Return the shape of a body with another dropout, if one is given, and with an id of padding."""
    if dropout is not None:
        config = dataclasses.replace(config, dropout=dropout, attention_dropout=dropout)
    return config if config.pad_id is not None else dataclasses.replace(config, pad_id=padding(tokenizer))


def padding(tokenizer: BaseTokenizer) -> int:
    """Return the id that fills up the rows of a causal model: that of "[PAD]", or else of what ends a text.

    Raises ValueError for a tokenizer with neither.
    """
    return tokenizer.pad_id if "[PAD]" in tokenizer.specials else tokenizer.end_id


def open_folder(folder: Path) -> tuple[Any, BaseTokenizer | None, list[str]]:
    """Return a folder's model, its tokenizer, and what the folder lacks and therefore starts fresh."""
    file = folder / "config.json"
    values = read_json(file)
    kind = kind_of_folder(values, file)
    config = kind.read_config(values, file)
    tokenizer = read_tokenizer(folder, values, config)

    file, state = read_weights(folder)
    with naming(file):
        state = kind.from_hugging_face(state)
    compare_sizes(kind, config, state, file)
    model = kind.model(config, torch.Generator().manual_seed(0))
    return model.eval(), tokenizer, load_weights(kind, model, state, file)


def new_model(config: Shape, generator: torch.Generator | None = None) -> Any:
    """Return a model of this configuration with fresh weights, which `generator` draws."""
    return kind_of_shape(config).model(config, generator)


def save_pretrained(model: Any, tokenizer: BaseTokenizer | None, folder: str | Path) -> None:
    """Write a folder that `transformers` and its `AutoTokenizer` open.

    config.json, model.safetensors (a tied weight once) and, if given, the tokenizer's files. What stands in
    config.json for us alone stands under "minibert".

    Args:
        model: of a class of KINDS or TASK_KINDS.
        tokenizer: that it was trained with.
        folder: is made if need be.

    Raises:
        ValueError: a tokenizer with more pieces than the model.
    """
    folder, config = Path(folder), model.config
    kind = kind_of_model(model)
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
