"""Hugging Face folders and our models: read theirs, write ours so that `transformers` opens it."""

import json
import logging
import re
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from minibert import sources
from minibert.config import BertConfig
from minibert.files import replace_file
from minibert.model.bert import Bert, BertForPretraining
from minibert.text.base_tokenizer import BaseTokenizer
from minibert.text.tokenizer import load_tokenizer

log = logging.getLogger("minibert")

MODULES = {
    "bert.embedding.tokens": "bert.embeddings.word_embeddings",
    "bert.embedding.positions": "bert.embeddings.position_embeddings",
    "bert.embedding.segments": "bert.embeddings.token_type_embeddings",
    "bert.embedding.norm": "bert.embeddings.LayerNorm",
    "bert.blocks.#.attention.query": "bert.encoder.layer.#.attention.self.query",
    "bert.blocks.#.attention.key": "bert.encoder.layer.#.attention.self.key",
    "bert.blocks.#.attention.value": "bert.encoder.layer.#.attention.self.value",
    "bert.blocks.#.attention.output": "bert.encoder.layer.#.attention.output.dense",
    "bert.blocks.#.attention_norm": "bert.encoder.layer.#.attention.output.LayerNorm",
    "bert.blocks.#.feedforward.expand": "bert.encoder.layer.#.intermediate.dense",
    "bert.blocks.#.feedforward.contract": "bert.encoder.layer.#.output.dense",
    "bert.blocks.#.feedforward_norm": "bert.encoder.layer.#.output.LayerNorm",
    "bert.pooler": "bert.pooler.dense",
    "words.dense": "cls.predictions.transform.dense",
    "words.norm": "cls.predictions.transform.LayerNorm",
    "words": "cls.predictions",
    "pairs": "cls.seq_relationship",
}
"""Our modules and theirs; # stands for the number of a block."""

FIELDS = {
    "vocab_size": "vocab_size",
    "layers": "num_hidden_layers",
    "width": "hidden_size",
    "heads": "num_attention_heads",
    "feedforward": "intermediate_size",
    "max_positions": "max_position_embeddings",
    "segments": "type_vocab_size",
    "dropout": "hidden_dropout_prob",
    "attention_dropout": "attention_probs_dropout_prob",
    "norm_eps": "layer_norm_eps",
    "init_std": "initializer_range",
    "pad_id": "pad_token_id",
}
"""Our settings and theirs, where the values mean the same."""

ACTIVATIONS = {"gelu": "gelu", "gelu_pytorch_tanh": "gelu_tanh", "gelu_new": "gelu_tanh", "relu": "relu"}
"""Their activations and ours."""

HEADS = {"bert.pooler.": "the pooler", "words.": "the head for words", "pairs.": "the head for pairs"}
"""What a folder may lack as a whole: it then starts fresh."""


def rename(name: str, modules: dict[str, str]) -> str:
    """Translate a weight's name by the table; a name that is not in the table stays as it is."""
    module, _, leaf = name.rpartition(".")
    number = re.search(r"\d+", module)
    translated = modules.get(re.sub(r"\d+", "#", module))
    if translated is None:
        return name
    return f"{translated.replace('#', number[0] if number else '')}.{leaf}"


