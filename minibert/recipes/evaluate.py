"""How good a pretrained model is on held-out text. Every figure that we state comes out of this file.

What the metrics are:

- Examples: `EXAMPLES` segment pairs (or all there are) from documents held out whole, drawn with seed
  `SEED`, at the length trained with. Half the pairs are true nexts; the random ones come from another
  held-out document.
- Masks: 15 % of the tokens of each example, drawn with the same seed; of these 80 % show [MASK], 10 % a
  random token, 10 % the true one. Specials and padding are never predicted.
- Word loss: mean of -log p(true token) over the predicted tokens, in nats. Word accuracy: share of them
  whose likeliest token is the true one.
- Pair loss and pair accuracy: the same over the pairs, two classes; guessing gives 0.5.
- Baselines, fitted on the text trained on, asked for the same tokens: see `minibert.recipes.baselines`.
"""

from typing import Any

import numpy as np
import torch

from minibert.batches.batch import IGNORE, Batch, PretrainingBatches
from minibert.model.bert import BertForPretraining
from minibert.recipes.baselines import Bigram
from minibert.text.base_tokenizer import BaseTokenizer
from minibert.text.store import Store
from minibert.train.loss import cross_entropy

SEED = 0
MASK_RATE = 0.15
EXAMPLES = 2048
ROWS = 64
"""Examples that go through the model together; the numbers do not depend on it."""


def held_out_batches(store: Store, tokenizer: BaseTokenizer, seq_len: int, pairs: bool) -> PretrainingBatches:
    """Return the batches that evaluation uses."""
    return PretrainingBatches(store, tokenizer, ROWS, seq_len, MASK_RATE, pairs=pairs, seed=SEED)


@torch.no_grad()
def evaluate(
    model: BertForPretraining, batches: PretrainingBatches, examples: int = EXAMPLES
) -> dict[str, float]:
    """Return losses, accuracies and counts on the first `examples` examples of `batches`.

    Args:
        model: in eval mode.
        batches: from `held_out_batches`.
        examples: how many to use; no more than an epoch holds.
    """
    device = next(model.parameters()).device
    sums = {"word_loss": 0.0, "word_accuracy": 0.0, "pair_loss": 0.0, "pair_accuracy": 0.0}
    words = pairs = 0
    for batch in in_parts(batches, examples):
        batch = batch.to(device)
        output = model(batch.ids, batch.segments, batch.attend, batch.slots)
        asked = batch.targets != IGNORE
        count = int(asked.sum())
        words += count
        sums["word_loss"] += count * float(cross_entropy(output.words, batch.targets))
        sums["word_accuracy"] += float((output.words.argmax(1) == batch.targets)[asked].sum())
        if batch.pair_labels is not None:
            count = len(batch.pair_labels)
            pairs += count
            sums["pair_loss"] += count * float(cross_entropy(output.pairs, batch.pair_labels))
            sums["pair_accuracy"] += float((output.pairs.argmax(1) == batch.pair_labels).sum())
    result: dict[str, float] = {name: sums[name] / max(words, 1) for name in ("word_loss", "word_accuracy")}
    if pairs:
        result |= {name: sums[name] / pairs for name in ("pair_loss", "pair_accuracy")} | {"pairs": pairs}
    return result | {"word_predictions": words}


def in_parts(batches: PretrainingBatches, examples: int) -> list[Batch]:
    """Return the first `examples` examples, or one epoch if that is less, in batches."""
    examples = min(examples, len(batches))
    firsts = range(0, examples, batches.batch_size)
    return [batches.examples(first, min(batches.batch_size, examples - first)) for first in firsts]


def baselines(
    train: Store, batches: PretrainingBatches, examples: int = EXAMPLES
) -> dict[str, dict[str, float]]:
    """Return loss and accuracy of the unigram and the bigram model, asked for the same tokens."""
    bigram = Bigram.fit(train.ids, train.sentences[train.documents], len(batches.tokenizer))
    asked = [questions(batch) for batch in in_parts(batches, examples)]
    before, true = (np.concatenate(part) for part in zip(*asked, strict=True))
    return {"unigram": bigram.unigram_score(true), "bigram": bigram.score(before, true)}


def questions(batch: Batch) -> tuple[np.ndarray, np.ndarray]:
    """Return for each predicted token the true token before it, and itself: two arrays (N,)."""
    asked = batch.targets != IGNORE
    slots, true = batch.slots[asked], batch.targets[asked]
    row = batch.ids.flatten().scatter(0, slots, true)  # the text as it was
    return row[slots - 1].numpy(), true.numpy()


def full_evaluation(
    model: BertForPretraining, train: Store, batches: PretrainingBatches, step: int
) -> dict[str, Any]:
    """Return what evaluation.json holds, but for the blanks."""
    return {
        "step": step,
        **evaluate(model, batches),
        "seq_len": batches.seq_len,
        "seed": SEED,
        "mask_rate": MASK_RATE,
        "baselines": baselines(train, batches),
    }
