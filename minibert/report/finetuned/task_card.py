"""README.md of a fine-tuning: the model card that Hugging Face shows."""

from minibert.report.card import front_matter
from minibert.report.finetuned.task_files import TaskFiles
from minibert.report.finetuned.task_page import settings
from minibert.report.finetuned.task_scores import scores_table, summary
from minibert.report.finetuned.task_usage import predict, task_usage
from minibert.report.finetuned.verdict import verdict
from minibert.report.markdown import escape, indented, table


def task_card(files: TaskFiles) -> list[str]:
    """Return the paragraphs of the model card."""
    return [
        _front_matter(files),
        f"# {escape(files.name)}",
        *verdict(files),
        summary(files),
        "## How it was trained",
        _training(files),
        table(["", ""], [[escape(name), escape(value)] for name, value in settings(files)]),
        "## Scores",
        *scores_table(files),
        "## Intended use and limits",
        *_limits(files),
        "## How to use it",
        "On the command line of minibert, in the folder that holds this file:",
        indented(predict(".", files)),
        'In a program, with transformers; here `"."` is the folder that holds this file:',
        task_usage(".", files),
    ]


def _front_matter(files: TaskFiles) -> str:
    lists = {
        "language": sorted({card["language"] for card in files.cards if card.get("language")}),
        "tags": [files.kind.tag, "minibert", files.asked.pipeline, "education"],
        "datasets": [card["name"] for card in files.cards if card.get("name")],
        "metrics": files.asked.metrics,
    }
    return front_matter("transformers", files.asked.pipeline, lists)


def _training(files: TaskFiles) -> str:
    titles = [f"{card['name']} ({card['title']})" for card in files.cards if card.get("title")]
    version = files.get("versions", "minibert") or "(version unrecorded)"
    return escape(
        f"This is {files.kind.called} after {files.kind.source} with a head, fine-tuned {files.learns} with "
        f"minibert {version} on {', '.join(titles) or files.data}. The pretrained weights are those of "
        f"{files.body}. Device: {files.device}."
    )


def _limits(files: TaskFiles) -> list[str]:
    licences = [f"{card['name']}: {card['license']}." for card in files.cards if card.get("license")]
    parts = [
        "This is an educational model: for learning how such models are made and measured, not for decisions "
        "about anything or anyone. The scores hold for texts like those of its data; on others expect worse.",
        f"It knows no other answers than those of its training {files.asked.texts}, whose mistakes and views "
        "it repeats, and it gives one to every text, also where none fits.",
        f"The weights carry no licence until whoever trained them states one; that of {escape(files.body)} "
        "binds them, too.",
    ]
    return [*parts, escape(" ".join(["Licence of the texts:", *licences]))] if licences else parts
