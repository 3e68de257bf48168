"""A report is of the kind that its run is, and runs that learned different things are not compared."""

import json
from pathlib import Path

import pytest
from run_folders import whole_run
from several_summaries import search_summary, several_summary
from tuned_runs import class_run, task_record, write_task

from minibert.report import (
    results_of_several,
    write_model_card,
    write_report,
    write_report_of_several,
)
from minibert.report.finetuned.task_files import TaskFiles
from minibert.report.run_files import RunFiles
from minibert.report.write import open_run


def test_a_run_with_a_task_is_a_fine_tuning(tmp_path: Path) -> None:
    assert isinstance(open_run(class_run(tmp_path / "tuned")), TaskFiles)
    assert isinstance(open_run(whole_run(tmp_path / "trained")), RunFiles)


def test_each_kind_has_a_report_and_a_card_of_its_own(tmp_path: Path) -> None:
    tuned, trained = class_run(tmp_path / "tuned"), whole_run(tmp_path / "trained")
    for write, name in ((write_report, "report.md"), (write_model_card, "README.md")):
        assert write(tuned) == tuned / name and write(trained) == trained / name
        assert "The model beats both baselines" in (tuned / name).read_text(encoding="utf-8")
        assert "masked words" in (trained / name).read_text(encoding="utf-8")
        assert "masked words" not in (tuned / name).read_text(encoding="utf-8")


def test_a_pretraining_and_a_fine_tuning_are_not_compared(tmp_path: Path) -> None:
    tuned, trained = class_run(tmp_path / "tuned"), whole_run(tmp_path / "trained")
    with pytest.raises(ValueError, match=r"tuned learns to tell classes apart, .*trained to guess words"):
        write_report(tuned, [trained])
    with pytest.raises(ValueError, match="cannot be compared"):
        write_report(trained, [tuned])


def test_runs_of_different_tasks_are_not_compared(tmp_path: Path) -> None:
    tags = write_task(tmp_path / "tags", task_record("tags"))
    with pytest.raises(ValueError, match="tags learns to tag words, .*classes to tell classes apart"):
        write_report(tags, [class_run(tmp_path / "classes")])


def test_reports_of_runs_of_one_task_compare_them(tmp_path: Path) -> None:
    one, two = class_run(tmp_path / "one"), class_run(tmp_path / "two", task_record(body="other"))
    assert "## Beside other runs" in write_report(one, [two]).read_text(encoding="utf-8")
    assert (one / "compare.png").is_file() and not (two / "compare.png").exists()


def test_several_runs_in_a_folder_have_a_report_and_the_best_is_that_on_the_validation_texts(
    tmp_path: Path,
) -> None:
    (tmp_path / "summary.json").write_text(json.dumps(several_summary()))
    assert write_report_of_several(tmp_path) == write_report(tmp_path) == tmp_path / "report.md"
    assert (tmp_path / "report.md").read_text(encoding="utf-8").startswith("# bert-tiny on reviews.csv")
    rows, best = results_of_several(tmp_path)
    assert best == tmp_path / "whole-seed-2" and rows[1][:2] == ["whole", "82.0 % ± 2.0 %"]


def test_a_search_has_a_report_and_its_best_trial(tmp_path: Path) -> None:
    (tmp_path / "summary.json").write_text(json.dumps(search_summary()))
    write_report_of_several(tmp_path)
    assert "a search of 3 trials" in (tmp_path / "report.md").read_text(encoding="utf-8")
    rows, best = results_of_several(tmp_path)
    assert best == tmp_path / "trial-2" and len(rows) == 4


def test_several_runs_of_which_none_is_done_have_no_report(tmp_path: Path) -> None:
    (tmp_path / "summary.json").write_text(json.dumps({"asked": {"search": None}}))
    with pytest.raises(ValueError, match="nothing is measured yet; go on with --resume auto"):
        write_report_of_several(tmp_path)


def test_several_runs_are_not_compared_with_others(tmp_path: Path) -> None:
    (tmp_path / "summary.json").write_text(json.dumps(several_summary()))
    with pytest.raises(ValueError, match="holds several runs: compare runs in it, such as"):
        write_report(tmp_path, [class_run(tmp_path / "other")])
