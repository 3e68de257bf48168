"""README.md: the model card that Hugging Face shows."""

import json
from pathlib import Path

from minibert.files import replace_file
from minibert.report.markdown import count, escape, percent, table
from minibert.report.page import settings, usage
from minibert.report.run_files import RunFiles, read_run
from minibert.report.scores import held_out, summary


def write_model_card(run: str | Path) -> Path:
    """Write README.md, the model card, into the run folder, and return its path.

    Raises ValueError when `run` is not a run folder.
    """
    files = read_run(run)
    parts = [
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
        usage(".", files.text_to_fill),
        'Here `"."` is the folder that holds this file.',
    ]
    path = files.folder / "README.md"
    replace_file(path, "\n\n".join(parts) + "\n")
    return path


def _front_matter(files: RunFiles) -> str:
    """Return the YAML that Hugging Face reads; strings in JSON's quotes, which are YAML's too."""
    tags = ["bert", "minibert", "masked-language-modeling", "education"]
    lists = {
        "language": sorted({card["language"] for card in files.cards if card.get("language")}),
        "tags": tags + ["next-sentence-prediction"] * files.pairs,
        "datasets": [card["name"] for card in files.cards if card.get("name")],
        "metrics": ["accuracy"],
    }
    lines = ["---", "library_name: transformers", "pipeline_tag: fill-mask"]
    for key, values in lists.items():
        if values:
            lines += [f"{key}:", *(f"- {json.dumps(value)}" for value in values)]
    return "\n".join([*lines, "---"])


def _training(files: RunFiles) -> str:
    objective = "masked words and next sentences" if files.pairs else "masked words alone"
    titles = [f"{card['name']} ({card['title']})" for card in files.cards if card.get("title")]
    version = files.get("versions", "minibert") or "(version unrecorded)"
    vocabulary = f"is that of {files.origin}" if files.origin else "was made from the training text alone"
    return escape(
        f"Trained with minibert {version} on {', '.join(titles) or files.corpus}. Objective: {objective}, "
        f"as in Devlin et al. 2019; {percent(files.get('config', 'mask_rate'))} of the tokens masked. "
        f"The WordPiece vocabulary {vocabulary}. Device: {files.device}."
    )


def _limits(files: RunFiles) -> list[str]:
    seq_len, longest = files.get("config", "seq_len"), files.get("model", "max_positions")
    licences = [f"{card['name']}: {card['license']}." for card in files.cards if card.get("license")]
    parts = [
        "This is an educational model, small and trained on little text for a short time: for learning how "
        "BERT works, not for decisions about anything or anyone. It knows nothing but its text, whose words, "
        "views and omissions it repeats; it fills a blank with what is likely there, not with what is true.",
        f"It was trained on sequences of {count(seq_len)} tokens. It accepts up to {count(longest)}, but has "
        "never seen the later positions: expect worse guesses there.",
        "The weights carry no licence until whoever trained them states one.",
    ]
    return [*parts, escape(" ".join(["Licence of the text:", *licences]))] if licences else parts
