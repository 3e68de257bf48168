"""The folder of a fine-tuning is read, whatever is missing, cut or of another form."""

import json
from pathlib import Path

import pytest
from tuned_runs import class_evaluation, class_lines, class_run, task_record, task_rows, write_task

from minibert.report.finetuned.task_files import objects, read_task


def test_a_whole_run_has_nothing_to_note(tmp_path: Path) -> None:
    files = read_task(class_run(tmp_path / "run"))
    assert files.notes == [] and files.name == "minilm on reviews.csv" and files.strategy == "whole"
    assert files.head == "classes" and files.labels == ["neg", "pos"] and files.goal == "accuracy"
    assert files.tests == 1000 and files.best == 1000 and files.steps_per_epoch == 500
    assert len(files.predictions) == 5 and set(files.baselines) == {
        "most frequent class",
        "TF-IDF with logistic regression",
    }


@pytest.mark.parametrize(
    ("kind", "called"),
    [
        ("Bert", "a BERT"),
        ("ModernBert", "a ModernBERT"),
        ("Gpt", "a GPT-2"),
        ("gpt", "a GPT-2"),
        (None, "a BERT"),
    ],
)
def test_the_kind_of_the_body_is_that_of_its_class(tmp_path: Path, kind: str | None, called: str) -> None:
    run = write_task(tmp_path / "run", task_record(body_kind=kind))
    assert read_task(run).kind.called == called


def test_names_give_no_folders_away(tmp_path: Path) -> None:
    record = task_record(body="/home/someone/runs/tiny")
    record["data"] |= {"data": ["/home/someone/a.csv", "b.csv"]}
    assert read_task(write_task(tmp_path / "run", record)).name == "tiny on a.csv + b.csv"


def test_a_record_with_nothing_but_a_task_is_read(tmp_path: Path) -> None:
    files = read_task(write_task(tmp_path / "run", {"task": "tag"}))
    assert files.name == "an unrecorded model on unrecorded texts" and files.head == "tags"
    assert files.part("test") == {} and files.baselines == {} and files.looks == []
    assert (files.tests, files.best, files.steps_per_epoch) == (None, None, None)


def test_broken_lines_of_predictions_are_counted(tmp_path: Path) -> None:
    run = class_run(tmp_path / "run")
    with (run / "predictions.jsonl").open("a") as file:
        file.write('[1]\n\n{"text": "cut')
    files = read_task(run)
    assert len(files.predictions) == 5
    assert files.notes == ["2 lines of predictions.jsonl cannot be read and are passed over."]


def test_signs_that_end_lines_elsewhere_part_no_line_of_json(tmp_path: Path) -> None:
    run = write_task(tmp_path / "run", task_record(), task_rows(), class_evaluation())
    line = json.dumps({"text": "a\u0085b\u2028c"}, ensure_ascii=False)
    (run / "predictions.jsonl").write_text(f"{line}\n{line}\n", encoding="utf-8")
    files = read_task(run)
    assert [each["text"] for each in files.predictions] == ["a\u0085b\u2028c"] * 2 and files.notes == []


def test_without_predictions_that_is_said_once_they_are_due(tmp_path: Path) -> None:
    due = write_task(tmp_path / "due", task_record(), task_rows(), class_evaluation())
    assert read_task(due).notes == [
        "predictions.jsonl is missing or holds no whole line: no test text can be shown."
    ]
    going = write_task(tmp_path / "going", task_record(finished=None), task_rows())
    assert not any("predictions" in note for note in read_task(going).notes)


def test_the_number_of_tests_is_counted_where_it_is_not_recorded(tmp_path: Path) -> None:
    record = task_record(data={"data": ["reviews.csv"]})
    files = read_task(write_task(tmp_path / "run", record, None, class_evaluation(), class_lines()))
    assert files.tests == 5


def test_the_evaluation_is_a_look_where_there_is_none_at_its_step(tmp_path: Path) -> None:
    run = class_run(tmp_path / "run")
    assert [look["step"] for look in read_task(run).looks] == [500, 1000, 1500]
    assert read_task(run).looks[1]["accuracy"] == 0.84
    (run / "evaluation.json").write_text(json.dumps(class_evaluation(step=1200)))
    looks = read_task(run).looks
    assert [look["step"] for look in looks] == [500, 1000, 1200, 1500] and looks[2]["accuracy"] == 0.84
    (run / "evaluation.json").unlink()
    assert [look["step"] for look in read_task(run).looks] == [500, 1000, 1500]


def test_parts_of_another_form_are_as_good_as_missing(tmp_path: Path) -> None:
    evaluation = {"test": [1], "baselines": {"a": 3, "b": {"accuracy": 1}}, "details": None, "step": "x"}
    files = read_task(write_task(tmp_path / "run", task_record(), None, evaluation))
    assert files.part("test") == {} == files.part("details") and files.best is None
    assert files.baselines == {"b": {"accuracy": 1}}
    assert objects(None) == {} == objects([{}])
