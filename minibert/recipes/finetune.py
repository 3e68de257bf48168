"""Fine-tune a pretrained model on labelled texts: body, head, strategy and loop meet here."""

import dataclasses
import hashlib
import json
import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from minibert.batches.labels import Encoded, LabelledBatches
from minibert.config import FinetuneConfig, HeadConfig, require
from minibert.files import folder_lock
from minibert.hub import save_pretrained, with_head
from minibert.model.task_model import TaskModel
from minibert.recipes import strategies
from minibert.recipes.forgetting import forgetting, held_out_text
from minibert.recipes.frozen_features import frozen_batches
from minibert.recipes.known_tasks import TASKS
from minibert.recipes.labelled_data import SIDES
from minibert.recipes.mattering import worst_mistakes
from minibert.recipes.measuring import write_predictions
from minibert.recipes.predicting import logits_of
from minibert.recipes.record import check_folder, describe_training, now, require_same, write_json
from minibert.recipes.substitutes import augmentation_for
from minibert.recipes.task import FinetuningTask, Splits
from minibert.report import write_model_card, write_report
from minibert.text.base_tokenizer import BaseTokenizer
from minibert.train.device import choose_device
from minibert.train.distributed import World, joined
from minibert.train.log import require_tensorboard
from minibert.train.loop import train
from minibert.train.state import Progressed

logger = logging.getLogger("minibert")

LINES = 20
"""Of the training in metrics.jsonl at least, where a run has as many steps: so few make a curve."""

KEPT = ("started", "command", "baselines")
"""What run.json says of a resumed run as it did before."""


@dataclass
class Ready:
    """A fine-tuning before its first step."""

    out: Path
    """The run folder."""
    config: FinetuneConfig
    """With an end, and looks at the validation texts."""
    record: dict[str, Any]
    """What run.json says."""
    task: FinetuningTask
    splits: Splits
    model: TaskModel
    """On its device; what may learn requires a gradient."""
    tokenizer: BaseTokenizer
    encoded: dict[str, Encoded]
    """The texts as rows, by the names of `SIDES`."""
    resumed: bool
    world: World

    def batches(self, encoded: Encoded) -> LabelledBatches:
        """Return the batches of encoded texts, as they are."""
        pad_id = self.model.config.pad_id
        assert pad_id is not None  # `with_head` sees to it
        return LabelledBatches(encoded, pad_id, self.config.batch_size, self.config.seed)

    def training_batches(self) -> LabelledBatches:
        """Return the batches to learn from: augmented, or with what a frozen body says of them."""
        rows = self.encoded["train"]
        batches = self.batches(rows)
        device = device_of(self.model)
        body, task = self.record["body"], self.task.head.task
        change = augmentation_for(self.config, task, body, rows, self.tokenizer, device)
        if change is None and self.config.strategy == "frozen":
            return frozen_batches(self.model, batches)
        return dataclasses.replace(batches, augment=change)

    def arguments(self) -> dict[str, Any]:
        """Return what `train` takes besides the folder and the configuration."""
        return {
            "model": self.model,
            "loss": self.task.loss,
            "batches": self.training_batches(),
            "optimizers": lambda: strategies.optimizers(self.model, self.config),
            "counts": lambda batch: batch.counts(),
            "count_tokens": lambda batch: batch.ids.numel(),
            "evaluate": lambda model: scores(self, model, "validation"),
            "judge": lambda numbers: 1 - numbers[self.task.goal],
            "keep_best": True,
            "before_step": strategies.at_step(self.model, self.config, self.steps_per_epoch),
            "world": self.world,
        }

    @property
    def steps_per_epoch(self) -> float:
        """Steps in which every row is seen once; need not be whole."""
        return len(self.encoded["train"]) / self.config.batch_size


def finetune(
    kind: str,
    body: str,
    config: FinetuneConfig,
    command: str = "",
    splits: Splits[Any] | None = None,
    siblings: Sequence[Path] = (),
) -> Path:
    """Fine-tune a model as `config` says and return its run folder, which `transformers` opens.

    Under torchrun every process calls this; the first of them writes the folder.

    Args:
        kind: "classify", "tag" or "answer".
        body: a run folder, a folder of `transformers`, or a data card with weights.
        config: everything else.
        command: what was typed, for the record.
        splits: the texts, where they are read and divided already.
        siblings: folders of finished runs with the same body and settings but for strategy and seed: where
            one has learned from the same texts and was measured on the same, its baselines hold here, too.

    Raises:
        ValueError: the folder is taken, the texts or the model cannot be used, or a resumed run's settings
            or texts differ from those it began with; see also `minibert.train.loop.train`.
        Stopped: a signal came; the run is saved, and goes on with resume.
    """
    with joined(choose_device(config.device).type) as world:
        return finetuned(kind, body, config, command, world, splits, siblings)


