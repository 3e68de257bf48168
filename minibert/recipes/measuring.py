"""How well a fine-tuned model does on labelled texts of your own: the scores of its report, on others."""

import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from minibert.batches.labels import LabelledBatches
from minibert.config import FinetuneConfig
from minibert.files import replace_file
from minibert.recipes.known_tasks import TASKS
from minibert.recipes.predict import NAMES, Device, at_work
from minibert.recipes.predicting import logits_of

logger = logging.getLogger("minibert")


@dataclass(frozen=True)
class Measured:
    """What a model reaches on labelled texts."""

    asked: str
    """The task of its head."""
    count: int
    """Texts."""
    scores: Mapping[str, float]
    details: Mapping[str, Any]
    """Each class, type of entity or kind of question, as in evaluation.json."""
    predictions: list[dict[str, Any]]
    """What it says of each text, with what is true."""


def measure(run: Path, config: FinetuneConfig, device: Device = "auto") -> Measured:
    """Measure a fine-tuned model on labelled texts; what is found in them is logged.

    Of data that a card divides, those for the test are taken, else all.

    Args:
        run: a run folder of `minibert finetune`, or a folder of `transformers` with a head.
        config: `data`, and the columns. Without a `label`, a tagger is asked for what it learned.
        device: where the model is asked.

    Raises:
        ValueError: the folder has no head or no tokenizer; the texts cannot be read, or have labels that the
            model does not know: see `read_to_measure` of each task.
    """
    model, task = at_work(run, device)
    record = record_of(run)
    if task.head.task == "tags" and config.label is None:
        config = replace(config, label=record.get("config", {}).get("label"))
    texts, notes = TASKS[NAMES[task.head.task]].to_measure(config, task.head)
    for note in notes:
        logger.info("%s", note)
    learned = record.get("data", {})
    seen = set(config.data) & set(learned.get("data", ()))
    if seen and len(texts) > learned["texts"]["test"]:
        said = "%s has learned from some of these texts (%s): expect worse of others"
        logger.warning(said, run, ", ".join(sorted(seen)))
    encoded = task.encode(texts)
    batches = LabelledBatches(encoded, model.config.pad_id or 0, config.batch_size)
    logits = logits_of(model, batches, "measuring")
    return Measured(
        task.head.task,
        len(texts),
        task.scores(texts, encoded, logits),
        task.details(texts, encoded, logits),
        task.predictions(texts, encoded, logits),
    )


def write_predictions(file: Path, predictions: Iterable[Mapping[str, Any]]) -> None:
    """Write what a model says of texts, a line of JSON for each."""
    replace_file(file, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in predictions))


def record_of(run: Path) -> Mapping[str, Any]:
    """Return what a run says of itself; nothing for a folder from elsewhere."""
    file = run / "run.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
