"""The logits of every row, whatever went through the model together."""

import numpy as np
import pytest
import torch
from small_tasks import bert_folder

from minibert.batches.labels import Encoded, LabelledBatches, Ragged
from minibert.config import HeadConfig
from minibert.hub import with_head
from minibert.recipes import predicting
from minibert.recipes.predicting import logits_of


@pytest.mark.parametrize(
    "head", [HeadConfig("classes", ("a", "b", "c")), HeadConfig("tags", ("O", "B-X")), HeadConfig("spans")]
)
def test_logits_come_in_the_order_of_the_rows_and_do_not_depend_on_the_company(head, tmp_path, monkeypatch):
    model, _ = with_head(bert_folder(tmp_path), head, torch.Generator().manual_seed(1))
    model.eval()
    rows = [[2, 9, 8, 7, 3], [2, 12, 3], [2, 30, 31, 32, 33, 34, 3], [2, 5, 6, 3]]
    lengths = np.array([len(row) for row in rows])
    encoded = Encoded(Ragged.of(rows), lengths, np.zeros(4, np.int64), np.arange(4))
    batches = LabelledBatches(encoded, pad_id=0, batch_size=2)
    together = logits_of(model, batches)
    monkeypatch.setitem(predicting.TOKENS, "cpu", 1)
    alone = logits_of(model, batches)
    for row, one, many in zip(rows, alone, together, strict=True):
        with torch.no_grad():
            expected = model(torch.tensor([row]))[0].numpy()
        assert one.shape == many.shape == expected.shape
        np.testing.assert_allclose(one, expected, rtol=0, atol=1e-5)
        np.testing.assert_allclose(many, expected, rtol=0, atol=1e-5)
