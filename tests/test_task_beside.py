"""Fine-tuned runs are compared by what they reached and cost; seeds of one way to learn are one point."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from run_folders import cells
from tuned_runs import class_evaluation, class_run, task_record, task_rows, write_task

from minibert import plots
from minibert.report.finetuned.task_beside import tasks_compared
from minibert.report.finetuned.task_files import read_task


def run(folder: Path, accuracy: float, learning: int = 1000, **config: Any) -> Path:
    record = task_record(learning_parameters=learning)
    record["config"] |= config
    return class_run(folder, record, test={"accuracy": accuracy, "macro_f1": accuracy - 0.01})


def section(*folders: Path) -> str:
    return "\n\n".join(tasks_compared([read_task(folder) for folder in folders]))


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[plots.Cost]:
    """The points that are drawn."""
    found: list[plots.Cost] = []
    figure = plots.tradeoff_figure
    monkeypatch.setattr(
        plots, "tradeoff_figure", lambda costs, goal: found.extend(costs) or figure(costs, goal)
    )
    return found


def test_each_run_has_a_row_and_a_point(tmp_path: Path, drawn: list[plots.Cost]) -> None:
    one = run(tmp_path / "one", 0.84)
    said = section(one, run(tmp_path / "two", 0.78, 50, strategy="frozen", lr=0.001))
    assert (
        "| strategy | parameters that learn | time trained | validation: accuracy | test: accuracy |" in said
    )
    assert cells(said, "**one**")[1:] == ["whole", "1,000", "10 min 0 s", "84.0 %", "84.0 %", "83.0 %"]
    assert cells(said, "two")[1:] == ["frozen", "50", "10 min 0 s", "84.0 %", "78.0 %", "77.0 %"]
    assert drawn == [
        plots.Cost("whole", (0.84,), 600.0, 1000.0),
        plots.Cost("frozen", (0.78,), 600.0, 50.0),
    ]
    assert (one / "compare.png").is_file()
    assert cells(said, "lr")[1:] == ["not given", "0.001"] and "| seed |" not in said


def test_runs_of_one_strategy_are_points_by_their_own_names(tmp_path: Path, drawn: list[plots.Cost]) -> None:
    section(run(tmp_path / "a", 0.8, lr=1e-5), run(tmp_path / "b", 0.81, lr=1e-4))
    assert [cost.name for cost in drawn] == ["a", "b"]


def test_seeds_are_one_point_with_their_mean_and_spread(tmp_path: Path, drawn: list[plots.Cost]) -> None:
    seeds = [run(tmp_path / f"whole-{i}", p, seed=i) for i, p in enumerate((0.80, 0.82, 0.84))]
    frozen = [run(tmp_path / f"frozen-{i}", 0.7 + 0.01 * i, 5, seed=i, strategy="frozen") for i in range(2)]
    said = section(*seeds, *frozen)
    assert [(cost.name, cost.scores) for cost in drawn] == [
        ("whole", (0.80, 0.82, 0.84)),
        ("frozen", (0.7, 0.71)),
    ]
    means = said.partition("| seeds |")[2].partition("\n\n")[0]
    assert cells(means, "whole")[1:3] == ["3", "82.0 % ± 2.0 %"]
    assert cells(means, "frozen")[1:3] == ["2", f"70.5 % ± {100 * np.std([0.7, 0.71], ddof=1):.1f} %"]
    assert cells(said, "frozen-1")[1] == "frozen"


def test_other_texts_are_named(tmp_path: Path, drawn: list[plots.Cost]) -> None:
    one, two = run(tmp_path / "one", 0.8), run(tmp_path / "two", 0.9)
    record = json.loads((two / "run.json").read_text())
    record["data"]["fingerprint"] = "cafe" * 16
    (two / "run.json").write_text(json.dumps(record))
    assert "Other texts than one, or otherwise divided, as by another seed: two. Scores" in section(one, two)
    assert len(drawn) == 1


def test_other_bodies_are_a_difference(tmp_path: Path) -> None:
    other = class_run(tmp_path / "two", task_record(body="runs/bert-tiny"))
    assert cells(section(run(tmp_path / "one", 0.8), other), "model")[1:] == ["minilm", "bert-tiny"]


def test_runs_with_little_or_nothing_in_them_are_compared(tmp_path: Path, drawn: list[plots.Cost]) -> None:
    going = write_task(tmp_path / "going", task_record(finished=None), task_rows(600))
    nothing = write_task(tmp_path / "nothing", {"task": "classify"})
    untimed = write_task(tmp_path / "untimed", task_record(), None, class_evaluation())
    said = section(run(tmp_path / "whole", 0.84), going, nothing, untimed)
    assert [cost.name for cost in drawn] == ["whole"]
    assert "Not measured on the test texts (yet): going, nothing." in said
    assert cells(said, "going")[3] == "4 min 0 s, not finished"
    alone = section(going, nothing)
    assert alone.startswith(
        "No picture: no run has been measured on its test texts, or recorded what it cost."
    )
    assert not (going / "compare.png").exists()


def test_a_run_that_is_given_twice_is_refused(tmp_path: Path) -> None:
    one = run(tmp_path / "one", 0.8)
    with pytest.raises(ValueError, match="given twice"):
        section(one, one)
