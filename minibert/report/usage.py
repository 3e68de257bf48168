"""What to do with the model of a run: on the command line, and in a program."""

import json
import shlex

from minibert.report.markdown import indented
from minibert.report.run_files import RunFiles

TRANSFORMERS = """```python
from transformers import {names}

{call} = pipeline({pipeline}, model={folder})
print({call}({text}{more}))

model = {opens}.from_pretrained({folder})
tokenizer = AutoTokenizer.from_pretrained({folder})
```"""
"""A program that opens a folder with `transformers`."""

MINIBERT = """```python
from minibert import from_pretrained
from minibert.model.generate import generate

model, tokenizer = from_pretrained({folder})
[added] = generate(model, [tokenizer.encode({text})], length=50)
print(tokenizer.decode(added))
```"""
"""A program for a folder that only minibert opens."""


def usage(folder: str, files: RunFiles) -> str:
    """Return the program that opens the folder, wherever it lies then, and uses its model on a text."""
    call, more = files.task.call
    return (MINIBERT if files.kind.recurrent else TRANSFORMERS).format(
        names=", ".join(sorted([files.kind.transformers, "AutoTokenizer", "pipeline"])),
        call=call,
        more=more,
        pipeline=_quoted(files.task.pipeline),
        folder=_quoted(folder),
        text=_quoted(_text(files)),
        opens=files.kind.transformers,
    )


def how_to_go_on(files: RunFiles) -> list[str]:
    """Return what can be done with a run: end it, where it has not finished; use its model, where it has."""
    folder, parts = str(files.folder), []
    if not files.get("finished"):
        parts.append(
            "The run has not finished. If it does not run any more, its command goes on from the newest "
            "checkpoint when `--resume auto` is added."
        )
    if not (files.folder / "model.safetensors").is_file():
        return [*parts, "The model is not in the folder yet: there is no `model.safetensors`."]
    does, command = files.task.use
    return [
        *parts,
        f"{does}:",
        indented(command.format(folder=shlex.quote(folder), text=shlex.quote(_text(files)))),
        f"Open the folder with `{files.kind.library}`:",
        usage(folder, files),
    ]


def _text(files: RunFiles) -> str:
    """Return a text that the model can do something with."""
    return files.prompt if files.causal else files.text_to_fill


def _quoted(text: str) -> str:
    """Return a string in the quotes of Python."""
    return json.dumps(text, ensure_ascii=False)
