"""Checkpoints that survive: written aside, synced, checksummed, renamed; never a pickle.

A checkpoint is a folder `step-00000500` with tensors in safetensors files, numbers in JSON, and
`manifest.json`, written last, with the size and the sha256 of every other file. A folder without a manifest,
or with a file that differs from it, is not a checkpoint.
"""

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn
from torch.optim import Optimizer

from minibert.files import sync_folder, write_synced
from minibert.train.sharding import placed_like

MANIFEST = "manifest.json"
logger = logging.getLogger("minibert")


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint holds."""

    tensors: dict[str, dict[str, Tensor]]
    """File stem -> name -> tensor."""
    numbers: dict[str, Any]
    """Step, elapsed seconds and the like."""


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Write `checkpoint` as `folder`, whole or not at all.

    Files and folder are synced before the manifest is written, and the folder gets its name last.
    """
    aside = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    contents = {
        f"{stem}.safetensors": save({name: t.detach().cpu().contiguous() for name, t in tensors.items()})
        for stem, tensors in checkpoint.tensors.items()
    }
    contents["numbers.json"] = json.dumps(checkpoint.numbers, indent=1).encode()
    for name, data in contents.items():
        write_synced(aside / name, data)
    sync_folder(aside)
    manifest = {
        name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for name, data in contents.items()
    }
    write_synced(aside / MANIFEST, json.dumps(manifest, indent=1).encode())
    sync_folder(aside)
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(aside, folder)
    sync_folder(folder.parent)


def load_checkpoint(folder: Path) -> Checkpoint:
    """Read a checkpoint and check every byte of it.

    Raises ValueError, naming the file, when something is missing, cut short or altered.
    """
    manifest_path = folder / MANIFEST
    try:
        manifest = json.loads(manifest_path.read_bytes())
        expected = {name: (entry["bytes"], entry["sha256"]) for name, entry in manifest.items()}
    except FileNotFoundError:
        raise ValueError(f"{folder} has no {MANIFEST}: it was never finished") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:  # a flipped bit may make any of them
        raise ValueError(f"{manifest_path} is not readable: {error!r}") from None

    contents = {}
    for name, (size, digest) in expected.items():
        try:
            data = (folder / name).read_bytes()
        except FileNotFoundError:
            raise ValueError(f"{folder / name} is missing") from None
        if len(data) != size:
            raise ValueError(f"{folder / name} has {len(data)} bytes, expected {size}")
        if hashlib.sha256(data).hexdigest() != digest:
            raise ValueError(f"{folder / name} was altered: its sha256 differs from the manifest's")
        contents[name] = data
    tensors = {}
    for name in (name for name in contents if name.endswith(".safetensors")):
        try:
            tensors[Path(name).stem] = load(contents[name])
        except SafetensorError as error:
            raise ValueError(f"{folder / name} is not a safetensors file: {error}") from None
    return Checkpoint(tensors, json.loads(contents["numbers.json"]))


def checkpoint_folders(folder: Path) -> list[Path]:
    """Return the checkpoints in `folder`, newest first, good or bad."""
    return sorted(folder.glob("step-*"), reverse=True)


def newest_checkpoint(folder: Path) -> Checkpoint | None:
    """Load the newest good checkpoint; bad ones are passed over, and said so."""
    for candidate in checkpoint_folders(folder):
        try:
            return load_checkpoint(candidate)
        except ValueError as error:
            logger.warning("passing over a bad checkpoint: %s", error)
    return None


def remove_old(folder: Path, keep: int, best: Path | None = None) -> None:
    """Delete all but the newest `keep` checkpoints and the `best`, and what unfinished saves left behind."""
    old = [path for path in checkpoint_folders(folder)[keep:] if path != best]
    for path in [*old, *folder.glob(".step-*.partial")]:
        shutil.rmtree(path)


def model_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Return a model's parameters and buffers by name; a tied one stands once, under its first name."""
    return dict(model.named_parameters()) | dict(model.named_buffers())


@torch.no_grad()
def load_model_tensors(model: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Copy `tensors` into the model. Raises ValueError naming what is missing, unexpected or misshapen."""
    own = model_tensors(model)
    missing, unexpected = sorted(own.keys() - tensors.keys()), sorted(tensors.keys() - own.keys())
    misshapen = [
        f"{name} {tuple(tensors[name].shape)} for {tuple(own[name].shape)}"
        for name in own.keys() & tensors.keys()
        if tensors[name].shape != own[name].shape
    ]
    if missing or unexpected or misshapen:
        raise ValueError(
            "the checkpoint is of another model: "
            f"missing {missing}, unexpected {unexpected}, of another shape {sorted(misshapen)}"
        )
    for name, tensor in own.items():
        tensor.copy_(placed_like(tensors[name], tensor))


def optimizer_tensors(optimizers: Iterable[Optimizer]) -> dict[str, Tensor]:
    """Return the optimisers' state as tensors named optimizer/parameter/quantity, by position."""
    return {
        f"{i}/{j}/{name}": value
        for i, optimizer in enumerate(optimizers)
        for j, state in optimizer.state_dict()["state"].items()
        for name, value in state.items()
    }


def load_optimizer_tensors(optimizers: Iterable[Optimizer], tensors: dict[str, Tensor]) -> None:
    """Give the optimisers the state that `optimizer_tensors` returned."""
    for i, optimizer in enumerate(optimizers):
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        state: dict[int, dict[str, Tensor]] = {}
        for key, value in tensors.items():
            owner, number, name = key.split("/")
            if owner == str(i):
                own = parameters[int(number)]
                placed = placed_like(value, own) if value.shape == own.shape else value
                state.setdefault(int(number), {})[name] = placed
        optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
