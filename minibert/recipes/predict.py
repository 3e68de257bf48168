"""What a fine-tuned model says of texts that nobody has labelled."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from minibert import sources
from minibert.batches.labels import LabelledBatches
from minibert.config import FinetuneConfig, require
from minibert.hub import from_pretrained
from minibert.model.task_model import TaskModel
from minibert.recipes.embed import lines_with_text
from minibert.recipes.known_tasks import TASKS
from minibert.recipes.labelled_data import find
from minibert.recipes.predicting import logits_of
from minibert.recipes.task import Splits
from minibert.text.columns import Columns
from minibert.text.labelled import LabelledText
from minibert.text.squad import Question, read_questions
from minibert.train.device import choose_device

Device = Literal["auto", "cpu", "cuda", "mps"]

CHUNK = 1024
"""Texts that are read, asked about and told together."""

KEPT = ("max_tokens", "long_texts", "longest_answer")
"""Settings of a fine-tuning that say how its model reads and answers."""

NAMES = {"classes": "classify", "labels": "classify", "number": "classify", "tags": "tag", "spans": "answer"}
"""What `minibert finetune` calls the task of a head."""


def predict(
    run: Path,
    texts: Sequence[str] = (),
    file: Path | None = None,
    columns: tuple[str | None, str | None] = (None, None),
    context: str | None = None,
    device: Device = "auto",
) -> Iterator[dict[str, Any]]:
    """Yield for each text what the model says of it, as plain values.

    Args:
        run: a run folder of `minibert finetune`, or a folder of `transformers` with a head.
        texts: what is asked about; questions on `context` for a model that answers.
        file: in place of texts: a table (for classes), questions in SQuAD's JSON (for answers), or a text on
            each line.
        columns: of the table, that of the text and that of the second text; guessed where they are not told.
        context: in which the questions are answered.
        device: where the model is asked.

    Raises:
        ValueError: the folder has no head or no tokenizer; a file cannot be read; a question has no context.
    """
    model, task = at_work(run, device)
    name = NAMES[task.head.task]
    asked = {"classify": to_classify, "tag": to_tag, "answer": to_answer}[name]
    waiting = list(asked(task, texts, file, Columns(*columns), context))
    for first in range(0, len(waiting), CHUNK):
        chunk = waiting[first : first + CHUNK]
        encoded = task.encode(chunk)
        logits = logits_of(model, LabelledBatches(encoded, model.config.pad_id or 0, CHUNK))
        yield from task.predictions(chunk, encoded, logits)


def at_work(run: Path, device: Device = "auto") -> tuple[TaskModel, Any]:
    """Return the model in a folder, on its device and in evaluation mode, and its task as it was learned.

    Raises ValueError where the folder has no head or no tokenizer.
    """
    model, tokenizer = from_pretrained(run)
    if not isinstance(model, TaskModel):
        raise ValueError(
            f"{run} holds a {type(model).__name__}, without a head for a task: see minibert finetune"
        )
    if tokenizer is None:
        raise ValueError(f"{run} holds no tokenizer (tokenizer.json or vocab.txt), so text cannot be read")
    name, config = NAMES[model.head_config.task], config_of(run)
    longest = min(config.max_tokens or model.config.max_positions, model.config.max_positions)
    task: Any = TASKS[name].task(model.head_config, tokenizer, longest, config, Splits((), (), ()))
    if name == "answer":
        task = replace(task, threshold=threshold_of(run))
    return model.to(choose_device(device)).eval(), task


def config_of(run: Path) -> FinetuneConfig:
    """Return how a run was fine-tuned, as far as it matters now; the defaults for a folder from elsewhere."""
    file = run / "run.json"
    if not file.is_file():
        return FinetuneConfig()
    told = json.loads(file.read_text(encoding="utf-8")).get("config", {})
    return FinetuneConfig(**{name: told[name] for name in KEPT if name in told})


def threshold_of(run: Path) -> float | None:
    """Return the margin above which a run answers at all, chosen on its validation texts; None without."""
    file = run / "evaluation.json"
    if not file.is_file():
        return None
    return json.loads(file.read_text(encoding="utf-8")).get("validation", {}).get("threshold")


def lines(texts: Sequence[str], file: Path | None) -> Iterator[str]:
    """Yield the texts, or the lines of the file."""
    yield from texts if file is None else (line.text for line in lines_with_text(file))


def to_classify(
    task: Any, texts: Sequence[str], file: Path | None, columns: Columns, context: str | None
) -> Iterator[LabelledText]:
    """Yield what is classified: texts, the rows of a table, or the lines of another file."""
    require(context is None, "--context goes with a model that answers questions")
    if file is not None and is_table(file):
        return iter(find((str(file),), columns, labelled=False).texts)
    return (LabelledText(text) for text in lines(texts, file))


def is_table(file: Path) -> bool:
    """Return whether a file has a suffix of tables. Raises ValueError where there is none of the name."""
    return sources.resolve([str(file)])[0].parts[0].format == "table"


def to_tag(
    task: Any, texts: Sequence[str], file: Path | None, columns: Columns, context: str | None
) -> Iterator[Any]:
    """Yield the sentences to tag: texts, or the lines of a file."""
    require(context is None, "--context goes with a model that answers questions")
    return (task.sentence(text) for text in lines(texts, file))


def to_answer(
    task: Any, texts: Sequence[str], file: Path | None, columns: Columns, context: str | None
) -> Iterator[Question]:
    """Yield the questions: on one context, or those of a file."""
    if file is not None:
        return iter(read_questions(file)[0])
    if context is None:
        raise ValueError("a question needs a text with its answer: --context TEXT, or --file FILE for many")
    numbered = enumerate(texts, start=1)
    return (Question(str(n), text, context, None, "", f"question {n}") for n, text in numbered)