def to_hugging_face(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Give tensors by our names (weights or gradients) the names of `transformers`; the tied weight once."""
    return {rename(name, MODULES): tensor for name, tensor in state.items() if name != "words.weight"}


def from_hugging_face(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Give tensors by the names of `transformers` our names; those we do not know keep theirs.

    Also read: folders of the bare encoder (no `bert.` in front), `gamma` and `beta` for the norms,
    `position_ids` (left out: they hold 0, 1, 2 ...), and the copies of tied weights (left out when equal).
    Raises ValueError for an output projection that is not the token embedding.
    """
    old = {}
    for name, tensor in state.items():
        name = re.sub(r"^(embeddings|encoder|pooler)\.", r"bert.\1.", name)
        name = re.sub(r"\.gamma$", ".weight", re.sub(r"\.beta$", ".bias", name))
        if not name.endswith(".position_ids"):
            old[name] = tensor

    for copy, tied in (
        ("weight", "bert.embeddings.word_embeddings.weight"),
        ("bias", "cls.predictions.bias"),
    ):
        copied = old.pop(f"cls.predictions.decoder.{copy}", None)
        if copied is not None and not torch.equal(copied, old.setdefault(tied, copied)):
            raise ValueError(
                f"cls.predictions.decoder.{copy} is not {tied}: the model was trained with an output of its "
                "own, and ours shares it with the input; load a model with tie_word_embeddings"
            )
    theirs = {theirs: ours for ours, theirs in MODULES.items()}
    return {rename(name, theirs): tensor for name, tensor in old.items()}


def from_pretrained(model: str | Path) -> tuple[BertForPretraining, BaseTokenizer | None]:
    """Open a folder that `save_pretrained` or `transformers` wrote: a model on the CPU and its tokenizer.

    `model` is the folder, or the name of a data card with weights, like "minilm"; a folder with the name of
    a card is written "./NAME". The model is float32 and in evaluation mode; the tokenizer is None when the
    folder has none. A pooler or a head that the folder lacks as a whole starts fresh, with a warning. No
    program hidden in a file is run.

    Raises ValueError when the folder, its configuration, its weights or its tokenizer do not fit together.
    """
    folder = sources.model_folder(model)
    opened, tokenizer, fresh = open_folder(folder)
    for head in fresh:
        log.warning("%s has no weights for %s: they start fresh", folder, head)
    return opened, tokenizer


def encoder_from_pretrained(model: str | Path) -> tuple[Bert, BaseTokenizer | None]:
    """Open only what maps tokens to hidden states: like `from_pretrained`, but no head is missed."""
    opened, tokenizer, _ = open_folder(sources.model_folder(model))
    return opened.bert, tokenizer


def open_folder(folder: Path) -> tuple[BertForPretraining, BaseTokenizer | None, list[str]]:
    """Return a folder's model, its tokenizer, and what the folder lacks and therefore starts fresh."""
    values = read_json(folder / "config.json")
    config = read_config(values, folder / "config.json")
    tokenizer = read_tokenizer(folder, values, config)

    file, state = read_weights(folder)
    state = from_hugging_face(state)
    compare_sizes(config, state, file)
    model = BertForPretraining(config, torch.Generator().manual_seed(0))
    return model.eval(), tokenizer, load_weights(model, state, file)


def save_pretrained(model: BertForPretraining, tokenizer: BaseTokenizer | None, folder: str | Path) -> None:
    """Write a folder that `transformers.BertForPreTraining` and `AutoTokenizer` open.

    config.json, model.safetensors (the tied weight once) and, if given, the tokenizer's files.
    Raises ValueError for a tokenizer with more pieces than the model.
    """
    folder = Path(folder)
    check_tokenizer(tokenizer, model.config)
    folder.mkdir(parents=True, exist_ok=True)

    weights = {name: weight.detach().cpu().contiguous() for name, weight in model.named_parameters()}
    # `save_file` would leave the file unreadable for the group; written by ourselves it honours the umask.
    replace_file(folder / "model.safetensors", save(to_hugging_face(weights), {"format": "pt"}))
    if tokenizer is not None:
        tokenizer.save(folder, model.config.max_positions)
    text = json.dumps(write_config(model.config, tokenizer), indent=2) + "\n"
    replace_file(folder / "config.json", text)


def write_config(config: BertConfig, tokenizer: BaseTokenizer | None) -> dict[str, Any]:
    """Return config.json as `transformers` reads it; what only we need stands under "minibert"."""
    return {
        "architectures": ["BertForPreTraining"],
        "model_type": "bert",
        **{theirs: getattr(config, ours) for ours, theirs in FIELDS.items()},
        "hidden_act": next(theirs for theirs, ours in ACTIVATIONS.items() if ours == config.activation),
        "tie_word_embeddings": True,
        "minibert": {
            "position_init": config.position_init,
            "vocabulary": None if tokenizer is None else tokenizer.fingerprint,
        },
    }


def read_json(file: Path, kind: type = dict) -> Any:
    """Read JSON, an object or a list. Raises ValueError naming a file that is missing or cut short."""
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(f"{file} is missing: {file.parent} is not a model's folder") from None
    except ValueError as error:
        raise ValueError(f"{file} is not JSON ({error}); copy it again from where it came") from None
    if not isinstance(values, kind):
        raise ValueError(f"{file} must hold a JSON {kind.__name__}, got {type(values).__name__}")
    return values


def read_config(values: dict[str, Any], file: Path) -> BertConfig:
    """Translate a config.json of `transformers`; what it leaves out takes the default of BERT.

    Raises ValueError for anything but a bidirectional BERT with absolute positions.
    """
    wanted = {
        "model_type": ("bert",),
        "hidden_act": tuple(ACTIVATIONS),
        "position_embedding_type": ("absolute",),
        "is_decoder": (False,),
        "add_cross_attention": (False,),
    }
    for key, allowed in wanted.items():
        if values.get(key, allowed[0]) not in allowed:
            raise ValueError(f"{file}: {key} must be {' or '.join(map(str, allowed))}, got {values[key]!r}")

    # What the first files of BERT left unsaid: the sizes of bert-base-uncased.
    sizes = {"vocab_size": 30522, "layers": 12, "width": 768, "heads": 12, "feedforward": 3072}
    for ours, theirs in FIELDS.items():
        value, kind = values.get(theirs), type(getattr(BertConfig, ours))  # int or float
        if value is None:
            continue
        if type(value) not in (int, kind):
            raise ValueError(f"{file}: {theirs} must be a number of type {kind.__name__}, got {value!r}")
        sizes[ours] = value
    try:
        return BertConfig(
            **sizes,
            activation=ACTIVATIONS[values.get("hidden_act", "gelu")],  # pyright: ignore[reportArgumentType]
            position_init=values.get("minibert", {}).get("position_init", "normal"),
        )
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None


def check_tokenizer(tokenizer: BaseTokenizer | None, config: BertConfig) -> None:
    """Raise ValueError when the tokenizer has more pieces than the model has embeddings."""
    if tokenizer is not None and len(tokenizer) > config.vocab_size:
        raise ValueError(
            f"the tokenizer has {len(tokenizer)} pieces and the model only {config.vocab_size}; "
            "take the tokenizer that the model was trained with"
        )


def read_tokenizer(folder: Path, values: dict[str, Any], config: BertConfig) -> BaseTokenizer | None:
    """Load the folder's tokenizer, if it has one. Raises ValueError when it is not the model's."""
    if not any((folder / name).exists() for name in ("tokenizer.json", "vocab.txt", "merges.txt")):
        return None
    tokenizer = load_tokenizer(folder)
    check_tokenizer(tokenizer, config)
    trained_with = values.get("minibert", {}).get("vocabulary")
    if trained_with not in (None, tokenizer.fingerprint):
        raise ValueError(
            f"the tokenizer in {folder} is not the one that the model was trained with: its vocabulary's "
            f"hash is {tokenizer.fingerprint}, config.json says {trained_with}; put the model's own "
            "tokenizer files back"
        )
    return tokenizer


def read_weights(folder: Path) -> tuple[Path, dict[str, Tensor]]:
    """Read model.safetensors, or else pytorch_model.bin with torch's reader that runs no code.

    Raises ValueError for a missing or damaged file, and for a pickle that holds more than tensors.
    """
    file = folder / "model.safetensors"
    if file.exists():
        try:
            return file, load_file(file)
        except SafetensorError as error:
            raise ValueError(f"{file} is damaged ({error}); copy it again from where it came") from None

    file = folder / "pytorch_model.bin"
    if not file.exists():
        raise ValueError(f"{folder} has neither model.safetensors nor pytorch_model.bin")
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged or hostile pickle can fail in any way
        raise ValueError(
            f"{file} is damaged, or holds more than tensors; such a file can run any program when it is "
            "opened, so it was refused and nothing in it was run; look for a model.safetensors"
        ) from error
    if not isinstance(state, dict) or not all(isinstance(tensor, Tensor) for tensor in state.values()):
        raise ValueError(f"{file} must hold a dictionary of tensors, got {type(state).__name__}")
    return file, state


def compare_sizes(config: BertConfig, state: dict[str, Tensor], file: Path) -> None:
    """Raise ValueError listing each setting in which config.json and the weights differ."""
    axes = {
        "vocab_size": ("bert.embedding.tokens.weight", 0),
        "width": ("bert.embedding.tokens.weight", 1),
        "max_positions": ("bert.embedding.positions.weight", 0),
        "segments": ("bert.embedding.segments.weight", 0),
        "feedforward": ("bert.blocks.0.feedforward.expand.weight", 0),
    }
    found = {
        ours: state[name].shape[axis]
        for ours, (name, axis) in axes.items()
        if name in state and state[name].ndim == 2
    }
    found["layers"] = len({name.split(".")[2] for name in state if name.startswith("bert.blocks.")})
    differ = [
        f"{FIELDS[ours]} is {getattr(config, ours)} in config.json and {size} in the weights"
        for ours, size in found.items()
        if size != getattr(config, ours)
    ]
    if differ:
        raise ValueError(f"{file} and config.json disagree: {'; '.join(differ)}; copy both from one model")


@torch.no_grad()
def load_weights(model: BertForPretraining, state: dict[str, Tensor], file: Path) -> list[str]:
    """Copy the weights into the model; return the heads that the file lacks as a whole: they stay fresh.

    Raises ValueError naming the weights that are missing, unexpected, of another shape, or integers.
    """
    weights = dict(model.named_parameters())
    missing, fresh = set(weights) - set(state), []
    for prefix, head in HEADS.items():
        names = {name for name in weights if name.startswith(prefix)}
        if names <= missing:
            missing -= names
            fresh.append(head)

    problems = {
        "missing": missing,
        "unexpected": set(state) - set(weights),
        "not numbers of the right shape": {
            name
            for name in set(weights) & set(state)
            if weights[name].shape != state[name].shape or not state[name].is_floating_point()
        },
    }
    if any(problems.values()):
        listed = (
            f"{kind}: {', '.join(sorted(rename(name, MODULES) for name in names))}"
            for kind, names in problems.items()
            if names
        )
        raise ValueError(
            f"{file} does not hold the weights of this BERT; {'; '.join(listed)}. Copy it and config.json "
            "from one model"
        )
    for name, weight in weights.items():
        if name in state:
            weight.copy_(state[name])
    return fresh
