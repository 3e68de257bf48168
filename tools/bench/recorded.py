"""Pack what chapter 15 reads into one small file: two runs, what their checkpoints know, and the races.

    python tools/bench/recorded.py BERT GPT RACES… > chapters/15_pretraining.json

BERT and GPT are the run folders of `minibert pretrain bert-tiny` and `gpt-tiny` on the card `sotu`, with all
their checkpoints (`--checkpoint-every 100 --keep 100`); RACES are the files that `ablations.py` wrote.
Numbers are rounded to what can be seen.
"""

import argparse
import json
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from ablations import neighbours
from torch import nn

from minibert.config import BertConfig, GptConfig, from_dict
from minibert.config.decoding import WritingConfig
from minibert.hub import new_model
from minibert.recipes.data import Text, prepare
from minibert.recipes.evaluate import (
    EXAMPLES,
    baselines,
    bytes_per_token,
    evaluate,
    held_out_batches,
    in_parts,
)
from minibert.recipes.writing import Writer
from minibert.train.checkpoint import load_checkpoint, load_model_tensors

KEPT = (
    *("kind", "step", "tokens", "seconds", "word_loss", "pair_loss", "word_accuracy", "pair_accuracy"),
    *("grad_norm", "lr", "tokens_per_second", "mfu"),
)
"""What is kept of a line."""

PROMPT, LENGTH = "The people of the United States", 40
"""What a text begins with, and how many tokens are written."""


def rounded(value: Any) -> Any:
    """Return a value of JSON with five digits to each number that is no whole one."""
    if isinstance(value, dict):
        return {name: rounded(part) for name, part in value.items()}
    if isinstance(value, list):
        return [rounded(part) for part in value]
    return float(f"{value:.5g}") if isinstance(value, float) else value


def laid_out(value: Any, depth: int = 3) -> str:
    """Return JSON in which each part of a part of a part has a line of its own."""
    if depth and isinstance(value, dict):
        return (
            "{\n"
            + ",\n".join(f"{json.dumps(name)}: {laid_out(part, depth - 1)}" for name, part in value.items())
            + "\n}"
        )
    if depth and isinstance(value, list) and value and not isinstance(value[0], float):
        return "[\n" + ",\n".join(json.dumps(part) for part in value) + "\n]"
    return json.dumps(value)


def told(run: Path) -> dict[str, Any]:
    """Return what a run folder says of itself."""
    record = json.loads((run / "run.json").read_text())
    lines = (run / "metrics.jsonl").read_text().splitlines()
    evaluation = json.loads((run / "evaluation.json").read_text())
    names = ("preset", "config", "model", "parameters", "threads", "device_name", "peak_flops")
    found = {name: record[name] for name in (*names, "flops_per_token")}
    found["config"] = {name: value for name, value in found["config"].items() if value is not None}
    del found["config"]["out"]
    found["torch"] = record["versions"]["torch"]
    found["tokens"] = record["data"]["train"]["tokens"]
    found["evaluation"] = {name: evaluation[name] for name in evaluation if name not in ("blanks", "samples")}
    records = [json.loads(line) for line in lines]
    return {
        **found,
        "first_line": lines[0],
        "lines": [{name: record[name] for name in KEPT if name in record} for record in records],
        "phases": middle([record["phases"] for record in records if "phases" in record]),
    }


def middle(phases: list[dict[str, float]]) -> dict[str, float]:
    """Return the median seconds of a step in each phase."""
    return {name: statistics.median(part.get(name, 0.0) for part in phases) for name in phases[-1]}


def models(run: Path, kind: type) -> Iterator[tuple[int, Any]]:
    """Yield the step and the model of each checkpoint of a run, in their order."""
    shape = from_dict(kind, json.loads((run / "run.json").read_text())["model"])
    for folder in sorted(run.glob("checkpoints/step-*")):
        checkpoint = load_checkpoint(folder)
        model = new_model(shape)
        load_model_tensors(model, checkpoint.tensors["model"])
        yield int(checkpoint.numbers["step"]), model.eval()


def of_words(run: Path) -> dict[str, Any]:
    """Return where the heads of BERT looked at each checkpoint, and how well the last one knows its text.

    The training text is asked for as the held-out text is, so that the two can be compared.
    """
    text = prepare(("sotu",), 8192, kind="wordpiece")
    assert text.held_out is not None
    batch = held_out_batches(text.held_out, text.tokenizer, 80, "mlm+nsp").examples(0, 64)
    heads, last = [], nn.Module()
    for step, last in models(run, BertConfig):
        heads.append([step, *neighbours(last, batch).values()])
    seen = held_out_batches(text.train, text.tokenizer, 80, "mlm+nsp")
    return {"heads": heads, "on_training_text": evaluate(last, seen, EXAMPLES)}


def of_next_tokens(run: Path) -> dict[str, Any]:
    """Return what GPT wrote at each checkpoint, and the loss of the last one by the place in a block."""
    text = prepare(("sotu",), 8192, kind="bpe", running=True)
    samples, last = [], nn.Module()
    for step, last in models(run, GptConfig):
        [[written]] = Writer(last, text.tokenizer, 80).texts([PROMPT], WritingConfig(length=LENGTH))
        samples.append([step, written])
    seen = held_out_batches(text.train, text.tokenizer, 80, "clm")
    return {
        "prompt": PROMPT,
        "samples": samples,
        "by_place": by_place(last, text),
        "on_training_text": evaluate(last, seen, EXAMPLES),
    }


def of_counting() -> dict[str, Any]:
    """Return what counting reaches on the text of the decoders' race, and its bytes in a token."""
    text = prepare(("sotu",), 1024, kind="bpe", running=True)
    assert text.held_out is not None
    batches = held_out_batches(text.held_out, text.tokenizer, 128, "clm")
    return {
        **baselines(text.train, batches, len(text.tokenizer)),
        "bytes_per_token": bytes_per_token(text.held_out, text.tokenizer),
    }


@torch.no_grad()
def by_place(model: Any, text: Text) -> list[float]:
    """Return the mean loss at each place of a block of held-out text, (T,)."""
    assert text.held_out is not None
    parts = in_parts(held_out_batches(text.held_out, text.tokenizer, 80, "clm"), EXAMPLES)
    losses = [F.cross_entropy(model(part.ids).mT, part.targets, reduction="none") for part in parts]
    return torch.cat(losses).mean(0).tolist()


def main() -> None:
    """Print the file, a line for each line of a run and for each run of a race."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bert", type=Path)
    parser.add_argument("gpt", type=Path)
    parser.add_argument("races", type=Path, nargs="+")
    chosen = parser.parse_args()
    found = {
        "bert": {**told(chosen.bert), **of_words(chosen.bert)},
        "gpt": {**told(chosen.gpt), **of_next_tokens(chosen.gpt)},
        "races": [json.loads(line) for file in chosen.races for line in file.read_text().splitlines()],
        "decoders": of_counting(),
    }
    print(laid_out(rounded(found)))


if __name__ == "__main__":
    main()
