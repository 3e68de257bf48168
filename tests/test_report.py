"""The report and the model card say what the files say, and nothing missing stops them."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import pytest

from minibert import plots
from minibert.report import write_model_card, write_report
from minibert.report.files import read_run
from minibert.report.markdown import duration, escape, nats, percent

PICTURES = ("loss.png", "optimizer.png", "speed.png")


def run_record(**changes: Any) -> dict[str, Any]:
    """A run.json as pretraining writes it."""
    record = {
        "preset": "bert-tiny",
        "command": "minibert pretrain bert-tiny --corpus sotu",
        "config": {
            "objective": "mlm+nsp",
            "optimizer": "muon",
            "lr": 0.003,
            "matrix_lr": 0.02,
            "batch_size": 32,
            "seq_len": 64,
            "mask_rate": 0.15,
            "clip": 1.0,
            "seed": 0,
            "from_folder": None,
        },
        "model": {
            "layers": 2,
            "width": 128,
            "heads": 2,
            "feedforward": 512,
            "vocab_size": 8192,
            "max_positions": 512,
        },
        "parameters": 1553538,
        "versions": {"minibert": "0.1.0", "python": "3.11.9", "torch": "2.13.0"},
        "device": "cpu",
        "device_name": "AMD EPYC 7B13",
        "threads": 2,
        "started": "2026-01-02T03:04:05",
        "finished": "2026-01-02T03:09:00",
        "data": {
            "corpus": ["sotu"],
            "cards": [
                {
                    "name": "sotu",
                    "language": "en",
                    "title": "Messages to Congress",
                    "license": "public domain",
                }
            ],
            "fingerprint": "f00d" * 16,
            "tokenizer": "beef" * 16,
            "train": {"documents": 238, "sentences": 61234, "tokens": 2312345},
            "held_out": {
                "documents": 2,
                "sentences": 2345,
                "tokens": 98765,
                "names": ["1801-Jefferson-1", "2005-Bush-1"],
            },
        },
    }
    return record | changes


def metrics_rows(steps: int = 2000, pairs: bool = True) -> list[dict[str, Any]]:
    """The lines of a run like those that really happen: losses fall, noise stays."""
    noise = np.random.default_rng(0)
    rows: list[dict[str, Any]] = []
    for step in range(20, steps + 1, 20):
        words = 4.5 + 4.5 * math.exp(-step / 350)
        row = {
            "kind": "train",
            "step": step,
            "tokens": step * 2048,
            "seconds": step * 0.122,
            "progress": step / steps,
            "word_loss": words + noise.normal(0, 0.14),
            "lr": 3e-3 * min(step / 100, (steps - step) / max(steps - 100, 1)),
            "grad_norm": math.exp(noise.normal(0, 0.25)) + 8 * math.exp(-step / 60),
            "tokens_per_second": noise.normal(17000, 400),
        }
        if pairs:
            row["pair_loss"] = 0.55 + 0.15 * math.exp(-step / 900) + noise.normal(0, 0.03)
        row["loss"] = row["word_loss"] + row.get("pair_loss", 0.0)
        rows.append(row)
        if step % 500 == 0:
            look = {"kind": "held_out", "step": step, "word_loss": words + 0.1, "word_accuracy": 0.25}
            rows.append(look | ({"pair_loss": 0.58, "pair_accuracy": 0.7} if pairs else {}))
    return rows


def evaluation_record(**changes: Any) -> dict[str, Any]:
    """An evaluation.json as pretraining writes it."""
    text = "that we may [MASK] the public debt | and # of * it _ at 5 $"
    blanks = [
        {"text": text, "answer": "reduce", "guesses": [["reduce", 0.411], ["pay", 0.2]]},
        {"text": text, "answer": "reduce", "guesses": [["pay", 0.3], ["reduce", 0.1]]},
        {"text": text, "answer": "reduce", "guesses": [["*", 0.3], ["|", 0.1]]},
    ]
    record = {
        "step": 2000,
        "word_loss": 4.61234,
        "word_accuracy": 0.28151,
        "word_predictions": 12345,
        "pair_loss": 0.5612,
        "pair_accuracy": 0.7349,
        "pairs": 2048,
        "seq_len": 64,
        "seed": 0,
        "mask_rate": 0.15,
        "baselines": {
            "unigram": {"loss": 6.5812, "accuracy": 0.0651},
            "bigram": {"loss": 5.9434, "accuracy": 0.1522},
        },
        "blanks": blanks,
    }
    return record | changes


def write_run(
    folder: Path,
    run: dict[str, Any] | None = None,
    rows: list[dict[str, Any]] | None = None,
    evaluation: dict[str, Any] | None = None,
) -> Path:
    """Write a run folder; what is None is left out."""
    folder.mkdir(exist_ok=True)
    if run is not None:
        (folder / "run.json").write_text(json.dumps(run))
    if rows is not None:
        (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    if evaluation is not None:
        (folder / "evaluation.json").write_text(json.dumps(evaluation))
    return folder


def whole_run(folder: Path) -> Path:
    """A run that is done, with everything in it."""
    (write_run(folder, run_record(), metrics_rows(), evaluation_record()) / "model.safetensors").touch()
    return folder


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole run with its report and its model card."""
    folder = whole_run(tmp_path_factory.mktemp("runs") / "run")
    write_report(folder)
    write_model_card(folder)
    return folder


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the drawing out, which takes most of the time."""
    monkeypatch.setattr(plots, "save", lambda figure, path: None)


def cells(report: str, start: str) -> list[str]:
    """The cells of the table row whose first cell starts so."""
    rows = [line for line in report.splitlines() if line.startswith(f"| {start}")]
    assert len(rows) == 1, f"expected one row that starts with {start!r}, got {rows}"
    return [cell.strip() for cell in rows[0].strip("|").split(" | ")]


def assert_pictures(folder: Path, names: tuple[str, ...]) -> None:
    assert {path.name for path in folder.glob("*.png")} == set(names)
    for name in names:
        pixels = matplotlib.image.imread(folder / name)[..., :3]
        assert pixels.shape[0] > 300 and pixels.shape[1] > 900, name
        assert 0.005 < (pixels.min(axis=-1) < 0.5).mean() < 0.3, f"{name} is blank, or black"


def test_the_table_holds_the_numbers_of_the_evaluation(done: Path) -> None:
    report = (done / "report.md").read_text(encoding="utf-8")
    assert cells(report, "**model**")[1:] == ["4.612", "28.2 %", "0.561", "73.5 %"]
    assert cells(report, "unigram")[1:] == ["6.581", "6.5 %", "—", "—"]
    assert cells(report, "bigram")[1:] == ["5.943", "15.2 %", "—", "—"]
    assert cells(report, "chance")[1:] == ["—", "—", "0.693", "50.0 %"]
    assert "1.969 nats below the unigram baseline's and 1.331 nats below the bigram" in report
    assert "12,345 predictions" in report and "2,048 pairs" in report and "64 tokens" in report


def test_the_summary_says_what_ran_and_what_came_of_it(done: Path) -> None:
    report = (done / "report.md").read_text(encoding="utf-8")
    summary = report.split("\n\n")[1]
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
        assert words in summary
    assert "**Note.**" not in report


def test_what_ran_is_listed(done: Path) -> None:
    report = (done / "report.md").read_text(encoding="utf-8")
    assert "\n    minibert pretrain bert-tiny --corpus sotu\n" in report
    assert cells(report, "fingerprint of the text")[1] == "f00d" * 16
    assert cells(report, "fingerprint of the tokenizer")[1] == "beef" * 16
    assert cells(report, "version of torch")[1] == "2.13.0"
    assert cells(report, "training text")[1] == "238 documents, 61,234 sentences, 2,312,345 tokens"
    assert "Documents held out: 1801-Jefferson-1, 2005-Bush-1." in report
    assert f'minibert fill {done} "the [MASK] of the union"' in report


def test_right_guesses_are_marked_with_a_word_and_counted(done: Path) -> None:
    report = (done / "report.md").read_text(encoding="utf-8")
    rows = [line for line in report.splitlines() if "`[MASK]` the public debt" in line]
    assert rows[0].endswith("| reduce | **reduce** 41.1 % (right), pay 20.0 % |")
    assert rows[1].endswith("| reduce | pay 30.0 %, **reduce** 10.0 % (right) |")
    assert rows[2].endswith(r"| reduce | \* 30.0 %, \| 10.0 % |")
    assert "The first guess is right in 1 of 3, one of the guesses shown in 2." in report


def test_pieces_of_markup_are_escaped_in_tables(done: Path) -> None:
    report = (done / "report.md").read_text(encoding="utf-8")
    assert r"| that we may `[MASK]` the public debt \| and \# of \* it \_ at 5 \$ |" in report
    assert escape("a|b\nc `d` <e> [f]") == r"a\|b c \`d\` \<e\> \[f\]"


@pytest.mark.usefixtures("no_pictures")
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


@pytest.mark.usefixtures("no_pictures")
def test_other_recipes_stand_in_further_rows(tmp_path: Path) -> None:
    other = {"name": "paper's recipe (AdamW)", "minutes": 4.5, "word_loss": 6.2, "word_accuracy": 0.126}
    evaluation = evaluation_record(comparisons=[other | {"pair_loss": 0.69, "pair_accuracy": 0.49}])
    report = write_report(write_run(tmp_path / "run", run_record(), metrics_rows(), evaluation)).read_text()
    assert "the same minutes, other recipes" in report
    assert cells(report, "paper's recipe (AdamW) (4 min 30 s)")[1:] == ["6.200", "12.6 %", "0.690", "49.0 %"]


@pytest.mark.usefixtures("no_pictures")
def test_a_model_that_does_not_beat_a_baseline_is_called_so(tmp_path: Path) -> None:
    evaluation = evaluation_record(word_loss=6.2)
    report = write_report(write_run(tmp_path / "run", run_record(), metrics_rows(), evaluation)).read_text()
    assert "0.381 nats below the unigram baseline's and 0.257 nats above the bigram baseline's" in report
    assert "has learned less than that baseline" in report


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
    folder = write_run(tmp_path / "run", {"preset": "bert-tiny"})
    report = write_report(folder).read_text(encoding="utf-8")
    assert "metrics.jsonl is missing" in report and "There are no held-out numbers" in report
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


@pytest.mark.usefixtures("no_pictures")
def test_a_broken_evaluation_is_said(tmp_path: Path) -> None:
    folder = whole_run(tmp_path / "run")
    (folder / "evaluation.json").write_text('{"step": 20')
    assert "evaluation.json cannot be read" in write_report(folder).read_text(encoding="utf-8")


@pytest.mark.parametrize("write", [write_report, write_model_card])
def test_what_is_no_run_folder_is_refused(tmp_path: Path, write: Any) -> None:
    with pytest.raises(
        ValueError, match=r"not a run folder: expected a file run\.json in it, got no such folder"
    ):
        write(tmp_path / "nowhere")
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ValueError, match=r"got notes\.txt\. Give the folder that `minibert pretrain` wrote"):
        write(tmp_path)
    (tmp_path / "run.json").write_text("[1, 2]")
    with pytest.raises(ValueError, match=r"run\.json cannot be read.*a list in place of an object"):
        write(tmp_path)


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


def test_the_model_card_is_read_by_the_hub_library(done: Path) -> None:
    hub = pytest.importorskip("huggingface_hub")
    text = (done / "README.md").read_text(encoding="utf-8")
    data = hub.ModelCard(text).data.to_dict()
    assert data["language"] == ["en"] and data["datasets"] == ["sotu"] and data["metrics"] == ["accuracy"]
    assert data["library_name"] == "transformers" and data["pipeline_tag"] == "fill-mask"
    assert {"bert", "next-sentence-prediction"} <= set(data["tags"])
    for words in (
        "| 4.612 | 28.2 % |",
        "educational model",
        "64 tokens",
        "up to 512",
        "Messages to Congress",
    ):
        assert words in text


def test_the_model_card_of_plain_files_names_no_language_and_no_folders(tmp_path: Path) -> None:
    run = run_record()
    run["data"] |= {"corpus": ["/home/someone/private/letters.txt"], "cards": []}
    text = write_model_card(
        write_run(tmp_path / "run", run, metrics_rows(40), evaluation_record())
    ).read_text()
    front = text.split("---")[1]
    assert "language:" not in front and "datasets:" not in front
    assert "letters.txt" in text and "/home/someone" not in text


def test_durations_and_numbers_read_well() -> None:
    assert [duration(s) for s in (2.41, 59.7, 270.4, 3661, None, math.nan)] == [
        "2.4 s",
        "1 min 0 s",
        "4 min 30 s",
        "1 h 1 min",
        "an unrecorded time",
        "an unrecorded time",
    ]
    assert [percent(0.28151), percent(None), percent(math.nan)] == ["28.2 %", "—", "not a number"]
    assert [nats(4.61234), nats(math.inf), nats("4")] == ["4.612", "infinite", "—"]


def test_the_report_never_loads_torch() -> None:
    program = "import sys, minibert.report; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)
