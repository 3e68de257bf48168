"""The numbers in the report are those of the files, beside what they must beat."""

from pathlib import Path

from run_folders import cells, evaluation_record, metrics_rows, run_record, whole_run, write_run

from minibert.report.run_files import read_run
from minibert.report.scores import held_out, summary


def scores(folder: Path) -> str:
    """What the report says about a run's losses and accuracies."""
    return "\n\n".join(held_out(read_run(folder)))


def test_the_table_holds_the_numbers_of_the_evaluation(tmp_path: Path) -> None:
    report = scores(whole_run(tmp_path / "run"))
    assert cells(report, "**model**")[1:] == ["4.612", "28.2 %", "0.561", "73.5 %"]
    assert cells(report, "unigram")[1:] == ["6.581", "6.5 %", "—", "—"]
    assert cells(report, "bigram")[1:] == ["5.943", "15.2 %", "—", "—"]
    assert cells(report, "chance")[1:] == ["—", "—", "0.693", "50.0 %"]
    assert "1.969 nats below the unigram baseline's and 1.331 nats below the bigram" in report
    assert "12,345 predictions" in report and "2,048 pairs" in report and "64 tokens" in report


def test_the_summary_says_what_ran_and_what_came_of_it(tmp_path: Path) -> None:
    said = summary(read_run(whole_run(tmp_path / "run")))
    assert "\n" not in said
    for words in (
        "bert-tiny on sotu",
        "1,553,538 parameters",
        "from scratch",
        "4 min 4 s",
        "cpu (AMD EPYC 7B13), 2 threads",
        "2,000 steps, 4,096,000 tokens",
        "28.2 % of the masked words (4.612 nats)",
        "the unigram baseline 6.5 % (6.581 nats)",
        "73.5 %",
        "50.0 %",
    ):
        assert words in said


def test_a_run_that_stopped_early_says_where_it_was_best(tmp_path: Path) -> None:
    stopped = run_record(stopped_early={"step": 2000, "best_step": 1500, "loss": 5.1234})
    said = summary(read_run(write_run(tmp_path / "run", stopped, metrics_rows(), evaluation_record())))
    assert (
        "It stopped early, at step 2,000: the loss on held-out text was lowest at step 1,500 (5.123 nats), "
        "whose weights these are." in said
    )
    assert "stopped early" not in summary(read_run(whole_run(tmp_path / "other")))


def test_a_model_that_does_not_beat_a_baseline_is_called_so(tmp_path: Path) -> None:
    evaluation = evaluation_record(word_loss=6.2)
    report = scores(write_run(tmp_path / "run", run_record(), metrics_rows(), evaluation))
    assert "0.381 nats below the unigram baseline's and 0.257 nats above the bigram baseline's" in report
    assert "has learned less than that baseline" in report
