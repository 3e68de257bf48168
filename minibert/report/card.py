"""README.md of a pretraining: the model card that Hugging Face shows."""

import json
from collections.abc import Mapping, Sequence

from minibert.report.markdown import count, escape, is_number, percent, table
from minibert.report.page import settings
from minibert.report.run_files import RunFiles
from minibert.report.scores import held_out, summary
from minibert.report.usage import usage


def card(files: RunFiles) -> list[str]:
    """Return the paragraphs of the model card."""
    return [
        _front_matter(files),
        f"# {escape(files.name)}",
        summary(files),
        "## How it was trained",
        _training(files),
        table(["", ""], [[name, escape(value)] for name, value in settings(files)]),
        "## Numbers",
        *held_out(files),
        "## Intended use and limits",
        *_limits(files),
        "## How to use it",
        usage(".", files),
        'Here `"."` is the folder that holds this file.',
    ]


def front_matter(library: str, pipeline: str, lists: Mapping[str, Sequence[str]]) -> str:
    """Return the YAML that Hugging Face reads; strings in JSON's quotes, which are YAML's too.

    Args:
        library: what opens the folder.
        pipeline: the pipeline of `transformers` that uses the model; "" for none.
        lists: name -> values; what is empty is left out.
    """
    lines = ["---", f"library_name: {library}", *([f"pipeline_tag: {pipeline}"] if pipeline else [])]
    for key, values in lists.items():
        if values:
            lines += [f"{key}:", *(f"- {json.dumps(value, ensure_ascii=False)}" for value in values)]
    return "\n".join([*lines, "---"])


def _front_matter(files: RunFiles) -> str:
    pipeline = "" if files.kind.recurrent else files.task.pipeline
    lists = {
        "language": sorted({card["language"] for card in files.cards if card.get("language")}),
        "tags": [files.kind.tag, "minibert", *files.task.tags, "education"],
        "datasets": [card["name"] for card in files.cards if card.get("name")],
        "metrics": files.task.metrics,
    }
    return front_matter(files.kind.library, pipeline, lists)


def _training(files: RunFiles) -> str:
    titles = [f"{card['name']} ({card['title']})" for card in files.cards if card.get("title")]
    version = files.get("versions", "minibert") or "(version unrecorded)"
    objective = files.task.objective.format(mask_rate=percent(files.get("config", "mask_rate")))
    return escape(
        f"This is {files.kind.called} after {files.kind.source}, trained with minibert {version} on "
        f"{', '.join(titles) or files.corpus}. Objective: {objective}. {files.pieces.origin} "
        f"Device: {files.device}."
    )


def _limits(files: RunFiles) -> list[str]:
    licences = [f"{card['name']}: {card['license']}." for card in files.cards if card.get("license")]
    parts = [
        "This is an educational model, small and trained on little text for a short time: for learning how "
        "such models work, not for decisions about anything or anyone. It knows nothing but its text, whose "
        f"words, views and omissions it repeats; {files.task.limit}.",
        f"It was trained on sequences of {count(files.get('config', 'seq_len'))} tokens{_reach(files)}",
        "The weights carry no licence until whoever trained them states one.",
    ]
    return [*parts, escape(" ".join(["Licence of the text:", *licences]))] if licences else parts


def _reach(files: RunFiles) -> str:
    """Return the end of the sentence on the sequences trained on: what of longer ones."""
    seq_len, longest = files.get("config", "seq_len"), files.get("model", "max_positions")
    if files.kind.recurrent:
        return (
            ". It reads texts of any length, but has never had to remember more than that: expect worse "
            "guesses there."
        )
    if is_number(longest) and longest == seq_len:
        return ", and accepts no longer ones."
    return (
        f". It accepts up to {count(longest)}, but has never seen the later positions: expect worse guesses "
        "there."
    )
