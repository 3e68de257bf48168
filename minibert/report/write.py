"""A run folder, of whatever kind -> report.md with its pictures, and README.md."""

from collections.abc import Sequence
from pathlib import Path

from minibert.files import replace_file
from minibert.report.card import card
from minibert.report.finetuned.task_card import task_card
from minibert.report.finetuned.task_files import TaskFiles, read_task
from minibert.report.finetuned.task_page import task_page
from minibert.report.page import page
from minibert.report.run_files import RunFiles, read_run
from minibert.report.run_folder import read_record


def write_report(run: str | Path, beside: Sequence[str | Path] = ()) -> Path:
    """Write report.md and its pictures into the run folder, and return the path of report.md.

    With other runs in `beside` the report compares them, in a picture and in tables.

    Raises ValueError when `run`, or one of the others, is not a run folder, or is given twice, and for runs
    that cannot be compared: of a pretraining and a fine-tuning, or of different tasks.
    """
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


def open_run(run: str | Path) -> RunFiles | TaskFiles:
    """Read a run folder: a fine-tuning's has a task. Raises ValueError when it is no run folder."""
    return read_task(run) if "task" in read_record(run) else read_run(run)


def _write(path: Path, parts: Sequence[str]) -> Path:
    replace_file(path, "\n\n".join(parts) + "\n")
    return path
