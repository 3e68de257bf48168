"""What `minibert finetune` can be told, and what a head is."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast, get_args

from minibert.config.training import TrainConfig
from minibert.config.values import require, suggest

Task = Literal["classes", "labels", "number", "tags", "spans"]
"""What is asked of a text: one class of several, any number of labels, a number, a tag for every word, or
where the answer to a question stands."""

Strategy = Literal["whole", "frozen", "last", "gradual", "lora"]
"""Which weights learn: all; the head alone; head and last blocks; ever more from the top down; small
matrices beside those of a frozen body."""


@dataclass(frozen=True)
class HeadConfig:
    """The head that fine-tuning puts on a body."""

    task: Task
    labels: tuple[str, ...] = ()
    """The names of its outputs, in their order; none for `number` and `spans`."""
    dropout: float = 0.1
    """Share of what the head reads that is left out in training."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", tuple(self.labels))
        named = self.task in ("classes", "labels", "tags")
        require(named == bool(self.labels), f"a head for {self.task} {'needs' if named else 'has no'} labels")
        require(len(set(self.labels)) == len(self.labels), f"labels must differ, got {self.labels}")
        require(0 <= self.dropout < 1, f"dropout must be in [0, 1), got {self.dropout}")

    @property
    def outputs(self) -> int:
        """C, how many numbers the head gives for a text, or for each of its tokens."""
        return {"number": 1, "spans": 2}.get(self.task, len(self.labels))


@dataclass(frozen=True)
class LabelledTextConfig:
    """Where the labelled texts are, and how they are divided."""

    data: tuple[str, ...] = ()
    """A data card (see `minibert data list`) or files: CSV, TSV, JSON lines, CoNLL columns, SQuAD's JSON."""
    validation: tuple[str, ...] = ()
    """Files to choose the best checkpoint on; a share of the data if not given."""
    test: tuple[str, ...] = ()
    """Files to measure on, once, at the end; a share of the data if not given."""
    shares: tuple[float, float] = (0.1, 0.1)
    """Shares of the data for validation and test, where there are no files for them."""
    text: str | None = None
    """The column with the text; guessed where there is only one way."""
    text_pair: str | None = None
    """The column with the second text, for pairs."""
    label: str | None = None
    """The column with the label, in CoNLL its number; guessed where there is only one way. For tag it may be
    `segment` (where the words of Chinese end) or `segment+tag` (and what each of them is) instead."""
    labels_are: Literal["classes", "labels", "number"] | None = None
    """For classify: one class of several, several labels at once, or a number. Told from them if not given:
    lists are labels, numbers that are not all whole are numbers, all else is classes."""
    examples: int | None = None
    """Learn from so many of the training texts only, of each label its share."""


