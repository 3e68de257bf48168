"""The numbers in the report are those of the files, beside what they must beat."""

from dataclasses import replace
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


def test_another_run_stands_in_a_further_row_with_what_it_did_otherwise(tmp_path: Path) -> None:
    record = run_record()
    record["config"] |= {"optimizer": "adamw", "out": "elsewhere"}
    evaluation = evaluation_record(word_loss=6.2, word_accuracy=0.126, pair_loss=0.69, pair_accuracy=0.49)
    other = read_run(write_run(tmp_path / "paper", record, metrics_rows(), evaluation))
    files = read_run(write_run(tmp_path / "run", run_record(), metrics_rows(), evaluation_record()))
    report = "\n".join(held_out(replace(files, beside=(other,))))
    assert cells(report, "paper (4 min 4 s; optimizer adamw)")[1:] == ["6.200", "12.6 %", "0.690", "49.0 %"]
    other.run["config"]["seq_len"] = 999
    assert "asked about other text" in "\n".join(held_out(replace(files, beside=(other,))))


def test_a_model_that_does_not_beat_a_baseline_is_called_so(tmp_path: Path) -> None:
    evaluation = evaluation_record(word_loss=6.2)
    report = scores(write_run(tmp_path / "run", run_record(), metrics_rows(), evaluation))
    assert "0.381 nats below the unigram baseline's and 0.257 nats above the bigram baseline's" in report
    assert "has learned less than that baseline" in report
