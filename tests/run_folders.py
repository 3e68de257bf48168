"""Run folders as pretraining leaves them, made up, and what tests read in reports."""

import json
import math
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np

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


def watched_record(**changes: Any) -> dict[str, Any]:
    """A run.json of a run in fp16 whose loop has recorded what it costs, too."""
    record = run_record(processes=2, peak_flops=1.1e11, peak_from="measured", flops_per_token=9.3e6)
    record["config"] |= {"precision": "fp16", "micro_batch": 8, "compile": True, "shard": False}
    return record | changes


def watched_rows(steps: int = 2000) -> list[dict[str, Any]]:
    """The lines of such a run: one spike left out, one taken, and three overflows among them."""
    rows = metrics_rows(steps)
    for row in rows:
        if row["kind"] == "train":
            row |= {
                "mfu": 0.31,
                "memory": 1_100_000_000 + 10_000 * row["step"],
                "phases": {
                    "data": 0.001,
                    "forward": 0.04,
                    "backward": 0.08,
                    "optimizer": 0.02,
                    "rest": 0.002,
                },
                "loss_scale": 2.0**16 if row["step"] < 600 else 2.0**15,
            }
    spike = {"kind": "spike", "step": 333, "loss": 9.3, "expected": 5.2, "deviation": 0.11, "skipped": True}
    events = [spike, spike | {"step": 905, "skipped": False}]
    events += [{"kind": "overflow", "step": step, "loss_scale": 2.0**15} for step in (2, 590, 1200)]
    return sorted(rows + [e for e in events if e["step"] <= steps], key=lambda row: row["step"])


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


def causal_record(preset: str = "gpt-tiny", tokenizer: str = "bpe", **changes: Any) -> dict[str, Any]:
    """A run.json of a causal model, as pretraining writes it."""
    record = run_record(preset=preset, command=f"minibert pretrain {preset} --corpus sotu")
    record["config"] |= {"objective": "clm", "tokenizer": tokenizer}
    record["model"] |= {"max_positions": 1024}
    for part in ("train", "held_out"):  # in running text a document counts as one sentence
        record["data"][part]["sentences"] = record["data"][part]["documents"]
    return record | changes


def recurrent_record(preset: str = "lstm-tiny") -> dict[str, Any]:
    """A run.json of a model that has neither heads nor positions."""
    return causal_record(preset, "char", model={"layers": 2, "width": 128, "vocab_size": 67, "dropout": 0.0})


def causal_evaluation(**changes: Any) -> dict[str, Any]:
    """An evaluation.json of a causal model: a token stands for 4 bytes."""
    record = evaluation_record(word_loss=4.0, bits_per_byte=4.0 / math.log(2) / 4)
    masked = ("pair_loss", "pair_accuracy", "pairs", "mask_rate", "blanks")
    samples = [
        {"prompt": "We the people", "text": " of *the* union\n\n# and | of ```states```"},
        {"prompt": "It is\nnow", "text": ""},
    ]
    return {key: value for key, value in record.items() if key not in masked} | {"samples": samples} | changes


def causal_run(folder: Path, run: dict[str, Any] | None = None, **found: Any) -> Path:
    """A run of a causal model that is done, with everything in it."""
    rows = metrics_rows(pairs=False)
    write_run(folder, run or causal_record(), rows, causal_evaluation(**found))
    (folder / "model.safetensors").touch()
    return folder


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
