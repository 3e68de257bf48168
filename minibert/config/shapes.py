"""The shapes of models: every size, its unit, its default, and the named presets."""

from dataclasses import dataclass
from typing import Any, Literal

from minibert.config.values import require


def require_sizes(shape: Any) -> None:
    """Raise ValueError unless every whole number of a shape that counts something is at least 1, and every
    dropout a share below 1."""
    counts = ("vocab_size", "layers", "width", "heads", "key_heads", "feedforward", "max_positions")
    for name in (*counts, "segments", "local_window", "global_every"):
        value = getattr(shape, name, 1)
        require(value >= 1, f"{name} must be at least 1, got {value}")
    for name in ("dropout", "attention_dropout"):
        value = getattr(shape, name, 0.0)
        require(0 <= value < 1, f"{name} must be in [0, 1), got {value}")


def require_heads(shape: Any, even: bool = False) -> None:
    """Raise ValueError unless the width can be cut into heads, of an even width where pairs are turned."""
    require(
        shape.width % shape.heads == 0,
        f"width must be a multiple of heads, got width {shape.width} and heads {shape.heads}",
    )
    K = shape.width // shape.heads
    require(not even or K % 2 == 0, f"rotary positions turn pairs: a head must be even in width, got {K}")


def require_pad(shape: Any) -> None:
    """Raise ValueError unless the padding's id is in the vocabulary."""
    require(
        0 <= shape.pad_id < shape.vocab_size,
        f"pad_id must be in [0, {shape.vocab_size}), got {shape.pad_id}",
    )


@dataclass(frozen=True)
class BertConfig:
    """The shape of a BERT and how its weights start (Devlin et al. 2019, section 3)."""

    vocab_size: int = 8192
    """V, pieces in the vocabulary."""
    layers: int = 2
    """L, transformer blocks."""
    width: int = 128
    """D, width of the hidden states."""
    heads: int = 2
    """H, attention heads; each is D / H wide."""
    feedforward: int = 512
    """F, width inside the feed-forward block."""
    max_positions: int = 512
    """Longest sequence, in tokens."""
    segments: int = 2
    """Segment kinds: sentence A and sentence B."""
    activation: Literal["gelu", "gelu_tanh", "relu"] = "gelu"
    """What stands between the two feed-forward layers."""
    dropout: float = 0.1
    """Share of hidden units left out in training, between 0 and 1."""
    attention_dropout: float = 0.1
    """Share of attention weights left out in training, between 0 and 1."""
    norm_eps: float = 1e-12
    """Epsilon under the root of the layer norm."""
    init_std: float = 0.02
    """Standard deviation of the weights at the start."""
    position_init: Literal["normal", "sinusoidal"] = "normal"
    """How the learned positions start: noise as in the paper, or the sinusoids of Vaswani et al. 2017."""
    pad_id: int = 0
    """Token id of padding."""

    def __post_init__(self) -> None:
        for name in ("vocab_size", "layers", "width", "heads", "feedforward", "max_positions", "segments"):
            require(getattr(self, name) >= 1, f"{name} must be at least 1, got {getattr(self, name)}")
        require(
            self.width % self.heads == 0,
            f"width must be a multiple of heads, got width {self.width} and heads {self.heads}",
        )
        for name in ("dropout", "attention_dropout"):
            require(0 <= getattr(self, name) < 1, f"{name} must be in [0, 1), got {getattr(self, name)}")
        require(
            0 <= self.pad_id < self.vocab_size,
            f"pad_id must be in [0, {self.vocab_size}), got {self.pad_id}",
        )


