"""The report on a search: what was tried, the best, and what it reaches on texts that did not choose it."""

from pathlib import Path

from run_folders import cells
from several_summaries import search_summary

from minibert.report.finetuned.search_page import search_page, tried


def test_the_best_trial_is_told_beside_the_settings_as_they_were(tmp_path: Path) -> None:
    said = "\n\n".join(search_page(search_summary(), tmp_path))
    assert said.startswith("# bert-tiny on reviews.csv: a search of 3 trials")
    assert "**Trial 2 is the best: learning rate 0.0001, batches of 8.**" in said
    assert "its accuracy is 80.0 %; the settings as they were reach 78.0 %." in said
    assert "on which it alone was measured, it is 80.0 %; the best baseline, TF-IDF with" in said
    assert (tmp_path / "trials.png").is_file()


def test_every_trial_has_a_row(tmp_path: Path) -> None:
    said = "\n\n".join(search_page(search_summary(), tmp_path))
    assert cells(said, "2 |")[1:] == ["0.0001", "8", "80.0 %", "1 min 30 s", "the best"]
    assert cells(said, "3 |")[1:] == ["0.0004", "32", "—", "—", "failed"]
    assert [row[0] for row in tried(search_summary())] == ["trial", "1", "2", "3"]


def test_where_the_first_trial_is_the_best_nothing_is_said_to_be_gained(tmp_path: Path) -> None:
    summary = search_summary()
    summary["best"], summary["result"]["run"] = 1, "trial-1"
    said = "\n\n".join(search_page(summary, tmp_path))
    assert "**Trial 1 is the best" in said and "its accuracy is 78.0 %. On the test texts" in said


def test_with_a_number_of_steps_larger_batches_are_said_to_see_more(tmp_path: Path) -> None:
    summary = search_summary()
    said = "\n".join(search_page(summary, tmp_path))
    assert "All took the same number of steps" not in said
    assert "| batch size |" not in said.partition("## What ran")[2] and "| shares |" in said
    summary["config"]["steps"] = 20
    assert "All took the same number of steps: the larger the" in "\n".join(search_page(summary, tmp_path))
