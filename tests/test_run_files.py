"""A run folder is read however far the run has come; what is no run folder is refused."""

from pathlib import Path
from typing import Any

import pytest
from run_folders import (
    causal_record,
    causal_run,
    evaluation_record,
    metrics_rows,
    run_record,
    watched_rows,
    whole_run,
    write_run,
)

from minibert.report import write_model_card, write_report
from minibert.report.run_files import read_run


def test_a_last_line_cut_short_is_passed_over(tmp_path: Path) -> None:
    folder = whole_run(tmp_path / "run")
    with (folder / "metrics.jsonl").open("a") as metrics:
        metrics.write('{"kind": "train", "step": 2020, "word_lo')
    files = read_run(folder)
    assert files.last["step"] == 2000 and files.notes == []


def test_a_broken_line_in_the_middle_is_named(tmp_path: Path) -> None:
    folder = whole_run(tmp_path / "run")
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    (folder / "metrics.jsonl").write_text("\n".join([*lines[:3], lines[3][:20], *lines[4:]]) + "\n")
    files = read_run(folder)
    assert files.notes == ["Line 4 of metrics.jsonl cannot be read and is passed over."]
    assert len(files.train) == 99


def test_after_a_resume_the_later_line_of_a_step_counts(tmp_path: Path) -> None:
    rows = metrics_rows(1000)
    again = [row | {"word_loss": 1.0} for row in rows if row["step"] > 480]
    folder = write_run(tmp_path / "run", run_record(), rows + again)
    files = read_run(folder)
    assert [row["step"] for row in files.train] == list(range(20, 1001, 20))
    assert [row["word_loss"] == 1.0 for row in files.train] == [False] * 24 + [True] * 26
    assert [(row["step"], row["word_loss"]) for row in files.held_out] == [(500, 1.0), (1000, 1.0)]


def test_spikes_and_overflows_are_lines_of_their_own_and_go_with_what_a_resume_repeats(
    tmp_path: Path,
) -> None:
    rows = watched_rows()
    files = read_run(write_run(tmp_path / "run", run_record(), rows))
    assert [row["step"] for row in files.spikes] == [333, 905]
    assert [row["step"] for row in files.overflows] == [2, 590, 1200]
    assert len(files.train) == 100 and len(files.held_out) == 4

    again = [row for row in rows if row["step"] > 600 and row["kind"] not in ("spike", "overflow")]
    files = read_run(write_run(tmp_path / "run", run_record(), rows + again))
    assert [row["step"] for row in files.spikes] == [333]
    assert [row["step"] for row in files.overflows] == [2, 590]
    assert [row["step"] for row in files.train] == list(range(20, 2001, 20))


def test_the_evaluation_is_the_look_at_its_step(tmp_path: Path) -> None:
    for step, looks in ((2000, [500, 1000, 1500, 2000]), (1700, [500, 1000, 1500, 1700, 2000])):
        folder = write_run(tmp_path / "run", run_record(), metrics_rows(), evaluation_record(step=step))
        files = read_run(folder)
        assert [look["step"] for look in files.looks] == looks
        assert files.newest == files.evaluation == files.looks[looks.index(step)]
    (folder / "evaluation.json").unlink()
    files = read_run(folder)
    assert files.looks == files.held_out and files.newest["step"] == 2000
    assert read_run(write_run(tmp_path / "new", run_record(), metrics_rows(40))).newest == {}


def test_the_text_to_fill_is_from_the_run_where_it_has_one(tmp_path: Path) -> None:
    for blanks, text in (([], "The [MASK] of the union"), ([{"text": "从[MASK]开始"}], "从[MASK]开始")):
        folder = write_run(tmp_path / "run", run_record(), metrics_rows(), evaluation_record(blanks=blanks))
        assert read_run(folder).text_to_fill == text


def test_the_prompt_is_from_the_run_where_it_has_one(tmp_path: Path) -> None:
    run = read_run(causal_run(tmp_path / "run"))
    assert run.causal and not run.pairs and run.prompt == "We the people"
    assert read_run(causal_run(tmp_path / "none", samples=[])).prompt == "The state of the union"


def test_a_run_is_what_its_record_says_and_an_old_one_a_bert_with_pairs(tmp_path: Path) -> None:
    old = read_run(write_run(tmp_path / "old", {"data": {"corpus": ["sotu"]}}))
    assert old.pairs and not old.causal and old.name == "a BERT on sotu"
    assert old.kind.called == "a BERT" and old.pieces.called == "word pieces"
    new = read_run(write_run(tmp_path / "new", causal_record("qwen-tiny", "char")))
    assert new.kind.called == "a Qwen" and new.pieces.called == "characters"


def test_a_loss_that_is_not_finite_is_named_by_what_is_predicted(tmp_path: Path) -> None:
    rows = [row | {"word_loss": None} for row in metrics_rows(100, pairs=False)]
    for name, record, what in (("a", run_record(), "masked words"), ("b", causal_record(), "next tokens")):
        notes = read_run(write_run(tmp_path / name, record, rows)).notes
        assert notes[-1] == (
            f"The training loss on {what} is missing or not a finite number on 5 of 5 logged lines, first at "
            "step 20."
        )


def test_a_broken_evaluation_is_said(tmp_path: Path) -> None:
    folder = whole_run(tmp_path / "run")
    (folder / "evaluation.json").write_text('{"step": 20')
    files = read_run(folder)
    assert files.evaluation == {} and files.notes[0].startswith("evaluation.json cannot be read")


def test_what_a_bad_gradient_left_is_named(tmp_path: Path) -> None:
    folder = whole_run(tmp_path / "run")
    (folder / "bad-step-00000012.json").write_text("{}")
    (folder / "bad-step-00000012.safetensors").touch()
    assert read_run(folder).notes == [
        "The run stopped at a gradient that was not finite. What is known of it: bad-step-00000012.json."
    ]


@pytest.mark.parametrize("write", [write_report, write_model_card])
def test_what_is_no_run_folder_is_refused(tmp_path: Path, write: Any) -> None:
    with pytest.raises(
        ValueError, match=r"not a run folder: expected a file run\.json in it, got no such folder"
    ):
        write(tmp_path / "nowhere")
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ValueError, match=r"got notes\.txt\. Give the folder that `minibert pretrain` or"):
        write(tmp_path)
    (tmp_path / "run.json").write_text("[1, 2]")
    with pytest.raises(ValueError, match=r"run\.json cannot be read.*a list in place of an object"):
        write(tmp_path)
