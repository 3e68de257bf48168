"""The numbers in the report are those of the files, beside what they must beat."""

import math
from pathlib import Path

import pytest
from run_folders import (
    causal_record,
    causal_run,
    cells,
    evaluation_record,
    metrics_rows,
    run_record,
    whole_run,
    write_run,
)

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


def test_a_causal_model_is_measured_in_nats_perplexity_and_bits_per_byte(tmp_path: Path) -> None:
    report = scores(causal_run(tmp_path / "run"))
    header = "|  | next tokens: loss (nats) | perplexity | next tokens: accuracy | bits per byte |"
    assert report.startswith(header) and "masked" not in report and "sentences" not in report
    assert cells(report, "**model**")[1:] == ["4.000", "54.60", "28.2 %", "1.443"]
    # a token stands for 4 bytes, for the baselines too: 6.5812 / ln 2 / 4 = 2.3737
    assert cells(report, "unigram")[1:] == ["6.581", "721.40", "6.5 %", "2.374"]
    assert cells(report, "bigram")[1:] == ["5.943", "381.23", "15.2 %", "2.144"]
    assert "The model's loss on next tokens is 2.581 nats below the unigram baseline's" in report
    assert "blocks of 64 tokens (byte pairs), at places that seed 0 chooses" in report
    assert "12,345 predictions" in report and "loss / ln 2 × tokens / bytes" in report


def test_the_summary_of_a_causal_model_says_what_it_is_and_what_it_needs(tmp_path: Path) -> None:
    said = summary(read_run(causal_run(tmp_path / "run", causal_record("llama-tiny"))))
    assert said.startswith("llama-tiny on sotu: a Llama of 1,553,538 parameters")
    assert "28.2 % of the next tokens (4.000 nats), the unigram baseline 6.5 % (6.581 nats)" in said
    assert said.endswith("Its perplexity is 54.60. It needs 1.443 bits for a byte of text.")


def test_a_look_at_held_out_text_has_a_perplexity_but_no_bits(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", causal_record(finished=None), metrics_rows(500, pairs=False))
    look = read_run(folder).newest["word_loss"]
    said = summary(read_run(folder))
    assert "At step 500, on held-out text it guesses 25.0 % of the next tokens" in said
    assert said.endswith(f"Its perplexity is {math.exp(look):,.2f}.")
    assert cells(scores(folder), "**model**")[2:] == [f"{math.exp(look):,.2f}", "25.0 %", "—"]


@pytest.mark.parametrize("loss", [None, 0.0, math.nan])
def test_baselines_have_no_bits_where_the_model_s_do_not_tell_them(
    tmp_path: Path, loss: float | None
) -> None:
    report = scores(causal_run(tmp_path / "run", word_loss=loss, bits_per_byte=loss))
    assert cells(report, "unigram")[1:] == ["6.581", "721.40", "6.5 %", "—"]


@pytest.mark.parametrize(("tokenizer", "tokens"), [("char", "characters"), ("bpe", "byte pairs")])
def test_definitions_say_what_the_tokens_are(tmp_path: Path, tokenizer: str, tokens: str) -> None:
    assert f"64 tokens ({tokens})," in scores(causal_run(tmp_path / "run", causal_record("gpt2", tokenizer)))


def test_the_tokens_of_a_run_that_went_on_are_those_of_the_first(tmp_path: Path) -> None:
    record = causal_record()
    record["config"] |= {"from_folder": "/somewhere/my_gpt"}
    folder = causal_run(tmp_path / "run", record)
    assert r"64 tokens (those of my\_gpt)," in scores(folder)
    assert r"pretrained from the weights of my\_gpt" in summary(read_run(folder))
