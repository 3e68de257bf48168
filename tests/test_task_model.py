"""Task models: every token's features and logits, whatever stands beside its text in the batch."""

import pytest
import torch
from oracles import distance
from task_models import ATTEND, IDS, LENGTHS, SEGMENTS, SIZES, head_for, kind_named, task_model
from torch import Generator

from minibert.model.answerer import BertAnswerer, GptAnswerer, ModernBertAnswerer
from minibert.model.bert import BertForPretraining
from minibert.model.classifier import BertClassifier, GptClassifier, ModernBertClassifier
from minibert.model.gpt import Gpt
from minibert.model.modernbert import ModernBertForPretraining
from minibert.model.tagger import BertTagger, GptTagger, ModernBertTagger

BERTS = [BertClassifier, BertTagger, BertAnswerer]
MODERNBERTS = [ModernBertClassifier, ModernBertTagger, ModernBertAnswerer]
GPTS = [GptClassifier, GptTagger, GptAnswerer]


@pytest.mark.parametrize("kind", [*BERTS[1:], *MODERNBERTS[1:], *GPTS[1:]])
def test_a_token_has_the_same_logits_alone_and_padded_in_a_batch(kind) -> None:
    model = task_model(kind)
    together = model(IDS, SEGMENTS, ATTEND)
    assert together.shape == (3, 7, model.head_config.outputs)
    for b, length in enumerate(LENGTHS[:, 0].tolist()):
        alone = model(IDS[b : b + 1, :length], SEGMENTS[b : b + 1, :length])
        assert distance(together[b : b + 1, :length], alone) < 1e-12


@pytest.mark.parametrize("kind", GPTS)
def test_gpt_refuses_padding_on_the_left_and_an_attend_that_does_not_fit(kind) -> None:
    model = task_model(kind)
    with pytest.raises(ValueError, match="must stand on the right"):
        model(IDS, None, ATTEND.flip(1))
    with pytest.raises(ValueError, match="attend must be boolean"):
        model(IDS, None, ATTEND.long())


@pytest.mark.parametrize(
    ("kind", "pretraining"),
    [
        *((kind, BertForPretraining) for kind in BERTS),
        *((kind, ModernBertForPretraining) for kind in MODERNBERTS),
        *((kind, Gpt) for kind in GPTS),
    ],
)
def test_a_new_model_has_the_body_of_a_new_pretraining_model_and_a_small_head(kind, pretraining) -> None:
    config = kind_named(kind).body.shape(**{**SIZES, "width": 64})
    head = head_for(kind_named(kind).tasks[0])
    model = kind(config, head, Generator().manual_seed(0))
    fresh = pretraining(config, Generator().manual_seed(0))
    weights = dict(getattr(fresh, "bert", fresh).named_parameters())
    for name, weight in model.body.named_parameters():
        assert torch.equal(weight, weights[name]), name
    assert model.output.weight.shape == (head.outputs, 64)
    assert 0.01 < float(model.output.weight.detach().std()) < 0.03
    assert model.output.bias is None or not model.output.bias.any()


@pytest.mark.parametrize("kind", BERTS)
def test_only_a_classifier_has_a_pooler(kind) -> None:
    assert hasattr(task_model(kind).body, "pooler") == (kind is BertClassifier)