@dataclass(frozen=True)
class ModernBertConfig:
    """The shape of a ModernBERT and how its weights start (Warner et al. 2024, section 2.1)."""

    vocab_size: int = 8192
    """V, pieces in the vocabulary."""
    layers: int = 2
    """L, transformer blocks."""
    width: int = 128
    """D, width of the hidden states."""
    heads: int = 4
    """H, attention heads; each is D / H wide."""
    feedforward: int = 192
    """F, width inside the feed-forward block, behind the gate."""
    max_positions: int = 8192
    """Longest sequence, in tokens."""
    global_every: int = 3
    """Of so many blocks one, the first, attends to the whole sequence; the others to a window."""
    local_window: int = 128
    """Tokens in the window of the other blocks: half of them on each side."""
    rotary_base: float = 160_000.0
    """Base of the periods by which queries and keys are turned, in the blocks that see everything."""
    local_rotary_base: float = 10_000.0
    """The same in the blocks that see a window."""
    dropout: float = 0.0
    """Share of hidden units left out in training, between 0 and 1."""
    attention_dropout: float = 0.0
    """Share of attention weights left out in training, between 0 and 1."""
    norm_eps: float = 1e-5
    """Epsilon under the root of the layer norm."""
    init_std: float = 0.02
    """Standard deviation of the weights at the start."""
    pad_id: int = 0
    """Token id of padding."""

    def __post_init__(self) -> None:
        require_sizes(self)
        require_heads(self, even=True)
        require_pad(self)


@dataclass(frozen=True)
class GptConfig:
    """The shape of a GPT-2 and how its weights start (Radford et al. 2019, section 2.3)."""

    vocab_size: int = 8192
    """V, pieces in the vocabulary."""
    layers: int = 2
    """L, transformer blocks."""
    width: int = 128
    """D, width of the hidden states."""
    heads: int = 4
    """H, attention heads; each is D / H wide."""
    feedforward: int = 512
    """F, width inside the feed-forward block."""
    max_positions: int = 1024
    """Longest sequence, in tokens."""
    activation: Literal["gelu", "gelu_tanh", "relu"] = "gelu_tanh"
    """What stands between the two feed-forward layers."""
    dropout: float = 0.1
    """Share of hidden units left out in training, between 0 and 1."""
    attention_dropout: float = 0.1
    """Share of attention weights left out in training, between 0 and 1."""
    norm_eps: float = 1e-5
    """Epsilon under the root of the layer norm."""
    init_std: float = 0.02
    """Standard deviation of the weights at the start; the last matrix of each branch has it divided by the
    root of the number of branches, 2 L."""
    position_init: Literal["normal", "sinusoidal"] = "normal"
    """How the learned positions start: noise as in the paper, or the sinusoids of Vaswani et al. 2017."""
    pad_id: int | None = None
    """Token id of padding, which stands on the right; none where the model only ever sees whole texts."""

    def __post_init__(self) -> None:
        require_sizes(self)
        require_heads(self)


@dataclass(frozen=True)
class LlamaConfig:
    """The shape of a Llama and how its weights start (Touvron et al. 2023, section 2.2)."""

    vocab_size: int = 8192
    """V, pieces in the vocabulary."""
    layers: int = 2
    """L, transformer blocks."""
    width: int = 128
    """D, width of the hidden states."""
    heads: int = 4
    """H, attention heads; each is D / H wide."""
    key_heads: int = 4
    """Heads of keys and values; each serves H / key_heads heads of queries (Ainslie et al. 2023)."""
    feedforward: int = 344
    """F, width inside the feed-forward block, behind the gate: about 8/3 D."""
    max_positions: int = 2048
    """Longest sequence, in tokens."""
    rotary_base: float = 10_000.0
    """Base of the periods by which queries and keys are turned."""
    norm_eps: float = 1e-6
    """Epsilon under the root of the norm."""
    init_std: float = 0.02
    """Standard deviation of the weights at the start; the last matrix of each branch starts at zero."""

    def __post_init__(self) -> None:
        require_sizes(self)
        require_heads(self, even=True)
        require(
            self.heads % self.key_heads == 0,
            f"heads must be a multiple of key_heads, got heads {self.heads} and key_heads {self.key_heads}",
        )


@dataclass(frozen=True)
class QwenConfig(LlamaConfig):
    """The shape of a Qwen3: a Llama that norms its queries and keys (Yang et al. 2025, section 2)."""