@dataclass(frozen=True)
class FinetuneConfig(TrainConfig, LabelledTextConfig):
    """What `minibert finetune` does."""

    out: Path | None = None
    """The run folder to write; runs/TASK-MODEL if not given."""
    resume: Literal["auto"] | None = None
    """`auto`: go on from the newest good checkpoint in the run folder, if there is one."""
    epochs: float = 3.0
    """How often each training text is seen, unless --steps or --max-minutes say how long."""
    batch_size: int = 16
    """B, texts in a batch."""
    max_tokens: int | None = None
    """Longest row, in tokens with the special ones; as many as the model reads if not given."""
    long_texts: Literal["cut", "windows"] = "cut"
    """Cut off what is longer, or read it in windows that overlap. Answers are always looked for in them."""
    longest_answer: int = 30
    """Most tokens of an answer."""

    strategy: Strategy = "whole"
    """Which weights learn."""
    last_layers: int = 2
    """k, for --strategy last: how many of the top blocks learn with the head."""
    lora_rank: int = 8
    """Rank of the small matrices, for --strategy lora."""
    lr: float | None = None
    """Peak learning rate of the body's top block, or of what learns beside a frozen body; the strategy's own
    if not given."""
    head_lr: float | None = None
    """Peak learning rate of the new head; ten times the body's if not given, and just `lr` where the body is
    frozen."""
    layer_decay: float = 1.0
    """Each block learns at this share of the rate of the one above it."""
    fresh_layers: int = 0
    """How many of the top blocks start again from noise."""
    weight_decay: float = 0.01
    """Decoupled weight decay, on everything but biases and norms."""
    dropout: float = 0.1
    """Share of hidden units, of attention weights, and of what the head reads, left out in training."""
    warmup: float = 0.1
    """Share of the run in which the learning rate rises."""

    class_weights: Literal["equal", "balanced"] = "equal"
    """`balanced`: a class counts for more the rarer it is."""
    smoothing: float = 0.0
    """Share of the probability that label smoothing spreads over all classes."""
    delete: float = 0.0
    """Augmentation: share of the tokens left out, drawn anew in each epoch."""
    swap: float = 0.0
    """Augmentation: share of the tokens that change places with their neighbour."""
    replace: float = 0.0
    """Augmentation: share of the words that the model itself, before it learns, fills in anew."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("last_layers", "lora_rank", "examples", "max_tokens", "longest_answer"):
            value = getattr(self, name)
            require(value is None or value >= 1, f"{name} must be at least 1, got {value}")
        for name in ("epochs", "lr", "head_lr"):
            value = getattr(self, name)
            require(value is None or value > 0, f"{name} must be above 0, got {value}")
        for name in ("smoothing", "dropout", "delete", "swap", "replace"):
            value = getattr(self, name)
            require(0 <= value < 1, f"{name} must be in [0, 1), got {value}")
        require(0 < self.layer_decay <= 1, f"layer_decay must be in (0, 1], got {self.layer_decay}")
        require(self.fresh_layers >= 0, f"fresh_layers must be at least 0, got {self.fresh_layers}")
        require(
            all(0 < share < 1 for share in self.shares) and sum(self.shares) < 1,
            f"shares must be above 0 and together below 1, got {self.shares}",
        )


@dataclass(frozen=True)
class SeveralConfig:
    """How one command fine-tunes several times."""

    compare: str | None = None
    """Learn by several strategies, with commas between them (whole,frozen,lora), and draw what each of them
    reaches and costs."""
    seeds: int | None = None
    """Learn with so many seeds, from --seed on, and tell mean and spread."""
    folds: int | None = None
    """Divide the texts into so many folds and measure on each of them once, having learned from the others
    (cross-validation); tell mean and spread."""
    search: int | None = None
    """Try so many learning rates and batch sizes, choose by the validation texts, and measure the best of
    them on the test texts (needs the package optuna)."""

    def __post_init__(self) -> None:
        for name in ("seeds", "folds", "search"):
            value = getattr(self, name)
            require(value is None or value >= 2, f"--{name} must be at least 2, got {value}")
        known, named = get_args(Strategy), self.strategies
        for word in named:
            require(
                word in known,
                f"--compare has no strategy {word!r}.{suggest(word, known)} It has: {', '.join(known)}",
            )
        require(
            self.compare is None or 2 <= len(named) == len(set(named)),
            f"--compare needs two strategies or more, each once, as in whole,frozen: got {self.compare}",
        )
        require(
            len(self.asked) < 2 or "search" not in self.asked,
            "--search tries one strategy, with one seed and one division of the texts: leave out "
            f"{' and '.join(f'--{name}' for name in self.asked if name != 'search')}",
        )
        require(
            not (self.seeds and self.folds),
            "--seeds and --folds are two ways to see how far scores spread: one at a time",
        )

    @property
    def strategies(self) -> tuple[Strategy, ...]:
        """The strategies to compare; none if not asked for."""
        words = [] if self.compare is None else [word.strip() for word in self.compare.split(",")]
        return cast(tuple[Strategy, ...], tuple(words))

    @property
    def asked(self) -> tuple[str, ...]:
        """The names of the ways that are asked for; none where a single run is meant."""
        return tuple(
            name for name in ("compare", "seeds", "folds", "search") if getattr(self, name) is not None
        )

    def require_fit(self, config: FinetuneConfig) -> None:
        """Raise ValueError unless the runs can be made of `config`."""
        require(
            not (self.folds and (config.validation or config.test)),
            "--folds divides all texts of --data: leave out --validation and --test",
        )
        require(
            not self.compare or config.strategy == "whole",
            f"--compare names the strategies: leave out --strategy {config.strategy}",
        )
        still = [name for name in ("frozen", "lora") if name in self.strategies]
        require(
            not (still and config.fresh_layers),
            f"--fresh-layers needs blocks that learn: leave it out, or {' and '.join(still)}",
        )
