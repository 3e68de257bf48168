"""Every setting, its unit, its default, and the named presets."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from minibert.config.finetuning import FinetuneConfig, HeadConfig, SeveralConfig, Strategy, Task
from minibert.config.shapes import (
    KINDS,
    PRESETS,
    SIZES,
    BertConfig,
    GptConfig,
    LlamaConfig,
    LstmConfig,
    ModernBertConfig,
    QwenConfig,
    RnnConfig,
    Shape,
)
from minibert.config.training import TrainConfig
from minibert.config.values import from_dict, require, suggest

__all__ = [
    "DEFAULT_MINUTES",
    "FORMATS",
    "KINDS",
    "OBJECTIVES",
    "PRESETS",
    "SIZES",
    "BertConfig",
    "FinetuneConfig",
    "GptConfig",
    "HeadConfig",
    "LlamaConfig",
    "LstmConfig",
    "ModernBertConfig",
    "Objective",
    "Part",
    "PretrainConfig",
    "QwenConfig",
    "RnnConfig",
    "SeveralConfig",
    "Shape",
    "Strategy",
    "Task",
    "TextConfig",
    "TokenizerKind",
    "TrainConfig",
    "from_dict",
    "model_config",
    "require",
    "settled",
    "suggest",
]

DEFAULT_MINUTES = 4.8
"""How long a run trains when neither `steps` nor `max_minutes` is given (minutes)."""

FORMATS = {
    "file": "one document per file",
    "paragraphs": "plain text with blank lines between documents",
    "lines": "plain text, one document per line",
    "table": "CSV, TSV or JSON lines, by suffix: one document per row, in one column",
    "mediawiki": "a MediaWiki XML dump, plain or .gz: one document per article",
    "tagged": "sentences of WORD/TAG, one per line",
    "conll": "words in columns, a blank line after each sentence",
    "squad": "questions on articles, in the JSON of SQuAD",
    "weights": "a model, not text",
}
"""How documents lie in a file."""


@dataclass(frozen=True)
class Part:
    """Files of a corpus that are read the same way."""

    files: tuple[Path, ...]
    format: str = "paragraphs"
    """One of FORMATS."""
    column: str = "text"
    """In a table: the column that holds the text."""
    held_out: bool = False
    """Whether all of it is held out (the test split of a published data set)."""
    label: str = ""
    """In a table: the column that holds the label; elsewhere: the label of every document."""
    label_names: tuple[tuple[str, str], ...] = ()
    """In a table: what to call a label, for each that the table writes in another way."""
    only: tuple[str, ...] = ()
    """In a table: a column and its cell, of the rows that are read; all rows if not given."""

    def __post_init__(self) -> None:
        require(self.format in FORMATS, f"no format {self.format!r}.{suggest(self.format, list(FORMATS))}")


@dataclass(frozen=True)
class TextConfig:
    """What a run reads, and where it writes."""

    corpus: tuple[str, ...] = ("sotu",)
    """Data cards (see `minibert data list`) or text files. For encoders blank lines in a file stand between
    documents; a causal model learns a file as it is, as one document."""
    out: Path | None = None
    """The run folder to write; runs/PRESET if not given."""
    from_folder: Path | None = None
    """Go on from the weights and the tokenizer in this folder."""
    resume: Literal["auto"] | None = None
    """`auto`: go on from the newest good checkpoint in the run folder, if there is one."""


Objective = Literal["mlm+nsp", "mlm", "clm"]
TokenizerKind = Literal["wordpiece", "bpe", "char"]

OBJECTIVES: dict[type, tuple[Objective, ...]] = {
    BertConfig: ("mlm+nsp", "mlm"),
    ModernBertConfig: ("mlm",),
    GptConfig: ("clm",),
    LlamaConfig: ("clm",),
    QwenConfig: ("clm",),
    RnnConfig: ("clm",),
    LstmConfig: ("clm",),
}
"""What each kind of model can learn by; the first one if nothing is said."""


@dataclass(frozen=True)
class PretrainConfig(TrainConfig, TextConfig):
    """What `minibert pretrain` does."""

    seq_len: int = 80
    """T, tokens in a sequence."""

    layers: int | None = None
    """Blocks, in place of the preset's."""
    width: int | None = None
    """Width of the hidden states, in place of the preset's; heads are then 64 wide unless given."""
    heads: int | None = None
    """Attention heads, in place of the preset's."""
    vocab_size: int = 8192
    """Pieces in the vocabulary that is learned from the corpus."""
    dropout: float = 0.0
    """Share of hidden units and of attention weights left out in training."""
    position_init: Literal["normal", "sinusoidal"] = "sinusoidal"
    """How the learned positions start."""

    word_bias: Literal["frequencies", "zero"] = "frequencies"
    """How the bias over the vocabulary starts: at the log frequencies of the pieces, or at zero."""

    tokenizer: TokenizerKind | None = None
    """What the text is cut into: word pieces (encoders, if not given), byte pairs (causal models, if not
    given), or single characters."""

    objective: Objective | None = None
    """Masked words and next sentences (BERT, if not given), masked words alone, or the next token (`clm`: all
    causal models)."""
    mask_rate: float = 0.3
    """Share of the tokens to predict in training, between 0 and 1; evaluation always asks for 15 %."""
    whole_words: bool = False
    """Mask all pieces of a word together."""

    optimizer: Literal["muon", "adamw"] = "muon"
    """`muon`: Muon for the matrices between hidden states, AdamW for the rest; `adamw`: AdamW for all."""
    lr: float | None = None
    """Peak learning rate of AdamW; 4e-3 beside Muon, 1e-3 alone if not given."""
    matrix_lr: float = 0.015
    """Peak learning rate of Muon."""
    weight_decay: float = 0.01
    """Decoupled weight decay, on everything but biases and norms."""

    backend: Literal["torch", "numpy"] = "torch"
    """`numpy`: forward, backward and optimisers by hand in NumPy, on the CPU, to see it done; slower."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("layers", "width", "heads"):
            value = getattr(self, name)
            require(value is None or value >= 1, f"{name} must be at least 1, got {value}")
        require(self.seq_len >= 8, f"seq_len must be at least 8, got {self.seq_len}")
        require(
            self.backend == "torch" or self.device in ("auto", "cpu"),
            f"the numpy backend trains on the CPU, got --device {self.device}",
        )
        for name, plain in (("precision", "float32"), ("compile", False), ("shard", False)):
            require(
                self.backend == "torch" or getattr(self, name) == plain,
                f"the numpy backend works in float32, as it stands; leave out --{name}",
            )
        require(0 < self.mask_rate < 1, f"mask_rate must be between 0 and 1, got {self.mask_rate}")
        require(self.vocab_size >= 32, f"vocab_size must be at least 32, got {self.vocab_size}")
        for name in ("lr", "matrix_lr"):
            value = getattr(self, name)
            require(value is None or value > 0, f"{name} must be above 0, got {value}")


def settled(preset: str, run: PretrainConfig) -> PretrainConfig:
    """Return `run` with what it leaves to the kind of model: the objective and the tokenizer.

    Raises ValueError for an unknown preset, and for an objective that its kind of model cannot learn by.
    """
    if preset not in PRESETS:
        raise ValueError(
            f"no preset {preset!r}.{suggest(preset, list(PRESETS))} Presets: {', '.join(PRESETS)}"
        )
    known = OBJECTIVES[KINDS[preset]]
    objective = run.objective or known[0]
    require(
        objective in known,
        f"{preset} learns by {' or '.join(known)}, got --objective {objective}; leave it out",
    )
    tokenizer = run.tokenizer or ("bpe" if objective == "clm" else "wordpiece")
    return dataclasses.replace(run, objective=objective, tokenizer=tokenizer)


def model_config(preset: str, run: PretrainConfig) -> Shape:
    """Return the model of a preset with the sizes that `run` overrides.

    Raises ValueError for an unknown preset, sizes that this kind of model does not have, and sizes that do
    not fit together.
    """
    settled(preset, run)
    kind, standard = KINDS[preset], PRESETS[preset]
    has = {field.name for field in dataclasses.fields(kind)}
    given = {name: getattr(run, name) for name in ("layers", "width", "heads")}
    given = {name: size for name, size in given.items() if size is not None}
    for name in set(given) - has:
        raise ValueError(f"{preset} has no {name}; leave out --{name}")

    sizes: dict[str, Any] = {**standard, **given}
    if run.width is not None and "heads" in has:
        sizes["heads"] = run.heads or max(1, run.width // 64)
        sizes["feedforward"] = round(run.width * standard["feedforward"] / standard["width"])
    if "key_heads" in has:
        sizes["key_heads"] = sizes["heads"]
    settings: dict[str, Any] = {
        **sizes,
        "vocab_size": run.vocab_size,
        "max_positions": max(getattr(kind, "max_positions", 0), run.seq_len),
        "dropout": run.dropout,
        "attention_dropout": run.dropout,
        "position_init": run.position_init,
    }
    return kind(**{name: value for name, value in settings.items() if name in has})
