"""Settings: unknown ones are refused with a suggestion, impossible ones with the reason."""

import pytest

from minibert.config import BertConfig, PretrainConfig, from_dict, model_config, suggest


def test_an_unknown_setting_is_refused_with_the_nearest_one():
    with pytest.raises(ValueError, match=r"BertConfig has no setting 'head'\. Did you mean 'heads'\?"):
        from_dict(BertConfig, {"head": 3})
    assert from_dict(BertConfig, {"heads": 4}).heads == 4


def test_suggest_says_nothing_when_nothing_is_near():
    assert suggest("zzz", ["heads", "width"]) == ""


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": 100, "heads": 3}, "multiple of heads, got width 100 and heads 3"),
        ({"layers": 0}, "layers must be at least 1, got 0"),
        ({"dropout": 1.0}, r"dropout must be in \[0, 1\), got 1.0"),
        ({"pad_id": 9000}, r"pad_id must be in \[0, 8192\), got 9000"),
    ],
)
def test_an_impossible_model_is_refused_with_the_reason(changes, message):
    with pytest.raises(ValueError, match=message):
        BertConfig(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 0}, "steps must be at least 1, got 0"),
        ({"max_minutes": 0.0}, "max_minutes must be above 0"),
        ({"mask_rate": 1.5}, "mask_rate must be between 0 and 1, got 1.5"),
        ({"warmup": 2.0}, "warmup must be in"),
        ({"seq_len": 4}, "seq_len must be at least 8, got 4"),
        ({"seed": -1}, "seed must be at least 0"),
        ({"lr": -1.0}, "lr must be above 0"),
        ({"vocab_size": 5}, "vocab_size must be at least 32"),
    ],
)
def test_an_impossible_run_is_refused_with_the_reason(changes, message):
    with pytest.raises(ValueError, match=message):
        PretrainConfig(**changes)


def test_sizes_override_the_preset_and_bring_heads_and_feedforward_along():
    shape = model_config("bert-tiny", PretrainConfig(width=320, layers=3))
    assert (shape.layers, shape.width, shape.heads, shape.feedforward) == (3, 320, 5, 1280)
    assert model_config("bert-tiny", PretrainConfig(width=320, heads=10)).heads == 10
    assert model_config("bert-tiny", PretrainConfig(seq_len=1024)).max_positions == 1024
