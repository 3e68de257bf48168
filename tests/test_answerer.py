"""Answerers: start and end at every token, whatever stands beside its text in the batch."""

import pytest
from by_hand import by_hand
from oracles import distance
from task_models import ATTEND, IDS, LENGTHS, SEGMENTS, task_model

from minibert.learn.checks import model_answerer as checks
from minibert.model.answerer import BertAnswerer, GptAnswerer, ModernBertAnswerer

test_in_torch = by_hand(checks, examples=5)


@pytest.mark.parametrize("kind", [BertAnswerer, ModernBertAnswerer, GptAnswerer])
def test_a_token_has_the_same_logits_alone_and_padded_in_a_batch(kind) -> None:
    model = task_model(kind)
    together = model(IDS, SEGMENTS, ATTEND)
    assert together.shape == (3, 7, 2)
    for b, length in enumerate(LENGTHS[:, 0].tolist()):
        alone = model(IDS[b : b + 1, :length], SEGMENTS[b : b + 1, :length])
        assert distance(together[b : b + 1, :length], alone) < 1e-12
