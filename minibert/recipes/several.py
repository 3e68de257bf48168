"""One fine-tuning several times: by several strategies, with several seeds, or measured on each fold once.

All runs lie in one folder, each in a folder of its own, as `finetune` writes it; beside them summary.json
says what they reached together. It is written anew after each run, so nothing is lost on the way.
"""

import dataclasses
import functools
import json
import logging
import math
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from minibert import sources
from minibert.config import FinetuneConfig, SeveralConfig, Strategy, require
from minibert.files import LOCK, folder_lock
from minibert.recipes.finetune import finetune
from minibert.recipes.folding import read_folds
from minibert.recipes.known_tasks import TASKS
from minibert.recipes.record import as_json, now, write_json
from minibert.recipes.spreads import spread_of
from minibert.recipes.task import Splits
from minibert.report import write_report_of_several
from minibert.report.finetuned.task_files import TaskFiles, read_task
from minibert.signals import Stopped

SUMMARY = "summary.json"
"""In the folder of all runs: what was asked for, a row for each run that is done, and mean and spread."""

BEGUN = {LOCK, f".{SUMMARY}.partial"}
"""What may be left of a start that was killed at once: as good as nothing."""

HARMLESS = {"out", "resume", "device", "keep", "checkpoint_every", "log_every", "tensorboard", "profile"} | {
    "peak_tflops",
    "micro_batch",
    "compile",
    "deterministic",
}
"""Settings that do not decide what a run learns: they may differ when the runs go on."""

Row = dict[str, Any]
"""What summary.json says of a run."""

logger = logging.getLogger("minibert")


# ---------------------------------------------------------------- the runs


@dataclass(frozen=True)
class Planned:
    """One of several runs."""

    strategy: Strategy
    kind: Literal["seed", "fold"]
    """What is drawn anew: everything, by a seed; or what is measured on."""
    number: int
    """Which seed, counted from --seed, or which fold, counted from 1."""
    config: FinetuneConfig
    """With a run folder of its own."""

    @property
    def folder(self) -> Path:
        """Its run folder."""
        assert self.config.out is not None
        return self.config.out

    @property
    def done(self) -> bool:
        """Whether it has come to its end, and is measured."""
        record = self.folder / "run.json"
        measured = (self.folder / "evaluation.json").is_file()
        return measured and json.loads(record.read_text(encoding="utf-8"))["finished"] is not None


def planned(config: FinetuneConfig, several: SeveralConfig, out: Path) -> list[Planned]:
    """Return all runs: of each seed or fold every strategy, so that the first of them can be compared."""
    kind: Literal["seed", "fold"] = "fold" if several.folds else "seed"
    first, count = (1, several.folds) if several.folds else (config.seed, several.seeds or 1)
    runs = []
    for number in range(first, first + count):
        for strategy in several.strategies or (config.strategy,):
            folder = out / f"{strategy}-{kind}-{number}"
            own = dataclasses.replace(
                config,
                strategy=strategy,
                seed=number if kind == "seed" else config.seed,
                out=folder,
                resume="auto" if folder.exists() else None,
            )
            runs.append(Planned(strategy, kind, number, own))
    return runs


def reader(kind: str, config: FinetuneConfig, several: SeveralConfig) -> Callable[[Planned], Splits[Any]]:
    """Return what gives a run its texts: read once for all runs that share them, each note told once."""
    told: set[str] = set()

    @functools.lru_cache(maxsize=1)
    def of_seed(seed: int) -> Splits[Any]:
        return TASKS[kind].read(dataclasses.replace(config, seed=seed))

    @functools.cache
    def of_folds() -> list[Splits[Any]]:
        return read_folds(kind, config, several.folds or 0)

    def texts(run: Planned) -> Splits[Any]:
        splits = of_folds()[run.number - 1] if run.kind == "fold" else of_seed(run.number)
        for note in splits.notes:
            if note not in told:
                logger.info("%s", note)
                told.add(note)
        return splits

    return texts


