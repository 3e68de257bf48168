"""Pretrain a model: text, model and loop meet here, and leave a run folder."""

import logging
from pathlib import Path
from typing import Any

from minibert.config import PretrainConfig
from minibert.hub import new_model, save_pretrained
from minibert.recipes.byhand import NUMPY, compare_speed
from minibert.recipes.evaluate import full_evaluation
from minibert.recipes.fill import sample_blanks
from minibert.recipes.ready import Ready, device_of, made_ready
from minibert.recipes.record import now, write_json
from minibert.recipes.writing import sample_texts
from minibert.report import write_model_card, write_report
from minibert.train.checkpoint import load_model_tensors, model_tensors
from minibert.train.distributed import World, joined
from minibert.train.loop import train
from minibert.train.sharding import whole
from minibert.train.state import Progressed

logger = logging.getLogger("minibert")


def pretrain(preset: str, config: PretrainConfig, command: str = "") -> Path:
    """Pretrain a model as `config` says and return its run folder, which `transformers` opens.

    Under torchrun every process calls this; the first of them writes the folder.

    Args:
        preset: a name of `minibert.config.PRESETS`; its sizes yield to those in `config`.
        config: everything else.
        command: what was typed, for the record.

    Raises:
        ValueError: see `made_ready` and `minibert.train.loop.train`.
        Stopped: a signal came; the run is saved, and goes on with resume.
    """
    with joined(device_of(config)) as world:
        return pretrained(preset, config, command, world)


def pretrained(preset: str, config: PretrainConfig, command: str, world: World) -> Path:
    """Pretrain as one of the processes of `world`, and return the run folder."""
    with made_ready(preset, config, command, world) as run:
        if run.learning is NUMPY:
            run.record["by_hand"] = compare_speed(run.model, run.batches, config)
            logger.info("in NumPy %s", run.record["by_hand"])
        if world.rank == 0:
            run.text.tokenizer.save(run.out)
            write_json(run.out / "run.json", run.record)
        at = train(folder=run.out, config=run.config, resume=run.resumed, **run.arguments())
        model = in_one_piece(run.model) if config.shard else run.model
        if world.rank == 0:
            finish(run, model, at)
        return run.out


def in_one_piece(model: Any) -> Any:
    """Return a model on the CPU with the weights of one that lies in parts on all processes."""
    plain = new_model(model.config)
    load_model_tensors(plain, {name: whole(tensor) for name, tensor in model_tensors(model).items()})
    return plain.eval()


def finish(run: Ready, model: Any, at: Progressed) -> None:
    """Save the model, evaluate it, and write the report and the model card."""
    out = run.out
    save_pretrained(model, run.text.tokenizer, out)
    if run.held_out is not None:
        logger.info("evaluating on held-out text")
        tokenizer, store = run.text.tokenizer, run.held_out.store
        result = full_evaluation(model, run.text.train, run.held_out, tokenizer, at.model_step)
        if run.config.objective == "clm":
            result["samples"] = sample_texts(model, tokenizer, store, context=run.config.seq_len)
        else:
            result["blanks"] = sample_blanks(model, tokenizer, store)
        write_json(out / "evaluation.json", result)
    early = at.waited(run.config.patience)
    stopped = {"step": at.step, "best_step": at.best_step, "loss": at.best_loss} if early else None
    write_json(out / "run.json", {**run.record, "finished": now(), "stopped_early": stopped})
    write_report(out)
    write_model_card(out)
