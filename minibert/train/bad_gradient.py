"""A gradient that is not finite: the run stops before the step, and leaves in its folder what it saw."""

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, NoReturn

import torch
from safetensors.torch import save
from torch import Tensor

from minibert.files import replace_file


class BadGradient(ValueError):
    """The gradient of a step is not finite; no step was taken with it."""


def stop_at_bad_gradient(
    folder: Path,
    step: int,
    batch: Any,
    gradients: Iterable[tuple[str, Tensor]],
    losses: Mapping[str, Tensor | float],
    rates: Sequence[float],
    seed: int,
    rank: int = 0,
) -> NoReturn:
    """Write what is known of a step whose gradient is not finite, and raise BadGradient, which names it all.

    `bad-step-00000012.safetensors` gets the tensors of the batch, under the names of `named_tensors`, and
    `bad-step-00000012.json` all else: `step`, `seed`, `rates`, `losses`, `grad_norm`, `not_finite` (names of
    parameters) and `gradients` (by parameter, see `describe`). JSON has neither NaN nor infinity: there they
    are the strings "nan", "inf" and "-inf".

    Args:
        folder: of the run.
        step: its number, counted from 1 as in metrics.jsonl: `batches(step - 1)` makes its batch again.
        batch: see `named_tensors`.
        gradients: with the names of their parameters, whole, and as the backward pass left them: clipping
            spreads one NaN over all.
        losses: scalars by name; the gradient is that of "loss".
        rates: learning rates that the step would have had, one for each group of parameters.
        seed: of the run.
        rank: number of the process. Each has its part of the batch, and any may be the cause: those after the
            first write files of their own, `bad-step-00000012-rank-1.json`.
    """
    described = {name: describe(gradient) for name, gradient in gradients}
    facts = {
        "step": step,
        "seed": seed,
        "rates": list(rates),
        "losses": {name: float(value) for name, value in losses.items()},
        "grad_norm": math.sqrt(sum(numbers["norm"] ** 2 for numbers in described.values())),
        "not_finite": [name for name, numbers in described.items() if numbers["not_finite"]],
        "gradients": described,
    }
    stem = f"bad-step-{step:08d}" + (f"-rank-{rank}" if rank else "")
    batch_file, facts_file = folder / f"{stem}.safetensors", folder / f"{stem}.json"
    replace_file(batch_file, save({name: t.detach().cpu().clone() for name, t in named_tensors(batch)}))
    replace_file(facts_file, json.dumps(for_json(facts), indent=1, allow_nan=False) + "\n")
    raise BadGradient(
        f"the gradient of step {step} {what_is_wrong(described, losses)}. The step was not taken; the "
        f"checkpoints are as they were. The batch is in {batch_file}, losses and norms are in {facts_file}. "
        "Try a lower --lr, or --precision bf16 or float32, or look at the batch"
    )


def describe(gradient: Tensor) -> dict[str, Any]:
    """Return what is wrong with a gradient, as numbers.

    Returns:
        norm: of all entries, in float64, where no square of a float32 overflows.
        not_finite: how many entries are NaN or infinite.
        largest: the largest |entry| among the others; 0 where there are none.
    """
    entries = gradient.detach().cpu().double()
    finite = entries.isfinite()
    return {
        "norm": float(torch.linalg.vector_norm(entries)),
        "not_finite": int((~finite).sum()),
        "largest": float(entries.masked_fill(~finite, 0.0).abs().max()),
    }


def what_is_wrong(described: Mapping[str, Mapping[str, Any]], losses: Mapping[str, Tensor | float]) -> str:
    """Return in words where a gradient is not finite, or that all of it is, but not its loss or its norm."""
    bad = [name for name, numbers in described.items() if numbers["not_finite"]]
    if bad:
        return f"is not finite in {len(bad)} of {len(described)} parameters, the first of them {bad[0]}"
    if not math.isfinite(losses.get("loss", 0.0)):
        return "is finite, but its loss is not"
    largest = max(described, key=lambda name: described[name]["largest"])
    return f"is finite but too large for a norm in float32, most of all in {largest}"


def named_tensors(batch: Any, *path: str) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors of a batch, each with the fields and the places that lead to it: "ids", "1/ids".

    Args:
        batch: a tensor; a tuple or list, also of micro-batches; or a dataclass. What else is in it, None for
            one, is left out.
        path: what led here.
    """
    if isinstance(batch, Tensor):
        yield "/".join(path) or "batch", batch
    elif isinstance(batch, tuple | list):
        for place, part in enumerate(batch):
            yield from named_tensors(part, *path, str(place))
    elif is_dataclass(batch):
        for field in fields(batch):
            yield from named_tensors(getattr(batch, field.name), *path, field.name)


def for_json(value: Any) -> Any:
    """Return a value whose floats that are not finite are strings."""
    if isinstance(value, dict):
        return {name: for_json(part) for name, part in value.items()}
    if isinstance(value, list):
        return [for_json(part) for part in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
