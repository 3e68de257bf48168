"""What to do with a fine-tuned model: on the command line, in minibert, and in transformers."""

import json
import shlex

from minibert.report.finetuned.task_files import TaskFiles
from minibert.report.markdown import indented

LONGEST = 120
"""Characters of the example text."""

QUESTION, CONTEXT = "Who lived in London?", "Ada Lovelace lived in London."
"""An example for models that answer."""

PROGRAM = """```python
from transformers import {opens}, AutoTokenizer, pipeline

ask = pipeline({pipeline}, model={folder})
print(ask({given}))

model = {opens}.from_pretrained({folder})
tokenizer = AutoTokenizer.from_pretrained({folder})
```"""
"""A program that opens a folder with `transformers`."""

ANSWERING = """```python
import torch
from transformers import {opens}, AutoTokenizer

model = {opens}.from_pretrained({folder})
tokenizer = AutoTokenizer.from_pretrained({folder})
text = tokenizer({given}, return_tensors="pt")
with torch.no_grad():
    found = model(**text)

scores = found.start_logits[0][:, None] + found.end_logits[0]  # (T, T), by start and end
inside = torch.tensor([part == 1 for part in text.sequence_ids()])  # of the context
legal = inside[:, None] & inside & torch.ones_like(scores, dtype=torch.bool).triu()
start, end = divmod(int(scores.where(legal, -torch.inf).argmax()), len(scores))
print(tokenizer.decode(text["input_ids"][0, start : end + 1]))
```"""
"""The same for answers, which have no pipeline any more."""


def task_usage(folder: str, files: TaskFiles) -> str:
    """Return the program that opens the folder with `transformers`, and uses its model."""
    answers, pair = files.head == "spans", example_pair(files)
    if answers:
        given = f"{_quoted(QUESTION)}, {_quoted(CONTEXT)}"
    else:
        given = json.dumps(pair, ensure_ascii=False) if pair else _quoted(example(files))
    return (ANSWERING if answers else PROGRAM).format(
        opens=files.asked.opens,
        pipeline=_quoted(files.asked.pipeline),
        folder=_quoted(folder),
        given=given,
    )


def predict(folder: str, files: TaskFiles) -> str:
    """Return the command that asks the model."""
    words = ["minibert", "predict", folder]
    if files.head == "spans":
        return shlex.join([*words, QUESTION, "--context", CONTEXT])
    if example_pair(files):
        return shlex.join([*words, "--file", "pairs.csv", "--text", "FIRST", "--text-pair", "SECOND"])
    return shlex.join([*words, example(files)])


def how_to_go_on(files: TaskFiles) -> list[str]:
    """Return what can be done with a run: end it, where it has not finished; use its model, where it has."""
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
        "Ask the model:",
        indented(predict(folder, files)),
        "Open the folder with `transformers`:",
        task_usage(folder, files),
    ]


def example(files: TaskFiles) -> str:
    """Return a text to ask the model about: a short test text, best one without quotes; else one of ours."""
    texts = [" ".join(str(line.get("text") or "").split()) for line in files.predictions]
    fitting = [text for text in texts if 0 < len(text) <= LONGEST]
    quoted = {text for text in fitting if set(text) & set("'\"")}
    return min(fitting, key=lambda text: (text in quoted, abs(len(text) - LONGEST // 2)), default=CONTEXT)


def example_pair(files: TaskFiles) -> dict[str, str] | None:
    """Return the shortest two texts of the test that belong together; None where texts stand alone."""
    pairs = [
        {"text": str(line["text"]), "text_pair": str(line["pair"])}
        for line in files.predictions
        if line.get("text") and line.get("pair")
    ]
    return min(pairs, key=lambda pair: sum(map(len, pair.values())), default=None)


def _quoted(text: str) -> str:
    """Return a string in the quotes of Python."""
    return json.dumps(text, ensure_ascii=False)
