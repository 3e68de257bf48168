"""Shapes of models: impossible ones are refused with the reason, presets have the published sizes."""

import pytest

from minibert.config import (
    KINDS,
    OBJECTIVES,
    PRESETS,
    SIZES,
    BertConfig,
    GptConfig,
    LlamaConfig,
    ModernBertConfig,
    PretrainConfig,
    QwenConfig,
    RnnConfig,
    model_config,
)


@pytest.mark.parametrize(
    ("kind", "changes", "message"),
    [
        (BertConfig, {"width": 100, "heads": 3}, "multiple of heads, got width 100 and heads 3"),
        (BertConfig, {"layers": 0}, "layers must be at least 1, got 0"),
        (BertConfig, {"dropout": 1.0}, r"dropout must be in \[0, 1\), got 1.0"),
        (BertConfig, {"pad_id": 9000}, r"pad_id must be in \[0, 8192\), got 9000"),
        (GptConfig, {"heads": 3}, "multiple of heads, got width 128 and heads 3"),
        (GptConfig, {"attention_dropout": -0.1}, r"attention_dropout must be in \[0, 1\), got -0.1"),
        (LlamaConfig, {"width": 12, "heads": 4}, "a head must be even in width, got 3"),
        (LlamaConfig, {"heads": 4, "key_heads": 3}, "multiple of key_heads, got heads 4 and key_heads 3"),
        (QwenConfig, {"feedforward": 0}, "feedforward must be at least 1, got 0"),
        (ModernBertConfig, {"local_window": 0}, "local_window must be at least 1, got 0"),
        (ModernBertConfig, {"pad_id": -1}, r"pad_id must be in \[0, 8192\), got -1"),
        (RnnConfig, {"width": 0}, "width must be at least 1, got 0"),
    ],
)
def test_an_impossible_model_is_refused_with_the_reason(kind, changes, message):
    with pytest.raises(ValueError, match=message):
        kind(**changes)


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
def test_bert_has_the_published_sizes(preset, layers, width, millions):
    # Turc et al. 2019 and the google-research/bert README: V = 30522, with the pooler, without the heads.
    shape = model_config(preset, PretrainConfig(vocab_size=30522))
    assert isinstance(shape, BertConfig)
    assert (shape.layers, shape.width, shape.feedforward) == (layers, width, 4 * width)
    assert shape.heads == (4 if preset == "bert-tiny" else width // 64)
    D, F = shape.width, shape.feedforward
    block = 4 * (D * D + D) + 2 * D * F + F + D + 4 * D
    embeddings = (30522 + 512 + 2) * D + 2 * D
    assert (embeddings + shape.layers * block + D * D + D) / 1e6 == pytest.approx(millions, rel=0.02)
    assert len(SIZES[BertConfig]) == 6


@pytest.mark.parametrize(
    ("preset", "millions"), [("gpt2", 124), ("gpt2-medium", 355), ("gpt2-large", 774), ("gpt2-xl", 1558)]
)
def test_gpt2_has_the_published_sizes(preset, millions):
    # The names of the released weights (openai/gpt-2): 124M, 355M, 774M, 1558M. V = 50257.
    shape = model_config(preset, PretrainConfig(vocab_size=50257))
    assert isinstance(shape, GptConfig)
    D, F = shape.width, shape.feedforward
    assert D // shape.heads == 64
    block = 4 * (D * D + D) + 2 * D * F + F + D + 4 * D
    count = (50257 + shape.max_positions) * D + shape.layers * block + 2 * D
    assert count / 1e6 == pytest.approx(millions, rel=0.005)


def test_every_preset_is_of_one_kind_that_knows_its_objectives():
    assert set(PRESETS) == set(KINDS) and set(SIZES) == set(OBJECTIVES)
    for preset, kind in KINDS.items():
        assert type(model_config(preset, PretrainConfig())) is kind
