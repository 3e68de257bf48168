"""report.md of several fine-tunings in one folder: what they reached, how far they spread, what it cost."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from minibert import plots
from minibert.report.finetuned.asked import ASKED, Asked, Score, percent, points
from minibert.report.markdown import NONE, count, duration, escape, indented, is_number, nats, table
from minibert.report.run_folder import Record

SURE = 2.0
"""Standard errors from which on a difference is said to be more than chance."""

FEW = 5
"""Of fewer pairs, a mean of two standard errors is chance one time in seven or more (Student's t)."""

CELLS = Sequence[Sequence[str]]
"""A table: its header and its rows, as plain text."""


def several_page(summary: Record, folder: Path) -> list[str]:
    """Draw the pictures into the folder, and return the paragraphs of the report on several runs."""
    return [
        f"# {escape(name_of(summary))}: {escape(asked_for(summary))}",
        *_how_far(summary),
        *_verdict(summary),
        *_pictures(summary, folder),
        "## Mean and spread",
        _as_table(reached(summary)),
        *_explained(summary),
        *_differences(summary),
        "## Each run",
        _as_table(_rows(summary)),
        "## What ran",
        *what_ran(summary),
    ]


# ---------------------------------------------------------------- what was asked


def name_of(summary: Record) -> str:
    """Return model and data: "minilm on movie-reviews"."""
    data = [Path(word).name for word in summary["config"]["data"]]
    return f"{Path(summary['body']).name} on {' + '.join(data)}"


def asked_for(summary: Record) -> str:
    """Return what was done several times: "whole, frozen, lora; 5 seeds"."""
    asked = summary["asked"]
    counted = [f"{asked[name]} {name}" for name in ("seeds", "folds") if asked[name]]
    return "; ".join([", ".join(asked["compare"])] * bool(asked["compare"]) + counted)


def asked_of(summary: Record) -> Asked:
    """Return what is asked of the texts."""
    return ASKED[summary["head"]]


def goal_of(summary: Record) -> Score:
    """Return what the goal is called, and how it is told."""
    return asked_of(summary).score(summary["goal"])


def _how_far(summary: Record) -> list[str]:
    done, planned = len(summary["rows"]), summary["planned"]
    said = f"**{done} of {planned} runs are done.** What follows is of these. To go on: `--resume auto`."
    return [said] if done < planned else []


# ---------------------------------------------------------------- the result


def _verdict(summary: Record) -> list[str]:
    """Return a paragraph: which strategy reaches the most, and whether that beats the best baseline."""
    score, goal = goal_of(summary), summary["goal"]
    means = {name: its["test"][goal]["mean"] for name, its in summary["strategies"].items()}
    best = max(means, key=means.__getitem__)
    found = summary["strategies"][best]["test"][goal]
    which = f", of {escape(best)}," if len(means) > 1 else ""
    said = f"**The {'highest ' * bool(which)}{score.title}{which} is {told(score, found)}.**"
    levels = best_baseline(summary)
    for name, level in levels.items():
        word = "above" if means[best] > level else "not above"
        said += f" That is {word} the best baseline, {escape(name)}: {score.form(level)}."
    return [said]


def best_baseline(summary: Record) -> dict[str, float]:
    """Return the mean of the best baseline, by its name; nothing where there is none."""
    goal = summary["goal"]
    means = {name: its[goal]["mean"] for name, its in summary["baselines"].items() if goal in its}
    best = max(means, key=means.__getitem__, default=None)
    return {} if best is None else {best: means[best]}


def told(score: Score, found: Mapping[str, Any]) -> str:
    """Return a mean, and of several runs ± their standard deviation."""
    mean, deviation = score.form(found["mean"]), found["deviation"]
    return mean if deviation is None else f"{mean} ± {score.form(deviation)}"


# ---------------------------------------------------------------- pictures


def _pictures(summary: Record, folder: Path) -> list[str]:
    """Draw quality over cost where strategies are compared, and the spread where there is one."""
    score, goal = goal_of(summary), summary["goal"]
    title, said = escape(score.title), []
    costs = _costs(summary)
    if len(summary["strategies"]) > 1 and costs:
        plots.save(plots.tradeoff_figure(costs, score.title), folder / "tradeoff.png")
        said += [
            f"![{title} over the time trained, and over the parameters that learned](tradeoff.png)",
            f"On the test texts: {title}, over the time trained and over how many parameters learned."
            + " Bars reach one standard deviation." * any(len(cost.scores) > 1 for cost in costs),
        ]
    columns: dict[str, dict[int, float]] = {}
    for row in summary["rows"]:
        columns.setdefault(row["strategy"], {})[row[summary["drawn"]]] = row["test"][goal]
    if any(len(its) > 1 for its in columns.values()):
        figure = plots.strip_figure(columns, f"{score.title} on the test texts", best_baseline(summary))
        plots.save(figure, folder / "spread.png")
        joined = f" A grey line joins the runs of one {summary['drawn']}." * (len(columns) > 1)
        said += [
            f"![{title} of every run, with mean and spread](spread.png)",
            f"{title[0].upper()}{title[1:]} of every run on its test texts.{joined} The dotted line is the "
            "best baseline.",
        ]
    return said


def _costs(summary: Record) -> list[plots.Cost]:
    """Return what the strategies reach and cost, where both are known."""
    found = []
    for name, its in summary["strategies"].items():
        scores = its["test"][summary["goal"]]["values"]
        seconds, parameters = (
            its["costs"].get(cost, {}).get("mean", 0.0) for cost in ("seconds", "learning_parameters")
        )
        if seconds > 0 and parameters > 0:
            found.append(plots.Cost(name, scores, seconds, parameters))
    return found


# ---------------------------------------------------------------- tables


def reached(summary: Record) -> list[list[str]]:
    """Return the table of what the strategies and the baselines reach, and what it costs, as plain text."""
    asked, goal, title = asked_of(summary), summary["goal"], goal_of(summary).title
    ways = summary["strategies"]
    scores = dict.fromkeys(score for its in ways.values() for score in its["test"])
    others = [score for score in scores if score != goal]
    header = ["", "runs", title, "standard error", *(asked.score(score).title for score in others)]
    header += [f"validation: {title}", "time trained", "parameters that learn", "forgotten (nats)"]
    lines = []
    for name, its in ways.items():
        costs = its["costs"]
        lines.append(
            [
                name,
                count(len(its["test"][goal]["values"])),
                *_scores(asked, its["test"], goal, others),
                told(asked.score(goal), its["validation"][goal]) if goal in its["validation"] else NONE,
                duration(costs["seconds"]["mean"]) if "seconds" in costs else NONE,
                count(costs.get("learning_parameters", {}).get("mean")),
                nats(costs.get("forgotten", {}).get("mean")),
            ]
        )
    for name, its in summary["baselines"].items():
        if goal in its:
            lines.append([name, NONE, *_scores(asked, its, goal, others), *[NONE] * 4])
    return without_empty([header, *lines])


def without_empty(lines: CELLS) -> list[list[str]]:
    """Return a table without the columns in which no row has a value."""
    columns = [column for column in zip(*lines, strict=True) if set(column[1:]) != {NONE}]
    return [list(line) for line in zip(*columns, strict=True)]


def in_short(summary: Record) -> list[list[str]]:
    """Return the same table as narrow as a terminal: the goal, its standard error, and the costs."""
    score, goal = goal_of(summary), summary["goal"]
    lines = [["", score.title, "standard error", "time", "parameters", "forgotten (nats)"]]
    for name, its in summary["strategies"].items():
        costs = {cost: found["mean"] for cost, found in its["costs"].items()}
        time = duration(costs["seconds"]) if "seconds" in costs else NONE
        forgotten = nats(costs.get("forgotten"))
        reached = _scores(asked_of(summary), its["test"], goal, ())
        lines.append([name, *reached, time, count(costs.get("learning_parameters")), forgotten])
    levels = best_baseline(summary).items()
    lines += [[name, score.form(level), *[NONE] * 4] for name, level in levels]
    return without_empty(lines)


def _scores(asked: Asked, found: Mapping[str, Any], goal: str, others: Sequence[str]) -> list[str]:
    """Return the goal ± its standard deviation, its standard error, and the other scores."""
    error, score = found[goal]["error"], asked.score(goal)
    return [
        told(score, found[goal]),
        NONE if error is None else score.form(error),
        *(told(asked.score(name), found[name]) if name in found else NONE for name in others),
    ]


def _as_table(lines: CELLS) -> str:
    header, *rows = ([escape(cell) for cell in line] for line in lines)
    return table(header, rows)


def _rows(summary: Record) -> list[list[str]]:
    """Return the table with a row for each run."""
    score, drawn, goal = goal_of(summary), summary["drawn"], summary["goal"]
    header = ["run", "strategy", drawn, f"validation: {score.title}", f"test: {score.title}", "time trained"]
    return [
        header,
        *(
            [
                row["run"],
                row["strategy"],
                count(row[drawn]),
                score.form(row["validation"].get(goal)),
                score.form(row["test"].get(goal)),
                duration(row["seconds"]) if is_number(row["seconds"]) else NONE,
            ]
            for row in summary["rows"]
        ),
    ]


def _explained(summary: Record) -> list[str]:
    """Return what the numbers of the table are, and what they are not."""
    said = ["Scores are those on the test texts."]
    if max(len(its["test"][summary["goal"]]["values"]) for its in summary["strategies"].values()) > 1:
        said.append(
            "Mean ± one standard deviation of the runs; the standard error is that of the mean: the standard "
            "deviation divided by the square root of the number of runs."
        )
        if summary["drawn"] == "fold":
            said.append(
                "The folds learn from texts that they mostly share, so the standard error is smaller than "
                "it would be with new texts for each (Bengio and Grandvalet 2004)."
            )
        else:
            said.append(
                "A seed draws the head, the order of the texts and the dropout; and, where neither a data "
                "card nor files divide the texts, also which of them are measured on."
            )
    if any("forgotten" in its["costs"] for its in summary["strategies"].values()):
        said.append(
            "Forgotten: by how much the loss on the words of the pretraining text is higher than it was "
            "before the model was fine-tuned."
        )
    return [" ".join(said)]


def _differences(summary: Record) -> list[str]:
    """Return the table of how the strategies differ from the first, compared run by run."""
    if not summary["differences"]:
        return []
    score, first, drawn = goal_of(summary), next(iter(summary["strategies"])), summary["drawn"]

    def gap(value: float | None) -> str:
        if value is None:
            return NONE
        sign = "−" if value < 0 else "+"
        return f"{sign}{points(value) if score.form is percent else f'{abs(value):.3f}'}"

    rows = [["", f"{drawn}s", f"{score.title}, less that of {first}", "standard error", "in words"]]
    for name, its in summary["differences"].items():
        rows.append(
            [name, count(len(its["values"])), gap(its["mean"]), gap(its["error"]).lstrip("+"), in_words(its)]
        )
    return [
        f"## Beside {escape(first)}",
        f"The same {drawn} with both strategies, then mean and standard error of the differences: what a "
        f"{drawn} makes easy or hard for all does not count.",
        _as_table(rows),
    ]


def in_words(found: Mapping[str, Any]) -> str:
    """Say whether a mean difference is more than chance."""
    mean, error, pairs = found["mean"], found["error"], len(found["values"])
    if error is None:
        return "one pair: chance is not known"
    if mean == 0 or abs(mean) < SURE * error:
        return "may be chance"
    word = "higher" if mean > 0 else "lower"
    return word if pairs >= FEW else f"{word}, as far as {pairs} pairs can tell"


# ---------------------------------------------------------------- what ran


def what_ran(summary: Record) -> list[str]:
    """Return the section on how the runs were made, and where they are."""
    asked, config = summary["asked"], summary["config"]
    varied = {"strategy"} if asked["compare"] else {"lr", "batch_size"} if asked["search"] else set()
    left_out = {"out", "resume", "data"} | varied | ({"epochs"} if config.get("steps") else set())
    rows = [
        [escape(name.replace("_", " ")), escape(_word(value))]
        for name, value in config.items()
        if value not in (None, [], False) and name not in left_out
    ]
    return [
        indented(summary["command"]) if summary["command"] else "No command was recorded.",
        "Every run has a folder of its own beside this report; those measured on the test texts have a "
        "report.md there.",
        table(["what all runs share", ""], rows),
    ]


def _word(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
