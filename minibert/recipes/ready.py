"""Everything that a pretraining run needs, made ready: text, tokenizer, model, batches, device."""

import dataclasses
import logging
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from minibert.batches.batch import PretrainingBatches
from minibert.batches.causal import CausalBatches
from minibert.config import (
    DEFAULT_MINUTES,
    KINDS,
    BertConfig,
    PretrainConfig,
    Shape,
    model_config,
    require,
    settled,
)
from minibert.files import folder_lock
from minibert.hub import from_pretrained, new_model
from minibert.model.bert import BertForPretraining
from minibert.model.task_model import TaskModel
from minibert.recipes.byhand import NUMPY
from minibert.recipes.data import Text, prepare
from minibert.recipes.evaluate import Batches, evaluate, held_out_batches
from minibert.recipes.flops import flops_per_token
from minibert.recipes.learning import TORCH, Learning
from minibert.recipes.record import check_folder, describe_run, require_same
from minibert.text.base_tokenizer import BaseTokenizer
from minibert.text.tokenizer import load_tokenizer
from minibert.train.device import choose_device, measure_peak
from minibert.train.distributed import World
from minibert.train.log import require_tensorboard

GLIMPSE = 256
"""Held-out examples looked at while training; the evaluation at the end uses more."""

BACKENDS = {"torch": TORCH, "numpy": NUMPY}
"""How a run learns, by the names of `PretrainConfig.backend`."""

logger = logging.getLogger("minibert")


@dataclass
class Ready:
    """A run before its first step."""

    out: Path
    """The run folder."""
    config: PretrainConfig
    """With an end: steps, minutes or both."""
    record: dict[str, Any]
    """What run.json says."""
    text: Text
    model: Any
    """On its device."""
    batches: Batches
    held_out: Batches | None
    """None where there is no held-out text, or too little."""
    learning: Learning
    resumed: bool
    world: World

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return next(self.model.parameters()).device

    def arguments(self) -> dict[str, Any]:
        """Return what `train` takes besides the folder and the configuration."""
        peak, per_token = self.record["peak_flops"], self.record["flops_per_token"]
        return {
            "model": self.model,
            "loss": self.learning.loss,
            "batches": self.batches,
            "optimizers": partial(self.learning.optimizers, self.model, self.config),
            "counts": lambda batch: batch.counts(),
            "count_tokens": lambda batch: batch.ids.numel(),
            "evaluate": None if self.held_out is None else glimpse(self.held_out),
            "peak_speed": peak / per_token,
            "world": self.world,
        }


def device_of(config: PretrainConfig) -> str:
    """Return the kind of device that a run trains on. Raises ValueError for one that is not there."""
    return choose_device("cpu" if config.backend == "numpy" else config.device).type


@contextmanager
def made_ready(preset: str, config: PretrainConfig, command: str, world: World) -> Iterator[Ready]:
    """Yield a run before its first step; its folder belongs to it until the block ends.

    Args:
        preset: a name of `minibert.config.PRESETS`; its sizes yield to those in `config`.
        config: everything else.
        command: what was typed, for the record.
        world: the processes that train together.

    Raises:
        ValueError: the run folder is taken, the corpus is unusable, sizes do not fit, or a resumed run's
            settings, text or tokenizer differ from those it began with.
    """
    if config.tensorboard:
        require_tensorboard()
    require(
        config.backend == "torch" or KINDS[preset] is BertConfig,
        f"in NumPy only BERT is trained; leave out --backend numpy for {preset}",
    )
    require(not config.shard or world.size > 1, "--shard needs several processes: start it with torchrun")
    out = config.out or Path("runs") / preset
    config = settled(preset, config)
    shape = model_config(preset, config)
    device = world.device(device_of(config))
    if config.steps is None and config.max_minutes is None:
        config = dataclasses.replace(config, max_minutes=DEFAULT_MINUTES)
    before = check_folder(out, config.resume == "auto")
    world.barrier()  # all have looked before the first one writes
    with folder_lock(out) if world.rank == 0 else nullcontext():
        model, tokenizer = starting_point(out, type(shape), config, resumed=before is not None)
        with world.first():
            assert config.tokenizer is not None
            causal = config.objective == "clm"
            text = prepare(config.corpus, config.vocab_size, tokenizer, config.tokenizer, running=causal)
        batches = training_batches(text, config)
        model = asked_for(model or fresh_model(shape, text, config), config).to(device)
        positions = getattr(model.config, "max_positions", config.seq_len)
        require(
            config.seq_len <= positions,
            f"--seq-len {config.seq_len} is longer than the model's {positions} positions",
        )
        parameters = sum(p.numel() for p in model.parameters())
        record = describe_run(preset, config, command, model.config, parameters, text, device)
        if before is not None:
            require_same(before, record, out)
            record = {**record, "started": before["started"], "command": before["command"]}
        record |= describe_speed(model.config, config, batches, device, world)
        held_out = held_out_of(text, config)
        learning = BACKENDS[config.backend]
        yield Ready(out, config, record, text, model, batches, held_out, learning, before is not None, world)


