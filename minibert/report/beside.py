"""Several runs beside each other: a picture, what each reached and cost, and what it did otherwise."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from minibert import plots
from minibert.report.markdown import NONE, count, duration, escape, is_number, percent, table
from minibert.report.run_files import RunFiles
from minibert.report.run_folder import RunFolder, column
from minibert.report.speed import memory, share_of_peak, speed

NOT_COMPARED = ("out", "resume", "device")
"""Settings that say nothing of how a run learned; on which device it did has a row of its own."""


def compared(runs: Sequence[RunFiles]) -> list[str]:
    """Draw compare.png into the folder of the first run, and return the section that compares all of them.

    Raises ValueError when a run is given twice.
    """
    names = names_of([files.folder for files in runs])
    return [
        *_picture(runs, names),
        _reached(runs, names),
        *_warnings(runs, names),
        *differences([_settings(files) for files in runs], names),
    ]


def names_of(folders: Sequence[Path]) -> list[str]:
    """Return a name for each run: its folder's, with as many folders above it as it takes to tell them apart.

    Raises ValueError when a folder is given twice.
    """
    paths = [folder.resolve() for folder in folders]
    twice = next((folder for folder, path in zip(folders, paths, strict=True) if paths.count(path) > 1), None)
    if twice is not None:
        raise ValueError(f"{twice} is given twice; give each run once")
    depths = range(1, 1 + max(len(path.parts) for path in paths))
    choices = (["/".join(path.parts[-depth:]) for path in paths] for depth in depths)
    return next(names for names in choices if len(set(names)) == len(names))


def _picture(runs: Sequence[RunFiles], names: Sequence[str]) -> list[str]:
    curves = [_curves(files, name) for files, name in zip(runs, names, strict=True)]
    without = [
        curve.name
        for curve in curves
        if not (np.isfinite(curve.values).any() or np.isfinite(curve.held_out).any())
    ]
    missing = [f"No finite loss has been logged, so there is no curve: {escape(', '.join(without))}."]
    if len(without) == len(runs):
        return missing
    plots.save(plots.comparison_figure(curves), runs[0].folder / "compare.png")
    return [
        "![Losses of all runs, held out and in training, over steps and time](compare.png)",
        f"Loss on {_predicted(runs)} (nats), on held-out text above and in training below, smoothed; over "
        "the steps and over the time trained. A run that was evaluated at its end has that as its last "
        "held-out point.",
        *(missing if without else []),
    ]


def _curves(files: RunFiles, name: str) -> plots.RunCurves:
    steps, seconds = column(files.train, "step"), column(files.train, "seconds")
    looks = files.looks
    look_steps = column(looks, "step")
    known = np.isfinite(seconds)
    times = np.interp(look_steps, steps[known], seconds[known]) if known.any() else look_steps * np.nan
    return plots.RunCurves(
        name,
        steps,
        seconds,
        column(files.train, "word_loss"),
        look_steps,
        times,
        column(looks, "word_loss"),
    )


def _reached(runs: Sequence[RunFiles], names: Sequence[str]) -> str:
    """Return the table with a row for each run; a column that nobody has a value for is left out."""
    measures = dict.fromkeys(measure for files in runs for measure in files.task.measures)
    titles = [measure.title.format(what=_predicted(runs)) for measure in measures]
    header = ["", "steps", "time trained", *titles, "tokens per second", "MFU", "peak memory"]
    rows = [
        [
            f"**{escape(name)}**" if files is runs[0] else escape(name),
            count(files.last.get("step")) + ("" if files.get("finished") else ", not finished"),
            duration(files.last.get("seconds")),
            *(measure.of(files.newest) if measure in files.task.measures else NONE for measure in measures),
            count(speed(files)),
            percent(share_of_peak(files)),
            memory(files),
        ]
        for files, name in zip(runs, names, strict=True)
    ]
    columns = [cells for cells in zip(header, *rows, strict=True) if set(cells[1:]) != {NONE}]
    header, *rows = (list(row) for row in zip(*columns, strict=True))
    return table(header, rows)


def _warnings(runs: Sequence[RunFiles], names: Sequence[str]) -> list[str]:
    """Return a sentence for each reason why some of the numbers cannot be compared, or are not there."""
    said = []
    first, *_ = runs
    others = [_asked(files) != _asked(first) for files in runs]
    if any(others):
        said.append(
            "Another objective, other text, another tokenizer or another length than "
            f"{escape(names[0])}: {_listed(names, others)}. Losses on other questions cannot be compared."
        )
    if any(others) and all(is_number(files.newest.get("bits_per_byte")) for files in runs):
        said.append("Bits per byte do not depend on the tokenizer: on the same text they can be compared.")
    if len({files.get("config", "mask_rate") for files in runs if not files.causal}) > 1:
        said.append(
            "They mask different shares of the tokens in training, so their training losses are answers to "
            "questions of different difficulty. On held-out text all are asked the same way."
        )
    unasked = [not files.newest for files in runs]
    if any(unasked):
        said.append(f"No held-out numbers: {_listed(names, unasked)}.")
    glimpsed = [not files.evaluation and bool(files.held_out) for files in runs]
    if any(glimpsed):
        said.append(
            f"Not evaluated at the end (yet): {_listed(names, glimpsed)}. The numbers are those of the last "
            "look at held-out text in training, at fewer examples."
        )
    return said


def _asked(files: RunFiles) -> tuple[Any, ...]:
    """Return what decides which questions a run is asked on held-out text."""
    settings = (("data", "fingerprint"), ("data", "tokenizer"), ("config", "seq_len"))
    return (files.task, *(files.get(*keys) for keys in settings))


def _predicted(runs: Sequence[RunFiles]) -> str:
    """Return what the runs predict."""
    return " or ".join(dict.fromkeys(files.task.what for files in runs))


def _listed(names: Sequence[str], which: Sequence[bool]) -> str:
    return escape(", ".join(name for name, chosen in zip(names, which, strict=True) if chosen))


def differences(settings: Sequence[Mapping[str, str]], names: Sequence[str]) -> list[str]:
    """Return the table of the settings (name -> words) in which runs differ, a column for each run."""
    every = dict.fromkeys(name for own in settings for name in own)
    rows = [[name, *(own.get(name, NONE) for own in settings)] for name in every]
    # a setting that an older version did not have yet is no difference
    rows = [row for row in rows if len(set(row[1:]) - {NONE}) > 1]
    if not rows:
        return ["All have the same settings."]
    shown = [[escape(cell) for cell in row] for row in rows]
    return ["What differs in their settings:", table(["", *map(escape, names)], shown)]


def chosen(files: RunFolder) -> dict[str, str]:
    """Return what was chosen for a run of any kind, and where it ran: name -> words."""
    settings = {
        name: value for name, value in (files.get("config") or {}).items() if name not in NOT_COMPARED
    }
    return {name.replace("_", " "): _word(value) for name, value in settings.items()} | {
        "processes": count(files.get("processes")),
        "ran on": files.device if files.get("device") else NONE,
    }


def _settings(files: RunFiles) -> dict[str, str]:
    """Return what was chosen for a pretraining."""
    corpus = files.corpus if files.get("data", "corpus") else NONE
    return {"preset": _word(files.get("preset")), "corpus": corpus, **chosen(files)}


def _word(value: Any) -> str:
    if value is None:
        return "not given"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
