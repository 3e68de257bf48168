"""run.json: what ran, on what, from what; and whether a run may go on from what lies in a folder."""

import dataclasses
import json
import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

import minibert
from minibert.config import PretrainConfig, Shape, TrainConfig, require
from minibert.files import LOCK, replace_file
from minibert.recipes.data import Text
from minibert.sources import cards
from minibert.train.device import device_name

FIXED = {"batch_size", "schedule", "warmup", "clip", "seed"}
"""Settings of the loop that decide what a run learns, and so stay when it is resumed."""

MAY_CHANGE = {"out", "resume", "backend"} | {field.name for field in dataclasses.fields(TrainConfig)} - FIXED
"""Settings that may differ when a run is resumed: how long, on what, how safe."""

TOKENIZER = {"tokenizer.json", "tokenizer_config.json", "vocab.txt", "vocab.json", "merges.txt"}
"""The files of a tokenizer of either kind, which a run writes first."""

BEGUN = {LOCK, *TOKENIZER, *(f".{name}.partial" for name in (*TOKENIZER, "run.json"))}
"""What a run may have left that was killed before its run.json was there: as good as nothing."""


def check_folder(out: Path, resume: bool) -> dict[str, Any] | None:
    """Return run.json of the run to resume, or None for a new run.

    Raises ValueError when the folder holds a run that is not to be resumed, or something else.
    """
    nearest = next(folder for folder in [out, *out.absolute().parents] if folder.exists())
    require(nearest.is_dir(), f"{nearest} is a file; choose another folder with --out")
    require(os.access(nearest, os.W_OK), f"cannot write in {nearest}; choose another folder with --out")
    if not out.exists() or {path.name for path in out.iterdir()} <= BEGUN:
        return None
    if not (out / "run.json").exists():
        raise ValueError(f"{out} is not empty and holds no run; choose another folder with --out")
    if not resume:
        raise ValueError(
            f"{out} holds a run already. Go on with it: --resume auto. "
            "Or keep it, and write elsewhere: --out FOLDER"
        )
    return read_record(out / "run.json")


def read_record(path: Path) -> dict[str, Any]:
    """Read run.json. Raises ValueError, naming it, when it does not say what a resumed run needs to know."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        missing = {"command", "config", "model", "data", "started"} - set(record)
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"{path} is not the record of a run ({error}): put it back as it was, or start a new run with "
            "--out FOLDER"
        ) from None
    require(
        not missing,
        f"{path} does not say {', '.join(sorted(missing))}: put it back as it was, or start a new run with "
        "--out FOLDER",
    )
    return record


def describe_run(
    preset: str,
    config: PretrainConfig,
    command: str,
    shape: Shape,
    parameters: int,
    text: Text,
    device: torch.device,
) -> dict[str, Any]:
    """Return what run.json says of a pretraining."""
    return {
        "preset": preset,
        **describe_training(config, command, shape, parameters, device),
        "data": {"corpus": list(config.corpus), "cards": describe_cards(config.corpus), **text.describe()},
    }


def describe_training(
    config: TrainConfig, command: str, shape: Shape, parameters: int, device: torch.device
) -> dict[str, Any]:
    """Return what run.json says of any run."""
    packages = ("torch", "numpy", "tokenizers")
    return {
        "command": command,
        "config": as_json(config),
        "model": dataclasses.asdict(shape),
        "parameters": parameters,
        "versions": {"minibert": minibert.__version__, "python": platform.python_version()}
        | {name: version(name) for name in packages},
        "device": device.type,
        "device_name": device_name(device),
        "threads": torch.get_num_threads(),
        "started": now(),
        "finished": None,
    }


def as_json(config: Any) -> dict[str, Any]:
    """Return a configuration as JSON gives it back: tuples are lists, paths are text."""
    return json.loads(json.dumps(dataclasses.asdict(config), default=str))


def describe_cards(corpus: Sequence[str]) -> list[dict[str, str]]:
    """Return what the model card says of the data cards among the words behind --corpus."""
    known = cards()
    told = ("name", "title", "language", "license")
    return [{field: getattr(known[word], field) for field in told} for word in corpus if word in known]


def now() -> str:
    """Return the time, in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def require_same(before: dict[str, Any], record: dict[str, Any], out: Path) -> None:
    """Raise ValueError unless a resumed run has the settings, the text and the tokenizer it began with."""
    for kind, called in (("tokenizer", "tokenizer in"), ("fingerprint", "text of")):
        was, came = before["data"][kind], record["data"][kind]
        require(
            was == came,
            f"the {called} {out} is not the one the run began with (sha256 {was[:12]}, now {came[:12]}): "
            "restore it, or start a new run with --out FOLDER",
        )
    what = ("preset", "task", "body")
    was, came = ({name: r.get(name) for name in what} | r["config"] | r["model"] for r in (before, record))
    differing = [
        f"{name} {was.get(name)!r}, now {came[name]!r}"
        for name in came
        if name not in MAY_CHANGE and was.get(name) != came[name]
    ]
    require(
        not differing,
        f"the run in {out} began with other settings: {'; '.join(differing)}. It was started by: "
        f"{before['command']}",
    )


def write_json(path: Path, value: Any) -> None:
    """Write JSON whole or not at all."""
    replace_file(path, json.dumps(value, indent=1) + "\n")
