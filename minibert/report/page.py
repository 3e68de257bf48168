"""report.md of a pretraining: the numbers, examples, pictures, what ran, and how to go on."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from minibert.report.beside import compared
from minibert.report.examples import examples
from minibert.report.markdown import NONE, amount, count, duration, escape, indented, number, table
from minibert.report.pictures import pictures
from minibert.report.run_files import RunFiles
from minibert.report.run_folder import column
from minibert.report.scores import held_out, summary
from minibert.report.usage import how_to_go_on

SIZES = {
    "layers": "layers",
    "width": "width",
    "heads": "heads",
    "key_heads": "heads of keys",
    "feedforward": "feed-forward",
}
"""The sizes of a model, and what they are called; not every kind has all of them."""


def page(files: RunFiles, others: Sequence[RunFiles]) -> list[str]:
    """Draw the pictures into the run folder, and return the paragraphs of the report.

    With other runs the report compares them, in a picture and in tables.

    Raises ValueError for a run that is given twice.
    """
    return [
        f"# {escape(files.name)}",
        summary(files),
        *(f"**Note.** {escape(note)}" for note in files.notes),
        "## Held out: loss and accuracy",
        *held_out(files),
        *(["## Beside other runs", *compared([files, *others])] if others else []),
        *examples(files),
        "## Pictures",
        *pictures(files),
        "## What ran",
        *_what_ran(files),
        "## How to go on",
        *how_to_go_on(files),
    ]


def settings(files: RunFiles) -> list[list[str]]:
    """Return the rows (name, value) of what was trained: sizes, objective, steps, text."""
    rates = column(files.train, "lr")
    optimizer = [files.get("config", "optimizer") or NONE]
    if np.isfinite(rates).any():
        optimizer.append(f"learning rate up to {np.nanmax(rates):.3g}")
    if optimizer[0] == "muon":
        optimizer.append(f"Muon's up to {number(files.get('config', 'matrix_lr'), '{:g}')}")

    def numbers(part: str, *keys: str) -> str:
        return ", ".join(count(files.get(part, key)) for key in keys)

    def amounts(part: str) -> str:
        if not files.get("data", part):
            return "none"
        return ", ".join(amount(files.get("data", part, unit), unit) for unit in files.task.amounts)

    sizes = [key for key in SIZES if files.get("model", key) is not None]
    by_hand = files.get("by_hand")
    return [
        ["preset", files.get("preset") or NONE],
        *([[", ".join(SIZES[key] for key in sizes), numbers("model", *sizes)]] if sizes else []),
        ["vocabulary", f"{numbers('model', 'vocab_size')} tokens ({files.pieces.called})"],
        ["parameters", count(files.get("parameters"))],
        ["objective", files.get("config", "objective") or NONE],
        ["optimiser", ", ".join(optimizer)],
        ["sequences in a batch, tokens in a sequence", numbers("config", "batch_size", "seq_len")],
        *_how_computed(files),
        ["steps", count(files.last.get("step"))],
        ["tokens seen in training", count(files.last.get("tokens"))],
        ["time trained", duration(files.last.get("seconds"))],
        *([["worked out in NumPy", by_hand]] if by_hand else []),
        ["corpus", files.corpus],
        ["training text", amounts("train")],
        ["held-out text", amounts("held_out")],
    ]


def _how_computed(files: RunFiles) -> list[list[str]]:
    """Return the rows on precision, micro-batches and processes; none for runs that did not record them."""
    config, processes = files.get("config") or {}, files.get("processes")
    compiled, sharded = ", compiled" * bool(config.get("compile")), ", sharded" * bool(config.get("shard"))
    rows = [
        ["sequences in a micro-batch", count(config.get("micro_batch"))],
        ["precision", f"{config.get('precision')}{compiled}"],
        ["processes", f"{count(processes)}{sharded}"],
    ]
    known = (config.get("micro_batch"), config.get("precision"), processes)
    return [row for row, value in zip(rows, known, strict=True) if value is not None]


def _what_ran(files: RunFiles) -> list[str]:
    command: Any = files.get("command")
    rows = [
        *settings(files),
        ["started", files.get("started")],
        ["finished", files.get("finished") or "not finished"],
        ["device", files.device],
        *([f"version of {name}", version] for name, version in (files.get("versions") or {}).items()),
        ["fingerprint of the text", files.get("data", "fingerprint")],
        ["fingerprint of the tokenizer", files.get("data", "tokenizer")],
    ]
    names = files.get("data", "held_out", "names") or []
    more = f", and {len(names) - 40} more" if len(names) > 40 else ""
    return [
        indented(command) if command else "No command was recorded.",
        table(["", ""], [[name, escape(value) if value else NONE] for name, value in rows]),
        f"{files.task.held_out}: {escape(', '.join(names[:40]))}{more}."
        if names
        else "No list of held-out documents was recorded.",
    ]
