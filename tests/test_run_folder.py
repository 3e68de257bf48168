"""The files of a run folder are read, whatever the kind of the run and however far it has come."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from run_folders import metrics_rows, run_record, whole_run, write_run

from minibert.report.run_folder import RunFolder, column, read_folder, read_record


@dataclass(frozen=True)
class Other(RunFolder):
    """A kind of run that has one loss."""


def test_a_run_is_read_as_the_kind_that_is_asked_for(tmp_path: Path) -> None:
    files = read_folder(whole_run(tmp_path / "run"), Other)
    assert isinstance(files, Other) and files.last["step"] == 2000 and files.notes == []
    assert files.get("config", "batch_size") == 32 and files.get("config", "batch_size", "more") is None


def test_a_loss_that_is_not_finite_is_told_of_the_loss_of_the_kind(tmp_path: Path) -> None:
    rows = [row | {"loss": float("nan")} for row in metrics_rows(100)]
    (note,) = [
        note
        for note in read_folder(write_run(tmp_path / "run", run_record(), rows), Other).notes
        if "finite" in note
    ]
    assert note == (
        "The training loss is missing or not a finite number on 5 of 5 logged lines, first at step 20."
    )


def test_only_run_json_has_to_be_there(tmp_path: Path) -> None:
    files = read_folder(write_run(tmp_path / "run", {}), Other)
    assert (files.train, files.held_out, files.last, files.evaluation) == ([], [], {}, {})
    assert len(files.notes) == 2 and files.device == "an unrecorded device" and files.cards == []


def test_what_is_no_record_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="got no such folder"):
        read_record(tmp_path / "nowhere")
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(ValueError, match=r"run\.json cannot be read"):
        read_record(tmp_path)
    (tmp_path / "run.json").write_text(json.dumps({"a": 1}))
    assert read_record(tmp_path) == {"a": 1}


def test_a_column_has_nan_where_there_is_no_number() -> None:
    rows = [{"a": 1}, {"a": None}, {}, {"a": "2"}, {"a": True}, {"a": 0.5}]
    np.testing.assert_array_equal(column(rows, "a"), [1, np.nan, np.nan, np.nan, np.nan, 0.5])
