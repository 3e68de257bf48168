"""report.md of a search: what was tried, what came of it, and what the best reaches on the test texts."""

from pathlib import Path
from typing import Any

from minibert import plots
from minibert.report.finetuned.several_page import goal_of, name_of, what_ran
from minibert.report.markdown import NONE, as_float, count, duration, escape, is_number, table
from minibert.report.run_folder import Record


def search_page(summary: Record, folder: Path) -> list[str]:
    """Draw the picture into the folder, and return the paragraphs of the report on a search that is done."""
    score = goal_of(summary)
    trials = [plots.Trial(trial["lr"], trial["batch_size"], trial["score"]) for trial in summary["trials"]]
    plots.save(plots.trials_figure(trials, score.title), folder / "trials.png")
    header, *rows = tried(summary)
    return [
        f"# {escape(name_of(summary))}: a search of {len(trials)} trials",
        *_verdict(summary),
        f"![{escape(score.title)} over the learning rate, and over the trials](trials.png)",
        f"On the validation texts: {escape(score.title)} of each trial, over its learning rate, and in the "
        "order in which they were tried. The first trial has the settings as they were; what follows "
        "was proposed by Optuna's TPE sampler."
        + " All took the same number of steps: the larger the batch, the more texts were seen."
        * bool(summary["config"].get("steps")),
        "## The trials",
        table([escape(cell) for cell in header], [[escape(cell) for cell in row] for row in rows]),
        "## What ran",
        *what_ran(summary),
    ]


def _verdict(summary: Record) -> list[str]:
    """Return what the best trial is, by how much it is above the first, and what it reaches on the test."""
    score, goal = goal_of(summary), summary["goal"]
    trials = {trial["number"]: trial for trial in summary["trials"]}
    best, first = trials[summary["best"]], trials[1]
    result = summary["result"]
    said = (
        f"**Trial {best['number']} is the best: learning rate {best['lr']:.2g}, batches of "
        f"{best['batch_size']}.** On the validation texts its {score.title} is {score.form(best['score'])}"
    )
    said += "." if best is first else f"; the settings as they were reach {score.form(first['score'])}."
    said += (
        f" On the test texts, on which it alone was measured, it is {score.form(result['test'].get(goal))}"
    )
    levels = {name: as_float(its.get(goal)) for name, its in result["baselines"].items() if goal in its}
    for name in [max(levels, key=levels.__getitem__)] if levels else []:
        said += f"; the best baseline, {escape(name)}, is at {score.form(levels[name])}"
    return [
        f"{said}.",
        "The best of many trials looks better on the validation texts than it is, for it was chosen by them: "
        "the test texts tell.",
    ]


def tried(summary: Record) -> list[list[str]]:
    """Return the table of the trials, as plain text, in their order."""
    score = goal_of(summary)
    rows = [["trial", "learning rate", "batch size", f"validation: {score.title}", "time trained", ""]]
    for trial in summary["trials"]:
        rows.append(
            [
                count(trial["number"]),
                f"{trial['lr']:.2g}",
                count(trial["batch_size"]),
                score.form(trial["score"]),
                duration(trial["seconds"]) if is_number(trial.get("seconds")) else NONE,
                _remark(trial, summary["best"]),
            ]
        )
    return rows


def _remark(trial: dict[str, Any], best: int) -> str:
    if trial["number"] == best:
        return "the best"
    return "failed" if trial["score"] is None else ""
