"""How a model makes one vector of a text: its own recipe, as `sentence-transformers` writes it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from torch import Tensor

from minibert.config import require
from minibert.hub.weights import read_json


@dataclass(frozen=True)
class VectorRecipe:
    """How a model makes a vector of a text."""

    max_tokens: int
    """Longest text, in tokens with [CLS] and [SEP]; longer ones are cut."""
    pooling: Literal["mean", "first"] = "mean"
    """The mean over the text's tokens, or the hidden state of [CLS]."""
    normalise: bool = True
    """Whether vectors get length 1."""
    lowercase: bool = False
    """Whether texts are put into lower case before the tokenizer sees them."""


POOLINGS: dict[str, Literal["mean", "first"]] = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "first",
    "mean": "mean",
    "cls": "first",
}
"""Their names for a pooling, of older files and of newer ones, and ours."""


def read_recipe(folder: Path, max_positions: int) -> VectorRecipe:
    """Read the recipe that `sentence-transformers` left in a model's folder.

    modules.json lists the steps, 1_Pooling/config.json says how to pool, sentence_bert_config.json where to
    cut. A folder without modules.json gets the mean, normalised, of at most `max_positions` tokens.
    Raises ValueError, naming the file, for a step or a pooling that is not here.
    """
    file = folder / "modules.json"
    if not file.is_file():
        return VectorRecipe(max_positions)
    modules = [module for module in read_json(file, list) if isinstance(module, dict)]
    steps = [str(module.get("type")).rpartition(".")[2] for module in modules]
    require(
        steps in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]),
        f"{file}: expected the steps Transformer, Pooling and perhaps Normalize, got {', '.join(steps)}",
    )
    refuse_prompt(folder / "config_sentence_transformers.json")

    settings = folder / "sentence_bert_config.json"
    values = read_json(settings) if settings.is_file() else {}
    longest = values.get("max_seq_length") or max_positions
    require(
        type(longest) is int and longest > 2, f"{settings}: max_seq_length must be above 2, got {longest!r}"
    )
    return VectorRecipe(
        min(longest, max_positions),
        read_pooling(folder / Path(str(modules[1].get("path"))).name / "config.json"),
        normalise="Normalize" in steps,
        lowercase=bool(values.get("do_lower_case")),
    )


def read_pooling(file: Path) -> Literal["mean", "first"]:
    """Return the pooling that a 1_Pooling/config.json asks for; raises ValueError unless we have it."""
    values = read_json(file)
    asked = [name for name, on in values.items() if name.startswith("pooling_mode_") and on]
    if isinstance(values.get("pooling_mode"), str):
        asked = [values["pooling_mode"]]
    require(
        len(asked) == 1 and asked[0] in POOLINGS,
        f"{file}: the pooling must be one of {', '.join(POOLINGS)}, got {' + '.join(asked) or 'none'}",
    )
    return POOLINGS[asked[0]]


def refuse_prompt(file: Path) -> None:
    """Raise ValueError when the model wants words in front of each text."""
    prompt = read_json(file).get("default_prompt_name") if file.is_file() else None
    require(
        prompt is None,
        f"{file}: the model puts its prompt {prompt!r} before each text, which minibert does not; "
        "set default_prompt_name to null and write the prompt into the texts",
    )


def mean_pool(hidden: Tensor, attend: Tensor) -> Tensor:
    """Return the mean of hidden (B, T, D) over the positions where attend (B, T) is True: (B, D)."""
    weights = attend[:, :, None].to(hidden.dtype)  # (B, T, 1)
    return (hidden * weights).sum(1) / weights.sum(1)