def finetuned(
    kind: str,
    body: str,
    config: FinetuneConfig,
    command: str,
    world: World,
    splits: Splits[Any] | None,
    siblings: Sequence[Path],
) -> Path:
    """Fine-tune as one of the processes of `world`, and return the run folder."""
    with made_ready(kind, body, config, command, world, splits) as run:
        if world.rank == 0:
            known = run.record.get("baselines") or baselines_of(siblings, run.record["data"]["fingerprint"])
            run.record["baselines"] = known or baselines(run)
        at = learn(run)
        if world.rank == 0:
            finish(run, at)
        return run.out


def learn(run: Ready) -> Progressed:
    """Train, and leave the model as it was at the best look at the validation texts."""
    if run.world.rank == 0:
        run.tokenizer.save(run.out)
        write_json(run.out / "run.json", run.record)
    return train(folder=run.out, config=run.config, resume=run.resumed, **run.arguments())


@contextmanager
def made_ready(
    kind: str,
    body: str,
    config: FinetuneConfig,
    command: str,
    world: World,
    splits: Splits[Any] | None = None,
) -> Iterator[Ready]:
    """Yield a fine-tuning before its first step; its folder belongs to it until the block ends.

    Arguments and errors as of `finetune`.
    """
    if config.tensorboard:
        require_tensorboard()
    require(not config.shard, "a fine-tuning is not split over processes; leave out --shard")
    require(
        world.size == 1 or config.strategy != "gradual",
        "--strategy gradual changes what learns on the way, which several processes do not do together; "
        "start it without torchrun",
    )
    out = run_folder(kind, body, config)
    before = check_folder(out, config.resume == "auto")
    world.barrier()  # all have looked before the first one writes
    with folder_lock(out) if world.rank == 0 else nullcontext():
        if splits is None:
            with world.first():
                splits = read_texts(kind, config)
        head = TASKS[kind].head(splits, config)
        draw = torch.Generator().manual_seed(config.seed)
        model, tokenizer = with_head(body, head, draw, config.dropout)
        if tokenizer is None:
            raise ValueError(f"{body} holds no tokenizer (tokenizer.json or vocab.txt)")
        longest = model.config.max_positions
        require(
            (config.max_tokens or 0) <= longest,
            f"--max-tokens {config.max_tokens} is longer than the model's {longest} positions",
        )
        task = TASKS[kind].task(head, tokenizer, config.max_tokens or longest, config, splits)
        encoded = {side: task.encode(getattr(splits, side)) for side in SIDES}

        whole = sum(p.numel() for p in model.parameters())
        model = model.to(world.device(choose_device(config.device).type))
        strategies.prepare(model, config, draw)
        config = with_end(config, len(encoded["train"]))
        record = {
            "task": kind,
            "body": body,
            "body_kind": type(model.body).__name__,
            "head": dataclasses.asdict(head),
            "goal": task.goal,
            **describe_training(config, command, model.config, whole, device_of(model)),
            "learning_parameters": learning_parameters(model, config),
            "processes": world.size,
            "data": describe_texts(config, splits, encoded["train"], tokenizer),
        }
        if before is not None:
            require_same(before, record, out)
            record |= {name: before[name] for name in KEPT if name in before}
        yield Ready(out, config, record, task, splits, model, tokenizer, encoded, before is not None, world)


def read_texts(kind: str, config: FinetuneConfig) -> Splits[Any]:
    """Read and divide the texts as `config` says, and tell what was found."""
    splits = TASKS[kind].read(config)
    for note in splits.notes:
        logger.info("%s", note)
    return splits


def run_folder(kind: str, body: str, config: FinetuneConfig) -> Path:
    """Return where the run is written."""
    return config.out or Path("runs") / f"{kind}-{Path(body).name}"


def device_of(model: TaskModel) -> torch.device:
    """Return where a model is."""
    return next(model.parameters()).device


