"""The table of classes is scikit-learn's classification report."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from run_folders import cells
from sklearn.metrics import classification_report, confusion_matrix
from tuned_runs import class_evaluation, per_class, tag_evaluation, task_record, write_task

from minibert.report.finetuned import per_class as module
from minibert.report.finetuned.task_files import read_task

LABELS = ["art", "law | order", "war"]


def table(folder: Path, evaluation: dict, head: str = "classes") -> str:
    run = write_task(folder / "run", task_record(head), None, evaluation)
    return "\n\n".join(module.per_class(read_task(run)))


@pytest.mark.parametrize("seed", range(3))
def test_every_number_is_that_of_scikit_learn(tmp_path: Path, seed: int) -> None:
    draw = np.random.default_rng(seed)
    true = draw.choice(3, 200, p=[0.6, 0.3, 0.1])
    predicted = np.where(draw.random(200) < 0.6, true, draw.choice(3, 200))
    settings: Any = {"target_names": LABELS, "output_dict": True, "zero_division": 0}
    theirs: Any = classification_report(true, predicted, **settings)
    counts = confusion_matrix(true, predicted, labels=range(3))
    said = table(tmp_path, class_evaluation(details={"classes": per_class(counts, LABELS)}))
    rows = [*((label.replace("|", r"\|"), label) for label in LABELS)]
    rows += [("mean |", "macro avg"), ("mean, each by its count", "weighted avg")]
    for ours, name in rows:
        numbers: Any = theirs[name]
        shares = [f"{100 * numbers[key]:.1f} %" for key in ("precision", "recall", "f1-score")]
        found = cells(said, ours)
        assert found[1:] == [*shares, f"{numbers['support']:.0f}"], name


def test_one_class_alone_has_no_means(tmp_path: Path) -> None:
    said = table(tmp_path, class_evaluation(details={"classes": per_class(np.array([[3]]), ["all"])}))
    assert cells(said, "all")[1:] == ["100.0 %", "100.0 %", "100.0 %", "3"] and "| mean" not in said


def test_types_of_entities_have_rows_of_their_own(tmp_path: Path) -> None:
    said = table(tmp_path, tag_evaluation(), "tags")
    assert said.startswith("## By type\n\n| type | precision")
    assert cells(said, "LOC")[1:] == ["50.0 %", "40.0 %", "44.4 %", "200"]
    assert cells(said, "mean, each by its count")[1:] == ["56.0 %", "52.0 %", "53.8 %", "500"]


def test_labels_are_called_labels(tmp_path: Path) -> None:
    said = table(tmp_path, class_evaluation(), "labels")
    assert said.startswith("## By label\n") and "predicted to be such a label" in said


def test_answers_are_told_by_question_word(tmp_path: Path) -> None:
    kinds = {"who": {"count": 20, "exact": 0.5, "f1": 0.625}, "other": {"count": 1, "exact": 0.0}}
    said = table(tmp_path, class_evaluation(details={"kinds": kinds}), "spans")
    assert cells(said, "who")[1:] == ["50.0 %", "62.5 %", "20"]
    assert cells(said, "other")[1:] == ["0.0 %", "—", "1"]


@pytest.mark.parametrize("details", [{}, {"classes": []}, {"classes": {"a": 1}}, None, {"kinds": 5}])
def test_without_numbers_there_is_no_section(tmp_path: Path, details: object) -> None:
    assert table(tmp_path, class_evaluation(details=details)) == ""


def test_missing_numbers_are_dashes_or_said_to_be_none(tmp_path: Path) -> None:
    said = table(
        tmp_path, class_evaluation(details={"classes": {"a": {"count": 3}, "b": {"precision": 0.5}}})
    )
    assert cells(said, "a")[1:] == ["not a number", "not a number", "not a number", "3"]