def finetune_several(
    kind: str, body: str, config: FinetuneConfig, several: SeveralConfig, command: str = ""
) -> Path:
    """Fine-tune a model several times and return the folder that holds the runs, their summary and report.

    A run that is done already is not done again; one that was stopped goes on.

    Args:
        kind: "classify", "tag" or "answer".
        body: a run folder, a folder of `transformers`, or a data card with weights.
        config: what all runs share; with `resume` they go on in the same folder.
        several: the strategies, seeds or folds.
        command: what was typed, for the record.

    Raises:
        ValueError: what is asked for does not go together; the folder is taken, or holds runs of other
            settings or texts; and as `minibert.recipes.finetune.finetune`.
        Stopped: a signal came; all is saved, and goes on with resume.
    """
    several.require_fit(config)
    with folder_of_runs(kind, body, config, several, command) as (out, record):
        runs = planned(config, several, out)
        texts = reader(kind, config, several)
        for number, run in enumerate(runs, start=1):
            told = f"run {number} of {len(runs)}, {run.strategy}, {run.kind} {run.number}"
            if run.done:
                logger.info("%s: done already", told)
            else:
                logger.info("%s", told)
                with telling_how_far(f"{number - 1} of {len(runs)} runs", out):
                    before = [each.folder for each in runs[: number - 1]]
                    finetune(kind, body, run.config, command, texts(run), before)
            shutil.rmtree(run.folder / "checkpoints", ignore_errors=True)  # a run that is done needs none
            rows = [row_of(each) for each in runs[:number]]
            finished = now() if number == len(runs) else None
            write_json(
                out / SUMMARY,
                {**record, **summary_of(rows), "planned": len(runs), "finished": finished},
            )
            write_report_of_several(out)
        return out


# ---------------------------------------------------------------- the folder of all runs


