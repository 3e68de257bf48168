"""What a run cost is told from what its loop has recorded, and only that."""

import math
from pathlib import Path

import numpy as np
from run_folders import metrics_rows, run_record, watched_record, watched_rows, write_run

from minibert.report.run_files import RunFiles, read_run
from minibert.report.speed import memory, phases, share_of_peak, speed, told


def watched(folder: Path, **changes: object) -> RunFiles:
    return read_run(write_run(folder / "run", watched_record(**changes), watched_rows()))


def test_the_share_of_the_peak_is_told_with_the_peak_and_where_it_comes_from(tmp_path: Path) -> None:
    files = watched(tmp_path)
    assert share_of_peak(files) == 0.31
    assert speed(files) == np.median([row["tokens_per_second"] for row in files.train])
    assert (
        "31.0 % of the 2 × 0.11 TFLOP/s measured at the start: tokens per second × 9.3 MFLOP for a token"
        in told(files)
    )
    named = watched(tmp_path, peak_from="named", peak_flops=7.9e14, processes=1)
    assert "31.0 % of the 790 TFLOP/s given with `--peak-tflops`" in told(named)


def test_the_peak_of_memory_is_the_largest_that_was_logged(tmp_path: Path) -> None:
    files = watched(tmp_path)
    files.train[3]["memory"] = 2_500_000_000
    assert memory(files) == "2.5 GB"
    assert told(files).endswith("At its peak the first process held 2.5 GB of memory.")
    assert told(watched(tmp_path, device="cuda", processes=1)).endswith(
        "At its peak the process held 1.1 GB of the GPU's memory."
    )


def test_lines_without_numbers_count_for_nothing(tmp_path: Path) -> None:
    files = watched(tmp_path)
    for row, bad in zip(files.train, (math.nan, math.inf, None, "many"), strict=False):
        row |= {"mfu": bad, "memory": bad, "tokens_per_second": bad}
    assert share_of_peak(files) == 0.31 and memory(files) == "1.1 GB"
    assert speed(files) == np.median([row["tokens_per_second"] for row in files.train[4:]])


def test_of_a_run_that_recorded_none_of_it_nothing_is_told(tmp_path: Path) -> None:
    files = read_run(write_run(tmp_path / "run", run_record(), metrics_rows()))
    assert told(files) == "" and share_of_peak(files) is None and memory(files) == "—"
    assert phases(files)[0].size == 0
    nothing = read_run(write_run(tmp_path / "nothing", run_record()))
    assert told(nothing) == "" and speed(nothing) is None and phases(nothing)[0].size == 0


def test_phases_are_seconds_per_step_at_the_lines_that_have_all_of_them(tmp_path: Path) -> None:
    files = watched(tmp_path)
    files.train[0]["phases"] = {"forward": 0.05}
    files.train[1]["phases"] = None
    files.train[2]["phases"]["backward"] = math.nan
    files.train[3]["phases"] = {"rest": 0.002, **files.train[3]["phases"], "backward": 0.09}
    seconds, parts = phases(files)
    np.testing.assert_array_equal(seconds, [row["seconds"] for row in files.train[3:]])
    assert list(parts) == ["data", "forward", "backward", "optimizer", "rest"]
    np.testing.assert_array_equal(parts["backward"], [0.09] + [0.08] * 96)
