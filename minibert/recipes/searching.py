"""`--search`: learning rate and batch size, chosen by the validation texts, measured once on the test texts.

The next trial is a pure function of the seed and of the trials before it. So a search that was killed goes on
as if it had not been: its study is the list of trials in summary.json, and the trial that was under way has
its checkpoint.
"""

import dataclasses
import logging
import math
import shutil
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from minibert.config import FinetuneConfig, SeveralConfig, require
from minibert.recipes.finetune import finetune, learn, made_ready, read_texts
from minibert.recipes.record import now, write_json
from minibert.recipes.several import SUMMARY, folder_of_runs, measured_in, telling_how_far
from minibert.recipes.strategies import RATES
from minibert.recipes.task import Splits
from minibert.report import write_report_of_several
from minibert.train.device import choose_device
from minibert.train.distributed import joined

RANGE = 10.0
"""Learning rates are tried up to so many times higher and lower than the one given, or the strategy's own."""

AT_RANDOM = 5
"""Trials before the sampler learns from them."""

Trial = dict[str, Any]
"""What summary.json says of a trial: number, run, lr, batch_size, score, seconds; or why it failed."""

logger = logging.getLogger("minibert")


def require_optuna() -> None:
    """Raise ValueError unless the package that --search needs is there."""
    require(
        find_spec("optuna") is not None, "--search needs the package optuna: pip install 'minibert[search]'"
    )


def search(kind: str, body: str, config: FinetuneConfig, several: SeveralConfig, command: str = "") -> Path:
    """Search a learning rate and a batch size, measure the best, and return the folder of all trials.

    Args:
        kind: "classify", "tag" or "answer".
        body: a run folder, a folder of `transformers`, or a data card with weights.
        config: the settings of the first trial; the others differ in `lr` and `batch_size`.
        several: how many trials.
        command: what was typed, for the record.

    Raises:
        ValueError: Optuna is missing; the folder is taken, or its trials began with other settings or texts;
            no trial has a score; and as `minibert.recipes.finetune.finetune`.
        Stopped: a signal came; all is saved, and goes on with resume.
    """
    require_optuna()
    several.require_fit(config)
    assert several.search is not None
    with folder_of_runs(kind, body, config, several, command) as (out, record):
        trials: list[Trial] = record.setdefault("trials", [])
        splits = read_texts(kind, config)
        while len(trials) < several.search:
            trial = next_trial(config, trials)
            logger.info("trial %d of %d: %s", trial["number"], several.search, describe(trial))
            with telling_how_far(f"{len(trials)} of {several.search} trials", out):
                trials.append(tried(kind, body, settings(config, trial, out), trial, command, splits))
            write_json(out / SUMMARY, record)
            tell(trials)
            forget_checkpoints(trials, out)
        best = best_of(trials)
        if record.get("result", {}).get("run") != best["run"]:
            logger.info("trial %d is the best: %s", best["number"], describe(best))
            with telling_how_far("all trials", out):
                finetune(kind, body, settings(config, best, out), command, splits)
        shutil.rmtree(out / best["run"] / "checkpoints", ignore_errors=True)
        result = measured_in(out / best["run"])
        head, goal = result["head"], result["goal"]
        record |= {"head": head, "goal": goal, "best": best["number"], "result": result, "finished": now()}
        write_json(out / SUMMARY, record)
        write_report_of_several(out)
        return out


# ---------------------------------------------------------------- what is tried