def with_end(config: FinetuneConfig, rows: int) -> FinetuneConfig:
    """Return `config` with an end, a look at the validation texts after each epoch, and LINES at least."""
    epoch = rows / config.batch_size
    if config.steps is None and config.max_minutes is None:
        config = dataclasses.replace(config, steps=math.ceil(config.epochs * epoch))
    if config.steps is not None:
        often = max(1, min(config.log_every, config.steps // LINES))
        config = dataclasses.replace(config, log_every=often)
    return dataclasses.replace(config, evaluate_every=config.evaluate_every or math.ceil(epoch))


def learning_parameters(model: TaskModel, config: FinetuneConfig) -> int:
    """Count the numbers that learn at some time of the run."""
    groups = (group for each in strategies.optimizers(model, config) for group in each.param_groups)
    return sum(p.numel() for group in groups for p in group["params"])


def describe_texts(
    config: FinetuneConfig, splits: Splits, encoded: Encoded, tokenizer: BaseTokenizer
) -> dict[str, Any]:
    """Return what run.json says of the labelled texts."""
    parts = {name: getattr(splits, name) for name in ("train", "validation", "test")}
    told = hashlib.sha256()
    for name, texts in parts.items():
        told.update(name.encode())
        for text in texts:
            told.update(repr(dataclasses.astuple(text)).encode("utf-8", "surrogatepass"))
    return {
        "data": list(config.data),
        "fingerprint": told.hexdigest(),
        "tokenizer": tokenizer.fingerprint,
        "texts": {name: len(texts) for name, texts in parts.items()},
        "rows": len(encoded),
        "tokens": len(encoded.ids.values),
        "notes": list(splits.notes),
    }


def baselines_of(runs: Sequence[Path], fingerprint: str) -> dict[str, dict[str, float]] | None:
    """Return the baselines of the first of the runs with texts of this fingerprint; None where none has."""
    for folder in runs:
        record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        if record["data"]["fingerprint"] == fingerprint:
            return record.get("baselines")
    return None


def baselines(run: Ready) -> dict[str, dict[str, float]]:
    """Return by name what the baselines reach on the test texts, those of the body as it came among them.

    They learn from no more texts than the run sees.
    """
    kind, config = TASKS[run.record["task"]], run.config
    found = {name: dict(its) for name, its in kind.baselines(run.task, run.splits).items()}
    if kind.of_body is None:
        return found
    reading = HeadConfig("tags", ("any",))  # reads every token
    model, _ = with_head(run.record["body"], reading, torch.Generator().manual_seed(config.seed))
    model = model.to(device_of(run.model))
    seen = None if config.steps is None else config.steps * config.batch_size
    pad_id = run.model.config.pad_id
    own = kind.of_body(run.task, run.splits, run.encoded, model, pad_id, seen, config.seed)
    return found | {name: dict(its) for name, its in own.items()}


def scores(run: Ready, model: Any, side: str) -> dict[str, float]:
    """Return what the task measures of a model on the texts of one of the `SIDES`."""
    texts, encoded = getattr(run.splits, side), run.encoded[side]
    return dict(run.task.scores(texts, encoded, logits_of(model, run.batches(encoded))))


def finish(run: Ready, at: Progressed) -> None:
    """Save the model, measure it on the test texts, and write the report and the model card."""
    model = strategies.merged(run.model).eval()
    save_pretrained(model, run.tokenizer, run.out)
    logger.info("measuring on the test texts")
    held_out, encoded = run.encoded["validation"], run.encoded["test"]
    said = logits_of(model, run.batches(held_out))
    run.task = TASKS[run.record["task"]].settled(run.task, run.splits.validation, held_out, said)
    texts = run.splits.test
    logits = logits_of(model, run.batches(encoded), "test texts")
    lines = run.task.predictions(texts, encoded, logits)
    evaluation = {
        "step": at.model_step,
        "goal": run.task.goal,
        "validation": dict(run.task.scores(run.splits.validation, held_out, said)),
        "test": dict(run.task.scores(texts, encoded, logits)),
        "baselines": run.record["baselines"],
        "details": run.task.details(texts, encoded, logits),
        "mistakes": mistakes(run, model, texts, lines),
        "forgetting": forgotten(run.record["body"], model),
    }
    write_json(run.out / "evaluation.json", evaluation)
    write_predictions(run.out / "predictions.jsonl", lines)
    early = at.waited(run.config.patience)
    stopped = {"step": at.step, "best_step": at.best_step, "loss": at.best_loss} if early else None
    write_json(run.out / "run.json", {**run.record, "finished": now(), "stopped_early": stopped})
    write_report(run.out)
    write_model_card(run.out)


def mistakes(
    run: Ready, model: TaskModel, texts: Sequence[Any], lines: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Return the worst mistakes on test texts of one class each, with the words that mattered.

    `lines` are what the model says of them.
    """
    labels = run.task.head.labels
    if run.task.head.task != "classes":
        return []

    def probabilities(lines: Sequence[Mapping[str, Any]]) -> NDArray[np.floating]:
        return np.array([[line["probabilities"][label] for label in labels] for line in lines])

    def ask(texts: Sequence[Any]) -> NDArray[np.floating]:
        encoded = run.task.encode(texts)
        return probabilities(run.task.predictions(texts, encoded, logits_of(model, run.batches(encoded))))

    logger.info("asking about the worst mistakes again, without a word at a time")
    return worst_mistakes(texts, labels, probabilities(lines), ask)


def forgotten(body: str, model: TaskModel) -> dict[str, float] | None:
    """Return what the body has forgotten of its pretraining; None where that cannot be measured."""
    if not (Path(body) / "run.json").is_file():
        return None
    try:
        store, seq_len = held_out_text(Path(body))
        return forgetting(body, model, store, seq_len)
    except ValueError as error:
        logger.info("what was forgotten of the pretraining is not measured: %s", error)
        return None
