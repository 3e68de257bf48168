"""A report shows what the loop recorded; each picture with its words, and none without numbers."""

from pathlib import Path

import pytest
from run_folders import (
    PICTURES,
    assert_pictures,
    causal_run,
    evaluation_record,
    metrics_rows,
    run_record,
    watched_record,
    watched_rows,
    write_run,
)

from minibert import plots
from minibert.report.pictures import pictures
from minibert.report.run_files import read_run

COSTS = ("loss_scale.png", "phases.png")


def shown(folder: Path) -> str:
    return "\n".join(pictures(read_run(folder)))


def test_a_run_that_is_watched_has_all_pictures(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", watched_record(), watched_rows(), evaluation_record())
    said = shown(run)
    assert_pictures(run, (*PICTURES, *COSTS))
    for name in (*PICTURES, *COSTS):
        assert f"]({name})" in said
    assert "31.0 % of the 2 × 0.11 TFLOP/s" in said


def test_spikes_are_listed_with_what_was_expected_and_whether_the_step_was_taken(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", watched_record(), watched_rows())
    assert (
        "Loss spikes: 2, marked over the curve: step 333 (9.30 where 5.20 ± 0.11 was expected; left out), "
        "step 905 (9.30 where 5.20 ± 0.11 was expected; taken)." in shown(run)
    )


def test_of_many_events_the_first_ten_are_named(tmp_path: Path) -> None:
    rows = watched_rows()
    rows += [{"kind": kind, "step": 2000 + i} for i in range(1, 31) for kind in ("spike", "overflow")]
    said = shown(write_run(tmp_path / "run", watched_record(), rows))
    assert "Loss spikes: 32, marked" in said and "and 22 more." in said
    assert "left out: 2, 590, 1,200, 2,001, 2,002, 2,003, 2,004, 2,005, 2,006, 2,007, and 23 more." in said
    assert "step 2,001 (— where — ± — was expected; taken)" in said


def test_the_course_of_the_loss_scale_is_told(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", watched_record(), watched_rows())
    assert "The loss scale of fp16: 65,536 on the first logged line, 32,768 on the last." in shown(run)
    quiet = [row for row in watched_rows(400) if row["kind"] != "overflow"]
    quiet = write_run(tmp_path / "quiet", watched_record(), quiet)
    assert "The loss scale of fp16 stayed at 65,536; no step overflowed." in shown(quiet)
    assert_pictures(quiet, (*PICTURES, "phases.png"))


def test_a_run_that_recorded_none_of_it_has_nothing_of_it(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", run_record(), metrics_rows(), evaluation_record())
    said = shown(run)
    assert said.count("![") == 3 and "spike" not in said and "scale" not in said
    assert said.endswith("Tokens of training text per second, padding and special tokens included.")
    assert_pictures(run, PICTURES)


def test_two_lines_of_a_watched_run_are_drawn(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", watched_record(finished=None), watched_rows(40))
    shown(run)
    assert_pictures(run, (*PICTURES, *COSTS))


def test_the_best_step_of_a_run_that_stopped_early_is_marked(tmp_path: Path) -> None:
    record = run_record(stopped_early={"step": 2000, "best_step": 1500, "loss": 5.1})
    stopped = write_run(tmp_path / "stopped", record, metrics_rows())
    plain = write_run(tmp_path / "plain", run_record(), metrics_rows())
    assert shown(stopped) == shown(plain)
    one, other = ((run / "loss.png").read_bytes() for run in (stopped, plain))
    assert one != other


def test_the_loss_of_a_causal_model_is_one_panel_with_its_baselines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[plots.LossCurve] = []
    figure = plots.loss_figure
    monkeypatch.setattr(
        plots, "loss_figure", lambda curves, *more: drawn.extend(curves) or figure(curves, *more)
    )
    said = shown(causal_run(tmp_path / "run"))
    assert [curve.title for curve in drawn] == ["Next tokens"]
    assert drawn[0].levels == {"unigram": 6.5812, "bigram": 5.9434} and drawn[0].held_out[-1] == 4.0
    assert said.endswith("Tokens of training text per second, the ends of documents included.")
    assert "mask" not in said
