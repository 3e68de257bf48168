"""A dry run of a fine-tuning tells what the texts are and what it would take, and leaves nothing."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_tasks import bert_folder, small_finetuning

from minibert.batches.labels import Encoded, LabelledBatches, Ragged
from minibert.cli.command_line import main
from minibert.config import FinetuneConfig
from minibert.recipes.dry_finetune import DryFinetuning, Rows, dry_finetune, guessing, rows_of, table
from minibert.recipes.finetune import finetune


@pytest.mark.parametrize("kind", ["classify", "tag", "answer"])
def test_the_first_step_is_that_of_the_run_which_is_not_begun(kind: str, tmp_path: Path) -> None:
    body, config = str(bert_folder(tmp_path)), small_finetuning(kind, tmp_path, log_every=1)
    before = set(tmp_path.iterdir())
    tried = dry_finetune(kind, body, config, "typed")
    assert set(tmp_path.iterdir()) == before
    assert tried.record["command"] == "typed" and (tried.begins, tried.steps) == (0, 6)
    lines = (finetune(kind, body, config) / "metrics.jsonl").read_text().splitlines()
    assert tried.first["loss"] == next(line["loss"] for line in map(json.loads, lines))
    assert tried.step_seconds > 0 and tried.look_seconds > 0 and tried.checkpoint > 10_000


def test_the_command_prints_the_table_and_tries_one_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = small_finetuning("classify", tmp_path)
    words = ["finetune", "classify", str(bert_folder(tmp_path)), "--data", *config.data, "--dry-run"]
    words += ["--max-tokens", "32", "--out", str(tmp_path / "run")]
    assert main(words) == 0
    out = capsys.readouterr().out
    assert "head          classes: no, royal" in out and "step          " in out
    assert not (tmp_path / "run").exists()
    with pytest.raises(SystemExit):
        main([*words, "--seeds", "2"])
    assert "--dry-run tries one run: leave out --seeds" in capsys.readouterr().err


def test_what_the_run_would_refuse_is_refused_and_the_folder_named_is_its_own(tmp_path: Path) -> None:
    body, config = str(bert_folder(tmp_path)), small_finetuning("classify", tmp_path)
    with pytest.raises(ValueError, match="--last-layers must be at most 2"):
        dry_finetune("classify", body, replace(config, strategy="last", last_layers=3))
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "mine.txt").write_text("mine")
    with pytest.raises(ValueError, match=f"{tmp_path / 'run'} is not empty and holds no run"):
        dry_finetune("classify", body, config)


def test_padding_is_counted_over_an_epoch_by_hand() -> None:
    lengths = [2, 4, 3, 7]
    ids = Ragged.of([[1] * length for length in lengths])
    rows = LabelledBatches(Encoded(ids, ids.lengths, np.zeros(4), np.arange(4)), 0, 2, seed=1)
    found = rows_of(rows)
    pairs = [lengths[row] for step in (0, 1) for row in rows.drawn(step)[1]]
    assert sorted(pairs) == [2, 3, 4, 7]
    read = 2 * (max(pairs[:2]) + max(pairs[2:]))
    assert found == Rows(4, 16, 3.5, 7, read / 2, 1 - 16 / read)


def tried(**changes: Any) -> DryFinetuning:
    record = {
        "body": "runs/mine",
        "body_kind": "Bert",
        "head": {"task": "classes", "labels": ["no", "yes"]},
        "device": "cpu",
        "device_name": "a CPU",
        "parameters": 1000,
        "learning_parameters": 10,
        "data": {"texts": {"train": 90, "validation": 10, "test": 20}},
    }
    values = {
        "out": Path("runs/classify-mine"),
        "config": FinetuneConfig(steps=100, batch_size=9, evaluate_every=10, strategy="frozen"),
        "record": record,
        "rows": Rows(90, 1800, 18.0, 64, 200.0, 0.1),
        "first": {"step": 1, "loss": 0.75},
        "step_seconds": 2.0,
        "phases": {"forward": 1.0, "backward": 3.0},
        "look_seconds": 10.0,
        "memory": 2 * 10**9,
        "checkpoint": 10**6,
        "needed": 4 * 10**6,
        "free": 10**9,
    }
    return DryFinetuning(**(values | changes))


def test_the_table_tells_texts_rows_and_what_the_run_would_take() -> None:
    told = dict(table(tried()))
    assert told["texts"] == "90 to learn from, 10 to choose by, 20 to measure on"
    assert told["model"] == "mine (Bert), 1,000 parameters"
    assert told["learning"] == "10 of them, with the head and --strategy frozen"
    assert told["head"] == "classes: no, yes"
    assert told["tokens"] == "1,800 in 90 rows: 18 in half of them or fewer, 64 at most"
    assert told["batch"] == "9 rows, 200 tokens, 10% of them padding"
    assert told["first loss"] == "0.750 (guessing among 2: 0.693)"
    assert told["step"] == "2 s: forward 25%, backward 75%"
    assert told["look"] == "10 s at the validation texts, every 10 steps"
    assert told["whole run"] == "100 steps, 10 epochs, about 5.0 minutes, and what it takes to measure"


def test_a_run_ends_by_steps_or_by_time_and_goes_on_where_it_is() -> None:
    config = FinetuneConfig(max_minutes=1.0, batch_size=9, evaluate_every=10)
    assert tried(config=config).steps == 20  # 3 s from step to step
    begun = tried(first={"step": 41, "loss": 0.5})
    assert begun.begins == 40 and begun.seconds == pytest.approx(180)
    told = dict(table(begun))
    assert told["run folder"].endswith("goes on") and "(40 of them are done)" in told["whole run"]


def test_a_guess_is_among_the_outputs() -> None:
    losses = {task: guessing({"task": task, "labels": list("abcd")}) for task in ("tags", "labels", "number")}
    assert losses == {
        "tags": f" (guessing among 4: {math.log(4):.3f})",
        "labels": f" (guessing among 2: {math.log(2):.3f})",
        "number": "",
    }
