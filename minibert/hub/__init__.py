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
from minibert.hub.bert_folder import BERT
from minibert.hub.folder_kind import FolderKind, compare_sizes, load_weights, naming
from minibert.hub.gpt_folder import GPT
from minibert.hub.llama_folder import LLAMA, QWEN
from minibert.hub.modernbert_folder import MODERNBERT
from minibert.hub.recurrent_folder import LSTM, RNN
from minibert.hub.task_folders import OUTPUTS, TASK_KINDS, TaskKind
from minibert.hub.weights import read_json, read_weights
from minibert.model.bert import Bert
from minibert.model.classifier import TaskModel
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

    The model is of the class that config.json asks for: see KINDS and TASK_KINDS.

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
    bert = getattr(opened, "bert", None)
    if not isinstance(bert, Bert):
        raise ValueError(f"{folder} holds a {type(opened).__name__}, and a BERT is needed here")
    return bert, tokenizer


def with_head(
    model: str | Path, head: HeadConfig, generator: torch.Generator, dropout: float | None = None
) -> tuple[Any, BaseTokenizer]:
    """Put a new head on the body of a folder: a task model on the CPU, and the body's tokenizer.

    What the folder has for another task, or for pretraining, is left out. BERT's pooler and the dense layer
    of ModernBERT's head come along where the folder has them, and start fresh where not.

    Args:
        model: the folder or the data card, as for `from_pretrained`.
        head: the head.
        generator: draws the weights that start fresh.
        dropout: replaces the dropout of the body, and that of its attention.

    Raises:
        ValueError: the folder has no tokenizer, or a model that heads cannot stand on; or as of
            `from_pretrained`.
    """
    folder = sources.model_folder(model)
    file = folder / "config.json"
    values = read_json(file)
    task = task_for(head, kind_of_body(values, file), values, file)
    kind = task.folder(head)
    config: Any = kind.read_config(values, file)
    tokenizer = read_tokenizer(folder, values, config)
    if tokenizer is None:
        raise ValueError(f"{folder} holds no tokenizer (tokenizer.json or vocab.txt), so text cannot be read")
    if dropout is not None:
        config = dataclasses.replace(config, dropout=dropout, attention_dropout=dropout)
    if config.pad_id is None:
        config = dataclasses.replace(config, pad_id=padding(tokenizer))

    file, state = read_weights(folder)
    thrown = {name for name in state if name.startswith(OUTPUTS)}
    if thrown:
        log.warning("%s has a head already (%s): it is left out", folder, ", ".join(sorted(thrown)))
    with naming(file):
        own = task.ours({name: tensor for name, tensor in state.items() if name not in thrown})
    compare_sizes(kind, config, own, file)
    headed = kind.model(config, generator)
    new = "the new head"
    fresh = load_weights(dataclasses.replace(kind, heads={"output.": new, **task.kept}), headed, own, file)
    for part in fresh:
        if part != new:
            log.warning("%s has no weights for %s: they start fresh", folder, part)
    return headed.eval(), tokenizer


def padding(tokenizer: BaseTokenizer) -> int:
    """Return the id that fills up the rows of a causal model: that of "[PAD]", or else of what ends a text.

    Raises ValueError for a tokenizer with neither.
    """
    return tokenizer.pad_id if "[PAD]" in tokenizer.specials else tokenizer.end_id


def task_for(head: HeadConfig, body: FolderKind, values: dict[str, Any], file: Path) -> TaskKind:
    """Return the kind of task model that puts a head on a body. Raises ValueError where there is none."""
    for kind in TASK_KINDS:
        if kind.body is body and head.task in kind.tasks and suits(kind, values):
            return kind
    known = dict.fromkeys(kind.body.name for kind in TASK_KINDS)
    raise ValueError(f"{file} speaks of a {body.name}; heads for tasks stand on {' or '.join(known)} alone")


def suits(kind: TaskKind, values: dict[str, Any]) -> bool:
    """Return whether config.json says nothing else than a kind's settings."""
    return all(values.get(name, value) == value for name, value in kind.settings.items())


def kind_of_folder(values: dict[str, Any], file: Path) -> FolderKind:
    """Return the kind of folder that config.json speaks of. Raises ValueError for one that ours cannot be."""
    for kind in TASK_KINDS:
        if kind.architecture in (values.get("architectures") or ()) and suits(kind, values):
            return kind.folder(kind.read_head(values, file))
    return kind_of_body(values, file)


def kind_of_body(values: dict[str, Any], file: Path) -> FolderKind:
    """Return the kind of model that config.json speaks of, whatever head is on it.

    Raises ValueError for one that ours cannot be.
    """
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
    with naming(file):
        state = kind.from_hugging_face(state)
    compare_sizes(kind, config, state, file)
    model = kind.model(config, torch.Generator().manual_seed(0))
    return model.eval(), tokenizer, load_weights(kind, model, state, file)


def kind_of_shape(config: Shape) -> FolderKind:
    """Return the kind of folder that a pretrained model of this configuration is saved in."""
    return next(kind for kind in KINDS.values() if kind.shape is type(config))


def kind_of_model(model: Any) -> FolderKind:
    """Return the kind of folder that a model is saved in."""
    if isinstance(model, TaskModel):
        task = next(kind for kind in TASK_KINDS if kind.model is type(model))
        return task.folder(model.head_config)
    return kind_of_shape(model.config)


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
