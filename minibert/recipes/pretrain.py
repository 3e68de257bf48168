"""Pretrain BERT: text, model and loop meet here, and leave a run folder."""

import dataclasses
import json
import logging
import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

import minibert
from minibert.batches.batch import PretrainingBatches
from minibert.config import DEFAULT_MINUTES, BertConfig, PretrainConfig, model_config, require
from minibert.files import replace_file
from minibert.hub import from_pretrained, save_pretrained
from minibert.model.bert import BertForPretraining
from minibert.recipes.byhand import NUMPY, compare_speed
from minibert.recipes.data import Text, prepare
from minibert.recipes.evaluate import evaluate, full_evaluation, held_out_batches
from minibert.recipes.fill import sample_blanks
from minibert.recipes.learning import TORCH
from minibert.report import write_model_card, write_report
from minibert.sources import cards
from minibert.text.base_tokenizer import BaseTokenizer
from minibert.text.store import Store
from minibert.text.tokenizer import load_tokenizer
from minibert.train.loop import choose_device, train

GLIMPSE = 256
"""Held-out examples looked at while training; the evaluation at the end uses more."""

BACKENDS = {"torch": TORCH, "numpy": NUMPY}
"""How a run learns, by the names of `PretrainConfig.backend`."""

MAY_CHANGE = {
    "out",
    "resume",
    "device",
    "backend",
    "steps",
    "max_minutes",
    "checkpoint_every",
    "log_every",
    "evaluate_every",
}
"""Settings that may differ when a run is resumed."""

BEGUN = {"tokenizer.json", "tokenizer_config.json", "vocab.txt", ".run.json.partial"}
"""What a run may have left that was killed before its run.json was there: as good as nothing."""

logger = logging.getLogger("minibert")


def pretrain(preset: str, config: PretrainConfig, command: str = "") -> Path:
    """Pretrain a model as `config` says and return its run folder, which `transformers` opens.

    Args:
        preset: a name of `minibert.config.PRESETS`; its sizes yield to those in `config`.
        config: everything else.
        command: what was typed, for the record.

    Raises:
        ValueError: the run folder is taken, the corpus is unusable, sizes do not fit, or a resumed run's
            settings, text or tokenizer differ from those it began with.
    """
    out = config.out or Path("runs") / preset
    before = check_folder(out, config.resume == "auto")
    shape = model_config(preset, config)
    device = choose_device("cpu" if config.backend == "numpy" else config.device)
    learning = BACKENDS[config.backend]

    model, tokenizer = starting_point(out, config, resumed=before is not None)
    text = prepare(config.corpus, config.vocab_size, tokenizer)
    batches = training_batches(text, config)
    model = (model or new_model(shape, text, config)).to(device)
    require(
        config.seq_len <= model.config.max_positions,
        f"--seq-len {config.seq_len} is longer than the model's {model.config.max_positions} positions",
    )
    record = describe_run(preset, config, command, model, text, device)
    if before is not None:
        require_same(before, record, out)
        record = {**record, "started": before["started"], "command": before["command"]}

    if learning is NUMPY:
        record["by_hand"] = compare_speed(model, batches, config)
        logger.info("in NumPy %s", record["by_hand"])

    out.mkdir(parents=True, exist_ok=True)
    text.tokenizer.save(out)
    write_json(out / "run.json", record)
    steps, max_minutes = config.steps, config.max_minutes
    if steps is None and max_minutes is None:
        max_minutes = DEFAULT_MINUTES
    held_out = None if text.held_out is None else held_out_of(text.held_out, text.tokenizer, config)
    at = train(
        model,
        learning.loss,
        batches,
        learning.optimizers(model, config),
        out,
        steps=steps,
        max_minutes=max_minutes,
        schedule=config.schedule,
        warmup=config.warmup,
        clip=config.clip,
        seed=config.seed,
        resume=config.resume == "auto",
        checkpoint_every=config.checkpoint_every,
        log_every=config.log_every,
        evaluate=None if held_out is None else glimpse(held_out),
        evaluate_every=config.evaluate_every,
        count_tokens=lambda batch: batch.ids.numel(),
    )
    finish(out, record, model, text, held_out, at.step)
    return out


def check_folder(out: Path, resume: bool) -> dict[str, Any] | None:
    """Return run.json of the run to resume, or None for a new run.

    Raises ValueError when the folder holds a run that is not to be resumed, or something else.
    """
    if out.exists() and not out.is_dir():
        raise ValueError(f"{out} is a file; choose another folder with --out")
    if not out.exists() or {path.name for path in out.iterdir()} <= BEGUN:
        nearest = next(folder for folder in [out, *out.absolute().parents] if folder.exists())
        require(os.access(nearest, os.W_OK), f"cannot write in {nearest}; choose another folder with --out")
        return None
    if not (out / "run.json").exists():
        raise ValueError(f"{out} is not empty and holds no run; choose another folder with --out")
    if not resume:
        raise ValueError(
            f"{out} holds a run already. Go on with it: --resume auto. "
            "Or keep it, and write elsewhere: --out FOLDER"
        )
    return json.loads((out / "run.json").read_text(encoding="utf-8"))


