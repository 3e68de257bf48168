"""Settings of decoding: what cannot be is refused, and says which."""

import pytest

from minibert.config.decoding import GREEDY, DecodingConfig, WritingConfig


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


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"length": 0}, "length must be at least 1, got 0"),
        ({"count": 0}, "count must be at least 1, got 0"),
        ({"beams": 0}, "beams must be at least 1, got 0"),
        ({"seed": -1}, "seed must be at least 0, got -1"),
        ({"top_k": 0}, "top_k must be at least 1, got 0"),
        ({"beams": 2, "top_k": 3}, "beam search draws nothing: leave out top_k"),
        ({"beams": 2, "temperature": 0.0, "min_p": 0.1}, "leave out temperature and min_p"),
        ({"beams": 2, "count": 3}, "2 beams find 2 texts, got a count of 3"),
    ],
)
def test_texts_that_cannot_be_written_are_refused(settings: dict, message: str):
    with pytest.raises(ValueError, match=message):
        WritingConfig(**settings)


def test_beams_go_with_what_has_its_usual_value():
    assert WritingConfig(beams=3, count=3, seed=5, length=9).beams == 3
