"""report.md: the numbers, filled blanks, pictures, what ran, and how to go on."""

import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from minibert.files import replace_file
from minibert.report.beside import compared
from minibert.report.markdown import NONE, count, duration, escape, number, percent, table
from minibert.report.pictures import pictures
from minibert.report.run_files import RunFiles, column, read_run
from minibert.report.scores import held_out, summary

BLANK = "[MASK]"
REACH = 110
"""Characters shown on each side of a blank."""


def write_report(run: str | Path, beside: Sequence[str | Path] = ()) -> Path:
    """Write report.md and its pictures into the run folder, and return the path of report.md.

    With other runs in `beside` the report compares them, in a picture and in tables.
    Raises ValueError when `run`, or one of the others, is not a run folder, or is given twice.
    """
    files, others = read_run(run), [read_run(other) for other in beside]
    parts = [
        f"# {escape(files.name)}",
        summary(files),
        *(f"**Note.** {escape(note)}" for note in files.notes),
        "## Held out: loss and accuracy",
        *held_out(files),
        *(["## Beside other runs", *compared([files, *others])] if others else []),
        "## Filled blanks",
        *_blanks(files),
        "## Pictures",
        *pictures(files),
        "## What ran",
        *_what_ran(files),
        "## How to go on",
        *_how_to_go_on(files),
    ]
    path = files.folder / "report.md"
    replace_file(path, "\n\n".join(parts) + "\n")
    return path


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
        kinds = ("documents", "sentences", "tokens")
        return ", ".join(f"{count(files.get('data', part, kind))} {kind}" for kind in kinds)

    by_hand = files.get("by_hand")
    return [
        ["preset", files.get("preset") or NONE],
        ["layers, width, heads, feed-forward", numbers("model", "layers", "width", "heads", "feedforward")],
        ["vocabulary", f"{numbers('model', 'vocab_size')} word pieces"],
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


def usage(folder: str, text: str) -> str:
    """Return the lines that open the folder with `transformers` and fill the blank of a text."""
    return f"""```python
from transformers import AutoTokenizer, BertForPreTraining, pipeline

fill = pipeline("fill-mask", model={json.dumps(folder)})
print(fill({json.dumps(text, ensure_ascii=False)}))

model = BertForPreTraining.from_pretrained({json.dumps(folder)})
tokenizer = AutoTokenizer.from_pretrained({json.dumps(folder)})
```"""


def _blanks(files: RunFiles) -> list[str]:
    blanks = files.evaluation.get("blanks") or []
    if not blanks:
        return ["No filled blanks: the evaluation at the end of a run writes them."]

    rows, first, among = [], 0, 0
    for blank in blanks:
        answer, guesses = blank.get("answer"), blank.get("guesses") or []
        right = [guess == answer for guess, _ in guesses]
        first, among = first + any(right[:1]), among + any(right)
        shown = "; ".join(
            f"**{escape(guess)}** {percent(p)} (right)" if hit else f"{escape(guess)} {percent(p)}"
            for hit, (guess, p) in zip(right, guesses, strict=True)
        )
        rows.append([_around_blank(blank.get("text") or ""), escape(answer), shown or NONE])
    return [
        f"From held-out text. The first guess is right in {first} of {len(blanks)}, one of the guesses shown "
        f"in {among}. So few blanks only illustrate; the table above measures.",
        table(["text", "true word", "guesses, the most probable first"], rows),
    ]


def _around_blank(text: str) -> str:
    """Return the words around the blank, escaped, with the blank itself as code."""
    before, blank, after = " ".join(text.split()).partition(BLANK)
    if len(before) > REACH:
        before = "… " + before[-REACH:].partition(" ")[2]
    if len(after) > REACH:
        after = after[:REACH].rpartition(" ")[0] + " …"
    start, end = " " * before.endswith(" "), " " * after.startswith(" ")
    return f"{escape(before)}{start}{f'`{blank}`' if blank else ''}{end}{escape(after)}"


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
        "\n".join(f"    {line}" for line in command.splitlines()) if command else "No command was recorded.",
        table(["", ""], [[name, escape(value) if value else NONE] for name, value in rows]),
        f"Documents held out: {escape(', '.join(names[:40]))}{more}."
        if names
        else "No list of held-out documents was recorded.",
    ]


def _how_to_go_on(files: RunFiles) -> list[str]:
    folder, parts = str(files.folder), []
    if not files.get("finished"):
        parts.append(
            "The run has not finished. If it does not run any more, its command goes on from the newest "
            "checkpoint when `--resume auto` is added."
        )
    if not (files.folder / "model.safetensors").is_file():
        return [*parts, "The model is not in the folder yet: there is no `model.safetensors`."]
    return [
        *parts,
        "Fill a blank:",
        f"    minibert fill {shlex.quote(folder)} {shlex.quote(files.text_to_fill)}",
        "Open the folder with `transformers`:",
        usage(folder, files.text_to_fill),
    ]