@dataclass(frozen=True)
class RnnConfig:
    """The shape of a recurrent language model (Elman 1990; Mikolov et al. 2010) and how its weights start."""

    vocab_size: int = 8192
    """V, pieces in the vocabulary."""
    layers: int = 2
    """L, recurrent layers, one on top of the other."""
    width: int = 128
    """D, width of the embeddings and of the hidden states."""
    dropout: float = 0.0
    """Share of what goes from layer to layer that is left out in training, between 0 and 1."""

    def __post_init__(self) -> None:
        require_sizes(self)


@dataclass(frozen=True)
class LstmConfig(RnnConfig):
    """The shape of a language model with long short-term memory (Hochreiter and Schmidhuber 1997)."""


Shape = BertConfig | ModernBertConfig | GptConfig | LlamaConfig | RnnConfig
"""What a model is made from."""

SIZES: dict[type, dict[str, dict[str, int]]] = {
    BertConfig: {
        "bert-tiny": {"layers": 2, "width": 128, "heads": 4, "feedforward": 512},
        "bert-mini": {"layers": 4, "width": 256, "heads": 4, "feedforward": 1024},
        "bert-small": {"layers": 4, "width": 512, "heads": 8, "feedforward": 2048},
        "bert-medium": {"layers": 8, "width": 512, "heads": 8, "feedforward": 2048},
        "bert-base": {"layers": 12, "width": 768, "heads": 12, "feedforward": 3072},
        "bert-large": {"layers": 24, "width": 1024, "heads": 16, "feedforward": 4096},
    },
    ModernBertConfig: {
        "modernbert-tiny": {"layers": 2, "width": 128, "heads": 4, "feedforward": 352},
        "modernbert-mini": {"layers": 4, "width": 256, "heads": 4, "feedforward": 704},
        "modernbert-base": {"layers": 22, "width": 768, "heads": 12, "feedforward": 1152},
        "modernbert-large": {"layers": 28, "width": 1024, "heads": 16, "feedforward": 2624},
    },
    GptConfig: {
        "gpt-tiny": {"layers": 2, "width": 128, "heads": 4, "feedforward": 512},
        "gpt-mini": {"layers": 4, "width": 256, "heads": 4, "feedforward": 1024},
        "gpt2": {"layers": 12, "width": 768, "heads": 12, "feedforward": 3072},
        "gpt2-medium": {"layers": 24, "width": 1024, "heads": 16, "feedforward": 4096},
        "gpt2-large": {"layers": 36, "width": 1280, "heads": 20, "feedforward": 5120},
        "gpt2-xl": {"layers": 48, "width": 1600, "heads": 25, "feedforward": 6400},
    },
    LlamaConfig: {
        "llama-tiny": {"layers": 2, "width": 128, "heads": 4, "key_heads": 4, "feedforward": 352},
        "llama-mini": {"layers": 4, "width": 256, "heads": 4, "key_heads": 4, "feedforward": 704},
        "llama-base": {"layers": 12, "width": 768, "heads": 12, "key_heads": 12, "feedforward": 2048},
    },
    QwenConfig: {
        "qwen-tiny": {"layers": 2, "width": 128, "heads": 4, "key_heads": 4, "feedforward": 352},
        "qwen-mini": {"layers": 4, "width": 256, "heads": 4, "key_heads": 4, "feedforward": 704},
        "qwen-base": {"layers": 12, "width": 768, "heads": 12, "key_heads": 12, "feedforward": 2048},
    },
    RnnConfig: {"rnn-tiny": {"layers": 2, "width": 256}},
    LstmConfig: {"lstm-tiny": {"layers": 2, "width": 128}},
}
"""The named sizes of every kind of model, by its configuration.

BERT: the published ones (Devlin et al. 2019; Turc et al. 2019 for the small ones), but bert-tiny has 4 heads
of 32, not 2 of 64, and tells next sentences better for it. GPT-2: Radford et al. 2019, table 2. ModernBERT
base and large: Warner et al. 2024, table 4. The others are ours: a gated feed-forward block of 8/3 D has as
many weights as one of 4 D without a gate.
"""

PRESETS: dict[str, dict[str, int]] = {name: sizes for kind in SIZES.values() for name, sizes in kind.items()}
"""All named sizes."""

KINDS: dict[str, type] = {name: kind for kind, presets in SIZES.items() for name in presets}
"""The configuration that each preset is one of."""
