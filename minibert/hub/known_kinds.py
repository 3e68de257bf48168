"""All kinds of folders, and which of them a config.json, a model or a head asks for."""

from pathlib import Path
from typing import Any

from minibert.config import HeadConfig, Shape
from minibert.hub.bert_folder import BERT
from minibert.hub.folder_kind import FolderKind
from minibert.hub.gpt_folder import GPT
from minibert.hub.llama_folder import LLAMA, QWEN
from minibert.hub.modernbert_folder import MODERNBERT
from minibert.hub.recurrent_folder import LSTM, RNN
from minibert.hub.task_folders import TASK_KINDS, TaskFolderKind
from minibert.model.task_model import TaskModel

KINDS: dict[str, FolderKind] = {
    kind.model_type: kind for kind in (BERT, MODERNBERT, GPT, LLAMA, QWEN, RNN, LSTM)
}
"""The kinds of pretrained models, by the model_type of their config.json."""


def kind_of_folder(values: dict[str, Any], file: Path) -> FolderKind:
    """Return the kind of folder that config.json speaks of: of a task model if it names one.

    Raises ValueError for one that ours cannot be.
    """
    body = kind_of_body(values, file)
    named = values.get("architectures") or ()
    for kind in TASK_KINDS:
        if kind.body is body and kind.architecture in named and kind.suits(values):
            return kind.folder(kind.read_head(values, file))
    return body


def kind_of_body(values: dict[str, Any], file: Path) -> FolderKind:
    """Return the kind of pretrained model that config.json speaks of, whatever head stands on it.

    Raises ValueError for one that ours cannot be.
    """
    name = values.get("model_type", BERT.model_type)  # the first files of BERT did not say it
    if name not in KINDS:
        raise ValueError(f"{file}: model_type must be {' or '.join(KINDS)}, got {name!r}")
    return KINDS[name]


def task_for(head: HeadConfig, body: FolderKind, values: dict[str, Any], file: Path) -> TaskFolderKind:
    """Return the kind of task model with this head, on a body that config.json speaks of.

    Raises ValueError where there is none.
    """
    for kind in TASK_KINDS:
        if kind.body is body and head.task in kind.tasks and kind.suits(values):
            return kind
    bodies = dict.fromkeys(kind.body.name for kind in TASK_KINDS)
    raise ValueError(f"{file} speaks of a {body.name}, and heads can stand on {' or '.join(bodies)} alone")


def kind_of_shape(config: Shape) -> FolderKind:
    """Return the kind of folder that a pretrained model of this configuration is saved in."""
    return next(kind for kind in KINDS.values() if kind.shape is type(config))


def kind_of_model(model: Any) -> FolderKind:
    """Return the kind of folder that a model is saved in."""
    if not isinstance(model, TaskModel):
        return kind_of_shape(model.config)
    task = next(kind for kind in TASK_KINDS if kind.model is type(model))
    return task.folder(model.head_config)
