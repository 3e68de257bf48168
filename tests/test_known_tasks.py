"""Every task is known under its name, with all that fine-tuning asks of it."""

import numpy as np
import pytest
from small_runs import small_tokenizer
from small_tasks import small_finetuning

from minibert.recipes.known_tasks import TASKS


@pytest.mark.parametrize("kind", ["classify", "tag", "answer"])
def test_texts_are_read_encoded_and_scored(kind, tmp_path):
    config, known = small_finetuning(kind, tmp_path), TASKS[kind]
    splits = known.read(config)
    head = known.head(splits, config)
    task = known.task(head, small_tokenizer(), 32, config, splits)
    encoded = task.encode(splits.test)
    draw = np.random.default_rng(0)
    by_token = head.task in ("tags", "spans")
    logits = [
        draw.normal(size=(length, head.outputs) if by_token else head.outputs).astype(np.float32)
        for length in encoded.ids.lengths
    ]
    scores = task.scores(splits.test, encoded, logits)
    assert {"loss", task.goal} <= set(scores)
    assert len(task.predictions(splits.test, encoded, logits)) == len(splits.test)
    for baseline in known.baselines(task, splits).values():
        assert task.goal in baseline
    assert known.settled(task, splits.test, encoded, logits).head == head
