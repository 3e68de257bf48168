"""The report says what the files say, and nothing missing stops it."""

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
from run_folders import (
    PICTURES,
    assert_pictures,
    causal_record,
    causal_run,
    cells,
    evaluation_record,
    metrics_rows,
    recurrent_record,
    run_record,
    watched_record,
    whole_run,
    write_run,
)

from minibert.report import write_model_card, write_report
from minibert.report.page import settings
from minibert.report.run_files import read_run


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole run with its report and its model card."""
    folder = whole_run(tmp_path_factory.mktemp("runs") / "run")
    write_report(folder)
    write_model_card(folder)
    return folder


def test_what_ran_is_listed(done: Path) -> None:
    report = (done / "report.md").read_text(encoding="utf-8")
    assert "\n    minibert pretrain bert-tiny --corpus sotu\n" in report
    assert cells(report, "fingerprint of the text")[1] == "f00d" * 16
    assert cells(report, "fingerprint of the tokenizer")[1] == "beef" * 16
    assert cells(report, "version of torch")[1] == "2.13.0"
    assert cells(report, "optimiser")[1] == "muon, learning rate up to 0.003, Muon's up to 0.02"
    assert cells(report, "training text")[1] == "238 documents, 61,234 sentences, 2,312,345 tokens"
    assert "Documents held out: 1801-Jefferson-1, 2005-Bush-1." in report
    assert "Note." not in report and "NumPy" not in report
    text = "that we may [MASK] the public debt | and # of * it _ at 5 $"
    assert f"minibert fill {done} '{text}'" in report
    assert f'print(fill("{text}"))' in report


def test_the_report_of_a_causal_model_speaks_of_next_tokens_alone(tmp_path: Path) -> None:
    folder = causal_run(tmp_path / "run")
    report = write_report(folder).read_text(encoding="utf-8")
    for word in ("mask", "MASK", "blank", "sentence", "word piece", "BERT", "pairs of segments", "padding"):
        assert word not in report, word
    assert cells(report, "vocabulary")[1] == "8,192 tokens (byte pairs)"
    assert cells(report, "training text")[1] == "238 documents, 2,312,345 tokens"
    assert cells(report, "held-out text")[1] == "2 documents, 98,765 tokens"
    assert "Held out, of a document that is alone only the last tenth: 1801-Jefferson-1, 2005" in report
    assert f"    minibert generate {folder} --prompt 'We the people'\n" in report
    assert "**Prompt 2**\n\n```text\nIt is\nnow\n```\n" in report
    assert_pictures(folder, PICTURES)


def test_a_model_has_the_sizes_that_its_kind_has(tmp_path: Path) -> None:
    def sizes(name: str, run: dict) -> list[str]:
        return settings(read_run(write_run(tmp_path / name, run)))[1]

    assert sizes("bert", run_record()) == ["layers, width, heads, feed-forward", "2, 128, 2, 512"]
    assert sizes("lstm", recurrent_record()) == ["layers, width", "2, 128"]
    llama = causal_record("llama-tiny")
    llama["model"] |= {"heads": 4, "key_heads": 2}
    assert sizes("llama", llama) == ["layers, width, heads, heads of keys, feed-forward", "2, 128, 4, 2, 512"]
    assert sizes("nothing", {"preset": "bert-tiny"})[0] == "vocabulary"


def test_a_run_by_hand_says_so_with_its_speed(tmp_path: Path) -> None:
    told = "a step takes 2 s by hand and 1 s in PyTorch: 2.0 times as long"
    run = write_run(tmp_path / "run", run_record(by_hand=told), metrics_rows(200))
    assert cells(write_report(run).read_text(encoding="utf-8"), "worked out in NumPy")[1] == told


def test_precision_micro_batches_and_processes_are_listed_where_they_were_recorded(
    done: Path, tmp_path: Path
) -> None:
    listed = dict(settings(read_run(write_run(tmp_path / "run", watched_record()))))
    assert listed["precision"] == "fp16, compiled" and listed["processes"] == "2"
    assert listed["sequences in a micro-batch"] == "8"

    sharded = watched_record()
    sharded["config"] |= {"shard": True, "compile": False, "micro_batch": None, "precision": "bf16"}
    listed = dict(settings(read_run(write_run(tmp_path / "run", sharded))))
    assert listed["precision"] == "bf16" and listed["processes"] == "2, sharded"
    assert "sequences in a micro-batch" not in listed

    before = (done / "report.md").read_text(encoding="utf-8")
    for word in ("precision", "processes", "micro-batch", "MFU", "memory", "spike", "scale", "phases"):
        assert word not in before


def test_other_runs_are_compared_in_a_section_of_the_first_one_s_report(done: Path, tmp_path: Path) -> None:
    assert "Beside other runs" not in (done / "report.md").read_text(encoding="utf-8")
    run, other = whole_run(tmp_path / "run"), whole_run(tmp_path / "other")
    report = write_report(run, [other]).read_text(encoding="utf-8")
    section = report.partition("\n## Beside other runs\n")[2].partition("\n## ")[0]
    assert "](compare.png)" in section and cells(section, "other")[3:5] == ["4.612", "28.2 %"]
    assert_pictures(run, (*PICTURES, "compare.png"))
    assert not list(other.glob("*.png"))


def test_right_guesses_are_marked_with_a_word_and_counted(done: Path) -> None:
    report = (done / "report.md").read_text(encoding="utf-8")
    rows = [line for line in report.splitlines() if "`[MASK]` the public debt" in line]
    assert rows[0].endswith("| reduce | **reduce** 41.1 % (right); pay 20.0 % |")
    assert rows[1].endswith("| reduce | pay 30.0 %; **reduce** 10.0 % (right) |")
    assert rows[2].endswith(r"| reduce | \* 30.0 %; \| 10.0 % |")
    assert "The first guess is right in 1 of 3, one of the guesses shown in 2." in report


def test_pieces_of_markup_are_escaped_in_tables(done: Path) -> None:
    report = (done / "report.md").read_text(encoding="utf-8")
    assert r"| that we may `[MASK]` the public debt \| and \# of \* it \_ at 5 \$ |" in report


def test_a_long_text_is_shown_around_its_blank(tmp_path: Path) -> None:
    blank = {"text": "word " * 100 + "[MASK]" + " after" * 100, "answer": "x", "guesses": [["x", 1.0]]}
    folder = write_run(tmp_path / "run", run_record(), metrics_rows(40), evaluation_record(blanks=[blank]))
    row = next(line for line in write_report(folder).read_text().splitlines() if "`[MASK]` after" in line)
    assert row.startswith("| … word word") and "word `[MASK]` after" in row and "after … |" in row
    assert len(row) < 300


def test_pictures_decode_and_are_not_blank(done: Path) -> None:
    report = (done / "report.md").read_text(encoding="utf-8")
    assert_pictures(done, PICTURES)
    for name in PICTURES:
        assert f"]({name})" in report


def test_masked_words_alone_leave_next_sentences_out(tmp_path: Path) -> None:
    run = run_record()
    run["config"]["objective"] = "mlm"
    evaluation = {key: value for key, value in evaluation_record().items() if not key.startswith("pair")}
    folder = write_run(tmp_path / "run", run, metrics_rows(pairs=False), evaluation)
    report = write_report(folder).read_text(encoding="utf-8")
    assert cells(report, "**model**")[1:] == ["4.612", "28.2 %"]
    assert "so there are no next-sentence numbers" in report
    assert "chance" not in report.partition("## Pictures")[0]
    assert_pictures(folder, PICTURES)
    card = write_model_card(folder).read_text(encoding="utf-8")
    assert "next-sentence-prediction" not in card and "masked words alone" in card


def test_a_run_that_goes_on_is_reported_with_what_there_is(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", run_record(finished=None), metrics_rows()[:40])
    report = write_report(folder).read_text(encoding="utf-8")
    assert "has not finished" in report and "no evaluation.json" in report and "--resume auto" in report
    assert "The run has come 39.0 % of its way." in report
    assert "At step 500, on held-out text it guesses 25.0 % of the masked words" in report
    assert "taken at step 500, while it trained" in report
    assert "there is no `model.safetensors`" in report
    assert_pictures(folder, PICTURES)


def test_a_run_that_has_logged_nothing_is_reported(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", {"preset": "bert-tiny", "data": {"held_out": None}})
    report = write_report(folder).read_text(encoding="utf-8")
    assert "metrics.jsonl is missing" in report and "There are no held-out numbers" in report
    assert cells(report, "held-out text")[1] == "none"
    assert report.count("No picture of") == 3
    assert_pictures(folder, ())
    assert "There are no held-out numbers" in write_model_card(folder).read_text(encoding="utf-8")


def test_one_logged_line_is_drawn_as_a_point(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", run_record(finished=None), metrics_rows(20))
    assert "Only one line of training has been logged" in write_report(folder).read_text()
    assert_pictures(folder, PICTURES)


@pytest.mark.parametrize("bad", [math.nan, math.inf, None])
def test_losses_that_are_not_numbers_are_said_and_survived(tmp_path: Path, bad: float | None) -> None:
    rows = [
        row | ({"word_loss": bad, "grad_norm": bad} if row["step"] > 1000 else {}) for row in metrics_rows()
    ]
    folder = write_run(tmp_path / "run", run_record(), rows, evaluation_record(word_loss=bad))
    report = write_report(folder).read_text(encoding="utf-8")
    assert "not a finite number on 50 of 100 logged lines, first at step 1,020" in report
    assert cells(report, "**model**")[1] == {math.inf: "infinite", None: "—"}.get(bad, "not a number")
    assert_pictures(folder, PICTURES)


def test_a_run_of_nothing_but_nan_has_no_pictures(tmp_path: Path) -> None:
    nothing = dict.fromkeys(("word_loss", "pair_loss", "lr", "grad_norm", "tokens_per_second"), math.nan)
    rows = [row | nothing for row in metrics_rows(400)]
    folder = write_run(tmp_path / "run", run_record(), rows)
    assert write_report(folder).read_text(encoding="utf-8").count("No picture of") == 3
    assert_pictures(folder, ())


def test_files_are_replaced_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = whole_run(tmp_path / "run")
    write_report(folder)
    write_model_card(folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def fail(source: Path, target: Path) -> None:
        assert Path(source).parent == folder and Path(source).stat().st_size > 0
        raise OSError("the power is gone")

    monkeypatch.setattr(os, "replace", fail)
    for write in (write_report, write_model_card):
        with pytest.raises(OSError, match="power"):
            write(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before

    monkeypatch.undo()
    write_report(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before, (
        "the same files, the same report"
    )


def test_the_report_never_loads_torch() -> None:
    program = "import sys, minibert.report; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)