def starting_point(
    out: Path, config: PretrainConfig, resumed: bool
) -> tuple[BertForPretraining | None, BaseTokenizer | None]:
    """Return the model and the tokenizer to go on from, where there are any."""
    model = tokenizer = None
    if config.from_folder is not None:
        given = [name for name in ("layers", "width", "heads") if getattr(config, name) is not None]
        require(not given, f"--from brings the sizes of its model; leave out: {', '.join(given)}")
        model, tokenizer = from_pretrained(config.from_folder)
        if tokenizer is None:
            raise ValueError(f"{config.from_folder} holds no tokenizer (tokenizer.json or vocab.txt)")
    return model, load_tokenizer(out) if resumed else tokenizer


def training_batches(text: Text, config: PretrainConfig) -> PretrainingBatches:
    """Return the batches that `config` asks for."""
    return PretrainingBatches(
        text.train,
        text.tokenizer,
        config.batch_size,
        config.seq_len,
        config.mask_rate,
        config.whole_words,
        pairs=config.objective == "mlm+nsp",
        seed=config.seed,
    )


def held_out_of(store: Store, tokenizer: BaseTokenizer, config: PretrainConfig) -> PretrainingBatches | None:
    """Return the batches to evaluate on; None when the held-out text is too small for them."""
    try:
        return held_out_batches(store, tokenizer, config.seq_len, config.objective == "mlm+nsp")
    except ValueError as error:
        logger.warning("no evaluation on held-out text: %s", error)
        return None


def new_model(shape: BertConfig, text: Text, config: PretrainConfig) -> BertForPretraining:
    """Return a model with fresh weights, its vocabulary that of the tokenizer."""
    shape = dataclasses.replace(shape, vocab_size=len(text.tokenizer), pad_id=text.tokenizer.pad_id)
    model = BertForPretraining(shape, torch.Generator().manual_seed(config.seed))
    if config.word_bias == "frequencies":
        counts = np.bincount(text.train.ids, minlength=shape.vocab_size) + 1.0
        with torch.no_grad():
            model.words.bias.copy_(torch.from_numpy(np.log(counts / counts.sum())))
    return model


def glimpse(batches: PretrainingBatches):
    """Return a function that evaluates a model on the first `GLIMPSE` examples."""

    def look(model: nn.Module) -> dict[str, float]:
        assert isinstance(model, BertForPretraining)
        numbers = evaluate(model, batches, GLIMPSE)
        return {name: value for name, value in numbers.items() if name.endswith(("loss", "accuracy"))}

    return look


def describe_run(
    preset: str,
    config: PretrainConfig,
    command: str,
    model: BertForPretraining,
    text: Text,
    device: torch.device,
) -> dict[str, Any]:
    """Return what run.json says."""
    packages = ("torch", "numpy", "tokenizers")
    return {
        "preset": preset,
        "command": command,
        "config": json.loads(json.dumps(dataclasses.asdict(config), default=str)),
        "model": dataclasses.asdict(model.config),
        "parameters": sum(p.numel() for p in model.parameters()),
        "versions": {"minibert": minibert.__version__, "python": platform.python_version()}
        | {name: version(name) for name in packages},
        "device": device.type,
        "device_name": device_name(device),
        "threads": torch.get_num_threads(),
        "started": now(),
        "finished": None,
        "data": {"corpus": list(config.corpus), "cards": describe_cards(config.corpus), **text.describe()},
    }


def describe_cards(corpus: Sequence[str]) -> list[dict[str, str]]:
    """Return what the model card says of the data cards among the words behind --corpus."""
    known = cards()
    told = ("name", "title", "language", "license")
    return [{field: getattr(known[word], field) for field in told} for word in corpus if word in known]


def device_name(device: torch.device) -> str:
    """Return what the device is called."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def now() -> str:
    """Return the time, in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def require_same(before: dict[str, Any], record: dict[str, Any], out: Path) -> None:
    """Raise ValueError unless a resumed run has the settings, the text and the tokenizer it began with."""
    for kind in ("tokenizer", "fingerprint"):
        was, came = before["data"][kind], record["data"][kind]
        what = {"tokenizer": "tokenizer in", "fingerprint": "text of"}[kind]
        require(
            was == came,
            f"the {what} {out} is not the one the run began with (sha256 {was[:12]}, now {came[:12]}): "
            "restore it, or start a new run with --out FOLDER",
        )
    was, came = ({"preset": r["preset"], **r["config"], **r["model"]} for r in (before, record))
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


def finish(
    out: Path,
    record: dict[str, Any],
    model: BertForPretraining,
    text: Text,
    held_out: PretrainingBatches | None,
    step: int,
) -> None:
    """Save the model, evaluate it, and write the report and the model card."""
    save_pretrained(model, text.tokenizer, out)
    if held_out is not None:
        logger.info("evaluating on held-out text")
        result = full_evaluation(model, text.train, held_out, step)
        result["blanks"] = sample_blanks(model, text.tokenizer, held_out.store)
        write_json(out / "evaluation.json", result)
    write_json(out / "run.json", {**record, "finished": now()})
    write_report(out)
    write_model_card(out)


def write_json(path: Path, value: Any) -> None:
    """Write JSON whole or not at all."""
    replace_file(path, json.dumps(value, indent=1) + "\n")
