"""Settings of decoding: what cannot be is refused, and says which."""

import pytest

from minibert.config.decoding import GREEDY, DecodingConfig


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"repetition_penalty": 0.0}, "repetition_penalty must be above 0, got 0.0"),
        ({"temperature": -0.1}, "temperature must be at least 0, got -0.1"),
        ({"top_k": 0}, "top_k must be at least 1, got 0"),
        ({"top_p": 0.0}, "top_p must be above 0 and at most 1, got 0.0"),
        ({"top_p": 1.1}, "top_p must be above 0 and at most 1, got 1.1"),
        ({"min_p": -0.1}, "min_p must be between 0 and 1, got -0.1"),
        ({"min_p": float("nan")}, "min_p must be between 0 and 1, got nan"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict, message: str):
    with pytest.raises(ValueError, match=message):
        DecodingConfig(**settings)


def test_the_edges_are_settings():
    assert DecodingConfig(1.0, 0.0, None, 1.0, 0.0) == GREEDY
    DecodingConfig(repetition_penalty=0.5, top_k=1, top_p=1e-9, min_p=1.0)
