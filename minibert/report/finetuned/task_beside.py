"""Several fine-tuned runs beside each other: what each reached and cost, in a picture and in tables."""

import math
from collections.abc import Sequence

import numpy as np

from minibert import plots
from minibert.report.beside import chosen, differences, names_of
from minibert.report.finetuned.task_files import TaskFiles
from minibert.report.markdown import NONE, as_float, count, duration, escape, table


def tasks_compared(runs: Sequence[TaskFiles]) -> list[str]:
    """Draw compare.png into the folder of the first run, and return the section that compares all of them.

    Runs of the same settings but for the seed are one point of the picture, with their mean in a table.

    Raises ValueError when a run is given twice.
    """
    names = names_of([files.folder for files in runs])
    return [
        *_picture(runs, names),
        _reached(runs, names),
        *_warnings(runs, names),
        *differences([settings(files) for files in runs], names),
    ]


def settings(files: TaskFiles) -> dict[str, str]:
    """Return what was chosen for a fine-tuning: name -> words."""
    return {"model": files.body, **chosen(files)}


# ---------------------------------------------------------------- the picture


def _picture(runs: Sequence[TaskFiles], names: Sequence[str]) -> list[str]:
    """Draw quality over cost, and return what shows it and, of runs with several seeds, means and spreads."""
    costs = [cost for cost in _costs(runs, names) if cost is not None]
    if not costs:
        return ["No picture: no run has been measured on its test texts, or recorded what it cost."]
    title = runs[0].goal_score.title
    plots.save(plots.tradeoff_figure(costs, title), runs[0].folder / "compare.png")
    said = [
        f"![{escape(title)} over the time trained, and over the parameters that learned](compare.png)",
        f"On the test texts: {escape(title)}, over the time trained and over how many parameters learned.",
    ]
    several = [cost for cost in costs if len(cost.scores) > 1]
    if several:
        said += [
            "Runs of the same settings but for the seed are one point: their mean ± one standard deviation.",
            _means(several, runs[0]),
        ]
    return said


def _costs(runs: Sequence[TaskFiles], names: Sequence[str]) -> list[plots.Cost | None]:
    """Return what runs reach and cost, those of the same settings together."""
    groups: dict[tuple[object, ...], list[int]] = {}
    for number, files in enumerate(runs):
        groups.setdefault(_without_seed(files), []).append(number)
    strategies = [runs[members[0]].strategy for members in groups.values()]
    told = len(set(strategies)) == len(strategies)  # then the strategies tell the points apart
    return [
        _cost(strategy if told else names[members[0]], [runs[number] for number in members])
        for strategy, members in zip(strategies, groups.values(), strict=True)
    ]


def _without_seed(files: TaskFiles) -> tuple[object, ...]:
    """Return all that was chosen for a run but its seed."""
    return tuple(pair for pair in sorted(settings(files).items()) if pair[0] not in ("seed", "ran on"))


def _cost(name: str, runs: Sequence[TaskFiles]) -> plots.Cost | None:
    """Return what runs of several seeds reach and cost; None where nothing is known of them."""
    found = [
        (
            as_float(files.part("test").get(files.goal)),
            as_float(files.last.get("seconds")),
            as_float(files.get("learning_parameters")),
        )
        for files in runs
    ]
    found = [each for each in found if all(map(math.isfinite, each)) and each[1] > 0 and each[2] > 0]
    if not found:
        return None
    scores, seconds, parameters = zip(*found, strict=True)
    return plots.Cost(name, scores, float(np.mean(seconds)), float(np.mean(parameters)))


def _means(costs: Sequence[plots.Cost], files: TaskFiles) -> str:
    """Return the table of means and spreads over seeds."""
    score = files.goal_score
    rows = [
        [
            escape(cost.name),
            count(len(cost.scores)),
            f"{score.form(float(np.mean(cost.scores)))} ± {score.form(float(np.std(cost.scores, ddof=1)))}",
            duration(cost.seconds),
            count(cost.parameters),
        ]
        for cost in costs
    ]
    title = f"{escape(score.title)}, mean ± standard deviation"
    return table(["", "seeds", title, "time trained, mean", "parameters that learn"], rows)


# ---------------------------------------------------------------- the table


def _reached(runs: Sequence[TaskFiles], names: Sequence[str]) -> str:
    """Return the table with a row for each run; a column that nobody has a value for is left out."""
    scores = dict.fromkeys(name for files in runs for name in files.part("test"))
    goal = runs[0].goal
    ordered = [goal, *(name for name in scores if name != goal)]
    asked = runs[0].asked
    header = [
        "",
        "strategy",
        "parameters that learn",
        "time trained",
        f"validation: {asked.score(goal).title}",
    ]
    header += [f"test: {asked.score(name).title}" for name in ordered]
    rows = [
        [
            f"**{escape(name)}**" if files is runs[0] else escape(name),
            escape(files.strategy),
            count(files.get("learning_parameters")),
            duration(files.last.get("seconds")) + ("" if files.get("finished") else ", not finished"),
            asked.score(goal).form(files.part("validation").get(goal)),
            *(asked.score(score).form(files.part("test").get(score)) for score in ordered),
        ]
        for files, name in zip(runs, names, strict=True)
    ]
    columns = [cells for cells in zip(map(escape, header), *rows, strict=True) if set(cells[1:]) != {NONE}]
    header, *rows = (list(row) for row in zip(*columns, strict=True))
    return table(header, rows)


def _warnings(runs: Sequence[TaskFiles], names: Sequence[str]) -> list[str]:
    """Return a sentence for each reason why some of the numbers cannot be compared, or are not there."""
    said = []
    other = [
        name
        for files, name in zip(runs, names, strict=True)
        if files.get("data", "fingerprint") != runs[0].get("data", "fingerprint")
    ]
    if other:
        said.append(
            f"Other texts than {escape(names[0])}, or otherwise divided, as by another seed: "
            f"{escape(', '.join(other))}. Scores on other test texts differ by chance, too."
        )
    unmeasured = [name for files, name in zip(runs, names, strict=True) if not files.part("test")]
    if unmeasured:
        said.append(f"Not measured on the test texts (yet): {escape(', '.join(unmeasured))}.")
    return said
