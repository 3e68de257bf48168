"""Settings: unknown ones are refused with a suggestion, impossible ones with the reason."""

import pytest

from minibert.config import BertConfig, LlamaConfig, PretrainConfig, model_config, settled


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
    assert isinstance(shape, BertConfig)
    assert (shape.layers, shape.width, shape.heads, shape.feedforward) == (3, 320, 5, 1280)
    assert getattr(model_config("bert-tiny", PretrainConfig(width=320, heads=10)), "heads") == 10  # noqa: B009
    assert getattr(model_config("bert-tiny", PretrainConfig(seq_len=1024)), "max_positions") == 1024  # noqa: B009


def test_a_gate_keeps_its_share_of_the_width_and_key_heads_are_heads():
    shape = model_config("llama-tiny", PretrainConfig(width=256, heads=8))
    assert isinstance(shape, LlamaConfig)
    assert (shape.heads, shape.key_heads, shape.feedforward) == (8, 8, 704)


def test_a_size_that_a_kind_does_not_have_is_refused():
    with pytest.raises(ValueError, match="lstm-tiny has no heads; leave out --heads"):
        model_config("lstm-tiny", PretrainConfig(heads=2))


def test_what_is_not_said_is_settled_by_the_kind_of_model():
    for preset, objective, tokenizer in (
        ("bert-tiny", "mlm+nsp", "wordpiece"),
        ("modernbert-tiny", "mlm", "wordpiece"),
        ("gpt-tiny", "clm", "bpe"),
        ("rnn-tiny", "clm", "bpe"),
    ):
        run = settled(preset, PretrainConfig())
        assert (run.objective, run.tokenizer) == (objective, tokenizer)
    run = settled("gpt-tiny", PretrainConfig(tokenizer="char"))
    assert (run.objective, run.tokenizer) == ("clm", "char")


def test_an_objective_that_a_kind_cannot_learn_by_is_refused():
    with pytest.raises(ValueError, match=r"gpt-tiny learns by clm, got --objective mlm; leave it out"):
        settled("gpt-tiny", PretrainConfig(objective="mlm"))
    with pytest.raises(ValueError, match=r"bert-tiny learns by mlm\+nsp or mlm, got --objective clm"):
        settled("bert-tiny", PretrainConfig(objective="clm"))
    with pytest.raises(ValueError, match=r"no preset 'gpt-tyni'\. Did you mean 'gpt-tiny'"):
        settled("gpt-tyni", PretrainConfig())