def space(config: FinetuneConfig) -> dict[str, Any]:
    """Return what is searched: rates around the given one, on a logarithmic scale; half or double batches."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    lr, B = first_rate(config), config.batch_size
    return {
        "lr": FloatDistribution(lr / RANGE, lr * RANGE, log=True),
        "batch_size": CategoricalDistribution(sorted({max(1, B // 2), B, 2 * B})),
    }


def first_rate(config: FinetuneConfig) -> float:
    """Return the learning rate of the first trial: what a run without a search would learn with."""
    return config.lr or RATES[config.strategy].lr


def next_trial(config: FinetuneConfig, trials: Sequence[Trial]) -> Trial:
    """Return the trial that follows those before it: first the settings as they are, then those of Optuna.

    Its sampler is TPE (Bergstra et al. 2011): of what was tried, the better part and the rest have a density
    each, and what is proposed is likely under the first and not under the second.
    """
    number = len(trials) + 1
    chosen = (
        {"lr": first_rate(config), "batch_size": config.batch_size}
        if number == 1
        else proposed(config, trials)
    )
    return {"number": number, "run": f"trial-{number}", **chosen}


def proposed(config: FinetuneConfig, trials: Sequence[Trial]) -> dict[str, Any]:
    """Return what Optuna proposes after these trials; each proposal has dice of its own."""
    import optuna
    from optuna.trial import TrialState, create_trial

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    dice = int(np.random.SeedSequence([config.seed, len(trials)]).generate_state(1)[0])
    sampler = optuna.samplers.TPESampler(n_startup_trials=AT_RANDOM, seed=dice)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    searched = space(config)
    for trial in trials:
        score = trial.get("score")
        study.add_trial(
            create_trial(
                state=TrialState.FAIL if score is None else TrialState.COMPLETE,
                params={name: trial[name] for name in searched},
                distributions=searched,
                value=score,
            )
        )
    return study.ask(searched).params


def settings(config: FinetuneConfig, trial: Trial, out: Path) -> FinetuneConfig:
    """Return the settings of a trial, in a folder of its own."""
    folder = out / trial["run"]
    return dataclasses.replace(
        config,
        lr=trial["lr"],
        batch_size=trial["batch_size"],
        out=folder,
        resume="auto" if folder.exists() else None,
    )


# ---------------------------------------------------------------- trials


def tried(
    kind: str, body: str, config: FinetuneConfig, trial: Trial, command: str, splits: Splits[Any]
) -> Trial:
    """Train, and return the trial with its score on the validation texts, or with the reason for having none.

    The first trial must succeed; a later one may fail at a rate that is too high, or a batch too large.
    """
    try:
        with (
            joined(choose_device(config.device).type) as world,
            made_ready(kind, body, config, command, world, splits) as run,
        ):
            at = learn(run)
    except ValueError as error:
        if trial["number"] == 1:
            raise
        logger.warning("trial %d failed: %s", trial["number"], error)
        return {**trial, "score": None, "failed": str(error)}
    if not math.isfinite(at.best_loss):
        return {**trial, "score": None, "failed": "no score on the validation texts"}
    return {**trial, "score": 1 - at.best_loss, "seconds": at.seconds, "step": at.model_step}


def best_of(trials: Sequence[Trial]) -> Trial:
    """Return the trial with the highest score on the validation texts, the first of equals."""
    scored = [trial for trial in trials if trial["score"] is not None]
    require(bool(scored), "no trial has a score on the validation texts: try lower rates, with --lr")
    return max(scored, key=lambda trial: trial["score"])


def forget_checkpoints(trials: Sequence[Trial], out: Path) -> None:
    """Remove the checkpoints of all trials but the best, which has its test still before it."""
    best = best_of(trials)
    for trial in trials:
        if trial is not best:
            shutil.rmtree(out / trial["run"] / "checkpoints", ignore_errors=True)


def describe(trial: Trial) -> str:
    """Return the settings of a trial: "lr 3.2e-05, batch size 16"."""
    return f"lr {trial['lr']:.2g}, batch size {trial['batch_size']}"


def tell(trials: Sequence[Trial]) -> None:
    """Log what the last trial reached, and the best so far."""
    score, best = trials[-1]["score"], best_of(trials)
    if score is not None:
        said = "score on the validation texts %.4f; the best so far is %.4f, of trial %d"
        logger.info(said, score, best["score"], best["number"])
