"""What a kind of folder is: how its config.json and the names of its weights translate into ours."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor, nn

from minibert.config import Shape

Weights = dict[str, Tensor]
"""Tensors (weights or gradients) by name."""

BLOCK = re.compile(r"(?<=\.)\d+")
"""The number of a block in a name, which is not the 1 of GPT-2's ln_1."""


@dataclass(frozen=True)
class FolderKind:
    """A kind of model, in a folder of `transformers` and as ours."""

    name: str
    """What the field calls it: BERT."""
    model_type: str
    """What config.json calls it."""
    shape: type
    """Our configuration."""
    model: Callable[[Any, Generator | None], nn.Module]
    """Makes ours from a shape and what draws its first weights."""
    read_config: Callable[[dict[str, Any], Path], Shape]
    """config.json, and the file it was read from -> our configuration; ValueError for what ours cannot be."""
    write_config: Callable[[Any], dict[str, Any]]
    """Our configuration -> config.json, but for what all kinds have."""
    to_hugging_face: Callable[[Weights], Weights]
    """Gives tensors by our names those of `transformers`; a tied weight once."""
    from_hugging_face: Callable[[Weights], Weights]
    """Gives tensors by the names of `transformers` ours; those we do not know keep theirs."""
    fields: Mapping[str, str]
    """Our settings and theirs, where the values mean the same."""
    sizes: Mapping[str, tuple[str, int]]
    """Settings that the weights tell too: of which weight of ours, on which axis."""
    blocks: str
    """What stands in front of the number of a block in our names."""
    heads: Mapping[str, str] = field(default_factory=dict)
    """What a folder may lack as a whole, by the beginning of our names: it then starts fresh."""


def rename(name: str, modules: Mapping[str, str]) -> str:
    """Translate a weight's name by a table of modules, in which # stands for the number of a block.

    A name that is not in the table stays as it is.
    """
    translated = modules.get(general(name))
    if translated is None:
        return name
    number, leaf = BLOCK.search(name), name.rpartition(".")[2]
    return f"{translated.replace('#', number[0] if number else '')}.{leaf}"


def general(name: str) -> str:
    """Return the module of a weight, with # for the number of its block."""
    return BLOCK.sub("#", name.rpartition(".")[0])


def join(state: Weights, modules: Mapping[str, str]) -> Weights:
    """Give tensors by our names those of a table of modules: see `rename`.

    Where several of ours are one of theirs, they stand in it one below the other, in the table's order.
    """
    order = {module: place for place, module in enumerate(modules)}
    stacks: dict[str, list[Tensor]] = {}
    for name in sorted(state, key=lambda name: order.get(general(name), 0)):
        stacks.setdefault(rename(name, modules), []).append(state[name])
    return {name: torch.cat(stack) if len(stack) > 1 else stack[0] for name, stack in stacks.items()}


def split(state: Weights, modules: Mapping[str, str]) -> Weights:
    """Give tensors by the names of a table of modules ours: what `join` has joined is cut again."""
    ours: dict[str, list[str]] = {}
    for module, theirs in modules.items():
        ours.setdefault(theirs, []).append(module)
    found: Weights = {}
    for name, tensor in state.items():
        parts = ours.get(general(name), [general(name)])
        pieces = tensor.chunk(len(parts)) if tensor.ndim else [tensor]
        for part, piece in zip(parts, pieces, strict=False):
            found[rename(name, {general(name): part})] = piece
    return found


def drop_copy(state: Weights, copy: str, tied: str) -> None:
    """Leave out the copy of a tied weight, which older files hold; it stands for the weight where that is
    missing. Raises ValueError for one that is not equal."""
    copied = state.pop(copy, None)
    if copied is not None and not torch.equal(copied, state.setdefault(tied, copied)):
        raise ValueError(
            f"{copy} is not {tied}: the model was trained with an output of its own, and ours shares it with "
            "the input; load a model with tie_word_embeddings"
        )


def require_settings(values: dict[str, Any], file: Path, wanted: Mapping[str, tuple]) -> None:
    """Raise ValueError for a setting of config.json that is there and none of the `wanted` values."""
    for key, allowed in wanted.items():
        if values.get(key, allowed[0]) not in allowed:
            raise ValueError(f"{file}: {key} must be {' or '.join(map(str, allowed))}, got {values[key]!r}")


@contextmanager
def naming(file: Path) -> Iterator[None]:
    """Put the name of the file in front of what a ValueError from the block says."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None


def read_fields(values: dict[str, Any], file: Path, fields: Mapping[str, str], shape: type) -> dict[str, Any]:
    """Return our settings of config.json, as far as it says them.

    Raises ValueError for a number of another type than ours.
    """
    found: dict[str, Any] = {}
    for ours, theirs in fields.items():
        value, kind = values.get(theirs), float if isinstance(getattr(shape, ours), float) else int
        if value is None:
            continue
        if type(value) not in (int, kind):
            raise ValueError(f"{file}: {theirs} must be a number of type {kind.__name__}, got {value!r}")
        found[ours] = value
    return found


def compare_sizes(kind: FolderKind, config: Any, state: Weights, file: Path) -> None:
    """Raise ValueError listing each setting in which config.json and the weights differ."""
    found = {
        ours: state[name].shape[axis]
        for ours, (name, axis) in kind.sizes.items()
        if name in state and state[name].ndim == 2
    }
    found["layers"] = len(
        {name[len(kind.blocks) :].split(".")[0] for name in state if name.startswith(kind.blocks)}
    )
    differ = [
        f"{kind.fields[ours]} is {getattr(config, ours)} in config.json and {size} in the weights"
        for ours, size in found.items()
        if size != getattr(config, ours)
    ]
    if differ:
        raise ValueError(f"{file} and config.json disagree: {'; '.join(differ)}; copy both from one model")


@torch.no_grad()
def load_weights(kind: FolderKind, model: nn.Module, state: Weights, file: Path) -> list[str]:
    """Copy the weights into the model; return the heads that the file lacks as a whole: they stay fresh.

    Raises ValueError naming the weights that are missing, unexpected, of another shape, or integers.
    """
    weights = dict(model.named_parameters())
    missing, fresh = set(weights) - set(state), []
    for prefix, head in kind.heads.items():
        names = {name for name in weights if name.startswith(prefix)}
        if names <= missing:
            missing -= names
            fresh.append(head)

    problems = {
        "missing": missing,
        "unexpected": set(state) - set(weights),
        "not numbers of the right shape": {
            name
            for name in set(weights) & set(state)
            if weights[name].shape != state[name].shape or not state[name].is_floating_point()
        },
    }

    def theirs(name: str) -> str:
        return next(iter(kind.to_hugging_face({name: torch.empty(0)})), name)

    if any(problems.values()):
        listed = (
            f"{problem}: {', '.join(sorted(theirs(name) for name in names))}"
            for problem, names in problems.items()
            if names
        )
        raise ValueError(
            f"{file} does not hold the weights of this {kind.name}; {'; '.join(listed)}. Copy it and "
            "config.json from one model"
        )
    for name, weight in weights.items():
        if name in state:
            weight.copy_(state[name])
    return fresh
