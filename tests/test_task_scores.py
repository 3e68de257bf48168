"""The table of scores has a row for the model and for each baseline, and what the scores mean."""

from pathlib import Path

from run_folders import cells
from tuned_runs import class_evaluation, task_record, task_rows, write_task

from minibert.report.finetuned.task_files import read_task
from minibert.report.finetuned.task_scores import scores_table, summary


def table(folder: Path, evaluation: dict | None, head: str = "classes") -> str:
    run = write_task(folder / "run", task_record(head), task_rows(), evaluation)
    return "\n\n".join(scores_table(read_task(run)))


def test_model_and_baselines_have_their_rows(tmp_path: Path) -> None:
    said = table(tmp_path, class_evaluation())
    assert "|  | loss (nats) | accuracy | macro F1 |" in said
    assert cells(said, "**model**, test")[1:] == ["0.410", "84.1 %", "84.1 %"]
    assert cells(said, "model, validation")[1:] == ["0.400", "84.0 %", "84.0 %"]
    assert cells(said, "most frequent class, test")[1:] == ["—", "50.0 %", "33.3 %"]
    assert cells(said, "TF-IDF with logistic regression, test")[1:] == ["0.500", "76.5 %", "76.4 %"]
    assert "- **accuracy**: the share of the texts that get their true class." in said
    assert "- **most frequent class** always says the class" in said
    assert "The checkpoint is that of step 1,000, the best on the validation texts by accuracy." in said


def test_an_unknown_score_is_a_number_and_an_unknown_baseline_has_no_definition(tmp_path: Path) -> None:
    evaluation = class_evaluation(test={"accuracy": 0.9, "top_5": 0.99}, baselines={"a_b": {"accuracy": 0.1}})
    said = table(tmp_path, evaluation)
    assert "| accuracy | top 5 |" in said and cells(said, "**model**, test")[1:3] == ["90.0 %", "0.990"]
    assert r"| a\_b, test |" in said and r"- **a\_b**" not in said


def test_of_a_run_that_goes_on_the_last_look_is_shown(tmp_path: Path) -> None:
    said = table(tmp_path, None)
    assert cells(said, "model, validation")[1:] == ["0.450", "82.0 %"]
    assert "**model**" not in said and "checkpoint" not in said
    run = write_task(tmp_path / "nothing", task_record())
    assert "There are no scores" in scores_table(read_task(run))[0]


def test_the_summary_tells_what_learned_from_what(tmp_path: Path) -> None:
    run = write_task(tmp_path / "run", task_record(learning_parameters=1538), task_rows())
    assert summary(read_task(run)) == (
        "minilm, a BERT of 22,713,986 parameters, learned to tell classes apart from 8,000 texts of "
        "reviews.csv, for 10 min 0 s on cpu (AMD EPYC 7B13), 2 threads: 1,500 steps, 1,538 parameters "
        "learned (strategy: whole)."
    )


def test_a_run_that_stopped_early_or_has_not_finished_says_so(tmp_path: Path) -> None:
    record = task_record(stopped_early={"step": 1500, "best_step": 1000, "loss": 0.16}, finished=None)
    said = summary(read_task(write_task(tmp_path / "run", record, task_rows())))
    assert "It stopped early, at step 1,500: it was best at step 1,000, whose weights these are." in said
    assert said.endswith("The run has not finished: it is still going, or it was stopped.")
