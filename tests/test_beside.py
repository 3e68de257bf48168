"""Runs are compared by their names, scores, costs and settings, whatever is missing in one of them."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from run_folders import (
    assert_pictures,
    causal_record,
    causal_run,
    cells,
    evaluation_record,
    metrics_rows,
    run_record,
    watched_record,
    watched_rows,
    whole_run,
    write_run,
)

from minibert import plots
from minibert.report.beside import compared, names_of
from minibert.report.run_files import read_run


def section(*folders: Path) -> str:
    return "\n".join(compared([read_run(folder) for folder in folders]))


def paper(folder: Path, **config: Any) -> Path:
    """A run like `whole_run`, but with these settings, and worse."""
    record = run_record()
    record["config"] |= {"out": "elsewhere", **config}
    evaluation = evaluation_record(word_loss=6.2, word_accuracy=0.126, pair_loss=0.69, pair_accuracy=0.49)
    return write_run(folder, record, metrics_rows(), evaluation)


def test_each_run_has_a_row_with_what_it_reached(tmp_path: Path) -> None:
    run, other = whole_run(tmp_path / "run"), paper(tmp_path / "paper", optimizer="adamw")
    said = section(run, other)
    own = ["2,000", "4 min 4 s", "4.612", "28.2 %", "0.561", "73.5 %"]
    assert cells(said, "**run**")[1:-1] == own
    assert cells(said, "paper")[1:-1] == ["2,000", "4 min 4 s", "6.200", "12.6 %", "0.690", "49.0 %"]
    assert cells(said, "paper")[-1].startswith("16,9") and "tokens per second" in said
    assert "MFU" not in said and "memory" not in said
    assert_pictures(run, ("compare.png",))


def test_what_runs_cost_has_columns_when_one_of_them_recorded_it(tmp_path: Path) -> None:
    watched = write_run(tmp_path / "watched", watched_record(), watched_rows(), evaluation_record())
    said = section(whole_run(tmp_path / "old"), watched)
    assert "| tokens per second | MFU | peak memory |" in said
    assert cells(said, "watched")[-2:] == ["31.0 %", "1.1 GB"] and cells(said, "**old**")[-2:] == ["—", "—"]


def test_settings_that_differ_stand_in_a_table(tmp_path: Path) -> None:
    other = paper(tmp_path / "paper", optimizer="adamw", dropout=0.1, lr=None, resume="auto")
    said = section(whole_run(tmp_path / "run"), other)
    assert "|  | run | paper |" in said
    assert cells(said, "optimizer")[1:] == ["muon", "adamw"] and cells(said, "lr")[1:] == [
        "0.003",
        "not given",
    ]
    # run.json of `run` says nothing of dropout, as one of an older version would
    for name in ("dropout", "out", "resume", "ran on", "corpus", "preset"):
        assert f"| {name} |" not in said
    assert "All have the same settings." in section(tmp_path / "run", paper(tmp_path / "again"))


def test_where_runs_ran_is_a_difference(tmp_path: Path) -> None:
    fast = write_run(
        tmp_path / "fast", run_record(device="cuda", device_name="H200", threads=None), metrics_rows()
    )
    assert cells(section(whole_run(tmp_path / "run"), fast), "ran on")[1:] == [
        "cpu (AMD EPYC 7B13), 2 threads",
        "cuda (H200)",
    ]


def test_losses_that_cannot_be_compared_are_named(tmp_path: Path) -> None:
    run, longer = whole_run(tmp_path / "run"), paper(tmp_path / "longer", seq_len=128)
    assert "another length than run: longer." in section(run, longer)
    other = run_record()
    other["data"] = {**other["data"], "tokenizer": "cafe" * 16}
    assert "than run: cut." in section(run, write_run(tmp_path / "cut", other, metrics_rows()))
    masked = section(run, paper(tmp_path / "masked", mask_rate=0.3))
    assert "mask different shares" in masked and "than run" not in masked
    assert "cannot be compared" not in section(run, paper(tmp_path / "same"))


def test_causal_models_are_compared_by_loss_perplexity_and_bits_per_byte(tmp_path: Path) -> None:
    run = causal_run(tmp_path / "run")
    letters = causal_record("gpt-tiny", "char", data=causal_record()["data"] | {"tokenizer": "cafe" * 16})
    other = causal_run(tmp_path / "letters", letters, word_loss=1.2, bits_per_byte=1.2 / math.log(2))
    said = section(run, other)
    assert "| next tokens: loss (nats) | perplexity | next tokens: accuracy | bits per byte | tok" in said
    assert cells(said, "**run**")[3:7] == ["4.000", "54.60", "28.2 %", "1.443"]
    assert cells(said, "letters")[3:7] == ["1.200", "3.32", "28.2 %", "1.731"]
    assert "Loss on next tokens (nats), on held-out text above" in said and "masked" not in said
    assert "another tokenizer or another length than run: letters. Losses on other questions" in said
    assert "Bits per byte do not depend on the tokenizer: on the same text they can be compared." in said
    assert cells(said, "tokenizer")[1:] == ["bpe", "char"]


def test_of_runs_with_the_same_tokenizer_nothing_is_said_of_bits(tmp_path: Path) -> None:
    said = section(causal_run(tmp_path / "run"), causal_run(tmp_path / "other", causal_record("llama-tiny")))
    assert "cannot be compared" not in said and "Bits per byte" not in said


def test_runs_of_different_objectives_stand_side_by_side_with_a_warning(tmp_path: Path) -> None:
    said = section(whole_run(tmp_path / "bert"), causal_run(tmp_path / "gpt"))
    assert "Loss on masked words or next tokens (nats), on" in said
    assert cells(said, "**bert**")[3:9] == ["4.612", "28.2 %", "0.561", "73.5 %", "—", "—"]
    assert cells(said, "gpt")[3:9] == ["4.000", "28.2 %", "—", "—", "54.60", "1.443"]
    assert "Another objective, other text, another tokenizer or another length than bert: gpt." in said
    assert "Bits per byte do not depend" not in said
    assert cells(said, "objective")[1:] == ["mlm+nsp", "clm"]
    masked = section(whole_run(tmp_path / "pairs"), paper(tmp_path / "alone", objective="mlm"))
    assert "Another objective" in masked and "length than pairs: alone." in masked


def test_causal_models_mask_nothing_at_whatever_rate(tmp_path: Path) -> None:
    record = causal_record()
    record["config"] |= {"mask_rate": 0.3}
    said = section(causal_run(tmp_path / "run"), causal_run(tmp_path / "other", record))
    assert "mask different shares" not in said


def test_runs_with_little_or_nothing_in_them_are_compared(tmp_path: Path) -> None:
    run = whole_run(tmp_path / "run")
    alone = run_record()
    alone["config"] |= {"objective": "mlm"}
    nan = [row | ({"word_loss": math.nan} if row["step"] > 1000 else {}) for row in metrics_rows()]
    others = [
        write_run(tmp_path / "killed", run_record(finished=None), metrics_rows(900)),
        write_run(tmp_path / "one", run_record(finished=None), metrics_rows(20)),
        write_run(tmp_path / "nothing", {"preset": "bert-tiny", "data": {"held_out": None}}),
        write_run(tmp_path / "alone", alone, metrics_rows(pairs=False), None),
        write_run(tmp_path / "nan", run_record(), nan),
    ]
    said = section(run, *others)
    assert "so there is no curve: nothing." in said and "No held-out numbers: one, nothing." in said
    assert "Not evaluated at the end (yet): killed, alone, nan." in said
    assert cells(said, "killed")[1:5] == [
        "900, not finished",
        "1 min 50 s",
        cells(said, "killed")[3],
        "25.0 %",
    ]
    assert cells(said, "nothing")[1:] == ["—, not finished", "an unrecorded time", *["—"] * 5]
    assert cells(said, "alone")[5:7] == ["—", "—"] and cells(said, "nan")[3] == "not a number"
    assert_pictures(run, ("compare.png",))


def test_runs_without_a_loss_have_no_picture(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / name, run_record()) for name in ("a", "b")]
    assert "No finite loss has been logged, so there is no curve: a, b." in section(*runs)
    assert_pictures(runs[0], ())


def test_looks_at_held_out_text_are_drawn_at_the_time_they_were_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[plots.RunCurves] = []
    figure = plots.comparison_figure
    monkeypatch.setattr(plots, "comparison_figure", lambda curves: drawn.extend(curves) or figure(curves))
    section(whole_run(tmp_path / "run"), write_run(tmp_path / "new", run_record(), metrics_rows(20)))
    np.testing.assert_allclose(drawn[0].held_out_seconds, np.multiply([500, 1000, 1500, 2000], 0.122))
    np.testing.assert_allclose(drawn[0].held_out[-1], 4.61234)
    assert drawn[1].held_out.size == 0 and drawn[1].name == "new"


def test_runs_are_named_by_as_much_of_their_path_as_tells_them_apart(tmp_path: Path) -> None:
    assert names_of([Path("runs/demo"), Path("runs/paper")]) == ["demo", "paper"]
    assert names_of([Path("a/demo"), Path("b/demo"), Path("c")])[:2] == ["a/demo", "b/demo"]
    assert names_of([tmp_path / "x" / ".." / "demo"]) == ["demo"]


def test_a_run_that_is_given_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"run is given twice; give each run once"):
        names_of([tmp_path / "run", tmp_path / "other", tmp_path / "other" / ".." / "run"])