def describe_speed(
    shape: Shape,
    config: PretrainConfig,
    batches: Batches,
    device: torch.device,
    world: World,
) -> dict[str, Any]:
    """Return what run.json says of the work of a token, and of the fastest that a device could do it."""
    named = config.peak_tflops
    return {
        "processes": world.size,
        "peak_flops": 1e12 * named if named else measure_peak(device, config.precision),
        "peak_from": "named" if named else "measured",
        "flops_per_token": flops_per_token(
            shape,
            config.seq_len,
            slots=batches.slots_per_row if isinstance(batches, PretrainingBatches) else config.seq_len,
            pairs=config.objective == "mlm+nsp",
        ),
    }


def starting_point(
    out: Path, kind: type, config: PretrainConfig, resumed: bool
) -> tuple[Any, BaseTokenizer | None]:
    """Return the model and the tokenizer to go on from, where there are any."""
    model = tokenizer = None
    if config.from_folder is not None:
        given = [name for name in ("layers", "width", "heads") if getattr(config, name) is not None]
        require(not given, f"--from brings the sizes of its model; leave out: {', '.join(given)}")
        model, tokenizer = from_pretrained(config.from_folder)
        if tokenizer is None:
            raise ValueError(f"{config.from_folder} holds no tokenizer (tokenizer.json or vocab.txt)")
        holds = f"{config.from_folder} holds a {type(model).__name__}"
        require(not isinstance(model, TaskModel), f"{holds}; take the pretrained model it was made from")
        require(type(model.config) is kind, f"{holds}; name a preset of its kind")
    return model, load_tokenizer(out) if resumed else tokenizer


def training_batches(text: Text, config: PretrainConfig) -> Batches:
    """Return the batches that `config` asks for."""
    if config.objective == "clm":
        return CausalBatches(text.train, config.batch_size, config.seq_len, config.seed)
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


def held_out_of(text: Text, config: PretrainConfig) -> Batches | None:
    """Return the batches to evaluate on; None when there is no held-out text, or too little."""
    if text.held_out is None:
        return None
    assert config.objective is not None
    try:
        return held_out_batches(text.held_out, text.tokenizer, config.seq_len, config.objective)
    except ValueError as error:
        logger.warning("no evaluation on held-out text: %s", error)
        return None


def fresh_model(shape: Shape, text: Text, config: PretrainConfig) -> nn.Module:
    """Return a model with fresh weights, its vocabulary that of the tokenizer."""
    own = {"vocab_size": len(text.tokenizer)}
    if getattr(shape, "pad_id", None) is not None:
        own["pad_id"] = text.tokenizer.pad_id
    model = new_model(dataclasses.replace(shape, **own), torch.Generator().manual_seed(config.seed))
    if config.objective != "clm" and config.word_bias == "frequencies":
        counts = np.bincount(text.train.ids, minlength=own["vocab_size"]) + 1.0
        with torch.no_grad():
            model.words.bias.copy_(torch.from_numpy(np.log(counts / counts.sum())))
    return model


def asked_for(model: Any, config: PretrainConfig) -> Any:
    """Return the model with those weights frozen that the objective never asks for.

    They have no gradient in any case; but DDP would wait for one.
    """
    if isinstance(model, BertForPretraining) and config.objective == "mlm":
        model.bert.pooler.requires_grad_(False)
        model.pairs.requires_grad_(False)
    return model


def glimpse(batches: Batches):
    """Return a function that evaluates a model on the first `GLIMPSE` examples."""

    def look(model: nn.Module) -> dict[str, float]:
        numbers = evaluate(model, batches, GLIMPSE)
        return {name: value for name, value in numbers.items() if name.endswith(("loss", "accuracy"))}

    return look
