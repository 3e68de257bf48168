"""The report of a fine-tuning has its result first, and whatever its files hold; nothing missing stops it."""

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
from run_folders import cells
from tuned_runs import (
    HEADS,
    class_evaluation,
    class_lines,
    class_run,
    tag_evaluation,
    tag_lines,
    task_record,
    task_rows,
    write_task,
)

from minibert.recipes.label_kinds import Number, OneClass, SeveralLabels
from minibert.report import write_model_card, write_report

PICTURES = {"learning.png", "confusion.png", "calibration.png"}


def report(run: Path) -> str:
    """The report; every picture that it shows is there, and there is no other."""
    said = write_report(run).read_text(encoding="utf-8")
    assert set(re.findall(r"\]\((\w+\.png)\)", said)) == {path.name for path in run.glob("*.png")}
    write_model_card(run)
    return said


def headings(said: str) -> list[str]:
    return re.findall("^## (.*)$", said, re.MULTILINE)


def test_the_result_comes_first_and_every_section_after_it(tmp_path: Path) -> None:
    run = class_run(tmp_path / "run")
    said = report(run)
    assert said.startswith("# minilm on reviews.csv\n\n**The model beats both baselines.** ")
    assert headings(said) == [
        "Scores",
        "By class",
        "Confusion",
        "Calibration",
        "The worst mistakes",
        "How it learned",
        "What it forgot",
        "What ran",
        "How to go on",
    ]
    assert {path.name for path in run.glob("*.png")} == PICTURES
    assert "Note." not in said


def test_what_ran_is_listed(tmp_path: Path) -> None:
    said = report(class_run(tmp_path / "run"))
    assert "\n    minibert finetune classify minilm --data reviews.csv\n" in said
    assert cells(said, "labels (2)")[1] == "neg, pos"
    assert cells(said, "texts to learn from, to choose by, to measure on")[1] == "8,000, 1,000, 1,000"
    assert cells(said, "epochs")[1] == "3.0" and cells(said, "strategy")[1] == "whole"
    assert cells(said, "fingerprint of the texts")[1] == "f00d" * 16
    assert "- 3 texts were in two of the sets, and are left out of the first." in said
    assert (
        "at a loss of 2.100 nats before it was fine-tuned, and of 3.400 nats after: 1.300 nats more." in said
    )


def test_a_report_of_tags_has_types_and_no_confusion(tmp_path: Path) -> None:
    run = write_task(
        tmp_path / "run", task_record("tags"), task_rows(goal="f1"), tag_evaluation(), tag_lines()
    )
    said = report(run)
    assert headings(said)[:4] == ["Scores", "By type", "The worst mistakes", "How it learned"]
    assert "sentences to learn from" in said and "Confusion" not in said


@pytest.mark.parametrize("head", HEADS)
def test_a_run_that_has_logged_nothing_is_reported(tmp_path: Path, head: str) -> None:
    run = write_task(tmp_path / "run", {"task": task_record(head)["task"], "head": {"task": head}})
    said = report(run)
    assert "**There is no result yet**" in said and "There are no scores" in said
    assert "metrics.jsonl is missing" in said and "there is no `model.safetensors`" in said
    assert not list(run.glob("*.png"))


def test_a_run_that_goes_on_is_reported_with_what_there_is(tmp_path: Path) -> None:
    run = write_task(tmp_path / "run", task_record(finished=None), task_rows()[:40])
    said = report(run)
    assert "has not finished" in said and "no evaluation.json" in said and "--resume auto" in said
    assert cells(said, "model, validation")[1:] == ["0.450", "82.0 %"]
    assert {path.name for path in run.glob("*.png")} == {"learning.png"}


