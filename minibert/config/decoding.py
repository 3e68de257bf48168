"""How the next token is chosen from what a model says."""

from dataclasses import dataclass, fields

from minibert.config.values import require


@dataclass(frozen=True)
class DecodingConfig:
    """How the next token is chosen from the logits; as it stands, drawn as the model says.

    What is set here is done in the order of the fields (see `minibert.model.generate.adjust`).
    """

    repetition_penalty: float = 1.0
    """By how much tokens that stand in the text already are held back: 1 is not at all, 1.2 is common."""
    temperature: float = 1.0
    """Below 1 likely tokens become likelier, above 1 all become more alike; 0 takes the likeliest."""
    top_k: int | None = None
    """Draw among so many tokens, the likeliest; among all if not given."""
    top_p: float = 1.0
    """Draw among the fewest tokens that have this probability together."""
    min_p: float = 0.0
    """Draw among the tokens that have at least this share of the likeliest one's probability."""

    def __post_init__(self) -> None:
        def check(name: str, fits: bool, expected: str) -> None:
            require(fits, f"{name} must be {expected}, got {getattr(self, name)}")

        check("repetition_penalty", self.repetition_penalty > 0, "above 0")
        check("temperature", self.temperature >= 0, "at least 0")
        check("top_k", self.top_k is None or self.top_k >= 1, "at least 1")
        check("top_p", 0 < self.top_p <= 1, "above 0 and at most 1")
        check("min_p", 0 <= self.min_p <= 1, "between 0 and 1")


GREEDY = DecodingConfig(temperature=0.0)
"""The likeliest token, each time."""


@dataclass(frozen=True)
class WritingConfig(DecodingConfig):
    """What `minibert generate` writes: texts drawn a little more boldly than the model says."""

    length: int = 200
    """Most tokens to add."""
    temperature: float = 0.8
    """Below 1 likely tokens become likelier, above 1 all become more alike; 0 takes the likeliest."""
    top_p: float = 0.95
    """Draw among the fewest tokens that have this probability together."""
    beams: int = 1
    """Draw nothing, and look for the likeliest text, with so many side by side (beam search)."""
    count: int = 1
    """Texts for each prompt."""
    seed: int = 0
    """Decides what is drawn: the same seed writes the same text."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("length", "beams", "count"):
            require(getattr(self, name) >= 1, f"{name} must be at least 1, got {getattr(self, name)}")
        require(self.seed >= 0, f"seed must be at least 0, got {self.seed}")
        if self.beams > 1:
            changed = [
                f.name
                for f in fields(DecodingConfig)
                if getattr(self, f.name) != getattr(WritingConfig, f.name)
            ]
            require(not changed, f"beam search draws nothing: leave out {' and '.join(changed)}")
            require(
                self.count <= self.beams,
                f"{self.beams} beams find {self.beams} texts, got a count of {self.count}",
            )
