"""The files of a model's folder: JSON and tensors, read without running anything in them."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor


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
    """Read model.safetensors, or else pytorch_model.bin with torch's reader that runs no code.

    Raises ValueError for a missing or damaged file, and for a pickle that holds more than tensors.
    """
    file = folder / "model.safetensors"
    if file.exists():
        try:
            return file, load_file(file)
        except SafetensorError as error:
            raise ValueError(f"{file} is damaged ({error}); copy it again from where it came") from None

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