@pytest.mark.parametrize("name", ["metrics.jsonl", "evaluation.json", "predictions.jsonl"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_file_that_is_cut_short_stops_nothing(tmp_path: Path, name: str, share: float) -> None:
    run = class_run(tmp_path / "run")
    whole = (run / name).read_bytes()
    (run / name).write_bytes(whole[: int(share * len(whole))])
    assert "## What ran" in report(run)


@pytest.mark.parametrize("bad", [math.nan, math.inf, None, "x", []])
def test_numbers_that_are_none_stop_nothing(tmp_path: Path, bad: object) -> None:
    rows = [
        {key: value if key in ("kind", "step") else bad for key, value in row.items()} for row in task_rows()
    ]
    scores = {"accuracy": bad, "loss": bad}
    found = class_evaluation(test=scores, validation=scores, baselines={"a": scores}, forgetting=scores)
    run = write_task(tmp_path / "run", task_record(learning_parameters=bad), rows, found, class_lines())
    assert "**There is no result yet**" in report(run)


@pytest.mark.parametrize("bad", [None, [], "x", 3, {}])
def test_parts_of_another_form_stop_nothing(tmp_path: Path, bad: object) -> None:
    names = ("validation", "test", "baselines", "details", "mistakes", "forgetting")
    run = write_task(tmp_path / "run", task_record(), task_rows(), dict.fromkeys(names, bad))
    assert "**There is no result yet**" in report(run)


def test_what_the_recipes_measure_of_classes_is_what_the_report_reads(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    kind = OneClass(("bad", "fine", "good"))
    targets, outputs = draw.integers(0, 3, 300), draw.dirichlet((1, 1, 1), 300)
    outputs = 0.5 * outputs + 0.5 * kind.perfect(targets)
    lines = [
        {"text": f"t{i}", "true": kind.names[t], **kind.said(p)}
        for i, (t, p) in enumerate(zip(targets, outputs.tolist(), strict=True))
    ]
    scores = kind.measure(targets, outputs)
    evaluation = class_evaluation(test=scores, details=kind.details(targets, outputs))
    said = report(write_task(tmp_path / "run", task_record(), task_rows(), evaluation, lines))
    assert cells(said, "**model**, test")[2] == f"{100 * scores['accuracy']:.1f} %"
    assert {"By class", "Confusion", "Calibration"} <= set(headings(said))
    assert f"expected calibration error is {100 * scores['calibration_error']:.1f} %" in said
    assert "calibration error**: " in said


def test_what_the_recipes_measure_of_labels_is_what_the_report_reads(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    kind = SeveralLabels(("art", "law"))
    targets, outputs = draw.integers(0, 2, (100, 2)), draw.random((100, 2))
    lines = [
        {"text": f"t{i}", "true": [n for n, yes in zip(kind.names, t, strict=True) if yes], **kind.said(p)}
        for i, (t, p) in enumerate(zip(targets.tolist(), outputs.tolist(), strict=True))
    ]
    evaluation = class_evaluation(
        goal=kind.goal(False),
        test=kind.measure(targets, outputs),
        baselines={"most frequent class": kind.measure(targets, np.tile(targets.mean(axis=0), (100, 1)))},
        details=kind.details(targets, outputs),
        mistakes=[],
    )
    said = report(write_task(tmp_path / "run", task_record("labels"), task_rows(), evaluation, lines))
    assert headings(said)[1:3] == ["By label", "The worst mistakes"] and "its micro F1 is" in said
    classes = said.partition("## By label")[2].partition("\n## ")[0]
    assert "standard error" in said and cells(classes, "law")[-1] == f"{targets[:, 1].sum()}"


def test_what_the_recipes_measure_of_numbers_is_what_the_report_reads(tmp_path: Path) -> None:
    targets = np.random.default_rng(0).normal(3, 1, 50)
    outputs = (0.8 * targets + 0.6)[:, None]
    kind = Number()
    lines = [
        {"text": f"t{i}", "true": float(t), **kind.said(p)}
        for i, (t, p) in enumerate(zip(targets, outputs.tolist(), strict=True))
    ]
    evaluation = class_evaluation(
        goal=kind.goal(False),
        test=kind.measure(targets, outputs),
        baselines={"mean": kind.measure(targets, np.full((50, 1), 3.0))},
        details=kind.details(targets, outputs),
        mistakes=[],
    )
    run = write_task(tmp_path / "run", task_record("number"), task_rows(goal="r2"), evaluation, lines)
    said = report(run)
    assert headings(said)[1:3] == ["Predicted over true numbers", "The worst mistakes"]
    assert said.count("squared error |") == 1 and "its R² is 0.9" in said
    assert (run / "numbers.png").is_file()


def test_a_report_is_the_same_when_it_is_written_again(tmp_path: Path) -> None:
    run = class_run(tmp_path / "run")
    one = report(run), (run / "README.md").read_text()
    assert one == (report(run), (run / "README.md").read_text())
    json.loads((run / "run.json").read_text())
