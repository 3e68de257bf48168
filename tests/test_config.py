"""Settings: unknown ones are refused with a suggestion, impossible ones with the reason."""

import pytest

from minibert.config import SIZES, BertConfig, PretrainConfig, from_dict, model_config, suggest


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


@pytest.mark.parametrize(
    ("preset", "layers", "width", "millions"),
    [
        ("bert-tiny", 2, 128, 4.4),
        ("bert-mini", 4, 256, 11.3),
        ("bert-small", 4, 512, 29.1),
        ("bert-medium", 8, 512, 41.7),
        ("bert-base", 12, 768, 110.1),
        ("bert-large", 24, 1024, 336.2),
    ],
)
def test_presets_have_the_published_sizes(preset, layers, width, millions):
    # Turc et al. 2019 and the google-research/bert README: V = 30522, with the pooler, without the heads.
    shape = model_config(preset, PretrainConfig(vocab_size=30522))
    assert (shape.layers, shape.width, shape.feedforward) == (layers, width, 4 * width)
    assert shape.heads == (4 if preset == "bert-tiny" else width // 64)
    D, F = shape.width, shape.feedforward
    block = 4 * (D * D + D) + 2 * D * F + F + D + 4 * D
    embeddings = (30522 + 512 + 2) * D + 2 * D
    assert (embeddings + shape.layers * block + D * D + D) / 1e6 == pytest.approx(millions, rel=0.02)
    assert len(SIZES[BertConfig]) == 6
