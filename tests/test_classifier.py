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


def test_gpt_refuses_padding_on_the_left() -> None:
    with pytest.raises(ValueError, match="must stand on the right"):
        task_model(GptClassifier)(IDS, None, ATTEND.flip(1))
