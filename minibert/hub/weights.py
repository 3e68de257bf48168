"""The files of a model's folder: JSON and tensors, read without running anything in them."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from minibert.config import require
from minibert.hub.header import what_is_wrong

INDEX = "model.safetensors.index.json"
"""Stands in the place of model.safetensors where the weights are in several files."""


def read_json(file: Path, kind: type = dict) -> Any:
    """Read JSON, an object or a list. Raises ValueError naming a file that is missing or cut short."""
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(f"{file} is missing: {file.parent} is not a model's folder") from None
    except ValueError as error:
        raise ValueError(f"{file} is not JSON ({error}); copy it again from where it came") from None
    if not isinstance(values, kind):
        raise ValueError(f"{file} must hold a JSON {kind.__name__}, got {type(values).__name__}")
    return values


def read_weights(folder: Path) -> tuple[Path, dict[str, Tensor]]:
    """Read model.safetensors, or its parts, or else pytorch_model.bin with torch's reader that runs no code.

    Raises ValueError for a missing or damaged file, and for a pickle that holds more than tensors.
    """
    file = folder / "model.safetensors"
    if file.exists():
        return file, read_safetensors(file)
    file = folder / INDEX
    if file.exists():
        return file, read_parts(file)

    file = folder / "pytorch_model.bin"
    if not file.exists():
        raise ValueError(f"{folder} has neither model.safetensors nor pytorch_model.bin")
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged or hostile pickle can fail in any way
        raise ValueError(
            f"{file} is damaged, or holds more than tensors; such a file can run any program when it is "
            "opened, so it was refused and nothing in it was run; look for a model.safetensors"
        ) from error
    if not isinstance(state, dict) or not all(isinstance(tensor, Tensor) for tensor in state.values()):
        raise ValueError(f"{file} must hold a dictionary of tensors, got {type(state).__name__}")
    return file, state


def read_safetensors(file: Path) -> dict[str, Tensor]:
    """Read a file of tensors. Raises ValueError, with the reason, for one that is damaged."""
    try:
        return load_file(file)
    except SafetensorError as error:
        reason = what_is_wrong(file) or error
        raise ValueError(f"{file} is damaged ({reason}); copy it again from where it came") from None


def read_parts(index: Path) -> dict[str, Tensor]:
    """Read a model that was saved in several files: the index says in which of them each tensor is.

    Raises ValueError for an index that names no files beside it, for a file that is missing or damaged, and
    for one that lacks a tensor.
    """
    places = read_json(index).get("weight_map")
    require(isinstance(places, dict), f"{index} must have a weight_map, which says where each tensor is")
    state: dict[str, Tensor] = {}
    for name in sorted(set(map(str, places.values()))):
        file = index.parent / name
        require(Path(name).name == name, f"{index}: {name!r} is no file beside it")
        require(file.is_file(), f"{file} is missing, and {index.name} says it holds weights: copy all parts")
        tensors = read_safetensors(file)
        lacking = sorted(
            tensor for tensor, place in places.items() if place == name and tensor not in tensors
        )
        require(not lacking, f"{file} lacks {', '.join(lacking)}: copy it and {index.name} from one model")
        state |= tensors
    return state
