"""A run folder, of whatever kind -> report.md with its pictures, and README.md."""

import json
import math
from collections.abc import Sequence
from pathlib import Path

from minibert.files import replace_file
from minibert.report.card import card
from minibert.report.finetuned.search_page import search_page, tried
from minibert.report.finetuned.several_page import in_short, several_page
from minibert.report.finetuned.task_card import task_card
from minibert.report.finetuned.task_files import TaskFiles, read_task
from minibert.report.finetuned.task_page import task_page
from minibert.report.page import page
from minibert.report.run_files import RunFiles, read_run
from minibert.report.run_folder import Record, read_record

SUMMARY = "summary.json"
"""What a folder of several fine-tunings has in the place of run.json."""


def write_report(run: str | Path, beside: Sequence[str | Path] = ()) -> Path:
    """Write report.md and its pictures into the run folder, and return the path of report.md.

    With other runs in `beside` the report compares them, in a picture and in tables. A folder of several
    fine-tunings has a report of its own.

    Raises ValueError when `run`, or one of the others, is not a run folder, or is given twice, and for runs
    that cannot be compared: of a pretraining and a fine-tuning, or of different tasks.
    """
    for each in (run, *beside):
        if holds_several(each) and beside:
            raise ValueError(f"{each} holds several runs: compare runs in it, such as {_some_run(each)}")
    if holds_several(run):
        return write_report_of_several(run)
    runs = [open_run(each) for each in (run, *beside)]
    first = runs[0]
    for other in runs[1:]:
        if other.learns != first.learns:
            raise ValueError(
                f"{first.folder} learns {first.learns}, {other.folder} {other.learns}: "
                "they cannot be compared"
            )
    pretrained = [files for files in runs if isinstance(files, RunFiles)]
    tuned = [files for files in runs if isinstance(files, TaskFiles)]
    parts = page(pretrained[0], pretrained[1:]) if pretrained else task_page(tuned[0], tuned[1:])
    return _write(first.folder / "report.md", parts)


def write_model_card(run: str | Path) -> Path:
    """Write README.md, the model card, into the run folder, and return its path.

    Raises ValueError when `run` is not a run folder.
    """
    files = open_run(run)
    parts = card(files) if isinstance(files, RunFiles) else task_card(files)
    return _write(files.folder / "README.md", parts)


def holds_several(folder: str | Path) -> bool:
    """Whether a folder holds several fine-tunings of one command."""
    return (Path(folder) / SUMMARY).is_file()


def _some_run(folder: str | Path) -> Path:
    """Return a run in a folder of several."""
    return next((path.parent for path in sorted(Path(folder).glob("*/run.json"))), Path(folder) / "RUN")


def write_report_of_several(folder: str | Path) -> Path:
    """Write report.md and its pictures into a folder of several fine-tunings, and return its path.

    Raises ValueError when nothing in it is measured yet.
    """
    summary = _summary(folder)
    page = search_page if summary["asked"]["search"] else several_page
    return _write(Path(folder) / "report.md", page(summary, Path(folder)))


def results_of_several(folder: str | Path) -> tuple[list[list[str]], Path]:
    """Return what several fine-tunings in a folder reached, as a table of plain text, and the best run.

    The best is that with the highest goal on the validation texts.

    Raises ValueError when nothing in it is measured yet.
    """
    summary = _summary(folder)
    if summary["asked"]["search"]:
        return tried(summary), Path(folder) / summary["result"]["run"]
    goal = summary["goal"]
    best = max(summary["rows"], key=lambda row: row["validation"].get(goal, -math.inf))
    return in_short(summary), Path(folder) / best["run"]


def _summary(folder: str | Path) -> Record:
    summary = json.loads((Path(folder) / SUMMARY).read_text(encoding="utf-8"))
    if "goal" not in summary:
        raise ValueError(f"{folder}: nothing is measured yet; go on with --resume auto")
    return summary


def open_run(run: str | Path) -> RunFiles | TaskFiles:
    """Read a run folder: a fine-tuning's has a task. Raises ValueError when it is no run folder."""
    return read_task(run) if "task" in read_record(run) else read_run(run)


def _write(path: Path, parts: Sequence[str]) -> Path:
    replace_file(path, "\n\n".join(parts) + "\n")
    return path
