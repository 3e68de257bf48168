"""Every kind of model, objective and tokenizer that a run can have has its words in a report."""

import math
import string
from typing import get_args

import pytest

from minibert import config
from minibert.report.kinds import (
    BITS_PER_BYTE,
    MODELS,
    PERPLEXITY,
    PIECES,
    TASKS,
    kind_of,
    perplexity,
    pieces_of,
    task_of,
)


def test_every_kind_objective_and_tokenizer_has_words() -> None:
    assert set(MODELS) == set(config.SIZES)
    assert set(TASKS) == set(get_args(config.Objective))
    assert set(PIECES) == set(get_args(config.TokenizerKind))


@pytest.mark.parametrize(
    ("preset", "called"),
    [
        ("bert-tiny", "a BERT"),
        ("modernbert-base", "a ModernBERT"),
        ("gpt2-xl", "a GPT-2"),
        ("llama-tiny", "a Llama"),
        ("qwen-mini", "a Qwen"),
        ("rnn-tiny", "a recurrent network (RNN)"),
        ("lstm-tiny", "a recurrent network (LSTM)"),
        (None, "a BERT"),
        ("of another version", "a BERT"),
    ],
)
def test_a_model_is_called_by_its_preset(preset: str | None, called: str) -> None:
    assert kind_of(preset).called == called


def test_recurrent_models_alone_do_not_open_in_transformers() -> None:
    recurrent = {shape for shape, kind in MODELS.items() if kind.recurrent}
    assert recurrent == {config.RnnConfig, config.LstmConfig}
    assert {kind.library for shape, kind in MODELS.items() if shape in recurrent} == {"minibert"}
    assert {kind.library for shape, kind in MODELS.items() if shape not in recurrent} == {"transformers"}
    assert recurrent == {shape for shape in MODELS if not hasattr(shape, "max_positions")}


def test_only_one_objective_has_pairs_and_only_one_is_causal() -> None:
    assert [name for name, task in TASKS.items() if task.pairs] == ["mlm+nsp"]
    assert [name for name, task in TASKS.items() if task.causal] == ["clm"]
    assert task_of(None) is TASKS["mlm+nsp"] and task_of("of another version") is TASKS["mlm"]


@pytest.mark.parametrize("name", TASKS)
def test_definitions_name_values_of_the_evaluation_alone(name: str) -> None:
    known = {"seq_len", "mask_rate", "seed", "predictions", "pairs", "pieces"}
    task = TASKS[name]
    named = {field for text in task.definitions for _, field, *_ in string.Formatter().parse(text) if field}
    assert {"seq_len", "seed", "predictions", "pieces"} <= named <= known
    assert ("mask_rate" in named) == (not task.causal) and ("pairs" in named) == task.pairs


def test_perplexity_is_e_to_the_loss() -> None:
    assert perplexity(math.log(67)) == "67.00" and perplexity(0.0) == "1.00"
    assert perplexity(math.log(8192)) == "8,192.00"
    assert [perplexity(loss) for loss in (math.nan, math.inf, 1e4, None)] == [
        "not a number",
        "infinite",
        "infinite",
        "—",
    ]
    assert PERPLEXITY.of({"word_loss": math.log(3)}) == "3.00"
    assert BITS_PER_BYTE.of({"bits_per_byte": 2.0815}) == "2.082" and BITS_PER_BYTE.of({}) == "—"


def test_the_tokens_are_those_of_the_folder_that_a_run_went_on_from_or_its_own() -> None:
    assert [pieces_of(name, "").called for name in (None, "bpe", "char")] == [
        "word pieces",
        "byte pairs",
        "characters",
    ]
    other = pieces_of("bpe", "bert-base")
    assert other.called == "those of bert-base" and other.origin == "The vocabulary is that of bert-base."