@contextmanager
def folder_of_runs(
    kind: str, body: str, config: FinetuneConfig, several: SeveralConfig, command: str
) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield the folder for several runs, which is this process's until the block ends, and its summary.

    The summary is that from before, where the runs go on; else it says what was asked for.

    Raises ValueError for a folder that is taken, and where runs go on with other settings or other texts.
    """
    out = config.out or Path("runs") / "-".join([kind, Path(body).name, *several.asked])
    before = before_in(out, config.resume == "auto")
    corpora = sources.resolve([*config.data, *config.validation, *config.test])
    record = {
        "task": kind,
        "body": body,
        "command": command,
        "asked": {**dataclasses.asdict(several), "compare": list(several.strategies)},
        "config": as_json(config),
        "texts": [corpus.fingerprint for corpus in corpora],
        "started": now(),
        "finished": None,
    }
    if before is not None:
        require_same_runs(before, record, out)
        record = {**before, **record, "started": before["started"]}
    with folder_lock(out):
        write_json(out / SUMMARY, record)
        yield out, record


def before_in(out: Path, resume: bool) -> dict[str, Any] | None:
    """Return the summary of the runs that are to go on in a folder, None where there are none.

    Raises ValueError when the folder holds runs that are not to go on, or something else.
    """
    if not out.exists() or (out.is_dir() and {path.name for path in out.iterdir()} <= BEGUN):
        return None
    require(
        (out / SUMMARY).is_file(),
        f"{out} is not empty and holds no runs of such a command; choose another folder with --out",
    )
    require(
        resume,
        f"{out} holds runs already. Go on with them: --resume auto. Or keep them, and write elsewhere: "
        "--out FOLDER",
    )
    try:
        return json.loads((out / SUMMARY).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(
            f"{out / SUMMARY} cannot be read ({error}): put it back as it was, or choose --out FOLDER"
        ) from None


def require_same_runs(before: dict[str, Any], record: dict[str, Any], out: Path) -> None:
    """Raise ValueError unless runs go on as they began. Strategies, seeds and trials may be added."""
    require(
        before["texts"] == record["texts"],
        f"the texts are not those that the runs in {out} began with: restore them, or choose --out FOLDER",
    )
    was, came = ({**each["config"], **{k: each[k] for k in ("task", "body")}} for each in (before, record))
    differing = [
        f"{name} {was.get(name)!r}, now {came[name]!r}"
        for name in came
        if name not in HARMLESS and was.get(name) != came[name]
    ]
    was, came = before["asked"], record["asked"]
    if was["folds"] and came["folds"] and was["folds"] != came["folds"]:
        differing.append(f"folds {was['folds']}, now {came['folds']}")
    if bool(was["search"]) != bool(came["search"]):
        differing.append("a search" if was["search"] else "no search")
    require(
        not differing,
        f"the runs in {out} began with other settings: {'; '.join(differing)}. They were started by: "
        f"{before['command']}",
    )


@contextmanager
def telling_how_far(done: str, out: Path) -> Iterator[None]:
    """Say what is done where a signal ends the block."""
    try:
        yield
    except (Stopped, KeyboardInterrupt):
        logger.info("%s are done: see %s", done, out)
        raise


# ---------------------------------------------------------------- runs -> rows -> summary


def row_of(run: Planned) -> Row:
    """Return what summary.json says of a run that is done."""
    return {"strategy": run.strategy, run.kind: run.number, **measured_in(run.folder)}


def measured_in(folder: Path) -> Row:
    """Return what a run reached and cost, from its folder."""
    files = read_task(folder)
    return {
        "run": folder.name,
        "head": files.head,
        "goal": files.goal,
        "validation": finite(files.part("validation")),
        "test": finite(files.part("test")),
        "baselines": {name: finite(scores) for name, scores in files.baselines.items()},
        "seconds": files.last.get("seconds"),
        "learning_parameters": files.get("learning_parameters"),
        "forgotten": forgotten_in(files),
    }


def finite(scores: dict[str, Any]) -> dict[str, float]:
    """Return the scores that are finite numbers."""
    return {
        name: value
        for name, value in scores.items()
        if isinstance(value, int | float) and math.isfinite(value)
    }


def forgotten_in(files: TaskFiles) -> float | None:
    """Return by how much the loss on the pretraining text rose (nats); None where it was not measured."""
    told = finite(files.part("forgetting"))
    return told["after"] - told["before"] if {"after", "before"} <= set(told) else None


def summary_of(rows: Sequence[Row]) -> dict[str, Any]:
    """Return what rows say together: of each strategy mean and spread, and how they differ from the first.

    Strategies are compared seed by seed, or fold by fold, so that what all of them share does not count as
    spread.
    """
    head, goal = rows[0]["head"], rows[0]["goal"]
    kind = "fold" if "fold" in rows[0] else "seed"
    named: dict[str, dict[int, Row]] = {}
    for row in rows:
        named.setdefault(row["strategy"], {})[row[kind]] = row
    first, *others = named
    drawn = {row[kind]: row for row in reversed(rows)}  # the baselines are the same for all strategies
    baselines = spreads_of([drawn[number]["baselines"] for number in sorted(drawn)])
    return {
        "head": head,
        "goal": goal,
        "drawn": kind,
        "rows": list(rows),
        "strategies": {name: together(list(its.values())) for name, its in named.items()},
        "baselines": baselines,
        "differences": {
            name: difference(named[name], named[first], goal)
            for name in others
            if set(named[name]) & set(named[first])
        },
    }


def together(rows: Sequence[Row]) -> dict[str, Any]:
    """Return mean and spread of all that the runs of a strategy reached and cost."""
    numbers = ("seconds", "learning_parameters", "forgotten")
    return spreads_of(
        [
            {"validation": row["validation"], "test": row["test"]}
            | {"costs": finite({name: row[name] for name in numbers})}
            for row in rows
        ]
    )


def spreads_of(runs: Sequence[dict[str, dict[str, float]]]) -> dict[str, dict[str, Any]]:
    """Return mean and spread of each score under each name, of those that all runs have."""
    return {
        name: {
            score: dataclasses.asdict(spread_of([run[name][score] for run in runs]))
            for score in scores
            if all(score in run[name] for run in runs)
        }
        for name, scores in runs[0].items()
        if all(name in run for run in runs)
    }


def difference(one: dict[int, Row], other: dict[int, Row], goal: str) -> dict[str, Any]:
    """Return mean and spread of one minus other in the goal on the test texts, by seed or by fold."""
    both = sorted(set(one) & set(other))
    return dataclasses.asdict(
        spread_of([one[number]["test"][goal] - other[number]["test"][goal] for number in both])
    )
