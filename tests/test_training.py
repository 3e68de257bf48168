"""Settings of the loop."""

import pytest

from minibert.config import TrainConfig
from minibert.config.training import EVALUATE_EVERY


def test_held_out_text_is_looked_at_as_often_as_is_said_or_else_as_usual():
    assert TrainConfig(evaluate_every=3).look_every == 3
    assert TrainConfig().look_every == EVALUATE_EVERY == 250


@pytest.mark.parametrize(
    "name", ["steps", "batch_size", "micro_batch", "keep", "log_every", "evaluate_every"]
)
def test_what_is_counted_is_at_least_one(name):
    with pytest.raises(ValueError, match=f"{name} must be at least 1, got 0"):
        TrainConfig(**{name: 0})  # pyright: ignore[reportArgumentType]
