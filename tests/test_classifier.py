"""Classifiers: what they read of a text, and what must not change it."""

import pytest
import torch
from by_hand import by_hand
from oracles import distance
from task_models import ATTEND, IDS, LENGTHS, SEGMENTS, task_model

from minibert.learn.checks import model_classifier as checks
from minibert.model.classifier import (
    BertClassifier,
    GptClassifier,
    ModernBertClassifier,
    ModernBertMeanClassifier,
)

test_in_torch = by_hand(checks, examples=5)

ALL = [BertClassifier, ModernBertClassifier, ModernBertMeanClassifier, GptClassifier]


@pytest.mark.parametrize("kind", ALL)
def test_a_text_has_the_same_logits_alone_and_padded_in_a_batch(kind) -> None:
    model = task_model(kind)
    together = model(IDS, SEGMENTS, ATTEND)
    for b, length in enumerate(LENGTHS[:, 0].tolist()):
        alone = model(IDS[b : b + 1, :length], SEGMENTS[b : b + 1, :length])
        assert distance(together[b : b + 1], alone) < 1e-12


def test_bert_s_features_are_the_first_hidden_states_before_the_pooler() -> None:
    model = task_model(BertClassifier)
    hidden = model.body(IDS, SEGMENTS, ATTEND)
    assert distance(model.features(IDS, SEGMENTS, ATTEND), hidden[:, 0]) < 1e-12
    expected = model.body.pool(hidden) @ model.output.weight.T + model.output.bias
    assert distance(model(IDS, SEGMENTS, ATTEND), expected) < 1e-12


def test_gpt_reads_the_last_token_that_is_not_padding() -> None:
    model = task_model(GptClassifier)
    hidden = model.body.features(IDS)
    expected = torch.stack([hidden[b, length - 1] for b, length in enumerate(LENGTHS[:, 0].tolist())])
    assert distance(model.features(IDS, None, ATTEND), expected) < 1e-12
    assert distance(model.features(IDS), hidden[:, -1]) < 1e-12


@pytest.mark.parametrize("kind", [BertClassifier, ModernBertClassifier, GptClassifier])
def test_the_last_block_works_at_one_token_of_each_text(kind) -> None:
    model = task_model(kind)
    seen = []
    for block in model.body.blocks:
        block.feedforward.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape))
    model(IDS, SEGMENTS, ATTEND)
    assert seen == [(3, 7, 8), (3, 8)]


@pytest.mark.parametrize("kind", ALL)
def test_dropout_is_the_head_s_and_falls_on_what_the_last_layer_reads(kind) -> None:
    model = task_model(kind, dropout=0.0, attention_dropout=0.0).train()
    assert model.dropout.p == 0.3 and not torch.equal(model(IDS), model(IDS))
    model.dropout.p = 1.0
    nothing = model.output(torch.zeros(3, 8, dtype=torch.float64))
    assert torch.equal(model(IDS), nothing)


@pytest.mark.slow
def test_a_classifier_compiles_into_one_graph() -> None:
    model = task_model(GptClassifier)
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    assert distance(compiled(IDS, SEGMENTS, ATTEND), model(IDS, SEGMENTS, ATTEND)) < 1e-12
