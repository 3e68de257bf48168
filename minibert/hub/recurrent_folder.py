"""Folders of the recurrent models, which `transformers` does not know: the names in them are ours."""

import dataclasses
from pathlib import Path
from typing import Any

from minibert.config import LstmConfig, RnnConfig, from_dict
from minibert.hub.folder_kind import FolderKind, Weights
from minibert.model.recurrent import Lstm, Rnn


def as_it_is(state: Weights) -> Weights:
    """Return the tensors under the names that they have."""
    return dict(state)


def folder_kind(
    name: str, model_type: str, shape: type[RnnConfig], model: type[Rnn] | type[Lstm]
) -> FolderKind:
    """Return the kind of folder of one recurrent model."""
    settings = [field.name for field in dataclasses.fields(shape)]

    def read_config(values: dict[str, Any], file: Path) -> RnnConfig:
        try:
            return from_dict(shape, {name: values[name] for name in settings})
        except (KeyError, ValueError, TypeError) as error:
            raise ValueError(f"{file} does not describe a {model_type}: {error}") from None

    return FolderKind(
        name,
        model_type,
        shape,
        model,
        read_config,
        write_config=lambda config: {"architectures": [model.__name__], **dataclasses.asdict(config)},
        to_hugging_face=as_it_is,
        from_hugging_face=as_it_is,
        fields={name: name for name in settings},
        sizes={"vocab_size": ("tokens.weight", 0), "width": ("tokens.weight", 1)},
        blocks="kernel.weight_ih_l",
    )


RNN = folder_kind("RNN", "minibert-rnn", RnnConfig, Rnn)
LSTM = folder_kind("LSTM", "minibert-lstm", LstmConfig, Lstm)
